"""What a plan means for those who rely on the protection: who loses it meanwhile, what is copied, what stays behind.

All of it is worked out from the plan's steps and dangers, wherever it is shown: nobody can write it into a plan.
Source of the durations: docs/sdrs-api.md, "Failed jobs"; of when copying begins: "Enabling is a separate step".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from declarative.kinds import KINDS
from declarative.kinds.compare import natural_key
from declarative.kinds.relations import COPIED, GROUP, MAKER, MAKES
from declarative.model import Action, Address, Attributes, Json, Plan, Reason, Step
from declarative.planner.homes import Home, homes
from declarative.planner.losses import number


@dataclass(frozen=True, slots=True)
class Unprotected:
    """Servers of one group that lose their protection, from one step on until another has been done.

    `group`: its address, or the id of one that the stack doesn't manage; "" where the plan doesn't tell. `servers` and
    `disks`: how many, the disks of the servers among them; None where nobody knows. `since` and `until`: ids of steps.
    `until` is "" where no step of the plan protects them again; else their first copy has to be complete as well.
    """

    group: str
    servers: int | None
    disks: int | None
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class Copied:
    """What is copied to the DR side of one group.

    `servers`: how many new instances, all of whose disks are copied. `disks`: how many disks in all; None where a
    server's are not known. `sized`: of how many the size is known, `gigabytes`: what these come to. `again`: all of it
    has been copied before. `since`: the id of the step that starts it; "" for as soon as the group is protected.
    """

    group: str
    servers: int
    disks: int | None
    sized: int
    gigabytes: int
    again: bool
    since: str


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """What a delete leaves in the cloud, where it is billed. `id`: "" where the plan doesn't tell it."""

    address: Address
    what: str
    id: str


@dataclass(frozen=True, slots=True)
class Duration:
    """How many seconds an action on one object has been seen to take, which promises nothing; `count` steps do it."""

    action: Action
    kind: str
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Impact:
    """What a plan means, beside its steps."""

    unprotected: tuple[Unprotected, ...] = ()
    copied: tuple[Copied, ...] = ()
    left_behind: tuple[LeftBehind, ...] = ()
    durations: tuple[Duration, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.unprotected or self.copied or self.left_behind or self.durations)


def impact(plan: Plan) -> Impact:
    """What the plan means. It is a pure function of its steps and dangers."""
    case = _Case(plan)
    return Impact(
        tuple(case.unprotected()), tuple(case.copied()), tuple(_left_behind(plan.steps)), tuple(_durations(plan.steps))
    )


def impact_document(found: Impact) -> dict[str, Json]:
    """The impact as JSON values; `schemas/plan.json` describes them."""
    return {
        "unprotected": [
            {"group": one.group, "servers": one.servers, "disks": one.disks, "from": one.since, "until": one.until}
            for one in found.unprotected
        ],
        "copied": [
            {
                "group": one.group,
                "servers": one.servers,
                "disks": one.disks,
                "sized": one.sized,
                "gigabytes": one.gigabytes,
                "again": one.again,
                "from": one.since,
            }
            for one in found.copied
        ],
        "left_behind": [{"address": str(one.address), "what": one.what, "id": one.id} for one in found.left_behind],
        "durations": [
            {"action": one.action.value, "kind": one.kind, "count": one.count, "seconds": one.seconds}
            for one in found.durations
        ],
    }


# ---------------------------------------------------------------- protection and copies

_Key: TypeAlias = tuple[str, ...]


def _key(step: Step) -> _Key:
    """What the member of a step protects: its server, or its disk; of one that doesn't tell, its address."""
    kind, resource = KINDS[step.address.kind], step.resource
    for view in (resource.inputs, resource.attributes):
        if all(view.get(name) for name in kind.relations.natural_key):
            return kind.name, *natural_key(kind, view)
    return kind.name, "", str(step.address)


