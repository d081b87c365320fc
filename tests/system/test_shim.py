# SPDX-License-Identifier: Apache-2.0
"""The shim by its wire: life and death of its container, and who talks to it. Needs root. The test plays the engine; probes and output have files of
their own."""
import errno
import json
import os
import re
import secrets
import select
import signal
import struct
import subprocess
import time

import pytest

from shimworld import (BOUND_SEC, EXEC, EXITED, FAILED, GATE, HELLO, KILL, PASS, PROBE, RESULT, RUNNING, RUNTIME, SIGNAL, SIGQUIT_BIT, Shim, config,  # noqa: F401 (fixtures)
                       fixture_rootfs, fixture_world, read, until)


# --- life and death ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command, code, number", [("exit 0", 0, 0), ("exit 7", 7, 0), ("kill -KILL 1", 0, 0)])
def test_exit_code(world, command, code, number):
    # PID 1 of a namespace cannot kill itself: the third command goes on to its normal end.
    shim = world.shim(command)
    status = shim.phase(EXITED)
    assert (status["exit_code"], status["exit_signal"], status["oom_killed"]) == (code, number, 0)
    assert shim.receive() is None
    assert not shim.is_locked()  # as soon as the connection ends, whatever the shim still has to give back
    assert shim.status() == status
    assert shim.end() == 0


def test_the_record_names_shim_and_container(world):
    shim = world.shim(options=["--name", "web"])
    status = shim.running()
    assert shim.status() == status
    assert status["run_id"] == shim.id and status["name"] == "web" and status["error"] == ""
    assert status["shim_pid"] == shim.process.pid
    for pid, ticks in (("shim_pid", "shim_ticks"), ("container_pid", "container_ticks")):
        stat = read("/proc/%d/stat" % status[pid]).rpartition(")")[2].split()
        assert int(stat[19]) == status[ticks]
    assert status["boot_id"] == read("/proc/sys/kernel/random/boot_id").strip()
    assert read("/proc/%d/comm" % shim.process.pid) == "cleat-shim\n"
    assert shim.is_locked()


def held_by(pid):
    """What the descriptors of a process lead to."""
    names = os.listdir("/proc/%d/fd" % pid)
    return [os.readlink("/proc/%d/fd/%s" % (pid, name)) for name in names]


def test_the_containers_mounts_are_held_by_the_shim_alone(world, tmp_path):
    """So that the end of its first process is seen before its mounts are taken apart; a child that held them would keep them for as long as it stays."""
    shim = world.shim("exec sleep 1000", log=tmp_path / "log")
    mounts = os.readlink("/proc/%d/ns/mnt" % shim.running()["container_pid"])
    assert mounts != os.readlink("/proc/self/ns/mnt")
    shim.writer()
    shim.order(1, EXEC, ["/bin/sh", "-c", "echo >/share/probing; exec sleep 1000"])
    shim.wait_share("probing")
    children = shim.children()
    assert len(children) == 2, children
    assert held_by(shim.process.pid).count(mounts) == 1
    for name, pid in children.items():
        until("%s gives them up" % name, lambda: mounts not in held_by(pid))


def test_stop_signal_reaches_the_first_process(world):
    shim = world.shim("trap 'exit 42' TERM; echo ready > /share/ready; while :; do sleep 0.1; done")
    shim.running()
    shim.wait_share("ready")
    shim.signal(signal.SIGTERM)
    assert shim.phase(EXITED)["exit_code"] == 42


def test_kill_ends_every_process(world):
    shim = world.shim("sleep 1000 & sleep 1000 & echo ready > /share/ready; wait")
    shim.running()
    shim.wait_share("ready")
    shim.send(KILL)
    status = shim.phase(EXITED)
    assert (status["exit_code"], status["exit_signal"]) == (137, 9)
    shim.end()
    until("the cgroup is empty", lambda: "populated 0" in read(shim.cgroup + "/cgroup.events"))


def test_a_signal_for_all_reaches_children(world):
    shim = world.shim("(trap 'echo got > /share/child; exit' USR1; echo r > /share/ready; while :; do sleep 0.1; done) & "
                      "trap 'echo got > /share/first' USR1; while :; do sleep 0.1; done")
    shim.running()
    shim.wait_share("ready")
    shim.signal(signal.SIGUSR1, everybody=1)
    assert shim.wait_share("child") and shim.wait_share("first")


