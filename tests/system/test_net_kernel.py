# SPDX-License-Identifier: Apache-2.0
"""The kernel's half of the containers' networks: "cleat net" in network namespaces joined by veth, traffic in every direction."""
import os
import shutil
import signal
import subprocess
import tempfile

import pytest

import netkernel
from appliance import wait_for
from netkernel import APPLIED, APPLY, CHANGED, REPAIRED, Bridge, Container, Port, Worker, World, mac_of
from test_runtime import Place, Running

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root here")

HOST, OUTSIDE = "192.0.2.1", "192.0.2.2"
GATEWAY, A, B = "10.88.0.1", "10.88.0.5", "10.88.0.6"
FRAMES = "bridge/bridge-nf-call-iptables"


@pytest.fixture
def world(request):
    made = World(unprivileged=request.function.__name__.endswith("_unprivileged"))
    yield made
    made.close()


@pytest.fixture
def web(world):
    """One bridge, two containers a and b; a publishes in many forms. Servers say who they are and whom they see."""
    world.work()
    world.bridge, world.a, world.b = Bridge(), Container("va", A, gateway=GATEWAY), Container("vb", B, gateway=GATEWAY)
    world.ports = [
        Port(8000, 80, A), Port(8053, 53, A, udp=True), Port(9000, 90, A, host_address="127.0.0.1"),
        Port(9001, 90, A, host_address=HOST), Port(7000, 70, A, count=3), Port(8000, 80, B, udp=True),
    ]
    world.worker.fine([world.bridge], [world.a, world.b], world.ports)
    for container in (world.a, world.b):
        host = world.start(container)
        for port in (80, 90, 70, 71, 72, 22):
            host.serve("tcp", port, "%s:%d" % (container.link, port))
        for port in (53, 80):
            host.serve("udp", port, "%s:%d" % (container.link, port))
    world.host.serve("tcp", 25328, "host")
    world.host.serve("tcp", 2222, "loopback", "127.0.0.1")
    world.host.serve("tcp", 2223, "gateway", GATEWAY)
    world.outside.serve("tcp", 80, "outside")
    world.outside.serve("udp", 53, "outside")
    return world


@pytest.fixture(params=[0, 1], ids=["plain", "br_netfilter"])
def filtered(request, world):
    """Bridges with and without br_netfilter, which shows to our rules what a bridge passes within itself. It is on in each new network
    namespace, and stays on where there is a bridge of somebody else's."""
    try:
        world.host.sysctl(FRAMES, "1")
    except AssertionError:
        if request.param:
            pytest.skip("the kernel has no br_netfilter")
    if request.param:
        world.host.ip("link", "add", "other0", "type", "bridge")
    return request.param


def every_direction(web, filtered):
    out, host, a, b = web.outside, web.host, web.a.host, web.b.host
    # from outside: the client's address is seen
    assert out.ask("tcp", HOST, 8000) == "va:80 " + OUTSIDE
    assert out.ask("udp", HOST, 8053) == "va:53 " + OUTSIDE
    assert out.ask("udp", HOST, 8000) == "vb:80 " + OUTSIDE
    assert out.ask("tcp", HOST, 9001) == "va:90 " + OUTSIDE
    assert [out.ask("tcp", HOST, 7000 + i) for i in range(3)] == ["va:7%d %s" % (i, OUTSIDE) for i in range(3)]
    assert not out.reaches("tcp", HOST, 9000) and not out.reaches("tcp", HOST, 7003) and not out.reaches("tcp", HOST, 8053)
    # from the appliance itself
    assert host.ask("tcp", "127.0.0.1", 8000) == "va:80 " + GATEWAY
    assert host.ask("tcp", "127.0.0.1", 9000) == "va:90 " + GATEWAY
    assert host.ask("udp", "127.0.0.1", 8053) == "va:53 " + GATEWAY
    assert host.ask("tcp", HOST, 8000) == "va:80 " + HOST
    assert host.ask("tcp", HOST, 9001) == "va:90 " + HOST
    assert host.ask("tcp", GATEWAY, 8000) == "va:80 " + GATEWAY
    assert host.ask("tcp", A, 22) == "va:22 " + GATEWAY
    assert not host.reaches("tcp", HOST, 9000)
    # containers: their neighbours, the world behind the appliance's address
    assert b.ask("tcp", A, 22) == "va:22 " + B
    assert b.ask("udp", A, 53) == "va:53 " + B
    assert a.ask("tcp", OUTSIDE, 80) == "outside " + HOST
    assert a.ask("udp", OUTSIDE, 53) == "outside " + HOST
    # hairpin: by the appliance's addresses to a neighbour and to themselves
    assert b.ask("tcp", HOST, 8000) == "va:80 " + GATEWAY
    assert b.ask("udp", HOST, 8053) == "va:53 " + GATEWAY
    assert b.ask("tcp", GATEWAY, 8000) == "va:80 " + GATEWAY
    assert b.ask("tcp", HOST, 9001) == "va:90 " + GATEWAY
    if filtered:  # set by the worker as soon as it has heard of the link
        wait_for("hairpin", lambda: "hairpin on" in host.run("bridge", "-d", "link", "show", "dev", "va"))
    assert a.ask("tcp", HOST, 8000) == "va:80 " + GATEWAY


