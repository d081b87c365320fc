# SPDX-License-Identifier: Apache-2.0
"""Unit files that change while the appliance runs, break, come and go; what they read besides; enable, disable, mask."""
import base64
import contextlib
import datetime
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from appliance import BUILD, IDLE, leftovers, unit, wait_for
from ociimage import busybox_of, write_box
from registry import DockerRegistry, has_docker_registry

BOX = "localhost/box:latest"


def script(text=IDLE, container="", service="", **keywords):
    return unit(BOX, 'Exec=/bin/sh -c "%s"\n' % text + container, service, **keywords)


@pytest.fixture
def box(boot, box_image):
    def make(units, start=True):
        a = boot(units, images=(), start=False)
        a.add_image("box", box_image)
        return a.start() if start else a

    return make


def path_of(a, name):
    return os.path.join(a.config, "units", name)


def write(a, name, text):
    """In place, as an editor without a temporary file does it."""
    os.makedirs(os.path.dirname(path_of(a, name)), exist_ok=True)
    with open(path_of(a, name), "w") as f:
        f.write(text)


def names(a):
    try:
        return {u["name"] for u in a.status()["units"]}
    except (OSError, AssertionError):
        return None


def wait_gone(a, name):
    wait_for(name + " is forgotten", lambda: (names(a) or {name}) - {name} == names(a))


def copy_of(a, name):
    return os.path.join(a.data, "units", "last-good", name)


def wait_copy(a, name, text):
    def there():
        try:
            with open(copy_of(a, name)) as f:
                return text in f.read()
        except FileNotFoundError:
            return False

    wait_for("the copy of %s has %r" % (name, text), there)


def environment(a, name):
    with open("/proc/%d/environ" % a.pid_of(name), "rb") as f:
        return f.read().decode().split("\0")


def test_a_file_is_dropped_changed_and_removed(box):
    a = box({"stays": script()})
    stays = a.wait_unit("systemd-stays", state="up")
    # dropped, in a folder below, beside what editors leave
    write(a, "sub/.web.container.swp", "\0garbage")
    write(a, "sub/web.container", script(container="Environment=VERSION=1\n"))
    first = a.wait_unit("systemd-web", state="up")
    assert "VERSION=1" in environment(a, "systemd-web")
    # changed
    write(a, "sub/web.container", script(container="Environment=VERSION=2\n"))
    wait_for("version 2 runs", lambda: a.wait_unit("systemd-web", state="up")["pid"] != first["pid"])
    assert "VERSION=2" in environment(a, "systemd-web")
    # a drop-in is added, and taken away
    write(a, "web.container.d/more.conf", "[Container]\nEnvironment=MORE=yes\n")
    wait_for("the drop-in counts", lambda: "MORE=yes" in environment_or_none(a, "systemd-web"))
    os.unlink(path_of(a, "web.container.d/more.conf"))
    wait_for("the drop-in is gone", lambda: is_up_without(a, "systemd-web", "MORE=yes"))
    # removed: stopped, forgotten, with its copy
    wait_copy(a, "web.container", "VERSION=2")
    os.unlink(path_of(a, "sub/web.container"))
    wait_gone(a, "systemd-web")
    wait_for("its copy is gone", lambda: not os.path.exists(copy_of(a, "web.container")))
    assert "systemd-web" not in os.listdir("/proc/%d/root/run/cleat/units" % a.init_pid())  # a file of that name would be a new unit
    assert a.unit("systemd-stays")["pid"] == stays["pid"] and a.unit("systemd-stays")["run_id"] == stays["run_id"]
    a.stop()
    assert leftovers(a) == []


def teller(word, unit_lines="", container="", service="", install=False, network="none"):
    """Runs until it is asked to stop, and says so in a file that all share."""
    trap = "trap 'echo %s >>/said/words; exit 0' TERM; while :; do sleep 86400 & wait; done" % word
    return script(trap, "Volume=/data/home/said:/said\n" + container, service, unit_lines=unit_lines, install=install, network=network)


