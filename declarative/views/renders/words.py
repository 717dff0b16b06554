"""What Markdown and HTML both say of a plan: the head, what needs a decision, what it means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from declarative.errors import shown
from declarative.model import Plan
from declarative.planner.consents import takes_consent, unconsented
from declarative.planner.impact import impact
from declarative.views.dangers import prerequisite_groups
from declarative.views.entries import APPEARANCES, Entry
from declarative.views.impact import points
from declarative.views.plans import consent_words
from declarative.views.report import Finding, Invocation, Level, Report
from declarative.views.text import many

_TITLES = {
    "validate": "Manifests",
    "plan": "Plan",
    "apply": "Apply",
    "destroy": "Destroy",
    "drift": "Drift",
    "status": "Status",
}
LISTED = 20  # equal entries that are listed before the rest is counted


def title(report: Report, invocation: Invocation) -> str:
    """What is shown, of which stack and environment."""
    name = _TITLES.get(invocation.command, invocation.command.capitalize())
    if report.plan is None:
        return f"{name}: environment {shown(invocation.environment, limit=100)}"
    basis = report.plan.basis
    return f"{name}: {shown(basis.stack, limit=100)}, environment {shown(basis.environment, limit=100)}"


def state_word(report: Report) -> str:
    """The verdict in a word or two, which stands first."""
    if report.waiting.get("consents"):
        return "Needs consent"
    if report.level is Level.ERROR:
        return "Error"
    if report.level is Level.WARNING:
        return "Attention"
    return "Ready to apply" if report.plan is not None and report.plan.has_changes() else "OK"


def findings_beside(report: Report) -> list[Finding]:
    """The findings that no other part of the render shows; of a plan, dangers and what is withheld have their own."""
    if report.plan is None:
        return list(report.findings)
    return [one for one in report.findings if not (one.rule.startswith("danger-") or one.rule == "withheld")]


def can_be_applied(plan: Plan) -> bool:
    """True when there is something to do, and nothing stands against it that no consent can override."""
    return plan.has_changes() and all(takes_consent(one) for one in unconsented(plan))


def consents(plan: Plan) -> list[str]:
    """The consents that were given, and by whom."""
    return [consent_words(one) for one in plan.consents]


def meaning(plan: Plan) -> Iterator[str]:
    """Yield what a reader must know beside the steps, a sentence each."""
    basis = plan.basis
    if basis.destroy:
        yield "It destroys what the stack manages."
    if basis.refresh_only:
        yield "It only records what the cloud shows; no call changes anything."
    if not basis.refreshed:
        yield "The cloud was not read (--no-refresh): what is recorded is taken for true."
    if plan.open:
        yield f"{many(len(plan.open), 'operation')} of earlier runs still open; apply goes on with these first."
    if plan.withheld:
        steps = many(len(plan.withheld), "step")
        yield f"{steps} withheld, because a disaster recovery is in progress there; apply then exits with 5."
    if plan.drift:
        yield f"The cloud shows {many(len(plan.drift), 'object')} other than recorded."
    for point in points(impact(plan)):
        names = f" ({listed(point.names)})" if point.names else ""
        yield f"{point.sentence[:1].upper()}{point.sentence[1:]}{names}."
    for group in prerequisite_groups(plan):
        yield f"Check in other services, SDRS can't see it: {group.sentence} ({listed(group.subjects)})."


def listed(names: Sequence[str], *, limit: int = LISTED) -> str:
    """The first names, and how many there are beside them."""
    more = len(names) - limit
    return f"{', '.join(names[:limit])} and {more:,} more" if more > 0 else ", ".join(names)


def matrix(groups: Sequence[Entry]) -> list[tuple[str, str, int]]:
    """How many entries there are of each verb and kind, in the order of verbs: `(verb, kind, count)`."""
    counts = Counter((entry.verb, entry.step.address.kind) for entry in groups)
    order = list(APPEARANCES)
    return [
        (verb, kind, counts[verb, kind]) for verb, kind in sorted(counts, key=lambda one: (order.index(one[0]), one))
    ]
