# SPDX-License-Identifier: Apache-2.0
"""Volumes through "cleat-runtime run": targets that hostile containers move (CVE-2021-30465, CVE-2023-27561), starts that are cut off while a
volume is filled, several first users at once, and idmapped mounts."""
import ctypes
import os
import signal
import stat
import subprocess
import threading

import pytest

from test_runtime import ROOT_OUTSIDE, Place, place  # noqa: F401 (a fixture)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="containers need root here")
libc = ctypes.CDLL(None, use_errno=True)
EXCHANGE = 2
SYS_renameat2 = {"x86_64": 316, "aarch64": 276}[os.uname().machine]


def make_volume(place, name):
    folder = place.data / "volumes" / name
    folder.mkdir(parents=True)
    os.chown(folder, ROOT_OUTSIDE, ROOT_OUTSIDE)
    return folder


def volume(place, name, target, *options):
    place.bind(place.data / "volumes" / name, target, "x-cleat-volume", *options)


def mount_points(text, source):
    """Where in a container's own tree something of that folder is mounted."""
    return [line.split()[4] for line in text.splitlines() if line.split()[3].endswith("/" + source)]


def own_mounts():
    """But for the namespaces with names of the tests beside this one."""
    with open("/proc/self/mountinfo") as f:
        return sorted(place for place in (line.split()[4] for line in f) if not place.startswith("/run/netns"))


@pytest.fixture
def shared(place):  # noqa: F811
    """A volume that a hostile container may write to, and a folder that the next one wants to have mounted in it."""
    folder = make_volume(place, "shared")
    (folder / "there").mkdir()
    marker = place.data / "marker-source"
    marker.mkdir()
    (marker / "marker").write_text("seen\n")
    (place.base / "srv").mkdir()
    outside = place.dir / "outside"
    outside.mkdir()
    volume(place, "shared", "/shared")
    return place, folder, marker, outside


@pytest.mark.parametrize("link", ["/srv", "../../../../../../../../srv", "/proc/1/root/srv", "OUTSIDE"])
def test_target_in_a_volume_that_leads_out_lands_inside(shared, link):
    place, folder, marker, outside = shared
    os.symlink(link.replace("OUTSIDE", str(outside)), folder / "t")
    place.bind(marker, "/shared/t")
    before = own_mounts()
    done = place.sh("cat /proc/self/mountinfo")
    if link.startswith("/proc"):  # nothing is resolved through the kernel's own links
        assert done.returncode != 0 and "/shared/t" in done.stderr, done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert mount_points(done.stdout, "marker-source") == [str(outside) if link == "OUTSIDE" else "/srv"]
    assert own_mounts() == before
    assert os.listdir(outside) == []


def swap(folder, stop):
    a, b = str(folder / "t").encode(), str(folder / "spare").encode()
    while not stop.is_set():
        libc.syscall(SYS_renameat2, -100, a, -100, b, EXCHANGE)


def test_target_that_is_exchanged_during_the_start_lands_inside(shared):
    place, folder, marker, outside = shared
    (folder / "t").mkdir()
    os.symlink(str(outside), folder / "spare")
    place.bind(marker, "/shared/t")
    before = own_mounts()
    stop = threading.Event()
    swapper = threading.Thread(target=swap, args=(folder, stop))
    swapper.start()
    places = set()
    try:
        for _ in range(40):
            done = place.sh("cat /proc/self/mountinfo")
            if done.returncode:
                # openat2 gives up when names change all the time: no start is better than a wrong one
                assert "/shared/t" in done.stderr, done.stderr
                continue
            found = mount_points(done.stdout, "marker-source")
            assert len(found) == 1 and found[0] in ("/shared/t", "/shared/spare", str(outside)), done.stdout
            places.add(found[0])
    finally:
        stop.set()
        swapper.join()
    assert places
    assert own_mounts() == before
    assert os.listdir(outside) == []


def test_source_in_a_volume_that_a_container_made_a_link_is_refused(place):  # noqa: F811
    folder = make_volume(place, "shared")
    os.symlink("/etc", folder / "sub")
    os.lchown(folder / "sub", ROOT_OUTSIDE, ROOT_OUTSIDE)
    place.bind(folder / "sub", "/in")
    done = place.sh("ls /in")
    assert done.returncode != 0 and "only those of the appliance's root are followed" in done.stderr, done.stderr


@pytest.fixture
def filled(place):  # noqa: F811
    """An image with 300 files where a volume is mounted."""
    top = place.base / "content"
    for i in range(30):
        (top / ("d%d" % i)).mkdir(parents=True)
        for k in range(10):
            (top / ("d%d" % i) / ("f%d" % k)).write_bytes(os.urandom(2000))
    for base, folders, files in os.walk(top):
        for name in [""] + folders + files:
            os.lchown(os.path.join(base, name), 1001, 1002)
    os.chmod(top, 0o2755)
    make_volume(place, "v")
    volume(place, "v", "/content", "x-cleat-copy")
    return place, top


