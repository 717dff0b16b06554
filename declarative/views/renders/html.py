"""One HTML page that needs nothing else: no network, no other file. It filters, prints, and has a dark side.

Its content policy lets in the page's own style and script alone, by their digests. Whatever others wrote is escaped and
stands in text or in a quoted attribute, never in the script, the style or an address.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from declarative.errors import shown
from declarative.kinds import KINDS
from declarative.model import Plan
from declarative.planner.consents import accepting, allow_words, unconsented
from declarative.views.dangers import DangerGroup, danger_groups
from declarative.views.entries import APPEARANCES, Entry, entries
from declarative.views.plans import drift_lines, withheld_lines
from declarative.views.renders.drawing import drawing
from declarative.views.renders.grouping import Part, by_group
from declarative.views.renders.marks import HTML_MARK
from declarative.views.renders.page import POLICY, SCRIPT, STYLE
from declarative.views.renders.rules import message_of, place_of
from declarative.views.renders.words import (
    can_be_applied,
    consents,
    findings_beside,
    matrix,
    meaning,
    state_word,
    title,
)
from declarative.views.report import Block, Finding, Invocation, Report
from declarative.views.steps import field_rows, reason_words, target_words
from declarative.views.text import Line, many

_OPEN_STEPS = 40  # up to so many, the groups are shown open
_SUBJECTS = 8  # of a danger that are listed before the rest is folded


def render(report: Report, invocation: Invocation) -> str:
    """The result as one page."""
    return "\n".join([*_head(report, invocation), *_main(report, invocation), *_foot(report, invocation)]) + "\n"


def _head(report: Report, invocation: Invocation) -> Iterator[str]:
    yield HTML_MARK
    yield '<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="referrer" content="no-referrer">\n<meta name="generator" content="declarative">'
    yield f"<title>{_safe(title(report, invocation))}</title>"
    yield f"<style>{STYLE}</style>\n</head>\n<body>\n<main>"
    yield f"<h1>{_safe(title(report, invocation))}</h1>"
    facts = _facts(report.plan) if report.plan else []
    yield f'<p class="facts soft">{" · ".join([f"declarative {_safe(invocation.command)}", *facts])}</p>'


def _facts(plan: Plan) -> list[str]:
    basis, binding = plan.basis, plan.basis.binding
    named = (
        ("project", binding.project_id),
        ("region", binding.region),
        ("at", binding.host),
        ("made", basis.created),
        ("holds until", basis.expires),
        ("serial", str(basis.serial)),
    )
    return [f"{name} {_safe(text)}" for name, text in named if text]


def _main(report: Report, invocation: Invocation) -> Iterator[str]:
    level = report.level.value if report.level else "ok"
    yield f'<div class="verdict {level}"><b>{state_word(report)}</b><span>{_safe(report.verdict)}</span></div>'
    if report.plan is not None:
        yield from _decisions(report.plan)
    yield from _findings(findings_beside(report), invocation)
    if report.plan is not None:
        yield from _plan(report.plan)
    for one in report.blocks:
        yield from _block(one)


def _foot(report: Report, invocation: Invocation) -> Iterator[str]:
    if report.digests:
        yield "<h2>Carry it out</h2>" if report.plan is not None else "<h2>Digest</h2>"
    for name, digest in report.digests.items():
        yield f'<p class="soft">SHA-256 of the {_safe(name)}: <code>{_safe(digest)}</code></p>'
    if invocation.apply and report.plan is not None and can_be_applied(report.plan):
        yield f"<pre>{_safe(invocation.apply)}</pre>"
    yield f"</main>\n<script>{SCRIPT}</script>\n</body>\n</html>"


def _safe(text: object) -> str:
    return escape(shown(text, limit=4000))


# ---------------------------------------------------------------- what needs a decision


def _decisions(plan: Plan) -> Iterator[str]:
    missing = unconsented(plan)
    groups = danger_groups(plan, missing)
    lacking, accepted = ([one for one in groups if one.is_lacking is wanted] for wanted in (True, False))
    if lacking:
        yield "<h2>Dangers without a consent</h2>"
        yield from (_danger(one) for one in lacking)
        if options := accepting(missing):
            yield f'<p class="soft">To accept them, add:</p><pre class="paste">{escape(allow_words(options))}</pre>'
    if given := consents(plan):
        yield f"<h2>Consents given</h2><ul>{''.join(f'<li><code>{escape(one)}</code></li>' for one in given)}</ul>"
    if accepted:
        count = many(sum(len(one.subjects) for one in accepted), "danger")
        inner = "".join(_danger(one) for one in accepted)
        head = f'<details class="group"><summary>{count} consented to</summary>'
        yield f'{head}<div class="inside">{inner}</div></details>'
    if sentences := [*meaning(plan)]:
        yield f"<h2>What it means</h2><ul>{''.join(f'<li>{_safe(one)}</li>' for one in sentences)}</ul>"


def _danger(one: DangerGroup) -> str:
    names, more = ", ".join(one.subjects[:_SUBJECTS]), one.subjects[_SUBJECTS:]
    remedy = ' <span class="soft">No option overrides this.</span>' if one.is_lacking and one.has_no_way else ""
    given = "" if one.is_lacking else " given"
    head = f"<b>{_safe(one.cls.value)}</b> <code>{_safe(names)}</code>"
    rest = f"<code>{escape(', '.join(more))}</code>" if more else ""
    folded = f"<details><summary>and {len(more):,} more</summary>{rest}</details>" if more else ""
    return f'<div class="danger{given}">{head}{folded}<div>{_safe(one.message)}{remedy}</div></div>'


def _findings(findings: list[Finding], invocation: Invocation) -> Iterator[str]:
    if findings:
        rows = "".join(_finding(one, invocation) for one in findings)
        yield f"<h2>Findings</h2><table><tr><th>Level</th><th>Place</th><th>What</th></tr>{rows}</table>"


_LEVEL_TONES = {"error": "remove", "warning": "change", "note": "plain"}


def _finding(one: Finding, invocation: Invocation) -> str:
    place = one.address
    if one.position is not None:
        path, line, column = place_of(one, invocation)
        place = f"{path}:{line}:{column}"
    tone = _LEVEL_TONES[one.level.value]
    return (
        f'<tr><td><span class="verb {tone}">{one.level.value}</span></td><td><code>{_safe(place)}</code></td>'
        f"<td>{_safe(message_of(one))}</td></tr>"
    )


# ---------------------------------------------------------------- steps


def _plan(plan: Plan) -> Iterator[str]:
    every = [*entries(plan.steps)]
    if every:
        rows = "".join(
            f'<tr><td>{_verb(verb)}</td><td>{escape(KINDS[kind].noun)}</td><td class="num">{count:,}</td></tr>'
            for verb, kind, count in matrix(every)
        )
        head = '<tr><th>Action</th><th>Kind</th><th class="num">Count</th></tr>'
        yield f'<h2>Steps</h2><table class="counts">{head}{rows}</table>'
        yield "<h2>By protection group</h2>"
        yield _filter(every)
        is_open = len(every) <= _OPEN_STEPS
        for part in by_group(plan):
            yield from _part(part, is_open=is_open)
    if plan.withheld:
        yield from _block(Block("Withheld, because a disaster recovery is in progress", withheld_lines(plan.withheld)))
    if plan.drift:
        yield from _block(Block("Drift: what the cloud shows other than recorded", drift_lines(plan.drift)))


def _filter(every: list[Entry]) -> str:
    verbs = [verb for verb in APPEARANCES if any(entry.verb == verb for entry in every)]
    boxes = "".join(f'<label><input type="checkbox" value="{verb}" checked>{_verb(verb)}</label>' for verb in verbs)
    return (
        '<form id="filter" class="filter" hidden><input type="search" placeholder="Filter by group or address"'
        f' aria-label="Filter by group or address">{boxes}<button type="button" data-open>Open all</button>'
        '<button type="button" data-close>Close all</button><span id="shown" class="soft" role="status"></span></form>'
    )


def _verb(verb: str, count: int = 0) -> str:
    number = f"{count:,} " if count else ""
    return f'<span class="verb {APPEARANCES[verb][1].value}">{number}{verb}</span>'


def _part(part: Part, *, is_open: bool) -> Iterator[str]:
    verbs = [entry.verb for entry in part.entries]
    counts = "".join(_verb(verb, verbs.count(verb)) for verb in APPEARANCES if verb in verbs)
    name = _safe(part.name)
    opened = " open" if is_open else ""
    yield f'<details class="group" data-name="{name}"{opened}>'
    yield f'<summary><span class="mono strong">{name}</span>{counts}</summary>'
    yield '<div class="inside">'
    if picture := drawing(part.steps, part.name):
        yield f'<div class="scroll">{picture}</div>'
    yield from (_entry(entry) for entry in part.entries)
    yield "</div></details>"


def _entry(entry: Entry) -> str:
    name = _safe(target_words(entry))
    rows = "".join(f"<dt>{_safe(field)}</dt><dd>{_spans(line)}</dd>" for field, line in field_rows(entry))
    fields = f'<dl class="fields mono">{rows}</dl>' if rows else ""
    left = "".join(f'<div class="left">left behind and still billed: {_safe(one)}</div>' for one in entry.leaves)
    what = f'{_verb(entry.verb)}<span class="addr mono">{name}</span>'
    return (
        f'<div class="step" data-verb="{entry.verb}" data-name="{name}"><div class="what">{what}'
        f'<span class="soft">{_safe(reason_words(entry))}</span></div>{fields}{left}</div>'
    )


# ---------------------------------------------------------------- lines


def _block(one: Block) -> Iterator[str]:
    if lines := [_spans(line) for line in one.lines]:
        body = "\n".join(lines).strip("\n")
        yield f"<h2>{escape(one.title)}</h2><pre>{body}</pre>"


def _spans(line: Line) -> str:
    return "".join(_span(span.text, span.tone.value) for span in line)


def _span(text: str, tone: str) -> str:
    return escape(text) if tone == "plain" else f'<span class="{tone}">{escape(text)}</span>'
