"""What a step finds when it looks decides what it sends: the call as planned, or nothing, or nothing any more."""

from dataclasses import replace

import pytest

from declarative.applier.session import StepContinues, StepFailed
from declarative.applier.steps import carry_out
from declarative.model import Action, Reference
from tests.scaffold.applier import (
    LOST_AFTER,
    LOST_BEFORE,
    UNREADABLE,
    Cloud,
    failing,
    group,
    instance,
    naming,
    now,
    on_virtual_time,
    session_on,
    step,
)

OLD, NEW = group(name="old"), group(name="new")
RENAME = step(Action.UPDATE, NEW, old={"name": "old"})
DELETE = step(Action.DELETE, OLD, old={"name": "old"})
CREATE = step(Action.CREATE, group(""))
update_or_delete = pytest.mark.parametrize("planned", [RENAME, DELETE], ids=["update", "delete"])


def recorded(session):
    """The ids of what is recorded; nothing may be open."""
    assert session.ledger.state.operations == {}
    return [one.id for one in session.ledger.state.resources.values()]


# ---------------------------------------------------------------- the look before a change


@on_virtual_time
@update_or_delete
@pytest.mark.parametrize(
    "shown",
    [
        pytest.param({"name": "theirs"}, id="changed-meanwhile"),
        pytest.param({"status": "failed-over"}, id="failed-over"),
        pytest.param({"status": "a-new-word"}, id="in-an-unknown-status"),
    ],
)
async def test_object_that_is_not_as_it_was_planned_for_is_left_alone(planned, shown):
    cloud = Cloud()
    cloud.add(OLD, **shown)
    session = session_on(cloud, OLD)
    with pytest.raises(StepFailed, match="".join(shown.values())):
        await carry_out(session, planned)
    assert cloud.calls == []
    assert recorded(session) == ["g1"]


@on_virtual_time
@pytest.mark.parametrize(
    ("planned", "there", "left"),
    [
        pytest.param(RENAME, [NEW], ["g1"], id="update-of-what-is-as-wanted"),
        pytest.param(DELETE, [], [], id="delete-of-what-is-gone"),
    ],
)
async def test_step_that_has_nothing_left_to_do_is_only_recorded(planned, there, left):
    cloud = Cloud(*there)
    session = session_on(cloud, OLD)
    await carry_out(session, planned)
    assert cloud.calls == []
    assert recorded(session) == left
    assert all(one == NEW for one in session.ledger.state.resources.values())


@on_virtual_time
async def test_update_of_an_object_that_is_gone_fails():
    session = session_on(Cloud(), OLD)
    with pytest.raises(StepFailed, match="g1"):
        await carry_out(session, RENAME)
    assert session.provider.calls == []


@on_virtual_time
async def test_delete_of_an_object_that_is_being_deleted_waits_for_its_end():
    cloud = Cloud()
    cloud.add(OLD, status="deleting")
    cloud.remove("g1", after=60.0)
    session = session_on(cloud, OLD)
    await carry_out(session, DELETE)
    assert cloud.calls == []
    assert now() >= 60.0
    assert recorded(session) == []


# ---------------------------------------------------------------- answers that are lost


@on_virtual_time
@pytest.mark.parametrize(
    ("planned", "left"),
    [
        pytest.param(RENAME, ["g1"], id="update"),
        pytest.param(DELETE, [], id="delete"),
        pytest.param(CREATE, ["new-1"], id="create"),
    ],
)
@pytest.mark.parametrize(
    ("answer", "sends"),
    [pytest.param(LOST_BEFORE, 2, id="lost-before"), pytest.param(LOST_AFTER, 1, id="lost-after")],
)
async def test_call_is_sent_again_only_when_a_look_shows_no_effect_of_it(planned, left, answer, sends):
    there = [] if planned is CREATE else [OLD]
    cloud = Cloud(*there)
    cloud.answers.append(answer)
    session = session_on(cloud, *there)
    await carry_out(session, planned)
    assert len(cloud.calls) == sends
    assert recorded(session) == left


@on_virtual_time
async def test_update_is_not_sent_again_when_someone_else_has_changed_the_object():
    cloud = Cloud(OLD)
    cloud.answers.append(LOST_BEFORE)
    cloud.send_seconds = 1.0
    cloud.change("g1", after=0.5, name="theirs")
    with pytest.raises(StepFailed):
        await carry_out(session_on(cloud, OLD), RENAME)
    assert len(cloud.calls) == 1


@on_virtual_time
@pytest.mark.parametrize("ending", [UNREADABLE, naming()], ids=["job-can-not-be-read", "job-names-nothing"])
async def test_create_that_was_accepted_is_never_sent_again(ending):
    cloud = Cloud()
    cloud.unlisted.add("new-1")
    cloud.endings.append(ending)
    session = session_on(cloud)
    with pytest.raises(StepContinues):
        await carry_out(session, CREATE)
    assert len(cloud.calls) == 1
    assert [one.job_id for one in session.ledger.state.operations.values()] == ["job-1"]


@on_virtual_time
@update_or_delete
async def test_no_call_is_sent_more_than_eight_times(planned):
    cloud = Cloud(OLD)
    cloud.answers.extend([LOST_BEFORE] * 100)
    session = session_on(cloud, OLD)
    session.timeouts = {f"ProtectionGroup.{planned.action}": 36000.0}
    with pytest.raises(StepContinues):
        await carry_out(session, planned)
    assert len(cloud.calls) == 8
    assert len(session.ledger.state.operations) == 1


# ---------------------------------------------------------------- steps without a call


@on_virtual_time
@pytest.mark.parametrize(
    ("planned", "written"),
    [
        pytest.param(step(Action.RECORD, NEW), ["Put"], id="record"),
        pytest.param(step(Action.ADOPT, NEW), ["Put"], id="adopt"),
        pytest.param(replace(step(Action.MOVE, group(key="store")), source=OLD.address), ["Dropped", "Put"], id="move"),
        pytest.param(step(Action.FORGET, OLD), ["Dropped"], id="forget"),
    ],
)
async def test_step_that_concerns_only_the_state_asks_the_cloud_nothing(planned, written):
    cloud = Cloud(OLD)
    session = session_on(cloud, OLD)
    await carry_out(session, planned)
    assert cloud.log == written
    assert recorded(session) == ([] if planned.action is Action.FORGET else ["g1"])


@on_virtual_time
async def test_what_a_failed_create_left_behind_is_recorded():
    cloud = Cloud()
    cloud.endings.append(failing(server_group_id="g1"))
    cloud.add(group(), status="error")
    session = session_on(cloud)
    with pytest.raises(StepFailed, match="no space"):
        await carry_out(session, CREATE)
    assert recorded(session) == ["g1"]
    assert cloud.log[-1] == "Closed"


@on_virtual_time
async def test_create_that_needs_an_object_that_is_not_recorded_is_not_sent():
    cloud = Cloud()
    of_a_group_to_come = instance("", server_group_id=Reference(OLD.address))
    with pytest.raises(StepFailed, match=str(OLD.address)):
        await carry_out(session_on(cloud), step(Action.CREATE, of_a_group_to_come))
    assert cloud.log == []
