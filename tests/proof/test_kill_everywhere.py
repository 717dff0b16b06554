"""A killed run loses nothing and doubles nothing: killed at every change of the disk and around every request.

Each flow is run again and again from one start, each time killed one moment later, until a run lives to its end.
After each kill one further, ordinary run ends well, and state, cloud and manifests agree.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from declarative.applier import steps
from declarative.applier.ledger import Ledger
from declarative.errors import PlanRefused
from declarative.model import Begun, Dropped, Record
from declarative.planfile import decode_plan, encode_plan
from declarative.planner.selection import PlanRequest
from declarative.simulator.tables.history import Effect
from tests.scaffold.cloud import DESTROY, Group, Site, assert_settled, done
from tests.scaffold.killing import run_fused
from tests.scaffold.stage import AT_ONCE, ENDED_MEANWHILE, MOST_MOMENTS, STILL_RUNNING, Jobs, Stage, Start
from tests.scaffold.stories import NIGHTLY

THREE: Mapping[str, Group] = {"web": {}, "db": {"description": "orders"}, "batch": {}}


@dataclass(frozen=True)
class Flow:
    """From `start` (applied) to `goal`: how many groups a flow may create and delete in all, whatever befalls it."""

    goal: Mapping[str, Group]
    start: Mapping[str, Group] | None = None
    allow: Collection[str] = ()
    creates: int = 0
    deletes: int = 0
    is_import: bool = False
    is_saved: bool = False
    destroys: bool = False

    @property
    def names(self) -> dict[str, str]:
        """Names in the cloud that the goal comes to, by manifest name."""
        return {} if self.destroys else {name: group.get("name", name) for name, group in self.goal.items()}

    @property
    def request(self) -> PlanRequest:
        """What is asked for."""
        return DESTROY if self.destroys else PlanRequest()

    def prepare(self, site: Site) -> None:
        """Bring the site to where the flow starts."""
        if self.start is not None:
            site.write(self.start)
            done(site.apply())
        if self.is_import:
            site.foreign("legacy")
        site.write(self.goal)
        if self.is_saved:
            (site.folder / "plan.json").write_text(encode_plan(site.plan()))

    def act(self, site: Site) -> None:
        """One ordinary run, as a person would start it again after a kill."""
        if self.is_import and "legacy" not in site.recorded():
            (legacy,) = site.named("legacy")
            site.import_object("legacy", legacy)
        if self.is_saved:
            self._act_saved(site)
        else:
            done(site.apply(self.request, allow=self.allow))

    def _act_saved(self, site: Site) -> None:
        """Apply the plan that was saved at the start; what was all done already may be refused as such."""
        file = site.folder / "plan.json"
        try:
            done(site.apply_saved(decode_plan(file.read_text(), source="plan.json")[0], allow=self.allow))
        except PlanRefused as refused:
            if "applied already" not in refused.summary:
                raise

    def assert_whole(self, site: Site, start: Start) -> None:
        """Nothing lost, nothing doubled: not now, and not at any time since the start."""
        assert_settled(site, self.names, request=self.request)
        assert len(_made(site, start)) == self.creates
        deleted = site.deleted_by_us()
        assert len(deleted) == len(set(deleted)) == self.deletes
        assert set(deleted) <= set(start.recorded.values())


def _made(site: Site, start: Start) -> list[str]:
    """Ids of the groups that requests of ours have created since the start."""
    since = {event.subject for event in site.world.history()[: start.events]}
    return [object_id for object_id in site.made() if object_id not in since]


FLOWS = {
    "create": Flow(goal=THREE, creates=3),
    "rename": Flow(
        start=THREE,
        goal={"web": {"name": "web-2"}, "db": {"name": "db-2", "description": "orders"}, "night": {"name": "batch"}},
    ),
    "delete": Flow(start=THREE, goal={"web": {}}, allow=["delete"], deletes=2),
    "replace": Flow(
        start=THREE,
        goal={**THREE, "web": {"description": "new"}, "db": {"description": "changed"}},
        creates=2,
        deletes=2,
    ),
    "destroy": Flow(start=THREE, goal=THREE, destroys=True, deletes=3),
    "saved": Flow(
        start={"web": {}, "old": {}},
        goal={"web": {"description": "new"}, "db": {}},
        allow=["delete"],
        creates=2,
        deletes=2,
        is_saved=True,
    ),
    "import": Flow(start={"web": {}}, goal={"web": {}, "legacy": {}}, is_import=True),
}


JOBS = {"at-once": AT_ONCE, "still-running": STILL_RUNNING, "ended-meanwhile": ENDED_MEANWHILE}


def _stage(folder: Path, flow: Flow, jobs: Jobs) -> Stage[Site]:
    return Stage(Site(folder / "site", in_file=True, speed=jobs.speed), flow, pause=jobs.pause)


every_flow = pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS.keys())
every_flow_and_pace = pytest.mark.parametrize(
    ("flow", "jobs"),
    [
        pytest.param(flow, jobs, id=f"{name}-{pace}")
        for name, flow in FLOWS.items()
        for pace, jobs in JOBS.items()
        if flow.creates or flow.deletes or pace == "at-once"  # the others start no job
    ],
)


@every_flow_and_pace
def test_killed_at_every_moment(tmp_path: Path, flow: Flow, jobs: Jobs) -> None:
    stage = _stage(tmp_path, flow, jobs)
    assert stage.kill_at_every_moment() > 20
    stage.assert_whole("not killed at all")


@every_flow
def test_killed_and_its_recovery_killed_too(tmp_path: Path, flow: Flow) -> None:
    _stage(tmp_path, flow, STILL_RUNNING).kill_twice(200 if NIGHTLY else 20, seed=f"pairs of {flow}", within=90)


@pytest.mark.parametrize("after", [False, True], ids=["request-lost", "answer-lost"])
@every_flow
def test_one_run_survives_the_loss_of_any_request(tmp_path: Path, flow: Flow, *, after: bool) -> None:
    assert _stage(tmp_path, flow, STILL_RUNNING).lose_each_request(after=after) > 3


# ---------------------------------------------------------------- the harness bites


# Somebody who takes no notice of twins: the proofs themselves must see the double.
CARELESS = replace(FLOWS["create"], allow=["duplicate"])


def test_an_applier_without_intents_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Ledger.intend

    async def forgetful(self: Ledger, *records: Record) -> None:
        if not any(isinstance(record, Begun) for record in records):
            await written(self, *records)

    monkeypatch.setattr(Ledger, "intend", forgetful)
    stage = _stage(tmp_path, CARELESS, AT_ONCE)
    with pytest.raises(AssertionError, match="orphans or ghosts"):
        stage.kill_at_every_moment()


def test_an_applier_that_settles_without_looking_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def blind(*_: object, **__: object) -> None:
        """Nothing is ever found."""

    monkeypatch.setattr(importlib.import_module("declarative.applier.recovery"), "lost", blind)
    stage = _stage(tmp_path, CARELESS, STILL_RUNNING)
    with pytest.raises(AssertionError, match="orphans or ghosts"):
        stage.kill_at_every_moment()


def test_an_applier_that_blindly_sends_a_create_again_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def blind(*_: object, **__: object) -> None:
        """Nothing is ever found."""

    monkeypatch.setattr(steps, "lost", blind)
    stage = _stage(tmp_path, CARELESS, STILL_RUNNING)
    with pytest.raises(AssertionError, match="orphans or ghosts"):
        stage.lose_each_request(after=True)


def test_an_applier_that_forgets_a_delete_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = Ledger.note

    async def forgetful(self: Ledger, *records: Record) -> None:
        await noted(self, *(record for record in records if not isinstance(record, Dropped)))

    monkeypatch.setattr(Ledger, "note", forgetful)
    stage = _stage(tmp_path, FLOWS["delete"], AT_ONCE)
    with pytest.raises(AssertionError, match="orphans or ghosts"):
        stage.kill_at_every_moment()


def test_the_kills_are_real(tmp_path: Path) -> None:
    stage = _stage(tmp_path, CARELESS, AT_ONCE)
    assert not run_fused(stage.set_back(), stage.flow.act, last=1)
    assert not stage.site.live()
    assert run_fused(stage.set_back(), stage.flow.act, last=MOST_MOMENTS)
    created = [event for event in stage.site.world.history() if event.effect is Effect.CREATED]
    assert len(created) == 3
