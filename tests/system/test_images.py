# SPDX-License-Identifier: Apache-2.0
"""Images from OCI archives into the store, through the real "cleat import" and its confined workers: honest archives by name and by
digest, every kind of damage, attacks by layers, crashes at any instant, full and read-only disks, and what skopeo writes."""
import copy
import ctypes
import errno
import fcntl
import gzip
import io
import json
import os
import signal
import stat
import subprocess
import tarfile
import time

import pytest

from appliance import BUILD, IMAGES
from ociimage import ARCH, digest

CLEAT = os.environ.get("CLEAT", os.path.join(BUILD, "bin", "cleat"))
ROOT_ID = 65000
FETCH_ID = 65001
OCI = "application/vnd.oci.image."
MANIFEST = OCI + "manifest.v1+json"
INDEX = OCI + "index.v1+json"
LAYER = OCI + "layer.v1.tar"
libc = ctypes.CDLL(None, use_errno=True)


# --- making archives --------------------------------------------------------------------------------------------------------


def member(name, data=b"", kind=tarfile.REGTYPE, mode=None, uid=0, gid=0, link="", pax=None, mtime=1000):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.uid, info.gid, info.mtime = uid, gid, mtime
    info.mode = mode if mode is not None else 0o755 if kind == tarfile.DIRTYPE else 0o644
    info.pax_headers = pax or {}
    if kind == tarfile.REGTYPE:
        info.size = len(data)
    return info, data


def folder(name, **more):
    return member(name, kind=tarfile.DIRTYPE, **more)


def symlink(name, target, **more):
    return member(name, kind=tarfile.SYMTYPE, link=target, **more)


def hardlink(name, target):
    return member(name, kind=tarfile.LNKTYPE, link=target)


def tar_of(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return out.getvalue()


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


PACKERS = {"": lambda data: data, "+gzip": lambda data: gzip.compress(data, mtime=0), "+zstd": zstd}


class Image:
    """Parts of an archive that a test may bend before write()."""

    def __init__(self, *layers, config=None, names=("localhost/app:1",), packing="+gzip", arch=ARCH):
        self.blobs = {}
        self.layers = []
        for plain in layers:
            self.layers.append(self.add(LAYER + packing, PACKERS[packing](plain)))
        self.diff_ids = [digest(plain) for plain in layers]
        self.config = {"architecture": arch, "os": "linux", "config": config or {}}
        self.names = names
        self.extra_descriptors = []
        self.platform = None

    def add(self, media_type, data):
        self.blobs[digest(data)] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    def finish(self):
        """Descriptor of the manifest."""
        config = dict(self.config, rootfs={"type": "layers", "diff_ids": self.diff_ids})
        body = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": self.layers,
                "config": self.add(OCI + "config.v1+json", json.dumps(config).encode())}
        return self.add(MANIFEST, json.dumps(body).encode())

    def entries(self):
        descriptor = self.finish()
        self.digest = descriptor["digest"]
        if self.platform:
            descriptor["platform"] = self.platform
        found = []
        for name in self.names or [None]:
            entry = copy.deepcopy(descriptor)
            if name:
                entry["annotations"] = {"org.opencontainers.image.ref.name": name}
            found.append(entry)
        return found + self.extra_descriptors

    def write(self, path):
        index = {"schemaVersion": 2, "manifests": self.entries()}
        write_archive(path, index, self.blobs)
        return self.digest


def write_archive(path, index, blobs, prefix="", layout=b'{"imageLayoutVersion":"1.0.0"}'):
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        # the order of skopeo: by name
        for name, data in sorted(blobs.items()):
            info, data = member(prefix + "blobs/" + name.replace(":", "/"), data)
            tar.addfile(info, io.BytesIO(data))
        for name, data in (("index.json", json.dumps(index).encode()), ("oci-layout", layout)):
            info, data = member(prefix + name, data)
            tar.addfile(info, io.BytesIO(data))


HELLO = tar_of(folder("bin"), member("bin/hello", b"#!/bin/true\n", mode=0o755))
BIG_DATA = os.urandom(6 * 1024 * 1024)


# --- running imports --------------------------------------------------------------------------------------------------------


