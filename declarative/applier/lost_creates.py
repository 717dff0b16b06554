"""Finding out what became of a create: by its job, by lists, by the failed tasks. Nothing here sends anything.

What a job names is a claim until the object has been seen, and found to be where and what was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from declarative.applier.groups import group_of, parts_busy
from declarative.applier.session import NotYet, Session, StepContinues, StepFailed
from declarative.backoff import Backoff
from declarative.errors import visible
from declarative.kinds.compare import Likeness, in_place, likeness, same_name
from declarative.model import Action, Address, Attributes, Closed, Health, Kind, Operation, Put, Record
from declarative.observation import MAY_BE_OLDER
from declarative.provider import FailedTask, Job, entity
from declarative.provider.codes import explain_code

_LIST_GAP = 2.0  # seconds between two lists that look for lost creates; all who look share them
_LOOKS = Backoff(first=_LIST_GAP, longest=8.0, growth=1.5)  # between two looks for one of them
_TASK = re.compile(r"^[A-Za-z]{1,80}-fail:")  # what the service puts before the reason: a task of its own
_UNDO = "The attempt has marked the pair: the next plan detaches it and attaches it again. Run again."


@dataclass(frozen=True, slots=True)
class Made:
    """What a create has made, as it was first seen."""

    id: str
    shown: Attributes


class CreateFailed(StepFailed):
    """The job of a create failed, and what it left behind is known. `records` close the create, and record that."""

    def __init__(self, failure: StepFailed, *records: Record) -> None:
        super().__init__(failure.summary, failure.fix, code=failure.code)
        self.records = records


async def created_by(session: Session, operation: Operation, job: Job, *, deadline: float) -> Made | None:
    """Return what an ended create job made; None when the job does not tell and nothing is found.

    Raises CreateFailed when the job failed, StepFailed when it did and what it left behind can't be told, or when what
    it names is never seen, and as `lost` does.
    """
    kind = session.kind(operation.resource.address)
    if not job.succeeded:
        raise await _creation_failed(session, operation, job, deadline=deadline)
    named = (
        kind.relations.identity(operation.resource.inputs) if kind.relations.identity is not None else entity(job, kind)
    )
    if named and not session.candidates.is_free(kind, named):
        named = _not_ours(session, operation, named, "which was there before")
    if named:
        shown = await _first_sight(session, operation, kind, named, deadline=deadline)
        if shown is not None and _is_as_asked(kind, operation.resource.inputs, shown):
            if session.candidates.claim(kind, named):
                return Made(named, shown)
            named = ""
        elif shown is not None:
            named = _not_ours(session, operation, named, "which is another one than was asked for")
    return await lost(session, operation, claim=named, deadline=deadline)


def _not_ours(session: Session, operation: Operation, named: str, why: str) -> str:
    """Say that a job names what it can't have made: it tells nothing, then."""
    address = operation.resource.address
    session.warn(
        "job-not-believed",
        f"{address}: the service says that its create has made {visible(named, limit=80)}, {why}; that is not believed",
        address=address,
    )
    return ""


def _is_as_asked(kind: Kind, inputs: Attributes, shown: Attributes) -> bool:
    named_alike = bool(kind.relations.natural_key) or same_name(inputs.get("name"), shown.get("name"))
    return named_alike and in_place(kind, inputs, shown)


async def _first_sight(
    session: Session, operation: Operation, kind: Kind, named: str, *, deadline: float
) -> Attributes | None:
    """Look at what a job names, together with all who look for theirs; alone only when others wait for it."""
    if operation.step in session.awaited or not session.is_patient:
        return (await session.observer.made_object(kind, named, soon=True, deadline=deadline)).shown
    with session.at_rest():
        return (await session.observer.made_object(kind, named, soon=False, deadline=deadline)).shown


async def lost(session: Session, operation: Operation, *, claim: str = "", deadline: float) -> Made | None:
    """Look for the object of a create whose answer is unknown, through the grace period. None when there is none.

    `claim`: an id that its job has named. Raises StepFailed when a person has to say which object it is, or when what
    the job named is never seen, StepContinues when the lists prove nothing, and NotYet when a session without patience
    doesn't see it at once.
    """
    kind = session.kind(operation.resource.address)
    search, pause = _Search(session, operation, kind, deadline), 0.0
    end = session.clock.monotonic() + session.observer.grace
    while (made := await search.look(claim)) is None:
        if not session.is_patient:
            search.raise_doubts()
            raise _not_shown(operation)
        left = end - session.clock.monotonic()
        if left <= 0:
            break
        pause = _LOOKS.after(pause)
        await session.clock.sleep(min(pause, left))
    if made is None:
        if busy := await parts_busy(session, operation.resource, deadline=deadline):
            raise StepContinues(f"{busy}, perhaps by a create whose answer was lost")
        made = await search.look(claim) or await _failed_creation(session, operation, kind, deadline=deadline)
    if made is None:
        search.raise_what_is_open(claim)
    return made


