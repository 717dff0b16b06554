"""One step, carried out: what is made durable before and after each call, and what is done when an answer is lost.

Source of the order: a create is intent durable → POST → job id durable → poll → id durable; it is never sent again
before a look. A lost update or delete is decided by reading the object.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from declarative.apply.groups import GROUP, first_copy, group_ready, held, parts_busy, still_open, turn_if_narrow
from declarative.apply.search import created_by, job_failed, lost, until_ready
from declarative.apply.sending import NothingToDo, job_of, submit
from declarative.apply.session import MAX_SENDS, Session, StepContinues, StepFailed
from declarative.apply.switches import switch
from declarative.errors import NotFound, OutcomeUnknown, visible
from declarative.kinds.compare import same
from declarative.model import (
    Action,
    Attributes,
    Call,
    Closed,
    Dropped,
    Health,
    Kind,
    OnChange,
    Operation,
    Put,
    Step,
)
from declarative.provider import Job, JobUnknown

_FRESH = 2.0  # seconds for which one list answers all who look before they change something
_NOTHING: Attributes = {}


async def carry_out(run: Session, step: Step) -> str:
    """Do the step and record it. Returns the object's id ("" when it is gone).

    Raises StepFailed, StepContinues, and what the provider and the store raise.
    """
    step = run.filled(step)
    try:
        await turn_if_narrow(run, step.resource)
        return await _ACTIONS[step.action](run, step)
    finally:
        run.end_turn()


# ---------------------------------------------------------------- create


async def _create(run: Session, step: Step) -> str:
    kind = run.kind(step.address)
    deadline = run.deadline(kind, Action.CREATE)
    await group_ready(run, step.resource, deadline=deadline)
    if kind.copies_first:
        await first_copy(run, step, deadline=deadline)
        await group_ready(run, step.resource, deadline=deadline)
    operation = run.new_operation(step)
    call = kind.create(step.resource.inputs)
    while True:
        operation = replace(operation, sends=operation.sends + 1, job_id="")
        try:
            operation = await submit(run, operation, call, deadline=deadline)
            job = await job_of(run, operation, deadline=deadline)
            object_id = await created_by(run, operation, job, deadline=deadline)
            adopted = False
        except (OutcomeUnknown, JobUnknown):
            operation = replace(operation, job_id="")
            object_id = await lost(run, operation, deadline=deadline)
            adopted = True
        if object_id:
            run.made[object_id] = run.clock.monotonic()
            await run.ledger.note(_done(step, object_id), Closed(operation.id))
            if adopted:
                run.tell("settled", step, message=f"the answer to its create was lost; {object_id} is what it made")
                await until_ready(run, kind, object_id, deadline=deadline)
            return object_id
        _give_up_when_spent(run, operation, deadline)


def _done(step: Step, object_id: str) -> Put:
    return Put(replace(step.resource, id=object_id), step.id)


def _give_up_when_spent(run: Session, operation: Operation, deadline: float) -> None:
    if operation.job_id:
        raise StepContinues(
            f"job {operation.job_id} ended well, but neither it nor a list tells which object it made",
            job_id=operation.job_id,
        )
    if operation.sends >= MAX_SENDS or run.clock.monotonic() >= deadline:
        raise StepContinues("no answer to the create could be had, and no object of it is to be seen yet")


# ---------------------------------------------------------------- update


async def _update(run: Session, step: Step) -> str:
    kind = run.kind(step.address)
    deadline = run.deadline(kind, Action.UPDATE)
    await group_ready(run, step.resource, deadline=deadline)
    observed = await _as_planned(run, kind, step, wanted=step.resource.inputs, deadline=deadline)
    if observed is None:
        raise StepFailed(f"{kind.noun} {step.resource.id} is gone from the cloud", "Plan again to create it anew.")
    calls = kind.update(step.resource.id, step.resource.inputs, observed, _to_change(kind, step, observed))
    for number, call in enumerate(calls):
        if number:
            await still_open(run, step.resource, deadline=deadline)
        await _change(run, kind, step, call, deadline=deadline)
    await run.ledger.note(Put(step.resource, step.id))
    return step.resource.id


def _to_change(kind: Kind, step: Step, observed: Attributes) -> frozenset[str]:
    """The planned fields that the object does not show yet; what can't be read counts as not shown."""
    planned = {change.field.partition(".")[0] for change in step.changes}
    fields = [name for name in planned if name in kind.fields and kind.fields[name].on_change is OnChange.UPDATE]
    inputs = step.resource.inputs
    return frozenset(name for name in fields if not same(kind, name, inputs.get(name), observed.get(name)))


