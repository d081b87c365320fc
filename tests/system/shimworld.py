# SPDX-License-Identifier: Apache-2.0
"""A world for the real "cleat-runtime shim" without an engine: whoever tests plays the engine, by the wire."""
import errno
import fcntl
import json
import os
import platform
import re
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build", platform.machine())
RUNTIME = os.path.join(BUILD, "bin", "cleat-runtime")
BUSYBOX = os.path.join(BUILD, "sysroot", "bin", "busybox")

HELLO, SIGNAL, KILL, PROBE, PROBE_CANCEL, STATE, RESULT = 1, 2, 3, 4, 5, 64, 65
CREATING, RUNNING, EXITED, FAILED = 1, 2, 3, 4
EXEC, HTTP, TCP = 1, 2, 3
PASS, FAIL, TIMEOUT, ERROR, BUSY, CANCELLED = 1, 2, 3, 4, 5, 6

BOUND_SEC = int(os.environ.get("SHIM_TEST_BOUND", "60"))  # for a broken program; nothing is measured by it

STATUS = struct.Struct("=IHHiiQQIiiIiIqqQQQ16s40s128s480s256s128s")
STATUS_FIELDS = (
    "magic version length shim_pid container_pid shim_ticks container_ticks phase exit_code exit_signal oom_killed "
    "error_errno error_code started exited started_monotonic dropped_lines dropped_bytes run_id boot_id name error "
    "log_error unenforced"
).split()


def parse_status(data):
    fields = dict(zip(STATUS_FIELDS, STATUS.unpack(data[: STATUS.size])))
    for name, value in fields.items():
        if isinstance(value, bytes):
            fields[name] = value.split(b"\0")[0].decode()
    assert fields["magic"] == 0x31534C43 and fields["length"] == len(data)
    return fields


def until(what, predicate):
    deadline = time.monotonic() + BOUND_SEC
    while True:
        value = predicate()
        if value:
            return value
        assert time.monotonic() < deadline, "did not happen within %d s: %s" % (BOUND_SEC, what)
        time.sleep(0.01)


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except FileNotFoundError:
        return ""


def wait_end(pid):
    """A process that is not our child: gone, or a zombie that nobody has reaped yet."""
    until("process %d ends" % pid, lambda: read("/proc/%d/stat" % pid).rpartition(")")[2].split()[:1] in ([], ["Z"]))


def cgroup_root():
    for line in read("/proc/self/mountinfo").splitlines():
        left, right = line.split(" - ")
        if right.split()[0] == "cgroup2":
            return left.split()[4]
    raise AssertionError("no cgroup2 file system is mounted")


@pytest.fixture(scope="session", name="rootfs")
def fixture_rootfs(tmp_path_factory):
    top = tmp_path_factory.mktemp("shim") / "rootfs"
    for name in ("bin", "proc", "dev", "tmp", "etc", "www", "share", "sys"):
        (top / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, top / "bin" / "busybox")
    for name in subprocess.check_output([BUSYBOX, "--list"], text=True).split():
        if name != "busybox":
            os.symlink("busybox", top / "bin" / name)
    (top / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\nuser:x:1001:1001::/:/bin/sh\n")
    (top / "etc" / "group").write_text("root:x:0:\nuser:x:1001:\n")
    (top / "www" / "health").write_text("ok\n")
    # Container root is nobody in particular outside: everything has to be readable for all.
    os.chmod(top, 0o755)
    for parent in list(top.parents)[:4]:
        if str(parent) not in ("/", "/tmp"):
            os.chmod(parent, os.stat(parent).st_mode | 0o055)
    return top


def config(rootfs, command, share, uid=1001, network=True):
    namespaces = ["pid", "mount", "ipc", "uts", "user", "cgroup"] + (["network"] if network else [])
    ids = [{"containerID": a, "hostID": b, "size": n} for a, b, n in ((0, 65000, 1), (1, 1, 64999), (65024, 65024, 512))]
    return {
        "ociVersion": "1.1.0",
        "root": {"path": str(rootfs), "readonly": True},
        "process": {
            "args": ["/bin/sh", "-c", command],
            "cwd": "/",
            "env": ["PATH=/bin", "FROM=config"],
            "user": {"uid": uid, "gid": uid},
            "noNewPrivileges": True,
            "capabilities": {k: [] for k in ("bounding", "effective", "permitted", "inheritable", "ambient")},
        },
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777", "size=1m"]},
            {"destination": "/share", "type": "bind", "source": str(share), "options": ["bind", "rw"]},
        ],
        "linux": {"namespaces": [{"type": n} for n in namespaces], "uidMappings": ids, "gidMappings": ids},
    }


