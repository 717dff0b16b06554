"""What a plan says it means, held against what happens when it is carried out, for any two stacks."""

from hypothesis import given, reject, settings

from declarative.errors import InputError
from declarative.model import Action
from declarative.planfile import encode_plan
from declarative.planner.impact import impact
from tests.properties.planner.test_whole_stacks import DISKS, stacks
from tests.scaffold.planned_world import GROUP, INSTANCE, PAIR, World


def protected(there):
    """The servers and the disks of their own that are protected, each with its group's id."""
    groups = {one for one, raw in there.raw[GROUP].items() if raw["status"] == "protected"}
    return {
        (kind, raw.get("source_server") or raw["volume_ids"], raw["server_group_id"])
        for kind in (INSTANCE, PAIR)
        for raw in there.raw[kind].values()
        if raw["server_group_id"] in groups and not raw.get("came_with")
    }


def planned(there, view):
    try:
        return there.plan(view)
    except InputError:  # what SDRS would refuse
        reject()


@settings(derandomize=True, max_examples=150, deadline=None)
@given(stacks(), stacks())
def test_who_loses_protection_is_who_the_plan_says(before, after):
    there = World(dict(DISKS))
    there.apply(there.plan(before))
    was, plan = protected(there), planned(there, after)
    said = impact(plan)
    groups = {str(one): recorded.id for one, recorded in there.state.items() if one.kind == GROUP}
    lost = set()
    failed = there.apply(plan, fails=lambda step: lost.update(was - protected(there)))
    lost |= was - protected(there)
    assert not failed
    servers = {}
    for kind, _, group in lost:
        servers[group] = servers.get(group, 0) + (kind == INSTANCE)
    told = {}
    for one in said.unprotected:
        group = groups.get(one.group, one.group)
        told[group] = told.get(group, 0) + one.servers
    assert told.keys() == servers.keys()
    assert told == servers
    again = {(kind, what) for kind, what, _ in protected(there)}
    for group_id in servers:
        for_good = sum(kind == INSTANCE and (kind, what) not in again for kind, what, home in lost if home == group_id)
        said_so = [one for one in said.unprotected if groups.get(one.group, one.group) == group_id and not one.until]
        assert sum(one.servers for one in said_so) >= for_good


@settings(derandomize=True, max_examples=150, deadline=None)
@given(stacks(), stacks())
def test_it_is_a_function_of_the_plan_that_its_text_keeps(before, after):
    there = World(dict(DISKS))
    there.apply(there.plan(before))
    plan = planned(there, after)
    text = encode_plan(plan)
    steps, found = {step.id for step in plan.steps}, impact(plan)
    assert found == impact(plan)
    assert text == encode_plan(plan)
    for one in (*found.unprotected, *found.copied):
        assert one.since in steps | {""}
    assert {one.until for one in found.unprotected} <= steps | {""}
    left = [(step.address, what) for step in plan.steps for what in step.leaves]
    assert [(one.address, one.what) for one in found.left_behind] == left
    made = sum(1 for step in plan.steps if step.action is Action.CREATE and step.address.kind == INSTANCE)
    enabled = {f"enable:{one.group}" for one in found.copied}
    assert sum(one.servers for one in found.copied) >= made or not enabled
