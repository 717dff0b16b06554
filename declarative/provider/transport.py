"""Send slots, each with a connection of its own, and the limit on how many are in use.

One connection per slot, because a shared pool costs more the more requests wait, and its cancelled requests can
block it for good. No httpx client is above it: nothing follows a redirect, keeps a cookie, unpacks a body or logs a
URL. What a call costs on which way is in docs/decisions/0003.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from declarative import __version__
from declarative.clock import Clock
from declarative.errors import NotSent, OutcomeUnknown, visible
from declarative.model import Call
from declarative.provider.access import Access
from declarative.provider.answers import Again, Failure, Reply, request_line, verb
from declarative.provider.endpoint import is_loopback
from declarative.provider.exchanges import Recorder
from declarative.provider.masking import masked
from declarative.provider.proxies import http_proxy
from declarative.provider.tls import Tls
from declarative.provider.wire import Carrier, Lent, Message, Unsent

if TYPE_CHECKING:
    import httpx

# A server that closes an idle connection just as a request leaves makes the outcome of that request unknown. So a
# connection that has been idle for longer than this is not used again: servers wait 5 s at the least.
_KEEPALIVE = 4.0
_CONNECT_TIMEOUT = 10.0  # seconds, and never more than this part of the whole call: TCP and TLS have it each
_CONNECT_SHARE = 0.4
_SHORTEST_PAUSE = 0.001  # seconds
_NO_FILES = frozenset({errno.EMFILE, errno.ENFILE})
_QUIET_WINDOW = 1.0  # seconds without a 429 after which one more call may be in flight


class Connection:
    """One send slot's connection; it carries one exchange at a time.

    What ends early (a cancelled call, an error, a body over the cap) takes its carrier with it.
    """

    def __init__(self, connect: Callable[[], Carrier], recorder: Recorder | None = None) -> None:
        self._connect = connect
        self._recorder = recorder
        self._carrier: Carrier | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def exchange(self, message: Message, *, max_body: int) -> Reply:
        """Send `message` and read the answer, without the secrets of the message, up to `max_body` bytes.

        Raises Unsent and Broken.
        """
        exchange = self._exchange(message, max_body=max_body)
        return await (self._recorder.recorded(message, exchange) if self._recorder is not None else exchange)

    async def _exchange(self, message: Message, *, max_body: int) -> Reply:
        if self._carrier is not None and self._carrier.is_spent:
            self.drop()
        if self._carrier is None:
            self._carrier = self._connect()
        whole = False
        try:
            reply = await self._carrier.exchange(message, max_body=max_body)
            whole = not reply.cut
            return masked(reply, message)
        finally:
            if not whole:
                self.drop()

    async def aclose(self) -> None:
        """Close the connection."""
        self.drop()
        await asyncio.gather(*self._closing, return_exceptions=True)

    def drop(self) -> None:
        """Drop the connection; the next exchange opens a new one."""
        carrier, self._carrier = self._carrier, None
        if carrier is not None:
            # In a task of its own: the call that ended early may be cancelled a second time.
            task = asyncio.create_task(carrier.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


class Limiter:
    """Hands out connections, first come, first served, to as many at a time as the limit allows.

    The limit starts at `len(connections)`, is halved by a 429 (once for all calls that were on their way together) and
    grows again by one with every quiet second, up to the ceiling: `len(connections)`, or what the system has files for.
    """

    def __init__(self, connections: list[Connection], *, clock: Clock) -> None:
        self._connections = tuple(connections)
        self._free = list(connections)
        self._clock = clock
        self._limit = self._ceiling = len(connections)
        self._changed = 0.0
        self._not_before = 0.0
        self._waiting: deque[asyncio.Future[Connection]] = deque()

    def take_now(self) -> Connection | None:
        """Return a connection if one may be taken without waiting."""
        return self._free.pop() if not self._waiting and self._may_take() else None

    async def take(self) -> Connection:
        """Return a connection, to be given back; waits for as long as none may be taken."""
        connection = self.take_now()
        if connection is not None:
            return connection
        waiter: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._wake()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.give_back(waiter.result())
            raise

    def give_back(self, connection: Connection) -> None:
        """Give the connection back. The one used last goes out first: its connection is the warmest."""
        self._free.append(connection)
        self._wake()

    def throttled(self, *, began: float, pause: float) -> None:
        """A call that began at `began` (monotonic) was turned away: nobody sends for `pause` s, then half as many."""
        now = self._clock.monotonic()
        self._not_before = max(self._not_before, now + pause)
        if began >= self._changed:
            self._limit = max(1, self._limit // 2)
        self._changed = now

    def lower(self) -> None:
        """For one that could not be connected: use one less than are in use now, for good."""
        in_use = len(self._connections) - len(self._free)
        self._ceiling = max(1, min(self._ceiling, in_use) - 1)
        self._limit = min(self._limit, self._ceiling)
        for connection in self._free:
            connection.drop()

    def pause(self) -> float:
        """Seconds for which nothing may be sent; 0 when it is less than a sleep may end early."""
        left = self._not_before - self._clock.monotonic()
        return left if left > _SHORTEST_PAUSE else 0.0

    async def aclose(self) -> None:
        """Close every connection."""
        for connection in self._connections:
            await connection.aclose()

    def _may_take(self) -> bool:
        if self._limit < self._ceiling:
            self._grow()
        return len(self._connections) - len(self._free) < self._limit and bool(self._free)

    def _grow(self) -> None:
        quiet = int((self._clock.monotonic() - self._changed) / _QUIET_WINDOW)
        if quiet > 0:
            self._limit = min(self._ceiling, self._limit + quiet)
            self._changed += quiet * _QUIET_WINDOW

    def _wake(self) -> None:
        while self._waiting and self._may_take():
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(self._free.pop())


class Messages:
    """Makes the messages of one access: path, headers, what authorizes them, and body."""

    def __init__(self, access: Access) -> None:
        parts = urlsplit(access.endpoint)
        self._root = f"{parts.path}/v1/{access.project_id}/"
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._authorization = access.authorization
        self._headers = [
            (b"Host", parts.netloc.encode("ascii")),
            (b"Accept", b"application/json"),
            (b"Accept-Encoding", b"identity"),
            (b"User-Agent", f"declarative/{__version__}".encode("ascii")),
            (b"X-Language", b"en-us"),
        ]

    def make(self, call: Call, body: bytes | None, *, timeout: float, tries: int = 1) -> Message:
        """The message for `call`. `timeout`: seconds that the whole exchange may take."""
        target = self._root + "/".join(quote(segment, safe="") for segment in call.path)
        if call.query:
            target = f"{target}?{urlencode(call.query, quote_via=quote)}"
        headers = self._headers
        if body is not None:
            headers = [*headers, (b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(body))]
        elif call.method in ("POST", "PUT"):
            headers = [*headers, (b"Content-Length", b"0")]
        more = self._authorization.headers(call.method, self._origin + target, headers, body or b"")
        connect_timeout = min(_CONNECT_TIMEOUT, timeout * _CONNECT_SHARE)
        return Message(call.method, target, [*headers, *more], body or b"", connect_timeout, tries)


def unsent(error: Unsent, call: Call, *, host: str) -> Failure:
    """The request has not left. The error's own text can't hold a secret."""
    reason = visible(error, limit=160) or type(error.__cause__).__name__
    summary = f"{verb(call)} not sent: no connection to {host}: {reason}"
    fix = "Check the endpoint, the network and the proxy variables."
    again = Again.UNSENT
    causes = tuple(_causes(error))
    if _is_untrusted(causes):
        fix = "The certificate is not trusted. Set OS_CACERT or SSL_CERT_FILE to your authority's certificate file."
        again = Again.NEVER
    elif any(isinstance(cause, OSError) and cause.errno in _NO_FILES for cause in causes):
        again = Again.NO_FILES
    return Failure(NotSent(summary, fix, request=request_line(call)), again)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and all that has led to it."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        if isinstance(cause, BaseExceptionGroup):
            yield from cause.exceptions
        cause = cause.__cause__ or cause.__context__


def _is_untrusted(causes: Iterable[BaseException]) -> bool:
    import ssl

    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes)


def unanswered(call: Call, reason: str, *, cls: type[OutcomeUnknown] = OutcomeUnknown) -> Failure:
    """The request left, and no whole answer came."""
    error = cls(f"no answer to the {verb(call)}: {reason}", request=request_line(call))
    return Failure(error, Again.TRANSIENT)


def connector(endpoint: str, tls: Tls) -> Callable[[], Carrier]:
    """Return what opens a new connection to the endpoint; all share one TLS context.

    Proxies and NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR come from the process's environment; loopback is never
    proxied. Raises UsageError when one of them, or a file that `tls` names, can't be used.
    """
    from declarative.provider.line import Line

    proxy = _proxy(endpoint)
    context = tls.context(endpoint)
    return lambda: Line(endpoint, context=context, proxy=proxy, keepalive=_KEEPALIVE)


def lent(endpoint: str, transport: httpx.AsyncBaseTransport) -> Callable[[], Carrier]:
    """Return what carries everything on a transport of somebody else, who closes it."""
    parts = urlsplit(endpoint)
    carrier = Lent(transport, f"{parts.scheme}://{parts.netloc}")
    return lambda: carrier


def _proxy(endpoint: str) -> httpx.Proxy | None:
    parts = urlsplit(endpoint)
    if is_loopback(parts.hostname or ""):
        return None
    from urllib.request import getproxies, proxy_bypass

    if proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    url = proxies.get(parts.scheme) or proxies.get("all")
    return http_proxy(url, scheme=parts.scheme, whose="the endpoint's host") if url else None
