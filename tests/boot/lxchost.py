# SPDX-License-Identifier: Apache-2.0
"""A machine whose PID 1 is a shell script and whose userland is this machine's lxc-start with the libraries that it needs: a host with cgroup v2
alone, where a container of the template has limits. What the script says begins with HOST on the console."""
import os
import re
import shutil
import stat
import subprocess

from appliance import BUILD
from lxc import FIRST_ID, IDS, LXC_CONFIG, artefact
from vm import ARCH, dist, write_ext4

PROGRAMS = ("lxc-start", "lxc-stop")
CONTAINER = "box"
GATEWAY, ADDRESS = "10.77.0.1", "10.77.0.3"

# Runs in the appliance's initramfs: its tools, its modules. Nobody can pivot out of that; the moved mount becomes the root.
FIRST = """#!/bin/sh
export PATH=/usr/bin:/bin:/usr/sbin:/sbin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/null >/dev/console 2>&1
cleat boot modules
until [ -b /dev/vda ]; do sleep 0.1; done
mount -t ext4 /dev/vda /data || echo HOST no disk
cd /data
for d in proc sys dev; do mount --move /$d $d; done
mount -t cgroup2 cgroup2 sys/fs/cgroup
mkdir -p dev/pts dev/shm
mount -t devpts -o ptmxmode=0666 devpts dev/pts
mount -t tmpfs tmpfs run
mount --move . /
exec chroot . /bin/sh /srv/second
"""

SECOND = """export PATH=/usr/bin:/bin
C=/sys/fs/cgroup/lxc.payload.%(name)s
say() { echo "HOST $*"; }
get() { wget -qO- "http://%(address)s:25328/$1" 2>/dev/null; }
# Until COMMAND is true; in vain, the machine is switched off at once.
wait_for() { i=0; until "$@" >/dev/null 2>&1; do i=$((i + 1)); [ $i -lt 300 ] && kill -0 $lxc || give_up "$*"; sleep 0.2; done; }
give_up() { say "waited in vain: $1"; cat /run/lxc.out /run/lxc.log /run/console; get status; off; }
off() { sync; echo o >/proc/sysrq-trigger; sleep 60; }
ip link set lo up
ip link add br0 type bridge
ip address add %(gateway)s/24 dev br0
ip link set br0 up
lxc-start -P /srv/lxc -n %(name)s -F -l WARN -o /run/lxc.log </dev/null >/run/lxc.out 2>&1 &
lxc=$!
%(script)s
lxc-stop -P /srv/lxc -n %(name)s -t 40; say "stopped $?"
wait $lxc; say "ended $?"
off
"""

CONFIG = """lxc.include = %(common)s/common.conf
lxc.include = %(common)s/userns.conf
lxc.include = %(common)s/nesting.conf
lxc.idmap = u 0 %(first)d %(ids)d
lxc.idmap = g 0 %(first)d %(ids)d
lxc.rootfs.path = dir:/srv/lxc/%(name)s/rootfs
lxc.rootfs.mount = /mnt
lxc.uts.name = %(name)s
lxc.arch = %(arch)s
lxc.apparmor.profile = unconfined
lxc.net.0.type = veth
lxc.net.0.link = br0
lxc.net.0.flags = up
lxc.net.0.name = eth0
lxc.net.0.ipv4.address = %(address)s/24
lxc.net.0.ipv4.gateway = %(gateway)s
lxc.mount.entry = /srv/config config none bind,ro 0 0
lxc.mount.entry = /srv/data data none bind 0 0
lxc.console.logfile = /run/console
"""


def available():
    return os.path.isdir(LXC_CONFIG) and all(shutil.which(name) for name in PROGRAMS)


def cpio(files):
    """The newc archive of {path: text}, all of them programs of root."""
    out = b""
    for number, (name, text) in enumerate(list(files.items()) + [("TRAILER!!!", "")], 1):
        data, mode = text.encode(), 0 if name == "TRAILER!!!" else stat.S_IFREG | 0o755
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return out


def libraries(program):
    """Paths of what a program is linked with, the loader included."""
    done = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True)
    return re.findall(r"(/\S+) \(0x", done.stdout)


def copy_program(tree, path):
    for source in [path] + libraries(path):
        target = tree + source
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(source, target)  # links are followed: each name becomes a file


def make_tree(tree, script, limits, data_first=FIRST_ID):
    for name in ("bin", "usr/bin", "usr/lib", "lib", "proc", "sys", "dev", "run", "mnt", "tmp", "etc", "srv/config/units", "srv/config/images", "srv/data",
                 "srv/lxc/%s/rootfs" % CONTAINER):
        os.makedirs(os.path.join(tree, name))
    busybox = os.path.join(BUILD, "rootfs", "bin", "busybox")
    shutil.copy(busybox, os.path.join(tree, "bin"))
    for name in subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split():
        if not os.path.lexists(os.path.join(tree, "bin", name)):
            os.symlink("busybox", os.path.join(tree, "bin", name))
    for name in PROGRAMS:
        copy_program(tree, shutil.which(name))
    shutil.copytree("/usr/share/lxc", tree + "/usr/share/lxc", ignore=shutil.ignore_patterns("templates", "*lxcfs*"))
    facts = {"name": CONTAINER, "address": ADDRESS, "gateway": GATEWAY, "common": LXC_CONFIG, "first": FIRST_ID, "ids": IDS, "arch": ARCH}
    for name, text in (("etc/passwd", "root:x:0:0:root:/:/bin/sh\n"), ("etc/group", "root:x:0:\n"),
                       ("etc/subuid", "root:%d:%d\n" % (FIRST_ID, IDS)), ("etc/subgid", "root:%d:%d\n" % (FIRST_ID, IDS)),
                       ("srv/second", SECOND % dict(facts, script=script)), ("srv/lxc/%s/config" % CONTAINER, CONFIG % facts + limits)):
        with open(os.path.join(tree, name), "w") as f:
            f.write(text)
    rootfs = os.path.join(tree, "srv/lxc", CONTAINER, "rootfs")
    subprocess.run(["tar", "-xpf", artefact("tar.xz"), "-C", rootfs, "--anchored", "--exclude", "./dev/*"], check=True)
    for folder, names, files in os.walk(rootfs):
        for name in [folder] + [os.path.join(folder, name) for name in names + files]:
            mode = os.lstat(name).st_mode
            os.lchown(name, data_first, data_first)
            if not stat.S_ISLNK(mode):
                os.chmod(name, stat.S_IMODE(mode))
    os.chown(os.path.join(tree, "srv/data"), data_first, data_first)


def boot(machine, fill, script, limits="", memory_mib=384):
    """fill(folder) puts configuration below folder (as /config) and whatever else the script wants; script: what the host does once the container has
    been started; limits: lines for its LXC configuration. A vm.Vm that was started."""
    vm = machine(config=None, data_mib=0, memory_mib=memory_mib, network=False, start=False)
    tree = vm.path("tree")
    make_tree(tree, script, limits)
    fill(os.path.join(tree, "srv"))
    initramfs = vm.path("initramfs")
    with open(dist("initramfs.zst"), "rb") as f:
        ours = f.read()
    with open(initramfs, "wb") as f:
        f.write(ours + bytes(-len(ours) % 4) + cpio({"first": FIRST}))
    disk = write_ext4(vm.path("host.img"), "host", 256, tree)
    vm.append = "rdinit=/first cgroup_no_v1=all"
    vm.qemu = ["-initrd", initramfs, "-drive", "if=none,id=host,file=%s,format=raw,cache=unsafe" % disk, "-device", "virtio-blk-pci,drive=host"]
    return vm.start(wait=False)