class Place:
    """A store and a folder with archives."""

    def __init__(self, path):
        self.store = str(path / "store")
        self.images = str(path / "images")
        os.mkdir(self.images)

    def archive(self, name="app.tar"):
        return os.path.join(self.images, name)

    def command(self, *refs, options=()):
        return [CLEAT, "import", "--store", self.store, "--images", self.images, "--json", *options, *refs]

    def run(self, *refs, options=(), wrapper=()):
        done = subprocess.run([*wrapper, *self.command(*refs, options=options)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=120, check=False)
        return Answer(done.returncode, done.stdout, done.stderr)

    def good(self, *refs, **more):
        answer = self.run(*refs, **more)
        assert answer.status == 0, answer
        assert answer.records[-1]["kind"] == "done"
        return answer

    def bad(self, ref, *parts, kind="error"):
        """A refusal that says what the test wants said, and leaves nothing behind."""
        answer = self.run(ref)
        assert answer.status == 1, answer
        record = answer.of(ref)
        assert record["kind"] == kind, answer
        for part in parts:
            assert part in record["text"], record["text"]
        assert os.listdir(self.store + "/tmp") == []
        return record["text"]

    def layer(self, plain):
        return os.path.join(self.store, "layers/sha256", digest(plain)[7:])

    def root(self, plain):
        return os.path.join(self.layer(plain), "root")

    def facts(self, manifest):
        with open(os.path.join(self.store, "images/sha256", manifest[7:], "facts"), encoding="utf-8") as f:
            lines = f.read().splitlines()
        return [line.split(" ", 1) for line in lines[1:]]


class Answer:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out.decode(), err.decode()
        self.records = [json.loads(line) for line in self.out.splitlines()]

    def of(self, ref):
        found = [r for r in self.records if r["ref"] == ref and r["kind"] in ("image", "missing", "error", "retry")]
        assert len(found) == 1, self
        return found[0]

    def kinds(self, ref=""):
        return [r["kind"] for r in self.records if r["ref"] == ref]

    def __repr__(self):
        return "status %s\n%s\n%s" % (self.status, self.out, self.err)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def wait_until(predicate, seconds=30):
    deadline = time.monotonic() + seconds
    while not predicate():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lgetxattr(path, name):
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError as e:
        assert e.errno == errno.ENODATA
        return None


# --- honest archives --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packing", ["", "+gzip", "+zstd"])
def test_an_image_is_imported_by_name(place, packing):
    plain = tar_of(folder("./"), folder("home/me", uid=1001, gid=1001, mode=0o700), member("home/me/f", b"data", uid=1001, gid=1002),
                   member("usr/bin/su", b"x", mode=0o4755), folder("usr/lib"), symlink("lib", "usr/lib"), member("lib/libc", b"so"),
                   hardlink("usr/bin/again", "usr/bin/su"))
    image = Image(plain, config={"User": "1001:1001", "Env": ["A=1 2", "B=x\ny"], "Cmd": ["/usr/bin/su", "-"], "WorkingDir": "/home/me"},
                  packing=packing)
    manifest = image.write(place.archive())
    answer = place.good("localhost/app:1")
    record = answer.of("localhost/app:1")
    assert record["digest"] == manifest
    assert answer.kinds() == ["done"]
    root = place.root(plain)
    st = os.lstat(root + "/home/me/f")
    assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode), st.st_mtime) == (1001, 1002, 0o644, 1000)
    st = os.lstat(root + "/usr/bin/su")
    assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode), st.st_nlink) == (ROOT_ID, ROOT_ID, 0o4755, 2)
    assert stat.S_IMODE(os.lstat(root + "/home/me").st_mode) == 0o700
    assert os.readlink(root + "/lib") == "usr/lib"
    assert os.path.exists(root + "/usr/lib/libc")
    assert os.lstat(root + "/lib").st_uid == ROOT_ID
    facts = place.facts(manifest)
    assert ["user", "1001:1001"] in facts and ["env", "B=x%0Ay"] in facts and ["workdir", "/home/me"] in facts
    assert ["layer", digest(plain)] in facts
    with open(place.store + "/VERSION", encoding="utf-8") as f:
        assert f.read() == "1\n"


def test_an_image_is_imported_by_digest(place):
    manifest = Image(HELLO, names=()).write(place.archive())
    ref = "quay.io/whatever@" + manifest
    assert place.good(ref).of(ref)["digest"] == manifest
    os.unlink(place.archive())
    # a digest cannot come to mean something else: no archive is needed any more
    assert place.good(ref).of(ref)["digest"] == manifest
    place.bad("quay.io/whatever@" + digest(b"other"), "no archive", kind="missing")


def test_of_an_index_the_image_for_this_machine_is_taken(place):
    other = Image(tar_of(member("other")), arch="s390x")
    ours = Image(HELLO)
    blobs, entries = {}, []
    for image, arch in ((other, "s390x"), (ours, ARCH)):
        image.platform = {"os": "linux", "architecture": arch}
        entries += image.entries()
        blobs.update(image.blobs)
    entries.append({"mediaType": MANIFEST, "digest": digest(b"attestation"), "size": 5,
                    "platform": {"os": "unknown", "architecture": "unknown"}})
    nested = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    blobs[digest(nested)] = nested
    top = {"schemaVersion": 2, "manifests": [{"mediaType": INDEX, "digest": digest(nested), "size": len(nested),
                                              "annotations": {"org.opencontainers.image.ref.name": "multi:1"}}]}
    write_archive(place.archive(), top, blobs, prefix="./")
    refs = ["multi:1", "x@" + digest(nested), "x@" + ours.digest]
    answer = place.good(*refs)
    assert [answer.of(ref)["digest"] for ref in refs] == [ours.digest] * 3
    os.unlink(place.archive())
    answer = place.good(*refs)
    assert [answer.of(ref)["digest"] for ref in refs] == [ours.digest] * 3


def test_names_come_from_annotations_bare_tags_or_the_file(place):
    for file, names, wanted in (("a.tar", ("quay.io/x/first:1",), "quay.io/x/first:1"), ("second.tar", ("V2",), "quay.io/x/second:V2"),
                                ("third.tar", (), "quay.io/x/third:latest"), ("fourth-1.2.tar", (), "quay.io/x/fourth:1.2"),
                                ("e.tar", ("fifth:1",), "localhost/fifth:1")):
        manifest = Image(tar_of(member(file)), names=names).write(place.archive(file))
        assert place.good(wanted).of(wanted)["digest"] == manifest
    place.bad("quay.io/x/third:1", "no archive in " + place.images, kind="missing")
    os.unlink(place.archive("fourth-1.2.tar"))
    place.bad("quay.io/x/third:1", "third.tar holds an image without a name (Image=NAME@sha256:", kind="missing")


def test_docker_save_of_today_is_an_oci_archive_too(place):
    image = Image(HELLO)
    entries = image.entries()
    entries[0]["annotations"] = {"io.containerd.image.name": "docker.io/library/app:1", "org.opencontainers.image.ref.name": "1"}
    write_archive(place.archive("x.tar"), {"schemaVersion": 2, "manifests": entries}, image.blobs)
    with tarfile.open(place.archive("x.tar"), "a") as tar:
        info, data = member("manifest.json", b"[]")
        tar.addfile(info, io.BytesIO(data))
    assert place.good("docker.io/library/app:1").of("docker.io/library/app:1")["digest"] == image.digest


def test_the_newest_archive_wins_and_the_older_image_stays(place):
    old = Image(tar_of(member("old"))).write(place.archive("b.tar"))
    os.utime(place.archive("b.tar"), (1000, 1000))
    assert place.good("localhost/app:1").of("localhost/app:1")["digest"] == old
    new = Image(tar_of(member("new"))).write(place.archive("a.tar"))
    assert place.good("localhost/app:1").of("localhost/app:1")["digest"] == new
    assert place.good("x@" + old).of("x@" + old)["digest"] == old


