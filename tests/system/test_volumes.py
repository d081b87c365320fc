# SPDX-License-Identifier: Apache-2.0
"""Named volumes, .volume units and mount options, in a booted appliance: what an image puts into them, whose they are, what lasts."""
import io
import json
import os
import shutil
import stat
import struct
import subprocess
import tarfile

import pytest

from appliance import BUILD, IDLE, Appliance, unit, wait_for
from lxc import FIRST_ID, LXC_CONFIG
from ociimage import busybox_of, write_box

BOX = "localhost/box:latest"
ROOT = 65000  # root of containers, on disk
SRV = [("srv", {}), ("srv/app", {"uid": 1001, "gid": 2002, "mode": 0o750}),
       ("srv/app/page", {"content": b"from the image\n", "uid": 1001, "gid": 1001, "mode": 0o640}),
       ("srv/app/sub", {"uid": 7, "gid": 8, "mode": 0o1770}),
       ("srv/app/sub/tool", {"content": b"#!/bin/sh\n", "uid": 0, "gid": 0, "mode": 0o4755}),
       ("srv/app/link", {"link": "/etc/passwd"}),
       ("srv/empty", {"uid": 1001, "gid": 1001, "mode": 0o700})]


def script(text, container="", **keywords):
    return unit(BOX, container + 'Exec=/bin/sh -c "%s"\n' % text.replace("\\", "\\\\").replace('"', '\\"'), **keywords)


def once(text, container="", **keywords):
    """A unit that does one thing and stays until it is stopped."""
    return script(text + "; echo done; " + IDLE, container, **keywords)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("box") / "box.tar")
    write_box(path, busybox_of(BUILD), extra=SRV)
    return path


UNITS = {
    "first.container": once("cat /srv/app/page; echo mine > /srv/app/mine", "Volume=first:/srv/app\n"),
    "second.container": once("cat /v/page /v/mine", "Volume=first:/v\n", install=False),
    "owner.container": once("echo x > /new/x", "Volume=owned:/new\nUser=app\n"),
    "empty.container": once("id", "Volume=empty:/srv/empty\n"),
    "nocopy.container": once("ls /srv/app", "Volume=bare:/srv/app:nocopy\n"),
    "named.container": once("ls /srv/app; echo x > /srv/app/x", "Volume=named.volume:/srv/app\nReadOnly=true\n"),
    "named.volume": "[Volume]\nVolumeName=shop\nUser=1001\nGroup=2002\nLabel=backup=daily\n",
    "plain.volume": "[Volume]\nCopy=false\n",
    "plain.container": once("ls /srv/app", "Volume=plain.volume:/srv/app\n"),
    "memory.volume": "[Volume]\nType=tmpfs\nDevice=tmpfs\nOptions=size=2m,mode=0750,noexec\nUser=1001\n",
    "memory.container": once("cat /srv/app/page; grep /srv/app /proc/mounts", "Volume=memory.volume:/srv/app\n"),
    "other.volume": "[Volume]\nType=none\nDevice=/data/home/elsewhere\nOptions=bind,ro\n",
    "other.container": once("echo x > /o/x; cat /o/there", "Volume=other.volume:/o\n"),
    "nameless.container": once("cat /srv/app/page; echo y > /new/y && ls -ln /new",
                               "Volume=/srv/app\nVolume=/new\nUser=app\nReadOnly=true\n"),
    "sub.container": once("ls /s", "Mount=type=volume,src=filled,dst=/s,subpath=a/b,ro=true\n"),
    "given.container": once("ls -ln /g", "Volume=%h/given:/g:U\nUser=app\n"),
    "scratch.container": once("ls -lnd /t", "Mount=type=tmpfs,dst=/t,U=true,tmpfs-size=1m,tmpfs-mode=0700\nUser=app\n"),
}


