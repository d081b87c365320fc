# SPDX-License-Identifier: Apache-2.0
"""Secrets: found in both places, given as files and variables, and to be found nowhere else."""
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import stat
import subprocess

import pytest

from appliance import IDLE, unit, wait_for
from lxc import LXC_CONFIG

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="containers need root here")

BOX = "localhost/box:latest"
NOSWAP_SINCE = (6, 4)


def running_kernel():
    return tuple(int(n) for n in re.match(r"(\d+)\.(\d+)", os.uname().release).groups())


def box_unit(container, command=IDLE, **keywords):
    return unit(image=BOX, container=container + '\nExec=/bin/sh -c "%s"' % command, **keywords)


def put_secret(machine, name, value):
    folder = os.path.join(machine.config, "secrets")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(value if isinstance(value, bytes) else value.encode())


def remove_secret(machine, name):
    os.unlink(os.path.join(machine.config, "secrets", name))


def create(machine, *words, value=b"", check=True):
    """cleat secret create inside the appliance."""
    command = ["nsenter", "-t", str(machine.init_pid()), "-r", "-w", "-m", "-n", "-p", "-u", "-i", "-C",
               "/usr/bin/cleat", "secret", "create", *words]
    done = subprocess.run(command, input=value, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    if check:
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()
    return done


def secret(machine, *words, check=True):
    return machine.inside("/usr/bin/cleat", "secret", *words, check=check)


def container_file(machine, name, path):
    return "/proc/%d/root%s" % (machine.pid_of(name), path)


def environment_of(pid):
    with open("/proc/%d/environ" % pid, "rb") as f:
        return dict(entry.split(b"=", 1) for entry in f.read().split(b"\0") if entry)


def start_box(boot, box_image, units, config=None, **keywords):
    machine = boot(units=units, images=(), start=False, **keywords)
    machine.add_image("box", box_image)
    for name, value in (config or {}).items():
        put_secret(machine, name, value)
    return machine.start()


# --- files and variables ---------------------------------------------------------------------------------------------------


def test_files_and_variables(boot, box_image):
    text = box_unit("Secret=plain\nSecret=key,type=mount,target=tls/app.key,uid=1001,gid=1001,mode=0400\n"
                    "Secret=far,target=/etc/app/password,mode=0440\nSecret=word,type=env\n"
                    "Secret=word,type=env,target=PASSWORD\nEnvironment=word=of-the-unit\nUser=1001:1001")
    machine = start_box(boot, box_image, {"web": text},
                        {"plain": "first\n", "key": b"\0\xff binary \0", "far": "x" * 100_000, "word": "with blank\n"})
    machine.wait_unit("systemd-web", state="up")
    pid = machine.pid_of("systemd-web")

    def look(path):
        with open("/proc/%d/root%s" % (pid, path), "rb") as f:
            status = os.fstat(f.fileno())
            return f.read(), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid

    assert look("/run/secrets/plain") == (b"first\n", 0o444, 65000, 65000)
    assert look("/run/secrets/tls/app.key") == (b"\0\xff binary \0", 0o400, 1001, 1001)
    assert look("/etc/app/password") == (b"x" * 100_000, 0o440, 65000, 65000)
    environment = environment_of(pid)
    assert environment[b"word"] == environment[b"PASSWORD"] == b"with blank\n"


def test_the_file_system_is_never_swapped_and_cannot_be_written(boot, box_image):
    machine = start_box(boot, box_image, {"web": box_unit("Secret=plain")}, {"plain": "first"})
    machine.wait_unit("systemd-web", state="up")
    with open("/proc/%d/mountinfo" % machine.pid_of("systemd-web")) as f:
        lines = [line.split() for line in f if " /run/secrets/plain " in line]
    assert len(lines) == 1
    words = lines[0]
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(words[5].split(","))
    dash = words.index("-")
    if running_kernel() >= NOSWAP_SINCE:
        assert words[dash + 1] == "tmpfs" and "noswap" in words[dash + 3].split(","), words
    else:
        assert words[dash + 1] == "ramfs"


def test_a_read_only_root_without_scratch_space(boot, box_image):
    text = box_unit("ReadOnly=true\nReadOnlyTmpfs=false\nSecret=plain\nSecret=plain,target=/somewhere/else")
    machine = start_box(boot, box_image, {"web": text}, {"plain": "first"})
    machine.wait_unit("systemd-web", state="up")
    for path in ("/run/secrets/plain", "/somewhere/else"):
        with open(container_file(machine, "systemd-web", path)) as f:
            assert f.read() == "first"


def test_probes_have_the_variables_as_they_are_now(boot, box_image):
    text = box_unit('Secret=word,type=env,target=WORD\nHealthCmd=/bin/sh -c "echo is $WORD"\nHealthInterval=1s'
                    .replace("$", "$$"))
    machine = start_box(boot, box_image, {"web": text}, {"word": "one"})
    wait_for("the probe says one", lambda: "is one" in machine.unit("systemd-web")["probe"]["output"])
    put_secret(machine, "word", "two")
    wait_for("the probe says two", lambda: "is two" in machine.unit("systemd-web")["probe"]["output"])
    # removed: the container keeps what it has, whoever comes later goes without
    remove_secret(machine, "word")
    wait_for("the probe goes without", lambda: machine.unit("systemd-web")["probe"]["output"] == "is")
    assert "systemd-web: goes on as it was started: " in machine.console() and "secret word is missing" in machine.console()
    assert machine.cleat("exec", "systemd-web", "sh", "-c", "echo ${WORD-none}") == "none\n"
    assert machine.unit("systemd-web")["restarts"] == 0 and machine.unit("systemd-web")["health"] == "healthy"


# --- what is missing or unfit ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value, reason", [
    (None, "is missing: there is neither a file /config/secrets/word nor one made by \"cleat secret create\""),
    (b"", "is empty"),
    (b"x" * 512001, "has 512001 bytes"),
], ids=["missing", "empty", "too long"])
def test_an_unfit_secret_is_an_error_of_the_start(boot, box_image, value, reason):
    machine = start_box(boot, box_image, {"web": box_unit("Secret=word")}, {} if value is None else {"word": value})
    entry = machine.wait_unit("systemd-web", state=("failed", "backoff"))
    assert reason in entry["detail"], entry
    assert "web.container:7: " in entry["detail"], entry
    put_secret(machine, "word", "is there now")
    machine.cleat("restart", "systemd-web")
    with open(container_file(machine, "systemd-web", "/run/secrets/word")) as f:
        assert f.read() == "is there now"


