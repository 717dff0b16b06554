"""Markdown for a comment on a pull request: what needs a decision first, the steps folded away by group.

Whatever others wrote stands in a code span or a code block, where Markdown, HTML, mentions and references mean nothing.
A span or a block is opened by more backticks than anything in it has in a row, and no line of a block begins with what
others wrote. The whole has at most LIMIT characters: what is over is left out between two steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from declarative.errors import shown
from declarative.kinds import KINDS
from declarative.model import Plan
from declarative.planner.consents import accepting, allow_words, unconsented
from declarative.views.dangers import DangerGroup, danger_groups
from declarative.views.entries import APPEARANCES, entries
from declarative.views.plans import drift_lines, withheld_lines
from declarative.views.renders.grouping import Part, by_group
from declarative.views.renders.marks import COMMENT_MARK
from declarative.views.renders.rules import message_of, place_of
from declarative.views.renders.words import (
    LISTED,
    can_be_applied,
    consents,
    findings_beside,
    matrix,
    meaning,
    state_word,
    title,
)
from declarative.views.report import Block, Finding, Invocation, Report
from declarative.views.steps import entry_lines
from declarative.views.text import Line, Tone, many, plain

LIMIT = 60_000
_TICKS = re.compile("`+")
_SIGNS = {Tone.ADD: "+", Tone.REMOVE: "-", Tone.CHANGE: "!"}
_FINDINGS_LIMIT = 100
_TEXT_LIMIT = 600


def render(report: Report, invocation: Invocation) -> str:
    """The result as one comment."""
    head = "\n".join(_head(report, invocation))
    tail = "\n".join(_tail(report, invocation))
    room = LIMIT - len(head) - len(tail) - 2
    body = "".join(_within(_body(report), room))
    return f"{head}\n{body}{tail}\n"


def mark(invocation: Invocation, stack: str = "") -> str:
    """The hidden first line. It is the same for each run of a command on a stack's folder and environment."""
    facts = {"command": invocation.command, "folder": invocation.folder, "environment": invocation.environment}
    if stack:
        facts["stack"] = stack
    told = "; ".join(f"{name}={quote(shown(text), safe='/._')}" for name, text in facts.items())
    return f"{COMMENT_MARK}; {told.replace('--', '-%2D')} -->"


def code(text: str) -> str:
    """Text of others as a code span."""
    inner = shown(text, limit=_TEXT_LIMIT)
    fence = "`" * (max((len(run) for run in _TICKS.findall(inner)), default=0) + 1)
    pad = " " if inner.startswith(("`", " ")) or inner.endswith(("`", " ")) or not inner else ""
    return f"{fence}{pad}{inner or ' '}{pad}{fence}"


def block(lines: Iterable[str], language: str = "") -> str:
    """Lines as a code block."""
    inner = "\n".join(lines)
    fence = "`" * max(3, max((len(run) for run in _TICKS.findall(inner)), default=0) + 1)
    return f"{fence}{language}\n{inner}\n{fence}\n"


# ---------------------------------------------------------------- head and tail


def _head(report: Report, invocation: Invocation) -> Iterator[str]:
    stack = report.plan.basis.stack if report.plan else ""
    yield mark(invocation, stack)
    yield f"### {prose(title(report, invocation))}"
    yield ""
    yield f"**{state_word(report)}.** {prose(report.verdict)}"
    yield ""


def prose(text: str) -> str:
    """Text as words of a sentence, in which nothing is a tag, a link, a mention, a reference or a formula.

    GitHub and GitLab look for mentions and references once Markdown is gone, so a backslash is not enough: a zero-width
    space parts the sign from what follows.
    """
    safe = "".join(_SAFE.get(char, char) for char in shown(text))
    return _AUTOMATIC.sub(lambda match: f"{match[1]}&#8203;{match[2]}", safe)


_SAFE = {char: f"\\{char}" for char in "\\`*_{}[]()+|"}
_SAFE |= {char: f"\\{char}&#8203;" for char in "@#!~%^"}
_SAFE |= {"<": "&lt;", ">": "&gt;", "&": "&amp;&#8203;", "$": "<span>$</span>"}
_AUTOMATIC = re.compile(r"(?i)(:|www|GH|mailto|xmpp)(//|\.|-|:)")


def _tail(report: Report, invocation: Invocation) -> Iterator[str]:
    if not report.digests:
        return
    yield ""
    for name, digest in report.digests.items():
        yield f"Digest of the {name}: `{digest}`"
    if invocation.apply and report.plan is not None and can_be_applied(report.plan):
        yield ""
        yield "Carry it out with:"
        yield ""
        yield block([invocation.apply], "sh").rstrip("\n")


# ---------------------------------------------------------------- body


def _within(pieces: Iterable[tuple[str, str, int]], room: int) -> Iterator[str]:
    """Yield pieces `(text, closing, steps)` while they fit, with what closes the last; then how many steps are left.

    `closing` ends what a piece has opened, so that the text is whole wherever it is cut.
    """
    left, over, closing = room - 400, 0, ""
    for text, ends, steps in pieces:
        if over or len(text) + len(ends) > left:
            over += steps
            left = 0
            continue
        left -= len(text)
        closing = ends
        yield text
    if over or left <= 0:
        yield closing
        more = f"{many(over, 'further step')} left out" if over else "The rest is left out"
        yield f"\n_{more}: a comment takes no more. The whole is in the `html` and `text` renders._\n"


