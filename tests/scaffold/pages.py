"""Pages of the docs, followed by copy and paste: their commands run in one shell, and their outputs compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import declarative

_COMMAND = "import sys; sys.argv[0] = 'declarative'; from declarative.cli.main import run; run()"
_MARK = "@@@ next @@@"


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def steps(page: str) -> list[tuple[str, str]]:
    """Every command that the page shows, with the output that it shows for it."""
    found = []
    for block in blocks(page, "console"):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            found.append((command, output))
    return found


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
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DECLARATIVE_", "SDRS_", "OS_"))}
    return {
        **kept,
        **extra,
        "PATH": f"{command.parent}:{kept['PATH']}",
        "PYTHONPATH": str(Path(declarative.__file__).parents[1]),
        "XDG_STATE_HOME": str(folder / "marks"),
        "no_proxy": "127.0.0.1",
    }


def printed(folder: Path, environ: Mapping[str, str], commands: Iterable[str]) -> list[str]:
    """What each command prints on standard output, all of them run by one shell."""
    lines = [line for command in commands for line in (command, f"code=$?; echo '{_MARK}'; (exit $code)")]
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)], cwd=folder, env=environ, stdout=subprocess.PIPE, text=True, timeout=200
    )
    return done.stdout.split(f"{_MARK}\n")[:-1]


def follow(page: str, folder: Path, environ: Mapping[str, str]) -> None:
    """Run every command of a page in order, and compare what it prints with what the page shows."""
    shown = steps(page)
    texts = printed(folder, environ, [command for command, _ in shown])
    for (command, output), text in zip(shown, texts, strict=True):
        assert re.fullmatch(pattern(output), text), f"{command}\n--- the page\n{output}--- is\n{text}"
