# SPDX-License-Identifier: Apache-2.0
"""Health checks: where they come from, what they lead to, what is kept of them, how many run at a time; with real containers."""
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from appliance import BUILD, IDLE, Appliance, descendants, unit, wait_for
from ociimage import busybox_of, write_box
from registry import HeldRegistry, make_certificates

# A process in the network namespace of a container: serves HTTPS on its loopback until its input ends.
SERVER = """
import http.server, ssl, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response({"/ok": 204, "/moved": 302}.get(self.path, 503))
        self.send_header("Location", "https://192.0.2.1/")
        self.end_headers()
    def log_message(self, *words):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""

CHECKED = {"Healthcheck": {"Test": ["CMD-SHELL", "echo of the image; test -e /tmp/ok"], "Interval": 200000000,
                           "Timeout": 5000000000, "Retries": 2}}
FAST = "HealthInterval=200ms\n"


def script(text, container="", service="", image="box", **keywords):
    return unit("localhost/%s:latest" % image, 'Exec=/bin/sh -c "%s"\n' % text + container, service, **keywords)


def sick(action, service=""):
    """Well for its first second, then it is not; each start begins anew."""
    return script("trap 'exit 0' TERM; touch /tmp/ok; (sleep 1; rm /tmp/ok) & " + IDLE,
                  "Tmpfs=/tmp\nHealthCmd=test -e /tmp/ok\nHealthRetries=1\nStopTimeout=20\n" + FAST
                  + ("HealthOnFailure=%s\n" % action if action else ""), service)


UNITS = {
    "good": script(IDLE, "Tmpfs=/tmp\nHealthCmd=echo all is well\nHealthMaxLogCount=3\n" + FAST),
    "image": script("touch /tmp/ok; " + IDLE, "Tmpfs=/tmp\n", image="checked"),
    "own": script(IDLE, "HealthCmd=CMD echo my own\n" + FAST, image="checked"),
    "partly": script(IDLE, "Tmpfs=/tmp\nHealthRetries=1\n", image="checked"),
    "none": script(IDLE, "HealthCmd=none\n", image="checked"),
    "off": script(IDLE, "PodmanArgs=--no-healthcheck\n", image="checked"),
    "plain": script(IDLE),
    "hangs": script(IDLE, "HealthCmd=echo before; sleep 100\nHealthTimeout=1s\nHealthRetries=1\n" + FAST),
    "lacks": script(IDLE, 'HealthCmd=["CMD","/no/such/check"]\nHealthRetries=1\n' + FAST),
    "loud": script(IDLE, "HealthCmd=seq 1 1000; exit 7\nHealthMaxLogSize=20\nHealthRetries=1\n" + FAST),
    "folder": script(IDLE, "HealthCmd=echo kept\nHealthLogDestination=/data/checks\nHealthMaxLogCount=2\n" + FAST),
    "events": script(IDLE, "HealthCmd=echo told\nHealthLogDestination=events_logger\n" + FAST),
    "linked": script(IDLE, "HealthCmd=echo kept\nHealthLogDestination=/data/linked/checks\n" + FAST),
    "silent": script("while :; do nc -l -p 8443 -e sleep 1000; done", "HealthCmd=https://127.0.0.1:8443/\nHealthTimeout=1h\nStopTimeout=0\n" + FAST),
    "https": script(IDLE, "HealthCmd=https://127.0.0.1:8443/ok\nHealthRetries=1\n" + FAST),
    "moved": script(IDLE, "HealthCmd=https://localhost:8443/moved\nHealthRetries=1\n" + FAST),
    "wrong": script(IDLE, "HealthCmd=https://127.0.0.1:8443/wrong\nHealthRetries=1\n" + FAST),
    "reported": sick("none", "Restart=always\n"),
    "stopped": sick("stop"),
    "killed": sick("kill"),
    "again": sick("restart"),
    "default": sick("", "Restart=on-failure\nRestartSec=100ms\n"),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    tmp = tmp_path_factory.mktemp("images")
    paths = {name: str(tmp / (name + ".tar")) for name in ("box", "checked")}
    write_box(paths["box"], busybox_of(BUILD))
    write_box(paths["checked"], busybox_of(BUILD), name="localhost/checked:latest", config=CHECKED)
    return paths


@pytest.fixture(scope="module")
def shared(tmp_path_factory, images):
    """One appliance for all tests that leave it as they found it."""
    appliance = Appliance(tmp_path_factory.mktemp("health") / "a", UNITS, images=())
    for name, path in images.items():
        appliance.add_image(name, path)
    for name in ("elsewhere", "elsewhere/checks"):
        os.mkdir(os.path.join(appliance.data, name))
    os.symlink("elsewhere", os.path.join(appliance.data, "linked"))
    try:
        appliance.start()
        yield appliance
    finally:
        appliance.close()


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""


def health_of(appliance, name):
    status, body = appliance.api("GET", "/containers/%s/json" % name)
    assert status == 200, body
    return json.loads(body)["State"].get("Health")


def log_of(appliance, name, count):
    """The results, once there are so many."""
    wait_for("%d results of %s" % (count, name), lambda: len((health_of(appliance, name) or {"Log": []})["Log"]) >= count)
    return health_of(appliance, name)["Log"]


def test_the_last_results_are_in_docker_s_form(shared):
    shared.wait_unit("systemd-good", health="healthy")
    log = log_of(shared, "systemd-good", 3)
    assert [(entry["ExitCode"], entry["Output"]) for entry in log] == [(0, "all is well\n")] * 3
    for entry in log:
        assert set(entry) == {"Start", "End", "ExitCode", "Output"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", entry["Start"]), entry
        assert entry["Start"] <= entry["End"]
    wait_for("the oldest goes", lambda: log[0]["Start"] not in [e["Start"] for e in health_of(shared, "systemd-good")["Log"]])
    health = health_of(shared, "systemd-good")
    assert len(health["Log"]) == 3
    assert health["Status"] == "healthy" and health["FailingStreak"] == 0


def test_what_could_not_be_run_or_took_too_long_has_no_exit_code(shared):
    shared.wait_unit("systemd-hangs", health="unhealthy")
    # on a slow machine the second may be over before it has said anything
    said = "Health check exceeded timeout (1 s): before\n"
    wait_for("it was cut off", lambda: (-1, said) in [(entry["ExitCode"], entry["Output"]) for entry in health_of(shared, "systemd-hangs")["Log"]])
    shared.wait_unit("systemd-lacks", health="unhealthy")
    last = log_of(shared, "systemd-lacks", 1)[-1]
    assert last["ExitCode"] == -1 and "/no/such/check" in last["Output"], last


def test_exit_code_and_size_are_kept_as_asked(shared):
    shared.wait_unit("systemd-loud", health="unhealthy")
    last = log_of(shared, "systemd-loud", 1)[-1]
    assert last["ExitCode"] == 7
    assert last["Output"] == "1\n2\n3\n4\n5\n6\n7\n8\n9\n10"[:20]


def test_an_image_s_check_counts(shared):
    shared.wait_unit("systemd-image", health="healthy")
    assert log_of(shared, "systemd-image", 1)[-1]["Output"] == "of the image\n"
    config = json.loads(shared.api("GET", "/containers/systemd-image/json")[1])["Config"]
    assert config["Healthcheck"] == {"Test": CHECKED["Healthcheck"]["Test"], "Interval": 200000000,
                                     "Timeout": 5000000000, "StartPeriod": 0, "Retries": 2}


def test_a_unit_s_own_check_wins_whole_and_its_times_win_one_by_one(shared):
    shared.wait_unit("systemd-own", health="healthy")
    assert log_of(shared, "systemd-own", 1)[-1]["Output"] == "my own\n"
    shared.wait_unit("systemd-partly", health="unhealthy")
    config = json.loads(shared.api("GET", "/containers/systemd-partly/json")[1])["Config"]
    assert config["Healthcheck"]["Retries"] == 1 and config["Healthcheck"]["Interval"] == 200000000


def test_none_switches_the_image_s_check_off(shared):
    for name in ("systemd-none", "systemd-off", "systemd-plain"):
        shared.wait_unit(name, state="up", health="none")
        assert health_of(shared, name) is None


def test_a_check_by_hand_has_podman_s_exit_codes(shared):
    shared.wait_unit("systemd-good", health="healthy")
    shared.wait_unit("systemd-loud", health="unhealthy")
    done = shared.cleat("healthcheck", "run", "good", check=False)
    assert (done.returncode, done.stdout) == (0, "")
    done = shared.cleat("healthcheck", "run", "loud", check=False)
    assert done.returncode == 1 and done.stdout.startswith("unhealthy: 1?2?3"), done
    assert shared.cleat("healthcheck", "run", "--ignore-result", "loud", check=False).returncode == 0
    for name, why in (("plain", "has no health check"), ("nobody", "nobody"), ("none", "has no health check")):
        done = shared.cleat("healthcheck", "run", name, check=False)
        assert done.returncode == 125 and why in done.stdout, done


def test_a_folder_gets_podman_s_file(shared):
    shared.wait_unit("systemd-folder", health="healthy")
    folder = os.path.join(shared.data, "checks")
    wait_for("a file", lambda: os.path.isdir(folder) and [n for n in os.listdir(folder) if n.endswith("-healthcheck.log")])
    names = [name for name in os.listdir(folder) if name.endswith("-healthcheck.log")]
    identity = json.loads(shared.api("GET", "/containers/systemd-folder/json")[1])["Id"]
    assert names == [identity + "-healthcheck.log"]

    def whole():
        with open(os.path.join(folder, names[0]), encoding="utf-8") as f:
            found = json.load(f)  # replaced whole: never half a document
        return found if len(found["Log"]) == 2 and found["Status"] == "healthy" else None

    found = wait_for("two results", whole)
    assert [entry["Output"] for entry in found["Log"]] == ["kept\n"] * 2


def test_no_link_leads_a_log_elsewhere(shared):
    """A container may own what lies on the way to the folder."""
    shared.wait_unit("systemd-linked", health="healthy")
    wait_for("a reason", lambda: "health-log: /data/linked/checks: Symbolic link loop" in shared.console())
    log_of(shared, "systemd-linked", 5)
    assert os.listdir(os.path.join(shared.data, "elsewhere", "checks")) == []
    assert shared.console().count("Symbolic link loop") == 1  # and not after each probe


def test_events_logger_is_the_engine_s_log(shared):
    shared.wait_unit("systemd-events", health="healthy")
    wait_for("a line", lambda: "systemd-events: exit code 0: told" in shared.console())


def test_status_of_a_unit_shows_the_last_results(shared):
    shared.wait_unit("systemd-good", health="healthy")
    log_of(shared, "systemd-good", 3)
    text = shared.inside("/usr/bin/cleat", "status", "good")
    assert len(re.findall(r"^  check +\S+ +exit code 0: all is well$", text, re.M)) == 3, text


def test_what_follows_when_unhealthy_is_as_written(shared):
    wait_for("killed", lambda: shared.unit("systemd-killed")["state"] == "failed")
    assert shared.unit("systemd-killed")["exit"]["signal"] == signal.SIGKILL
    assert "unhealthy" in shared.unit("systemd-killed")["detail"]
    wait_for("stopped", lambda: shared.unit("systemd-stopped")["state"] == "failed")
    assert shared.unit("systemd-stopped")["exit"]["code"] == 0  # it came to its end by its stop signal
    for name in ("systemd-again", "systemd-default"):
        wait_for("restart of " + name, lambda name=name: shared.unit(name)["restarts"] >= 1)
    shared.wait_unit("systemd-reported", health="unhealthy", state="up")
    assert shared.unit("systemd-reported")["restarts"] == 0
    assert shared.unit("systemd-good")["restarts"] == 0


@pytest.fixture
def served(shared, tmp_path):
    """HTTPS servers with a certificate that nobody has signed whom one would know, in the containers' networks."""
    _, certificate, key = make_certificates(tmp_path)
    servers = []
    for name in ("systemd-https", "systemd-moved", "systemd-wrong"):
        shared.wait_unit(name, state="up")
        command = ["nsenter", "-t", str(shared.pid_of(name)), "-n", sys.executable, "-c", SERVER, certificate, key]
        servers.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    for server in servers:
        assert server.stdout.readline() == b"ready\n"
    yield shared
    for server in servers:
        server.stdin.close()
        server.wait(60)


