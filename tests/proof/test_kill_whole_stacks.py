"""A killed run loses nothing and doubles nothing, with members of every kind, and takes no protection away.

Each flow of a whole stack is killed at one moment after the other, at every change of the disk and around every
request; after each kill one further, ordinary run ends well.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from declarative.simulator.settings import Rules
from tests.scaffold.flows import Flow, every_flow, stage_of
from tests.scaffold.stage import AT_ONCE, ENDED_MEANWHILE, STILL_RUNNING, Jobs
from tests.scaffold.stories import NIGHTLY


@every_flow
def test_killed_at_every_moment(tmp_path: Path, flow: Flow) -> None:
    """At every second one, unless there is a night for it: a kill and its recovery take a fifth of a second."""
    stage = stage_of(tmp_path, flow, STILL_RUNNING)
    assert stage.kill_at_every_moment(every=1 if NIGHTLY else 2) > 10
    stage.assert_whole("not killed at all")


@pytest.mark.parametrize("jobs", [AT_ONCE, ENDED_MEANWHILE], ids=["at-once", "ended-meanwhile"])
@every_flow
def test_killed_at_every_tenth_moment_with_other_jobs(tmp_path: Path, flow: Flow, jobs: Jobs) -> None:
    assert stage_of(tmp_path, flow, jobs).kill_at_every_moment(every=2 if NIGHTLY else 10) > 3


@every_flow
def test_killed_and_its_recovery_killed_too(tmp_path: Path, flow: Flow) -> None:
    stage_of(tmp_path, flow, STILL_RUNNING).kill_twice(80 if NIGHTLY else 8, seed=f"pairs of {flow}", within=60)


@pytest.mark.parametrize("after", [False, True], ids=["request-lost", "answer-lost"])
@every_flow
def test_one_run_survives_the_loss_of_any_request(tmp_path: Path, flow: Flow, *, after: bool) -> None:
    assert stage_of(tmp_path, flow, STILL_RUNNING).lose_each_request(after=after) > 3


@every_flow
def test_a_service_that_takes_one_call_a_group_at_a_time_only_takes_longer(tmp_path: Path, flow: Flow) -> None:
    stage = stage_of(tmp_path, flow, STILL_RUNNING, rules=Rules(one_at_a_time=True))
    flow.act(stage.set_back())
    stage.assert_whole("one call at a time")