def test_every_direction(filtered, web):
    every_direction(web, filtered)
    if filtered:
        assert web.host.sysctl(FRAMES) == "1"
    else:
        assert web.host.run("cat", "/proc/sys/net/" + FRAMES, check=False).strip() != "1"


def test_every_direction_unprivileged(web):
    every_direction(web, False)
    assert web.host.run("cat", "/proc/sys/net/" + FRAMES, check=False).strip() != "1"
    before = web.worker.status("Uid").split()
    assert before == [str(100000 + 65006)] * 4
    web.host.run("nft", "flush", "ruleset")
    web.worker.report(REPAIRED)
    assert web.outside.ask("tcp", HOST, 8000) == "va:80 " + OUTSIDE
    web.worker.clear()
    assert web.host.run("nft", "list", "ruleset") == "" and "cleat" not in web.host.ip("link")


def test_what_is_not_published_is_not_there(web):
    out, host, a = web.outside, web.host, web.a.host
    out.ip("route", "add", "10.88.0.0/16", "via", HOST)  # a neighbour who knows the way
    assert out.ask("tcp", HOST, 25328) == "host " + OUTSIDE
    assert not out.reaches("tcp", A, 22) and not out.reaches("tcp", A, 80)
    assert not out.reaches("tcp", GATEWAY, 2223) and not out.reaches("tcp", GATEWAY, 25328) and not out.reaches("udp", GATEWAY, 8054)
    assert out.ask("tcp", GATEWAY, 8000) == "va:80 " + OUTSIDE and out.ask("udp", GATEWAY, 8053) == "va:53 " + OUTSIDE
    assert host.ask("tcp", GATEWAY, 2223) == "gateway " + GATEWAY
    # containers: the appliance's own services as on any network, but nothing of its loopback
    assert a.ask("tcp", GATEWAY, 25328) == "host " + A
    a.ip("route", "add", "127.0.0.1/32", "via", GATEWAY, "table", "7")
    a.ip("rule", "add", "pref", "0", "to", "127.0.0.1", "lookup", "7")
    a.ip("rule", "add", "pref", "1", "lookup", "local")
    a.ip("rule", "del", "pref", "0", "lookup", "local")
    a.sysctl("ipv4/conf/eth0/route_localnet", "1")
    assert not a.reaches("tcp", "127.0.0.1", 2222)


# Sends a SYN+ACK that belongs to no connection, which conntrack calls invalid, to each, and says who answers; the last one has to.
STRAY = """
import socket, struct, sys
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
raw.settimeout(5)
raw.bind((sys.argv[1], 0))
def summed(data):
    n = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    n = (n >> 16) + (n & 0xffff)
    return ~(n + (n >> 16)) & 0xffff
for word in sys.argv[2:]:
    to, port = word.split(":")
    header = struct.pack("!HHIIBBHHH", 5999, int(port), 7, 7, 0x50, 0x12, 1024, 0, 0)
    pseudo = socket.inet_aton(sys.argv[1]) + socket.inet_aton(to) + struct.pack("!BBH", 0, 6, len(header))
    raw.sendto(header[:16] + struct.pack("!H", summed(pseudo + header)) + header[18:], (to, 0))
last = ""
while last != sys.argv[-1]:
    packet = raw.recv(1000)
    last = "%s:%d" % (socket.inet_ntoa(packet[12:16]), struct.unpack("!H", packet[20:22])[0])
    print(last)
"""


def test_what_belongs_to_no_connection_does_not_pass(web):
    out, host = web.outside, web.host
    out.ip("route", "add", "10.88.0.0/16", "via", HOST)

    def answered():
        return out.run("/usr/bin/python3", "-S", "-c", STRAY, OUTSIDE, GATEWAY + ":2223", GATEWAY + ":25328", HOST + ":25328").split()

    assert answered() == [HOST + ":25328"]
    # in a bridge without its group the containers' packets pass as well, and the neighbours' do not
    host.ip("link", "set", "cleat0", "group", "default")
    assert answered() == [HOST + ":25328"]
    assert web.a.host.ask("tcp", GATEWAY, 25328) == "host " + A and host.ask("tcp", "127.0.0.1", 8000) == "va:80 " + GATEWAY
    # it is the rules that keep them off
    os.kill(web.worker.process.pid, signal.SIGSTOP)
    try:
        host.run("nft", "flush", "chain", "inet", "cleat", "early")
        assert len(answered()) == 3
    finally:
        os.kill(web.worker.process.pid, signal.SIGCONT)


