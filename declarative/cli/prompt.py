"""The review of a plan: show it, look for consents, ask, and take nothing but `yes` for a yes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TextIO

from declarative.cli.delivery import Delivery
from declarative.cli.progress import Progress
from declarative.cli.screen import Screen, is_terminal
from declarative.cli.signals import answering
from declarative.errors import UsageError, shown
from declarative.model import Event, Plan
from declarative.planner.consents import Unconsented, agreed, given_by_yes, unconsented
from declarative.views.events import planned
from declarative.views.plans import Manner, plan_lines


@dataclass
class Front:
    """How a run talks to a person or a program: reviews its plan, shows its events.

    `confirmed`: the question is answered beforehand (`--auto-approve`); that consents to nothing. `deliver` is
    told the plan, for the renders of a run that fails, and may take standard output. `manner`: how the plan is shown;
    what to paste where a consent lacks stands in the refusal.
    """

    screen: Screen
    progress: Progress
    stamp: Callable[[], str]
    confirmed: bool = False
    deliver: Delivery | None = None
    manner: Manner = field(default_factory=Manner)

    def event(self, event: Event) -> None:
        self.progress.event(event)

    def review(self, plan: Plan) -> Plan:
        """Show the plan, and return it with the consents that the answer gives.

        Raises Unconsented for dangers that nobody has consented to, UsageError when nobody can be asked, and
        Declined when the answer is anything but `yes`.
        """
        self.progress.reviewed(plan)
        self.show(plan)
        if not plan.has_changes():
            return plan
        answerable = not self.confirmed and is_terminal(sys.stdin)
        answered = agreed(plan) if answerable else plan
        if missing := unconsented(answered):
            raise Unconsented(missing, fixed=self.manner.fixed)
        if self.confirmed:
            return plan
        if not answerable:
            raise UsageError(
                "this would have to ask whether to go on, but there is no terminal to ask on",
                "Review the plan and add --auto-approve.",
            )
        self._ask(plan)
        return answered

    def show(self, plan: Plan) -> None:
        """The plan on standard output; where that carries events, one event there and the text for the person."""
        if self.deliver is not None:
            self.deliver.plan = plan
        events = self.progress.takes_stdout
        if events:
            self.event(planned(plan, self.stamp()))
        if not (events and self.confirmed):
            aside = events or (self.deliver is not None and self.deliver.takes_stdout)
            manner = replace(self.manner, full=self.screen.verbose > 0, paste=False)
            self.screen.show(plan_lines(plan, missing=unconsented(plan), manner=manner), to_stderr=aside)

    def _ask(self, plan: Plan) -> None:
        if more := given_by_yes(plan):
            self.screen.err(f"\nA yes also consents to {more}, as listed under Dangers.")
        said_yes(
            self.screen,
            f'\nApply this plan to {shown(plan.basis.environment)}? Only "yes" will be accepted: ',
            instead="--auto-approve",
        )


def _forget_typed(stream: TextIO) -> None:
    """Drop what was typed before the question: it answers something else."""
    try:
        import termios
    except ImportError:  # elsewhere than on POSIX
        return
    with contextlib.suppress(OSError, ValueError, termios.error):
        termios.tcflush(stream.fileno(), termios.TCIFLUSH)


def said_yes(screen: Screen, question: str, *, instead: str) -> None:
    """Ask. Raises Declined for any other answer than `yes`, UsageError where there is nobody to ask."""
    from declarative.workflow.watch import Declined

    if not is_terminal(sys.stdin):
        raise UsageError("this would have to ask, but there is no terminal to ask on", f"Add {instead}.")
    _forget_typed(sys.stdin)
    screen.ask(question)
    with answering():
        answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        screen.err("")
    if answer.strip() != "yes":
        raise Declined("nothing was done: the answer was not yes")
