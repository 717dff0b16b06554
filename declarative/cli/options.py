"""The options that commands share: their types, the stacks they come in, the variables that stand in for them."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from declarative.cli.delivery import FORMATS, Delivery, RenderType, delivery_of, targets_of
from declarative.cli.setting import C, Command, Given, Setting, ValueType

if TYPE_CHECKING:
    from declarative.errors import Diagnostic
    from declarative.workflow.project import Project

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}

_DURATION = re.compile(r"([0-9]{1,8}(?:\.[0-9]{1,3})?)([smh]?)")


class Duration(ValueType):
    """A time span in seconds, written `90`, `90s`, `1.5m` or `1h`; `zero` says whether none at all is allowed."""

    name = "duration"

    def __init__(self, *, zero: bool = False) -> None:
        self._zero = zero

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = _DURATION.fullmatch(str(value))
        if match is None:
            self.fail(f"{str(value)!r} is not a duration. Write seconds, or 30s, 10m, 1h.", param, ctx)
        seconds = float(match[1]) * _SECONDS[match[2]]
        if not seconds and not self._zero:
            self.fail("it must be more than 0.", param, ctx)
        return seconds


class Timeout(ValueType):
    """`WHAT=DURATION`, where WHAT is `create_grace` or `Kind.action`."""

    name = "what=duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        if isinstance(value, tuple):
            return str(value[0]), float(value[1])
        what, sign, span = str(value).partition("=")
        known = timeout_names()
        if not sign or what not in known:
            self.fail(f"{str(value)!r} must read WHAT=DURATION, where WHAT is one of: {', '.join(known)}.", param, ctx)
        return what, Duration(zero=what == "create_grace").convert(span, param, ctx)


def timeout_names() -> tuple[str, ...]:
    """What `--timeouts` can be given for."""
    from declarative.kinds import KINDS

    return (
        "create_grace",
        "look",
        *(f"{kind.name}.{action}" for kind in KINDS.values() for action in kind.calls.timeouts),
    )


class Assignment(ValueType):
    """`NAME=VALUE`, kept as it is."""

    name = "name=value"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not text.partition("=")[1] or text.startswith("="):
            self.fail(f"{text!r} must read NAME=VALUE.", param, ctx)
        return text


class Option(click.Option):
    """An option for which `DECLARATIVE_<COMMAND>_<OPTION>` stands in; several values are parted by commas."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        own = f"{ctx.auto_envvar_prefix}_{self._long_name()}" if ctx.auto_envvar_prefix else ""
        fallback = self.envvar if isinstance(self.envvar, str) else ""
        return os.environ.get(own) or os.environ.get(fallback) or None

    def value_from_envvar(self, ctx: click.Context) -> Given:
        text = self.resolve_envvar_value(ctx)
        if text is None or not self.multiple:
            return text
        return tuple(part.strip() for part in text.split(",") if part.strip())

    def _long_name(self) -> str:
        return max(self.opts, key=len).lstrip("-").replace("-", "_").upper()


