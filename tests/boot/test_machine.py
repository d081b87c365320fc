# SPDX-License-Identifier: Apache-2.0
"""What PID 1 and the steps of the boot do in a machine: /data found, grown, checked or replaced; identity; clock; watchdog; the way out."""
import datetime
import email.utils
import http.client
import json
import os
import re
import subprocess
import time

from appliance import unit, wait_for
from timenet import MAC, SERVER, TimeNetwork
from vm import BOOT_LIMIT_SEC, STATUS_PORT, write_ext4

HELLO = "localhost/hello:latest"
MIB = 2**20
SFDISK, DEBUGFS, DUMPE2FS, E2FSCK = "/usr/sbin/sfdisk", "/usr/sbin/debugfs", "/usr/sbin/dumpe2fs", "/usr/sbin/e2fsck"


def notes_of(vm):
    """QEMU lets in who comes before the machine has its address, and resets him then."""
    return {note["text"]: note["level"] for note in json.loads(vm.wait_http("/status"))["notes"]}


def note(vm, words):
    """The level of the one note that has these words."""
    found = [(text, level) for text, level in notes_of(vm).items() if words in text]
    assert len(found) == 1, notes_of(vm)
    return found[0][1]


def output(*args):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL, check=True).stdout


def press_and_wait(vm):
    """The power button; the steps of the end in their order."""
    vm.press_power()
    console = vm.wait_end()
    steps = ["halt: stopping containers", "all containers are down", "seed ", "all stopped"]
    places = [console.find(step) for step in steps]
    assert -1 not in places and places == sorted(places), console
    assert re.search(r"\] seed \d+ ms$", console, re.M), console
    return console


def clock_of(vm):
    """Seconds since 1970, as the machine's status server dates its answers."""
    connection = http.client.HTTPConnection("127.0.0.1", vm.ports[STATUS_PORT], timeout=20)
    try:
        connection.request("HEAD", "/livez")
        return email.utils.parsedate_to_datetime(connection.getresponse().headers["Date"]).timestamp()
    finally:
        connection.close()


def test_a_machine_without_a_disk_for_data_works_and_says_so(machine):
    """And one whose clock stands in another century, until a time server tells it better, and which has a network card for which there is no
    driver. Not a word of the kernel's is in its way."""
    network = TimeNetwork(ahead=3600)
    vm = machine(units={"hello": unit(HELLO, network="host")}, images=("hello",), data_mib=0, start=False,
                 qemu=["-rtc", "base=2001-02-03T04:05:06", "-device", "e1000,addr=0x1d,romfile="] + network.arguments)
    with open(os.path.join(vm.config, "appliance.ini"), "w", encoding="ascii") as f:
        f.write("[System]\nNTP=%s\n[Link %s]\nAddress=192.0.2.2/24\n" % (SERVER, MAC))
    vm.start()
    vm.wait_unit("systemd-hello", state="up")
    assert note(vm, "/data is in memory and lasts until the next boot: no disk or partition is labelled cleat-data") == "error"
    assert note(vm, "it stood before this version was made") == "warning"
    assert note(vm, "network card without a driver: 0000:00:1d.0 (0x8086 0x100e)") == "warning"
    assert vm.http("/readyz")[0] == 503 and vm.http("/livez")[0] == 200
    assert vm.status()["data"] == "ok"  # it can be written
    assert vm.status()["booted"] > "2026", vm.status()
    booted = datetime.datetime.fromtimestamp(vm.status()["boot"]["time_usec"] / 1e6) if "boot" in vm.status() else None
    assert booted is None or booted.year >= 2026
    console = vm.console()
    began = time.monotonic()
    wait_for("the server's time", lambda: 3500 < clock_of(vm) - time.time() < 3700, BOOT_LIMIT_SEC)
    assert network.asked > 0
    vm.say("until the server's time, after all else: %.1f s" % (time.monotonic() - began))
    assert re.search(r"\] data \d+ ms: /data is in memory", console) and re.search(r"\] clock \d+ ms: the machine's clock was wrong", console), console
    press_and_wait(vm)


def make_grown_disk(vm):
    """A disk of 256 MiB that was one of 48 MiB when it was partitioned; the last partition is cleat-data."""
    path, part = vm.path("grown.img"), vm.path("part.img")
    with open(path, "wb") as f:
        f.truncate(48 * MIB)
    subprocess.run([SFDISK, "-q", path], input="label: gpt\nsize=4MiB, name=other\nname=cleat-data\n", text=True, check=True)
    write_ext4(part, "cleat-data", 40)
    with open(part, "rb") as source, open(path, "r+b") as f:
        f.seek(5 * MIB)
        f.write(source.read())
        f.truncate(256 * MIB)
    return path


def file_system(path, program, *args):
    """Looks into the grown disk's last partition."""
    return output(program, *args, "%s?offset=%d" % (path, 5 * MIB))


