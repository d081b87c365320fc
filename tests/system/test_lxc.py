# SPDX-License-Identifier: Apache-2.0
"""The artefacts of "make lxc" under real lxc-start, privileged and not: boot, proofs, stop, reboot, attach."""
import contextlib
import os
import re
import shutil

import pytest

from appliance import descendants, parent_of, unit, wait_for
from isolation import EXAMPLE, ID_MAP, check_example, id_map, mounts_of
from lxc import FIRST_ID, LXC_CONFIG

pytestmark = pytest.mark.skipif(not os.path.isdir(LXC_CONFIG) or not shutil.which("lxc-start"), reason="lxc is not installed")

KINDS = pytest.mark.parametrize("unprivileged", [True, False], ids=["unprivileged", "privileged"])


@pytest.fixture
def example(boot_lxc):
    """The orchestrator example's configuration in an LXC container, healthy."""

    def make(start=True, **keywords):
        c = boot_lxc(start=False, **keywords)
        shutil.copytree(EXAMPLE, c.config, dirs_exist_ok=True)
        if not start:
            return c
        c.start()
        c.wait_unit("moe-orchestrator", health="healthy")
        return c

    return make


@KINDS
@pytest.mark.parametrize("with_template", [True, False], ids=["lxc-create", "tar"])
def test_example_boots_isolated(example, unprivileged, with_template):
    c = example(unprivileged=unprivileged, with_template=with_template)
    check_example(c, c.first)
    inner = c.unit("moe-orchestrator")["pid"]
    assert id_map(c.shell("cat /proc/%d/uid_map" % inner)) == ID_MAP
    assert c.shell("stat -c %u:%g /data/home/moe/logs/orchestrator.log").strip() == "1001:1001"
    assert os.stat(os.path.join(c.data, "home/moe/logs/orchestrator.log")).st_uid == c.first + 1001
    assert (c.first == FIRST_ID) == unprivileged


@KINDS
def test_both_ports_answer_on_the_network(example, unprivileged):
    c = example(unprivileged=unprivileged)
    code, body = c.http_from_network("/", port=8000)
    assert code == 200 and "uid 1001" in body
    assert c.http_from_network("/readyz") == c.http("/readyz")
    assert c.http_from_network("/readyz")[0] == 200


@KINDS
def test_console_tells_the_boot(example, unprivileged):
    c = example(unprivileged=unprivileged)
    # the monitor writes what it has read from the terminal
    wait_for("it is told", lambda: re.search(r"^\[ +\d+\.\d{3}\] moe-orchestrator  starting → healthy\r?$", c.console(), re.M))
    text = c.console()
    assert re.search(r"^\[ +\d+\.\d{3}\] cleat-init \S+ \(container\)\r?$", text, re.M), text
    # nothing that a container manager withholds is worth a line when all works
    assert not re.search(r"mount .* on |mknod|Operation not permitted|Permission denied", text), text


@KINDS
def test_every_tmpfs_of_the_appliance_has_a_size(example, unprivileged):
    c = example(unprivileged=unprivileged)
    sizes = {target: options for target, kind, _, options in mounts_of(c.init_pid()) if kind == "tmpfs"}
    assert {"/run", "/tmp", "/dev/shm"} <= set(sizes)
    for target, options in sizes.items():
        assert any(option.startswith("size=") for option in options), (target, options)


def test_read_only_config_of_a_stranger(example):
    c = example()
    assert c.shell("stat -c %u /config /config/units /config/units/moe-orchestrator.container").split() == ["65534"] * 3
    done = c.shell("touch /config/units/x", check=False)
    assert done.returncode and "Read-only file system" in done.stdout, done.stdout


