"""A connection of its own to the endpoint: httpcore's HTTP/1.1, TLS and proxies, on sockets of asyncio.

httpcore is what an httpx transport is made of. It is used directly because httpx parses and copies each URL, each list
of headers and each answer once more, and because its transports can't be given other sockets. Imports httpcore: import
it when a connection is made.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import httpcore

from declarative.provider.answers import Reply
from declarative.provider.sockets import Sockets
from declarative.provider.wire import Broken, Message, Unsent, read_reply

if TYPE_CHECKING:
    import httpx

_UNSENT = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout, httpcore.ProxyError)
_BROKEN = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
_PORTS = {"http": 80, "https": 443}


class Line:
    """A carrier on one connection to the scheme, host and port of `endpoint`.

    `keepalive`: seconds for which it may be idle and still be used again.
    """

    def __init__(self, endpoint: str, *, context: ssl.SSLContext, proxy: httpx.Proxy | None, keepalive: float) -> None:
        parts = urlsplit(endpoint)
        self._scheme = parts.scheme.encode("ascii")
        self._host = (parts.hostname or "").encode("ascii")
        self._port = parts.port or _PORTS[parts.scheme]
        self._connection: httpcore.AsyncHTTPConnection | httpcore.AsyncHTTPProxy
        if proxy is None:
            self._connection = httpcore.AsyncHTTPConnection(
                httpcore.Origin(self._scheme, self._host, self._port),
                ssl_context=context,
                keepalive_expiry=keepalive,
                network_backend=Sockets(),
            )
        else:
            self._connection = _proxied(proxy, context=context, keepalive=keepalive)

    @property
    def is_spent(self) -> bool:
        """As Carrier says. A proxy's connection looks after itself."""
        connection = self._connection
        return isinstance(connection, httpcore.AsyncHTTPConnection) and (
            connection.is_closed() or connection.has_expired()
        )

    async def exchange(self, message: Message, *, max_body: int) -> Reply:
        """As Carrier says."""
        request = httpcore.Request(
            message.method,
            httpcore.URL(scheme=self._scheme, host=self._host, port=self._port, target=message.target.encode("ascii")),
            headers=message.headers,
            content=message.body,
            extensions={"timeout": {"connect": message.connect_timeout}},
        )
        try:
            response = await self._connection.handle_async_request(request)
            try:
                stream = cast("AsyncIterable[bytes]", response.stream)  # an async connection's stream is async
                return await read_reply(response.status, response.headers, stream, max_body=max_body)
            finally:
                await response.aclose()
        except _UNSENT as error:
            raise Unsent(str(error)) from error
        except _BROKEN as error:
            raise Broken(type(error).__name__) from error

    async def aclose(self) -> None:
        """Close the connection."""
        await self._connection.aclose()


def _proxied(proxy: httpx.Proxy, *, context: ssl.SSLContext, keepalive: float) -> httpcore.AsyncHTTPProxy:
    url = httpcore.URL(
        scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=proxy.url.raw_path
    )
    return httpcore.AsyncHTTPProxy(
        proxy_url=url,
        proxy_auth=proxy.raw_auth,
        proxy_headers=proxy.headers.raw,
        proxy_ssl_context=proxy.ssl_context,
        ssl_context=context,
        max_connections=1,
        max_keepalive_connections=1,
        keepalive_expiry=keepalive,
        network_backend=Sockets(),
    )
