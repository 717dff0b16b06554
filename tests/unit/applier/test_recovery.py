"""What earlier runs left open is decided by looking: recorded when it happened, closed when not, and never sent."""

import pytest

from declarative.applier import recover
from declarative.errors import Rejected, Unauthorized
from declarative.model import Action
from tests.scaffold.applier import (
    GROUP,
    UNREADABLE,
    Cloud,
    failing,
    group,
    now,
    on_virtual_time,
    operation,
    session_on,
)

OLD, NEW = group(name="old"), group(name="new")
CREATE, CREATE_ACCEPTED = (operation(Action.CREATE, group("", name="old"), job_id=one) for one in ("", "job-1"))
UPDATE, UPDATE_ACCEPTED = (operation(Action.UPDATE, NEW, job_id=one) for one in ("", "job-1"))
DELETE, DELETE_ACCEPTED = (operation(Action.DELETE, OLD, job_id=one) for one in ("", "job-1"))
ENABLE, ENABLE_ACCEPTED = (
    operation(Action.ENABLE, group(name="old", protection="enabled"), job_id=one) for one in ("", "job-1")
)


def left_open(cloud, *operations, others=(), is_patient=True):
    """A session whose ledger holds these operations of an earlier run, and what they are about."""
    known = [OLD for one in operations if one.action is not Action.CREATE]
    return session_on(cloud, *known[:1], *others, operations=operations, is_patient=is_patient)


def end_of(session):
    """What is recorded of the object, in short, and which operations are open."""
    (one,) = session.ledger.state.resources.values() or (None,)
    goal = one.inputs.get("protection") or one.inputs["name"] if one else None
    return goal, [one.action.value for one in session.ledger.state.operations.values()]


class OnlyLooked(Cloud):
    """A cloud that no call may reach."""

    def slot(self):
        raise AssertionError("a recovery sends nothing")


# ---------------------------------------------------------------- with all the time it takes


@on_virtual_time
@pytest.mark.parametrize(
    ("left", "shown", "goal"),
    [
        pytest.param(CREATE, {}, "old", id="create-that-made-its-object"),
        pytest.param(CREATE, None, None, id="create-that-made-nothing"),
        pytest.param(UPDATE, {"name": "new"}, "new", id="update-that-shows"),
        pytest.param(UPDATE, {}, "old", id="update-that-does-not-show"),
        pytest.param(DELETE, None, None, id="delete-of-what-is-gone"),
        pytest.param(DELETE, {}, "old", id="delete-of-what-is-there"),
        pytest.param(ENABLE, {"status": "protected"}, "enabled", id="enable-that-shows"),
        pytest.param(ENABLE, {"status": "error-starting"}, "old", id="enable-that-failed"),
        pytest.param(ENABLE, {"status": "failed-over"}, "old", id="enable-of-what-failed-over"),
    ],
)
async def test_open_operation_is_decided_by_what_the_cloud_shows(left, shown, goal):
    cloud = OnlyLooked()
    if shown is not None:
        cloud.add(OLD, **shown)
    session = left_open(cloud, left)
    assert await recover(session) == ()
    assert end_of(session) == (goal, [])


@on_virtual_time
@pytest.mark.parametrize(
    ("left", "change", "goal"),
    [
        pytest.param(CREATE_ACCEPTED, lambda cloud: cloud.add(OLD, after=100.0), "old", id="create"),
        pytest.param(DELETE_ACCEPTED, lambda cloud: cloud.remove("g1", after=100.0), None, id="delete"),
        pytest.param(UPDATE_ACCEPTED, lambda cloud: cloud.change("g1", after=100.0, name="new"), "new", id="update"),
        pytest.param(
            ENABLE_ACCEPTED, lambda cloud: cloud.change("g1", after=100.0, status="protected"), "enabled", id="enable"
        ),
    ],
)
async def test_job_of_an_earlier_run_is_waited_for(left, change, goal):
    cloud = OnlyLooked()
    if left is not CREATE_ACCEPTED:
        cloud.add(OLD)
    cloud.run_job("job-1", seconds=100.0, entities={"server_group_id": "g1"})
    change(cloud)
    session = left_open(cloud, left)
    assert await recover(session) == ()
    assert now() >= 100.0
    assert end_of(session) == (goal, [])


@on_virtual_time
@pytest.mark.parametrize(
    ("left", "busy", "done", "goal"),
    [
        pytest.param(DELETE, "deleting", None, None, id="deleting"),
        pytest.param(ENABLE, "starting", "protected", "enabled", id="starting"),
    ],
)
async def test_object_that_is_on_its_way_is_waited_for(left, busy, done, goal):
    cloud = OnlyLooked()
    cloud.add(OLD, status=busy)
    if done is None:
        cloud.remove("g1", after=100.0)
    else:
        cloud.change("g1", after=100.0, status=done)
    session = left_open(cloud, left)
    assert await recover(session) == ()
    assert now() >= 100.0
    assert end_of(session) == (goal, [])


@on_virtual_time
@pytest.mark.parametrize("goal", ["new", "old"])
async def test_update_is_decided_once_its_object_is_at_rest(goal):
    cloud = OnlyLooked()
    cloud.add(OLD, status="starting")
    cloud.change("g1", after=10.0, status="available", name=goal)
    session = left_open(cloud, UPDATE)
    assert await recover(session) == ()
    assert now() >= 10.0
    assert end_of(session) == (goal, [])


