"""Plans of many steps and dangers: what is equal is said once, and nothing that costs something is hidden."""

import re
import sys
from dataclasses import replace
from functools import partial

import pytest

from declarative.model import Action, Change, Consent, Danger, DangerClass, Plan, Prerequisite, Reason, Resource, Step
from declarative.planner.consents import Unconsented, unconsented
from declarative.planner.impact import Copied, Duration, Impact, LeftBehind, Unprotected
from declarative.views.dangers import danger_groups, prerequisite_groups, refusal_lines
from declarative.views.impact import impact_lines, points
from declarative.views.plans import Manner, plan_lines
from declarative.views.text import listing, plain
from tests.scaffold.planned_world import GROUP, INSTANCE, PAIR, World, group, instance, of, pair, stack
from tests.scaffold.planning import BASIS

DEFAULT, FULL, CONCISE = Manner(), Manner(full=True), Manner(concise=True)


def step(action, address, reason=Reason.NEW, *, changes=(), object_id="", leaves=(), inputs=None):
    address = of(address)
    attributes = {"name": address.name} if object_id else {}
    resource = Resource(address, object_id, inputs or {}, attributes)
    return Step(f"{action.value}:{address}", address, action, reason, resource, changes, leaves=leaves)


def creates(count, kind=GROUP, fields=("name",)):
    changes = tuple(Change(field, None, "x") for field in fields)
    return [step(Action.CREATE, f"{kind}/n{number}", changes=changes) for number in range(count)]


def deletes(count, **more):
    return [
        step(Action.DELETE, f"{GROUP}/g{number}", Reason.DESTROY, object_id=f"id-{number}", **more)
        for number in range(count)
    ]


def plan_of(*steps, **more):
    return Plan(BASIS, tuple(steps), **more)


def text(plan, manner=DEFAULT):
    return plain(plan_lines(plan, missing=unconsented(plan), manner=manner))


def block(title, told):
    return told.partition(f"\n{title}\n")[2].partition("\n\n")[0].splitlines()


# ---------------------------------------------------------------- steps


def test_ten_thousand_creates_fit_on_a_screen():
    told = text(plan_of(*creates(10_000)))
    assert len(told.splitlines()) < 24
    assert "    + create 9,997 more, ProtectionGroup/n3 … ProtectionGroup/n9999  (new; -v lists all)\n" in told
    assert told.splitlines()[0] == "Plan: 10,000 to create."


def test_twenty_equal_steps_are_all_shown():
    assert "more" not in text(plan_of(*creates(20)))
    assert text(plan_of(*creates(21))).count("+ create") == 4


def test_verbose_shows_each_of_many():
    told = text(plan_of(*creates(500)), FULL)
    assert told.count("+ create ") == told.count('name  "x"') == 500


def test_a_concise_plan_counts_many_equal_steps_too():
    told = text(plan_of(*creates(500)), CONCISE)
    assert told.count("+ create ") == 4
    assert text(plan_of(*creates(500)), Manner(concise=True, full=True)).count("+ create ") == 500


@pytest.mark.parametrize("manner", [DEFAULT, CONCISE, FULL], ids=["default", "concise", "verbose"])
def test_no_step_that_costs_something_is_hidden_among_many(manner):
    steps = [*creates(3000)]
    costly = []
    for number in range(60):
        old = f"{GROUP}/old{number}"
        costly += [(old, "disable"), (old, "delete"), (f"{PAIR}/again{number}", "replace")]
        steps += [
            step(Action.DISABLE, old, Reason.DESTROY, object_id=f"o{number}"),
            step(Action.DELETE, old, Reason.DESTROY, object_id=f"o{number}"),
            step(Action.DELETE, f"{PAIR}/again{number}", Reason.REPLACED, object_id=f"p{number}"),
            step(Action.CREATE, f"{PAIR}/again{number}", Reason.REPLACED),
        ]
    told = block("Steps:", text(plan_of(*steps), manner))
    for address, verb in costly:
        assert [line for line in told if f" {verb} {address} " in f"{line} "], (address, verb)


