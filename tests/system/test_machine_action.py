# SPDX-License-Identifier: Apache-2.0
"""FailureAction=, SuccessAction=, StartLimitAction=, JobTimeoutAction=: what a unit asks of the whole appliance, done beneath the real PID 1."""
import ctypes
import os
import shutil
import signal

import pytest

from appliance import IDLE, LIBC, unit, wait_for
from lxc import LXC_CONFIG
from test_crash import CUTS, Killer, killer  # noqa: F401 the fixture

BOX = "localhost/box:latest"
POLITE = 'Exec=/bin/sh -c "%s"\n' % IDLE
DEAF = "Exec=/bin/sh -c \"trap '' TERM; while :; do sleep 0.1; done\"\nStopTimeout=1000\n"
# Ends as it is told to, once: the file is gone when it does.
TOLD = ("Volume=/data/told:/told\n"
        "Exec=/bin/sh -c \"trap 'exit 0' TERM; while [ ! -e /told/end ]; do sleep 0.05; done; end=$(cat /told/end); rm /told/end; $end\"\n")


@pytest.fixture
def box(boot, box_image):
    def make(units, **keywords):
        a = boot(units, images=(), start=False, **keywords)
        a.add_image("box", box_image)
        return a

    return make


def tell(a, word="exit 3"):
    """Whole at once: the program may look at any moment."""
    part = os.path.join(a.data, "part")
    with open(part, "w") as f:
        f.write(word + "\n")
    os.rename(part, os.path.join(a.data, "told", "end"))


def ready(a, name="systemd-told"):
    return a.wait_unit(name, state="up")


def next_life(a, before):
    a.wait_next_life(before)
    ready(a)


def notes(a):
    return [note["text"] for note in a.status()["notes"]]


def test_a_failure_reboots_in_order_and_the_next_boot_says_why(box):
    a = box({"told": unit(BOX, TOLD, unit_lines="FailureAction=reboot"), "svc": unit(BOX, POLITE)}).start()
    ready(a, "systemd-svc")
    for times in (1, 2):
        ready(a)
        before = a.init_pid()
        tell(a)
        next_life(a, before)
        said = [text for text in notes(a) if "ended the appliance" in text]
        assert len(said) == 1 and said[0].endswith("systemd-told: FailureAction=reboot: exited with code 3"), notes(a)
        assert ("2 times in a row" in said[0]) == (times == 2), said
        text = a.console()
        assert text.count("] systemd-told: FailureAction=reboot: exited with code 3\n") == times, text
        assert text.count("reboot: stopping containers") == text.count("all stopped; rebooting") == times, text
        assert text.count("all containers are down") == times and "systemd-svc  up → stopping: shutdown" in text, text
    # whoever stops it by hand has seen it
    assert a.stop() == 0, a.console()
    assert not os.path.exists(os.path.join(a.data, "units", "last-action"))
    a.start()
    ready(a)
    assert not [text for text in notes(a) if "ended the appliance" in text]


@pytest.mark.parametrize("lines, word, code", [
    ("SuccessAction=poweroff", "exit 0", 0),
    ("FailureAction=exit", "exit 7", 7),
    ("FailureAction=exit", signal.SIGKILL, 255),
    ("FailureAction=exit\nFailureActionExitStatus=9", "exit 7", 9),
    ("SuccessAction=exit\nSuccessActionExitStatus=4", "exit 0", 4),
    ("StartLimitAction=halt\nStartLimitBurst=1", "exit 1", 0),
])
def test_the_appliance_ends(box, lines, word, code):
    service = "Restart=on-failure\n" if "StartLimit" in lines else ""
    a = box({"told": unit(BOX, TOLD, unit_lines=lines, service=service), "svc": unit(BOX, POLITE)}).start()
    ready(a)
    ready(a, "systemd-svc")
    if isinstance(word, str):
        tell(a, word)
    else:
        os.kill(a.pid_of("systemd-told"), word)
    assert a.process.wait(60) == code, a.console()
    text = a.console()
    assert "systemd-told: %s: " % lines.split("\n", maxsplit=1)[0] in text, text
    assert "exit" not in lines or "to end with code %d\n" % code in text, text
    assert "halt: stopping containers" in text and "all containers are down" in text and "all stopped\n" in text, text


def test_a_start_that_takes_too_long(box):
    a = box({"slow": unit(BOX, POLITE + "Notify=true\n", unit_lines="JobTimeoutSec=1s\nJobTimeoutAction=exit")}).start(wait=False)
    assert a.process.wait(60) == 0, a.console()
    assert "systemd-slow: JobTimeoutAction=exit: " in a.console() and "takes longer than JobTimeoutSec=" in a.console(), a.console()


