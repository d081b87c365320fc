#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Folders of units with the answers of podman's own generator: comparing with them, and asking for them.

    compare_units.py                         compares `cleat quadlet` with every recorded answer
    compare_units.py --record GENERATOR [FOLDER...]
                                             asks podman's generator (/usr/libexec/podman/quadlet or a script that runs one)
    compare_units.py --live GENERATOR [FOLDER...]
                                             compares with what it says now

A folder of tests/golden/podman holds `units*` (the search directories, in the order of their names) and podman's answer:

    answer.out      the services as podman prints them, and its links as lines "---symlink LINK -> TARGET---"
    answer.err      what it complains of, without warnings about short image names
    answer.status   its exit status
    answer.version  which podman said so; "reference" when no podman at hand knows it yet
    arguments       (only where there are some) "--user" and its like

In all of them @HERE@ stands for the folder. Services are compared line by line, comments too. podman puts the options of a command
in random order, so those are compared as a bag of options with their values between a head and a tail that are in order.
"""
import argparse
import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
FOLDERS = HERE / "podman"
HEADING = re.compile(r"^---(?!symlink )(.+\.service)---$")
LINK = re.compile(r"^---symlink (.+) -> (.+)---$")
# What stands before the first word of this list is in order: modules, GlobalArgs=.
COMMANDS = {"artifact", "build", "exec", "image", "kill", "kube", "network", "pod", "rm", "run", "volume"}
# Options of generated commands that take no value of their own.
FLAGS = {"-d", "-v", "-f", "-i", "--all-tags", "--disable-dns", "--env-host", "--force", "--force-rm", "--http-proxy", "--ignore",
         "--init", "--internal", "--ipv6", "--quiet", "--read-only", "--read-only-tmpfs", "--replace", "--rm", "--tls-verify"}
X_GROUPS = ["X-" + kind for kind in ("Container", "Pod", "Volume", "Network", "Image", "Build", "Kube", "Artifact")]
ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " ", "\\": "\\", '"': '"', "'": "'"}
COMPLAINT = re.compile(r"^quadlet-generator\[\d+\]: ")

Answer = collections.namedtuple("Answer", "out err status version")


def unescape(text, at):
    """The letter of the escape whose backslash stands before text[at], and where it ends; None if it is none."""
    letter = text[at:at + 1]
    if letter in ESCAPES and letter:
        return ESCAPES[letter], at + 1
    hexadecimal = "[0-9a-fA-F]{%d}"
    for start, pattern, base in (("x", hexadecimal % 2, 16), ("u", hexadecimal % 4, 16), ("U", hexadecimal % 8, 16), ("", "[0-7]{3}", 8)):
        match = re.compile(pattern).match(text, at + len(start))
        if letter and text.startswith(start, at) and match:
            return chr(int(match.group(), base)), match.end()
    return None


def split_words(line):
    """A command line of a service as words, or None when it cannot be split."""
    words, word, quote, at = [], None, "", 0
    while at < len(line):
        letter = line[at]
        at += 1
        if letter == "\\":
            found = unescape(line, at)
            if not found:
                return None
            word, at = (word or "") + found[0], found[1]
        elif quote and letter == quote:
            quote = ""
        elif not quote and letter in "\"'":
            quote, word = letter, word or ""
        elif not quote and letter in " \t\r\n":
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + letter
    if word is not None:
        words.append(word)
    return words


def options_of(words):
    """A bag of options, each with the words that belong to it."""
    bag, at = collections.Counter(), 0
    while at < len(words):
        takes_value = words[at].startswith("-") and "=" not in words[at] and words[at] not in FLAGS
        # "-v" is a switch of "podman rm" and an option of "podman run": there it has a colon or a path behind it.
        if words[at] == "-v" and at + 1 < len(words) and not words[at + 1].startswith("-"):
            takes_value = True
        end = min(at + 2 if takes_value else at + 1, len(words))
        bag[tuple(words[at:end])] += 1
        at = end
    return bag


def tail_length(name, group, command):
    """How many words at the end of the main command have their place: PodmanArgs=, image, Exec=."""
    if name != "X-Container":
        words = split_words(command) or []
        # Where the last word is an option's value ("pod create .. --name N"), none has.
        return 0 if len(words) > 1 and words[-2].startswith("--") and words[-2] not in FLAGS else 1
    exec_words, podman_words = [], []
    for line in group:
        key, equals, value = line.partition("=")
        if not equals or line[0] in "#;":
            continue
        if key == "Exec":
            exec_words = split_words(value) or []
        elif key == "PodmanArgs":
            podman_words = podman_words + (split_words(value) or []) if value else []
    return len([w for w in exec_words + podman_words if w]) + 1


def same_command(wanted, got, tail):
    a, b = split_words(wanted), split_words(got)
    if a is None or b is None:
        return wanted == got
    if len(a) != len(b):
        return False
    head = next((i + 1 for i, word in enumerate(a) if word in COMMANDS), 1)
    same = 0
    while same < len(a) and a[len(a) - 1 - same] == b[len(b) - 1 - same]:
        same += 1
    if a[:head] != b[:head] or same < min(tail, len(a)):
        return False
    end = max(len(a) - same, head)
    return options_of(a[head:end]) == options_of(b[head:end])


def groups_of(text):
    """[(group, lines)] in order; what stands before the first header has the name ""."""
    groups = [("", [])]
    for line in text.split("\n"):
        if re.match(r"^\[.+\]$", line):
            groups.append((line[1:-1], []))
        else:
            groups[-1][1].append(line)
    return groups


def compare_service(wanted, got):
    """What differs between two service texts, as lines."""
    a, b = groups_of(wanted), groups_of(got)
    if [name for name, _ in a] != [name for name, _ in b]:
        return ["groups %s instead of %s" % (" ".join(n for n, _ in b), " ".join(n for n, _ in a))]
    own = next(((name, lines) for name, lines in a if name in X_GROUPS), ("", []))
    differences = []
    for (name, lines), (_, others) in zip(a, b):
        for i in range(max(len(lines), len(others))):
            line = lines[i] if i < len(lines) else None
            other = others[i] if i < len(others) else None
            if line == other or (line and other and line.rstrip(" \t") == other.rstrip(" \t")):
                continue  # readers cut blanks at the end
            key = (line or "").partition("=")[0]
            if line and other and re.match(r"Exec\w+$", key) and other.startswith(key + "=") and name == "Service":
                command = line.partition("=")[2]
                tail = tail_length(*own, command) if key in ("ExecStart", "ExecStartPre") else 1
                if same_command(command, other.partition("=")[2], tail):
                    continue
            differences.append("[%s] line %d\n    want %s\n    have %s" % (name, i + 1, line, other))
            if len(lines) != len(others):
                break  # the rest is shifted
    return differences


def services_of(out):
    services, links, name = {}, [], None
    for line in out.split("\n"):
        heading, link = HEADING.match(line), LINK.match(line)
        if link:
            links.append(link.groups())
            name = None
        elif heading:
            name = heading.group(1)
            services[name] = []
        elif name is not None:
            services[name].append(line)
    return {key: "\n".join(lines).strip("\n") for key, lines in services.items()}, sorted(links)


def compare(wanted, got):
    """What differs between two answers, as lines; nothing when they say the same."""
    differences = []
    if wanted.status != got.status:
        differences.append("exit status %d instead of %d" % (got.status, wanted.status))
    (services, links), (others, other_links) = services_of(wanted.out), services_of(got.out)
    for name in sorted(set(services) | set(others)):
        if name not in others:
            differences.append("%s: missing" % name)
        elif name not in services:
            differences.append("%s: podman refuses it" % name)
        else:
            differences += ["%s: %s" % (name, what) for what in compare_service(services[name], others[name])]
    differences += ["no link %s -> %s" % link for link in links if link not in other_links]
    differences += ["link %s -> %s is too much" % link for link in other_links if link not in links]
    return differences


def folders(names=()):
    found = sorted(path for path in FOLDERS.iterdir() if path.is_dir())
    return [path for path in found if not names or path.name in names]


def arguments_of(folder):
    path = folder / "arguments"
    return path.read_text().split() if path.exists() else []


def environment_of(folder):
    directories = sorted(str(path) for path in folder.glob("units*") if path.is_dir())
    return dict(os.environ, QUADLET_UNIT_DIRS=":".join(directories), PODMAN="/usr/bin/podman", LC_ALL="C.UTF-8")


def run(command, folder, *more):
    return subprocess.run([*command, *arguments_of(folder), *more], env=environment_of(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60, check=False)


def text_of(data, folder):
    return data.decode(errors="surrogateescape").replace(str(folder), "@HERE@")


def complaints_of(text):
    """podman's complaints without what depends on the run and without advice."""
    lines = [COMPLAINT.sub("", line) for line in text.split("\n")]
    lines = [line for line in lines if line and not line.startswith("Loading source ") and "fully qualified" not in line]
    return "".join(line + "\n" for line in sorted(lines))


