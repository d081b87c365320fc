# SPDX-License-Identifier: Apache-2.0
"""Exec* lines and conditions of units in a real appliance; podman, docker, systemctl and journalctl as names of our command line."""
import json
import os
import signal

import pytest

from appliance import BUILD, IDLE, unit, wait_for
from ociimage import busybox_of, write_box


@pytest.fixture
def box(tmp_path):
    path = str(tmp_path / "box.tar")
    write_box(path, busybox_of(BUILD))
    return path


def boot_box(boot, box, units, before=None):
    appliance = boot(units, images=(), start=False)
    appliance.add_image("box", box)
    if before:
        before(appliance)
    return appliance.start()


def script(text=IDLE, container="", service="", **keywords):
    return unit("localhost/box:latest", 'Exec=/bin/sh -c "%s"\n' % text + container, service, **keywords)


def text_of(appliance, name):
    with open(os.path.join(appliance.data, name)) as f:
        return f.read()


def lines_of(appliance, name):
    try:
        return text_of(appliance, name).splitlines()
    except FileNotFoundError:
        return []


def note(word):
    return '/bin/sh -c "echo %s >>/data/order"' % word


def test_lists_run_in_order_as_root_with_systemds_environment(boot, box):
    service = "\n".join([
        "ExecCondition=" + note("condition"),
        "ExecStartPre=" + note("pre1"),
        "ExecStartPre=-/bin/false",
        "ExecStartPre=-/no/such/program",
        'ExecStartPre=/bin/sh -c "id -u >/data/uid; umask >>/data/uid; pwd >>/data/uid; env >/data/env"',
        "ExecStartPre=|echo shell words >/data/shell",
        "ExecStartPre=/usr/bin/mkdir -p /data/made",  # busybox has it in /bin
        "ExecStartPost=" + note("post"),
        'ExecStartPost=/bin/sh -c "test -d /proc/$MAINPID && echo $MAINPID >/data/pid"',
        "ExecReload=" + note("reload"),
        "ExecStop=" + note("stop"),
        'ExecStopPost=/bin/sh -c "echo $SERVICE_RESULT $EXIT_CODE $EXIT_STATUS >>/data/order"',
        "Environment=COLOUR=blue UMASK=x", "WorkingDirectory=/data", "UMask=0027"])
    a = boot_box(boot, box, {"web": script(service=service)})
    a.wait_unit("systemd-web", state="up")
    assert lines_of(a, "order") == ["condition", "pre1", "post"]
    assert os.path.isdir(os.path.join(a.data, "made"))
    assert lines_of(a, "uid") == ["0", "0027", "/data"]
    assert text_of(a, "shell") == "shell words\n"
    assert int(text_of(a, "pid")) == a.unit("systemd-web")["pid"]
    env = dict(line.split("=", 1) for line in lines_of(a, "env"))
    assert env["COLOUR"] == "blue" and env["HOME"] == "/root" and env["USER"] == "root"
    assert "/usr/bin" in env["PATH"] and len(env["INVOCATION_ID"]) == 32
    a.cleat("reload", "systemd-web")
    assert lines_of(a, "order")[3:] == ["reload"]
    assert a.unit("systemd-web")["state"] == "up"
    a.cleat("stop", "systemd-web")
    wait_for("ExecStopPost=", lambda: len(lines_of(a, "order")) == 6)
    assert lines_of(a, "order")[4:] == ["stop", "success exited 0"]


