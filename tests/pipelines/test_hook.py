"""The hook for pre-commit: its manifest, and what it does in a repository."""

import os
import subprocess
from pathlib import Path

import yaml

from tests.scaffold.tools import tool

ROOT = Path(__file__).parents[2]
HOOKS = ROOT / ".pre-commit-hooks.yaml"


def test_manifest_of_the_hook_is_valid():
    ran = tool("pre-commit", "validate-manifest", HOOKS)
    assert ran.returncode == 0, ran.stdout


def test_hook_refuses_a_commit_with_a_finding(tmp_path, program, monkeypatch):
    (hook,) = yaml.safe_load(HOOKS.read_text())
    assert hook.pop("language") == "python"  # pre-commit would install it; here it is on the path
    (tmp_path / "repository").mkdir()
    folder = tmp_path / "repository"
    config = {"repos": [{"repo": "local", "hooks": [{**hook, "language": "system"}]}]}
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("PATH", f"{program}:{os.environ['PATH']}")
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "cache"))
    git = ["git", "-C", folder]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([program / "declarative", "init", folder], check=True, capture_output=True)
    subprocess.run([*git, "add", "."], check=True)
    ran = tool("pre-commit", "run", folder=folder)
    assert (ran.returncode, "Passed" in ran.stdout) == (0, True), ran.stdout
    (folder / "groups.yaml").write_text("kind: Nothing\n")
    subprocess.run([*git, "add", "."], check=True)
    ran = tool("pre-commit", "run", folder=folder)
    assert (ran.returncode, "groups.yaml:1:1: error" in ran.stdout) == (1, True), ran.stdout
    subprocess.run([*git, "reset", "-q"], check=True)
    (folder / "README.md").write_text("no manifest\n")
    subprocess.run([*git, "add", "README.md"], check=True)
    assert "Skipped" in tool("pre-commit", "run", folder=folder).stdout
