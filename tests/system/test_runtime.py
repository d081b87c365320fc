# SPDX-License-Identifier: Apache-2.0
"""Real containers through "cleat-runtime run", "exec" and "teardown": what holds inside, seen from inside and outside."""

import copy
import json
import os
import pathlib
import platform
import shutil
import signal
import stat
import subprocess
import tempfile

import pytest

from appliance import wait_for

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = TOP / "build" / platform.machine()
RUNTIME = BUILD / "bin" / "cleat-runtime"
BUSYBOX = BUILD / "sysroot" / "bin" / "busybox"
CRUN = "/usr/bin/crun"
ROOT_OUTSIDE = 65000
ID_MAP = [
    {"containerID": 0, "hostID": ROOT_OUTSIDE, "size": 1},
    {"containerID": 1, "hostID": 1, "size": 64999},
    {"containerID": 65024, "hostID": 65024, "size": 512},
]
PASSWD = "root:x:0:0:root:/root:/bin/sh\nmoe:x:1001:1002:Moe:/home/moe:/bin/sh\n"
GROUP = "root:x:0:\nmoe:x:1002:\nextra:x:1010:moe\nvideo:x:44:\n"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="containers need root here")


def base_config():
    return {
        "ociVersion": "1.1.0",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/sh"],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": {},
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "web",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=64k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=1m"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777", "size=256k"]},
        ],
        "annotations": {"org.cleat.root": "read-only"},
        "linux": {
            "uidMappings": ID_MAP,
            "gidMappings": ID_MAP,
            "namespaces": [{"type": t} for t in ("mount", "pid", "user", "ipc", "uts", "cgroup", "network")],
            "maskedPaths": ["/proc/kcore", "/proc/acpi", "/proc/keys", "/sys/firmware", "/proc/no-such-thing", "/proc/cmdline/x"],
            "readonlyPaths": ["/proc/sys", "/proc/irq", "/proc/no-such-thing"],
        },
    }


def lchown_tree(top, uid):
    for base, directories, files in os.walk(top):
        for name in [""] + directories + files:
            os.lchown(os.path.join(base, name), uid, uid)


def cgroup_mount():
    for line in open("/proc/self/mountinfo"):
        fields = line.split(" - ")
        if fields[1].startswith("cgroup2 "):
            return pathlib.Path(fields[0].split()[4])
    raise AssertionError("no cgroup2")


