"""A few hundred kilobytes of YAML that would become gigabytes are refused early, with the place, in little memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from declarative.errors import Severity
from declarative.manifest import VariableSources, load, resolution, validate, validation
from declarative.manifest.budget import MAX_TEXT, Budget, Exhausted
from declarative.manifest.checking import check_documents
from declarative.manifest.expressions import Scope, Substitution
from declarative.manifest.resolution import examine

ROOT = Path(__file__).parents[3]
STACK = "apiVersion: sdrs/v1\nkind: Stack\nmetadata: {name: s}\n"
KEYS = [f"k{number}" for number in range(20_000)]

# Peak memory over what an empty stack takes, in KiB, and seconds of the processor, of one `validate` in a process.
MEASURE = """
import json, resource, sys
from pathlib import Path
from declarative.errors import Severity
from declarative.manifest import VariableSources, validate
sources = VariableSources(files=tuple(map(Path, sys.argv[2:])))
found = validate(Path(sys.argv[1]), sources=sources, environment="default" if sys.argv[2:] else None)
used = resource.getrusage(resource.RUSAGE_SELF)
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
told = [str(one) for one in found if one.severity is Severity.ERROR]
print(json.dumps([told, len(told), peak, used.ru_utime + used.ru_stime]))
"""


def stack(variables=None, outputs=None, **spec):
    spec |= {"variables": {name: variable(value) for name, value in (variables or {}).items()}}
    spec |= {"outputs": outputs or {}}
    return STACK + f"spec: {json.dumps(spec, ensure_ascii=False)}\n"


def variable(value):
    kinds = {str: "string", list: "list", dict: "map", bool: "boolean"}
    return {"type": kinds[type(value)], "default": value}


def group(name, /, *, each=None, envelope="", **fields):
    spec = {
        "name": name,
        "source_availability_zone": "eu-de-01",
        "target_availability_zone": "eu-de-02",
        "domain": "d",
        "source_vpc_id": "v",
        **fields,
    }
    head = f"apiVersion: sdrs/v1\nkind: ProtectionGroup\nmetadata: {{name: {name}}}\n"
    head += f"for_each: {json.dumps(each)}\n" if each is not None else ""
    return f"{head}spec: {json.dumps(spec)}\n{envelope}"


def instance(name, /, *, each=None, envelope="", **fields):
    spec = {"server_group_id": "g", "server_id": "s", "name": name, **fields}
    head = f"apiVersion: sdrs/v1\nkind: ProtectedInstance\nmetadata: {{name: {name}}}\n"
    head += f"for_each: {json.dumps(each)}\n" if each is not None else ""
    return f"{head}spec: {json.dumps(spec)}\n{envelope}"


TOO_LONG = "the value would be larger than 64 KiB after its expressions are replaced"
TOO_MUCH = "the stack would be larger than 64 MiB"
TOO_MANY = "the stack would have more than 100,000 objects"

BOMBS = {
    "one-value-in-each-object": (
        {"stack": stack({"x": "a" * 100_000}), "g": group("g", each=KEYS, name="${var.x}")},
        f"g.yaml:5:16: error: {TOO_LONG}",
    ),
    "a-value-repeated-in-one-text": (
        {"stack": stack({"x": "a" * 60_000}), "g": group("g", each=KEYS, description="${var.x}" * 30_000)},
        TOO_MUCH,
    ),
    "many-values-of-the-largest-size": (
        {"stack": stack({"x": "a" * 65_000}), "g": group("g", each=KEYS, description="${var.x}")},
        TOO_MUCH,
    ),
    "many-documents": (
        {
            "stack": stack({"x": "\U0001f600" * 16_000}),
            "g": "---\n".join(group(f"g{n}", description="<${var.x}>") for n in range(1200)),
        },
        TOO_MUCH,
    ),
    "empty-values": (
        {"stack": stack({"x": ""}), "g": group("g", each=KEYS, description="${var.x}" * 1000)},
        TOO_MUCH,
    ),
    "too-many-empty-values": (
        {"stack": stack({"x": ""}), "g": group("g", each=KEYS[:20], description="${var.x}" * 40_000)},
        "one text contains more than 1000 expressions",
    ),
    "a-list-in-each-object": (
        {
            "stack": stack({"x": [{"key": f"k{n}", "value": "v"} for n in range(9)] * 900}),
            "i": instance("i", each=KEYS, tags="${var.x}"),
        },
        TOO_MUCH,
    ),
    "values-of-a-map-that-hold-lists": (
        {
            "stack": stack({"m": {f"k{n}": ["x" * 60_000] for n in range(3)}}),
            "i": "---\n".join(instance(f"i{n}", each="${var.m}", tags="${each.value}") for n in range(600)),
        },
        TOO_MUCH,
    ),
    "many-documents-with-many-objects": (
        {
            "stack": stack({"m": KEYS}),
            "g": "---\n".join(group(f"g{n}", each="${var.m}", name="${each.key}") for n in range(1000)),
        },
        f"g.yaml:34:11: error: {TOO_MANY}",
    ),
    "keys-that-can-not-be-used": (
        {
            "stack": stack({"m": {f"{key}!": 1 for key in KEYS[:10_000]}}),
            "g": "---\n".join(group(f"g{n}", each="${var.m}") for n in range(1000)),
        },
        TOO_MANY,
    ),
    "labels-of-each-object": (
        {
            "stack": STACK,
            "g": group("g", each=KEYS, name="${each.key}").replace(
                "{name: g}", json.dumps({"name": "g", "labels": dict.fromkeys(KEYS[:5000], "x" * 9)})
            ),
        },
        TOO_MUCH,
    ),
    "dependencies-of-each-object": (
        {
            "stack": stack({"m": KEYS}),
            "g": group("g", each="${var.m}", name="${each.key}"),
            "i": instance(
                "i", each="${var.m}", server_id="${each.key}", name="n", envelope="depends_on: [ProtectionGroup/g]\n"
            ),
        },
        f"i.yaml:6:1: error: {TOO_MUCH}",
    ),
    "a-long-list-of-dependencies": (
        {
            "stack": stack({"m": KEYS}),
            "g": group("g", each=KEYS[:9000], name="${each.key}"),
            "i": instance(
                "i",
                each="${var.m}",
                server_id="${each.key}",
                name="n",
                envelope=f"depends_on: {json.dumps([f'ProtectionGroup/g[{key}]' for key in KEYS[:9000]])}\n",
            ),
        },
        TOO_MUCH,
    ),
    "outputs": (
        {"stack": stack({"x": "a" * 60_000}, {f"o{n}": "${var.x}" for n in range(5000)})},
        TOO_MUCH,
    ),
    "an-output-of-many-values": (
        {"stack": stack({"x": "a" * 60_000}, {"o": "${var.x}" * 1000})},
        TOO_LONG,
    ),
    "undeclared-names-among-many": (
        {
            "stack": stack({f"variable{n}": "x" for n in range(8000)}),
            "g": group("g", each=KEYS, name="${var.variible}-${each.key}"),
        },
        "no variable is named 'variible'",
    ),
    "keys-that-no-map-has": (
        {
            "stack": stack({"m": dict.fromkeys(KEYS, 1)}),
            "g": "---\n".join(group(f"g{n}", each="${var.m}", description="${var.m.nowhere}") for n in range(2)),
        },
        "var.m has no key 'nowhere'",
    ),
    "settings-of-the-stack": (
        {"stack": stack({"x": "a" * 60_000}, timeouts={f"K{n}": {"create": "${var.x}"} for n in range(3000)})},
        TOO_MUCH,
    ),
}


def measured(folder, *files):
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, ".", *files],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(("files", "told"), BOMBS.values(), ids=BOMBS)
def test_what_would_grow_without_bounds_is_refused(tmp_path, files, told):
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    found, number, memory, seconds = measured(tmp_path)
    assert any(told in one for one in found), found[:3]
    assert number <= 12_000
    assert memory < 200 << 10
    assert seconds < 4  # on a busy machine; else about 1 or less


def test_environment_files_do_not_multiply_the_work_without_bounds(tmp_path, monkeypatch):
    monkeypatch.setattr(validation, "_MAX_OBJECTS", 5)
    (tmp_path / "stack.yaml").write_text(stack({"x": "a"}))
    (tmp_path / "g.yaml").write_text(group("g", each=["a", "b"], name="${each.key}-${var.x}"))
    (tmp_path / "environments").mkdir()
    for name in ("one", "two", "three", "four"):
        (tmp_path / f"environments/{name}.yaml").write_text(f"x: {name}\n")
    (told,) = validate(tmp_path)
    assert "too large to check together: three and 1 more left out" in told.summary
    assert told.fix == "Check them one at a time, as in `declarative --env three validate`."
    assert told.severity is Severity.ERROR
    assert validate(tmp_path, environment="three") == ()


def test_a_file_of_variables_is_held_to_the_same_limits(tmp_path):
    (tmp_path / "stack.yaml").write_text(STACK + "spec: {variables: {x: {type: list}, keys: {type: list}}}\n")
    (tmp_path / "i.yaml").write_text(instance("i", each="${var.keys}", tags="${var.x}"))
    (tmp_path / "vars.json").write_text(json.dumps({"x": [[]] * 200_000, "keys": KEYS}))
    found, _, memory, _ = measured(tmp_path, "vars.json")
    assert any(TOO_MUCH in one for one in found), found[:3]
    assert memory < 200 << 10


def test_a_stack_of_the_largest_size_has_room(tmp_path):
    spec = {"name": "web-${each.key}-${environment}", "server_id": "${each.value.id}", "flavorRef": "${var.flavor}"}
    tags = [{"key": "owner", "value": "${var.owner}"}, {"key": "stage", "value": "${environment}"}]
    each = {key: {"id": f"5fb92d6c-b0cb-46c9-824b-b90ec5{key:0>6}"} for key in KEYS[:1000]}
    (tmp_path / "stack.yaml").write_text(stack({"flavor": "s3.large.2", "owner": "shop"}))
    (tmp_path / "i.yaml").write_text(instance("i", each=each, description="a server of the shop", tags=tags, **spec))
    manifests = load(tmp_path)
    examined = examine(
        manifests, check_documents(manifests), environment="default", sources=VariableSources(), strict=True
    )
    assert examined.findings == []
    assert examined.spent * 100 < MAX_TEXT  # 100,000 such objects


@pytest.mark.parametrize("value", ["", "a" * 70_000, 1, None, [], {}, ["x"] * 9, {"k": {"l": "\u00e4" * 9}}], ids=str)
def test_a_value_is_weighed_once_and_costs_each_time(value):
    counted = Budget()
    weight = counted.weight(value)
    assert counted.weight(value) == weight
    assert weight.total >= len(json.dumps(value, ensure_ascii=False).encode()) / 3 - 2


def test_what_is_left_is_never_less_than_nothing():
    left = Budget(10)
    left.spend(10)
    with pytest.raises(Exhausted):
        left.spend(1)


def test_a_text_of_exactly_the_largest_size_is_put_in():
    scope = Scope({"x": "a" * 1024, "y": "\u00e4" * 32_768, "z": "\u00e4" * 32_769}, (), "s", "default")
    substitution = Substitution(scope)
    assert len(substitution.tree("${var.x}" * 64, ())) == 64 << 10
    assert substitution.tree("${var.y}", ()) == scope.values["y"]
    assert substitution.problems == []
    assert substitution.tree("${var.x}" * 64 + "b", ("a",)) == "${var.x}" * 64 + "b"
    substitution.tree("${var.z}", ("b",))
    assert [problem.path for problem in substitution.problems] == [("a",), ("b",)]


def test_faults_of_each_object_are_told_up_to_a_number(tmp_path, monkeypatch):
    monkeypatch.setattr(resolution, "MAX_FOUND", 5)
    (tmp_path / "stack.yaml").write_text(STACK)
    spec = {"protection_group": "x${each.key}", "server_id": "s", "name": "n"}
    member = f"spec: {json.dumps(spec)}\n"
    head = "apiVersion: sdrs/v1\nkind: ProtectedInstance\nmetadata: {name: i}\n"
    (tmp_path / "i.yaml").write_text(f"{head}for_each: {json.dumps(KEYS[:20])}\n{member}")
    told = [one.summary for one in validate(tmp_path)]
    assert told[0] == "more than 5 errors were found; the others are not shown"
    assert len(told) == 6
