# SPDX-License-Identifier: Apache-2.0
"""The command line and the control socket against a real appliance: every command, Docker's client, curl, bad clients, a lost engine."""
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess

import pytest

from appliance import BUILD, CLEAT, IDLE, Appliance, unit, wait_for
from ociimage import busybox_of, write_box
from test_watch import stopped, the_watcher

OK, FAILED, USAGE, NO_ENGINE = 0, 1, 2, 125
# two processes that tell of USR1; "ready" is said when both listen
TWO_LISTEN = ("trap 'exit 0' TERM; trap 'echo first' USR1; (trap 'echo second' USR1; echo ready; while :; do sleep 0.1; done) & "
              "while :; do sleep 0.1; done")
DEAF = "trap '' TERM; while :; do sleep 0.1; done"


def script(text, container="", service="", **keywords):
    return unit("localhost/box:latest", 'Exec=/bin/sh -c "%s"\n' % text + container, service, **keywords)


UNITS = {
    "svc": script(IDLE, container="ContainerName=svc\nLabel=team=a\nReadOnly=true\n", service="Restart=always\n"),
    "one": script(IDLE),
    "two": script(IDLE),
    "talk": script("echo out 1; echo err 1 >&2; echo out 2; " + IDLE),
    "lines": script("echo a; echo b; echo c; " + IDLE),
    "count": script("trap 'exit 0' TERM; i=0; while :; do echo line $$i; i=$$((i+1)); sleep 0.05; done"),
    "evil": script(IDLE, container='HealthCmd=printf "\\033[31mEVIL\\302\\233J\\007"; exit 1\nHealthInterval=200ms\nHealthRetries=1\n'),
    "pair": script(TWO_LISTEN),
    "fail": script("echo dying; exit 3"),
    "deaf": script(DEAF, container="StopTimeout=300\n", service="TimeoutStopSec=300\n"),
    "never": unit("localhost/none:latest", install=False),
    "waits": script(IDLE, unit_lines="Requires=never.service\nAfter=never.service\n", install=False),
    "slowdb": script("sleep 1; touch /tmp/ok; " + IDLE, install=False,
                     container="Tmpfs=/tmp\nHealthCmd=test -e /tmp/ok\nHealthInterval=200ms\nNotify=healthy\n"),
    "app": script(IDLE, unit_lines="Requires=slowdb.service\nAfter=slowdb.service\n", install=False),
    "bad": "[Container]\nImage=localhost/box:latest\nNoSuchKey=1\n",
}


