# SPDX-License-Identifier: Apache-2.0
"""The appliance for aarch64: what "make ARCH=aarch64 lxc" writes, and its programs under qemu-user beside this machine's. Starting containers needs a
kernel of that machine; its VM has one."""
import glob
import os
import platform
import re
import shutil
import struct
import subprocess

import pytest

from appliance import CLEAT, ROOT
from lxc import artefact
from proxmox import Root

OTHER = "aarch64"
BUILD = os.path.join(ROOT, "build", OTHER)
QEMU = [] if platform.machine() == OTHER else [shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64") or "qemu-aarch64-static"]
GOLDEN = sorted(glob.glob(os.path.join(ROOT, "tests", "golden", "*.container")))

pytestmark = pytest.mark.skipif(not os.path.isdir(os.path.join(BUILD, "rootfs")), reason="make ARCH=aarch64 lxc has not been run")


@pytest.fixture(name="root", scope="module")
def fixture_root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("root")
    subprocess.run(["tar", "-xpf", artefact("tar.xz", OTHER), "-C", str(folder), "--exclude", "./dev/*"], check=True)
    return Root(folder)


def program(root, name, *words, argv0=None):
    command = QEMU + (["-0", argv0] if argv0 and QEMU else []) + [root.path(name), *words]
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=120,
                          cwd=ROOT)


def elf(path):
    """(machine, has an interpreter, is position independent, its stack may be executed) of a program; None for other files."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:4] != b"\x7fELF":
        return None
    kind, machine = struct.unpack_from("<HH", data, 16)
    start, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    headers = [struct.unpack_from("<II", data, start + i * size) for i in range(count)]
    stack = [flags for word, flags in headers if word == 0x6474e551]
    return machine, 3 in [word for word, _ in headers], kind == 3, not stack or bool(stack[0] & 1)


def test_root_is_for_that_machine(root):
    assert root.machine() == "arm64" and root.system() == "alpine"
    found = {}
    for folder, _, names in os.walk(root.root):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.islink(path) and elf(path):
                found[os.path.relpath(path, root.root)] = elf(path)
    assert {"bin/busybox", "sbin/init", "usr/bin/cleat", "usr/bin/cleat-runtime"} <= set(found)
    assert set(found.values()) == {(0xb7, False, True, False)}


def test_metadata_is_for_that_machine():
    for suffix, line in (("incus.tar.xz", r"^architecture: aarch64$"), ("incus-unified.tar.xz", r"^  architecture: arm64$")):
        done = subprocess.run(["tar", "-xJOf", artefact(suffix, OTHER), "metadata.yaml"], stdout=subprocess.PIPE, text=True, check=True)
        assert re.search(line, done.stdout, re.M), done.stdout
    done = subprocess.run(["tar", "-xJOf", artefact("lxc-meta.tar.xz", OTHER), "./config"], stdout=subprocess.PIPE, text=True, check=True)
    assert "lxc.arch = aarch64\n" in done.stdout


@pytest.mark.parametrize("name", ["usr/bin/cleat", "usr/bin/cleat-runtime", "sbin/init"])
def test_programs_say_their_version(root, name):
    done = program(root, name, "--version")
    assert done.returncode == 0 and re.fullmatch(r"cleat\S* \d+\.\d+\.\d+\n", done.stdout), done


def without_filters(text):
    """seccomp filters are for one machine only."""
    return re.sub(r"SCMP_ARCH_\w+|(?<=org\.cleat\.seccomp=)[0-9a-f]{64}", "FILTER", text)


def same_as_here(root, *words):
    there = program(root, "usr/bin/cleat", *words)
    here = subprocess.run([CLEAT, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          timeout=120, cwd=ROOT)
    assert (there.returncode, without_filters(there.stdout), there.stderr) == (here.returncode, without_filters(here.stdout), here.stderr), words
    return there.stdout


@pytest.mark.parametrize("words", [("keys",), ("keys", "--json-schema"), ("states", "--dot"), ("help",)], ids=" ".join)
def test_tables_are_the_same(root, words):
    assert same_as_here(root, *words)


def test_units_are_read_the_same(root, tmp_path):
    """Every golden unit, and the examples: problems, services, explanations and specs, byte for byte."""
    assert len(GOLDEN) > 20
    units = tmp_path / "units"
    units.mkdir()
    for path in GOLDEN + glob.glob(os.path.join(ROOT, "appliance", "examples", "*", "units", "*.container")):
        shutil.copy(path, units)
    assert '"problems"' in same_as_here(root, "check", "--json", str(units))
    assert same_as_here(root, "check", "--lint", str(units))
    for name in ("hello", "hardened", "moe-orchestrator"):
        assert "Image=" in same_as_here(root, "explain", "--dir", str(units), name)
        assert same_as_here(root, "spec", "--dir", str(units), name)
    assert "SCMP_ARCH_AARCH64" in same_as_here(root, "explain", "--dir", str(units), "hardened")
    for path in units.iterdir():  # podman's rule: one file that cannot be read, and its folder gives nothing
        if path.name not in ("hello.container", "hardened.container", "moe-orchestrator.container"):
            path.unlink()
    assert same_as_here(root, "quadlet", "--dryrun", str(units)).count("[Service]") == 3


def test_shell_and_tools_run(root):
    done = program(root, "bin/busybox", "sh", "-c", "echo $((6 * 7)); printf abc | sha256sum")
    assert done.stdout.split() == ["42", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "-"], done


def test_runtime_says_what_is_missing(root):
    """qemu-user is a poor kernel: that has to be said, not stumbled over."""
    done = program(root, "usr/bin/cleat-runtime", "check")
    assert done.returncode in (0, 1) and re.search(r"^(yes|no) cgroup-kill", done.stdout, re.M), done
