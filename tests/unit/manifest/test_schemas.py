import copy
import functools
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, validators

from declarative.errors import UsageError
from declarative.kinds import KINDS
from declarative.manifest import findings, schema_root, schema_text
from declarative.manifest.nodes import Reader
from declarative.manifest.schemas import Compiler, canonical, check, kinds, schema, schema_name, schemas
from tests.scaffold.corpus import DATA

MANIFEST_SCHEMAS = [schema_root() / name for name in schemas(resolved=False)]
GROUP = {
    "apiVersion": "sdrs/v1",
    "kind": "ProtectionGroup",
    "metadata": {"name": "shop", "labels": {"tier": "gold"}},
    "spec": {
        "name": "shop-prod",
        "description": "日",
        "source_availability_zone": "eu-de-01",
        "target_availability_zone": "eu-de-02",
        "domain": "ActiveactiveDomain",
        "source_vpc_id": "0a1b",
        "dr_type": "migration",
        "server_type": "ECS",
        "protection": "enabled",
        "priority_station": "source",
    },
    "lifecycle": {"prevent_destroy": True, "ignore_changes": ["name"]},
    "depends_on": ["ProtectionGroup/web[a]"],
    "for_each": {"a": 1},
}
STACK = {
    "apiVersion": "sdrs/v1",
    "kind": "Stack",
    "metadata": {"name": "s"},
    "spec": {
        "provider": {"region": "eu-de", "simulator": True},
        "state": "local:.declarative",
        "guards": {"max_deletes": 3},
        "timeouts": {"create_grace": 1.5, "ProtectionGroup": {"create": 5}},
        "variables": {"v": {"type": "string", "default": "a", "enum": ["a", "b"], "pattern": "^a"}},
        "outputs": {"o": "${var.v}"},
    },
}


ENVELOPE = {"apiVersion": "sdrs/v1", "metadata": {"name": "m"}}
INSTANCE = {
    **ENVELOPE,
    "kind": "ProtectedInstance",
    "spec": {
        "protection_group": "shop[eu]",
        "server_id": "5fb9",
        "name": "web",
        "description": "x",
        "primary_subnet_id": "44dd",
        "primary_ip_address": "10.0.0.255",
        "flavorRef": "s3.large.2",
        "cluster_id": "66ff",
        "tenancy": "shared",
        "dedicated_host_id": "77aa",
        "tags": [{"key": "tier", "value": "gold"}, {"key": "a", "value": ""}],
        "delete_target_server": True,
        "delete_target_eip": False,
    },
}
PAIR = {
    **ENVELOPE,
    "kind": "ReplicationPair",
    "spec": {
        "server_group_id": "11aa",
        "volume_id": "7c0d",
        "name": "data",
        "description": "",
        "volume_size": 40,
        "delete_target_volume": True,
    },
    "lifecycle": {"adopt": True},
}
ATTACHMENT = {
    **ENVELOPE,
    "kind": "ReplicationAttachment",
    "spec": {"protected_instance": "web", "replication_id": "33cc", "device": "/dev/vdb"},
}
DRILL = {
    **ENVELOPE,
    "kind": "DRDrill",
    "spec": {"protection_group": "shop", "name": "spring", "drill_vpc_id": "55ee"},
}
OBJECTS = [GROUP, INSTANCE, PAIR, ATTACHMENT, DRILL]
SCALARS = [(document["kind"], name) for document in OBJECTS for name in sorted(document["spec"])]


def every_property(node, path=""):
    if isinstance(node, dict):
        for name, inner in node.get("properties", {}).items():
            if inner is not False:
                yield f"{path}.{name}", inner
        for keyword, inner in node.items():
            yield from every_property(inner, f"{path}/{keyword}")
    elif isinstance(node, list):
        for number, inner in enumerate(node):
            yield from every_property(inner, f"{path}/{number}")