class _Case:
    """The steps of one plan, by what they have to do with protection."""

    def __init__(self, plan: Plan) -> None:
        self._homes = homes(plan)
        self._costly = {one.address for one in plan.dangers if one.loses_protection}
        self._of: dict[Action, dict[Address, Step]] = {action: {} for action in Action}
        self._deleted: dict[Home, list[Step]] = {}
        self._created: dict[Home, list[Step]] = {}
        self._gone: dict[_Key, Step] = {}  # deletes and creates of members, by what they protect
        self._made: dict[_Key, Step] = {}
        self._brought: dict[str, Step] = {}  # steps of pairs, by the pair's id
        for step in plan.steps:
            self._of[step.action][step.address] = step
            if step.address.kind == COPIED.name and step.resource.id:
                self._brought.setdefault(step.resource.id, step)
            if step.address.kind in (MAKER.name, COPIED.name):
                self._of_member(step)

    def _of_member(self, step: Step) -> None:
        kept = {Action.DELETE: (self._deleted, self._gone), Action.CREATE: (self._created, self._made)}
        if step.action in kept:
            by_home, by_key = kept[step.action]
            by_home.setdefault(self._homes[step.id], []).append(step)
            by_key[_key(step)] = step

    # ------------------------------------------------------------ who loses protection

    def unprotected(self) -> Iterator[Unprotected]:
        """Yield the groups that are switched off or deleted while they are protected, then those that lose members."""
        disabled, deleted = self._of[Action.DISABLE], self._of[Action.DELETE]
        whole = dict.fromkeys([*disabled, *(one for one in deleted if one.kind == GROUP.name and one in self._costly)])
        for address in whole:
            first = disabled.get(address) or deleted[address]
            members = self._deleted.get(address, ()) if address in deleted else ()
            if members:
                yield from self._of_members_lost(address, members, since=first.id)
            else:
                again = self._of[Action.ENABLE].get(address)
                yield Unprotected(str(address), *_says(first), first.id, again.id if again is not None else "")
        for home, steps in self._deleted.items():
            if home not in whole:
                lost = [step for step in steps if step.address in self._costly]
                yield from self._of_members_lost(home, lost)

    def _of_members_lost(self, home: Home, steps: Sequence[Step], *, since: str = "") -> Iterator[Unprotected]:
        """Yield members of a group by what protects them again: an enabling, their own create, or nothing."""
        parts: dict[str, list[tuple[Step, str]]] = {}
        for step in steps:
            until = self._until(home, step)
            by_create = until.startswith(f"{Action.CREATE.value}:")
            parts.setdefault(Action.CREATE.value if by_create else until, []).append((step, until))
        for some in parts.values():
            lost = [step for step, _ in some]
            yield Unprotected(str(home), _servers(lost), len(_pairs(lost)), since or lost[0].id, some[-1][1])

    def _until(self, home: Home, step: Step) -> str:
        """The step after which a member is protected again; "" when the plan has none, or doesn't tell."""
        created = self._made.get(_key(step))
        if created is None:
            return ""
        joined = self._homes[created.id]
        switch = self._of[Action.ENABLE].get(joined) if isinstance(joined, Address) else None
        if switch is not None:
            return switch.id
        return created.id if self._goes_on(joined) and (joined == home or self._is_protected(joined)) else ""

    def _goes_on(self, home: Home) -> bool:
        return home not in self._of[Action.DISABLE]

    def _is_protected(self, home: Home) -> bool:
        """True when the plan tells that a group is protected now: another member loses that."""
        return any(step.address in self._costly for step in self._deleted.get(home, ()))

    # ------------------------------------------------------------ what is copied

    def copied(self) -> Iterator[Copied]:
        """Yield what is copied by group: new members, those that are made again, and what was there already."""
        enabled = self._of[Action.ENABLE]
        for home in dict.fromkeys((*self._created, *enabled)):
            switch = enabled.get(home) if isinstance(home, Address) else None
            for again in (False, True):
                steps = [one for one in self._created.get(home, ()) if (_key(one) in self._gone) is again]
                if steps:
                    yield self._new(home, steps, again=again, switch=switch)
            if switch is not None and home not in self._of[Action.CREATE]:
                yield from self._kept(switch)

    def _new(self, home: Home, steps: Sequence[Step], *, again: bool, switch: Step | None) -> Copied:
        old = [self._gone.get(_key(step)) for step in steps]
        disks, known = 0, True
        sizes: dict[str, int] = {}
        for step, gone in zip(steps, old, strict=True):
            if step.address.kind == COPIED.name:
                disks += 1
                size = _size(gone.resource.attributes) if gone is not None else None
                size = size or _size(step.resource.inputs)
                sizes |= {str(step.address): size} if size else {}
                continue
            pairs = _pairs([gone]) if gone is not None else frozenset()
            known, disks = known and bool(pairs), disks + len(pairs)
            sizes |= self._sizes(pairs, gone.disks if gone is not None else {})
        is_at_once = self._is_protected(home) and self._goes_on(home)
        since = switch.id if switch is not None else steps[0].id if is_at_once else ""
        total = disks if known else None
        return Copied(str(home), _servers(steps), total, len(sizes), sum(sizes.values()), again, since)

    def _kept(self, switch: Step) -> Iterator[Copied]:
        """Yield what a group holds already that is enabled."""
        seen = switch.resource.attributes
        disks, servers = (number(seen.get(kind.relations.counted_as)) for kind in (COPIED, MAKER))
        if disks or servers or switch.disks:
            again = switch.reason is Reason.DRIFTED  # it was protected, and somebody has switched that off
            sizes = switch.disks
            count = disks if disks is None else max(disks, len(sizes))
            yield Copied(str(switch.address), servers or 0, count, len(sizes), sum(sizes.values()), again, switch.id)

    def _sizes(self, pairs: Collection[str], seen: Mapping[str, int]) -> dict[str, int]:
        """The sizes of pairs by id: as seen, else as recorded where the pair has a step."""
        recorded = {one: _size(self._brought[one].resource.attributes) for one in pairs if one in self._brought}
        return {
            **{one: size for one, size in recorded.items() if size},
            **{one: seen[one] for one in pairs if one in seen},
        }


