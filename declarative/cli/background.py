"""`simulator start` and `stop`: a served simulator in the background, one for each folder.

It keeps its ready file locked while it lives, so whether it runs is never guessed from the number of a process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from declarative.cli.embedded import SimulatorFailed
from declarative.cli.options import option
from declarative.cli.screen import is_terminal
from declarative.cli.serving import ServeCommand, serving_options
from declarative.cli.setting import Given, Setting
from declarative.clock import Clock
from declarative.errors import ExitCode, visible

if TYPE_CHECKING:
    from declarative.simulator.transport.ready_file import Running

_START, _END, _KILLED = 30.0, 10.0, 5.0  # seconds to answer, to end when asked to, and to end when killed
_PAUSE = 0.05  # seconds between looks at the ready file
_LOG_LIMIT = 4000  # characters of what a simulator says that can't start
_VARIABLES = ("SDRS_ENDPOINT", "SDRS_PROJECT_ID", "OS_AUTH_TOKEN")
# The same package as this one, behind the standard library and before what else is installed.
_CODE = """
import sys
sys.path.insert(sum("site-packages" not in one for one in sys.path), {!r})
sys.argv[0] = "declarative"
from declarative.cli.main import run
run()
"""


def ready_file(folder: Path) -> Path:
    """Where a simulator that was started for a folder says that it answers."""
    return folder / ".declarative" / "simulator.env"


@click.command(cls=ServeCommand)
@option("port", "--port", type=click.IntRange(0, 65535), default=0, help="Port; a free one by default.")
@serving_options
@click.pass_obj
def start(setting: Setting, /, **choices: Given) -> ExitCode:
    """Start a fresh simulator in the background, and return once it answers; its world lives in memory.

    It prints three export lines for a shell. Where one runs for this folder already, its lines are printed.

    \b
    Example: point this shell at a simulator:
      eval "$(declarative simulator start --speed 20)"
    """
    path = ready_file(setting.folder)
    if found := _find(path):
        return _tell_running(setting, found)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        log = os.open(path.with_suffix(".log"), os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise SimulatorFailed(f"the simulator can't be started: {error}", "Make the folder writable.") from error
    try:
        process = subprocess.Popen(  # noqa: S603 - this program itself
            _arguments(setting, path, choices),
            env={
                name: text for name, text in os.environ.items() if not name.startswith("DECLARATIVE_SIMULATOR_SERVE_")
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
    finally:
        os.close(log)
    found = _answering(path, process)
    if found is None:
        setting.screen.err(_last_words(path.with_suffix(".log")))
        return ExitCode.USAGE if process.returncode == ExitCode.USAGE else ExitCode.ERROR
    if found.pid != process.pid:
        return _tell_running(setting, found)
    process.returncode = 0  # it stays: nobody waits for it here
    setting.screen.err(f"The simulator runs (process {found.pid}). End it: {setting.call('simulator', 'stop')}")
    return _tell(setting, found)


def _arguments(setting: Setting, path: Path, choices: dict[str, Given]) -> list[str]:
    import declarative

    options = {"port": "--port", "speed": "--speed", "project": "--project-id", "token": "--token", "quota": "--quota"}
    options |= {"estate": "--estate", "accounts": "--accounts", "faults": "--fault", "rules": "--rule"}
    words = ["-C", str(setting.folder), "simulator", "serve", "--ready-file", str(path.relative_to(setting.folder))]
    for name, value in choices.items():
        values = value if isinstance(value, tuple) else () if value is None else (value,)
        words += [f"{options[name]}={one}" for one in values]
    package = str(Path(declarative.__file__).resolve().parents[1])
    return [sys.executable, "-P", "-c", _CODE.format(package), *words]


def _answering(path: Path, process: subprocess.Popen[bytes]) -> Running | None:
    """The simulator of this folder once it answers, ours or one that was faster; None if there is none."""
    for _ in _looks(_START):
        ended = process.poll() is not None
        if (found := _find(path)) is not None:
            return found
        if ended:
            return None
    process.kill()
    process.wait()
    return None


def _tell_running(setting: Setting, found: Running) -> ExitCode:
    setting.screen.err(
        f"A simulator runs here already (process {found.pid}), with the options that it was started with."
        f" End it: {setting.call('simulator', 'stop')}"
    )
    return _tell(setting, found)


def _tell(setting: Setting, found: Running) -> ExitCode:
    setting.screen.out(found.lines)
    if is_terminal(sys.stdout):
        setting.screen.err(f'Load these lines into the shell: eval "$({setting.call("simulator", "start")})"')
    return ExitCode.OK


def _last_words(log: Path) -> str:
    try:
        text = log.read_text(encoding="utf-8", errors="replace")[-_LOG_LIMIT:]
    except OSError:
        text = ""
    said = "\n".join(visible(line) for line in text.splitlines())
    return said or "error: the simulator did not start, and said nothing."


@click.command()
@click.pass_obj
def stop(setting: Setting) -> None:
    """Stop the simulator that `start` has started for this folder; its world is gone then.

    It prints a line that removes its variables from a shell.

    \b
    Example:
      eval "$(declarative simulator stop)"
    """
    from declarative.simulator import WorldError
    from declarative.simulator.transport.ready_file import remove_stale

    path = ready_file(setting.folder)
    found = _find(path)
    if found is not None:
        _end(path, found)
    try:
        left = remove_stale(path)
    except WorldError as error:
        raise SimulatorFailed(str(error)) from error
    if found is not None:
        setting.screen.err(f"The simulator has ended (process {found.pid}).")
    elif left:
        setting.screen.err("The simulator that was started here has ended before; what it had left is removed.")
    else:
        setting.screen.err("No simulator runs here: nothing to stop.")
        return
    setting.screen.out(f"unset {' '.join(_VARIABLES)}")


def _end(path: Path, found: Running) -> None:
    """Ask the simulator to end, and kill it when it doesn't."""
    for number, seconds in ((signal.SIGTERM, _END), (signal.SIGKILL, _KILLED)):
        _signal(path, found, number)
        if any(_find(path) != found for _ in _looks(seconds)):
            return
    raise SimulatorFailed(f"the simulator does not end (process {found.pid})")


