"""Whether a server keeps a state safe from two writers: it is asked to do what it must refuse, before it is used.

Terraform's protocol compares nothing when it writes. What keeps a run from writing over another's work is only that the
server refuses each write whose lock id isn't that of the lock: while another holds it, and after it was broken. Many
servers don't look. What is sent as a probe is what was just read, or an empty document, so that a server that wrongly
takes it changes nothing. GitLab also refuses a serial that it has; it is probed for that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn

from declarative.errors import StateError
from declarative.state.store import Holder
from declarative.state.web.answers import refusal
from declarative.state.web.documents import NOTHING, Document
from declarative.state.web.locks import Found, Locks
from declarative.state.web.wire import Answer, Lost, Unsent, Wire

_REFUSED = frozenset({400, 403, 409, 412, 422, 423})
_TAKEN = frozenset({200, 201, 202, 204})


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The probes of one state. `look` reads what is kept now; `uuid` draws lock ids."""

    locks: Locks
    wire: Wire
    look: Callable[[], Document]
    uuid: Callable[[], str]

    def require_fencing(self, holder: Holder) -> Found | None:
        """Take the lock, find out what it is worth, and give it back. Returns who has it, if that is somebody else.

        The last probe needs a state that isn't locked. It is made with the id of the lock that was just given back: the
        id is never used again, so that a probe that arrives late is refused too. Somebody may take the lock and write
        between that release and the probe; a server that fails the probe would then lose that write. But whoever writes
        states of this program has made the same probe first, so on such a server nobody has got that far.

        Raises StateError for a server that fails.
        """
        first = self.locks.take(replace(holder, id=self.uuid()))
        if isinstance(first, Found):
            return first
        try:
            text = self._harmless()
            self._require_exclusion(first)
            self._require_refused(text, self.uuid(), "takes a write whose lock id is not that of the lock")
        except BaseException:
            with contextlib.suppress(StateError):
                self.locks.drop(first)
            raise
        self.locks.drop(first)
        self._require_refused(text, first.id, "takes a write with the id of a lock that was given back")
        return None

    def require_serials(self, kept: Document, holder: Holder) -> None:
        """Under the lock, send GitLab what it has: a serial that it knows must be refused. Raises StateError."""
        if not kept.text:
            return
        answer = self._sent(kept.text, holder.id)
        if answer.status in _TAKEN:
            self._refuse("takes one serial twice, so that two runs could write over each other")
        if answer.status not in _REFUSED and answer.status < 500:
            raise self._unclear(answer)

    def _harmless(self) -> bytes:
        kept = self.look()
        return kept.text if kept.text or kept.fault else NOTHING

    def _require_exclusion(self, first: Holder) -> None:
        found = self.locks.take(replace(first, id=self.uuid()))
        if isinstance(found, Holder):
            self._refuse("gives one lock to two at the same time")
        if found.id != first.id:
            self._refuse("does not tell the id of a lock that is held")

    def _require_refused(self, text: bytes, lock_id: str, fault: str) -> None:
        answer = self._sent(text, lock_id)
        if answer.status in _TAKEN:
            self._refuse(fault)
        if answer.status not in _REFUSED:
            raise self._unclear(answer)

    def _sent(self, text: bytes, lock_id: str) -> Answer:
        site = self.locks.site
        try:
            return self.wire.send(site.update_method, site.update(lock_id), text)
        except (Unsent, Lost) as error:
            raise self.wire.unreachable(error) from error

    def _unclear(self, answer: Answer) -> StateError:
        error = refusal(answer, doing="a write that tests its locks", shown=self.locks.site.shown)
        return StateError(f"{error.summary}; so it is not known whether its locks can be relied on", error.fix)

    def _refuse(self, fault: str) -> NoReturn:
        raise StateError(
            f"the server of {self.locks.site.shown} can't keep a state safe: it {fault}",
            "Nothing was changed. Use a server that checks the lock's id on every write, or another store.",
        )
