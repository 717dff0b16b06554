"""The console's entry, and the one place where errors become text on standard error and an exit code."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

    from declarative.cli.screen import Screen
    from declarative.errors import DeclarativeError

_INTERRUPTED = 130
# Objects made and not freed, until garbage is looked for. The usual 700 cost an apply a tenth of its CPU: what it makes
# is a state and a plan, which stay, and next to nothing in cycles.
_COLLECT_AFTER = 50_000
_POOR = ("ascii", "us-ascii", "ansi_x3.4-1968", "646")
_SECRET_WORDS = ("TOKEN", "PASSWORD", "PASSWD", "PASSCODE", "SECRET", "CREDENTIAL", "_KEY", "_AK", "_SK")


def run() -> None:
    """Run the command line of this process and leave it with the command's exit code."""
    _occupy_standard_descriptors()
    if (
        sys.argv[1:] == ["--version"] and sys.stdout is not None
    ):  # asked often, by scripts: answered without loading anything
        import os

        from declarative import __version__

        try:
            # Past the buffer: what a failure left in it would fail once more at exit.
            os.write(sys.stdout.fileno(), f"declarative {__version__}\n".encode())
        except OSError:
            sys.exit(main(sys.argv[1:]))  # which knows what to say of it
        return
    import gc

    gc.set_threshold(_COLLECT_AFTER)
    sys.exit(main(sys.argv[1:]))


def _occupy_standard_descriptors() -> None:
    """Point those that were closed at the null device: else the next file that is opened would get their numbers."""
    import os

    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; nothing is raised, and no traceback is ever printed."""
    import os

    from declarative.cli.screen import Screen

    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")  # a terminal that can't show a character is no reason to end
            if stream.encoding.lower() in _POOR and not os.environ.get("PYTHONIOENCODING"):
                reconfigure(encoding="utf-8")  # the C locale says nothing of the terminal; names of files are UTF-8
    screen = Screen()
    try:
        code = _command(list(arguments), screen)
    except KeyboardInterrupt:
        screen.err("Interrupted.")
        code = _INTERRUPTED
        _tell_programs(screen, code, "the command was interrupted")
    except BrokenPipeError:
        screen.flush()
        code = 0  # whoever read the help has seen enough
    except OSError as error:
        screen.flush()
        code = 0 if screen.lost else _crashed(error, screen)  # help is written by click, without the screen
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except Exception as error:  # the process's edge: whatever it is, a person reads one line
        code = _crashed(error, screen)
    return code or _lost(screen)


def _command(arguments: list[str], screen: Screen) -> int:
    import os

    import click

    from declarative.cli.root import root
    from declarative.cli.shells import VARIABLE
    from declarative.errors import DeclarativeError

    if shell := os.environ.get(VARIABLE):
        return _complete(shell, arguments, screen)
    try:
        with root.make_context("declarative", arguments, obj=screen) as context:
            code = root.invoke(context)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        return _misused(error, screen)
    except DeclarativeError as error:
        return _failed(error, screen)
    return int(code or 0)


def _complete(shell: str, arguments: list[str], screen: Screen) -> int:
    """Answer a shell's script; whatever goes wrong, a person at the prompt sees nothing of it."""
    from declarative.cli.completions import answer
    from declarative.cli.root import root

    with contextlib.suppress(Exception):
        screen.out(answer(root, shell, arguments))
    return 0


def _misused(error: click.ClickException, screen: Screen) -> int:
    import click

    from declarative.errors import ExitCode, visible

    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        screen.err(context.get_usage())
        screen.err(f"Try '{context.command_path} --help' for help.\n")
    screen.err(f"error: {visible(error.format_message())}")
    return ExitCode.USAGE


def _failed(error: DeclarativeError, screen: Screen) -> int:
    from declarative.errors import ConsentMissing
    from declarative.views.findings import findings_lines

    if screen.delivery is not None:
        screen.delivery.failed(error.exit_code, error.diagnostics())
    elif screen.failure:
        from declarative.views.findings import FindingsView

        screen.out(FindingsView(error.diagnostics()).json())
    if isinstance(error, ConsentMissing):
        from declarative.planner.consents import Unconsented
        from declarative.views.dangers import refusal_lines

        if isinstance(error, Unconsented):  # the plan above has said what each danger is
            screen.show(refusal_lines(error), to_stderr=True)
            return error.exit_code
    screen.show(findings_lines(error.diagnostics(), ids=screen.verbose > 0), to_stderr=True)
    return error.exit_code


def _crashed(error: Exception, screen: Screen) -> int:
    from declarative.errors import ExitCode, visible

    text = f"{type(error).__name__}: {error}"
    place = _keep_details(error)
    details = f" Its details are in {place}." if place else ""
    summary = f"this is a defect of declarative: {visible(_redacted(text), limit=300)}"
    screen.err(f"error: {summary}.{details} What was done before it is recorded; running again is safe.")
    _tell_programs(screen, ExitCode.ERROR, summary)
    return ExitCode.ERROR


def _tell_programs(screen: Screen, code: int, summary: str) -> None:
    """What ended the command, in the formats that were asked for; standard error has it already."""
    if screen.delivery is None:
        return
    from declarative.errors import Diagnostic

    try:
        screen.delivery.failed(code, (Diagnostic(summary, "Running again is safe.", id="internal-defect"),))
    except Exception as error:  # the edge of the process: what can't be shown must not hide what happened
        screen.err(f"error: the result can't be shown: {type(error).__name__}")


def _keep_details(error: Exception) -> str:
    """Write the traceback, without secrets, to a file that only its owner can read; its name, or nothing."""
    import tempfile
    import traceback

    try:
        with tempfile.NamedTemporaryFile(  # made with mode 0600
            "w", encoding="utf-8", errors="backslashreplace", prefix="declarative-", suffix=".txt", delete=False
        ) as file:
            file.write(_redacted("".join(traceback.format_exception(error))))
            return file.name
    except OSError:
        return ""


def _redacted(text: str) -> str:
    """The text without secrets: those that have been used, and the values of variables that may hold one."""
    import os

    from declarative.provider.secret import redacted

    named = (name for name in os.environ if any(word in name.upper() for word in _SECRET_WORDS))
    return redacted(text, others=[os.environ[name] for name in named])


def _lost(screen: Screen) -> int:
    """What a success becomes when the result could not be written."""
    if screen.lost:
        screen.err(f"error: standard output can't be written to: {screen.lost}")
    return 1 if screen.lost else 0
