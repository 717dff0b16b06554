"""How a run talks to its front end: the review of its plan, and its events."""

from __future__ import annotations

from typing import Protocol

from declarative.errors import DeclarativeError
from declarative.model import Event, Plan


class Watch(Protocol):
    """How a run talks to its front end."""

    def event(self, event: Event) -> None:
        """Show one event."""

    def review(self, plan: Plan) -> Plan:
        """Show the plan and ask. Returns it, after a person's yes as `agreed(plan)`; raises what ends the run.

        Whether all dangers are consented to is judged afterwards, whatever is returned.
        """


class Declined(DeclarativeError):
    """The question whether to apply was answered with no."""

    id = "declined"
