"""A plan as lines for a reader who has to judge it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from declarative.errors import Diagnostic, shown
from declarative.model import (
    Action,
    Consent,
    Danger,
    DangerClass,
    Drift,
    Plan,
    Withheld,
)
from declarative.planfile import content_digest, encode_plan, plan_digest
from declarative.planner.consents import POLICIES, allow_option, takes_consent, unconsented
from declarative.planner.impact import impact
from declarative.views.dangers import danger_lines, prerequisite_lines
from declarative.views.entries import COSTLY, Entry, alike, entries, tally
from declarative.views.findings import changes_json
from declarative.views.impact import impact_lines
from declarative.views.report import Block, Case, Finding, Level, Report, Verdict, found, worst
from declarative.views.steps import (
    ENDS,
    LATER,
    change_lines,
    entry_line,
    entry_lines,
    more_line,
    short_line,
    side,
)
from declarative.views.text import (
    Line,
    Span,
    Tone,
    block,
    field_name,
    finding,
    line,
    many,
    snippet_lines,
    value,
)
from declarative.views.view import document
from declarative.views.wrapping import Prose, prose

_NAME_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Manner:
    """How a plan is shown as text.

    `concise`: a line a step, without fields; `full`: nothing is counted instead of shown; `paste`: with the options
    that accept its dangers; `fixed`: the plan is a saved one.
    """

    concise: bool = False
    full: bool = False
    paste: bool = True
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan. `digest`: shown at the end, if it is given. As JSON the plan is its own canonical document."""

    plan: Plan
    digest: str = ""
    manner: Manner = Manner()

    def text(self) -> Iterator[Line]:
        yield from plan_lines(self.plan, missing=unconsented(self.plan), manner=self.manner)
        if self.digest:
            yield line(f"Digest: {self.digest}", Tone.FAINT)
        if self.plan.has_changes():
            yield line(f"Content digest: {content_digest(self.plan)}", Tone.FAINT)

    def json(self) -> str:
        return encode_plan(self.plan)

    def report(self) -> Report:
        return plan_report(self.plan, self.digest or plan_digest(self.plan))


@dataclass(frozen=True, slots=True)
class DriftView:
    """What the cloud shows other than recorded, and nothing else of a plan."""

    drift: Sequence[Drift]

    def text(self) -> list[Line]:
        return [*drift_lines(self.drift), line(self._verdict(), Tone.STRONG)]

    def json(self) -> str:
        objects = [
            {"address": str(one.address), "gone": one.gone, "changes": changes_json(one.changes)} for one in self.drift
        ]
        return document({"format": "declarative.drift/1", "drifted": bool(objects), "objects": objects})

    def report(self) -> Report:
        findings = [Finding(Level.WARNING, _drift_words(one), address=str(one.address)) for one in self.drift]
        cases = [Case(str(one.address), Verdict.FAILED, _drift_words(one)) for one in self.drift]
        gone = sum(one.gone for one in self.drift)
        return Report(
            self._verdict(),
            worst(findings),
            findings,
            cases or [Case("the cloud is as recorded")],
            {"changed": len(self.drift) - gone, "gone": gone},
            blocks=[Block("What the cloud shows other than recorded", drift_lines(self.drift))],
        )

    def _verdict(self) -> str:
        count = len(self.drift)
        return f"Drift: {many(count, 'object')}." if count else "No drift: the cloud is as recorded."


def _drift_words(one: Drift) -> str:
    if one.gone:
        return f"{one.address} is gone from the cloud"
    sides = (f"{field_name(each.field)} {side(each.old)} → {side(each.new)}" for each in one.changes)
    return f"{one.address} differs from what is recorded: {', '.join(sides)}"


def plan_report(plan: Plan, digest: str) -> Report:
    """A plan as every render needs it. A danger without a consent is an error, what is withheld a warning."""
    missing = unconsented(plan)
    lacking = frozenset(missing)
    findings = [*(_danger_finding(one) for one in missing), *found(plan.warnings)]
    findings += [
        Finding(
            Level.WARNING,
            f"{verb} {one.address} is withheld: {one.message}",
            rule="withheld",
            address=str(one.address),
        )
        for verb, one in _withheld_verbs(plan.withheld)
    ]
    cases = [Case(f"plan of {plan.basis.stack}")]
    cases += [
        Case(
            f"{one.cls.value} {one.address or 'plan'}",
            Verdict.FAILED if one in lacking else Verdict.PASSED,
            f"{one.message}. {_remedy(one)}" if one in lacking else "",
        )
        for one in plan.dangers
        if one.cls is not DangerClass.DR_IN_PROGRESS
    ]
    cases += [
        Case(f"{verb} {one.address}", Verdict.SKIPPED, f"withheld: {one.message}")
        for verb, one in _withheld_verbs(plan.withheld)
    ]
    counts = dict(tally(plan.steps))
    level = worst(findings)
    return Report(
        verdict(plan, missing),
        level if level is not Level.NOTE else None,
        findings,
        cases,
        {**counts, "outputs": len(plan.output_changes), "dangers": len(plan.dangers)},
        {"consents": len(missing), "withheld": len(plan.withheld), "open": len(plan.open)},
        {"plan": digest, "content": content_digest(plan)},
        plan=plan,
    )


