"""A run as it happens, on a terminal, off it, and for programs."""

import errno
import io
import json
import sys
import threading

import pytest
from rich.console import Console

from declarative.cli.board import Board
from declarative.cli.progress import JsonLines, PlainLines
from declarative.cli.screen import Screen
from declarative.model import Action, Address, Basis, Binding, Event, Plan, Reason, Resource, Step

TIME = "2026-01-02T03:04:05Z"
BASIS = Basis("shop", "prod", "d" * 64, {}, Binding("p", "r", "h"), "l", 1, "0.1.0", TIME, "2026-01-03T03:04:05Z")


class Monotonic:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Monotonic()


def event(kind, name="shop", **detail):
    return Event(kind, TIME, Address("ProtectionGroup", name), Action.CREATE, {"step": f"create:{name}", **detail})


def run_started(steps):
    return Event("run-started", TIME, detail={"steps": steps, "plan": "ab"})


def test_plain_lines_tell_each_event_with_the_time_since_the_start(capsys, clock):
    progress = PlainLines(Screen(), monotonic=clock)
    progress.event(event("step-started"))
    clock.now += 1.25
    progress.event(event("step-done", seconds=1.2, id="g1"))
    progress.say("Interrupted")
    progress.close()
    assert capsys.readouterr() == (
        "",
        (
            "[    0.0 s] ProtectionGroup/shop: creating\n"
            "[    1.2 s] ProtectionGroup/shop: created after 1.2 s (id g1)\n"
            "[    1.2 s] Interrupted\n"
        ),
    )


def test_plain_lines_repeat_no_status(capsys, clock):
    progress = PlainLines(Screen(), monotonic=clock)
    for status in ("INIT", "INIT", "RUNNING", "RUNNING"):
        progress.event(event("step-progress", status=status))
    assert [line.split(", ")[1] for line in capsys.readouterr().err.splitlines()] == ["INIT", "RUNNING"]


def test_json_lines_hold_one_object_each(capsys):
    progress = JsonLines(Screen())
    progress.event(event("step-started"))
    progress.event(event("warning", summary="a\nb\x1b"))
    progress.say("for people")
    progress.close()
    out, err = capsys.readouterr()
    assert [json.loads(line)["type"] for line in out.splitlines()] == ["step-started", "warning"]
    assert err == "for people\n"


@pytest.fixture
def terminal():
    return Console(file=io.StringIO(), force_terminal=True, width=100, height=30, markup=False, highlight=False)


def board_text(board, console):
    with console.capture() as captured:
        console.print(board.draw())
    return captured.get()


def test_the_board_shows_what_runs_and_how_far_all_is(clock, terminal):
    board = Board(Screen(), console=terminal, monotonic=clock)
    board.event(run_started(4))
    board.close()
    board.event(event("step-started", "a"))
    clock.now += 61
    board.event(event("step-started", "b"))
    board.event(event("step-progress", "a", status="RUNNING", percent=40))
    board.event(event("step-started", "c"))
    board.event(event("step-failed", "c", summary="no", fix=""))
    lines = board_text(board, terminal).splitlines()
    assert lines[0].split() == ["1m", "01s", "ProtectionGroup/a", "creating,", "RUNNING", "40", "%"]
    assert lines[1].split() == ["0s", "ProtectionGroup/b", "creating"]
    assert lines[2].split()[1:] == ["1/4,", "1", "failed", "1m", "01s"]


def test_clock_of_the_board_starts_with_the_run(clock, terminal):
    board = Board(Screen(), console=terminal, monotonic=clock)
    clock.now += 14  # at the question
    board.event(run_started(4))
    board.close()
    clock.now += 2
    assert board_text(board, terminal).splitlines()[-1].split()[-1] == "2s"


def test_finished_lines_of_a_terminal_hold_no_ids_and_are_wrapped(clock):
    console = Console(file=io.StringIO(), force_terminal=True, width=60, height=30, color_system=None)
    board = Board(Screen(), console=console, monotonic=clock)
    board.event(event("step-done", seconds=2.1, id="5fb92d6c-b0cb-46c9-824b-b90ec5500ae6"))
    board.event(
        event("step-failed", summary="group creation failed: no space is left in the zone (SDRS.1014)", fix="Wait.")
    )
    assert console.file.getvalue().splitlines() == [
        "ProtectionGroup/shop: created after 2.1 s",
        "ProtectionGroup/shop: create failed: group creation failed:",
        "  no space is left in the zone (SDRS.1014). Wait.",
    ]


def test_board_estimates_what_is_left_once_it_has_evidence(clock, terminal):
    addresses = [Address("ProtectionGroup", name) for name in "ab"]
    steps = [Step(f"create:{one.name}", one, Action.CREATE, Reason.NEW, Resource(one, "")) for one in addresses]
    board = Board(Screen(), console=terminal, monotonic=clock)
    board.reviewed(Plan(BASIS, steps=tuple(steps)))
    board.event(run_started(2))
    board.close()
    board.event(event("step-started", "a"))
    assert "left" not in board_text(board, terminal)
    clock.now += 30
    board.event(event("step-done", "a", seconds=30.0, id="x"))
    assert board_text(board, terminal).splitlines()[-1].endswith("1/2  30s, about 30s left")


