# SPDX-License-Identifier: Apache-2.0
"""The README's "Moving in": its commands, run as they stand there, with the real podman as the machine that is left and come back to."""
import os
import re
import subprocess

import pytest

from appliance import CLEAT, IMAGES, ROOT, Appliance

with open(os.path.join(ROOT, "README.md")) as f:
    SECTION = f.read().split("## Moving in\n", 1)[1].split("\n## ", 1)[0]
BLOCKS = [re.sub(r"(?m)^    ", "", block) for block in re.findall(r"(?:^    .+\n)+", SECTION, re.M)]
UNIT = """[Container]
Image=localhost/app:1
ContainerName=web
Network=none
Volume=web-data:/app/data

[Install]
WantedBy=default.target
"""


class Podman:
    """A machine with podman: a mount namespace of its own for each command, over one folder."""

    def __init__(self, directory):
        self.dir = directory
        for name in ("lib", "run", "libpod", "systemd", "bin", "home"):
            (directory / name).mkdir()
        (directory / "bin" / "cleat").symlink_to(CLEAT)
        # no systemd runs here: what is said to it is written down
        (directory / "bin" / "systemctl").write_text("#!/bin/sh\necho \"$@\" >>%s\n" % (directory / "systemctl.log"))
        (directory / "bin" / "systemctl").chmod(0o755)

    def shell(self, text):
        mounts = {"lib": "/var/lib/containers", "run": "/run/containers", "libpod": "/run/libpod", "systemd": "/etc/containers/systemd"}
        script = "".join("mkdir -p %s\nmount --bind %s %s\n" % (there, self.dir / here, there) for here, there in mounts.items())
        script += "PATH=%s:$PATH\ncd %s\n%s" % (self.dir / "bin", self.dir / "home", text)
        done = subprocess.run(["unshare", "--mount", "/bin/sh", "-eu", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False, timeout=120)
        assert done.returncode == 0, (text, done.stdout, done.stderr)
        return done.stdout


@pytest.fixture(name="podman")
def fixture_podman(tmp_path):
    place = tmp_path / "podman"
    place.mkdir()
    made = not os.path.isdir("/etc/containers/systemd")
    machine = Podman(place)
    yield machine
    if made and os.path.isdir("/etc/containers/systemd"):
        os.rmdir("/etc/containers/systemd")


def files_of(folder):
    """{name: (owner, group, mode, text)}"""
    found = {}
    for path, _, names in os.walk(folder):
        for name in names:
            whole = os.path.join(path, name)
            st = os.lstat(whole)
            with open(whole) as f:
                found[os.path.relpath(whole, folder)] = (st.st_uid, st.st_gid, st.st_mode, f.read())
    return found


def test_from_podman_and_back(podman, tmp_path):
    leave, arrive, pack, back = BLOCKS
    (podman.dir / "systemd" / "web.container").write_text(UNIT)
    podman.shell("podman load -q -i %s\npodman tag localhost/moe-orchestrator:latest localhost/app:1\npodman volume create web-data\n"
                 "cd $(podman volume inspect --format '{{.Mountpoint}}' web-data)\n"
                 "echo mine >mine\nchown 1001:1002 mine\nchmod 640 mine\necho root >root\nmkdir -p deep/er\necho x >deep/er/x\n"
                 % os.path.join(IMAGES, "moe-orchestrator.tar"))
    podman.shell(leave)
    assert (podman.dir / "systemctl.log").read_text() == "stop web\n"

    # what was made there is the configuration here
    there = Appliance(tmp_path / "appliance", images=())
    os.rmdir(os.path.join(there.config, "units"))
    os.rmdir(os.path.join(there.config, "images"))
    os.rmdir(there.config)
    os.rename(podman.dir / "home" / "move", there.config)
    try:
        there.start()
        there.wait_unit("web", state="up")
        there.inside("/bin/sh", "-eu", "-c", arrive)
        there.wait_unit("web", state="up")
        volume = os.path.join(there.data, "volumes", "web-data")
        files = files_of(volume)
        assert files["mine"] == (1001, 1002, 0o100640, "mine\n")
        assert files["root"][:2] == (65000, 65000)  # root in containers
        assert files["deep/er/x"][3] == "x\n"
        with open(os.path.join(volume, "new"), "w") as f:
            f.write("made here\n")
        # of the appliance's own root, whom no container knows: nothing is lost in silence
        refused = there.inside("/bin/sh", "-eu", "-c", pack, check=False)
        assert refused.returncode == 1 and "the first is new (0:0)" in refused.stdout
        os.chown(os.path.join(volume, "new"), 65000, 65000)
        there.inside("/bin/sh", "-eu", "-c", pack)
    finally:
        there.close()

    os.rename(os.path.join(there.data, "web-data.tar"), podman.dir / "home" / "web-data.tar")
    os.rename(os.path.join(there.config, "units"), podman.dir / "home" / "units")
    os.remove(podman.dir / "systemd" / "web.container")
    podman.shell("podman volume rm web-data")
    podman.shell(back)
    assert (podman.dir / "systemctl.log").read_text() == "stop web\ndaemon-reload\nstart web\n"
    assert (podman.dir / "systemd" / "web.container").read_text() == UNIT
    mountpoint = podman.shell("podman volume inspect --format '{{.Mountpoint}}' web-data").strip()
    files = files_of(mountpoint.replace("/var/lib/containers", str(podman.dir / "lib")))
    assert files["mine"] == (1001, 1002, 0o100640, "mine\n")
    assert files["root"][:2] == (0, 0)
    assert files["new"][3] == "made here\n"
