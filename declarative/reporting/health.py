"""How the protected applications are, just now: per group its direction, its members, and what is wrong with them.

Pure: what is recorded and what the cloud shows go in, a report comes out. What is
wrong with an object its kind says; source of the rest: docs/sdrs-api.md, "Replication pairs" (`failure_detail`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from declarative.errors import shown
from declarative.kinds import KINDS
from declarative.kinds.judging import word
from declarative.kinds.relations import COPIED, GOAL, GROUP, SIDE
from declarative.model import Address, Attributes, Json, Observed, Resource
from declarative.provider.codes import explain_code
from declarative.provider.jobs import read_time

NAME_LIMIT = 100
NOT_PROTECTED: Final = "protection is wanted, and the group is not protected"  # which may be on its way

_OTHER_SIDE: Final = {"source": "target", "target": "source"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberStatus:
    """One member of a group. `address`: None when it isn't recorded; `progress` in percent, None when not told.

    `copying`: a pair's `replication_status`; `made`: when a drill was created, as the service writes it.
    """

    kind: str
    id: str
    name: str
    status: str
    address: Address | None = None
    progress: int | None = None
    copying: str = ""
    made: str = ""
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStatus:
    """One group. `production` and `copy` are zones, `side` is where production runs; "" for what isn't told.

    `wanted`: the recorded goal for protection, `enabled`, `disabled` or "" (not managed). `accepted`: the side that the
    recorded manifest accepts as production, "" when the group isn't recorded.
    """

    id: str
    name: str
    status: str
    address: Address | None = None
    side: str = ""
    production: str = ""
    copy: str = ""
    progress: int | None = None
    wanted: str = ""
    accepted: str = ""
    members: tuple[MemberStatus, ...] = ()
    last_drill: MemberStatus | None = None
    troubles: tuple[str, ...] = ()

    @property
    def swapped(self) -> bool:
        """True when production runs on the side that the recorded manifest doesn't accept: apply leaves it alone."""
        return bool(self.accepted and self.side) and self.side != self.accepted

    def not_active(self) -> tuple[MemberStatus, ...]:
        """The pairs whose disks are not the same right now."""
        return tuple(one for one in self.members if one.copying not in ("", "active"))


@dataclass(frozen=True, slots=True)
class Report:
    """All groups of a stack, and what is wrong beside them."""

    groups: tuple[GroupStatus, ...] = ()
    troubles: tuple[str, ...] = ()

    def all_troubles(self) -> Iterator[str]:
        """Everything that makes the stack unhealthy."""
        yield from self.troubles
        for group in self.groups:
            yield from group.troubles
            for member in group.members:
                yield from member.troubles

    @property
    def healthy(self) -> bool:
        """True when nothing is wrong."""
        return next(self.all_troubles(), None) is None


def report(recorded: Mapping[Address, Resource], observed: Observed, *, only: Address | None = None) -> Report:
    """Say how the recorded groups are, and those that recorded members are in.

    `only`: a group, or a member, which then stands alone in its group.
    """
    chosen = {only: recorded[only]} if only else recorded
    sources = _Sources(recorded, observed)
    gone = [one for one in chosen.values() if sources.observed_as(one) is None]
    groups: dict[str, set[str] | None] = {}
    for one in chosen.values():
        shown_as = sources.observed_as(one)
        if shown_as is None:
            continue
        if one.address.kind == GROUP.name:
            groups[one.id] = None
        else:
            alone = set(one.id.split("/")) if only else None
            groups.setdefault(str(shown_as.get(KINDS[one.address.kind].relations.group)), alone)
    known = observed.objects.get(GROUP.name, {})
    lost = [
        f"the cloud shows members of protection group {shown(group, limit=NAME_LIMIT)}, but not the group"
        for group in sorted(groups.keys() - known.keys())
    ]
    missing = [f"{one.address} is recorded, and gone from the cloud (id {shown(one.id)})" for one in gone]
    found = [sources.group(known[group], alone) for group, alone in groups.items() if group in known]
    return Report(tuple(sorted(found, key=_order)), (*sorted(missing), *lost))


def _members() -> Iterator[str]:
    """The kinds whose objects a group holds. One that is named by its parts, an attachment, is as they are."""
    yield from (name for name, kind in KINDS.items() if kind.relations.group and kind.relations.identity is None)


