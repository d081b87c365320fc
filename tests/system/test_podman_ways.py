# SPDX-License-Identifier: Apache-2.0
"""What podman gives a container without being asked, looked at from inside: programs that come from there count on it."""
import json
import tarfile

import pytest

from appliance import BUILD, IDLE, unit
from ociimage import Archive, box_entries, busybox_of, layer, write_box

BERLIN_IS_ELSEWHERE = {"mode": 0o644, "content": b"TZif: the image's own"}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """"box", and "zones", which has a zone of its own and a link to one that it lacks."""
    folder = tmp_path_factory.mktemp("images")
    made = {name: str(folder / (name + ".tar")) for name in ("box", "zones")}
    write_box(made["box"], busybox_of(BUILD))
    write_box(made["zones"], busybox_of(BUILD), name="localhost/zones:latest", extra=[
        ("usr", {}), ("usr/share", {}), ("usr/share/zoneinfo", {}), ("usr/share/zoneinfo/Europe", {}),
        ("usr/share/zoneinfo/Europe/Berlin", BERLIN_IS_ELSEWHERE), ("etc/localtime", {"link": "/usr/share/zoneinfo/Etc/UTC"})])
    return made


def start(boot, images, units):
    a = boot(units, images=(), start=False)
    for name, path in images.items():
        a.add_image(name, path)
    a.start()
    for name in (n for n in units if "." not in n):
        a.wait_unit("systemd-" + name, state="up")
    return a


def script(container, image="box", **keywords):
    return unit("localhost/%s:latest" % image, "Exec=/bin/sh -c \"%s\"\n" % IDLE + container, **keywords)


def inside(a, name, text, *options):
    return a.cleat("exec", *options, name, "/bin/sh", "-c", text).strip()


def test_a_zone_is_there_without_the_images_help(boot, images):
    a = start(boot, images, {
        "plain": script("Timezone=Europe/Berlin\nReadOnly=true\nUser=1001\n"),
        "own": script("Timezone=Europe/Berlin\n", image="zones"),
        "writes": script("Timezone=Europe/Berlin\n"),
        "fixed": script("Timezone=Europe/Berlin\nReadOnly=true\n", image="zones"),
        "covered": script("Timezone=Europe/Berlin\nTmpfs=/usr/share/zoneinfo\n")})
    for at, shown in ((1764000000, "17:00 CET"), (1750000000, "17:06 CEST")):
        show = "date -d @%d '+%%H:%%M %%Z'" % at
        assert inside(a, "plain", show) == shown
        assert inside(a, "plain", "unset TZ; " + show) == shown  # /etc/localtime, as with podman
        assert inside(a, "writes", show) == shown
        assert inside(a, "own", "unset TZ; " + show) == inside(a, "fixed", "unset TZ; " + show) == shown
    assert inside(a, "plain", "echo $TZ") == "Europe/Berlin"
    for name in ("own", "fixed"):
        assert inside(a, name, "cat /usr/share/zoneinfo/Europe/Berlin") == BERLIN_IS_ELSEWHERE["content"].decode()
    assert inside(a, "covered", "ls /usr/share/zoneinfo") == ""


def test_a_container_without_network_finds_itself(boot, images):
    a = start(boot, images, {"none": script("HostName=me.example\n")})
    assert "127.0.0.1\tme.example systemd-none" in inside(a, "none", "cat /etc/hosts").splitlines()


def test_whoever_runs_writes_to_run_of_a_read_only_root(boot, images):
    a = start(boot, images, {"user": script("ReadOnly=true\nUser=1001\n")})
    assert inside(a, "user", "for d in /run /tmp /var/tmp; do echo x >$d/pid && cat $d/pid; done") == "x\nx\nx"


BOX_PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1001:1001::/home/app:/bin/sh\n"
BOX_GROUP = "root:x:0:\napp:x:1001:\nextra:x:2002:app\n"


def account_images(folder):
    """"box" as ever; "bare" has neither file, "rough" has no end of its last line and its passwd elsewhere, behind a link."""
    rest = [(name, what) for name, what in box_entries(busybox_of(BUILD)) if name not in ("etc/passwd", "etc/group")]
    files = {"bare": [], "rough": [("lib", {}), ("lib/users", {"mode": 0o644, "content": BOX_PASSWD.encode()[:-1]}),
                                   ("etc/passwd", {"link": "../../../lib/users"}),
                                   ("etc/group", {"mode": 0o444, "content": BOX_GROUP.encode()[:-1]})]}
    made = {"box": str(folder / "box.tar")}
    write_box(made["box"], busybox_of(BUILD), config={"User": "1001", "WorkingDir": "/home"})
    for name, extra in files.items():
        made[name] = str(folder / (name + ".tar"))
        Archive("localhost/%s:latest" % name, [layer(rest + extra)], {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]}).write(made[name])
    return made


