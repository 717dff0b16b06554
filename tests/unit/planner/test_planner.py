"""Which steps follow from desired, recorded and observed, and why."""

from dataclasses import replace

import pytest

from declarative.errors import InputError, Severity
from declarative.model import (
    Action,
    Change,
    Desired,
    Drift,
    Lookups,
    Observed,
    OpenOperation,
    Reason,
    Resource,
)
from declarative.planner.comparison import compare
from declarative.planner.differences import field_changes, seen_inputs
from declarative.planner.planner import make_plan
from declarative.planner.selection import PlanRequest
from tests.scaffold.planning import (
    BASIS,
    LOOKUPS,
    at,
    brief,
    cloud,
    desired,
    inputs,
    plan,
    position,
    recorded,
    seen,
    view,
)

IMPORTED = {"given": {}}


def told(made):
    """Steps as `action field,field: reason`."""
    return [
        f"{step.action.value} {','.join(change.field for change in step.changes)}: {step.reason.value}"
        for step in made.steps
    ]


@pytest.mark.parametrize(
    ("wanted", "known", "shown", "steps"),
    [
        pytest.param({}, {}, {}, [], id="nothing-differs"),
        pytest.param({"name": "b"}, {}, {}, ["update name: edited"], id="name-edited"),
        pytest.param({}, {}, {"name": "b"}, ["update name: drifted"], id="name-drifted"),
        pytest.param({"name": "c"}, {}, {"name": "b"}, ["update name: edited"], id="edited-beats-drifted"),
        pytest.param({"name": "b"}, {}, {"name": "b"}, ["record name: edited"], id="cloud-is-there-already"),
        pytest.param(
            {"source_vpc_id": "v2"},
            {},
            {},
            ["delete : replaced", "create source_vpc_id: replaced"],
            id="immutable-field",
        ),
        pytest.param(
            {"description": "x", "name": "b"},
            {},
            {},
            ["delete : replaced", "create description,name: replaced"],
            id="immutable-beats-in-place",
        ),
        pytest.param({"description": ""}, {}, {}, ["record description: edited"], id="empty-description-is-none"),
        pytest.param({}, {"description": "x"}, {"description": "x"}, ["record description: edited"], id="line-removed"),
        pytest.param({}, {}, {"description": "x"}, [], id="unmanaged-field"),
        pytest.param({}, {}, {"dr_type": "other", "progress": 7, "updated_at": "now"}, [], id="volatile-fields"),
        pytest.param({"server_type": "ECS"}, {"server_type": "ECS"}, {}, [], id="not-shown-but-recorded"),
        pytest.param(
            {"server_type": "X"},
            {"server_type": "ECS"},
            {"server_type": None},
            ["delete : replaced", "create server_type: replaced"],
            id="not-shown-and-edited",
        ),
        pytest.param({"server_type": "ECS"}, {}, {}, ["record server_type: edited"], id="not-shown-newly-managed"),
        pytest.param({"prevent_destroy": True}, {}, {}, ["record lifecycle.prevent_destroy: edited"], id="lifecycle"),
        pytest.param({"depends_on": ["z"]}, {}, {}, ["record depends_on: edited"], id="dependency-added"),
        pytest.param({"depends_on": ["z", "y"]}, {"depends_on": ["y", "z"]}, {}, [], id="dependencies-have-no-order"),
        pytest.param(
            {"prevent_destroy": True, "name": "b"},
            {},
            {},
            ["update name,lifecycle.prevent_destroy: edited"],
            id="update-records-lifecycle",
        ),
        pytest.param(
            {}, {}, {"status": "error"}, ["delete : creation-failed", "create : creation-failed"], id="broken"
        ),
        pytest.param(
            {}, {}, {"status": "deleting"}, ["delete : being-deleted", "create : being-deleted"], id="leaving"
        ),
        pytest.param({"name": "b"}, {}, {"status": "starting"}, ["update name: edited"], id="busy-is-planned"),
    ],
)
def test_steps_follow_from_the_three_views(wanted, known, shown, steps):
    first = {"description": known.get("description")}
    others_wanted = [desired("y", name="y"), desired("z", name="z")]
    others = [recorded("y", "id-y", name="y"), recorded("z", "id-z", name="z")]
    present = cloud(seen(**{**first, **shown}), *(one.attributes for one in others))
    assert told(plan([desired("a", **wanted), *others_wanted], [recorded("a", **known), *others], present)) == steps