def test_an_application_is_removed_as_a_whole(box):
    """What a container refers to goes in the same moment: it is stopped as its unit says all the same, dependants first."""
    need = "Requires=adb.service zdb.service job.service\nAfter=adb.service zdb.service job.service\n"
    a = box({"app": teller("app", need, "Volume=kept.volume:/kept\n", "ExecStopPost=/bin/sh -c 'echo app-post >>/data/home/said/words'\n", True, "app.network"),
             "adb": teller("adb"), "zdb": teller("zdb"),
             "job": script("exit 0", service="Type=oneshot\nRemainAfterExit=yes\nExecStop=/bin/sh -c 'echo job >>/data/home/said/words'\n", install=False),
             "app.network": "[Network]\n", "kept.volume": "[Volume]\n", "group.pod": "[Pod]\n",
             "member": teller("member", container="Pod=group.pod\n", install=True, network=None),
             # has never been up, so that there is no copy of it
             "lost": script("exit 1", service="Restart=no\n", install=False), "needy": teller("needy", "Requires=lost.service\n", install=True)}, start=False)
    os.makedirs(os.path.join(a.data, "home", "said"), mode=0o777)
    os.chmod(os.path.join(a.data, "home", "said"), 0o777)
    a.start()
    for name in ("app", "adb", "zdb", "member", "group", "needy", "job"):
        a.wait_unit("systemd-" + name, state="up")
    # of all that came up: a copy that is being made while the files go would be there until they are read again
    for name in ("app.container", "adb.container", "zdb.container", "needy.container", "job.container", "app.network", "kept.volume", "group.pod",
                 "member.container"):
        wait_copy(a, name, "[")
    moved = os.path.join(a.dir, "moved")
    os.rename(os.path.join(a.config, "units"), moved)
    os.mkdir(os.path.join(a.config, "units"))
    done = a.cleat("reload", check=False)
    assert done.returncode == 0, done.stdout
    wait_for("all are forgotten", lambda: names(a) == set())
    with open(os.path.join(a.data, "home", "said", "words")) as f:
        words = f.read().split()
    assert sorted(words) == sorted(["app", "app-post", "adb", "zdb", "job", "member", "needy"])
    assert all(words.index("app-post") < words.index(later) for later in ("adb", "zdb", "job")), words
    assert "belongs to no unit" not in a.console()
    wait_for("the copies are gone", lambda: os.listdir(os.path.join(a.data, "units", "last-good")) == [])
    # and comes back: it is new, whatever it was in its first life
    for name in os.listdir(moved):
        os.rename(os.path.join(moved, name), path_of(a, name))
    for name in ("app", "adb", "zdb", "member", "needy", "job"):
        a.wait_unit("systemd-" + name, state="up")


def test_a_unit_that_comes_back_is_a_new_one(box):
    """Whether it was stopped, had finished or had failed when it went."""
    units = {"stopped": script(), "done": script("exit 0", service="Restart=no"), "failed": script("exit 3", service="Restart=no")}
    a = box(units)
    a.wait_unit("systemd-stopped", state="up")
    a.cleat("stop", "stopped")
    a.wait_unit("systemd-done", state="down", ready=True)
    a.wait_unit("systemd-failed", state="failed")
    for name in units:
        os.unlink(path_of(a, name + ".container"))
    a.cleat("reload")
    assert names(a) == set()
    with stopped(the_watcher(a)):
        for name, text in units.items():
            write(a, name + ".container", script() if name == "failed" else text)
        done = a.cleat("reload")
    assert sorted(re.findall(r"^started +(\S+)", done, re.M)) == ["systemd-done", "systemd-failed", "systemd-stopped"]
    for name in ("stopped", "failed"):
        assert a.wait_unit("systemd-" + name, state="up")["restarts"] == 0


def test_what_a_unit_needs_goes_alone(box):
    """Its network and its volume: it runs on, comes back with them, also after a boot, and what is wrong is said of its own file."""
    units = {"web": script(container="Volume=kept.volume:/kept\n", service="Restart=always", network="lan.network"),
             "lan.network": "[Network]\nSubnet=10.71.0.0/24\n", "kept.volume": "[Volume]\n"}
    a = box(units)
    before = a.wait_unit("systemd-web", state="up")
    for name in units:
        wait_copy(a, name if "." in name else name + ".container", "[")
    for name in ("lan.network", "kept.volume"):
        os.unlink(path_of(a, name))
    done = a.cleat("reload", check=False)
    assert done.returncode == 1 and "last-good" not in done.stdout, done.stdout
    assert re.search(r"^/config/units/web.container:\d+:\d+: error: Container.Network: there is no unit lan.network$", done.stdout, re.M)
    now = a.unit("systemd-web")
    assert (now["pid"], now["state"], now["last_good"]) == (before["pid"], "invalid", True) and now["detail"].startswith("/config/units/web.container:")
    a.cleat("kill", "web")
    wait_for("it is there again", lambda: a.unit("systemd-web")["pid"] not in (before["pid"], None))
    a.stop()
    a.start()
    wait_for("it runs after a boot", lambda: a.unit("systemd-web")["pid"])
    now = a.unit("systemd-web")
    assert now["last_good"] and now["addresses"][0].startswith("10.71.0.")
    for name in ("lan.network", "kept.volume"):
        write(a, name, units[name])
    a.cleat("reload")
    after = a.unit("systemd-web")
    assert (after["pid"], after["state"], after["last_good"]) == (now["pid"], "up", False)


def environment_or_none(a, name):
    try:
        return environment(a, name)
    except (AssertionError, OSError):
        return []


def is_up_without(a, name, word):
    words = environment_or_none(a, name)
    return words and word not in words