@pytest.fixture
def several(world):
    """cleat0 (isolated), cleat-in (internal), cleat-s1 and cleat-s2 (may talk to each other); a container on each."""
    world.work()
    world.bridges = [
        Bridge(), Bridge("cleat-in", "10.89.0.1", 24, internal=True), Bridge("cleat-s1", "10.89.1.1", 24, isolate=False),
        Bridge("cleat-s2", "10.89.2.1", 24, isolate=False),
    ]
    world.ends = [
        Container("v0", A, gateway=GATEWAY), Container("vin", "10.89.0.5", "cleat-in", 24, gateway="10.89.0.1"),
        Container("vs1", "10.89.1.5", "cleat-s1", 24, gateway="10.89.1.1"), Container("vs2", "10.89.2.5", "cleat-s2", 24, gateway="10.89.2.1"),
    ]
    world.ports = [Port(8000 + i, 80, c.address, c.bridge) for i, c in enumerate(world.ends)]
    world.worker.fine(world.bridges, world.ends, world.ports)
    for container in world.ends:
        world.start(container).serve("tcp", 80, container.link)
    world.outside.serve("tcp", 80, "outside")
    return world


def test_networks_are_isolated(filtered, several):
    zero, internal, s1, s2 = (c.host for c in several.ends)
    assert s1.ask("tcp", "10.89.2.5", 80) == "vs2 10.89.1.5" and s2.ask("tcp", "10.89.1.5", 80) == "vs1 10.89.2.5"
    for host, others in ((zero, ("10.89.0.5", "10.89.1.5", "10.89.2.5")), (s1, (A, "10.89.0.5")), (internal, (A, "10.89.1.5", OUTSIDE))):
        for other in others:
            assert not host.reaches("tcp", other, 80), other
    # by what is published they meet, and see each other's address
    assert zero.ask("tcp", HOST, 8002) == "vs1 " + A
    assert s1.ask("tcp", HOST, 8000) == "v0 10.89.1.5"
    # nothing in or out of an internal network but from the appliance itself
    assert not several.outside.reaches("tcp", HOST, 8001) and not zero.reaches("tcp", HOST, 8001)
    assert not internal.reaches("tcp", HOST, 8000)
    assert several.host.ask("tcp", "127.0.0.1", 8001) == "vin 10.89.0.1"
    assert s1.ask("tcp", OUTSIDE, 80) == "outside " + HOST


def test_the_appliance_does_not_become_a_router(world):
    other = world.add(netkernel.Host())
    netkernel.connect(world.host, "eth1", other, "eth0")
    world.host.ip("address", "add", "198.51.100.1/24", "dev", "eth1")
    world.host.ip("link", "set", "eth1", "up")
    other.ip("address", "add", "198.51.100.2/24", "dev", "eth0")
    other.ip("link", "set", "eth0", "up")
    other.ip("route", "add", "default", "via", "198.51.100.1")
    world.outside.ip("route", "add", "default", "via", HOST)
    other.serve("tcp", 80, "other")
    world.work()
    assert not world.outside.reaches("tcp", "198.51.100.2", 80)
    world.worker.fine([Bridge()])
    assert world.host.sysctl("ipv4/ip_forward") == "1"
    assert not world.outside.reaches("tcp", "198.51.100.2", 80)
    # the next worker knows that it was one of us who switched it on
    assert world.worker.close() == (0, "")
    world.work().fine([Bridge()])
    assert not world.outside.reaches("tcp", "198.51.100.2", 80)
    world.worker.clear()
    assert world.host.sysctl("ipv4/ip_forward") == "0"
    # a machine that forwards by its own will goes on
    world.host.sysctl("ipv4/ip_forward", "1")
    world.worker.fine([Bridge()])
    assert world.outside.ask("tcp", "198.51.100.2", 80) == "other " + OUTSIDE
    world.worker.clear()
    assert world.host.sysctl("ipv4/ip_forward") == "1"


def test_everything_is_gone_after_clear(world):
    before = world.state()
    world.work()
    containers = [Container("va", A, gateway=GATEWAY), Container("vb", "10.89.0.5", "cleat-1", 24)]
    bridges = [Bridge(), Bridge("cleat-1", "10.89.0.1", 24, internal=True, mtu=1400)]
    world.worker.fine(bridges, containers, [Port(8000, 80, A), Port(53, 53, A, udp=True, host_address=HOST)])
    for container in containers:
        world.start(container)
    assert "mtu 1400" in world.host.ip("link", "show", "cleat-1")
    r = world.worker.clear()
    assert r["ok"] == 1
    assert world.state() == before


def test_the_same_twice_changes_nothing(web):
    monitor = subprocess.Popen(["nsenter", "--net=" + web.host.netns, "nft", "monitor"], stdout=subprocess.PIPE, text=True)
    try:
        wait_for("it listens", lambda: is_subscribed(monitor.pid))
        before = web.state()
        web.worker.fine([web.bridge], [web.a, web.b], web.ports)
        web.worker.fine([web.bridge], [web.a, web.b], list(reversed(web.ports)))
        assert web.state() == before
        # a new container changes elements, no rule and no chain
        web.worker.fine([web.bridge], [web.a, web.b, Container("vc", "10.88.0.7")], web.ports + [Port(8100, 80, "10.88.0.7")])
        lines = []
        while not lines or "8100" not in lines[-1]:
            lines.append(monitor.stdout.readline())
            assert lines[-1], lines
        assert all(line.startswith(("add element", "# new generation")) for line in lines), lines
    finally:
        monitor.kill()
        monitor.communicate()


