"""Accidents that the simulator itself doesn't know: single requests lost, answers rewritten, disks that are full."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from declarative.model import Stack
from declarative.state import Store
from declarative.state.disk import Files
from declarative.state.local import LocalStore
from declarative.state.shared import SharedStore
from declarative.workflow import backends, plans, reports, states
from declarative.workflow.project import Project

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


class LookKeeper(httpx.AsyncBaseTransport):
    """Notes in `stale` each call to an object that rests on a look older than `trust` seconds, or on none.

    A look counts from when its request leaves here. Looked at must be the object, and the group it was last seen in; of
    what a call makes, the group that its body names.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, stale: list[str], *, trust: float) -> None:
        self._inner = inner
        self._stale = stale
        self._trust = trust
        self._asked: dict[str, float] = {}
        self._groups: dict[str, str] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        now = asyncio.get_running_loop().time()
        _, _, _, *path = request.url.path.split("/")
        if request.method != "GET":
            self._judge(request, path, await request.aread(), now)
        response = await self._inner.handle_async_request(request)
        if request.method == "GET" and path[:1] != ["jobs"]:
            self._take(await response.aread(), now)
        return response

    def _take(self, body: bytes, now: float) -> None:
        try:
            answer = json.loads(body)
        except ValueError:
            return
        for shown in answer.values() if isinstance(answer, dict) else ():
            for one in shown if isinstance(shown, list) else [shown]:
                if isinstance(one, dict) and isinstance(one.get("id"), str):
                    self._asked[one["id"]] = max(now, self._asked.get(one["id"], now))
                    if isinstance(one.get("server_group_id"), str):
                        self._groups[one["id"]] = one["server_group_id"]

    def _judge(self, request: httpx.Request, path: Sequence[str], content: bytes, now: float) -> None:
        body = json.loads(content or b"{}")
        if len(path) > 1:
            touched = {path[1], self._groups.get(path[1], "")}
        else:
            touched = {str(one.get("server_group_id") or "") for one in body.values() if isinstance(one, dict)}
        for object_id in touched - {""}:
            age = now - self._asked.get(object_id, float("-inf"))
            if age > self._trust:
                self._stale.append(f"{request.method} {'/'.join(path)}: {object_id} was looked at {age:.1f} s before")


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


_OPENERS = (backends, plans, reports, states)  # the modules that open a store by this name


@contextlib.contextmanager
def stores_on(files: Files) -> Iterator[None]:
    """Within it, every store that is opened writes through `files`."""
    opened = backends.store_of

    def store_of(project: Project, stack: Stack, *, begins: str = "") -> Store:
        store = opened(project, stack, begins=begins)
        assert isinstance(store, LocalStore | SharedStore)
        return replace(store, files=files)

    try:
        for module in _OPENERS:
            vars(module)["store_of"] = store_of
        yield
    finally:
        for module in _OPENERS:
            vars(module)["store_of"] = opened