def test_https_is_probed_in_the_container_s_network(served):
    served.wait_unit("systemd-https", health="healthy")
    assert health_of(served, "systemd-https")["Log"][-1]["Output"].startswith("HTTP/1.0 204")
    served.wait_unit("systemd-moved", health="healthy")  # a redirect is an answer; nobody follows it
    wait_for("an answer", lambda: "503" in health_of(served, "systemd-wrong")["Log"][-1]["Output"])
    served.wait_unit("systemd-wrong", health="unhealthy")


def test_who_speaks_tls_with_a_container_can_do_nothing(shared):
    shared.wait_unit("systemd-silent", state="up")
    runs = wait_for("a probe under way", lambda: [pid for pid in descendants(shared.init_pid()) if b"\0probe-https\0" in read("/proc/%d/cmdline" % pid)
                                                  and re.search(rb"^Seccomp:\t2$", read("/proc/%d/status" % pid), re.M)])
    status = read("/proc/%d/status" % runs[0]).decode()
    for line in ("Uid:\t65004\t65004\t65004\t65004", "Gid:\t65004\t65004\t65004\t65004", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000",
                 "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"):
        assert re.search("^%s$" % line, status, re.M), (line, status)
    assert os.readlink("/proc/%d/ns/net" % runs[0]) == os.readlink("/proc/%d/ns/net" % shared.pid_of("systemd-silent"))
    open_files = {os.readlink("/proc/%d/fd/%s" % (runs[0], fd)) for fd in os.listdir("/proc/%d/fd" % runs[0])}
    strange = [path for path in open_files if not re.match(r"/dev/null|pipe:|socket:|anon_inode:\[event", path)]
    assert not strange, open_files