def test_many_deletes_take_a_line_each_with_the_id():
    told = block("Steps:", text(plan_of(*deletes(200))))
    assert len(told) == 203
    assert told[-1] == "    - delete ProtectionGroup/g199  id-199"


def test_a_name_that_differs_from_the_address_is_told_in_the_one_line():
    steps = [replace(one, resource=replace(one.resource, attributes={"name": "::x"})) for one in deletes(30)]
    assert block("Steps:", text(plan_of(*steps)))[-1] == '    - delete ProtectionGroup/g29  id-29 "::x"'


def test_a_create_without_a_consent_is_never_counted_only():
    steps = creates(100)
    danger = Danger(DangerClass.DUPLICATE, "another has this name", steps[70].address)
    told = block("Steps:", text(plan_of(*steps, dangers=(danger,))))
    assert "    + create ProtectionGroup/n70" in told


def test_steps_that_change_other_fields_are_counted_apart():
    told = text(plan_of(*creates(100), *creates(100, PAIR), *creates(100, INSTANCE, ("name", "tags"))))
    assert told.count(" more, ") == 3


def test_the_order_of_steps_stays():
    steps = [*creates(50), *deletes(1), *creates(50, PAIR)]
    told = "\n".join(block("Steps:", text(plan_of(*steps))))
    assert re.search(r"47 more, ProtectionGroup.*delete ProtectionGroup/g0.*47 more, ReplicationPair", told, re.DOTALL)


# ---------------------------------------------------------------- dangers


def dangers_of(steps, message="deletes the protection group '{name}' ({id})"):
    return tuple(
        Danger(DangerClass.DELETE, message.format(name=one.address.name, id=one.resource.id), one.address)
        for one in steps
    )


def test_equal_dangers_are_one_sentence_and_a_list():
    steps = deletes(7)
    told = block("Dangers:", text(plan_of(*steps, dangers=dangers_of(steps))))
    assert told == [
        "    ! delete 7 objects: deletes the protection group",
        "      ProtectionGroup/g0, ProtectionGroup/g1, ProtectionGroup/g2,",
        "      ProtectionGroup/g3, ProtectionGroup/g4, ProtectionGroup/g5,",
        "      ProtectionGroup/g6",
        "    To accept them, add:",
        "      " + " ".join(f"--allow delete:ProtectionGroup/g{number}" for number in range(7)),
        "    Or keep the plan with -o FILE; then `declarative apply FILE` takes fewer words:",
        "      --allow delete",
    ]


def test_the_servers_of_equal_dangers_are_left_to_their_list():
    there = World().has(group("shop", protection="enabled"), *(instance(f"i{n}", "shop", f"s{n}") for n in range(4)))
    plan = there.plan(stack(group("shop", protection="enabled"), instance("i0", "shop", "s0")))
    (found,) = danger_groups(plan, unconsented(plan))
    assert found.message == (
        "deletes the protected instance, and with it its protection (status protected)"
        " and 1 replication pair that came with it"
    )
    assert found.subjects == [f"{INSTANCE}/i{number}" for number in (1, 2, 3)]


def test_dangers_that_say_more_are_told_apart():
    steps = deletes(2)
    dangers = (*dangers_of(steps[:1]), *dangers_of(steps[1:], "deletes the protection group '{name}' ({id}), and more"))
    told = block("Dangers:", text(plan_of(*steps, dangers=dangers)))
    assert [line for line in told if line.startswith("    !")] == [
        "    ! delete ProtectionGroup/g0: deletes the protection group 'g0' (id-0)",
        "    ! delete ProtectionGroup/g1: deletes the protection group 'g1' (id-1), and more",
    ]


