"""The bundled JSON Schemas, and a fast exact check compiled from them.

A check is compiled from the schema's own text, so that there is one place that knows the rules. It only says yes or
no, in microseconds; whoever gets a no asks jsonschema for the reasons (`findings`).

jsonschema-rs gives the same answers. It checks a document in 0.017 ms of CPU, which takes 0.04 ms here, but takes 18 ms
to load and 15 MB of disk. With it, a `validate` of 4 documents needs 9 % more CPU, one of 100 needs 8 % more, one of
1,000 needs 4 % more, one of 10,000 needs 8 % less, and one of 100,000 needs 12 % less. It would pay from some 2,000 on;
the samples of the API reference show quotas of 50 groups and 100 pairs. It also raises for half a surrogate pair.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from declarative.kinds import KINDS
from declarative.model import Json

STACK = "Stack"
ENVELOPE = "manifest.json"

Check = Callable[[Json], bool]


def kinds() -> tuple[str, ...]:
    """The kinds that a document may have."""
    return (STACK, *sorted(KINDS))


def schema_root() -> Path:
    """The folder of the schemas: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "schemas"
    return inside if inside.is_dir() else package.parent / "schemas"


def schema_name(kind: str) -> str:
    """The file of a kind: `DRDrill` has `dr_drill.json`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind).lower() + ".json"


@functools.cache
def schema(kind: str | None = None) -> Json:
    """Return the parsed schema of a kind, or of the envelope that all share."""
    name = ENVELOPE if kind is None else schema_name(kind)
    return json.loads((schema_root() / name).read_text(encoding="utf-8"))


def schemas(*, resolved: bool) -> Mapping[str, Json]:
    """Return all schemas by file name. `resolved`: none of them accepts an expression."""
    found = {ENVELOPE: schema(), **{schema_name(kind): schema(kind) for kind in kinds()}}
    if resolved:
        envelope = schema()
        found[ENVELOPE] = {**envelope, "$defs": {**envelope["$defs"], "expression": False}}
    return found


@functools.cache
def check(kind: str, *, resolved: bool) -> Check:
    """Return a function that says whether a document of `kind` is valid."""
    return Compiler(schemas(resolved=resolved)).at(schema_name(kind), "")


class Compiler:
    """Compiles schemas, by file name, to functions that agree with jsonschema on every JSON value.

    Raises ValueError on a keyword it doesn't know, so that no rule is passed over.
    """

    def __init__(self, files: Mapping[str, Json]) -> None:
        self._files = files
        self._done: dict[tuple[str, str], Check] = {}

    def at(self, file: str, pointer: str) -> Check:
        """Return the check of the schema at a JSON pointer of a file."""
        place = (file, pointer)
        if place not in self._done:
            node = self._files[file]
            for part in pointer.split("/")[1:]:
                node = node[part]
            self._done[place] = self.inner(file, node)
        return self._done[place]

    def inner(self, file: str, node: Json) -> Check:
        """Return the check of a schema that stands in `file`."""
        if isinstance(node, bool):
            return (lambda value: True) if node else (lambda value: False)
        checks = []
        for keyword, rule in node.items():
            if keyword in _ANNOTATIONS or (keyword == "properties" and "additionalProperties" in node):
                continue  # the two are checked in one go
            if keyword in _SCALAR_RULES:
                checks.append(_SCALAR_RULES[keyword](rule))
            elif keyword in _APPLIERS:
                checks.append(_APPLIERS[keyword](self, file, node))
            else:
                raise ValueError(f"{file}: the keyword {keyword} is not known here")
        return _all(checks)


_ANNOTATIONS = frozenset(
    {"$schema", "$defs", "title", "description", "default", "examples", "writeOnly", "uniqueAmongObjects"}
)


def _all(checks: list[Check]) -> Check:
    if len(checks) == 1:
        return checks[0]
    if len(checks) == 2:
        first, second = checks
        return lambda value: first(value) and second(value)
    return lambda value: all(one(value) for one in checks)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: Mapping[str, Check] = {
    "string": lambda value: isinstance(value, str),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": _is_number,
    "integer": lambda value: _is_number(value) and (isinstance(value, int) or value.is_integer()),
}


def _type(rule: Json) -> Check:
    if isinstance(rule, str):
        return _TYPES[rule]
    wanted = [_TYPES[name] for name in rule]
    return lambda value: any(one(value) for one in wanted)


def _for_text(holds: Callable[[str], bool]) -> Check:
    return lambda value: not isinstance(value, str) or holds(value)


def _pattern(rule: str) -> Check:
    search = re.compile(rule).search
    return lambda value: not isinstance(value, str) or search(value) is not None


def canonical(value: Json) -> str:
    """Return a text that two JSON values share exactly when JSON Schema holds them equal: 1 is 1.0 but not true."""
    if isinstance(value, float) and value.is_integer():
        return json.dumps(int(value))
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{canonical(value[key])}" for key in sorted(value)) + "}"
    return json.dumps(value)


def _among(rule: Json) -> Check:
    allowed = frozenset(map(canonical, rule))
    return lambda value: canonical(value) in allowed


def _unique(rule: bool) -> Check:
    return lambda value: not rule or not isinstance(value, list) or len(set(map(canonical, value))) == len(value)


def repeated(entries: Iterable[Json], name: str) -> Iterator[tuple[int, int]]:
    """Yield the number of each map that has in its field `name` what an earlier one has, and that one's number."""
    first: dict[str, int] = {}
    for number, entry in enumerate(entries):
        if isinstance(entry, dict) and name in entry:
            earlier = first.setdefault(canonical(entry[name]), number)
            if earlier != number:
                yield number, earlier


