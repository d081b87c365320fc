# SPDX-License-Identifier: Apache-2.0
"""The appliance as a machine: from kernel and initramfs, and from its disk under BIOS and UEFI; what only a machine's kernel enforces; a root that
was tampered with."""
import hashlib
import os
import re
import shutil
import signal
import subprocess
import urllib.request

from appliance import ARCH, BUILD, ROOT, free_port, unit, wait_for
from ociimage import busybox_of, write_box
from vm import BOOT_LIMIT_SEC, dist

BOX = "localhost/box:latest"
EXAMPLE = os.path.join(BUILD, "examples", "orchestrator", "units")
LEAST_MIB = 80  # image-recipes/vm/README.md says why not much less
SLOT_A, SLOT_B = 65 * 2**20, 97 * 2**20  # where the slots begin: scripts/make-vm


def example_units():
    """The orchestrator, as README shows it: {name: text}."""
    return {name: open(os.path.join(EXAMPLE, name)).read() for name in os.listdir(EXAMPLE)}


def add_box(vm):
    write_box(os.path.join(vm.config, "images", "box.tar"), busybox_of(BUILD))


def box(command, container="", service="", network=None):
    return unit(BOX, "Exec=sh -c '%s'\n%s" % (command.replace("'", "'\\''"), container), service, network=network)


def milliseconds(vm, pattern):
    """The time in front of a line: once the status screen is there, what moves the cursor is before it."""
    return float(vm.wait_line(r"\[ *([0-9.]+)\] " + pattern).group(1)) * 1000


def complaints(vm):
    """Lines of the engine that say that something is wrong; what the guest's user-mode network leaves open is not ours."""
    return [line for _, line in vm.lines if re.search(r"cleat-engine: (warn|error)", line) and "AutoUpdate" not in line]


def test_direct_boot_serves_the_example_and_answers_through_its_ports(machine):
    """In little more than the least memory that the kernel can unpack itself in."""
    vm = machine(units=example_units(), images=("moe-orchestrator",), ports=(8000,), memory_mib=LEAST_MIB)
    vm.wait_unit("moe-orchestrator", health="healthy")
    assert "orchestrator" in vm.wait_http("/", port=8000)
    assert vm.http("/readyz")[0] == 200
    status = vm.status()
    assert status["units"][0]["state"] == "up"
    for step in ("modules", "data", "identity", "clock", "config"):
        vm.say("%-10s %5.0f ms" % (step, milliseconds(vm, step + r" \d+ ms")))
    assert vm.wait_line(r"config \d+ ms: .*label CLEAT")
    vm.say("engine     %5.0f ms" % milliseconds(vm, "engine .* 1 unit"))
    assert not [line for line in complaints(vm) if "network" in line], complaints(vm)


def page(port):
    with urllib.request.urlopen("http://127.0.0.1:%d/" % port, timeout=20) as answer:
        return answer.read().decode()


