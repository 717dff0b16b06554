"""The journal in a bucket: a chain of objects, one for each durable change, and the checkpoint of it. Pure.

An object of the journal is a `Link`. Its number, the slot, is never used twice, not even after a restore: so whatever a
process does that has slept through everything, be it a create or a delete, meets an object of its own time or none. A
link names the slot and the SHA-256 of the object before it. A fence is a link without content: it takes the slot that
a broken lock's holder would use next, and is never deleted.

A checkpoint is the state's text as `snapshot` has it, with one more member that says up to which link it goes.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from declarative import typed_json
from declarative.errors import StateError, visible
from declarative.model import Json, Record
from declarative.state import journal, snapshot
from declarative.state.folder import fold_all
from declarative.state.objects import sealed
from declarative.state.snapshot import State
from declarative.typed_json import Malformed

_PLACE = "object_store"
_PLACE_FIELDS = frozenset({"slot", "digest", "backup", "fences"})
_LINK_FIELDS = frozenset({"slot", "previous", "follows", "kind", "lineage", "after", "nonce"})
_SLOT = re.compile(r"[0-9]{12}")
_KEPT_FENCES = 1000


class Kind(enum.StrEnum):
    """What a link holds: a batch of records, a whole state, nothing, or the address that the state has moved to."""

    BATCH = "batch"
    WHOLE = "whole"
    FENCE = "fence"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Link:
    """One object of the journal. `previous` and `follows`: slot and digest of the object before it, 0 and "" for none.

    `lineage` and `after`: of the state that it changes, "" and 0 where there is none. `nonce`: who created it.
    """

    slot: int
    previous: int
    follows: str
    kind: Kind
    lineage: str
    after: int
    nonce: str
    payload: bytes = b""

    def encode(self) -> bytes:
        """Return the object's bytes."""
        return sealed.seal(
            "link",
            {
                "slot": self.slot,
                "previous": self.previous,
                "follows": self.follows,
                "kind": self.kind.value,
                "lineage": self.lineage,
                "after": self.after,
                "nonce": self.nonce,
            },
            self.payload,
        )


def batch_payload(records: Sequence[Record], *, lineage: str, after: int) -> bytes:
    """Return a batch as a journal of its own."""
    return journal.encode_header(lineage, after=after) + journal.encode_batch(records, serial=after + 1)


def slot_name(slot: int) -> str:
    """Return the last part of the key of a link."""
    return f"{slot:012d}"


def slot_of(name: str) -> int | None:
    """Return the slot that the last part of a key stands for; None: it is not a link."""
    return int(name) if _SLOT.fullmatch(name) else None


def read_link(data: bytes, *, slot: int, source: str) -> Link:
    """Return what the object of a slot holds. Raises StateError when it is damaged, or belongs to another slot."""
    shape, payload = sealed.unseal(data, "link", source=source)
    try:
        found = typed_json.fields(shape, required=_LINK_FIELDS)
        link = Link(
            typed_json.whole(found["slot"], "slot"),
            typed_json.whole(found["previous"], "previous"),
            typed_json.text(found["follows"], "follows"),
            Kind(typed_json.text(found["kind"], "kind")),
            typed_json.text(found["lineage"], "lineage"),
            typed_json.whole(found["after"], "after"),
            typed_json.text(found["nonce"], "nonce"),
            payload,
        )
    except ValueError as error:
        raise StateError(f"{visible(source)} is not a link of a journal: {visible(error, limit=200)}") from error
    if link.slot != slot:
        raise StateError(f"{visible(source)} is the link of another slot, {link.slot}")
    return link


# ---------------------------------------------------------------- checkpoint


