"""Variables: what the Stack declares, and the values from all sources, weakest first.

default < `environments/NAME.yaml` < `DECLARATIVE_VAR_<name>` < `--var-file` < `--var`
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from declarative import strict_json
from declarative.errors import Diagnostic, Position, Severity, UsageError, did_you_mean, visible
from declarative.manifest.characters import MAX_BYTES, decode, unfit
from declarative.manifest.expressions import texts_with_expressions
from declarative.manifest.files import read_named
from declarative.manifest.findings import quoted, retyped
from declarative.manifest.nodes import PackedText, Reader, Source, plain
from declarative.manifest.patterns import MAX_TEXT, BadPattern, Pattern, compile_pattern
from declarative.manifest.schemas import canonical
from declarative.model import Json, Problem

ENVIRONMENT_PREFIX = "DECLARATIVE_VAR_"

_MAX_SHOWN = 20  # allowed values, in a finding
_MAX_SEARCHES = 100  # for near names; comparing texts is slow

_TERRAFORM_OUTPUT = (frozenset({"value", "type"}), frozenset({"value", "type", "sensitive"}))


@dataclass(frozen=True)
class VariableSources:
    """Where values come from, beside the manifests' folder.

    `environ`: the process's environment, of which `DECLARATIVE_VAR_<name>` is read; `files`: `--var-file`, a later one
    is stronger; `options`: `--var`, each `name=value`; `fixed`: a saved plan's inputs, used instead of all others.
    """

    environ: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    options: tuple[str, ...] = ()
    fixed: Mapping[str, Json] | None = None


NO_SOURCES = VariableSources()


class VariableType(enum.StrEnum):
    """The type of a variable's value."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"
    MAP = "map"


_PYTHON_TYPES: Mapping[VariableType, Callable[[Json], bool]] = {
    VariableType.STRING: lambda value: isinstance(value, str),
    VariableType.NUMBER: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    VariableType.BOOLEAN: lambda value: isinstance(value, bool),
    VariableType.LIST: lambda value: isinstance(value, list),
    VariableType.MAP: lambda value: isinstance(value, dict),
}
_COLLECTIONS = (VariableType.LIST, VariableType.MAP)
JSON_TYPES = {VariableType.LIST: "array", VariableType.MAP: "object"} | {
    kind: kind.value for kind in (VariableType.STRING, VariableType.NUMBER, VariableType.BOOLEAN)
}
_WANTED = {
    VariableType.STRING: "text",
    VariableType.NUMBER: "a number",
    VariableType.BOOLEAN: "true or false",
    VariableType.LIST: "a list",
    VariableType.MAP: "a map",
}


@dataclass(frozen=True, slots=True)
class Variable:
    """One declared variable. Without `has_default` a value must be given. `allowed`: the canonical texts of `enum`."""

    name: str
    type: VariableType
    default: Json = None
    has_default: bool = False
    pattern: Pattern | None = None
    enum: tuple[Json, ...] = ()
    allowed: frozenset[str] = frozenset()

    def fault(self, value: Json) -> str:
        """Return what is wrong with a value, as the end of a sentence. Empty: nothing."""
        if not _PYTHON_TYPES[self.type](value):
            return f"must be {_WANTED[self.type]}, found {quoted(value)}"
        if self.enum and canonical(value) not in self.allowed:
            known = ", ".join(map(quoted, self.enum[:_MAX_SHOWN]))
            more = f" and {len(self.enum) - _MAX_SHOWN} more" if len(self.enum) > _MAX_SHOWN else ""
            return f"must be one of {known}{more}, found {quoted(value)}"
        if self.pattern is None or not isinstance(value, str):
            return ""
        if len(value) > MAX_TEXT:
            return f"has {len(value)} characters, but with a pattern at most {MAX_TEXT} are allowed"
        if self.pattern.matches(value):
            return ""
        return f"must match {visible(self.pattern.text, limit=80)}, found {quoted(value)}"

    def read(self, text: str) -> Json:
        """Return the value that a text from the environment or an option means. Raises ValueError."""
        if self.type is VariableType.STRING:
            return text
        return strict_json.loads(text) if self.type in _COLLECTIONS else plain(text)

    def remedy(self, value: Json) -> str:
        """Say how to put right a value that a file gives and whose type is wrong. Empty: nothing helps in general."""
        return "" if _PYTHON_TYPES[self.type](value) else retyped(value, JSON_TYPES[self.type])


