"""The bytes of a small object: a SHA-256 of all that follows it, one line of JSON, and whatever comes behind. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from declarative import typed_json
from declarative.errors import StateError, visible
from declarative.model import Json
from declarative.state.canonical import dumps, loads
from declarative.state.snapshot import NewerFormat
from declarative.typed_json import Malformed

_DIGEST = 64


def digest(data: bytes) -> str:
    """Return the SHA-256 of `data`, in hex."""
    return hashlib.sha256(data).hexdigest()


def seal(kind: str, shape: Mapping[str, Json], payload: bytes = b"") -> bytes:
    """Return an object of the format `declarative.KIND/1`: `shape` in its first line, then `payload`."""
    body = dumps({"format": f"declarative.{kind}/1", **shape}).encode("ascii") + b"\n" + payload
    return digest(body).encode("ascii") + b" " + body


def unseal(data: bytes, kind: str, *, source: str) -> tuple[dict[str, Json], bytes]:
    """Return the first line's object, without its format, and the payload.

    Raises NewerFormat, or StateError for all that `seal` would not have written.
    """
    shown = visible(source)
    head, space, body = data[:_DIGEST], data[_DIGEST : _DIGEST + 1], data[_DIGEST + 1 :]
    if space != b" " or head != digest(body).encode("ascii"):
        raise StateError(f"{shown} has been changed or damaged: its checksum does not match its content")
    line, _, payload = body.partition(b"\n")
    try:
        shape = typed_json.mapping(loads(line.decode("ascii"), unique_keys=True), "object")
        _require_format(shape.pop("format", None), kind, shown)
    except (Malformed, UnicodeDecodeError) as error:
        raise StateError(f"{shown} is not an object of declarative: {visible(error, limit=200)}") from error
    return shape, payload


def _require_format(found: Json, kind: str, shown: str) -> None:
    match = re.fullmatch(rf"declarative\.{kind}/([1-9][0-9]{{0,8}})", found) if isinstance(found, str) else None
    if match is None:
        raise Malformed(f"its format is not declarative.{kind}/1")
    if int(match[1]) > 1:
        raise NewerFormat(
            f"{shown} has the format {match[0]}, but this version of declarative reads declarative.{kind}/1",
            "Use the version of declarative that wrote it, or a later one.",
        )
