# SPDX-License-Identifier: Apache-2.0
"""Programs in running containers: by the command, by a terminal, by Docker's client and by plain HTTP."""
import ctypes
import fcntl
import http.client
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import termios
import time

import pytest

from appliance import BOUND_SEC as BOUND
from appliance import CLEAT, IDLE, unit, wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="containers need root here")

BOX = "localhost/box:latest"
MAX_SESSIONS = 16


def box_unit(container="", command=IDLE, **keywords):
    return unit(image=BOX, container=container + '\nExec=/bin/sh -c "%s"' % command, **keywords)


def start_box(boot, box_image, units, secrets=None):
    machine = boot(units=units, images=(), start=False)
    machine.add_image("box", box_image)
    for name, value in (secrets or {}).items():
        os.makedirs(os.path.join(machine.config, "secrets"), exist_ok=True)
        with open(os.path.join(machine.config, "secrets", name), "w") as f:
            f.write(value)
    return machine.start()


@pytest.fixture
def box(boot, box_image):
    machine = start_box(boot, box_image, {
        "web": box_unit("Environment=FROM=unit\nSecret=word,type=env,target=WORD\nWorkingDir=/tmp"),
        "app": box_unit("User=1001:1001"),
    }, {"word": "of-the-secret"})
    for name in ("systemd-web", "systemd-app"):
        machine.wait_unit(name, state="up")
    return machine


def command(machine, *words):
    return [CLEAT, "--socket", machine.socket, "exec", *words]


def run(machine, *words, data=None, **keywords):
    done = subprocess.run(command(machine, *words), input=data, stdin=subprocess.DEVNULL if data is None else None,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=BOUND, **keywords)
    return done.returncode, done.stdout, done.stderr


# --- without a terminal ------------------------------------------------------------------------------------------------------


def test_output_and_exit_codes(box):
    assert run(box, "systemd-web", "echo", "hello") == (0, b"hello\n", b"")
    assert run(box, "systemd-web", "sh", "-c", "echo out; echo err >&2; exit 7") == (7, b"out\n", b"err\n")
    assert run(box, "systemd-web", "sh", "-c", "kill -9 $$")[0] == 137
    code, out, err = run(box, "systemd-web", "/nowhere")
    assert (code, out) == (127, b"") and b"exec: /nowhere: No such file or directory" in err
    code, out, err = run(box, "systemd-web", "nowhere")
    assert (code, out) == (127, b"") and b"not in PATH" in err
    code, out, err = run(box, "systemd-web", "/etc/passwd")
    assert (code, out) == (126, b"") and b"Permission denied" in err
    code, out, err = run(box, "systemd-none", "true")
    assert (code, out) == (125, b"") and b"systemd-none" in err
    # What the program is called is its own business: its words are not ours.
    assert run(box, "systemd-web", "echo", "-h", "--help", "-t") == (0, b"-h --help -t\n", b"")
    assert run(box, "systemd-web")[0] == 2
    assert run(box, "-x", "systemd-web", "true")[0] == 2


def test_where_and_who_and_with_what(box):
    assert run(box, "systemd-web", "pwd")[1] == b"/tmp\n"
    assert run(box, "-w", "/etc", "systemd-web", "pwd")[1] == b"/etc\n"
    code, _, err = run(box, "-w", "/nowhere", "systemd-web", "pwd")
    assert code == 126 and b"workdir: /nowhere" in err
    code, _, err = run(box, "-w", "etc", "systemd-web", "pwd")
    assert code == 125 and b"WorkingDir: not an absolute path" in err
    out = run(box, "-e", "FROM=exec", "-e", "MORE=a=b", "systemd-web", "env")[1].decode().splitlines()
    assert {"FROM=exec", "MORE=a=b", "WORD=of-the-secret", "container=podman"} <= set(out)
    assert "FROM=unit" in run(box, "systemd-web", "env")[1].decode().splitlines()
    assert "WORD=mine" in run(box, "-e", "WORD=mine", "systemd-web", "env")[1].decode().splitlines()
    out = run(box, "-e", "HERE", "systemd-web", "sh", "-c", "echo $HERE", env=dict(os.environ, HERE="of this shell"))[1]
    assert out == b"of this shell\n"
    assert run(box, "systemd-web", "id", "-u")[1] == b"0\n"
    assert run(box, "systemd-app", "id", "-u")[1] == b"1001\n"
    assert run(box, "-u", "app", "systemd-web", "sh", "-c", "id -u; echo $HOME")[1].splitlines()[0] == b"1001"
    assert run(box, "-u", "0", "systemd-app", "id", "-u")[1] == b"0\n"
    code, _, err = run(box, "-u", "nobody-at-all", "systemd-web", "true")
    assert code in (125, 126) and b"nobody-at-all" in err