def test_consented_dangers_are_counted_and_verbose_lists_them():
    steps = deletes(200)
    plan = plan_of(*steps, dangers=dangers_of(steps), consents=(Consent(DangerClass.DELETE),))
    assert block("Dangers:", text(plan)) == ["    200 dangers are consented to: 200 delete (-v lists all)"]
    told = "\n".join(block("Dangers:", text(plan, FULL)))
    assert "    ! delete 200 objects: deletes the protection group  (consented to)" in told
    assert all(f"{one.address}" in told for one in steps)


def test_every_danger_without_a_consent_is_named_however_many():
    steps = deletes(3000)
    told = "\n".join(block("Dangers:", text(plan_of(*steps, dangers=dangers_of(steps)), CONCISE)))
    names = re.findall(r"ProtectionGroup/g\d+", told.partition("To accept")[0])
    assert names == [str(one.address) for one in steps]


def test_a_danger_is_said_once_in_a_refused_apply():
    steps = deletes(3)
    plan = plan_of(*steps, dangers=(*dangers_of(steps), Danger(DangerClass.MASS_DELETE, "3 objects would be deleted")))
    missing = unconsented(plan)
    shown = plain(plan_lines(plan, missing=missing, manner=Manner(paste=False)))
    refused = plain(refusal_lines(Unconsented(missing)))
    assert refused == (
        "error: nothing was changed: the plan has 4 dangers that need your consent.\n"
        "  delete       3 objects\n"
        "  mass-delete  the plan as a whole\n"
        "To accept them, add:\n"
        "  --allow delete:ProtectionGroup/g0 --allow delete:ProtectionGroup/g1 --allow delete:ProtectionGroup/g2"
        " --allow mass-delete\n"
    )
    assert "--allow" not in shown
    assert "deletes the" not in refused


def test_a_saved_plan_takes_the_class_alone():
    refused = plain(refusal_lines(Unconsented(dangers_of(deletes(3)), fixed=True)))
    assert refused.endswith("To accept them, add:\n  --allow delete\n")


def test_what_nobody_can_accept_is_told_with_the_way_out():
    one = Danger(DangerClass.PREVENT_DESTROY, "it must not go", of(f"{GROUP}/g0"))
    refused = plain(refusal_lines(Unconsented([one, *dangers_of(deletes(1))])))
    assert "  prevent_destroy  1 object: no option overrides this. Set lifecycle.prevent_destroy to false" in refused
    assert refused.endswith("To accept the others, once that is put right, add:\n  --allow delete:ProtectionGroup/g0\n")
    assert "add:" not in plain(refusal_lines(Unconsented([one])))


# ---------------------------------------------------------------- prerequisites


def test_equal_prerequisites_are_one_sentence_and_the_ids():
    members = [instance(f"i{number}", "shop", f"s{number}") for number in range(3)]
    told = block(
        "Check these in other services (SDRS can't see them):", text(World().plan(stack(group("shop"), *members)))
    )
    assert told == [
        (
            "    ! each server must be in the group's VPC and in its current production zone, running or shut off,"
            " with EVS disks of its own only (none shared, none encrypted):"
        ),
        "      s0, s1, s2",
    ]


def test_one_prerequisite_is_told_with_its_address():
    told = text(World().plan(stack(group("shop"), pair("data", "shop", "v1"))))
    assert "    ! ReplicationPair/data: disk v1 must be available" in told


def test_two_hundred_prerequisites_are_cut_and_verbose_lists_them():
    members = [instance(f"i{number}", "shop", f"s{number:03}") for number in range(200)]
    plan = World().plan(stack(group("shop"), *members))
    assert "and 180 more (-v lists all)" in text(plan)
    (found,) = prerequisite_groups(plan)
    assert len(found.subjects) == 200
    assert "s199" in "\n".join(block("Check these in other services (SDRS can't see them):", text(plan, FULL)))


# ---------------------------------------------------------------- impact

SHOP = f"{GROUP}/shop"


