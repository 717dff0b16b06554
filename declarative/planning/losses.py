"""What an observed object holds: the members and the protection that would be lost with it."""

from __future__ import annotations

from declarative.errors import visible
from declarative.model import Attributes, Json, Kind, Resource

# Statuses in which data is, or until a moment ago was, copied to the other site (SDRS API reference, "Status").
_PROTECTED = frozenset({"protected", "starting", "stopping", "error-stopping"})


def number(value: Json) -> int | None:
    """A whole number from an answer, where it may be written as text; None when it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 19 else None


def members(kind: Kind, seen: Attributes) -> tuple[str, ...]:
    """The members that the object holds, in words, e.g. `("2 replication pairs",)`."""
    counts = ((number(seen.get(counter)) or 0, noun) for counter, noun in kind.member_counts.items())
    return tuple(f"{count} {noun.removesuffix('s') if count == 1 else noun}" for count, noun in counts if count > 0)


def losses(kind: Kind, seen: Attributes) -> tuple[str, ...]:
    """What is lost with the object beside itself, in words; () when it is neither protected nor holds anything."""
    status = seen.get("status")
    protection = (f"its protection (status {status})",) if status in _PROTECTED else ()
    return protection + members(kind, seen)


def listed(words: tuple[str, ...]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def called(kind: Kind, recorded: Resource, seen: Attributes) -> str:
    """The object for a reader, e.g. `protection group 'shop' (9d2f)`."""
    name = seen.get("name") or recorded.inputs.get("name")
    shown = f" '{visible(name, limit=80)}'" if name else ""
    return f"{kind.noun}{shown} ({visible(recorded.id, limit=80)})"
