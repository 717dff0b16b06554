"""What docs/pipeline.md shows beside commands, which test_pages.py runs: each snippet is run, or judged by its tool."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.scaffold.tools import tool

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pipeline.md").read_text()
COMMAND = "import sys; sys.argv[0] = 'declarative'; from declarative.cli.main import run; run()"


def blocks(language, page=PAGE):
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def commands():
    return [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture
def repository(tmp_path):
    """A repository of two stacks with declarative's own beside it, and a function that runs a script there."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "declarative").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c "{COMMAND}" "$@"\n')
    for one in programs.iterdir():
        one.chmod(0o755)
    (tmp_path / "declarative").symlink_to(ROOT)
    folder = tmp_path / "recovery"
    for name, example in (("shop", "three-tier"), ("orders", "quickstart")):
        source = ROOT / "examples" / example
        shutil.copytree(source, folder / "stacks" / name, ignore=shutil.ignore_patterns(".declarative"))
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("DECLARATIVE_", "SDRS_", "OS_"))
    }
    environ |= {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "marks"),
        "DECLARATIVE_SIMULATOR_SPEED": "inf",
    }
    environ |= {
        f"GIT_{who}_{what}": "ada@bank.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }

    def run(script):
        done = subprocess.run(
            ["bash", "-ec", script], cwd=folder, env=environ, capture_output=True, text=True, timeout=100
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        return done.stdout

    run("git init -q -b main && git add . && git commit -q -m start")
    return run


def test_workflow_takes_the_inputs_that_the_page_gives_it():
    (words,) = (shlex.split(one) for one in commands() if one.startswith("gh "))
    words = words[1:]
    assert words[:3] == ["workflow", "run", "declarative-apply.yml"]
    workflow = yaml.safe_load((ROOT / "examples/pipelines/github" / words[2]).read_text())
    assert {one.partition("=")[0] for one in words[4::2]} == set(workflow[True]["workflow_dispatch"]["inputs"])


def test_rights_of_the_page_are_those_of_the_store():
    (block,) = blocks("sql")
    (store,) = blocks("sql", (ROOT / "docs" / "stores" / "postgresql.md").read_text())
    assert block.split() == re.sub(r"--.*", "", store).split()  # tests/pipelines runs them


def test_simulator_as_a_service_of_a_job(repository):
    (script,) = blocks("sh")
    repository("sed -i 's/simulator: true/region: eu-de/' stacks/shop/stack.yaml")
    said = repository(script)
    assert "Done:" in said
    assert "Nothing to do" in said


def test_configuration_of_the_hook_is_valid(tmp_path):
    (block,) = blocks("yaml")
    (tmp_path / "config.yaml").write_text(block)
    ran = tool("pre-commit", "validate-config", tmp_path / "config.yaml")
    assert ran.returncode == 0, ran.stdout
    offered = {one["id"] for one in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    assert {hook["id"] for one in yaml.safe_load(block)["repos"] for hook in one["hooks"]} <= offered


def test_every_snippet_is_of_a_kind_that_is_tried_here():
    assert {*re.findall(r"^```(\w*)$", PAGE, re.MULTILINE)} == {"", "console", "sh", "sql", "yaml"}
