# SPDX-License-Identifier: Apache-2.0
"""Images by hand: load (OCI archives and layouts, docker-archive, compressed, by pipe), images, image inspect, rmi, image prune; who uses an
image is asked first; what skopeo writes is taken; hostile archives are refused by name; beside a running appliance."""
import fcntl
import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile

import pytest

from appliance import BUILD, IDLE, unit
from ociimage import ARCH, Archive, box_entries, busybox_of, digest, layer

CLEAT = os.environ.get("CLEAT", os.path.join(BUILD, "bin", "cleat"))
BASE = layer([("bin", {}), ("bin/run", {"content": b"#!/bin/true\n"}), ("own", {"content": b"x", "uid": 1001, "gid": 7, "mode": 0o4711})])
TOP = layer([("top", {"content": b"top\n"}), ("link", {"link": "top"})])


class Store:
    def __init__(self, path):
        self.path = str(path)
        self.units = self.path + ".units"
        os.mkdir(self.units)

    def run(self, *args, status=0, stdin=None):
        command = [CLEAT, *args[:2 if args[0] == "image" else 1], "--store", self.path]
        if args[:2] in (("image", "prune"), ("image", "rm")) or args[0] == "rmi":
            command += ["--dir", self.units]
        command += args[2 if args[0] == "image" else 1:]
        done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
        assert done.returncode == status, (command, done.returncode, done.stdout, done.stderr)
        self.err = done.stderr.decode()
        return done.stdout.decode()

    def images(self):
        return json.loads(self.run("images", "--format", "json"))

    def names(self):
        return sorted(name for image in self.images() for name in image["Names"])

    def layers(self):
        return sorted(os.listdir(self.path + "/layers/sha256"))

    def root(self, plain):
        return os.path.join(self.path, "layers/sha256", digest(plain)[7:], "root")

    def add_unit(self, name, text):
        with open(os.path.join(self.units, name), "w") as f:
            f.write(text)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def archive(tmp_path):
    path = str(tmp_path / "app.tar")
    image = Archive("localhost/app:1", [BASE, TOP], {"Cmd": ["/bin/run"], "Env": ["A=1"], "User": "1001", "Labels": {"k": "v"}})
    image.write(path)
    return path


def docker_save(path, layers, tags=("app:1",), packed=(), link=None, config=None, diff_ids=None):
    """As docker save wrote before version 25: ID/layer.tar beside a config; packed: indexes of layers as jib and ko write them; link: index
    of a layer that is a symlink to the one before."""
    body = json.dumps(config or {"architecture": ARCH, "os": "linux", "config": {"Cmd": ["/bin/run"]}, "created": "2026-01-02T03:04:05Z",
                                 "rootfs": {"type": "layers", "diff_ids": diff_ids or [digest(plain) for plain in layers]}}).encode()
    names = ["%d/layer.tar" % i for i in range(len(layers))]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        def put(name, data):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))

        for i, plain in enumerate(layers):
            if i == link:
                info = tarfile.TarInfo(names[i])
                info.type, info.linkname = tarfile.SYMTYPE, "../%d/layer.tar" % (i - 1)
                tar.addfile(info)
            else:
                put(names[i], gzip.compress(plain, mtime=0) if i in packed else plain)
        put("config.json", body)
        put("manifest.json", json.dumps([{"Config": "config.json", "RepoTags": list(tags) or None, "Layers": names}]).encode())