@pytest.fixture(scope="module")
def shared(image, tmp_path_factory):
    a = Appliance(tmp_path_factory.mktemp("volumes"), images=(), units=UNITS)
    a.add_image("box", image)
    os.makedirs(os.path.join(a.data, "home", "elsewhere"))
    with open(os.path.join(a.data, "home", "elsewhere", "there"), "w") as f:
        f.write("elsewhere\n")
    os.makedirs(os.path.join(a.data, "volumes", "filled", "a", "b", "inner"))
    given = os.path.join(a.data, "home", "given")
    os.makedirs(os.path.join(given, "deep"))
    os.symlink("/data/home/elsewhere/there", os.path.join(given, "deep", "link"))
    a.start()
    try:
        yield a
    finally:
        a.close()


def output(a, name):
    a.wait_unit("systemd-" + name, state="up")
    return wait_for("output of " + name, lambda: "done\n" in a.cleat("logs", name) and a.cleat("logs", name))


def on_disk(a, path):
    st = os.lstat(os.path.join(a.data, "volumes", path))
    return stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid


def test_first_use_copies_content_owners_and_modes(shared):
    assert "from the image\n" in output(shared, "first")
    assert on_disk(shared, "first") == (0o750, 1001, 2002)
    assert on_disk(shared, "first/page") == (0o640, 1001, 1001)
    assert on_disk(shared, "first/sub") == (0o1770, 7, 8)
    assert on_disk(shared, "first/sub/tool") == (0o4755, ROOT, ROOT)
    assert os.readlink(os.path.join(shared.data, "volumes/first/link")) == "/etc/passwd"
    assert sorted(os.listdir(os.path.join(shared.data, "volumes/.cleat/first"))) == ["lock", "record.json", "state"]


def test_what_a_container_wrote_survives_and_is_never_copied_over(shared):
    output(shared, "first")
    page = os.path.join(shared.data, "volumes/first/page")
    with open(page, "w") as f:
        f.write("changed\n")
    os.remove(os.path.join(shared.data, "volumes/first/sub/tool"))
    shared.cleat("restart", "first")
    assert "changed\n" in output(shared, "first")
    assert not os.path.exists(os.path.join(shared.data, "volumes/first/sub/tool"))
    shared.cleat("start", "second")
    assert "changed\nmine\n" in output(shared, "second")
    # emptied on purpose, it stays so
    shared.cleat("stop", "second", "first")
    folder = os.path.join(shared.data, "volumes/first")
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.remove(path)
    shared.cleat("start", "first")
    output(shared, "first")
    assert os.listdir(folder) == ["mine"]


def test_a_mount_point_that_the_image_lacks_is_the_users(shared):
    output(shared, "owner")
    assert on_disk(shared, "owned") == (0o755, 1001, 1001)


def test_an_empty_folder_of_the_image_gives_its_owner_once(shared):
    output(shared, "empty")
    folder = os.path.join(shared.data, "volumes/empty")
    assert on_disk(shared, "empty") == (0o700, 1001, 1001)
    os.chown(folder, 5, 6)
    shared.cleat("restart", "empty")
    output(shared, "empty")
    assert on_disk(shared, "empty") == (0o700, 5, 6)


def test_nocopy(shared):
    assert "page" not in output(shared, "nocopy")
    assert "page" not in output(shared, "plain")


def test_a_volume_unit_names_and_owns_its_volume(shared):
    assert "page" in output(shared, "named")
    assert on_disk(shared, "shop") == (0o755, 1001, 2002)
    assert not os.path.exists(os.path.join(shared.data, "volumes/systemd-named"))


def test_a_tmpfs_volume(shared):
    text = output(shared, "memory")
    assert "from the image\n" in text
    options = text.split("/srv/app tmpfs ", 1)[1].split(" ", 1)[0].split(",")
    assert {"noexec", "nosuid", "nodev", "size=2048k", "mode=750", "uid=1001"} <= set(options), options
    assert not os.path.exists(os.path.join(shared.data, "volumes/systemd-memory"))


def test_a_folder_under_another_name(shared):
    text = output(shared, "other")
    assert "Read-only file system" in text and "elsewhere\n" in text


