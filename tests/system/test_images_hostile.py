# SPDX-License-Identifier: Apache-2.0
"""Imports among enemies: attacks by layers, what the confined workers may do, crashes at any instant, full and read-only disks, other
writers, hosts that withhold what is needed."""
import fcntl
import json
import os
import signal
import subprocess

import pytest

from importplace import (BIG_DATA, CLEAT, FETCH_ID, HELLO, ROOT_ID, Answer, Image, Place, fixture_place, folder, hardlink,  # noqa: F401 (a fixture)
                         lgetxattr, libc, member, symlink, tar_of, wait_until)
from ociimage import digest


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
        assert process.wait(60) == 0
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
        assert process.wait(60) == 0
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
    text = answer.of("localhost/app:1")["text"]
    assert "unpacks to more than there is room for: 2 MiB are free below %s (16 MiB stay reserved): make room there" % small_disk.store in text, text
    assert "--max-bytes" not in text


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
