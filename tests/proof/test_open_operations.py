"""What an earlier run left open, met by other manifests, by a saved plan, or by a command that edits the state."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from declarative.errors import ExitCode, StateError
from declarative.model import Action
from declarative.simulator import Rules
from declarative.workflow import states
from declarative.workflow.project import Project
from tests.scaffold.cloud import Site, address, assert_settled, done, why
from tests.scaffold.killing import run_fused
from tests.scaffold.whole import (
    ATTACHMENT,
    GROUP,
    INSTANCE,
    PAIR,
    Manifests,
    WholeSite,
    assert_agreed,
    attachment,
    group,
    instance,
    pair,
)

HOUR = 3600.0
SLOW = Rules(job_seconds=HOUR)
SOON_OVER = {f"ProtectionGroup.{action}": 40.0 for action in ("create", "update", "delete")}


@pytest.fixture
def slow(tmp_path: Path) -> Site:
    """A stack of one group whose create is still running when its run has ended."""
    site = Site(tmp_path, speed=1.0, latency=0.02, rules=SLOW)
    site.write({"web": {}})
    return site


def _left_running(site: Site, **options: Any) -> None:
    assert site.apply(timeouts=SOON_OVER, **options).exit_code is ExitCode.INCOMPLETE


# ---------------------------------------------------------------- other manifests, a saved plan


def test_a_saved_plan_that_is_resumed_sends_no_create_twice(slow: Site) -> None:
    saved = slow.plan()
    for _ in range(2):
        applied = slow.apply_saved(saved, timeouts=SOON_OVER)
        assert applied.exit_code is ExitCode.INCOMPLETE
    assert "an earlier create of it is still open" in why(applied)
    slow.now += HOUR
    done(slow.apply_saved(saved))
    assert len(slow.made()) == 1
    assert_settled(slow, {"web": "web"})


def test_a_renamed_address_waits_for_what_its_old_one_makes(slow: Site) -> None:
    _left_running(slow)
    slow.write({"www": {"name": "web"}})
    (warning,) = slow.plan().warnings
    assert "ProtectionGroup/web, whose earlier create is still open, may have created it" in warning.summary
    _left_running(slow)
    slow.now += HOUR
    done(slow.apply())
    assert [step.action for step in slow.watch.plans[-1].steps] == [Action.MOVE]
    assert len(slow.made()) == 1
    assert_settled(slow, {"www": "web"})


def test_another_new_group_does_not_wait_for_it(slow: Site) -> None:
    _left_running(slow)
    slow.write({"www": {"name": "web", "description": "another"}})
    assert [step.id for step in slow.plan().steps] == ["create:ProtectionGroup/www"]


def test_an_address_taken_out_is_deleted_once_it_is_known(slow: Site) -> None:
    _left_running(slow)
    slow.write({})
    _left_running(slow)
    slow.now += HOUR
    _left_running(slow, allow=["delete", "empty-manifests"])
    slow.now += HOUR
    done(slow.apply())
    assert slow.deleted_by_us() == slow.made()
    assert_settled(slow, {})


def test_what_has_come_is_changed_as_the_manifests_say_by_now(slow: Site) -> None:
    _left_running(slow)
    slow.now += HOUR
    slow.write({"web": {"name": "front"}})
    done(slow.apply())
    assert len(slow.made()) == 1
    assert_settled(slow, {"web": "front"})


def test_an_open_operation_that_cannot_be_looked_at_keeps_only_its_own_address_waiting(tmp_path: Path) -> None:
    site = Site(tmp_path, in_file=True, speed=1.0)
    site.write({"web": {}, "db": {}})
    done(site.apply())
    site.write({"web": {"name": "web-2"}, "db": {}})
    assert not run_fused(site, Site.apply, at=["before PUT"])
    site.write({"web": {"name": "web-2"}, "db": {"name": "db-2"}})
    web = site.recorded()["web"]
    site.break_with(f"GET server-groups/{web}:status=403")
    applied = site.apply()
    assert applied.exit_code is ExitCode.INCOMPLETE
    assert site.named("db-2")
    site.break_with()
    done(site.apply())
    assert_settled(site, {"web": "web-2", "db": "db-2"})


# ---------------------------------------------------------------- state mv, state rm


def _edit(site: Site, work: Callable[[Project], Coroutine[Any, Any, Any]], **options: Any) -> None:
    site.run(lambda: work(site.project(timeouts=SOON_OVER, **options)))


def _move(site: Site, source: str, target: str) -> None:
    places = str(address(source)), str(address(target))
    _edit(site, lambda project: states.state_mv(project, *places, watch=site.watch))


@pytest.fixture
def leaving(slow: Site) -> Site:
    """The same group, made, whose delete is still running when its run has ended."""
    _left_running(slow)
    slow.now += HOUR
    done(slow.apply())
    slow.write({})
    _left_running(slow, allow=["delete", "empty-manifests"])
    return slow


def test_what_is_open_moves_with_its_object(leaving: Site) -> None:
    _move(leaving, "web", "www")
    (operation,) = leaving.state().operations.values()
    assert (operation.action, operation.resource.address) == (Action.DELETE, address("www"))
    leaving.now += HOUR
    done(leaving.apply())
    assert leaving.deleted_by_us() == leaving.made()
    assert_settled(leaving, {})


def test_what_is_open_is_forgotten_with_its_object(leaving: Site) -> None:
    _edit(leaving, lambda project: states.state_rm(project, ["ProtectionGroup/web"], watch=leaving.watch))
    assert (leaving.state().operations, leaving.recorded()) == ({}, {})


def test_nothing_moves_to_an_address_whose_create_is_open(slow: Site) -> None:
    _left_running(slow)
    slow.now += HOUR
    slow.write({"web": {}, "db": {}})
    _left_running(slow)
    with pytest.raises(StateError, match="an earlier operation of ProtectionGroup/db is still open"):
        _move(slow, "web", "db")


@pytest.mark.parametrize("command", ["mv", "rm"])
def test_the_state_is_edited_without_a_cloud_when_nothing_is_open(site: Site, command: str) -> None:
    done(site.apply())
    alone = replace(site.project(), embedded=None)
    if command == "mv":
        site.run(lambda: states.state_mv(alone, "ProtectionGroup/web", "ProtectionGroup/www", watch=site.watch))
        assert list(site.recorded()) == ["www"]
    else:
        site.run(lambda: states.state_rm(alone, ["ProtectionGroup/web"], watch=site.watch))
        assert site.recorded() == {}


# ---------------------------------------------------------------- members

SHOP = {
    f"{GROUP}/shop": group(name="shop"),
    f"{INSTANCE}/web": instance(1, "web"),
    f"{PAIR}/data": pair(1, "data"),
}
ATTACHED = {**SHOP, f"{ATTACHMENT}/data": attachment("web", "data")}
LARGER = {**SHOP, f"{PAIR}/data": pair(1, "data", volume_size=200)}
SMALLER = {**SHOP, f"{INSTANCE}/web": instance(1, "web", flavorRef="s3.small.1")}


def _killed(tmp_path: Path, start: Manifests, goal: Manifests, moment: str) -> WholeSite:
    """A site from `start` to `goal`, killed at that moment, whose jobs take longer than a create's grace period."""
    site = WholeSite(tmp_path, in_file=True, speed=1.0, rules=Rules(job_seconds=100.0, copy_seconds=1.0))
    site.write_all(start)
    done(site.apply())
    site.write_all(goal)
    assert not run_fused(site, lambda site: site.apply(allow=["delete"]), at=[moment])
    return site


