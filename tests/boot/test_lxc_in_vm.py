# SPDX-License-Identifier: Apache-2.0
"""The template in a real LXC container of a host that gives it controllers: a machine of our kernel with this machine's lxc-start. There limits are
enforced: the container's own, and those of the units in it."""
import json
import os
import re
import shutil

import pytest

import lxchost
from appliance import BUILD, unit
from ociimage import busybox_of, write_box

EXAMPLE = os.path.join(BUILD, "examples", "orchestrator")
MIB = 2**20
SMALL = 16 * MIB  # the whole appliance with one unit

pytestmark = pytest.mark.skipif(not lxchost.available(), reason="lxc is not installed")

# One boot: first with 16 MiB, then with room for units that have limits of their own.
SCRIPT = """
wait_for get readyz
say "ready max $(cat $C/memory.max) peak $(cat $C/memory.peak) $(grep '^oom_kill ' $C/memory.events)"
say "seconds $(cut -d' ' -f1 /proc/uptime)"
echo 134217728 >$C/memory.max
cp /srv/more/*.container /srv/config/units/
state() { get status | tr -d '\\n ' | sed 's/"name":/\\n&/g' | grep "^.name.:.$1.," | sed 's/.*"state":"\\([^"]*\\)".*/\\1/'; }
settled() { [ "$(state systemd-hog) $(state systemd-limited)" = "failed up" ]; }
wait_for settled
say "status $(get status | tr -d '\\n')"
for file in memory.max pids.max cpu.max memory.oom.group; do
	for group in $(find $C -type d -path '*/cleat/c/*' -prune); do
		say "limit $file $(cat $group/$file)"
	done
done
"""


def fill(srv):
    shutil.copytree(EXAMPLE, os.path.join(srv, "config"), dirs_exist_ok=True, ignore=shutil.ignore_patterns(".ready"))
    write_box(os.path.join(srv, "config", "images", "box.tar"), busybox_of(BUILD))
    os.mkdir(os.path.join(srv, "more"))
    units = {"hog": unit("localhost/box:latest", "Exec=dd if=/dev/zero of=/dev/null bs=64M count=1\nMemory=8m\n", "Restart=no\n"),
             "limited": unit("localhost/box:latest", "Exec=/bin/sh -c \"trap 'exit 0' TERM; while :; do sleep 0.1; done\"\nMemory=12m\nPidsLimit=7\n"
                             "PodmanArgs=--cpus=0.5\n")}
    for name, text in units.items():
        with open(os.path.join(srv, "more", name + ".container"), "w") as f:
            f.write(text)


def test_limits_in_a_container(machine):
    vm = lxchost.boot(machine, fill, SCRIPT, "lxc.cgroup2.memory.max = %d\n" % SMALL)
    small = vm.wait_line(r"^HOST ready max (\d+) peak (\d+) oom_kill (\d+)$")
    assert int(small.group(1)) == SMALL and int(small.group(2)) <= SMALL and small.group(3) == "0", small.group(0)
    vm.say("healthy in a container of %.0f MiB, of which it took %.1f" % (SMALL / MIB, int(small.group(2)) / MIB))
    status = json.loads(vm.wait_line(r"^HOST status (\{.*\})$").group(1))
    units = {entry["name"]: entry for entry in status["units"]}
    assert units["moe-orchestrator"]["health"] == "healthy"
    assert units["systemd-hog"]["state"] == "failed" and re.search("memory|oom", units["systemd-hog"]["detail"]), units["systemd-hog"]
    vm.wait_line(r"^HOST ended")
    console = vm.wait_end()
    limits = re.findall(r"HOST limit (\S+) (.*)$", console, re.M)
    for limit in (("memory.max", str(12 * MIB)), ("pids.max", "7"), ("cpu.max", "50000 100000"), ("memory.oom.group", "1")):
        assert limit in limits, (limit, limits)
    assert re.search(r"HOST stopped 0$", console, re.M) and re.search(r"HOST ended 0$", console, re.M), console
    assert "not enforced" not in json.dumps([status["notes"], status.get("host")])