class _Sources:
    """What is recorded and observed, with the ways from one to the other."""

    def __init__(self, recorded: Mapping[Address, Resource], observed: Observed) -> None:
        self._recorded = {(address.kind, one.id): one for address, one in recorded.items()}
        self._objects = observed.objects
        self._members: dict[str, list[tuple[str, str, Attributes]]] = {}
        self._order = {name: number for number, name in enumerate(_members())}
        for kind in self._order:
            for object_id, attributes in observed.objects.get(kind, {}).items():
                group = str(attributes.get(KINDS[kind].relations.group))
                self._members.setdefault(group, []).append((kind, object_id, attributes))

    def observed_as(self, resource: Resource) -> Attributes | None:
        return self._objects.get(resource.address.kind, {}).get(resource.id)

    def group(self, attributes: Attributes, alone: set[str] | None) -> GroupStatus:
        group_id = str(attributes["id"])
        resource = self._recorded.get((GROUP.name, group_id))
        everyone = sorted(
            (self._member(*one) for one in self._members.get(group_id, ())),
            key=lambda member: (self._order[member.kind], member.name, member.id),
        )
        status, side = word(attributes.get("status")), word(attributes.get(SIDE))
        wanted = word(resource.inputs.get(GOAL)) if resource else ""
        return GroupStatus(
            id=group_id,
            name=word(attributes.get("name")),
            status=status,
            address=resource.address if resource else None,
            side=side,
            production=word(attributes.get(f"{side}_availability_zone")),
            copy=word(attributes.get(f"{_OTHER_SIDE.get(side)}_availability_zone")),
            progress=_number(attributes.get("progress")),
            wanted=wanted,
            members=tuple(one for one in everyone if alone is None or one.id in alone),
            last_drill=_last_drill(everyone),
            troubles=(
                *GROUP.words.judge(attributes),
                *_goal_troubles(wanted, status),
                *self._emptiness(status, everyone),
            ),
            accepted=word(resource.inputs.get(SIDE)) or "source" if resource else "",
        )

    def _emptiness(self, status: str, everyone: Iterable[MemberStatus]) -> Iterator[str]:
        """A group stays protected when its last pair goes, and then protects nothing."""
        empty = COPIED.name in self._objects and not any(one.kind == COPIED.name for one in everyone)
        if empty and status in GROUP.statuses.protected:
            yield f"its status is {status}, but it holds no {COPIED.noun}: nothing is protected"

    def _member(self, kind: str, object_id: str, attributes: Attributes) -> MemberStatus:
        resource = self._recorded.get((kind, object_id))
        status = word(attributes.get("status"))
        return MemberStatus(
            kind=kind,
            id=object_id,
            name=word(attributes.get("name")),
            status=status,
            address=resource.address if resource else None,
            progress=_number(attributes.get("progress")),
            copying=word(attributes.get(KINDS[kind].wire.copying)),
            made=word(attributes.get(KINDS[kind].wire.made_at)),
            troubles=(*KINDS[kind].words.judge(attributes), *_failure(attributes)),
        )


def _order(group: GroupStatus) -> tuple[bool, str, str, str]:
    return group.address is None, str(group.address or ""), group.name, group.id


def _goal_troubles(wanted: str, status: str) -> Iterator[str]:
    if status == "failed-over":
        yield "production has moved to the other side, and nothing is copied until an operator reprotects the group"
    elif wanted == "enabled" and status != "protected":
        yield NOT_PROTECTED


def _failure(attributes: Attributes) -> Iterator[str]:
    code = word(attributes.get("failure_detail"))
    if code:
        entry = explain_code(code)
        words = f"{entry.code} {entry.meaning}. {entry.remedy}".rstrip(". ") if entry else shown(code)
        yield f"failed with {words}"


def _last_drill(members: Iterable[MemberStatus]) -> MemberStatus | None:
    """The drill that was made last; times are never compared as text."""
    drills = (one for one in members if KINDS[one.kind].statuses.copies_first)
    return max(drills, key=lambda drill: read_time(drill.made) or datetime.min.replace(tzinfo=UTC), default=None)


def _number(percent: Json) -> int | None:
    digits = word(percent)
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 3 else None
