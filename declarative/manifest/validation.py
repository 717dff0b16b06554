"""All findings of all files at once, for every environment."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from declarative.errors import Diagnostic
from declarative.manifest.budget import MAX_OBJECTS, MAX_TEXT
from declarative.manifest.checking import Checked, check_documents
from declarative.manifest.loading import load
from declarative.manifest.resolution import examine
from declarative.manifest.variables import NO_SOURCES, VariableSources
from declarative.model import DEFAULT_ENVIRONMENT, DesiredView

# What all environments together may come to; a stack with more is checked one environment at a time.
_MAX_OBJECTS = 10 * MAX_OBJECTS
_MAX_TEXT = 4 * MAX_TEXT
_MAX_FINDINGS = 10_000
_MAX_NAMED = 20  # environments, in one finding


class Judge(Protocol):
    """Judge the desired objects; not `whole`: some may be missing or have open values."""

    def __call__(self, view: DesiredView, *, whole: bool) -> Iterable[Diagnostic]:
        """Yield findings."""


def _silent(view: DesiredView, *, whole: bool) -> Iterable[Diagnostic]:
    return ()


@dataclass(frozen=True, slots=True)
class Inspection:
    """The findings about a folder, and what was checked; `environments` are those with a file."""

    findings: tuple[Diagnostic, ...]
    files: int = 0
    documents: int = 0
    environments: tuple[str, ...] = ()


def validate(
    folder: Path,
    *,
    environment: str | None = None,
    sources: VariableSources = NO_SOURCES,
    judge: Judge = _silent,
) -> tuple[Diagnostic, ...]:
    """Return the findings of `inspect`. Raises as it does."""
    return inspect(folder, environment=environment, sources=sources, judge=judge).findings


def inspect(
    folder: Path,
    *,
    environment: str | None = None,
    sources: VariableSources = NO_SOURCES,
    judge: Judge = _silent,
) -> Inspection:
    """Return what is wrong with the manifests of a folder, warnings included, in the order of places.

    Without `environment`, the default one and each of `environments/` are checked, and a variable may lack a value.
    `judge` adds what it has to say of each one's objects.
    Raises UsageError for a missing folder, Stack, environment or variable file.
    """
    manifests = load(folder, variable_files=sources.files)
    checked = check_documents(manifests)
    environments = (environment,) if environment else (DEFAULT_ENVIRONMENT, *sorted(manifests.environments))
    found: dict[Diagnostic, list[str]] = {}
    objects = text = told = 0
    for number, name in enumerate(environments):
        if objects > _MAX_OBJECTS or text > _MAX_TEXT or told > _MAX_FINDINGS:
            found[_not_checked(checked, environments[number:])] = [DEFAULT_ENVIRONMENT]
            break
        examined = examine(manifests, checked, environment=name, sources=sources, strict=bool(environment))
        objects += len(examined.view.resources) if examined.view else 0
        text += examined.spent
        judged = judge(examined.view, whole=examined.whole) if examined.view is not None else ()
        findings = dict.fromkeys((*examined.findings, *itertools.islice(judged, _MAX_FINDINGS)))
        told += len(findings)
        for finding in findings:
            found.setdefault(finding, []).append(name)
    own = {file.shown for file in manifests.environments.values()}
    worded = [
        finding
        if DEFAULT_ENVIRONMENT in names or len(environments) == 1 or (finding.position and finding.position.file in own)
        else _in_environments(finding, names)
        for finding, names in found.items()
    ]
    return Inspection(
        findings=tuple(sorted({*checked.findings, *worded}, key=Diagnostic.order)),
        files=manifests.files,
        documents=len(manifests.documents) + len(manifests.repeated) + (manifests.stack is not None),
        environments=tuple(name for name in environments if name != DEFAULT_ENVIRONMENT),
    )


def _not_checked(checked: Checked, environments: Sequence[str]) -> Diagnostic:
    more = f" and {len(environments) - 1} more" if len(environments) > 1 else ""
    summary = f"the environments are too large to check together: {environments[0]}{more} left out"
    fix = f"Check them one at a time, as in `declarative --env {environments[0]} validate`."
    return Diagnostic(
        summary, fix, checked.stack.source.position(("kind",)) if checked.stack else None, id="too-many-environments"
    )


def _in_environments(finding: Diagnostic, names: list[str]) -> Diagnostic:
    """Add the environments of a finding to it."""
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    summary = f"{finding.summary} (environment {', '.join(names[:_MAX_NAMED])}{more})"
    return Diagnostic(summary, finding.fix, finding.position, finding.address, finding.severity, id=finding.id)