def check_unpacked(store):
    st = os.lstat(store.root(BASE) + "/own")
    assert (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (1001, 7, 0o4711)
    assert os.readlink(store.root(TOP) + "/link") == "top"


# --- load -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("images",), ("rmi", "app:1"), ("image", "prune", "-f"), ("image", "inspect", "app:1")], ids=" ".join)
def test_an_appliance_elsewhere_is_not_taken_for_this_machine(words):
    """Whatever this machine has in /data/store."""
    done = subprocess.run([CLEAT, "--socket", "/nowhere/cleat.sock", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode and "--socket does not reach them" in done.stdout, done.stdout


def test_an_oci_archive_by_file_by_pipe_and_compressed(store, archive):
    with open(archive, "rb") as f:
        plain = f.read()
    assert store.run("load", "-i", archive) == "Loaded image: localhost/app:1\n"
    check_unpacked(store)
    assert store.run("load", stdin=plain) == "Loaded image: localhost/app:1\n"
    assert store.run("load", "-i", "-", stdin=gzip.compress(plain)) == "Loaded image: localhost/app:1\n"
    zstd = subprocess.run(["zstd", "-q", "-c"], input=plain, stdout=subprocess.PIPE, check=True).stdout
    with open(archive + ".zst", "wb") as f:
        f.write(zstd)
    assert store.run("image", "load", "--input", archive + ".zst") == "Loaded image: localhost/app:1\n"
    assert store.names() == ["localhost/app:1"]
    assert len(store.layers()) == 2
    assert os.listdir(store.path + "/tmp") == []


@pytest.mark.parametrize("given, name", [
    ("1.0", "localhost/1.0:latest"), ("team/app:2", "localhost/team/app:2"), ("docker.io/app", "docker.io/library/app:latest"),
    (None, None), ("No Name", None), ("example.org/app@sha256:" + 64 * "0", None)])
def test_names_are_podmans(store, tmp_path, given, name):
    path = str(tmp_path / "app.tar")
    Archive(given, [TOP]).write(path)
    loaded = store.run("load", "-i", path)
    assert ("it is loaded without" in store.err) == bool(given and not name)
    (image,) = store.images()
    assert loaded == "Loaded image: %s\n" % (name or "sha256:" + image["Id"])
    assert image["Names"] == ([name] if name else [])


def test_an_oci_layout_directory(store, archive, tmp_path):
    layout = str(tmp_path / "layout")
    subprocess.run(["skopeo", "copy", "-q", "oci-archive:" + archive, "oci:%s:example.org/team/app:2" % layout], check=True)
    assert store.run("load", "-i", layout) == "Loaded image: example.org/team/app:2\n"
    check_unpacked(store)


def test_a_layout_is_read_by_nobody_and_nothing_beside_it(store, archive, tmp_path):
    layout = str(tmp_path / "layout")
    subprocess.run(["skopeo", "copy", "-q", "oci-archive:" + archive, "oci:%s:x:1" % layout], check=True)
    blobs = layout + "/blobs/sha256/"
    largest = max(os.listdir(blobs), key=lambda name: os.path.getsize(blobs + name))
    shutil.move(blobs + largest, str(tmp_path / "outside"))
    os.symlink(str(tmp_path / "outside"), blobs + largest)
    store.run("load", "-i", layout, status=1)
    assert largest in store.err
    os.unlink(blobs + largest)
    shutil.move(str(tmp_path / "outside"), blobs + largest)
    os.chmod(blobs + largest, 0o600)
    store.run("load", "-i", layout, status=1)
    assert "not readable for all (chmod -R a+rX)" in store.err
    assert store.names() == []
    os.chmod(blobs + largest, 0o644)
    store.run("load", "-i", layout)


@pytest.mark.parametrize("shape", [{}, {"packed": (0, 1)}, {"packed": (1,)}])
def test_docker_archives(store, tmp_path, shape):
    path = str(tmp_path / "docker.tar")
    docker_save(path, [BASE, TOP], tags=("app:1", "example.org/app:2"), **shape)
    assert store.run("load", "-i", path) == "Loaded image: docker.io/library/app:1\nLoaded image: example.org/app:2\n"
    check_unpacked(store)
    (image,) = store.images()
    assert image["CreatedAt"] == "2026-01-02T03:04:05Z" and image["Size"] == len(BASE) + len(TOP)
    # the same again is the same image
    store.run("load", "-i", path)
    assert len(store.images()) == 1


def test_a_docker_archive_with_a_repeated_layer_as_a_link_and_without_a_name(store, tmp_path):
    path = str(tmp_path / "docker.tar")
    docker_save(path, [BASE, BASE, TOP], tags=(), link=1)
    loaded = store.run("load", "-i", path)
    (image,) = store.images()
    assert loaded == "Loaded image: sha256:%s\n" % image["Id"] and image["Names"] == []
    assert len(store.layers()) == 2


def test_what_skopeo_writes_as_docker_archive(store, archive, tmp_path):
    path = str(tmp_path / "docker.tar")
    subprocess.run(["skopeo", "copy", "-q", "oci-archive:" + archive, "docker-archive:%s:docker.io/library/app:3" % path], check=True)
    assert store.run("load", "-i", path) == "Loaded image: docker.io/library/app:3\n"
    check_unpacked(store)
    shown = json.loads(subprocess.run(["skopeo", "inspect", "docker-archive:" + path], stdout=subprocess.PIPE, check=True).stdout)
    (image,) = json.loads(store.run("image", "inspect", "app:3"))
    assert image["RootFS"]["Layers"] == [digest(BASE), digest(TOP)] and shown["Architecture"] == image["Architecture"]


def test_docker_archives_in_the_image_folder_are_imported(store, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    docker_save(str(folder / "saved.tar"), [BASE, TOP], packed=(1,))
    done = subprocess.run([CLEAT, "import", "--store", store.path, "--images", str(folder), "--json", "docker.io/library/app:1", "app:1"],
                          stdout=subprocess.PIPE, check=False)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and [r["kind"] for r in records if r["kind"] != "progress"] == ["image", "image", "done"], records
    check_unpacked(store)


def test_archives_that_lie_are_refused(store, tmp_path):
    path = str(tmp_path / "bad.tar")
    wrong = digest(b"something else")
    for packed in ((), (1,)):
        docker_save(path, [BASE, TOP], diff_ids=[digest(BASE), wrong], packed=packed)
        store.run("load", "-i", path, status=1)
        assert wrong in store.err and path in store.err
    docker_save(path, [BASE, TOP], diff_ids=[digest(BASE)])
    store.run("load", "-i", path, status=1)
    assert "it has 2 layers, its config 1 diff ids" in store.err
    docker_save(path, [BASE], config={"architecture": "s390x", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest(BASE)]}})
    store.run("load", "-i", path, status=1)
    assert "s390x" in store.err
    for name, target in (("../../../etc/passwd", None), ("/etc/passwd", None)):
        with tarfile.open(path, "w") as tar:
            data = json.dumps([{"Config": name, "Layers": []}]).encode()
            info = tarfile.TarInfo("manifest.json")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        store.run("load", "-i", path, status=1)
        assert "is missing" in store.err
    with open(path, "wb") as f:
        f.write(b"no archive at all" * 100)
    store.run("load", "-i", path, status=1)
    store.run("load", status=1, stdin=b"")
    store.run("load", status=1, stdin=gzip.compress(b"x" * 100)[:-3])
    assert "gzip" in store.err or "too early" in store.err
    store.run("load", "-i", str(tmp_path / "nowhere"), status=1)
    assert "No such file" in store.err
    assert store.images() == []
    assert os.listdir(store.path + "/tmp") == []


# --- images, inspect --------------------------------------------------------------------------------------------------------


def test_images_in_podmans_columns(store, archive, tmp_path):
    store.run("load", "-i", archive)
    docker_save(str(tmp_path / "d.tar"), [BASE])
    store.run("load", "-i", str(tmp_path / "d.tar"))
    lines = store.run("images").splitlines()
    assert lines[0].split("  ")[0] == "REPOSITORY" and "IMAGE ID" in lines[0]
    rows = [line.split() for line in lines[1:]]
    assert [row[:2] for row in rows] == [["docker.io/library/app", "1"], ["localhost/app", "1"]]
    assert "ago" in lines[1] and lines[1].endswith("kB")
    ids = store.run("images", "-q").split()
    assert ids == [row[2] for row in rows] and all(len(i) == 12 for i in ids)
    assert store.run("image", "ls", "localhost/app").count("\n") == 2
    assert store.run("images", "app").count("\n") == 3
    assert store.run("images", "app:2").count("\n") == 1
    assert all(image["Digest"] in store.run("images", "--digests") for image in store.images())
    store.run("images", "--format", "yaml", status=2)
    store.run("images", "UPPER", status=2)
    shutil.rmtree(store.path)
    store.run("images", status=1)
    assert "No such file" in store.err and not os.path.exists(store.path)


def test_inspect_says_what_the_image_says(store, archive):
    store.run("load", "-i", archive)
    (image,) = json.loads(store.run("image", "inspect", "app:1"))
    assert image["RepoTags"] == ["localhost/app:1"]
    assert image["RepoDigests"] == ["localhost/app@" + image["Digest"]]
    assert image["Config"] == {"Cmd": ["/bin/run"], "Env": ["A=1"], "User": "1001", "Labels": {"k": "v"}}
    assert image["RootFS"] == {"Type": "layers", "Layers": [digest(BASE), digest(TOP)]}
    assert (image["Os"], image["Architecture"], image["User"], image["Labels"]) == ("linux", ARCH, "1001", {"k": "v"})
    raw = subprocess.run(["skopeo", "inspect", "--raw", "--config", "oci-archive:" + archive], stdout=subprocess.PIPE, check=True).stdout
    assert image["Id"] == digest(raw)[7:]
    for word in (image["Id"], image["Id"][:6], "sha256:" + image["Id"], image["Digest"], "x@" + image["Digest"]):
        assert json.loads(store.run("image", "inspect", word)) == [image]
    assert json.loads(store.run("image", "inspect", "app:1", "nope", status=1)) == [image]
    assert "nope: no such image" in store.err


# --- rmi, prune -------------------------------------------------------------------------------------------------------------


def test_rmi_by_name_and_by_id(store, archive, tmp_path):
    store.run("load", "-i", archive)
    docker_save(str(tmp_path / "d.tar"), [BASE], tags=("a:1", "b:1"))
    store.run("load", "-i", str(tmp_path / "d.tar"))
    docker_id = next(image["Id"] for image in store.images() if len(image["Names"]) == 2)
    store.run("rmi", docker_id, status=1)
    assert "has 2 names" in store.err
    assert store.run("rmi", "a:1") == "Untagged: docker.io/library/a:1\n"
    assert store.run("image", "rm", "localhost/app:1", "nope", status=1).count("Deleted: ") == 1
    assert "nope: no such image" in store.err
    assert store.layers() == [digest(BASE)[7:]]
    assert store.run("rmi", docker_id[:8]) == "Untagged: docker.io/library/b:1\nDeleted: sha256:%s\n" % docker_id
    assert store.layers() == [] and store.images() == []
    store.run("rmi", status=2)


def test_what_units_name_is_refused_without_force(store, archive):
    store.run("load", "-i", archive)
    store.add_unit("web.container", "[Container]\nImage=app:1\n")
    store.run("rmi", "localhost/app:1", status=1)
    assert "in use by web.container" in store.err
    store.run("image", "prune", "-a", "-f")
    assert store.names() == ["localhost/app:1"]
    # a unit with an error may have run before it had it
    store.add_unit("web.container", "[Container]\nImage=app:1\nNoSuchKey=1\n")
    store.run("rmi", "app:1", status=1)
    assert "Untagged: localhost/app:1\nDeleted: " in store.run("rmi", "-f", "app:1")
    assert store.layers() == []


def test_prune_takes_what_has_no_name_and_with_all_what_nobody_needs(store, archive, tmp_path):
    store.run("load", "-i", archive)
    docker_save(str(tmp_path / "d.tar"), [BASE], tags=())
    store.run("load", "-i", str(tmp_path / "d.tar"))
    assert "Continue? [y/N]" in store.run("image", "prune", stdin=b"n\n")
    assert len(store.images()) == 2
    assert "1 images, 0 layers" in store.run("image", "prune", stdin=b"y\n")
    assert store.names() == ["localhost/app:1"]
    os.rename(store.root(TOP) + "/../complete", store.root(TOP) + "/../gone")  # torn: its image is damaged
    assert store.images()[0]["Problem"]
    assert "damaged" in store.run("images")
    assert "1 images" in store.run("image", "prune", "-a", "-f")
    assert store.layers() == [] and store.images() == []


def test_whoever_writes_waits_for_the_lock_and_readers_do_not(store, archive):
    store.run("load", "-i", archive)
    with open(store.path + "/lock", "r+") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        assert store.names() == ["localhost/app:1"]
        rmi = [CLEAT, "rmi", "--store", store.path, "--dir", store.units, "app:1"]
        waiting = subprocess.Popen(rmi, stdout=subprocess.PIPE)
        assert store.names() == ["localhost/app:1"]
        assert waiting.poll() is None
        who = "in use by process %d (%s" % (os.getpid(), os.path.basename(open("/proc/self/cmdline").read().split("\0")[0]))
        for command in (rmi, [CLEAT, "image", "prune", "-f", "--store", store.path, "--dir", store.units], [CLEAT, "load", "--store", store.path, "-i", archive]):
            given_up = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            assert who in given_up.stderr.readline().decode()
            given_up.send_signal(signal.SIGINT)  # Ctrl-C
            assert given_up.communicate(timeout=60) == (b"", b"") and given_up.returncode == -signal.SIGINT
    assert b"Deleted" in waiting.communicate(timeout=60)[0]
    assert waiting.returncode == 0


# --- beside an appliance ----------------------------------------------------------------------------------------------------


def test_images_of_running_containers_stay_until_they_end(boot, tmp_path):
    box = str(tmp_path / "box.tar")
    Archive("localhost/box:latest", [layer(box_entries(busybox_of(BUILD)))], {"Env": ["PATH=/bin"]}).write(box)
    appliance = boot({"box": unit("localhost/box:latest", 'Exec=/bin/sh -c "%s"\n' % IDLE)}, images=())
    container = "systemd-box"
    appliance.wait_unit(container, state="no-image")
    shutil.copy(box, os.path.join(appliance.config, "box.tar.load"))
    assert "Loaded image: localhost/box:latest" in appliance.inside("/usr/bin/cleat", "load", "-i", "/config/box.tar.load")
    appliance.wait_unit(container, state="up")  # the engine was told
    refused = appliance.inside("/usr/bin/cleat", "rmi", "box", check=False)
    assert refused.returncode == 1 and "in use by box.container" in refused.stdout
    forced = appliance.inside("/usr/bin/cleat", "rmi", "-f", "box")
    assert "Untagged: localhost/box:latest" in forced and "stays until" in forced
    appliance.inside("/usr/bin/cleat", "image", "prune", "-a", "-f")
    (image,) = json.loads(appliance.inside("/usr/bin/cleat", "images", "--format", "json"))
    assert image["Names"] == [] and image["Problem"] == ""
    assert appliance.unit(container)["state"] == "up"
    appliance.cleat("stop", container)
    # the unit names it no more than by its name, which is gone, but the engine knows which image that was
    os.unlink(os.path.join(appliance.config, "units", "box.container"))
    appliance.cleat("reload")
    assert "Deleted" in appliance.inside("/usr/bin/cleat", "image", "prune", "-a", "-f")
    assert json.loads(appliance.inside("/usr/bin/cleat", "images", "--format", "json")) == []


# --- a disk that is full ----------------------------------------------------------------------------------------------------


def test_a_full_disk_ends_a_load_and_gives_the_space_back(tmp_path):
    """A layer that fits and one that does not: what was unpacked of either is gone afterwards, and a smaller image fits."""
    mount = tmp_path / "disk"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(mount)], check=True)
    try:
        store = Store(mount / "store")
        big = layer([("a", {"content": os.urandom(20 << 20)})])
        small = layer([("b", {"content": os.urandom(8 << 20)})])
        path = str(tmp_path / "big.tar")
        Archive("localhost/big:1", [small, big, layer([("c", {"content": os.urandom(32 << 20)})])]).write(path)
        before = os.statvfs(mount).f_bfree
        store.run("load", "-i", path, status=1)
        assert "free" in store.err and path in store.err
        assert store.images() == [] and store.layers() == [] and os.listdir(store.path + "/tmp") == []
        # the folders of an empty store are all that is left
        assert before - os.statvfs(mount).f_bfree < 64
        # a bomb through a pipe: as a whole it may not be larger than what is free
        store.run("load", status=1, stdin=gzip.compress(bytes(100 << 20)))
        assert "unpacks to more than" in store.err
        assert before - os.statvfs(mount).f_bfree < 64
        Archive("localhost/small:1", [small]).write(path)
        store.run("load", "-i", path)
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_what_no_unit_names_is_collected_when_space_runs_low(boot, tmp_path):
    """48 MB: an image that somebody loaded once is in the way of one that a unit wants; the one that another unit names stays."""
    data = tmp_path / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(data)], check=True)
    try:
        base = layer(box_entries(busybox_of(BUILD)))
        kept, old, new = str(tmp_path / "kept.tar"), str(tmp_path / "old.tar"), str(tmp_path / "new.tar")
        for path, size in ((kept, 1), (old, 24), (new, 20)):
            name = "localhost/%s:latest" % os.path.basename(path)[:-4]
            Archive(name, [base, layer([("fill", {"content": os.urandom(size << 20)})])], {"Env": ["PATH=/bin"]}).write(path)
        script = 'Exec=/bin/sh -c "%s"\n' % IDLE
        appliance = boot({"kept": unit("localhost/kept:latest", script)}, images=(), data=str(data))
        appliance.wait_unit("systemd-kept", state="no-image")
        for path in (kept, old):
            shutil.copy(path, os.path.join(appliance.config, "load.tar"))
            appliance.inside("/usr/bin/cleat", "load", "-i", "/config/load.tar")
        appliance.add_image("new", new)
        appliance.add_unit("new", unit("localhost/new:latest", script))
        appliance.cleat("reload")
        appliance.cleat("start", "systemd-new")
        appliance.wait_unit("systemd-new", state="up")
        shown = json.loads(appliance.inside("/usr/bin/cleat", "images", "--format", "json"))
        assert sorted(name for image in shown for name in image["Names"]) == ["localhost/kept:latest", "localhost/new:latest"]
        assert "space had run low" in appliance.console()
        appliance.stop()
    finally:
        subprocess.run(["umount", "-l", str(data)], check=True)


def test_all_forms_are_loaded_in_an_unprivileged_lxc_container(boot_lxc, archive, tmp_path):
    """Root of the container is nobody's root outside: the workers' user namespace, chroot and Landlock have to do there, too."""
    container = boot_lxc(units={}, images=())
    shutil.copy(archive, os.path.join(container.config, "app.tar"))
    subprocess.run(["skopeo", "copy", "-q", "oci-archive:" + archive, "oci:%s/layout:example.org/x:1" % container.config], check=True)
    docker_save(os.path.join(container.config, "docker.tar"), [BASE, TOP], packed=(1,))
    for name, loaded in (("app.tar", "localhost/app:1"), ("layout", "example.org/x:1"), ("docker.tar", "docker.io/library/app:1")):
        assert container.cleat("load", "-i", "/config/" + name) == "Loaded image: %s\n" % loaded
    (image, _) = json.loads(container.cleat("image", "inspect", "example.org/x:1", "docker.io/library/app:1"))
    assert image["RootFS"]["Layers"] == [digest(BASE), digest(TOP)]
    assert "2 images, 2 layers" in container.cleat("image", "prune", "-a", "-f")
