# SPDX-License-Identifier: Apache-2.0
"""A real LXC container made of the artefacts in dist/, in a network and a mount namespace of the test's own."""
import glob
import os
import shutil
import subprocess
import tempfile

from appliance import ARCH, Machine, ROOT, http_in_netns, remove_cgroups, wait_for

FIRST_ID = 100000
OTHER_ID = 200000  # where another container's ids begin
IDS = 65536
GATEWAY = "10.77.0.1"
ADDRESS = "10.77.0.3"
LXC_CONFIG = "/usr/share/lxc/config"

# lxc-start looks for the links of its network namespace in /sys, so that needs a fresh sysfs with the cgroup trees put back;
# newuidmap allows only what subuid lists. All of it ends with the process that holds the namespaces.
SETUP = """set -e
mount --make-rprivate /
printf 'root:%(first)d:%(ids)d\\nroot:%(other)d:%(ids)d\\n' >%(base)s/subid
mount --bind %(base)s/subid /etc/subuid
mount --bind %(base)s/subid /etc/subgid
mount -t tmpfs -o size=8m run /run
mkdir %(base)s/trees
mount --rbind /sys/fs/cgroup %(base)s/trees
mount -t sysfs sysfs /sys
mount --rbind %(base)s/trees /sys/fs/cgroup
umount -l %(base)s/trees
ip link set lo up
ip link add br0 type bridge
ip address add %(gateway)s/24 dev br0
ip link set br0 up
echo ready
exec sleep infinity
"""


# Debian's name of the machine, which Proxmox has in names of templates.
DEB_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}


def artefact(suffix, arch=ARCH):
    """One of dist/: "lxc-meta.tar.xz" and so on; "tar.xz" and "tar.zst" are the root itself."""
    kind = "default_*_%s.%s" % (DEB_ARCH[arch], suffix) if suffix.startswith("tar.") else "%s%s%s" % (arch, "." if suffix == "cdx.json" else "-", suffix)
    found = glob.glob(os.path.join(ROOT, "dist", "cleat-*-" + kind))
    assert len(found) == 1, "make lxc writes one %s into dist/, there are %s" % (suffix, found)
    return found[0]


