# SPDX-License-Identifier: Apache-2.0
"""A disk that hangs under the logs, and one that is full: a file system of its own below /data/logs, frozen."""
import os
import signal
import subprocess

import pytest

from appliance import unit, wait_for

BOX = "localhost/box:latest"


@pytest.fixture
def log_disk(tmp_path):
    """mount(path, mebibytes): an ext4 of a loop device there."""
    mounted = []

    def mount(path, mebibytes):
        image = str(tmp_path / "disk")
        with open(image, "wb") as f:
            f.truncate(mebibytes * 1024 * 1024)
        subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", image], check=True)
        os.makedirs(path, exist_ok=True)
        done = subprocess.run(["mount", "-o", "loop", image, path], stderr=subprocess.PIPE, text=True)
        if done.returncode:
            pytest.skip("no loop device to be had on this machine: " + done.stderr.strip())
        mounted.append(path)
        return path

    yield mount
    for path in mounted:
        subprocess.run(["fsfreeze", "-u", path], stderr=subprocess.DEVNULL)
        subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture
def boot_on(boot, box_image, log_disk):
    def make(units, mebibytes):
        a = boot(units, images=(), start=False)
        a.add_image("box", box_image)
        disk = log_disk(os.path.join(a.data, "logs"), mebibytes)
        return a.start(), disk

    return make


FLOOD = "trap \"exit 0\" TERM; i=0; while :; do i=$((i+1)); echo line $i of a flood that never ends and fills what there is; done"


def flood(container="", service="Restart=no\n"):
    return unit(BOX, "Exec=/bin/sh -c '%s'\n" % FLOOD.replace("$", "$$") + container, service=service)


def test_a_frozen_disk_stalls_no_container_probe_stop_or_kill(boot_on):
    health = "HealthCmd=/bin/true\nHealthInterval=200ms\n"
    a, disk = boot_on({"a": flood(health), "b": flood()}, 64)
    for name in ("a", "b"):
        a.wait_unit("systemd-" + name, state="up")
        wait_for("its log is begun", lambda: os.path.exists(os.path.join(disk, "systemd-" + name, "current")))
    subprocess.run(["fsfreeze", "-f", disk], check=True)
    try:
        for name in ("a", "b"):
            wait_for("lines are dropped and counted", lambda: a.unit("systemd-" + name)["log_dropped_lines"] > 0, 60)
        before = a.unit("systemd-a")["log_dropped_lines"]
        wait_for("the container goes on", lambda: a.unit("systemd-a")["log_dropped_lines"] > before, 60)
        a.wait_unit("systemd-a", health="healthy")
        os.kill(a.pid_of("systemd-b"), signal.SIGKILL)
        killed = a.wait_unit("systemd-b", state="failed")
        assert killed["exit"]["signal"] == 9 and killed["last_output"][-1].startswith("line ")
        a.cleat("stop", "a")
        a.wait_unit("systemd-a", state="down")
    finally:
        subprocess.run(["fsfreeze", "-u", disk], check=True)
    wait_for("the writers finish", lambda: not a.processes("cleat-log"), 60)
    for name in ("a", "b"):
        out = a.cleat("logs", "--tail", "3", name)
        assert "lines dropped" in out or "line " in out


def test_a_full_disk_is_said_and_counted_and_recovers(boot_on):
    a, disk = boot_on({"a": flood("LogOpt=max-size=64m\n")}, 8)
    entry = wait_for("it is full", lambda: a.unit("systemd-a")["log_dropped_lines"] > 0 and a.unit("systemd-a"), 60)
    assert entry["state"] == "up"
    wait_for("why is said", lambda: any("No space left on device" in note for note in a.unit("systemd-a")["notes"]))
    a.cleat("stop", "a")
    a.wait_unit("systemd-a", state="down")
