"""docs/failover.md, followed by copy and paste: its files are written, its commands run, its outputs compared."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import declarative
from declarative.simulator import Origin, World, load_estate, running

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "failover.md").read_text()
COMMAND = "import sys; sys.argv[0] = 'declarative'; from declarative.cli.main import run; run()"
STARTS_THE_CLOUD = ("declarative simulator serve", ". ./cloud.env")
TOKEN = "a-token"  # of the simulator


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def steps() -> list[tuple[str, str]]:
    """Every command that the page shows, with the output that it shows for it."""
    found = []
    for block in blocks("console"):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            if not command.startswith(STARTS_THE_CLOUD):
                found.append((command, output))
    return found


def pattern(output: str) -> str:
    """What the page shows as an expression: `…` stands for what it leaves out, whole lines or a part of one."""
    lines = ["(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + "\n" for line in output.splitlines()]
    return "".join(lines)


@pytest.fixture
def cloud(tmp_path):
    """A simulator behind a socket, with the servers of the page."""
    for block in blocks("yaml"):
        path = tmp_path / block.partition("\n")[0].removeprefix("# ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(block)
    origin = Origin(estate=load_estate(tmp_path / "servers.yaml"))
    with World.open(speed=float("inf"), origin=origin) as world:
        world.accept_token(TOKEN)
        with running(world) as address:
            yield {"SDRS_ENDPOINT": address, "SDRS_PROJECT_ID": world.project_id, "OS_AUTH_TOKEN": TOKEN}


def outputs(folder: Path, environ: dict[str, str], commands: list[str]) -> list[str]:
    """What each command prints on standard output, all of them run by one shell."""
    mark = "@@@ next @@@"
    lines = [line for command in commands for line in (command, f"code=$?; echo '{mark}'; (exit $code)")]
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)], cwd=folder, env=environ, stdout=subprocess.PIPE, text=True, timeout=100
    )
    return done.stdout.split(f"{mark}\n")[:-1]


def test_the_page_does_what_it_says(cloud, tmp_path):
    command = tmp_path / "bin" / "declarative"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{COMMAND}" "$@"\n')
    command.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DECLARATIVE_", "SDRS_", "OS_"))}
    environ = {
        **kept,
        **cloud,
        "PATH": f"{command.parent}:{kept['PATH']}",
        "PYTHONPATH": str(Path(declarative.__file__).parents[1]),
        "XDG_STATE_HOME": str(tmp_path / "marks"),
        "no_proxy": "127.0.0.1",
    }
    shown = steps()
    assert len(shown) > 15
    printed = outputs(tmp_path, environ, [command for command, _ in shown])
    for (command, output), text in zip(shown, printed, strict=True):
        assert re.fullmatch(pattern(output), text), f"{command}\n--- the page\n{output}--- is\n{text}"