def test_a_volume_without_a_name_is_scratch_space(shared):
    text = output(shared, "nameless")
    assert "from the image\n" in text
    assert " 1001 " in text and " y\n" in text


def test_a_part_of_a_volume(shared):
    assert "inner\n" in output(shared, "sub")


def test_everything_is_given_to_the_user(shared):
    output(shared, "given")
    given = os.path.join(shared.data, "home/given")
    for path in (given, given + "/deep", given + "/deep/link"):
        assert os.lstat(path).st_uid == 1001, path
    assert os.lstat(os.path.join(shared.data, "home/elsewhere/there")).st_uid == 0
    assert "drwx------" in output(shared, "scratch") and " 1001 " in output(shared, "scratch")


def test_without_a_writable_data_nothing_starts_that_would_be_lost(boot, image):
    text = once("id", "Volume=kept:/srv/app\n")
    a = boot(units={"kept.container": text, "memory.volume": UNITS["memory.volume"], "memory.container": UNITS["memory.container"]},
             images=(), start=False)
    a.add_image("box", image)
    holder = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "sh", "-ec",
                               "mount --make-rprivate /; mount -t tmpfs -o size=64m data %s; echo ready; exec sleep 1000" % a.data],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "ready\n"
        a.wrap = ["nsenter", "-t", str(holder.pid), "-m"]
        a.start()
        a.wait_unit("systemd-kept", state="up")
        assert a.stop() == 0, a.console()
        subprocess.run(a.wrap + ["mount", "-o", "remount,ro", a.data], check=True)
        a.start()
        entry = a.wait_unit("systemd-kept", state="failed")
        assert "volume kept: /data cannot be written, so nothing would be kept" in entry["detail"], entry
        a.wait_unit("systemd-memory", state="up")
        assert "kept" in a.inside("/usr/bin/cleat", "volume", "ls")
        assert "Read-only" in a.inside("/usr/bin/cleat", "volume", "create", "x", check=False).stdout
        assert a.stop() == 0, a.console()
    finally:
        a.close()
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_problems_of_volumes_are_named(boot, image):
    """A unit whose volume unit has errors would mount something else: it does not start, and says why."""
    a = boot(units={
        "bad.volume": "[Volume]\nType=nfs\nDevice=host:/x\n",
        "user.container": once("id", "Volume=bad.volume:/srv/app\n"),
        "both.volume": "[Volume]\nType=tmpfs\nDevice=tmpfs\n",
        "one.container": once("id", "Volume=both.volume:/srv/app\n"),
        "two.container": once("id", "Volume=both.volume:/srv/app\n"),
        "gone.container": once("id", "Mount=type=volume,src=filled,dst=/s,subpath=no/where\n"),
    }, images=(), start=False)
    a.add_image("box", image)
    a.start()
    assert "bad.volume has errors" in a.wait_unit("user.container", state="invalid")["detail"]
    assert "type=nfs is not supported" in a.wait_unit("bad.volume", state="invalid")["detail"]
    assert "is a tmpfs, which every container has for itself" in a.wait_unit("systemd-one", state="failed")["detail"]
    entry = a.wait_unit("systemd-gone", state="failed")
    assert "/data/volumes/filled/no/where" in entry["detail"], entry
    text = a.inside("/usr/bin/cleat", "check", check=False).stdout
    assert "/config/units/bad.volume:2:" in text and "type=nfs is not supported" in text, text


@pytest.mark.skipif(not os.path.isdir(LXC_CONFIG) or not shutil.which("lxc-start"), reason="lxc is not installed")
def test_in_an_unprivileged_lxc_container(boot_lxc, image):
    """The same ids on /data, as the container sees it; its host alone may map those of its disk."""
    c = boot_lxc(units={"first.container": once("cat /srv/app/page", "Volume=first:/srv/app\n"),
                        "map.container": once("id", "Volume=mapped:/srv/app:idmap\n"),
                        "given.container": once("ls -ln /g", "Volume=%h/given:/g:U\nUser=app\n")}, start=False)
    c.add_image("box", image)
    c.start()
    assert "from the image\n" in output(c, "first")
    c.wait_unit("systemd-given", state="up")
    assert "leave out idmap" in c.wait_unit("systemd-map", state="failed")["detail"]
    assert on_disk(c, "first/page") == (0o640, FIRST_ID + 1001, FIRST_ID + 1001)
    assert on_disk(c, "first/sub/tool")[1:] == (FIRST_ID + ROOT, FIRST_ID + ROOT)
    c.shell("cleat volume create t && cleat volume export -o /data/x.tar first && cleat volume import t /data/x.tar")
    assert describe(os.path.join(c.data, "volumes/t")) == describe(os.path.join(c.data, "volumes/first"))


