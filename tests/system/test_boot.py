# SPDX-License-Identifier: Apache-2.0
"""Boot, signals and end of the appliance in namespaces: scripts/boot, cleat-init, and what the machine may withhold."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import urllib.request

import pytest

from appliance import IDLE, ROOT, cgroup_trees, descendants, free_port, parent_of, unit, wait_for
from isolation import EXAMPLE

BOX = "localhost/box:latest"
BOOT = os.path.join(ROOT, "scripts", "boot")
# A program as PID 1 that ends when told to, and one that does not.
POLITE = 'Exec=/bin/sh -c "%s"\n' % IDLE
DEAF = "Exec=/bin/sh -c \"trap '' TERM; while :; do sleep 0.1; done\"\n"


@pytest.fixture
def boot_box(boot, box_image):
    def make(units, start=True, **keywords):
        a = boot(units, images=(), start=False, **keywords)
        a.add_image("box", box_image)
        return a.start() if start else a

    return make


@pytest.fixture
def boot_example(boot):
    def make(start=True, **keywords):
        a = boot({}, images=(), start=False, **keywords)
        shutil.copytree(EXAMPLE, a.config, dirs_exist_ok=True)
        if start:
            a.start()
            a.wait_unit("moe-orchestrator", health="healthy")
        return a

    return make


@contextlib.contextmanager
def holder(*flags, setup=":"):
    """A process in namespaces of its own (unshare FLAGS), in which a shell text has run."""
    script = setup + "\necho ready\nexec sleep infinity\n"
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", *flags, "sh", "-ec", script], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        line = process.stdout.readline()
        assert line == "ready\n", line + process.stdout.read()
        yield process.pid
    finally:
        process.kill()
        process.wait(60)
        process.stdout.close()


def free_ports(count):
    ports = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


def refused(seconds=30, wrap=(), **env):
    """What scripts/boot says when it will not boot."""
    done = subprocess.run(list(wrap) + [BOOT], env=dict(os.environ, **env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=seconds)
    assert done.returncode == 1, done.stdout
    assert "cleat-init" not in done.stdout
    return done.stdout


def own_cgroup(a):
    return "cleat-boot-%d" % a.process.pid


def assert_nothing_left(a, pids):
    assert not [pid for pid in pids if os.path.exists("/proc/%d" % pid)]
    with open("/proc/self/mounts") as f:
        assert a.dir not in f.read()
    assert not any(os.path.exists(os.path.join(tree, own_cgroup(a))) for tree in cgroup_trees())
    assert os.listdir(a.run) == ["lock"]


# --- make run -------------------------------------------------------------------------------------------------------------


def test_example_comes_up_with_its_urls_and_ctrl_c_leaves_nothing(boot):
    web, status = free_ports(2)
    a = boot({}, images=(), start=False, ports="%d:8000,%d:25328" % (web, status))
    links = set(os.listdir("/sys/class/net"))
    a.config = ""  # the default: the orchestrator example as built
    a.start()
    wait_for("the lines for people", lambda: a.alive() and "Ctrl-C stops it" in a.console())
    assert re.search(r"^\[ +\d+\.\d{3}\] moe-orchestrator  starting → healthy$", a.console(), re.M), a.console()
    urls = re.findall(r"^  (http://\S+)$", a.console(), re.M)
    assert urls == ["http://127.0.0.1:%d/" % web, "http://127.0.0.1:%d/status" % status], a.console()
    for url in urls:
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert answer.status == 200
    line = re.search(r"^  (\S*/cleat --socket \S+ ps)$", a.console(), re.M).group(1)
    done = subprocess.run(line.split(), cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    assert re.search(r"^moe-orchestrator +up +healthy", done.stdout, re.M), done.stdout

    pids = descendants(a.process.pid)
    assert len(pids) >= 7  # unshare, init, engine, status server, shim, program, proxy
    assert a.stop() == 0, a.console()
    assert_nothing_left(a, pids)
    assert set(os.listdir("/sys/class/net")) <= links
    steps = ["halt: stopping containers", "moe-orchestrator  healthy → stopping", "exited with code 0", "all stopped"]
    places = [a.console().find(step) for step in steps]
    assert -1 not in places and places == sorted(places), a.console()


def test_a_port_that_leads_nowhere_gets_words_instead_of_an_address(boot_example):
    """A status port chosen here by one number is the port of that number inside."""
    web, status = free_ports(2)
    a = boot_example(ports="%d:8000,%d" % (web, status))
    wait_for("the lines for people", lambda: a.alive() and "Ctrl-C stops it" in a.console())
    assert re.findall(r"^  (http://\S+)$", a.console(), re.M) == ["http://127.0.0.1:%d/" % web], a.console()
    words = "port %d leads to port %d inside, where no unit publishes anything; PORTS=%d:25328 leads to the status" % ((status,) * 3)
    assert words in a.console(), a.console()


PORTS_TEXT = """{ "ports": [
        "127.0.0.1:8000-8002->80-82/tcp",
        "53->53/udp",
        "[2001:db8::1]:443->8443/tcp"
      ], "units": [] }"""


@pytest.mark.parametrize("pair, url", [("9000:8002", True), ("9000:8003", False), ("9000:80", False), ("9000:53", False), ("9000:443", True), ("7:25328", True)])
def test_ports_are_told_apart_by_what_is_published(pair, url):
    done = subprocess.run([os.path.join(ROOT, "scripts/announce-ports"), "25328", pair], input=PORTS_TEXT, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.startswith("  http://127.0.0.1:%s/" % pair.split(":")[0]) == url, done.stdout
    assert done.stdout.endswith("/status\n") == pair.endswith(":25328")


def test_an_appliance_of_another_pid_namespace_is_not_taken_for_a_dead_one(boot_box):
    a = boot_box({"svc": unit(BOX, POLITE)})
    other = next(os.path.join(tree, "cleat-boot-4194305") for tree in cgroup_trees() if os.path.isdir(os.path.join(tree, own_cgroup(a))))
    sleeper = subprocess.Popen(["sleep", "infinity"])

    def is_inside():
        """An empty one is swept by whoever boots beside us."""
        os.makedirs(other, exist_ok=True)
        with open(os.path.join(other, "cgroup.procs"), "w") as f:
            f.write(str(sleeper.pid))
        return True

    try:
        wait_for("it is in that cgroup", is_inside)
        assert a.stop() == 0
        a.start()
        assert sleeper.poll() is None and os.path.isdir(other)
    finally:
        sleeper.kill()
        sleeper.wait(60)
    assert a.stop() == 0
    a.start()
    assert not os.path.isdir(other)


def test_boot_writes_nowhere_but_to_run_and_data(boot_example):
    """In a mount namespace in which all else on disk is read-only."""
    a = boot_example(start=False)
    os.makedirs(a.run)
    setup = "mount --make-rprivate /\n"
    setup += "".join("mount --bind %s %s\n" % (path, path) for path in (a.run, a.data))
    setup += "mount -o remount,bind,ro /\nmount -t tmpfs -o ro empty /tmp || :\n" if not a.dir.startswith("/tmp/") else "mount -o remount,bind,ro /\n"
    with holder("--mount", setup=setup) as pid:
        done = subprocess.run(["nsenter", "-t", str(pid), "-m", "touch", ROOT + "/x", "/tmp/x", "/var/tmp/x", a.dir + "/x"],
                              stderr=subprocess.PIPE, text=True, check=False)
        assert done.stderr.count("Read-only file system") == 4, done.stderr
        a.wrap = ["nsenter", "-t", str(pid), "-m"]
        a.start()
        a.wait_unit("moe-orchestrator", health="healthy")
        assert a.stop() == 0, a.console()
    assert "Read-only" not in a.console(), a.console()
    assert os.listdir(a.run) == ["lock"]


def test_port_in_use_is_named_before_boot(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        text = refused(CONFIG=EXAMPLE, DATA=str(tmp_path / "data"), RUN=str(tmp_path / "run"), PORTS="%d:8000" % port)
    assert "port %d" % port in text and "process %d" % os.getpid() in text and "PORTS=" in text, text


@pytest.mark.parametrize("ports", ["0", "65536", "x", "8000:", "1:2:3", "-1", "08000"])
def test_bad_ports_are_refused(tmp_path, ports):
    text = refused(CONFIG=EXAMPLE, DATA=str(tmp_path / "data"), RUN=str(tmp_path / "run"), PORTS=ports)
    assert "PORTS=" + ports in text, text


def test_second_boot_of_the_same_run_is_refused(boot_box):
    a = boot_box({"svc": unit(BOX, POLITE)})
    before = a.wait_unit("systemd-svc", state="up")
    text = refused(CONFIG=a.config, DATA=a.data, RUN=a.run, PORTS="")
    assert a.run in text and str(a.process.pid) in text, text
    assert a.unit("systemd-svc")["pid"] == before["pid"] and os.path.exists(a.socket)


def test_config_that_does_not_exist(tmp_path):
    text = refused(CONFIG=str(tmp_path / "nowhere"), DATA=str(tmp_path / "data"), RUN=str(tmp_path / "run"), PORTS="")
    assert "CONFIG=%s" % (tmp_path / "nowhere") in text, text
    assert not (tmp_path / "data").exists()


def test_without_root_it_says_so(tmp_path):
    # nobody's id, but still the files of whoever runs the test
    text = refused(wrap=["unshare", "--user"], CONFIG=EXAMPLE, DATA=str(tmp_path / "data"), RUN=str(tmp_path / "run"), PORTS="")
    assert "root is needed" in text, text


def test_killed_boot_script_takes_the_appliance_along(boot_box):
    a = boot_box({"svc": unit(BOX, POLITE)})
    a.wait_unit("systemd-svc", state="up")
    pids = descendants(a.process.pid)
    a.process.kill()
    a.process.wait(60)
    wait_for("all its processes end", lambda: not [pid for pid in pids if os.path.exists("/proc/%d" % pid)])
    old = own_cgroup(a)
    a.start()  # the same RUN is free again, the cgroup of the first is swept
    assert not any(os.path.exists(os.path.join(tree, old)) for tree in cgroup_trees())
    a.wait_unit("systemd-svc", state="up")


# --- init: signals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [37, 30, 38, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_signals_that_halt(boot_box, number):
    a = boot_box({"svc": unit(BOX, POLITE)})
    a.wait_unit("systemd-svc", state="up")
    os.kill(a.init_pid(), number)
    assert a.process.wait(60) == 0, a.console()
    text = a.console()
    assert "halt: stopping containers" in text and "exited with code 0" in text and "all stopped\n" in text, text


@pytest.mark.parametrize("number", [39, signal.SIGINT])
def test_signals_that_reboot(boot_box, number):
    a = boot_box({"svc": unit(BOX, POLITE)})
    a.wait_unit("systemd-svc", state="up")
    before = a.init_pid()
    os.kill(before, number)
    a.wait_next_life(before)
    a.wait_unit("systemd-svc", state="up")
    text = a.console()
    assert "reboot: stopping containers" in text and "exited with code 0" in text and "all stopped; rebooting" in text, text
    assert not os.path.exists("/proc/%d" % before)
    assert a.stop() == 0, a.console()


def test_other_signals_change_nothing(boot_box):
    a = boot_box({"svc": unit(BOX, POLITE)})
    before = a.wait_unit("systemd-svc", state="up")
    for number in (signal.SIGALRM, signal.SIGWINCH, signal.SIGPIPE, signal.SIGQUIT, 34, 41, 64):
        os.kill(a.init_pid(), number)
    a.cleat("ps")
    assert a.unit("systemd-svc")["pid"] == before["pid"]
    assert "stopping" not in a.console()


def test_hangup_reads_the_units_again(boot_box):
    a = boot_box({"stays": unit(BOX, POLITE), "goes": unit(BOX, POLITE)})
    stays = a.wait_unit("systemd-stays", state="up")
    a.wait_unit("systemd-goes", state="up")
    gone = a.pid_of("systemd-goes")
    engine = a.engine_pid()
    a.add_unit("comes", unit(BOX, POLITE))
    os.unlink(os.path.join(a.config, "units", "goes.container"))
    os.kill(a.init_pid(), signal.SIGHUP)
    a.wait_unit("systemd-comes", state="up")
    wait_for("the removed one has ended", lambda: not os.path.exists("/proc/%d" % gone))
    after = a.wait_unit("systemd-stays", state="up")
    assert after["pid"] == stays["pid"] and after["restarts"] == 0
    wait_for("it is forgotten", lambda: {entry["name"] for entry in a.status()["units"]} == {"systemd-stays", "systemd-comes"})
    assert a.engine_pid() == engine  # the same process, so nothing was counted as a crash
    assert "starting it again" not in a.console()


def test_hangup_with_a_broken_file_disturbs_nothing(boot_box):
    a = boot_box({"svc": unit(BOX, POLITE)})
    before = a.wait_unit("systemd-svc", state="up")
    a.add_unit("svc", "[Container]\nImage=%s\nNoSuchKey=1\n" % BOX)
    os.kill(a.init_pid(), signal.SIGHUP)
    entry = a.wait_unit("systemd-svc", state="invalid")
    assert "svc.container:3" in entry["detail"], entry
    assert os.path.exists("/proc/%d" % a.outer_pid(before["pid"]))
    assert a.http("/readyz")[0] == 503
    a.add_unit("svc", unit(BOX, POLITE))
    os.kill(a.init_pid(), signal.SIGHUP)
    assert a.wait_unit("systemd-svc", state="up")["pid"] == before["pid"]


# --- init: reaping, the engine's life --------------------------------------------------------------------------------------


def test_orphans_are_reaped(boot_box):
    """Doubly forked processes whose parents are gone come to PID 1; many at once, for SIGCHLD does not count."""
    a = boot_box({})
    a.inside("/bin/sh", "-c", "mkfifo /tmp/gate; for i in $(seq 40); do (read word </tmp/gate &) </dev/null >/dev/null 2>&1; done")

    def orphans():
        found, init = [], a.init_pid()
        for pid in a.processes("sh"):
            with contextlib.suppress(FileNotFoundError):
                found += [pid] if parent_of(pid) == init else []
        return found if len(found) == 40 else None

    pids = wait_for("orphans of PID 1", orphans)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for("all of them are reaped", lambda: not [pid for pid in pids if os.path.exists("/proc/%d" % pid)])
    a.alive()


def test_crashing_engine_comes_back_with_growing_delay(boot_box):
    a = boot_box({"svc": unit(BOX, POLITE)})
    before = a.wait_unit("systemd-svc", state="up")
    engine = a.engine_child()
    for _ in range(4):
        os.kill(engine, signal.SIGKILL)
        engine = wait_for("the next engine", lambda: a.engine_child(engine))
    delays = [int(number) for number in re.findall(r"engine: ended by signal 9; starting it again in (\d+) ms", a.console())]
    assert delays == [100, 200, 400, 800], a.console()
    after = a.wait_unit("systemd-svc", state="up")
    assert after["pid"] == before["pid"] and after["restarts"] == 0


# --- stopping --------------------------------------------------------------------------------------------------------------


def test_halt_kills_what_ignores_its_stop_signal_after_its_own_timeout(boot_box):
    a = boot_box({"deaf": unit(BOX, DEAF + "StopTimeout=1\n"), "polite": unit(BOX, POLITE)})
    a.wait_unit("systemd-deaf", state="up")
    a.wait_unit("systemd-polite", state="up")
    assert a.stop() == 0
    text = a.console()
    assert re.search(r"systemd-polite  stopping → down: .*exited with code 0", text), text
    assert re.search(r"systemd-deaf  stopping → (down|failed): .*no end within 1s, killed.*SIGKILL", text), text
    assert "all containers are down" in text and "has not stopped within" not in text


SLOW = "Exec=/bin/sh -c \"trap 'while [ ! -e /gate/open ]; do sleep 0.05; done; exit 0' TERM; while :; do sleep 0.1; done\"\n"


def slow_unit():
    return unit(BOX, SLOW + "StopTimeout=60\nVolume=%h/gate:/gate\n", service="Restart=always\nRestartSec=100ms\n")


def open_gate(a):
    open(os.path.join(a.data, "home", "gate", "open"), "w").close()


def test_engine_killed_during_the_stop_does_not_cut_it_short(boot_box):
    a = boot_box({"slow": slow_unit(), "fast": unit(BOX, POLITE, service="Restart=always\n")})
    a.wait_unit("systemd-slow", state="up")
    a.wait_unit("systemd-fast", state="up")
    os.kill(a.init_pid(), 37)
    wait_for("slow is being stopped", lambda: "systemd-slow  up → stopping" in a.console())
    wait_for("fast is down", lambda: "systemd-fast  stopping → down" in a.console())
    for _ in range(2):
        engine = a.engine_child()
        os.kill(engine, signal.SIGKILL)
        wait_for("the next engine", lambda: a.engine_child(engine))
    wait_for("it goes on", lambda: a.console().count("systemd-slow  up → stopping") >= 2)
    a.alive()
    open_gate(a)
    assert a.process.wait(60) == 0, a.console()
    tail = a.console()[a.console().index("halt: stopping"):]
    assert re.search(r"systemd-slow  stopping → down: .*exited with code 0", tail), tail
    assert tail.count("engine: ended by signal") == 2, tail  # by ours, none of being asked to stop
    assert "fast  down →" not in tail and "fast  backoff →" not in tail, tail  # what was down stays down
    assert "all containers are down" in tail and "all stopped\n" in tail, tail


def test_stop_that_was_asked_for_survives_the_engine(boot_box):
    a = boot_box({"slow": slow_unit()})
    a.wait_unit("systemd-slow", state="up")
    stop = subprocess.Popen([os.path.join(ROOT, "build", os.uname().machine, "bin", "cleat"), "--socket", a.socket, "stop", "slow"],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    a.wait_unit("systemd-slow", state="stopping")
    engine = a.engine_child()
    os.kill(engine, signal.SIGKILL)
    wait_for("the next engine", lambda: a.engine_child(engine))
    stop.communicate(timeout=60)
    assert stop.returncode != 0  # nobody knows how it ended
    a.wait_unit("systemd-slow", state="stopping")
    open_gate(a)
    entry = a.wait_unit("systemd-slow", state="down")
    assert entry["wanted"] is False and entry["restarts"] == 0, entry


# --- what is missing: /data ------------------------------------------------------------------------------------------------


def notes_of(a):
    return [note["text"] for note in a.status()["notes"]]


def withheld(a):
    """What the host withholds: {check: evidence}."""
    return {finding["id"]: finding["evidence"] for finding in a.status()["host"]["findings"]}


def test_absent_data(boot_box):
    a = boot_box({"svc": unit(BOX, POLITE)}, data="none")
    assert a.inside("/bin/ls", "-d", "/data", check=False).returncode != 0
    status = a.status()
    assert status["data"] == "absent"
    assert withheld(a)["data"] == "/data is absent"
    entry = a.wait_unit("systemd-svc", state="no-image")
    assert "/data" in entry["detail"], entry
    code, body = a.http("/readyz?verbose")
    assert code == 503 and "/data" in body, body
    assert a.http("/livez")[0] == 200
    assert a.inside("/bin/ls", "-d", "/data", check=False).returncode != 0  # and none was made in the root


def test_read_only_data(boot_box, box_image):
    """A file system that has become read-only: what the store has still runs, logs go to memory."""
    talk = "Exec=/bin/sh -c \"echo said something; trap 'exit 0' TERM; while :; do sleep 0.1; done\"\n"
    a = boot_box({"svc": unit(BOX, talk), "other": unit("localhost/other:1", POLITE)}, start=False)
    with holder("--mount", setup="mount --make-rprivate /\nmount -t tmpfs -o size=64m data %s" % a.data) as pid:
        a.wrap = ["nsenter", "-t", str(pid), "-m"]
        a.start()
        a.wait_unit("systemd-svc", state="up")
        assert a.stop() == 0, a.console()
        tree = ["nsenter", "-t", str(pid), "-m", "find", a.data, "-printf", "%p %T@ %s %U\\n"]
        subprocess.run(["nsenter", "-t", str(pid), "-m", "mount", "-o", "remount,ro", a.data], check=True)
        before = subprocess.run(tree, stdout=subprocess.PIPE, check=True).stdout
        a.start()
        a.wait_unit("systemd-svc", state="up")
        assert a.status()["data"] == "read-only"
        assert withheld(a)["data"] == "/data is read-only"
        entry = a.wait_unit("systemd-other", state="no-image")
        assert "localhost/other:1" in entry["detail"] and "read-only" in entry["detail"], entry
        assert a.http("/readyz")[0] == 503
        wait_for("the log", lambda: "said something" in a.cleat("logs", "svc"))
        assert a.inside("/bin/ls", "/run/cleat/logs").split() == ["systemd-svc"]
        assert a.stop() == 0, a.console()
        assert subprocess.run(tree, stdout=subprocess.PIPE, check=True).stdout == before


def test_unknown_layout_of_data(boot_box):
    a = boot_box({"svc": unit(BOX, POLITE)})
    a.wait_unit("systemd-svc", state="up")
    assert a.stop() == 0
    with open(os.path.join(a.data, "VERSION"), "w") as f:
        f.write("99\n")
    tree = ["find", a.data, "-printf", "%p %T@ %C@ %s %U\\n"]
    before = subprocess.run(tree, stdout=subprocess.PIPE, check=True).stdout
    a.start()
    entry = a.wait_unit("systemd-svc", state=("no-image", "failed"))
    assert "layout" in entry["detail"], entry
    assert any("/data has a layout that this version does not know" in text for text in notes_of(a)), notes_of(a)
    code, body = a.http("/readyz?verbose")
    assert code == 503 and "layout" in body, body
    done = a.cleat("start", "svc", check=False)
    assert done.returncode == 1, done.stdout
    assert a.inside("/bin/ls", "/run/cleat/c").split() == []
    wait_for("the host has been looked at, which leaves no trace either", lambda: a.status()["host"]["tried"])
    assert a.stop() == 0
    assert subprocess.run(tree, stdout=subprocess.PIPE, check=True).stdout == before


# --- what is missing: the port of the status server ------------------------------------------------------------------------

LISTEN = ("import socket,sys\n"
          "s=socket.socket(socket.AF_INET6)\n"
          "s.setsockopt(socket.IPPROTO_IPV6,socket.IPV6_V6ONLY,0)\n"
          "s.bind(('::',25328));s.listen();print('ready',flush=True);sys.stdin.read()")


def test_status_port_in_use_is_said_and_recovers(boot_box):
    with holder("--net", setup="ip link set lo up") as pid:
        net = "/proc/%d/ns/net" % pid
        thief = subprocess.Popen(["nsenter", "--net=" + net, "/usr/bin/python3", "-S", "-c", LISTEN], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        try:
            assert thief.stdout.readline() == "ready\n"
            a = boot_box({"svc": unit(BOX, POLITE)}, netns=net)
            said = "status server: port 25328: Address in use"
            wait_for("the message", lambda: a.alive() and said in a.console())
            wait_for("the container runs all the same", lambda: re.search(r"^systemd-svc +up\b", a.cleat("ps"), re.M))
            assert said in a.cleat("status"), a.cleat("status")
            before = a.cleat("inspect", "svc")
        finally:
            thief.communicate("")
        a.wait_unit("systemd-svc", state="up")  # by HTTP: the port is ours now
        assert not any("status server" in text for text in notes_of(a)), notes_of(a)
        assert said not in a.cleat("status")
        assert a.console().count(said) == 1  # not once for every try
        assert a.http("/readyz")[0] == 200
        assert re.search(r'"Pid": ?(\d+)', a.cleat("inspect", "svc")).group(1) == re.search(r'"Pid": ?(\d+)', before).group(1)
        assert a.stop() == 0


def test_the_readme_s_worked_example_becomes_healthy(boot):
    with open(os.path.join(ROOT, "README.md")) as f:
        text = f.read().split("web.container <<UNIT\n", 1)[1].split("UNIT\n", 1)[0]
    a = boot({"web": "\n".join(line.strip() for line in text.splitlines()) + "\n"}, images=("moe-orchestrator",))
    a.wait_unit("systemd-web", state="up", health="healthy")
    assert a.http("/readyz")[0] == 200


def test_a_console_that_goes_into_a_file_loses_nothing(boot, tmp_path):
    """PID 1, the engine and its log write to it: what the log says at the end of the file stands where the others come to."""
    said = tmp_path / "said"
    a = boot({"web": unit(service="Restart=perhaps\n", install=False)}, images=(), wrap=["sh", "-c", 'exec "$@" >"$0" 2>&1', str(said)])
    a.stop()
    lines = said.read_text(encoding="utf-8").splitlines()
    for words in ("] cleat-init ", "] engine ", ": warning: Service.Restart: ", "] halt: stopping containers", "] all stopped"):
        assert [line for line in lines if words in line], (words, lines)
    whole = re.compile(r"\[ *\d+\.\d{3}\] |\d{4}-\d\d-\d\dT[\d:.]+Z |boot: |  |$")
    assert [line for line in lines if not whole.match(line)] == []


def test_a_terminated_make_run_takes_the_appliance_with_it(tmp_path):
    """What make starts is scripts/boot itself, not a shell around it that would die alone."""
    for name in ("config/units", "data", "run"):
        (tmp_path / name).mkdir(parents=True)
    words = ["%s=%s" % (key, tmp_path / key.lower()) for key in ("CONFIG", "DATA", "RUN")]
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    with open(tmp_path / "out", "wb") as out:
        make = subprocess.Popen(["make", "-C", ROOT, "run", "PORTS="] + words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env)
    try:
        wait_for("the appliance is up", lambda: (tmp_path / "run" / "cleat.sock").exists() and (tmp_path / "run" / "init.pid").exists())
        init = int((tmp_path / "run" / "init.pid").read_text())
    finally:
        make.terminate()
        make.wait(60)
    wait_for("PID 1 is gone", lambda: not os.path.exists("/proc/%d" % init))


# --- steps of the boot, their notes, the machine's identity -----------------------------------------------------------------


def machine_id(a):
    return a.inside("/bin/cat", "/etc/machine-id")


def test_the_machine_id_is_kept_and_a_copy_gets_its_own(boot_box, tmp_path):
    a = boot_box({"svc": unit(BOX, POLITE + "Environment=ID=%m\n")})
    first = machine_id(a)
    assert re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}\n", first), first
    assert re.search(r"^\[ +\d+\.\d{3}\] identity \d+ ms$", a.console(), re.M), a.console()
    pid = a.wait_unit("systemd-svc", state="up")["pid"]
    environment = a.inside("/bin/cat", "/proc/%d/environ" % pid)
    assert "ID=" + first.strip() in environment.split("\0"), environment
    assert a.stop() == 0
    a.start()
    assert machine_id(a) == first  # the root is another one, /data is not
    assert a.stop() == 0

    facts = os.path.join(a.data, "identity", "facts")
    with open(facts) as f:
        assert "host cleat" in f.read()
    with open(facts, "w") as f:
        f.write("host another-one\n")
    a.start()
    second = machine_id(a)
    assert second != first
    assert any("copy of another appliance" in text for text in notes_of(a)), notes_of(a)
    a.wait_unit("systemd-svc", state="up")
    assert a.http("/readyz")[0] == 200  # it is told, and no fault
    assert a.stop() == 0
    a.start()
    assert machine_id(a) == second
    assert not any("copy of" in text for text in notes_of(a)), notes_of(a)


def test_without_data_the_machine_id_lasts_for_the_boot(boot_box):
    a = boot_box({}, data="none")
    first = machine_id(a)
    assert a.inside("/bin/cat", "/run/cleat/identity/machine-id") == first
    assert a.stop() == 0
    a.start()
    assert machine_id(a) != first


def in_root(a, path):
    return "/proc/%d/root%s" % (a.init_pid(), path)


def next_engine(a):
    engine = a.engine_child()
    os.kill(engine, signal.SIGKILL)
    wait_for("the next engine answers", lambda: a.alive() and a.engine_child(engine) and a.ping())


def test_notes_of_steps_are_shown(boot_box):
    a = boot_box({})
    os.makedirs(in_root(a, "/run/cleat/boot"), exist_ok=True)
    for name, text in {"data.note": "2 /data is in memory", "clock.note": "1 the clock was wrong\n0 and a second line\n", "bad.note": "3 worse than bad\n",
                       "odd.note": "no level", "not-a-note": "2 no", "long.note": "2 " + 5000 * "x", "many.note": 20 * "0 same\n" + "2 too many\n"}.items():
        with open(in_root(a, "/run/cleat/boot/" + name), "w") as f:
            f.write(text)
    next_engine(a)
    levels = {"/data is in memory": "error", "the clock was wrong": "warning", "and a second line": "note"}

    def shown():
        notes = {note["text"]: note["level"] for note in a.status()["notes"]}
        return {text: notes.get(text) for text in levels} == levels and notes

    notes = wait_for("the notes of the next engine", shown)
    assert a.http("/readyz?verbose")[0] == 503
    assert "worse than bad" not in notes and "no" not in notes and "too many" not in notes and not any("xxx" in text for text in notes), notes
    wait_for("it is said", lambda: "bad.note: not a note: 3 worse than bad" in a.console())


@pytest.mark.parametrize("number", [47, 48])
def test_immediate_signals_wait_for_no_container(boot_box, number):
    a = boot_box({"deaf": unit(BOX, DEAF + "StopTimeout=1000\n")})
    a.wait_unit("systemd-deaf", state="up")
    os.kill(a.init_pid(), number)
    assert a.process.wait(60) == 0, a.console()
    assert "all containers are down" not in a.console() and "all stopped\n" in a.console(), a.console()


@pytest.mark.parametrize("number, words", [(40, "kexec is not supported"), (49, "all stopped; rebooting")])
def test_other_ways_to_ask_for_a_reboot(boot_box, number, words):
    a = boot_box({"svc": unit(BOX, POLITE)})
    a.wait_unit("systemd-svc", state="up")
    before = a.init_pid()
    os.kill(before, number)
    wait_for("another life", lambda: a.alive() and a.console().count("starting the engine") == 2)
    a.wait_unit("systemd-svc", state="up")
    assert words in a.console() and a.init_pid() != before, a.console()


# --- safe mode ------------------------------------------------------------------------------------------------------------

# An engine that ends at once unless it is to be careful. Everything else that is called cleat works.
FRAGILE = """#!/bin/sh
if [ "$1" = engine ] && [ -z "$CLEAT_SAFE_MODE" ]; then
	exit 3
