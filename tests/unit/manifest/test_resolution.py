import gc
import json
import subprocess
import sys
import types

import pytest

from declarative.errors import InputError, Severity, UsageError
from declarative.manifest import (
    StackMissing,
    VariableSources,
    checking,
    directory,
    load,
    resolution,
    resolve,
    stack_of,
    validate,
)
from declarative.manifest.loading import Document
from declarative.model import Address, Reference, Stack

STACK = "apiVersion: sdrs/v1\nkind: Stack\nmetadata: {name: shop-dr}\n"


def group(address, *, each="", **fields):
    spec = {
        "name": f"{address}-prod",
        "source_availability_zone": "eu-de-01",
        "target_availability_zone": "eu-de-02",
        "domain": "ActiveactiveDomain",
        "source_vpc_id": "0a1b",
        **fields,
    }
    lines = "".join(f"  {name}: {value}\n" for name, value in spec.items())
    return f"apiVersion: sdrs/v1\nkind: ProtectionGroup\nmetadata: {{name: {address}}}\n{each}spec:\n{lines}"


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """Write the files of a stack, by name; a Stack without settings is there already."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stack.yaml").write_text(STACK)

    def write(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        return tmp_path

    return write


def digest(folder, **sources):
    return resolve(load(folder), sources=VariableSources(**sources))[0].digest


def test_the_digest_is_the_same_however_the_files_are_cut(stack, tmp_path):
    one = digest(stack(a=group("a") + "---\n" + group("b")))
    (tmp_path / "a.yaml").unlink()
    two = digest(stack(x=group("b"), y="# moved\n" + group("a")))
    assert one == two
    assert len(one) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"a": group("a", description="x")},
        {"a": group("a") + "lifecycle: {prevent_destroy: true}\n"},
        {"a": group("a") + "lifecycle: {ignore_changes: [name]}\n"},
        {"a": group("a") + "depends_on: [ProtectionGroup/b]\n---\n" + group("b")},
        {"a": group("a").replace("{name: a}", "{name: a, labels: {x: y}}")},
        {"a": group("a", protection="enabled")},
        {"a": group("renamed", name="a-prod")},
        {"stack": STACK.replace("shop-dr", "other")},
        {"stack": STACK + "spec: {guards: {max_deletes: 11}}\n"},
        {"stack": STACK + "spec: {timeouts: {create_grace: 31}}\n"},
        {"stack": STACK + "spec: {provider: {region: eu-nl}}\n"},
        {"stack": STACK + "spec: {outputs: {o: x}}\n"},
    ],
    ids=lambda change: next(iter(change.values()))[-40:].replace("\n", " "),
)
def test_the_digest_changes_with_everything_a_plan_is_made_from(stack, change):
    before = digest(stack(a=group("a")))
    assert digest(stack(**change)) != before


def pair(address, group, **fields):
    spec = {"volume_id": f"disk-{address}", "name": address, **group, **fields}
    return f"apiVersion: sdrs/v1\nkind: ReplicationPair\nmetadata: {{name: {address}}}\nspec: {json.dumps(spec)}\n"


def test_the_digest_tells_references_and_adoption_apart(stack):
    groups = group("a") + "---\n" + group("b")
    texts = [
        pair("p", {"protection_group": "a"}),
        pair("p", {"protection_group": "b"}),
        pair("p", {"server_group_id": "a"}),
        pair("p", {"protection_group": "a"}) + "lifecycle: {adopt: true}\n",
    ]
    assert len({digest(stack(a=groups, p=text)) for text in texts}) == 4
    assert digest(stack(p=texts[3].replace("true", "false"))) == digest(stack(p=texts[0]))


def test_a_field_holds_a_reference_and_its_object_is_waited_for(stack):
    text = pair("p", {"protection_group": "b"}) + "depends_on: [ProtectionGroup/b, ProtectionGroup/a]\n"
    view, _ = resolve(load(stack(a=group("a") + "---\n" + group("b"), p=text)))
    desired = view.resources[Address("ReplicationPair", "p")]
    assert desired.spec["protection_group"] == Reference(Address("ProtectionGroup", "b"))
    assert desired.depends_on == (Address("ProtectionGroup", "a"), Address("ProtectionGroup", "b"))


def test_a_reference_that_is_open_is_checked_once_it_has_a_value(stack, tmp_path):
    variables = STACK + "spec: {variables: {g: {type: string}}}\n"
    open_text = pair("p", {"protection_group": "${var.g}"}) + "---\n" + pair("q", {"protection_group": "x${var.g}"})
    closed = pair("r", {"protection_group": "aa"}, name="${var.g}")
    folder = stack(stack=variables, a=group("a"), p=open_text)
    assert validate(folder) == ()
    (finding,) = validate(stack(r=closed))
    assert finding.summary == "no protection group is named 'aa'"
    (tmp_path / "r.yaml").unlink()
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/prod.yaml").write_text("g: a\n")
    (finding,) = validate(folder)
    assert finding.summary == "no protection group is named 'xa' (environment prod)"


def test_fields_may_name_documents_that_are_faulty_or_open(stack):
    folder = stack(
        a=group("a", name="5"),
        b=group("b", each="for_each: ${var.v}\n", name="'${each.key}'"),
        p=pair("p", {"protection_group": "a"}) + "---\n" + pair("q", {"protection_group": "b[x]"}),
        stack=STACK + "spec: {variables: {v: {type: map}}}\n",
    )
    (finding,) = validate(folder)
    assert finding.position.file.endswith("a.yaml")


def test_unfit_values_are_not_compared(stack):
    each = "apiVersion: sdrs/v1\nkind: ReplicationPair\nmetadata: {name: p}\nfor_each: [x, y]\nspec:\n"
    found = validate(stack(p=each + "  {server_group_id: g, volume_id: '${stack.name}/', name: '${each.key}'}\n"))
    assert {"same" in finding.summary for finding in found} == {False}


def test_near_names_are_sought_for_a_bounded_number_of_faults(stack, monkeypatch):
    monkeypatch.setattr(directory, "_MAX_SEARCHES", 2)
    members = "---\n".join(pair(f"p{number}", {"protection_group": f"shap{number}"}) for number in range(4))
    found = validate(stack(a=group("shop"), p=members))
    assert ["Did you mean" in finding.fix for finding in found] == [True, True, False, False]


def test_a_near_name_is_found_among_many_objects_of_other_kinds(stack):
    members = "---\n".join(pair(f"shop-{number}", {"protection_group": "shop"}) for number in range(150))
    outputs = STACK + "spec: {outputs: {o: '${ProtectionGroup.shap.id}'}}\n"
    (finding,) = validate(stack(stack=outputs, a=members + "---\n" + group("shop")))
    assert finding.fix == "Did you mean 'ProtectionGroup/shop'?"


def test_where_the_state_lies_is_not_part_of_the_digest(stack):
    before = digest(stack(a=group("a")))
    assert digest(stack(stack=STACK + "spec: {state: 'local:elsewhere'}\n")) == before


def test_resources_are_in_the_order_of_their_addresses(stack):
    folder = stack(z=group("a", each="for_each: [z, b]\n", name="'${each.key}'"), a=group("b") + "---\n" + group("A"))
    view, _ = resolve(load(folder))
    assert [str(address) for address in view.resources] == [
        "ProtectionGroup/A",
        "ProtectionGroup/a[b]",
        "ProtectionGroup/a[z]",
        "ProtectionGroup/b",
    ]


def test_an_object_knows_its_places(stack):
    view, _ = resolve(load(stack(a=group("a") + "---\n" + group("b"))))
    desired = view.resources[Address("ProtectionGroup", "b")]
    assert desired.position("spec", "name").line == 15
    assert desired.position("spec", "no_such_field").line == 14


def test_warnings_do_not_stop(stack):
    folder = stack(empty="", stack=STACK + "spec: {variables: {v: {type: string, default: a}}}\n")
    view, warnings = resolve(load(folder))
    assert view.inputs == {"v": "a"}
    assert [warning.severity for warning in warnings] == [Severity.WARNING] * 2
    assert list(warnings) == list(validate(folder))


def test_all_findings_of_all_files_come_at_once(stack):
    folder = stack(
        a=group("a", name="5"),
        b="x: [",
        c=group("c", domain_id="x") + "depends_on: [ProtectionGroup/nope]\n",
        d=group("d", name="'${var.nope}'"),
        stack=STACK + "spec: {outputs: {o: '${ProtectionGroup.zzz.id}'}, variables: {v: {type: string}}}\n",
    )
    with pytest.raises(InputError) as caught:
        resolve(load(folder), environment="default")
    files = {finding.position.file.rpartition("/")[2] for finding in caught.value.diagnostics()}
    assert files == {"a.yaml", "b.yaml", "c.yaml", "d.yaml", "stack.yaml"}


def test_references_to_a_faulty_document_are_not_called_unknown(stack):
    folder = stack(
        a=group("a", name="5"),
        b=group("b") + "depends_on: [ProtectionGroup/a]\n",
        stack=STACK + "spec: {outputs: {o: '${ProtectionGroup.a.id}'}}\n",
    )
    (finding,) = validate(folder)
    assert finding.position.file.endswith("a.yaml")


def test_an_open_for_each_is_checked_once_it_has_a_value(stack, tmp_path):
    variables = STACK + "spec: {variables: {v: {type: map}}, outputs: {o: '${ProtectionGroup.a[x].id}'}}\n"
    folder = stack(a=group("a", each="for_each: ${var.v}\n", name="'${each.value}'"), stack=variables)
    (tmp_path / "environments").mkdir()
    assert validate(folder) == ()
    (tmp_path / "environments/prod.yaml").write_text("v: {y: n}\n")
    (finding,) = validate(folder)
    assert finding.summary == "there is no ProtectionGroup/a[x] (environment prod)"


def test_two_objects_whose_names_are_open_are_not_called_equal(stack):
    variables = STACK + "spec: {variables: {v: {type: string}}}\n"
    name = {"name": "'${var.v}'"}
    assert validate(stack(a=group("a", **name) + "---\n" + group("b", **name), stack=variables)) == ()


def test_a_problem_of_each_object_is_told_once_with_an_example(stack):
    (finding,) = validate(stack(a=group("a", each="for_each: [x, y, z]\n", name="'${each.key}${var.nope}'")))
    assert finding.summary == "no variable is named 'nope' (for ProtectionGroup/a[x])"


def test_no_more_than_some_faulty_documents_are_explained(stack, monkeypatch):
    monkeypatch.setattr(checking, "MAX_EXPLAINED", 2)
    folder = stack(
        a="---\n".join(group(name, description="5") for name in "abcde"),
        b=group("each", each="for_each: [v, w, x, y, z]\n", name="'${each.key}/'"),
    )
    found = validate(folder)
    assert [str(finding) for finding in found if finding.position is None] == [
        "error: 3 more documents are not valid. Correct the first ones, then try again.",
        "error: 3 more objects are not valid. Correct the first ones, then try again.",
    ]
    assert len(found) == 6


def test_the_number_of_objects_is_bounded(stack, monkeypatch):
    monkeypatch.setattr(resolution, "MAX_OBJECTS", 3)
    folder = stack(a=group("a", each="for_each: [x, y, z]\n", name="'${each.key}'"))
    assert validate(folder) == ()
    member = "---\n" + pair("p", {"protection_group": "b[x]"})
    (finding,) = validate(stack(b=group("b", each="for_each: [x]\n") + member))
    assert finding.summary == "the stack would have more than 3 objects"


@pytest.mark.parametrize(
    "call",
    [
        lambda folder: validate(folder, environment="prd"),
        lambda folder: resolve(load(folder), environment="prd"),
        lambda folder: stack_of(folder, environment="prd"),
    ],
    ids=["validate", "resolve", "stack_of"],
)
def test_an_unknown_environment_is_a_usage_error(stack, tmp_path, call):
    folder = stack()
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/prod.yaml").write_text("")
    with pytest.raises(UsageError, match="no environment is named 'prd'") as caught:
        call(folder)
    known = "Did you mean 'prod'? Known: default, prod."
    assert caught.value.known == known
    assert caught.value.fix == f"{known} To add it, create {tmp_path}/environments/prd.yaml."


@pytest.mark.parametrize("name", ["../prod", "", "Prod", "a" * 64, "a\x1b"])
def test_no_name_of_an_environment_is_ever_a_path(stack, name):
    with pytest.raises(UsageError) as caught:
        resolve(load(stack()), environment=name)
    assert "\x1b" not in str(caught.value)
    assert "create" not in caught.value.fix


def test_a_folder_without_stack_is_told_apart(tmp_path):
    with pytest.raises(StackMissing) as caught:
        load(tmp_path)
    assert caught.value.fix == (
        f"Use -C to name the stack's folder, or create a stack with `declarative init {tmp_path}`."
    )
    (tmp_path / "a.yaml").write_text(group("a"))
    with pytest.raises(StackMissing) as caught:
        validate(tmp_path)
    assert caught.value.fix.endswith("or write a document with `kind: Stack`.")


def test_a_stack_that_can_not_be_read_is_not_missing(tmp_path):
    (tmp_path / "stack.yaml").write_text(STACK.replace("kind: Stack", "kind: Stak"))
    (finding,) = validate(tmp_path)
    assert finding.summary == "no kind is named 'Stak'"
    with pytest.raises(InputError):
        resolve(load(tmp_path))


def test_the_stack_alone(stack):
    folder = stack(broken="a: [", groups="kind: Stack is not what this says: [", empty="# Stack\n")
    assert stack_of(folder) == Stack("shop-dr")


def test_the_stack_alone_is_found_however_it_is_written(tmp_path):
    (tmp_path / "a.yaml").write_text(STACK.replace("Stack", '"\\x53tack"'))
    assert stack_of(tmp_path) == Stack("shop-dr")


def test_the_stack_alone_with_its_values(stack, tmp_path):
    folder = stack(
        stack=STACK
        + "spec:\n  provider: {region: '${var.region}', simulator: '${var.sim}'}\n  state: 'local:${environment}'\n"
        "  variables: {region: {type: string}, sim: {type: boolean, default: true}, other: {type: string}}\n"
        "  outputs: {o: '${ProtectionGroup.nope.id}', other: '${var.other}'}\n"
    )
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/prod.yaml").write_text("region: eu-nl\nsim: false\n")
    assert stack_of(folder, environment="prod") == Stack("shop-dr", region="eu-nl", state="local:prod")
    sources = VariableSources(options=("region=eu-de",))
    assert stack_of(folder, sources=sources) == Stack("shop-dr", region="eu-de", simulator=True, state="local:default")
    with pytest.raises(InputError, match="the variable 'region' is not set"):
        stack_of(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (STACK + "spec: {state: 'local:../x'}\n", "below the stack's folder"),
        (STACK + "spec: {stat: x}\n", "no field 'stat'"),
        (STACK + "spec: {state: a, state: b}\n", "duplicate key"),
        (STACK + "---\n" + STACK, "more than one Stack"),
        (STACK.replace("{name: shop-dr}", "{name: '-'}"), "metadata.name"),
        ("a: [", "can't be read"),
    ],
)
def test_the_stack_alone_must_be_sound(stack, text, message):
    with pytest.raises(InputError, match=message):
        stack_of(stack(stack=text))


def test_the_stack_alone_must_lie_in_its_folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/stack.yaml").write_text(STACK)
    with pytest.raises(InputError, match="subfolder"):
        stack_of(tmp_path)


def test_the_stack_alone_may_be_missing(tmp_path):
    with pytest.raises(StackMissing):
        stack_of(tmp_path)


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_collection_is_left_as_it_was(stack, enabled):
    folder = stack()
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        load(folder)
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_nothing_is_imported_before_it_is_needed(stack):
    script = (
        "import json, sys, pathlib\n"
        "import declarative.manifest as manifest\n"
        "def seen(): return sorted({'yaml', 'jsonschema', 'referencing'} & sys.modules.keys())\n"
        "steps = [seen()]\n"
        "manifest.schema_text('Stack'); steps.append(seen())\n"
        "manifest.validate(pathlib.Path()); steps.append(seen())\n"
        "manifest.resolve(manifest.load(pathlib.Path())); steps.append(seen())\n"
        "print(json.dumps(steps))\n"
    )
    folder = stack(a=group("a", name="'x-${environment}'"))
    found = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, check=True, text=True)
    assert json.loads(found.stdout) == [[], [], ["yaml"], ["yaml"]]


def reachable(root):
    """All objects that `root` keeps alive, less code."""
    found, waiting = {}, [root]
    while waiting:
        one = waiting.pop()
        if id(one) not in found and not isinstance(one, type | types.ModuleType | types.FunctionType):
            found[id(one)] = one
            waiting += gc.get_referents(one)
    return found.values()


def test_what_is_resolved_holds_neither_texts_nor_documents(stack):
    texts = {f"f{file}": "---\n".join(group(f"g{file}-{number}") for number in range(50)) for file in range(2)}
    view, _ = resolve(load(stack(**texts)))
    held = reachable(view)
    assert max(len(one) for one in held if isinstance(one, str)) < 100
    assert sum(len(one) for one in held if isinstance(one, bytes)) < len("".join(texts.values())) / 4
    assert not any(isinstance(one, Document) for one in held)


def test_a_further_object_costs_only_what_is_its_own(stack):
    """Its address and name, its fields, itself, its source with three numbers, and a text for each field of its own."""

    def count(groups):
        text = "---\n".join(group(f"g{number:03}").replace("}\n", ", labels: {tier: gold}}\n") for number in groups)
        return len(reachable(resolve(load(stack(a=text)))[0]))

    assert (count(range(400, 800)) - count(range(400, 600))) / 200 <= 9


def test_a_place_is_told_from_a_file_whose_text_is_packed(stack):
    view, _ = resolve(load(stack(a="# é €\n" + group("a") + "---\n" + group("b", description="é"))))
    assert str(view.resources[Address("ProtectionGroup", "b")].position("spec", "description")).endswith("a.yaml:21:16")
