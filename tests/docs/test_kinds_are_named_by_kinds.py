"""A kind is one module and one schema: no other room names a kind or a field that only some kinds have."""

import ast
from pathlib import Path

import pytest

import declarative
from declarative.kinds import KINDS

ROOT = Path(declarative.__file__).parent
ROOMS = (
    *("manifest", "provider", "state", "observation", "planner"),
    *("planfile", "applier", "reporting", "views", "workflow"),
)
SHARED = {"name", "description", "status", "id"}
# The task centre is asked by this parameter, whatever the kind.
ASKED = {("provider/client.py", "server_group_id")}


def own_words() -> set[str]:
    words = set(KINDS)
    for kind in KINDS.values():
        words |= {
            *kind.fields,
            *kind.relations.refers,
            *(one.field for one in kind.relations.refers.values()),
            *kind.relations.place,
        }
        words |= {
            kind.relations.group,
            kind.wire.copying,
            kind.wire.made_at,
            kind.relations.counted_as,
            kind.wire.collection,
            kind.wire.envelope,
        }
    return words - SHARED - {""}


def texts(tree: ast.Module) -> set[str]:
    """The string constants of a module but its docstrings."""
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    told = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, holders) and node.body and isinstance(node.body[0], ast.Expr)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told
    }


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_but_kinds_names_a_kind_or_its_fields(room):
    words, found = own_words(), set()
    for path in (ROOT / room).glob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        for text in texts(ast.parse(path.read_text())):
            named = {text} & words | {kind for kind in KINDS if kind in text}
            found |= {(name, word) for word in named}
    assert found - ASKED == set()
