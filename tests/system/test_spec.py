# SPDX-License-Identifier: Apache-2.0
"""cleat spec: what a unit means, as JSON and as config.json, and that the runtime makes of that file what podman's words mean."""
import json
import os
import shutil
import subprocess

import pytest

from appliance import BUILD, CLEAT, ROOT
from ociimage import busybox_of, write_box

RUNTIME = os.path.join(BUILD, "bin", "cleat-runtime")
RUN_ID = "000000000000"  # what "cleat spec --oci" calls the run


def cleat(*words, status=0):
    done = subprocess.run([CLEAT, "spec", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == status, done.stderr
    return done


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with the box image, made by the real import."""
    place = tmp_path_factory.mktemp("spec-store")
    images = place / "images"
    images.mkdir()
    write_box(images / "box.tar", busybox_of(BUILD), config={"Volumes": {"/var/lib/box": {}}, "WorkingDir": "/home"})
    subprocess.run([CLEAT, "import", "--store", place / "store", "--images", images, "localhost/box:latest"], check=True,
                   stdout=subprocess.DEVNULL)
    yield place / "store"
    shutil.rmtree(place)


def unit(folder, lines, name="web"):
    text = "[Container]\nImage=localhost/box:latest\n" + "\n".join(lines) + "\n"
    (folder / (name + ".container")).write_text(text)
    return str(folder)


def config_of(tmp_path, store, lines):
    units = unit(tmp_path, lines)
    return cleat("--oci", "--dir", units, "--store", str(store), "web")


def run(tmp_path, store, lines):
    """Starts the container that the lines describe; its output and exit status."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "config.json").write_text(config_of(tmp_path, store, lines).stdout)
    try:
        done = subprocess.run([RUNTIME, "run", "--bundle", str(bundle), RUN_ID], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    finally:
        subprocess.run([RUNTIME, "teardown", RUN_ID], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return done


HARDENED = ["Network=none", "ReadOnly=true", "Tmpfs=/tmp:rw,size=8m,mode=1770", "DropCapability=ALL", "NoNewPrivileges=true", "User=app",
            "Environment=A=1", "Timezone=Etc/UTC", "Ulimit=nofile=100:200", "HostName=webby", "Memory=64m"]


def test_a_unit_by_name_and_by_path(tmp_path):
    units = unit(tmp_path, HARDENED)
    by_name = json.loads(cleat("--dir", units, "web").stdout)
    by_path = json.loads(cleat(units + "/web.container").stdout)
    assert by_name == by_path
    assert by_name["memory_bytes"] == 64 << 20
    assert by_name["cap_drop"] == ["ALL"]
    assert by_name["mounts"][0]["line"] == 5
    assert json.loads(cleat("--dir", units, "web.service").stdout) == by_name


def test_a_bad_unit_is_named_with_its_line(tmp_path):
    units = unit(tmp_path, ["Network=host", "Memory=12q"])
    done = cleat("--dir", units, "web", status=1)
    assert done.stdout == ""
    assert "web.container:4:" in done.stderr and '"12q" is no size' in done.stderr


def test_a_missing_unit_or_image_is_named(tmp_path):
    units = unit(tmp_path, ["Network=host"])
    assert "no unit other in " + units in cleat("--dir", units, "other", status=2).stderr
    done = cleat("--oci", "--dir", units, "--store", str(tmp_path / "none"), "web", status=1)
    assert "image localhost/box:latest: image store" in done.stderr
    assert not (tmp_path / "none").exists()


def test_config_json_has_the_facts_of_image_and_machine(tmp_path, store):
    done = config_of(tmp_path, store, HARDENED)
    config = json.loads(done.stdout)
    assert config["annotations"]["org.cleat.user"] == "app"
    assert config["annotations"]["org.cleat.root"] == "read-only"
    assert all(os.path.isdir(layer) for layer in config["annotations"]["org.cleat.layers"].split(":"))
    assert config["process"]["cwd"] == "/home"
    assert config["hostname"] == "webby"
    assert config["linux"]["cgroupsPath"] == "cleat/c/" + RUN_ID
    assert "volume /var/lib/box is scratch space" in done.stderr
    assert [m for m in config["mounts"] if m["destination"] == "/var/lib/box"][0]["type"] == "tmpfs"


def test_the_runtime_makes_of_it_what_the_words_say(tmp_path, store):
    script = ("id -u; id -g; grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; cat /proc/self/uid_map; hostname; echo $A $TZ;"
              " pwd; ulimit -n; touch /x || echo cannot; grep -E ' (/tmp|/dev/shm|/var/lib/box) ' /proc/mounts; ls /sys/class/net;"
              " ls /proc/acpi /sys/firmware | wc -l")
    done = run(tmp_path, store, HARDENED + ["Exec=/bin/sh -c \"%s\"" % script.replace("$", "$$")])
    assert done.returncode == 0, done.stderr
    out = done.stdout
    assert out.startswith("1001\n1001\n")
    assert "CapEff:\t0000000000000000" in out and "CapBnd:\t0000000000000000" in out
    assert "NoNewPrivs:\t1" in out and "Seccomp:\t2" in out
    assert ["0", "65000", "1"] in [line.split() for line in out.splitlines()]
    assert "\nwebby\n1 Etc/UTC\n/home\n100\ncannot\n" in out
    mounts = {line.split()[1]: line.split()[3] for line in out.splitlines() if line.startswith("tmpfs ") or " tmpfs " in line}
    assert "size=8192k" in mounts["/tmp"] and "mode=1770" in mounts["/tmp"] and "nosuid" in mounts["/tmp"]
    assert "size=8192k" in mounts["/dev/shm"]
    assert "size=16384k" in mounts["/var/lib/box"]
    assert "\nlo\n" in out


def test_added_capabilities_are_ambient_for_others_than_root(tmp_path, store):
    done = run(tmp_path, store, ["Network=none", "User=1001", "AddCapability=NET_BIND_SERVICE", "Exec=grep Cap /proc/self/status"])
    assert done.returncode == 0, done.stderr
    sets = dict(line.split(":\t") for line in done.stdout.splitlines())
    assert sets["CapEff"] == sets["CapAmb"] == "%016x" % (1 << 10)
    assert sets["CapBnd"] == "%016x" % 0x800405FB


def test_a_throw_away_root_is_bounded(tmp_path, store):
    done = run(tmp_path, store, ["Network=none", "Memory=16m", "Exec=/bin/sh -c \"dd if=/dev/zero of=/big bs=1M count=6 2>&1; rm /big; echo rest\""])
    assert "No space left on device" in done.stdout
    assert done.stdout.endswith("rest\n")


def test_calls_outside_the_profile_are_refused(tmp_path, store):
    done = run(tmp_path, store, ["Network=none", "DropCapability=SYS_CHROOT", "Exec=/bin/sh -c \"mount -t tmpfs x /tmp; umount /proc; chroot / true\""])
    assert done.returncode != 0
    assert done.stderr.count("ermission denied") + done.stderr.count("not permitted") >= 2


def test_the_options_page_is_current():
    with open(os.path.join(ROOT, "engine", "spec", "OPTIONS.md"), encoding="utf-8") as page:
        assert page.read() == cleat("--options").stdout
    with open(os.path.join(ROOT, "tests", "fuzz", "options.dict"), encoding="utf-8") as words:
        assert words.read() == cleat("--fuzz-dictionary").stdout


def test_usage_errors(tmp_path):
    for words in ([], ["--nonsense", "x"], ["a", "b"], ["--options", "x"], ["--dir"]):
        assert cleat(*words, status=2).stdout == ""
    assert "cleat spec" in cleat("--dir", str(tmp_path / "absent"), "web", status=2).stderr
    for name, text in (("n.network", "[Network]\nSubnet=10.9.0.0/24\n"), ("v.volume", "[Volume]\nUser=5\n"), ("i.image", "[Image]\nImage=localhost/x:1\n")):
        (tmp_path / name).write_text(text)
        # nothing but where to look: words of a network are no options of a container
        assert cleat("--dir", str(tmp_path), name, status=2).stderr == 'cleat spec: %s: only containers and pods have a spec: write "cleat explain %s"\n' % (name, name)


def test_a_zone_is_explained_down_to_its_mounts(tmp_path):
    (tmp_path / "web.container").write_text("[Container]\nImage=localhost/x:1\nTimezone=Europe/Berlin\n")
    done = subprocess.run([CLEAT, "explain", "--dir", str(tmp_path), "web"], stdout=subprocess.PIPE, text=True, check=True)
    assert "process.env[] TZ=Europe/Berlin\n" in done.stdout
    assert all("mounts[] destination=%s type=bind" % where in done.stdout for where in ("/etc/localtime", "/usr/share/zoneinfo/Europe/Berlin"))
