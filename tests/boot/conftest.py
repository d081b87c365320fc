# SPDX-License-Identifier: Apache-2.0
"""Tests that take machine run two at a time, in the order of their collection, from the first one's turn on; pytest waits for each. So
such a test may not use other fixtures, and prints what it wants to have seen. What it is given, machine(units=..., ...), makes a vm.Vm in a
folder of its own and starts it; all of them are ended with the test."""
import concurrent.futures
import contextlib
import io
import os
import shutil
import sys
import tempfile
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from vm import Vm  # noqa: E402

AT_A_TIME = 2


@pytest.fixture
def machine():
    """The real one is made where the test runs."""


class Words(io.TextIOBase):
    """print() of a test that runs in a thread beside others."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text
        return len(text)


def takes_machine(item):
    return isinstance(item, pytest.Function) and "machine" in item.fixturenames


def run(item):
    """(seconds, what it printed, exception or None)"""
    started = time.monotonic()
    words = Words()
    directory = tempfile.mkdtemp(prefix="cleat-vm-")
    try:
        with contextlib.ExitStack() as made:
            made.callback(shutil.rmtree, directory, True)

            def make(*args, start=True, wait=True, **keywords):
                below = tempfile.mkdtemp(dir=directory)
                vm = Vm(below, *args, **keywords)
                vm.say = lambda *what: words.write(" ".join(str(w) for w in what) + "\n")
                made.callback(vm.close)
                return vm.start(wait) if start else vm

            arguments = {name: make if name == "machine" else item.callspec.params[name] for name in item.fixturenames
                         if name == "machine" or hasattr(item, "callspec") and name in item.callspec.params}
            item.obj(**arguments)
        return time.monotonic() - started, words.text, None
    except BaseException as e:
        return time.monotonic() - started, words.text, e


class Pool:
    def __init__(self, session):
        self.executor = concurrent.futures.ThreadPoolExecutor(AT_A_TIME)
        self.futures = {item: self.executor.submit(run, item) for item in session.items if takes_machine(item)}

    def close(self):
        for future in self.futures.values():
            future.cancel()
        self.executor.shutdown()


def pytest_pyfunc_call(pyfuncitem):
    if not takes_machine(pyfuncitem):
        return None
    session = pyfuncitem.session
    if not hasattr(session, "machine_pool"):
        session.machine_pool = Pool(session)
    seconds, words, failure = session.machine_pool.futures[pyfuncitem].result()
    pyfuncitem.measured_seconds = seconds
    print("%s: %.1f s\n%s" % (pyfuncitem.name, seconds, words))
    if failure:
        raise failure
    return True


def pytest_sessionfinish(session):
    if hasattr(session, "machine_pool"):
        session.machine_pool.close()
