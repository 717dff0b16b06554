"""The package's own names: each is there, documented, and costs nothing until it is used."""

import importlib
import importlib.util
import subprocess
import sys
from types import ModuleType

import declarative


def test_every_public_name_is_there_and_documented():
    for name in declarative.__all__:
        found = getattr(declarative, name)
        assert name == "__version__" or found.__doc__


def test_no_room_of_the_house_hides_a_public_name():
    rooms = [name for name in declarative.__all__ if importlib.util.find_spec(f"declarative.{name}")]
    assert "apply" in rooms
    for name in rooms:
        importlib.import_module(f"declarative.{name}")
        assert not isinstance(getattr(declarative, name), ModuleType)


def test_importing_the_package_loads_nothing_heavy():
    heavy = "httpx", "yaml", "jsonschema", "deepdiff", "rich", "click", "asyncio"
    code = f"import declarative, sys; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
