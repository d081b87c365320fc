# SPDX-License-Identifier: Apache-2.0
"""The shim by its wire: "cleat-runtime shim" with real containers, no engine. Needs root. The test plays the engine."""
import errno
import fcntl
import json
import os
import platform
import re
import secrets
import select
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


@pytest.fixture(scope="session")
def rootfs(tmp_path_factory):
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


@pytest.fixture
def world(tmp_path, rootfs):
    # Container users need to get to the bind sources.
    for parent in [tmp_path] + list(tmp_path.parents)[:3]:
        if str(parent) not in ("/", "/tmp"):
            os.chmod(parent, os.stat(parent).st_mode | 0o055)
    w = World(tmp_path, rootfs)
    yield w
    w.close()


# --- life and death ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command, code, number", [("exit 0", 0, 0), ("exit 7", 7, 0), ("kill -KILL 1", 0, 0)])
def test_exit_code(world, command, code, number):
    # PID 1 of a namespace cannot kill itself: the third command goes on to its normal end.
    shim = world.shim(command)
    status = shim.phase(EXITED)
    assert (status["exit_code"], status["exit_signal"], status["oom_killed"]) == (code, number, 0)
    assert shim.receive() is None
    assert not shim.is_locked()  # as soon as the connection ends, whatever the shim still has to give back
    assert shim.status() == status
    assert shim.end() == 0


def test_the_record_names_shim_and_container(world):
    shim = world.shim(options=["--name", "web"])
    status = shim.running()
    assert shim.status() == status
    assert status["run_id"] == shim.id and status["name"] == "web" and status["error"] == ""
    assert status["shim_pid"] == shim.process.pid
    for pid, ticks in (("shim_pid", "shim_ticks"), ("container_pid", "container_ticks")):
        stat = read("/proc/%d/stat" % status[pid]).rpartition(")")[2].split()
        assert int(stat[19]) == status[ticks]
    assert status["boot_id"] == read("/proc/sys/kernel/random/boot_id").strip()
    assert read("/proc/%d/comm" % shim.process.pid) == "cleat-shim\n"
    assert shim.is_locked()


def held_by(pid):
    """What the descriptors of a process lead to."""
    names = os.listdir("/proc/%d/fd" % pid)
    return [os.readlink("/proc/%d/fd/%s" % (pid, name)) for name in names]


def test_the_containers_mounts_are_held_by_the_shim_alone(world, tmp_path):
    """So that the end of its first process is seen before its mounts are taken apart; a child that held them would keep them for as long as it stays."""
    shim = world.shim("exec sleep 1000", log=tmp_path / "log")
    mounts = os.readlink("/proc/%d/ns/mnt" % shim.running()["container_pid"])
    assert mounts != os.readlink("/proc/self/ns/mnt")
    shim.writer()
    shim.order(1, EXEC, ["/bin/sh", "-c", "echo >/share/probing; exec sleep 1000"])
    shim.wait_share("probing")
    children = shim.children()
    assert len(children) == 2, children
    assert held_by(shim.process.pid).count(mounts) == 1
    for name, pid in children.items():
        until("%s gives them up" % name, lambda: mounts not in held_by(pid))


def test_stop_signal_reaches_the_first_process(world):
    shim = world.shim("trap 'exit 42' TERM; echo ready > /share/ready; while :; do sleep 0.1; done")
    shim.running()
    shim.wait_share("ready")
    shim.signal(signal.SIGTERM)
    assert shim.phase(EXITED)["exit_code"] == 42


def test_kill_ends_every_process(world):
    shim = world.shim("sleep 1000 & sleep 1000 & echo ready > /share/ready; wait")
    shim.running()
    shim.wait_share("ready")
    shim.send(KILL)
    status = shim.phase(EXITED)
    assert (status["exit_code"], status["exit_signal"]) == (137, 9)
    shim.end()
    until("the cgroup is empty", lambda: "populated 0" in read(shim.cgroup + "/cgroup.events"))


def test_a_signal_for_all_reaches_children(world):
    shim = world.shim("(trap 'echo got > /share/child; exit' USR1; echo r > /share/ready; while :; do sleep 0.1; done) & "
                      "trap 'echo got > /share/first' USR1; while :; do sleep 0.1; done")
    shim.running()
    shim.wait_share("ready")
    shim.signal(signal.SIGUSR1, everybody=1)
    assert shim.wait_share("child") and shim.wait_share("first")


