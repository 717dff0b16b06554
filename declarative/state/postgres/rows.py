"""A state as rows, and the rows that a batch changes. Pure.

What grows with the stack has a row each: resources, open operations, finished steps of the plan in hand, ids of the
pre-images. All else is the *head*: the text of a state without any of those. A row has a checksum over its table, key,
serial and text; the state keeps count and sum of them for each table, so that a row which somebody changed, added or
took away is noticed, and still one change costs the same in a large state as in a small one. The digest of a state is
over its head, these sums, and the digest of the serial before: a chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, TypeAlias

from declarative import codec, typed_json
from declarative.errors import visible
from declarative.model import (
    Accepted,
    Begun,
    Closed,
    Dropped,
    Json,
    Operation,
    PreImage,
    Put,
    Record,
    Resource,
    RunEnded,
    RunStarted,
)
from declarative.state import snapshot
from declarative.state.canonical import dumps, loads
from declarative.state.snapshot import State, copied, fold
from declarative.typed_json import Malformed

RESOURCES, OPERATIONS, STEPS, PRE_IMAGES = TABLES = ("resources", "operations", "steps", "pre_images")

_MODULUS = 1 << 128
_LONGEST_KEY = 500  # characters; an index of PostgreSQL takes some 2,700 bytes
_PIECE = 1 << 20  # characters that are parsed at a time

Kept: TypeAlias = tuple[str, str, str, int]  # a row as it is kept: key, text, checksum, serial of its last write


@dataclass(slots=True)
class Change:
    """What one table gets: rows to put, by key, as text and checksum; keys to delete; or all others to delete."""

    put: dict[str, tuple[str, str]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    cleared: bool = False


@dataclass(slots=True)
class Delta:
    """What becomes of the rows, and what the state's own row says then. `head`: None where it stays."""

    serial: int
    lineage: str
    head: str | None
    sums: str
    previous: str
    digest: str
    tables: dict[str, Change]


@dataclass(slots=True)
class Sums:
    """The checksums of one table's rows, by key, with the serial of each row's last write."""

    rows: dict[str, tuple[int, int]] = field(default_factory=dict)
    total: int = 0

    def put(self, key: str, serial: int, checksum: int) -> None:
        self.total = (self.total - self.rows.get(key, (0, 0))[1] + checksum) % _MODULUS
        self.rows[key] = serial, checksum

    def drop(self, key: str) -> bool:
        _, checksum = self.rows.pop(key, (0, None))
        if checksum is None:
            return False
        self.total = (self.total - checksum) % _MODULUS
        return True


# ---------------------------------------------------------------- texts


def checksum(table: str, key: str, serial: int, text: str) -> int:
    """Return a row's checksum, of 128 bits."""
    said = f"{table}\n{key}\n{serial}\n{text}".encode("ascii", "backslashreplace")
    return int.from_bytes(hashlib.blake2b(said, digest_size=16).digest())


def written(number: int) -> str:
    """Return a checksum as it is kept."""
    return f"{number:032x}"


def sealed(head: str) -> str:
    """Return the digest of a head."""
    return hashlib.sha256(head.encode("utf-8", "surrogatepass")).hexdigest()


def state_digest(*, name: str, lineage: str, serial: int, previous: str, moved_to: str, seal: str, sums: str) -> str:
    """Return the digest of a state's own row.

    `previous`: the digest of the serial before, "" for the first; `seal`: of the head.
    """
    said = dumps([1, name, lineage, serial, previous, moved_to, seal, sums])
    return hashlib.sha256(said.encode("ascii")).hexdigest()


def history_checksum(*row: Json) -> str:
    """Return the checksum of a row of the history, over serial, epoch, lineage, previous, digest, who and records."""
    return hashlib.sha256(dumps(list(row)).encode("ascii")).hexdigest()


