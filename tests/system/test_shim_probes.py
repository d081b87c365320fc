# SPDX-License-Identifier: Apache-2.0
"""Probes by the shim, with real containers and no engine. Needs root."""
import os
import re
import signal
import socket
import struct
import time

import pytest

from shimworld import (CANCELLED, ERROR, EXEC, EXITED, FAIL, HTTP, PASS, PROBE, PROBE_CANCEL, RESULT, TCP, TIMEOUT, fixture_rootfs, fixture_world,  # noqa: F401 (fixtures)
                       read, until)


def test_exec_probes_run_inside_as_the_container(world):
    shim = world.shim()
    status = shim.running()
    result = shim.probe(EXEC, ["/bin/sh", "-c", "id -u; echo $FROM; readlink /proc/self/ns/pid; readlink /proc/self/ns/user; exit 4"])
    assert result["verdict"] == FAIL and result["exit_code"] == 4
    uid, env, *links = result["output"].split()
    assert (uid, env) == ("1001", "config")
    assert links == [os.readlink("/proc/%d/ns/%s" % (status["container_pid"], n)) for n in ("pid", "user")]
    result = shim.probe(EXEC, ["/bin/grep", "-E", "^(CapEff|NoNewPrivs|Sig(Ign|Blk|Cgt))", "/proc/self/status"])
    none = "0000000000000000"
    assert result["output"].split() == ["SigBlk:", none, "SigIgn:", none, "SigCgt:", none, "CapEff:", none, "NoNewPrivs:", "1"]
    # A process group of its own: what it sends to its group reaches nobody else.
    pid, group = shim.probe(EXEC, ["/bin/sh", "-c", "echo $$; cut -d ' ' -f 5 /proc/$$/stat"])["output"].split()
    assert pid == group != "0"


def what_it_may(status):
    """The lines of a process' status that say who it is and what it may do."""
    return re.findall(r"^((?:Uid|Gid|Groups|Cap\w+|NoNewPrivs|Seccomp\w*|Umask):.*?)\s*$", status, re.M)


@pytest.mark.parametrize("no_new_privs", (True, False))
def test_an_exec_probe_may_what_the_container_may(world, no_new_privs):
    """With what the shim has kept of config.json, and, when the file has said other things since, without looking at it."""
    def change(config):
        process = config["process"]
        process.update(noNewPrivileges=no_new_privs, cwd="/tmp", rlimits=[{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}])
        process["user"].update(additionalGids=[5, 6], umask=0o37)
        process["capabilities"] = {name: ["CAP_CHOWN", "CAP_KILL"] for name in ("bounding", "permitted", "effective", "inheritable", "ambient")}
        config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["sync"], "action": "SCMP_ACT_ERRNO"}]}

    shim = world.shim(change=change)
    first = "/proc/%d/" % shim.running()["container_pid"]
    for _ in range(2):
        answer = shim.probe(EXEC, ["/bin/grep", "-E", "^(Uid|Gid|Groups|NoNew|Seccomp|Umask)", "/proc/self/status"])
        assert answer["verdict"] == PASS, answer
        of_first = what_it_may(read(first + "status"))
        assert [line.split() for line in what_it_may(answer["output"])] == [line.split() for line in of_first if not line.startswith("Cap")]
        caps = shim.probe(EXEC, ["/bin/grep", "^Cap", "/proc/self/status"])["output"]
        assert [line.split() for line in what_it_may(caps)] == [line.split() for line in of_first if line.startswith("Cap")]
        assert shim.probe(EXEC, ["/bin/sh", "-c", "pwd; ulimit -n; ulimit -c"])["output"].split() == ["/tmp", "77", "0"]
        of_shell = {"PWD=/tmp", "SHLVL=1"}
        assert set(shim.probe(EXEC, ["/bin/env"])["output"].split()) == set(read(first + "environ").split("\0")) - of_shell - {""}
        with open(os.path.join(shim.dir, "config.json"), "w") as f:
            f.write("{}")


def test_a_probe_is_who_the_container_was_at_its_start(world):
    """The image's word: not that of a file that lies over it, and not what the container has written since."""
    passwd = world.path / "passwd"
    passwd.write_text("root:x:0:0::/:/bin/sh\nuser:x:77:88::/tmp:/bin/sh\n")
    os.chmod(passwd, 0o644)

    def change(config):
        config["annotations"] = {"org.cleat.user": "user"}
        config["mounts"].append({"destination": "/etc/passwd", "type": "bind", "source": str(passwd), "options": ["bind", "ro"]})

    shim = world.shim(change=change)
    first = read("/proc/%d/status" % shim.running()["container_pid"])
    answer = shim.probe(EXEC, ["/bin/sh", "-c", "id -u; id -g; echo $HOME; grep -c :77: /etc/passwd"])
    assert answer["output"].split() == ["1001", "1001", "/", "1"]
    assert re.search(r"^Uid:\s+1001\s", first, re.M)