def test_what_outlives_the_first_process_is_ended(world):
    # The pid namespace's end takes everything of it; a probe's process of another namespace is taken by the cgroup.
    shim = world.shim("echo r > /share/ready; until [ -r /share/fifo ]; do sleep 0.02; done; read x < /share/fifo; exit 3", log=world.path / "log")
    os.mkfifo(os.path.join(shim.share, "fifo"))
    os.chmod(os.path.join(shim.share, "fifo"), 0o666)
    shim.running()
    shim.wait_share("ready")
    stranger = subprocess.Popen(["sleep", "1000"])
    with open(shim.cgroup + "/cgroup.procs", "w") as f:
        f.write(str(stranger.pid))
    with open(os.path.join(shim.share, "fifo"), "w") as f:
        f.write("go\n")
    assert shim.phase(EXITED)["exit_code"] == 3
    assert stranger.wait(BOUND_SEC) == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, 40])
def test_only_sigkill_ends_a_shim(world, number):
    shim = world.shim("trap 'exit 5' TERM; echo ready > /share/ready; while :; do sleep 0.1; done")
    shim.running()
    shim.wait_share("ready")
    os.kill(shim.process.pid, number)
    # It still answers, and nobody in the container noticed.
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS
    ignored = re.search(r"SigIgn:\s(\w+)", read("/proc/%d/status" % shim.status()["container_pid"])).group(1)
    assert int(ignored, 16) & ~SIGQUIT_BIT == 0


def is_refused(shim):
    try:
        shim.connect()
    except ConnectionRefusedError:
        return True
    return False


def test_a_killed_shim_leaves_a_free_lock_and_end_of_file(world):
    shim = world.shim(log=world.path / "log")
    status = shim.running()
    # A probe under way must not keep the connection open either.
    shim.order(1, EXEC, ["busybox", "sleep", "1000"])
    until("the probe runs", lambda: "busybox" in shim.children())
    shim.process.kill()
    assert shim.receive() is None
    assert not shim.is_locked()
    until("ctl is closed", lambda: is_refused(shim))
    assert shim.status()["phase"] == RUNNING
    # Ending the container is the engine's part; nothing of ours did it.
    assert os.path.exists("/proc/%d" % status["container_pid"])
    assert "populated 1" in read(shim.cgroup + "/cgroup.events")


def is_reading(process):
    """A shim that sleeps in a call whose first argument is descriptor 4."""
    return read("/proc/%d/comm" % process.pid) == "cleat-shim\n" and read("/proc/%d/syscall" % process.pid).split()[1:2] == ["0x4"]


def files_of(shim):
    return sorted(set(os.listdir(shim.dir)) - {"config.json", "ctl", "share"})


def test_a_shim_waits_for_the_word_to_go(world):
    theirs, ours = os.pipe()
    shim = world.shim("exit 7", go=theirs)
    os.close(theirs)
    os.rename(os.path.join(shim.dir, "config.json"), os.path.join(shim.dir, "later"))
    until("it waits", lambda: is_reading(shim.process))
    assert files_of(shim) == ["later"]
    os.rename(os.path.join(shim.dir, "later"), os.path.join(shim.dir, "config.json"))
    os.write(ours, b"\0")
    os.close(ours)
    assert shim.end() == 0
    assert shim.status()["exit_code"] == 7


def test_a_shim_without_the_word_to_go_has_touched_nothing(world):
    theirs, ours = os.pipe()
    shim = world.shim(go=theirs)
    os.close(theirs)
    until("it waits", lambda: is_reading(shim.process))
    os.close(ours)
    assert shim.end() == 4
    assert files_of(shim) == []
    assert not os.path.exists(shim.cgroup)


def test_a_second_shim_on_the_same_run_is_refused(world):
    first = world.shim()
    before = first.running()
    second = world.shim(run=first)
    assert second.end() == 3
    assert "locked by process %d" % first.process.pid in second.process.stderr.read()
    assert first.status() == before
    assert first.probe(EXEC, ["/bin/true"])["verdict"] == PASS


@pytest.mark.parametrize("options, text", [
    (["--log-max-files", "0"], "--log-max-files 0: not a number from 1 to 100"),
    (["--log-max-bytes", "x"], "--log-max-bytes x"),
    (["--log", "relative"], "absolute path"),
    (["--unknown", "x"], "--unknown: unknown option"),
    (["--id", "../../etc"], "--id: needs 12 hex digits"),
    (["--name"], "--name: needs a value"),
    (["--go-fd", "3"], "--go-fd 3: not a number from 4 to 5"),
    (["--notify-fd", "4", "--go-fd", "4"], "--go-fd 4: is --notify-fd"),
])
def test_wrong_arguments(world, options, text):
    shim = world.shim(options=options)
    assert shim.end() == 2
    assert text in shim.process.stderr.read()
    assert not os.path.exists(os.path.join(shim.dir, "status"))


