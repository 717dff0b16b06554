"""The lock: one object that is created once and never deleted, and changes only on its ETag.

Held, it names its holder; free, it says how far the journal goes, which nobody but a holder can move. Every write draws
a nonce, because equal bytes have equal ETags. While it is held, a thread writes it anew every 10 s: that is the
heartbeat that others watch, and how the holder learns that it was broken. After every answer that doesn't say what has
happened, the object is read and compared.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from declarative import typed_json
from declarative.errors import LockHeld, StateConflict, StateError, visible
from declarative.state.holders import UNREADABLE, describe, read_holder
from declarative.state.objects import sealed
from declarative.state.objects.bucket import SMALL, Bucket, Refused, Taken, Unclear
from declarative.state.snapshot import NewerFormat
from declarative.state.store import Holder

BEAT = 10.0  # seconds from one heartbeat to the next
STALE = 60.0  # seconds without one: after them the lock may be broken, and its holder writes no more
_LOOK = 5.0  # seconds from one look to the next while watching
_TRIES = 3
_FIELDS = frozenset({"held", "session", "nonce", "holder", "slot", "lineage", "serial", "unsettled", "probed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What the lock object says. `session`: one taking of the lock. `holder`: of a held lock, and the last one's else.

    `slot`, `lineage`, `serial`: where the journal stood when the lock was free last. `unsettled`: a later link may have
    been created. `probed`: the store that has passed the probe.
    """

    held: bool
    session: str
    nonce: str
    holder: Holder
    slot: int = 0
    lineage: str = ""
    serial: int = 0
    unsettled: bool = False
    probed: str = ""

    def encode(self) -> bytes:
        """Return the object's bytes."""
        return sealed.seal("lock", asdict(self))


@dataclass(frozen=True, slots=True)
class Look:
    """The lock object as read. `body` None: it is damaged, and counts as held by nobody knows whom."""

    body: Body | None
    etag: str
    since: str

    @property
    def held(self) -> bool:
        return self.body is None or self.body.held

    @property
    def holder(self) -> Holder:
        return self.body.holder if self.body is not None else UNREADABLE


def _decode(data: bytes, source: str) -> Body | None:
    try:
        shape, _ = sealed.unseal(data, "lock", source=source)
        found = typed_json.fields(shape, required=_FIELDS)
        return Body(
            held=typed_json.boolean(found["held"], "held"),
            session=typed_json.text(found["session"], "session"),
            nonce=typed_json.text(found["nonce"], "nonce"),
            holder=read_holder(found["holder"]),
            slot=typed_json.whole(found["slot"], "slot"),
            lineage=typed_json.text(found["lineage"], "lineage"),
            serial=typed_json.whole(found["serial"], "serial"),
            unsettled=typed_json.boolean(found["unsettled"], "unsettled"),
            probed=typed_json.text(found["probed"], "probed"),
        )
    except NewerFormat:
        raise
    except StateError:
        return None


@dataclass(slots=True)
class _Session:
    body: Body
    etag: str
    confirmed: float
    lost: bool = False


