"""Reading the cloud: single objects and whole lists, each with the moment at which it was asked for.

A list ends with an empty page, and with nothing else: a server may cap pages below what is asked for, and `count` may
be the total or mean the page. Source: docs/sdrs-api.md, "Lists".
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from declarative.backoff import Backoff
from declarative.clock import Clock
from declarative.concurrency import all_of
from declarative.errors import NotFound, Rejected, visible
from declarative.model import Attributes, Call, Kind
from declarative.provider.answers import is_id, is_object_id, member, shape_error
from declarative.provider.sending import Answer, Outgoing, encode, gone_codes

T = TypeVar("T")

PAGE = 1000  # items of a list page; the most that the service gives
_PAGES_AHEAD = 32  # pages fetched at a time on the word of `count` alone
_MAX_LIST = 32 * 2**20  # bytes of a list page; a full one of groups has about 0.9 MB
_EQUAL_READINGS = 3  # of a list that is shorter than its count says, until it is taken as it is
_MOST_READINGS = 6
_REREADS = Backoff(first=0.5, longest=math.inf)
_BARREN_PAGES = 2  # pages in a row without anything new, until the list is taken to repeat itself


@dataclass(frozen=True, slots=True)
class Look:
    """One object, as an answer shows it; `shown` is None when it is gone.

    `asked`: when the request left, on the monotonic clock in seconds; of several tries, the one that was answered.
    """

    asked: float
    shown: Attributes | None


@dataclass(frozen=True, slots=True)
class Listing:
    """A list, read to its end: `objects` by id, in the service's order.

    `asked`: when the request of its first page left; `ended`: when its last page was there. `is_complete`: what it
    lacks was not there; False when the service's own count says that there is more, and when the list `repeats` itself
    instead of ending. `strays`: rows without a usable id.
    """

    objects: dict[str, Attributes]
    asked: float
    ended: float
    is_complete: bool = True
    repeats: bool = False
    strays: tuple[Attributes, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.asked


@dataclass(frozen=True, slots=True)
class _Page:
    rows: list[Attributes]
    count: int | None
    asked: float


@dataclass(slots=True)
class _Reading:
    """One way through a list, from its first page to its end."""

    pages: list[_Page] = field(default_factory=list)
    received: int = 0
    rows: dict[str, Attributes] = field(default_factory=dict)
    strays: list[Attributes] = field(default_factory=list)  # rows without a usable id
    known_strays: set[str] = field(default_factory=set)
    barren: int = 0

    def take(self, page: _Page, key: Callable[[Attributes], str]) -> None:
        known = len(self.rows) + len(self.known_strays)
        for row in page.rows:
            if object_id := key(row):
                self.rows[object_id] = row
            else:
                self.strays.append(row)
                self.known_strays.add(json.dumps(row, sort_keys=True))
        self.pages.append(page)
        self.received += len(page.rows)
        self.barren = 0 if len(self.rows) + len(self.known_strays) > known else self.barren + 1

    @property
    def is_over(self) -> bool:
        return bool(self.pages) and (not self.pages[-1].rows or self.repeats)

    @property
    def repeats(self) -> bool:
        """True for a list that gives the same rows again instead of an empty page."""
        return self.barren >= _BARREN_PAGES and bool(self.pages[-1].rows)

    def ahead(self) -> int:
        """How many pages to ask for at once: all that `count` speaks of, once pages come as full as asked for."""
        if not self.pages or len(self.pages[-1].rows) != PAGE:
            return 1
        count = self.pages[-1].count or 0
        left = count - self.received
        return min(max(math.ceil(left / PAGE) + (count % PAGE == 0), 1), _PAGES_AHEAD)

    @property
    def falls_short(self) -> bool:
        """True when the service's own counts say that something was left out, and when there is no clear end."""
        if self.repeats:
            return True
        counts = [page.count for page in self.pages if page.count is not None]
        if all(page.count in (None, len(page.rows)) for page in self.pages):
            return False  # a count that means the page
        last = self.pages[-1].count
        claimed = last or max(counts)
        # Rows that went while the pages were read have moved others to pages that were read already.
        return claimed > self.received or (len(self.pages) > 2 and bool(last) and counts[0] > counts[-1])


