"""A reviewed plan, carried out: the records that frame a run, and what it came to as an exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from declarative.errors import ExitCode, LockHeld, StateConflict
from declarative.kinds import KINDS
from declarative.model import (
    AND_MORE,
    Action,
    Event,
    Json,
    Outcome,
    Plan,
    PreImage,
    Record,
    Result,
    Review,
    Run,
    RunEnded,
    RunStarted,
    Stack,
    StepOutcome,
)
from declarative.planfile import plan_digest
from declarative.planner.consents import Unconsented, unconsented
from declarative.planner.outputs import evaluate_outputs
from declarative.workflow.backends import new_uuid, who
from declarative.workflow.ownership import binding_here
from declarative.workflow.project import Project

if TYPE_CHECKING:
    from declarative.applier import Ledger, Session


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply came to."""

    plan: Plan
    outcome: Outcome
    exit_code: ExitCode


async def run_plan(
    project: Project,
    stack: Stack,
    reviewed: Plan,
    session: Session,
    interrupt: asyncio.Event,
    *,
    command: str,
    finished: set[str] | None = None,
    digest: str | None = None,
    review: Review | None = None,
    whole: bool = True,
) -> Applied:
    """Do the steps of a reviewed plan, between the two records that frame a run.

    `finished`: the ids of steps that an interrupted run of the same plan has done; `digest`: of a saved plan; `review`:
    what was reviewed of a plan whose content digest was given; `whole`: False when steps of it are withheld since, so
    that it is not done with this run. Raises Unconsented, what the store raises before anything is sent, and a defect
    once all is recorded.
    """
    from declarative.applier import Runner, unknown_until_now

    if missing := unconsented(reviewed):
        raise Unconsented(missing)
    if not reviewed.has_changes():
        return Applied(reviewed, Outcome(withheld=reviewed.withheld), _exit_code(reviewed, (), session, ""))
    clock, begun = session.clock, session.clock.monotonic()
    run = _new_run(project, command, reviewed, digest or plan_digest(reviewed), review.content if review else "")
    await session.ledger.bind(binding_here(project, stack, session.provider.binding))
    await session.ledger.intend(RunStarted(run, review), *_pre_images(session), *unknown_until_now(session))
    todo = len(reviewed.steps) - len(finished or ())
    session.emit(Event("run-started", clock.stamp(), detail={"steps": todo, "plan": run.plan}))
    runner = Runner(
        session, reviewed.steps, max_jobs=project.max_jobs, fail_fast=project.fail_fast, interrupt=interrupt
    )
    steps = await runner.run(finished=finished or set())
    await session.provider.rest()  # so that the state can open its files, also where few may be open
    outputs, done = _outputs(reviewed, session), whole and all(step.result is Result.DONE for step in steps)
    counts = {result.value: sum(1 for step in steps if step.result is result) for result in Result}
    ended = replace(run, ended=clock.stamp(), counts=counts)
    await session.ledger.note(RunEnded(ended, done, outputs))
    aside = await session.ledger.close()
    if (trouble := session.ledger.trouble) is not None and not (aside or runner.stopped):
        session.warn("state-error", trouble.summary, trouble.fix, once="state")
    outcome = Outcome(steps, reviewed.withheld, outputs, interrupt.is_set(), aside)
    detail = {key.replace("-", "_"): value for key, value in counts.items()}
    session.emit(Event("run-ended", clock.stamp(), detail={**detail, "seconds": round(clock.monotonic() - begun, 3)}))
    if crash := runner.crash or session.ledger.crash:
        raise crash
    is_rejected = runner.rejected is not None
    return Applied(reviewed, outcome, _exit_code(reviewed, steps, session, aside, is_rejected=is_rejected))


def _new_run(project: Project, command: str, reviewed: Plan, digest: str, content: str) -> Run:
    return Run(
        id=new_uuid(project.clock),
        who=who(),
        started=project.clock.stamp(),
        command=command,
        plan=digest,
        content=content,
        consents=tuple(str(consent) for consent in reviewed.consents),
    )


def _pre_images(session: Session) -> Iterator[Record]:
    """What the cloud held before this run: by it a later run tells a lost create from what was there."""
    for kind in KINDS.values():
        if kind.relations.natural_key:
            continue  # re-found by its server or disk
        lost = [
            operation.resource.inputs
            for operation in session.ledger.state.operations.values()
            if operation.action is Action.CREATE and operation.resource.address.kind == kind.name
        ]
        known = session.candidates.foreign(kind) & session.ledger.state.pre_images.get(kind.name, set())
        partial = {AND_MORE} if session.candidates.is_partial(kind) else set()
        yield PreImage(kind.name, tuple(sorted(session.candidates.foreign(kind, lost) | known | partial)))


def _outputs(reviewed: Plan, session: Session) -> Mapping[str, Json]:
    if reviewed.basis.refresh_only:
        return session.ledger.state.outputs
    return evaluate_outputs(reviewed.outputs, session.ledger.state.resources)


def _exit_code(
    reviewed: Plan, steps: Sequence[StepOutcome], session: Session, aside: str, *, is_rejected: bool = False
) -> ExitCode:
    """`is_rejected`: the service has rejected our credentials; an error, unless something goes on in the cloud."""
    trouble = session.ledger.trouble
    if isinstance(trouble, StateConflict | LockHeld):
        return ExitCode.CONFLICT
    results = {step.result for step in steps}
    if trouble is not None or aside or Result.FAILED in results:
        return ExitCode.ERROR
    if is_rejected and Result.CONTINUES not in results:
        return ExitCode.ERROR
    if results & {Result.CONTINUES, Result.NOT_STARTED} or reviewed.open:
        return ExitCode.INCOMPLETE
    return ExitCode.CONSENT if reviewed.withheld else ExitCode.OK


def raise_trouble(ledger: Ledger) -> None:
    """Raise what the writing of the record has ended in, if it has not ended well."""
    if error := ledger.crash or ledger.trouble:
        raise error


async def record(project: Project, ledger: Ledger, command: str, records: Sequence[Record]) -> None:
    """Write records that no plan made, framed by a line of history."""
    run = Run(id=new_uuid(project.clock), who=who(), started=project.clock.stamp(), command=command)
    ended = replace(run, ended=project.clock.stamp())
    await ledger.intend(RunStarted(run), *records, RunEnded(ended, True, ledger.state.outputs))
    await ledger.close()
    raise_trouble(ledger)
