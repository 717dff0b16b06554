"""What the steps of one run share: the cloud, the ledger, deadlines, and the say over who may still send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from declarative.apply.ledger import Ledger
from declarative.apply.lookout import Lookout
from declarative.clock import Clock
from declarative.errors import Diagnostic, ProviderError, Severity, Unauthorized, visible
from declarative.kinds import KINDS
from declarative.kinds.compare import normalized
from declarative.model import Action, Address, Attributes, Event, Json, Kind, Operation, Reference, Resource, Step
from declarative.provider import Provider, Slot

T = TypeVar("T")

GRACE = 30.0  # seconds in which a list may still lack a new object
LOOKED = 5.0  # seconds after the question of a look in which the call that rests on it must have left
EVIDENCE_TIME = 5.0  # seconds that reading all that is good to know, but not needed, may take in a run
_LONGEST_PAUSE = 15.0  # seconds
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


@dataclass(slots=True, kw_only=True)
class Patience:
    """Pauses between looks or sends, each longer than the one before, until a deadline on the monotonic clock.

    `pause`: seconds of the next one; `growth`: by how much the one after that is longer, up to 15 s.
    """

    clock: Clock
    deadline: float
    pause: float = 1.0
    growth: float = 1.5
    is_jittered: bool = False

    @property
    def is_over(self) -> bool:
        """True when the deadline comes before the next pause has passed."""
        return self.clock.monotonic() + self.pause >= self.deadline

    async def again(self) -> bool:
        """Pause, and return True; False, at once, when it is over."""
        if self.is_over:
            return False
        await self.clock.sleep(self.clock.jitter(self.pause) if self.is_jittered else self.pause)
        self.pause = min(self.pause * self.growth, _LONGEST_PAUSE)
        return True


@dataclass(eq=False, kw_only=True)
class Session:
    """One run's shared means. `timeouts`: seconds, by `create_grace` and `Kind.action`; `ends`: of the whole run."""

    provider: Provider
    ledger: Ledger
    lookout: Lookout
    clock: Clock
    emit: Callable[[Event], None]
    timeouts: Mapping[str, float] = field(default_factory=dict)
    ends: float = float("inf")
    senders: set[asyncio.Task[object]] = field(default_factory=set)
    narrow: dict[str, asyncio.Lock] = field(default_factory=dict)  # groups that were busy: one step at a time
    made: dict[str, float] = field(default_factory=dict)  # ids that this run made, and when
    awaited: frozenset[str] = frozenset()  # ids of the steps that others wait for
    resting: set[asyncio.Task[object]] = field(default_factory=set)  # those that only wait to be seen with others
    findings: list[Diagnostic] = field(default_factory=list)  # the warnings, each once
    _said: set[str] = field(default_factory=set)
    _missing: dict[str, str] = field(default_factory=dict)  # evidence that could not be had, and why
    _evidence_time: float = EVIDENCE_TIME  # seconds that are left for evidence
    _evidence_counted: float = 0.0  # until when its time has been counted
    _turns: dict[asyncio.Task[object], asyncio.Lock] = field(default_factory=dict)
    on_answer: Callable[[], None] = lambda: None  # a sender has heard its answer
    on_rest: Callable[[], None] = lambda: None  # a step has come to wait for others

    def kind(self, address: Address) -> Kind:
        """The kind of an address; planned and recorded addresses always have one."""
        return KINDS[address.kind]

    @property
    def grace(self) -> float:
        """Seconds for which a missing object counts as perhaps not listed yet."""
        return float(self.timeouts.get("create_grace", GRACE))

    @property
    def trust(self) -> float:
        """Seconds after the question of a look in which the call that rests on it must have left."""
        return float(self.timeouts.get("look", LOOKED))

    def deadline(self, kind: Kind, action: Action) -> float:
        """When a step that starts now must have ended, on the monotonic clock."""
        seconds = self.timeouts.get(f"{kind.name}.{action.value}", kind.timeouts[action.value])
        return self.until(float(seconds))

    def until(self, seconds: float) -> float:
        """A deadline so many seconds from now, but never past the end of the run."""
        return min(self.clock.monotonic() + seconds, self.ends)

    def looks(self, deadline: float) -> Patience:
        """The patience of somebody who looks again until something has changed."""
        return Patience(clock=self.clock, deadline=deadline)

    def sends(self, deadline: float) -> Patience:
        """The patience of somebody who sends again what had no effect, or no answer."""
        return Patience(clock=self.clock, deadline=deadline, pause=0.5, growth=2.0, is_jittered=True)

    def is_new(self, object_id: Json) -> bool:
        """True while an object that this run made may not be shown everywhere yet: through the grace period."""
        made = self.made.get(object_id) if isinstance(object_id, str) else None
        return made is not None and self.clock.monotonic() - made < self.grace

    async def look(self, kind: Kind, object_id: str, *, max_age: float, deadline: float) -> Attributes | None:
        """What `Lookout.look` shows; but what this run has just made is not gone for not being shown yet."""
        pause = 0.5
        while (
            observed := (await self.lookout.look(kind, object_id, max_age=max_age, deadline=deadline)).shown
        ) is None and self.is_new(object_id):
            await self.clock.sleep(pause)
            max_age, pause = 0.0, min(pause * 2, 5.0)
        return observed

    async def evidence(self, what: str, reading: Callable[[float], Awaitable[T]]) -> T | None:
        """What `reading` brings by the deadline that it is given; None when it can't be had.

        For what is good to know and not needed; all of it together may take a few seconds. Raises Unauthorized.
        """
        began = self.clock.monotonic()
        try:
            if self._evidence_time <= 0:
                return None
            return await reading(self.until(self._evidence_time))
        except Unauthorized:
            raise
        except ProviderError as error:
            self._missing.setdefault(what, error.summary)
            return None
        finally:
            self._evidence_ended(began)

    def _evidence_ended(self, began: float) -> None:
        """Count the time; what is read at once counts once."""
        now = self.clock.monotonic()
        self._evidence_time -= now - max(began, self._evidence_counted)
        self._evidence_counted = max(now, self._evidence_counted)

    def say_what_is_missing(self) -> None:
        """Say once what evidence could not be had."""
        if self._missing:
            what = " and ".join(f"{what} ({reason})" for what, reason in self._missing.items())
            self.warn(f"not read, and nothing is concluded from that: {what}", once="evidence")

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

    def as_made(self, resource: Resource, shown: Attributes) -> Resource:
        """A resource that has just been made or changed as it is to be recorded, with what the service made of it.

        A difference is said, and from then on it is none, while it stays as it is.
        """
        kind = self.kind(resource.address)
        differing = normalized(kind, resource.inputs, shown)
        for name, (sent, found) in differing.items():
            self.warn(
                f"{resource.address}: {name} was sent as '{visible(sent, limit=80)}', and the service shows"
                f" '{visible(found, limit=80)}'",
                "That is recorded, and counts as no difference while both stay so.",
                address=resource.address,
            )
        return replace(resource, attributes=shown, normalized=differing)

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

    def warn(self, summary: str, fix: str = "", *, address: Address | None = None, once: str = "") -> None:
        """Emit a warning that does not belong to a step's end; of those that are `once` about one thing, the first."""
        finding = Diagnostic(summary, fix, address=str(address or ""), severity=Severity.WARNING)
        if (key := once or f"{finding.address}: {summary}") in self._said:
            return
        self._said.add(key)
        self.findings.append(finding)
        detail = {"summary": finding.summary, "fix": finding.fix}
        self.emit(Event("warning", self.clock.stamp(), address, None, detail))
