"""A plan in the making: what each address wants so far, and what was found on the way.

Kinds are worked on in the order in which they can refer to each other, so that a member sees what becomes of its group.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from declarative.errors import Diagnostic, Severity
from declarative.kinds.relations import BROUGHT
from declarative.model import Action, Address, Attributes, Desired, Reference, Resource, Step
from declarative.planner.brought_pairs import brought_by
from declarative.planner.comparison import Comparison
from declarative.planner.steps import creates, deletes

PlannedSteps: TypeAlias = dict[Address, tuple[Step, ...]]


@dataclass(slots=True)
class PlanBuilder:
    """What each address wants, selectors aside.

    `moves`: old addresses by new ones. `alike`: by old address, the new one that may mean the same object. `waits`:
    addresses whose making an address waits for beside its dependencies. `after`: addresses whose deletion a create
    waits for. `open`: addresses with an open operation, and those that may mean what it makes.
    """

    comparison: Comparison
    refreshed: bool
    replaced: Collection[Address]
    open: set[Address]
    planned: PlannedSteps = field(default_factory=dict)
    moves: dict[Address, Address] = field(default_factory=dict)
    alike: dict[Address, Address] = field(default_factory=dict)
    waits: dict[Address, set[Address]] = field(default_factory=dict)
    after: dict[Address, set[Address]] = field(default_factory=dict)
    findings: dict[Address, list[Diagnostic]] = field(default_factory=dict)
    notes: dict[Address, list[Diagnostic]] = field(default_factory=dict)
    _owners: dict[tuple[str, str], Address] = field(default_factory=dict)
    _brought: dict[Address, frozenset[str]] = field(default_factory=dict)

    def steps(self, address: Address) -> tuple[Step, ...]:
        """What the address wants so far."""
        return self.planned.get(address, ())

    def source(self, address: Address) -> Address:
        """Where the object of an address is recorded."""
        return self.moves.get(address, address)

    def owner(self, kind: str, object_id: str) -> Address | None:
        """The address at which an id is recorded."""
        if not self._owners:
            self._owners.update({(one.kind, recorded.id): one for one, recorded in self.comparison.recorded.items()})
        return self._owners.get((kind, object_id))

    def brought(self, address: Address) -> frozenset[str]:
        """The ids of the pairs that came with the instance recorded at an address.

        While that isn't recorded, those that look as if they had are taken for it.
        """
        if address not in self._brought:
            recorded, live = self.comparison.recorded[address], self.comparison.live_objects[address]
            found = recorded.brought
            if found is None and live is not None:
                pairs = self.comparison.observed.objects.get(BROUGHT.name, {})
                found = brought_by(recorded.id, live.seen, pairs=pairs, owner=self._recorded)
            self._brought[address] = frozenset(found or ())
        return self._brought[address]

    def _recorded(self, kind: str, object_id: str) -> Resource | None:
        owner = self.owner(kind, object_id)
        return self.comparison.recorded[owner] if owner is not None else None

    def is_remade(self, address: Address) -> bool:
        """True when the recorded object of the address makes way for a new one."""
        steps = self.steps(address)
        return deletes(steps) and creates(steps)

    def is_leaving(self, address: Address) -> bool:
        """True when the recorded object of the address goes for good."""
        steps = self.steps(address)
        return deletes(steps) and not creates(steps)

    def resolved(self, inputs: Attributes) -> Attributes:
        """The inputs in which each reference to an object that stays is its id."""
        known = {
            name: object_id
            for name, value in inputs.items()
            if isinstance(value, Reference) and value.attribute == "id" and (object_id := self._id_of(value.address))
        }
        return {**inputs, **known} if known else inputs

    def _id_of(self, address: Address) -> str:
        """The id that the object of an address has and keeps; "" when it is yet to be made."""
        steps, source = self.steps(address), self.source(address)
        if steps:
            last = steps[-1]
            goes = last.action in (Action.DELETE, Action.FORGET)
            return "" if goes or creates(steps) else last.resource.id
        recorded = self.comparison.recorded.get(source)
        return recorded.id if recorded is not None and self.comparison.live_objects[source] is not None else ""

    def find(self, finding_id: str, desired: Desired, summary: str, fix: str, *path: str | int) -> None:
        """Note an error in a document; `path` starts at the document."""
        finding = Diagnostic(summary, fix, desired.position(*path), str(desired.address), id=finding_id)
        self.findings.setdefault(desired.address, []).append(finding)

    def warn(self, finding_id: str, address: Address, summary: str, fix: str = "") -> None:
        """Note what somebody should know of an address."""
        note = Diagnostic(summary, fix, address=str(address), severity=Severity.WARNING, id=finding_id)
        self.notes.setdefault(address, []).append(note)


def chosen_part(planned: Mapping[Address, tuple[Step, ...]], chosen: Collection[Address]) -> PlannedSteps:
    """The planned steps of the chosen addresses."""
    return {address: steps for address, steps in planned.items() if address in chosen}
