"""Parsing and replacing `${…}` in text.

Values are put in after the YAML is read and in one pass, so what a variable holds is never read as YAML or as another
expression. There are no functions: nothing of a manifest is ever executed.
"""

from __future__ import annotations

import enum
import functools
import itertools
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from declarative.errors import did_you_mean, visible
from declarative.manifest.budget import EXPRESSION, MAX_SCALAR, Budget
from declarative.model import KEY_PATTERN, NAME_PATTERN, Address, Json, Path, Problem, Reference

VARIABLE_PATTERN = r"[A-Za-z_][A-Za-z0-9_-]{0,62}"

_PIECE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_VARIABLE = re.compile(rf"var\.({VARIABLE_PATTERN})(?:\.({KEY_PATTERN}))?")
_EACH = re.compile(rf"each\.(?:key|value(?:\.({KEY_PATTERN}))?)")
_OBJECT = re.compile(rf"([A-Z][A-Za-z]{{0,63}})\.({NAME_PATTERN})(?:\[({KEY_PATTERN})\])?\.([A-Za-z_][A-Za-z0-9_]*)")
_QUOTED_KEY = re.compile(rf"\[(['\"])({KEY_PATTERN})\1\]")
_ROOTS = ("var", "each", "stack", "environment")
_OBJECT_FORMS = "Kind.name.attribute or Kind.name[key].attribute"
_FORMS = ("var.X", "var.X.key", "each.key", "each.value", "each.value.X", "stack.name", "environment")


class Root(enum.Enum):
    """The source of an expression's value."""

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
    """The expression is invalid, or has no value here."""

    def __init__(self, finding_id: str, summary: str, fix: str = "") -> None:
        super().__init__(summary)
        self.id = finding_id
        self.summary = summary
        self.fix = fix


class NoValue(Exception):
    """The expression asks for a variable that has no value; `name` is its name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


Pieces = tuple[str | Expression, ...]

MAX_EXPRESSIONS = 1000  # in one text

_MAX_SEARCHES = 200  # for near names; comparing texts is slow
_MAX_KEYS = 10  # of a map, in a finding


@functools.lru_cache(maxsize=4096)
def pieces(text: str) -> Pieces:
    """Split a text into literal parts and expressions; `$${` becomes a literal `${`. Raises BadExpression."""
    if expressions(text) > MAX_EXPRESSIONS:
        raise BadExpression(
            "too-many-expressions", f"one text contains more than {MAX_EXPRESSIONS} expressions", "Use fewer."
        )
    found: list[str | Expression] = []
    literal, end = "", 0
    for match in _PIECE.finditer(text):
        literal += text[end : match.start()]
        end = match.end()
        if match[0] == "$${":
            literal += "${"
            continue
        if match[1] is None:
            raise BadExpression(
                "bad-expression", "an expression is never closed", "Close it with '}', or write $${ for a literal ${."
            )
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
    raise BadExpression("bad-expression", f"${{{_shown(text)}}} is not an expression", _remedy(text))


def _remedy(text: str) -> str:
    """Return how to write what an invalid expression may mean."""
    for spelt in (_QUOTED_KEY.sub(r"[\2]", text), _QUOTED_KEY.sub(r".\2", text)):
        if spelt != text and any(form.fullmatch(spelt) for form in (_OBJECT, _VARIABLE, _EACH)):
            return f"Write ${{{spelt}}}: a key has no quotes."
    root = text.partition(".")[0]
    near = did_you_mean(text, _FORMS) if root in _ROOTS else did_you_mean(root, _ROOTS).replace("'var'", "'var.X'")
    known = f"Use {', '.join(_FORMS)}, or in outputs {_OBJECT_FORMS}. Write $${{ for a literal ${{."
    return f"{near} {known}".strip()


@dataclass(frozen=True, slots=True)
class Each:
    """The entry of `for_each` from which an object is made."""

    key: str
    value: Json


@dataclass(frozen=True, slots=True)
class Scope:
    """What expressions can refer to, and the values. A declared variable can be without one."""

    values: Mapping[str, Json]
    declared: Collection[str]
    stack: str
    environment: str
    each: Each | None = None
    variables_only: bool = False
    searched: dict[tuple[str, str], str] = field(default_factory=dict)  # near names, found once for all objects

    def within(self, each: Each | None) -> Scope:
        """Return the same scope for one object of a document."""
        return Scope(self.values, self.declared, self.stack, self.environment, each, searched=self.searched)

    def near(self, word: str, known: Collection[str], *, of: str) -> str:
        """Return `Did you mean 'x'?`, or an empty text; `of` says what the words are names of."""
        place = (of, word)
        if place not in self.searched and len(self.searched) < _MAX_SEARCHES:
            self.searched[place] = did_you_mean(word, known)
        return self.searched.get(place, "")

    def evaluate(self, expression: Expression) -> Json:
        """Return the value. Raises BadExpression when there can't be one here, NoValue when none was given."""
        root = expression.root
        if root is Root.VARIABLE:
            return self._variable(expression)
        if self.variables_only:
            raise BadExpression(
                "expression-not-allowed",
                f"for_each can't use ${{{expression.text}}}",
                "Use variables only: ${var.X}.",
            )
        if root is Root.STACK:
            return self.stack
        if root is Root.ENVIRONMENT:
            return self.environment
        if root is Root.OBJECT:
            name = str(expression.reference.address).partition("/")[2] if expression.reference else "its name"
            fix = f"Only outputs of the Stack can use it. A field such as protection_group takes the name: {name}."
            raise BadExpression("expression-not-allowed", f"${{{expression.text}}} refers to an object", fix)
        if self.each is None:
            raise BadExpression(
                "each-without-for-each", f"${{{expression.text}}} needs for_each", "Add for_each to the document."
            )
        if root is Root.EACH_KEY:
            return self.each.key
        return self._entry(self.each.value, expression, of="each.value")

    def _variable(self, expression: Expression) -> Json:
        name = expression.name
        if name in self.values:
            return self._entry(self.values[name], expression, of=f"var.{name}")
        if name in self.declared:
            raise NoValue(name)
        fix = self.near(name, self.declared, of="var") or "Declare it in spec.variables of the Stack."
        raise BadExpression("undeclared-variable", f"no variable is named '{name}'", fix)

    def _entry(self, value: Json, expression: Expression, *, of: str) -> Json:
        if not expression.key:
            return value
        if not isinstance(value, dict):
            raise BadExpression(
                "unknown-entry", f"{of} is not a map, so ${{{expression.text}}} has no value", f"Write ${{{of}}}."
            )
        if expression.key not in value:
            keys = _shown(", ".join(itertools.islice(value, _MAX_KEYS))) or "none"
            more = f" and {len(value) - _MAX_KEYS} more" if len(value) > _MAX_KEYS else ""
            fix = self.near(expression.key, value, of=of) or f"Its keys are {keys}{more}."
            raise BadExpression("unknown-entry", f"{of} has no key '{_shown(expression.key)}'", fix)
        return value[expression.key]