class SealedOption(Option):
    """An option that is given on the command line or not at all."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        return None


def option(*names: str, sealed: bool = False, **attributes: Given) -> Callable[[C], C]:
    """`click.option` with our variables. `sealed`: never read from the environment."""
    return click.option(*names, cls=SealedOption if sealed else Option, **attributes)


def formats(*names: str) -> Callable[[C], C]:
    """`--format`, one of `names`, of which the first is the default."""

    def note(ctx: click.Context, param: click.Parameter, name: str) -> str:
        if name == "json" and isinstance(ctx.obj, Setting):
            ctx.obj.screen.failure = "document"
        return name

    return _format(names, callback=note)


def _format(names: Sequence[str], **attributes: Given) -> Callable[[C], C]:
    return option(
        "output_format", "--format", type=click.Choice(names), default=names[0], help="Output format.", **attributes
    )


def renders(*, is_stream: bool = False) -> Callable[[C], C]:
    """`--format` and `--render`; in their place the command takes a `Delivery`, as `deliver`.

    `is_stream`: `--format json` is a stream of events, and there are no other formats but text.
    """

    def note(ctx: click.Context, param: click.Parameter, name: str) -> None:
        delivery_of(ctx, is_stream=is_stream).output_format = name

    def aim(ctx: click.Context, param: click.Parameter, given: Sequence[tuple[str, str]]) -> Delivery:
        delivery = delivery_of(ctx, is_stream=is_stream)
        delivery.targets = tuple(targets_of(delivery.setting, given))
        return delivery

    def decorate(command: C) -> C:
        also = option(
            "deliver",
            "--render",
            type=RenderType(),
            multiple=True,
            sealed=True,
            callback=aim,
            help=f"Also write the result to FILE, - for standard output. FORMAT is {_FORMATS_IN_WORDS}. Repeatable.",
        )
        return _format(("text", "json") if is_stream else FORMATS, callback=note, expose_value=False)(also(command))

    return decorate


_FORMATS_IN_WORDS = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"


_VARIABLES = (
    option("variables", "--var", type=Assignment(), multiple=True, sealed=True, help="Set a variable. Repeatable."),
    option("var_files", "--var-file", multiple=True, metavar="FILE", help="Read variables from a file. Repeatable."),
)

_STATE = (
    option(
        "state",
        "--state",
        envvar="DECLARATIVE_STATE",
        metavar="ADDRESS",
        help="Where the state is kept, instead of the stack's: local:DIR, postgresql://…, s3://… or https://…",
    ),
    option(
        "accept_rollback",
        "--accept-rollback",
        type=click.IntRange(min=0),
        sealed=True,
        metavar="SERIAL",
        help="Accept a state of this serial though a later one has been seen.",
    ),
)

_CLOUD = (
    option("cloud", "--cloud", metavar="NAME", help="The cloud of clouds.yaml to sign in to, instead of OS_CLOUD."),
    option("endpoint", "--endpoint", metavar="URL", help="The service's endpoint, instead of SDRS_ENDPOINT."),
    option("region", "--region", metavar="NAME", help="The region, instead of the stack's."),
    option("project_id", "--project-id", metavar="ID", help="The project, instead of SDRS_PROJECT_ID."),
    option(
        "timeout", "--timeout", type=Duration(), help="End the whole command after this time, e.g. 90, 30s, 10m or 1h."
    ),
)

_TIMEOUTS = (
    option(
        "timeouts",
        "--timeouts",
        type=Timeout(),
        multiple=True,
        help="Deadline of one kind of step, e.g. ProtectionGroup.enable=2h; create_grace, for which a new object may"
        " not be listed; or look, after which a look is too old to act on (5s). Repeatable.",
    ),
)

_LOCK = (
    option(
        "lock_timeout",
        "--lock-timeout",
        type=Duration(zero=True),
        default="0",
        help="Wait this long for the lock, e.g. 5m. Without it, not at all.",
    ),
)

_RUN = (
    option(
        "parallelism",
        "--parallelism",
        type=click.IntRange(1, 1024),
        default=16,
        show_default=True,
        help="HTTP calls at one time.",
    ),
    option(
        "max_jobs",
        "--max-jobs",
        type=click.IntRange(1, 10_000),
        default=64,
        show_default=True,
        help="Jobs in the cloud at one time.",
    ),
    option("fail_fast", "--fail-fast", is_flag=True, help="Begin nothing more once a step has failed."),
)

_STACKS: dict[str, tuple[tuple[str, ...], Sequence[Callable[[Command], Command]]]] = {
    "variables": (("variables", "var_files"), _VARIABLES),
    "state": (("state", "accept_rollback"), _STATE),
    "cloud": (("cloud", "endpoint", "region", "project_id", "timeout"), _CLOUD),
    "timeouts": (("timeouts",), _TIMEOUTS),
    "lock": (("lock_timeout",), _LOCK),
    "run": (("parallelism", "max_jobs", "fail_fast"), _RUN),
}


def with_project(*stacks: str) -> Callable[[Command], Command]:
    """Give a command these stacks of options, and in their place a `Project` as its second argument.

    The first is the `Setting`. The project is made when the command runs, so that `--help` needs none of it.
    """
    names = [name for stack in stacks for name in _STACKS[stack][0]]

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def call(setting: Setting, /, **given: Given) -> Given:
            chosen = {name: given.pop(name) for name in names}
            return command(setting, make_project(setting, **chosen), **given)

        wrapped: Command = click.pass_obj(call)
        for stack in reversed(stacks):
            for add in reversed(_STACKS[stack][1]):
                wrapped = add(wrapped)
        return wrapped

    return decorate


def make_project(setting: Setting, **chosen: Given) -> Project:
    """The project that a command works on; what was not chosen keeps the project's default."""
    from declarative.cli.embedded import embedded
    from declarative.workflow.project import Project

    if "timeouts" in chosen:
        chosen["timeouts"] = dict(chosen["timeouts"])
    if "variables" in chosen:
        chosen["variables"] = tuple(chosen["variables"])
        chosen["var_files"] = tuple(setting.path(name) for name in chosen["var_files"])
    return Project(
        folder=setting.folder,
        environment=setting.environment,
        environ=os.environ,
        embedded=embedded,
        on_exchange=setting.on_exchange,
        warn=lambda warning: _warn(setting, warning),
        **chosen,
    )


def _warn(setting: Setting, warning: Diagnostic) -> None:
    if warning.id == "waiting-for-lock":
        setting.screen.waits = "waiting for the lock of the state"
    setting.screen.note(str(warning))


_PLANNING = (
    option(
        "target",
        "--target",
        multiple=True,
        sealed=True,
        metavar="SELECTOR",
        help="Only this, and what it needs; see below. Repeatable.",
    ),
    option(
        "exclude",
        "--exclude",
        multiple=True,
        sealed=True,
        metavar="SELECTOR",
        help="All but this, and what needs it; see below. Repeatable.",
    ),
    option(
        "replace",
        "--replace",
        multiple=True,
        sealed=True,
        metavar="SELECTOR",
        help="Delete this and create it again; see below. Repeatable.",
    ),
    option("refresh", "--refresh/--no-refresh", default=True, help="Read the cloud, or trust what is recorded."),
    option("refresh_only", "--refresh-only", is_flag=True, help="Only record what the cloud shows."),
)

_ALLOW = option(
    "allow",
    "--allow",
    multiple=True,
    sealed=True,
    metavar="CLASS[:ADDRESS]",
    help="Consent to a danger; see below. Repeatable.",
)

CONCISE = option(
    "concise", "--concise", is_flag=True, help="Show a line a step, without fields; all dangers and consents as ever."
)

_SELECTORS_HELP = (
    "SELECTOR is an address such as 'ProtectedInstance/web[web-1]', in which * and ? are wild, or label:KEY=VALUE."
)


class PlanningCommand(click.Command):
    """A command with the planning options, whose help ends with what they are given."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from declarative.planner.consents import classes_in_words

        formatter.write_paragraph()
        formatter.write_text(_SELECTORS_HELP)
        formatter.write_text(classes_in_words())


def planning_options(command: Command) -> Command:
    """`--target`, `--exclude`, `--replace`, `--refresh`, `--refresh-only`, `--allow`."""
    for add in reversed((*_PLANNING, _ALLOW)):
        command = add(command)
    return command