def test_output_that_comes_between_two_probes_is_nobodys(world):
    """A process of the container opens the first probe's output by its name in /proc and keeps it."""
    shim = world.shim("until [ -s /share/pid ]; do sleep 0.1; done; read pid </share/pid; exec 4>/proc/$pid/fd/1; touch /share/open;"
                      "until [ -e /share/now ]; do sleep 0.1; done; echo forged >&4; touch /share/written; sleep 1000")
    shim.running()
    first = shim.probe(EXEC, ["/bin/sh", "-c", "echo first; echo $$ >/share/.pid; mv /share/.pid /share/pid; until [ -e /share/open ]; do sleep 0.1; done"])
    assert (first["verdict"], first["output"]) == (PASS, "first\n")
    open(os.path.join(shim.share, "now"), "w").close()
    until("it has written", lambda: os.path.exists(os.path.join(shim.share, "written")))
    assert shim.probe(EXEC, ["/bin/echo", "second"])["output"] == "second\n"
    assert shim.probe(EXEC, ["/bin/true"])["output"] == ""


def test_exec_probe_verdicts(world):
    shim = world.shim()
    shim.running()
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS
    assert shim.probe(EXEC, ["true"])["verdict"] == PASS
    result = shim.probe(EXEC, ["/bin/sh", "-c", "kill -9 $$"])
    assert (result["verdict"], result["exit_code"]) == (FAIL, 137)
    result = shim.probe(EXEC, ["/no/such/program", "x"])
    assert result["verdict"] == ERROR and "/no/such/program" in result["output"]
    result = shim.probe(EXEC, ["/etc/passwd"])
    assert result["verdict"] == ERROR and "/etc/passwd" in result["output"]
    result = shim.probe(EXEC, ["/bin/sh", "-c", "seq 100000; seq 100000 >&2"])
    assert result["verdict"] == PASS and len(result["output"]) == 500 and result["output"].startswith("1\n2\n3\n")


def test_a_probe_is_ended_at_its_deadline_with_all_its_children(world):
    shim = world.shim()
    shim.running()
    command = "echo begun; setsid sh -c 'echo $$ > /share/child; exec sleep 1000' & sleep 1000"
    result = shim.probe(EXEC, ["/bin/sh", "-c", command], timeout_sec=1)
    assert result["verdict"] == TIMEOUT and result["output"] == "begun\n" and result["took"] >= 10**6
    shim.wait_dead("child")


def test_what_a_probe_leaves_behind_is_ended(world):
    shim = world.shim()
    shim.running()
    for _ in range(3):
        result = shim.probe(EXEC, ["/bin/sh", "-c", "sleep 1000 & echo $! > /share/child"])
        assert result["verdict"] == PASS
        shim.wait_dead("child")


def test_one_probe_at_a_time_and_cancel(world):
    shim = world.shim()
    shim.running()
    shim.order(1, EXEC, ["/bin/sleep", "1000"])
    shim.order(2, EXEC, ["/bin/true"])
    assert shim.wait_for(RESULT)["order"] == 2
    shim.send(PROBE_CANCEL)
    result = shim.wait_for(RESULT)
    assert (result["order"], result["verdict"]) == (1, CANCELLED)
    shim.send(PROBE_CANCEL)  # nothing to cancel
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS


def test_probes_leave_no_cgroup_behind(world):
    # Then a restart needs no process that clears up: whoever ends the run removes one empty folder.
    shim = world.shim("trap 'exit 0' TERM; echo ready > /share/ready; while :; do sleep 0.1; done")
    shim.running()
    shim.wait_share("ready")
    assert shim.probe(EXEC, ["/bin/true"])["verdict"] == PASS
    assert [name for name in os.listdir(shim.cgroup) if name.startswith("cleat-probe-")]
    shim.signal(signal.SIGTERM)
    shim.phase(EXITED)
    shim.end()
    assert not [name for name in os.listdir(shim.cgroup) if name.startswith("cleat-probe-")]


def test_the_end_of_the_container_ends_its_probe(world):
    shim = world.shim("trap 'exit 0' TERM; echo ready > /share/ready; while :; do sleep 0.1; done")
    shim.running()
    shim.wait_share("ready")
    shim.order(5, EXEC, ["busybox", "sleep", "1000"])
    until("the probe runs", lambda: "busybox" in shim.children())
    shim.signal(signal.SIGTERM)
    result = shim.wait_for(RESULT)
    # Whichever the shim sees first: the namespace's end killed the probe, or the container's end cancelled it.
    assert result["order"] == 5 and result["verdict"] in (CANCELLED, FAIL)
    assert shim.phase(EXITED)["exit_code"] == 0


# busybox's sh ignores it by itself.
HTTPD = "busybox httpd -f -p 127.0.0.1:8000 -h /www"


