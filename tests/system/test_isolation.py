# SPDX-License-Identifier: Apache-2.0
"""What a container can do and see, tried from inside by its own program and looked at from outside, in namespaces and in LXC."""
import os
import shutil

import pytest

from appliance import descendants, unit, wait_for
from isolation import (EXAMPLE, ID_MAP, check_descriptors, check_example, check_id_maps, check_identity, check_mounts,
                       check_namespaces, check_read_only_root, id_map, mounts_of, status_of)

BOX = "localhost/box:latest"

# Runs as the container's program: tries what it must not be able to do, one "name=answer" line each, then stays.
PROBE = r"""
for applet in cut du tr; do alias $applet="/bin/busybox $applet"; done
say() { echo "$1=$2" >>/out/answers.new; }
try() { name=$1; shift; if "$@" >/dev/null 2>/out/why; then say "$name" allowed; else say "$name" "$(head -n 1 /out/why)"; fi; }
rm -f /out/answers.new
say id "$(id -u):$(id -g):$(id -G)"
say uid_map "$(cat /proc/self/uid_map | tr -s ' \n' ' ,')"
say caps "$(grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status | tr -d '\t\n')"
say no_new_privs "$(grep NoNewPrivs /proc/self/status | tr -dc 0-9)"
say pids "$(ls /proc | grep -c '^[0-9]')"
say init "$(tr '\0' ' ' </proc/1/cmdline | cut -c1-20)"
say root "$(ls / | tr '\n' ' ')"
say devices "$(ls /dev | tr '\n' ' ')"
say cgroups "$(ls /sys/fs/cgroup 2>/dev/null | grep -c cleat)"
say left_over "$(ls /forbidden 2>/dev/null)"
try write_root touch /forbidden
try write_etc touch /etc/forbidden
try write_tmp touch /tmp/scratch
try write_scripts touch /scripts/forbidden
try mount_tmpfs mount -t tmpfs none /tmp
try remount_root mount -o remount,rw /
try umount_proc umount /proc
try nested_remount /bin/busybox unshare -Urm mount -o remount,bind,rw /
try nested_unmask /bin/busybox unshare -Urm umount /proc/kcore
try nested_write_sysctl /bin/busybox unshare -Urm mount -o remount,bind,rw /proc/sys
try nested_write_scripts /bin/busybox unshare -Urm mount -o remount,bind,rw /scripts
try join_namespaces /bin/busybox nsenter -t 1 -m true
try change_root /bin/busybox chroot / true
try make_device /bin/busybox mknod /tmp/device b 8 0
try become_root /bin/busybox setuidgid root true
try set_host_name hostname other
try write_sysctl sh -c 'echo 1 >/proc/sys/kernel/panic'
try write_sysrq sh -c 'echo h >/proc/sysrq-trigger'
try write_oom_of_init sh -c 'echo -1000 >/proc/1/oom_score_adj'
try write_cgroup sh -c 'echo max >/sys/fs/cgroup/cgroup.max.depth'
try read_memory sh -c 'dd if=/proc/kcore bs=1 count=1 2>/dev/null | grep -q .'
try read_keys grep -q . /proc/keys
try read_kernel_log /bin/busybox dmesg
try see_data ls /data/store
try see_run ls /run/cleat
try raw_socket /bin/busybox ping -c 1 127.0.0.1
dd if=/dev/zero of=/tmp/big bs=1M count=256 2>/dev/null
say tmp_limit_kib "$(du -k /tmp/big | cut -f1)"
rm -f /tmp/big
echo kept >/out/by-me
mv /out/answers.new /out/answers
trap 'exit 0' TERM
while :; do sleep 0.1; done
"""

VOLUMES = "Volume=/config/scripts:/scripts:ro\nVolume=%h/out:/out\n"


def add_probe(machine, box_image, container, name="probe"):
    machine.add_image("box", box_image)
    os.makedirs(os.path.join(machine.config, "scripts"), exist_ok=True)
    with open(os.path.join(machine.config, "scripts", "probe.sh"), "w") as f:
        f.write(PROBE)
    machine.add_unit(name, unit(BOX, "Exec=/bin/sh /scripts/probe.sh\nStopTimeout=5\n" + VOLUMES + container))


def answers(machine, name="systemd-probe"):
    machine.wait_unit(name, state="up")
    path = os.path.join(machine.data, "home", "out", "answers")
    wait_for("the answers of the probe:\n" + machine.console(), lambda: machine.alive() and os.path.exists(path))
    with open(path) as f:
        return dict(line.rstrip("\n").split("=", 1) for line in f)


