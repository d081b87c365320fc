# SPDX-License-Identifier: Apache-2.0
"""Container output through a real engine: what is kept of a flood, what is said about the rest, and reading it back."""
import os
import re
import signal
import subprocess

import pytest

from appliance import BUILD, unit, wait_for
from ociimage import busybox_of, write_box
from test_boot import holder

FILE_BYTES = 10 * 1024 * 1024  # of the default: three files
LINE_BYTES = 100               # with its newline
FRAME_BYTES = 40               # what a line has more on disk: time, stream, tag
FLOOD_LINES = 100 * 1024 * 1024 // LINE_BYTES

LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (stdout|stderr) F (.*)")
NOTE = re.compile(r"cleat: (\d+) lines dropped \((\d+) bytes\): .*")

# Waits for /share/go if there is /share; then so many numbered lines.
FLOOD = b"""#!/bin/sh
[ ! -d /share ] || while [ ! -e /share/go ]; do sleep 0.05; done
exec /bin/busybox awk -v "lines=$1" 'BEGIN { for (i = 0; i < lines; i++) printf "%099d\\n", i }'
"""


@pytest.fixture
def boot_flood(boot, tmp_path):
    """boot_flood(lines, share=True, start=True): an appliance with one unit, "flood"."""

    def make(lines, share=False, **keywords):
        path = str(tmp_path / "flood.tar")
        write_box(path, busybox_of(BUILD), extra=[("bin/flood", {"content": FLOOD})])
        container = "Exec=/bin/flood %d\n" % lines
        if share:
            container += "Volume=/data/share:/share\n"
        a = boot({"flood": unit("localhost/box:latest", container)}, images=(), start=False)
        a.add_image("flood", path)
        return a.start() if keywords.get("start", True) else a

    return make


def log_dir(a):
    return os.path.join(a.data, "logs", "systemd-flood")


def files_of(directory):
    """Names from the oldest to the newest, and their contents."""
    names = sorted((name for name in os.listdir(directory) if name.isdigit()), key=int, reverse=True) + ["current"]
    texts = []
    for name in names:
        with open(os.path.join(directory, name)) as f:
            texts.append(f.read())
    return names, texts


def parse(text):
    """[(stream, text)] of one file; a line in any other form is an error, and so is one without its end."""
    assert text.endswith("\n")
    found = []
    for line in text.split("\n")[:-1]:
        match = LINE.fullmatch(line)
        assert match, "not a line of a log: %r" % line[:200]
        found.append(match.groups()[1:])
    return found


def check_sequence(lines):
    """Numbered lines without a gap that is not told exactly; returns (first number, number after the last, dropped)."""
    first = expected = None
    dropped = 0
    for stream, text in lines:
        assert stream == "stdout"
        note = NOTE.fullmatch(text)
        if note:
            assert int(note.group(2)) == int(note.group(1)) * (LINE_BYTES - 1)
            dropped += int(note.group(1))
            expected = expected and expected + int(note.group(1))
            continue
        assert len(text) == LINE_BYTES - 1, text
        assert expected is None or int(text) == expected, "line %d where %d was to come" % (int(text), expected)
        first = int(text) if first is None else first
        expected = int(text) + 1
    return first, expected, dropped


def wait_for_writer(a):
    """It outlives container and shim until all that it holds is on disk."""
    wait_for("the log writer has ended", lambda: not a.processes("cleat-log"), 120)


