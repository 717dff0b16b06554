"""Findings, recorded objects, history and events as lines for a reader and as JSON values for a program."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence

from declarative.errors import Diagnostic, Severity
from declarative.model import Action, Event, Json, Operation, Resource, Run
from declarative.planning.render import Line, Span, Tone, field_name, finding, line, many, shown, value

# ---------------------------------------------------------------- findings


def findings_lines(findings: Iterable[Diagnostic]) -> list[Line]:
    """One line a finding."""
    tones = {Severity.ERROR: Tone.REMOVE, Severity.WARNING: Tone.CHANGE}
    return [line(finding(one), tones[one.severity]) for one in findings]


def findings_json(findings: Sequence[Diagnostic]) -> Json:
    """`{valid, findings[{severity, summary, fix, file, line, column, address}]}`; no place is null."""
    return {
        "valid": not any(one.severity is Severity.ERROR for one in findings),
        "findings": [
            {
                "severity": one.severity.value,
                "summary": one.summary,
                "fix": one.fix,
                "file": one.position.file if one.position else None,
                "line": one.position.line if one.position else None,
                "column": one.position.column if one.position else None,
                "address": one.address or None,
            }
            for one in findings
        ],
    }


def findings_summary(findings: Sequence[Diagnostic]) -> str:
    """The findings counted, in one sentence."""
    errors = sum(1 for one in findings if one.severity is Severity.ERROR)
    warnings = len(findings) - errors
    counts = [many(count, noun) for count, noun in ((errors, "error"), (warnings, "warning")) if count]
    verdict = "Not valid" if errors else "Valid"
    return f"{verdict}: {', '.join(counts)}." if counts else f"{verdict}."


# ---------------------------------------------------------------- the recorded state


def resource_lines(resource: Resource) -> list[Line]:
    """One recorded object with all that is known of it; what is null is left out."""
    lines: list[Line] = [(Span(f"  {resource.address}", Tone.STRONG), Span(f"  id {value(resource.id)}", Tone.FAINT))]
    both = {**resource.inputs, **resource.attributes}
    known = {name: content for name, content in both.items() if content is not None and name != "id"}
    width = min(max((len(name) for name in known), default=0), 40)
    lines += [line(f"      {field_name(name):<{width}}  {value(known[name])}") for name in sorted(known)]
    if resource.lifecycle.prevent_destroy:
        lines.append(line("      prevent_destroy: it must not be deleted", Tone.CHANGE))
    if resource.lifecycle.adopt:
        lines.append(line("      adopt: it came with its instance and goes with it", Tone.FAINT))
    return lines


def resource_json(resource: Resource) -> Json:
    """`{address, kind, id, inputs, attributes, lifecycle, depends_on}`."""
    return {
        "address": str(resource.address),
        "kind": resource.address.kind,
        "id": resource.id,
        "inputs": dict(resource.inputs),
        "attributes": dict(resource.attributes),
        "lifecycle": {
            "prevent_destroy": resource.lifecycle.prevent_destroy,
            "ignore_changes": list(resource.lifecycle.ignore_changes),
            "adopt": resource.lifecycle.adopt,
        },
        "depends_on": [str(address) for address in resource.depends_on],
    }


def listing_lines(resources: Iterable[Resource]) -> list[Line]:
    """One line an object: address, id, name in the cloud."""
    rows = [(str(one.address), one.id, one.attributes.get("name", one.inputs.get("name"))) for one in resources]
    width = max((len(address) for address, _, _ in rows), default=0)
    return [
        (Span(f"{address:<{width}}", Tone.STRONG), Span(f"  {shown(object_id)}"), Span(f"  {value(name)}", Tone.FAINT))
        for address, object_id, name in rows
    ]


def import_lines(resources: Iterable[Resource]) -> list[Line]:
    """The commands that record these objects once more, one line each."""
    return [
        line(f"  declarative import {shlex.quote(str(one.address))} {shlex.quote(shown(one.id))}") for one in resources
    ]


def operation_lines(operations: Iterable[Operation]) -> list[Line]:
    """Operations that are not known to have ended."""
    return [
        line(f"  … {one.action.value} {one.resource.address}" + (f" (job {shown(one.job_id)})" if one.job_id else ""))
        for one in operations
    ]


def operation_json(operation: Operation) -> Json:
    """`{id, address, action, job_id, sends}`; without a job, `job_id` is null."""
    return {
        "id": operation.id,
        "address": str(operation.resource.address),
        "action": operation.action.value,
        "job_id": operation.job_id or None,
        "sends": operation.sends,
    }


# ---------------------------------------------------------------- history


def history_lines(runs: Iterable[Run]) -> list[Line]:
    """One line a run: when, who, what came of it, which plan."""
    return [
        (
            Span(f"at {shown(run.started)}  ", Tone.FAINT),
            Span(f"{shown(run.command)} by {shown(run.who)}: {_counts(run)}"),
            Span(f"  plan {shown(run.plan[:12])}" if run.plan else "", Tone.FAINT),
            Span(f"  consents {shown(', '.join(run.consents))}" if run.consents else "", Tone.CHANGE),
        )
        for run in runs
    ]


def _counts(run: Run) -> str:
    if not run.ended:
        return "not ended"
    counts = [f"{number} {shown(word)}" for word, number in run.counts.items() if number]
    return ", ".join(counts) or "done"


def run_json(run: Run) -> Json:
    """`{id, who, started, ended, command, plan, consents, counts}`; a run that has not ended has a null `ended`."""
    return {
        "id": run.id,
        "who": run.who,
        "started": run.started,
        "ended": run.ended or None,
        "command": run.command,
        "plan": run.plan or None,
        "consents": list(run.consents),
        "counts": dict(run.counts),
    }


# ---------------------------------------------------------------- events

_GERUNDS = {
    Action.CREATE: "creating",
    Action.UPDATE: "updating",
    Action.DELETE: "deleting",
    Action.ENABLE: "enabling",
    Action.DISABLE: "disabling",
    Action.ADOPT: "adopting",
    Action.FORGET: "forgetting",
    Action.MOVE: "moving",
    Action.RECORD: "recording",
}


def event_json(event: Event) -> Json:
    """`{type, time, address?, action?, …detail}`, as `schemas/events.json` says."""
    head: dict[str, Json] = {"type": event.type, "time": event.time}
    if event.address is not None:
        head["address"] = str(event.address)
    if event.action is not None:
        head["action"] = event.action.value
    return {**event.detail, **head}


def event_text(event: Event, *, verbose: bool = False) -> str:
    """The event as one line, or an empty text when a reader needs no line for it."""
    detail = event.detail
    match event.type:
        case "run-started":
            return f"{many(int(detail.get('steps', 0)), 'step')} to take"
        case "settled":
            return f"settled: {shown(detail.get('message', ''))}"
        case "warning":
            return f"warning: {_with_fix(detail)}"
        case "interrupted" if detail.get("reason"):
            return f"stopping: {shown(detail['reason'])}"
        case "step-accepted" if not verbose:
            return ""
        case "step-started" | "step-accepted" | "step-progress" | "step-done" | "step-failed" | "step-continues":
            return f"{event.address}: {_step_text(event)}"
        case _:
            return ""


def doing(action: Action | None) -> str:
    """What is being done, as a gerund."""
    return _GERUNDS[action] if action else "working"


def status_text(detail: Mapping[str, Json]) -> str:
    """The service's own words on how far a job is, e.g. `RUNNING 40 %`."""
    percent = detail.get("percent")
    return shown(detail.get("status", ""), limit=80) + (f" {shown(percent, limit=8)} %" if percent is not None else "")


def _step_text(event: Event) -> str:
    detail, action = event.detail, event.action.value if event.action else "step"
    match event.type:
        case "step-started":
            return doing(event.action)
        case "step-accepted":
            return f"{action} accepted as job {shown(detail.get('job_id', ''))}"
        case "step-progress":
            return f"{doing(event.action)}, {status_text(detail)}"
        case "step-done":
            known = f" (id {shown(detail['id'])})" if detail.get("id") else ""
            return f"{action} done in {detail.get('seconds', 0.0):.1f} s{known}"
        case "step-failed":
            return f"{action} failed: {_with_fix(detail)}"
        case _:
            return f"{action} goes on in the cloud: {shown(detail.get('summary', ''))}"


def _with_fix(detail: Mapping[str, Json]) -> str:
    summary = shown(detail.get("summary", ""))
    if not detail.get("fix"):
        return summary
    return f"{summary}{'' if summary.endswith(('.', '?', '!')) else '.'} {shown(detail['fix'])}"
