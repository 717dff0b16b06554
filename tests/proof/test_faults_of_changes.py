"""Single faults of renames and deletes, one row each: what they survive, and what is said of it.

The rows are named as in the failure matrix: U of an update, D of a delete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from declarative.errors import ConsentMissing, ExitCode
from declarative.model import Plan
from declarative.simulator import EmbeddedTransport
from tests.scaffold.accidents import hooked
from tests.scaffold.cloud import DESTROY, Group, Site, assert_settled, done, why
from tests.scaffold.killing import run_fused

Json = Any
ONE: Mapping[str, Group] = {"web": {"description": "shop"}}


# ---------------------------------------------------------------- renames


@pytest.mark.parametrize("fault", ["lost-before", "lost-after", "status=503", "status-after=503", "cut", "html"])
def test_u1_a_rename_without_a_clear_answer(applied: Site, fault: str) -> None:
    applied.write({"web": {"name": "shop", "description": "shop"}})
    applied.world.faults.add([f"PUT *:{fault}:first=2"])
    done(applied.apply())
    applied.world.faults.clear()
    assert_settled(applied, {"web": "shop"})
    assert len(applied.made()) == 1


def test_u1_a_third_name_is_not_written_over(applied: Site) -> None:
    (only,) = applied.live()
    applied.write({"web": {"name": "shop", "description": "shop"}})
    applied.world.faults.add(["PUT *:lost-before:first=1"])
    renamed: list[str] = []

    def third() -> None:
        if applied.requests("PUT") and not renamed:
            renamed.append("third")
            applied.world.operator.rename_group(only, "third")

    with applied.suffering(wire=hooked("GET server-groups.*", before=third)):
        outcome = applied.apply()
    assert outcome.exit_code is ExitCode.ERROR
    assert applied.live()[only]["name"] == "third"
    assert not applied.state().operations
    done(applied.apply())
    assert_settled(applied, {"web": "shop"})


def _change_after_review(site: Site, change: Callable[[], object]) -> None:
    def review(plan: Plan) -> None:
        if plan.steps:
            change()

    site.watch.on_review = review


@pytest.mark.parametrize("goal", [{"web": {"name": "shop", "description": "shop"}}, {"web": {"description": "new"}}])
def test_u2_a_group_that_changed_since_the_plan_is_refused(applied: Site, goal: Mapping[str, Group]) -> None:
    (only,) = applied.live()
    applied.write(goal)
    _change_after_review(applied, lambda: applied.world.operator.rename_group(only, "theirs"))
    changing = applied.changing()
    outcome = applied.apply()
    assert outcome.exit_code is ExitCode.ERROR
    assert "changed since it was planned" in why(outcome)
    assert applied.changing() == changing
    assert not applied.state().operations


def test_u2_a_group_that_went_into_failover_since_the_plan_is_left_alone(applied: Site) -> None:
    (only,) = applied.live()
    _change_after_review(applied, lambda: applied.world.operator.set_status(only, "failed-over"))
    changing = applied.changing()
    assert applied.destroy().exit_code is ExitCode.ERROR
    assert applied.changing() == changing
    assert applied.recorded() == {"web": only}


def test_u2_a_saved_plan_does_not_write_over_a_change(applied: Site) -> None:
    (only,) = applied.live()
    applied.write({"web": {"name": "shop", "description": "shop"}})
    plan = applied.plan()
    applied.world.operator.rename_group(only, "theirs")
    changing = applied.changing()
    assert applied.apply_saved(plan).exit_code is ExitCode.ERROR
    assert applied.changing() == changing


# ---------------------------------------------------------------- deletes


@pytest.mark.parametrize("speed", [1.0, float("inf")])
@pytest.mark.parametrize(
    "fault", ["lost-before", "lost-after", "cut", "garbage", "status=500", "status-after=500", "status=429", "refused"]
)
def test_d1_a_delete_without_a_clear_answer(tmp_path: Path, fault: str, speed: float) -> None:
    site = Site(tmp_path, speed=speed)
    site.write(ONE)
    done(site.apply())
    site.world.faults.add([f"DELETE *:{fault}:first=2"])
    done(site.destroy())
    assert len(site.deleted_by_us()) == 1
    assert_settled(site, {}, request=DESTROY)


def test_d2_a_group_that_is_gone_already_counts_as_deleted(applied: Site) -> None:
    (only,) = applied.live()
    with applied.suffering(wire=hooked("DELETE .+", before=lambda: applied.world.operator.delete_group(only))):
        done(applied.destroy())
    assert_settled(applied, {}, request=DESTROY)


def test_d2_a_group_that_is_gone_before_its_delete_is_forgotten(applied: Site) -> None:
    (only,) = applied.live()
    _change_after_review(applied, lambda: applied.world.operator.delete_group(only))
    done(applied.destroy())
    assert applied.requests("DELETE") == 0
    assert_settled(applied, {}, request=DESTROY)


def test_d3_a_failed_delete_keeps_the_group_recorded_and_is_retried(applied: Site) -> None:
    (only,) = applied.live()
    applied.world.faults.add(["DELETE *:fail-job=SDRS.1014:first=1"])
    outcome = applied.destroy()
    assert outcome.exit_code is ExitCode.ERROR
    assert "SDRS.1014" in why(outcome)
    assert applied.recorded() == {"web": only}
    assert applied.live()[only]["status"] == "error-deleting"
    done(applied.destroy())
    assert_settled(applied, {}, request=DESTROY)


def test_d3_a_failed_delete_of_a_wanted_group_ends_in_a_new_one(applied: Site) -> None:
    applied.write({"web": {"description": "new"}})
    applied.world.faults.add(["DELETE *:fail-job=SDRS.1014:first=1"])
    assert applied.apply().exit_code is ExitCode.ERROR
    done(applied.apply())
    assert len(applied.made()) == 2
    assert_settled(applied, {"web": "web"})


def test_d4_a_deleted_group_that_is_still_shown_is_kept(applied: Site) -> None:
    (old,) = applied.live().values()
    stale = {"server_group": {**old, "status": "deleting"}}

    def shown(status: int, body: Json) -> tuple[int, Json]:
        if applied.live():
            return status, body
        return 200, {"server_groups": [stale["server_group"]], "count": 1} if "server_groups" in body else stale

    with applied.suffering(wire=hooked("GET server-groups.*", answer=shown)):
        assert applied.destroy().exit_code is ExitCode.INCOMPLETE
    assert applied.recorded() == {"web": old["id"]}
    done(applied.destroy())
    assert len(applied.deleted_by_us()) == 1
    assert_settled(applied, {}, request=DESTROY)


@pytest.mark.parametrize("moment", ["write", "half written", "durable", "before POST", "after POST"])
def test_d5_a_replace_that_dies_between_its_two_halves(tmp_path: Path, moment: str) -> None:
    site = Site(tmp_path, in_file=True, speed=1.0)
    site.write(ONE)
    done(site.apply())
    (old,) = site.live()
    site.write({"web": {"description": "new"}})
    assert not run_fused(site, Site.apply, at=["after DELETE", *["after GET jobs"] * 4, moment])
    done(site.apply())
    assert site.deleted_by_us() == [old]
    assert len(site.made()) == 2
    assert_settled(site, {"web": "web"})


def test_d6_a_group_that_got_members_since_the_plan_is_not_deleted(applied: Site) -> None:
    (only,) = applied.live()
    _change_after_review(applied, lambda: applied.world.operator.add_replication(only))
    outcome = applied.destroy()
    assert outcome.exit_code is ExitCode.ERROR
    assert applied.requests("DELETE") <= 1
    assert "SDRS.1010" in why(outcome)
    assert not applied.state().operations
    assert applied.recorded() == {"web": only}


def test_d7_empty_manifests_need_a_consent_of_their_own(applied: Site) -> None:
    applied.write({})
    with pytest.raises(ConsentMissing):
        applied.apply(allow=["delete"])
    assert applied.requests("DELETE") == 0


def test_a_busy_group_is_waited_for(applied: Site) -> None:
    applied.world.faults.add(["DELETE *:status=400:code=SDRS.1002:first=4"])
    done(applied.destroy())
    assert_settled(applied, {}, request=DESTROY)


def test_a_group_that_stays_busy_fails_its_step_and_stays_recorded(applied: Site) -> None:
    applied.world.faults.add(["DELETE *:status=400:code=SDRS.1002"])
    outcome = applied.destroy()
    assert outcome.exit_code in (ExitCode.ERROR, ExitCode.INCOMPLETE)
    assert applied.recorded().keys() == {"web"}
    assert not applied.state().operations
    applied.world.faults.clear()
    done(applied.destroy())


def test_a_delete_that_somebody_else_began_is_waited_for(applied: Site) -> None:
    (only,) = applied.live()

    async def elsewhere() -> None:
        async with httpx.AsyncClient(transport=EmbeddedTransport(applied.world)) as client:
            url = f"http://127.0.0.1/v1/{applied.world.project_id}/server-groups/{only}"
            await client.delete(url, headers={"X-Auth-Token": applied.world.preset_token})

    applied.run(elsewhere)
    done(applied.destroy())
    assert applied.requests("DELETE") == 1
    assert_settled(applied, {}, request=DESTROY)
