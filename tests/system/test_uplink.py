# SPDX-License-Identifier: Apache-2.0
"""The appliance's own network: leases, static addresses, what Proxmox writes, router advertisements; links that come, go and are the host's."""
import os
import signal
import subprocess

import pytest

from appliance import wait_for
from uplinkworld import Links

LEASE = {"offer": "192.0.2.7", "router": "192.0.2.1", "dns": ["192.0.2.53", "192.0.2.54"], "domain": "example.org", "ntp": ["192.0.2.123"]}
OTHER = {"offer": "198.51.100.9", "router": "198.51.100.1", "dns": ["198.51.100.53"]}


@pytest.fixture
def world(tmp_path):
    made = []

    def make(*args):
        made.append(Links(str(tmp_path), *args))
        return made[-1]

    yield make
    for links in made:
        links.close()


def appliance(boot, w, ini="", **keywords):
    a = boot(images=(), start=False, netns=w.netns, **keywords)
    if ini:
        write_ini(a, ini)
    return a.start()


def write_ini(a, text):
    with open(os.path.join(a.config, "appliance.ini"), "w") as f:
        f.write(text)


def path(a, name):
    return "/proc/%d/root%s" % (a.init_pid(), name)


def read(a, name):
    with open(path(a, name)) as f:
        return f.read()


def network(a):
    return a.status()["network"]


def link(a, name="eth0"):
    for found in network(a)["links"]:
        if found["name"] == name:
            return found
    return {}


def notes(a):
    return [note["text"] for note in a.status()["notes"] if note["text"].startswith("links:")]


def pid_of(a, program, *words):
    """Of the process of the appliance whose command line begins with these words; 0 when there is none, or one is just being replaced."""
    words, found = list(words), []
    for pid in a.processes(program):
        try:
            with open("/proc/%d/cmdline" % pid) as f:
                if f.read().split("\0")[:len(words)] == words:
                    found.append(pid)
        except OSError:
            continue
    return found[0] if len(found) == 1 else 0


def worker(a):
    return pid_of(a, "cleat", "cleat", "uplink")


def client(a):
    return pid_of(a, "busybox", "udhcpc")


def the(find, a):
    """The pid that find() gives, once there is one: 0 would be this process and all of its group."""
    return wait_for("a process", lambda: find(a))


def kinds(w, name="eth0"):
    """What clients said, without what they said again because the answer took long."""
    said = [said["kind"] for said in w.heard(name)]
    return [kind for i, kind in enumerate(said) if i == 0 or kind != said[i - 1]]


def test_a_lease_is_applied_shown_renewed_and_taken_back(boot, world):
    w = world()
    w.serve(eth0=dict(LEASE, mtu=1400, routes=[["203.0.113.0/24", "192.0.2.2"], ["0.0.0.0/0", "192.0.2.1"]]))
    a = appliance(boot, w)
    w.wait_addresses(["192.0.2.7/24"])
    wait_for("online", lambda: network(a)["online"])
    shown = link(a)
    assert (shown["state"], shown["method"], shown["gateways"], shown["mtu"]) == ("up", "dhcp", ["192.0.2.1"], 1400)
    assert "192.0.2.7/24" in shown["addresses"] and shown["lease_until"]
    assert network(a)["dns"] == ["192.0.2.53", "192.0.2.54"] and network(a)["search"] == ["example.org"]
    assert w.routes() == {"default": "192.0.2.1", "203.0.113.0/24": "192.0.2.2"}
    assert read(a, "/etc/resolv.conf") == "# cleat\nsearch example.org\nnameserver 192.0.2.53\nnameserver 192.0.2.54\n"
    assert read(a, "/run/cleat/links/ntp") == "192.0.2.123\n"
    assert "127.0.1.1\tcleat\t# cleat\n" in read(a, "/etc/hosts")
    assert kinds(w) == ["discover", "request"] and {said["hostname"] for said in w.heard()} == {"cleat"}
    assert not notes(a)

    # the client has two capabilities of the network and a user of its own
    with open("/proc/%d/status" % the(client, a)) as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    assert status["Uid"].split() == ["65011"] * 4 and int(status["CapEff"], 16) == 1 << 13 | 1 << 10 and status["Seccomp"] == "2"
    with open("/proc/%d/status" % the(worker, a)) as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    assert int(status["CapPrm"], 16) == 1 << 12 and status["Seccomp"] == "2" and status["NoNewPrivs"] == "1"

    # a renewal that says something else
    w.answer(eth0=dict(LEASE, dns=["192.0.2.99"]))
    os.kill(the(client, a), signal.SIGUSR1)
    wait_for("the renewed lease", lambda: network(a)["dns"] == ["192.0.2.99"])
    wait_for("its routes and MTU", lambda: w.routes() == {"default": "192.0.2.1"} and link(a)["mtu"] == 1500)
    assert w.addresses() == {"192.0.2.7/24"} and kinds(w) == ["discover", "request"] and len(w.heard()) > 2

    # the server wants another address to be used
    w.answer(eth0=dict(LEASE, offer="192.0.2.8"))
    os.kill(the(client, a), signal.SIGUSR1)
    w.wait_addresses(["192.0.2.8/24"])
    wait_for("the way out again", lambda: w.routes() == {"default": "192.0.2.1"} and network(a)["online"])

    # an address that somebody takes away comes back
    w.ip("address", "del", "192.0.2.8/24", "dev", "eth0")
    w.wait_addresses(["192.0.2.8/24"])
    wait_for("the way out again", lambda: w.routes() == {"default": "192.0.2.1"})


