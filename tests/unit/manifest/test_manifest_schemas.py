import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from declarative.errors import UsageError
from declarative.kinds import KINDS
from declarative.manifest import findings, schema_root, schema_text
from declarative.manifest.schemas import Compiler, canonical, check, kinds, schema, schema_name, schemas

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


def every_property(node, path=""):
    if isinstance(node, dict):
        for name, inner in node.get("properties", {}).items():
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


@pytest.mark.parametrize("path", MANIFEST_SCHEMAS, ids=lambda path: path.name)
def test_patterns_hold_for_the_whole_text_in_every_engine(path):
    found = set(patterns(json.loads(path.read_text(encoding="utf-8")))) - {r"\$\{"}
    assert all(pattern.startswith("^") and pattern.endswith(r"$(?!\n)") for pattern in found)
    assert not any(part in pattern for pattern in found for part in ("\\d", "\\w", "\\s", "\\Z", "\\A", "(?<", "(?P"))


def test_every_kind_has_a_schema_that_lists_its_fields():
    assert kinds() == ("Stack", *sorted(KINDS))
    for name, kind in KINDS.items():
        properties = schema(name)["properties"]["spec"]["properties"]
        assert properties.keys() == kind.fields.keys() | kind.lookups


@pytest.mark.parametrize(
    ("kind", "name"),
    [("ProtectionGroup", "protection_group.json"), ("Stack", "stack.json"), ("DRDrill", "dr_drill.json")],
)
def test_the_file_of_a_schema_is_called_after_its_kind(kind, name):
    assert schema_name(kind) == name


def test_the_text_of_a_schema():
    assert json.loads(schema_text("Stack"))["title"] == "Stack"
    assert json.loads(schema_text())["title"] == "Manifest"


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
        ["", "a", "ECS", "${var.x}", "a\n", "日" * 30, "x" * 65, "ProtectionGroup/a", "local:a", "a b", "/"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "a", "type", "create", "x y"]), inner, max_size=3)
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
    document = copy.deepcopy(draw(st.sampled_from([GROUP, STACK])))
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
            inner[draw(st.sampled_from(["domain_id", "extra", "name", "v.w"]))] = draw(JSON)
    return document


@settings(max_examples=400, deadline=None)
@given(mutations(), st.sampled_from(["Stack", "ProtectionGroup"]), st.booleans())
def test_the_fast_check_and_jsonschema_agree(document, kind, resolved):
    errors = list(findings._validator(kind, resolved=resolved).iter_errors(document))
    assert check(kind, resolved=resolved)(document) is not bool(errors)
    told = findings.findings(kind, document, resolved=resolved)
    assert bool(told) is bool(errors)
    assert all(finding.summary and "given schema" not in finding.summary for finding in told)


@pytest.mark.parametrize(
    "document", [GROUP, {**STACK, "spec": {**STACK["spec"], "outputs": {}}}], ids=["group", "stack"]
)
def test_a_whole_document_is_valid_before_and_after_its_values_are_put_in(document):
    for resolved in (False, True):
        assert check(document["kind"], resolved=resolved)(document)
        assert findings.findings(document["kind"], document, resolved=resolved) == []


@pytest.mark.parametrize("name", sorted(GROUP["spec"]))
def test_every_scalar_takes_an_expression_until_values_are_put_in(name):
    document = {**GROUP, "spec": {**GROUP["spec"], name: "${var.x}"}}
    assert check("ProtectionGroup", resolved=False)(document)
    if name not in ("description", "domain"):  # where the characters of an expression are allowed in a value
        assert not check("ProtectionGroup", resolved=True)(document)


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
