# SPDX-License-Identifier: Apache-2.0
"""What happens to the machine and not to the containers turns no healthy container sick: load on all processors, a frozen appliance. (A clock that jumps is
the simulation's: clock-back.sim, clock-late.sim; a real one is the machine's and others'.)"""
import os
import shutil
import signal
import subprocess
import time

import pytest

from appliance import IDLE, unit, wait_for

BOX = "localhost/box:latest"
COUNT = 20
INTERVAL_SEC = 1
TIMEOUT_SEC = 5
PROBED = "HealthInterval=%ds\nHealthTimeout=%ds\nHealthRetries=1\nHealthStartPeriod=0s\nStopTimeout=0\n" % (INTERVAL_SEC, TIMEOUT_SEC)


@pytest.fixture
def probed(boot, box_image):
    """Twenty containers that one failed probe would restart."""
    units = {"u%02d" % n: unit(BOX, 'Exec=/bin/sh -c "%s"\nHealthCmd=echo x >>/share/u%02d; sleep 0.5; while [ -e /share/hold ]; do sleep 0.1; done\nVolume=/data/share:/share\n%s' % (IDLE, n, PROBED),
                               "Restart=always") for n in range(COUNT)}
    a = boot(units, images=(), start=False)
    os.makedirs(os.path.join(a.data, "share"))
    os.chmod(os.path.join(a.data, "share"), 0o777)
    a.add_image("box", box_image)
    a.start()
    wait_for("all are healthy", lambda: sum(u["health"] == "healthy" for u in a.status()["units"]) == COUNT)
    return a


def facts(a):
    return {u["name"]: (u["pid"], u["restarts"], u["state"], u["health"]) for u in a.status()["units"]}


