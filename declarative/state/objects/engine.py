"""The engine for buckets: what is written, in which order, and by whom. See the package for what lies where.

Every change is first a link, created under the number behind the last; only then may the checkpoint follow. Who has
lost the lock finds that number taken: by a fence, or by what came after it. A kill between any two writes leaves the
state as it was before or after the link.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence

from declarative.errors import StateConflict, StateError
from declarative.model import NAME_PATTERN, Record
from declarative.state import snapshot
from declarative.state.engine import Kept, Spot
from declarative.state.objects import sealed
from declarative.state.objects.address import Target, parse
from declarative.state.objects.bucket import LARGEST, Bucket, Refused, Unclear
from declarative.state.objects.links import Kind, Link, batch_payload
from declarative.state.objects.lock import BEAT, STALE, Look, ObjectLock
from declarative.state.objects.probe import probe
from declarative.state.objects.reading import BACKUPS, Cursor, Reader
from declarative.state.objects.writing import Overtaken, Writer, shows_less
from declarative.state.snapshot import State
from declarative.state.store import Holder, Point, Seen

_TRIES = 4
_PAUSE = 0.3  # seconds
_RUN_AGAIN = "Nothing of this run was written over it. Run again to plan on what is there now."


def open_objects(spot: Spot) -> ObjectEngine:
    """Return the engine of an `s3://` address. Raises UsageError for what is wrong with it; nothing is read yet."""
    return ObjectEngine(parse(spot.address), spot)


class ObjectEngine:
    """An `Engine` on a bucket. `pause`: seconds between two heartbeats of the lock."""

    def __init__(self, target: Target, spot: Spot, *, pause: float = BEAT, bucket: Bucket | None = None) -> None:
        self._target = target
        self._spot = spot
        self._bucket = bucket or Bucket(target, spot.environ, sleep=spot.sleep)
        self._reader = Reader(self._bucket, target.key, sleep=spot.sleep)
        self._writer = Writer(self._bucket, self._reader, address=self.address, uuid=spot.uuid, sleep=spot.sleep)
        self._lock = ObjectLock(
            self._bucket,
            f"{target.key}.lock",
            address=self.address,
            uuid=spot.uuid,
            monotonic=spot.monotonic,
            pause=pause,
        )
        self._cursor: Cursor | None = None
        self._head = 0  # under the lock: the slot of the journal's last link, which nobody else can move
        self._known = ("", 0)  # and lineage and serial there
        self._behind = False  # a read under the lock has found less, and has told so
        self._wrote = False
        self._backed_up = False
        self._pending: tuple[Link, bytes] | None = None  # got no answer, and may be there by now
        self._watched: tuple[str, str, float, bool] = ("", "", 0.0, False)

    @property
    def address(self) -> str:
        """The place, without its options."""
        return self._target.shown

    def close(self) -> None:
        """Give the lock back if it is held, and let go of the connections."""
        with contextlib.suppress(StateError):
            self.unlock()
        self._bucket.close()

    # ---------------------------------------------------------------- reading

    def read(self) -> Kept:
        """Return what is kept: see `Engine.read`."""
        state, cursor = self._look()
        highest = (cursor.lineage, cursor.serial) if cursor.exists else None
        if cursor.mark.slot > cursor.slot:
            highest = (cursor.mark.lineage, cursor.mark.serial)
        if self._lock.body is not None and cursor.slot < self._head:
            if self._known == (cursor.lineage, cursor.serial):
                raise shows_less(self.address, cursor.slot, self._head)
            highest = self._known
            self._behind = True  # whoever goes on from here has accepted that
        return Kept(state, highest, cursor.moved_to)

    def _look(self) -> tuple[State | None, Cursor]:
        """Read, and compare with what the lock knows: a store may show less for a while, but nobody may have more."""
        state, cursor = self._reader.load()
        for _ in range(_TRIES):
            if self._lock.body is None or cursor.slot >= self._head or self._behind:
                break
            self._spot.sleep(_PAUSE)
            state, cursor = self._reader.load()
        self._cursor = cursor
        if self._lock.body is not None and cursor.slot > self._head:
            if self._pending is None or sealed.digest(self._pending[1]) != cursor.digest:
                self._lock.lose()
            self._head, self._pending = cursor.slot, None
        if cursor.slot == self._head:
            self._known = (cursor.lineage, cursor.serial)
        return state, cursor

    # ---------------------------------------------------------------- writing

    def append(self, records: Sequence[Record], *, lineage: str, after: int) -> None:
        """Make one batch durable with one small object: see `Engine.append`."""
        if not records:
            return
        cursor = self._at(after, lineage)
        payload = batch_payload(records, lineage=lineage, after=after)
        self._add(cursor, Kind.BATCH, payload, lineage=lineage)
        self._stands(cursor, lineage, after + 1)

    def write(self, state: State, *, after: int) -> None:
        """Put a whole state in place of what stands at `after`: see `Engine.write`."""
        cursor = self._at(after, state.lineage)
        if state.serial < after:
            raise StateError(f"serial {state.serial} would be written over serial {after} of {self.address}")
        if cursor.exists and state.serial == after:
            if cursor.folded != cursor.slot or sealed.digest(cursor.position(state).encode()) != cursor.checksum:
                self._back_up(cursor, whole=False)
                self._fold(cursor, state)
            return
        self._back_up(cursor, whole=True)
        self._add(cursor, Kind.WHOLE, snapshot.encode(state), lineage=state.lineage)
        self._stands(cursor, state.lineage, state.serial)
        with contextlib.suppress(Unclear, Refused):  # it is in the journal, which is durable
            self._fold(cursor, state)

    def move_to(self, address: str) -> None:
        """Leave only where the state is now: see `Engine.move_to`."""
        cursor = self._at_head()
        self._back_up(cursor, whole=True)
        self._add(cursor, Kind.MOVED, address.encode("utf-8", "surrogateescape"), lineage=cursor.lineage)
        self._stands(cursor, "", 0, moved_to=address)
        with contextlib.suppress(Unclear, Refused):
            self._fold(cursor, None)

    def _at(self, after: int, lineage: str) -> Cursor:
        """Return where the journal ends, which must be at this serial. Raises StateConflict, also without the lock."""
        cursor = self._at_head()
        if cursor.exists and cursor.lineage != lineage:
            raise StateConflict(f"the state {self.address} has been replaced by another one", _RUN_AGAIN)
        if cursor.serial != after:
            raise StateConflict(
                f"somebody else has changed the state {self.address}: it stands at serial {cursor.serial}, not {after}",
                _RUN_AGAIN,
            )
        return cursor

    def _at_head(self) -> Cursor:
        self._lock.require()
        cursor = self._cursor
        if cursor is None or (cursor.slot != self._head and not self._behind):
            _, cursor = self._look()
            self._lock.require()
        if cursor.slot < self._head and not self._behind:
            raise shows_less(self.address, cursor.slot, self._head)
        return cursor

    def _add(self, cursor: Cursor, kind: Kind, payload: bytes, *, lineage: str) -> None:
        """Create the next link. Raises StateConflict when its slot is taken, and then nothing more is written."""
        slot = max(self._head, cursor.slot) + 1
        nonce = self._pending[0].nonce if self._pending is not None else self._spot.uuid()
        link = Link(slot, cursor.slot, cursor.digest, kind, lineage, cursor.serial, nonce, payload)
        if self._pending is not None and link != self._pending[0]:
            link = Link(slot, cursor.slot, cursor.digest, kind, lineage, cursor.serial, self._spot.uuid(), payload)
        data = link.encode()
        try:
            taken = self._writer.create_link(slot, data)
        except Unclear:
            self._pending = (link, data)
            raise
        if taken is not None:
            raise self._conflict(taken.data, slot)
        self._pending = None
        self._head, self._behind, self._wrote = slot, False, True
        cursor.slot, cursor.digest = slot, sealed.digest(data)
        cursor.present.append(slot)

    def _stands(self, cursor: Cursor, lineage: str, serial: int, *, moved_to: str = "") -> None:
        cursor.exists, cursor.lineage, cursor.serial, cursor.moved_to = not moved_to, lineage, serial, moved_to
        self._known = (lineage, serial)

    def _conflict(self, found: bytes, slot: int) -> StateConflict:
        """Return the error for a slot that is taken: by an earlier write of this run, or because the lock is lost."""
        if self._pending is None or found != self._pending[1]:
            return self._lock.lose()
        self._pending, self._cursor, self._head = None, None, slot
        return StateConflict(
            f"what was to be written to {self.address} before, and got no answer, has been written after all",
            "Run the command again: it goes on from there.",
        )

    def _fold(self, cursor: Cursor, state: State | None) -> None:
        """Write the checkpoint of the journal's end over the one that was read, then delete the links that it holds.

        Raises StateConflict when the checkpoint has been changed, which only a break of the lock does.
        """
        data = cursor.position(state).encode()
        try:
            cursor.etag = self._writer.put_checkpoint(data, cursor.etag)
        except Overtaken:
            raise self._lock.lose() from None
        cursor.checksum, cursor.folded, self._wrote = sealed.digest(data), cursor.slot, True
        self._writer.sweep(cursor)

    def _back_up(self, cursor: Cursor, *, whole: bool) -> None:
        """Keep what is there as a backup, once per lock: the checkpoint, or with `whole` what the journal makes of it.

        The lock is renewed first: who has lost it learns so before it writes.
        """
        if self._backed_up or not (cursor.exists or cursor.etag):
            return
        self._lock.beat()
        self._lock.require()
        data: bytes | None = None
        if whole:
            state, at = self._reader.load()
            data = at.position(state).encode() if state is not None else None
        elif (found := self._bucket.get(self._target.key, limit=LARGEST)) is not None:
            data = found.data
        if data is not None:
            number = cursor.backup % BACKUPS + 1
            self._writer.put(f"{self._target.key}.{number}", data)
            cursor.backup = number
        self._backed_up = True

    # ---------------------------------------------------------------- lock

    def try_lock(self, holder: Holder) -> Seen | None:
        """Take the lock, once: see `Engine.try_lock`. A store that was never probed is probed first."""
        for _ in range(_TRIES):
            look = self._lock.look()
            if look is not None and look.held:
                return self._seen(look)
            body = look.body if look is not None else None
            if body is None or body.probed != self._target.served_by:
                probe(self._bucket, f"{self._target.key}.probe-", self._spot.uuid)
            if self._lock.acquire(holder, look, probed=self._target.served_by):
                self._begin(settle=body is None or body.unsettled)
                return None
        raise StateError(f"the lock of {self.address} changes all the time", "Run the command again.")

    def _begin(self, *, settle: bool) -> None:
        """Start a holding of the lock. `settle`: what the last one left can't be known, so it is fenced off."""
        body = self._lock.require()
        self._backed_up = self._wrote = self._behind = False
        self._pending = self._cursor = None
        self._head, self._known = body.slot, (body.lineage, body.serial)
        if not settle:
            return
        try:
            if body.slot or self._writer.tail()[0]:
                self._head = self._writer.fence(least=body.slot, goes_on=lambda: bool(self._lock.require()))
        except BaseException:
            self._give_back(unsettled=True)
            raise

    def unlock(self) -> None:
        """Give the lock back: see `Engine.unlock`."""
        if self._lock.body is None:
            return
        if self._wrote and self._cursor is not None:
            with contextlib.suppress(StateError):
                self._lock.require()
                self._writer.remember(self._cursor)
        self._give_back(unsettled=self._pending is not None)

    def _give_back(self, *, unsettled: bool) -> None:
        lineage, serial = self._known
        self._lock.release(slot=self._head, lineage=lineage, serial=serial, unsettled=unsettled)

    def lock_seen(self) -> Seen | None:
        """Return who holds the lock: see `Engine.lock_seen`."""
        look = self._lock.look()
        return self._seen(look) if look is not None and look.held else None

    def _seen(self, look: Look) -> Seen:
        """Describe a held lock. One look can't know whether its holder lives; two of this engine's can."""
        now = self._spot.monotonic()
        holder, etag, since, alive = self._watched
        if look.etag != etag:
            alive = look.holder.id == holder and etag != ""
            since = now
            self._watched = (look.holder.id, look.etag, since, alive)
        if now - since >= STALE:
            return Seen(look.holder, False, f"not renewed for {now - since:.0f} s")
        return Seen(look.holder, True if alive else None, f"renewed at {look.since} by the store's clock")

    def break_lock(self, lock_id: str, *, force: bool, sleep: Callable[[float], None]) -> Holder:
        """Free a lock after watching it for a minute: see `Engine.break_lock`.

        `force` changes nothing: a watch can tell, and a living holder is ended by ending its process.
        """
        look = self._lock.watch(lock_id, sleep)
        body, etag = self._lock.seize(look)
        fence = self._writer.fence(least=body.slot, goes_on=lambda: self._lock.still_seized(body))
        lineage, serial = body.lineage, body.serial
        with contextlib.suppress(StateError):  # a damaged state: `read` tells of it, `restore` puts it right
            cursor = self._fold_in()
            lineage, serial = cursor.lineage, cursor.serial
            self._writer.remember(cursor)
        self._cursor = None
        self._lock.free_seized(body, etag, slot=fence, lineage=lineage, serial=serial)
        return look.holder

    def _fold_in(self) -> Cursor:
        """Write the checkpoint anew, fence included, so that who lost the lock can't write over it either."""
        for _ in range(_TRIES):
            state, cursor = self._reader.load()
            if not (cursor.exists or cursor.moved_to):
                return cursor
            try:
                self._writer.put_checkpoint(cursor.position(state).encode(), cursor.etag)
            except Overtaken:
                continue
            return cursor
        raise StateError(f"the state {self.address} changes all the time")

    # ---------------------------------------------------------------- going back

    def points(self) -> Sequence[Point]:
        """Return what the state can be restored to: see `Engine.points`."""
        return self._reader.points()

    def go_back(self, serial: int) -> State | None:
        """Return the state as of `serial`: see `Engine.go_back`."""
        return self._reader.go_back(serial)

    def replace(self, state: State) -> str:
        """Put `state` in place of whatever is there: see `Engine.replace`. Returns the address of the copies."""
        self._lock.require()
        slot, digest = self._writer.tail()
        if slot > self._head:
            raise self._lock.lose()
        found = self._bucket.get(self._target.key, limit=LARGEST)
        slots = self._reader.slots()
        kept, fences = self._writer.keep(found, slots)
        old = self._writer.checkpoint(found)
        fences = sorted({*old.fences, *fences})
        cursor = Cursor(False, "", old.serial, slot, digest, old.backup, fences, present=slots)
        cursor.etag, cursor.mark = found.etag if found is not None else None, self._reader.load_mark()
        self._add(cursor, Kind.WHOLE, snapshot.encode(state), lineage=state.lineage)
        self._stands(cursor, state.lineage, state.serial)
        self._fold(cursor, state)
        self._cursor = cursor
        self._writer.remember(cursor)
        return f"s3://{self._target.bucket}/{kept}" if kept else ""

    # ---------------------------------------------------------------- environments

    def environments(self) -> Sequence[str] | None:
        """Return the environments that have a state beside this one's; None where the key doesn't name them."""
        pattern = parse(self._spot.pattern).key.replace("{stack}", self._spot.stack)
        before, name, behind = pattern.partition("{environment}")
        if not name or "{environment}" in behind:
            return None
        folder, _, start = before.rpartition("/")
        folders, objects = self._bucket.children(folder)
        wanted = re.compile(f"{re.escape(start)}({NAME_PATTERN}){'' if behind.startswith('/') else re.escape(behind)}")
        if not behind.startswith("/"):
            objects = [*objects, *(one.removesuffix(".journal") for one in folders if one.endswith(".journal"))]
        candidates = folders if behind.startswith("/") else objects
        found = sorted({match[1] for one in candidates if (match := wanted.fullmatch(one))})
        return [one for one in found if not behind.startswith("/") or self._is_there(before + one + behind)]

    def _is_there(self, key: str) -> bool:
        return self._bucket.etag(key) is not None or bool(self._bucket.names(f"{key}.journal"))
