# SPDX-License-Identifier: Apache-2.0
"""Power cuts while images are loaded and removed: the store opens, nothing half is visible, and the same again succeeds."""
import gzip
import json
import os
import shutil
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))

from appliance import BUILD  # noqa: E402
from cuts import Cutter, check_store, complete, leftovers, reference_of  # noqa: E402
from ociimage import Archive, busybox_of, box_entries, layer  # noqa: E402

CLEAT = os.environ.get("CLEAT", os.path.join(BUILD, "bin", "cleat"))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two archives that share a layer, a reference store with both, and the tracer."""
    folder = str(tmp_path_factory.mktemp("cuts"))
    # a copy: a build that runs beside the tests replaces the program
    program = os.path.join(folder, "cleat")
    shutil.copy(CLEAT, program)
    shared = layer(box_entries(busybox_of(BUILD)))
    many = layer([("many", {})] + [("many/%d" % i, {"content": b"%d" % i, "mode": 0o640, "uid": 1001}) for i in range(60)])
    Archive("localhost/app:1", [shared, many]).write(os.path.join(folder, "app.tar"))
    Archive("localhost/other:1", [shared, layer([("other", {"content": b"x" * 300000})])]).write(os.path.join(folder, "other.tar"))
    store = os.path.join(folder, "reference")
    for name in ("app", "other"):
        subprocess.run([program, "load", "-q", "--store", store, "-i", os.path.join(folder, name + ".tar")], check=True,
                       stdout=subprocess.DEVNULL)
    return folder, program, store, reference_of(store), Cutter(folder)


def images_of(program, store):
    shown = subprocess.run([program, "images", "--store", store, "--format", "json"], stdout=subprocess.PIPE, check=True)
    images = json.loads(shown.stdout)
    assert [image["Problem"] for image in images] == [""] * len(images), "an image is shown that is damaged"
    return {name for image in images for name in image["Names"]}


def run(*command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    assert done.returncode == 0, done.stdout.decode()


def each_cut(place, command, prepare, after, **more):
    """prepare(store) before each run of command(store); after(store, point) when it has been cut."""
    folder, program, _, reference, cutter = place
    store = os.path.join(folder, "store")

    def fresh():
        shutil.rmtree(store, ignore_errors=True)
        prepare(store)

    fresh()
    points = cutter.points(command(store), **more)
    assert check_store(store, reference) == images_of(program, store)
    for point in points:
        fresh()
        calls, how = cutter.run(point, command(store), **more)
        # scheduling moves the count of a few writes: past the end the command was whole
        assert how == "cut" or (how == "0" and point > calls), (point, calls, how)
        if os.path.isdir(os.path.join(store, "refs")):
            assert check_store(store, reference) == images_of(program, store)
        after(store, point)
        assert leftovers(store) == []
    shutil.rmtree(store)


def test_a_load_that_is_cut_off_leaves_nothing_half_and_can_be_repeated(place):
    folder, program, _, reference, _ = place
    archive = os.path.join(folder, "app.tar")

    def again(store, point):
        run(program, "load", "--store", store, "-i", archive)
        assert check_store(store, reference) == {"localhost/app:1"}
        assert len(complete(store, "layers")) == 2

    each_cut(place, lambda store: [program, "load", "--store", store, "-i", archive], lambda store: None, again)


def test_an_import_that_is_cut_off_leaves_nothing_half_and_can_be_repeated(place):
    folder, program, _, reference, _ = place
    images = os.path.join(folder, "images")
    os.mkdir(images)
    os.link(os.path.join(folder, "app.tar"), os.path.join(images, "app.tar"))

    def command(store):
        return [program, "import", "--store", store, "--images", images, "localhost/app:1"]

    def again(store, point):
        run(*command(store))
        assert check_store(store, reference) == {"localhost/app:1"}

    each_cut(place, command, lambda store: None, again)


def test_a_load_from_a_pipe_into_a_store_with_images_is_cut_off(place):
    folder, program, whole, reference, _ = place
    packed = os.path.join(folder, "other.tar.gz")
    with open(os.path.join(folder, "other.tar"), "rb") as f, open(packed, "wb") as out:
        out.write(gzip.compress(f.read(), 1))

    def prepare(store):
        subprocess.run(["cp", "-a", whole, store], check=True)
        run(program, "rmi", "--store", store, "localhost/other:1")

    def again(store, point):
        assert "localhost/app:1" in check_store(store, reference)
        run(program, "load", "--store", store, "-i", packed)
        assert check_store(store, reference) == {"localhost/app:1", "localhost/other:1"}
        assert len(complete(store, "layers")) == 3

    each_cut(place, lambda store: [program, "load", "--store", store, "-i", packed], prepare, again)


def test_removing_that_is_cut_off_leaves_nothing_half_and_can_be_repeated(place):
    folder, program, whole, reference, _ = place

    def prepare(store):
        subprocess.run(["cp", "-a", whole, store], check=True)

    def again(store, point):
        run(program, "image", "prune", "-a", "-f", "--store", store)
        assert check_store(store, reference) == set()
        for kind in ("layers", "images"):
            assert os.listdir(os.path.join(store, kind, "sha256")) == []
        if point % 3 == 0:
            run(program, "load", "--store", store, "-i", os.path.join(folder, "app.tar"))
            assert check_store(store, reference) == {"localhost/app:1"}

    each_cut(place, lambda store: [program, "image", "prune", "-a", "-f", "--store", store], prepare, again)


def test_removing_one_image_that_is_cut_off_never_harms_the_other(place):
    folder, program, whole, reference, _ = place

    def prepare(store):
        subprocess.run(["cp", "-a", whole, store], check=True)

    def again(store, point):
        assert "localhost/other:1" in check_store(store, reference)
        run(program, "load", "--store", store, "-i", os.path.join(folder, "app.tar"))
        assert check_store(store, reference) == {"localhost/app:1", "localhost/other:1"}

    each_cut(place, lambda store: [program, "rmi", "--store", store, "app:1"], prepare, again)


def test_the_tracer_sees_and_ends_everything(place, tmp_path):
    """The cutter itself: what is cut did not happen, what came before did, and no process is left."""
    cutter = place[4]
    script = "for i in 1 2 3; do mkdir %s/$i; done; exec sleep 1000" % tmp_path
    for at in (1, 2, 3):
        for name in os.listdir(tmp_path):
            os.rmdir(tmp_path / name)
        calls, how = cutter.run(at, ["/bin/sh", "-c", script])
        assert (calls, how) == (at, "cut")
        assert sorted(os.listdir(tmp_path)) == [str(i) for i in range(1, at)]
    assert subprocess.run(["pgrep", "-f", str(tmp_path)], stdout=subprocess.PIPE).stdout == b""