# --- the command line ---------------------------------------------------------------------------------------------------------


def volume(a, *args, ok=True):
    done = a.inside("/usr/bin/cleat", "volume", *args, check=False)
    assert (done.returncode == 0) == ok, (args, done.stdout)
    return done.stdout


def test_create_list_inspect(shared):
    assert volume(shared, "create", "-l", "tier=gold", "-l", "b", "--uid", "33", "made") == "made\n"
    assert on_disk(shared, "made") == (0o755, 33, ROOT)
    assert "is there already" in volume(shared, "create", "made", ok=False)
    assert volume(shared, "create", "--ignore", "made") == "made\n"
    assert "no name for a volume" in volume(shared, "create", "../x", ok=False)
    assert "no option of a volume" in volume(shared, "create", "-o", "o=vers=4", "x", ok=False)
    assert "type=nfs is not supported" in volume(shared, "create", "-o", "type=nfs", "-o", "device=h:/x", "x", ok=False)
    name = volume(shared, "create").strip()
    assert len(name) == 64 and os.path.isdir(os.path.join(shared.data, "volumes", name))
    table = volume(shared, "ls").splitlines()
    assert table[0].split() == ["DRIVER", "VOLUME", "NAME"]
    assert "local   made" in table and "local   filled" in table  # filled: a folder put there by hand
    assert set(volume(shared, "ls", "-q").split()) == {line.split()[1] for line in table[1:]}
    one = json.loads(volume(shared, "inspect", "made"))[0]
    assert one["Labels"] == {"tier": "gold", "b": ""} and one["UID"] == 33 and one["Driver"] == "local"
    assert one["Mountpoint"] == "/data/volumes/made" and one["CreatedAt"].startswith("20")
    names = [v["Name"] for v in json.loads(volume(shared, "ls", "--format", "json"))]
    assert names == sorted(names) and "made" in names and ".cleat" not in names
    assert "no volume nowhere" in volume(shared, "inspect", "nowhere", ok=False)
    assert volume(shared, "rm", "made", name) == "made\n%s\n" % name
    assert not os.path.exists(os.path.join(shared.data, "volumes/made"))
    assert not os.path.exists(os.path.join(shared.data, "volumes/.cleat/made"))


def test_rm_and_prune_keep_what_is_used(shared):
    output(shared, "owner")
    text = volume(shared, "rm", "owned", ok=False)
    assert "used by container systemd-owner, owner.container: stop it first" in text
    assert "stop it first" in volume(shared, "rm", "-f", "owned", ok=False)
    shared.cleat("stop", "owner")
    assert "used by owner.container: -f removes it" in volume(shared, "rm", "owned", ok=False)
    assert volume(shared, "rm", "-f", "owned") == "owned\n"
    assert volume(shared, "rm", "-f", "owned") == ""
    assert "no volume owned" in volume(shared, "rm", "owned", ok=False)
    shared.cleat("start", "owner")
    output(shared, "owner")
    assert os.path.exists(os.path.join(shared.data, "volumes/owned/x"))
    volume(shared, "create", "forlorn")
    before = set(volume(shared, "ls", "-q").split())
    assert "nobody to ask" in volume(shared, "prune", ok=False)
    assert volume(shared, "prune", "-f").split() == ["forlorn"]
    assert set(volume(shared, "ls", "-q").split()) == before - {"forlorn"}
    shared.add_unit("broken", "[Container]\nImage=x\nNope=1\n")
    volume(shared, "create", "forlorn")
    assert "broken.container has errors" in volume(shared, "prune", "-f", ok=False)
    os.remove(os.path.join(shared.config, "units", "broken.container"))
    volume(shared, "rm", "forlorn")


