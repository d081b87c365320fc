# SPDX-License-Identifier: Apache-2.0
"""NOTIFY_SOCKET: readiness, status and watchdog as a real program in a real container says them, whoever reads at the moment."""
import json
import os
import re
import signal
import subprocess

import pytest

from appliance import BUILD, IDLE, leftovers, unit, wait_for
from ociimage import busybox_of, write_box

HERE = os.path.dirname(os.path.abspath(__file__))
NOTIFY = "Notify=true\nStopTimeout=2\n"
SAID = "serving  [31mall"  # what becomes of "serving \x1b[31mall"


@pytest.fixture(scope="session")
def say(tmp_path_factory):
    """A static program that talks to NOTIFY_SOCKET: notify_say.c."""
    path = str(tmp_path_factory.mktemp("say") / "say")
    subprocess.run([os.path.join(BUILD, "sysroot", "bin", "musl-gcc"), "-std=gnu17", "-D_GNU_SOURCE=", "-O1", "-static", "-Wall", "-Wextra",
                    "-Werror", "-o", path, os.path.join(HERE, "notify_say.c")], check=True)
    with open(path, "rb") as f:
        return f.read()


@pytest.fixture(scope="session")
def talker(tmp_path_factory, say):
    """Archives of localhost/box:latest with /bin/say, and of localhost/user:latest, which runs as user 1000."""
    folder = tmp_path_factory.mktemp("talker")
    extra = [("bin/say", {"content": say})]
    write_box(str(folder / "box.tar"), busybox_of(BUILD), extra=extra)
    write_box(str(folder / "user.tar"), busybox_of(BUILD), name="localhost/user:latest", config={"User": "1000"}, extra=extra)
    return folder


def boot_talker(boot, talker, units):
    a = boot(units, images=(), start=False)
    a.add_image("box", str(talker / "box.tar"))
    a.add_image("user", str(talker / "user.tar"))
    return a.start()


def script(text, container=NOTIFY, service="", image="localhost/box:latest", **keywords):
    return unit(image, 'Exec=/bin/sh -c "%s"\n' % text + container, service, **keywords)


def tell(a, name, *words):
    """Lets a process of the container say it; returns when the message is in the socket."""
    return a.cleat("exec", name, "/bin/say", *words)


def test_ready_only_after_it_says_so_and_dependants_wait(boot, talker):
    a = boot_talker(boot, talker, {
        "db": script(IDLE),
        "web": script(IDLE, container="", unit_lines="Requires=db.service\nAfter=db.service\n")})
    entry = a.wait_unit("systemd-db", state="starting", pid=tuple(range(1, 1 << 22)))
    waiting = a.wait_unit("systemd-web", state="waiting")
    assert "db" in waiting["detail"] and waiting["pid"] is None, waiting
    # the barrier is over when all that was said before it has had its effect
    tell(a, "db", "STATUS=reading 12 tables", "--barrier")
    assert a.unit("systemd-db")["status_text"] == "reading 12 tables"
    assert a.unit("systemd-db")["state"] == "starting"
    assert a.unit("systemd-web")["state"] == "waiting"
    tell(a, "db", "READY=1\nSTATUS=serving \x1b[31mall\nMAINPID=1", "--barrier")
    entry = a.wait_unit("systemd-db", state="up")
    a.wait_unit("systemd-web", state="up")
    assert entry["restarts"] == 0
    assert entry["status_text"] == SAID
    assert SAID in a.cleat("ps"), a.cleat("ps")
    assert re.search(r"says +serving  \[31mall", a.cleat("status", "db")), a.cleat("status", "db")
    assert json.loads(a.cleat("inspect", "db"))["Cleat"]["StatusText"] == SAID
    assert any("MAINPID= is not used" in note for note in a.unit("systemd-db")["notes"]), a.unit("systemd-db")
    tell(a, "db", "ERRNO=2", "--barrier")
    assert a.unit("systemd-db")["status_text"] == SAID + "; error 2: No such file or directory"
    tell(a, "db", "STATUS=\nERRNO=0", "--barrier")
    assert a.unit("systemd-db")["status_text"] == ""


