"""The journal's lines: what happened since the snapshot, durable before anything depends on it. Pure.

A line is `CRC LENGTH JSON`: the CRC-32 of the JSON in 8 hex digits, its length in bytes, and one object. The first line
is the header `{format, lineage, after}`, where `after` is the serial that the first batch follows. Each other line is a
record: `{serial, type, …}`; all lines of a batch carry the serial that the batch makes, and the last of them `last:
true`. A batch counts whole or not at all.

Lines are only ever added at the end, and each batch is durable before the next. So a crash can leave the last batch
torn, as `torn` tells, and that is dropped; anything else that is wrong was not our doing, and is refused.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from zlib import crc32

from declarative import codec, typed_json
from declarative.errors import StateError, visible
from declarative.model import Accepted, Begun, Closed, Dropped, Json, PreImage, Put, Record, RunEnded, RunStarted
from declarative.state import torn
from declarative.state.canonical import dumps, loads
from declarative.state.snapshot import NewerFormat
from declarative.typed_json import Malformed

FORMAT = "declarative.journal/1"

_Shape: TypeAlias = dict[str, Json]

_FORMAT = re.compile(r"declarative\.journal/([1-9][0-9]{0,8})")
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that became durable together; `serial` is what the state has after them."""

    serial: int
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal as read: `intact` counts the bytes of its header and whole batches, 0: not even the header is whole.

    Then `torn` is the serial of the batch that was torn with it, 0: none of its lines is whole.
    """

    lineage: str = ""
    after: int = 0
    batches: tuple[Batch, ...] = ()
    intact: int = 0
    torn: int = 0


class Broken(StateError):
    """The journal is damaged. `whole` is what stands before the damage: `offset` bytes, up to `serial`."""

    id = "journal-damaged"

    def __init__(self, summary: str, *, whole: Journal) -> None:
        self.whole = whole
        self.offset = whole.intact
        self.serial = whole.after + len(whole.batches)
        super().__init__(summary, f"What stands before that is whole, up to serial {self.serial}.")


# ---------------------------------------------------------------- encode


def encode_header(lineage: str, *, after: int) -> bytes:
    """Return the first line of a journal whose first batch has the serial `after` + 1."""
    return _line({"format": FORMAT, "lineage": lineage, "after": after})


def encode_batch(records: Sequence[Record], *, serial: int) -> bytes:
    """Return the lines of one batch. `records` has at least one. Raises Malformed for what JSON can't express."""
    lines = []
    for number, record in enumerate(records, 1):
        shape = {"serial": serial, **_write(record)}
        if number == len(records):
            shape["last"] = True
        lines.append(_line(shape))
    return b"".join(lines)


def _line(shape: Mapping[str, Json]) -> bytes:
    text = dumps(shape).encode("ascii")
    return b"%08x %d %s\n" % (crc32(text), len(text), text)


def _write(record: Record) -> dict[str, Json]:
    match record:
        case Put(resource, step):
            return {"type": "put", "resource": codec.resource_in_short(resource), "step": step}
        case Dropped(address, step):
            return {"type": "dropped", "address": codec.write_address(address), "step": step}
        case Begun(operation):
            return {"type": "begun", "operation": codec.operation_in_short(operation)}
        case Accepted(operation_id, job_id):
            return {"type": "accepted", "operation": operation_id, "job_id": job_id}
        case Closed(operation_id):
            return {"type": "closed", "operation": operation_id}
        case PreImage(kind, ids):
            return {"type": "pre_image", "kind": kind, "ids": list(ids)}
        case RunStarted(run, review):
            told = {"review": codec.write_review(review)} if review is not None else {}
            return {"type": "run_started", "run": codec.run_in_short(run), **told}
        case RunEnded(run, done, outputs):
            return {"type": "run_ended", "run": codec.run_in_short(run), "done": done, "outputs": outputs}


# ---------------------------------------------------------------- decode


