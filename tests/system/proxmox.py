# SPDX-License-Identifier: Apache-2.0
"""What Proxmox VE does to a container's root, as reference texts describe it: which system it takes it for, what it edits when the container is
made, and what it edits before every start. Ours, written from those descriptions; for systems with Debian's network files, as it treats ours.

Files are written as it does: anew beside the old one, then renamed, owned by root of the container."""
import ipaddress
import os
import re

KNOWN = ("alpine", "archlinux", "centos", "debian", "devuan", "fedora", "gentoo", "nixos", "openeuler", "opensuse", "ubuntu", "unmanaged")
RELATED = {"arch": "archlinux", "sles": "opensuse", "opensuse-leap": "opensuse", "opensuse-tumbleweed": "opensuse", "rocky": "centos", "almalinux": "centos"}
FALLBACK = (("debian_version", "debian"), ("devuan_version", "devuan"), ("SuSE-brand", "opensuse"), ("SuSE-release", "opensuse"),
            ("fedora-release", "fedora"), ("centos-release", "centos"), ("redhat-release", "centos"), ("arch-release", "archlinux"),
            ("alpine-release", "alpine"), ("gentoo-release", "gentoo"))
MACHINES = {0x03: "i386", 0x3e: "amd64", 0x28: "armhf", 0xb7: "arm64"}
BEGIN, END = "# --- BEGIN PVE ---", "# --- END PVE ---"


class Refused(Exception):
    pass


