"""Each document by itself: does its schema accept it, and are the variables declared well?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from declarative.errors import Diagnostic, Severity
from declarative.manifest.expressions import variables_in
from declarative.manifest.findings import Finding, findings
from declarative.manifest.loading import Document, Manifests
from declarative.manifest.variables import Variable, declared
from declarative.model import Problem


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
    spoilt = {(place.file, place.line) for finding in found if (place := finding.position)}
    documents = tuple(document for document in manifests.documents if valid(document, found, spoilt))
    stack = valid(manifests.stack, found, spoilt)
    variables: dict[str, Variable] = {}
    if stack is not None:
        variables, problems = declared(stack.content.get("spec", {}))
        found.extend(diagnostic(stack, problem) for problem in problems)
        found.extend(_unused(stack, manifests.documents, variables))
    return Checked(documents, stack, variables, tuple(found))


def valid(document: Document | None, found: list[Diagnostic], spoilt: set[tuple[str, int]]) -> Document | None:
    """Return a document that its schema accepts. In lines that are `spoilt` already, only the first fault is told."""
    if document is None:
        return None
    told = [from_schema(document, finding) for finding in findings(document.kind, document.content, resolved=False)]
    found.extend(one for one in told if one.position is None or (one.position.file, one.position.line) not in spoilt)
    return None if told else document


def from_schema(document: Document, finding: Finding, note: str = "") -> Diagnostic:
    """Return a finding of the schema with its place; `note` is added to what it says."""
    where = document.source.position(finding.path, key=finding.at_key)
    return Diagnostic(finding.summary + note, finding.fix, where)


def diagnostic(document: Document, problem: Problem, note: str = "") -> Diagnostic:
    """Return a problem with its place; `note` is added to what it says."""
    return Diagnostic(problem.summary + note, problem.fix, document.source.position(problem.path))


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
            yield Diagnostic(summary, f"Use ${{var.{name}}}, or remove it.", where, severity=Severity.WARNING)
