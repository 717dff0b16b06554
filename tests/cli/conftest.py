"""The command line as a person or a pipeline uses it, in a folder of its own, on the embedded simulator."""

import io
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from declarative.cli.main import main

GOLDEN = Path(__file__).parent / "golden"
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"

_MASKS = (
    (r"\b[0-9a-f]{64}\b", "<digest>"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<id>"),
    (r"\b[0-9a-f]{32}\b", "<id>"),
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?", "<time>"),
    (r"plan [0-9a-f]{12}\b", "plan <digest>"),
    (r"\[ +\d+\.\d s\]", "[<elapsed>]"),
    (r" after \d+\.\d s", " after <seconds>"),
    (r'"seconds":\d+(\.\d+)?', '"seconds":<seconds>'),
    (r"applied already, by \S+?\.", "applied already, by <user>."),
    (r"(apply|destroy|import|state mv|state rm|state restore)( [A-Za-z0-9/ ]+)? by \S+:", r"\1\2 by <user>:"),
)


class Person(io.StringIO):
    """Somebody at a terminal, with what they will type."""

    def isatty(self):
        return True


@dataclass(frozen=True)
class Ran:
    """What became of one command."""

    arguments: tuple
    code: int
    out: str
    err: str

    def masked(self, folder):
        """The command and its end as a golden file keeps it."""
        text = (
            f"$ declarative {' '.join(self.arguments)}\nexit {self.code}\n--- stdout\n{self.out}--- stderr\n{self.err}"
        )
        text = text.replace(str(folder), "<folder>")
        for pattern, mask in _MASKS:
            text = re.sub(pattern, mask, text)
        return _events_in_order(text)


def _events_in_order(text):
    """Steps that run side by side may end in any order: lines of one block of progress are sorted."""
    lines, block = [], []
    for line in text.splitlines():
        if line.startswith(("[<elapsed>]", '{"type":"step-')):
            block.append(line)
            continue
        lines += [*sorted(block), line]
        block = []
    return "\n".join([*lines, *sorted(block)]) + "\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the commands run: empty, with nothing of ours in the environment."""
    place = tmp_path / "project"
    place.mkdir()
    monkeypatch.chdir(place)
    for name in list(os.environ):
        if name.startswith(("DECLARATIVE_", "SDRS_", "OS_", "NO_COLOR", "CI", "FORCE_COLOR", "CLICOLOR")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "marks"))
    monkeypatch.setenv("DECLARATIVE_SIMULATOR_SPEED", "inf")
    return place


@pytest.fixture
def cli(folder, monkeypatch, capsys):
    """Run one command in this process; `typed` is what a person at a terminal answers, None: there is no terminal."""

    def run(*arguments, typed=None):
        monkeypatch.setattr(sys, "stdin", io.StringIO() if typed is None else Person(typed))
        code = main(arguments)
        return Ran(arguments, code, *capsys.readouterr())

    return run


@pytest.fixture
def golden(folder):
    """Compare a session of commands with its golden file; UPDATE_GOLDEN=1 writes it, to be read before it is kept."""

    def compare(name, *session):
        path = GOLDEN / f"{name}.txt"
        text = "\n".join(ran.masked(folder) for ran in session)
        if UPDATE:
            path.write_text(text)
        assert text == path.read_text(), f"UPDATE_GOLDEN=1 writes {path} anew"

    return compare
