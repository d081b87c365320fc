# SPDX-License-Identifier: Apache-2.0
"""Networks of a whole appliance: default bridge, published ports from outside and inside, names, restarts, an engine that is killed."""
import json
import os
import re
import select
import shutil
import signal
import subprocess
import threading

import pytest

from appliance import CLEAT, IDLE, LIBC, leftovers, unit, wait_for
from isolation import EXAMPLE
from lxc import LXC_CONFIG
from test_watch import stopped, the_watcher

PYTHON = "/usr/bin/python3"
HOST, OUTSIDE = "192.0.2.1", "192.0.2.2"
SYS_PIDFD_GETFD = 438

# Answers each connection or datagram on a port with the client's address, until it is killed.
SERVER = """
import socket, sys
kind = socket.SOCK_DGRAM if sys.argv[2] == "udp" else socket.SOCK_STREAM
s = socket.socket(socket.AF_INET, kind)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", int(sys.argv[1])))
if kind == socket.SOCK_STREAM:
    s.listen(64)
print("ready", flush=True)
while True:
    if kind == socket.SOCK_DGRAM:
        data, peer = s.recvfrom(2048)
        s.sendto(peer[0].encode(), peer)
    else:
        c, peer = s.accept()
        c.sendall(peer[0].encode())
        c.close()
"""

CLIENT = """
import socket, sys
host, port, kind, limit = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
if kind == "udp":
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(limit)
    s.connect((host, port))
    s.send(b"x")
    print(s.recv(2048).decode())
else:
    s = socket.create_connection((host, port), limit)
    print(s.recv(2048).decode())
"""


def ip(*args, netns=None):
    command = ["ip"] + (["-n", netns] if netns else []) + list(args)
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


