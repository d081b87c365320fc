# SPDX-License-Identifier: Apache-2.0
"""Logs that leave the box: RFC 5424 over UDP, TCP and TLS to a server of the test's own, outages included; and the budget of all logs."""
import ctypes
import os
import re
import socket
import ssl
import subprocess
import threading

import pytest

from appliance import IDLE, unit, wait_for
from test_boot import holder

BOX = "localhost/box:latest"
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
MESSAGE = re.compile(
    rb"<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (\S+) (\S+) (\S+) (\S+) \[cleat@32473((?: \w+=\"(?:[^\"\\\]]|\\.)*\")*)\](?: (.*))?",
    re.S)


def socket_in(pid, kind, port=0):
    """A socket bound to a (free) port of 127.0.0.1 in that process's network namespace: a thread of its own goes there."""
    made = []

    def make():
        with open("/proc/%d/ns/net" % pid) as ns:
            if LIBC.setns(ns.fileno(), CLONE_NEWNET):
                return
        s = socket.socket(socket.AF_INET, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        made.append(s)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


class Server:
    """Collects messages; can be taken away and put back on the same port."""

    def __init__(self, listener, context=None, datagrams=False):
        self.messages, self.connections, self.errors = [], [], []
        self.listener, self.context, self.datagrams = listener, context, datagrams
        self.port = listener.getsockname()[1]
        if not datagrams:
            listener.listen(4)
        self.thread = threading.Thread(target=self.receive if datagrams else self.accept, daemon=True)
        self.thread.start()

    def receive(self):
        try:
            while True:
                self.messages.append(self.listener.recv(65536))
        except OSError:
            return

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
                if self.context:
                    connection = self.context.wrap_socket(connection, server_side=True)
            except ssl.SSLError as e:
                self.errors.append(str(e))
                continue
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        data = b""
        try:
            while True:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
                while b" " in data[:10]:
                    length, rest = data.split(b" ", 1)
                    if len(rest) < int(length):
                        break
                    self.messages.append(rest[:int(length)])
                    data = rest[int(length):]
        except OSError:
            return

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept, which holds the port
        except OSError:
            pass
        if not self.datagrams:
            self.thread.join(20)
        self.listener.close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()

    def parsed(self):
        found = []
        for message in list(self.messages):
            match = MESSAGE.fullmatch(message)
            assert match, message
            pri, stamp, host, app, proc, msgid, params, text = match.groups()
            found.append({"pri": int(pri), "app": app.decode(), "proc": proc.decode(), "msgid": msgid.decode(), "host": host.decode(),
                          "text": text or b"", "stamp": stamp.decode(),
                          "sd": dict((k.decode(), v.decode()) for k, v in re.findall(rb"(\w+)=\"((?:[^\"\\\]]|\\.)*)\"", params))})
        return found

    def lines(self, container="systemd-web"):
        return [m for m in self.parsed() if m["sd"].get("container") == container and m["app"] != "cleat"]


@pytest.fixture
def net():
    with holder("--net", setup="ip link set lo up") as pid:
        yield pid


@pytest.fixture
def boot_ship(boot, box_image, net):
    def make(units, ini, files=None):
        a = boot(units, images=(), start=False, netns="/proc/%d/ns/net" % net)
        a.add_image("box", box_image)
        for name, text in dict(files or {}, **{"appliance.ini": ini}).items():
            with open(os.path.join(a.config, name), "w") as f:
                f.write(text)
        return a.start()

    return make


def talker(script, container="", service="Restart=no\n"):
    assert "'" not in script
    return unit(BOX, "Exec=/bin/sh -c '%s'\n" % script.replace("$", "$$") + container, service=service, network="none")


QUIET = IDLE.replace("'", '"')


def test_udp_datagrams(boot_ship, net):
    server = Server(socket_in(net, socket.SOCK_DGRAM), datagrams=True)
    a = boot_ship({"web": talker("while [ ! -e /share/go ]; do sleep 0.05; done; echo to stdout; echo to stderr >&2; " + QUIET,
                                 "LogOpt=tag=app-{{.Name}}\nVolume=/data/share:/share\n")}, "[Log]\nShip=udp://127.0.0.1:%d\n" % server.port)
    a.wait_unit("systemd-web", state="up")  # a line that is older than that is of no run that is known
    open(os.path.join(a.data, "share/go"), "w").close()
    wait_for("both lines", lambda: len(server.lines()) >= 2)
    by_text = {m["text"]: m for m in server.lines()}
    out, err = by_text[b"to stdout"], by_text[b"to stderr"]
    assert (out["pri"], err["pri"]) == (14, 11)
    assert out["app"] == "app-systemd-web" and out["msgid"] == "stdout" and err["msgid"] == "stderr"
    run = a.unit("systemd-web")["run_id"]
    assert out["sd"] == {"unit": "web.container", "container": "systemd-web", "run": run, "stream": "stdout"}
    assert out["proc"] == run
    wait_for("events come, too", lambda: any(m["app"] == "cleat" and m["msgid"] == "start" for m in server.parsed()))
    shipping = wait_for("counted", lambda: a.status()["log_shipping"]["sent"] >= 2 and a.status()["log_shipping"])
    assert shipping["connected"] and shipping["dropped"] == 0 and shipping["url"].startswith("udp://")
    pid, = a.processes("cleat-ship")
    with open("/proc/%d/status" % pid) as f:
        status = f.read()
    assert re.search(r"^Uid:\s+65007\s", status, re.M) and re.search(r"^CapEff:\s+0+$", status, re.M)
    assert re.search(r"^Seccomp:\s+2$", status, re.M)
    server.close()


def test_tcp_outage_loses_nothing(boot_ship, net):
    """Lines that are written while there is no server, and while the connection is cut, arrive; in order; none is left out."""
    server = Server(socket_in(net, socket.SOCK_STREAM))
    count = 3000
    a = boot_ship({"web": talker("while [ ! -e /share/go ]; do sleep 0.05; done; i=0; while [ $i -lt %d ]; do i=$((i+1)); echo line $i; "
                                 "[ $i != 1000 ] || while [ ! -e /share/on ]; do sleep 0.05; done; done; %s" % (count, QUIET),
                                 "Volume=/data/share:/share\n")},
                  "[Log]\nShip=tcp://127.0.0.1:%d\n" % server.port)
    a.wait_unit("systemd-web", state="up")
    open(os.path.join(a.data, "share/go"), "w").close()
    wait_for("the first part", lambda: len(server.lines()) >= 1000)
    first = [m["text"] for m in server.lines()]
    server.close()
    open(os.path.join(a.data, "share/on"), "w").close()
    wait_for("the outage is in the status", lambda: not a.status()["log_shipping"]["connected"] and a.status()["log_shipping"]["error"])
    again = socket_at(net, server.port)
    wait_for("the rest", lambda: [m["text"] for m in again.lines()][-1:] == [b"line %d" % count], 60)
    rest = [m["text"] for m in again.lines()]
    numbers = [int(t.split()[1]) for t in first + rest]
    assert set(numbers) == set(range(1, count + 1))
    for part in (first, rest):  # what comes twice comes as a whole stretch: each connection's lines are in order, without a gap
        got = [int(t.split()[1]) for t in part]
        assert got == list(range(got[0], got[0] + len(got)))
    assert a.status()["log_shipping"]["dropped"] == 0
    # A new engine's worker goes on where this one was.
    wait_for("the place is written down",
             lambda: place_of(a, "systemd-web")[1] == os.path.getsize(os.path.join(a.data, "logs/systemd-web/current")))
    before = len(again.lines())
    os.kill(a.engine_pid(), 9)
    wait_for("connected again", lambda: len(again.connections) >= 2)
    wait_for("it sends", lambda: sum(m["msgid"] == "adopt" for m in again.parsed()) == 1)
    assert len(again.lines()) == before
    again.close()


def place_of(a, name):
    try:
        with open(os.path.join(a.data, "logs/.shipped", name)) as f:
            return tuple(int(word) for word in f.read().split())
    except FileNotFoundError:
        return (0, 0)


def socket_at(pid, port, context=None):
    return Server(socket_in(pid, socket.SOCK_STREAM, port), context)


def certificate(path, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-keyout", path + ".key", "-out", path + ".crt", "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:" + name],
                   check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path + ".crt", path + ".key")
    with open(path + ".crt") as f:
        return context, f.read()


def test_tls_checks_the_server(boot_ship, net, tmp_path):
    good, good_pem = certificate(str(tmp_path / "good"), "localhost")
    other, _ = certificate(str(tmp_path / "other"), "localhost")
    liar = Server(socket_in(net, socket.SOCK_STREAM), other)
    a = boot_ship({"web": talker("echo over tls; " + QUIET)},
                  "[Log]\nShip=tls://localhost:%d\nShipCA=/config/logs.crt\n" % liar.port, {"logs.crt": good_pem})
    a.wait_unit("systemd-web", state="up")
    shipping = wait_for("refused", lambda: a.status()["log_shipping"]["error"] and a.status()["log_shipping"])
    assert not shipping["connected"] and "not trusted" in shipping["error"], shipping
    assert not liar.messages
    liar.close()
    server = socket_at(net, liar.port, good)
    wait_for("it comes", lambda: any(m["text"] == b"over tls" for m in server.lines()), 60)
    a.wait_unit("systemd-web", state="up")
    wait_for("it says so", lambda: a.status()["log_shipping"]["connected"])
    server.close()


def test_the_logs_are_the_spool_and_what_is_rotated_away_is_counted(boot_ship, net):
    server = socket_at(net, 0)
    port, lines = server.port, 12000
    a = boot_ship({"web": talker("echo begin; while [ ! -e /share/go ]; do sleep 0.05; done; i=0; while [ $i -lt %d ]; do i=$((i+1)); "
                                 "echo line number $i; done; echo the end; %s" % (lines, QUIET),
                                 "LogOpt=max-size=64k max-file=2\nVolume=/data/share:/share\n")},
                  "[Log]\nShip=tcp://127.0.0.1:%d\n" % port)
    a.wait_unit("systemd-web", state="up")
    # what is rotated away before the log is read for the first time nobody can count
    wait_for("it is read", lambda: [m["text"] for m in server.lines()] == [b"begin"])
    server.close()
    listener = socket_in(net, socket.SOCK_STREAM, port)  # nobody listens: refused
    open(os.path.join(a.data, "share/go"), "w").close()
    wait_for("written", lambda: a.cleat("logs", "--tail", "1", "web") == "the end\n")
    wait_for("the loss is counted", lambda: a.status()["log_shipping"]["dropped"] > 0)
    listener.close()
    server = socket_at(net, port)
    wait_for("the end comes", lambda: [m["text"] for m in server.lines()][-1:] == [b"the end"], 60)
    got = [m["text"] for m in server.lines()]
    kept = a.cleat("logs", "web").splitlines()
    assert got == [line.encode() for line in kept]
    # with the first one: whether it had come is not known of a connection that was cut
    assert 0 < a.status()["log_shipping"]["dropped"] <= lines + 2 - len(got)
    server.close()


def test_the_budget_of_all_logs(boot_ship):
    """Old files of the largest go; the one that is written stays, and so does a small container's."""
    a = boot_ship({"loud": talker("i=0; while [ $i -lt 30000 ]; do i=$((i+1)); echo line number $i with some more words in it to fill it up; "
                                  "done; echo the end; " + QUIET, "LogOpt=max-size=256k max-file=20\n"),
                   "small": talker("echo hello; " + QUIET)}, "[Log]\nBudget=1m\n")
    a.wait_unit("systemd-loud", state="up")
    a.wait_unit("systemd-small", state="up")
    folder = os.path.join(a.data, "logs", "systemd-loud")
    wait_for("written", lambda: a.cleat("logs", "--tail", "1", "loud") == "the end\n", 60)

    def taken():
        """Bytes on disk; more than any budget while files go and are renamed under our eyes."""
        try:
            return sum(os.stat(os.path.join(folder, name)).st_blocks * 512 for name in os.listdir(folder))
        except FileNotFoundError:
            return 1 << 40

    wait_for("within the budget", lambda: taken() <= 1024 * 1024, 30)
    names = sorted(int(n) for n in os.listdir(folder) if n.isdigit())
    assert names == list(range(1, len(names) + 1)) and len(names) >= 2  # the oldest went, no more of them than needed
    assert a.cleat("logs", "--tail", "1", "loud") == "the end\n"
    assert a.cleat("logs", "small") == "hello\n"
    wait_for("it is said", lambda: "old log files removed" in a.console())


def test_appliance_ini_errors_have_their_line_and_the_rest_holds(boot_ship, net):
    server = Server(socket_in(net, socket.SOCK_DGRAM), datagrams=True)
    a = boot_ship({"web": talker("echo hello; " + QUIET, "Imagge=x\n")},
                  "[Log]\nBuget=1m\nMaxFiles=0\nShip=udp://127.0.0.1:%d\n[Units]\nUnknownKeys=warning\n[Lgo]\nX=1\n" % server.port)
    a.wait_unit("systemd-web", state="up")  # the unknown key of the unit is a warning
    notes = [note["text"] for note in a.status()["notes"]]
    for expected in ("/config/appliance.ini:2:1: error: Log.Buget: unknown key; did you mean Budget=?",
                     "/config/appliance.ini:3:10: error: Log.MaxFiles: '0': a number from 1 to 100 is expected",
                     "/config/appliance.ini:7:1: error: [Lgo]: unknown section; did you mean [Log]?"):
        assert expected in notes, notes
    wait_for("the rest is applied", lambda: server.lines())
    done = subprocess.run([os.environ.get("CLEAT", a.cleat.__globals__["CLEAT"]), "check", "--config", a.config], capture_output=True, text=True)
    assert done.returncode == 1 and "appliance.ini:2:1: error: Log.Buget" in done.stdout + done.stderr
    assert "warning" in done.stdout + done.stderr
    server.close()


def test_logs_of_several_containers_by_time(boot_ship):
    words = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo %s $i; sleep 0.02; done; touch /share/%s; " + QUIET
    share = "Volume=/data/share:/share\n"
    a = boot_ship({"one": talker(words % ("one", "one"), share), "two": talker(words % ("two", "two"), share)}, "")
    wait_for("both have said something", lambda: all(os.path.exists(os.path.join(a.data, "logs/systemd-" + n + "/current")) for n in ("one", "two")))
    follow = subprocess.Popen([a.cleat.__globals__["CLEAT"], "--socket", a.socket, "logs", "-f", "-t", "one", "two"],
                              stdout=subprocess.PIPE, text=True)
    wait_for("both are done", lambda: all(os.path.exists(os.path.join(a.data, "share", n)) for n in ("one", "two")))
    # what was said before the file was made may be on its way from the pipe to the log
    wait_for("all lines are kept", lambda: len(a.cleat("logs", "one", "two").splitlines()) == 80)
    out = a.cleat("logs", "-t", "one", "two").splitlines()
    stamps = [line.split(" ")[1] for line in out]
    assert stamps == sorted(stamps)
    for name in ("one", "two"):
        assert [line.split(" ", 2)[2] for line in out if line.startswith(name + " ")] == ["%s %d" % (name, i) for i in range(1, 41)]
    followed = [follow.stdout.readline().rstrip("\n") for _ in range(80)]
    follow.kill()
    follow.wait()
    assert sorted(followed) == sorted(out)
    for name in ("one", "two"):
        assert [line for line in followed if line.startswith(name)] == [line for line in out if line.startswith(name)]
    assert a.cleat("logs", "--names", "--tail", "1", "one") == "one one 40\n"
    half = out[40].split(" ")[1]
    later = a.cleat("logs", "-t", "--since", half, "one", "two").splitlines()
    assert later == [line for line in out if line.split(" ")[1][:26] >= half[:26]]
    until = a.cleat("logs", "-t", "--until", half, "one", "two").splitlines()
    assert until == [line for line in out if line.split(" ")[1][:26] <= half[:26]]
    missing = a.cleat("logs", "one", "nobody", check=False)
    assert missing.returncode == 1 and "nobody" in missing.stdout
