"""How large a module or a function may be: what is larger has a part that wants a name of its own."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for name in ("declarative", "benchmarks") for path in (ROOT / name).rglob("*.py"))
LONGEST_MODULE = 500  # lines
LONGEST_FUNCTION = 60


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_and_no_function_is_too_long(path):
    text = path.read_text()
    assert text.count("\n") <= LONGEST_MODULE
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [one.name for one in functions if one.end_lineno - one.lineno >= LONGEST_FUNCTION] == []


def test_every_package_says_what_it_is_for():
    faces = [path for path in MODULES if path.name == "__init__.py"]
    assert [str(face.relative_to(ROOT)) for face in faces if not ast.get_docstring(ast.parse(face.read_text()))] == []
