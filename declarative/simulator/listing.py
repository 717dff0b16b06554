"""List calls: filters, paging and the total that goes with a page (API reference, section 1.8)."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from declarative.simulator.fields import Query
from declarative.simulator.wire import Answer


@dataclass(frozen=True, slots=True)
class Listing:
    """How one kind of object is listed: its table, whose rows hold the object as JSON in `body`, and its word."""

    count: str
    bodies: str
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


def page(database: sqlite3.Connection, listing: Listing, wanted: Filter, query: Query) -> Answer:
    """One page in the order of creation. `count` is the number that match on all pages; past the end it is empty."""
    limit, offset = query.limit(), query.offset()
    where = wanted.where()
    (count,) = database.execute(listing.count + where, wanted.values).fetchone()
    rows = database.execute(
        listing.bodies + where + " ORDER BY seq LIMIT ? OFFSET ?", (*wanted.values, limit, offset)
    ).fetchall()
    return Answer.text(f'{{"count":{count},"{listing.key}":[{",".join([body for (body,) in rows])}]}}')
