"""Read the cloud as it is now: list every kind in use, and fetch lookups only when a plan needs them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from declarative.concurrency import all_of, together
from declarative.kinds import KINDS
from declarative.kinds.relations import made_with
from declarative.model import Address, Attributes, Desired, DesiredView, Kind, Lookups, Observed, Resource
from declarative.observation.normalization import as_shown
from declarative.observation.notices import Notices
from declarative.observation.observer import Observer
from declarative.planner.selection import PlanRequest

Recorded = Mapping[Address, Resource]

REFRESH_TIME = 300.0  # seconds that reading the cloud may take, retries included


async def observe(request: PlanRequest, desired: DesiredView, observer: Observer, recorded: Recorded) -> Observed:
    """Read what the plan needs: the kinds in use by list calls, and the lookups only where they are used.

    Lookups that can't be had are None: what needs one finds fault with that itself.
    """
    if not request.refreshed:
        return Observed()
    new = {address: wanted for address, wanted in desired.resources.items() if address not in recorded}
    wants = not request.destroy and not request.refresh_only
    async with together() as group:
        view = group.create_task(_with_members(observer, request, desired, recorded))
        domains = quotas = None
        if wants and (_are_named(desired.resources.values()) or any(KINDS[one.kind].relations.lookups for one in new)):
            domains = group.create_task(domains_of(observer, needed=_are_named(new.values())))
        if wants and new:
            quotas = group.create_task(_quotas_of(observer))
    observer.evidence.say_what_is_missing()
    lookups = Lookups(domains.result() if domains else None, quotas.result() if quotas else None)
    return replace(view.result(), lookups=lookups)


async def _with_members(observer: Observer, request: PlanRequest, desired: DesiredView, recorded: Recorded) -> Observed:
    """What a plan needs, and where a group goes that holds members of no kind in use, those too: they hold it."""
    observed = await read_kinds(observer, recorded.values(), {address.kind for address in desired.resources})
    members = [kind for kind in KINDS.values() if kind.relations.group and kind.name not in observed.objects]
    going = [
        observed.objects.get(address.kind, {}).get(resource.id, {})
        for address, resource in recorded.items()
        if request.destroy or address not in desired.resources
    ]
    counters = {kind.relations.counted_as for kind in KINDS.values() if kind.relations.counted_as}
    if not members or not any(seen.get(counter) for seen in going for counter in counters):
        return observed
    more = await observer.provider.listings(members, deadline=observer.until(REFRESH_TIME))
    partial = observed.partial.union(name for name, listing in more.items() if not listing.is_complete)
    objects = {name: listing.objects for name, listing in more.items()}
    return replace(observed, objects={**observed.objects, **objects}, partial=partial)


def _are_named(wanted: Iterable[Desired]) -> bool:
    """True when one of these names what has to be looked up."""
    return any(not one.spec.keys().isdisjoint(KINDS[one.address.kind].relations.lookups) for one in wanted)


async def domains_of(observer: Observer, *, needed: bool = False) -> tuple[Attributes, ...] | None:
    """The active-active domains; None when they can't be read. `needed`: a new object names one of them."""
    what, provider = "the list of active-active domains", observer.provider
    if needed:
        return await observer.evidence.need(
            what, lambda deadline: provider.domains(deadline=deadline), seconds=REFRESH_TIME
        )
    return await observer.evidence.read(what, lambda deadline: provider.domains(deadline=deadline))


async def _quotas_of(observer: Observer) -> Mapping[str, Attributes] | None:
    return await observer.evidence.read("the quotas", lambda deadline: observer.provider.quotas(deadline=deadline))


async def read_kinds(observer: Observer, recorded: Collection[Resource], planned: Iterable[str] = ()) -> Observed:
    """List what the recorded objects and those of the planned kinds need; each list is read once.

    What is recorded and not listed is confirmed by a GET: absent from a list is not gone.
    """
    provider, deadline = observer.provider, observer.until(REFRESH_TIME)
    kinds = _needed_kinds({*planned, *(resource.address.kind for resource in recorded)})
    listings = await provider.listings(kinds, deadline=deadline)
    objects = {name: dict(listing.objects) for name, listing in listings.items()}
    missing = [
        resource
        for resource in recorded
        if (listed := objects.get(resource.address.kind)) is not None and resource.id not in listed
    ]
    found = await all_of(_confirmed(observer, resource, deadline=deadline) for resource in missing)
    for resource, shown in zip(missing, found, strict=True):
        if shown is not None:
            objects[resource.address.kind][resource.id] = shown
    _share_recorded(objects, recorded)
    pairs = zip(missing, found, strict=True)
    gone = ((resource.address.kind, resource.id) for resource, shown in pairs if shown is None)
    partial = frozenset(name for name, listing in listings.items() if not listing.is_complete)
    return Observed(objects, frozenset(gone), partial=partial)


def _share_recorded(objects: Mapping[str, dict[str, Attributes]], recorded: Iterable[Resource]) -> None:
    """Let an object that is shown just as it is recorded be the recorded one: of many thousands, most are."""
    for resource in recorded:
        shown = objects.get(resource.address.kind)
        if shown is not None and shown.get(resource.id) == resource.attributes:
            shown[resource.id] = resource.attributes


async def _confirmed(observer: Observer, resource: Resource, *, deadline: float) -> Attributes | None:
    """The object by its id; None when it is gone.

    One that no run has read since it was made may be too new to be shown: it is asked for through the grace period.
    """
    kind = KINDS[resource.address.kind]
    if resource.attributes:
        return await observer.provider.get(kind, resource.id, deadline=deadline)
    observer.expect_new(resource.id)
    return await observer.object(kind, resource.id, max_age=0.0, deadline=deadline)


def first_shown(notices: Notices, recorded: Collection[Resource], observed: Observed) -> list[Resource]:
    """Of the objects that no run has read since they were made, what is shown now: so the service has made them."""
    found = []
    for resource in recorded:
        shown = observed.objects.get(resource.address.kind, {}).get(resource.id)
        if shown is not None and resource.inputs and not resource.attributes and not resource.lifecycle.adopt:
            found.append(as_shown(notices, resource, shown))
    return found


def _needed_kinds(names: Collection[str]) -> tuple[Kind, ...]:
    """The kinds to list for objects of these: themselves, what is made beside them, and the groups they are in.

    A list tells of every kind that is read from it, at no further cost.
    """
    needed = {name for name in names if name in KINDS}
    needed |= {made for name in needed for made in made_with(KINDS[name])}
    if any(KINDS[name].relations.group for name in needed):
        needed |= {kind.name for kind in KINDS.values() if not kind.relations.group}
    collections = {KINDS[name].wire.collection for name in needed}
    return tuple(kind for kind in KINDS.values() if kind.wire.collection in collections)
