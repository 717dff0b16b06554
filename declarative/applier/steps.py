"""One step, carried out: what is made durable before and after each call, and what is done when an answer is lost.

Source of the order: a create is intent durable → POST → job id durable → poll → object seen → recorded; it is never
sent again before a look. A lost update or delete is decided by reading the object.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from declarative.applier.brought_pairs import delete_left_pairs, left_pairs, with_brought
from declarative.applier.calls import Check, LookAt, NothingToDo, Sending, job_of, look_first, nothing_to_check, submit
from declarative.applier.groups import (
    GroupGone,
    busy,
    check_group,
    check_parts,
    first_copy,
    held,
    is_marked,
    parts_busy,
    turn_if_narrow,
)
from declarative.applier.lost_creates import CreateFailed, Made, created_by, job_failed, lost, until_ready
from declarative.applier.quotas import note_used_up
from declarative.applier.session import MAX_SENDS, Session, StepContinues, StepFailed, Unneeded
from declarative.applier.switches import switch
from declarative.errors import NotFound, OutcomeUnknown, visible
from declarative.kinds.compare import is_told, same
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
from declarative.observation import as_shown
from declarative.provider import Job, JobUnknown, JobUnreadable, acting_on

_NOTHING: Attributes = {}
_DELETING = "deleting"
_ADOPTION_TIME = 300.0  # seconds that a list for an adoption may take, with all its tries


async def carry_out(session: Session, step: Step) -> str:
    """Do the step and record it. Returns the object's id ("" when it is gone).

    Raises StepFailed, StepContinues, and what the provider and the store raise.
    """
    step = session.filled(step)
    with acting_on(step.address):
        try:
            await turn_if_narrow(session, step.resource)
            return await _ACTIONS[step.action](session, step)
        finally:
            session.end_turn()


# ---------------------------------------------------------------- create


async def _create(session: Session, step: Step) -> str:
    kind = session.kind(step.address)
    deadline = session.deadline(kind, Action.CREATE)
    if kind.statuses.copies_first:
        await first_copy(session, step, deadline=deadline)
    sending = Sending(check=_in_its_group(session, step), deadline=deadline, wait_codes=kind.codes.wait)
    operation = session.new_operation(step)
    call = kind.calls.create(step.resource.inputs)
    while True:
        operation = replace(operation, sends=operation.sends + 1, job_id="")
        was_lost = False
        try:
            operation = await submit(session, operation, call, sending)
            job = await job_of(session, operation, deadline=deadline)
            made = await created_by(session, operation, job, deadline=deadline)
        except StepFailed as failed:
            if isinstance(failed, CreateFailed):
                await session.ledger.note(*failed.records)
            await note_used_up(session, kind, failed)
            raise
        except JobUnreadable as error:
            was_lost, made = True, await lost(session, operation, deadline=deadline)
            if made is None:
                raise unreadable(error) from error
        except (OutcomeUnknown, JobUnknown):
            operation = replace(operation, job_id="")
            was_lost, made = True, await lost(session, operation, deadline=deadline)
        if made is not None:
            await _record_made(session, step, operation, made)
            if was_lost:
                session.tell("settled", step, message=f"the answer to its create was lost; {made.id} is what it made")
                await until_ready(session, kind, made.id, deadline=deadline)
            return made.id
        _give_up_when_spent(session, operation, deadline)


def _in_its_group(session: Session, step: Step) -> Check:
    """The check of a create: its group takes members, and what it ties together is at rest."""
    kind = session.kind(step.address)
    if not kind.relations.group:
        return nothing_to_check

    async def check(look_at: LookAt) -> Attributes | None:
        await check_group(session, step.resource, look_at)
        if kind.relations.identity is not None:
            await check_parts(session, step.resource, look_at)
        return None

    return check


async def _record_made(session: Session, step: Step, operation: Operation, made: Made) -> None:
    session.observer.note_made(made.id)
    resource = with_brought(session, as_shown(session.observer.notices, replace(step.resource, id=made.id), made.shown))
    await session.ledger.note(Put(resource, step.id), Closed(operation.id))


def unreadable(error: JobUnreadable) -> StepContinues:
    """The end of a step whose job tells nothing: whether it had its effect isn't known, so nothing is sent again."""
    return StepContinues(error.summary, job_id=error.job_id)


