"""`completion`: the script for a shell, and the answers to what that script asks at each press of the tab key."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import click
from click.shell_completion import CompletionItem, _resolve_context, _resolve_incomplete

from declarative.cli.global_options import GlobalOption, setting
from declarative.cli.screen import Screen
from declarative.cli.setting import Setting
from declarative.cli.shells import SCRIPTS
from declarative.errors import shown

if TYPE_CHECKING:
    from declarative.workflow.completing import Known

# What a shell takes as it is, and brackets. A word with anything else is not offered: names come from files of others.
_HARMLESS = re.compile(r"[A-Za-z0-9_./:=@%+,\[\]-]{1,300}")
_TOLD = 80  # characters of a description
_MOST = 2000  # words of an answer

Words = Iterable[tuple[str, str]]


@click.command()
@click.argument("shell", type=click.Choice(tuple(SCRIPTS)))
@click.pass_obj
def completion(setting: Setting, shell: str) -> None:
    """Print the completion script of SHELL, which completes commands, options and the names of the stack.

    Names come from the manifests and a local state: no network, no lock. The script's first lines say where it goes.

    \b
    Example:
      eval "$(declarative completion bash)"
      declarative completion fish > ~/.config/fish/completions/declarative.fish
    """
    setting.screen.out(SCRIPTS[shell])


class Line(NamedTuple):
    """What is typed. `cut`: how many characters of `incomplete` the shell keeps; `is_quoted`: a quote is open."""

    words: list[str]
    incomplete: str
    cut: int = 0
    is_quoted: bool = False


def answer(root: click.Group, shell: str, arguments: Sequence[str]) -> str:
    """What the script of `shell` reads: bash hands over the line and its word breaks, the others the words."""
    if shell == "bash":
        line = split(arguments[0], arguments[1])
    elif shell in SCRIPTS:
        line = Line(list(arguments[:-1]), arguments[-1] if arguments else "")
    else:
        return ""
    kind, words, incomplete = _candidates(root, line)
    kept = line.incomplete.removesuffix(incomplete)  # `--env=` of `--env=pr`
    found = [(f"{kept}{word}", told) for word, told in words if _HARMLESS.fullmatch(word)]
    found = [one for one in found if one[0].startswith(line.incomplete)][:_MOST]
    if found and all(word.endswith(("=", ":")) for word, _ in found):
        kind = "open"
    if shell == "bash":
        lines = [word[line.cut :] if line.is_quoted else _escaped(word[line.cut :]) for word, _ in found]
    else:
        lines = [f"{word}\t{shown(told, limit=_TOLD)}" if told else word for word, told in found]
    return "".join(f"{one}\n" for one in (kind, *lines))


def _escaped(word: str) -> str:
    return re.sub(r"([\[\]])", r"\\\1", word)


def split(line: str, breaks: str) -> Line:
    """Split what is typed before the cursor as bash does: quotes, backslashes, and the breaks inside a word."""
    words: list[str] = []
    current: str | None = None
    quote, cut, is_escaped = "", 0, False
    for char in line:
        if is_escaped:
            current, is_escaped = (current or "") + char, False
        elif char == "\\" and quote != "'":
            is_escaped = True
        elif quote:
            if char == quote:
                quote = ""
            else:
                current = (current or "") + char
        elif char in "'\"":
            current, quote = current or "", char
            cut = len(current)
        elif char in " \t\n":
            words += [] if current is None else [current]
            current, cut = None, 0
        else:
            current = (current or "") + char
            cut = len(current) if char in breaks else cut
    while words and re.match(r"[A-Za-z_]\w*=", words[0]):  # variables before the command
        del words[0]
    return Line(words[1:], current or "", cut, bool(quote))


def _candidates(root: click.Group, line: Line) -> tuple[str, Words, str]:
    """What may stand here (words, files or folders), the words, and the part of the incomplete one they are for."""
    words = list(line.words)
    context = _resolve_context(root, {"obj": Screen()}, "declarative", words)
    place, incomplete = _resolve_incomplete(context, words, line.incomplete)
    if isinstance(place, click.Parameter):
        found = _of_parameter(context, place, incomplete)
        if isinstance(found, str):
            return found, (), incomplete
        return "words", found, incomplete
    return "words", _items(place.shell_complete(context, incomplete)), incomplete


def _items(items: Iterable[CompletionItem]) -> Iterator[tuple[str, str]]:
    for item in items:
        if item.type == "plain":
            yield str(item.value), item.help or ""


def _of_parameter(context: click.Context, param: click.Parameter, incomplete: str) -> Words | str:
    """The words for a parameter, or which kind of file it takes."""
    metavar = (param.metavar or str(param.name)).strip("[].").upper()
    if isinstance(param, GlobalOption) and metavar == "NAME":
        return _plain(_known(context).environments)
    if isinstance(param, click.Option) and param.name == "state":
        return ()
    if (command := context.command.name or "", metavar) in _BY_COMMAND:
        return _BY_COMMAND[command, metavar](context, incomplete)
    if metavar in _BY_METAVAR:
        found = _BY_METAVAR[metavar]
        return found if isinstance(found, str) else found(context, incomplete)
    return _items(param.shell_complete(context, incomplete))


def _plain(words: Iterable[str]) -> Words:
    return ((word, "") for word in words)


def _known(context: click.Context) -> Known:
    from declarative.workflow.completing import known
    from declarative.workflow.project import Project

    now = setting(context, Screen())
    return known(Project(folder=now.folder, environment=now.environment, environ=os.environ))


def _addresses(context: click.Context, _incomplete: str) -> Words:
    return _plain(_known(context).addresses)


def _consents(context: click.Context, incomplete: str) -> Words:
    from declarative.planner.consents import POLICIES

    classes = [one.value for one, policy in POLICIES.items() if not policy.way_out]
    head, colon, _ = incomplete.partition(":")
    own = [one.value for one, policy in POLICIES.items() if not (policy.way_out or policy.whole_plan)]
    if not colon:
        return [*((one, "") for one in classes), *((f"{one}:", "of one object") for one in own)]
    return [(f"{head}:{address}", "") for address in _known(context).addresses] if head in own else []


def _schemas(_context: click.Context, _incomplete: str) -> Words:
    from declarative.manifest.schemas import kinds
    from declarative.workflow.schemas import ENVIRONMENT, names

    return _plain([*kinds(), ENVIRONMENT, *names()])


def _subjects(_context: click.Context, incomplete: str) -> Words:
    """Ids of findings and kinds; once there is a dot, the fields of the kind, or the error codes."""
    from declarative.manifest.fields import field_entry
    from declarative.manifest.schemas import kinds
    from declarative.provider.codes import explain_code, known_codes
    from declarative.workflow.explanations import finding_entries

    head, dot, _ = incomplete.partition(".")
    if dot and head in kinds():
        return [(f"{head}.{name.removeprefix('spec.')}", told) for name, told in field_entry(head).fields.items()]
    codes = [(code, entry.meaning) for code in known_codes() if dot and (entry := explain_code(code))]
    return [*((one.id, one.meaning) for one in finding_entries().values()), *((kind, "") for kind in kinds()), *codes]


def _timeouts(_context: click.Context, _incomplete: str) -> Words:
    from declarative.cli.options import timeout_names

    return [(f"{name}=", "") for name in timeout_names()]


def _renders(_context: click.Context, _incomplete: str) -> Words:
    from declarative.cli.delivery import FORMATS

    return [(f"{name}=", "") for name in FORMATS]


def _variables(context: click.Context, _incomplete: str) -> Words:
    return [(f"{name}=", "") for name in _known(context).variables]


def _commands(context: click.Context, _incomplete: str) -> Words:
    command: click.Command | None = context.find_root().command
    for word in context.params.get("words") or ():
        command = command.get_command(context, word) if isinstance(command, click.Group) else None
    return [(name, "") for name in command.list_commands(context)] if isinstance(command, click.Group) else []


Completer = Callable[[click.Context, str], Words]

_BY_COMMAND: Mapping[tuple[str, str], Completer] = {
    ("help", "COMMAND"): _commands,
    ("schema", "NAME"): _schemas,
    ("output", "NAME"): lambda context, _: _plain(_known(context).outputs),
    ("migrate", "ADDRESS"): lambda _context, _incomplete: (),
}
_BY_METAVAR: Mapping[str, Completer | str] = {
    "ADDRESS": _addresses,
    "ADDRESS ID [ADDRESS ID": _addresses,
    "CLASS[:ADDRESS": _consents,
    "DIR": "folders",
    "FILE": "files",
    "PLAN": "files",
    "RENDER": _renders,
    "DELIVER": _renders,
    "SELECTOR": _addresses,
    "SOURCE": _addresses,
    "SUBJECT": _subjects,
    "TARGET": _addresses,
    "TIMEOUTS": _timeouts,
    "VARIABLES": _variables,
}
