"""A drill is made when all else that the plan does in its group is done: an order, and nothing that follows from it."""

import pytest

from declarative.model import Action
from tests.scaffold.planned_world import (
    DRILL,
    GROUP,
    INSTANCE,
    PAIR,
    World,
    attachment,
    drill,
    group,
    instance,
    pair,
    stack,
    told,
)

SHOP, CHECK = f"{GROUP}/shop", f"{DRILL}/check"
CREATE = f"create:{CHECK}"
WEB, DATA = instance("web", "shop", "s1"), pair("data", "shop", "v1")
BEFORE = [group("shop"), WEB, DATA, attachment("data", "web", "data")]


def before(step_id, plan):
    """The ids of the steps that must be done before this one begins."""
    needs, found = {step.id: step.requires for step in plan.steps}, set()
    waiting = [step_id]
    while waiting:
        for need in needs[waiting.pop()]:
            if need not in found:
                found.add(need)
                waiting.append(need)
    return found


EDITS = {
    "all is new": ([], [*BEFORE, drill("check", "shop")]),
    "instance added": (BEFORE, [*BEFORE, instance("app", "shop", "s2"), drill("check", "shop")]),
    "pair attached": (BEFORE[:3], [*BEFORE, drill("check", "shop")]),
    "instance renamed": (
        BEFORE,
        [BEFORE[0], instance("web", "shop", "s1", name="w"), *BEFORE[2:], drill("check", "shop")],
    ),
    "instance replaced": (
        BEFORE[:2],
        [group("shop"), instance("web", "shop", "s1", description="x"), drill("check", "shop")],
    ),
    "pair grown": (
        BEFORE,
        [*BEFORE[:2], pair("data", "shop", "v1", volume_size=20), BEFORE[3], drill("check", "shop")],
    ),
    "pair removed": (BEFORE, [*BEFORE[:2], drill("check", "shop")]),
    "instance moved in": (
        [*BEFORE, group("other"), instance("app", "other", "s2")],
        [*BEFORE, group("other"), instance("app", "shop", "s2"), drill("check", "shop")],
    ),
    "instance moved out": (
        [*BEFORE, group("other"), instance("app", "shop", "s2")],
        [*BEFORE, group("other"), instance("app", "other", "s2"), drill("check", "shop")],
    ),
    "drill replaced": (
        [*BEFORE, drill("check", "shop")],
        [*BEFORE, instance("app", "shop", "s2"), drill("check", "shop", drill_vpc_id="vpc-9")],
    ),
    "drill moved in": (
        [*BEFORE, group("other"), drill("check", "other")],
        [*BEFORE, group("other"), instance("app", "shop", "s2"), drill("check", "shop")],
    ),
}


@pytest.mark.parametrize("goal", [None, "enabled"])
@pytest.mark.parametrize("edit", EDITS)
def test_a_drill_waits_for_every_step_of_its_groups_members(edit, goal):
    first, then = (
        [group("shop", protection=goal) if one.address.name == "shop" else one for one in view] for view in EDITS[edit]
    )
    made = World().has(*first).plan(stack(*then))
    members = {step.id for step in made.steps if step.address.kind not in (GROUP, DRILL)}
    assert members
    assert members <= before(CREATE, made)


def test_a_drill_waits_for_no_member_of_another_group():
    made = World().plan(stack(*BEFORE, drill("check", "shop"), group("other"), instance("app", "other", "s2")))
    assert not {step for step in before(CREATE, made) if "app" in step}


@pytest.mark.parametrize("failing", [f"create:{INSTANCE}/app", f"update:{PAIR}/data", f"delete:{INSTANCE}/old"])
def test_a_drill_is_not_made_when_a_member_of_its_group_fails(failing):
    world = World().has(*BEFORE, instance("old", "shop", "s3"))
    grown = pair("data", "shop", "v1", volume_size=20)
    view = stack(*BEFORE[:2], grown, BEFORE[3], instance("app", "shop", "s2"), drill("check", "shop"))
    left = world.apply(world.plan(view), fails=lambda step: step.id == failing)
    assert left == {failing, CREATE}
    assert world.raw[DRILL] == {}


# ---------------------------------------------------------------- nothing follows from the order


def test_a_target_that_is_a_drill_brings_no_members():
    made = World().plan(stack(*BEFORE, drill("check", "shop")), targets=(CHECK,))
    assert set(told(made)) == {f"create:{SHOP}", CREATE}


def test_a_member_that_is_left_out_takes_no_drill_with_it():
    made = World().plan(stack(*BEFORE, drill("check", "shop")), excludes=(f"{INSTANCE}/web",))
    assert CREATE in told(made)


def test_a_member_that_is_replaced_or_removed_leaves_the_drill_alone():
    world = World().has(*BEFORE, instance("old", "shop", "s3"), drill("check", "shop"))
    made = world.plan(stack(*BEFORE, drill("check", "shop")), replaces=(f"{PAIR}/data",))
    assert {step.action for step in made.steps} >= {Action.DELETE, Action.CREATE}
    assert not [step for step in made.steps if step.address.kind == DRILL]


# ---------------------------------------------------------------- circles


def test_a_member_that_depends_on_the_drill_goes_after_it():
    late = instance("late", "shop", "s2", depends_on=[CHECK])
    made = World().plan(stack(*BEFORE, late, drill("check", "shop")))
    assert CREATE in before(f"create:{INSTANCE}/late", made)
    assert f"create:{INSTANCE}/web" in before(CREATE, made)


def test_drills_and_members_that_wait_for_each_other_across_groups_all_get_their_turn():
    view = [
        group("a"),
        group("b"),
        drill("one", "a"),
        drill("two", "b"),
        instance("in-a", "a", "s1", depends_on=[f"{DRILL}/two"]),
        instance("in-b", "b", "s2", depends_on=[f"{DRILL}/one"]),
    ]
    world = World()
    assert world.apply(world.plan(stack(*view))) == set()
    assert world.plan(stack(*view)).steps == ()
