"""Code quality reports of GitLab: a list of issues that it shows in a merge request.

Source: GitLab Docs, "Code Quality", section "Code Quality report format".
"""

from __future__ import annotations

import json

from declarative.model import Json
from declarative.views.renders.marks import CHECK_PREFIX
from declarative.views.renders.rules import fingerprinted, message_of, place_of, rule_of
from declarative.views.report import Finding, Invocation, Level, Report

_SEVERITIES = {Level.ERROR: "major", Level.WARNING: "minor", Level.NOTE: "info"}


def render(report: Report, invocation: Invocation) -> str:
    """One issue for each finding."""
    issues = [_issue(one, name, invocation) for one, name in fingerprinted(report.findings, invocation)]
    return json.dumps(issues, indent=2) + "\n"


def _issue(finding: Finding, fingerprint: str, invocation: Invocation) -> Json:
    path, line, _ = place_of(finding, invocation)
    return {
        "description": message_of(finding),
        "check_name": f"{CHECK_PREFIX}{rule_of(finding, invocation)}",
        "fingerprint": fingerprint,
        "severity": _SEVERITIES[finding.level],
        "location": {"path": path, "lines": {"begin": line}},
    }
