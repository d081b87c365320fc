# SPDX-License-Identifier: Apache-2.0
"""Templates are patterns that never run and never count as failed; their instances run. Units of a .quadlets file are units."""
import os
import signal

import pytest

from appliance import BUILD, IDLE, unit, wait_for
from ociimage import busybox_of, write_box

BOX = "localhost/box:latest"
LOOP = 'Exec=/bin/sh -c "%s"\n' % IDLE
TEMPLATE = unit(BOX, 'Environment=INSTANCE=%i\n' + LOOP)


@pytest.fixture
def make(boot):
    def start(units):
        appliance = boot({}, images=(), start=False)
        write_box(os.path.join(appliance.config, "images", "box.tar"), busybox_of(BUILD))
        for name, text in units.items():
            appliance.add_unit(name, text)
        return appliance.start()

    return start


def test_instances_run_and_templates_are_not_listed(make):
    a = make({
        "job@.container": TEMPLATE + "DefaultInstance=main\n",
        "idle@.container": TEMPLATE,
        "web.container": unit(BOX, LOOP, unit_lines="Wants=job@extra.service\nAfter=job@extra.service"),
    })
    for name in ("systemd-job_main", "systemd-job_extra", "systemd-web"):
        a.wait_unit(name, state="up")
    # The template's [Install] enables its default instance; the other one is there because web wants it.
    assert sorted(entry["unit"] for entry in a.status()["units"]) == ["job@extra.container", "job@main.container", "web.container"]
    assert a.http("/readyz")[0] == 200
    assert "@.container" not in a.cleat("ps", "-a")
    with open("/proc/%d/environ" % a.pid_of("systemd-job_extra"), "rb") as f:
        assert b"INSTANCE=extra" in f.read().split(b"\0")


def test_an_instance_that_no_file_asks_for_is_refused_with_what_to_write(make):
    a = make({"job@.container": TEMPLATE, "web.container": unit(BOX, LOOP)})
    a.wait_unit("systemd-web", state="up")
    link = "ln -s job@.container /config/units/job@two.container"
    for words in ("start", "job@two"), ("start", "job@two.service"), ("stop", "job@two.container"):
        done = a.cleat(*words, check=False).stdout
        assert link in done and "Wants=job@two.service" in done, done
    done = a.inside("/usr/bin/systemctl", "start", "job@two", check=False)
    assert done.returncode == 5 and "Unit job@two not found." in done.stdout and link in done.stdout, done.stdout
    assert "is a template, which never runs itself" in a.cleat("start", "job@", check=False).stdout
    assert "template" not in a.cleat("start", "jo@two", check=False).stdout
    # and what is said is so
    os.symlink("job@.container", os.path.join(a.config, "units", "job@two.container"))
    a.wait_unit("systemd-job_two", state="up")


def test_an_error_in_a_template_makes_its_instances_invalid(make):
    a = make({
        "job@.container": TEMPLATE.replace("[Service]", "Nope=1\n[Service]"),
        "web.container": unit(BOX, LOOP, unit_lines="Wants=job@a.service"),
    })
    a.wait_unit("systemd-web", state="up")
    entry, = (entry for entry in a.status()["units"] if entry["unit"] == "job@a.container")
    assert entry["state"] == "invalid"
    assert "job@.container:" in a.http("/readyz?verbose")[1] or "job@.container:" in str(entry)


def test_the_image_of_an_instance_whose_template_has_errors_now_is_kept(make):
    """The name stands in no file: the copy has %i, too. Nothing runs, and no engine knows."""
    template = TEMPLATE.replace(BOX, "localhost/%i:latest")
    a = make({"job@.container": template + "DefaultInstance=box\n"})
    a.wait_unit("systemd-job_box", state="up")
    copy = os.path.join(a.data, "units", "last-good", "job@box.container")
    wait_for("there is a copy", lambda: os.path.exists(copy))
    a.add_unit("job@.container", "[Container]\nImage=\nNope=1\n[Install]\nWantedBy=default.target\nDefaultInstance=box\n")
    a.cleat("reload", check=False)
    a.wait_unit("systemd-job_box", state="invalid", last_good=True)
    a.cleat("stop", "systemd-job_box")
    os.kill(a.init_pid(), signal.SIGSTOP)
    try:
        os.kill(a.engine_pid(), signal.SIGKILL)
        a.inside("/bin/busybox", "rm", "/run/cleat/published")
        done = a.inside("/usr/bin/cleat", "rmi", "box", check=False)
        a.inside("/usr/bin/cleat", "image", "prune", "-a", "-f")
    finally:
        os.kill(a.init_pid(), signal.SIGCONT)
    assert done.returncode == 1 and "in use by job@box.container" in done.stdout, done.stdout
    wait_for("another engine", a.ping)
    assert "localhost/box " in a.inside("/usr/bin/cleat", "images")


def test_units_of_one_file_run(make):
    a = make({"app.quadlets": "# FileName=one\n%s---\n# FileName=two\n%s" % (unit(BOX, LOOP), unit(BOX, LOOP, unit_lines="After=one.service"))})
    a.wait_unit("systemd-one", state="up")
    a.wait_unit("systemd-two", state="up")
    assert a.http("/readyz")[0] == 200
