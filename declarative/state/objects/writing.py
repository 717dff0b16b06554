"""Writes to a bucket whose answers may be lost: each is followed by a look until it is known what has become of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from declarative.errors import StateConflict, StateError, visible
from declarative.state.objects import sealed
from declarative.state.objects.bucket import LARGEST, Bucket, Found, Refused, Taken, Unclear
from declarative.state.objects.links import Kind, Link, Position, read_checkpoint, read_link, slot_name
from declarative.state.objects.reading import Cursor, Mark, Reader

_TRIES = 4
_PAUSE = 0.3  # seconds


class Overtaken(Exception):
    """Somebody else has written what was to be written over."""


class Writer:
    """Writes the objects of the state that `reader` reads. Knows nothing of the lock."""

    def __init__(
        self, bucket: Bucket, reader: Reader, *, address: str, uuid: Callable[[], str], sleep: Callable[[float], None]
    ) -> None:
        self._bucket = bucket
        self._reader = reader
        self._address = address
        self._uuid = uuid
        self._sleep = sleep

    # ---------------------------------------------------------------- links

    def create_link(self, slot: int, data: bytes) -> Found | None:
        """Create a link; return what else is in its slot, None: it is written. Raises Unclear, Refused."""
        key = self._reader.link_key(slot)
        failure = Unclear(f"{self._address} contradicts itself about {slot_name(slot)} of its journal")
        for attempt in range(_TRIES):
            if attempt:
                self._sleep(_PAUSE)
            try:
                self._bucket.create(key, data)
                return None
            except Taken:
                pass
            except Unclear as error:
                failure = error
            try:
                found = self._bucket.get(key, limit=LARGEST)
            except Unclear as error:
                failure = error
                continue
            if found is not None:
                return None if found.data == data else found
        raise failure

    def tail(self, *, least: int = 0) -> tuple[int, str]:
        """Return slot and digest of the journal's last link, whatever it holds; 0 and "" for none.

        The last link is never deleted, so a damaged checkpoint doesn't matter. The lock knows of the slot `least`.

        Raises StateError when the store shows less than that, or lists what it doesn't show.
        """
        slot, digest = self._tail()
        for _ in range(_TRIES):
            if slot >= least and (digest or not slot):
                return slot, digest
            self._sleep(_PAUSE)
            slot, digest = self._tail()
        raise shows_less(self._address, slot, max(slot, least))

    def _tail(self) -> tuple[int, str]:
        slots = self._reader.slots()
        last, digest = slots[-1] if slots else 0, ""
        checkpoint = self.checkpoint(self._bucket.get(self._reader.key, limit=LARGEST))
        if checkpoint.slot >= last:
            last, digest = checkpoint.slot, checkpoint.digest
        while (found := self._bucket.get(self._reader.link_key(last + 1), limit=LARGEST)) is not None:
            last, digest = last + 1, sealed.digest(found.data)
        if last and not digest:
            found = self._bucket.get(self._reader.link_key(last), limit=LARGEST)
            digest = sealed.digest(found.data) if found is not None else ""
        return last, digest

    def fence(self, *, least: int, goes_on: Callable[[], bool]) -> int:
        """Put a fence behind the journal's last link, and return its slot. The lock knows of the slot `least`.

        `goes_on` is asked before each further try: somebody else may be doing the same. Raises StateError as `tail`.
        """
        slot, digest = self.tail(least=least)
        while True:
            link = Link(slot + 1, slot, digest, Kind.FENCE, "", 0, self._uuid())
            taken = self.create_link(link.slot, link.encode())
            if taken is None:
                return link.slot
            if not goes_on():
                raise StateConflict(f"somebody else has taken the lock of {self._address}", "Look at it again.")
            slot, digest = link.slot, sealed.digest(taken.data)

    # ---------------------------------------------------------------- checkpoint

    def checkpoint(self, found: Found | None) -> Position:
        """Return what a checkpoint says of its place; one that is damaged says nothing."""
        try:
            return read_checkpoint(found.data if found is not None else None, source=self._address)
        except StateError:
            return Position()

    def put_checkpoint(self, data: bytes, etag: str | None) -> str:
        """Write the checkpoint over the one with this ETag (None: over none), and return its ETag.

        Raises Overtaken when another one is there, Unclear, Refused.
        """
        failure = Unclear(f"{self._address} contradicts itself")
        for attempt in range(_TRIES):
            if attempt:
                self._sleep(_PAUSE)
            try:
                if etag is None:
                    return self._bucket.create(self._reader.key, data)
                return self._bucket.update(self._reader.key, data, over=etag)
            except Taken:
                pass
            except Unclear as error:
                failure = error
            try:
                found = self._bucket.get(self._reader.key, limit=LARGEST)
            except Unclear as error:
                failure = error
                continue
            if found is not None and found.data == data:
                return found.etag
            if (found.etag if found is not None else None) != etag:
                raise Overtaken
        raise failure

    def sweep(self, cursor: Cursor) -> None:
        """Delete the links that the checkpoint holds, but not the last one, nor fences. What stays is swept later."""
        kept = {*cursor.fences, cursor.slot}
        old = [slot for slot in cursor.present if slot < cursor.folded and slot not in kept]
        with contextlib.suppress(Unclear, Refused):
            self._bucket.delete([self._reader.link_key(slot) for slot in old])
            cursor.present = [slot for slot in cursor.present if slot not in old]

    # ---------------------------------------------------------------- beside the state

    def put(self, key: str, data: bytes) -> None:
        """Write an object that nothing depends on, whatever is there."""
        for left in reversed(range(_TRIES)):
            etag = self._bucket.etag(key)
            try:
                if etag is None:
                    self._bucket.create(key, data)
                else:
                    self._bucket.update(key, data, over=etag)
                return
            except Taken:
                continue
            except Unclear:
                if not left:
                    raise
        raise StateError(f"{self._address} contradicts itself about {visible(key)}")

    def remember(self, cursor: Cursor) -> None:
        """Note beside the state how far it is. If that fails or lags, the next one puts it right."""
        mark = Mark(cursor.lineage, cursor.serial, cursor.slot)
        key = f"{self._reader.key}.highest"
        with contextlib.suppress(StateError, Taken):
            if cursor.mark.etag is None:
                etag = self._bucket.create(key, mark.encode())
            else:
                etag = self._bucket.update(key, mark.encode(), over=cursor.mark.etag)
            cursor.mark = Mark(mark.lineage, mark.serial, mark.slot, etag)

    def keep(self, found: Found | None, slots: Sequence[int]) -> tuple[str, list[int]]:
        """Copy the checkpoint and the journal to a place of their own. Return its key, "" where there is nothing.

        Also returned are the slots of links that can't be told from fences, and so must stay.
        """
        if found is None and not slots:
            return "", []
        key = f"{self._reader.key}.replaced-{self._uuid()}"
        if found is not None:
            self.put(key, found.data)
        fences = []
        links = self._bucket.get_all([self._reader.link_key(slot) for slot in slots], limit=LARGEST)
        for slot, link in zip(slots, links, strict=True):
            if link is not None:
                self.put(f"{key}.journal/{slot_name(slot)}", link.data)
                if _may_be_fence(link.data, slot):
                    fences.append(slot)
        return key, fences


def _may_be_fence(data: bytes, slot: int) -> bool:
    try:
        return read_link(data, slot=slot, source="a link").kind is Kind.FENCE
    except StateError:
        return True


def shows_less(address: str, slot: int, head: int) -> StateError:
    """Return the error for a store that shows less of the journal than the lock knows to be there."""
    return StateError(
        f"{address} shows less than was written: its journal goes to {slot_name(head)}, and not all of it up to there"
        f" can be read (up to {slot_name(slot)})",
        "Run the command again. If that stays so, somebody has deleted objects of its journal: delete"
        f" {address}.lock too, once nothing runs.",
    )
