"""Protection on and off.

`start-server-group` enables an available group, and copies back over the old production disks of a failed-over one
(docs/sdrs-api.md, "Enable or reprotect"). So the group's status is read in the same send slot, just before each single
send; nothing here is sent again without that look. A failed enable keeps the group, its members and its record.
"""

from __future__ import annotations

from dataclasses import replace

from declarative.applier.calls import Check, LookAt, Sending, job_of, submit
from declarative.applier.groups import busy, held
from declarative.applier.lost_creates import job_failed
from declarative.applier.session import MAX_SENDS, Session, StepContinues, StepFailed, Unneeded
from declarative.errors import OutcomeUnknown, visible
from declarative.model import Action, Attributes, Closed, Health, Kind, Operation, Put, Step, Switch
from declarative.provider import JobUnknown, JobUnreadable


async def switch(session: Session, step: Step) -> str:
    """Enable or disable the protection of a group, and record it."""
    kind = session.kind(step.address)
    way = way_of(kind, step.action)
    deadline = session.deadline(kind, step.action)
    operation, looks = session.new_operation(step), session.looks(deadline)
    # An enable that meets a failed-over group is a disaster; a disable that does is refused.
    check, fresh = _may_be_switched(session, step, way), step.action is Action.ENABLE
    sending = Sending(check=check, deadline=deadline, wait_codes=way.wait_codes, fresh=fresh)
    while True:
        operation = replace(operation, sends=operation.sends + 1, job_id="")
        try:
            operation = await submit(session, operation, way.call(step.resource.id), sending)
            await _job_over(session, operation, deadline=deadline)
            break
        except Unneeded as unneeded:
            if unneeded.observed is not None:  # on its way there
                await _arrived(session, kind, way, step, deadline=deadline)
            break
        except JobUnreadable as error:
            if not await _has_arrived(session, kind, way, step, deadline=deadline):
                raise StepContinues(error.summary, job_id=error.job_id) from error
            break
        except (OutcomeUnknown, JobUnknown) as error:
            if operation.sends >= MAX_SENDS or not await looks.again():
                raise StepContinues(f"no answer to the {step.action.value} could be had") from error
    await session.ledger.note(Put(session.kept(step.resource), step.id), Closed(operation.id))
    return step.resource.id


def way_of(kind: Kind, action: Action) -> Switch:
    """The switch that an enable or disable uses."""
    way = kind.calls.enable if action is Action.ENABLE else kind.calls.disable
    if way is None:
        raise StepFailed(f"a {kind.noun} has no protection to {action.value}", "Plan again.")
    return way


async def _job_over(session: Session, operation: Operation, *, deadline: float) -> None:
    job = await job_of(session, operation, deadline=deadline)
    if not job.succeeded:
        await session.ledger.note(Closed(operation.id))
        raise job_failed(
            operation.action.value, job, "The group and its members stay as they are: the next run tries again."
        )


def _may_be_switched(session: Session, step: Step, way: Switch) -> Check:
    """The check of a switch. It raises Unneeded for a group that is where it should be, or on its way there."""
    kind, group_id = session.kind(step.address), step.resource.id

    async def check(look_at: LookAt) -> Attributes | None:
        observed = await look_at(kind, group_id)
        if observed is None:
            raise StepFailed(f"{kind.noun} {group_id} is gone from the cloud", "Plan again.")
        status = str(observed.get("status"))
        health = kind.statuses.health(observed, step.resource.inputs)
        if health is Health.HELD:
            raise held(kind, observed)
        if status == way.reached:
            raise Unneeded
        if status == way.running:
            raise Unneeded(observed)
        if health is Health.BUSY:
            raise busy(kind, group_id, observed)
        if status not in way.sent_from:
            raise StepFailed(
                f"{step.action.value} needs a group that is {' or '.join(sorted(way.sent_from))}; it is "
                f"{visible(status, limit=80)}",
                "Plan again.",
            )
        return observed

    return check


async def _arrived(session: Session, kind: Kind, way: Switch, step: Step, *, deadline: float) -> None:
    """Wait for a group that is on its way already: somebody's job, or one of ours whose answer was lost."""
    looks = session.looks(deadline)
    while (status := await _status(session, kind, step, deadline=deadline)) != way.reached:
        if status != way.running:
            raise StepFailed(f"{step.action.value} has ended with the group {visible(status, limit=80)}", "Run again.")
        if not await looks.again():
            raise StepContinues(f"the group is still {way.running}")


async def _has_arrived(session: Session, kind: Kind, way: Switch, step: Step, *, deadline: float) -> bool:
    """Say whether the group is where its switch leads, once it is not on its way there any more."""
    if await _status(session, kind, step, deadline=deadline) == way.running:
        await _arrived(session, kind, way, step, deadline=deadline)
    return await _status(session, kind, step, deadline=deadline) == way.reached


async def _status(session: Session, kind: Kind, step: Step, *, deadline: float) -> str:
    observed = await session.observer.object(kind, step.resource.id, max_age=0.0, deadline=deadline)
    return str(observed.get("status")) if observed is not None else "gone"
