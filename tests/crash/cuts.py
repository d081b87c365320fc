# SPDX-License-Identifier: Apache-2.0
"""Power cuts: a command with all its processes is killed before its n-th call that changes a file (cutter.c), and what lies in the
store afterwards is looked at from outside, without the programs under test."""
import hashlib
import os
import stat
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
# How many cuts a command gets, evenly spread; "all" is every single call (minutes).
CUTS = os.environ.get("CLEAT_CUTS", "20")


class Cutter:
    def __init__(self, folder):
        self.program = os.path.join(folder, "cutter")
        self.result = os.path.join(folder, "cutter.result")
        subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-o", self.program,
                        os.path.join(HERE, "cutter.c")], check=True)

    def run(self, at, command, **more):
        """(calls, "cut" or the exit status as text)"""
        subprocess.run([self.program, str(at), self.result, *command], check=True, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, **more)
        with open(self.result) as f:
            calls, how = f.read().split()
        return int(calls), how

    def points(self, command, **more):
        """Where to cut: the first and the last call, and as many between as are asked for. Runs the command once, whole."""
        calls, how = self.run(0, command, **more)
        assert how == "0", "%s ended with %s" % (" ".join(command), how)
        assert calls > 20, "the filter sees nothing"
        wanted = calls if CUTS == "all" else min(calls, int(CUTS))
        return sorted({1 + i * (calls - 1) // max(1, wanted - 1) for i in range(wanted)})


def snapshot(root):
    """Everything below a folder as (type and mode, owner, content): equal when nothing is missing and nothing is half."""
    found = {}
    for folder, names, files in os.walk(root):
        for name in names + files:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            content = ""
            if stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    content = hashlib.sha256(f.read()).hexdigest()
            elif stat.S_ISLNK(st.st_mode):
                content = os.readlink(path)
            found[os.path.relpath(path, root)] = (st.st_mode, st.st_uid, st.st_gid, content)
    return found


def record(path, kind):
    """Lines of a flat record as (key, value), after a check that it is whole."""
    with open(path, "rb") as f:
        data = f.read()
    head, _, body = data.partition(b"\n")
    words = head.split()
    assert words[:2] == [b"cleat-" + kind.encode(), b"1"] and int(words[2]) == len(body), "%s is torn: %r" % (path, data[:80])
    return [tuple(line.decode().partition(" ")[::2]) for line in body.splitlines()]


def complete(store, kind):
    """hex -> folder of what counts: layers or images with a completion record."""
    base = os.path.join(store, kind, "sha256")
    found = {}
    for name in os.listdir(base) if os.path.isdir(base) else []:
        path = os.path.join(base, name)
        if os.path.exists(os.path.join(path, "complete")):
            assert ("digest", "sha256:" + name) in record(os.path.join(path, "complete"), "complete")
            found[name] = path
    return found


def check_store(store, reference):
    """Nothing half is visible: each complete layer is what the reference store has, each complete image has all of its layers and
    documents under their digests, each name is whole. Returns the names that lead to complete images."""
    layers, images = complete(store, "layers"), complete(store, "images")
    for name, path in layers.items():
        assert snapshot(os.path.join(path, "root")) == reference[name], "layer %s is not whole" % name
    for name, path in images.items():
        with open(os.path.join(path, "manifest.json"), "rb") as f:
            assert hashlib.sha256(f.read()).hexdigest() == name
        assert os.path.getsize(os.path.join(path, "config.json")) > 0
        wanted = [value for key, value in record(os.path.join(path, "facts"), "facts") if key == "layer"]
        assert wanted and all(value.partition(":")[2] in layers for value in wanted), "image %s lacks a layer" % name
    usable = set()
    refs = os.path.join(store, "refs")
    for file in os.listdir(refs) if os.path.isdir(refs) else []:
        if ".tmp-" in file:
            continue  # what a cut leaves beside a record; no name has a dot
        facts = dict(record(os.path.join(refs, file), "ref"))
        assert facts["digest"].partition(":")[2] in images, "name %s leads to nothing" % facts["name"]
        usable.add(facts["name"])
    return usable


def reference_of(store):
    """Snapshots of the layers of a store that was made without a cut."""
    return {name: snapshot(os.path.join(path, "root")) for name, path in complete(store, "layers").items()}


def leftovers(store):
    found = os.listdir(os.path.join(store, "tmp"))
    for folder in ("refs", "archives", "."):
        found += [name for name in os.listdir(os.path.join(store, folder)) if ".tmp-" in name]
    return found