def test_an_unchanged_archive_is_not_read_again(place):
    manifest = Image(HELLO).write(place.archive())
    place.good("localhost/app:1")
    st = os.stat(place.archive())
    with open(place.archive(), "r+b") as f:
        f.write(b"\0" * st.st_size)
    os.utime(place.archive(), ns=(st.st_atime_ns, st.st_mtime_ns))
    assert place.good("localhost/app:1").of("localhost/app:1")["digest"] == manifest
    # and a changed one is
    os.utime(place.archive())
    answer = place.run("localhost/app:1")
    assert "archive" in answer.kinds()


def test_layers_are_shared_and_unpacked_once(place):
    second = tar_of(member("second"))
    Image(HELLO, names=("a:1",)).write(place.archive("a.tar"))
    place.good("a:1")
    before = os.stat(place.layer(HELLO)).st_ino
    manifest = Image(HELLO, second, HELLO, names=("b:1",)).write(place.archive("b.tar"))
    place.good("b:1")
    assert os.stat(place.layer(HELLO)).st_ino == before
    # overlayfs takes no folder twice: the upper one stays
    assert [value for key, value in place.facts(manifest) if key == "layer"] == [digest(second), digest(HELLO)]


def test_many_layers_arrive_in_order(place):
    layers = [tar_of(member("f%d" % i, b"x" * 1000 * i)) for i in range(20)]
    manifest = Image(*layers).write(place.archive())
    place.good("localhost/app:1")
    assert [value for key, value in place.facts(manifest) if key == "layer"] == [digest(plain) for plain in layers]
    for i, plain in enumerate(layers):
        assert os.path.getsize(place.root(plain) + "/f%d" % i) == 1000 * i


def test_progress_is_told(place):
    Image(tar_of(member("big", BIG_DATA))).write(place.archive())
    answer = place.good("localhost/app:1")
    steps = [r for r in answer.records if r["kind"] == "progress"]
    assert steps
    assert [s["done_bytes"] for s in steps] == sorted(s["done_bytes"] for s in steps)
    assert steps[-1]["done_bytes"] == steps[-1]["total_bytes"] >= len(BIG_DATA)


def test_without_json_a_record_is_a_line(place):
    manifest = Image(HELLO).write(place.archive())
    done = subprocess.run([CLEAT, "import", "--store", place.store, "--images", place.images, "localhost/app:1"], stdout=subprocess.PIPE,
                          check=True)
    lines = done.stdout.decode().splitlines()
    assert "image localhost/app:1 %s: from %s" % (manifest, place.archive()) in lines
    assert lines[-1] == "done"


def test_other_files_beside_archives_are_left_alone(place):
    Image(HELLO).write(place.archive())
    for name in ("README.md", ".hidden.tar", "app.tar.part", "app.tar.sha256"):
        with open(place.archive(name), "wb") as f:
            f.write(b"no archive")
    os.mkdir(place.archive("folder"))
    assert "archive" not in place.good("localhost/app:1").kinds()


# --- what overlayfs makes of it ---------------------------------------------------------------------------------------------


def test_whiteouts_hide_lower_layers_in_a_real_overlay(place, tmp_path):
    lower = tar_of(folder("etc"), member("etc/gone", b"1"), member("etc/stays", b"1"), member("var/a", b"1"), member("var/b", b"1"),
                   member("made/anew/old", b"1"))
    upper = tar_of(member("etc/.wh.gone"), member("var/.wh..wh..opq"), member("var/c", b"2"), member(".wh.made"), member("made/new", b"2"))
    Image(lower, upper).write(place.archive())
    place.good("localhost/app:1")
    assert stat.S_ISCHR(os.lstat(place.root(upper) + "/etc/gone").st_mode)
    assert os.lstat(place.root(upper) + "/etc/gone").st_rdev == 0
    assert lgetxattr(place.root(upper) + "/var", "user.overlay.opaque") == b"y"
    merged = tmp_path / "merged"
    merged.mkdir()
    script = "mount -t overlay -o ro,userxattr,lowerdir=%s:%s overlay %s && cd %s && find . -type f | sort" % (
        place.root(upper), place.root(lower), merged, merged)
    seen = subprocess.run(["unshare", "-m", "sh", "-ec", script], stdout=subprocess.PIPE, check=True).stdout.decode().split()
    assert seen == ["./etc/stays", "./made/new", "./var/c"]


def test_file_capabilities_belong_to_container_root(place):
    # revision 2, effective, CAP_NET_BIND_SERVICE
    raw = bytes.fromhex("0100000200040000000000000000000000000000")
    # tarfile writes PAX values as UTF-8: these bytes are ASCII
    plain = tar_of(member("ping", b"x", mode=0o755, pax={"SCHILY.xattr.security.capability": raw.decode("ascii")}))
    Image(plain).write(place.archive())
    place.good("localhost/app:1")
    value = lgetxattr(place.root(plain) + "/ping", "security.capability")
    assert value[3] == 3  # revision 3 names the user namespace's root
    assert int.from_bytes(value[20:24], "little") == ROOT_ID
    assert value[4:8] == raw[4:8]


def test_what_is_left_out_is_counted(place):
    plain = tar_of(member("dev/null", kind=tarfile.CHRTYPE), member("dev/zero", kind=tarfile.CHRTYPE),
                   member("f", b"x", pax={"SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.user.overlay.redirect": "/etc",
                                          "SCHILY.xattr.user.mine": "kept"}))
    Image(plain).write(place.archive())
    text = place.good("localhost/app:1").of("localhost/app:1")["text"]
    assert "left out: 2 device nodes" in text and "left out: 2 extended attributes" in text
    assert os.listdir(place.root(plain)) == ["f"]
    assert lgetxattr(place.root(plain) + "/f", "user.mine") == b"kept"
    assert lgetxattr(place.root(plain) + "/f", "user.overlay.redirect") is None


