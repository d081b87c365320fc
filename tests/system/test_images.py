# SPDX-License-Identifier: Apache-2.0
"""Images from OCI archives into the store, through the real "cleat import": honest archives by name and by digest, every kind of
damage, and what skopeo writes. What is hostile or cut short is in test_images_hostile.py."""
import gzip
import io
import json
import os
import stat
import subprocess
import tarfile

import pytest

from appliance import IMAGES
from importplace import (BIG_DATA, CLEAT, HELLO, INDEX, LAYER, MANIFEST, OCI, ROOT_ID, Image, fixture_place, folder,  # noqa: F401 (a fixture)
                         hardlink, lgetxattr, member, symlink, tar_of, write_archive)
from ociimage import ARCH, digest


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
