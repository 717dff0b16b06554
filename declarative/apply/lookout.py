"""Looks at the cloud that many steps share: one list for a wave, and the search for a create whose answer was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from declarative.clock import Clock
from declarative.kinds.compare import natural_key, shows
from declarative.model import Attributes, Kind
from declarative.provider import Provider

PAGE = 1000


@dataclass(slots=True)
class _Flight:
    """One list call, under way or done. `began` is on the monotonic clock, in seconds; `waiting`: how many await it."""

    began: float
    task: asyncio.Task[dict[str, Attributes]]
    waiting: int = 0
    by_key: dict[tuple[str, ...], list[str]] | None = None

    def keyed(self, kind: Kind, attributes: Attributes) -> Iterable[str]:
        """Ids of all listed objects with the natural key of `attributes`, or their name; the index is built once."""
        if self.by_key is None:
            self.by_key = {}
            for object_id, listed in self.task.result().items():
                self.by_key.setdefault(_key(kind, listed), []).append(object_id)
        return self.by_key.get(_key(kind, attributes), ())


def _key(kind: Kind, attributes: Attributes) -> tuple[str, ...]:
    return natural_key(kind, attributes) or (str(attributes.get("name")),)


@dataclass(slots=True)
class _KindView:
    size: int = 0
    not_ours: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)
    refreshed: Mapping[str, Attributes] = field(default_factory=dict)
    flight: _Flight | None = None
    asking: int = 0


class Lookout:
    """What the run knows of the cloud beside its state.

    `seen` is the complete id set of the refresh that was taken under the lock: no lost create can be among them.
    """

    def __init__(self, provider: Provider, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock
        self._views: dict[str, _KindView] = {}

    def exclude(self, kind: str, ids: Iterable[str]) -> None:
        """These objects can't be the result of a create that is being looked for."""
        self._view(kind).not_ours.update(ids)

    def foreign(self, kind: Kind, wanted: Iterable[Attributes] = ()) -> set[str]:
        """Ids that the refresh found and the state does not record, less what creates of `wanted` may have made."""
        view = self._view(kind.name)
        lost = list(wanted)
        return {
            object_id
            for object_id in view.foreign
            if not any(shows(kind, inputs, view.refreshed[object_id]) for inputs in lost)
        }

    def refreshed(self, objects: Mapping[str, Mapping[str, Attributes]], recorded: Mapping[str, set[str]]) -> None:
        """Take over a refresh: its ids are excluded from every later search."""
        for kind, found in objects.items():
            view = self._view(kind)
            view.size = len(found)
            view.refreshed = found
            view.not_ours.update(found)
            view.foreign = found.keys() - recorded.get(kind, set())

    def claim(self, kind: Kind, object_id: str) -> bool:
        """Take `object_id` for one step; False when another has it already."""
        free = self._is_free(kind, object_id)
        self._view(kind.name).not_ours.add(object_id)
        return free

    def _is_free(self, kind: Kind, object_id: str) -> bool:
        """True when a create may have made the object. One that is named by its parts has the same id every time."""
        return kind.identity is not None or object_id not in self._view(kind.name).not_ours

    async def objects(self, kind: Kind, *, since: float, deadline: float) -> Mapping[str, Attributes]:
        """A complete list that was begun at `since` or later; all who ask meanwhile share it."""
        return (await self._flight(kind, since, deadline)).task.result()

    async def candidates(
        self, kind: Kind, inputs: Attributes, *, since: float, gap: float, deadline: float
    ) -> list[str]:
        """Ids of the objects that a create of `inputs` may have made, and that are nobody's.

        These have its natural key, or where the kind has none or makes its id of it, are equal in every sent field.

        `gap`: seconds between the beginnings of two lists, so that many who look cost no more than one.
        """
        flight = await self._flight(kind, since, deadline, gap=gap)
        listed = flight.task.result()
        by_key = kind.natural_key and kind.identity is None
        return [
            object_id
            for object_id in flight.keyed(kind, inputs)
            if self._is_free(kind, object_id) and (by_key or shows(kind, inputs, listed[object_id]))
        ]

    async def by_natural_key(self, kind: Kind, inputs: Attributes, *, since: float, deadline: float) -> list[str]:
        """Ids of all objects with the natural key of `inputs`, whosever they are."""
        return list((await self._flight(kind, since, deadline)).keyed(kind, inputs))

    def is_candidate(self, kind: Kind, object_id: str, inputs: Attributes, observed: Attributes) -> bool:
        """The same question for one object that was read by its id."""
        return self._is_free(kind, object_id) and shows(kind, inputs, observed)

    async def shown(self, kind: Kind, object_id: str, *, deadline: float) -> bool:
        """True while an object whose deletion has been reported is still shown; read by list or by id."""
        return await self._read(kind, object_id, max_age=0.0, deadline=deadline, confirm=False) is not None

    async def look(self, kind: Kind, object_id: str, *, max_age: float, deadline: float) -> Attributes | None:
        """The object as it was at most `max_age` seconds ago, or None when it is confirmed to be gone."""
        return await self._read(kind, object_id, max_age=max_age, deadline=deadline, confirm=True)

    async def _read(
        self, kind: Kind, object_id: str, *, max_age: float, deadline: float, confirm: bool
    ) -> Attributes | None:
        """By list when that takes fewer requests than a GET for each who asks in one turn of the loop.

        `confirm`: absent from a list is not gone, a GET decides.
        """
        view = self._view(kind.name)
        since = self._clock.monotonic() - max_age
        if view.flight is None or view.flight.began < since:
            view.asking += 1
            await asyncio.sleep(0)
            many = view.asking > max(1, -(-view.size // PAGE))
            await asyncio.sleep(0)
            view.asking -= 1
            if not many:
                return await self._provider.get(kind, object_id, deadline=deadline)
        listed = await self.objects(kind, since=since, deadline=deadline)
        if object_id in listed or not confirm:
            return listed.get(object_id)
        return await self._provider.get(kind, object_id, deadline=deadline)

    async def _flight(self, kind: Kind, since: float, deadline: float, *, gap: float = 0.0) -> _Flight:
        view = self._view(kind.name)
        while view.flight is None or view.flight.began < since or _failed(view.flight):
            if view.flight is not None and not view.flight.task.done():
                await asyncio.wait([view.flight.task])
                continue
            early = view.flight.began + gap - self._clock.monotonic() if view.flight else 0.0
            if early > 0:
                await self._clock.sleep(early)
                continue
            task = asyncio.create_task(self._provider.list(kind, deadline=deadline))
            view.flight = _Flight(self._clock.monotonic(), task)
        flight = view.flight
        flight.waiting += 1
        try:
            await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():  # who asked was cancelled: it must not outlive the run
                flight.task.cancel()
                view.flight = None
        view.size = len(flight.task.result())
        return flight

    def _view(self, kind: str) -> _KindView:
        return self._views.setdefault(kind, _KindView())


def _failed(flight: _Flight) -> bool:
    return flight.task.done() and (flight.task.cancelled() or flight.task.exception() is not None)
