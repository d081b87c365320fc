# SPDX-License-Identifier: Apache-2.0
"""What the appliance's own links are tested against: a network namespace for it, another one for those who answer: a DHCP server that says what
the test wants, and a router that advertises itself."""
import json
import os
import subprocess

from appliance import wait_for

# One process in the far namespace. Settings are read anew for each packet; what clients say is appended to the log.
SERVER = r"""
import json, os, socket, struct, sys
settings, log, links = sys.argv[1], sys.argv[2], sys.argv[3:]
KINDS = {1: "discover", 3: "request", 4: "decline", 7: "release"}

def options(data):
    found, at = {}, 240
    while at < len(data) and data[at] != 255:
        if data[at]:
            found[data[at]] = data[at + 2:at + 2 + data[at + 1]]
            at += 1 + data[at + 1]
        at += 1
    return found

def option(code, data):
    return bytes([code, len(data)]) + data if data else b""

def addresses(texts):
    return b"".join(map(socket.inet_aton, texts))

def routes(pairs):
    out = b""
    for to, via in pairs:
        address, length = to.split("/")
        out += bytes([int(length)]) + socket.inet_aton(address)[:(int(length) + 7) // 8] + socket.inet_aton(via)
    return out

def answer(data, said, want, kind):
    head = data[4:8]
    me, you = socket.inet_aton(want["router"]), socket.inet_aton(want["offer"] if kind != 6 else "0.0.0.0")
    packet = b"\x02\x01\x06\0" + head + b"\0\0\0\0" + b"\0" * 4 + you + me + b"\0" * 4 + data[28:44] + b"\0" * 192 + b"\x63\x82\x53\x63"
    packet += option(53, bytes([kind])) + option(54, me)
    if kind != 6:
        packet += option(51, struct.pack("!I", want.get("lease", 3600))) + option(1, socket.inet_aton(want.get("mask", "255.255.255.0")))
        packet += option(3, me) + option(6, addresses(want.get("dns", []))) + option(15, want.get("domain", "").encode())
        packet += option(42, addresses(want.get("ntp", []))) + option(26, struct.pack("!H", want["mtu"]) if "mtu" in want else b"")
        packet += option(121, routes(want.get("routes", [])))
    return packet + b"\xff"

def serve(link):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode() + b"\0")
    s.bind(("", 67))
    return s

def handle(s, link):
    data, peer = s.recvfrom(2048)
    said = options(data)
    kind = KINDS.get(said[53][0], "other")
    with open(settings) as f:
        want = json.load(f).get(link)
    with open(log, "a") as f:
        line = {"link": link, "kind": kind, "hostname": said.get(12, b"").decode(), "asks": socket.inet_ntoa(said[50]) if 50 in said else "",
                "has": socket.inet_ntoa(data[12:16])}
        f.write(json.dumps(line) + "\n")
    if not want or want.get("silent"):
        return
    to = (peer[0], 68) if peer[0] != "0.0.0.0" else ("255.255.255.255", 68)
    if kind == "discover":
        s.sendto(answer(data, said, want, 2), to)
    elif kind == "request":
        asked = line["asks"] or line["has"]
        s.sendto(answer(data, said, want, 5 if asked == want["offer"] else 6), to)

import select
sockets = {serve(link): link for link in links}
print("ready", flush=True)
while True:
    for s in select.select(list(sockets), [], [])[0]:
        handle(s, sockets[s])
"""

# One router advertisement: prefix 2001:db8:1::/64, a name server, a domain.
ADVERTISE = r"""
import socket, struct, sys
link, lifetime = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58)
s.setsockopt(41, 18, 255)
prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xc0, 3600, 3600, 0) + socket.inet_pton(socket.AF_INET6, "2001:db8:1::")
servers = struct.pack("!BBHI", 25, 3, 0, lifetime) + socket.inet_pton(socket.AF_INET6, "2001:db8:1::53")
names = b"\x07example\x03net\0"
names += b"\0" * (-(8 + len(names)) % 8)
search = struct.pack("!BBHI", 31, (8 + len(names)) // 8, 0, lifetime) + names
body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + prefix + servers + search
s.sendto(body, ("ff02::1", 0, 0, socket.if_nametoindex(link)))
"""


