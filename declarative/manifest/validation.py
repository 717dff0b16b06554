"""All findings of all files at once, for every environment."""

from __future__ import annotations

from pathlib import Path

from declarative.errors import Diagnostic
from declarative.manifest.checking import check_documents
from declarative.manifest.loading import DEFAULT_ENVIRONMENT, load
from declarative.manifest.resolution import examine
from declarative.manifest.variables import NO_SOURCES, VariableSources


def validate(
    folder: Path, *, environment: str | None = None, sources: VariableSources = NO_SOURCES
) -> tuple[Diagnostic, ...]:
    """Return what is wrong with the manifests of a folder, warnings included, in the order of places.

    Without `environment`, the default one and each of `environments/` are checked, and a variable may lack a value.
    Raises UsageError for a missing folder, Stack, environment or variable file.
    """
    manifests = load(folder)
    checked = check_documents(manifests)
    environments = (environment,) if environment else (DEFAULT_ENVIRONMENT, *sorted(manifests.environments))
    found: dict[Diagnostic, list[str]] = {}
    for name in environments:
        _, findings = examine(manifests, checked, environment=name, sources=sources, strict=bool(environment))
        for finding in dict.fromkeys(findings):
            found.setdefault(finding, []).append(name)
    own = {file.shown for file in manifests.environments.values()}
    told = [
        finding
        if DEFAULT_ENVIRONMENT in names or len(environments) == 1 or (finding.position and finding.position.file in own)
        else _in_environments(finding, names)
        for finding, names in found.items()
    ]
    return tuple(sorted({*checked.findings, *told}, key=Diagnostic.order))


def _in_environments(finding: Diagnostic, names: list[str]) -> Diagnostic:
    """Say in which environments a finding holds."""
    summary = f"{finding.summary} (environment {', '.join(names)})"
    return Diagnostic(summary, finding.fix, finding.position, finding.address, finding.severity)
