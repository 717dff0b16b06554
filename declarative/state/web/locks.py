"""The lock of a state behind HTTP: taken and given back by its id, which is all that is trusted.

There is no request that only looks at a lock. Who wants to know tries to take it, under an id of its own, and gives it
back when it was free. A lock request whose answer was lost is sent again with the same id: if the first one has got the
lock, the server names that id as the holder's.

Source: Terraform, `internal/backend/remote-state/http/client.go`; GitLab, `lib/api/terraform/state.rb`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from declarative import __version__, strict_json
from declarative.errors import StateError
from declarative.model import Json
from declarative.state.holders import holder_in
from declarative.state.store import Holder
from declarative.state.web.address import Site, with_query
from declarative.state.web.answers import is_page, page_instead, refusal
from declarative.state.web.wire import TRIES, Answer, Lost, Unsent, Wire, may_pass

_HELD = frozenset({409, 423})
_LONGEST = 4096  # characters of a text in a lock


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody's lock. `id`: "" when the server doesn't name it. `lock`: as the server has sent it; `age`: in words."""

    id: str
    holder: Holder
    lock: bytes
    age: str


@dataclass(frozen=True, slots=True)
class _Unclear:
    """A request for the lock without a good answer. `is_lost`: it may have got the lock; `is_final`: it never will."""

    problem: StateError
    is_lost: bool = False
    is_final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Locks:
    """The lock of one state. `uuid` draws the ids of looks."""

    site: Site
    wire: Wire
    uuid: Callable[[], str]

    def take(self, holder: Holder) -> Holder | Found:
        """Take the lock, and return its holder now: `holder`, perhaps under another id; or who has it instead.

        A request whose answer was lost is followed by one under another id: the first may still arrive, and lock what
        nobody unlocks, but then at least no write has gone out under its id. Raises StateError when nobody knows.
        """
        problem, mine, lost = self._unasked(), holder, dict[str, Holder]()
        nameless: Found | None = None
        for number in range(1, TRIES + 1):
            result = self._ask(mine)
            if isinstance(result, Holder):
                return result
            if isinstance(result, Found):
                if result.id:
                    return {**lost, mine.id: mine}.get(result.id, result)
                nameless = result  # perhaps what was cut off on its way
            else:
                problem = result.problem
                if result.is_final:
                    break
                if result.is_lost:
                    lost[mine.id] = mine
                    mine = replace(mine, id=self.uuid())
            if number < TRIES:
                self.wire.pause(number)
        if nameless is not None and not lost:
            return nameless
        if lost:
            problem.fix = f"{problem.fix} The state may have been left locked, with the id {' or '.join(lost)}.".strip()
        raise problem

    def _ask(self, mine: Holder) -> Holder | Found | _Unclear:
        """Send one request for the lock."""
        try:
            answer = self.wire.send(self.site.lock_method, self.site.lock, lock_text(mine), small=True)
        except Unsent as error:
            return _Unclear(self.wire.unreachable(error))
        except Lost as error:
            return _Unclear(self.wire.unreachable(error), is_lost=True)
        found = _found(answer)
        if answer.status in _HELD:
            return found
        if answer.status == 200 and not is_page(answer):
            return self._require_ours(found, mine)
        passes = answer.status < 300 or may_pass(answer.status)
        return _Unclear(
            self._refused(answer, self.site.lock_method),
            is_lost=passes and answer.status != 429,
            is_final=not passes,
        )

    def look(self, about: Holder) -> Found | None:
        """Return who holds the lock; None: nobody. `about`: who asks, under an id that is drawn."""
        taken = self.take(replace(about, id=self.uuid()))
        if isinstance(taken, Found):
            return taken
        self.drop(taken)
        return None

    def is_held_by(self, holder: Holder) -> bool:
        """True when the server names `holder` as the holder. Raises StateError when it names nobody."""
        found = self.look(holder)
        if found is not None and not found.id:
            raise StateError(
                f"the server of {self.site.shown} does not tell who holds the lock",
                f"It may be the lock of this run, whose id is {holder.id}.",
            )
        return found is not None and found.id == holder.id

    def give_back(self, holder: Holder) -> None:
        """Give back the lock that `holder` has taken; anybody else's is left alone.

        Terraform's protocol doesn't say that an unlock with another id is refused, so the lock is looked at first.
        """
        if self.site.is_gitlab or self.is_held_by(holder):
            self.drop(holder)

    def drop(self, holder: Holder) -> None:
        """Give back the lock that `holder` has just been seen to hold."""
        self._free(holder.id, lock_text(holder), asker=holder)

    def force(self, found: Found, asker: Holder) -> None:
        """Free the lock that was `found`, and no other. It may be taken again at once."""
        theirs = lock_text(replace(found.holder, id=found.id)) if self.site.is_gitlab else found.lock
        self._free(found.id, theirs, asker=asker)

    def _free(self, lock_id: str, body: bytes, *, asker: Holder) -> None:
        """Send the unlock, and look after one that isn't answered well: by then the lock may be somebody else's."""
        problem = self._unasked()
        for number in range(1, TRIES + 1):
            failure = self._unlock(lock_id, body)
            if failure is None:
                return
            problem = failure
            self.wire.pause(number)
            taken = self.take(replace(asker, id=self.uuid()))
            if isinstance(taken, Holder):  # it was free, and now it is this one that has to go
                lock_id, body = taken.id, lock_text(taken)
            elif taken.id not in ("", lock_id):
                return
        problem.fix = f"{problem.fix} The state is still locked, with the id {lock_id}.".strip()
        raise problem

    def _unlock(self, lock_id: str, body: bytes) -> StateError | None:
        """Send one unlock; None: it has worked."""
        target = self.site.unlock
        if self.site.is_gitlab:
            # In the query too: proxies drop the body of a DELETE, and GitLab unlocks for anybody who names no id.
            target = with_query(target, f"ID={quote(lock_id, safe='')}")
        try:
            answer = self.wire.send(self.site.unlock_method, target, body, small=True)
        except (Unsent, Lost) as error:
            return self.wire.unreachable(error)
        if answer.status in (200, 204) and not is_page(answer):
            return None
        return self._refused(answer, self.site.unlock_method)

    def _unasked(self) -> StateError:
        return StateError(f"the server of {self.site.shown} was not asked")

    def _refused(self, answer: Answer, method: str) -> StateError:
        if answer.status in (404, 405, 501):
            return StateError(
                f"the server of {self.site.shown} has no locks: it answers {method} with HTTP {answer.status}",
                "Use a server that locks states, or name its lock_address and lock_method in the address.",
            )
        doing = f"the {method} of the lock"
        if answer.status < 300:
            return page_instead(doing=doing, shown=self.site.shown)
        return refusal(answer, doing=doing, shown=self.site.shown)

    def _require_ours(self, found: Found, holder: Holder) -> Holder:
        """GitLab answers with the lock that it holds now; whatever else answers 200 to everything is no GitLab."""
        if self.site.is_gitlab and found.id != holder.id:
            raise StateError(
                f"the server of {self.site.shown} does not answer a lock as GitLab does",
                "Check the address: it reads https://HOST/api/v4/projects/ID/terraform/state/NAME.",
            )
        return holder


