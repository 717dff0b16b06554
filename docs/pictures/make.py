"""Make the pictures of the documentation from real runs against the simulator, on a pseudo-terminal of 80 columns.

Run it after a change of what is printed: `python docs/pictures/make.py`. It needs no network and takes half a minute.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).resolve().parent))
from terminal import Cell, Terminal, svg  # noqa: E402

COLUMNS = 80
_PATIENCE = 60.0  # seconds
_CODE = "import sys; sys.argv[0] = 'declarative'; from declarative.cli.main import run; run()"
_EXAMPLE = ROOT / "examples" / "three-tier"


class Session:
    """A command on a terminal. `environment`: variables of its own."""

    def __init__(self, folder: Path, *words: str, **environment: str) -> None:
        self.terminal = Terminal(COLUMNS)
        self.terminal.feed(f"$ declarative {' '.join(words)}\r\n")
        self._controller, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (60, COLUMNS))
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE, *words],
            cwd=folder,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment},
        )
        os.close(terminal)
        self._rest = b""

    def until(self, is_enough: Callable[[str], object]) -> Session:
        """Read until what is on the screen is enough, or the command has ended. Raises TimeoutError."""
        ends = time.monotonic() + _PATIENCE
        while not is_enough("\n".join(self.terminal.text())):
            if time.monotonic() > ends:
                raise TimeoutError("\n".join(self.terminal.text()))
            if not self._read():
                break
        return self

    def answer(self, text: str) -> Session:
        """Type a line."""
        os.write(self._controller, text.encode() + b"\n")
        return self

    def ended(self) -> Session:
        """Read to the end."""
        self.until(lambda _: False)
        self._process.wait(_PATIENCE)
        return self

    def close(self) -> None:
        """End the command, if it still runs."""
        self._process.kill()
        self._process.wait()
        os.close(self._controller)

    def _read(self) -> bool:
        if not select.select([self._controller], [], [], _PATIENCE)[0]:
            raise TimeoutError
        try:
            self._rest += os.read(self._controller, 65536)
        except OSError:  # how Linux says that nobody holds the other end any more
            return False
        whole = self._rest.rfind(b"\x1b") if re.search(rb"\x1b[^A-Za-z]*$", self._rest) else len(self._rest)
        text, self._rest = self._rest[:whole], self._rest[whole:]
        try:
            self.terminal.feed(text.decode())
        except UnicodeDecodeError:  # in the middle of a character
            self._rest = text + self._rest
        return True


def _stack(folder: Path) -> Path:
    stack = folder / "shop"
    shutil.copytree(_EXAMPLE, stack)
    return stack


def _row(session: Session, pattern: str) -> int:
    """The last row that matches: a plan's verdict is its first line and its last."""
    return max(number for number, text in enumerate(session.terminal.text()) if re.search(pattern, text))


def plan(folder: Path) -> str:
    """The beginning of a plan, what it means, and its verdict."""
    session = Session(_stack(folder), "plan", "--env", "prod").ended()
    try:
        cut, meaning = _row(session, r"create ProtectionGroup/database"), _row(session, r"^What it means:")
        session.terminal.rows[cut:meaning] = [_faint(f"    … {meaning - cut - 1} lines more …"), []]
        return svg(session.terminal, "declarative plan")
    finally:
        session.close()


def board(folder: Path) -> str:
    """What runs, in the middle of an apply."""
    words = ("apply", "--env", "prod", "--auto-approve", "--max-jobs", "4")
    session = Session(_stack(folder), *words, DECLARATIVE_SIMULATOR_SPEED="40")
    session.until(lambda text: re.search(r"\n +[1-9]s  Prot\S+  creating, .*\n(?s:.*) [6-9]/15  ", text))
    try:
        return svg(session.terminal, "declarative apply", first=_row(session, r"^Plan: "))
    finally:
        session.close()


def failure(folder: Path) -> str:
    """How an apply ends in which a step has failed."""
    stack = _stack(folder)
    fault = ("--fault", "POST server-groups:fail-job=SDRS.1014:first=1")
    with subprocess.Popen(
        [sys.executable, "-c", _CODE, "simulator", "serve", "--port", "0", "--speed", "200", *fault],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    ) as served:
        try:
            lines = [served.stdout.readline() for _ in range(3)] if served.stdout else []
            pairs = [line.strip().removeprefix("export ").partition("=") for line in lines]
            cloud = {name: value.strip("'\"") for name, _, value in pairs}
            for file in stack.rglob("*.yaml"):
                file.write_text(file.read_text().replace("simulator: true", "region: simulator"))
            session = Session(stack, "apply", "--env", "prod", "--auto-approve", **cloud).ended()
        finally:
            served.terminate()
    try:
        return svg(session.terminal, "declarative apply", first=_row(session, r"^Plan: "))
    finally:
        session.close()


def finding(folder: Path) -> str:
    """What is said of a mistake, with its place."""
    stack = _stack(folder)
    file = stack / "application.yaml"
    file.write_text(file.read_text().replace("source_vpc_id", "source_vpc", 1).replace("enabled", "enable", 1))
    session = Session(stack, "validate").ended()
    try:
        return svg(session.terminal, "declarative validate")
    finally:
        session.close()


def _faint(text: str) -> list[Cell]:
    return [Cell(char, frozenset({"2"})) for char in text]


PICTURES = {"plan": plan, "board": board, "failure": failure, "finding": finding}


def main(folder: Path, names: list[str]) -> None:
    """Write the pictures, all or those named, into `folder`."""
    for name in names or PICTURES:
        with tempfile.TemporaryDirectory() as place:
            (folder / f"{name}.svg").write_text(PICTURES[name](Path(place)))


if __name__ == "__main__":
    main(Path(__file__).parent, sys.argv[1:])
