# SPDX-License-Identifier: Apache-2.0
"""The engine is replaced by another program while everything goes on, and what is no engine does not get that far."""
import os
import re
import subprocess
import threading

import pytest

from appliance import BUILD, CLEAT, IDLE, Appliance, unit, wait_for
from ociimage import busybox_of, write_box
from registry import HeldRegistry

HERE = os.path.dirname(os.path.abspath(__file__))
BOX = "localhost/box:latest"
PROGRAMS = ("cleat", "cleat-runtime")
OURS = re.search(r"\d+\.\d+\.\d+", subprocess.run([CLEAT, "--version"], stdout=subprocess.PIPE, text=True).stdout).group()
NEXT = OURS[:-1] + str((int(OURS[-1]) + 8) % 10)  # of the same length

COUNTING = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done"


def root_of(a):
    return "/proc/%d/root" % a.init_pid()


def put(a, path, data, mode=0o755):
    """As a package manager does: beside it, then renamed over it."""
    real = root_of(a) + path
    with open(real + ".part", "wb") as f:
        f.write(data)
    os.chmod(real + ".part", mode)
    os.rename(real + ".part", real)


def next_version(program):
    with open(os.path.join(BUILD, "rootfs", "usr", "bin", program), "rb") as f:
        data = f.read()
    assert OURS.encode() in data
    return data.replace(OURS.encode(), NEXT.encode())


def replace_programs(a):
    for program in PROGRAMS:
        put(a, "/usr/bin/" + program, next_version(program))


def version_of_engine(a):
    return a.status()["version"]


def script(text, container="", service="", **keywords):
    return unit(BOX, 'Exec=/bin/sh -c "%s"\n' % text + container, service, **keywords)


def read_lines(stream, into):
    for line in stream:
        into.append(line)


def numbers(lines):
    return [int(match.group(1)) for match in map(re.compile(r"line (\d+)$").search, map(str.strip, lines)) if match]


@pytest.fixture
def registry_in():
    made = []

    def make(netns):
        made.append(HeldRegistry(netns))
        return made[-1]

    yield make
    for registry in made:
        registry.stop()


@pytest.fixture
def box(boot, box_image):
    def make(units):
        a = boot(units, images=(), start=False)
        a.add_image("box", box_image)
        return a.start()

    return make


