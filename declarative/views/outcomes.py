"""What a run came to, as lines for a reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from declarative.errors import shown, visible
from declarative.model import Json, Outcome, Plan, Result, StepOutcome
from declarative.planfile import content_digest, plan_digest
from declarative.views.entries import PARTICIPLES, tally, verb_of
from declarative.views.plans import summary, withheld_lines
from declarative.views.report import Block, Case, Finding, Level, Report, Verdict, worst
from declarative.views.text import Line, Tone, block, field_name, line, value
from declarative.views.view import document
from declarative.views.wrapping import prose

_LIST_LIMIT = 50


@dataclass(frozen=True, slots=True)
class OutputsView:
    """The recorded outputs by name."""

    outputs: Mapping[str, Json]

    def text(self) -> list[Line]:
        return outputs_lines(self.outputs, indent=0)

    def json(self) -> str:
        return document(dict(self.outputs))


@dataclass(frozen=True, slots=True)
class OutcomeView:
    """What a run came to, and the plan that it carried out."""

    plan: Plan
    outcome: Outcome

    def text(self) -> list[Line]:
        return outcome_lines(self.outcome)

    def json(self) -> str:
        outcome = self.outcome
        return document(
            {
                "format": "declarative.outcome/1",
                "plan": plan_digest(self.plan),
                "summary": self._verdict(),
                "interrupted": outcome.interrupted,
                "conflict": outcome.conflict or None,
                "steps": [_step_json(end) for end in outcome.steps],
                "withheld": [
                    {"address": str(one.address), "action": one.action.value, "message": one.message}
                    for one in outcome.withheld
                ],
                "outputs": dict(outcome.outputs),
            }
        )

    def report(self) -> Report:
        outcome = self.outcome
        findings = [*_findings(outcome)]
        counts = {one.value: outcome.count(one) for one in Result}
        unfinished = outcome.count(Result.CONTINUES) + outcome.count(Result.NOT_STARTED)
        return Report(
            self._verdict(),
            worst(findings),
            findings,
            [*(_case(end) for end in outcome.steps)] or [Case("nothing to do")],
            counts,
            {"consents": 0, "withheld": len(outcome.withheld), "open": unfinished},
            {"plan": plan_digest(self.plan), "content": content_digest(self.plan)},
            [Block("What the run came to", outcome_lines(outcome))],
            outcome=outcome,
        )

    def _verdict(self) -> str:
        return result(self.outcome) if self.outcome.steps else summary(self.plan)


def _step_json(end: StepOutcome) -> Json:
    return {
        "id": end.step.id,
        "address": str(end.step.address),
        "action": end.step.action.value,
        "result": end.result.value,
        "summary": end.summary or None,
        "fix": end.fix or None,
        "seconds": round(end.seconds, 3),
    }


_LEVELS = {Result.FAILED: Level.ERROR, Result.CONTINUES: Level.WARNING, Result.NOT_STARTED: Level.WARNING}


def _findings(outcome: Outcome) -> Iterator[Finding]:
    if outcome.conflict:
        kept = f"What this run did is kept: {outcome.conflict}"
        yield Finding(Level.ERROR, "the state could not be written", kept)
    for end in outcome.steps:
        if end.result in _LEVELS:
            yield Finding(_LEVELS[end.result], _told(end), end.fix, address=str(end.step.address))
    for one in outcome.withheld:
        told = f"{one.action.value} {one.address} is withheld: {one.message}"
        yield Finding(Level.WARNING, told, rule="withheld", address=str(one.address))


def _told(end: StepOutcome) -> str:
    what = f"{verb_of(end.step)} {end.step.address} {_ENDINGS[end.result]}"
    return f"{what}: {end.summary}" if end.summary else what


_ENDINGS = {
    Result.DONE: "is done",
    Result.FAILED: "failed",
    Result.CONTINUES: "continues in the cloud",
    Result.NOT_STARTED: "was not started",
}


def _case(end: StepOutcome) -> Case:
    verdict = {Result.DONE: Verdict.PASSED, Result.FAILED: Verdict.FAILED}.get(end.result, Verdict.SKIPPED)
    why = "" if verdict is Verdict.PASSED else f"{_told(end)} {end.fix}".rstrip()
    return Case(f"{end.step.action.value} {end.step.address}", verdict, why, end.seconds)


@dataclass(frozen=True, slots=True)
class OutputView:
    """The bare value of one output: a text as it is, anything else as JSON."""

    value: Json

    def text(self) -> list[Line]:
        text = visible(self.value) if isinstance(self.value, str) else self.json()
        return [line(one) for one in text.split("\n")]

    def json(self) -> str:
        return document(self.value)


def outcome_lines(outcome: Outcome) -> list[Line]:
    """The end report of a run: what failed and why, what goes on, what was not begun, counts and outputs."""
    lines = [*block("Failed:", _ends(outcome, Result.FAILED, Tone.REMOVE))]
    lines += block("Continues in the cloud:", _ends(outcome, Result.CONTINUES, Tone.CHANGE))
    lines += block("Not started:", _ends(outcome, Result.NOT_STARTED, Tone.FAINT))
    lines += block("Withheld, because a disaster recovery is in progress there:", withheld_lines(outcome.withheld))
    lines += block("Stays behind in the cloud and is still billed:", _left_behind(outcome))
    if outcome.conflict:
        kept = shown(outcome.conflict, limit=None)  # whole: it may be the content itself
        lines += [line(), line(f"The state could not be written. What this run did is kept: {kept}", Tone.REMOVE)]
    lines += block("Outputs:", outputs_lines(outcome.outputs))
    if outcome.steps:
        lines += [line(), prose(result(outcome), Tone.STRONG)]
    return lines


def _left_behind(outcome: Outcome) -> list[Line]:
    left = [
        f"    ! {end.step.address}: {shown(', '.join(end.step.leaves))}"
        for end in outcome.steps
        if end.result is Result.DONE and end.step.leaves
    ]
    more = [f"    … and {len(left) - _LIST_LIMIT} more"] if len(left) > _LIST_LIMIT else []
    return [prose(one, Tone.CHANGE) for one in (*left[:_LIST_LIMIT], *more)]


def result(outcome: Outcome) -> str:
    """The outcome in one or two sentences."""
    ended = [end.step for end in outcome.steps if end.result is Result.DONE]
    counts = [f"{count} {PARTICIPLES[verb]}" for verb, count in tally(ended)]
    counts += [
        f"{number} {word}"
        for number, word in (
            (outcome.count(Result.FAILED), "failed"),
            (outcome.count(Result.CONTINUES), "still going on in the cloud"),
            (outcome.count(Result.NOT_STARTED), "not started"),
        )
        if number
    ]
    unfinished = outcome.count(Result.CONTINUES) + outcome.count(Result.NOT_STARTED)
    if outcome.count(Result.FAILED):
        start, again = "Not all done", " Put right what failed, then run again."
    elif unfinished:
        start, again = "Interrupted" if outcome.interrupted else "Not all done", " Run the command again to continue."
    else:
        start, again = "Done", ""
    return f"{start}: {', '.join(counts)}.{again}"


def _ends(outcome: Outcome, kind: Result, tone: Tone) -> list[Line]:
    ends = [end for end in outcome.steps if end.result is kind]
    lines: list[Line] = []
    shown_ends = ends[:_LIST_LIMIT]
    for number, end in enumerate(shown_ends, start=1):
        lines.append(prose(f"    ! {_end(end)}", tone))
        if end.fix and [one.fix for one in shown_ends[number : number + 1]] != [end.fix]:  # not to each of several
            lines.append(prose(f"        Next: {shown(end.fix)}"))
    if len(ends) > _LIST_LIMIT:
        lines.append(line(f"    … and {len(ends) - _LIST_LIMIT} more", Tone.FAINT))
    return lines


def _end(end: StepOutcome) -> str:
    text = f"{verb_of(end.step)} {end.step.address}"
    return f"{text}: {shown(end.summary)}" if end.summary else text


def outputs_lines(outputs: Mapping[str, Json], *, indent: int = 4) -> list[Line]:
    """The outputs by name, one a line, behind `indent` blanks."""
    return [line(f"{'':{indent}}{field_name(name)} = {value(content)}") for name, content in sorted(outputs.items())]