@pytest.mark.parametrize(
    ("wanted", "shown", "steps"),
    [
        pytest.param({}, {}, "adopt", id="equal"),
        pytest.param({"name": "b"}, {}, "update", id="in-place"),
        pytest.param({"source_vpc_id": "v2"}, {}, "delete create", id="replace"),
        pytest.param({"server_type": "ECS"}, {}, "adopt", id="not-shown-is-unknown"),
        pytest.param({"description": ""}, {}, "adopt", id="empty"),
    ],
)
def test_imported_object_is_adopted_or_changed(wanted, shown, steps):
    made = plan([desired("a", **wanted)], [recorded("a", **IMPORTED)], cloud(seen(**shown)))
    assert " ".join(step.action.value for step in made.steps) == steps
    assert {step.reason for step in made.steps} == {Reason.IMPORTED}
    assert made.steps[-1].resource.inputs == inputs(**wanted)


def test_new_object_tells_all_fields_and_an_unknown_id():
    made = plan([desired("a", description="x")])
    (step,) = made.steps
    assert (step.id, step.reason) == ("create:ProtectionGroup/a", Reason.NEW)
    assert step.changes[0] == Change("id", new_known=False)
    assert {change.field: change.new for change in step.changes[1:]} == inputs(description="x")
    assert step.resource == Resource(at("a"), "", inputs(description="x"))


def test_object_gone_from_the_cloud_is_created_again():
    made = plan(
        [desired("a"), desired("b")], [recorded("a"), recorded("b", "id-2")], cloud(seen("id-2"), gone=["id-1"])
    )
    assert told(made)[0].endswith("gone-from-cloud")
    assert made.steps[0].changes[0] == Change("id", "id-1", new_known=False)
    assert made.drift == (Drift(at("a"), gone=True),)


def test_object_gone_from_manifests_is_deleted_with_what_must_still_hold():
    made = plan([desired("b")], [recorded("a"), recorded("b", "id-2", name="b")])
    assert brief(made) == ["delete a", "update b"]
    step = made.steps[0]
    assert (step.reason, step.resource) == (Reason.GONE_FROM_MANIFESTS, recorded("a"))
    assert step.before == {
        **inputs(),
        "id": "id-1",
        "description": None,
        "dr_type": "migration",
        "priority_station": "source",
    }


@pytest.mark.parametrize(
    ("request_", "steps"),
    [
        pytest.param({}, ["forget a: gone-from-cloud"], id="plan"),
        pytest.param({"destroy": True}, ["forget a: gone-from-cloud"], id="destroy"),
        pytest.param({"refresh_only": True}, ["forget a: gone-from-cloud"], id="refresh-only"),
    ],
)
def test_what_is_gone_on_both_sides_is_forgotten(request_, steps):
    made = plan([], [recorded("a")], cloud(gone=["id-1"]), **request_)
    assert [f"{step.action.value} {step.address.name}: {step.reason.value}" for step in made.steps] == steps


def test_update_carries_the_whole_new_object_and_what_must_still_hold():
    known = recorded("a", description="x")
    (step,) = plan([desired("a", name="b", description="x")], [known]).steps
    assert step.resource.inputs == inputs(name="b", description="x")
    assert (step.resource.id, step.before["name"]) == ("id-1", "shop")
    assert step.changes == (Change("name", "shop", "b"),)


def test_replacement_deletes_before_it_creates():
    first, then = plan([desired("a", source_vpc_id="v2")], [recorded("a")]).steps
    assert (first.action, then.action, then.requires) == (Action.DELETE, Action.CREATE, (first.id,))
    assert (first.resource.id, then.resource.id) == ("id-1", "")