def test_a_start_without_ready_takes_too_long_unless_it_asks_for_more(boot, talker):
    a = boot_talker(boot, talker, {
        "mute": script(IDLE, service="TimeoutStartSec=1"),
        "slow": script("say EXTEND_TIMEOUT_USEC=120000000; sleep 6; say READY=1; " + IDLE, service="TimeoutStartSec=5"),
        "brief": script("exit 0", service="Restart=no")})
    entry = a.wait_unit("systemd-mute", state="failed")
    assert "TimeoutStartSec" in entry["detail"] or "ready" in entry["detail"], entry
    entry = a.wait_unit("systemd-brief", state="failed")
    assert entry["exit"]["code"] == 0 and "ready" in entry["detail"].lower(), entry
    assert a.wait_unit("systemd-slow", state="up")["restarts"] == 0


def test_the_watchdog_signals_and_restarts(boot, talker):
    trap = "trap 'echo barked; exit 9' USR1; trap 'exit 0' TERM; say READY=1; while :; do sleep 0.05; done"
    a = boot_talker(boot, talker, {
        "hung": script(trap, service="WatchdogSec=1\nWatchdogSignal=SIGUSR1\nRestart=on-watchdog\nRestartSec=10ms\nStartLimitBurst=2"),
        "deaf": script("say READY=1; while :; do sleep 0.05; done", service="WatchdogSec=1\nTimeoutAbortSec=1"),
        "plain": script("echo usec=$WATCHDOG_USEC; " + IDLE, container="StopTimeout=2\n", service="WatchdogSec=10min\nRestart=on-watchdog\nRestartSec=10ms"),
        "off": script("say WATCHDOG_USEC=0 READY=1; " + IDLE, service="WatchdogSec=1")})
    entry = a.wait_unit("systemd-hung", state="start-limit")
    assert entry["restarts"] == 1, entry
    assert a.cleat("logs", "hung").count("barked") == 2
    # the first process of a pid namespace does not notice a signal that it has no handler for
    entry = a.wait_unit("systemd-deaf", state="failed")
    assert entry["exit"]["signal"] == signal.SIGKILL, entry
    assert "no sign of life" in entry["detail"] or "WatchdogSec" in entry["detail"], entry
    # without Notify=true the unit is up at once, and has the socket all the same
    first = a.wait_unit("systemd-plain", state="up")
    wait_for("it has heard of the interval", lambda: "usec=600000000" in a.cleat("logs", "plain"))
    tell(a, "plain", "WATCHDOG=1", "WATCHDOG=trigger")
    again = a.wait_unit("systemd-plain", state="up", restarts=1)
    assert again["pid"] != first["pid"]
    entry = a.unit("systemd-off")
    assert entry["state"] == "up" and entry["restarts"] == 0, entry


def without_engine(a, action):
    """Does something while the engine is dead and nobody starts another; then waits for the next."""
    engine = a.engine_pid()
    os.kill(a.init_pid(), signal.SIGSTOP)
    try:
        os.kill(engine, signal.SIGKILL)
        action()
    finally:
        os.kill(a.init_pid(), signal.SIGCONT)
    wait_for("a new engine", lambda: engine_is_new(a, engine))


def engine_is_new(a, old):
    try:
        status = a.status()
        return status["engine"]["alive"] and a.ping() and a.engine_pid() != old
    except (OSError, AssertionError, KeyError):
        return False