def _body(report: Report) -> Iterator[tuple[str, str, int]]:
    if report.plan is not None:
        yield from ((text, "", 0) for text in _decisions(report.plan))
    yield from ((text, "", 0) for text in _findings(findings_beside(report)))
    if report.plan is not None:
        yield from _plan(report.plan)
    for one in report.blocks:
        yield from _block(one)


def _decisions(plan: Plan) -> Iterator[str]:
    """Yield consents and dangers, what accepts them, and what the plan means."""
    if given := consents(plan):
        yield f"**Consents given:** {', '.join(map(code, given[:LISTED]))}\n\n"
    missing = unconsented(plan)
    groups = danger_groups(plan, missing)
    lacking = [one for one in groups if one.is_lacking]
    if lacking:
        yield "#### Dangers without a consent\n\n"
        yield from (_danger(one) for one in lacking[:LISTED])
        if len(lacking) > LISTED:
            yield f"- and {len(lacking) - LISTED} more\n"
        if options := accepting(missing):
            over = len(options) - 2 * LISTED
            more = f" (and {over:,} more, which the `html` render lists)" if over > 0 else ""
            yield f"\nTo accept them, add{more}:\n\n" + block([allow_words(options[: 2 * LISTED])], "sh") + "\n"
    if accepted := [one for one in groups if not one.is_lacking]:
        inner = "".join(map(_danger, accepted[:LISTED]))
        count = many(sum(len(one.subjects) for one in accepted), "danger")
        yield f"<details><summary>{count} consented to</summary>\n\n{inner}\n</details>\n\n"
    if sentences := [*meaning(plan)]:
        yield "#### What it means\n\n"
        yield "".join(f"- {prose(one)}\n" for one in sentences[: 2 * LISTED]) + "\n"


def _danger(one: DangerGroup) -> str:
    names = ", ".join(map(code, one.subjects[:LISTED]))
    more = f" and {len(one.subjects) - LISTED} more" if len(one.subjects) > LISTED else ""
    way_out = " **No option overrides this.**" if one.is_lacking and one.has_no_way else ""
    return f"- **{prose(one.cls.value)}** {names}{more}: {prose(one.message)}{way_out}\n"


def _findings(findings: list[Finding]) -> Iterator[str]:
    if not findings:
        return
    yield "#### Findings\n\n"
    yield from (_finding(one) for one in findings[:_FINDINGS_LIMIT])
    if len(findings) > _FINDINGS_LIMIT:
        yield f"- and {len(findings) - _FINDINGS_LIMIT} more\n"
    yield "\n"


def _finding(one: Finding) -> str:
    where = ""
    if one.position is not None:
        path, line, column = place_of(one, Invocation(""))
        where = f" {code(f'{path}:{line}:{column}')}"
    return f"- **{one.level.value}**{where}: {prose(shown(message_of(one), limit=_TEXT_LIMIT))}\n"


def _plan(plan: Plan) -> Iterator[tuple[str, str, int]]:
    every = [*entries(plan.steps)]
    if every:
        rows = "".join(
            f"| `{APPEARANCES[verb][0]}` {verb} | {KINDS[kind].noun} | {count} |\n"
            for verb, kind, count in matrix(every)
        )
        yield f"#### Steps\n\n| Action | Kind | Count |\n|---|---|---:|\n{rows}\n", "", 0
    for part in by_group(plan):
        yield from _part(part)
    if plan.withheld:
        yield from _block(Block("Withheld", withheld_lines(plan.withheld)))
    if plan.drift:
        yield from _block(Block("Drift", drift_lines(plan.drift)))


_CLOSED = "\n</details>\n\n"


def _part(part: Part) -> Iterator[tuple[str, str, int]]:
    """Yield a group, folded, a piece for each entry; the block's fence is as long as its longest entry wants."""
    counts = ", ".join(f"{count} {verb}" for verb, count in _tally(part))
    pieces = ["\n".join(_signed(entry_lines(entry))) for entry in part.entries]
    ticks = max((len(run) for piece in pieces for run in _TICKS.findall(piece)), default=0)
    fence = "`" * max(3, ticks + 1)
    closing = f"{fence}\n{_CLOSED}"
    summary = f"<b>{part.name}</b>: {counts}"
    start = f"<details><summary>{summary}</summary>\n\n{fence}diff\n"
    for number, piece in enumerate(pieces):
        text = f"{'' if number else start}{piece}\n"
        last = number == len(pieces) - 1
        yield (text + closing if last else text), "" if last else closing, 1


def _tally(part: Part) -> Iterator[tuple[str, int]]:
    verbs = [entry.verb for entry in part.entries]
    return ((verb, verbs.count(verb)) for verb in APPEARANCES if verb in verbs)


def _signed(lines: Iterable[Line]) -> Iterator[str]:
    """Yield lines that a `diff` block colours: the sign of the first span's tone stands first."""
    for line in lines:
        text = plain([line]).rstrip("\n")
        if text.startswith("        "):
            yield f"    {text.strip()}"
        else:
            _, _, words = text.strip().partition(" ")
            yield f"{_SIGNS.get(line[0].tone, ' ')} {words}"


def _block(one: Block) -> Iterator[tuple[str, str, int]]:
    """Yield lines folded under a title, a piece for each."""
    lines = plain(one.lines).splitlines()
    if not lines:
        return
    fence = "`" * max(3, max((len(run) for line in lines for run in _TICKS.findall(line)), default=0) + 1)
    closing = f"{fence}\n{_CLOSED}"
    yield f"<details open><summary>{one.title}</summary>\n\n{fence}text\n", closing, 0
    for line in lines:
        yield f"{line}\n", closing, 0
    yield closing, "", 0
