"""An event loop whose time jumps to the next timer as soon as nothing else is to be done.

Deadlines, polls and grace periods then cost no real time, and one seed gives one and the same run. Work in threads
would be jumped over: code under test gets it through a port, and tests pass one that works in place.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_TICK = 1e-6  # seconds that each turn of the loop takes at least: what follows is later than what it follows


class NothingLeft(Exception):
    """All tasks wait for something that no timer and no descriptor will ever bring."""


class Leftovers(Exception):
    """The work has ended, but something of it goes on, or an error of it was never looked at."""


class _Jump(selectors.SelectSelector):
    """Never waits: when no descriptor is ready, the time that would have been waited has passed."""

    def __init__(self, advance: Callable[[float], None]) -> None:
        super().__init__()
        self._advance = advance

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if timeout is None and not ready:
            raise NothingLeft
        self._advance(0.0 if ready or timeout is None else timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """`start` is the time, in seconds, at which it begins. `complaints` holds what went wrong in the background."""

    def __init__(self, start: float = 0.0) -> None:
        self._virtual_now = start
        self.complaints: list[str] = []
        super().__init__(_Jump(self._pass))
        self.set_exception_handler(_note)

    def time(self) -> float:
        return self._virtual_now

    def _pass(self, seconds: float) -> None:
        self._virtual_now += max(seconds, _TICK)


def _note(loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    if isinstance(loop, VirtualLoop):
        loop.complaints.append(f"{context.get('message')}: {context.get('exception')!r}")


def run_virtual(
    work: Callable[[], Coroutine[Any, Any, T]], *, start: float = 0.0, at_end: Callable[[float], None] | None = None
) -> T:
    """Run `work` on a loop of its own and return its result; `at_end` gets the loop's last time, whatever happened.

    Raises Leftovers when tasks are still running once the work has ended well.
    """
    loop = VirtualLoop(start)
    try:
        main = loop.create_task(work())
        try:
            result = loop.run_until_complete(main)
        finally:
            # What has been woken already may still end by itself; what waits for time to pass is left over.
            for _ in range(3):
                loop.call_soon(loop.stop)
                loop.run_forever()
            left = [task for task in asyncio.all_tasks(loop) if task is not main]
            _cancel(loop, [*left, main])
        _complain(loop, left)
        return result
    finally:
        if at_end is not None:
            at_end(loop.time())
        loop.close()


def _cancel(loop: VirtualLoop, tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


def _complain(loop: VirtualLoop, left: list[asyncio.Task[Any]]) -> None:
    complaints = [*loop.complaints, *(f"still running: {task!r}" for task in left)]
    if complaints:
        raise Leftovers("\n".join(complaints))
