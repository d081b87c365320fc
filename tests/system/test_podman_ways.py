# SPDX-License-Identifier: Apache-2.0
"""What podman gives a container without being asked, looked at from inside: programs that come from there count on it."""
import pytest

from appliance import BUILD, IDLE, unit
from ociimage import busybox_of, write_box


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    made = {name: str(folder / (name + ".tar")) for name in ("box",)}
    write_box(made["box"], busybox_of(BUILD))
    return made


def start(boot, images, units):
    a = boot(units, images=(), start=False)
    for name, path in images.items():
        a.add_image(name, path)
    a.start()
    for name in units:
        a.wait_unit("systemd-" + name, state="up")
    return a


def script(container, image="box", **keywords):
    return unit("localhost/%s:latest" % image, "Exec=/bin/sh -c \"%s\"\n" % IDLE + container, **keywords)


def inside(a, name, text, *options):
    return a.cleat("exec", *options, name, "/bin/sh", "-c", text).strip()


def test_a_container_without_network_finds_itself(boot, images):
    a = start(boot, images, {"none": script("HostName=me.example\n")})
    assert "127.0.0.1\tme.example systemd-none" in inside(a, "none", "cat /etc/hosts").splitlines()


def test_whoever_runs_writes_to_run_of_a_read_only_root(boot, images):
    a = start(boot, images, {"user": script("ReadOnly=true\nUser=1001\n")})
    assert inside(a, "user", "for d in /run /tmp /var/tmp; do echo x >$d/pid && cat $d/pid; done") == "x\nx\nx"
