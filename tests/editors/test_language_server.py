"""What an editor shows of a stack by yaml-language-server: completion, hover and findings, in every document."""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml

from declarative.cli.main import main
from declarative.manifest import schema_root
from declarative.manifest.schemas import kinds, schema
from tests.scaffold import language_server

EXAMPLES = Path(__file__).parents[2] / "examples"
HEAD = "apiVersion: sdrs/v1\nkind: {kind}\nmetadata:\n  name: one\n"
MODELINE = "# yaml-language-server: $schema=.schemas/sdrs.json\n"
SPECS = {
    "Stack": {"guards": {"max_deletes": 3}},
    "ProtectionGroup": {
        "name": "shop",
        "source_availability_zone": "eu-de-01",
        "target_availability_zone": "eu-de-02",
        "domain": "ActiveactiveDomain",
        "source_vpc_id": "6f8f5e0c",
    },
    "ProtectedInstance": {"protection_group": "shop", "server_id": "5fb9", "name": "web"},
    "ReplicationPair": {"protection_group": "shop", "volume_id": "7c0d", "name": "data"},
    "ReplicationAttachment": {"protected_instance": "web", "replication_pair": "data", "device": "/dev/vdb"},
    "DRDrill": {"protection_group": "shop", "name": "spring"},
}
# Of each kind a field that may be left out, its values, and one that is none of them with what the server says.
CHOICES = {
    "Stack": ("provider", "{simulator: |}", {"true", "false"}, "{simulator: x}", 'Incorrect type. Expected "boolean".'),
    "ProtectionGroup": (
        "protection",
        "|",
        {"enabled", "disabled"},
        "on",
        'Value is not accepted. Valid values: "enabled", "disabled".',
    ),
    "ProtectedInstance": (
        "delete_target_eip",
        "|",
        {"true", "false"},
        "x",
        'Incorrect type. Expected "boolean".',
    ),
    "ReplicationPair": ("delete_target_volume", "|", {"true", "false"}, "x", 'Incorrect type. Expected "boolean".'),
    "ReplicationAttachment": (
        "protected_instance",
        "|",
        set(),
        "A/b",
        "Must be the metadata.name of a document: name or name[key].",
    ),
    "DRDrill": ("drill_vpc_id", "|", set(), "a/b", "Must be an id: 1 to 64 of A-Z, a-z, 0-9, '_' and '-'."),
}
EVERY_KIND = pytest.mark.parametrize("kind", kinds())
PLACES = pytest.mark.parametrize("before", [0, 3], ids=["first", "fourth"])


@pytest.fixture(scope="module")
def program():
    if not language_server.is_npm_here():
        pytest.skip("Node.js with npm is not installed (Debian: nodejs, npm)")
    return language_server.installed()


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """The stack that `init` writes, with an environment."""
    folder = tmp_path_factory.mktemp("editor") / "shop"
    assert main(["init", str(folder)]) == 0
    (folder / "environments").mkdir()
    return folder


@pytest.fixture(scope="module")
def mapped(program, stack):
    """An editor that knows the schemas by the settings that `init` writes."""
    settings = json.loads((stack / ".vscode" / "settings.json").read_text())
    with language_server.LanguageServer(program, stack, settings) as server:
        yield server


@pytest.fixture(scope="module")
def commented(program, stack):
    """An editor without settings: it knows the schemas by the comment in each document alone."""
    with language_server.LanguageServer(program, stack) as server:
        yield server


def document(kind, **fields):
    spec = {name: value for name, value in {**SPECS[kind], **fields}.items() if value is not None}
    return (
        HEAD.format(kind=kind) + "spec:\n" + "".join(f"  {name}: {_written(value)}\n" for name, value in spec.items())
    )


def _written(value):
    return value if isinstance(value, str) else json.dumps(value)


def at(before, text, *, start=""):
    """`text` as the document after `before` others, one of each kind in turn; `start` begins each document."""
    others = [document(kind) for kind in ("ProtectionGroup", "ProtectedInstance", "DRDrill")[:before]]
    return "---\n".join(start + one for one in [*others, text])


def over(name, text):
    """`text` with the place in the name of a field of its spec."""
    head, spec, rest = text.partition("spec:\n")
    return head + spec + rest.replace(f"  {name}: ", f"  {name[:2]}|{name[2:]}: ", 1)


def fields_of(kind):
    return schema(kind)["properties"]["spec"]["properties"]


# ---------------------------------------------------------------- every kind, in the first and the fourth document


@PLACES
@EVERY_KIND
def test_a_good_document_has_no_findings(kind, before, mapped):
    assert mapped.findings(at(before, document(kind))) == []