class _Search:
    """The looks for one create; what they all have in common."""

    def __init__(self, session: Session, operation: Operation, kind: Kind, deadline: float) -> None:
        self._session = session
        self._operation = operation
        self._kind = kind
        self._deadline = deadline
        self._is_complete = True  # all the lists were
        self._doubtful: dict[str, str] = {}

    async def look(self, claim: str) -> Made | None:
        """One list, and one look at what the job named. Raises StepFailed when two or more objects fit."""
        candidates, kind = self._session.candidates, self._kind
        found = await candidates.search(
            kind,
            self._operation.resource.inputs,
            others=self._others,
            since=self._session.clock.monotonic(),
            gap=_LIST_GAP if self._session.is_patient else 0.0,
            deadline=self._deadline,
        )
        self._is_complete = self._is_complete and found.is_complete
        self._doubtful = {**dict.fromkeys(found.fits, "it fits"), **found.doubtful}
        if len(found.fits) > 1:
            raise ambiguous(kind, self._operation.resource.address, self._doubtful)
        if len(self._doubtful) == len(found.fits) == 1:
            ((object_id, shown),) = found.fits.items()
            return Made(object_id, shown) if candidates.claim(kind, object_id) else None
        return await self._seen_claim(claim) if claim and not found.fits else None

    async def _seen_claim(self, claim: str) -> Made | None:
        look = await self._session.observer.look(self._kind, claim, max_age=0.0, deadline=self._deadline)
        ours = look.shown is not None and _is_as_asked(self._kind, self._operation.resource.inputs, look.shown)
        return (
            Made(claim, look.shown)
            if ours and look.shown and self._session.candidates.claim(self._kind, claim)
            else None
        )

    def _others(self) -> Iterator[Attributes]:
        """What the other creates that are not known to have ended have sent."""
        for other in self._session.ledger.state.operations.values():
            is_create = other.action is Action.CREATE and other.resource.address.kind == self._kind.name
            if is_create and other.id != self._operation.id:
                yield other.resource.inputs

    def raise_doubts(self) -> None:
        """Raise what the last look leaves in doubt, if it does."""
        if self._doubtful:
            failure = ambiguous(self._kind, self._operation.resource.address, self._doubtful)
            if set(self._doubtful.values()) == {MAY_BE_OLDER}:
                raise StepContinues(f"{failure.summary}. {failure.fix}", job_id=self._operation.job_id)
            raise failure

    def raise_what_is_open(self, claim: str) -> None:
        """Nothing is found: return when that proves that there is nothing."""
        self.raise_doubts()
        if claim:
            raise never_seen(self._kind, self._operation.resource.address, claim)
        if not self._is_complete:
            raise StepContinues(
                f"the cloud's list of {self._kind.noun}s is shorter than its own count, which proves nothing about a"
                " create whose answer was lost",
                job_id=self._operation.job_id,
            )


def ambiguous(kind: Kind, address: Address, candidates: dict[str, str]) -> StepFailed:
    """The failure that lists the objects of which one may be ours, each with the reason and its `import` command."""
    commands = " or ".join(f"`declarative import '{address}' {visible(candidate)}`" for candidate in candidates)
    listed = "; ".join(f"{visible(candidate)}: {why}" for candidate, why in candidates.items())
    number = f"{len(candidates)} objects" if len(candidates) > 1 else "one object"
    return StepFailed(
        f"the answer to a create was lost, and {number} could be its {kind.noun} ({listed})",
        f"Find out which one it is, and run {commands}."
        f" If none is, `declarative state rm '{address}'` ends the search.",
    )


def _not_shown(operation: Operation) -> NotYet:
    """One look has not shown the object of a create, which proves nothing."""
    if operation.job_id:
        return NotYet(f"the object of job {operation.job_id} is not shown yet", job_id=operation.job_id)
    return NotYet("the answer to its create was lost, and its object is not shown yet")


def never_seen(kind: Kind, address: Address, object_id: str) -> StepFailed:
    """The failure of a create whose job has succeeded, and whose object does not show itself."""
    return StepFailed(
        f"never seen: id {visible(object_id)}, the {kind.noun} that its create job says it has made",
        f"If it is not there either in the console, `declarative state rm '{address}'` closes the operation.",
    )