fi
exec /usr/bin/cleat.good "$@"
"""


def break_engine(a):
    os.rename(in_root(a, "/usr/bin/cleat"), in_root(a, "/usr/bin/cleat.good"))
    with open(in_root(a, "/usr/bin/cleat.part"), "w") as f:
        f.write(FRAGILE)
    os.chmod(in_root(a, "/usr/bin/cleat.part"), 0o755)
    os.rename(in_root(a, "/usr/bin/cleat.part"), in_root(a, "/usr/bin/cleat"))


def mend_engine(a):
    os.rename(in_root(a, "/usr/bin/cleat.good"), in_root(a, "/usr/bin/cleat"))


def in_safe_mode(a):
    wait_for("safe mode", lambda: a.alive() and a.ping() and any(text.startswith("safe mode") for text in notes_of(a)))


@pytest.fixture
def careful(boot_box):
    """An appliance whose engine has crashed until it was started in safe mode."""
    a = boot_box({"svc": unit(BOX, POLITE), "other": unit(BOX, POLITE, install=False)})
    a.pid = a.wait_unit("systemd-svc", state="up")["pid"]
    break_engine(a)
    os.kill(a.engine_child(), signal.SIGKILL)
    in_safe_mode(a)
    return a


def test_an_engine_that_crashes_again_and_again_gets_careful(careful):
    a = careful
    assert "engine: 5 ends in a row: the next one is in safe mode" in a.console(), a.console()
    assert a.console().count("exited with code 3") == 4, a.console()  # and one by our signal
    # containers go on, and are shown; nothing is started
    assert os.path.exists(in_root(a, "/proc/%d" % a.pid))
    assert a.unit("systemd-svc")["pid"] == a.pid
    assert a.http("/livez")[0] == 200
    code, body = a.http("/readyz?verbose")
    assert code == 503 and "safe mode" in body, body
    for order in (("start", "other"), ("stop", "svc"), ("logs", "svc")):
        refused = a.cleat(*order, check=False)
        assert refused.returncode != 0 and "safe mode" in refused.stdout, (order, refused)
    for method, path in (("GET", "/info"), ("GET", "/containers/json"), ("GET", "/cleat/v1/status"), ("GET", "/cleat/v1/updates"), ("POST", "/cleat/v1/updates"),
                         ("GET", "/cleat/v1/reload"), ("GET", "/cleat/v1/upgrade"), ("POST", "/cleat/v1/images/changed"), ("GET", "/version")):
        code, body = a.api(method, path)
        assert code < 500 or b"safe mode" in body, (method, path, code, body)
    engine = a.engine_child()
    for args in (("ps",), ("status",), ("logs", "svc"), ("doctor",), ("events", "--since", "1h", "--until", "1s")):
        a.cleat(*args, check=False)
    assert a.engine_child() == engine  # none of this was too much for it

    # who asks for a normal engine is told when there is none
    os.chmod(in_root(a, "/usr/bin/cleat.good"), 0o644)
    refused = a.cleat("reload", check=False)
    assert refused.returncode == 1 and "safe mode" in refused.stdout, refused
    os.chmod(in_root(a, "/usr/bin/cleat.good"), 0o755)

    # a reload tries once more, with the engine that runs
    mend_engine(a)
    os.kill(a.init_pid(), signal.SIGHUP)
    wait_for("a normal engine", lambda: a.ping() and not any(text.startswith("safe mode") for text in notes_of(a)))
    entry = a.wait_unit("systemd-svc", state="up")
    assert entry["pid"] == a.pid and entry["restarts"] == 0, entry
    a.cleat("start", "other")
    a.wait_unit("systemd-other", state="up")
    assert a.http("/readyz")[0] == 200
    assert a.stop() == 0


def test_containers_are_stopped_in_order_from_safe_mode_too(careful):
    a = careful
    mend_engine(a)
    os.kill(a.init_pid(), 37)
    assert a.process.wait(60) == 0, a.console()
    tail = a.console()[a.console().index("halt: stopping"):]
    assert re.search(r"systemd-svc  .*exited with code 0", tail) and "all containers are down" in tail, tail


def test_upgrade_leaves_safe_mode(careful):
    a = careful
    mend_engine(a)
    a.cleat("upgrade")
    assert a.unit("systemd-svc")["pid"] == a.pid
    assert not any(text.startswith("safe mode") for text in notes_of(a)), notes_of(a)