# A program that has come so far says so, and waits for let_go().
GATE = "echo ready > /share/ready; until [ -r /share/go ]; do sleep 0.02; done; read x < /share/go; "
SIGQUIT_BIT = 1 << (signal.SIGQUIT - 1)
PROTOCOL = 2  # SHIM_PROTOCOL_VERSION


class Shim:
    """One shim and its container; the client side of ctl."""

    def __init__(self, world, command="sleep 1000", log=None, options=(), run=None, change=None, go=None, **kw):
        self.world = world
        self.id = run.id if run else secrets.token_hex(6)
        self.dir = run.dir if run else str(world.path / self.id)
        self.share = os.path.join(self.dir, "share")
        self.client = None
        if not run:
            os.mkdir(self.dir, 0o755)
            os.mkdir(self.share)
            os.chmod(self.share, 0o777)
            with open(os.path.join(self.dir, "config.json"), "w") as f:
                spec = config(world.rootfs, command, self.share, **kw)
                if change:
                    change(spec)
                json.dump(spec, f)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(os.path.join(self.dir, "ctl" + ("2" if run else "")))
        listener.listen(4)
        self.log = str(log) if log else None
        if not run:
            self.connect()  # before the shim is there, as the engine does
        argv = [RUNTIME, "shim", "--id", self.id, "--run-dir", self.dir]
        argv += ["--log", self.log] if log else []
        argv += ["--go-fd", "4"] if go is not None else []
        place = 'exec 3<&"$1"' if go is None else 'exec 3<&"$1" 4<&%d %d<&-' % (go, go)
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", place + '; shift; exec "$@"', "sh", str(listener.fileno())] + argv + list(options),
            pass_fds=[listener.fileno()] + ([] if go is None else [go]), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True)
        listener.close()
        world.shims.append(self)

    def connect(self, hello=struct.pack("=HHI", 1, HELLO, 8)):
        self.client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.client.settimeout(BOUND_SEC)
        self.client.connect(os.path.join(self.dir, "ctl"))
        if hello:
            self.client.send(hello)
        return self

    def receive(self):
        """(type, content), or None when the shim closed the connection."""
        try:
            data = self.client.recv(20000)
        except ConnectionResetError:
            return None
        if not data:
            return None
        version, kind, length = struct.unpack_from("=HHI", data)
        assert version == PROTOCOL and length == len(data)
        if kind == STATE:
            return kind, parse_status(data[8:])
        assert kind == RESULT
        order, verdict, exit_code, took, size = struct.unpack_from("=QIiQI", data, 8)
        output = data[36 : 36 + size].decode(errors="replace")
        return kind, {"order": order, "verdict": verdict, "exit_code": exit_code, "took": took, "output": output}

    def wait_for(self, kind, predicate=lambda content: True):
        while True:
            message = self.receive()
            assert message, "the shim has gone: " + self.process.stderr.read()
            if message[0] == kind and predicate(message[1]):
                return message[1]

    def phase(self, phase):
        return self.wait_for(STATE, lambda status: status["phase"] == phase)

    def running(self):
        self.connect()
        return self.phase(RUNNING)

    def send(self, kind, payload=b"", version=1):
        self.client.send(struct.pack("=HHI", version, kind, 8 + len(payload)) + payload)

    def signal(self, number, everybody=0):
        self.send(SIGNAL, struct.pack("=iI", number, everybody))

    def order(self, order, kind, text, timeout_sec=30.0):
        words = [text] if isinstance(text, str) else text
        text = b"".join(word.encode() + b"\0" for word in words)
        self.send(PROBE, struct.pack("=QQII", order, int(timeout_sec * 1e6), kind, len(text)) + text)

    def probe(self, kind, text, timeout_sec=30.0):
        order = int.from_bytes(secrets.token_bytes(6), "big")
        self.order(order, kind, text, timeout_sec)
        return self.wait_for(RESULT, lambda result: result["order"] == order)

    def status(self):
        with open(os.path.join(self.dir, "status"), "rb") as f:
            return parse_status(f.read())

    def is_locked(self):
        with open(os.path.join(self.dir, "lock"), "r+") as f:
            try:
                fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
            except OSError as e:
                assert e.errno in (errno.EAGAIN, errno.EACCES)
                return True

    def end(self):
        return self.process.wait(BOUND_SEC)

    def await_gate(self):
        """A program with GATE in it stands there now."""
        gate = os.path.join(self.share, "go")
        os.mkfifo(gate)
        os.chmod(gate, 0o666)
        self.running()
        self.wait_share("ready")

    def let_go(self):
        with open(os.path.join(self.share, "go"), "w") as f:
            f.write("go\n")

    def wait_share(self, name):
        return until("the container writes " + name, lambda: read(os.path.join(self.share, name)))

    def wait_dead(self, name):
        """The process whose number (inside) is in the file has ended; its parent, PID 1, need not have noticed."""
        pid = self.wait_share(name).strip()
        command = "! [ -e /proc/%s ] || grep -q '^State:.*[ZX]' /proc/%s/status" % (pid, pid)
        until("process %s is gone" % pid, lambda: self.probe(EXEC, ["/bin/sh", "-c", command])["verdict"] == PASS)

    def children(self):
        """comm -> pid of the shim's own children."""
        text = read("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid))
        return {read("/proc/%s/comm" % pid).strip(): int(pid) for pid in text.split()}

    def writer(self):
        return until("the log writer runs", lambda: self.children().get("cleat-log"))

    @property
    def cgroup(self):
        return os.path.join(self.world.cgroups, "cleat", "c", self.id)

    def lines(self):
        """Every kept line of the log, oldest first, without stamps: (stream, text)."""
        found = []
        if not os.path.exists(self.log):
            return found  # the writer has yet to make it
        names = sorted((n for n in os.listdir(self.log) if n.isdigit()), key=int, reverse=True) + ["current"]
        for name in names:
            try:
                with open(os.path.join(self.log, name), "rb") as f:
                    data = f.read()
            except FileNotFoundError:
                continue  # the writer has not made it yet, or is rotating
            assert data == b"" or data.endswith(b"\n")
            for line in data.decode().splitlines():
                match = LINE.fullmatch(line)
                assert match, "torn line in %s: %r" % (name, line[:200])
                found.append(match.groups())
        return found


LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) F (.*)")
NOTE = re.compile(r"cleat: (\d+) lines dropped \((\d+) bytes\): .*")


class World:
    def __init__(self, path, rootfs):
        self.path = path
        self.rootfs = rootfs
        self.cgroups = cgroup_root()
        self.shims = []

    def shim(self, *args, **kw):
        return Shim(self, *args, **kw)

    def close(self):
        writers = []
        for shim in self.shims:
            for name, pid in shim.children().items():
                os.kill(pid, signal.SIGCONT)
                if name == "cleat-log":
                    writers.append(pid)
            if shim.process.poll() is None:
                shim.process.kill()
            shim.process.wait(BOUND_SEC)
            shim.process.stderr.close()
            subprocess.run([RUNTIME, "teardown", shim.id], check=True, timeout=BOUND_SEC)
            assert not os.path.exists(shim.cgroup)
        for pid in writers:
            wait_end(pid)


@pytest.fixture(name="world")
def fixture_world(tmp_path, rootfs):
    # Container users need to get to the bind sources.
    for parent in [tmp_path] + list(tmp_path.parents)[:3]:
        if str(parent) not in ("/", "/tmp"):
            os.chmod(parent, os.stat(parent).st_mode | 0o055)
    w = World(tmp_path, rootfs)
    yield w
    w.close()
