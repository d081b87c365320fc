# SPDX-License-Identifier: Apache-2.0
"""Steps of the boot that hang, fail, or stay, in a real LXC container: the root file system can be changed before it starts."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading

import pytest

from appliance import IDLE, unit, wait_for
from lxc import GATEWAY, LXC_CONFIG

pytestmark = pytest.mark.skipif(not os.path.isdir(LXC_CONFIG) or not shutil.which("lxc-start"), reason="lxc is not installed")

BOX = "localhost/box:latest"
POLITE = 'Exec=/bin/sh -c "%s"\n' % IDLE
OTHER_SERVER = "10.77.0.9"


@pytest.fixture
def with_step(boot_lxc, box_image):
    """A container whose "cleat boot identity" is a shell text instead."""

    def make(text):
        c = boot_lxc({"svc": unit(BOX, POLITE)}, start=False)
        c.add_image("box", box_image)
        program = os.path.join(c.rootfs, "usr/bin/cleat")
        os.rename(program, program + ".good")
        with open(program, "w") as f:
            f.write('#!/bin/sh\nif [ "$1 $2" = "boot identity" ]; then\n%s\nfi\nexec /usr/bin/cleat.good "$@"\n' % text)
        os.chmod(program, 0o755)
        os.chown(program, c.first, c.first)
        return c

    return make


def test_a_step_that_fails_is_said_and_the_boot_goes_on(with_step):
    c = with_step("echo $CLEAT_WORLD: no identity today >&2; exit 1").start()
    c.wait_unit("systemd-svc", state="up")
    assert c.shell("cd /proc/sys/net/ipv4; cat ping_group_range ip_unprivileged_port_start").split() == ["0", "65535", "0"]
    wait_for("it is said", lambda: re.search(r"^\[ +\d+\.\d{3}\] identity \d+ ms: failed: container: no identity today\r?$", c.console(), re.M))


def test_a_step_that_hangs_is_ended_and_the_boot_goes_on(with_step):
    c = with_step("exec sleep 1000").start()
    c.wait_unit("systemd-svc", state="up")
    wait_for("it is said", lambda: re.search(r"identity \d+ ms: was ended\r?$", c.console(), re.M))
    assert "sleep 1000" not in c.shell("ps -o args")


def test_a_stop_does_not_wait_for_a_step(with_step):
    c = with_step("echo begun >&2; exec sleep 1000 >&- 2>&-").start(wait=False)
    # the step is there when PID 1 has a child
    wait_for("the step runs", lambda: c.alive() and c.init_pid() and c.processes("sleep"))
    c.lxc("stop")
    assert c.process.wait(60) == 0
    text = c.console()
    assert "was ended" in text and "all stopped" in text and "engine 0" not in text, text


def test_the_watchdog_is_fed_while_the_engine_s_loop_turns(boot_lxc):
    """Also of one with nothing to do. The device is a file here: each meal is a byte."""
    c = boot_lxc({}, start=False, extra=("lxc.environment = CLEAT_WATCHDOG_SEC=1",))
    device = os.path.join(c.base, "watchdog")
    open(device, "w").close()
    os.chmod(device, 0o666)
    with open(os.path.join(c.path, c.name, "config"), "a") as f:
        f.write("lxc.mount.entry = %s dev/watchdog none bind,create=file 0 0\n" % device)
    c.start()
    fed = lambda: os.path.getsize(device)  # noqa: E731
    wait_for("a dozen meals", lambda: c.alive() and fed() >= 12)
    wait_for("it is said", lambda: "watchdog: armed" in c.console())
    said = lambda: c.console().count("watchdog: the engine's loop has not turned for ")  # noqa: E731
    engine, before = c.engine_pid(), said()
    os.kill(engine, signal.SIGSTOP)
    wait_for("it is said", lambda: said() > before)
    hungry = fed()
    c.shell("true")
    assert fed() == hungry
    os.kill(engine, signal.SIGCONT)
    wait_for("it is fed again", lambda: fed() > hungry)
    # an engine that crashes and is back is no reason for a reset
    c.shell("kill -9 $(pgrep -xf 'cleat engine')")
    wait_for("the next engine feeds it", lambda: c.ping() and fed() > hungry + 6)


# --- time ------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def time_servers(holder_pid, addresses):
    """Who is asked for the time: a set that grows, of those addresses in that network namespace."""
    code = ("import ctypes,os,select,socket,sys\n"
            "assert ctypes.CDLL(None).setns(os.open('/proc/%d/ns/net',os.O_RDONLY),0x40000000)==0\n"
            "s={socket.socket(socket.AF_INET,socket.SOCK_DGRAM):a for a in %r}\n"
            "[k.bind((a,123)) for k,a in s.items()]\n"
            "print('ready',flush=True)\n"
            "while True:\n"
            "  for k in select.select(list(s)+[sys.stdin],[],[])[0]:\n"
            "    if k is sys.stdin: sys.exit()\n"
            "    d=k.recv(100); print(s[k],len(d),d[0]&7,flush=True)\n" % (holder_pid, list(addresses)))
    asked = []
    process = subprocess.Popen(["/usr/bin/python3", "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        reader = threading.Thread(target=lambda: asked.extend(iter(process.stdout.readline, "")), daemon=True)
        # extend() of a generator adds as it reads
        reader.start()
        yield asked
    finally:
        process.stdin.close()
        process.wait(60)
        reader.join(20)
        process.stdout.close()


def ntpd_of(c):
    """0: there is none. One may be about to go when the next one comes: then until it has gone."""
    return int(wait_for("one ntpd at most", lambda: (lambda pids: pids if len(pids) == 1 else None)(c.shell("pgrep -x ntpd || echo 0").split()))[0])


def test_time_servers_are_asked_by_a_user_who_may_only_set_the_clock(boot_lxc):
    """The step of a machine, tried where it cannot set this one's clock: its capability is one of a user namespace."""
    c = boot_lxc({}, start=False)
    ini = os.path.join(c.config, "appliance.ini")
    with open(ini, "w") as f:
        f.write("[System]\nNTP=%s\n" % GATEWAY)
    c.start()
    subprocess.run(c.command("ip", "address", "add", OTHER_SERVER + "/24", "dev", "br0"), check=True)
    with time_servers(c.holder.pid, (GATEWAY, OTHER_SERVER)) as asked:
        step = subprocess.Popen(c.command("lxc-attach", "-P", c.path, "-n", c.name, "--clear-env", "--", "/usr/bin/cleat", "boot", "ntp"),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            wait_for("it asks", lambda: GATEWAY + " 48 3\n" in asked)  # 48 bytes, mode 3: a client
            ntpd = ntpd_of(c)
            status = c.shell("cat /proc/%d/status" % ntpd)
            assert re.search(r"^Uid:\s+65010\s+65010\s+65010", status, re.M), status
            assert set(re.findall(r"^Cap(?:Prm|Eff|Bnd|Inh|Amb):\s+(\S+)$", status, re.M)) == {"0000000002000000"}, status
            assert re.search(r"^NoNewPrivs:\s+1$", status, re.M) and re.search(r"^Groups:\s*$", status, re.M), status

            # another server: the engine has read appliance.ini again
            asked.clear()
            with open(ini, "w") as f:
                f.write("[System]\nNTP=%s\n" % OTHER_SERVER)
            c.shell("kill -HUP 1")
            wait_for("it asks the other one", lambda: OTHER_SERVER + " 48 3\n" in asked)
            assert ntpd_of(c) != ntpd

            # nobody: not even for a moment
            with open(ini, "w") as f:
                f.write("[System]\nNTP=off\n")
            c.shell("kill -HUP 1")
            wait_for("nobody asks", lambda: not ntpd_of(c))

            # what DHCP tells
            with open(ini, "w") as f:
                f.write("")
            asked.clear()
            c.shell("mkdir -p /run/cleat/links; echo %s >/run/cleat/links/ntp.new; mv /run/cleat/links/ntp.new /run/cleat/links/ntp; kill -HUP 1" % GATEWAY)
            wait_for("it asks the one of the lease", lambda: GATEWAY + " 48 3\n" in asked)
        finally:
            c.shell("pkill -9 -xf '/usr/bin/cleat boot ntp'")
            step.wait(60)
            step.stdout.close()
        wait_for("ntpd has gone with the step", lambda: not ntpd_of(c))
