# SPDX-License-Identifier: Apache-2.0
"""Figures of pulls, networks and exec; tests/bench/run calls them. Each takes row(figure, bound, measured, met, note)."""
import collections
import hashlib
import io
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

from appliance import BUILD, CLEAT, IDLE, ROOT, Appliance, descendants, unit, wait_for
from ociimage import ARCH, busybox_of, write_box
from registry import DockerRegistry, has_docker_registry

IMAGE = os.path.join(ROOT, "build", "images", "debian.oci.tar")
PODMAN = "/usr/bin/podman"
NETAVARK = "/usr/lib/podman/netavark"
WRK = "/usr/bin/wrk"
PULLS = int(os.environ.get("PULLS", "3"))
EXECS = 20
LOAD_SEC = 1
LOADS = 5             # rounds at least, and until the best ones of each agree:
LOADS_BEST = 3
LOADS_SPREAD = 0.05
LOADS_LIMIT_SEC = 60
NEW_LOADS_LIMIT_SEC = 15
SECTOR = 512
LARGE_BYTES = 2000000000
# Docker's, or else the one in the build folder, which is taken out of Debian's package.
DOCKER_PROXIES = ("/usr/bin/docker-proxy", "/usr/sbin/docker-proxy", os.path.join(ROOT, "build", "images", "docker-proxy"))
DOCKER_PROXY_PORT = 8090
IPTABLES_RESTORE = "/usr/sbin/iptables-restore"
# What dockerd 20.10 has in its bridge's way for one container with 127.0.0.1:8090 published. Who calls 127.0.0.1 gets to docker-proxy.
DOCKER_ADDRESS = "172.17.0.2"
DOCKER_RULES = """*nat
:DOCKER -
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 8090 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:FORWARD DROP
:DOCKER -
:DOCKER-USER -
:DOCKER-ISOLATION-STAGE-1 -
:DOCKER-ISOLATION-STAGE-2 -
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-USER -j RETURN
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
COMMIT
"""
# What netavark's NAT left of the requests that nginx answers on the host's own network: a reference measurement of 38,370 beside
# 45,950 a second. A ratio carries over to another machine, requests a second do not.
NETAVARK_SHARE = 38370 / 45950


def debian_image():
    subprocess.run([sys.executable, os.path.join(ROOT, "tests", "bench", "debian_image.py"), IMAGE], check=True)
    return IMAGE


# --- pulls --------------------------------------------------------------------------------------------------------------------


def descendants_rss_kib(root):
    """Of a process and all below it: proportional set sizes, added up."""
    total, todo = 0, [root]
    while todo:
        pid = todo.pop()
        try:
            with open("/proc/%d/smaps_rollup" % pid) as f:
                total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M).group(1))
            for task in os.listdir("/proc/%d/task" % pid):
                with open("/proc/%d/task/%s/children" % (pid, task)) as f:
                    todo += [int(child) for child in f.read().split()]
        except (OSError, AttributeError):
            continue
    return total


def measure(argv, watch_memory=False):
    """(seconds, CPU seconds, peak KiB) of a command and all that it starts. Looking at the memory costs time: in runs of its own."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peak, over = [0], threading.Event()

    def watch():
        while not over.wait(0.02):
            peak[0] = max(peak[0], descendants_rss_kib(process.pid))

    watcher = threading.Thread(target=watch)
    if watch_memory:
        watcher.start()
    out, _ = process.communicate()
    seconds = time.monotonic() - begin
    over.set()
    if watch_memory:
        watcher.join()
    assert process.returncode == 0, out[-500:]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak[0]


class Fresh:
    """A file system in memory that has never seen a file."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="cleat-bench-")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8g", "cleat-bench", self.path], check=True)
        return self.path

    def __exit__(self, *_):
        subprocess.run(["umount", "-R", "-l", self.path], check=True)
        os.rmdir(self.path)