def test_what_outlives_the_first_process_is_ended(world):
    # The pid namespace's end takes everything of it; a probe's process of another namespace is taken by the cgroup.
    shim = world.shim(GATE + "exit 3", log=world.path / "log")
    shim.await_gate()
    stranger = subprocess.Popen(["sleep", "1000"])
    with open(shim.cgroup + "/cgroup.procs", "w") as f:
        f.write(str(stranger.pid))
    shim.let_go()
    assert shim.phase(EXITED)["exit_code"] == 3
    assert stranger.wait(BOUND_SEC) == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, 40])
def test_only_sigkill_ends_a_shim(world, number):
    shim = world.shim("trap 'exit 5' TERM; echo ready > /share/ready; while :; do sleep 0.1; done")
    shim.running()
    shim.wait_share("ready")
    os.kill(shim.process.pid, number)
    # It still answers, and nobody in the container noticed.
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS
    ignored = re.search(r"SigIgn:\s(\w+)", read("/proc/%d/status" % shim.status()["container_pid"])).group(1)
    assert int(ignored, 16) & ~SIGQUIT_BIT == 0


def is_refused(shim):
    try:
        shim.connect()
    except ConnectionRefusedError:
        return True
    return False


def test_a_killed_shim_leaves_a_free_lock_and_end_of_file(world):
    shim = world.shim(log=world.path / "log")
    status = shim.running()
    # A probe under way must not keep the connection open either.
    shim.order(1, EXEC, ["busybox", "sleep", "1000"])
    until("the probe runs", lambda: "busybox" in shim.children())
    shim.process.kill()
    assert shim.receive() is None
    assert not shim.is_locked()
    until("ctl is closed", lambda: is_refused(shim))
    assert shim.status()["phase"] == RUNNING
    # Ending the container is the engine's part; nothing of ours did it.
    assert os.path.exists("/proc/%d" % status["container_pid"])
    assert "populated 1" in read(shim.cgroup + "/cgroup.events")


def is_reading(process):
    """A shim that sleeps in a call whose first argument is descriptor 4."""
    return read("/proc/%d/comm" % process.pid) == "cleat-shim\n" and read("/proc/%d/syscall" % process.pid).split()[1:2] == ["0x4"]


def files_of(shim):
    return sorted(set(os.listdir(shim.dir)) - {"config.json", "ctl", "share"})


def test_a_shim_waits_for_the_word_to_go(world):
    theirs, ours = os.pipe()
    shim = world.shim("exit 7", go=theirs)
    os.close(theirs)
    os.rename(os.path.join(shim.dir, "config.json"), os.path.join(shim.dir, "later"))
    until("it waits", lambda: is_reading(shim.process))
    assert files_of(shim) == ["later"]
    os.rename(os.path.join(shim.dir, "later"), os.path.join(shim.dir, "config.json"))
    os.write(ours, b"\0")
    os.close(ours)
    assert shim.end() == 0
    assert shim.status()["exit_code"] == 7


def test_a_shim_without_the_word_to_go_has_touched_nothing(world):
    theirs, ours = os.pipe()
    shim = world.shim(go=theirs)
    os.close(theirs)
    until("it waits", lambda: is_reading(shim.process))
    os.close(ours)
    assert shim.end() == 4
    assert files_of(shim) == []
    assert not os.path.exists(shim.cgroup)


def test_a_second_shim_on_the_same_run_is_refused(world):
    first = world.shim()
    before = first.running()
    second = world.shim(run=first)
    assert second.end() == 3
    assert "locked by process %d" % first.process.pid in second.process.stderr.read()
    assert first.status() == before
    assert first.probe(EXEC, ["/bin/true"])["verdict"] == PASS


@pytest.mark.parametrize("options, text", [
    (["--log-max-files", "0"], "--log-max-files 0: not a number from 1 to 100"),
    (["--log-max-bytes", "x"], "--log-max-bytes x"),
    (["--log", "relative"], "absolute path"),
    (["--unknown", "x"], "--unknown: unknown option"),
    (["--id", "../../etc"], "--id: needs 12 hex digits"),
    (["--name"], "--name: needs a value"),
    (["--go-fd", "3"], "--go-fd 3: not a number from 4 to 5"),
    (["--notify-fd", "4", "--go-fd", "4"], "--go-fd 4: is --notify-fd"),
])
def test_wrong_arguments(world, options, text):
    shim = world.shim(options=options)
    assert shim.end() == 2
    assert text in shim.process.stderr.read()
    assert not os.path.exists(os.path.join(shim.dir, "status"))


