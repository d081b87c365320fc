# SPDX-License-Identifier: Apache-2.0
"""The console: the status screen and logins on a real LXC terminal, a terminal that nobody reads, and what [System] of appliance.ini sets."""
import fcntl
import os
import pty
import re
import shutil
import signal
import subprocess
import termios

import pytest

from appliance import CLEAT, IDLE, unit, wait_for
from lxc import LXC_CONFIG, Lxc
from terminal import Terminal

needs_lxc = pytest.mark.skipif(not os.path.isdir(LXC_CONFIG) or not shutil.which("lxc-start"), reason="lxc is not installed")

BOX = "localhost/box:latest"
WEB = unit(BOX, "Exec=/bin/sh -c \"%s\"\nHealthCmd=true\nHealthInterval=1h\n" % IDLE)
# What a program says goes to the screen when it fails; this one would clear it, rename the window and ring.
EVIL = unit(BOX, "Exec=/bin/sh -c \"echo before; printf '\\\\033[2J\\\\033]0;owned\\\\007\\\\302\\\\2331mevil'; exit 7\"\n", service="Restart=no")
PASSWORD = "correct horse"


def make_lxc(box_image, *extra):
    c = Lxc(units={"web": WEB, "evil": EVIL}, extra=extra)
    try:
        c.create()
        c.add_image("box", box_image)
        c.start()
        c.wait_unit("systemd-web", health="healthy")
        c.wait_unit("systemd-evil", state="failed")
    except BaseException:
        c.close()
        raise
    return c


@pytest.fixture(scope="module", name="machine")
def fixture_machine(box_image):
    c = make_lxc(box_image)
    yield c
    c.close()


def look(screen):
    """Whoever comes to a screen that rests presses a key to see it. What is pressed before lxc-console listens is lost."""
    greeting = b"to enter Ctrl+a itself"
    wait_for("it is connected", lambda: screen.read(0.1) or greeting in screen.bytes)

    def is_drawn():
        screen.type(" ")
        screen.read(0.2)
        return len(screen.bytes.split(greeting, 1)[1]) > 40

    wait_for("something is drawn", is_drawn)


@pytest.fixture(name="attach")
def fixture_attach():
    """attach(container, number) is somebody at lxc-console; program(words) somebody else at a terminal of his own."""
    made = []

    def attach(c, number=1, words=None, **keywords):
        made.append(Terminal(c.command(*(words or ["lxc-console", "-P", c.path, "-n", c.name, "-t", str(number)])), **keywords))
        if not words:
            look(made[-1])
        return made[-1]

    yield attach
    for terminal in made:
        terminal.close()


def configure(c, text):
    with open(os.path.join(c.config, "appliance.ini"), "w", encoding="utf-8") as f:
        f.write(text)
    c.cleat("reload")


def hash_of(password):
    done = subprocess.run([CLEAT, "password"], input=password + "\n", stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def one_screen(machine):
    """Its pid in a list; None while there is none, or the one of the engine before has not left yet."""
    found = machine.processes("cleat-console")
    return found if len(found) == 1 else None


def sleeps_without_end(pid):
    """In poll(), with no time to wake at."""
    with open("/proc/%d/syscall" % pid, encoding="ascii") as f:
        words = f.read().split()
    return len(words) > 3 and int(words[3], 16) & 0xffffffff == 0xffffffff


# --- the screen ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("try_", range(20))
def test_whoever_gives_up_at_a_password_sees_again_what_is_typed(try_):
    """Also who does so before the program waits for him: some of the tries are as quick as that."""
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # whatever runs the tests in the background has it ignored
        os.execv(CLEAT, ["cleat", "password"])
    try:
        said = b""
        while b"Password: " not in said:
            said += os.read(terminal, 100)
        assert not termios.tcgetattr(terminal)[3] & termios.ECHO
        os.write(terminal, b"hal\x03")
        ended = wait_for("it ends", lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG))
        assert (ended.si_code, ended.si_status) == (os.CLD_KILLED, signal.SIGINT)
        assert termios.tcgetattr(terminal)[3] & termios.ECHO
    finally:
        os.close(terminal)