def test_an_attachment_that_still_comes_is_waited_for(tmp_path: Path) -> None:
    site = _killed(tmp_path, SHOP, ATTACHED, "after POST protected-instances")
    done(site.apply())
    assert site.creations()[ATTACHMENT] == 1
    assert_agreed(site, ATTACHED)


def test_an_attachment_that_still_goes_is_waited_for(tmp_path: Path) -> None:
    site = _killed(tmp_path, ATTACHED, SHOP, "after DELETE protected-instances")
    done(site.apply(allow=["delete"]))
    assert len(site.deletions()) == 1
    assert_agreed(site, SHOP)


def test_a_disk_that_still_grows_is_waited_for(tmp_path: Path) -> None:
    site = _killed(tmp_path, SHOP, LARGER, "after POST replications")
    done(site.apply())
    assert site.requests("POST", "replications/{replication_id}/action") == 1
    assert_agreed(site, LARGER)


def test_a_group_that_is_still_created_is_protected_in_the_same_run(tmp_path: Path) -> None:
    goal = {**SHOP, f"{GROUP}/shop": group(name="shop", protection="enabled")}
    site = WholeSite(tmp_path, in_file=True, speed=1.0, rules=Rules(job_seconds=100.0, copy_seconds=1.0))
    site.write_all(goal)
    assert not run_fused(site, Site.apply, at=["after POST server-groups"])
    done(site.apply())
    assert_agreed(site, goal)


