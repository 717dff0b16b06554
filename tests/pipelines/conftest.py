"""What the tests of pipelines have in common."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = "import sys; sys.argv[0] = 'declarative'; from declarative.cli.main import run; run()"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder with `declarative` and `python3`, for the path of a job."""
    folder = tmp_path / "bin"
    folder.mkdir()
    python = shlex.quote(sys.executable)
    (folder / "declarative").write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {python} -c "{COMMAND}" "$@"\n')
    (folder / "python3").write_text(f'#!/bin/sh\nexec {python} "$@"\n')
    for one in folder.iterdir():
        one.chmod(0o755)
    return folder


@pytest.fixture(autouse=True)
def nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("DECLARATIVE_", "SDRS_", "OS_", "HW_", "GITHUB_", "CI_", "GITLAB_")):
            monkeypatch.delenv(name)