def _give_up_when_spent(session: Session, operation: Operation, deadline: float) -> None:
    if operation.job_id:
        raise StepContinues(
            f"job {operation.job_id} ended well, but neither it nor a list tells which object it made",
            job_id=operation.job_id,
        )
    if operation.sends >= MAX_SENDS or session.clock.monotonic() >= deadline:
        raise StepContinues("no answer to the create could be had, and no object of it is to be seen yet")


# ---------------------------------------------------------------- update


async def _update(session: Session, step: Step) -> str:
    kind, wanted = session.kind(step.address), step.resource.inputs
    deadline = session.deadline(kind, Action.UPDATE)
    sending = Sending(check=_as_planned(session, step, wanted=wanted), deadline=deadline, wait_codes=kind.codes.wait)
    try:
        observed = await look_first(session, kind, step.resource.id, sending)
    except Unneeded:
        observed = None
    if observed is None:
        raise _gone_from_cloud(kind, step)
    done: frozenset[str] = frozenset()
    for call in kind.calls.update(step.resource.id, wanted, observed, _to_change(kind, step, observed)):
        # A call that may be repeated shows, while it is, neither what was nor what is wanted.
        done |= call.fields if call.idempotent else frozenset()
        check = _as_planned(session, step, wanted=wanted, but=done, call=call)
        await _change(session, kind, step, call, replace(sending, check=check))
        done |= call.fields
    await session.ledger.note(Put(session.kept(step.resource), step.id))
    return step.resource.id


def _gone_from_cloud(kind: Kind, step: Step) -> StepFailed:
    return StepFailed(f"{kind.noun} {step.resource.id} is gone from the cloud", "Plan again to create it anew.")


def _to_change(kind: Kind, step: Step, observed: Attributes) -> frozenset[str]:
    """The planned fields that the object does not show yet; what can't be read counts as not shown."""
    planned = {change.field.partition(".")[0] for change in step.changes}
    fields = [name for name in planned if name in kind.fields and kind.fields[name].on_change is OnChange.UPDATE]
    inputs = step.resource.inputs
    return frozenset(name for name in fields if not same(kind, name, inputs.get(name), observed.get(name)))


async def _change(session: Session, kind: Kind, step: Step, call: Call, sending: Sending) -> None:
    """One call of an update, until it has had its effect."""
    operation, sends, deadline = session.new_operation(step), session.sends(sending.deadline), sending.deadline
    while True:
        operation = replace(operation, sends=operation.sends + 1, job_id="")
        try:
            operation = await submit(session, operation, call, sending)
            if call.starts_job:
                _must_succeed(await job_of(session, operation, deadline=deadline))
            break
        except NothingToDo:
            break
        except Unneeded as unneeded:
            if unneeded.observed is None:
                raise _gone_from_cloud(kind, step) from unneeded
            break
        except StepFailed:
            await session.ledger.note(Closed(operation.id))
            raise
        except JobUnreadable as error:
            if await _change_happened(session, kind, step, operation, call, deadline=deadline):
                break
            raise unreadable(error) from error
        except (OutcomeUnknown, JobUnknown):
            if await _change_happened(session, kind, step, operation, call, deadline=deadline):
                break
            if operation.sends >= MAX_SENDS or not await sends.again():
                raise StepContinues("no answer to the update could be had") from None
    await session.ledger.note(Closed(operation.id))


def _must_succeed(job: Job) -> None:
    if not job.succeeded:
        raise job_failed("update", job, "The object stays as it was: the next run tries again.")


async def _change_happened(
    session: Session, kind: Kind, step: Step, operation: Operation, call: Call, *, deadline: float
) -> bool:
    """Decide a lost call by reading the object, once it is not busy with it any more.

    Raises StepFailed when it shows something that nobody planned.
    """
    inputs, looks = step.resource.inputs, session.looks(deadline)
    while (
        observed := await session.observer.object(kind, step.resource.id, max_age=0.0, deadline=deadline)
    ) is not None:
        if all(same(kind, name, inputs.get(name), observed.get(name)) for name in call.fields):
            return True
        if kind.statuses.health(observed, inputs) is Health.BUSY and await looks.again():
            continue
        if call.idempotent:
            return False  # one of several such calls shows neither what was nor what is wanted
        mine = {name: value for name, value in step.before.items() if name in call.fields}
        if not _differences(kind, mine, observed):
            return False
        break
    await session.ledger.note(Closed(operation.id))
    raise StepFailed(f"{kind.noun} {step.resource.id} was changed by somebody else meanwhile", "Plan again.")


