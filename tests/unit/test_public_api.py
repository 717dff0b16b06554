"""The package's own names: each is there, documented, and costs nothing until it is used."""

import importlib.util
import subprocess
import sys

import declarative


def test_every_public_name_is_there_and_documented():
    for name in declarative.__all__:
        found = getattr(declarative, name)
        assert name == "__version__" or found.__doc__


def test_no_package_is_named_like_a_public_name():
    found = {name: importlib.util.find_spec(f"declarative.{name}") for name in declarative.__all__}
    assert [name for name, spec in found.items() if spec is not None and spec.origin] == []


def test_a_package_is_imported_like_any_other():
    code = "import declarative.applier.runner as runner, declarative; assert declarative.applier.runner is runner"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_package_loads_nothing_heavy():
    heavy = "httpx", "yaml", "jsonschema", "deepdiff", "rich", "click", "asyncio"
    code = f"import declarative, sys; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
