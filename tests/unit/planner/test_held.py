"""A group with disaster recovery in progress: whatever is edited, nothing is done there, and all else goes on."""

from dataclasses import replace

import pytest

from declarative.errors import InputError, Severity
from declarative.kinds import KINDS
from declarative.model import Action, Address, Change, DangerClass, Lookups, Output, Reference
from declarative.planner.consents import unconsented
from declarative.views.plans import plan_lines, summary
from declarative.views.text import plain
from tests.scaffold.planned_world import (
    ATTACHMENT,
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

SHOP = f"{GROUP}/shop"
DISKS = {"s1": ["d1"], "s2": ["d2"], "s3": ["d3"], "s4": ["d4"]}
# Status and side of the held group. On the other side than accepted it is held in every status.
STATES = [(one, "target") for one in HELD_STATUSES] + [
    (one, "target") for one in ("protected", "available", "error-starting", "error-stopping", "stopping")
]
BEFORE = {
    one.address: one
    for one in (
        group("shop", protection="enabled"),
        instance("web", "shop", "s1"),
        pair("sys", "shop", "d1", adopt=True, name="sys"),
        pair("data", "shop", "v1"),
        attachment("data", "web", "data"),
        drill("quarter", "shop"),
        group("other", description="x"),
        instance("app", "other", "s3"),
    )
}
OTHER = f"{GROUP}/other"
# What is done elsewhere in the same commit.
RENAMED = group("other", name="other-2", description="x")


def world(status, side, before=BEFORE):
    made = World(DISKS).has(*before.values())
    made.raw[GROUP][made.id_of(SHOP)]["priority_station"] = side
    made.set_status(made.id_of(SHOP), status)
    return made


def edited(*changed, without=()):
    """The documents after an edit; `changed` take the place of those with their address, `without` are taken out."""
    remaining = {one: document for one, document in BEFORE.items() if str(one) not in without}
    return [*{**remaining, **{one.address: one for one in (RENAMED, *changed)}}.values()]


MEMBERS = [f"{INSTANCE}/web", f"{PAIR}/sys", f"{PAIR}/data", f"{ATTACHMENT}/data", f"{DRILL}/quarter"]
STORE = [
    group("store", name="shop", protection="enabled"),
    instance("web", "store", "s1"),
    pair("sys", "store", "d1", adopt=True, name="sys"),
    pair("data", "store", "v1"),
    drill("quarter", "store"),
]
EDITS = {
    "instance added": edited(instance("new", "shop", "s2")),
    "pair added": edited(pair("new", "shop", "v2")),
    "pair and attachment added": edited(pair("new", "shop", "v2"), attachment("new", "web", "new", "/dev/vdy")),
    "drill added": edited(drill("next", "shop")),
    "instance removed": edited(without=[f"{INSTANCE}/web", f"{PAIR}/sys", f"{ATTACHMENT}/data"]),
    "pair removed": edited(without=[f"{PAIR}/data", f"{ATTACHMENT}/data"]),
    "adopted pair removed": edited(without=[f"{PAIR}/sys"]),
    "attachment removed": edited(without=[f"{ATTACHMENT}/data"]),
    "drill removed": edited(without=[f"{DRILL}/quarter"]),
    "all members removed": edited(without=MEMBERS),
    "all members removed, and disabled": edited(group("shop", protection="disabled"), without=MEMBERS),
    "group removed": edited(without=[SHOP, *MEMBERS]),
    "instance moved out": edited(
        instance("web", "other", "s1"), pair("sys", "other", "d1", adopt=True), without=[f"{ATTACHMENT}/data"]
    ),
    "pair moved out": edited(pair("data", "other", "v1"), without=[f"{ATTACHMENT}/data"]),
    "drill moved out": edited(drill("quarter", "other")),
    "instance moved in": edited(instance("app", "shop", "s3")),
    "everything moved out": edited(
        instance("web", "other", "s1"),
        pair("sys", "other", "d1", adopt=True, name="sys"),
        pair("data", "other", "v1"),
        drill("quarter", "other"),
    ),
    "instance replaced": edited(instance("web", "shop", "s1", description="x")),
    "server changed": edited(instance("web", "shop", "s2"), without=[f"{PAIR}/sys"]),
    "server given to another group": edited(
        instance("web", "shop", "s2"), instance("new", "other", "s1"), without=[f"{PAIR}/sys"]
    ),
    "pair replaced": edited(pair("data", "shop", "v2")),
    "disk given to another group": edited(pair("data", "shop", "v2"), pair("new", "other", "v1")),
    "attachment replaced": edited(attachment("data", "web", "data", device="/dev/vdx")),
    "drill replaced": edited(drill("quarter", "shop", drill_vpc_id="vpc-9")),
    "drill renamed": edited(drill("quarter", "shop", name="q2")),
    "pair grown": edited(pair("data", "shop", "v1", volume_size=20)),
    "pair shrunk": edited(pair("data", "shop", "v1", volume_size=1)),
    "flavor, tags and name changed": edited(
        instance("web", "shop", "s1", name="web-2", flavorRef="f2", tags=[{"key": "k", "value": "1"}])
    ),
    "no longer adopted": edited(pair("sys", "shop", "d1", name="sys")),
    "adopted pair of another disk": edited(pair("sys", "shop", "d9", adopt=True)),
    "server that is not ours": edited(instance("new", "shop", "strange")),
    "disk that is not ours": edited(pair("new", "shop", "d-strange")),
    "group renamed": edited(group("shop", name="shop-2", protection="enabled")),
    "group replaced": edited(group("shop", description="new", protection="enabled")),
    "group moved": edited(*STORE, without=[SHOP]),
    "group moved and renamed": edited(group("store", name="store", protection="enabled"), *STORE[1:], without=[SHOP]),
    "protection off": edited(group("shop", protection="disabled")),
    "protection line removed": edited(group("shop")),
    "prevent_destroy": edited(group("shop", protection="enabled", lifecycle={"prevent_destroy": True})),
    "unknown domain": edited(group("shop", domain="Nope", protection="enabled")),
    "zone of another domain": edited(group("shop", source_availability_zone="az-9", protection="enabled")),
    "zones that are one": edited(group("shop", target_availability_zone="az-1", protection="enabled")),
    "unknown domain, and a member": edited(group("shop", domain="Nope"), instance("new", "shop", "s2")),
}


def touches(step, held_id, ids, members):
    """True when a step is about the held group or anything that is, or is to be, in it."""
    inputs = step.resource.inputs
    home = inputs.get("server_group_id")
    return (
        step.resource.id in ids
        or home in (held_id, Reference(of(SHOP)), Reference(of(f"{GROUP}/store")))
        or step.address in members
    )


def held_ids(made):
    held = made.id_of(SHOP)
    members = [one["id"] for kind in (INSTANCE, PAIR, DRILL) for one in made.raw[kind].values()]
    mine = {one for one in members if made._group_of(one) == held}
    return {held, *mine, *(one.id for one in made.state.values() if one.id.partition("/")[0] in mine)}


def strange(made):
    """A server and a disk in the other group that nobody has recorded here."""
    other = made.id_of(OTHER)
    made.raw[INSTANCE]["i-strange"] = {
        "id": "i-strange",
        "name": "strange",
        "server_group_id": other,
        "source_server": "strange",
        "status": "available",
        "attachment": [],
    }
    made.pair("p-strange", other, "d-strange", name="strange")
    made.count()
    return made


@pytest.mark.parametrize(("status", "side"), STATES, ids=[f"{one}-on-{side}" for one, side in STATES])
@pytest.mark.parametrize("edit", EDITS)
def test_whatever_is_edited_a_held_group_gets_no_step_and_the_others_go_on(edit, status, side):
    made = strange(world(status, side))
    plan = made.plan(stack(*EDITS[edit]))
    assert f"update:{OTHER}" in told(plan)
    ids = held_ids(made)
    members = {of(SHOP), *map(of, MEMBERS)}
    assert [step.id for step in plan.steps if touches(step, made.id_of(SHOP), ids, members)] == []
    assert all(warning.severity is Severity.WARNING for warning in plan.warnings)
    assert unconsented(plan) == ()
    assert plan.withheld
    made.apply(plan)
    assert "agree" not in summary(made.plan(stack(*EDITS[edit])))


@pytest.mark.parametrize("edit", EDITS)
def test_what_was_withheld_is_judged_as_ever_once_the_group_is_back(edit):
    before, after = strange(world("protected", "source")), strange(world("failed-over", "target"))
    after.raw[GROUP][after.id_of(SHOP)]["priority_station"] = "source"
    after.plan(stack(*EDITS[edit]))
    after.set_status(after.id_of(SHOP), "protected")
    assert assess(after, edit) == assess(before, edit)


def assess(made, edit):
    try:
        return told(made.plan(stack(*EDITS[edit])))
    except InputError as error:
        return [str(finding) for finding in error.findings]


@pytest.mark.parametrize("status", ["protected", "available"])
def test_what_is_wrong_elsewhere_is_an_error_all_the_same(status):
    made = world("failed-over", "target")
    with pytest.raises(InputError) as caught:
        made.plan(stack(*edited(group("shop", domain="Nope"), group("other", domain="Nope"))))
    assert [finding.address for finding in caught.value.findings] == [OTHER]


def test_a_finding_that_waits_is_told_with_its_place_and_counts_as_withheld():
    made = world("failed-over", "target").plan(stack(*edited(group("shop", domain="Nope", protection="enabled"))))
    (note,) = [one for one in made.warnings if "Nope" in one.summary]
    assert note.summary.endswith("(only a warning while disaster recovery is in progress)")
    assert str(note.position).startswith("spec/domain")
    assert {(str(one.address), one.action) for one in made.withheld} == {(SHOP, Action.UPDATE)}
    assert {one.cls for one in made.dangers} == {DangerClass.DR_IN_PROGRESS}


def test_what_depends_on_a_held_document_with_a_fault_waits_for_it():
    view = edited(group("shop", domain="Nope"), group("late", name="late", depends_on=[SHOP]))
    made = world("failed-over", "target").plan(stack(*view))
    assert told(made) == [f"update:{OTHER}"]
    assert f"{GROUP}/late" in {str(one.address) for one in made.withheld}


# ---------------------------------------------------------------- what goes wrong only because others wait


def test_a_group_that_waits_for_a_held_member_is_made_and_not_yet_enabled():
    made = world("failed-over", "target")
    view = edited(
        group("next", name="next", protection="enabled"),
        instance("web", "next", "s1"),
        without=[f"{PAIR}/sys", f"{ATTACHMENT}/data"],
    )
    plan = made.plan(stack(*view))
    assert set(told(plan)) == {f"update:{OTHER}", f"create:{GROUP}/next"}
    withheld = {str(one.address): one.message for one in plan.withheld if one.action is Action.ENABLE}
    assert withheld == {f"{GROUP}/next": f"it waits for {INSTANCE}/web, whose step is withheld"}


def test_a_group_whose_last_member_goes_to_a_held_one_is_not_in_error():
    made = world("failed-over", "target")
    view = edited(group("other", name="other-2", description="x", protection="enabled"), instance("app", "shop", "s3"))
    plan = made.plan(stack(*view))
    assert told(plan) == [f"update:{OTHER}"]
    assert any(str(one.address) == OTHER and one.action is Action.ENABLE for one in plan.withheld)


def test_what_needs_the_room_that_a_withheld_delete_would_make_waits_too():
    more = (group("late", name="late"), pair("free", "shop", "v9"))
    before = BEFORE | {one.address: one for one in more}
    made = world("failed-over", "target", before)
    view = stack(*edited(more[0], pair("new", "late", "v7")))
    observed = made.observed()
    used = len(made.raw[PAIR])
    full = Lookups(observed.lookups.domains, {KINDS[PAIR].wire.quota: {"quota": used, "used": used}})
    made.observed = lambda: replace(observed, lookups=full)
    plan = made.plan(view)
    assert told(plan) == [f"update:{OTHER}"]
    messages = {str(one.address): one.message for one in plan.withheld}
    assert messages[f"{PAIR}/new"] == "it waits for a withheld step: the quota is full"


def test_outputs_of_what_is_withheld_are_left_as_they_are():
    made = world("failed-over", "target")
    view = stack(*EDITS["group moved"], instance("new", "store", "s2"))
    outputs = (Output("moved", (Reference(of(f"{GROUP}/store")),)), Output("new", (Reference(of(f"{INSTANCE}/new")),)))
    plan = made.plan(replace(view, outputs=outputs))
    assert plan.output_changes == ()


@pytest.mark.parametrize("request_", [{"destroy": True}, {"refresh_only": True}])
@pytest.mark.parametrize(("status", "side"), STATES)
def test_destroying_and_refreshing_leave_a_held_group_alone(status, side, request_):
    made = world(status, side)
    made.raw[INSTANCE][made.id_of(f"{INSTANCE}/web")]["name"] = "by-others"
    made.raw[INSTANCE][made.id_of(f"{INSTANCE}/app")]["name"] = "by-others"
    plan = made.plan(stack(*BEFORE.values()), **request_)
    assert plan.withheld
    assert f"{'delete' if 'destroy' in request_ else 'record'}:{INSTANCE}/app" in told(plan)
    ids = held_ids(made)
    assert [step.id for step in plan.steps if step.resource.id in ids] == []


# ---------------------------------------------------------------- drift


def drift_of(made, **request):
    plan = made.plan(stack(*BEFORE.values()), **request)
    return {str(one.address): one.changes for one in plan.drift}


SIDE_TURNED = Change("priority_station", "source", "target")


@pytest.mark.parametrize("request_", [{}, {"refresh_only": True}])
@pytest.mark.parametrize("status", HELD_STATUSES)
def test_a_failover_is_drift_and_no_step(status, request_):
    made = world(status, "target")
    assert drift_of(made, **request_)[SHOP] == (SIDE_TURNED, Change("protection", "enabled", status))
    assert made.plan(stack(*BEFORE.values()), **request_).steps == ()


def test_the_other_side_is_drift_once_data_is_copied_again():
    assert drift_of(world("protected", "target")) == {SHOP: (SIDE_TURNED,)}


def test_the_status_of_a_group_without_a_goal_is_drift_under_its_own_name():
    made = World().has(group("shop"), instance("web", "shop", "s1"))
    made.set_status(made.id_of(SHOP), "failed-over")
    (drift,) = made.plan(stack(group("shop"), instance("web", "shop", "s1"))).drift
    assert drift.changes == (Change("status", "available", "failed-over"),)


def test_protection_that_was_switched_on_the_other_side_is_told_once():
    made = world("available", "target")
    assert drift_of(made) == {SHOP: (SIDE_TURNED, Change("protection", "enabled", "disabled"))}


@pytest.mark.parametrize(
    ("recorded", "accepted", "drift"),
    [
        pytest.param("target", None, (), id="recorded-so"),
        pytest.param("source", "target", (), id="accepted-so"),
        pytest.param("source", None, (SIDE_TURNED,), id="neither"),
    ],
)
def test_a_group_whose_recorded_state_says_so_has_not_drifted(recorded, accepted, drift):
    made = world("protected", "target")
    shop = made.state[of(SHOP)]
    inputs = {**shop.inputs, **({"priority_station": accepted} if accepted else {})}
    made.state[of(SHOP)] = replace(shop, inputs=inputs, attributes={**shop.attributes, "priority_station": recorded})
    assert drift_of(made).get(SHOP, ()) == drift


def test_a_side_that_is_accepted_and_not_yet_recorded_is_drift():
    made = world("protected", "target")
    plan = made.plan(stack(*edited(group("shop", protection="enabled", priority_station="target"))))
    assert [one.changes for one in plan.drift] == [(SIDE_TURNED,)]
    assert f"record:{SHOP}" in told(plan)


def test_nobody_is_told_that_all_agree_while_a_group_is_held():
    made = world("failed-over", "target")
    text = plain(plan_lines(made.plan(stack(*BEFORE.values())), missing=()))
    assert text.endswith("\nNothing to do now; the cloud has drifted from what is recorded.\n")
    assert "left alone" in text


def test_the_address_of_a_held_group_is_not_forgotten_in_drift_by_a_target():
    made = world("failed-over", "target")
    assert drift_of(made, targets=(OTHER,)) == {}
    assert Address.parse(SHOP) in {one.address for one in made.plan(stack(*BEFORE.values()), targets=(SHOP,)).drift}
