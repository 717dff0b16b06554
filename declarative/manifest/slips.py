"""Advice on slips that YAML accepts, and on words of other tools."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from declarative.kinds.relations import GOAL
from declarative.manifest.fields import field_names
from declarative.model import Json, Path

_SMART = "\u2018-\u201f\u00ab\u00bb\u2032\u2033"
_UNSEEN = "\u00a0\u00ad\u1680\u180e\u2000-\u200f\u202f\u205f\u2060-\u2064\u3000"
_WORD = re.compile(r"[\w.-]+")
_STRAIGHT = "Use straight quotes, \" or '."
_PAIR_AS = "write `name: value`"
_MAX_TEXT = 1_000  # characters that are looked at
_CLOSES = {"]": "[", "}": "{"}


def value_slip(value: str) -> str:
    """Return what a text was meant to be, without repeating it. Empty: unknown."""
    if len(value) > _MAX_TEXT:
        return ""
    if re.match(f"[{_SMART}]", value) or re.search(f"[{_SMART}]$", value):
        return _STRAIGHT
    if found := re.search(f"[{_UNSEEN}]", value):
        return f"It contains the character U+{ord(found[0]):04X}. Replace it with a space, or remove it."
    if re.search(r"(?<!\$\{)\b(?:var|each)\.\w+\}|\$(?:var|each)\.\w", value):
        return "Write an expression as ${var.x}."
    for quote in ('"', "'"):
        if value.count(quote) == 1 and quote in (value[:1], value[-1:]):
            return f"Remove the quote {quote}, or put one on both sides."
    if value[-1:] in _CLOSES and value.count(value[-1]) > value.count(_CLOSES[value[-1]]):
        return f"Remove the {value[-1]} at the end, or open it with {_CLOSES[value[-1]]}."
    return ""


def structure_slip(value: str, wanted: str) -> str:
    """Return how to write a text as the expected map or list (`array`), without repeating it."""
    value = value[:_MAX_TEXT]
    if strange := re.match(rf"([{_UNSEEN}])|-([{_UNSEEN}])|[\w.-]+[:\uff1a]([{_UNSEEN}])", value):
        code = ord(strange[strange.lastindex or 0])
        return f"The character U+{code:04X} is used where YAML needs a space. Replace it with a space."
    if wanted == "array":
        if re.match(r"-\S", value):
            return "Put a space after the '-' of each entry."
        return value_slip(value) or "Write a list: [a, b], or each entry on its own line as `- value`."
    if found := _separation(value):
        return found
    return value_slip(value) or "Write a map: each `name: value` on its own line, indented."


def _separation(text: str) -> str:
    """Return what is wrong between a name and its value; empty if the text has another form."""
    found = re.match(r"[\w.-]+(\s*)([:=;\uff1a]?)(\s*)\S", text)
    if not found or not (found[1] or found[2]):
        return ""
    if found[2] == ":":
        return f"Put a space after the ':': {_PAIR_AS}."
    if found[2] == "=":
        return f"YAML does not use '=': {_PAIR_AS}, with a ':' and a space after the name."
    if found[2] == "\uff1a":
        return f"The character U+FF1A is not a ':': {_PAIR_AS}, with a plain ':' and a space after it."
    return f"A ':' is missing: {_PAIR_AS}, with a ':' and a space after the name."


def name_slip(name: str, known: Collection[str]) -> str:
    """Return which of the `known` names was meant, if only signs around it are wrong. Empty: unknown."""
    name = name[:_MAX_TEXT]
    found = _WORD.search(name)
    if found is None or found[0] == name:
        return _spelling(name, known)
    word = found[0].strip("-")
    if word not in known:
        return ""
    if strange := re.search(f"[{_UNSEEN}]", name[: found.start()] + name[found.end() :][:2]):
        where = "before" if name.startswith(strange[0]) else "behind"
        return f"Write {word} without the character U+{ord(strange[0]):04X} {where} it."
    if re.search(f"[{_SMART}]", name):
        return f"Write {word}. {_STRAIGHT}"
    if name.startswith(word):
        return _separation(name) or f"Write {word}."
    return f"Write {word}."


def key_slip(name: str) -> str:
    """Return what an invalid key was meant to be. Empty: unknown."""
    name = name[:_MAX_TEXT]
    return _separation(name) if re.match(r"[\w.-]+[:=\uff1a]", name) else value_slip(name)


def _spelling(name: str, known: Collection[str]) -> str:
    """A name in camelCase, or with hyphens."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).replace("-", "_").lower()
    return f"Write {snake}." if snake in known and snake != name else ""


