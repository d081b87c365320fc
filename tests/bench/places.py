# SPDX-License-Identifier: Apache-2.0
"""Figures of the appliance where it is deployed: real LXC, a machine under QEMU without KVM, the files that are handed out."""
import datetime
import os
import re
import shutil
import statistics
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "system"))
sys.path.insert(0, os.path.join(TOP, "tests", "boot"))

from appliance import BUILD, descendants, wait_for  # noqa: E402
from lxc import Lxc, artefact  # noqa: E402
import vm as machines  # noqa: E402

EXAMPLE = os.path.join(BUILD, "examples", "orchestrator", "units")
IMAGE = "moe-orchestrator"
BOOTS = 5
VM_BOOTS = 3
MIB = 2**20


def example_units():
    units = {}
    for name in os.listdir(EXAMPLE):
        with open(os.path.join(EXAMPLE, name)) as f:
            units[name] = f.read()
    return units


def size_row(row, figure, bound_mib, paths, note=""):
    size = sum(os.path.getsize(path) for path in paths) / MIB
    row(figure, "<= %g MiB" % bound_mib, "%.2f MiB" % size, size <= bound_mib, note or os.path.basename(paths[0]))


def figure_files(row):
    size_row(row, "root tarball, xz", 2.5, [artefact("tar.xz")])
    root = os.path.join(BUILD, "rootfs")
    size = sum(os.lstat(os.path.join(base, name)).st_size for base, _, names in os.walk(root) for name in names) / MIB
    row("the same, unpacked", "<= 8 MiB", "%.2f MiB" % size, size <= 8, "sum of the files' sizes")
    size_row(row, "kernel and initramfs", 20, [machines.dist("kernel"), machines.dist("initramfs.zst")])
    for name in ("disk.raw.zst", "disk.qcow2"):
        size_row(row, "disk image, " + name[5:], 24, [machines.dist(name)])


# --- LXC ---------------------------------------------------------------------------------------------------------------------


def unit_processes(c, pids):
    """Those in the container cgroups of the appliance."""
    found = set()
    for pid in pids:
        try:
            with open("/proc/%d/cgroup" % pid) as f:
                if "/cleat/c/" in f.read():
                    found.add(pid)
        except OSError:
            pass
    return found


def figure_lxc(row, settled_pss, started_usec, boot_usec):
    """Unprivileged, as liblxc starts it."""
    c = Lxc(units=example_units(), images=(IMAGE,)).create()
    taken = []
    try:
        c.start()
        c.wait_unit(IMAGE, health="healthy")
        init = c.init_pid()
        everybody = [init] + descendants(init)
        own = [pid for pid in everybody if pid not in unit_processes(c, everybody)]
        total = sum(settled_pss(own)) / 1024
        row("LXC: the whole appliance idle, beyond its unit", "<= 8 MiB", "%.2f MiB" % total, total <= 8,
            "PSS of all %d processes but the container's, one unit healthy" % len(own))
        for _ in range(BOOTS):
            c.lxc("stop", "--reboot")
            wait_for("another PID 1", lambda: c.init_pid() not in (0, init))
            init = c.init_pid()
            wait_for("it answers", c.ping)
            c.wait_unit(IMAGE, health="healthy")
            taken.append((started_usec(init) - boot_usec(init)) / 1000)
    finally:
        c.close()
    median = statistics.median(taken)
    row("LXC: PID 1 to the container's execve", "<= 50 ms", "%.0f ms (fastest %.0f)" % (median, min(taken)), median <= 50,
        "image in the store; median of %d boots" % BOOTS)


# --- a machine -----------------------------------------------------------------------------------------------------------------


def instant(text):
    """Seconds of a time in /status."""
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").timestamp()


def boot_twice(row, kind, note):
    """The first boot imports the image into /data, the next ones are measured: by the clock inside, from what PID 1 did first to what the container did."""
    directory = tempfile.mkdtemp(prefix="cleat-bench-")
    vm = machines.Vm(directory, units=example_units(), images=(IMAGE,), boot=kind)
    with open(os.path.join(vm.config, "appliance.ini"), "w") as f:
        f.write("[System]\nConsole=log\n")
    taken, kernel = [], []
    try:
        for n in range(VM_BOOTS + 1):
            vm.start()
            entry = vm.wait_unit(IMAGE, health="healthy")
            if n > 0:
                taken.append(instant(entry["started"]) - instant(vm.status()["booted"]))
                kernel.append(next(at for at, line in vm.lines if re.search(machines.FIRST_LINE, line)))
            vm.press_power()
            vm.wait_end()
    finally:
        vm.close()
        shutil.rmtree(directory)
    median = statistics.median(taken)
    row("VM under TCG, %s: first line to the container's execve" % note, "<= 1 s", "%.2f s (fastest %.2f)" % (median, min(taken)), median <= 1,
        "image in the store; median of %d; QEMU to the first line took %.1f s" % (VM_BOOTS, statistics.median(kernel)))


def boots_in(kind, memory_mib):
    directory = tempfile.mkdtemp(prefix="cleat-bench-")
    vm = machines.Vm(directory, units=example_units(), images=(IMAGE,), boot=kind, memory_mib=memory_mib)
    try:
        vm.start()
        vm.wait_unit(IMAGE, health="healthy")
        return True
    except AssertionError:
        return False
    finally:
        vm.close()
        shutil.rmtree(directory)


def boot_small(row, kind, note):
    """The smallest of a few sizes in which the example becomes healthy."""
    sizes = (64, 72, 74, 76, 78, 80, 84, 88)
    found = next((memory_mib for memory_mib in sizes if boots_in(kind, memory_mib)), 0)
    row("VM: memory that boots to healthy, %s" % note, "<= 64 MiB", "%d MiB" % found if found else "more than %d MiB" % sizes[-1], 0 < found <= 64,
        "the kernel unpacks itself between 16 and 71.9 MiB, with the initramfs above")


def figure_vm(row):
    boot_twice(row, "direct", "direct boot")
    boot_twice(row, "bios", "disk, its root verified")
    boot_small(row, "direct", "direct boot")
    boot_small(row, "bios", "disk")
