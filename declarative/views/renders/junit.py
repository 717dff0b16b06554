"""JUnit's XML, which every CI system shows as tests: what was checked or done, and how it ended.

Source of the form: `junit-10.xsd` of the xUnit plugin of Jenkins.
"""

from __future__ import annotations

from html import escape

from declarative.errors import shown
from declarative.views.renders.marks import COMMENT_MARK, XML_HEAD
from declarative.views.report import Case, Invocation, Report, Verdict

_NAME_LIMIT = 300
_TEXT_LIMIT = 4000


def render(report: Report, invocation: Invocation) -> str:
    """One suite: the command. A command that failed has at least one case that failed."""
    counts = {verdict: sum(1 for one in report.cases if one.verdict is verdict) for verdict in Verdict}
    total = sum(one.seconds for one in report.cases)
    head = f'tests="{len(report.cases)}" failures="{counts[Verdict.FAILED]}" errors="0"'
    suite = f'name={_quoted(f"declarative {invocation.command}")} {head} skipped="{counts[Verdict.SKIPPED]}"'
    lines = [
        f"{XML_HEAD}{COMMENT_MARK} -->",
        f'<testsuites name="declarative" {head} time="{total:.3f}">',
        f'  <testsuite {suite} time="{total:.3f}">',
        *(_case(one, invocation) for one in report.cases),
        f"    <system-out>{_text(report.verdict)}</system-out>",
        "  </testsuite>",
        "</testsuites>",
    ]
    return "\n".join(lines) + "\n"


def _case(case: Case, invocation: Invocation) -> str:
    name = _quoted(shown(case.name, limit=_NAME_LIMIT))
    start = f'    <testcase classname="declarative.{invocation.command}" name={name} time="{case.seconds:.3f}"'
    if case.verdict is Verdict.PASSED:
        return f"{start}/>"
    message = shown(case.message, limit=_TEXT_LIMIT)
    element = "failure" if case.verdict is Verdict.FAILED else "skipped"
    return f"{start}>\n      <{element} message={_quoted(message)}>{_text(message)}</{element}>\n    </testcase>"


def _quoted(text: str) -> str:
    return f'"{_text(text)}"'


def _text(text: str) -> str:
    return escape(shown(text, limit=None))
