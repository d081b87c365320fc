# SPDX-License-Identifier: Apache-2.0
"""What an attacker inside a container, or one who owns part of a volume, tries: each test is an attack that must fail."""
import ctypes
import os
import subprocess

import pytest

from test_runtime import ROOT_OUTSIDE, place  # noqa: F401  (place is a fixture)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="containers need root here")

USER = 1001
KEYCTL_JOIN_SESSION_KEYRING = 1
SYS_KEYCTL, SYS_ADD_KEY = {"x86_64": (250, 248), "aarch64": (219, 217)}[os.uname().machine]
KEY_SPEC_SESSION_KEYRING = -3


def owned(path, uid=USER):
    os.lchown(path, uid, uid)
    return path


@pytest.fixture
def volume(place):  # noqa: F811
    """DATA/home/moe, which belongs to the container's user, beside something that is none of its business."""
    (place.data / "home" / "moe").mkdir(parents=True)
    owned(place.data / "home" / "moe")
    (place.data / "store").mkdir()
    (place.data / "store" / "secret").write_text("secret")
    return place.data / "home" / "moe"


# --- volumes ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["the source", "a directory above the source"])
def test_a_link_that_a_container_made_does_not_choose_the_next_mount(place, volume, where):  # noqa: F811
    if where == "the source":
        os.symlink("../../store", volume / "logs")
        owned(volume / "logs")
        source = volume / "logs"
    else:
        os.symlink("../..", volume / "up")
        owned(volume / "up")
        source = volume / "up" / "store"
    place.bind(source, "/v", "rw")
    done = place.sh("cat /v/secret")
    assert done.returncode == 125, done.stdout
    assert "is a link that belongs to user %d" % USER in done.stderr


def test_a_link_that_a_container_made_does_not_choose_where_directories_are_made(place, volume):  # noqa: F811
    os.symlink("../../store", volume / "logs")
    owned(volume / "logs")
    os.symlink("../../store/dangling", volume / "gone")
    owned(volume / "gone")
    place.config["annotations"]["org.cleat.user"] = "moe"
    for name in ("logs/app", "gone", "gone/app"):
        del place.config["mounts"][8:]
        place.bind(volume / name, "/v", "rw", "x-cleat-make")
        assert place.sh("true").returncode == 125
    assert os.listdir(place.data / "store") == ["secret"]


def test_links_of_the_appliances_root_are_followed_within_the_data_directory(place, volume):  # noqa: F811
    (place.data / "disk2").mkdir()
    os.symlink("./../disk2/moe", place.data / "home" / "link")
    os.symlink("../home/./link/../moe", place.data / "disk2" / "again")
    place.bind(place.data / "home" / "link" / "logs", "/v", "rw", "x-cleat-make")
    place.config["annotations"]["org.cleat.user"] = "moe"
    place.out("echo mark > /v/file")
    assert (place.data / "disk2" / "moe" / "logs" / "file").read_text() == "mark\n"
    os.symlink("loop", place.data / "loop")
    place.bind(place.data / "loop", "/w")
    done = place.sh("true")
    assert done.returncode == 125
    assert "/w: source %s/loop: loop: " % place.data in done.stderr


def test_a_guessed_temporary_directory_is_not_handed_over(place, volume):  # noqa: F811
    """Whoever owns the parent of a volume may rename what others have in it, but must not be given it."""
    (volume / "precious").mkdir()
    (volume / "precious" / "file").write_text("of root")
    place.bind(volume / "new", "/v", "x-cleat-make")
    place.config["annotations"]["org.cleat.user"] = "moe"
    bundle, run_id = place.bundle(["/bin/true"])
    process = subprocess.Popen(place.command(bundle, run_id), stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: os.rename(volume / "precious", volume / (".cleat-new-%d" % os.getpid())))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 125 and "mkdir" in errors
    assert (volume / (".cleat-new-%d" % process.pid)).stat().st_uid == 0


# --- the image store ----------------------------------------------------------------------------------------------------------


def test_a_container_that_may_mount_cannot_write_to_its_layers(place):  # noqa: F811
    """The store's files belong to the number that root in every container has."""
    for set_name in ("bounding", "permitted", "effective"):
        place.config["process"]["capabilities"][set_name] = ["CAP_SYS_ADMIN"]
    for name in ("dev/pts", "dev/shm", "dev/mqueue", "sys/fs/cgroup"):
        (place.base / name).mkdir(parents=True)
        os.chown(place.base / name, ROOT_OUTSIDE, ROOT_OUTSIDE)
    done = place.sh("mount -o remount,rw,bind / 2>&1; mount -o remount,rw / 2>&1; echo evil > /etc/evil")
    assert done.returncode != 0
    assert not (place.base / "etc" / "evil").exists()


# --- the kernel's keys --------------------------------------------------------------------------------------------------------


def give_session_key():
    """In a child: a session keyring as a login has it, with a key that belongs to a user whom the container has too."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.syscall(SYS_KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, None) >= 0
    libc.setfsuid(USER)
    assert libc.syscall(SYS_ADD_KEY, b"user", b"cleat-test-mark", b"secret", 6, KEY_SPEC_SESSION_KEYRING) >= 0
    libc.setfsuid(0)


def test_the_session_keyring_of_whoever_started_us_is_not_inherited(place):  # noqa: F811
    place.config["linux"]["maskedPaths"] = []
    outside = subprocess.run(["cat", "/proc/keys"], preexec_fn=give_session_key, stdout=subprocess.PIPE, text=True, check=True)
    assert "cleat-test-mark" in outside.stdout, "the test does not test anything"
    assert "cleat-test-mark" not in place.out("cat /proc/keys", preexec_fn=give_session_key)


# --- seccomp ------------------------------------------------------------------------------------------------------------------


def test_a_bundle_cannot_put_its_filter_into_the_cache_under_anothers_number(place):  # noqa: F811
    number = "ab" * 32
    place.config["annotations"]["org.cleat.seccomp"] = number
    place.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    done = place.sh("true")
    assert done.returncode == 125
    assert "org.cleat.seccomp is not the profile's sha256" in done.stderr
    assert not (place.dir / "cache" / ("seccomp-%s.bpf" % number)).exists()
    place.config["annotations"]["org.cleat.seccomp"] = done.stderr.rsplit("(", 1)[1].split(")")[0]
    assert place.sh("true").returncode == 0
