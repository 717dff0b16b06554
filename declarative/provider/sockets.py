"""Sockets of asyncio for httpcore, in place of its own on anyio, which cost more than the rest of a call.

Imports httpcore: import it when a connection is made.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections.abc import Iterable
from typing import cast

import httpcore

_NEXT_ADDRESS = 0.25  # seconds until the next address of a host is tried beside the first (RFC 8305, section 5)
_MOST_UNREAD = 256 * 1024  # bytes that have come and were not read, until no more are taken from the socket


class Sockets(httpcore.AsyncNetworkBackend):
    """Opens connections. Raises httpcore's ConnectError and ConnectTimeout."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[object] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of `host` that answers. A local address or socket options are not served."""
        inbox = Inbox()
        try:
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().create_connection(
                    lambda: inbox, host, port, happy_eyeballs_delay=_NEXT_ADDRESS
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except (socket.gaierror, UnicodeError) as error:  # no such host, or a name that can't be one
            raise httpcore.ConnectError(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError("all connection attempts failed") from error
        return _Stream(inbox)


class Inbox(asyncio.Protocol):
    """What has come from the other side and was not read. One task at a time may wait for more."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.unread = bytearray()
        self.is_over = False
        self.error: Exception | None = None  # what it was that ended it
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.unread += data
        if len(self.unread) > _MOST_UNREAD:
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self.is_over = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_over, self.error = True, exc
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Until there is something to read, or the end."""
        if not self.unread and not self.is_over:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def take(self, max_bytes: int) -> bytes:
        """The next bytes; none at the end."""
        data = bytes(self.unread[:max_bytes])
        del self.unread[:max_bytes]
        if len(self.unread) <= _MOST_UNREAD:
            self.transport.resume_reading()
        return data


class _Stream(httpcore.AsyncNetworkStream):
    """One connection. What is written leaves with the next read: head and body of a request go in one piece."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._unsent: list[bytes] = []

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._unsent.append(buffer)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """At least one byte, or none when the other side sends no more. Raises ReadError and ReadTimeout."""
        self._send()
        try:
            async with asyncio.timeout(timeout):
                await self._inbox.wait()
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        data = self._inbox.take(max_bytes)
        if not data and self._inbox.error is not None:
            raise httpcore.ReadError(str(self._inbox.error)) from self._inbox.error
        return data

    def _send(self) -> None:
        """Hand over what was written. When the other side has hung up, what it said before is still to be read."""
        transport, data = self._inbox.transport, b"".join(self._unsent)
        self._unsent.clear()
        if data and not transport.is_closing():
            transport.write(data)

    async def aclose(self) -> None:
        self._inbox.transport.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Agree on TLS, and return this stream, which is encrypted from now on. Raises ConnectError, ConnectTimeout."""
        inbox = self._inbox
        try:
            async with asyncio.timeout(timeout):
                transport = await asyncio.get_running_loop().start_tls(
                    inbox.transport, inbox, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:  # those of TLS are among them
            raise httpcore.ConnectError(str(error)) from error
        if transport is None:
            raise httpcore.ConnectError("the other side closed the connection")
        inbox.transport = transport
        return self

    def get_extra_info(self, info: str) -> object:
        """Answer what httpcore asks: `ssl_object`, and `is_readable`: whether something, or the end, has come."""
        if info == "is_readable":
            inbox = self._inbox
            return bool(inbox.unread) or inbox.is_over or inbox.transport.is_closing() or _is_readable(inbox.transport)
        return self._inbox.transport.get_extra_info(info)


def _is_readable(transport: asyncio.Transport) -> bool:
    """Ask the system: what has come since the loop last looked has not been received yet."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return True  # it is being taken down
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))
