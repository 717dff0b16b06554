"""Adoption of pairs that the service created with an instance, or that are attached to one.

Creating a protected instance makes the service create a pair for each of the server's disks, and pairs are attached by
hand. Unless a manifest takes such a pair over (`lifecycle.adopt`), it is left alone. One server is in one instance, one
disk in one pair at most.
Source: docs/sdrs-api.md, "What the service creates and removes".
"""

from __future__ import annotations

from collections.abc import Iterable

from declarative.errors import visible
from declarative.kinds.relations import MAKER
from declarative.model import Address, Attributes, Desired, Health, Kind, Reason, Resource, Step
from declarative.planner.builder import PlanBuilder
from declarative.planner.claims import Claims, going_homes, instances_of
from declarative.planner.conflicts import named, say_it_goes, say_not_ours, shrinks
from declarative.planner.differences import differing, ignored_fields, must_replace
from declarative.planner.moves import known_key, present_key
from declarative.planner.steps import Completed, LiveObject, adjust, adopt, adopt_later, creates


def adoption(
    builder: PlanBuilder,
    kind: Kind,
    wanted: Completed,
    claims: Claims,
    *,
    recorded: Resource | None,
    live: LiveObject | None,
) -> tuple[Step, ...]:
    """What an object that others have made needs: to be taken over, and then to be brought in line."""
    key = known_key(kind, wanted.inputs)
    if recorded is None or live is None or present_key(kind, recorded, live.seen) != key:
        return _search(builder, kind, wanted, claims, recorded=recorded, gone=live is None)
    going = going_homes(builder, recorded.id, live.seen)
    if any(builder.is_remade(home) for home in going):
        makers = {home for home in going if builder.is_remade(home)}
        makers |= _makers(builder, kind, wanted, claims)
        return _await(builder, kind, wanted, makers, reason=Reason.REPLACED, old=recorded)
    if going:
        say_it_goes(builder, wanted.desired, going)
        return ()
    return _kept(builder, kind, wanted, recorded=recorded, live=live)


def _search(
    builder: PlanBuilder,
    kind: Kind,
    wanted: Completed,
    claims: Claims,
    *,
    recorded: Resource | None,
    gone: bool,
) -> tuple[Step, ...]:
    """Adopt a pair that is attached to a managed instance, or that one will bring."""
    reason = Reason.NEW if recorded is None else Reason.GONE_FROM_CLOUD if gone else Reason.EDITED
    makers: set[Address] = set()
    strange = ""
    for object_id, shown in claims.of(known_key(kind, wanted.inputs)):
        homes, going = instances_of(builder, shown), going_homes(builder, object_id, shown)
        if homes and not going:
            return _taken(builder, kind, wanted, (object_id, shown), reason=reason, old=recorded)
        makers |= {home for home in going if builder.is_remade(home)}
        strange = strange or ("" if homes else object_id)
    # A remade instance may come back with another server: whichever is made in the group can bring the pair.
    makers |= _makers(builder, kind, wanted, claims)
    if strange and builder.open.isdisjoint({wanted.desired.address, *makers}):
        say_not_ours(builder, kind, wanted, strange)
        return ()
    return _await(builder, kind, wanted, makers, reason=reason, old=recorded)


def _taken(
    builder: PlanBuilder,
    kind: Kind,
    wanted: Completed,
    found: tuple[str, Attributes],
    *,
    reason: Reason,
    old: Resource | None,
) -> tuple[Step, ...]:
    _check(builder, kind, wanted, differing(kind, wanted.inputs, recorded={}, seen=found[1]))
    shrinks(builder, kind, wanted, found[1])
    return adopt(kind, wanted, reason, found=found, old_id=old.id if old is not None else None)


