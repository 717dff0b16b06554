"""`explain`: every finding, every field of every kind, every error code, and what is said of anything else."""

import json
import subprocess
import sys

import pytest

from declarative.cli.main import main
from declarative.manifest.fields import field_entry
from declarative.manifest.schemas import kinds
from declarative.provider.codes import known_codes
from declarative.workflow.explanations import finding_entries


def every_field(path, depth=0):
    entry = field_entry(path)
    yield entry
    for name in entry.fields if depth < 4 else ():
        if "." not in name:
            yield from every_field(f"{path}.{name}", depth + 1)


@pytest.mark.parametrize("kind", kinds())
def test_every_field_of_a_kind_has_a_meaning(kind):
    entries = list(every_field(kind))
    assert len(entries) > 5
    assert [one.name for one in entries if not one.meaning] == []


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("ProtectionGroup.name", "changes in place"),
        ("ProtectionGroup.domain", "a change replaces the object"),
        ("ProtectionGroup.protection", "changes in place, by switching protection"),
        ("ProtectedInstance.protection_group", "a change replaces the object"),
        ("ProtectedInstance.delete_target_eip", "a change is recorded; it sends no call of its own"),
        ("ProtectedInstance.tags.key", "changes in place"),
        ("ProtectionGroup.metadata.name", ""),
        ("Stack.timeouts", ""),
    ],
)
def test_fields_say_how_a_change_acts(path, change):
    assert field_entry(path).change == change


def test_field_says_its_type_limits_and_whether_it_is_needed():
    entry = field_entry("ProtectionGroup.name")
    assert (entry.name, entry.type, entry.required) == ("ProtectionGroup.spec.name", "text", True)
    assert "at most 64 bytes" in entry.limits
    assert field_entry("ProtectionGroup.protection").limits == ("one of enabled, disabled",)
    assert not field_entry("ProtectionGroup.description").required


def test_names_that_a_map_leaves_free_are_fields_too():
    assert field_entry("Stack.timeouts.ProtectionGroup.create").type == "number"
    assert field_entry("Stack.variables.zone.type").required


def test_kind_lists_the_fields_of_its_spec(capsys):
    assert main(["explain", "DRDrill"]) == 0
    assert "\n  spec.drill_vpc_id: " in capsys.readouterr().out


def test_finding_is_explained(capsys):
    assert main(["explain", "unknown-field"]) == 0
    entry = finding_entries()["unknown-field"]
    assert capsys.readouterr().out.splitlines() == [
        "unknown-field",
        f"  meaning: {entry.meaning}",
        f"  cause: {entry.cause}",
        f"  remedy: {entry.remedy}",
        f"  example: {entry.example}",
    ]


@pytest.mark.parametrize(
    ("subject", "kind", "member"),
    [("unknown-field", "finding", "remedy"), ("Stack.state", "field", "meaning"), ("SDRS.1303", "code", "meaning")],
)
def test_json_says_what_sort_of_thing_it_is(capsys, subject, kind, member):
    assert main(["explain", subject, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["type"] == kind
    assert document[member]


def test_every_code_is_explained(capsys):
    for code in known_codes():
        assert main(["explain", code]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("subject", "hint"),
    [
        ("unknown-fild", "Did you mean 'unknown-field'?"),
        ("ProtectionGrup", "Did you mean 'ProtectionGroup'?"),
        ("ProtectionGroup.nmae", "Did you mean 'name'?"),
        ("ProtectionGroup.name.x", "It has no fields."),
        ("ProtectionGroup.", "Its fields are "),
        ("SDRS.13O3", "Did you mean 'SDRS."),
        ("", "Name the id of a finding"),
        ("\x1b[2J", "nothing is known of '\\x1b[2J'"),
    ],
)
def test_anything_else_is_a_wrong_call(capsys, subject, hint):
    assert main(["explain", subject]) == 64
    assert hint in capsys.readouterr().err


def test_explaining_a_finding_loads_nothing_heavy():
    code = (
        "import sys; from declarative.cli.main import main; main(['explain', 'unknown-field']);"
        "print(sorted({'yaml', 'httpx', 'asyncio', 'jsonschema', 'rich', 'ssl'} & sys.modules.keys()), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stderr == "[]\n"
