# SPDX-License-Identifier: Apache-2.0
"""Pods of a whole appliance: what members share, who stops and starts with whom, an engine that dies, unit errors."""
import json
import os
import re
import shutil
import signal

import pytest

from appliance import IDLE, leftovers, parent_of, unit, wait_for
from lxc import LXC_CONFIG
from test_network import HOST, OUTSIDE, boot_in, engine_dies, read_inside, world  # noqa: F401 (a fixture)
from test_notify import without_engine

SERVE = "trap 'exit 0' TERM; while :; do echo hello | nc -l -p 7777 & wait; done"


def pod(lines="", service="", install=True):
    return "[Pod]\nPodName=web\n%s\n[Service]\n%s\n%s" % (lines, service, "[Install]\nWantedBy=default.target\n" if install else "")


def member(name, lines="", text=IDLE, **keywords):
    keywords = {"network": "", "install": False, **keywords}
    return unit("localhost/box:latest", 'ContainerName=%s\nPod=web.pod\nExec=/bin/sh -c "%s"\n%s' % (name, text, lines), **keywords)


def holder(a):
    """Outer pid of the only holder; one that has ended may still have to be waited for."""
    return wait_for("one holder", lambda: (lambda found: found[0] if len(found) == 1 else None)(a.processes("cleat-hold")))


def no_process(a, *names):
    wait_for("no %s is left" % (names,), lambda: not any(a.processes(name) for name in names))


def is_in_the_pod(a, name):
    try:
        return ns(a.pid_of(name), "net") == ns(holder(a), "net")
    except (OSError, AssertionError):
        return False


def ns(pid, name):
    return os.readlink("/proc/%d/ns/%s" % (pid, name))


def inside(a, name, script):
    return a.cleat("exec", name, "/bin/sh", "-c", script)


