"""A plan, made from manifests, state and cloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from declarative import __version__, manifest
from declarative.errors import Diagnostic
from declarative.model import Action, Basis, Binding, DesiredView, Observed, OpenOperation, Plan, Reason, Stack
from declarative.observation.refresh import REFRESH_TIME, first_shown, observe
from declarative.planner.planner import aware_of_twins, kinds_with_twins, make_plan
from declarative.planner.selection import PlanRequest
from declarative.state import State, Store
from declarative.workflow.backends import cloud_of, read_state, store_of
from declarative.workflow.manifests import resolved
from declarative.workflow.ownership import check_cloud
from declarative.workflow.project import Project
from declarative.workflow.sessions import nobody, observer_for, session_for

if TYPE_CHECKING:
    from declarative.observation import Observer

_PLAN_LIFE = timedelta(days=1)


async def plan(project: Project, request: PlanRequest) -> Plan:
    """What `apply` would do. Takes no lock and writes nothing."""
    desired, warnings = resolved(project)
    store = store_of(project, desired.stack)
    state = read_state(project, desired.stack, store)
    async with cloud_of(project, desired.stack) as provider:
        check_cloud(state, provider.binding)
        observer = observer_for(project, provider, desired.stack)
        open_ = all_open(state)
        if open_ and request.refreshed:
            state, open_ = await _recovered_in_memory(project, observer, desired.stack, state)
        observed = await observe(request, desired, observer, state.resources)
        shown = first_shown(observer.notices, state.resources.values(), observed)
        if shown:
            state = replace(state, resources={**state.resources, **{one.address: one for one in shown}})
        made = await make(project, request, desired, observer, state, observed, open_=open_, warnings=warnings)
        return in_store(made, store)


def in_store(made: Plan, store: Store) -> Plan:
    """The plan, with where its state is kept, for whoever reads it."""
    return replace(made, basis=replace(made.basis, state=store.address))


async def _recovered_in_memory(
    project: Project, observer: Observer, stack: Stack, state: State
) -> tuple[State, tuple[OpenOperation, ...]]:
    """The state as one look at its open operations leaves it, and what stays undecided."""
    from declarative.applier import recover

    session = session_for(project, observer, stack, state, store=None, emit=nobody)
    open_ = await recover(session)
    return session.ledger.state, open_


def all_open(state: State) -> tuple[OpenOperation, ...]:
    """The open operations of a state, as a plan shows them before anybody has looked."""
    return tuple(
        OpenOperation(
            operation.resource.address,
            operation.action,
            f"an earlier {operation.action.value} is still open; apply looks first",
            operation.resource.inputs if operation.action is Action.CREATE else {},
        )
        for operation in state.operations.values()
    )


async def make(
    project: Project,
    request: PlanRequest,
    desired: DesiredView,
    observer: Observer,
    state: State,
    observed: Observed,
    *,
    open_: Sequence[OpenOperation],
    warnings: Sequence[Diagnostic],
) -> Plan:
    """The plan, with what only the cloud and the folder can add to it. `warnings`: of the manifests."""
    made = make_plan(
        desired,
        state.resources,
        observed,
        request=request,
        basis=_basis(project, request, desired, state, observer.provider.binding),
        recorded_outputs=state.outputs,
        open=tuple(open_),
        # Where nobody listens to events, the plan itself says what was noticed while it was made.
        warnings=(*warnings, *(() if observer.notices.is_heard else observer.notices.findings)),
    )
    if not request.refreshed and (kinds := kinds_with_twins(made)):
        listings = await observer.provider.listings(kinds, deadline=observer.until(REFRESH_TIME))
        objects = {name: listing.objects for name, listing in listings.items()}
        made = aware_of_twins(made, objects, state.resources)
    gone = {step.address for step in made.steps if step.reason is Reason.GONE_FROM_MANIFESTS}
    if not gone:
        return made
    return replace(made, warnings=(*made.warnings, *manifest.still_written(project.folder, gone)))


def _basis(project: Project, request: PlanRequest, desired: DesiredView, state: State, binding: Binding) -> Basis:
    now = project.clock.utcnow()
    return Basis(
        stack=desired.stack.name,
        environment=desired.environment,
        desired=desired.digest,
        inputs=desired.inputs,
        binding=binding,
        lineage=state.lineage,
        serial=state.serial,
        tool=__version__,
        created=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        expires=(now + _PLAN_LIFE).strftime("%Y-%m-%dT%H:%M:%SZ"),
        destroy=request.destroy,
        refresh_only=request.refresh_only,
        refreshed=request.refreshed,
    )