class Place:
    """A directory with layers, data, a cache of filters, and bundles in it."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.dir.chmod(0o755)
        self.data = self.dir / "data"
        self.data.mkdir()
        self.base = self.layer("base")
        self.count = 0
        self.config = base_config()
        self.layers = [self.base]
        (self.base / "bin").mkdir()
        (self.base / "etc").mkdir()
        for name in ("dev", "proc", "sys", "tmp", "home"):
            (self.base / name).mkdir()
        shutil.copy(BUSYBOX, self.base / "bin" / "busybox")
        applets = subprocess.run([BUSYBOX, "--list"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
        for applet in applets:
            if applet != "busybox":
                (self.base / "bin" / applet).symlink_to("busybox")
        (self.base / "etc" / "passwd").write_text(PASSWD)
        (self.base / "etc" / "group").write_text(GROUP)
        lchown_tree(self.base, ROOT_OUTSIDE)

    def layer(self, name):
        directory = self.dir / name
        directory.mkdir()
        os.chown(directory, ROOT_OUTSIDE, ROOT_OUTSIDE)
        return directory

    def mount(self, **fields):
        self.config["mounts"].append(fields)

    def bind(self, source, target, *options):
        self.mount(destination=target, type="bind", source=str(source), options=["rbind", *options])

    def bundle(self, args, layered=True):
        """Writes config.json; returns (bundle directory, run id)."""
        self.count += 1
        run_id = "%08x%04x" % (os.getpid(), self.count)
        bundle = self.dir / ("bundle-%d" % self.count)
        bundle.mkdir()
        config = copy.deepcopy(self.config)
        config["process"]["args"] = args
        if layered:
            config["annotations"]["org.cleat.layers"] = ":".join(str(layer) for layer in self.layers)
        else:
            config["root"]["path"] = str(self.base)
        (bundle / "config.json").write_text(json.dumps(config))
        return bundle, run_id

    def command(self, bundle, run_id):
        return [RUNTIME, "run", "--bundle", bundle, "--data-dir", self.data, "--cache-dir", self.dir / "cache", run_id]

    def run(self, *args, layered=True, **keywords):
        bundle, run_id = self.bundle(list(args), layered)
        return subprocess.run(self.command(bundle, run_id), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, check=False, **keywords)

    def sh(self, script, **keywords):
        return self.run("/bin/sh", "-c", script, **keywords)

    def out(self, script, **keywords):
        done = self.sh(script, **keywords)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout.strip()


@pytest.fixture
def place():
    # Not tmp_path, which nobody but root may enter: crun opens the root as the container's root.
    directory = tempfile.mkdtemp(prefix="cleat-runtime-")
    yield Place(directory)
    shutil.rmtree(directory)


class Running:
    """A container that said "ready" on its standard output and waits."""

    def __init__(self, place, script="exec sleep 1000", prepare=""):
        self.place = place
        self.bundle, self.run_id = place.bundle(["/bin/sh", "-c", prepare + "echo ready; " + script])
        self.process = subprocess.Popen(place.command(self.bundle, self.run_id), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        line = self.process.stdout.readline()
        assert line == "ready\n", line + self.process.stdout.read()

    @property
    def cgroup(self):
        return cgroup_mount() / "cleat" / "c" / self.run_id

    def pids(self):
        return [int(pid) for pid in (self.cgroup / "cgroup.procs").read_text().split()]

    def init(self):
        for pid in self.pids():
            for line in open("/proc/%d/status" % pid):
                if line.startswith("NSpid:") and line.split()[-1] == "1":
                    return pid
        raise AssertionError("no first process")

    def exec(self, *words, user=None, env=None):
        command = [RUNTIME, "exec", "--bundle", self.bundle, "--cache-dir", self.place.dir / "cache", "--pid", str(self.init())]
        if user:
            command += ["--user", user]
        return subprocess.run(command + [self.run_id, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, check=False, env=env)

    def teardown(self):
        return subprocess.run([RUNTIME, "teardown", self.run_id], stderr=subprocess.PIPE, text=True, timeout=60, check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.teardown()
        self.process.wait(60)
        self.process.stdout.close()


def status(text):
    """/proc/PID/status as a dictionary."""
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


# --- root ---------------------------------------------------------------------------------------------------------------------


def second_layer(place):
    top = place.layer("top")
    (top / "app").mkdir()
    (top / "app" / "file").write_text("top")
    lchown_tree(top, 1001)
    os.chown(top, ROOT_OUTSIDE, ROOT_OUTSIDE)
    place.layers.append(top)


@pytest.mark.parametrize("shape", ["one layer", "one layer, mount points missing", "two layers",
                                   "two layers, mount points missing", "plain directory"])
def test_read_only_root_cannot_be_written(place, shape):
    if "two" in shape:
        second_layer(place)
    if "missing" in shape:
        place.mount(destination="/srv/scratch", type="tmpfs", source="tmpfs", options=["size=64k"])
    before = sorted(str(p) for p in place.base.rglob("*"))
    done = place.sh("touch /x; touch /bin/x; mkdir /etc/d; rm /etc/passwd; chmod 777 /; echo >> /etc/group; mount -o remount,rw /",
                    layered=shape != "plain directory")
    assert done.returncode != 0
    assert done.stderr.count("Read-only file system") == 6, done.stderr
    assert sorted(str(p) for p in place.base.rglob("*")) == before
    assert (place.base / "etc" / "group").read_text() == GROUP


def test_one_complete_layer_is_bound_and_not_stacked(place):
    root = "awk '$5 == \"/\"' /proc/self/mountinfo"
    assert "%s / ro" % place.base in place.out(root)
    place.mount(destination="/missing", type="tmpfs", source="tmpfs")
    assert " - overlay " in place.out(root)


def test_writable_root_is_thrown_away_and_bounded(place):
    second_layer(place)
    place.config["root"]["readonly"] = False
    place.config["annotations"]["org.cleat.root"] = "tmpfs:262144"
    place.config["process"]["capabilities"] = {name: ["CAP_DAC_OVERRIDE"] for name in ("bounding", "permitted", "effective")}
    before = sorted(str(p) for p in place.base.rglob("*"))
    out = place.out("echo changed > /etc/group; rm /app/file; mkdir /new; cat /etc/group; ls /app /new; stat -c '%u %a' / /app; "
                    "dd if=/dev/zero of=/big bs=4096 count=1000 2>&1 | grep -o 'No space left'")
    assert out.splitlines() == ["changed", "/app:", "", "/new:", "0 755", "1001 755", "No space left"]
    assert sorted(str(p) for p in place.base.rglob("*")) == before
    assert (place.layers[1] / "app" / "file").read_text() == "top"
    assert place.out("cat /app/file; test ! -e /new") == "top"


def test_missing_mount_points_keep_owner_and_mode_of_their_parents(place):
    second_layer(place)
    os.chmod(place.layers[1] / "app", 0o2775)
    (place.base / "usr" / "lib").mkdir(parents=True)
    (place.base / "lib").symlink_to("usr/lib")
    lchown_tree(place.base / "usr", ROOT_OUTSIDE)
    volume = place.data / "v"
    volume.mkdir()
    (volume / "in").write_text("volume")
    place.bind(volume, "/app/logs")
    place.bind(volume, "/lib/modules", "ro")
    place.bind(volume / "in", "/etc/one-file", "ro")
    out = place.out("stat -c '%u %a' /app; cat /app/logs/in /app/file /etc/one-file /lib/modules/in; readlink /lib; ls -d /usr/lib/modules")
    assert out == "1001 2775\nvolumetopvolumevolumeusr/lib\n/usr/lib/modules"
    assert not (place.layers[1] / "app" / "logs").exists()
    assert not (place.base / "usr" / "lib" / "modules").exists()


def test_a_hundred_layers(place):
    for n in range(100):
        layer = place.layer("layer-%d" % n)
        (layer / "last").write_text("%d" % n)
        (layer / ("own-%d" % n)).write_text("")
        lchown_tree(layer, ROOT_OUTSIDE)
        place.layers.append(layer)
    assert place.out("cat /last; echo; ls / | grep -c own-").split() == ["99", "100"]


def test_nothing_of_the_appliance_can_be_reached(place):
    second_layer(place)
    out = place.out("ls -di / /.. /../.. /proc/1/root/.. | awk '{print $1}' | sort -u | wc -l; cut -d' ' -f5 /proc/self/mountinfo")
    lines = out.splitlines()
    assert lines[0] == "1"
    expected = {"/", "/proc", "/dev", "/dev/pts", "/dev/mqueue", "/dev/shm", "/sys", "/sys/fs/cgroup", "/tmp", "/proc/kcore", "/proc/acpi",
                "/proc/keys", "/sys/firmware", "/proc/sys", "/proc/irq"} | {"/dev/" + d for d in "null zero full random urandom tty".split()}
    assert set(lines[1:]) <= expected
    # The shell itself opens nothing: 0, 1, 2 and the directory that ls reads.
    assert place.out("ls /proc/self/fd | wc -l") == "4"


def test_leaked_descriptors_cannot_be_a_working_directory(place):
    for number in range(3, 12):
        place.config["process"]["cwd"] = "/proc/self/fd/%d" % number
        done = place.sh("pwd; ls")
        assert done.returncode == 125, done.stdout
        assert "workdir: /proc/self/fd/%d: " % number in done.stderr


def test_missing_layer_and_missing_root_path_are_named(place):
    place.layers = [place.dir / "gone"]
    done = place.sh("true")
    assert done.returncode == 125
    assert done.stderr == "cleat-runtime: layers: %s: No such file or directory\n" % place.layers[0]
    place.base = place.dir / "gone"
    done = place.sh("true", layered=False)
    assert done.returncode == 125
    assert "root: %s: No such file or directory" % place.base in done.stderr


# --- identity -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user,groups,expected", [
    (None, None, "uid=0(root) gid=0(root) groups=0(root) /root"),
    ("moe", None, "uid=1001(moe) gid=1002(moe) groups=1002(moe),1010(extra) /home/moe"),
    ("1001", None, "uid=1001(moe) gid=1002(moe) groups=1002(moe),1010(extra) /home/moe"),
    ("1001:44", None, "uid=1001(moe) gid=44(video) groups=44(video) /home/moe"),
    ("4242:4243", "video", "uid=4242 gid=4243 groups=44(video),4243 /"),
])
def test_user_by_name_and_number(place, user, groups, expected):
    if user:
        place.config["annotations"]["org.cleat.user"] = user
    if groups:
        place.config["annotations"]["org.cleat.groups"] = groups
    assert place.out("echo $(id) $HOME") == expected


def test_unknown_user_is_refused(place):
    place.config["annotations"]["org.cleat.user"] = "nobody-knows"
    done = place.sh("true")
    assert (done.returncode, done.stderr) == (
        125, 'cleat-runtime: user: user "nobody-knows" is not in the image\'s /etc/passwd\n')


def test_container_root_is_nobody_outside(place):
    place.config["annotations"]["org.cleat.user"] = "moe"
    with Running(place) as container:
        pid = container.init()
        text = pathlib.Path("/proc/%d/uid_map" % pid).read_text().split()
        assert text == "0 65000 1 1 1 64999 65024 65024 512".split()
        assert os.stat("/proc/%d" % pid).st_uid == 1001
        facts = status(pathlib.Path("/proc/%d/status" % pid).read_text())
        assert facts["Groups"].split() == ["1002", "1010"]
        for name in ("user", "pid", "mnt", "ipc", "uts", "cgroup", "net"):
            assert os.readlink("/proc/%d/ns/%s" % (pid, name)) != os.readlink("/proc/self/ns/" + name)
    place.config["annotations"]["org.cleat.user"] = "0"
    with Running(place) as container:
        assert os.stat("/proc/%d" % container.init()).st_uid == ROOT_OUTSIDE


def test_without_user_namespaces_nothing_starts_and_the_setting_is_named(place):
    bundle, run_id = place.bundle(["/bin/true"])
    script = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"'
    # A file, because a pipe would be given to an id that this namespace does not have.
    with open(place.dir / "stderr", "w+") as stderr:
        done = subprocess.run(["unshare", "-U", "-r", "-m", "sh", "-c", script, "sh"] + place.command(bundle, run_id),
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, timeout=60, check=False)
        stderr.seek(0)
        text = stderr.read()
    or_network = " or max_net_namespaces" if len(os.sched_getaffinity(0)) == 1 else ""  # which is made in the same call then
    assert (done.returncode, text) == (
        125, "cleat-runtime: clone3: a limit below /proc/sys/user (max_user_namespaces%s) is reached: No space left on device\n" % or_network)


def test_first_process_hostname_and_cgroup(place):
    assert place.out("echo $$; hostname; cat /proc/self/cgroup | grep ^0; grep -c '^1$' /sys/fs/cgroup/cgroup.procs").splitlines() == [
        "1", "web", "0::/", "1"]


# --- privileges ---------------------------------------------------------------------------------------------------------------


def test_no_capability_and_no_new_privileges(place):
    facts = status(place.out("cat /proc/self/status"))
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(facts[name], 16) == 0, name
    assert facts["NoNewPrivs"].strip() == "1"


def test_capabilities_are_exactly_those_asked_for(place):
    net_bind, chown = "CAP_NET_BIND_SERVICE", "CAP_CHOWN"
    place.config["annotations"]["org.cleat.user"] = "moe"
    place.config["process"]["noNewPrivileges"] = False
    place.config["process"]["capabilities"] = {
        "bounding": [net_bind, chown], "permitted": [net_bind], "effective": [net_bind], "inheritable": [net_bind], "ambient": [net_bind]}
    facts = status(place.out("cat /proc/self/status"))
    assert [int(facts[n], 16) for n in ("CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb")] == [1 << 10 | 1, 1 << 10, 1 << 10, 1 << 10, 1 << 10]
    assert facts["NoNewPrivs"].strip() == "0"


@pytest.mark.parametrize("no_new_privs", [True, False])
def test_seccomp_filter_blocks(place, no_new_privs):
    place.config["process"]["noNewPrivileges"] = no_new_privs
    place.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]}
    done = place.sh("cat /proc/self/status; touch /tmp/x && mkdir /tmp/d")
    facts = status(done.stdout)
    assert (facts["Seccomp"].strip(), facts["Seccomp_filters"].strip()) == ("2", "1")
    assert "can't create directory '/tmp/d': Permission denied" in done.stderr
    cached = list((place.dir / "cache").iterdir())
    assert len(cached) == 1 and stat.S_IMODE(cached[0].stat().st_mode) == 0o600


def test_error_after_the_filter_is_still_told(place):
    """The filter forbids everything that could carry a message but execve and ending."""
    place.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [{"names": ["execve", "exit_group", "exit"], "action": "SCMP_ACT_ALLOW"}]}
    done = place.run("/bin/no-such-program")
    assert (done.returncode, done.stderr) == (127, "cleat-runtime: exec: /bin/no-such-program: No such file or directory\n")


@pytest.mark.parametrize("program,code,text", [
    ("no-such-program", 127, "exec: not in PATH (/bin): no-such-program: No such file or directory"),
    ("/no/such", 127, "exec: /no/such: No such file or directory"),
    ("/etc/passwd", 126, "exec: /etc/passwd: Permission denied"),
    ("/bin/bad-loader", 127, "exec: /bin/bad-loader: its loader or the program of its #! line: No such file or directory"),
    ("/bin/rubbish", 126, "exec: /bin/rubbish: for another machine, or a script without #!: Exec format error"),
])
def test_programs_that_cannot_run(place, program, code, text):
    (place.base / "bin" / "bad-loader").write_text("#!/no/interpreter\n")
    (place.base / "bin" / "rubbish").write_text("rubbish")
    for name in ("bad-loader", "rubbish"):
        (place.base / "bin" / name).chmod(0o755)
    done = place.run(program)
    assert (done.returncode, done.stderr) == (code, "cleat-runtime: %s\n" % text)


def test_exit_codes_and_signals_are_passed_on(place):
    assert place.sh("exit 42").returncode == 42
    assert place.sh("kill -9 $$").returncode == 0  # the first process of a pid namespace is immune to its own
    with Running(place, "while :; do sleep 1; done", "trap 'exit 7' TERM; ") as container:
        container.process.send_signal(signal.SIGTERM)
        assert container.process.wait(60) == 7
    with Running(place) as container:
        os.kill(container.init(), signal.SIGKILL)
        assert container.process.wait(60) == 128 + 9


def test_rlimits_are_clamped(place):
    place.config["process"]["rlimits"] = [
        {"type": "RLIMIT_NOFILE", "soft": 1 << 40, "hard": 1 << 40}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]

    def lower():
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, 1000))

    assert place.out("ulimit -Hn; ulimit -Sn; ulimit -Hc", preexec_fn=lower).split() == ["1000", "1000", "0"]


def test_oom_score_and_umask(place):
    place.config["process"]["oomScoreAdj"] = 500
    place.config["process"]["user"]["umask"] = 0o77
    place.config["annotations"]["org.cleat.user"] = "moe"
    assert place.out("cat /proc/self/oom_score_adj; umask").split() == ["500", "0077"]
    del place.config["process"]["user"]["umask"]
    assert place.out("umask", preexec_fn=lambda: os.umask(0o77)) == "0022"


# --- mounts -------------------------------------------------------------------------------------------------------------------


def test_tmpfs_sizes_and_modes(place):
    place.mount(destination="/run", type="tmpfs", source="tmpfs", options=["mode=700", "size=128k", "noexec"])
    out = place.out("df -k /tmp /run /dev/shm | awk 'NR>1{print $2}'; stat -c %a /tmp /run; "
                    "dd if=/dev/zero of=/tmp/f bs=1024 count=1000 2>&1 | grep -o 'No space left'; "
                    "cp /bin/busybox /run/sh 2>/dev/null; printf '#!/bin/sh\\n' > /run/x; chmod 755 /run/x; /run/x 2>&1 | grep -o 'Permission denied'")
    assert out.splitlines() == ["256", "128", "1024", "1777", "700", "No space left", "Permission denied"]


def test_tmpfs_may_begin_with_the_image(place):
    cache = place.base / "var" / "cache"
    cache.mkdir(parents=True)
    (cache / "f").write_text("from the image")
    os.chown(cache, 1001, 1002)
    os.chown(cache / "f", 1001, 1002)
    os.chmod(cache / "f", 0o644)
    place.mount(destination="/var/cache", type="tmpfs", source="tmpfs", options=["tmpcopyup", "size=64k", "ro"])
    assert place.out("cat /var/cache/f; stat -c ' %u:%g %a' /var/cache/f /var/cache; touch /var/cache/x 2>&1 || true").splitlines() == [
        "from the image 1001:1002 644", " 1001:1002 755", "touch: /var/cache/x: Read-only file system"]


def test_dev(place):
    out = place.out("ls /dev; echo x > /dev/null; head -c 4 /dev/zero | wc -c; for l in ptmx stdout fd; do readlink /dev/$l; done; cp -a /dev/null /tmp/x 2>&1 || true")
    lines = out.splitlines()
    assert set(lines[:lines.index("zero") + 1]) == set(
        "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero".split())
    assert lines[lines.index("zero") + 1:] == ["4", "pts/ptmx", "/proc/self/fd/1", "/proc/self/fd", "cp: can't create '/tmp/x': Operation not permitted"]


def test_extra_device_must_be_the_appliances(place):
    node = {"path": "/dev/null", "type": "c", "major": 1, "minor": 3}
    place.config["linux"]["devices"] = [node, {"path": "/dev/kmsg", "type": "c", "major": 9, "minor": 9}]
    if not os.path.exists("/dev/kmsg"):
        place.config["linux"]["devices"][1]["path"] = "/dev/zero"
        assert place.sh("true").returncode == 0
        return
    done = place.sh("true")
    assert done.returncode == 125
    assert "devices: /dev/kmsg: the appliance's is 1:11, not 9:9" in done.stderr


def test_masked_and_read_only_paths(place):
    out = place.sh("wc -c < /proc/keys; ls -A /sys/firmware /proc/acpi | grep -v : | grep . ; echo x > /proc/sys/kernel/hostname; "
                   "touch /sys/firmware/x; mount -o remount,rw /proc/sys; echo 1 > /proc/sys/kernel/domainname")
    assert out.stdout.splitlines()[0] == "0"
    assert len(out.stdout.splitlines()) == 1
    assert out.stderr.count("Read-only file system") >= 3, out.stderr


def test_volume_files_have_the_users_number(place):
    volume = place.data / "volume"
    volume.mkdir()
    os.chown(volume, 1001, 1002)
    place.config["annotations"]["org.cleat.user"] = "moe"
    place.bind(volume, "/volume", "rw")
    place.out("touch /volume/file; mkdir /volume/dir")
    for name in ("file", "dir"):
        facts = (volume / name).stat()
        assert (facts.st_uid, facts.st_gid) == (1001, 1002)
    place.config["annotations"]["org.cleat.user"] = "0"
    os.chown(volume, ROOT_OUTSIDE, ROOT_OUTSIDE)
    place.out("touch /volume/by-root")
    assert (volume / "by-root").stat().st_uid == ROOT_OUTSIDE


def test_read_only_volume_with_a_mount_below(place):
    volume = place.data / "volume"
    (volume / "below").mkdir(parents=True)
    os.chown(volume, ROOT_OUTSIDE, ROOT_OUTSIDE)
    place.bind(volume, "/volume", "ro", "nosuid", "nodev")
    script = 'mount -t tmpfs t "$1/below" && shift && exec "$@"'
    bundle, run_id = place.bundle(["/bin/sh", "-c", "touch /volume/x; touch /volume/below/x; grep -c ' /volume.* ro,nosuid,nodev' /proc/self/mountinfo"])
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", volume] + place.command(bundle, run_id),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.stderr.count("Read-only file system") == 2, done.stderr
    assert done.stdout.strip() == "2"


def test_missing_volume_source_is_named(place):
    place.bind(place.data / "gone", "/volume")
    done = place.sh("true")
    assert (done.returncode, done.stderr) == (
        125, "cleat-runtime: mounts: /volume: source %s/gone: gone: openat2: No such file or directory\n" % place.data)


def test_missing_volume_source_is_made_for_the_user(place):
    place.config["annotations"]["org.cleat.user"] = "moe"
    place.bind(place.data / "moe" / "logs", "/app/logs", "rw", "x-cleat-make")
    place.bind(place.data / "moe" / "other", "/app/other", "ro", "x-cleat-make")
    place.out("echo line > /app/logs/log; ls -d /app/other")
    facts = (place.data / "moe" / "logs").stat()
    assert (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)) == (1001, 1002, 0o755)
    assert (place.data / "moe" / "logs" / "log").stat().st_uid == 1001
    assert (place.data / "moe").stat().st_uid == 0
    assert sorted(p.name for p in (place.data / "moe").iterdir()) == ["logs", "other"]
    place.out("test -e /app/logs/log")


def test_source_that_may_not_be_made(place):
    place.bind("/nonexistent/directory", "/x", "x-cleat-make")
    done = place.sh("true")
    assert done.returncode == 125
    assert "source /nonexistent/directory: missing, and only made below %s" % place.data in done.stderr
    assert not os.path.exists("/nonexistent")


def test_volume_cannot_lead_out_of_the_data_directory(place):
    (place.data / "trap").symlink_to("/etc")
    place.bind(place.data / "trap", "/volume", "x-cleat-make")
    done = place.sh("ls /volume")
    assert done.returncode == 125
    assert "a link leads out of" in done.stderr


def test_mount_target_that_leads_out_lands_inside(place):
    (place.base / "data").symlink_to("/../../../../etc")
    volume = place.data / "volume"
    volume.mkdir()
    (volume / "mark").write_text("mark")
    before = os.listdir("/etc")
    place.bind(volume, "/data")
    assert place.out("ls /etc; cat /data/mark") == "mark\nmark"
    assert os.listdir("/etc") == before


@pytest.mark.parametrize("kind", ["proc", "sysfs"])
def test_proc_and_sysfs_are_not_mounted_through_a_link(place, kind):
    name = "proc" if kind == "proc" else "sys"
    (place.base / name).rmdir()
    (place.base / name).symlink_to("home")
    place.config["linux"]["maskedPaths"] = []
    place.config["mounts"] = [m for m in place.config["mounts"] if m["type"] != "cgroup"]
    done = place.sh("true")
    assert (done.returncode, done.stderr) == (125, "cleat-runtime: mounts: /%s: is a symbolic link in the image\n" % name)


def test_nothing_is_mounted_inside_proc(place):
    volume = place.data / "volume"
    volume.mkdir()
    place.bind(volume, "/proc/sys")
    done = place.sh("true")
    assert (done.returncode, done.stderr) == (125, "cleat-runtime: mounts: /proc/sys: nothing can be mounted inside /proc\n")


def test_mount_point_that_is_a_file(place):
    volume = place.data / "volume"
    volume.mkdir()
    place.bind(volume, "/etc/passwd/below")
    done = place.sh("true")
    assert done.returncode == 125
    assert "/etc/passwd/below" in done.stderr and "Not a directory" in done.stderr


def test_pipes_can_be_opened_again(place):
    place.config["annotations"]["org.cleat.user"] = "moe"
    assert place.out("echo one > /dev/stdout; echo two > /proc/self/fd/1").split() == ["one", "two"]


def test_sysctl(place):
    place.config["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "77"}
    assert place.out("cat /proc/sys/net/ipv4/ip_unprivileged_port_start") == "77"
    place.config["linux"]["sysctl"] = {"kernel.panic": "5"}
    done = place.sh("true")
    assert done.returncode == 125 and "sysctl: kernel.panic: " in done.stderr


# --- network ------------------------------------------------------------------------------------------------------------------


def test_no_network_has_loopback_only(place):
    out = place.out("ls /sys/class/net; ip -o -4 addr show lo | awk '{print $4}'")
    assert out.split() == ["lo", "127.0.0.1/8"]


def test_who_made_the_network_is_gone_when_the_program_begins(place):
    assert place.out("echo /proc/[0-9]*") == "/proc/1"


@pytest.fixture
def one_process(place):
    """Words before a command that leave a container in it room for one process."""
    if "pids" in (cgroup_mount() / "cgroup.controllers").read_text().split():
        place.config["linux"]["resources"] = {"pids": {"limit": 1}}
        yield []
        return
    group = pathlib.Path("/sys/fs/cgroup/pids") / place.dir.name
    group.mkdir()
    (group / "pids.max").write_text("2")  # that one, and the runtime
    yield ["sh", "-c", 'echo $$ >"$0"/cgroup.procs; exec "$@"', group]
    group.rmdir()


def test_one_process_is_enough_for_a_network(place, one_process):
    bundle, run_id = place.bundle(["/bin/sh", "-c", "echo $$ /sys/class/net/*; exec ip -o -4 addr show lo"])
    done = subprocess.run(one_process + place.command(bundle, run_id), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "1 /sys/class/net/lo" and " 127.0.0.1/8 " in done.stdout


def test_a_network_by_one_processor(place):
    one = {min(os.sched_getaffinity(0))}
    assert place.out("echo /sys/class/net/*; exec ip -o -4 addr show lo", preexec_fn=lambda: os.sched_setaffinity(0, one)).startswith("/sys/class/net/lo\n1: lo")


@pytest.mark.parametrize("processors", ["one", "all"])
def test_network_that_cannot_be_made_names_the_setting(place, processors):
    """In a user namespace that has all ids and may have no network namespace. By one processor it is made with all the others, in one call."""
    usable = sorted(os.sched_getaffinity(0))[:1 if processors == "one" else None]
    bundle, run_id = place.bundle(["/bin/true"])
    script = 'echo 0 > /proc/sys/user/max_net_namespaces; exec "$@"'
    world = subprocess.Popen(["unshare", "-U", "sleep", "60"])
    here = os.readlink("/proc/self/ns/user")
    wait_for("it has unshared", lambda: os.readlink("/proc/%d/ns/user" % world.pid) != here)
    for name in ("uid_map", "gid_map"):
        pathlib.Path("/proc/%d/%s" % (world.pid, name)).write_text("0 0 100000")
    done = subprocess.run(["nsenter", "-U", "-t", str(world.pid), "unshare", "-m", "sh", "-c", script, "sh"] + place.command(bundle, run_id),
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60, check=False, preexec_fn=lambda: os.sched_setaffinity(0, usable))
    world.kill()
    world.wait(60)
    what = "clone3: a limit below /proc/sys/user (max_user_namespaces or max_net_namespaces)" if len(usable) == 1 else \
        "mounts: /sys: network: a limit below /proc/sys/user (max_net_namespaces)"
    assert (done.returncode, done.stderr) == (125, "cleat-runtime: %s is reached: No space left on device\n" % what)


@pytest.mark.parametrize("word,reason", [
    ("unshare-net=1", "unshare: Operation not permitted"),
    ("unshare-net=kill", "whoever made it was killed"),
    ("setns-net=1", "setns: Operation not permitted"),
], ids=["it may not be made", "its maker is killed", "it may not be entered"])
def test_network_that_cannot_be_made_says_why(place, withhold, word, reason):
    """Nobody is left who waits for the other."""
    bundle, run_id = place.bundle(["/bin/true"])
    done = subprocess.run(withhold + [word, "--"] + place.command(bundle, run_id), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (125, "cleat-runtime: mounts: /sys: network: %s\n" % reason)
    assert not (cgroup_mount() / "cleat" / "c" / run_id).exists()


def test_network_by_one_process_that_cannot_be_made_says_why(place, withhold, one_process):
    """Without a maker the child asks for it itself, in its first step."""
    bundle, run_id = place.bundle(["/bin/true"])
    done = subprocess.run(withhold + ["unshare-net=1", "--"] + one_process + place.command(bundle, run_id), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (125, "cleat-runtime: network: unshare: Operation not permitted\n")


def test_host_network_is_the_appliances(place):
    place.config["linux"]["namespaces"] = [n for n in place.config["linux"]["namespaces"] if n["type"] != "network"]
    place.config["mounts"] = [m for m in place.config["mounts"] if m["type"] not in ("sysfs", "cgroup")]
    place.mount(destination="/sys", type="bind", source="/sys", options=["rbind", "ro", "nosuid", "nodev", "noexec"])
    assert place.out("readlink /proc/self/ns/net") == os.readlink("/proc/self/ns/net")
    assert place.sh("touch /sys/kernel/x").stderr.endswith("Read-only file system\n")


def test_sysfs_with_host_network_says_why_not(place):
    place.config["linux"]["namespaces"] = [n for n in place.config["linux"]["namespaces"] if n["type"] != "network"]
    done = place.sh("true")
    assert (done.returncode, done.stderr) == (
        125, "cleat-runtime: mounts: /sys: sysfs: needs a network namespace of its own and nesting: Operation not permitted\n")


# --- exec ---------------------------------------------------------------------------------------------------------------------


def test_exec_is_inside_in_every_respect(place):
    place.config["annotations"]["org.cleat.user"] = "moe"
    place.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdirat", "mkdir"], "action": "SCMP_ACT_ERRNO"}]}
    place.config["process"]["cwd"] = "/tmp"
    place.config["process"]["env"].append("MARK=1")
    with Running(place) as container:
        done = container.exec("sh", "-c", "cat /proc/self/status; echo $HOME $MARK; id; pwd; cat /proc/self/cgroup; ps | grep -c sleep; ls /proc/self/fd | wc -l")
        assert done.returncode == 0, done.stderr
        facts = status(done.stdout)
        assert (facts["Seccomp"].strip(), facts["NoNewPrivs"].strip(), int(facts["CapBnd"], 16)) == ("2", "1", 0)
        assert int(facts["Pid"]) > 1
        lines = done.stdout.splitlines()
        assert {"/home/moe 1", "uid=1001(moe) gid=1002(moe) groups=1002(moe),1010(extra)", "/tmp", "0::/"} <= set(lines)
        assert lines[-1] == "4"
        for name in ("user", "pid", "mnt", "ipc", "uts", "cgroup", "net"):
            assert container.exec("readlink", "/proc/self/ns/" + name).stdout.strip() == os.readlink("/proc/%d/ns/%s" % (container.init(), name))
        assert "uid=0(root)" in container.exec("id", user="0:0").stdout
        assert container.exec("sh", "-c", "exit 9").returncode == 9
        done = container.exec("no-such-program")
        assert (done.returncode, done.stderr) == (127, "cleat-runtime: exec: not in PATH (/bin): no-such-program: No such file or directory\n")
        done = container.exec("id", user="stranger")
        assert done.returncode == 125 and "user \"stranger\"" in done.stderr


# --- the end ------------------------------------------------------------------------------------------------------------------


def world():
    """What a container might leave behind on this machine."""
    groups = cgroup_mount() / "cleat" / "c"
    found = sorted(p.name for p in groups.iterdir() if p.is_dir() and p.name.startswith("%08x" % os.getpid())) if groups.exists() else []
    mounts = [line.split()[4] for line in open("/proc/self/mountinfo")]
    return found, mounts


def test_nothing_is_left_over(place):
    before = world()
    place.bind(place.data / "made", "/made", "x-cleat-make")
    assert place.sh("sleep 1000 & sleep 1000 & true").returncode == 0
    assert place.run("/no/such/program").returncode == 127
    place.config["annotations"]["org.cleat.user"] = "nobody-knows"
    assert place.sh("true").returncode == 125
    assert world() == before


def test_run_id_in_use_is_refused_and_left_alone(place):
    with Running(place) as container:
        done = subprocess.run(place.command(container.bundle, container.run_id), stderr=subprocess.PIPE, text=True, check=False, timeout=60)
        assert done.returncode == 125
        assert "run id %s is in use" % container.run_id in done.stderr
        assert container.process.poll() is None
        assert container.exec("true").returncode == 0


def test_teardown_ends_all_and_can_be_repeated(place):
    """In a mount namespace of its own, with a /run/cleat of its own."""
    script = """set -eu
    mkdir -p /run/cleat; mount -t tmpfs t /run/cleat; mkdir -p /run/cleat/c/$ID/deep /run/cleat/c/other /run/cleat/by-name
    echo x > /run/cleat/c/$ID/config.json; ln -s ../c/$ID /run/cleat/by-name/web; ln -s ../c/other /run/cleat/by-name/other
    ln -s /etc /run/cleat/c/$ID/deep/trap
    "$RUNTIME" teardown $ID; "$RUNTIME" teardown $ID
    find /run/cleat | sort; test -e /etc/passwd
    """
    with Running(place, "wait", "sh -c 'while :; do sleep 1; done' & ") as container:
        nested = container.cgroup / "nested" / "deeper"
        nested.mkdir(parents=True)
        pids = container.pids()
        assert len(pids) >= 2
        done = subprocess.run(["unshare", "-m", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
                              env=dict(os.environ, ID=container.run_id, RUNTIME=str(RUNTIME)), check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["/run/cleat", "/run/cleat/by-name", "/run/cleat/by-name/other", "/run/cleat/c", "/run/cleat/c/other"]
        assert not container.cgroup.exists()
        container.process.wait(60)
        for pid in pids:
            assert not os.path.exists("/proc/%d/root/bin" % pid)


def test_teardown_refuses_names_that_are_paths():
    for name in ("../x", "", "a/b", "."):
        done = subprocess.run([RUNTIME, "teardown", name], stderr=subprocess.PIPE, text=True, check=False, timeout=60)
        assert done.returncode == 1 and "is not a run id" in done.stderr


def test_killed_runtime_leaves_a_container_that_teardown_ends(place):
    with Running(place) as container:
        pid = container.init()
        container.process.kill()
        container.process.wait(60)
        assert os.path.exists("/proc/%d" % pid)
        assert container.teardown().returncode == 0
        assert not container.cgroup.exists()


# --- compared with crun -------------------------------------------------------------------------------------------------------


def crun(bundle, run_id):
    """crun 1.8 gives up on a hybrid cgroup tree, so that is hidden from it."""
    v1, v2 = "/sys/fs/cgroup/systemd", str(cgroup_mount())
    hide = "mount --bind %s %s; " % (v1, v2) if v2 != "/sys/fs/cgroup" and os.path.isdir(v1) else ""
    return subprocess.run(["unshare", "-m", "sh", "-c", hide + 'exec "$@"', "sh", CRUN, "run", "-b", bundle, run_id],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)


@pytest.mark.skipif(not os.access(CRUN, os.X_OK), reason="Debian's crun is not installed")
@pytest.mark.parametrize("uid,caps", [(0, []), (1001, []), (0, ["CAP_CHOWN", "CAP_NET_BIND_SERVICE"]), (1001, ["CAP_CHOWN", "CAP_KILL"])])
def test_same_config_gives_the_same_process_under_crun(place, uid, caps):
    place.config["process"]["user"] = {"uid": uid, "gid": uid, "additionalGids": [44]}
    place.config["process"]["capabilities"] = {"bounding": caps, "permitted": caps, "effective": caps, "inheritable": caps, "ambient": caps}
    place.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 256, "hard": 512}]
    place.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["reboot"], "action": "SCMP_ACT_ERRNO"}]}
    script = "cat /proc/self/status; pwd; ulimit -Sn; ulimit -Hn; hostname; echo $$; ls /dev; cut -d' ' -f5 /proc/self/mountinfo | sort; id -u; id -g"
    place.config["linux"]["maskedPaths"].remove("/proc/cmdline/x")  # crun stumbles over it
    bundle, run_id = place.bundle(["/bin/sh", "-c", script], layered=False)
    ours = subprocess.run(place.command(bundle, run_id), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60, check=False)
    theirs = crun(bundle, run_id)
    assert ours.returncode == 0, ours.stderr
    assert theirs.returncode == 0, theirs.stderr
    mine, other = status(ours.stdout), status(theirs.stdout)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Uid", "Gid", "Umask", "SigBlk"):
        assert mine[name] == other[name], name
    # Signals 32 and 33 belong to glibc, whose posix_spawn leaves them ignored: crun hands that on, we do not.
    assert int(mine["SigIgn"], 16) == int(other["SigIgn"], 16) & ~0x180000000
    # The main group among the supplementary ones is ours (CVE-2022-2989).
    assert set(other["Groups"].split()) <= set(mine["Groups"].split())

    def rest(text):
        return text.split("nonvoluntary_ctxt_switches")[1].splitlines()[1:]

    # crun binds the console and shows another cgroup tree.
    ignored = {"console", "/dev/console"}
    assert [line for line in rest(ours.stdout) if line not in ignored and not line.startswith("/sys/fs/cgroup")] == \
        [line for line in rest(theirs.stdout) if line not in ignored and not line.startswith("/sys/fs/cgroup")]


def test_check_names_what_is_missing():
    done = subprocess.run([RUNTIME, "check"], stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout
    assert {"yes openat2", "yes overlay", "yes cgroup-birth", "yes seccomp", "yes private-proc"} <= set(lines)
    assert all(line.startswith("yes ") or (line.startswith("no ") and ": " in line) for line in lines)
