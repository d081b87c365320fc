# SPDX-License-Identifier: Apache-2.0
"""What happens to the machine and not to the containers turns no healthy container sick: load on all processors, a frozen appliance, a clock that jumps."""
import ctypes
import os
import subprocess
import time

import pytest

from appliance import IDLE, unit, wait_for

BOX = "localhost/box:latest"
COUNT = 20
INTERVAL_SEC = 1
PROBED = "HealthInterval=%ds\nHealthTimeout=3s\nHealthRetries=1\nHealthStartPeriod=0s\nStopTimeout=0\n" % INTERVAL_SEC


@pytest.fixture
def probed(boot, box_image):
    """Twenty containers that one failed probe would restart."""
    units = {"u%02d" % n: unit(BOX, 'Exec=/bin/sh -c "%s"\nHealthCmd=echo x >>/share/u%02d; sleep 0.5\nVolume=/data/share:/share\n%s' % (IDLE.replace("0.1", "1"), n, PROBED),
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
    for span in (0.3, 4, 1.2):  # one is longer than a probe may take, and some are always under way
        done = counts(probed)
        freeze(group, True)
        try:
            time.sleep(span)  # the freeze itself; what is asserted does not depend on its length
        finally:
            freeze(group, False)
        wait_probed(probed, done, 2)
        check_unchanged(probed, before)


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


def may_set_the_clock():
    """Not in a container, and not where others on this machine would see it jump: only in a machine that is there for tests."""
    if os.environ.get("CLEAT_MAY_SET_CLOCK") != "1":
        return False
    now = time.clock_gettime_ns(time.CLOCK_REALTIME)
    spec = (ctypes.c_long * 2)(now // 10**9, now % 10**9)
    return ctypes.CDLL(None, use_errno=True).clock_settime(0, spec) == 0


@pytest.mark.skipif(not may_set_the_clock(), reason="the clock is the machine's and others': CLEAT_MAY_SET_CLOCK=1 allows to set it")
def test_the_clock_jumps(probed):
    before, begin, mono = facts(probed), time.time(), time.monotonic()
    try:
        for jump in (-86400, 86400, 3600 * 24 * 400):
            done = counts(probed)
            time.clock_settime(time.CLOCK_REALTIME, begin + time.monotonic() - mono + jump)
            wait_probed(probed, done, 2)
            check_unchanged(probed, before)
    finally:
        time.clock_settime(time.CLOCK_REALTIME, begin + time.monotonic() - mono)
