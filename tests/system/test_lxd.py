# SPDX-License-Identifier: Apache-2.0
"""The artefacts of "make lxc" under a real LXD (or Incus): import in both forms, launch, keys, restart, stop in order, copy, publish."""
import os
import re
import shutil

import pytest

from appliance import IDLE, unit, wait_for
from isolation import EXAMPLE
from lxc import artefact
from lxd import Lxd, LxdContainer, installed

pytestmark = pytest.mark.skipif(not installed(), reason="neither lxd nor incus is installed")


def web(mark):
    return unit("localhost/box:latest", 'Exec=/bin/sh -c "%s"\nEnvironment=MARK=%s\n' % (IDLE, mark))


@pytest.fixture(name="server", scope="module")
def fixture_server():
    server = Lxd()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(name="images", scope="module")
def fixture_images(server):
    """Aliases of what make lxc wrote, by form."""
    server.run("image", "import", artefact("incus-unified.tar.xz"), "--alias", "unified")
    server.run("image", "import", artefact("incus.tar.xz"), artefact("tar.xz"), "--alias", "split")
    return ("unified", "split")


@pytest.fixture(name="example")
def fixture_example(server, images):
    made = []

    def make(image="unified", **keywords):
        c = LxdContainer(server)
        shutil.copytree(EXAMPLE, c.config, dirs_exist_ok=True)
        made.append(c)
        return c.launch(image, **keywords)

    yield make
    for c in made:
        server.run("delete", "-f", c.name, check=False)


def test_image_says_what_it_is(server, images):
    for alias in images:
        text = server.run("image", "info", alias)
        assert re.search(r"^\s*os: Cleat$", text, re.M) and re.search(r"^\s*requirements.nesting: \"?true\"?$", text, re.M), text
        assert re.search(r"^Architecture: (x86_64|aarch64)$", text, re.M), text


@pytest.mark.parametrize("form", ["unified", "split"])
def test_example_becomes_healthy(example, form):
    c = example(form)
    c.wait_unit("moe-orchestrator", health="healthy")
    assert c.status()["hostname"] == c.name
    assert c.shell("cat /etc/hostname").strip() == c.name  # a template of the image
    assert c.shell("id -u; command -v cleat").split() == ["0", "/usr/bin/cleat"]
    assert re.search(r"^moe-orchestrator +up +healthy", c.shell("cleat ps"), re.M)


def test_stop_is_in_order_and_restart_comes_back(server, example):
    c = example()
    c.wait_unit("moe-orchestrator", health="healthy")
    before = c.init_pid()
    server.run("restart", c.name)
    wait_for("another PID 1", lambda: c.init_pid() not in (0, before))
    c.wait_unit("moe-orchestrator", health="healthy")
    server.run("stop", c.name)  # no --force: an error unless it ends by itself
    assert c.state()["status"] == "Stopped"
    text = c.console()
    steps = ["halt: stopping containers", "moe-orchestrator  healthy → stopping", "exited with code 0", "all containers are down", "all stopped"]
    places = [text.find(step) for step in steps]
    assert -1 not in places and places == sorted(places), text


def test_published_image_starts_as_another(server, example):
    first = example()
    first.wait_unit("moe-orchestrator", health="healthy")
    identity = first.shell("cat /etc/machine-id")
    server.run("stop", first.name)
    server.run("publish", first.name, "--alias", "published")
    second = example("published")
    second.wait_unit("moe-orchestrator", health="healthy")
    assert second.shell("hostname; cat /etc/hostname").split() == [second.name] * 2
    assert second.status()["hostname"] == second.name
    assert second.shell("cat /etc/machine-id") != identity
    server.run("start", first.name)
    first.wait_unit("moe-orchestrator", health="healthy")
    assert first.http("/livez")[0] == second.http("/livez")[0] == 200


def test_missing_nesting_is_refused_or_said(server, example):
    """Incus does not start an image that requires nesting without it; this LXD does, and what it then lacks is said."""
    done = server.run("image", "info", "unified")
    assert "requirements.nesting" in done
    try:
        c = example(nesting=False)
    except AssertionError as e:
        assert "nesting" in str(e), e
        return
    entry = c.wait_unit("moe-orchestrator", state=("failed", "backoff"))
    assert "/proc" in entry["detail"] and "nesting" in entry["detail"], entry


def test_data_on_a_volume_outlives_the_container(server, images):
    """A new version of the image: the container goes, its volume is given to the next one."""
    old, new = LxdContainer(server), LxdContainer(server)
    volume = "data-of-" + old.name
    server.run("storage", "volume", "create", "default", volume)
    try:
        shutil.copytree(EXAMPLE, old.config, dirs_exist_ok=True)
        shutil.copytree(os.path.join(EXAMPLE, "units"), os.path.join(new.config, "units"), dirs_exist_ok=True)  # the image is in the store
        for c, image in ((old, "unified"), (new, "split")):
            c.launch(image, volume=volume)
            c.wait_unit("moe-orchestrator", health="healthy")
            lines = c.shell("grep -c started /data/home/moe/logs/orchestrator.log || cat /data/home/moe/logs/orchestrator.log")
            server.run("stop", c.name)
            server.run("delete", c.name)
        assert lines.strip() == "2", lines
    finally:
        for c in (old, new):
            server.run("delete", "-f", c.name, check=False)
        server.run("storage", "volume", "delete", "default", volume, check=False)


def test_keys_become_units(server, images, box_image):
    """No /config at all: units and appliance.ini come from keys, also from those that are set, changed and taken back while it runs."""
    c = LxdContainer(server)
    try:
        c.launch("unified", devices=False, keys=("user.cleat.System.Hostname=named-by-key", "user.quadlet.first.container=" + web("1")))
        c.wait_unit("systemd-first")
        wait_for("the name of the key", lambda: c.status()["hostname"] == "named-by-key")
        server.run("file", "push", box_image, c.name + "/root/box.tar")
        c.shell("cleat load -i /root/box.tar && cleat restart systemd-first")
        c.wait_unit("systemd-first", state="up")
        server.run("config", "set", c.name, "user.quadlet.late.container=" + web("1"))
        before = c.wait_unit("systemd-late", state="up")["pid"]
        server.run("config", "set", c.name, "user.quadlet.late.container=" + web("2"))
        wait_for("the changed one runs", lambda: c.unit("systemd-late")["state"] == "up" and c.unit("systemd-late")["pid"] not in (None, 0, before))
        server.run("config", "unset", c.name, "user.quadlet.late.container")
        wait_for("it is gone", lambda: "systemd-late" not in [entry["name"] for entry in c.status()["units"]])
        assert c.unit("systemd-first")["state"] == "up"
    finally:
        server.run("delete", "-f", c.name, check=False)
