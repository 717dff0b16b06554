"""Tasks that belong together: when one fails, the others end too, and its error comes out as itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

T = TypeVar("T")


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