def decode(data: bytes, *, source: str) -> Journal:
    """Read a journal: its whole batches, in order; a torn batch at the end is left out.

    Raises NewerFormat, or Broken for all else that is not as it was written.
    """
    shown = visible(source)
    lines = data.split(b"\n")
    found = _parse(_whole_texts(lines))
    if not found:
        return Journal(torn=_judge_tail(lines, Journal(), shown=shown, used=0)) if data else Journal()
    lineage, after = _read_header(found[0], shown)
    batches, used, fault = _batches(found[1:], after=after)
    whole = Journal(lineage, after, tuple(batches), sum(len(line) + 1 for line in lines[: 1 + used]))
    if fault:
        raise Broken(f"{shown} {fault}", whole=whole)
    _judge_tail(lines[1 + used :], whole, shown=shown, used=1 + used)
    return whole


def salvage(data: bytes, *, after: int) -> Iterator[Record]:
    """Yield what the lines that are whole tell of later than the serial `after`, in a journal that may be damaged.

    For people to look at: a record may be of a batch that is not whole.
    """
    for shape in _parse([text for text in map(_checked, data.split(b"\n")) if text is not None]):
        serial = shape.get("serial")
        if type(serial) is int and serial > after:
            with contextlib.suppress(Malformed):
                yield _record(shape)


def _whole_texts(lines: Sequence[bytes]) -> list[bytes]:
    """Return the JSON of the lines up to the first that is not as it was written; the last has no newline."""
    texts: list[bytes] = []
    for line in lines[:-1]:
        text = _checked(line)
        if text is None:
            break
        texts.append(text)
    return texts


def _checked(line: bytes) -> bytes | None:
    """Return the JSON of a line, or None when the line is not as it was written."""
    parts = line.split(b" ", 2)
    if len(parts) != 3:
        return None
    text = parts[2]
    return text if b"%08x %d" % (crc32(text), len(text)) == line[: -len(text) - 1] else None


def _parse(texts: list[bytes]) -> list[_Shape]:
    """Return the objects of the lines up to the first that isn't one. All at once, which is faster, if all are."""
    with contextlib.suppress(Malformed, UnicodeDecodeError):
        found = loads(f"[{b','.join(texts).decode('utf-8')}]", unique_keys=False)
        if len(objects := typed_json.array(found, "lines", _object)) == len(texts):
            return objects
    one_by_one: list[_Shape] = []
    with contextlib.suppress(Malformed, UnicodeDecodeError):
        one_by_one.extend(_object(loads(text.decode("utf-8"), unique_keys=False)) for text in texts)
    return one_by_one


def _object(shape: Json) -> _Shape:
    return typed_json.mapping(shape, "line")


def _judge_tail(tail: Sequence[bytes], whole: Journal, *, shown: str, used: int) -> int:
    """Raise Broken unless `tail`, behind `used` lines, is what a crash leaves of one batch. Return that batch's serial.

    With no line used, the tail is all of the file, header first; the serial is what its lines show, 0 when none does.
    """
    serial, over = (whole.after + len(whole.batches) + 1 if used else 0), False
    try:
        lines = torn.read_tail(tail)
        for number, text in lines if used else _behind_header(lines):
            if over:
                raise torn.Damaged(number)
            if text is not None:
                serial, over = _torn_record(text, number, expected=serial)
    except torn.Damaged as damage:
        raise Broken(f"{shown} is damaged in line {used + damage.line + 1}", whole=whole) from damage
    return serial


def _behind_header(lines: list[tuple[int, bytes | None]]) -> list[tuple[int, bytes | None]]:
    number, text = lines[0]
    if text is not None and not any("format" in shape for shape in _parse([text])):
        raise torn.Damaged(number)
    return lines[1:]


def _torn_record(text: bytes, number: int, *, expected: int) -> tuple[int, bool]:
    """Return the serial of a line in a torn tail, and whether it is the last of its batch. `expected` 0: any serial."""
    shape = next(iter(_parse([text])), {})
    serial = shape.get("serial")
    if type(serial) is not int or serial != (expected or serial):
        raise torn.Damaged(number)
    return serial, shape.get("last") is True