@PLACES
@EVERY_KIND
def test_faults_are_found_where_they_are(kind, before, mapped):
    name, _, _, wrong, message = CHOICES[kind]
    text = at(before, document(kind, **{name: wrong}) + "  nmae: x\n")
    lines = text.splitlines()
    where = max(number for number, line in enumerate(lines, 1) if line.startswith(f"  {name}: "))
    assert mapped.findings(text) == [(where, message), (len(lines), "Property nmae is not allowed.")]


@PLACES
@EVERY_KIND
def test_the_fields_of_a_kind_are_completed(kind, before, mapped):
    offered = mapped.completions(at(before, document(kind) + "  |\n"))
    assert set(offered) >= set(fields_of(kind)) - set(SPECS[kind]) - {
        other for pair in _choices(kind) for other in pair if set(pair) & set(SPECS[kind])
    }
    assert not set(offered) & set(SPECS[kind])


def _choices(kind):
    spec = schema(kind)["properties"]["spec"]
    rules = [spec, *spec.get("allOf", ())]
    return [[branch["required"][0] for branch in rule["oneOf"]] for rule in rules if "oneOf" in rule]


@PLACES
@EVERY_KIND
def test_values_are_completed(kind, before, mapped):
    name, written, values, _, _ = CHOICES[kind]
    assert set(mapped.completions(at(before, document(kind, **{name: written})))) >= values


@PLACES
@EVERY_KIND
def test_hover_tells_what_a_field_means_before_its_limits(kind, before, mapped):
    for name in SPECS[kind]:
        title, _, rest = _plain(mapped.hover(at(before, over(name, document(kind))))).partition("\n\n")
        assert title == f"#### {kind}.spec.{name}"
        assert rest.startswith(fields_of(kind)[name]["description"])


@PLACES
def test_kinds_are_completed(before, mapped):
    assert set(mapped.completions(at(before, "apiVersion: sdrs/v1\nkind: |\n"))) == set(kinds())


@EVERY_KIND
def test_a_field_with_an_expression_has_no_findings_and_its_own_hover(kind, mapped):
    simple = [name for name, rule in fields_of(kind).items() if rule.get("type") != "object"]
    given = {name: "${var.x}" for name in simple if name not in {pair[1] for pair in _choices(kind)}}
    text = document(kind, **given)
    assert mapped.findings(text) == []
    for name in given:
        shown = _plain(mapped.hover(over(name, text)))
        assert shown.startswith(f"#### {kind}.spec.{name}\n\n{fields_of(kind)[name]['description']}")


def _plain(markdown):
    """Hover without the escapes of Markdown."""
    return markdown.replace("\\", "")


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind != "Stack"])
def test_of_two_fields_that_exclude_each_other_one_is_named(kind, mapped):
    for one, other in _choices(kind):
        taken = next(name for name in (one, other) if name in SPECS[kind])
        further = other if taken == one else one
        both = mapped.findings(document(kind, **{further: "x"}))
        assert [message for _, message in both] == [f"Property {further} is not allowed."]
        neither = mapped.findings(document(kind, **{taken: None}))
        assert [message for _, message in neither] == [f'Missing property "{one}".']


def test_what_does_not_belong_to_a_kind_is_named(mapped):
    text = document("Stack") + "lifecycle: {}\n---\n" + document("DRDrill") + "lifecycle: {adopt: true}\n"
    assert [message for _, message in mapped.findings(text)] == [
        "Property lifecycle is not allowed.",
        "Property adopt is not allowed.",
    ]


# ---------------------------------------------------------------- comments instead of settings


@PLACES
@EVERY_KIND
def test_a_comment_in_each_document_is_enough(kind, before, commented):
    assert commented.findings(at(before, document(kind), start=MODELINE)) == []
    faulty = commented.findings(at(before, document(kind) + "  nmae: x\n", start=MODELINE))
    assert [message for _, message in faulty] == ["Property nmae is not allowed."]
    assert "Stack" in commented.completions(at(before, "apiVersion: sdrs/v1\nkind: |\n", start=MODELINE))
    name = next(iter(SPECS[kind]))
    shown = commented.hover(at(before, over(name, document(kind)), start=MODELINE))
    assert f"{kind}.spec.{name}" in _plain(shown)


def test_a_comment_at_the_top_of_a_file_does_not_count_for_its_other_documents(commented):
    """Known of the server (redhat-developer/yaml-language-server, issues 946, 319 and 1082): why `init` writes many."""
    faulty = document("DRDrill") + "  nmae: x\n"
    assert len(commented.findings(f"{MODELINE}{faulty}---\n{faulty}")) == 1


