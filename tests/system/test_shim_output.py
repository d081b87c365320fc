# SPDX-License-Identifier: Apache-2.0
"""What a container says: the shim, its ring and its writer, with real containers and no engine. Needs root."""
import os
import re
import signal


from shimworld import EXEC, EXITED, GATE, NOTE, PASS, RUNNING, STATE, fixture_rootfs, fixture_world, read, until, wait_end  # noqa: F401 (fixtures)


def test_output_is_in_the_log(world):
    shim = world.shim("echo out; echo err >&2; printf unfinished", log=world.path / "log")
    shim.phase(EXITED)
    shim.end()
    until("the writer has written", lambda: len(shim.lines()) == 3)
    # Each stream is in order; between two pipes there is none.
    assert [text for stream, text in shim.lines() if stream == "stdout"] == ["out", "unfinished"]
    assert [text for stream, text in shim.lines() if stream == "stderr"] == ["err"]
    for name in ("current", "lock"):
        assert os.stat(os.path.join(shim.log, name)).st_uid == 65005


def test_the_writer_has_nothing_but_its_directory(world):
    shim = world.shim(log=world.path / "log")
    shim.running()
    pid = shim.writer()
    status = until("it is confined", lambda: (lambda s: s if "Seccomp:\t2" in s else "")(read("/proc/%d/status" % pid)))
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["65005"] * 4 and fields["Groups"].strip() == ""
    assert fields["CapEff"] == fields["CapPrm"] == fields["CapBnd"] == "0000000000000000"
    targets = until("its files are open", lambda: (lambda t: t if len(t) == 5 else None)(
        sorted(os.readlink("/proc/%d/fd/%s" % (pid, n)) for n in os.listdir("/proc/%d/fd" % pid))))
    assert [t.split(":")[0] for t in targets] == [shim.log, shim.log + "/current", shim.log + "/lock", "anon_inode", "pipe"]


AWK_LINES = "BEGIN { for (i = 0; i < %d; i++) printf \"%%099d\\n\", i }"


def check_sequence(lines, total):
    """Numbered lines: gaps are exactly what the notes say. Returns (first kept, dropped)."""
    numbers, dropped, expected = [], 0, None
    for _, text in lines:
        note = NOTE.fullmatch(text)
        if note:
            dropped += int(note.group(1))
            if expected is not None:
                expected += int(note.group(1))
            continue
        number = int(text)
        assert len(text) == 99
        assert expected is None or number == expected, "line %d where %d was to come" % (number, expected)
        expected = number + 1
        numbers.append(number)
    # What was dropped last is told at the end as well.
    assert expected == total
    return numbers[0], dropped


def test_a_hundred_mebibytes_of_numbered_lines(world):
    total = 1048576  # of 100 bytes
    shim = world.shim("exec awk '%s'" % (AWK_LINES % total), log=world.path / "log")
    shim.phase(RUNNING)
    writer = shim.writer()
    status = shim.phase(EXITED)
    assert status["exit_code"] == 0
    wait_end(writer)
    sizes = {name: os.stat(os.path.join(shim.log, name)).st_size for name in os.listdir(shim.log)}
    assert sorted(sizes) == ["1", "2", "current", "lock"]
    limit = 10 * 1024 * 1024
    for name in ("1", "2"):
        assert limit - 141 < sizes[name] <= limit
    assert sizes["current"] <= limit
    lines = shim.lines()
    first, dropped_in_kept = check_sequence(lines, total)
    # Kept + rotated away + dropped = all; what was dropped in rotated files is known only to the record.
    assert dropped_in_kept <= status["dropped_lines"]
    kept = len([1 for _, text in lines if not NOTE.fullmatch(text)])
    assert kept + dropped_in_kept + first == total
    assert status["dropped_bytes"] == status["dropped_lines"] * 99
    assert status["log_error"] == ""
    print("dropped %d of %d lines" % (status["dropped_lines"], total))