@dataclass(slots=True)
class Substitution:
    """Puts values into a tree, and collects what went wrong and which variables had no value.

    What is put in is taken from the `budget`; `at` is where that was last, and where to look when it is exhausted.
    """

    scope: Scope
    budget: Budget = field(default_factory=Budget)
    problems: list[Problem] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)
    at: Path = ()

    def tree(self, value: Json, path: Path) -> Json:
        """Return `value` with its expressions replaced; those without a value stay."""
        if isinstance(value, str):
            return self._text(value, path) if "${" in value else value
        if isinstance(value, dict):
            return {key: self.tree(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.tree(inner, (*path, number)) for number, inner in enumerate(value)]
        return value

    def parts(self, text: str, path: Path) -> tuple[Json | Reference, ...] | None:
        """Return the literal values and references that make up an output, neighbours joined; None after a problem."""
        parts = self._evaluated(text, path, lambda expression: expression.reference or self.scope.evaluate(expression))
        if parts is None or not self._fits([one for one in parts if not isinstance(one, Reference)], path):
            return None
        if len(parts) == 1:
            return parts
        joined: list[Json | Reference] = []
        for literal, neighbours in itertools.groupby(parts, key=lambda part: not isinstance(part, Reference)):
            if not literal:
                joined.extend(neighbours)
            elif (text_ := self._joined(tuple(neighbours), path)) is not None:
                joined.append(text_)
            else:
                return None
        return tuple(joined)

    def _text(self, text: str, path: Path) -> Json:
        values = self._evaluated(text, path, self.scope.evaluate)
        if values is None or not self._fits(values, path):
            return text
        if len(values) == 1:
            return values[0]
        joined = self._joined(values, path)
        return text if joined is None else joined

    def _joined(self, values: Sequence[Json | Reference], path: Path) -> str | None:
        try:
            return "".join(map(as_text, values))
        except BadExpression as bad:
            self._refuse(path, bad)
            return None

    def _fits(self, values: Sequence[Json], path: Path) -> bool:
        """Charge one replaced value to the budget, and report one that is too large."""
        self.at = path
        weights = [self.budget.weight(value) for value in values]
        length = weights[0].longest if len(weights) == 1 else sum(weight.longest for weight in weights)
        total = sum(weight.total for weight in weights)
        self.budget.spend(EXPRESSION * len(weights) + (total if length <= MAX_SCALAR else MAX_SCALAR))
        if length <= MAX_SCALAR:
            return True
        summary = f"the value would be larger than {MAX_SCALAR >> 10} KiB after its expressions are replaced"
        self._refuse(path, BadExpression("value-too-large", summary, "Use smaller values here."))
        return False

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
        self.problems.append(Problem(path, bad.summary, bad.fix, id=bad.id))


def as_text(value: Json) -> str:
    """Return a scalar as it reads inside a text. Raises BadExpression for a list, a map or nothing."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    what = "a map" if isinstance(value, dict) else "a list" if isinstance(value, list) else "nothing"
    raise BadExpression(
        "value-not-text",
        f"{what} can't be used inside a text",
        "Make the expression the whole value, or select an entry.",
    )


def texts_with_expressions(value: Json) -> Iterator[str]:
    """Yield the texts in `value` that contain `${`."""
    if isinstance(value, str):
        if "${" in value:
            yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts_with_expressions(inner)


def expressions(value: Json) -> int:
    """Return how many expressions there are in all texts of `value`."""
    return sum(text.count("${") - text.count("$${") for text in texts_with_expressions(value))


def literal(value: Json) -> Json:
    """Return what of `value` is the same wherever expressions are put in; texts with expressions are left empty."""
    if isinstance(value, dict):
        return {key: literal(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [literal(inner) for inner in value]
    return "" if isinstance(value, str) and "${" in value else value


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