def _signal(path: Path, found: Running, number: int) -> None:
    """Send a signal to this simulator, and to no other process that may have its number by now.

    The process is pinned down first. If its lock is still held after that, it is the one that holds it.
    """
    from declarative.simulator.transport.ready_file import started_at

    with contextlib.ExitStack() as kept, contextlib.suppress(ProcessLookupError):
        send: Callable[[], None]
        if sys.platform == "linux":
            pinned = os.pidfd_open(found.pid)
            kept.callback(os.close, pinned)

            def send() -> None:
                signal.pidfd_send_signal(pinned, number)
        else:

            def send() -> None:
                os.kill(found.pid, number)

        if started_at(found.pid) != found.started:
            raise SimulatorFailed(
                f"process {found.pid} is not the simulator that runs here; it may run in another container",
                "Stop it there.",
            )
        if _find(path) == found:
            try:
                send()
            except PermissionError as error:
                raise SimulatorFailed(
                    f"process {found.pid} can't be stopped: {error}", "Stop it as its user."
                ) from error


def _find(path: Path) -> Running | None:
    from declarative.simulator import WorldError
    from declarative.simulator.transport.ready_file import find_running

    try:
        return find_running(path)
    except WorldError as error:
        raise SimulatorFailed(str(error)) from error


def _looks(seconds: float) -> Iterator[None]:
    """Yield at once, and after each short pause until so many seconds have passed."""
    clock = Clock()
    ends = clock.elapsed() + seconds
    while True:
        yield
        if clock.elapsed() > ends:
            return
        clock.pause(_PAUSE)
