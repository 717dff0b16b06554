"""What a plan says of groups with members: what can't be, what would be lost, and what goes together."""

from dataclasses import replace

import pytest

from declarative.errors import InputError
from declarative.model import Action, DangerClass, Lookups, Observed, OpenOperation, Reason
from declarative.planner.consents import unconsented
from declarative.views.plans import plan_lines, summary
from declarative.views.text import plain
from tests.scaffold.planned_world import (
    ATTACHMENT,
    DRILL,
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

DISKS = {"s1": ["d1"], "s2": ["d2"]}
KEPT = {"prevent_destroy": True}


def adopted(**lifecycle):
    """A group, an instance in it, and the pair that came with that."""
    return [group("shop"), instance("web", "shop", "s1"), pair("sys", "shop", "d1", adopt=True, lifecycle=lifecycle)]


def text(plan):
    return plain(plan_lines(plan, missing=unconsented(plan)))


def wrong(world, view):
    """What the planner finds fault with."""
    with pytest.raises(InputError) as caught:
        world.plan(view)
    return [finding.summary for finding in caught.value.findings]


# ---------------------------------------------------------------- what an earlier run did not come to


def test_a_change_that_an_interrupt_kept_from_beginning_is_not_put_down_to_the_cloud():
    world = World(DISKS)
    view = stack(*adopted())
    for step in world.plan(view).steps:
        if step.action is not Action.UPDATE:
            world.carry_out(step)
    (step,) = world.plan(view).steps
    assert (step.id, step.reason) == (f"update:{PAIR}/sys", Reason.NOT_REACHED)
    world.raw[PAIR][world.id_of(f"{PAIR}/sys")]["name"] = "by-others"
    assert [step.reason for step in world.plan(view).steps] == [Reason.DRIFTED]


# ---------------------------------------------------------------- prevent_destroy of adopted pairs


@pytest.mark.parametrize(
    ("wanted", "request_", "what"),
    [
        pytest.param([], {"destroy": True}, "forgotten or deleted with its instance", id="all-is-destroyed"),
        pytest.param(adopted(**KEPT)[:2], {}, "forgotten or deleted with its instance", id="its-document-is-gone"),
        pytest.param(
            [*adopted()[:1], instance("web", "shop", "s1", description="x"), *adopted(**KEPT)[2:]],
            {},
            "replaced with its instance",
            id="its-instance-is-replaced",
        ),
    ],
)
def test_an_adopted_pair_is_not_let_go_against_its_prevent_destroy(wanted, request_, what):
    made = World(DISKS).has(*adopted(**KEPT)).plan(stack(*wanted), **request_)
    (danger,) = [one for one in made.dangers if one.cls is DangerClass.PREVENT_DESTROY]
    assert danger.address == of(f"{PAIR}/sys")
    assert f"must not be {what}" in danger.message
    assert danger in unconsented(made)


def test_an_adopted_pair_that_is_gone_may_be_forgotten():
    world = World(DISKS).has(*adopted(**KEPT))
    del world.raw[PAIR][world.id_of(f"{PAIR}/sys")]
    assert world.plan(stack(*adopted(**KEPT)[:2])).dangers == ()


# ---------------------------------------------------------------- enabling


def test_a_group_whose_last_pairs_go_is_not_enabled():
    world = World(DISKS).has(group("shop"), instance("web", "shop", "s1"), pair("data", "shop", "v1"))
    assert wrong(world, stack(group("shop", protection="enabled"))) == [
        "ProtectionGroup/shop can't be enabled: it keeps no replication pair, and none is described"
    ]


def test_a_pair_that_nobody_describes_and_nobody_deletes_is_enough_to_enable_a_group():
    world = World(DISKS).has(group("shop"), instance("web", "shop", "s1"))
    world.pair("foreign", world.id_of("ProtectionGroup/shop"), "v9", name="foreign")
    made = world.plan(stack(group("shop", protection="enabled")))
    assert told(made) == [f"delete:{INSTANCE}/web", "enable:ProtectionGroup/shop"]


@pytest.mark.parametrize(
    ("request_", "steps"),
    [
        pytest.param(
            {"targets": ("ProtectionGroup/*",)}, ["create:ProtectionGroup/shop"], id="its-members-are-no-target"
        ),
        pytest.param(
            {"excludes": (f"{INSTANCE}/*", f"{PAIR}/*")}, ["create:ProtectionGroup/shop"], id="its-members-are-excluded"
        ),
        pytest.param(
            {"targets": (f"{INSTANCE}/*",)},
            ["create:ProtectionGroup/shop", f"create:{INSTANCE}/web", "enable:ProtectionGroup/shop"],
            id="one-member-is-a-target",
        ),
    ],
)
def test_a_new_group_is_enabled_only_with_a_member(request_, steps):
    members = [instance("web", "shop", "s1"), pair("data", "shop", "v1")]
    made = World(DISKS).plan(stack(group("shop", protection="enabled"), *members), **request_)
    assert told(made) == steps
    assert [warning.address for warning in made.warnings] == ["ProtectionGroup/shop"] * (len(steps) == 1)


def test_a_group_that_has_its_members_is_enabled_without_a_plan_for_them():
    world = World(DISKS).has(group("shop"), instance("web", "shop", "s1"))
    view = stack(group("shop", protection="enabled"), instance("web", "shop", "s1"), instance("new", "shop", "s2"))
    assert told(world.plan(view, targets=("ProtectionGroup/shop",))) == ["enable:ProtectionGroup/shop"]


# ---------------------------------------------------------------- devices


def on_devices(first, second):
    return stack(
        group("shop"),
        instance("web", "shop", "s1"),
        pair("a", "shop", "v1"),
        pair("b", "shop", "v2"),
        attachment("one", "web", "a", first),
        attachment("two", "web", "b", second),
    )


@pytest.mark.parametrize("choose", [pytest.param(min, id="first-first"), pytest.param(max, id="last-first")])
def test_attachments_change_devices_only_when_both_are_free(choose):
    world = World(DISKS)
    world.apply(world.plan(on_devices("/dev/vdb", "/dev/vdc")))
    world.apply(world.plan(on_devices("/dev/vdc", "/dev/vdb")), choose=choose)
    assert world.plan(on_devices("/dev/vdc", "/dev/vdb")).steps == ()


# ---------------------------------------------------------------- quotas


@pytest.mark.parametrize(
    ("room", "refused"), [pytest.param(3, False, id="just-enough"), pytest.param(2, True, id="one-too-few")]
)
def test_each_new_instance_takes_a_pair_from_the_quota(room, refused, monkeypatch):
    quotas = {"replications": {"quota": 10, "used": 10 - room}}
    monkeypatch.setattr("tests.scaffold.planned_world.LOOKUPS", Lookups(World().observed().lookups.domains, quotas))
    view = stack(group("shop"), instance("a", "shop", "s1"), instance("b", "shop", "s2"), pair("c", "shop", "v1"))
    world = World(DISKS)
    if not refused:
        assert world.plan(view).steps
        return
    (finding,) = wrong(world, view)
    assert finding == (
        "the quota leaves room for 2 more replication pairs, but 3 more are planned, at least one for each new"
        " protected instance (8 of 10 are used)"
    )


def test_pairs_that_go_make_room_in_the_quota(monkeypatch):
    world = World(DISKS).has(group("shop"), instance("a", "shop", "s1"))
    quotas = {"replications": {"quota": 1, "used": 1}}
    monkeypatch.setattr("tests.scaffold.planned_world.LOOKUPS", Lookups(world.observed().lookups.domains, quotas))
    made = world.plan(stack(group("shop"), instance("a", "shop", "s1", description="new")))
    assert told(made) == [f"delete:{INSTANCE}/a", f"create:{INSTANCE}/a"]


# ---------------------------------------------------------------- selectors and moves


def moved():
    """All of `before` under other addresses, but for an instance and its pair."""
    return stack(
        group("new", name="shop"),
        instance("web2", "new", "s1", name="web"),
        instance("db", "new", "s2"),
        pair("sys", "new", "d1", adopt=True),
        drill("q2", "new", name="q1"),
    )


def before():
    return World(DISKS).has(
        group("shop"),
        instance("web", "shop", "s1"),
        instance("db", "shop", "s2"),
        pair("sys", "shop", "d1", adopt=True),
        drill("q1", "shop"),
    )


@pytest.mark.parametrize("end", ["shop", "new"])
def test_excluding_either_end_of_a_move_takes_all_that_depends_on_the_object(end):
    assert before().plan(moved(), excludes=(f"ProtectionGroup/{end}",)).steps == ()


@pytest.mark.parametrize("end", ["web", "web2"])
def test_either_end_of_a_move_as_a_target_brings_what_the_object_depends_on(end):
    assert told(before().plan(moved(), targets=(f"{INSTANCE}/{end}",))) == [
        "move:ProtectionGroup/new",
        f"move:{INSTANCE}/web2",
    ]


# ---------------------------------------------------------------- what is only recorded


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"name": "other"}, id="beside-an-update"),
        pytest.param({"description": "x"}, id="beside-a-replacement"),
        pytest.param({}, id="alone"),
    ],
)
@pytest.mark.parametrize("name", [pytest.param("web", id="in-place"), pytest.param("web2", id="at-a-new-address")])
def test_a_change_of_what_a_delete_leaves_behind_is_always_shown(fields, name):
    world = World(DISKS).has(group("shop"), instance("web", "shop", "s1", delete_target_server=True))
    made = world.plan(stack(group("shop"), instance(name, "shop", "s1", **{"name": "web", **fields})))
    shown = [change for step in made.steps for change in step.changes if change.field == "delete_target_server"]
    replaced_elsewhere = "description" in fields and name == "web2"
    assert [(one.old, one.new) for one in shown] == ([] if replaced_elsewhere else [(True, None)])