@needs_lxc
def test_the_screen_shows_units_and_what_becomes_of_them(machine, attach):
    screen = attach(machine)
    screen.wait(r"^systemd-web +up +healthy")
    screen.wait(r"^2 containers: 1 up, 1 failed")
    text = screen.text()
    assert re.search(r"^Cleat \S+ on %s, since " % machine.name, text, re.M), text
    assert "http://10.77.0.3:25328/status" in text, text
    machine.cleat("kill", "-s", "KILL", "systemd-web")
    screen.wait(r"^systemd-web +(failed|backoff)")
    machine.cleat("start", "systemd-web")
    screen.wait(r"^systemd-web +up +healthy")


@needs_lxc
def test_what_a_program_says_is_harmless(machine, attach):
    screen = attach(machine)
    screen.wait(r"^  exited with code 7$")
    screen.wait(r"^  \| \?\[2J\?\]0;owned\?\?+1mevil$")
    assert screen.picture.unknown == []
    assert b"owned\x07" not in screen.bytes and b"\xc2\x9b" not in screen.bytes


@needs_lxc
def test_the_screen_sleeps_without_end_and_has_no_rights(machine):
    pid = wait_for("there is one screen", lambda: one_screen(machine))
    wait_for("it sleeps", lambda: sleeps_without_end(pid[0]))
    with open("/proc/%d/status" % pid[0], encoding="ascii") as f:
        status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
    assert status["Uid"].split() == [str(machine.outside_id(65009))] * 4
    assert int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0
    assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1"
    assert os.readlink("/proc/%d/root" % pid[0]).endswith("/run/cleat/links")


def fill(path):
    """Writes to a terminal that nobody reads until it takes no more."""
    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        while True:
            os.write(fd, b"nobody reads this\r\n" * 50)
    except BlockingIOError:
        return
    finally:
        os.close(fd)


@needs_lxc
def test_a_terminal_that_nobody_reads_holds_up_nothing(machine, attach):
    """Neither the engine, nor its next life, nor whoever comes to read in the end."""
    fill("/proc/%d/root/dev/tty1" % machine.init_pid())
    for _ in range(3):
        machine.cleat("restart", "systemd-web")
    machine.cleat("reload")
    wait_for("there is one screen again", lambda: one_screen(machine))
    machine.cleat("stop", "systemd-web")
    screen = attach(machine)
    screen.wait(r"^systemd-web +down")
    machine.cleat("start", "systemd-web")
    screen.wait(r"^systemd-web +up +healthy")


@needs_lxc
def test_there_is_one_screen_after_each_of_its_ends(machine, attach):
    configure(machine, "")
    screen = attach(machine)
    for victim in ("screen", "engine"):
        before = wait_for("the screen is there", lambda: one_screen(machine))
        os.kill(before[0] if victim == "screen" else machine.engine_pid(), signal.SIGKILL)
        wait_for("another screen", lambda: machine.processes("cleat-console") not in ([], before))
        wait_for("one alone", lambda: one_screen(machine))
        wait_for("the engine is back", machine.ping)
        machine.cleat("stop", "systemd-web")
        screen.wait(r"^systemd-web +down")
        machine.cleat("start", "systemd-web")
        screen.wait(r"^systemd-web +up +healthy")


