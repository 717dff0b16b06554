"""Send slots, each with a connection of its own, and the limit on how many are in use.

One connection per slot, because a shared pool costs more the more requests wait, and its cancelled requests can
block it for good. A slot's transport is used directly, not through an httpx client: nothing follows a redirect,
keeps a cookie, unpacks a body or logs a URL, and a call costs a third less.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, urlencode, urlsplit

from declarative import __version__
from declarative.clock import Clock
from declarative.errors import NotSent, OutcomeUnknown, UsageError, visible
from declarative.model import Call
from declarative.provider.access import Access, is_loopback
from declarative.provider.answers import Again, Failure, Reply, request_line, verb

if TYPE_CHECKING:
    import ssl

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

    What ends early (a cancelled call, an error, a body over the cap) takes its connection with it.
    """

    def __init__(self, connect: Callable[[], httpx.AsyncBaseTransport], *, owned: bool) -> None:
        self._connect = connect
        self._owned = owned
        self._transport: httpx.AsyncBaseTransport | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def exchange(self, request: httpx.Request, *, max_body: int) -> Reply:
        """Send `request` and read the answer up to `max_body` bytes. Raises what httpx transports raise."""
        if self._transport is None:
            self._transport = self._connect()
        whole = False
        try:
            reply = await _exchange(self._transport, request, max_body=max_body)
            whole = not reply.cut
            return reply
        finally:
            if not whole:
                self.drop()

    async def aclose(self) -> None:
        """Close the connection, unless it came from outside."""
        self.drop()
        await asyncio.gather(*self._closing, return_exceptions=True)

    def drop(self) -> None:
        """Let go of the connection; the next exchange makes a new one."""
        transport, self._transport = self._transport, None
        if self._owned and transport is not None:
            # In a task of its own: the call that ended early may be cancelled a second time.
            task = asyncio.create_task(transport.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _exchange(transport: httpx.AsyncBaseTransport, request: httpx.Request, *, max_body: int) -> Reply:
    response = await transport.handle_async_request(request)
    # The raw stream: a packed body stays packed, and can't grow in memory. An async transport's stream is async.
    stream = cast("httpx.AsyncByteStream", response.stream)
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in stream:
            size += len(piece)
            if size > max_body:
                break
            pieces.append(piece)
    finally:
        await stream.aclose()
    headers = response.headers
    return Reply(
        response.status_code,
        b"".join(pieces),
        retry_after=headers.get("retry-after", ""),
        encoding=headers.get("content-encoding", "").lower(),
        cut=size > max_body,
    )


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
        """Let the next one have the connection. The one used last goes out first: its connection is the warmest."""
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


class Requests:
    """Makes the requests of one access: URL, headers and body."""

    def __init__(self, access: Access) -> None:
        import httpx

        self._httpx = httpx
        self._root = f"{access.endpoint}/v1/{access.project_id}/"
        self._headers = [
            (b"Host", urlsplit(access.endpoint).netloc.encode("ascii")),
            (b"Accept", b"application/json"),
            (b"Accept-Encoding", b"identity"),
            (b"User-Agent", f"declarative/{__version__}".encode("ascii")),
            (b"X-Language", b"en-us"),
            (b"X-Auth-Token", access.token.reveal().encode("ascii")),
        ]

    def make(self, call: Call, body: bytes | None, *, timeout: float) -> httpx.Request:
        """The request for `call`. `timeout`: seconds that the whole exchange may take."""
        url = self._root + "/".join(quote(segment, safe="") for segment in call.path)
        if call.query:
            url = f"{url}?{urlencode(call.query)}"
        headers = self._headers
        if body is not None:
            headers = [*headers, (b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(body))]
        elif call.method in ("POST", "PUT"):
            headers = [*headers, (b"Content-Length", b"0")]
        return self._httpx.Request(
            call.method,
            url,
            headers=headers,
            stream=self._httpx.ByteStream(body or b""),
            extensions={"timeout": {"connect": min(_CONNECT_TIMEOUT, timeout * _CONNECT_SHARE)}},
        )

    def failure(self, error: httpx.RequestError, call: Call) -> Failure:
        """What a broken exchange means for `call`. The error's own text is shown only where it can't hold a secret."""
        httpx = self._httpx
        unsent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
        if isinstance(error, unsent):
            return _unsent(error, call, host=urlsplit(self._root).netloc)
        return unanswered(call, type(error).__name__)


def _unsent(error: Exception, call: Call, *, host: str) -> Failure:
    reason = visible(error, limit=160) or type(error).__name__
    summary = f"{verb(call)} not sent: no connection to {host}: {reason}"
    fix = "Check the endpoint, the network and the proxy variables."
    again = Again.UNSENT
    causes = tuple(_causes(error))
    if _is_untrusted(causes):
        fix = "The certificate is not trusted: set SSL_CERT_FILE to the file of your authority."
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


def connector(access: Access) -> Callable[[], httpx.AsyncBaseTransport]:
    """Return what opens a new single-connection transport to the endpoint; all share one TLS context.

    Proxies and NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR come from the process's environment; loopback is never
    proxied. Raises UsageError when one of them can't be used.
    """
    import httpx

    proxy = _proxy(access.endpoint)
    context = _tls_context(access.endpoint)
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEEPALIVE)

    def connect() -> httpx.AsyncBaseTransport:
        return httpx.AsyncHTTPTransport(verify=context, limits=limits, proxy=proxy)

    return connect


def _tls_context(endpoint: str) -> ssl.SSLContext:
    import ssl

    import httpx

    if endpoint.startswith("http://"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used; a full one takes 20 ms
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        raise UsageError(
            "the certificates named by SSL_CERT_FILE or SSL_CERT_DIR can't be read",
            "Name a file of PEM certificates, or unset both.",
        ) from error


def _proxy(endpoint: str) -> httpx.Proxy | None:
    from urllib.request import getproxies, proxy_bypass

    import httpx

    parts = urlsplit(endpoint)
    if is_loopback(parts.hostname or "") or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    url = proxies.get(parts.scheme) or proxies.get("all")
    if not url:
        return None
    wrong = UsageError(
        f"the proxy variable for {parts.scheme} is not the URL of an HTTP proxy",
        "Write http://HOST:PORT, or name the endpoint's host in NO_PROXY.",
    )
    try:
        proxy = httpx.Proxy(url if "://" in url else f"http://{url}")
    except (httpx.InvalidURL, ValueError) as error:
        raise wrong from error
    if proxy.url.scheme not in ("http", "https"):
        raise wrong
    return proxy