def key_of(text: str) -> str:
    """Return the key for a text: itself, as JSON has it; of one that is too long, its beginning and its digest."""
    plain = dumps(text)[1:-1]
    if len(plain) <= _LONGEST_KEY:
        return plain
    return f"{plain[:_LONGEST_KEY]}~{hashlib.sha256(plain.encode('ascii')).hexdigest()}"


def _resource_row(resource: Resource) -> tuple[str, str]:
    return codec.write_address(resource.address), dumps(codec.resource_in_short(resource))


def _operation_row(operation: Operation) -> tuple[str, str]:
    return key_of(operation.id), dumps(codec.operation_in_short(operation))


def _step_row(step: str) -> tuple[str, str]:
    return key_of(step), dumps(step)


def _pre_image_row(kind: str, one: str) -> tuple[str, str]:
    return _pre_image_key(kind, one), dumps([kind, one])


def _pre_image_key(kind: str, one: str) -> str:
    return f"{key_of(kind).replace('/', chr(92) + '/')}/{key_of(one)}"


def rows_of(state: State) -> dict[str, dict[str, str]]:
    """Return the rows of a whole state: by table and key, their texts."""
    steps = state.progress.steps if state.progress is not None else ()
    return {
        RESOURCES: dict(map(_resource_row, state.resources.values())),
        OPERATIONS: dict(map(_operation_row, state.operations.values())),
        STEPS: dict(map(_step_row, steps)),
        PRE_IMAGES: dict(_pre_image_row(kind, one) for kind, ids in state.pre_images.items() for one in ids),
    }


def head_of(state: State) -> str:
    """Return the text of all that has no row of its own, as a snapshot has it."""
    bare = replace(
        state,
        resources={},
        operations={},
        pre_images={kind: set() for kind in state.pre_images},
        progress=replace(state.progress, steps=set()) if state.progress is not None else None,
    )
    return snapshot.encode(bare).decode("ascii")


# ---------------------------------------------------------------- reading


def read_rows(table: str, kept: Iterable[Kept]) -> tuple[list[Json], Sums]:
    """Return the values of a table's rows and the sums over them. Raises Malformed for a row that isn't as written."""
    sums = Sums()
    texts: list[str] = []
    total, rows = 0, sums.rows
    for key, text, said, serial in kept:
        number = checksum(table, key, serial, text)
        if written(number) != said:
            raise Malformed(f"has been changed or damaged: {_row(table, key)} does not match its checksum")
        rows[key] = serial, number
        total += number
        texts.append(text)
    sums.total = total % _MODULUS
    return [value for piece in _pieces(texts) for value in piece], sums


def _pieces(texts: Sequence[str]) -> Iterable[list[Json]]:
    """Parse rows some at a time: faster than one by one, and in less memory than as one tree."""
    start = size = 0
    for number, text in enumerate(texts, 1):
        size += len(text)
        if size >= _PIECE or number == len(texts):
            found = loads(f"[{','.join(texts[start:number])}]", unique_keys=True)
            if len(found) != number - start:
                raise Malformed("has a row that is not one JSON value")
            yield found
            start, size = number, 0


def _row(table: str, key: str) -> str:
    return f"the row '{visible(key, limit=120)}' of {table}"


def write_sums(sums: Mapping[str, Sums]) -> str:
    """Return count and sum of each table, as one text."""
    return dumps({table: [len(sums[table].rows), written(sums[table].total)] for table in TABLES})


