"""Requests and answers on one connection."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

from declarative.provider.answers import KEPT_HEADERS, Reply

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, slots=True)
class Message:
    """A request, ready to be written. `target`: path and query. `connect_timeout`: seconds for TCP, and for TLS.

    `tries`: how often it has been sent, this time included. `secrets`: those in the body, which nothing may show.
    """

    method: str
    target: str
    headers: list[tuple[bytes, bytes]] = field(repr=False)
    body: bytes = field(repr=False)
    connect_timeout: float
    tries: int = 1
    secrets: tuple[bytes, ...] = field(default=(), repr=False)


class Unsent(Exception):
    """There was no connection: nothing of the message has left. The cause says more."""


class Broken(Exception):
    """The connection broke: the message may have left. The text is the name of what happened."""


class Carrier(Protocol):
    """Carries one exchange at a time to one place."""

    @property
    def is_spent(self) -> bool:
        """True when the other side has closed it, or may do so any moment."""

    async def exchange(self, message: Message, *, max_body: int) -> Reply:
        """Send a message and read its answer, up to `max_body` bytes. Raises Unsent and Broken."""

    async def aclose(self) -> None:
        """Close what is open."""


class Lent:
    """A carrier on an httpx transport of somebody else, who closes it. `origin`: scheme, host and port, as a URL."""

    is_spent = False

    def __init__(self, transport: httpx.AsyncBaseTransport, origin: str) -> None:
        self._transport = transport
        self._origin = origin

    async def exchange(self, message: Message, *, max_body: int) -> Reply:
        """As Carrier says."""
        import httpx

        request = httpx.Request(
            message.method,
            self._origin + message.target,
            headers=message.headers,
            stream=httpx.ByteStream(message.body),
            extensions={"timeout": {"connect": message.connect_timeout}},
        )
        try:
            response = await self._transport.handle_async_request(request)
            # The raw stream: a packed body stays packed, and can't grow in memory. An async transport's is async.
            stream = cast("httpx.AsyncByteStream", response.stream)
            try:
                return await read_reply(response.status_code, response.headers.raw, stream, max_body=max_body)
            finally:
                await stream.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            raise Unsent(str(error)) from error
        except httpx.RequestError as error:
            raise Broken(type(error).__name__) from error

    async def aclose(self) -> None:
        """Nothing: whoever lent the transport closes it."""


async def read_reply(
    status: int, headers: Iterable[tuple[bytes, bytes]], stream: AsyncIterable[bytes], *, max_body: int
) -> Reply:
    """Read an answer up to `max_body` bytes."""
    pieces: list[bytes] = []
    size = 0
    async for piece in stream:
        size += len(piece)
        if size > max_body:
            break
        pieces.append(piece)
    kept: dict[str, str] = {}
    for raw, value in headers:
        if (name := raw.lower().decode("latin-1")) in KEPT_HEADERS:
            text = value.decode("latin-1")
            kept[name] = f"{kept[name]}, {text}" if name in kept else text
    return Reply(status, b"".join(pieces), kept, cut=size > max_body)
