# SPDX-License-Identifier: Apache-2.0
"""What every pytest run of this tree shares.

* cmocka programs (tests/unit/MODULE/test_*.c, tests/sim/test_*.c) are collected: an item for each case that ran, and one for the
  program (it must end well, without a word from a sanitizer). Only running tells the cases, so they run while pytest collects.
* fuzz targets (tests/fuzz/fuzz_*.c) are items too; together they get FUZZ_SECONDS.
* Under CI=1 a skip is a failure, unless tests/allowed-skips lists it with a reason.
* The last line is plain: "N passed, N failed" (and ", N skipped"). A run without any test fails.
"""

import concurrent.futures
import fnmatch
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from workers import pytest_runtestloop  # noqa: E402, F401

TOP = pathlib.Path(__file__).resolve().parent.parent
BUILD = TOP / "build" / platform.machine()
# No test is there, but a link that leads to its own folder: pytest would follow it until the kernel refuses, now and then too early.
collect_ignore = ["golden"]
FUZZ_SECONDS = int(os.environ.get("FUZZ_SECONDS", "90"))
PROGRAM_LIMIT_SEC = 600
IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")
VERDICT = re.compile(r"^\[ +(RUN|OK|FAILED|SKIPPED|ERROR) +\] (.+)$")


class Failure(Exception):
    """A failed item of ours; its text is the whole report."""


# --- cmocka -----------------------------------------------------------------------------------------------------------------


class CmockaFile(pytest.File):
    # As many at a time as there are processors: those of a folder are collected before the first is looked at.
    side_by_side = concurrent.futures.ThreadPoolExecutor(os.cpu_count())

    def start(self):
        self.program = BUILD / "san" / self.path.relative_to(TOP / "tests").with_suffix("")
        self.ended = self.side_by_side.submit(self.run)
        return self

    def collect(self):
        self.problem, cases, self.seconds = self.ended.result()
        yield CmockaProgram.from_parent(self, name="program")
        for name, (verdict, lines) in cases.items():
            item = CmockaCase.from_parent(self, name=name)
            item.verdict, item.lines = verdict, lines
            yield item

    def run(self):
        """(what is wrong with the program as a whole or None, {case: (verdict, output)}, seconds)."""
        started = time.monotonic()
        problem, cases = self.verdicts()
        return problem, cases, time.monotonic() - started

    def verdicts(self):
        if not self.program.exists():
            return f"{self.program.relative_to(TOP)} is not built: make unit-binaries", {}
        limit = False
        try:
            done = subprocess.run(
                [self.program], cwd=TOP, env=dict(os.environ, CMOCKA_MESSAGE_OUTPUT="STDOUT"), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PROGRAM_LIMIT_SEC, check=False)
            output, code = done.stdout, done.returncode
        except subprocess.TimeoutExpired as expired:
            output, code, limit = expired.stdout or b"", None, True
        text = output.decode(errors="replace")
        cases = split_by_case(text)
        if limit:
            return f"no end after {PROGRAM_LIMIT_SEC} s\n{text[-12000:]}", cases
        if code != 0:
            return f"{self.program.relative_to(TOP)} ended with code {code}\n{text[-12000:]}", cases
        if not cases:
            return f"no test case ran\n{text[-12000:]}", cases
        return None, cases


def split_by_case(text):
    """What each case printed, and its verdict: None for one that was running when the program ended."""
    cases, current = {}, None
    for line in text.splitlines():
        match = VERDICT.match(line)
        word, name = match.groups() if match else (None, None)
        if word == "RUN":
            current = name
            while current in cases:
                current += "'"
            cases[current] = (None, [])
        elif current and word and name == current.rstrip("'"):
            # The summary at the end lists failed cases once more; the first verdict counts.
            cases[current] = (word, cases[current][1])
            current = None
        elif current:
            cases[current][1].append(line)
    return cases


class ExternalItem(pytest.Item):
    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, Failure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, None, f"{self.path.relative_to(TOP)}: {self.name}"


class CmockaProgram(ExternalItem):
    def runtest(self):
        self.measured_seconds = self.parent.seconds
        if self.parent.problem:
            raise Failure(self.parent.problem)


