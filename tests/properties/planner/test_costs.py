"""What planning costs: more objects, more work in proportion, whatever the plan is about."""

import functools
import sys

import pytest

from declarative.cli.prompt import planned
from declarative.planfile import encode_plan
from declarative.planner.consents import unconsented
from declarative.planner.impact import impact
from declarative.views.plans import plan_lines
from declarative.views.text import plain
from tests.scaffold.planned_world import INSTANCE, World, attachment, group, instance, pair, stack

FEW, MANY = 8, 60  # groups, or members of one group
STEEPEST = 1.5 * MANY / FEW


def work(done):
    """How many functions were called until it was done."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        done()
    finally:
        sys.setprofile(None)
    return calls


def groups(number, **fields):
    """Groups with an instance, an adopted pair of it, and a pair that is attached to it by hand."""
    made = []
    for name in (str(one) for one in range(number)):
        made += [group(f"g{name}", protection="enabled", **fields), *members(name, f"g{name}")]
    return stack(*made)


def one_group(number, **fields):
    """A group with so many of each."""
    made = [member for one in range(number) for member in members(str(one), "g", depends_on=[f"{INSTANCE}/i{one}"])]
    return stack(group("g", protection="enabled", **fields), *made)


def members(name, home, *, depends_on=()):
    return [
        instance(f"i{name}", home, f"s{name}", name="web"),
        pair(f"sys{name}", home, f"s{name}-a", adopt=True, name="sys", depends_on=depends_on),
        pair(f"p{name}", home, f"v{name}", name="data"),
        attachment(f"t{name}", f"i{name}", f"p{name}"),
    ]


def world(view=None, *, station="source"):
    there = World({f"s{number}": [f"s{number}-a"] for number in range(MANY)})
    if view is not None:
        there.has(*view.resources.values())
    for raw in there.raw["ProtectionGroup"].values():
        raw["priority_station"] = station
    return there


@pytest.mark.parametrize("size", [pytest.param(groups, id="groups"), pytest.param(one_group, id="members-of-a-group")])
@pytest.mark.parametrize(
    ("fields", "station", "request_"),
    [
        pytest.param({}, "source", {}, id="nothing-to-do"),
        pytest.param({"name": "other"}, "source", {}, id="a-rename"),
        pytest.param({"source_vpc_id": "vpc-2"}, "source", {}, id="everything-replaced"),
        pytest.param({"priority_station": "target"}, "target", {}, id="another-side-accepted"),
        pytest.param({}, "target", {}, id="all-held"),
        pytest.param({}, "source", {"destroy": True}, id="all-destroyed"),
        pytest.param({}, "source", {"targets": ("ProtectedInstance/*",)}, id="targets"),
    ],
)
def test_planning_grows_with_the_number_of(size, fields, station, request_):
    costs = []
    for number in (FEW, MANY):
        there, view = world(size(number), station=station), size(number, **fields)
        costs.append(work(functools.partial(there.plan, view, **request_)))
    assert costs[1] < STEEPEST * costs[0]


@pytest.mark.parametrize("size", [pytest.param(groups, id="groups"), pytest.param(one_group, id="members-of-a-group")])
def test_planning_a_new_stack_grows_with_the_number_of(size):
    few, many = (work(functools.partial(world().plan, size(number))) for number in (FEW, MANY))
    assert many < STEEPEST * few


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(lambda plan: plain(plan_lines(plan, missing=unconsented(plan))), id="text"),
        pytest.param(lambda plan: planned(plan, "2026-01-02T03:04:05Z"), id="event"),
        pytest.param(impact, id="impact"),
        pytest.param(encode_plan, id="document"),
    ],
)
def test_showing_dangers_grows_with_their_number(shown):
    plans = [world(groups(number)).plan(stack()) for number in (FEW, MANY)]
    few, many = (work(functools.partial(shown, plan)) for plan in plans)
    assert many < STEEPEST * few