def test_force_waits_for_no_container(box):
    a = box({"told": unit(BOX, TOLD, unit_lines="FailureAction=poweroff-force"), "deaf": unit(BOX, DEAF)}).start()
    ready(a)
    ready(a, "systemd-deaf")
    tell(a)
    assert a.process.wait(60) == 0, a.console()
    assert "all containers are down" not in a.console() and "all stopped\n" in a.console(), a.console()
    # the disk has it all the same
    with open(os.path.join(a.data, "units", "last-action")) as f:
        assert f.read().endswith("\nsystemd-told: FailureAction=poweroff-force: exited with code 3\n")


def test_immediate_ends_nothing_before(box):
    a = box({"told": unit(BOX, TOLD, unit_lines="FailureAction=exit-force\nStartLimitAction=poweroff-immediate\nStartLimitBurst=1",
                          service="Restart=on-failure\nRestartMode=direct\n"), "deaf": unit(BOX, DEAF)}).start()
    ready(a)
    ready(a, "systemd-deaf")
    tell(a)
    assert a.process.wait(60) == 0, a.console()
    text = a.console()
    assert "systemd-told: StartLimitAction=poweroff-immediate: " in text and "ending at once" in text and "all stopped" not in text, text


def test_restart_comes_first_with_direct_only(box):
    """systemd's unit is failed for a moment before each automatic restart."""
    a = box({"told": unit(BOX, TOLD, unit_lines="FailureAction=poweroff", service="Restart=on-failure\nRestartMode=direct\n"),
             "first": unit(BOX, TOLD.replace("/data/told", "/data/first"), unit_lines="FailureAction=poweroff", service="Restart=on-failure\n")}).start()
    ready(a)
    ready(a, "systemd-first")
    tell(a)
    a.wait_unit("systemd-told", state="up", restarts=1)
    assert "FailureAction=" not in a.console()
    os.rename(os.path.join(a.data, "told"), os.path.join(a.data, "gone"))
    os.rename(os.path.join(a.data, "first"), os.path.join(a.data, "told"))
    tell(a)
    assert a.process.wait(60) == 0, a.console()
    assert "systemd-first: FailureAction=poweroff: exited with code 3" in a.console(), a.console()


def test_what_failed_while_no_engine_lived_is_told_by_the_next_one(box):
    a = box({"told": unit(BOX, TOLD, unit_lines="FailureAction=exit")}).start()
    ready(a)
    pid = a.pid_of("systemd-told")
    engine = a.engine_child()
    os.kill(engine, signal.SIGSTOP)
    tell(a, "exit 6")
    wait_for("it has ended", lambda: not os.path.exists(os.path.join(a.data, "told", "end")) and not os.path.exists("/proc/%d/exe" % pid))
    os.kill(engine, signal.SIGKILL)
    assert a.process.wait(60) == 6, a.console()
    assert a.console().count("] systemd-told: FailureAction=exit: exited with code 6") == 1, a.console()


@pytest.mark.parametrize("lines", ["FailureAction=exit", ""], ids=["action", "no-restart"])
def test_what_was_torn_down_already_is_not_forgotten(box, lines):
    """Nothing is left of the run but what the engine that is killed had written down of its end."""
    post = "ExecStopPost=/bin/sh -c 'echo x >>/data/post; while [ ! -e /data/go ]; do sleep 0.05; done'\n"
    a = box({"told": unit(BOX, TOLD, unit_lines=lines, service=post)}).start()
    ready(a)
    runs = "/proc/%d/root/run/cleat/c" % a.init_pid()
    assert os.listdir(runs)
    tell(a, "exit 6")
    path = os.path.join(a.data, "post")
    wait_for("ExecStopPost=", lambda: os.path.exists(path) and os.path.getsize(path) == 2)
    assert not os.listdir(runs)
    os.kill(a.engine_child(), signal.SIGKILL)
    wait_for("ExecStopPost= of the next engine", lambda: os.path.getsize(path) == 4)
    with open(os.path.join(a.data, "go"), "w", encoding="utf-8"):
        pass
    if lines:
        assert a.process.wait(60) == 6, a.console()
        assert a.console().count("] systemd-told: FailureAction=exit: exited with code 6") == 1, a.console()
    else:
        assert "exited with code 6" in a.wait_unit("systemd-told", state="failed")["detail"]
    assert a.console().count("systemd-told  starting → up") == 1, a.console()