def test_containers_of_a_pod_share_network_names_memory_and_volumes(boot, world, box_image):
    before = world.state()
    a = boot_in(boot, world, box_image, {
        "web.pod": pod("PublishPort=8000:8080\nHostName=pod-host\nShmSize=1m\nAddHost=db:192.0.2.7\nDNS=192.0.2.53\n"
                       "Volume=%h/shared:/shared\nVolume=cache.volume:/cache\nNetworkAlias=frontend\n"),
        "cache.volume": "[Volume]\n",
        "one": member("one", "Volume=%h/own:/cache\n"),
        "two": member("two", "User=1001\n"),
        "other": unit("localhost/box:latest", 'ContainerName=other\nExec=/bin/sh -c "%s"\n' % IDLE, network="")})
    for name in ("web", "one", "two", "other"):
        a.wait_unit(name, state="up")
    held = holder(a)
    assert a.unit("web")["pid"] and a.pid_of("web") == held
    with open("/proc/%d/cmdline" % parent_of(held), encoding="utf-8") as words:
        assert "\0--name\0web\0" in words.read()  # in messages of its shim
    assert len(a.cleat("logs", "web", check=False).stdout.splitlines()) <= 1
    one, two = a.pid_of("one"), a.pid_of("two")
    for name in ("user", "net", "ipc", "uts"):
        assert ns(one, name) == ns(two, name) == ns(held, name), name
    for name in ("mnt", "pid", "cgroup"):
        assert len({ns(one, name), ns(two, name), ns(held, name)}) == 3, name
    # localhost between members, and from outside by the pod's port
    world.serve(two, 8080)
    assert world.ask(one, "127.0.0.1", 8080) == "127.0.0.1"
    assert world.ask(world.outside, HOST, 8000) == OUTSIDE
    # names: the pod's, its aliases and the members' lead to the one address
    address = a.unit("web")["addresses"][0]
    assert a.unit("one")["addresses"] == [] and a.unit("one")["pod"] == "web"
    for name, lines in (("one", ("%s\tpod-host web frontend one two\n" % address, "192.0.2.7\tdb\n")), ("other", ("%s\tweb frontend one two\n" % address,))):
        wait_for("%s knows them" % name, lambda: all(line in read_inside(a, name, "/etc/hosts") for line in lines))
    wait_for("both are told the same", lambda: read_inside(a, "one", "/etc/hosts") == read_inside(a, "two", "/etc/hosts"))
    assert read_inside(a, "one", "/etc/hostname") == "pod-host\n"
    assert "nameserver 192.0.2.53" in read_inside(a, "two", "/etc/resolv.conf")
    # exec joins what the member has joined
    assert inside(a, "two", "hostname; id -u").split() == ["pod-host", "1001"]
    inside(a, "one", "echo memory > /dev/shm/x; echo volume > /shared/x; chmod 666 /shared/x; echo own > /cache/x")
    assert inside(a, "two", "cat /dev/shm/x /shared/x; ls /cache | wc -l; df -k /dev/shm | grep -o ' 1024 ' | head -1").split() == \
        ["memory", "volume", "0", "1024"]
    refused = a.cleat("exec", "web", "/bin/sh", check=False)
    assert refused.returncode and "web is a pod: name one of its containers" in refused.stdout
    # what a program and a person see
    assert json.loads(a.cleat("inspect", "one"))["HostConfig"]["NetworkMode"] == "pod"
    assert json.loads(a.cleat("inspect", "web"))["NetworkSettings"]["IPAddress"] == address
    assert sorted(entry["Names"][0] for entry in json.loads(a.api("GET", "/containers/json?all=1")[1])) == ["/one", "/other", "/two"]
    table = a.cleat("ps")
    assert re.search(r"^web +up .* 8000->8080/tcp .*\(pod\)", table, re.M), table
    assert re.search(r"^one +up .* web +localhost/box", table, re.M), table
    listed = a.cleat("pod", "ls")
    assert re.search(r"^web +up .* %s +8000->8080/tcp +one two$" % re.escape(address), listed, re.M), listed
    assert json.loads(a.cleat("pod", "ls", "--format", "json")) == json.loads(a.cleat("pod", "inspect", "web"))
    assert [c["name"] for c in json.loads(a.cleat("pod", "inspect", "web.pod"))[0]["containers"]] == ["one", "two"]
    refused = a.cleat("pod", "inspect", "one", check=False)
    assert refused.returncode and "one: is a container" in refused.stdout
    # a volume of a pod that is down is still the pod's
    a.cleat("stop", "web")
    a.wait_unit("web", state="down")
    refused = a.inside("cleat", "volume", "rm", "systemd-cache", check=False)
    assert refused.returncode and "web.pod" in refused.stdout, refused.stdout
    assert a.stop() == 0
    assert world.state() == before
    assert leftovers(a) == []


ALWAYS = "Restart=always\nRestartSec=100ms\n"


def boot_pair(boot, world, box_image, lines="", service="", **units):
    a = boot_in(boot, world, box_image, {"web.pod": pod(lines, service), "one": member("one", service=ALWAYS),
                                         "two": member("two", service=ALWAYS), **units})
    for name in ("web", "one", "two"):
        a.wait_unit(name, state="up")
    return a


def test_a_member_restarts_alone(boot, world, box_image):
    a = boot_pair(boot, world, box_image, "PublishPort=8000:8080\n")
    held, one, two = holder(a), a.pid_of("one"), a.pid_of("two")
    world.serve(two, 8080)
    address = a.unit("web")["addresses"]
    os.kill(one, signal.SIGKILL)
    wait_for("one is started again", lambda: a.unit("one")["restarts"] == 1 and a.unit("one")["state"] == "up")
    assert a.pid_of("one") != one
    a.cleat("restart", "one")
    a.wait_unit("one", state="up")
    assert (holder(a), a.pid_of("two"), a.unit("web")["addresses"]) == (held, two, address)
    assert a.unit("web")["restarts"] == a.unit("two")["restarts"] == 0
    assert ns(a.pid_of("one"), "net") == ns(held, "net")
    assert world.ask(world.outside, HOST, 8000) == OUTSIDE
    assert world.ask(a.pid_of("one"), "127.0.0.1", 8080) == "127.0.0.1"


