# SPDX-License-Identifier: Apache-2.0
"""Engine, shim and holder are killed at any call that others could notice while an image is updated and, where it is bad, taken back
(test_crash.py says how). One of the two digests is what the unit ends with, and what is known of them is said."""
import http.client
import json
import os

import pytest

from appliance import BUILD, unit, wait_for
from ociimage import busybox_of, write_box
from registry import HeldRegistry
from test_crash import CUTS, RENAMED, RUNNING, Restart, World, cut_all, is_up, killer, only_image, worlds  # noqa: F401: fixtures

APP = "systemd-app"
REPOSITORY = "team/app"
RENAMED["app"] = APP
BAD = b"#!/bin/sh\nexit 3\n"


class UpdateWorld(World):
    """With a registry, and a member of the pod whose image is there."""
    registry, number = None, 0

    def publish(self, is_good):
        self.number += 1
        path = os.path.join(str(self.folder), "version.tar")
        with open(self.only_program, "rb") as f:
            program = f.read() if is_good else BAD
        write_box(path, busybox_of(BUILD), "x", {"Env": ["PATH=/bin", "NUMBER=%d" % self.number]},
                  [("bin/only", {"content": program, "mode": 0o755}), ("number", {"content": b"%d" % self.number})])
        return self.registry.add_archive(path, REPOSITORY, "1")

    def furnish(self, a):
        self.registry = HeldRegistry(a.init_pid())
        with open(os.path.join(a.config, "registries.conf"), "w", encoding="utf-8") as f:
            f.write('[[registry]]\nlocation = "%s"\ninsecure = true\n' % self.registry.host)
        first = self.publish(True)
        a.add_unit("app.container", unit("%s/%s:1" % (self.registry.host, REPOSITORY),
                                         "AutoUpdate=registry\nRetry=0\nPod=group.pod\nVolume=/data/share:/share\nStopTimeout=5\nExec=/bin/only only /share app\n",
                                         "Restart=always\nRestartSec=0", unit_lines="StartLimitIntervalSec=0\n", network=None))
        a.wait_unit(APP, state="up", image_digest=first)

    def close(self):
        super().close()
        self.drop()

    def drop(self):
        super().drop()
        if self.registry:
            self.registry.stop()
            self.registry = None


class Update(Restart):
    unit = APP
    before = running = RUNNING + ("app",)
    asks_again = False
    follows = True
    is_good = True

    def __init__(self, world):
        self.world = world

    def prepare(self, a):
        wait_for("an update before it is over", lambda: not any(u["busy"] for u in self.report(a)))
        entry = wait_for("it rests", lambda: is_up(a, APP))
        self.old, self.pid = entry["image_digest"], entry["pid"]
        self.new = self.world.publish(self.is_good)

    def ask(self, a):
        """Refused where an engine before this one has begun it."""
        try:
            return a.api("POST", "/cleat/v1/units/%s/update" % APP, timeout=20)[0] in (202, 409)
        except (OSError, http.client.HTTPException):
            return False

    @staticmethod
    def report(a):
        return [u for u in json.loads(a.api("GET", "/cleat/v1/updates")[1])["units"] if u["name"] == APP]

    def is_done(self, a):
        """Nobody but the timer would ask again when the engine has gone before it knew that there is something newer."""
        found = self.report(a)
        if not found or found[0]["busy"]:
            return False
        last = found[0]["history"][0] if found[0]["history"] else {"digest": ""}
        if last["digest"] != self.new:
            self.ask(a)
            return False
        if not self.is_good:
            assert last["result"] == "rolled-back", found[0]
        if last["result"] == "rolled-back":
            return (found[0]["bad"], found[0]["pin"]) == (self.new, self.old) and is_up(a, APP, image_digest=self.old)
        assert (last["result"], found[0]["pin"]) == ("updated", ""), found[0]
        return is_up(a, APP, image_digest=self.new)


class GoBack(Update):
    is_good = False


@pytest.fixture(scope="module")
def world(only_image, killer, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("updates")
    with worlds(folder, only_image, killer, folder, "[Update]\nHealthyAfter=1s\nInterval=off\n", kind=UpdateWorld) as made:
        made.only_program = os.path.join(os.path.dirname(only_image), "only")
        yield made


CASES = [(Update, "engine"), (GoBack, "engine"), (Update, "shim"), (Update, "shim by engine"), (GoBack, "holder")]


@pytest.mark.parametrize("kind, victim", CASES, ids=["%s-%s" % (kind.__name__.lower(), victim.replace(" ", "-")) for kind, victim in CASES])
def test_killed_at(world, kind, victim):
    cut_all(world, lambda: kind(world), victim, CUTS)