async def until_ready(session: Session, kind: Kind, object_id: str, *, deadline: float) -> None:
    """Wait until an adopted object is no longer being created. Raises StepFailed when its creation failed."""
    looks = session.looks(deadline)
    while True:
        observed = await session.observer.object(kind, object_id, max_age=0.0, deadline=deadline)
        if observed is None:
            raise StepFailed(f"{kind.noun} {object_id} has vanished while it was being created", "Run again.")
        health = kind.statuses.health(observed, {})
        if health is Health.BROKEN:
            raise StepFailed(
                f"the creation of {kind.noun} {object_id} failed in the cloud", "The next plan replaces it: run again."
            )
        if health is not Health.BUSY:
            return
        if not await looks.again():
            raise StepContinues(f"{kind.noun} {object_id} is still being created")


# ---------------------------------------------------------------- failed creates


async def _failed_creation(session: Session, operation: Operation, kind: Kind, *, deadline: float) -> Made | None:
    """Ask the task centre for a failed creation whose object the lists do not show yet."""
    inputs = operation.resource.inputs
    for task in await _failed_tasks(session, operation, kind):
        if not task.resource_id or not session.candidates.is_free(kind, task.resource_id):
            continue
        observed = await session.provider.get(kind, task.resource_id, deadline=deadline)
        if observed is not None and likeness(kind, inputs, observed) is Likeness.FITS:
            session.candidates.claim(kind, task.resource_id)
            return Made(task.resource_id, observed)
    return None


async def _failed_tasks(session: Session, operation: Operation, kind: Kind) -> tuple[FailedTask, ...]:
    """Ask the task centre; what it doesn't tell is no evidence either way."""
    if not kind.wire.failure_type:
        return ()
    tasks = await session.observer.evidence.read(
        "the list of failed tasks",
        lambda deadline: session.provider.failed_tasks(
            kind,
            name=str(operation.resource.inputs.get("name")),
            failure_status="createFail",
            server_group_id=group_of(session, operation.resource),
            deadline=deadline,
        ),
    )
    session.observer.evidence.say_what_is_missing()
    return tasks or ()


async def _creation_failed(session: Session, operation: Operation, job: Job, *, deadline: float) -> CreateFailed:
    """Return the failure of a create, with what it left behind: recorded, that is replaced and not doubled.

    Raises StepFailed while that can't be told; the operation stays open then.
    """
    kind = session.kind(operation.resource.address)
    try:
        left = await _left_behind(session, operation, kind, job, deadline=deadline)
    except (StepFailed, StepContinues) as undecided:
        fix = undecided.fix if isinstance(undecided, StepFailed) else "Run the command again to look for it."
        unknown = f"What it left behind is not known, for {undecided}. {fix}".strip()
        raise job_failed("create", job, unknown) from undecided
    closed = Closed(operation.id)
    if left is not None:
        resource = replace(operation.resource, id=left.id, attributes=left.shown)
        fix = f"It left {kind.noun} {left.id} in status error: the next apply replaces it."
        return CreateFailed(job_failed("create", job, fix), Put(resource), closed)
    fix = "Nothing was left behind: run again to create it anew." if kind.relations.identity is None else _UNDO
    return CreateFailed(job_failed("create", job, fix), closed)


async def _left_behind(session: Session, operation: Operation, kind: Kind, job: Job, *, deadline: float) -> Made | None:
    if kind.relations.identity is not None:  # such an object is there or not, never in an error status of its own
        return await _Search(session, operation, kind, deadline).look("")
    named = entity(job, kind)
    if not named:
        tasks = await _failed_tasks(session, operation, kind)
        named = next((task.resource_id for task in tasks if task.job_id == job.id), "")
    if not named or not session.candidates.is_free(kind, named):
        return await lost(session, operation, deadline=deadline)
    if session.is_patient:
        session.observer.note_made(named)
    shown = await session.observer.object(kind, named, max_age=0.0, deadline=deadline)
    if shown is None and not session.is_patient:
        raise _not_shown(operation)
    if shown is None:
        return await _Search(session, operation, kind, deadline).look("")
    if not _is_as_asked(kind, operation.resource.inputs, shown):
        return await lost(session, operation, deadline=deadline)
    session.candidates.claim(kind, named)
    return Made(named, shown)


class JobFailed(StepFailed):
    """The job of a step has failed, by the service's word."""


def job_failed(what: str, job: Job, fix: str) -> JobFailed:
    """The failure of a job: what it means and why, in our words and the service's; its code and id come last.

    A meaning that says no more than that the step failed is left out: whoever shows the failure says so.
    """
    reason = visible(_TASK.sub("", job.fail_reason).strip() or "the service gives no reason", limit=200)
    known = explain_code(job.error_code) if job.error_code else None
    meaning = f"{known.meaning}: " if known is not None and not known.meaning.endswith(" failed") else ""
    code = f"{visible(job.error_code)}, " if job.error_code else ""
    return JobFailed(f"{meaning}{reason} ({code}{what} job {job.id})", fix, code=job.error_code or "")
