"""The cloud, as the rest of the program sees it: calls, reads, lists, jobs.

Deadlines are moments of `clock.monotonic()`, in seconds. Every method raises the `ProviderError` that fits:
`NotSent`, `Rejected` (with `NotFound` and `Unauthorized`), `EndpointError`, `OutcomeUnknown`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from declarative.backoff import Backoff
from declarative.clock import Clock
from declarative.errors import EndpointError, NotFound, ProviderError, Rejected, Unauthorized, visible
from declarative.model import Action, Attributes, Binding, Call, Kind
from declarative.provider.access import Access
from declarative.provider.answers import is_id, is_job_id, member, shape_error
from declarative.provider.exchanges import Hearing
from declarative.provider.jobs import (
    FailedTask,
    Job,
    JobTimeout,
    JobUnknown,
    JobUnreadable,
    is_failure_of,
    read_failed_task,
    read_job,
)
from declarative.provider.polling import Poller, WaitingJob
from declarative.provider.reads import Listing, Look, Reads
from declarative.provider.sending import Outgoing, Sender, encode, gone_codes
from declarative.provider.transport import Connection

if TYPE_CHECKING:
    import httpx

_FAILED_LOOKS = Backoff(first=1.0, longest=8.0)
_BLANK_LOOKS = 3  # at a job that is unknown, or can't be read, until that is believed
_BLANK_PAUSE = 2.0  # seconds after the first of these; the third comes when the grace is over
_UNKNOWN_JOB_CODES = frozenset({"SDRS.0408"})


class Slot:
    """The right to have one request in flight, from `Provider.slot`."""

    def __init__(
        self, sender: Sender, connection: Connection, *, reads: Callable[[Connection], Reads], max_body: int
    ) -> None:
        self._sender = sender
        self._connection = connection
        self._reads = reads(connection)
        self._max_body = max_body

    async def send(self, call: Call, *, deadline: float, leaves_by: float = math.inf) -> Attributes:
        """Send `call` by `leaves_by`, and return the JSON object of the answer ({} when there is none) by `deadline`.

        A call that is not idempotent is sent again only when it provably had no effect: no connection was made, or
        the gateway turned it away. Any other loss is OutcomeUnknown, at once.
        """
        outgoing = Outgoing(call, encode(call.body), deadline, gone_codes(call), self._max_body, leaves_by)
        return (await self._sender.send(outgoing, self._connection)).document

    async def look(self, kind: Kind, object_id: str, *, deadline: float) -> Look:
        """As `Provider.look`, in this slot."""
        return await self._reads.look(kind, object_id, deadline=deadline)

    async def listing(self, kind: Kind, *, deadline: float) -> Listing:
        """As `Provider.listing`, in this slot; a list that is shorter than its count says is not read again."""
        return await self._reads.listing(kind, patient=False, deadline=deadline)


class Provider:
    """One project at one endpoint; use it as an async context manager.

    `parallelism`: requests in flight at most. `transport`: carries all requests instead of connections of our own,
    and is not closed. `max_body`: bytes read of an answer, but of a list page at least 32 MiB. `call_timeout`:
    seconds for one request and its answer, whatever the deadline. `on_notice` is told what somebody should know of an
    answer: what, and what to do about it; `on_exchange` is told of every request, once it is over. Raises UsageError
    when the proxy or certificate variables of the environment can't be used.
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
        on_exchange: Hearing | None = None,
    ) -> None:
        self._access = access
        self._clock = clock
        self._max_body = max_body
        self._pollers: dict[tuple[str, Action], Poller] = {}
        self.on_notice: Callable[[str, str, str], None] = lambda finding_id, summary, fix: None
        self._sender = Sender(
            access,
            parallelism=parallelism,
            clock=clock,
            transport=transport,
            call_timeout=call_timeout,
            on_exchange=on_exchange,
        )
        self._sender.notice = self._tell
        self._reads = Reads(self._sender.send, clock=clock, max_body=max_body, notice=self._tell)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._sender.aclose()

    def _tell(self, finding_id: str, summary: str, fix: str) -> None:
        self.on_notice(finding_id, summary, fix)

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

    async def rest(self) -> None:
        """Close all connections, after the last call for now; a later one opens a new connection."""
        await self._sender.aclose()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Slot]:
        """Wait for a send slot, and hold it: what is done inside can be sent without further waiting."""
        connection = await self._sender.take()
        try:
            yield Slot(self._sender, connection, reads=self._reads_on, max_body=self._max_body)
        finally:
            self._sender.give_back(connection)

    def _reads_on(self, connection: Connection) -> Reads:
        return Reads(
            lambda outgoing: self._sender.send(outgoing, connection),
            clock=self._clock,
            max_body=self._max_body,
            notice=self._tell,
        )

    async def send(self, call: Call, *, deadline: float) -> Attributes:
        """Like `Slot.send`, with a slot for each attempt; nothing is held between two."""
        return (await self._reads.answer(call, deadline=deadline)).document

    async def look(self, kind: Kind, object_id: str, *, deadline: float) -> Look:
        """Read one object, and say when it was asked for.

        An object that lives in another one is read with that one, and is as gone as its place there is empty.
        Raises EndpointError for a 404 that is empty or not of SDRS, and for another object than the one asked for.
        """
        return await self._reads.look(kind, object_id, deadline=deadline)

    async def get(self, kind: Kind, object_id: str, *, deadline: float) -> Attributes | None:
        """Read one object; None when the service itself says that there is none. Raises as `look` does."""
        return (await self._reads.look(kind, object_id, deadline=deadline)).shown

    async def listing(self, kind: Kind, *, query: Mapping[str, str] | None = None, deadline: float) -> Listing:
        """Read all objects of a kind. `query`: filters, e.g. `{"status": "error"}`."""
        return await self._reads.listing(kind, query=query, deadline=deadline)

    async def listings(self, kinds: Iterable[Kind], *, deadline: float) -> dict[str, Listing]:
        """Read all objects of several kinds, by the kind's name; kinds that share a list share its calls."""
        return await self._reads.listings(kinds, deadline=deadline)

    async def glance(self, kind: Kind, *, deadline: float) -> None:
        """Read one row of a kind's list, only to see whether the service answers."""
        call = Call("GET", (kind.wire.collection,), query={"limit": "1", "offset": "0"})
        answer = await self._reads.answer(call, deadline=deadline, holds=(kind.wire.list_key, list))
        member(answer.document, kind.wire.list_key, list, call)

    async def domains(self, *, deadline: float) -> tuple[Attributes, ...]:
        """Read the active-active domains, each with at least an `id`."""
        call = Call("GET", ("active-domains",))
        answer = await self._reads.answer(call, deadline=deadline, holds=("domains", list))
        domains = member(answer.document, "domains", list, call)
        if not all(isinstance(domain, dict) and is_id(domain.get("id")) for domain in domains):
            raise shape_error(call, "a domain has no id")
        return tuple(domains)

    async def quotas(self, *, deadline: float) -> dict[str, Attributes]:
        """Read the quotas, by type: `used` and `quota` are numbers, -1 is unlimited."""
        call = Call("GET", ("sdrs", "quotas"))
        answer = await self._reads.answer(call, deadline=deadline, holds=("quotas", dict))
        quotas = member(answer.document, "quotas", dict, call)
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
            "resource_type": kind.wire.failure_type,
            "server_group_id": server_group_id,
        }
        call = Call("GET", ("task-center", "failure-jobs"), query={key: text for key, text in asked.items() if text})
        tasks = await self._reads.rows(call, "failure_jobs", key=_task_key, patient=False, deadline=deadline)
        return tuple(
            read_failed_task(item)
            for item in tasks.objects.values()
            if is_failure_of(item, kind, name=name, failure_status=failure_status)
        )

    async def job(self, job_id: str, *, deadline: float) -> Job | None:
        """Look at a job once; None when the service does not know it."""
        if not is_job_id(job_id):
            raise Rejected(f"'{visible(job_id, limit=80)}' is not a job id", "Ids have letters, digits and dashes.")
        call = Call("GET", ("jobs", job_id))
        try:
            answer = (await self._reads.answer(call, deadline=deadline, gone=_UNKNOWN_JOB_CODES)).document
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

        Looks that fail in passing do not end the wait. Raises JobTimeout at the deadline, JobUnknown when three looks
        over `grace` seconds found no such job, JobUnreadable when as many were refused or answered with something else
        than a job, and Unauthorized.
        """
        poller = self._pollers.setdefault((kind.name, action), Poller(self._clock))
        waiting_job = poller.join()
        blanks, trouble = _Blanks(poller, waiting_job, grace), ""
        try:
            while await poller.turn(waiting_job, deadline=deadline):
                look = await self._look(job_id, deadline=deadline)
                if look is None or isinstance(look, EndpointError | Rejected):
                    blanks.another(job_id, look)
                    continue
                if isinstance(look, ProviderError):
                    trouble = look.summary
                    poller.put_off(waiting_job, _FAILED_LOOKS.after(waiting_job.pause))
                    continue
                blanks.number, trouble = 0, ""
                if progress is not None:
                    progress(look)
                if look.ended:
                    poller.ended(waiting_job, seconds=look.seconds, succeeded=look.succeeded)
                    return look
                poller.running(waiting_job)
            raise JobTimeout(job_id, trouble)
        finally:
            poller.leave(waiting_job)

    async def _look(self, job_id: str, *, deadline: float) -> Job | ProviderError | None:
        """One look in which nothing but rejected credentials is an exception."""
        try:
            return await self.job(job_id, deadline=deadline)
        except Unauthorized:
            raise
        except ProviderError as error:
            return error


class _Blanks:
    """Looks at one job, in a row, that told nothing of it and are no passing trouble."""

    def __init__(self, poller: Poller, waiting_job: WaitingJob, grace: float) -> None:
        self.number = 0
        self._poller = poller
        self._waiting_job = waiting_job
        self._grace = grace

    def another(self, job_id: str, error: ProviderError | None) -> None:
        """One more: `error`, or None for a job that the service doesn't know. Raises when that is enough."""
        self.number += 1
        if self.number == _BLANK_LOOKS:
            raise JobUnknown(job_id) if error is None else JobUnreadable(job_id, error)
        soon = min(_BLANK_PAUSE, self._grace / 2)
        self._poller.put_off(self._waiting_job, soon if self.number == 1 else self._grace - soon)


def _task_key(item: Attributes) -> str:
    parts = ("job_id", "resource_id", "resource_name", "failure_status", "begin_time")
    return "/".join(str(item.get(part)) for part in parts)