def test_replacement_can_be_asked_for():
    made = plan([desired("a"), desired("b", name="b")], [recorded("a")], replaces=("ProtectionGroup/*",))
    assert told(made)[:2] == ["delete : requested", "create : requested"]
    assert made.steps[2].reason is Reason.NEW


# ---------------------------------------------------------------- ignored fields


@pytest.mark.parametrize(
    ("wanted", "known", "shown", "steps"),
    [
        pytest.param({"description": "y"}, {"description": "x"}, {"description": "x"}, [], id="edit-is-ignored"),
        pytest.param({"description": "x"}, {"description": "x"}, {"description": "z"}, [], id="drift-is-ignored"),
        pytest.param({"description": "y"}, {}, {"description": None}, [], id="never-recorded"),
        pytest.param({"domain": None, "domain_id": "domain-1"}, {}, {"domain_id": "d9"}, [], id="domain-means-its-id"),
    ],
)
def test_ignored_fields_make_no_change(wanted, known, shown, steps):
    ignore = ["description", "domain"]
    made = plan([desired("a", ignore=ignore, **wanted)], [recorded("a", ignore=ignore, **known)], cloud(seen(**shown)))
    assert told(made) == steps
    assert made.drift == ()


def test_replacement_is_made_with_ignored_fields_as_they_were_recorded():
    known = recorded("a", ignore=["name"], name="first")
    wanted = desired("a", ignore=["name"], name="edited", source_vpc_id="v2")
    made = plan([wanted], [known], cloud(seen(name="second")))
    assert made.steps[-1].resource.inputs == inputs(name="first", source_vpc_id="v2")


def test_call_that_repeats_an_ignored_field_sends_it_as_it_is_seen():
    ignored = frozenset({"name", "description"})
    sent = seen_inputs(inputs(name="first", description="x"), ignored, seen=seen(name="second", description=None))
    assert sent == inputs(name="second", description="x")


# ---------------------------------------------------------------- moves


@pytest.mark.parametrize(
    ("new", "old", "shown", "steps"),
    [
        pytest.param([("n", {})], [("o", {})], [{}], ["move n"], id="one-to-one"),
        pytest.param([("n", {})], [("o", IMPORTED)], [{}], ["move n"], id="imported"),
        pytest.param([("n", {})], [("o", {})], [{"name": "z"}], ["move n", "update n"], id="drifted-name-is-put-back"),
        pytest.param([("n", {"name": "z"})], [("o", {})], [{}], ["create n", "delete o"], id="another-name"),
        pytest.param([("n", {}), ("m", {})], [("o", {})], [{}], ["create m", "create n", "delete o"], id="two-new"),
        pytest.param([("n", {})], [("o", {}), ("p", {})], [{}, {}], ["create n", "delete o", "delete p"], id="two-old"),
        pytest.param(
            [("n", {})], [("o", {})], [{"status": "error"}], ["create n", "delete o"], id="broken-does-not-move"
        ),
        pytest.param(
            [("n", {})], [("o", {})], [{"source_vpc_id": "v9"}], ["create n", "delete o"], id="not-what-was-recorded"
        ),
        pytest.param([("n", {"description": "x"})], [("o", {})], [{}], ["create n", "delete o"], id="more-wanted"),
        pytest.param([("n", {})], [("o", {"description": "x"})], [{"description": "x"}], ["move n"], id="less-wanted"),
    ],
)
def test_moves(new, old, shown, steps):
    known = [recorded(name, f"id-{name}", **fields) for name, fields in old]
    present = cloud(*(seen(f"id-{name}", **fields) for (name, _), fields in zip(old, shown, strict=True)))
    assert brief(plan([desired(name, **fields) for name, fields in new], known, present)) == steps


def test_move_makes_no_call_and_keeps_the_id():
    (step,) = plan([desired("n", prevent_destroy=True)], [recorded("o")]).steps
    assert (step.action, step.reason, step.source) == (Action.MOVE, Reason.MOVED, at("o"))
    assert (step.resource.id, step.resource.address, step.resource.inputs) == ("id-1", at("n"), inputs())
    assert step.changes == (Change("lifecycle.prevent_destroy", False, True),)