def assemble(head: str, values: Mapping[str, Sequence[Json]], sums: Mapping[str, Sums], *, serial: int) -> State:
    """Make the state of its head and the values of its rows. Raises StateError for what doesn't fit together."""
    state = snapshot.decode(head.encode("utf-8", "surrogatepass"), source="its head")
    state.serial = serial
    for resource in map(codec.read_resource, values[RESOURCES]):
        _fits(RESOURCES, str(resource.address), sums)
        state.resources[resource.address] = resource
    for operation in map(codec.read_operation, values[OPERATIONS]):
        _fits(OPERATIONS, key_of(operation.id), sums)
        state.operations[operation.id] = operation
    steps = set(typed_json.texts(list(values[STEPS]), STEPS))
    if state.progress is not None:
        state.progress.steps = steps
    elif steps:
        raise Malformed("has finished steps, but no run")
    for pair in values[PRE_IMAGES]:
        kind, one = typed_json.texts(pair, PRE_IMAGES)
        _fits(PRE_IMAGES, _pre_image_key(kind, one), sums)
        state.pre_images.setdefault(kind, set()).add(one)
    if len(state.resources) < len(values[RESOURCES]) or len(state.operations) < len(values[OPERATIONS]):
        raise Malformed("records something twice")
    snapshot.require_sound(state)
    return state


def _fits(table: str, key: str, sums: Mapping[str, Sums]) -> None:
    if key not in sums[table].rows:
        raise Malformed(f"has been changed or damaged: {table} has '{visible(key, limit=120)}' under another key")


# ---------------------------------------------------------------- what a write changes