def declared(spec: Mapping[str, Json]) -> tuple[dict[str, Variable], list[Problem]]:
    """Return the variables of a valid Stack's `spec` and what is wrong with their declarations."""
    variables: dict[str, Variable] = {}
    problems: list[Problem] = []
    for name, entry in spec.get("variables", {}).items():
        path = ("spec", "variables", name)
        variable = _declaration(name, entry, path, problems)
        variables[name] = variable
        for number, value in enumerate(variable.enum):
            if not _PYTHON_TYPES[variable.type](value):
                summary = f"an allowed value of the variable '{name}' must be {_WANTED[variable.type]}"
                found = f"{summary}, found {quoted(value)}"
                problems.append(Problem((*path, "enum", number), found, variable.remedy(value), id="bad-allowed-value"))
        if variable.has_default and (fault := variable.fault(variable.default)):
            summary = f"the default of the variable '{name}' {fault}"
            problems.append(Problem((*path, "default"), summary, variable.remedy(variable.default), id="bad-default"))
        if any(True for _ in texts_with_expressions(variable.default)):
            summary = f"the default of the variable '{name}' can't use expressions"
            problems.append(Problem((*path, "default"), summary, "Write the value out.", id="expression-in-default"))
    return variables, problems


def _declaration(name: str, entry: Mapping[str, Json], path: tuple[str, ...], problems: list[Problem]) -> Variable:
    kind = VariableType(entry["type"])
    pattern = None
    if "pattern" in entry:
        if kind is not VariableType.STRING:
            problems.append(
                Problem(
                    (*path, "pattern"),
                    f"only text can have a pattern, and '{name}' is a {kind}",
                    "",
                    id="pattern-of-other-type",
                )
            )
        try:
            pattern = compile_pattern(entry["pattern"])
        except BadPattern as error:
            summary = f"the pattern of the variable '{name}' can't be read: {error}"
            problems.append(
                Problem(
                    (*path, "pattern"), summary, "Put it in single quotes, and check its brackets.", id="bad-pattern"
                )
            )
    enum_ = tuple(entry.get("enum", ()))
    return Variable(
        name,
        kind,
        entry.get("default"),
        "default" in entry,
        pattern=pattern,
        enum=enum_,
        allowed=frozenset(map(canonical, enum_)),
    )


# ---------------------------------------------------------------- sources


@dataclass(frozen=True, slots=True)
class Given:
    """A value from one source; a text is still to be read by the variable's type.

    `label` begins a finding about it, and is empty for a file, whose findings have the `position` of the name or the
    `place` of the value. `undeclared`: how bad it is when no variable has the name.
    """

    name: str
    value: Json
    label: str
    is_text: bool = False
    position: Position | None = None
    place: Position | None = None
    undeclared: Severity = Severity.ERROR


@dataclass(slots=True)
class Values:
    """The variables' values by name. `faulty`: those whose value is not usable, so that it is in no `known`.

    Without `whole` a file of values could not be read, and any variable may have its value there.
    """

    known: dict[str, Json]
    faulty: set[str] = field(default_factory=set)
    findings: list[Diagnostic] = field(default_factory=list)
    whole: bool = True

    def missing(self, variables: Iterable[str]) -> list[str]:
        """Names of the variables that were given no value."""
        return [name for name in variables if self.whole and name not in self.known and name not in self.faulty]


def collect(variables: Mapping[str, Variable], givens: Iterable[Given]) -> Values:
    """Return the variables' values, the last one given winning."""
    values = Values({name: variable.default for name, variable in variables.items() if variable.has_default})
    undeclared = 0
    for given in givens:
        variable = variables.get(given.name)
        if variable is None:
            undeclared += 1
            near = did_you_mean(given.name, variables) if undeclared <= _MAX_SEARCHES else ""
            fix = near or "Declare it in spec.variables of the Stack, or remove it."
            summary = f"{given.label}no variable is named '{visible(given.name, limit=80)}'"
            values.findings.append(
                Diagnostic(summary, fix, given.position, severity=given.undeclared, id="undeclared-variable")
            )
            continue
        fault = _take(variable, given, values.known)
        if fault:
            values.faulty.add(given.name)
            summary = f"{given.label}the variable '{given.name}' {fault}"
            values.findings.append(
                Diagnostic(summary, variable.remedy(given.value), given.place, id="bad-variable-value")
            )
    for name in values.faulty:
        values.known.pop(name, None)
    return values