def test_make_run_boots_a_machine_where_kvm_is_there_and_does_not_run(tmp_path):
    """QEMU's place is taken by one that cannot use KVM. Ctrl-C presses the power button."""
    name = "qemu-system-" + ARCH
    stub = tmp_path / "bin" / name
    stub.parent.mkdir()
    stub.write_text('#!/bin/sh\ncase "$*" in *"-accel kvm"*) echo "no MSR" >&2; kill -ABRT $$ ;; esac\nexec %s "$@"\n' % shutil.which(name))
    stub.chmod(0o755)
    status, port = free_port(), free_port()
    env = dict(os.environ, PATH="%s:%s" % (stub.parent, os.environ["PATH"]), CONFIG=os.path.join(BUILD, "examples", "orchestrator"), DATA=str(tmp_path / "data.img"),
               RUN=str(tmp_path / "run"), PORTS="%d:8000,%d:25328" % (port, status), VIRTIOFS="0")
    env.pop("ACCEL", None)
    said = tmp_path / "said"
    with open(said, "wb") as out:
        process = subprocess.Popen([os.path.join(ROOT, "scripts", "boot-vm")], env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    try:
        wait_for("it is announced: %s" % said, lambda: process.poll() is not None or "127.0.0.1:%d/status" % status in said.read_text(errors="replace"), BOOT_LIMIT_SEC)
        assert process.poll() is None, said.read_text(errors="replace")
        # announced is a machine that is ready, or one that has taken long
        wait_for("it answers", lambda: "orchestrator" in page(port), BOOT_LIMIT_SEC)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(BOOT_LIMIT_SEC) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    text = said.read_text(errors="replace")
    assert "all stopped" in text and "no MSR" not in text, text
    assert ("cannot use /dev/kvm here" in text) == os.access("/dev/kvm", os.R_OK | os.W_OK), text


def written_in_the_recipe(begin, **words):
    """The command of image-recipes/vm/README.md that begins so, with other words for its names."""
    with open(os.path.join(ROOT, "image-recipes", "vm", "README.md"), encoding="utf-8") as f:
        command = next(line.strip() for line in f if line.startswith("    " + begin))
    for name, word in words.items():
        assert command.count(name) == 1, command
        command = command.replace(name, word)
    return command


def exchange_version(vm):
    """As the recipe says. What boots the machine is not there any more before, so it is the new one's."""
    with open(vm.disk, "r+b") as f:
        f.seek(2**20)
        f.write(bytes(SLOT_B - 2**20))
    new = written_in_the_recipe("zstd -dc", DISK=vm.disk).replace("cleat-NEW-x86_64-disk.raw.zst", dist("disk.raw.zst"))
    subprocess.run(new, shell=True, check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_disk_boots_under_bios_keeps_its_store_and_stops_at_the_power_button(machine):
    """And the store is kept when another version is written over the rest of the disk."""
    vm = machine(units={"hello": unit()}, images=("hello",), boot="bios", start=False)
    vm.disk = copied_disk(vm.dir)
    vm.start()
    vm.wait_unit("systemd-hello", state="up")
    assert vm.wait_line(r"root \d+ ms$")
    vm.press_power()
    assert "all stopped" in vm.wait_end()
    exchange_version(vm)
    vm.add_unit("second", unit())
    os.unlink(os.path.join(vm.config, "images", "hello.tar"))
    vm.start()
    vm.wait_unit("systemd-second", state="up")
    took = milliseconds(vm, "systemd-hello .* up") - milliseconds(vm, "cleat-init")
    vm.say("the second boot, from the first line of PID 1 to a running container: %.0f ms" % took)


def test_disk_boots_under_uefi(machine):
    vm = machine(units={"hello": unit()}, images=("hello",), boot="uefi")
    vm.wait_unit("systemd-hello", state="up")
    assert vm.wait_line(r"root \d+ ms$")
    assert vm.wait_line(r"data \d+ ms$")


def copied_disk(directory):
    path = os.path.join(directory, "disk.raw")
    subprocess.run(["cp", "--sparse=always", os.path.join(BUILD, "vm", "disk.raw"), path], check=True)
    return path


def change_byte(path, offset):
    with open(path, "r+b") as f:
        f.seek(offset)
        byte = f.read(1)
        f.seek(-1, 1)
        f.write(bytes([byte[0] ^ 0x20]))


def copy_slot(path):
    """Slot A as it was built, into slot B."""
    with open(os.path.join(BUILD, "vm", "disk.raw"), "rb") as built, open(path, "r+b") as f:
        built.seek(SLOT_A)
        f.seek(SLOT_B)
        f.write(built.read(SLOT_B - SLOT_A))


def test_a_tampered_root_is_refused_and_a_whole_one_in_the_other_slot_is_taken(machine):
    vm = machine(config=None, network=False, boot="bios", start=False)
    vm.disk = copied_disk(vm.dir)
    change_byte(vm.disk, SLOT_A + 2**20 + 17)
    vm.start()
    line = vm.wait_line(r"root \d+ ms: failed: refused: (.*)").group(1)
    assert re.search(r"vda2: block 256 is not what it was when it was built", line), line
    vm.wait_line(r"no root to boot from: see above; trying again in 60 s")
    assert "starting the engine" not in vm.console()
    vm.close()

    copy_slot(vm.disk)
    vm.start()
    vm.wait_line(r"root \d+ ms$")
    vm.wait_line(r"starting the engine")


def test_all_of_it_is_built_again_bit_for_bit_in_another_directory(tmp_path):
    """From the same root: the programs' own sameness is their compiler's. Needs no root, and leaves what is in dist alone."""
    top = tmp_path / "some" / "where else"
    out = top / "build" / ARCH
    (out / "sysroot").mkdir(parents=True)
    for name in ("scripts", "image-recipes", "rootfs"):
        shutil.copytree(os.path.join(ROOT, name), top / name)
    shutil.copytree(os.path.join(BUILD, "rootfs"), out / "rootfs", symlinks=True)
    for name in ("bin", "share", ".built"):
        shutil.copytree(os.path.join(BUILD, "sysroot", name), out / "sysroot" / name, symlinks=True)
    os.symlink(os.path.join(ROOT, "build", "sources"), top / "build" / "sources")
    with open(os.path.join(ROOT, "Makefile")) as f:
        version, epoch = re.search(r"^VERSION := (\S+)\n(?:#.*\n)*SOURCE_DATE_EPOCH \?= (\d+)", f.read(), re.M).groups()
    subprocess.run(["scripts/make-vm"], cwd=top, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   env=dict(os.environ, ARCH=ARCH, CROSS="", VERSION=version, SOURCE_DATE_EPOCH=epoch))
    for suffix in ("kernel", "initramfs.zst", "disk.raw.zst", "disk.qcow2"):
        again = str(top / "dist" / os.path.basename(dist(suffix)))
        assert digest(again) == digest(dist(suffix)), suffix
        if suffix == "disk.raw.zst":
            plain = subprocess.run(["zstd", "-dc", "--long=27", again], check=True, stdout=subprocess.PIPE).stdout
            assert len(plain) == os.path.getsize(os.path.join(BUILD, "vm", "disk.raw"))


def test_nothing_that_is_shipped_knows_where_it_was_built():
    """Its bytes would be others in another clone."""
    files = [os.path.join(BUILD, "sysroot", "bin", "e2fsck")]
    for folder, _, names in os.walk(os.path.join(BUILD, "rootfs")):
        files += [os.path.join(folder, name) for name in names]
    files = [path for path in files if os.path.isfile(path) and not os.path.islink(path)]
    assert len(files) > 5
    for path in files:
        with open(path, "rb") as f:
            assert os.fsencode(os.path.join(ROOT, "build")) not in f.read(), path


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def test_artefacts_keep_their_limits(capsys):
    sizes = {suffix: os.path.getsize(dist(suffix)) for suffix in ("kernel", "initramfs.zst", "disk.raw.zst", "disk.qcow2")}
    with capsys.disabled():
        print("\n" + "\n".join("%-14s %5.2f MiB" % (name, size / 2**20) for name, size in sizes.items()))
    assert sizes["kernel"] + sizes["initramfs.zst"] <= 20 * 2**20
    assert sizes["disk.raw.zst"] <= 24 * 2**20 and sizes["disk.qcow2"] <= 24 * 2**20


# Their output is read from /status, which has a unit's last lines when it has ended.
LIMITS = {
    "greedy": box("echo before; dd if=/dev/zero of=/dev/null bs=100M count=1; echo after $?", "Memory=24m\n", "Restart=no\n"),
    "forks": box("for i in $(seq 40); do sleep 1000 & echo forked $i; done", "PidsLimit=12\n", "Restart=no\n"),
    "slow": box("i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; grep nr_throttled /sys/fs/cgroup/cpu.stat; exit 3",
                "PodmanArgs=--cpus=0.2\n", "Restart=no\n"),
    "writer": box("dd if=/dev/zero of=/v/file bs=64k count=48 oflag=direct; exit 3", "Volume=written:/v\nPodmanArgs=--device-write-bps=/data:1mb\n",
                  "Restart=no\n"),
    "tight.pod": "[Pod]\nNetwork=none\nPodmanArgs=--memory=24m\n[Service]\nTasksMax=500\n[Install]\nWantedBy=default.target\n",
    "crowded": box("cat /proc/self/cgroup; echo before; dd if=/dev/zero of=/dev/null bs=100M count=1; echo after $?", "Pod=tight.pod\n", "Restart=no\n", network=None),
    "beside": box("trap 'exit 0' TERM; while :; do sleep 1; done", "Pod=tight.pod\n", "Restart=no\n", network=None),
}


def last_words(vm, name):
    return "\n".join(vm.wait_unit("systemd-" + name, state="failed")["last_output"])


def test_limits_hold_and_an_oom_kill_is_reported(machine):
    vm = machine(units=LIMITS, start=False)
    add_box(vm)
    vm.start()
    words = last_words(vm, "greedy")
    entry = vm.unit("systemd-greedy")
    assert "before" in words and entry["exit"]["oom_kills"] >= 1, entry
    assert "after 0" not in words
    assert entry["exit"]["memory_max_bytes"] == 24 * 2**20
    # of a pod all containers together, and only who takes too much goes
    words = last_words(vm, "crowded")
    entry = vm.unit("systemd-crowded")
    assert "before" in words and "after 0" not in words and entry["exit"]["oom_kills"] >= 1, entry
    assert vm.wait_unit("systemd-beside", state="up")["restarts"] == 0
    assert vm.unit("systemd-tight")["state"] == "up"
    words = last_words(vm, "forks")
    counted = [int(n) for n in re.findall(r"forked (\d+)", words)]
    assert counted and max(counted) < 12 and "fork" in words.replace("forked", ""), words
    words = last_words(vm, "slow")
    assert int(re.search(r"nr_throttled (\d+)", words).group(1)) > 0, words
    words = last_words(vm, "writer")
    took = re.search(r"copied, ([0-9.]+) seconds", words)
    assert took and float(took.group(1)) >= 2, words  # 3 MiB at 1 MiB a second, the first of them perhaps at once