def test_notes_are_printed_above_a_board_and_as_lines_without_one(capsys, clock, terminal):
    screen = Screen()
    board = Board(screen, console=terminal, monotonic=clock)
    screen.note("before")
    board.event(run_started(1))
    screen.note("meanwhile")
    board.close()
    screen.note("after")
    assert capsys.readouterr().err == "before\nafter\n"
    assert "meanwhile" in terminal.file.getvalue()


def test_the_board_shows_twenty_steps_at_most(clock, terminal):
    board = Board(Screen(), console=terminal, monotonic=clock)
    for number in range(500):
        board.event(event("step-started", f"g{number}"))
    lines = board_text(board, terminal).splitlines()
    assert len(lines) == 22
    assert lines[20] == "  … and 480 more"


def test_ten_thousand_steps_are_printed_in_few_batches(clock, terminal):
    class Counting(Console):
        prints = 0

        def print(self, *objects, **attributes):
            type(self).prints += 1
            super().print(*objects, **attributes)

    console = Counting(file=io.StringIO(), force_terminal=True, width=100, height=30)
    board = Board(Screen(), console=console, monotonic=clock)
    board.event(run_started(10_000))
    console.prints = Counting.prints = 0
    for number in range(10_000):
        clock.now += 0.001
        board.event(event("step-started", f"g{number}"))
        board.event(event("step-done", f"g{number}", seconds=0.1, id="x"))
    board.close()
    assert console.file.getvalue().count("created after") == 10_000
    assert Counting.prints < 500


def test_what_has_ended_is_shown_though_nothing_else_happens(clock):
    class Watched(Console):
        shown = threading.Event()

        def print(self, *objects, **attributes):
            super().print(*objects, **attributes)
            if self.file.getvalue().count("created after") == 2:
                self.shown.set()

    console = Watched(file=io.StringIO(), force_terminal=True, width=100, height=30)
    board = Board(Screen(), console=console, monotonic=clock)
    board.event(run_started(3))
    board.event(event("step-done", "a", seconds=0.1, id="x"))
    board.event(event("step-done", "b", seconds=0.1, id="y"))
    try:
        assert console.shown.wait(20)
    finally:
        board.close()


def test_a_terminal_that_nobody_reads_does_not_hold_up_the_run(clock):
    class Stalled(io.StringIO):
        reading = threading.Event()

        def write(self, text):
            self.reading.wait()
            return super().write(text)

    file = Stalled()
    file.reading.set()
    board = Board(Screen(), console=Console(file=file, force_terminal=True, width=100, height=30), monotonic=clock)
    board.event(run_started(200))

    def run():
        for number in range(100):
            board.event(event("step-started", f"g{number}"))
            board.event(event("step-done", f"g{number}", seconds=0.1, id="x"))

    file.reading.clear()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    still_running = thread.is_alive()
    file.reading.set()
    board.close()
    assert not still_running
    assert file.getvalue().count("created after") == 100


def test_data_is_no_markup_on_the_board(clock, terminal):
    board = Board(Screen(), console=terminal, monotonic=clock)
    board.event(event("step-failed", summary="[red]x[/red]\x1b[2J", fix=""))
    text = terminal.file.getvalue()
    assert "[red]x[/red]\\x1b[2J" in text


def test_closing_gives_the_terminal_back(clock, terminal):
    board = Board(Screen(), console=terminal, monotonic=clock)
    board.event(run_started(1))
    board.event(event("step-done", seconds=0.1, id="x"))
    board.close()
    board.close()
    text = terminal.file.getvalue()
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "created after" in text


def test_a_process_that_leaves_at_once_shows_the_cursor_again(clock, tmp_path):
    with (tmp_path / "terminal").open("w") as file:
        board = Board(Screen(), console=Console(file=file, force_terminal=True, width=100), monotonic=clock)
        board.abandon()
        board.event(run_started(1))
        board.abandon()
        shown = (tmp_path / "terminal").read_text()
        board.close()
    assert shown.count("\x1b[?25h") == 1


class Gone(io.StringIO):
    """A terminal that somebody has closed."""

    def isatty(self):
        return True

    def write(self, text):
        raise OSError(errno.EIO, "Input/output error")


def test_a_board_on_a_terminal_that_is_gone_stops_nothing(monkeypatch, clock):
    monkeypatch.setattr(sys, "stderr", Gone())
    board = Board(Screen(), monotonic=clock)
    board.event(run_started(1))
    board.event(event("step-started"))
    board.say("Interrupted")
    board.event(event("step-failed", summary="refused"))
    board.close()