@pytest.mark.parametrize("value, reason", [
    (b"a\0b", "holds a NUL byte"),
    (b"x" * 140_000, "too long for a variable"),
], ids=["NUL", "too long"])
def test_what_cannot_be_a_variable(boot, box_image, value, reason):
    machine = start_box(boot, box_image, {"web": box_unit("Secret=word,type=env")}, {"word": value})
    entry = machine.wait_unit("systemd-web", state=("failed", "backoff"))
    assert reason in entry["detail"], entry


def test_check_names_what_is_missing(boot, box_image):
    units = {"web": box_unit("Secret=there\nSecret=made\nSecret=missing"), "other": box_unit("Secret=there")}
    machine = start_box(boot, box_image, units, {"there": "x"})
    create(machine, "made", "-", value=b"x")
    done = machine.inside("/usr/bin/cleat", "check", check=False)
    assert done.returncode == 1, done.stdout
    lines = done.stdout.splitlines()
    assert any(line.startswith("/config/units/web.container:9:") and "secret missing is missing" in line for line in lines), lines
    assert not [line for line in lines if "there" in line.split("is missing")[0] or "made " in line.split("is missing")[0]], lines
    put_secret(machine, "missing", "x")
    assert machine.inside("/usr/bin/cleat", "check", check=False).returncode == 0


# --- cleat secret ----------------------------------------------------------------------------------------------------------


def test_the_commands(boot, box_image):
    machine = start_box(boot, box_image, {"web": box_unit("Secret=made", install=False)}, {"config": "value-of-config"})
    first = create(machine, "-l", "tier=db", "--label=a=b", "made", "-", value=b"value-1")
    assert re.fullmatch("[0-9a-f]{25}", first)
    assert secret(machine, "ls", "-q").split().count(first) == 1
    table = [re.split(r"  +", line) for line in secret(machine, "ls").splitlines()]
    assert table[0] == ["ID", "NAME", "DRIVER", "CREATED", "UPDATED"]
    assert [row[1:3] for row in table[1:]] == [["config", "config"], ["made", "file"]]
    shown = json.loads(secret(machine, "inspect", "made"))[0]
    assert shown["ID"] == first
    assert shown["Spec"] == {"Name": "made", "Driver": {"Name": "file", "Options": {}}, "Labels": {"tier": "db", "a": "b"}}
    assert shown["CreatedAt"] == shown["UpdatedAt"]
    assert json.loads(secret(machine, "inspect", first[:6])) == [shown]
    folder = os.path.join(machine.data, "secrets")
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert [stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) for name in os.listdir(folder)] == [0o600]

    machine.cleat("start", "systemd-web")
    with open(container_file(machine, "systemd-web", "/run/secrets/made"), "rb") as f:
        assert f.read() == b"value-1"
    done = create(machine, "made", "-", value=b"value-2", check=False)
    assert done.returncode == 1 and b"the name is in use" in done.stderr
    second = create(machine, "--replace", "made", "-", value=b"value-2")
    replaced = json.loads(secret(machine, "inspect", "made"))[0]
    assert replaced["ID"] == second != first
    assert replaced["CreatedAt"] == shown["CreatedAt"] < replaced["UpdatedAt"]
    machine.cleat("restart", "systemd-web")
    with open(container_file(machine, "systemd-web", "/run/secrets/made"), "rb") as f:
        assert f.read() == b"value-2"

    assert secret(machine, "rm", "made").strip() == second
    assert secret(machine, "rm", "made", check=False).returncode == 1
    assert secret(machine, "rm", "-i", "made", check=False).returncode == 0
    done = secret(machine, "rm", "config", check=False)
    assert done.returncode == 1 and "remove /config/secrets/config" in done.stdout
    assert os.listdir(folder) == []


