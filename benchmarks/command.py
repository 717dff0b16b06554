"""Running a command as a user would, and what it took."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_OTHERS = ("DECLARATIVE_", "SDRS_", "OS_", "TF_", "PYTHON")
_TAIL = 2000  # characters of the output that a failure shows


class CommandFailed(Exception):
    """A measured command did not do what it should."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What one command took. `peak_mb`: the most memory it held, in units of a million bytes."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def clean_environment() -> dict[str, str]:
    """The environment, without what would send a measured command elsewhere or make Python start slower."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}


def run(
    arguments: Sequence[str | Path], *, cwd: Path, environ: Mapping[str, str], output: Path, timeout: float = 600.0
) -> Ran:
    """Run a command to its end; `output` receives what it prints. CommandFailed unless it exits with 0 in time."""
    with output.open("wb") as stream:
        began = time.perf_counter()
        process = subprocess.Popen(
            arguments, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
        )
        timer = threading.Timer(timeout, process.kill)
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            timer.cancel()
        seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        shown = " ".join(str(argument) for argument in arguments)
        late = f" after {timeout:.0f} s" if seconds >= timeout else ""
        tail = output.read_text(errors="replace")[-_TAIL:]
        raise CommandFailed(f"`{shown}` ended with {process.returncode}{late}:\n{tail}")
    return Ran(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)
