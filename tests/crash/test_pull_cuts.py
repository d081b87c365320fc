# SPDX-License-Identifier: Apache-2.0
"""Power cuts while an image is pulled from a registry: nothing half is visible, and the same pull again succeeds."""
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))

from cuts import check_store, complete  # noqa: E402
from registry import HeldRegistry  # noqa: E402
from test_store_cuts import each_cut, place, run  # noqa: E402,F401


@pytest.fixture
def registry(place):  # noqa: F811
    folder = place[0]
    made = HeldRegistry()
    made.add_archive(os.path.join(folder, "app.tar"), "team/app", "1")
    os.makedirs(os.path.join(folder, "config"), exist_ok=True)
    with open(os.path.join(folder, "config", "registries.conf"), "w", encoding="utf-8") as f:
        f.write('[[registry]]\nlocation = "%s"\ninsecure = true\n' % made.host)
    yield made
    made.stop()


def pull(place, registry, store):  # noqa: F811
    return [place[1], "pull", "-q", "--retry", "0", "--store", store, "--images", os.path.join(place[0], "no-archives"),
            "--config", os.path.join(place[0], "config"), registry.host + "/team/app:1"]


def test_a_pull_that_is_cut_off_leaves_nothing_half_and_can_be_repeated(place, registry):  # noqa: F811
    name = registry.host + "/team/app:1"

    def again(store, point):
        run(*pull(place, registry, store))
        assert check_store(store, place[3]) == {name}
        assert len(complete(store, "layers")) == 2

    each_cut(place, lambda store: pull(place, registry, store), lambda store: None, again)


def test_a_pull_into_a_store_with_a_shared_layer_is_cut_off(place, registry):  # noqa: F811
    name = registry.host + "/team/app:1"

    def prepare(store):
        subprocess.run(["cp", "-a", place[2], store], check=True)
        run(place[1], "rmi", "--store", store, "localhost/app:1")

    def again(store, point):
        assert "localhost/other:1" in check_store(store, place[3])
        run(*pull(place, registry, store))
        assert check_store(store, place[3]) == {"localhost/other:1", name}

    each_cut(place, lambda store: pull(place, registry, store), prepare, again)