# --- damage -----------------------------------------------------------------------------------------------------------------


def test_a_missing_image_says_what_there_is(place):
    Image(HELLO, names=("quay.io/x/other:2",)).write(place.archive())
    place.bad("localhost/app:1", "not in the image store", place.images, "app.tar holds quay.io/x/other:2",
              "podman save --format oci-archive -o FILE localhost/app:1", kind="missing")
    place.bad("quay.io/app:1", "skopeo copy docker://quay.io/app:1 oci-archive:FILE:quay.io/app:1", kind="missing")


def test_without_any_folder_an_image_is_missing(place):
    os.rmdir(place.images)
    place.bad("localhost/app:1", "not in the image store", place.images, kind="missing")


def test_a_wrong_digest_is_told_with_archive_and_blob(place):
    image = Image(HELLO)
    blob = image.layers[0]["digest"]
    image.blobs[blob] = image.blobs[blob][:-9] + bytes([image.blobs[blob][-9] ^ 1]) + image.blobs[blob][-8:]
    image.write(place.archive())
    place.bad("localhost/app:1", place.archive(), "layer " + blob, "wrong digest", "copy the archive again")
    assert os.listdir(place.store + "/layers/sha256") == []


def test_a_wrong_size_is_told(place):
    image = Image(HELLO)
    image.layers[0]["size"] += 1
    image.write(place.archive())
    place.bad("localhost/app:1", place.archive(), image.layers[0]["digest"], "bytes instead of")


@pytest.mark.parametrize("part", ["layer", "config", "manifest"])
def test_a_missing_blob_is_told(place, part):
    image = Image(HELLO)
    entries = image.entries()
    manifest = json.loads(image.blobs[image.digest])
    name = {"layer": image.layers[0]["digest"], "config": manifest["config"]["digest"], "manifest": image.digest}[part]
    del image.blobs[name]
    write_archive(place.archive(), {"schemaVersion": 2, "manifests": entries}, image.blobs)
    place.bad("localhost/app:1", place.archive(), name, "is missing")


def test_a_wrong_diff_id_is_told(place):
    image = Image(HELLO)
    image.diff_ids = [digest(b"promised")]
    image.write(place.archive())
    place.bad("localhost/app:1", place.archive(), image.layers[0]["digest"], digest(HELLO), digest(b"promised"))
    assert os.listdir(place.store + "/layers/sha256") == []


