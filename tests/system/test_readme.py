# SPDX-License-Identifier: Apache-2.0
"""What the top README says of unit files is so: its commands work, what it shows is printed, its table is true."""
import json
import os
import re
import subprocess

import pytest

from appliance import CLEAT, ROOT

with open(os.path.join(ROOT, "README.md")) as f:
    README = f.read()
UNITS = README.split("## Unit files\n", 1)[1].split("\n## ", 1)[0]
EXAMPLE = "\n".join(line.strip() for line in README.split("web.container <<UNIT\n", 1)[1].split("UNIT\n", 1)[0].splitlines()) + "\n"
BLOCKS = [block for block in re.findall(r"(?:^    .+\n)+", UNITS, re.M) if re.search(r"^    (\w+=\S+ )?cleat ", block)]
IMAGE, HOST = "Image=localhost/web:1\n", "Network=host\n"


def cleat(*words, **keywords):
    return subprocess.run([CLEAT, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=60, **keywords)


def check(folder):
    """(exit status, problems, units by name) of a folder"""
    done = cleat("check", "--json", folder)
    answer = json.loads(done.stdout)
    return done.returncode, answer["problems"], {unit["name"]: unit for unit in answer["units"]}


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture(name="place")
def fixture_place(tmp_path):
    """The worked example's folder, and a PATH on which cleat is found. shell(text) runs commands as the README writes them."""
    write(tmp_path / "srv" / "units", {"web.container": EXAMPLE})
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cleat").symlink_to(CLEAT)
    env = dict(os.environ, PATH="%s:%s" % (tmp_path / "bin", os.environ["PATH"]))

    class Place:
        services = tmp_path / "services"
        units = tmp_path / "srv" / "units"

        @staticmethod
        def shell(text):
            text = text.replace("/srv/cleat", str(tmp_path / "srv")).replace("/tmp/services", str(tmp_path / "services"))
            return subprocess.run(["/bin/sh", "-eu", "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                                  timeout=60, env=env)

    return Place()


# --- commands --------------------------------------------------------------------------------------------------------------


def test_the_commands_are_found():
    """Or the tests below would pass by running nothing."""
    words = set(re.findall(r"\bcleat (check|explain|spec|keys|quadlet)\b", "".join(BLOCKS)))
    assert words == {"check", "explain", "spec", "keys", "quadlet"}
    assert sum(block.count("\n") for block in BLOCKS) >= 12


@pytest.mark.parametrize("block", BLOCKS, ids=[re.search("cleat (.*?)(  |$)", block, re.M).group(1) for block in BLOCKS])
def test_each_command_of_the_readme_works(place, block):
    before = ""
    for line in block.splitlines():
        done = place.shell(before + line.strip())
        assert done.returncode == 0, (line, done.stderr)
        assert done.stdout or done.stderr or "/tmp/services" in line, line
        before += line.split("  #")[0].strip() + " >/dev/null 2>&1\n"


def test_services_are_written_with_their_links(place):
    block = next(block for block in BLOCKS if "/tmp/services" in block)
    assert place.shell(block).returncode == 0
    printed = place.shell("cleat quadlet --dryrun /srv/cleat/units").stdout
    body = (place.services / "web.service").read_text().split("\n", 2)[2]
    assert body.strip() in printed and "ExecStart=/usr/bin/podman run " in body
    assert os.readlink(place.services / "default.target.wants" / "web.service") == "../web.service"


def test_no_user_rights_are_needed(place):
    """As nobody: a copy, because folders of tests are their owner's only."""
    script = 'd=$(mktemp -d); trap \'rm -rf "$d"\' EXIT; cp -r "$0" "$1" "$d"; chmod -R a+rX "$d"; ' \
        'setpriv --reuid 65534 --regid 65534 --clear-groups "$d/cleat" check "$d/units"'
    done = subprocess.run(["/bin/sh", "-c", script, CLEAT, str(place.units)], stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert done.returncode == 0 and "1 of 1 unit can be started" in done.stderr, done.stderr


# --- what they print -------------------------------------------------------------------------------------------------------

BAD = "[Container]\n" + IMAGE + HOST + """User=1000
LogDriver=journald
DropCapabilty=ALL
Restart=always
ReadOnly=yes please

[Service]
Restart=unless-stopped
"""


def test_the_problems_shown_are_those_that_check_prints(tmp_path):
    shown = re.findall(r"^    (bad\.container:.*)$", UNITS, re.M)
    write(tmp_path, {"bad.container": BAD})
    done = cleat("check", "bad.container", cwd=str(tmp_path))
    assert done.returncode == 1
    assert done.stdout.splitlines() == shown


def test_the_piece_of_explain_is_what_it_prints(place):
    shown = re.search(r"(?:^    (?:web\.container:6| {10}).*\n)+", UNITS, re.M).group()
    shown = re.sub("^    ", "", shown, flags=re.M)
    assert shown.count("\n") == 6
    assert shown in place.shell("cleat explain --dir /srv/cleat/units web").stdout


def test_advice_does_not_change_the_exit_status_and_can_be_switched_off(place):
    done = place.shell("cleat check --lint /srv/cleat/units")
    assert done.returncode == 0 and "[no-memory-limit]" in done.stdout
    write(place.units, {"web.container": EXAMPLE + "# cleat:lint-ignore=no-memory-limit the box has nothing else to run\n"})
    again = place.shell("cleat check --lint /srv/cleat/units")
    assert again.returncode == 0 and "[no-memory-limit]" not in again.stdout and again.stdout


def test_a_path_that_cannot_be_read_is_2(tmp_path):
    assert cleat("check", tmp_path / "nowhere").returncode == 2


def test_explain_prints_nothing_of_an_environment_file(tmp_path):
    write(tmp_path, {"web.container": "[Container]\n" + IMAGE + HOST + "EnvironmentFile=web.env\n", "web.env": "PASSWORD=hunter2\n"})
    done = cleat("explain", tmp_path / "web.container")
    assert done.returncode == 0 and "web.env" in done.stdout and "hunter2" not in done.stdout


# --- files beside the unit -------------------------------------------------------------------------------------------------

PLAIN = "[Container]\n" + IMAGE + HOST


def memory(folder, name):
    return json.loads(cleat("spec", "--dir", folder, name).stdout)["memory_bytes"]


def test_drop_ins_from_the_unit_s_own_folder_to_all_containers(tmp_path):
    write(tmp_path, {
        "web.container": PLAIN, "web-two.container": PLAIN, "db.container": PLAIN, "web@a.container": PLAIN,
        "container.d/m.conf": "[Container]\nMemory=1m\n", "web-.container.d/m.conf": "[Container]\nMemory=2m\n",
        "web.container.d/m.conf": "[Container]\nMemory=3m\n", "web@.container.d/m.conf": "[Container]\nMemory=4m\n"})
    assert [memory(tmp_path, name) >> 20 for name in ("db", "web-two", "web", "web@a")] == [1, 2, 3, 4]
    write(tmp_path, {"web.container.d/broken.conf": "[Container\n"})
    status, _, units = check(tmp_path)
    assert status == 1 and [name for name in sorted(units) if not units[name]["valid"]] == ["web.container"]


def test_templates_instances_several_units_and_masks(tmp_path):
    write(tmp_path, {
        "job@.container": PLAIN + "[Install]\nWantedBy=default.target\nDefaultInstance=main\n",
        "web.container": PLAIN + "[Unit]\nWants=job@extra.service\n",
        "app.quadlets": "# FileName=one\n" + PLAIN + "---\n# FileName=two\n" + PLAIN,
        "off.container": "", "sub/off.container": PLAIN, "sub/gone.container": PLAIN, "sub/web.container": "[Container]\nNope=1\n"})
    os.symlink("job@.container", tmp_path / "job@linked.container")
    os.symlink("/dev/null", tmp_path / "gone.container")
    status, _, units = check(tmp_path)
    assert status == 0
    assert sorted(units) == sorted(["job@.container", "job@extra.container", "job@linked.container", "job@main.container", "one.container",
                                    "two.container", "web.container"])
    assert [name for name in units if units[name]["template"]] == ["job@.container"]


def test_a_circle_is_refused_with_its_path(tmp_path):
    write(tmp_path, {"a.container": PLAIN + "[Unit]\nAfter=b.service\n", "b.container": PLAIN + "[Unit]\nAfter=a.service\n"})
    status, problems, units = check(tmp_path)
    assert status == 1 and not any(unit["valid"] for unit in units.values())
    assert any("a.service -> b.service (a.container:5 After=) -> a.service" in problem["text"] for problem in problems)


def test_a_unit_without_install_is_not_started_at_boot(tmp_path):
    write(tmp_path, {"a.container": PLAIN})
    assert "loaded (not started at boot)" in cleat("explain", tmp_path / "a.container").stdout


# --- the table -------------------------------------------------------------------------------------------------------------

# Row, column (0 today, 1 not yet), words of that cell, lines of [Container] (and after), what is said of them.
CLAIMS = [
    ("units", 0, "`.volume`", HOST + "Volume=data.volume:/a", None),
    ("units", 0, "`.network`", "Network=net.network", None),
    ("units", 0, "`.pod`", "Pod=p.pod", None),
    ("pods", 0, "`StartWithPod=`", "Pod=p.pod\nStartWithPod=false", None),
    ("pods", 1, "`podman pod create`", HOST + "PodmanArgs=--pod=p", "error"),
    ("images", 0, "`Pull=`", HOST + "Pull=always", None),
    ("images", 0, "`AutoUpdate=`", HOST + "AutoUpdate=local", None),
    ("images", 1, "`Rootfs=`", HOST + "Rootfs=/srv/root", "error"),
    ("network", 0, "default bridge", "ReadOnly=true", None),
    ("network", 0, "static addresses", "Network=net.network\nIP=192.0.2.7", None),
    ("network", 0, "aliases", "Network=net.network:alias=a", None),
    ("network", 0, "`PublishPort=`", "PublishPort=127.0.0.1:80-81:80-81/udp", None),
    ("network", 0, "`DNS=`", "DNS=192.0.2.53", None),
    ("network", 0, "`AddHost=`", "AddHost=db:192.0.2.7", None),
    ("network", 0, "`host`", "Network=host", None),
    ("network", 0, "`none`", "Network=none", None),
    ("network", 1, "IPv6 inside networks", "IP6=fd00::2", "error"),
    ("network", 1, "`container:`", "Network=container:web", "error"),
    ("network", 1, "SCTP", "PublishPort=80:80/sctp", "error"),
    ("storage", 0, "bind volumes", HOST + "Volume=%h/a:/a", None),
    ("storage", 0, "`U`", HOST + "Volume=%h/a:/a:U", None),
    ("storage", 0, "`idmap`", HOST + "Volume=%h/a:/a:idmap", None),
    ("storage", 0, "named volumes", HOST + "Volume=data:/a", None),
    ("storage", 0, "`Mount=` of types bind, volume, tmpfs", HOST + "Mount=type=volume,source=data,target=/a", None),
    ("storage", 0, "tmpfs", HOST + "Tmpfs=/a:size=1m", None),
    ("storage", 0, "read-only", HOST + "ReadOnly=true", None),
    ("storage", 1, "overlay volumes (`O`)", HOST + "Volume=%h/a:/a:O", "error"),
    ("storage", 1, "mounts that propagate out", HOST + "Volume=%h/a:/a:shared", "error"),
    ("secrets", 0, "`Secret=` as file or variable", HOST + "Secret=a\nSecret=b,type=env,target=B", None),
    ("secrets", 1, "credentials of systemd", HOST + "[Service]\nLoadCredential=a:/config/a", "error"),
    ("isolation", 0, "capabilities", HOST + "DropCapability=all\nAddCapability=CAP_CHOWN", None),
    ("isolation", 0, "no-new-privileges", HOST + "NoNewPrivileges=true", None),
    ("isolation", 0, "masked paths", HOST + "Mask=/proc/acpi", None),
    ("isolation", 0, "rlimits", HOST + "Ulimit=nofile=100:200", None),
    ("isolation", 1, "`AppArmor=`", HOST + "AppArmor=mine", "error"),
    ("isolation", 1, "SELinux labels (noted)", HOST + "SecurityLabelType=spc_t", "note"),
    ("isolation", 1, "`UserNS=auto`", HOST + "UserNS=auto", "error"),
    ("isolation", 1, "maps", HOST + "UIDMap=0:1000:1", "error"),
    ("isolation", 1, "`--privileged`", HOST + "PodmanArgs=--privileged", "error"),
    ("isolation", 1, "sandboxing keys of [Service]", HOST + "[Service]\nSystemCallFilter=@system-service", "error"),
    ("limits", 0, "memory", HOST + "Memory=64m", None),
    ("limits", 0, "cpu", HOST + "PodmanArgs=--cpus 1.5", None),
    ("limits", 0, "pids", HOST + "PidsLimit=10", None),
    ("limits", 0, "io", HOST + "PodmanArgs=--device-read-bps /dev/sda:1mb", None),
    ("limits", 0, "cpusets", HOST + "PodmanArgs=--cpuset-cpus 0", None),
    ("limits", 0, "`MemoryMax=`", HOST + "[Service]\nMemoryMax=1G", None),
    ("limits", 0, "`CPUQuota=`", HOST + "[Service]\nCPUQuota=50%", None),
    ("limits", 0, "`TasksMax=`", HOST + "[Service]\nTasksMax=10", None),
    ("limits", 0, "`IOReadBandwidthMax=`", HOST + "[Service]\nIOReadBandwidthMax=/dev/sda 1M", None),
    ("limits", 0, "`AllowedCPUs=`", HOST + "[Service]\nAllowedCPUs=0", None),
    ("limits", 1, "`MemoryLow=`", HOST + "[Service]\nMemoryLow=1M", "note"),
    ("supervision", 0, "every `Restart=`", HOST + "[Service]\nRestart=on-abnormal", None),
    ("supervision", 0, "start limits", HOST + "[Unit]\nStartLimitBurst=3", None),
    ("supervision", 0, "`Type=oneshot`", HOST + "[Service]\nType=oneshot", None),
    ("supervision", 0, "stop signals and timeouts", HOST + "StopSignal=SIGINT\n[Service]\nTimeoutStopSec=5", None),
    ("supervision", 0, "`Notify=healthy`", HOST + "Notify=healthy\nHealthCmd=tcp://127.0.0.1:80", None),
    ("supervision", 0, "`ExecStartPre=`", HOST + "[Service]\nExecStartPre=/bin/true", None),
    ("supervision", 0, "conditions", HOST + "[Unit]\nConditionPathExists=/data", None),
    ("supervision", 0, "`Conflicts=`", HOST + "[Unit]\nConflicts=b.service", None),
    ("supervision", 0, "`Upholds=`", HOST + "[Unit]\nUpholds=b.service", None),
    ("supervision", 0, "`Notify=true`", HOST + "Notify=true", None),
    ("supervision", 0, "`WatchdogSec=`", HOST + "[Service]\nWatchdogSec=10", None),
    ("supervision", 0, "`OnFailure=`", HOST + "[Unit]\nOnFailure=b.service", None),
    ("supervision", 0, "reloading of a unit", HOST + "ReloadCmd=/bin/true", None),
    ("supervision", 0, "`FailureAction=`", HOST + "[Unit]\nFailureAction=reboot-force\nFailureActionExitStatus=3\nRebootArgument=x", None),
    ("supervision", 0, "`SuccessAction=`", HOST + "[Unit]\nSuccessAction=exit\nSuccessActionExitStatus=3", None),
    ("supervision", 0, "`StartLimitAction=`", HOST + "[Unit]\nStartLimitAction=halt-immediate", None),
    ("supervision", 0, "`JobTimeoutAction=`", HOST + "[Unit]\nJobTimeoutSec=5m\nJobTimeoutAction=poweroff\nJobTimeoutRebootArgument=x", None),
    ("supervision", 1, "`soft-reboot`", HOST + "[Unit]\nFailureAction=soft-reboot", "warning"),
    ("supervision", 1, "`FileDescriptorStoreMax=`", HOST + "[Service]\nFileDescriptorStoreMax=3", "note"),
    ("health", 0, "string", HOST + "HealthCmd=/bin/check --now", None),
    ("health", 0, "CMD-SHELL", HOST + "HealthCmd=CMD-SHELL true", None),
    ("health", 0, "JSON", HOST + 'HealthCmd=["/bin/check"]', None),
    ("health", 0, "`http://`", HOST + "HealthCmd=http://127.0.0.1:80/", None),
    ("health", 0, "`tcp://`", HOST + "HealthCmd=tcp://127.0.0.1:80", None),
    ("health", 0, "startup probes", HOST + "HealthCmd=/bin/check\nHealthStartupCmd=/bin/check", None),
    ("health", 0, "`https://`", HOST + "HealthCmd=https://127.0.0.1/", None),
    ("health", 1, "beyond 500 bytes", HOST + "HealthCmd=/bin/check\nHealthMaxLogSize=1000", "note"),
    ("logs", 0, "none and passthrough", HOST + "LogDriver=none", None),
    ("logs", 0, "tag", HOST + "LogOpt=tag=x", None),
    ("logs", 1, "journald", HOST + "LogDriver=journald", "note"),
    ("logs", 1, "k8s-file", HOST + "LogDriver=k8s-file", "note"),
    ("logs", 1, "json-file", HOST + "LogDriver=json-file", "note"),
]


def table():
    text = README.split("## What is supported, and what is not\n", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
    assert all(len(row) == 3 for row in rows)
    return {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize("row,column,words,lines,said", CLAIMS, ids=["%s-%s" % (claim[0], claim[2].strip("`")) for claim in CLAIMS])
def test_the_table_says_what_check_says(tmp_path, row, column, words, lines, said):
    assert words in table()[row][column]
    write(tmp_path, {"a.container": "[Container]\n" + IMAGE + lines + "\n", "b.container": PLAIN,
                     "data.volume": "[Volume]\n", "p.pod": "[Pod]\n", "net.network": "[Network]\nSubnet=192.0.2.0/24\n"})
    status, problems, _ = check(tmp_path)
    assert status == (1 if said == "error" else 0), problems
    assert said in [problem["severity"] for problem in problems] if said else not problems, problems


OTHER_KINDS = {
    "a.build": "[Build]\nImageTag=localhost/a:1\nSetWorkingDirectory=unit\n", "a.kube": "[Kube]\nYaml=a.yaml\n",
    "a.artifact": "[Artifact]\nArtifact=localhost/a:1\n",
}


@pytest.mark.parametrize("name", OTHER_KINDS)
def test_other_kinds_are_converted_and_invalid_with_the_reason(tmp_path, name):
    assert name[1:] in re.findall(r"\.\w+", table()["units"][1])
    write(tmp_path, {name: OTHER_KINDS[name], "web.container": PLAIN})
    status, problems, units = check(tmp_path)
    assert status == 1 and not units[name]["valid"] and units["web.container"]["valid"]
    assert any("%s units are not supported yet: " % name[1:] in problem["text"] for problem in problems)
    done = cleat("quadlet", "--dryrun", tmp_path)
    assert done.returncode == 0 and "---%s---" % units[name]["service"] in done.stdout


def test_an_appliance_lists_them_and_is_not_ready(boot):
    a = boot({"app.kube": "[Kube]\nYaml=app.yaml\n"})
    entry, = a.status()["units"]
    assert entry["state"] == "invalid" and ".kube units are not supported yet" in entry["detail"]
    code, body = a.http("/readyz?verbose")
    assert code == 503 and "app" in body
