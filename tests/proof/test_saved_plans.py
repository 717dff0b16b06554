"""Saved plans: what was reviewed is what is done, where it was planned, once; and nothing that its text leaves out."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from declarative.errors import ConsentMissing, DeclarativeError, ExitCode, PlanRefused
from declarative.model import Address, Consent, DangerClass, Lifecycle, Plan
from declarative.planfile import decode_plan, encode_plan
from declarative.planner.selection import PlanRequest
from declarative.workflow import states
from tests.scaffold.cloud import RecordingWatch, done, why
from tests.scaffold.flows import ALLOW, BARE, DATA, OFF, ON, WEB, Flow, every_flow
from tests.scaffold.killing import run_fused
from tests.scaffold.stage import STILL_RUNNING, Stage, Start
from tests.scaffold.whole import Manifests, WholeSite, adopted, attachment, group, instance

with_and_without = pytest.mark.parametrize("described", [True, False], ids=["beside-its-manifests", "alone"])


def _take_away(site: WholeSite) -> None:
    (site.stack_folder / "stack.yaml").unlink()


@with_and_without
@every_flow
def test_what_was_planned_is_what_is_done(tmp_path: Path, flow: Flow, *, described: bool) -> None:
    site = WholeSite(tmp_path)
    flow.prepare(site)
    recorded = {str(one): resource.id for one, resource in site.state().resources.items()}
    start = Start(len(site.world.history()), recorded)
    saved = site.plan(flow.request)
    if not described:
        _take_away(site)
    done(site.apply_saved(saved, allow=ALLOW))
    site.write_all(flow.goal)
    flow.assert_whole(site, start)
    with pytest.raises(PlanRefused, match="applied already"):
        site.apply_saved(saved, allow=ALLOW)


# ---------------------------------------------------------------- killed and resumed


@dataclass(frozen=True)
class Saved:
    """A flow that is carried out by a plan saved at its start, again and again until it is done."""

    flow: Flow

    def prepare(self, site: WholeSite) -> None:
        self.flow.prepare(site)
        (site.folder / "plan.json").write_text(encode_plan(site.plan(self.flow.request)))

    def act(self, site: WholeSite) -> None:
        saved, _ = decode_plan((site.folder / "plan.json").read_text(), source="plan.json")
        try:
            applied = site.apply_saved(saved, allow=ALLOW)
        except PlanRefused as refused:
            if "applied already" not in refused.summary:
                raise
            return
        if "tags was" in why(applied):  # of two calls one was made: only a new plan knows what is left
            applied = site.apply(self.flow.request, allow=ALLOW)
        done(applied)

    def assert_whole(self, site: WholeSite, start: Start) -> None:
        self.flow.assert_whole(site, start)


@every_flow
def test_a_killed_run_of_a_saved_plan_is_resumed(tmp_path: Path, flow: Flow) -> None:
    site = WholeSite(tmp_path / "site", in_file=True, speed=STILL_RUNNING.speed)
    assert Stage(site, Saved(flow)).kill_at_every_moment(every=12) > 1


def test_a_first_run_that_has_only_tied_the_state_to_its_cloud_is_resumed(tmp_path: Path) -> None:
    site = WholeSite(tmp_path, in_file=True)
    _shops(site, "shop")
    saved = site.plan()
    for last in itertools.count(1):
        run_fused(site, lambda site: site.apply_saved(saved), last=last)
        if site.state().serial:
            break
    assert (site.state().serial, site.state().history) == (1, [])
    done(site.apply_saved(saved))
    assert len(site.named("shop")) == 1


# ---------------------------------------------------------------- what has changed since


@pytest.fixture
def site(tmp_path: Path) -> WholeSite:
    return WholeSite(tmp_path)


def _shops(site: WholeSite, *names: str) -> None:
    site.write_all({f"ProtectionGroup/{name}": group(name=name) for name in names})


def test_a_plan_of_an_empty_state_begins_its_lineage_and_applies_once(site: WholeSite) -> None:
    _shops(site, "shop")
    saved = site.plan()
    done(site.apply_saved(saved))
    assert site.state().lineage == saved.basis.lineage
    with pytest.raises(PlanRefused, match="applied already"):
        site.apply_saved(saved)


@with_and_without
def test_a_plan_of_an_empty_state_does_not_apply_on_a_second_machine(site: WholeSite, *, described: bool) -> None:
    site.write_all({**ON, **WEB, "ProtectionGroup/db": group(name="db")})
    saved = site.plan()
    done(site.apply_saved(saved))
    made = site.creations()
    _lose_the_state(site)
    if not described:
        _take_away(site)
    with pytest.raises(PlanRefused) as refused:
        site.apply_saved(saved, allow=["duplicate"])
    assert "declarative import 'ProtectionGroup/db'" in _told(refused.value)
    assert site.creations() == made


@with_and_without
def test_members_of_a_foreign_group_are_not_doubled_by_a_second_machine(site: WholeSite, *, described: bool) -> None:
    theirs = site.foreign("theirs")
    member = {name: value for name, value in instance(1, "web").items() if name != "protection_group"}
    site.write_all({"ProtectedInstance/web": {**member, "server_group_id": theirs}})
    saved = site.plan()
    done(site.apply_saved(saved))
    made = site.creations()
    _lose_the_state(site)
    if not described:
        _take_away(site)
    with pytest.raises(DeclarativeError) as refused:
        site.apply_saved(saved)
    assert "declarative import 'ProtectedInstance/web'" in _told(refused.value)
    assert site.creations() == made


def test_a_plan_does_not_apply_to_a_state_that_others_have_begun(site: WholeSite) -> None:
    _shops(site, "shop")
    saved = site.plan()
    _shops(site, "other")
    done(site.apply())
    _shops(site, "shop")
    with pytest.raises(PlanRefused, match="made from another state"):
        site.apply_saved(saved)


@with_and_without
def test_a_second_twin_that_comes_after_the_plan_is_refused(site: WholeSite, *, described: bool) -> None:
    first = site.foreign("shop")
    _shops(site, "shop")
    saved = site.plan()
    second = site.foreign("SHOP")
    if not described:
        _take_away(site)
    with pytest.raises(PlanRefused) as refused:
        site.apply_saved(saved, allow=["duplicate"])
    assert second in _told(refused.value)
    assert first not in _told(refused.value)


@with_and_without
def test_a_disaster_after_the_plan_withholds_its_steps_and_refuses_nothing(site: WholeSite, *, described: bool) -> None:
    _shops(site, "shop", "db")
    done(site.apply())
    site.write_all({f"ProtectionGroup/{name}": group(name=f"{name}-2") for name in ("shop", "db")})
    saved = site.plan()
    shop = site.ids()["ProtectionGroup/shop"]
    site.world.operator.set_status(shop, "failed-over")
    if not described:
        _take_away(site)
    applied = site.apply_saved(saved)
    assert applied.exit_code is ExitCode.CONSENT
    assert [str(one.address) for one in applied.outcome.withheld] == ["ProtectionGroup/shop"]
    assert site.named("db-2")
    assert not site.named("shop-2")
    site.world.operator.set_status(shop, "available")
    done(site.apply_saved(saved))
    assert site.named("shop-2") == [shop]


def _lose_the_state(site: WholeSite) -> None:
    shutil.rmtree(site.state_folder)
    shutil.rmtree(site.marks)


def _told(error: DeclarativeError) -> str:
    return "\n".join(f"{one.summary} {one.fix}" for one in error.diagnostics())


# ---------------------------------------------------------------- forged


GUARDED = {"lifecycle": {"prevent_destroy": True}}
START = {**ON, **WEB, **DATA, "ProtectionGroup/db": group(name="db", **GUARDED)}
Forgery = Callable[[WholeSite, Plan], Plan]


def _with(saved: Plan, step_id: str, **fields: Any) -> Plan:
    """The plan with another step under this id; `resource` and what it holds are named alike."""
    (one,) = (step for step in saved.steps if step.id == step_id)
    own = {name: fields.pop(name) for name in list(fields) if name in ("id", "inputs", "lifecycle", "adds")}
    if "adds" in own:
        own["inputs"] = {**one.resource.inputs, **own.pop("adds")}
    changed = replace(one, resource=replace(one.resource, **own), **fields)
    return replace(saved, steps=tuple(changed if step is one else step for step in saved.steps))


def _says_less(site: WholeSite, saved: Plan) -> Plan:
    return replace(saved, dangers=())


def _hides_a_guard(site: WholeSite, saved: Plan) -> Plan:
    step_id = "delete:ProtectionGroup/db"
    bare = _with(replace(saved, dangers=()), step_id, lifecycle=Lifecycle())
    return replace(bare, basis=replace(bare.basis, guarded=()))


def _foreign(step_id: str) -> Forgery:
    def forge(site: WholeSite, saved: Plan) -> Plan:
        theirs = site.foreign("theirs")
        (one,) = (step for step in saved.steps if step.id == step_id)
        return _with(saved, step_id, id=theirs, before={**one.before, "id": theirs})

    return forge


def _adopts_a_foreign_pair(site: WholeSite, saved: Plan) -> Plan:
    pair_id = site.hand_made_pairs() - set(site.ids().values())
    (theirs,) = pair_id or {site.ids()["ReplicationPair/data"]}
    return _with(saved, "adopt:ReplicationPair/root", id=theirs)


def _adopts_all_of_a_foreign_pair(site: WholeSite, saved: Plan) -> Plan:
    forged, theirs = _adopts_a_foreign_pair(site, saved), site.object("ReplicationPair/data")
    disk = str(theirs["volume_ids"])
    changes = tuple(
        replace(change, new={"id": theirs["id"], "volume_id": disk}.get(change.field, change.new))
        for change in next(step for step in saved.steps if step.id == "adopt:ReplicationPair/root").changes
    )
    return _with(forged, "adopt:ReplicationPair/root", adds={"volume_id": disk}, changes=changes)


def _understates(site: WholeSite, saved: Plan) -> Plan:
    """The plan that says that next to nothing is copied again."""
    step_id = "delete:ProtectedInstance/web"
    (sizes,) = (step.disks for step in saved.steps if step.id == step_id)
    assert sizes
    return _with(saved, step_id, disks=dict.fromkeys(sizes, 1))


def _edit(step_id: str, **fields: Any) -> Forgery:
    return lambda site, saved: _with(saved, step_id, **fields)


RENAMED = {**START, "ProtectionGroup/db": group(name="db-2", **GUARDED)}
NEW = {**START, "ProtectionGroup/new": group(name="new")}
GONE = {place: spec for place, spec in START.items() if place.startswith("ProtectionGroup/shop")}
ROOT_PAIR = {**START, "ReplicationPair/root": adopted(1, "root")}
UNGUARDED = {**START, "ProtectionGroup/db": group(name="db", description="x")}
LEFT = {**START, "ProtectedInstance/web": instance(1, "web", description="x")}


@with_and_without
@pytest.mark.parametrize(
    ("goal", "forge", "reason"),
    [
        pytest.param(GONE, _says_less, "does not name this danger: delete ReplicationPair/data", id="dangers-removed"),
        pytest.param(GONE, _hides_a_guard, "differs from what is recorded", id="prevent-destroy-removed-everywhere"),
        pytest.param(
            GONE, _foreign("delete:ProtectionGroup/db"), "is recorded at its address", id="delete-of-a-foreign-id"
        ),
        pytest.param(
            RENAMED, _foreign("update:ProtectionGroup/db"), "is recorded at its address", id="update-of-a-foreign-id"
        ),
        pytest.param(
            {**START, **OFF},
            _foreign("disable:ProtectionGroup/shop"),
            "is recorded at its address",
            id="disable-of-a-foreign-id",
        ),
        pytest.param(
            ROOT_PAIR,
            _adopts_a_foreign_pair,
            "did not come with an instance of this stack",
            id="adoption-of-a-foreign-pair",
        ),
        pytest.param(
            ROOT_PAIR,
            _adopts_all_of_a_foreign_pair,
            "did not come with an instance of this stack",
            id="adoption-of-a-foreign-pair-with-its-disk",
        ),
        pytest.param(
            RENAMED,
            _edit("update:ProtectionGroup/db", adds={"name": "evil"}),
            "hides the new value of name",
            id="another-value-than-is-shown",
        ),
        pytest.param(
            RENAMED, _edit("update:ProtectionGroup/db", changes=()), "hides a change of name", id="a-change-not-shown"
        ),
        pytest.param(
            RENAMED,
            _edit("update:ProtectionGroup/db", adds={"description": "x"}),
            "hides a change of description",
            id="a-field-that-is-not-shown",
        ),
        pytest.param(
            RENAMED,
            _edit("update:ProtectionGroup/db", lifecycle=Lifecycle()),
            "hides lifecycle.prevent_destroy",
            id="a-guard-lifted-silently",
        ),
        pytest.param(
            RENAMED,
            _edit("update:ProtectionGroup/db", before={}),
            "does not look at these fields before its call: id, name",
            id="nothing-looked-at-before",
        ),
        pytest.param(
            NEW,
            _edit("create:ProtectionGroup/new", adds={"source_vpc_id": "evil"}),
            "hides the new value of source_vpc_id",
            id="a-hidden-input",
        ),
        pytest.param(
            {**START, "ProtectedInstance/web": instance(1, "web", tags=[{"key": "owner", "value": "shop"}])},
            _edit("update:ProtectedInstance/web", adds={"tags": [{"key": "owner", "value": "evil"}]}),
            "hides the new value of tags",
            id="another-tag-than-is-shown",
        ),
        pytest.param(
            NEW, _edit("create:ProtectionGroup/new", id="theirs"), "does not exist yet", id="a-create-with-an-id"
        ),
        pytest.param(
            GONE,
            _edit("delete:ProtectedInstance/web", adds={"delete_target_eip": False}),
            "differs from what is recorded",
            id="other-delete-options",
        ),
        pytest.param(
            GONE,
            _edit("delete:ProtectedInstance/web", leaves=("nothing",)),
            "hides what stays behind",
            id="a-cost-not-told-as-it-is",
        ),
        pytest.param(
            LEFT,
            _edit("create:ProtectedInstance/web", requires=()),
            "does not wait for delete:ProtectedInstance/web",
            id="created-before-the-old-one-goes",
        ),
        pytest.param(
            GONE,
            _edit("delete:ProtectedInstance/web", requires=()),
            "does not wait for delete:ReplicationAttachment/data",
            id="deleted-before-it-is-detached",
        ),
        pytest.param(LEFT, _understates, "misstates the sizes of what is copied again", id="less-copied-again-than-is"),
    ],
)
def test_a_forged_plan_is_refused(
    site: WholeSite, goal: Manifests, forge: Forgery, reason: str, *, described: bool
) -> None:
    site.write_all(START)
    done(site.apply())
    site.write_all(goal)
    forged = forge(site, site.plan())
    if not described:
        _take_away(site)
    changing = site.changing()
    with pytest.raises(PlanRefused) as refused:
        site.apply_saved(forged, allow=ALLOW)
    told = _told(refused.value)
    assert "Plan again." in told
    assert reason in told or (described and "would be planned differently now" in told)
    assert site.changing() == changing


def test_an_enable_of_a_foreign_group_is_refused(site: WholeSite) -> None:
    site.write_all({**BARE, **WEB})
    done(site.apply())
    site.write_all({**ON, **WEB})
    forged = _foreign("enable:ProtectionGroup/shop")(site, site.plan())
    changing = site.changing()
    for described in (True, False):
        if not described:
            _take_away(site)
        with pytest.raises(PlanRefused):
            site.apply_saved(forged)
    assert site.changing() == changing


@pytest.mark.parametrize(
    "consent",
    [
        Consent(DangerClass.PREVENT_DESTROY),
        Consent(DangerClass.DELETE, by="prompt"),
        Consent(DangerClass.DELETE, by="destroy"),
        Consent(DangerClass.DUPLICATE, by="destroy"),
        Consent(DangerClass.MASS_DELETE, Address("ProtectionGroup", "db")),
    ],
    ids=str,
)
def test_a_consent_that_nobody_can_have_given_is_refused(site: WholeSite, consent: Consent) -> None:
    _shops(site, "shop")
    with pytest.raises(PlanRefused):
        site.apply_saved(replace(site.plan(), consents=(consent,)))


def test_a_consent_in_the_text_counts_as_the_option_that_gave_it_and_no_further(site: WholeSite) -> None:
    site.write_all(START)
    done(site.apply())
    site.write_all(GONE)
    saved = replace(site.plan(), consents=(Consent(DangerClass.DELETE), Consent(DangerClass.UNPROTECT)))
    with pytest.raises(ConsentMissing):
        site.apply_saved(saved)  # prevent_destroy takes none


# ---------------------------------------------------------------- other plans that hold

MOVED = {place.replace("/db", "/store").replace("/web", "/www"): spec for place, spec in START.items()}
MOVED["ReplicationAttachment/data"] = attachment("www", "data")
LAST = {"ProtectionGroup/last": group(name="last")}


def _nobody(site: WholeSite) -> None:
    """Nobody does anything meanwhile."""


def _drift(site: WholeSite) -> None:
    ids = site.ids()
    site.world.operator.rename_group(ids["ProtectionGroup/db"], "theirs")
    site.world.operator.delete_group(ids["ProtectionGroup/last"])


def _forgotten(site: WholeSite) -> None:
    """The group is recorded by its id alone, as an import of something else than the manifest leaves it."""
    group_id = site.ids()["ProtectionGroup/db"]
    site.run(lambda: states.state_rm(site.project(), ["ProtectionGroup/db"], watch=RecordingWatch()))
    site.import_object("db", group_id)


@with_and_without
@pytest.mark.parametrize(
    ("goal", "meanwhile", "request_"),
    [
        pytest.param(MOVED, _nobody, PlanRequest(), id="moves"),
        pytest.param(
            {**MOVED, "ProtectedInstance/www": instance(1, "www")}, _nobody, PlanRequest(), id="move-and-rename"
        ),
        pytest.param(RENAMED, _forgotten, PlanRequest(), id="imported"),
        pytest.param(START, _drift, PlanRequest(), id="drift"),
        pytest.param(START, _drift, PlanRequest(refresh_only=True), id="refresh-only"),
        pytest.param({**NEW, **RENAMED}, _nobody, PlanRequest(targets=("ProtectionGroup/db",)), id="target"),
        pytest.param({**NEW, **RENAMED}, _nobody, PlanRequest(excludes=("ProtectionGroup/db",)), id="exclude"),
        pytest.param(START, _nobody, PlanRequest(replaces=("ProtectedInstance/web",)), id="replace"),
        pytest.param({**RENAMED, **OFF}, _nobody, PlanRequest(refreshed=False), id="without-a-refresh"),
        pytest.param(
            {**START, "ProtectedInstance/web": instance(1, "web", delete_target_eip=False)},
            _nobody,
            PlanRequest(),
            id="record",
        ),
        pytest.param(
            {
                **START,
                "ProtectionGroup/shop": group(
                    name="shop", protection="enabled", lifecycle={"ignore_changes": ["name"]}
                ),
            },
            _nobody,
            PlanRequest(),
            id="lifecycle",
        ),
        pytest.param(
            {**START, "ProtectionGroup/shop": group(name="shop-2", protection="disabled")},
            _nobody,
            PlanRequest(),
            id="rename-and-disable",
        ),
    ],
)
def test_other_plans_hold_as_well(
    site: WholeSite,
    goal: Manifests,
    meanwhile: Callable[[WholeSite], None],
    request_: PlanRequest,
    *,
    described: bool,
) -> None:
    site.write_all({**START, **LAST})
    done(site.apply())
    meanwhile(site)
    site.write_all({**goal, **LAST})
    saved = site.plan(request_)
    assert saved.has_changes()
    if not described:
        _take_away(site)
    done(site.apply_saved(saved, allow=ALLOW))
    site.write_all({**goal, **LAST})
    assert not site.plan(request_).has_changes() or request_.replaces
