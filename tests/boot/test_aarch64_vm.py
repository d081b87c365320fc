# SPDX-License-Identifier: Apache-2.0
"""A machine of the other kind, wholly emulated: its kernel, our programs, a container that runs and is asked."""
import os

import pytest

from appliance import IDLE, ROOT, unit
from ociimage import write_box

OTHER = "aarch64"
BUSYBOX = os.path.join(ROOT, "build", OTHER, "rootfs", "bin", "busybox")

pytestmark = pytest.mark.skipif(not os.path.exists(BUSYBOX), reason="make aarch64 has not been run")


def test_a_container_runs_on_aarch64(machine):
    check = "HealthCmd=CMD /bin/true\nHealthInterval=1s\nMemory=32m\nPidsLimit=20\n"
    vm = machine(units={"box": unit("localhost/box:latest", 'Exec=/bin/sh -c "%s"\n' % IDLE + check)}, arch=OTHER, start=False)
    write_box(os.path.join(vm.config, "images", "box.tar"), BUSYBOX, arch="arm64")
    vm.start()
    entry = vm.wait_unit("systemd-box", health="healthy")
    assert entry["state"] == "up"
    assert vm.http("/readyz")[0] == 200
    # the mounts, filters and limits of a container are the kernel's of that machine
    assert not [finding for finding in vm.status()["host"]["findings"] if finding["level"] == "missing"]


def test_its_disk_boots_under_uefi_and_stops_at_the_power_button(machine):
    """The button is ACPI's, which this machine has from its firmware only."""
    vm = machine(arch=OTHER, boot="uefi", config=None, network=False)
    assert vm.wait_line(r"root \d+ ms$")
    assert vm.wait_line(r"data \d+ ms$")
    vm.wait_line(r"engine .* 0 units")
    vm.press_power()
    assert "all stopped" in vm.wait_end()