def test_a_file_of_the_config_wins_and_create_says_so(boot, box_image):
    machine = start_box(boot, box_image, {"web": box_unit("Secret=both", install=False)}, {"both": "of-config"})
    done = create(machine, "both", "-", value=b"of-store", check=False)
    assert done.returncode == 0 and b"/config/secrets/both wins over it" in done.stderr
    machine.cleat("start", "systemd-web")
    with open(container_file(machine, "systemd-web", "/run/secrets/both")) as f:
        assert f.read() == "of-config"


# --- the value is nowhere else ---------------------------------------------------------------------------------------------


def files_with(folder, values, skip=()):
    """Regular files (sockets and fifos hold nothing) below a folder that hold one of the values; links are not followed."""
    found = []
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if os.path.join(at, name) not in skip]
        for name in names:
            path = os.path.join(at, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                with open(path, "rb") as f:
                    data = f.read()
                found += [path for value in values if value in data]
    return found


def memory_of(pid):
    """All that a process can read of itself: more than any core file of it holds."""
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", buffering=0) as memory:
        for line in maps:
            words = line.split()
            if not words[1].startswith("r") or words[-1] in ("[vvar]", "[vvar_vclock]", "[vsyscall]"):
                continue
            first, last = (int(number, 16) for number in words[0].split("-"))
            try:
                yield os.pread(memory.fileno(), last - first, first)
            except OSError:
                continue  # pages behind the end of a file


def holds(pid, values):
    return any(value in part for part in memory_of(pid) for value in values)


def test_the_value_is_found_only_where_it_belongs(boot, box_image):
    values = [("needle-%s-%s" % (kind, secrets.token_hex(16))).encode() for kind in ("file", "env", "store")]
    text = box_unit("Secret=a\nSecret=b,type=env,target=WORD\nSecret=c\nSecret=c,type=env,target=STORED\n"
                    'HealthCmd=/bin/sh -c "test -n \\"$$WORD\\""\nHealthInterval=1s',
                    service="Restart=no")
    broken = box_unit("Secret=a,type=env,target=BIG\nSecret=b\nVolume=/nowhere:/nowhere", service="Restart=no")
    machine = start_box(boot, box_image, {"web": text, "broken": broken}, {"a": values[0], "b": values[1]})
    create(machine, "c", "-", value=values[2])
    machine.cleat("restart", "systemd-web")
    machine.wait_unit("systemd-web", state="up", health="healthy")
    machine.wait_unit("systemd-broken", state="failed")
    pid = machine.pid_of("systemd-web")

    # Where it belongs.
    environment = environment_of(pid)
    assert (environment[b"WORD"], environment[b"STORED"]) == (values[1], values[2])
    for name, value in (("a", values[0]), ("c", values[2])):
        with open("/proc/%d/root/run/secrets/%s" % (pid, name), "rb") as f:
            assert f.read() == value
    assert holds(pid, values[1:2]), "the search does not find what is there"
    store = os.path.join(machine.data, "secrets")
    assert files_with(machine.data, values) == [os.path.join(store, "c")]

    # Nowhere else: files,
    root = "/proc/%d/root" % machine.init_pid()
    for folder in ("/run", "/tmp", "/var", "/etc"):
        assert files_with(root + folder, values) == []
    assert os.listdir(root + "/run/cleat/c")
    assert files_with(machine.data, values, skip=(store,)) == []
    with open(machine.console_path, "rb") as f:
        console = f.read()
    # what the engine says,
    run_id = machine.unit("systemd-web")["run_id"]
    said = [machine.http(path)[1] for path in ("/status", "/status/systemd-web", "/readyz?verbose", "/")]
    said += [machine.api("GET", path)[1].decode() for path in
             ("/containers/json?all=1", "/containers/systemd-web/json", "/cleat/v1/status", "/info",
              "/containers/systemd-web/logs?stdout=1&stderr=1")]
    said += [machine.cleat(*words) for words in
             (["ps"], ["ps", "-a", "--format", "json"], ["status"], ["inspect", "systemd-web"], ["logs", "systemd-web"])]
    said += [machine.inside("/usr/bin/cleat", *words, check=False).stdout for words in
             (["explain", "web.container"], ["explain", "--json", "web.container"], ["spec", "web.container"],
              ["spec", "--oci", "web.container"], ["check", "--lint"], ["quadlet", "--dryrun"],
              ["secret", "ls"], ["secret", "ls", "--format", "json"], ["secret", "inspect", "a", "b", "c"])]
    assert all(said[:4] + said[9:13]) and all(said[14:]), [bool(text) for text in said]
    for value in values:
        assert value not in console
        assert not [text for text in said if value.decode() in text]
    with open(os.path.join(root, "run/cleat/c", run_id, "config.json")) as f:
        assert "org.cleat.secrets" in json.load(f)["annotations"]
    # command lines and the memory of whoever had to do with it.
    others = [other for other in machine.processes("cleat") + machine.processes("cleat-shim") +
              machine.processes("cleat-log") + machine.processes("cleat-init") + machine.processes("init") +
              [machine.engine_pid(), machine.init_pid()]]
    assert len(machine.processes("cleat-shim")) == 1
    for other in set(others):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # one that was only there for a moment
            with open("/proc/%d/cmdline" % other, "rb") as f:
                words = f.read()
            assert not [value for value in values if value in words]
            assert not holds(other, values), "process %d" % other


def test_a_core_file_of_the_shim_holds_no_value(boot, box_image, tmp_path):
    with open("/proc/sys/kernel/core_pattern") as f:
        pattern = f.read().strip()
    if pattern.startswith(("|", "@")):
        pytest.skip("the kernel pipes core files of this machine away")
    value = ("needle-" + secrets.token_hex(16)).encode()
    machine = start_box(boot, box_image, {"web": box_unit("Secret=a,type=env,target=WORD\nSecret=a", service="Restart=no")},
                        {"a": value})
    machine.wait_unit("systemd-web", state="up")
    shim = machine.processes("cleat-shim")[0]
    root = "/proc/%d/root" % machine.init_pid()
    folder = os.path.realpath(os.path.dirname(pattern)) if pattern.startswith("/") else os.readlink("/proc/%d/cwd" % shim)
    before = set(os.listdir(root + folder))
    subprocess.run(["prlimit", "--pid", str(shim), "--core=unlimited"], check=True)
    os.kill(shim, signal.SIGABRT)
    wait_for("the shim is gone", lambda: not os.path.exists("/proc/%d" % shim))
    cores = set(os.listdir(root + folder)) - before
    if not cores:
        pytest.skip("the kernel of this machine makes no core file in the appliance")
    for name in cores:
        with open(root + os.path.join(folder, name), "rb") as f:
            assert value not in f.read()
        os.unlink(root + os.path.join(folder, name))


# --- LXC -------------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not os.path.isdir(LXC_CONFIG) or not shutil.which("lxc-start"), reason="lxc is not installed")
@pytest.mark.parametrize("unprivileged", [True, False], ids=["unprivileged", "privileged"])
def test_in_lxc(boot_lxc, box_image, unprivileged):
    """In a user namespace the kernel gives no tmpfs with noswap: then it is a ramfs."""
    text = box_unit("Secret=a,uid=1001,mode=0400\nSecret=b,type=env,target=WORD\nUser=1001:1001")
    c = boot_lxc(start=False, units={"web": text}, unprivileged=unprivileged)
    c.add_image("box", box_image)
    for name, value in (("a", "in a file"), ("b", "in a variable")):
        put_secret(c, name, value)
        os.chown(os.path.join(c.config, "secrets", name), c.first, c.first)
    os.chown(os.path.join(c.config, "secrets"), c.first, c.first)
    c.start()
    c.wait_unit("systemd-web", state="up")
    pid = c.pid_of("systemd-web")
    path = "/proc/%d/root/run/secrets/a" % pid
    with open(path) as f:
        assert f.read() == "in a file"
    status = os.stat(path)
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (c.first + 1001, 0o400)
    assert environment_of(pid)[b"WORD"] == b"in a variable"
    with open("/proc/%d/mountinfo" % pid) as f:
        line, = [line for line in f if " /run/secrets/a " in line]
    words = line.split(" - ")[1].split()
    if unprivileged:
        assert words[0] == "ramfs", words
    elif running_kernel() >= NOSWAP_SINCE:
        assert words[0] == "tmpfs" and "noswap" in words[2].split(","), words
    done = c.cleat("exec", "systemd-web", "sh", "-c", "cat /run/secrets/a; echo; echo $WORD; id -u")
    assert done.splitlines() == ["in a file", "in a variable", "1001"]