def test_data_grows_to_the_end_of_its_disk_and_keeps_the_identity(machine):
    vm = machine(units={"hello": unit(HELLO, network="host")}, images=("hello",), start=False)
    path = vm.data_image = make_grown_disk(vm)
    vm.start()
    vm.wait_unit("systemd-hello", state="up")
    assert vm.http("/readyz")[0] == 200, notes_of(vm)
    press_and_wait(vm)
    assert "No errors detected" in output(SFDISK, "--verify", path) + output(SFDISK, "-V", path), output(SFDISK, "-l", path)
    assert "cannot" not in output(SFDISK, "-l", path), output(SFDISK, "-l", path)
    size = int(re.search(r"size= *(\d+), .*name=\"cleat-data\"", output(SFDISK, "-d", path)).group(1))
    assert size * 512 == (255 - 5) * MIB
    head = file_system(path, DUMPE2FS, "-h")
    blocks, block = (int(re.search(r"^%s: +(\d+)" % name, head, re.M).group(1)) for name in ("Block count", "Block size"))
    assert blocks * block == (255 - 5) * MIB, head
    assert re.search(r"^Filesystem state: +clean$", head, re.M), head  # it was unmounted
    first = file_system(path, DEBUGFS, "-R", "cat /identity/machine-id")
    assert re.search(r"^[0-9a-f]{32}$", first, re.M), first
    seed = file_system(path, DEBUGFS, "-R", "stat /identity/seed")
    assert "Size: 64" in seed and "0600" in seed, seed

    vm.started_again = True
    vm.start()
    vm.wait_unit("systemd-hello", state="up")
    vm.qmp(("send-key", {"keys": [{"type": "qcode", "data": key} for key in ("ctrl", "alt", "delete")]}))
    console = vm.wait_end()  # it wanted to start again
    assert "reboot: stopping containers" in console and "all stopped; rebooting" in console, console
    assert file_system(path, DEBUGFS, "-R", "cat /identity/machine-id") == first
    assert "copy of another" not in console, console


def test_a_unit_has_the_machine_restarted(machine):
    """In order, with the argument that firmware may want, and /data says why to the next boot."""
    vm = machine(units={"hello": unit(HELLO, network="host", service="RuntimeMaxSec=1", unit_lines="FailureAction=reboot\nRebootArgument=recovery")},
                 images=("hello",), start=False)
    vm.start()
    console = vm.wait_end()
    steps = ["systemd-hello: FailureAction=reboot: ran for RuntimeMaxSec=1s", "reboot: stopping containers", "all containers are down", "all stopped; rebooting",
             "reboot: Restarting system with command 'recovery'"]
    places = [console.find(step) for step in steps]
    assert -1 not in places and places == sorted(places), console
    assert "systemd-hello: FailureAction=reboot: ran for" in output(DEBUGFS, "-R", "cat /units/last-action", vm.path("data.img"))


def test_damaged_data_is_not_mounted_and_not_touched(machine):
    vm = machine(start=False)
    path = vm.data_image = write_ext4(vm.path("damaged.img"), "cleat-data", 32)
    # the root folder is no folder any more, which "e2fsck -p" does not mend
    subprocess.run([DEBUGFS, "-w", "-R", "set_inode_field <2> mode 0100644", path], check=True, stderr=subprocess.PIPE)
    assert subprocess.run([E2FSCK, "-fn", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).returncode & 4
    subprocess.run([DEBUGFS, "-w", "-R", "set_super_value state 2", path], check=True, stderr=subprocess.PIPE)
    vm.start()
    vm.wait_http("/readyz", code=503)
    assert note(vm, "/dev/vda: e2fsck -p: code 4") == "error", notes_of(vm)
    vm.press_power()
    console = vm.wait_end()
    assert "all stopped" in console, console
    assert "mode: 0100644" in output(DEBUGFS, "-R", "stat <2>", path).replace("Mode:  ", "mode: 0100") or "regular" in output(DEBUGFS, "-R", "stat <2>", path)


def test_a_full_data_partition_is_said_where_it_hurts(machine):
    vm = machine(units={"hello": unit(HELLO, network="host")}, images=("hello",), start=False)
    folder = vm.path("full")
    os.mkdir(folder)
    with open(os.path.join(folder, "fill"), "wb") as f:
        f.write(os.urandom(int(4.5 * MIB)))
    vm.data_image = write_ext4(vm.path("full.img"), "cleat-data", 8, folder)
    with open(vm.data_image, "r+b"):
        subprocess.run([DEBUGFS, "-w", "-R", "mkdir nothing", vm.data_image], check=True, stderr=subprocess.PIPE)
    vm.start()
    entry = vm.wait_unit("systemd-hello", state=("no-image", "backoff", "failed"))
    assert "free below /data/store" in entry["detail"] and "make room there" in entry["detail"] or "No space left on device" in entry["detail"], entry
    assert vm.http("/readyz")[0] == 503
    press_and_wait(vm)


# The unit's own command is root of the appliance: once it has been asked, it stops the engine, which is in its loop.
STOP_PORT = 7000
STOPS_ENGINE = "TimeoutStartSec=infinity\nExecStartPre=/bin/sh -c 'echo HTTP/1.0 200 OK | nc -l -p %d; kill -STOP $(pgrep -xf \"cleat engine\")'\n" % STOP_PORT


def test_the_watchdog_resets_a_machine_whose_engine_hangs(machine):
    """Until then the status server answers all the same. /data is in memory because the kernel's command line says so, which is no fault."""
    vm = machine(units={"hang": unit(HELLO, network="host", service=STOPS_ENGINE)}, images=("hello",), data_mib=0, ports=(STOP_PORT,),
                 append="CLEAT_WATCHDOG_SEC=6 cleat.data=memory", qemu=("-device", "i6300esb", "-action", "watchdog=reset"))
    vm.wait_line(r"watchdog: armed, 6 s")
    assert note(vm, "cleat.data=memory on the kernel's command line") == "note"
    vm.wait_http("/", STOP_PORT)
    vm.wait_line(r"watchdog: the engine's loop has not turned for \d+ ms; not fed until it does")
    console = vm.wait_end(60)
    assert "all stopped" not in console and "rebooting" not in console, console
