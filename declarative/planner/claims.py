"""Which objects the cloud shows under which natural key, and which instances hold or bring which pairs."""

from __future__ import annotations

from declarative.kinds.relations import MAKER
from declarative.model import Address, Attributes, Json, Kind, Reference
from declarative.planner.brought_pairs import makers_of
from declarative.planner.builder import PlanBuilder
from declarative.planner.moves import Key, known_key
from declarative.planner.steps import creates, deletes


def instances_of(builder: PlanBuilder, pair: Attributes) -> set[Address]:
    """The addresses of our instances that a pair, as it is seen, is attached to."""
    return {owner for one in makers_of(pair) if (owner := builder.owner(MAKER.name, one)) is not None}


def going_homes(builder: PlanBuilder, pair_id: str, pair: Attributes) -> set[Address]:
    """Those of our instances that are deleted, for good or to be remade, and take the pair with them."""
    homes = instances_of(builder, pair)
    return {home for home in homes if deletes(builder.steps(home)) and pair_id in builder.brought(home)}


class Claims:
    """Which objects of a kind the cloud shows under which natural key, and which instances may bring more of them."""

    def __init__(self, builder: PlanBuilder, kind: Kind) -> None:
        """Look at all that is observed of `kind`."""
        self._builder = builder
        self._kind = kind
        self._makers: dict[Json | Reference, list[Address]] | None = None
        self._found: dict[Key, list[tuple[str, Attributes]]] = {}
        for object_id, shown in sorted(builder.comparison.observed.objects.get(kind.name, {}).items()):
            key = known_key(kind, shown)
            if key is not None:
                self._found.setdefault(key, []).append((object_id, shown))

    def of(self, key: Key | None) -> list[tuple[str, Attributes]]:
        """The objects with this natural key, by id."""
        return self._found.get(key, []) if key is not None else []

    def makers(self, group: Json | Reference) -> list[Address]:
        """The instances that are created in a group; asked for only when all that instances want is known."""
        if self._makers is None:
            self._makers = {}
            for address, steps in self._builder.planned.items():
                if address.kind == MAKER.name and creates(steps):
                    for home in {
                        step.resource.inputs.get(self._kind.relations.group) for step in steps if not step.resource.id
                    }:
                        self._makers.setdefault(home, []).append(address)
        return self._makers.get(group, [])
