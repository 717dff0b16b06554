"""What people type who come from Terraform and its kin: the right spelling by name, before anything is done.

A command line of click takes `-out=plan.json` for `-o` with the value `ut=plan.json`. So each word is looked at before
click sees it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import click

from declarative.errors import did_you_mean, pasteable, visible

_LIMIT = 80
_HELP = ("-h", "--help")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9-]+")

# By the option's foreign name: the option here, with what goes behind it, or a whole sentence.
_OPTIONS: Mapping[str, str] = {
    "approve": "--auto-approve",
    "backend-config": "The state's address has all that is needed: --state, or `state` in the Stack.",
    "chdir": "-C DIR",
    "compact-warnings": "Warnings are one line each.",
    "directory": "-C DIR",
    "dry-run": "`declarative plan` shows what apply would do.",
    "force": "Nothing is forced: a danger needs --allow CLASS:ADDRESS, the question --auto-approve.",
    "help": "-h",
    "input": "Off a terminal nothing is asked; leave it out.",
    "json": "--format json",
    "lock": "The lock can't be left out. --lock-timeout waits for it.",
    "migrate-state": "`declarative state migrate` moves the state.",
    "namespace": "--env NAME",
    "out": "-o FILE",
    "output": "--format FORMAT",
    "raw": "`declarative output NAME` prints the bare value.",
    "reconfigure": "There is nothing to configure beforehand; leave it out.",
    "refresh=false": "--no-refresh",
    "refresh=true": "--refresh",
    "state-out": "--state ADDRESS",
    "upgrade": "There is nothing to upgrade: no providers and modules are loaded.",
    "vars": "--var-file FILE",
    "workspace": "--env NAME",
    "yes": "--auto-approve",
}
# Spelt as here, but for the number of dashes; named so that they are known where a command does not take them.
_ALIKE = frozenset(
    {
        "auto-approve",
        "destroy",
        "detailed-exitcode",
        "exclude",
        "lock-timeout",
        "no-color",
        "no-refresh",
        "parallelism",
        "refresh",
        "refresh-only",
        "replace",
        "state",
        "target",
        "var",
        "var-file",
        "version",
    }
)

COMMANDS: Mapping[str, str] = {
    "console": "There is no console. `declarative validate` checks expressions, and `declarative plan` shows values.",
    "create": "Declare the object in a manifest, then `declarative apply`.",
    "delete": "Take the object out of the manifests, then `declarative apply`; `declarative destroy` deletes all.",
    "describe": "`declarative state show ADDRESS` shows a recorded object, `declarative explain KIND` a kind.",
    "diff": "`declarative plan` shows what would change, `declarative drift` what has changed in the cloud.",
    "down": "`declarative destroy` deletes all that the stack manages.",
    "fmt": "Manifests are plain YAML: use a YAML formatter.",
    "force-unlock": "`declarative lock show` names the lock, `declarative lock break ID` takes it.",
    "get": "No modules are loaded. `declarative state list` lists what is recorded.",
    "login": "`declarative auth` shows who signs in, and with what.",
    "logout": "Nothing is kept of a sign-in. `declarative auth` shows what it is made from.",
    "modules": "There are no modules; `for_each` repeats a document.",
    "preview": "`declarative plan` shows what apply would do.",
    "providers": "There are no providers to load. `declarative auth` shows which cloud is signed in to.",
    "refresh": "`declarative apply --refresh-only` records what the cloud shows.",
    "rollback": "Apply the manifests of an earlier commit. `declarative state restore` restores the state alone.",
    "stack": "`declarative env list` lists the environments, and --env NAME chooses one.",
    "taint": "`declarative apply --replace ADDRESS` deletes the object and creates it again.",
    "test": "Run the stack on the simulator: `simulator: true` in the Stack, then `declarative apply`.",
    "unlock": "`declarative lock show` names the lock, `declarative lock break ID` takes it.",
    "untaint": "Nothing is marked. Leave --replace ADDRESS out of the next apply.",
    "up": "`declarative apply` makes the cloud agree with the manifests.",
    "whoami": "`declarative auth` shows who signs in.",
    "workspace": "`declarative env list` lists the environments, and --env NAME chooses one.",
}


def refuse_foreign(ctx: click.Context, command: click.Command, words: Sequence[str]) -> None:
    """Raise a click.UsageError for the first word that is spelt as an option is elsewhere, with the right spelling."""
    for word in _options_in(command, words):
        advice = _advice(command, word)
        if advice:
            raise click.UsageError(f"there is no option '{visible(word, limit=_LIMIT)}'. {advice}", ctx)


def _options_in(command: click.Command, words: Sequence[str]) -> Iterator[str]:
    """Yield the words that click would read as options, but not the values behind them."""
    options = [one for one in command.params if isinstance(one, click.Option)]
    taking = {name for one in options if not (one.is_flag or one.count) for name in one.opts}
    left = iter(words)
    for word in left:
        if word == "--" or (isinstance(command, click.Group) and not word.startswith("-")):
            return
        if word in taking:
            next(left, None)
        elif word.startswith("-") and len(word) > 1:
            yield word


def _advice(command: click.Command, word: str) -> str:
    options = [one for one in command.params if isinstance(one, click.Option)]
    own = {*_HELP, *(name for one in options for name in (*one.opts, *one.secondary_opts))}
    has_two_dashes = word.startswith("--")
    name, sign, value = word.lstrip("-").partition("=")
    name = name.lower()
    foreign = _OPTIONS.get(f"{name}={value.lower()}") or _OPTIONS.get(name, "")
    if has_two_dashes:
        is_value_refused = sign and f"{name}={value.lower()}" in _OPTIONS
        return _told(command, own, foreign, value) if f"--{name}" not in own or is_value_refused else ""
    if not _is_clumped(options, word, name, own):
        return ""
    if f"--{name}" in own and not (foreign and sign and f"{name}={value.lower()}" in _OPTIONS):
        return f"Options have two dashes here: --{name}{sign}{pasteable(value) if value else ''}"
    if foreign:
        return _told(command, own, foreign, value)
    if name in _ALIKE:
        return f"`{command.name}` does not take --{name}."
    return f"Options have two dashes here. {did_you_mean(f'--{name}', own)}".rstrip()


def _told(command: click.Command, own: set[str], foreign: str, value: str) -> str:
    """The advice about a foreign option: a sentence as it is, an option only where the command takes it."""
    if not foreign.startswith("-"):
        return foreign
    option, takes_value, placeholder = foreign.partition(" ")
    if takes_value and placeholder.isupper() and value and pasteable(value):
        foreign = f"{option} {pasteable(value)}"
    return f"Write: {foreign}" if option in own else f"It is {foreign} here, and `{command.name}` does not take it."


def _is_clumped(options: Sequence[click.Option], word: str, name: str, own: set[str]) -> bool:
    """True for a word with one dash that is a long option, and not short options with what they take.

    `-vv` and `-oplan.json` are right; `-out`, `-out=plan.json` and `-json` are not.
    """
    if len(word) < 3 or not _WORD.fullmatch(name):
        return False
    flags = {opt[1] for one in options if one.is_flag or one.count for opt in one.opts if len(opt) == 2}
    rest = word[1:].lstrip("".join(flags | {"h"}))
    if not rest:
        return False
    takes_rest = any(f"-{rest[0]}" in one.opts for one in options if not (one.is_flag or one.count))
    is_known = f"--{name}" in own or name in _OPTIONS or name in _ALIKE
    return is_known or not takes_rest or "=" in word