def test_a_failure_says_line_code_and_last_words_and_stop_post_runs(boot, box):
    service = ('ExecStartPre=/bin/sh -c "echo first; echo no disk >&2; exit 7"\n'
               "ExecStartPre=" + note("never") + "\nExecStopPost=" + note("after"))
    a = boot_box(boot, box, {"web": script(service=service),
                             "late": script(service="ExecStartPost=/bin/false"),
                             "skip": script(service="ExecCondition=/bin/sh -c 'exit 3'"),
                             "hard": script(service="ExecCondition=/bin/sh -c 'exit 255'"),
                             "bash": script(service="ExecStartPre=/bin/bash -c true"),
                             "signal": script(service="ExecStartPre=/bin/sh -c 'kill -9 $$$$'")})
    web = a.wait_unit("systemd-web", state="failed")
    assert "web.container:10: ExecStartPre=/bin/sh: exited with code 7: no disk" in web["detail"], web
    assert lines_of(a, "order") == ["after"]
    assert "exited with code 1" in a.wait_unit("systemd-late", state="failed")["detail"]
    skip = a.wait_unit("systemd-skip", state="down")
    assert "ExecCondition=/bin/sh: exited with code 3" in skip["detail"]
    assert "255" in a.wait_unit("systemd-hard", state="failed")["detail"]
    assert "no such program" in a.wait_unit("systemd-bash", state="failed")["detail"]
    assert "signal 9" in a.wait_unit("systemd-signal", state="failed")["detail"]


def test_what_a_list_leaves_and_what_takes_too_long_is_killed(boot, box):
    left = 'ExecStartPre=/bin/sh -c "(echo >/data/begun; exec sleep 7531) >/dev/null 2>&1 &"\n'
    slow = ("ExecStartPre=/bin/sh -c \"trap '' TERM; echo halfway; sleep 7532 & wait; wait; sleep 7532\"\nTimeoutStartSec=3s\n")
    a = boot_box(boot, box, {"left": script(service=left), "slow": script(service=slow)})
    a.wait_unit("systemd-left", state="up")
    slow = a.wait_unit("systemd-slow", state="failed")
    assert "not finished within 3s; " in slow["detail"], slow
    assert "slow.container:" in slow["detail"] and "ExecStartPre=/bin/sh: had to be killed: halfway" in slow["detail"], slow
    wait_for("no sleep is left", lambda: "753" not in a.inside("/bin/busybox", "ps", "-o", "args"))


def test_an_engine_that_dies_leaves_no_command_and_the_start_begins_anew(boot, box):
    service = 'ExecStartPre=/bin/sh -c "echo x >>/data/starts; test -e /data/go || exec sleep 7533"\n'
    a = boot_box(boot, box, {"web": script(service=service)}, )
    wait_for("it hangs", lambda: lines_of(a, "starts"))
    a.wait_unit("systemd-web", state="starting")
    open(os.path.join(a.data, "go"), "w").close()
    old = a.engine_pid()
    os.kill(old, signal.SIGKILL)
    wait_for("another engine", lambda: a.engine_pid() not in (None, old))
    a.wait_unit("systemd-web", state="up")
    assert lines_of(a, "starts") == ["x", "x"]
    assert "sleep 7533" not in a.inside("/bin/busybox", "ps", "-o", "args")


def test_a_reload_begins_nothing_anew_that_had_its_turn(boot, box):
    """Who waits goes on waiting; what it had pulled in was skipped, or has failed, and stays so until somebody asks."""
    a = boot_box(boot, box, {
        "skip": script(service="ExecCondition=/bin/sh -c 'echo x >>/data/looked; exit 1'", install=False),
        "bad": script(service="ExecStartPre=/bin/sh -c 'echo x >>/data/tried; exit 7'", install=False),
        "bound": script(unit_lines="BindsTo=skip.service\nAfter=skip.service"),
        "needs": script(unit_lines="Requires=bad.service skip.service\nAfter=bad.service skip.service")})

    def as_before():
        assert lines_of(a, "looked") == ["x"] and lines_of(a, "tried") == ["x"]
        assert "skipped" in a.wait_unit("systemd-skip", state="down")["detail"]
        a.wait_unit("systemd-bad", state="failed")
        assert "skip (down, skipped" in a.wait_unit("systemd-bound", state="waiting")["detail"]
        assert "bad (failed)" in a.wait_unit("systemd-needs", state="waiting")["detail"]

    a.wait_unit("systemd-bad", state="failed")
    wait_for("it was skipped", lambda: "skipped" in a.unit("systemd-skip")["detail"])
    as_before()
    for name in ("other", "another"):
        a.add_unit(name, script())
        a.cleat("reload")
        a.wait_unit("systemd-" + name, state="up")
        as_before()
    os.kill(a.engine_pid(), signal.SIGKILL)
    wait_for("another engine", a.ping)
    as_before()
    # asked for, they have another turn
    a.cleat("start", "skip", check=False)
    wait_for("its condition is looked at", lambda: len(lines_of(a, "looked")) == 2)
    # what has changed has, too
    a.add_unit("bad", script(install=False))
    a.cleat("reload", check=False)
    a.wait_unit("systemd-needs", state="up")