def test_nothing_is_taken_away_when_processes_are_replaced(boot, world):
    w = world()
    w.serve(eth0=LEASE)
    a = appliance(boot, w)
    w.wait_addresses(["192.0.2.7/24"])
    wait_for("online", lambda: network(a)["online"])
    changes = subprocess.Popen(["nsenter", "-n", "-t", str(w.here.pid), "ip", "-4", "monitor", "address", "route"], stdout=subprocess.PIPE, text=True)
    try:
        first, its_client, engine = the(worker, a), the(client, a), a.engine_pid()
        os.kill(first, signal.SIGKILL)
        wait_for("another worker", lambda: worker(a) not in (0, first))
        second = the(worker, a)
        a.cleat("reload")
        a.add_unit("other", "[Container]\nImage=localhost/none\n")
        a.cleat("reload")
        wait_for("the worker of the engine that was reloaded", lambda: worker(a) not in (0, second) and link(a).get("method") == "dhcp")
        third = the(worker, a)
        os.kill(engine, signal.SIGKILL)
        wait_for("another engine", lambda: a.engine_pid() not in (0, engine) and a.ping())
        wait_for("its worker", lambda: worker(a) not in (0, third) and link(a).get("method") == "dhcp" and network(a)["online"])
        assert the(client, a) == its_client and kinds(w) == ["discover", "request"]

        # the client alone: another one asks for the address that is there
        before, said = read(a, "/run/cleat/links/own"), len(w.heard())
        os.kill(its_client, signal.SIGKILL)
        wait_for("another client", lambda: client(a) not in (0, its_client))
        wait_for("it has asked", lambda: kinds(w) == ["discover", "request"] * 2)
        assert {line["asks"] for line in w.heard()[said:]} == {"192.0.2.7"}
        wait_for("its lease is in force", lambda: read(a, "/run/cleat/links/own") != before)

        # a server that has gone takes nothing away before the lease is over
        w.answer(eth0=None)
        said = len(w.heard())
        os.kill(the(client, a), signal.SIGUSR1)
        wait_for("the renewal is not answered", lambda: len(w.heard()) > said)
        assert w.addresses() == {"192.0.2.7/24"} and w.routes() == {"default": "192.0.2.1"}
    finally:
        changes.kill()
        said = changes.communicate()[0]
    assert "Deleted" not in said, said


def test_what_the_host_has_set_is_left_alone(boot, world):
    w = world(("eth0", "eth1"))
    w.serve(eth0=LEASE, eth1=None)
    w.ip("address", "add", "192.0.2.77/24", "dev", "eth0")
    a = appliance(boot, w)
    wait_for("both are up", lambda: [entry.get("state") for entry in network(a)["links"]] == ["up", "up"])
    wait_for("eth1 is asked about", lambda: kinds(w, "eth1"))
    assert (link(a)["method"], link(a, "eth1")["method"]) == ("host", "dhcp")
    assert w.addresses() == {"192.0.2.77/24"} and not w.heard() and w.routes() == {}
    assert not network(a)["online"]
    # the host's way out, and a name server in what stands in resolv.conf
    w.ip("route", "add", "default", "via", "192.0.2.1")
    with open(path(a, "/etc/resolv.conf"), "a") as f:
        f.write("nameserver 192.0.2.53\n")
    wait_for("online", lambda: network(a)["online"])
    # a link of which the host takes everything away is nobody's
    w.ip("address", "flush", "dev", "eth0")
    w.wait_addresses(["192.0.2.7/24"])
    assert link(a)["method"] == "dhcp"


