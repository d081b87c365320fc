# SPDX-License-Identifier: Apache-2.0
"""Updates of images: what is newer is started, judged and taken back; the engine killed in the middle; disks and registries that fail."""
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile

import pytest

from appliance import BUILD, IDLE, unit, wait_for
from ociimage import busybox_of, write_box
from registry import HeldRegistry

FAST = "[Update]\nHealthyAfter=1s\nInterval=off\n"
REPOSITORY = "team/app"
MANIFEST = "/v2/%s/manifests/1" % REPOSITORY


class Versions:
    """A registry in the appliance's network, and images that it may come to have: good ones, and one for each way to be bad."""

    COMMANDS = {
        "ends": ["/bin/sh", "-c", "echo broken; exit 3"],
        "ends-later": ["/bin/sh", "-c", "sleep 0.3; exit 4"],
        "missing": ["/bin/there-is-no-such-program"],
    }

    def __init__(self, appliance, tmp_path):
        self.registry = HeldRegistry(appliance.init_pid())
        self.host = self.registry.host
        self.path = tmp_path
        self.image = "%s/%s:1" % (self.host, REPOSITORY)
        with open(os.path.join(appliance.config, "registries.conf"), "w", encoding="utf-8") as f:
            f.write('[[registry]]\nlocation = "%s"\ninsecure = true\n' % self.host)

    def archive(self, kind, name="x"):
        path = str(self.path / (kind + ".tar"))
        extra = [] if kind == "sick" else [("healthy", {"content": b"yes\n"})]
        extra.append(("kind", {"content": kind.encode()}))  # a layer of its own
        write_box(path, busybox_of(BUILD), name, {"Cmd": self.COMMANDS.get(kind, ["/bin/sh", "-c", IDLE]), "Env": ["PATH=/bin", "KIND=" + kind]}, extra)
        return path

    def publish(self, kind):
        return self.registry.add_archive(self.archive(kind), REPOSITORY, "1")

    def pulls(self, digest):
        return sum(1 for method, path in self.registry.seen if path == "/v2/%s/blobs/%s" % (REPOSITORY, self.registry.layers(digest)[0]))


@pytest.fixture
def place(boot, tmp_path):
    """An appliance without units, and its registry with the first version."""
    made = []

    def make(text=FAST, **more):
        appliance = boot(images=(), start=False, **more)
        with open(os.path.join(appliance.config, "appliance.ini"), "w", encoding="utf-8") as f:
            f.write(text)
        appliance.start()
        versions = Versions(appliance, tmp_path)
        made.append(versions)
        versions.first = versions.publish("first")
        return appliance, versions

    yield make
    for versions in made:
        versions.registry.stop()


def app(versions, policy="registry", container="", service="", **more):
    policy = "AutoUpdate=%s\n" % policy if policy else ""
    return unit(versions.image, policy + "Retry=0\n" + container, "Restart=always\nRestartSec=50ms\n" + service, **more)


def run_app(appliance, versions, *names, **more):
    for name in names or ("app",):
        appliance.add_unit(name, app(versions, **more))
    for name in names or ("app",):
        assert appliance.wait_unit("systemd-" + name, state="up")["image_digest"] == versions.first


def update(appliance, *words, code=0):
    """{container: UPDATED} as the command says it."""
    def asked():
        """None while the process that asked for the one before has not ended: its answer was there sooner."""
        done = appliance.cleat("auto-update", "--format", "json", *words, check=False)
        return None if "images are being asked for already" in done.stdout else done

    done = wait_for("registries are asked", asked)
    assert done.returncode == code, done.stdout
    return {line["ContainerName"]: line["Updated"] for line in json.loads(re.search(r"^\[.*?^\]", done.stdout, re.S | re.M).group(0))}


def report(appliance, name="app"):
    found = [u for u in json.loads(appliance.api("GET", "/cleat/v1/updates")[1])["units"] if u["name"] == "systemd-" + name]
    assert found
    return found[0]


def results(appliance, name="app"):
    return [(h["result"], h["digest"]) for h in report(appliance, name)["history"]]