class ObjectLock:
    """The lock object at `key`. `pause`: seconds between heartbeats. One object takes it at most once at a time."""

    def __init__(
        self,
        bucket: Bucket,
        key: str,
        *,
        address: str,
        uuid: Callable[[], str],
        monotonic: Callable[[], float],
        pause: float = BEAT,
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._address = address
        self._uuid = uuid
        self._monotonic = monotonic
        self._pause = pause
        self._session: _Session | None = None
        self._mutex = threading.RLock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    # ---------------------------------------------------------------- looking

    def look(self) -> Look | None:
        """Return the lock object; None: there is none."""
        found = self._bucket.get(self._key, limit=SMALL)
        if found is None:
            return None
        return Look(_decode(found.data, f"s3://{self._bucket.target.bucket}/{self._key}"), found.etag, found.since)

    @property
    def body(self) -> Body | None:
        """What the lock object says of this holding of it; None: this object doesn't hold it."""
        return self._session.body if self._session is not None else None

    # ---------------------------------------------------------------- taking

    def acquire(self, holder: Holder, over: Look | None, *, probed: str) -> bool:
        """Take the lock over what was seen, nothing or a free lock; False: somebody has been faster."""
        if self._session is not None:
            raise StateError(f"the lock of {self._address} is taken already by this process")
        before = over.body if over is not None else None
        body = Body(held=True, session=self._uuid(), nonce=self._uuid(), holder=holder, probed=probed)
        if before is not None:
            body = replace(
                body, slot=before.slot, lineage=before.lineage, serial=before.serial, unsettled=before.unsettled
            )
        sent = self._monotonic()
        etag = self._swap(body, over.etag if over is not None else None)
        if etag is None:
            return False
        self._session = _Session(body, etag, sent)
        self._ended.clear()
        self._thread = threading.Thread(target=self._keep_beating, name="lock heartbeat", daemon=True)
        self._thread.start()
        return True

    def _swap(self, body: Body, etag: str | None, *, tries: int = _TRIES) -> str | None:
        """Write the lock object over what has this ETag (None: over nothing). Return its new ETag; None: lost the race.

        Raises StateError when no answer says what has become of it.
        """
        data, failure = body.encode(), StateError(f"the lock of {self._address} contradicts itself")
        for _ in range(tries):
            try:
                if etag is None:
                    return self._bucket.create(self._key, data)
                return self._bucket.update(self._key, data, over=etag)
            except Taken:
                pass
            except Unclear as error:
                failure = error
            try:
                found = self.look()
            except Unclear as error:
                failure = error
                continue
            if found is None and etag is None:
                continue
            if found is None or found.body is None:
                return None
            if found.body.nonce == body.nonce:
                return found.etag
            if found.etag != etag and found.body.session != body.session:
                return None
            etag = found.etag  # as before, or what an earlier write of this session made of it: then once more
        raise failure

    # ---------------------------------------------------------------- holding

    def _keep_beating(self) -> None:
        while not self._ended.wait(self._pause):
            self.beat()

    def beat(self) -> None:
        """Renew the lock. Learns when it is lost; when nothing can be learned, the last renewal just grows older."""
        with self._mutex:
            session = self._session
            if session is None or session.lost:
                return
            sent = self._monotonic()
            body = replace(session.body, nonce=self._uuid())
            try:
                etag = self._swap(body, session.etag, tries=2)
            except StateError:
                return
            if etag is None:
                session.lost = True
            else:
                session.body, session.etag, session.confirmed = body, etag, sent

    def require(self) -> Body:
        """Return what the lock says of its holding. Raises StateConflict when it isn't held, or was lost.

        Raises StateError when it couldn't be renewed for a minute: somebody may have broken it meanwhile.
        """
        session = self._session
        if session is None:
            raise StateConflict(f"the state {self._address} is written under its lock alone", "Take the lock first.")
        if not session.lost and self._monotonic() - session.confirmed > STALE:
            self.beat()
            if not session.lost and self._monotonic() - session.confirmed > STALE:
                raise StateError(
                    f"the lock of {self._address} could not be renewed for {STALE:.0f} s: nothing is written meanwhile",
                    "Run the command again once the store can be reached.",
                )
        if session.lost:
            raise self.conflict()
        return session.body

    def lose(self) -> StateConflict:
        """Note that somebody else has written in spite of the lock; nothing more is written. Returns the error."""
        if self._session is not None:
            self._session.lost = True
        return self.conflict()

    def conflict(self) -> StateConflict:
        """Return the error for a lock that was taken away."""
        return StateConflict(
            f"the lock of {self._address} was taken away from this run",
            "Nothing of this run was written since. Run the command again once the other run has ended.",
        )

    def release(self, *, slot: int, lineage: str, serial: int, unsettled: bool) -> None:
        """Give the lock back, with where the journal stands now; one that somebody else has is left alone.

        Raises StateError when it stays behind.
        """
        self._ended.set()
        with self._mutex:
            session, self._session = self._session, None
            if session is None:
                return
            unsettled = unsettled or session.lost
            with contextlib.suppress(*((StateError,) if session.lost else ())):
                self._free(session.body, session.etag, slot=slot, lineage=lineage, serial=serial, unsettled=unsettled)

    def _free(self, body: Body, etag: str, *, slot: int, lineage: str, serial: int, unsettled: bool = False) -> None:
        free = replace(
            body, held=False, nonce=self._uuid(), slot=slot, lineage=lineage, serial=serial, unsettled=unsettled
        )
        try:
            self._swap(free, etag)
        except (Unclear, Refused) as error:
            raise StateError(
                f"the lock of {self._address} could not be given back ({error.summary})",
                f"Once nothing runs any more: `declarative lock break {visible(body.holder.id, limit=64)}`.",
            ) from error

    # ---------------------------------------------------------------- breaking

    def watch(self, lock_id: str, sleep: Callable[[float], None]) -> Look:
        """Watch the lock with this id for a minute, and return it. Raises LockHeld as soon as its holder renews it.

        Raises StateError for any other id, and when nothing is locked.
        """
        first = self.look()
        if first is None or not first.held or first.holder.id != lock_id:
            raise StateError(
                f"the state {self._address} has no lock {visible(lock_id, limit=64)}",
                f"The id of its lock is {visible(first.holder.id, limit=64)}."
                if first is not None and first.held
                else "It is not locked: there is nothing to break.",
            )
        begun = self._monotonic()
        while self._monotonic() - begun < STALE:
            sleep(_LOOK)
            now = self.look()
            if now is None or now.etag != first.etag:
                raise self._lives(first)
        return first

    def _lives(self, look: Look) -> LockHeld:
        return LockHeld(
            f"the lock of {self._address} is held by a living process: {describe(look.holder)}",
            "It has renewed its lock, or ended, while we watched. End that process; then run the command again.",
        )

    def seize(self, look: Look) -> tuple[Body, str]:
        """Take a lock from its holder, who loses it with that, and return it with its ETag. It still names that holder.

        Raises LockHeld when it has changed meanwhile.
        """
        body = look.body or Body(held=True, session="", nonce="", holder=UNREADABLE, unsettled=True)
        body = replace(body, session=self._uuid(), nonce=self._uuid())
        etag = self._swap(body, look.etag)
        if etag is None:
            raise self._lives(look)
        return body, etag

    def still_seized(self, body: Body) -> bool:
        """True when nobody has taken over a lock that was seized."""
        found = self.look()
        return found is not None and found.body is not None and found.body.nonce == body.nonce

    def free_seized(self, body: Body, etag: str, *, slot: int, lineage: str, serial: int) -> None:
        """Leave a lock that was seized free."""
        self._free(body, etag, slot=slot, lineage=lineage, serial=serial)
