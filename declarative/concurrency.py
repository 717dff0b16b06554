"""Tasks that belong together: when one fails, the others end too; and what an interrupt leaves of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")

ANSWERS = 5.0  # seconds that requests under way get after a first interrupt


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group that raises its first error bare."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def all_of(work: Iterable[Coroutine[None, None, T]]) -> list[T]:
    """Run all and return their results in order."""
    async with together() as group:
        tasks = [group.create_task(one) for one in work]
    return [task.result() for task in tasks]


async def heard(work: asyncio.Future[Any], interrupt: asyncio.Event) -> bool:
    """Wait for `work`; an interrupt leaves it a few seconds to hear its answers. False when it is not done by then."""
    interrupted = asyncio.ensure_future(interrupt.wait())
    await asyncio.wait({work, interrupted}, return_when=asyncio.FIRST_COMPLETED)
    interrupted.cancel()
    if not work.done():
        await asyncio.wait({work}, timeout=ANSWERS)
    return work.done()