class World:
    """Two network namespaces joined by a wire: the appliance's, and a machine outside that has its route to it."""

    def __init__(self):
        self.host, self.outside = "cleat-n%d-h" % os.getpid(), "cleat-n%d-o" % os.getpid()
        self.servers = []
        for name in (self.host, self.outside):
            ip("netns", "add", name)
            ip("link", "set", "lo", "up", netns=name)
        ip("link", "add", "eth0", "netns", self.host, "type", "veth", "peer", "name", "eth0", "netns", self.outside)
        for name, four, six in ((self.host, HOST, "fd00:5::1"), (self.outside, OUTSIDE, "fd00:5::2")):
            ip("address", "add", four + "/24", "dev", "eth0", netns=name)
            ip("address", "add", six + "/64", "dev", "eth0", "nodad", netns=name)
            ip("link", "set", "eth0", "up", netns=name)
        ip("route", "add", "default", "via", OUTSIDE, netns=self.host)
        # the kernel finds out about the carrier by and by; what is there before and after a test is compared
        for name in (self.host, self.outside):
            wait_for("the wire is there", lambda: "linkdown" not in ip("route", netns=name) and "LOWER_UP" in ip("-o", "link", "show", "eth0", netns=name))

    @property
    def netns(self):
        return "/run/netns/" + self.host

    def state(self):
        """Links, routes and rules of the appliance's side."""
        rules = subprocess.run(["ip", "netns", "exec", self.host, "nft", "list", "ruleset"], check=True, stdout=subprocess.PIPE,
                               text=True).stdout
        return [line.split(":")[1].split("@")[0] for line in ip("-o", "link", netns=self.host).splitlines()], \
            ip("route", netns=self.host), rules

    def sysctl(self, name, value=None):
        """Of the appliance's side, below net/ipv4."""
        path = "/proc/sys/net/ipv4/" + name
        command = ["cat", path] if value is None else ["sh", "-c", "echo %s >%s" % (value, path)]
        return subprocess.run(["ip", "netns", "exec", self.host] + command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def serve(self, where, port, kind="tcp"):
        """where: a namespace's name or a pid."""
        enter = ["nsenter", "-t", str(where), "-n"] if isinstance(where, int) else ["ip", "netns", "exec", where]
        process = subprocess.Popen(enter + [PYTHON, "-S", "-c", SERVER, str(port), kind], stdout=subprocess.PIPE, text=True)
        self.servers.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    def ask(self, where, host, port, kind="tcp", limit=10):
        """What the server says, None when there is no answer."""
        enter = ["nsenter", "-t", str(where), "-n"] if isinstance(where, int) else ["ip", "netns", "exec", where]
        done = subprocess.run(enter + [PYTHON, "-S", "-c", CLIENT, host, str(port), kind, str(limit)], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, timeout=30)
        return done.stdout.strip() if done.returncode == 0 else None

    def close(self):
        for process in self.servers:
            process.kill()
            process.wait()
            process.stdout.close()
        for name in (self.host, self.outside):
            subprocess.run(["ip", "netns", "delete", name], check=False)


@pytest.fixture
def world():
    made = World()
    yield made
    made.close()


def box(container="", network="", **keywords):
    return unit("localhost/box:latest", 'Exec=/bin/sh -c "%s"\n' % IDLE + container, network=network, **keywords)


def boot_in(boot, world, box_image, units, **keywords):
    a = boot(units, images=(), start=False, netns=world.netns, **keywords)
    a.add_image("box", box_image)
    return a.start()


def address_of(a, name):
    settings = json.loads(a.cleat("inspect", name))
    settings = settings[0] if isinstance(settings, list) else settings
    return settings["NetworkSettings"]["IPAddress"]


def ends(world):
    """{link: whether it is up} of what hangs on bridges of ours."""
    links = json.loads(ip("-j", "link", netns=world.host))
    return {link["ifname"]: "UP" in link["flags"] for link in links if link.get("master", "").startswith("cleat")}


def read_inside(a, name, path):
    with open("/proc/%d/root%s" % (a.pid_of(name), path)) as f:
        return f.read()


def test_a_published_port_is_reached_from_everywhere_and_everything_goes_at_the_end(boot, world, box_image):
    before = world.state()
    a = boot_in(boot, world, box_image, {
        "web": box("PublishPort=8000:80\nPublishPort=5300:53/udp\nPublishPort=9000-9002:70-72\nPublishPort=81\nHostName=www\n"),
        "other": box()})
    for name in ("systemd-web", "systemd-other"):
        a.wait_unit(name, state="up")
    web, other = a.pid_of("systemd-web"), a.pid_of("systemd-other")
    address = a.unit("systemd-web")["addresses"][0]
    assert address.startswith("10.88.0.")
    world.serve(web, 80)
    world.serve(web, 53, "udp")
    world.serve(web, 71)
    world.serve(web, 81)
    # from another machine, with its own address
    assert world.ask(world.outside, HOST, 8000) == OUTSIDE
    assert world.ask(world.outside, HOST, 5300, "udp") == OUTSIDE
    assert world.ask(world.outside, HOST, 9001) == OUTSIDE
    assert world.ask(world.outside, HOST, 80) is None
    # the port that was chosen
    chosen = [word for word in a.unit("systemd-web")["ports"] if word.endswith("->81/tcp")]
    assert world.ask(world.outside, HOST, int(chosen[0].split("-")[0])) == OUTSIDE
    # from the appliance and from a neighbour
    assert world.ask(world.host, "127.0.0.1", 8000)
    assert world.ask(world.host, HOST, 8000)
    assert world.ask(other, address, 80) == a.unit("systemd-other")["addresses"][0]
    assert world.ask(other, HOST, 8000)
    # outwards by masquerade
    world.serve(world.outside, 7777)
    assert world.ask(web, OUTSIDE, 7777) == HOST
    # by the appliance's IPv6 address: a process of its own begins to listen there
    wait_for("the proxy", lambda: world.ask(world.outside, "fd00:5::1", 8000))
    assert world.ask(world.outside, "fd00:5::1", 5300, "udp")
    # names; who came up last is written into the others' files after it
    lines = ["%s\twww systemd-web\n" % address, "%s\tsystemd-other\n" % a.unit("systemd-other")["addresses"][0], "10.88.0.1\thost.containers.internal"]
    wait_for("all names", lambda: all(line in read_inside(a, "systemd-web", "/etc/hosts") for line in lines))
    assert read_inside(a, "systemd-web", "/etc/hostname") == "www\n"
    assert a.stop() == 0
    assert world.state() == before
    assert leftovers(a) == []


def workers(a, command):
    """Outer pid -> words of each of the engine's processes of this kind."""
    found = {}
    for pid in a.processes("cleat"):
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                words = f.read().decode().split("\0")[:-1]
        except OSError:
            continue  # it has just ended
        if words[1:2] == [command]:
            found[pid] = words[2:]
    return found


def words_of(pid):
    try:
        with open("/proc/%d/cmdline" % pid) as f:
            return f.read().split("\0")
    except OSError:
        return []


def engine_dies(a):
    old = a.engine_pid()
    os.kill(old, signal.SIGKILL)
    wait_for("another engine", lambda: a.ping() and a.engine_pid() != old)


def is_asked(worker):
    """Something lies in the socket that the worker hears its engine on."""
    process = os.pidfd_open(worker)
    fd = LIBC.syscall(SYS_PIDFD_GETFD, process, 3, 0)
    assert fd >= 0
    try:
        return bool(select.select([fd], [], [], 0)[0])
    finally:
        os.close(fd)
        os.close(process)


@pytest.mark.parametrize("how", ["killed", "reloaded"])
def test_a_start_does_not_rely_on_what_the_last_engines_worker_may_undo(boot, world, box_image, how):
    a = boot_in(boot, world, box_image, {"web": box()})
    a.wait_unit("systemd-web", state="up")
    wait_for("its worker", lambda: len(workers(a, "net")) == 1)
    engine, (worker,) = a.engine_pid(), workers(a, "net")
    os.kill(worker, signal.SIGSTOP)
    # the removal of the bridge is asked for, and not done
    assert not is_asked(worker)
    a.cleat("stop", "web")
    wait_for("the worker is asked", lambda: is_asked(worker))
    if how == "killed":
        engine_dies(a)
    else:
        a.cleat("reload")
    a.cleat("start", "web")
    a.wait_unit("systemd-web", state="up")
    assert not os.path.exists("/proc/%d" % worker) or "net" not in words_of(worker)
    assert a.unit("systemd-web")["restarts"] == 0 and "No such device" not in a.console()
    assert a.engine_pid() == engine or how == "killed"


def test_a_port_of_all_ipv4_addresses_is_none_of_ipv6(boot, world, box_image):
    a = boot_in(boot, world, box_image, {"four": box("PublishPort=0.0.0.0:8000-8001:80-81\n"), "six": box("PublishPort=[::]:8000:80\n")})
    ports = {name: a.wait_unit("systemd-" + name, state="up")["ports"] for name in ("four", "six")}
    assert ports == {"four": ["0.0.0.0:8000-8001->80-81/tcp"], "six": ["[::]:8000->80/tcp"]}
    for name, port in (("four", 80), ("four", 81), ("six", 80)):
        world.serve(a.pid_of("systemd-" + name), port)
    wait_for("the proxy", lambda: world.ask(world.outside, "fd00:5::1", 8000) == "10.88.0.1")
    assert world.ask(world.outside, HOST, 8000) == world.ask(world.outside, HOST, 8001) == OUTSIDE
    assert world.ask(world.outside, "fd00:5::1", 8001) is None


def test_the_network_outlives_its_engine(boot, world, box_image):
    a = boot_in(boot, world, box_image, {"web": box("PublishPort=8000:80\n"), "late": box(install=False)})
    a.wait_unit("systemd-web", state="up")
    web = a.pid_of("systemd-web")
    address = a.unit("systemd-web")["addresses"]
    proxies = wait_for("the proxy for IPv6", lambda: workers(a, "proxy"))
    assert len(proxies) == 1
    world.serve(web, 80)
    done = threading.Event()
    failures = []

    def traffic():
        while not done.is_set():
            if world.ask(world.outside, HOST, 8000) != OUTSIDE:
                failures.append("no answer")

    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        engine_dies(a)
        assert a.wait_unit("systemd-web", state="up")["addresses"] == address
        a.cleat("start", "late")
        a.wait_unit("systemd-late", state="up")
        a.cleat("reload")
        wait_for("answers", a.ping)
        assert a.wait_unit("systemd-web", state="up")["addresses"] == address
    finally:
        done.set()
        thread.join()
    assert failures == []
    assert a.pid_of("systemd-web") == web
    assert a.unit("systemd-late")["addresses"] != address
    # the IPv6 proxy of the first engine serves on, and is the only one
    assert world.ask(world.outside, "fd00:5::1", 8000) == "10.88.0.1"
    assert workers(a, "proxy") == proxies
    assert a.stop() == 0
    assert leftovers(a) == []


def test_a_worker_that_dies_is_replaced(boot, world, box_image):
    a = boot_in(boot, world, box_image, {"web": box("PublishPort=8000:80\n"), "late": box(install=False)})
    a.wait_unit("systemd-web", state="up")
    world.serve(a.pid_of("systemd-web"), 80)

    def worker():
        return next(iter(workers(a, "net")), None)

    first = wait_for("a worker", worker)
    os.kill(first, signal.SIGKILL)
    wait_for("another worker", lambda: worker() not in (None, first))
    assert world.ask(world.outside, HOST, 8000) == OUTSIDE
    a.cleat("start", "late")
    a.wait_unit("systemd-late", state="up")
    assert world.ask(world.outside, HOST, 8000) == OUTSIDE
    assert a.stop() == 0
    assert leftovers(a) == []


def test_networks_of_units_keep_apart_and_internal_ones_are_closed(boot, world, box_image):
    a = boot_in(boot, world, box_image, {
        "front.network": "[Network]\nSubnet=10.70.0.0/24\nGateway=10.70.0.254\nIPRange=10.70.0.16/28\nOptions=mtu=1400\n",
        "back.network": "[Network]\nNetworkName=vault\nInternal=true\n",
        "web": box(network="front.network:ip=10.70.0.5,alias=www,mac=02:00:00:00:00:05\nNetwork=back.network"),
        "db": box("NetworkAlias=store\nContainerName=db\nAddHost=printer:192.0.2.9\nDNS=192.0.2.53\nDNSSearch=example.org\n",
                  network="back.network"),
        "stranger": box()})
    for name in ("systemd-web", "db", "systemd-stranger"):
        a.wait_unit(name, state="up")
    web, db, stranger = (a.pid_of(name) for name in ("systemd-web", "db", "systemd-stranger"))
    front, back = a.unit("systemd-web")["addresses"]
    inner = a.unit("db")["addresses"][0]
    assert front == "10.70.0.5" and back.startswith("10.89.0.")
    links = subprocess.run(["nsenter", "-t", str(web), "-n", "ip", "-o", "address"], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert "eth0    inet 10.70.0.5/24" in links and "eth1    inet %s/24" % back in links
    link = subprocess.run(["nsenter", "-t", str(web), "-n", "ip", "link", "show", "eth0"], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert "mtu 1400" in link and "02:00:00:00:00:05" in link
    # by name and alias in the shared network, with the address of it
    wait_for("db is known", lambda: "%s\tdb store\n" % inner in read_inside(a, "systemd-web", "/etc/hosts"))
    wait_for("web is known", lambda: "%s\tsystemd-web\n" % back in read_inside(a, "db", "/etc/hosts"))
    hosts = read_inside(a, "db", "/etc/hosts")
    assert hosts.startswith("192.0.2.9\tprinter\n")
    assert "10.70.0.5" not in hosts and "stranger" not in hosts and "host.containers.internal" not in hosts
    assert read_inside(a, "db", "/etc/resolv.conf") == "nameserver 192.0.2.53\nsearch example.org\n"
    for pid in (web, db, stranger):
        world.serve(pid, 80)
    world.serve(world.outside, 7777)
    assert world.ask(web, inner, 80) == back
    assert world.ask(db, back, 80) == inner
    assert world.ask(web, OUTSIDE, 7777) == HOST
    for who, host, port in ((db, OUTSIDE, 7777), (stranger, inner, 80), (stranger, front, 80)):
        assert world.ask(who, host, port, limit=1) is None
    assert a.stop() == 0


def test_an_address_is_the_new_containers_alone_whoever_keeps_the_old_namespace(boot, world, box_image):
    a = boot_in(boot, world, box_image, {"web": box(), "other": box()})
    a.wait_unit("systemd-other", state="up")
    address = a.wait_unit("systemd-web", state="up")["addresses"][0]
    other = a.pid_of("systemd-other")
    before = ends(world)
    assert list(before.values()) == [True, True]
    with open("/proc/%d/ns/net" % a.pid_of("systemd-web")):
        a.cleat("restart", "web")
        assert a.wait_unit("systemd-web", state="up")["addresses"] == [address]
        after = ends(world)
        (new,) = after.keys() - before.keys()
        assert after[new] and sum(after[link] for link in before if link in after) == 1, (before, after)
        world.serve(a.pid_of("systemd-web"), 80)
        assert world.ask(other, address, 80) == a.unit("systemd-other")["addresses"][0]
        wait_for("what is left is taken away", lambda: len(ends(world)) == 2)
        assert ends(world)[new]


def test_a_restart_is_one_change_of_the_network(boot, world, box_image):
    """Of its only container: the bridge and the rules stay. Should a machine be so slow that the network is given up between the two, it is tried again."""
    a = boot_in(boot, world, box_image, {"web": box("PublishPort=8000:80\n", unit_lines="StartLimitIntervalSec=0")})
    a.wait_unit("systemd-web", state="up")

    def made():
        tables = json.loads(subprocess.run(["ip", "netns", "exec", world.host, "nft", "-j", "list", "tables"], check=True, stdout=subprocess.PIPE, text=True).stdout)
        bridge = json.loads(ip("-j", "link", "show", "cleat0", netns=world.host))[0]["ifindex"]
        return bridge, sorted(entry["table"]["handle"] for entry in tables["nftables"] if "table" in entry)

    def stays():
        before, pid = made(), a.pid_of("systemd-web")
        a.cleat("restart", "web")
        a.wait_unit("systemd-web", state="up")
        return a.pid_of("systemd-web") != pid and made() == before

    wait_for("a restart that leaves the network as it is", stays)
    world.serve(a.pid_of("systemd-web"), 80)
    assert world.ask(world.outside, HOST, 8000) == OUTSIDE
    a.cleat("stop", "web")
    wait_for("the network is gone", lambda: "cleat0" not in ip("-o", "link", netns=world.host) and "cleat" not in world.state()[2])


def test_a_subnet_moves_to_another_network_with_its_container(boot, world, box_image):
    a = boot_in(boot, world, box_image, {"one.network": "[Network]\nSubnet=10.70.1.0/24\n", "web": box(network="one.network")})
    assert a.wait_unit("systemd-web", state="up")["addresses"][0].startswith("10.70.1.")
    (old,) = ends(world)
    os.unlink(os.path.join(a.config, "units", "one.network"))
    a.add_unit("two.network", "[Network]\nSubnet=10.70.1.0/24\n")
    a.add_unit("web", box(network="two.network"))
    a.cleat("reload")
    entry = a.wait_unit("systemd-web", state="up")
    assert entry["restarts"] == 0 and entry["addresses"][0].startswith("10.70.1."), a.console()
    wait_for("the new end alone", lambda: len(ends(world)) == 1 and old not in ends(world))


def test_names_follow_who_comes_and_goes_in_place(boot, world, box_image):
    a = boot_in(boot, world, box_image, {"web": box(), "db": box("ContainerName=db\n"), "x": box(install=False)})
    a.wait_unit("systemd-web", state="up")
    first = a.wait_unit("db", state="up")["addresses"][0]
    path = "/proc/%d/root/etc/hosts" % a.pid_of("systemd-web")
    inode = os.stat(path).st_ino
    a.cleat("stop", "db")
    wait_for("db is forgotten", lambda: not re.search(r"(?m)\tdb$", read_inside(a, "systemd-web", "/etc/hosts")))
    a.cleat("start", "x")
    assert a.wait_unit("systemd-x", state="up")["addresses"][0] != first
    a.cleat("start", "db")
    # addresses are sticky
    assert a.wait_unit("db", state="up")["addresses"][0] == first
    wait_for("db is known", lambda: "%s\tdb\n" % first in read_inside(a, "systemd-web", "/etc/hosts"))
    # another address of the same name: the unit asks for one
    a.add_unit("db", box("ContainerName=db\nIP=10.88.7.7\n"))
    a.cleat("reload")
    wait_for("answers", a.ping)
    a.cleat("restart", "db")
    assert a.wait_unit("db", state="up", addresses=["10.88.7.7"])
    # written in place: its end may be that of what it was for a moment
    wait_for("db has moved", lambda: "10.88.7.7\tdb\n" in read_inside(a, "systemd-web", "/etc/hosts")
             and first + "\t" not in read_inside(a, "systemd-web", "/etc/hosts"))
    assert os.stat(path).st_ino == inode


def test_a_container_may_write_its_own_lines(boot, world, box_image):
    """Into hosts and resolv.conf of a writable root, as with podman; ours are followed as long as it leaves them alone."""
    writers = ("appends", "renames", "edits", "links", "pipe", "volume", "full")
    units = {name: box("Volume=shared:/shared\n" if name == "volume" else "") for name in writers} | {"fixed": box("ReadOnly=true\n"), "db": box(
        "ContainerName=db\n", install=False)}
    a = boot_in(boot, world, box_image, units)
    for name in writers + ("fixed",):
        a.wait_unit("systemd-" + name, state="up")

    def inside(name, text):
        return a.cleat("exec", name, "/bin/sh", "-c", text)

    def resolve(address):
        a.inside("sh", "-c", "printf 'nameserver %s\\n' > /etc/resolv.conf.new; mv /etc/resolv.conf.new /etc/resolv.conf" % address)

    resolve("192.0.2.7")
    for name in writers + ("fixed",):
        wait_for("servers of " + name, lambda name=name: read_inside(a, "systemd-" + name, "/etc/resolv.conf") == "nameserver 192.0.2.7\n")
    change = {
        "appends": "echo 192.0.2.1 mine >>/etc/hosts; echo options ndots:1 >>/etc/resolv.conf",
        "renames": "(echo 192.0.2.1 mine; cat /etc/hosts) >/etc/h; mv /etc/h /etc/hosts; cp /etc/resolv.conf /etc/r; mv /etc/r /etc/resolv.conf",
        "edits": "grep -v host.containers.internal /etc/hosts >/etc/h; cat /etc/h >/etc/hosts",
        "links": "mv /etc/hosts /data/h; ln -s ../../../data/h /etc/hosts; chmod 600 /data/h; rm /etc/resolv.conf",
        "pipe": "rm /etc/hosts /etc/resolv.conf; busybox mkfifo /etc/hosts; ln -s /etc/resolv.conf /etc/resolv.conf",
        # what is on another mount may be somebody else's
        "volume": "cp /etc/hosts /etc/resolv.conf /shared; rm /etc/hosts /etc/resolv.conf; ln -s /shared/hosts /etc/hosts; ln -s /shared/resolv.conf /etc/resolv.conf",
        "full": "dd if=/dev/zero of=/fill bs=64k 2>/dev/null; true"}
    for name, text in change.items():
        inside("systemd-" + name, text)
    assert a.cleat("exec", "systemd-fixed", "/bin/sh", "-c", "echo x >>/etc/hosts", check=False).returncode != 0
    before = {name: inside("systemd-" + name, "ls -ld /etc/hosts; [ -p /etc/hosts ] || cat /etc/hosts") for name in writers}
    a.cleat("start", "db")
    address = a.wait_unit("db", state="up")["addresses"][0]
    resolve("192.0.2.8")
    line = "%s\tdb\n" % address
    for name in ("appends", "renames", "links", "fixed"):
        wait_for("db is known to " + name, lambda name=name: line in inside("systemd-" + name, "cat /etc/hosts"))
    assert inside("systemd-appends", "tail -n 1 /etc/hosts") == inside("systemd-renames", "head -n 1 /etc/hosts") == "192.0.2.1 mine\n"
    for name in ("renames", "edits", "fixed"):
        wait_for("servers of " + name, lambda name=name: inside("systemd-" + name, "cat /etc/resolv.conf") == "nameserver 192.0.2.8\n")
    for name, file in (("edits", "hosts"), ("pipe", "hosts"), ("volume", "hosts"), ("appends", "resolv.conf"), ("links", "resolv.conf"),
                       ("pipe", "resolv.conf"), ("volume", "resolv.conf")):
        wait_for("it is said", lambda name=name, file=file: "systemd-%s: /etc/%s is the container's own now" % (name, file) in a.console())
    assert inside("systemd-appends", "cat /etc/resolv.conf") == "nameserver 192.0.2.7\noptions ndots:1\n"
    for name in ("edits", "pipe", "volume"):
        assert inside("systemd-" + name, "ls -ld /etc/hosts; [ -p /etc/hosts ] || cat /etc/hosts") == before[name]
    # and nothing of all that is in the way of what comes later
    a.cleat("stop", "db")
    for name in ("appends", "renames", "links"):
        wait_for("db is forgotten", lambda name=name: line not in inside("systemd-" + name, "cat /etc/hosts"))
    assert a.console().count("systemd-edits: /etc/hosts is the container's own now") == 1
    # an engine that comes later goes on, with what has changed meanwhile
    engine = a.engine_pid()
    os.kill(engine, signal.SIGKILL)
    wait_for("another engine answers", lambda: a.ping() and a.engine_pid() != engine)
    a.wait_unit("systemd-appends", state="up")
    a.cleat("start", "db")
    wait_for("db is known again", lambda: line in inside("systemd-appends", "cat /etc/hosts"))
    assert inside("systemd-appends", "tail -n 1 /etc/hosts") == "192.0.2.1 mine\n"
    assert a.stop() == 0
    assert leftovers(a) == []


def test_a_network_that_changes_takes_its_containers_along(boot, world, box_image):
    """All of them are restarted for it, and the first that is back must not find the settings of those that are still on their way."""
    slow = "Exec=/bin/sh -c \"trap 'sleep 0.5; exit 0' TERM; while :; do sleep 86400 & wait; done\"\n"
    last = unit("localhost/box:latest", slow, unit_lines="Requires=second.service\nAfter=second.service\n", network="lan.network")
    a = boot_in(boot, world, box_image, {"lan.network": "[Network]\nSubnet=10.70.1.0/24\n", "first": box("IP=10.70.1.10\n", "lan.network"),
                                         "second": box(network="lan.network"), "last": last})
    for name in ("first", "second", "last"):
        a.wait_unit("systemd-" + name, state="up")
    # the one who would notice by itself must not come first, nor between the two
    with stopped(the_watcher(a)):
        a.add_unit("lan.network", "[Network]\nSubnet=10.70.2.0/24\n")
        a.add_unit("first", box("IP=10.70.2.10\n", "lan.network"))
        assert re.findall(r"^restarted +(\S+)", a.cleat("reload"), re.M) == ["systemd-first", "systemd-last", "systemd-second"]
    assert address_of(a, "systemd-first") == "10.70.2.10"
    for name in ("systemd-second", "systemd-last"):
        assert address_of(a, name).startswith("10.70.2."), (name, a.console())
    assert "keeps its earlier settings" not in a.console()


def test_a_subnet_that_the_appliance_has_got_meanwhile_is_named(boot, world, box_image):
    a = boot_in(boot, world, box_image, {"lan.network": "[Network]\nSubnet=192.168.50.0/24\n", "web": box(network="lan.network")})
    a.wait_unit("systemd-web", state="up")
    # it is compared when it comes: in a restart it may not have gone before
    a.cleat("stop", "web")
    wait_for("the bridge is gone", lambda: ": cleat-" not in ip("-o", "link", netns=world.host))
    ip("address", "add", "192.168.50.7/24", "dev", "eth0", netns=world.host)
    assert a.cleat("start", "web", check=False).returncode == 1
    detail = a.wait_unit("systemd-web", state="failed")["detail"]
    assert re.search(r"network: lan\.network \(cleat-\w+\): 192\.168\.50\.0/24 overlaps the route 192\.168\.50\.0/24 of eth0", detail), detail
    ip("address", "delete", "192.168.50.7/24", "dev", "eth0", netns=world.host)
    a.cleat("start", "web")
    a.wait_unit("systemd-web", state="up")


def test_ports_that_no_proxy_can_serve_are_noted(boot, world, box_image):
    a = boot_in(boot, world, box_image, {"web": box("PublishPort=[fd00:5::9]:8000:80\n")})
    world.serve(a.pid_of(a.wait_unit("systemd-web", state="up")["name"]), 80)
    noted = lambda: [note for note in a.status()["notes"] if "ports of systemd-web: " in json.dumps(note)]  # noqa: E731
    wait_for("it is said", noted)
    ip("address", "add", "fd00:5::9/64", "dev", "eth0", "nodad", netns=world.host)
    wait_for("the proxy", lambda: world.ask(world.outside, "fd00:5::9", 8000) == "10.88.0.1")
    wait_for("and said no more", lambda: not noted())


def test_resolv_conf_follows_the_appliances(boot, world, box_image):
    a = boot_in(boot, world, box_image, {"web": box(), "host": box(network="host")})
    a.wait_unit("systemd-web", state="up")
    a.wait_unit("systemd-host", state="up")
    a.inside("sh", "-c", "printf 'nameserver 127.0.0.53\\nnameserver 192.0.2.7\\nsearch lan\\n' > /etc/resolv.conf.new; "
             "mv /etc/resolv.conf.new /etc/resolv.conf")
    wait_for("the bridge's container knows", lambda: read_inside(a, "systemd-web", "/etc/resolv.conf") ==
             "nameserver 192.0.2.7\nsearch lan\n")
    wait_for("the host's container knows", lambda: read_inside(a, "systemd-host", "/etc/resolv.conf") ==
             "nameserver 127.0.0.53\nnameserver 192.0.2.7\nsearch lan\n")


def test_conflicts_name_both_and_the_loser_comes_up_later(boot, world, box_image):
    a = boot_in(boot, world, box_image, {
        "a": box("PublishPort=8000:80\n"),
        "b": box("PublishPort=192.0.2.1:8000:81\n", service="Restart=always\nRestartSec=200ms\nStartLimitBurst=0\n", install=False)})
    a.wait_unit("systemd-a", state="up")
    a.cleat("start", "b", check=False)
    entry = a.wait_unit("systemd-b", state="backoff")
    assert "port 8000/tcp (b.container:" in entry["detail"] and "is published by systemd-a" in entry["detail"]
    a.cleat("stop", "a")
    a.wait_unit("systemd-b", state="up")
    world.serve(a.pid_of("systemd-b"), 81)
    assert world.ask(world.outside, HOST, 8000) == OUTSIDE


def test_a_port_that_a_program_of_the_appliance_has_is_not_taken_away(boot, world, box_image):
    a = boot_in(boot, world, box_image, {
        "a": box("PublishPort=25328:80\n"),
        "b": box("PublishPort=25329:80\n", install=False), "c": box("PublishPort=80\n", install=False)})
    entry = a.wait_unit("systemd-a", state=("failed", "backoff"))
    assert "port 25328/tcp is in use on the appliance" in entry["detail"]
    world.serve(world.host, 25329, "tcp")
    a.cleat("start", "b", check=False)
    assert "port 25329/tcp is in use" in a.wait_unit("systemd-b", state=("failed", "backoff"))["detail"]
    world.serve(world.host, 60999)
    a.cleat("start", "c")
    assert a.wait_unit("systemd-c", state="up")["ports"] == ["60998->80/tcp"]


def test_check_says_what_units_say_together(tmp_path):
    (tmp_path / "one.network").write_text("[Network]\nSubnet=10.1.0.0/16\n")
    (tmp_path / "two.network").write_text("[Network]\nSubnet=10.1.2.0/24\nGateway=10.1.3.1\n")
    (tmp_path / "three.network").write_text("[Network]\nSubnet=10.1.9.0/24\n")
    (tmp_path / "a.container").write_text(box("PublishPort=8000-8002:80-82\n", network="one.network"))
    (tmp_path / "b.container").write_text(box("PublishPort=8001:80\n", network="nowhere"))
    done = subprocess.run([CLEAT, "check", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 1
    assert "two.network:3:9: error: Network.Gateway: 10.1.3.1 is outside of its Subnet=" in done.stdout
    assert "three.network:2:8: error: Network.Subnet: subnet 10.1.9.0/24 overlaps 10.1.0.0/16 of one.network" in done.stdout
    assert 'there is no network "nowhere"' in done.stdout
    assert re.search(r"b\.container:\d+:13: error: .*port 8001/tcp is published by a\.container:\d+ and b\.container:\d+\n", done.stdout), done.stdout


LOST = "published ports go through a proxy: the client's address is lost, the program sees the gateway's"
LOST_HERE = "network: published ports go through a proxy, client addresses are lost"


def test_without_netfilter_a_proxy_has_the_ports_and_it_is_said(boot, world, box_image, without_netfilter):
    before = world.state()
    a = boot_in(boot, world, box_image, {
        "web": box("PublishPort=8000:80\nPublishPort=5300:53/udp\nPublishPort=9000-9002:70-72\n"
                   "PublishPort=192.0.2.1:8001:80\nPublishPort=127.0.0.1:8002:80\nPublishPort=81\n"),
        "other": box()}, wrap=without_netfilter)
    for name in ("systemd-web", "systemd-other"):
        a.wait_unit(name, state="up")
    web, other = a.pid_of("systemd-web"), a.pid_of("systemd-other")
    entry = a.unit("systemd-web")
    address = entry["addresses"][0]
    world.serve(web, 80)
    world.serve(web, 53, "udp")
    world.serve(web, 71)
    world.serve(web, 81)
    chosen = int([word for word in entry["ports"] if word.endswith("->81/tcp")][0].split("-")[0])
    # from another machine and from the appliance, always in the name of the gateway
    for where in (world.outside, world.host):
        for port, kind in ((8000, "tcp"), (8001, "tcp"), (9001, "tcp"), (chosen, "tcp"), (5300, "udp")):
            wait_for("port %d" % port, lambda: world.ask(where, HOST, port, kind, 1) == "10.88.0.1")
        assert world.ask(where, HOST, 8002) is None
        assert world.ask(where, "fd00:5::1", 8000) == "10.88.0.1"
        assert world.ask(where, "fd00:5::1", 5300, "udp") == "10.88.0.1"
    for port in (8000, 8002):
        assert world.ask(world.host, "127.0.0.1", port) == "10.88.0.1"
    assert world.ask(world.host, "127.0.0.1", 5300, "udp") == "10.88.0.1"
    # neighbours need no translation
    assert world.ask(other, address, 80) == a.unit("systemd-other")["addresses"][0]
    assert world.ask(other, HOST, 8000) == "10.88.0.1"
    # it is said: of the unit, of the appliance
    assert LOST in a.unit("systemd-web")["notes"]
    assert LOST not in str(a.unit("systemd-other").get("notes"))
    assert any(LOST_HERE in note["text"] for note in a.status()["notes"])
    lines = {line.split()[0]: line for line in a.cleat("ps").splitlines()}
    assert "client addresses are lost" in lines["systemd-web"] and "lost" not in lines["systemd-other"]
    assert LOST in a.cleat("status", "web") and LOST_HERE in a.cleat("status")
    # the engine's end changes nothing, and its successor takes over what there is
    first = workers(a, "proxy")
    assert len(first) == 1
    engine_dies(a)
    a.wait_unit("systemd-web", state="up", notes=(entry["notes"],))
    wait_for("the new engine knows about the kernel", lambda: any(LOST_HERE in note["text"] for note in a.status()["notes"]))
    assert workers(a, "proxy") == first
    assert world.ask(world.outside, HOST, 8000) == "10.88.0.1"
    # one that dies is replaced
    os.kill(list(first)[0], signal.SIGKILL)
    wait_for("another proxy", lambda: len(workers(a, "proxy")) == 1 and workers(a, "proxy").keys() != first.keys())
    wait_for("the port", lambda: world.ask(world.outside, HOST, 8000) == "10.88.0.1")
    assert list(workers(a, "proxy").values()) == list(first.values())
    # it goes with its container, and comes with the next
    a.cleat("stop", "web")
    wait_for("no proxy", lambda: workers(a, "proxy") == {})
    assert world.ask(world.outside, HOST, 8000) is None
    # a program of the appliance has the port: that is said, and the proxy comes when the program goes
    program = world.serve(world.host, 8000)
    a.cleat("start", "web")
    a.wait_unit("systemd-web", state="up")
    world.serve(a.pid_of("systemd-web"), 80)
    wait_for("it is said", lambda: "the port proxy does not run" in str(a.unit("systemd-web")["notes"]))
    program.kill()
    wait_for("the port", lambda: world.ask(world.outside, HOST, 8000) == "10.88.0.1")
    wait_for("nothing is said", lambda: "the port proxy does not run" not in str(a.unit("systemd-web")["notes"]))
    assert a.stop() == 0
    assert world.state() == before
    assert leftovers(a) == []
    # the same appliance where there is netfilter
    a.wrap = []
    a.start()
    notes = a.wait_unit("systemd-web", state="up")["notes"]
    assert LOST not in notes and not any(LOST_HERE in note["text"] for note in a.status()["notes"])
    web = a.pid_of("systemd-web")
    world.serve(web, 80)
    world.serve(world.outside, 7777)
    assert world.ask(world.outside, HOST, 8000) == OUTSIDE
    assert world.ask(web, OUTSIDE, 7777) == HOST
    assert "lost" not in a.cleat("ps")
    assert a.stop() == 0
    assert world.state() == before


@pytest.mark.parametrize("forwards", [False, True], ids=["", "forwarding"])
def test_without_netfilter_nothing_leaves_a_network(boot, world, box_image, without_netfilter, forwards):
    """No rules keep networks apart there: nothing is forwarded for them, whatever the appliance does for others."""
    if forwards:
        world.sysctl("ip_forward", "1")
    before = world.state()
    a = boot_in(boot, world, box_image, {
        "back.network": "[Network]\nInternal=true\n", "side.network": "[Network]\n",
        "web": box(), "side": box(network="side.network"), "db": box(network="back.network")}, wrap=without_netfilter)
    ends = {name: a.wait_unit("systemd-" + name, state="up")["addresses"][0] for name in ("web", "side", "db")}
    pids = {name: a.pid_of("systemd-" + name) for name in ends}
    for pid in pids.values():
        world.serve(pid, 80)
    world.serve(world.outside, 80)
    # as a machine beside the appliance may, and as a container that is let do more
    for address in ends.values():
        ip("route", "add", address, "via", HOST, netns=world.outside)
    for who, pid in pids.items():
        assert world.ask(world.host, ends[who], 80)
        for other in [ends[name] for name in ends if name != who] + [OUTSIDE]:
            assert world.ask(pid, other, 80, limit=0.3) is None, (who, other)
        assert world.ask(world.outside, ends[who], 80, limit=0.3) is None
    # nor is the appliance's loopback to be had through the gateway
    for bridge in [line.split(":")[1].strip() for line in ip("-o", "link", "show", "type", "bridge", netns=world.host).splitlines()]:
        assert world.sysctl("conf/%s/route_localnet" % bridge) == world.sysctl("conf/%s/forwarding" % bridge) == "0"
    assert world.sysctl("ip_forward") == str(int(forwards))
    assert "containers reach nothing outside" in str(a.status()["notes"])
    assert a.stop() == 0
    assert world.state() == before


def start_example(c):
    """The example without its Network=host; its unit when it is healthy."""
    shutil.copytree(EXAMPLE, c.config, dirs_exist_ok=True)
    path = os.path.join(c.config, "units", "moe-orchestrator.container")
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(text.replace("Network=host\n", ""))
    c.start()
    return c.wait_unit("moe-orchestrator", health="healthy")


@pytest.mark.skipif(not os.path.isdir(LXC_CONFIG) or not shutil.which("lxc-start"), reason="lxc is not installed")
@pytest.mark.parametrize("unprivileged", [True, False], ids=["unprivileged", "privileged"])
def test_the_default_bridge_in_lxc(boot_lxc, unprivileged):
    """The example without its Network=host: healthy, reached through its published port, with a neighbour that knows it by name."""
    c = boot_lxc(start=False, unprivileged=unprivileged)
    seen = start_example(c)
    assert seen["addresses"] == ["10.88.0.2"]
    assert seen["ports"] == ["8000->8000/tcp"]
    code, body = c.http_from_network("/", port=8000)
    assert code == 200 and "uid 1001" in body
    assert c.shell("wget -qO- http://127.0.0.1:8000/health")
    assert "cleat0" in c.shell("ip -o link")
    hosts = c.shell("cat /proc/%d/root/etc/hosts" % seen["pid"])
    assert "10.88.0.2\t" in hosts and " moe-orchestrator\n" in hosts


def answer_of(c):
    try:
        return c.http_from_network("/", port=8000)
    except OSError:
        return None


@pytest.mark.skipif(not os.path.isdir(LXC_CONFIG) or not shutil.which("lxc-start"), reason="lxc is not installed")
def test_without_nftables_in_unprivileged_lxc_a_proxy_has_the_ports_and_it_is_said(boot_lxc, tmp_path):
    """A host whose seccomp profile withholds netfilter: the example answers on the network all the same."""
    profile = tmp_path / "profile"
    with open(os.path.join(LXC_CONFIG, "common.seccomp")) as f:
        # socket(AF_NETLINK, any, NETLINK_NETFILTER): EPROTONOSUPPORT
        profile.write_text(f.read() + "socket errno 93 [0,16,SCMP_CMP_EQ] [2,12,SCMP_CMP_EQ]\n")
    c = boot_lxc(start=False, extra=("lxc.seccomp.profile = %s" % profile,))
    seen = start_example(c)
    assert seen["addresses"] == ["10.88.0.2"] and seen["ports"] == ["8000->8000/tcp"]
    code, body = wait_for("the port answers", lambda: answer_of(c))
    assert code == 200 and "uid 1001" in body
    assert c.shell("wget -qO- http://127.0.0.1:8000/health")
    assert LOST in seen["notes"]
    assert any(LOST_HERE in note["text"] for note in c.status()["notes"])
    assert "client addresses are lost" in c.cleat("ps") and LOST_HERE in c.cleat("status")
    (proxy,) = workers(c, "proxy")
    with open("/proc/%d/status" % proxy) as f:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    assert fields["Uid"].split() == [str(c.outside_id(65003))] * 4
    assert fields["CapEff"] == "0" * 16 and fields["Seccomp"] == "2" and fields["NoNewPrivs"] == "1"
