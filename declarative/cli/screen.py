"""Standard output carries the result, standard error everything else; colours only where a person looks."""

from __future__ import annotations

import errno
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from declarative.cli.delivery import Delivery
    from declarative.views.text import Line

_LINES = 1000  # that are held as text at a time; a plan may have a million
_OFF = ("", "0", "false", "no", "off")
_COLOURS = {"strong": "1", "faint": "2", "add": "32", "change": "33", "remove": "31"}


@dataclass
class Screen:
    """Where a command writes. A stream that can't be written to any more is given up: the run goes on.

    `colour`: False for none at all; True leaves it to each stream's being a terminal. `verbose`: how much more to say
    on standard error: 1, what jobs come to; 2, each request as well.
    `lost`: why standard output was given up, unless its reader merely went away. `failure`: in which form standard
    output tells of an error: a `document`, or ""; `delivery`: where else a command's result goes, and what went wrong.
    """

    colour: bool = True
    verbose: int = 0
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    lost: str = ""
    failure: str = ""
    delivery: Delivery | None = None
    waits: str = ""  # what the command waits for before its run, when it has said so
    above: Callable[[str], None] | None = None  # writes a line above what is drawn on standard error, if something is
    _closed: set[str] = field(default_factory=set)

    def out(self, text: str) -> None:
        """Write a result to standard output; a newline is added where none is."""
        self._write(sys.stdout, text if text.endswith("\n") else f"{text}\n", name="stdout")

    def err(self, text: str) -> None:
        """Write anything else to standard error; a newline is added where none is."""
        self._write(sys.stderr, text if text.endswith("\n") else f"{text}\n", name="stderr")

    def note(self, text: str) -> None:
        """Write a line to standard error, above what is drawn there."""
        (self.above or self.err)(text)

    def ask(self, text: str) -> None:
        """Write to standard error as it is, without a newline."""
        self._write(sys.stderr, text, name="stderr")

    def show(self, lines: Iterable[Line], *, to_stderr: bool = False) -> None:
        """Write lines, many at a time, coloured where the stream is a terminal."""
        stream = sys.stderr if to_stderr else sys.stdout
        form = paint if self.colours(stream) else _plain
        width = self.width(stream)
        left = iter(_wrapped(lines, width) if width else lines)
        while some := tuple(itertools.islice(left, _LINES)):
            (self.err if to_stderr else self.out)(form(some))

    def present(self, view: object, output_format: str, *, taken: bool = False) -> None:
        """Write a view in the format that was asked for.

        `taken`: standard output carries the result already. Lines go to standard error then, and nothing else is
        written twice.
        """
        from declarative.views.view import formatted

        content = formatted(view, output_format)
        if not isinstance(content, str):
            self.show(content, to_stderr=taken)
        elif not taken:
            self.out(content)

    def colours(self, stream: TextIO | None) -> bool:
        """True when text on `stream` may be coloured.

        The first that is set decides: `--no-color`, NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE, CLICOLOR=0 and TERM=dumb,
        and at last whether the stream is a terminal.
        """
        if not self.colour or self.environ.get("NO_COLOR"):
            return False
        for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):
            if wish := self.environ.get(name):
                return wish.lower() not in _OFF
        if self.environ.get("CLICOLOR") == "0" or self.environ.get("TERM") == "dumb":
            return False
        return is_terminal(stream)

    def width(self, stream: TextIO | None) -> int:
        """The columns of the terminal behind `stream`; 0 where it is none or does not tell."""
        if stream is None or not is_terminal(stream):
            return 0
        given = self.environ.get("COLUMNS", "")
        if given.isascii() and given.isdigit():
            return int(given[:4])
        try:
            return os.get_terminal_size(stream.fileno()).columns
        except (OSError, ValueError):
            return 0

    def draws(self) -> bool:
        """True when a person watches standard error on a terminal that can be drawn on; a CI system is no person."""
        in_ci = self.environ.get("CI", "").lower() not in _OFF
        return is_terminal(sys.stderr) and self.environ.get("TERM") != "dumb" and not in_ci

    def err_file(self) -> TextIO:
        """Standard error as a file for a library that draws on it; like all else here, it never fails."""
        return cast("TextIO", _NeverFails(self, sys.stderr))

    def flush(self) -> None:
        """Hand over what is still buffered."""
        self._write(sys.stdout, "", name="stdout")
        self._write(sys.stderr, "", name="stderr")

    def _write(self, stream: TextIO | None, text: str, *, name: str) -> None:
        if stream is None or name in self._closed:  # None: closed before we began, so nobody wants to read it
            return
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError) as error:
            self._give_up(stream, error, name=name)

    def _give_up(self, stream: TextIO, error: OSError | ValueError, *, name: str) -> None:
        self._closed.add(name)
        reader_left = isinstance(error, OSError) and error.errno == errno.EPIPE
        if name == "stdout" and not reader_left:
            self.lost = str(error)
        _to_nowhere(stream)


class _NeverFails:
    """A stream whose writes go by way of the screen; about everything else the stream itself is asked."""

    def __init__(self, screen: Screen, stream: TextIO) -> None:
        self._screen = screen
        self._stream = stream

    def write(self, text: str) -> int:
        self._screen.ask(text)
        return len(text)

    def flush(self) -> None:
        """What is written is flushed already."""

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def _to_nowhere(stream: TextIO) -> None:
    """Point the stream's descriptor at the null device, so that flushing it at exit fails no more."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return  # a stream without a descriptor has nothing to flush


def is_terminal(stream: TextIO | None) -> bool:
    """True when a person is at the other end; a closed or missing stream has nobody."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def paint(lines: Iterable[Line]) -> str:
    """The lines with their tones as terminal colours, each ended by a newline."""
    return "".join("".join(_painted(span.text, span.tone.value) for span in line) + "\n" for line in lines)


def _painted(text: str, tone: str) -> str:
    code = _COLOURS.get(tone)
    return f"\x1b[{code}m{text}\x1b[0m" if code and text else text


def _wrapped(lines: Iterable[Line], width: int) -> Iterator[Line]:
    from declarative.views.wrapping import wrapped

    return wrapped(lines, width)


def _plain(lines: Iterable[Line]) -> str:
    from declarative.views.text import plain

    return plain(lines)
