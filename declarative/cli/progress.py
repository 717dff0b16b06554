"""A run as it happens: plain lines, or one JSON object a line for programs. The live board is in `board`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import click

from declarative.cli.heartbeat import Heartbeat, Ticking
from declarative.cli.screen import Screen
from declarative.model import Event, Plan
from declarative.views.entries import verbs
from declarative.views.events import doing, event_line, event_text, verb_of
from declarative.views.text import Tone
from declarative.views.wrapping import prose

ENDED = frozenset({"step-done", "step-failed", "step-continues"})
TONES = {
    "step-done": Tone.ADD,
    "step-failed": Tone.REMOVE,
    "step-continues": Tone.CHANGE,
    "warning": Tone.CHANGE,
}

Monotonic = Callable[[], float]


class Progress(Protocol):
    """Shows the events of one run. Each event costs little, however many steps there are.

    `takes_stdout`: standard output carries the events, so everything else goes to standard error.
    """

    takes_stdout: bool

    def open(self) -> None:
        """The command begins: from now on, a sign of life is given in every long silence."""

    def reviewed(self, plan: Plan) -> None:
        """The plan is shown next, and perhaps asked about: be silent, and speak of its steps as it does."""

    def event(self, event: Event) -> None:
        """Show, or remember for showing, what happened."""

    def say(self, text: str) -> None:
        """Tell the person something that is no event."""

    def close(self) -> None:
        """The run is over: show what is left and give the terminal back. May be called twice."""

    def abandon(self) -> None:
        """The process leaves at once, maybe in the middle of a write: only undo what the terminal would keep."""


@dataclass
class Running:
    """A step that runs. `since`: on the monotonic clock."""

    address: str
    doing: str
    since: float
    status: str = ""


@dataclass
class Tally:
    """What runs, and how many steps have ended; `stage` is what the command is at."""

    monotonic: Monotonic
    running: dict[str, Running] = field(default_factory=dict)
    verbs: Mapping[str, str] = field(default_factory=dict)
    total: int = 0
    ended: int = 0
    failed: int = 0
    stage: str = "preparing"
    began: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.monotonic()

    def note(self, event: Event) -> None:
        """Count an event in."""
        step = str(event.detail.get("step", ""))
        if event.type == "run-started":  # the clock begins here: what a person took for the answer is no work
            self.stage, self.began, self.total = "running", self.monotonic(), int(event.detail.get("steps", 0))
        elif event.type == "run-ended":
            self.stage = "over"
        elif event.type == "step-started":
            doing_ = doing(verb_of(event, self.verbs))
            self.running[step] = Running(str(event.address), doing_, self.monotonic())
        elif event.type in ENDED:
            self.running.pop(step, None)
            self.ended += 1
            self.failed += event.type == "step-failed"

    def alive(self, waits: str) -> str:
        """One line for a long silence; empty when nobody would miss it. `waits`: what is waited for before a run."""
        now = self.monotonic()
        if self.stage == "preparing":
            return f"still {waits or 'preparing'}, {clock(now - self.began)} so far"
        if self.stage != "running":
            return ""
        done = f"{self.ended} of {max(self.total, self.ended)} done"
        if not self.running:
            return f"{done}, reading back what was made"
        longest = min(self.running.values(), key=lambda one: one.since)
        what = f"longest {longest.address} {longest.doing} for {clock(now - longest.since)}"
        failures = f", {self.failed} failed" if self.failed else ""
        return f"{len(self.running)} running, {what}; {done}{failures}"


def clock(seconds: float) -> str:
    """A time that runs, e.g. `12s`, `4m 05s` or `1h 02m`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {rest:02d}s" if minutes else f"{rest}s"


@dataclass
class JsonLines:
    """One JSON object a line on standard output, as `schemas/events.json` says."""

    screen: Screen
    takes_stdout: bool = True

    def open(self) -> None:
        return

    def reviewed(self, plan: Plan) -> None:
        return

    def event(self, event: Event) -> None:
        self.screen.out(event_line(event))

    def say(self, text: str) -> None:
        self.screen.err(text)

    def close(self) -> None:
        return

    def abandon(self) -> None:
        return


class PlainLines:
    """One line an event on standard error, with the seconds since the run began; a repeated status is left out."""

    takes_stdout = False

    def __init__(self, screen: Screen, *, monotonic: Monotonic = time.monotonic) -> None:
        self._screen = screen
        self._monotonic = monotonic
        self._tally = Tally(monotonic)
        self._heartbeat = Heartbeat(monotonic)
        self._lock = threading.Lock()
        self._ticking: Ticking | None = None
        self._last: dict[str, str] = {}

    def open(self) -> None:
        self._ticking = self._ticking or Ticking(self.tick)

    def reviewed(self, plan: Plan) -> None:
        with self._lock:
            self._tally.stage, self._tally.verbs = "asking", verbs(plan.steps)

    def event(self, event: Event) -> None:
        with self._lock:
            self._tally.note(event)
        if event.type == "run-started":
            self._heartbeat.restart()
        self._screen.waits = ""
        text = event_text(event, verbose=self._screen.verbose > 0, verbs=self._tally.verbs)
        step = str(event.detail.get("step", ""))
        if not text or (event.type == "step-progress" and self._last.get(step) == text):
            return
        if event.type == "step-progress":
            self._last[step] = text
        elif event.type in ENDED:
            self._last.pop(step, None)
        self._line(text, TONES.get(event.type, Tone.PLAIN))

    def say(self, text: str) -> None:
        self._line(text, Tone.PLAIN)

    def tick(self) -> None:
        """Give a sign of life, if one is due."""
        if self._heartbeat.is_due():
            with self._lock:
                text = self._tally.alive(self._screen.waits)
            if text:
                self._line(text, Tone.FAINT)

    def close(self) -> None:
        if self._ticking is not None:
            self._ticking.close()
            self._ticking = None

    def abandon(self) -> None:
        return

    def _line(self, text: str, tone: Tone) -> None:
        self._heartbeat.heard()
        self._screen.show([prose(f"[{self._monotonic() - self._tally.began:7.1f} s] {text}", tone)], to_stderr=True)


def plain_lines(screen: Screen) -> PlainLines:
    """Lines for a command without a board, which give signs of life until the command ends."""
    lines = PlainLines(screen)
    lines.open()
    if context := click.get_current_context(silent=True):
        context.call_on_close(lines.close)
    return lines