def test_what_changes_nothing_restarts_nothing(box):
    a = box({"web": script(service="Restart=always")})
    before = a.wait_unit("systemd-web", state="up")
    text = script(service="Restart=on-failure\nRestartSec=7\nTimeoutStopSec=3").replace("Description=test",
                                                                                        "# a comment\nDescription=another")
    write(a, "web.container", text.replace("[Install]\nWantedBy=default.target\n", ""))
    wait_for("the new [Install] is known", lambda: boot_of(a, "systemd-web") is False)
    after = a.unit("systemd-web")
    assert (after["pid"], after["restarts"], after["state"]) == (before["pid"], 0, "up")
    # the new policy counts all the same
    inspected = json.loads(a.cleat("inspect", "web"))
    assert inspected["HostConfig"]["RestartPolicy"]["Name"] == "on-failure"


def boot_of(a, name):
    try:
        return a.unit(name)["boot"]
    except (OSError, AssertionError):
        return None


def test_a_copy_that_is_made_too_late_goes_with_its_unit(box):
    """A child of the engine before is still at it when the file is gone, and the next engine has looked which copies there are."""
    a = box({"web": script(), "gone": script("trap '' TERM; while [ ! -e /told/end ]; do sleep 0.1; done", container="Volume=/data/told:/told\nStopTimeout=1000\n")},
            start=False)
    folder = os.path.dirname(copy_of(a, "gone.container"))
    os.makedirs(folder, 0o700)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    waits = re.compile(r"-> FLOCK .*:%d 0 EOF$" % os.fstat(lock).st_ino, re.M)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        a.start()
        a.wait_unit("systemd-gone", state="up")

        def is_waiting():
            with open("/proc/locks", encoding="utf-8") as f:
                return waits.search(f.read())

        wait_for("the child has read the units", is_waiting)
        os.unlink(path_of(a, "gone.container"))
        a.api("POST", "/cleat/v1/reload")
        a.wait_unit("systemd-gone", state="stopping")
        assert os.listdir(folder) == []
    finally:
        os.close(lock)
    wait_for("the copy is there", lambda: os.path.exists(copy_of(a, "gone.container")))
    with open(os.path.join(a.data, "told", "end"), "w", encoding="utf-8"):
        pass
    wait_gone(a, "systemd-gone")
    wait_for("its copy too", lambda: not os.path.exists(copy_of(a, "gone.container")))


def test_a_broken_version_leaves_the_last_good_one_running_also_after_reboots(box):
    a = box({"web": script(container="Environment=VERSION=1\n")})
    before = a.wait_unit("systemd-web", state="up")
    wait_copy(a, "web.container", "VERSION=1")
    write(a, "web.container", script(container="Environment=VERSION=2\nPublishPrt=80\n"))
    entry = a.wait_unit("systemd-web", state="invalid")
    assert entry["last_good"] and entry["pid"] == before["pid"] and "PublishPrt" in entry["detail"], entry
    assert "web.container:" in entry["detail"]
    assert "invalid (running last good)" in a.cleat("ps")
    assert a.inside("/usr/bin/systemctl", "is-active", "web") == "active\n"
    code, body = a.http("/readyz?verbose")
    assert code == 503 and "PublishPrt" in body
    # it is a unit like any other: it is restarted when it dies, by commands, and after a reboot
    assert "systemd-web" in a.cleat("restart", "systemd-web")
    assert "VERSION=1" in environment(a, "systemd-web")
    a.cleat("stop", "systemd-web")
    assert "invalid (last good not running)" in a.cleat("ps", "-a")
    assert a.inside("/usr/bin/systemctl", "is-active", "web", check=False).stdout == "failed\n"
    a.cleat("start", "systemd-web")
    a.stop()
    a.start()
    entry = a.wait_unit("systemd-web", state="invalid", last_good=True)
    wait_for("the last good version runs", lambda: "VERSION=1" in environment_or_none(a, "systemd-web"))
    # reload says what is wrong; the half of a file that is there for a moment harms nothing
    done = a.cleat("reload", check=False)
    assert done.returncode == 1 and "PublishPrt" in done.stdout and "web.container:" in done.stdout, done.stdout
    # repaired
    write(a, "web.container", script(container="Environment=VERSION=2\n"))
    a.wait_unit("systemd-web", state="up", last_good=False)
    assert "VERSION=2" in environment(a, "systemd-web")
    code, body = a.http("/readyz")
    assert code == 200, body


