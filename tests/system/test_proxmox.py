# SPDX-License-Identifier: Apache-2.0
"""The template as Proxmox VE sees it: recognised without being told what it is, edited as the fields of its dialogs ask, twice as once, and booted with
what was edited. proxmox.py does what it does; the real container is one of liblxc's, with the configuration that it generates."""
import os
import re
import subprocess

import pytest

from appliance import ARCH, wait_for
from lxc import DEB_ARCH, artefact
from proxmox import BEGIN, END, Refused, Root

# Fields of the dialogs, and the stanzas that come of them.
NETWORKS = {
    "static": ({"ip": "192.0.2.7/24", "gw": "192.0.2.1"},
               "iface eth0 inet static\n\taddress 192.0.2.7/24\n\tgateway 192.0.2.1\n"),
    "gateway-outside": ({"ip": "192.0.2.7/32", "gw": "198.51.100.1"},
                        "iface eth0 inet static\n\taddress 192.0.2.7/32\n" + BEGIN + "\n\tpost-up ip route add 198.51.100.1 dev eth0\n"
                        "\tpost-up ip route add default via 198.51.100.1 dev eth0\n\tpre-down ip route del default via 198.51.100.1 dev eth0\n"
                        "\tpre-down ip route del 198.51.100.1 dev eth0\n" + END + "\n"),
    "dhcp": ({"ip": "dhcp"}, "iface eth0 inet dhcp\n"),
    "dhcp-and-slaac": ({"ip": "dhcp", "ip6": "auto"}, "iface eth0 inet dhcp\n\niface eth0 inet6 manual\n"),
    "dhcp6": ({"ip6": "dhcp"}, "iface eth0 inet6 manual\n"),
    "static6": ({"ip": "192.0.2.7/24", "ip6": "2001:db8::7/64", "gw6": "fe80::1"},
                "iface eth0 inet static\n\taddress 192.0.2.7/24\n\niface eth0 inet6 static\n\taddress 2001:db8::7/64\n\tgateway fe80::1\n"),
}


@pytest.fixture(name="extract")
def fixture_extract(tmp_path):
    """extract() gives the template's root in a folder of its own."""
    numbers = iter(range(100))

    def make():
        folder = tmp_path / ("root%d" % next(numbers))
        folder.mkdir()
        subprocess.run(["tar", "-xpf", artefact("tar.zst"), "--zstd", "--numeric-owner", "-C", str(folder), "--skip-old-files", "--anchored",
                        "--exclude", "./dev/*"], check=True)
        return Root(folder)

    return make


def files(root):
    """Every file below /etc and /root with its text, links with their targets."""
    found = {}
    for top in ("etc", "root"):
        for folder, _, names in os.walk(os.path.join(root.root, top)):
            for name in names:
                path = os.path.join(folder, name)
                found[os.path.relpath(path, root.root)] = os.readlink(path) if os.path.islink(path) else open(path, errors="replace").read()
    return found


def conf(fields=None, **more):
    return dict({"hostname": "box", "nets": [dict(fields or {"ip": "dhcp"}, name="eth0")], "nameserver": "192.0.2.1 192.0.2.2",
                 "searchdomain": "lan.example"}, **more)


# --- recognised ------------------------------------------------------------------------------------------------------------


def test_system_and_machine_are_recognised(extract):
    root = extract()
    assert root.system() == "alpine"
    assert len(root.warnings) == 1 and "'cleat'" in root.warnings[0]
    assert root.machine() == DEB_ARCH[ARCH]
    assert root.with_cidr()


def test_without_the_release_file_it_would_be_unmanaged(extract):
    """Why there is no etc/os-release: it would be refused, should Proxmox ever look for the other file no more."""
    root = extract()
    os.unlink(root.path("/etc/alpine-release"))
    assert root.system() == "unmanaged"
    before = files(root)
    root.create(conf())
    assert files(root) == before
    os.symlink("../usr/lib/os-release", os.path.join(root.root, "etc/os-release"))
    with pytest.raises(Refused):
        root.system()


# --- edited ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(NETWORKS))
def test_network_is_what_the_dialog_said(extract, kind):
    fields, stanzas = NETWORKS[kind]
    root = extract()
    root.create(conf(fields))
    assert root.read("/etc/network/interfaces") == "auto lo\niface lo inet loopback\niface lo inet6 loopback\n\nauto eth0\n" + stanzas + "\n"
    once = files(root)
    for _ in range(2):
        root.before_start(conf(fields))
        assert files(root) == once


def test_lines_of_the_users_stay(extract):
    root = extract()
    fields = NETWORKS["gateway-outside"][0]
    root.create(conf(fields))
    name = "/etc/network/interfaces"
    root.write(name, root.read(name).replace(END + "\n", END + "\n\tpost-up ip rule add from 192.0.2.7 table 7\n"))
    changed = root.read(name)
    root.before_start(conf(fields))
    assert root.read(name) == changed
    root.before_start(conf(NETWORKS["static"][0]))
    text = root.read(name)
    assert "\tgateway 192.0.2.1\n\tpost-up ip rule add from 192.0.2.7 table 7\n" in text and BEGIN not in text


