"""SARIF 2.1.0, which code scanning of GitHub and others reads. Source: OASIS, "Static Analysis Results Interchange
Format (SARIF) Version 2.1.0".

In a message `[text](target)` is a link there, so the bracket that would end such a text is escaped.
"""

from __future__ import annotations

import json

import declarative
from declarative.model import Json
from declarative.views.renders.marks import NAME
from declarative.views.renders.rules import fingerprinted, message_of, place_of, rule_of, uri_of
from declarative.views.report import Finding, Invocation, Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render(report: Report, invocation: Invocation) -> str:
    """One run with a result for each finding."""
    rules = sorted({rule_of(one, invocation) for one in report.findings})
    number = {rule: index for index, rule in enumerate(rules)}
    driver = {
        "name": NAME,
        "version": declarative.__version__,
        "rules": [{"id": rule} for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": report.first_error() is None, "exitCode": invocation.exit_code}],
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(one, fingerprint, invocation, number)
            for one, fingerprint in fingerprinted(report.findings, invocation)
        ],
    }
    document = {
        "properties": {"render": "declarative.render/1", "command": invocation.command},
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [run],
    }
    return json.dumps(document, indent=2) + "\n"


def _result(finding: Finding, fingerprint: str, invocation: Invocation, number: dict[str, int]) -> Json:
    path, line, column = place_of(finding, invocation)
    rule = rule_of(finding, invocation)
    region = {} if finding.position is None else {"region": {"startLine": line, "startColumn": column}}
    return {
        "ruleId": rule,
        "ruleIndex": number[rule],
        "level": finding.level.value,
        "message": {"text": message_of(finding).replace("](", "\\](")},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri_of(path)}, **region}}],
        "partialFingerprints": {"declarative/v1": fingerprint},
    }