def test_everything_goes_on_under_another_version(box, tmp_path, registry_in):
    a = box({"web": script(IDLE, "HealthCmd=echo x >>/share/probes\nHealthInterval=300ms\nVolume=/data/share:/share\n", "Restart=always"),
             "talk": script(COUNTING, "StopTimeout=0\n")})
    web = a.wait_unit("systemd-web", health="healthy")
    talk = a.wait_unit("systemd-talk", state="up")
    registry = registry_in(a.init_pid())
    other = str(tmp_path / "other.tar")
    write_box(other, busybox_of(BUILD), extra=[("etc/other", {"content": os.urandom(300000)})])
    layers = registry.layers(registry.add_archive(other, "team/box", "1"))
    with open(os.path.join(a.config, "registries.conf"), "w", encoding="utf-8") as f:
        f.write('[[registry]]\nlocation = "%s"\ninsecure = true\n' % registry.host)
    blob = "/v2/team/box/blobs/" + layers[0]
    registry.hold(blob, 100000)
    a.add_unit("late", unit("%s/team/box:1" % registry.host, "Exec=sleep 1000000\nStopTimeout=0\n"))
    assert a.api("POST", "/cleat/v1/reload")[0] == 202
    registry.stopped_at(blob)

    session = subprocess.Popen([CLEAT, "--socket", a.socket, "exec", "-i", "systemd-web", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    session.stdin.write(b"before\n")
    session.stdin.flush()
    assert session.stdout.readline() == b"before\n"
    follower = subprocess.Popen([CLEAT, "--socket", a.socket, "logs", "-f", "systemd-talk"], stdout=subprocess.PIPE, text=True)
    seen = []
    reader = threading.Thread(target=read_lines, args=(follower.stdout, seen), daemon=True)
    reader.start()
    wait_for("lines are followed", lambda: len(seen) > 20)
    pid = a.engine_pid()

    replace_programs(a)
    assert version_of_engine(a) == OURS
    said = a.cleat("upgrade")
    assert "the engine is /usr/bin/cleat, version %s (was %s)" % (NEXT, OURS) in said
    assert version_of_engine(a) == NEXT
    assert a.engine_pid() == pid, "init did not notice"

    now = a.unit("systemd-web")
    assert (now["pid"], now["restarts"], now["state"]) == (web["pid"], 0, "up")
    assert a.unit("systemd-talk")["pid"] == talk["pid"]
    probes = os.path.join(a.data, "share", "probes")
    so_far = os.path.getsize(probes)
    wait_for("probes go on", lambda: os.path.getsize(probes) > so_far)
    assert a.unit("systemd-web")["health"] == "healthy"
    session.stdin.write(b"after\n")
    session.stdin.close()
    assert session.stdout.read() == b"after\n" and session.wait(60) == 0
    registry.release(blob)
    a.wait_unit("systemd-late", state="up")
    so_far = len(seen)
    wait_for("lines go on", lambda: len(seen) > so_far + 20)
    follower.terminate()
    follower.wait(60)
    reader.join(10)
    assert numbers(seen) == list(range(1, len(numbers(seen)) + 1)), "a line is lost or doubled"
    assert "is version" not in a.console()


def test_a_program_elsewhere_is_on_trial(box):
    """What lies at /usr/bin/cleat follows when it ends."""
    a = box({"web": script(IDLE)})
    web = a.wait_unit("systemd-web", state="up")
    put(a, "/usr/bin/cleat-runtime", next_version("cleat-runtime"))
    put(a, "/data/new-cleat", next_version("cleat"))
    said = a.cleat("upgrade", "/data/new-cleat")
    assert "version " + NEXT in said and "start /usr/bin/cleat" in said
    old = a.engine_pid()
    a.cleat("reload")
    assert version_of_engine(a) == NEXT, "a reload is no reason to go back"
    os.kill(old, 9)
    wait_for("init has started what is installed", lambda: a.ping() and version_of_engine(a) == OURS)
    assert a.wait_unit("systemd-web", state="up")["pid"] == web["pid"]


DYING = b"#!/bin/sh\ncase $1 in\nupgrade-ready) printf u9.9 ;;\n*) exit 3 ;;\nesac\n"


def test_a_new_engine_that_ends_at_once_is_followed_by_the_installed_one(box):
    a = box({"web": script(IDLE)})
    web = a.wait_unit("systemd-web", state="up")
    put(a, "/data/new-cleat", DYING)
    done = a.cleat("upgrade", "/data/new-cleat", check=False)
    assert done.returncode == 1 and "another engine has begun meanwhile" in done.stdout, done.stdout
    assert version_of_engine(a) == OURS
    assert a.wait_unit("systemd-web", state="up")["pid"] == web["pid"]


@pytest.mark.parametrize("data, mode, owner, reason", [
    (None, 0o755, 0, "No such file"),
    (b"#!/bin/sh\nexit 7\n", 0o755, 0, "is no engine that could go on here: it ended with code 7"),
    (b"#!/bin/sh\nkill -SEGV $$\n", 0o755, 0, "it ended by signal 11"),
    (b"no program at all", 0o755, 0, "is no engine|exec: Exec format error"),
    (b"#!/bin/sh\nexit 0\n", 0o644, 0, "exec: Permission denied"),
    (b"#!/bin/sh\nexit 0\n", 0o775, 0, "writable by nobody else"),
    (b"#!/bin/sh\nexit 0\n", 0o755, 1000, "has to belong to root"),
    (b"#!/bin/sh\nprintf 'e%s' 'it does not know the layout that /run/cleat/VERSION names'\n", 0o755, 0, "does not know the layout"),
    ("newer", 0o755, 0, "replace that first"),
], ids=["absent", "other", "crashes", "garbage", "mode", "writable", "owner", "layout", "runtime"])
def test_what_cannot_go_on_here_is_refused(shared, data, mode, owner, reason):
    a = shared
    pid = a.engine_pid()
    began = a.status()["engine"]
    if data == "newer":
        data = next_version("cleat")
    if data is not None:
        put(a, "/data/candidate", data, mode)
        os.chown(root_of(a) + "/data/candidate", owner, 0)
    done = a.cleat("upgrade", "/data/candidate", check=False)
    assert done.returncode == 1 and re.search(reason, done.stdout), done.stdout
    assert a.engine_pid() == pid and a.status()["engine"]["started"] == began["started"]
    if data is not None:
        os.unlink(root_of(a) + "/data/candidate")


def test_an_unknown_layout_is_refused_by_the_new_program_itself(shared):
    a = shared
    version = root_of(a) + "/run/cleat/VERSION"
    with open(version, "w") as f:
        f.write("99\n")
    try:
        done = a.cleat("upgrade", check=False)
        assert done.returncode == 1 and "does not know the layout that /run/cleat/VERSION names" in done.stdout, done.stdout
    finally:
        with open(version, "w") as f:
            f.write("1\n")
    assert "version" in a.cleat("upgrade")


def test_one_at_a_time_and_a_silent_one_ends(shared):
    a = shared
    put(a, "/data/candidate", b"#!/bin/sh\necho $$ > /data/asked\nexec sleep 1000\n")
    slow = subprocess.Popen([CLEAT, "--socket", a.socket, "upgrade", "/data/candidate"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for("it is asked", lambda: os.path.exists(root_of(a) + "/data/asked"))
    done = a.cleat("upgrade", "/usr/bin/cleat", check=False)
    assert done.returncode == 1 and "is being looked at" in done.stdout, done.stdout
    assert a.unit("systemd-web")["state"] == "up", "the engine answers meanwhile"
    out, _ = slow.communicate(timeout=60)
    assert slow.returncode == 1 and "has not answered within 10 s" in out, out


def test_words(shared):
    for words in (("here",), ("/a", "/b"), ("--force",)):
        assert shared.cleat("upgrade", *words, check=False).returncode == 2
    status, body = shared.api("POST", "/cleat/v1/upgrade?file=here")
    assert status == 400 and b"begins with /" in body
    status, body = shared.api("POST", "/cleat/v1/upgrade?file=/" + "x" * 2000)
    assert status in (400, 414), body


@pytest.fixture(scope="module")
def shared(tmp_path_factory, box_image):
    a = Appliance(tmp_path_factory.mktemp("upgrade"), {"web": script(IDLE)}, images=())
    a.add_image("box", box_image)
    a.start()
    a.wait_unit("systemd-web", state="up")
    yield a
    a.close()


@pytest.fixture(scope="module")
def old_shim(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("old") / "cleat-runtime")
    subprocess.run([os.path.join(BUILD, "sysroot", "bin", "musl-gcc"), "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-static", "-Wall", "-Wextra", "-Werror",
                    "-o", path, os.path.join(HERE, "old_shim.c")], check=True)
    with open(path, "rb") as f:
        return f.read()


@pytest.mark.parametrize("how", ["upgraded", "killed"])
def test_a_shim_of_the_previous_protocol_goes_on(box, old_shim, how):
    a = box({"web": script(IDLE, "HealthCmd=true\nHealthInterval=300ms\n", "Restart=always\nRestartSec=0", install=False)})
    real = root_of(a) + "/usr/bin/cleat-runtime"
    os.rename(real, real + ".new")
    put(a, "/usr/bin/cleat-runtime", old_shim)
    a.cleat("start", "web")
    web = a.wait_unit("systemd-web", health="healthy")
    wait_for("the container's program runs", lambda: os.readlink("/proc/%d/exe" % a.pid_of("systemd-web")).endswith("busybox"))
    if how == "upgraded":
        replace_programs(a)
        a.cleat("upgrade")
    else:
        os.rename(real + ".new", real)
        before = a.engine_pid()
        os.kill(before, 9)
        wait_for("another engine", lambda: a.ping() and a.engine_pid() != before)
    now = a.wait_unit("systemd-web", health="healthy", state="up")
    assert (now["pid"], now["restarts"]) == (web["pid"], 0)
    wait_for("its probes are answered", lambda: "number one" in a.cleat("status", "systemd-web") or "number one" in str(a.unit("systemd-web")))
    # an end, seen by its record, is followed by a start by the new program
    os.kill(a.pid_of("systemd-web"), 9)
    wait_for("the next run", lambda: a.unit("systemd-web")["restarts"] == 1)
    after = a.wait_unit("systemd-web", health="healthy", state="up")
    assert after["pid"] != web["pid"]
    a.cleat("stop", "web")
    assert a.unit("systemd-web")["state"] == "down"
    assert os.listdir(root_of(a) + "/run/cleat/c") == []
