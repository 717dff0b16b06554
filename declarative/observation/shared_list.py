"""A list call that several wait for, and the indexes of what it brings."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from declarative.kinds.index import ObjectIndex
from declarative.model import Kind
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
    indexed: ObjectIndex | None = None

    @property
    def failed(self) -> bool:
        return self.task.done() and (self.task.cancelled() or self.task.exception() is not None)

    @property
    def listing(self) -> Listing:
        return self.task.result()

    def index(self, kind: Kind) -> ObjectIndex:
        """The listed objects by key or name; it is built once."""
        if self.indexed is None:
            self.indexed = ObjectIndex(kind, self.listing.objects)
        return self.indexed