def test_without_a_ctl_socket(world):
    shim = world.shim()
    shim.running()
    done = subprocess.run([RUNTIME, "shim", "--id", secrets.token_hex(6), "--run-dir", str(world.path)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BOUND_SEC)
    assert done.returncode == 1
    assert "descriptor 3" in done.stderr


def test_a_failed_start_is_recorded(world):
    broken = Shim.__new__(Shim)
    path = world.path / "broken"
    path.mkdir()
    (path / "share").mkdir()
    broken.id, broken.dir = secrets.token_hex(6), str(path)
    spec = config(world.rootfs, "true", path / "share")
    spec["process"]["args"] = ["/bin/no-such-program"]
    (path / "config.json").write_text(json.dumps(spec))
    failed = world.shim(run=broken, log=world.path / "log")
    assert failed.end() == 0
    status = failed.status()
    assert status["phase"] == FAILED
    assert "/bin/no-such-program" in status["error"]
    assert status["error_code"] == 2 and status["error_errno"] == errno.ENOENT


# --- the wire ---------------------------------------------------------------------------------------------------------


def test_a_newer_client_replaces_the_older(world):
    shim = world.shim()
    shim.running()
    old = shim.client
    shim.running()
    assert old.recv(100) == b""
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS


def test_a_probe_of_a_client_that_went_is_given_up(world):
    shim = world.shim()
    shim.running()
    shim.order(1, EXEC, ["busybox", "sleep", "1000"])
    until("the probe runs", lambda: "busybox" in shim.children())
    shim.client.close()
    shim.running()
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS


def test_clients_of_other_versions(world):
    shim = world.shim("trap 'exit 9' TERM; echo ready > /share/ready; while :; do sleep 0.1; done")
    for version in (0, 2, 99):
        hello = struct.pack("=HHI", version, HELLO, 8 + version) + b"\1" * version
        shim.connect(hello)
        assert shim.phase(RUNNING)
    shim.wait_share("ready")
    # What an older client could not say yet is missing at the end; what a newer one adds is not looked at.
    text = b"/bin/true\0"
    shim.send(PROBE, struct.pack("=QQII", 7, 10**7, EXEC, len(text)) + text + b"more\0fields", version=2)
    assert shim.wait_for(RESULT)["verdict"] == PASS
    shim.send(200, b"a type of the future", version=7)
    shim.send(SIGNAL, struct.pack("=i", signal.SIGTERM), version=0)
    assert shim.phase(EXITED)["exit_code"] == 9


@pytest.mark.parametrize("message", [
    b"x", struct.pack("=HHI", 1, HELLO, 9), struct.pack("=HHI", 1, SIGNAL, 8), struct.pack("=HHIi", 1, SIGNAL, 12, 65),
    struct.pack("=HHI", 1, PROBE, 8), struct.pack("=HHIQQII", 1, PROBE, 32, 1, 10**6, EXEC, 1000),
    struct.pack("=HHI", 1, HELLO, 20000) + b"x" * 19992,
])
def test_what_is_no_message_ends_the_connection_only(world, message):
    shim = world.shim()
    shim.running()
    shim.client.send(message)
    assert shim.receive() is None
    shim.running()
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS


def test_a_client_that_does_not_read_is_put_off(world):
    shim = world.shim()
    shim.running()
    shim.client.setblocking(False)
    hello = struct.pack("=HHI", 1, HELLO, 8)
    deadline = time.monotonic() + BOUND_SEC
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        while time.monotonic() < deadline:
            try:
                shim.client.send(hello)
            except BlockingIOError:
                select.select([], [shim.client], [], 0.1)
    shim.running()
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS


# --- probes -----------------------------------------------------------------------------------------------------------


def test_exec_probes_run_inside_as_the_container(world):
    shim = world.shim()
    status = shim.running()
    result = shim.probe(EXEC, ["/bin/sh", "-c", "id -u; echo $FROM; readlink /proc/self/ns/pid; readlink /proc/self/ns/user; exit 4"])
    assert result["verdict"] == FAIL and result["exit_code"] == 4
    uid, env, *links = result["output"].split()
    assert (uid, env) == ("1001", "config")
    assert links == [os.readlink("/proc/%d/ns/%s" % (status["container_pid"], n)) for n in ("pid", "user")]
    result = shim.probe(EXEC, ["/bin/grep", "-E", "^(CapEff|NoNewPrivs|Sig(Ign|Blk|Cgt))", "/proc/self/status"])
    none = "0000000000000000"
    assert result["output"].split() == ["SigBlk:", none, "SigIgn:", none, "SigCgt:", none, "CapEff:", none, "NoNewPrivs:", "1"]
    # A process group of its own: what it sends to its group reaches nobody else.
    pid, group = shim.probe(EXEC, ["/bin/sh", "-c", "echo $$; cut -d ' ' -f 5 /proc/$$/stat"])["output"].split()
    assert pid == group != "0"


def what_it_may(status):
    """The lines of a process' status that say who it is and what it may do."""
    return re.findall(r"^((?:Uid|Gid|Groups|Cap\w+|NoNewPrivs|Seccomp\w*|Umask):.*?)\s*$", status, re.M)


@pytest.mark.parametrize("no_new_privs", (True, False))
def test_an_exec_probe_may_what_the_container_may(world, no_new_privs):
    """With what the shim has kept of config.json, and, when the file has said other things since, without looking at it."""
    def change(config):
        process = config["process"]
        process.update(noNewPrivileges=no_new_privs, cwd="/tmp", rlimits=[{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}])
        process["user"].update(additionalGids=[5, 6], umask=0o37)
        process["capabilities"] = {name: ["CAP_CHOWN", "CAP_KILL"] for name in ("bounding", "permitted", "effective", "inheritable", "ambient")}
        config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["sync"], "action": "SCMP_ACT_ERRNO"}]}

    shim = world.shim(change=change)
    first = "/proc/%d/" % shim.running()["container_pid"]
    for _ in range(2):
        answer = shim.probe(EXEC, ["/bin/grep", "-E", "^(Uid|Gid|Groups|NoNew|Seccomp|Umask)", "/proc/self/status"])
        assert answer["verdict"] == PASS, answer
        of_first = what_it_may(read(first + "status"))
        assert [line.split() for line in what_it_may(answer["output"])] == [line.split() for line in of_first if not line.startswith("Cap")]
        caps = shim.probe(EXEC, ["/bin/grep", "^Cap", "/proc/self/status"])["output"]
        assert [line.split() for line in what_it_may(caps)] == [line.split() for line in of_first if line.startswith("Cap")]
        assert shim.probe(EXEC, ["/bin/sh", "-c", "pwd; ulimit -n; ulimit -c"])["output"].split() == ["/tmp", "77", "0"]
        of_shell = {"PWD=/tmp", "SHLVL=1"}
        assert set(shim.probe(EXEC, ["/bin/env"])["output"].split()) == set(read(first + "environ").split("\0")) - of_shell - {""}
        with open(os.path.join(shim.dir, "config.json"), "w") as f:
            f.write("{}")