def test_every_document_that_init_writes_is_checked(commented, stack):
    for name in ("stack.yaml", "groups.yaml"):
        text = (stack / name).read_text()
        assert commented.findings(text, name) == []
        broken = text.replace("\nkind: ", "\nkindd: 1\nkind: ")
        assert len(commented.findings(broken, name)) == len(list(yaml.safe_load_all(text)))


# ---------------------------------------------------------------- environments, and what is left alone


def test_an_environment_file_is_checked_by_the_variables(mapped):
    assert mapped.findings("stage: live\n", "environments/prod.yaml") == []
    assert mapped.findings("", "environments/empty.yaml") == []
    assert mapped.findings("stage: nope\nvpc: x\n", "environments/prod.yaml") == [
        (1, 'Value is not accepted. Valid values: "demo", "test", "live".'),
        (2, "Property vpc is not allowed."),
    ]
    assert mapped.completions("|", "environments/prod.yaml") == ["stage"]
    assert set(mapped.completions("stage: |", "environments/prod.yaml")) == {"demo", "test", "live"}
    assert "Stage of the shop" in mapped.hover("sta|ge: live\n", "environments/prod.yaml")


@pytest.mark.parametrize("name", ["clouds.yaml", "clouds-public.yaml", "secure.yaml", "policies/a.yaml", ".a.yaml"])
def test_a_file_that_is_left_out_of_the_manifests_is_left_alone(name, mapped):
    assert mapped.findings("a: b\n", name, exactly=True) == []


@pytest.mark.parametrize("name", ["a.yaml", "a.yml", "below/a.yaml"])
def test_any_other_yaml_file_is_a_manifest(name, mapped):
    assert mapped.findings("a: b\n", name) != []


# ---------------------------------------------------------------- the examples, and the files of schemas/


@pytest.mark.parametrize("example", sorted(path.parent.name for path in EXAMPLES.glob("*/stack.yaml")))
def test_an_example_comes_out_clean(example, program, tmp_path, stack):
    folder = tmp_path / example
    shutil.copytree(EXAMPLES / example, folder)
    assert main(["-C", str(folder), "schema", "--write"]) == 0
    settings = json.loads((stack / ".vscode" / "settings.json").read_text())
    files = sorted(folder.rglob("*.yaml"))
    with language_server.LanguageServer(program, folder, settings) as server:
        found = {path.name: server.findings(path.read_text(), str(path.relative_to(folder))) for path in files}
        assert not any(found.values()), found
        assert server.findings("a: b\n")  # the schemas are found


def test_the_bundled_file_serves_as_it_lies(program, tmp_path):
    settings = {"yaml.schemas": {(schema_root() / "sdrs.json").as_uri(): "*.yaml"}}
    with language_server.LanguageServer(program, tmp_path, settings) as server:
        faulty = document("ProtectionGroup") + "  nmae: x\n"
        assert len(server.findings("---\n".join([faulty] * 4))) == 4


# ---------------------------------------------------------------- names, for the JSON Schema Store

ENTRY = json.loads((EXAMPLES.parent / "docs" / "schema-store.json").read_text())
# What https://json.schemastore.org/schema-catalog.json says of an entry.
ENTRY_SCHEMA = {
    "type": "object",
    "required": ["name", "url", "description"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "description": {"type": "string"},
        "fileMatch": {"type": "array", "uniqueItems": True, "items": {"type": "string"}},
        "url": {"type": "string", "pattern": "^https://"},
        "versions": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^https://"}},
    },
}


def test_the_entry_for_the_schema_store_has_the_form_of_its_catalogue():
    assert jsonschema.Draft4Validator(ENTRY_SCHEMA).is_valid(ENTRY)
    assert ENTRY["url"].endswith("/schemas/sdrs.json")


def test_the_names_of_the_schema_store_mean_manifests_alone(program, tmp_path):
    settings = {"yaml.schemas": {(schema_root() / "sdrs.json").as_uri(): ENTRY["fileMatch"]}}
    with language_server.LanguageServer(program, tmp_path, settings) as server:
        for name in ("shop.sdrs.yaml", "a/b/shop.sdrs.yml", "sdrs/groups.yaml", "dr/sdrs/shop/groups.yml"):
            assert server.findings("a: b\n", name) != [], name
        for name in ("sdrs.yaml", "groups.yaml", "sdrs/environments/prod.yaml", "dr/sdrs/shop/policies/a.yaml"):
            assert server.findings("a: b\n", name) == [], name
