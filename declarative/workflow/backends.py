"""The state and the cloud of a project: where they are, how they are opened, and whether they belong together."""

from __future__ import annotations

import asyncio
import getpass
import os
import shlex
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from declarative.clock import Clock
from declarative.errors import Diagnostic, Interrupted, Severity, UsageError
from declarative.model import DEFAULT_ENVIRONMENT, Stack
from declarative.state import Holder, Seen, State, Store, open_store
from declarative.workflow.ownership import check_owner, folder_in_repository
from declarative.workflow.project import SIMULATOR, Project

if TYPE_CHECKING:
    from declarative.identity.credentials import Credentials
    from declarative.identity.opening import SignedIn
    from declarative.identity.sources import Asked
    from declarative.provider import Provider

_EMBEDDED_ENDPOINT = "http://127.0.0.1"


def _elsewhere(project: Project) -> str | None:
    return project.state or project.environ.get("DECLARATIVE_STATE")


def local_folder_of(project: Project, stack: Stack) -> Path | None:
    """The folder of a local state, with those of all environments; None when it is kept elsewhere."""
    scheme, _, rest = (_elsewhere(project) or stack.state).partition(":")
    return project.folder / rest if scheme == "local" and rest else None


def store_of(project: Project, stack: Stack, *, begins: str = "") -> Store:
    """The stack's store. `begins`: the lineage of a state that never was, instead of a drawn one."""
    elsewhere = _elsewhere(project)
    return open_store(
        elsewhere or stack.state,
        folder=project.folder,
        environment=project.environment,
        stack=stack.name,
        environ=project.environ,
        monotonic=project.clock.elapsed,
        sleep=project.clock.pause,
        marks=_marks(project.environ),
        uuid=lambda: new_uuid(project.clock),
        accept_rollback=project.accept_rollback,
        restore=_restoring(project, elsewhere),
        warn=project.warn,
        begins=begins,
    )


def read_state(project: Project, stack: Stack, store: Store) -> State:
    """What is recorded. Raises StateError for another's state."""
    state = store.read()
    check_owner(project, stack, state)
    return state


def _restoring(project: Project, elsewhere: str | None) -> str:
    """The command that restores this state, to be pasted where this one was run; a serial goes to its end."""
    folder = ["-C", str(project.folder)] if project.folder != Path() else []
    environment = ["--env", project.environment] if project.environment != DEFAULT_ENVIRONMENT else []
    state = ["--state", elsewhere] if elsewhere else []
    return shlex.join(["declarative", *folder, *environment, "state", "restore", *state])


def _marks(environ: Mapping[str, str]) -> Path | None:
    """Where marks are kept: relative folders don't count, since they would be other ones in every working folder."""
    for base, below in ((environ.get("XDG_STATE_HOME"), ""), (environ.get("HOME"), ".local/state")):
        if base and Path(base).is_absolute():
            return Path(base) / below / "declarative"
    return None


def new_uuid(clock: Clock) -> str:
    import uuid

    return str(uuid.UUID(int=clock.random.getrandbits(128), version=4))


@asynccontextmanager
async def cloud_of(project: Project, stack: Stack) -> AsyncIterator[Provider]:
    """The way to the cloud: the embedded one of `simulator: true`, else that of whoever signs in."""
    from declarative.provider import Access, GivenToken, Provider, Secret

    if not stack.simulator:
        async with signed_in(project, credentials_of(project, stack)) as one, provider_of(project, one) as provider:
            yield provider
        return
    _refuse_two_clouds(project)
    if project.embedded is None:
        raise UsageError("this stack wants the embedded simulator, and none is at hand", "Pass `embedded`.")
    embedded = project.embedded(project.folder)
    access = Access(_EMBEDDED_ENDPOINT, embedded.project_id, SIMULATOR, GivenToken(Secret(SIMULATOR, is_public=True)))
    async with Provider(
        access,
        parallelism=project.parallelism,
        clock=project.clock,
        transport=embedded.transport,
        on_exchange=project.on_exchange,
    ) as provider:
        yield provider


def provider_of(project: Project, one: SignedIn) -> Provider:
    """The way to the cloud for whoever has signed in."""
    from declarative.provider import Provider

    return Provider(
        one.access,
        parallelism=project.parallelism,
        clock=project.clock,
        transport=project.transport,
        on_exchange=project.on_exchange,
    )