def test_copies_that_cannot_be_kept_are_tried_again_and_said_once(box):
    a = box({"web": script(container="Environment=VERSION=1\n"), "gone": script()})
    wait_copy(a, "gone.container", "Image=")
    wait_copy(a, "web.container", "VERSION=1")
    a.stop()
    # one unit has gone, one has changed; their copies have become folders, which are neither written nor removed
    for name in "gone.container", "web.container":
        os.unlink(copy_of(a, name))
        os.mkdir(copy_of(a, name))
    os.unlink(path_of(a, "gone.container"))
    write(a, "web.container", script(container="Environment=VERSION=2\n"))
    a.start()
    a.wait_unit("systemd-web", state="up")
    for text in "last-good/gone.container: Is", "last-good/web.container: rename: Is", "could not be kept in /data/units/last-good":
        wait_for("it is said", lambda: text in a.console())
    for name in "gone.container", "web.container":
        os.rmdir(copy_of(a, name))
    with open(copy_of(a, "gone.container"), "w"):
        pass
    wait_copy(a, "web.container", "VERSION=2")
    wait_for("its copy is gone", lambda: not os.path.exists(copy_of(a, "gone.container")))
    wait_for("it is said", lambda: "are kept in /data/units/last-good again" in a.console())
    assert a.console().count("could not be kept") == 1


def test_files_that_units_read_restart_them(box):
    a = box({}, start=False)
    os.makedirs(os.path.join(a.config, "secrets"))
    for name, text in (("env", "COLOUR=red\n"), ("plain", "one"), ("secrets/word", "old")):
        with open(os.path.join(a.config, name), "w") as f:
            f.write(text)
    a.add_unit("env", script(container="EnvironmentFile=/config/env\n"))
    a.add_unit("mount", script(container="Volume=/config/plain:/plain:ro\n"))
    a.add_unit("secret", script(container="Secret=word\n"))
    a.add_unit("other", script())
    a.start()
    before = {name: a.wait_unit("systemd-" + name, state="up")["pid"] for name in ("env", "mount", "secret", "other")}

    def change(name, path, text):
        with open(os.path.join(a.config, path + ".new"), "w") as f:
            f.write(text)
        os.rename(os.path.join(a.config, path + ".new"), os.path.join(a.config, path))
        wait_for(name + " is another", lambda: a.wait_unit("systemd-" + name, state="up")["pid"] != before[name])
        now = {n: a.unit("systemd-" + n)["pid"] for n in before}
        assert [n for n in before if now[n] != before[n]] == [name], (before, now)
        before.update(now)

    change("env", "env", "COLOUR=blue\n")
    assert "COLOUR=blue" in environment(a, "systemd-env")
    change("mount", "plain", "two")
    assert a.cleat("exec", "systemd-mount", "cat", "/plain") == "two"
    change("secret", "secrets/word", "new")
    assert a.cleat("exec", "systemd-secret", "cat", "/run/secrets/word") == "new"
    # the same text again is no change
    with open(os.path.join(a.config, "env"), "w") as f:
        f.write("COLOUR=blue\n")
    a.cleat("reload")
    assert a.unit("systemd-env")["pid"] == before["env"]


def test_a_missing_file_that_comes_starts_what_could_not_start(box):
    a = box({"key": script(container="Secret=key\n"), "env": script(container="EnvironmentFile=/config/env\n"),
             "again": script(container="Secret=key\n", service="Restart=always"), "other": script(container="Secret=never\n")})
    for name in ("key", "env", "other"):
        a.wait_unit("systemd-" + name, state="failed")
    a.wait_unit("systemd-again", state="backoff")
    os.makedirs(os.path.join(a.config, "secrets"))
    for name in ("secrets/key", "env"):
        with open(os.path.join(a.config, name), "w") as f:
            f.write("A=1\n")
    for name in ("key", "env", "again"):
        a.wait_unit("systemd-" + name, state="up")
    assert a.unit("systemd-other")["state"] == "failed"
    # nor does one that was stopped start again
    a.cleat("stop", "key")
    with open(os.path.join(a.config, "secrets", "key"), "w") as f:
        f.write("another")
    a.cleat("reload")
    assert a.unit("systemd-key")["state"] == "down"


def test_a_source_that_the_start_makes_restarts_nothing(box):
    a = box({"web": script(container="Volume=%h/conf:/conf:ro\nVolume=%h/deep/er:/deep:ro,noexec\n")})
    first = a.wait_unit("systemd-web", state="up")
    assert os.path.isdir(os.path.join(a.data, "home", "deep", "er"))
    a.cleat("reload")
    assert a.wait_unit("systemd-web", state="up")["pid"] == first["pid"]
    assert "has changed" not in a.console()


def test_an_archive_that_comes_later_is_found(box, tmp_path):
    """Renamed into place, and copied in place: what is torn while it grows is asked for again when it has come to rest."""
    a = box({"moved": script().replace(BOX, "localhost/moved:1"), "copied": script().replace(BOX, "localhost/copied:1")})
    for name in ("moved", "copied"):
        a.wait_unit("systemd-" + name, state="no-image")
        write_box(str(tmp_path / name), busybox_of(BUILD), "localhost/%s:1" % name)
    images = os.path.join(a.config, "images")
    shutil.copy(str(tmp_path / "moved"), os.path.join(images, ".moved"))
    os.rename(os.path.join(images, ".moved"), os.path.join(images, "moved.tar"))
    a.wait_unit("systemd-moved", state="up")
    with open(str(tmp_path / "copied"), "rb") as source, open(os.path.join(images, "copied.tar"), "wb") as f:
        f.write(source.read(100000))
        f.flush()
        a.wait_unit("systemd-copied", state="no-image")
        wait_for("the torn archive is looked at", lambda: "copied.tar" in json.dumps(a.status()))
        f.write(source.read())
    a.wait_unit("systemd-copied", state="up")