def test_update_after_a_move_waits_for_it():
    move, update = plan([desired("n")], [recorded("o")], cloud(seen(name="z"))).steps
    assert update.requires == (move.id,)


def test_asking_for_a_replacement_undoes_a_move():
    assert brief(plan([desired("n")], [recorded("o")], replaces=("*/n",))) == ["create n", "delete o"]


# ---------------------------------------------------------------- without a refresh


def test_recorded_attributes_stand_in_for_the_cloud():
    made = plan([desired("a", name="b")], [recorded("a")], Observed(), refreshed=False)
    assert told(made) == ["update name: edited"]
    assert made.drift == ()
    assert made.basis.refreshed is False


def test_object_that_was_never_read_back_does_not_differ():
    known = Resource(at("a"), "id-1", inputs(description="x"))
    assert plan([desired("a", description="x")], [known], Observed(), refreshed=False).steps == ()


def test_domain_of_a_new_object_cannot_be_looked_up():
    with pytest.raises(
        InputError, match=r"spec/domain:1:1: error: can't look up domain 'Duo': the cloud's list was not read"
    ):
        plan([desired("a")], [], Observed(), refreshed=False)


def test_domain_id_needs_no_lookup():
    made = plan([desired("a", domain=None, domain_id="domain-1")], [], Observed(), refreshed=False)
    assert made.steps[0].resource.inputs == inputs()


def test_imported_domain_is_taken_from_what_was_seen():
    made = plan([desired("a")], [recorded("a", **IMPORTED)], Observed(), refreshed=False)
    assert told(made)[0].startswith("adopt")
    assert made.steps[0].resource.inputs["domain_id"] == "domain-1"


def test_refresh_that_left_out_an_object_is_a_bug_of_the_caller():
    with pytest.raises(ValueError, match="id-1 is neither observed nor confirmed to be gone"):
        plan([desired("a")], [recorded("a")], cloud())


# ---------------------------------------------------------------- refresh only, destroy


def test_refresh_only_records_what_drifted():
    known = [recorded("a"), recorded("b", "id-2", name="b")]
    made = plan([], known, cloud(seen(name="z", progress=9), seen("id-2", name="b", progress=9)), refresh_only=True)
    (step,) = made.steps
    assert (step.action, step.reason) == (Action.RECORD, Reason.DRIFTED)
    assert step.resource.inputs == inputs(name="z")
    assert step.resource.attributes["progress"] == 9
    assert step.changes == (Change("name", "shop", "z"),)


def test_refresh_only_looks_at_no_document():
    assert plan([desired("a", domain="Nope"), desired("n")], [], refresh_only=True).steps == ()


def test_destroy_deletes_all_that_is_recorded_for_that_reason():
    made = plan([desired("a"), desired("new")], [recorded("a"), recorded("b", "id-2")], destroy=True)
    assert told(made) == ["delete : destroy", "delete : destroy"]
    assert made.basis.destroy is True


# ---------------------------------------------------------------- held, open


@pytest.mark.parametrize(
    ("wanted", "request_", "actions"),
    [
        pytest.param([desired("a", name="b")], {}, [Action.UPDATE], id="update"),
        pytest.param([desired("a", source_vpc_id="v2")], {}, [Action.DELETE, Action.CREATE], id="replace"),
        pytest.param([desired("a", prevent_destroy=True)], {}, [Action.RECORD], id="record"),
        pytest.param([], {}, [Action.DELETE], id="delete"),
        pytest.param([], {"destroy": True}, [Action.DELETE], id="destroy"),
        pytest.param([desired("n")], {}, [Action.MOVE], id="move"),
    ],
)
def test_held_object_gets_no_step(wanted, request_, actions):
    made = plan(wanted, [recorded("a")], cloud(seen(status="failed-over")), **request_)
    assert made.steps == ()
    assert [withheld.action for withheld in made.withheld] == actions
    assert {one.message for one in made.withheld} == {"disaster recovery is in progress: its status is failed-over"}


