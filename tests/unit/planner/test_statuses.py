"""Every status of the service with every kind of step: planned, refused with the remedy, or withheld.

The tables say what docs/sdrs-api.md allows for each call; they share nothing with the program.
"""

import pytest

from declarative.errors import InputError
from tests.scaffold.planned_world import (
    ATTACHMENT,
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

OF_GROUPS = {
    *("creating", "error", "available", "starting", "error-starting", "protected", "stopping", "error-stopping"),
    *("reversing", "error-reversing", "failing-over", "failed-over", "error-failing-over"),
    *("reprotecting", "error-reprotecting", "deleting", "error-deleting"),
}
OF_INSTANCES = OF_GROUPS | {"nic-creating", "nic-deleting", "resizing", "error-resizing", "invalid", "fault"}
OF_PAIRS = OF_GROUPS | {
    *("attaching", "error-attaching", "detaching", "error-detaching", "extending", "error-extending"),
    *("invalid", "fault"),
}
OF_DRILLS = {"creating", "available", "error", "deleting", "error-deleting"}

# A job of somebody runs: it is waited for.
PASSING = {
    *("creating", "starting", "stopping", "deleting", "nic-creating", "nic-deleting", "resizing"),
    *("attaching", "detaching", "extending"),
}
RECOVERY = {
    *("reversing", "error-reversing", "failing-over", "failed-over", "error-failing-over"),
    *("reprotecting", "error-reprotecting"),
}
STEADY = {"available", "protected"}
UNMOVED = STEADY | {"failed-over", "error-starting", "error-stopping", "error-reversing", "error-failing-over"}

DELETE_INSTANCE = UNMOVED | {
    *("error", "error-deleting", "error-reprotecting", "error-resizing", "invalid", "fault"),
}
DETACH_INSTANCE = DELETE_INSTANCE - {"error"}
DETACH_PAIR = UNMOVED | {
    *("error-attaching", "error-detaching", "error-deleting", "error-reprotecting", "error-extending"),
    *("invalid", "fault"),
}
DELETE_PAIR = UNMOVED | {
    *("error", "error-deleting", "error-reprotecting", "error-attaching", "error-extending", "invalid", "fault"),
}
DISKS = {"s1": ["d1"]}
BASE = (group("shop"), instance("web", "shop", "s1"), pair("data", "shop", "v1"))
ATTACHED = (*BASE, attachment("data", "web", "data"))
WITH_DRILL = (*BASE, drill("q", "shop"))

# Of each case: what was applied, which object has the status, what is wanted, the step that sends the call, and the
# statuses in which the service takes that.
CASES = {
    "rename-group": (BASE[:1], GROUP, (group("shop", name="other"),), f"update:{GROUP}/shop", OF_GROUPS),
    "delete-group": ((group("shop"),), GROUP, (), f"delete:{GROUP}/shop", OF_GROUPS),
    "enable": (
        BASE,
        GROUP,
        (group("shop", protection="enabled"), *BASE[1:]),
        f"enable:{GROUP}/shop",
        {"available", "error-starting"},
    ),
    "disable": (
        BASE,
        GROUP,
        (group("shop", protection="disabled"), *BASE[1:]),
        f"disable:{GROUP}/shop",
        {"protected", "error-stopping"},
    ),
    "create-instance": (BASE[:1], GROUP, BASE[:2], f"create:{INSTANCE}/web", STEADY),
    "create-pair": (BASE[:2], GROUP, BASE, f"create:{PAIR}/data", STEADY),
    "create-drill": (BASE, GROUP, WITH_DRILL, f"create:{DRILL}/q", UNMOVED | {"error-reprotecting"}),
    "attach-in-group": (BASE, GROUP, ATTACHED, f"create:{ATTACHMENT}/data", STEADY),
    "rename-instance": (
        BASE,
        INSTANCE,
        (BASE[0], instance("web", "shop", "s1", name="other"), BASE[2]),
        f"update:{INSTANCE}/web",
        OF_INSTANCES,
    ),
    "resize": (
        BASE,
        INSTANCE,
        (BASE[0], instance("web", "shop", "s1", flavorRef="big"), BASE[2]),
        f"update:{INSTANCE}/web",
        STEADY | {"error-resizing"},
    ),
    "delete-instance": (BASE, INSTANCE, (BASE[0], BASE[2]), f"delete:{INSTANCE}/web", DELETE_INSTANCE),
    "attach-to-instance": (BASE, INSTANCE, ATTACHED, f"create:{ATTACHMENT}/data", STEADY),
    "detach-from-instance": (ATTACHED, INSTANCE, BASE, f"delete:{ATTACHMENT}/data", DETACH_INSTANCE),
    "rename-pair": (BASE, PAIR, (*BASE[:2], pair("data", "shop", "v1", name="other")), f"update:{PAIR}/data", OF_PAIRS),
    "grow": (
        BASE,
        PAIR,
        (*BASE[:2], pair("data", "shop", "v1", volume_size=99)),
        f"update:{PAIR}/data",
        STEADY | {"error-extending"},
    ),
    "delete-pair": (BASE, PAIR, BASE[:2], f"delete:{PAIR}/data", DELETE_PAIR),
    "attach-pair": (BASE, PAIR, ATTACHED, f"create:{ATTACHMENT}/data", STEADY),
    "detach-pair": (ATTACHED, PAIR, BASE, f"delete:{ATTACHMENT}/data", DETACH_PAIR),
    "rename-drill": (WITH_DRILL, DRILL, (*BASE, drill("q", "shop", name="other")), f"update:{DRILL}/q", OF_DRILLS),
    "delete-drill": (WITH_DRILL, DRILL, BASE, f"delete:{DRILL}/q", {"available", "error", "error-deleting"}),
}
STATUSES = {GROUP: OF_GROUPS, INSTANCE: OF_INSTANCES, PAIR: OF_PAIRS, DRILL: OF_DRILLS}
ADDRESS = {GROUP: f"{GROUP}/shop", INSTANCE: f"{INSTANCE}/web", PAIR: f"{PAIR}/data", DRILL: f"{DRILL}/q"}
# What leads out of a status by itself, within the plan that needs another one.
CLEARED_FIRST = {("attach-pair", "error-attaching"), ("attach-pair", "error-detaching")}


def planned(case, status):
    """The ids of the steps, "withheld", or the finding; and the address's own steps."""
    before, kind, wanted, step, _ = CASES[case]
    world = World(DISKS).has(*before)
    world.raw[kind][world.id_of(ADDRESS[kind])]["status"] = status
    try:
        plan = world.plan(stack(*wanted))
    except InputError as error:
        return "error", [f"{one.summary} {one.fix}" for one in error.findings]
    if any(f"{one.action.value}:{one.address}" == step or str(one.address) == ADDRESS[kind] for one in plan.withheld):
        return "withheld", []
    return "planned", told(plan)


@pytest.mark.parametrize(
    ("case", "status"),
    [
        pytest.param(case, status, id=f"{case}-{status}")
        for case in CASES
        for status in sorted(STATUSES[CASES[case][1]])
    ],
)
def test_no_call_is_planned_for_a_status_in_which_the_service_refuses_it(case, status):
    _, kind, _, step, allowed = CASES[case]
    what, words = planned(case, status)
    if what == "planned" and step in words:
        # A broken object is made anew, and so is not renamed: its step comes after its delete.
        assert status in allowed | PASSING or (case, status) in CLEARED_FIRST or _after_another(words, kind, step)
        assert status not in RECOVERY or status in allowed
    elif what == "error":
        assert status not in allowed
        assert words
        assert not any("wait" in text.lower() for text in words)
        assert all(text.rstrip().endswith(".") for text in words)
    elif what == "withheld":
        assert status in RECOVERY
    else:
        assert status in RECOVERY | PASSING | {"error", "error-deleting"} or kind == GROUP, (what, words)


def _after_another(words, kind, step):
    """True when the object is made anew, or its group's protection switched, before the step."""
    first = [f"delete:{ADDRESS[kind]}", f"enable:{ADDRESS[GROUP]}", f"disable:{ADDRESS[GROUP]}"]
    return any(one in words and words.index(one) < words.index(step) for one in first)


# ---------------------------------------------------------------- what a status demands first


def applied(before, **statuses):
    """These resources, applied, and then with a status each: by kind."""
    world = World(DISKS).has(*before)
    for kind, status in statuses.items():
        world.raw[kind][world.id_of(ADDRESS[kind])]["status"] = status
    return world


@pytest.mark.parametrize("status", ["error-attaching", "error-detaching"])
def test_a_marked_pair_is_detached_before_it_is_attached(status):
    plan = applied(BASE, **{PAIR: status}).plan(stack(*ATTACHED))
    assert told(plan) == [f"delete:{ATTACHMENT}/data", f"create:{ATTACHMENT}/data"]
    assert plan.dangers == ()


def test_a_pair_that_somebody_failed_to_detach_is_detached_again_before_it_is_deleted():
    world = applied(BASE, **{PAIR: "error-detaching"})
    world._join(world.id_of(f"{INSTANCE}/web"), world.id_of(f"{PAIR}/data"), "/dev/vdb")
    assert told(world.plan(stack(*BASE[:2]))) == [f"delete:{ATTACHMENT}/data", f"delete:{PAIR}/data"]
    destroyed = told(world.plan(stack(), destroy=True))
    assert destroyed == [
        f"delete:{ATTACHMENT}/data",
        f"delete:{PAIR}/data",
        f"delete:{INSTANCE}/web",
        f"delete:{GROUP}/shop",
    ]


def test_nothing_is_detached_again_while_disaster_recovery_is_in_progress():
    world = applied(BASE, **{PAIR: "error-detaching", GROUP: "failed-over"})
    world._join(world.id_of(f"{INSTANCE}/web"), world.id_of(f"{PAIR}/data"), "/dev/vdb")
    assert told(world.plan(stack(*BASE[:2]))) == []


def test_a_growth_that_failed_is_tried_again_before_the_pair_is_attached():
    world = applied(BASE, **{PAIR: "error-extending"})
    wanted = stack(*BASE[:2], pair("data", "shop", "v1", volume_size=99), ATTACHED[-1])
    assert told(world.plan(wanted)) == [f"update:{PAIR}/data", f"create:{ATTACHMENT}/data"]
    with pytest.raises(InputError, match="Grow it again: set volume_size to more than 10 GB"):
        world.plan(stack(*ATTACHED))


def test_a_resize_that_failed_is_tried_again_before_a_pair_is_attached():
    world = applied(BASE, **{INSTANCE: "error-resizing"})
    wanted = stack(BASE[0], instance("web", "shop", "s1", flavorRef="big"), BASE[2], ATTACHED[-1])
    assert told(world.plan(wanted)) == [f"update:{INSTANCE}/web", f"create:{ATTACHMENT}/data"]


def test_an_instance_whose_creation_failed_takes_its_attachments_along():
    plan = applied(ATTACHED, **{INSTANCE: "error"}).plan(stack(), destroy=True)
    order = told(plan)
    assert f"delete:{ATTACHMENT}/data" not in order
    assert order.index(f"delete:{INSTANCE}/web") < order.index(f"forget:{ATTACHMENT}/data")
    assert order.index(f"delete:{INSTANCE}/web") < order.index(f"delete:{PAIR}/data")


def test_an_instance_whose_deletion_failed_is_detached_from_at_once():
    order = told(applied(ATTACHED, **{INSTANCE: "error-deleting"}).plan(stack(), destroy=True))
    assert order.index(f"delete:{ATTACHMENT}/data") < order.index(f"delete:{INSTANCE}/web")


@pytest.mark.parametrize("status", ["error-starting", "error-stopping"])
def test_what_a_failed_switch_stands_in_the_way_of_comes_after_the_next(status):
    world = World(DISKS).has(*BASE)
    world.set_status(world.id_of(f"{GROUP}/shop"), status)
    goal = {"error-starting": "enabled", "error-stopping": "disabled"}[status]
    switch = {"error-starting": "enable", "error-stopping": "disable"}[status]
    wanted = [*BASE[:2], pair("data", "shop", "v1", volume_size=99)]
    with pytest.raises(InputError, match=f"Set the group's protection to {goal}"):
        world.plan(stack(*wanted))
    wanted[0] = group("shop", protection=goal)
    assert told(world.plan(stack(*wanted)))[-2:] == [f"{switch}:{GROUP}/shop", f"update:{PAIR}/data"]
