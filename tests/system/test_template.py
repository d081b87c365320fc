# SPDX-License-Identifier: Apache-2.0
"""What "make lxc" writes: names, members, limits, digests and contents, and that it is the same wherever it is made."""
import glob
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile

import jsonschema
import pytest

from appliance import ARCH, BUILD, ROOT
from lxc import DEB_ARCH, artefact

DIST = os.path.join(ROOT, "dist")
ROOTFS = os.path.join(BUILD, "rootfs")
ELF_MACHINE = {"x86_64": 0x3e, "aarch64": 0xb7}
EPOCH = int(re.search(r"^SOURCE_DATE_EPOCH \?= (\d+)$", open(os.path.join(ROOT, "Makefile")).read(), re.M).group(1))
VERSION = re.search(r"^VERSION := (\S+)$", open(os.path.join(ROOT, "Makefile")).read(), re.M).group(1)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def plain(path):
    """The bytes of the tar in an artefact."""
    tool = {".xz": "xz", ".zst": "zstd"}[os.path.splitext(path)[1]]
    return subprocess.run([tool, "-dcq", path], stdout=subprocess.PIPE, check=True).stdout


def members(data):
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        return {member.name: member for member in tar}


def content(data, name):
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        return tar.extractfile(name).read().decode()


# --- the root --------------------------------------------------------------------------------------------------------------


def test_names_are_those_of_a_proxmox_template():
    for suffix in ("tar.xz", "tar.zst"):
        name = os.path.basename(artefact(suffix))
        assert re.fullmatch(r"[^/]+\.tar\.(gz|xz|zst|bz2)", name)  # what the storage lists as a template
        assert re.fullmatch(r"[a-z]+-[0-9.]+-[a-z]+_\d{8}_(amd64|arm64)\.tar\.(xz|zst)", name)  # system-version-variant_date_machine
        assert name.split("_")[2].split(".")[0] == DEB_ARCH[ARCH]


def test_both_compressions_hold_the_same():
    assert plain(artefact("tar.xz")) == plain(artefact("tar.zst"))


def test_sizes_stay_within_their_limits():
    assert os.path.getsize(artefact("tar.xz")) <= 2.5 * 2**20
    assert len(plain(artefact("tar.xz"))) <= 8 * 2**20


def test_members_suit_an_unprivileged_container():
    with tarfile.open(artefact("tar.xz")) as tar:
        found = list(tar)
    with subprocess.Popen(["tar", "-tf", artefact("tar.xz")], stdout=subprocess.PIPE, text=True) as listing:
        names = listing.stdout.read().splitlines()
    assert all(name.startswith("./") for name in names)  # or "--anchored --exclude ./dev/*" would miss
    assert len(found) == len(names) >= 10
    for member in found:
        assert member.isreg() or member.isdir() or member.issym(), member.name
        assert (member.uid, member.gid) == (0, 0) and member.mtime == EPOCH, member.name
        assert not member.mode & 0o6000, member.name
    assert not [name for name in names if re.match(r"\./(dev|proc|sys|run)/.", name)]


def test_root_has_what_hosts_write_and_no_identity():
    found = members(plain(artefact("tar.xz")))
    for folder in ("./etc", "./etc/network", "./root", "./dev", "./proc", "./sys", "./run", "./sbin", "./config", "./data"):
        assert found[folder].isdir(), folder
    for name in ("machine-id", "hostname", "shadow", "inittab", "securetty", "ssh", "localtime"):
        assert "./etc/" + name not in found
    assert not [name for name in found if re.search(r"ssh_host|authorized_keys|\.key$", name)]


def resolve(name):
    """A path in the root, its links followed as a chroot would."""
    for _ in range(10):
        path = os.path.join(ROOTFS, name.lstrip("/"))
        if not os.path.islink(path):
            return path
        name = os.path.normpath(os.path.join("/", os.path.dirname(name), os.readlink(path)))
    raise AssertionError("a circle of links: " + name)


def test_shell_tells_the_machine():
    """Proxmox takes the container's architecture from the ELF header of /bin/sh."""
    head = read(resolve("/bin/sh"))[:20]
    assert head[:4] == b"\x7fELF" and int.from_bytes(head[18:20], "little") == ELF_MACHINE[ARCH]
    assert os.access(resolve("/sbin/init"), os.X_OK)


# --- metadata --------------------------------------------------------------------------------------------------------------


