# SPDX-License-Identifier: Apache-2.0
"""Runs the collected tests in several processes side by side (CLEAT_WORKERS=n; make test sets it): most tests wait most of the time.

The process that collected stays the one that reports. It forks the workers, so that all have the same items in memory, and puts the
numbers of the groups into a pipe from which each takes the next one when it is done with its last. A group is a file, in its order;
the folder boot/ is one, because its conftest.py runs tests in threads. The reports of a group are given to
pytest together, at its end: the output reads as if nothing else had run meanwhile.

Nothing may get lost here: a test without a verdict fails, whatever became of the process that had it."""

import multiprocessing.connection
import os
import pathlib
import signal
import sys
import traceback

import pytest

WORKERS = int(os.environ.get("CLEAT_WORKERS", "1"))
NUMBER_BYTES = 4
MACHINES = pathlib.Path(__file__).resolve().parent / "boot"


def group_of(item):
    return item.path.parent if item.path.parent == MACHINES else item.path


def in_groups(items):
    """The items of each group. The machines first, the longest chain; last what is short or has run already (C)."""
    groups = {}
    for item in items:
        groups.setdefault(group_of(item), []).append(item)
    return sorted(groups.values(), key=lambda group: (group_of(group[0]) != MACHINES, group[0].path.suffix != ".py"))


class Queue:
    """The numbers below count, each taken once, by whoever comes first. All of them fit into a pipe."""

    def __init__(self, count):
        self.reader, writer = os.pipe()
        os.set_blocking(writer, False)
        numbers = b"".join(number.to_bytes(NUMBER_BYTES, "little") for number in range(count))
        written = os.write(writer, numbers)
        os.close(writer)
        if written != len(numbers):
            raise pytest.UsageError("%d groups of tests do not fit into a pipe" % count)

    def take(self):
        """The next number, None at the end."""
        taken = os.read(self.reader, NUMBER_BYTES)
        return int.from_bytes(taken, "little") if taken else None

    def drain(self):
        while self.take() is not None:
            pass


# --- in a worker ------------------------------------------------------------------------------------------------------------


class Sender:
    """Takes the place of the terminal reporter."""

    def __init__(self, config, connection):
        self.config, self.connection = config, connection

    def pytest_runtest_logreport(self, report):
        self.connection.send(("report", self.config.hook.pytest_report_to_serializable(config=self.config, report=report)))


def run_groups(hook, groups, queue, connection):
    number = queue.take()
    while number is not None:
        group = groups[number]
        for item, after in zip(group, group[1:]):
            hook.pytest_runtest_protocol(item=item, nextitem=after)
        # The next group is taken before this one's last test, which has to know the fixtures that stay.
        following = queue.take()
        hook.pytest_runtest_protocol(item=group[-1], nextitem=groups[following][0] if following is not None else None)
        connection.send(("done", number))
        number = following


def work(session, groups, queue, connection):
    """Does not return."""
    code = 1
    try:
        manager = session.config.pluginmanager
        manager.unregister(name="terminalreporter")
        manager.register(Sender(session.config, connection))
        capture = manager.getplugin("capturemanager")
        # Its files are open in the other processes too, with one position for all.
        capture.stop_global_capturing()
        capture.start_global_capturing()
        capture.suspend_global_capture(in_=True)
        try:
            run_groups(session.config.hook, groups, queue, connection)
        finally:
            session.config.hook.pytest_sessionfinish(session=session, exitstatus=0)
        code = 0
    except BaseException:
        connection.send(("broken", traceback.format_exc()))
    finally:
        os._exit(code)


# --- in the process that reports --------------------------------------------------------------------------------------------


class Worker:
    def __init__(self, session, groups, queue, others):
        self.connection, theirs = multiprocessing.connection.Pipe(duplex=False)
        self.reports = []
        self.trouble = ""
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            for one in others + [self]:
                one.connection.close()
            work(session, groups, queue, theirs)
        theirs.close()

    def end(self):
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = 0
        self.connection.close()
        if status != 0:
            self.trouble += "the process that had it ended with status %d" % status


def without_verdict(item, why):
    return pytest.TestReport(item.nodeid, item.location, {}, "failed", why, "call")


def tell(group, reports, why="its process sent no verdict"):
    """Gives the reports of a group to pytest. The one at a test's end is its teardown's."""
    of = {}
    for report in reports:
        of.setdefault(report.nodeid, []).append(report)
    for item in group:
        ours = of.get(item.nodeid, [])
        if "teardown" not in [report.when for report in ours]:
            ours.append(without_verdict(item, why))
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in ours:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


class Run:
    def __init__(self, session):
        self.session = session
        self.groups = in_groups(session.items)
        # One folder for all, which the process that made it tidies up.
        session.config._tmp_path_factory.getbasetemp()
        self.left = set(range(len(self.groups)))
        self.queue = Queue(len(self.groups))
        self.workers = []
        for _ in range(min(WORKERS, len(self.groups))):
            self.workers.append(Worker(session, self.groups, self.queue, self.workers))

    def receive(self, one):
        """One message of a worker; False when there will be no more."""
        try:
            word, what = one.connection.recv()
        except (EOFError, OSError):
            one.end()
            return False
        if word == "report":
            one.reports.append(self.session.config.hook.pytest_report_from_serializable(config=self.session.config, data=what))
        elif word == "broken":
            one.trouble = what
        else:
            self.left.remove(what)
            tell(self.groups[what], one.reports)
            one.reports = []
        return True

    def all(self):
        running = {one.connection: one for one in self.workers}
        while running:
            for connection in multiprocessing.connection.wait(list(running)):
                if not self.receive(running[connection]):
                    del running[connection]
            # -x: what has begun comes to its end, and is not told.
            if self.session.shouldfail:
                raise self.session.Failed(self.session.shouldfail)
            if self.session.shouldstop:
                raise self.session.Interrupted(self.session.shouldstop)
        reports = [report for one in self.workers for report in one.reports]
        why = "\n".join(one.trouble for one in self.workers if one.trouble)
        for number in sorted(self.left):
            tell(self.groups[number], reports, why)

    def close(self):
        """Nobody is left running, whatever happened."""
        self.queue.drain()
        for one in self.workers:
            if one.pid:
                os.kill(one.pid, signal.SIGINT)
                one.end()


def pytest_runtestloop(session):
    if WORKERS < 2 or session.config.option.collectonly or session.config.option.usepdb or session.testsfailed or not session.items:
        return None
    run = Run(session)
    try:
        run.all()
    finally:
        run.close()
    return True
