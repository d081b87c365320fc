#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a real image, as people have them: Debian minbase, python3, nginx, an application; four layers, some 175 MB compressed.

debian_image.py OUT.tar writes it as an OCI archive and keeps it; nothing is done when OUT.tar is there and was made by this very
file. Needs root, debootstrap and Debian's package mirror. Mounts live in a mount namespace of the script's own.
"""
import hashlib
import io
import json
import os
import platform
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
CLEAN = "rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*"
INSTALL = "apt-get -qq update; apt-get -qq -y --no-install-recommends install %s; " + CLEAN
STEPS = (
    INSTALL % "python3 python3-numpy python3-requests ca-certificates",
    INSTALL % "nginx-light curl perl" + "; echo 'daemon off;' >/etc/nginx/modules-enabled/99-foreground.conf",
    # many small files, one that does not compress, owners, links
    "mkdir -p /srv/app; cd /srv/app; i=0; while [ $i -lt 3000 ]; do echo file $i >f$i; i=$((i+1)); done; "
    "head -c 60000000 /dev/urandom >blob; chown -R 1000:1000 .; ln -s f1 link; ln f2 hard",
)


def own_mark():
    with open(__file__, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def add(tar, path, name, links):
    """One file of an upper directory as a layer has it: deletions are named, trees that hide what is below are marked."""
    info = tar.gettarinfo(path, name)
    if info is None or stat.S_ISSOCK(os.lstat(path).st_mode):
        return
    st = os.lstat(path)
    if stat.S_ISCHR(st.st_mode) and st.st_rdev == 0:
        info = tarfile.TarInfo(os.path.join(os.path.dirname(name), ".wh." + os.path.basename(name)))
        tar.addfile(info)
        return
    info.uname = info.gname = ""
    if info.isreg() and st.st_nlink > 1:
        first = links.setdefault((st.st_dev, st.st_ino), name)
        if first != name:
            info.type, info.linkname, info.size = tarfile.LNKTYPE, first, 0
    if info.isreg():
        with open(path, "rb") as f:
            tar.addfile(info, f)
    else:
        tar.addfile(info)
    if info.isdir() and "trusted.overlay.opaque" in os.listxattr(path):
        tar.addfile(tarfile.TarInfo(os.path.join(name, ".wh..wh..opq")))


def write_layer(tree, out):
    """A tree as a gzip'd layer; returns (digest, size, diff id)."""
    links = {}
    with open(out + ".tar", "wb") as f, tarfile.open(fileobj=f, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for folder, names, files in os.walk(tree):
            names.sort()
            for name in sorted(names + files):
                path = os.path.join(folder, name)
                add(tar, path, os.path.relpath(path, tree), links)
    plain, compressed = hashlib.sha256(), hashlib.sha256()
    with open(out + ".tar", "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            plain.update(block)
    subprocess.run(["gzip", "-6", "-n", out + ".tar"], check=True)
    with open(out + ".tar.gz", "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            compressed.update(block)
    return compressed.hexdigest(), os.path.getsize(out + ".tar.gz"), "sha256:" + plain.hexdigest()


def run_step(work, lowers, number, script):
    """Runs a script in what there is so far; its changes become the next lower directory."""
    upper, merged = os.path.join(work, "upper%d" % number), os.path.join(work, "merged")
    for name in (upper, merged, os.path.join(work, "work%d" % number)):
        os.makedirs(name, exist_ok=True)
    os.chmod(upper, 0o755)
    options = "lowerdir=%s,upperdir=%s,workdir=%s" % (":".join(reversed(lowers)), upper, os.path.join(work, "work%d" % number))
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, merged], check=True)
    try:
        resolver = os.path.join(merged, "etc/resolv.conf")
        with open(resolver, "w") as f, open("/etc/resolv.conf") as ours:
            f.write(ours.read())
        policy = os.path.join(merged, "usr/sbin/policy-rc.d")
        with open(policy, "w") as f:
            f.write("#!/bin/sh\nexit 101\n")
        os.chmod(policy, 0o755)
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive",
               **{k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}}
        done = subprocess.run(["chroot", merged, "/bin/sh", "-euc", script], env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit("debian_image: step %d: %s" % (number, done.stdout[-2000:]))
        os.unlink(policy)
    finally:
        subprocess.run(["umount", merged], check=True)
    return upper


def add_bytes(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def write_archive(out, layers, name):
    """layers: (path, digest, size, diff id)."""
    config = json.dumps({
        "architecture": ARCH, "os": "linux", "rootfs": {"type": "layers", "diff_ids": [d for _, _, _, d in layers]},
        "config": {"Cmd": ["/usr/sbin/nginx"], "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}}).encode()
    kind = "application/vnd.oci.image.%s"
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": kind % "manifest.v1+json",
        "config": {"mediaType": kind % "config.v1+json", "digest": "sha256:" + hashlib.sha256(config).hexdigest(), "size": len(config)},
        "layers": [{"mediaType": kind % "layer.v1.tar+gzip", "digest": "sha256:" + d, "size": n} for _, d, n, _ in layers]}).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [{
        "mediaType": kind % "manifest.v1+json", "digest": "sha256:" + hashlib.sha256(manifest).hexdigest(), "size": len(manifest),
        "annotations": {"org.opencontainers.image.ref.name": name}}]}).encode()
    with tarfile.open(out + ".new", "w") as tar:
        add_bytes(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        add_bytes(tar, "index.json", index)
        for data in (manifest, config):
            add_bytes(tar, "blobs/sha256/" + hashlib.sha256(data).hexdigest(), data)
        for path, digest, size, _ in layers:
            info = tarfile.TarInfo("blobs/sha256/" + digest)
            info.size = size
            with open(path, "rb") as f:
                tar.addfile(info, f)
    os.replace(out + ".new", out)


def make(out):
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    work = tempfile.mkdtemp(prefix="debian-image-", dir=os.path.dirname(os.path.abspath(out)))
    try:
        base = os.path.join(work, "base")
        subprocess.run(["debootstrap", "--variant=minbase", SUITE, base, MIRROR], check=True, stdout=subprocess.DEVNULL)
        for name in os.listdir(os.path.join(base, "var/cache/apt/archives")):
            path = os.path.join(base, "var/cache/apt/archives", name)
            if os.path.isfile(path):
                os.unlink(path)
        lowers = [base]
        for number, script in enumerate(STEPS):
            lowers.append(run_step(work, list(lowers), number, script))
        layers = []
        for number, tree in enumerate(lowers):
            path = os.path.join(work, "layer%d" % number)
            layers.append((path + ".tar.gz",) + write_layer(tree, path))
        write_archive(out, layers, "localhost/debian-app:1")
        with open(out + ".made-by", "w") as f:
            f.write(own_mark())
    finally:
        shutil.rmtree(work, ignore_errors=True)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: debian_image.py OUT.tar")
    out = sys.argv[1]
    try:
        with open(out + ".made-by") as f:
            if f.read() == own_mark() and os.path.exists(out):
                return
    except OSError:
        pass
    if not shutil.which("debootstrap"):
        sys.exit("debian_image.py: debootstrap is missing: apt-get install debootstrap")
    if os.environ.get("DEBIAN_IMAGE_NAMESPACE") != "own":
        os.execvpe("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, os.path.abspath(__file__), out],
                   {**os.environ, "DEBIAN_IMAGE_NAMESPACE": "own"})
    make(out)


if __name__ == "__main__":
    main()
