# SPDX-License-Identifier: Apache-2.0
"""What operators get wrong and what lies: each has a message with file and line or digest, a state in /status, 503 in /readyz,
and no effect on the unit beside it."""
import os

import pytest

from appliance import BUILD, IDLE, unit
from ociimage import Archive, box_entries, busybox_of, layer, write_box

LOOP = 'Exec=/bin/sh -c "%s"\n' % IDLE
BOX = "localhost/box:latest"


@pytest.fixture
def busybox():
    return busybox_of(BUILD)


@pytest.fixture
def bad(boot, tmp_path, busybox):
    """Boots with a good unit beside the bad one; checks the good one; returns the appliance."""

    def make(units, archives=(), prepare=None, ready_code=503):
        appliance = boot({}, images=(), start=False)
        write_box(os.path.join(appliance.config, "images", "box.tar"), busybox)
        appliance.add_unit("good", unit(BOX, LOOP))
        for name, text in units.items():
            appliance.add_unit(name, text)
        for name, archive in archives:
            archive.write(os.path.join(appliance.config, "images", name))
        if prepare:
            prepare(appliance)
        appliance.start()
        appliance.wait_unit("systemd-good", state="up")
        return appliance

    return make


def readyz_names(a, name):
    code, body = a.http("/readyz?verbose")
    assert code == 503, body
    assert name in body, body


@pytest.mark.parametrize("text, words", [
    ("[Container]\nImage=x\nthis is no line\n", ["broken.container:3"]),
    ("[Container]\nImage=%s\nDropCapabilty=ALL\nNetwork=none\n" % BOX, ["broken.container:3", "DropCapabilty", "DropCapability"]),
    ("[Container]\nImage=%s\nNetwork=none\nRestart=always\n" % BOX, ["broken.container:4", "[Service]"]),
    ("[Container]\nImage=%s\nNetwork=none\nPidsLimit=many\n" % BOX, ["broken.container:4"]),
    ("[Container]\nImage=%s\nNetwork=none\nTmpfs=relative\n" % BOX, ["broken.container:4"]),
    ("[Container]\nNetwork=none\n[Install]\nWantedBy=default.target\n", ["broken.container", "Image"]),
    ("Image=early\n", ["broken.container:1"]),
    ("[Container]\nImage=%s\nNetwork=none\nGlobalArgs=--runtime=runsc\n" % BOX, ["broken.container:4", "another runtime"]),
    ("[Unit]\nAfter=broken-b.service\n[Container]\nImage=%s\nNetwork=none\nServiceName=broken-b\nPod=no.pod\n" % BOX,
     ["broken.container:7", "no.pod"]),
], ids=["syntax", "misspelt", "wrong-section", "not-a-number", "relative-tmpfs", "no-image", "no-section", "global-options",
        "missing-pod"])
def test_unit_errors_name_file_and_line(bad, text, words):
    a = bad({"broken": text + "[Install]\nWantedBy=default.target\n"})
    entry = next(u for u in a.status()["units"] if u["unit"] == "broken.container")
    assert entry["state"] == "invalid"
    for word in words:
        assert word in entry["detail"], entry
    readyz_names(a, "broken")
    checked = a.cleat("check", os.path.join(a.config, "units"), check=False)
    assert checked.returncode == 1
    for word in words:
        assert word in checked.stdout, checked.stdout


def test_a_link_to_a_file_that_is_not_there_is_an_invalid_unit(bad):
    a = bad({}, prepare=lambda a: os.symlink("/config/elsewhere/web.container", os.path.join(a.config, "units", "web.container")))
    entry = a.wait_unit("web.container", state="invalid")
    assert "/config/units/web.container:1" in entry["detail"] and "a link to /config/elsewhere/web.container: No such file" in entry["detail"], entry
    assert "web.container" in a.cleat("ps") and "/config/elsewhere/web.container" in a.cleat("ps")
    readyz_names(a, "web")
    assert "a link to /config/elsewhere/web.container" in a.inside("/usr/bin/cleat", "check", check=False).stdout


def test_a_unit_with_several_errors_says_so(bad):
    a = bad({"broken": "[Container]\nImage=%s\nVolume=none.volume:/x\nVolume=nor-this.volume:/y\nNetwork=none.network\n" % BOX,
             "other": "[Container]\nImage=%s\nVolume=none.volume:/x\n" % BOX})
    detail = a.wait_unit("broken.container", state="invalid")["detail"]
    assert detail.startswith("/config/units/broken.container:") and detail.endswith(' (and 2 more: "cleat check")'), detail
    detail = a.wait_unit("other.container", state="invalid")["detail"]
    assert detail.endswith("there is no unit none.volume"), detail


def test_missing_image_is_a_state(bad):
    a = bad({"lost": unit("localhost/nowhere:1", LOOP)})
    entry = a.wait_unit("systemd-lost", state="no-image")
    assert "localhost/nowhere:1" in entry["detail"]
    readyz_names(a, "systemd-lost")


def test_image_that_arrives_later_is_found_by_start(bad, tmp_path, busybox):
    a = bad({"lost": unit("localhost/later:1", LOOP)})
    a.wait_unit("systemd-lost", state="no-image")
    write_box(os.path.join(a.config, "images", "later.tar"), busybox, "localhost/later:1")
    a.cleat("start", "lost")
    a.wait_unit("systemd-lost", state="up")


