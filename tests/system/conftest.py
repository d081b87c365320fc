# SPDX-License-Identifier: Apache-2.0
import contextlib
import fcntl
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from appliance import BUILD, Appliance  # noqa: E402
from lxc import Lxc  # noqa: E402
from ociimage import busybox_of, write_box  # noqa: E402


@pytest.fixture
def boot(tmp_path):
    """boot(units={...}, ...) gives a running appliance; every one is taken down when the test ends."""
    with contextlib.ExitStack() as made:
        numbers = iter(range(1000))

        def make(*args, start=True, **keywords):
            directory = tmp_path / ("appliance%d" % next(numbers))
            directory.mkdir()
            appliance = Appliance(directory, *args, **keywords)
            made.callback(appliance.close)
            return appliance.start() if start else appliance

        yield make


@pytest.fixture
def boot_lxc():
    """boot_lxc(units={...}, ...) gives a running LXC container; every one is removed when the test ends."""
    with contextlib.ExitStack() as made:

        def make(*args, start=True, **keywords):
            container = Lxc(*args, **keywords)
            made.callback(container.close)
            container.create()
            return container.start() if start else container

        yield make


@pytest.fixture(scope="session")
def box_image(tmp_path_factory):
    """Path of an archive of localhost/box:latest, a root with busybox and the users root and app (1001)."""
    path = str(tmp_path_factory.mktemp("box") / "box.tar")
    write_box(path, busybox_of(BUILD))
    return path


def filter_program(tmp_path_factory, name):
    """Words before a command: a program of this folder that loads a seccomp filter and runs the rest."""
    program = str(tmp_path_factory.mktemp("filter") / name)
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".c")
    subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program, source], check=True)
    return [program]


@pytest.fixture(scope="session")
def withhold(tmp_path_factory):
    """withhold + ["CALL=WHAT", "--"]: a host that withholds system calls."""
    return filter_program(tmp_path_factory, "withhold")


@pytest.fixture(scope="session")
def without_netfilter(tmp_path_factory):
    """A command and its descendants believe in a kernel without netfilter."""
    return filter_program(tmp_path_factory, "without_netfilter")


@pytest.fixture(scope="session", autouse=True)
def no_cgroups_left():
    """Tests that run cleat-runtime on this machine itself make the upper cgroups of its tree: they go with the last session of those that are under
    way, if it has not found them. Between two containers of another one they are empty, too."""
    groups = [os.path.join(base, group) for base in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
              for group in ("cleat/c", "cleat/shims", "cleat/work", "cleat")]
    ours = [group for group in groups if not os.path.exists(group)]
    with open_folder("/sys/fs/cgroup") as under_way:
        fcntl.flock(under_way, fcntl.LOCK_SH)
        yield
        try:
            fcntl.flock(under_way, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        remove_folders(ours)


@contextlib.contextmanager
def open_folder(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def remove_folders(folders):
    for group in folders:
        try:
            os.rmdir(group)
        except OSError:
            pass  # not made, or another session's containers live in it
