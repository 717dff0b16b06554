"""Calls about members and protection whose answer is lost, refused or bad: each has its effect once, in one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from declarative.errors import ExitCode
from declarative.model import Action, Plan
from declarative.simulator import Rules
from declarative.simulator.tables.history import Effect
from tests.scaffold.accidents import hooked
from tests.scaffold.cloud import DESTROY, Site, done, why
from tests.scaffold.whole import (
    ATTACHMENT,
    DRILL,
    GROUP,
    INSTANCE,
    PAIR,
    Manifests,
    WholeSite,
    assert_agreed,
    attachment,
    drill,
    group,
    instance,
    pair,
)

CONSENTS = ["delete", "replace", "unprotect"]
QUICK = Rules(copy_seconds=20.0)
FAULTS = [
    "refused",
    "lost-before",
    "lost-after",
    "status=503",
    "status-after=503",
    "status=429",
    "cut",
    "html",
    "empty",
]

OPEN = {
    f"{GROUP}/shop": group(name="shop"),
    f"{INSTANCE}/web": instance(1, "web"),
    f"{PAIR}/data": pair(1, "data"),
}
ENABLED = {**OPEN, f"{GROUP}/shop": group(name="shop", protection="enabled")}
DISABLED = {**OPEN, f"{GROUP}/shop": group(name="shop", protection="disabled")}


@dataclass(frozen=True)
class Case:
    """One call on the way from `start` to `goal`, as a fault names it."""

    call: str
    goal: Manifests
    start: Manifests = field(default_factory=lambda: OPEN)


def _with(place: str, spec: dict[str, object]) -> Manifests:
    return {**OPEN, place: spec}


def _without(place: str) -> Manifests:
    return {one: spec for one, spec in OPEN.items() if one != place}


WEB, DATA, FIRST = f"{INSTANCE}/web", f"{PAIR}/data", f"{DRILL}/first"
ATTACHED = _with(f"{ATTACHMENT}/data", attachment("web", "data"))
TAGGED = _with(WEB, instance(1, "web", tags=[{"key": "tier", "value": "web"}]))
RETAGGED = _with(WEB, instance(1, "web", tags=[{"key": "owner", "value": "shop"}]))
DRILLED = {**ENABLED, FIRST: drill("first")}
CASES = {
    "instance-created": Case("POST protected-instances", OPEN, _without(WEB)),
    "instance-renamed": Case("PUT protected-instances/*", _with(WEB, instance(1, "front"))),
    "instance-tagged": Case("POST protected-instances/*/tags/action", RETAGGED, TAGGED),
    "instance-resized": Case(
        "POST protected-instances/*/resize", _with(WEB, instance(1, "web", flavorRef="s3.small.1"))
    ),
    "instance-deleted": Case("DELETE protected-instances/*", _without(WEB)),
    "pair-created": Case("POST replications", OPEN, _without(DATA)),
    "pair-renamed": Case("PUT replications/*", _with(DATA, pair(1, "orders"))),
    "pair-grown": Case("POST replications/*/action", _with(DATA, pair(1, "data", volume_size=200))),
    "pair-deleted": Case("DELETE replications/*", _without(DATA)),
    "attached": Case("POST protected-instances/*/attachreplication", ATTACHED),
    "detached": Case("DELETE protected-instances/*/detachreplication/*", OPEN, ATTACHED),
    "enabled": Case("POST server-groups/*/action", ENABLED),
    "disabled": Case("POST server-groups/*/action", DISABLED, ENABLED),
    "drill-created": Case("POST disaster-recovery-drills", DRILLED, ENABLED),
    "drill-renamed": Case("PUT disaster-recovery-drills/*", {**ENABLED, FIRST: drill("spring")}, DRILLED),
    "drill-deleted": Case("DELETE disaster-recovery-drills/*", ENABLED, DRILLED),
}


def _site(tmp_path: Path, start: Manifests, goal: Manifests) -> WholeSite:
    """A site where `start` is applied and `goal` is written."""
    site = WholeSite(tmp_path, in_file=True, speed=1.0, latency=0.02, rules=QUICK)
    site.write_all(start)
    done(site.apply())
    site.write_all(goal)
    return site


def _jobs(site: Site) -> Counter[str]:
    """The jobs that requests have begun, by what they were sent to."""
    begun = (event for event in site.world.history() if event.effect is Effect.SUBMITTED)
    return Counter(f"{event.method} {event.path}" for event in begun)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_call_without_a_clear_answer_has_its_effect_once(tmp_path: Path, case: Case, fault: str) -> None:
    site = _site(tmp_path, case.start, case.goal)
    before = _jobs(site)
    site.break_with(f"{case.call}:{fault}:first=1")
    done(site.apply(allow=CONSENTS))
    assert all(number == 1 for number in (_jobs(site) - before).values())
    assert_agreed(site, case.goal)


JOBS = [name for name in CASES if "renamed" not in name and "tagged" not in name]


@pytest.mark.parametrize("name", JOBS)
def test_a_job_that_fails_is_told_and_tried_again_by_the_next_run(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    site = _site(tmp_path, case.start, case.goal)
    site.break_with(f"{case.call}:fail-job=SDRS.1014")
    applied = site.apply(allow=CONSENTS)
    assert applied.exit_code is ExitCode.ERROR
    assert "SDRS.1014" in why(applied)
    site.break_with()
    done(site.apply(allow=CONSENTS))
    assert_agreed(site, case.goal)


@pytest.mark.parametrize("name", JOBS)
def test_a_job_that_outlives_its_deadline_is_gone_on_with(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    site = _site(tmp_path, case.start, case.goal)
    before = _jobs(site)
    _set_rules(site, replace(QUICK, job_seconds=2000.0))
    kinds = (GROUP, INSTANCE, PAIR, ATTACHMENT, DRILL)
    short = {f"{kind}.{action}": 30.0 for kind in kinds for action in ("create", "update", "delete")}
    short |= {f"{GROUP}.enable": 30.0, f"{GROUP}.disable": 30.0}
    for _ in range(2):
        assert site.apply(allow=CONSENTS, timeouts=short).exit_code is ExitCode.INCOMPLETE
    site.now += 2000.0
    _set_rules(site, QUICK)
    done(site.apply(allow=CONSENTS))
    assert all(number == 1 for number in (_jobs(site) - before).values())
    assert_agreed(site, case.goal)


def _set_rules(site: WholeSite, rules: Rules) -> None:
    site.close()
    site.rules = rules


def test_an_instance_that_is_resized_is_waited_for_by_its_attachment(tmp_path: Path) -> None:
    goal = {
        **OPEN,
        WEB: instance(1, "web", flavorRef="s3.small.1"),
        f"{ATTACHMENT}/data": attachment("web", "data", "/dev/vdc"),
    }
    site = _site(tmp_path, ATTACHED, goal)
    site.break_with("DELETE protected-instances/*:status=503:first=1")
    done(site.apply(allow=CONSENTS))
    assert_agreed(site, goal)


# ---------------------------------------------------------------- protection


def test_e2_a_failed_enable_keeps_the_group_and_its_members(tmp_path: Path) -> None:
    site = _site(tmp_path, OPEN, ENABLED)
    ids = site.ids()
    site.break_with("POST server-groups/*/action:fail-job=SDRS.1014:first=1")
    assert site.apply().exit_code is ExitCode.ERROR
    assert site.ids() == ids
    assert site.object(f"{GROUP}/shop")["status"] == "error-starting"
    assert [step.action for step in site.plan().steps] == [Action.ENABLE]


def _fail_over(site: WholeSite) -> Callable[[Plan], None]:
    def act(plan: Plan) -> None:
        site.world.operator.set_status(site.ids()[f"{GROUP}/shop"], "failed-over")

    return act


@pytest.mark.parametrize(
    ("start", "goal"),
    [
        pytest.param(OPEN, ENABLED, id="enable"),
        pytest.param(ENABLED, DISABLED, id="disable"),
        pytest.param(OPEN, ATTACHED, id="attach"),
        pytest.param(OPEN, CASES["pair-grown"].goal, id="grow"),
        pytest.param(OPEN, RETAGGED, id="tag"),
        pytest.param(_without(WEB), OPEN, id="create"),
        pytest.param(ENABLED, DRILLED, id="drill"),
    ],
)
def test_e3_a_group_that_fails_over_after_the_plan_gets_no_changing_call(
    tmp_path: Path, start: Manifests, goal: Manifests
) -> None:
    site = _site(tmp_path, start, goal)
    sent = site.changing()
    site.watch.on_review = _fail_over(site)
    applied = site.apply(allow=CONSENTS)
    assert applied.exit_code is ExitCode.ERROR
    assert "disaster recovery is in progress" in why(applied)
    assert site.changing() == sent


def test_e3_a_teardown_stops_before_a_group_that_fails_over(tmp_path: Path) -> None:
    site = _site(tmp_path, ENABLED, ENABLED)
    sent = site.changing()
    site.watch.on_review = _fail_over(site)
    assert site.apply(DESTROY).exit_code is ExitCode.ERROR
    assert site.changing() == sent


@pytest.mark.parametrize(
    ("by_others", "start", "goal"),
    [
        pytest.param("stopping", OPEN, ENABLED, id="stopping-before-an-enable"),
        pytest.param("starting", ENABLED, DISABLED, id="starting-before-a-disable"),
    ],
)
def test_what_others_have_begun_is_waited_for(
    tmp_path: Path, by_others: str, start: Manifests, goal: Manifests
) -> None:
    site = _site(tmp_path, start, goal)
    shop = site.ids()[f"{GROUP}/shop"]
    ends = site.object(f"{GROUP}/shop")["status"]
    over = site.time() + 40.0
    site.world.operator.set_status(shop, by_others)

    def end() -> None:
        if site.time() >= over and site.world.groups()[0]["status"] == by_others:
            site.world.operator.set_status(shop, str(ends))

    with site.suffering(wire=hooked("GET server-groups.*", before=end)):
        done(site.apply(allow=CONSENTS))
    assert site.time() > over
    assert_agreed(site, goal)