class Lxc(Machine):
    """unprivileged: ids 0.. are 100000.. (or first..) outside; with_template: lxc-create -t local, else tar and the same configuration;
    address: liblxc gives eth0 one and the route, else it is the appliance's to do."""

    count = 0

    def __init__(self, units=None, images=(), unprivileged=True, with_template=True, nesting=True, extra=(), first=None, address=True):
        self.base = tempfile.mkdtemp(prefix="cleat-lxc-")
        os.chmod(self.base, 0o755)  # container root has to get through
        super().__init__(self.base, units, images)
        Lxc.count += 1
        self.name = "cleat-test-%d-%d" % (os.getpid(), Lxc.count)
        self.first = first or (FIRST_ID if unprivileged else 0)
        self.address = address
        self.with_template, self.nesting, self.extra = with_template, nesting, extra
        self.path = os.path.join(self.base, "path")
        self.rootfs = os.path.join(self.path, self.name, "rootfs")
        self.holder = self.init = None
        os.mkdir(self.path)
        os.chown(self.data, self.first, self.first)

    # --- life -------------------------------------------------------------------------------------

    def outside_id(self, number):
        """What an id of the appliance is on this machine."""
        return self.first + number

    def hold(self):
        text = SETUP % {"base": self.base, "first": FIRST_ID, "other": OTHER_ID, "ids": IDS, "gateway": GATEWAY}
        self.holder = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "sh", "-c", text], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        line = self.holder.stdout.readline()
        assert line == "ready\n", line + self.holder.stdout.read()

    def command(self, *args):
        return ["setpriv", "--pdeathsig", "KILL", "nsenter", "-t", str(self.holder.pid), "-n", "-m"] + list(args)

    def lxc(self, program, *args, check=True, stdin=None, timeout=120):
        """lxc-PROGRAM about this container."""
        done = subprocess.run(self.command("lxc-" + program, "-P", self.path, "-n", self.name, *args), input=stdin,
                              stdin=None if stdin else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=timeout)
        if check and done.returncode:
            raise AssertionError("lxc-%s %s: exit %d: %s\n%s" % (program, " ".join(args), done.returncode, done.stdout, self.console()))
        return done.stdout if check else done

    def idmap(self):
        return "lxc.idmap = u 0 %d %d\nlxc.idmap = g 0 %d %d\n" % (self.first, IDS, self.first, IDS) if self.first else ""

    def create(self):
        self.hold()
        own = os.path.join(self.base, "own.conf")
        with open(own, "w") as f:
            f.write(self.idmap() + "lxc.net.0.type = veth\nlxc.net.0.link = br0\nlxc.net.0.flags = up\nlxc.net.0.name = eth0\n")
            if self.address:
                f.write("lxc.net.0.ipv4.address = %s/24\nlxc.net.0.ipv4.gateway = %s\n" % (ADDRESS, GATEWAY))
        if self.with_template:
            self.message = self.lxc("create", "-f", own, "-t", "local", "--", "--metadata", artefact("lxc-meta.tar.xz"),
                                    "--fstree", artefact("tar.xz"))
        else:
            self.create_plain(own)
        self.configure()
        return self

    def create_plain(self, own):
        """As Proxmox does it: tar within the id map, then a configuration that names the folder."""
        os.makedirs(self.rootfs)
        os.chown(self.rootfs, self.first, self.first)
        maps = ["-m", "u:0:%d:%d" % (self.first, IDS), "-m", "g:0:%d:%d" % (self.first, IDS)]
        unpack = ["tar", "-xpf", artefact("tar.xz"), "--numeric-owner", "-C", self.rootfs, "--anchored", "--exclude", "./dev/*"]
        subprocess.run(self.command(*(["lxc-usernsexec"] + maps + ["--"] if self.first else []), *unpack), check=True)
        with open(own) as f:
            text = f.read()
        kind = ["common.conf"] + (["userns.conf"] if self.first else []) + ["nesting.conf"]
        text += "".join("lxc.include = %s/%s\n" % (LXC_CONFIG, name) for name in kind)
        text += "lxc.rootfs.path = dir:%s\nlxc.uts.name = %s\nlxc.arch = %s\n" % (self.rootfs, self.name, ARCH)
        with open(os.path.join(self.path, self.name, "config"), "w") as f:
            f.write(text)

    def configure(self):
        path = os.path.join(self.path, self.name, "config")
        with open(path) as f:
            lines = f.read().splitlines()
        if not self.nesting:
            lines = [line for line in lines if "nesting.conf" not in line]
        lines += ["lxc.mount.entry = %s config none bind,ro 0 0" % self.config,
                  "lxc.mount.entry = %s data none bind 0 0" % self.data,
                  "lxc.console.logfile = %s" % self.console_path]
        lines += ["lxc.cgroup.dir.%s = %s/%s" % (key, self.name, key) for key in ("monitor", "container", "monitor.pivot")]
        with open(path, "w") as f:
            f.write("\n".join(lines + list(self.extra)) + "\n")

    def start(self, wait=True):
        out = open(os.path.join(self.base, "out"), "ab")
        log = os.path.join(self.base, "log")
        self.process = subprocess.Popen(self.command("lxc-start", "-P", self.path, "-n", self.name, "-F", "-o", log, "-l", "INFO"),
                                        stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        out.close()
        if wait:
            wait_for("the container answers", lambda: self.alive() and self.ping())
        return self

    def alive(self):
        if self.process.poll() is not None:
            with open(os.path.join(self.base, "log")) as f:
                raise AssertionError("lxc-start ended with %s:\n%s\n%s" % (self.process.returncode, self.console(), f.read()))
        return True

    def close(self):
        if self.process and self.process.poll() is None:
            self.lxc("stop", "--kill", check=False)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(20)
        remove_cgroups(self.name)
        if self.holder:
            self.holder.kill()
            self.holder.wait(20)
            self.holder.stdout.close()
        shutil.rmtree(self.base)

    # --- asking -----------------------------------------------------------------------------------

    def init_pid(self):
        """0 while there is none. lxc-info hangs when it has connected to a monitor that is just restarting its container."""
        try:
            return int(self.lxc("info", "-pH", timeout=5).strip() or 0)
        except subprocess.TimeoutExpired:
            return 0

    def ping(self):
        """By HTTP: to the control socket of an unprivileged container this machine's root is a stranger."""
        try:
            return self.http("/livez")[0] == 200
        except (OSError, ValueError, AssertionError):  # not yet, or between two lives
            return False

    def cleat(self, *args, check=True, timeout=90):
        return self.lxc("attach", "--clear-env", "--", "/usr/bin/cleat", *args, check=check, timeout=timeout)

    def shell(self, text, check=True):
        """A shell text by lxc-attach, as root of the container."""
        return self.lxc("attach", "--clear-env", "--", "/bin/sh", "-c", text, check=check)

    def http_from_network(self, path, port=25328, accept=None):
        """From the other end of the container's network."""
        return http_in_netns(self.holder.pid, port, path, accept, host=ADDRESS)