def test_conditions_skip_and_assertions_fail(boot, box):
    def condition(text):
        return script(unit_lines=text + "\n")
    units = {
        "yes": condition("ConditionPathExists=/data/there\nConditionPathIsDirectory=/data\nConditionPathIsMountPoint=/data\n"
                         "ConditionCPUs=>=1\nConditionKernelVersion=>=5.15\nConditionArchitecture=native\nConditionUser=root\n"
                         "ConditionFirstBoot=yes\nConditionPathExistsGlob=/data/the*\nConditionMemory=>1M\nConditionHost=cle*\n"
                         "AssertFileNotEmpty=/data/there"),
        "no": condition("ConditionPathExists=/data/missing"),
        "not": condition("ConditionPathExists=!/data/there"),
        "or": condition("ConditionPathExists=|/data/missing\nConditionPathExists=|/data/there"),
        "neither": condition("ConditionPathExists=|/data/missing\nConditionPathExists=|/data/missing2"),
        "assert": condition("AssertPathExists=/data/missing"),
        "readonly": condition("ConditionPathIsReadWrite=!/config"),
    }

    def before(appliance):
        with open(os.path.join(appliance.data, "there"), "w") as f:
            f.write("x")
    a = boot_box(boot, box, units, before)
    for name in ("yes", "or", "readonly"):
        a.wait_unit("systemd-" + name, state="up")
    no = a.wait_unit("systemd-no", state="down")
    assert "no.container:3: ConditionPathExists=/data/missing: does not hold" in no["detail"], no
    assert "ConditionPathExists=!/data/there: does not hold" in a.wait_unit("systemd-not", state="down")["detail"]
    assert "neither this nor any other" in a.wait_unit("systemd-neither", state="down")["detail"]
    failed = a.wait_unit("systemd-assert", state="failed")
    assert "AssertPathExists=/data/missing: does not hold" in failed["detail"], failed


def test_reload_by_command_and_by_signal(boot, box):
    trap = "trap 'echo hup >>/out/signals' HUP; " + IDLE
    volume = "Volume=/data/out:/out\n"
    a = boot_box(boot, box, {
        "signal": script(trap, container=volume + "ReloadSignal=HUP\n"),
        "command": script(container=volume + "ReloadCmd=/bin/sh -c 'echo inside >>/out/command'\n"),
        "bad": script(service="ExecReload=/bin/sh -c 'echo broken; exit 4'"),
        "none": script()})
    for name in ("signal", "command", "none", "bad"):
        a.wait_unit("systemd-" + name, state="up")
    a.cleat("reload", "systemd-signal", "systemd-command")
    wait_for("the signal", lambda: lines_of(a, "out/signals") == ["hup"])
    assert lines_of(a, "out/command") == ["inside"]
    none = a.cleat("reload", "systemd-none", check=False)
    assert none.returncode == 1 and "job type reload is not applicable for unit none.service" in none.stdout
    bad = a.cleat("reload", "systemd-bad", check=False)
    assert bad.returncode == 1 and "exited with code 4: broken" in bad.stdout
    assert a.unit("systemd-bad")["state"] == "up"
    # one whose reload fails goes on as it is; only what has no way to reload is restarted
    before = {name: a.unit("systemd-" + name)["pid"] for name in ("bad", "signal", "none")}
    for name, code in (("bad", 1), ("signal", 0), ("none", 0)):
        assert a.inside("/usr/bin/systemctl", "reload-or-restart", name, check=False).returncode == code
        assert (a.unit("systemd-" + name)["pid"] == before[name]) == (name != "none")


