"""Protection goes on and off by one call to a group that was just seen fit for it, and never by a second blind one."""

import pytest

from declarative.applier.session import StepContinues, StepFailed
from declarative.applier.switches import switch
from declarative.model import Action
from tests.scaffold.applier import (
    LOST_AFTER,
    LOST_BEFORE,
    UNREADABLE,
    Cloud,
    failing,
    group,
    now,
    on_virtual_time,
    session_on,
    step,
)

SWITCH_LINE = "POST server-groups/g1/action"
SHOP = group(protection="enabled")


def cloud_with(status, **options):
    cloud = Cloud(**options)
    cloud.add(SHOP, status=status)
    return cloud


async def enable(cloud):
    """Enable group g1, and return the session."""
    session = session_on(cloud, group())
    assert await switch(session, step(Action.ENABLE, SHOP)) == "g1"
    return session


def is_recorded(session):
    """True when the goal is recorded, and nothing is open."""
    (recorded,) = session.ledger.state.resources.values()
    return recorded.inputs.get("protection") == "enabled" and not session.ledger.state.operations


# ---------------------------------------------------------------- from where it is sent


@on_virtual_time
@pytest.mark.parametrize("status", ["available", "error-starting"])
async def test_enable_is_sent_once_from_a_group_fit_for_it(status):
    cloud = cloud_with(status)
    assert is_recorded(await enable(cloud))
    assert cloud.calls == [SWITCH_LINE]


DISASTER = ["failed-over", "failing-over", "reversing", "reprotecting", "error-reprotecting", "a-new-word", None]
UNFIT = ["error-stopping", "error", "error-deleting"]
SWAPPED = pytest.param({"status": "available", "priority_station": "target"}, id="production-on-the-other-side")


@on_virtual_time
@pytest.mark.parametrize(
    "shown", [*(pytest.param({"status": one}, id=str(one)) for one in (*DISASTER, *UNFIT)), SWAPPED]
)
async def test_enable_is_never_sent_to_any_other_group(shown):
    cloud = Cloud()
    cloud.add(SHOP, **shown)
    with pytest.raises(StepFailed):
        await enable(cloud)
    assert cloud.calls == []


@on_virtual_time
async def test_group_that_fails_over_while_the_slot_is_awaited_is_not_enabled():
    cloud = cloud_with("available", slot_seconds=0.1)
    cloud.change("g1", after=0.05, status="failed-over")
    with pytest.raises(StepFailed):
        await enable(cloud)
    assert cloud.calls == []
    assert cloud.log[-1] == "Closed"


@on_virtual_time
@pytest.mark.parametrize("status", ["failed-over", "error-starting", "error"])
async def test_disable_is_not_sent_to_a_group_without_protection_to_stop(status):
    cloud = cloud_with(status)
    with pytest.raises(StepFailed):
        await switch(session_on(cloud, SHOP), step(Action.DISABLE, group()))
    assert cloud.calls == []


# ---------------------------------------------------------------- what is not sent


@on_virtual_time
async def test_group_that_is_enabled_already_is_only_recorded():
    cloud = cloud_with("protected")
    assert is_recorded(await enable(cloud))
    assert cloud.calls == []


@on_virtual_time
async def test_group_that_is_being_enabled_is_waited_for():
    cloud = cloud_with("starting")
    cloud.change("g1", after=60.0, status="protected")
    assert is_recorded(await enable(cloud))
    assert cloud.calls == []
    assert now() >= 60.0


# ---------------------------------------------------------------- how it ends


@on_virtual_time
@pytest.mark.parametrize(
    ("answer", "sends"),
    [pytest.param(LOST_BEFORE, 2, id="sent-again-when-not"), pytest.param(LOST_AFTER, 1, id="waited-for-when-it-did")],
)
async def test_status_tells_whether_an_enable_arrived_whose_answer_was_lost(answer, sends):
    cloud = cloud_with("available", job_seconds=60.0)
    cloud.answers.append(answer)
    assert is_recorded(await enable(cloud))
    assert len(cloud.calls) == sends
    assert cloud.objects["g1"]["status"] == "protected"


@on_virtual_time
async def test_group_that_fails_over_after_a_lost_answer_is_not_sent_a_second_enable():
    cloud = cloud_with("available")
    cloud.answers.append(LOST_BEFORE)
    cloud.change("g1", after=0.1, status="failed-over")
    with pytest.raises(StepFailed):
        await enable(cloud)
    assert cloud.calls == [SWITCH_LINE]


@on_virtual_time
async def test_enable_whose_job_fails_changes_nothing_that_is_recorded():
    cloud = cloud_with("available")
    cloud.endings.append(failing())
    session = session_on(cloud, group())
    with pytest.raises(StepFailed) as failure:
        await switch(session, step(Action.ENABLE, SHOP))
    assert failure.value.code == "EVS.2024"
    assert list(session.ledger.state.resources.values()) == [group()]
    assert session.ledger.state.operations == {}


@on_virtual_time
async def test_enable_whose_job_can_not_be_read_is_done_when_the_group_is_protected():
    cloud = cloud_with("available", job_seconds=60.0)
    cloud.endings.append(UNREADABLE)
    cloud.change("g1", after=50.0, status="protected")
    assert is_recorded(await enable(cloud))
    assert cloud.calls == [SWITCH_LINE]


@on_virtual_time
async def test_enable_whose_job_can_not_be_read_stays_open_when_the_group_is_not_protected():
    cloud = cloud_with("available")
    cloud.endings.append(UNREADABLE)
    session = session_on(cloud, group())
    with pytest.raises(StepContinues):
        await switch(session, step(Action.ENABLE, SHOP))
    assert len(session.ledger.state.operations) == 1
    assert cloud.calls == [SWITCH_LINE]
