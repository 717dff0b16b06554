"""The texts that are kept behind HTTP: a state, the word that it has moved, and nothing. Pure.

Each is JSON with an integer `serial` at the top, which GitLab takes for the version; a state's text has it anyway.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from declarative import strict_json, typed_json
from declarative.errors import StateError, visible
from declarative.state import snapshot
from declarative.state.canonical import dumps
from declarative.state.snapshot import State
from declarative.typed_json import Malformed

NOTHING = b'{"format":"declarative.nothing/1","serial":0}\n'
_MOVED = "declarative.moved/1"
_MOVED_START = b'{"checksum":"'
_LONGEST_MOVED = 64 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    """What is kept. `text`: as it was read, b"" where nothing is.

    `lineage` and `serial` are "" and 0 where nothing is. `fault`: why the text can't be used; `serial` is then what the
    text claims, 0 for nothing readable.
    """

    text: bytes
    state: State | None = None
    lineage: str = ""
    serial: int = 0
    moved_to: str = ""
    fault: StateError | None = None


def of_state(state: State) -> Document:
    """Return the document of a state, which must not be changed any more."""
    return Document(snapshot.encode(state), state, state.lineage, state.serial)


def of_move(address: str, *, lineage: str, serial: int) -> Document:
    """Return the word that the state has moved to `address`."""
    shape = {"format": _MOVED, "lineage": lineage, "moved_to": address, "serial": serial}
    text = dumps({**shape, "checksum": _checksum(dumps(shape))}).encode("ascii") + b"\n"
    return Document(text, None, lineage, serial, address)


def read(text: bytes, *, source: str) -> Document:
    """Read what is kept. A text that can't be used is a document with a fault."""
    if text == NOTHING:
        return Document(text)
    try:
        if text.startswith(_MOVED_START) and len(text) < _LONGEST_MOVED:
            return _read_move(text)
        state = snapshot.decode(text, source=source)
    except Malformed as error:
        return Document(text, serial=_claimed(text), fault=StateError(f"{visible(source)} {error.summary}", error.fix))
    except StateError as error:
        return Document(text, serial=_claimed(text), fault=error)
    return Document(text, state, state.lineage, state.serial)


def _read_move(text: bytes) -> Document:
    try:
        shape = typed_json.fields(
            strict_json.loads(text.decode("ascii")),
            required=frozenset({"checksum", "format", "lineage", "moved_to", "serial"}),
        )
    except (ValueError, UnicodeDecodeError) as error:
        raise Malformed("is damaged: it says that the state has moved, but not where") from error
    checksum = shape.pop("checksum")
    if checksum != _checksum(dumps(shape)) or shape["format"] != _MOVED:
        raise Malformed("is damaged: it says that the state has moved, but its checksum does not match")
    return Document(
        text,
        None,
        typed_json.text(shape["lineage"], "lineage"),
        typed_json.whole(shape["serial"], "serial"),
        typed_json.text(shape["moved_to"], "moved_to", empty=False),
    )


def _checksum(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest()


def _claimed(text: bytes) -> int:
    """Return the serial that a text claims that isn't to be trusted, such as a damaged state or one of Terraform's."""
    try:
        shape = strict_json.loads(text.decode("utf-8"))
        return typed_json.whole(shape.get("serial"), "serial") if isinstance(shape, dict) else 0
    except ValueError:  # a UnicodeDecodeError is one, and so is Malformed
        return 0
