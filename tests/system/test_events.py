# SPDX-License-Identifier: Apache-2.0
"""Events of a real engine, why a container failed in its own words, and log drivers."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from appliance import CLEAT, IDLE, unit, wait_for

BOX = "localhost/box:latest"
TEXT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{9} [+-]\d{4} \S+ (\w+) ([\w-]+)( [0-9a-f]{12})? \((.*)\)")


def sh(script):
    """Exec= of a shell text without single quotes."""
    assert "'" not in script
    return "Exec=/bin/sh -c '%s'\n" % script.replace("$", "$$")


@pytest.fixture
def boot_box(boot, box_image):
    def make(units, **keywords):
        a = boot(units, images=(), start=False)
        a.add_image("box", box_image)
        for name, text in keywords.get("config", {}).items():
            with open(os.path.join(a.config, name), "w") as f:
                f.write(text)
        return a.start()

    return make


def events(a, *words):
    out = a.cleat("events", "--no-follow", "--format", "json", *words)
    return [json.loads(line) for line in out.splitlines()]


def test_a_failure_says_why_everywhere(boot_box):
    a = boot_box({
        "bad": unit(BOX, sh("i=0; while [ $i -lt 9 ]; do i=$((i+1)); echo line $i; done; echo last words >&2; exit 3"),
                    service="Restart=no\n"),
        "good": unit(BOX, sh("echo fine; exit 0"), service="Restart=no\n")})
    entry = a.wait_unit("systemd-bad", state="failed")
    assert entry["last_output"][-1] == "last words" or "last words" in entry["last_output"], entry
    assert len(entry["last_output"]) == 5
    assert entry["last_output_time"]
    good = a.wait_unit("systemd-good", state="down")
    assert good["last_output"] == []
    out = a.cleat("status", "bad")
    assert "last words" in out and "code 3" in out
    assert "last words" in a.http("/status", accept="text/plain")[1]
    wait_for("the console says it", lambda: "systemd-bad  | last words" in a.console())
    assert "systemd-good  |" not in a.console()
    # A new engine still knows.
    a.cleat("reload")
    assert "last words" in a.wait_unit("systemd-bad", state="failed")["last_output"]


def test_an_unhealthy_container_shows_what_it_says(boot_box):
    a = boot_box({"sick": unit(BOX, sh("echo feeling bad; " + IDLE.replace("'", "\"")) +
                               "HealthCmd=/bin/false\nHealthInterval=100ms\nHealthRetries=2\nHealthOnFailure=none\n")})
    a.wait_unit("systemd-sick", health="unhealthy")
    wait_for("its words are there", lambda: a.unit("systemd-sick")["last_output"] == ["feeling bad"])
    found = events(a, "--filter", "unit=sick", "--filter", "event=health_status")
    assert [e["HealthStatus"] for e in found] == ["starting", "unhealthy"]


def test_events_of_a_life(boot_box):
    a = boot_box({"web": unit(BOX, sh(IDLE.replace("'", "\"")), service="Restart=always\nRestartSec=100ms\n")})
    a.wait_unit("systemd-web", state="up")
    os.kill(a.pid_of("systemd-web"), signal.SIGKILL)
    a.wait_unit("systemd-web", state="up", restarts=1)
    a.cleat("stop", "web")
    a.wait_unit("systemd-web", state="down")
    found = events(a)
    assert [e["Sequence"] for e in found] == list(range(1, len(found) + 1))
    assert found[0]["Status"] == "engine-start" and found[0]["Attributes"]["version"]
    mine = [e for e in found if e["Name"] == "systemd-web"]
    assert [e["Status"] for e in mine] == ["pull", "create", "start", "die", "restart", "create", "start", "kill", "die", "stop"], mine
    dead = [e for e in mine if e["Status"] == "die"]
    assert [e["ContainerExitCode"] for e in dead] == [137, 0]
    assert mine[7]["Attributes"]["signal"] == 15
    assert mine[0]["Type"] == "image" and mine[2]["Unit"] == "web.container" and mine[2]["Image"] == BOX
    assert mine[2]["ID"] == mine[3]["ID"] != mine[6]["ID"]

    text = a.cleat("events", "--no-follow").splitlines()
    assert len(text) == len(found)
    for line in text:
        assert TEXT.fullmatch(line), line
    assert [e["Status"] for e in events(a, "--filter", "event=died")] == ["die", "die"]
    assert [e["Status"] for e in events(a, "--filter", "event=die", "--filter", "event=stop", "--filter", "unit=web")] == ["die", "die", "stop"]
    assert events(a, "--filter", "container=web") == events(a, "--filter", "unit=web") != []
    assert events(a, "--filter", "unit=other") == []
    since = "%d.%09d" % divmod(mine[6]["TimeNano"], 10**9)  # a float is too coarse by 100 ns
    assert [e["Status"] for e in events(a, "--since", since)][-4:] == ["start", "kill", "die", "stop"]
    assert events(a, "--until", "%d" % (found[0]["TimeNano"] // 10**9 - 5)) == []
    bad = a.cleat("events", "--filter", "event=nonsense", check=False)
    assert bad.returncode == 2 and "no such event" in bad.stdout


def test_events_go_on_with_a_new_engine_and_are_followed(boot_box):
    a = boot_box({"web": unit(BOX, sh(IDLE.replace("'", "\"")))})
    a.wait_unit("systemd-web", state="up")
    last = events(a)[-1]
    before = last["Sequence"]
    # from the last one that is known on: what it says of it shows that it is there
    follower = subprocess.Popen([CLEAT, "--socket", a.socket, "events", "--format", "json", "--since", "%d.%09d" % divmod(last["TimeNano"], 10**9)],
                                stdout=subprocess.PIPE, text=True)
    try:
        assert json.loads(follower.stdout.readline())["Sequence"] == before
        a.cleat("reload")
        seen = []
        while not seen or seen[-1]["Status"] != "adopt":
            seen.append(json.loads(follower.stdout.readline()))
    finally:
        follower.kill()
        follower.wait()
    assert [e["Status"] for e in seen] == ["reload", "engine-start", "adopt"]
    assert [e["Sequence"] for e in seen] == list(range(before + 1, before + 4))
    # That it is up is no news: nothing is said of it twice.
    assert [e["Status"] for e in events(a, "--filter", "unit=web")] == ["pull", "create", "start", "adopt"]


def test_dockers_events_route(boot_box):
    a = boot_box({"one": unit(BOX, sh("exit 4"), service="Restart=no\n")})
    a.wait_unit("systemd-one", state="failed")
    status, body = a.api("GET", "/v1.41/events?since=1&until=%d" % (events(a)[-1]["TimeNano"] // 10**9 + 1))
    assert status == 200
    found = [json.loads(line) for line in body.splitlines()]
    assert [(e["Type"], e["Action"]) for e in found] == [
        ("image", "pull"), ("container", "create"), ("container", "start"), ("container", "die")]
    dead = found[-1]
    assert dead["Actor"]["Attributes"]["exitCode"] == "4" and dead["Actor"]["Attributes"]["name"] == "systemd-one"
    assert dead["id"] == dead["Actor"]["ID"] and re.fullmatch("[0-9a-f]{64}", dead["id"])
    assert dead["timeNano"] // 10**9 == dead["time"] and dead["scope"] == "local" and dead["from"] == BOX
    listed = json.loads(a.api("GET", "/containers/json?all=1")[1])
    assert listed[0]["Id"] == dead["id"]
    filters = "%7B%22event%22%3A%5B%22die%22%5D%2C%22container%22%3A%7B%22systemd-one%22%3Atrue%7D%7D"
    status, body = a.api("GET", "/events?since=1&until=2000000000.5&filters=" + filters) if False else \
        a.api("GET", "/events?since=1&until=%d&filters=%s" % (dead["time"] + 1, filters))
    assert status == 200 and [json.loads(line)["Action"] for line in body.splitlines()] == ["die"]
    status, body = a.api("GET", "/events?filters=%7B%22label%22%3A%5B%22x%22%5D%7D")
    assert status == 400 and b"label" in body
    assert a.api("GET", "/events?filters=nonsense")[0] == 400
    # Followed: one that comes later arrives.
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(60)
    connection.sock.connect(a.socket)
    connection.request("GET", "/events?filters=%7B%22event%22%3A%5B%22die%22%5D%7D")
    response = connection.getresponse()
    threading.Timer(0.3, lambda: a.cleat("start", "one", check=False)).start()
    assert json.loads(response.readline())["Action"] == "die"
    connection.close()


def test_log_drivers_and_options(boot_box):
    say = sh("echo to stdout; printf \"\\033[31mred\" >&2; exit 1")
    a = boot_box({
        "none": unit(BOX, say + "LogDriver=none\n", service="Restart=no\n"),
        "pass": unit(BOX, say + "LogDriver=passthrough\nLogOpt=tag=my-{{.Name}}\n", service="Restart=no\n"),
        "path": unit(BOX, say + "LogOpt=path=/data/own/web.log\n", service="Restart=no\n"),
        "twin": unit(BOX, say + "LogOpt=path=/data/own\n", service="Restart=no\n"),
        "link": unit(BOX, say + "LogOpt=path=/data/link/x\n", service="Restart=no\n"),
        "outside": unit(BOX, say + "LogOpt=path=/etc/x\n", service="Restart=no\n"),
        "max": unit(BOX, say + "LogOpt=max-file=101\n", service="Restart=no\n")})
    for name in ("none", "pass", "link"):
        a.wait_unit("systemd-" + name, state="failed")
    assert not os.path.exists(os.path.join(a.data, "logs", "systemd-none"))
    assert not os.path.exists(os.path.join(a.data, "logs", "systemd-pass"))
    for name, driver in (("none", "none"), ("pass", "passthrough")):
        refused = a.cleat("logs", name, check=False)
        assert refused.returncode == 1 and "LogDriver=" + driver in refused.stdout
        assert a.api("GET", "/containers/systemd-%s/logs?stdout=1" % name)[0] == 501
    assert a.unit("systemd-none")["last_output"] == []
    wait_for("the console has it", lambda: "my-systemd-pass: to stdout" in a.console() and "my-systemd-pass: ?[31mred" in a.console())
    assert "\033[31mred" not in a.console()
    invalid = a.wait_unit("outside.container", state="invalid")
    assert "outside.container:" in invalid["detail"] and "below /data" in invalid["detail"]
    assert "1 to 100" in a.wait_unit("max.container", state="invalid")["detail"]
    # Of the two that name folders inside each other none runs.
    for name in ("path", "twin"):
        assert "LogOpt=path=" in a.wait_unit("systemd-" + name, state=("failed", "backoff"))["detail"]


def test_a_log_path_is_never_reached_through_a_link(boot_box):
    idle = IDLE.replace("'", '"')
    a = boot_box({"web": unit(BOX, sh("echo kept; " + idle) + "LogOpt=path=/data/home/u/logs/web\n"),
                  "full": unit(BOX, sh("echo more; " + idle) + "LogOpt=path=/data/full\n")})
    place, full = os.path.join(a.data, "home/u/logs"), os.path.join(a.data, "full")
    for name in ("web", "full"):
        a.wait_unit("systemd-" + name, state="up")
    wait_for("kept there", lambda: os.path.exists(place + "/web/current") and os.path.exists(full + "/current"))
    assert a.cleat("logs", "web") == "kept\n"
    a.cleat("stop", "web", "full")
    # From now on the place is a link out of /data, and the other folder holds somebody's file.
    os.rename(place, place + ".old")
    os.symlink("/run/cleat", place)
    os.chown(full, 1000, 1000)
    with open(os.path.join(full, "diary"), "w") as f:
        f.write("mine")
    a.cleat("start", "web", "full")
    for name, word in (("web", "a link is not followed"), ("full", "diary")):
        wait_for("%s says so" % name, lambda: any(word in note for note in a.unit("systemd-" + name)["notes"]))
    assert a.inside("ls", "/run/cleat/web", check=False).returncode != 0
    assert os.stat(full).st_uid == 1000