def ask(command, folder):
    """A generator's answer: printed by --dryrun, links (which podman only writes) added from a run that writes."""
    done = run([*command, "--dryrun"], folder)
    out = text_of(done.stdout, folder)
    if not re.search(LINK.pattern, out, re.M):
        with tempfile.TemporaryDirectory() as place:
            run(command, folder, place)
            links = [p for p in sorted(pathlib.Path(place).rglob("*")) if p.is_symlink()]
            out += "".join("---symlink %s -> %s---\n" % (p.relative_to(place), os.readlink(p)) for p in links)
    return Answer(out, complaints_of(text_of(done.stderr, folder)), done.returncode, "")


def recorded(folder):
    def text(name):
        return (folder / ("answer." + name)).read_text(errors="surrogateescape")
    return Answer(text("out"), text("err"), int(text("status")), text("version").strip())


def record(folder, answer, version):
    if (folder / "answer.out").exists() and not compare(recorded(folder), answer) and recorded(folder).err == answer.err:
        return False  # the same but for the order of options
    for name, text in (("out", answer.out), ("err", answer.err), ("status", "%d\n" % answer.status), ("version", version + "\n")):
        (folder / ("answer." + name)).write_text(text, errors="surrogateescape")
    return True


def main():
    parser = argparse.ArgumentParser(description="compare cleat quadlet with the answers of podman's generator")
    parser.add_argument("--record", metavar="GENERATOR")
    parser.add_argument("--live", metavar="GENERATOR")
    parser.add_argument("--cleat", default=str(TOP / "build" / os.uname().machine / "bin" / "cleat"))
    parser.add_argument("folders", nargs="*")
    options = parser.parse_args()
    generator = options.record or options.live
    if generator:
        version = "podman " + subprocess.run([generator, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    good = bad = 0
    for folder in folders(options.folders):
        if options.record:
            if (folder / "answer.version").exists() and recorded(folder).version == "reference":
                print("%s: by the reference, left alone" % folder.name)
            elif record(folder, ask([generator], folder), version):
                print("%s: recorded" % folder.name)
            continue
        wanted = ask([generator], folder) if generator else recorded(folder)
        differences = compare(wanted, ask([options.cleat, "quadlet"], folder))
        good, bad = good + (not differences), bad + bool(differences)
        for line in differences:
            print("%s: %s" % (folder.name, line))
    if not options.record:
        print("%d passed, %d failed" % (good, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
