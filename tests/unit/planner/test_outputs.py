"""What outputs come to, now and after the plan."""

import pytest

from declarative.errors import InputError
from declarative.model import Change, Output, Reference, Resource
from declarative.planner.outputs import evaluate_outputs
from tests.scaffold.planning import at, cloud, desired, plan, recorded, seen

ID = Reference(at("a"), "id")
STATUS = Reference(at("a"), "status")
KNOWN = {at("a"): Resource(at("a"), "id-1", {"name": "shop"}, {"status": "available", "note": None, "sizes": [1]})}


def output(*parts):
    return Output("out", parts)


@pytest.mark.parametrize(
    ("parts", "value"),
    [
        pytest.param((ID,), {"out": "id-1"}, id="id"),
        pytest.param((7,), {"out": 7}, id="literal-keeps-its-type"),
        pytest.param((Reference(at("a"), "note"),), {"out": None}, id="null-is-a-value"),
        pytest.param((Reference(at("a"), "name"),), {"out": "shop"}, id="input-where-nothing-is-observed"),
        pytest.param(("g-", ID, "-", True, None, Reference(at("a"), "sizes")), {"out": "g-id-1-true[1]"}, id="joined"),
        pytest.param((Reference(at("a"), "nope"),), {}, id="unknown-attribute"),
        pytest.param(("x", Reference(at("b"), "id")), {}, id="unknown-object"),
    ],
)
def test_outputs_are_evaluated(parts, value):
    assert evaluate_outputs([output(*parts)], KNOWN) == value


def test_id_of_an_object_that_is_not_created_yet_is_unknown():
    assert evaluate_outputs([output(ID)], {at("a"): Resource(at("a"), "")}) == {}


@pytest.mark.parametrize(
    ("wanted", "known", "parts", "before", "changes"),
    [
        pytest.param([desired("a")], [], (ID,), {}, [Change("out", new_known=False)], id="create"),
        pytest.param([desired("a")], [recorded("a")], (ID,), {"out": "id-1"}, [], id="unchanged"),
        pytest.param([desired("a")], [recorded("a")], (ID,), {}, [Change("out", None, "id-1")], id="new-output"),
        pytest.param(
            [desired("a", source_vpc_id="v2")],
            [recorded("a")],
            (ID,),
            {"out": "id-1"},
            [Change("out", "id-1", new_known=False)],
            id="replace",
        ),
        pytest.param(
            [desired("a", name="b")],
            [recorded("a")],
            (Reference(at("a"), "name"),),
            {"out": "shop"},
            [Change("out", "shop", "b")],
            id="rename",
        ),
        pytest.param([desired("a")], [recorded("o")], (ID,), {"out": "id-1"}, [], id="move"),
        pytest.param([desired("a")], [], (Reference(at("a"), "name"),), {}, [Change("out", None, "shop")], id="input"),
        pytest.param([], [], (1,), {"out": 1, "old": 2}, [Change("old", 2)], id="output-removed"),
        pytest.param([], [], (None,), {}, [Change("out")], id="null-is-recorded"),
    ],
)
def test_output_changes_look_past_the_steps(wanted, known, parts, before, changes):
    made = plan(wanted, known, outputs=[output(*parts)], recorded_outputs=before)
    assert list(made.output_changes) == changes


def test_output_of_an_object_that_is_left_out_of_the_plan_stays_unknown():
    made = plan([desired("a"), desired("b")], [], outputs=[output(ID)], targets=("*/b",))
    assert made.output_changes == ()


def test_destroying_everything_removes_all_outputs():
    made = plan([desired("a")], [recorded("a")], outputs=[output(1)], recorded_outputs={"out": 1}, destroy=True)
    assert made.output_changes == (Change("out", 1),)
    assert made.outputs == ()


def test_destroying_a_part_keeps_the_outputs_of_the_rest():
    known = [recorded("a"), recorded("b", "id-2")]
    outputs = [output(ID), Output("other", (Reference(at("b"), "id"),))]
    before = {"out": "id-1", "other": "id-2"}
    made = plan([], known, outputs=outputs, recorded_outputs=before, destroy=True, targets=("*/b",))
    assert made.output_changes == (Change("other", "id-2"),)


def test_refresh_only_changes_no_output():
    made = plan([desired("a")], [recorded("a")], outputs=[output(STATUS)], refresh_only=True)
    assert made.output_changes == ()


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (Reference(at("aa"), "id"), "refers to ProtectionGroup/aa, but no manifest describes it"),
        (
            Reference(at("a"), "stauts"),
            "'stauts', which is not an attribute of ProtectionGroup/a. Did you mean 'status'?",
        ),
        (Reference(at("a"), "zzz"), "It has description, disaster_recovery_drill_num"),
    ],
)
def test_wrong_reference_is_an_error(reference, words):
    with pytest.raises(InputError) as refusal:
        plan([desired("a")], [recorded("a")], cloud(seen()), outputs=[output(reference)])
    assert words in str(refusal.value)


def test_field_that_the_cloud_does_not_show_is_no_error():
    assert plan([desired("a")], [recorded("a")], outputs=[output(Reference(at("a"), "server_type"))]).steps == ()
