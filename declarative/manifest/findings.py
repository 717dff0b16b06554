"""Findings about fields, made from jsonschema's errors."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from declarative.errors import did_you_mean, visible
from declarative.manifest.schemas import byte_length, check, repeated, schema_name, schemas
from declarative.manifest.slips import (
    address_slip,
    foreign,
    key_slip,
    misplaced,
    name_slip,
    reference_slip,
    structure_slip,
    value_slip,
)
from declarative.model import Json, Path

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

_SHOWN = 80
_MAX_TOLD = 1000  # faults of one document
_MAX_ENTRIES = 200
_EXPRESSION = "#/$defs/expression"
_WANTED = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a map",
    "array": "a list",
    "null": "nothing",
}
_FOUND = {dict: "a map", list: "a list", type(None): "nothing"}
_GIVE_IT = "Give it a value, or leave it out if it is optional."
# The id of a finding about a value, by the keyword that it breaks.
_RULES = {
    "type": "wrong-type",
    "const": "unknown-value",
    "enum": "unknown-value",
    "minimum": "out-of-range",
    "maximum": "out-of-range",
    "exclusiveMinimum": "out-of-range",
    "uniqueItems": "repeated-value",
    "minItems": "too-few-entries",
}
_YES_NO = frozenset({"yes", "no", "on", "off", "y", "n", "true", "false"})
# of several errors of one value, the one that says most
_ORDER = ("type", "const", "enum", "maxBytes", "maxLength", "minLength", "pattern")


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem at a path of a document. `at_key`: it is in the field's name, not in its value.

    `is_secret`: the value may hold a secret, and is not to be shown.
    """

    path: Path
    summary: str
    fix: str = ""
    at_key: bool = False
    rank: int = 0
    is_secret: bool = False
    id: str = field(kw_only=True)


def findings(kind: str, document: Json, *, resolved: bool) -> list[Finding]:
    """Return the schema violations of a document; `resolved`: its expressions are replaced."""
    if check(kind, resolved=resolved)(document):
        return []
    return _told(kind, _cut(document), resolved=resolved) or _told(kind, document, resolved=resolved)


def _told(kind: str, document: Json, *, resolved: bool) -> list[Finding]:
    found: dict[Path | tuple[Path, str], Finding] = {}
    errors = _validator(kind, resolved=resolved).iter_errors(document)
    every = (finding for error in errors for finding in _explain(_Error.of(error)))
    for told in itertools.islice(every, _MAX_TOLD):
        finding = _placed(kind, told, document)
        place = finding.path if finding.rank else (finding.path, finding.summary)
        if place not in found or finding.rank < found[place].rank:
            found[place] = finding
    return list(found.values())


def _placed(kind: str, finding: Finding, document: Json) -> Finding:
    """Return where a field belongs that is one level too high or too low."""
    fix = misplaced(kind, finding.path, document) if finding.id == "unknown-field" else ""
    return replace(finding, fix=fix) if fix else finding


def _cut(value: Json) -> Json:
    """The value with the beginnings of its long lists: to explain a list takes long, and its first faults will do."""
    if isinstance(value, dict):
        return {key: _cut(inner) for key, inner in value.items()}
    return [_cut(inner) for inner in value[:_MAX_ENTRIES]] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class _Error:
    """The used parts of a ValidationError. `branch`: its branch of anyOf; `rule`: the keyword's value."""

    path: Path
    keyword: str
    rule: Json
    value: Json
    schema: Mapping[str, Json]
    of_name: bool
    branch: int | str
    children: tuple[_Error, ...]

    @classmethod
    def of(cls, error: ValidationError) -> _Error:
        return cls(
            path=tuple(error.absolute_path),
            keyword=str(error.validator),
            rule=error.validator_value,
            value=error.instance,
            schema=error.schema if isinstance(error.schema, dict) else {},
            of_name="propertyNames" in error.absolute_schema_path,
            branch=error.schema_path[0] if error.schema_path else "",
            children=tuple(cls.of(child) for child in error.context),
        )


