# SPDX-License-Identifier: Apache-2.0
"""The holder of a pod's namespaces and containers that join it, through "cleat-runtime run", without an engine."""

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from test_runtime import ID_MAP, ROOT_OUTSIDE, RUNTIME, Running, cgroup_mount, place  # noqa: F401 (a fixture)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="containers need root here")

SHARED = {"user": "user", "ipc": "ipc", "uts": "uts", "network": "net"}


def ticks(pid):
    return int(pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(") ", 1)[1].split()[19])


def holder_config(memory=1 << 20):
    return {
        "ociVersion": "1.1.0",
        "hostname": "pod-1",
        "linux": {
            "uidMappings": ID_MAP,
            "gidMappings": ID_MAP,
            "namespaces": [{"type": t} for t in ("user", "mount", "ipc", "uts", "network")],
        },
        "annotations": {"org.cleat.hold": "memory:%d" % memory},
    }


class Holder:
    """A holder that has come so far that it sleeps."""

    def __init__(self, place, config=None):
        self.dir = place.dir / "pod"
        self.dir.mkdir()
        self.run_id = "%08x%04x" % (os.getpid(), 0xffff)
        (self.dir / "config.json").write_text(json.dumps(config or holder_config()))
        self.process = subprocess.Popen(place.command(self.dir, self.run_id), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.pid = self.wait()

    def wait(self):
        procs = cgroup_mount() / "cleat" / "c" / self.run_id / "cgroup.procs"
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.process.stdout.read()
            for pid in procs.read_text().split() if procs.exists() else ():
                try:
                    if pathlib.Path("/proc/%s/comm" % pid).read_text() == "cleat-hold\n":
                        return int(pid)
                except OSError:
                    continue
            time.sleep(0.01)
        raise AssertionError("no holder")

    def ns(self, name):
        return os.readlink("/proc/%d/ns/%s" % (self.pid, name))

    def join(self, config):
        """Makes a member of a container's configuration."""
        del config["hostname"]
        config["annotations"]["org.cleat.pod"] = "%d:%d" % (self.pid, ticks(self.pid))
        for entry in config["linux"]["namespaces"]:
            if entry["type"] in SHARED:
                entry["path"] = "/proc/%d/ns/%s" % (self.pid, SHARED[entry["type"]])
        for mount in config["mounts"]:
            if mount["destination"] == "/dev/shm":
                mount.update(type="x-cleat-pod", options=[])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run([RUNTIME, "teardown", self.run_id], check=False)
        self.process.wait(60)
        self.process.stdout.close()


def test_holder_is_a_sleeping_process_that_keeps_nothing_busy(place):
    with Holder(place) as pod:
        status = dict(line.split(":\t", 1) for line in pathlib.Path("/proc/%d/status" % pod.pid).read_text().splitlines())
        assert status["Uid"].split() == [str(ROOT_OUTSIDE)] * 4
        assert status["CapBnd"] == status["CapEff"] == status["CapPrm"] == "0" * 16
        assert status["NoNewPrivs"] == "1"
        assert os.listdir("/proc/%d/fd" % pod.pid) == []
        assert pathlib.Path("/proc/%d/cmdline" % pod.pid).read_text() == "cleat-runtime\0hold\0"
        mounts = pathlib.Path("/proc/%d/mountinfo" % pod.pid).read_text().splitlines()
        assert len(mounts) == 1, mounts
        assert mounts[0].split()[4:6] == ["/", "rw,nosuid,nodev,noexec,relatime"] and "size=1024k" in mounts[0]
        for name in ("user", "mnt", "ipc", "uts", "net"):
            assert pod.ns(name) != os.readlink("/proc/self/ns/" + name)
        for name in ("pid", "cgroup"):
            assert pod.ns(name) == os.readlink("/proc/self/ns/" + name)
        os.kill(pod.pid, signal.SIGTERM)
        assert pod.process.wait(60) == 128 + signal.SIGTERM


def test_members_share_what_the_pod_holds_and_nothing_else(place):
    with Holder(place) as pod:
        pod.join(place.config)
        with Running(place, prepare="echo from one > /dev/shm/word; ") as one, Running(place) as two:
            for name, same in (("user", True), ("ipc", True), ("uts", True), ("net", True), ("mnt", False), ("pid", False), ("cgroup", False)):
                links = [os.readlink("/proc/%d/ns/%s" % (r.init(), name)) for r in (one, two)]
                assert (links[0] == links[1] == pod.ns(name)) if same else (len({*links, pod.ns(name)}) == 3), name
            done = two.exec("/bin/sh", "-c", "hostname; cat /dev/shm/word; echo x; id -u; ps -o pid= | wc -l; grep ' /dev/shm ' /proc/self/mountinfo")
            lines = done.stdout.splitlines()
            assert lines[:4] == ["pod-1", "from one", "x", "0"], done
            # Its own first process, the shell, ps, wc: no process of the pod or of the other member.
            assert int(lines[4]) <= 4
            assert "nosuid,nodev,noexec" in lines[5] and "size=1024k" in lines[5]
            server = one.exec("/bin/sh", "-c", "(while :; do echo hello | nc -l -p 7777; done) >/dev/null 2>&1 &")
            assert server.returncode == 0, server
            assert two.exec("/bin/sh", "-c", "i=0; until nc 127.0.0.1 7777 </dev/null; do [ $((i += 1)) -lt 300 ] || exit 1; sleep 0.1; done").stdout == "hello\n"


def test_mounts_of_a_member_belong_to_the_pods_user_namespace(place):
    volume = place.data / "v"
    volume.mkdir()
    (volume / "file").write_text("data")
    os.chown(volume / "file", 1001, 1001)
    place.bind(volume, "/home/v", "ro")
    with Holder(place) as pod:
        pod.join(place.config)
        assert place.out("cat /home/v/file; stat -c ' %u' /home/v/file; grep -c '^proc /proc proc' /proc/mounts; ls /sys/class/net") == \
            "data 1001\n1\nlo"


def test_read_only_memory(place):
    with Holder(place) as pod:
        pod.join(place.config)
        for mount in place.config["mounts"]:
            if mount["destination"] == "/dev/shm":
                mount["options"] = ["ro"]
        assert "Read-only file system" in place.sh("touch /dev/shm/x").stderr


def test_a_process_that_has_only_the_holders_number_is_not_joined(place):
    with Holder(place) as pod:
        pod.join(place.config)
        place.config["annotations"]["org.cleat.pod"] = "%d:%d" % (pod.pid, ticks(pod.pid) + 1)
        done = place.sh("echo ran")
        assert (done.returncode, done.stdout) == (125, "")
        assert done.stderr == "cleat-runtime: pod: its holder, process %d, is gone\n" % pod.pid


def test_start_after_the_holders_end_says_so(place):
    with Holder(place) as pod:
        pod.join(place.config)
        os.kill(pod.pid, signal.SIGKILL)
        pod.process.wait(60)
        done = place.sh("echo ran")
        assert (done.returncode, done.stdout) == (125, "")
        assert "its holder, process %d, is gone" % pod.pid in done.stderr


def test_failure_inside_a_pod_names_its_step_and_leaves_no_process(place):
    with Holder(place) as pod:
        pod.join(place.config)
        bundle, run_id = place.bundle(["/bin/no-such-program"])
        done = subprocess.run(place.command(bundle, run_id), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        assert done.returncode == 127 and "exec: /bin/no-such-program" in done.stderr, done
        assert not (cgroup_mount() / "cleat" / "c" / run_id).exists()


@pytest.mark.parametrize("change,message", [
    (lambda c: c["annotations"].update({"org.cleat.hold": "memory:0"}), 'org.cleat.hold: "memory:0" is not memory:BYTES'),
    (lambda c: c["linux"]["namespaces"].append({"type": "pid"}), "a holder has user, mount, ipc, uts, and network or not"),
    (lambda c: c.update(root={"path": "rootfs"}), "a holder has no program, no root and no mounts"),
])
def test_a_holder_with_more_than_namespaces_is_refused(place, change, message):
    config = holder_config()
    change(config)
    directory = place.dir / "pod"
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(config))
    done = subprocess.run(place.command(directory, "0123456789ab"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 125 and message in done.stderr, done.stderr
