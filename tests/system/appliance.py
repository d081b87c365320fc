# SPDX-License-Identifier: Apache-2.0
"""One real appliance for a test: booted by scripts/boot in namespaces of its own, taken down and looked over afterwards."""
import concurrent.futures
import ctypes
import errno
import http.client
import json
import os
import platform
import random
import re
import shutil
import signal
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ARCH = platform.machine()
BUILD = os.path.join(ROOT, "build", ARCH)
IMAGES = os.path.join(BUILD, "images")
CLEAT = os.path.join(BUILD, "bin", "cleat")
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000

# A shell text that does nothing until it is asked to stop: PID 1 of a pid namespace has no default action for signals.
# It ends at once: "wait" ends at a signal, a command in the foreground would be waited for.
IDLE = "trap 'exit 0' TERM; while :; do sleep 86400 & wait; done"


BOUND_SEC = 90  # for a broken program on a slow machine; nothing is measured by it


class NotThere(AssertionError):
    """What was asked for is not there; that may be true for a moment only."""


def wait_for(what, predicate, seconds=BOUND_SEC):
    """Polls until predicate() is true and returns its value. Where nobody answers, or what is asked for is not there, it is not true yet: one
    engine may be following another, a process may have ended since it was listed. An assertion that fails in it is a failure at once."""
    deadline = time.monotonic() + seconds
    while True:
        problem = None
        try:
            value = predicate()
        except (OSError, NotThere) as e:
            value, problem = None, e
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("did not happen within %d s: %s%s" % (seconds, what, "" if problem is None else "\nat last: %r" % problem)) from problem
        time.sleep(0.02)


def free_port(family=socket.AF_INET, host="127.0.0.1"):
    """None of those that the kernel gives to whoever connects or asks for any (net.ipv4.ip_local_port_range): nobody has it when it is used."""
    while True:
        with socket.socket(family) as s:
            try:
                s.bind((host, random.randrange(20000, 32000)))
                return s.getsockname()[1]
            except OSError as e:
                if e.errno != errno.EADDRINUSE:
                    raise


def unit(image="localhost/hello:latest", container="", service="", unit_lines="", install=True, network="none"):
    text = "[Unit]\nDescription=test\n%s\n[Container]\nImage=%s\n" % (unit_lines, image)
    if network:
        text += "Network=%s\n" % network
    text += container + "\n[Service]\n" + service + "\n"
    if install:
        text += "[Install]\nWantedBy=default.target\n"
    return text


