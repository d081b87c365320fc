# SPDX-License-Identifier: Apache-2.0
"""Images from registries into the store: "cleat pull" against Debian's docker-registry (plain, TLS, passwords) and against a registry
whose answers stop where a test wants them to, killed workers and coordinators, full disks; and the engine's own pulls."""
import glob
import json
import os
import shutil
import signal
import ssl
import subprocess

import pytest

from appliance import BUILD, CLEAT, descendants, unit, wait_for
from lxc import LXC_CONFIG
from ociimage import Archive, layer
from registry import INDEX, DockerRegistry, HeldRegistry, digest, make_certificates

HELLO = os.path.join(BUILD, "images", "hello.tar")
FETCH_ID = 65001
NOISE = os.urandom(3 * 1024 * 1024)


def archive_of(path, *contents, name="localhost/noise:1", config=None):
    """An OCI archive with a layer for each of contents; its Archive."""
    made = Archive(name, [layer([("file%d" % i, {"content": data})]) for i, data in enumerate(contents)], config)
    made.write(str(path))
    return made


class Place:
    """A store, a folder of archives and a folder of configuration."""

    prefix = ()  # what the command is run by

    def __init__(self, path):
        self.path = path
        self.store, self.images, self.config = (str(path / name) for name in ("store", "images", "config"))
        os.makedirs(self.images)
        os.makedirs(self.config)

    def write(self, name, text):
        path = os.path.join(self.config, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def insecure(self, *hosts):
        self.write("registries.conf", "".join('[[registry]]\nlocation = "%s"\ninsecure = true\n' % host for host in hosts))

    def command(self, *words):
        return [*self.prefix, CLEAT, "pull", "--store", self.store, "--images", self.images, "--config", self.config, "--retry", "0", *words]

    def pull(self, *words):
        return subprocess.run(self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False)

    def good(self, *words):
        done = self.pull(*words)
        assert done.returncode == 0, done
        return done

    def bad(self, *words, says=()):
        done = self.pull(*words)
        assert done.returncode == 125, done
        assert done.stdout == ""
        for part in says:
            assert part in done.stderr, done.stderr
        self.has_nothing_half()
        return done.stderr

    def start(self, *words):
        return subprocess.Popen(self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def names(self, folder):
        try:
            return sorted(os.listdir(os.path.join(self.store, folder)))
        except FileNotFoundError:
            return []

    def path_of(self, *names):
        return os.path.join(self.store, *names)

    def has_nothing_half(self):
        assert self.names("tmp") == []
        for kind in ("layers/sha256", "images/sha256"):
            for name in self.names(kind):
                assert os.path.exists(os.path.join(self.store, kind, name, "complete")), name

    def is_empty(self):
        return not self.names("images/sha256") and not self.names("refs")


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    registry = DockerRegistry(tmp_path_factory.mktemp("plain")).start()
    registry.push(HELLO, "team/hello:1")
    yield registry
    registry.stop()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, certificates):
    """TLS and passwords."""
    registry = DockerRegistry(tmp_path_factory.mktemp("guarded"), tls=certificates[1:], users={"ann": "right word"}).start()
    registry.push(HELLO, "team/hello:1", creds="ann:right word")
    yield registry
    registry.stop()


@pytest.fixture
def held():
    made = []

    def make(netns=0):
        made.append(HeldRegistry(netns))
        return made[-1]

    yield make
    for registry in made:
        registry.stop()


def noise_registry(held, tmp_path, contents=(NOISE,), **more):
    """A registry with noise:1, and its manifest and layers."""
    archive_of(tmp_path / "noise.tar", *contents)
    registry = held(**more)
    manifest = registry.add_archive(str(tmp_path / "noise.tar"), "noise", "1")
    return registry, manifest, registry.layers(manifest)


def manifest_of(archive):
    done = subprocess.run(["skopeo", "inspect", "--format", "{{.Digest}}", "oci-archive:" + archive], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def config_id(archive):
    done = subprocess.run(["skopeo", "inspect", "--raw", "oci-archive:" + archive], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)["config"]["digest"][7:]


def pid_of(command, *words):
    """The one process below command whose arguments begin so."""

    def find():
        for pid in descendants(command.pid):
            try:
                with open("/proc/%d/cmdline" % pid, "rb") as f:
                    if f.read().decode().split("\0")[:len(words)] == list(words):
                        return pid
            except OSError:
                continue
        return None

    return wait_for("a process " + " ".join(words), find)


def is_gone(pid):
    """Also when nobody has reaped it yet."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except FileNotFoundError:
        return True


# --- what registries there are ----------------------------------------------------------------------------------------------


def test_an_image_is_pulled_and_known_by_its_name(place, plain):
    place.insecure(plain.host)
    done = place.good(plain.host + "/team/hello:1")
    assert done.stdout == config_id(HELLO) + "\n"
    assert "layer sha256:" in done.stderr and "from %s/team/hello" % plain.host in done.stderr
    place.has_nothing_half()
    assert len(place.names("refs")) == 1
    again = place.good("-q", plain.host + "/team/hello:1")
    assert (again.stdout, again.stderr) == (done.stdout, "")


@pytest.mark.parametrize("options", [("--format", "v2s2"), ("--dest-compress-format", "zstd", "--dest-compress"), ("--dest-decompress",)],
                         ids=["docker schema 2", "zstd", "plain"])
def test_every_kind_of_manifest_and_layer(place, plain, tmp_path, options):
    made = archive_of(tmp_path / "noise.tar", NOISE[:200000], b"second layer", config={"Env": ["A=b"], "Cmd": ["/bin/x"]})
    plain.push(str(tmp_path / "noise.tar"), "team/kinds:1", options=options)
    place.insecure(plain.host)
    place.good(plain.host + "/team/kinds:1")
    layers = json.loads(made.blobs[made.config["digest"]])["rootfs"]["diff_ids"]
    assert place.names("layers/sha256") == sorted(name[7:] for name in layers)
    with open(os.path.join(place.store, "layers/sha256", layers[0][7:], "root/file0"), "rb") as f:
        assert f.read() == NOISE[:200000]


def test_a_terminal_gets_a_bar(place, plain):
    place.insecure(plain.host)
    done = subprocess.run(["script", "-qec", " ".join(place.command(plain.host + "/team/hello:1")), "/dev/null"], stdout=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True, check=True, timeout=60)
    assert "[" + "#" * 24 + "] pulling 0.0/0.0 MB, layer 1 of 1" in done.stdout
    assert config_id(HELLO) in done.stdout


def test_a_registry_without_tls_is_not_taken_for_a_good_one(place, plain):
    text = place.bad(plain.host + "/team/hello:1", says=[plain.host])
    assert "team/hello" in text
    assert place.is_empty()


def test_tls_under_a_ca_of_the_users_own(place, guarded, certificates):
    name = guarded.host + "/team/hello:1"
    place.bad("--creds", "ann:right word", name, says=["certificate", "certs.d/%s/ca.crt" % guarded.host])
    place.write("certs.d/%s/ca.crt" % guarded.host, open(certificates[0], encoding="utf-8").read())
    assert place.good("--creds", "ann:right word", name).stdout == config_id(HELLO) + "\n"


def test_passwords_come_from_auth_json(place, guarded, certificates):
    name = guarded.host + "/team/hello:1"
    place.write("certs.d/%s/ca.crt" % guarded.host, open(certificates[0], encoding="utf-8").read())
    place.bad(name, says=[guarded.host, "auth.json"])
    wrong = place.write("auth.json", json.dumps({"auths": {guarded.host: {"auth": "YW5uOndyb25nIHdvcmQ="}}}))
    text = place.bad(name, says=[guarded.host, "user ann"])
    assert "wrong word" not in text and "YW5u" not in text
    os.unlink(wrong)
    right = place.path / "other.json"
    right.write_text(json.dumps({"auths": {guarded.host: {"auth": "YW5uOnJpZ2h0IHdvcmQ="}}}))
    place.good("--authfile", str(right), name)


def test_what_is_not_acted_on_is_said_once(place, plain):
    place.insecure(plain.host)
    place.write("auth.json", json.dumps({"credsStore": "desktop"}))
    done = place.good(plain.host + "/team/hello:1", plain.host + "/team/hello@" + manifest_of(HELLO))
    assert done.stderr.count("cleat: note: ") == 1 and "auth.json: credsStore" in done.stderr


def test_tls_verify_false_takes_any_certificate(place, guarded):
    place.good("--creds", "ann:right word", "--tls-verify=false", guarded.host + "/team/hello:1")


def test_what_is_not_there_is_named(place, plain):
    place.insecure(plain.host)
    place.bad(plain.host + "/team/hello:nix", says=[plain.host + "/team/hello", "nix", "404"])
    place.bad(plain.host + "/nobody/has:this", says=[plain.host + "/nobody/has", "404"])
    assert place.pull("not/../a:name").returncode == 2
    assert place.is_empty()


def test_a_registry_that_is_not_there_is_named(place, plain, tmp_path):
    silent = DockerRegistry(tmp_path / "silent")
    place.insecure(silent.host)
    place.bad(silent.host + "/a/b:1", says=[silent.host])
    # one bad name does not keep the others away
    place.insecure(silent.host, plain.host)
    done = place.pull(silent.host + "/a/b:1", plain.host + "/team/hello:1")
    assert done.returncode == 125
    assert done.stdout == config_id(HELLO) + "\n"


def test_by_digest_of_manifest_and_of_index(place, held, tmp_path):
    registry, manifest, _ = noise_registry(held, tmp_path)
    arch = json.loads(registry.blobs[json.loads(registry.blobs[manifest][1])["config"]["digest"]][1])["architecture"]
    index = registry.add(INDEX, json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": manifest, "size": len(registry.blobs[manifest][1]),
         "platform": {"os": "linux", "architecture": arch}}]}).encode())
    registry.tags["noise:many"] = index
    place.insecure(registry.host)
    for name in ("noise@" + manifest, "noise@" + index, "noise:many", "noise:1@" + manifest):
        shutil.rmtree(place.store, ignore_errors=True)
        place.good(registry.host + "/" + name)
        assert place.names("images/sha256") == [manifest[7:]]
        # podman's columns: what was taken by digest has a repository and no tag
        for words in ((), (registry.host + "/noise",), ("noise",)):
            rows = subprocess.run([CLEAT, "images", "--store", place.store, *words], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[1:]
            assert [row.split()[:2] for row in rows] == [[registry.host + "/noise", "<none>" if "@" in name else "many"]]
    place.bad(registry.host + "/noise@" + digest(b"other"), says=[digest(b"other")])


# --- who is asked -----------------------------------------------------------------------------------------------------------


def test_a_digest_that_is_here_never_touches_the_network(place, held, tmp_path):
    registry, manifest, _ = noise_registry(held, tmp_path)
    place.insecure(registry.host)
    for name in (registry.host + "/noise@" + manifest, registry.host + "/noise:1@" + manifest):
        place.good(name)
    registry.seen.clear()
    for policy in ("always", "newer", "missing", "never"):
        place.good("--policy", policy, registry.host + "/noise@" + manifest)
    assert registry.seen == []


def test_policies(place, held, tmp_path):
    registry, first, _ = noise_registry(held, tmp_path)
    name = registry.host + "/noise:1"
    place.insecure(registry.host)
    place.bad("--policy", "never", name, says=["Pull=never"])
    assert registry.seen == []
    place.good("--policy", "missing", name)
    registry.seen.clear()
    place.good("--policy", "missing", name)
    place.good("--policy", "never", name)
    assert registry.seen == []
    for policy in ("always", "newer"):  # nothing new there: asked, not fetched
        place.good("--policy", policy, name)
    assert {path for _, path in registry.seen} <= {"/v2/", "/v2/noise/manifests/1"}
    assert all(method == "HEAD" or path == "/v2/" for method, path in registry.seen)
    archive_of(tmp_path / "second.tar", b"second")
    second = registry.add_archive(str(tmp_path / "second.tar"), "noise", "1")
    place.good("--policy", "missing", name)
    assert place.names("images/sha256") == [first[7:]]
    place.good("--policy", "newer", name)
    assert place.names("images/sha256") == sorted([first[7:], second[7:]])
    registry.stop()
    assert "whether there is a newer one is not known" in place.good("--policy", "newer", name).stderr
    place.bad("--policy", "always", name, says=["Pull=always", "Pull=newer"])
    place.good("--policy", "missing", name)


def test_short_names_follow_registries_conf(place, held, tmp_path):
    registry, manifest, _ = noise_registry(held, tmp_path)
    place.bad("noise:1", says=["unqualified-search-registries"])
    place.write("registries.conf", 'unqualified-search-registries = ["%s"]\n[[registry]]\nlocation = "%s"\ninsecure = true\n'
                % (registry.host, registry.host))
    place.good(registry.host + "/noise:1")
    registry.seen.clear()
    place.good("--policy", "missing", "noise:1")  # its full name is here
    assert registry.seen == []
    shutil.rmtree(place.store)
    place.good("noise:1")
    registry.seen.clear()
    place.good("--policy", "missing", "noise:1")
    place.good("--policy", "missing", registry.host + "/noise:1")
    assert registry.seen == []
    assert place.names("images/sha256") == [manifest[7:]]


def test_archives_win_over_registries(place, held, tmp_path):
    registry, _, _ = noise_registry(held, tmp_path)
    place.insecure(registry.host)
    place.good(registry.host + "/noise:1")
    registry.seen.clear()
    mine = archive_of(os.path.join(place.images, "noise.tar"), b"mine", name=registry.host + "/noise:1")
    assert "from " + place.images in place.good("--policy", "always", registry.host + "/noise:1").stderr
    assert mine.manifest[7:] in place.names("images/sha256")
    assert registry.seen == []


def test_localhost_is_nobodys_registry(place):
    place.bad("localhost/app:1", says=["no archive"])


# --- when something dies ----------------------------------------------------------------------------------------------------


def blob_path(name):
    return "/v2/noise/blobs/" + name


def test_the_worker_that_asks_is_nobody_and_sees_two_files(place, held, tmp_path):
    registry, _, layers = noise_registry(held, tmp_path)
    place.insecure(registry.host)
    registry.hold(blob_path(layers[0]), 100000)
    running = place.start("--creds", "ann:a secret word", registry.host + "/noise:1")
    registry.stopped_at(blob_path(layers[0]))
    pid = pid_of(running, "cleat", "fetch", "registry")
    with open("/proc/%d/status" % pid, encoding="utf-8") as f:
        status = dict(line.split(":\t", 1) for line in f.read().splitlines())
    assert status["Uid"].split() == status["Gid"].split() == [str(FETCH_ID)] * 4
    assert status["Groups"].split() == []
    for sort in ("CapPrm", "CapEff", "CapBnd", "CapAmb", "CapInh"):
        assert int(status[sort], 16) == 0, sort
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    root = os.readlink("/proc/%d/root" % pid)
    assert root != "/"
    assert sorted(os.path.join(at, name)[len(root):] for at, _, files in os.walk(root) for name in files) == ["/etc/hosts", "/etc/resolv.conf"]
    opened = [os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid)]
    assert not [path for path in opened if path.startswith(place.store) or path.startswith(place.config)]
    for process in descendants(running.pid):
        with open("/proc/%d/cmdline" % process, "rb") as f:
            assert b"a secret word" not in f.read()
        with open("/proc/%d/environ" % process, "rb") as f:
            assert b"a secret word" not in f.read()
    assert place.is_empty()  # half a layer is no layer
    registry.release(blob_path(layers[0]))
    assert running.wait(60) == 0
    assert not os.path.exists(root)


@pytest.mark.parametrize("who", [("cleat", "fetch", "registry"), ("cleat", "unpack")])
def test_a_killed_worker_leaves_nothing_half(place, held, tmp_path, who):
    registry, _, layers = noise_registry(held, tmp_path)
    place.insecure(registry.host)
    registry.hold(blob_path(layers[0]), 2000000)
    running = place.start(registry.host + "/noise:1")
    registry.stopped_at(blob_path(layers[0]))
    os.kill(pid_of(running, *who), signal.SIGKILL)
    if who[1] == "unpack":
        registry.release(blob_path(layers[0]))  # fetch hears of it with the next byte
    assert running.wait(60) == 125
    assert "signal 9" in running.stderr.read()
    place.has_nothing_half()
    assert place.is_empty()
    if blob_path(layers[0]) in registry.holds:
        registry.release(blob_path(layers[0]))
    place.good(registry.host + "/noise:1")


@pytest.mark.parametrize("at", ["manifest", "config", "layer", "second layer"])
def test_a_killed_coordinator_is_made_good_by_the_next(place, held, tmp_path, at):
    registry, manifest, layers = noise_registry(held, tmp_path, (NOISE[:100000], NOISE, NOISE[:50000]))
    config = json.loads(registry.blobs[manifest][1])["config"]["digest"]
    stop = {"manifest": ("/v2/noise/manifests/1", 0), "config": (blob_path(config), 10), "layer": (blob_path(layers[1]), 1000000),
            "second layer": (blob_path(layers[2]), 10000)}[at]
    place.insecure(registry.host)
    registry.hold(*stop)
    running = place.start(registry.host + "/noise:1")
    registry.stopped_at(stop[0])
    worker = pid_of(running, "cleat", "fetch", "registry")
    os.kill(pid_of(running, "cleat", "import"), signal.SIGKILL)
    assert running.wait(60) == 125
    assert "without an answer" in running.stderr.read()
    wait_for("the worker dies with its coordinator", lambda: is_gone(worker))
    assert place.is_empty()
    registry.release(stop[0])
    place.good(registry.host + "/noise:1")
    place.has_nothing_half()
    assert place.names("images/sha256") == [manifest[7:]]
    assert len(place.names("layers/sha256")) == 3


def test_the_folder_of_a_killed_coordinator_in_tmp_goes_with_the_next_pull(place, held, tmp_path):
    """As on a machine that is no appliance: /run/cleat cannot be written."""
    registry, _, layers = noise_registry(held, tmp_path)
    place.insecure(registry.host)
    place.prefix = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o ro none /run && exec "$@"', "sh")
    registry.hold(blob_path(layers[0]), 100000)
    running = place.start(registry.host + "/noise:1")
    registry.stopped_at(blob_path(layers[0]))
    coordinator = pid_of(running, "cleat", "import")
    left = "/tmp/cleat-fetch.%d.*" % coordinator
    assert len(glob.glob(left)) == 1
    os.kill(coordinator, signal.SIGKILL)
    assert running.wait(60) == 125
    registry.release(blob_path(layers[0]))
    place.good(registry.host + "/noise:1")
    assert glob.glob(left) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_pull_clears_away(place, held, tmp_path, number):
    registry, _, layers = noise_registry(held, tmp_path)
    place.insecure(registry.host)
    registry.hold(blob_path(layers[0]), 2000000)
    running = place.start(registry.host + "/noise:1")
    registry.stopped_at(blob_path(layers[0]))
    workers = descendants(running.pid)
    running.send_signal(number)
    assert running.wait(60) == 125
    assert "interrupted" in running.stderr.read()
    place.has_nothing_half()
    assert place.is_empty() and not place.names("layers/sha256")
    wait_for("its workers are gone", lambda: all(is_gone(pid) for pid in workers))


def test_two_pulls_at_once_share_one_image(place, held, tmp_path):
    registry, manifest, layers = noise_registry(held, tmp_path)
    place.insecure(registry.host)
    registry.hold(blob_path(layers[0]), 1000)
    first = place.start(registry.host + "/noise:1")
    registry.stopped_at(blob_path(layers[0]))
    second = place.start(registry.host + "/noise:1")
    wait_for("the second has its manifest", lambda: [p for _, p in registry.seen].count("/v2/noise/manifests/1") >= 2)
    registry.release(blob_path(layers[0]))
    assert first.wait(60) == second.wait(60) == 0
    assert [p for _, p in registry.seen].count(blob_path(layers[0])) == 1
    assert place.names("images/sha256") == [manifest[7:]]


# --- full disks -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(place):
    """The store on a file system of 24 MiB."""
    os.makedirs(place.store)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=711", "none", place.store], check=True)
    yield place
    subprocess.run(["umount", place.store], check=True)


def free_bytes(path):
    st = os.statvfs(path)
    return st.f_bavail * st.f_frsize


def test_an_image_that_cannot_fit_is_not_begun(small, held, tmp_path):
    registry, _, layers = noise_registry(held, tmp_path, (NOISE * 4,))
    small.insecure(registry.host)
    small.bad(registry.host + "/noise:1", says=["MiB are free below " + small.store, "make room"])
    assert blob_path(layers[0]) not in [path for _, path in registry.seen]


def is_filled(path):
    return os.path.exists(path) and os.path.getsize(path) > 0


def test_a_full_disk_ends_a_pull_and_gives_the_space_back(small, held, tmp_path):
    registry, manifest, layers = noise_registry(held, tmp_path, (b"small", bytes(64 * 1024 * 1024)))
    small.insecure(registry.host)
    # the limit by free space is a layer's; another process that writes takes it away
    registry.hold(blob_path(layers[1]), 100)
    before = free_bytes(os.path.dirname(small.store))
    running = small.start(registry.host + "/noise:1")
    registry.stopped_at(blob_path(layers[1]))
    # the layer before it goes on meanwhile, and is not to be the one that fails
    wait_for("the first layer is unpacked", lambda: [name for name in small.names("layers/sha256") if is_filled(small.path_of("layers/sha256", name, "complete"))])
    with open(os.path.join(small.store, "ballast"), "wb") as f:
        f.write(bytes(free_bytes(small.store) - 1024 * 1024))
    registry.release(blob_path(layers[1]))
    assert running.wait(60) == 125
    text = running.stderr.read()
    assert layers[1] in text
    assert "make room" in text or "larger" in text or "limit" in text, text
    os.unlink(os.path.join(small.store, "ballast"))
    small.has_nothing_half()
    assert small.names("images/sha256") == []
    assert free_bytes(small.store) > 22 * 1024 * 1024 and before


# --- the engine -------------------------------------------------------------------------------------------------------------


def test_a_unit_pulls_and_shows_its_progress(boot, held, tmp_path, box_image):
    appliance = boot(images=())
    registry = held(netns=appliance.init_pid())
    manifest = registry.add_archive(box_image, "team/box", "1")
    blob = "/v2/team/box/blobs/" + registry.layers(manifest)[0]
    with open(os.path.join(appliance.config, "registries.conf"), "w", encoding="utf-8") as f:
        f.write('[[registry]]\nlocation = "%s"\ninsecure = true\n' % registry.host)
    appliance.add_unit("app", unit("%s/team/box:1" % registry.host, "Exec=sleep 1000000\nStopTimeout=0\n"))
    registry.hold(blob, 200000)
    appliance.cleat("reload")
    registry.stopped_at(blob)
    seen = wait_for("progress in /status", lambda: (lambda u: u if "layer 1 of 1" in u["detail"] else None)(
        appliance.wait_unit("systemd-app", state="pulling")))
    assert seen["detail"].startswith("pulling 0.") and " MB" in seen["detail"]
    assert "layer 1 of 1" in appliance.cleat("ps")
    registry.release(blob)
    assert appliance.wait_unit("systemd-app", state="up")["image_digest"] == manifest
    registry.seen.clear()
    appliance.cleat("restart", "app")
    assert registry.seen == []


def test_a_silent_registry_holds_up_nobody_elses_images(boot, held, tmp_path, box_image):
    """Nor does the one that is being unpacked now, but for that time."""
    appliance = boot(images=())
    silent, other = (held(netns=appliance.init_pid()) for _ in range(2))
    for registry in (silent, other):
        registry.add_archive(box_image, "team/box", "1")
    with open(os.path.join(appliance.config, "registries.conf"), "w", encoding="utf-8") as f:
        for registry in (silent, other):
            f.write('[[registry]]\nlocation = "%s"\ninsecure = true\n' % registry.host)
    for name, registry in (("a", silent), ("b", silent), ("c", other)):
        appliance.add_unit(name, unit("%s/team/box:1" % registry.host, "Exec=sleep 1000000\nStopTimeout=0\n"))
    manifest = "/v2/team/box/manifests/1"
    silent.hold(manifest, 0)
    appliance.cleat("reload")
    silent.stopped_at(manifest)
    appliance.wait_unit("systemd-c", state="up")
    for name in ("a", "b"):
        assert appliance.unit("systemd-" + name)["state"] == "pulling"
    silent.release(manifest)
    for name in ("a", "b"):
        appliance.wait_unit("systemd-" + name, state="up")
    assert silent.seen.count(("GET", manifest)) == 1


def test_a_pull_whose_engine_is_gone_holds_up_nobody(boot, held, tmp_path, box_image):
    """It has the store and waits for a registry that says nothing any more; the next engine pulls from another one."""
    appliance = boot(images=())
    silent, other = (held(netns=appliance.init_pid()) for _ in range(2))
    manifest = silent.add_archive(box_image, "team/box", "1")
    other.add_archive(box_image, "team/box", "1")
    with open(os.path.join(appliance.config, "registries.conf"), "w", encoding="utf-8") as f:
        for registry in (silent, other):
            f.write('[[registry]]\nlocation = "%s"\ninsecure = true\n' % registry.host)
    blob = "/v2/team/box/blobs/" + silent.layers(manifest)[0]
    silent.hold(blob, 200000)
    appliance.add_unit("a", unit("%s/team/box:1" % silent.host, "Exec=sleep 1000000\nStopTimeout=0\n"))
    appliance.cleat("reload")
    silent.stopped_at(blob)
    os.unlink(os.path.join(appliance.config, "units", "a.container"))
    appliance.add_unit("b", unit("%s/team/box:1" % other.host, "Exec=sleep 1000000\nStopTimeout=0\n"))
    os.kill(appliance.engine_pid(), signal.SIGKILL)
    appliance.wait_unit("systemd-b", state="up")  # a registry's silence alone is looked at for 30 s, four times
    wait_for("only what is wanted is at work", lambda: not appliance.processes("cleat-import"))


def test_a_unit_waits_for_its_registry(boot, held, tmp_path, box_image):
    appliance = boot(images=())
    pid = appliance.init_pid()
    registry = DockerRegistry(tmp_path / "registry", netns=pid)
    with open(os.path.join(appliance.config, "registries.conf"), "w", encoding="utf-8") as f:
        f.write('[[registry]]\nlocation = "%s"\ninsecure = true\n' % registry.host)
    with open(os.path.join(appliance.config, "auth.json"), "w", encoding="utf-8") as f:
        json.dump({"credsStore": "desktop"}, f)
    appliance.add_unit("app", unit("%s/team/box:1" % registry.host, "Exec=sleep 1000000\nStopTimeout=0\nRetry=0\n"))
    appliance.cleat("reload", check=False)  # 1: it has not come up
    seen = appliance.wait_unit("systemd-app", state="backoff")
    assert "waiting for the network" in seen["detail"] and registry.host in seen["detail"] and "next try in" in seen["detail"]
    registry.start()
    try:
        wait_for("there is a registry, but no such image", lambda: "404" in appliance.unit("systemd-app")["detail"], 90)
        assert appliance.unit("systemd-app")["state"] in ("backoff", "pulling")
        registry.push(box_image, "team/box:1")
        pulled = appliance.inside("cleat", "pull", "-q", "%s/team/box:1" % registry.host)
        assert pulled.splitlines()[-1] == config_id(box_image)
        appliance.wait_unit("systemd-app", state="up")
        # it was asked for more than once, and each time the file said so
        assert len([line for line in appliance.console().splitlines() if "auth.json: credsStore" in line]) == 1
    finally:
        registry.stop()


def test_what_is_pushed_later_is_pulled_then(boot, held, tmp_path, box_image):
    """First there is no such tag, then it has a layer that is gone, as while somebody pushes and cleans up, then all is there."""
    appliance = boot(images=())
    registry = held(netns=appliance.init_pid())
    with open(os.path.join(appliance.config, "registries.conf"), "w", encoding="utf-8") as f:
        f.write('[[registry]]\nlocation = "%s"\ninsecure = true\n' % registry.host)
    appliance.add_unit("app", unit("%s/team/box:1" % registry.host, "Exec=sleep 1000000\nStopTimeout=0\n"))
    appliance.cleat("reload", check=False)
    told = lambda text: lambda: text in appliance.wait_unit("systemd-app")["detail"]  # noqa: E731
    wait_for("no such tag", told("HTTP 404"))
    archive_of(tmp_path / "noise.tar", NOISE[:100000])
    torn = registry.add_archive(str(tmp_path / "noise.tar"), "team/box", "1")
    lost = registry.layers(torn)[0]
    registry.blobs.pop(lost)
    wait_for("a lost layer", told("layer " + lost))
    whole = registry.add_archive(box_image, "team/box", "1")
    assert appliance.wait_unit("systemd-app", seconds=60, state="up")["image_digest"] == whole


def test_what_no_unit_needs_makes_room(boot, held, tmp_path, box_image):
    """A data disk of 40 MiB: three images of 9 MiB besides the one that runs."""
    data = tmp_path / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", str(data)], check=True)
    try:
        appliance = boot(images=(), data=str(data))
        registry = held(netns=appliance.init_pid())
        registry.add_archive(box_image, "team/box", "1")
        for i in range(3):
            archive_of(tmp_path / "noise.tar", b"%d" % i + NOISE * 3)
            registry.add_archive(str(tmp_path / "noise.tar"), "noise", str(i))
        with open(os.path.join(appliance.config, "registries.conf"), "w", encoding="utf-8") as f:
            f.write('[[registry]]\nlocation = "%s"\ninsecure = true\n' % registry.host)
        appliance.add_unit("app", unit("%s/team/box:1" % registry.host, "Exec=sleep 1000000\nStopTimeout=0\n"))
        appliance.cleat("reload", check=False)  # 1: "other" never starts
        appliance.wait_unit("systemd-app", state="up")
        appliance.inside("cleat", "pull", "-q", registry.host + "/noise:0", registry.host + "/noise:1")
        # Nothing is collected by hand: that would need to know who needs what. 19 MiB of 40 are taken, 9 more do not fit beside the reserve.
        appliance.add_unit("other", unit("%s/noise:2" % registry.host, "Exec=/nothing\nStopTimeout=0\n", "Restart=no\n"))
        appliance.cleat("reload", check=False)  # 1: "other" never starts
        wait_for("the image of the other unit has come", lambda: registry.host + "/noise:2" in appliance.inside("cleat", "images", "--format", "json"))
        names = appliance.inside("cleat", "images", "--format", "json")
        assert registry.host + "/noise:0" not in names and registry.host + "/noise:1" not in names
        assert registry.host + "/team/box:1" in names
        assert "no unit needs were removed" in appliance.console()
        assert appliance.unit("systemd-app")["state"] == "up"
        appliance.close()
    finally:
        subprocess.run(["umount", "-l", str(data)], check=True)


@pytest.mark.skipif(not os.path.isdir(LXC_CONFIG) or not shutil.which("lxc-start"), reason="lxc is not installed")
def test_a_unit_pulls_in_an_unprivileged_lxc_container(boot_lxc, held, box_image):
    container = boot_lxc()
    registry = held(netns=container.init_pid())
    manifest = registry.add_archive(box_image, "team/box", "1")
    with open(os.path.join(container.config, "registries.conf"), "w", encoding="utf-8") as f:
        f.write('[[registry]]\nlocation = "%s"\ninsecure = true\n' % registry.host)
    container.add_unit("app", unit("%s/team/box:1" % registry.host, "Exec=sleep 1000000\nStopTimeout=0\n"))
    container.cleat("reload")
    assert container.wait_unit("systemd-app", state="up")["image_digest"] == manifest
    assert container.shell("ls /run/cleat | grep ^fetch || true").strip() == ""
    assert container.shell("ls /data/store/tmp").strip() == ""


def test_the_appliance_trusts_what_debian_trusts_and_nobody_else(boot, tmp_path, certificates):
    appliance = boot(images=())
    bundle = appliance.inside("cat", "/etc/ssl/certs/ca-certificates.crt")
    assert appliance.inside("stat", "-c", "%a %u:%g", "/etc/ssl/certs/ca-certificates.crt").strip() == "644 0:0"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=bundle)
    assert len(context.get_ca_certs()) == bundle.count("-----BEGIN CERTIFICATE-----") > 100
    registry = DockerRegistry(tmp_path / "registry", tls=certificates[1:], netns=appliance.init_pid()).start()
    try:
        registry.push(HELLO, "team/hello:1")
        refused = appliance.inside("cleat", "pull", "-q", registry.host + "/team/hello:1", check=False)
        assert refused.returncode == 125 and "certs.d/%s/ca.crt" % registry.host in refused.stdout
        # beside the bundle, not in place of it
        os.makedirs(os.path.join(appliance.config, "certs.d", registry.host))
        shutil.copy(certificates[0], os.path.join(appliance.config, "certs.d", registry.host, "ca.crt"))
        assert appliance.inside("cleat", "pull", "-q", registry.host + "/team/hello:1").strip() == config_id(HELLO)
    finally:
        registry.stop()


def test_an_image_unit_says_how(boot, tmp_path, box_image, certificates):
    appliance = boot(images=())
    registry = DockerRegistry(tmp_path / "registry", tls=certificates[1:], users={"ann": "right word"}, netns=appliance.init_pid()).start()
    try:
        registry.push(box_image, "team/box:1", creds="ann:right word")
        appliance.add_unit("box.image", "[Image]\nImage=%s/team/box:1\nTLSVerify=false\nCreds=ann:right word\n" % registry.host)
        appliance.add_unit("app", unit("box.image", "Exec=sleep 1000000\nStopTimeout=0\n"))
        appliance.add_unit("bad.image", "[Image]\nImage=%s/team/box:1\nTLSVerify=false\nCreds=ann:wrong word\nPolicy=always\n" % registry.host)
        appliance.add_unit("other", unit("bad.image", "Exec=sleep 1000000\nStopTimeout=0\n"))
        appliance.cleat("reload", check=False)  # 1 if "other" has been refused by then
        appliance.wait_unit("systemd-app", state="up")
        refused = appliance.wait_unit("systemd-other", state=("no-image", "up"))
        assert "right word" not in json.dumps(appliance.status())
        assert "wrong word" not in json.dumps(appliance.status())
        # the image is here by then or not, whichever came first
        assert refused["state"] == "up" or registry.host in refused["detail"]
    finally:
        registry.stop()
