"""Imported objects that already match their manifests, so that a plan has nothing to do for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from declarative.model import Action, Address, Desired, Lookups, Observed, Resource
from declarative.planner.comparison import compare
from declarative.planner.generator import generate
from declarative.planner.membership import Membership
from declarative.planner.protection import with_protection
from declarative.planner.selection import Chosen, PlanRequest


def as_described(
    desired: Mapping[Address, Desired],
    recorded: Mapping[Address, Resource],
    lookups: Lookups,
    *,
    imported: Collection[Address],
) -> dict[Address, Resource]:
    """Return those of the `imported` objects that only need to be written down, as a plan would adopt them.

    `recorded` holds them too, with what the cloud shows of them and without inputs. The others keep a step in the next
    plan, and so does a group whose protection is not the one that is wanted. Disaster recovery in progress makes no
    difference: nothing is sent.
    """
    request = PlanRequest(refreshed=False)
    view = compare(desired, recorded, Observed(lookups=lookups), refreshed=False)
    builder = generate(view, request, replaced=(), open_=())
    everything = Chosen(frozenset(desired).union(recorded))
    planned = with_protection(builder, Membership(builder), everything, goals=True).planned
    adopted = (
        planned[address][0].resource
        for address in imported
        if address not in builder.findings and [step.action for step in planned.get(address, ())] == [Action.ADOPT]
    )
    return {resource.address: resource for resource in adopted}
