"""Whether protected applications are where someone waits for them to be. Pure.

What counts as copied: neither `progress` nor `replication_status` is to be relied on alone. So both have to agree where
both are shown, and what shows neither is not copied. Source: docs/sdrs-api.md, "Copying".
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from declarative.errors import shown
from declarative.kinds import KINDS
from declarative.kinds.relations import COPIED, ENABLE, ENABLED, GROUP
from declarative.model import Address
from declarative.reporting.health import NAME_LIMIT, NOT_PROTECTED, GroupStatus, MemberStatus, Report

_ALL = 100  # percent
_COPIED = ("", "active")  # a pair's copying; null says nothing


class Until(enum.StrEnum):
    """What is waited for."""

    PROTECTED = "protected"
    COPIED = "copied"


@dataclass(frozen=True, slots=True)
class Waited:
    """How far the objects are. `left`: what is not there yet; `wrong`: what is unhealthy; both for a reader.

    `nothing`: no object is there that could reach it.
    """

    left: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    nothing: bool = False

    @property
    def reached(self) -> bool:
        return not (self.left or self.wrong or self.nothing)


def judge(report: Report, until: Until, *, only: Address | None = None) -> Waited:
    """Say whether all groups are protected, or protected and copied; or the one object that the report is about.

    Without `only`, groups count whose manifests want protection.
    """
    chosen = [one for one in report.groups if only is not None or one.wanted == ENABLED]
    wrong = (
        *report.troubles,
        *(f"{_label(one, GROUP.name)}: {text}" for one in chosen for text in one.troubles if text != NOT_PROTECTED),
        *(f"{_label(one, one.kind)}: {text}" for group in chosen for one in group.members for text in one.troubles),
    )
    whole = only is None or only.kind == GROUP.name
    members = [one for group in chosen for one in group.members if _is_protected_with_its_group(one)]
    left = [
        *(line for group in chosen if whole for line in _group_left(group, until)),
        *(line for one in members for line in _member_left(one, until)),
    ]
    return Waited(tuple(left), wrong, nothing=not (chosen if whole else members))


def _is_protected_with_its_group(member: MemberStatus) -> bool:
    """True for instances and pairs; a drill is a copy, and has nothing to wait for."""
    return not KINDS[member.kind].statuses.copies_first


def _group_left(group: GroupStatus, until: Until) -> Iterator[str]:
    label = _label(group, GROUP.name)
    pairs = [one for one in group.members if one.kind == COPIED.name]
    if group.status != ENABLE.reached:
        yield f"{label} is {_word(group.status)}"
    elif until is Until.COPIED and group.progress != _ALL and not (group.progress is None and pairs):
        yield f"{label} is copied to {_percent(group.progress)}"


def _member_left(member: MemberStatus, until: Until) -> Iterator[str]:
    label = _label(member, member.kind)
    if member.status != ENABLE.reached:
        yield f"{label} is {_word(member.status)}"
        return
    if until is Until.PROTECTED:
        return
    is_told = member.progress is not None or member.copying != ""
    if not is_told or member.progress not in (None, _ALL) or member.copying not in _COPIED:
        copying = f", {_word(member.copying)}" if member.copying else ""
        yield f"{label} is copied to {_percent(member.progress)}{copying}"


def _label(one: GroupStatus | MemberStatus, kind: str) -> str:
    return str(one.address) if one.address else f"{KINDS[kind].noun} {shown(one.id, limit=NAME_LIMIT)}"


def _word(text: str) -> str:
    return shown(text, limit=NAME_LIMIT) or "without a status"


def _percent(number: int | None) -> str:
    return "an unknown part" if number is None else f"{number} %"
