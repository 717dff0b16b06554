"""Which pairs came with an instance, and what becomes of those that are attached to one that goes.

Creating an instance makes the service create a pair for each of the server's disks. A pair that was attached by hand
looks the same, so the ids of those that came are recorded with the instance. They go with it; every other pair stays.
Source: docs/sdrs-api.md, "What the service creates and removes".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from declarative.errors import visible
from declarative.kinds import KINDS
from declarative.kinds.relations import BROUGHT, MAKER, MAKES, TIE, tie_id
from declarative.model import Action, Address, Attributes, Resource, Step
from declarative.planner.losses import number

if TYPE_CHECKING:
    from declarative.planner.comparison import Comparison

Owner: TypeAlias = Callable[[str, str], Resource | None]  # kind, id -> what is recorded of that object
Pairs: TypeAlias = Mapping[str, Attributes]


def brought_by(instance_id: str, shown: Attributes, *, pairs: Pairs, owner: Owner) -> tuple[str, ...]:
    """The ids of the pairs that an instance, as it is `shown`, is taken to have brought.

    These are attached to it alone, and neither recorded as made by themselves nor attached by a recorded attachment.
    No instance is made with a disk that several servers may have.
    """
    return tuple(one for one in sorted(MAKES.made(shown)) if _came(instance_id, one, seen=pairs.get(one), owner=owner))


def _came(instance_id: str, pair_id: str, *, seen: Attributes | None, owner: Owner) -> bool:
    known = owner(BROUGHT.name, pair_id)
    if owner(TIE.name, tie_id(instance_id, pair_id)) is not None or (known is not None and not known.lifecycle.adopt):
        return False
    return seen is None or not (MAKES.shared(seen) or makers_of(seen) - {instance_id})


def makers_of(pair: Attributes) -> frozenset[str]:
    """The ids of the instances that a pair, as it is seen, is attached to."""
    return MAKES.makers(pair) or frozenset()


def newly_known(recorded: Mapping[Address, Resource], objects: Mapping[str, Pairs]) -> Iterator[Resource]:
    """Instances of which it was not recorded yet what they brought, as they are to be recorded; `objects` by kind."""
    lacking = [one for one in recorded.values() if one.brought is None and KINDS[one.address.kind].relations.makes]
    if not lacking:
        return
    owners = {(address.kind, resource.id): resource for address, resource in recorded.items()}
    for resource in lacking:
        shown = objects.get(resource.address.kind, {}).get(resource.id)
        if shown is not None and MAKES.made(shown):
            pairs = objects.get(BROUGHT.name, {})
            found = brought_by(resource.id, shown, pairs=pairs, owner=lambda kind, one: owners.get((kind, one)))
            yield replace(resource, brought=found)


# ---------------------------------------------------------------- words


def pair_in_words(pair_id: str, seen: Attributes) -> str:
    """A pair for a reader, e.g. `replication pair 'data' (9d2f)`."""
    name = f" '{visible(seen['name'], limit=80)}'" if seen.get("name") else ""
    return f"{BROUGHT.noun}{name} ({visible(pair_id, limit=160)})"


def pair_document(comparison: Comparison, group: Address, pair_id: str, seen: Attributes) -> str:
    """What takes a pair over: a document to paste, and the import that ties it to the pair."""
    address = _free_address(comparison, seen)
    in_group = {BROUGHT.relations.group: str(seen.get(BROUGHT.relations.group))}
    if group in comparison.desired and not group.key:
        in_group = {name: group.name for name, target in BROUGHT.relations.refers.items() if target.kind == group.kind}
    spec = {**in_group, **{name: str(seen.get(name)) for name in ("name", *BROUGHT.relations.natural_key)}}
    fields = ", ".join(f"{name}: {json.dumps(visible(text, limit=160))}" for name, text in spec.items())
    adopt = ", lifecycle: {adopt: true}" if makers_of(seen) else ""
    head = f"apiVersion: sdrs/v1, kind: {BROUGHT.name}, metadata: {{name: {json.dumps(address.name)}}}"
    document = f"{{{head}, spec: {{{fields}}}{adopt}}}"
    return (
        f"To delete it before its group, add it to the manifests as `{document}`, and run"
        f" `declarative import '{address}' {visible(pair_id, limit=160)}`. Or delete it in the console first."
    )


def _free_address(comparison: Comparison, seen: Attributes) -> Address:
    words = re.sub(r"[^A-Za-z0-9_-]+", "-", str(seen.get("name") or "")).strip("-_")[:60] or "pair"
    address, number = Address(BROUGHT.name, words), 1
    while address in comparison.desired or address in comparison.recorded:
        number += 1
        address = Address(BROUGHT.name, f"{words}-{number}")
    return address


def staying(step: Step, brought: frozenset[str], *, pairs: Pairs, going: set[str]) -> Step:
    """A step that deletes an instance, with the pairs that stay behind; `going`: those that steps of their own delete.

    Only what is attached to no other instance stays behind by this step.
    """
    ids = [one for one, seen in pairs.items() if step.resource.id in makers_of(seen)]
    left = sorted(one for one in ids if one not in brought | going and len(makers_of(pairs[one])) == 1)
    words = (f"{pair_in_words(one, pairs[one])}, which did not come with it and stays in the group" for one in left)
    return replace(step, leaves=(*step.leaves, *words)) if left else step


def with_sizes(steps: tuple[Step, ...], brought: Callable[[Address], frozenset[str]], pairs: Pairs) -> tuple[Step, ...]:
    """The steps with the sizes of what is copied again, as it is seen, in GB.

    With the delete of an instance that is replaced stand those of the pairs that came with it; with the enabling of a
    group that is there, those of its pairs.
    """
    created = {step.address for step in steps if step.action is Action.CREATE}
    switched = {step.resource.id for step in steps if _enables(step, created)}
    held: dict[str, list[str]] = {}
    for pair_id, seen in pairs.items() if switched else ():
        held.setdefault(str(seen.get(BROUGHT.relations.group)), []).append(pair_id)

    def sized(step: Step) -> Step:
        if step.action is Action.DELETE and step.address.kind == MAKER.name and step.address in created:
            ids: Iterable[str] = brought(step.address)
        elif _enables(step, created):
            ids = held.get(step.resource.id, ())
        else:
            return step
        sizes = {one: number(pairs[one].get(BROUGHT.relations.size)) for one in sorted(ids) if one in pairs}
        known = {one: size for one, size in sizes.items() if size}
        return replace(step, disks=known) if known else step

    return tuple(map(sized, steps))


def _enables(step: Step, created: set[Address]) -> bool:
    return step.action is Action.ENABLE and step.address not in created and bool(step.resource.id)


def with_what_stays(
    steps: tuple[Step, ...], brought: Callable[[Address], frozenset[str]], pairs: Pairs
) -> tuple[Step, ...]:
    """The steps, of which those that delete instances tell which of the attached pairs stay."""
    deleted = [step for step in steps if step.action is Action.DELETE]
    homes: dict[str, Step] = {step.resource.id: step for step in deleted if step.address.kind == MAKER.name}
    going = {step.resource.id for step in deleted if step.address.kind == BROUGHT.name}
    if not homes:
        return steps
    attached_to: dict[str, dict[str, Attributes]] = {}
    for pair_id, seen in pairs.items():
        for home in makers_of(seen) & homes.keys():
            attached_to.setdefault(home, {})[pair_id] = seen
    told = {
        step.id: staying(step, brought(step.address), pairs=attached_to.get(step.resource.id, {}), going=going)
        for step in homes.values()
    }
    return tuple(told.get(step.id, step) for step in steps)
