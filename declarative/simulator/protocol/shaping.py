"""What becomes of fields: those that answers show otherwise than they are, and those that are kept otherwise than sent.

A field is meant by its name, wherever it stands in the document.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from declarative.simulator.protocol.faults import Fault, Kind
from declarative.simulator.protocol.fields import parse
from declarative.simulator.protocol.wire import STAMPS, Answer, compact, parse_stamp

_TIMES = frozenset({"created_at", "updated_at", "begin_time", "end_time"})
_Fields = dict[str, object]


def shown(faults: Sequence[Fault], answer: Answer) -> Answer:
    """A good answer with its fields changed; any other, and one without a JSON object, as it is."""
    document = parse(answer.body) if 200 <= answer.status < 300 else None
    if not isinstance(document, dict):
        return answer
    for fault in faults:
        _change(document, fault, _SHOWN[fault.kind])
    return Answer(answer.status, compact(document).encode(), answer.headers)


def kept(faults: Sequence[Fault], body: bytes) -> bytes:
    """A request's body as the service takes it."""
    document = parse(body)
    if not isinstance(document, dict):
        return body
    for fault in faults:
        _change(document, fault, _KEPT[fault.kind])
    return compact(document).encode()


def _change(document: object, fault: Fault, change: Callable[[_Fields, str, Fault], None]) -> None:
    if isinstance(document, list):
        for part in document:
            _change(part, fault, change)
    if isinstance(document, dict):
        for part in document.values():
            _change(part, fault, change)
        for name in _TIMES & document.keys() if fault.kind is Kind.STAMPS else (fault.field,):
            if name in document:
                change(document, name, fault)


def _hide(fields: _Fields, name: str, _: Fault) -> None:
    del fields[name]


def _blank(fields: _Fields, name: str, _: Fault) -> None:
    fields[name] = ""


def _null(fields: _Fields, name: str, _: Fault) -> None:
    fields[name] = None


def _text(fields: _Fields, name: str, _: Fault) -> None:
    if isinstance(fields[name], bool | int | float):
        fields[name] = compact(fields[name])


def _number(fields: _Fields, name: str, _: Fault) -> None:
    value = fields[name]
    if isinstance(value, str) and value.isascii() and value.isdigit():
        fields[name] = json.loads(value.lstrip("0") or "0")


def _set(fields: _Fields, name: str, fault: Fault) -> None:
    fields[name] = fault.word


def _rename(fields: _Fields, name: str, fault: Fault) -> None:
    fields[fault.word] = fields.pop(name)


def _stamp(fields: _Fields, name: str, fault: Fault) -> None:
    value = fields[name]
    moment = value if isinstance(value, int) else parse_stamp(value) if isinstance(value, str) else None
    if moment is not None:
        fields[name] = STAMPS[fault.word](moment)


def _each_text(change: Callable[[str], str]) -> Callable[[_Fields, str, Fault], None]:
    def changed(fields: _Fields, name: str, _: Fault) -> None:
        value = fields[name]
        if isinstance(value, str):
            fields[name] = change(value)

    return changed


_SHOWN = {
    Kind.HIDE: _hide,
    Kind.BLANK: _blank,
    Kind.NULL: _null,
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.SET: _set,
    Kind.RENAME: _rename,
    Kind.STAMPS: _stamp,
}
_KEPT = {
    Kind.TRIM: _each_text(str.strip),
    Kind.UPPER: _each_text(str.upper),
    Kind.LOWER: _each_text(str.lower),
    Kind.EMPTIED: _each_text(lambda _: ""),
}