def test_the_holders_death_restarts_the_pod_with_its_members(boot, world, box_image):
    a = boot_pair(boot, world, box_image, "PublishPort=8000:8080\n")
    held, old = holder(a), {name: a.pid_of(name) for name in ("one", "two")}
    os.kill(held, signal.SIGKILL)
    wait_for("another holder", lambda: a.processes("cleat-hold") not in ([], [held]))
    for name in ("web", "one", "two"):
        a.wait_unit(name, state="up")
    new = holder(a)
    assert a.unit("web")["restarts"] == 1
    for name in ("one", "two"):
        wait_for("%s is another one" % name, lambda: is_in_the_pod(a, name) and a.pid_of(name) != old[name])
        assert not os.path.exists("/proc/%d" % old[name]) or ns(old[name], "net") == ns(new, "net")
        assert ns(a.pid_of(name), "net") == ns(new, "net")
    world.serve(a.pid_of("one"), 8080)
    assert world.ask(world.outside, HOST, 8000) == OUTSIDE
    assert len(a.unit("web")["addresses"]) == 1
    assert a.stop() == 0
    assert leftovers(a) == []


def test_a_pod_that_may_not_restart_takes_its_members_along(boot, world, box_image):
    a = boot_pair(boot, world, box_image, service="Restart=no\n")
    os.kill(holder(a), signal.SIGKILL)
    assert "SIGKILL" in a.wait_unit("web", state="failed")["detail"]
    for name in ("one", "two"):
        wait_for("%s is down" % name, lambda: a.unit(name)["pid"] is None)
    no_process(a, "cleat-hold")
    a.cleat("reset-failed", "web")
    a.cleat("start", "web")
    for name in ("web", "one", "two"):
        a.wait_unit(name, state="up")


def test_stop_start_and_restart_of_a_pod_are_its_members(boot, world, box_image):
    a = boot_pair(boot, world, box_image)
    held, one = holder(a), a.pid_of("one")
    a.cleat("restart", "web")
    for name in ("web", "one", "two"):
        a.wait_unit(name, state="up")
    assert holder(a) != held and a.pid_of("one") != one
    a.cleat("stop", "web")
    for name in ("web", "one", "two"):
        a.wait_unit(name, state="down")
    no_process(a, "cleat-hold", "cleat-shim")
    a.cleat("start", "one")  # brings the pod, and the pod the other one
    for name in ("web", "one", "two"):
        a.wait_unit(name, state="up")


def once(name, lines=""):
    """Ends by itself when it is told to."""
    return member(name, "Volume=%h/go:/go\n" + lines, "trap 'exit 0' TERM; while ! test -e /go/now; do sleep 0.1; done")


@pytest.mark.parametrize("policy", ["", "ExitPolicy=stop\n", "ExitPolicy=continue\n"])
def test_exit_policy(boot, world, box_image, policy):
    a = boot_in(boot, world, box_image, {"web.pod": pod(policy), "one": once("one"), "two": once("two")})
    for name in ("web", "one", "two"):
        a.wait_unit(name, state="up")
    held = holder(a)
    a.cleat("stop", "two")
    a.wait_unit("two", state="down")
    assert holder(a) == held and a.unit("web")["state"] == "up"  # one of them lives
    with open(os.path.join(a.data, "home", "go", "now"), "w"):
        pass
    a.wait_unit("one", state="down")
    if "continue" in policy:
        assert a.unit("web")["state"] == "up" and holder(a) == held
        a.cleat("restart", "one")
        wait_for("one has run in the same pod", lambda: a.unit("one")["exit"]["code"] == 0 and a.unit("one")["state"] == "down")
        assert holder(a) == held
    else:
        a.wait_unit("web", state="down")
        no_process(a, "cleat-hold")


