"""Findings as lines for a reader and as JSON for a program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from declarative.errors import Diagnostic, Severity
from declarative.model import Change, Json, Plan
from declarative.views.report import Case, Report, Verdict, found, worst
from declarative.views.text import Line, Tone, finding, many, snippet_lines
from declarative.views.view import document
from declarative.views.wrapping import prose


@dataclass(frozen=True, slots=True)
class FindingsView:
    """Findings of any command: one line each, with its id if `ids` are to be told, or `{valid, findings}`."""

    findings: Sequence[Diagnostic]
    ids: bool = False

    def text(self) -> list[Line]:
        return findings_lines(self.findings, ids=self.ids)

    def json(self) -> str:
        return document(findings_json(self.findings))

    def report(self) -> Report:
        return _report(self.findings, findings_summary(self.findings))


@dataclass(frozen=True, slots=True)
class FailureView:
    """What a command says that could not come to its result. `plan`: the one that it had made, if it had."""

    findings: Sequence[Diagnostic]
    plan: Plan | None = None

    def text(self) -> list[Line]:
        return findings_lines(self.findings)

    def json(self) -> str:
        return document(findings_json(self.findings))

    def report(self) -> Report:
        errors = sum(1 for one in self.findings if one.severity is Severity.ERROR)
        return _report(self.findings, f"The command failed with {many(errors, 'error')}.", self.plan)


def _report(findings: Sequence[Diagnostic], verdict: str, plan: Plan | None = None) -> Report:
    told = tuple(found(findings))
    errors = sum(1 for one in findings if one.severity is Severity.ERROR)
    cases = [
        Case(
            f"{one.position or one.address or 'command'}: {one.summary}",
            Verdict.FAILED if one.severity is Severity.ERROR else Verdict.SKIPPED,
            f"{one.summary} {one.fix}".rstrip(),
        )
        for one in findings
    ]
    return Report(
        verdict,
        worst(told),
        told,
        cases or [Case("manifests are valid")],
        {"errors": errors, "warnings": len(findings) - errors},
        plan=plan,
    )


def changes_json(changes: Iterable[Change]) -> list[Json]:
    """`[{field, old, new}]`."""
    return [{"field": one.field, "old": one.old, "new": one.new} for one in changes]


def findings_lines(findings: Iterable[Diagnostic], *, ids: bool = False) -> list[Line]:
    """One line a finding, which ends with its id if `ids` are to be told, and below it the line of the manifest."""
    tones = {Severity.ERROR: Tone.REMOVE, Severity.WARNING: Tone.CHANGE}
    return [
        told
        for one in findings
        for told in (prose(finding(one, with_id=ids), tones[one.severity]), *snippet_lines(one))
    ]


def findings_json(findings: Sequence[Diagnostic]) -> Json:
    """`{format, valid, findings}`."""
    return {
        "format": "declarative.findings/1",
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


_MAX_NAMED = 10  # environments, in a sentence


def findings_summary(findings: Sequence[Diagnostic], looked: str = "") -> str:
    """The findings counted, in one sentence. `looked`: what was looked at, for one without errors."""
    errors = sum(1 for one in findings if one.severity is Severity.ERROR)
    warnings = len(findings) - errors
    counts = [many(count, noun) for count, noun in ((errors, "error"), (warnings, "warning")) if count]
    verdict = "Not valid" if errors else "Valid"
    told = ", ".join(counts)
    if looked and not errors:
        told = f"{told} in {looked}" if told else looked
    return f"{verdict}: {told}." if told else f"{verdict}."


def extent(files: int, documents: int, environments: Sequence[str]) -> str:
    """What was looked at: `2 files, 5 documents, environments prod, staging`."""
    named = ", ".join(environments[:_MAX_NAMED])
    more = f" and {len(environments) - _MAX_NAMED} more" if len(environments) > _MAX_NAMED else ""
    plural = "s" if len(environments) > 1 else ""
    parts = [many(files, "file"), many(documents, "document")]
    return ", ".join([*parts, f"environment{plural} {named}{more}"] if environments else parts)
