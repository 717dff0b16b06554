"""Where a command's result goes: `--format` on standard output, and each `--render FORMAT=FILE` beside it.

Everything is written also when the command fails; then it is what went wrong that is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from declarative.cli.plan_files import FileRefused, is_standard_output, refuse_render, write_render
from declarative.cli.setting import Setting, ValueType
from declarative.errors import Diagnostic, ExitCode, UsageError, did_you_mean, visible

if TYPE_CHECKING:
    from declarative.model import Plan
    from declarative.views.view import Reported

FORMATS: Final = ("text", "json", "markdown", "html", "sarif", "github", "gitlab", "junit", "summary")


@dataclass(frozen=True, slots=True)
class Target:
    """One `--render`. `path`: None for standard output."""

    format: str
    path: Path | None


class RenderType(ValueType):
    """`FORMAT=FILE`, where FILE may be `-`."""

    name = "format=file"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        text = str(value)
        name, sign, file = text.partition("=")
        if not sign or not file:
            self.fail(f"{text!r} must read FORMAT=FILE.", param, ctx)
        if name not in FORMATS:
            hint = did_you_mean(name, FORMATS) or f"Known: {', '.join(FORMATS)}."
            self.fail(f"{name!r} is not a format. {hint}", param, ctx)
        return name, file


@dataclass
class Delivery:
    """The outputs of one run of a command. `is_stream`: `--format json` is a stream of events, not a result.

    `plan` and `apply`: the plan that was made, for a command that fails later, and the command that carries it out.
    """

    setting: Setting
    command: str
    is_stream: bool = False
    output_format: str = "text"
    targets: tuple[Target, ...] = ()
    plan: Plan | None = None
    apply: Callable[[], str] = str
    _is_ready: bool = False
    _failures: list[str] = field(default_factory=list)

    # ------------------------------------------------------------ before

    def begin(self, *, states: Iterable[Path] = (), out: Path | None = None) -> None:
        """Refuse what can't be written, before anything else is done. `out`: where else the command writes.

        `states`: folders in which nothing but states lie. Raises UsageError.
        """
        taken = ["-o /dev/stdout"] if out is not None and is_standard_output(out) else []
        if self.is_stream and self.output_format == "json":
            taken.append("--format json")
        elif self.output_format != "text":
            taken.append(f"--format {self.output_format}")
        taken += [f"--render {one.format}=-" for one in self.targets if one.path is None]
        if len(taken) > 1 and any(one.path is None for one in self.targets):
            raise UsageError(f"two results can't both go to standard output: {' and '.join(taken[:2])}", "Name a file.")
        places = [out.resolve()] if out is not None else []
        for one in self.targets:
            if one.path is None:
                continue
            self._check(one.path, places, states)
            places.append(one.path.resolve())
        self._is_ready = True

    def _check(self, path: Path, places: Sequence[Path], states: Iterable[Path]) -> None:
        try:
            refuse_render(path, stack=self.setting.folder, states=states)
        except FileRefused as error:
            raise UsageError(error.summary, error.fix) from error
        if any(path.resolve() == one or _is_same(path, one) for one in places):
            raise UsageError(f"two results can't both go to {visible(path)}", "Name another file.")

    # ------------------------------------------------------------ after

    @property
    def takes_stdout(self) -> bool:
        """True when a render goes to standard output, and lines for a reader to standard error."""
        return any(one.path is None for one in self.targets)

    def present(self, view: Reported, code: ExitCode = ExitCode.OK, *, taken: bool = False) -> ExitCode:
        """Write the result in every format. Returns the exit code, an error where something could not be written.

        `taken`: standard output carries something else already.
        """
        aside = taken or self.takes_stdout
        if self.output_format in ("text", "json"):
            self.setting.screen.present(view, self.output_format, taken=aside)
        elif not aside:
            self.setting.screen.out(self._made(view, self.output_format, code))
        return self.finish(view, code)

    def finish(self, view: Reported, code: ExitCode) -> ExitCode:
        """Write the renders alone. Returns the exit code, as `present` does."""
        self.write(view, code)
        return ExitCode.ERROR if self._failures and code in (ExitCode.OK, ExitCode.CHANGES) else code

    def write(self, view: Reported, code: int) -> None:
        """Write the renders; one that fails is told, and the others are written."""
        for one in self.targets if self._is_ready else ():
            content = self._made(view, one.format, code)
            if one.path is None:
                self.setting.screen.out(content)
                continue
            try:
                write_render(one.path, _marked(content, one.format, self.command))
            except FileRefused as error:
                self._failures.append(error.summary)
                self.setting.screen.err(f"error: {visible(error.summary)}")

    def failed(self, code: int, findings: Sequence[Diagnostic]) -> None:
        """Write what went wrong, in every format; as text it goes to standard error, which others see to."""
        from declarative.views.findings import FailureView

        view = FailureView(findings, self.plan)
        if self.output_format == "json" and self.is_stream:
            from declarative.clock import Clock
            from declarative.views.events import event_line, failed

            self.setting.screen.out(event_line(failed(code, findings, Clock().stamp())))
        elif self.output_format != "text":
            self.setting.screen.out(self._made(view, self.output_format, code))
        self.write(view, code)

    def _made(self, view: Reported, name: str, code: int) -> str:
        if name == "text":
            from declarative.views.text import plain

            return plain(view.text())
        if name == "json":
            text = view.json()
            return text if text.endswith("\n") else f"{text}\n"
        from declarative.views.renders import render
        from declarative.views.report import Invocation

        environment = self.plan.basis.environment if self.plan else self.setting.environment
        invocation = Invocation(self.command, int(code), self.setting.folder.as_posix(), environment, self.apply())
        return render(name, view.report(), invocation)


def _marked(content: str, name: str, command: str) -> str:
    """A text with the mark by which it is known again; all other formats have theirs."""
    from declarative.views.renders.marks import TEXT_MARK

    return f"{TEXT_MARK}{command}\n{content}" if name == "text" else content


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False


def delivery_of(ctx: click.Context, *, is_stream: bool) -> Delivery:
    """The delivery of the command that is being called, made when its first option asks for it."""
    made = ctx.meta.get(_KEY)
    if isinstance(made, Delivery):
        return made
    setting = ctx.obj if isinstance(ctx.obj, Setting) else Setting()
    delivery = Delivery(setting, str(ctx.info_name), is_stream)
    ctx.meta[_KEY] = delivery
    setting.screen.delivery = delivery
    return delivery


_KEY = "declarative.delivery"


def targets_of(setting: Setting, given: Iterable[tuple[str, str]]) -> Iterator[Target]:
    """Yield the targets of `--render`, files from the folder of `-C`."""
    for name, file in given:
        path = setting.path(file)
        standard = file == "-" or is_standard_output(path)
        yield Target(name, None if standard else path)