class CmockaCase(ExternalItem):
    def runtest(self):
        if self.verdict == "SKIPPED":
            pytest.skip("skipped by the test itself")
        if self.verdict is None:
            raise Failure("the program ended in this case\n" + "\n".join(self.lines))
        if self.verdict != "OK":
            raise Failure("\n".join(self.lines))


# --- fuzz targets -----------------------------------------------------------------------------------------------------------


class FuzzFile(pytest.File):
    def collect(self):
        yield FuzzTarget.from_parent(self, name=self.path.stem)


class FuzzTarget(ExternalItem):
    def runtest(self):
        targets = len(list((TOP / "tests" / "fuzz").glob("fuzz_*.c")))
        done = subprocess.run(
            [TOP / "scripts" / "run-fuzz", str(max(1, FUZZ_SECONDS // targets)), self.name], cwd=TOP,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise Failure(done.stdout.decode(errors="replace")[-12000:])


def pytest_collect_file(file_path, parent):
    try:
        relative = file_path.relative_to(TOP / "tests")
    except ValueError:
        return None
    if file_path.suffix != ".c":
        return None
    parts = relative.parts
    if parts[0] in ("unit", "sim") and file_path.name.startswith("test_"):
        return CmockaFile.from_parent(parent, path=file_path).start()
    if parts[0] == "fuzz" and file_path.name.startswith("fuzz_"):
        return FuzzFile.from_parent(parent, path=file_path)
    return None


# --- skips ------------------------------------------------------------------------------------------------------------------


class AllowedSkips:
    def __init__(self, path):
        self.reasons = {}
        for number, line in enumerate(path.read_text().splitlines(), 1):
            pattern, _, reason = line.partition("#")
            if not pattern.strip():
                continue
            if not reason.strip():
                raise pytest.UsageError(f"{path}:{number}: want NODE-ID-PATTERN  # REASON")
            self.reasons[pattern.strip()] = reason.strip()

    def allow(self, node_id):
        return any(fnmatch.fnmatchcase(node_id, pattern) for pattern in self.reasons)


def refuse_skip(config, report):
    if IN_CI and report.skipped and not config.allowed_skips.allow(report.nodeid):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, which tests/allowed-skips does not allow here: {why}"
        if hasattr(report, "wasxfail"):
            del report.wasxfail


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    refuse_skip(item.config, report)
    if report.when == "call":
        report.duration = getattr(item, "measured_seconds", report.duration)


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    outcome = yield
    refuse_skip(collector.config, outcome.get_result())


# --- the whole run ----------------------------------------------------------------------------------------------------------


def pytest_configure(config):
    # a shell that puts a run into the background has it ignore these, and so has all that it starts: Ctrl-C would do nothing in the tests
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)
    config.allowed_skips = AllowedSkips(TOP / "tests" / "allowed-skips")
    if config.option.durations is None:
        config.option.durations = 15
        config.option.durations_min = 0.05


def pytest_sessionstart(session):
    """Whoever calls pytest by hand gets current programs too; make test has built them already."""
    if os.environ.get("CLEAT_BUILT") or session.config.option.collectonly:
        return
    subprocess.run(["make", "--no-print-directory", "-C", str(TOP), "test-programs"], check=True, stdin=subprocess.DEVNULL)


def pytest_collection_finish():
    """No thread is there when workers.py forks."""
    CmockaFile.side_by_side.shutdown()


def counts(config):
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    stats = reporter.stats if reporter else {}
    passed = len(stats.get("passed", [])) + len(stats.get("xpassed", []))
    failed = len(stats.get("failed", [])) + len(stats.get("error", []))
    skipped = len(stats.get("skipped", [])) + len(stats.get("xfailed", []))
    return passed, failed, skipped


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    passed, failed, _ = counts(session.config)
    if passed + failed == 0 and session.exitstatus == 0:
        session.exitstatus = 1


def pytest_unconfigure(config):
    if config.option.collectonly or not config.pluginmanager.get_plugin("terminalreporter"):
        return
    passed, failed, skipped = counts(config)
    line = f"{passed} passed, {failed} failed"
    if skipped:
        line += f", {skipped} skipped"
    sys.stdout.flush()
    print(line, flush=True)
