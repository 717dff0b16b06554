"""A result in one line of JSON, for the step of a pipeline that only needs to know how it ended."""

from __future__ import annotations

import json

from declarative.errors import shown
from declarative.views.renders.rules import message_of
from declarative.views.report import Invocation, Report

_STATUS_LIMIT = 140  # characters that a commit status of GitHub may have


def render(report: Report, invocation: Invocation) -> str:
    """`{format, command, environment, exit_code, counts, digests, waiting, first_error, sentence}`.

    `sentence` is short enough for the status of a commit.
    """
    first = report.first_error()
    document = {
        "format": "declarative.summary/1",
        "command": invocation.command,
        "environment": invocation.environment,
        "exit_code": invocation.exit_code,
        "counts": dict(report.counts),
        "digests": dict(report.digests),
        "waiting": {"consents": 0, "withheld": 0, "open": 0, **report.waiting},
        "first_error": message_of(first) if first else None,
        "sentence": _short(shown(report.verdict)),
    }
    return json.dumps(document, separators=(",", ":")) + "\n"


def _short(text: str) -> str:
    return text if len(text) <= _STATUS_LIMIT else f"{text[: _STATUS_LIMIT - 1]}…"