async def _change(run: Session, kind: Kind, step: Step, call: Call, *, deadline: float) -> None:
    """One call of an update, until it has had its effect."""
    operation, sends = run.new_operation(step), run.sends(deadline)
    while True:
        operation = replace(operation, sends=operation.sends + 1, job_id="")
        try:
            operation = await submit(run, operation, call, deadline=deadline)
            if call.starts_job:
                _must_succeed(await job_of(run, operation, deadline=deadline))
            break
        except NothingToDo:
            break
        except StepFailed:
            await run.ledger.note(Closed(operation.id))
            raise
        except (OutcomeUnknown, JobUnknown):
            if await _change_happened(run, kind, step, operation, call, deadline=deadline):
                break
            if operation.sends >= MAX_SENDS or not await sends.again():
                raise StepContinues("no answer to the update could be had") from None
    await run.ledger.note(Closed(operation.id))


def _must_succeed(job: Job) -> None:
    if not job.succeeded:
        raise job_failed("update", job, "The object stays as it was: the next run tries again.")


async def _change_happened(
    run: Session, kind: Kind, step: Step, operation: Operation, call: Call, *, deadline: float
) -> bool:
    """Decide a lost call by reading the object, once it is not busy with it any more.

    Raises StepFailed when it shows something that nobody planned.
    """
    inputs, looks = step.resource.inputs, run.looks(deadline)
    while (observed := await run.look(kind, step.resource.id, max_age=0.0, deadline=deadline)) is not None:
        if all(same(kind, name, inputs.get(name), observed.get(name)) for name in call.fields):
            return True
        if kind.health(observed, inputs) is Health.BUSY and await looks.again():
            continue
        if call.idempotent:
            return False  # one of several such calls shows neither what was nor what is wanted
        mine = {name: value for name, value in step.before.items() if name in call.fields}
        if not _differences(kind, mine, observed):
            return False
        break
    await run.ledger.note(Closed(operation.id))
    raise StepFailed(f"{kind.noun} {step.resource.id} was changed by somebody else meanwhile", "Plan again.")


# ---------------------------------------------------------------- delete


async def _delete(run: Session, step: Step) -> str:
    kind = run.kind(step.address)
    deadline = run.deadline(kind, Action.DELETE)
    await _group_allows(run, step, deadline=deadline)
    if busy := await parts_busy(run, step.resource, deadline=deadline):
        raise StepFailed(busy, "Run again.")
    observed = await _as_planned(run, kind, step, deadline=deadline)
    if observed is not None and observed.get("status") == "deleting":
        await gone(run, kind, step.resource.id, deadline=deadline)
        observed = None
    closed = []
    if observed is not None:
        closed = [Closed((await _delete_until_gone(run, kind, step, deadline=deadline)).id)]
    await run.ledger.note(Dropped(step.address, step.id), *closed)
    return ""


async def _group_allows(run: Session, step: Step, *, deadline: float) -> None:
    """A member may outlive its group only on paper: then its own look says that it is gone."""
    try:
        await group_ready(run, step.resource, deadline=deadline)
    except StepFailed:
        kind = run.kind(step.address)
        if await run.lookout.look(kind, step.resource.id, max_age=_FRESH, deadline=deadline) is not None:
            raise


async def _delete_until_gone(run: Session, kind: Kind, step: Step, *, deadline: float) -> Operation:
    """Send the delete until it has had its effect; a repeated one does no harm once the object was read."""
    operation = run.new_operation(step)
    call, sends = kind.delete(step.resource.id, step.resource.inputs), run.sends(deadline)
    while True:
        operation = replace(operation, sends=operation.sends + 1, job_id="")
        try:
            operation = await submit(run, operation, call, deadline=deadline)
            job = await job_of(run, operation, deadline=deadline)
        except NotFound:
            return operation
        except (OutcomeUnknown, JobUnknown) as error:
            if await _delete_happened(run, kind, step, error, deadline=deadline):
                return operation
        else:
            await _after_delete_job(run, kind, operation, job, deadline=deadline)
            return operation
        if operation.sends >= MAX_SENDS or not await sends.again():
            raise StepContinues("no answer to the delete could be had")


async def _delete_happened(
    run: Session, kind: Kind, step: Step, error: OutcomeUnknown | JobUnknown, *, deadline: float
) -> bool:
    if busy := await parts_busy(run, step.resource, deadline=deadline):
        raise StepContinues(busy)
    observed = await run.lookout.look(kind, step.resource.id, max_age=0.0, deadline=deadline)
    if observed is None:
        return True
    if observed.get("status") == "deleting":
        await gone(run, kind, step.resource.id, deadline=deadline)
        return True
    if error.code in kind.look_again_codes and kind.health(observed, step.resource.inputs) is not Health.BUSY:
        raise StepFailed(error.summary, error.fix, code=error.code)
    return False


async def _after_delete_job(run: Session, kind: Kind, operation: Operation, job: Job, *, deadline: float) -> None:
    if not job.succeeded:
        await run.ledger.note(Closed(operation.id))
        raise job_failed("delete", job, "The object stays recorded: the next run tries again.")
    await vanished(run, kind, operation.resource.id, deadline=deadline)


