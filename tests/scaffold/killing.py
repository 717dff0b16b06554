"""Ending a process at a chosen moment: every change of the disk and every request counts, the n-th is the last.

The process is a forked child of the test, which runs the real workflow on a world in a file, and dies of SIGKILL.
"""

from __future__ import annotations

import gc
import os
import signal
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from declarative import project as project_module
from declarative import workflow
from declarative.model import Stack
from declarative.project import Project
from declarative.state import Store
from declarative.state.files import Files
from declarative.state.local import LocalStore
from tests.scaffold.cloud import Site

_WENT_WRONG = 70


@dataclass
class Fuse:
    """Counts moments, from 1; at the `last` one the process ends."""

    last: int
    passed: int = 0
    names: list[str] = field(default_factory=list)

    def moment(self, name: str) -> None:
        """One more moment has come."""
        if self.burns():
            kill_now()
        self.names.append(name)

    def burns(self) -> bool:
        """Count one more moment, and say whether it is the last."""
        self.passed += 1
        return self.passed == self.last


def kill_now() -> None:
    """End this process, at once and for good."""
    os.kill(os.getpid(), signal.SIGKILL)


class FusedWire(httpx.AsyncBaseTransport):
    """A moment before each request reaches the world, and one after its effect, before its answer."""

    def __init__(self, inner: httpx.AsyncBaseTransport, fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._fuse.moment(f"before {request.method} {request.url.path}")
        response = await self._inner.handle_async_request(request)
        self._fuse.moment(f"after {request.method} {request.url.path}")
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
        if self._fuse.burns():
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


def run_fused(site: Site, act: Callable[[Site], object], *, last: int) -> bool:
    """Run `act` in a child that is killed at moment `last`. True when it lived to its end.

    Raises AssertionError with the child's traceback when it failed of itself.
    """
    site.close()
    report = site.folder / "child.txt"

    def work() -> None:
        fuse = Fuse(last)
        _fuse_stores(FusedFiles(fuse))
        with site.suffering(wire=lambda inner: FusedWire(inner, fuse), disk=_fused_disk(fuse)):
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
        fuse.moment("durable, not told")
        return result

    return disk


def _fuse_stores(files: Files) -> None:
    """Let every store that is opened from now on, in this process, write through `files`."""
    opened = project_module.store_of

    def store_of(project: Project, stack: Stack) -> Store:
        store = opened(project, stack)
        assert isinstance(store, LocalStore)
        return replace(store, files=files)

    project_module.store_of = store_of
    workflow.store_of = store_of