class Links:
    """The appliance's namespace is "here"; link NAME here has its other end NAME there. 192.0.2.1 is the server's on eth0."""

    def __init__(self, directory, links=("eth0",)):
        self.settings, self.log = os.path.join(directory, "dhcp.json"), os.path.join(directory, "dhcp.log")
        self.here, self.there = self.hold(), self.hold()
        self.server, self.others = None, []
        self.netns = "/proc/%d/ns/net" % self.here.pid
        open(self.log, "w").close()
        self.answers = {}
        for link in links:
            self.plug(link)

    @staticmethod
    def hold():
        # without waiting whether anybody else has a link-local address
        text = "ip link set lo up; echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad; echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad; echo; exec sleep infinity"
        holder = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sh", "-c", text],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        holder.stdout.readline()
        return holder

    def run(self, holder, *words):
        done = subprocess.run(["nsenter", "-n", "-t", str(holder.pid)] + list(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, (words, done.stdout)
        return done.stdout

    def ip(self, *words):
        """In the appliance's namespace."""
        return self.run(self.here, "ip", *words)

    def far(self, *words):
        return self.run(self.there, *words)

    def plug(self, link, mac=None):
        mac = mac or "0a:58:00:00:00:%02x" % int(link[-1])
        self.ip("link", "add", link, "address", mac, "type", "veth", "peer", "name", link, "netns", str(self.there.pid))
        self.far("ip", "address", "add", "192.0.2.1/24" if link == "eth0" else "198.51.100.1/24", "dev", link)
        self.far("ip", "link", "set", link, "up")

    def serve(self, *links, **answers):
        """Answers by link, as the server takes them; None: it is silent."""
        self.answer(**answers)
        words = ["setpriv", "--pdeathsig", "KILL", "nsenter", "-n", "-t", str(self.there.pid), "/usr/bin/python3", "-c", SERVER, self.settings, self.log]
        self.server = subprocess.Popen(words + list(links or answers), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self.server.stdout.readline() == "ready\n"

    def start(self, words, out):
        """A server of its own there, which ends with the world."""
        self.others.append(subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "nsenter", "-n", "-t", str(self.there.pid)] + words,
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out))

    def answer(self, **answers):
        self.answers.update(answers)
        with open(self.settings + ".new", "w") as f:
            json.dump(self.answers, f)
        os.rename(self.settings + ".new", self.settings)

    def heard(self, link="eth0"):
        """What clients said on a link."""
        with open(self.log) as f:
            lines = [json.loads(line) for line in f]
        return [line for line in lines if line["link"] == link]

    def advertise(self, link="eth0", lifetime=600):
        self.far("/usr/bin/python3", "-c", ADVERTISE, link, str(lifetime))

    def addresses(self, link="eth0", family=4):
        """Global ones."""
        found = json.loads(self.ip("-j", "-%d" % family, "address", "show", "dev", link, "scope", "global"))
        return {"%s/%d" % (a["local"], a["prefixlen"]) for entry in found if entry for a in entry["addr_info"] if a}

    def routes(self, link="eth0", family=4):
        """Destination -> gateway of what is no kernel's own."""
        found = json.loads(self.ip("-j", "-%d" % family, "route", "show", "dev", link))
        return {r["dst"]: r.get("gateway") for r in found if r.get("protocol") != "kernel"}

    def wait_addresses(self, wanted, link="eth0", family=4):
        wait_for("%s has %s" % (link, wanted), lambda: self.addresses(link, family) == set(wanted))

    def close(self):
        for process in [self.server, self.here, self.there] + self.others:
            if process:
                process.kill()
                process.wait(10)
                if process.stdout:
                    process.stdout.close()