def make_content(folder):
    with open(os.path.join(folder, "file"), "w") as f:
        f.write("text\n")
    os.chown(os.path.join(folder, "file"), 1001, ROOT)
    os.chmod(os.path.join(folder, "file"), 0o4751)
    os.utime(os.path.join(folder, "file"), ns=(0, 1234567890123456789))
    os.setxattr(os.path.join(folder, "file"), "user.color", b"blue\0green")
    os.setxattr(os.path.join(folder, "file"), "security.capability",  # v3: cap_net_bind_service=ep of the container's root
                struct.pack("<IIIIII", 0x03000001, 1 << 10, 0, 0, 0, ROOT))
    os.link(os.path.join(folder, "file"), os.path.join(folder, "again"))
    os.symlink("/etc/shadow", os.path.join(folder, "link"))
    os.lchown(os.path.join(folder, "link"), 7, 8)
    os.mkfifo(os.path.join(folder, "pipe"), 0o640)
    os.chmod(os.path.join(folder, "pipe"), 0o640)
    os.mkdir(os.path.join(folder, "deep"), 0o700)
    with open(os.path.join(folder, "deep", ".wh.name"), "wb") as f:  # means something in a layer only
        f.write(b"x")
    with open(os.path.join(folder, "sparse"), "wb") as f:
        f.truncate(1 << 30)
        f.seek(1 << 29)
        f.write(b"island")
    with open(os.path.join(folder, "hole"), "wb") as f:
        f.truncate(1 << 26)
    with open(os.path.join(folder, "n" * 200), "wb") as f:
        f.write(b"long")
    os.makedirs(os.path.join(folder, "d" * 150, "e" * 150))
    with open(os.path.join(folder, "grün".encode().decode()), "wb") as f:
        f.write(b"name")
    for base, folders, files in os.walk(folder):
        for name in [""] + folders + files:
            path = os.path.join(base, name)
            if os.lstat(path).st_uid == 0:
                os.lchown(path, ROOT, ROOT)
    os.setxattr(os.path.join(folder, "file"), "security.capability", struct.pack("<IIIIII", 0x03000001, 1 << 10, 0, 0, 0, ROOT))
    os.chmod(os.path.join(folder, "file"), 0o4751)


def describe(folder):
    found = {}
    for base, folders, files in os.walk(folder):
        for name in ["."] * (base == folder) + folders + files:
            path = os.path.join(base, name)
            st = os.lstat(path)
            attributes = {n: os.getxattr(path, n, follow_symlinks=False) for n in os.listxattr(path, follow_symlinks=False)}
            body = None
            if stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    f.seek(max(0, st.st_size - (1 << 29) - 4096))
                    body = f.read(8192)
            found[os.path.relpath(path, folder)] = (
                st.st_mode, st.st_uid, st.st_gid, st.st_size if body is not None else 0, st.st_nlink if body is not None else 0,
                st.st_mtime_ns, attributes, body, os.readlink(path) if stat.S_ISLNK(st.st_mode) else None)
    return found


