"""Finding out what became of a create: by its job, by lists, by the failed tasks. Nothing here sends anything."""

from __future__ import annotations

from dataclasses import replace

from declarative.apply.groups import group_of, parts_busy
from declarative.apply.session import Session, StepContinues, StepFailed
from declarative.errors import EndpointError, Rejected, Unauthorized, visible
from declarative.model import Closed, Health, Kind, Operation, Put
from declarative.provider import FailedTask, Job, entity

_LIST_GAP = 2.0  # seconds between two lists that look for lost creates; all who look share them
_UNDO = (
    "Run again. If the service refuses it then, its pair is still marked by the attempt: detach it in the console, or"
    " make it anew (--replace)."
)


async def created_by(run: Session, operation: Operation, job: Job, *, deadline: float) -> str:
    """Return the id of what an ended create job made; "" when the job does not tell and nothing is found.

    Raises StepFailed when the job failed; what it left behind is recorded as ours first.
    """
    kind = run.kind(operation.resource.address)
    if not job.succeeded:
        await _creation_failed(run, operation, job, deadline=deadline)
    if kind.identity is not None:
        return kind.identity(operation.resource.inputs)
    return entity(job, kind) or await lost(run, operation, deadline=deadline)


async def lost(run: Session, operation: Operation, *, deadline: float) -> str:
    """Look for the object of a create whose answer is unknown, through the grace period. "" when there is none.

    Raises StepFailed when two or more objects could be it: then a person has to say which.
    """
    kind = run.kind(operation.resource.address)
    end = run.clock.monotonic() + run.grace
    while True:
        found = await _one_look(run, operation, deadline=deadline)
        left = end - run.clock.monotonic()
        if left <= 0 and not found:
            if busy := await parts_busy(run, operation.resource, deadline=deadline):
                raise StepContinues(f"{busy}, perhaps by a create whose answer was lost")
            found = await _one_look(run, operation, deadline=deadline)
        if found or left <= 0:
            return found or await _failed_creation(run, operation, kind, deadline=deadline)
        await run.clock.sleep(min(_LIST_GAP, left))


async def until_ready(run: Session, kind: Kind, object_id: str, *, deadline: float) -> None:
    """Wait until an adopted object is no longer being created. Raises StepFailed when its creation failed."""
    looks = run.looks(deadline)
    while True:
        observed = await run.look(kind, object_id, max_age=0.0, deadline=deadline)
        if observed is None:
            raise StepFailed(f"{kind.noun} {object_id} has vanished while it was being created", "Run again.")
        health = kind.health(observed, {})
        if health is Health.BROKEN:
            raise StepFailed(
                f"the creation of {kind.noun} {object_id} failed in the cloud", "The next plan replaces it: run again."
            )
        if health is not Health.BUSY:
            return
        if not await looks.again():
            raise StepContinues(f"{kind.noun} {object_id} is still being created")


async def _one_look(run: Session, operation: Operation, *, deadline: float) -> str:
    kind, inputs = run.kind(operation.resource.address), operation.resource.inputs
    since = run.clock.monotonic()
    candidates = await run.lookout.candidates(kind, inputs, since=since, gap=_LIST_GAP, deadline=deadline)
    if len(candidates) > 1:
        raise ambiguous(kind, operation, candidates)
    if candidates and run.lookout.claim(kind, candidates[0]):
        return candidates[0]
    return ""


def ambiguous(kind: Kind, operation: Operation, candidates: list[str]) -> StepFailed:
    """The failure that lists the objects of which one may be ours, each with its `import` command."""
    address = operation.resource.address
    commands = " or ".join(f"`declarative import '{address}' {visible(candidate)}`" for candidate in candidates)
    return StepFailed(
        f"the answer to a create was lost, and {len(candidates)} objects could be its {kind.noun}",
        f"Find out which one it is, delete the others or leave them, and run {commands}.",
    )


async def _failed_creation(run: Session, operation: Operation, kind: Kind, *, deadline: float) -> str:
    """Ask the task centre for a failed creation whose object the lists do not show yet."""
    inputs = operation.resource.inputs
    name = str(inputs.get("name"))
    tasks = await _failed_tasks(run, operation, kind, name, deadline=deadline)
    for task in tasks:
        if not task.resource_id:
            continue
        observed = await run.provider.get(kind, task.resource_id, deadline=deadline)
        if observed is not None and run.lookout.is_candidate(kind, task.resource_id, inputs, observed):
            run.lookout.claim(kind, task.resource_id)
            return task.resource_id
    return ""


async def _failed_tasks(
    run: Session, operation: Operation, kind: Kind, name: str, *, deadline: float
) -> tuple[FailedTask, ...]:
    """Ask the task centre. Raises StepFailed when it gives no answer of its own: that stops this address alone."""
    if not kind.failure_type:
        return ()
    try:
        return await run.provider.failed_tasks(
            kind,
            name=name,
            failure_status="createFail",
            server_group_id=group_of(run, operation.resource),
            deadline=deadline,
        )
    except Unauthorized:
        raise
    except (EndpointError, Rejected) as error:
        raise StepFailed(f"the failed tasks can't be read: {error.summary}", error.fix) from error


async def _creation_failed(run: Session, operation: Operation, job: Job, *, deadline: float) -> None:
    """Record what a failed create left behind, so that it is replaced and not doubled; then fail the step.

    While that can't be told, the operation stays open.
    """
    kind = run.kind(operation.resource.address)
    try:
        left = await _left_behind(run, operation, kind, job, deadline=deadline)
    except StepFailed as undecided:
        unknown = f"What it left behind is not known, for {undecided}. {undecided.fix}".strip()
        raise job_failed("create", job, unknown) from undecided
    if left:
        await run.ledger.note(Put(replace(operation.resource, id=left)), Closed(operation.id))
        fix = f"It left {kind.noun} {left} in status error, which is recorded: the next plan replaces it."
    else:
        await run.ledger.note(Closed(operation.id))
        fix = "Nothing was left behind: run again to create it anew." if kind.identity is None else _UNDO
    raise job_failed("create", job, fix)


async def _left_behind(run: Session, operation: Operation, kind: Kind, job: Job, *, deadline: float) -> str:
    named = entity(job, kind)
    if not named:
        name = str(operation.resource.inputs.get("name"))
        tasks = await _failed_tasks(run, operation, kind, name, deadline=deadline)
        named = next((task.resource_id for task in tasks if task.job_id == job.id), "")
    if kind.identity is not None:  # such an object is there or not, never in an error status of its own
        return await _one_look(run, operation, deadline=deadline)
    if not named:
        return await lost(run, operation, deadline=deadline)
    run.made[named] = run.clock.monotonic()
    if await run.look(kind, named, max_age=0.0, deadline=deadline) is None:
        return await _one_look(run, operation, deadline=deadline)
    run.lookout.claim(kind, named)
    return named


def job_failed(what: str, job: Job, fix: str) -> StepFailed:
    """The failure of a job, in the service's own words and ours."""
    reason = visible(job.fail_reason or "the service gives no reason", limit=200)
    code = visible(job.error_code) if job.error_code else "no code"
    return StepFailed(f"the {what} job {job.id} failed: {code}: {reason}", fix, code=job.error_code or "")