def status_of(machine, *words):
    out = run(machine, *words, "cat", "/proc/self/status")[1].decode()
    return dict(line.split(":\t", 1) for line in out.splitlines() if ":\t" in line)


def test_rights_are_those_of_the_container(box):
    inside = "/proc/%d/" % box.pid_of("systemd-web")
    with open(inside + "status") as f:
        first = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    same = status_of(box, "systemd-web")
    for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"):
        assert same[key] == first[key], key
    # Another user than root has nothing; root of a container whose user is nobody has what the container may have at most.
    other = status_of(box, "-u", "1001", "systemd-web")
    assert [int(other[key], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == [0, 0, 0, 0]
    assert other["CapBnd"] == first["CapBnd"] and other["Seccomp"] == "2"
    root = status_of(box, "-u", "root", "systemd-app")
    assert root["CapEff"] == root["CapPrm"] == root["CapBnd"] == first["CapBnd"]
    assert status_of(box, "systemd-app")["CapEff"] == "0" * 16


def test_it_runs_in_the_namespaces_and_the_cgroup_of_the_container(box):
    first = box.pid_of("systemd-web")
    client = subprocess.Popen(command(box, "-i", "systemd-web", "sh", "-c", "echo up; exec cat"), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    assert client.stdout.readline() == b"up\n"
    program, = wait_for("cat runs", lambda: box.processes("cat"))
    for name in ("mnt", "pid", "net", "uts", "ipc", "user", "cgroup"):
        assert os.readlink("/proc/%d/ns/%s" % (program, name)) == os.readlink("/proc/%d/ns/%s" % (first, name)), name
    for name in ("cgroup", "oom_score_adj"):
        with open("/proc/%d/%s" % (program, name)) as a, open("/proc/%d/%s" % (first, name)) as b:
            assert [line for line in a if line.startswith("0:") or name != "cgroup"] == \
                [line for line in b if line.startswith("0:") or name != "cgroup"]
    # Nothing of the appliance's is open in it.
    assert sorted(os.listdir("/proc/%d/fd" % program)) == ["0", "1", "2"]
    client.stdin.close()
    assert client.wait(BOUND) == 0


def test_input_and_its_end(box):
    data = os.urandom(1 << 20)
    code, out, err = run(box, "-i", "systemd-web", "cat", data=data)
    assert (code, err) == (0, b"") and out == data
    assert run(box, "-i", "systemd-web", "wc", "-c", data=data)[1].split() == [b"%d" % len(data)]
    # Without -i there is no input, whatever stands at the other end.
    assert run(box, "systemd-web", "cat", data=b"lost") == (0, b"", b"")
    # Who does not read it does not stop anything.
    assert run(box, "-i", "systemd-web", "true", data=data)[0] == 0


def test_much_output_is_whole_and_in_order(box):
    code, out, _ = run(box, "systemd-web", "sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")
    assert code == 0
    assert out == b"".join(b"line %d\n" % i for i in range(20000))


def test_a_background_child_does_not_hold_the_end(box):
    """It has the pipes, and lives as long as the container."""
    assert run(box, "systemd-web", "sh", "-c", "sleep 3600 & echo started") == (0, b"started\n", b"")
    # Nor one that writes without pause.
    code, out, _ = run(box, "systemd-web", "sh", "-c", "(while :; do echo again; done) & echo started; exit 3")
    assert code == 3 and b"started\n" in out


def test_detached(box):
    code, out, err = run(box, "-d", "systemd-web", "sh", "-c", "echo done > /tmp/mark; exit 5")
    assert (code, err) == (0, b"")
    session = out.decode().strip()
    assert re.fullmatch("[0-9a-f]{64}", session)

    def ended():
        status, body = box.api("GET", "/exec/%s/json" % session)
        return status == 200 and json.loads(body)["ExitCode"] is not None and json.loads(body)

    shown = wait_for("the session has ended", ended)
    assert (shown["ExitCode"], shown["Running"]) == (5, False)
    assert run(box, "systemd-web", "cat", "/tmp/mark")[1] == b"done\n"
    assert run(box, "-d", "systemd-web", "/nowhere")[0] == 127


def test_the_client_s_end_is_a_hangup(box):
    client = subprocess.Popen(command(box, "-i", "systemd-web", "sh", "-c", "echo $$ > /tmp/pid; echo up; exec sleep 3600"),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert client.stdout.readline() == b"up\n"
    number = run(box, "systemd-web", "cat", "/tmp/pid")[1].decode().strip()
    assert run(box, "systemd-web", "test", "-d", "/proc/" + number)[0] == 0
    client.terminate()
    assert client.wait(BOUND) == 128 + signal.SIGTERM
    wait_for("the program has ended", lambda: run(box, "systemd-web", "test", "-d", "/proc/" + number)[0] == 1)
    wait_for("the session has ended", lambda: not box.processes("cleat-exec"))


def test_a_client_that_does_not_read_stalls_nobody(box):
    client = subprocess.Popen(command(box, "systemd-web", "sh", "-c", "while :; do echo 0123456789; done"),
                              stdout=subprocess.PIPE)
    try:
        client.stdout.read(1)
        os.kill(client.pid, signal.SIGSTOP)
        for _ in range(3):
            assert run(box, "systemd-web", "echo", "hello") == (0, b"hello\n", b"")
        box.cleat("restart", "systemd-web")
    finally:
        os.kill(client.pid, signal.SIGCONT)
        client.kill()
        client.stdout.close()
        client.wait(BOUND)
    wait_for("no session is left", lambda: not box.processes("cleat-exec"))
    assert run(box, "systemd-web", "echo", "hello") == (0, b"hello\n", b"")


def test_the_number_of_sessions_is_bounded(box):
    clients = [subprocess.Popen(command(box, "-i", "systemd-web", "sh", "-c", "echo up; cat"), stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE) for _ in range(MAX_SESSIONS)]
    try:
        for client in clients:
            assert client.stdout.readline() == b"up\n"
        code, _, err = run(box, "systemd-web", "true")
        assert code == 125 and b"16 sessions are open in this container already" in err
        assert run(box, "systemd-app", "true")[0] == 0
        clients[0].stdin.close()
        assert clients[0].wait(BOUND) == 0
        wait_for("there is room again", lambda: run(box, "systemd-web", "true")[0] == 0)
    finally:
        for client in clients:
            client.stdin.close()
            client.stdout.close()
            client.wait(BOUND)


def test_a_container_that_does_not_run(box):
    box.cleat("stop", "systemd-app")
    code, _, err = run(box, "systemd-app", "true")
    assert code == 125 and b"is not running" in err


def test_the_container_s_end_ends_the_session(box):
    client = subprocess.Popen(command(box, "-i", "systemd-web", "sh", "-c", "echo up; cat"), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    assert client.stdout.readline() == b"up\n"
    box.cleat("stop", "systemd-web")
    assert client.wait(BOUND) == 137


def test_old_records_go(box):
    for _ in range(40):
        assert run(box, "systemd-web", "true")[0] == 0
    folder = "/proc/%d/root/run/cleat/c/%s" % (box.init_pid(), box.unit("systemd-web")["run_id"])
    wait_for("32 records are kept", lambda: len([n for n in os.listdir(folder) if n.startswith("exec-")]) == 32)


# --- with a terminal ---------------------------------------------------------------------------------------------------------


class Terminal:
    """cleat exec -it on a pseudo terminal of its own."""

    def __init__(self, machine, *words, size=(40, 100)):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "vt220"
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
            argv = command(machine, "-it", *words)
            os.execv(argv[0], argv)
        self.seen = b""

    def wait_for(self, text):
        deadline = time.monotonic() + BOUND
        while text not in self.seen:
            assert time.monotonic() < deadline, "%r is not in %r" % (text, self.seen)
            if select.select([self.fd], [], [], 1)[0]:
                try:
                    self.seen += os.read(self.fd, 4096)
                except OSError:
                    raise AssertionError("%r is not in %r" % (text, self.seen))
        head, self.seen = self.seen.split(text, 1)
        return head

    def type(self, text):
        os.write(self.fd, text)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def is_raw(self):
        return not termios.tcgetattr(self.fd)[3] & termios.ICANON

    def end(self):
        deadline = time.monotonic() + BOUND
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < deadline, self.seen
            if select.select([self.fd], [], [], 0.05)[0]:
                try:
                    self.seen += os.read(self.fd, 4096)
                except OSError:
                    pass


def size_of(machine, container="systemd-web", number=0):
    """Of the terminal inside, as the kernel has it."""
    fd = os.open("/proc/%d/root/dev/pts/%d" % (machine.pid_of(container), number), os.O_RDWR | os.O_NOCTTY)
    try:
        return struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, b"\0" * 8))[:2]
    finally:
        os.close(fd)


def test_a_terminal_with_size_and_job_control(box):
    t = Terminal(box, "systemd-web", "sh")
    t.type(b"echo $TERM end\r")
    t.wait_for(b"vt220 end\r\n")
    assert t.is_raw()
    assert size_of(box) == (40, 100)
    t.resize(50, 120)
    wait_for("the size has changed", lambda: size_of(box) == (50, 120))
    # ^C is for the program in the foreground, not for us and not for the shell inside.
    t.type(b"sh -c 'echo rea''dy; read x'\r")
    t.wait_for(b"ready\r\n")
    t.type(b"\x03")
    t.wait_for(b" # ")  # what is typed too early is thrown away with the interrupted line
    t.type(b"echo still $((40 + 2))\r")
    t.wait_for(b"still 42\r\n")
    t.type(b"sh -c 'echo go''ne; read x'\r")
    t.wait_for(b"gone\r\n")
    t.type(b"\x1a")
    t.wait_for(b" # ")
    t.type(b"jobs\r")
    t.wait_for(b"Stopped")
    t.type(b"fg; echo ba''ck\r")
    t.wait_for(b"read x\"\r\n")
    t.type(b"x\r")
    t.wait_for(b"back\r\n")
    t.type(b"exit 9\r")
    assert t.end() == 9


def test_the_terminal_is_given_back(box):
    # On one terminal: what it was like before and after is compared by stty itself.
    pid, fd = pty.fork()
    if pid == 0:
        os.execv("/bin/sh", ["sh", "-c", "a=$(stty -g); %s; b=$(stty -g); [ \"$a\" = \"$b\" ] && echo sa''me" %
                             " ".join(command(box, "-it", "systemd-web", "true"))])
    seen = b""
    try:
        while True:
            seen += os.read(fd, 4096)
    except OSError:
        pass
    os.waitpid(pid, 0)
    os.close(fd)
    assert b"same\r\n" in seen


def test_the_terminal_is_the_container_s_and_the_user_s(box):
    t = Terminal(box, "-u", "app", "systemd-web", "sh", "-c", "echo ok > /dev/pts/0; exec 3<>/dev/tty && echo ow''n; exec cat")
    t.wait_for(b"ok\r\nown\r\n")
    program, = wait_for("cat runs", lambda: box.processes("cat"))
    assert {os.readlink("/proc/%d/fd/%d" % (program, fd)) for fd in range(3)} == {"/dev/pts/0"}
    status = os.stat("/proc/%d/root/dev/pts/0" % program)
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (1001, 0o620)
    t.type(b"\x04")
    assert t.end() == 0


def test_a_lost_terminal_hangs_up(box):
    t = Terminal(box, "systemd-web", "sh")
    t.type(b"echo $$ > /tmp/pid; echo rea''dy\r")
    t.wait_for(b"ready\r\n")
    number = run(box, "systemd-web", "cat", "/tmp/pid")[1].decode().strip()
    os.close(t.fd)
    os.waitpid(t.pid, 0)
    wait_for("the shell has ended", lambda: run(box, "systemd-web", "test", "-d", "/proc/" + number)[0] == 1)


def hide_terminals(pid, how):
    """What a container's root may do that is allowed to mount: something else at the place of its /dev/pts/ptmx."""
    libc = ctypes.CDLL(None, use_errno=True)
    spaces = [os.open("/proc/%d/ns/%s" % (pid, name), os.O_RDONLY) for name in ("user", "mnt")]
    child = os.fork()
    if child == 0:
        rc = sum(libc.setns(fd, 0) for fd in spaces) + libc.setgid(0) + libc.setuid(0)
        rc += libc.mount(b"none", b"/dev/pts", b"tmpfs", 0, None)
        if how == "fifo":
            os.mkfifo("/dev/pts/ptmx")
        elif how == "file":
            os.close(os.open("/dev/pts/ptmx", os.O_CREAT | os.O_WRONLY))
        elif how == "link":
            os.symlink("/dev/null", "/dev/pts/ptmx")
        os._exit(rc != 0)
    for fd in spaces:
        os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("how", ["fifo", "file", "link", "nothing"])
def test_what_is_no_terminal_is_not_taken_for_one(box, how):
    hide_terminals(box.pid_of("systemd-web"), how)
    t = Terminal(box, "systemd-web", "sh")
    t.wait_for(b"No such file or directory" if how == "nothing" else b"the container has put something else there")
    assert t.end() in (125, 126)
    assert run(box, "systemd-web", "true")[0] == 0


# --- engines come and go -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["killed", "reloaded"])
def test_a_session_survives_the_engine(box, end):
    t = Terminal(box, "systemd-web", "sh")
    t.type(b"echo rea''dy\r")
    t.wait_for(b"ready\r\n")
    before = box.engine_pid()
    if end == "killed":
        os.kill(before, signal.SIGKILL)
        wait_for("another engine answers", lambda: box.ping() and box.engine_pid() != before)
    else:
        box.cleat("reload")
    t.type(b"echo still $((40 + 2))\r")
    t.wait_for(b"still 42\r\n")
    t.resize(33, 77)
    wait_for("the size has changed", lambda: size_of(box) == (33, 77))
    t.type(b"exit 3\r")
    assert t.end() == 3
    assert run(box, "systemd-web", "echo", "hello") == (0, b"hello\n", b"")


@pytest.mark.parametrize("end", ["killed", "reloaded"])
def test_a_session_that_was_created_can_be_started_with_the_next_engine(box, end):
    """Which is what "docker exec" does: two requests. It is started once only."""
    status, answer = create(box, Cmd=["sh", "-c", "echo $A; exit 6"], Env=["A=kept"], AttachStdout=True)
    assert status == 201
    before = box.engine_pid()
    if end == "killed":
        os.kill(before, signal.SIGKILL)
        wait_for("another engine answers", lambda: box.ping() and box.engine_pid() != before)
    else:
        box.cleat("reload")
    assert json.loads(box.api("GET", "/exec/%s/json" % answer["Id"])[1])["ProcessConfig"]["entrypoint"] == "sh"
    connection, response = ask(box, "POST", "/exec/%s/start" % answer["Id"], {})
    assert response.status == 200 and b"kept\n" in response.read()
    connection.close()
    wait_for("its code is known", lambda: json.loads(box.api("GET", "/exec/%s/json" % answer["Id"])[1])["ExitCode"] == 6)
    box.cleat("reload")
    connection, response = ask(box, "POST", "/exec/%s/start" % answer["Id"], {})
    assert response.status == 404
    connection.close()


def test_a_session_works_while_there_is_no_engine(box):
    client = subprocess.Popen(command(box, "-i", "systemd-web", "sh", "-c", "echo up; cat; exit 4"), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    assert client.stdout.readline() == b"up\n"
    engine = box.engine_pid()
    os.kill(engine, signal.SIGSTOP)
    try:
        client.stdin.write(b"across\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"across\n"
        client.stdin.close()
        assert client.wait(BOUND) == 4
    finally:
        os.kill(engine, signal.SIGCONT)


# --- Docker's client and plain HTTP ------------------------------------------------------------------------------------------


def docker(machine, *words, data=None):
    done = subprocess.run(["docker", "-H", "unix://" + machine.socket, *words], input=data,
                          stdin=subprocess.DEVNULL if data is None else None, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=BOUND, env=dict(os.environ, DOCKER_CONFIG=machine.dir))
    return done.returncode, done.stdout, done.stderr


@pytest.mark.skipif(not shutil.which("docker"), reason="Docker's client is not installed")
def test_docker_exec(box):
    assert docker(box, "exec", "systemd-web", "sh", "-c", "echo out; echo err >&2; exit 7") == (7, b"out\n", b"err\n")
    data = os.urandom(1 << 20)
    code, out, err = docker(box, "exec", "-i", "systemd-web", "cat", data=data)
    assert (code, err) == (0, b"") and out == data
    code, out, err = docker(box, "exec", "systemd-web", "/nowhere")
    assert code == 127 and b"No such file" in err
    code, out, err = docker(box, "exec", "-e", "A=b", "-w", "/etc", "-u", "1001", "systemd-web", "sh", "-c", "id -u; pwd; echo $A")
    assert out == b"1001\n/etc\nb\n"
    assert docker(box, "exec", "--privileged", "systemd-web", "true")[0] != 0


@pytest.mark.skipif(not shutil.which("docker"), reason="Docker's client is not installed")
def test_docker_exec_with_a_terminal(box):
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 41, 101, 0, 0))
        os.environ["DOCKER_CONFIG"] = box.dir
        os.execvp("docker", ["docker", "-H", "unix://" + box.socket, "exec", "-it", "systemd-web", "sh"])
    t = Terminal.__new__(Terminal)
    t.pid, t.fd, t.seen = pid, fd, b""
    t.type(b"echo rea''dy\r")
    t.wait_for(b"ready\r\n")
    wait_for("the size is Docker's", lambda: size_of(box) == (41, 101))
    t.resize(52, 122)
    wait_for("the size has changed", lambda: size_of(box) == (52, 122))
    t.type(b"exit 9\r")
    assert t.end() == 9


def ask(machine, method, path, body=None, headers=None):
    """The connection and the answer; the connection may have become a stream."""
    connection = http.client.HTTPConnection("localhost", timeout=BOUND)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(BOUND)
    connection.sock.connect(machine.socket)
    connection.request(method, path, body=None if body is None else json.dumps(body),
                       headers=dict({"Content-Type": "application/json"}, **(headers or {})))
    return connection, connection.getresponse()


def create(machine, name="systemd-web", **body):
    connection, response = ask(machine, "POST", "/v1.41/containers/%s/exec" % name, body)
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


@pytest.mark.parametrize("body, reason", [
    ({}, "No exec command specified"),
    ({"Cmd": []}, "No exec command specified"),
    ({"Cmd": [""]}, "No exec command specified"),
    ({"Cmd": "true"}, "Cmd: not a list"),
    ({"Cmd": ["a\0b"]}, "Cmd: not a list of texts"),
    ({"Cmd": ["true"], "Env": ["A"]}, "Env: \"A\" is not NAME=VALUE"),
    ({"Cmd": ["true"], "Privileged": True}, "Privileged is not supported"),
    ({"Cmd": ["true"], "Tty": "yes"}, "Tty: neither true nor false"),
    ({"Cmd": ["true"], "ConsoleSize": [1]}, "ConsoleSize: not a height and a width"),
    ({"Cmd": ["true"], "WorkingDir": "etc"}, "WorkingDir: not an absolute path"),
    ({"Cmd": ["x" * 20000]}, "what is to be run"),
    ({"Cmd": ["x"] * 1025}, "more than 1024"),
    ([], "no JSON object"),
])
def test_what_cannot_be_created(box, body, reason):
    connection, response = ask(box, "POST", "/containers/systemd-web/exec", body)
    assert response.status == 400 and reason in json.loads(response.read())["message"]
    connection.close()


def test_the_routes(box):
    status, answer = create(box, Cmd=["sh", "-c", "read line; echo got $line; exit 6"], AttachStdin=True, Privileged=False, Env=None)
    assert status == 201
    session = answer["Id"]
    shown = json.loads(box.api("GET", "/exec/%s/json" % session)[1])
    assert (shown["ID"], shown["Running"], shown["ExitCode"], shown["OpenStdin"]) == (session, False, None, True)
    assert shown["ProcessConfig"]["entrypoint"] == "sh" and shown["ProcessConfig"]["arguments"][0] == "-c"
    connection, response = ask(box, "POST", "/exec/%s/start" % session, {"Detach": False},
                               {"Connection": "Upgrade", "Upgrade": "tcp"})
    assert (response.status, response.getheader("Upgrade")) == (101, "tcp")
    assert json.loads(box.api("GET", "/exec/%s/json" % session)[1])["Running"] is True
    stream = connection.sock or response.fp.raw._sock
    stream.sendall(b"a line\n")
    data = b""
    while True:
        more = stream.recv(4096)
        if not more:
            break
        data += more
    assert data == b"\1\0\0\0\0\0\0\x0bgot a line\n"
    shown = wait_for("its end is known", lambda: (lambda now: now["Running"] is False and now)(json.loads(box.api("GET", "/exec/%s/json" % session)[1])))
    assert shown["ExitCode"] == 6
    connection.close()
    connection, response = ask(box, "POST", "/exec/%s/start" % session, {})
    assert response.status == 409
    connection.close()
    assert box.api("GET", "/exec/%s/json" % ("0" * 64))[0] == 404
    assert box.api("POST", "/exec/%s/start" % ("0" * 64))[0] == 404
    assert box.api("POST", "/exec/%s/resize?h=x&w=1" % session)[0] == 400
    assert box.api("GET", "/exec/short/json")[0] == 404
    # The record is the container's, not the engine's.
    before = box.engine_pid()
    os.kill(before, signal.SIGKILL)
    wait_for("another engine answers", lambda: box.ping() and box.engine_pid() != before)
    assert json.loads(box.api("GET", "/exec/%s/json" % session)[1])["ExitCode"] == 6


def test_a_session_that_is_killed_has_a_record(box):
    status, answer = create(box, Cmd=["sleep", "3600"])
    connection, response = ask(box, "POST", "/exec/%s/start" % answer["Id"], {}, {"Connection": "Upgrade", "Upgrade": "tcp"})
    assert response.status == 101
    os.kill(wait_for("its process has its name", lambda: box.processes("cleat-exec"))[0], signal.SIGKILL)
    wait_for("the record is complete", lambda: json.loads(box.api("GET", "/exec/%s/json" % answer["Id"])[1])["ExitCode"] == 137)
    connection.close()
    assert run(box, "systemd-web", "true")[0] == 0