class Reads:
    """All reads of one project, each through `send`. `notice` is told, in words, what somebody should know of one."""

    def __init__(
        self,
        send: Callable[[Outgoing], Awaitable[Answer]],
        *,
        clock: Clock,
        max_body: int,
        notice: Callable[[str, str, str], None],
    ) -> None:
        self._send = send
        self._clock = clock
        self._max_body = max_body
        self._notice = notice

    async def answer(
        self,
        call: Call,
        *,
        deadline: float,
        holds: tuple[str, type] | None = None,
        gone: frozenset[str] | None = None,
        max_body: int = 0,
    ) -> Answer:
        """The answer to one call. `holds`: a member that it must have; `gone`: codes that mean "no such thing"."""
        codes = gone_codes(call) if gone is None else gone
        outgoing = Outgoing(call, encode(call.body), deadline, codes, max(max_body, self._max_body), holds=holds)
        return await self._send(outgoing)

    async def look(self, kind: Kind, object_id: str, *, deadline: float) -> Look:
        """Read one object by its id; what lives in another object is read with that one, and is gone with it.

        Raises EndpointError for a 404 that is empty or not of SDRS, and for another object than the one asked for.
        """
        if not is_object_id(object_id, kind):
            raise Rejected(f"'{visible(object_id, limit=80)}' is not an id", _id_shape(kind))
        read_id = kind.wire.read_id(object_id)
        call = Call("GET", (kind.wire.collection, read_id))
        asked = self._clock.monotonic()
        try:
            answer = await self.answer(call, deadline=deadline, holds=(kind.wire.envelope, dict))
        except NotFound:
            return Look(asked, None)
        found: Attributes = member(answer.document, kind.wire.envelope, dict, call)
        if found.get("id") != read_id:
            raise shape_error(call, f"it has the id {visible(found.get('id'), limit=80)}")
        return Look(answer.asked, _viewed(kind, (found,))[0].get(object_id))

    async def listing(
        self, kind: Kind, *, query: Mapping[str, str] | None = None, patient: bool = True, deadline: float
    ) -> Listing:
        """Read all objects of a kind. `patient`: a list that is shorter than its count says is read again."""
        return (await self.listings((kind,), query=query, patient=patient, deadline=deadline))[kind.name]

    async def listings(
        self,
        kinds: Iterable[Kind],
        *,
        query: Mapping[str, str] | None = None,
        patient: bool = True,
        deadline: float,
    ) -> dict[str, Listing]:
        """Read all objects of several kinds, by the kind's name; kinds that share a list share its calls."""
        kinds = tuple(kinds)
        # A list that tells of several kinds has the rows of the one that isn't named by its parts.
        sources = {
            kind.wire.collection: kind for kind in sorted(kinds, key=lambda kind: kind.relations.identity is None)
        }
        read = await all_of(
            [
                self.rows(
                    Call("GET", (kind.wire.collection,), query=query or {}),
                    kind.wire.list_key,
                    key=_object_key,
                    patient=patient,
                    deadline=deadline,
                )
                for kind in sources.values()
            ]
        )
        lists = dict(zip(sources, read, strict=True))
        for collection, listing in lists.items():
            for stray in listing.strays:
                self._tell_stray(sources[collection], stray)
        return {kind.name: self._of_kind(kind, lists[kind.wire.collection]) for kind in kinds}

    def _of_kind(self, kind: Kind, listing: Listing) -> Listing:
        objects, strays = _viewed(kind, listing.objects.values())
        for stray in strays:
            self._tell_stray(kind, stray)
        return replace(listing, objects=objects, strays=(*listing.strays, *strays))

    def _tell_stray(self, kind: Kind, stray: Attributes) -> None:
        name = f"named '{visible(stray['name'], limit=80)}'" if stray.get("name") else "without a name"
        object_id = f"its id is '{visible(stray['id'], limit=80)}'" if stray.get("id") else "it has no id"
        self._notice(
            "strange-object",
            f"the cloud lists a {kind.noun} {name} that can't be used because {object_id}; it is ignored",
            "Look at it in the console.",
        )

    async def rows(
        self, listing: Call, list_key: str, *, key: Callable[[Attributes], str], patient: bool = True, deadline: float
    ) -> Listing:
        """Read a list to its end; `key` tells a row's id, "" where it has none that is usable.

        A list that is shorter than its own count says is read again, with pauses, until three readings are equal.
        """
        found = await self._once(listing, list_key, key, deadline=deadline)
        readings, equal, pause = 1, 1, _REREADS.after(0.0)
        while not found.is_complete and equal < _EQUAL_READINGS and readings < _MOST_READINGS:
            if not patient or found.repeats or self._clock.monotonic() + pause >= deadline:
                break
            await self._clock.sleep(pause)
            before, found = found, await self._once(listing, list_key, key, deadline=deadline)
            equal = equal + 1 if found.objects.keys() == before.objects.keys() else 1
            readings, pause = readings + 1, _REREADS.after(pause)
        if patient and not found.is_complete:
            self._notice(
                "list-without-end",
                f"the list of {listing.path[-1]} has no clear end: it shows {len(found.objects)} objects, but claims"
                " more or repeats itself; an object missing from it is not treated as deleted",
                "",
            )
        return found

    async def _once(
        self, listing: Call, list_key: str, key: Callable[[Attributes], str], *, deadline: float
    ) -> Listing:
        reading = await self._reading(listing, list_key, key, deadline=deadline)
        return Listing(
            reading.rows,
            reading.pages[0].asked,
            self._clock.monotonic(),
            is_complete=not reading.falls_short,
            repeats=reading.repeats,
            strays=tuple(reading.strays),
        )

    async def _reading(
        self, listing: Call, list_key: str, key: Callable[[Attributes], str], *, deadline: float
    ) -> _Reading:
        async def page(offset: int) -> _Page:
            call = Call("GET", listing.path, query={**listing.query, "limit": str(PAGE), "offset": str(offset)})
            answer = await self.answer(call, deadline=deadline, holds=(list_key, list), max_body=_MAX_LIST)
            return _Page(_items(answer.document, list_key, call), _count(answer.document), answer.asked)

        reading = _Reading()
        while not reading.is_over:
            offsets = [reading.received + number * PAGE for number in range(reading.ahead())]
            for got in await all_of([page(offset) for offset in offsets]):
                reading.take(got, key)
                if len(got.rows) != PAGE:
                    break  # what was asked for ahead of it begins at the wrong place
            if reading.repeats and (reading.pages[-1].count or 0) > len(reading.rows):
                raise shape_error(listing, "it repeats the same page and claims that there is more")
        return reading


def _items(answer: Attributes, list_key: str, call: Call) -> list[Attributes]:
    items: list[Attributes] = member(answer, list_key, list, call)
    if not all(isinstance(item, dict) for item in items):
        raise shape_error(call, f"{list_key!r} contains something that is not an object")
    return items


def _count(answer: Attributes) -> int | None:
    count = answer.get("count")
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None


def _viewed(kind: Kind, shown: Iterable[Attributes]) -> tuple[dict[str, Attributes], list[Attributes]]:
    """The objects of `kind` among those shown, by id, and what has no usable id."""
    found: dict[str, Attributes] = {}
    for item in shown:
        found.update(kind.wire.view(item))
    odd = [object_id for object_id in found if not is_object_id(object_id, kind)] if kind.relations.identity else []
    return found, [{**found.pop(object_id), "id": object_id} for object_id in odd]


def _id_shape(kind: Kind) -> str:
    fix = "Ids have letters, digits and dashes."
    return f"{fix} That of a {kind.noun} is {'/'.join(kind.relations.natural_key)}." if kind.relations.identity else fix


def _object_key(item: Attributes) -> str:
    return str(item["id"]) if is_id(item.get("id")) else ""