def is_subscribed(pid):
    """Has it a netlink socket that is a member of groups? The kernel names it after the process."""
    with open("/proc/%d/net/netlink" % pid) as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return any(words[2] == str(pid) and int(words[3], 16) for words in rows)


def test_a_flush_under_traffic_is_repaired(web):
    out, worker = web.outside, web.worker
    assert out.order("keep", "long", HOST, 8000) == "va:80 " + OUTSIDE
    rules = web.host.run("nft", "list", "ruleset")
    web.host.run("nft", "flush", "ruleset")
    r = worker.report(REPAIRED)
    assert (r["ok"], r["nat"], r["spoof_guard"], r["text"]) == (1, 1, 1, "put table inet cleat")
    assert sorted(web.host.run("nft", "list", "ruleset").split("\n")) == sorted(rules.split("\n"))
    assert out.order("say", "long", "still there") == "still there"
    assert out.ask("tcp", HOST, 8000) == "va:80 " + OUTSIDE
    # less than everything
    for harm in ("delete rule inet cleat forward handle %s" % handle(web.host, "established"), "flush map inet cleat ports",
                 "delete table bridge cleat", "add rule inet cleat early drop", "add element inet cleat ports { tcp . 99 : 10.88.0.5 . 22 }"):
        web.host.run("nft", *harm.split())
        worker.report(REPAIRED)
        assert sorted(web.host.run("nft", "list", "ruleset").split("\n")) == sorted(rules.split("\n")), harm
    # what others do with tables of their own is their business
    web.host.run("nft", "add", "table", "inet", "other")
    assert worker.quiet()


def handle(host, word):
    for line in host.run("nft", "-a", "list", "chain", "inet", "cleat", "forward").split("\n"):
        if word in line:
            return line.rsplit(" ", 1)[1]
    raise AssertionError(word)


def test_links_are_repaired(web):
    out, worker, host = web.outside, web.worker, web.host
    for harm, text in ((("link", "set", "cleat0", "down"), "up cleat0"), (("address", "del", "10.88.0.1/16", "dev", "cleat0"), "add address cleat0 10.88.0.1/16"),
                       (("link", "set", "va", "nomaster"), "join va cleat0"), (("link", "set", "va", "down"), "up va"),
                       (("address", "add", "10.1.1.1/24", "dev", "cleat0"), "delete address cleat0 10.1.1.1/24"),
                       (("link", "set", "cleat0", "address", "02:00:00:00:00:01"), "set cleat0 mac 0a:58:0a:58:00:01"),
                       (("link", "del", "cleat0"), "add bridge cleat0 mac 0a:58:0a:58:00:01")):
        host.ip(*harm)
        assert worker.report(REPAIRED)["text"] == text
        assert out.ask("tcp", HOST, 8000) == "va:80 " + OUTSIDE, harm


def test_changes_of_the_appliance_are_told(web):
    worker, host = web.worker, web.host
    assert worker.first["default_route"] == 1
    # what was told of the time before may come first
    host.ip("route", "del", "default")
    worker.report(CHANGED, default_route=0)
    host.ip("address", "add", "192.0.2.9/24", "dev", "eth0")
    assert worker.report(CHANGED)["default_route"] == 0
    host.ip("-6", "route", "add", "default", "dev", "eth0")
    worker.report(CHANGED, default_route=1)
    host.ip("link", "set", "eth0", "down")
    worker.report(CHANGED)
    # containers that come and go are no news
    web.start(Container("vc", "10.88.0.7"))
    assert worker.quiet()


def test_a_port_moves_with_its_container(web):
    out, worker = web.outside, web.worker
    # the sender keeps its port, and NAT is decided for the first packet: what is remembered has to be forgotten
    assert out.ask("udp", HOST, 8053, 5555) == "va:53 " + OUTSIDE
    moved = [p for p in web.ports if p.fields[2] != 8053] + [Port(8053, 53, B, udp=True)]
    worker.fine([web.bridge], [web.b], moved)
    assert out.ask("udp", HOST, 8053, 5555) == "vb:53 " + OUTSIDE
    # a port that was not there when the sender began
    web.host.serve("udp", 8055, "host")
    assert out.ask("udp", HOST, 8055, 5557) == "host " + OUTSIDE
    worker.fine([web.bridge], [web.b], moved + [Port(8055, 53, B, udp=True)])
    assert out.ask("udp", HOST, 8055, 5557) == "vb:53 " + OUTSIDE
    # and back
    worker.fine([web.bridge], [web.b], moved)
    assert out.ask("udp", HOST, 8055, 5557) == "host " + OUTSIDE