def test_held_object_that_needs_nothing_is_a_warning():
    made = plan([desired("a")], [recorded("a")], cloud(seen(status="surprise")))
    assert (made.withheld, made.dangers) == ((), ())
    (warning,) = made.warnings
    assert warning.severity is Severity.WARNING
    assert warning.summary == (
        "ProtectionGroup/a is left alone: disaster recovery is in progress: its status is surprise"
    )


def test_other_objects_go_on_beside_a_held_one():
    known = [recorded("a"), recorded("b", "id-2", name="b")]
    present = cloud(seen(status="reversing"), seen("id-2", name="b"))
    made = plan([desired("a", name="x"), desired("b", name="y")], known, present)
    assert brief(made) == ["update b"]


def test_what_waits_for_a_held_object_is_withheld_with_it():
    known = [recorded("a"), recorded("b", "id-2", depends_on=["a"]), recorded("c", "id-3")]
    present = cloud(seen(), seen("id-2", status="failed-over"), seen("id-3"))
    made = plan([], known, present, destroy=True)
    assert brief(made) == ["delete c"]
    assert {str(one.address): one.message for one in made.withheld} == {
        "ProtectionGroup/a": "it waits for ProtectionGroup/b, whose step is withheld",
        "ProtectionGroup/b": "disaster recovery is in progress: its status is failed-over",
    }


def test_no_half_of_a_replacement_is_left_when_the_other_has_to_wait():
    known = [recorded("a"), recorded("b", "id-2", depends_on=["a"])]
    present = cloud(seen(status="failed-over"), seen("id-2"))
    wanted = [desired("a", name="x"), desired("b", source_vpc_id="v2", depends_on=["a"])]
    assert plan(wanted, known, present).steps == ()


def test_address_with_an_open_operation_gets_no_step():
    wanted = [desired("a"), desired("b", name="b"), desired("c", name="c", depends_on=["a"])]
    waiting = OpenOperation(at("a"), Action.CREATE, "job j is still running")
    made = plan(wanted, open_=[waiting])
    assert brief(made) == ["create b"]
    assert made.open == (waiting,)
    assert "ProtectionGroup/c gets no step: it waits for ProtectionGroup/a" in str(made.warnings[0])


# ---------------------------------------------------------------- findings


def test_all_findings_come_at_once_with_their_places():
    wanted = [desired("a", domain="Du"), desired("b", target_availability_zone="az-1"), desired("c", name="c")]
    with pytest.raises(InputError) as refusal:
        plan(wanted)
    assert [str(finding.position).split(":")[0] for finding in refusal.value.findings] == [
        "spec/domain",
        "spec/target_availability_zone",
    ]
    assert {finding.address for finding in refusal.value.findings} == {"ProtectionGroup/a", "ProtectionGroup/b"}


def test_findings_of_what_was_not_asked_for_do_not_stand_in_the_way():
    made = plan([desired("a", domain="Nope"), desired("b")], targets=("*/b",))
    assert brief(made) == ["create b"]


def test_broken_document_is_no_deletion():
    with pytest.raises(InputError) as refusal:
        plan([desired("a", domain="Nope")], [recorded("a")], cloud(seen(replication_num=2)))
    assert len(refusal.value.findings) == 1


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        pytest.param({"protected_instance_num": 2}, "2 protected instances", id="instances"),
        pytest.param({"replication_num": "1"}, "1 replication pair ", id="one-as-text"),
        pytest.param(
            {"protected_instance_num": 1, "replication_num": 3, "disaster_recovery_drill_num": 1},
            "1 protected instance, 3 replication pairs and 1 DR drill",
            id="all",
        ),
    ],
)
@pytest.mark.parametrize("wanted", [[], [desired("a", source_vpc_id="v2")]], ids=["delete", "replace"])
def test_members_stand_in_the_way_of_a_deletion(wanted, counts, words):
    with pytest.raises(InputError, match="it still has") as refusal:
        plan(wanted, [recorded("a")], cloud(seen(**counts)))
    assert words in refusal.value.findings[0].summary
    assert str(refusal.value.findings[0].position) == ("metadata/name:1:1" if wanted else "None")


