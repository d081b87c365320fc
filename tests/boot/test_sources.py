# SPDX-License-Identifier: Apache-2.0
"""Where /config comes from in a machine: fw_cfg, a cidata disk, virtiofs, a labelled disk that is plugged in late and pulled again."""
import os
import shutil
import subprocess

from appliance import unit, wait_for
from vm import write_ext4

HELLO = unit("localhost/hello:latest")
# One of Debian 12 comes with QEMU, that of Debian 13 is a package of its own.
VIRTIOFSD = [path for path in ("/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd") if os.path.exists(path)]


def tool(*args, **keywords):
    subprocess.run(args, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   env=dict(os.environ, PATH="/usr/sbin:/usr/bin:/sbin:/bin"), **keywords)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    return path


def drive(name, path):
    return ["-drive", "if=none,id=%s,file=%s,format=raw,readonly=on" % (name, path), "-device", "virtio-blk-pci,drive=" + name]


def notes(vm):
    return [note["text"] for note in vm.status()["notes"]]


def test_fw_cfg_and_the_name_of_a_cidata_disk(machine):
    """Units, appliance.ini and a secret by -fw_cfg; beside them the disk that Proxmox makes, which has the machine's name only."""
    vm = machine(config=None, start=False)
    files = {
        "units/web.container": unit("localhost/none:latest"),
        "units/notes.txt": "no unit",
        "appliance.ini": "[Log]\nBudget=10m\nBudgt=1\n",
        "secrets/word": "s3cret",
    }
    for name, text in files.items():
        path = write(os.path.join(vm.dir, "fw", name), text)
        vm.qemu += ["-fw_cfg", "name=opt/cleat/%s,file=%s" % (name, path)]
    seed = os.path.join(vm.dir, "seed")
    write(os.path.join(seed, "meta-data"), "instance-id: 0a1b2c\n")
    write(os.path.join(seed, "user-data"), "#cloud-config\nhostname: vm-101\nfqdn: vm-101.example.org\n")
    write(os.path.join(seed, "network-config"), "version: 1\nconfig:\n- type: physical\n  name: eth0\n  subnets: [{type: dhcp4}]\n")
    iso = os.path.join(vm.dir, "seed.iso")
    tool("genisoimage", "-quiet", "-joliet", "-rock", "-volid", "cidata", "-output", iso, seed)
    vm.qemu += drive("seed", iso)
    vm.start()
    vm.wait_line(r"config \d+ ms: .*/config: fw_cfg, 3 files")
    vm.wait_unit("systemd-web", wanted=True)
    assert vm.unit("systemd-web")["source"] == "/config/units/web.container"
    assert vm.status()["hostname"] == "vm-101"
    assert any("units/notes.txt" in text and "unit file is expected" in text for text in notes(vm)), notes(vm)
    assert any("/config/appliance.ini:3" in text for text in notes(vm)), notes(vm)


def test_a_cidata_disk_with_units_beside_it(machine):
    """vfat, as somebody makes it by hand: units at its top and in quadlets/, images/ read from the disk."""
    vm = machine(config=None, images=("hello",), start=False)
    disk = os.path.join(vm.dir, "cidata.img")
    with open(disk, "wb") as f:
        f.truncate(16 * 2**20)
    tool("mkfs.vfat", "-n", "CIDATA", disk)
    made = os.path.join(vm.dir, "made")
    write(os.path.join(made, "top.container"), HELLO)
    write(os.path.join(made, "quadlets/below.container"), HELLO)
    write(os.path.join(made, "meta-data"), "local-hostname: by-hand.example.org\n")
    shutil.copytree(os.path.join(vm.config, "images"), os.path.join(made, "images"))
    tool("mcopy", "-s", "-i", disk, *(os.path.join(made, name) for name in os.listdir(made)), "::")
    vm.qemu += drive("seed", disk)
    vm.start()
    vm.wait_unit("systemd-top", state="up")
    vm.wait_unit("systemd-below", state="up")
    assert vm.status()["hostname"] == "by-hand"
    assert vm.unit("systemd-below")["source"] == "/config/units/below.container"


def test_virtiofs(machine):
    """The host's folder, also when it changes; the host's server answers as long as the test runs."""
    assert VIRTIOFSD, "virtiofsd is in QEMU's package (Debian 12) or has one of its own (13)"
    vm = machine(config=None, units={"web": HELLO}, images=("hello",), start=False)
    socket = os.path.join(vm.dir, "fs")
    # the one of QEMU wants options by -o, the other one by --
    old = "qemu" in VIRTIOFSD[0]
    words = ["--socket-path=" + socket] + (["-o", "source=" + vm.config, "-o", "sandbox=chroot"] if old else
                                           ["--shared-dir", vm.config, "--sandbox", "chroot"])
    server = subprocess.Popen(VIRTIOFSD + words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("virtiofsd listens", lambda: os.path.exists(socket))
        vm.qemu += ["-object", "memory-backend-memfd,id=mem,size=%dM,share=on" % vm.memory_mib, "-numa", "node,memdev=mem",
                    "-chardev", "socket,id=fs,path=" + socket, "-device", "vhost-user-fs-pci,chardev=fs,tag=config"]
        vm.start()
        vm.wait_line(r"/config: virtiofs tag config")
        vm.wait_unit("systemd-web", state="up")
        vm.add_unit("late", HELLO)  # no event comes from the host: it is looked for
        vm.wait_unit("systemd-late", state="up")
    finally:
        vm.close()
        server.terminate()
        server.wait(20)


def test_a_disk_that_is_plugged_in_late_and_replaced(machine):
    vm = machine(config=None, images=("hello",), start=False)
    vm.qemu += ["-device", "pcie-root-port,id=port0,chassis=1", "-device", "pcie-root-port,id=port1,chassis=2"]
    vm.add_unit("first", HELLO)
    first = write_ext4(os.path.join(vm.dir, "first.img"), "CLEAT", 16, vm.config)
    os.rename(os.path.join(vm.config, "units/first.container"), os.path.join(vm.config, "units/second.container"))
    second = write_ext4(os.path.join(vm.dir, "second.img"), "CLEAT", 16, vm.config)
    vm.start()
    vm.wait_http("/livez")
    assert vm.status()["units"] == []
    plug(vm, "first", first, "port0")
    vm.wait_unit("systemd-first", state="up")
    # pulled: what runs goes on; another one takes its place
    vm.qmp(("device_del", {"id": "device-first"}))
    wait_for("the device is gone", lambda: "device-first" not in str(vm.qmp(("qom-list", {"path": "/machine/peripheral"}))))
    assert vm.unit("systemd-first")["state"] == "up"
    plug(vm, "second", second, "port1")
    vm.wait_unit("systemd-second", state="up")
    wait_for("the first disk's unit is gone", lambda: [u["name"] for u in vm.status()["units"]] == ["systemd-second"])


def plug(vm, name, path, port):
    vm.qmp(("blockdev-add", {"driver": "raw", "node-name": name, "read-only": True, "file": {"driver": "file", "filename": path, "read-only": True}}),
           ("device_add", {"driver": "virtio-blk-pci", "id": "device-" + name, "drive": name, "bus": port}))
