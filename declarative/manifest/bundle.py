"""JSON Schemas that stand alone, for editors: made of the bundled files, and referring to no other one.

They hold for the same documents as the files. They say it in the way that yaml-language-server words best: what a field
means comes before its limits, a fault stands at the key or value that it is about, and names what is wanted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from declarative.errors import UsageError, did_you_mean, visible
from declarative.manifest.schemas import kinds, schema
from declarative.model import Json

MADE = "Made by `declarative schema`, which writes it again: changes are lost."
_ENVELOPE = "manifest"  # the definition that stands for the file
_EXPRESSION = "expression"


def schema_text(kind: str | None = None) -> str:
    """Return the JSON Schema of a kind's documents, or of all that a manifest may hold.

    Raises UsageError for an unknown kind.
    """
    if kind is not None and kind not in kinds():
        known = f"Known: {', '.join(kinds())}"
        summary = f"no kind is named '{visible(kind, limit=80)}'"
        raise UsageError(summary, f"{did_you_mean(kind, kinds())} {known}".strip())
    bundled = _every_kind() if kind is None else {**schema(kind), "$defs": _definitions([schema(kind)])}
    said = _Wording(bundled["$defs"]).whole(bundled)
    return json.dumps({"$schema": said["$schema"], "$comment": MADE, **said}, indent=2, ensure_ascii=False) + "\n"


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


class _Wording:
    """Rewrite a schema for editors.

    `definitions` are those that it refers to. All but the large ones are written out where they are used: the server
    keeps the title of a field in what the field refers to, and would show it of every other field.
    """

    def __init__(self, definitions: Mapping[str, Json]) -> None:
        self._definitions = definitions

    def whole(self, text: Mapping[str, Json]) -> dict[str, Json]:
        """Return a schema with its definitions; what is of a kind is called after it."""
        title = text["title"]
        own = {keyword: rule for keyword, rule in text.items() if keyword not in ("title", "$defs")}
        kept = {name: self._definition(name, rule) for name, rule in self._definitions.items() if _is_kept(name)}
        return {"title": title, **self._said(own, title if title in kinds() else ""), "$defs": kept}

    def _definition(self, name: str, rule: Mapping[str, Json]) -> Json:
        if name in kinds():
            return {"title": name, **self._said(rule, name)}
        return self._said({keyword: inner for keyword, inner in rule.items() if keyword != "description"}, "")

    def _said(self, node: Json, path: str) -> Json:
        if isinstance(node, list):
            return [self._said(inner, path) for inner in node]
        if not isinstance(node, dict):
            return node
        said: dict[str, Json] = {}
        for keyword, rule in node.items():
            if keyword == "properties":
                said[keyword] = {name: self._field(name, inner, path) for name, inner in rule.items()}
            elif keyword == "anyOf" and any(map(_is_expression, rule)):
                said |= self._literal([one for one in rule if not _is_expression(one)], path)
            elif keyword == "$ref":
                said |= self._referred(_target(rule), path)
            elif keyword == "title":
                said |= {"patternErrorMessage": f"Must be {rule}."} if "pattern" in node else {}
            else:
                said[keyword] = rule if keyword in ("const", "enum", "required") else self._said(rule, path)
        return said

    def _referred(self, name: str, path: str) -> Mapping[str, Json]:
        return {"$ref": f"#/$defs/{name}"} if _is_kept(name) else self._said(self._definitions[name], path)

    def _literal(self, values: list[Json], path: str) -> dict[str, Json]:
        """Allow a value or an expression.

        A text may be both. Of other values, which never are, those that are allowed are offered only as a branch.
        """
        expression = {"$ref": f"#/$defs/{_EXPRESSION}"}
        said = self._said(values, path)
        if any(one.get("type") == "string" for one in values):
            return {"if": expression, "else": _one_of(said)}
        return {"oneOf": [*said, expression]}

    def _field(self, name: str, rule: Json, path: str) -> Json:
        """Describe a field: its full name, as `explain` takes it, its meaning and its limits."""
        if not isinstance(rule, dict) or rule.get("not") == {}:
            return False
        whole = f"{path}.{name}" if path else name
        said = {"title": whole, **self._said(rule, whole)}
        if limits := self._limits(rule):
            said["description"] = f"{rule['description']} Value: {limits}."
        return said

    def _limits(self, rule: Mapping[str, Json]) -> str:
        """Return the limits of a value in words; empty when the schema has none."""
        if reference := rule.get("$ref"):
            rule = self._definitions[_target(reference)]
        values = [rule, *(one for one in rule.get("anyOf", ()) if not _is_expression(one))]
        return next((str(one["title"]) for one in values if "title" in one), "")


def _one_of(values: list[Json]) -> Json:
    return values[0] if len(values) == 1 else {"anyOf": values}


def _is_kept(name: str) -> bool:
    return name in (_ENVELOPE, _EXPRESSION) or name in kinds()


def _is_expression(rule: Json) -> bool:
    return "$ref" in rule and _target(rule["$ref"]) == _EXPRESSION


def _target(reference: str) -> str:
    """Return the definition that a reference points to, in any file."""
    return reference.rpartition("/")[2] if "#" in reference else _ENVELOPE
