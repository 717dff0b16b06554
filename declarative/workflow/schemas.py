"""The JSON Schemas by name: of manifests, of environment files, and of what each command prints as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from declarative import manifest
from declarative.errors import UsageError, did_you_mean, visible
from declarative.manifest.bundle import MADE as MADE  # the comment by which a schema is known as made here
from declarative.manifest.schemas import kinds
from declarative.model import Json

ENVIRONMENT: Final = "environment"

# What each command prints as JSON, by the name of the schema, which is that of its file.
FORMS: Final = {
    "init": "init",
    "validate": "findings",
    "plan": "plan",
    "apply": "events",
    "destroy": "events",
    "drift": "drift",
    "status": "status",
    "stacks": "stacks",
    "show": "show",
    "output": "output",
    "graph": "graph",
    "auth check": "auth-check",
    "auth show-sources": "auth-show-sources",
    "state list": "state-list",
    "state show": "state-show",
    "state mv": "state-mv",
    "state rm": "state-rm",
    "state pull": "state",
    "state push": "state-push",
    "state diff": "state-diff",
    "state rebind": "state-rebind",
    "state migrate": "state-migrate",
    "state rebuild": "state-rebuild",
    "state recover": "state-recover",
    "state restore": "state-restore",
    "state history": "state-history",
    "env list": "env-list",
    "lock show": "lock-show",
    "lock break": "lock-break",
    "import": "import",
    "export": "export",
    "explain": "explain",
    "simulator reset": "simulator-reset",
    **dict.fromkeys(
        (
            f"simulator {act}"
            for act in ("change", "delete", "break", "repair", "power", "fail-over", "reverse", "reprotect", "set")
        ),
        "simulator-act",
    ),
    "version": "version",
}
# What `--render` writes beside it.
_RENDERED = ("outcome", "summary")


def names() -> tuple[str, ...]:
    """The names of the schemas of what commands print."""
    return tuple(sorted({*FORMS.values(), *_RENDERED}))


def schema(name: str | None = None, folder: Path = Path()) -> str:
    """Return a JSON Schema as text, which needs no other file.

    None: of any manifest. Else of a kind's documents, of what a command prints as JSON, or, named `environment`, of the
    environment files of the stack in `folder`.

    Raises UsageError for an unknown name, and as `environment` does.
    """
    if name is None:
        return documents()
    if name == ENVIRONMENT:
        return environment(folder)
    if name in names():
        return json.dumps(_standalone(name), indent=2, ensure_ascii=False) + "\n"
    if name not in kinds():
        known = (*kinds(), ENVIRONMENT, *names())
        summary = f"no schema is named '{visible(name, limit=80)}'"
        raise UsageError(summary, f"{did_you_mean(name, known)} Known: {', '.join(known)}".strip())
    return manifest.schema_text(name)


def documents() -> str:
    """Return the schema that checks any document of a stack, whatever its kind."""
    return manifest.schema_text()


def environment(folder: Path) -> str:
    """Return the schema of the environment files of a stack. Raises UsageError, and InputError for its faults."""
    return manifest.environment_schema_text(folder)


def _standalone(name: str) -> Json:
    """A schema with those that it refers to among its definitions."""
    own = _file(_file_name(name))
    taken: dict[str, Json] = {}
    text = _within(own, "", taken)
    if taken:
        text["$defs"] = {**text.get("$defs", {}), **taken}
    return text


def _within(node: Json, file: str, taken: dict[str, Json]) -> Json:
    """Let references mean definitions of the one document. `file`: where the node comes from, if from another one."""
    if isinstance(node, list):
        return [_within(inner, file, taken) for inner in node]
    if not isinstance(node, dict):
        return node
    return {
        keyword: _target(rule, file, taken) if keyword == "$ref" else _within(rule, file, taken)
        for keyword, rule in node.items()
    }


def _target(reference: str, file: str, taken: dict[str, Json]) -> str:
    named, _, pointer = reference.partition("#")
    target = named or file
    if target and target not in taken:
        taken[target] = {}  # it may refer to itself
        text = _within(_file(target), target, taken)
        taken[target] = {keyword: rule for keyword, rule in text.items() if keyword != "$schema"}
    return f"#/$defs/{target}{pointer}" if target else reference


def _file_name(name: str) -> str:
    return f"{name.replace('-', '_')}.json"


def _file(file: str) -> Json:
    return json.loads((manifest.schema_root() / file).read_text(encoding="utf-8"))