# ---------------------------------------------------------------- delete


async def _delete(session: Session, step: Step) -> str:
    kind = session.kind(step.address)
    deadline = session.deadline(kind, Action.DELETE)
    closed = await _delete_until_gone(session, kind, step, deadline=deadline)
    if kind.relations.makes and await left_pairs(session, step.resource, deadline=deadline):
        if closed:
            await session.ledger.note(*closed)
        await delete_left_pairs(session, step.resource, deadline=deadline)
        closed = ()
    await session.ledger.note(Dropped(step.address, step.id), *closed)
    return ""


async def _delete_until_gone(session: Session, kind: Kind, step: Step, *, deadline: float) -> tuple[Closed, ...]:
    """Send the delete until it has had its effect; a repeated one does no harm once the object was read.

    Returns what closes its operation.
    """
    operation, sends = session.new_operation(step), session.sends(deadline)
    call = kind.calls.delete(step.resource.id, step.resource.inputs)
    sending = Sending(check=_may_be_deleted(session, step), deadline=deadline, wait_codes=kind.codes.wait)
    while True:
        operation = replace(operation, sends=operation.sends + 1, job_id="")
        try:
            operation = await submit(session, operation, call, sending)
            job = await job_of(session, operation, deadline=deadline)
        except NotFound:
            break
        except Unneeded as unneeded:
            if unneeded.observed is not None:  # it is being deleted already
                await gone(session, kind, step.resource.id, deadline=deadline)
            break
        except JobUnreadable as error:
            if not await _delete_happened(session, kind, step, error, deadline=deadline):
                raise unreadable(error) from error
            break
        except (OutcomeUnknown, JobUnknown) as error:
            if await _delete_happened(session, kind, step, error, deadline=deadline):
                break
        else:
            await _after_delete_job(session, kind, operation, job, deadline=deadline)
            break
        if operation.sends >= MAX_SENDS or not await sends.again():
            raise StepContinues("no answer to the delete could be had")
    return (Closed(operation.id),) if operation.id in session.ledger.state.operations else ()


def _may_be_deleted(session: Session, step: Step) -> Check:
    """The check of a delete: its group is not held, its parts are at rest, and it is as it was planned for."""
    as_planned = _as_planned(session, step)

    async def check(look_at: LookAt) -> Attributes | None:
        try:
            if session.kind(step.address).relations.identity:
                await check_parts(session, step.resource, look_at)
            return await as_planned(look_at)
        except GroupGone:
            # A member may outlive its group only on paper: then its own look says that it is gone.
            if await look_at(session.kind(step.address), step.resource.id) is not None:
                raise
            raise Unneeded from None

    return check


async def _delete_happened(
    session: Session, kind: Kind, step: Step, error: OutcomeUnknown | JobUnknown | JobUnreadable, *, deadline: float
) -> bool:
    if still := await parts_busy(session, step.resource, deadline=deadline):
        raise StepContinues(still)
    observed = await session.observer.object(kind, step.resource.id, max_age=0.0, deadline=deadline)
    if observed is None:
        return True
    if observed.get("status") == _DELETING:
        await gone(session, kind, step.resource.id, deadline=deadline)
        return True
    if error.code in kind.codes.look_again and kind.statuses.health(observed, step.resource.inputs) is not Health.BUSY:
        raise StepFailed(error.summary, error.fix, code=error.code)
    return False


async def _after_delete_job(session: Session, kind: Kind, operation: Operation, job: Job, *, deadline: float) -> None:
    if not job.succeeded:
        await session.ledger.note(Closed(operation.id))
        raise job_failed("delete", job, "The object stays recorded: the next run tries again.")
    with session.at_rest():
        is_awaited = operation.step in session.awaited
        await vanished(session, kind, operation.resource.id, soon=is_awaited, deadline=deadline)


async def vanished(session: Session, kind: Kind, object_id: str, *, soon: bool, deadline: float) -> None:
    """Make sure, through the grace period, that an object whose delete job succeeded is not shown any more."""
    looks = session.looks(session.clock.monotonic() + session.observer.grace)
    while await session.observer.is_still_shown(kind, object_id, soon=soon, deadline=deadline):
        if not await looks.again():
            raise StepContinues(f"its delete job succeeded, but {kind.noun} {object_id} is still shown")


