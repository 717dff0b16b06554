"""One request and its answer: on one host, with the user's credentials, within a deadline, and up to a size.

httpcore is used without an httpx client above it: nothing follows a redirect, keeps a cookie, reads ~/.netrc or
unpacks a body. Its own timeouts are for each read, so that a server that sends a byte now and then could hold a command
for ever; here every read and write also ends with the exchange's deadline.
"""

from __future__ import annotations

import base64
import hashlib
import math
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpcore

from declarative import __version__
from declarative.backoff import Backoff
from declarative.errors import StateError, visible
from declarative.provider.endpoint import DEFAULT_PORTS, is_loopback
from declarative.provider.proxies import http_proxy
from declarative.provider.secret import Secret

if TYPE_CHECKING:
    import httpx

LARGEST = 256 * 1024 * 1024  # bytes of a document; no file of the state may be larger either
_LARGEST_WORDS = 64 * 1024  # bytes of any other answer
_PIECE = 64 * 1024  # bytes written between two looks at the clock
_KEEPALIVE = 4.0  # seconds; servers close an idle connection after 5 s at the least
_UNSENT = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout, httpcore.ProxyError)
_LOST = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
TRIES = 3
PAUSES = Backoff(first=1.0, longest=30.0)


def may_pass(status: int) -> bool:
    """True for an answer after which the same request may succeed a moment later."""
    return status == 429 or (status >= 500 and status != 501)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds until a request counts as lost: to connect, for a document, and for what has none, such as a lock."""

    connect: float = 10.0
    document: float = 120.0
    words: float = 30.0


PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `headers`: names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Unsent(Exception):
    """The request has not left, in words for people. `fix` says what to do about it, "" for nothing in particular."""

    def __init__(self, reason: str, fix: str = "") -> None:
        super().__init__(reason)
        self.fix = fix


class Lost(Exception):
    """The request may have left, and no whole answer came."""


@dataclass(kw_only=True)
class Wire:
    """Requests to one origin. One at a time; the connection is kept for a few seconds."""

    origin: str
    shown: str
    username: str
    password: Secret
    context: ssl.SSLContext
    proxy: httpx.Proxy | None
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    patience: Patience = PATIENCE

    def __post_init__(self) -> None:
        parts = urlsplit(self.origin)
        self._scheme, self._host = parts.scheme.encode("ascii"), (parts.hostname or "").encode("ascii")
        self._port = parts.port or DEFAULT_PORTS[parts.scheme]
        self._headers = [
            (b"Host", parts.netloc.encode("ascii")),
            (b"Accept", b"*/*"),
            (b"Accept-Encoding", b"identity"),
            (b"User-Agent", f"declarative/{__version__}".encode("ascii")),
        ]
        self._timed = _Timed(self.monotonic)
        self._pool: httpcore.ConnectionPool | None = None

    def get(self, target: str) -> Answer:
        """Return the answer to a GET, tried again after what may pass. Raises StateError when there is none."""
        for number in range(1, TRIES + 1):
            try:
                answer = self.send("GET", target)
            except (Unsent, Lost) as error:
                if number == TRIES:
                    raise self.unreachable(error) from error
            else:
                if number == TRIES or not may_pass(answer.status):
                    return answer
            self.pause(number)
        raise AssertionError  # the last round returns or raises

    def send(self, method: str, target: str, body: bytes | None = None, *, small: bool = False) -> Answer:
        """Send one request, once, and return the answer. `small`: it carries and brings no document.

        Raises Unsent when it has not left, Lost when it may have, and StateError for an answer that is too large.
        """
        headers = [*self._headers, *self._authorization()]
        if body is not None:
            headers += [
                (b"Content-Type", b"application/json"),
                (b"Content-Length", b"%d" % len(body)),
                (b"Content-MD5", base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest())),
            ]
        url = httpcore.URL(scheme=self._scheme, host=self._host, port=self._port, target=target.encode("ascii"))
        self._timed.begin(self.patience.words if small else self.patience.document)
        timeout = {"timeout": {"connect": self.patience.connect}}
        try:
            with self._connections().stream(
                method, url, headers=headers, content=body or b"", extensions=timeout
            ) as response:
                found = {name.decode("latin-1").lower(): text.decode("latin-1") for name, text in response.headers}
                limit = LARGEST if method == "GET" and not small else _LARGEST_WORDS
                return Answer(response.status, self._body(response.iter_stream(), limit), found)
        except _UNSENT as error:
            raise _unsent(error) from error
        except _LOST as error:
            raise Lost(_reason(error)) from error

    def pause(self, number: int) -> None:
        """Wait after the try with this number, counted from 1."""
        self.sleep(PAUSES.nth(number))

    def unreachable(self, error: Unsent | Lost) -> StateError:
        """Return what a reader is told when no answer could be had."""
        fix = (
            error.fix
            if isinstance(error, Unsent) and error.fix
            else "Check the address and the network, then try again."
        )
        return StateError(f"no answer from the state's server at {self.shown}: {error}", fix)

    def close(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _body(self, pieces: Iterable[bytes], limit: int) -> bytes:
        found = bytearray()
        for piece in pieces:
            found += piece
            if len(found) > limit:
                raise StateError(
                    f"the server of {self.shown} sent more than {limit // 1024:,} KiB",
                    "Check that the address is that of a state.",
                )
        return bytes(found)

    def _authorization(self) -> list[tuple[bytes, bytes]]:
        if not self.username:
            return []
        pair = f"{self.username}:{self.password.reveal()}".encode()
        return [(b"Authorization", b"Basic " + base64.b64encode(pair))]

    def _connections(self) -> httpcore.ConnectionPool:
        if self._pool is None:
            proxy = self.proxy
            self._pool = httpcore.ConnectionPool(
                ssl_context=self.context,
                max_connections=1,
                keepalive_expiry=_KEEPALIVE,
                network_backend=self._timed,
                proxy=None
                if proxy is None
                else httpcore.Proxy(
                    httpcore.URL(
                        scheme=proxy.url.raw_scheme,
                        host=proxy.url.raw_host,
                        port=proxy.url.port,
                        target=proxy.url.raw_path,
                    ),
                    auth=proxy.raw_auth,
                ),
            )
        return self._pool


class _Timed(httpcore.NetworkBackend):
    """Sockets on which every wait ends with the exchange's deadline."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._sockets = httpcore.SyncBackend()
        self._monotonic = monotonic
        self._end = math.inf

    def begin(self, seconds: float) -> None:
        """Start the clock of one exchange."""
        self._end = self._monotonic() + seconds

    def left(self, timeout: float | None) -> float:
        """Return the seconds that a wait may last. Raises ReadTimeout at the end."""
        left = self._end - self._monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the deadline has passed")
        return left if timeout is None else min(left, timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[object] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._sockets.connect_tcp(host, port, self.left(timeout))  # the rest is never given
        return _TimedStream(stream, self)


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, clock: _Timed) -> None:
        self._stream = stream
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._clock.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _PIECE):
            self._stream.write(buffer[start : start + _PIECE], self._clock.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _TimedStream(
            self._stream.start_tls(ssl_context, server_hostname, self._clock.left(timeout)), self._clock
        )

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _reason(error: BaseException) -> str:
    if isinstance(error, httpcore.TimeoutException):
        return "no whole answer in time"
    return visible(error, limit=160) or type(error).__name__


def _unsent(error: BaseException) -> Unsent:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unsent(
                f"its certificate is not trusted: {visible(cause.verify_message, limit=160)}",
                "Set SSL_CERT_FILE to the file of your authority, or TF_HTTP_CLIENT_CA_CERTIFICATE_PEM to its text.",
            )
        cause = cause.__cause__ or cause.__context__
    return Unsent(f"no connection: {_reason(error)}")


def proxy_for(origin: str, environ: Mapping[str, str]) -> httpx.Proxy | None:
    """Return the proxy that HTTPS_PROXY or ALL_PROXY names and NO_PROXY doesn't except; none for loopback."""
    parts = urlsplit(origin)
    if is_loopback(parts.hostname or ""):
        return None
    url = _variable(environ, "https_proxy") or _variable(environ, "all_proxy")
    if not url or _is_direct(parts.hostname or "", _variable(environ, "no_proxy")):
        return None
    return http_proxy(url, scheme="https", whose="the host of the state")


def _variable(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.upper()) or ""


def _is_direct(host: str, exceptions: str) -> bool:
    """True for a host that NO_PROXY names, or a domain above it."""
    names = [name.strip().lower().lstrip(".") for name in exceptions.split(",")]
    return "*" in names or any(name and (host == name or host.endswith(f".{name}")) for name in names)
