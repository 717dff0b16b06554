"""Accidents that the simulator itself doesn't know: single requests lost, answers rewritten, disks that are full."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from declarative import project as project_module
from declarative import workflow
from declarative.model import Stack
from declarative.project import Project
from declarative.state import Store
from declarative.state.files import Files
from declarative.state.local import LocalStore

Json = Any
CHANGING = ("POST", "PUT", "DELETE")
_METHODS = ("GET", *CHANGING)

# Each is asked in turn, so that a later one meets what the earlier ones left: about 5 % of all requests each.
FIFTH = (
    "* *:lost-before:p=0.05",
    "* *:lost-after:p=0.0526",
    "* *:status=429:p=0.0556",
    "* *:status=503:p=0.0294",
    "* *:status-after=503:p=0.0303",
)
HALF = (
    "* *:lost-before:p=0.12",
    "* *:lost-after:p=0.14",
    "* *:status=429:p=0.16",
    "* *:status=503:p=0.1",
    "* *:status-after=500:p=0.11",
)


class Loses(httpx.AsyncBaseTransport):
    """The n-th request is lost: on its way there, or its answer on the way back. The rest is carried.

    `methods`: only these are counted.
    """

    def __init__(
        self, inner: httpx.AsyncBaseTransport, *, number: int, after: bool, methods: Collection[str] = _METHODS
    ) -> None:
        self._inner = inner
        self._number = number
        self._after = after
        self._methods = methods
        self.seen = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.seen += request.method in self._methods
        if self.seen != self._number or request.method not in self._methods:
            return await self._inner.handle_async_request(request)
        if self._after:
            await self._inner.handle_async_request(request)
        raise httpx.ReadError("the connection was reset", request=request)


class Hooked(httpx.AsyncBaseTransport):
    """Calls `before` ahead of each request that is meant, and lets `answer` change what comes back.

    `meant`: a pattern for `METHOD path`, the path as it follows the project, e.g. `GET jobs/.+`. `first`: only so many.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        meant: str,
        *,
        before: Callable[[], object] = lambda: None,
        answer: Callable[[int, Json], tuple[int, Json]] = lambda status, body: (status, body),
        first: int = 10**9,
    ) -> None:
        self._inner = inner
        self._meant = re.compile(meant)
        self._before = before
        self._answer = answer
        self._left = first

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        line = f"{request.method} {request.url.path.split('/', 3)[3]}"
        if self._meant.fullmatch(line) is None or not self._left:
            return await self._inner.handle_async_request(request)
        self._left -= 1
        self._before()
        response = await self._inner.handle_async_request(request)
        body = await response.aread()
        status, document = self._answer(response.status_code, json.loads(body) if body else None)
        return httpx.Response(status, json=document)


def hooked(meant: str, **options: Any) -> Callable[[httpx.AsyncBaseTransport], Hooked]:
    """A wire with this hook; the hook's count goes on from run to run."""
    hooks: list[Hooked] = []

    def wire(inner: httpx.AsyncBaseTransport) -> Hooked:
        hook = Hooked(inner, meant, **options)
        if hooks:
            hook._left = hooks[-1]._left
        hooks.append(hook)
        return hook

    return wire


class FullDisk(Files):
    """From its `first` write to its `last`, counting from 1, there is no space; what takes none goes on.

    Half of what a failing write brings is written. `error` is what the system says.
    """

    def __init__(self, first: int, last: int = 10**9, *, error: int = errno.ENOSPC) -> None:
        self._first = first
        self._last = last
        self._error = error
        self.writes = 0

    def write(self, descriptor: int, data: bytes) -> None:
        self.writes += 1
        if self._first <= self.writes <= self._last:
            os.write(descriptor, data[: len(data) // 2])
            raise OSError(self._error, os.strerror(self._error))
        super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """No power is cut here."""

    def sync_folder(self, path: Path) -> None:
        """Likewise."""


class DyingDisk(Files):
    """From its `first` sync of a file to its `last`, counting from 1, the disk reports an error."""

    def __init__(self, first: int, last: int = 10**9) -> None:
        self._first = first
        self._last = last
        self.syncs = 0

    def sync(self, descriptor: int) -> None:
        self.syncs += 1
        if self._first <= self.syncs <= self._last:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


@contextlib.contextmanager
def stores_on(files: Files) -> Iterator[None]:
    """Within it, every store that is opened writes through `files`."""
    opened = project_module.store_of

    def store_of(project: Project, stack: Stack, *, begins: str = "") -> Store:
        store = opened(project, stack, begins=begins)
        assert isinstance(store, LocalStore)
        return replace(store, files=files)

    try:
        for module in (project_module, workflow):
            vars(module)["store_of"] = store_of
        yield
    finally:
        for module in (project_module, workflow):
            vars(module)["store_of"] = opened
