"""Ending a process at a chosen moment: every change of the disk and every request counts, the n-th is the last.

The process is a forked child of the test, which runs the real workflow on a world in a file, and dies of SIGKILL.
"""

from __future__ import annotations

import gc
import os
import re
import signal
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from declarative.state.disk import Files
from tests.scaffold.accidents import stores_on
from tests.scaffold.cloud import Site

_WENT_WRONG = 70


@dataclass
class Fuse:
    """Counts moments, from 1; at the `last` one the process ends, or when those `at` have come in this order.

    A moment's name is e.g. `write`, `durable`, `before POST server-groups`; `at` has patterns for beginnings of names.
    """

    last: int = 0
    at: Sequence[str] = ()
    passed: int = 0

    def moment(self, name: str) -> None:
        """One more moment has come; perhaps it does not go by."""
        if self.burns(name):
            kill_now()

    def burns(self, name: str) -> bool:
        """Count one more moment, and say whether it is the last."""
        self.passed += 1
        if not self.at:
            return self.passed == self.last
        if re.match(self.at[0], name):
            self.at = self.at[1:]
            return not self.at
        return False


def kill_now() -> None:
    """End this process, at once and for good."""
    os.kill(os.getpid(), signal.SIGKILL)


class FusedWire(httpx.AsyncBaseTransport):
    """A moment before each request reaches the world, and one after its effect, before its answer."""

    def __init__(self, inner: httpx.AsyncBaseTransport, fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        line = f"{request.method} {request.url.path.split('/', 3)[3]}"
        self._fuse.moment(f"before {line}")
        response = await self._inner.handle_async_request(request)
        self._fuse.moment(f"after {line}")
        return response


class FusedFiles(Files):
    """A moment ahead of each change, one in the middle of each write, and one behind each that makes it last."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse

    def create(self, path: Path) -> int:
        self._fuse.moment("create")
        return super().create(path)

    def write(self, descriptor: int, data: bytes) -> None:
        self._fuse.moment("write")
        if self._fuse.burns("half written"):
            os.write(descriptor, data[: len(data) // 2])
            kill_now()
        super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """What is written outlives the process without a sync: tests kill processes, not machines."""
        self._fuse.moment("written")

    def sync_folder(self, path: Path) -> None:
        """Likewise."""

    def replace(self, source: Path, target: Path) -> None:
        self._fuse.moment("replace")
        super().replace(source, target)

    def remove(self, path: Path) -> None:
        if path.exists():
            self._fuse.moment("remove")
        super().remove(path)

    def truncate(self, descriptor: int, size: int) -> None:
        self._fuse.moment("truncate")
        super().truncate(descriptor, size)


def run_fused(site: Site, act: Callable[[Site], object], *, last: int = 0, at: Sequence[str] = ()) -> bool:
    """Run `act` in a child that is killed at moment `last`, or when the moments `at` have come. True when it lived.

    Raises AssertionError with the child's traceback when it failed of itself.
    """
    site.close()
    report = site.folder / "child.txt"

    def work() -> None:
        fuse = Fuse(last, at)
        with (
            stores_on(FusedFiles(fuse)),
            site.suffering(wire=lambda inner: FusedWire(inner, fuse), disk=_fused_disk(fuse)),
        ):
            act(site)

    lived = in_child(work, report=report)
    site.catch_up()
    return lived


def in_child(work: Callable[[], object], *, report: Path) -> bool:
    """Fork, run `work`, and return True when the child ended by itself, False when it was killed."""
    with warnings.catch_warnings():
        # The runner's own threads do nothing that the child would wait for.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        gc.disable()  # a collection would touch, and so copy, every page of the parent's memory
        code = _WENT_WRONG
        try:
            work()
            code = 0
        except BaseException:  # the child must never return into the test's own code
            report.write_text(traceback.format_exc())
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0, report.read_text()
    return True


def _fused_disk(fuse: Fuse) -> Callable[[Callable[[], object]], object]:
    async def disk(work: Callable[[], object]) -> object:
        result = work()
        fuse.moment("durable")
        return result

    return disk
