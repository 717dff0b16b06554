"""The cloud, just now: each kind that is in use by list calls, and the lookups only where a plan uses them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from declarative.apply.together import all_of, together
from declarative.kinds import KINDS
from declarative.model import Attributes, DesiredView, Kind, Lookups, Observed, Put, Resource
from declarative.planner import PlanRequest

if TYPE_CHECKING:
    from declarative.apply import Session

REFRESH_TIME = 300.0  # seconds that reading the cloud may take, retries included


async def observe(request: PlanRequest, desired: DesiredView, session: Session) -> Observed:
    """Read what the plan needs: the kinds in use by list calls, and the lookups only where they are used.

    Lookups that can't be had are None: what needs one finds fault with that itself.
    """
    if not request.refreshed:
        return Observed()
    recorded = session.ledger.state.resources
    new = {address.kind for address in desired.resources if address not in recorded}
    by_name = any(
        not wanted.spec.keys().isdisjoint(KINDS[address.kind].lookups) for address, wanted in desired.resources.items()
    )
    wants = not request.destroy and not request.refresh_only
    async with together() as group:
        view = group.create_task(_with_members(session, request, desired))
        domains = quotas = None
        if wants and (by_name or any(KINDS[name].lookups for name in new)):
            domains = group.create_task(domains_of(session))
        if wants and new:
            quotas = group.create_task(_quotas_of(session))
    session.say_what_is_missing()
    lookups = Lookups(domains.result() if domains else None, quotas.result() if quotas else None)
    return replace(view.result(), lookups=lookups)


async def _with_members(session: Session, request: PlanRequest, desired: DesiredView) -> Observed:
    """What a plan needs, and where a group goes that holds members of no kind in use, those too: they hold it."""
    observed = await read_kinds(session, {address.kind for address in desired.resources})
    members = [kind for kind in KINDS.values() if kind.group and kind.name not in observed.objects]
    going = [
        observed.objects.get(address.kind, {}).get(resource.id, {})
        for address, resource in session.ledger.state.resources.items()
        if request.destroy or address not in desired.resources
    ]
    counters = {counter for kind in KINDS.values() for counter in kind.member_counts}
    if not members or not any(seen.get(counter) for seen in going for counter in counters):
        return observed
    more = await session.provider.listings(members, deadline=session.until(REFRESH_TIME))
    partial = observed.partial.union(name for name, listing in more.items() if not listing.is_complete)
    objects = {name: listing.objects for name, listing in more.items()}
    return replace(observed, objects={**observed.objects, **objects}, partial=partial)


async def domains_of(session: Session) -> tuple[Attributes, ...] | None:
    """The active-active domains; None when they can't be read."""
    provider = session.provider
    return await session.evidence(
        "the list of active-active domains", lambda deadline: provider.domains(deadline=deadline)
    )


async def _quotas_of(session: Session) -> Mapping[str, Attributes] | None:
    provider = session.provider
    return await session.evidence("the quotas", lambda deadline: provider.quotas(deadline=deadline))


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
    listings = await provider.listings(kinds, deadline=deadline)
    objects = {name: dict(listing.objects) for name, listing in listings.items()}
    missing = [
        resource
        for resource in recorded
        if (listed := objects.get(resource.address.kind)) is not None and resource.id not in listed
    ]
    found = await all_of(_confirmed(session, resource, deadline=deadline) for resource in missing)
    for resource, observed in zip(missing, found, strict=True):
        if observed is not None:
            objects[resource.address.kind][resource.id] = observed
    pairs = zip(missing, found, strict=True)
    gone = ((resource.address.kind, resource.id) for resource, observed in pairs if observed is None)
    partial = frozenset(name for name, listing in listings.items() if not listing.is_complete)
    note_first_sights(session, objects)
    return Observed(objects, frozenset(gone), partial=partial)


async def _confirmed(session: Session, resource: Resource, *, deadline: float) -> Attributes | None:
    """The object by its id; None when it is gone.

    One that no run has read since it was made may be too new to be shown: it is asked for through the grace period.
    """
    kind = session.kind(resource.address)
    if resource.attributes:
        return await session.provider.get(kind, resource.id, deadline=deadline)
    session.made.setdefault(resource.id, session.clock.monotonic())
    return await session.look(kind, resource.id, max_age=0.0, deadline=deadline)


def note_first_sights(session: Session, objects: Mapping[str, Mapping[str, Attributes]]) -> None:
    """Of what no run has read since it was made, take what is shown now for what the service has made of it."""
    for resource in list(session.ledger.state.resources.values()):
        shown = objects.get(resource.address.kind, {}).get(resource.id)
        if shown is not None and resource.inputs and not resource.attributes and not resource.lifecycle.adopt:
            session.ledger.learn(Put(session.as_made(resource, shown)))


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
    """Let the searches of this run know what was there before it."""
    recorded: dict[str, set[str]] = {}
    for resource in session.ledger.state.resources.values():
        recorded.setdefault(resource.address.kind, set()).add(resource.id)
    for kind, ids in recorded.items():
        session.lookout.exclude(kind, ids)
    session.lookout.refreshed(observed.objects, recorded, partial=observed.partial)
