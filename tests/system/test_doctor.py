# SPDX-License-Identifier: Apache-2.0
"""What the host withholds, each forced: "cleat doctor" alone, the engine's findings in /status, the losses that appliance.ini can allow, and
where the status server listens."""
import json
import os
import shutil
import signal
import subprocess

import pytest

from appliance import CLEAT, IDLE, descendants, http_in_netns, remove_cgroups, unit, wait_for
from lxc import LXC_CONFIG

needs_lxc = pytest.mark.skipif(not os.path.isdir(LXC_CONFIG) or not shutil.which("lxc-start"), reason="lxc is not installed")
FINE, LIMITED, MISSING = 0, 1, 2
ENOSYS, EPERM, EACCES, EAGAIN, EOPNOTSUPP = 38, 1, 13, 11, 95


def doctor(*before, data=None, shell=None):
    """(exit code, {id: check}) of "cleat doctor --json" behind these words, or in a mount namespace of its own after a shell text."""
    command = [CLEAT, "doctor", "--probe", "--json"] + (["--data-dir", str(data)] if data else [])
    if shell:
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", shell + '\nexec "$@"', "sh"] + command
    done = subprocess.run(list(before) + command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.stdout, (done.returncode, done.stderr)
    answer = json.loads(done.stdout)
    assert {"ok": FINE, "limited": LIMITED, "missing": MISSING}[answer["result"]] == done.returncode
    return done.returncode, {check["id"]: check for check in answer["checks"]}


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """What this machine gives when nothing is withheld: tests look at what differs from that."""
    return doctor(data=tmp_path_factory.mktemp("data"))


def worse(found, healthy):
    """{id: check} of what is bad and was not before."""
    return {name: check for name, check in found[1].items()
            if check["level"] in ("note", "limited", "missing") and healthy[1][name]["level"] != check["level"]}


def test_this_machine_gives_what_containers_need(healthy):
    code, checks = healthy
    assert code != MISSING, [check for check in checks.values() if check["level"] == "missing"]
    for name in ("private-proc", "private-sys", "overlay", "overlay-upper", "pivot-root", "cgroup-birth", "seccomp", "id-map", "data-overlay"):
        assert checks[name]["level"] == "ok", checks[name]


# What is withheld; the check that says so, its level, a word of its evidence. Whatever else suffers is hidden behind it, never listed as well.
CALLS = [
    ("clone3=%d" % ENOSYS, "clone3", "missing", "clone3: Function not implemented"),
    ("clone3=%d" % EPERM, "clone3", "missing", "clone3: Operation not permitted"),
    ("openat2=%d" % ENOSYS, "openat2", "missing", "openat2: Function not implemented"),
    ("mount_setattr=%d" % EPERM, "mount-calls", "missing", "mount_setattr: Operation not permitted"),
    ("fsopen=%d" % ENOSYS, "tmpfs", "missing", "fsopen: Function not implemented"),
    ("pivot_root=%d" % EPERM, "pivot-root", "missing", "pivot_root: Operation not permitted"),
    ("pivot_root=kill", "pivot-root", "missing", "killed by signal 31"),
    ("pivot_root=hang", "pivot-root", "missing", "hangs for more than 3 s"),
    ("unshare=%d" % EPERM, "namespaces", "missing", "unshare: Operation not permitted"),
    ("unshare-net=%d" % EPERM, "namespaces", "missing", "network: unshare: Operation not permitted"),
    ("setns=%d" % EPERM, "namespaces", "missing", "network: setns: Operation not permitted"),
    ("seccomp=%d" % EPERM, "seccomp", "missing", "seccomp: Operation not permitted"),
    ("landlock_create_ruleset=%d" % ENOSYS, "landlock", "note", "has none"),
    ("getrandom=%d" % EAGAIN, "entropy", "limited", "getrandom: Resource temporarily unavailable"),
]


@pytest.mark.parametrize("word,name,level,evidence", CALLS, ids=[row[0] for row in CALLS])
def test_a_withheld_call_is_one_finding(healthy, withhold, tmp_path, word, name, level, evidence):
    found = doctor(*withhold, word, "--", data=tmp_path)
    bad = worse(found, healthy)
    assert list(bad) == [name], bad
    assert bad[name]["level"] == level and evidence in bad[name]["evidence"], bad[name]
    assert bad[name]["loss"] and bad[name]["remedy"], bad[name]
    if "Function not implemented" in evidence:
        assert "seccomp profile" in bad[name]["remedy"], bad[name]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("word,evidence", [("unshare=kill", "killed by signal 31"), ("unshare-net=kill", "network: whoever made it was killed")])
def test_a_network_that_kills_who_asks_is_a_finding(healthy, withhold, tmp_path, word, evidence):
    bad = worse(doctor(*withhold, word, "--", data=tmp_path), healthy)
    assert "networks: killed by signal 31" in bad["host-probe"]["evidence"], bad
    assert evidence in bad["namespaces"]["evidence"], bad


def test_mounts_that_a_security_module_denies(healthy, withhold, tmp_path):
    bad = worse(doctor(*withhold, "mount=%d" % EACCES, "--", data=tmp_path), healthy)
    assert {"tmpfs", "private-proc", "private-sys"} == set(bad), bad
    assert "Permission denied" in bad["private-proc"]["evidence"]


def test_no_user_attributes(healthy, withhold, tmp_path):
    bad = worse(doctor(*withhold, "setxattr=%d" % EOPNOTSUPP, "--", data=tmp_path), healthy)
    assert {name: check["level"] for name, check in bad.items()} == {"data-xattr": "limited", "tmpfs-xattr": "note"}


HOSTS = [
    ("mount --bind /dev/null /proc/cpuinfo", "private-proc", "missing", "the host covers /proc/cpuinfo"),
    ("mount --bind /dev/null /sys/kernel/mm/../../power/state", "private-sys", "limited", "the host covers /sys/power/state"),
    ("for t in $(awk '$3 == \"cgroup2\" {print $2}' /proc/mounts); do umount -l $t; done", "cgroup-tree", "missing", "no cgroup2"),
    ("for t in $(awk '$3 == \"cgroup2\" {print $2}' /proc/mounts); do mount -o remount,bind,ro $t; done", "cgroup-tree", "missing",
     "Read-only file system"),
    ("ulimit -n 1024", "open-files", "limited", "hard limit is 1024"),
    ("exec setarch --uname-2.6 \"$@\"", "kernel", "missing", "it is 2.6."),
    ("exec setpriv --bounding-set=-sys_admin \"$@\"", "capabilities", "missing", "withheld: sys_admin"),
    ("exec setpriv --bounding-set=-sys_resource \"$@\"", "resources", "note", "sys_resource"),
    ("exec unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec \"$@\"' sh \"$@\"", "user-namespace", "missing",
     "max_user_namespaces"),
    ("exec unshare --user --map-root-user \"$@\"", "id-range", "missing", "1 ids from 0 on"),
]


@pytest.mark.parametrize("shell,name,level,evidence", HOSTS, ids=[row[1] + "-" + str(i) for i, row in enumerate(HOSTS)])
def test_a_host_that_withholds(tmp_path, shell, name, level, evidence):
    if "/sys/power/state" in evidence and not os.path.exists("/sys/power/state"):
        shell, evidence = shell.replace("/sys/kernel/mm/../../power/state", "/sys/kernel/notes"), "sysfs: mount: Operation not permitted"
    check = doctor(shell=shell, data=tmp_path)[1][name]
    assert check["level"] == level and evidence in check["evidence"], check
    assert check["remedy"], check


DISKS = [
    ("mount -t tmpfs -o size=1m,noexec none %s", {"data-exec": "is mounted noexec"}),
    ("mount -t ramfs none %s", {"data-xattr": "Not supported"}),
    ("mount -t tmpfs -o size=1m,ro none %s", {"data": "is read-only"}),
    ("rmdir %s", {"data": "is absent"}),
]


@pytest.mark.parametrize("shell,expected", DISKS, ids=["noexec", "ramfs", "read-only", "absent"])
def test_a_data_disk_that_is_not_good_enough(healthy, tmp_path, shell, expected):
    place = tmp_path / "data"
    place.mkdir()
    bad = worse(doctor(shell=shell % place, data=place), healthy)
    bad.pop("idmapped-mounts", None)  # ramfs has none either
    assert set(bad) == set(expected), bad
    for name, evidence in expected.items():
        assert evidence in bad[name]["evidence"], bad


def test_a_kernel_without_netfilter(healthy, without_netfilter, tmp_path):
    bad = worse(doctor(*without_netfilter, data=tmp_path), healthy)
    assert set(bad) == {"nftables"} and "modprobe" in bad["nftables"]["remedy"], bad


@pytest.mark.parametrize("name,client", [("incus", "incus config"), ("lxd", "lxc config")])
def test_the_setting_is_in_the_words_of_its_host(tmp_path, name, client):
    device = tmp_path / "dev"
    (device / name).mkdir(parents=True)
    (device / name / "sock").touch()
    shell = "cp -a /dev/null %s/ && mount --bind %s /dev && mount --bind /dev/null /proc/cpuinfo" % (device, device)
    check = doctor(shell=shell, data=tmp_path)[1]["private-proc"]
    assert check["remedy"] == "%s set NAME security.nesting=true; %s restart NAME" % (client, client.split()[0]), check


def test_a_look_leaves_no_cgroups_behind(tmp_path):
    """On a machine without an appliance; in a cgroup namespace whose root has none of ours."""
    with open("/proc/mounts") as f:
        tree = next(words[1] for words in map(str.split, f) if words[2] == "cgroup2")
    group = os.path.join(tree, "cleat-test-doctor-%d" % os.getpid())
    os.mkdir(group)
    try:
        inner = "umount -l %s && mount -t cgroup2 none %s && exec \"$@\"" % (tree, tree)
        shell = "echo $$ >%s/cgroup.procs && exec unshare --cgroup --mount --propagation private sh -c '%s' sh \"$@\"" % (group, inner)
        checks = doctor(shell=shell, data=tmp_path)[1]
        assert checks["cgroup-birth"]["level"] == checks["cgroup-kill"]["level"] == "ok", checks["cgroup-birth"]
        assert [name for name in os.listdir(group) if os.path.isdir(os.path.join(group, name))] == []
    finally:
        remove_cgroups(os.path.basename(group))


def test_the_page_fits_a_narrow_console(tmp_path):
    """60 columns: no line is longer, every check is named, and it ends with what to do."""
    script = ("import os,pty,struct,fcntl,termios,sys\n"
              "pid,fd=pty.fork()\n"
              "if pid==0:\n"
              " fcntl.ioctl(0,termios.TIOCSWINSZ,struct.pack('HHHH',25,60,0,0))\n"
              " os.execv(sys.argv[1],['cleat','doctor','--probe','--data-dir',sys.argv[2]])\n"
              "while True:\n"
              " try: b=os.read(fd,4096)\n"
              " except OSError: break\n"
              " if not b: break\n"
              " sys.stdout.buffer.write(b)\n")
    done = subprocess.run(["/usr/bin/python3", "-S", "-c", script, CLEAT, str(tmp_path)], stdout=subprocess.PIPE, text=True, timeout=60,
                          env=dict(os.environ, NO_COLOR="1"))
    lines = done.stdout.replace("\r", "").splitlines()
    assert len(lines) > 5 and max(len(line) for line in lines) <= 60, done.stdout
    assert "private-proc" in done.stdout and "kernel" in done.stdout


# --- with an engine ----------------------------------------------------------------------------------------------------------


def tried(machine):
    """The host's part of /status, once everything has been tried."""
    return wait_for("the host has been looked at", lambda: machine.status()["host"]["tried"] and machine.status()["host"])


def by_id(host):
    return {finding["id"]: finding for finding in host["findings"]}


def test_the_engine_tells_what_it_found(boot, box_image):
    a = boot({"box": unit("localhost/box:latest", 'Exec=/bin/sh -c "%s"\n' % IDLE)}, images=(), start=False)
    a.add_image("box", box_image)
    a.start()
    a.wait_unit("systemd-box", state="up")
    host = tried(a)
    assert "host-probe" not in by_id(host) and not any(f["level"] == "missing" for f in host["findings"]), host
    done = a.cleat("doctor", "--json", check=False)
    answer = json.loads(done.stdout)
    assert answer["of_the_engine"] and answer["kind"] == host["kind"]
    assert {c["id"]: c["level"] for c in answer["checks"] if c["level"] in ("note", "limited", "missing")} == \
        {f["id"]: f["level"] for f in host["findings"]}
    # what an engine of this boot has tried the next one need not
    before = os.stat("/proc/%d/root/run/cleat/host" % a.init_pid()).st_mtime_ns
    looked = answer["looked_real_usec"]
    a.cleat("reload")
    assert a.status()["host"]["tried"]
    after = json.loads(a.cleat("doctor", "--json", check=False).stdout)
    assert by_id({"findings": after["checks"]})["private-proc"]["level"] == "ok" and after["looked_real_usec"] >= looked
    assert os.stat("/proc/%d/root/run/cleat/host" % a.init_pid()).st_mtime_ns >= before
    assert a.unit("systemd-box")["lost_isolation"] == []


def test_readyz_names_what_is_missing(boot, box_image):
    a = boot({"box": unit("localhost/box:latest", 'Exec=/bin/sh -c "%s"\n' % IDLE)}, images=(), data="none")
    host = a.status()["host"]
    assert by_id(host)["data"]["level"] == "missing", host
    code, body = a.http("/readyz?verbose")
    assert code == 503 and "[-]host failed: data: " in body, body
    assert "host: missing: data: " in a.http("/status", accept="text/plain")[1]
    assert "/data is absent" in a.cleat("status")
    assert a.cleat("doctor", check=False).returncode == MISSING


@needs_lxc
def test_no_nesting_is_a_finding_with_the_setting(boot_lxc, box_image):
    c = boot_lxc({"box": unit("localhost/box:latest", 'Exec=/bin/sh -c "%s"\n' % IDLE)}, images=(), nesting=False, start=False)
    c.add_image("box", box_image)
    c.start()
    finding = by_id(tried(c))["private-proc"]
    assert finding["level"] == "missing" and finding["remedy"] == "lxc.include = /usr/share/lxc/config/nesting.conf", finding
    assert "no container can start" in finding["loss"]
    assert "/proc/" in finding["evidence"], finding
    code, body = c.http("/readyz?verbose")
    assert code == 503 and "[-]host failed: private-proc" in body
    assert "/proc" in c.wait_unit("systemd-box", state=("failed", "backoff"))["detail"]  # nobody has allowed less
    done = c.cleat("doctor", check=False)
    assert done.returncode == MISSING and "nesting.conf" in done.stdout


@needs_lxc
def test_an_allowed_loss_lets_containers_run_and_is_listed(boot_lxc, box_image):
    covered = next(path for path in ("/sys/power/state", "/sys/kernel/notes") if os.path.exists(path))
    c = boot_lxc({"box": unit("localhost/box:latest", 'Exec=/bin/sh -c "%s"\n' % IDLE)}, images=(), nesting=False, start=False,
                 extra=("lxc.mount.entry = /proc/version %s none bind 0 0" % covered.lstrip("/"),))
    c.add_image("box", box_image)
    with open(os.path.join(c.config, "appliance.ini"), "w") as f:
        f.write("[Isolation]\nAllowLoss=private-proc private-sys\n")
    c.start()
    entry = c.wait_unit("systemd-box", state="up")
    assert entry["lost_isolation"] == ["private-proc", "private-sys"], entry
    assert any("isolation lost" in note for note in entry["notes"]), entry
    host = tried(c)
    finding = by_id(host)["private-proc"]
    assert finding["level"] == "limited" and "as appliance.ini allows" in finding["loss"], finding
    assert host["allowed_losses"] == ["private-proc", "private-sys"]
    assert by_id(host)["private-sys"]["level"] == "limited", host
    assert "isolation lost: private-proc private-sys" in c.cleat("ps")
    assert c.cleat("doctor", check=False).returncode == LIMITED
    assert c.http("/readyz")[0] == 200
    # the appliance's processes are to be seen, nothing of them is to be had, and nothing is to be written
    shown = c.cleat("exec", "box", "sh", "-c", "cat /proc/1/comm; cat /proc/1/environ; ls /proc/1/root; echo 1 >/proc/sys/kernel/panic; "
                    "echo 5 >/proc/self/oom_score_adj; ls /sys/fs/cgroup/cleat /sys/class/net", check=False).stdout
    assert "init" in shown.splitlines()[0], shown
    assert shown.count("Permission denied") >= 2 and shown.count("Read-only file system") == 2, shown
    assert "/sys/fs/cgroup/cleat: No such file" in shown and "eth0" in shown, shown  # its own cgroups, the appliance's interfaces
    mounts = [line.split() for line in c.cleat("exec", "box", "cat", "/proc/mounts").splitlines()]
    kernel = [(words[1], words[3].split(",")) for words in mounts if words[2] in ("proc", "sysfs") or words[1] == covered]
    assert {"/proc", "/sys", covered} <= {target for target, _ in kernel}, mounts
    for target, options in kernel:
        assert {"ro", "nosuid", "nodev", "noexec"} <= set(options), (target, options)
    # what a private /proc hides is hidden here, too
    assert "/proc/timer_list" in {words[1] for words in mounts} or not os.path.exists("/proc/timer_list"), mounts


@needs_lxc
def test_a_seccomp_profile_of_the_host(boot_lxc, tmp_path):
    profile = tmp_path / "profile"
    profile.write_text("2\ndenylist\npivot_root errno 1\n")
    c = boot_lxc(images=(), extra=("lxc.seccomp.profile = %s" % profile,), start=False)
    with open(os.path.join(c.rootfs, "etc", "hosts"), "a") as f:
        f.write("# --- BEGIN PVE ---\n# --- END PVE ---\n")
    c.start()
    host = tried(c)
    finding = by_id(host)["pivot-root"]
    assert host["kind"] == "proxmox" and finding["remedy"] == "pct set ID --features nesting=1; pct reboot ID", host
    assert finding["level"] == "missing" and "pivot_root: Operation not permitted" in finding["evidence"], finding


# --- where the status server listens -----------------------------------------------------------------------------------------


def write_ini(a, text):
    with open(os.path.join(a.config, "appliance.ini"), "w") as f:
        f.write(text)


def answers(a, port, host="127.0.0.1"):
    try:
        return http_in_netns(a.init_pid(), port, "/livez", host=host)[0] == 200
    except OSError:
        return False


def status_server(a):
    """Its process; 0: there is none."""
    for pid in descendants(a.init_pid()):
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                if f.read().startswith(b"cleat\0status-server"):
                    return pid
        except OSError:
            pass
    return 0


def test_the_status_address_holds_from_the_start_and_changes_with_a_reload(boot):
    a = boot(images=(), start=False)
    write_ini(a, "[Status]\nAddress=127.0.0.1:8099\n")
    a.start()
    wait_for("it answers", lambda: answers(a, 8099))
    assert not answers(a, 25328)
    write_ini(a, "[Status]\nAddress=[::1]:8100\n")
    a.cleat("reload")
    wait_for("it answers at the new address", lambda: answers(a, 8100, "::1"))
    wait_for("the old one is left", lambda: not answers(a, 8099))
    assert not answers(a, 8100)
    for wildcard, answering, other in (("[::]", "::1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1", "::1")):
        write_ini(a, "[Status]\nAddress=%s\n" % wildcard)
        a.cleat("reload")
        wait_for("it answers all of one kind", lambda: answers(a, 25328, answering) and not answers(a, 25328, other))
        # on another socket, although that has the same address
        write_ini(a, "")
        a.cleat("reload")
        wait_for("it answers everywhere", lambda: answers(a, 25328) and answers(a, 25328, "::1"))


def test_a_status_address_that_no_link_has_is_waited_for(boot):
    a = boot(images=(), start=False)
    write_ini(a, "[Status]\nAddress=192.0.2.7\n")
    a.start()
    said = "status server: no link has 192.0.2.7 yet"
    assert said in a.cleat("status")
    before = status_server(a)
    os.kill(before, signal.SIGKILL)
    wait_for("another server runs", lambda: status_server(a) not in (0, before))
    assert said in a.cleat("status")  # the next server has the address no more than the one before
    subprocess.run(["nsenter", "-t", str(a.init_pid()), "-n", "ip", "address", "add", "192.0.2.7/32", "dev", "lo"], check=True)
    wait_for("it answers", lambda: answers(a, 25328, "192.0.2.7"))
    assert not answers(a, 25328)
    wait_for("nothing is said any more", lambda: said not in a.cleat("status"))
