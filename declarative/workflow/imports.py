"""`import`: objects of the cloud recorded under addresses, with what is known of them; all of them, or none."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from declarative.concurrency import all_of
from declarative.errors import Diagnostic, InputError, UsageError, visible
from declarative.kinds import KINDS
from declarative.kinds.relations import BROUGHT
from declarative.model import Address, Attributes, Closed, Desired, DesiredView, Lookups, Put, Resource
from declarative.observation import Observer
from declarative.observation.refresh import REFRESH_TIME, domains_of
from declarative.planner.brought_pairs import newly_known
from declarative.planner.imported import as_described
from declarative.workflow.addresses import declared_address
from declarative.workflow.backends import cloud_of, writing
from declarative.workflow.execution import record
from declarative.workflow.manifests import resolved
from declarative.workflow.ownership import binding_here
from declarative.workflow.project import Project
from declarative.workflow.sessions import open_at, recovered_session
from declarative.workflow.watch import Watch

_ID_LIMIT = 160


async def import_objects(project: Project, wanted: Sequence[tuple[str, str]], *, watch: Watch) -> tuple[Resource, ...]:
    """Record objects that exist in the cloud under addresses that the manifests declare: all of them, or none.

    `wanted` holds addresses with ids. What is as its manifest says is recorded as if an apply had made it so; of the
    rest the next plan shows what differs. Raises UsageError for an address that is not declared or stands there twice,
    InputError with all that speaks against recording the others.
    """
    desired, _ = resolved(project)
    chosen = _chosen(desired, wanted)
    async with writing(project, desired.stack, "import") as store, cloud_of(project, desired.stack) as provider:
        session = await recovered_session(project, desired.stack, provider, store, watch)
        resources = session.ledger.state.resources
        new = _new(resources, chosen)
        if new:
            imported = await _read(session.observer, resources, desired, new)
            settled = (Closed(one.id) for address in new for one in open_at(session.ledger.state, address))
            await session.ledger.bind(binding_here(project, desired.stack, provider.binding))
            await record(project, session.ledger, _import_title(new), (*map(Put, imported), *settled))
        return tuple(resources[address] for address in chosen)


def _import_title(new: Collection[Address]) -> str:
    first, *more = sorted(new)
    return f"import {first}" + (f" and {len(more)} more" if more else "")


def _chosen(desired: DesiredView, wanted: Sequence[tuple[str, str]]) -> dict[Address, str]:
    """The ids by address. Raises UsageError for an address that is not declared, or has two ids."""
    chosen: dict[Address, str] = {}
    for text, object_id in wanted:
        address = declared_address(desired, text)
        if chosen.setdefault(address, object_id) != object_id:
            raise UsageError(f"{address} can't have two ids", "One address is one object.")
    return chosen


def _new(recorded: Mapping[Address, Resource], chosen: Mapping[Address, str]) -> dict[Address, str]:
    """What of the chosen is not recorded yet, or not known to be as its manifest says.

    Raises InputError with every address and every id that is taken.
    """
    if findings := [*_taken(recorded, chosen), *_twice(chosen)]:
        raise InputError(findings)
    return {
        address: object_id
        for address, object_id in chosen.items()
        if address not in recorded or not recorded[address].inputs
    }


def _taken(recorded: Mapping[Address, Resource], chosen: Mapping[Address, str]) -> Iterator[Diagnostic]:
    owners = {(address.kind, resource.id): address for address, resource in recorded.items()}
    for address, object_id in chosen.items():
        known = recorded.get(address)
        if known is not None and known.id != object_id:
            yield _finding(
                "already-recorded",
                address,
                f"it is recorded already, as {known.id}",
                f"Run `declarative state rm '{address}'` first.",
            )
        owner = owners.get((address.kind, object_id))
        if owner is not None and owner != address:
            yield _finding(
                "already-recorded",
                address,
                f"{object_id} is recorded already, as {owner}",
                "One object has one address.",
            )


def _twice(chosen: Mapping[Address, str]) -> Iterator[Diagnostic]:
    owners: dict[tuple[str, str], Address] = {}
    for address, object_id in chosen.items():
        owner = owners.setdefault((address.kind, object_id), address)
        if owner != address:
            yield _finding(
                "already-recorded",
                address,
                f"{visible(object_id, limit=_ID_LIMIT)} is asked for as {owner} too",
                "One object has one address.",
            )


async def _read(
    observer: Observer, recorded: Mapping[Address, Resource], desired: DesiredView, new: Mapping[Address, str]
) -> tuple[Resource, ...]:
    """Read the objects, and return them as they are to be recorded.

    Raises InputError with each id that the cloud doesn't have.
    """
    provider, deadline = observer.provider, observer.until(REFRESH_TIME)
    found = await all_of(provider.get(KINDS[one.kind], object_id, deadline=deadline) for one, object_id in new.items())
    shown = dict(zip(new, found, strict=True))
    if absent := [_absent(address, new[address]) for address, attributes in shown.items() if attributes is None]:
        raise InputError(absent)
    bare = {one: Resource(one, new[one], {}, attributes) for one, attributes in shown.items() if attributes is not None}
    wanted = desired.resources
    by_name = any(not wanted[one].spec.keys().isdisjoint(KINDS[one.kind].relations.lookups) for one in new)
    lookups = Lookups(await domains_of(observer)) if by_name else Lookups()
    observer.evidence.say_what_is_missing()
    described = {**bare, **as_described(wanted, {**recorded, **bare}, lookups, imported=new.keys())}
    brought = await _with_brought(observer, wanted, recorded, described, deadline=deadline)
    return tuple({**described, **brought}.values())


async def _with_brought(
    observer: Observer,
    wanted: Mapping[Address, Desired],
    recorded: Mapping[Address, Resource],
    imported: Mapping[Address, Resource],
    *,
    deadline: float,
) -> dict[Address, Resource]:
    """Those of the imported objects of which it can be told what the service made with them; a warning says so."""
    makers = {one: resource for one, resource in imported.items() if KINDS[one.kind].relations.makes}
    if not makers:
        return {}
    from declarative.applier.brought_pairs import say_what_is_taken_for_brought

    pairs = (await observer.provider.listing(BROUGHT, deadline=deadline)).objects
    known = {**recorded, **imported}
    known = {
        one: replace(resource, lifecycle=wanted[one].lifecycle) if one in wanted else resource
        for one, resource in known.items()
    }
    objects: dict[str, dict[str, Attributes]] = {BROUGHT.name: dict(pairs)}
    for address, resource in makers.items():
        objects.setdefault(address.kind, {})[resource.id] = resource.attributes
    found = {one.address: one for one in newly_known(known, objects) if one.address in makers}
    say_what_is_taken_for_brought(observer.notices, found.values(), pairs)
    return {address: replace(makers[address], brought=one.brought) for address, one in found.items()}


def _absent(address: Address, object_id: str) -> Diagnostic:
    summary = f"the cloud has no {KINDS[address.kind].noun} with id {visible(object_id, limit=_ID_LIMIT)}"
    return _finding("not-in-cloud", address, summary, "Check the id, the project and the region.")


def _finding(finding_id: str, address: Address, summary: str, fix: str) -> Diagnostic:
    return Diagnostic(summary, fix, address=str(address), id=finding_id)
