"""Single faults of a create, one row each: what it survives, and what is said of it.

The rows are named as in the failure matrix: C1 to C23.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from declarative.errors import ExitCode, Unauthorized
from declarative.model import Reason, Result
from declarative.planner.selection import PlanRequest
from declarative.simulator import Rules
from declarative.workflow.execution import Applied
from declarative.workflow.project import SIMULATOR
from tests.scaffold.accidents import hooked
from tests.scaffold.cloud import Group, Site, assert_settled, done, why
from tests.scaffold.killing import run_fused

Json = Any
ONE: Mapping[str, Group] = {"web": {"description": "shop"}}
TWO: Mapping[str, Group] = {**ONE, "db": {}}
CREATE = "POST server-groups"


def _said(site: Site) -> str:
    return "\n".join(site.watch.texts())


def _assert_one(site: Site, *, made: int = 1) -> None:
    """One group, made once."""
    site.world.faults.clear()
    assert len(site.made()) == made
    assert_settled(site, {"web": "web"})


# ---------------------------------------------------------------- creates, killed


@pytest.mark.parametrize(
    ("moments", "posts_before"),
    [
        pytest.param(["before GET server-groups"], 0, id="C1-before-the-intent"),
        pytest.param(["after GET sdrs/quotas", "half written"], 0, id="C2-while-the-intent-is-written"),
        pytest.param(["before POST"], 0, id="C3-after-the-intent"),
        pytest.param(["after POST"], 1, id="C4-before-the-answer"),
        pytest.param(["after POST", "write"], 1, id="C5-before-the-job-id-is-durable"),
        pytest.param(["after POST", "durable", "after GET jobs"], 1, id="C6-while-polling"),
        pytest.param(["after POST", *["before GET jobs"] * 10, "write"], 1, id="C8-before-the-id-is-durable"),
        pytest.param(["after POST", *["before GET jobs"] * 10, "durable"], 1, id="C10-after-the-id-is-durable"),
    ],
)
def test_a_killed_create(tmp_path: Path, moments: list[str], posts_before: int) -> None:
    site = Site(tmp_path, in_file=True, speed=1.0)
    site.write(ONE)
    assert not run_fused(site, Site.apply, at=moments)
    assert len(site.made()) == posts_before
    done(site.apply())
    _assert_one(site)


def test_c3_the_look_waits_out_the_grace_period_and_sends_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, in_file=True)
    site.write(ONE)
    assert not run_fused(site, Site.apply, at=["before POST"])
    site.write({})
    began = site.now
    done(site.apply())
    assert site.now - began >= 30.0
    assert site.requests("POST") == 0


def test_c4_an_adopted_group_is_said_to_be(tmp_path: Path) -> None:
    site = Site(tmp_path, in_file=True)
    site.write(ONE)
    assert not run_fused(site, Site.apply, at=["after POST"])
    done(site.apply())
    (only,) = site.live()
    assert only in "\n".join(site.watch.texts("settled"))


def test_c6_the_plan_shows_the_open_operation_and_leaves_its_address_alone(tmp_path: Path) -> None:
    site = Site(tmp_path, in_file=True, speed=1.0)
    site.write(TWO)
    assert not run_fused(site, Site.apply, at=["after POST", "after POST", "after GET jobs"])
    plan = site.plan()
    assert {str(one.address) for one in plan.open} == {"ProtectionGroup/web", "ProtectionGroup/db"}
    assert not plan.steps


# ---------------------------------------------------------------- creates, answered badly


@pytest.mark.parametrize(
    "fault",
    [
        "lost-before",
        "lost-after",
        "cut",
        "garbage",
        "empty",
        "html",
        "refused",
        "drip=70",
        "status=408",
        "status=409",
        "status=500",
        "status=503",
        "status=429",
        "status-after=408",
        "status-after=409",
        "status-after=500",
        "status-after=502",
        "status-after=503:code=SDRS.1014",
        "status-after=504",
    ],
)
def test_c4_c20_c21_a_create_without_a_clear_answer(site: Site, fault: str) -> None:
    site.world.faults.add([f"{CREATE}:{fault}:first=1"])
    done(site.apply())
    _assert_one(site)


def test_c5_c11_an_answer_without_a_job(site: Site) -> None:
    with site.suffering(wire=hooked(CREATE, answer=lambda status, body: (status, {"job_id": ""}), first=1)):
        done(site.apply())
    _assert_one(site)


@pytest.mark.parametrize("fault", ["lost-before", "lost-after", "status=500", "status=502", "cut", "html", "garbage"])
def test_c7_looks_that_fail_end_no_wait(site: Site, fault: str) -> None:
    site.world.faults.add([f"GET jobs/*:{fault}:first=5"])
    done(site.apply())
    _assert_one(site)


def test_c9_a_group_that_cannot_be_read_after_its_creation_is_kept(site: Site) -> None:
    gone = {"error": {"code": "SDRS.1013", "message": "gone"}}

    def without_groups(status: int, body: Json) -> tuple[int, Json]:
        return (status, {**body, "server_groups": [], "count": 0}) if "server_groups" in body else (400, gone)

    with site.suffering(wire=hooked("GET server-groups.*", answer=without_groups)):
        applied = site.apply()
    assert applied.exit_code is ExitCode.ERROR
    assert f"never seen: id {site.made()[0]}" in why(applied)
    (operation,) = site.state().operations.values()
    assert operation.job_id
    done(site.apply())
    _assert_one(site)


def test_c9_state_rm_closes_what_was_never_seen(site: Site) -> None:
    def vanish() -> None:
        site.world.operator.delete_group(site.made()[0])

    with site.suffering(wire=hooked("GET jobs/.+", before=vanish, first=1)):
        assert "`declarative state rm 'ProtectionGroup/web'`" in why(site.apply())
    assert site.apply().exit_code is ExitCode.INCOMPLETE
    site.state_rm("web")
    assert not site.state().operations
    done(site.apply())
    _assert_one(site, made=2)


def _without_entity(status: int, body: Json) -> tuple[int, Json]:
    return status, {**body, "entities": {}}


def _entity_in_sub_job(status: int, body: Json) -> tuple[int, Json]:
    return status, {**body, "entities": {"sub_jobs": [body]}}


@pytest.mark.parametrize("answer", [_without_entity, _entity_in_sub_job])
def test_c11_a_job_that_names_no_group(site: Site, answer: Callable[[int, Json], tuple[int, Json]]) -> None:
    with site.suffering(wire=hooked("GET jobs/.+", answer=answer)):
        done(site.apply())
    _assert_one(site)


def test_c12_a_failed_create_leaves_a_group_that_is_recorded_and_replaced(site: Site) -> None:
    site.world.faults.add([f"{CREATE}:fail-job=SDRS.1014:first=1"])
    applied = site.apply()
    assert applied.exit_code is ExitCode.ERROR
    assert "SDRS.1014" in why(applied)
    (broken,) = site.live()
    assert site.recorded() == {"web": broken}
    plan = site.plan()
    assert [(step.action, step.reason) for step in plan.steps] == [
        ("delete", Reason.CREATION_FAILED),
        ("create", Reason.CREATION_FAILED),
    ]
    done(site.apply())
    assert site.deleted_by_us() == [broken]
    _assert_one(site, made=2)


def test_c12_a_failed_create_that_left_nothing_is_planned_anew(site: Site) -> None:
    site.world.faults.add([f"{CREATE}:fail-job=SDRS.1014:first=1"])

    def sweep() -> None:
        for object_id, group in site.live().items():
            if group["status"] == "error":
                site.world.operator.delete_group(object_id)

    with site.suffering(wire=hooked("GET server-groups.*", before=sweep)):
        assert site.apply().exit_code is ExitCode.ERROR
    assert site.recorded() == {}
    done(site.apply())
    _assert_one(site, made=2)


def test_c12_a_failed_create_is_told_though_nobody_knows_what_it_left(site: Site) -> None:
    site.write(TWO)
    site.world.faults.add([f"{CREATE}:fail-job=SDRS.1014:first=1", "GET task-center/*:html"])
    with site.suffering(wire=hooked("GET jobs/.+", answer=_without_entity_when_failed)):
        site.apply()
    assert "SDRS.1014" in _said(site)
    assert sorted(site.recorded().values()) == sorted(site.made())
    assert [group["status"] for group in site.live().values()].count("error") == 1


def _without_entity_when_failed(status: int, body: Json) -> tuple[int, Json]:
    return _without_entity(status, body) if body.get("status") == "FAIL" else (status, body)


def test_c13_a_stuck_job_is_waited_for_again_and_nothing_is_sent_twice(site: Site) -> None:
    site.world.faults.add([f"{CREATE}:stuck-job"])
    for _ in range(2):
        looks = site.requests("GET", "jobs/{job_id}")
        applied = site.apply()
        assert applied.exit_code is ExitCode.INCOMPLETE
        assert site.requests("GET", "jobs/{job_id}") > looks
        (operation,) = site.state().operations.values()
        assert operation.job_id
        assert operation.job_id in _said(site)
    assert len(site.made()) == 1


def test_c13_the_next_run_goes_on_with_a_job_that_outlived_its_deadline(tmp_path: Path) -> None:
    site = Site(tmp_path, speed=1.0, rules=Rules(job_seconds=700.0))
    site.write(ONE)
    assert site.apply().exit_code is ExitCode.INCOMPLETE
    done(site.apply())
    _assert_one(site)


def test_c14_an_unknown_job_makes_the_run_look_for_the_group(site: Site) -> None:
    unknown = {"error": {"code": "SDRS.0408", "message": "no such job"}}
    with site.suffering(wire=hooked("GET jobs/.+", answer=lambda status, body: (404, unknown))):
        done(site.apply())
    _assert_one(site)


def test_c15_an_unknown_status_of_a_job_is_waited_out(site: Site) -> None:
    with site.suffering(
        wire=hooked("GET jobs/.+", answer=lambda status, body: (status, {**body, "status": "PAUSED"}), first=20)
    ):
        done(site.apply())
    _assert_one(site)


TWINS = ("duplicate",)


def beside_twins(site: Site) -> Applied:
    """An apply by somebody who knows that there are twins, and wants another one."""
    return site.apply(allow=TWINS)


@pytest.mark.parametrize("fault", ["lost-before", "lost-after"])
def test_c17_twins_that_were_there_before_are_never_adopted(site: Site, fault: str) -> None:
    twins = {site.foreign("web", description="shop") for _ in range(2)}
    site.world.faults.add([f"{CREATE}:{fault}:first=1"])
    done(site.apply(allow=TWINS))
    site.world.faults.clear()
    assert twins.isdisjoint(site.recorded().values())
    assert len(site.made()) == 3
    assert_settled(site, {"web": "web"}, foreign=twins)


@pytest.mark.parametrize("fault", ["lost-before", "lost-after"])
def test_c17_twins_are_not_adopted_by_a_saved_plan_either(site: Site, fault: str) -> None:
    twin = site.foreign("web", description="shop")
    plan = site.plan()
    site.world.faults.add([f"{CREATE}:{fault}:first=1"])
    done(site.apply_saved(plan, allow=TWINS))
    site.world.faults.clear()
    assert twin not in site.recorded().values()
    assert_settled(site, {"web": "web"}, foreign=[twin])


@pytest.mark.parametrize("fault", ["lost-before", "lost-after"])
def test_c17_twins_are_not_adopted_without_a_refresh_either(site: Site, fault: str) -> None:
    site.write({"web": {"description": "shop", "domain": None, "domain_id": site.world.domain_ids[0]}})
    twin = site.foreign("web", description="shop")
    site.world.faults.add([f"{CREATE}:{fault}:first=1"])
    done(site.apply(PlanRequest(refreshed=False), allow=TWINS))
    site.world.faults.clear()
    assert twin not in site.recorded().values()
    assert_settled(site, {"web": "web"}, foreign=[twin])


def test_c17_twins_are_not_adopted_by_a_later_run_either(tmp_path: Path) -> None:
    site = Site(tmp_path, in_file=True)
    twin = site.foreign("web", description="shop")
    site.write(ONE)
    assert not run_fused(site, beside_twins, at=["before POST"])
    done(beside_twins(site))
    assert twin not in site.recorded().values()
    assert_settled(site, {"web": "web"}, foreign=[twin])


def test_c17_twins_that_came_between_two_runs_are_not_adopted(tmp_path: Path) -> None:
    """The second run begins with an operation of the first still open, and loses an answer of its own."""
    site = Site(tmp_path, in_file=True, speed=1.0)
    site.world.faults.add([f"{CREATE}:stuck-job:first=1"])
    site.write(ONE)
    assert site.apply().exit_code is ExitCode.INCOMPLETE
    twin = site.foreign("db")
    site.write(TWO)
    assert not run_fused(site, beside_twins, at=["before POST"])
    beside_twins(site)
    assert twin not in site.recorded().values()


def test_c17_a_twin_stays_known_as_not_ours_over_several_runs(site: Site) -> None:
    """A run in between, with other work, must not forget what was there before the first."""
    twin = site.foreign("web", description="shop")
    site.break_with(f"{CREATE}:stuck-job:first=1")
    assert beside_twins(site).exit_code is ExitCode.INCOMPLETE
    ours = site.made()[-1]
    site.write(TWO)
    assert site.apply().exit_code is ExitCode.INCOMPLETE
    assert site.recorded().keys() == {"db"}
    unknown = {"error": {"code": "SDRS.0408", "message": "no such job"}}
    with site.suffering(wire=hooked("GET jobs/.+", answer=lambda status, body: (404, unknown))):
        done(site.apply())
    assert site.recorded()["web"] == ours
    assert_settled(site, {"web": "web", "db": "db"}, foreign=[twin])


def test_c18_lists_that_lag_behind_the_loss(site: Site) -> None:
    site.world.faults.add([f"{CREATE}:lost-after:first=1", "GET server-groups:list-lag=12"])
    done(site.apply())
    _assert_one(site)


def test_c18_nothing_is_concluded_from_one_list(tmp_path: Path) -> None:
    site = Site(tmp_path, in_file=True)
    site.write(ONE)
    assert not run_fused(site, Site.apply, at=["after POST"])
    site.world.faults.add(["GET server-groups:list-lag=12"])
    done(site.apply())
    _assert_one(site)


def _two_candidates(site: Site) -> tuple[Applied, str]:
    """Let somebody else make a twin at the moment in which our own answer is lost."""
    twins: list[str] = []
    site.world.faults.add([f"{CREATE}:lost-after:first=1"])

    def twin() -> None:
        if twins or not site.made():
            return
        # Directly into the world's table of groups: a request of its own would meet the fault in our place.
        twins.append("00000000-0000-4000-8000-000000000001")
        site.world.faults.clear()
        _copy_group(site, twins[0])

    with site.suffering(wire=hooked("GET server-groups", before=twin)):
        applied = site.apply()
    return applied, twins[0]


def _copy_group(site: Site, new_id: str) -> None:
    database = site.world._database
    (old_id,) = site.live()
    database.execute(
        "INSERT INTO groups (id, name, status, zone, station, created, drilled, body)"
        " SELECT ?, name, 'available', zone, station, created, drilled, replace(body, ?, ?) FROM groups WHERE id = ?",
        (new_id, old_id, new_id, old_id),
    )


def test_c19_two_candidates_stop_the_address_and_are_listed(site: Site) -> None:
    applied, twin = _two_candidates(site)
    ours = site.made()[0]
    assert applied.exit_code is ExitCode.ERROR
    for candidate in (twin, ours):
        assert f"declarative import 'ProtectionGroup/web' {candidate}" in why(applied)
    assert site.apply().exit_code is ExitCode.INCOMPLETE
    assert len(site.made()) == 1
    site.import_object("web", ours)
    done(site.apply())
    assert_settled(site, {"web": "web"}, foreign=[twin])


def test_c22_a_storm_of_429_only_takes_longer(site: Site) -> None:
    site.world.faults.add(["* *:status=429:retry-after=2:p=0.6"])
    done(site.apply())
    _assert_one(site)


def test_c23_rejected_credentials_stop_the_run_and_lose_nothing(site: Site) -> None:
    site.write({f"g{number}": {} for number in range(40)})
    site.world.faults.add([f"{CREATE}:expire-token:every=5", "GET jobs/*:expire-token:every=9"])
    applied = site.apply(parallelism=4)
    assert applied.exit_code is ExitCode.INCOMPLETE
    sent = len(site.made())
    assert sent < 40
    assert not applied.outcome.count(Result.FAILED)
    assert applied.outcome.count(Result.CONTINUES) == len(site.state().operations) > 0
    assert "token" in "\n".join(site.watch.texts("warning"))
    site.world.faults.clear()
    site.world.operator.renew_token(SIMULATOR)
    done(site.apply())
    assert len(site.made()) == 40
    assert_settled(site, {f"g{number}": f"g{number}" for number in range(40)})


def test_c23_credentials_that_are_rejected_with_nothing_under_way_are_an_error(site: Site) -> None:
    site.world.faults.add([f"{CREATE}:expire-token"])
    applied = site.apply()
    assert applied.exit_code is ExitCode.ERROR
    assert not site.state().operations
    assert not applied.outcome.count(Result.FAILED)


def test_c23_rejected_credentials_before_anything_is_begun(site: Site) -> None:
    site.world.faults.add(["GET *:expire-token"])
    with pytest.raises(Unauthorized):
        site.apply()
    site.world.faults.clear()
    site.world.operator.renew_token(SIMULATOR)
    done(site.apply())
    _assert_one(site)


# ---------------------------------------------------------------- creates, refused


def test_a_refused_create_fails_and_the_others_go_on(site: Site) -> None:
    site.write(TWO)
    site.world.faults.add([f"{CREATE}:status=400:code=SDRS.0204:first=1"])
    applied = site.apply()
    assert applied.exit_code is ExitCode.ERROR
    assert sorted(outcome.result for outcome in applied.outcome.steps) == ["done", "failed"]
    assert not site.state().operations
    done(site.apply())
    assert len(site.made()) == 2


def test_a_used_up_quota_stops_new_creates(site: Site) -> None:
    site.write({f"g{number}": {} for number in range(30)})
    site.watch.on_review = lambda plan: site.world.operator.set_quota("server_groups", 10)
    applied = site.apply(parallelism=2, max_jobs=2)
    assert applied.exit_code is ExitCode.ERROR
    assert len(site.made()) == 10
    assert site.requests("POST") <= 12
    assert site.requests("GET", "sdrs/quotas") == 2  # before the plan, and when it was used up
    left = {step.summary for step in applied.outcome.steps if step.result is Result.NOT_STARTED}
    assert left == {"the quota of protection groups is used up (10 of 10)"}
    site.watch.on_review = lambda plan: None
    site.world.operator.set_quota("server_groups", -1)
    done(site.apply())
    assert len(site.made()) == 30
