"""`auth`: who signs in, with what, and what the service answers. No state is read, and of the manifests the Stack."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from declarative.errors import DeclarativeError, EndpointError, NotSent, ProviderError, Unauthorized
from declarative.kinds import KINDS
from declarative.model import Kind
from declarative.workflow.backends import asked_of, cloud_of, credentials_of, provider_of, signed_in
from declarative.workflow.manifests import stack_here
from declarative.workflow.project import Project

if TYPE_CHECKING:
    from declarative.identity.credentials import Credentials
    from declarative.identity.opening import SignedIn
    from declarative.identity.survey import Survey
    from declarative.provider import Provider

_SECONDS = 20.0  # for each list, with what is tried again


@dataclass(frozen=True, slots=True)
class ListCheck:
    """One list of the service. `error`: why it gave no answer; a list that was not asked has none either.

    `needed`: False for what a run goes without.
    """

    path: str
    what: str
    needed: bool
    asked: bool = True
    error: ProviderError | None = None

    @property
    def answers(self) -> bool:
        return self.asked and self.error is None


@dataclass(frozen=True, slots=True)
class AuthReport:
    """Who signs in and what comes of it. `credentials`: None for the embedded simulator, which needs none.

    `error`: why nobody could sign in; there is no `signed_in` and no list then.
    """

    credentials: Credentials | None
    signed_in: SignedIn | None = None
    lists: tuple[ListCheck, ...] = ()
    error: DeclarativeError | None = None

    @property
    def works(self) -> bool:
        """True when all that a run needs answers."""
        return self.error is None and all(one.answers for one in self.lists if one.needed)


async def check(project: Project) -> AuthReport:
    """Sign in, and read one row of every list. Raises what `find_credentials` raises, and for a broken Stack."""
    stack = stack_here(project)
    if stack.simulator:
        async with cloud_of(project, stack) as provider:
            return AuthReport(None, None, await _lists(project, provider))
    credentials = credentials_of(project, stack)
    try:
        async with signed_in(project, credentials) as one, provider_of(project, one) as provider:
            return AuthReport(credentials, one, await _lists(project, provider))
    except DeclarativeError as error:
        return AuthReport(credentials, error=error)


def sources(project: Project) -> Survey:
    """What every place has that credentials come from. Raises InputError when a variable can't be used."""
    from declarative.identity.survey import survey

    stack = stack_here(project)
    return survey(
        project.environ,
        working_folder=project.working_folder,
        stack_folder=project.folder,
        asked=asked_of(project, stack),
        simulator=stack.simulator,
    )


async def _lists(project: Project, provider: Provider) -> tuple[ListCheck, ...]:
    """One after the other: several refused signatures at once would lock an access key."""
    checks: list[ListCheck] = []
    ends = project.clock.monotonic() + project.timeout if project.timeout is not None else float("inf")
    is_over = False
    for path, what, needed, read in _reads(provider):
        deadline = min(project.clock.monotonic() + _SECONDS, ends)
        if is_over or deadline <= project.clock.monotonic():
            checks.append(ListCheck(path, what, needed, asked=False))
            continue
        try:
            await read(deadline)
        except ProviderError as error:
            # Whoever isn't let in at all, finds nobody there or somebody else, is answered alike by every list.
            is_over = isinstance(error, Unauthorized | NotSent) or (not checks and isinstance(error, EndpointError))
            checks.append(ListCheck(path, what, needed, error=error))
        else:
            checks.append(ListCheck(path, what, needed))
    return tuple(checks)


def _reads(provider: Provider) -> Iterator[tuple[str, str, bool, Callable[[float], Awaitable[object]]]]:
    for kind in KINDS.values():
        if kind.relations.identity is None:  # else its objects are in the list of another kind

            def read(deadline: float, kind: Kind = kind) -> Awaitable[object]:
                return provider.glance(kind, deadline=deadline)

            yield kind.wire.collection, f"{kind.noun}s", True, read
    yield "active-domains", "active-active domains", False, lambda deadline: provider.domains(deadline=deadline)
    yield "sdrs/quotas", "quotas", False, lambda deadline: provider.quotas(deadline=deadline)