@pytest.mark.parametrize("path", MANIFEST_SCHEMAS, ids=lambda path: path.name)
def test_a_schema_is_valid_and_describes_every_property(path):
    text = json.loads(path.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(text)
    assert text["description"]
    assert [name for name, inner in every_property(text) if not inner.get("description", "").endswith(".")] == []


def patterns(node):
    if isinstance(node, dict):
        yield from (rule for keyword, rule in node.items() if keyword == "pattern" and isinstance(rule, str))
        for inner in node.values():
            yield from patterns(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from patterns(inner)


@pytest.mark.parametrize("path", sorted(schema_root().glob("*.json")), ids=lambda path: path.name)
def test_patterns_hold_for_the_whole_text_in_every_engine(path):
    found = set(patterns(json.loads(path.read_text(encoding="utf-8")))) - {r"\$\{"}
    assert all(pattern.startswith("^") and pattern.endswith(r"$(?!\n)") for pattern in found)
    assert not any(part in pattern for pattern in found for part in ("\\d", "\\w", "\\s", "\\Z", "\\A", "(?<", "(?P"))


def test_every_kind_has_a_schema_that_lists_its_fields():
    assert kinds() == ("Stack", *sorted(KINDS))
    for name, kind in KINDS.items():
        properties = schema(name)["properties"]["spec"]["properties"]
        assert properties.keys() == {*kind.fields, *kind.relations.lookups, *kind.relations.refers}


@pytest.mark.parametrize(
    ("kind", "name"),
    [("ProtectionGroup", "protection_group.json"), ("Stack", "stack.json"), ("DRDrill", "dr_drill.json")],
)
def test_the_file_of_a_schema_is_called_after_its_kind(kind, name):
    assert schema_name(kind) == name


@pytest.mark.parametrize("kind", [None, "Stack", *KINDS])
def test_a_printed_schema_is_valid_and_refers_to_itself_alone(kind):
    text = json.loads(schema_text(kind))
    Draft202012Validator.check_schema(text)
    assert text["title"] == kind or (kind is None and text["title"] == "Manifest")
    assert set(references(text)) <= {f"#/$defs/{name}" for name in text["$defs"]}


def references(node):
    if isinstance(node, dict):
        yield from (rule for keyword, rule in node.items() if keyword == "$ref")
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from references(inner)


@pytest.mark.parametrize("document", [STACK, *OBJECTS], ids=lambda document: document["kind"])
@pytest.mark.parametrize("of_kind", [False, True], ids=["of-any-kind", "of-its-kind"])
def test_a_printed_schema_takes_a_good_document_alone(document, of_kind):
    validator = Draft202012Validator(json.loads(schema_text(document["kind"] if of_kind else None)))
    assert list(validator.iter_errors(document)) == []
    for wrong in ({"kind": "Nope"}, {"spec": {"nmae": "x"}}, {"labels": {}}):
        assert not validator.is_valid({**document, **wrong})


def test_an_unknown_schema_is_a_usage_error():
    with pytest.raises(UsageError) as caught:
        schema_text("ProtectionGrp")
    assert "Did you mean 'ProtectionGroup'?" in caught.value.fix


@pytest.mark.parametrize("value", [None, 1, "a", [], {}, {"a": 1}, {"a": "x"}, [1, 1]])
def test_rules_speak_only_of_their_own_type(value):
    rules = {"properties": {"a": {"type": "string"}}, "uniqueItems": False, "minLength": 1, "minimum": 1, "minItems": 0}
    assert Compiler({"x.json": rules}).at("x.json", "")(value) is Draft202012Validator(rules).is_valid(value)


def test_a_keyword_that_is_not_known_is_not_passed_over():
    with pytest.raises(ValueError, match="dependentRequired"):
        Compiler({"x.json": {"dependentRequired": {"a": ["b"]}}}).at("x.json", "")


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        ([1], [1.0], True),
        ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}, True),
        ("1", 1, False),
        (None, "null", False),
    ],
)
def test_equality_is_that_of_json_schema(one, other, equal):
    assert (canonical(one) == canonical(other)) is equal


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.5, 1.0, -0.0, 1e300])
    | st.sampled_from(
        [
            "",
            "a",
            "ECS",
            "10.0.0.1",
            "/dev/vdb",
            "enabled",
            "${var.x}",
            "a\n",
            "日" * 30,
            "x" * 65,
            "ProtectionGroup/a",
            "local:a",
            "a b",
            "/",
            "a[b]",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "a", "type", "create", "x y", "key", "value"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value, path=()):
    if path:
        yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*path, key))


@st.composite
def mutations(draw):
    document = copy.deepcopy(draw(st.sampled_from([*OBJECTS, STACK])))
    for _ in range(draw(st.integers(0, 2))):
        path = draw(st.sampled_from(list(places(document))))
        inner = document
        for part in path[:-1]:
            inner = inner[part]
        change = draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "replace":
            inner[path[-1]] = draw(JSON)
        elif change == "remove":
            del inner[path[-1]]
        elif isinstance(inner, dict):
            inner[draw(st.sampled_from(["domain_id", "server_group_id", "adopt", "extra", "name", "v.w"]))] = draw(JSON)
    return document