def test_without_a_ctl_socket(world):
    shim = world.shim()
    shim.running()
    done = subprocess.run([RUNTIME, "shim", "--id", secrets.token_hex(6), "--run-dir", str(world.path)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BOUND_SEC)
    assert done.returncode == 1
    assert "descriptor 3" in done.stderr


def test_a_failed_start_is_recorded(world):
    broken = Shim.__new__(Shim)
    path = world.path / "broken"
    path.mkdir()
    (path / "share").mkdir()
    broken.id, broken.dir = secrets.token_hex(6), str(path)
    spec = config(world.rootfs, "true", path / "share")
    spec["process"]["args"] = ["/bin/no-such-program"]
    (path / "config.json").write_text(json.dumps(spec))
    failed = world.shim(run=broken, log=world.path / "log")
    assert failed.end() == 0
    status = failed.status()
    assert status["phase"] == FAILED
    assert "/bin/no-such-program" in status["error"]
    assert status["error_code"] == 2 and status["error_errno"] == errno.ENOENT


# --- the wire ---------------------------------------------------------------------------------------------------------


def test_a_newer_client_replaces_the_older(world):
    shim = world.shim()
    shim.running()
    old = shim.client
    shim.running()
    assert old.recv(100) == b""
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS


def test_a_probe_of_a_client_that_went_is_given_up(world):
    shim = world.shim()
    shim.running()
    shim.order(1, EXEC, ["busybox", "sleep", "1000"])
    until("the probe runs", lambda: "busybox" in shim.children())
    shim.client.close()
    shim.running()
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS


def test_clients_of_other_versions(world):
    shim = world.shim("trap 'exit 9' TERM; echo ready > /share/ready; while :; do sleep 0.1; done")
    for version in (0, 2, 99):
        hello = struct.pack("=HHI", version, HELLO, 8 + version) + b"\1" * version
        shim.connect(hello)
        assert shim.phase(RUNNING)
    shim.wait_share("ready")
    # What an older client could not say yet is missing at the end; what a newer one adds is not looked at.
    text = b"/bin/true\0"
    shim.send(PROBE, struct.pack("=QQII", 7, 10**7, EXEC, len(text)) + text + b"more\0fields", version=2)
    assert shim.wait_for(RESULT)["verdict"] == PASS
    shim.send(200, b"a type of the future", version=7)
    shim.send(SIGNAL, struct.pack("=i", signal.SIGTERM), version=0)
    assert shim.phase(EXITED)["exit_code"] == 9


@pytest.mark.parametrize("message", [
    b"x", struct.pack("=HHI", 1, HELLO, 9), struct.pack("=HHI", 1, SIGNAL, 8), struct.pack("=HHIi", 1, SIGNAL, 12, 65),
    struct.pack("=HHI", 1, PROBE, 8), struct.pack("=HHIQQII", 1, PROBE, 32, 1, 10**6, EXEC, 1000),
    struct.pack("=HHI", 1, HELLO, 20000) + b"x" * 19992,
])
def test_what_is_no_message_ends_the_connection_only(world, message):
    shim = world.shim()
    shim.running()
    shim.client.send(message)
    assert shim.receive() is None
    shim.running()
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS


def test_a_client_that_does_not_read_is_put_off(world):
    shim = world.shim()
    shim.running()
    shim.client.setblocking(False)
    hello = struct.pack("=HHI", 1, HELLO, 8)
    deadline = time.monotonic() + BOUND_SEC
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        while time.monotonic() < deadline:
            try:
                shim.client.send(hello)
            except BlockingIOError:
                select.select([], [shim.client], [], 0.1)
    shim.running()
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS


def test_what_programs_write_to_lies_in_one_page():
    """Each shim, and each child that it forks for a probe, has these pages of its own: one more is 8 KiB a container."""
    with open(RUNTIME, "rb") as f:
        image = f.read()
    offset, size, count = struct.unpack_from("<Q", image, 32)[0], *struct.unpack_from("<HH", image, 54)
    headers = [struct.unpack_from("<II6Q", image, offset + i * size) for i in range(count)]
    # type, flags, offset, virtual address, physical address, bytes in the file, in memory, alignment
    begin, bytes_ = [(h[3], h[6]) for h in headers if h[0] == 1 and h[1] & 2][0]
    relro = [h[3] + h[6] for h in headers if h[0] == 0x6474E552][0]
    assert (begin + bytes_ - 1) // 4096 - relro // 4096 == 0, hex(begin + bytes_ - relro)
