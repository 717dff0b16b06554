"""Looks at the cloud that many steps share: one list for a wave, and the search for a create whose answer was lost.

A look is as old as its question: its age counts from the moment its request left. A list is as old as its first page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from declarative.clock import Clock
from declarative.kinds.compare import Likeness, likeness, natural_key, same_name
from declarative.model import Attributes, Kind
from declarative.provider import Listing, Look, Provider, Slot

PAGE = 1000
_WORTH = 100  # listed objects that cost as much as one GET
_WINDOW = 0.25  # seconds over which it is counted how many look
_MOMENT = 0.75  # seconds for which those who aren't in a hurry wait for others who look
_SOON = 0.2  # likewise, for those who are
_SHARED = 0.25  # seconds for which one look serves all who look at the same before they send
_LISTS = 12  # how many times as long as it takes a list serves them: reading lists takes a twelfth of the time at most
_MOST_SIGHTINGS = 1000  # single looks that are remembered, until old ones are dropped


@dataclass(slots=True)
class _Flight:
    """One list call, under way or done. `began` is on the monotonic clock, in seconds; `waiting`: how many await it.

    `in_slot`: it is made in the send slot of the one who began it, so that whoever holds another may wait for it.
    """

    began: float
    in_slot: bool
    task: asyncio.Task[Listing]
    waiting: int = 0
    by_key: dict[tuple[str, ...], list[str]] | None = None

    @property
    def failed(self) -> bool:
        return self.task.done() and (self.task.cancelled() or self.task.exception() is not None)

    @property
    def listing(self) -> Listing:
        return self.task.result()

    def keyed(self, kind: Kind, attributes: Attributes) -> Iterable[str]:
        """Ids of all listed objects with the natural key of `attributes`, or their name; the index is built once.

        What lacks a part of it is under the key of those that lack it.
        """
        if self.by_key is None:
            self.by_key = {}
            for object_id, listed in self.listing.objects.items():
                self.by_key.setdefault(_key(kind, listed), []).append(object_id)
        return self.by_key.get(_key(kind, attributes), ())

    def like(self, kind: Kind, inputs: Attributes) -> list[str]:
        """Ids of all listed objects that may have the key or the name of `inputs`."""
        return list(dict.fromkeys([*self.keyed(kind, inputs), *self.keyed(kind, {})]))


def _key(kind: Kind, attributes: Attributes) -> tuple[str, ...]:
    if kind.natural_key:
        known = all(attributes.get(name) is not None for name in kind.natural_key)
        return natural_key(kind, attributes) if known else ("",)
    name = attributes.get("name")
    return (str(name).strip().casefold() if name is not None else "",)


@dataclass(slots=True)
class _KindView:
    size: int = 0
    list_seconds: float = 0.0
    not_ours: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)
    refreshed: Mapping[str, Attributes] = field(default_factory=dict)
    is_known_whole: bool = True  # the refresh showed all there was
    flights: dict[bool, _Flight] = field(default_factory=dict)  # the newest: in a slot, and outside of any
    sightings: dict[str, Look] = field(default_factory=dict)
    changed: dict[str, float] = field(default_factory=dict)  # ids that we have changed, and when
    asking: int = 0
    window: float = 0.0
    looks: int = 0  # in this window
    looks_before: int = 0  # in the window before
    moment: asyncio.Event | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search for the object of a create has come to.

    `fits`: the objects that it may have made, and that are nobody's, as they are shown, by id. `doubtful`: others that
    may be it all the same, each with the reason, in words. `is_complete`: what was not found was not there.
    """

    fits: Mapping[str, Attributes] = field(default_factory=dict)
    doubtful: Mapping[str, str] = field(default_factory=dict)
    is_complete: bool = True


