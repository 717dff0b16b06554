"""What the steps of one run share: the cloud, the ledger, deadlines, and the say over who may still send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from declarative.apply.ledger import Ledger
from declarative.apply.lookout import Lookout
from declarative.clock import Clock
from declarative.errors import Diagnostic
from declarative.kinds import KINDS
from declarative.model import Action, Address, Event, Json, Kind, Operation, Step
from declarative.provider import Provider, Slot

GRACE = 30.0  # seconds in which a list may still lack a new object
MAX_SENDS = 8  # of one create within its deadline


class StepFailed(Exception):
    """The step is over and not done. `code`: the service's code, if it gave one."""

    def __init__(self, summary: str, fix: str = "", *, code: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.fix = fix
        self.code = code


class StepContinues(Exception):
    """The step is not over: its operation stays open, and the next run goes on with it."""

    def __init__(self, summary: str, *, job_id: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.job_id = job_id


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
    on_answer: Callable[[], None] = lambda: None  # a sender has heard its answer

    def kind(self, address: Address) -> Kind:
        """The kind of an address; planned and recorded addresses always have one."""
        return KINDS[address.kind]

    @property
    def grace(self) -> float:
        """Seconds for which a missing object counts as perhaps not listed yet."""
        return float(self.timeouts.get("create_grace", GRACE))

    def deadline(self, kind: Kind, action: Action) -> float:
        """When a step that starts now must have ended, on the monotonic clock."""
        seconds = self.timeouts.get(f"{kind.name}.{action.value}", kind.timeouts[action.value])
        return self.until(float(seconds))

    def until(self, seconds: float) -> float:
        """A deadline so many seconds from now, but never past the end of the run."""
        return min(self.clock.monotonic() + seconds, self.ends)

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

    def warn(self, summary: str, fix: str = "", *, address: Address | None = None) -> None:
        """Emit a warning that does not belong to a step's end."""
        finding = Diagnostic(summary, fix, address=str(address or ""))
        detail = {"summary": finding.summary, "fix": finding.fix}
        self.emit(Event("warning", self.clock.stamp(), address, None, detail))
