"""`${…}` in text: reading it, and putting values in its place.

Values are put in after the YAML is read and in one pass, so what a variable holds is never read as YAML or as another
expression. There are no functions: nothing of a manifest is ever executed.
"""

from __future__ import annotations

import enum
import functools
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from declarative.errors import did_you_mean, visible
from declarative.model import KEY_PATTERN, NAME_PATTERN, Address, Json, Path, Problem, Reference

VARIABLE_PATTERN = r"[A-Za-z_][A-Za-z0-9_-]{0,62}"

_PIECE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_VARIABLE = re.compile(rf"var\.({VARIABLE_PATTERN})(?:\.({KEY_PATTERN}))?")
_EACH = re.compile(rf"each\.(?:key|value(?:\.({KEY_PATTERN}))?)")
_OBJECT = re.compile(rf"([A-Z][A-Za-z]{{0,63}})\.({NAME_PATTERN})(?:\[({KEY_PATTERN})\])?\.([A-Za-z_][A-Za-z0-9_]*)")
_FORMS = ("var.X", "var.X.key", "each.key", "each.value", "each.value.X", "stack.name", "environment")


class Root(enum.Enum):
    """What an expression takes its value from."""

    VARIABLE = "var"
    EACH_KEY = "each.key"
    EACH_VALUE = "each.value"
    STACK = "stack.name"
    ENVIRONMENT = "environment"
    OBJECT = "an object"


@dataclass(frozen=True, slots=True)
class Expression:
    """What stands between `${` and `}`. `key` picks an entry of a map; empty: the whole value."""

    text: str
    root: Root
    name: str = ""
    key: str = ""
    reference: Reference | None = None


