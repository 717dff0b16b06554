"""A run in a process of its own, for tests: `python -m tests.scaffold.web_worker ADDRESS NAME ROUNDS`.

Rounds 0: it locks, appends, prints `ready`, and appends once more as soon as a line comes.
"""

from __future__ import annotations

import os
import random
import sys
import time
import uuid

from declarative.errors import StateError
from declarative.state.engine import Spot
from declarative.state.store import Holder
from declarative.state.web.engine import WebEngine, open_web
from tests.scaffold.web_engine import put


def opened(address: str) -> WebEngine:
    return open_web(
        Spot(
            address=address,
            pattern=address,
            stack="shop",
            environment="default",
            environ=dict(os.environ),
            uuid=lambda: str(uuid.uuid4()),
            monotonic=time.monotonic,
            sleep=time.sleep,
        )
    )


def lock(one: WebEngine, name: str) -> None:
    pause = 0.002
    while one.try_lock(Holder(str(uuid.uuid4()), name, "here", os.getpid(), "apply", "2026-01-02T03:04:05Z")):
        time.sleep(random.uniform(0.0, pause))
        pause = min(pause * 1.5, 0.1)


def add(one: WebEngine, name: str) -> None:
    state = one.read().state
    one.append([put(name)], lineage="a-lineage", after=0 if state is None else state.serial)


def main(address: str, name: str, rounds: int) -> None:
    one = opened(address)
    for number in range(rounds):
        lock(one, name)
        add(one, f"{name}-{number}")
        one.unlock()
    if not rounds:
        lock(one, name)
        add(one, f"{name}-first")
        print("ready", flush=True)
        sys.stdin.readline()
        try:
            one.append([put(f"{name}-last")], lineage="a-lineage", after=1)
            print("written", flush=True)
        except StateError as error:
            print(type(error).__name__, error.summary, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