@on_virtual_time
async def test_update_of_an_object_that_stays_busy_stays_open():
    cloud = OnlyLooked()
    cloud.add(OLD, status="starting")
    session = left_open(cloud, UPDATE)
    (still,) = await recover(session)
    assert "protection group g1 is starting" in still.message
    assert end_of(session) == ("old", ["update"])


@on_virtual_time
@pytest.mark.parametrize(
    "left", [CREATE_ACCEPTED, UPDATE_ACCEPTED, DELETE_ACCEPTED, ENABLE_ACCEPTED], ids=lambda left: left.action.value
)
async def test_operation_whose_job_can_not_be_read_stays_open_without_an_effect(left):
    cloud = OnlyLooked()
    if left is not CREATE_ACCEPTED:
        cloud.add(OLD)
    cloud.run_job("job-1", ending=UNREADABLE)
    session = left_open(cloud, left)
    (still,) = await recover(session)
    assert (still.address, still.action) == (OLD.address, left.action)
    assert end_of(session)[1] == [left.action.value]


@on_virtual_time
async def test_create_is_not_taken_for_an_object_that_was_there_before():
    cloud = OnlyLooked(OLD)
    session = left_open(cloud, CREATE)
    session.ledger.state.pre_images[GROUP.name] = {"g1"}
    assert await recover(session) == ()
    assert end_of(session) == (None, [])


@on_virtual_time
async def test_operation_that_can_not_be_looked_at_leaves_the_others_decided():
    cloud = OnlyLooked(OLD, group("g2", key="store"))
    cloud.troubles["g1"] = Rejected("no right to read it")
    session = left_open(cloud, UPDATE, operation(Action.DELETE, group("g2", key="store")))
    cloud.remove("g2")
    (still,) = await recover(session)
    assert still.address == OLD.address
    assert end_of(session) == ("old", ["update"])


@on_virtual_time
@pytest.mark.parametrize("is_patient", [True, False], ids=["apply", "plan"])
async def test_rejected_credentials_end_the_recovery(is_patient):
    cloud = OnlyLooked(OLD)
    cloud.troubles["g1"] = Unauthorized("no")
    with pytest.raises(Unauthorized):
        await recover(left_open(cloud, UPDATE, is_patient=is_patient))


# ---------------------------------------------------------------- with one look


@on_virtual_time
@pytest.mark.parametrize(
    ("left", "shown", "goal"),
    [
        pytest.param(CREATE, {}, "old", id="create-that-made-its-object"),
        pytest.param(UPDATE, {"name": "new"}, "new", id="update-that-shows"),
        pytest.param(UPDATE, {}, "old", id="update-that-does-not-show"),
        pytest.param(DELETE, None, None, id="delete-of-what-is-gone"),
        pytest.param(DELETE, {}, "old", id="delete-of-what-is-there"),
        pytest.param(ENABLE, {"status": "protected"}, "enabled", id="enable-that-shows"),
        pytest.param(ENABLE, {}, "old", id="enable-that-does-not-show"),
    ],
)
async def test_one_look_decides_what_it_can(left, shown, goal):
    cloud = OnlyLooked()
    if shown is not None:
        cloud.add(OLD, **shown)
    session = left_open(cloud, left, is_patient=False)
    assert await recover(session) == ()
    assert end_of(session) == (goal, [])
    assert now() < 0.1


@on_virtual_time
async def test_one_look_believes_the_job_that_names_one_of_two_alike():
    cloud = OnlyLooked()
    for object_id in ("g1", "g2"):
        cloud.add(group(object_id, name="old"))
    cloud.run_job("job-1", entities={"server_group_id": "g2"})
    session = left_open(cloud, CREATE_ACCEPTED, is_patient=False)
    assert await recover(session) == ()
    assert [one.id for one in session.ledger.state.resources.values()] == ["g2"]


@on_virtual_time
async def test_one_look_says_that_the_job_of_a_create_has_failed():
    cloud = OnlyLooked()
    cloud.run_job("job-1", ending=failing())
    (still,) = await recover(left_open(cloud, CREATE_ACCEPTED, is_patient=False))
    assert still.message.startswith("its job failed: no space (EVS.2024, create job job-1). ")


@on_virtual_time
@pytest.mark.parametrize(
    ("left", "shown"),
    [
        pytest.param(CREATE, None, id="create-without-an-object-yet"),
        pytest.param(CREATE, {"source_vpc_id": None}, id="create-with-an-object-that-fits-in-part"),
        pytest.param(DELETE, {"status": "deleting"}, id="delete-of-what-is-being-deleted"),
        pytest.param(ENABLE, {"status": "starting"}, id="enable-of-what-is-being-enabled"),
        pytest.param(UPDATE_ACCEPTED, {}, id="job-that-runs"),
    ],
)
async def test_one_look_leaves_undecided_what_it_can_not_decide(left, shown):
    cloud = OnlyLooked()
    cloud.run_job("job-1", seconds=100.0)
    if shown is not None:
        cloud.add(OLD, **shown)
    session = left_open(cloud, left, is_patient=False)
    (still,) = await recover(session)
    assert still.message
    assert [one.action for one in session.ledger.state.operations.values()] == [left.action]
    assert now() < 0.1
