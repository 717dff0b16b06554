"""Checks of single documents against their schemas, and of the declared variables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from declarative.errors import Diagnostic, Position, Severity
from declarative.manifest.expressions import variables_in
from declarative.manifest.findings import Finding, findings
from declarative.manifest.loading import Document, Manifests
from declarative.manifest.schemas import check
from declarative.manifest.variables import Variable, declared
from declarative.model import Json, Problem

MAX_EXPLAINED = 100
MAX_FOUND = 5_000


@dataclass(slots=True)
class SchemaCheck:
    """Checks documents against the schemas of their kinds, and adds what speaks against them to `found`.

    To explain a fault takes far longer than to see it, so at most MAX_EXPLAINED documents are explained, with MAX_FOUND
    faults in all, and the others counted. In lines that are `spoilt`, what the reader of the YAML has told already is
    the fault.
    """

    found: list[Diagnostic]
    spoilt: frozenset[tuple[str, int]] = frozenset()
    _explained: int = 0
    _untold: int = 0

    def accepts(
        self, document: Document, content: Mapping[str, Json], *, resolved: bool = False, note: str = ""
    ) -> bool:
        """Return whether `content`, the original or the resolved one, is valid. `note` is added to each finding."""
        if check(document.kind, resolved=resolved)(content):
            return True
        if self._explained >= MAX_EXPLAINED or len(self.found) >= MAX_FOUND:
            self._untold += 1
            return False
        self._explained += 1
        told = [from_schema(document, one, note) for one in findings(document.kind, content, resolved=resolved)]
        self.found.extend(one for one in told if not self._is_spoilt(one.position))
        return not told

    def close(self, what: str) -> None:
        """Report how many invalid ones were not explained; `what` they are, in the plural."""
        if self._untold:
            summary = f"{self._untold} more {what} are not valid"
            self.found.append(Diagnostic(summary, "Correct the first ones, then try again.", id="more-findings"))

    def _is_spoilt(self, place: Position | None) -> bool:
        return place is not None and (place.file, place.line) in self.spoilt


@dataclass(frozen=True, slots=True)
class Checked:
    """The documents that their schemas accept, and all that is wrong before any value is put in."""

    documents: tuple[Document, ...]
    stack: Document | None
    variables: Mapping[str, Variable]
    findings: tuple[Diagnostic, ...] = ()


def check_documents(manifests: Manifests) -> Checked:
    """Check every document against the schema of its kind."""
    found = list(manifests.findings)
    spoilt = frozenset((place.file, place.line) for finding in found if (place := finding.position))
    judge = SchemaCheck(found, spoilt)
    documents = tuple(document for document in manifests.documents if judge.accepts(document, document.content))
    for document in manifests.repeated:
        judge.accepts(document, document.content)
    stack = manifests.stack
    if stack is not None and not judge.accepts(stack, stack.content):
        stack = None
    judge.close("documents")
    found.extend(finding for document in documents for finding in _padded(document))
    variables: dict[str, Variable] = {}
    if stack is not None:
        variables, problems = declared(stack.content.get("spec", {}))
        found.extend(diagnostic(stack, problem) for problem in problems)
        if manifests.whole and not manifests.unplaced:
            found.extend(_unused(stack, (*manifests.documents, *manifests.repeated), variables))
    return Checked(documents, stack, variables, tuple(found))


def from_schema(document: Document, finding: Finding, note: str = "") -> Diagnostic:
    """Return a schema finding with its place; `note` is added to its summary."""
    where = document.source.position(finding.path, key=finding.at_key)
    if finding.is_secret:
        where = replace(where, snippet=None)
    return Diagnostic(finding.summary + note, finding.fix, where, id=finding.id)


def diagnostic(document: Document, problem: Problem, note: str = "") -> Diagnostic:
    """Return a problem with its place; `note` is added to its summary."""
    return Diagnostic(problem.summary + note, problem.fix, document.source.position(problem.path), id=problem.id)


def _padded(document: Document) -> Iterator[Diagnostic]:
    """Warn of leading or trailing spaces: the service may cut them off, and they are never a difference."""
    spec = document.content.get("spec")
    for name, value in spec.items() if isinstance(spec, Mapping) else ():
        if isinstance(value, str) and value != value.strip():
            yield Diagnostic(
                f"{name} has leading or trailing spaces, which are ignored",
                "Remove them.",
                document.source.position(("spec", name)),
                severity=Severity.WARNING,
                id="padded-text",
            )


def _unused(stack: Document, documents: Iterable[Document], variables: Mapping[str, Variable]) -> Iterator[Diagnostic]:
    settings = {name: value for name, value in stack.content.get("spec", {}).items() if name != "variables"}
    used = set(variables_in(settings))
    for document in documents if len(used) < len(variables) else ():
        if document.expressions:
            used.update(variables_in(document.content.get("spec")))
            used.update(variables_in(document.content.get("for_each")))
    for name in variables:
        if name not in used:
            where = stack.source.position(("spec", "variables", name), key=True)
            summary = f"the variable '{name}' is never used"
            yield Diagnostic(
                summary, f"Use ${{var.{name}}}, or remove it.", where, severity=Severity.WARNING, id="unused-variable"
            )
