"""Reading a state from a bucket: checkpoint and journal, without a lock; and what can be gone back to.

The checkpoint changes before the links that it holds are deleted. So a checkpoint that is the same before and after,
with every link behind it, is one state that was there. The list of the journal is not believed alone: the links name
each other, and behind the last one the next is asked for by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from declarative import typed_json
from declarative.errors import StateError
from declarative.state import snapshot
from declarative.state.objects import sealed
from declarative.state.objects.bucket import LARGEST, SMALL, Bucket, Found, Unclear
from declarative.state.objects.links import Position, follow, read_checkpoint, read_link, slot_name, slot_of
from declarative.state.snapshot import NewerFormat, State
from declarative.state.store import Point

BACKUPS = 5
_LOOKS = 8
_PAUSE = 0.25  # seconds
_MARK_FIELDS = frozenset({"lineage", "serial", "slot"})
_WAY_OUT = (
    "`declarative state restore` lists what is whole and goes back to it, keeping what it replaces. What was made after"
    " that may exist in the cloud: look for it, and import it, before you apply."
)


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the state has been, as an object beside it remembers. `etag`: of that object, None: there is none."""

    lineage: str = ""
    serial: int = 0
    slot: int = 0
    etag: str | None = None

    def encode(self) -> bytes:
        """Return the object's bytes."""
        return sealed.seal("mark", {"lineage": self.lineage, "serial": self.serial, "slot": self.slot})


@dataclass(slots=True)
class Cursor:
    """Where the objects stood when they were last read or written. `exists`: there is a state, of `lineage`.

    `slot`, `digest`, `backup`, `fences`, `moved_to`: see `Position`. `etag`, `checksum`: of the checkpoint, None and ""
    for none; `folded`: the slot that it holds. `present`: slots whose links exist.
    """

    exists: bool
    lineage: str
    serial: int
    slot: int
    digest: str
    backup: int
    fences: list[int]
    moved_to: str = ""
    etag: str | None = None
    checksum: str = ""
    folded: int = 0
    present: list[int] = field(default_factory=list)
    mark: Mark = field(default_factory=Mark)

    def position(self, state: State | None) -> Position:
        """Return the position here, where the state is `state`."""
        return Position(state, self.slot, self.digest, self.backup, self.fences, self.moved_to)


def _cursor(position: Position) -> Cursor:
    return Cursor(
        position.state is not None,
        position.lineage,
        position.serial,
        position.slot,
        position.digest,
        position.backup,
        position.fences,
        position.moved_to,
    )