NEW = "5555:*:5555:0:container user:%s:/bin/sh\n"
# lines of the unit, image, what /etc/passwd and /etc/group are then, HOME; as podman 4.3 has it, but for "rough", where it spoils the last line
ACCOUNTS = {
    "known": ("", "box", BOX_PASSWD, BOX_GROUP, "/home/app"),
    "number": ("User=5555\n", "box", BOX_PASSWD + NEW % "/home", BOX_GROUP + "5555:x:5555:5555\n", "/home"),
    "both": ("User=5555\nGroup=5556\nWorkingDir=/data\n", "box", BOX_PASSWD + "5555:*:5555:5556:container user:/data:/bin/sh\n",
             BOX_GROUP + "5556:x:5556:5555\n", "/data"),
    "named-group": ("User=5555\nGroup=extra\n", "box", BOX_PASSWD + "5555:*:5555:2002:container user:/home:/bin/sh\n", BOX_GROUP, "/home"),
    "named-user": ("User=app\nGroup=7777\n", "box", BOX_PASSWD, BOX_GROUP + "7777:x:7777:app\n", "/home/app"),
    "own-lines": ("User=5555\nPodmanArgs=--passwd-entry=me$UID:x:$UID:$GID:$NAME:$HOME/x:/bin/ash --group-entry=us:x:$GID:$USERLIST\n", "box",
                  BOX_PASSWD + "me5555:x:5555:0:container user:/home/x:/bin/ash\n", BOX_GROUP + "us:x:5555:5555\n", "/home/x"),
    "none": ("User=5555\nPodmanArgs=--passwd=false\n", "box", BOX_PASSWD, BOX_GROUP, "/"),
    "covered": ("User=5555\nTmpfs=/etc\n", "box", BOX_PASSWD, BOX_GROUP, "/"),
    "keep": ("UserNS=keep-id\n", "rough", BOX_PASSWD + "1000:*:1000:1000:container user:/:/bin/sh\n", BOX_GROUP + "1000:x:1000:1000\n", "/"),
    "bare": ("User=5555\n", "bare", NEW % "/", "5555:x:5555:5555\n", "/"),
}


def test_a_user_that_is_a_number_has_a_name(boot, tmp_path_factory):
    roots = {"w": "", "r": "ReadOnly=true\n"}
    health = "HealthCmd=/bin/sh -c 'echo $HOME; id -u'\nHealthInterval=1s\nNotify=healthy\n"
    units = {"%s-%s" % (root, name): script(more + lines + health, image=image)
             for root, more in roots.items() for name, (lines, image, *_) in ACCOUNTS.items()}
    a = start(boot, account_images(tmp_path_factory.mktemp("accounts")), units)
    for root in roots:
        for name, (lines, _, passwd, group, home) in ACCOUNTS.items():
            container = "systemd-%s-%s" % (root, name)

            def say(text, *options, container=container):
                return a.cleat("exec", *options, container, "/bin/sh", "-c", text)

            assert (container, say("cat /etc/passwd")) == (container, passwd)
            assert (container, say("cat /etc/group")) == (container, group)
            uid = say("id -u").strip()
            environment = say("cat /proc/1/environ").split("\0")
            assert "HOME=" + home in environment and say("echo $HOME") == home + "\n", container
            probe = json.loads(a.cleat("inspect", container))["State"]["Health"]["Log"][-1]
            assert probe["Output"] == "%s\n%s\n" % (home, uid), container
            if name in ("number", "both", "bare"):
                assert "uid=5555(5555)" in say("id")
                assert say("ls -l /etc/passwd | head -c 10").strip() == "-rw-r--r--"
            # who has a writable root may go on in podman's way, by renaming; a read-only one stays what it is
            changed = say("exec 2>/dev/null; (echo x:x:7:7::/: >>/etc/passwd) && echo wrote; cp /etc/passwd /etc/p && mv /etc/p /etc/passwd && echo renamed; true",
                          "-u", "0").split()
            assert changed == (["wrote", "renamed"] if root == "w" or name == "covered" else []), container
            assert say("id -u", "-u", "0").strip() == "0"
    # nothing of all that came into the image
    assert inside(a, "systemd-w-none", "grep -c 5555 /etc/passwd; true") == "0"


