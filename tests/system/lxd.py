# SPDX-License-Identifier: Apache-2.0
"""A server of LXD (or Incus, where that is what the distribution has) for a test, in namespaces of its own: network, mounts, processes."""
import json
import os
import shutil
import signal
import subprocess
import tempfile

from appliance import Machine, cgroup_trees, descendants, remove_cgroups, wait_for
from lxc import FIRST_ID, GATEWAY, IDS, OTHER_ID, SETUP

# (server, its arguments, client, the variables that name their folders)
KINDS = (("lxd", "lxc", "LXD"), ("/usr/libexec/incus/incusd", "incus", "INCUS"), ("incusd", "incus", "INCUS"))
PRESEED = """config: {}
storage_pools:
- name: default
  driver: dir
profiles:
- name: default
  devices:
    root: {path: /, pool: default, type: disk}
    eth0: {type: nic, nictype: bridged, parent: br0, name: eth0}
"""
# The server ends with its init of a pid namespace, and with it every container and monitor that it started.
SERVER = SETUP.rsplit("echo ready", 1)[0] + """mount -t proc proc /proc
export %(prefix)s_DIR=%(base)s/dir
exec %(server)s --group root --logfile %(base)s/log
"""


def installed():
    return next((kind for kind in KINDS if shutil.which(kind[0]) and shutil.which(kind[1])), None)


class Lxd:
    def __init__(self):
        self.server, self.client, self.prefix = installed()
        self.base = tempfile.mkdtemp(prefix="cleat-lxd-")  # short: a socket's path has room for 108 bytes
        os.chmod(self.base, 0o755)
        self.process = self.pid = None
        self.names, self.count = [], 0
        self.pivots = [tree for tree in cgroup_trees() if not os.path.exists(os.path.join(tree, "lxc.pivot"))]

    def start(self):
        text = SERVER % {"base": self.base, "first": FIRST_ID, "other": OTHER_ID, "ids": IDS, "gateway": GATEWAY, "prefix": self.prefix, "server": self.server}
        with open(os.path.join(self.base, "out"), "wb") as out:
            self.process = subprocess.Popen(["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", text], stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=subprocess.STDOUT)
        wait_for("the server's namespaces", self.child)
        wait_for("the server answers", lambda: self.alive() and self.run("query", "/1.0", check=False).returncode == 0)
        done = subprocess.run(self.command(*([self.server, "init"] if self.client == "lxc" else [self.client, "admin", "init"]), "--preseed"),
                              input=PRESEED, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout
        return self

    def alive(self):
        if self.process.poll() is not None:
            with open(os.path.join(self.base, "out"), errors="replace") as f:
                raise AssertionError("the server ended with %s:\n%s" % (self.process.returncode, f.read()))
        return True

    def child(self):
        """The first process of the pid namespace."""
        self.alive()
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as f:
            found = f.read().split()
        self.pid = int(found[0]) if found else None
        return self.pid

    def command(self, *words):
        env = ["env", "%s_DIR=%s/dir" % (self.prefix, self.base), "%s_CONF=%s/conf" % (self.prefix, self.base), "HOME=" + self.base]
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-p"] + env + list(words)

    def run(self, *words, check=True, timeout=120):
        done = subprocess.run(self.command(self.client, *map(str, words)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=timeout, check=False)
        if check and done.returncode:
            raise AssertionError("%s %s: exit %d: %s" % (self.client, " ".join(map(str, words)), done.returncode, done.stdout))
        return done.stdout if check else done

    def new_name(self):
        """Cgroups of containers are named after them, on the whole machine."""
        self.count += 1
        self.names.append("cleat-test-%d-%d" % (os.getpid(), self.count))
        return self.names[-1]

    def outer_pid(self, inner):
        """What this machine calls a process that the server's namespace calls inner."""
        for pid in descendants(self.pid):
            try:
                with open("/proc/%d/status" % pid) as f:
                    numbers = next(line for line in f if line.startswith("NSpid:")).split()[1:]
            except (OSError, StopIteration):
                continue
            if len(numbers) > 1 and int(numbers[1]) == inner:
                return pid
        return 0

    def close(self):
        try:
            if self.pid and self.process.poll() is None:
                for name in self.names:
                    self.run("delete", "-f", name, check=False, timeout=30)
        except subprocess.TimeoutExpired:
            pass  # the end of the namespace ends it all the same
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(20)
        for name in self.names:
            remove_cgroups("lxc.payload." + name)
            remove_cgroups("lxc.monitor." + name)
        for tree in self.pivots:
            try:
                os.rmdir(os.path.join(tree, "lxc.pivot"))
            except OSError:
                pass  # not made, or another's by now
        shutil.rmtree(self.base)


class LxdContainer(Machine):
    """One container of the server's. Its configuration and data are folders of this machine."""

    def __init__(self, server, units=None, images=()):
        self.server, self.name = server, server.new_name()
        super().__init__(os.path.join(server.base, self.name), units, images)
        os.chown(self.data, FIRST_ID, FIRST_ID)

    def launch(self, image, nesting=True, keys=(), devices=True, volume=None):
        """keys: "user.x=y"; devices: /config and /data are mounted, the latter from a volume of the server's, if one is given."""
        self.server.run("init", image, self.name, *(["-c", "security.nesting=true"] if nesting else []), *sum((["-c", key] for key in keys), []))
        if devices:
            self.server.run("config", "device", "add", self.name, "config", "disk", "source=" + self.config, "path=/config", "readonly=true")
            self.server.run("config", "device", "add", self.name, "data", "disk", *(["pool=default", "source=" + volume] if volume else
                                                                                    ["source=" + self.data]), "path=/data")
        return self.start()

    def start(self):
        self.server.run("start", self.name)
        wait_for("it answers", lambda: self.alive() and self.ping())
        return self

    def state(self):
        return json.loads(self.server.run("query", "/1.0/instances/%s/state" % self.name))

    def alive(self):
        assert self.state()["status"] == "Running", self.console()
        return True

    def init_pid(self):
        """0 while it does not run."""
        inner = max(self.state()["pid"], 0)
        return self.server.outer_pid(inner) if inner else 0

    def ping(self):
        try:
            return self.http("/livez")[0] == 200
        except (OSError, ValueError, AssertionError):
            return False

    def console(self):
        return self.server.run("console", self.name, "--show-log", check=False).stdout

    def shell(self, text, check=True):
        return self.server.run("exec", self.name, "--", "sh", "-c", text, check=check)
