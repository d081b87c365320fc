# SPDX-License-Identifier: Apache-2.0
"""Networks of a whole appliance in trouble: a hundred starts and an engine that dies meanwhile, connections that go on, names that
move under who uses them, a ruleset that somebody flushes, a neighbour who lies."""
import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from appliance import BUILD, leftovers, unit, wait_for
from lxc import ADDRESS as LXC_ADDRESS
from lxc import GATEWAY as LXC_GATEWAY
from ociimage import busybox_of, write_box
from test_network import HOST, OUTSIDE, World, address_of

PYTHON = "/usr/bin/python3"
MANY = 100

# Waits without using the processor, and ends when it is asked to.
PARKED = "trap 'exit 0' TERM; sleep 1000000 & wait"

# Sends back what comes, for ever and to anybody.
ECHO = """
import socket, sys, threading
def serve(c):
    while True:
        data = c.recv(4096)
        if not data:
            return
        c.sendall(data)
def datagrams(s):
    while True:
        data, peer = s.recvfrom(2048)
        s.sendto(data, peer)
t = socket.create_server(("0.0.0.0", 80))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("0.0.0.0", 53))
threading.Thread(target=datagrams, args=(u,), daemon=True).start()
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(t.accept()[0],), daemon=True).start()
"""

# One connection for its whole life; says every round, and "broken" when an answer is not what it sent. A datagram may be lost: it is
# sent again, from the same port.
TALK = """
import socket, sys
host, port, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
family = socket.AF_INET6 if ":" in host else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
s.settimeout(0.2 if kind == "udp" else 90)
s.connect((host, port))
n = 0
def datagram(word):
    for _ in range(450):
        s.send(word)
        try:
            while s.recv(2048) != word:
                pass
            return
        except TimeoutError:
            pass
    sys.exit("no answer to datagram %d" % n)
while True:
    n += 1
    word = b"%020d" % n
    if kind == "udp":
        datagram(word)
        print(n, flush=True)
        continue
    s.sendall(word)
    got = b""
    while len(got) < len(word):
        piece = s.recv(len(word) - len(got))
        if not piece:
            sys.exit("closed in round %d" % n)
        got += piece
    if got != word:
        sys.exit("broken: %r for %r" % (got, word))
    print(n, flush=True)
"""

# Frames, as hexadecimal lines, out of a raw socket on eth0.
FRAMES = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
for line in sys.stdin:
    s.send(bytes.fromhex(line.strip()))
