"""What holds of a killed run with a local state holds wherever the state is shared: nothing lost, nothing doubled."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from declarative.state import snapshot
from declarative.workflow.backends import store_of
from declarative.workflow.manifests import stack_of
from declarative.workflow.project import Project
from tests.proof.test_kill_everywhere import FLOWS, JOBS
from tests.scaffold.cloud import Site
from tests.scaffold.killing import run_fused
from tests.scaffold.s3_server import PlainBucket
from tests.scaffold.shared_places import SHARED, Place
from tests.scaffold.stage import MOST_MOMENTS, Stage
from tests.scaffold.store_worker import lock
from tests.scaffold.stories import NIGHTLY

EVERY = 1 if NIGHTLY else 4  # moments between two kills


class SharedSite(Site):
    """A site whose state is elsewhere; threads outside the loop have a clock that only their own pauses move."""

    place: Place
    address: str = ""
    elapsed: float = 0.0

    def project(self, **options: Any) -> Project:
        made = super().project(**options)

        def pause(seconds: float) -> None:
            self.elapsed += seconds

        clock = replace(made.clock, elapsed=lambda: self.elapsed, pause=pause)
        environ = {**made.environ, **self.place.environ, "HOME": str(self.folder), "DECLARATIVE_STATE": self.address}
        return replace(made, environ=environ, clock=clock)

    def store(self) -> Any:
        project = self.project()
        return store_of(project, stack_of(project))

    def free_the_lock(self) -> None:
        """What a person does after a kill where a lock does not end with its process."""
        store = self.store()
        if (seen := store.lock_seen()) is not None:
            store.break_lock(seen.holder.id, force=True, sleep=self.project().clock.pause)

    def begin_anew(self, text: bytes | None) -> None:
        """From here on the state is a new one, with this text."""
        self.address = self.place.empty()
        shutil.rmtree(self.marks, ignore_errors=True)
        if text is not None:
            store, state = self.store(), snapshot.decode(text, source="the start")
            lock(store, "the test")
            store.write(state, after=0)
            store.unlock()


class SharedStage(Stage[SharedSite]):
    """A stage that also sets back the shared state."""

    def __init__(self, site: SharedSite, flow: Any, *, pause: float) -> None:
        site.begin_anew(None)
        self._text: bytes | None = None
        super().__init__(site, flow, pause=pause)
        state = site.state()
        self._text = snapshot.encode(state) if state.serial else None

    def set_back(self) -> SharedSite:
        site = super().set_back()
        site.begin_anew(self._text)
        return site

    def clear_up(self) -> None:
        self.site.free_the_lock()


@pytest.fixture(params=SHARED)
def place(request, tmp_path, monkeypatch):
    monkeypatch.setattr("declarative.state.objects.engine.Bucket", PlainBucket)
    with request.param(tmp_path, request) as made:
        yield made


def stage_at(place: Place, folder: Path, flow: Any, jobs: Any) -> SharedStage:
    site = SharedSite(folder / "site", in_file=True, speed=jobs.speed)
    site.place = place
    return SharedStage(site, flow, pause=jobs.pause)


@pytest.mark.parametrize("name", FLOWS if NIGHTLY else ["create", "rename", "replace", "saved"])
def test_killed_at_every_moment(place, tmp_path, name):
    for pace, jobs in JOBS.items() if NIGHTLY else [("still-running", JOBS["still-running"])]:
        (tmp_path / pace).mkdir()
        stage = stage_at(place, tmp_path / pace, FLOWS[name], jobs)
        kills = stage.kill_at_every_moment(every=EVERY)
        assert kills > (10 if NIGHTLY else 2)
        stage.assert_whole("not killed at all")


@pytest.mark.parametrize("name", FLOWS if NIGHTLY else ["create", "destroy"])
def test_killed_and_its_recovery_killed_too(place, tmp_path, name):
    stage = stage_at(place, tmp_path, FLOWS[name], JOBS["still-running"])
    stage.kill_twice(50 if NIGHTLY else 2, seed=f"pairs of {name}", within=60)


def test_the_kills_are_real(place, tmp_path):
    stage = stage_at(place, tmp_path, FLOWS["create"], JOBS["at-once"])
    assert not run_fused(stage.set_back(), stage.flow.act, last=1)
    assert not stage.site.live()
    stage.site.free_the_lock()
    assert run_fused(stage.set_back(), stage.flow.act, last=MOST_MOMENTS)