@pytest.mark.skipif(not has_docker_registry(), reason="docker-registry and skopeo are needed")
def test_a_login_that_comes_later_is_used(box, tmp_path, box_image):
    a = box({})
    registry = DockerRegistry(tmp_path / "registry", users={"ann": "right word"}, netns=a.init_pid()).start()
    try:
        registry.push(box_image, "team/box:1", creds="ann:right word")
        with open(os.path.join(a.config, "registries.conf"), "w") as f:
            f.write('[[registry]]\nlocation = "%s"\ninsecure = true\n' % registry.host)

        def login(word):
            with open(os.path.join(a.config, "auth.json"), "w") as f:
                json.dump({"auths": {registry.host: {"auth": base64.b64encode(("ann:" + word).encode()).decode()}}}, f)

        login("wrong word")
        write(a, "web.container", script().replace(BOX, registry.host + "/team/box:1"))
        assert "denied to user ann" in a.wait_unit("systemd-web", state="no-image")["detail"]
        login("right word")
        a.wait_unit("systemd-web", state="up")
    finally:
        registry.stop()


def test_a_unit_that_can_reload_is_reloaded_when_a_file_of_its_changes(box):
    a = box({}, start=False)
    with open(os.path.join(a.config, "settings"), "w") as f:
        f.write("one")
    text = "trap 'exit 0' TERM; trap 'echo again >>/tmp/said' HUP; echo listening; while :; do sleep 0.1; done"
    a.add_unit("web", script(text, container="Volume=/config/settings:/settings:ro\nTmpfs=/tmp\nReloadSignal=HUP\n"))
    a.start()
    before = a.wait_unit("systemd-web", state="up")
    wait_for("the trap is set", lambda: a.cleat("logs", "web") == "listening\n")
    with open(os.path.join(a.config, "settings"), "w") as f:
        f.write("two")  # in place: the mount shows it
    report = json.loads(a.cleat("reload", "--json"))
    assert [(u["name"], u["action"]) for u in report["units"]] in ([("systemd-web", "reloaded")], []), report
    wait_for("it was told", lambda: a.cleat("exec", "systemd-web", "cat", "/tmp/said", check=False).stdout == "again\n")
    assert a.unit("systemd-web")["pid"] == before["pid"]
    # another file in its place: the mount would show the old one for ever
    with open(os.path.join(a.config, "new"), "w") as f:
        f.write("three")
    os.rename(os.path.join(a.config, "new"), os.path.join(a.config, "settings"))
    wait_for("it is another one", lambda: a.unit("systemd-web")["pid"] not in (None, before["pid"]))
    a.wait_unit("systemd-web", state="up")
    assert a.cleat("exec", "systemd-web", "cat", "/settings") == "three"


def the_watcher(a):
    def found():
        for pid in a.processes("cleat"):
            with contextlib.suppress(OSError), open("/proc/%d/cmdline" % pid, "rb") as f:
                if f.read().split(b"\0")[1:2] == [b"units-watch"]:
                    return pid
        return 0

    return wait_for("somebody watches the files", found)


@contextlib.contextmanager
def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def test_reload_says_what_it_did(box):
    a = box({"db": script(), "web": script(unit_lines="Requires=db.service\nAfter=db.service\n"), "old": script(), "same": script()})
    for name in ("db", "web", "old", "same"):
        a.wait_unit("systemd-" + name, state="up")
    before = {name: a.unit("systemd-" + name)["pid"] for name in ("db", "web", "same")}
    staging = os.path.join(a.dir, "staging")
    os.mkdir(staging)
    with open(os.path.join(staging, "db"), "w") as f:
        f.write(script(container="Environment=NEW=1\n"))
    with open(os.path.join(staging, "new"), "w") as f:
        f.write(script())
    # the one who would notice by itself must not come first: then there is nothing left to be done
    with stopped(the_watcher(a)):
        os.rename(os.path.join(staging, "db"), path_of(a, "db.container"))
        os.rename(os.path.join(staging, "new"), path_of(a, "new.container"))
        os.unlink(path_of(a, "old.container"))
        report = json.loads(a.cleat("reload", "--json"))
    did = {u["name"]: u["action"] for u in report["units"]}
    assert did == {"systemd-db": "restarted", "systemd-web": "restarted", "systemd-new": "started", "systemd-old": "stopped"}, report
    assert all(u["done"] for u in report["units"]) and report["errors"] == []
    assert names(a) == {"systemd-db", "systemd-web", "systemd-new", "systemd-same"}
    after = {name: a.unit("systemd-" + name)["pid"] for name in before}
    assert after["db"] != before["db"] and after["web"] != before["web"] and after["same"] == before["same"]
    assert a.cleat("reload") == ""


