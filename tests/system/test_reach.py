# SPDX-License-Identifier: Apache-2.0
"""The whole way of an operator's unit: dropped into the configuration of a container made from the template, its image is pulled from
a registry, it starts on the default bridge, publishes its port, writes its volume, and answers from another host."""
import os
import re
import signal
import subprocess

import pytest

from appliance import BUILD, IMAGES, unit, wait_for
from lxc import ADDRESS, GATEWAY
from ociimage import busybox_of, write_box
from registry import DockerRegistry, has_docker_registry
from test_network import World

# The unit that the appliance was made for, with nothing changed but its image's registry.
SEED = """[Unit]
Description=MoE Orchestrator
After=network-online.target

[Container]
Image=%s/moe-orchestrator:latest
ContainerName=moe-orchestrator
AutoUpdate=registry
EnvironmentFile=%%h/moe/.env
Volume=%%h/moe/logs:/app/logs:Z
ReadOnly=true
Tmpfs=/tmp:rw,size=64m
PublishPort=8000:8000
UserNS=keep-id
DropCapability=ALL
NoNewPrivileges=true
LogDriver=journald

[Service]
Restart=on-failure
RestartSec=10

[Install]
WantedBy=default.target
"""


@pytest.fixture
def registry_of(tmp_path):
    made = []

    def make(machine):
        made.append(DockerRegistry(tmp_path / "registry", netns=machine.holder.pid, address=GATEWAY).start())
        return made[-1]

    yield make
    for registry in made:
        registry.stop()


@pytest.mark.skipif(not has_docker_registry(), reason="docker-registry is not installed")
def test_the_seed_unit_pulls_starts_publishes_and_answers_from_another_host(boot_lxc, registry_of):
    machine = boot_lxc(images=())
    registry = registry_of(machine)
    registry.push(os.path.join(IMAGES, "moe-orchestrator.tar"), "moe-orchestrator:latest")
    with open(os.path.join(machine.config, "registries.conf"), "w", encoding="utf-8") as f:
        f.write('[[registry]]\nlocation = "%s"\ninsecure = true\n' % registry.host)
    machine.shell("mkdir -p /data/home/moe && echo MOE_GREETING=hi >/data/home/moe/.env")
    machine.add_unit("moe-orchestrator", SEED % registry.host)

    machine.cleat("reload")
    wait_for("the unit is there", lambda: "moe-orchestrator" in machine.cleat("ps", "-a"))
    machine.wait_unit("moe-orchestrator", state="up")

    def health():
        """A program that has just started may not listen yet."""
        try:
            return machine.http_from_network("/health", port=8000)
        except OSError:
            return None

    status, body = wait_for("it answers", health)
    assert status == 200, body
    # by the appliance's own addresses, too
    assert machine.shell("wget -q -O - http://127.0.0.1:8000/health") == machine.shell("wget -q -O - http://%s:8000/health" % ADDRESS)
    assert "10.88." in machine.shell("ip -4 address show dev cleat0")
    assert "8000" in machine.cleat("ps")

    # what it keeps outlives the container; what it had on the network does not
    assert machine.shell("ls -d /data/home/moe/logs").strip() == "/data/home/moe/logs"
    machine.cleat("stop", "moe-orchestrator")
    refused = subprocess.run(machine.command("curl", "-s", "-m", "5", "http://%s:8000/health" % ADDRESS), stdout=subprocess.DEVNULL)
    assert refused.returncode == 7


# --- everything together in one container of the template -------------------------------------------------------------------------

# The page that a container serves: who asks, who answers, and what it keeps and knows.
PAGE = b"""#!/bin/sh
printf 'Content-type: text/plain\\r\\n\\r\\n'
echo "$REMOTE_ADDR $(id -u) $WORD $(cat /run/secrets/key) $(cat /data/count)"
"""
# Counts its lives in its volume, then serves as nobody of importance, on a port that only root used to have.
SERVE = b"""#!/bin/sh
echo x >>/data/lives
wc -l </data/lives >/data/count
exec httpd -f -p 0.0.0.0:80 -h /www
"""