def _await(
    builder: PlanBuilder, kind: Kind, wanted: Completed, makers: set[Address], *, reason: Reason, old: Resource | None
) -> tuple[Step, ...]:
    address = wanted.desired.address
    if not makers and builder.refreshed and address not in builder.open:
        if old is not None and builder.comparison.live_objects[old.address] is None:
            _say_it_is_lost(builder, kind, address)
            return ()
        builder.find(
            "nothing-to-adopt",
            wanted.desired,
            f"there is no {kind.noun} of {named(kind, wanted.inputs)} to adopt, and no instance is created in its"
            " group that could bring it",
            f"Describe the {MAKER.name} of the server that has this disk, or remove lifecycle.adopt to create the"
            " pair.",
            "lifecycle",
            "adopt",
        )
        return ()
    builder.waits[address] = makers
    if old is not None:
        builder.after.setdefault(old.address, set()).update(makers)
    return adopt_later(kind, wanted, reason, old=old)


def _say_it_is_lost(builder: PlanBuilder, kind: Kind, address: Address) -> None:
    """Warn of a deleted pair that came with an instance; everything else goes on."""
    builder.warn(
        "adopted-pair-gone",
        address,
        f"{address} gets no step: its {kind.noun} is gone from the cloud, and only its instance can bring a new one",
        f"Replace the {MAKER.name} (--replace), or remove this document.",
    )


def _makers(builder: PlanBuilder, kind: Kind, wanted: Completed, claims: Claims) -> set[Address]:
    """The instances whose creation can bring the pair: those that it depends on, else all of its group."""
    declared = {one for one in wanted.desired.depends_on if one.kind == MAKER.name and creates(builder.steps(one))}
    return declared or {
        address
        for address in claims.makers(wanted.inputs.get(kind.relations.group))
        if wanted.desired.address not in builder.comparison.desired[address].depends_on
    }


def _kept(
    builder: PlanBuilder, kind: Kind, wanted: Completed, *, recorded: Resource, live: LiveObject
) -> tuple[Step, ...]:
    """Plan an adopted object: it can be renamed and grown, but not be replaced on its own."""
    address = wanted.desired.address
    if wanted.requested:
        builder.find(
            "adopted-pair-unchangeable",
            wanted.desired,
            f"{address} was adopted (lifecycle.adopt), so it can't be replaced on its own",
            f"Replace its {MAKER.name} instead.",
            "lifecycle",
            "adopt",
        )
        return ()
    if live.health in (Health.BROKEN, Health.LEAVING):
        status = visible(live.attributes.get("status"), limit=80)
        builder.warn(
            "left-alone",
            address,
            f"{address} is left alone: it was adopted (lifecycle.adopt), and its status is {status}",
        )
        return ()
    ignored = ignored_fields(kind, wanted.desired.lifecycle)
    names = differing(kind, wanted.inputs, recorded=recorded.inputs, seen=live.seen, normalized=recorded.normalized)
    if _check(builder, kind, wanted, [name for name in names if name not in ignored]):
        return ()
    return adjust(kind, wanted, recorded, live)


def still_adopted(builder: PlanBuilder, wanted: Completed, live: LiveObject) -> None:
    """Refuse a document that no longer sets lifecycle.adopt for an adopted pair."""
    homes = instances_of(builder, live.seen)
    if homes and not wanted.desired.lifecycle.adopt:
        builder.find(
            "pair-of-instance",
            wanted.desired,
            f"this pair is attached to {min(homes, key=str)} and can't be managed separately",
            "Set lifecycle.adopt to true again.",
            "lifecycle",
        )


def _check(builder: PlanBuilder, kind: Kind, wanted: Completed, names: Iterable[str]) -> bool:
    """Refuse each field that can't be changed on an adopted object. True when there is one."""
    wrong = [name for name in names if must_replace(kind, (name,))]
    for name in wrong:
        builder.find(
            "adopted-pair-unchangeable",
            wanted.desired,
            f"the {name} of an adopted {kind.noun} differs from the cloud, and can't be changed",
            f"Remove {name}, or write the value that the cloud shows.",
            "spec",
            _written(kind, wanted.desired, name),
        )
    return bool(wrong)


def _written(kind: Kind, desired: Desired, name: str) -> str:
    """Return the manifest's field for a sent one."""
    names = (field for field, target in kind.relations.refers.items() if target.field == name and field in desired.spec)
    return next(names, name)