# ---------------------------------------------------------------- what a replacement costs

FREE = {"s1": ["d1"]}
CLEAN = {"delete_target_server": True, "delete_target_eip": True}


def whole(web=CLEAN, device="/dev/vdz", data=None, **fields):
    """A group with everything in it; `fields` of the group."""
    return [
        group("shop", **fields),
        instance("web", "shop", "s1", **web),
        pair("data", "shop", "d9", **(data or {"delete_target_volume": True})),
        attachment("data", "web", "data", device),
        drill("q1", "shop"),
    ]


@pytest.mark.parametrize(
    ("goal", "found"),
    [
        pytest.param(whole(), {}, id="nothing"),
        pytest.param(whole(device="/dev/vdb"), {f"{ATTACHMENT}/data": "by instance"}, id="attachment"),
        pytest.param(
            whole(data={"description": "x", "delete_target_volume": True}),
            {f"{ATTACHMENT}/data": "by instance"},
            id="pair-whose-disk-goes",
        ),
        pytest.param([*whole()[:4], drill("q1", "shop", drill_vpc_id="v2")], {f"{DRILL}/q1": "drill VPC"}, id="drill"),
        pytest.param(
            whole(web={**CLEAN, "description": "x"}), {f"{ATTACHMENT}/data": "by instance"}, id="instance-left-clean"
        ),
    ],
)
def test_a_replacement_needs_consent_when_it_loses_more_than_the_object(goal, found):
    world = World(FREE).has(*whole())
    made = world.plan(stack(*goal))
    dangers = {str(one.address): one for one in made.dangers}
    assert {address: one.cls for address, one in dangers.items()} == dict.fromkeys(found, DangerClass.REPLACE)
    assert [address for address, word in found.items() if word not in dangers[address].message] == []
    assert {one.group for one in made.dangers} <= {of("ProtectionGroup/shop")}
    assert not any(one.loses_protection for one in made.dangers)