def test_lxc_metadata_has_both_configurations():
    found = plain(artefact("lxc-meta.tar.xz"))
    assert {"./config", "./config-user", "./create-message"} <= set(members(found))
    for name in ("./config", "./config-user"):
        text = content(found, name)
        assert "nesting.conf" in text and "lxc.arch = %s\n" % ARCH in text and "@" not in text
    assert "userns.conf" in content(found, "./config-user") and "userns.conf" not in content(found, "./config")


def test_incus_metadata_is_the_same_in_both_forms():
    split, unified = plain(artefact("incus.tar.xz")), plain(artefact("incus-unified.tar.xz"))
    text = content(split, "metadata.yaml")
    assert text == content(unified, "metadata.yaml")
    for line in (r"architecture: %s" % ARCH, r"creation_date: %d" % EPOCH, r"  os: Cleat", r'  release: "%s"' % VERSION, r"  variant: default",
                 r"  architecture: %s" % DEB_ARCH[ARCH], r"  description: \S.*", r'  requirements.nesting: "true"'):
        assert re.search("^%s$" % line, text, re.M), (line, text)
    assert "@" not in text
    for template in re.findall(r"^    template: (\S+)$", text, re.M):
        assert content(split, "templates/" + template) == content(unified, "templates/" + template)


def test_unified_image_holds_the_root():
    root, unified = plain(artefact("tar.xz")), plain(artefact("incus-unified.tar.xz"))
    inside = {name[len("rootfs"):]: m for name, m in members(unified).items() if name == "rootfs" or name.startswith("rootfs/")}
    outside = {name[1:]: m for name, m in members(root).items()}

    def facts(found):
        return {name: (m.type, m.mode, m.uid, m.gid, m.size, m.linkname, m.mtime) for name, m in found.items()}

    assert facts(inside) == facts(outside)


def test_sums_are_right():
    done = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=DIST, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    listed = {line.split()[1] for line in read(os.path.join(DIST, "SHA256SUMS")).decode().splitlines()}
    for suffix in ("tar.xz", "tar.zst", "lxc-meta.tar.xz", "incus.tar.xz", "incus-unified.tar.xz", "cdx.json"):
        assert os.path.basename(artefact(suffix)) in listed


# --- made elsewhere --------------------------------------------------------------------------------------------------------


@pytest.fixture(name="elsewhere", scope="module")
def fixture_elsewhere(tmp_path_factory):
    """Another clone's folder with the same programs, in which the root is laid out and packed by somebody with other habits."""
    top = tmp_path_factory.mktemp("clone") / "cleat"
    for name in ("scripts", "image-recipes", "rootfs"):
        shutil.copytree(os.path.join(ROOT, name), top / name)
    for name in ("bin", "sysroot/bin", "sysroot/sbin", "sysroot/share"):
        source = os.path.join(BUILD, name)
        if os.path.isdir(source):
            shutil.copytree(source, top / "build" / ARCH / name, symlinks=True)
    (top / "build" / "sources").mkdir()
    for path in glob.glob(os.path.join(ROOT, "build", "sources", "*.deb")):
        os.symlink(path, top / "build" / "sources" / os.path.basename(path))
    env = dict(os.environ, ARCH=ARCH, CROSS="", VERSION=VERSION, SOURCE_DATE_EPOCH=str(EPOCH), TZ="Asia/Tokyo", LC_ALL="C.UTF-8")

    def run(script, check=True):
        return subprocess.run(["sh", "-c", 'umask 077; exec "$0"', str(top / "scripts" / script)], env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=check)

    run("make-rootfs")
    return top, run


def test_same_bytes_wherever_they_are_made_and_older_ones_go(elsewhere):
    top, run = elsewhere
    old = ["cleat-0.0.1-default_20200101_%s.tar.xz" % DEB_ARCH[ARCH], "cleat-0.0.1-%s-incus.tar.xz" % ARCH]
    kept = ["cleat-0.0.1-default_20200101_riscv64.tar.xz", "cleat-%s-%s-kernel" % (VERSION, ARCH)]
    (top / "dist").mkdir()
    for name in old + kept:
        (top / "dist" / name).write_text("old")
    run("make-lxc")
    made = set(os.listdir(top / "dist"))
    assert len(made) == 9 and made.isdisjoint(old) and made.issuperset(kept), made
    sums = (top / "dist" / "SHA256SUMS").read_text()
    assert {line.split()[1] for line in sums.splitlines()} == made - {"SHA256SUMS"}
    for name in made - {"SHA256SUMS", *kept}:
        assert read(top / "dist" / name) == read(os.path.join(DIST, name)), name