def cleat_pull(store, work, reference):
    return [CLEAT, "pull", "--store", store, "--images", os.path.join(work, "none"), "--config", os.path.join(work, "config"), reference]


def podman_pull(path, reference):
    return [PODMAN, "--root", path + "/store", "--runroot", path + "/run", "--tmpdir", path + "/tmp", "pull", "-q", "--tls-verify=false",
            reference]


def allocated_bytes(root):
    total, seen = 0, set()
    for folder, names, files in os.walk(root):
        for name in names + files:
            st = os.lstat(os.path.join(folder, name))
            if (st.st_dev, st.st_ino) not in seen:
                seen.add((st.st_dev, st.st_ino))
                total += st.st_blocks * SECTOR
    return total


def on_new_ext4(action):
    """(bytes written by processes, bytes that reached the disk, bytes that lie there) of an action, which gets the folder; None without loop
    devices. The first is the kernel's account of what it was given to write; the second has the file system's journal and inodes too."""
    with Fresh() as path:
        disk, where = os.path.join(path, "disk"), os.path.join(path, "mount")
        os.mkdir(where)
        subprocess.run(["truncate", "-s", "2G", disk], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", disk], check=True)
        if subprocess.run(["mount", "-o", "loop", disk, where], stderr=subprocess.DEVNULL).returncode:
            return None
        try:
            device = os.path.basename(subprocess.run(["findmnt", "-no", "SOURCE", where], check=True, text=True,
                                                     stdout=subprocess.PIPE).stdout.strip())
            counter = "/sys/block/%s/stat" % device
            os.sync()
            before = int(open(counter).read().split()[6])
            blocks = resource.getrusage(resource.RUSAGE_CHILDREN).ru_oublock
            action(where)
            given = (resource.getrusage(resource.RUSAGE_CHILDREN).ru_oublock - blocks) * SECTOR
            os.sync()
            reached = (int(open(counter).read().split()[6]) - before) * SECTOR
            return given, reached, allocated_bytes(where)
        finally:
            subprocess.run(["umount", where], check=True)


def untar(archive, where):
    """The layers of an OCI archive, each into a folder of its own, by tar: what writing these files costs this file system."""
    with tarfile.open(archive) as tar:
        def blob(name):
            return tar.extractfile("blobs/" + name.replace(":", "/"))

        manifest = json.load(blob(json.load(tar.extractfile("index.json"))["manifests"][0]["digest"]))
        for i, one in enumerate(manifest["layers"]):
            folder = os.path.join(where, str(i))
            os.mkdir(folder)
            with subprocess.Popen(["tar", "xz", "-C", folder], stdin=subprocess.PIPE) as process:
                shutil.copyfileobj(blob(one["digest"]), process.stdin)
            assert process.returncode == 0


def written_rows(row, work, reference):
    ours = on_new_ext4(lambda where: measure(cleat_pull(os.path.join(where, "store"), work, reference)))
    if not ours:
        row("pull: bytes written / unpacked", "<= 1.03", "not measured", None, "no loop devices here")
        return
    theirs = on_new_ext4(lambda where: untar(IMAGE, where))
    given, reached, kept = ours
    row("pull: bytes written / unpacked", "<= 1.03", "%.3f" % (given / kept), given / kept <= 1.03,
        "%d MiB were written to a new ext4 by all processes, %d MiB lie there" % (given >> 20, kept >> 20))
    row("pull: bytes that reached the disk / the same by tar x", "<= 1.03", "%.3f" % (reached / theirs[1]), reached / theirs[1] <= 1.03,
        "%.3f and %.3f of what lies there: ext4's journal and inodes come on top" % (reached / kept, theirs[1] / theirs[2]))


class Counted(io.RawIOBase):
    """A pseudo file of so many bytes, half of them as good as random: what no decoder keeps for long."""

    def __init__(self, size):
        self.left, self.block = size, os.urandom(1 << 19) + bytes(1 << 19)

    def readable(self):
        return True

    def readinto(self, out):
        n = min(len(out), self.left, len(self.block))
        out[:n] = self.block[:n]
        self.left -= n
        return n


def large_layer(blobs, size, packer):
    """(diff id, blob, bytes) of a layer with one file, written below blobs."""
    plain, packed = hashlib.sha256(), hashlib.sha256()
    path = os.path.join(blobs, "new")

    class Both:
        def __init__(self, out):
            self.out = out

        def write(self, data):
            plain.update(data)
            return self.out.write(data)

    with open(path, "wb") as f:
        process = subprocess.Popen(packer, stdin=subprocess.PIPE, stdout=f)
        with tarfile.open(fileobj=Both(process.stdin), mode="w|", format=tarfile.GNU_FORMAT) as tar:
            info = tarfile.TarInfo("data/%s" % len(os.listdir(blobs)))
            info.size = size
            tar.addfile(info, io.BufferedReader(Counted(size), 1 << 20))
        process.stdin.close()
        assert process.wait() == 0
    with open(path, "rb") as f:
        while chunk := f.read(1 << 20):
            packed.update(chunk)
    os.rename(path, os.path.join(blobs, packed.hexdigest()))
    return "sha256:" + plain.hexdigest(), "sha256:" + packed.hexdigest(), os.path.getsize(os.path.join(blobs, packed.hexdigest()))


def large_layout(where):
    """An OCI layout of 2 GB in four layers, gzip and zstd."""
    blobs = os.path.join(where, "blobs", "sha256")
    os.makedirs(blobs)
    kinds = [("gzip", ["gzip", "-1"])] * 2 + [("zstd", ["zstd", "-q", "-c", "-1"])] * 2
    layers = [(kind, *large_layer(blobs, LARGE_BYTES // len(kinds), packer)) for kind, packer in kinds]

    def add(document):
        data = json.dumps(document).encode()
        name = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, name), "wb") as f:
            f.write(data)
        return {"digest": "sha256:" + name, "size": len(data)}

    config = add({"architecture": ARCH, "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [one[1] for one in layers]}})
    manifest = add({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "config": dict(config, mediaType="application/vnd.oci.image.config.v1+json"),
                    "layers": [{"digest": blob, "size": size, "mediaType": "application/vnd.oci.image.layer.v1.tar+" + kind}
                               for kind, _, blob, size in layers]})
    with open(os.path.join(where, "index.json"), "w") as f:
        json.dump({"schemaVersion": 2, "manifests": [dict(manifest, mediaType="application/vnd.oci.image.manifest.v1+json")]}, f)
    with open(os.path.join(where, "oci-layout"), "w") as f:
        f.write('{"imageLayoutVersion":"1.0.0"}')
    return where


def large_row(row, work, registry):
    layout = large_layout(os.path.join(work, "large"))
    subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", "oci:" + layout,
                    "docker://%s/team/large:1" % registry.host], check=True, timeout=300)
    shutil.rmtree(layout)
    with Fresh() as path:
        peak = measure(cleat_pull(path + "/store", work, registry.host + "/team/large:1"), watch_memory=True)[2] / 1024
    row("pull: memory, image of %.0f GB" % (LARGE_BYTES / 1e9), "<= 24 MiB", "%.1f MiB" % peak, peak <= 24,
        "four layers, two gzip, two zstd; all processes together, PSS at its highest")


def figure_pull(row):
    if not has_docker_registry():
        row("pull", "", "not measured", None, "docker-registry is missing")
        return
    work = tempfile.mkdtemp(prefix="cleat-bench-")
    os.makedirs(os.path.join(work, "none"))
    os.makedirs(os.path.join(work, "config"))
    registry = DockerRegistry(os.path.join(work, "registry")).start()
    try:
        with open(os.path.join(work, "config", "registries.conf"), "w") as f:
            f.write('[[registry]]\nlocation = "%s"\ninsecure = true\n' % registry.host)
        registry.push(debian_image(), "team/debian:1")
        reference = registry.host + "/team/debian:1"
        pull_rows(row, work, reference)
        written_rows(row, work, reference)
        large_row(row, work, registry)
    finally:
        registry.stop()
        shutil.rmtree(work)


def pull_rows(row, work, reference):
    ours, theirs, peak = [], [], 0
    has_podman = os.access(PODMAN, os.X_OK)
    for _ in range(PULLS):
        with Fresh() as path:
            ours.append(measure(cleat_pull(path + "/store", work, reference)))
        if has_podman:
            with Fresh() as path:
                theirs.append(measure(podman_pull(path, reference)))
    with Fresh() as path:
        peak = measure(cleat_pull(path + "/store", work, reference), watch_memory=True)[2] / 1024
    wall, cpu = (statistics.median(sample[i] for sample in ours) for i in (0, 1))
    row("pull: cleat", "", "%.2f s, %.2f s CPU" % (wall, cpu), None, "four layers, %d MB compressed, to memory, median of %d"
        % (os.path.getsize(IMAGE) // 1000000, PULLS))
    row("pull: memory", "<= 24 MiB", "%.1f MiB" % peak, peak <= 24, "all processes together, PSS at its highest")
    if not theirs:
        row("pull: podman / cleat", ">= 3", "not measured", None, "%s is missing" % PODMAN)
        return
    their_wall, their_cpu = (statistics.median(sample[i] for sample in theirs) for i in (0, 1))
    row("pull: podman", "", "%.2f s, %.2f s CPU" % (their_wall, their_cpu), None, "Debian's, the same image, to memory")
    row("pull: podman / cleat", ">= 3", "%.2f" % (their_wall / wall), their_wall / wall >= 3, "wall clock")
    row("pull: podman / cleat, CPU", ">= 3", "%.2f" % (their_cpu / cpu), their_cpu / cpu >= 3, "all processes")


# --- networks and exec --------------------------------------------------------------------------------------------------------


# Where requests go: the network namespace of a process, and who answers and relays them there.
Place = collections.namedtuple("Place", "netns url server proxy", defaults=(0, 0))
# What came of a second of them: requests a second; processor time a request, of client and server together and of the proxy.
Turn = collections.namedtuple("Turn", "rate ends_usec proxy_usec")


def cpu_usec(pid):
    """Processor time of a process, all threads; 0 of nobody."""
    if not pid:
        return 0
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000000 // os.sysconf("SC_CLK_TCK")


def spent(place):
    children = resource.getrusage(resource.RUSAGE_CHILDREN)  # wrk among them: the way of the packets is in its and the server's system calls
    server = [place.server] + descendants(place.server) if place.server else []
    return sum(map(cpu_usec, server)) + 1000000 * (children.ru_utime + children.ru_stime), cpu_usec(place.proxy)


def take_turn(place, kept):
    """Over kept connections or a new one each."""
    words = [] if kept else ["-H", "Connection: close"]
    before = spent(place)
    out = subprocess.run(["nsenter", "-t", str(place.netns), "-n", WRK, "-t1", "-c32", "-d%ds" % LOAD_SEC] + words + [place.url],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    after = spent(place)
    assert out.returncode == 0 and "Non-2xx" not in out.stdout, out.stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out.stdout).group(1))
    requests = int(re.search(r"(\d+) requests in", out.stdout).group(1))
    return Turn(rate, (after[0] - before[0]) / requests, (after[1] - before[1]) / requests)


def answers(place):
    return subprocess.run(["nsenter", "-t", str(place.netns), "-n", "curl", "-sf", "-m", "5", "-o", "/dev/null", place.url]).returncode == 0


def interleaved_turns(places, limit_sec, kept=True):
    """Name -> turns of {name: place}, and rate of each. What disturbs a turn makes it slower, never faster: the median of the best ones
    counts, and turns go on until these agree."""
    turns = {name: [] for name in places}

    def best(name):
        return sorted(turn.rate for turn in turns[name])[-LOADS_BEST:]

    for name, place in places.items():
        wait_for(name + ": " + place.url, lambda place=place: answers(place))
    begin, rounds = time.monotonic(), 0
    while rounds < LOADS or (time.monotonic() - begin < limit_sec
                             and any(best(name)[0] < (1 - LOADS_SPREAD) * best(name)[-1] for name in places)):
        rounds += 1
        for name, place in places.items():
            turns[name].append(take_turn(place, kept))
    return turns, {name: statistics.median(best(name)) for name in places}


NGINX = ("Exec=/bin/sh -c \"head -c 1024 /dev/zero >/tmp/1k; echo 'daemon off; events { worker_connections 1024; } http { access_log off; "
         "server { listen %d; root /tmp; } }' >/tmp/nginx.conf; exec nginx -c /tmp/nginx.conf\"")


def shell_of(line):
    """The words of NGINX for a shell that no unit file quotes for."""
    return re.match(r'Exec=/bin/sh -c "(.*)"$', line, re.S).group(1)


class Netavark:
    """The same image's nginx behind podman's published port, in network and mount namespaces of its own; .place is None without podman."""

    def __init__(self, directory):
        self.dir, self.keeper, self.place, self.names = os.path.join(directory, "podman"), None, None, ["nat"]

    def podman(self, *args):
        words = ["nsenter", "-t", str(self.keeper.pid), "-m", "-n", PODMAN, "--root", self.dir + "/store", "--runroot", self.dir + "/run",
                 "--tmpdir", self.dir + "/tmp", "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--network-backend", "netavark",
                 "--network-config-dir", self.dir + "/networks"]
        return subprocess.run(words + list(args), check=True, text=True, stdout=subprocess.PIPE, timeout=120).stdout.strip()

    def __enter__(self):
        if not os.access(PODMAN, os.X_OK) or not os.access(NETAVARK, os.X_OK):
            return self
        os.makedirs(self.dir)
        # crun 1.8 gives up on a hybrid tree of cgroups; limits are not ours to raise everywhere
        self.keeper = subprocess.Popen(["unshare", "-m", "-n", "sh", "-c", "ip link set lo up; mount -t tmpfs -o size=2g none '%s'; "
                                        "test ! -d /sys/fs/cgroup/unified || umount -l /sys/fs/cgroup/unified; echo; exec sleep infinity"
                                        % self.dir], stdout=subprocess.PIPE, text=True, start_new_session=True)  # outlives what ends all of us
        self.keeper.stdout.readline()
        try:
            self.podman("load", "-q", "-i", debian_image())
            self.podman("run", "-d", "--name", "nat", "--cgroups", "disabled", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096",
                        "-p", "8080:80", "localhost/debian-app:1", "/bin/sh", "-c", shell_of(NGINX % 80))
            self.place = Place(self.keeper.pid, "http://127.0.0.1:8080/1k", int(self.podman("inspect", "-f", "{{.State.Pid}}", "nat")))
        except BaseException:
            self.__exit__()
            raise
        return self

    def run_in(self, netns_pid, name, line):
        """A container of podman's in a network namespace that somebody else has made."""
        self.names.append(name)
        self.podman("run", "-d", "--name", name, "--cgroups", "disabled", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096",
                    "--network", "ns:/proc/%d/ns/net" % netns_pid, "localhost/debian-app:1", "/bin/sh", "-c", line)

    def __exit__(self, *_):
        if self.keeper:
            subprocess.run(["nsenter", "-t", str(self.keeper.pid), "-m", "-n", PODMAN, "--root", self.dir + "/store", "--runroot",
                            self.dir + "/run", "--tmpdir", self.dir + "/tmp", "--cgroup-manager", "cgroupfs", "rm", "-f", "-t", "0"] + self.names,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.keeper.kill()
            self.keeper.wait()


def docker_proxy():
    """The program; None where there is none and the package is not to be had."""
    for path in DOCKER_PROXIES:
        if os.access(path, os.X_OK):
            return path
    with tempfile.TemporaryDirectory(prefix="cleat-bench-") as where:
        os.chmod(where, 0o777)  # apt fetches as a user of its own
        subprocess.run(["apt-get", "-qq", "download", "docker.io"], cwd=where, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for package in [name for name in os.listdir(where) if name.endswith(".deb")]:
            subprocess.run(["dpkg-deb", "-x", package, "."], cwd=where, check=True)
            for folder, _, names in os.walk(where):
                if "docker-proxy" in names:
                    shutil.copy(os.path.join(folder, "docker-proxy"), DOCKER_PROXIES[-1])
                    return DOCKER_PROXIES[-1]
    return None


def start_docker_proxy(program, netns_pid, address, port):
    # it reports on descriptor 3; a session of its own, because the scheduler shares processors out by session, and our proxy has one
    process = subprocess.Popen(["nsenter", "-t", str(netns_pid), "-n", "sh", "-c", 'exec "$@" 3>&1', "sh", program, "-proto", "tcp",
                                "-host-ip", "127.0.0.1", "-host-port", str(DOCKER_PROXY_PORT), "-container-ip", address,
                                "-container-port", port], stdout=subprocess.PIPE, text=True, start_new_session=True)
    said = process.stdout.readline()
    if not said.startswith("0"):
        end_processes([process])
        raise AssertionError(said)
    return process


def end_processes(processes):
    for process in processes:
        process.kill()
        process.communicate()


class DockerProxy:
    """In front of the same container as our proxy, in the same network namespace; .place is None where docker-proxy is not to be had."""

    def __init__(self, netns_pid, target):
        self.pid, self.target, self.process, self.place = netns_pid, target, None, None

    def __enter__(self):
        program = docker_proxy()
        if program:
            self.process = start_docker_proxy(program, self.pid, *self.target.rsplit(":", 1))
            self.place = Place(self.pid, "http://127.0.0.1:%d/1k" % DOCKER_PROXY_PORT, proxy=self.process.pid)
        return self

    def __exit__(self, *_):
        end_processes([self.process] if self.process else [])


class DockerPort:
    """docker-proxy as dockerd has it: its bridge with its rules behind it, a container of podman's as Docker's. This is what the issue's
    reference measurement called docker-proxy. .place is None where a part is missing."""

    def __init__(self, podman):
        self.podman, self.processes, self.place = podman, [], None

    def __enter__(self):
        program = docker_proxy()
        if not program or not self.podman.place or not os.access(IPTABLES_RESTORE, os.X_OK):
            return self
        try:
            self.start(program)
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self, program):
        for _ in range(2):
            self.processes.append(subprocess.Popen(["unshare", "-n", "sh", "-c", "ip link set lo up; echo; exec sleep infinity"],
                                                   stdout=subprocess.PIPE, text=True, start_new_session=True))
            self.processes[-1].stdout.readline()
        host, container = (process.pid for process in self.processes)

        def inside(pid, line, text=None):
            subprocess.run(["nsenter", "-t", str(pid), "-n", "sh", "-ec", line], input=text, text=True, check=True)

        inside(host, "ip link add docker0 type bridge; ip address add 172.17.0.1/16 dev docker0; ip link set docker0 up; "
               "ip link add vethd type veth peer name eth0 netns %d; ip link set vethd master docker0 up; "
               "echo 1 >/proc/sys/net/ipv4/ip_forward; exec %s" % (container, IPTABLES_RESTORE), DOCKER_RULES)
        inside(container, "ip address add %s/16 dev eth0; ip link set eth0 up; ip route add default via 172.17.0.1" % DOCKER_ADDRESS)
        self.podman.run_in(container, "docker", shell_of(NGINX % 80))
        self.processes.append(start_docker_proxy(program, host, DOCKER_ADDRESS, "80"))
        self.place = Place(host, "http://127.0.0.1:%d/1k" % DOCKER_PROXY_PORT, proxy=self.processes[-1].pid)

    def __exit__(self, *_):
        end_processes(self.processes)


def own_proxy(appliance):
    """(pid, the address that it connects to)"""
    for pid in appliance.processes("cleat"):
        with open("/proc/%d/cmdline" % pid) as f:
            words = f.read().split("\0")
        if words[1] == "proxy":
            return pid, words[words.index("--connect") + 1]
    raise AssertionError("no proxy runs")


def without_netfilter(directory):
    """The program of the system tests that makes a kernel look as if it had no NAT."""
    program = os.path.join(directory, "without_netfilter")
    subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-o", program,
                    os.path.join(ROOT, "tests", "system", "without_netfilter.c")], check=True)
    return [program]


def boot_nginx(directory, units, wrap=()):
    os.mkdir(directory)
    appliance = Appliance(directory, units, images=(), wrap=wrap)
    try:
        appliance.add_image("debian", debian_image())
        appliance.start()
        for name in units:
            appliance.wait_unit("systemd-" + name, state="up")
    except BaseException:
        appliance.close()
        raise
    return appliance


def figure_ports(row):
    """The same nginx on the appliance's own network, behind a published port by NAT, and by proxy; and behind netavark's NAT."""
    if not os.access(WRK, os.X_OK):
        row("published port", "", "not measured", None, "%s is missing" % WRK)
        return
    directory = tempfile.mkdtemp(prefix="cleat-bench-")
    published = unit("localhost/debian-app:1", "PublishPort=8080:80\n" + NGINX % 80, network="")
    appliances = []
    try:
        appliances.append(boot_nginx(os.path.join(directory, "nat"), {
            "direct": unit("localhost/debian-app:1", NGINX % 8081, network="host"), "nat": published}))
        appliances.append(boot_nginx(os.path.join(directory, "proxy"), {"proxy": published}, without_netfilter(directory)))
        assert "proxy" in str(appliances[1].unit("systemd-proxy")["notes"])
        pid, target = own_proxy(appliances[1])
        with Netavark(directory) as netavark, DockerProxy(appliances[1].init_pid(), target) as docker, DockerPort(netavark) as docker_port:
            nat, proxy = (appliance.init_pid() for appliance in appliances)
            places = {"host": Place(nat, "http://127.0.0.1:8081/1k"),
                      "nat": Place(nat, "http://127.0.0.1:8080/1k", server=appliances[0].pid_of("systemd-nat")),
                      "netavark": netavark.place, "proxy": Place(proxy, "http://127.0.0.1:8080/1k", proxy=pid),
                      "docker-proxy": docker.place, "docker's port": docker_port.place}
            places = {name: place for name, place in places.items() if place}
            port_rows(row, *interleaved_turns(places, LOADS_LIMIT_SEC))
            if docker.place:
                names = ("host", "proxy", "docker-proxy")
                new_connection_rows(row, *interleaved_turns({name: places[name] for name in names}, NEW_LOADS_LIMIT_SEC, False))
    finally:
        for appliance in appliances:
            appliance.close()
        subprocess.run(["rm", "-rf", directory], check=True)  # two unpacked images: four times as fast as rmtree


def port_rows(row, turns, rates):
    host, how = rates["host"], "of %d requests a second on the host's network, 1 KiB, 32 connections, best %d of %d rounds" % (
        rates["host"], LOADS_BEST, len(turns["host"]))
    share = rates["nat"] / host
    if "netavark" in rates:
        row("published port: netavark / host's network", "", "%.2f" % (rates["netavark"] / host), None, "%d %s" % (rates["netavark"], how))
        ratio = rates["nat"] / rates["netavark"]
        row("published port: by NAT / host's network", "", "%.2f" % share, None, "%d %s" % (rates["nat"], how))
        row("published port: by NAT / netavark", ">= 1.00", "%.2f" % ratio, ratio >= 1,
            "in the same run; the best rounds of a kind differ by up to %.0f %%" % (100 * LOADS_SPREAD))
        nat_cost_row(row, turns)
    else:
        row("published port: by NAT / host's network", ">= %.2f" % NETAVARK_SHARE, "%.2f" % share, share >= NETAVARK_SHARE,
            "%d %s; the bound is netavark's share in the reference measurement" % (rates["nat"], how))
    if "docker-proxy" not in rates:
        row("published port: by proxy / docker-proxy", ">= 2", "not measured", None, "docker-proxy is missing, and Debian's docker.io not to be had")
        return
    # the reference measurement was of dockerd, whose bridge has rules
    judged = "docker's port" if "docker's port" in rates else "docker-proxy"
    for name, title, what in (("docker's port", " with dockerd's rules", "a bridge as dockerd makes it"), ("docker-proxy", " alone", "before our container")):
        if name in rates:
            ratio = rates["proxy"] / rates[name]
            row("published port: by proxy / docker-proxy" + title, ">= 2" if name == judged else "", "%.2f" % ratio,
                ratio >= 2 if name == judged else None, "%d and %d %s; %s; what costs nothing at all would reach %.2f"
                % (rates["proxy"], rates[name], how, what, host / rates[name]))
    proxy_cost_row(row, turns, "kept connections")


def nat_cost_row(row, turns):
    """Who gets the processors when is chance on a busy machine; what a request costs is not."""
    own, theirs = (statistics.median(turn.ends_usec for turn in turns[name]) for name in ("nat", "netavark"))
    row("netavark / NAT: processor time a request", "", "%.2f" % (theirs / own), None, "client and server; %.1f and %.1f us, medians of %d"
        % (theirs, own, len(turns["nat"])))


def proxy_cost_row(row, turns, what):
    own, theirs = (min(turn.proxy_usec for turn in turns[name]) for name in ("proxy", "docker-proxy"))
    row("docker-proxy / proxy: processor time a request", "", "%.2f" % (theirs / own), None, "%s; %.1f and %.1f us, least of %d"
        % (what, theirs, own, len(turns["proxy"])))


def new_connection_rows(row, turns, rates):
    proxy_cost_row(row, turns, "a connection each")
    row("published port: by proxy / docker-proxy, a connection each", "", "%.2f" % (rates["proxy"] / rates["docker-proxy"]), None,
        "%d and %d of %d a second on the host's network, %d rounds" % (rates["proxy"], rates["docker-proxy"], rates["host"], len(turns["host"])))


def milliseconds(argv):
    begin = time.monotonic()
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return (time.monotonic() - begin) * 1000


def figure_exec(row):
    directory = tempfile.mkdtemp(prefix="cleat-bench-")
    appliance = Appliance(directory, images=())
    try:
        box = os.path.join(directory, "box.tar")
        write_box(box, busybox_of(BUILD))
        appliance.add_image("box", box)
        appliance.add_unit("box", unit("localhost/box:latest", "Exec=sh -c \"%s\"" % IDLE))
        appliance.start()
        appliance.wait_unit("systemd-box", state="up")
        pid = appliance.pid_of("systemd-box")
        ours = [CLEAT, "--socket", appliance.socket, "exec", "systemd-box", "/bin/true"]
        floor = ["nsenter", "-t", str(pid), "-a", "/bin/true"]
        taken = {"cleat": [], "nsenter": []}
        for _ in range(EXECS):
            taken["cleat"].append(milliseconds(ours))
            taken["nsenter"].append(milliseconds(floor))
        cleat, nsenter = (statistics.median(taken[name]) for name in ("cleat", "nsenter"))
        row("exec: cleat / nsenter", "<= 2", "%.2f" % (cleat / nsenter), cleat / nsenter <= 2,
            "%.2f and %.2f ms, medians of %d; nsenter changes no user, capabilities or filter" % (cleat, nsenter, EXECS))
    finally:
        appliance.close()
        shutil.rmtree(directory)
