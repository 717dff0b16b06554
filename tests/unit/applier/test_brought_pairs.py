"""The pairs that came with an instance go with it; a pair that did not, or that has another use, stays."""

from dataclasses import replace

import pytest

from declarative.applier.brought_pairs import delete_left_pairs, unknown_until_now, with_brought
from declarative.applier.session import MAX_SENDS, StepContinues, StepFailed
from declarative.applier.steps import carry_out
from declarative.model import Action, Lifecycle, Observed
from tests.scaffold.applier import (
    INSTANCE,
    LOST_AFTER,
    LOST_BEFORE,
    PAIR,
    Cloud,
    attachment,
    failing,
    group,
    instance,
    now,
    on_virtual_time,
    pair,
    session_on,
    step,
)

DELETE_PAIR = "DELETE replications/r1"
WEB = instance(brought=("r1",))


def attached_to(*instances):
    """What a pair shows of the instances that it is attached to."""
    return {"attachment": [{"protected_instance": one, "device": "/dev/vda"} for one in instances]}


def after_the_instance(*others, **shown):
    """A cloud in which instance i1 is gone, and pair r1 is left of it; and a session that has recorded both."""
    cloud = Cloud(group())
    cloud.add(pair(), **(shown or attached_to("i1")))
    return cloud, session_on(cloud, group(), WEB, *others)


async def delete_left(session):
    await delete_left_pairs(session, WEB, deadline=now() + 600.0)


# ---------------------------------------------------------------- which go


@on_virtual_time
@pytest.mark.parametrize(
    ("others", "shown"),
    [
        pytest.param([], attached_to("i1"), id="still-said-to-be-attached"),
        pytest.param([], attached_to(), id="attached-to-nothing"),
        pytest.param([replace(pair(), lifecycle=Lifecycle(adopt=True))], attached_to(), id="adopted-by-a-manifest"),
    ],
)
async def test_pair_that_came_with_an_instance_is_deleted_after_it(others, shown):
    cloud, session = after_the_instance(*others, **shown)
    await delete_left(session)
    assert cloud.calls == [DELETE_PAIR]
    assert "r1" not in cloud.objects


@on_virtual_time
@pytest.mark.parametrize(
    ("others", "shown"),
    [
        pytest.param([pair()], attached_to(), id="recorded-by-itself"),
        pytest.param([], attached_to("i2"), id="attached-to-another-instance"),
        pytest.param([], attached_to("i1", "i2"), id="shared-with-another-instance"),
    ],
)
async def test_pair_that_has_another_use_stays(others, shown):
    cloud, session = after_the_instance(*others, **shown)
    await delete_left(session)
    assert cloud.calls == []


@on_virtual_time
async def test_pair_that_did_not_come_with_the_instance_stays():
    cloud, session = after_the_instance()
    cloud.add(pair("r2", key="logs"), **attached_to("i1"))
    await delete_left(session)
    assert cloud.calls == [DELETE_PAIR]


@on_virtual_time
async def test_pairs_that_came_with_another_instance_of_the_address_stay():
    cloud, session = after_the_instance(**attached_to())
    await delete_left_pairs(session, replace(WEB, id="i0"), deadline=600.0)
    assert cloud.calls == []


@on_virtual_time
@pytest.mark.parametrize("about", ["r1", "g1"], ids=["pair", "group"])
async def test_nothing_is_deleted_while_disaster_recovery_is_in_progress(about):
    cloud, session = after_the_instance()
    cloud.change(about, status="failed-over")
    with pytest.raises(StepFailed, match="failed-over"):
        await delete_left(session)
    assert cloud.calls == []


# ---------------------------------------------------------------- how they go


@on_virtual_time
async def test_busy_pair_is_waited_for():
    cloud, session = after_the_instance()
    cloud.change("r1", status="detaching")
    cloud.change("r1", after=60.0, status="available")
    await delete_left(session)
    assert cloud.times[DELETE_PAIR] >= 60.0


@on_virtual_time
@pytest.mark.parametrize(("answer", "sends"), [(LOST_BEFORE, 2), (LOST_AFTER, 1)], ids=["lost-before", "lost-after"])
async def test_delete_of_a_left_pair_is_sent_again_only_when_the_pair_is_still_there(answer, sends):
    cloud, session = after_the_instance()
    cloud.answers.append(answer)
    await delete_left(session)
    assert cloud.calls == [DELETE_PAIR] * sends
    assert "r1" not in cloud.objects


@on_virtual_time
async def test_delete_of_a_left_pair_that_is_never_answered_is_given_up_after_a_few_sends():
    cloud, session = after_the_instance()
    cloud.answers += [LOST_BEFORE] * 100
    with pytest.raises(StepContinues):
        await delete_left_pairs(session, WEB, deadline=now() + 3600.0)
    assert cloud.calls == [DELETE_PAIR] * MAX_SENDS


@on_virtual_time
async def test_instance_stays_recorded_until_its_pairs_are_gone():
    cloud, session = after_the_instance()
    cloud.endings.append(failing())
    with pytest.raises(StepFailed):
        await carry_out(session, step(Action.DELETE, WEB))
    assert session.ledger.state.resources[WEB.address].brought == ("r1",)
    await carry_out(session, step(Action.DELETE, WEB))
    assert WEB.address not in session.ledger.state.resources
    assert cloud.calls == [DELETE_PAIR] * 2


# ---------------------------------------------------------------- which came


WITH_PAIR = {"attachment": [{"replication": "r1", "device": "/dev/vda"}]}


@on_virtual_time
@pytest.mark.parametrize(
    ("others", "brought"),
    [
        pytest.param([], ("r1",), id="that-nobody-else-attached"),
        pytest.param([attachment()], None, id="but-not-one-that-an-attachment-names"),
        pytest.param([pair()], None, id="but-not-one-that-was-made-by-itself"),
    ],
)
async def test_new_instance_is_recorded_with_the_pairs_attached_to_it(others, brought):
    new = replace(instance(), attributes=WITH_PAIR)
    assert with_brought(session_on(Cloud(), *others), new).brought == brought


@on_virtual_time
async def test_what_is_attached_to_an_older_instance_is_taken_as_brought_with_a_warning():
    session = session_on(Cloud(), instance())
    shown = {INSTANCE.name: {"i1": {"id": "i1", **WITH_PAIR}}, PAIR.name: {"r1": {"id": "r1", "name": "root"}}}
    session.refreshed(Observed(shown))
    (record,) = unknown_until_now(session)
    assert (record.resource.id, record.resource.brought) == ("i1", ("r1",))
    assert "'root' (r1)" in session.observer.notices.findings[-1].summary
