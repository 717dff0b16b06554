"""Fields of the kinds as the JSON Schemas describe them: meaning, type, limits, fields below, and how a change acts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from declarative.errors import UsageError, did_you_mean, visible
from declarative.kinds import KINDS
from declarative.kinds.relations import GOAL
from declarative.manifest.schemas import ENVELOPE, schema, schema_name
from declarative.model import Json, OnChange, Path

_EXPRESSION = "#/$defs/expression"
_SPEC = "spec"
_LIMITS = {
    "minimum": "{} or more",
    "maximum": "{} or less",
    "exclusiveMinimum": "more than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "maxBytes": "at most {} bytes",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
}
_TYPES = {"string": "text", "integer": "whole number", "boolean": "true or false", "object": "map", "array": "list"}
_CHANGES = {
    OnChange.UPDATE: "changes in place",
    OnChange.REPLACE: "a change replaces the object",
    OnChange.RECORD: "a change is recorded; it sends no call of its own",
}


@dataclass(frozen=True, slots=True)
class FieldEntry:
    """A kind, or a field of one. `change`: how a change acts on an object that exists; empty when that isn't said.

    `name` is the whole path, from the kind on. `fields`: the names below it, each with its meaning.
    """

    name: str
    meaning: str
    type: str
    limits: tuple[str, ...] = ()
    required: bool = False
    change: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


def field_entry(path: str) -> FieldEntry:
    """Return the entry of `Kind`, or of `Kind.field…`; fields of `spec` need not say so. Raises UsageError."""
    kind, *names = path.split(".")
    node = _Node(schema_name(kind), schema(kind))
    if names and names[0] not in node.children():
        names.insert(0, _SPEC)
    required, change, walked = False, "", [kind]
    for name in names:
        below = node.children()
        if name not in below and (entry := node.entry()) is not None:
            node, required = entry, False
        elif name in below:
            required, node = name in node.required(), below[name]
        else:
            raise _no_such_field(".".join(walked), name, below)
        if walked == [kind, _SPEC]:
            change = _change(kind, name)
        walked.append(visible(name, limit=80))
    fields = {name: one.meaning() for name, one in node.children().items()}
    if not names:
        inside = node.children()[_SPEC].children().items()
        fields |= {f"{_SPEC}.{name}": one.meaning() for name, one in inside}
    return FieldEntry(".".join(walked), node.meaning(), node.type(), node.limits(), required, change, fields)


def field_names(kind: str, path: Path) -> frozenset[str]:
    """Return the names of the fields below a path of a document; empty when there are none, or any is allowed."""
    node = _Node(schema_name(kind), schema(kind))
    for part in path:
        if isinstance(part, int):
            continue  # an entry of a list; `children` sees through the list
        below = node.children().get(part) or node.entry()
        if below is None:
            return frozenset()
        node = below
    return frozenset(node.children())


def _no_such_field(owner: str, name: str, known: Mapping[str, object]) -> UsageError:
    summary = f"{owner} has no field '{visible(name, limit=80)}'"
    listed = f"Its fields are {', '.join(known)}." if known else "It has no fields."
    return UsageError(summary, f"{did_you_mean(name, known)} {listed}".strip())


def _change(kind: str, name: str) -> str:
    """How a change of a manifest's field acts; a Stack is no object of the cloud."""
    if kind not in KINDS:
        return ""
    relations = KINDS[kind].relations
    if name == GOAL:
        return "changes in place, by switching protection"
    sent = relations.refers[name].field if name in relations.refers else relations.lookups.get(name, name)
    known = KINDS[kind].fields.get(sent)
    return _CHANGES[known.on_change] if known else ""


@dataclass(frozen=True, slots=True)
class _Node:
    """A schema with the file that its references start from."""

    file: str
    text: Mapping[str, Json]

    def parts(self) -> Iterator[_Node]:
        """Yield the schema, and those that it takes together with its own rules; expressions are left out."""
        yield self
        if reference := self.text.get("$ref"):
            yield from self._referred(reference).parts()
        for keyword in ("anyOf", "allOf"):
            for branch in self.text.get(keyword, ()):
                if not str(branch.get("$ref", "")).endswith(_EXPRESSION):
                    yield from _Node(self.file, branch).parts()

    def _referred(self, reference: str) -> _Node:
        target, _, pointer = reference.partition("#")
        file = target or self.file
        node = schema() if file == ENVELOPE else next(schema(kind) for kind in _files() if schema_name(kind) == file)
        for part in pointer.split("/")[1:]:
            node = node[part]
        return _Node(file, node)

    def children(self) -> dict[str, _Node]:
        """The fields below, those of a list's entries included, in the order of the schema."""
        found: dict[str, _Node] = {}
        for part in self.parts():
            for name, rule in part.text.get("properties", {}).items():
                if isinstance(rule, dict):
                    known = found.get(name)
                    found[name] = _joined(known, _Node(part.file, rule)) if known else _Node(part.file, rule)
            if isinstance(items := part.text.get("items"), dict):
                found.update(_Node(part.file, items).children())
        return found

    def entry(self) -> _Node | None:
        """The value of a map whose names are free; None for any other."""
        rules = ((part.file, part.text.get("additionalProperties")) for part in self.parts())
        return next((_Node(file, rule) for file, rule in rules if isinstance(rule, dict)), None)

    def required(self) -> set[str]:
        return {name for part in self.parts() for name in part.text.get("required", ())}

    def meaning(self) -> str:
        return next((str(part.text["description"]) for part in self.parts() if "description" in part.text), "")

    def type(self) -> str:
        named = [name for part in self.parts() if (name := part.text.get("type"))]
        if not named and any("enum" in part.text for part in self.parts()):
            named = ["string"]  # every list of allowed values is one of texts
        listed = [one for name in named for one in ([name] if isinstance(name, str) else name)]
        return " or ".join(dict.fromkeys(_TYPES.get(one, one) for one in listed))

    def limits(self) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for part in self.parts():
            if "title" in part.text and "$schema" not in part.text:
                found[str(part.text["title"])] = None
            found.update((words.format(part.text[one]), None) for one, words in _LIMITS.items() if one in part.text)
            if allowed := part.text.get("enum"):
                found[f"one of {', '.join(map(str, allowed))}"] = None
        return tuple(found)


def _joined(known: _Node, further: _Node) -> _Node:
    """A field that the kind and the envelope describe together: what the kind says comes first."""
    return _Node(known.file, {**known.text, "allOf": [*known.text.get("allOf", ()), _absolute(further)]})


def _absolute(node: _Node) -> Json:
    """The schema with references that say which file they mean."""

    def walked(value: Json) -> Json:
        if isinstance(value, list):
            return [walked(one) for one in value]
        if isinstance(value, dict):
            return {
                name: f"{node.file}{inner}" if name == "$ref" and str(inner).startswith("#") else walked(inner)
                for name, inner in value.items()
            }
        return value

    return walked(dict(node.text))


def _files() -> tuple[str, ...]:
    from declarative.manifest.schemas import kinds

    return kinds()
