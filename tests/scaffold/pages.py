"""Pages of the docs, followed by copy and paste: files are written, commands run in one shell, outputs compared.

Within a page, in the order in which they stand:

- a fence `console` holds commands behind `$ `, each with what it prints. Commands that continue end with a backslash.
- `…` stands for what the page leaves out: whole lines, or a part of one. A command with no output shown may print.
- a fence whose first line is `# path/of/a.file` is written to that file, below the folder in which the page begins.
- `console no-run=REASON` is not run, for that reason.

A command must succeed, unless the page asks for its code with `echo $?`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import declarative

_COMMAND = "import sys; sys.argv[0] = 'declarative'; from declarative.cli.main import run; run()"
_MARK = "@@@ next @@@"
_FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w./-]+\.(?:yaml|yml|json|tf|py|sh))")
_NO_RUN = re.compile(r" no-run=([a-z-]+)")
_CLOUD = ("DECLARATIVE_", "SDRS_", "OS_", "HW_", "TF_HTTP_", "PG", "AWS_")
_ASKS_FOR_THE_CODE = "echo $?"
_SECONDS = 300


@dataclass(frozen=True)
class Fence:
    """One fenced block: its language, the reason why it is not run, and its text."""

    language: str
    no_run: str
    text: str


@dataclass(frozen=True)
class Step:
    """A command that a page shows, with the output that it shows for it; or the writing of a file, with neither."""

    command: str
    output: str = ""


def fences(page: str) -> list[Fence]:
    """Every fenced block, in order. Words behind the language other than a reason are an error."""
    found = []
    for language, words, text in _FENCE.findall(page):
        reason = _NO_RUN.fullmatch(words)
        assert reason or not words, f"```{language}{words}"
        found.append(Fence(language, reason[1] if reason else "", text))
    return found


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return [fence.text for fence in fences(page) if fence.language == language]


def commands(fence: Fence) -> list[Step]:
    """The commands of a fence, with their outputs."""
    found = []
    for step in re.split(r"^\$ ", fence.text, flags=re.MULTILINE)[1:]:
        command, output = re.match(r"((?:[^\n]*\\\n)*[^\n]*)\n?(.*)", step, re.DOTALL).groups()
        found.append(Step(command, output))
    return found


def steps(page: str, folder: Path) -> Iterator[Step]:
    """What a reader does who follows the page in a folder."""
    for fence in fences(page):
        name = _FILE.fullmatch(fence.text.partition("\n")[0])
        if fence.language == "console":
            yield from [] if fence.no_run else commands(fence)
        elif name:
            path, parent = (shlex.quote(str(one)) for one in (folder / name[1], (folder / name[1]).parent))
            yield Step(f"mkdir -p {parent} && printf %s {shlex.quote(fence.text)} > {path}")


def pattern(output: str) -> str:
    """What the page shows as an expression: `…` stands for what it leaves out, whole lines or a part of one."""
    lines = ["(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + "\n" for line in output.splitlines()]
    return "".join(lines)


def surroundings(folder: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a person's shell, with a command `declarative` that is this checkout's."""
    command = folder / "bin" / "declarative"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{_COMMAND}" "$@"\n')
    command.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_CLOUD)}
    return {
        **kept,
        "PATH": f"{command.parent}:{kept['PATH']}",
        "PYTHONPATH": str(Path(declarative.__file__).parents[1]),
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "marks"),
        "COLUMNS": "120",
        "no_proxy": "127.0.0.1",
        **extra,
    }


@dataclass(frozen=True)
class Printed:
    """What a command printed on standard output, and its exit code."""

    text: str
    code: int


def run(folder: Path, environ: Mapping[str, str], lines: Iterable[str]) -> tuple[list[Printed], str]:
    """Run commands in one shell. Return what each printed, and all that they printed on standard error."""
    script = "\n".join(f"{line}\ncode=$?; echo '{_MARK}'$code; (exit $code)" for line in lines)
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environ, capture_output=True, text=True, timeout=_SECONDS
    )
    parts = re.split(rf"{_MARK}(\d+)\n", done.stdout)
    return [Printed(text, int(code)) for text, code in zip(parts[::2], parts[1::2], strict=False)], done.stderr


def follow(page: str, folder: Path, environ: Mapping[str, str], *, before: Iterable[str] = ()) -> None:
    """Do what a page says, and compare what its commands print with what it shows. `before` readies the shell."""
    shown = [*(Step(line) for line in before), *steps(page, folder)]
    printed, errors = run(folder, environ, [step.command for step in shown])
    for step, done, after in zip(shown, printed, [*shown[1:], Step("")], strict=True):
        place = f"{step.command}\n--- the page\n{step.output}--- is\n{done.text}--- standard error\n{errors[-1500:]}"
        assert done.code == 0 or after.command == _ASKS_FOR_THE_CODE, f"exit code {done.code}: {place}"
        assert not step.output or re.fullmatch(pattern(step.output), done.text), place
