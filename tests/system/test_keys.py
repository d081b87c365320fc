# SPDX-License-Identifier: Apache-2.0
"""The JSON schema of unit files, judged by a validator that is not ours: it is a schema, examples are valid, mistakes are not."""
import json
import pathlib
import re
import subprocess

import jsonschema
import pytest

from appliance import CLEAT

KINDS = ["Container", "Pod", "Volume", "Network", "Image", "Build", "Kube", "Artifact"]


@pytest.fixture(scope="module", name="schema")
def fixture_schema():
    return json.loads(subprocess.run([CLEAT, "keys", "--json-schema"], stdout=subprocess.PIPE, text=True, check=True).stdout)


@pytest.fixture(scope="module", name="errors")
def fixture_errors(schema):
    """What is wrong with a unit, as a list of texts."""
    validator = jsonschema.Draft202012Validator(schema)
    return lambda unit: [error.message for error in validator.iter_errors(unit)]


def test_it_is_a_schema(schema):
    jsonschema.Draft202012Validator.check_schema(schema)


def test_every_example_and_default_is_valid(schema, errors):
    count = 0
    for section in schema["properties"]:
        for name, row in schema["$defs"][section]["properties"].items():
            for value in row["examples"] + ([row["default"]] if "default" in row else []):
                unit = {section: {name: value}}
                if section not in KINDS:
                    unit["Container"] = {}
                assert not errors(unit), unit
                count += 1
    assert count > 500


def test_a_whole_unit_is_valid(errors):
    assert not errors({
        "Unit": {"Description": "web", "After": ["db.service"]},
        "Container": {
            "Image": "localhost/web:1", "ReadOnly": True, "RunInit": "yes", "PublishPort": ["8000:8000", "127.0.0.1:9000:9000"],
            "Environment": "LANG=C", "Pull": "never", "DropCapability": ["all"], "HealthOnFailure": "${WHAT}", "RemapUidSize": 65536,
        },
        "Service": {"Restart": "on-failure", "RestartSec": 10, "TimeoutStartSec": "5min 20s", "SuccessExitStatus": ["0 143", "SIGTERM"]},
        "Install": {"WantedBy": "default.target"},
        "X-Notes": {"anything": "goes"},
    })


@pytest.mark.parametrize("unit", [
    {},
    {"Container": {}, "Pod": {}},
    {"Unit": {"Description": "no kind"}},
    {"Container": {"Imag": "x"}},
    {"Container": {"image": "x"}},
    {"Container": {}, "Nonsense": {}},
    {"Container": {"Image": ["a", "b"]}},
    {"Container": {"ReadOnly": "maybe"}},
    {"Container": {"Pull": "sometimes"}},
    {"Container": {"PublishPort": [8000]}},
    {"Container": {}, "Service": {"Restart": "unless-stopped"}},
    {"Container": {}, "Service": {"RestartSec": "soon"}},
    {"Container": {}, "Service": {"CPUs": "1"}},
    {"Container": "x"},
], ids=json.dumps)
def test_mistakes_are_not_valid(errors, unit):
    assert errors(unit)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_section_of_its_own(errors, kind):
    assert not errors({kind: {"ServiceName": "web"}})


def test_words_from_habit_lead_to_keys_that_exist(schema, tmp_path):
    """Each row of what people write from habit is said when they do, and no key or option that it names is unknown."""
    text = (pathlib.Path(__file__).parents[2] / "engine/unit/keys_suggest.c").read_text()
    rows = re.findall(r'{ "(\w+)", "(\w+)",\s+"([^"]*)" },', text[text.index("} wishes[] = {"):text.index("section_wishes[]")])
    assert len(rows) > 200
    sections = {name: set(schema["$defs"][name]["properties"]) for name in schema["properties"]}
    known = sections["Unit"] | sections["Service"] | sections["Install"] | sections["Image"]
    for section, word, hint in rows:
        for key in re.findall(r"(?<![-\w])([A-Z]\w*)=", hint):
            assert key in known | sections[section] | (sections["Container"] if section == "Pod" else set()), (word, hint)
    files = {}
    for number, (section, word, hint) in enumerate(rows):
        own = section if section in KINDS else "Container"
        path = tmp_path / ("u%d.%s" % (number, own.lower()))
        path.write_text("[%s]\n%s=x\n" % (section, word))
        files[str(path)] = (word, hint)
    said = subprocess.run([CLEAT, "check", *files], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout
    for path, (word, hint) in files.items():
        assert any(line.startswith(path + ":2:") and hint in line for line in said.splitlines()), (word, hint)
    for option in {option for _, _, hint in rows for option in re.findall(r"PodmanArgs=(--[a-z-]+)", hint)}:
        path = tmp_path / "option.container"
        path.write_text("[Container]\nImage=localhost/x\nPodmanArgs=%s=1\n" % option)
        said = subprocess.run([CLEAT, "check", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout
        assert said and "unknown option" not in said, said
