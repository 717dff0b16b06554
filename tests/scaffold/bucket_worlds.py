"""A bucket with machines around it: engines on one fake, each with a clock that only its own sleep moves."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from declarative.model import Begun, Record
from declarative.state import Holder, State, fold, fresh
from declarative.state.engine import Spot
from declarative.state.objects import ObjectEngine
from declarative.state.objects.address import parse
from tests.scaffold import recorded as r
from tests.scaffold.s3_server import CREDENTIALS, DirectBucket, FakeS3, address_of

KEY = "shop/prod.json"
HOLDER = Holder("lock-1", "me", "here", 1, "apply", "2026-01-02T03:04:05Z")
OTHER = Holder("lock-2", "you", "there", 2, "apply", "2026-01-02T03:05:05Z")
LINEAGE = "a-lineage"
NEVER = 86_400.0  # seconds between heartbeats: tests beat by hand

_numbers = itertools.count()


@dataclass
class Clock:
    """Time that passes only while somebody sleeps. `during` runs at each sleep."""

    now: float = 1000.0
    during: Callable[[], None] = field(default=lambda: None)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.during()


def spot_at(endpoint: str, clock: Clock, *, pattern: str = "{stack}/{environment}.json") -> Spot:
    address = address_of(endpoint, pattern)
    return Spot(
        address=address.replace("{stack}", "shop").replace("{environment}", "prod"),
        pattern=address,
        stack="shop",
        environment="prod",
        environ=CREDENTIALS,
        uuid=lambda: f"uuid-{next(_numbers)}",
        monotonic=clock.monotonic,
        sleep=clock.sleep,
    )


def engine_at(endpoint: str, clock: Clock | None = None, *, pause: float = NEVER) -> ObjectEngine:
    spot = spot_at(endpoint, clock or Clock())
    return ObjectEngine(parse(spot.address), spot, pause=pause)


def engine_on(
    fake: FakeS3, clock: Clock | None = None, strike: Callable[[str, int], str] = lambda key, number: ""
) -> ObjectEngine:
    """An engine without a socket between."""
    spot = spot_at("http://127.0.0.1:1", clock or Clock())
    target = parse(spot.address)
    return ObjectEngine(target, spot, pause=NEVER, bucket=DirectBucket(fake, target, strike))


def batch(number: int) -> list[Record]:
    return [r.put(number), Begun(r.operation(f"op-{number}"))]


def after(*numbers: int, serial: int | None = None) -> State:
    """The state that the batches `numbers` make."""
    state = fresh(LINEAGE)
    for number in numbers:
        for record in batch(number):
            fold(state, record)
    state.serial = len(numbers) if serial is None else serial
    return state


@contextmanager
def locked(engine: ObjectEngine, holder: Holder = HOLDER) -> Iterator[ObjectEngine]:
    assert engine.try_lock(holder) is None
    try:
        yield engine
    finally:
        engine.unlock()


def append(engine: ObjectEngine, *numbers: int) -> None:
    """Append the batches `numbers`, of which each makes its own number the serial."""
    for number in numbers:
        engine.append(batch(number), lineage=LINEAGE, after=number - 1)
