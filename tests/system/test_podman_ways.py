# SPDX-License-Identifier: Apache-2.0
"""What podman gives a container without being asked, looked at from inside: programs that come from there count on it."""
import pytest

from appliance import BUILD, IDLE, unit
from ociimage import busybox_of, write_box

BERLIN_IS_ELSEWHERE = {"mode": 0o644, "content": b"TZif: the image's own"}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """"box", and "zones", which has a zone of its own and a link to one that it lacks."""
    folder = tmp_path_factory.mktemp("images")
    made = {name: str(folder / (name + ".tar")) for name in ("box", "zones")}
    write_box(made["box"], busybox_of(BUILD))
    write_box(made["zones"], busybox_of(BUILD), name="localhost/zones:latest", extra=[
        ("usr", {}), ("usr/share", {}), ("usr/share/zoneinfo", {}), ("usr/share/zoneinfo/Europe", {}),
        ("usr/share/zoneinfo/Europe/Berlin", BERLIN_IS_ELSEWHERE), ("etc/localtime", {"link": "/usr/share/zoneinfo/Etc/UTC"})])
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


def test_a_zone_is_there_without_the_images_help(boot, images):
    a = start(boot, images, {
        "plain": script("Timezone=Europe/Berlin\nReadOnly=true\nUser=1001\n"),
        "own": script("Timezone=Europe/Berlin\n", image="zones"),
        "writes": script("Timezone=Europe/Berlin\n"),
        "fixed": script("Timezone=Europe/Berlin\nReadOnly=true\n", image="zones"),
        "covered": script("Timezone=Europe/Berlin\nTmpfs=/usr/share/zoneinfo\n")})
    for at, shown in ((1764000000, "17:00 CET"), (1750000000, "17:06 CEST")):
        show = "date -d @%d '+%%H:%%M %%Z'" % at
        assert inside(a, "plain", show) == shown
        assert inside(a, "plain", "unset TZ; " + show) == shown  # /etc/localtime, as with podman
        assert inside(a, "writes", show) == shown
        assert inside(a, "own", "unset TZ; " + show) == inside(a, "fixed", "unset TZ; " + show) == shown
    assert inside(a, "plain", "echo $TZ") == "Europe/Berlin"
    for name in ("own", "fixed"):
        assert inside(a, name, "cat /usr/share/zoneinfo/Europe/Berlin") == BERLIN_IS_ELSEWHERE["content"].decode()
    assert inside(a, "covered", "ls /usr/share/zoneinfo") == ""


def test_a_container_without_network_finds_itself(boot, images):
    a = start(boot, images, {"none": script("HostName=me.example\n")})
    assert "127.0.0.1\tme.example systemd-none" in inside(a, "none", "cat /etc/hosts").splitlines()


def test_whoever_runs_writes_to_run_of_a_read_only_root(boot, images):
    a = start(boot, images, {"user": script("ReadOnly=true\nUser=1001\n")})
    assert inside(a, "user", "for d in /run /tmp /var/tmp; do echo x >$d/pid && cat $d/pid; done") == "x\nx\nx"
