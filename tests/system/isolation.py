# SPDX-License-Identifier: Apache-2.0
"""What must hold for every container, looked at from outside: proofs that namespaces and LXC share."""
import errno
import os
import re

from appliance import BUILD

NAMESPACES = ("mnt", "pid", "ipc", "uts", "cgroup", "user")
EXAMPLE = os.path.join(BUILD, "examples", "orchestrator")
# Inside 0 is the appliance's 65000; what the appliance needs for itself is left out.
ID_MAP = [(0, 65000, 1), (1, 1, 64999), (65024, 65024, 512)]
TMPFS_OF_64M = {"size=65536k", "size=64m"}


def status_of(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def id_map(text):
    return [tuple(int(word) for word in line.split()) for line in text.splitlines()]


def mounts_of(pid):
    """[(target, type, options of the mount, options of the file system)] of the process's mount namespace. The type of what is
    only a part of its file system, a bind of a file or a folder, is "bind"."""
    with open("/proc/%d/mountinfo" % pid) as f:
        lines = [line.split() for line in f]
    found = []
    for words in lines:
        dash = words.index("-")
        kind = words[dash + 1] if words[3] == "/" else "bind"
        found.append((words[4], kind, set(words[5].split(",")), set(words[dash + 3].split(","))))
    return found


def refusal(function, *args):
    """The errno that a system call ends with; 0 when it works."""
    try:
        function(*args)
    except OSError as e:
        return e.errno
    return 0


def check_identity(pid, uid, gid, first=0):
    """first: what the appliance's id 0 is on this machine."""
    status = status_of(pid)
    assert set(status["Uid"].split()) == {str(first + uid)}, status["Uid"]
    assert set(status["Gid"].split()) == {str(first + gid)}, status["Gid"]
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[name], 16) == 0, (name, status[name])
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


def check_id_maps(pid, init, first=0):
    for kind in ("uid", "gid"):
        with open("/proc/%d/%s_map" % (pid, kind)) as f:
            assert id_map(f.read()) == [(inside, first + outside, count) for inside, outside, count in ID_MAP]
    assert os.readlink("/proc/%d/ns/user" % pid) != os.readlink("/proc/%d/ns/user" % init)


def check_namespaces(pid, init, host_network):
    for name in NAMESPACES:
        assert os.readlink("/proc/%d/ns/%s" % (pid, name)) != os.readlink("/proc/%d/ns/%s" % (init, name)), name
    same = os.readlink("/proc/%d/ns/net" % pid) == os.readlink("/proc/%d/ns/net" % init)
    assert same == host_network


def check_mounts(pid):
    """No tmpfs without a size (it would be half of the host's memory), no way to gain by a mount, /proc guarded."""
    mounts = mounts_of(pid)
    for target, kind, _, filesystem in mounts:
        if kind == "tmpfs":
            assert any(re.match(r"(size|nr_blocks)=[1-9]", option) for option in filesystem), (target, filesystem)
    by_target = {}
    for target, kind, options, filesystem in mounts:
        by_target[target] = (kind, options, filesystem)  # the last one hides the others
    # what this kernel does not have needs no guard
    for target in filter(os.path.exists, ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs")):
        assert "ro" in by_target[target][1], by_target[target]
    for target in filter(os.path.exists, ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware")):
        assert target in by_target, target
    for target, (kind, options, _) in by_target.items():
        assert kind not in ("proc", "sysfs", "cgroup2", "mqueue") or {"nosuid", "nodev", "noexec"} <= options, (target, options)
        assert kind not in ("sysfs", "cgroup2") or "ro" in options, (target, options)
    return by_target


def check_read_only_root(pid, by_target):
    kind, options, filesystem = by_target["/"]
    assert "ro" in options | filesystem, by_target["/"]
    path = "/proc/%d/root/must-not-be" % pid
    # not even the machine's root can
    assert refusal(os.open, path, os.O_CREAT | os.O_WRONLY) == errno.EROFS
    assert refusal(os.mkdir, path) == errno.EROFS


def check_descriptors(pid):
    """Nothing of the appliance was left open for the program."""
    for fd in os.listdir("/proc/%d/fd" % pid):
        target = os.readlink("/proc/%d/fd/%s" % (pid, fd))
        assert not re.match(r"/(data|run|config|sys|proc)\b", target), (fd, target)


def check_example(machine, first=0):
    """The orchestrator example, running in this machine; first: what the appliance's id 0 is here."""
    pid, init = machine.pid_of("moe-orchestrator"), machine.init_pid()
    check_identity(pid, 1001, 1001, first)
    assert int(status_of(pid)["CapBnd"], 16) == 0
    check_id_maps(pid, init, first)
    check_namespaces(pid, init, host_network=False)
    by_target = check_mounts(pid)
    check_read_only_root(pid, by_target)
    check_descriptors(pid)
    assert by_target["/tmp"][2] & TMPFS_OF_64M, by_target["/tmp"]
    log = os.path.join(machine.data, "home", "moe", "logs", "orchestrator.log")
    seen = os.stat(log)
    assert (seen.st_uid, seen.st_gid) == (first + 1001, first + 1001)
    # what another container or the appliance keeps is not there
    assert not os.path.exists("/proc/%d/root/data" % pid) and not os.path.exists("/proc/%d/root/config" % pid)
    return pid
