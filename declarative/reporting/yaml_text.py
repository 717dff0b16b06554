"""Values as YAML text that reads back as the same values: for our own reader, and for any of YAML 1.1 or 1.2."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

# The part of YAML that manifests are written in. Texts hold no control characters but tabs and line breaks.
Value: TypeAlias = str | int | bool | Sequence["Value"] | Mapping[str, "Value"] | None

# What stands without quotes reads as text everywhere: words, ids, one whole expression.
_BARE = re.compile(
    r"[A-Za-z_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|/[A-Za-z0-9_./-]+"
    r"|\$\{[A-Za-z0-9_.-]+\}"
)
_OTHER_VALUES = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n", "_"})
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}


def to_yaml(document: Mapping[str, Value]) -> str:
    """One document as YAML text in block style, without a `---` line, ended by a newline."""
    return "\n".join(_mapping(document, "")) + "\n" if document else "{}\n"


def _mapping(entries: Mapping[str, Value], indent: str) -> Iterator[str]:
    for key, value in entries.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{_text(key)}:"
            yield from _mapping(value, indent + "  ")
        elif isinstance(value, Sequence) and not isinstance(value, str) and value:
            yield f"{indent}{_text(key)}:"
            yield from _sequence(value, indent + "  ")
        else:
            yield f"{indent}{_text(key)}: {_scalar(value)}"


def _sequence(elements: Sequence[Value], indent: str) -> Iterator[str]:
    for element in elements:
        inner = indent + "  "
        if isinstance(element, Mapping) and element:
            lines = list(_mapping(element, inner))
        elif isinstance(element, Sequence) and not isinstance(element, str) and element:
            lines = list(_sequence(element, inner))
        else:
            lines = [inner + _scalar(element)]
        yield f"{indent}- {lines[0][len(inner) :]}"
        yield from lines[1:]


def _scalar(value: Value) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, Sequence):
        return "[]"
    if value is None:
        return "null"
    return str(value).lower()  # a number, true or false


def _text(text: str) -> str:
    if _BARE.fullmatch(text) and text.lower() not in _OTHER_VALUES:
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