def test_links_of_appliance_ini_and_links_that_come_and_go(boot, world):
    w = world()
    w.serve("eth0", eth0=LEASE)
    a = appliance(boot, w, "[Network]\nDNS=192.0.2.99\nSearch=lan.example\n"
                           "[Link eth0]\nAddress=192.0.2.50/24 2001:db8::50/64\nGateway=192.0.2.1 2001:db8::1\nMTU=1450\n"
                           "[Link 0A:58:00:00:00:01]\nAddress=198.51.100.5/32\nGateway=198.51.100.1\n"
                           "[Link eth2]\nMethod=off\n")
    w.wait_addresses(["192.0.2.50/24"])
    w.wait_addresses(["2001:db8::50/64"], family=6)
    wait_for("routes", lambda: w.routes() == {"default": "192.0.2.1"} and w.routes(family=6).get("default") == "2001:db8::1")
    wait_for("it is shown", lambda: link(a)["mtu"] == 1450 and link(a)["method"] == "static")
    assert read(a, "/etc/resolv.conf") == "# cleat\nsearch lan.example\nnameserver 192.0.2.99\n"
    assert not w.heard()

    # by its MAC address; a gateway in no network of the link
    w.plug("eth1")
    w.wait_addresses(["198.51.100.5/32"], "eth1")
    wait_for("its way out", lambda: w.routes("eth1") == {"default": "198.51.100.1"})
    w.plug("eth2")
    w.plug("eth3")
    wait_for("all are shown", lambda: {e["name"]: e["method"] for e in network(a)["links"]}
             == {"eth0": "static", "eth1": "static", "eth2": "off", "eth3": "dhcp"})
    assert link(a, "eth2")["state"] == "down"
    w.ip("link", "del", "eth1")
    wait_for("eth1 is gone", lambda: not link(a, "eth1"))
    w.far("ip", "link", "set", "eth3", "down")
    wait_for("no carrier, no client", lambda: link(a, "eth3")["state"] == "no-carrier" and not client(a))

    # another configuration is taken up as it is written
    write_ini(a, "[Link eth0]\nAddress=192.0.2.51/24\n[Link eth3]\nMethod=off\n")
    w.wait_addresses(["192.0.2.51/24"])
    wait_for("what is no longer written is gone", lambda: w.addresses(family=6) == set() and w.routes() == {} and link(a)["mtu"] == 1500)
    write_ini(a, "[Link eth0]\nMethod=dhcp\n")
    w.wait_addresses(["192.0.2.7/24"])
    assert not notes(a)


PROXMOX = """auto lo
iface lo inet loopback

auto eth0
iface eth0 inet static
\taddress 10.0.0.100/32
# --- BEGIN PVE ---
\tpost-up ip route add 192.0.2.1 dev eth0
\tpost-up ip route add default via 192.0.2.1 dev eth0
\tpre-down ip route del default via 192.0.2.1 dev eth0
\tpre-down ip route del 192.0.2.1 dev eth0
# --- END PVE ---
\tpost-up touch /run/executed

iface eth0 inet6 manual

auto eth1
iface eth1 inet static
\taddress 198.51.100.5
\tnetmask 255.255.255.0
"""
RESOLV = "# --- BEGIN PVE ---\nsearch pve.example\nnameserver 192.0.2.200\n# --- END PVE ---\n"
HOSTS = "127.0.0.1 localhost.localnet localhost\n::1 localhost.localnet localhost\n# --- BEGIN PVE ---\n10.0.0.100 cleat.example cleat\n# --- END PVE ---\n"


def test_what_proxmox_writes_is_done_and_its_files_stay(boot, world):
    w = world(("eth0", "eth1"))
    w.serve(eth0=LEASE, eth1=OTHER)
    a = appliance(boot, w)
    w.wait_addresses(["192.0.2.7/24"])
    w.wait_addresses(["198.51.100.9/24"], "eth1")
    wait_for("two ways out", lambda: w.routes() == {"default": "192.0.2.1"} and w.routes("eth1") == {"default": "198.51.100.1"})
    for name, text in (("/etc/resolv.conf", RESOLV), ("/etc/hosts", HOSTS)):
        with open(path(a, name), "w") as f:
            f.write(text)
    os.makedirs(path(a, "/etc/network"), exist_ok=True)
    with open(path(a, "/etc/network/interfaces.new"), "w") as f:
        f.write(PROXMOX)
    os.rename(path(a, "/etc/network/interfaces.new"), path(a, "/etc/network/interfaces"))
    w.wait_addresses(["10.0.0.100/32"])
    w.wait_addresses(["198.51.100.5/24"], "eth1")
    wait_for("routes", lambda: w.routes() == {"default": "192.0.2.1", "192.0.2.1": None} and w.routes("eth1") == {})
    wait_for("no client", lambda: not client(a))
    wait_for("shown", lambda: network(a)["dns"] == ["192.0.2.200"] and network(a)["online"] and link(a)["method"] == "static")
    assert notes(a) == ["links: /etc/network/interfaces:13: ignored: post-up touch /run/executed"]
    assert not os.path.exists(path(a, "/run/executed"))
    assert read(a, "/etc/resolv.conf") == RESOLV and read(a, "/etc/hosts") == HOSTS


