"""What it takes to record one change, and to apply and plan, where a state is shared.

PostgreSQL is a real one, if it is installed; the bucket is a strictly consistent one in a process of its own, so that
the CPU counted is the command's.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from declarative.model import Address, Put, Resource
from declarative.state import Holder, State, fold, fresh, open_store

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_APPENDS = 200
_HOLDER = Holder("bench", "bench", "here", os.getpid(), "bench", "now")


@contextlib.contextmanager
def places() -> Iterator[dict[str, tuple[str, Mapping[str, str]]]]:
    """Yield, by name, the address of each store that can be had here, and the variables that go with it."""
    from tests.scaffold import postgres_server

    with contextlib.ExitStack() as stack:
        found: dict[str, tuple[str, Mapping[str, str]]] = {"local": ("local:state", {})}
        if (postgres_server.BIN / "initdb").exists():
            server = stack.enter_context(postgres_server.postgres_server(fsync="on"))
            found["PostgreSQL"] = (server.address(server.new_database()), {})
        found["bucket"] = stack.enter_context(_bucket())
        yield found


@contextlib.contextmanager
def _bucket() -> Iterator[tuple[str, Mapping[str, str]]]:
    from tests.scaffold.s3_server import CREDENTIALS, address_of

    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve_bucket, args=(there,), daemon=True)
    process.start()
    try:
        yield address_of(here.recv()), CREDENTIALS
    finally:
        process.terminate()
        process.join()


def _serve_bucket(there: Connection) -> None:
    from tests.scaffold.s3_server import FakeS3, serve

    with serve(FakeS3()) as endpoint:
        there.send(endpoint)
        time.sleep(3600.0)


def seconds_of_an_append(address: str, environ: Mapping[str, str], folder: Path, objects: int) -> float:
    """Return the median of what one append takes that changes one object of so many. Time, not CPU: it is durable."""
    numbers = itertools.count()
    store = open_store(
        address,
        folder=folder / str(objects),
        environment="default",
        stack=f"bench-{objects}",
        marks=folder / "marks",
        uuid=lambda: f"uuid-{next(numbers)}",
        environ={"HOME": str(folder), **environ},
    )
    store.lock(_HOLDER, timeout=0.0, sleep=time.sleep)
    try:
        state = _of(objects, store.read())
        store.write(state, after=0)
        taken = []
        for number in range(_APPENDS):
            began = time.perf_counter()
            store.append([_put(number % objects, description=str(number))], after=state.serial + number)
            taken.append(time.perf_counter() - began)
        return statistics.median(taken)
    finally:
        store.unlock()


def _of(objects: int, empty: State) -> State:
    state = fresh(empty.lineage)
    for number in range(objects):
        fold(state, _put(number))
    state.serial = 1
    return state


def _put(number: int, *, description: str = "") -> Put:
    inputs = {"name": f"group-{number}", "description": description, "source_availability_zone": "eu-de-01"}
    return Put(Resource(Address("ProtectionGroup", "bench", str(number)), f"id-{number}", inputs, dict(inputs)))