@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        pytest.param(
            instance("web", "shop", "s1"),
            instance("web", "shop", "s1", description="x"),
            "; left behind and still billed: the DR server and its disks; the DR server's EIP, if it has one",
            id="instance",
        ),
        pytest.param(
            pair("web", "shop", "d9"),
            pair("web", "shop", "d9", description="x"),
            "; left behind and still billed: the DR disk",
            id="pair",
        ),
    ],
)
def test_what_stays_behind_and_is_billed_needs_a_consent(first, then, words):
    world = World(DISKS).has(group("shop"), first)
    (danger,) = world.plan(stack(group("shop"), then)).dangers
    assert (danger.cls, danger.loses_protection) == (DangerClass.REPLACE, False)
    assert words in danger.message


def test_a_replacement_in_a_protected_group_loses_protection_whatever_its_own_status_says():
    world = World(DISKS).has(group("shop", protection="enabled"), instance("web", "shop", "s1", **CLEAN))
    world.raw[INSTANCE][world.id_of(f"{INSTANCE}/web")]["status"] = "fault"
    goal = stack(group("shop", protection="enabled"), instance("web", "shop", "s1", description="x", **CLEAN))
    (danger,) = world.plan(goal).dangers
    assert danger.loses_protection


def test_without_evidence_of_its_status_protection_counts_as_lost():
    world = World(DISKS).has(group("shop"), instance("web", "shop", "s1", description="w", **CLEAN))
    world.state = {address: replace(one, attributes={}) for address, one in world.state.items()}
    goal = stack(group("shop"), instance("web", "shop", "s1", description="x", **CLEAN))
    world.observed = lambda: Observed()
    made = world.plan(goal, refreshed=False)
    assert [(one.cls, one.loses_protection) for one in made.dangers] == [(DangerClass.REPLACE, True)]


def test_asking_for_a_replacement_is_no_consent_to_it():
    world = World(DISKS).has(group("shop"), instance("web", "shop", "s1"))
    made = world.plan(stack(group("shop"), instance("web", "shop", "s1")), replaces=(f"{INSTANCE}/web",))
    assert [one.cls for one in unconsented(made)] == [DangerClass.REPLACE]


# ---------------------------------------------------------------- twins


