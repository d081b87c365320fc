# SPDX-License-Identifier: Apache-2.0
"""What an attacker inside a container, or one who owns part of a volume, tries: each test is an attack that must fail."""
import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from appliance import IDLE, descendants, unit, wait_for
from test_runtime import ROOT_OUTSIDE, RUNTIME, cgroup_mount, place  # noqa: F401  (place is a fixture)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="containers need root here")

USER = 1001
KEYCTL_JOIN_SESSION_KEYRING = 1
SYS_KEYCTL, SYS_ADD_KEY = {"x86_64": (250, 248), "aarch64": (219, 217)}[os.uname().machine]
KEY_SPEC_SESSION_KEYRING = -3


def owned(path, uid=USER):
    os.lchown(path, uid, uid)
    return path


@pytest.fixture
def volume(place):  # noqa: F811
    """DATA/home/moe, which belongs to the container's user, beside something that is none of its business."""
    (place.data / "home" / "moe").mkdir(parents=True)
    owned(place.data / "home" / "moe")
    (place.data / "store").mkdir()
    (place.data / "store" / "secret").write_text("secret")
    return place.data / "home" / "moe"


# --- volumes ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["the source", "a directory above the source"])
def test_a_link_that_a_container_made_does_not_choose_the_next_mount(place, volume, where):  # noqa: F811
    if where == "the source":
        os.symlink("../../store", volume / "logs")
        owned(volume / "logs")
        source = volume / "logs"
    else:
        os.symlink("../..", volume / "up")
        owned(volume / "up")
        source = volume / "up" / "store"
    place.bind(source, "/v", "rw")
    done = place.sh("cat /v/secret")
    assert done.returncode == 125, done.stdout
    assert "is a link that belongs to user %d" % USER in done.stderr


def test_a_link_that_a_container_made_does_not_choose_where_directories_are_made(place, volume):  # noqa: F811
    os.symlink("../../store", volume / "logs")
    owned(volume / "logs")
    os.symlink("../../store/dangling", volume / "gone")
    owned(volume / "gone")
    place.config["annotations"]["org.cleat.user"] = "moe"
    for name in ("logs/app", "gone", "gone/app"):
        del place.config["mounts"][8:]
        place.bind(volume / name, "/v", "rw", "x-cleat-make")
        assert place.sh("true").returncode == 125
    assert os.listdir(place.data / "store") == ["secret"]


def test_links_of_the_appliances_root_are_followed_within_the_data_directory(place, volume):  # noqa: F811
    (place.data / "disk2").mkdir()
    os.symlink("./../disk2/moe", place.data / "home" / "link")
    os.symlink("../home/./link/../moe", place.data / "disk2" / "again")
    place.bind(place.data / "home" / "link" / "logs", "/v", "rw", "x-cleat-make")
    place.config["annotations"]["org.cleat.user"] = "moe"
    place.out("echo mark > /v/file")
    assert (place.data / "disk2" / "moe" / "logs" / "file").read_text() == "mark\n"
    os.symlink("loop", place.data / "loop")
    place.bind(place.data / "loop", "/w")
    done = place.sh("true")
    assert done.returncode == 125
    assert "/w: source %s/loop: loop: " % place.data in done.stderr


def test_a_guessed_temporary_directory_is_not_handed_over(place, volume):  # noqa: F811
    """Whoever owns the parent of a volume may rename what others have in it, but must not be given it."""
    (volume / "precious").mkdir()
    (volume / "precious" / "file").write_text("of root")
    place.bind(volume / "new", "/v", "x-cleat-make")
    place.config["annotations"]["org.cleat.user"] = "moe"
    bundle, run_id = place.bundle(["/bin/true"])
    process = subprocess.Popen(place.command(bundle, run_id), stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: os.rename(volume / "precious", volume / (".cleat-new-%d" % os.getpid())))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 125 and "mkdir" in errors
    assert (volume / (".cleat-new-%d" % process.pid)).stat().st_uid == 0


# --- the image store ----------------------------------------------------------------------------------------------------------


def test_a_container_that_may_mount_cannot_write_to_its_layers(place):  # noqa: F811
    """The store's files belong to the number that root in every container has."""
    for set_name in ("bounding", "permitted", "effective"):
        place.config["process"]["capabilities"][set_name] = ["CAP_SYS_ADMIN"]
    for name in ("dev/pts", "dev/shm", "dev/mqueue", "sys/fs/cgroup"):
        (place.base / name).mkdir(parents=True)
        os.chown(place.base / name, ROOT_OUTSIDE, ROOT_OUTSIDE)
    done = place.sh("mount -o remount,rw,bind / 2>&1; mount -o remount,rw / 2>&1; echo evil > /etc/evil")
    assert done.returncode != 0
    assert not (place.base / "etc" / "evil").exists()