@settings(max_examples=400, deadline=None)
@given(mutations(), st.none() | st.sampled_from(kinds()), st.booleans())
def test_the_fast_check_and_jsonschema_agree(document, other, resolved):
    kind = other or document.get("kind")
    kind = kind if kind in kinds() else "Stack"
    errors = list(findings._validator(kind, resolved=resolved).iter_errors(document))
    assert check(kind, resolved=resolved)(document) is not bool(errors)
    told = findings.findings(kind, document, resolved=resolved)
    assert bool(told) is bool(errors)
    assert all(finding.summary and "given schema" not in finding.summary for finding in told)


EXAMPLES = Path(__file__).parents[3] / "examples"


@functools.cache
def bundled(kind=None):
    """A validator of a printed schema that also knows the keywords of ours that it has taken over."""
    own = {"maxBytes": findings._max_bytes, "uniqueBy": findings._unique_by}
    schema = {keyword: rule for keyword, rule in json.loads(schema_text(kind)).items() if keyword != "$schema"}
    return validators.extend(Draft202012Validator, own)(schema)


def is_valid_by_its_kind(document):
    kind = document.get("kind") if isinstance(document, dict) else None
    return kind in kinds() and check(kind, resolved=False)(document)


@settings(max_examples=300, deadline=None)
@given(mutations())
def test_the_bundled_schema_and_that_of_the_kind_agree(document):
    assert bundled().is_valid(document) is is_valid_by_its_kind(document)
    kind = document.get("kind")
    if kind in kinds():
        assert bundled(kind).is_valid(document) is is_valid_by_its_kind(document)


def test_the_bundled_schema_and_that_of_the_kind_agree_on_every_document_of_the_corpus():
    disputed = [
        place for place, document in corpus() if bundled().is_valid(document) is not is_valid_by_its_kind(document)
    ]
    assert disputed == []