@dataclass(slots=True)
class Position:
    """The state after a link, and where that is. `digest`: of the link's bytes; slot 0: before all links.

    `backup`: the number of the backup that was written last. `state` None: there is none, or it is at `moved_to`.
    """

    state: State | None = None
    slot: int = 0
    digest: str = ""
    backup: int = 0
    fences: list[int] = field(default_factory=list)
    moved_to: str = ""

    @property
    def lineage(self) -> str:
        return self.state.lineage if self.state is not None else ""

    @property
    def serial(self) -> int:
        return self.state.serial if self.state is not None else 0

    def encode(self) -> bytes:
        """Return the checkpoint's bytes: the state's text, or where the state has moved to."""
        place: dict[str, Json] = {
            "slot": self.slot,
            "digest": self.digest,
            "backup": self.backup,
            "fences": list(self.fences[-_KEPT_FENCES:]),
        }
        if self.state is None:
            return sealed.seal("moved", {**place, "to": self.moved_to})
        return snapshot.encode(replace(self.state, unknown={**self.state.unknown, _PLACE: place}))


def read_checkpoint(data: bytes | None, *, source: str) -> Position:
    """Return the position of a checkpoint; None: before all links. A state's text without a place is taken as it is.

    Raises StateError when it is damaged.
    """
    if data is None:
        return Position()
    if not data[:1] or data[:1] in b"{ \t\r\n" or data[:1] not in b"0123456789abcdef":
        state = snapshot.decode(data, source=source)
        place = state.unknown.pop(_PLACE, None)
        return _placed(Position(state), place, source) if place is not None else Position(state)
    shape, _ = sealed.unseal(data, "moved", source=source)
    return _placed(Position(moved_to=str(shape.pop("to", ""))), shape, source)


def _placed(position: Position, place: Json, source: str) -> Position:
    try:
        found = typed_json.fields(place, required=_PLACE_FIELDS)
        position.slot = typed_json.whole(found["slot"], "slot")
        position.digest = typed_json.text(found["digest"], "digest")
        position.backup = typed_json.whole(found["backup"], "backup")
        position.fences = typed_json.array(found["fences"], "fences", lambda one: typed_json.whole(one, "fence"))
    except Malformed as error:
        raise StateError(f"{visible(source)} {error.summary}") from error
    return position


# ---------------------------------------------------------------- following the chain


def follow(position: Position, found: Iterable[tuple[int, bytes]], *, source: str) -> Iterator[Position]:
    """Go on from `position` (the same object, changed) along the objects behind it, in the order of their slots.

    Yields it after each link. `source` names the journal. Raises StateError at the first that doesn't follow.
    """
    for slot, data in found:
        name = f"{source}/{slot_name(slot)}"
        link = read_link(data, slot=slot, source=name)
        if (link.previous, link.follows) != (position.slot, position.digest):
            raise StateError(
                f"{visible(name)} follows slot {link.previous}, but before it is "
                + (f"slot {position.slot}" if link.previous != position.slot else "another object of that slot")
            )
        _apply(position, link, name)
        position.slot, position.digest = slot, sealed.digest(data)
        yield position


def _apply(position: Position, link: Link, name: str) -> None:
    if link.kind is Kind.FENCE:
        position.fences.append(link.slot)
        return
    if link.kind is Kind.WHOLE:
        position.state, position.moved_to = snapshot.decode(link.payload, source=name), ""
        return
    if (link.lineage, link.after) != (position.lineage or link.lineage, position.serial):
        raise StateError(f"{visible(name)} follows serial {link.after}, but before it is serial {position.serial}")
    if link.kind is Kind.MOVED:
        position.state, position.moved_to = None, link.payload.decode("utf-8", "backslashreplace")
        return
    read = journal.decode(link.payload, source=name)
    if (read.lineage, read.after, len(read.batches), read.intact) != (link.lineage, link.after, 1, len(link.payload)):
        raise StateError(f"{visible(name)} does not hold one whole batch")
    position.state = position.state or snapshot.fresh(link.lineage)
    position.moved_to = ""
    fold_all(position.state, read.batches[0].records, serial=link.after + 1)
    try:
        snapshot.require_sound(position.state)
    except Malformed as error:
        raise StateError(f"{visible(name)} does not go together with what is before it: {error.summary}") from error