def make(directory, units, tmp):
    image = str(tmp / "box.tar")
    write_box(image, busybox_of(BUILD))
    appliance = Appliance(directory, units, images=())
    appliance.add_image("box", image)
    return appliance.start()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One appliance for all tests that leave it as they found it."""
    tmp = tmp_path_factory.mktemp("cli")
    appliance = make(tmp / "a", UNITS, tmp)
    try:
        for name in ("svc", "systemd-one", "systemd-two", "systemd-talk", "systemd-lines", "systemd-count", "systemd-deaf"):
            appliance.wait_unit(name, state="up")
        appliance.wait_unit("systemd-fail", state="failed")
        appliance.wait_unit("systemd-evil", health="unhealthy")
        wait_for_output(appliance, "talk", "out 2", "err 1")
        wait_for_output(appliance, "lines", "c\n")
        yield appliance
    finally:
        appliance.api("POST", "/containers/deaf/stop?t=0")  # or the appliance would wait for it
        appliance.close()


@pytest.fixture
def alone(tmp_path):
    """alone(units) gives an appliance that the test may break."""
    made = []

    def start(units):
        made.append(make(tmp_path / "a", units, tmp_path))
        return made[0]

    yield start
    for appliance in made:
        appliance.close()


def run(a, *args, stdin=subprocess.DEVNULL, env=None, seconds=90):
    """(exit code, stdout, stderr)"""
    done = subprocess.run([CLEAT, "--socket", a.socket] + list(args), stdin=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=seconds, env=env)
    return done.returncode, done.stdout, done.stderr


def wait_for_output(a, name, *parts):
    """Up is a container when it runs; what it prints arrives when it has got so far."""
    wait_for("output of " + name, lambda: all(part in "".join(run(a, "logs", name)[1:]) for part in parts))


def pid(a, name):
    return a.unit(name)["pid"]


# --- looking -------------------------------------------------------------------------------------------------------------


def test_ps_is_a_table_with_reasons(shared):
    code, out, err = run(shared, "ps")
    assert (code, err) == (OK, "")
    lines = out.splitlines()
    assert lines[0].split() == ["NAME", "STATE", "HEALTH", "SINCE", "PID", "EXIT", "RESTARTS", "PORTS", "IMAGE", "DETAIL"]
    rows = {line.split()[0]: line for line in lines[1:]}
    assert rows["svc"].split()[1] == "up" and "localhost/box:latest" in rows["svc"]
    assert rows["systemd-fail"].split()[1] == "failed" and "exited with code 3" in rows["systemd-fail"]
    assert "NoSuchKey" in rows["bad.container"]
    assert "systemd-never" not in rows
    code, out, _ = run(shared, "ps", "-a")
    assert "systemd-never" in out and code == OK


def test_ps_json_is_the_same_in_json(shared):
    code, out, _ = run(shared, "ps", "--format", "json")
    entries = {e["name"]: e for e in json.loads(out)}
    assert code == OK and entries["svc"]["state"] == "up" and entries["svc"]["pid"] == pid(shared, "svc")
    assert entries["systemd-fail"]["exit_code"] == 3
    assert "systemd-never" not in entries
    assert "systemd-never" in [e["name"] for e in json.loads(run(shared, "ps", "-a", "--format=json")[1])]


def test_status_says_why(shared):
    code, out, _ = run(shared, "status")
    assert code == OK and re.match(r"cleat [\d.]+ on \S+\n", out)
    code, out, err = run(shared, "status", "fail", "svc.service", "nobody")
    assert code == FAILED and 'no container "nobody"' in err
    assert "systemd-fail: failed" in out and "exited with code 3" in out and "svc: up" in out


def test_inspect_is_dockers_json(shared):
    code, out, _ = run(shared, "inspect", "svc")
    info = json.loads(out)
    assert code == OK and info["Name"] == "/svc"
    assert info["State"]["Running"] is True and info["State"]["Pid"] == pid(shared, "svc")
    assert info["HostConfig"]["ReadonlyRootfs"] is True and info["Config"]["Labels"]["team"] == "a"
    code, out, err = run(shared, "inspect", "nobody")
    assert (code, out) == (FAILED, "") and 'no container "nobody"' in err


def test_version_and_help(shared):
    code, out, _ = run(shared, "version")
    assert code == OK and re.match(r"cleat   [\d.]+\nengine  [\d.]+ at ", out)
    code, out, _ = run(shared, "help")
    commands = re.findall(r"^  (\S+) ", out, re.M)
    assert code == OK and {"ps", "logs", "start", "check"} <= set(commands)
    for command in commands:
        code, out, _ = run(shared, command, "--help")
        # The first word of several commands ("secret create", "secret ls") lists them.
        assert code == OK and out.startswith(("usage: cleat " + command, "usage: cleat [--socket PATH] %s COMMAND" % command))
    assert run(shared, "help", "nonsense")[0] == USAGE


def test_unknown_words_are_usage_errors(shared):
    code, _, err = run(shared, "strat", "svc")
    assert code == USAGE and 'did you mean "start"?' in err
    for words in (["start"], ["logs"], ["logs", "--nope", "svc"], ["kill", "-s", "NOPE", "svc"], ["ps", "x"], ["stop", "--now", "svc"]):
        code, out, err = run(shared, *words)
        assert code == USAGE and err and not out, (words, code, out, err)


# --- logs ----------------------------------------------------------------------------------------------------------------


def test_logs_keep_the_streams_apart(shared):
    code, out, err = run(shared, "logs", "talk")
    assert (code, out, err) == (OK, "out 1\nout 2\n", "err 1\n")
    assert set(run(shared, "logs", "systemd-fail")[1].splitlines()) == {"dying"}


def test_logs_tail_and_timestamps(shared):
    assert run(shared, "logs", "--tail", "1", "lines")[1] == "c\n"
    assert run(shared, "logs", "--tail=0", "lines")[1:] == ("", "")
    assert run(shared, "logs", "--tail=all", "lines")[1] == "a\nb\nc\n"
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z "
    _, out, err = run(shared, "logs", "-t", "talk")
    assert re.fullmatch("%sout 1\n%sout 2\n" % (stamp, stamp), out) and re.fullmatch(stamp + "err 1\n", err)


def test_logs_since_and_until(shared):
    stamps = [line.split()[0] for line in run(shared, "logs", "-t", "lines")[1].splitlines()]
    assert run(shared, "logs", "--since", "1d", "lines")[1] == "a\nb\nc\n"
    assert run(shared, "logs", "--until", "1d", "lines")[1] == ""
    assert run(shared, "logs", "--since", stamps[2], "lines")[1].endswith("c\n")
    assert run(shared, "logs", "--since", "2099-01-01", "lines")[1] == ""
    assert run(shared, "logs", "--until", stamps[0], "lines")[1].startswith("a\n")


def test_logs_follow_until_the_client_leaves(shared):
    # a background job of a shell begins with SIGINT ignored, and so would what the tests start
    follow = subprocess.Popen([CLEAT, "--socket", shared.socket, "logs", "-f", "--tail", "3", "count"], stdout=subprocess.PIPE, text=True,
                              preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        numbers = [int(follow.stdout.readline().split()[1]) for _ in range(8)]
        assert numbers == list(range(numbers[0], numbers[0] + 8))
        assert log_streams(shared)
        follow.send_signal(signal.SIGINT)
        follow.wait(60)
        wait_for("the worker has gone too", lambda: not log_streams(shared))
    finally:
        follow.kill()
        follow.wait()


def log_streams(a):
    """The workers behind clients that read logs."""
    found = []
    for process in a.processes("cleat"):
        try:
            with open("/proc/%d/cmdline" % process) as f:
                if "\0log-stream\0" in f.read():
                    found.append(process)
        except OSError:
            pass  # ended meanwhile
    return found


def test_logs_of_nobody(shared):
    code, out, err = run(shared, "logs", "nobody")
    assert (code, out) == (FAILED, "") and 'no container "nobody"' in err
    assert run(shared, "logs", "never") == (OK, "", "")  # never had any output


# --- doing ---------------------------------------------------------------------------------------------------------------


def test_stop_and_start_several_by_different_names(shared):
    code, out, err = run(shared, "stop", "one", "systemd-two")
    assert (code, out, err) == (OK, "one\nsystemd-two\n", "")
    assert shared.unit("systemd-one")["state"] == shared.unit("systemd-two")["state"] == "down"
    assert run(shared, "stop", "one")[0] == OK  # it is so already
    code, out, err = run(shared, "start", "one.service", "nobody", "two.container")
    assert (code, out) == (FAILED, "one.service\ntwo.container\n") and 'no container "nobody"' in err
    assert shared.unit("systemd-one")["state"] == shared.unit("systemd-two")["state"] == "up"
    assert run(shared, "start", "one")[0] == OK


def test_restart_gives_a_new_container(shared):
    before = pid(shared, "systemd-one")
    assert run(shared, "restart", "one")[:2] == (OK, "one\n")
    after = pid(shared, "systemd-one")
    assert after and after != before


def test_ids_and_run_ids_work_by_prefix(shared):
    identity = json.loads(run(shared, "inspect", "svc")[1])
    run_id = identity["Cleat"]["RunId"]
    for prefix in (identity["Id"], identity["Id"][:12], identity["Id"][:6], run_id, run_id[:8]):
        assert json.loads(run(shared, "inspect", prefix)[1])["Name"] == "/svc", prefix
        assert run(shared, "start", prefix)[0] == OK
        assert run(shared, "status", prefix)[1].startswith("svc: "), prefix


def test_kill_and_restart_policy(shared):
    before = shared.unit("svc")
    assert run(shared, "kill", "svc", "-s", "KILL")[:2] == (OK, "svc\n")
    shared.wait_unit("svc", restarts=before["restarts"] + 1, state="up")
    code, _, err = run(shared, "kill", "fail")
    assert code == FAILED and "is not running" in err
    before = pid(shared, "systemd-deaf")
    assert run(shared, "kill", "--signal=TERM", "deaf")[0] == OK  # it does not listen
    assert pid(shared, "systemd-deaf") == before


def test_a_signal_goes_to_the_first_process_or_to_all(shared):
    def heard(word):
        return run(shared, "logs", "pair")[1].splitlines().count(word)
    wait_for_output(shared, "pair", "ready")
    assert run(shared, "kill", "-s", "USR1", "pair")[0] == OK
    wait_for("the first process hears it", lambda: heard("first") == 1)
    assert shared.inside("/usr/bin/systemctl", "kill", "--kill-who=main", "-s", "USR1", "pair").strip() == "systemd-pair"
    wait_for("and again", lambda: heard("first") == 2)
    assert shared.inside("/usr/bin/systemctl", "kill", "-s", "USR1", "pair").strip() == "systemd-pair"
    wait_for("both hear it", lambda: (heard("first"), heard("second")) == (3, 1))
    assert run(shared, "kill", "--kill-whom", "cgroup", "pair")[0] == USAGE


def test_reset_failed_forgets(shared):
    shared.wait_unit("systemd-fail", state="failed")
    assert run(shared, "reset-failed", "fail")[:2] == (OK, "fail\n")
    assert shared.unit("systemd-fail")["state"] == "down"
    run(shared, "start", "fail")  # 0 or 1: it lives for a moment
    shared.wait_unit("systemd-fail", state="failed")


def test_start_that_cannot_succeed_says_why(shared):
    code, out, err = run(shared, "start", "never")
    assert (code, out) == (FAILED, "") and "localhost/none:latest" in err
    code, _, err = run(shared, "start", "bad")
    assert code == FAILED and "NoSuchKey" in err and ":3:" in err
    run(shared, "stop", "never")


def test_start_of_a_unit_that_waits_in_vain_ends_at_once(shared):
    code, out, err = run(shared, "start", "waits")
    assert (code, out) == (FAILED, "")
    assert re.search(r"container systemd-waits is waiting: waiting for systemd-never", err), err
    assert run(shared, "stop", "waits", "never")[0] == OK


def test_start_waits_for_dependencies_on_their_way(shared):
    try:
        assert run(shared, "start", "app")[:2] == (OK, "app\n")
        assert shared.unit("systemd-app")["state"] == "up"
        assert shared.unit("systemd-slowdb")["health"] == "healthy"
    finally:
        run(shared, "stop", "app", "slowdb")


def test_contrary_orders(shared):
    """A stop that somebody takes back ends with that news."""
    stop = subprocess.Popen([CLEAT, "--socket", shared.socket, "stop", "deaf"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    start = None
    try:
        shared.wait_unit("systemd-deaf", state="stopping")
        start = subprocess.Popen([CLEAT, "--socket", shared.socket, "start", "deaf"])
        _, err = stop.communicate(timeout=60)
        assert stop.returncode == FAILED and "asked to start meanwhile" in err
        assert run(shared, "kill", "deaf")[0] == OK
        assert start.wait(60) == OK
        assert shared.unit("systemd-deaf")["state"] == "up"
    finally:
        for process in (stop, start):
            if process and process.poll() is None:
                process.kill()
                process.wait()


# --- terminals -----------------------------------------------------------------------------------------------------------


def on_terminal(a, *args, **env):
    """What a command prints on a terminal."""
    master, slave = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
    process = subprocess.Popen([CLEAT, "--socket", a.socket] + list(args), stdin=slave, stdout=slave, stderr=slave,
                               env=dict(environment, **env))
    os.close(slave)
    data = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # EIO: the last process has closed it
            break
        if not piece:
            break
        data += piece
    os.close(master)
    assert process.wait(60) == OK
    return data


def controls(data):
    """Bytes that a terminal obeys, our own colours and line ends left out."""
    plain = re.sub(rb"\033\[(3[123]|0)m", b"", data).replace(b"\r\n", b"")
    return re.findall(rb"[\0-\x1f\x7f]|\xc2[\x80-\x9f]", plain)


def test_colours_only_where_they_are_wanted(shared):
    assert b"\033[32mup\033[0m" in on_terminal(shared, "ps", TERM="xterm")
    assert b"\033" not in on_terminal(shared, "ps", TERM="xterm", NO_COLOR="1")
    assert b"\033" not in on_terminal(shared, "ps", TERM="dumb")
    assert "\033" not in run(shared, "ps", env=dict(os.environ, TERM="xterm"))[1]


def test_control_bytes_of_a_container_do_not_reach_the_terminal(shared):
    shared.wait_unit("systemd-evil", health="unhealthy")
    for words in (["ps", "-a"], ["status"], ["status", "evil"], ["ps", "--format", "json"], ["inspect", "evil"]):
        data = on_terminal(shared, *words, TERM="xterm")
        assert b"EVIL" in data, (words, data)
        assert not controls(data), (words, data)
    code, out, _ = run(shared, "ps", "-a")
    assert "EVIL" in out and not re.search("[\0-\t\x0b-\x1f\x7f-\x9f]", out)


# --- without an engine ---------------------------------------------------------------------------------------------------


def gone(process):
    try:
        with open("/proc/%d/stat" % process) as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


class WithoutEngine:
    """No engine while this lasts: init, who would start a new one, stands still."""

    def __init__(self, a):
        self.a = a

    def __enter__(self):
        engine = self.a.engine_pid()
        os.kill(self.a.init_pid(), signal.SIGSTOP)
        os.kill(engine, signal.SIGKILL)
        wait_for("the engine is gone", lambda: gone(engine))

    def __exit__(self, *_):
        os.kill(self.a.init_pid(), signal.SIGCONT)


def test_without_an_engine(alone):
    a = alone({"svc": UNITS["svc"], "talk": UNITS["talk"]})
    for name in ("svc", "systemd-talk"):
        a.wait_unit(name, state="up")
    wait_for_output(a, "talk", "out 2", "err 1")
    with WithoutEngine(a):
        code, out, err = run(a, "ps")
        assert code == OK and "svc" in out and "the engine does not answer" in err
        code, out, err = run(a, "status", "svc")
        assert code == OK and out.startswith("svc: up") and "does not answer" in err
        for words in (["stop", "svc"], ["start", "svc"], ["kill", "svc"], ["inspect", "svc"], ["reload"], ["logs", "talk"]):
            code, out, err = run(a, *words)
            assert (code, out) == (NO_ENGINE, "") and a.socket in err, words
        code, out, _ = run(a, "version")
        assert code == OK and "does not answer" in out
        inside = a.inside("/usr/bin/cleat", "logs", "talk")  # where the log is, it is read from there, by any name
        # two streams come as one here: only the order within each is known
        assert [line for line in inside.splitlines() if line.startswith("out ")] == ["out 1", "out 2"]
        assert "the engine does not answer; reading " in inside
    wait_for("a new engine", a.ping)
    assert run(a, "logs", "talk")[1] == "out 1\nout 2\n"


def test_engine_that_dies_during_a_stop(alone):
    a = alone({"deaf": UNITS["deaf"]})
    a.wait_unit("systemd-deaf", state="up")
    stop = subprocess.Popen([CLEAT, "--socket", a.socket, "stop", "deaf"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        a.wait_unit("systemd-deaf", state="stopping")
        os.kill(a.engine_pid(), signal.SIGKILL)
        out, err = stop.communicate(timeout=60)
    finally:
        if stop.poll() is None:
            stop.kill()
    assert (stop.returncode, out) == (NO_ENGINE, "")
    assert "the engine went away before it answered" in err and "cleat ps" in err
    wait_for("a new engine", a.ping)
    run(a, "kill", "deaf")


def test_engine_that_stands_still(alone):
    """A stopped engine accepts connections (the kernel does) and never answers: ps says so instead of waiting for ever."""
    a = alone({"svc": UNITS["svc"]})
    a.wait_unit("svc", state="up")
    engine = a.engine_pid()
    os.kill(engine, signal.SIGSTOP)
    try:
        code, out, err = run(a, "ps")
        assert code == OK and "svc" in out and "the engine does not answer" in err
    finally:
        os.kill(engine, signal.SIGCONT)
    wait_for("it goes on", a.ping)


def test_reload_waits_for_the_new_engine(alone):
    a = alone({"svc": UNITS["svc"]})
    before = a.wait_unit("svc", state="up")
    # the one who would notice by itself must not come first: then there is nothing left to be done
    with stopped(the_watcher(a)):
        a.add_unit("new", UNITS["one"])
        a.add_unit("bad", UNITS["bad"])
        code, out, err = run(a, "reload")
    assert (code, out) == (FAILED, "started   systemd-new\n") and re.search(r"^/config/units/bad.container:\d+:\d+: error: .*NoSuchKey", err, re.M), err
    assert run(a, "start", "new")[:2] == (OK, "new\n")  # no gap in which nobody answers
    assert a.unit("svc")["pid"] == before["pid"]


# --- Docker's client and plain HTTP --------------------------------------------------------------------------------------


def docker(a, *args, check=True):
    done = subprocess.run(["docker", "-H", "unix://" + a.socket] + list(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=90, env=dict(os.environ, DOCKER_CONFIG=a.dir))
    assert not check or done.returncode == 0, (args, done.stderr)
    return done if not check else done.stdout


needs_docker = pytest.mark.skipif(not shutil.which("docker"), reason="Docker's client is not installed")


@needs_docker
def test_docker_looks(shared):
    out = docker(shared, "ps", "--format", "{{.Names}}|{{.State}}|{{.Image}}|{{.Status}}")
    rows = dict(line.split("|", 1) for line in out.splitlines())
    assert rows["svc"].startswith("running|localhost/box:latest|Up ")
    assert "systemd-fail" not in rows
    out = docker(shared, "ps", "-a", "--format", "{{.Names}}|{{.Status}}")
    assert re.search(r"^systemd-fail\|Exited \(3\) .* ago$", out, re.M)
    assert docker(shared, "inspect", "-f", "{{.State.Running}} {{.State.Pid}}", "svc").split() == ["true", str(pid(shared, "svc"))]
    assert re.search(r"Version: +[\d.]+", docker(shared, "version"))
    done = docker(shared, "inspect", "--type", "container", "nobody", check=False)
    assert done.returncode and "nobody" in done.stderr
    done = docker(shared, "ps", "--filter", "name=svc", check=False)  # refused rather than left out
    assert done.returncode and "filters" in done.stderr


@needs_docker
def test_docker_logs(shared):
    done = docker(shared, "logs", "systemd-talk", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "out 1\nout 2\n", "err 1\n")
    assert docker(shared, "logs", "--tail", "1", "systemd-lines") == "c\n"
    assert docker(shared, "logs", "--since", "2099-01-01T00:00:00Z", "systemd-lines") == ""


@needs_docker
def test_docker_acts(shared):
    short = docker(shared, "ps", "-q", "--no-trunc").split()[0][:12]
    assert docker(shared, "inspect", "-f", "{{.Id}}", short).startswith(short)
    assert docker(shared, "stop", "systemd-two") == "systemd-two\n"
    assert shared.unit("systemd-two")["state"] == "down"
    assert docker(shared, "start", "systemd-two") == "systemd-two\n"
    before = pid(shared, "systemd-two")
    docker(shared, "restart", "systemd-two")
    assert pid(shared, "systemd-two") not in (before, 0)
    restarts = shared.unit("svc")["restarts"]
    docker(shared, "kill", "svc")
    shared.wait_unit("svc", restarts=restarts + 1, state="up")


@needs_docker
def test_docker_stop_with_a_limit_of_its_own(shared):
    assert docker(shared, "stop", "-t", "0", "systemd-deaf") == "systemd-deaf\n"  # the unit would have waited 300 s
    entry = shared.unit("systemd-deaf")
    assert entry["state"] == "down" and entry["exit"]["signal"] == signal.SIGKILL
    assert run(shared, "start", "deaf")[0] == OK


def test_stop_with_a_limit_of_its_own(shared):
    assert run(shared, "stop", "-t", "soon", "deaf") == (FAILED, "", "cleat: t=soon: a number of seconds is expected\n")
    assert run(shared, "restart", "-t", "0", "deaf") == (OK, "deaf\n", "")
    assert run(shared, "stop", "--time=0", "deaf") == (OK, "deaf\n", "")
    entry = shared.unit("systemd-deaf")
    assert entry["state"] == "down" and entry["exit"]["signal"] == signal.SIGKILL
    assert run(shared, "start", "deaf")[0] == OK


def curl(a, path, method="GET", *more):
    """(status, headers in lower case, body)"""
    out = subprocess.run(["curl", "-s", "-i", "--unix-socket", a.socket, "-X", method, "http://localhost" + path] + list(more),
                         stdout=subprocess.PIPE, timeout=90, check=True).stdout.decode()
    head, _, body = out.partition("\r\n\r\n")
    lines = head.split("\r\n")
    return int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:]), body


needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")


@needs_curl
def test_ping_has_dockers_headers(shared):
    for path in ("/_ping", "/v1.41/_ping"):
        status, headers, body = curl(shared, path)
        assert (status, body) == (200, "OK")
        assert headers["api-version"] == "1.41" and headers["ostype"] == "linux" and headers["docker-experimental"] == "false"
        assert headers["content-type"].startswith("text/plain") and headers["cache-control"] == "no-cache"
    out = subprocess.run(["curl", "-s", "-I", "--unix-socket", shared.socket, "http://localhost/_ping"], stdout=subprocess.PIPE,
                         timeout=60, check=True).stdout.decode()
    assert out.startswith("HTTP/1.1 200") and out.endswith("\r\n\r\n")


@needs_curl
def test_statuses_and_error_shapes(shared):
    assert curl(shared, "/containers/svc/start", "POST")[0] == 304
    for method, path, status, part in (
            ("POST", "/containers/nobody/start", 404, "nobody"),
            ("GET", "/containers/nobody/json", 404, "nobody"),
            ("GET", "/containers/nobody/logs?stdout=1", 404, "nobody"),
            ("GET", "/containers/svc/logs", 400, "at least one stream"),
            ("GET", "/images/json", 404, "page not found"),
            ("GET", "/containers/localhost%2Fbox:latest/json", 404, 'no container "localhost/box:latest"'),
            ("GET", "/containers/svc/stats", 404, "not supported"),
            ("POST", "/containers/svc/kill?signal=NOPE", 400, "NOPE"),
            ("POST", "/containers/systemd-fail/kill", 409, "not running"),
            ("POST", "/containers/svc/stop?t=x", 400, "t=x"),
            ("DELETE", "/containers/svc/start", 405, "DELETE")):
        got, headers, body = curl(shared, path, method)
        assert got == status and headers["content-type"] == "application/json", (path, got)
        assert part in json.loads(body)["message"], (path, body)
    assert curl(shared, "/containers/svc/start", "DELETE")[1]["allow"] == "post"
    assert curl(shared, "/containers/svc/start", "POST", "-d", '{"a": "b"}')[0] == 304  # bodies are read over


@needs_curl
def test_status_route_and_list(shared):
    names = {e["name"]: e for e in json.loads(curl(shared, "/cleat/v1/status")[2])["units"]}
    assert names["svc"]["state"] == "up" and names["bad.container"]["state"] == "invalid"
    listed = json.loads(curl(shared, "/v1.41/containers/json")[2])
    assert "/svc" in [n for e in listed for n in e["Names"]]
    assert len(json.loads(curl(shared, "/containers/json?all=true")[2])) == len(UNITS)


# --- bad clients ---------------------------------------------------------------------------------------------------------


def connect(a):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(a.socket)
    return s


def answer(s):
    """Reads to the end; an answer before the question ends in a reset."""
    data = b""
    try:
        while True:
            piece = s.recv(65536)
            if not piece:
                break
            data += piece
    except ConnectionResetError:
        pass
    return data


def test_more_clients_than_places(shared):
    clients = [connect(shared) for _ in range(64)]
    try:
        turned_away = connect(shared)
        assert answer(turned_away).startswith(b"HTTP/1.1 503 ")
        code, _, err = run(shared, "inspect", "svc")
        assert code == FAILED and "too many clients" in err
        code, out, err = run(shared, "ps")  # reads what is published
        assert code == OK and "svc" in out and not err
        clients[10].sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer(clients[10]).endswith(b"OK")
    finally:
        for s in clients:
            s.close()
    wait_for("places are free again", lambda: run(shared, "inspect", "svc")[0] == OK)


def test_a_dripping_client_loses_its_place_and_holds_up_nobody(shared):
    s = connect(shared)
    request = b"GET /_ping HTTP/1.1\r\nX: " + b"a" * 4000
    sent = 0
    ended = False
    while not ended and sent < len(request):
        try:
            s.sendall(request[sent:sent + 1])
            sent += 1
        except (BrokenPipeError, ConnectionResetError):
            ended = True
        ready, _, _ = select.select([s], [], [], 0.1)
        ended = ended or bool(ready)
        assert shared.ping()
    assert ended, "it was served for as long as it dripped"
    assert answer(s) == b""


def test_a_peer_that_is_not_root_is_refused(shared):
    code = (
        "import os, socket, sys\n"
        "os.chdir('/proc/%d/root/run/cleat')\n"
        "os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.settimeout(60)\n"
        "try:\n"
        "    s.connect('cleat.sock')\n"
        "except PermissionError:\n"
        "    print('no permission'); sys.exit()\n"
        "print(s.recv(4096).decode())\n" % shared.init_pid())
    ask = lambda: subprocess.run(["/usr/bin/python3", "-S", "-c", code], stdout=subprocess.PIPE, text=True, timeout=90, check=True).stdout  # noqa: E731
    assert ask() == "no permission\n"
    path = "/proc/%d/root/run/cleat/cleat.sock" % shared.init_pid()
    os.chmod(path, 0o666)  # not even then
    try:
        assert ask().startswith("HTTP/1.1 403 ")
    finally:
        os.chmod(path, 0o600)
    assert shared.ping()


def test_garbage_and_sudden_ends(shared):
    for data in (b"\0\0\0\0", b"\n\n", b"GET\r\n\r\n", b"A" * 20000, b"GET / HTTP/9\r\n\r\n", b"POST /_ping HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nabc"):
        s = connect(shared)
        try:
            s.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused while still talking
        s.close()
    assert shared.ping()
    assert run(shared, "inspect", "svc")[0] == OK