def test_the_file_of_the_bundled_schema_is_the_one_that_is_printed():
    path = schema_root() / "sdrs.json"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(schema_text(), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == schema_text(), f"UPDATE_GOLDEN=1 writes {path} anew"


@functools.cache
def corpus():
    """Every document that the tests and the examples have in a file, with its place, however faulty it is."""
    files = sorted(path for folder in (DATA, EXAMPLES) for path in folder.rglob("*") if path.is_file())
    readings = [(path, Reader().read(str(path), path.read_bytes())) for path in files]
    return [(f"{path}:{node.source.line + 1}", node.value) for path, reading in readings for node in reading.nodes]


def test_the_corpus_has_valid_and_faulty_documents_of_every_kind():
    answers = {
        (document["kind"], check(document["kind"], resolved=False)(document))
        for _, document in corpus()
        if isinstance(document, dict) and document.get("kind") in kinds()
    }
    assert answers == {(kind, valid) for kind in kinds() for valid in (True, False)}


@pytest.mark.parametrize("resolved", [False, True], ids=["as-written", "resolved"])
@pytest.mark.parametrize("kind", kinds())
def test_the_fast_check_and_jsonschema_agree_on_every_document_of_the_corpus(kind, resolved):
    judge = findings._validator(kind, resolved=resolved)
    fast = check(kind, resolved=resolved)
    assert [place for place, document in corpus() if fast(document) is not judge.is_valid(document)] == []


@pytest.mark.parametrize(
    "document",
    [*OBJECTS, {**STACK, "spec": {**STACK["spec"], "outputs": {}}}],
    ids=lambda document: document["kind"],
)
def test_a_whole_document_is_valid_before_and_after_its_values_are_put_in(document):
    for resolved in (False, True):
        assert check(document["kind"], resolved=resolved)(document)
        assert findings.findings(document["kind"], document, resolved=resolved) == []


FREE_TEXT = ("description", "domain")  # the characters of an expression may stand in their values


@pytest.mark.parametrize(("kind", "name"), SCALARS)
def test_every_field_takes_an_expression_until_values_are_put_in(kind, name):
    document = next(document for document in OBJECTS if document["kind"] == kind)
    document = {**document, "spec": {**document["spec"], name: "${var.x}"}}
    assert check(kind, resolved=False)(document)
    if name not in FREE_TEXT:
        assert not check(kind, resolved=True)(document), (
            f"a field whose values may hold '${{' belongs in FREE_TEXT: {name}"
        )


def with_field(document, name, value):
    return {**document, "spec": {**document["spec"], name: value}}


def accepts(document, name, value):
    return check(document["kind"], resolved=True)(with_field(document, name, value))


@pytest.mark.parametrize(
    ("document", "name", "fit", "unfit"),
    [
        (INSTANCE, "name", ["x" * 64, "._-"], ["x" * 65, "", "ä", "a b", "a\n"]),
        (INSTANCE, "description", ["日" * 21 + "x", "", "a/b"], ["日" * 22, "<", ">"]),
        (
            INSTANCE,
            "primary_ip_address",
            ["0.0.0.0", "255.255.255.255"],
            ["256.0.0.1", "01.0.0.1", "1.2.3", "1.2.3.4.5", "1.2.3.4\n", "::1", " 1.2.3.4"],
        ),
        (INSTANCE, "delete_target_server", [True, False], ["true", 1, None]),
        (
            INSTANCE,
            "protection_group",
            ["a", "A-1_[x.y]"],
            ["-a", "a[]", "a[b", "a[b]\n", "a[b][c]", "ProtectionGroup/a"],
        ),
        (PAIR, "volume_size", [1, 65536, 40.0], [0, -1, 65537, 1.5, "40", True]),
        (
            ATTACHMENT,
            "device",
            ["/dev/vda", "/dev/sdzz"],
            ["/dev/hda", "/dev/vd", "/dev/vdabc", "/dev/vdb1", "vdb", "/dev/vdb\n"],
        ),
        (DRILL, "drill_vpc_id", ["x" * 64], ["x" * 65, "a/b", "a.b", ""]),
        (GROUP, "protection", ["enabled", "disabled"], ["on", True, ""]),
        (GROUP, "priority_station", ["source", "target"], ["Source", ""]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_limits_of_a_field(document, name, fit, unfit):
    assert [value for value in fit if not accepts(document, name, value)] == []
    assert [value for value in unfit if accepts(document, name, value)] == []


FORBIDDEN = ["*", "<", ">", "\\", "=", ",", "|", "/", "\0", "\x1f", "\x7f", "\x85", "\n"]


@pytest.mark.parametrize(
    ("name", "longest", "fit"), [("key", 36, ["日", "a b", "x:y@z.1_-", '"']), ("value", 43, ["", "日", "'"])]
)
def test_the_characters_of_tags(name, longest, fit):
    def holds(text):
        return accepts(INSTANCE, "tags", [{"key": "k", "value": "v", name: text}])

    assert all(map(holds, [*fit, "日" * longest]))
    assert not any(map(holds, [*FORBIDDEN, *(f"a{char}b" for char in FORBIDDEN), "x" * (longest + 1)]))
    assert holds("") is (name == "value")


def test_tags_are_ten_at_most_and_each_key_comes_once():
    tags = [{"key": f"k{number}", "value": "v"} for number in range(10)]
    assert accepts(INSTANCE, "tags", tags)
    assert accepts(INSTANCE, "tags", [])
    assert not accepts(INSTANCE, "tags", [*tags, {"key": "k10", "value": "v"}])
    assert not accepts(INSTANCE, "tags", [*tags[:2], {"key": "k1", "value": "w"}])
    assert accepts(INSTANCE, "tags", [{"key": "a", "value": "v"}, {"key": "A", "value": "v"}])


@pytest.mark.parametrize("document", OBJECTS, ids=lambda document: document["kind"])
def test_what_is_required_and_what_excludes_each_other(document):
    kind = KINDS[document["kind"]]
    for name, target in kind.relations.refers.items():
        spec = {field: value for field, value in document["spec"].items() if field not in (name, target.field)}
        given = [{}, {name: "a"}, {target.field: "a"}, {name: "a", target.field: "a"}]
        told = [check(kind.name, resolved=True)({**document, "spec": {**spec, **some}}) for some in given]
        assert told == [False, True, True, False]


@pytest.mark.parametrize("document", OBJECTS, ids=lambda document: document["kind"])
def test_only_pairs_are_adopted(document):
    adopting = {**document, "lifecycle": {"adopt": True}}
    assert check(document["kind"], resolved=True)(adopting) is (document is PAIR)


def test_what_must_be_unique_is_named_by_recorded_fields_that_are_required():
    for name, kind in KINDS.items():
        spec = schema(name)["properties"]["spec"]
        every = {
            choice
            for rule in [spec, *spec.get("allOf", [])]
            for one in rule.get("oneOf", [])
            for choice in one["required"]
        }
        rules = spec["uniqueAmongObjects"]
        assert {field for rule in rules for field in rule} <= (set(spec["required"]) | every) & kind.fields.keys()
        assert kind.relations.natural_key == () or list(kind.relations.natural_key) in rules


def test_schemas_refer_to_bundled_files_alone():
    def references(node):
        if isinstance(node, dict):
            yield from (rule for keyword, rule in node.items() if keyword == "$ref" and isinstance(rule, str))
            for inner in node.values():
                yield from references(inner)
        elif isinstance(node, list):
            for inner in node:
                yield from references(inner)

    files = schemas(resolved=False)
    found = {reference.partition("#")[0] for text in files.values() for reference in references(text)}
    assert found - {""} <= files.keys()