@pytest.fixture(params=["namespaces", "lxc-unprivileged", "lxc-privileged"])
def machine(request):
    """Not started yet: the test adds its units."""
    if request.param == "namespaces":
        made = request.getfixturevalue("boot")({}, images=(), start=False)
        made.first = 0
        return made
    if not shutil.which("lxc-start"):
        pytest.skip("lxc is not installed")
    return request.getfixturevalue("boot_lxc")(unprivileged=request.param == "lxc-unprivileged", start=False)


REFUSED = ("Permission denied", "Operation not permitted", "Read-only file system", "No such file or directory", "Function not implemented")
NEVER = ("mount_tmpfs", "remount_root", "umount_proc", "join_namespaces", "nested_remount", "nested_unmask",
         "nested_write_sysctl", "nested_write_scripts", "change_root", "make_device", "become_root",
         "set_host_name", "write_sysctl", "write_sysrq", "write_oom_of_init", "write_cgroup", "read_memory", "read_keys", "see_data", "see_run",
         "write_scripts")


def check_answers(found, uid, gid):
    groups = found["id"].split(":")
    assert groups[:2] == [str(uid), str(gid)], found["id"]
    assert id_map(found["uid_map"].strip(", ").replace(",", "\n")) == ID_MAP
    assert found["no_new_privs"] == "1"
    assert found["cgroups"] == "0"
    assert int(found["pids"]) <= 6, found["pids"]  # its own only
    assert found["init"].startswith("/bin/sh /scripts/"), found["init"]
    for name in NEVER:
        assert found[name] != "allowed", name
    for name in ("mount_tmpfs", "write_scripts", "see_data", "see_run"):
        assert any(why.lower() in found[name].lower() for why in REFUSED), (name, found[name])
    assert set(found["devices"].split()) <= {"console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
                                             "stdin", "stdout", "tty", "urandom", "zero"}, found["devices"]
    assert not {"config", ".host", "dist"} & set(found["root"].split()), found["root"]


def test_example(machine):
    shutil.copytree(EXAMPLE, machine.config, dirs_exist_ok=True)
    machine.start()
    machine.wait_unit("moe-orchestrator", health="healthy")
    assert machine.http("/scratch", port=8000)[0] == 200  # its tmpfs can be written
    pid = check_example(machine, machine.first)
    if machine.first == 0:
        inner = machine.unit("moe-orchestrator")["pid"]
        seen = machine.inside("/bin/cat", "/proc/%d/uid_map" % inner)
        assert id_map(seen) == ID_MAP  # from the appliance's side
    # whoever looks after it is not what it runs as, and shares no namespace of its own with it
    shim = int(status_of(pid)["PPid"])
    assert os.readlink("/proc/%d/ns/user" % shim) == os.readlink("/proc/%d/ns/user" % machine.init_pid())


def test_locked_down_box(machine, box_image):
    add_probe(machine, box_image, "User=1001\nReadOnly=true\nTmpfs=/tmp:rw,size=8m\nDropCapability=ALL\nNoNewPrivileges=true\nUserNS=keep-id\n")
    machine.start()
    found = answers(machine)
    check_answers(found, 1001, 1001)
    assert found["caps"] == "CapInh:%s" % ("0" * 16) + "".join("Cap%s:%s" % (name, "0" * 16) for name in ("Prm", "Eff", "Amb"))
    for name in ("write_root", "write_etc"):
        assert "Read-only file system" in found[name], (name, found[name])
    assert found["write_tmp"] == "allowed"
    assert int(found["tmp_limit_kib"]) <= 8192, found["tmp_limit_kib"]

    pid = machine.pid_of("systemd-probe")
    check_identity(pid, 1001, 1001, machine.first)
    check_id_maps(pid, machine.init_pid(), machine.first)
    check_namespaces(pid, machine.init_pid(), host_network=False)
    check_read_only_root(pid, check_mounts(pid))
    seen = os.stat(os.path.join(machine.data, "home", "out", "by-me"))
    assert (seen.st_uid, seen.st_gid) == (machine.first + 1001, machine.first + 1001)