@pytest.mark.parametrize("count", [0, None, True, "many", -1])
def test_count_that_counts_nothing_stands_in_nobodys_way(count):
    assert brief(plan([], [recorded("a")], cloud(seen(replication_num=count)))) == ["delete a"]


@pytest.mark.parametrize(
    ("quota", "used", "refused"),
    [(-1, 99, False), (10, 8, False), (10, 9, True), ("10", "10", True), (None, None, False)],
)
def test_quota_is_checked_for_what_is_created_beyond_what_is_deleted(quota, used, refused):
    lookups = Lookups(LOOKUPS.domains, {"server_groups": {"quota": quota, "used": used}})
    wanted = [desired(name, name=name) for name in "bcd"]
    views = (wanted, [recorded("a")], cloud(seen(), lookups=lookups))
    if refused:
        with pytest.raises(InputError, match=r"more protection groups, but 2 more are planned"):
            plan(*views)
    else:
        assert len(plan(*views).steps) == 4


# ---------------------------------------------------------------- the plan as a whole


@pytest.mark.parametrize(
    ("known", "shown", "drift"),
    [
        pytest.param({}, {"name": "z"}, [("name", "shop", "z")], id="managed-field"),
        pytest.param({}, {"description": "x"}, [], id="unmanaged-field"),
        pytest.param({"description": "x"}, {}, [("description", "x", None)], id="emptied"),
        pytest.param({"server_type": "ECS"}, {"server_type": None}, [], id="not-shown"),
        pytest.param(IMPORTED, {"description": "x"}, [("description", None, "x")], id="since-the-import"),
        pytest.param({"ignore": ["name"]}, {"name": "z"}, [], id="ignored"),
    ],
)
def test_drift_is_what_the_cloud_shows_other_than_recorded(known, shown, drift):
    made = plan([desired("a", name="mine")], [recorded("a", **known)], cloud(seen(**shown)))
    found = [(change.field, change.old, change.new) for one in made.drift for change in one.changes]
    assert found == drift


def test_plan_carries_what_it_was_made_from():
    wanted = [desired("a"), desired("b", name="b", prevent_destroy=True)]
    made = plan(wanted, max_deletes=3, targets=("ProtectionGroup/a",))
    assert made.basis == replace(BASIS, documents=2, guarded=(at("b"),), targets=("ProtectionGroup/a",))
    assert (made.max_deletes, made.timeouts) == (3, {"create_grace": 30.0})


def test_warnings_of_others_come_first():
    made = make_plan(
        view(Desired(at("a"), {}, locate=position)),
        {},
        cloud(),
        request=PlanRequest(destroy=True),
        basis=BASIS,
        recorded_outputs={},
        warnings=["mine"],
    )
    assert made.warnings == ("mine",)


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({"tags": {"a": 1, "b": 2}}, {"tags": {"a": 1, "b": 3}}, [("tags.b", 2, 3)]),
        ({"tags": {}}, {"tags": {"c": {"d": 1}}}, [("tags.c", None, {"d": 1})]),
        ({"zones": ["a", "b"]}, {"zones": ["a"]}, [("zones.1", "b", None)]),
        ({"tags": None}, {"tags": {"a": 1}}, [("tags", None, {"a": 1})]),
        ({"size": 1}, {"size": "1"}, [("size", 1, "1")]),
    ],
)
def test_nested_values_tell_the_parts_that_differ(old, new, changes):
    found = field_changes(old, old=old, new=new)
    assert [(change.field, change.old, change.new) for change in found] == changes


def test_inputs_that_are_as_recorded_are_not_held_twice():
    wanted, known = (desired("a"), desired("b", name="other")), (recorded("a"), recorded("b", "id-2"))
    views = [{one.address: one for one in side} for side in (wanted, known)]
    compared = compare(*views, cloud(*(one.attributes for one in known)), refreshed=True)
    assert compared.inputs[at("a")] is known[0].inputs
    assert compared.inputs[at("b")] == inputs(name="other")
