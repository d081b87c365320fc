# SPDX-License-Identifier: Apache-2.0
"""What people are told, and where: of probes, of unit files, of what has ended; and still after an engine was killed."""
import os
import signal
import subprocess

from appliance import CLEAT, IDLE, unit, wait_for


def boot_box(boot, box_image, units):
    appliance = boot(units, images=(), start=False)
    appliance.add_image("box", box_image)
    return appliance.start()


def script(text, container="", service="", **keywords):
    return unit("localhost/box:latest", 'Exec=/bin/sh -c "%s"\n' % text + container, service, **keywords)


def events(a, *filters):
    words = [word for f in filters for word in ("--filter", f)]
    return a.cleat("events", "--no-follow", *words)


def kill_engine(a):
    engine = a.engine_pid()
    os.kill(engine, signal.SIGKILL)
    wait_for("a new engine", lambda: is_replaced(a, engine))


def is_replaced(a, engine):
    try:
        return a.status()["engine"]["alive"] and a.ping() and a.engine_pid() != engine
    except (OSError, AssertionError, KeyError):
        return False


def test_logs_are_followed_before_the_container_has_ever_started(boot, box_image):
    a = boot_box(boot, box_image, {"later": script("echo here at last; " + IDLE, install=False)})
    a.wait_unit("systemd-later", state="down")
    folder = os.path.join(a.data, "logs", "systemd-later")
    assert not os.path.exists(folder)
    assert a.cleat("logs", "later") == ""
    assert not os.path.exists(folder), "only who waits needs it"
    follower = subprocess.Popen([CLEAT, "--socket", a.socket, "logs", "-f", "later"], stdout=subprocess.PIPE, text=True)
    try:
        wait_for("the follower waits there", lambda: os.path.exists(folder) and os.stat(folder).st_uid == 65005)
        a.cleat("start", "later")
        assert follower.stdout.readline() == "here at last\n"
    finally:
        follower.kill()
        follower.communicate()


def test_a_probe_that_fails_is_said_in_every_place(boot, box_image):
    failing = "HealthInterval=200ms\nHealthRetries=2\n"
    a = boot_box(boot, box_image, {
        "sick": script(IDLE, container="HealthCmd=echo not well; false\n" + failing),
        "ended": script(IDLE, container="HealthCmd=false\nHealthOnFailure=stop\n" + failing),
        "warming": script(IDLE, container="HealthCmd=true\nHealthStartupCmd=false\nHealthStartupInterval=200ms\n")})
    a.wait_unit("systemd-sick", health="unhealthy")
    a.wait_unit("systemd-ended", state="failed")
    wait_for("two startup probes", lambda: a.unit("systemd-warming")["probe"]["failures"] >= 2)
    assert a.unit("systemd-warming")["probe"]["startup"] and not a.unit("systemd-sick")["probe"]["startup"]
    # what was acted on at once has happened, too
    for name in ("sick", "ended"):
        assert "health_status=unhealthy" in events(a, "event=health_status", "container=systemd-" + name), name
    _, ready = a.http("/readyz?verbose")
    assert "unit systemd-sick failed: unhealthy: not well" in ready and "running" not in ready
    _, page = a.http("/status", accept="text/plain")
    assert "startup probe failed" in page
    assert "startup probe failed" in a.cleat("status", "warming")
    told = a.cleat("status", "sick")
    assert "failed" in told and "not well" in told
    # podman's word for it, without what the last newline would become
    done = a.cleat("healthcheck", "run", "sick", check=False)
    assert done.returncode == 1 and done.stdout == "unhealthy: not well\n"


def test_what_happens_to_unit_files_is_an_event(boot, box_image):
    a = boot_box(boot, box_image, {"stays": script(IDLE), "wrong": "[Container]\nImage=a\nNope=1\n"})
    a.wait_unit("systemd-stays", state="up")
    assert "unit-add" not in events(a, "type=unit"), "at the boot all of them are new"
    assert "Nope" in events(a, "event=unit-invalid", "unit=wrong.container")
    a.add_unit("new", script(IDLE))
    a.cleat("reload", check=False)
    assert "name=systemd-new" in events(a, "event=unit-add")
    a.add_unit("new", script("true; " + IDLE))
    a.cleat("reload", check=False)
    assert "its unit file has changed" in events(a, "event=unit-change", "unit=new.container")
    os.remove(os.path.join(a.config, "units", "new.container"))
    a.cleat("reload", check=False)
    assert "name=systemd-new" in events(a, "event=unit-remove")
    kill_engine(a)
    assert events(a, "event=unit-add").count("unit-add") == 1, "an engine that was replaced found nothing new"
    a.cleat("exec", "stays", "true")
    assert "name=systemd-stays" in events(a, "event=exec_create")


def test_what_has_ended_is_said_by_the_next_engine_too(boot, box_image):
    a = boot_box(boot, box_image, {
        "done": script("exit 42", service="SuccessExitStatus=42"),
        "skipped": script(IDLE, unit_lines="ConditionPathExists=/data/none\n")})
    done = a.wait_unit("systemd-done", state="down", detail="finished: exited with code 42")
    skipped = wait_for("skipped", lambda: "ConditionPathExists" in a.unit("systemd-skipped")["detail"] and a.unit("systemd-skipped"))
    kill_engine(a)
    for before in (done, skipped):
        after = a.unit(before["name"])
        assert (after["detail"], after["exit"]["code"], after["wanted"]) == (before["detail"], before["exit"]["code"], False)


def test_a_pod_names_its_containers_and_has_no_log(boot, box_image):
    a = boot_box(boot, box_image, {
        "p.pod": "[Pod]\nNetwork=none\n[Install]\nWantedBy=default.target\n",
        "one": script(IDLE, container="Pod=p.pod\n", network="")})
    a.wait_unit("systemd-one", state="up")
    assert "systemd-one: up" in a.cleat("status", "p")
    done = a.cleat("logs", "-f", "p", check=False)
    assert done.returncode == 1 and "is a pod" in done.stdout
