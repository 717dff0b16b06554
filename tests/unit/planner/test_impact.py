"""What a plan means: who loses protection and for how long, what is copied, what stays behind."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from declarative.kinds import KINDS
from declarative.model import Action, Address, Danger, DangerClass, Plan, Reason, Reference, Resource, Step
from declarative.planfile import decode_plan, encode_plan
from declarative.planner.impact import Copied, Duration, LeftBehind, Unprotected, impact, impact_document
from tests.scaffold.planned_world import (
    DRILL,
    GROUP,
    HELD_STATUSES,
    INSTANCE,
    PAIR,
    World,
    attachment,
    drill,
    group,
    instance,
    of,
    pair,
    stack,
    told,
)
from tests.scaffold.planning import BASIS

SHOP = group("shop", protection="enabled")
WEB, DB = instance("web", "shop", "s1"), instance("db", "shop", "s2")
DISKS = {"s1": ["s1-a", "s1-b"], "s2": ["s2-a"]}
SIZES = {"s1-a": 40, "s1-b": 100, "s2-a": 500, "v1": 7}
SHOP_NAME = f"{GROUP}/shop"
DISABLE, ENABLE = f"disable:{GROUP}/shop", f"enable:{GROUP}/shop"


def world(*resources):
    """A cloud with these resources, applied."""
    there = World(DISKS, SIZES)
    return there.has(*resources) if resources else there


def changed(resource, **fields):
    """The same object, described otherwise."""
    return replace(resource, spec={**resource.spec, **fields})


def step(action, address, *, inputs=None, attributes=None, object_id="", leaves=(), reason=Reason.EDITED):
    resource = Resource(of(address), object_id, inputs or {}, attributes or {})
    return Step(f"{action.value}:{address}", of(address), action, reason, resource, leaves=leaves)


def plan_of(*steps, costly=()):
    """A plan of these steps; deleting what is `costly` loses a protection."""
    dangers = tuple(Danger(DangerClass.DELETE, "it goes", of(one), None, loses_protection=True) for one in costly)
    return Plan(BASIS, steps, dangers)


# ---------------------------------------------------------------- protection


def test_a_new_stack_costs_no_protection_and_is_copied_once_it_is_enabled():
    found = impact(world().plan(stack(SHOP, WEB, DB, pair("data", "shop", "v1"))))
    assert found.unprotected == ()
    assert found.copied == (Copied(f"{GROUP}/shop", 2, None, 0, 0, again=False, since=ENABLE),)
    assert found.left_behind == ()


def test_what_is_added_to_a_group_without_a_goal_waits_for_its_protection():
    plain = group("shop")
    (found,) = impact(world().plan(stack(plain, pair("data", "shop", "v1")))).copied
    assert (found.servers, found.disks, found.since) == (0, 1, "")


def test_a_replaced_instance_is_not_protected_from_its_delete_to_its_create():
    found = impact(world(SHOP, WEB, DB).plan(stack(SHOP, changed(WEB, description="new"), DB)))
    address = f"{INSTANCE}/web"
    assert found.unprotected == (Unprotected(f"{GROUP}/shop", 1, 2, f"delete:{address}", f"create:{address}"),)
    assert found.copied == (Copied(f"{GROUP}/shop", 1, 2, 2, 140, again=True, since=f"create:{address}"),)


def test_an_instance_that_is_removed_is_never_protected_again():
    found = impact(world(SHOP, WEB, DB).plan(stack(SHOP, WEB)))
    assert found.unprotected == (Unprotected(f"{GROUP}/shop", 1, 1, f"delete:{INSTANCE}/db", ""),)
    assert found.copied == ()


def test_members_that_are_replaced_and_members_that_go_are_told_apart():
    found = impact(world(SHOP, WEB, DB).plan(stack(SHOP, changed(WEB, description="new"))))
    assert sorted((one.servers, bool(one.until)) for one in found.unprotected) == [(1, False), (1, True)]


def test_a_replaced_group_is_not_protected_from_its_disabling_to_its_enabling():
    found = impact(world(SHOP, WEB, DB).plan(stack(changed(SHOP, source_vpc_id="vpc-2"), WEB, DB)))
    assert found.unprotected == (Unprotected(f"{GROUP}/shop", 2, 3, DISABLE, ENABLE),)
    assert found.copied == (Copied(f"{GROUP}/shop", 2, 3, 3, 640, again=True, since=ENABLE),)


def test_protection_that_is_switched_off_counts_what_the_group_says_it_holds():
    found = impact(world(SHOP, WEB, DB).plan(stack(changed(SHOP, protection="disabled"), WEB, DB)))
    assert found.unprotected == (Unprotected(f"{GROUP}/shop", 2, 3, DISABLE, ""),)


def test_a_protected_group_that_says_of_no_members_has_an_unknown_number():
    (found,) = impact(plan_of(step(Action.DISABLE, f"{GROUP}/shop", object_id="g1"))).unprotected
    assert (found.servers, found.disks) == (None, None)


def test_protection_that_others_switched_off_is_copied_again():
    there = world(SHOP, WEB, DB)
    there.set_status(there.id_of(f"{GROUP}/shop"), "available")
    found = impact(there.plan(stack(SHOP, WEB, DB)))
    assert found.unprotected == ()
    assert found.copied == (Copied(f"{GROUP}/shop", 2, 3, 3, 640, again=True, since=ENABLE),)


def test_a_group_that_is_enabled_later_is_copied_for_the_first_time():
    without = group("shop")
    found = impact(world(without, WEB).plan(stack(SHOP, WEB)))
    assert found.copied == (Copied(f"{GROUP}/shop", 1, 2, 2, 140, again=False, since=ENABLE),)


def test_a_server_that_moves_to_another_group_is_protected_again_there():
    other = group("other", protection="enabled")
    found = impact(world(SHOP, WEB, DB).plan(stack(SHOP, other, DB, instance("web", "other", "s1"))))
    enabled = f"enable:{GROUP}/other"
    assert found.unprotected == (Unprotected(SHOP_NAME, 1, 2, f"delete:{INSTANCE}/web", enabled),)
    assert found.copied == (Copied(f"{GROUP}/other", 1, 2, 2, 140, again=True, since=enabled),)


def test_another_server_in_its_place_is_no_protection_for_the_old_one():
    found = impact(world(SHOP, WEB, DB).plan(stack(SHOP, instance("web", "shop", "s9"), DB)))
    assert found.unprotected == (Unprotected(SHOP_NAME, 1, 2, f"delete:{INSTANCE}/web", ""),)
    assert [(one.servers, one.disks, one.again) for one in found.copied] == [(1, None, False)]


def test_a_server_that_moves_to_a_group_without_protection_is_not_protected_again():
    found = impact(world(SHOP, WEB, DB).plan(stack(SHOP, group("other"), DB, instance("web", "other", "s1"))))
    assert [(one.group, one.until) for one in found.unprotected] == [(SHOP_NAME, "")]
    assert [(one.group, one.since) for one in found.copied] == [(f"{GROUP}/other", "")]


def test_the_members_of_a_group_that_goes_are_told_by_what_becomes_of_them():
    other = group("other", protection="enabled", source_vpc_id="vpc-2")
    found = impact(world(SHOP, WEB, DB).plan(stack(other, instance("web", "other", "s1"))))
    assert sorted((one.group, one.servers, one.since, one.until) for one in found.unprotected) == [
        (SHOP_NAME, 1, DISABLE, ""),
        (SHOP_NAME, 1, DISABLE, f"enable:{GROUP}/other"),
    ]


def test_destroying_ends_the_protection_of_each_group():
    there = world(SHOP, WEB, DB, group("other"))
    found = impact(there.plan(stack(), destroy=True))
    assert found.unprotected == (Unprotected(f"{GROUP}/shop", 2, 3, DISABLE, ""),)
    assert found.copied == ()


def test_a_replaced_pair_tells_its_size():
    data = pair("data", "shop", "v1")
    found = impact(world(SHOP, WEB, data).plan(stack(SHOP, WEB, changed(data, description="new"))))
    address = f"{PAIR}/data"
    assert found.unprotected == (Unprotected(f"{GROUP}/shop", 0, 1, f"delete:{address}", f"create:{address}"),)
    assert found.copied == (Copied(f"{GROUP}/shop", 0, 1, 1, 7, again=True, since=f"create:{address}"),)


def test_a_new_pair_is_as_large_as_its_manifest_says():
    (found,) = impact(world(SHOP, WEB).plan(stack(SHOP, WEB, pair("data", "shop", "v1", volume_size=20)))).copied
    assert (found.disks, found.sized, found.gigabytes, found.again) == (1, 0, 0, False)
    create = step(Action.CREATE, f"{PAIR}/x", inputs={"volume_size": 20})
    (found,) = impact(plan_of(create)).copied
    assert (found.group, found.gigabytes) == ("", 20)


def test_pairs_that_came_with_an_instance_and_are_described_tell_their_recorded_sizes():
    adopted = pair("sys", "shop", "s2-a", adopt=True, depends_on=[f"{INSTANCE}/db"])
    there = world(SHOP, DB, adopted)
    plan = there.plan(stack(SHOP, changed(DB, description="new"), adopted))
    without = replace(plan, steps=tuple(replace(one, disks={}) for one in plan.steps))
    assert [(one.servers, one.disks, one.gigabytes) for one in impact(without).copied] == [(1, 1, 500)]


def test_a_detached_pair_is_still_copied():
    data, tie = pair("data", "shop", "v1"), attachment("data", "web", "data")
    found = impact(world(SHOP, WEB, data, tie).plan(stack(SHOP, WEB, data)))
    assert (found.unprotected, found.copied) == ((), ())


def test_members_of_a_group_that_the_stack_does_not_manage_are_told_by_its_id():
    gone = step(Action.DELETE, f"{INSTANCE}/x", inputs={"server_group_id": "g9"}, object_id="i9")
    (found,) = impact(plan_of(gone, costly=[f"{INSTANCE}/x"])).unprotected
    assert (found.group, found.servers) == ("g9", 1)


@pytest.mark.parametrize("status", HELD_STATUSES)
def test_a_held_group_has_no_impact(status):
    there = world(SHOP, WEB, DB)
    there.set_status(there.id_of(f"{GROUP}/shop"), status)
    plan = there.plan(stack(SHOP, changed(WEB, description="new")))
    assert plan.withheld
    assert not impact(plan)


@pytest.mark.parametrize(
    "fields",
    [{"name": "other"}, {"tags": [{"key": "a", "value": "b"}]}, {"delete_target_server": True}],
    ids=lambda fields: next(iter(fields)),
)
def test_a_change_in_place_has_no_impact(fields):
    plan = world(SHOP, WEB).plan(stack(SHOP, changed(WEB, **fields)))
    assert plan.steps
    assert not impact(plan)


def test_without_a_refresh_sizes_are_not_known():
    there = world(SHOP, WEB)
    made = there.plan(stack(SHOP, changed(WEB, description="new")), refreshed=False)
    (found,) = impact(replace(made, steps=tuple(replace(one, disks={}) for one in made.steps))).copied
    assert (found.disks, found.sized) == (2, 0)


# ---------------------------------------------------------------- what stays behind


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        pytest.param(
            {}, [("the DR server and its disks", "dr-1"), ("the DR server's EIP, if it has one", "")], id="by-default"
        ),
        pytest.param({"delete_target_server": True}, [("the DR server's EIP, if it has one", "")], id="server"),
        pytest.param({"delete_target_server": True, "delete_target_eip": True}, [], id="server-and-eip"),
    ],
)
def test_what_an_instance_leaves_is_told_with_its_id(fields, left):
    there = world(SHOP, replace(WEB, spec={**WEB.spec, **fields}))
    address = of(f"{INSTANCE}/web")
    recorded = there.state[address]
    there.state[address] = replace(recorded, attributes={**recorded.attributes, "target_server": "dr-1"})
    found = impact(there.plan(stack(SHOP), destroy=True)).left_behind
    assert found == tuple(LeftBehind(address, *one) for one in left)


@pytest.mark.parametrize(("option", "left"), [(False, ("the DR disk", "v1-dr")), (True, None)])
def test_what_a_pair_leaves_is_its_dr_disk(option, left):
    there = world(SHOP, WEB, pair("data", "shop", "v1", delete_target_volume=option))
    found = impact(there.plan(stack(SHOP, WEB))).left_behind
    assert [(one.what, one.id) for one in found] == ([left] if left else [])


@pytest.mark.parametrize(
    ("fields", "vpc"),
    [
        pytest.param({}, ("the drill VPC that was made for it, with its subnets", "made"), id="made-for-it"),
        pytest.param({"drill_vpc_id": "vpc-9"}, ("the drill VPC, with its subnets", "vpc-9"), id="given"),
    ],
)
def test_what_a_drill_leaves_is_its_network(fields, vpc):
    there = world(SHOP, WEB, drill("q1", "shop", **fields))
    found = impact(there.plan(stack(SHOP, WEB))).left_behind
    assert [(one.what, one.id) for one in found] == [vpc, ("EIPs that were bound to drill servers", "")]


def test_pairs_that_did_not_come_with_their_instance_stay_behind():
    said = "replication pair 'x' (p9), which did not come with it and stays in the group"
    gone = step(Action.DELETE, f"{INSTANCE}/x", object_id="i9", leaves=(said,), attributes={"target_server": "dr-9"})
    assert impact(plan_of(gone)).left_behind == (LeftBehind(of(f"{INSTANCE}/x"), said, ""),)


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.calls.delete])
def test_no_kind_knows_an_id_of_an_object_that_nobody_has_seen(name):
    words = KINDS[name].words
    assert [words.left_id(one, {}) for one in words.leaves({})] == [""] * len(words.leaves({}))


# ---------------------------------------------------------------- durations


def test_durations_are_those_of_the_reference_alone():
    reference = (Path(__file__).parents[3] / "docs" / "sdrs-api.md").read_text()
    found = impact(world(SHOP, WEB, DB).plan(stack(changed(SHOP, source_vpc_id="vpc-2"), WEB, DB))).durations
    assert found == (
        Duration(Action.CREATE, GROUP, 1, 15.0),
        Duration(Action.CREATE, INSTANCE, 2, 300.0),
        Duration(Action.ENABLE, GROUP, 1, 20.0),
        Duration(Action.DISABLE, GROUP, 1, 8.0),
    )
    assert "Seen: creating a group takes 15 s, an instance 5 min, enabling one small instance 20 s." in reference
    assert "disables two\npairs in 8 s" in reference
    known = {(kind.name, action) for kind in KINDS.values() for action in kind.calls.seen}
    assert known == {(one.kind, one.action.value) for one in found}


def test_what_nobody_has_timed_has_no_duration():
    assert impact(plan_of(step(Action.CREATE, f"{DRILL}/q1"), step(Action.DELETE, f"{GROUP}/x"))).durations == ()


# ---------------------------------------------------------------- as a document


def test_the_document_is_as_its_schema_says_and_comes_from_the_steps():
    schema = json.loads((Path(__file__).parents[3] / "schemas" / "plan.json").read_text())
    plan = world(SHOP, WEB, DB).plan(stack(changed(SHOP, source_vpc_id="vpc-2"), WEB))
    plan = replace(plan, basis=replace(plan.basis, lineage="l" * 8))
    document = json.loads(encode_plan(plan))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document["impact"] == impact_document(impact(plan))
    assert all(document["impact"].values())
    read, _ = decode_plan(encode_plan(plan), source="p")
    assert impact(read) == impact(plan)


def test_it_is_the_same_each_time_and_changes_nothing():
    plan = world(SHOP, WEB, DB).plan(stack(changed(SHOP, source_vpc_id="vpc-2"), WEB))
    before = encode_plan(plan)
    assert impact(plan) == impact(plan)
    assert encode_plan(plan) == before


def test_members_are_found_in_their_group_through_what_they_refer_to():
    made = world().plan(stack(SHOP, WEB, pair("data", "shop", "v1"), attachment("data", "web", "data")))
    assert {one.group for one in impact(made).copied} == {f"{GROUP}/shop"}
    assert told(made)


def test_a_group_that_nothing_names_is_left_unnamed():
    loop = Reference(Address(PAIR, "b")), Reference(Address(PAIR, "a"))
    steps = [step(Action.CREATE, f"{PAIR}/{name}", inputs={"x": one}) for name, one in zip("ab", loop, strict=True)]
    assert [one.group for one in impact(plan_of(*steps)).copied] == [""]