def _read_header(shape: _Shape, shown: str) -> tuple[str, int]:
    found = shape.get("format")
    match = _FORMAT.fullmatch(found) if isinstance(found, str) else None
    if match is None:
        raise Broken(f"{shown} has no header of a journal", whole=Journal())
    if int(match[1]) > _VERSION:
        raise NewerFormat(
            f"{shown} has the format {match[0]}, but this version of declarative reads {FORMAT}",
            "Use the version of declarative that wrote it, or a later one.",
        )
    try:
        header = typed_json.fields(shape, required=_HEADER)
        return typed_json.text(header["lineage"], "lineage", empty=False), typed_json.whole(header["after"], "after")
    except Malformed as error:
        raise Broken(f"{shown} line 1: {error.summary}", whole=Journal()) from error


_HEADER = frozenset({"format", "lineage", "after"})


def _batches(found: list[_Shape], *, after: int) -> tuple[list[Batch], int, str]:
    """Return the whole batches at the beginning, how many lines they take, and what is wrong with a line behind them.

    Nothing is wrong when that line merely belongs to no batch that is whole.
    """
    batches: list[Batch] = []
    records: list[Record] = []
    used = 0
    serial = after + 1
    for number, shape in enumerate(found, 1):
        if shape.get("serial") != serial:
            break
        try:
            records.append(_record(shape))
        except Malformed as error:
            return batches, used, f"line {number + 1}: {error.summary}"
        if shape.get("last") is True:
            batches.append(Batch(serial, tuple(records)))
            records = []
            used = number
            serial += 1
    return batches, used, ""


def _record(shape: _Shape) -> Record:
    name = typed_json.text(shape.get("type"), "type")
    reader = _READERS.get(name)
    if reader is None:
        raise Malformed(f"the type {visible(name, limit=64)} is unknown")
    required, read = reader
    return read(typed_json.fields(shape, required=required, optional=_MORE.get(name, _LAST)))


_LAST = frozenset({"last"})
_MORE = {"run_started": frozenset({"last", "review"})}


def _put(shape: _Shape) -> Record:
    return Put(codec.read_resource(shape["resource"]), typed_json.text(shape["step"], "step"))


def _dropped(shape: _Shape) -> Record:
    return Dropped(codec.read_address(shape["address"]), typed_json.text(shape["step"], "step"))


def _begun(shape: _Shape) -> Record:
    return Begun(codec.read_operation(shape["operation"]))


def _accepted(shape: _Shape) -> Record:
    return Accepted(typed_json.text(shape["operation"], "operation"), typed_json.text(shape["job_id"], "job_id"))


def _closed(shape: _Shape) -> Record:
    return Closed(typed_json.text(shape["operation"], "operation"))


def _pre_image(shape: _Shape) -> Record:
    return PreImage(typed_json.text(shape["kind"], "kind"), typed_json.texts(shape["ids"], "ids"))


def _run_started(shape: _Shape) -> Record:
    review = codec.read_review(shape["review"]) if "review" in shape else None
    return RunStarted(codec.read_run(shape["run"]), review)


def _run_ended(shape: _Shape) -> Record:
    run = codec.read_run(shape["run"])
    return RunEnded(run, typed_json.boolean(shape["done"], "done"), typed_json.mapping(shape["outputs"], "outputs"))


def _needs(*names: str) -> frozenset[str]:
    return frozenset({"serial", "type", *names})


_READERS: Mapping[str, tuple[frozenset[str], Callable[[_Shape], Record]]] = {
    "put": (_needs("resource", "step"), _put),
    "dropped": (_needs("address", "step"), _dropped),
    "begun": (_needs("operation"), _begun),
    "accepted": (_needs("operation", "job_id"), _accepted),
    "closed": (_needs("operation"), _closed),
    "pre_image": (_needs("kind", "ids"), _pre_image),
    "run_started": (_needs("run"), _run_started),
    "run_ended": (_needs("run", "done", "outputs"), _run_ended),
}
