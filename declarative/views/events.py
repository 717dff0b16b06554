"""The events of a run, as lines for a reader and as JSON for a program."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from declarative.errors import Diagnostic, shown
from declarative.model import Event, Json, Plan
from declarative.planfile import content_digest, plan_digest
from declarative.planner.consents import takes_consent, unconsented
from declarative.views.entries import GERUNDS, PARTICIPLES
from declarative.views.findings import findings_json
from declarative.views.plans import summary
from declarative.views.text import duration, many

_NO_VERBS: Mapping[str, str] = {}


def event_json(event: Event) -> Json:
    """`{type, time, address?, action?, …detail}`, as `schemas/events.json` says."""
    head: dict[str, Json] = {"type": event.type, "time": event.time}
    if event.address is not None:
        head["address"] = str(event.address)
    if event.action is not None:
        head["action"] = event.action.value
    return {**event.detail, **head}


def event_line(event: Event) -> str:
    """The event as one line of JSON."""
    return json.dumps(event_json(event), separators=(",", ":"))


def planned(plan: Plan, time: str) -> Event:
    """The event that opens a run: the plan's digests, its counts in words, its dangers and what it withholds."""
    missing = frozenset(unconsented(plan))
    return Event(
        "planned",
        time,
        detail={
            "plan": plan_digest(plan),
            "content": content_digest(plan),
            "steps": len(plan.steps),
            "summary": summary(plan),
            "dangers": [
                {
                    "class": one.cls.value,
                    "address": str(one.address) if one.address else None,
                    "message": one.message,
                    "consented": one not in missing and takes_consent(one),
                }
                for one in plan.dangers
            ],
            "withheld": [
                {"address": str(one.address), "action": one.action.value, "message": one.message}
                for one in plan.withheld
            ],
        },
    )


def failed(code: int, findings: Sequence[Diagnostic], time: str) -> Event:
    """The event that ends a stream when its command fails: the exit code, and all findings."""
    return Event("failed", time, detail={"code": int(code), "findings": findings_json(findings)["findings"]})


def event_text(event: Event, *, verbose: bool = False, ids: bool = True, verbs: Mapping[str, str] = _NO_VERBS) -> str:
    """The event as one line, or an empty text when a reader needs no line for it.

    `ids`: also tell the id of what was made. `verbs`: by the ids of steps what the plan calls what they do.
    """
    detail = event.detail
    match event.type:
        case "run-started":
            return f"{many(int(detail.get('steps', 0)), 'step')} to take"
        case "settled":
            return f"recovered: {shown(detail.get('message', ''))}"
        case "warning":
            return f"warning: {_with_fix(detail)}"
        case "interrupted" if detail.get("reason"):
            return f"stopping: {shown(detail['reason'])}"
        case "step-accepted" if not verbose:
            return ""
        case "step-progress" if "job_id" in detail and not verbose:
            return ""  # the board shows it, and a program may; of a log it would be most
        case "step-started" | "step-accepted" | "step-progress" | "step-done" | "step-failed" | "step-continues":
            return f"{event.address}: {_step_text(event, verb_of(event, verbs), ids=ids)}"
        case _:
            return ""


def verb_of(event: Event, verbs: Mapping[str, str]) -> str:
    """What the plan calls what a step does; without a plan, its action."""
    own = event.action.value if event.action else ""
    return verbs.get(str(event.detail.get("step", "")), own)


def doing(verb: str) -> str:
    """What is being done, as a gerund."""
    return GERUNDS.get(verb, "working")


def status_text(detail: Mapping[str, Json]) -> str:
    """The service's own words on how far a job is, e.g. `RUNNING 40 %`."""
    percent = detail.get("percent")
    return shown(detail.get("status", ""), limit=80) + (f" {shown(percent, limit=8)} %" if percent is not None else "")


def _step_text(event: Event, verb: str, *, ids: bool) -> str:
    detail, action = event.detail, event.action.value if event.action else "step"
    match event.type:
        case "step-started":
            return doing(verb)
        case "step-accepted":
            return f"{action} accepted as job {shown(detail.get('job_id', ''))}"
        case "step-progress":
            return f"{doing(verb)}, {status_text(detail)}"
        case "step-done":
            known = f" (id {shown(detail['id'])})" if ids and detail.get("id") else ""
            return f"{PARTICIPLES.get(verb, 'done')} after {duration(float(detail.get('seconds', 0.0)))}{known}"
        case "step-failed":
            return f"{action} failed: {_with_fix(detail)}"
        case _:
            return f"{action} goes on in the cloud: {shown(detail.get('summary', ''))}"


def _with_fix(detail: Mapping[str, Json]) -> str:
    summary = shown(detail.get("summary", ""))
    if not detail.get("fix"):
        return summary
    return f"{summary}{'' if summary.endswith(('.', '?', '!')) else '.'} {shown(detail['fix'])}"