def test_http_and_tcp_probes_in_the_containers_network(world):
    shim = world.shim(HTTPD)
    shim.running()
    until("httpd answers", lambda: shim.probe(TCP, "tcp://127.0.0.1:8000")["verdict"] == PASS)
    result = shim.probe(HTTP, "http://127.0.0.1:8000/health")
    assert result["verdict"] == PASS and re.fullmatch(r"HTTP/1\.[01] 200 OK", result["output"])
    assert shim.probe(HTTP, "http://localhost:8000/health?x=1")["verdict"] == PASS
    result = shim.probe(HTTP, "http://127.0.0.1:8000/none")
    assert result["verdict"] == FAIL and " 404 " in result["output"]
    result = shim.probe(HTTP, "http://127.0.0.1:8001/")
    assert (result["verdict"], result["output"]) == (FAIL, "connect to 127.0.0.1:8001: Connection refused")
    assert shim.probe(TCP, "tcp://[::1]:8000")["verdict"] == FAIL
    for url, text in (("http://example.com/", "only IPv4, [IPv6] addresses and localhost"), ("https://127.0.0.1/", "https://"),
                      ("tcp://127.0.0.1", "port"), ("http://a@127.0.0.1/", "user name")):
        result = shim.probe(HTTP if url.startswith("http") else TCP, url)
        assert result["verdict"] == ERROR and text in result["output"]


def test_the_containers_network_is_not_ours(world):
    server = socket.create_server(("127.0.0.1", 0))
    shim = world.shim()
    shim.running()
    assert shim.probe(TCP, "tcp://127.0.0.1:%d" % server.getsockname()[1])["verdict"] == FAIL
    host = world.shim(network=False)
    host.running()
    assert host.probe(TCP, "tcp://127.0.0.1:%d" % server.getsockname()[1])["verdict"] == PASS
    server.close()


def serve(answer):
    """A listener of ours that gives one answer; for containers with the host's network."""
    server = socket.create_server(("127.0.0.1", 0))
    pid = os.fork()
    if pid == 0:
        try:
            while True:
                connection, _ = server.accept()
                connection.recv(4096)
                for part in answer:
                    connection.sendall(part)
                if not answer:
                    time.sleep(1000)
                connection.close()
        finally:
            os._exit(0)
    url = "http://127.0.0.1:%d/" % server.getsockname()[1]
    server.close()
    return pid, url


@pytest.mark.parametrize("answer, verdict, output", [
    ([b"HTTP/1.1 20", b"4 No", b" Content\r\n\r\n"], PASS, "HTTP/1.1 204 No Content"),
    ([b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n"], PASS, "HTTP/1.1 302 Found"),
    ([b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 503 Busy\r\n\r\n"], FAIL, "HTTP/1.1 503 Busy"),
    ([b"SSH-2.0-OpenSSH_9.2\r\n"], FAIL, "not an HTTP answer: SSH-2.0-OpenSSH_9.2"),
    ([b"HTTP/1.1 2x0 OK\r\n"], FAIL, "not an HTTP answer: HTTP/1.1 2x0 OK"),
    ([b"x" * 9000], FAIL, "no status line within 8192 bytes"),
    ([b"HTTP/1.1 200"], FAIL, "connection closed before a status line came"),
    ([b"HTTP/1.1 200 " + b"y" * 4000 + b"\r\n\r\n"], PASS, "HTTP/1.1 200 " + "y" * 423),
])
def test_what_servers_answer(world, answer, verdict, output):
    pid, url = serve(answer)
    try:
        shim = world.shim(network=False)
        shim.running()
        result = shim.probe(HTTP, url)
        assert (result["verdict"], result["output"]) == (verdict, output)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_silent_server_and_what_the_probe_may_do_meanwhile(world):
    pid, url = serve([])
    try:
        shim = world.shim(network=False)
        shim.running()
        shim.order(1, HTTP, url)
        child = until("the probe runs", lambda: shim.children().get("cleat-probe"))
        status = until("it is confined", lambda: (lambda s: s if "Seccomp:\t2" in s else "")(read("/proc/%d/status" % child)))
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert fields["Uid"].split() == ["65004"] * 4 and fields["Groups"].strip() == ""
        assert fields["CapEff"] == fields["CapPrm"] == fields["CapBnd"] == "0000000000000000"
        assert fields["NoNewPrivs"] == "1"
        shim.send(PROBE_CANCEL)
        assert shim.wait_for(RESULT)["verdict"] == CANCELLED
        assert shim.probe(HTTP, url, timeout_sec=0.5)["verdict"] == TIMEOUT
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_orders_that_cannot_be_run_get_a_result(world):
    shim = world.shim()
    shim.running()
    for kind, timeout, text in ((EXEC, 10**6, b""), (9, 10**6, b"x\0"), (EXEC, 0, b"/bin/true\0"), (EXEC, 10**6, b"/bin/true"),
                                (HTTP, 10**6, b"http://1.2.3.4\0/\0"), (EXEC, 10**6, b"\0x\0"), (EXEC, 10**6, b"x\0" * 300)):
        shim.send(PROBE, struct.pack("=QQII", 77, timeout, kind, len(text)) + text)
        result = shim.wait_for(RESULT)
        assert (result["order"], result["verdict"]) == (77, ERROR)
