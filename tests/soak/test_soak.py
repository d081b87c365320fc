# SPDX-License-Identifier: Apache-2.0
"""Containers that exit, hang, flood, go sick, get changed and updated, for a while (SOAK_SEC); what the appliance has stays what it was."""
import json
import os
import re
import subprocess
import time

import pytest

from appliance import BUILD, Appliance, descendants, leftovers, unit, wait_for
from ociimage import busybox_of, write_box

SECONDS = int(os.environ.get("SOAK_SEC", "20"))
COUNT = int(os.environ.get("SOAK_UNITS", "40"))
SAMPLES = 20
LOG_BYTES = 65536  # a file of a log, of which there are three
BOX = "localhost/box:latest"
UPDATED = "localhost/updated:latest"
LIMITLESS = {"unit_lines": "StartLimitIntervalSec=0\n"}
IDLE = "trap 'exit 0' TERM; while :; do sleep 1; done"

KINDS = {
    "exits": ("sleep 1; exit 1", "", "Restart=on-failure\nRestartSec=200ms\n"),
    "hangs": ("trap '' TERM; while :; do sleep 1; done", "StopTimeout=1\n", "Restart=always\nRestartSec=200ms\nRuntimeMaxSec=3\n"),
    "floods": ("i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo line $i of what nobody reads; done; sleep 1", "LogOpt=max-size=%d\n" % LOG_BYTES,
               "Restart=always\nRestartSec=500ms\n"),
    "sickens": ("touch /tmp/well; sleep 2; rm /tmp/well; sleep 1000", "Tmpfs=/tmp\nHealthCmd=test -e /tmp/well\nHealthInterval=500ms\nHealthRetries=1\nStopTimeout=0\n",
                "Restart=always\nRestartSec=200ms\n"),
    "stays": (IDLE, "HealthCmd=true\nHealthInterval=2s\n", "Restart=always\n"),
    "updates": None,  # does what its image says
}


def text_of(kind, number):
    if kind == "updates":
        return unit(UPDATED, "AutoUpdate=local\nHealthCmd=test -e /good\nHealthInterval=500ms\nStopTimeout=1\n", "Restart=always\nRestartSec=200ms\n", **LIMITLESS)
    script, container, service = KINDS[kind]
    return unit(BOX, "Exec=/bin/sh -c \"%s\"\nEnvironment=NUMBER=%d\n%s" % (script, number, container), service, **LIMITLESS)


class Versions:
    """Images that the store comes to have, each when all units have judged the one before: two that are good, one that ends at once, and so on."""

    def __init__(self, a):
        self.a = a
        self.number = 0
        self.digest = None
        self.is_bad = False
        self.loading = None
        self.judged = {"updated": 0, "rolled-back": 0}

    def write(self, path):
        """A layer of its own, which has to go from the disk again."""
        command, name = ("exit 3", "bad") if self.is_bad else (IDLE, "good")
        return write_box(path, busybox_of(BUILD), UPDATED, {"Cmd": ["/bin/sh", "-c", command]}, [(name, {"content": b"%d" % self.number})])

    def publish(self):
        self.number += 1
        self.is_bad = self.number % 3 == 0
        self.digest = self.write(os.path.join(self.a.data, "version.tar"))
        self.loading = subprocess.Popen(["nsenter", "-t", str(self.a.init_pid()), "-r", "-w", "-m", "-n", "-p", "-u", "-i", "-C", "/usr/bin/cleat", "load", "-i", "/data/version.tar"],
                                        stdout=subprocess.DEVNULL)

    def step(self):
        """Waits for nothing."""
        if self.loading:
            if self.loading.poll() is None:
                return False
            assert self.loading.returncode == 0
            self.loading = None
        verdict = "rolled-back" if self.is_bad else "updated"
        if self.digest:
            units = json.loads(self.a.api("GET", "/cleat/v1/updates")[1])["units"]
            if not units or not all(any((h["result"], h["digest"]) == (verdict, self.digest) for h in u["history"]) for u in units):
                return False
            self.judged[verdict] += 1
        self.publish()
        return all(self.judged.values())

    def close(self):
        if self.loading:
            self.loading.wait(60)


