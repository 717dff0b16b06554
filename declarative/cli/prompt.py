"""The review of a plan: show it, look for consents, ask, and take nothing but `yes` for a yes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from declarative.cli.progress import JsonLines, Progress
from declarative.cli.screen import Screen, is_terminal
from declarative.cli.signals import answering
from declarative.errors import ConsentMissing, Diagnostic, UsageError
from declarative.model import Consent, Danger, DangerClass, Event, Plan
from declarative.planning import plan_digest, unconsented, with_consents
from declarative.planning.render import NO_CONSENT, allow_option, many, plan_lines, shown, summary


@dataclass
class Front:
    """How a run talks to a person or a program: reviews its plan, shows its events.

    `confirmed`: the question is answered beforehand (`--auto-approve`); that consents to nothing.
    """

    screen: Screen
    progress: Progress
    stamp: Callable[[], str]
    confirmed: bool = False

    def event(self, event: Event) -> None:
        self.progress.event(event)

    def review(self, plan: Plan) -> Plan:
        """Show the plan, and return it with the consents that the answer gives.

        Raises Unconsented for dangers that nobody has consented to, UsageError when nobody can be asked, and
        Declined when the answer is anything but `yes`.
        """
        self._show(plan)
        if not plan.has_changes():
            return plan
        missing = unconsented(plan)
        asking = not self.confirmed
        answerable = asking and is_terminal(sys.stdin)
        open_dangers = [one for one in missing if not (answerable and one.cls is DangerClass.DELETE)]
        if open_dangers:
            raise Unconsented(open_dangers)
        if not asking:
            return plan
        if not answerable:
            raise UsageError(
                "this would have to ask whether to go on, but there is no terminal to ask on",
                "Review the plan and add --auto-approve.",
            )
        self._ask(plan, missing)
        given = tuple(Consent(one.cls, one.address, "prompt") for one in missing)
        return with_consents(plan, given) if given else plan

    def _show(self, plan: Plan) -> None:
        """The plan on standard output; where that carries events, one event there and the text for the person."""
        events = isinstance(self.progress, JsonLines)
        if events:
            self.event(planned(plan, self.stamp()))
        if not (events and self.confirmed):
            self.screen.show(plan_lines(plan, missing=unconsented(plan)), to_stderr=events)

    def _ask(self, plan: Plan, missing: tuple[Danger, ...]) -> None:
        from declarative.workflow import Declined

        if missing:
            count = many(len(missing), "object")
            self.screen.err(f"\nA yes also consents to deleting the {count} listed under Dangers.")
        self.screen.ask(
            f"\nCarry out this plan in environment {shown(plan.basis.environment)}? Only yes is taken for a yes: "
        )
        with answering():
            answer = sys.stdin.readline()
        if not answer.endswith("\n"):
            self.screen.err("")
        if answer.strip() != "yes":
            raise Declined("nothing was done: the answer was not yes")


def planned(plan: Plan, time: str) -> Event:
    """The event that opens a run: the plan's digest, its counts in words, its dangers and what it withholds."""
    missing = frozenset(unconsented(plan))
    return Event(
        "planned",
        time,
        detail={
            "plan": plan_digest(plan),
            "steps": len(plan.steps),
            "summary": summary(plan),
            "dangers": [
                {
                    "class": one.cls.value,
                    "address": str(one.address) if one.address else None,
                    "message": one.message,
                    "consented": one not in missing and one.cls not in NO_CONSENT,
                }
                for one in plan.dangers
            ],
            "withheld": [
                {"address": str(one.address), "action": one.action.value, "message": one.message}
                for one in plan.withheld
            ],
        },
    )


class Unconsented(ConsentMissing):
    """Dangers of a plan that lack a consent: one finding each, with the option to add."""

    def __init__(self, dangers: Sequence[Danger]) -> None:
        super().__init__("nothing was done: the plan holds dangers that nobody has consented to")
        self.dangers = tuple(dangers)

    def diagnostics(self) -> Sequence[Diagnostic]:
        return (Diagnostic(self.summary), *(Diagnostic(*_demand(one)) for one in self.dangers))


def _demand(danger: Danger) -> tuple[str, str]:
    """What would be lost, and what to add, as a finding's summary and fix."""
    subject = f" {danger.address}" if danger.address else ""
    what = f"{danger.cls.value}{subject}: {danger.message}"
    if danger.cls in NO_CONSENT:
        return what, "No option overrides this; lift it in the manifest and apply that first"
    return what, f"To accept it, add: {allow_option(danger)}"
