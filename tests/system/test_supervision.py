# SPDX-License-Identifier: Apache-2.0
"""Restart policies, health, stopping, and what happens when the engine or a shim is killed: with real containers."""
import os
import signal
import subprocess
import sys
import threading

import pytest

from appliance import BUILD, CLEAT, IDLE, leftovers, unit, wait_for
from ociimage import busybox_of, write_box


@pytest.fixture
def box(tmp_path):
    path = str(tmp_path / "box.tar")
    write_box(path, busybox_of(BUILD))
    return path


def boot_box(boot, box, units):
    appliance = boot(units, images=(), start=False)
    appliance.add_image("box", box)
    return appliance.start()


def script(text, container="", service="", **keywords):
    """A unit that runs a shell text in the box image."""
    command = 'Exec=/bin/sh -c "%s"\n' % text
    return unit("localhost/box:latest", command + container, service, **keywords)


def test_exit_code_is_kept_and_no_restart_without_policy(boot, box):
    a = boot_box(boot, box, {"once": script("exit 3")})
    entry = a.wait_unit("systemd-once", state="failed")
    assert entry["exit"]["code"] == 3
    assert entry["restarts"] == 0
    assert "3" in entry["detail"]


@pytest.mark.parametrize("when", ["while it ends", "when it has ended"])
def test_a_restart_outlives_the_engine_that_began_it(boot, box, when):
    """Restart=no: nothing but what was asked for brings it back."""
    a = boot_box(boot, box, {"slow": script("trap 'touch /data/told; while [ ! -e /data/go ]; do sleep 0.1; done; exit 0' TERM; while :; do sleep 0.1; done",
                                            container="Volume=/data/home:/data\nStopTimeout=300\n", service="Restart=no\nTimeoutStopSec=300\n")})
    before = a.wait_unit("systemd-slow", state="up")
    home, first = os.path.join(a.data, "home"), a.pid_of("systemd-slow")
    os.chmod(home, 0o777)
    asked = subprocess.Popen([CLEAT, "--socket", a.socket, "restart", "slow"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("it was told to end", lambda: os.path.exists(os.path.join(home, "told")))
    engine = a.engine_pid()
    if when == "when it has ended":
        os.kill(engine, signal.SIGSTOP)
    else:
        os.kill(engine, signal.SIGKILL)
        wait_for("another engine", lambda: a.ping() and a.engine_pid() != engine)
        assert a.unit("systemd-slow")["pid"] == before["pid"]
    with open(os.path.join(home, "go"), "w"):
        pass
    wait_for("it has ended", lambda: not os.path.exists("/proc/%d" % first))
    if when == "when it has ended":
        os.kill(engine, signal.SIGKILL)
        wait_for("another engine", lambda: a.ping() and a.engine_pid() != engine)
    after = a.wait_unit("systemd-slow", state="up")
    assert after["pid"] != before["pid"]
    asked.wait(60)


def test_who_is_bound_goes_with_what_ended_while_no_engine_lived(boot, box):
    """Whichever the next engine comes to first; a pod's holder and its members are bound in the same way."""
    bound = "BindsTo=%s.service\nAfter=%s.service\n"
    a = boot_box(boot, box, {"middle": script(IDLE), "early": script(IDLE, unit_lines=bound % ("middle", "middle")),
                             "later": script(IDLE, unit_lines=bound % ("middle", "middle")),
                             "hold.pod": "[Pod]\nPodName=hold\nNetwork=none\n[Service]\nRestart=always\nRestartSec=100ms\n[Install]\nWantedBy=default.target\n",
                             "member": script(IDLE, "Pod=hold.pod\n", network=None)})
    for name in ("middle", "early", "later", "member"):
        a.wait_unit("systemd-" + name, state="up")
    engine, old = a.engine_pid(), a.pid_of("systemd-member")
    ends = [a.pid_of("systemd-middle"), a.pid_of("hold")]
    os.kill(engine, signal.SIGSTOP)
    for pid in ends:
        os.kill(pid, signal.SIGKILL)
        wait_for("it has ended", lambda: not os.path.exists("/proc/%d" % pid))
    os.kill(engine, signal.SIGKILL)
    wait_for("another engine", lambda: a.ping() and a.engine_pid() != engine)
    a.wait_unit("systemd-middle", state="failed")
    for name in ("early", "later"):
        assert "systemd-middle" in a.wait_unit("systemd-" + name, state="waiting")["detail"]
    wait_for("the member is in the next pod", lambda: a.wait_unit("systemd-member", state="up") and a.pid_of("systemd-member") != old)
    assert os.readlink("/proc/%d/ns/ipc" % a.pid_of("systemd-member")) == os.readlink("/proc/%d/ns/ipc" % a.pid_of("hold"))


def test_a_unit_without_install_says_that_it_is_only_loaded(boot, box):
    a = boot_box(boot, box, {"manual": script(IDLE, install=False)})
    entry = a.wait_unit("systemd-manual", state="down")
    assert entry["detail"] == "loaded (not started at boot)"
    assert not entry["boot"]


def test_a_group_starts_its_members_and_waits_for_them(boot, box):
    slow = script("sleep 1; touch /tmp/ok; " + IDLE, install=False,
                  container="Tmpfs=/tmp\nHealthCmd=test -e /tmp/ok\nHealthInterval=200ms\nNotify=healthy\n")
    a = boot_box(boot, box, {"slow": slow + "[Install]\nWantedBy=app.target\n",
                             "late": script(IDLE, unit_lines="Wants=app.target\nAfter=app.target\n")})
    a.wait_unit("systemd-late", state="up")
    assert a.unit("systemd-slow")["health"] == "healthy"


def test_members_that_come_before_their_group_wait_for_nobody(boot, box):
    """Before=app.target of each member orders the group, not the members among each other."""
    member = script(IDLE, unit_lines="Before=app.target\n") + "WantedBy=app.target\n"
    a = boot_box(boot, box, {"one": member, "two": member})
    a.wait_unit("systemd-one", state="up")
    a.wait_unit("systemd-two", state="up")


def test_on_failure_restarts_until_the_start_limit(boot, box):
    # the interval is systemd's ten seconds, which a slow machine may need for five starts
    a = boot_box(boot, box, {"crash": script("exit 1", service="Restart=on-failure\nRestartSec=10ms", unit_lines="StartLimitIntervalSec=300\n")})
    entry = a.wait_unit("systemd-crash", state="start-limit")
    assert entry["restarts"] == 4, entry  # five starts in an interval, as systemd counts
    assert "limit" in entry["detail"]
    a.cleat("reset-failed", "crash")


def test_success_is_no_failure(boot, box):
    a = boot_box(boot, box, {"fine": script("exit 0", service="Restart=on-failure")})
    entry = a.wait_unit("systemd-fine", state="down")
    assert entry["exit"]["code"] == 0
    assert entry["restarts"] == 0


def test_stop_start_restart_by_command(boot, box):
    a = boot_box(boot, box, {"svc": script(IDLE, service="Restart=always")})
    first = a.wait_unit("systemd-svc", state="up")
    assert "svc" in a.cleat("stop", "svc")
    assert a.unit("systemd-svc")["state"] == "down"
    a.cleat("start", "systemd-svc")
    second = a.wait_unit("systemd-svc", state="up")
    assert second["pid"] and second["pid"] != first["pid"]
    a.cleat("restart", "svc.container")
    third = a.wait_unit("systemd-svc", state="up")
    assert third["pid"] != second["pid"]


def test_stop_timeout_ends_in_kill(boot, box):
    a = boot_box(boot, box, {"deaf": script("trap '' TERM; while :; do sleep 1; done", container="StopTimeout=1\n")})
    a.wait_unit("systemd-deaf", state="up")
    a.cleat("stop", "deaf")
    entry = a.unit("systemd-deaf")
    assert entry["exit"]["signal"] == signal.SIGKILL, entry


def test_exec_probe_makes_healthy_and_failing_probe_restarts(boot, box):
    a = boot_box(boot, box, {
        "good": script(IDLE, container="HealthCmd=test -d /tmp\nHealthInterval=1s\n"),
        "sick": script("touch /tmp/ok; sleep 2; rm /tmp/ok; " + IDLE,
                       container="HealthCmd=test -e /tmp/ok\nHealthInterval=300ms\nHealthRetries=2\nHealthStartPeriod=1s\nTmpfs=/tmp\nStopTimeout=1\n",
                       service="Restart=on-failure\nRestartSec=100ms")})
    a.wait_unit("systemd-good", health="healthy")
    a.wait_unit("systemd-sick", health="healthy")
    wait_for("the sick container is restarted", lambda: a.unit("systemd-sick")["restarts"] >= 1)
    a.wait_unit("systemd-sick", health="healthy")
    assert a.unit("systemd-good")["restarts"] == 0


def test_unhealthy_is_only_reported_without_restart(boot, box):
    a = boot_box(boot, box, {"sick": script(IDLE,
                                            container="HealthCmd=false\nHealthInterval=200ms\nHealthRetries=2\n")})
    entry = a.wait_unit("systemd-sick", health="unhealthy", state="up")
    assert entry["probe"]["failures"] >= 2
    code, body = a.http("/readyz?verbose")
    assert code == 503 and "systemd-sick" in body


def test_missing_program_is_said_with_its_step(boot, box):
    a = boot_box(boot, box, {"lost": unit("localhost/box:latest", "Exec=/no/such/program\n")})
    entry = a.wait_unit("systemd-lost", state=("failed", "backoff"))
    assert "/no/such/program" in entry["detail"], entry
    assert "/no/such/program" in a.cleat("ps", "-a")


def serving(a, stop, failures, counted):
    while not stop.is_set():
        try:
            code, _ = a.http("/health", port=8000)
            counted.append(code)
            if code != 200:
                failures.append(code)
        except OSError as e:
            failures.append(str(e))


def test_engine_killed_while_the_example_serves(boot):
    example = os.path.join(BUILD, "examples", "orchestrator")
    a = boot({}, images=("moe-orchestrator",), start=False)
    subprocess.run(["cp", "-a", os.path.join(example, "units") + "/.", os.path.join(a.config, "units")], check=True)
    a.start()
    a.wait_unit("moe-orchestrator", health="healthy")
    before = a.unit("moe-orchestrator")
    outer = a.pid_of("moe-orchestrator")
    stop, failures, counted = threading.Event(), [], []
    thread = threading.Thread(target=serving, args=(a, stop, failures, counted))
    thread.start()
    try:
        for _ in range(3):
            engine = a.engine_pid()
            os.kill(engine, signal.SIGKILL)
            wait_for("a new engine", lambda: engine_is_new(a, engine))
            a.wait_unit("moe-orchestrator", state="up")
            a.http("/scratch", port=8000)
    finally:
        stop.set()
        thread.join()
    assert len(counted) > 3 and not failures, (len(counted), failures[:3])
    after = a.unit("moe-orchestrator")
    assert after["since"] == before["since"], "a replaced engine is no event of the container"
    assert after["pid"] == before["pid"] and a.pid_of("moe-orchestrator") == outer
    a.wait_unit("moe-orchestrator", health="healthy")
    assert after["restarts"] == 0


def engine_is_new(a, old):
    try:
        status = a.status()
        return status["engine"]["alive"] and a.ping() and a.engine_pid() != old
    except (OSError, AssertionError, KeyError):
        return False


def test_exit_and_output_while_no_engine_lives_are_kept(boot, box):
    a = boot_box(boot, box, {"late": script("trap 'exit 0' TERM; trap 'echo meanwhile; exit 7' USR1; echo before; while :; do sleep 0.05; done")})
    a.wait_unit("systemd-late", state="up")
    wait_for("the trap is set", lambda: "before" in a.cleat("logs", "late"))
    container = a.pid_of("systemd-late")
    engine = a.engine_pid()
    os.kill(a.init_pid(), signal.SIGSTOP)  # so that nobody starts a new engine yet
    try:
        os.kill(engine, signal.SIGKILL)
        os.kill(container, signal.SIGUSR1)
        wait_for("the container ends", lambda: not os.path.exists("/proc/%d" % container))
    finally:
        os.kill(a.init_pid(), signal.SIGCONT)
    wait_for("a new engine", lambda: engine_is_new(a, engine))
    entry = a.wait_unit("systemd-late", state="failed")
    assert entry["exit"]["code"] == 7, entry
    wait_for("all is in the log", lambda: a.cleat("logs", "late") == "before\nmeanwhile\n")


def test_second_engine_refuses(boot, box):
    a = boot_box(boot, box, {})
    done = a.inside("/usr/bin/cleat", "engine", check=False)
    assert done.returncode == 75, done.stdout
    assert "engine.lock" in done.stdout or "lock" in done.stdout
    a.alive()


def test_shim_killed_ends_its_container_and_restarts(boot, box):
    a = boot_box(boot, box, {"svc": script(IDLE, service="Restart=on-failure\nRestartSec=50ms"),
                             "calm": script(IDLE)})
    first = a.wait_unit("systemd-svc", state="up")
    calm = a.wait_unit("systemd-calm", state="up")
    outer = a.pid_of("systemd-svc")
    os.kill(parent_shim(outer), signal.SIGKILL)
    wait_for("the old container is gone", lambda: not os.path.exists("/proc/%d" % outer))
    wait_for("restarted", lambda: a.unit("systemd-svc")["restarts"] == 1)
    second = a.wait_unit("systemd-svc", state="up")
    assert second["pid"] != first["pid"]
    assert a.unit("systemd-calm")["pid"] == calm["pid"]
    runs = a.inside("/bin/ls", "/run/cleat/c").split()
    assert len(runs) == 2, runs
    groups = a.inside("/bin/sh", "-c", "find /sys/fs/cgroup -path '*/cleat/c/*' -type d").split()
    assert len(groups) == 2, groups


def parent_shim(pid):
    with open("/proc/%d/stat" % pid) as f:
        parent = int(f.read().rsplit(")", 1)[1].split()[1])
    with open("/proc/%d/cmdline" % parent) as f:
        assert "shim" in f.read()
    return parent


def test_many_containers_come_up_and_go_down(boot, box):
    units = {"n%d" % i: script(IDLE) for i in range(12)}
    a = boot_box(boot, box, units)
    for i in range(12):
        a.wait_unit("systemd-n%d" % i, state="up")
    assert a.stop() == 0, a.console()
    assert leftovers(a) == []


def test_ps_without_an_engine_says_so(boot, box):
    a = boot_box(boot, box, {"svc": script(IDLE)})
    a.wait_unit("systemd-svc", state="up")
    engine = a.engine_pid()
    os.kill(a.init_pid(), signal.SIGSTOP)
    try:
        os.kill(engine, signal.SIGKILL)
        wait_for("engine gone", lambda: not os.path.exists("/proc/%d" % engine) or is_zombie(engine))
        out = a.cleat("ps")
        assert "systemd-svc" in out
        assert "engine" in out.lower() and "not" in out.lower(), out
    finally:
        os.kill(a.init_pid(), signal.SIGCONT)


def is_zombie(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rsplit(")", 1)[1].split()[0] == "Z"


def test_logs_follow_sees_new_lines(boot, box):
    a = boot_box(boot, box, {"talk": script("trap 'exit 0' TERM; i=0; while :; do echo line $$i; i=$$((i+1)); sleep 0.1; done")})
    a.wait_unit("systemd-talk", state="up")
    follow = subprocess.Popen([CLEAT, "--socket", a.socket, "logs", "-f", "talk"], stdout=subprocess.PIPE, text=True)
    try:
        seen = [follow.stdout.readline().split() for _ in range(8)]
        numbers = [int(words[-1]) for words in seen]
        assert numbers == list(range(numbers[0], numbers[0] + 8))
    finally:
        follow.kill()
        follow.wait()


def test_a_start_that_waits_too_long_has_failed_and_one_under_way_goes_on(boot):
    """JobTimeoutSec=: who asked for it hears of it, and so does OnFailure=."""
    a = boot({"db": unit("localhost/nothing:1", "Pull=never\n", "Restart=no"),
              "late": unit(service="", unit_lines="Requires=db.service\nAfter=db.service\nJobTimeoutSec=1s\nOnFailure=alarm.service\n"),
              "slow": unit(service="ExecStartPre=/bin/sh -c 'until test -e /data/go; do sleep 0.05; done'", unit_lines="JobRunningTimeoutSec=1s\n", install=False),
              "alarm": unit(install=False)})
    entry = a.wait_unit("systemd-late", state="failed")
    assert "not started within JobTimeoutSec=1s: waiting for systemd-db" in entry["detail"], entry
    assert "JobTimeoutSec=1s" in a.cleat("ps", "-a")
    a.wait_unit("systemd-alarm", state="up")
    said = a.cleat("start", "slow", check=False)
    assert said.returncode != 0 and "takes longer than JobTimeoutSec= or JobRunningTimeoutSec=" in said.stdout + (said.stderr or ""), said
    with open(os.path.join(a.data, "go"), "w"):
        pass
    a.wait_unit("systemd-slow", state="up")


NEVER_WAITS = "import os, time; p = os.fork(); p or os._exit(0); print(p, flush=True); time.sleep(1000)"


def test_half_written_files_of_an_engine_that_was_killed_are_swept(boot):
    """Each file is written beside its place and renamed. Only what belongs to no process any more goes; one that nobody has waited for is none."""
    a = boot({"web": unit("localhost/hello:latest")})
    a.wait_unit("systemd-web", state="up")
    nobody = int(open("/proc/sys/kernel/pid_max").read()) - 1
    parent = subprocess.Popen(["nsenter", "-t", str(a.init_pid()), "-p", sys.executable, "-c", NEVER_WAITS], stdout=subprocess.PIPE, text=True)
    zombie = int(parent.stdout.readline())
    left = ["/run/cleat/boot/engine.tmp-%d" % nobody, "/run/cleat/units/systemd-web.tmp-%d" % nobody, "/run/cleat/links/state.tmp-%d" % nobody,
            "/data/units/last-good/web.container.tmp-%d" % nobody, "/data/units/history/web.container.tmp-%d" % nobody,
            "/run/cleat/boot/engine.tmp-%d" % zombie]
    kept = ["/run/cleat/boot/engine.tmp-1", "/data/units/last-good/web.container.tmp-1", "/run/cleat/boot/engine.tmp-"]

    def place(path):
        return "/proc/%d/root%s" % (a.init_pid(), path)

    def there(path):
        return os.path.exists(place(path))
    for path in left + kept:
        os.makedirs(os.path.dirname(place(path)), exist_ok=True)
        with open(place(path), "w"):
            pass
    engine = a.engine_pid()
    os.kill(engine, signal.SIGKILL)
    wait_for("the next engine", lambda: a.engine_child(engine) and a.engine_pid() != engine)
    wait_for("they are gone", lambda: not any(there(path) for path in left))
    assert [path for path in kept if not there(path)] == []
    parent.kill()
    parent.wait(60)
