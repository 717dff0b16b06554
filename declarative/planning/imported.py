"""What is imported, and already is as its manifest says: nothing is left for a plan to do about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from declarative.model import Action, Address, Desired, Lookups, Observed, Resource
from declarative.planning.belonging import Belonging
from declarative.planning.drafting import draft
from declarative.planning.protection import with_protection
from declarative.planning.scene import look
from declarative.planning.selection import Chosen, PlanRequest


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
    view = look(desired, recorded, Observed(lookups=lookups), refreshed=False)
    sketch = draft(view, request, replaced=(), open_=())
    everything = Chosen(frozenset(desired).union(recorded))
    wishes = with_protection(sketch, Belonging(sketch), everything, goals=True).wishes
    adopted = (
        wishes[address][0].resource
        for address in imported
        if address not in sketch.findings and [step.action for step in wishes.get(address, ())] == [Action.ADOPT]
    )
    return {resource.address: resource for resource in adopted}