def test_conflicts_name_both(world):
    world.host.ip("route", "add", "10.88.7.0/24", "via", OUTSIDE)
    world.work()
    other = Bridge("cleat-1", "10.89.0.1", 24)
    r = world.worker.apply([Bridge(), other])
    assert (r["ok"], r["failed"]) == (0, 1)
    assert r["text"] == "cleat0: 10.88.0.0/16 overlaps the route 10.88.7.0/24 of eth0"
    assert "10.89.0.1/24" in world.host.ip("-br", "address", "show", "cleat-1")
    # as soon as the route is gone, without being asked again
    world.host.ip("route", "del", "10.88.7.0/24")
    r = world.worker.report(APPLIED, generation=1)
    assert (r["ok"], r["failed"], r["nat"]) == (1, 0, 1)
    # a route that comes later is not ours to judge
    world.host.ip("route", "add", "10.88.7.0/24", "via", OUTSIDE)
    world.worker.fine([Bridge(), other])
    world.host.ip("route", "del", "10.88.7.0/24")
    r = world.worker.apply([Bridge(), other, Bridge("cleat-2", "10.88.3.1", 24)])
    assert r["text"] == "cleat-2: 10.88.3.0/24 overlaps the subnet 10.88.0.0/16 of cleat0" and r["failed"] == 4
    world.host.ip("link", "add", "cleat-3", "type", "veth", "peer", "name", "x")
    r = world.worker.apply([Bridge(), Bridge("cleat-3", "10.90.0.1", 24)])
    assert r["text"] == "cleat-3: a link of this name is there, and it is no bridge" and r["failed"] == 2


def test_bridges_stay_while_something_hangs_on_them(world):
    worker = world.work()
    c = Container("va", A)
    worker.fine([Bridge()], [c])
    world.start(c)
    worker.fine([Bridge("cleat-1", "10.89.0.1", 24)])
    links = world.host.ip("-br", "link")
    assert "cleat0" in links and "cleat-1" in links and "va" in links
    c.host.ip("link", "del", "eth0")  # what the end of a namespace does
    wait_for("the bridge is gone", lambda: "cleat0" not in world.host.ip("-br", "link"))


def test_the_end_of_the_engine_leaves_everything(web):
    rules = web.state()
    assert web.worker.close() == (0, "")
    assert web.state() == rules
    assert web.outside.ask("tcp", HOST, 8000) == "va:80 " + OUTSIDE
    assert web.outside.order("keep", "long", HOST, 8000)
    web.work()
    assert web.state() == rules
    web.worker.fine([web.bridge], [web.a, web.b], web.ports)
    assert sorted(web.state().split("\n")) == sorted(rules.split("\n"))
    assert web.outside.order("say", "long", "on and on") == "on and on"


def arp(sender_mac, sender, target, operation=1, source=None):
    """A frame: is-at when operation is 2."""
    return (b"\xff" * 6 + (source or sender_mac) + b"\x08\x06\x00\x01\x08\x00\x06\x04" + operation.to_bytes(2, "big") + sender_mac +
            netkernel.socket.inet_aton(sender) + b"\x00" * 6 + netkernel.socket.inet_aton(target)).hex()


def neighbours(host, device):
    return {words[0]: words[2] for words in map(str.split, host.ip("neigh", "show", "dev", device).split("\n")) if len(words) > 2}


def test_a_container_cannot_be_somebody_else(web):
    a, b, host = web.a.host, web.b.host, web.host
    c = Container("vc", "10.88.0.7")
    web.worker.fine([web.bridge], [web.a, web.b, c], web.ports)
    web.start(c)
    assert b.ask("tcp", A, 22) and b.ask("tcp", GATEWAY, 25328) and host.ask("tcp", A, 22) and host.ask("tcp", B, 22)
    for h in (b, host):
        h.sysctl("ipv4/conf/all/arp_accept", "1")
    seen = neighbours(b, "eth0"), neighbours(host, "cleat0")
    assert seen[0][A] == "0a:58:0a:58:00:05" and seen[0][GATEWAY] == "0a:58:0a:58:00:01"
    evil = mac_of("10.88.0.7")
    frames = [arp(evil, victim, target, operation) for victim in (A, GATEWAY) for target in (B, GATEWAY, victim) for operation in (1, 2)]
    frames += [arp(mac_of(A), A, B, 2), arp(evil, A, B, 2, source=mac_of(A)), arp(mac_of(A), "10.88.0.7", B, 2, source=evil)]
    tag = bytes.fromhex(frames[0])
    frames.append((tag[:12] + b"\x81\x00\x00\x00" + tag[12:]).hex())
    ping = b"\xff" * 6 + mac_of(A) + b"\x86\xdd" + b"\x60" + b"\x00" * 60
    frames.append(ping.hex())
    # from its own address, but not as plain IPv4
    own = b"\xff" * 6 + evil + b"\x86\xdd" + b"\x60" + b"\x00" * 11 + netkernel.socket.inet_aton("10.88.0.7") + b"\x00" * 44
    plain = b"\x45" + b"\x00" * 7 + b"\x40\x11" + b"\x00" * 2 + netkernel.socket.inet_aton("10.88.0.7") + b"\xff" * 4 + b"\x00" * 26
    frames += 5 * [own.hex(), (b"\xff" * 6 + evil + b"\x81\x00\x00\x00\x08\x00" + plain).hex()]
    before = packets(b), packets(host, "cleat0")
    c.host.order("frames", "eth0", frames)
    # a frame that is allowed is the sign that those before it have been dealt with
    c.host.order("frames", "eth0", [arp(evil, "10.88.0.7", B), arp(evil, "10.88.0.7", GATEWAY)])
    wait_for("the honest frame has come", lambda: neighbours(b, "eth0").get("10.88.0.7") and neighbours(host, "cleat0").get("10.88.0.7"))
    after = neighbours(b, "eth0"), neighbours(host, "cleat0")
    assert packets(b) - before[0] <= 4 and packets(host, "cleat0") - before[1] <= 4, "forged frames arrived"
    for old, new in zip(seen, after):
        assert {k: v for k, v in new.items() if k != "10.88.0.7"} == old
    # nor with a forged address in IP
    c.host.ip("address", "add", A + "/32", "dev", "lo")
    c.host.run("/usr/bin/python3", "-S", "-c", "import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('%s', 0)); "
               "s.sendto(b'x', ('%s', 53))" % (A, B))
    assert b.order("ask", "tcp", A, 22, 0, 5) == "va:22 " + B
    # the bridge has not learned a forged address either
    assert "0a:58:0a:58:00:05 dev va" in host.run("bridge", "fdb", "show", "br", "cleat0")
    # without the guard all of this works
    os.kill(web.worker.process.pid, signal.SIGSTOP)
    try:
        host.run("nft", "delete", "table", "bridge", "cleat")

        def is_believed():
            c.host.order("frames", "eth0", frames[:12])  # the kernel takes nothing new of one that it heard of less than a second ago
            return neighbours(b, "eth0").get(A) == "0a:58:0a:58:00:07"

        wait_for("the neighbour believes it", is_believed)
    finally:
        os.kill(web.worker.process.pid, signal.SIGCONT)
    web.worker.report(REPAIRED)


