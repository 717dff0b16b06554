"""Programs of the test group, beside the Python that runs the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def tool(name: str, *arguments: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program, and return its end. It is missing where the test group was not installed."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    found = shutil.which(name, path=path)
    assert found, f"{name} is not installed: make install"
    environ = {**os.environ, "PATH": path}
    return subprocess.run(
        [found, *map(str, arguments)], cwd=folder, env=environ, capture_output=True, text=True, timeout=110, check=False
    )