@KINDS
def test_limits_that_are_not_enforced_are_said(example, unprivileged):
    c = example(unprivileged=unprivileged)
    have = set(c.shell("cat /sys/fs/cgroup/cgroup.controllers").split())
    notes = " ".join(found["evidence"] for found in c.status()["host"]["findings"] if found["id"] == "limits")
    for controller in ("memory", "cpu", "pids"):
        assert (controller in notes) == (controller not in have), (controller, have, notes)


@KINDS
def test_lxc_stop_stops_in_order(example, unprivileged):
    c = example(unprivileged=unprivileged)
    c.lxc("stop")
    assert c.process.wait(60) == 0
    text = c.console()
    steps = ["halt: stopping containers", "moe-orchestrator  healthy → stopping", "exited with code 0", "all containers are down", "all stopped"]
    places = [text.find(step) for step in steps]
    assert -1 not in places and places == sorted(places), text
    # the program had its stop signal and the time to use it
    with open(os.path.join(c.data, "home/moe/logs/orchestrator.log")) as f:
        assert "stopped after" in f.read()
    assert c.lxc("info", "-sH", check=False).stdout.strip() == "STOPPED"


def new_life(c, before):
    """Waits until the same monitor runs another PID 1 and the example is healthy again."""
    wait_for("another PID 1:\n" + c.console(), lambda: c.alive() and c.init_pid() not in (0, before))
    wait_for("it answers", lambda: c.alive() and c.ping())
    c.wait_unit("moe-orchestrator", health="healthy")


@KINDS
@pytest.mark.parametrize("command", ["systemctl reboot", "kill -INT 1"])
def test_reboot_from_inside_restarts_in_place(example, unprivileged, command):
    c = example(unprivileged=unprivileged)
    before = c.init_pid()
    c.shell(command, check=False)  # the shell may be ended along with the rest
    new_life(c, before)
    assert "all stopped; rebooting" in c.console()
    assert c.console().count("cleat-init") == 2
    assert c.unit("moe-orchestrator")["restarts"] == 0


def test_lxc_stop_with_reboot(example):
    c = example()
    before = c.init_pid()
    c.lxc("stop", "--reboot")
    new_life(c, before)
    assert "exited with code 0" in c.console()


@pytest.mark.parametrize("command", ["kill -30 1", "kill -37 1", "poweroff", "kill -TERM 1"])
def test_halt_signals_end_the_container(example, command):
    c = example()
    c.shell(command, check=False)
    assert c.process.wait(60) == 0
    assert "all stopped\n" in c.console().replace("\r", "")


@KINDS
def test_attach_gives_a_shell_with_cleat(example, unprivileged):
    c = example(unprivileged=unprivileged)
    out = c.lxc("attach", "--clear-env", stdin="echo shell is $0\nid -u\ncommand -v cleat\ncleat ps\nexit\n")
    lines = out.splitlines()
    assert "0" in lines and "/usr/bin/cleat" in lines, out
    assert any(re.match(r"moe-orchestrator +up +healthy", line) for line in lines), out
    assert "BusyBox" in c.shell("busybox | head -n 1")


def test_attached_processes_are_reaped_and_left_alone(example):
    """lxc-attach puts its processes into a cgroup that is not ours; orphans that it leaves come to PID 1."""
    c = example()
    c.shell("mkfifo /tmp/gate; (read word </tmp/gate &) >/dev/null 2>&1 </dev/null")

    def children():
        found, init = [], c.init_pid()
        for pid in c.processes("sh"):
            with contextlib.suppress(FileNotFoundError):  # a shell of ours, which has ended since it was listed
                found += [pid] if parent_of(pid) == init else []
        return found

    orphans = wait_for("the orphan", children)
    c.shell("echo go >/tmp/gate")
    wait_for("the orphan is reaped", lambda: not any(os.path.exists("/proc/%d" % pid) for pid in orphans))
    c.alive()


