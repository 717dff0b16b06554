"""A run in a process of its own: `python -m tests.scaffold.store_worker ADDRESS MACHINE NAME ROUNDS APPENDS`.

Each round takes the lock, finds nobody else inside, adds one to a counter so many times, and gives the lock back.
Rounds 0: it locks, appends, prints `ready`, and appends once more as soon as a line comes.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from pathlib import Path

from declarative.errors import StateError
from declarative.model import Address, Put, Resource
from declarative.state import Holder, Store
from tests.scaffold.shared_places import Place


def put(name: str) -> Put:
    return Put(Resource(Address("ProtectionGroup", name), f"id-{name}", {"name": name}))


COUNTER = Address("ProtectionGroup", "counter")


def counted(number: int) -> Put:
    return Put(Resource(COUNTER, "id-counter", {"count": number}))


def lock(store: Store, name: str) -> None:
    holder = Holder(str(uuid.uuid4()), name, "here", os.getpid(), "apply", "2026-01-02T03:04:05Z")
    # Counted in the pauses as asked for: an hour of them would be six minutes here, less than a night's proof takes.
    store.lock(holder, timeout=36_000.0, sleep=lambda seconds: time.sleep(seconds / 10))


def enter(inside: Path) -> None:
    """Fails when somebody else is inside."""
    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))


def main(address: str, machine: Path, name: str, rounds: int, appends: int) -> None:
    store = Place(address, os.environ).open(machine, name=name)
    for _ in range(rounds):
        lock(store, name)
        enter(machine / "inside")
        state = store.read()
        count = state.resources[COUNTER].inputs["count"] if COUNTER in state.resources else 0
        for one in range(1, appends + 1):
            state.serial = store.append([counted(count + one)], after=state.serial)
        (machine / "inside").unlink()
        store.unlock()
    if not rounds:
        lock(store, name)
        serial = store.append([put(f"{name}-first")], after=store.read().serial)
        print("ready", flush=True)
        sys.stdin.readline()
        try:
            store.append([put(f"{name}-last")], after=serial)
            print("written", flush=True)
        except StateError as error:
            print(type(error).__name__, error.summary, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
