"""List calls: filters, paging and the total that goes with a page (docs/sdrs-api.md, "Lists")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from declarative.simulator.protocol.faults import Kind
from declarative.simulator.protocol.fields import Query
from declarative.simulator.protocol.wire import Answer
from declarative.simulator.tables.session import Call


@dataclass(frozen=True, slots=True)
class Listing:
    """How one kind of object is listed: its table, what finds its rows, and the word for the list.

    `is_dated`: rows have the moment of their creation, in milliseconds since 1970, as `created`.
    """

    table: str
    rows: str
    key: str
    is_dated: bool = True


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
    """The rows of one page, and how many match on all pages; None where the answer tells no number."""

    key: str
    count: int | None
    rows: list[tuple[Any, ...]]

    def answer(self, texts: Iterable[str]) -> Answer:
        """The page with each row as JSON text."""
        count = "" if self.count is None else f'"count":{self.count},'
        return Answer.text(f'{{{count}"{self.key}":[{",".join(texts)}]}}')


def page(call: Call, listing: Listing, wanted: Filter, query: Query) -> Page:
    """One page in the order of creation; past the end it is empty."""
    database = call.session.database
    limit, offset = query.limit(), query.offset()
    _leave_out(call, listing, wanted)
    where = wanted.where()
    (count,) = database.execute(f"SELECT count(*) FROM {listing.table}{where}", wanted.values).fetchone()  # noqa: S608 - names from the code, values bound
    if cap := call.verdict.first(Kind.PAGE_CAP):
        limit = min(limit, cap.number)
    if call.verdict.first(Kind.REPEAT_LAST) and limit and offset >= count > 0:
        offset = (count - 1) // limit * limit
    select = listing.rows + where + " ORDER BY seq LIMIT ? OFFSET ?"
    rows = database.execute(select, (*wanted.values, limit, offset)).fetchall()
    if left := call.verdict.first(Kind.DROP_ROWS):
        rows = [row for row in rows if not call.session.draw.happens(left.share)]
    return Page(listing.key, _told(call, count, rows), rows)


def _leave_out(call: Call, listing: Listing, wanted: Filter) -> None:
    """Ask for what is old enough only, if lists lag, and for all but the newest rows, if they are dropped."""
    lag = call.verdict.seconds(Kind.LIST_LAG)
    if lag and listing.is_dated:
        wanted.add("created <= ?", call.session.now - round(lag * 1000))
    if newest := call.verdict.first(Kind.DROP_NEWEST):
        select = f"SELECT seq FROM {listing.table}{wanted.where()} ORDER BY seq DESC LIMIT ?"  # noqa: S608 - names from the code, values bound
        wanted.add(f"seq NOT IN ({select})", *wanted.values, newest.number)


def _told(call: Call, count: int, rows: list[tuple[Any, ...]]) -> int | None:
    """The count that the answer tells: the true one, unless a fault says otherwise."""
    fault = call.verdict.first(Kind.COUNT)
    if fault is None:
        return count
    if fault.word:
        return len(rows) if fault.word == "page" else None
    return max(0, count + fault.number)