@pytest.mark.parametrize(
    ("home", "found"), [pytest.param("shop", ["duplicate"], id="its-group"), pytest.param("db", [], id="another-group")]
)
def test_a_drill_beside_an_unknown_one_of_its_name_in_its_group_is_a_duplicate(home, found):
    stays = (group("shop"), group("db"), instance("web", "shop", "s1"))
    world = World(DISKS).has(*stays, drill("q1", home))
    del world.state[of(f"{DRILL}/q1")]
    made = world.plan(stack(*stays, drill("q2", "shop", name="Q1")))
    assert [danger.cls.value for danger in made.dangers] == found


def test_a_drill_of_a_new_group_has_no_twin():
    world = World(DISKS).has(group("shop"), drill("q1", "shop"))
    del world.state[of(f"{DRILL}/q1")]
    made = world.plan(stack(group("shop"), group("new"), drill("q1", "new")))
    assert made.dangers == ()


# ---------------------------------------------------------------- words


def test_a_withheld_replacement_is_told_of_once_and_as_one():
    world = World(DISKS).has(group("shop"), drill("q1", "shop"))
    world.set_status(world.id_of("ProtectionGroup/shop"), "failed-over")
    made = world.plan(stack(group("shop", source_vpc_id="vpc-2"), drill("q1", "shop")))
    assert "    ! replace ProtectionGroup/shop: disaster recovery is in progress" in text(made)
    assert "delete" not in text(made)
    assert summary(made) == "Nothing to do now. 2 steps withheld."


def test_the_danger_of_an_attachment_says_that_servers_lose_the_disk():
    view = [group("shop", protection="enabled"), instance("web", "shop", "s1"), pair("a", "shop", "v1")]
    world = World(DISKS).has(*view, attachment("one", "web", "a"))
    (danger,) = world.plan(stack(*view)).dangers
    used = f"the use of pair {world.id_of(f'{PAIR}/a')} by instance {world.id_of(f'{INSTANCE}/web')}"
    assert f"{used}, whose servers lose its disks" in danger.message


def test_a_pair_of_an_instance_whose_create_is_still_open_is_waited_for():
    world = World(DISKS).has(group("shop"), instance("web", "shop", "s1"))
    del world.state[of(f"{INSTANCE}/web")]  # its create was sent, and what became of it is not known yet
    open_ = OpenOperation(of(f"{INSTANCE}/web"), Action.CREATE, "job j1 is still running")
    made = world.plan(stack(*adopted()), open_=[open_])
    assert told(made) == []
    assert any(str(of(f"{PAIR}/sys")) in warning.summary for warning in made.warnings)


@pytest.mark.parametrize(("status", "goal"), [("error-starting", "enabled"), ("error-stopping", "disabled")])
def test_a_group_that_takes_no_members_says_what_leads_out_of_that(status, goal):
    world = World(DISKS).has(group("shop"), instance("web", "shop", "s1"))
    world.set_status(world.id_of("ProtectionGroup/shop"), status)
    view = stack(group("shop"), instance("web", "shop", "s1"), instance("app", "shop", "s2"))
    with pytest.raises(InputError) as caught:
        world.plan(view)
    (finding,) = caught.value.findings
    assert f"protection to {goal}" in finding.fix
    told_so = stack(group("shop", protection=goal), instance("web", "shop", "s1"), instance("app", "shop", "s2"))
    world.apply(world.plan(told_so))
    assert world.plan(told_so).steps == ()


def test_the_last_member_of_a_group_that_is_enabled_again_goes_after_that():
    world = World(DISKS).has(group("shop"), instance("web", "shop", "s1"))
    world.set_status(world.id_of("ProtectionGroup/shop"), "error-starting")
    wanted = stack(group("shop", protection="enabled"), instance("web", "shop", "s2"))
    assert world.apply(world.plan(wanted)) == set()
    assert world.plan(wanted).steps == ()


def test_an_adopted_pair_that_somebody_deleted_holds_up_nothing_else():
    world = World(DISKS).has(*adopted())
    lost = world.raw[PAIR].pop(world.id_of(f"{PAIR}/sys"))
    world.raw[INSTANCE][world.id_of(f"{INSTANCE}/web")]["attachment"] = []
    renamed = stack(group("shop"), instance("web", "shop", "s1", name="front"), adopted()[2])
    made = world.plan(renamed)
    assert told(made) == [f"update:{INSTANCE}/web"]
    assert [one.address for one in made.drift if one.gone] == [of(f"{PAIR}/sys")]
    (warning,) = made.warnings
    assert "only its instance can bring a new one" in warning.summary
    assert world.apply(world.plan(renamed, replaces=(f"{INSTANCE}/web",))) == set()
    assert world.plan(renamed).steps == ()
    assert lost["id"] != world.id_of(f"{PAIR}/sys")