BROKEN = {
    "device": (lambda root: os.mknod(root / "dev" / "null", 0o020666, os.makedev(1, 3)), "holds device nodes"),
    "identity": (lambda root: (root / "etc" / "machine-id").write_text("0" * 32), "holds ./etc/machine-id"),
    "os-release": (lambda root: (root / "etc" / "os-release").write_text("ID=cleat\n"), "holds ./etc/os-release"),
    "shell": (lambda root: (root / "bin" / "sh").unlink(), "lacks ./bin/sh"),
    "size": (lambda root: (root / "usr" / "big").write_bytes(bytes(2**22)), "bytes unpacked, the limit is 8388608"),
    "compressed": (lambda root: (root / "usr" / "big").write_bytes(os.urandom(2**20)), "bytes, the limit is 2621440"),
}


@pytest.mark.parametrize("kind", sorted(BROKEN))
def test_a_root_that_hosts_would_refuse_is_not_packed(elsewhere, kind):
    top, run = elsewhere
    root = top / "build" / ARCH / "rootfs"
    spoil, words = BROKEN[kind]
    spoil(root)
    try:
        done = run("make-lxc", check=False)
        assert done.returncode == 1 and "make-lxc: " in done.stdout and words in done.stdout, done.stdout
    finally:
        run("make-rootfs")


# --- the bill of materials ------------------------------------------------------------------------------------------------


HASHES = {"type": "array", "items": {"type": "object", "required": ["alg", "content"], "additionalProperties": False,
                                     "properties": {"alg": {"enum": ["SHA-256"]}, "content": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}}}
PATCH = {"type": "object", "required": ["type"], "additionalProperties": False, "properties": {
    "type": {"enum": ["unofficial", "monkey", "backport", "cherry-pick"]},
    "diff": {"type": "object", "additionalProperties": False, "properties": {"url": {"type": "string"}}},
    "resolves": {"type": "array", "items": {"type": "object", "required": ["type"], "additionalProperties": False, "properties": {
        "type": {"enum": ["defect", "enhancement", "security"]}, "id": {"type": "string", "pattern": r"^CVE-\d{4}-\d{4,}$"}}}}}}
COMPONENT = {"type": "object", "required": ["type", "name"], "additionalProperties": False, "properties": {
    "type": {"enum": ["application", "framework", "library", "container", "platform", "operating-system", "device", "device-driver", "firmware", "file",
                      "machine-learning-model", "data"]},
    "bom-ref": {"type": "string", "minLength": 1}, "name": {"type": "string"}, "version": {"type": "string"}, "description": {"type": "string"},
    "hashes": HASHES, "purl": {"type": "string", "pattern": "^pkg:(generic|deb/debian)/[^@]+@.+"},
    "cpe": {"type": "string", "pattern": r"^cpe:2\.3:[aho](:[\w.\-*]+){10}$"},
    "licenses": {"type": "array", "items": {"oneOf": [
        {"type": "object", "required": ["expression"], "additionalProperties": False, "properties": {"expression": {"type": "string"}}},
        {"type": "object", "required": ["license"], "additionalProperties": False, "properties": {
            "license": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}}}]}},
    "pedigree": {"type": "object", "additionalProperties": False, "properties": {"patches": {"type": "array", "items": PATCH}}},
    "properties": {"type": "array", "items": {"type": "object", "additionalProperties": False, "required": ["name", "value"],
                                              "properties": {"name": {"type": "string"}, "value": {"type": "string"}}}},
    "externalReferences": {"type": "array", "items": {"type": "object", "required": ["url", "type"], "additionalProperties": False, "properties": {
        "type": {"enum": ["distribution"]}, "url": {"type": "string"}, "hashes": HASHES}}}}}