def test_what_is_said_while_no_engine_lives_is_heard_by_the_next(boot, talker):
    text = ("until [ -e /x/go ]; do sleep 0.05; done; say 'STATUS=early' READY=1 WATCHDOG_USEC=0; touch /x/said; " + IDLE)
    a = boot(({}), images=(), start=False)
    shared = os.path.join(a.data, "home", "x")
    a.add_image("box", str(talker / "box.tar"))
    a.add_unit("late", script(text, NOTIFY + "Volume=%h/x:/x\n", "WatchdogSec=1"))
    a.add_unit("after", script(IDLE, container="", unit_lines="Requires=late.service\nAfter=late.service\n"))
    a.start()
    before = a.wait_unit("systemd-late", state="starting", pid=tuple(range(1, 1 << 22)))
    a.wait_unit("systemd-after", state="waiting")

    def go():
        open(os.path.join(shared, "go"), "w").close()
        wait_for("it has said so", lambda: os.path.exists(os.path.join(shared, "said")))

    without_engine(a, go)
    entry = a.wait_unit("systemd-late", state="up")
    assert entry["pid"] == before["pid"] and entry["restarts"] == 0
    assert entry["status_text"] == "early"
    a.wait_unit("systemd-after", state="up")
    # READY=1 is not said twice, and neither that the watchdog is off: the next engine knows both
    without_engine(a, lambda: None)
    entry = a.wait_unit("systemd-late", state="up")
    assert entry["pid"] == before["pid"] and entry["restarts"] == 0
    assert entry["status_text"] == "early"
    tell(a, "late", "STATUS=still heard", "--barrier")
    assert a.unit("systemd-late")["status_text"] == "still heard"
    stop_and_look(a)


def is_zombie(pid):
    """Ended, and PID 1, which is stopped, has not noticed."""
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rsplit(")", 1)[1].split()[0] == "Z"


@pytest.mark.parametrize("words,state,result", [("READY=1", "down", "finished"), ("STATUS=almost", "failed", "before it said that it is ready")])
def test_who_was_ready_and_ended_while_no_engine_lived_has_finished(boot, talker, words, state, result):
    text = "until [ -e /x/go ]; do sleep 0.05; done; say %s; touch /x/said; exit 0" % words
    a = boot(({}), images=(), start=False)
    shared = os.path.join(a.data, "home", "x")
    a.add_image("box", str(talker / "box.tar"))
    a.add_unit("brief", script(text, NOTIFY + "Volume=%h/x:/x\n", "Restart=no"))
    a.start()
    a.wait_unit("systemd-brief", state="starting", pid=tuple(range(1, 1 << 22)))
    pid = a.pid_of("systemd-brief")

    def go():
        open(os.path.join(shared, "go"), "w").close()
        wait_for("the container and its shim have ended", lambda: not os.path.exists("/proc/%d" % pid) and all(map(is_zombie, a.processes("cleat-shim"))))

    without_engine(a, go)
    entry = a.wait_unit("systemd-brief", state=state)
    assert result in entry["detail"], entry
    stop_and_look(a)


def test_the_next_engine_knows_that_it_was_ready_and_that_it_was_up(boot, talker):
    """READY=1 was heard, ExecStartPost= is still being run: the next engine runs that again, and the one after it does not."""
    a = boot({}, images=(), start=False)
    a.add_image("box", str(talker / "box.tar"))
    os.makedirs(os.path.join(a.data, "home", "x"))
    a.add_unit("post", script("say READY=1; " + IDLE, service="ExecStartPost=/bin/sh -c 'echo . >>/data/home/x/begun; until [ -e /data/home/x/go ]; do sleep 0.05; done'"))
    a.start()
    shared = os.path.join(a.data, "home", "x")
    before = a.wait_unit("systemd-post", state="starting", pid=tuple(range(1, 1 << 22)))
    wait_for("ExecStartPost= has begun", lambda: os.path.exists(os.path.join(shared, "begun")))
    without_engine(a, lambda: None)
    open(os.path.join(shared, "go"), "w").close()
    entry = a.wait_unit("systemd-post", state="up")
    assert entry["pid"] == before["pid"] and entry["restarts"] == 0
    with open(os.path.join(shared, "begun")) as f:
        begun = f.read()
    without_engine(a, lambda: None)
    entry = a.wait_unit("systemd-post", state="up")
    assert entry["pid"] == before["pid"] and entry["restarts"] == 0
    with open(os.path.join(shared, "begun")) as f:
        assert f.read() == begun, "ExecStartPost= belongs to a start, not to an engine"