class Root:
    """root: a folder of this machine; first: what root of the container is here."""

    def __init__(self, root, first=0):
        self.root, self.first, self.warnings = str(root), first, []

    def path(self, name):
        """In the container's eyes: links do not lead out of it."""
        for _ in range(20):
            full = os.path.join(self.root, name.lstrip("/"))
            if not os.path.islink(full):
                return full
            name = os.path.normpath(os.path.join(os.path.dirname("/" + name.lstrip("/")), os.readlink(full)))
        raise Refused("too many links: " + name)

    def is_file(self, name):
        return os.path.isfile(self.path(name))

    def read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def write(self, name, text, mode=0o644):
        folder, base = os.path.split(name)
        if self.is_file(os.path.join(folder, ".pve-ignore." + base)):
            return
        full = os.path.join(self.path(folder), base)  # a link of that name is replaced
        with open(full + ".tmp.1", "w") as f:
            f.write(text)
        os.chmod(full + ".tmp.1", mode)
        os.chown(full + ".tmp.1", self.first, self.first)
        os.rename(full + ".tmp.1", full)

    # --- which system ------------------------------------------------------------------------------

    def system(self):
        name = next((name for name in ("/etc/os-release", "/usr/lib/os-release") if self.is_file(name)), None)
        found = re.search(r"^ID=[\"']?([A-Za-z0-9-]*)", self.read(name), re.M) if name else None
        identity = found.group(1) if found else ""
        if identity in KNOWN:
            return identity
        if identity in RELATED:
            return RELATED[identity]
        self.warnings.append("unknown ID '%s' in /etc/os-release file, trying fallback detection" % identity)
        if self.is_file("/etc/lsb-release") and re.search(r"^DISTRIB_ID=Ubuntu$", self.read("/etc/lsb-release"), re.M | re.I):
            return "ubuntu"
        for file, system in FALLBACK:
            if self.is_file("/etc/" + file):
                return system
        if self.is_file("/etc/os-release"):
            raise Refused("unable to detect OS distribution")
        self.warnings.append("no /etc/os-release, assuming unmanaged")
        return "unmanaged"

    def machine(self):
        with open(self.path("/bin/sh"), "rb") as f:
            head = f.read(20)
        if head[:4] != b"\x7fELF":
            raise Refused("/bin/sh does not resolve to an ELF")
        return MACHINES[int.from_bytes(head[18:20], "little")]

    # --- what is edited ----------------------------------------------------------------------------

    def create(self, conf):
        """conf: hostname, nets (dictionaries of the fields of net0, ...), nameserver, searchdomain, password, ssh_keys."""
        if self.system() == "unmanaged":
            return
        self.clear_identity()
        if self.is_file("/etc/passwd"):
            self.set_password(conf.get("password", "*"))
        if conf.get("ssh_keys"):
            self.set_keys(conf["ssh_keys"])
        self.edit(conf)

    def before_start(self, conf):
        if self.system() == "unmanaged":
            return
        self.write("/fastboot", "")
        self.edit(conf)

    def edit(self, conf):
        if self.is_file("/etc/inittab"):
            raise Refused("not ported: /etc/inittab")
        self.set_network(conf.get("nets", ()))
        self.set_hostname(conf)
        self.set_dns(conf)

    def clear_identity(self):
        for name in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
            if self.is_file(name):
                os.unlink(self.path(name))

    def set_password(self, crypted):
        field = r"\1%s\2" % crypted.replace("\\", r"\\")
        if self.is_file("/etc/shadow"):
            self.write("/etc/shadow", re.sub(r"^(root:)[^:]*(:)", field, self.read("/etc/shadow"), flags=re.M), 0o640)
            field = r"\1x\2"
        self.write("/etc/passwd", re.sub(r"^(root:)[^:]*(:)", field, self.read("/etc/passwd"), flags=re.M))

    def set_keys(self, keys):
        home = re.search(r"^root:(?:[^:]*:){4}([^:]*):", self.read("/etc/passwd"), re.M).group(1)
        if not os.path.isdir(self.path(home)):
            raise Refused("home directory '%s' of root does not exist" % home)
        folder = os.path.join(self.path(home), ".ssh")
        os.makedirs(folder, 0o700, exist_ok=True)
        os.chown(folder, self.first, self.first)
        self.write(os.path.join(home, ".ssh/authorized_keys"), keys, 0o700)

    def set_section(self, name, data, replace=False):
        """Puts data between the marks: where they are, else at the end, or in place of everything."""
        section = "%s\n%s%s\n" % (BEGIN, data, END)
        old = self.read(name) if self.is_file(name) else ""
        marked = re.search(r"^%s\n.*?^%s\n" % (re.escape(BEGIN), re.escape(END)), old, re.M | re.S)
        if marked:
            self.write(name, old[:marked.start()] + section + old[marked.end():])
        else:
            self.write(name, section if replace or not old else old.rstrip("\n") + "\n" + section)

    def set_hostname(self, conf):
        name = conf.get("hostname", "localhost")
        short = name.split(".")[0]
        self.write("/etc/hostname", short + "\n")
        names = "%s %s" % (name, short) if "." in name else " ".join(["%s.%s" % (name, domain) for domain in conf.get("searchdomain", "").split()] + [name])
        own = re.sub(r"^%s\n.*?^%s\n" % (re.escape(BEGIN), re.escape(END)), "", self.read("/etc/hosts") if self.is_file("/etc/hosts") else "", flags=re.M | re.S)
        data = "" if re.search(r"^\s*127\.0\.0\.1\s", own, re.M) else "127.0.0.1 localhost.localnet localhost\n"
        data += "" if re.search(r"^\s*::1\s", own, re.M) else "::1 localhost.localnet localhost\n"
        address = next((net[key].split("/")[0] for key in ("ip", "ip6") for net in conf.get("nets", ()) if "/" in net.get(key, "")), None)
        data += "%s %s\n" % (address, names) if address else "127.0.1.1 %s\n" % short
        self.set_section("/etc/hosts", data)

    def set_dns(self, conf):
        """Without an answer of the user's those of the host."""
        data = "search %s\n" % conf.get("searchdomain", "host.example") + "".join("nameserver %s\n" % ns for ns in conf.get("nameserver", "192.0.2.53").split())
        self.set_section("/etc/resolv.conf", data, replace=True)

    # --- /etc/network/interfaces -------------------------------------------------------------------

    def with_cidr(self):
        version = self.read("/etc/alpine-release").split(".")
        return (int(version[0]), int(version[1])) >= (3, 13)

    def stanza(self, net, family, kept):
        """The lines of one interface in one family, or none; kept: lines that a user put below it."""
        value = net.get("ip" if family == "inet" else "ip6")
        if value is None:
            return []
        if family == "inet6" and value in ("dhcp", "auto"):
            value = "manual"  # what it does for a system with busybox's DHCP client
        if value in ("dhcp", "manual"):
            return ["iface %s %s %s" % (net["name"], family, value)]
        address = ipaddress.ip_interface(value)
        lines = ["iface %s %s static" % (net["name"], family)]
        if self.with_cidr():
            lines.append("\taddress " + value)
        else:
            lines += ["\taddress %s" % address.ip, "\tnetmask %s" % (address.netmask if family == "inet" else address.network.prefixlen)]
        gateway = net.get("gw" if family == "inet" else "gw6")
        if gateway:
            there = ipaddress.ip_address(gateway)
            if there in address.network or there.is_link_local:
                lines.append("\tgateway " + gateway)
            else:
                route = "ip route %s " + gateway + " dev " + net["name"]
                default = "ip route %s default via " + gateway + " dev " + net["name"]
                lines += [BEGIN, "\tpost-up " + route % "add", "\tpost-up " + default % "add", "\tpre-down " + default % "del",
                          "\tpre-down " + route % "del", END]
        return lines + ["\t" + line for line in kept]

    def kept_lines(self, text):
        """What a user added below each stanza: {(interface, family): lines}, without what is written anew."""
        kept, current, inside = {}, None, False
        for line in text.splitlines():
            words = line.split()
            if line.startswith(BEGIN) or line.startswith(END):
                inside = line.startswith(BEGIN)
            elif not words:
                current = None
            elif words[0] == "iface":
                current = kept.setdefault((words[1], words[2]), [])
            elif words[0] == "auto":
                current = None
            elif current is not None and not inside and words[0] not in ("address", "netmask", "gateway", "broadcast"):
                current.append(line.strip())
        return kept

    def set_network(self, nets):
        if not nets:
            return
        name = "/etc/network/interfaces"
        os.makedirs(self.path("/etc/network"), exist_ok=True)
        kept = self.kept_lines(self.read(name)) if self.is_file(name) else {}
        lines = ["auto lo", "iface lo inet loopback", "iface lo inet6 loopback", ""]
        for net in sorted(nets, key=lambda net: net["name"]):
            stanzas = [(family, self.stanza(net, family, kept.get((net["name"], family), ()))) for family in ("inet", "inet6")]
            if any(stanza for _, stanza in stanzas):
                lines.append("auto " + net["name"])
            for _, stanza in stanzas:
                lines += stanza + [""] if stanza else []
        self.write(name, "\n".join(lines) + "\n")
