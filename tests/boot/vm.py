# SPDX-License-Identifier: Apache-2.0
"""One real machine for a test: our kernel, initramfs or disk in QEMU, without KVM, so that it is the same everywhere."""
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))

from appliance import ARCH, BUILD, Machine, ROOT, free_port, wait_for  # noqa: E402

STATUS_PORT = 25328
FIRST_LINE = r"cleat-init \S+ \(machine\)"
QEMU = {
    # max lacks nothing that the kernel wants, but its emulated cmpxchg16b panics now and then; and told that moving strings by bytes is fast, the
    # kernel clears each page in 4,096 steps
    "x86_64": ["qemu-system-x86_64", "-M", "q35,sata=off", "-cpu", "max,-cx16,-erms"],
    "aarch64": ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57"],
}
CONSOLE = {"x86_64": "ttyS0", "aarch64": "ttyAMA0"}
UEFI = {
    "x86_64": (("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"), ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd")),
    "aarch64": (("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),),
}
BOOT_LIMIT_SEC = 120  # for a broken guest, not a measurement: a machine under load takes ten times as long as an idle one


def dist(suffix, arch=ARCH):
    with open(os.path.join(ROOT, "Makefile")) as f:
        version = re.search(r"^VERSION := (\S+)", f.read(), re.M).group(1)
    return os.path.join(ROOT, "dist", "cleat-%s-%s-%s" % (version, arch, suffix))


def recipe_words(arch):
    """What the disk's kernel is told, but where its console is: direct boot should be told the same (README)."""
    other = ("console=",) if arch == "x86_64" else ("console=", "no_timer_check")
    with open(os.path.join(ROOT, "image-recipes", "vm", "command-line")) as f:
        return " ".join(word for word in f.read().split() if not word.startswith(other))


def write_ext4(path, label, mib, source=None):
    """An ext4 image of that size; what lies below source is in it."""
    subprocess.run(["/usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-L", label] + (["-d", source] if source else []) + [path, "%dM" % mib],
                   check=True, stdin=subprocess.DEVNULL)
    return path


class Vm(Machine):
    """machine(units=..., images=..., boot="direct"|"bios"|"uefi", ...): see __init__. Everything of it is below directory."""

    def __init__(self, directory, units=None, images=(), boot="direct", arch=ARCH, config="disk", data_mib=128, data_image=None, disk=None,
                 memory_mib=256, append="", qemu=(), network=True, ports=()):
        """config: "disk" is one labelled CLEAT with units and images, None is none (the test gives its own by qemu=).
        data_mib: an empty disk labelled cleat-data, 0: none; data_image: this one instead. Both for direct boot: the disk has its own.
        disk: a raw image to boot from, which the machine then writes to; by default a throw-away layer above the one that was built.
        append: words for the kernel, direct boot only. qemu: more arguments. ports: of the machine, besides the status port."""
        super().__init__(directory, units, images)
        self.boot, self.arch, self.config_kind, self.network = boot, arch, config, network
        self.data_mib, self.data_image, self.disk = data_mib, data_image, disk
        self.memory_mib, self.append, self.qemu = memory_mib, append, list(qemu)
        self.ports = {inside: free_port() for inside in (STATUS_PORT,) + tuple(ports)} if network else {}
        self.lines, self.arrived = [], threading.Condition()
        self.retried = False

    # --- what it is made of -------------------------------------------------------------------------

    def path(self, name):
        return os.path.join(self.dir, name)

    def drive(self, path, form="raw", readonly=False):
        self.drives += 1
        name = "d%d" % self.drives
        return ["-drive", "if=none,id=%s,file=%s,format=%s,cache=unsafe%s" % (name, path, form, ",readonly=on" if readonly else ""),
                "-device", "virtio-blk-pci,drive=" + name]

    def boot_arguments(self):
        if self.boot == "direct":
            words = "console=%s %s panic=-1 %s" % (CONSOLE[self.arch], recipe_words(self.arch), self.append)
            return ["-kernel", dist("kernel", self.arch), "-initrd", dist("initramfs.zst", self.arch), "-append", words]
        disk = self.disk
        if not disk:
            disk = self.path("disk.qcow2")
            if not os.path.exists(disk):
                subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", os.path.join(ROOT, "build", self.arch, "vm", "disk.raw"), disk], check=True)
        arguments = self.drive(disk, "qcow2" if disk.endswith(".qcow2") else "raw")
        arguments[-1] += ",bootindex=1"
        if self.boot == "uefi":
            code, variables = next(pair for pair in UEFI[self.arch] if os.path.exists(pair[0]))
            if not os.path.exists(self.path("vars")):
                shutil.copy(variables, self.path("vars"))
            arguments += ["-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + code, "-drive", "if=pflash,unit=1,format=raw,file=" + self.path("vars")]
        return arguments

    def disk_arguments(self):
        arguments = []
        if self.boot == "direct" and (self.data_image or self.data_mib):
            image = self.data_image or self.path("data.img")
            if not os.path.exists(image):
                write_ext4(image, "cleat-data", self.data_mib)
            arguments += self.drive(image)
        if self.config_kind == "disk":
            image = self.path("config.img")
            size = sum(os.path.getsize(os.path.join(base, name)) for base, _, names in os.walk(self.config) for name in names)
            write_ext4(image, "CLEAT", 8 + size * 5 // 4 // 2**20, self.config)
            arguments += self.drive(image, readonly=True)
        return arguments

    def network_arguments(self):
        if not self.network:
            return []
        forwards = "".join(",hostfwd=tcp:127.0.0.1:%d-:%d" % (outside, inside) for inside, outside in self.ports.items())
        return ["-netdev", "user,id=net,restrict=on" + forwards, "-device", "virtio-net-pci,netdev=net,romfile="]

    # --- life ----------------------------------------------------------------------------------------

    def launch(self):
        self.drives = 0
        self.lines.clear()
        if os.path.exists(self.path("qmp")):
            os.unlink(self.path("qmp"))
        command = QEMU[self.arch] + ["-accel", "tcg", "-m", str(self.memory_mib), "-smp", "1", "-nodefaults", "-no-user-config", "-display", "none",
                                     "-no-reboot", "-serial", "stdio", "-qmp", "unix:%s,server=on,wait=off" % self.path("qmp")]
        command += self.boot_arguments() + self.disk_arguments() + self.network_arguments() + self.qemu
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.reader = threading.Thread(target=self.read_console, args=(self.process.stdout,), daemon=True)
        self.reader.start()

    def start(self, wait=True):
        """Until PID 1 has said its first line. A guest that dies before it (an emulated CPU does now and then) is started once more, and
        that is reported."""
        self.launch()
        if not wait:
            return self
        try:
            self.wait_line(FIRST_LINE)
        except AssertionError:
            if self.retried or self.process.poll() is None:
                raise
            self.retried = True
            print("the guest died before its first line and is started again:\n" + self.console()[-1500:])
            self.close()
            return self.start()
        return self

    def read_console(self, stream):
        for raw in iter(stream.readline, b""):
            with self.arrived:
                self.lines.append((time.monotonic() - self.started, raw.decode(errors="replace").rstrip("\r\n")))
                self.arrived.notify_all()
        with self.arrived:
            self.arrived.notify_all()

    def console(self):
        with self.arrived:
            return "".join("%7.2f %s\n" % line for line in self.lines)

    def wait_line(self, pattern, seconds=BOOT_LIMIT_SEC):
        """The first line of the console that has it (a match object): also one that is there already."""
        deadline = time.monotonic() + seconds
        with self.arrived:
            done = 0
            while True:
                for _, line in self.lines[done:]:
                    match = re.search(pattern, line)
                    if match:
                        return match
                done = len(self.lines)
                left = deadline - time.monotonic()
                if left <= 0 or not self.reader.is_alive():
                    break
                self.arrived.wait(min(left, 0.5))
        raise AssertionError("no line with %r on the console%s:\n%s" % (pattern, "" if left <= 0 else ", and the machine has ended", self.console()))

    def wait_end(self, seconds=BOOT_LIMIT_SEC):
        """QEMU has ended: the machine was switched off, or wanted to start again."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError("the machine has not ended within %d s:\n%s" % (seconds, self.console()))
        self.reader.join(10)
        return self.console()

    def close(self):
        if not self.process:
            return
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join(10)
        self.process.stdout.close()

    # --- asking ----------------------------------------------------------------------------------------

    def qmp(self, *commands):
        """Each a name or (name, arguments); the last one's answer."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(self.path("qmp"))
            stream = s.makefile("rw")
            stream.readline()
            answer = None
            for command in ("qmp_capabilities",) + commands:
                name, arguments = command if isinstance(command, tuple) else (command, {})
                stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
                stream.flush()
                answer = json.loads(stream.readline())
                while "event" in answer:
                    answer = json.loads(stream.readline())
                assert "error" not in answer, answer
            return answer.get("return")

    def press_power(self):
        self.qmp("system_powerdown")

    def http(self, path, port=STATUS_PORT, accept=None, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[port], timeout=20)
        try:
            connection.request(method, path, headers={"Accept": accept} if accept else {})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def wait_http(self, path, port=STATUS_PORT, code=200, seconds=BOOT_LIMIT_SEC):
        """Body of the first answer with that code."""
        seen = {}

        def answers():
            self.alive()
            try:
                seen["last"] = self.http(path, port)
            except (OSError, http.client.HTTPException) as e:
                seen["last"] = e
                return None
            return seen["last"][0] == code and (seen["last"],)

        try:
            return wait_for("%d from %s of port %d" % (code, path, port), answers, seconds)[0][1]
        except AssertionError as e:
            raise AssertionError("%s\nlast answer: %s\n%s" % (e, seen.get("last"), self.console()))

    def can_be_stopped(self, entry):
        """Its processes are nobody's to look at, and much later than a shell has come to its trap when they are heard of."""
        return True

    def wait_unit(self, name, seconds=BOOT_LIMIT_SEC, **fields):
        return super().wait_unit(name, seconds, **fields)