def liar(busybox, kind):
    archive = Archive("localhost/liar:1", [layer(box_entries(busybox) + [("liar", {"content": b"own layer"})])], {"Env": ["PATH=/bin"]})
    blob = archive.layers[0]["digest"]
    if kind == "wrong-digest":
        data = bytearray(archive.blobs[blob])
        data[len(data) // 2] ^= 1
        archive.blobs[blob] = bytes(data)
    elif kind == "wrong-size":
        archive.layers[0]["size"] += 1
    elif kind == "missing-blob":
        del archive.blobs[blob]
    return archive, blob


@pytest.mark.parametrize("kind", ["wrong-digest", "wrong-size", "missing-blob"])
def test_archives_that_lie(bad, busybox, kind):
    archive, blob = liar(busybox, kind)
    a = bad({"liar": unit("localhost/liar:1", LOOP)}, [("liar.tar", archive)])
    entry = a.wait_unit("systemd-liar", state="no-image")
    assert "liar.tar" in entry["detail"], entry
    assert blob[:19] in entry["detail"], entry
    readyz_names(a, "systemd-liar")
    assert os.listdir(os.path.join(a.data, "store", "tmp")) == []


def test_torn_archive(bad, busybox):
    def prepare(a):
        path = os.path.join(a.config, "images", "torn.tar")
        Archive("localhost/torn:1", [layer(box_entries(busybox) + [("torn", {"content": b"own layer"})])]).write(path)
        os.truncate(path, os.path.getsize(path) // 2)

    a = bad({"torn": unit("localhost/torn:1", LOOP)}, prepare=prepare)
    entry = a.wait_unit("systemd-torn", state="no-image")
    assert "torn.tar" in entry["detail"] + str(a.status()["notes"]), a.status()


ATTACKS = {
    "dotdot": [("../evil", {"content": b"x"})],
    "absolute-through-link": [("out", {"link": "/config"}), ("out/evil", {"content": b"x"})],
    "swapped-parent": [("dir", {}), ("dir/a", {"content": b"x"}), ("dir", {"link": "../../../../../../../../data"}), ("dir/evil", {"content": b"x"})],
    "hardlink-out": [("evil", {"hardlink": "../../../../../../../../etc/passwd"})],
}


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_layers_that_climb(bad, busybox, name):
    archive = Archive("localhost/climb:1", [layer(box_entries(busybox) + ATTACKS[name])], {"Env": ["PATH=/bin"]})
    a = bad({"climb": unit("localhost/climb:1", LOOP)}, [("climb.tar", archive)])
    entry = a.wait_unit("systemd-climb", state=("no-image", "up"))
    outside = [os.path.join(a.data, "evil"), os.path.join(a.config, "evil"), os.path.join(a.data, "store", "evil")]
    assert not any(os.path.exists(path) for path in outside)
    # a link that is resolved inside the layer is no attack; everything else is refused by name
    if entry["state"] == "no-image":
        assert "climb.tar" in entry["detail"] and "evil" in entry["detail"], entry


def test_missing_volume_source_outside_data(bad):
    a = bad({"vol": unit(BOX, LOOP + "Volume=/nowhere/at/all:/data\n")})
    entry = a.wait_unit("systemd-vol", state=("failed", "backoff"))
    assert "/nowhere/at/all" in entry["detail"], entry
    readyz_names(a, "systemd-vol")


@pytest.mark.parametrize("line, words", [
    ("Volume=/srv/none:/x", "mounts: /x: "), ("Mount=type=bind,src=/srv/none,dst=/y", "mounts: /y: "), ("User=nobody-knows", 'user: user "nobody-knows" '),
    ("WorkingDir=/none", "workdir: /none: "), ("Exec=/bin/none", "exec: /bin/none: "), ("Entrypoint=none", "exec: not in PATH (/bin): none: "),
    ("Exec=/bin/sh\nEntrypoint=none", "exec: not in PATH (/bin): none: "), ("PodmanArgs=--user=nobody-knows", "user: "), ("Sysctl=net.core.none=1", "sysctl: net.core.none: ")])
def test_a_start_that_fails_names_the_line_that_asked_for_it(bad, line, words):
    a = bad({"broken": "[Container]\nImage=%s\nNetwork=none\n%s\n[Install]\nWantedBy=default.target\n" % (BOX, line)})
    entry = a.wait_unit("systemd-broken", state="failed")
    expected = "/config/units/broken.container:%d: %s" % (4 + line.count("\n"), words)
    assert entry["detail"].startswith(expected), entry["detail"]


def test_error_in_a_running_unit_does_not_disturb_it(bad):
    a = bad({"edited": unit(BOX, LOOP)})
    before = a.wait_unit("systemd-edited", state="up")
    a.add_unit("edited", unit(BOX, LOOP + "DropCapabilty=ALL\n"))
    a.cleat("reload", check=False)
    entry = a.wait_unit("systemd-edited", state="invalid")
    assert entry["pid"] == before["pid"] and "DropCapabilty" in entry["detail"], entry
    readyz_names(a, "systemd-edited")
    a.add_unit("edited", unit(BOX, LOOP))
    a.cleat("reload")
    after = a.wait_unit("systemd-edited", state="up")
    assert after["pid"] == before["pid"], (before, after)
    assert a.http("/readyz")[0] == 200