def _danger_finding(danger: Danger) -> Finding:
    subject = f" {danger.address}" if danger.address else ""
    way_out = POLICIES[danger.cls].way_out
    fix = f"To accept it, add: {allow_option(danger)}" if not way_out else f"No option overrides this. {way_out}"
    address = str(danger.address) if danger.address else ""
    summary_ = f"{danger.cls.value}{subject}: {danger.message}"
    return Finding(Level.ERROR, summary_, fix, f"danger-{danger.cls.value}", address=address)


def plan_lines(plan: Plan, *, missing: Sequence[Danger], manner: Manner = Manner()) -> Iterator[Line]:
    """Yield the plan for a reader who has to judge it. `missing`: the dangers that lack a consent.

    Lines are made as they are taken: of 100,000 steps there may be a million.
    """
    said, body = prose(verdict(plan, missing), Tone.STRONG), _body(plan, missing, manner)
    first = next(body, None)
    if first is not None:  # else the head alone stands before the end
        yield said
    yield from _head(plan)
    if first is not None:
        yield first
        yield from body
    yield line()
    yield said


def _body(plan: Plan, missing: Sequence[Danger], manner: Manner) -> Iterator[Line]:
    full = manner.full
    yield from block("Still open from earlier runs; apply goes on with these first:", _open(plan))
    drift = drift_lines(plan.drift, concise=manner.concise)
    yield from block("Drift, what the cloud shows other than recorded:", drift)
    yield from block("Steps:", _steps(plan, manner, missing))
    yield from block("Withheld, because a disaster recovery is in progress there:", withheld_lines(plan.withheld))
    yield from block("Outputs:", _output_changes(plan))
    yield from block("Check these in other services (SDRS can't see them):", prerequisite_lines(plan, full=full))
    yield from block("Warnings:", (told for one in plan.warnings for told in _warning(one)))
    yield from block("What it means:", impact_lines(impact(plan), full=full))
    dangers = danger_lines(plan, missing, full=full, paste=manner.paste, fixed=manner.fixed)
    yield from block("Dangers:", dangers)


def verdict(plan: Plan, missing: Sequence[Danger]) -> str:
    """The plan in one sentence of counts, and how many of its dangers (`missing`) lack a consent."""
    needs = f" {many(len(missing), 'danger')} without a consent." if missing else ""
    return f"{summary(plan)}{needs}"


def _warning(warning: Diagnostic) -> Iterator[Line]:
    yield prose(f"  ! {finding(warning)}", Tone.CHANGE)
    yield from snippet_lines(warning, "    ")


def summary(plan: Plan) -> str:
    """The plan in one sentence of counts; steps are counted, a replacement once."""
    counts = [f"{count:,} to {verb}" for verb, count in tally(plan.steps)]
    if plan.output_changes:
        counts.append(f"{many(len(plan.output_changes), 'output')} to record")
    withheld = f" {many(len(_withheld_verbs(plan.withheld)), 'step')} withheld." if plan.withheld else ""
    if counts:
        return f"Plan: {', '.join(counts)}.{withheld}"
    if plan.open:
        return f"Nothing to do beyond {many(len(plan.open), 'operation')} still open from earlier runs.{withheld}"
    if plan.withheld:
        return f"Nothing to do now.{withheld}"
    if plan.drift:
        return "Nothing to do now; the cloud has drifted from what is recorded."
    agree = "manifests, state and cloud agree" if plan.basis.refreshed else "manifests and state agree"
    return f"Nothing to do: {agree}."