def killed_at(a, killer, folder, at):
    """The unit fails while the engine is traced, which is killed at its at-th call. Returns how many calls there were."""
    ready(a)
    tracer = Killer(killer, folder, a.engine_child(), at)
    try:
        tell(a)
        assert a.process.wait(60) == 3, a.console()
    finally:
        calls, has_killed = tracer.end()
    text = a.console()
    assert text.count("systemd-told  starting → up") == 1, text
    asked = text.count("] systemd-told: FailureAction=exit: exited with code 3\n")
    assert asked == 1 or (asked == 2 and has_killed), text
    assert text.count("halt: stopping containers") == 1 and text.count("all stopped\n") == 1, text
    return calls


def test_an_engine_that_is_killed_on_the_way_asks_again_or_has_asked(box, killer, tmp_path):  # noqa: F811
    def one(at):
        a = box({"told": unit(BOX, TOLD, unit_lines="FailureAction=exit")}).start()
        return killed_at(a, killer, tmp_path, at)

    calls = one(0)
    assert calls > 3, calls
    wanted = calls if CUTS == "all" else int(CUTS)
    for at in sorted({1 + (2 * i + 1) * calls // (2 * wanted) % calls for i in range(wanted)}):
        one(at)


@pytest.mark.skipif(not os.path.isdir(LXC_CONFIG) or not shutil.which("lxc-start"), reason="lxc is not installed")
@pytest.mark.parametrize("unprivileged", [True, False], ids=["unprivileged", "privileged"])
def test_in_lxc_a_reboot_begins_anew_and_an_exit_stops(boot_lxc, box_image, unprivileged):
    c = boot_lxc({"told": unit(BOX, TOLD, unit_lines="FailureAction=reboot\nSuccessAction=exit\nSuccessActionExitStatus=5")}, unprivileged=unprivileged, start=False)
    c.add_image("box", box_image)
    c.start()
    ready(c)
    before = c.init_pid()
    tell(c)
    next_life(c, before)
    assert any("ended the appliance" in text for text in notes(c)), notes(c)
    assert "all stopped; rebooting" in c.console()
    tell(c, "exit 0")
    assert c.process.wait(60) == 0, c.console()  # lxc-start has no word for it
    assert "to end with code 5" in c.console(), c.console()
    assert "systemd-told: SuccessAction=exit: " in c.console() and "all stopped\n" in c.console().replace("\r", ""), c.console()


def test_who_asks_first_wins(box):
    """What the engine sends when somebody has switched the appliance off already does not bring it up again."""
    a = box({"svc": unit(BOX, POLITE)}).start()
    ready(a, "systemd-svc")
    os.kill(a.init_pid(), 37)
    # of two that wait the lower number is taken first
    assert LIBC.sigqueue(a.init_pid(), 49, ctypes.c_void_p(0x200)) == 0
    assert a.process.wait(60) == 0, a.console()
    assert "reboot" not in a.console() and "ending at once" not in a.console() and "all containers are down" in a.console(), a.console()


# An engine that PID 1 has not told where it is.
STRANGER = """#!/bin/sh
unset CLEAT_WORLD
exec /usr/bin/cleat.good "$@"
"""


def test_an_engine_of_nobodys_asks_nobody(box):
    a = box({"told": unit(BOX, TOLD, unit_lines="FailureAction=poweroff-immediate"), "svc": unit(BOX, POLITE)}).start()
    ready(a)
    svc = ready(a, "systemd-svc")
    root = "/proc/%d/root/usr/bin/" % a.init_pid()
    os.rename(root + "cleat", root + "cleat.good")
    with open(root + "cleat.part", "w") as f:
        f.write(STRANGER)
    os.chmod(root + "cleat.part", 0o755)
    os.rename(root + "cleat.part", root + "cleat")
    before = a.engine_child()
    os.kill(before, signal.SIGKILL)
    wait_for("the next engine answers", lambda: a.alive() and a.engine_child(before) and a.ping())
    for times in (1, 2):
        ready(a)
        tell(a)
        a.wait_unit("systemd-told", state="failed")
        wait_for("it is said", lambda: a.console().count("] systemd-told: FailureAction=poweroff-immediate: exited with code 3") == times)
        note = "FailureAction=poweroff-immediate of systemd-told is not done: the engine does not run beneath the appliance's own PID 1"
        assert notes(a).count(note) == 1, notes(a)
        a.cleat("start", "told")
    events = a.cleat("events", "--no-follow", "--filter", "event=action").splitlines()
    assert len(events) == 2 and all("FailureAction=poweroff-immediate: exited with code 3" in line for line in events), events
    assert a.unit("systemd-svc")["pid"] == svc["pid"]
