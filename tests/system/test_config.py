# SPDX-License-Identifier: Apache-2.0
"""Where /config comes from in a container: a mount (also one that comes late or is replaced), a plain folder, keys of the manager."""
import contextlib
import os
import shutil
import subprocess

import pytest

from appliance import CLEAT, IDLE, unit, wait_for
from guestsocket import GuestSocket
from lxc import LXC_CONFIG, Lxc

needs_lxc = pytest.mark.skipif(not os.path.isdir(LXC_CONFIG) or not shutil.which("lxc-start"), reason="lxc is not installed")


def script(container="", **keywords):
    return unit("localhost/box:latest", 'Exec=/bin/sh -c "%s"\n' % IDLE + container, **keywords)


class BareLxc(Lxc):
    """/config is no mount but what the template has; box is in the store already, so that nothing has to be in /config but units."""

    def __init__(self, box, mounts=()):
        super().__init__()
        self.box, self.mounts = box, list(mounts)

    def configure(self):
        super().configure()
        path = os.path.join(self.path, self.name, "config")
        with open(path) as f:
            lines = [line for line in f if " config none bind" not in line]
        lines += ["lxc.mount.entry = %s none bind,create=dir 0 0\n" % mount for mount in self.mounts]
        with open(path, "w") as f:
            f.writelines(lines)
        shutil.copy(self.box, os.path.join(self.data, "box.tar"))

    def start(self, wait=True):
        super().start(wait)
        if wait:
            self.cleat("load", "-i", "/data/box.tar")
        return self

    def notes(self):
        return [note["text"] for note in self.status()["notes"]]


@pytest.fixture
def bare(box_image):
    made = []

    def make(mounts=(), start=True):
        container = BareLxc(box_image, mounts)
        made.append(container)
        container.create()
        return container.start() if start else container

    yield make
    for container in made:
        container.close()


@pytest.fixture
def guest():
    made = []

    def make(container, **keywords):
        server = GuestSocket(os.path.join(container.base, "guest"), container.first, **keywords)
        made.append(server)
        return server

    yield make
    for server in made:
        server.close()


def names(c):
    return sorted(u["name"] for u in c.status()["units"])


def watchers(c):
    """/proc/PID/status of each process that watches the manager's keys."""
    found = []
    for pid in c.processes("cleat"):
        with contextlib.suppress(OSError), open("/proc/%d/cmdline" % pid, "rb") as words, open("/proc/%d/status" % pid) as status:
            found += [status.read()] if b"config-watch" in words.read() else []
    return found


def environment(c, name):
    with open("/proc/%d/environ" % c.pid_of(name), "rb") as f:
        return f.read().decode().split("\0")


@needs_lxc
def test_a_plain_folder_then_a_mount_that_comes_late_then_another_one(bare):
    c = bare()
    assert names(c) == []
    # a plain folder: "pct push", "incus file push", a shell
    folder = os.path.join(c.rootfs, "config", "units")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "plain.container"), "w") as f:
        f.write(script())
    c.wait_unit("systemd-plain", state="up")
    # a mount over it, from outside into the running container, as "pct set -mp0" does it
    c.add_unit("first", script())
    attach(c, c.config)
    c.wait_unit("systemd-first", state="up")
    wait_for("what lay under it is gone", lambda: names(c) == ["systemd-first"])
    # replaced
    other = os.path.join(c.base, "other")
    os.makedirs(os.path.join(other, "units"))
    with open(os.path.join(other, "units", "second.container"), "w") as f:
        f.write(script())
    attach(c, other)
    c.wait_unit("systemd-second", state="up")
    wait_for("the first mount's units are gone", lambda: names(c) == ["systemd-second"])
    c.inside("umount", "/config", namespaces=("-m",))
    c.wait_unit("systemd-first", state="up")


