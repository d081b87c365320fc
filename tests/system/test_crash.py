# SPDX-License-Identifier: Apache-2.0
"""Engine, shim and holder are killed at any of the calls of the engine or of a shim that others could notice (tests/crash/killer.c), with real
containers; then everything is as wanted, nothing ran twice at any time, nothing is left over, and no line of a log is lost or doubled.
CLEAT_CUTS=N points each operation (2), "all" for every one."""
import contextlib
import http.client
import itertools
import os
import re
import signal
import subprocess
import time

import pytest

from appliance import BUILD, ROOT, Appliance, descendants, leftovers, unit, wait_for
from ociimage import busybox_of, write_box
from test_logs import check_sequence, parse

BOX = "localhost/box:latest"
CUTS = os.environ.get("CLEAT_CUTS", "2")
# Of one appliance: init waits twice as long after each kill of its engine that comes soon after the last; and who talks has but 200 MB.
ENGINES_KILLED = 4
OPERATIONS = 24


def only(name, more="", service="Restart=always\nRestartSec=0", **keywords):
    return unit(BOX, "Volume=/data/share:/share\nStopTimeout=5\nExec=/bin/only only /share %s\n%s" % (name, more), service,
                unit_lines="StartLimitIntervalSec=0\n", **keywords)


UNITS = {
    "svc.container": only("svc", "HealthCmd=true\nHealthInterval=1h\nEnvironment=WORD=old\n", network=None),
    "cold.container": only("cold", install=False),
    "talk.container": unit(BOX, "StopTimeout=0\nLogOpt=max-size=200m\nExec=/bin/only talk\n"),
    "group.pod": "[Unit]\nStartLimitIntervalSec=0\n[Pod]\nPodName=group\nNetwork=none\n[Install]\nWantedBy=default.target\n",
    "member.container": only("member", "Pod=group.pod\n", network=None),
}
RUNNING = ("svc", "talk", "group", "member")


@pytest.fixture(scope="module")
def killer(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("killer") / "killer")
    subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-o", path, os.path.join(ROOT, "tests", "crash", "killer.c")],
                   check=True)
    return path


@pytest.fixture(scope="module")
def only_image(tmp_path_factory):
    folder = tmp_path_factory.mktemp("only")
    program, archive = str(folder / "only"), str(folder / "only.tar")
    subprocess.run([os.path.join(BUILD, "sysroot", "bin", "musl-gcc"), "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-static", "-Wall", "-Wextra", "-Werror",
                    "-o", program, os.path.join(ROOT, "tests", "crash", "only.c")], check=True)
    with open(program, "rb") as f:
        write_box(archive, busybox_of(BUILD), extra=[("bin/only", {"content": f.read(), "mode": 0o755})])
    return archive


