"""A call is sent in a slot, with its intent durable, on a young look at what it rests on; or it is not sent."""

from dataclasses import replace

import pytest

from declarative.applier.calls import NothingToDo, Sending, job_of, nothing_to_check, submit
from declarative.applier.session import Busy, StepFailed
from declarative.errors import NotSent, OutcomeUnknown, StateError
from declarative.model import Action
from tests.scaffold.applier import (
    ATTACHMENT,
    GROUP,
    INSTANCE,
    LOST_AFTER,
    Cloud,
    Disk,
    attachment,
    group,
    instance,
    now,
    on_virtual_time,
    operation,
    pair,
    refusal,
    session_on,
)

BUSY = refusal("SDRS.1002")
DELETE = GROUP.calls.delete("g1", {})
DELETE_LINE = "DELETE server-groups/g1"


async def group_is_at_rest(look_at):
    """The check of a call that rests on group g1."""
    observed = await look_at(GROUP, "g1")
    if observed["status"] == "stopping":
        raise Busy("the group is stopping")
    return observed


async def send(session, *, about=None, call=DELETE, check=group_is_at_rest, seconds=600.0, wait_codes=("SDRS.1002",)):
    """Submit a call, by default the delete of group g1."""
    sending = Sending(check=check, deadline=now() + seconds, wait_codes=frozenset(wait_codes))
    return await submit(session, about or operation(Action.DELETE, group()), call, sending)


def looks_in_slot(cloud):
    return cloud.log.count("look g1 in slot")


# ---------------------------------------------------------------- the order


@on_virtual_time
async def test_slot_intent_look_call_and_job_id_come_in_this_order():
    cloud = Cloud(group(), slot_seconds=1.0)
    session = session_on(cloud)
    assert (await send(session)).job_id == "job-1"
    order = ["slot", "Begun", "look g1 in slot", "DELETE server-groups/g1", "Accepted", "slot back"]
    assert cloud.log == ["look g1", *order]
    assert [one.job_id for one in session.ledger.state.operations.values()] == ["job-1"]


@on_virtual_time
async def test_nothing_is_sent_when_the_intent_can_not_be_written():
    cloud = Cloud(group())
    disk = Disk(cloud)
    disk.trouble = StateError("no space left")
    with pytest.raises(StateError, match="no space left"):
        await send(session_on(cloud, disk=disk))
    assert cloud.calls == []
    assert cloud.log[-1] == "slot back"


# ---------------------------------------------------------------- looks


@on_virtual_time
async def test_call_must_leave_within_five_seconds_of_the_question():
    cloud = Cloud(group(), slot_seconds=1.0, look_seconds=(0.0, 3.0))
    await send(session_on(cloud))
    asked = cloud.times["look g1 in slot"]
    assert cloud.leaves_by == [pytest.approx(asked + 5.0)]
    assert cloud.times[DELETE_LINE] >= asked + 3.0


@on_virtual_time
@pytest.mark.parametrize("seconds", [pytest.param(6.0, id="late-answer"), pytest.param(60.0, id="no-answer")])
async def test_look_that_is_too_old_is_repeated_before_the_call(seconds):
    cloud = Cloud(group(), slot_seconds=1.0, look_seconds=(0.0, seconds, seconds, 0.0))
    await send(session_on(cloud))
    assert looks_in_slot(cloud) == 3
    assert cloud.log.index(DELETE_LINE) > max(n for n, line in enumerate(cloud.log) if line.startswith("look"))


@on_virtual_time
@pytest.mark.parametrize("seconds", [pytest.param(6.0, id="late-answers"), pytest.param(60.0, id="no-answers")])
async def test_three_looks_in_a_row_that_are_too_old_end_the_step(seconds):
    cloud = Cloud(group(), slot_seconds=1.0, look_seconds=(0.0, seconds))
    session = session_on(cloud)
    with pytest.raises(StepFailed, match="too slowly"):
        await send(session)
    assert looks_in_slot(cloud) == 3
    assert cloud.calls == []
    assert session.ledger.state.operations == {}


@on_virtual_time
async def test_busy_object_is_waited_for_without_a_slot():
    cloud = Cloud(group())
    cloud.change("g1", status="stopping")
    cloud.change("g1", after=20.0, status="available")
    await send(session_on(cloud))
    assert cloud.times["slot"] >= 20.0
    assert cloud.log.count("slot") == len(cloud.calls) == 1


# ---------------------------------------------------------------- refusals

(_rename,) = GROUP.calls.update("g1", {"name": "new"}, {}, frozenset({"name"}))
RENAME = {"about": operation(Action.UPDATE, group()), "call": _rename}


