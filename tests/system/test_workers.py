# SPDX-License-Identifier: Apache-2.0
"""tests/workers.py loses no test and no word of one, whatever becomes of a process."""
import os
import re
import subprocess

import pytest

from appliance import ROOT

PYTHON = "/usr/bin/python3"
FILES = {
    "test_one.py": """
import os, pytest
@pytest.fixture(scope="session")
def place():
    yield
    open("ended-%d" % os.getpid(), "w").close()
@pytest.mark.parametrize("number", range(3))
def test_number(number, place): print("number is", number)
def test_bad(place):
    print("said before")
    os.system("echo by a process")
    assert [1, 2] == [1, 3]
""",
    "test_two.py": """
import pytest
@pytest.fixture
def spoilt():
    yield
    raise ValueError("too late")
def test_spoilt(spoilt): pass
def test_left_out(): pytest.skip("today")
def test_last(): pass
""",
    "test_three.py": """
import os, signal
def test_before(): pass
def test_end():
    if "END" in os.environ: os.kill(os.getpid(), signal.SIGKILL)
def test_after(): pass
""",
}


@pytest.fixture
def run(tmp_path):
    """run(words..., workers, variables) -> (output, {outcome: count})"""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)

    def make(*words, workers=2, everything=True, **variables):
        env = dict(os.environ, PYTHONPATH=os.path.join(ROOT, "tests"), CLEAT_WORKERS=str(workers), **variables)
        done = subprocess.run([PYTHON, "-m", "pytest", "-p", "workers", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), *words, *([str(tmp_path)] if everything else [])],
                              env=env, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        assert done.returncode == 1, done.stdout
        return done.stdout, {word: int(count) for count, word in re.findall(r"(\d+) (\w+)(?:, | in )", done.stdout.splitlines()[-1])}

    return make


def test_verdicts_and_words_are_those_of_one_process(run):
    alone, counts = run(workers=1)
    assert counts == {"failed": 1, "passed": 8, "skipped": 1, "error": 1}
    together, same = run(workers=3)
    assert same == counts, together
    for text in (alone, together):
        assert re.search(r"^test_one\.py \.\.\.F ", text, re.M) and re.search(r"^test_two\.py \.Es\. ", text, re.M), text
        assert text.count("said before") == 2 and "by a process\n" in text and "At index 1 diff: 2 != 3" in text, text  # its source, its words
        assert "ValueError: too late" in text


MEETING = """
import os, time
def test_meets():
    os.system("echo %(own)s before")
    open("%(own)s", "w").close()
    end = time.monotonic() + 60
    while not os.path.exists("%(other)s"):
        assert time.monotonic() < end
        time.sleep(0.01)
    os.system("echo %(own)s after")
    assert not "met"
def test_last(): pass  # while it runs, its process has the next file already
"""


def test_words_of_two_at_a_time_are_not_mixed(run, tmp_path):
    (tmp_path / "test_a.py").write_text(MEETING % {"own": "alice", "other": "bob"})
    (tmp_path / "test_b.py").write_text(MEETING % {"own": "bob", "other": "alice"})
    text, counts = run("test_a.py", "test_b.py", everything=False)
    assert counts == {"failed": 2, "passed": 2}, text
    assert "\nalice before\nalice after\n" in text and "\nbob before\nbob after\n" in text, text


def test_each_process_ends_its_session(run, tmp_path):
    run(workers=2)
    assert len(list(tmp_path.glob("ended-*"))) == 1  # one of the two had a fixture to end


@pytest.mark.parametrize("workers", [2, 3])
def test_what_a_killed_process_had_has_failed(run, workers):
    text, counts = run(workers=workers, END="1")
    assert "test_three.py::test_end" in text and "test_three.py::test_after" in text and "ended with status -9" in text, text
    assert counts["failed"] >= 3 and sum(counts.values()) == 11, counts  # an error of the end of one that passed counts beside it


def test_the_first_failure_ends_it_when_asked(run):
    text, counts = run("-x")
    assert "stopping after" in text and counts.get("failed", 0) + counts.get("error", 0) >= 1, text
