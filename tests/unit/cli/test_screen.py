"""Where output goes, when it is coloured, and what becomes of it when nobody can read it."""

import errno
import io
import os
import sys

import pytest

from declarative.cli.screen import Screen, paint
from declarative.views.states import HistoryView, HolderView
from declarative.views.text import Span, Tone, line
from declarative.views.view import document
from declarative.views.wrapping import prose

LINES = [(Span("  "), Span("[bold]shop[/]", Tone.STRONG)), line("gone", Tone.REMOVE)]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "colour", "environ", "coloured"),
    [
        pytest.param(Terminal(), True, {}, True, id="terminal"),
        pytest.param(Terminal(), False, {}, False, id="no-color-option"),
        pytest.param(Terminal(), True, {"NO_COLOR": "1"}, False, id="NO_COLOR"),
        pytest.param(Terminal(), True, {"NO_COLOR": ""}, True, id="NO_COLOR-empty"),
        pytest.param(Terminal(), True, {"TERM": "dumb"}, False, id="dumb-terminal"),
        pytest.param(io.StringIO(), True, {}, False, id="pipe"),
        pytest.param(io.StringIO(), True, {"FORCE_COLOR": "1"}, True, id="FORCE_COLOR-in-a-pipe"),
        pytest.param(io.StringIO(), True, {"CLICOLOR_FORCE": "1", "TERM": "dumb"}, True, id="CLICOLOR_FORCE"),
        pytest.param(Terminal(), True, {"FORCE_COLOR": "0", "CLICOLOR_FORCE": "1"}, False, id="FORCE_COLOR-off"),
        pytest.param(io.StringIO(), True, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, id="NO_COLOR-wins"),
        pytest.param(io.StringIO(), False, {"FORCE_COLOR": "1"}, False, id="the-option-wins"),
        pytest.param(Terminal(), True, {"CLICOLOR": "0"}, False, id="CLICOLOR-off"),
    ],
)
def test_colours_are_for_people_who_want_them(monkeypatch, stream, colour, environ, coloured):
    monkeypatch.setattr(sys, "stdout", stream)
    Screen(colour=colour, environ=environ).show(LINES)
    assert ("\x1b[" in stream.getvalue()) is coloured
    assert "[bold]shop[/]" in stream.getvalue()


@pytest.mark.parametrize(
    ("stream", "environ", "drawn"),
    [
        pytest.param(Terminal(), {}, True, id="terminal"),
        pytest.param(Terminal(), {"CI": ""}, True, id="CI-empty"),
        pytest.param(Terminal(), {"CI": "false"}, True, id="CI-false"),
        pytest.param(Terminal(), {"CI": "true"}, False, id="CI"),
        pytest.param(Terminal(), {"TERM": "dumb"}, False, id="dumb-terminal"),
        pytest.param(io.StringIO(), {"FORCE_COLOR": "1"}, False, id="pipe"),
    ],
)
def test_board_is_drawn_only_for_a_person(monkeypatch, stream, environ, drawn):
    monkeypatch.setattr(sys, "stderr", stream)
    assert Screen(environ=environ).draws() is drawn


def test_prose_is_broken_on_a_terminal_only(monkeypatch):
    for stream, rows in ((Terminal(), 2), (io.StringIO(), 1)):
        monkeypatch.setattr(sys, "stdout", stream)
        Screen(colour=False, environ={"COLUMNS": "50"}).show([prose("word " * 15)])
        assert len(stream.getvalue().splitlines()) == rows


def test_colours_end_where_they_began():
    assert paint(LINES) == "  \x1b[1m[bold]shop[/]\x1b[0m\n\x1b[31mgone\x1b[0m\n"


def test_results_and_all_else_go_apart(capsys):
    screen = Screen()
    screen.out("result")
    screen.err("else\n")
    screen.show([line("told")], to_stderr=True)
    screen.show([])
    screen.ask("sure? ")
    assert capsys.readouterr() == ("result\n", "else\ntold\nsure? ")


def test_a_document_is_json_in_ascii():
    assert document({"b": "\x1bü", "a": [1]}) == '{\n  "b": "\\u001b\\u00fc",\n  "a": [\n    1\n  ]\n}'


def test_what_is_on_standard_output_already_is_not_written_twice(capsys):
    Screen().present(HistoryView(()), "json", taken=True)
    Screen().present(HolderView(None), "text", taken=True)
    assert capsys.readouterr() == ("", "The state is not locked.\n")


def test_a_reader_that_leaves_stops_nothing(monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        screen = Screen()
        screen.out("x" * 100_000)
        screen.out("more")
        assert screen.lost == ""


class Full(io.StringIO):
    def write(self, text):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_output_that_could_not_be_written_is_remembered(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Full())
    screen = Screen()
    screen.out("result")
    screen.out("more")
    assert "No space left" in screen.lost


def test_without_standard_error_the_work_goes_on(monkeypatch):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    screen = Screen()
    screen.err("x")
    screen.err("y")
    assert screen.lost == ""


def test_with_both_streams_closed_from_the_start_the_work_goes_on(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    screen = Screen()
    screen.show(LINES)
    screen.present(HistoryView(()), "json")
    screen.show(LINES, to_stderr=True)
    screen.flush()
    assert screen.lost == ""


def test_lines_are_written_while_others_are_still_to_be_made(monkeypatch):
    made, seen_at_first = [], []

    class Out(io.StringIO):
        def write(self, text):
            seen_at_first.append(len(made))
            return super().write(text)

    def lines():
        for number in range(5000):
            made.append(number)
            yield line(f"line {number}")

    out = Out()
    monkeypatch.setattr(sys, "stdout", out)
    Screen().show(lines())
    assert out.getvalue() == "".join(f"line {number}\n" for number in range(5000))
    assert seen_at_first[0] <= 1000


def test_no_lines_write_nothing(capsys):
    Screen().show([])
    assert capsys.readouterr().out == ""