@needs_lxc
def test_the_screen_leaves_with_its_engine_also_when_its_terminal_is_full(machine):
    """Started here as the engine does it, on a terminal that takes nothing: a write that waits would keep it for ever."""
    terminal = Terminal()
    fill(terminal.name)
    published = os.open("/proc/%d/root/run/cleat/published" % machine.init_pid(), os.O_RDONLY)
    wake, engine = os.pipe()
    numbers = {fcntl.fcntl(fd, fcntl.F_DUPFD, 50): target for target, fd in ((3, published), (4, wake), (5, terminal.slave))}

    def arrange():
        for fd, target in numbers.items():
            os.dup2(fd, target)

    words = ["setpriv", "--pdeathsig", "KILL", "nsenter", "-t", str(machine.init_pid()), "-m", "-r", "-p", "-n", "/usr/bin/cleat", "console",
             "--terminal", "/proc/self/fd/5", "--status", "25328"]
    process = subprocess.Popen(words, preexec_fn=arrange, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    try:
        for fd in (published, wake, *numbers):
            os.close(fd)
        wait_for("it waits", lambda: process.poll() is not None or waits_as_screen(process.pid))
        os.close(engine)
        assert process.wait(60) == 0, process.stderr.read()
    finally:
        process.kill()
        process.wait(60)
        process.stderr.close()
        terminal.close()


def waits_as_screen(parent):
    """nsenter's child has become the screen, and rests."""
    with open("/proc/%d/task/%d/children" % (parent, parent), encoding="ascii") as f:
        for pid in map(int, f.read().split()):
            with open("/proc/%d/comm" % pid, encoding="ascii") as comm:
                if comm.read().strip() == "cleat-console":
                    return sleeps_without_end(pid)
    return False


# --- logins ----------------------------------------------------------------------------------------------------------------


@needs_lxc
def test_the_right_password_opens_a_shell_and_the_wrong_one_none(machine, attach):
    word = hash_of(PASSWORD)
    configure(machine, "[System]\nRootPassword=%s\n" % word)
    screen = attach(machine)
    screen.wait(r"^Enter: log in$")
    screen.type("xyz")  # means nothing
    screen.type("\r")
    screen.wait(r"Password of root: $|Password of root:$")
    assert machine.processes("cleat-console") == []
    screen.type("correct hors\r")
    screen.wait(r"^That is not it\.$")
    screen.wait(r"(?s)That is not it\..*Password of root:")
    screen.type(PASSWORD + "\r")
    screen.wait(r"^Cleat \S+ on \S+: 1 of 2 containers are up; systemd-evil: failed$")
    screen.wait(r"^root@\S+:~# *$")
    screen.type("echo $((6*7)) $(tty) $TERM\r")
    screen.wait(r"^42 /dev/tty1 ")
    screen.type("cat\r")
    wait_for("a program runs", lambda: machine.processes("cat"))
    screen.type("\x03")
    screen.wait(r"(?s)\^C.*root@\S+:~# *$")
    screen.type("echo inter$((1))rupted\r")
    screen.wait(r"^inter1rupted$")
    assert PASSWORD not in screen.bytes.decode(errors="replace")
    # another life of the engine leaves the shell its terminal
    machine.cleat("reload")
    screen.type("echo st$((1))ll\r")
    screen.wait(r"^st1ll$")
    assert machine.processes("cleat-console") == []
    screen.type("exit\r")
    screen.wait(r"^Enter: log in$")
    wait_for("nobody is logged in", lambda: machine.processes("cleat-login") == [])  # PID 1 reaps it
    # nobody is told the hash
    told = machine.cleat("status") + machine.cleat("inspect", "systemd-web") + machine.http("/status")[1]
    told += machine.shell("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; true") + machine.console()
    assert word.split("$")[3] not in told


@needs_lxc
def test_three_wrong_passwords_go_back_to_the_screen(machine, attach):
    configure(machine, "[System]\nRootPassword=%s\n" % hash_of(PASSWORD))
    screen = attach(machine)
    screen.wait(r"^Enter: log in$")
    screen.type("\r")
    for n in range(1, 4):
        screen.wait(r"(?s)(Password of root:.*){%d}" % n)
        screen.type("no\r")
        if n < 3:
            screen.wait(r"(?s)(That is not it.*){%d}" % n)
    screen.wait(r"^Enter: log in$")
    wait_for("nobody is at a login", lambda: machine.processes("cleat-login") == [])  # PID 1 reaps it


@needs_lxc
def test_without_a_password_nobody_is_asked(machine, attach):
    configure(machine, "[System]\nRootPassword=off\n")
    screen = attach(machine)
    screen.wait(r"^systemd-web +up +healthy")
    before = wait_for("there is one screen", lambda: one_screen(machine))
    screen.type("\r")
    screen.wait(r"^systemd-web +up +healthy")
    assert "log in" not in screen.text()
    assert machine.processes("cleat-console") == before and machine.processes("cleat-login") == []


@needs_lxc
def test_the_password_that_was_given_at_creation(machine, attach):
    """As Proxmox writes it: into the password field of /etc/passwd, when there is no /etc/shadow."""
    word = hash_of("of the host")
    machine.shell("sed -i 's|^root:[^:]*:|root:%s:|' /etc/passwd" % word)
    configure(machine, "")
    screen = attach(machine)
    screen.wait(r"^Enter: log in$")
    screen.type("\r")
    screen.wait(r"Password of root:")
    screen.type("of the host\r")
    screen.wait(r"^root@\S+:~# *$")
    screen.type("exit\r")
    machine.shell("sed -i 's|^root:[^:]*:|root:*:|' /etc/passwd")
    configure(machine, "")
    screen.wait(r"^systemd-web +up +healthy")


@needs_lxc
def test_a_shell_instead_of_the_screen(machine, attach):
    configure(machine, "[System]\nConsole=shell\n")
    screen = attach(machine)
    screen.wait(r"^root@\S+:~# *$")
    screen.type("echo $((6*7))\r")
    screen.wait(r"^42$")
    first = machine.processes("cleat-login")
    assert len(first) == 1 and machine.processes("cleat-console") == []
    screen.type("exit\r")
    wait_for("another shell", lambda: machine.processes("cleat-login") not in ([], first))
    screen.wait(r"(?s)exit.*root@\S+:~# *$")
    screen.type("echo again $((6*8))\r")
    screen.wait(r"^again 48$")
    configure(machine, "[System]\nConsole=status\n")
    screen.type("exit\r")
    screen.wait(r"^systemd-web +up +healthy")


@needs_lxc
@pytest.mark.parametrize("word", ["log", "off"])
def test_no_screen_where_none_is_wanted(machine, word):
    configure(machine, "")
    wait_for("the screen is there", lambda: machine.processes("cleat-console"))
    configure(machine, "[System]\nConsole=%s\n" % word)
    wait_for("the screen has gone", lambda: not machine.processes("cleat-console"))
    lines = len(machine.console().splitlines())
    machine.cleat("restart", "systemd-web")
    assert machine.processes("cleat-console") == []
    def grown():
        return [line for line in machine.console().splitlines()[lines:] if "systemd-web" in line]

    if word == "log":
        wait_for("the console tells it", grown)
    assert word == "log" or not grown()
    configure(machine, "")
    wait_for("the screen is back", lambda: machine.processes("cleat-console"))


@needs_lxc
def test_a_shell_of_the_host_is_greeted_also_without_an_engine(machine, attach):
    """As "pct enter" starts it: lxc-attach without words."""
    engine = machine.engine_pid()
    os.kill(engine, signal.SIGSTOP)
    try:
        shell = attach(machine, words=["lxc-attach", "-P", machine.path, "-n", machine.name, "--clear-env"])
        shell.wait(r"^Cleat \S+ on %s: 1 of 2 containers are up; systemd-evil: failed\nUnits are in /config/units, .*\nNext: cleat ps, " % machine.name)
        shell.type("type cleat; echo $((6*7))\r")
        shell.wait(r"^cleat is /usr/bin/cleat$")
        shell.wait(r"^42$")
        shell.type("exit\r")
        assert shell.process.wait(60) == 0
    finally:
        os.kill(engine, signal.SIGCONT)
    assert "Cleat" not in machine.lxc("attach", "--clear-env", "--", "/usr/bin/cleat-shell", "-c", "echo quiet")


# An engine that ends at once unless it is to be careful. Everything else that is called cleat works.
FRAGILE = """#!/bin/sh
if [ "$1" = engine ] && [ -z "$CLEAT_SAFE_MODE" ]; then
	exit 3
fi
exec /usr/bin/cleat.good "$@"
"""


@needs_lxc
def test_safe_mode_says_so_and_keeps_the_login_and_the_address(machine, attach):
    """What it must not read (appliance.ini) it knows of the engine before it."""
    engine = machine.engine_pid()
    configure(machine, "[System]\nRootPassword=%s\n[Status]\nAddress=127.0.0.1:8099\n" % hash_of(PASSWORD))
    assert " the status at 127.0.0.1:8099.\n" in machine.shell("cleat greeting")
    program = os.path.join(machine.rootfs, "usr/bin/cleat")
    os.rename(program, program + ".good")
    try:
        with open(program, "w", encoding="ascii") as f:
            f.write(FRAGILE)
        os.chmod(program, 0o755)
        screen = attach(machine)
        os.kill(engine, signal.SIGKILL)
        screen.wait(r"^Cleat \S+ on \S+, since .*, safe mode\nto leave safe mode: cleat reload, cleat upgrade, or a reboot$")
        screen.wait(r"^status  http://127\.0\.0\.1:8099/status$")
        screen.wait(r"^Enter: log in$")
        assert machine.shell("wget -qO- http://127.0.0.1:8099/livez").startswith("ok")
        assert ': safe mode ("cleat reload" leaves it); known last: ' in machine.shell("cleat.good greeting")
        assert machine.shell("ls -l /run/cleat/settings").startswith("-rw------- ")
        screen.type("\r")
        screen.wait(r"Password of root: $|Password of root:$")
        screen.type(PASSWORD + "\r")
        screen.wait(r"^root@\S+:~# *$")
        screen.type("exit\r")
        screen.wait(r"^Enter: log in$")
    finally:
        os.rename(program + ".good", program)
    configure(machine, "")
    screen.wait(r"^Cleat \S+ on \S+, since [^,]*$")
    machine.wait_unit("systemd-web", health="healthy")


# --- other terminals -------------------------------------------------------------------------------------------------------


@needs_lxc
def test_on_the_console_of_the_boot_its_lines_go_on_below(box_image, attach):
    c = make_lxc(box_image, "lxc.tty.max = 0")
    try:
        screen = attach(c, 0)
        screen.wait(r"^systemd-web +up +healthy")
        screen.wait(r"^-{20,}$")
        c.cleat("stop", "systemd-web")
        screen.wait(r"^systemd-web +down")
        screen.wait(r"^\[ *\d+\.\d+\] systemd-web  .* → down")
        assert screen.picture.unknown == []
        # who logs in and leaves again hangs up nobody: PID 1 and the engine write to the same terminal
        configure(c, "[System]\nRootPassword=%s\n" % hash_of(PASSWORD))
        screen.wait(r"^Enter: log in$")
        screen.type("\r")
        screen.wait(r"Password of root:")
        screen.type(PASSWORD + "\r")
        screen.wait(r"^root@\S+:~# *$")
        screen.type("exit\r")
        screen.wait(r"^Enter: log in$")
        c.cleat("start", "systemd-web")
        screen.wait(r"^systemd-web +up +healthy")
        screen.wait(r"^\[ *\d+\.\d+\] systemd-web  .* → healthy")
        # a log of the console has the lines whole; what the screen draws may end where one of them begins
        assert re.search(r"^\[ +\d+\.\d{3}\] cleat-init ", c.console(), re.M)
        assert re.search(r"(^|\x1b\[[?0-9;]*[A-Za-z])\[ +\d+\.\d{3}\] systemd-web  [^\x1b\n]* → down", c.console(), re.M)
    finally:
        c.close()


@needs_lxc
def test_without_a_terminal_there_is_no_process(box_image):
    c = make_lxc(box_image, "lxc.tty.max = 0", "lxc.console.path = none")
    try:
        c.cleat("restart", "systemd-web")
        assert c.processes("cleat-console") == [] and c.processes("cleat-login") == []
    finally:
        c.close()


# --- words -----------------------------------------------------------------------------------------------------------------


def test_hashes_are_made_of_passwords_that_nobody_sees(tmp_path):
    def make(text, *words):
        return subprocess.run([CLEAT, "password", *words], input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)

    first, second = make("correct horse\n"), make("correct horse\n")
    assert first.returncode == 0 and re.fullmatch(r"\$6\$[./\w]{16}\$[./\w]{86}\n", first.stdout) and first.stdout != second.stdout
    (tmp_path / "units").mkdir()
    (tmp_path / "appliance.ini").write_text("[System]\nRootPassword=" + first.stdout)
    checked = subprocess.run([CLEAT, "check", "--config", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert "RootPassword" not in checked.stdout, checked.stdout
    for text, words, expected in (("short\n", (), "at least 8 bytes"), ("", (), "no line"), ("x" * 200 + "\n", (), "longer than"),
                                  ("", ("correct horse",), "asked for")):
        done = make(text, *words)
        assert done.returncode and done.stdout == "" and expected in done.stderr, (text, done)
    terminal = Terminal([CLEAT, "password"])
    try:
        for prompt, answer in (("Password", "correct horse"), ("The same again", "correct house")):
            terminal.wait(prompt + r": *$")
            terminal.type(answer + "\r")
        terminal.wait(r"these are two passwords")
        assert b"horse" not in terminal.bytes and b"house" not in terminal.bytes
    finally:
        terminal.close()


# --- name and zone ---------------------------------------------------------------------------------------------------------


def test_name_and_zone_are_set_and_reach_containers(boot, box_image):
    """In namespaces, where there is no screen: the lines stay."""
    local = unit(BOX, "Exec=/bin/sh -c \"date -d @1764000000 '+%%%%H:%%%%M %%%%Z'; hostname; %s\"\nTimezone=local\nEnvironment=FROM=%%H\nHostName=%%H-inner\n" % IDLE)
    a = boot(units={"local": local}, images=(), start=False)
    a.add_image("box", box_image)
    ini = os.path.join(a.config, "appliance.ini")
    with open(ini, "w", encoding="utf-8") as f:
        f.write("[System]\nHostname=web-7.example\nTimeZone=Europe/Berlin\n")
    a.start()
    a.wait_unit("systemd-local", state="up")
    assert a.inside("/bin/hostname").strip() == "web-7.example"
    assert a.inside("/bin/cat", "/etc/hostname") == "web-7.example\n"
    assert a.inside("/bin/date", "-d", "@1764000000", "+%H:%M %Z").strip() == "17:00 CET"
    assert a.status()["hostname"] == "web-7.example"
    wait_for("the container has said it", lambda: "web-7.example-inner" in a.cleat("logs", "systemd-local"))
    assert "17:00 CET" in a.cleat("logs", "systemd-local")
    assert a.processes("cleat-console") == []
    with open(ini, "w", encoding="utf-8") as f:
        f.write("[System]\nHostname=we_b\nTimeZone=Berlin\nRootPassword=hunter22\n")
    a.cleat("reload")
    notes = [note["text"] for note in a.status()["notes"]]
    assert any("System.Hostname: 'we_b'" in note for note in notes), notes
    assert any("did you mean Europe/Berlin?" in note for note in notes), notes
    assert any("System.RootPassword" in note for note in notes) and "hunter22" not in str(a.status()) + a.console()
    assert a.inside("/bin/date", "-d", "@1764000000", "+%H:%M %Z").strip() == "16:00 UTC"
    # what was set stays set until the next boot: the host has not said another name
    assert a.inside("/bin/hostname").strip() == "web-7.example"
