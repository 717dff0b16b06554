"""What the commands that observe or change the cloud begin with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from declarative.model import Address, Event, Operation, Stack
from declarative.state import State, Store
from declarative.workflow.backends import cloud_of, read_state
from declarative.workflow.execution import raise_trouble
from declarative.workflow.ownership import check_cloud
from declarative.workflow.project import Project
from declarative.workflow.watch import Watch

if TYPE_CHECKING:
    from declarative.applier import Ledger, Session
    from declarative.errors import Diagnostic
    from declarative.observation import Observer
    from declarative.provider import Provider


def observer_for(
    project: Project, provider: Provider, stack: Stack, *, emit: Callable[[Event], None] | None = None
) -> Observer:
    """Eyes on the cloud of a stack. `emit` is told of each warning; without it they are only kept."""
    from declarative.observation import GRACE, LOOKED, Notices, Observer

    clock, timeouts = project.clock, _timeouts(project, stack)

    def tell(finding: Diagnostic, address: Address | None) -> None:
        if emit is not None:
            detail = {"id": finding.id, "summary": finding.summary, "fix": finding.fix}
            emit(Event("warning", clock.stamp(), address, None, detail))

    notices = Notices(tell) if emit is not None else Notices()
    provider.on_notice = notices.warn
    return Observer(
        provider,
        clock,
        notices,
        grace=float(timeouts.get("create_grace", GRACE)),
        trust=float(timeouts.get("look", LOOKED)),
        ends=clock.monotonic() + project.timeout if project.timeout is not None else float("inf"),
    )


def session_for(
    project: Project,
    observer: Observer,
    stack: Stack,
    state: State,
    *,
    store: Store | None,
    emit: Callable[[Event], None],
) -> Session:
    """What the steps of a run share. Without a `store` it is a plan's: nothing is written, and nothing waited for."""
    from declarative.applier import Ledger, Session
    from declarative.observation import Candidates

    return Session(
        observer=observer,
        candidates=Candidates(observer),
        ledger=Ledger(state, store, blocking=project.blocking),
        emit=emit,
        is_patient=store is not None,
        timeouts=_timeouts(project, stack),
    )


def _timeouts(project: Project, stack: Stack) -> dict[str, float]:
    return {**stack.timeouts, **project.timeouts}


async def recovered_session(
    project: Project, stack: Stack, provider: Provider, store: Store, watch: Watch, *, state: State | None = None
) -> Session:
    """A session on the locked state, with the operations of earlier runs recovered as far as they can be."""
    from declarative.applier import recover

    state = state or read_state(project, stack, store)
    check_cloud(state, provider.binding)
    observer = observer_for(project, provider, stack, emit=watch.event)
    session = session_for(project, observer, stack, state, store=store, emit=watch.event)
    if state.operations:
        try:
            for operation in await recover(session):
                session.warn(
                    "waits-for-open-operation", f"{operation.address}: {operation.message}", address=operation.address
                )
        finally:
            await session.ledger.close()
        raise_trouble(session.ledger)
    return session


async def recovered_ledger(project: Project, stack: Stack, store: Store, watch: Watch) -> Ledger:
    """The ledger of the locked state. Only what earlier runs left open takes a look at the cloud."""
    from declarative.applier import Ledger

    state = read_state(project, stack, store)
    if not state.operations:
        return Ledger(state, store, blocking=project.blocking)
    async with cloud_of(project, stack) as provider:
        return (await recovered_session(project, stack, provider, store, watch, state=state)).ledger


def open_at(state: State, address: Address) -> list[Operation]:
    """The operations of an address that are not known to have ended."""
    return [operation for operation in state.operations.values() if operation.resource.address == address]


def nobody(event: Event) -> None:
    """Nobody listens while a plan is made."""
