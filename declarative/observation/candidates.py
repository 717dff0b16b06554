"""Which objects of the cloud a create may have made: those that were not there before it, and that nobody else has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from declarative.kinds.compare import Likeness, likeness, same_name
from declarative.model import Attributes, Kind
from declarative.observation.observer import Observer


@dataclass(slots=True)
class _Known:
    """What is known of one kind. `foreign`: in the refresh and not recorded. `is_whole`: it showed all there was."""

    not_ours: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)
    refreshed: Mapping[str, Attributes] = field(default_factory=dict)
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """What a search for the object of a create has come to.

    `fits`: the objects that it may have made, and that are nobody's, as they are shown, by id. `doubtful`: others that
    may be it all the same, each with the reason, in words. `is_complete`: what was not found was not there.
    """

    fits: Mapping[str, Attributes] = field(default_factory=dict)
    doubtful: Mapping[str, str] = field(default_factory=dict)
    is_complete: bool = True


class Candidates:
    """What creates of this run may have made, and what they can't have: what a refresh under the lock has shown."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._known: dict[str, _Known] = {}

    def exclude(self, kind: str, ids: Iterable[str]) -> None:
        """These objects can't be the result of a create that is being looked for."""
        self._of(kind).not_ours.update(ids)

    def foreign(self, kind: Kind, wanted: Iterable[Attributes] = ()) -> set[str]:
        """Ids that the refresh found and the state does not record, less what creates of `wanted` may have made."""
        known = self._of(kind.name)
        lost = list(wanted)
        return {
            object_id
            for object_id in known.foreign
            if not any(likeness(kind, inputs, known.refreshed[object_id]) is not Likeness.OTHER for inputs in lost)
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
            known = self._of(kind)
            self._observer.expect(kind, len(found))
            known.refreshed = found
            known.not_ours.update(found)
            known.foreign = found.keys() - recorded.get(kind, set())
            known.is_whole = kind not in partial

    def as_refreshed(self, kind: Kind) -> Mapping[str, Attributes]:
        """The objects of a kind that the refresh has shown, by id; {} when there was none."""
        return self._of(kind.name).refreshed

    def partly_known(self, kind: str) -> None:
        """What was there before may not be known whole: what fits a create may be somebody else's."""
        self._of(kind).is_whole = False

    def is_partial(self, kind: Kind) -> bool:
        """True when it isn't known whole what was there before."""
        return not self._of(kind.name).is_whole

    def claim(self, kind: Kind, object_id: str) -> bool:
        """Take `object_id` for one step; False when another has it already."""
        free = self.is_free(kind, object_id)
        self._of(kind.name).not_ours.add(object_id)
        return free

    def is_free(self, kind: Kind, object_id: str) -> bool:
        """True when a create may have made the object. One that is named by its parts has the same id every time."""
        return kind.relations.identity is not None or object_id not in self._of(kind.name).not_ours

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
        shared = await self._observer.list_since(kind, since, deadline, gap=gap)
        listing = shared.listing
        fits: dict[str, Attributes] = {}
        doubtful: dict[str, str] = {}
        for object_id in shared.index(kind).like(inputs):
            if not self.is_free(kind, object_id):
                continue
            shown = listing.objects[object_id]
            likely = likeness(kind, inputs, shown)
            if likely is Likeness.LACKS or (likely is Likeness.ALIKE and _is_vague(kind, shown)):
                shown = await self._observer.provider.get(kind, object_id, deadline=deadline) or {}
                likely = likeness(kind, inputs, shown) if shown else Likeness.OTHER
            if likely is Likeness.FITS:
                fits[object_id] = shown
            elif likely is not Likeness.OTHER and not any(_fits(kind, other, shown) for other in others()):
                doubtful[object_id] = _DOUBTS[likely]
        for stray in listing.strays:
            if stray.get("name") is not None and same_name(stray["name"], inputs.get("name")):
                doubtful[str(stray.get("id"))] = "it has no usable id"
        if self.is_partial(kind) and not kind.relations.natural_key:
            doubtful.update(dict.fromkeys(fits, MAY_BE_OLDER))
            fits = {}
        return Found(fits, doubtful, listing.is_complete)

    async def by_natural_key(self, kind: Kind, inputs: Attributes, *, since: float, deadline: float) -> list[str]:
        """Ids of all objects with the natural key of `inputs`, whosever they are."""
        return list((await self._observer.list_since(kind, since, deadline)).index(kind).keyed(inputs))

    def _of(self, kind: str) -> _Known:
        return self._known.setdefault(kind, _Known())


MAY_BE_OLDER = "it fits, and may have been there before: the cloud's list had no clear end then"
_DOUBTS = {
    Likeness.LACKS: "the service does not show everything of it",
    Likeness.ALIKE: "it has the same name in the same place, and differs otherwise",
}


def _is_vague(kind: Kind, shown: Attributes) -> bool:
    """True when it isn't told how an object is called, or where it lies."""
    return any(shown.get(name) is None for name in ("name", *kind.relations.place))


def _fits(kind: Kind, inputs: Attributes, shown: Attributes) -> bool:
    return likeness(kind, inputs, shown) is Likeness.FITS