def test_root_of_a_container_that_has_all_of_data_cannot_change_images(boot, box_image):
    a = boot({"a": unit("localhost/box:latest", SLEEPER + "Volume=/data:/all\n")}, images=(), start=False)
    a.add_image("box", box_image)
    a.start()
    a.wait_unit("systemd-a", state="up")
    layers = os.listdir(os.path.join(a.data, "store", "layers", "sha256"))
    assert layers
    for layer in layers:
        root = os.path.join("store", "layers", "sha256", layer, "root")
        assert os.path.isdir(os.path.join(a.data, root))
        done = subprocess.run(["nsenter", "-t", str(a.pid_of("systemd-a")), "-a", "-S", "0", "-G", "0", "/bin/sh", "-c",
                               "echo evil >/all/%s/evil" % root], stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode != 0 and "Permission denied" in done.stderr, done.stderr
        assert not os.path.exists(os.path.join(a.data, root, "evil"))


# --- the kernel's keys --------------------------------------------------------------------------------------------------------


def give_session_key():
    """In a child: a session keyring as a login has it, with a key that belongs to a user whom the container has too."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.syscall(SYS_KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, None) >= 0
    libc.setfsuid(USER)
    assert libc.syscall(SYS_ADD_KEY, b"user", b"cleat-test-mark", b"secret", 6, KEY_SPEC_SESSION_KEYRING) >= 0
    libc.setfsuid(0)


def test_the_session_keyring_of_whoever_started_us_is_not_inherited(place):  # noqa: F811
    place.config["linux"]["maskedPaths"] = []
    outside = subprocess.run(["cat", "/proc/keys"], preexec_fn=give_session_key, stdout=subprocess.PIPE, text=True, check=True)
    assert "cleat-test-mark" in outside.stdout, "the test does not test anything"
    assert "cleat-test-mark" not in place.out("cat /proc/keys", preexec_fn=give_session_key)


# --- seccomp ------------------------------------------------------------------------------------------------------------------


def test_a_bundle_cannot_put_its_filter_into_the_cache_under_anothers_number(place):  # noqa: F811
    number = "ab" * 32
    place.config["annotations"]["org.cleat.seccomp"] = number
    place.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    done = place.sh("true")
    assert done.returncode == 125
    assert "org.cleat.seccomp is not the profile's sha256" in done.stderr
    assert not (place.dir / "cache" / ("seccomp-%s.bpf" % number)).exists()
    place.config["annotations"]["org.cleat.seccomp"] = done.stderr.rsplit("(", 1)[1].split(")")[0]
    assert place.sh("true").returncode == 0


# --- what must not live on ----------------------------------------------------------------------------------------------------


def in_own_run_dir(script, **env):
    """Runs it in a mount namespace that has a /run/cleat of its own."""
    head = "set -eu; mkdir -p /run/cleat; mount -t tmpfs t /run/cleat; mkdir -p /run/cleat/c/$ID /run/cleat/by-name; "
    done = subprocess.run(["unshare", "-m", "sh", "-c", head + script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60, env=dict(os.environ, RUNTIME=str(RUNTIME), PYTHON=sys.executable, **env), check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


SHIM = """
import fcntl, os, socket, subprocess, sys
ctl = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
ctl.bind("/run/cleat/c/%s/ctl" % sys.argv[2])
ctl.listen(4)
os.dup2(ctl.fileno(), 3)
os.set_inheritable(3, True)
done = subprocess.run([sys.argv[1], "shim", "--id", sys.argv[2]], pass_fds=[3], stderr=subprocess.PIPE, text=True)
print(done.returncode, done.stderr)
"""


def test_teardown_ends_a_shim_that_holds_the_lock_without_a_container(place):  # noqa: F811
    """As one does whose start hangs before its cgroup is made: it would come up later, unknown to everybody."""
    holder = ("import fcntl,os,sys,time; f=open(sys.argv[1],'w'); fcntl.lockf(f,fcntl.LOCK_EX); print('held',flush=True); "
              "[signal for signal in iter(lambda: time.sleep(1), 0)]")
    script = """
    mkfifo /run/cleat/held
    "$PYTHON" -c "$HOLDER" /run/cleat/c/$ID/lock >/run/cleat/held & pid=$!
    read -r word </run/cleat/held; test "$word" = held
    "$RUNTIME" teardown $ID
    wait $pid && exit 1; test $? -le 137
    ls /run/cleat/c
    """
    assert in_own_run_dir(script, ID="0123456789ab", HOLDER=holder) == ""


def test_a_shim_that_comes_during_teardown_starts_nothing(place):  # noqa: F811
    bundle, _ = place.bundle(["/bin/true"])
    script = """
    cp "$BUNDLE/config.json" /run/cleat/c/$ID/
    "$PYTHON" -c "$LATE" "$RUNTIME" $ID
    """
    # who tears down holds the lock: played by the parent of the shim, so that the order is certain
    late = SHIM.replace("done =", "lock = open('/run/cleat/c/%s/lock' % sys.argv[2], 'w')\nfcntl.lockf(lock, fcntl.LOCK_EX)\ndone =")
    out = in_own_run_dir(script, ID="0123456789ac", BUNDLE=str(bundle), LATE=late)
    assert out.startswith("3 ") and "locked by process" in out
    assert not (cgroup_mount() / "cleat" / "c" / "0123456789ac").exists()


# --- an engine that is killed between any two steps -----------------------------------------------------------------------------


def freezer(a, group, frozen):
    """Stops or lets go on what is, or comes to be, in a cgroup of an appliance: a step that takes as long as a test wants."""
    path = cgroup_mount() / ("cleat-boot-%d" % a.process.pid) / "cleat" / group / "cgroup.freeze"
    path.write_text("1" if frozen else "0")


def kill_engine(a):
    before = a.engine_pid()
    os.kill(before, signal.SIGKILL)
    wait_for("another engine", lambda: a.ping() and engine_or_none(a) not in (None, before))


def engine_or_none(a):
    try:
        return a.engine_pid()
    except (OSError, AssertionError):
        return None


def ask_later(a, name):
    """Asks for a start; the answer comes when the unit is up, or never if the engine dies: nobody waits for it."""
    def ask():
        try:
            a.api("POST", "/containers/%s/start" % name)
        except OSError:
            pass

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def runs(a):
    return a.inside("/bin/ls", "/run/cleat/c").split()


SLEEPER = 'Exec=/bin/sh -c "%s"\n' % IDLE


def two_units(boot, box_image):
    """a (not wanted at boot) and b, which pulls it in."""
    a = boot({"a": unit("localhost/box:latest", SLEEPER, "Restart=no", install=False),
              "b": unit("localhost/box:latest", SLEEPER, unit_lines="Requires=a.service\nAfter=a.service", install=False)},
             images=(), start=False)
    a.add_image("box", box_image)
    return a.start()


def sleepers(a):
    """First processes of containers: a shell that starts its "sleep" is two for a moment."""
    found = []
    for pid in a.processes("sh"):
        with contextlib.suppress(OSError), open("/proc/%d/status" % pid, encoding="utf-8") as f:
            found += [pid] if re.search(r"^NSpid:.*\s1$", f.read(), re.M) else []
    return found


def test_a_start_under_way_when_the_engine_dies_is_not_started_again(boot, box_image):
    a = two_units(boot, box_image)
    freezer(a, "c", True)
    start = ask_later(a, "systemd-a")
    a.wait_unit("systemd-a", state="starting")
    wait_for("the shim has begun", lambda: [p for p in a.processes("cleat-shim")] and len(runs(a)) == 1)
    wait_for("its record", lambda: "status" in a.inside("/bin/ls", "/run/cleat/c/" + runs(a)[0]).split())
    first = runs(a)
    kill_engine(a)
    start.join()
    assert a.unit("systemd-a")["state"] == "starting"
    second = ask_later(a, "systemd-b")
    a.wait_unit("systemd-b", state=("waiting", "starting", "up"))
    assert runs(a) == first
    freezer(a, "c", False)
    a.wait_unit("systemd-a", state="up")
    a.wait_unit("systemd-b", state="up")
    second.join()
    assert first[0] in runs(a) and len(runs(a)) == 2
    assert len(sleepers(a)) == 2


def test_a_start_that_fails_after_the_engine_died_is_told(boot, box_image):
    a = boot({"a": unit("localhost/box:latest", "Exec=/no/such/program\n", "Restart=no", install=False)}, images=(), start=False)
    a.add_image("box", box_image)
    a.start()
    freezer(a, "c", True)
    start = ask_later(a, "systemd-a")
    a.wait_unit("systemd-a", state="starting")
    wait_for("its record", lambda: runs(a) and "status" in a.inside("/bin/ls", "/run/cleat/c/" + runs(a)[0]).split())
    kill_engine(a)
    start.join()
    freezer(a, "c", False)
    entry = a.wait_unit("systemd-a", state="failed")
    assert "/no/such/program" in entry["detail"]
    assert runs(a) == []


def test_a_start_of_which_nobody_is_left_ends_before_the_next_begins(boot, box_image):
    """Engine and shim are killed while the container's first process is on its way to execve."""
    a = two_units(boot, box_image)
    freezer(a, "c", True)
    start = ask_later(a, "systemd-a")
    wait_for("its record", lambda: runs(a) and "status" in a.inside("/bin/ls", "/run/cleat/c/" + runs(a)[0]).split())
    first = runs(a)[0]
    group = cgroup_mount() / ("cleat-boot-%d" % a.process.pid) / "cleat" / "c" / first / "cgroup.procs"
    wait_for("its first process", lambda: group.exists() and group.read_text())
    child = int(group.read_text())
    engine, shims = a.engine_pid(), a.processes("cleat-shim")
    os.kill(a.init_pid(), signal.SIGSTOP)  # or the next engine may come before the shim has gone, and see it go
    try:
        for pid in [engine] + shims:
            os.kill(pid, signal.SIGKILL)
    finally:
        os.kill(a.init_pid(), signal.SIGCONT)
    start.join()
    wait_for("another engine", lambda: a.ping() and engine_or_none(a) not in (None, engine))
    wait_for("the cut off start is cleared away", lambda: not group.exists())
    freezer(a, "c", False)
    a.wait_unit("systemd-a", state="up")
    assert first not in runs(a) and len(runs(a)) == 1
    assert child not in sleepers(a) and len(sleepers(a)) == 1


def test_what_another_version_runs_is_left_alone(boot, box_image):
    a = two_units(boot, box_image)
    a.cleat("start", "systemd-a")
    a.wait_unit("systemd-a", state="up")
    pid, run = a.pid_of("systemd-a"), runs(a)
    a.inside("/bin/sh", "-c", "echo 99 >/run/cleat/VERSION")
    kill_engine(a)
    wait_for("it says so", lambda: any("layout" in note["text"] for note in a.status()["notes"]))
    assert runs(a) == run
    os.kill(pid, 0)
    a.inside("/bin/sh", "-c", "echo 1 >/run/cleat/VERSION")
    kill_engine(a)
    assert a.wait_unit("systemd-a", state="up")["pid"]
    assert a.pid_of("systemd-a") == pid


# --- the engine's small children ------------------------------------------------------------------------------------------------

PTRACE_TRACEME, PTRACE_CONT, PTRACE_SETOPTIONS = 0, 7, 0x4200
PTRACE_O_TRACEEXIT, PTRACE_EVENT_EXIT, PTRACE_O_EXITKILL = 0x40, 6, 0x100000
DAC_OVERRIDE, DAC_READ_SEARCH = 1 << 1, 1 << 2


def ptrace(request, pid, data=0):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, pid, None, data) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def fields(text):
    return dict(line.split(":", 1) for line in text.splitlines())