def test_hundred_mebibytes_of_numbered_lines(boot_flood):
    a = boot_flood(FLOOD_LINES)
    entry = a.wait_unit("systemd-flood", seconds=300, state="down")
    assert entry["exit"]["code"] == 0, entry
    wait_for_writer(a)
    names, texts = files_of(log_dir(a))
    assert names == ["2", "1", "current"]
    for name, text in zip(names, texts):
        assert len(text) <= FILE_BYTES, name
    for text in texts[:2]:  # rotated when the next line did not fit, not earlier
        assert len(text) > FILE_BYTES - LINE_BYTES - FRAME_BYTES - len(NOTE.pattern)
    lines = [line for text in texts for line in parse(text)]
    first, after, dropped = check_sequence(lines)
    assert after == FLOOD_LINES, "the last line is missing"
    kept = sum(1 for _, text in lines if not NOTE.fullmatch(text))
    # What is not kept was rotated away or dropped; drops of which the note was rotated away are in the count only.
    assert kept + dropped + first == FLOOD_LINES
    assert dropped <= a.unit("systemd-flood")["log_dropped_lines"] <= dropped + first

    out = a.cleat("logs", "flood").splitlines()
    assert out == [text for _, text in lines]
    assert a.cleat("logs", "--tail", "3", "flood").splitlines() == out[-3:]
    in_newest = len(parse(texts[2]))
    for more in (0, 1, 1000):  # from the newest file alone, and over the border into the one before
        assert a.cleat("logs", "--tail", str(in_newest + more), "flood").splitlines() == out[-in_newest - more:]
    in_newer = in_newest + len(parse(texts[1]))
    assert a.cleat("logs", "--tail", str(in_newer + 7), "flood").splitlines() == out[-in_newer - 7:]
    assert a.cleat("logs", "--tail", "999999999", "flood").splitlines() == out
    stamped = a.cleat("logs", "-t", "--tail", "2", "flood").splitlines()
    assert [line.split(" ", 1)[1] for line in stamped] == out[-2:]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", stamped[0].split(" ")[0])


def test_drops_of_a_stalled_disk_are_in_status_and_in_the_log(boot_flood):
    """The writer is stopped, as by a disk that hangs. 100000 lines are two files: nothing is rotated away."""
    total = 100000
    a = boot_flood(total, share=True)
    a.wait_unit("systemd-flood", state="up")
    wait_for("the log's file", lambda: os.path.exists(os.path.join(log_dir(a), "current")))
    writer, = a.processes("cleat-log")
    os.kill(writer, signal.SIGSTOP)
    try:
        with open(os.path.join(a.data, "share", "go"), "w"):
            pass
        # Neither the container nor its end waits for the disk.
        entry = a.wait_unit("systemd-flood", seconds=120, state="down")
        assert entry["exit"]["code"] == 0, entry
    finally:
        os.kill(writer, signal.SIGCONT)
    wait_for_writer(a)
    lines = [line for text in files_of(log_dir(a))[1] for line in parse(text)]
    first, after, dropped = check_sequence(lines)
    assert first == 0 and after == total
    assert dropped > 0
    a.wait_unit("systemd-flood", log_dropped_lines=dropped)
    kept = sum(1 for _, text in lines if not NOTE.fullmatch(text))
    assert kept + dropped == total
    # The operator sees the gap where it is.
    assert sum(1 for line in a.cleat("logs", "flood").splitlines() if NOTE.fullmatch(line)) == len(lines) - kept


def test_logs_rotate_in_memory_when_data_is_read_only(boot_flood):
    total = 90000  # more than one file
    a = boot_flood(total, start=False)
    with holder("--mount", setup="mount --make-rprivate /\nmount -t tmpfs -o size=64m data %s" % a.data) as pid:
        inside = ["nsenter", "-t", str(pid), "-m"]
        a.wrap = inside
        a.start()
        a.wait_unit("systemd-flood", state="down", seconds=120)
        wait_for_writer(a)
        assert a.stop() == 0, a.console()
        subprocess.run(inside + ["rm", "-r", log_dir(a)], check=True)
        subprocess.run(inside + ["mount", "-o", "remount,ro", a.data], check=True)
        a.start()
        a.wait_unit("systemd-flood", state="down", seconds=120)
        wait_for_writer(a)
        assert a.status()["data"] == "read-only"
        assert subprocess.run(inside + ["ls", os.path.dirname(log_dir(a))], stdout=subprocess.PIPE, check=True).stdout == b""
        names, texts = files_of("/proc/%d/root/run/cleat/logs/systemd-flood" % a.init_pid())
        assert names == ["1", "current"]
        lines = [line for text in texts for line in parse(text)]
        first, after, dropped = check_sequence(lines)
        assert (first, after) == (0, total)
        a.wait_unit("systemd-flood", log_dropped_lines=dropped)
        assert a.cleat("logs", "--tail", "2", "flood").splitlines() == [text for _, text in lines[-2:]]
        assert a.stop() == 0, a.console()
