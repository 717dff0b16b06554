"""Annotations of GitHub Actions: a workflow command a line, each finding at its place.

Source: GitHub Docs, "Workflow commands for GitHub Actions". `%`, CR and LF are escaped in a message, `:` and `,` in a
property as well.
"""

from __future__ import annotations

from declarative.views.renders.marks import GITHUB_MARK
from declarative.views.renders.rules import message_of, place_of, rule_of
from declarative.views.report import Finding, Invocation, Level, Report

_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def render(report: Report, invocation: Invocation) -> str:
    """One annotation for each finding, and the verdict as a notice."""
    lines = [GITHUB_MARK, *(_annotation(one, invocation) for one in report.findings)]
    title = _property(f"declarative {invocation.command}")
    return "\n".join([*lines, f"::notice title={title}::{_data(report.verdict)}"]) + "\n"


def _annotation(finding: Finding, invocation: Invocation) -> str:
    properties = f"title={_property(rule_of(finding, invocation))}"
    if finding.position is not None:
        path, line, column = place_of(finding, invocation)
        properties = f"file={_property(path)},line={line},col={column},{properties}"
    return f"::{_COMMANDS[finding.level]} {properties}::{_data(message_of(finding))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