def test_box_with_root_and_a_throw_away_root(machine, box_image):
    """The defaults of a unit that says nothing: root of its own, capabilities over itself, a root file system that is forgotten."""
    add_probe(machine, box_image, "Tmpfs=/tmp:rw,size=8m\n")
    machine.start()
    found = answers(machine)
    assert found["id"].split(":")[:2] == ["0", "0"]
    assert id_map(found["uid_map"].strip(", ").replace(",", "\n")) == ID_MAP
    assert found["write_root"] == "allowed" and found["write_etc"] == "allowed"
    for name in ("mount_tmpfs", "remount_root", "umount_proc", "join_namespaces", "nested_unmask", "nested_write_sysctl", "nested_write_scripts", "set_host_name", "write_sysctl",
                 "write_sysrq", "write_cgroup", "read_memory", "read_keys", "see_data", "see_run", "write_scripts"):
        assert found[name] != "allowed", name

    pid = machine.pid_of("systemd-probe")
    first = machine.first
    assert set(status_of(pid)["Uid"].split()) == {str(first + 65000)}
    assert status_of(pid)["Seccomp"] == "2"
    check_id_maps(pid, machine.init_pid(), first)
    root = next(options for target, kind, _, options in mounts_of(pid) if target == "/" and kind == "overlay")
    assert any(option.startswith("upperdir=") for option in root), root
    check_mounts(pid)
    # outside it is one of the appliance's own numbers, not its root
    seen = os.stat(os.path.join(machine.data, "home", "out", "by-me"))
    assert (seen.st_uid, seen.st_gid) == (first + 65000, first + 65000)
    # nothing that it wrote into its root is on a disk or there after a restart
    for folder, _, files in os.walk(machine.data):
        assert "forbidden" not in files, folder
    os.unlink(os.path.join(machine.data, "home", "out", "answers"))
    machine.cleat("restart", "probe")
    again = answers(machine)
    assert again["write_root"] == "allowed" and again["left_over"] == ""
    assert machine.pid_of("systemd-probe") != pid


def test_root_file_system_has_a_bound(boot, box_image):
    """A program that fills its root fills its own upper layer, and nothing on the disk or in the appliance's /run."""
    a = boot({}, images=(), start=False)
    a.add_image("box", box_image)
    fill = "dd if=/dev/zero of=/filling bs=1M 2>/out/end; stat -c %s /filling >/out/size; while :; do sleep 0.1; done"
    a.add_unit("fill", unit(BOX, 'Exec=/bin/sh -c "%s"\nVolume=%%h/out:/out\nStopTimeout=1\nPodmanArgs=--memory=64m\n' % fill.replace("%s", "%%s")))
    a.start()
    a.wait_unit("systemd-fill", state="up")
    path = os.path.join(a.data, "home", "out", "size")
    wait_for("the root is full", lambda: a.alive() and os.path.exists(path) and open(path).read().strip())
    with open(path) as f:
        assert 1 << 20 <= int(f.read()) <= 64 << 18, "a quarter of the unit's memory"
    with open(os.path.join(a.data, "home", "out", "end")) as f:
        assert "No space left" in f.read()


def test_containers_do_not_see_each_other(boot, box_image):
    a = boot({}, images=(), start=False)
    a.add_image("box", box_image)
    look = "ls /proc | grep '^[0-9]' | while read p; do cat /proc/$$p/cmdline 2>/dev/null; echo; done >/out/seen; echo >/out/done; while :; do sleep 0.1; done"
    a.add_unit("one", unit(BOX, "Exec=sleep 4711\nStopTimeout=1\n"))
    a.start()
    a.wait_unit("systemd-one", state="up")
    a.add_unit("two", unit(BOX, 'Exec=/bin/sh -c "%s"\nVolume=%%h/out:/out\nStopTimeout=1\n' % look))
    os.kill(a.init_pid(), 1)
    a.wait_unit("systemd-two", state="up")
    done = os.path.join(a.data, "home", "out", "done")
    wait_for("it has looked", lambda: os.path.exists(done))
    with open(os.path.join(a.data, "home", "out", "seen")) as f:
        assert "4711" not in f.read()
    pids = {name: a.pid_of("systemd-" + name) for name in ("one", "two")}
    for kind in ("pid", "mnt", "user", "ipc", "net", "uts", "cgroup"):
        assert os.readlink("/proc/%d/ns/%s" % (pids["one"], kind)) != os.readlink("/proc/%d/ns/%s" % (pids["two"], kind)), kind
    check_descriptors(pids["one"])


def test_the_appliance_s_own_processes_are_confined(boot, box_image):
    """Whoever reads what comes from outside: nobody's id, no capability, seccomp."""
    a = boot({"svc": unit(BOX, "Exec=sleep 4711\nStopTimeout=1\n")}, images=(), start=False)
    a.add_image("box", box_image)
    a.start()
    a.wait_unit("systemd-svc", state="up")
    servers = []
    for pid in descendants(a.init_pid()):
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            if f.read().startswith(b"cleat\0status-server"):
                servers.append(pid)
    assert len(servers) == 1
    status = status_of(servers[0])
    assert 65000 <= int(status["Uid"].split()[0]) < 65024 and len(set(status["Uid"].split())) == 1
    assert status["Groups"].strip() == ""
    for name in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
        assert int(status[name], 16) == 0
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    # what stays with PID 1 and is taken from the engine: modules, raw hardware, reboot, clock
    engine = int(status_of(a.engine_pid())["CapBnd"], 16)
    for capability in (16, 17, 22, 25):
        assert not engine >> capability & 1, capability