def status_at_its_end(a, stdin, *words):
    """What /proc/PID/status says of a worker whose work is done, in the moment before it is gone; and its exit code."""
    with open(os.path.join(a.dir, "stdin"), "w+b") as file:
        file.write(stdin)
        file.seek(0)
        pid = os.fork()
        if pid == 0:
            try:
                os.dup2(file.fileno(), 0)
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                ptrace(PTRACE_TRACEME, 0)
                os.execvp("nsenter", ["nsenter", "-t", str(a.init_pid()), "-r", "-w", "-m", "/usr/bin/cleat"] + list(words))
            finally:
                os._exit(125)
    _, stop = os.waitpid(pid, 0)
    assert os.WIFSTOPPED(stop), stop
    ptrace(PTRACE_SETOPTIONS, pid, PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL)
    status = None
    while os.WIFSTOPPED(stop):
        if stop >> 8 == signal.SIGTRAP | PTRACE_EVENT_EXIT << 8:
            with open("/proc/%d/status" % pid) as f:
                status = fields(f.read())
        sent = os.WSTOPSIG(stop)
        ptrace(PTRACE_CONT, pid, 0 if sent == signal.SIGTRAP else sent)
        _, stop = os.waitpid(pid, 0)
    return status, os.waitstatus_to_exitcode(stop)