def test_an_attachment_under_another_device_survives_the_loss_of_its_answer(tmp_path: Path) -> None:
    goal = {**SHOP, f"{ATTACHMENT}/data": attachment("web", "data", "/dev/vdc")}
    site = WholeSite(tmp_path, speed=1.0, rules=Rules(copy_seconds=1.0))
    site.write_all(ATTACHED)
    done(site.apply())
    site.write_all(goal)
    site.break_with("POST protected-instances/*/attachreplication:lost-after:first=1")
    done(site.apply(allow=["replace"]))
    assert site.creations()[ATTACHMENT] == 2
    assert_agreed(site, goal)


@pytest.mark.parametrize(
    ("start", "goal", "call"),
    [
        pytest.param(SHOP, ATTACHED, "POST protected-instances/*/attachreplication", id="attach"),
        pytest.param(ATTACHED, SHOP, "DELETE protected-instances/*/detachreplication/*", id="detach"),
        pytest.param(SHOP, LARGER, "POST replications/*/action", id="grow"),
        pytest.param(SHOP, SMALLER, "POST protected-instances/*/resize", id="resize"),
    ],
)
def test_a_lost_answer_is_looked_after_until_the_job_is_over(
    tmp_path: Path, start: Manifests, goal: Manifests, call: str
) -> None:
    """Nothing but a busy pair or instance tells that the call has arrived; its job takes longer than any grace."""
    site = WholeSite(tmp_path, speed=1.0, rules=Rules(job_seconds=100.0, copy_seconds=1.0))
    site.write_all(start)
    done(site.apply())
    before = site.changing()
    site.write_all(goal)
    site.break_with(f"{call}:lost-after:first=1")
    done(site.apply(allow=["delete"]))
    assert site.changing() - before == (2 if "resize" in call else 1)  # the flavor of a DR server can't be read
    assert_agreed(site, goal)


def test_a_refusal_that_an_earlier_send_explains_closes_nothing(tmp_path: Path) -> None:
    """The first send's answer is lost and no list shows what it made; the second is refused; then the run is killed."""
    site = WholeSite(tmp_path, in_file=True, speed=1.0, rules=Rules(copy_seconds=1.0))
    site.write_all({f"{GROUP}/shop": SHOP[f"{GROUP}/shop"]})
    done(site.apply())
    goal = {place: wanted for place, wanted in SHOP.items() if not place.startswith(PAIR)}
    site.write_all(goal)
    site.break_with("POST protected-instances:lost-after:first=1", "GET protected-instances:list-lag=60")
    send = "before POST protected-instances"
    assert not run_fused(site, Site.apply, at=[send, send, "durable", "before GET"])
    site.break_with()
    done(site.apply())
    assert site.creations()[INSTANCE] == 1
    assert_agreed(site, goal)