async def gone(session: Session, kind: Kind, object_id: str, *, deadline: float) -> None:
    """Wait until an object that is being deleted is gone. Raises StepFailed when its deletion fails."""
    looks = session.looks(deadline)
    while (observed := await session.observer.object(kind, object_id, max_age=0.0, deadline=deadline)) is not None:
        if observed.get("status") != _DELETING:
            raise StepFailed(f"the deletion of {kind.noun} {object_id} failed in the cloud", "Run again to retry it.")
        if not await looks.again():
            raise StepContinues(f"{kind.noun} {object_id} is still being deleted")


# ---------------------------------------------------------------- the look before a change


def _as_planned(
    session: Session,
    step: Step,
    *,
    wanted: Attributes = _NOTHING,
    but: frozenset[str] = frozenset(),
    call: Call | None = None,
) -> Check:
    """The check of a change: group and object are looked at together, and are as the plan was made for.

    What is as `wanted` by now is no difference: an earlier change whose answer was lost may have come to its end; `but`
    names fields that an earlier call of the step may have changed. The check raises Unneeded for what is gone or goes,
    and for what shows already what `call` would bring.
    """
    kind, before = session.kind(step.address), {name: one for name, one in step.before.items() if name not in but}

    async def check(look_at: LookAt) -> Attributes | None:
        await check_group(session, step.resource, look_at)
        observed = await look_at(kind, step.resource.id)
        if observed is None:
            if step.action is Action.DELETE and await is_marked(session, step.resource, look_at):
                return None
            raise Unneeded
        health = kind.statuses.health(observed, step.resource.inputs)
        if health is Health.HELD:
            raise held(kind, observed)
        if step.action is Action.DELETE and observed.get("status") == _DELETING:
            raise Unneeded(observed)
        if differences := _differences(kind, before, observed, wanted):
            raise StepFailed(f"it has changed since it was planned: {differences}", "Plan again.")
        if health is Health.BUSY:
            raise busy(kind, step.resource.id, observed)
        if call is not None and _shows_already(kind, call, wanted, observed):
            raise Unneeded(observed)
        return observed

    return check


def _shows_already(kind: Kind, call: Call, wanted: Attributes, observed: Attributes) -> bool:
    return bool(call.fields) and all(
        is_told(kind, name, observed) and same(kind, name, wanted.get(name), observed.get(name)) for name in call.fields
    )


def _differences(kind: Kind, before: Attributes, observed: Attributes, wanted: Attributes = _NOTHING) -> str:
    """What differs in the planned fields, and isn't as `wanted`, in words; "" when nothing does.

    A field that the answer lacks tells nothing.
    """
    return ", ".join(
        f"{field} was '{visible(before[field], limit=80)}', is '{visible(observed[field], limit=80)}'"
        for field in kind.fields
        if field in before
        and is_told(kind, field, observed)
        and not same(kind, field, before[field], observed[field])
        and not (field in wanted and same(kind, field, wanted[field], observed[field]))
    )


# ---------------------------------------------------------------- steps that call nothing


async def _remember(session: Session, step: Step) -> str:
    """Record, adopt: the cloud is as it should be, only the state isn't."""
    if step.resource.id:
        await session.ledger.intend(Put(session.kept(step.resource), step.id))
        return step.resource.id
    return await _take_over(session, step)


async def _take_over(session: Session, step: Step) -> str:
    """Adopt what the service made by itself meanwhile, found by its natural key."""
    kind = session.kind(step.address)
    end = session.clock.monotonic() + session.observer.grace
    while True:
        since = session.clock.monotonic()
        found = await session.candidates.by_natural_key(
            kind, step.resource.inputs, since=since, deadline=session.until(_ADOPTION_TIME)
        )
        if len(found) == 1:
            await session.ledger.intend(Put(replace(step.resource, id=found[0]), step.id))
            return found[0]
        if session.clock.monotonic() >= end:
            what = ", ".join(f"{name} {step.resource.inputs.get(name)}" for name in kind.relations.natural_key)
            raise StepFailed(f"the service has made no {kind.noun} for {what}", "Check that the server has this disk.")
        await session.clock.sleep(1.0)


async def _move(session: Session, step: Step) -> str:
    if step.source is None:
        raise StepFailed("the plan says not what to move", "Plan again.")
    moved = session.kept(step.resource, of=step.source)
    await session.ledger.intend(Dropped(step.source), Put(moved, step.id))
    return step.resource.id


async def _forget(session: Session, step: Step) -> str:
    await session.ledger.intend(Dropped(step.address, step.id))
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
