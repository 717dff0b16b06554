"""Which protection group an object belongs to, and what a recorded object hangs on.

A group is named by its address when it is ours, else by its id. An object that moves from one group to another belongs
to both while it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from declarative.kinds import KINDS
from declarative.kinds.relations import GROUP, SWITCH_FAILED
from declarative.model import Address, Attributes, Health, Json, Kind, Reference, Resource
from declarative.planner.builder import PlanBuilder
from declarative.planner.claims import instances_of

Group: TypeAlias = Address | str

_NONE: frozenset[Group] = frozenset()


class Membership:
    """What belongs to what, in a builder whose moves are known."""

    def __init__(self, builder: PlanBuilder) -> None:
        """Nothing is worked out before it is asked for."""
        self._builder = builder
        self._targets = {old: new for new, old in builder.moves.items()}
        self._joins: dict[Address, frozenset[Group]] = {}
        self._has: dict[Address, frozenset[Group]] = {}

    # ------------------------------------------------------------ groups

    def joins(self, address: Address) -> frozenset[Group]:
        """The group that the desired object of an address is to belong to."""
        if address not in self._joins:
            self._joins[address] = self._in(KINDS[address.kind], self._builder.comparison.inputs.get(address, {}))
        return self._joins[address]

    def has(self, address: Address) -> frozenset[Group]:
        """The groups that the recorded object of an address belongs to, by what is recorded and by what is observed."""
        if address not in self._has:
            source = self._builder.source(address)
            recorded, live = (
                self._builder.comparison.recorded.get(source),
                self._builder.comparison.live_objects.get(source),
            )
            views = [] if recorded is None else [recorded.inputs, recorded.attributes]
            if live is not None:
                views.append(live.attributes)
            self._has[address] = _NONE.union(*(self._in(KINDS[address.kind], view) for view in views))
        return self._has[address]

    def of_unrecorded(self, resource: Resource) -> frozenset[Group]:
        """The groups of an object that no address records, by what it names."""
        return self._in(KINDS[resource.address.kind], resource.inputs)

    def groups(self, address: Address) -> frozenset[Group]:
        """All groups that an address has to do with."""
        return self.joins(address) | self.has(address)

    def home(self, address: Address) -> Address | None:
        """The group of ours that a recorded member is in; None when that is unclear, or when it is no member."""
        homes = self.has(address)
        (home,) = homes if len(homes) == 1 else (None,)
        return home if isinstance(home, Address) else None

    def is_sheltered(self, address: Address) -> bool:
        """True when the protection runs of a group that a recorded member is in."""
        return any((self.shown(group) or {}).get("status") in GROUP.statuses.protected for group in self.has(address))

    def shown(self, group: Group) -> Attributes | None:
        """What is seen of a group; None when nothing is."""
        if isinstance(group, str):
            return self._builder.comparison.observed.objects.get(GROUP.name, {}).get(group)
        live = self._builder.comparison.live_objects.get(self._builder.source(group))
        return live.attributes if live is not None else None

    def takes_members(self, group: Group) -> bool:
        """False for a group in which the last switch of its protection failed: until the next, it takes no members."""
        shown = self.shown(group)
        return shown is None or shown.get("status") not in SWITCH_FAILED

    def is_held(self, group: Group) -> bool:
        """True when disaster recovery is in progress in a group."""
        if isinstance(group, Address):
            live = self._builder.comparison.live_objects.get(self._builder.source(group))
            return live is not None and live.health is Health.HELD
        shown = self.shown(group)
        return shown is not None and GROUP.statuses.health(shown, {}) is Health.HELD

    def _in(self, kind: Kind, values: Attributes) -> frozenset[Group]:
        """The groups that an object with these inputs or attributes belongs to."""
        if not kind.relations.group or not values:
            return _NONE
        own = values.get(kind.relations.group)
        if own is not None:
            return frozenset((self._group(own),))
        ways = ((target.kind, values.get(target.field)) for target in kind.relations.refers.values())
        return _NONE.union(*(self._through(KINDS[name], value) for name, value in ways if value is not None))

    def _group(self, value: Json) -> Group:
        if isinstance(value, Reference):
            return value.address
        owner = self._builder.owner(GROUP.name, str(value))
        return self._targets.get(owner, owner) if owner is not None else str(value)

    def _through(self, kind: Kind, value: Json) -> frozenset[Group]:
        """The group of the object that a member names: an attachment is where its instance and its pair are."""
        if not kind.relations.group:
            return _NONE
        if isinstance(value, Reference):
            return self.joins(value.address)
        owner = self._builder.owner(kind.name, str(value))
        if owner is not None:
            owner = self._targets.get(owner, owner)
            return self.joins(owner) or self.has(owner)
        shown = self._builder.comparison.observed.objects.get(kind.name, {}).get(str(value))
        return self._in(kind, shown) if shown is not None else _NONE

    # ------------------------------------------------------------ dependencies

    def hangs_on(self, recorded: Resource) -> tuple[Address, ...]:
        """The recorded addresses that a recorded object needs: as recorded, and by the ids that it names.

        An import records no dependencies, so its ids are all there is.
        """
        kind = KINDS[recorded.address.kind]
        if not kind.relations.refers:
            return recorded.depends_on
        live = self._builder.comparison.live_objects.get(recorded.address)
        views: list[Attributes] = [recorded.inputs, recorded.attributes, *((live.attributes,) if live else ())]
        found = set(recorded.depends_on)
        for target in kind.relations.refers.values():
            for view in views:
                owner = self._builder.owner(target.kind, str(view.get(target.field)))
                if owner is not None:
                    found.add(owner)
        if recorded.lifecycle.adopt:
            found.update(*(instances_of(self._builder, view) for view in views))
        return tuple(sorted(found))


def switch_kinds() -> Mapping[str, Kind]:
    """The kinds whose protection can be switched on and off."""
    return {
        name: kind for name, kind in KINDS.items() if kind.calls.enable is not None and kind.calls.disable is not None
    }
