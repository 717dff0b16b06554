"""Findings as lines for a reader and as JSON for a program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from declarative.errors import Diagnostic, Severity
from declarative.model import Json
from declarative.views.text import Line, Tone, finding, line, many, snippet_lines
from declarative.views.view import document


@dataclass(frozen=True, slots=True)
class FindingsView:
    """Findings of any command: one line each, with its id if `ids` are to be told, or `{valid, findings}`."""

    findings: Sequence[Diagnostic]
    ids: bool = False

    def text(self) -> list[Line]:
        return findings_lines(self.findings, ids=self.ids)

    def json(self) -> str:
        return document(findings_json(self.findings))


def findings_lines(findings: Iterable[Diagnostic], *, ids: bool = False) -> list[Line]:
    """One line a finding, which ends with its id if `ids` are to be told, and below it the line of the manifest."""
    tones = {Severity.ERROR: Tone.REMOVE, Severity.WARNING: Tone.CHANGE}
    return [
        told for one in findings for told in (line(finding(one, with_id=ids), tones[one.severity]), *snippet_lines(one))
    ]


def findings_json(findings: Sequence[Diagnostic]) -> Json:
    """`{valid, findings}`."""
    return {
        "valid": not any(one.severity is Severity.ERROR for one in findings),
        "findings": [finding_json(one) for one in findings],
    }


def finding_json(one: Diagnostic) -> Json:
    """`{id, severity, summary, fix, file, line, column, address, snippet}`; what there is not is null."""
    snippet = one.position.snippet if one.position else None
    return {
        "id": one.id,
        "severity": one.severity.value,
        "summary": one.summary,
        "fix": one.fix,
        "file": one.position.file if one.position else None,
        "line": one.position.line if one.position else None,
        "column": one.position.column if one.position else None,
        "address": one.address or None,
        "snippet": {"text": snippet.text, "caret": snippet.caret} if snippet else None,
    }


def findings_summary(findings: Sequence[Diagnostic]) -> str:
    """The findings counted, in one sentence."""
    errors = sum(1 for one in findings if one.severity is Severity.ERROR)
    warnings = len(findings) - errors
    counts = [many(count, noun) for count, noun in ((errors, "error"), (warnings, "warning")) if count]
    verdict = "Not valid" if errors else "Valid"
    return f"{verdict}: {', '.join(counts)}." if counts else f"{verdict}."
