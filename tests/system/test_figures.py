# SPDX-License-Identifier: Apache-2.0
"""The figures that do not depend on how busy the machine is: idle memory and sizes, as "make bench" measures them."""
import os
import subprocess

import pytest

from appliance import BUILD, ROOT

FIGURES = ("shim", "memory", "size")


@pytest.fixture(scope="module")
def bench_programs():
    programs = [os.path.relpath(os.path.join(BUILD, "bench", name), ROOT) for name in ("config", "latency", "stamp")]
    subprocess.run(["make", "--no-print-directory", "-C", ROOT] + programs, check=True, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("figure", FIGURES)
def test_figure_is_within_its_bound(bench_programs, figure):
    done = subprocess.run([os.path.join(ROOT, "tests", "bench", "run"), figure], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    assert any(line.split(" | ")[3].strip() == "met" for line in done.stdout.splitlines()), done.stdout
