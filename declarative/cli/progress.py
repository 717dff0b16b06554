"""A run as it happens: a live board on a terminal, plain lines elsewhere, or one JSON object a line for programs."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from declarative.cli.screen import Screen
from declarative.model import Event
from declarative.views.events import doing, event_line, event_text, status_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

_SHOWN_STEPS = 20
_REFRESHES_PER_SECOND = 8
_SHOW_CURSOR = b"\x1b[?25h\n"
_ENDED = frozenset({"step-done", "step-failed", "step-continues"})
_TERSE = frozenset({"step-started", "step-progress"})  # on the board these have their own line

Monotonic = Callable[[], float]


class Progress(Protocol):
    """Shows the events of one run. Each event costs little, however many steps there are.

    `takes_stdout`: standard output carries the events, so everything else goes to standard error.
    """

    takes_stdout: bool

    def event(self, event: Event) -> None:
        """Show, or remember for showing, what happened."""

    def say(self, text: str) -> None:
        """Tell the person something that is no event."""

    def close(self) -> None:
        """The run is over: show what is left and give the terminal back. May be called twice."""

    def abandon(self) -> None:
        """The process leaves at once, maybe in the middle of a write: only undo what the terminal would keep."""


@dataclass
class JsonLines:
    """One JSON object a line on standard output, as `schemas/events.json` says."""

    screen: Screen
    takes_stdout: bool = True

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
        self._began = monotonic()
        self._last: dict[str, str] = {}

    def event(self, event: Event) -> None:
        text = event_text(event, verbose=self._screen.verbose > 0)
        step = str(event.detail.get("step", ""))
        if not text or (event.type == "step-progress" and self._last.get(step) == text):
            return
        if event.type == "step-progress":
            self._last[step] = text
        elif event.type in _ENDED:
            self._last.pop(step, None)
        self.say(text)

    def say(self, text: str) -> None:
        self._screen.err(f"[{self._monotonic() - self._began:7.1f} s] {text}")

    def close(self) -> None:
        return

    def abandon(self) -> None:
        return


@dataclass
class _Running:
    address: str
    doing: str
    since: float
    status: str = ""


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
        self._began = monotonic()
        self._lock = threading.Lock()
        self._printing = threading.Lock()
        self._over = threading.Event()
        self._drawing: threading.Thread | None = None
        self._running: dict[str, _Running] = {}
        self._pending: list[tuple[str, str]] = []
        self._total = self._ended = self._failed = 0
        self._live: Live | None = None

    def event(self, event: Event) -> None:
        if event.type == "run-started":
            self._total = int(event.detail.get("steps", 0))
            self._start()
            return
        with self._lock:
            self._note(event)
            if event.type not in _TERSE and (text := event_text(event, verbose=self._screen.verbose > 0)):
                self._pending.append((text, _STYLES.get(event.type, "")))
        if self._live is None:
            self._flush()

    def say(self, text: str) -> None:
        with self._lock:
            self._pending.append((text, "yellow"))
        self._flush()

    def _say_later(self, text: str) -> None:
        with self._lock:
            self._pending.append((text, ""))

    def close(self) -> None:
        self._screen.above = None
        if self._drawing is not None:
            self._over.set()
            self._drawing.join()
            self._drawing = None
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

        if self._live is not None or not self._total:
            return
        self._live = Live(
            console=self._console,
            get_renderable=self.draw,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start(refresh=True)
        self._screen.above = self._say_later
        self._drawing = threading.Thread(target=self._keep_drawn, args=(self._live,), name="board", daemon=True)
        self._drawing.start()

    def _keep_drawn(self, live: Live) -> None:
        while not self._over.wait(1 / _REFRESHES_PER_SECOND):
            self._flush()
            live.refresh()

    def _note(self, event: Event) -> None:
        step = str(event.detail.get("step", ""))
        if event.type == "step-started":
            self._running[step] = _Running(str(event.address), doing(event.action), self._monotonic())
        elif event.type == "step-progress" and step in self._running:
            self._running[step].status = status_text(event.detail)
        elif event.type in _ENDED:
            self._running.pop(step, None)
            self._ended += 1
            self._failed += event.type == "step-failed"

    def _flush(self) -> None:
        """Print what has ended since the last time, in the order in which it came."""
        from rich.text import Text

        with self._printing:
            with self._lock:
                pending, self._pending = self._pending, []
            if pending:
                text = Text("\n").join(Text(line, style=style if self._colour else "") for line, style in pending)
                self._console.print(text, soft_wrap=True)

    def draw(self) -> RenderableType:
        """The board as it is now: at most 20 running steps, the longest first, and the bar."""
        from rich.text import Text

        with self._lock:
            running = list(islice(self._running.values(), _SHOWN_STEPS))
            hidden = len(self._running) - len(running)
            total, ended, failed = max(self._total, self._ended), self._ended, self._failed
        now = self._monotonic()
        rows = [Text(self._row(step, now=now), no_wrap=True, overflow="ellipsis") for step in running]
        if hidden > 0:
            rows.append(Text(f"  … and {hidden} more"))
        failures = f", {failed} failed" if failed else ""
        bar = _bar(ended, total, width=max(10, min(40, self._console.width - 40)))
        rows.append(Text(f"  {bar} {ended}/{total}{failures}  {_clock(now - self._began)}", no_wrap=True))
        return Text("\n", no_wrap=True, overflow="ellipsis").join(rows)

    @staticmethod
    def _row(step: _Running, *, now: float) -> str:
        status = f", {step.status}" if step.status else ""
        return f"  {_clock(now - step.since):>7}  {step.address}  {step.doing}{status}"


_STYLES = {"step-done": "green", "step-failed": "red", "step-continues": "yellow", "warning": "yellow"}


def _bar(ended: int, total: int, *, width: int) -> str:
    full = width * ended // total if total else width
    return "━" * full + "╌" * (width - full)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m {rest:02d}s" if minutes else f"{rest}s"