def test_names_are_what_the_dialog_said(extract):
    root = extract()
    given = root.read("/etc/hosts")
    root.create(conf(NETWORKS["static"][0]))
    assert root.read("/etc/hostname") == "box\n"
    assert root.read("/etc/hosts") == given + BEGIN + "\n192.0.2.7 box.lan.example box\n" + END + "\n"
    assert root.read("/etc/resolv.conf") == BEGIN + "\nsearch lan.example\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n" + END + "\n"
    root.before_start(conf({"ip": "dhcp"}, hostname="other.site.example"))
    assert root.read("/etc/hosts") == given + BEGIN + "\n127.0.1.1 other\n" + END + "\n"
    assert root.read("/etc/hostname") == "other\n"


def test_password_and_keys_have_a_place(extract):
    root = extract()
    root.create(conf(password="$6$salt$hash", ssh_keys="ssh-ed25519 AAAA me\n"))
    assert root.read("/etc/passwd").startswith("root:$6$salt$hash:0:0:")
    assert root.read("/root/.ssh/authorized_keys") == "ssh-ed25519 AAAA me\n"


# --- booted ----------------------------------------------------------------------------------------------------------------


# What it adds to the container's configuration; the name is that of the dialog at every start.
GENERATED = ("lxc.tty.max = 2", "lxc.environment = TERM=linux", "lxc.mount.auto =", "lxc.mount.auto = proc:mixed sys:mixed")


class Guest:
    """A container of the template that goes through what Proxmox does to it."""

    def __init__(self, boot_lxc, wanted, unprivileged=True):
        self.c = boot_lxc(start=False, unprivileged=unprivileged, with_template=False, extra=GENERATED, address=False)
        self.root = Root(self.c.rootfs, self.c.first)
        self.root.create(wanted)
        self.start(wanted)

    def start(self, wanted):
        path = os.path.join(self.c.path, self.c.name, "config")
        with open(path) as f:
            lines = [line for line in f if not line.startswith("lxc.uts.name")]
        with open(path, "w") as f:
            f.write("".join(lines) + "lxc.uts.name = %s\n" % wanted["hostname"])
        self.root.before_start(wanted)
        self.edited = files(self.root)
        self.c.start()

    def stop(self):
        self.c.lxc("stop")
        assert self.c.process.wait(60) == 0

    def check_files_are_kept(self):
        for name in ("etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/network/interfaces"):
            assert self.c.shell("cat /" + name) == self.edited[name], name


@pytest.mark.parametrize("unprivileged", [True, False], ids=["unprivileged", "privileged"])
def test_booted_with_what_was_edited(boot_lxc, unprivileged):
    fields = NETWORKS["static"][0]
    guest = Guest(boot_lxc, conf(fields), unprivileged)
    c = guest.c
    wait_for("address and route", lambda: ADDRESSES["static"] <= set(has(c)))
    assert c.shell("hostname").strip() == c.status()["hostname"] == "box"
    guest.check_files_are_kept()
    guest.stop()
    guest.start(conf(fields, hostname="renamed", nameserver="192.0.2.3"))
    wait_for("address and route", lambda: ADDRESSES["static"] <= set(has(c)))
    assert c.shell("hostname").strip() == c.status()["hostname"] == "renamed"
    assert "renamed" in guest.edited["etc/hosts"] and "192.0.2.3" in guest.edited["etc/resolv.conf"]
    guest.check_files_are_kept()


# What is there in the end, of the networks that need nobody who answers.
ADDRESSES = {
    "static": {"eth0 192.0.2.7/24", "default via 192.0.2.1 dev eth0"},
    "gateway-outside": {"eth0 192.0.2.7/32", "default via 198.51.100.1 dev eth0", "198.51.100.1 dev eth0"},
    "static6": {"eth0 192.0.2.7/24", "eth0 2001:db8::7/64", "default via fe80::1 dev eth0"},
}


def has(c):
    """Addresses as "LINK ADDRESS", routes as "DESTINATION [via GATEWAY] dev LINK"."""
    found = []
    for line in c.shell("ip -o address").splitlines():
        words = line.split()
        if words[2] in ("inet", "inet6"):
            found.append("%s %s" % (words[1], words[3]))
    for line in c.shell("ip route; ip -6 route").splitlines():
        found.append(re.match(r"\S+( via \S+)? dev \S+", line.strip()).group(0))
    return found


@pytest.mark.parametrize("kind", ["gateway-outside", "static6"])
def test_network_of_the_dialog_comes_up(boot_lxc, kind):
    guest = Guest(boot_lxc, conf(NETWORKS[kind][0]))
    wait_for("addresses and routes", lambda: ADDRESSES[kind] <= set(has(guest.c)))
    guest.check_files_are_kept()
