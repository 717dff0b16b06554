"""A plan as lines for a reader who has to judge it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from declarative.errors import Diagnostic, shown
from declarative.kinds import KINDS
from declarative.model import (
    Action,
    Change,
    Consent,
    Danger,
    DangerClass,
    Drift,
    Hint,
    Json,
    OnChange,
    Plan,
    Reason,
    Reference,
    Withheld,
)
from declarative.planfile import content_digest, encode_plan, plan_digest
from declarative.planner.consents import POLICIES, allow_option, takes_consent, unconsented
from declarative.views.entries import APPEARANCES, Entry, entries, tally
from declarative.views.findings import changes_json
from declarative.views.report import Block, Case, Finding, Level, Report, Verdict, found, worst
from declarative.views.text import Line, Span, Tone, block, field_name, finding, line, many, snippet_lines, value
from declarative.views.view import document
from declarative.views.wrapping import Prose, prose

_NAME_LIMIT = 200


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan. `digest`: shown at the end, if it is given. As JSON the plan is its own canonical document."""

    plan: Plan
    digest: str = ""

    def text(self) -> Iterator[Line]:
        yield from plan_lines(self.plan, missing=unconsented(self.plan))
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
    sides = (f"{field_name(each.field)} {_side(each.old)} → {_side(each.new)}" for each in one.changes)
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
    needs = f" {many(len(missing), 'danger')} without a consent." if missing else ""
    level = worst(findings)
    return Report(
        f"{summary(plan)}{needs}",
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


_LATER = "(known after apply)"

_REASONS = {
    Reason.NEW: "new",
    Reason.EDITED: "edited in the manifests",
    Reason.DRIFTED: "changed in the cloud",
    Reason.NOT_REACHED: "not reached yet",
    Reason.IMPORTED: "imported before",
    Reason.MOVED: "the same object under a new address",
    Reason.REPLACED: "can't be changed in place",
    Reason.REQUESTED: "asked for by --replace",
    Reason.CREATION_FAILED: "its creation failed",
    Reason.BEING_DELETED: "its deletion has begun",
    Reason.GONE_FROM_MANIFESTS: "gone from the manifests",
    Reason.GONE_FROM_CLOUD: "gone from the cloud",
    Reason.DESTROY: "everything is to be destroyed",
}

# Where the reason alone would not say it.
_SAID = {
    (Action.ADOPT, Reason.NEW): "the service makes it with its instance",
    (Action.ADOPT, Reason.REPLACED): "its instance is replaced",
    (Action.DELETE, Reason.GONE_FROM_CLOUD): "gone from the cloud; pairs that came with it are left",
    (Action.FORGET, Reason.REPLACED): "it goes with its instance",
    (Action.UPDATE, Reason.REPLACED): "after it is replaced",
    (Action.DISABLE, Reason.REPLACED): "the group is replaced",
    (Action.DISABLE, Reason.REQUESTED): "the group is replaced",
}


def plan_lines(plan: Plan, *, missing: Sequence[Danger]) -> Iterator[Line]:
    """Yield the plan for a reader who has to judge it. `missing`: the dangers that lack a consent.

    Lines are made as they are taken: of 100,000 steps there are a million.
    """
    yield from _head(plan)
    yield from block("Still open from earlier runs; apply goes on with these first:", _open(plan))
    yield from block("Drift, what the cloud shows other than recorded:", drift_lines(plan.drift))
    yield from block("Steps:", _steps(plan))
    yield from block("Withheld, because a disaster recovery is in progress there:", withheld_lines(plan.withheld))
    yield from block("Outputs:", _output_changes(plan))
    yield from block("To have ready in other services, which SDRS can't be asked about:", _prerequisites(plan))
    yield from block("Warnings:", (told for one in plan.warnings for told in _warning(one)))
    yield from block("Dangers:", _dangers(plan, missing))
    yield line()
    yield prose(summary(plan), Tone.STRONG)


def _warning(warning: Diagnostic) -> Iterator[Line]:
    yield prose(f"  ! {finding(warning)}", Tone.CHANGE)
    yield from snippet_lines(warning, "    ")


def summary(plan: Plan) -> str:
    """The plan in one sentence of counts; steps are counted, a replacement once."""
    counts = [f"{count} to {verb}" for verb, count in tally(plan.steps)]
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


def _steps(plan: Plan) -> Iterator[Line]:
    written = {one.address: one.position.file for one in plan.warnings if one.position}
    for entry in entries(plan.steps):
        ends = entry.verb in ("delete", "forget")
        yield from entry_lines(entry, written.get(str(entry.step.address), "") if ends else "")


def entry_lines(entry: Entry, written: str = "") -> Iterator[Line]:
    """Yield a step, or a replacement, with its fields. `written`: the file that still speaks of what is deleted."""
    yield _entry_line(entry, written)
    yield from _change_lines(entry)


def reason_words(entry: Entry) -> str:
    """Why a step is in the plan, in words."""
    return _SAID.get((entry.step.action, entry.step.reason), _REASONS[entry.step.reason])


def target_words(entry: Entry) -> str:
    """The address of a step; of a move, from where to where."""
    step = entry.step
    return f"{step.source} → {step.address}" if step.action is Action.MOVE and step.source else str(step.address)


def _entry_line(entry: Entry, written: str) -> Line:
    symbol, tone = APPEARANCES[entry.verb]
    reason = reason_words(entry)
    if written and entry.step.reason is Reason.GONE_FROM_MANIFESTS:
        reason += f"; stands in {shown(written)}, which is left out"
    return (
        Span(f"{symbol:>5} {entry.verb} ", tone),
        Span(target_words(entry), Tone.STRONG),
        Span(f"  ({reason})", Tone.FAINT),
    )


def field_rows(entry: Entry) -> Iterator[tuple[str, Line]]:
    """Yield each field that a reader is shown of a step, with what becomes of it; of what ends, its id and name."""
    born = entry.verb in ("create", "adopt")
    for change in entry.changes:
        if not (born and change.new is None and change.new_known):
            told = _sides(change, born=born, new=_coming(entry, change))
            yield field_name(change.field), (*told, *_forcing(entry, change))
    if entry.verb in ("delete", "forget"):
        yield from ((label, (Span(value(text)),)) for label, text in _identity(entry))


def _identity(entry: Entry) -> list[tuple[str, Json]]:
    resource = entry.step.resource
    name = resource.attributes.get("name", resource.inputs.get("name"))
    return [(label, text) for label, text in (("id", resource.id), ("name", name)) if text]


def _change_lines(entry: Entry) -> Iterator[Line]:
    born = entry.verb in ("create", "adopt")
    changes = [change for change in entry.changes if not (born and change.new is None and change.new_known)]
    width = max((len(change.field) for change in changes), default=0)
    for change in changes:
        told = _change_line(change, width=min(width, 40), born=born, new=_coming(entry, change))
        yield (*told, *_forcing(entry, change))
    if entry.verb in ("delete", "forget"):
        facts = [f"{label} {value(text)}" for label, text in _identity(entry)]
        yield line(f"        {', '.join(facts)}", Tone.FAINT)
    for one in entry.leaves:
        yield prose(f"        stays behind and is still billed: {shown(one)}", Tone.CHANGE)


def _coming(entry: Entry, change: Change) -> str:
    """The value after, in words; for an id that only the run will tell, whose it is."""
    if change.new_known:
        return _side(change.new)
    coming = entry.step.resource.inputs.get(change.field)
    return f"(known after apply: {coming.attribute} of {coming.address})" if isinstance(coming, Reference) else _LATER


def _forcing(entry: Entry, change: Change) -> Line:
    """Mark a field whose change forces a replacement."""
    kind = KINDS.get(entry.step.address.kind) if entry.verb == "replace" else None
    known = kind.fields.get(change.field) if kind else None
    forces = known is not None and known.on_change is OnChange.REPLACE
    return (Span("  (forces a new object)", Tone.FAINT),) if forces else ()


def _change_line(change: Change, *, width: int, born: bool, new: str) -> Line:
    return Span(f"        {field_name(change.field):<{width}}  ", Tone.FAINT), *_sides(change, born=born, new=new)


def _sides(change: Change, *, born: bool, new: str) -> Line:
    if born:
        return (Span(new, Tone.ADD),)
    return Span(_side(change.old), Tone.REMOVE), Span(" → "), Span(new, Tone.ADD)


def _side(content: Json) -> str:
    return "(unset)" if content is None else value(content)


def drift_lines(drift: Sequence[Drift]) -> list[Line]:
    """What the cloud shows other than recorded, one object after the other."""
    lines: list[Line] = []
    for one in drift:
        what = "is gone" if one.gone else "differs"
        lines.append((Span("    ! ", Tone.CHANGE), Span(str(one.address), Tone.STRONG), Span(f" {what}")))
        lines += change_lines(one.changes)
    return lines


def change_lines(changes: Sequence[Change]) -> list[Line]:
    """One line for each field: the value before, and after."""
    width = min(max((len(change.field) for change in changes), default=0), 40)
    return [_change_line(change, width=width, born=False, new=_side(change.new)) for change in changes]


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
        new = value(change.new) if change.new_known else _LATER
        old = "" if born else value(change.old)
        text = new if born else old if symbol == "-" else f"{old} → {new}"
        lines.append(line(f"    {symbol} {field_name(change.field)} = {text}"))
    return lines


def _prerequisites(plan: Plan) -> list[Line]:
    return [prose(f"    ! {one.address}: {shown(one.message)}", Tone.CHANGE) for one in plan.prerequisites]


def _dangers(plan: Plan, missing: Sequence[Danger]) -> list[Line]:
    """The dangers, each with its remedy; a hint stands behind the last danger of its address."""
    lines: list[Line] = []
    lacking = frozenset(missing)
    last = {danger.address: danger for danger in plan.dangers}
    for danger in plan.dangers:
        if danger.cls is DangerClass.DR_IN_PROGRESS:
            continue  # the block of what is withheld says it
        subject = f" {danger.address}" if danger.address else ""
        lacks = danger in lacking
        told = (
            Span(f"    ! {danger.cls.value}", Tone.REMOVE),
            Span(subject, Tone.STRONG),
            Span(f": {shown(danger.message)}"),
            Span("" if lacks else "  (consented to)", Tone.FAINT),
        )
        lines.append(Prose(told))
        if lacks:
            lines.append(line(f"        {_remedy(danger)}"))
        if last[danger.address] is danger:
            lines += [one for hint in plan.hints if hint.address == danger.address for one in _hint(hint)]
    return lines + [one for hint in plan.hints if hint.address not in last for one in _hint(hint)]


def _hint(hint: Hint) -> Iterator[Line]:
    yield prose(f"        {shown(hint.message)}:")
    for source, target in hint.moves:
        yield line(f"          declarative state mv {shlex.quote(str(source))} {shlex.quote(str(target))}")


def _remedy(danger: Danger) -> str:
    return f"needs consent: {allow_option(danger)}" if takes_consent(danger) else "no option overrides this"
