# SPDX-License-Identifier: Apache-2.0
"""A container of LXC that is copied, backed up and restored under other ids, or made anew from the template around its data."""
import os
import re
import shutil
import subprocess

import pytest

from appliance import IDLE, unit, wait_for
from isolation import EXAMPLE, check_example
from lxc import FIRST_ID, IDS, LXC_CONFIG, OTHER_ID

pytestmark = pytest.mark.skipif(not os.path.isdir(LXC_CONFIG) or not shutil.which("lxc-start"), reason="lxc is not installed")

# What vzdump and pct restore give tar.
TAR_FLAGS = ("--one-file-system", "-p", "--sparse", "--numeric-owner", "--acls", "--xattrs", "--xattrs-include=user.*",
             "--xattrs-include=security.capability", "--warning=no-file-ignored", "--warning=no-xattr-write")
LOOP = 'Exec=/bin/sh -c "%s"\n' % IDLE
LINK = "lxc.net.0.hwaddr = 00:16:3e:00:00:%02x"


@pytest.fixture(name="make")
def fixture_make(boot_lxc):
    """make(link number, ...) gives a container that is not started, with a network address of its own as hosts assign them."""

    def make(link, **keywords):
        c = boot_lxc(start=False, with_template=False, extra=(LINK % link,), **keywords)
        shutil.copytree(EXAMPLE, c.config, dirs_exist_ok=True)
        return c

    return make


def run_until_healthy(c):
    c.start()
    c.wait_unit("moe-orchestrator", health="healthy")
    return c


def stop(c):
    c.lxc("stop")
    assert c.process.wait(60) == 0


def machine_id(c):
    text = c.shell("cat /etc/machine-id").strip()
    assert re.fullmatch("[0-9a-f]{32}", text), text
    return text


def in_map(c, *words):
    """A command as root of the container, without the container."""
    maps = ["-m", "u:0:%d:%d" % (c.first, IDS), "-m", "g:0:%d:%d" % (c.first, IDS)]
    return c.command("lxc-usernsexec", *maps, "--", *words)


def move(source, target, folder):
    """What is in a folder of one container comes into the other's, by tar within their maps."""
    here, there = getattr(source, folder), getattr(target, folder)
    with subprocess.Popen(in_map(source, "tar", "-c", *TAR_FLAGS, "-C", here, "."), stdout=subprocess.PIPE) as pack:
        done = subprocess.run(in_map(target, "tar", "-x", *TAR_FLAGS, "-C", there, "--anchored", "--exclude", "./dev/*"), stdin=pack.stdout,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        pack.stdout.close()
        assert pack.wait() == 0 and done.returncode == 0, done.stdout


def test_copy_is_another_machine(make):
    first = run_until_healthy(make(1))
    identity = machine_id(first)
    stop(first)
    copy = make(2)
    for folder in ("rootfs", "data"):
        shutil.rmtree(getattr(copy, folder))
        subprocess.run(["cp", "-a", getattr(first, folder), getattr(copy, folder)], check=True)
    run_until_healthy(copy)
    assert machine_id(copy) != identity
    run_until_healthy(first)
    assert machine_id(first) == identity
    renewed = machine_id(copy)
    stop(copy)
    run_until_healthy(copy)
    assert machine_id(copy) == renewed


def test_backup_is_restored_under_other_ids(make):
    first = run_until_healthy(make(1))
    identity = machine_id(first)
    stop(first)
    restored = make(1, first=OTHER_ID)
    shutil.rmtree(restored.rootfs)
    os.mkdir(restored.rootfs)
    os.chown(restored.rootfs, OTHER_ID, OTHER_ID)
    os.remove(os.path.join(restored.config, "images", "moe-orchestrator.tar"))  # what is in the store has to do
    move(first, restored, "rootfs")
    move(first, restored, "data")
    run_until_healthy(restored)
    check_example(restored, OTHER_ID)
    assert machine_id(restored) == identity  # the same machine, elsewhere
    logs = os.path.join(restored.data, "home/moe/logs/orchestrator.log")
    assert os.stat(logs).st_uid == OTHER_ID + 1001 != FIRST_ID + 1001
    with open(logs) as f:
        assert "stopped after" in f.read()  # its first life's, too


def test_made_anew_around_its_data(make):
    """How a new version of the template comes in: the container goes, /data and /config stay."""
    old = run_until_healthy(make(1))
    identity = machine_id(old)
    old.shell("touch /etc/of-the-old-root")
    stop(old)
    new = make(1)
    shutil.rmtree(new.data)
    os.rename(old.data, new.data)
    os.mkdir(old.data)
    os.remove(os.path.join(new.config, "images", "moe-orchestrator.tar"))
    run_until_healthy(new)
    assert machine_id(new) == identity
    assert new.shell("test -e /etc/of-the-old-root; echo $?").strip() == "1"
    with open(os.path.join(new.data, "home/moe/logs/orchestrator.log")) as f:
        assert "stopped after" in f.read()


def test_unit_that_is_dropped_changed_and_removed_while_it_runs(boot_lxc, box_image):
    c = boot_lxc({}, images=(), start=False)
    c.add_image("box", box_image)
    c.start()
    c.add_unit("late", unit("localhost/box:latest", LOOP + "Environment=A=1\n"))
    first = c.wait_unit("systemd-late", state="up")["pid"]
    c.add_unit("late", unit("localhost/box:latest", LOOP + "Environment=A=2\n"))
    wait_for("the changed one runs", lambda: c.unit("systemd-late")["state"] == "up" and c.unit("systemd-late")["pid"] not in (0, first))
    os.remove(os.path.join(c.config, "units", "late.container"))
    wait_for("it is gone", lambda: not [entry for entry in c.status()["units"] if entry["name"] == "systemd-late"])