class Killer:
    def __init__(self, program, folder, pid, at, follow=False, victim=0):
        self.result = os.path.join(str(folder), "killer.result")
        self.process = subprocess.Popen([program, str(pid), str(int(follow)), str(victim), str(at), self.result], stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"

    def end(self):
        """(calls, has it killed?)"""
        while self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            time.sleep(0.01)
        with open(self.result) as f:
            calls, how = f.read().split()
        return int(calls), how == "killed"


# --- operations: what is asked, and how it shows that it is done --------------------------------------------------------------


def post(a, path):
    """Has the engine taken the order? One that ends has not answered."""
    try:
        status, body = a.api("POST", path, timeout=20)
    except (OSError, http.client.HTTPException):
        return False
    assert status < 400 or status == 409, (status, body)
    return status < 400


def is_up(a, name, **fields):
    entry = a.unit(name)
    return entry["state"] == "up" and entry["pid"] and all(entry[key] == value for key, value in fields.items()) and entry


def environment(a, name):
    with open("/proc/%d/environ" % a.pid_of(name), "rb") as f:
        return f.read()


class Start:
    unit = "systemd-cold"
    before = RUNNING
    running = RUNNING + ("systemd-cold",)
    follows = True  # the shim that is meant is one that the engine has yet to start
    asks_again = False  # also when the engine that was asked has taken the order

    def prepare(self, a):
        a.cleat("stop", "cold")

    def ask(self, a):
        return post(a, "/containers/systemd-cold/start?nowait=1")

    def is_done(self, a):
        return is_up(a, self.unit)


class Stop(Start):
    before = Start.running
    running = RUNNING
    follows = False

    def prepare(self, a):
        a.cleat("start", "cold")

    def ask(self, a):
        return post(a, "/containers/systemd-cold/stop?nowait=1")

    def is_done(self, a):
        entry = a.unit(self.unit)
        return entry["state"] == "down" and not entry["pid"]


class Restart(Start):
    unit = "systemd-svc"
    running = RUNNING
    follows = False
    asks_again = True

    def prepare(self, a):
        a.cleat("stop", "cold")
        self.pid = a.wait_unit(self.unit, state="up", health="healthy")["pid"]

    def ask(self, a):
        return post(a, "/containers/systemd-svc/restart?nowait=1")


class Probe(Restart):
    """What was healthy stays so, and is not started anew because the engine was lost."""
    asks_again = False

    def ask(self, a):
        try:
            return a.api("POST", "/cleat/v1/units/systemd-svc/healthcheck", timeout=20)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def is_done(self, a):
        return is_up(a, self.unit, health="healthy")


class Reload(Restart):
    """A changed file: the engine becomes another, which adopts the rest and restarts this one."""
    asks_again = False
    number = 0

    def prepare(self, a):
        super().prepare(a)
        Reload.number += 1
        self.word = "WORD=new%d" % self.number

    def ask(self, a):
        a.add_unit("svc.container", UNITS["svc.container"].replace("WORD=old", self.word))
        return post(a, "/cleat/v1/reload")

    def is_done(self, a):
        entry = is_up(a, self.unit)
        try:
            return entry and (self.word + "\0").encode() in environment(a, self.unit)
        except (OSError, AssertionError):
            return False


class Death(Restart):
    asks_again = False

    def ask(self, a):
        os.kill(a.pid_of(self.unit), signal.SIGKILL)
        return True

    def is_done(self, a):
        entry = is_up(a, self.unit)
        return entry and entry["pid"] != self.pid


# --- invariants ---------------------------------------------------------------------------------------------------------------


def inside(a, path):
    return "/proc/%d/root%s" % (a.init_pid(), path)


def links(a):
    """What there is of each kind: ends of containers have new names with each run."""
    with open("/proc/%d/net/dev" % a.init_pid()) as f:
        return sorted(re.sub(r"[0-9a-f]{4,}|\d+", "N", line.split(":")[0].strip()) for line in f.read().splitlines()[2:])


def mounts(a):
    with open("/proc/%d/mountinfo" % a.init_pid()) as f:
        return sorted(line.split()[4] for line in f)


def cgroup_of(a):
    for base in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        path = os.path.join(base, "cleat-boot-%d" % a.process.pid)
        if os.path.isdir(os.path.join(path, "cleat")):
            return os.path.join(path, "cleat")
    raise AssertionError("no cgroup of the appliance")


def temporary_files(a):
    found = []
    for top in ("/run/cleat", "/data/units", "/data/volumes"):
        for folder, names, files in os.walk(inside(a, top)):
            found += [os.path.join(folder, name) for name in names + files if ".tmp" in name or name.endswith(".new")]
    return found


def is_zombie(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rsplit(")", 1)[1].split()[0] == "Z"


def programs(a):
    """Command lines of everything that is no container's: what stays, by what it is."""
    found = []
    ours = cgroup_of(a) + "/c/"
    for pid in descendants(a.init_pid()):
        try:
            with open("/proc/%d/cgroup" % pid) as f:
                if "/cleat/c/" in f.read():
                    continue
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                words = f.read().split(b"\0")
            if is_zombie(pid):
                found.append("zombie")
            else:
                found.append(" ".join(word.decode() for word in words[:2]))
        except OSError:
            continue
    assert ours
    return sorted(found)


def ends_of(a):
    """So many containers have an end of a link on our side."""
    return sum(len(entry["addresses"]) for entry in a.status()["units"])


# What the engine has one of while it lives; other children of its come and go.
STAYING = ("cleat engine", "cleat net", "cleat proxy", "cleat status-server", "cleat units-watch", "cleat uplink")


def is_at_rest(found):
    engines = [name for name in found if name.startswith("cleat ")]
    return "zombie" not in found and len(engines) == len(set(engines)) and set(engines) <= set(STAYING)


def state_of(a, running):
    """What is there; compared with what was there before, and with what has to be."""
    units = {u["name"]: u for u in a.status()["units"]}
    ids = sorted(units[name]["run_id"] for name in running)
    lives = {name: units[name]["state"] for name in units}
    assert all(lives[name] == ("up" if name in running else "down") for name in units), lives
    base = cgroup_of(a)
    seen = {
        "run directories": sorted(os.listdir(inside(a, "/run/cleat/c"))),
        "cgroups": sorted(name for name in os.listdir(base + "/c") if os.path.isdir(os.path.join(base, "c", name))),
        "names": sorted(os.listdir(inside(a, "/run/cleat/by-name"))),
        "commands": [name for name in os.listdir(base + "/work") if name.startswith("x-")],
        "temporary files": temporary_files(a),
        "records": sorted(os.listdir(inside(a, "/run/cleat/units"))),
    }
    wanted = dict(seen, **{"run directories": ids, "cgroups": ids, "names": sorted(running), "commands": [], "temporary files": []})
    return seen, wanted, {"links": links(a), "mounts": mounts(a), "programs": programs(a)}


def is_clean(a, running, baseline, problems):
    try:
        seen, wanted, whole = state_of(a, running)
    except (AssertionError, OSError) as e:
        problems[:] = [str(e)]
        return False
    problems[:] = [(what, seen[what], wanted[what]) for what in seen if seen[what] != wanted[what]]
    if baseline:
        problems += [(what, whole[what], baseline[what]) for what in whole if whole[what] != baseline[what]]
    return not problems


def check_clean(a, running, baseline):
    """At rest it has to be so; teardowns and workers that run out may take a moment."""
    problems = []
    try:
        wait_for("it is clean", lambda: is_clean(a, running, baseline, problems), 60)
    except AssertionError:
        raise AssertionError("not clean: %s\n%s" % (problems, a.console()))
    assert not os.path.exists(os.path.join(a.data, "share", "double")), "two of one unit at a time"


def check_log(a):
    """Every line of the one that talks all the time, once, in order: a full ring stops it, and its writer gets ahead here."""
    folder = os.path.join(a.data, "logs", "systemd-talk")
    names = sorted((name for name in os.listdir(folder) if name.isdigit()), key=int, reverse=True) + ["current"]
    lines = []
    for name in names:
        with open(os.path.join(folder, name)) as f:
            lines += parse(f.read().rpartition("\n")[0] + "\n")
    first, after, dropped = check_sequence(lines)
    assert (first, dropped) == (0, 0), (first, after, dropped)
    return after


# --- the way --------------------------------------------------------------------------------------------------------------------


RENAMED = {"svc": "systemd-svc", "talk": "systemd-talk", "group": "group", "member": "systemd-member", "systemd-cold": "systemd-cold"}


class World:
    """Appliances, a new one after some kills; each is looked over at its end. All cases share them."""

    def __init__(self, boot, only_image, killer, folder, config=""):
        self.boot, self.only_image, self.killer, self.folder, self.config = boot, only_image, killer, folder, config
        self.a, self.kills, self.operations = None, 0, 0

    def appliance(self):
        if self.a and self.kills < ENGINES_KILLED and self.operations < OPERATIONS:
            return self.a
        self.close()
        self.a, self.kills, self.operations = self.boot(UNITS, images=(), start=False), 0, 0
        os.makedirs(os.path.join(self.a.data, "share"))
        os.chmod(os.path.join(self.a.data, "share"), 0o777)
        self.a.add_image("box", self.only_image)
        if self.config:
            with open(os.path.join(self.a.config, "appliance.ini"), "w", encoding="utf-8") as f:
                f.write(self.config)
        self.a.start()
        for name in RUNNING:
            self.a.wait_unit(RENAMED[name], state="up")
        self.a.wait_unit("systemd-svc", health="healthy")
        self.talker = self.a.unit("systemd-talk")["run_id"]
        self.furnish(self.a)
        return self.a

    def furnish(self, a):
        """Of a new appliance."""

    def close(self):
        if not self.a:
            return
        assert self.a.unit("systemd-talk")["run_id"] == self.talker, "who talks was restarted"
        assert self.a.stop() == 0, self.a.console()
        assert check_log(self.a) > 100
        assert leftovers(self.a) == []
        self.a = None

    def drop(self):
        """After a failure: what is wrong with it is no other case's."""
        if self.a:
            self.a.close()
        self.a = None

    after = None  # what stays when the operation is done and nobody was killed

    def cut(self, operation, at, victim):
        """One operation with a kill at its at-th call. Returns (calls, has it killed?)."""
        a = self.appliance()
        running = tuple(RENAMED[name] for name in operation.running)
        self.operations += 1
        operation.prepare(a)
        check_clean(a, tuple(RENAMED[name] for name in operation.before), None)
        engine = a.engine_pid()
        traced, follow, killed = engine, False, 0
        if victim == "shim":
            follow = operation.follows
            traced = engine if follow else shim_of(a, operation.unit)
        elif victim == "shim by engine":
            killed = shim_of(a, operation.unit)
        elif victim == "holder":
            killed = a.processes("cleat-hold")[0]
        tracer = Killer(self.killer, self.folder, traced, at, follow, killed)
        try:
            taken = operation.ask(a)
            if at == 0:
                wait_for("whole: " + type(operation).__name__, lambda: quiet(operation, a))
            else:
                wait_for("it is killed or done", lambda: tracer.process.poll() is not None or quiet(operation, a))
        finally:
            calls, has_killed = tracer.end()
        self.kills += has_killed and victim == "engine"
        if has_killed and not killed and victim == "engine":
            wait_for("another engine", lambda: a.ping() and a.engine_pid() != engine)
        if not taken or operation.asks_again:
            wait_for("the engine takes orders", lambda: operation.ask(a))
        try:
            wait_for("done after all: %s" % type(operation).__name__, lambda: quiet(operation, a), 30)
        except AssertionError as e:
            raise AssertionError("%s, killed %s at %d of %d\n%s" % (e, victim, at, calls, a.console()))
        for name in running:
            a.wait_unit(name, state="up")
        check_clean(a, running, self.after)
        if at == 0:
            # the process that looks at the host is there once a boot, the one that looks at the files comes half a second after its engine
            wait_for("the host has been looked at", lambda: a.status()["host"]["tried"] and "cleat doctor" not in programs(a))
            wait_for("the files are watched", lambda: "cleat units-watch" in programs(a))
            wait_for("the ends of containers that have gone have gone, too", lambda: [name[0] for name in links(a)].count("v") == ends_of(a))
            wait_for("one of each program is there", lambda: is_at_rest(programs(a)))
            self.after = state_of(a, running)[2]
        return calls, has_killed


def quiet(operation, a):
    try:
        return operation.is_done(a)
    except (OSError, AssertionError, ValueError):
        return False


def shim_of(a, name):
    inner = {u["name"]: u for u in a.status()["units"]}[name]["run_id"]
    for pid in descendants(a.init_pid()):
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if words[1:2] == [b"shim"] and inner.encode() in words:
            return pid
    raise AssertionError("no shim of " + name)


def cut_all(world, kind, victim, cuts):
    try:
        cut_each(world, kind, victim, cuts)
    except BaseException:
        world.drop()
        raise


def cut_each(world, kind, victim, cuts):
    world.after = None
    calls, _ = world.cut(kind(), 0, victim)
    assert calls > 3, "nothing was counted"
    wanted = calls if cuts == "all" else min(calls, int(cuts))
    points = sorted({1 + (2 * i + 1) * calls // (2 * wanted) % calls for i in range(wanted)})
    kills = 0
    for at in points:
        kills += world.cut(kind(), at, victim)[1]
    assert kills, "nobody was killed"


@contextlib.contextmanager
def worlds(folder, *args, kind=World):
    """One for all cases of a file."""
    with contextlib.ExitStack() as made:
        numbers = itertools.count()

        def boot(*units, start=True, **more):
            directory = folder / ("appliance%d" % next(numbers))
            directory.mkdir()
            a = Appliance(directory, *units, **more)
            made.callback(a.close)
            return a.start() if start else a

        world = kind(boot, *args)
        made.callback(world.drop)
        yield world
        world.close()


@pytest.fixture(scope="module")
def world(only_image, killer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("crash")
    with worlds(folder, only_image, killer, folder) as made:
        yield made


CASES = [(Start, "engine"), (Stop, "engine"), (Restart, "engine"), (Probe, "engine"), (Reload, "engine"), (Death, "engine"),
         (Start, "shim"), (Stop, "shim"), (Restart, "shim"), (Probe, "shim"), (Reload, "shim by engine"), (Restart, "holder"), (Reload, "holder")]


@pytest.mark.parametrize("kind, victim", CASES, ids=["%s-%s" % (kind.__name__.lower(), victim.replace(" ", "-")) for kind, victim in CASES])
def test_killed_at(world, kind, victim):
    cut_all(world, kind, victim, CUTS)