def lock_text(holder: Holder) -> bytes:
    """Return the lock as Terraform's protocol has it, with the seven names that GitLab asks for."""
    return json.dumps({
        "ID": holder.id,
        "Operation": holder.operation,
        "Info": json.dumps(asdict(holder)),
        "Who": f"{holder.who}@{holder.host}",
        "Version": __version__,
        "Created": holder.since,
        "Path": "",
    }).encode("ascii")  # fmt: skip


def _found(answer: Answer) -> Found:
    """Read who holds the lock.

    GitLab answers with what the asker has sent, but for the id, the user and the time: `Info` counts only where it is
    about the same id.
    """
    lock = _object(answer.body)
    lock_id = _text(lock, "ID")
    created = _moment(_text(lock, "Created"))
    told = _object(_text(lock, "Info").encode("utf-8", "replace"))
    age = _age(created, answer)
    if lock_id and told.get("id") == lock_id and (holder := holder_in(told)) is not None:
        return Found(lock_id, holder, answer.body, age)
    who, _, host = _text(lock, "Who").rpartition("@")
    since = created.strftime("%Y-%m-%dT%H:%M:%SZ") if created else "an unknown time"
    return Found(
        lock_id,
        Holder(
            lock_id or "unreadable",
            who or host or "somebody",
            (who and host) or "an unknown host",
            0,
            "something",
            since,
        ),
        answer.body,
        age,
    )


def _object(text: bytes) -> dict[str, Json]:
    try:
        found = strict_json.loads(text.decode("utf-8"))
    except ValueError:  # a UnicodeDecodeError is one
        return {}
    return found if isinstance(found, dict) else {}


def _text(shape: dict[str, Json], name: str) -> str:
    value = shape.get(name)
    return value if isinstance(value, str) and len(value) <= _LONGEST else ""


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None


def _age(created: datetime | None, answer: Answer) -> str:
    """Return how long ago a lock was taken, by the server's clock if it tells its time."""
    if created is None:
        return ""
    try:
        now = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        now = datetime.now(UTC)
    seconds = int((now - created).total_seconds()) if now.tzinfo else -1
    if seconds < 0:
        return ""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"taken {seconds // size} {unit} ago"
    return f"taken {seconds} s ago"