def test_router_advertisements_bring_addresses_and_name_servers(boot, world):
    w = world()
    a = appliance(boot, w, "[Link eth0]\nMethod=auto\n")
    wait_for("the link can hear", lambda: link(a).get("state") == "up" and any(x.startswith("fe80:") for x in link(a)["addresses"]))
    w.advertise()
    w.wait_addresses(["2001:db8:1:0:858:ff:fe00:0/64"], family=6)
    wait_for("online", lambda: network(a)["online"])
    assert network(a)["dns"] == ["2001:db8:1::53"] and network(a)["search"] == ["example.net"]
    assert link(a)["method"] == "auto"
    assert a.inside("cat", "/proc/sys/net/ipv6/conf/eth0/accept_ra") == "2\n"
    # known to the next worker, which has not heard it
    first = the(worker, a)
    os.kill(first, signal.SIGKILL)
    wait_for("another worker", lambda: worker(a) not in (0, first))
    assert network(a)["dns"] == ["2001:db8:1::53"]
    # taken back, and said more than once as routers do (RFC 4861, 6.2.5): the new worker may not listen yet

    def gone():
        assert worker(a) != first
        w.advertise(lifetime=0)
        return network(a)["dns"] == [] and not network(a)["online"]

    wait_for("no name server", gone)
    assert w.addresses(family=6)


def test_an_image_is_asked_for_again_when_the_network_has_come(boot, world):
    w = world()
    w.ip("address", "add", "192.0.2.77/24", "dev", "eth0")
    a = appliance(boot, w, units={"web": "[Container]\nImage=192.0.2.1:5000/none:1\nRetry=0\n[Install]\nWantedBy=default.target\n"})
    wait_for("the worker", lambda: link(a).get("method") == "host")
    with open(path(a, "/etc/resolv.conf"), "a") as f:
        f.write("nameserver 192.0.2.53\n")

    def comes():
        # in the middle of a try of its own it needs no word: then once more
        a.wait_unit("systemd-web", state="backoff")
        w.ip("route", "add", "default", "via", "192.0.2.1")
        wait_for("online", lambda: network(a)["online"])
        a.wait_unit("systemd-web", state="backoff")
        w.ip("route", "del", "default")
        wait_for("offline", lambda: not network(a)["online"])
        return "the network has come" in a.cleat("explain", "--history", "web.container")

    wait_for("the network is the reason for a try", comes)


def test_a_resolv_conf_that_is_mounted_stays(boot, world, tmp_path):
    w = world()
    w.serve(eth0=LEASE)
    a = appliance(boot, w, "[Link eth0]\nMethod=off\n")
    own = tmp_path / "resolv.conf"
    own.write_text("nameserver 192.0.2.222\n")
    wait_for("the worker", lambda: link(a).get("method") == "off")
    a.inside("/bin/busybox", "mount", "--bind", "/run/cleat/links/state", "/etc/resolv.conf")
    write_ini(a, "[Network]\nDNS=192.0.2.1\n")
    w.wait_addresses(["192.0.2.7/24"])
    wait_for("said", lambda: notes(a) == ["links: /etc/resolv.conf is the host's: DNS= and Search= are not used"])
    assert "# cleat" not in read(a, "/etc/resolv.conf")


def test_without_links_there_is_nothing_to_do_and_nothing_to_say(boot, world):
    w = world(())
    a = appliance(boot, w)
    wait_for("the worker has looked", lambda: os.path.exists(path(a, "/run/cleat/links/state")))
    assert read(a, "/run/cleat/links/state") == "online: no\n"
    assert network(a) == {"online": False, "dns": [], "search": [], "links": []}
    assert not notes(a) and not client(a) and " links: " not in a.console()


DNSMASQ6 = ["dnsmasq", "--keep-in-foreground", "--no-daemon", "--conf-file=/dev/null", "--interface=eth0", "--bind-interfaces", "--port=0", "--pid-file=",
            "--enable-ra", "--dhcp-range=2001:db8:6::100,2001:db8:6::1ff,64,1h", "--dhcp-option=option6:dns-server,[2001:db8:6::53]",
            "--dhcp-option=option6:domain-search,six.example", "--log-dhcp"]


