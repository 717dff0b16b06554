"""A state behind HTTP: one document, written whole under the lock, and read again whenever an answer is lost.

Terraform's protocol has no compare-and-swap. What stands there is read before each write, and the lock's id goes along
with it, which the server checks (`probe` has found out that it does). A write whose answer was lost may still arrive;
so the lock is taken again under another id before the next one, and the late one is refused. GitLab refuses a serial
that it has, whatever happened to the lock.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from declarative import strict_json
from declarative.errors import LockHeld, StateConflict, StateError, visible
from declarative.model import Record
from declarative.provider.secret import Secret
from declarative.state.engine import Kept, Spot
from declarative.state.holders import describe
from declarative.state.snapshot import State, copied, fold, fresh
from declarative.state.store import Holder, Point, Seen
from declarative.state.web import documents
from declarative.state.web.address import Site, site_of
from declarative.state.web.answers import is_page, page_instead, refusal
from declarative.state.web.documents import Document
from declarative.state.web.locks import Found, Locks
from declarative.state.web.probe import Probe
from declarative.state.web.replaced import keep
from declarative.state.web.trust import context_for
from declarative.state.web.wire import PATIENCE, TRIES, Answer, Lost, Patience, Unsent, Wire, may_pass, proxy_for

_SAVED = frozenset({200, 201, 204})
_CONFLICTS = frozenset({409, 412, 422, 423})
_POINTS = 5  # versions that are looked at for `points`, each a document; as many as a local state has backups


def open_web(spot: Spot, *, patience: Patience = PATIENCE) -> WebEngine:
    """Open the state at an `https://` address; nothing is sent yet. Raises UsageError for an address that is wrong."""
    site = site_of(spot.address, spot.environ)
    wire = Wire(
        origin=site.origin,
        shown=site.shown,
        username=spot.environ.get("TF_HTTP_USERNAME", ""),
        password=Secret(spot.environ.get("TF_HTTP_PASSWORD", "")),
        context=context_for(site.origin, spot.environ),
        proxy=proxy_for(site.origin, spot.environ),
        monotonic=spot.monotonic,
        sleep=spot.sleep,
        patience=patience,
    )
    return WebEngine(site, wire, spot)


@dataclass(frozen=True, slots=True)
class _Failure:
    """A write without a good answer. `final`: the server has said no. `late`: the write may still arrive."""

    error: StateError
    final: bool = False
    late: bool = False


class WebEngine:
    """An `Engine` on Terraform's HTTP state protocol or GitLab's dialect."""

    def __init__(self, site: Site, wire: Wire, spot: Spot) -> None:
        self._site = site
        self._wire = wire
        self._spot = spot
        self._locks = Locks(site=site, wire=wire, uuid=spot.uuid)
        self._probe = Probe(locks=self._locks, wire=wire, look=self._look, uuid=spot.uuid)
        self._proven = site.is_gitlab
        self._holder: Holder | None = None
        self._kept = Document(b"")  # what stands there, as far as the holder of the lock knows
        self._may_arrive = False  # a write may still be on its way, under the id of the lock

    @property
    def address(self) -> str:
        """As Engine says; without the query, which may hold a token."""
        return self._site.shown

    # ------------------------------------------------------------ reading

    def read(self) -> Kept:
        """As Engine says."""
        found = self._look()
        if self._holder is not None:
            self._kept = found
        if found.fault is not None:
            raise found.fault
        highest = (found.lineage, found.serial) if found.moved_to else None
        state = None if found.state is None else copied(found.state)
        return Kept(state, highest, found.moved_to)

    def _look(self) -> Document:
        """Return what is kept now, or a document with a fault. Raises StateError when that can't be found out."""
        answer = self._wire.get(self._site.state)
        if answer.status == 204 or (answer.status == 404 and self._means_nothing(answer)):
            return Document(b"")
        if answer.status != 200:
            raise refusal(answer, doing="the read", shown=self.address)
        if is_page(answer):
            raise page_instead(doing="the read", shown=self.address)
        if self._holder is not None and answer.body and answer.body == self._kept.text:
            return self._kept  # reading it once more is half the time of a write
        return documents.read(answer.body, source=self.address)

    def _means_nothing(self, answer: Answer) -> bool:
        """GitLab also says 404 of a project that the user must not see, and then there may well be a state."""
        if not self._site.is_gitlab:
            return True
        try:
            said = strict_json.loads(answer.body.decode("utf-8"))
        except ValueError:
            return False
        message = said.get("message") if isinstance(said, dict) else None
        return isinstance(message, str) and "project" not in message.lower()

    # ------------------------------------------------------------ the lock

    def try_lock(self, holder: Holder) -> Seen | None:
        """As Engine says. Finds out first, once, whether the server can be relied on."""
        if self._holder is not None:
            raise StateError(f"the lock of {self.address} is taken already by this process")
        if not self._proven:
            found = self._probe.require_fencing(holder)
            if found is not None:
                return _seen(found)
            self._proven = True
        taken = self._locks.take(holder)
        if isinstance(taken, Found):
            return _seen(taken)
        try:
            self._kept = self._look()
            if self._site.is_gitlab:
                self._probe.require_serials(self._kept, taken)
        except BaseException:
            with contextlib.suppress(StateError):
                self._locks.drop(taken)
            raise
        self._holder, self._may_arrive = taken, False
        return None

    def unlock(self) -> None:
        """As Engine says."""
        if self._holder is not None:
            holder = self._lose()
            self._locks.give_back(holder)

    def lock_seen(self) -> Seen | None:
        """Return who holds the lock now; None: nobody.

        HTTP has no request for that: the lock is taken and given back, which needs the right to lock.
        """
        if self._holder is not None:
            return Seen(self._holder, alive=True)
        found = self._locks.look(self._asker("lock show"))
        return None if found is None else _seen(found)

    def break_lock(self, lock_id: str, *, force: bool, sleep: Callable[[float], None]) -> Holder:
        """As Engine says; a lock behind HTTP has no heartbeat, so it takes `force`, and nothing is watched."""
        asker = self._asker("lock break")
        found = self._locks.look(asker)
        if found is None or found.id != lock_id:
            raise StateError(
                f"the state {self.address} has no lock {visible(lock_id, limit=64)}",
                "It is not locked: there is nothing to break."
                if found is None
                else f"The id of the lock that holds it is {visible(found.id, limit=64)}.",
            )
        if not force:
            age = f", {found.age}" if found.age else ""
            raise LockHeld(
                f"the lock of {self.address} is held by {describe(found.holder)}{age}; nobody can know over HTTP "
                "whether that process still lives",
                "Make sure that it has ended, then run "
                f"`declarative lock break {shlex.quote(visible(lock_id))} --force`.",
            )
        self._locks.force(found, asker)
        left = self._locks.look(asker)
        if left is not None and left.id == lock_id:
            raise StateError(f"the server of {self.address} has taken the unlock, but the lock is still there")
        return found.holder

    def _asker(self, operation: str) -> Holder:
        environ = self._spot.environ
        who = environ.get("USER") or environ.get("LOGNAME") or "somebody"
        since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Holder("", who, socket.gethostname(), os.getpid(), operation, since)

    def _require_lock(self) -> Holder:
        if self._holder is None:
            raise StateConflict(
                f"the lock of {self.address} is not held", "Nothing was written. Run the command again to continue."
            )
        return self._holder

    def _lose(self) -> Holder:
        holder = self._require_lock()
        self._holder, self._may_arrive = None, False
        return holder

    def _lost(self) -> StateConflict:
        self._lose()
        return StateConflict(
            f"the lock of {self.address} was lost: it was broken, and may be held by someone else",
            "Nothing was written. Run the command again to continue.",
        )

    def _confirm_lock(self) -> Holder:
        """Raise StateConflict unless the server still names this run as the holder."""
        holder = self._require_lock()
        if not self._locks.is_held_by(holder):
            raise self._lost()
        return holder

    def _renew_lock(self) -> None:
        """Take the lock under another id, so that a write that is still on its way is refused when it arrives."""
        holder = self._confirm_lock()
        if not self._site.is_gitlab:  # which refuses it by its serial
            self._locks.drop(holder)
            renewed = self._locks.take(replace(holder, id=self._spot.uuid()))
            if isinstance(renewed, Found):
                raise self._lost()
            self._holder = renewed
        self._may_arrive = False

    # ------------------------------------------------------------ writing

    def append(self, records: Sequence[Record], *, lineage: str, after: int) -> None:
        """As Engine says; the whole document is written."""
        kept = self._require_standing(lineage, after)
        state = fresh(lineage) if kept.state is None else copied(kept.state)
        for record in records:
            fold(state, record)
        state.serial = after + 1
        self._put(documents.of_state(state))

    def write(self, state: State, *, after: int) -> None:
        """As Engine says. There is nothing to tidy up, and GitLab takes no serial twice: what keeps it is not sent."""
        self._require_standing(state.lineage, after)
        if state.serial != after:
            self._put(documents.of_state(copied(state)))

    def replace(self, state: State) -> str:
        """As Engine says. GitLab shows the version with the highest serial: there it becomes the one after that.

        What is replaced is a version in GitLab; Terraform's protocol keeps nothing, so it is kept on this machine.
        """
        self._require_lock()
        self._kept = kept = self._look()
        there = bool(kept.text) and kept.text != documents.NOTHING
        state = copied(state)
        if not self._site.is_gitlab:
            found = keep(kept, environ=self._spot.environ, uuid=self._spot.uuid) if there else ""
            self._put(documents.of_state(state))
            return found
        if there and not kept.serial:
            raise StateError(
                f"what GitLab keeps at {self.address} has no readable serial, so that no later one can be given",
                "Delete that version in GitLab (Operate, Terraform states), then try again.",
            )
        state.serial = max(state.serial, kept.serial + 1) if there else state.serial
        self._put(documents.of_state(state))
        if self._look().text != self._kept.text:
            raise StateError(
                f"GitLab has saved the state {self.address} as version {state.serial}, but shows another one",
                "Look at its versions in GitLab (Operate, Terraform states): a later serial hides this one.",
            )
        return f"version {kept.serial} in GitLab" if there else ""

    def move_to(self, address: str) -> None:
        """As Engine says."""
        kept = self._kept
        self._require_standing(kept.lineage, kept.serial)
        self._put(documents.of_move(address, lineage=kept.lineage, serial=kept.serial + 1))

    def _require_standing(self, lineage: str, after: int) -> Document:
        self._require_lock()
        kept = self._kept
        if kept.fault is not None:
            raise kept.fault
        if kept.moved_to:
            raise StateConflict(f"the state {self.address} has moved to {visible(kept.moved_to, limit=200)}")
        if kept.serial != after or (kept.lineage and kept.lineage != lineage):
            raise self._overtaken(kept)
        return kept

    def _overtaken(self, kept: Document) -> StateConflict:
        stands = f"stands at serial {kept.serial}" if kept.text else "is not there"
        return StateConflict(
            f"someone else has written the state {self.address}: it {stands} now",
            "Nothing was written over it. Run the command again to continue.",
        )

    def _put(self, new: Document) -> None:
        """Save `new` in place of what is known to stand there. Raises StateConflict and StateError; see Engine."""
        before = self._kept
        look_first, may_be_there = not self._site.is_gitlab, self._may_arrive
        for number in range(1, TRIES + 1):
            if self._may_arrive:
                self._renew_lock()
            if look_first:
                found = self._look()
                if found.text == new.text and may_be_there:
                    break
                if found.text != before.text:
                    raise self._overtaken(found)
            failure = self._post(new)
            if failure is None or self._is_there(new, failure):
                break
            if failure.final or number == TRIES:
                raise failure.error
            look_first = may_be_there = True
            self._wire.pause(number)
        self._kept, self._may_arrive = new, False

    def _post(self, new: Document) -> _Failure | None:
        """Send the document once; None: the server has said that it is saved."""
        holder = self._require_lock()
        self._may_arrive = True  # also when this is interrupted
        try:
            answer = self._wire.send(self._site.update_method, self._site.update(holder.id), new.text)
        except Unsent as error:
            self._may_arrive = False
            return _Failure(self._wire.unreachable(error))
        except Lost as error:
            return _Failure(self._wire.unreachable(error), late=True)
        status = answer.status
        if status in _SAVED and is_page(answer):  # of something in between, so it isn't known what became of the write
            return _Failure(page_instead(doing="the write", shown=self.address), late=True)
        self._may_arrive = may_pass(status) and status != 429
        if status in _SAVED and not (self._site.is_gitlab and status == 204):  # which says: no data was sent
            return None
        error_of = refusal(answer, doing="the write", shown=self.address)
        return _Failure(
            StateConflict(error_of.summary, error_of.fix) if status in _CONFLICTS else error_of,
            final=not may_pass(status),
            late=self._may_arrive,
        )

    def _is_there(self, new: Document, failure: _Failure) -> bool:
        """Look whether a write without a good answer was saved. Raises StateConflict where it can't be any more."""
        before = self._kept
        try:
            found = self._look()
        except StateError as error:
            summary = f"{failure.error.summary}; whether it was saved is not known, because {error.summary}"
            raise StateError(summary, error.fix) from failure.error
        if found.text == new.text:
            return True
        if found.text != before.text:
            raise self._overtaken(found) from failure.error
        if isinstance(failure.error, StateConflict) or failure.late:
            self._confirm_lock()
        return False

    # ------------------------------------------------------------ earlier versions

    def points(self) -> Sequence[Point]:
        """As Engine says: GitLab's last versions. Terraform's protocol keeps none, so nothing can be restored."""
        if not self._site.is_gitlab:
            return ()
        kept = self._look()
        found = [kept]
        for serial in range(kept.serial - 1, max(kept.serial - _POINTS, 0), -1):
            version = self._version(serial)
            if version is None:
                break
            found.append(version)
        return [_point(one, one.state, one is kept) for one in found if one.state is not None]

    def go_back(self, serial: int) -> State | None:
        """As Engine says."""
        kept = self._look()
        if kept.state is not None and kept.serial == serial:
            return copied(kept.state)
        version = self._version(serial) if self._site.is_gitlab else None
        return None if version is None or version.serial != serial else version.state

    def _version(self, serial: int) -> Document | None:
        answer = self._wire.get(self._site.version(serial))
        if answer.status == 404:
            return None
        if answer.status != 200 or is_page(answer):
            raise refusal(answer, doing=f"the read of version {serial}", shown=self.address)
        return documents.read(answer.body, source=f"version {serial} of {self.address}")

    def environments(self) -> None:
        """Return None: the protocols have no list that could be read."""

    def close(self) -> None:
        """As Engine says."""
        try:
            with contextlib.suppress(StateError):
                self.unlock()
        finally:
            self._wire.close()


def _seen(found: Found) -> Seen:
    return Seen(found.holder, alive=None, age=found.age)


def _point(document: Document, state: State, is_latest: bool) -> Point:
    source = "the latest version in GitLab" if is_latest else f"version {document.serial} in GitLab"
    return Point(document.serial, source, len(state.resources), document.serial)
