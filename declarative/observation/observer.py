"""Looks at the cloud: one list serves all who look at once, and every look is as old as its question.

The age of a look counts from the moment its request left. A list is as old as its first page.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field

from declarative.backoff import Backoff
from declarative.clock import Clock
from declarative.model import Attributes, Json, Kind
from declarative.observation.evidence import Evidence
from declarative.observation.notices import Notices
from declarative.observation.shared_list import SharedList
from declarative.provider import Look, Provider, Slot, acting_on

GRACE = 30.0  # seconds in which a list may still lack a new object
LOOKED = 5.0  # seconds after the question of a look in which the call that rests on it must have left
PAGE = 1000
_WORTH = 100  # listed objects that cost as much as one GET
_WINDOW = 0.25  # seconds over which it is counted how many look
_MOMENT = 0.75  # seconds for which those who aren't in a hurry wait for others who look
_SOON = 0.2  # likewise, for those who are
_SHARED = 0.25  # seconds for which one look serves all who look at the same before they send
_LISTS = 12  # how many times as long as it takes a list serves them: reading lists takes a twelfth of the time at most
_UNTIL_SHOWN = Backoff(first=0.5, longest=5.0)  # between looks at a new object that is not shown yet
_MOST_SIGHTINGS = 1000  # single looks that are remembered, until old ones are dropped


@dataclass(slots=True)
class _KindView:
    size: int = 0
    list_seconds: float = 0.0
    lists: dict[bool, SharedList] = field(default_factory=dict)  # the newest: in a slot, and outside of any
    sightings: dict[str, Look] = field(default_factory=dict)
    changed: dict[str, float] = field(default_factory=dict)  # ids that we have changed, and when
    asking: int = 0
    window: float = 0.0
    looks: int = 0  # in this window
    looks_before: int = 0  # in the window before
    moment: asyncio.Event | None = None


class Observer:
    """Looks at the cloud for one run, so that those who look at the same share the work.

    `grace`: seconds in which a list may lack a new object. `trust`: seconds after the question of a look in which the
    call that rests on it must have left. `ends`: the end of the run, on the monotonic clock.
    """

    def __init__(
        self,
        provider: Provider,
        clock: Clock,
        notices: Notices | None = None,
        *,
        grace: float = GRACE,
        trust: float = LOOKED,
        ends: float = math.inf,
    ) -> None:
        self.provider = provider
        self.clock = clock
        self.notices = notices or Notices()
        self.grace = grace
        self.trust = trust
        self.ends = ends
        self.evidence = Evidence(clock, self.notices, ends=ends)
        self._made: dict[str, float] = {}  # ids that this run made, and when
        self._views: dict[str, _KindView] = {}

    def until(self, seconds: float) -> float:
        """A deadline so many seconds from now, but never past the end of the run."""
        return min(self.clock.monotonic() + seconds, self.ends)

    # ------------------------------------------------------------ what this run has made and changed

    def note_made(self, object_id: str) -> None:
        """This run has just made the object: lists may lack it for a while."""
        self._made[object_id] = self.clock.monotonic()

    def expect_new(self, object_id: str) -> None:
        """The object may be too new to be shown: no run has read it since it was made."""
        self._made.setdefault(object_id, self.clock.monotonic())

    def is_new(self, object_id: Json) -> bool:
        """True while an object that this run made may not be shown everywhere yet: through the grace period."""
        made = self._made.get(object_id) if isinstance(object_id, str) else None
        return made is not None and self.clock.monotonic() - made < self.grace

    def changed(self, kind: Kind, object_id: str) -> None:
        """A call of ours may have changed the object: looks from before tell nothing any more."""
        self._view(kind.name).changed[object_id] = self.clock.monotonic()

    # ------------------------------------------------------------ looks at one object

    async def object(self, kind: Kind, object_id: str, *, max_age: float, deadline: float) -> Attributes | None:
        """What `look` shows; but what this run has just made is not gone for not being shown yet."""
        pause = 0.0
        while (
            observed := (await self.look(kind, object_id, max_age=max_age, deadline=deadline)).shown
        ) is None and self.is_new(object_id):
            max_age, pause = 0.0, _UNTIL_SHOWN.after(pause)
            await self.clock.sleep(pause)
        return observed

    async def look(
        self, kind: Kind, object_id: str, *, max_age: float, deadline: float, slot: Slot | None = None
    ) -> Look:
        """The object as it was at most `max_age` seconds ago; `shown` is None when it is confirmed to be gone.

        Absent from a list is not gone: a GET decides. `slot`: the one that is held, in which the look is then made.
        """
        return await self._read(kind, object_id, max_age=max_age, deadline=deadline, slot=slot, confirm=True)

    async def is_still_shown(self, kind: Kind, object_id: str, *, soon: bool, deadline: float) -> bool:
        """True while an object whose deletion has been reported is still shown; read by list or by id.

        `soon`: others wait for it; else all who ask within a moment share one list.
        """
        await self._with_others(kind, soon=soon)
        look = await self._read(kind, object_id, max_age=0.0, deadline=deadline, slot=None, confirm=False)
        return look.shown is not None

    async def made_object(self, kind: Kind, object_id: str, *, soon: bool, deadline: float) -> Look:
        """The object that a job says it has made. `soon`: as for `is_still_shown`."""
        await self._with_others(kind, soon=soon)
        return await self._read(kind, object_id, max_age=0.0, deadline=deadline, slot=None, confirm=True)

    def shared_for(self, kind: Kind) -> float:
        """Seconds for which one look serves all who look at the same before they send.

        Where a list takes long, longer: else reading lists would be most of the work. Never for a quarter of what a
        look may be old, so that the call leaves in time.
        """
        return min(max(_SHARED, _LISTS * self._view(kind.name).list_seconds), max(_SHARED, self.trust / 4))

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
        now = self.clock.monotonic()
        since = max(now - max_age, view.changed.get(object_id, 0.0))
        if (known := self._known(view, object_id, since, confirm=confirm)) is not None:
            return known
        if not self._has_list(view, since, slot) and not await self._many(view, max_age):
            return await self._single(kind, object_id, deadline=deadline, slot=slot)
        shared = await self.list_since(kind, since, deadline, slot=slot)
        shown = shared.listing.objects.get(object_id)
        if shown is not None or not confirm:
            return Look(shared.listing.asked, shown)
        return await self._single(kind, object_id, deadline=deadline, slot=slot)

    def _known(self, view: _KindView, object_id: str, since: float, *, confirm: bool) -> Look | None:
        """A look that was asked for at `since` or later."""
        single = view.sightings.get(object_id)
        if single is not None and single.asked >= since:
            return single
        for shared in view.lists.values():
            if shared.task.done() and not shared.failed and shared.listing.asked >= since:
                shown = shared.listing.objects.get(object_id)
                if shown is not None or not confirm:
                    return Look(shared.listing.asked, shown)
        return None

    def _has_list(self, view: _KindView, since: float, slot: Slot | None) -> bool:
        """True when a list is under way that may be waited for."""
        return any(
            shared.began >= since and not shared.task.done() and (shared.in_slot or slot is None)
            for shared in view.lists.values()
        )

    async def _many(self, view: _KindView, max_age: float) -> bool:
        """True when so many look that a list is less work for all of them than a GET for each."""
        now = self.clock.monotonic()
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
        if view.list_seconds * 2 >= self.trust:
            return False  # such a list is too old when it is there
        calls = 1 - (-view.size // PAGE)  # the last page is an empty one
        return many > (max(calls, 2) if max_age else max(1, -(-view.size // _WORTH)))

    async def _single(self, kind: Kind, object_id: str, *, deadline: float, slot: Slot | None) -> Look:
        reader = slot or self.provider
        look = await reader.look(kind, object_id, deadline=deadline)
        view = self._view(kind.name)
        if len(view.sightings) >= _MOST_SIGHTINGS:
            oldest = self.clock.monotonic() - self.trust
            view.sightings = {one: seen for one, seen in view.sightings.items() if seen.asked >= oldest}
        view.sightings[object_id] = look
        return look

    # ------------------------------------------------------------ lists

    async def list_since(
        self, kind: Kind, since: float, deadline: float, *, gap: float = 0.0, slot: Slot | None = None
    ) -> SharedList:
        """A list that was begun at `since` or later; all who ask meanwhile share it.

        Whoever holds a slot waits only for lists that are made in one: others may be waiting for his.
        """
        view = self._view(kind.name)
        while True:
            usable = [one for one in view.lists.values() if one.began >= since and not one.failed]
            shared = next((one for one in usable if one.task.done() or one.in_slot or slot is None), None)
            if shared is None:
                newest = max((one.began for one in view.lists.values()), default=None)
                early = newest + gap - self.clock.monotonic() if newest is not None else 0.0
                if early > 0:
                    await self.clock.sleep(early)
                    continue
                under_way = view.lists.get(slot is not None)
                if under_way is not None and not under_way.task.done():
                    await self._awaited(view, under_way)
                    continue
                shared = self._begin(kind, view, deadline, slot)
                if slot is not None:
                    await self._lead(view, shared)
                    return shared
            if await self._awaited(view, shared):
                return shared

    def _begin(self, kind: Kind, view: _KindView, deadline: float, slot: Slot | None) -> SharedList:
        reader = slot or self.provider
        with acting_on(""):  # others than the step that begins it use it too
            task = asyncio.create_task(reader.listing(kind, deadline=deadline))
        shared = SharedList(self.clock.monotonic(), slot is not None, task)
        view.lists[shared.in_slot] = shared
        return shared

    async def _lead(self, view: _KindView, shared: SharedList) -> None:
        """Wait for a list that is made in a slot of our own: it ends before the slot is given back."""
        try:
            await asyncio.wait({shared.task})
        except asyncio.CancelledError:
            shared.task.cancel()
            await asyncio.wait({shared.task})
            raise
        self._ended(view, shared)
        shared.task.result()

    async def _awaited(self, view: _KindView, shared: SharedList) -> bool:
        """Wait for a list. False when it is no use; raises what it has ended in."""
        shared.waiting += 1
        try:
            await asyncio.wait({shared.task})
        finally:
            shared.waiting -= 1
            if not shared.waiting and not shared.task.done() and not shared.in_slot:
                shared.task.cancel()  # who asked was cancelled: it must not outlive the run
                del view.lists[shared.in_slot]
        if shared.task.cancelled():
            return False
        shared.task.result()
        self._ended(view, shared)
        return True

    def _ended(self, view: _KindView, shared: SharedList) -> None:
        if not shared.failed:
            view.size = len(shared.listing.objects)
            view.list_seconds = shared.listing.seconds

    def expect(self, kind: str, size: int) -> None:
        """So many objects of a kind are listed, as far as is known."""
        self._view(kind).size = size

    def _view(self, kind: str) -> _KindView:
        return self._views.setdefault(kind, _KindView())
