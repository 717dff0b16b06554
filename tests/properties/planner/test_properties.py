"""What holds of every plan: it is a function of its views, it arrives, and then there is nothing left to do."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declarative import __version__
from declarative.errors import InputError
from declarative.model import Action, DangerClass, Lifecycle, Observed, Output, Reference, Resource
from declarative.planfile import decode_plan, encode_plan
from declarative.planner.planner import make_plan
from declarative.planner.selection import PlanRequest
from tests.scaffold.planning import BASIS, LOOKUPS, at, carried_out, cloud, desired, inputs, seen, view

NAMES = ["a", "b", "c", "d", "e"]
VALUES = st.fixed_dictionaries(
    {"name": st.sampled_from(["n1", "n2", "n3", "n4"])},
    optional={
        "description": st.sampled_from(["", "x", "y"]),
        "source_vpc_id": st.sampled_from(["vpc-1", "vpc-2"]),
        "dr_type": st.just("migration"),
        "server_type": st.just("ECS"),
    },
)
LIFECYCLES = st.fixed_dictionaries(
    {},
    optional={
        "prevent_destroy": st.booleans(),
        "ignore": st.sets(st.sampled_from(["name", "description", "domain"])).map(tuple),
    },
)


def earlier(name):
    return st.lists(st.sampled_from(NAMES[: NAMES.index(name)] or [None]), unique=True, max_size=2).map(
        lambda found: [one for one in found if one]
    )


@st.composite
def desires(draw):
    names = draw(st.sets(st.sampled_from(NAMES)))
    chosen = []
    for name in sorted(names):
        needs = [one for one in draw(earlier(name)) if one in names]
        chosen.append(desired(name, depends_on=needs, **draw(LIFECYCLES), **draw(VALUES)))
    outputs = [Output(f"id_{one.address.name}", ("x", Reference(one.address, "id"))) for one in chosen]
    return view(*chosen, outputs=outputs if draw(st.booleans()) else ())


@st.composite
def pasts(draw):
    """Recorded objects and a cloud that has gone on since: renamed, gone, failed, imported."""
    known, objects, gone = {}, [], []
    for number, name in enumerate(sorted(draw(st.sets(st.sampled_from(NAMES))))):
        fields = draw(VALUES)
        life = draw(LIFECYCLES)
        object_id = f"id-{number}"
        shown = seen(object_id, **{"description": None, **fields})
        known[at(name)] = Resource(
            at(name),
            object_id,
            inputs(**fields) if draw(st.booleans()) else {},
            shown,
            Lifecycle(life.get("prevent_destroy", False), life.get("ignore", ())),
            tuple(map(at, draw(st.lists(st.sampled_from(NAMES), max_size=2)))),
        )
        if draw(st.integers(0, 4)) == 0:
            gone.append(object_id)
            continue
        later = draw(st.fixed_dictionaries({}, optional={"name": st.sampled_from(["n1", "n9"])}))
        status = draw(st.sampled_from(["available", "available", "error", "deleting", "starting"]))
        objects.append({**shown, **later, "status": status})
    return known, cloud(*objects, gone=gone)


REQUESTS = st.sampled_from([PlanRequest(), PlanRequest(destroy=True), PlanRequest(refresh_only=True)])


def planned(wanted, known, present, request, outputs=None):
    return make_plan(
        wanted,
        known,
        present,
        request=request,
        basis=replace(BASIS, tool=__version__),
        recorded_outputs=outputs or {},
    )


@settings(max_examples=300, deadline=None)
@given(desires(), pasts(), REQUESTS)
def test_after_a_good_apply_nothing_is_left_to_do(wanted, past, request_):
    known, present = past
    made = planned(wanted, known, present, request_)
    known, present, outputs = carried_out(made, known, present)
    if request_.refresh_only:
        outputs = {}
    again = planned(wanted, known, present, request_, outputs)
    assert again.steps == ()
    assert again.output_changes == ()
    assert again.withheld == ()


@settings(max_examples=150, deadline=None)
@given(desires(), pasts(), REQUESTS, st.randoms(use_true_random=False))
def test_plan_depends_on_the_views_alone_and_not_on_their_order(wanted, past, request_, chance):
    known, present = past
    first = encode_plan(planned(wanted, known, present, request_))
    shuffled = [list(mapping.items()) for mapping in (wanted.resources, known, present.objects["ProtectionGroup"])]
    for pairs in shuffled:
        chance.shuffle(pairs)
    resources, records, objects = map(dict, shuffled)
    other = Observed({"ProtectionGroup": objects}, present.gone, present.lookups)
    assert encode_plan(planned(replace(wanted, resources=resources), records, other, request_)) == first


@settings(max_examples=150, deadline=None)
@given(desires(), pasts(), REQUESTS)
def test_plan_survives_its_text(wanted, past, request_):
    made = planned(wanted, *past, request_)
    assert decode_plan(encode_plan(made), source="p")[0] == made


@settings(max_examples=150, deadline=None)
@given(desires(), pasts(), REQUESTS)
def test_every_deletion_is_a_danger_or_a_harmless_replacement(wanted, past, request_):
    made = planned(wanted, *past, request_)
    created = {step.address for step in made.steps if step.action is Action.CREATE}
    for step in made.steps:
        if step.action is Action.DELETE:
            classes = {danger.cls for danger in made.dangers if danger.address == step.address}
            assert (DangerClass.DELETE in classes) != (step.address in created)


@settings(max_examples=100, deadline=None)
@given(desires(), pasts())
def test_each_object_is_deleted_once_at_most_and_no_id_is_kept_twice(wanted, past):
    made = planned(wanted, *past, PlanRequest())
    deleted = [step.resource.id for step in made.steps if step.action is Action.DELETE]
    known, _, _ = carried_out(made, *past)
    remaining = [resource.id for resource in known.values()]
    assert len(set(deleted)) == len(deleted)
    assert len(set(remaining)) == len(remaining)
    assert set(deleted).isdisjoint(remaining)


@given(st.sets(st.sampled_from(NAMES), min_size=1))
def test_wrong_documents_are_all_told_of(names):
    wanted = view(*(desired(name, domain="Nope") for name in names))
    with pytest.raises(InputError) as refusal:
        planned(wanted, {}, cloud(lookups=LOOKUPS), PlanRequest())
    assert {finding.address for finding in refusal.value.findings} == {str(at(name)) for name in names}