@dataclass(slots=True)
class Shadow:
    """The state as it is kept, with the sums over its rows; what a write changes is told from it.

    `digest` "": nothing is kept yet. `previous`: the digest of the serial before. `seal`: of the head. `based`: the
    serial of the newest whole text among the backups, -1: none.
    """

    name: str
    state: State
    sums: dict[str, Sums]
    digest: str = ""
    previous: str = ""
    seal: str = ""
    based: int = -1

    @classmethod
    def of_nothing(cls, name: str) -> Shadow:
        """The shadow of a state that isn't there."""
        return cls(name, State(""), {table: Sums() for table in TABLES})

    def follow(self, records: Sequence[Record], *, lineage: str) -> Delta:
        """Fold a batch in, and return what it changes. After an error the shadow is of no more use."""
        if not self.digest:
            self.state = snapshot.fresh(lineage)
        tables = {table: Change(cleared=not self.digest) for table in TABLES}
        serial = self.state.serial + 1
        head = not self.digest
        for record in records:
            head |= self._FOLLOW[type(record)](self, record, tables, serial)
        self.state.serial = serial
        return self._delta(tables, head=head, previous=self.digest)

    def become(self, state: State, *, previous: str = "") -> Delta:
        """Take on a whole state, and return what that changes; rows that stay as they are keep their serial.

        `previous`: the digest that it follows, where the shadow is of nothing.
        """
        tables = {table: Change(cleared=not self.digest) for table in TABLES}
        for table, target in rows_of(state).items():
            known, change = self.sums[table], tables[table]
            for key in known.rows.keys() - target.keys():
                known.drop(key)
                change.gone.add(key)
            for key, text in target.items():
                serial, number = known.rows.get(key, (0, -1))
                if number != checksum(table, key, serial, text):
                    self._put(tables, table, key, text, state.serial)
        before = "" if not self.digest else head_of(replace(self.state, serial=0))
        head = before != head_of(replace(state, serial=0))
        if self.digest:
            previous = self.previous if state.serial == self.state.serial else self.digest
        self.state = copied(state)
        return self._delta(tables, head=head, previous=previous)

    def leave(self, moved_to: str) -> Delta:
        """Return what is left once the state has moved to another address: nothing but the word."""
        state = State(self.state.lineage, self.state.serial)
        self.sums = {table: Sums() for table in TABLES}
        self.seal = sealed("")
        delta = Delta(state.serial, state.lineage, "", write_sums(self.sums), self.digest, "", {})
        delta.tables = {table: Change(cleared=True) for table in TABLES}
        delta.digest = self._digest(delta, moved_to=moved_to)
        return delta

    def _delta(self, tables: dict[str, Change], *, head: bool, previous: str) -> Delta:
        text = head_of(self.state) if head else None
        if text is not None:
            self.seal = sealed(text)
        delta = Delta(self.state.serial, self.state.lineage, text, write_sums(self.sums), previous, "", tables)
        delta.digest = self._digest(delta)
        return delta

    def _digest(self, delta: Delta, *, moved_to: str = "") -> str:
        return state_digest(
            name=self.name,
            lineage=delta.lineage,
            serial=delta.serial,
            previous=delta.previous,
            moved_to=moved_to,
            seal=self.seal,
            sums=delta.sums,
        )

    def _put(self, tables: dict[str, Change], table: str, key: str, text: str, serial: int) -> None:
        number = checksum(table, key, serial, text)
        self.sums[table].put(key, serial, number)
        tables[table].put[key] = text, written(number)
        tables[table].gone.discard(key)

    def _drop(self, tables: dict[str, Change], table: str, key: str) -> None:
        if self.sums[table].drop(key):
            tables[table].put.pop(key, None)
            tables[table].gone.add(key)

    def _clear(self, tables: dict[str, Change], table: str) -> None:
        self.sums[table] = Sums()
        tables[table] = Change(cleared=True)

    # What a record changes; each returns whether the head is another one then.

    def _object(self, record: Put | Dropped, tables: dict[str, Change], serial: int) -> bool:
        address = record.resource.address if isinstance(record, Put) else record.address
        before = self.state.resources.get(address)
        fold(self.state, record)
        after = self.state.resources.get(address)
        if after is not None:
            self._put(tables, RESOURCES, *_resource_row(after), serial)
        else:
            self._drop(tables, RESOURCES, codec.write_address(address))
            if before is not None and before.id in self.state.pre_images.get(address.kind, ()):
                self._put(tables, PRE_IMAGES, *_pre_image_row(address.kind, before.id), serial)
        if record.step and self.state.progress is not None and record.step in self.state.progress.steps:
            key, text = _step_row(record.step)
            if key not in self.sums[STEPS].rows:
                self._put(tables, STEPS, key, text, serial)
        return False

    def _operation(self, record: Begun | Accepted | Closed, tables: dict[str, Change], serial: int) -> bool:
        id_ = record.operation.id if isinstance(record, Begun) else record.operation
        kinds = len(self.state.pre_images)
        fold(self.state, record)
        operation = self.state.operations.get(id_)
        if operation is not None:
            self._put(tables, OPERATIONS, *_operation_row(operation), serial)
        else:
            self._drop(tables, OPERATIONS, key_of(id_))
        return self._forgotten(tables, kinds)

    def _pre_image(self, record: PreImage, tables: dict[str, Change], serial: int) -> bool:
        before = self.state.pre_images.get(record.kind, set())
        fold(self.state, record)
        after = self.state.pre_images[record.kind]
        for one in before - after:
            self._drop(tables, PRE_IMAGES, _pre_image_row(record.kind, one)[0])
        for one in after - before:
            self._put(tables, PRE_IMAGES, *_pre_image_row(record.kind, one), serial)
        return True

    def _run(self, record: RunStarted | RunEnded, tables: dict[str, Change], serial: int) -> bool:
        kinds = len(self.state.pre_images)
        fold(self.state, record)
        if self.sums[STEPS].rows and (self.state.progress is None or not self.state.progress.steps):
            self._clear(tables, STEPS)
        self._forgotten(tables, kinds)
        return True

    def _forgotten(self, tables: dict[str, Change], kinds: int) -> bool:
        """Pre-images are forgotten all at once."""
        if len(self.state.pre_images) == kinds:
            return False
        self._clear(tables, PRE_IMAGES)
        return True

    _FOLLOW: ClassVar[Mapping[type, Callable[..., bool]]] = {
        Put: _object,
        Dropped: _object,
        Begun: _operation,
        Accepted: _operation,
        Closed: _operation,
        PreImage: _pre_image,
        RunStarted: _run,
        RunEnded: _run,
    }