"""

# The page that a container serves: who asks, and who answers.
PAGE = b"""#!/bin/sh
printf 'Content-type: text/plain\\r\\n\\r\\n'
echo "$REMOTE_ADDR $(ip -4 -o address show dev eth0 | sed 's/.*inet //; s|/.*||')"
"""
ASK = b"""#!/bin/sh
# Asks by name, over and over: a line for each answer.
trap 'exit 0' TERM
while :; do
	got=$(wget -q -T 2 -O - http://db/cgi-bin/who 2>/dev/null) && echo "db $got" >>/tmp/answers
	got=$(wget -q -T 20 -O - http://anchor/cgi-bin/who 2>&1) && got=ok
	echo "anchor $got" >>/tmp/answers
done
"""
WEB = "Exec=httpd -f -p 0.0.0.0:80 -h /www\nStopSignal=SIGKILL\n"


@pytest.fixture(scope="session")
def web_image(tmp_path_factory):
    """localhost/box:latest with a page at /www/cgi-bin/who and the program /bin/ask."""
    path = str(tmp_path_factory.mktemp("web") / "box.tar")
    write_box(path, busybox_of(BUILD), extra=[("www", {}), ("www/cgi-bin", {}), ("www/cgi-bin/who", {"content": PAGE}),
                                              ("bin/ask", {"content": ASK})])
    return path


class Town(World):
    """World, and connections that stay."""

    def __init__(self):
        super().__init__()
        self.talks = []

    def echo(self, pid):
        process = subprocess.Popen(["nice", "-n", "19", "nsenter", "-t", str(pid), "-n", PYTHON, "-S", "-c", ECHO], stdout=subprocess.PIPE, text=True)
        self.servers.append(process)
        assert process.stdout.readline() == "ready\n"

    def talk(self, where, host, port, kind="tcp"):
        made = Talk(["nice", "-n", "19", "ip", "netns", "exec", where, PYTHON, "-S", "-c", TALK, host, str(port), kind])
        self.talks.append(made)
        return made

    def close(self):
        for talk in self.talks:
            talk.close()
        super().close()


class Talk:
    """A client that keeps its connection; rounds() is how far it came."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.last = 0
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.last = int(line)

    def rounds(self):
        assert self.process.poll() is None, (self.process.args, self.last, self.process.stderr.read())
        return self.last

    def goes_on(self):
        """Waits for rounds that begin from now on."""
        start = self.rounds()
        wait_for("the connection goes on", lambda: self.rounds() >= start + 10)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def town():
    made = Town()
    yield made
    made.close()


def boot_town(boot, town, image, units):
    a = boot(units, images=(), start=False, netns=town.netns)
    a.add_image("box", image)
    return a.start()


def box(container="", command=PARKED, network="", **keywords):
    return unit("localhost/box:latest", ('Exec=/bin/sh -c "%s"\n' % command if command else "") + container, network=network, **keywords)


def net_worker(a):
    for pid in a.processes("cleat"):
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                if f.read().split(b"\0")[1:2] == [b"net"]:
                    return pid
        except FileNotFoundError:
            continue  # it has ended meanwhile
    return None


def kill_engine(a):
    old = a.engine_pid()
    os.kill(old, signal.SIGKILL)
    wait_for("another engine", lambda: a.ping() and a.engine_pid() != old)


def rules(town):
    return sorted(town.state()[2].split("\n"))


# --- a hundred ------------------------------------------------------------------------------------------------------------------


def addresses_inside(pid):
    out = subprocess.run(["nsenter", "-t", str(pid), "-n", "ip", "-j", "-4", "address", "show", "dev", "eth0"], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return [found["local"] for link in json.loads(out) for found in link["addr_info"]]


def test_a_hundred_instances_start_through_the_death_of_their_engine(boot, town, box_image):
    before = town.state()
    a = boot(images=(), start=False, netns=town.netns)
    a.add_image("box", box_image)
    a.add_unit("box@.container", box("ContainerName=box-%i\nPublishPort=80\nHostName=host-%i\n"))
    for i in range(MANY):
        os.symlink("box@.container", os.path.join(a.config, "units", "box@%d.container" % i))
    a.start()
    wait_for("some are up", lambda: sum(u["state"] == "up" for u in a.status()["units"]) >= 10)
    kill_engine(a)
    names = ["box-%d" % i for i in range(MANY)]
    wait_for("all are up", lambda: all(u["state"] == "up" for u in a.status()["units"]), 180)
    units = {u["name"]: u for u in a.status()["units"]}
    assert sorted(units) == sorted(names)
    # what the appliance says is what the containers have
    given = {name: units[name]["addresses"] for name in names}
    outer = outer_pids(a)
    for name in names:
        assert addresses_inside(outer[units[name]["pid"]]) == given[name]
        assert address_of(a, name) == given[name][0]
    assert len({address for one in given.values() for address in one}) == MANY
    assert len({units[name]["ports"][0] for name in names}) == MANY
    rows = {row.split()[0]: row for row in a.cleat("ps", "-a").splitlines()[1:]}
    assert sorted(rows) == sorted(names)
    assert all(" up " in row for row in rows.values())
    # one link, one port in the rules, and one line of each neighbour's names for each
    links = [line for line in town.state()[0] if line.strip().startswith("v")]
    assert len(links) == len(set(links)) == MANY
    assert len(re.findall(r"tcp \. \d+ : 10\.88\.\d+\.\d+ \. 80", town.state()[2])) == MANY
    for name in (names[0], names[-1]):
        wait_for("%s knows all" % name, lambda: known_by(outer[units[name]["pid"]]).items() >= {other: given[other][0] for other in names}.items())
    assert a.stop() == 0
    assert town.state() == before
    assert leftovers(a) == []


def known_by(pid):
    """Name -> address in the hosts file of a container."""
    with open("/proc/%d/root/etc/hosts" % pid) as f:
        lines = [line.split() for line in f]
    return {word: line[0] for line in lines for word in line[1:]}


def test_a_hundred_instances_in_an_unprivileged_lxc_container(boot_lxc, box_image):
    a = boot_lxc(images=(), start=False)
    a.add_image("box", box_image)
    a.add_unit("box@.container", box("ContainerName=box-%i\nPublishPort=80\n"))
    for i in range(MANY):
        os.symlink("box@.container", os.path.join(a.config, "units", "box@%d.container" % i))
    a.start()
    wait_for("all are up", lambda: [u["state"] for u in a.status()["units"]] == ["up"] * MANY, 180)
    units = a.status()["units"]
    assert len({u["addresses"][0] for u in units}) == len({u["ports"][0] for u in units}) == MANY
    outer = outer_pids(a)
    assert all(addresses_inside(outer[u["pid"]]) == u["addresses"] for u in units)
    assert len(re.findall(r"tcp \. \d+ : 10\.88\.\d+\.\d+ \. 80", nft_of(a, "list", "ruleset"))) == MANY


def outer_pids(a):
    """pid inside the appliance -> pid of this machine, of all its containers' first processes."""
    found = {}
    init_ns = os.readlink("/proc/%d/ns/pid" % a.init_pid())
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/status" % entry) as f:
                numbers = re.search(r"^NSpid:\s+(.*)$", f.read(), re.M).group(1).split()
            with open("/proc/%s/stat" % entry) as f:
                parent = f.read().rsplit(")", 1)[1].split()[1]
            if len(numbers) == 3 and numbers[2] == "1" and os.readlink("/proc/%s/ns/pid" % parent) == init_ns:
                found[int(numbers[1])] = int(entry)
        except (OSError, AttributeError):
            continue
    return found


# --- what goes on ---------------------------------------------------------------------------------------------------------------


def test_open_connections_go_on_when_engine_and_worker_are_killed(boot, town, box_image):
    a = boot_town(boot, town, box_image, {"web": box("PublishPort=8000:80\nPublishPort=5300:53/udp\n")})
    a.wait_unit("systemd-web", state="up")
    town.echo(a.pid_of("systemd-web"))
    talks = [town.talk(town.outside, HOST, 8000), town.talk(town.outside, HOST, 5300, "udp"), town.talk(town.host, "127.0.0.1", 8000),
             town.talk(town.outside, "fd00:5::1", 8000)]
    for talk in talks:
        talk.goes_on()
    kill_engine(a)
    for talk in talks:
        talk.goes_on()
    worker = wait_for("a worker", lambda: net_worker(a))
    os.kill(worker, signal.SIGKILL)
    wait_for("another worker", lambda: net_worker(a) not in (None, worker))
    a.cleat("reload")
    wait_for("answers", a.ping)
    for talk in talks:
        talk.goes_on()
        talk.close()
    assert a.stop() == 0


def test_a_client_that_asks_by_name_follows_a_new_address(boot, town, web_image):
    a = boot_town(boot, town, web_image, {
        "anchor": box(WEB + "ContainerName=anchor\n", command=""), "db": box(WEB + "ContainerName=db\n", command=""),
        "client": box("ContainerName=client\nExec=/bin/ask\n", command="")})
    for name in ("anchor", "db", "client"):
        a.wait_unit(name, state="up")
    first = a.unit("db")["addresses"][0]
    mine = a.unit("client")["addresses"][0]
    log = "/proc/%d/root/tmp/answers" % a.pid_of("client")
    wait_for("the first answer", lambda: os.path.exists(log))

    def answers(who):
        with open(log) as f:
            return [line[len(who) + 1:].strip() for line in f if line.startswith(who + " ") and line.endswith("\n")]

    wait_for("the first address answers", lambda: answers("db"))
    for address in ("10.88.9.1", "10.88.9.2", "10.88.9.3"):
        a.add_unit("db", box(WEB + "ContainerName=db\nIP=%s\n" % address, command=""))
        a.cleat("reload")
        wait_for("answers", a.ping)
        a.cleat("restart", "db")
        a.wait_unit("db", state="up", addresses=[address])
        wait_for("the client has followed", lambda: answers("db")[-1] == "%s %s" % (mine, address))
    # each address until the next one, and never one that was over
    order = list(dict.fromkeys(filter(None, answers("db"))))  # the last of a life may be cut off
    assert order == ["%s %s" % (mine, address) for address in (first, "10.88.9.1", "10.88.9.2", "10.88.9.3")]
    # and a neighbour who did not move was there at every moment, once it had come
    others = answers("anchor")
    assert set(others[others.index("ok"):]) == {"ok"}


def test_a_flush_of_the_ruleset_under_traffic_is_repaired(boot, town, box_image):
    a = boot_town(boot, town, box_image, {
        "vault.network": "[Network]\nInternal=true\n", "web": box("PublishPort=8000:80\nPublishPort=8053:53/udp\n"),
        "db": box(network="vault.network")})
    for name in ("systemd-web", "systemd-db"):
        a.wait_unit(name, state="up")
    web, db = a.pid_of("systemd-web"), a.pid_of("systemd-db")
    inner = a.unit("systemd-db")["addresses"][0]
    town.serve(web, 80)
    town.serve(web, 53, "udp")
    town.serve(db, 80)
    town.serve(town.outside, 7777)
    whole = rules(town)
    done = threading.Event()
    seen = []

    def traffic():
        while not done.is_set():
            seen.append(town.ask(town.outside, HOST, 8000))

    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        wait_for("traffic", lambda: len(seen) > 3)
        assert set(seen) == {OUTSIDE}
        for harm in (("flush", "ruleset"), ("delete", "table", "inet", "cleat"), ("delete", "table", "bridge", "cleat")):
            subprocess.run(["ip", "netns", "exec", town.host, "nft", *harm], check=True)
            wait_for("the rules are back", lambda: rules(town) == whole)
            # of the requests that were under way one may have been lost; whoever asks now is answered
            assert town.ask(town.outside, HOST, 8000) == OUTSIDE
            assert town.ask(town.outside, HOST, 8053, "udp") == OUTSIDE
    finally:
        done.set()
        thread.join()
    # never by somebody who hides the client's address
    assert set(seen) <= {OUTSIDE, None} and seen[0] == OUTSIDE
    assert town.ask(web, OUTSIDE, 7777) == HOST
    assert town.ask(db, OUTSIDE, 7777, limit=1) is None
    assert town.ask(web, inner, 80, limit=1) is None
    assert a.stop() == 0
    assert leftovers(a) == []


# --- a neighbour who lies ---------------------------------------------------------------------------------------------------------


def mac_of(address):
    return b"\x0a\x58" + socket.inet_aton(address)


def arp(mac, sender, to_mac, target, operation):
    return (to_mac + mac + b"\x08\x06\x00\x01\x08\x00\x06\x04" + operation.to_bytes(2, "big") + mac + socket.inet_aton(sender) +
            (b"\x00" * 6 if operation == 1 else to_mac) + socket.inet_aton(target)).hex()


def send_frames(pid, frames):
    """As root of the container, with the one capability that it was given and the others taken away."""
    command = ["nsenter", "-t", str(pid), "-U", "-n", "setpriv", "--bounding-set", "-all,+net_raw", "--inh-caps", "-all", PYTHON, "-S", "-c", FRAMES]
    done = subprocess.run(command, input="".join(frame + "\n" for frame in frames), stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def neighbour(pid, address):
    out = subprocess.run(["nsenter", "-t", str(pid), "-n", "ip", "-j", "neigh", "show", "to", address], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return next((entry.get("lladdr") for entry in json.loads(out or "[]")), None)


def accept_arp(pid):
    """A neighbour that believes what it did not ask for."""
    subprocess.run(["nsenter", "-t", str(pid), "-n", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/all/arp_accept"], check=True)


def capabilities(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"^CapEff:\s+(\w+)", f.read(), re.M).group(1), 16)


CAP_NET_ADMIN, CAP_NET_RAW = 12, 13


def nft_of(a, *words):
    return subprocess.run(["nsenter", "-t", str(a.init_pid()), "-n", "nft", *words], check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.mark.parametrize("place", ["namespaces", "lxc"])
def test_a_container_with_net_raw_cannot_take_its_neighbours_place(boot, boot_lxc, town, box_image, place):
    units = {"web": box("PublishPort=8000:80\n"), "client": box(), "evil": box("AddCapability=NET_RAW\n")}
    if place == "lxc":
        a = boot_lxc(units, images=(), start=False)
        a.add_image("box", box_image)
        a.start()
        outside, here, seen_as = a.holder.pid, LXC_ADDRESS, LXC_GATEWAY
    else:
        a = boot_town(boot, town, box_image, units)
        outside, here, seen_as = town.outside, HOST, OUTSIDE
    for name in ("systemd-web", "systemd-client", "systemd-evil"):
        a.wait_unit(name, state="up")
    web, client, evil = (a.pid_of(name) for name in ("systemd-web", "systemd-client", "systemd-evil"))
    its, mine, lies = (a.unit(name)["addresses"][0] for name in ("systemd-web", "systemd-client", "systemd-evil"))
    assert capabilities(evil) & 1 << CAP_NET_RAW and not capabilities(evil) & 1 << CAP_NET_ADMIN
    assert not capabilities(client) & 1 << CAP_NET_RAW
    town.serve(web, 80)
    town.serve(client, 81)
    assert town.ask(client, its, 80) == mine
    assert town.ask(outside, here, 8000) == seen_as
    for pid in (client, a.init_pid()):
        accept_arp(pid)
    honest = neighbour(client, its), neighbour(a.init_pid(), its)
    assert honest == ("0a:58:0a:58:%02x:%02x" % tuple(map(int, its.split(".")[2:])),) * 2
    gateway = "10.88.0.1"
    frames = [arp(mac_of(lies), victim, to, target, operation)
              for victim, to, target in ((its, mac_of(mine), mine), (its, mac_of(gateway), gateway), (gateway, mac_of(mine), mine),
                                         (its, b"\xff" * 6, its))
              for operation in (1, 2)]

    def lie():
        send_frames(evil, frames * 50)

    lie()
    # what it may say comes through, behind the lies
    mark = "0a:58:0a:58:%02x:%02x" % tuple(map(int, lies.split(".")[2:]))

    def honest_comes():
        send_frames(evil, [arp(mac_of(lies), lies, mac_of(mine), mine, 2), arp(mac_of(lies), lies, mac_of(gateway), gateway, 2)])
        return neighbour(client, lies) == mark and neighbour(a.init_pid(), lies) == mark

    wait_for("an honest frame has come", honest_comes)
    assert (neighbour(client, its), neighbour(a.init_pid(), its)) == honest
    assert town.ask(client, its, 80) == mine
    assert town.ask(outside, here, 8000) == seen_as
    # without the guard the same frames do harm: the test is not blind
    worker = net_worker(a)
    os.kill(worker, signal.SIGSTOP)
    try:
        nft_of(a, "delete", "table", "bridge", "cleat")

        def lie_is_believed():
            lie()  # the kernel takes nothing new of one that it heard of less than a second ago
            return neighbour(client, its) == mark

        wait_for("the neighbour believes it", lie_is_believed)
        assert town.ask(client, its, 80, limit=1) is None
    finally:
        os.kill(worker, signal.SIGCONT)
    wait_for("the guard is back", lambda: "table bridge cleat" in nft_of(a, "list", "ruleset"))
    if place == "namespaces":
        assert a.stop() == 0
        assert leftovers(a) == []