def test_every_kind_of_dependency_is_acted_on(boot, box):
    ends = script("exit 0", service="Type=oneshot")
    fails = script("exit 3")
    a = boot_box(boot, box, {
        "fails": fails.replace("[Container]", "OnFailure=alarm.service\n[Container]"),
        "ends": ends.replace("[Container]", "OnSuccess=next.service\n[Container]"),
        "alarm": script(install=False), "next": script(install=False),
        "holder": script(unit_lines="Upholds=held.service"), "held": script(install=False),
        "needs": script(unit_lines="Requisite=idle.service\nAfter=idle.service"), "idle": script(install=False),
        "one": script(), "other": script(unit_lines="Conflicts=one.service", install=False),
        "front": script(unit_lines="PropagatesReloadTo=back.service", service="ExecReload=" + note("front")),
        "back": script(service="ExecReload=" + note("back"))})
    for name in ("alarm", "next", "held", "one", "front", "back"):
        a.wait_unit("systemd-" + name, state="up")
    assert a.unit("systemd-needs")["state"] != "up"
    assert "idle" in a.unit("systemd-needs")["detail"]
    before = a.unit("systemd-held")["pid"]
    a.cleat("kill", "systemd-held")
    wait_for("held again", lambda: a.unit("systemd-held")["state"] == "up" and a.unit("systemd-held")["pid"] not in (None, before))
    a.cleat("start", "systemd-other")
    a.wait_unit("systemd-one", state="down")
    a.cleat("reload", "systemd-front")
    wait_for("both have reloaded", lambda: sorted(lines_of(a, "order")) == ["back", "front"])


def test_systemctl_cat_has_the_drop_ins_as_systemd_shows_them(boot, box):
    parts = {"container.d/10-all.conf": "# of all\n[Container]\nEnvironment=A=1\n", "container.d/15-later.conf": "# [Container]\n# Environment=B=1\n",
             "web.container.d/20-own.conf": "[Service]\nRestart=on-failure",
             "web.container.d/30-off.txt": "no drop-in\n"}

    def write_parts(appliance):
        for name, text in parts.items():
            path = os.path.join(appliance.config, "units", name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)

    a = boot_box(boot, box, {"web": script().rstrip("\n")}, before=write_parts)
    a.wait_unit("systemd-web", state="up")
    with open(os.path.join(a.config, "units", "web.container"), encoding="utf-8") as f:
        unit_text = f.read()
    assert not unit_text.endswith("\n")
    folder = "/config/units/"
    expected = "# %sweb.container\n%s\n\n# %s%s\n%s\n# %s%s\n%s\n# %s%s\n%s\n" % (
        folder, unit_text, folder, "container.d/10-all.conf", parts["container.d/10-all.conf"],
        folder, "container.d/15-later.conf", parts["container.d/15-later.conf"], folder, "web.container.d/20-own.conf", parts["web.container.d/20-own.conf"])
    assert a.inside("/usr/bin/systemctl", "cat", "web") == expected