def test_a_container_cannot_flood_the_others_with_arp(web):
    a, b = web.a.host, web.b.host
    before = packets(b)
    a.order("frames", "eth0", [arp(mac_of(A), A, "10.88.77.%d" % (i % 250)) for i in range(20000)])
    assert b.ask("tcp", HOST, 8000) == "va:80 " + GATEWAY
    assert 100 <= packets(b) - before < 10000
    # who is not at fault is not limited, and the one who was comes back
    assert b.ask("tcp", A, 22)
    wait_for("it is forgiven", lambda: a.reaches("tcp", B, 22))


def packets(host, device="eth0"):
    out = host.ip("-s", "-o", "link", "show", "dev", device)
    return int(out.split("RX:")[1].split("\\")[1].split()[1])


def test_without_nftables_there_are_bridges(world):
    """A table of our name that belongs to another process stands for a kernel that refuses."""
    owner = subprocess.Popen(["nsenter", "--net=" + world.host.netns, "nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        owner.stdin.write("add table inet cleat { flags owner; }\nadd table bridge cleat { flags owner; }\n")
        owner.stdin.flush()
        wait_for("the tables are there", lambda: "bridge cleat" in world.host.run("nft", "list", "tables"))
        world.work()
        c = Container("va", A, gateway=GATEWAY)
        r = world.worker.apply([Bridge()], [c], [Port(8000, 80, A)])
        assert (r["ok"], r["nat"], r["spoof_guard"], r["failed"]) == (1, 0, 0, 0)
        assert r["text"].startswith("address translation: nftables: ") and r["text"].endswith("Operation not permitted")
        world.start(c).serve("tcp", 80, "va")
        assert world.host.ask("tcp", A, 80) == "va " + GATEWAY
    finally:
        owner.stdin.close()
        owner.wait(60)
    # the owner's end takes its tables along, and ours come
    r = world.worker.report(APPLIED, nat=1)
    assert r["spoof_guard"] == 1
    assert world.outside.ask("tcp", HOST, 8000) == "va " + OUTSIDE


def test_without_sysctls_ports_are_left_to_the_proxy(world):
    """A host's profile that keeps /proc/sys read-only."""
    world.work(wrap=["unshare", "-m", "sh", "-c", 'mount --bind -o ro /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"', "sh"])
    r = world.worker.apply([Bridge()], [Container("va", A)], [Port(8000, 80, A)])
    assert (r["ok"], r["nat"], r["spoof_guard"]) == (1, 0, 1), r
    assert r["text"].endswith("Read-only file system")
    assert "8000" not in world.host.run("nft", "list", "ruleset")


def test_large_requests(world):
    """More than fits into one message, ranges of many ports; from one thousand to another."""
    worker = world.work()
    containers = [Container("v%d" % i, "10.88.%d.%d" % (i // 200 + 1, i % 200 + 1)) for i in range(1000)]
    ports = [Port(1000 + i, 80, c.address) for i, c in enumerate(containers)]
    ports.append(Port(20000, 20000, A, udp=True, count=10001))
    assert len(worker.message(netkernel.APPLY, [Bridge()], containers, ports)) > 65536
    worker.fine([Bridge()], containers, ports)
    elements = world.host.run("nft", "list", "map", "inet", "cleat", "ports")
    assert elements.count("tcp . ") == 1000 and elements.count("udp . ") == 10001
    worker.fine([Bridge()], containers[:500], ports[:500])
    assert world.host.run("nft", "list", "map", "inet", "cleat", "ports").count("tcp . ") == 500
    worker.clear()


def test_the_most_bridges_and_all_of_them_elsewhere(world):
    """The set of their addresses has a size that the kernel knows."""
    worker = world.work()
    for net in (90, 91):
        worker.fine([Bridge("cleat-%d" % i, "10.%d.%d.1" % (net, i), 24) for i in range(64)], [], [])
        assert world.host.run("nft", "list", "set", "inet", "cleat", "gateways").count("10.%d." % net) == 64
    worker.clear()


@pytest.mark.parametrize("data, text", [
    (b"", None),
    (b"\x01\x00", "request: 2 bytes"),
    (netkernel.struct.pack("=HHIIIII", 9, 1, 7, 0, 0, 0, 0), "request: version 9, this program knows 1"),
    (netkernel.struct.pack("=HHIIIII", 1, 3, 7, 0, 0, 0, 0), "request: kind 3"),
    (netkernel.struct.pack("=HHIIIII", 1, 1, 7, 65, 0, 0, 0), "request: 65 entries in 0 bytes"),
    (netkernel.struct.pack("=HHIIIII", 1, 1, 7, 1, 0, 0, 0) + Bridge("eth0").pack(), "request: bridge 0: not a name of ours"),
    (netkernel.struct.pack("=HHIIIII", 1, 1, 7, 1, 0, 0, 0) + Bridge("cleat-../x").pack(), "request: bridge 0: not a name of ours"),
])
def test_wrong_requests_are_refused(world, data, text):
    before = world.state()
    worker = world.work()
    if text is None:
        worker.ours.close()
        assert worker.process.wait(60) == 0
        return
    worker.send(data)
    r = worker.report(APPLIED)
    assert (r["ok"], r["text"]) == (0, text)
    assert world.state() == before
    worker.fine([Bridge()])


class Inside:
    """The machine of an LXC container, as far as Worker asks for one."""

    def __init__(self, container):
        self.pid, self.unprivileged, self.lock = container.init_pid(), True, tempfile.TemporaryFile()


def test_in_a_real_unprivileged_container(boot_lxc):
    """Where /proc/sys is read-only but for net, and everything is another user's."""
    container = boot_lxc({})
    worker = netkernel.Worker(Inside(container), ["nsenter", "-t", str(container.init_pid()), "-r", "-w", "-m", "-p", "-C"], "/usr/bin/cleat")
    try:
        worker.fine([Bridge("cleat-t", "10.99.0.1")], [Container("va", "10.99.0.5", "cleat-t")], [Port(8000, 80, "10.99.0.5", "cleat-t")])
        rules = subprocess.run(["nsenter", "-t", str(container.init_pid()), "-n", "nft", "list", "ruleset"], stdout=subprocess.PIPE, text=True, check=True)
        assert "tcp . 8000 : 10.99.0.5 . 80" in rules.stdout and "table bridge cleat" in rules.stdout
        assert worker.clear()["ok"] == 1
    finally:
        assert worker.close() == (0, "")


def test_a_worker_waits_for_the_end_of_the_one_before_it(world):
    """The bad order: an engine asks for the removal of the last bridge and is replaced at once; its worker has not come to it yet."""
    first = world.work()
    world.stack.callback(first.process.kill)
    first.fine([Bridge()])
    os.kill(first.process.pid, signal.SIGSTOP)
    first.send(first.message(APPLY))
    first.ours.close()
    second = Worker(world.host, early=True)
    world.stack.callback(second.close)
    second.send(second.message(APPLY, [Bridge()]))
    # it goes on: what it does now comes before anything of the second one (which kills it should the test be slow)
    os.kill(first.process.pid, signal.SIGCONT)
    report = second.report(APPLIED, generation=second.generation)
    assert report["ok"] == 1 and first.process.wait(60) in (0, -signal.SIGKILL)
    assert "cleat0" in world.host.ip("-o", "link") and "table inet cleat" in world.host.run("nft", "list", "ruleset")


def test_a_worker_that_does_not_end_is_killed_by_the_next(world):
    first = world.work()
    world.stack.callback(first.process.kill)
    first.fine([Bridge()])
    os.kill(first.process.pid, signal.SIGSTOP)
    first.send(first.message(APPLY))
    second = Worker(world.host, early=True)
    world.stack.callback(second.close)
    second.fine([Bridge()])
    assert first.process.wait(60) == -signal.SIGKILL
    assert "cleat0" in world.host.ip("-o", "link")


def test_it_may_change_the_network_and_nothing_else(world):
    worker = world.work()
    assert worker.status("Uid").split() == ["65006"] * 4 and worker.status("Gid").split() == ["65006"] * 4
    assert worker.status("Groups") == ""
    for field in ("CapPrm", "CapEff", "CapBnd"):
        assert int(worker.status(field), 16) == 1 << 12, field
    for field in ("CapInh", "CapAmb"):
        assert int(worker.status(field), 16) == 0, field
    assert worker.status("NoNewPrivs") == "1" and worker.status("Seccomp") == "2"


def test_wrong_words():
    for words in ([], ["--socket"], ["--socket", "x"], ["--sock", "3"]):
        done = subprocess.run([netkernel.CLEAT, "net"] + words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (2, "") and done.stderr == "usage: cleat net --socket FD --lock FD\n"


# --- the runtime's half: cleat-runtime run with annotations of a network -----------------------------


class NetPlace(Place):
    """Containers whose appliance is a network namespace of the test's."""

    netns = None

    def command(self, bundle, run_id):
        return ["nsenter", "--net=" + self.netns] + super().command(bundle, run_id)


def network(link="v1a2b3c4d5e6f0", name="eth0", address=A, bridge="cleat0", prefix=16, more=" gateway=" + GATEWAY):
    mac = ":".join("%02x" % b for b in mac_of(address))
    return "bridge=%s link=%s name=%s mac=%s address=%s/%d%s" % (bridge, link, name, mac, address, prefix, more)


@pytest.fixture
def runtime(world):
    """Two networks as the worker makes them, and place.out() for containers that are to be on them."""
    directory = tempfile.mkdtemp(prefix="cleat-net-")
    place = NetPlace(directory)
    place.netns = world.host.netns
    place.world = world
    world.work()
    world.bridges = [Bridge(), Bridge("cleat-1", "10.89.0.1", 24)]
    world.ends = [Container("v1a2b3c4d5e6f0", A), Container("v1a2b3c4d5e6f1", "10.89.0.5", "cleat-1", 24)]
    world.worker.fine(world.bridges, world.ends, [Port(8080, 80, A)])
    place.config["annotations"]["org.cleat.network.0"] = network()
    yield place
    shutil.rmtree(directory)


def ends_are_gone(world):
    wait_for("the pairs have gone with their namespaces", lambda: "v1a2b3c4d5e6" not in world.host.ip("-br", "link"))


def test_a_container_has_its_interface(runtime):
    out = runtime.out("ip -o address; ip route; cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu")
    assert "inet 10.88.0.5/16 brd 10.88.255.255 scope global eth0" in out
    assert "default via 10.88.0.1 dev eth0" in out and "0a:58:0a:58:00:05\n1500" in out
    # IPv6 on loopback only
    assert [line.split()[3] for line in out.split("\n") if " inet6 " in line] == ["::1/128"]
    ends_are_gone(runtime.world)


def test_several_interfaces(runtime):
    runtime.config["annotations"]["org.cleat.network.3"] = network("v1a2b3c4d5e6f1", "data", "10.89.0.5", "cleat-1", 24, " gateway=10.89.0.1 mtu=1400")
    out = runtime.out("ip -o -4 address; ip route; cat /sys/class/net/data/mtu")
    assert "10.89.0.5/24" in out and "10.88.0.5/16" in out and out.endswith("1400")
    routes = [line for line in out.split("\n") if line.startswith("default")]
    assert len(routes) == 2 and "10.88.0.1 dev eth0" in routes[0] and "10.89.0.1 dev data" in routes[1]
    ends_are_gone(runtime.world)


def test_anybody_in_it_may_use_port_80_and_is_reached(runtime):
    runtime.config["process"]["user"] = {"uid": 1001, "gid": 1001}
    with Running(runtime, 'exec nc -l -p 80 -e id -u'):
        assert wait_for("it listens", lambda: answer(runtime.world.outside, HOST, 8080)) == "1001\n"
    ends_are_gone(runtime.world)


def answer(host, address, port):
    try:
        return host.ask("tcp", address, port)
    except netkernel.Refused:
        return None


def test_its_own_settings_are_stronger(runtime):
    runtime.config["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "500"}
    assert runtime.out("cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range") == "500\n0\t0"


@pytest.mark.parametrize("change, text", [
    ({"bridge": "cleat-none"}, "network: eth0: bridge cleat-none: No such device"),
    ({"link": "eth0"}, "network: eth0: eth0 on cleat0: refused by the kernel: File exists"),
    ({"bridge": "eth0"}, "network: eth0: v1a2b3c4d5e6f0 on eth0: "),
    ({"more": " gateway=10.89.0.1"}, "org.cleat.network.0: the gateway is not in the address's subnet"),
])
def test_a_start_that_fails_leaves_nothing(runtime, change, text):
    before = runtime.world.state()
    runtime.config["annotations"]["org.cleat.network.0"] = network(**change)
    done = runtime.sh("true")
    assert done.returncode != 0 and text in done.stderr, done.stderr
    ends_are_gone(runtime.world)
    assert runtime.world.state() == before


def test_a_program_that_is_missing_leaves_nothing_either(runtime):
    done = runtime.run("/no/such/program")
    assert done.returncode != 0 and "/no/such/program" in done.stderr
    ends_are_gone(runtime.world)


def test_a_network_needs_a_namespace(runtime):
    runtime.config["linux"]["namespaces"] = [n for n in runtime.config["linux"]["namespaces"] if n["type"] != "network"]
    runtime.config["mounts"] = [m for m in runtime.config["mounts"] if m["destination"] != "/sys"]
    done = runtime.sh("true")
    assert "annotations: org.cleat.network: needs a network namespace" in done.stderr
