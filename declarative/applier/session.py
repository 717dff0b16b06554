"""What the steps of one run share: the cloud, the ledger, deadlines, and the say over who may still send."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from declarative.applier.ledger import Ledger
from declarative.backoff import Backoff
from declarative.clock import Clock
from declarative.kinds import KINDS
from declarative.model import (
    Action,
    Address,
    Attributes,
    Event,
    Json,
    Kind,
    Observed,
    Operation,
    Put,
    Reference,
    Resource,
    Step,
)
from declarative.observation import Candidates, Observer
from declarative.observation.refresh import first_shown
from declarative.provider import Provider, Slot

T = TypeVar("T")

_LOOKS = Backoff(first=1.0, longest=15.0, growth=1.5)
_SENDS = Backoff(first=0.5, longest=15.0)
MAX_SENDS = 8  # of one create within its deadline


class StepFailed(Exception):
    """The step is over and not done. `code`: the service's code, if it gave one."""

    def __init__(self, summary: str, fix: str = "", *, code: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.fix = fix
        self.code = code


class Busy(Exception):
    """Something is under way, by this run or by others, that has to end first. The text says what."""


class Unneeded(Exception):
    """There is nothing left to be sent: the object shows so. `observed`: what it shows, None when it is gone."""

    def __init__(self, observed: Attributes | None = None) -> None:
        super().__init__()
        self.observed = observed


class StepContinues(Exception):
    """The step is not over: its operation stays open, and the next run goes on with it."""

    def __init__(self, summary: str, *, job_id: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.job_id = job_id


class NotYet(StepContinues):
    """One look doesn't tell, and this session waits for nothing."""


@dataclass(slots=True, kw_only=True)
class Patience:
    """Pauses between looks or sends, each longer than the one before, until a deadline on the monotonic clock."""

    clock: Clock
    deadline: float
    backoff: Backoff
    is_jittered: bool = False
    _last: float = 0.0  # seconds of the last one

    @property
    def is_over(self) -> bool:
        """True when the deadline comes before the next pause has passed."""
        return self.clock.monotonic() + self.backoff.after(self._last) >= self.deadline

    async def again(self) -> bool:
        """Pause, and return True; False, at once, when it is over."""
        if self.is_over:
            return False
        self._last = self.backoff.after(self._last)
        await self.clock.sleep(self.clock.jitter(self._last) if self.is_jittered else self._last)
        return True


@dataclass(eq=False, kw_only=True)
class Session:
    """One run's shared means. `timeouts`: seconds, by `create_grace` and `Kind.action`.

    `is_patient` False: a plan's session. It looks once and waits for nothing; what would have to be waited for stays
    undecided.
    """

    observer: Observer
    candidates: Candidates
    ledger: Ledger
    emit: Callable[[Event], None]
    is_patient: bool = True
    timeouts: Mapping[str, float] = field(default_factory=dict)
    senders: set[asyncio.Task[object]] = field(default_factory=set)
    narrow: dict[str, asyncio.Lock] = field(default_factory=dict)  # groups that were busy: one step at a time
    awaited: frozenset[str] = frozenset()  # ids of the steps that others wait for
    used_up: dict[str, str] = field(default_factory=dict)  # kinds of which no more are created, with the reason
    quotas: Mapping[str, Attributes] | None = None  # by type, once a create has found one used up
    quota_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    resting: set[asyncio.Task[object]] = field(default_factory=set)  # those that only wait to be seen with others
    _turns: dict[asyncio.Task[object], asyncio.Lock] = field(default_factory=dict)
    on_answer: Callable[[], None] = lambda: None  # a sender has heard its answer
    on_rest: Callable[[], None] = lambda: None  # a step has come to wait for others

    def kind(self, address: Address) -> Kind:
        """The kind of an address; planned and recorded addresses always have one."""
        return KINDS[address.kind]

    @property
    def provider(self) -> Provider:
        """The cloud."""
        return self.observer.provider

    @property
    def clock(self) -> Clock:
        """The clock of the run."""
        return self.observer.clock

    def deadline(self, kind: Kind, action: Action) -> float:
        """When a step that starts now must have ended, on the monotonic clock."""
        seconds = self.timeouts.get(f"{kind.name}.{action.value}", kind.calls.timeouts[action.value])
        return self.until(float(seconds))

    def until(self, seconds: float) -> float:
        """A deadline so many seconds from now, but never past the end of the run."""
        return self.observer.until(seconds)

    def looks(self, deadline: float) -> Patience:
        """The patience of somebody who looks again until something has changed; none where the session has none."""
        return Patience(clock=self.clock, deadline=deadline if self.is_patient else -math.inf, backoff=_LOOKS)

    def sends(self, deadline: float) -> Patience:
        """The patience of somebody who sends again what had no effect, or no answer."""
        return Patience(clock=self.clock, deadline=deadline, backoff=_SENDS, is_jittered=True)

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Within it, this step only waits to be seen together with others, and takes no place among the jobs."""
        task = asyncio.current_task()
        if task is None:
            yield
            return
        self.resting.add(task)
        self.on_rest()
        try:
            yield
        finally:
            self.resting.discard(task)

    def refreshed(self, observed: Observed) -> None:
        """Take over what a refresh under the lock has shown: no lost create can be among it."""
        resources = self.ledger.state.resources
        for resource in first_shown(self.observer.notices, list(resources.values()), observed):
            self.ledger.learn(Put(resource))
        recorded: dict[str, set[str]] = {}
        for resource in resources.values():
            recorded.setdefault(resource.address.kind, set()).add(resource.id)
        for kind, ids in recorded.items():
            self.candidates.exclude(kind, ids)
        self.candidates.refreshed(observed.objects, recorded, partial=observed.partial)

    def kept(self, resource: Resource, *, of: Address | None = None) -> Resource:
        """A resource with what only the state knows of it, recorded under its address or under `of`."""
        recorded = self.ledger.state.resources.get(of or resource.address)
        if recorded is None or recorded.id != resource.id:
            return resource
        known = {
            name: pair for name, pair in recorded.normalized.items() if resource.inputs.get(name, pair[0]) == pair[0]
        }
        attributes = resource.attributes or recorded.attributes
        return replace(resource, normalized=known, attributes=attributes, brought=recorded.brought)

    def filled(self, step: Step) -> Step:
        """The step with what its plan could not know: the ids of objects that have been made since.

        Raises StepFailed when one is still missing; nothing is ever sent with a hole in it.
        """
        recorded = self.ledger.state.resources
        inputs = dict(step.resource.inputs)
        for name, value in inputs.items():
            if isinstance(value, Reference):
                target = recorded.get(value.address)
                if target is None or not target.id:
                    raise StepFailed(f"{name} is not known: {value.address} is not recorded", "Run again.")
                inputs[name] = target.id
        resource = replace(step.resource, inputs=inputs)
        if not resource.id and step.action is not Action.CREATE and step.address in recorded:
            resource = replace(resource, id=recorded[step.address].id)
        return replace(step, resource=resource)

    @staticmethod
    def new_turns() -> asyncio.Lock:
        """What a busy group's steps take turns by."""
        return asyncio.Lock()

    async def hold_turn(self, group_id: str) -> None:
        """Wait for the turn in a busy group, and keep it until `end_turn`."""
        task = asyncio.current_task()
        if task is not None and task not in self._turns:
            await self.narrow[group_id].acquire()
            self._turns[task] = self.narrow[group_id]

    def end_turn(self) -> None:
        """Give the turn back, if this step has one."""
        task = asyncio.current_task()
        if task is not None and (lock := self._turns.pop(task, None)) is not None:
            lock.release()

    def new_operation(self, step: Step) -> Operation:
        """An operation for `step`, with an id of its own."""
        number = self.clock.random.getrandbits(64)
        return Operation(f"{number:016x}", step.id, step.action, step.resource)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Slot]:
        """A send slot. While it is held, a first interrupt leaves this step the time to hear its answer."""
        task = asyncio.current_task()
        async with self.provider.slot() as slot:
            if task is not None:
                self.senders.add(task)
            try:
                yield slot
            finally:
                if task is not None:
                    self.senders.discard(task)
                    self.on_answer()

    def tell(self, type_: str, about: Step | Operation, /, **detail: Json) -> None:
        """Emit an event about a step, or about an operation of an earlier run."""
        step = about.step if isinstance(about, Operation) else about.id
        address = about.resource.address
        self.emit(Event(type_, self.clock.stamp(), address, about.action, {"step": step, **detail}))

    def warn(
        self, finding_id: str, summary: str, fix: str = "", *, address: Address | None = None, once: str = ""
    ) -> None:
        """Say something that does not belong to a step's end, once."""
        self.observer.notices.warn(finding_id, summary, fix, address=address, once=once)