def tree(top):
    found = {}
    for base, folders, files in os.walk(top):
        for name in ["."] * (base == str(top)) + folders + files:
            path = os.path.join(base, name)
            st = os.lstat(path)
            body = None
            if stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    body = f.read()
            found[os.path.relpath(path, top)] = (st.st_mode, st.st_uid, st.st_gid, body)
    return found


def test_starts_that_are_killed_leave_nothing_half(filled):
    place, top = filled
    wanted, folder = tree(top), place.data / "volumes" / "v"
    for i in range(25):
        bundle, run_id = place.bundle(["/bin/sh", "-c", "exec sleep 1000"])
        process = subprocess.Popen(place.command(bundle, run_id), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            process.wait(0.002 * i)
        except subprocess.TimeoutExpired:
            pass
        process.kill()
        process.wait()
        subprocess.run([place.command(bundle, run_id)[0], "teardown", run_id], check=True, timeout=60)
        # what is in the volume is right, as far as it came
        for name, what in tree(folder).items():
            if name != ".":
                assert wanted[name] == what, name
        if i % 3 == 2:
            assert place.sh("test -f /content/d29/f9 && test -f /content/d0/f0").returncode == 0
            assert tree(folder) == wanted
            assert sorted(os.listdir(place.data / "volumes" / ".cleat" / "v")) == ["lock", "state"]
            # anew: nothing is known of it
            for path in (folder, place.data / "volumes" / ".cleat" / "v"):
                subprocess.run(["rm", "-rf", str(path)], check=True)
            folder.mkdir()
            os.chown(folder, ROOT_OUTSIDE, ROOT_OUTSIDE)


def test_several_first_users_at_once_all_see_all(filled):
    place, top = filled
    wanted = str(sum(len(files) for _, _, files in os.walk(top)))
    started = []
    for _ in range(4):
        bundle, run_id = place.bundle(["/bin/sh", "-c", "find /content -type f | wc -l"])
        started.append(subprocess.Popen(place.command(bundle, run_id), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True))
    for process in started:
        text, _ = process.communicate(timeout=60)
        assert process.returncode == 0 and text.strip() == wanted, text
    assert tree(place.data / "volumes" / "v") == tree(top)


def test_content_that_finds_no_room_starts_nothing(filled):
    place, top = filled
    volumes = place.data / "volumes"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(volumes)], check=True)
    try:
        make_volume_again = volumes / "v"
        make_volume_again.mkdir()
        os.chown(make_volume_again, ROOT_OUTSIDE, ROOT_OUTSIDE)
        done = place.sh("true")
        assert done.returncode != 0 and "first use: /content" in done.stderr and "No space left" in done.stderr, done.stderr
        assert os.listdir(make_volume_again) == []
        subprocess.run(["mount", "-o", "remount,size=8m", str(volumes)], check=True)
        assert place.sh("test -f /content/d29/f9").returncode == 0
        assert tree(make_volume_again) == tree(top)
    finally:
        subprocess.run(["umount", str(volumes)], check=True)


def test_idmap_shows_root_on_disk_as_root_inside(place):  # noqa: F811
    folder = make_volume(place, "v")
    os.chown(folder, 0, 0)
    (folder / "old").write_text("x")
    volume(place, "v", "/v", "idmap")
    done = place.sh("stat -c %u /v/old && echo z > /v/roots")
    if done.returncode:  # some file systems, and hosts of unprivileged containers, do not allow it
        assert "leave out idmap" in done.stderr, done.stderr
        return
    assert done.stdout == "0\n"
    assert os.stat(folder / "roots").st_uid == 0


def test_idmapped_volumes_get_the_images_owners(place):  # noqa: F811
    top = place.base / "content"
    top.mkdir()
    (top / "roots").write_text("x")
    (top / "users").write_text("x")
    os.chown(top, ROOT_OUTSIDE, 7)
    os.chown(top / "roots", ROOT_OUTSIDE, ROOT_OUTSIDE)
    os.chown(top / "users", 1001, 1002)
    folder = make_volume(place, "v")
    volume(place, "v", "/content", "x-cleat-copy", "idmap")
    done = place.sh("stat -c %u:%g /content /content/roots /content/users")
    if done.returncode:
        assert "leave out idmap" in done.stderr, done.stderr
        return
    assert done.stdout.split() == ["0:7", "0:0", "1001:1002"]
    assert os.stat(folder / "roots").st_uid == 0 and os.stat(folder).st_gid == 7


def test_a_read_only_mount_can_be_given_to_its_user(place):  # noqa: F811
    folder = place.data / "given"
    (folder / "deep").mkdir(parents=True)
    place.config["annotations"]["org.cleat.user"] = "moe"
    place.bind(folder, "/g", "ro", "x-cleat-chown")
    done = place.sh("stat -c %u:%g /g /g/deep; touch /g/x")
    assert done.stdout.split() == ["1001:1002", "1001:1002"] and "Read-only file system" in done.stderr
