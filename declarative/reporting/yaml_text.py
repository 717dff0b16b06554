"""Values as YAML text that reads back as the same values: for the reader of manifests, and for any of YAML 1.1 or 1.2.

PyYAML writes it. Three things are said here, because PyYAML has them otherwise: what stands without quotes, since it
leaves `1e3` bare, which YAML 1.2 reads as a number; no anchors, which manifests refuse; and escapes for what a reader
can't see, such as marks that turn the direction of a text. Its C emitter is faster, but doesn't indent lists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import yaml

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
_BEYOND_ASCII = re.compile(r"[^\n -~]")


def to_yaml(document: Mapping[str, Value]) -> str:
    """Return one document as YAML text in block style, without a `---` line, ended by a newline.

    Maps are dicts, and sequences lists or tuples; the order of keys stays. Raises YAMLError for any other type.
    """
    text: str = yaml.dump(document, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=float("inf"))
    return _BEYOND_ASCII.sub(lambda found: _visible(found[0]), text)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    bare = _BARE.fullmatch(text) and text.lower() not in _OTHER_VALUES
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="" if bare else '"')


_Dumper.add_representer(str, _text)


def _visible(char: str) -> str:
    """Escape a character that can't be seen; what isn't ASCII always stands in double quotes."""
    code = ord(char)
    return char if char.isprintable() else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
