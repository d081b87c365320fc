# SPDX-License-Identifier: Apache-2.0
"""A store and folders of archives for the real "cleat import", images that a test puts together, and what came of it."""
import copy
import ctypes
import errno
import gzip
import io
import json
import os
import subprocess
import tarfile
import time

import pytest

from appliance import BUILD
from ociimage import ARCH, digest

CLEAT = os.environ.get("CLEAT", os.path.join(BUILD, "bin", "cleat"))
ROOT_ID = 65000
FETCH_ID = 65001
OCI = "application/vnd.oci.image."
MANIFEST = OCI + "manifest.v1+json"
INDEX = OCI + "index.v1+json"
LAYER = OCI + "layer.v1.tar"
libc = ctypes.CDLL(None, use_errno=True)


# --- making archives --------------------------------------------------------------------------------------------------------


def member(name, data=b"", kind=tarfile.REGTYPE, mode=None, uid=0, gid=0, link="", pax=None, mtime=1000):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.uid, info.gid, info.mtime = uid, gid, mtime
    info.mode = mode if mode is not None else 0o755 if kind == tarfile.DIRTYPE else 0o644
    info.pax_headers = pax or {}
    if kind == tarfile.REGTYPE:
        info.size = len(data)
    return info, data


def folder(name, **more):
    return member(name, kind=tarfile.DIRTYPE, **more)


def symlink(name, target, **more):
    return member(name, kind=tarfile.SYMTYPE, link=target, **more)


def hardlink(name, target):
    return member(name, kind=tarfile.LNKTYPE, link=target)


def tar_of(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return out.getvalue()


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


PACKERS = {"": lambda data: data, "+gzip": lambda data: gzip.compress(data, mtime=0), "+zstd": zstd}


class Image:
    """Parts of an archive that a test may bend before write()."""

    def __init__(self, *layers, config=None, names=("localhost/app:1",), packing="+gzip", arch=ARCH):
        self.blobs = {}
        self.layers = []
        for plain in layers:
            self.layers.append(self.add(LAYER + packing, PACKERS[packing](plain)))
        self.diff_ids = [digest(plain) for plain in layers]
        self.config = {"architecture": arch, "os": "linux", "config": config or {}}
        self.names = names
        self.extra_descriptors = []
        self.platform = None

    def add(self, media_type, data):
        self.blobs[digest(data)] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    def finish(self):
        """Descriptor of the manifest."""
        config = dict(self.config, rootfs={"type": "layers", "diff_ids": self.diff_ids})
        body = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": self.layers,
                "config": self.add(OCI + "config.v1+json", json.dumps(config).encode())}
        return self.add(MANIFEST, json.dumps(body).encode())

    def entries(self):
        descriptor = self.finish()
        self.digest = descriptor["digest"]
        if self.platform:
            descriptor["platform"] = self.platform
        found = []
        for name in self.names or [None]:
            entry = copy.deepcopy(descriptor)
            if name:
                entry["annotations"] = {"org.opencontainers.image.ref.name": name}
            found.append(entry)
        return found + self.extra_descriptors

    def write(self, path):
        index = {"schemaVersion": 2, "manifests": self.entries()}
        write_archive(path, index, self.blobs)
        return self.digest


def write_archive(path, index, blobs, prefix="", layout=b'{"imageLayoutVersion":"1.0.0"}'):
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        # the order of skopeo: by name
        for name, data in sorted(blobs.items()):
            info, data = member(prefix + "blobs/" + name.replace(":", "/"), data)
            tar.addfile(info, io.BytesIO(data))
        for name, data in (("index.json", json.dumps(index).encode()), ("oci-layout", layout)):
            info, data = member(prefix + name, data)
            tar.addfile(info, io.BytesIO(data))


HELLO = tar_of(folder("bin"), member("bin/hello", b"#!/bin/true\n", mode=0o755))
BIG_DATA = os.urandom(6 * 1024 * 1024)


# --- running imports --------------------------------------------------------------------------------------------------------


class Place:
    """A store and a folder with archives."""

    def __init__(self, path):
        self.store = str(path / "store")
        self.images = str(path / "images")
        os.mkdir(self.images)

    def archive(self, name="app.tar"):
        return os.path.join(self.images, name)

    def command(self, *refs, options=()):
        return [CLEAT, "import", "--store", self.store, "--images", self.images, "--json", *options, *refs]

    def run(self, *refs, options=(), wrapper=()):
        done = subprocess.run([*wrapper, *self.command(*refs, options=options)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=120, check=False)
        return Answer(done.returncode, done.stdout, done.stderr)

    def good(self, *refs, **more):
        answer = self.run(*refs, **more)
        assert answer.status == 0, answer
        assert answer.records[-1]["kind"] == "done"
        return answer

    def bad(self, ref, *parts, kind="error"):
        """A refusal that says what the test wants said, and leaves nothing behind."""
        answer = self.run(ref)
        assert answer.status == 1, answer
        record = answer.of(ref)
        assert record["kind"] == kind, answer
        for part in parts:
            assert part in record["text"], record["text"]
        assert os.listdir(self.store + "/tmp") == []
        return record["text"]

    def layer(self, plain):
        return os.path.join(self.store, "layers/sha256", digest(plain)[7:])

    def root(self, plain):
        return os.path.join(self.layer(plain), "root")

    def facts(self, manifest):
        with open(os.path.join(self.store, "images/sha256", manifest[7:], "facts"), encoding="utf-8") as f:
            lines = f.read().splitlines()
        return [line.split(" ", 1) for line in lines[1:]]


class Answer:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out.decode(), err.decode()
        self.records = [json.loads(line) for line in self.out.splitlines()]

    def of(self, ref):
        found = [r for r in self.records if r["ref"] == ref and r["kind"] in ("image", "missing", "error", "retry")]
        assert len(found) == 1, self
        return found[0]

    def kinds(self, ref=""):
        return [r["kind"] for r in self.records if r["ref"] == ref]

    def __repr__(self):
        return "status %s\n%s\n%s" % (self.status, self.out, self.err)


@pytest.fixture(name="place")
def fixture_place(tmp_path):
    return Place(tmp_path)


def wait_until(predicate, seconds=90):
    deadline = time.monotonic() + seconds
    while not predicate():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lgetxattr(path, name):
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError as e:
        assert e.errno == errno.ENODATA
        return None
