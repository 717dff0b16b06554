"""A list call that several wait for, and the indexes of what it brings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from declarative.kinds.compare import natural_key
from declarative.model import Attributes, Kind
from declarative.provider import Listing


@dataclass(slots=True)
class SharedList:
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
    if kind.relations.natural_key:
        known = all(attributes.get(name) is not None for name in kind.relations.natural_key)
        return natural_key(kind, attributes) if known else ("",)
    name = attributes.get("name")
    return (str(name).strip().casefold() if name is not None else "",)
