"""Signals: the first asks the run to end well, the second ends the process at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType
from typing import TypeAlias, TypeVar

T = TypeVar("T")
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_Act: TypeAlias = Callable[[int, FrameType | None], object]


def run_async(
    work: Callable[[asyncio.Event], Awaitable[T]],
    *,
    announce: Callable[[], None],
    leave: Callable[[int], None],
) -> T:
    """Run `work` in an event loop of its own and return what it returns.

    `work` gets the event that the first SIGINT, SIGTERM or SIGHUP sets; `announce` tells the person. A second one
    calls `leave` with 128 + its number, from wherever the process is. A signal that the parent has switched off
    (nohup) stays off.
    """

    async def whole() -> T:
        interrupt = asyncio.Event()
        loop = asyncio.get_running_loop()

        def begin_to_end() -> None:
            interrupt.set()
            announce()

        first = True

        def act(number: int, _frame: FrameType | None) -> None:
            nonlocal first
            if first:
                first = False
                loop.call_soon_threadsafe(begin_to_end)
            else:
                _flush()
                leave(128 + number)

        with _catching(act):
            return await work(interrupt)

    return asyncio.run(whole())


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """While a person is asked, any such signal ends the command at once: nothing has been begun."""
    with _catching(_stop):
        yield


def _stop(number: int, _frame: FrameType | None) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


@contextlib.contextmanager
def _catching(act: _Act) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in _ENDING}
    wanted = {number: old for number, old in before.items() if old is not signal.SIG_IGN}
    for number in wanted:
        signal.signal(number, act)
    try:
        yield
    finally:
        for number, old in wanted.items():
            signal.signal(number, old)


def _flush() -> None:
    """Hand over what is buffered; in the middle of a write that can't be, and the process leaves anyway."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            stream.flush()