def _says(step: Step) -> tuple[int | None, int | None]:
    """How many servers and disks a group says that it holds; what is protected holds something."""
    servers, disks = (number(step.resource.attributes.get(kind.relations.counted_as)) for kind in (MAKER, COPIED))
    return (servers, disks) if servers or disks else (None, None)


def _servers(steps: Iterable[Step]) -> int:
    return sum(1 for step in steps if step.address.kind == MAKER.name)


def _pairs(steps: Iterable[Step]) -> frozenset[str]:
    """The ids of the pairs that steps are about, or that are seen with their instances."""
    found: set[str] = set()
    for step in steps:
        found |= {step.resource.id} if step.address.kind == COPIED.name else MAKES.made(step.resource.attributes)
    return frozenset(found)


def _size(view: Attributes) -> int | None:
    return number(view.get(COPIED.relations.size))


# ---------------------------------------------------------------- what stays, and how long it takes


def _left_behind(steps: Iterable[Step]) -> Iterator[LeftBehind]:
    for step in steps:
        kind = KINDS.get(step.address.kind)
        for what in step.leaves:
            object_id = kind.words.left_id(what, step.resource.attributes) if kind is not None else ""
            yield LeftBehind(step.address, what, object_id)


def _durations(steps: Iterable[Step]) -> Iterator[Duration]:
    counts = Counter((step.action, step.address.kind) for step in steps)
    for action in Action:
        for kind in KINDS.values():
            seconds = kind.calls.seen.get(action.value)
            if seconds and counts[action, kind.name]:
                yield Duration(action, kind.name, counts[action, kind.name], seconds)
