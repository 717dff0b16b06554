"""A plan, carried out: every step as soon as all it waits for ended well, many at once, nothing lost on the way out."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from declarative.applier.session import Session, StepContinues, StepFailed
from declarative.applier.steps import carry_out
from declarative.backoff import Backoff
from declarative.concurrency import ANSWERS, heard
from declarative.errors import OutcomeUnknown, ProviderError, StateError, Unauthorized
from declarative.model import Action, Event, Health, Operation, Put, Result, Step, StepOutcome
from declarative.observation import as_shown
from declarative.provider import acting_on

T = TypeVar("T")

_READ_BACK = Backoff(first=1.0, longest=5.0)  # between looks at an object that a step has just made
_OWN_CALL = frozenset({Action.CREATE, Action.UPDATE, Action.ENABLE, Action.DISABLE, Action.ADOPT})


@dataclass(slots=True)
class _Board:
    """Which steps wait for how many others, and which may start."""

    waits: dict[str, int]
    dependants: dict[str, list[Step]]
    ready: deque[Step]

    @classmethod
    def of(cls, steps: Iterable[Step], finished: Collection[str]) -> _Board:
        board = cls({}, {}, deque())
        for step in steps:
            waits_for = [need for need in step.requires if need not in finished]
            board.waits[step.id] = len(waits_for)
            for need in waits_for:
                board.dependants.setdefault(need, []).append(step)
            if not waits_for:
                board.ready.append(step)
        return board

    def done(self, step: Step) -> None:
        for dependant in self.dependants.get(step.id, ()):
            self.waits[dependant.id] -= 1
            if not self.waits[dependant.id]:
                self.ready.append(dependant)


class Runner:
    """Carries out the steps of one plan. `max_jobs` bounds the steps under way at any time."""

    def __init__(
        self, session: Session, steps: Collection[Step], *, max_jobs: int, fail_fast: bool, interrupt: asyncio.Event
    ) -> None:
        self._session = session
        self._steps = steps
        self._max_jobs = max_jobs
        self._fail_fast = fail_fast
        self._interrupt = interrupt
        self._outcomes: dict[str, StepOutcome] = {}
        self._running: dict[asyncio.Task[str], Step] = {}
        self._finished: deque[asyncio.Task[str]] = deque()
        self._wake = asyncio.Event()
        self._started: dict[str, float] = {}
        self._open = {one.resource.address: one for one in session.ledger.state.operations.values()}  # by earlier runs
        session.awaited = frozenset(need for step in steps for need in step.requires)
        session.on_rest = self._wake.set
        self.stopped = ""  # why nothing new is started any more
        self.rejected: Unauthorized | None = None  # what the service says of our credentials
        self.crash: BaseException | None = None

    async def run(self, *, finished: Collection[str] = ()) -> tuple[StepOutcome, ...]:
        """Carry out what isn't `finished` yet. Returns one outcome for each of those steps, in the plan's order."""
        todo = [step for step in self._steps if step.id not in finished]
        board = _Board.of(todo, finished)
        watcher = asyncio.create_task(self._wake_on_interrupt())
        alarm = self._wake_at_the_end()
        try:
            await self._dispatch(board)
        finally:
            watcher.cancel()
            if alarm is not None:
                alarm.cancel()
        if self._running:
            await self._leave()
        await self._read_back()
        return tuple(self._outcomes.get(step.id) or self._not_started(step) for step in todo)

    async def _dispatch(self, board: _Board) -> None:
        """Start what is ready and collect what has ended, until nothing runs or the run must end."""
        while not self._must_leave():
            while board.ready and self._under_way() < self._max_jobs and not self.stopped:
                self._start(board.ready.popleft())
            if not self._running:
                return
            self._wake.clear()
            if not self._finished:
                if not self._under_way():
                    self._session.observer.hurry()
                await self._wake.wait()
            for step in self._collect():
                if self._outcomes[step.id].result is Result.DONE:
                    board.done(step)

    def _under_way(self) -> int:
        """How many steps do something; those that only wait to be seen with others take no place."""
        return len(self._running) - len(self._session.resting)

    async def _wake_on_interrupt(self) -> None:
        await self._interrupt.wait()
        self._wake.set()

    def _wake_at_the_end(self) -> asyncio.TimerHandle | None:
        left = self._session.observer.ends - self._session.clock.monotonic()
        return None if left == float("inf") else asyncio.get_running_loop().call_later(left, self._wake.set)

    def _must_leave(self) -> bool:
        return self._interrupt.is_set() or self._session.clock.monotonic() >= self._session.observer.ends

    def _task_ended(self, task: asyncio.Task[str]) -> None:
        self._finished.append(task)
        self._wake.set()

    def _collect(self) -> list[Step]:
        """Write down how the tasks that have ended did so; return their steps."""
        steps = []
        while self._finished:
            task = self._finished.popleft()
            step = self._running.pop(task)
            self._ended(step, task)
            steps.append(step)
        return steps

    def _start(self, step: Step) -> None:
        if self._has_no_room(step):
            return
        if (earlier := self._open.get(step.address) or self._open.get(step.source or step.address)) is not None:
            # A saved plan that is resumed has steps for it all the same. To send anything now could double it.
            what = f"an earlier {earlier.action.value} of it is still open"
            self._outcomes[step.id] = self._continues(step, what, earlier.job_id)
            return
        self._started[step.id] = self._session.clock.monotonic()
        self._session.tell("step-started", step)
        task = asyncio.create_task(carry_out(self._session, step))
        self._running[task] = step
        task.add_done_callback(self._task_ended)

    def _has_no_room(self, step: Step) -> bool:
        return step.action is Action.CREATE and step.address.kind in self._session.used_up

    def _ended(self, step: Step, task: asyncio.Task[str]) -> None:
        seconds = self._session.clock.monotonic() - self._started[step.id]
        error = None if task.cancelled() else task.exception()
        if task.cancelled():
            outcome = self._left(step)
        elif error is None:
            outcome = StepOutcome(step, Result.DONE)
            self._session.tell("step-done", step, seconds=round(seconds, 3), id=str(task.result()))
        elif isinstance(error, StepContinues):
            outcome = self._continues(step, error.summary, error.job_id)
        elif isinstance(error, StateError):
            self.stopped = self.stopped or f"the state can't be written: {error.summary}"
            outcome = StepOutcome(step, Result.NOT_STARTED, error.summary, error.fix)
        else:
            outcome = self._failed(step, error)
        self._outcomes[step.id] = replace(outcome, seconds=seconds)

    def _failed(self, step: Step, error: BaseException) -> StepOutcome:
        if isinstance(error, Unauthorized):
            self.rejected = error
            self._session.warn("unauthorized", error.summary, error.fix, once="credentials")
            self.stopped = self.stopped or error.summary
            return self._left(step)
        if isinstance(error, OutcomeUnknown):
            return self._continues(step, error.summary, "")
        if isinstance(error, StepFailed | ProviderError):
            summary, fix, code = error.args[0], error.fix, error.code
        else:
            # A bug in one step must not take the others with it; it is raised again when all is recorded.
            self.crash = self.crash or error
            self.stopped = self.stopped or "an internal error"
            summary, fix, code = f"internal error: {type(error).__name__}", "Please report it.", ""
        if self._fail_fast:
            self.stopped = self.stopped or f"{step.address} failed (--fail-fast)"
        self._session.tell("step-failed", step, summary=summary, fix=fix, code=code)
        return StepOutcome(step, Result.FAILED, summary, fix)

    def _continues(self, step: Step, summary: str, job_id: str) -> StepOutcome:
        self._session.tell("step-continues", step, summary=summary, job_id=job_id)
        return StepOutcome(step, Result.CONTINUES, summary, "Run the command again to continue.")

    def _left(self, step: Step) -> StepOutcome:
        """A step that was ended from outside: open when its call may have been sent, else as if never started."""
        operation = self._operations_by_step().get(step.id)
        if operation is not None:
            return self._continues(step, self.stopped, operation.job_id)
        return StepOutcome(step, Result.NOT_STARTED, self.stopped, "Run the command again to continue.")

    def _operations_by_step(self) -> dict[str, Operation]:
        return {one.step: one for one in self._session.ledger.state.operations.values()}

    def _not_started(self, step: Step) -> StepOutcome:
        reason = "a step it waits for is not done"
        if self.stopped or self._interrupt.is_set():
            reason = self.stopped or "the run was interrupted"
        elif self._has_no_room(step):
            reason = self._session.used_up[step.address.kind]
        return StepOutcome(step, Result.NOT_STARTED, reason)

    async def _leave(self) -> None:
        """After a first interrupt: hear the answers to what is sent, for a few seconds; jobs go on by themselves."""
        self.stopped = self.stopped or ("the run was interrupted" if self._interrupt.is_set() else "its time is over")
        self._session.on_answer = self._wake.set
        self._session.observer.hurry()
        self._session.emit(Event("interrupted", self._session.clock.stamp(), detail={"reason": self.stopped}))
        timer = asyncio.get_running_loop().call_later(ANSWERS, self._cancel, self._running)
        try:
            while self._running:
                self._cancel(
                    [task for task in self._running if task not in self._session.senders and not task.cancelling()]
                )
                self._wake.clear()
                if not self._finished:
                    await self._wake.wait()
                self._collect()
        finally:
            timer.cancel()

    @staticmethod
    def _cancel(tasks: Iterable[asyncio.Task[T]]) -> None:
        for task in tasks:
            task.cancel()

    async def _read_back(self) -> None:
        """Record what the cloud now shows of the objects that this run made or changed: one list, not a GET each."""
        if self.stopped or self._interrupt.is_set():
            return
        made = [
            outcome.step
            for outcome in self._outcomes.values()
            if outcome.result is Result.DONE and outcome.step.action in _OWN_CALL
        ]
        if not made:
            return
        since = self._session.clock.monotonic()
        tasks = [asyncio.create_task(self._read_back_one(step, since)) for step in made]
        for step, error in zip(made, await self._results_unless_interrupted(tasks), strict=True):
            if isinstance(error, ProviderError):
                self._session.warn(
                    "not-read-back", f"{step.address} could not be read back: {error.summary}", error.fix
                )
            elif isinstance(error, StepContinues):
                self._outcomes[step.id] = self._continues(step, error.summary, error.job_id)
            elif isinstance(error, Exception):
                self._outcomes[step.id] = self._failed(step, error)

    async def _results_unless_interrupted(self, tasks: Iterable[asyncio.Task[None]]) -> list[BaseException | None]:
        """What each of `tasks` raises; an interrupt leaves them a few seconds, and then they are cancelled."""
        tasks = list(tasks)
        results = asyncio.gather(*tasks, return_exceptions=True)
        if not await heard(results, self._interrupt):
            self._cancel(tasks)
        return await results

    async def _read_back_one(self, step: Step, since: float) -> None:
        session = self._session
        resource = session.ledger.state.resources.get(step.address)
        if resource is None:
            return
        kind, deadline = session.kind(step.address), session.until(session.observer.grace + 30.0)
        age, pause = session.clock.monotonic() - since, 0.0
        while True:
            with acting_on(step.address):
                look = await session.observer.look(kind, resource.id, max_age=age, deadline=deadline)
            if (observed := look.shown) is not None:
                break
            age, pause = 0.0, _READ_BACK.after(pause)
            if session.clock.monotonic() - since + pause > session.observer.grace:
                raise StepContinues(f"{kind.noun} {resource.id} was created but can't be read")
            await session.clock.sleep(pause)
        if step.action is Action.UPDATE:
            session.ledger.learn(Put(as_shown(session.observer.notices, resource, observed)))
        else:
            session.ledger.learn(Put(replace(resource, attributes=observed)))
        if kind.statuses.health(observed, resource.inputs) is Health.BROKEN:
            raise StepFailed(f"{kind.noun} {resource.id} is in status error", "The next plan replaces it: run again.")
