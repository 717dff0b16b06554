"""What is in the cloud already where a create would make its like, and nobody here knows of it.

A group and a drill have no natural key, so nothing but their name and place tells that one is there already: made by a
run whose state is lost, from a second folder, or by the same plan elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from declarative.errors import visible
from declarative.kinds import KINDS
from declarative.kinds.compare import Likeness, is_twin, likeness
from declarative.model import (
    Action,
    Attributes,
    Danger,
    DangerClass,
    Json,
    Kind,
    OpenOperation,
    Reference,
    Resource,
    Step,
)
from declarative.planner.losses import listed

_SHOWN = 5


class UnmanagedObjects:
    """The objects of the cloud that no record and no open operation knows, by kind and name."""

    def __init__(
        self,
        objects: Mapping[str, Mapping[str, Attributes]],
        recorded: Iterable[Resource],
        open_: Collection[OpenOperation],
    ) -> None:
        """`objects`: by kind and id, as read. Only kinds without a natural key are looked at."""
        self._objects = objects
        self._known = {(one.address.kind, one.id) for one in recorded}
        self._open = open_
        self._named: dict[str, dict[str, list[str]]] = {}

    def like(self, kind: Kind, inputs: Attributes) -> tuple[str, ...]:
        """The ids of those with the name that a create of `inputs` gives, in the same place."""
        if kind.relations.natural_key or any(
            isinstance(inputs.get(field), Reference) for field in kind.relations.place
        ):
            return ()  # in a group that is yet to be made there is nothing
        if kind.name not in self._named:
            self._named[kind.name] = self._by_name(kind)
        names, objects = self._named[kind.name], self._objects.get(kind.name, {})
        same_name = (*names.get(_folded(inputs.get("name")), ()), *names.get(_NAMELESS, ()))
        return tuple(sorted(one for one in same_name if is_twin(kind, inputs, objects[one])))

    def _by_name(self, kind: Kind) -> dict[str, list[str]]:
        objects = self._objects.get(kind.name, {})
        unknown = {one: shown for one, shown in objects.items() if (kind.name, one) not in self._known}
        for made in self._made_by_open_creates(kind, unknown):
            unknown.pop(made, None)
        names: dict[str, list[str]] = {}
        for object_id, shown in unknown.items():
            name = shown.get("name")
            names.setdefault(_NAMELESS if name is None else _folded(name), []).append(object_id)
        return names

    def _made_by_open_creates(self, kind: Kind, unknown: Mapping[str, Attributes]) -> list[str]:
        """What creates that are still open have made, where only one object can be it."""
        creates = [one for one in self._open if one.inputs and one.address.kind == kind.name]
        found = ([one for one, shown in unknown.items() if _may_be(kind, create, shown)] for create in creates)
        return [ids[0] for ids in found if len(ids) == 1]


_NAMELESS = "\n"  # no folded name is this: an answer without a name may be anybody's


def _folded(name: Json) -> str:
    return str(name).strip().casefold()


def _may_be(kind: Kind, create: OpenOperation, shown: Attributes) -> bool:
    return likeness(kind, create.inputs, shown) in (Likeness.FITS, Likeness.LACKS)


def with_twins(steps: Iterable[Step], unmanaged: UnmanagedObjects) -> tuple[Step, ...]:
    """Return the steps, in which each create knows the ids of those that are like what it would make."""
    return tuple(
        replace(step, twins=twins)
        if step.action is Action.CREATE
        and (twins := unmanaged.like(KINDS[step.address.kind], step.resource.inputs)) != step.twins
        else step
        for step in steps
    )


def duplicate(step: Step) -> Danger:
    """Return the danger of a create that would make a second object."""
    kind, name = KINDS[step.address.kind], visible(step.resource.inputs.get("name"), limit=80)
    ids = [visible(one, limit=80) for one in step.twins[:_SHOWN]]
    more = f" and {len(step.twins) - _SHOWN} more" if len(step.twins) > _SHOWN else ""
    commands = " or ".join(f"`declarative import '{step.address}' {one}`" for one in ids)
    one = len(step.twins) == 1
    words = (
        f"creates a second {kind.noun} '{name}': the cloud has {'one' if one else len(step.twins)} of this name in the"
        f" same place already, not recorded here ({'id' if one else 'ids'} {listed(tuple(ids))}{more});"
        f" import it with {commands}, or, if the stack was renamed, move its whole state with"
        " `declarative state migrate`"
    )
    return Danger(DangerClass.DUPLICATE, words, step.address)
