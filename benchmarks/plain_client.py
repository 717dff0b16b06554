"""The calls of an apply, made by plain `httpx.AsyncClient`s: what a script would take that does nothing else.

The process is this module, run with a number of groups, one of list calls, and of TLS contexts: `each` or `one`. The
cloud is in its environment, as it is for the command. It creates each group, looks at its job once, and lists all
groups from time to time, as an apply does. Nothing is checked, recorded, or sent a second time.

A client makes a TLS context unless it is given one, also for http: `each`. That is a sixth of what all clients take, so
the careful script shares `one`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from benchmarks.stack import group_fields

if TYPE_CHECKING:
    import httpx

_AT_ONCE = 16  # the command's usual --parallelism; one client each, because a shared pool costs more
_PAGE = 1000


def main() -> None:
    """Make the calls that the arguments ask for."""
    groups, lists, contexts = sys.argv[1:]
    asyncio.run(_make_calls(int(groups), int(lists), shares_context=contexts == "one"))


async def _make_calls(groups: int, lists: int, *, shares_context: bool) -> None:
    import httpx

    base, token = f"{os.environ['SDRS_ENDPOINT']}/v1/{os.environ['SDRS_PROJECT_ID']}/", os.environ["OS_AUTH_TOKEN"]
    verify = httpx.create_ssl_context() if shares_context else True
    limits = httpx.Limits(max_connections=1)
    async with AsyncExitStack() as stack:
        clients = [
            httpx.AsyncClient(base_url=base, headers={"X-Auth-Token": token}, verify=verify, limits=limits)
            for _ in range(_AT_ONCE)
        ]
        for client in clients:
            await stack.enter_async_context(client)
        await _get(clients[0], "sdrs/quotas")
        domain = (await _get(clients[0], "active-domains"))["domains"][0]["id"]
        if lists % 2:
            await _page(clients[0], 0)  # of an empty cloud, which is its last
        numbers = iter(range(groups))
        await asyncio.gather(*(_work(client, numbers, groups, lists // 2, domain) for client in clients))


async def _work(client: httpx.AsyncClient, numbers: Iterator[int], groups: int, lists: int, domain: str) -> None:
    """Create groups for as long as there are numbers, and read lists, spread evenly over all groups."""
    for number in numbers:
        answer = await client.post(
            "server-groups", json={"server_group": {**group_fields(number), "domain_id": domain}}
        )
        answer.raise_for_status()
        await _get(client, f"jobs/{answer.json()['job_id']}")
        for _ in range(number * lists // groups, (number + 1) * lists // groups):
            await _page(client, await _page(client, 0))


async def _page(client: httpx.AsyncClient, offset: int) -> int:
    """The number of rows of a page."""
    return len((await _get(client, "server-groups", limit=_PAGE, offset=offset))["server_groups"])


async def _get(client: httpx.AsyncClient, path: str, **query: int) -> dict[str, Any]:
    answer = await client.get(path, params=query)
    answer.raise_for_status()
    document: dict[str, Any] = answer.json()
    return document


if __name__ == "__main__":
    main()
