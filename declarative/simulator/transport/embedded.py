"""An httpx transport straight onto a world: no socket, no server, the same answers and the same accidents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx

from declarative.simulator.protocol.faults import Kind
from declarative.simulator.protocol.strikes import Verdict
from declarative.simulator.protocol.wire import PIECES, Answer, Delivery, Request, pieces
from declarative.simulator.world import World


class EmbeddedTransport(httpx.AsyncBaseTransport):
    """Carries requests to `world`. `sleep` (seconds) waits where faults make requests, answers or bodies slow.

    Raises what httpx raises for a real connection: `httpx.ConnectError` if it was refused, and
    `httpx.RemoteProtocolError` if it ended without an answer or in the middle of one.
    """

    def __init__(self, world: World, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._world = world
        self._sleep = sleep
        self._under_way: set[asyncio.Future[Answer]] = set()  # the loop itself holds on to no task

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        await asyncio.sleep(0)  # a network would let others run here
        sent = _translated(request, body)
        verdict = self._world.judge(sent)
        if seconds := verdict.seconds(Kind.SLOW):
            answer = await self._slowly(sent, verdict, seconds)
        else:
            answer = self._world.handle(sent, verdict)
        if answer.late:
            await self._sleep(answer.late)
        match answer.delivery:
            case Delivery.REFUSED:
                raise httpx.ConnectError("Connection refused", request=request)
            case Delivery.DROPPED:
                raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
            case Delivery.CUT:
                stream: httpx.AsyncByteStream = _Cut(answer.body)
            case Delivery.DRIPPED:
                stream = _Dripped(answer.body, answer.seconds, self._sleep)
            case _:
                stream = httpx.ByteStream(answer.body)
        return httpx.Response(answer.status, headers=_headers(answer), stream=stream)

    async def _slowly(self, sent: Request, verdict: Verdict, seconds: float) -> Answer:
        """Carry out a request that is on its way so long; it arrives also if nobody waits for its answer any more."""

        async def arrive() -> Answer:
            try:
                await self._sleep(seconds)
            finally:
                answer = self._world.handle(sent, verdict)
            return answer

        arrival = asyncio.ensure_future(arrive())
        self._under_way.add(arrival)
        arrival.add_done_callback(self._under_way.discard)
        return await asyncio.shield(arrival)


def _translated(request: httpx.Request, body: bytes) -> Request:
    path, _, query = request.url.raw_path.partition(b"?")
    return Request(
        method=request.method,
        path=path.decode("ascii"),
        query=query.decode("ascii"),
        headers={key.lower().decode("latin-1"): value.decode("latin-1") for key, value in request.headers.raw},
        body=body,
        base_url=f"{request.url.scheme}://{request.url.netloc.decode('ascii')}",
    )


def _headers(answer: Answer) -> list[tuple[str, str]]:
    length = [] if answer.status == 204 else [("Content-Length", str(len(answer.body)))]
    return [*answer.headers, *length]


class _Cut(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        half = len(self._body) // 2
        yield self._body[:half]
        raise httpx.RemoteProtocolError(
            "peer closed connection without sending complete message body"
            f" (received {half} bytes, expected {len(self._body)})"
        )


class _Dripped(httpx.AsyncByteStream):
    def __init__(self, body: bytes, seconds: float, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._body = body
        self._seconds = seconds
        self._sleep = sleep

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in pieces(self._body):
            await self._sleep(self._seconds / PIECES)
            yield piece
