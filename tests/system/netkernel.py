# SPDX-License-Identifier: Apache-2.0
"""Network namespaces joined by veth, servers and clients in them, and "cleat net" told what is wanted: what test_net_kernel.py stands on.

    outside (192.0.2.2) --- host (192.0.2.1; the bridges) --- containers
"""
import contextlib
import ctypes
import json
import os
import select
import socket
import struct
import subprocess
import tempfile

from appliance import CLEAT, wait_for

APPLY, CLEAR = 1, 2
APPLIED, REPAIRED, CHANGED = 1, 2, 3
REPORT = struct.Struct("=HHIIIIII480s4xQ")
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def setns(path):
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), path)
    os.close(fd)


# Runs in each namespace: opens and uses sockets on order, a JSON line each. Blocking calls have a bound of their own.
AGENT = r"""
import ctypes, json, socket, sys, threading
kinds = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
names = {}
def accept(s, say):
    while True:
        c, peer = s.accept()
        c.sendall((say + " " + peer[0]).encode())
        threading.Thread(target=stay, args=(c,), daemon=True).start()
def stay(c):
    try:
        while True:
            data = c.recv(65536)
            if not data: break
            c.sendall(data)
    except OSError: pass
    c.close()
def answer(s, say):
    while True:
        data, peer = s.recvfrom(65536)
        s.sendto((say + " " + peer[0]).encode(), peer)
def serve(kind, host, port, say):
    s = socket.socket(socket.AF_INET, kinds[kind])
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, port))
    if kind == "tcp": s.listen(64)
    threading.Thread(target=accept if kind == "tcp" else answer, args=(s, say), daemon=True).start()
def ask(kind, host, port, source=0, wait=5.0):
    with socket.socket(socket.AF_INET, kinds[kind]) as s:
        s.settimeout(wait)
        if source: s.bind(("", source))
        s.connect((host, port))
        if kind == "udp": s.send(b"who")
        return s.recv(1000).decode()
def keep(name, host, port):
    s = socket.create_connection((host, port), 20)
    names[name] = s
    return s.recv(1000).decode()
def say(name, text):
    s = names[name]
    s.settimeout(60)
    s.sendall(text.encode())
    return s.recv(1000).decode()
def frames(interface, texts):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((interface, 0))
        for text in texts: s.send(bytes.fromhex(text))
do = {"serve": serve, "ask": ask, "keep": keep, "say": say, "frames": frames}
print("ready", flush=True)
for line in sys.stdin:
    verb, args = json.loads(line)
    try: out = {"value": do[verb](*args)}
    except OSError as e: out = {"error": type(e).__name__, "text": str(e)}
    print(json.dumps(out), flush=True)
"""


class Refused(Exception):
    """The other end could not be reached."""