def attach(c, folder, place="/config"):
    """Puts a folder of this machine on a folder of the running container: a detached copy of it, moved into its mount namespace."""
    code = (
        "import ctypes,os,sys\n"
        "libc=ctypes.CDLL(None,use_errno=True)\n"
        "def call(*a):\n"
        "    r=libc.syscall(*a)\n"
        "    assert r>=0,os.strerror(ctypes.get_errno())\n"
        "    return r\n"
        "tree=call(428,-100,sys.argv[2].encode(),1|0o2000000)\n"  # open_tree, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC
        "root=os.open('/proc/%s/root'%sys.argv[1],os.O_RDONLY)\n"
        "ns=os.open('/proc/%s/ns/mnt'%sys.argv[1],os.O_RDONLY)\n"
        "assert libc.setns(ns,0x20000)==0,os.strerror(ctypes.get_errno())\n"
        "os.fchdir(root);os.chroot('.')\n"
        "call(429,tree,b'',-100,sys.argv[3].encode(),4)\n")  # move_mount, MOVE_MOUNT_F_EMPTY_PATH
    done = subprocess.run(["/usr/bin/python3", "-S", "-c", code, str(c.init_pid()), folder, place], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


@needs_lxc
def test_keys_of_the_manager(bare, guest):
    c = bare(start=False)
    server = guest(c, chunked=True, keys={
        "user.quadlet.web.container": script("Environment=VERSION=1\n# " + "x" * 3000 + "\n"),
        "user.quadlet.sick.container": unit("localhost/box:latest", "Exec=/bin/sh -c 'exit 3'\n", service="Restart=no"),
        "user.cleat.System.Hostname": "from-keys",
        "user.quadlet.wrong.txt": "no unit",
        "user.other": "not ours",
        "image.os": "cleat",
    })
    c.mounts.append("%s dev/incus" % os.path.dirname(server.path))
    c.configure()
    c.start()
    c.wait_unit("systemd-web", state="up")
    assert "VERSION=1" in environment(c, "systemd-web")
    assert c.shell("hostname").strip() == "from-keys"
    # read before the engine: what is there at boot is what it begins with
    assert "reading the units again" not in c.console().split("systemd-web", 1)[0], c.console()
    wait_for("what is wrong is said", lambda: [n for n in c.notes() if "user.quadlet.wrong.txt" in n and "unit file" in n])
    assert not any("/other" in path or "image.os" in path for path in server.requests), server.requests
    wait_for("the first pong", lambda: server.pongs == [b"early"])
    # nobody writes there, and who watches has no rights
    assert "Read-only" in c.shell("touch /config/units/x", check=False).stdout
    status = watchers(c)
    assert len(status) == 1 and "Uid:\t%d" % c.outside_id(65008) in status[0] and "CapEff:\t0000000000000000" in status[0] and "Seccomp:\t2" in status[0]
    # changed, added, removed: without anybody asking
    before = c.unit("systemd-web")["pid"]
    server.set("user.quadlet.web.container", script("Environment=VERSION=2\n"))
    wait_for("version 2 runs", lambda: c.wait_unit("systemd-web", state="up")["pid"] not in (0, before))
    assert "VERSION=2" in environment(c, "systemd-web")
    server.set("user.quadlet.db.container", script())
    c.wait_unit("systemd-db", state="up")
    kept = c.unit("systemd-db")["pid"]
    server.set("user.quadlet.web.container", None)
    wait_for("web is gone", lambda: names(c) == ["systemd-db", "systemd-sick"])
    # the manager is told that the appliance is up when it is, and once, whatever changes later
    c.wait_unit("systemd-sick", state="failed")
    assert server.states == [], "not all is up, but for a moment at most"
    server.set("user.quadlet.sick.container", None)
    wait_for("it is told", lambda: server.states == ["Ready"])
    server.set("user.cleat.System.Hostname", "another")
    wait_for("the new name", lambda: c.shell("hostname").strip() == "another")
    assert server.states == ["Ready"]
    server.set("user.quadlet.wrong.txt", None)
    wait_for("nothing is wrong any more", lambda: not [n for n in c.notes() if "wrong.txt" in n])
    # a ping is answered, and again: the engine that the new name has made is another one, whose process may only be about to listen
    wait_for("a pong", lambda: server.send(9, b"are you there") or b"are you there" in server.pongs)
    # a manager that is restarted is asked again, and nothing is lost meanwhile
    server.close()
    server.keys["user.quadlet.late.container"] = script()
    server.open()
    c.wait_unit("systemd-late", state="up")
    assert c.unit("systemd-db")["pid"] == kept
    wait_for("who is ready is told again", lambda: server.states == ["Ready", "Ready"])


@needs_lxc
@pytest.mark.parametrize("kind", ["folder", "mount"])
def test_a_guest_socket_that_comes_after_the_boot(bare, guest, kind):
    """In the folder that is there (the manager was away when the container started), or with its folder, by a mount."""
    c = bare(start=False)
    server = guest(c, opened=False, knows_states=False, keys={"user.quadlet.web.container": script()})
    folder = os.path.dirname(server.path)
    if kind == "folder":
        c.mounts.append("%s dev/incus" % folder)
    c.configure()
    c.start()
    assert names(c) == []
    assert not watchers(c), "a process that waits for nothing"
    server.open()
    if kind == "mount":
        c.shell("mkdir /dev/incus")
        attach(c, folder, "/dev/incus")
    c.wait_unit("systemd-web", state="up")
    # this manager does not want to know who is up: said once, and all goes on
    wait_for("it has been asked", lambda: server.states == ["PATCH /1.0 HTTP/1.1"])
    server.set("user.quadlet.db.container", script())
    c.wait_unit("systemd-db", state="up")
    assert server.states == ["PATCH /1.0 HTTP/1.1"]


@needs_lxc
def test_keys_that_come_after_the_boot_and_a_mount_that_hides_them(bare, guest):
    c = bare(start=False)
    server = guest(c)
    c.mounts.append("%s dev/lxd" % os.path.dirname(server.path))
    c.configure()
    c.start()
    assert names(c) == [] and not c.shell("grep ' /config ' /proc/self/mountinfo", check=False).stdout
    server.set("user.quadlet.web.container", script())
    c.wait_unit("systemd-web", state="up")
    c.add_unit("mounted", script())
    attach(c, c.config)
    c.wait_unit("systemd-mounted", state="up")
    wait_for("the mount wins", lambda: names(c) == ["systemd-mounted"])
    wait_for("and it is said", lambda: [n for n in c.notes() if "user.quadlet.*" in n and "not used" in n])


def test_appliance_ini_and_network_config_are_watched(boot, box_image):
    a = boot({"web": script()}, images=(), start=False)
    a.add_image("box", box_image)
    a.start()
    before = a.wait_unit("systemd-web", state="up")["pid"]
    assert not [n for n in a.status()["notes"] if "appliance.ini" in n["text"]]
    path = os.path.join(a.config, "appliance.ini")
    with open(path, "w") as f:
        f.write("[Log]\nBudget=no\n")
    wait_for("its error is told", lambda: [n for n in a.status()["notes"] if "appliance.ini:2" in n["text"]])
    with open(path, "w") as f:
        f.write("[Log]\nBudget=10m\n")
    wait_for("it is told no more", lambda: not [n for n in a.status()["notes"] if "appliance.ini" in n["text"]])
    assert a.unit("systemd-web")["pid"] == before


def test_check_reads_network_config(boot):
    a = boot({"web": script()}, images=(), start=False)
    with open(os.path.join(a.config, "network-config"), "w") as f:
        f.write("version: 2\nethernets:\n  eth0:\n    dhcp4: true\nbonds: {}\n")
    done = subprocess.run([CLEAT, "check", "--config", a.config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 1 and "network-config:5:1: error: bonds: only ethernets are supported" in done.stdout, done.stdout