def misplaced(kind: str, path: Path, document: Json) -> str:
    """Return where the field at the end of `path` belongs if it is one level too high or too low."""
    name = str(path[-1])
    names = {name, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).replace("-", "_").lower()}
    for container, is_next in _lower(path, document):
        if not names.isdisjoint(field_names(kind, container)):
            beside = container[-1]
            return f"It belongs to {beside}. Indent it." if is_next else f"It belongs to {beside}. Move it there."
    for depth in range(len(path) - 2, -1, -1):
        if isinstance(path[depth], int):
            break
        if not names.isdisjoint(field_names(kind, path[:depth])) and name not in _at(path[:depth], document):
            return f"It belongs beside {path[depth]}, not in it. Remove the spaces before it."
    return ""


def _at(path: Path, document: Json) -> Mapping[str, Json]:
    inside = document
    for part in path:
        inside = inside[part]
    return inside if isinstance(inside, Mapping) else {}


def _lower(path: Path, document: Json) -> Iterator[tuple[Path, bool]]:
    """Yield the maps that stand before a field in its own map, nearest first, and whether it is the next one."""
    inside = _at(path[:-1], document)
    before = [*inside][: [*inside].index(str(path[-1]))]
    for number, sibling in enumerate(reversed(before)):
        value = inside[sibling]
        if value is None or (isinstance(value, Mapping) and path[-1] not in value):
            yield (*path[:-1], sibling), number == 0


def foreign(name: str, value: Json, known: Collection[str]) -> str:
    """Return what replaces a field of another tool. Empty: the word is unknown."""
    if name in ("enable", "enabled"):
        if GOAL in known:
            return f"Write `{GOAL}: {'disabled' if value is False else 'enabled'}`."
        return f"Switch protection in the group: `{GOAL}: enabled`."
    if name == "source" and (near := [one for one in known if one.startswith("source_")]):
        return f"Write {' or '.join(near)}. Modules do not exist here."
    return FOREIGN.get(name.lower().replace("-", "_"), "")


_NO_MODULES = "There are no modules. Use for_each to make several objects from one document, and variables for values."
_DOCUMENTS = "Write each object as its own document, with `kind:` and `metadata.name`. A line --- separates documents."
_VARIABLES = "Declare variables in spec.variables of the Stack."
_STATE = "Choose the state with --state or DECLARATIVE_STATE."
FOREIGN = {
    "region": "Set the region in spec.provider of the Stack.",
    "provider": "Set the provider in spec.provider of the Stack.",
    "providers": "Set the provider in spec.provider of the Stack.",
    "required_providers": "Set the provider in spec.provider of the Stack.",
    "timeouts": "Set deadlines in spec.timeouts of the Stack.",
    "project_id": "Set the project with --project-id or SDRS_PROJECT_ID.",
    "count": "Use for_each, beside spec, to make several objects from one document.",
    "module": _NO_MODULES,
    "modules": _NO_MODULES,
    "source": _NO_MODULES,
    "resource": _DOCUMENTS,
    "resources": _DOCUMENTS,
    "data": "Name an object that is not managed here by its id. To manage it, use `declarative import`.",
    "variable": _VARIABLES,
    "variables": _VARIABLES,
    "locals": _VARIABLES,
    "output": "Write outputs in spec.outputs of the Stack.",
    "outputs": "Write outputs in spec.outputs of the Stack.",
    "workspace": "Use environments instead of workspaces: environments/NAME.yaml, chosen with --env NAME.",
    "workspaces": "Use environments instead of workspaces: environments/NAME.yaml, chosen with --env NAME.",
    "backend": _STATE,
    "terraform": _STATE,
}


def reference_slip(value: str) -> str:
    """Return how to name an object in a field that takes its manifest's name. Empty: unknown."""
    found = re.fullmatch(r"(?:\$\{)?[A-Z][A-Za-z]+[/.]([A-Za-z0-9][\w-]*(?:\[[\w.-]+\])?)(?:\.\w+)?\}?", value)
    return f"Write {found[1]}." if found else ""


def address_slip(value: str) -> str:
    """Return how to write the address of an object. Empty: unknown."""
    found = re.fullmatch(r"(?:\$\{)?([A-Z][A-Za-z]+)[/.]([A-Za-z0-9][\w-]*(?:\[[\w.-]+\])?)(?:\.\w+)?\}?", value)
    return f"Write {found[1]}/{found[2]}." if found else ""