def test_the_last_member_ends_while_no_engine_lives(boot, world, box_image):
    """ExitPolicy=stop holds for it all the same; and the end of the engine alone is no end of a member."""
    a = boot_in(boot, world, box_image, {"web.pod": pod(), "one": once("one")})
    for name in ("web", "one"):
        a.wait_unit(name, state="up")
    held, inner = holder(a), a.pid_of("one")
    without_engine(a, lambda: None)
    a.wait_unit("one", state="up")
    assert holder(a) == held

    def end():
        with open(os.path.join(a.data, "home", "go", "now"), "w"):
            pass
        wait_for("it has ended", lambda: not os.path.exists("/proc/%d" % inner))

    without_engine(a, end)
    a.wait_unit("one", state="down")
    a.wait_unit("web", state="down")
    no_process(a, "cleat-hold")


def test_start_with_pod_is_a_choice(boot, world, box_image):
    a = boot_in(boot, world, box_image, {"web.pod": pod(), "one": member("one"), "late": member("late", "StartWithPod=false\n")})
    for name in ("web", "one"):
        a.wait_unit(name, state="up")
    assert a.unit("late")["state"] == "down"
    held = holder(a)
    a.cleat("start", "late")
    a.wait_unit("late", state="up")
    assert ns(a.pid_of("late"), "net") == ns(held, "net")


def test_a_pod_outlives_its_engine(boot, world, box_image):
    a = boot_pair(boot, world, box_image, "PublishPort=8000:8080\n")
    held, pids = holder(a), [a.pid_of(name) for name in ("one", "two")]
    world.serve(pids[0], 8080)
    address = a.unit("web")["addresses"]
    engine_dies(a)
    for name in ("web", "one", "two"):
        a.wait_unit(name, state="up")
    assert (holder(a), [a.pid_of(name) for name in ("one", "two")]) == (held, pids)
    assert a.unit("web")["addresses"] == address
    assert world.ask(world.outside, HOST, 8000) == OUTSIDE
    # members that the new engine starts find the holder that the old one made
    a.cleat("restart", "two")
    a.wait_unit("two", state="up")
    assert ns(a.pid_of("two"), "net") == ns(held, "net")
    # and a holder that dies while no engine looks takes its members along
    engine = a.engine_pid()
    os.kill(engine, signal.SIGSTOP)
    os.kill(held, signal.SIGKILL)
    os.kill(engine, signal.SIGKILL)
    wait_for("another holder", lambda: a.processes("cleat-hold") not in ([], [held]))
    for name in ("web", "one", "two"):
        a.wait_unit(name, state="up")
        wait_for("%s is in the new pod" % name, lambda: is_in_the_pod(a, name))
    assert a.stop() == 0
    assert leftovers(a) == []


def test_a_pod_with_the_appliances_network_and_one_with_none(boot, world, box_image):
    a = boot_in(boot, world, box_image, {
        "web.pod": pod("Network=host\n"), "one": member("one"),
        "dark.pod": "[Pod]\nNetwork=none\n[Install]\nWantedBy=default.target\n",
        "two": unit("localhost/box:latest", 'ContainerName=two\nPod=dark.pod\nExec=/bin/sh -c "%s"\n' % IDLE, network="", install=False)})
    for name in ("web", "one", "systemd-dark", "two"):
        a.wait_unit(name, state="up")
    assert ns(a.pid_of("one"), "net") == ns(a.init_pid(), "net")
    assert ns(a.pid_of("one"), "uts") != ns(a.init_pid(), "uts")
    assert inside(a, "one", "hostname").strip() == "web"
    assert inside(a, "two", "hostname; ls /sys/class/net").split() == ["systemd-dark", "lo"]


def test_health_and_probes_in_a_pod(boot, world, box_image):
    a = boot_in(boot, world, box_image, {
        "web.pod": pod(),
        "server": member("server", 'HealthCmd=tcp://127.0.0.1:7777\nHealthInterval=1s\n', SERVE),
        "client": member("client", 'HealthCmd=nc 127.0.0.1 7777 </dev/null\nHealthInterval=1s\nNotify=healthy\n')})
    a.wait_unit("server", state="up", health="healthy")
    a.wait_unit("client", state="up", health="healthy")


