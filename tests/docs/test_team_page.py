"""docs/team.md, followed by copy and paste on a real PostgreSQL: every command that it shows ends well."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "team.md").read_text()
COMMAND = "import sys; sys.argv[0] = 'declarative'; from declarative.cli.main import run; run()"
PLACE = "postgresql://apply@db.example.com/ops?"


def commands() -> list[str]:
    """Every command of the page, in order."""
    blocks = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def test_the_commands_of_the_page_end_well(postgres, tmp_path):
    address = postgres.address(postgres.emptied()).partition("?")[0]
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "declarative"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(COMMAND)} "$@"\n')
    program.chmod(0o755)
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("DECLARATIVE_", "SDRS_", "OS_"))
    }
    environ |= {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "marks"),
        "DECLARATIVE_SIMULATOR_SPEED": "inf",
    }
    found = commands()
    assert len(found) >= 13
    script = ["set -e", *(f"echo {shlex.quote('$ ' + one)}\n{one.replace(PLACE, address + '?')}" for one in found)]
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert "Both tell of the same objects." in done.stdout
    assert "state postgresql://" in done.stdout
