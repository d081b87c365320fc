# SPDX-License-Identifier: Apache-2.0
"""The compiled filters of the default seccomp profile that the runtime brings (appliance/seccomp/ready_*_ARCH.def) are what it would compile itself.
GOLDEN_WRITE=1 writes the files anew. libseccomp asks the kernel what it knows, which qemu-user does not answer: only this machine's own is checked."""
import json
import os
import platform
import re
import struct
import subprocess

import pytest

from appliance import BUILD, CLEAT, ROOT
from ociimage import busybox_of, write_box

READY = os.path.join(ROOT, "appliance", "seccomp", "ready_%s_" + platform.machine() + ".def")
CAPABILITIES = {"default": "", "none": "DropCapability=ALL\n"}
RUNTIME = os.path.join(BUILD, "bin", "cleat-runtime")
HEAD = """/* SPDX-License-Identifier: Apache-2.0 */
/*
 * default.def, compiled, for containers with these capabilities: %s. A data file, included by engine/runtime/seccomp_ready.c.
 * Written by tests/system/test_seccomp_ready.py, with GOLDEN_WRITE=1.
 */
/* clang-format off */
"""


def output(*words):
    return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.mark.skipif(platform.machine() != "x86_64", reason="there is no ready filter for this machine")
@pytest.mark.parametrize("name", sorted(CAPABILITIES))
def test_a_ready_filter_is_what_the_runtime_compiles(name, tmp_path):
    images, store, cache, config = (tmp_path / name for name in ("images", "store", "cache", "config.json"))
    images.mkdir()
    write_box(images / "box.tar", busybox_of(BUILD))
    output(CLEAT, "import", "--store", store, "--images", images, "localhost/box:latest")
    (tmp_path / "web.container").write_text("[Container]\nImage=localhost/box:latest\n" + CAPABILITIES[name])
    config.write_text(output(CLEAT, "spec", "--oci", "--dir", tmp_path, "--store", store, "web"))
    key = json.loads(config.read_text())["annotations"]["org.cleat.seccomp"]
    compiled = output(RUNTIME, "seccomp-compile", "--cache-dir", cache, config).strip()
    assert os.path.basename(compiled) == "seccomp-%s.bpf" % key
    with open(compiled, "rb") as f:
        program = list(struct.iter_unpack("=HBBI", f.read()))
    if os.environ.get("GOLDEN_WRITE"):
        with open(READY % name, "w", encoding="ascii") as f:
            f.write(HEAD % name + 'KEY("%s")\n' % key + "".join("INSN(0x%02x, %d, %d, 0x%x)\n" % insn for insn in program))
    with open(READY % name, encoding="ascii") as f:
        text = f.read()
    assert re.findall(r'^KEY\("(\w+)"\)$', text, re.M) == [key]
    ready = [tuple(int(word, 0) for word in line.split(", ")) for line in re.findall(r"^INSN\((.*)\)$", text, re.M)]
    assert len(ready) > 50 and ready == program
