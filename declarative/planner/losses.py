"""What an observed object holds: the members and the protection that would be lost with it."""

from __future__ import annotations

from dataclasses import dataclass

from declarative.errors import visible
from declarative.kinds.relations import BROUGHT, GROUP, MAKES, MEMBERS
from declarative.model import Attributes, Json, Kind, Resource


def number(value: Json) -> int | None:
    """A whole number from an answer, where it may be written as text; None when it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 19 else None


def counted(seen: Attributes) -> dict[str, int]:
    """How many members of which sort a group says that it holds, e.g. `{"replication pairs": 2}`; no zeros."""
    counts = {f"{member.noun}s": number(seen.get(member.relations.counted_as)) or 0 for member in MEMBERS}
    return {noun: count for noun, count in counts.items() if count > 0}


def in_words(counts: dict[str, int]) -> tuple[str, ...]:
    """Counted members in words, e.g. `("2 replication pairs",)`."""
    return tuple(f"{count} {noun.removesuffix('s') if count == 1 else noun}" for noun, count in counts.items())


@dataclass(frozen=True, slots=True)
class Losses:
    """What is lost with an object beside itself, in words, and whether a protection that runs or may run is in it."""

    words: tuple[str, ...]
    protection: bool


def losses(kind: Kind, seen: Attributes, *, sheltered: bool = False) -> Losses:
    """Return what else is lost when the object is deleted. `sheltered`: its group is protected.

    An attachment is never lost alone: the servers of its instance lose the disks of its pair. One that isn't seen, as
    after a failed attach, takes nothing along.
    """
    if kind.relations.identity is not None and not seen:
        return Losses((), False)
    status = seen.get("status")
    runs = bool(kind.statuses.protected) and (sheltered or status is None or status in kind.statuses.protected)
    lost = in_words(counted(seen)) if kind is GROUP else ()
    if runs or kind.relations.identity is not None:
        told = f"status {visible(status, limit=80)}" if status is not None else "if it runs; its status is not known"
        lost = (f"{kind.words.lost(seen)} ({told})", *lost)
    return Losses(lost, runs)


def brought(kind: Kind, recorded: Resource | None, seen: Attributes) -> tuple[str, ...]:
    """What goes with the object because it came with it, in words; while that isn't recorded, what is attached."""
    if kind.relations.makes is None or recorded is None:
        return ()
    count = len(recorded.brought) if recorded.brought is not None else len(MAKES.made(seen))
    return tuple(f"{words} that came with it" for words in in_words({f"{BROUGHT.noun}s": count} if count else {}))


def listed(words: tuple[str, ...]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def called(kind: Kind, recorded: Resource, seen: Attributes) -> str:
    """The object for a reader, e.g. `protection group 'shop' (9d2f)`."""
    name = seen.get("name") or recorded.inputs.get("name")
    shown = f" '{visible(name, limit=80)}'" if name else ""
    return f"{kind.noun}{shown} ({visible(recorded.id, limit=160)})"