def test_https_without_a_server_says_so(shared):
    """Runs after the servers have gone, or before they came: then nobody listens."""
    wait_for("refused", lambda: "8443" in log_of(shared, "systemd-wrong", 1)[-1]["Output"])
    shared.wait_unit("systemd-wrong", health="unhealthy")


def test_a_registry_s_image_has_its_check(boot, images):
    appliance = boot(images=())
    registry = HeldRegistry(netns=appliance.init_pid())
    try:
        registry.add_archive(images["checked"], "checked", "1")
        with open(os.path.join(appliance.config, "registries.conf"), "w", encoding="utf-8") as f:
            f.write('[[registry]]\nlocation = "%s"\ninsecure = true\n' % registry.host)
        appliance.add_unit("web", unit(registry.host + "/checked:1", 'Exec=/bin/sh -c "touch /tmp/ok; %s"\nTmpfs=/tmp\n' % IDLE))
        appliance.cleat("reload")
        appliance.wait_unit("systemd-web", health="healthy")
        assert log_of(appliance, "systemd-web", 1)[-1]["Output"] == "of the image\n"
        # the next engine knows it, too
        run = appliance.unit("systemd-web")["pid"]
        os.kill(appliance.engine_pid(), signal.SIGKILL)
        before = wait_for("the next engine", lambda: last_start(appliance, "systemd-web"))
        wait_for("another result", lambda: last_start(appliance, "systemd-web") > before)
        assert appliance.unit("systemd-web")["pid"] == run
    finally:
        registry.stop()