def test_a_torn_archive_is_told_wherever_it_ends(place):
    image = Image(tar_of(member("f", BIG_DATA[:50000])))
    whole = place.archive()
    image.write(whole)
    with open(whole, "rb") as f:
        data = f.read()
    # tarfile pads to 10 KiB; what is cut there is not missed by anybody
    end = data.rindex(b"imageLayoutVersion")
    for length in (1, 511, 512, 5000, len(data) // 2, end - 3000, end - 1024, end - 1, end):
        with open(whole, "wb") as f:
            f.write(data[:length])
        answer = place.run("localhost/app:1")
        assert answer.status == 1
        broken = [r for r in answer.records if r["kind"] == "archive"]
        assert len(broken) == 1 and broken[0]["text"].startswith(whole + ": "), answer
        assert "torn" in broken[0]["text"], answer
        assert "app.tar is unusable" in answer.of("localhost/app:1")["text"]
    with open(whole, "wb") as f:
        f.write(data)
    place.good("localhost/app:1")


def test_a_layer_cut_short_inside_its_blob_is_told(place):
    image = Image(HELLO)
    short = image.blobs.pop(image.layers[0]["digest"])[:-20]
    image.layers[0] = image.add(LAYER + "+gzip", short)
    image.write(place.archive())
    place.bad("localhost/app:1", image.layers[0]["digest"], "compressed data end too early")


@pytest.mark.parametrize("change, parts", [
    (lambda i: i.config.update(architecture="s390x"), ("linux/s390x", "this machine is linux/" + ARCH, "--override-arch")),
    (lambda i: i.config.update(os="windows"), ("windows/", "this machine")),
    (lambda i: i.layers[0].update(mediaType="application/x-lzma-layer"), ("media type application/x-lzma-layer is not supported",)),
    (lambda i: i.layers[0].update(mediaType=LAYER + "+gzip+encrypted"), ("encrypted", "decrypt it first")),
    (lambda i: i.layers[0].update(mediaType=OCI + "layer.nondistributable.v1.tar+gzip"), ("non-distributable",)),
    (lambda i: i.layers.clear(), ("without layers",)),
    (lambda i: i.diff_ids.append(digest(b"more")), ("1 layers, config has 2 diff ids",)),
    (lambda i: i.config.update(config={"Entrypoint": "/bin/sh -c x"}), ("Entrypoint is not an array of strings",)),
    (lambda i: i.config.update(config={"Env": ["A=\0B"]}), ("NUL byte",)),
])
def test_an_image_that_cannot_be_used_says_why(place, change, parts):
    image = Image(HELLO)
    change(image)
    image.write(place.archive())
    place.bad("localhost/app:1", place.archive(), *parts)


def test_an_index_without_this_machine_says_which_there_are(place):
    image = Image(HELLO, arch="s390x")
    image.platform = {"os": "linux", "architecture": "s390x"}
    image.write(place.archive())
    place.bad("localhost/app:1", place.archive(), "not for linux/" + ARCH, "linux/s390x")


def test_an_artifact_is_no_image(place):
    image = Image(HELLO)
    image.extra_descriptors = [{"mediaType": "application/vnd.cncf.helm.chart", "digest": digest(b"chart"), "size": 5,
                                "annotations": {"org.opencontainers.image.ref.name": "chart:1"}}]
    image.write(place.archive())
    place.bad("chart:1", place.archive(), digest(b"chart"), "no container image")
    place.good("localhost/app:1")


@pytest.mark.parametrize("name, data, parts", [
    ("docker.tar", tar_of(member("manifest.json", b"[]"), member("repositories", b"{}")), ("docker-archive", "manifest.json lists no image")),
    ("app.tar.gz", gzip.compress(b"x"), ("gzip-compressed", "gunzip")),
    ("app.tgz", b"\x28\xb5\x2f\xfd1234", ("zstd-compressed", "unzstd")),
    ("empty.tar", b"", ("is empty",)),
    ("garbage.tar", b"x" * 5000, ("not a tar archive",)),
    ("foreign.tar", tar_of(member("etc/passwd", b"x")), ("no index.json",)),
    ("bad-json.tar", tar_of(member("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), member("index.json", b"{")), ("index.json", "byte 1")),
    ("layout.tar", tar_of(member("oci-layout", b'{"imageLayoutVersion":"2.0.0"}'), member("index.json", b"{}")), ("version 2.0.0",)),
])
def test_a_file_that_is_no_oci_archive_is_named_and_disturbs_nobody(place, name, data, parts):
    Image(HELLO).write(place.archive("good.tar"))
    with open(place.archive(name), "wb") as f:
        f.write(data)
    answer = place.good("localhost/app:1")
    told = [r["text"] for r in answer.records if r["kind"] == "archive"]
    assert len(told) == 1 and told[0].startswith(place.archive(name) + ": ")
    for part in parts:
        assert part in told[0]


def test_a_layout_folder_says_how_to_pack_it(place):
    os.mkdir(place.archive("layout"))
    with open(place.archive("layout/oci-layout"), "wb") as f:
        f.write(b"{}")
    answer = place.run("localhost/app:1")
    assert "skopeo copy oci:" in answer.of("localhost/app:1")["text"]


def test_a_fifo_among_the_archives_does_not_block(place):
    os.mkfifo(place.archive("pipe.tar"))
    Image(HELLO).write(place.archive())
    answer = place.good("localhost/app:1")
    assert "pipe.tar: is not a regular file" in answer.records[0]["text"]


def test_one_bad_image_does_not_touch_the_others(place):
    bad = Image(tar_of(member("../evil", b"x")), names=("bad:1",))
    bad.write(place.archive("bad.tar"))
    Image(HELLO, names=("good:1",)).write(place.archive("good.tar"))
    answer = place.run("bad:1", "missing:1", "Not A Name", "good:1")
    assert answer.status == 1
    assert [answer.of(ref)["kind"] for ref in ("bad:1", "missing:1", "Not A Name", "good:1")] == ["error", "missing", "error", "image"]


def test_a_broken_newer_archive_leaves_the_imported_image_in_use(place):
    manifest = Image(HELLO).write(place.archive())
    place.good("localhost/app:1")
    broken = Image(tar_of(member("new")))
    broken.diff_ids = [digest(b"promised")]
    broken.write(place.archive())
    answer = place.good("localhost/app:1")
    assert answer.of("localhost/app:1")["digest"] == manifest
    assert [r for r in answer.records if r["kind"] == "archive" and "wrong digest" in r["text"]]


# --- attacks ----------------------------------------------------------------------------------------------------------------


ATTACKS = {
    "climbs": ([member("../../../../evil", b"x")], "climbs out"),
    "climbs inside": ([member("a/../../evil", b"x")], "climbs out"),
    "hard link out": ([hardlink("l", "../../../../../etc/passwd")], "climbs out"),
    "hard link to what is not there": ([hardlink("l", "/etc/passwd")], "hard link to etc"),
    "hard link through a link": ([symlink("e", "/etc"), hardlink("l", "e/passwd")], "hard link to e/passwd"),
    "link to nowhere as parent": ([symlink("e", "/no/where"), member("e/evil", b"x")], "parent is a link"),
    "whiteout of the root": ([member(".wh..")], "whiteout"),
    "whiteout of the parent": ([member("a/.wh...")], "whiteout"),
    "root as a link": ([symlink("./", "/")], "only be a folder"),
    "reserved owner": ([member("f", b"x", uid=65000)], "owner 65000 has no place"),
    "owner beyond the map": ([member("f", b"x", uid=65536)], "owner 65536 has no place"),
    "group beyond the map": ([folder("d", gid=2 ** 31)], "has no place"),
}


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_a_hostile_layer_is_refused_by_member(place, attack):
    members, part = ATTACKS[attack]
    plain = tar_of(member("before", b"x"), *members)
    Image(plain).write(place.archive())
    text = place.bad("localhost/app:1", place.archive(), "layer sha256:", "member ", part)
    assert "evil" not in os.listdir(place.store) + os.listdir(os.path.dirname(place.store)) + os.listdir("/")
    assert os.listdir(place.store + "/layers/sha256") == [], text


def test_links_lead_nowhere_but_into_the_layer(place, tmp_path):
    """The swap of a parent for a link, absolute and climbing targets, a link to another layer: all stay below their root."""
    outside = tmp_path / "outside"
    outside.mkdir()
    victim = outside / "victim"
    victim.write_bytes(b"safe")
    plain = tar_of(folder("d"), member("d/f", b"1"), symlink("swap", str(outside)), member("swap2", b"x"),
                   symlink("abs", str(outside)), folder(str(outside).lstrip("/")), member("abs/caught", b"2"),
                   symlink("victim", str(victim)), member("victim", b"evil"), symlink("up", "../" * 30 + str(outside).lstrip("/")),
                   member("up/caught2", b"3"), symlink("d2", "d"), hardlink("d2/copy", "d/f"))
    Image(plain).write(place.archive())
    place.good("localhost/app:1")
    assert victim.read_bytes() == b"safe"
    assert os.listdir(outside) == ["victim"]
    root = place.root(plain)
    assert sorted(os.listdir(root + str(outside))) == ["caught", "caught2"]
    assert os.path.exists(root + "/d/copy")


def test_absolute_names_mean_the_layers_root(place):
    plain = tar_of(folder("/"), folder("/usr"), member("/usr/tool", b"x"), hardlink("/usr/tool2", "/usr/tool"))
    Image(plain).write(place.archive())
    place.good("localhost/app:1")
    assert sorted(os.listdir(place.root(plain) + "/usr")) == ["tool", "tool2"]


def test_a_bomb_is_stopped_by_the_limit(place):
    plain = tar_of(member("zeros", b"\0" * 20_000_000))
    Image(plain).write(place.archive())
    answer = place.run("localhost/app:1", options=("--max-bytes", "1m"))
    assert answer.status == 1
    assert "unpacks to more than 1048576 bytes" in answer.of("localhost/app:1")["text"]
    assert os.listdir(place.store + "/tmp") == []


def test_a_deep_tree_can_be_removed_again(place):
    deep = [symlink("s%d" % i, "s%d/" % (i - 1) + "/".join(["d"] * 60)) for i in range(1, 9)]
    members = [folder("/".join(["d"] * 60)), symlink("s0", "/".join(["d"] * 60))]
    for link in deep:
        members += [folder(link[0].linkname), link]
    Image(tar_of(*members, member("../evil"))).write(place.archive())
    place.bad("localhost/app:1", "climbs out")


# --- confinement ------------------------------------------------------------------------------------------------------------


def status_of(pid):
    with open("/proc/%d/status" % pid, encoding="utf-8") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def is_confined(pid):
    return status_of(pid)["Seccomp"] == "2"


def open_files(pid):
    return sorted(int(fd) for fd in os.listdir("/proc/%d/fd" % pid))


def caps(text):
    return {bit for bit in range(64) if int(text, 16) >> bit & 1}


def test_unpack_sees_one_folder_and_keeps_five_capabilities(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    os.chown(root, ROOT_ID, ROOT_ID)
    go_read, go_write = os.pipe()
    data_read, data_write = os.pipe()
    root_fd = os.open(root, os.O_RDONLY)

    def place_fds():
        fds = [data_read, root_fd, go_read]
        safe = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in fds]
        os.dup2(safe[0], 0)
        os.dup2(safe[1], 3)
        os.dup2(safe[2], 4)
        os.closerange(5, 65536)

    process = subprocess.Popen([CLEAT, "unpack", digest(HELLO), "1000000", "100"], stdout=subprocess.PIPE, close_fds=False,
                               preexec_fn=place_fds)
    try:
        assert process.stdout.readline() == b"ready\n"
        for name in ("gid_map", "uid_map"):
            with open("/proc/%d/%s" % (process.pid, name), "w", encoding="ascii") as f:
                f.write("0 65000 1\n1 1 64999\n65024 65024 512\n")
        os.write(go_write, b"g")
        wait_until(lambda: is_confined(process.pid))
        status = status_of(process.pid)
        assert set(status["Uid"].split()) == {str(ROOT_ID)} and set(status["Gid"].split()) == {str(ROOT_ID)}
        assert status["Groups"].strip() == ""
        # chown, dac_override, fowner, fsetid, setfcap
        assert caps(status["CapEff"]) == caps(status["CapPrm"]) == caps(status["CapBnd"]) == {0, 1, 3, 4, 31}
        assert caps(status["CapInh"]) == caps(status["CapAmb"]) == set()
        assert status["NoNewPrivs"] == "1"
        assert os.readlink("/proc/%d/root" % process.pid) == str(root)
        assert os.readlink("/proc/%d/ns/user" % process.pid) != os.readlink("/proc/self/ns/user")
        assert open_files(process.pid) == [0, 1, 2, 3, 4]  # 4: leave for a large zstd window
        os.close(data_read)
        os.write(data_write, HELLO)
        os.close(data_write)
        assert process.stdout.read().endswith(b"\nok \n")
        assert process.wait(30) == 0
        assert (root / "bin/hello").stat().st_uid == ROOT_ID
    finally:
        process.kill()
        process.wait()
        for fd in (go_read, go_write, root_fd):
            os.close(fd)


def test_fetch_is_nobody_without_files_or_capabilities(tmp_path):
    image = Image(tar_of(member("big", BIG_DATA)), packing="")
    image.write(tmp_path / "a.tar")
    archive = os.open(tmp_path / "a.tar", os.O_RDONLY)
    data_read, data_write = os.pipe()

    def place_fds():
        safe = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in (archive, data_write)]
        os.dup2(safe[0], 0)
        os.dup2(safe[1], 3)
        os.closerange(4, 65536)

    blob = image.layers[0]
    process = subprocess.Popen([CLEAT, "fetch", "layer", blob["digest"], str(blob["size"])], stdout=subprocess.PIPE, close_fds=False,
                               preexec_fn=place_fds)
    try:
        os.close(data_write)
        # nobody reads yet: it stands still in the middle of its work
        first = os.read(data_read, 1)
        assert is_confined(process.pid)
        status = status_of(process.pid)
        assert set(status["Uid"].split()) == {str(FETCH_ID)} and set(status["Gid"].split()) == {str(FETCH_ID)}
        assert status["Groups"].strip() == "" and status["NoNewPrivs"] == "1"
        for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
            assert caps(status[name]) == set()
        assert open_files(process.pid) == [0, 1, 2, 3]
        rest = b""
        while True:
            piece = os.read(data_read, 1 << 20)
            if not piece:
                break
            rest += piece
        assert digest(first + rest) == blob["digest"]
        assert process.stdout.read().endswith(b"ok \n")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(archive)
        os.close(data_read)


# --- crashes, full disks, other writers -------------------------------------------------------------------------------------


def children_of(pid):
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if status_of(int(name)).get("PPid") == str(pid):
                    found.add(int(name))
            except (FileNotFoundError, ProcessLookupError):
                pass
    return found


def is_running(pid):
    try:
        return status_of(pid)["State"][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_killed_import_takes_its_workers_along_and_the_next_one_finishes(place):
    layers = [tar_of(member("big%d" % i, BIG_DATA[i:])) for i in range(3)]
    Image(*layers).write(place.archive())
    process = subprocess.Popen(place.command("localhost/app:1"), stdout=subprocess.PIPE)
    assert json.loads(process.stdout.readline())["kind"] == "progress"
    os.kill(process.pid, signal.SIGSTOP)
    workers = children_of(process.pid)
    process.kill()
    process.wait()
    assert workers
    wait_until(lambda: not any(is_running(pid) for pid in workers))
    answer = place.run("localhost/none:1")
    assert answer.of("localhost/none:1")["kind"] == "missing"
    assert os.listdir(place.store + "/tmp") == []
    place.good("localhost/app:1")


@pytest.mark.parametrize("call, least", [("mkdirat", 8), ("renameat", 8), ("fsync", 12), ("syncfs", 2), ("openat", 3)])
def test_a_crash_at_any_call_leaves_a_store_that_counts_and_mends_itself(tmp_path, call, least):
    """SIGKILL of the coordinator at the first, second, third... such call, until one import gets through."""
    names = "/^" + call + "(2)?$" if call in ("mkdirat", "renameat") else call
    step, crashes = (1 if call != "openat" else 7), 0
    for when in range(1, 400, step):
        path = tmp_path / str(when)
        path.mkdir()
        place = Place(path)
        Image(HELLO, tar_of(member("second"))).write(place.archive())
        answer = place.run("localhost/app:1", wrapper=("strace", "-qq", "-o", "/dev/null", "-e", "trace=" + names, "-e",
                                                       "inject=%s:signal=KILL:when=%d" % (names, when)))
        if answer.status == 0:
            break
        crashes += 1
        # what is left is the whole image or none, never half of one: no archive may help here
        hidden = place.archive() + ".part"
        os.rename(place.archive(), hidden)
        assert place.run("localhost/app:1").of("localhost/app:1")["kind"] in ("image", "missing")
        os.rename(hidden, place.archive())
        place.good("localhost/app:1")
        assert os.listdir(place.store + "/tmp") == []
    assert answer.status == 0 and crashes >= least


@pytest.mark.parametrize("call, when", [("fsync", 3), ("syncfs", 1), ("/^renameat2?$", 2)])
def test_an_error_of_the_disk_is_an_error_of_the_image(place, call, when):
    Image(HELLO).write(place.archive())
    answer = place.run("localhost/app:1", wrapper=("strace", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e",
                                                   "inject=%s:error=EIO:when=%d+" % (call, when)))
    assert answer.status == 1
    assert "Input/output error" in answer.out + answer.err or "I/O error" in answer.out + answer.err
    place.good("localhost/app:1")


@pytest.fixture
def small_disk(place):
    """A store on a file system of its own, in a mount namespace of this test."""
    os.mkdir(place.store)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=755", "small", place.store], check=False)
    if mounted.returncode:
        pytest.fail("cannot mount a tmpfs")
    yield place
    subprocess.run(["umount", place.store], check=True)


def test_a_full_disk_is_told_and_left_as_it_was(small_disk):
    plain = tar_of(member("big", BIG_DATA))
    Image(plain).write(small_disk.archive())
    answer = small_disk.run("localhost/app:1", options=("--max-bytes", "1g"))
    text = answer.of("localhost/app:1")["text"]
    assert answer.status == 1
    assert "member big: write: No space left on device" in text and "make room there" in text and small_disk.store in text
    assert os.listdir(small_disk.store + "/tmp") == []
    st = os.statvfs(small_disk.store)
    assert st.f_bavail * st.f_frsize > 2_500_000
    # without the option the limit is what is free, less a reserve: it is told before the disk is full
    answer = small_disk.run("localhost/app:1")
    assert "unpacks to more than" in answer.of("localhost/app:1")["text"]


def test_a_read_only_store_serves_what_it_has(place):
    manifest = Image(HELLO).write(place.archive())
    place.good("localhost/app:1")
    Image(tar_of(member("x")), names=("other:1",)).write(place.archive("other.tar"))
    subprocess.run(["mount", "--bind", place.store, place.store], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", place.store], check=True)
        answer = place.run("localhost/app:1", "other:1")
        assert answer.of("localhost/app:1")["digest"] == manifest
        assert "read-only" in answer.of("other:1")["text"]
    finally:
        subprocess.run(["umount", place.store], check=True)


def test_two_imports_at_once_both_get_their_image(place):
    layers = [tar_of(member("big%d" % i, BIG_DATA[i:])) for i in range(2)]
    manifest = Image(*layers).write(place.archive())
    both = [subprocess.Popen(place.command("localhost/app:1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert Answer(process.returncode, out, err).of("localhost/app:1")["digest"] == manifest
    assert os.listdir(place.store + "/tmp") == []


def test_a_held_lock_is_waited_for_no_longer_than_told(place):
    Image(HELLO).write(place.archive())
    place.run("localhost/none:1")
    with open(place.store + "/lock", "w", encoding="ascii") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        answer = place.run("localhost/app:1", options=("--wait", "0"))
        assert answer.status == 1
        assert answer.of("localhost/app:1")["kind"] == "retry"
        assert "in use by process %d (" % os.getpid() in answer.of("localhost/app:1")["text"]
        assert str(os.getpid()) in answer.of("localhost/app:1")["text"]
    place.good("localhost/app:1")


def test_a_store_of_another_version_is_not_touched(place):
    os.mkdir(place.store)
    with open(place.store + "/VERSION", "w", encoding="ascii") as f:
        f.write("9\n")
    Image(HELLO).write(place.archive())
    answer = place.run("localhost/app:1")
    assert "layout version 9 is not known" in answer.of("localhost/app:1")["text"]
    assert os.listdir(place.store) == ["VERSION"]


def test_a_damaged_store_is_mended_from_the_archive_or_named(place):
    Image(HELLO).write(place.archive())
    place.good("localhost/app:1")
    os.unlink(place.layer(HELLO) + "/complete")
    hidden = place.archive() + ".part"
    os.rename(place.archive(), hidden)
    place.bad("localhost/app:1", "damaged and in no archive", digest(HELLO), "no completion record")
    os.rename(hidden, place.archive())
    place.good("localhost/app:1")
    assert os.path.exists(place.root(HELLO) + "/bin/hello")


def enter_user_namespace(ready, go):
    """In the child: as the root of an unprivileged container, whose ids 0-65535 are 100000-165535 outside."""
    if libc.unshare(0x10000000):  # CLONE_NEWUSER
        os._exit(90)
    os.write(ready, b"r")
    os.read(go, 1)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def test_an_import_works_in_an_unprivileged_container(tmp_path):
    os.chmod(tmp_path, 0o755)
    for parent in tmp_path.parents:
        if str(parent).startswith("/tmp/"):
            os.chmod(parent, 0o755)
    place = Place(tmp_path)
    lower = tar_of(member("f", b"x", uid=1001, gid=1001), member("gone", b"x"))
    upper = tar_of(member(".wh.gone"), member("ping", b"x", pax={
        "SCHILY.xattr.security.capability": bytes.fromhex("0100000200040000000000000000000000000000").decode("ascii")}))
    Image(lower, upper).write(place.archive())
    os.mkdir(place.store)
    os.chown(place.store, 100000, 100000)
    ready_read, ready_write = os.pipe()
    go_read, go_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            enter_user_namespace(ready_write, go_read)
            os.execv(CLEAT, place.command("localhost/app:1"))
        finally:
            os._exit(91)
    assert os.read(ready_read, 1) == b"r"
    for name in ("uid_map", "gid_map"):
        with open("/proc/%d/%s" % (pid, name), "w", encoding="ascii") as f:
            f.write("0 100000 65536\n")
    os.write(go_write, b"g")
    assert os.waitpid(pid, 0)[1] == 0
    st = os.lstat(place.root(lower) + "/f")
    assert (st.st_uid, st.st_gid) == (101001, 101001)
    assert os.lstat(place.root(lower)).st_uid == 100000 + ROOT_ID
    assert os.lstat(place.root(upper) + "/gone").st_rdev == 0
    assert int.from_bytes(lgetxattr(place.root(upper) + "/ping", "security.capability")[20:24], "little") == 100000 + ROOT_ID


def test_usage_errors_are_told():
    for words in ((), ("--store",), ("--max-bytes", "x", "a"), ("--no-such", "a")):
        done = subprocess.run([CLEAT, "import", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 2
        assert b"usage: cleat import" in done.stderr


def test_without_root_an_import_says_so(place):
    done = subprocess.run(["setpriv", "--reuid=1000", "--clear-groups", *place.command("a:1")], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert b"only root" in done.stderr


def test_without_user_namespaces_the_reason_names_the_setting(place):
    """As in an LXC container that may not nest."""
    Image(HELLO).write(place.archive())
    answer = place.run("localhost/app:1", wrapper=("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=unshare", "-e",
                                                   "inject=unshare:error=EPERM"))
    assert answer.status == 1
    text = answer.of("localhost/app:1")["text"]
    assert "user namespace" in text and "nesting" in text and "user.max_user_namespaces" in text


# --- what other tools write -------------------------------------------------------------------------------------------------


def skopeo(*words):
    subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", *words], check=True, stdout=subprocess.PIPE)


@pytest.fixture
def layout(tmp_path):
    """An "oci:" folder to copy from."""
    Image(HELLO, tar_of(member("second")), config={"User": "7"}).write(tmp_path / "in.tar")
    skopeo("oci-archive:%s" % (tmp_path / "in.tar"), "oci:%s:v1" % (tmp_path / "layout"))
    return "oci:%s:v1" % (tmp_path / "layout")


def test_archives_of_skopeo_are_imported(place, layout):
    skopeo(layout, "oci-archive:%s:quay.io/x/named:1" % place.archive("a.tar"))
    skopeo(layout, "oci-archive:%s" % place.archive("nameless.tar"))
    skopeo("--dest-compress-format", "zstd", "--dest-compress", layout, "oci-archive:%s:packed:1" % place.archive("z.tar"))
    refs = ["quay.io/x/named:1", "quay.io/x/nameless:latest", "packed:1"]
    answer = place.good(*refs)
    for ref in refs:
        assert ["user", "7"] in place.facts(answer.of(ref)["digest"])
    assert os.path.exists(place.root(HELLO) + "/bin/hello")


def test_a_docker_archive_is_taken_and_so_is_its_conversion(place, layout, tmp_path):
    skopeo(layout, "docker-archive:%s:quay.io/x/app:1" % place.archive("old.tar"))
    place.good("quay.io/x/app:1")
    os.rename(place.archive("old.tar"), tmp_path / "old.tar")
    skopeo("docker-archive:%s" % (tmp_path / "old.tar"), "oci-archive:%s:quay.io/x/app:1" % place.archive("new.tar"))
    place.good("quay.io/x/app:1")


@pytest.mark.parametrize("name, program, user", [("moe-orchestrator", "app/server", "1001:1001"), ("hello", "hello", "1000:1000")])
def test_the_example_images_are_good_archives(place, name, program, user, tmp_path):
    source = os.path.join(IMAGES, name + ".tar")
    os.symlink(source, place.archive(name + ".tar"))
    ref = "localhost/%s:latest" % name
    manifest = place.good(ref).of(ref)["digest"]
    assert ["user", user] in place.facts(manifest)
    layer = [value for key, value in place.facts(manifest) if key == "layer"][0]
    root = os.path.join(place.store, "layers/sha256", layer[7:], "root")
    assert os.stat(os.path.join(root, program)).st_mode & 0o111
    if name == "moe-orchestrator":
        assert os.stat(root + "/app/logs").st_uid == 1001
        assert stat.S_IMODE(os.stat(root + "/tmp").st_mode) == 0o1777
    # another reader agrees
    skopeo("oci-archive:%s:%s" % (source, ref), "dir:%s" % (tmp_path / "dir"))
