"""A killed run loses nothing and doubles nothing: killed at every change of the disk and around every request.

Each flow is run again and again from one start, each time killed one moment later, until a run lives to its end.
After each kill one further, ordinary run ends well, and state, cloud and manifests agree.
"""

from __future__ import annotations

import importlib
import random
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from declarative.apply import steps
from declarative.apply.ledger import Ledger
from declarative.errors import PlanRefused
from declarative.model import Begun, Dropped, Record
from declarative.planning import PlanRequest, decode_plan, encode_plan
from declarative.simulator.history import Effect
from tests.scaffold.accidents import Loses
from tests.scaffold.cloud import DESTROY, Group, Site, assert_settled, done
from tests.scaffold.killing import run_fused

THREE: Mapping[str, Group] = {"web": {}, "db": {"description": "orders"}, "batch": {}}
_MOST_MOMENTS = 500


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


@dataclass(frozen=True)
class Jobs:
    """How long jobs take, and how long after a kill the next run starts (seconds)."""

    speed: float
    pause: float = 0.0


JOBS = {"at-once": Jobs(float("inf")), "still-running": Jobs(1.0), "ended-meanwhile": Jobs(1.0, 3600.0)}


class Stage:
    """One site that can be set back to a flow's start."""

    def __init__(self, folder: Path, flow: Flow, jobs: Jobs) -> None:
        self.flow = flow
        self.jobs = jobs
        self.site = Site(folder / "site", in_file=True, speed=jobs.speed)
        self._saved = folder / "saved"
        flow.prepare(self.site)
        self.made = len(self.site.made())
        self.recorded = self.site.recorded()
        self._now = self.site.now
        self.site.close()
        shutil.copytree(self.site.folder, self._saved)

    def set_back(self) -> Site:
        """The site, as it was when the flow started."""
        self.site.close()
        shutil.rmtree(self.site.folder)
        shutil.copytree(self._saved, self.site.folder)
        self.site.now = self._now
        return self.site

    def killed_runs(self) -> Iterator[int]:
        """Run the flow, killed at each moment in turn; yields after each kill, until a run has lived."""
        for last in range(1, _MOST_MOMENTS):
            site = self.set_back()
            if run_fused(site, self.flow.act, last=last):
                return
            site.now += self.jobs.pause
            yield last
        raise AssertionError("the flow never ended")

    def assert_whole(self) -> None:
        """Nothing lost, nothing doubled: not now, and not at any time before."""
        assert_settled(self.site, self.flow.names, request=self.flow.request)
        assert len(self.site.made()) == self.made + self.flow.creates
        deleted = self.site.deleted_by_us()
        assert len(deleted) == len(set(deleted)) == self.flow.deletes
        assert set(deleted) <= set(self.recorded.values())


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
    stage = Stage(tmp_path, flow, jobs)
    assert _kill_at_every_moment(stage) > 20
    stage.assert_whole()


def _kill_at_every_moment(stage: Stage) -> int:
    """Kill, run once more, and judge, for each moment. Returns how many there are."""
    kills = 0
    for last in stage.killed_runs():
        kills += 1
        try:
            stage.flow.act(stage.site)
            stage.assert_whole()
        except BaseException as error:
            error.add_note(f"killed at moment {last}")
            raise
    return kills


@every_flow
def test_killed_and_its_recovery_killed_too(tmp_path: Path, flow: Flow) -> None:
    stage = Stage(tmp_path, flow, JOBS["still-running"])
    chance = random.Random(f"pairs of {flow}")
    for _ in range(20):
        site = stage.set_back()
        first, second = chance.randrange(1, 90), chance.randrange(1, 70)
        run_fused(site, flow.act, last=first)
        run_fused(site, flow.act, last=second)
        try:
            flow.act(site)
            stage.assert_whole()
        except BaseException as error:
            error.add_note(f"killed at moments {first} and {second}")
            raise


@pytest.mark.parametrize("after", [False, True], ids=["request-lost", "answer-lost"])
@every_flow
def test_one_run_survives_the_loss_of_any_request(tmp_path: Path, flow: Flow, *, after: bool) -> None:
    stage = Stage(tmp_path, flow, JOBS["still-running"])
    _lose_each(stage, after=after)


def _lose_each(stage: Stage, *, after: bool) -> None:
    for number in range(1, _MOST_MOMENTS):
        site, wires = stage.set_back(), list[Loses]()

        def wire(inner: httpx.AsyncBaseTransport, number: int = number, wires: list[Loses] = wires) -> Loses:
            wires.append(Loses(inner, number=number, after=after) if not wires else Loses(inner, number=0, after=False))
            return wires[-1]

        with site.suffering(wire=wire):
            stage.flow.act(site)
        try:
            stage.assert_whole()
        except BaseException as error:
            error.add_note(f"request {number} lost")
            raise
        if wires[0].seen < number:
            return
    raise AssertionError("the flow never ended")


# ---------------------------------------------------------------- the harness bites


def test_an_applier_without_intents_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Ledger.intend

    async def forgetful(self: Ledger, *records: Record) -> None:
        if not any(isinstance(record, Begun) for record in records):
            await written(self, *records)

    monkeypatch.setattr(Ledger, "intend", forgetful)
    stage = Stage(tmp_path, FLOWS["create"], JOBS["at-once"])
    with pytest.raises(AssertionError, match="orphans or ghosts"):
        _kill_at_every_moment(stage)


def test_an_applier_that_settles_without_looking_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def blind(*_: object, **__: object) -> str:
        return ""

    monkeypatch.setattr(importlib.import_module("declarative.apply.settle"), "lost", blind)
    stage = Stage(tmp_path, FLOWS["create"], JOBS["still-running"])
    with pytest.raises(AssertionError, match="orphans or ghosts"):
        _kill_at_every_moment(stage)


def test_an_applier_that_blindly_sends_a_create_again_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def blind(*_: object, **__: object) -> str:
        return ""

    monkeypatch.setattr(steps, "lost", blind)
    stage = Stage(tmp_path, FLOWS["create"], JOBS["still-running"])
    with pytest.raises(AssertionError, match="orphans or ghosts"):
        _lose_each(stage, after=True)


def test_an_applier_that_forgets_a_delete_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = Ledger.note

    async def forgetful(self: Ledger, *records: Record) -> None:
        await noted(self, *(record for record in records if not isinstance(record, Dropped)))

    monkeypatch.setattr(Ledger, "note", forgetful)
    stage = Stage(tmp_path, FLOWS["delete"], JOBS["at-once"])
    with pytest.raises(AssertionError, match="orphans or ghosts"):
        _kill_at_every_moment(stage)


def test_the_kills_are_real(tmp_path: Path) -> None:
    stage = Stage(tmp_path, FLOWS["create"], JOBS["at-once"])
    assert not run_fused(stage.set_back(), stage.flow.act, last=1)
    assert not stage.site.live()
    assert run_fused(stage.set_back(), stage.flow.act, last=_MOST_MOMENTS)
    created = [event for event in stage.site.world.history() if event.effect is Effect.CREATED]
    assert len(created) == 3