def _head(plan: Plan) -> list[Line]:
    basis, binding = plan.basis, plan.basis.binding
    place = ", ".join(
        f"{label} {shown(text, limit=_NAME_LIMIT)}"
        for label, text in (("project", binding.project_id), ("region", binding.region), ("at", binding.host))
        if text
    )
    lines: list[Line] = [
        Prose(
            (
                Span("Plan for stack "),
                Span(shown(basis.stack, limit=_NAME_LIMIT), Tone.STRONG),
                Span(", environment "),
                Span(shown(basis.environment, limit=_NAME_LIMIT), Tone.STRONG),
                Span(f" ({place})" if place else "", Tone.FAINT),
                Span(f", state {shown(basis.state, limit=_NAME_LIMIT)}" if basis.state else "", Tone.FAINT),
            )
        )
    ]
    if plan.consents:
        lines.append(line(f"Consents given: {', '.join(map(consent_words, plan.consents))}", Tone.REMOVE))
    if basis.destroy:
        lines.append(line("This plan destroys what the stack manages.", Tone.REMOVE))
    if basis.refresh_only:
        lines.append(line("This plan only records what the cloud shows.", Tone.FAINT))
    if not basis.refreshed:
        lines.append(line("The cloud was not read (--no-refresh): what is recorded is taken for true.", Tone.CHANGE))
    return lines


def consent_words(consent: Consent) -> str:
    """A consent and who gave it."""
    return f"{shown(consent)} (by {shown(consent.by, limit=_NAME_LIMIT)})"


def _open(plan: Plan) -> list[Line]:
    return [
        prose(f"  … {operation.action.value} {operation.address}: {shown(operation.message)}", Tone.CHANGE)
        for operation in plan.open
    ]


_ALIKE = 20  # entries that say the same, up to which each is shown with its fields
_FIRST = 3  # of more than that, so many are


def _steps(plan: Plan, manner: Manner, missing: Sequence[Danger]) -> Iterator[Line]:
    """Yield the steps in order. Of many that say the same, the first are shown whole.

    Those after them are counted; what ends, replaces or unprotects something, or lacks a consent, has its own line.
    """
    written = {one.address: one.position.file for one in plan.warnings if one.position}
    every = [*entries(plan.steps)]
    counts = Counter(map(alike, every)) if len(every) > _ALIKE and not manner.full else Counter[object]()
    shown_, counted = Counter[object](), dict[object, Entry]()
    lacking = {danger.address for danger in missing}
    for entry in every:
        like = alike(entry) if counts else None
        shown_[like] += 1
        is_over = counts[like] > _ALIKE and shown_[like] > _FIRST
        if is_over and not (entry.verb in COSTLY or entry.leaves or entry.step.address in lacking):
            first = counted.setdefault(like, entry)
            if shown_[like] == counts[like]:
                yield more_line(first, entry, counts[like] - _FIRST)
            continue
        file = written.get(str(entry.step.address), "") if entry.verb in ENDS else ""
        if is_over:
            yield entry_line(entry, file) if manner.concise else short_line(entry)
        elif manner.concise:
            yield entry_line(entry, file)
        else:
            yield from entry_lines(entry, file, with_leaves=False)


def drift_lines(drift: Sequence[Drift], *, concise: bool = False) -> list[Line]:
    """What the cloud shows other than recorded, one object after the other; `concise`: without fields."""
    lines: list[Line] = []
    for one in drift:
        what = "is gone" if one.gone else "differs"
        lines.append((Span("    ! ", Tone.CHANGE), Span(str(one.address), Tone.STRONG), Span(f" {what}")))
        lines += () if concise else change_lines(one.changes)
    return lines


def withheld_lines(withheld: Sequence[Withheld]) -> list[Line]:
    return [
        prose(f"    ! {verb} {one.address}: {shown(one.message)}", Tone.REMOVE)
        for verb, one in _withheld_verbs(withheld)
    ]


def _withheld_verbs(withheld: Sequence[Withheld]) -> list[tuple[str, Withheld]]:
    """What is withheld and what it would do, a replacement once."""
    deleted = {one.address for one in withheld if one.action is Action.DELETE}
    replaced = deleted & {one.address for one in withheld if one.action is Action.CREATE}
    return [
        ("replace" if one.address in replaced and one.action is Action.CREATE else one.action.value, one)
        for one in withheld
        if one.address not in replaced or one.action is not Action.DELETE
    ]


def _output_changes(plan: Plan) -> list[Line]:
    lines: list[Line] = []
    for change in plan.output_changes:
        symbol = "+" if change.old is None else "-" if change.new is None and change.new_known else "~"
        born = symbol == "+"
        new = value(change.new) if change.new_known else LATER
        old = "" if born else value(change.old)
        text = new if born else old if symbol == "-" else f"{old} → {new}"
        lines.append(line(f"    {symbol} {field_name(change.field)} = {text}"))
    return lines


def _remedy(danger: Danger) -> str:
    return f"needs consent: {allow_option(danger)}" if takes_consent(danger) else "no option overrides this"