def test_a_probe_is_who_the_container_was_at_its_start(world):
    """The image's word: not that of a file that lies over it, and not what the container has written since."""
    passwd = world.path / "passwd"
    passwd.write_text("root:x:0:0::/:/bin/sh\nuser:x:77:88::/tmp:/bin/sh\n")
    os.chmod(passwd, 0o644)

    def change(config):
        config["annotations"] = {"org.cleat.user": "user"}
        config["mounts"].append({"destination": "/etc/passwd", "type": "bind", "source": str(passwd), "options": ["bind", "ro"]})

    shim = world.shim(change=change)
    first = read("/proc/%d/status" % shim.running()["container_pid"])
    answer = shim.probe(EXEC, ["/bin/sh", "-c", "id -u; id -g; echo $HOME; grep -c :77: /etc/passwd"])
    assert answer["output"].split() == ["1001", "1001", "/", "1"]
    assert re.search(r"^Uid:\s+1001\s", first, re.M)


def test_output_that_comes_between_two_probes_is_nobodys(world):
    """A process of the container opens the first probe's output by its name in /proc and keeps it."""
    shim = world.shim("until [ -s /share/pid ]; do sleep 0.1; done; read pid </share/pid; exec 4>/proc/$pid/fd/1; touch /share/open;"
                      "until [ -e /share/now ]; do sleep 0.1; done; echo forged >&4; touch /share/written; sleep 1000")
    shim.running()
    first = shim.probe(EXEC, ["/bin/sh", "-c", "echo first; echo $$ >/share/.pid; mv /share/.pid /share/pid; until [ -e /share/open ]; do sleep 0.1; done"])
    assert (first["verdict"], first["output"]) == (PASS, "first\n")
    open(os.path.join(shim.share, "now"), "w").close()
    until("it has written", lambda: os.path.exists(os.path.join(shim.share, "written")))
    assert shim.probe(EXEC, ["/bin/echo", "second"])["output"] == "second\n"
    assert shim.probe(EXEC, ["/bin/true"])["output"] == ""