def health_of_new(appliance, name):
    """None while the next engine does not answer yet."""
    try:
        return health_of(appliance, name)
    except (OSError, AssertionError):
        return None


def last_start(appliance, name):
    """Of the last probe that is known; "" when none is."""
    log = (health_of_new(appliance, name) or {"Log": []})["Log"]
    return log[-1]["Start"] if log else ""


STARTUP = "HealthCmd=echo regular\nHealthStartupInterval=200ms\nTmpfs=/tmp\n" + FAST


def test_startup_checks_come_first(boot, images):
    units = {
        "slow": script(IDLE, STARTUP + "HealthStartupCmd=echo early; test -e /go/on\nHealthStartupSuccess=2\nVolume=/data/go:/go\n"),
        "stuck": script(IDLE, STARTUP + "HealthStartupCmd=echo never; false\nHealthStartupRetries=3\nStopTimeout=2\nHealthMaxLogCount=20\n"),
    }
    appliance = boot(units, images=(), start=False)
    appliance.add_image("box", images["box"])
    appliance.start()
    appliance.wait_unit("systemd-slow", health="starting")
    open(os.path.join(appliance.data, "go", "on"), "w", encoding="utf-8").close()
    appliance.wait_unit("systemd-slow", health="healthy")
    wait_for("the regular one", lambda: health_of(appliance, "systemd-slow")["Log"][-1]["Output"] == "regular\n")
    wait_for("the stuck one is restarted", lambda: appliance.unit("systemd-stuck")["restarts"] >= 1, 60)
    assert appliance.unit("systemd-slow")["restarts"] == 0