async def vanished(run: Session, kind: Kind, object_id: str, *, deadline: float) -> None:
    """Make sure, through the grace period, that an object whose delete job succeeded is not shown any more."""
    looks = run.looks(run.clock.monotonic() + run.grace)
    while await run.lookout.shown(kind, object_id, deadline=deadline):
        if not await looks.again():
            raise StepContinues(f"its delete job succeeded, but {kind.noun} {object_id} is still shown")


async def gone(run: Session, kind: Kind, object_id: str, *, deadline: float) -> None:
    """Wait until an object that is being deleted is gone. Raises StepFailed when its deletion fails."""
    looks = run.looks(deadline)
    while (observed := await run.lookout.look(kind, object_id, max_age=0.0, deadline=deadline)) is not None:
        if observed.get("status") != "deleting":
            raise StepFailed(f"the deletion of {kind.noun} {object_id} failed in the cloud", "Run again to retry it.")
        if not await looks.again():
            raise StepContinues(f"{kind.noun} {object_id} is still being deleted")


# ---------------------------------------------------------------- the look before a change


async def _as_planned(
    run: Session, kind: Kind, step: Step, *, wanted: Attributes = _NOTHING, deadline: float
) -> Attributes | None:
    """Look at the object again, just before it is changed. None: it is gone. Busy: wait.

    What is as `wanted` by now is no difference: an earlier change whose answer was lost may have come to its end.
    Raises StepFailed when it isn't what the plan was made for, or disaster recovery has begun there.
    """
    max_age, looks = 0.0 if kind.name == GROUP.name else _FRESH, run.looks(deadline)
    while True:
        observed = await run.look(kind, step.resource.id, max_age=max_age, deadline=deadline)
        if observed is None:
            return None
        health = kind.health(observed, step.resource.inputs)
        if health is Health.HELD:
            raise held(kind, observed)
        if differences := _differences(kind, step.before, observed, wanted):
            raise StepFailed(f"it has changed since it was planned: {differences}", "Plan again.")
        if health is not Health.BUSY:
            return observed
        if not await looks.again():
            raise StepFailed(f"{kind.noun} {step.resource.id} is busy: {visible(observed.get('status'))}", "Run again.")
        max_age = 0.0
        await group_ready(run, step.resource, deadline=deadline)


def _differences(kind: Kind, before: Attributes, observed: Attributes, wanted: Attributes = _NOTHING) -> str:
    """What differs in the planned fields, and isn't as `wanted`, in words; "" when nothing does."""
    return ", ".join(
        f"{field} was '{visible(before[field], limit=80)}', is '{visible(observed.get(field), limit=80)}'"
        for field in kind.fields
        if field in before
        and not same(kind, field, before[field], observed.get(field))
        and not (field in wanted and same(kind, field, wanted[field], observed.get(field)))
    )


# ---------------------------------------------------------------- steps that call nothing


async def _remember(run: Session, step: Step) -> str:
    """Record, adopt: the cloud is as it should be, only the state isn't."""
    if step.resource.id:
        await run.ledger.intend(Put(step.resource, step.id))
        return step.resource.id
    return await _take_over(run, step)


async def _take_over(run: Session, step: Step) -> str:
    """Adopt what the service made by itself meanwhile, found by its natural key."""
    kind = run.kind(step.address)
    end = run.clock.monotonic() + run.grace
    while True:
        since = run.clock.monotonic()
        found = await run.lookout.by_natural_key(kind, step.resource.inputs, since=since, deadline=run.until(60.0))
        if len(found) == 1:
            await run.ledger.intend(_done(step, found[0]))
            return found[0]
        if run.clock.monotonic() >= end:
            what = ", ".join(f"{name} {step.resource.inputs.get(name)}" for name in kind.natural_key)
            raise StepFailed(f"the service has made no {kind.noun} for {what}", "Check that the server has this disk.")
        await run.clock.sleep(1.0)


async def _move(run: Session, step: Step) -> str:
    if step.source is None:
        raise StepFailed("the plan says not what to move", "Plan again.")
    await run.ledger.intend(Dropped(step.source), Put(step.resource, step.id))
    return step.resource.id


async def _forget(run: Session, step: Step) -> str:
    await run.ledger.intend(Dropped(step.address, step.id))
    return ""


_ACTIONS: dict[Action, Callable[[Session, Step], Awaitable[str]]] = {
    Action.CREATE: _create,
    Action.UPDATE: _update,
    Action.DELETE: _delete,
    Action.ENABLE: switch,
    Action.DISABLE: switch,
    Action.ADOPT: _remember,
    Action.RECORD: _remember,
    Action.MOVE: _move,
    Action.FORGET: _forget,
}