def test_a_pod_with_limits_has_a_cgroup_around_its_containers(boot, world, box_image):
    """Where the machine has the controllers they act there (tests/boot); where not, the pod says so."""
    a = boot_in(boot, world, box_image, {
        "web.pod": pod("PodmanArgs=--memory=64m --cpus=0.5\n", "TasksMax=50\n"), "one": member("one"), "two": member("two", "Memory=32m\n"),
        "free.pod": "[Pod]\nPodName=free\n[Install]\nWantedBy=default.target\n"})
    for name in ("web", "one", "two", "free"):
        a.wait_unit(name, state="up")
    top = cgroup_of(a) + "/c"
    ids = {name: a.unit(name)["run_id"] for name in ("web", "one", "two", "free")}
    assert folders(top) == sorted(["pod-web", ids["free"]])
    assert folders(top + "/pod-web") == sorted(ids[name] for name in ("web", "one", "two"))
    for name in ("web", "one", "two"):
        with open("/proc/%d/cgroup" % a.pid_of(name)) as f:
            assert f.read().rstrip().endswith("/cleat/c/pod-web/" + ids[name])
    with open(top + "/pod-web/cgroup.procs") as f:
        assert f.read() == "", "it could not hand its controllers on"
    limits = {"memory.max": "67108864", "cpu.max": "50000 100000", "pids.max": "50"}
    notes = str(a.unit("web"))
    for name, value in limits.items():
        path = "%s/pod-web/%s" % (top, name)
        if os.path.exists(path):
            with open(path) as f:
                assert f.read().strip() == value
        else:
            assert "no %s controller" % name.split(".")[0] in notes, notes
    # a member goes and comes, is killed, joined; the pod is stopped, and made anew with other limits
    assert inside(a, "one", "cat /proc/self/cgroup").splitlines()[-1] == "0::/"
    a.cleat("kill", "two")
    assert a.wait_unit("two", state=("failed", "down"))
    wait_for("its cgroup has gone", lambda: folders(top + "/pod-web") == sorted(ids[name] for name in ("web", "one")))
    before = engine_dies(a)
    assert a.unit("one")["run_id"] == ids["one"], before
    a.cleat("stop", "web")
    wait_for("all of it has gone", lambda: folders(top) == [ids["free"]])
    a.cleat("start", "web")
    a.wait_unit("one", state="up")
    assert folders(top + "/pod-web")
    assert a.stop() == 0
    assert leftovers(a) == []


def cgroup_of(a):
    for base in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        path = os.path.join(base, "cleat-boot-%d" % a.process.pid, "cleat")
        if os.path.isdir(path):
            return path
    raise AssertionError("no cgroup of the appliance")


def folders(path):
    return sorted(name for name in os.listdir(path) if os.path.isdir(os.path.join(path, name)))


def test_errors_of_units_name_their_lines(boot, world, box_image):
    a = boot_in(boot, world, box_image, {
        "web.pod": pod(), "fine": member("fine"),
        "port": member("port", "PublishPort=80:80\n"),
        "network": member("network", network="bridge"),
        "lost": unit("localhost/box:latest", "Pod=nowhere.pod\n", network=""),
        "bad.pod": "[Pod]\nPodmanArgs=--cpus=many\n",
        "in-bad": unit("localhost/box:latest", "ContainerName=in-bad\nPod=bad.pod\n", network=""),
        "broken.volume": "[Volume]\nDriver=nonsense\n",
        "sick.pod": "[Pod]\nVolume=broken.volume:/x\n",
        "a-sick": unit("localhost/box:latest", "ContainerName=a-sick\nPod=sick.pod\n", network="")})
    a.wait_unit("fine", state="up")
    units = {entry["unit"]: entry for entry in a.status()["units"]}
    for name, text in (("port.container", "port.container:9:13: error: Container.PublishPort: is the pod's, which its containers share: write PublishPort= in the .pod"),
                       ("network.container", "Container.Network: is the pod's"),
                       ("lost.container", "there is no unit nowhere.pod"),
                       ("bad.pod", "bad.pod:2:12: error: Pod.PodmanArgs: --cpus: "),
                       ("in-bad.container", "pod systemd-bad cannot be made"),
                       ("sick.pod", "broken.volume has errors"),
                       ("a-sick.container", "sick.pod has errors")):
        assert units[name]["state"] == "invalid", units[name]
        assert text in units[name]["detail"], (name, units[name]["detail"])
    assert a.unit("web")["state"] == "up"