def assert_confined(status, capabilities):
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2"
    for name in ("CapEff", "CapPrm", "CapBnd"):
        assert int(status[name], 16) == capabilities, name
    for name in ("CapInh", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["Groups"].strip() == ""


def test_who_watches_the_unit_files_can_only_look(boot, box_image):
    a = boot({"a": unit("localhost/box:latest", SLEEPER)}, images=(), start=False)
    a.add_image("box", box_image)
    a.start()
    a.wait_unit("systemd-a", state="up")

    def is_watcher(pid):
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                return b"units-watch" in f.read()
        except OSError:
            return False  # another one, which has ended since it was listed

    def watchers():
        return [pid for pid in a.processes("cleat") if is_watcher(pid)]

    def confined():
        found = watchers()
        try:
            status = len(found) == 1 and fields(open("/proc/%d/status" % found[0], encoding="utf-8").read())
        except OSError:
            return None
        return status and status["Seccomp"].strip() == "2" and status

    assert_confined(wait_for("one watcher watches", confined), DAC_READ_SEARCH)


def test_who_reads_and_keeps_unit_files_and_results_has_few_rights_left(boot, box_image):
    a = boot({"a": unit("localhost/box:latest", SLEEPER)}, images=(), start=False)
    a.add_image("box", box_image)
    a.start()
    a.wait_unit("systemd-a", state="up")
    status, code = status_at_its_end(a, b"", "units-read")
    assert code == 0
    assert_confined(status, DAC_READ_SEARCH)
    status, code = status_at_its_end(a, b"drop none.container\n", "units-keep")
    assert code == 0
    assert_confined(status, DAC_OVERRIDE | DAC_READ_SEARCH)
    folder = owned_folder(a, "results")
    status, code = status_at_its_end(a, b"{}\n", "health-log", "/data/results", "a.log")
    assert code == 0 and open(os.path.join(folder, "a.log")).read() == "{}\n"
    assert_confined(status, DAC_OVERRIDE)


def owned_folder(a, name):
    """Below /data, of a container's user: root may write there only because it has the right to."""
    path = os.path.join(a.data, name)
    os.mkdir(path, 0o755)
    return owned(path)


def has_landlock():
    return ctypes.CDLL(None).syscall(444, None, 0, 1) > 1


@pytest.mark.skipif(not has_landlock(), reason="this kernel has no Landlock")
def test_who_copies_unit_files_writes_nowhere_else(boot, box_image):
    """With a link where the folder of the copies should be, as whoever restores a backup may have made it."""
    a = boot({"a": unit("localhost/box:latest", SLEEPER)}, images=(), start=False)
    a.add_image("box", box_image)
    elsewhere = owned_folder(a, "elsewhere")
    with open(os.path.join(elsewhere, "none.container"), "w") as f:
        f.write("precious")
    os.mkdir(os.path.join(a.data, "units"), 0o700)
    os.symlink("../elsewhere", os.path.join(a.data, "units", "last-good"))
    a.start()
    a.wait_unit("systemd-a", state="up")
    status_at_its_end(a, b"drop none.container\n", "units-keep")
    assert os.listdir(elsewhere) == ["none.container"]


def relro(program):
    """(first, end) of the pages of a program that are read-only once it has started, from its beginning on."""
    done = subprocess.run(["readelf", "-lW", program], stdout=subprocess.PIPE, text=True, check=True)
    words = next(line.split() for line in done.stdout.splitlines() if "GNU_RELRO" in line)
    first, size = int(words[2], 16), int(words[5], 16)
    return first & ~4095, (first + size) & ~4095


def words_of(pid):
    with open("/proc/%d/cmdline" % pid) as f:
        return f.read().split("\0")


def writable(pid, program):
    """The pages of the program's file that a process could write to, from the program's beginning on."""
    spans = []
    with open("/proc/%d/maps" % pid) as f:
        for line in f:
            words = line.split()
            if len(words) > 5 and os.path.basename(words[5]) in (os.path.basename(program), "init"):
                spans.append([int(n, 16) for n in words[0].split("-")] + [words[1]])
    base = spans[0][0]
    return [(first - base, end - base) for first, end, mode in spans if "w" in mode]


def test_relocated_pointers_are_read_only(boot, box_image):
    a = boot({"box.container": unit("localhost/box:latest", 'Exec=/bin/sh -c "%s"\n' % IDLE)}, images=(), start=False)
    a.add_image("box", box_image)
    a.start()
    a.wait_unit("systemd-box", state="up")
    shim = next(pid for pid in descendants(a.init_pid()) if words_of(pid)[1:2] == ["shim"])
    for pid, name in (a.init_pid(), "cleat-init"), (a.engine_pid(), "cleat"), (shim, "cleat-runtime"):
        program = str(RUNTIME.parent / name)
        first, end = relro(program)
        spans = writable(pid, program)
        assert end > first and spans and all(last <= first or begin >= end for begin, last in spans), (name, hex(first), hex(end), spans)
