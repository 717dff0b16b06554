"""The cloud, just now: every kind by list calls, and the lookups only where a plan uses them."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from declarative.apply.together import all_of, together
from declarative.errors import EndpointError, OutcomeUnknown, Rejected, Unauthorized
from declarative.kinds import KINDS
from declarative.model import DesiredView, Json, Lookups, Observed
from declarative.planning import PlanRequest

if TYPE_CHECKING:
    from declarative.apply import Session

T = TypeVar("T")

REFRESH_TIME = 300.0  # seconds that reading the cloud may take, retries included


async def observe(request: PlanRequest, desired: DesiredView, session: Session) -> Observed:
    """Read what the plan needs: every kind by list calls, and the lookups only where they are used."""
    if not request.refreshed:
        return Observed()
    recorded = session.ledger.state.resources
    new = any(address not in recorded for address in desired.resources)
    by_name = any(KINDS[address.kind].lookups & wanted.spec.keys() for address, wanted in desired.resources.items())
    wants = not request.destroy and not request.refresh_only
    deadline = session.until(REFRESH_TIME)
    provider = session.provider
    async with together() as group:
        view = group.create_task(refresh(session, planned=bool(desired.resources)))
        domains = quotas = None
        if wants and (new or by_name):
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
    """List every kind that is recorded or planned; what is recorded and not listed is confirmed by a GET."""
    recorded = session.ledger.state.resources.values()
    provider, deadline = session.provider, session.until(REFRESH_TIME)
    objects: dict[str, dict[str, Mapping[str, Json]]] = {}
    gone: set[tuple[str, str]] = set()
    for kind in KINDS.values():
        mine = [resource.id for resource in recorded if resource.address.kind == kind.name]
        if not mine and not planned:
            continue
        listed = dict(await provider.list(kind, deadline=deadline))
        missing = [object_id for object_id in mine if object_id not in listed]
        found = await all_of(provider.get(kind, object_id, deadline=deadline) for object_id in missing)
        for object_id, observed in zip(missing, found, strict=True):
            if observed is None:
                gone.add((kind.name, object_id))
            else:
                listed[object_id] = observed
        objects[kind.name] = listed
    return Observed(objects, frozenset(gone))


def note_ids(session: Session, observed: Observed) -> None:
    recorded: dict[str, set[str]] = {}
    for resource in session.ledger.state.resources.values():
        recorded.setdefault(resource.address.kind, set()).add(resource.id)
    for kind, ids in recorded.items():
        session.lookout.exclude(kind, ids)
    session.lookout.refreshed(observed.objects, recorded)
