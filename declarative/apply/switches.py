"""Protection on and off.

`start-server-group` enables an available group, and copies back over the old production disks of a failed-over one
(trap T1 of the reference). So the group's status is read in the same send slot, just before each single send; nothing
here is sent again without that look. A failed enable keeps the group, its members and its record.
"""

from __future__ import annotations

from dataclasses import replace

from declarative.apply.groups import held
from declarative.apply.search import job_failed
from declarative.apply.sending import LOOKED, job_of, refused
from declarative.apply.session import MAX_SENDS, Session, StepContinues, StepFailed
from declarative.errors import NotSent, OutcomeUnknown, Rejected, Unauthorized, visible
from declarative.model import (
    Accepted,
    Action,
    Attributes,
    Begun,
    Call,
    Closed,
    Health,
    Kind,
    Operation,
    Put,
    Step,
    Switch,
)
from declarative.provider import JobUnknown, Slot, job_id_of


class _There(Exception):
    """The group is where it should be: nothing is to be sent."""


class _Moving(Exception):
    """The group is on its way there: wait."""


class _Busy(Exception):
    """The group is on its way to where the call may be sent: wait, and look again. Its argument is the status."""


async def switch(run: Session, step: Step) -> str:
    """Enable or disable the protection of a group, and record it."""
    kind = run.kind(step.address)
    way = way_of(kind, step.action)
    deadline = run.deadline(kind, step.action)
    operation, looks = run.new_operation(step), run.looks(deadline)
    while True:
        operation = replace(operation, sends=operation.sends + 1, job_id="")
        try:
            await _one_try(run, kind, way, operation, deadline=deadline)
            break
        except _There:
            break
        except _Moving:
            await _arrived(run, kind, way, step, deadline=deadline)
            break
        except _Busy as busy:
            if not await looks.again():
                raise StepFailed(f"{kind.noun} {step.resource.id} is busy: {busy}", "Run again.") from busy
            operation = replace(operation, sends=operation.sends - 1)
        except (OutcomeUnknown, JobUnknown, NotSent) as error:
            if operation.sends >= MAX_SENDS or not await looks.again():
                raise StepContinues(f"no answer to the {step.action.value} could be had") from error
        except Unauthorized:
            raise
        except Rejected as error:
            if error.code not in way.wait_codes or looks.is_over:
                raise refused(error) from error
            operation = replace(operation, sends=0)
            run.tell("step-progress", step, status=f"waits: {error.summary}")
            await looks.again()
    await run.ledger.note(Put(step.resource, step.id), Closed(operation.id))
    return step.resource.id


def way_of(kind: Kind, action: Action) -> Switch:
    """The switch that an enable or disable uses."""
    way = kind.enable if action is Action.ENABLE else kind.disable
    if way is None:
        raise StepFailed(f"a {kind.noun} has no protection to {action.value}", "Plan again.")
    return way


async def _one_try(run: Session, kind: Kind, way: Switch, operation: Operation, *, deadline: float) -> None:
    """Look, send once, wait for the job."""
    accepted = await _look_and_send(run, kind, way, operation, deadline=deadline)
    run.tell("step-accepted", accepted, job_id=accepted.job_id)
    job = await job_of(run, accepted, deadline=deadline)
    if not job.succeeded:
        await run.ledger.note(Closed(operation.id))
        raise job_failed(
            operation.action.value, job, "The group and its members stay as they are: the next run tries again."
        )


async def _look_and_send(run: Session, kind: Kind, way: Switch, operation: Operation, *, deadline: float) -> Operation:
    object_id = operation.resource.id
    try:
        async with run.slot() as slot:
            observed = await _read(slot, kind, object_id, deadline=deadline)
            _decide(kind, way, observed, operation)
            soon = run.clock.monotonic() + LOOKED
            await run.ledger.intend(Begun(operation))
            job_id = job_id_of(await slot.send(way.call(object_id), deadline=deadline, leaves_by=soon))
            await run.ledger.note(Accepted(operation.id, job_id))
    except (Rejected, NotSent):
        await run.ledger.note(Closed(operation.id))
        raise
    return replace(operation, job_id=job_id)


async def _read(slot: Slot, kind: Kind, object_id: str, *, deadline: float) -> Attributes:
    answer = await slot.send(Call("GET", (kind.collection, object_id)), deadline=deadline, holds=(kind.envelope, dict))
    found = answer.get(kind.envelope)
    if not isinstance(found, dict) or found.get("id") != object_id:
        raise StepFailed(f"the answer about {kind.noun} {object_id} is about something else", "Run again.")
    return kind.view(found)[object_id]


def _decide(kind: Kind, way: Switch, observed: Attributes, operation: Operation) -> None:
    """Return when the call may be sent; else say why not."""
    status = str(observed.get("status"))
    health = kind.health(observed, operation.resource.inputs)
    if health is Health.HELD:
        raise held(kind, observed)
    if status == way.reached:
        raise _There
    if status == way.running:
        raise _Moving
    if health is Health.BUSY:
        raise _Busy(visible(status, limit=80))
    if status not in way.sent_from:
        raise StepFailed(
            f"{operation.action.value} needs a group that is {' or '.join(sorted(way.sent_from))}; it is "
            f"{visible(status, limit=80)}",
            "Plan again.",
        )


async def _arrived(run: Session, kind: Kind, way: Switch, step: Step, *, deadline: float) -> None:
    """Wait for a group that is on its way already: somebody's job, or one of ours whose answer was lost."""
    looks = run.looks(deadline)
    while True:
        observed = await run.lookout.look(kind, step.resource.id, max_age=0.0, deadline=deadline)
        status = str(observed.get("status")) if observed is not None else "gone"
        if status == way.reached:
            return
        if status != way.running:
            raise StepFailed(f"{step.action.value} has ended with the group {visible(status, limit=80)}", "Run again.")
        if not await looks.again():
            raise StepContinues(f"the group is still {way.running}")