def events(appliance, kind):
    return appliance.cleat("events", "--no-follow", "--since", "1h", "--filter", "event=" + kind)


def digest_of(appliance, name="app"):
    return appliance.unit("systemd-" + name)["image_digest"]


def kind_of(appliance, name="app"):
    with open("/proc/%d/environ" % appliance.pid_of("systemd-" + name), "rb") as f:
        return re.search(rb"KIND=([a-z0-9-]+)", f.read()).group(1).decode()


def test_a_newer_image_is_started_and_kept(place):
    appliance, versions = place()
    run_app(appliance, versions, "app")
    appliance.add_unit("other", unit(versions.image, "", ""))
    appliance.wait_unit("systemd-other", state="up")
    assert update(appliance) == {"systemd-app": "false"}
    second = versions.publish("second")
    # nothing is done by asking
    assert update(appliance, "--dry-run") == {"systemd-app": "pending"}
    assert digest_of(appliance) == versions.first and versions.pulls(second) == 0
    assert update(appliance) == {"systemd-app": "true"}
    assert digest_of(appliance) == second and kind_of(appliance) == "second"
    assert results(appliance) == [("updated", second), ("before", versions.first)]
    assert report(appliance)["pin"] == ""
    assert second in events(appliance, "update")
    assert update(appliance) == {"systemd-app": "false"}
    # a unit without the key stays as it is
    assert digest_of(appliance, "other") == versions.first
    table = appliance.cleat("auto-update").splitlines()
    assert table[0].split() == ["UNIT", "CONTAINER", "IMAGE", "POLICY", "UPDATED"]
    assert table[1].split() == ["app.service", "systemd-app", versions.image, "registry", "false"]
    assert appliance.cleat("auto-update", "other", check=False).returncode == 1


@pytest.mark.parametrize("kind, container, service, says", [
    ("ends", "", "", "it"),
    ("ends-later", "", "", "it"),
    ("missing", "", "", "it did not come up"),
    ("sick", "HealthCmd=test -f /healthy\nHealthInterval=1s\nHealthRetries=1\n", "", "it is unhealthy"),
    ("sick", "HealthCmd=test -f /healthy\nHealthInterval=1s\nHealthRetries=100\nNotify=healthy\n", "TimeoutStartSec=2s\n", "it did not come up"),
], ids=["ends", "ends-later", "missing", "unhealthy", "never-ready"])
def test_a_bad_one_is_taken_back(place, kind, container, service, says):
    appliance, versions = place()
    run_app(appliance, versions, container=container, service=service)
    bad = versions.publish(kind)
    assert update(appliance, code=1) == {"systemd-app": "rolled back"}
    appliance.wait_unit("systemd-app", state="up", image_digest=versions.first)
    assert kind_of(appliance) == "first"
    seen = report(appliance)
    assert (seen["pin"], seen["bad"]) == (versions.first, bad)
    assert says in seen["text"], seen
    assert results(appliance) == [("rolled-back", bad)]
    assert bad[:19] in events(appliance, "rollback")
    assert "rolled back" in appliance.cleat("status", "app")
    # not again, by the timer or by hand, until the name means another
    versions.registry.seen.clear()
    assert update(appliance) == {"systemd-app": "false"}
    assert versions.pulls(bad) == 0 and digest_of(appliance) == versions.first
    appliance.cleat("restart", "app")
    assert digest_of(appliance) == versions.first
    if kind != "ends":
        return
    third = versions.publish("third")
    assert update(appliance) == {"systemd-app": "true"}
    assert digest_of(appliance) == third and report(appliance)["bad"] == ""


def test_without_rollback_the_bad_one_stays(place):
    appliance, versions = place()
    run_app(appliance, versions)
    bad = versions.publish("ends")
    assert update(appliance, "--rollback=false", code=1) == {"systemd-app": "failed"}
    assert results(appliance) == [("kept", bad)] and report(appliance)["pin"] == ""
    appliance.wait_unit("systemd-app", state=("backoff", "failed", "starting", "up"), image_digest=bad)


