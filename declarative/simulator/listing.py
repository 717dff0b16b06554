"""List calls: filters, paging and the total that goes with a page (API reference, section 1.8)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from declarative.simulator.fields import Query
from declarative.simulator.wire import Answer


@dataclass(frozen=True, slots=True)
class Listing:
    """How one kind of object is listed: what counts it, what finds its rows, and the word for the list."""

    count: str
    rows: str
    key: str


@dataclass(slots=True)
class Filter:
    """Conditions that rows must meet, all of them. Conditions are constants; what a client sent is bound."""

    conditions: list[str] = field(default_factory=list)
    values: list[str | int] = field(default_factory=list)

    def add(self, condition: str, *values: str | int) -> None:
        """Ask for one more condition, with a value for each `?` in it."""
        self.conditions.append(condition)
        self.values += values

    def where(self) -> str:
        """The clause for SQL, empty without conditions."""
        return f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one page, and the number of those that match on all pages."""

    key: str
    count: int
    rows: list[tuple[Any, ...]]

    def answer(self, texts: Iterable[str]) -> Answer:
        """The page with each row as JSON text."""
        return Answer.text(f'{{"count":{self.count},"{self.key}":[{",".join(texts)}]}}')


def page(database: sqlite3.Connection, listing: Listing, wanted: Filter, query: Query) -> Page:
    """One page in the order of creation; past the end it is empty."""
    limit, offset = query.limit(), query.offset()
    where = wanted.where()
    (count,) = database.execute(listing.count + where, wanted.values).fetchone()
    select = listing.rows + where + " ORDER BY seq LIMIT ? OFFSET ?"
    return Page(listing.key, count, database.execute(select, (*wanted.values, limit, offset)).fetchall())