def test_a_stalled_disk_stalls_nobody(world):
    """The writer is stopped: the container floods on, probes run, the record counts; when it goes on, every gap is told."""
    total = 100000
    shim = world.shim(GATE + "awk '%s'; echo done > /share/done; read x < /share/go; exit 6"
                      % (AWK_LINES % total), log=world.path / "log")
    shim.await_gate()
    writer = shim.writer()
    until("its files are open", lambda: os.path.exists(os.path.join(shim.log, "current")))
    os.kill(writer, signal.SIGSTOP)
    until("it is stopped", lambda: ") T " in read("/proc/%d/stat" % writer))
    shim.let_go()
    # The container gets through all of its output although not a byte goes to disk.
    shim.wait_share("done")
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS
    status = shim.wait_for(STATE, lambda s: s["dropped_lines"] > 0)
    until("the counters settle", lambda: shim.status()["dropped_lines"] > total - 262144 // 140 - 2)
    os.kill(writer, signal.SIGCONT)
    shim.let_go()
    status = shim.phase(EXITED)
    assert status["exit_code"] == 6
    wait_end(writer)
    lines = shim.lines()
    first, dropped = check_sequence(lines, total)
    assert first == 0
    assert dropped == status["dropped_lines"] == total - (len(lines) - len([1 for _, t in lines if NOTE.fullmatch(t)]))
    assert status["dropped_bytes"] == dropped * 99


def test_a_stopped_writer_delays_neither_stop_nor_exit_code(world):
    shim = world.shim("trap 'exit 8' TERM; echo ready > /share/ready; while :; do echo line; done", log=world.path / "log")
    shim.running()
    shim.wait_share("ready")
    writer = shim.writer()
    os.kill(writer, signal.SIGSTOP)
    shim.wait_for(STATE, lambda s: s["dropped_lines"] > 0)
    shim.signal(signal.SIGTERM)
    assert shim.phase(EXITED)["exit_code"] == 8
    assert shim.end() == 0
    os.kill(writer, signal.SIGCONT)
    wait_end(writer)


def test_the_next_writer_waits_for_the_one_before(world):
    log = world.path / "log"
    first = world.shim(GATE + "seq 1 100; exit 0", log=log)
    first.await_gate()
    writer = first.writer()
    until("its files are open", lambda: os.path.exists(os.path.join(first.log, "current")))
    os.kill(writer, signal.SIGSTOP)
    first.let_go()
    first.phase(EXITED)
    first.end()
    second = world.shim("seq 101 200", log=log)
    second.phase(EXITED)
    second.end()
    assert second.lines() == []
    os.kill(writer, signal.SIGCONT)
    until("all is written", lambda: len(second.lines()) == 200)
    assert [text for _, text in second.lines()] == [str(n) for n in range(1, 201)]
    wait_end(writer)


def test_what_was_in_the_ring_survives_the_shim(world):
    shim = world.shim(GATE + "seq 1 500; echo done > /share/done; sleep 1000",
                      log=world.path / "log")
    shim.await_gate()
    writer = shim.writer()
    until("its files are open", lambda: os.path.exists(os.path.join(shim.log, "current")))
    os.kill(writer, signal.SIGSTOP)
    shim.let_go()
    shim.wait_share("done")
    # An answer to a later order proves that the output before it has been read.
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS
    shim.process.kill()
    shim.end()
    os.kill(writer, signal.SIGCONT)
    wait_end(writer)
    assert [text for _, text in shim.lines()] == [str(n) for n in range(1, 501)]


def test_a_killed_writer_is_replaced(world):
    shim = world.shim("echo one; " + GATE + "echo two; sleep 1000", log=world.path / "log")
    shim.await_gate()
    until("the line is written", lambda: os.path.exists(os.path.join(shim.log, "current")) and len(shim.lines()) == 1)
    writer = shim.writer()
    os.kill(writer, signal.SIGKILL)
    shim.let_go()
    until("the next writer has written", lambda: len(shim.lines()) == 2)
    assert [text for _, text in shim.lines()] == ["one", "two"]
    assert shim.writer() != writer
    assert shim.status()["dropped_lines"] == 0


def test_a_log_directory_that_cannot_be_made(world):
    (world.path / "file").write_text("in the way")
    shim = world.shim("seq 1 10; echo ready > /share/ready; sleep 1000", log=world.path / "file" / "log")
    shim.running()
    shim.wait_share("ready")
    status = shim.wait_for(STATE, lambda s: s["dropped_lines"] == 10)
    assert status["phase"] == RUNNING and status["error"] == ""
    assert "/file" in status["log_error"] and "not a folder" in status["log_error"]
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS


def test_without_a_log_output_goes_nowhere(world):
    shim = world.shim("seq 1 100000; exit 2")
    assert shim.phase(EXITED)["exit_code"] == 2
    assert shim.status()["log_error"] == ""


def test_an_idle_shim_is_small(world):
    shim = world.shim("echo hello; sleep 1000", log=world.path / "log")
    shim.running()
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS

    def pss():
        rollup = read("/proc/%d/smaps_rollup" % shim.process.pid)
        return int(re.search(r"^Pss: *(\d+) kB", rollup, re.M).group(1))

    until("PSS falls to 100 KiB or less: %d KiB" % pss(), lambda: pss() <= 100)