@functools.cache
def _validator(kind: str, *, resolved: bool) -> Validator:
    """A validator that knows the bundled schemas and nothing else: no reference leaves this machine."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import create
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    own = create(
        meta_schema=Draft202012Validator.META_SCHEMA,
        validators={**Draft202012Validator.VALIDATORS, "maxBytes": _max_bytes, "uniqueBy": _unique_by},
        type_checker=Draft202012Validator.TYPE_CHECKER,
    )
    # A schema that names its dialect would be judged by that dialect's own validator, which knows no keyword of ours.
    files = {
        name: {keyword: rule for keyword, rule in text.items() if keyword != "$schema"}
        for name, text in schemas(resolved=resolved).items()
    }
    registry: Registry[Any] = Registry()
    registry = registry.with_resources((name, DRAFT202012.create_resource(text)) for name, text in files.items())
    return cast("Validator", own({"$ref": schema_name(kind)}, registry=registry))


def _max_bytes(_: Validator, limit: int, value: Json, __: Json) -> Iterator[ValidationError]:
    from jsonschema import ValidationError

    if isinstance(value, str) and byte_length(value) > limit:
        yield ValidationError("too many bytes")


def _unique_by(_: Validator, name: str, value: Json, __: Json) -> Iterator[ValidationError]:
    from jsonschema import ValidationError

    for number, earlier in repeated(value, name) if isinstance(value, list) else ():
        yield ValidationError("repeated", path=(number, name), instance=value[number][name], validator_value=earlier)


def field_in_words(path: Path) -> str:
    """Return a path as people write it: `spec.timeouts.create_grace`, `depends_on[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{visible(part, limit=_SHOWN)}" if text else visible(part)
    return text or "the document"


def quoted(value: Json) -> str:
    """Return a value as it is quoted in a finding: escaped, at most 80 characters."""
    if type(value) in _FOUND:
        return _FOUND[type(value)]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{visible(value, limit=_SHOWN)}'" if value else "an empty text"
    return f"the number {visible(value, limit=_SHOWN)}"


def _explain(error: _Error) -> Iterator[Finding]:
    if error.of_name:
        yield _bad_name(error)
        return
    tell = _TOLD.get(error.keyword)
    if tell is not None:
        yield from tell(error)
    else:
        yield _bad_value(error)


def _bad_name(error: _Error) -> Finding:
    wanted = error.schema.get("title", "another text")
    summary = f"the name '{visible(error.value, limit=_SHOWN)}' in {field_in_words(error.path)} must be {wanted}"
    fix = key_slip(error.value) or "Choose another name."
    return Finding((*error.path, error.value), summary, fix, at_key=True, id="bad-name")


def _bad_value(error: _Error) -> Finding:
    rank = 1 + (_ORDER.index(error.keyword) if error.keyword in _ORDER else len(_ORDER))
    name = field_in_words(error.path)
    is_secret = bool(error.schema.get("writeOnly"))
    if error.keyword in ("maxBytes", "maxLength"):
        unit, length = ("bytes", byte_length) if error.keyword == "maxBytes" else ("characters", len)
        summary = f"{name} is {length(error.value)} {unit} long, but at most {error.rule} are allowed"
        return Finding(error.path, summary, "Shorten it.", rank=rank, is_secret=is_secret, id="too-long")
    if error.keyword == "maxItems":
        count = f"{len(error.value)} entries" + (" or more" if len(error.value) == _MAX_ENTRIES else "")
        summary = f"{name} has {count}, but at most {error.rule} are allowed"
        return Finding(error.path, summary, "Remove some.", rank=rank, id="too-many-entries")
    found = "" if is_secret else f", found {quoted(error.value)}"
    return Finding(
        error.path,
        f"{name} must be {_wanted(error)}{found}",
        _fix(error),
        rank=rank,
        is_secret=is_secret,
        id=_RULES.get(error.keyword, "bad-format"),
    )


def _wanted(error: _Error) -> str:
    limit = error.rule
    if error.keyword == "minimum":
        return f"{limit} or more"
    if error.keyword == "maximum":
        return f"{limit} or less"
    if error.keyword == "uniqueItems":
        return "a list without repetitions"
    if error.keyword == "minItems":
        return f"a list with at least {limit} value"
    if error.keyword in ("const", "enum"):
        return quoted(limit) if error.keyword == "const" else f"one of {', '.join(map(quoted, limit))}"
    title = error.schema.get("title")
    if title:
        return str(title)
    names = [limit] if isinstance(limit, str) else limit
    return " or ".join(_WANTED[name] for name in names) if error.keyword == "type" else "another value"


def _fix(error: _Error) -> str:
    value, wanted = error.value, error.rule
    if error.schema.get("writeOnly"):
        return "To use another store, set --state or DECLARATIVE_STATE."
    if value is None:
        return _GIVE_IT
    if error.keyword in ("const", "enum"):
        return _one_of(value, [wanted] if error.keyword == "const" else wanted)
    if error.keyword == "type":
        return retyped(value, wanted)
    return _reformed(str(error.schema.get("title", "")), value) if isinstance(value, str) else ""


def _one_of(value: Json, wanted: list[Json]) -> str:
    if isinstance(value, bool) and "enabled" in wanted:
        return f"Write {'enabled' if value else 'disabled'}."
    if not isinstance(value, str):
        return ""
    return value_slip(value) or (did_you_mean(value, wanted) if len(wanted) > 1 else f"Write {wanted[0]}.")


def _reformed(title: str, value: str) -> str:
    """Return how to write a text in the form that its schema's title names. Empty: unknown."""
    slip = reference_slip(value) if title.startswith("the metadata.name") else ""
    return slip or (address_slip(value) if title.startswith("an address:") else "") or value_slip(value)


def retyped(value: Json, wanted: str | list[str]) -> str:
    """Return how to write a value in the expected JSON type. Empty: unknown."""
    if value is None:
        return _GIVE_IT
    if wanted == "string" or "string" in wanted:
        return _quote_it(value)
    if not isinstance(value, str):
        return ""
    if wanted in ("array", "object"):
        return structure_slip(value, wanted)
    if wanted != "boolean":
        return _unquote_it(value) if wanted in ("integer", "number") else ""
    if value in ("true", "false"):
        return f"Write {value}, without quotes."
    return "Write true or false." if value.lower() in _YES_NO else value_slip(value)


def _quote_it(value: Json) -> str:
    if isinstance(value, bool | int):
        return f'Put it in quotes: "{quoted(value).removeprefix("the number ")}".'
    if isinstance(value, float):
        return "Put it in quotes."
    return 'Put text with brackets, or an expression, in quotes: "${var.x}".'


def _unquote_it(value: str) -> str:
    return "Write a plain number, without quotes or units." if value[:1].isdigit() else value_slip(value)


def _unknown_fields(error: _Error) -> Iterator[Finding]:
    known = sorted(error.schema.get("properties", ()))
    for name in error.value:
        if name not in known:
            summary = f"{field_in_words(error.path)} has no field '{visible(name, limit=_SHOWN)}'"
            fix = _meant(name, error.value[name], known) or f"Its fields are {', '.join(known)}."
            yield Finding((*error.path, name), summary, fix, at_key=True, id="unknown-field")


def _meant(name: str, value: Json, known: list[str]) -> str:
    """Return what an unknown field was meant to be; empty when unknown."""
    return name_slip(name, known) or foreign(name, value, known) or did_you_mean(name, known)


def _missing_fields(error: _Error) -> Iterator[Finding]:
    for name in error.rule:
        if name not in error.value:
            yield Finding(
                error.path,
                f"{field_in_words((*error.path, name))} is missing",
                _swallowed(name, error.value) or f"Add {name}.",
                at_key=True,
                id="missing-field",
            )


def _swallowed(name: str, content: Mapping[str, Json]) -> str:
    """Report a missing field that is part of another field's text because it is indented too far."""
    held = re.compile(rf"(?:^|\s){re.escape(name)}:\s")
    found = next((key for key, value in content.items() if isinstance(value, str) and held.search(value)), "")
    return f"It is read as part of {found}. Check its indentation." if found else ""


def _not_exactly_one(error: _Error) -> Iterator[Finding]:
    if not isinstance(error.value, dict):
        return
    names = [name for branch in error.rule for name in branch.get("required", ())]
    given = [name for name in names if name in error.value]
    found = f"both {' and '.join(given)}" if given else "none of them"
    summary = f"{field_in_words(error.path)} needs exactly one of {' and '.join(names)}, found {found}"
    fix = f"Remove {given[-1]}." if given else f"Add {names[0]}."
    yield Finding((*error.path, given[-1]) if given else error.path, summary, fix, at_key=True, id="not-exactly-one")


def _not_allowed(error: _Error) -> Iterator[Finding]:
    fix = f"{error.schema.get('description', '')} Remove it.".strip()
    yield Finding(
        error.path, f"{field_in_words(error.path)} is not allowed here", fix, at_key=True, id="field-not-allowed"
    )


def _repeated(error: _Error) -> Iterator[Finding]:
    earlier = field_in_words((*error.path[:-2], error.rule))
    summary = f"{field_in_words(error.path)} is {quoted(error.value)}, the same as {earlier}"
    yield Finding(
        error.path, summary, f"Remove one of the two, or give it another {error.path[-1]}.", id="repeated-value"
    )


def _branches(error: _Error) -> Iterator[Finding]:
    """Report on the branch that was meant: not the expression, and of the value's own type."""
    literal = [
        number for number, branch in enumerate(error.rule) if not str(branch.get("$ref", "")).endswith(_EXPRESSION)
    ]
    children = [child for child in error.children if child.branch in literal]
    if len(literal) > 1:
        mistyped = {child.branch for child in children if child.keyword == "type" and child.path == error.path}
        children = [child for child in children if child.branch not in mistyped]
    if not children:
        rank = 1 + _ORDER.index("type")
        wanted = error.schema.get("title", "another value")
        summary = f"{field_in_words(error.path)} must be {wanted}, found {quoted(error.value)}"
        yield Finding(error.path, summary, rank=rank, id="wrong-type")
    for child in children:
        yield from _explain(child)


_TOLD: Mapping[str, Callable[[_Error], Iterable[Finding]]] = {
    "additionalProperties": _unknown_fields,
    "required": _missing_fields,
    "oneOf": _not_exactly_one,
    "anyOf": _branches,
    "not": _not_allowed,
    "uniqueBy": _repeated,
}