@pytest.mark.parametrize(
    ("found", "sentence", "names"),
    [
        pytest.param(
            Unprotected(SHOP, 2, 3, f"disable:{SHOP}", f"enable:{SHOP}"),
            f"2 servers lose protection from disable {SHOP} until enable {SHOP} and the first copy after it are done",
            [],
            id="for-a-while",
        ),
        pytest.param(
            Unprotected(SHOP, 1, 3, f"delete:{INSTANCE}/web", ""),
            f"1 server loses protection from delete {INSTANCE}/web on, and no step of this plan protects it again",
            [f"{SHOP} (1 server)"],
            id="for-good",
        ),
        pytest.param(
            Unprotected("g-9", 0, 1, f"delete:{PAIR}/x", ""),
            f"1 disk loses protection from delete {PAIR}/x on, and no step of this plan protects it again",
            ["g-9"],
            id="a-disk",
        ),
        pytest.param(
            Unprotected(SHOP, None, None, f"disable:{SHOP}", ""),
            f"servers whose number is not known lose protection from disable {SHOP} on,"
            " and no step of this plan protects them again",
            [],
            id="nobody-knows",
        ),
        pytest.param(
            Copied(SHOP, 2, 3, 3, 1640, again=True, since=f"enable:{SHOP}"),
            f"2 servers with 3 disks are copied again from enable {SHOP} on, 1,640 GB",
            [],
            id="again",
        ),
        pytest.param(
            Copied(SHOP, 1, None, 0, 0, again=False, since=""),
            "1 server is copied once the group is protected, of a size that is not known",
            [f"{SHOP} (1 server)"],
            id="size-unknown",
        ),
        pytest.param(
            Copied("", 0, 3, 2, 50, again=False, since=""),
            "3 disks are copied once the group is protected, 50 GB and what the other disks hold",
            ["a group that the plan does not name"],
            id="size-of-some",
        ),
        pytest.param(
            LeftBehind(of(f"{INSTANCE}/web"), "the DR server and its disks", "dr-1"),
            "left behind and still billed: the DR server and its disks",
            [f"{INSTANCE}/web (dr-1)"],
            id="left-behind",
        ),
    ],
)
def test_the_impact_in_words(found, sentence, names):
    field = {Unprotected: "unprotected", Copied: "copied", LeftBehind: "left_behind"}[type(found)]
    (point,) = points(Impact(**{field: (found,)}))
    assert (point.sentence, list(point.names)) == (sentence, names)


def test_how_long_it_takes_is_told_where_somebody_waits_for_the_end():
    seen = Duration(Action.ENABLE, GROUP, 1, 20.0), Duration(Action.CREATE, INSTANCE, 3, 300.0)
    assert [*points(Impact(durations=seen))] == []
    *_, last = points(Impact((Unprotected(SHOP, 1, 1, "a", "b"),), durations=seen))
    told = "enabling a protection group 20 s, creating a protected instance 5 min"
    assert last.sentence == f"seen so far, for one object each: {told}"
    copied = Copied(SHOP, 1, 1, 1, 1, again=False, since="")
    *_, last = points(Impact(copied=(copied,), durations=seen))
    assert last.sentence.endswith("5 min; how long copying takes is not documented")


def test_what_is_equal_in_many_groups_is_said_once():
    some = tuple(Unprotected(f"{GROUP}/g{n}", 2, 2, f"disable:{GROUP}/g{n}", "") for n in range(200))
    told = plain(impact_lines(Impact(some), full=False)).splitlines()
    assert told[0] == (
        "    ! 400 servers lose protection from disable on, and no step of this plan protects them again:"
    )
    assert told[1].startswith("      ProtectionGroup/g0 (2 servers), ")
    assert told[-1] == "      and 180 more (-v lists all)"
    assert len(plain(impact_lines(Impact(some), full=True)).splitlines()) > 60