class Machine:
    """Something that runs our init and can be asked: namespaces or an LXC container."""

    def __init__(self, directory, units=None, images=("hello", "moe-orchestrator")):
        self.dir = str(directory)
        self.config = os.path.join(self.dir, "config")
        self.data = os.path.join(self.dir, "data")
        self.console_path = os.path.join(self.dir, "console")
        self.process = None
        for sub in ("units", "images"):
            os.makedirs(os.path.join(self.config, sub), exist_ok=True)
        os.makedirs(self.data, exist_ok=True)
        for name in images:
            self.add_image(name)
        for name, text in (units or {}).items():
            self.add_unit(name, text)

    def init_pid(self):
        """Of PID 1, as this machine sees it."""
        raise NotImplementedError

    @property
    def socket(self):
        raise NotImplementedError

    def add_image(self, name, source=None):
        shutil.copy(source or os.path.join(IMAGES, name + ".tar"), os.path.join(self.config, "images", name + ".tar"))

    def add_unit(self, name, text):
        if "." not in name:
            name += ".container"
        with open(os.path.join(self.config, "units", name), "w") as f:
            f.write(text)

    # --- asking -----------------------------------------------------------------------------------

    def alive(self):
        if self.process.poll() is not None:
            raise AssertionError("the appliance ended with %s:\n%s" % (self.process.returncode, self.console()))
        return True

    def console(self):
        try:
            with open(self.console_path, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def ping(self):
        try:
            return self.api("GET", "/_ping")[0] == 200
        except OSError:
            return False

    def api(self, method, path, timeout=60):
        """(status, body) of a request to the control socket; OSError, whatever goes wrong: an engine may end in the middle of an answer."""
        connection = http.client.HTTPConnection("localhost", timeout=timeout)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(timeout)
        try:
            connection.sock.connect(self.socket)
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as e:
            raise OSError("%s: %s" % (type(e).__name__, e)) from e
        finally:
            connection.close()

    def cleat(self, *args, check=True, timeout=90):
        done = subprocess.run([CLEAT, "--socket", self.socket] + list(args), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=timeout)
        if check and done.returncode:
            raise AssertionError("cleat %s: exit %d: %s\n%s" % (" ".join(args), done.returncode, done.stdout, self.console()))
        return done if not check else done.stdout

    def inside(self, *args, check=True, namespaces=("-m", "-n", "-p", "-u", "-i", "-C")):
        """Runs a command of this machine's in the appliance's namespaces, in its root."""
        command = ["nsenter", "-t", str(self.init_pid()), "-r", "-w"] + list(namespaces) + list(args)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        if check and done.returncode:
            raise AssertionError("%s: exit %d: %s" % (" ".join(args), done.returncode, done.stdout))
        return done.stdout if check else done

    def http(self, path, port=25328, accept=None, method="GET"):
        """An HTTP request from inside the appliance's network namespace: (status, body)."""
        return http_in_netns(self.init_pid(), port, path, accept, method)

    def status(self):
        code, body = self.http("/status")
        assert code == 200, (code, body)
        return json.loads(body)

    def unit(self, name):
        for entry in self.status()["units"]:
            if entry["name"] == name:
                return entry
        raise NotThere("no unit %s in /status" % name)

    def wait_unit(self, name, seconds=BOUND_SEC, **fields):
        """Waits until every given field of the unit has the given value (or is among a tuple of values)."""
        seen = {}

        def fits():
            self.alive()
            try:
                seen["unit"] = self.unit(name)
            except (OSError, AssertionError, http.client.HTTPException):
                return None
            for key, wanted in fields.items():
                values = wanted if isinstance(wanted, tuple) else (wanted,)
                if seen["unit"].get(key) not in values:
                    return None
            return self.can_be_stopped(seen["unit"]) and seen["unit"]

        try:
            return wait_for("%s: %s" % (name, fields), fits, seconds)
        except AssertionError as e:
            raise AssertionError("%s\nlast seen: %s\n%s" % (e, seen.get("unit"), self.console()))

    def can_be_stopped(self, entry):
        """False for a shell that is up and has not come to the trap that it begins with: the kernel drops what is sent to the first process
        of a pid namespace before it has a handler, and it would be killed when its time to stop is over."""
        if entry["state"] != "up" or not entry["pid"]:
            return True
        place = "/proc/%d/root/proc/%d/" % (self.init_pid(), entry["pid"])
        try:
            with open(place + "cmdline") as f:
                words = f.read().split("\0")
            with open(place + "status") as f:
                caught = re.findall(r"^Sig(?:Cgt|Ign):\s+(\w+)$", f.read(), re.M)
        except OSError:
            return False  # gone, or about to be another
        sets_trap = words[1:2] == ["-c"] and words[2].startswith("trap ") and " TERM;" in words[2]
        return not sets_trap or any(int(mask, 16) & 1 << (signal.SIGTERM - 1) for mask in caught)

    def pid_of(self, name):
        """Pid of the container's first process as this machine sees it."""
        inner = self.unit(name)["pid"]
        if not inner:
            raise NotThere("%s does not run" % name)
        return self.outer_pid(inner)

    def outer_pid(self, inner):
        init_ns = os.readlink("/proc/%d/ns/pid" % self.init_pid())
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open("/proc/%s/status" % entry) as f:
                    match = re.search(r"^NSpid:\s+(.*)$", f.read(), re.M)
                numbers = [int(n) for n in match.group(1).split()]
                if len(numbers) >= 2 and numbers[1] == inner and in_namespace(int(entry), init_ns, len(numbers)):
                    return int(entry)
            except (OSError, AttributeError):
                continue
        raise NotThere("no process has pid %s inside" % inner)

    def processes(self, name):
        """Outer pids of processes of this appliance whose comm is name."""
        found = []
        init = self.init_pid()
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open("/proc/%s/comm" % entry) as f:
                    if f.read().strip() != name[:15]:
                        continue
                if is_descendant(int(entry), init):
                    found.append(int(entry))
            except OSError:
                continue
        return found

    def engine_pid(self):
        """Of an engine that lives: one that has just begun has not published itself yet, one that was just killed is still in /status."""
        def found():
            try:
                inner = self.status()["engine"]["pid"]
                return inner and self.outer_pid(inner)
            except (OSError, AssertionError):
                return None

        return wait_for("a living engine is in /status", found)

    def engine_child(self, other_than=0):
        """The engine as init's child, whatever it may have got to do yet; 0: there is none."""
        init = self.init_pid()
        with open("/proc/%d/task/%d/children" % (init, init)) as f:
            children = [int(pid) for pid in f.read().split()]
        for pid in children:
            try:
                with open("/proc/%d/cmdline" % pid, "rb") as f:
                    if f.read().endswith(b"\0engine\0") and pid != other_than:
                        return pid
            except OSError:
                continue
        return 0

    def wait_next_life(self, before):
        """Until a PID 1 other than that one answers, after a reboot."""
        def is_new():
            try:
                return self.alive() and self.init_pid() not in (0, before) and self.ping()
            except (OSError, ValueError):
                return False

        wait_for("another PID 1", is_new)


class Appliance(Machine):
    """In namespaces, by scripts/boot. data="none": without /data; wrap: words before the command (nsenter ...)."""

    def __init__(self, directory, units=None, images=("hello", "moe-orchestrator"), ports="", data=None, netns="", wrap=()):
        super().__init__(directory, units, images)
        self.run = os.path.join(self.dir, "run")
        self.ports = ports
        self.data = data or self.data
        self.netns = netns
        self.wrap = list(wrap)

    @property
    def socket(self):
        return os.path.join(self.run, "cleat.sock")

    def init_pid(self):
        with open(os.path.join(self.run, "init.pid")) as f:
            return int(f.read())

    def start(self, wait=True):
        env = dict(os.environ, CONFIG=self.config, DATA=self.data, RUN=self.run, PORTS=self.ports, NETNS=self.netns)
        out = open(self.console_path, "ab")
        self.process = subprocess.Popen(self.wrap + [os.path.join(ROOT, "scripts", "boot")], env=env, stdin=subprocess.DEVNULL,
                                        stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, start_new_session=True)
        out.close()
        if wait:
            wait_for("control socket answers:\n" + self.console(), lambda: self.alive() and self.ping())
        return self

    def stop(self, seconds=60):
        """Ctrl-C, as a user does; the exit code of scripts/boot."""
        if self.process is None or self.process.poll() is not None:
            return self.process and self.process.returncode
        os.kill(self.process.pid, signal.SIGINT)
        return self.process.wait(seconds)

    def close(self):
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            remove_cgroups("cleat-boot-%d" % self.process.pid)


def parent_of(pid):
    with open("/proc/%d/stat" % pid) as f:
        return int(f.read().rsplit(")", 1)[1].split()[1])


def is_descendant(pid, ancestor):
    while pid > 1:
        if pid == ancestor:
            return True
        pid = parent_of(pid)
    return False


def in_namespace(pid, init_ns, depth):
    """Does this process live in init's pid namespace (depth 2) or in one below it?"""
    if depth == 2:
        return os.readlink("/proc/%d/ns/pid" % pid) == init_ns
    while pid > 1:
        try:
            if os.readlink("/proc/%d/ns/pid" % pid) == init_ns:
                return True
            pid = parent_of(pid)
        except OSError:
            return False
    return False


def connect_in_netns(pid, host, port):
    """A TCP connection made in the network namespace of a process. A thread goes there and ends: the others stay where they are."""
    def connect():
        with open("/proc/%d/ns/net" % pid, "rb") as namespace:
            if LIBC.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns: " + os.strerror(ctypes.get_errno()))
        return socket.create_connection((host, port), timeout=60)

    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        return executor.submit(connect).result()


def http_in_netns(pid, port, path, accept=None, method="GET", host="127.0.0.1"):
    """(status, body) of an HTTP request from the network namespace of a process; OSError, whatever goes wrong."""
    return ask(connect_in_netns(pid, host, port), path, accept, method)


def ask(sock, path, accept, method):
    connection = http.client.HTTPConnection("localhost")
    connection.sock = sock
    try:
        connection.request(method, path, headers={"Accept": accept} if accept else {})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except http.client.HTTPException as e:
        raise OSError("%s: %s" % (type(e).__name__, e)) from e
    finally:
        connection.close()


def cgroup_trees():
    """The mount points of all cgroup trees of this machine."""
    with open("/proc/self/mounts") as f:
        return [words[1] for words in map(str.split, f) if words[2] in ("cgroup", "cgroup2")]


def remove_cgroups(name):
    """Ends what is left in the cgroups below /NAME, in every tree, and removes them. For cleaning up after a failure."""
    for tree in cgroup_trees():
        top = os.path.join(tree, name)
        for _ in range(200):
            folders = [path for path, _, _ in os.walk(top, topdown=False)]
            if not folders:
                break
            for folder in folders:
                end_cgroup(folder)
            time.sleep(0.02)


def end_cgroup(folder):
    try:
        with open(os.path.join(folder, "cgroup.procs")) as f:
            for pid in f.read().split():
                os.kill(int(pid), signal.SIGKILL)
        os.rmdir(folder)
    except (OSError, ValueError):
        pass  # busy for a moment, or gone already: the caller comes again


def descendants(pid):
    """Pids of all processes below this one."""
    children = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            children.setdefault(parent_of(int(entry)), []).append(int(entry))
        except OSError:
            continue
    found = list(children.get(pid, []))
    for child in found:  # grows meanwhile
        found.extend(children.get(child, []))
    return found


def leftovers(appliance):
    """What an appliance that was stopped left on this machine: its cgroup, mounts below its folder, processes of its cgroup."""
    with open("/proc/self/mountinfo") as f:
        found = [line.split()[4] for line in f if appliance.dir in line]
    for base in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        group = os.path.join(base, "cleat-boot-%d" % appliance.process.pid)
        if os.path.exists(group):
            found.append(group)
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and "cleat-boot-%d" % appliance.process.pid in open("/proc/%s/cgroup" % entry).read():
                found.append("process " + entry)
        except OSError:
            continue
    return found