def _take(variable: Variable, given: Given, known: dict[str, Json]) -> str:
    """Store the value; return what is wrong with it, or an empty text."""
    try:
        value = variable.read(given.value) if given.is_text else given.value
    except ValueError as error:
        written = ", written as JSON" if variable.type in _COLLECTIONS else ""
        return f"must be {_WANTED[variable.type]}{written}: {error}"
    known[variable.name] = value
    return unfit(value) or variable.fault(value)


def given_by(
    sources: VariableSources, environment_file: tuple[str, bytes] | None, findings: list[Diagnostic]
) -> Iterator[Given]:
    """Yield all values that are given, weakest source first. `environment_file`: its name and bytes.

    Raises UsageError for a `--var` without `=` and for a `--var-file` that can't be read.
    """
    if sources.fixed is not None:
        for name, value in sources.fixed.items():
            yield Given(name, value, "the saved plan: ")
        return
    if environment_file is not None:
        yield from _from_file(*environment_file, findings)
    for name in sorted(sources.environ):
        if name.startswith(ENVIRONMENT_PREFIX):
            given = _from_text(name.removeprefix(ENVIRONMENT_PREFIX), sources.environ[name], name)
            yield replace(given, undeclared=Severity.WARNING)  # a pipeline shares its variables among stacks
    for path in sources.files:
        yield from _from_file(str(path), read_named(path), findings)
    for option in sources.options:
        name, equals, value = option.partition("=")
        if not equals:
            raise UsageError(f"--var {visible(option, limit=80)} has no '='", "Write --var name=value.")
        yield _from_text(name, value, "--var")


def _from_text(name: str, value: str, label: str) -> Given:
    if len(value) > MAX_BYTES:
        raise UsageError(f"{visible(label, limit=80)}: the value is larger than 1 MiB", "Put it in a --var-file.")
    return Given(name, value, f"{visible(label, limit=80)}: ", is_text=True)


def _from_file(file: str, content: bytes, findings: list[Diagnostic]) -> Iterator[Given]:
    text = decode(file, content)
    if isinstance(text, Diagnostic):
        findings.append(text)
        return
    source = Source(file, PackedText.of(text), 0, len(text))
    value = _parsed(file, text, findings)
    if value is None:
        return
    if not isinstance(value, dict):
        fix = "Write one `name: value` on each line."
        findings.append(
            Diagnostic(f"the file must be a map, found {quoted(value)}", fix, Position(file), id="not-a-map")
        )
        return
    unwrapped = _unwrapped(value)
    rest = () if unwrapped is value else ("value",)
    for name, inner in unwrapped.items():
        place = source.position((name, *rest))
        yield Given(name, inner, "", position=source.position((name,), key=True), place=place)


def _parsed(file: str, text: str, findings: list[Diagnostic]) -> Json:
    """Return what the file holds, read as JSON when it is some; None: nothing, or a finding says why."""
    if text.lstrip()[:1] == "{":
        try:
            return strict_json.loads(text)
        except json.JSONDecodeError as error:
            if file.endswith(".json"):
                where = Position(file, error.lineno, error.colno)
                findings.append(Diagnostic(f"the JSON can't be read: {error.msg}", "", where, id="json-syntax"))
                return None
        except ValueError as error:
            twice = Reader().read_text(file, text).findings  # which knows where a key stands twice
            findings.extend(
                twice or [Diagnostic(f"the JSON can't be read: {error}", "", Position(file), id="json-syntax")]
            )
            return None
    reading = Reader().read_text(file, text)
    findings.extend(reading.findings)
    if len(reading.nodes) > 1:
        second = reading.nodes[1].source.position(())
        findings.append(
            Diagnostic("the file contains more than one document", "Keep one.", second, id="several-documents")
        )
    return reading.nodes[0].value if reading.nodes and not reading.findings else None


def _unwrapped(value: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the values from the output of `terraform output -json`; a plain map stays as it is."""
    entries = value.values()
    if entries and all(isinstance(entry, dict) and entry.keys() in _TERRAFORM_OUTPUT for entry in entries):
        return {name: entry["value"] for name, entry in value.items()}
    return value
