"""Ordering: dependencies, cycles and reachability. Nothing here recurses or is quadratic."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar

from declarative.kinds import KINDS
from declarative.model import Action, Address, Step

Node = TypeVar("Node")
Whole = TypeVar("Whole")
Edges = Mapping[Node, Collection[Node]]
# Any: a sort key needs only to be comparable with its like, which no type of ours says.
Key = Callable[[Node], Any]

_RANK = {action: rank for rank, action in enumerate(Action)}
# Within one address a move or a delete comes before what follows it; `requires` says the same.
_FIRST = (Action.MOVE, Action.DELETE)
_MAKES = (Action.CREATE, Action.UPDATE, Action.ADOPT)
_ENDS = (Action.DELETE, Action.FORGET)
# The order in which kinds refer to each other; what a kind refers to is made before it.
_LEVELS = {name: level for level, name in enumerate(KINDS)}


def by_address(address: Address) -> tuple[str, str, str]:
    """Sort key of an address."""
    return address.kind, address.name, address.key


def reversed_edges(edges: Edges[Node]) -> dict[Node, list[Node]]:
    """Reverse every edge: from "needs" to "is needed by"."""
    back: dict[Node, list[Node]] = {}
    for node, targets in edges.items():
        for target in targets:
            back.setdefault(target, []).append(node)
    return back


def closure(start: Iterable[Node], edges: Edges[Node]) -> set[Node]:
    """Return `start` and all that can be reached from it."""
    reached = set(start)
    waiting = list(reached)
    while waiting:
        for target in edges.get(waiting.pop(), ()):
            if target not in reached:
                reached.add(target)
                waiting.append(target)
    return reached


class WaitGraph(Generic[Node]):
    """What waits for what, read both ways. An edge that would close a circle is never added.

    Edges are added by the many for one node, so that looking for circles costs one walk for all of them.
    """

    def __init__(self, needs: Edges[Node]) -> None:
        """`needs`: what each node waits for; what is no node itself may be waited for too."""
        self.needs = {node: set(targets) for node, targets in needs.items()}
        self._users = reversed_edges(self.needs)

    def before(self, nodes: Iterable[Node]) -> set[Node]:
        """These and all that they wait for."""
        return closure(nodes, self.needs)

    def after(self, nodes: Iterable[Node]) -> set[Node]:
        """These and all that wait for them."""
        return closure(nodes, self._users)

    def let_wait(self, nodes: Iterable[Node], *, for_: Node) -> None:
        """Let nodes wait for one, but for those that it waits for itself."""
        if for_ in self.needs:
            earlier = self.before((for_,))
            for node in nodes:
                if node in self.needs and node not in earlier:
                    self._add(node, for_)

    def let_wait_for_all(self, node: Node, needs: Iterable[Node]) -> None:
        """Let one node wait for others, but for those that wait for it."""
        if node in self.needs:
            later = self.after((node,))
            for need in needs:
                if need in self.needs and need not in later:
                    self._add(node, need)

    def joined(self, whole: Mapping[Node, Whole]) -> WaitGraph[Whole]:
        """The same between wholes: `whole` tells of which one each node is a part."""
        needs: dict[Whole, set[Whole]] = {one: set() for one in whole.values()}
        for node, targets in self.needs.items():
            needs[whole[node]].update(whole[target] for target in targets)
        return WaitGraph({one: targets - {one} for one, targets in needs.items()})

    def _add(self, node: Node, need: Node) -> None:
        if need not in self.needs[node]:
            self.needs[node].add(need)
            self._users.setdefault(need, []).append(node)


def loops(edges: Edges[Node], *, key: Key[Node]) -> list[tuple[Node, ...]]:
    """Return loops in which nodes wait for each other, each in the order of its edges; [] when there is none.

    Every knot of loops is told of by at least one of them.
    """
    stuck = _stuck(edges)
    found: list[tuple[Node, ...]] = []
    seen: set[Node] = set()
    for start in sorted(stuck, key=key):
        walk: dict[Node, None] = {}
        node = start
        while node not in seen:
            seen.add(node)
            walk[node] = None
            node = min((target for target in edges[node] if target in stuck), key=key)
        if node in walk:
            path = list(walk)
            found.append(tuple(path[path.index(node) :]))
    return found


def _stuck(edges: Edges[Node]) -> set[Node]:
    """The nodes from which a loop can be reached."""
    left = {node: len(set(targets)) for node, targets in edges.items()}
    back = reversed_edges({node: set(targets) for node, targets in edges.items()})
    free = [target for target in back if target not in left] + [node for node, count in left.items() if not count]
    while free:
        node = free.pop()
        left.pop(node, None)
        for source in back.get(node, ()):
            left[source] -= 1
            if not left[source]:
                free.append(source)
    return set(left)


def ranks(edges: Edges[Node], *, key: Key[Node]) -> dict[Node, int]:
    """Return the place of each node in one order in which a node comes after what it needs, smallest key first.

    Where nodes wait for each other the smallest goes first all the same, so that every node gets a place.
    """
    nodes = set(edges).union(*edges.values())
    left = {node: len(set(edges.get(node, ()))) for node in nodes}
    back = reversed_edges({node: set(targets) for node, targets in edges.items()})
    everyone = sorted(nodes, key=key)
    number = {node: place for place, node in enumerate(everyone)}
    ready = [number[node] for node in everyone if not left[node]]
    order: dict[Node, int] = {}
    fallback = iter(everyone)
    while len(order) < len(everyone):
        if not ready:
            ready.append(number[next(node for node in fallback if node not in order)])
        node = everyone[heapq.heappop(ready)]
        if node in order:
            continue
        order[node] = len(order)
        for source in back.get(node, ()):
            left[source] -= 1
            if not left[source]:
                heapq.heappush(ready, number[source])
    return order


def linked(steps: Iterable[Step], ends: Edges[Address]) -> tuple[Step, ...]:
    """Return the steps with what their addresses' dependencies make them wait for.

    A create, update or adopt waits for those of what the object depends on, a delete for those of what depends on the
    object; `ends` tells what objects that are deleted depend on, where it is more than they have recorded. An object
    with nothing to do is waited for by nobody. Loops among deletes, which only an unfinished run can have recorded,
    are cut.
    """
    steps = tuple(steps)
    if not ends and not any(step.resource.depends_on for step in steps):
        return steps
    makes = {step.address: step.id for step in steps if step.action in _MAKES}
    deletes = {step.address: step for step in steps if step.action is Action.DELETE}
    needed = reversed_edges(
        {address: deletes.keys() & ends.get(address, step.resource.depends_on) for address, step in deletes.items()}
    )
    place = ranks(needed, key=by_address)
    waits = {
        address: [deletes[user].id for user in users if place[user] < place[address]]
        for address, users in needed.items()
    }
    return tuple(_waiting(step, makes, waits) for step in steps)


def _waiting(step: Step, makes: Mapping[Address, str], waits: Mapping[Address, list[str]]) -> Step:
    more: list[str] = []
    if step.action in _MAKES:
        more = [makes[address] for address in step.resource.depends_on if address in makes]
    elif step.action is Action.DELETE:
        more = waits.get(step.address, [])
    return replace(step, requires=tuple(sorted({*step.requires, *more}))) if more else step


def in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return the steps so that each comes after those it requires; they form no loop.

    Else what is deleted comes first, from the members of a group to the group, and what is made last, in that order
    turned round; then by address.
    """
    everything = {step.id: step for step in steps}
    place = {
        step_id: (_level(step), by_address(step.address), step.action not in _FIRST, _RANK[step.action])
        for step_id, step in everything.items()
    }
    if not any(step.requires for step in everything.values()):
        return tuple(everything[step_id] for step_id in sorted(everything, key=place.__getitem__))
    order = ranks({step_id: step.requires for step_id, step in everything.items()}, key=place.__getitem__)
    return tuple(everything[step_id] for step_id in order)


def _level(step: Step) -> int:
    """Where the step's kind stands, from the last to be made on its way out, over groups, to the same on its way in."""
    level = _LEVELS.get(step.address.kind, 0)
    return -level if step.action in _ENDS else level