def test_a_renamed_file_keeps_its_container_and_a_new_name_replaces_it(box):
    a = box({"web": script(container="ContainerName=site\n")})
    first = a.wait_unit("site", state="up")
    os.rename(path_of(a, "web.container"), path_of(a, "site.container"))
    wait_for("the other file counts", lambda: unit_of(a, "site") == "site.container")
    assert a.unit("site")["pid"] == first["pid"]
    write(a, "site.container", script(container="ContainerName=page\n"))
    wait_for("the old name is forgotten", lambda: names(a) == {"page"})
    # until its restart begins, what runs under the new name is the old container
    wait_for("another container", lambda: a.wait_unit("page", state="up")["pid"] != first["pid"])
    wait_for("its record is gone", lambda: not os.path.exists("/proc/%d/root/run/cleat/units/site" % a.init_pid()))
    wait_for("and its name", lambda: os.listdir("/proc/%d/root/run/cleat/by-name" % a.init_pid()) == ["page"])


def unit_of(a, name):
    try:
        return a.unit(name)["unit"]
    except (OSError, AssertionError):
        return None


def test_enable_disable_and_mask_last(box):
    a = box({"web": script(), "tool": script(install=False),
             "user": script(unit_lines="Wants=web.service\n")})
    a.wait_unit("systemd-web", state="up")
    a.cleat("enable", "tool")
    assert a.unit("systemd-tool")["state"] == "down" and a.unit("systemd-tool")["choice"] == "enabled"
    a.cleat("disable", "systemd-user")
    a.cleat("mask", "--now", "web.container")
    entry = a.unit("systemd-web")
    assert (entry["state"], entry["masked"], entry["detail"]) == ("down", True, "masked"), entry
    assert "masked" in a.cleat("start", "web", check=False).stdout
    assert a.cleat("enable", "web", check=False).returncode == 1
    assert "web.container: note: masked" in a.inside("/usr/bin/cleat", "check", check=False).stdout
    a.stop()
    a.start()
    a.wait_unit("systemd-tool", state="up")
    assert a.unit("systemd-user")["state"] == "down"
    # not even for somebody who wants it
    a.cleat("start", "user")
    assert a.unit("systemd-web")["state"] == "down"
    a.cleat("unmask", "web")
    a.cleat("enable", "--now", "web")
    a.wait_unit("systemd-web", state="up")


def test_a_mask_refuses_what_runs_and_is_for_all_instances_of_a_template(box):
    text = script().replace("WantedBy=default.target\n", "WantedBy=default.target\nDefaultInstance=one\n")
    a = box({"web": script(), "job@": text,
             "job@own": script(), "user": script(unit_lines="Wants=job@two.service\n")})
    for name in ("systemd-web", "systemd-job_one", "systemd-job_two", "systemd-job_own"):
        a.wait_unit(name, state="up")
    pid = a.unit("systemd-web")["pid"]
    a.cleat("mask", "web")
    done = a.cleat("start", "web", check=False)
    assert done.returncode == 1 and "systemd-web is masked" in done.stdout, done.stdout
    assert a.unit("systemd-web")["pid"] == pid
    # every instance, by the template's name alone
    assert a.cleat("mask", "job@").split() == ["job@"]
    # what stands in for an instance is a copy of the template
    wait_copy(a, "job@two.container", "Image=")
    write(a, "job@.container", text.replace("[Service]", "Nonsense=1\n[Service]"))
    a.wait_unit("systemd-job_two", last_good=True, masked=True)
    write(a, "job@.container", text)
    a.wait_unit("systemd-job_two", state="up", last_good=False)
    for name in ("systemd-job_one", "systemd-job_two"):
        entry = a.unit(name)
        assert entry["state"] == "up" and entry["masked"], entry
        a.cleat("stop", name)
        done = a.cleat("start", name, check=False)
        assert done.returncode == 1 and '"cleat unmask job@.container"' in done.stdout, done.stdout
    # one with a file of its own is not made from the template
    assert not a.unit("systemd-job_own")["masked"]
    a.cleat("restart", "systemd-job_own")
    a.stop()
    a.start()
    a.wait_unit("systemd-job_own", state="up")
    a.wait_unit("systemd-user", state="up")
    assert a.unit("systemd-job_one")["state"] == a.unit("systemd-job_two")["state"] == "down"
    a.cleat("unmask", "job@.service")
    a.cleat("start", "systemd-job_one")
    a.wait_unit("systemd-job_one", state="up")
    assert not a.unit("systemd-job_two")["masked"]
    # a choice of another kind is one instance's
    assert a.cleat("enable", "job@", check=False).returncode == 1
    assert a.cleat("mask", "no@", check=False).returncode == 1
    # nor does --now know which instances are meant; the mask is kept, and that is said
    done = a.cleat("mask", "--now", "job@", check=False)
    assert done.returncode == 1 and "what was chosen for job@ is kept" in done.stdout, done.stdout
    assert a.unit("systemd-job_one")["masked"] and a.unit("systemd-job_one")["state"] == "up"


