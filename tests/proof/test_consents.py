"""Consents are judged where the plan is carried out, whatever front end has reviewed it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from declarative.errors import ConsentMissing
from declarative.model import Consent, DangerClass, Event, Plan
from declarative.planner.selection import PlanRequest
from declarative.workflow import runs
from tests.scaffold.cloud import Site, done

EVERYTHING = [Consent(cls, by=by) for cls in DangerClass for by in ("prompt", "destroy")]


class Careless:
    """A front end that agrees to everything, as if a person had."""

    def event(self, event: Event) -> None:
        """Nothing is shown."""

    def review(self, plan: Plan) -> Plan:
        return replace(plan, consents=tuple(EVERYTHING))


@pytest.mark.parametrize("goal", [{"web": {"lifecycle": {"prevent_destroy": True}}}, {"web": {}}], ids=str)
def test_a_front_end_that_gives_what_it_may_not_is_refused(tmp_path: Path, goal: dict[str, dict[str, object]]) -> None:
    site = Site(tmp_path)
    site.write(goal)
    done(site.apply())
    site.write({})
    changing = site.changing()

    async def careless() -> None:
        await runs.apply(site.project(), PlanRequest(), watch=Careless(), interrupt=asyncio.Event())

    with pytest.raises(ConsentMissing) as refused:
        site.run(careless)
    assert "--allow empty-manifests" in " ".join(one.fix for one in refused.value.diagnostics())
    assert site.changing() == changing
