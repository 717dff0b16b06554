"""The run's memory: a state, and the store behind it, written in waves.

A wave holds all records that became ready while the last one was being written, so that a hundred steps cost a few
durable writes and not a hundred ("group commit"). Whoever waits for a wave goes on once it is on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from declarative.errors import StateConflict, StateError
from declarative.model import Address, Binding, Closed, Dropped, Put, Record, Resource
from declarative.state import State, Store, fold

# A journal is folded into its snapshot when it holds this many records, and more than the snapshot itself:
# the cost of all folding in a run then stays in proportion to what the run records.
_FOLD_AFTER = 1000
_FOLD_RATIO = 4  # records for each resource
_PATIENT = (Put, Dropped, Closed)  # nothing is sent because of them
_REPORT = "Please report it. Run the command again to continue."


@dataclass(slots=True)
class _Wave:
    records: list[Record] = field(default_factory=list)
    waiters: list[asyncio.Future[None]] = field(default_factory=list)


class Ledger:
    """The state of one run. Without a `store`, as in a plan, nothing can be written; what is learned stays in memory.

    `blocking` runs a store's call off the event loop. `trouble` is the first error a write ended in; after it,
    intents are refused, and what is noted is kept for `close` to save or to put beside the state. `crash` is the
    defect behind it, if that is what it was.
    """

    def __init__(
        self,
        state: State,
        store: Store | None = None,
        *,
        blocking: Callable[[Callable[[], object]], Awaitable[object]] = asyncio.to_thread,
    ) -> None:
        self.state = state
        self.trouble: StateError | None = None
        self.crash: Exception | None = None
        self._store = store
        self._blocking = blocking
        self._wave = _Wave()
        self._writer: asyncio.Task[None] | None = None
        self._urgent = asyncio.Event()
        self._unsaved: list[Record] = []
        self._journaled = 0
        self._owners: dict[tuple[str, str], Address] | None = None

    async def intend(self, *records: Record) -> None:
        """Make `records` durable before something is sent. Raises StateError, and then nothing may be sent."""
        if self.trouble is not None:
            raise self.trouble
        await self._join(records)

    async def note(self, *records: Record) -> None:
        """Make durable what has happened. Never raises: what can't be written now is kept for `close`."""
        if self.trouble is None:
            try:
                await self._join(records)
            except StateError:
                self._keep(records)
        else:
            self._keep(records)

    async def bind(self, binding: Binding) -> None:
        """Tie the state to its cloud and its stack, durably, before the first thing is sent. Raises StateError."""
        bound = self.state.binding
        if bound is not None:  # what wasn't known before is filled in, and nothing else
            owner = ("stack", "environment", "folder")
            binding = replace(bound, **{name: getattr(bound, name) or getattr(binding, name) for name in owner})
        if binding == bound:
            return
        self.state.binding = binding
        if self._store is not None:
            store, state, after = self._store, self.state, self.state.serial
            state.serial += 1
            await self._blocking(lambda: store.write(state, after=after))

    def learn(self, *records: Record) -> None:
        """Take over what was observed, without a write of its own; the next fold saves it."""
        for record in records:
            fold(self.state, record)
            if self._owners is not None and isinstance(record, Put):
                self._owners[record.resource.address.kind, record.resource.id] = record.resource.address

    def recorded(self, kind: str, object_id: str | None) -> Resource | None:
        """What is recorded of the object of a kind with this id; found without a look through all that is recorded."""
        if self._owners is None:
            self._owners = {(one.kind, resource.id): one for one, resource in self.state.resources.items()}
        address = self._owners.get((kind, object_id)) if object_id is not None else None
        resource = self.state.resources.get(address) if address is not None else None
        return resource if resource is not None and resource.id == object_id else None

    async def close(self) -> str:
        """Fold the journal, or save what could not be written. Returns where those records lie, or ""."""
        self._urgent.set()
        if self._writer is not None:
            await self._writer
        if self._store is None:
            return ""
        if self._unsaved:
            return await self._set_aside()
        if self._journaled:
            try:
                await self._fold()
            except Exception as error:
                self._in_trouble(error)
        return ""

    async def _join(self, records: tuple[Record, ...]) -> None:
        self._require_store()
        if not all(isinstance(one, _PATIENT) for one in records):
            self._urgent.set()
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wave.records.extend(records)
        self._wave.waiters.append(waiter)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_waves())
        # A cancelled step must not take the others' wave with it: the future is its own, the wave is not.
        await waiter

    async def _write_waves(self) -> None:
        await asyncio.sleep(0)  # let all who are ready in this turn of the loop join
        while self._wave.records:
            await self._let_results_wait()
            wave, self._wave = self._wave, _Wave()
            try:
                if self.trouble is not None:
                    raise self.trouble
                await self._append(wave.records)
                self.learn(*wave.records)
            except Exception as error:  # whatever it is: nobody may be left waiting
                _wake(wave, self._in_trouble(error))
                continue
            _wake(wave)
            await self._fold_when_long()

    async def _let_results_wait(self) -> None:
        """Where each write costs a whole state, let results wait for others; what something depends on never waits."""
        seconds = self._require_store().results_wait
        if seconds and not self._urgent.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._urgent.wait()
        self._urgent.clear()

    def _in_trouble(self, error: Exception) -> StateError:
        """Remember why nothing can be written any more, and return it as an error of the state."""
        if isinstance(error, StateError):
            trouble = error
        else:
            self.crash = self.crash or error
            trouble = StateError(f"internal error while the state was written: {type(error).__name__}", _REPORT)
        self.trouble = self.trouble or trouble
        return trouble

    async def _append(self, records: list[Record]) -> None:
        store = self._require_store()
        after = self.state.serial
        await self._blocking(lambda: store.append(records, after=after))
        self.state.serial = after + 1
        self._journaled += len(records)

    async def _fold_when_long(self) -> None:
        if self._journaled < max(_FOLD_AFTER, _FOLD_RATIO * len(self.state.resources)):
            return
        try:
            await self._fold()
        except Exception as error:  # it runs in the task that all who write wait for
            self._in_trouble(error)

    async def _fold(self) -> None:
        store, state = self._require_store(), self.state
        await self._blocking(lambda: store.write(state, after=state.serial))
        self._journaled = 0

    def _keep(self, records: tuple[Record, ...]) -> None:
        self._unsaved.extend(records)
        self.learn(*records)

    async def _set_aside(self) -> str:
        """Try once more to write what is left; else put it beside the state, for the next run to find."""
        store, records, after = self._require_store(), self._unsaved, self.state.serial
        if not isinstance(self.trouble, StateConflict):
            self.state.serial = after + 1
            for write in (
                lambda: store.append(records, after=after),
                lambda: store.write(self.state, after=after),  # new files, where the journal can't be trusted any more
            ):
                try:
                    await self._blocking(write)
                except Exception as error:
                    self.trouble = None
                    self._in_trouble(error)
                else:
                    self.trouble = None
                    return ""
            self.state.serial = after
        return store.set_aside(records, after=after)

    def _require_store(self) -> Store:
        if self._store is None:
            raise StateError("this state is kept in memory alone")
        return self._store


def _wake(wave: _Wave, error: StateError | None = None) -> None:
    for waiter in wave.waiters:
        if waiter.done():
            continue
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
