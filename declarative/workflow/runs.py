"""`apply`, from manifests or from a saved plan: planned under the lock, reviewed, carried out."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from declarative.concurrency import heard
from declarative.errors import Diagnostic, Interrupted
from declarative.kinds import KINDS
from declarative.model import Action, Consent, DesiredView, Plan, Step
from declarative.observation.refresh import observe, read_kinds
from declarative.planner.consents import with_consents
from declarative.planner.selection import PlanRequest
from declarative.workflow.backends import cloud_of, read_state, writing
from declarative.workflow.execution import Applied, run_plan
from declarative.workflow.manifests import resolved
from declarative.workflow.ownership import check_cloud
from declarative.workflow.plans import all_open, in_store, make
from declarative.workflow.project import Project
from declarative.workflow.reviewed_content import AS_MADE, accept_content
from declarative.workflow.saved_plan import (
    desired_of,
    refuse_expired,
    refuse_other_cloud,
    refuse_stale,
    reviewed_plan,
    settings,
    verified_here,
)
from declarative.workflow.sessions import recovered_session
from declarative.workflow.watch import Watch

if TYPE_CHECKING:
    from declarative.applier import Session

T = TypeVar("T")


async def apply(
    project: Project,
    request: PlanRequest,
    *,
    watch: Watch,
    interrupt: asyncio.Event,
    content_sha256: str | None = None,
) -> Applied:
    """Plan under the lock, have it reviewed, carry it out.

    `content_sha256`: the content digest of the plan that was reviewed elsewhere, 64 hex digits in lower case. Raises
    ContentDiffers when the plan made here comes to something else.
    """
    desired, warnings = resolved(project)
    command = "destroy" if request.destroy else "apply"
    async with (
        writing(project, desired.stack, command, interrupt) as store,
        cloud_of(project, desired.stack) as provider,
    ):
        session = await _unless(interrupt, recovered_session(project, desired.stack, provider, store, watch))
        made = await _unless(interrupt, _planned_under_lock(project, request, desired, session, warnings))
        await _unless(interrupt, _know_what_is_there(session, made))
        made = in_store(made, store)
        accepted = accept_content(made, content_sha256, session.ledger.state) if content_sha256 else AS_MADE
        return await run_plan(
            project,
            desired.stack,
            _reviewed(watch, made, interrupt),
            session,
            interrupt,
            command=command,
            review=accepted.review,
            whole=accepted.whole,
        )


async def _planned_under_lock(
    project: Project, request: PlanRequest, desired: DesiredView, session: Session, warnings: Sequence[Diagnostic]
) -> Plan:
    """The plan of what is locked. The session knows from then on what was there before this run."""
    observed = await observe(request, desired, session.observer, session.ledger.state.resources)
    session.refreshed(observed)
    state = session.ledger.state
    return await make(
        project, request, desired, session.observer, state, observed, open_=all_open(state), warnings=warnings
    )


async def apply_saved(
    project: Project,
    text: str,
    *,
    source: str,
    sha256: str | None,
    consents: Sequence[Consent],
    watch: Watch,
    interrupt: asyncio.Event,
) -> Applied:
    """Carry out a saved plan, once, and only where and while it holds. Raises PlanRefused otherwise."""
    saved, digest = reviewed_plan(text, source=source, sha256=sha256)
    project = replace(project, environment=saved.basis.environment)
    desired = desired_of(project, saved)
    stack = desired.stack if desired is not None else settings(saved)
    refuse_expired(project, saved)
    async with (
        writing(project, stack, "apply", interrupt, begins=saved.basis.lineage) as store,
        cloud_of(project, stack) as provider,
    ):
        state = read_state(project, stack, store)
        check_cloud(state, provider.binding)
        refuse_other_cloud(provider.binding, saved)
        resumed = refuse_stale(state, saved, digest)
        session = await _unless(interrupt, recovered_session(project, stack, provider, store, watch, state=state))
        finished = session.ledger.state.progress.steps if resumed and session.ledger.state.progress else set()
        judged = await _unless(
            interrupt, verified_here(session, saved, desired, finished=finished, open_=all_open(session.ledger.state))
        )
        reviewed = _reviewed(watch, in_store(with_consents(judged, tuple(consents)), store), interrupt)
        return await run_plan(
            project,
            stack,
            reviewed,
            session,
            interrupt,
            command="apply",
            finished=finished,
            digest=digest,
            whole=len(judged.steps) == len(saved.steps),
        )


async def _unless(interrupt: asyncio.Event, work: Coroutine[None, None, T]) -> T:
    """Await `work`, which only looks; an interrupt leaves it a few seconds to hear its answers."""
    task = asyncio.ensure_future(work)
    if not await heard(task, interrupt):
        task.cancel()
        await asyncio.wait({task})
        raise Interrupted
    return task.result()


def _reviewed(watch: Watch, made: Plan, interrupt: asyncio.Event) -> Plan:
    """Have the plan reviewed; after an interrupt nobody is asked any more."""
    if interrupt.is_set() and made.has_changes():
        raise Interrupted
    return watch.review(made)


async def _know_what_is_there(session: Session, made: Plan) -> None:
    """A plan that was made without a refresh under this lock still needs the pre-image of what it creates.

    Of what it deletes, it needs to know what came with it.
    """
    if not made.basis.refreshed and any(_needs_a_look(step) for step in made.steps):
        session.refreshed(await read_kinds(session.observer, session.ledger.state.resources.values(), KINDS))


def _needs_a_look(step: Step) -> bool:
    return step.action is Action.CREATE or (
        step.action is Action.DELETE and bool(KINDS[step.address.kind].relations.makes)
    )