class Lookout:
    """What the run knows of the cloud beside its state. `trust`: seconds for which a look may be acted on.

    `seen` is the complete id set of the refresh that was taken under the lock: no lost create can be among them.
    """

    def __init__(self, provider: Provider, clock: Clock, *, trust: float = 5.0) -> None:
        self._provider = provider
        self._clock = clock
        self._trust = trust
        self._views: dict[str, _KindView] = {}

    # ------------------------------------------------------------ what is ours, and what isn't

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
            if not any(likeness(kind, inputs, view.refreshed[object_id]) is not Likeness.OTHER for inputs in lost)
        }

    def refreshed(
        self,
        objects: Mapping[str, Mapping[str, Attributes]],
        recorded: Mapping[str, set[str]],
        *,
        partial: Collection[str] = (),
    ) -> None:
        """Take over a refresh: its ids are excluded from every later search. `partial`: kinds it may not show whole."""
        for kind, found in objects.items():
            view = self._view(kind)
            view.size = len(found)
            view.refreshed = found
            view.not_ours.update(found)
            view.foreign = found.keys() - recorded.get(kind, set())
            view.is_known_whole = kind not in partial

    def as_refreshed(self, kind: Kind) -> Mapping[str, Attributes]:
        """The objects of a kind that the refresh has shown, by id; {} when there was none."""
        return self._view(kind.name).refreshed

    def partly_known(self, kind: str) -> None:
        """What was there before may not be known whole: what fits a create may be somebody else's."""
        self._view(kind).is_known_whole = False

    def is_partial(self, kind: Kind) -> bool:
        """True when it isn't known whole what was there before."""
        return not self._view(kind.name).is_known_whole

    def claim(self, kind: Kind, object_id: str) -> bool:
        """Take `object_id` for one step; False when another has it already."""
        free = self.is_free(kind, object_id)
        self._view(kind.name).not_ours.add(object_id)
        return free

    def is_free(self, kind: Kind, object_id: str) -> bool:
        """True when a create may have made the object. One that is named by its parts has the same id every time."""
        return kind.identity is not None or object_id not in self._view(kind.name).not_ours

    def changed(self, kind: Kind, object_id: str) -> None:
        """A call of ours may have changed the object: looks from before tell nothing any more."""
        self._view(kind.name).changed[object_id] = self._clock.monotonic()

    # ------------------------------------------------------------ the search for what a create has made

    async def search(
        self,
        kind: Kind,
        inputs: Attributes,
        *,
        others: Callable[[], Iterable[Attributes]] = lambda: (),
        since: float,
        gap: float,
        deadline: float,
    ) -> Found:
        """Look for what a create of `inputs` has made, in a list that was begun at `since` or later.

        `others`: inputs of creates that are looked for as well; what fits one of them is no doubt of this one. `gap`:
        seconds between the beginnings of two lists, so that many who look cost no more than one.
        """
        flight = await self._flight(kind, since, deadline, gap=gap)
        listing = flight.listing
        fits: dict[str, Attributes] = {}
        doubtful: dict[str, str] = {}
        for object_id in flight.like(kind, inputs):
            if not self.is_free(kind, object_id):
                continue
            shown = listing.objects[object_id]
            likely = likeness(kind, inputs, shown)
            if likely is Likeness.LACKS or (likely is Likeness.ALIKE and _is_vague(kind, shown)):
                shown = await self._provider.get(kind, object_id, deadline=deadline) or {}
                likely = likeness(kind, inputs, shown) if shown else Likeness.OTHER
            if likely is Likeness.FITS:
                fits[object_id] = shown
            elif likely is not Likeness.OTHER and not any(_fits(kind, other, shown) for other in others()):
                doubtful[object_id] = _DOUBTS[likely]
        for stray in listing.strays:
            if stray.get("name") is not None and same_name(stray["name"], inputs.get("name")):
                doubtful[str(stray.get("id"))] = "it has no usable id"
        if self.is_partial(kind) and not kind.natural_key:
            doubtful.update(dict.fromkeys(fits, MAY_BE_OLDER))
            fits = {}
        return Found(fits, doubtful, listing.is_complete)

    async def by_natural_key(self, kind: Kind, inputs: Attributes, *, since: float, deadline: float) -> list[str]:
        """Ids of all objects with the natural key of `inputs`, whosever they are."""
        return list((await self._flight(kind, since, deadline)).keyed(kind, inputs))

    # ------------------------------------------------------------ looks at one object

    async def look(
        self, kind: Kind, object_id: str, *, max_age: float, deadline: float, slot: Slot | None = None
    ) -> Look:
        """The object as it was at most `max_age` seconds ago; `shown` is None when it is confirmed to be gone.

        Absent from a list is not gone: a GET decides. `slot`: the one that is held, in which the look is then made.
        """
        return await self._read(kind, object_id, max_age=max_age, deadline=deadline, slot=slot, confirm=True)

    async def shown(self, kind: Kind, object_id: str, *, soon: bool, deadline: float) -> bool:
        """True while an object whose deletion has been reported is still shown; read by list or by id.

        `soon`: others wait for it; else all who ask within a moment share one list.
        """
        await self._with_others(kind, soon=soon)
        look = await self._read(kind, object_id, max_age=0.0, deadline=deadline, slot=None, confirm=False)
        return look.shown is not None

    async def made(self, kind: Kind, object_id: str, *, soon: bool, deadline: float) -> Look:
        """The object that a job says it has made. `soon`: as for `shown`."""
        await self._with_others(kind, soon=soon)
        return await self._read(kind, object_id, max_age=0.0, deadline=deadline, slot=None, confirm=True)

    def shared(self, kind: Kind) -> float:
        """Seconds for which one look serves all who look at the same before they send.

        Where a list takes long, longer: else reading lists would be most of the work. Never for a quarter of what a
        look may be old, so that the call leaves in time.
        """
        return min(max(_SHARED, _LISTS * self._view(kind.name).list_seconds), max(_SHARED, self._trust / 4))

    def hurry(self) -> None:
        """Nothing else is going on: whoever waits for others to look with looks now."""
        for view in self._views.values():
            if view.moment is not None:
                view.moment.set()

    async def _with_others(self, kind: Kind, *, soon: bool) -> None:
        """Wait for a moment, that others may come who want to look too. Whoever is in a hurry shortens it for all."""
        view = self._view(kind.name)
        is_new = view.moment is None
        moment = view.moment = view.moment or asyncio.Event()
        if is_new or soon:
            asyncio.get_running_loop().call_later(_SOON if soon else _MOMENT, moment.set)
        await moment.wait()
        if view.moment is moment:
            view.moment = None

    async def _read(
        self, kind: Kind, object_id: str, *, max_age: float, deadline: float, slot: Slot | None, confirm: bool
    ) -> Look:
        """By list when that is less work than a GET for each who asks, now or within a short while.

        A list that others can use for a while costs its pages; one for this turn alone, all that is listed: of many
        thousands of objects, each wave of a run would else list them all.
        """
        view = self._view(kind.name)
        now = self._clock.monotonic()
        since = max(now - max_age, view.changed.get(object_id, 0.0))
        if (known := self._known(view, object_id, since, confirm=confirm)) is not None:
            return known
        if not self._has_flight(view, since, slot) and not await self._many(view, max_age):
            return await self._single(kind, object_id, deadline=deadline, slot=slot)
        flight = await self._flight(kind, since, deadline, slot=slot)
        shown = flight.listing.objects.get(object_id)
        if shown is not None or not confirm:
            return Look(flight.listing.asked, shown)
        return await self._single(kind, object_id, deadline=deadline, slot=slot)

    def _known(self, view: _KindView, object_id: str, since: float, *, confirm: bool) -> Look | None:
        """A look that was asked for at `since` or later."""
        single = view.sightings.get(object_id)
        if single is not None and single.asked >= since:
            return single
        for flight in view.flights.values():
            if flight.task.done() and not flight.failed and flight.listing.asked >= since:
                shown = flight.listing.objects.get(object_id)
                if shown is not None or not confirm:
                    return Look(flight.listing.asked, shown)
        return None

    def _has_flight(self, view: _KindView, since: float, slot: Slot | None) -> bool:
        """True when a list is under way that may be waited for."""
        return any(
            flight.began >= since and not flight.task.done() and (flight.in_slot or slot is None)
            for flight in view.flights.values()
        )

    async def _many(self, view: _KindView, max_age: float) -> bool:
        """True when so many look that a list is less work for all of them than a GET for each."""
        now = self._clock.monotonic()
        if now - view.window > _WINDOW:
            view.looks_before = view.looks if now - view.window <= 2 * _WINDOW else 0
            view.window, view.looks = now, 0
        view.looks += 1
        view.asking += 1
        await asyncio.sleep(0)
        many = view.asking
        if max_age:
            many = max(many, view.looks_before, view.looks)
        await asyncio.sleep(0)
        view.asking -= 1
        if view.list_seconds * 2 >= self._trust:
            return False  # such a list is too old when it is there
        calls = 1 - (-view.size // PAGE)  # the last page is an empty one
        return many > (max(calls, 2) if max_age else max(1, -(-view.size // _WORTH)))

    async def _single(self, kind: Kind, object_id: str, *, deadline: float, slot: Slot | None) -> Look:
        reader = slot or self._provider
        look = await reader.look(kind, object_id, deadline=deadline)
        view = self._view(kind.name)
        if len(view.sightings) >= _MOST_SIGHTINGS:
            oldest = self._clock.monotonic() - self._trust
            view.sightings = {one: seen for one, seen in view.sightings.items() if seen.asked >= oldest}
        view.sightings[object_id] = look
        return look

    # ------------------------------------------------------------ lists

    async def _flight(
        self, kind: Kind, since: float, deadline: float, *, gap: float = 0.0, slot: Slot | None = None
    ) -> _Flight:
        """A list that was begun at `since` or later; all who ask meanwhile share it.

        Whoever holds a slot waits only for lists that are made in one: others may be waiting for his.
        """
        view = self._view(kind.name)
        while True:
            usable = [one for one in view.flights.values() if one.began >= since and not one.failed]
            flight = next((one for one in usable if one.task.done() or one.in_slot or slot is None), None)
            if flight is None:
                newest = max((one.began for one in view.flights.values()), default=None)
                early = newest + gap - self._clock.monotonic() if newest is not None else 0.0
                if early > 0:
                    await self._clock.sleep(early)
                    continue
                under_way = view.flights.get(slot is not None)
                if under_way is not None and not under_way.task.done():
                    await self._awaited(view, under_way)
                    continue
                flight = self._take_off(kind, view, deadline, slot)
                if slot is not None:
                    await self._led(view, flight)
                    return flight
            if await self._awaited(view, flight):
                return flight

    def _take_off(self, kind: Kind, view: _KindView, deadline: float, slot: Slot | None) -> _Flight:
        reader = slot or self._provider
        task = asyncio.create_task(reader.listing(kind, deadline=deadline))
        flight = _Flight(self._clock.monotonic(), slot is not None, task)
        view.flights[flight.in_slot] = flight
        return flight

    async def _led(self, view: _KindView, flight: _Flight) -> None:
        """Wait for a list that is made in a slot of our own: it ends before the slot is given back."""
        try:
            await asyncio.wait({flight.task})
        except asyncio.CancelledError:
            flight.task.cancel()
            await asyncio.wait({flight.task})
            raise
        self._landed(view, flight)
        flight.task.result()

    async def _awaited(self, view: _KindView, flight: _Flight) -> bool:
        """Wait for a list. False when it is no use; raises what it has ended in."""
        flight.waiting += 1
        try:
            await asyncio.wait({flight.task})
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done() and not flight.in_slot:
                flight.task.cancel()  # who asked was cancelled: it must not outlive the run
                del view.flights[flight.in_slot]
        if flight.task.cancelled():
            return False
        flight.task.result()
        self._landed(view, flight)
        return True

    def _landed(self, view: _KindView, flight: _Flight) -> None:
        if not flight.failed:
            view.size = len(flight.listing.objects)
            view.list_seconds = flight.listing.seconds

    def _view(self, kind: str) -> _KindView:
        return self._views.setdefault(kind, _KindView())


MAY_BE_OLDER = "it fits, and may have been there before: the cloud's list had no clear end then"
_DOUBTS = {
    Likeness.LACKS: "the service does not show everything of it",
    Likeness.ALIKE: "it has the same name in the same place, and differs otherwise",
}


def _is_vague(kind: Kind, shown: Attributes) -> bool:
    """True when it isn't told how an object is called, or where it lies."""
    return any(shown.get(name) is None for name in ("name", *kind.place))


def _fits(kind: Kind, inputs: Attributes, shown: Attributes) -> bool:
    return likeness(kind, inputs, shown) is Likeness.FITS