@on_virtual_time
@pytest.mark.parametrize(
    ("answer", "raised", "is_open"),
    [
        pytest.param(refusal("SDRS.0204"), StepFailed, False, id="refused"),
        pytest.param(BUSY, StepFailed, False, id="busy-until-the-deadline"),
        pytest.param(NotSent("429"), StepFailed, False, id="not-sent-until-the-deadline"),
        pytest.param(LOST_AFTER, OutcomeUnknown, True, id="answer-lost"),
    ],
)
async def test_operation_stays_open_only_when_the_call_may_have_had_an_effect(answer, raised, is_open):
    cloud = Cloud(group())
    cloud.answers.extend([answer] * 100)
    session = session_on(cloud)
    with pytest.raises(raised):
        await send(session, **RENAME, seconds=30.0)
    assert bool(session.ledger.state.operations) is is_open


@on_virtual_time
@pytest.mark.parametrize(
    ("code", "is_new"),
    [
        pytest.param("SDRS.1002", False, id="the-group-is-busy"),
        pytest.param("SDRS.1013", True, id="the-service-does-not-know-a-new-object-yet"),
    ],
)
async def test_refusal_that_will_pass_is_followed_by_a_look_before_the_next_send(code, is_new):
    cloud = Cloud(group())
    cloud.answers.append(refusal(code))
    session = session_on(cloud)
    if is_new:
        session.observer.note_made("g1")
    await send(session)
    first, second = (n for n, line in enumerate(cloud.log) if line == DELETE_LINE)
    assert "look g1" in cloud.log[first:second]


@on_virtual_time
@pytest.mark.parametrize("code", ["SDRS.0204", "SDRS.1013"], ids=["bad-request", "unknown-object-that-is-not-new"])
async def test_refusal_that_will_not_pass_ends_the_step_at_once(code):
    cloud = Cloud(group())
    cloud.answers.append(refusal(code))
    with pytest.raises(StepFailed) as failure:
        await send(session_on(cloud), **RENAME)
    assert failure.value.code == code
    assert len(cloud.calls) == 1


ATTACH = {
    "about": operation(Action.CREATE, attachment("")),
    "call": ATTACHMENT.calls.create(attachment().inputs),
    "check": nothing_to_check,
}
WRONG_STATUS = refusal("SDRS.1601")


@on_virtual_time
async def test_refusal_over_a_status_is_waited_out_while_a_part_is_busy():
    cloud = Cloud(instance(), pair())
    cloud.change("r1", status="attaching")
    cloud.change("r1", after=60.0, status="available")
    cloud.refuses = lambda call: WRONG_STATUS if cloud.objects["r1"]["status"] == "attaching" else None
    await send(session_on(cloud), **ATTACH)
    assert now() >= 60.0
    assert len(cloud.calls) > 3


@on_virtual_time
async def test_third_refusal_over_a_status_with_all_parts_at_rest_is_believed():
    cloud = Cloud(instance(), pair())
    cloud.refuses = lambda call: WRONG_STATUS
    session = session_on(cloud)
    with pytest.raises(StepFailed):
        await send(session, **ATTACH)
    assert len(cloud.calls) == 3
    assert session.ledger.state.operations == {}


CREATE = {"about": operation(Action.CREATE, instance("")), "call": INSTANCE.calls.create(instance().inputs)}
AGAIN = {**CREATE, "about": replace(CREATE["about"], sends=2)}
REMOVE = {"about": operation(Action.DELETE, instance()), "call": INSTANCE.calls.delete("i1", {})}
(_resize,) = INSTANCE.calls.update("i1", {"flavorRef": "s3"}, {}, frozenset({"flavorRef"}))
RESIZE = {"about": operation(Action.UPDATE, instance()), "call": _resize}


@on_virtual_time
@pytest.mark.parametrize(
    ("sent", "code", "raised", "is_open"),
    [
        pytest.param(AGAIN, "SDRS.1305", OutcomeUnknown, True, id="an-earlier-create-may-have-made-it"),
        pytest.param(CREATE, "SDRS.1305", StepFailed, False, id="but-not-the-first-create"),
        pytest.param(REMOVE, "SDRS.1301", OutcomeUnknown, True, id="the-object-may-be-gone"),
        pytest.param(RESIZE, "SDRS.1341", NothingToDo, False, id="it-has-the-flavor-already"),
    ],
)
async def test_refusal_tells_what_an_earlier_send_has_done(sent, code, raised, is_open):
    cloud = Cloud(group(), instance())
    cloud.answers.append(refusal(code))
    session = session_on(cloud)
    with pytest.raises(raised):
        await send(session, **sent, check=nothing_to_check)
    assert bool(session.ledger.state.operations) is is_open


@on_virtual_time
async def test_status_of_a_running_job_is_told_when_it_changes():
    cloud = Cloud(group())
    cloud.run_job("job-1", seconds=20.0)
    await job_of(session_on(cloud), operation(Action.DELETE, group(), job_id="job-1"), deadline=now() + 60.0)
    assert [(event.type, event.detail["status"], event.detail["job_id"]) for event in cloud.events] == [
        ("step-progress", "RUNNING", "job-1")
    ]
