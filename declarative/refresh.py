"""The cloud, just now: each kind that is in use by list calls, and the lookups only where a plan uses them."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from declarative.apply.together import all_of, together
from declarative.errors import EndpointError, OutcomeUnknown, Rejected, Unauthorized
from declarative.kinds import KINDS
from declarative.model import DesiredView, Kind, Lookups, Observed
from declarative.planning import PlanRequest

if TYPE_CHECKING:
    from declarative.apply import Session

T = TypeVar("T")

REFRESH_TIME = 300.0  # seconds that reading the cloud may take, retries included


async def observe(request: PlanRequest, desired: DesiredView, session: Session) -> Observed:
    """Read what the plan needs: the kinds in use by list calls, and the lookups only where they are used."""
    if not request.refreshed:
        return Observed()
    recorded = session.ledger.state.resources
    new = {address.kind for address in desired.resources if address not in recorded}
    by_name = any(
        not wanted.spec.keys().isdisjoint(KINDS[address.kind].lookups) for address, wanted in desired.resources.items()
    )
    wants = not request.destroy and not request.refresh_only
    deadline = session.until(REFRESH_TIME)
    provider = session.provider
    async with together() as group:
        view = group.create_task(read_kinds(session, {address.kind for address in desired.resources}))
        domains = quotas = None
        if wants and (by_name or any(KINDS[name].lookups for name in new)):
            domains = group.create_task(_needed(provider.domains(deadline=deadline), session, needed=by_name))
        if wants and new:
            quotas = group.create_task(_needed(provider.quotas(deadline=deadline), session, needed=False))
    lookups = Lookups(domains.result() if domains else None, quotas.result() if quotas else None)
    return replace(view.result(), lookups=lookups)


async def _needed(reading: Awaitable[T], session: Session, *, needed: bool) -> T | None:
    """What `reading` brings; None when it fails and only a check before the plan would have used it."""
    try:
        return await reading
    except (EndpointError, Rejected, OutcomeUnknown) as error:
        if needed or isinstance(error, Unauthorized):
            raise
        session.warn(f"not checked before the plan: {error.summary}", "The service checks it again.")
        return None


async def refresh(session: Session, *, planned: bool) -> Observed:
    """Read what is recorded; with `planned`, all there is."""
    return await read_kinds(session, KINDS if planned else ())


async def read_kinds(session: Session, planned: Iterable[str]) -> Observed:
    """List what the recorded objects and those of the planned kinds need; each list is read once.

    What is recorded and not listed is confirmed by a GET: absent from a list is not gone.
    """
    recorded = session.ledger.state.resources.values()
    provider, deadline = session.provider, session.until(REFRESH_TIME)
    kinds = _needed_kinds({*planned, *(resource.address.kind for resource in recorded)})
    objects = await provider.list_views(kinds, deadline=deadline)
    missing = [
        (name, resource.id)
        for resource in recorded
        if (name := resource.address.kind) in objects and resource.id not in objects[name]
    ]
    found = await all_of(provider.get(KINDS[name], object_id, deadline=deadline) for name, object_id in missing)
    for (name, object_id), observed in zip(missing, found, strict=True):
        if observed is not None:
            objects[name][object_id] = observed
    gone = (one for one, observed in zip(missing, found, strict=True) if observed is None)
    return Observed(objects, frozenset(gone))


# What the service makes beside the objects of a kind, and a plan looks at.


def _needed_kinds(names: Collection[str]) -> tuple[Kind, ...]:
    """The kinds to list for objects of these: themselves, what is made beside them, and the groups they are in.

    A list tells of every kind that is read from it, at no further cost.
    """
    needed = {name for name in names if name in KINDS}
    needed |= {made for name in needed for made in KINDS[name].makes}
    if any(KINDS[name].group for name in needed):
        needed |= {kind.name for kind in KINDS.values() if not kind.group}
    collections = {KINDS[name].collection for name in needed}
    return tuple(kind for kind in KINDS.values() if kind.collection in collections)


def note_ids(session: Session, observed: Observed) -> None:
    recorded: dict[str, set[str]] = {}
    for resource in session.ledger.state.resources.values():
        recorded.setdefault(resource.address.kind, set()).add(resource.id)
    for kind, ids in recorded.items():
        session.lookout.exclude(kind, ids)
    session.lookout.refreshed(observed.objects, recorded)