def test_missing_nesting_is_said_with_its_remedy(example):
    """Without an unhidden /proc to go by, the kernel refuses a new one; the container must not start with less isolation."""
    c = example(nesting=False, start=False)
    c.start()
    entry = c.wait_unit("moe-orchestrator", state=("failed", "backoff"))
    assert "/proc" in entry["detail"] and "nesting" in entry["detail"], entry
    code, body = c.http("/readyz?verbose")
    assert code == 503 and "moe-orchestrator" in body


# What Proxmox VE adds to a privileged container with an Alpine root, and to an unprivileged one.
PROXMOX = {
    "privileged": ("lxc.cap.drop = audit_write ipc_owner mknod sys_nice sys_pacct sys_resource sys_tty_config syslog wake_alarm",
                   "lxc.mount.entry = run run tmpfs rw,nodev,relatime,mode=755 0 0",
                   "lxc.mount.entry = none dev/shm tmpfs rw,nosuid,nodev,create=dir 0 0"),
    "unprivileged": ("lxc.mount.auto =", "lxc.mount.auto = proc:mixed sys:mixed", "lxc.environment = TERM=linux", "lxc.tty.max = 2"),
}


@pytest.mark.parametrize("kind", sorted(PROXMOX))
def test_boots_with_what_proxmox_leaves(example, kind):
    c = example(unprivileged=kind == "unprivileged", extra=PROXMOX[kind])
    check_example(c, c.first)
    assert c.http("/readyz")[0] == 200


def test_withheld_capability_is_said_with_its_remedy(example):
    c = example(unprivileged=False, start=False, extra=("lxc.cap.drop = sys_admin",))
    c.start()
    found = next(found for found in c.status()["host"]["findings"] if found["id"] == "capabilities")
    assert "sys_admin" in found["evidence"] and "lxc.cap.drop" in found["remedy"] and found["level"] == "missing", found
    entry = c.wait_unit("moe-orchestrator", state=("failed", "backoff"))
    assert "Operation not permitted" in entry["detail"], entry
    assert c.http("/readyz")[0] == 503
    assert "mount tmpfs on /run: Operation not permitted" in c.console()


def test_read_only_data_of_a_stranger(boot_lxc, box_image):
    """The usual mistake with unprivileged containers: /data belongs to the host's root."""
    c = boot_lxc({"box": unit("localhost/box:latest", "Exec=sleep 1000\n")}, start=False)
    c.add_image("box", box_image)
    os.chown(c.data, 0, 0)
    c.start()
    status = c.status()
    assert status["data"] == "read-only"
    found = next(found for found in status["host"]["findings"] if found["id"] == "data")
    assert "65534" in found["evidence"] and "owned by the id that is root here" in found["remedy"], found
    assert c.http("/readyz")[0] == 503


# Beyond the units, in an LXC container: everything that stays when nothing happens.
MEMORY_KIB = 8 * 1024


def pss_kib(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return int(re.search(r"^Pss:\s+(\d+) kB$", f.read(), re.M).group(1))


@KINDS
def test_memory_of_the_whole_appliance(example, unprivileged):
    c = example(unprivileged=unprivileged)
    program = c.pid_of("moe-orchestrator")

    def total():
        try:
            pids = [c.init_pid()] + descendants(c.init_pid())
            assert len(pids) >= 6 and program in pids
            return sum(pss_kib(pid) for pid in pids if pid != program)
        except OSError:  # one has just ended
            return MEMORY_KIB + 1

    wait_for("the appliance without the unit has at most %d KiB" % MEMORY_KIB, lambda: total() <= MEMORY_KIB)


@KINDS
def test_nothing_is_left_on_the_machine(example, unprivileged):
    c = example(unprivileged=unprivileged)
    pids = [c.init_pid()] + descendants(c.init_pid())
    assert len(pids) >= 5  # init, engine, status server, shim, the program
    c.lxc("stop")
    assert c.process.wait(60) == 0
    assert not any(os.path.exists("/proc/%d" % pid) for pid in pids)
    with open("/proc/self/mounts") as f:
        assert c.base not in f.read()
