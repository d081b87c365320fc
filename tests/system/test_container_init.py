# SPDX-License-Identifier: Apache-2.0
"""RunInit=: a small process 1 in front of a container's program, which hands on signals and waits for orphans."""
import os
import signal
import subprocess

import pytest

from appliance import BUILD, unit, wait_for
from ociimage import busybox_of, write_box

INIT = os.path.join(BUILD, "bin/cleat-container-init")


def run(*words, **keywords):
    return subprocess.run([INIT, *words], capture_output=True, text=True, timeout=60, **keywords)


def test_it_ends_as_its_program_does():
    assert run("--", "sh", "-c", "exit 3").returncode == 3
    assert run("sh", "-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM
    done = run("--", "no-such-program")
    assert done.returncode == 127 and "no-such-program: No such file or directory" in done.stderr
    assert run("--", "/etc/passwd").returncode == 126
    assert run("--").returncode == 126
    assert run("--", "sh", "-c", "echo $0 $1", "--", "-x").stdout == "-- -x\n"


def test_each_signal_reaches_the_program_and_its_mask_is_as_before(tmp_path):
    """What comes to process 1 is the program's: those that end programs, and those of real time."""
    words = ["HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "WINCH", "PIPE"]
    said = tmp_path / "said"
    text = "".join("trap 'echo %s >>%s' %s; " % (w, said, w) for w in words)
    text += "grep SigBlk /proc/self/status >>%s; while kill -0 $PPID; do sleep 0.05; done" % said

    def last():
        return said.read_text().split()[-1:] if said.exists() else []

    def as_at_login():  # a shell cannot trap what was ignored when it began, as nohup does with HUP
        for word in words:
            signal.signal(getattr(signal, "SIG" + word), signal.SIG_DFL)
    with subprocess.Popen([INIT, "--", "bash", "-c", text], stdin=subprocess.DEVNULL, preexec_fn=as_at_login) as child:
        try:
            wait_for("the mask", lambda: last() == ["0000000000000000"])
            for word in words:
                os.kill(child.pid, getattr(signal, "SIG" + word))
                wait_for(word, lambda w=word: last() == [w])
            os.kill(child.pid, signal.SIGRTMIN + 3)
            assert child.wait(60) == 128 + signal.SIGRTMIN + 3
        finally:
            child.kill()


def script(text, container="", service="", **keywords):
    return unit("localhost/box:latest", 'Exec=/bin/sh -c "%s"\n' % text + container, service, **keywords)


@pytest.fixture
def start(boot, tmp_path):
    box = str(tmp_path / "box.tar")
    write_box(box, busybox_of(BUILD))

    def started(units):
        appliance = boot(units, images=(), start=False)
        appliance.add_image("box", box)
        return appliance.start()

    return started


def test_it_is_process_one_and_a_program_without_handlers_can_be_stopped(start):
    a = start({
        "asked": unit("localhost/box:latest", "RunInit=true\nUser=1000\nReadOnly=true\nStopTimeout=600\nExec=/bin/sleep 100000\n"),
        "option": unit("localhost/box:latest", "PodmanArgs=--init\nExec=/bin/sleep 100000\n"),
        "plain": unit("localhost/box:latest", "Exec=/bin/sleep 100000\n"),
    })
    for name in ("asked", "option", "plain"):
        a.wait_unit("systemd-" + name, state="up")
    assert a.cleat("exec", "systemd-asked", "cat", "/proc/1/cmdline") == "/run/podman-init\0--\0/bin/sleep\000100000\0"
    assert a.cleat("exec", "systemd-option", "cat", "/proc/1/comm") == "podman-init\n"
    assert a.cleat("exec", "systemd-plain", "cat", "/proc/1/comm") == "sleep\n"
    # as the container's user, who cannot write what it is
    assert a.cleat("exec", "systemd-asked", "sh", "-c", "stat -c %u /proc/1; test -w /run/podman-init || echo no") == "1000\nno\n"
    # process 1 ignores what it has no handler for: this would take the ten minutes and a SIGKILL
    a.cleat("stop", "systemd-asked")
    assert a.unit("systemd-asked")["exit"]["code"] == 128 + signal.SIGTERM
    assert a.unit("systemd-asked")["state"] == "down"


def test_orphans_are_waited_for(start):
    a = start({"web": script("for i in 1 2 3 4 5; do (true &); done; while :; do sleep 1; done", "RunInit=yes\n")})
    a.wait_unit("systemd-web", state="up")
    for _ in range(5):
        a.cleat("exec", "systemd-web", "sh", "-c", "(true &); (true &)")

    def states():
        return a.cleat("exec", "systemd-web", "sh", "-c", "cat /proc/[0-9]*/status 2>/dev/null | grep State")
    assert "S (sleeping)" in states()
    wait_for("nobody is left that has ended", lambda: "Z (zombie)" not in states())


def test_codes_and_words_are_the_programs(start):
    a = start({
        "seven": script("exit 7", "RunInit=true\n"),
        "none": unit("localhost/box:latest", "RunInit=true\nExec=/bin/none\n"),
        "taken": script("exit 0", "RunInit=true\nTmpfs=/run/podman-init\n"),
    })
    for name, code in (("systemd-seven", 7), ("systemd-none", 127)):
        a.wait_unit(name, state="failed")
        assert a.unit(name)["exit"]["code"] == code
    wait_for("its reason", lambda: "/bin/none: No such file or directory" in a.cleat("logs", "systemd-none"))
    wait_for("a reason", lambda: "belongs to RunInit=" in str(a.unit("systemd-taken")))
