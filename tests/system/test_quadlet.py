# SPDX-License-Identifier: Apache-2.0
"""cleat quadlet beside podman's generator: recorded answers (tests/golden/podman), real folders, files written, and podman itself
where it is installed."""
import os
import pathlib
import re
import subprocess
import sys

import pytest

from appliance import CLEAT, ROOT

GOLDEN = pathlib.Path(ROOT, "tests", "golden")
# Resolved: the generator follows links to the folders that it searches, and so do we.
CORPUS = (pathlib.Path(ROOT).parent / "shared" / "corpus").resolve()
PODMAN = ("/usr/libexec/podman/quadlet", "/usr/lib/podman/quadlet")
# Sentences of podman's that people look for; the rest of its wording is not ours.
PHRASES = ["unsupported escape char"]

sys.path.insert(0, str(GOLDEN))

import compare_units  # noqa: E402

FOLDERS = compare_units.folders()


def by_name(folders):
    return [pytest.param(folder, id=folder.name) for folder in folders]


def links_of(place):
    return {str(path.relative_to(place)): os.readlink(path) for path in sorted(place.rglob("*")) if path.is_symlink()}


@pytest.mark.parametrize("folder", by_name(FOLDERS))
def test_the_answer_is_podmans(folder):
    wanted, got = compare_units.recorded(folder), compare_units.ask([CLEAT, "quadlet"], folder)
    assert compare_units.compare(wanted, got) == []


@pytest.mark.parametrize("folder", by_name(folder for folder in FOLDERS if compare_units.recorded(folder).err))
def test_what_podman_complains_of_is_complained_of(folder):
    wanted, got = compare_units.recorded(folder).err, compare_units.ask([CLEAT, "quadlet"], folder).err
    names = re.findall(r'^converting "([^"]+)"', wanted, re.M)
    names += [os.path.basename(path) for path in re.findall(r'^error loading "([^"]+)"', wanted, re.M)]
    assert [name for name in names if name not in got] == []
    assert [phrase for phrase in PHRASES if phrase in wanted and phrase not in got] == []


@pytest.mark.parametrize("folder", by_name(FOLDERS))
def test_written_files_are_what_the_dry_run_prints(folder, tmp_path):
    """What is written begins with two comment lines that say who wrote it."""
    printed = compare_units.run([CLEAT, "quadlet", "--dryrun"], folder)
    written = compare_units.run([CLEAT, "quadlet"], folder, str(tmp_path))
    assert written.returncode == printed.returncode
    services, links = compare_units.services_of(printed.stdout.decode(errors="surrogateescape"))
    files = {path.name: path.read_text(errors="surrogateescape") for path in tmp_path.iterdir()
             if path.is_file() and not path.is_symlink()}
    # Alias= with the unit's own name: the link takes the place of the file, as with podman.
    assert sorted(files) == sorted(set(services) - {link for link, _ in links})
    for name, text in files.items():
        head, body = text.split("\n", 2)[:2], text.split("\n", 2)[2]
        assert all(line.startswith("#") for line in head)
        assert body.strip("\n") == services[name]
    assert sorted(links_of(tmp_path).items()) == sorted(set(links))


def test_nothing_is_written_where_there_are_no_units(tmp_path):
    (tmp_path / "units").mkdir()
    (tmp_path / "out").mkdir()
    done = compare_units.run([CLEAT, "quadlet"], tmp_path, str(tmp_path / "out"))
    assert done.returncode == 0
    assert list((tmp_path / "out").iterdir()) == []


def test_the_same_folder_gives_the_same_answer_each_time():
    """podman's flags come in random order; ours may not."""
    folder = compare_units.FOLDERS / "container-keys-common"
    answers = {compare_units.run([CLEAT, "quadlet", "--dryrun"], folder).stdout for _ in range(5)}
    assert len(answers) == 1 and answers.pop() != b""


def test_real_folders_give_podmans_answers():
    """shared/corpus has its own comparison."""
    script = CORPUS / "compare.py"
    if not script.exists():
        pytest.skip("no corpus at %s" % CORPUS)
    done = subprocess.run([script, "-v"], env=dict(os.environ, QUADLET_CMD=CLEAT + " quadlet --dryrun"), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
    passed, failed = re.search(r"(\d+) passed, (\d+) failed", done.stdout).groups()
    assert done.returncode == 0 and int(failed) == 0 and int(passed) >= 281, done.stdout[-4000:]


def test_our_folders_have_every_construct_of_real_ones():
    """Compares with the corpus where there is one, else with the list that was made from it."""
    done = subprocess.run([GOLDEN / "coverage"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


def test_the_comparison_sees_what_differs():
    """A comparison that finds nothing wrong with anything would make all of the above worthless."""
    folder = compare_units.FOLDERS / "container-keys-common"
    answer = compare_units.recorded(folder)
    assert compare_units.compare(answer, answer) == []
    for old, new in (("--cap-add net_raw", "--cap-add net_admin"), (" --ip 10.89.7.20", ""), ("--ip 10.89.7.20", "--ip6 10.89.7.20"),
                     ("/usr/bin/all --serve", "--serve /usr/bin/all"), ("debug run", "run debug"), ("KillMode=mixed", "KillMode=process"),
                     ("\nDelegate=yes", ""), ("---label.service---", "---other.service---"), ("[X-Container]", "[X-Pod]")):
        assert old in answer.out
        assert compare_units.compare(answer, answer._replace(out=answer.out.replace(old, new, 1))) != [], old
    assert compare_units.compare(answer, answer._replace(status=1)) != []
    shuffled = answer.out.replace("--ip 10.89.7.20 ", "", 1).replace("--rm ", "--rm --ip 10.89.7.20 ", 1)
    assert shuffled != answer.out and compare_units.compare(answer, answer._replace(out=shuffled)) == []


def test_podman_itself_gives_the_same_answers():
    generator = next((path for path in PODMAN if os.access(path, os.X_OK)), None)
    if not generator:
        pytest.skip("podman's generator is not installed: none of %s" % ", ".join(PODMAN))
    done = subprocess.run([generator, "--version"], stdout=subprocess.PIPE, text=True, check=True)
    version = tuple(int(number) for number in re.findall(r"\d+", done.stdout)[:2])
    if version < (5, 8):
        pytest.skip("podman %d.%d names containers by --cidfile: its answers are another version's" % version)
    for folder in FOLDERS:
        if version >= (6, 0) or compare_units.recorded(folder).version != "reference":
            wanted, got = compare_units.ask([generator], folder), compare_units.ask([CLEAT, "quadlet"], folder)
            assert compare_units.compare(wanted, got) == [], folder.name