def test_exec_probe_verdicts(world):
    shim = world.shim()
    shim.running()
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS
    assert shim.probe(EXEC, ["true"])["verdict"] == PASS
    result = shim.probe(EXEC, ["/bin/sh", "-c", "kill -9 $$"])
    assert (result["verdict"], result["exit_code"]) == (FAIL, 137)
    result = shim.probe(EXEC, ["/no/such/program", "x"])
    assert result["verdict"] == ERROR and "/no/such/program" in result["output"]
    result = shim.probe(EXEC, ["/etc/passwd"])
    assert result["verdict"] == ERROR and "/etc/passwd" in result["output"]
    result = shim.probe(EXEC, ["/bin/sh", "-c", "seq 100000; seq 100000 >&2"])
    assert result["verdict"] == PASS and len(result["output"]) == 500 and result["output"].startswith("1\n2\n3\n")


def test_a_probe_is_ended_at_its_deadline_with_all_its_children(world):
    shim = world.shim()
    shim.running()
    command = "echo begun; setsid sh -c 'echo $$ > /share/child; exec sleep 1000' & sleep 1000"
    result = shim.probe(EXEC, ["/bin/sh", "-c", command], timeout_sec=1)
    assert result["verdict"] == TIMEOUT and result["output"] == "begun\n" and result["took"] >= 10**6
    shim.wait_dead("child")


def test_what_a_probe_leaves_behind_is_ended(world):
    shim = world.shim()
    shim.running()
    for _ in range(3):
        result = shim.probe(EXEC, ["/bin/sh", "-c", "sleep 1000 & echo $! > /share/child"])
        assert result["verdict"] == PASS
        shim.wait_dead("child")


def test_one_probe_at_a_time_and_cancel(world):
    shim = world.shim()
    shim.running()
    shim.order(1, EXEC, ["/bin/sleep", "1000"])
    shim.order(2, EXEC, ["/bin/true"])
    assert shim.wait_for(RESULT)["order"] == 2
    shim.send(PROBE_CANCEL)
    result = shim.wait_for(RESULT)
    assert (result["order"], result["verdict"]) == (1, CANCELLED)
    shim.send(PROBE_CANCEL)  # nothing to cancel
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS


def test_probes_leave_no_cgroup_behind(world):
    # Then a restart needs no process that clears up: whoever ends the run removes one empty folder.
    shim = world.shim("trap 'exit 0' TERM; echo ready > /share/ready; while :; do sleep 0.1; done")
    shim.running()
    shim.wait_share("ready")
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS
    assert [name for name in os.listdir(shim.cgroup) if name.startswith("cleat-probe-")]
    shim.signal(signal.SIGTERM)
    shim.phase(EXITED)
    shim.end()
    assert not [name for name in os.listdir(shim.cgroup) if name.startswith("cleat-probe-")]


def test_the_end_of_the_container_ends_its_probe(world):
    shim = world.shim("trap 'exit 0' TERM; echo ready > /share/ready; while :; do sleep 0.1; done")
    shim.running()
    shim.wait_share("ready")
    shim.order(5, EXEC, ["busybox", "sleep", "1000"])
    until("the probe runs", lambda: "busybox" in shim.children())
    shim.signal(signal.SIGTERM)
    result = shim.wait_for(RESULT)
    # Whichever the shim sees first: the namespace's end killed the probe, or the container's end cancelled it.
    assert result["order"] == 5 and result["verdict"] in (CANCELLED, FAIL)
    assert shim.phase(EXITED)["exit_code"] == 0


# busybox's sh ignores it by itself.
SIGQUIT_BIT = 1 << (signal.SIGQUIT - 1)
HTTPD = "busybox httpd -f -p 127.0.0.1:8000 -h /www"


def test_http_and_tcp_probes_in_the_containers_network(world):
    shim = world.shim(HTTPD)
    shim.running()
    until("httpd answers", lambda: shim.probe(TCP, "tcp://127.0.0.1:8000")["verdict"] == PASS)
    result = shim.probe(HTTP, "http://127.0.0.1:8000/health")
    assert result["verdict"] == PASS and re.fullmatch(r"HTTP/1\.[01] 200 OK", result["output"])
    assert shim.probe(HTTP, "http://localhost:8000/health?x=1")["verdict"] == PASS
    result = shim.probe(HTTP, "http://127.0.0.1:8000/none")
    assert result["verdict"] == FAIL and " 404 " in result["output"]
    result = shim.probe(HTTP, "http://127.0.0.1:8001/")
    assert (result["verdict"], result["output"]) == (FAIL, "connect to 127.0.0.1:8001: Connection refused")
    assert shim.probe(TCP, "tcp://[::1]:8000")["verdict"] == FAIL
    for url, text in (("http://example.com/", "only IPv4, [IPv6] addresses and localhost"), ("https://127.0.0.1/", "https://"),
                      ("tcp://127.0.0.1", "port"), ("http://a@127.0.0.1/", "user name")):
        result = shim.probe(HTTP if url.startswith("http") else TCP, url)
        assert result["verdict"] == ERROR and text in result["output"]


