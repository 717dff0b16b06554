"""The journal's lines: what happened since the snapshot, durable before anything depends on it. Pure.

A line is `CRC LENGTH JSON`: the CRC-32 of the JSON in 8 hex digits, its length in bytes, and one object. The first line
is the header `{format, lineage, after}`, where `after` is the serial that the first batch follows. Each other line is a
record: `{serial, type, …}`; all lines of a batch carry the serial that the batch makes, and the last of them `last:
true`. A batch counts whole or not at all.

Lines are only ever added at the end, and each batch is durable before the next. So what a crash can leave is one broken
batch at the end, which is dropped; anything else that is broken was not our doing, and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

from declarative.errors import StateError, visible
from declarative.model import Accepted, Begun, Closed, Dropped, Json, PreImage, Put, Record, RunEnded, RunStarted
from declarative.state import shapes
from declarative.state.shapes import Malformed, dumps
from declarative.state.snapshot import NewerFormat

FORMAT = "declarative.journal/1"

_FORMAT = re.compile(r"declarative\.journal/([1-9][0-9]{0,8})")
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that became durable together; `serial` is what the state has after them."""

    serial: int
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal as read: `intact` counts the bytes of its header and whole batches, 0: not even the header is whole."""

    lineage: str = ""
    after: int = 0
    batches: tuple[Batch, ...] = ()
    intact: int = 0


class Broken(StateError):
    """The journal is damaged before its end. What stands before `offset` (bytes) is whole, up to `serial`."""

    def __init__(self, summary: str, *, offset: int, serial: int) -> None:
        super().__init__(summary)
        self.offset = offset
        self.serial = serial


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
            return {"type": "put", "resource": shapes.write_resource(resource), "step": step}
        case Dropped(address, step):
            return {"type": "dropped", "address": shapes.write_address(address), "step": step}
        case Begun(operation):
            return {"type": "begun", "operation": shapes.write_operation(operation)}
        case Accepted(operation_id, job_id):
            return {"type": "accepted", "operation": operation_id, "job_id": job_id}
        case Closed(operation_id):
            return {"type": "closed", "operation": operation_id}
        case PreImage(kind, ids):
            return {"type": "pre_image", "kind": kind, "ids": list(ids)}
        case RunStarted(run):
            return {"type": "run_started", "run": shapes.write_run(run)}
        case RunEnded(run, done, outputs):
            return {"type": "run_ended", "run": shapes.write_run(run), "done": done, "outputs": outputs}


# ---------------------------------------------------------------- decode


def decode(data: bytes, *, source: str) -> Journal:
    """Read a journal: its whole batches, in order.

    A broken batch at the end is left out. Raises Broken for damage before that, NewerFormat, or StateError for a line
    that is whole but not ours.
    """
    shown = visible(source)
    lines = data.split(b"\n")
    texts = [_checked(line) for line in lines[:-1]]
    whole = next((number for number, text in enumerate(texts) if text is None), len(texts))
    if whole == 0:
        if any(text is not None for text in texts):
            raise Broken(f"{shown} is damaged in its first line", offset=0, serial=0)
        return Journal()
    found = _parse([text for text in texts[:whole] if text is not None], shown)
    lineage, after = _read_header(found[0], shown)
    batches, used = _batches(found[1:], after=after, shown=shown)
    intact = sum(len(line) + 1 for line in lines[: 1 + used])
    last = after + len(batches)
    remains = found[1 + used :] + _parse([text for text in texts[whole:] if text is not None], shown)
    if any(shape.get("serial") != last + 1 for shape in remains):
        raise Broken(f"{shown} is damaged in line {min(whole, 1 + used) + 1}", offset=intact, serial=last)
    return Journal(lineage, after, tuple(batches), intact)


def _checked(line: bytes) -> bytes | None:
    """Return the JSON of a line, or None when the line is not as it was written."""
    parts = line.split(b" ", 2)
    if len(parts) != 3:
        return None
    text = parts[2]
    return text if b"%08x %d" % (crc32(text), len(text)) == line[: -len(text) - 1] else None


def _parse(texts: list[bytes], shown: str) -> list[dict[str, Json]]:
    try:
        found = shapes.loads(f"[{b','.join(texts).decode('utf-8')}]", unique_keys=False)
        return shapes.array(found, "lines", lambda shape: shapes.mapping(shape, "line"))
    except (Malformed, UnicodeDecodeError) as error:
        raise StateError(f"{shown} holds lines that aren't JSON objects", _FOREIGN) from error


_FOREIGN = "It was not written by this tool, or by a later version of it. Put the journal back that belongs there."


def _read_header(shape: dict[str, Json], shown: str) -> tuple[str, int]:
    found = shape.get("format")
    match = _FORMAT.fullmatch(found) if isinstance(found, str) else None
    if match is None:
        raise StateError(f"{shown} has no header of a journal", _FOREIGN)
    if int(match[1]) > _VERSION:
        raise NewerFormat(
            f"{shown} has the format {match[0]}, but this version of declarative reads {FORMAT}",
            "Use the version of declarative that wrote it, or a later one.",
        )
    try:
        header = shapes.fields(shape, required=_HEADER)
        return shapes.text(header["lineage"], "lineage", empty=False), shapes.whole(header["after"], "after")
    except Malformed as error:
        raise StateError(f"{shown} line 1: {error.summary}", _FOREIGN) from error


_HEADER = frozenset({"format", "lineage", "after"})


def _batches(found: list[dict[str, Json]], *, after: int, shown: str) -> tuple[list[Batch], int]:
    """Return the whole batches at the beginning, and how many lines they take."""
    batches: list[Batch] = []
    records: list[Record] = []
    used = 0
    serial = after + 1
    for number, shape in enumerate(found, 1):
        if shape.get("serial") != serial:
            break
        records.append(_record(shape, number, shown))
        if shape.get("last") is True:
            batches.append(Batch(serial, tuple(records)))
            records = []
            used = number
            serial += 1
    return batches, used


def _record(shape: dict[str, Json], number: int, shown: str) -> Record:
    try:
        reader = _READERS.get(shapes.text(shape.get("type"), "type"))
        if reader is None:
            raise Malformed(f"the type {visible(shape['type'], limit=64)} is unknown")
        required, read = reader
        return read(shapes.fields(shape, required=required, optional=_LAST))
    except Malformed as error:
        raise StateError(f"{shown} line {number + 1}: {error.summary}", _FOREIGN) from error


_LAST = frozenset({"last"})
_Shape = dict[str, Json]


def _put(shape: _Shape) -> Record:
    return Put(shapes.read_resource(shape["resource"]), shapes.text(shape["step"], "step"))


def _dropped(shape: _Shape) -> Record:
    return Dropped(shapes.read_address(shape["address"]), shapes.text(shape["step"], "step"))


def _begun(shape: _Shape) -> Record:
    return Begun(shapes.read_operation(shape["operation"]))


def _accepted(shape: _Shape) -> Record:
    return Accepted(shapes.text(shape["operation"], "operation"), shapes.text(shape["job_id"], "job_id"))


def _closed(shape: _Shape) -> Record:
    return Closed(shapes.text(shape["operation"], "operation"))


def _pre_image(shape: _Shape) -> Record:
    return PreImage(shapes.text(shape["kind"], "kind"), shapes.texts(shape["ids"], "ids"))


def _run_started(shape: _Shape) -> Record:
    return RunStarted(shapes.read_run(shape["run"]))


def _run_ended(shape: _Shape) -> Record:
    run = shapes.read_run(shape["run"])
    return RunEnded(run, shapes.boolean(shape["done"], "done"), shapes.mapping(shape["outputs"], "outputs"))


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