_SCALAR_RULES: Mapping[str, Callable[[Json], Check]] = {
    "type": _type,
    "pattern": _pattern,
    "const": lambda rule: _among([rule]),
    "enum": _among,
    "uniqueItems": _unique,
    "minLength": lambda rule: _for_text(lambda text: len(text) >= rule),
    "maxLength": lambda rule: _for_text(lambda text: len(text) <= rule),
    "maxBytes": lambda rule: _for_text(lambda text: byte_length(text) <= rule),
    "minimum": lambda rule: lambda value: not _is_number(value) or value >= rule,
    "maximum": lambda rule: lambda value: not _is_number(value) or value <= rule,
    "exclusiveMinimum": lambda rule: lambda value: not _is_number(value) or value > rule,
    "minItems": lambda rule: lambda value: not isinstance(value, list) or len(value) >= rule,
    "maxItems": lambda rule: lambda value: not isinstance(value, list) or len(value) <= rule,
    "uniqueBy": lambda rule: lambda value: not isinstance(value, list) or next(repeated(value, rule), None) is None,
}


def byte_length(text: str) -> int:
    """The length in UTF-8, by which the service counts."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _reference(compiler: Compiler, file: str, node: Json) -> Check:
    target, _, pointer = node["$ref"].partition("#")
    return compiler.at(target or file, pointer)


def _properties(compiler: Compiler, file: str, node: Json) -> Check:
    known = {name: compiler.inner(file, rule) for name, rule in node.get("properties", {}).items()}
    other = compiler.inner(file, node.get("additionalProperties", True))

    def holds(value: Json) -> bool:
        if isinstance(value, dict):
            for name, inner in value.items():
                if not known.get(name, other)(inner):
                    return False
        return True

    return holds


def _names(compiler: Compiler, file: str, node: Json) -> Check:
    name = compiler.inner(file, node["propertyNames"])
    return lambda value: not isinstance(value, dict) or all(name(key) for key in value)


def _items(compiler: Compiler, file: str, node: Json) -> Check:
    item = compiler.inner(file, node["items"])
    return lambda value: not isinstance(value, list) or all(item(element) for element in value)


def _required(_: Compiler, __: str, node: Json) -> Check:
    names = frozenset(node["required"])
    return lambda value: not isinstance(value, dict) or value.keys() >= names


def _any_of(compiler: Compiler, file: str, node: Json) -> Check:
    branches = [compiler.inner(file, rule) for rule in node["anyOf"]]
    if len(branches) == 2:
        first, second = branches
        return lambda value: first(value) or second(value)
    return lambda value: any(branch(value) for branch in branches)


def _all_of(compiler: Compiler, file: str, node: Json) -> Check:
    return _all([compiler.inner(file, rule) for rule in node["allOf"]])


def _one_of(compiler: Compiler, file: str, node: Json) -> Check:
    branches = [compiler.inner(file, rule) for rule in node["oneOf"]]
    return lambda value: sum(branch(value) for branch in branches) == 1


def _not(compiler: Compiler, file: str, node: Json) -> Check:
    inner = compiler.inner(file, node["not"])
    return lambda value: not inner(value)


_APPLIERS: Mapping[str, Callable[[Compiler, str, Json], Check]] = {
    "$ref": _reference,
    "properties": _properties,
    "additionalProperties": _properties,
    "propertyNames": _names,
    "items": _items,
    "required": _required,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
}