def test_an_address_by_dhcp6_is_kept_over_renewals_restarts_and_reloads(boot, world, tmp_path):
    w = world()
    w.far("ip", "address", "add", "2001:db8:6::1/64", "dev", "eth0", "nodad")
    log = tmp_path / "dnsmasq.log"
    with open(log, "w") as out:
        w.start(DNSMASQ6 + ["--dhcp-leasefile=%s" % (tmp_path / "leases")], out)
    a = appliance(boot, w, "[Link eth0]\nMethod=auto\nDHCPv6=yes\n")

    def heard(kind):
        return log.read_text().count(kind + "(eth0)")

    def leased():
        return {x for x in w.addresses(family=6) if x.endswith("/128")}

    def client6():
        return pid_of(a, "cleat", "cleat", "dhcp6", "--link", "eth0")

    def the_client6():
        return wait_for("a client", client6)

    wait_for("an address and a way out", lambda: leased() and w.routes(family=6).get("default") and network(a)["online"])
    address, = leased()
    assert address.startswith("2001:db8:6::1")
    wait_for("it is shown", lambda: address in link(a)["addresses"] and link(a)["lease_until"])
    assert (link(a)["method"], network(a)["dns"], network(a)["search"]) == ("dhcp", ["2001:db8:6::53"], ["six.example"])
    assert not notes(a)
    with open("/proc/%d/status" % the_client6()) as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    assert status["Uid"].split() == ["65011"] * 4 and int(status["CapPrm"], 16) == 0 and status["Seccomp"] == "2" and status["NoNewPrivs"] == "1"

    before = read(a, "/run/cleat/links/own")
    os.kill(the_client6(), signal.SIGUSR1)
    wait_for("it is renewed", lambda: heard("DHCPRENEW") and read(a, "/run/cleat/links/own") != before)
    assert leased() == {address}

    # another client is the same client to the server; another engine keeps the one that there is
    first, before, asked = the_client6(), read(a, "/run/cleat/links/own"), heard("DHCPREQUEST")
    os.kill(first, signal.SIGKILL)
    wait_for("another client", lambda: client6() not in (0, first) and heard("DHCPREQUEST") > asked and read(a, "/run/cleat/links/own") != before)
    second, engine, asked = the_client6(), a.engine_pid(), heard("DHCPSOLICIT")
    os.kill(engine, signal.SIGKILL)
    wait_for("another engine", lambda: a.ping() and a.engine_pid() != engine and link(a).get("lease_until"))
    assert the_client6() == second and leased() == {address} and heard("DHCPSOLICIT") == asked

    # as Proxmox writes it, and no longer wanted
    with open(path(a, "/etc/network/interfaces"), "w") as f:
        f.write("auto eth0\niface eth0 inet manual\niface eth0 inet6 dhcp\n\tup touch /run/seen\n")
    write_ini(a, "")
    wait_for("it has been read", lambda: notes(a) == ["links: /etc/network/interfaces:4: ignored: up touch /run/seen"])
    wait_for("it is done", lambda: leased() == {address} and client6() and link(a).get("method") == "dhcp" and not client(a))
    write_ini(a, "[Link eth0]\nMethod=auto\n")
    wait_for("neither client nor address", lambda: not client6() and not leased())
    wait_for("the router's word is named", lambda: [n for n in notes(a) if "the router tells of DHCPv6" in n])


def test_dhcp_in_an_lxc_container(boot_lxc):
    a = boot_lxc(extra=("lxc.net.0.ipv4.address =", "lxc.net.0.ipv4.gateway ="), images=(), start=False)
    words = ["dnsmasq", "--keep-in-foreground", "--no-daemon", "--conf-file=/dev/null", "--interface=br0", "--bind-interfaces", "--port=0",
             "--dhcp-range=10.77.0.50,10.77.0.60,1h", "--dhcp-option=option:dns-server,10.77.0.1", "--dhcp-leasefile=" + os.path.join(a.base, "leases"),
             "--pid-file="]
    server = subprocess.Popen(a.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        a.start()
        wait_for("online", lambda: network(a)["online"])
        shown = link(a)
        assert shown["method"] == "dhcp" and shown["gateways"] == ["10.77.0.1"] and shown["addresses"][0].startswith("10.77.0.")
        assert network(a)["dns"] == ["10.77.0.1"] and not notes(a)
        assert "10.77.0.1" in a.shell("ip route")
    finally:
        server.kill()
        server.wait(60)