def test_what_each_of_several_deletes_leaves_is_said_once():
    left = [
        one
        for name in ("web", "db")
        for one in (
            LeftBehind(of(f"{INSTANCE}/{name}"), "the DR server and its disks", f"dr-{name}"),
            LeftBehind(of(f"{INSTANCE}/{name}"), "the DR server's EIP, if it has one", ""),
        )
    ]
    assert plain(impact_lines(Impact(left_behind=tuple(left)), full=False)) == (
        "    ! left behind and still billed (2 times): the DR server and its disks;"
        " the DR server's EIP, if it has one:\n"
        f"      {INSTANCE}/web (dr-web), {INSTANCE}/db (dr-db)\n"
    )


def test_names_are_listed_in_lines_of_eighty_characters():
    names = [f"{GROUP}/group-{number}" for number in range(100)]
    told = plain(listing(names)).splitlines()
    assert all(len(line) <= 80 for line in told)
    assert " ".join(line.strip() for line in told).split(", ") == names


# ---------------------------------------------------------------- nothing is forged

HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07",
    "a\r\n    - delete ProtectionGroup/forged  (gone)",
    "a\nDangers:\n    200 dangers are consented to",
    "::set-env name=PATH::/tmp",
    "##vso[task.setvariable variable=x]y",
    "\u202egnp\u2066",
    "\u2028\u2029\u200b",
    "x, ProtectionGroup/forged (1 server)",
    "' (id) the protection group '",
    "-v lists all",
    "x" * 5000,
]


def hostile(word):
    """A plan of many equal dangers, prerequisites and left-behinds, with `word` as every name and id."""
    gone = [
        replace(
            step(Action.DELETE, f"{INSTANCE}/i{number}", Reason.DESTROY, object_id=word, leaves=(word, "the DR disk")),
            resource=Resource(
                of(f"{INSTANCE}/i{number}"),
                word,
                {"name": word, "server_group_id": word},
                {"name": word, "server_id": word, "status": word, "target_server": word, "server_group_id": word},
            ),
        )
        for number in range(30)
    ]
    message = f"deletes the protected instance '{word}' ({word}), and with it the protection of server {word}"
    made = [step(Action.CREATE, f"{INSTANCE}/n{number}", inputs={"server_id": word}) for number in range(30)]
    return plan_of(
        *gone,
        *made,
        dangers=tuple(Danger(DangerClass.DELETE, message, one.address, None, loses_protection=True) for one in gone),
        prerequisites=tuple(Prerequisite(one.address, f"server {word} must be {word}") for one in made),
    )


@pytest.mark.parametrize("manner", [DEFAULT, CONCISE, FULL], ids=["default", "concise", "verbose"])
@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
def test_no_name_forges_a_line_where_equal_things_are_grouped(word, manner):
    harmless, told = text(hostile("harmless"), manner).splitlines(), text(hostile(word), manner).split("\n")[:-1]
    openings = {line[:6] for line in harmless}
    for line in told:
        assert line.isprintable()
        assert "##" not in line
        assert not line.lstrip().startswith(("::", "[", "- delete ProtectionGroup/forged"))
        assert line[:6] in openings or line.startswith('      "')
    assert sum(line.startswith("    ! ") for line in told) == sum(line.startswith("    ! ") for line in harmless)
    assert [line for line in told if not line.startswith(" ")] == [
        line for line in harmless if not line.startswith(" ")
    ]


# ---------------------------------------------------------------- cost


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


@pytest.mark.parametrize("manner", [DEFAULT, CONCISE, FULL], ids=["default", "concise", "verbose"])
@pytest.mark.parametrize("made", [creates, deletes], ids=["creates", "deletes"])
def test_showing_a_plan_grows_with_its_steps(made, manner):
    costs = []
    for count in (200, 2000):
        steps = made(count)
        plan = plan_of(*steps, dangers=dangers_of(steps) if made is deletes else ())
        costs.append(work(partial(text, plan, manner)))
    assert costs[1] < 11 * costs[0]
