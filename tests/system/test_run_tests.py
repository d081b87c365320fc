# SPDX-License-Identifier: Apache-2.0
"""scripts/run-tests, with a make and a pytest that say what the test wants: a run is good only if both are, and ends with pytest's words."""
import os
import shutil
import subprocess

import pytest

from appliance import ROOT

MAKE = """#!/bin/sh
[ -z "${MAKEFLAGS:-}${MAKELEVEL:-}" ] || exit 9
echo "  ANALYZE  engine/good.c"
until [ -e "$TESTED" ]; do sleep 0.05; done
echo "engine/bad.c:3: a finding"
exit "$CHECK"
"""
PYTHON = """#!/bin/sh
echo "4 passed, 0 failed"
: >"$TESTED"
exit "$TESTS"
"""


@pytest.fixture
def run(tmp_path):
    """run(check=code, tests=code) -> (code, standard output's last line, standard error). The checks end after the tests."""
    for name, text in (("bin/make", MAKE), ("bin/python", PYTHON)):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
    for name in ("scripts", "build"):
        (tmp_path / name).mkdir()
    script = shutil.copy(os.path.join(ROOT, "scripts", "run-tests"), tmp_path / "scripts")

    def start(check, tests):
        env = dict(os.environ, PATH="%s:%s" % (tmp_path / "bin", os.environ["PATH"]), PYTHON=str(tmp_path / "bin" / "python"), MAKEFLAGS="-n", MAKELEVEL="1",
                   CHECK=str(check), TESTS=str(tests), TESTED=str(tmp_path / "tested"))
        done = subprocess.run([script], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
        return done.returncode, done.stdout.splitlines()[-1], done.stderr

    return start


def test_both_are_good(run):
    assert run(check=0, tests=0) == (0, "4 passed, 0 failed", "")


def test_a_finding_fails_a_run_whose_tests_pass(run):
    code, last, error = run(check=2, tests=0)
    assert (code, last) == (1, "4 passed, 0 failed")
    assert error == "engine/bad.c:3: a finding\nrun-tests: make check failed\n"


def test_failed_tests_fail_a_run_without_a_finding(run):
    assert run(check=0, tests=1) == (1, "4 passed, 0 failed", "")