def test_our_command_line_under_other_names(boot, box):
    """What people write around their containers, in the lines themselves and typed."""
    service = "\n".join([
        "ExecStartPre=-/usr/bin/podman rm -f web",
        "ExecStartPre=-/usr/bin/podman stop web",
        "ExecStartPre=-/usr/bin/docker kill web",
        "ExecStartPre=-/usr/bin/podman network create mine",
        "ExecStartPre=/usr/bin/podman image exists localhost/box:latest",
        "ExecStartPre=/usr/bin/podman volume create --ignore kept",
        "ExecStartPre=/bin/sh -c '! systemctl is-active --quiet nothing'",
        "ExecStartPost=/usr/bin/systemctl start other",
        "ExecStartPost=/usr/bin/podman exec web /bin/sh -c 'echo ran >/tmp/x'",
        "ExecStartPost=/usr/bin/systemctl daemon-reload",
        "ExecStop=/usr/bin/podman stop -t 10 web",
        "ExecStopPost=/usr/bin/podman rm -f web"])
    a = boot_box(boot, box, {
        "web": script(container="ContainerName=web\nLabel=tier=back\n", service=service),
        "other": script(unit_lines="After=web.service", install=False),
        "broken": script("exit 3")})
    a.wait_unit("web", state="up")
    a.wait_unit("systemd-other", state="up")
    a.wait_unit("systemd-broken", state="failed")

    def run(*words):
        done = a.inside("/usr/bin/" + words[0], *words[1:], check=False)
        return done.returncode, done.stdout.strip()
    assert run("systemctl", "is-active", "web", "nothing") == (0, "active\ninactive")
    assert run("systemctl", "is-active", "broken.service") == (3, "failed")
    assert run("systemctl", "is-failed", "broken") == (0, "failed")
    assert run("systemctl", "is-active", "nothing")[0] == 4
    assert run("systemctl", "status", "web")[0] == 0
    assert run("systemctl", "status", "broken")[0] == 3
    assert run("systemctl", "status", "nothing")[0] == 4
    assert run("systemctl", "stop", "nothing")[0] == 5
    assert run("systemctl", "show", "-p", "ActiveState", "-p", "SubState", "web") == (0, "ActiveState=active\nSubState=running")
    assert run("systemctl", "show", "--value", "-p", "MainPID", "web") == (0, str(a.unit("web")["pid"]))
    assert "web.service" in run("systemctl", "list-units")[1]
    assert run("systemctl", "frobnicate")[0] == 1
    assert run("podman", "inspect", "-f", "{{.State.Status}}", "web") == (0, "running")
    assert run("podman", "ps", "--filter", "name=^web$", "--format", "{{.Names}}") == (0, "web")
    assert run("docker", "exec", "web", "/bin/cat", "/tmp/x") == (0, "ran")
    assert run("podman", "container", "exists", "web")[0] == 0
    assert run("podman", "container", "exists", "nothing")[0] == 1
    assert run("podman", "rm", "-f", "nothing")[0] == 0
    code, said = run("podman", "run", "--rm", "alpine")
    assert code == 125 and ".container" in said
    code, said = run("podman", "network", "create", "mine")
    assert code == 125 and "mine.network" in said
    # filters and templates
    digest, image_id = a.unit("web")["image_digest"], run("podman", "images", "-q", "--no-trunc", "localhost/box")[1]
    assert image_id.startswith("sha256:") and image_id != digest
    for image, names in (("localhost/box", "web"), ("localhost/box:latest", "web"), (digest, "web"), (digest[7:19], "web"), ("localhost/box@" + digest, "web"),
                         (image_id, "web"), (image_id[7:], "web"), (image_id[7:19], "web"), (run("docker", "images", "-q")[1], "web"),
                         ("localhost/bo", ""), ("box", ""), ("0123456789ab", ""), (digest[:-1], "web"), (digest[:-1] + "x", "")):
        assert run("podman", "ps", "--filter", "ancestor=" + image, "--filter", "name=web", "--format", "{{.Names}}") == (0, names), image
    assert run("podman", "ps", "--filter", "status=exited", "--format", "{{.Names}}\\t{{.State}}") == (0, "systemd-broken\texited")
    assert run("podman", "ps", "--filter", "label=tier", "--format", "{{.Names}}") == (0, "web")
    assert run("podman", "ps", "--filter", "label=tier=back", "--format", "{{.Names}}") == (0, "web")
    assert run("podman", "ps", "-a", "--filter", "label=tier=front", "--format", "{{.Names}}") == (0, "")
    assert run("podman", "ps", "-a", "--filter", "name=web", "--filter", "name=broken", "--format", "table {{.Names}}\\t{{.State}}") == \
        (0, "NAMES\tSTATE\nsystemd-broken\texited\nweb\trunning")
    assert [r["State"] for r in json.loads(run("podman", "ps", "--filter", "name=web", "--format", "json")[1])] == ["running"]
    assert run("podman", "ps", "--format", "{{.NoSuch}}")[0] == 125
    assert run("systemctl", "show", "--value", "-p", "Type", "web") == (0, "notify")
    assert run("systemctl", "list-units", "--no-legend", "--state=failed,running")[1].count("\n") == 2
    assert "web.service" in run("systemctl", "-t", "service", "--state", "running", "list-units")[1]
    assert run("systemctl", "kill", "-sCONT", "--", "web") == (0, "web")
    # a unit with errors is named, and keeps nobody from what comes after "daemon-reload &&"
    a.add_unit("wrong", "[Container]\nNope=1\n")
    code, said = run("systemctl", "daemon-reload")
    assert code == 0 and "/config/units/wrong.container:2" in said, said
    # an array, of one container too
    assert [r["Name"] for r in json.loads(run("podman", "inspect", "web")[1])] == ["/web"]
    assert [r["State"]["Status"] for r in json.loads(run("docker", "inspect", "web", "systemd-other", "--format", "json")[1])] == ["running", "running"]
    # images and pods where podman has them
    assert '"RepoTags"' in run("podman", "inspect", "localhost/box:latest")[1]
    both = json.loads(run("podman", "inspect", "localhost/box:latest", "web")[1])
    assert [thing.get("Name") or thing["RepoTags"] for thing in both] == [["localhost/box:latest"], "/web"]
    assert [thing["RepoTags"] for thing in json.loads(run("docker", "image", "inspect", "localhost/box:latest")[1])] == [["localhost/box:latest"]]
    assert run("docker", "image", "inspect", "-f", "{{.Os}}", "localhost/box:latest") == (0, "linux")
    assert run("podman", "inspect", "--type", "image", "--format", "{{index .RepoTags 0}}", "localhost/box") == (0, "localhost/box:latest")
    assert run("podman", "inspect", "--type=image", "web")[0] == 125
    assert run("podman", "container", "inspect", "localhost/box")[0] == 125
    assert run("podman", "container", "inspect", "-f", "{{.Name}}", "web") == (0, "/web")
    # one that is there already is an error to podman, not to docker
    assert run("docker", "volume", "create", "--driver=local", "kept") == (0, "kept")
    assert run("podman", "volume", "create", "kept")[0] == 125
    assert run("docker", "inspect", "nothing")[0] == 1
    code, said = run("podman", "inspect", "localhost/none:latest")
    assert code == 125 and 'no container' in said
    assert run("podman", "pod", "ps") [0] == 0
    # what is not there names what is, and never a command that does something else
    for words, advice in ((("top", "web"), "cleat exec"), (("container", "stats"), "/status"), (("container", "cp", "a", "b"), "Volume="),
                          (("network", "prune"), ".network"), (("rename", "a", "b"), "ContainerName=")):
        code, said = run("podman", *words)
        assert code == 125 and advice in said, said
        code, said = run("cleat", *words)
        assert code == 2 and advice in said and "did you mean" not in said, said
    assert '"systemctl cat"' in run("cleat", "cat", "web")[1]
    # the limit that is asked for counts
    code, said = run("podman", "stop", "-t", "soon", "web")
    assert code == 125 and "soon" in said
    assert run("podman", "restart", "-t5", "web") == (0, "web")
    assert run("journalctl", "-u", "web", "-n", "5", "--no-pager")[0] == 0
    assert run("journalctl", "-u", "web", "-u", "broken.service", "--since", "1 week ago")[0] == 0
    assert run("systemctl", "restart", "web") == (0, "web")
    assert run("podman", "rm", "-f", "web")[0] == 0
    a.wait_unit("web", state="down")