class BadExpression(Exception):
    """An expression that can't be read, or has no value here."""

    def __init__(self, summary: str, fix: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.fix = fix


class NoValue(Exception):
    """The expression asks for a variable that has no value; `name` is its name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


Pieces = tuple[str | Expression, ...]


@functools.lru_cache(maxsize=4096)
def pieces(text: str) -> Pieces:
    """Split a text into literal parts and expressions; `$${` becomes a literal `${`. Raises BadExpression."""
    found: list[str | Expression] = []
    literal, end = "", 0
    for match in _PIECE.finditer(text):
        literal += text[end : match.start()]
        end = match.end()
        if match[0] == "$${":
            literal += "${"
            continue
        if match[1] is None:
            raise BadExpression("an expression is not closed", "Close it with '}', or write $${ for a literal ${.")
        if literal:
            found.append(literal)
            literal = ""
        found.append(_expression(match[1].strip()))
    literal += text[end:]
    if literal or not found:
        found.append(literal)
    return tuple(found)


def _expression(text: str) -> Expression:
    if text == "stack.name":
        return Expression(text, Root.STACK)
    if text == "environment":
        return Expression(text, Root.ENVIRONMENT)
    if match := _VARIABLE.fullmatch(text):
        return Expression(text, Root.VARIABLE, match[1], match[2] or "")
    if match := _EACH.fullmatch(text):
        return Expression(text, Root.EACH_KEY if text == "each.key" else Root.EACH_VALUE, key=match[1] or "")
    if match := _OBJECT.fullmatch(text):
        address = Address(match[1], match[2], match[3] or "")
        return Expression(text, Root.OBJECT, reference=Reference(address, match[4]))
    known = f"Known are {', '.join(_FORMS)}; write $${{ for a literal ${{."
    raise BadExpression(f"${{{_shown(text)}}} is not an expression", f"{did_you_mean(text, _FORMS)} {known}".strip())


@dataclass(frozen=True, slots=True)
class Each:
    """The entry of `for_each` that an object is made for."""

    key: str
    value: Json


@dataclass(frozen=True, slots=True)
class Scope:
    """What expressions may speak of, and the values. A declared variable may lack one."""

    values: Mapping[str, Json]
    declared: Collection[str]
    stack: str
    environment: str
    each: Each | None = None
    variables_only: bool = False

    def evaluate(self, expression: Expression) -> Json:
        """Return the value. Raises BadExpression when there can't be one here, NoValue when none was given."""
        root = expression.root
        if root is Root.VARIABLE:
            return self._variable(expression)
        if self.variables_only:
            raise BadExpression(f"for_each can't use ${{{expression.text}}}", "It may use variables only: ${var.X}.")
        if root is Root.STACK:
            return self.stack
        if root is Root.ENVIRONMENT:
            return self.environment
        if root is Root.OBJECT:
            fix = "That is for outputs of the Stack. A field such as protection_group takes the name alone."
            raise BadExpression(f"${{{expression.text}}} refers to an object", fix)
        if self.each is None:
            raise BadExpression(f"${{{expression.text}}} needs for_each", "Add for_each to the document.")
        if root is Root.EACH_KEY:
            return self.each.key
        return _entry(self.each.value, expression, "each.value")

    def _variable(self, expression: Expression) -> Json:
        name = expression.name
        if name in self.values:
            return _entry(self.values[name], expression, f"var.{name}")
        if name in self.declared:
            raise NoValue(name)
        fix = did_you_mean(name, self.declared) or "Declare it in spec.variables of the Stack."
        raise BadExpression(f"no variable is named '{name}'", fix)


def _entry(value: Json, expression: Expression, of: str) -> Json:
    if not expression.key:
        return value
    if not isinstance(value, dict):
        raise BadExpression(f"{of} is no map, so ${{{expression.text}}} has no value", f"Write ${{{of}}}.")
    if expression.key not in value:
        fix = did_you_mean(expression.key, value) or f"Its keys are {_shown(', '.join(value)) or 'none'}."
        raise BadExpression(f"{of} has no key '{_shown(expression.key)}'", fix)
    return value[expression.key]


@dataclass(slots=True)
class Substitution:
    """Puts values into a tree, and collects what went wrong and which variables had no value."""

    scope: Scope
    problems: list[Problem] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)

    def tree(self, value: Json, path: Path) -> Json:
        """Return `value` with its expressions replaced. One without a value stays as it is."""
        if isinstance(value, str):
            return self._text(value, path) if "${" in value else value
        if isinstance(value, dict):
            return {key: self.tree(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.tree(inner, (*path, number)) for number, inner in enumerate(value)]
        return value

    def parts(self, text: str, path: Path) -> tuple[Json | Reference, ...] | None:
        """Return the literal values and references that make up an output; None after a problem."""
        return self._evaluated(text, path, lambda expression: expression.reference or self.scope.evaluate(expression))

    def _text(self, text: str, path: Path) -> Json:
        values = self._evaluated(text, path, self.scope.evaluate)
        if values is None:
            return text
        if len(values) == 1:
            return values[0]
        try:
            return "".join(map(as_text, values))
        except BadExpression as bad:
            self._refuse(path, bad)
        return text

    def _evaluated(
        self, text: str, path: Path, evaluate: Callable[[Expression], Json | Reference]
    ) -> tuple[Json | Reference, ...] | None:
        """Return the pieces of a text, with values in place of expressions; None when one of them has none."""
        values: list[Json | Reference] = []
        try:
            parsed = pieces(text)
        except BadExpression as bad:
            self._refuse(path, bad)
            return None
        for piece in parsed:
            try:
                values.append(piece if isinstance(piece, str) else evaluate(piece))
            except NoValue as missing:
                self.missing.add(missing.name)
            except BadExpression as bad:
                self._refuse(path, bad)
        return tuple(values) if len(values) == len(parsed) else None

    def _refuse(self, path: Path, bad: BadExpression) -> None:
        self.problems.append(Problem(path, bad.summary, bad.fix))


def as_text(value: Json) -> str:
    """Return a scalar as it reads inside a text. Raises BadExpression for a list, a map or nothing."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    what = "a map" if isinstance(value, dict) else "a list" if isinstance(value, list) else "nothing"
    raise BadExpression(f"{what} can't be a part of a text", "Let the expression be the whole value, or pick an entry.")


def texts_with_expressions(value: Json) -> Iterator[str]:
    """Yield the texts in `value` that hold `${`."""
    if isinstance(value, str):
        if "${" in value:
            yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts_with_expressions(inner)


def variables_in(value: Json) -> Iterator[str]:
    """Yield the names of all variables that expressions in `value` ask for."""
    for text in texts_with_expressions(value):
        yield from _variables_in_text(text)


def _variables_in_text(text: str) -> list[str]:
    try:
        return [piece.name for piece in pieces(text) if isinstance(piece, Expression) and piece.root is Root.VARIABLE]
    except BadExpression:
        return []  # reported where it is used


def _shown(text: str) -> str:
    return visible(text, limit=80)
