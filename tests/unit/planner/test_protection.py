"""When a group's protection is switched, by the status in which it is seen."""

import pytest

from declarative.errors import InputError
from declarative.model import Change, Reason
from tests.scaffold.planned_world import GROUP, HELD_STATUSES, World, group, instance, of, pair, stack, told

ENABLE, DISABLE = f"enable:{GROUP}/shop", f"disable:{GROUP}/shop"
SHOP = f"{GROUP}/shop"


def seen_as(status):
    """A group with one instance, applied without a word of protection, whose status has become another."""
    world = World()
    world.apply(world.plan(stack(group("shop"), instance("web", "shop", "s1"))))
    world.raw[GROUP][world.id_of(SHOP)]["status"] = status
    return world


def planned(world, goal):
    made = world.plan(stack(group("shop", protection=goal), instance("web", "shop", "s1")))
    return [step for step in told(made) if step.startswith(("enable", "disable"))], made


@pytest.mark.parametrize(
    ("status", "enabled", "disabled"),
    [
        pytest.param("available", [ENABLE], [], id="available"),
        pytest.param("error-starting", [ENABLE], [], id="enabling-failed-is-tried-again"),
        pytest.param("protected", [], [DISABLE], id="protected"),
        pytest.param("error-stopping", [], [DISABLE], id="disabling-failed-is-tried-again"),
        pytest.param("creating", [ENABLE], [], id="creation-is-waited-for"),
        pytest.param("starting", [ENABLE], [DISABLE], id="enabling-by-others-is-waited-for"),
        pytest.param("stopping", [ENABLE], [], id="disabling-by-others-is-waited-for"),
        *(pytest.param(status, [], [], id=f"{status}-is-held") for status in HELD_STATUSES),
    ],
)
def test_the_status_decides_whether_protection_is_switched(status, enabled, disabled):
    assert planned(seen_as(status), "enabled")[0] == enabled
    assert planned(seen_as(status), "disabled")[0] == disabled


def test_a_failed_disable_must_be_ended_before_protection_can_be_enabled():
    _, made = planned(seen_as("error-stopping"), "enabled")
    assert any("can't be enabled now" in warning.summary for warning in made.warnings)


@pytest.mark.parametrize("status", ["available", "protected", "error-starting", "starting", "failed-over"])
def test_protection_that_no_manifest_speaks_of_is_left_alone(status):
    world = seen_as(status)
    made = world.plan(stack(group("shop"), instance("web", "shop", "s1")))
    assert not [step for step in told(made) if step.startswith(("enable", "disable"))]


@pytest.mark.parametrize("goal", ["enabled", "disabled"])
def test_a_line_that_is_removed_switches_nothing(goal):
    with_line = stack(group("shop", protection=goal), instance("web", "shop", "s1"))
    world = World()
    world.apply(world.plan(with_line))
    made = world.plan(stack(group("shop"), instance("web", "shop", "s1")))
    assert [step for step in told(made) if not step.startswith("record")] == []


def test_a_new_group_that_shall_be_disabled_needs_no_switch():
    made = World().plan(stack(group("shop", protection="disabled")))
    assert told(made) == [f"create:{SHOP}"]


def test_a_group_without_any_pair_can_not_be_enabled():
    with pytest.raises(InputError) as caught:
        World().plan(stack(group("shop", protection="enabled")))
    (finding,) = caught.value.findings
    assert finding.address == SHOP
    assert str(finding.position).startswith("spec/protection")


def test_pairs_that_only_the_cloud_knows_are_enough():
    world = World()
    world.apply(world.plan(stack(group("shop"), pair("data", "shop", "v1"))))
    del world.state[of("ReplicationPair/data")]
    made = world.plan(stack(group("shop", protection="enabled")))
    assert told(made) == [ENABLE]


# ---------------------------------------------------------------- switched behind our back


def left_as(status, goal, **lifecycle):
    """A group with one instance, applied with this goal, whose status has become another since."""
    world = World()
    world.has(group("shop", protection=goal, lifecycle=lifecycle), instance("web", "shop", "s1"))
    world.set_status(world.id_of(SHOP), status)
    return world


@pytest.mark.parametrize(
    ("status", "goal", "lifecycle", "shown"),
    [
        pytest.param("available", "enabled", {}, "disabled", id="disabled"),
        pytest.param("error-starting", "enabled", {}, "disabled", id="not-enabled-again"),
        pytest.param("protected", "disabled", {}, "enabled", id="enabled"),
        pytest.param("available", "enabled", {"ignore_changes": ("protection",)}, None, id="ignored"),
        pytest.param("available", None, {}, None, id="not-managed"),
        pytest.param("protected", "enabled", {}, None, id="as-recorded"),
        pytest.param("error-stopping", "enabled", {}, None, id="neither-nor"),
        pytest.param("stopping", "enabled", {}, None, id="on-its-way"),
    ],
)
def test_protection_that_others_have_switched_is_drift(status, goal, lifecycle, shown):
    made = left_as(status, goal, **lifecycle).plan(stack(), refresh_only=True)
    drift = [(str(one.address), change) for one in made.drift for change in one.changes]
    assert drift == ([(SHOP, Change("protection", goal, shown))] if shown else [])
    assert [step.resource.inputs["protection"] for step in made.steps] == ([shown] if shown else [])


def test_a_goal_that_was_never_reached_is_no_drift():
    world = World()
    view = stack(group("shop", protection="enabled"), instance("web", "shop", "s1"))
    world.apply(world.plan(view), fails=lambda step: step.id == ENABLE)
    made = world.plan(view)
    assert made.drift == ()
    assert told(made) == [ENABLE]
    assert made.steps[0].reason is Reason.NOT_REACHED


@pytest.mark.parametrize(
    ("status", "goal", "reason"),
    [("available", "enabled", Reason.DRIFTED), ("protected", "disabled", Reason.DRIFTED)],
)
def test_a_switch_of_what_others_have_switched_says_so(status, goal, reason):
    made = left_as(status, goal).plan(stack(group("shop", protection=goal), instance("web", "shop", "s1")))
    assert [step.reason for step in made.steps] == [reason]


def test_a_switch_that_an_interrupt_kept_from_beginning_is_not_put_down_to_the_cloud():
    world = World()
    view = stack(group("shop", protection="enabled"), instance("web", "shop", "s1"))
    for step in world.plan(view).steps:
        if step.id != ENABLE:
            world.carry_out(step)
    (step,) = world.plan(view).steps
    assert (step.id, step.reason) == (ENABLE, Reason.NOT_REACHED)
