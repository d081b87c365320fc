# SPDX-License-Identifier: Apache-2.0
"""Writes OCI archives as "skopeo copy ... oci-archive:FILE" does, honest ones and broken ones."""
import gzip
import hashlib
import io
import json
import os
import platform
import tarfile

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
APPLETS = ("sh cat echo sleep id ls ps grep mkdir touch rm mount umount hostname wget nc httpd true false kill sed head tail "
           "seq dd stat ln chmod chown df env printf test cp mv date yes ip ifconfig pwd wc").split()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(entries):
    """A plain tar of (name, attributes) pairs: content=bytes, mode, uid, gid, link=target, hardlink=target, type."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, attributes in entries:
            info = tarfile.TarInfo(name)
            info.uid = attributes.get("uid", 0)
            info.gid = attributes.get("gid", 0)
            info.mode = attributes.get("mode", 0o755)
            data = attributes.get("content")
            if "link" in attributes:
                info.type, info.linkname = tarfile.SYMTYPE, attributes["link"]
            elif "hardlink" in attributes:
                info.type, info.linkname = tarfile.LNKTYPE, attributes["hardlink"]
            elif data is None:
                info.type = attributes.get("type", tarfile.DIRTYPE)
            else:
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data) if data is not None else None)
    return out.getvalue()


def box_entries(busybox):
    """A root file system with a static busybox, users 0, 1001 "app" and a world-writable /tmp."""
    with open(busybox, "rb") as f:
        program = f.read()
    entries = [(name, {}) for name in ("bin", "etc", "data", "var", "proc", "sys", "dev", "run", "home")]
    entries.append(("tmp", {"mode": 0o1777}))
    entries.append(("home/app", {"uid": 1001, "gid": 1001}))
    entries.append(("bin/busybox", {"content": program}))
    entries += [("bin/" + applet, {"link": "busybox"}) for applet in APPLETS]
    entries.append(("etc/passwd", {"mode": 0o644, "content": b"root:x:0:0:root:/root:/bin/sh\napp:x:1001:1001::/home/app:/bin/sh\n"}))
    entries.append(("etc/group", {"mode": 0o644, "content": b"root:x:0:\napp:x:1001:\nextra:x:2002:app\n"}))
    return entries


class Archive:
    """Everything of one image; change what you like, then write()."""

    def __init__(self, name, layers, config=None, arch=ARCH):
        self.name = name
        self.blobs = {}
        self.layers = [self.add_blob(gzip.compress(plain, 6, mtime=0)) for plain in layers]
        body = {"architecture": arch, "os": "linux", "config": config or {},
                "rootfs": {"type": "layers", "diff_ids": [digest(plain) for plain in layers]}}
        self.config = self.add_blob(json.dumps(body).encode())
        self.manifest = None

    def add_blob(self, data):
        name = digest(data)
        self.blobs[name] = data
        return {"digest": name, "size": len(data)}

    def manifest_bytes(self):
        layer_type = "application/vnd.oci.image.layer.v1.tar+gzip"
        return json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": dict(self.config, mediaType="application/vnd.oci.image.config.v1+json"),
            "layers": [dict(blob, mediaType=layer_type) for blob in self.layers]}).encode()

    def write(self, path):
        manifest = self.add_blob(self.manifest_bytes())
        self.manifest = manifest["digest"]
        entry = dict(manifest, mediaType="application/vnd.oci.image.manifest.v1+json")
        if self.name:
            entry["annotations"] = {"org.opencontainers.image.ref.name": self.name}
        index = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
        with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
            for name, data in [("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", index)]:
                add_member(tar, name, data)
            for name, data in self.blobs.items():
                add_member(tar, "blobs/" + name.replace(":", "/"), data)
        return self.manifest


def add_member(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o644
    tar.addfile(info, io.BytesIO(data))


def write_box(path, busybox, name="localhost/box:latest", config=None, extra=(), arch=ARCH):
    """The usual test image; returns its manifest digest."""
    defaults = {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]}
    defaults.update(config or {})
    return Archive(name, [layer(box_entries(busybox) + list(extra))], defaults, arch).write(path)


def busybox_of(build):
    return os.path.join(build, "sysroot", "bin", "busybox")