class Host:
    """A network namespace with an agent in it; it ends with its process."""

    def __init__(self, unprivileged=False):
        self.process = subprocess.Popen(["unshare", "-Un" if unprivileged else "-n", "/usr/bin/python3", "-S", "-c", AGENT],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        self.unprivileged = unprivileged
        if unprivileged:
            for name in ("uid_map", "gid_map"):
                with open("/proc/%d/%s" % (self.pid, name), "w") as f:
                    f.write("0 100000 65536\n")
        self.netns = "/proc/%d/ns/net" % self.process.pid
        self.lock = tempfile.TemporaryFile()  # of its workers
        self.ip("link", "set", "lo", "up")

    @property
    def pid(self):
        return self.process.pid

    def run(self, *words, check=True):
        done = subprocess.run(["nsenter", "--net=" + self.netns] + list(words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=60)
        if check and done.returncode:
            raise AssertionError("%s: %s" % (" ".join(words), done.stdout))
        return done.stdout

    def ip(self, *words, **more):
        return self.run("ip", *words, **more)

    def sysctl(self, path, value=None):
        if value is None:
            return self.run("cat", "/proc/sys/net/" + path).strip()
        return self.run("sh", "-c", "echo %s >/proc/sys/net/%s" % (value, path))

    def order(self, verb, *args):
        self.process.stdin.write(json.dumps([verb, args]) + "\n")
        self.process.stdin.flush()
        out = json.loads(self.process.stdout.readline())
        if "error" in out:
            raise Refused("%(error)s: %(text)s" % out)
        return out["value"]

    def serve(self, kind, port, say, host="0.0.0.0"):
        self.order("serve", kind, host, port, say)

    def ask(self, kind, host, port, source=0, wait=5.0):
        return self.order("ask", kind, host, port, source, wait)

    def reaches(self, kind, host, port):
        """A refusal that is silence takes its time, so little is waited for."""
        try:
            self.ask(kind, host, port, 0, 0.3)
            return True
        except Refused:
            return False

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()
        self.lock.close()


def connect(left, left_name, right, right_name):
    left.ip("link", "add", left_name, "type", "veth", "peer", "name", right_name, "netns", str(right.pid))


def mac_of(address):
    return bytes([0x0a, 0x58]) + socket.inet_aton(address)


class Bridge:
    def __init__(self, name="cleat0", address="10.88.0.1", prefix=16, internal=False, isolate=True, mtu=0):
        self.name, self.address, self.prefix, self.mtu = name, address, prefix, mtu
        self.internal, self.isolate = internal, isolate

    def pack(self):
        return struct.pack("=16s4sBBBxI", self.name.encode(), socket.inet_aton(self.address), self.prefix, self.internal,
                           self.isolate, self.mtu)


class Port:
    def __init__(self, host_port, port, address, bridge="cleat0", host_address="0.0.0.0", udp=False, count=1):
        self.fields = (udp, socket.inet_aton(host_address), host_port, port, count, socket.inet_aton(address), bridge.encode())

    def pack(self):
        return struct.pack("=B3x4sHHH2x4s16s", *self.fields)


class Container:
    """What the runtime makes, made by ip(8): a namespace with an end on the bridge."""

    def __init__(self, link, address, bridge="cleat0", prefix=16, gateway=None):
        self.link, self.address, self.bridge, self.prefix, self.gateway = link, address, bridge, prefix, gateway
        self.host = None

    def start(self, host):
        self.host = Host()
        h = self.host
        mac = ":".join("%02x" % b for b in mac_of(self.address))
        # at once, as the runtime does it: an end that hangs on nothing would be repaired
        host.ip("link", "add", self.link, "up", "master", self.bridge, "type", "veth", "peer", "name", "eth0", "address", mac, "netns", str(h.pid))
        h.sysctl("ipv6/conf/all/disable_ipv6", "1")
        h.ip("address", "add", "%s/%d" % (self.address, self.prefix), "dev", "eth0")
        h.ip("link", "set", "eth0", "up")
        if self.gateway:
            h.ip("route", "add", "default", "via", self.gateway)
        return h

    def pack(self):
        return struct.pack("=16s16s6s2x4s", self.link.encode(), self.bridge.encode(), mac_of(self.address),
                           socket.inet_aton(self.address))


class Worker:
    """cleat net in a namespace."""

    def __init__(self, host, wrap=(), program=CLEAT, early=False):
        """early: another one works there yet; this one says nothing before that has ended."""
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fd, lock = theirs.fileno(), host.lock.fileno()
        enter = ["nsenter", "-t", str(host.pid), "-n"] + (["-U"] if host.unprivileged else [])
        self.process = subprocess.Popen(enter + list(wrap) + [program, "net", "--socket", str(fd), "--lock", str(lock)],
                                        pass_fds=[fd, lock], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        theirs.close()
        self.generation = 0
        self.first = None if early else self.report(CHANGED)

    def message(self, kind, bridges=(), containers=(), ports=()):
        self.generation += 1
        data = struct.pack("=HHIIIII", 1, kind, self.generation, len(bridges), len(containers), len(ports), 0)
        return data + b"".join(x.pack() for x in list(bridges) + list(containers) + list(ports))

    def send(self, data):
        if len(data) <= 65536:
            self.ours.send(data)
            return
        fd = os.memfd_create("request")
        os.write(fd, data)
        socket.send_fds(self.ours, [data[:24]], [fd])
        os.close(fd)

    def next(self, seconds=60):
        ready, _, _ = select.select([self.ours], [], [], seconds)
        assert ready, "no report: " + ("" if self.process.poll() is None else self.process.stderr.read())
        data = self.ours.recv(4096)
        assert data, "the worker has ended: " + self.process.stderr.read()
        keys = ("version", "length", "kind", "generation", "ok", "nat", "spoof_guard", "default_route", "text", "failed")
        out = dict(zip(keys, REPORT.unpack(data)))
        assert out["version"] == 1 and out["length"] == len(data) == REPORT.size
        out["text"] = out["text"].split(b"\0")[0].decode()
        return out

    def report(self, kind, **fields):
        """The next of this kind (with these fields); others are passed over."""
        seen = []

        def fits():
            seen.append(self.next())
            r = seen[-1]
            return r if r["kind"] == kind and all(r[k] == v for k, v in fields.items()) else None

        return wait_for("report %d %s, seen %s" % (kind, fields, seen), fits)

    def apply(self, bridges=(), containers=(), ports=()):
        self.send(self.message(APPLY, bridges, containers, ports))
        return self.report(APPLIED, generation=self.generation)

    def fine(self, *args):
        r = self.apply(*args)
        assert (r["ok"], r["nat"], r["spoof_guard"], r["failed"]) == (1, 1, 1, 0), r
        return r

    def clear(self):
        self.send(self.message(CLEAR))
        return self.report(APPLIED, generation=self.generation)

    def quiet(self, seconds=0.5):
        """No report comes."""
        ready, _, _ = select.select([self.ours], [], [], seconds)
        return not ready

    def status(self, field):
        with open("/proc/%d/status" % self.process.pid) as f:
            return next(line.split(":", 1)[1].strip() for line in f if line.startswith(field + ":"))

    def close(self):
        self.ours.close()
        code = self.process.wait(60)
        text = "" if self.process.stderr.closed else self.process.stderr.read()
        self.process.stderr.close()
        return code, text


class World:
    """outside and host, and what the test adds; all of it gone afterwards."""

    def __init__(self, unprivileged=False):
        """unprivileged: the host is in a user namespace that holds 65,536 ids, as an unprivileged LXC container."""
        self.stack = contextlib.ExitStack()
        self.host, self.outside = self.add(Host(unprivileged)), self.add(Host())
        connect(self.host, "eth0", self.outside, "eth0")
        self.host.ip("address", "add", "192.0.2.1/24", "dev", "eth0")
        self.host.ip("link", "set", "eth0", "up")
        self.outside.ip("address", "add", "192.0.2.2/24", "dev", "eth0")
        self.outside.ip("link", "set", "eth0", "up")
        self.host.ip("route", "add", "default", "via", "192.0.2.2")
        self.worker = None

    def add(self, host):
        self.stack.callback(host.close)
        return host

    def work(self, **more):
        self.worker = Worker(self.host, **more)
        self.stack.callback(self.worker.close)
        return self.worker

    def start(self, container):
        self.add(container.start(self.host))
        return container.host

    def state(self):
        """Everything that a test may not leave behind. Rules, links, addresses, routes, sysctls. Not the link-local addresses of the kernel,
        which come a second after their link."""
        places = self.host.run("ip", "-o", "address") + "\n" + self.host.run("ip", "route", "show", "table", "all").replace(" linkdown", "")
        return "\n".join([
            self.host.run("nft", "list", "ruleset"), *(line for line in places.split("\n") if "fe80::" not in line),
            self.host.sysctl("ipv4/ip_forward"), "\n".join(sorted(os.path.basename(x) for x in self.host.run("ls", "/proc/sys/net/ipv4/conf").split())),
        ])

    def close(self):
        self.stack.close()