class Reader:
    """Reads the state at `key`. `sleep` is for the moment between two looks at what is being changed."""

    def __init__(self, bucket: Bucket, key: str, *, sleep: Callable[[float], None]) -> None:
        self.key = key
        self.journal = f"{key}.journal"
        self._bucket = bucket
        self._sleep = sleep
        self._source = f"s3://{bucket.target.bucket}/{key}"

    def link_key(self, slot: int) -> str:
        """Return the key of a link."""
        return f"{self.journal}/{slot_name(slot)}"

    def backup_keys(self) -> list[str]:
        """Return the keys of the backups, whether they exist or not."""
        return [f"{self.key}.{number}" for number in range(1, BACKUPS + 1)]

    def load(self) -> tuple[State | None, Cursor]:
        """Return the state as of one moment, and where that is.

        Raises StateError when it is damaged, or parts of it are missing.
        """
        failure = StateError(f"the state {self._source} changes all the time", "Wait until the other run has ended.")
        for look in range(_LOOKS):
            if look:
                self._sleep(_PAUSE)
            found, slots, mark = self._begin()
            etag = found.etag if found is not None else None
            try:
                loaded = self._join(found, slots)
                if loaded is None:
                    failure = StateError(f"the journal of {self._source} lists objects that can't be read", _WAY_OUT)
                    continue
            except NewerFormat:
                raise
            except StateError as error:
                if isinstance(error, Unclear) or self._bucket.etag(self.key) == etag:
                    raise StateError(error.summary, error.fix if isinstance(error, Unclear) else _WAY_OUT) from error
                continue
            if self._bucket.etag(self.key) == etag:
                state, cursor = loaded
                cursor.mark = mark
                return state, cursor
        raise failure

    def _join(self, found: Found | None, slots: list[int]) -> tuple[State | None, Cursor] | None:
        """Return the checkpoint with the links behind it; None: one of those has gone since it was listed."""
        data = found.data if found is not None else None
        position = read_checkpoint(data, source=self._source)
        folded = position.slot
        links = self._links(slots, behind=folded)
        if links is None:
            return None
        if found is None and links:
            slot, first = links[0]
            if read_link(first, slot=slot, source=self.link_key(slot)).previous:
                raise StateError(f"{self._source} is gone, but its journal is there")
        for _ in follow(position, links, source=f"{self._source}.journal"):
            pass
        cursor = _cursor(position)
        cursor.folded, cursor.present = folded, sorted({*slots, *(slot for slot, _ in links)})
        if found is not None:
            cursor.etag, cursor.checksum = found.etag, sealed.digest(found.data)
        return position.state, cursor

    def _begin(self) -> tuple[Found | None, list[int], Mark]:
        with ThreadPoolExecutor(3) as pool:
            checkpoint = pool.submit(self._bucket.get, self.key, limit=LARGEST)
            listed = pool.submit(self.slots)
            mark = pool.submit(self.load_mark)
            return checkpoint.result(), listed.result(), mark.result()

    def slots(self) -> list[int]:
        """Return the slots of the journal that the store lists."""
        return sorted(slot for name in self._bucket.names(self.journal) if (slot := slot_of(name)) is not None)

    def load_mark(self) -> Mark:
        """Return the mark; one that is damaged, or of a later format, is as good as none."""
        found = self._bucket.get(f"{self.key}.highest", limit=SMALL)
        if found is None:
            return Mark()
        try:
            shape, _ = sealed.unseal(found.data, "mark", source=f"{self._source}.highest")
            shape = typed_json.fields(shape, required=_MARK_FIELDS)
            return Mark(
                typed_json.text(shape["lineage"], "lineage"),
                typed_json.whole(shape["serial"], "serial"),
                typed_json.whole(shape["slot"], "slot"),
                found.etag,
            )
        except StateError:
            return Mark(etag=found.etag)

    def _links(self, slots: list[int], *, behind: int) -> list[tuple[int, bytes]] | None:
        """Return the links behind a slot, by slot; None: one of them has gone since it was listed."""
        wanted = [slot for slot in slots if slot > behind]
        upcoming = max([behind, *wanted]) + 1
        got = self._bucket.get_all([self.link_key(slot) for slot in (*wanted, upcoming)], limit=LARGEST)
        *listed, further = got
        links = []
        for slot, found in zip(wanted, listed, strict=True):
            if found is None:
                return None
            links.append((slot, found.data))
        while further is not None:  # created since, or not listed
            links.append((upcoming, further.data))
            upcoming += 1
            further = self._bucket.get(self.link_key(upcoming), limit=LARGEST)
        return links

    # ---------------------------------------------------------------- what can be gone back to

    def points(self) -> list[Point]:
        """Return the serials that can be gone back to: see `Engine.points`. Raises NewerFormat, or Unclear."""
        found = []
        for name, order, positions in self._histories():
            serials = [
                (position.state.serial, len(position.state.resources))
                for position in positions
                if position.state is not None
            ]
            if not serials:
                continue
            (own, objects), (last, objects_at_last) = serials[0], serials[-1]
            if last != own:
                found.append((order, Point(last, f"{name} with its journal", objects_at_last, since=min(own, last))))
            found.append((order, Point(own, name, objects, since=own)))
        points: dict[int, Point] = {}
        for _, point in sorted(found, key=lambda pair: -pair[0]):
            points.setdefault(point.serial, point)
        return list(points.values())

    def go_back(self, serial: int) -> State | None:
        """Return the state as of `serial`, from the newest object that leads there; None: none does."""
        for _, _, positions in sorted(self._histories(), key=lambda history: -history[1]):
            for position in positions:
                if position.state is not None and position.state.serial == serial:
                    return snapshot.decode(snapshot.encode(position.state), source=self._source)
        return None

    def _histories(self) -> Iterator[tuple[str, int, Iterator[Position]]]:
        """Yield each checkpoint that is whole, its slot, and the positions that it and the journal lead through."""
        keys = [self.key, *self.backup_keys()]
        links: dict[int, bytes] = {}
        for slot, found in zip(slots := self.slots(), self._get_links(slots), strict=True):
            if found is not None:
                links[slot] = found.data
        for key, found in zip(keys, self._bucket.get_all(keys, limit=LARGEST), strict=True):
            if found is None and (key != self.key or not links):
                continue
            name = key.rpartition("/")[2]
            try:
                position = read_checkpoint(found.data if found is not None else None, source=name)
            except NewerFormat:
                if key == self.key:
                    raise
            except StateError:
                continue
            else:
                yield name, position.slot, _walk(position, sorted(links.items()), f"{self._source}.journal")

    def _get_links(self, slots: list[int]) -> list[Found | None]:
        return self._bucket.get_all([self.link_key(slot) for slot in slots], limit=LARGEST)


def _walk(position: Position, links: list[tuple[int, bytes]], source: str) -> Iterator[Position]:
    """Yield `position`, then the same object again after each link that leads on from it."""
    start = position.slot
    yield position
    try:
        yield from follow(position, [pair for pair in links if pair[0] > start], source=source)
    except StateError:
        return