# Says in /shared that it runs, and that it found another of its own: an overlap.
NO_OVERLAP = "test -e /shared/busy && test -d /proc/$$(cat /shared/busy) && touch /shared/overlap; echo $$$$ >/shared/busy; " \
             "echo x >>/shared/count; sleep 1"


def test_an_engine_killed_during_a_probe_probes_on_and_never_twice_at_a_time(boot, images):
    appliance = boot({"web": script(IDLE, "Volume=/data/shared:/shared\nHealthCmd=%s\nHealthRetries=1\n" % NO_OVERLAP + FAST, "Restart=always\n")},
                     images=(), start=False)
    appliance.add_image("box", images["box"])
    appliance.start()
    shared = os.path.join(appliance.data, "shared")
    appliance.wait_unit("systemd-web", health="healthy")
    pid = appliance.unit("systemd-web")["pid"]

    def count():
        with open(os.path.join(shared, "count"), encoding="utf-8") as f:
            return len(f.readlines())

    for _ in range(2):
        before = count()
        wait_for("a probe under way", lambda: count() > before)
        os.kill(appliance.engine_pid(), signal.SIGKILL)
        after = count()
        wait_for("probes go on", lambda: count() > after)
    wait_for("the engine answers", lambda: health_of_new(appliance, "systemd-web"))
    entry = appliance.wait_unit("systemd-web", state="up", health="healthy")
    assert entry["restarts"] == 0 and entry["pid"] == pid
    assert not os.path.exists(os.path.join(shared, "overlap"))


# How many run at this moment: each puts its name into /shared, looks, waits, and takes it out again.
COUNTED = "touch /shared/$$HOSTNAME; ls /shared | wc -l >>/shared-max/$$HOSTNAME; sleep 0.3; rm /shared/$$HOSTNAME"
MANY = 24


def test_probes_are_bounded_in_number_and_waiting_makes_nobody_sick(boot, images):
    container = "Volume=/data/shared:/shared\nVolume=/data/max:/shared-max\nHealthCmd=%s\nHealthRetries=1\nHealthTimeout=3s\n" % COUNTED
    units = {"n%d" % i: script(IDLE, container + "HostName=n%d\nEnvironment=HOSTNAME=n%d\nHealthInterval=100ms\n" % (i, i), "Restart=always\n")
             for i in range(MANY)}
    appliance = boot(units, images=(), start=False)
    appliance.add_image("box", images["box"])
    appliance.start()
    for i in range(MANY):
        appliance.wait_unit("systemd-n%d" % i, 60, state="up", health="healthy")
    folder = os.path.join(appliance.data, "max")

    def lines():
        return [len(open(os.path.join(folder, "n%d" % i), encoding="utf-8").read().split()) for i in range(MANY)]

    wait_for("everybody has had three turns", lambda: min(lines()) >= 3, 60)
    most = max(int(number) for i in range(MANY)
               for number in open(os.path.join(folder, "n%d" % i), encoding="utf-8").read().split())
    limit = min(64, max(16, 2 * os.cpu_count()))
    assert 1 < most <= limit, most
    for i in range(MANY):
        entry = appliance.unit("systemd-n%d" % i)
        assert entry["restarts"] == 0 and entry["health"] == "healthy", entry
