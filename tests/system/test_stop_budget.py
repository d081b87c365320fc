# SPDX-License-Identifier: Apache-2.0
"""The whole appliance stops within its budget, whatever its units take; what the supervisor has said of a unit outlives engines."""
import json
import os
import signal
import time

from appliance import IDLE, parent_of, unit, wait_for

DEAF = "trap '' TERM; while :; do sleep 0.1; done"


def script(text, container="", service="", **keywords):
    return unit("localhost/box:latest", 'Exec=/bin/sh -c "%s"\n%s' % (text, container), service, **keywords)


def boot_box(boot, box_image, units, ini=""):
    a = boot(units, images=(), start=False)
    a.add_image("box", box_image)
    if ini:
        with open(os.path.join(a.config, "appliance.ini"), "w") as f:
            f.write(ini)
    return a.start()


def stop_timed(a):
    """Seconds from the signal until PID 1 has gone."""
    begin = time.monotonic()
    code = a.stop(100)
    return code, time.monotonic() - begin


def test_a_stop_is_over_when_the_budget_is_whatever_units_take(boot, box_image):
    """Three levels of programs that obey nobody, an ExecStop= and an ExecStopPost= that never end: each alone has minutes."""
    patient = "TimeoutStopSec=300\n"
    a = boot_box(boot, box_image, {
        "db": script(DEAF, "StopTimeout=200\n", patient + "ExecStopPost=/bin/touch /run/post-of-db\n"),
        "app": script(DEAF, "StopTimeout=200\n", patient, unit_lines="After=db.service"),
        "web": script(DEAF, "StopTimeout=200\n", patient, unit_lines="After=app.service"),
        "asks": script(IDLE, "", patient + "ExecStop=/bin/sh -c \"trap '' TERM; while :; do sleep 1; done\"\n"),
        "cleans": script(IDLE, "", patient + "ExecStopPost=/bin/sh -c \"trap '' TERM; while :; do sleep 1; done\"\n"),
        "good": script(IDLE),
    }, "[Stop]\nBudget=10s\n")
    for name in ("web", "app", "db", "asks", "cleans", "good"):
        a.wait_unit("systemd-" + name, state="up")
    code, seconds = stop_timed(a)
    console = a.console()
    assert code == 0, console
    # far below the 200 s of any of them; the bound leaves room for a loaded machine
    assert seconds < 60, (seconds, console)
    assert "stopping, 10 s at most" in console
    assert "all containers are down" in console and "left behind" not in console, console
    assert console.count("no time was left") >= 3, console


def shim_of(a, name):
    """The container's first process is a child of its shim."""
    return parent_of(a.pid_of(name))


def pending(pid, number):
    with open("/proc/%d/status" % pid) as f:
        words = dict(line.split(":", 1) for line in f)
    return any(int(words[key], 16) & 1 << (number - 1) for key in ("SigPnd", "ShdPnd"))


def test_an_engine_that_hangs_is_ended_and_the_next_one_has_only_what_is_left(boot, box_image):
    """The budget is the appliance's: a second engine does not begin it anew, and what the first has not done is done at once."""
    a = boot_box(boot, box_image, {"deaf": script(DEAF, "StopTimeout=300\n", "TimeoutStopSec=300\n")}, "[Stop]\nBudget=10s\n")
    a.wait_unit("systemd-deaf", state="up")
    engine = a.engine_pid()
    os.kill(a.process.pid, signal.SIGINT)
    wait_for("the stop has begun", lambda: "stopping, 10 s at most" in a.console())
    os.kill(engine, signal.SIGSTOP)
    wait_for("the kernel's alarm is due", lambda: pending(engine, signal.SIGALRM), 60)
    os.kill(engine, signal.SIGCONT)
    begin = time.monotonic()
    assert a.process.wait(60) == 0, a.console()
    seconds = time.monotonic() - begin
    console = a.console()
    assert "engine: ended by signal 14" in console, console
    later = console.split("engine: ended by signal 14", 1)[1]
    assert "stopping, 5 s at most" in later and "all containers are down" in later, console
    # far below the 300 s of the unit
    assert seconds < 60, (seconds, console)


def test_what_does_not_end_is_left_behind_by_name(boot, box_image):
    """A shim that is stopped tells nobody that its container has gone."""
    a = boot_box(boot, box_image, {"web": script(IDLE), "good": script(IDLE)}, "[Stop]\nBudget=10s\n")
    a.wait_unit("systemd-web", state="up")
    a.wait_unit("systemd-good", state="up")
    shim = shim_of(a, "systemd-web")
    os.kill(shim, signal.SIGSTOP)
    code, seconds = stop_timed(a)
    console = a.console()
    assert code == 0, console
    assert "systemd-web: left behind while stopping: " in console, console
    assert "systemd-good: left behind" not in console and "all containers are down" not in console, console
    assert seconds < 60, (seconds, console)


def history(a, name, *options):
    return a.cleat("explain", "--history", *options, name)


def test_the_history_of_a_unit_is_there_across_engines_and_without_one(boot, box_image):
    a = boot_box(boot, box_image, {
        "web": script(IDLE),
        "fails": script("exit 3", "", "Restart=on-failure\nRestartSec=50ms\n", unit_lines="StartLimitIntervalSec=300\n"),
    })
    a.wait_unit("systemd-web", state="up")
    a.wait_unit("systemd-fails", state="start-limit")
    for name in ("web", "web.container", "web.service", "systemd-web"):
        text = history(a, name)
        assert "down -> pulling: asked to start" in text and "starting -> up: running" in text, text
    assert "start limit" in history(a, "fails")
    assert "start limit" not in history(a, "web")
    before = json.loads(history(a, "web", "--json"))
    assert before["unit"] == "web.container" and before["lost"] == 0
    times = [line["monotonic_usec"] for line in before["lines"]]
    assert times == sorted(times)
    old = a.engine_pid()
    os.kill(old, signal.SIGKILL)
    wait_for("the next engine", lambda: a.ping() and a.engine_pid() != old)
    wait_for("it has adopted the container", lambda: "adopted" in history(a, "web"))
    after = json.loads(history(a, "web", "--json"))
    assert after["lines"][:len(before["lines"])] == before["lines"]
    # nobody answers: the file is enough
    engine = a.engine_pid()
    os.kill(engine, signal.SIGSTOP)
    try:
        assert history(a, "web").startswith(history(a, "web").splitlines()[0])
        assert "adopted" in history(a, "web")
    finally:
        os.kill(engine, signal.SIGCONT)
    done = a.cleat("explain", "--history", "nobody", check=False)
    assert done.returncode == 2 and "nothing is known of a unit nobody" in done.stdout