def stop_and_look(a):
    assert a.stop() == 0, a.console()
    assert leftovers(a) == []


def test_notify_access_main_is_the_first_process(boot, talker):
    a = boot_talker(boot, talker, {
        "child": script("say READY=1; " + IDLE, service="NotifyAccess=main"),
        "first": unit("localhost/box:latest", "Exec=/bin/say READY=1 STATUS=me --stay\n" + NOTIFY, "NotifyAccess=main")})
    assert a.wait_unit("systemd-first", state="up")["status_text"] == "me"
    entry = wait_for("the child was refused", lambda: [
        e for e in [a.unit("systemd-child")] if any("NotifyAccess" in note for note in e["notes"])])[0]
    assert entry["state"] == "starting", entry
    wait_for("it is said", lambda: "is not the container's first one" in a.console())


@pytest.mark.parametrize("image, container, network", [
    ("user", "ReadOnly=true\n", "none"),
    ("user", "ReadOnly=true\nReadOnlyTmpfs=false\n", "host"),
    ("box", "Tmpfs=/run\nUser=1001\nUserNS=keep-id\nDropCapability=all\nNoNewPrivileges=true\n", "none"),
])
def test_the_socket_is_there_in_every_kind_of_root(boot, talker, image, container, network):
    a = boot_talker(boot, talker, {"talks": script("say READY=1 --barrier; echo $NOTIFY_SOCKET; touch /run/notify/x || echo no; " + IDLE,
                                                   NOTIFY + container, image="localhost/%s:latest" % image, network=network)})
    a.wait_unit("systemd-talks", state="up")
    wait_for("it cannot write there", lambda: "no\n" in a.cleat("logs", "talks"))
    assert "/run/notify/notify.sock" in a.cleat("logs", "talks")
    stop_and_look(a)


def test_a_flood_disturbs_nobody_and_descriptors_are_closed(boot, talker):
    a = boot_talker(boot, talker, {
        "flood": unit("localhost/box:latest", "Exec=/bin/say READY=1 --flood\n" + NOTIFY),
        "calm": script("say --store 100 READY=1 --barrier; echo stored; " + IDLE)})
    a.wait_unit("systemd-flood", state="up")
    a.wait_unit("systemd-calm", state="up")
    wait_for("the barrier after a hundred descriptors is over", lambda: "stored" in a.cleat("logs", "calm"))
    seen = a.unit("systemd-flood")["status_text"]
    wait_for("its status goes on", lambda: a.unit("systemd-flood")["status_text"] != seen)
    engine = a.engine_pid()
    names = [os.readlink("/proc/%d/fd/%s" % (engine, fd)) for fd in os.listdir("/proc/%d/fd" % engine)
             if os.path.lexists("/proc/%d/fd/%s" % (engine, fd))]
    assert names.count("/dev/null") < 10, names
    assert any("FDSTORE= is not used" in note for note in a.unit("systemd-calm")["notes"])
    a.cleat("stop", "flood")


def test_a_oneshot_ends_and_a_mount_in_its_place_is_refused(boot, talker):
    a = boot_talker(boot, talker, {
        "once": script("test -z \\\"$NOTIFY_SOCKET\\\"", service="Type=oneshot\nRemainAfterExit=yes\nWatchdogSec=1"),
        "taken": script(IDLE, NOTIFY + "Tmpfs=/run/notify\n"),
        "plain": script("test -z \\\"$NOTIFY_SOCKET\\\" && echo none; " + IDLE, container="")})
    entry = a.wait_unit("systemd-once", state="up")
    assert entry["exit"]["code"] == 0, entry
    assert any("oneshot" in note for note in entry["notes"]), entry
    entry = a.wait_unit("systemd-taken", state=("failed", "backoff"))
    assert re.search(r"taken\.container:\d+: /run/notify belongs to NOTIFY_SOCKET", entry["detail"]), entry
    wait_for("no socket unless it is asked for", lambda: "none" in a.cleat("logs", "plain"))