# What CycloneDX 1.5 says of the fields that we use; a field that we do not use is not in it, so that a new one is looked at here first.
SCHEMA = {"type": "object", "required": ["bomFormat", "specVersion"], "additionalProperties": False, "properties": {
    "bomFormat": {"enum": ["CycloneDX"]}, "specVersion": {"enum": ["1.5"]}, "version": {"type": "integer", "minimum": 1},
    "serialNumber": {"type": "string", "pattern": "^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
    "metadata": {"type": "object", "additionalProperties": False, "properties": {
        "timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}, "component": COMPONENT}},
    "components": {"type": "array", "uniqueItems": True, "items": COMPONENT},
    "dependencies": {"type": "array", "uniqueItems": True, "items": {"type": "object", "required": ["ref"], "additionalProperties": False, "properties": {
        "ref": {"type": "string"}, "dependsOn": {"type": "array", "uniqueItems": True, "items": {"type": "string"}}}}}}}


@pytest.fixture(name="bill", scope="module")
def fixture_bill():
    return json.loads(read(artefact("cdx.json")))


def lock_lines(kind):
    with open(os.path.join(ROOT, "image-recipes", "sources.lock")) as f:
        return [line.split()[1:] for line in f if line.startswith(kind + " ")]


def known():
    """Lines of image-recipes/sbom/components by name."""
    with open(os.path.join(ROOT, "image-recipes", "sbom", "components")) as f:
        lines = [[word.strip() for word in line.split("|")] for line in f if not line.startswith("#")]
    return {line[0]: line[1:] for line in lines}


def test_bill_is_cyclonedx(bill):
    jsonschema.validate(bill, SCHEMA)
    references = [c["bom-ref"] for c in bill["components"]] + [bill["metadata"]["component"]["bom-ref"]]
    assert len(set(references)) == len(references)
    for entry in bill["dependencies"]:
        assert {entry["ref"], *entry["dependsOn"]} <= set(references)


def test_bill_names_every_source_with_its_patches(bill):
    components = {c["name"]: c for c in bill["components"] if c["type"] != "file"}
    locked = [line[0] for kind in ("source", "package") for line in lock_lines(kind)]
    assert sorted(components) == sorted(name for name in locked if known().get(name, ["root"])[0] == "root")
    assert {"musl", "curl", "busybox", "ca-certificates"} <= set(components)
    for name, version, *_, digest in lock_lines("source"):
        if name in components:
            assert components[name]["version"] == version
            assert components[name]["hashes"] == [{"alg": "SHA-256", "content": digest}]
    for name, component in components.items():
        wanted = ["debian/patches/" + patch for owner, patch in lock_lines("patch") if owner == name]
        got = component.get("pedigree", {}).get("patches", [])
        assert [patch["diff"]["url"] for patch in got] == wanted
    assert components["curl"]["pedigree"]["patches"][1]["resolves"] == [{"type": "security", "id": "CVE-2025-10148"}]
    both = next(p for p in components["libarchive"]["pedigree"]["patches"] if "CVE-2026-4426_CVE" in p["diff"]["url"])
    assert [issue["id"] for issue in both["resolves"]] == ["CVE-2026-4426", "CVE-2026-5121"]
    year = next(p for p in components["libarchive"]["pedigree"]["patches"] if "CVE-2025-1632-25724" in p["diff"]["url"])
    assert [issue["id"] for issue in year["resolves"]] == ["CVE-2025-1632", "CVE-2025-25724"]


def test_every_component_has_a_licence(bill):
    missing = [c["name"] for c in bill["components"] if c["type"] != "file" and not c.get("licenses")]
    missing += [line[0] for kind in ("vm-package", "vm-kernel") for line in lock_lines(kind) if line[0] not in known()]
    assert not missing, "image-recipes/sbom/components has no line for %s" % missing


@pytest.mark.parametrize("locked, version, is_taken", [
    ("6.12", "6.12.5-1", True), ("6.12", "6.13-1", False), ("6.12", "6.120-1", False),
    ("2026c+", "2026c-0+deb13u1", True), ("2026c+", "2026f-0+deb13u1", True), ("2026c+", "2027a-1", True), ("2026c+", "2026b-1", False)])
def test_data_that_ages_may_be_newer_than_the_lock_and_nothing_else(tmp_path, locked, version, is_taken):
    """Debian replaces time zones and certificates in a stable suite: the old package is gone from one day to the next."""
    shutil.copytree(os.path.join(ROOT, "scripts"), tmp_path / "scripts")
    (tmp_path / "image-recipes").mkdir()
    (tmp_path / "image-recipes" / "sources.lock").write_text("suite trixie\npackage data %s some-data\n" % locked)
    made = tmp_path / "deb" / "DEBIAN"
    made.mkdir(parents=True)
    (made / "control").write_text("Package: some-data\nVersion: %s\nArchitecture: all\nMaintainer: nobody\nDescription: x\n" % version)
    given = tmp_path / "given"
    given.mkdir()
    subprocess.run(["dpkg-deb", "-b", str(made.parent), str(given / "some-data_1_all.deb")], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([str(tmp_path / "scripts" / "fetch-sources")], env=dict(os.environ, SOURCES=str(given)), stderr=subprocess.PIPE, text=True)
    assert (done.returncode == 0) == is_taken, done.stderr
    assert is_taken or "of version " + locked in done.stderr
    assert (tmp_path / "build" / "sources" / "data.deb").exists() == is_taken


def test_bill_of_a_machine_has_its_kernel_and_nobody_elses(tmp_path):
    """Of packages it has the version that was fetched, not the beginning of it that is locked."""
    for name in ("scripts", "image-recipes"):
        shutil.copytree(os.path.join(ROOT, name), tmp_path / name)
    (tmp_path / "build" / ARCH / "sysroot" / "share").mkdir(parents=True)
    shutil.copy(os.path.join(BUILD, "sysroot", "share", "busybox.links"), tmp_path / "build" / ARCH / "sysroot" / "share")
    sources = tmp_path / "build" / "sources"
    sources.mkdir()
    wanted = {}
    for kind in ("package", "vm-package", "vm-kernel"):
        for name, version, package, *_ in lock_lines(kind):
            wanted[name] = version.rstrip("+") + ".5-1"
            made = tmp_path / "deb" / name / "DEBIAN"
            made.mkdir(parents=True)
            (made / "control").write_text("Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: nobody\nDescription: x\n" % (package, wanted[name]))
            subprocess.run(["dpkg-deb", "-b", str(made.parent), str(sources / (name + ".deb"))], check=True, stdout=subprocess.DEVNULL)
    env = dict(os.environ, ARCH=ARCH, VERSION=VERSION, SOURCE_DATE_EPOCH=str(EPOCH), KIND="machine", ROOT=ROOTFS)
    command = [str(tmp_path / "scripts" / "make-sbom"), artefact("tar.xz")]
    machine = json.loads(subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True).stdout)
    jsonschema.validate(machine, SCHEMA)
    components = {c["name"]: c for c in machine["components"] if c["type"] != "file"}
    assert "kernel-" + ARCH in components and "e2fsprogs" in components
    assert not [name for name in components if name.endswith(tuple("-" + arch for arch in DEB_ARCH if arch != ARCH))]
    for name in components.keys() & wanted.keys():
        assert components[name]["version"] == wanted[name] and "@" + wanted[name] + "?" in components[name]["purl"]
    assert components["kernel-" + ARCH]["cpe"].split(":")[4:6] == ["linux_kernel", "6.12.5"]
    (sources / ("kernel-%s.deb" % ARCH)).unlink()
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1 and "build/sources/kernel-%s.deb is missing" % ARCH in done.stderr


def test_bill_lists_every_file_of_the_root(bill):
    listed = {c["name"]: c["hashes"][0]["content"] for c in bill["components"] if c["type"] == "file"}
    with tarfile.open(artefact("tar.xz")) as tar:
        there = {m.name[1:]: hashlib.sha256(tar.extractfile(m).read()).hexdigest() for m in tar if m.isreg()}
    assert listed == there


def test_bill_says_what_busybox_holds(bill):
    busybox = next(c for c in bill["components"] if c["name"] == "busybox")
    facts = {p["name"]: p["value"] for p in busybox["properties"]}
    assert facts["cleat:busybox:config:sha256"] == hashlib.sha256(read(os.path.join(ROOT, "image-recipes", "busybox.config"))).hexdigest()
    applets = facts["cleat:busybox:applets"].split()
    assert {"sh", "ls", "udhcpc"} <= set(applets) and "login" not in applets
    done = subprocess.run([os.path.join(ROOTFS, "bin", "busybox"), "--list"], stdout=subprocess.PIPE, text=True, check=True)
    assert sorted(applets) == sorted(done.stdout.split())


def test_bill_names_the_artefacts_with_their_digests(bill):
    for reference in bill["metadata"]["component"]["externalReferences"]:
        assert reference["hashes"][0]["content"] == hashlib.sha256(read(os.path.join(DIST, reference["url"]))).hexdigest()
    assert len(bill["metadata"]["component"]["externalReferences"]) == 2