def test_two_units_of_one_image_are_judged_each(place):
    appliance, versions = place()
    appliance.add_unit("strict", app(versions, container="HealthCmd=test -f /healthy\nHealthInterval=1s\nHealthRetries=1\n"))
    run_app(appliance, versions)
    appliance.wait_unit("systemd-strict", state="up")
    sick = versions.publish("sick")
    versions.registry.seen.clear()
    assert update(appliance, code=1) == {"systemd-app": "true", "systemd-strict": "rolled back"}
    assert versions.pulls(sick) == 1
    assert digest_of(appliance) == sick
    appliance.wait_unit("systemd-strict", state="up", image_digest=versions.first)


def test_local_looks_at_the_store(place):
    appliance, versions = place()
    run_app(appliance, versions, policy="local")
    second = versions.publish("second")
    assert update(appliance) == {"systemd-app": "false"}
    appliance.inside("/usr/bin/cleat", "pull", "--policy", "newer", versions.image)
    versions.registry.seen.clear()
    assert update(appliance, "--dry-run") == {"systemd-app": "pending"}
    assert update(appliance, "app") == {"systemd-app": "true"}
    assert digest_of(appliance) == second
    assert versions.registry.seen == []


LOCAL = "localhost/team/app:1"


def put_archive(appliance, versions, kind, torn=False):
    """Another version in the folder of archives, as a device's owner ships it; it gets its name when it is whole. The digest."""
    path = versions.archive(kind, LOCAL)
    with tarfile.open(path) as tar:
        digest = json.loads(tar.extractfile("index.json").read())["manifests"][0]["digest"]
        layer = max(tar.getmembers(), key=lambda member: member.size)
    if torn:
        with open(path, "r+b") as f:
            f.seek(layer.offset_data + layer.size // 2)
            f.write(b"\0torn\0")
    folder = os.path.join(appliance.config, "images")
    shutil.copy(path, os.path.join(folder, ".app.tar"))
    os.rename(os.path.join(folder, ".app.tar"), os.path.join(folder, "app.tar"))
    return digest


def run_local(place, text=FAST, **more):
    """An appliance, its registry (which nobody has to ask), and the digest of what app runs."""
    appliance, versions = place(text)
    first = put_archive(appliance, versions, "first")
    versions.image = LOCAL
    appliance.add_unit("app", app(versions, policy="local", **more))
    appliance.wait_unit("systemd-app", state="up", image_digest=first)
    versions.registry.seen.clear()
    return appliance, versions, first


def test_local_takes_a_newer_archive(place):
    appliance, versions, first = run_local(place)
    assert update(appliance) == {"systemd-app": "false"}
    second = put_archive(appliance, versions, "second")
    assert update(appliance, "--dry-run") == {"systemd-app": "pending"}
    assert digest_of(appliance) == first and second[7:19] not in appliance.inside("/usr/bin/cleat", "images", "--digests")
    assert update(appliance) == {"systemd-app": "true"}
    assert digest_of(appliance) == second and kind_of(appliance) == "second"
    assert results(appliance) == [("updated", second), ("before", first)] and report(appliance)["pin"] == ""
    assert update(appliance) == {"systemd-app": "false"}
    # the name means it now, with the archive or without
    os.unlink(os.path.join(appliance.config, "images", "app.tar"))
    appliance.cleat("restart", "app")
    appliance.wait_unit("systemd-app", state="up", image_digest=second)
    assert update(appliance) == {"systemd-app": "false"}
    # the way back is kept, too
    assert appliance.cleat("rollback", "app").split() == ["app.container", first]
    assert versions.registry.seen == []


@pytest.mark.parametrize("kind, container", [
    ("ends", ""),
    ("sick", "HealthCmd=test -f /healthy\nHealthInterval=1s\nHealthRetries=1\n"),
], ids=["ends", "unhealthy"])
def test_a_bad_archive_is_taken_back(place, kind, container):
    appliance, versions, first = run_local(place, container=container)
    bad = put_archive(appliance, versions, kind)
    assert update(appliance, code=1) == {"systemd-app": "rolled back"}
    appliance.wait_unit("systemd-app", state="up", image_digest=first)
    assert (report(appliance)["pin"], report(appliance)["bad"]) == (first, bad)
    # not again, although it is what the folder holds
    assert update(appliance) == {"systemd-app": "false"}
    appliance.cleat("restart", "app")
    appliance.wait_unit("systemd-app", state="up", image_digest=first)
    third = put_archive(appliance, versions, "third")
    assert update(appliance) == {"systemd-app": "true"}
    assert digest_of(appliance) == third and report(appliance)["bad"] == ""


def test_an_archive_that_is_damaged_changes_nothing(place):
    appliance, versions, first = run_local(place)
    put_archive(appliance, versions, "second", torn=True)
    assert update(appliance, code=1) == {"systemd-app": "failed"}
    assert "app.tar" in report(appliance)["text"], report(appliance)
    assert digest_of(appliance) == first and report(appliance)["pin"] == ""
    second = put_archive(appliance, versions, "second")
    assert update(appliance) == {"systemd-app": "true"}
    assert digest_of(appliance) == second


def test_local_takes_what_was_loaded(place):
    """cleat load gives the name to the newer image; what runs goes on until somebody looks, and has its way back."""
    appliance, versions, first = run_local(place)
    shutil.copy(versions.archive("ends", LOCAL), os.path.join(appliance.config, "newer.tar"))
    appliance.inside("/usr/bin/cleat", "load", "-i", "/config/newer.tar")
    assert update(appliance, "--dry-run") == {"systemd-app": "pending"}
    assert update(appliance, code=1) == {"systemd-app": "rolled back"}
    appliance.wait_unit("systemd-app", state="up", image_digest=first)


def test_the_timer_looks_at_archives(place):
    appliance, versions, first = run_local(place, "[Update]\nInterval=1s\nHealthyAfter=1s\n")
    second = put_archive(appliance, versions, "second")
    wait_for("it has proved good", lambda: results(appliance)[:1] == [("updated", second)])
    bad = put_archive(appliance, versions, "ends")
    wait_for("it went back", lambda: results(appliance)[:1] == [("rolled-back", bad)])
    appliance.wait_unit("systemd-app", state="up", image_digest=second)


def test_each_of_two_policies_has_its_own_answer(place):
    """The same name by archive and by registry: a registry's word is none for the unit that looks at what is here."""
    appliance, versions = place()
    run_app(appliance, versions)
    appliance.add_unit("here", app(versions, policy="local"))
    appliance.wait_unit("systemd-here", state="up")
    # the folder of archives has changed, so the store alone does not answer
    put_archive(appliance, versions, "other")
    versions.publish("second")
    assert update(appliance, "--dry-run") == {"systemd-app": "pending", "systemd-here": "false"}


def test_the_label_of_docker_users_counts(place):
    appliance, versions = place()
    run_app(appliance, versions, policy="", container="PodmanArgs=--label io.containers.autoupdate=registry\n")
    second = versions.publish("second")
    assert update(appliance) == {"systemd-app": "true"}
    assert digest_of(appliance) == second


def test_the_timer_does_it_alone(place):
    appliance, versions = place("[Update]\nInterval=1s\nHealthyAfter=1s\n")
    run_app(appliance, versions)
    second = versions.publish("second")
    appliance.wait_unit("systemd-app", state="up", image_digest=second)
    wait_for("it has proved good", lambda: results(appliance)[:1] == [("updated", second)])
    bad = versions.publish("ends")
    wait_for("it went back", lambda: results(appliance)[:1] == [("rolled-back", bad)])
    appliance.wait_unit("systemd-app", state="up", image_digest=second)
    # rounds go by, and it is not tried again
    versions.registry.seen.clear()
    wait_for("three more rounds", lambda: sum(path == MANIFEST for _, path in versions.registry.seen) >= 3)
    assert len(results(appliance)) == 3 and digest_of(appliance) == second


def test_rollback_by_hand(place):
    appliance, versions = place()
    run_app(appliance, versions)
    assert appliance.cleat("rollback", "app", check=False).returncode == 1
    second = versions.publish("second")
    update(appliance)
    third = versions.publish("third")
    update(appliance)
    assert appliance.cleat("rollback", "app").split() == ["app.container", second]
    appliance.wait_unit("systemd-app", state="up", image_digest=second)
    assert kind_of(appliance) == "second"
    # the next check does not undo it; a newer image ends it
    assert update(appliance) == {"systemd-app": "false"}
    assert appliance.cleat("rollback", "app", versions.first[7:19]).split()[1] == versions.first
    appliance.wait_unit("systemd-app", state="up", image_digest=versions.first)
    done = appliance.cleat("rollback", "app", "sha256:" + "0" * 64, check=False)
    assert done.returncode == 1 and "none of the digests" in done.stdout
    history = appliance.cleat("rollback", "--list", "app")
    assert history.count("by-hand") == 2 and third in history
    # all survives a boot
    appliance.stop()
    appliance.start()
    appliance.wait_unit("systemd-app", state="up", image_digest=versions.first)
    assert [result for result, _ in results(appliance)] == ["by-hand", "by-hand", "updated", "updated", "before"]


def test_images_to_go_back_to_are_kept(place):
    """The one before is no unit's image, runs nowhere and has no name any more: only the history knows of it."""
    appliance, versions = place()
    run_app(appliance, versions)
    second = versions.publish("second")
    update(appliance)
    assert results(appliance)[0] == ("updated", second)
    done = appliance.inside("/usr/bin/cleat", "rmi", versions.first, check=False)
    assert done.returncode == 1 and "in use by app.container" in done.stdout
    appliance.inside("/usr/bin/cleat", "image", "prune", "-a", "-f")
    versions.registry.stop()
    assert appliance.cleat("rollback", "app").split() == ["app.container", versions.first]
    appliance.wait_unit("systemd-app", state="up", image_digest=versions.first)


def test_the_image_of_a_last_good_version_is_kept(place):
    """The unit's file has errors, nothing runs, and no engine looks: what the next engine would start stays."""
    appliance, versions = place()
    run_app(appliance, versions)
    copy = os.path.join(appliance.data, "units", "last-good", "app.container")
    wait_for("there is a copy", lambda: os.path.exists(copy))
    appliance.add_unit("app", "[Container]\nImage=\nNoSuchKey=1\n")
    appliance.cleat("reload", check=False)
    wait_for("its file has errors", lambda: appliance.unit("systemd-app")["last_good"])
    appliance.cleat("stop", "app")
    engine = appliance.engine_pid()
    os.kill(appliance.init_pid(), signal.SIGSTOP)
    try:
        os.kill(engine, signal.SIGKILL)
        appliance.inside("/bin/busybox", "rm", "/run/cleat/published")
        done = appliance.inside("/usr/bin/cleat", "rmi", versions.first, check=False)
        assert done.returncode == 1 and "in use by app.container" in done.stdout, done.stdout
        appliance.inside("/usr/bin/cleat", "image", "prune", "-a", "-f")
    finally:
        os.kill(appliance.init_pid(), signal.SIGCONT)
    versions.registry.stop()
    wait_for("another engine", lambda: appliance.ping() and appliance.engine_pid() != engine)
    appliance.cleat("start", "app")
    # the server of the engine that was killed lost its file with the rm above, and may have one more client before it notices
    def runs():
        found = appliance.unit("systemd-app")
        return found["pid"] and found["last_good"] and found["image_digest"] == versions.first
    wait_for("the last good version runs", runs)


def test_a_registry_that_is_down_changes_nothing(place):
    appliance, versions = place()
    run_app(appliance, versions)
    versions.registry.stop()
    assert update(appliance, "app", code=1) == {"systemd-app": "failed"}
    assert "refused" in report(appliance)["text"]
    assert digest_of(appliance) == versions.first and report(appliance)["pin"] == ""
    assert "failed" in appliance.cleat("status", "app")


def kill_engine(appliance):
    os.kill(appliance.engine_pid(), signal.SIGKILL)


@pytest.mark.parametrize("phase, kind", [("asking", "second"), ("fetching", "second"), ("fetching", "sick"), ("trial", "second"),
                                         ("trial", "sick"), ("returning", "sick")])
def test_an_engine_that_is_killed_ends_in_one_of_both(place, phase, kind):
    """It is there again by itself; what was under way is gone on with or begun anew, and ends as it would have."""
    appliance, versions = place("[Update]\nHealthyAfter=2s\nInterval=1s\n")
    run_app(appliance, versions, container="HealthCmd=test -f /healthy\nHealthInterval=1s\nHealthRetries=1\n", service="TimeoutStopSec=5\n")
    before = appliance.engine_pid()
    if phase == "asking":
        versions.registry.hold(MANIFEST, 0)
    new = versions.publish(kind)
    blob = "/v2/%s/blobs/%s" % (REPOSITORY, versions.registry.layers(new)[0])
    if phase == "asking":
        versions.registry.stopped_at(MANIFEST)
        kill_engine(appliance)
        versions.registry.release(MANIFEST)
    elif phase == "fetching":
        # the layer is new for sure, but held already when somebody comes for it
        versions.registry.hold(blob, 1000)
        versions.registry.stopped_at(blob)
        kill_engine(appliance)
        versions.registry.release(blob)
    elif phase == "trial":
        appliance.wait_unit("systemd-app", image_digest=new)
        kill_engine(appliance)
    else:
        wait_for("a result", lambda: results(appliance))
        kill_engine(appliance)
    wait_for("another engine", lambda: appliance.ping() and appliance.engine_pid() != before)
    good = new if kind == "second" else versions.first
    wait_for("the judgement", lambda: results(appliance) and not report(appliance)["busy"], 60)
    appliance.wait_unit("systemd-app", state="up", health="healthy", image_digest=good)
    assert results(appliance)[0] == (("updated", new) if kind == "second" else ("rolled-back", new))
    assert report(appliance)["pin"] == ("" if kind == "second" else versions.first)


def test_a_reboot_in_the_middle_goes_on_and_not_for_ever(place):
    appliance, versions = place("[Update]\nHealthyAfter=10min\nInterval=off\n")
    run_app(appliance, versions)
    second = versions.publish("second")
    assert appliance.api("POST", "/cleat/v1/updates")[0] == 202
    appliance.wait_unit("systemd-app", state="up", image_digest=second)
    for _ in range(2):
        appliance.stop()
        appliance.start()
        assert appliance.wait_unit("systemd-app", state="up")["image_digest"] == second
        assert report(appliance)["busy"] and report(appliance)["pin"] == second
        # the count is on the disk before it counts
        wait_for("the boot is written down", lambda: "boot " in open(history_file(appliance), encoding="utf-8").read())
    appliance.stop()
    appliance.start()
    assert appliance.wait_unit("systemd-app", state="up")["image_digest"] == versions.first
    assert results(appliance)[0] == ("rolled-back", second) and report(appliance)["bad"] == second


def history_file(appliance):
    return os.path.join(appliance.data, "units", "history", "app.container")


def test_a_full_disk_keeps_it_from_beginning(place):
    """What cannot be written down is not done: there would be no way back."""
    appliance, versions = place()
    run_app(appliance, versions)
    versions.publish("second")
    folder = os.path.join(appliance.data, "units", "history")
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["nsenter", "-t", str(appliance.init_pid()), "-m", "-r", "-w", "mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1", "none",
                    "/data/units/history"], check=True)
    assert update(appliance, code=1) == {"systemd-app": "failed"}
    assert "No space left" in report(appliance)["text"]
    assert digest_of(appliance) == versions.first and kind_of(appliance) == "first"


def test_a_broken_history_counts_as_none(place):
    appliance, versions = place()
    run_app(appliance, versions)
    versions.publish("second")
    update(appliance)
    assert results(appliance)
    appliance.stop()
    with open(history_file(appliance), "w", encoding="utf-8") as f:
        f.write("#cleat update 1\nimage %s\npin nonsense\n" % versions.image)
    appliance.start()
    appliance.wait_unit("systemd-app", state="up")
    assert results(appliance) == []
    assert any("line 3" in note["text"] for note in appliance.status()["notes"])
