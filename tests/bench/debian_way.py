# SPDX-License-Identifier: Apache-2.0
"""What Cleat takes the place of: a Debian with podman and systemd, as small as it gets, made here and measured beside us."""
import os
import shutil
import statistics
import subprocess
import tempfile

SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
PACKAGES = "podman uidmap slirp4netns fuse-overlayfs systemd curl ca-certificates"
PODMAN = "/usr/bin/podman"
STARTS = 7


def size_of(tree):
    """(files, bytes on disk): as du counts, each inode once."""
    seen, total = set(), 0
    for folder, names, files in os.walk(tree):
        for name in names + files:
            st = os.lstat(os.path.join(folder, name))
            if (st.st_dev, st.st_ino) not in seen:
                seen.add((st.st_dev, st.st_ino))
                total += st.st_blocks * 512
    return len(seen), total


def footprint(row, rootfs):
    where = tempfile.mkdtemp(prefix="cleat-bench-")
    try:
        tree = os.path.join(where, "debian")
        subprocess.run(["debootstrap", "--variant=minbase", SUITE, tree, MIRROR], check=True, stdout=subprocess.DEVNULL)
        shutil.copy("/etc/resolv.conf", os.path.join(tree, "etc/resolv.conf"))
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive",
               **{k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}}
        install = "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; apt-get -qq update; "
        subprocess.run(["chroot", tree, "/bin/sh", "-euc", install + "apt-get -qq -y --no-install-recommends install " + PACKAGES], check=True, env=env,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for folder in ("var/cache/apt", "var/lib/apt/lists"):
            shutil.rmtree(os.path.join(tree, folder))
        packages = len(subprocess.run(["dpkg-query", "--admindir", os.path.join(tree, "var/lib/dpkg"), "-W"], check=True, text=True,
                                      stdout=subprocess.PIPE).stdout.splitlines())
        files, debian = size_of(tree)
    finally:
        shutil.rmtree(where)
    own_files, own = size_of(rootfs)
    row("Debian with podman: unpacked / Cleat's root", "", "%.0f" % (debian / own), None,
        "%.0f MiB in %d files of %d packages, against %.1f MiB in %d files" % (debian / 2**20, files, packages, own / 2**20, own_files))


def start_podman(place, latency, hide_words):
    """(microseconds from the request to the program's first instruction), each time a new container of a plain folder."""
    where = tempfile.mkdtemp(prefix="cleat-bench-")
    conf = os.path.join(where, "containers.conf")
    with open(conf, "w") as f:
        # where root may not raise limits, podman's own default does not start
        f.write('[containers]\ndefault_ulimits = ["nofile=1024:1024","nproc=1024:1024"]\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n')
    argv = ["/usr/bin/env", "CONTAINERS_CONF=" + conf, PODMAN, "--root", os.path.join(where, "root"), "--runroot", os.path.join(where, "run"),
            "--storage-driver", "vfs", "run", "--rm", "--network=none", "--volume", place.volume + ":/data", "--rootfs", place.root,
            "/bin/stamp", "/data/stamp"]
    try:
        return [latency(place.stamp(), hide_words(), argv)[0] for _ in range(STARTS + 1)][1:]
    finally:
        shutil.rmtree(where, ignore_errors=True)


def figure_debian(row, rootfs, make_place, latency, hide_words, start_cleat):
    if os.access(PODMAN, os.X_OK):
        place = make_place()
        try:
            theirs = statistics.median(start_podman(place, latency, hide_words))
            ours = statistics.median(start_cleat(place, n)[0] for n in range(STARTS))
        finally:
            place.remove()
        row("podman run / cleat: start", "", "%.0f" % (theirs / ours), None,
            "request to the program's first instruction, no network: %.0f ms, %.1f ms" % (theirs / 1000, ours / 1000))
    else:
        row("podman run / cleat: start", "", "not measured", None, PODMAN + " is not installed")
    if shutil.which("debootstrap"):
        footprint(row, rootfs)
    else:
        row("Debian with podman: unpacked / Cleat's root", "", "not measured", None, "debootstrap is not installed")