def test_what_gave_up_stays_so_until_its_file_changes(box):
    a = box({"bad": script("exit 7", service="Restart=on-failure\nRestartSec=10ms", unit_lines="StartLimitIntervalSec=300\n"), "slow": script("exit 8", service="Restart=always\nRestartSec=600")})
    failed = a.wait_unit("systemd-bad", state="start-limit")
    a.wait_unit("systemd-slow", state="backoff")
    begun = a.unit("systemd-slow")["next_start"]
    engine = a.engine_pid()
    os.kill(engine, signal.SIGKILL)
    wait_for("another engine", lambda: a.ping() and a.engine_pid() != engine)
    again = a.wait_unit("systemd-bad", state="start-limit")
    assert (again["restarts"], again["detail"], again["since"]) == (failed["restarts"], failed["detail"], failed["since"])
    slow = a.unit("systemd-slow")
    assert slow["state"] == "backoff" and abs(seconds_of(slow["next_start"]) - seconds_of(begun)) < 5, (slow, begun)
    write(a, "bad.container", script())
    a.wait_unit("systemd-bad", state="up")


def test_what_is_down_or_invalid_has_been_so_since_it_was(box):
    a = box({"web": script(), "old": script(container="Environment=VERSION=1\n")})
    a.wait_unit("systemd-web", state="up")
    a.wait_unit("systemd-old", state="up")
    wait_copy(a, "old.container", "VERSION=1")
    write(a, "old.container", script(container="PublishPrt=80\n"))
    a.cleat("stop", "web")
    before = [a.wait_unit("systemd-web", state="down")["since"], a.wait_unit("systemd-old", state="invalid")["since"]]
    for change in (lambda: a.cleat("mask", "web"), lambda: a.cleat("unmask", "web"), lambda: os.kill(a.engine_pid(), signal.SIGKILL)):
        engine = a.status()["engine"]["started"]
        change()
        wait_for("a new engine", lambda: a.ping() and a.status()["engine"]["started"] != engine)
        assert [a.wait_unit("systemd-web", state="down")["since"], a.wait_unit("systemd-old", state="invalid")["since"]] == before


def test_what_fails_again_in_another_version_has_failed_since_then(box):
    a = box({"web": script("exit 1")})
    before = a.wait_unit("systemd-web", state="failed", detail="exited with code 1")
    write(a, "web.container", script("exit 2"))
    after = a.wait_unit("systemd-web", state="failed", detail="exited with code 2")
    assert seconds_of(after["since"]) > seconds_of(before["since"]), (before, after)


def test_a_next_start_comes_also_when_nothing_else_happens_in_the_next_engine(box):
    a = box({"slow": script("exit 8", service="Restart=always\nRestartSec=2\n", unit_lines="StartLimitIntervalSec=0\n")})
    before = a.wait_unit("systemd-slow", state="backoff")
    os.kill(a.engine_pid(), signal.SIGKILL)
    wait_for("the next start", lambda: a.ping() and a.unit("systemd-slow")["restarts"] > before["restarts"])


def seconds_of(stamp):
    return datetime.datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%fZ").timestamp()


def test_a_directory_that_cannot_be_read_takes_nothing_away(box):
    a = box({"web": script()})
    before = a.wait_unit("systemd-web", state="up")
    wait_copy(a, "web.container", "Exec")
    os.rename(os.path.join(a.config, "units"), os.path.join(a.config, "away"))
    done = a.cleat("reload", check=False)
    assert done.returncode == 1 and "/config/units" in done.stdout, done.stdout
    assert a.unit("systemd-web")["pid"] == before["pid"]
    # nor from an engine that begins then
    engine = a.engine_pid()
    os.kill(engine, signal.SIGKILL)
    wait_for("another engine", lambda: a.ping() and a.engine_pid() != engine)
    entry = a.wait_unit("systemd-web", state="invalid", last_good=True)
    assert entry["pid"] == before["pid"] and "/config/units" in entry["detail"]
    os.rename(os.path.join(a.config, "away"), os.path.join(a.config, "units"))
    assert a.wait_unit("systemd-web", state="up")["pid"] == before["pid"]


def post_reload(a):
    try:
        return a.api("POST", "/cleat/v1/reload")[0] == 202
    except OSError:
        return False  # it is becoming a new one


# where the change has come to when the engine dies: what the console says by then
@pytest.mark.parametrize("where", ["", "reading the units again", "its unit file has changed: restarting", "up → stopping", "stopping → pulling",
                                   "pulling → starting"])