def test_export_and_import_keep_everything(shared, tmp_path):
    volume(shared, "create", "from")
    folder = os.path.join(shared.data, "volumes/from")
    make_content(folder)
    os.chown(folder, 5, 6)
    os.chmod(folder, 0o2771)
    before = describe(folder)
    volume(shared, "export", "-o", "/data/out.tar", "from")
    archive = os.path.join(shared.data, "out.tar")
    assert os.path.getsize(archive) < 1 << 20  # holes take no room
    with tarfile.open(archive) as tar:
        member = tar.getmember("file" if "file" in tar.getnames() else "again")
        assert (member.uid, member.gid, member.mode) == (1001, 0, 0o4751)  # as the container sees them
    volume(shared, "create", "to")
    volume(shared, "import", "to", "/data/out.tar")
    assert describe(os.path.join(shared.data, "volumes/to")) == before
    assert os.lstat(os.path.join(shared.data, "volumes/to/sparse")).st_blocks < 1000
    # the same bytes again: names are sorted
    volume(shared, "export", "-o", "/data/again.tar", "to")
    with open(archive, "rb") as a, open(os.path.join(shared.data, "again.tar"), "rb") as b:
        assert a.read() == b.read()
    assert "not empty" in volume(shared, "import", "to", "/data/out.tar", ok=False)
    volume(shared, "import", "--replace", "to", "/data/out.tar")
    assert describe(os.path.join(shared.data, "volumes/to")) == before
    # tar(1) reads it, and what it writes can be read
    plain = tmp_path / "plain"
    plain.mkdir()
    subprocess.run(["tar", "-xpf", archive, "-C", str(plain), "--numeric-owner"], check=True)
    assert (plain / "again").stat().st_nlink == 2 and (plain / "sparse").stat().st_size == 1 << 30
    subprocess.run(["tar", "-czf", os.path.join(shared.data, "foreign.tar.gz"), "-C", str(plain), "deep", "file"], check=True)
    volume(shared, "import", "--replace", "to", "/data/foreign.tar.gz")
    assert sorted(os.listdir(os.path.join(shared.data, "volumes/to"))) == ["deep", "file"]
    assert on_disk(shared, "to")[1:] == (5, 6)  # no word of the top folder: it stays the volume's
    volume(shared, "rm", "from", "to")


def hostile(name):
    def add(tar, member, kind=tarfile.REGTYPE, data=b"x", **fields):
        info = tarfile.TarInfo(member)
        info.type = kind
        info.size = len(data) if kind == tarfile.REGTYPE else 0
        for key, value in fields.items():
            setattr(info, key, value)
        tar.addfile(info, io.BytesIO(data) if info.size else None)

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        add(tar, "first")
        if name == "climb":
            add(tar, "a/../../out")
        elif name == "link":
            add(tar, "l", tarfile.SYMTYPE, linkname="/data/volumes")
            add(tar, "l/out")
        elif name == "hardlink":
            add(tar, "h", tarfile.LNKTYPE, linkname="../filled/a")
        elif name == "owner":
            add(tar, "o", uid=65001)
        elif name == "top":
            add(tar, ".", tarfile.SYMTYPE, linkname="/data")
        elif name == "torn":
            add(tar, "long", data=b"y" * 100000)
    data = out.getvalue()
    return data[:20000] if name == "torn" else data


@pytest.mark.parametrize("name, words", [
    ("climb", "climbs out"), ("link", "parent is a link"), ("hardlink", "climbs out"), ("owner", "65001 has no place"),
    ("top", "can only be a folder"), ("torn", "orn")])
def test_hostile_archives_change_nothing(shared, name, words):
    volume(shared, "create", "target")
    with open(os.path.join(shared.data, "volumes/target/mine"), "w") as f:
        f.write("mine\n")
    with open(os.path.join(shared.data, "bad.tar"), "wb") as f:
        f.write(hostile(name))
    before = set(os.listdir(os.path.join(shared.data, "volumes")))
    text = volume(shared, "import", "--replace", "target", "/data/bad.tar", ok=False)
    assert "volume target: " in text and words in text, text
    assert set(os.listdir(os.path.join(shared.data, "volumes"))) == before
    assert os.listdir(os.path.join(shared.data, "volumes/target")) == ["mine"]
    assert sorted(os.listdir(os.path.join(shared.data, "volumes/.cleat/target"))) == ["lock", "record.json"]
    volume(shared, "rm", "target")


def test_a_running_volume_is_not_replaced(shared):
    output(shared, "owner")
    with open(os.path.join(shared.data, "good.tar"), "wb") as f:
        f.write(hostile("none"))
    assert "stop it first" in volume(shared, "import", "--replace", "owned", "/data/good.tar", ok=False)
