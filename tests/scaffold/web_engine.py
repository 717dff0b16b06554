"""Engines on the servers of `state_servers`, as several runs on several machines would open them."""

from __future__ import annotations

import itertools
import time

from declarative.model import Address, Put, Resource
from declarative.state.engine import Spot
from declarative.state.snapshot import State, fold, fresh
from declarative.state.store import Holder
from declarative.state.web.engine import WebEngine, open_web
from declarative.state.web.wire import Patience
from tests.scaffold.state_servers import Server

NUMBERS = itertools.count(1)
SOON = Patience(connect=2.0, document=0.5, words=0.5)


def engine(server: Server, *, query: str = "", patience: Patience | None = None, **environ: str) -> WebEngine:
    """Open the state of `server`; nothing sleeps."""
    address = server.address + query  # type: ignore[attr-defined]
    if server.username:
        environ = {"TF_HTTP_USERNAME": server.username, "TF_HTTP_PASSWORD": server.password, **environ}
    spot = Spot(
        address=address,
        pattern=address,
        stack="shop",
        environment="default",
        environ=environ,
        uuid=lambda: f"uuid-{next(NUMBERS)}",
        monotonic=time.monotonic,
        sleep=lambda seconds: None,
    )
    return open_web(spot, patience=patience or Patience(connect=5.0, document=20.0, words=20.0))


def holder(number: int = 1, operation: str = "apply") -> Holder:
    return Holder(f"lock-{number}-{next(NUMBERS)}", "me\x1b[31m", "here", 123, operation, "2026-01-02T03:04:05Z")


def put(name: str, value: str = "") -> Put:
    return Put(Resource(Address("ProtectionGroup", name), f"id-{name}", {"name": name, "description": value}))


def state_of(*names: str, lineage: str = "a-lineage", serial: int = 1) -> State:
    state = fresh(lineage)
    for name in names:
        fold(state, put(name))
    state.serial = serial
    return state


def names(one: WebEngine) -> set[str]:
    found = one.read().state
    return set() if found is None else {address.name for address in found.resources}