@pytest.fixture
def soaked(tmp_path):
    units = {"%s%03d" % (kind, n): text_of(kind, 0) for n in range(COUNT // len(KINDS)) for kind in KINDS}
    units["changes"] = text_of("stays", 0)
    a = Appliance(tmp_path, units, images=())
    box = str(tmp_path / "box.tar")
    write_box(box, busybox_of(BUILD))
    a.add_image("box", box)
    versions = Versions(a)
    versions.write(os.path.join(a.config, "images", "updated.tar"))
    with open(os.path.join(a.config, "appliance.ini"), "w", encoding="utf-8") as f:
        f.write("[Update]\nInterval=1s\nHealthyAfter=1s\n")
    a.start()
    yield a, versions
    versions.close()
    a.close()


def cgroup_of(a):
    for base in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        path = os.path.join(base, "cleat-boot-%d" % a.process.pid)
        if os.path.isdir(path):
            return path
    raise AssertionError("no cgroup of the appliance")


def disk(top):
    total = 0
    for folder, _, files in os.walk(top):
        for name in files:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except OSError:
                continue  # rotated away meanwhile
    return total


def anonymous_kib(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"^RssAnon:\s+(\d+)", f.read(), re.M).group(1))


def sample(a):
    """What there is; containers come and go, so what they have counts once for each unit."""
    engine, init = a.engine_pid(), a.init_pid()
    inside = "/proc/%d/root" % init
    with open("/proc/%d/mountinfo" % init) as f:
        mounts = len(f.readlines())
    return {
        "engine's memory, KiB": anonymous_kib(engine),
        "init's memory, KiB": anonymous_kib(init),
        "engine's descriptors": len(os.listdir("/proc/%d/fd" % engine)),
        "mounts": mounts,
        "run directories": len(os.listdir(inside + "/run/cleat/c")),
        "names": len(os.listdir(inside + "/run/cleat/by-name")),
        "cgroups": sum(1 for _ in os.walk(cgroup_of(a))),
        "processes": len(descendants(init)),
        "tmpfs, bytes": disk(inside + "/run"),
        "disk, bytes": disk(a.data),
    }


# What more there may be at the end than in the first half: containers die and are born while one looks.
UNITS = COUNT // len(KINDS) * len(KINDS) + 1
SLACK = {"engine's memory, KiB": 512, "init's memory, KiB": 64, "engine's descriptors": UNITS // 4 + 10, "mounts": 0, "run directories": UNITS, "names": UNITS,
         "cgroups": 2 * UNITS, "processes": 6 * UNITS, "tmpfs, bytes": 24576 * UNITS, "disk, bytes": 3 * LOG_BYTES * UNITS}
# And whatever there was before, never more than this for each unit.
BOUNDS = {"engine's descriptors": 6, "run directories": 2, "names": 2, "cgroups": 4, "processes": 8, "disk, bytes": 4 * LOG_BYTES + 131072}


def test_what_there_is_stays_what_it_was(soaked):
    a, versions = soaked
    wait_for("the last one is up", lambda: a.unit("systemd-changes")["state"] == "up", 120)
    # one that starts later than the first version comes has nothing to be updated to
    wait_for("and all that are updated", lambda: all(u["pid"] for u in a.status()["units"] if u["name"].startswith("systemd-updates")), 120)
    begin, samples, changes = time.monotonic(), [], 0
    while time.monotonic() < begin + SECONDS or len(samples) < SAMPLES:
        samples.append(sample(a))
        a.alive()
        versions.step()
        if len(samples) < SAMPLES / 4:  # each makes a new engine, which would forget what an earlier one has not given back
            changes += 1
            a.add_unit("changes", text_of("stays", changes))
        time.sleep(max(0, begin + len(samples) * SECONDS / SAMPLES - time.monotonic()))
    wait_for("a good version and a bad one are judged: %s" % versions.judged, versions.step, 120)
    versions.close()
    print("%d versions: %s" % (versions.number, versions.judged))
    assert ("NUMBER=%d" % changes).encode() + b"\0" in environment(a, "systemd-changes")
    quarter = max(1, len(samples) // 4)
    for what, slack in SLACK.items():
        first, last = max(s[what] for s in samples[quarter:2 * quarter + 1]), min(s[what] for s in samples[-quarter:])
        print("%-22s %10d at most in the first half, %10d at least at the end" % (what, first, last))
        assert last <= first + slack, "%s: from %d to %d: %s" % (what, first, last, [s[what] for s in samples])
    for what, bound in BOUNDS.items():
        most = max(s[what] for s in samples)
        assert most <= bound * UNITS + 200, "%s: %d, %d units" % (what, most, UNITS)
    units = {u["name"]: u for u in a.status()["units"]}
    for kind in ("exits", "hangs", "floods", "sickens"):
        assert all(u["restarts"] for name, u in units.items() if kind in name), "%s is never restarted" % kind
    assert all(u["restarts"] == 0 and u["health"] == "healthy" for name, u in units.items() if "stays" in name), "what is well is left alone"
    assert a.stop(120) == 0
    assert leftovers(a) == []


def environment(a, name):
    try:
        with open("/proc/%d/environ" % a.pid_of(name), "rb") as f:
            return f.read()
    except (OSError, AssertionError):
        return b""