@pytest.mark.skipif(not os.path.isdir(LXC_CONFIG) or not shutil.which("lxc-start"), reason="lxc is not installed")
def test_a_pod_in_unprivileged_lxc(boot_lxc, box_image):
    c = boot_lxc(start=False, unprivileged=True)
    c.add_image("box", box_image)
    for name, text in {"web.pod": pod("PublishPort=8000:7777\n"), "one": member("one", text=SERVE), "two": member("two")}.items():
        c.add_unit(name, text)
    c.start()
    for name in ("web", "one", "two"):
        c.wait_unit(name, state="up")
    inside(c, "one", "echo memory > /dev/shm/x")
    assert inside(c, "two", "cat /dev/shm/x; hostname").split() == ["memory", "web"]
    wait_for("localhost reaches the other one", lambda: "hello" in c.cleat("exec", "two", "/bin/sh", "-c", "nc 127.0.0.1 7777 </dev/null", check=False).stdout)
    c.cleat("restart", "two")
    c.wait_unit("two", state="up")
    assert inside(c, "two", "cat /dev/shm/x").strip() == "memory"
    c.cleat("stop", "web")
    for name in ("web", "one", "two"):
        c.wait_unit(name, state="down")


def test_a_changed_pod_is_made_anew_with_its_members(boot, world, box_image):
    a = boot_pair(boot, world, box_image)
    held, one = holder(a), a.pid_of("one")
    a.add_unit("one", member("one", "Environment=A=b\n", service=ALWAYS))
    a.cleat("reload")
    wait_for("one is another process", lambda: a.unit("one")["pid"] and a.pid_of("one") != one)
    a.wait_unit("one", state="up")
    assert holder(a) == held
    a.add_unit("web.pod", pod("HostName=renamed\nVolume=%h/new:/new\n"))
    a.cleat("reload")
    wait_for("another holder", lambda: a.processes("cleat-hold") not in ([], [held]))
    for name in ("web", "one", "two"):
        a.wait_unit(name, state="up")
        wait_for("%s is in the new pod" % name, lambda: is_in_the_pod(a, name))
    assert inside(a, "one", "hostname; ls -d /new").split() == ["renamed", "/new"]
    held, pids = holder(a), [a.pid_of(name) for name in ("one", "two")]
    copy = os.path.join(a.data, "units", "last-good", "web.pod")
    wait_for("what is good is kept, a second after it came up", lambda: os.path.exists(copy) and "HostName=renamed" in open(copy).read())
    a.add_unit("web.pod", "[Pod]\nPodName=web\nShmSize=much\n")
    refused = a.cleat("reload", check=False)
    assert refused.returncode and "Pod.ShmSize" in refused.stdout
    assert "Pod.ShmSize" in a.wait_unit("web", state="invalid", last_good=True)["detail"]
    for name in ("one", "two"):
        assert a.wait_unit(name, state=("up", "invalid"))["pid"], name
    assert (holder(a), [a.pid_of(name) for name in ("one", "two")]) == (held, pids)
    assert "whether its image" not in a.console()
    assert inside(a, "two", "hostname").strip() == "renamed"


def test_a_tmpfs_volume_of_a_pod_is_for_one_container_only(boot, world, box_image):
    units = {"web.pod": pod("Volume=scratch.volume:/scratch\n"), "scratch.volume": "[Volume]\nDevice=tmpfs\nType=tmpfs\n", "one": member("one")}
    a = boot_in(boot, world, box_image, units)
    a.wait_unit("one", state="up")
    assert "tmpfs" in inside(a, "one", "grep ' /scratch ' /proc/mounts")
    assert a.stop() == 0
    b = boot_in(boot, world, box_image, {**units, "two": member("two")})
    seen = wait_for("neither starts", lambda: next((u for u in map(b.unit, ("one", "two")) if u["state"] in ("failed", "backoff")), None))
    assert "volume systemd-scratch is a tmpfs, which every container has for itself" in seen["detail"]