def asked_of(project: Project, stack: Stack) -> Asked:
    """What options and the stack say of the credentials."""
    from declarative.identity.sources import Asked

    return Asked(
        endpoint=project.endpoint,
        region=project.region,
        project_id=project.project_id,
        cloud=project.cloud,
        stack_region=stack.region,
        stack_cloud=stack.cloud,
    )


def credentials_of(project: Project, stack: Stack) -> Credentials:
    """The credentials that are found; whoever runs the command is told what is not used of it."""
    from declarative.identity.sources import find_credentials

    credentials = find_credentials(
        project.environ,
        working_folder=project.working_folder,
        stack_folder=project.folder,
        asked=asked_of(project, stack),
    )
    for note in credentials.notes:
        project.warn(note)
    return credentials


@asynccontextmanager
async def signed_in(project: Project, credentials: Credentials) -> AsyncIterator[SignedIn]:
    """Who has signed in with these credentials; a known end of that is said before anything begins."""
    from declarative.identity.opening import open_access

    one = await open_access(
        credentials, clock=project.clock, transport=project.transport, on_exchange=project.on_exchange
    )
    try:
        if one.ends is not None:
            project.warn(_ends(one))
        yield one
    finally:
        await one.close()


def _ends(one: SignedIn) -> Diagnostic:
    at = f"{one.ends:%Y-%m-%d %H:%M:%S} UTC"
    summary = f"the sign-in ends at {at} and can't be renewed, since it is a {one.credentials.way}"
    fix = "A run that takes longer ends before it is done, and the next one goes on with it."
    return Diagnostic(summary, fix, severity=Severity.WARNING, id="sign-in-ends")


def _refuse_two_clouds(project: Project) -> None:
    named = ["--endpoint"] if project.endpoint else []
    named += ["SDRS_ENDPOINT"] if project.environ.get("SDRS_ENDPOINT") else []
    if named:
        raise UsageError(
            f"the stack says `simulator: true`, and {named[0]} names another cloud",
            f"Remove `simulator: true` from the stack, or unset {named[0]}.",
        )


@asynccontextmanager
async def writing(
    project: Project, stack: Stack, operation: str, interrupt: asyncio.Event | None = None, *, begins: str = ""
) -> AsyncIterator[Store]:
    """The store, locked for the length of the command. Raises Interrupted when that ends the wait for the lock."""
    store = store_of(project, stack, begins=begins)
    holder = Holder(
        id=new_uuid(project.clock),
        who=who(),
        host=socket.gethostname(),
        pid=os.getpid(),
        operation=operation,
        since=project.clock.stamp(),
    )
    await _lock(project, store, holder, interrupt or asyncio.Event())
    if local_folder_of(project, stack) is None and not folder_in_repository(project.folder):
        summary = "the stack lies in no git repository, so that a copy of its folder can't be told from it"
        fix = "Keep stacks with a shared state in one."
        project.warn(Diagnostic(summary, fix, severity=Severity.WARNING, id="outside-a-repository"))
    try:
        yield store
    finally:
        store.unlock()


async def _lock(project: Project, store: Store, holder: Holder, interrupt: asyncio.Event) -> None:
    """Take the lock. The wait is short pauses in a thread: between two of them it can be ended."""
    cancelled = False

    def pause(seconds: float) -> None:
        if cancelled or interrupt.is_set():
            raise Interrupted
        project.clock.pause(seconds)

    def tell(seen: Seen) -> None:
        holder, age = seen.holder, f" ({seen.age})" if seen.age else ""
        who_has_it = f"{holder.who} on {holder.host} for {holder.operation}, since {holder.since}{age}"
        summary = f"waiting for the lock of the state: {who_has_it}"
        project.warn(Diagnostic(summary, severity=Severity.WARNING, id="waiting-for-lock"))

    timeout = min(project.lock_timeout, project.timeout if project.timeout is not None else project.lock_timeout)
    taking = asyncio.ensure_future(
        project.blocking(lambda: store.lock(holder, timeout=timeout, sleep=pause, waiting=tell))
    )
    try:
        await asyncio.shield(taking)
    except asyncio.CancelledError:
        cancelled = True
        await asyncio.wait({taking})
        if taking.exception() is None:
            store.unlock()
        raise


def who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