def test_an_engine_killed_while_a_change_is_applied(box, where):
    """Whatever it was at: in the end what the file says runs, once."""
    a = box({"web": script(container="Environment=VERSION=0\nStopTimeout=1\n"), "same": script()})
    same = a.wait_unit("systemd-same", state="up")["pid"]
    a.wait_unit("systemd-web", state="up")
    seen = len(a.console())
    write(a, "web.container", script(container="Environment=VERSION=1\nStopTimeout=1\n"))
    wait_for("the engine was told", lambda: post_reload(a))
    wait_for("it is at " + where, lambda: where in a.console()[seen:])
    # its name is another one for a moment while it becomes a new one
    for pid in wait_for("there is an engine", lambda: [pid for pid in a.processes("cleat") if is_engine(pid)]):
        with contextlib.suppress(ProcessLookupError):  # a child of its, about to be another program, or that one's end
            os.kill(pid, signal.SIGKILL)
    try:
        wait_for("the new version runs", lambda: "VERSION=1" in environment_or_none(a, "systemd-web"))
    except AssertionError as e:
        raise AssertionError("%s\n%s" % (e, a.console()))
    a.wait_unit("systemd-web", state="up")
    # first processes only: a shell that starts its "sleep" is two for a moment
    assert len([p for p in a.processes("sh") if is_first(p) and "VERSION" in environment_of(p)]) == 1
    assert a.wait_unit("systemd-same", state="up")["pid"] == same
    a.stop()
    assert leftovers(a) == []


def is_first(pid):
    """Of its container."""
    with contextlib.suppress(OSError), open("/proc/%d/status" % pid, encoding="utf-8") as f:
        return re.search(r"^NSpid:.*\s(\d+)$", f.read(), re.M).group(1) == "1"
    return False


def environment_of(pid):
    try:
        with open("/proc/%d/environ" % pid, "rb") as f:
            return f.read().decode()
    except OSError:
        return ""


def is_engine(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return f.read().split(b"\0")[1:2] == [b"engine"]
    except OSError:
        return False


POLLS = """
import ctypes, os, select, socket, sys
assert ctypes.CDLL(None).setns(os.open('/proc/%d/ns/net', os.O_RDONLY), 0x40000000) == 0
answered = 0
print('begins', flush=True)
while not select.select([0], [], [], 0)[0]:
    with socket.create_connection(('127.0.0.1', 25328), 20) as s:
        s.sendall(b'GET /livez HTTP/1.0\\r\\n\\r\\n')
        assert b' 200 ' in s.recv(4096), answered
    answered += 1
print(answered)
"""


def kill_engine(a):
    engine = a.engine_pid()
    os.kill(engine, signal.SIGKILL)
    wait_for("another engine", lambda: a.ping() and a.engine_pid() != engine)


@pytest.mark.parametrize("how", ["reloaded", "killed"])
def test_a_monitor_is_answered_while_one_engine_follows_another(box, how):
    """Many units, so that reading them takes the new engine a while; the port must be open all that time, and nobody's connection be reset:
    the server of an engine that was killed hands on what it has not accepted."""
    units = {"m%d.container" % i: script(install=False) for i in range(300)}
    a = box(dict(units, **{"box.container": script()}))
    a.wait_unit("systemd-box", state="up")
    assert a.inside("cat", "/proc/sys/net/ipv4/tcp_migrate_req") == "1\n"
    command = ["/usr/bin/python3", "-S", "-c", POLLS % a.init_pid()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as monitor:
        try:
            assert monitor.stdout.readline() == "begins\n"
            for i in range(5 if how == "reloaded" else 3):
                if how == "killed":
                    kill_engine(a)
                    continue
                write(a, "m0.container", script(install=False, container="Environment=ROUND=%d\n" % i))
                a.cleat("reload")
        finally:
            answered, error = monitor.communicate("\n", timeout=60)
    assert error == "" and int(answered) > 5, (answered, error)


# One request a connection, none of them asked twice.
ASKS = """
import select, socket, sys
answered = 0
print('begins', flush=True)
while not select.select([0], [], [], 0)[0]:
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(90)
        s.connect(sys.argv[1])
        s.sendall(b'POST /containers/systemd-box/start HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n')
        answer = s.recv(4096)
        assert b' 304 ' in answer, (answered, answer)
    answered += 1
print(answered)
"""


def test_no_order_is_lost_while_a_reload_makes_another_engine(box):
    """Whoever has connected is answered, by this engine or by the next; nobody finds the place empty."""
    units = {"m%d.container" % i: script(install=False) for i in range(100)}
    a = box(dict(units, **{"box.container": script()}))
    a.wait_unit("systemd-box", state="up")
    with subprocess.Popen(["/usr/bin/python3", "-S", "-c", ASKS, a.socket], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
        try:
            assert client.stdout.readline() == "begins\n"
            engines = {json.loads(a.cleat("reload", "--json"))["engine_started_usec"] for _ in range(5)}
        finally:
            answered, error = client.communicate("\n", timeout=60)
    assert error == "" and int(answered) > 5 and len(engines) == 5, (answered, error, engines)