def counts(a):
    folder = os.path.join(a.data, "share")
    return [os.path.getsize(os.path.join(folder, "u%02d" % n)) // 2 for n in range(COUNT)]


def wait_probed(a, before, times):
    wait_for("each is probed %d times more" % times, lambda: all(now >= then + times for now, then in zip(counts(a), before)), 60)


def check_unchanged(a, before):
    assert facts(a) == before, a.console()
    assert "unhealthy" not in a.console()


def cgroup_of(a):
    for base in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        path = os.path.join(base, "cleat-boot-%d" % a.process.pid)
        if os.path.exists(os.path.join(path, "cgroup.freeze")):
            return path
    return None


def test_load_on_all_processors(probed):
    before, done = facts(probed), counts(probed)
    hogs = [subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"]) for _ in range(2 * os.cpu_count())]
    try:
        wait_probed(probed, done, 4)
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
    check_unchanged(probed, before)


def is_frozen(group):
    with open(os.path.join(group, "cgroup.events")) as f:
        return "frozen 1" in f.read()


def freeze(group, value):
    with open(os.path.join(group, "cgroup.freeze"), "w") as f:
        f.write("1" if value else "0")
    wait_for("frozen: %s" % value, lambda: is_frozen(group) == value)


def test_frozen_and_thawed(probed):
    """As a backup does it. Probes that were under way are frozen too, and asked anew."""
    group = cgroup_of(probed)
    if not group:
        pytest.skip("no freezer in the cgroup tree")
    before = facts(probed)
    for span in (0.3, TIMEOUT_SEC + 1):  # one is longer than a probe may take, and some are always under way
        done = counts(probed)
        freeze(group, True)
        try:
            time.sleep(span)  # the freeze itself; what is asserted does not depend on its length
        finally:
            freeze(group, False)
        wait_probed(probed, done, 2)
        check_unchanged(probed, before)


def probes_under_way(group):
    """Cgroups of probes, below those of their containers, that hold a process."""
    found = 0
    for path, folders, _ in os.walk(group):
        if os.path.basename(path).startswith("cleat-probe-"):
            with open(os.path.join(path, "cgroup.events")) as f:
                found += "populated 1" in f.read()
    return found


def test_probes_that_run_out_of_time_in_a_freeze(probed):
    """The shims go on and end the probes of frozen containers; the engine, frozen too, finds those answers when it wakes, and they say nothing."""
    group = os.path.join(cgroup_of(probed) or "", "cleat", "c")
    if not os.path.exists(os.path.join(group, "cgroup.freeze")):
        pytest.skip("no freezer in the cgroup tree")
    engine, before = probed.engine_pid(), facts(probed)
    hold = os.path.join(probed.data, "share", "hold")
    open(hold, "w").close()
    wait_for("probes are under way", lambda: probes_under_way(group) >= 8)
    os.kill(engine, signal.SIGSTOP)
    try:
        freeze(group, True)
        wait_for("the shims have ended them all", lambda: probes_under_way(group) == 0)
        os.unlink(hold)
    finally:
        freeze(group, False)
        os.kill(engine, signal.SIGCONT)
    wait_probed(probed, counts(probed), 2)
    check_unchanged(probed, before)
    assert "the loop was late" in probed.console()


# Starting as long as nobody says go; what fails until then does not count.
LATE = unit(BOX, 'Exec=/bin/sh -c "%s"\nNotify=healthy\nHealthCmd=test -e /share/go\nHealthInterval=1s\nHealthStartPeriod=10m\n'
            "Volume=/data/share:/share\nStopTimeout=0\n" % IDLE, "TimeoutStartSec=%d\nRestart=no")
START_SEC = 5


def test_a_freeze_moves_the_deadline_of_a_start(boot, box_image):
    a = boot({"late": LATE % START_SEC}, images=(), start=False)
    share = os.path.join(a.data, "share")
    os.makedirs(share)
    a.add_image("box", box_image)
    a.start()
    group = cgroup_of(a)
    if not group:
        pytest.skip("no freezer in the cgroup tree")
    a.wait_unit("systemd-late", state="starting", health="starting")
    freeze(group, True)
    try:
        time.sleep(START_SEC + 1)  # the freeze itself: longer than the unit may take
        open(os.path.join(share, "go"), "w").close()
    finally:
        freeze(group, False)
    a.wait_unit("systemd-late", state=("up", "failed", "stopping", "cleaning"))
    assert a.unit("systemd-late")["state"] == "up", a.console()


@pytest.mark.skipif(not shutil.which("lxc-freeze"), reason="lxc is not installed")
def test_lxc_frozen_and_thawed(boot_lxc, box_image):
    """As a backup does it, for longer than two intervals of the probes."""
    units = {"u": unit(BOX, 'Exec=/bin/sh -c "%s"\nHealthCmd=sleep 0.5\n%s' % (IDLE, PROBED), "Restart=always")}
    c = boot_lxc(units, images=(), start=False)
    c.add_image("box", box_image)
    c.start()
    before = c.wait_unit("systemd-u", health="healthy")["pid"]
    c.lxc("freeze")
    try:
        time.sleep(2 * INTERVAL_SEC + TIMEOUT_SEC)  # the freeze itself
    finally:
        c.lxc("unfreeze")
    c.cleat("healthcheck", "run", "systemd-u")
    after = c.wait_unit("systemd-u", health="healthy")
    assert (after["pid"], after["restarts"]) == (before, 0), c.console()
    wait_for("it is said", lambda: "the loop was late" in c.console())
    assert "unhealthy" not in c.console()


def test_only_containers_frozen(probed):
    """The engine sees probes that do not answer: that is not healthy, and said; once is enough here, so they are restarted and come back."""
    group = os.path.join(cgroup_of(probed) or "", "cleat", "c")
    if not os.path.exists(os.path.join(group, "cgroup.freeze")):
        pytest.skip("no freezer in the cgroup tree")
    before = facts(probed)
    freeze(group, True)
    try:
        wait_for("unhealthy is seen", lambda: "unhealthy" in probed.console(), 30)
    finally:
        freeze(group, False)
    wait_for("all are healthy again", lambda: all(f[2:] == ("up", "healthy") for f in facts(probed).values()), 60)
    assert any(facts(probed)[name][1] > before[name][1] for name in before)
