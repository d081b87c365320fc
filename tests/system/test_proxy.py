# SPDX-License-Identifier: Apache-2.0
"""The port proxy as a process: from this network namespace into one that the test makes, with real connections and without rights."""
import hashlib
import os
import re
import signal
import socket
import subprocess

import pytest

import proxy_target
from appliance import CLEAT, free_port, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
NOBODY = 1  # a port where nothing listens


class Target:
    """A process that serves in a network namespace of its own."""

    def __init__(self):
        script = "ip link set lo up && exec /usr/bin/python3 -S '%s'" % os.path.join(HERE, "proxy_target.py")
        self.process = subprocess.Popen(["unshare", "-n", "/bin/sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.ports = {word.split("=")[0]: int(word.split("=")[1]) for word in line.split()}
        self.netns = "/proc/%d/ns/net" % self.process.pid

    def ip(self, *args):
        subprocess.run(["nsenter", "--net=" + self.netns, "ip"] + list(args), check=True)

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def target():
    made = Target()
    yield made
    made.close()


class Proxy:
    def __init__(self, netns, *pairs):
        self.pairs = pairs
        words = [CLEAT, "proxy"]
        for listen, connect in pairs:
            words += ["--listen", listen, "--connect", connect]
        self.process = subprocess.Popen(words + (["--netns", netns] if netns else []), stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.first_line = self.process.stdout.readline()

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err

    def status(self, field):
        with open("/proc/%d/status" % self.pid) as f:
            return next(line.split(":", 1)[1].strip() for line in f if line.startswith(field + ":"))


@pytest.fixture
def proxy(target):
    """proxy("echo", "sink") gives the proxy and local ports that lead to those of the target."""
    made = []

    def start(*names, **more):
        ports = [free_port() for _ in names]
        numbers = [target.ports.get(name, NOBODY) for name in names]
        made.append(Proxy(target.netns, *[("127.0.0.1:%d" % p, more.get("to", "127.0.0.1:%d" % n)) for p, n in zip(ports, numbers)]))
        assert made[-1].first_line == "ready\n", made[-1].process.stderr.read()
        return [made[-1]] + ports

    yield start
    for p in made:
        if p.process.poll() is None:
            assert p.stop() == (0, "", "")


def connect(port, host="127.0.0.1"):
    s = socket.create_connection((host, port), timeout=120)
    return s


def read_all(s):
    data = bytearray()
    while True:
        piece = s.recv(65536)
        if not piece:
            return bytes(data)
        data += piece


def the_pattern():
    return b"".join(proxy_target.pattern())


def test_big_transfers_arrive_unchanged_both_ways(proxy):
    _, source, sink = proxy("source", "sink")
    expected = the_pattern()
    with connect(source) as s:
        got = read_all(s)
    assert len(got) == proxy_target.SIZE and hashlib.sha256(got).digest() == hashlib.sha256(expected).digest()
    with connect(sink) as s:
        s.sendall(expected)
        s.shutdown(socket.SHUT_WR)
        assert read_all(s).decode() == hashlib.sha256(expected).hexdigest()


def test_half_close_lets_the_answer_through(proxy):
    _, sink = proxy("sink")
    for data in (b"", b"x", b"a question"):
        with connect(sink) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            assert read_all(s).decode() == hashlib.sha256(data).hexdigest()


def test_small_messages_go_to_and_fro(proxy):
    _, echo = proxy("echo")
    with connect(echo) as s:
        for i in range(200):
            word = b"message %d" % i
            s.sendall(word)
            got = b""
            while len(got) < len(word):
                got += s.recv(100)
            assert got == word


def test_a_refused_target_closes_the_client_and_nothing_else(proxy):
    _, nobody, echo = proxy("nobody", "echo")
    for _ in range(3):
        with connect(nobody) as s:
            try:
                assert s.recv(1) == b""
            except ConnectionResetError:
                pass
    with connect(echo) as s:
        s.sendall(b"still there")
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == b"still there"


def test_a_target_that_does_not_answer_is_given_up(proxy, target):
    target.ip("link", "add", "void0", "type", "veth", "peer", "name", "void1")
    try:
        target.ip("addr", "add", "198.51.100.1/24", "dev", "void0")
        target.ip("link", "set", "void0", "up")
        target.ip("link", "set", "void1", "up")
        target.ip("neigh", "add", "198.51.100.2", "lladdr", "02:00:00:00:00:09", "dev", "void0")
        _, port = proxy("echo", to="198.51.100.2:80")
        with connect(port) as s:
            try:
                assert s.recv(1) == b""  # blocks until the proxy's own limit
            except ConnectionResetError:
                pass
    finally:
        target.ip("link", "del", "void0")


def test_200_connections_at_once(proxy):
    p, echo = proxy("echo")
    clients = [connect(echo) for _ in range(200)]
    for i, s in enumerate(clients):
        s.sendall(b"client %d" % i)
    for s in clients:
        s.shutdown(socket.SHUT_WR)
    for i, s in enumerate(clients):
        assert read_all(s) == b"client %d" % i
        s.close()
    wait_for("descriptors are given back", lambda: len(os.listdir("/proc/%d/fd" % p.pid)) < 16)


def test_a_client_that_never_reads_holds_back_the_sender_and_nobody_else(proxy):
    p, flood, count, echo = proxy("flood", "count", "echo")
    stuck = connect(flood)
    seen = []

    def settled():
        with connect(count) as s:
            seen.append(int(read_all(s)))
        return len(seen) > 20 and seen[-1] == seen[-20]

    wait_for("the sender is held back", settled, 60)
    assert 0 < seen[-1] < 64 * 1024 * 1024
    assert int(p.status("VmRSS").split()[0]) < 16 * 1024  # KiB
    with connect(echo) as s:
        s.sendall(b"free way")
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == b"free way"
    stuck.close()


def test_it_has_no_rights_left(proxy, target):
    p, _ = proxy("echo")
    assert p.status("Uid").split() == ["65003"] * 4 and p.status("Gid").split() == ["65003"] * 4
    assert p.status("Groups") == ""
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(p.status(capabilities), 16) == 0, capabilities
    assert p.status("NoNewPrivs") == "1" and p.status("Seccomp") == "2"
    assert os.readlink("/proc/%d/ns/net" % p.pid) == os.readlink(target.netns)


def test_ipv6_listens_for_itself_only(target):
    try:
        port = free_port(socket.AF_INET6, "::1")
    except OSError:
        pytest.skip("this machine has no IPv6 on loopback")
    four = socket.socket()
    four.bind(("0.0.0.0", port))  # the same port in IPv4 is another one
    p = Proxy(target.netns, ("[::]:%d" % port, "127.0.0.1:%d" % target.ports["echo"]))
    try:
        assert p.first_line == "ready\n", p.process.stderr.read()
        with connect(port, "::1") as s:
            s.sendall(b"six")
            s.shutdown(socket.SHUT_WR)
            assert read_all(s) == b"six"
    finally:
        four.close()
        assert p.stop()[0] == 0


def test_without_a_namespace_it_connects_here():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    port = free_port()
    p = Proxy(None, ("127.0.0.1:%d" % port, "127.0.0.1:%d" % listener.getsockname()[1]))
    try:
        with connect(port) as s:
            there, _ = listener.accept()
            there.sendall(b"hello")
            there.close()
            assert read_all(s) == b"hello"
    finally:
        listener.close()
        assert p.stop() == (0, "", "")


def run(*words):
    done = subprocess.run([CLEAT, "proxy"] + list(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_an_address_in_use_is_named():
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    address = "127.0.0.1:%d" % taken.getsockname()[1]
    code, out, err = run("--listen", "127.0.0.1:%d" % free_port(), "--connect", "127.0.0.1:1", "--listen", address, "--connect",
                         "127.0.0.1:1", "--netns", "/proc/self/ns/net")
    assert (code, out) == (1, "")
    assert re.fullmatch(r"cleat proxy: %s: Address (already )?in use\n" % re.escape(address), err)
    taken.close()


def test_a_missing_namespace_is_named():
    code, out, err = run("--listen", "127.0.0.1:%d" % free_port(), "--connect", "127.0.0.1:1", "--netns", "/no/such/ns")
    assert (code, out, err) == (1, "", "cleat proxy: /no/such/ns: No such file or directory\n")
    code, _, err = run("--listen", "127.0.0.1:%d" % free_port(), "--connect", "127.0.0.1:1", "--netns", "/dev/null")
    assert code == 1 and err.startswith("cleat proxy: /dev/null: setns: ")


@pytest.mark.parametrize("words, part", [
    ([], "come in pairs"),
    (["--listen", "127.0.0.1:80"], "come in pairs"),
    (["--listen", "127.0.0.1:80", "--connect"], "--connect: a value is missing"),
    (["--listen", "localhost:80", "--connect", "127.0.0.1:1"], "localhost:80: the address is not numeric"),
    (["--listen", "127.0.0.1:0", "--connect", "127.0.0.1:1"], "127.0.0.1:0: not ADDRESS:PORT"),
    (["--what", "x"], "--what: unknown"),
    (["--listen", "127.0.0.1:9"] * 1025, "more than 1024 pairs"),
])
def test_wrong_words(words, part):
    code, out, err = run(*words)
    assert (code, out) == (2, "") and part in err
