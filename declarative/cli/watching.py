"""`status --watch` and `--wait`: looking again and again, until something is reached or nobody wants to see more."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from declarative.cli.delivery import Delivery
from declarative.cli.screen import is_terminal
from declarative.cli.setting import Setting
from declarative.errors import Diagnostic, ExitCode, UsageError
from declarative.views.findings import findings_lines
from declarative.views.health import HealthView, changed_lines, status_json, status_lines
from declarative.views.text import Line, Span, Tone, line
from declarative.workflow import reports

if TYPE_CHECKING:
    from declarative.reporting.health import Report
    from declarative.reporting.waiting import Until, Waited
    from declarative.workflow.project import Project

_HOME, _CLEAR_BELOW = "\x1b[H", "\x1b[J"
_TOLD = 5  # objects that a message names


def watch(setting: Setting, project: Project, address: str | None, deliver: Delivery, until: Until | None) -> ExitCode:
    """Show the status until Ctrl-C, the time-out, or what is waited for."""
    if deliver.output_format not in ("text", "json") or deliver.targets:
        raise UsageError(
            "--watch goes with --format text or json, and without --render", "Leave --watch out, or the format."
        )
    shows = _Shows(setting, is_json=deliver.output_format == "json")
    try:
        _, waited = asyncio.run(_follow(project, address, until, shows))
    except KeyboardInterrupt:
        if until is not None:
            raise
        setting.screen.err("")
        return ExitCode.OK
    return _judged(setting, until, waited) if until is not None else ExitCode.OK


def wait(setting: Setting, project: Project, address: str | None, deliver: Delivery, until: Until) -> ExitCode:
    """Wait, tell on standard error what changes meanwhile, and show the status at the end."""
    last, waited = asyncio.run(_follow(project, address, until, _Tells(setting)))
    code = _judged(setting, until, waited)
    return deliver.present(HealthView(last), code) if last is not None else code


async def _follow(
    project: Project, address: str | None, until: Until | None, shown: _Tells
) -> tuple[Report | None, Waited | None]:
    """Look until it is reached or something is wrong, and no longer than the project's time."""
    from declarative.reporting.waiting import judge
    from declarative.workflow.addresses import parse_address

    only = parse_address(address) if address is not None else None
    last, waited = None, None
    async with aclosing(reports.watched(project, address)) as looks:
        async for found in looks:
            shown.show(last, found, project.clock.stamp())
            last = found
            waited = judge(found, until, only=only) if until is not None else None
            if waited is not None and (waited.reached or waited.wrong or waited.nothing):
                break
    return last, waited


class _Tells:
    """Tells on standard error what has changed between two looks."""

    def __init__(self, setting: Setting) -> None:
        self._screen = setting.screen

    def show(self, before: Report | None, after: Report, stamp: str) -> None:
        if lines := changed_lines(before, after):
            self._screen.show([_stamped(one, stamp) for one in lines], to_stderr=True)


class _Shows(_Tells):
    """Shows each look on standard output: drawn over the last one on a terminal, else what has changed."""

    def __init__(self, setting: Setting, *, is_json: bool) -> None:
        super().__init__(setting)
        self._is_json = is_json
        self._redraws = is_terminal(sys.stdout) and self._screen.environ.get("TERM") != "dumb"

    def show(self, before: Report | None, after: Report, stamp: str) -> None:
        if self._is_json:
            if before != after:
                self._screen.out(json.dumps(status_json(after), separators=(",", ":")))
        elif self._redraws:
            size = shutil.get_terminal_size()
            *lines, verdict = status_lines(after)
            head = [verdict, line(f"Seen at {stamp}. Ctrl-C ends this.", Tone.FAINT), line()]
            first, *rest = _fitted([*head, *lines], columns=size.columns, rows=size.lines)
            self._screen.show([(Span(_HOME + _CLEAR_BELOW), *first), *rest])
        elif before is None:
            self._screen.show(status_lines(after))
        else:
            self._screen.show([_stamped(one, stamp) for one in changed_lines(before, after)])


def _stamped(one: Line, stamp: str) -> Line:
    return (Span(f"{stamp} ", Tone.FAINT), *one)


def _fitted(lines: Sequence[Line], *, columns: int, rows: int) -> list[Line]:
    """The lines cut to a terminal, one row of which the cursor needs; what is left out is counted."""
    room = max(rows - 1, 4)
    kept = list(lines if len(lines) <= room else lines[: room - 1])
    if len(lines) > room:
        kept.append(line(f"… {len(lines) - room + 1} more lines; name an ADDRESS to see less.", Tone.FAINT))
    return [_cut(one, columns) for one in kept]


def _cut(one: Line, columns: int) -> Line:
    spans, left = [], columns
    for span in one:
        spans.append(Span(span.text[:left], span.tone))
        left -= len(spans[-1].text)
    return tuple(spans)


def _judged(setting: Setting, until: Until, waited: Waited | None) -> ExitCode:
    """Tell why it is not reached; the exit code."""
    if waited is not None and waited.reached:
        return ExitCode.OK
    if waited is None or not (waited.wrong or waited.nothing):
        left = _some(waited.left) if waited is not None else "nothing could be read"
        fix = "Run the command again to keep waiting."
        finding, code = Diagnostic(f"not {until} in time: {left}", fix, id="wait-timed-out"), ExitCode.INCOMPLETE
    elif waited.wrong:
        summary = f"unhealthy while waiting until all is {until}: {_some(waited.wrong)}"
        finding = Diagnostic(summary, "Put this right, then wait again.", id="wait-unhealthy")
        code = ExitCode.ERROR
    else:
        summary = f"nothing is recorded that can be {until}"
        finding = Diagnostic(summary, "Apply first, and name a group, an instance or a pair.", id="nothing-to-wait-for")
        code = ExitCode.ERROR
    setting.screen.show(findings_lines((finding,), ids=setting.screen.verbose > 0), to_stderr=True)
    return code


def _some(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - _TOLD} more" if len(texts) > _TOLD else ""
    return "; ".join(texts[:_TOLD]) + more
