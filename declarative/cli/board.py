"""A run as a live board on a terminal: what runs, how far all is, and above it what has ended."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from itertools import islice
from typing import TYPE_CHECKING

from declarative.cli.estimate import Estimate, in_words
from declarative.cli.heartbeat import Heartbeat, Ticking
from declarative.cli.progress import ENDED, TONES, Monotonic, Running, Tally, clock
from declarative.cli.screen import Screen
from declarative.model import Event, Plan
from declarative.views.entries import verbs
from declarative.views.events import event_text, status_text
from declarative.views.text import Tone
from declarative.views.wrapping import prose, wrapped

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

_SHOWN_STEPS = 20
_REFRESHES_PER_SECOND = 8
_SHOW_CURSOR = b"\x1b[?25h\n"
_TERSE = frozenset({"step-started", "step-progress"})  # on the board these have their own line
_STYLES = {Tone.ADD: "green", Tone.REMOVE: "red", Tone.CHANGE: "yellow", Tone.FAINT: "dim"}


class Board:
    """Lines for the steps that run, a bar over all, and above them, for good, what has ended.

    An event only changes what is remembered. A thread draws the board from that a few times a second, so that clocks
    go on while nothing happens, and prints at the same pace what has ended meanwhile.

    rich.progress keeps such lines itself, but draws at every new one, in the thread that adds it: where nobody reads
    the terminal (Ctrl-S), the run would stand still. It takes ten times the CPU, 3.5 s for 10,000 steps, and 7 ms more
    to load; the thread, the batches and the limit of lines would stay.
    """

    takes_stdout = False

    def __init__(
        self, screen: Screen, *, console: Console | None = None, monotonic: Monotonic = time.monotonic
    ) -> None:
        from rich.console import Console

        self._screen = screen
        self._console = console or Console(file=screen.err_file(), markup=False, highlight=False, emoji=False)
        self._colour = not self._console.no_color and screen.colour
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._printing = threading.Lock()
        self._ticking: Ticking | None = None
        self._tally = Tally(monotonic)
        self._estimate = Estimate(monotonic)
        self._heartbeat = Heartbeat(monotonic)
        self._pending: list[tuple[str, Tone]] = []
        self._live: Live | None = None

    def open(self) -> None:
        self._ticking = self._ticking or Ticking(self._tick, seconds=1 / _REFRESHES_PER_SECOND, name="board")

    def reviewed(self, plan: Plan) -> None:
        self._flush()
        with self._lock:
            self._tally.stage, self._tally.verbs = "asking", verbs(plan.steps)
            self._estimate.planned(plan.steps)

    def event(self, event: Event) -> None:
        self._screen.waits = ""
        with self._lock:
            self._note(event)
            text = event_text(event, verbose=self._screen.verbose > 0, ids=False, verbs=self._tally.verbs)
            if event.type not in _TERSE and event.type != "run-started" and text:
                self._pending.append((text, TONES.get(event.type, Tone.PLAIN)))
        if event.type == "run-started":
            self._start()
        elif self._live is None:
            self._flush()

    def say(self, text: str) -> None:
        with self._lock:
            self._pending.append((text, Tone.CHANGE))
        self._flush()

    def _say_later(self, text: str) -> None:
        with self._lock:
            self._pending.append((text, Tone.PLAIN))

    def close(self) -> None:
        self._screen.above = None
        if self._ticking is not None:
            self._ticking.close()
            self._ticking = None
        self._flush()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def abandon(self) -> None:
        if self._live is not None:
            with contextlib.suppress(OSError, ValueError):
                os.write(self._console.file.fileno(), _SHOW_CURSOR)

    def _start(self) -> None:
        from rich.live import Live

        if self._live is not None or not self._tally.total:
            return
        live = Live(
            console=self._console,
            get_renderable=self.draw,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        live.start(refresh=True)
        self._live = live  # from here on the thread draws it
        self._screen.above = self._say_later
        self.open()

    def _tick(self) -> None:
        if self._live is not None:
            self._flush()
            self._live.refresh()
        elif self._tally.stage == "preparing" and self._heartbeat.is_due():
            with self._lock:
                self._pending.append((self._tally.alive(self._screen.waits), Tone.FAINT))
            self._flush()

    def _note(self, event: Event) -> None:
        step = str(event.detail.get("step", ""))
        self._tally.note(event)
        if event.type == "run-started":
            self._estimate.begins(self._tally.total)
        elif event.type == "step-started":
            self._estimate.started(step)
        elif event.type == "step-progress" and step in self._tally.running:
            self._tally.running[step].status = status_text(event.detail)
        elif event.type in ENDED:
            self._estimate.ended(step, is_done=event.type == "step-done")

    def _flush(self) -> None:
        """Print what has ended since the last time, in the order in which it came."""
        from rich.text import Text

        with self._printing:
            with self._lock:
                pending, self._pending = self._pending, []
            if pending:
                rows = [(row, tone) for text, tone in pending for row in wrapped([prose(text)], self._console.width)]
                texts = (
                    Text("".join(span.text for span in row), style=_STYLES.get(tone, "") if self._colour else "")
                    for row, tone in rows
                )
                self._console.print(Text("\n").join(texts), soft_wrap=True)

    def draw(self) -> RenderableType:
        """The board as it is now: at most 20 running steps, the longest first, and the bar."""
        from rich.text import Text

        with self._lock:
            tally = self._tally
            running = list(islice(tally.running.values(), _SHOWN_STEPS))
            hidden = len(tally.running) - len(running)
            total, ended, failed = max(tally.total, tally.ended), tally.ended, tally.failed
            left = in_words(self._estimate.seconds_left(), clock)
        now = self._monotonic()
        rows = [Text(self._row(step, now=now), no_wrap=True, overflow="ellipsis") for step in running]
        if hidden > 0:
            rows.append(Text(f"  … and {hidden} more"))
        failures = f", {failed} failed" if failed else ""
        bar = _bar(ended, total, width=max(10, min(40, self._console.width - 56)))
        told = ", ".join(filter(None, (clock(now - tally.began), left)))
        rows.append(Text(f"  {bar} {ended}/{total}{failures}  {told}", no_wrap=True))
        return Text("\n", no_wrap=True, overflow="ellipsis").join(rows)

    @staticmethod
    def _row(step: Running, *, now: float) -> str:
        status = f", {step.status}" if step.status else ""
        return f"  {clock(now - step.since):>7}  {step.address}  {step.doing}{status}"


def _bar(ended: int, total: int, *, width: int) -> str:
    full = width * ended // total if total else width
    return "━" * full + "╌" * (width - full)
