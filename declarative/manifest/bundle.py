"""JSON Schemas that stand alone, for editors: made of the bundled files, and referring to no other one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from declarative.errors import UsageError, did_you_mean, visible
from declarative.manifest.schemas import kinds, schema
from declarative.model import Json

_ENVELOPE = "manifest"  # the definition that stands for the file


def schema_text(kind: str | None = None) -> str:
    """Return the JSON Schema of a kind's documents, or of all that a manifest may hold.

    Raises UsageError for an unknown kind.
    """
    if kind is not None and kind not in kinds():
        known = f"Known: {', '.join(kinds())}"
        summary = f"no kind is named '{visible(kind, limit=80)}'"
        raise UsageError(summary, f"{did_you_mean(kind, kinds())} {known}".strip())
    bundled = _every_kind() if kind is None else {**schema(kind), "$defs": _definitions([schema(kind)])}
    return json.dumps(_within(bundled), indent=2, ensure_ascii=False) + "\n"


def _every_kind() -> Mapping[str, Json]:
    """The kind that a document names decides which schema holds for it."""
    envelope = schema()
    own = {kind: schema(kind) for kind in kinds()}
    named = {**envelope["properties"]["kind"], "enum": list(own)}
    return {
        **{keyword: envelope[keyword] for keyword in ("$schema", "title", "description")},
        "$ref": f"#/$defs/{_ENVELOPE}",
        "properties": {"kind": named},
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {"$ref": f"#/$defs/{kind}"},
            }
            for kind in own
        ],
        "$defs": {**_definitions(own.values()), **{kind: _bare(text) for kind, text in own.items()}},
    }


def _definitions(texts: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    envelope = schema()
    definitions = {_ENVELOPE: _bare(envelope), **envelope["$defs"]}
    for text in texts:
        definitions.update(text.get("$defs", {}))
    return definitions


def _bare(text: Mapping[str, Json]) -> dict[str, Json]:
    return {keyword: rule for keyword, rule in text.items() if keyword not in ("$schema", "$defs")}


def _within(node: Json) -> Json:
    """Let references to the definitions of a file mean those of the one document."""
    if isinstance(node, list):
        return [_within(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    return {keyword: _target(rule) if keyword == "$ref" else _within(rule) for keyword, rule in node.items()}


def _target(reference: str) -> str:
    pointer = reference.partition("#")[2]
    return f"#{pointer}" if pointer else f"#/$defs/{_ENVELOPE}"