class Outside(World):
    """What World can ask and serve, in namespaces that are somebody else's."""

    def __init__(self):
        self.servers = []

    def close(self):
        while self.servers:
            process = self.servers.pop()
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.fixture
def outside():
    made = Outside()
    yield made
    made.close()


def network_of(machine):
    """Links, addresses, routes and rules of the container's own network."""
    def out(*words):
        return subprocess.run(["nsenter", "-t", str(machine.init_pid()), "-n", *words], check=True, stdout=subprocess.PIPE, text=True).stdout

    return out("ip", "-o", "-br", "link"), out("ip", "-4", "-o", "address"), out("ip", "-4", "route"), out("nft", "list", "ruleset")


def idle(container="", network=""):
    return unit("localhost/box:latest", 'Exec=/bin/sh -c "trap \'exit 0\' TERM; sleep 1000000 & wait"\n' + container, network=network)


@pytest.mark.skipif(not has_docker_registry(), reason="docker-registry is not installed")
def test_everything_at_once_in_an_unprivileged_container(boot_lxc, registry_of, outside, tmp_path, box_image):
    machine = boot_lxc(images=(), start=False)
    machine.add_image("box", box_image)
    registry = registry_of(machine)
    served = str(tmp_path / "served.tar")
    write_box(served, busybox_of(BUILD), name="localhost/served:1", config={"Cmd": ["/bin/serve"], "User": "1001:1001"},
              extra=[("www", {}), ("www/cgi-bin", {}), ("www/cgi-bin/who", {"content": PAGE}), ("bin/serve", {"content": SERVE}),
                     ("data", {"uid": 1001, "gid": 1001})])
    registry.push(served, "team/served:1")
    with open(os.path.join(machine.config, "registries.conf"), "w", encoding="utf-8") as f:
        f.write('[[registry]]\nlocation = "%s"\ninsecure = true\n' % registry.host)
    folder = os.path.join(machine.config, "secrets")
    os.mkdir(folder)
    for name, value in (("key", "of-the-file"), ("word", "of-the-variable")):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(value)
        os.chown(os.path.join(folder, name), machine.first, machine.first)
    machine.start()
    before = network_of(machine)
    # nothing runs yet, and there is no network of ours
    assert "cleat0" not in before[0] and before[3] == ""

    machine.add_unit("web", unit("%s/team/served:1" % registry.host, "ContainerName=web\nHostName=www\nPublishPort=8000:80\nPublishPort=5300:53/udp\n"
                                 "Volume=kept:/data\nSecret=key,uid=1001,mode=0400\nSecret=word,type=env,target=WORD\nStopSignal=SIGKILL\n",
                                 network=None))
    machine.add_unit("client", idle("ContainerName=client\n"))
    machine.add_unit("vault.network", "[Network]\nInternal=true\n")
    machine.add_unit("safe", idle("ContainerName=safe\n", network="vault.network"))
    machine.add_unit("keeper", idle("ContainerName=keeper\n", network="vault.network"))
    machine.cleat("reload")
    names = ("web", "client", "safe", "keeper")
    wait_for("the units are there", lambda: all(name in machine.cleat("ps", "-a") for name in names))
    for name in names:
        machine.wait_unit(name, state="up", seconds=60)
    assert registry.host in machine.unit("web")["image"]
    address = {name: machine.unit(name)["addresses"][0] for name in names}

    def by_name():
        return machine.cleat("exec", "client", "wget", "-q", "-O", "-", "http://web/cgi-bin/who").split()

    def page():
        """What another host gets: a program that has just started may not listen yet."""
        def answer():
            try:
                return machine.http_from_network("/cgi-bin/who", port=8000)
            except OSError:
                return None

        return wait_for("web answers", answer)

    # TCP and UDP from another host: the server sees its address; uid 1001 serves port 80
    assert page() == (200, "%s 1001 of-the-variable of-the-file 1\n" % GATEWAY)
    web = machine.pid_of("web")
    outside.serve(web, 53, "udp")
    assert outside.ask(machine.holder.pid, ADDRESS, 5300, "udp") == GATEWAY
    # from the appliance itself, and from a neighbour by name
    assert machine.shell("wget -q -O - http://127.0.0.1:8000/cgi-bin/who").split()[1:] == ["1001", "of-the-variable", "of-the-file", "1"]
    assert by_name() == [address["client"], "1001", "of-the-variable", "of-the-file", "1"]
    assert machine.cleat("exec", "client", "wget", "-q", "-O", "-", "http://%s:8000/cgi-bin/who" % ADDRESS).split()[-1] == "1"
    # outwards by masquerade
    outside.serve(machine.holder.pid, 7777)
    client, safe, keeper = (machine.pid_of(name) for name in ("client", "safe", "keeper"))
    assert outside.ask(client, GATEWAY, 7777) == ADDRESS
    # an internal network: among themselves, and nothing in or out
    outside.serve(keeper, 80)
    assert outside.ask(safe, address["keeper"], 80) == address["safe"]
    with open("/proc/%d/root/etc/hosts" % safe) as f:
        hosts = f.read()
    assert "%s\tkeeper\n" % address["keeper"] in hosts and "web" not in hosts
    # also when it has found itself a way out
    for who in (safe, keeper):
        subprocess.run(["nsenter", "-t", str(who), "-n", "ip", "route", "add", "default", "via", re.sub(r"\d+$", "1", address["safe"])], check=True)
    for who, host, port in ((safe, GATEWAY, 7777), (safe, address["web"], 80), (safe, ADDRESS, 8000), (client, address["keeper"], 80)):
        assert outside.ask(who, host, port, limit=1) is None, (who, host, port)
    # nor for a host that has a route
    subprocess.run(machine.command("ip", "route", "add", "10.88.0.0/15", "via", ADDRESS), check=True)
    for host in (address["keeper"], address["web"]):
        assert outside.ask(machine.holder.pid, host, 80, limit=1) is None, host

    # somebody flushes all rules, and the engine is killed: both come back to what they were
    def rules():
        return sorted(network_of(machine)[3].split("\n"))

    whole = rules()
    subprocess.run(["nsenter", "-t", str(machine.init_pid()), "-n", "nft", "flush", "ruleset"], check=True)
    wait_for("the rules are back", lambda: rules() == whole)
    assert page() == (200, "%s 1001 of-the-variable of-the-file 1\n" % GATEWAY)
    engine = machine.engine_pid()
    os.kill(engine, signal.SIGKILL)
    wait_for("another engine", lambda: machine.ping() and machine.engine_pid() != engine)
    assert page() == (200, "%s 1001 of-the-variable of-the-file 1\n" % GATEWAY)
    assert machine.wait_unit("web", state="up")["addresses"] == [address["web"]]
    assert machine.pid_of("web") == web

    # exec: code, user, folder
    assert machine.cleat("exec", "-w", "/tmp", "web", "sh", "-c", "id -u; pwd; cat /run/secrets/key").split() == ["1001", "/tmp", "of-the-file"]
    assert machine.cleat("exec", "web", "sh", "-c", "exit 7", check=False).returncode == 7

    # a restart: another life, the same volume, the same name; and the same address, though somebody still holds the old namespace
    machine.cleat("restart", "web")
    machine.wait_unit("web", state="up")
    assert machine.pid_of("web") != web
    assert page() == (200, "%s 1001 of-the-variable of-the-file 2\n" % GATEWAY)
    assert by_name()[-1] == "2"
    lives = os.path.join(machine.data, "volumes", "kept", "lives")
    assert os.stat(lives).st_uid == machine.outside_id(1001)

    # and nothing of the network stays, once nobody holds a namespace of it any more
    outside.close()
    for name in names:
        machine.cleat("stop", name)
    for name in names:
        machine.wait_unit(name, state="down")
    refused = subprocess.run(machine.command("curl", "-s", "-m", "5", "http://%s:8000/" % ADDRESS), stdout=subprocess.DEVNULL)
    assert refused.returncode == 7
    wait_for("links, addresses, routes and rules are what they were", lambda: network_of(machine) == before)