def test_the_containers_network_is_not_ours(world):
    server = socket.create_server(("127.0.0.1", 0))
    shim = world.shim()
    shim.running()
    assert shim.probe(TCP, "tcp://127.0.0.1:%d" % server.getsockname()[1])["verdict"] == FAIL
    host = world.shim(network=False)
    host.running()
    assert host.probe(TCP, "tcp://127.0.0.1:%d" % server.getsockname()[1])["verdict"] == PASS
    server.close()


def serve(answer):
    """A listener of ours that gives one answer; for containers with the host's network."""
    server = socket.create_server(("127.0.0.1", 0))
    pid = os.fork()
    if pid == 0:
        try:
            while True:
                connection, _ = server.accept()
                connection.recv(4096)
                for part in answer:
                    connection.sendall(part)
                if not answer:
                    time.sleep(1000)
                connection.close()
        finally:
            os._exit(0)
    url = "http://127.0.0.1:%d/" % server.getsockname()[1]
    server.close()
    return pid, url


@pytest.mark.parametrize("answer, verdict, output", [
    ([b"HTTP/1.1 20", b"4 No", b" Content\r\n\r\n"], PASS, "HTTP/1.1 204 No Content"),
    ([b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n"], PASS, "HTTP/1.1 302 Found"),
    ([b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 503 Busy\r\n\r\n"], FAIL, "HTTP/1.1 503 Busy"),
    ([b"SSH-2.0-OpenSSH_9.2\r\n"], FAIL, "not an HTTP answer: SSH-2.0-OpenSSH_9.2"),
    ([b"HTTP/1.1 2x0 OK\r\n"], FAIL, "not an HTTP answer: HTTP/1.1 2x0 OK"),
    ([b"x" * 9000], FAIL, "no status line within 8192 bytes"),
    ([b"HTTP/1.1 200"], FAIL, "connection closed before a status line came"),
    ([b"HTTP/1.1 200 " + b"y" * 4000 + b"\r\n\r\n"], PASS, "HTTP/1.1 200 " + "y" * 423),
])
def test_what_servers_answer(world, answer, verdict, output):
    pid, url = serve(answer)
    try:
        shim = world.shim(network=False)
        shim.running()
        result = shim.probe(HTTP, url)
        assert (result["verdict"], result["output"]) == (verdict, output)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_silent_server_and_what_the_probe_may_do_meanwhile(world):
    pid, url = serve([])
    try:
        shim = world.shim(network=False)
        shim.running()
        shim.order(1, HTTP, url)
        child = until("the probe runs", lambda: shim.children().get("cleat-probe"))
        status = until("it is confined", lambda: (lambda s: s if "Seccomp:\t2" in s else "")(read("/proc/%d/status" % child)))
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert fields["Uid"].split() == ["65004"] * 4 and fields["Groups"].strip() == ""
        assert fields["CapEff"] == fields["CapPrm"] == fields["CapBnd"] == "0000000000000000"
        assert fields["NoNewPrivs"] == "1"
        shim.send(PROBE_CANCEL)
        assert shim.wait_for(RESULT)["verdict"] == CANCELLED
        assert shim.probe(HTTP, url, timeout_sec=0.5)["verdict"] == TIMEOUT
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_orders_that_cannot_be_run_get_a_result(world):
    shim = world.shim()
    shim.running()
    for kind, timeout, text in ((EXEC, 10**6, b""), (9, 10**6, b"x\0"), (EXEC, 0, b"/bin/true\0"), (EXEC, 10**6, b"/bin/true"),
                                (HTTP, 10**6, b"http://1.2.3.4\0/\0"), (EXEC, 10**6, b"\0x\0"), (EXEC, 10**6, b"x\0" * 300)):
        shim.send(PROBE, struct.pack("=QQII", 77, timeout, kind, len(text)) + text)
        result = shim.wait_for(RESULT)
        assert (result["order"], result["verdict"]) == (77, ERROR)


# --- output -----------------------------------------------------------------------------------------------------------


def test_output_is_in_the_log(world):
    shim = world.shim("echo out; echo err >&2; printf unfinished", log=world.path / "log")
    shim.phase(EXITED)
    shim.end()
    until("the writer has written", lambda: len(shim.lines()) == 3)
    # Each stream is in order; between two pipes there is none.
    assert [text for stream, text in shim.lines() if stream == "stdout"] == ["out", "unfinished"]
    assert [text for stream, text in shim.lines() if stream == "stderr"] == ["err"]
    for name in ("current", "lock"):
        assert os.stat(os.path.join(shim.log, name)).st_uid == 65005


def test_the_writer_has_nothing_but_its_directory(world):
    shim = world.shim(log=world.path / "log")
    shim.running()
    pid = shim.writer()
    status = until("it is confined", lambda: (lambda s: s if "Seccomp:\t2" in s else "")(read("/proc/%d/status" % pid)))
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["65005"] * 4 and fields["Groups"].strip() == ""
    assert fields["CapEff"] == fields["CapPrm"] == fields["CapBnd"] == "0000000000000000"
    targets = until("its files are open", lambda: (lambda t: t if len(t) == 5 else None)(
        sorted(os.readlink("/proc/%d/fd/%s" % (pid, n)) for n in os.listdir("/proc/%d/fd" % pid))))
    assert [t.split(":")[0] for t in targets] == [shim.log, shim.log + "/current", shim.log + "/lock", "anon_inode", "pipe"]


AWK_LINES = "BEGIN { for (i = 0; i < %d; i++) printf \"%%099d\\n\", i }"


def check_sequence(lines, total):
    """Numbered lines: gaps are exactly what the notes say. Returns (first kept, dropped)."""
    numbers, dropped, expected = [], 0, None
    for _, text in lines:
        note = NOTE.fullmatch(text)
        if note:
            dropped += int(note.group(1))
            if expected is not None:
                expected += int(note.group(1))
            continue
        number = int(text)
        assert len(text) == 99
        assert expected is None or number == expected, "line %d where %d was to come" % (number, expected)
        expected = number + 1
        numbers.append(number)
    # What was dropped last is told at the end as well.
    assert expected == total
    return numbers[0], dropped


def test_a_hundred_mebibytes_of_numbered_lines(world):
    total = 1048576  # of 100 bytes
    shim = world.shim("exec awk '%s'" % (AWK_LINES % total), log=world.path / "log")
    shim.phase(RUNNING)
    writer = shim.writer()
    status = shim.phase(EXITED)
    assert status["exit_code"] == 0
    wait_end(writer)
    sizes = {name: os.stat(os.path.join(shim.log, name)).st_size for name in os.listdir(shim.log)}
    assert sorted(sizes) == ["1", "2", "current", "lock"]
    limit = 10 * 1024 * 1024
    for name in ("1", "2"):
        assert limit - 141 < sizes[name] <= limit
    assert sizes["current"] <= limit
    lines = shim.lines()
    first, dropped_in_kept = check_sequence(lines, total)
    # Kept + rotated away + dropped = all; what was dropped in rotated files is known only to the record.
    assert dropped_in_kept <= status["dropped_lines"]
    kept = len([1 for _, text in lines if not NOTE.fullmatch(text)])
    assert kept + dropped_in_kept + first == total
    assert status["dropped_bytes"] == status["dropped_lines"] * 99
    assert status["log_error"] == ""
    print("dropped %d of %d lines" % (status["dropped_lines"], total))


def test_a_stalled_disk_stalls_nobody(world):
    """The writer is stopped: the container floods on, probes run, the record counts; when it goes on, every gap is told."""
    total = 100000
    shim = world.shim("echo 1 > /share/ready; until [ -r /share/go ]; do sleep 0.02; done; read x < /share/go; awk '%s'; echo done > /share/done; read x < /share/go; exit 6"
                      % (AWK_LINES % total), log=world.path / "log")
    os.mkfifo(os.path.join(shim.share, "go"))
    os.chmod(os.path.join(shim.share, "go"), 0o666)
    shim.running()
    shim.wait_share("ready")
    writer = shim.writer()
    until("its files are open", lambda: os.path.exists(os.path.join(shim.log, "current")))
    os.kill(writer, signal.SIGSTOP)
    until("it is stopped", lambda: ") T " in read("/proc/%d/stat" % writer))
    with open(os.path.join(shim.share, "go"), "w") as f:
        f.write("go\n")
    # The container gets through all of its output although not a byte goes to disk.
    shim.wait_share("done")
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS
    status = shim.wait_for(STATE, lambda s: s["dropped_lines"] > 0)
    until("the counters settle", lambda: shim.status()["dropped_lines"] > total - 262144 // 140 - 2)
    os.kill(writer, signal.SIGCONT)
    with open(os.path.join(shim.share, "go"), "w") as f:
        f.write("go\n")
    status = shim.phase(EXITED)
    assert status["exit_code"] == 6
    wait_end(writer)
    lines = shim.lines()
    first, dropped = check_sequence(lines, total)
    assert first == 0
    assert dropped == status["dropped_lines"] == total - (len(lines) - len([1 for _, t in lines if NOTE.fullmatch(t)]))
    assert status["dropped_bytes"] == dropped * 99


def test_a_stopped_writer_delays_neither_stop_nor_exit_code(world):
    shim = world.shim("trap 'exit 8' TERM; echo ready > /share/ready; while :; do echo line; done", log=world.path / "log")
    shim.running()
    shim.wait_share("ready")
    writer = shim.writer()
    os.kill(writer, signal.SIGSTOP)
    shim.wait_for(STATE, lambda s: s["dropped_lines"] > 0)
    shim.signal(signal.SIGTERM)
    assert shim.phase(EXITED)["exit_code"] == 8
    assert shim.end() == 0
    os.kill(writer, signal.SIGCONT)
    wait_end(writer)


def test_the_next_writer_waits_for_the_one_before(world):
    log = world.path / "log"
    first = world.shim("echo ready > /share/ready; until [ -r /share/go ]; do sleep 0.02; done; read x < /share/go; seq 1 100; exit 0", log=log)
    os.mkfifo(os.path.join(first.share, "go"))
    os.chmod(os.path.join(first.share, "go"), 0o666)
    first.running()
    first.wait_share("ready")
    writer = first.writer()
    until("its files are open", lambda: os.path.exists(os.path.join(first.log, "current")))
    os.kill(writer, signal.SIGSTOP)
    with open(os.path.join(first.share, "go"), "w") as f:
        f.write("go\n")
    first.phase(EXITED)
    first.end()
    second = world.shim("seq 101 200", log=log)
    second.phase(EXITED)
    second.end()
    assert second.lines() == []
    os.kill(writer, signal.SIGCONT)
    until("all is written", lambda: len(second.lines()) == 200)
    assert [text for _, text in second.lines()] == [str(n) for n in range(1, 201)]
    wait_end(writer)


def test_what_was_in_the_ring_survives_the_shim(world):
    shim = world.shim("echo ready > /share/ready; until [ -r /share/go ]; do sleep 0.02; done; read x < /share/go; seq 1 500; echo done > /share/done; sleep 1000",
                      log=world.path / "log")
    os.mkfifo(os.path.join(shim.share, "go"))
    os.chmod(os.path.join(shim.share, "go"), 0o666)
    shim.running()
    shim.wait_share("ready")
    writer = shim.writer()
    until("its files are open", lambda: os.path.exists(os.path.join(shim.log, "current")))
    os.kill(writer, signal.SIGSTOP)
    with open(os.path.join(shim.share, "go"), "w") as f:
        f.write("go\n")
    shim.wait_share("done")
    # An answer to a later order proves that the output before it has been read.
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS
    shim.process.kill()
    shim.end()
    os.kill(writer, signal.SIGCONT)
    wait_end(writer)
    assert [text for _, text in shim.lines()] == [str(n) for n in range(1, 501)]


def test_a_killed_writer_is_replaced(world):
    shim = world.shim("echo one; echo ready > /share/ready; until [ -r /share/go ]; do sleep 0.02; done; read x < /share/go; echo two; sleep 1000", log=world.path / "log")
    os.mkfifo(os.path.join(shim.share, "go"))
    os.chmod(os.path.join(shim.share, "go"), 0o666)
    shim.running()
    shim.wait_share("ready")
    until("the line is written", lambda: os.path.exists(os.path.join(shim.log, "current")) and len(shim.lines()) == 1)
    writer = shim.writer()
    os.kill(writer, signal.SIGKILL)
    with open(os.path.join(shim.share, "go"), "w") as f:
        f.write("go\n")
    until("the next writer has written", lambda: len(shim.lines()) == 2)
    assert [text for _, text in shim.lines()] == ["one", "two"]
    assert shim.writer() != writer
    assert shim.status()["dropped_lines"] == 0


def test_a_log_directory_that_cannot_be_made(world):
    (world.path / "file").write_text("in the way")
    shim = world.shim("seq 1 10; echo ready > /share/ready; sleep 1000", log=world.path / "file" / "log")
    shim.running()
    shim.wait_share("ready")
    status = shim.wait_for(STATE, lambda s: s["dropped_lines"] == 10)
    assert status["phase"] == RUNNING and status["error"] == ""
    assert "/file" in status["log_error"] and "not a folder" in status["log_error"]
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS


def test_without_a_log_output_goes_nowhere(world):
    shim = world.shim("seq 1 100000; exit 2")
    assert shim.phase(EXITED)["exit_code"] == 2
    assert shim.status()["log_error"] == ""


def test_an_idle_shim_is_small(world):
    shim = world.shim("echo hello; sleep 1000", log=world.path / "log")
    shim.running()
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS

    def pss():
        rollup = read("/proc/%d/smaps_rollup" % shim.process.pid)
        return int(re.search(r"^Pss: *(\d+) kB", rollup, re.M).group(1))

    until("PSS falls to 100 KiB or less: %d KiB" % pss(), lambda: pss() <= 100)