def test_a_tmpfs_has_a_share_of_the_memory(boot, images):
    a = start(boot, images, {"shares": script("Tmpfs=/ten:size=10%\nTmpfs=/twenty:rw,size=20%\nVolume=v.volume:/five\nMemory=64m\n")}
              | {"v.volume": "[Volume]\nVolumeName=v\nDevice=tmpfs\nType=tmpfs\nOptions=size=5%\n"})
    total = 1024 * int(inside(a, "shares", "head -n 1 /proc/meminfo").split()[1])
    sizes = {}
    for line in inside(a, "shares", "cat /proc/mounts").splitlines():
        _, place, kind, options = line.split()[:4]
        if kind == "tmpfs" and place in ("/five", "/ten", "/twenty"):
            sizes[place] = next(1024 * int(word[5:-1]) for word in options.split(",") if word.startswith("size="))
    assert 64 * 2**20 * 0.1 < sizes["/ten"] <= total / 10  # not of the unit's Memory=
    for place, part in (("/five", 0.5), ("/twenty", 2)):
        assert abs(sizes[place] - sizes["/ten"] * part) <= 2 * 4096


def odd_files(folder):
    """What images have at the places of our files: links, one of them onto a mount, a FIFO, somebody else's file."""
    made = {"box": str(folder / "box.tar"), "odd": str(folder / "odd.tar"), "pipe": str(folder / "pipe.tar")}
    write_box(made["box"], busybox_of(BUILD))
    write_box(made["odd"], busybox_of(BUILD), name="localhost/odd:latest", extra=[
        ("bin/tool", {"content": b"a tool"}), ("etc/hostname", {"link": "../../../../lib/name"}), ("lib", {}),
        ("etc/hosts", {"hardlink": "bin/tool"})])
    write_box(made["pipe"], busybox_of(BUILD), name="localhost/pipe:latest", extra=[
        ("etc/hostname", {"type": tarfile.FIFOTYPE}), ("etc/hosts", {"link": "/scratch/hosts"})])
    return made


def test_what_nobody_keeps_up_to_date_is_the_containers_own(boot, tmp_path_factory):
    """As with podman: on a writable root it may write, on a read-only one not."""
    a = start(boot, odd_files(tmp_path_factory.mktemp("odd")), {
        "writes": script(""), "fixed": script("ReadOnly=true\n"), "odd": script("", image="odd"),
        "pipe": script("Tmpfs=/scratch\n", image="pipe"), "user": script("User=1001\n")})
    append = "exec 2>/dev/null; for f in hosts hostname; do (echo 192.0.2.1 x >>/etc/$f) && tail -n 1 /etc/$f; done; true"
    rename = "exec 2>/dev/null; for f in hosts hostname; do cp /etc/$f /etc/n && mv /etc/n /etc/$f && echo renamed; done; true"
    both, neither = ["192.0.2.1 x"] * 2, []
    for name, hosts, mine in (("writes", both, True), ("fixed", neither, False), ("odd", both, True), ("pipe", neither, False), ("user", neither, True)):
        container = "systemd-" + name
        at_first = inside(a, name, "cat /etc/hosts /etc/hostname")
        host = a.cleat("exec", container, "hostname").strip()
        assert "127.0.0.1\t%s %s\n" % (host, container) in at_first and at_first.endswith("\n" + host), name
        if mine:
            assert inside(a, name, "stat -L -c '%u:%g %a' /etc/hosts /etc/hostname").split("\n") == ["0:0 644"] * 2, name
        assert inside(a, name, append).splitlines() == hosts, name
        if mine and name != "user":
            assert inside(a, name, rename).split() == ["renamed"] * 2, name
        mounted = {line.split()[1] for line in inside(a, name, "cat /proc/mounts").splitlines()} & {"/etc/hosts", "/etc/hostname", "/scratch/hosts", "/lib/name"}
        assert mounted == {"pipe": {"/etc/hostname", "/scratch/hosts"}}.get(name, set() if mine else {"/etc/hostname", "/etc/hosts"}), name
    assert inside(a, "odd", "cat /bin/tool") == "a tool"
    assert inside(a, "odd", "cat /lib/name").endswith("192.0.2.1 x")
