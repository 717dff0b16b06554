"""The cloud, as the rest of the program sees it: calls, reads, lists, jobs.

Deadlines are moments of `clock.monotonic()`, in seconds. Every method raises the `ProviderError` that fits:
`NotSent`, `Rejected` (with `NotFound` and `Unauthorized`), `EndpointError`, `OutcomeUnknown`.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from declarative.clock import Clock
from declarative.errors import NotFound, ProviderError, Rejected, Unauthorized, visible
from declarative.model import Action, Attributes, Binding, Call, Kind
from declarative.provider.access import Access
from declarative.provider.jobs import (
    FailedTask,
    Job,
    JobTimeout,
    JobUnknown,
    is_failure_of,
    read_failed_task,
    read_job,
)
from declarative.provider.polling import Pace
from declarative.provider.reading import is_id, is_job_id, is_object_id, member, shape_error
from declarative.provider.sending import Errand, Sender, encode, gone_codes
from declarative.provider.transport import Line

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

PAGE = 1000  # items of a list page; the most that the service gives
_PAGES_AHEAD = 32  # pages fetched at a time on the word of `count` alone
_MAX_LIST = 32 * 2**20  # bytes of a list page; a full one of groups has about 0.9 MB
_LOOK_PAUSE = 1.0  # seconds after a look that failed; doubled up to
_LOOK_PAUSE_CAP = 8.0
_UNKNOWN_LOOKS = 3
_UNKNOWN_PAUSE = 2.0  # seconds after the first look at an unknown job; the third comes when the grace is over
_UNKNOWN_JOB_CODES = frozenset({"SDRS.0408"})


class Slot:
    """The right to have one request in flight, from `Provider.slot`."""

    def __init__(self, sender: Sender, line: Line, *, max_body: int) -> None:
        self._sender = sender
        self._line = line
        self._max_body = max_body

    async def send(
        self, call: Call, *, deadline: float, leaves_by: float = math.inf, holds: tuple[str, type] | None = None
    ) -> Attributes:
        """Send `call` by `leaves_by`, and return the JSON object of the answer ({} when there is none) by `deadline`.

        A call that is not idempotent is sent again only when it provably had no effect: no connection was made, or
        the gateway turned it away. Any other loss is OutcomeUnknown, at once.
        """
        errand = Errand(call, encode(call.body), deadline, gone_codes(call), self._max_body, leaves_by, holds)
        return await self._sender.send(errand, self._line)


class Provider:
    """One project at one endpoint; use it as an async context manager.

    `parallelism`: requests in flight at most. `transport`: carries all requests instead of connections of our own,
    and is not closed. `max_body`: bytes read of an answer, but of a list page at least 32 MiB. `call_timeout`:
    seconds for one request and its answer, whatever the deadline. Raises UsageError when the proxy or certificate
    variables of the environment can't be used.
    """

    def __init__(
        self,
        access: Access,
        *,
        parallelism: int = 16,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
        max_body: int = 8 * 2**20,
        call_timeout: float = 60.0,
    ) -> None:
        self._access = access
        self._clock = clock
        self._max_body = max_body
        self._paces: dict[tuple[str, Action], Pace] = {}
        self._sender = Sender(
            access, parallelism=parallelism, clock=clock, transport=transport, call_timeout=call_timeout
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._sender.aclose()

    @property
    def binding(self) -> Binding:
        """Which cloud this is."""
        return self._access.binding

    @property
    def statistics(self) -> Counter[str]:
        """Requests made, by method and route, e.g. `GET server-groups/{id}`."""
        return Counter(self._sender.statistics)

    @property
    def requests(self) -> int:
        """All requests made, those that found no connection included."""
        return self._sender.statistics.total()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Slot]:
        """Wait for a send slot, and hold it: what is done inside can be sent without further waiting."""
        async with self._sender.line() as line:
            yield Slot(self._sender, line, max_body=self._max_body)

    async def send(self, call: Call, *, deadline: float) -> Attributes:
        """Like `Slot.send`, with a slot for each attempt; nothing is held between two."""
        return await self._send(call, deadline=deadline)

    async def get(self, kind: Kind, object_id: str, *, deadline: float) -> Attributes | None:
        """Read one object; None when the service itself says that there is none.

        An object that lives in another one is read with that one, and is as gone as its place there is empty.
        Raises EndpointError for a 404 that is empty or not of SDRS, and for another object than the one asked for.
        """
        if not is_object_id(object_id, kind):
            raise Rejected(f"{visible(object_id, limit=80)!r} is not an id", _id_shape(kind))
        read_id = kind.read_id(object_id)
        call = Call("GET", (kind.collection, read_id))
        try:
            answer = await self._send(call, deadline=deadline, holds=(kind.envelope, dict))
        except NotFound:
            return None
        found: Attributes = member(answer, kind.envelope, dict, call)
        if found.get("id") != read_id:
            raise shape_error(call, f"it has the id {visible(found.get('id'), limit=80)}")
        return _viewed(kind, [found], call).get(object_id)

    async def list(
        self, kind: Kind, *, query: Mapping[str, str] | None = None, deadline: float
    ) -> dict[str, Attributes]:
        """Read all objects of a kind, by id, in the service's order. `query`: filters, e.g. `{"status": "error"}`."""
        call, listed = await self._listed(kind, query or {}, deadline=deadline)
        return _viewed(kind, listed, call)

    async def list_views(self, kinds: Iterable[Kind], *, deadline: float) -> dict[str, dict[str, Attributes]]:
        """Read all objects of several kinds, by the kind's name and by id; kinds that share a list share its calls."""
        kinds = tuple(kinds)
        sources = {kind.collection: kind for kind in kinds}
        read = await _together([self._listed(kind, {}, deadline=deadline) for kind in sources.values()])
        lists = dict(zip(sources, read, strict=True))
        return {kind.name: _viewed(kind, lists[kind.collection][1], lists[kind.collection][0]) for kind in kinds}

    async def domains(self, *, deadline: float) -> tuple[Attributes, ...]:
        """Read the active-active domains, each with at least an `id`."""
        call = Call("GET", ("active-domains",))
        domains = member(await self._send(call, deadline=deadline, holds=("domains", list)), "domains", list, call)
        if not all(isinstance(domain, dict) and is_id(domain.get("id")) for domain in domains):
            raise shape_error(call, "a domain has no id")
        return tuple(domains)

    async def quotas(self, *, deadline: float) -> dict[str, Attributes]:
        """Read the quotas, by type: `used` and `quota` are numbers, -1 is unlimited."""
        call = Call("GET", ("sdrs", "quotas"))
        quotas = member(await self._send(call, deadline=deadline, holds=("quotas", dict)), "quotas", dict, call)
        resources = member(quotas, "resources", list, call)
        if not all(isinstance(entry, dict) and isinstance(entry.get("type"), str) for entry in resources):
            raise shape_error(call, "a quota has no type")
        return {entry["type"]: entry for entry in resources}

    async def failed_tasks(
        self, kind: Kind, *, name: str, failure_status: str, server_group_id: str = "", deadline: float
    ) -> tuple[FailedTask, ...]:
        """Read the failed tasks of exactly this resource name, e.g. with `failure_status` `createFail`.

        `server_group_id`: the group whose members' failures are asked for; without it the service tells only of
        groups made and deleted.
        """
        asked = {
            "failure_status": failure_status,
            "resource_name": name,
            "resource_type": kind.failure_type,
            "server_group_id": server_group_id,
        }
        call = Call("GET", ("task-center", "failure-jobs"), query={key: text for key, text in asked.items() if text})
        items = await self._pages(call, "failure_jobs", _task_key, deadline=deadline)
        return tuple(
            read_failed_task(item)
            for item in items.values()
            if is_failure_of(item, kind, name=name, failure_status=failure_status)
        )

    async def job(self, job_id: str, *, deadline: float) -> Job | None:
        """Look at a job once; None when the service does not know it."""
        if not is_job_id(job_id):
            raise Rejected(f"{visible(job_id, limit=80)!r} is not a job id", "Ids have letters, digits and dashes.")
        call = Call("GET", ("jobs", job_id))
        try:
            answer = await self._send(call, deadline=deadline, gone=_UNKNOWN_JOB_CODES)
        except NotFound:
            return None
        if answer.get("job_id", job_id) != job_id:
            raise shape_error(call, f"it is about job {visible(answer['job_id'], limit=80)}")
        member(answer, "status", str, call)
        return read_job(answer, job_id=job_id)

    async def wait(
        self,
        kind: Kind,
        action: Action,
        job_id: str,
        *,
        deadline: float,
        progress: Callable[[Job], None] | None = None,
        grace: float = 30.0,
    ) -> Job:
        """Wait until a job has ended, well or badly, and return it. `progress` gets every look.

        Looks that fail do not end the wait. Raises JobTimeout at the deadline, JobUnknown when three looks over
        `grace` seconds found no such job, and Unauthorized.
        """
        pace = self._paces.setdefault((kind.name, action), Pace(self._clock))
        ticket = pace.join()
        unknown, trouble = 0, ""
        try:
            while await pace.turn(ticket, deadline=deadline):
                look = await self._look(job_id, deadline=deadline)
                if isinstance(look, ProviderError):
                    trouble = look.summary
                    pace.put_off(ticket, min(max(ticket.pause * 2, _LOOK_PAUSE), _LOOK_PAUSE_CAP))
                    continue
                if look is None:
                    unknown += 1
                    if unknown == _UNKNOWN_LOOKS:
                        raise JobUnknown(job_id)
                    soon = min(_UNKNOWN_PAUSE, grace / 2)
                    pace.put_off(ticket, soon if unknown == 1 else grace - soon)
                    continue
                unknown, trouble = 0, ""
                if progress is not None:
                    progress(look)
                if look.ended:
                    pace.ended(ticket, seconds=look.seconds, succeeded=look.succeeded)
                    return look
                pace.running(ticket)
            raise JobTimeout(job_id, trouble)
        finally:
            pace.leave(ticket)

    async def _listed(
        self, kind: Kind, query: Mapping[str, str], *, deadline: float
    ) -> tuple[Call, tuple[Attributes, ...]]:
        """The list call, and what it gives, in the service's order, as the service shows it."""
        call = Call("GET", (kind.collection,), query=query)
        listed = await self._pages(call, kind.list_key, _object_key, deadline=deadline)
        return call, tuple(listed.values())

    async def _look(self, job_id: str, *, deadline: float) -> Job | ProviderError | None:
        """One look in which nothing but rejected credentials is an exception."""
        try:
            return await self.job(job_id, deadline=deadline)
        except Unauthorized:
            raise
        except ProviderError as error:
            return error

    async def _pages(
        self, listing: Call, list_key: str, key: Callable[[Attributes], str], *, deadline: float
    ) -> dict[str, Attributes]:
        """Read a list to its end, which is a page with fewer items than asked for; `count` is only a hint."""

        async def page(number: int) -> tuple[list[Attributes], int]:
            query = {**listing.query, "limit": str(PAGE), "offset": str(number * PAGE)}
            call = Call("GET", listing.path, query=query)
            most = max(self._max_body, _MAX_LIST)
            answer = await self._send(call, deadline=deadline, max_body=most, holds=(list_key, list))
            return _items(answer, list_key, call), _count(answer)

        found: dict[str, Attributes] = {}
        number, ahead = 0, 1
        while True:
            pages = await _together([page(number + index) for index in range(ahead)])
            before = len(found)
            for items, _ in pages:
                for item in items:
                    found[key(item)] = item
            if "" in found:
                raise shape_error(listing, "an item has no id")
            number += ahead
            if any(len(items) < PAGE for items, _ in pages):
                return found
            if len(found) == before:
                raise shape_error(listing, "it gives the same page again and again")
            ahead = min(max(-(-pages[-1][1] // PAGE) - number, 1), _PAGES_AHEAD)

    async def _send(
        self,
        call: Call,
        *,
        deadline: float,
        gone: frozenset[str] | None = None,
        max_body: int | None = None,
        holds: tuple[str, type] | None = None,
    ) -> Attributes:
        codes = gone_codes(call) if gone is None else gone
        errand = Errand(call, encode(call.body), deadline, codes, max_body or self._max_body, holds=holds)
        return await self._sender.send(errand)


def _items(answer: Attributes, list_key: str, call: Call) -> list[Attributes]:
    items: list[Attributes] = member(answer, list_key, list, call)
    if not all(isinstance(item, dict) for item in items):
        raise shape_error(call, f"{list_key!r} holds something that is no object")
    return items


def _count(answer: Attributes) -> int:
    count = answer.get("count")
    return count if isinstance(count, int) and not isinstance(count, bool) else 0


def _viewed(kind: Kind, shown: Iterable[Attributes], call: Call) -> dict[str, Attributes]:
    """The objects of `kind` among what a call has shown, by id. Raises EndpointError when one has no usable id."""
    found: dict[str, Attributes] = {}
    for item in shown:
        found.update(kind.view(item))
    if kind.identity and not all(is_object_id(object_id, kind) for object_id in found):
        raise shape_error(call, f"a {kind.noun} has no id")
    return found


def _id_shape(kind: Kind) -> str:
    fix = "Ids have letters, digits and dashes."
    return f"{fix} That of a {kind.noun} is {'/'.join(kind.natural_key)}." if kind.identity else fix


def _object_key(item: Attributes) -> str:
    return str(item["id"]) if is_id(item.get("id")) else ""


def _task_key(item: Attributes) -> str:
    parts = ("job_id", "resource_id", "resource_name", "failure_status", "begin_time")
    return "/".join(str(item.get(part)) for part in parts)


async def _together(work: list[Coroutine[None, None, T]]) -> list[T]:
    """Run all at once; the first error ends the others, and is raised as it is."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
