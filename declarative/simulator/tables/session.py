"""What a family of calls works with: one transaction on the world, and one request inside it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

from declarative.simulator.protocol.fields import Query
from declarative.simulator.protocol.strikes import Verdict
from declarative.simulator.protocol.wire import Draw, Refusal, Request, item_not_found, refusal
from declarative.simulator.settings import Domain, NotFoundAs, Rules
from declarative.simulator.tables import history
from declarative.simulator.tables.history import NOBODY, Effect, Source, Subject

_FOREVER = 1e13  # milliseconds; the sum over the largest disk still fits into SQLite's integers


@dataclass(frozen=True, slots=True)
class Facts:
    """What stays as it is while a world is open. `tokens` always work; `speed` divides all durations.

    `any_id`: unknown servers and disks are taken to exist. `has_accounts`: not everyone is let in.
    """

    project_id: str
    domains: tuple[Domain, ...]
    tokens: frozenset[str]
    rules: Rules
    speed: float
    any_id: bool
    has_accounts: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """One transaction. `now` is in milliseconds since 1970: of the request, or of the moment a job fell due."""

    database: sqlite3.Connection
    now: int
    facts: Facts
    draw: Draw
    source: Source = NOBODY

    def at(self, now: int) -> Session:
        """The same transaction at a moment of the past, for what happened then without a request."""
        return replace(self, now=now, source=NOBODY)

    def record(self, effect: Effect, subject: Subject, detail: str = "") -> None:
        """Write one line of the history."""
        history.append(self.database, self.source, effect, subject, at=self.now, detail=detail)

    def record_statuses(self, group_id: str, status: str) -> None:
        """Write a line for every member of the group whose status is about to become `status`."""
        history.append_statuses(self.database, self.source, at=self.now, group_id=group_id, status=status)

    def scaled(self, seconds: float) -> int:
        """That many seconds at the world's speed, in milliseconds; centuries are as good as for ever."""
        return round(min(seconds * 1000 / self.facts.speed, _FOREVER))

    def missing(self, code: str, message: str) -> Refusal:
        """The answer for an object that isn't there, in the form the rules ask for (docs/sdrs-api.md, "Not found")."""
        if self.facts.rules.not_found is NotFoundAs.NOT_FOUND:
            return item_not_found(code, message)
        return refusal(code, message)


@dataclass(frozen=True, slots=True)
class Call:
    """One request under way: `parameters` are the parts of the path that the route leaves open, unquoted."""

    session: Session
    request: Request
    parameters: tuple[str, ...]
    verdict: Verdict

    def query(self) -> Query:
        """The query, parsed."""
        return Query.parse(self.request.query, page_limit=self.session.facts.rules.page_limit)
