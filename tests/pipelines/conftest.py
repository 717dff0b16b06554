"""A repository of two stacks on a forge, a cloud and a state in PostgreSQL, and the pipelines of examples/pipelines."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from declarative.simulator import Origin, World, running
from tests.scaffold.accounts import PEOPLE
from tests.scaffold.forges import Forges, forges
from tests.scaffold.github_actions import Actions

ROOT = Path(__file__).parents[2]
PIPELINES = ROOT / "examples" / "pipelines"
RIGHTS = (ROOT / "docs" / "stores" / "postgresql.md").read_text()
COMMAND = "import sys; sys.argv[0] = 'declarative'; from declarative.cli.main import run; run()"
AUTHOR = ("-c", "user.name=Ada", "-c", "user.email=ada@bank.example")


@dataclass
class Repository:
    """A repository with a branch `main`; the shop of examples/three-tier lies in stacks/shop."""

    folder: Path

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *AUTHOR, *words], cwd=self.folder, check=True, capture_output=True, text=True
        )  # fmt: skip
        return done.stdout.strip()

    def commit(self, **files: str | None) -> str:
        """Write files, by path with `__` for `/`, or delete them, and return the commit."""
        for name, text in files.items():
            path = self.folder / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "-q", "-m", "change")
        return self.git("rev-parse", "HEAD")

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()

    def edited(self, name: str, old: str, new: str) -> dict[str, str]:
        text = self.read(name)
        assert text.count(old) == 1, name
        return {name: text.replace(old, new)}

    def propose(self, number: int, files: dict[str, str | None]) -> str:
        """Open a pull request, or push to it again, and return its merge commit."""
        branch = f"change-{number}"
        exists = branch in self.git("branch", "--format=%(refname:short)").split()
        self.git("checkout", "-q", *(() if exists else ("-b",)), branch)
        self.commit(**files)
        return self.proposed(number)

    def proposed(self, number: int) -> str:
        """The merge of a pull request with what `main` is now."""
        self.git("checkout", "-q", "--detach", "main")
        self.git("merge", "-q", "--no-ff", "-m", f"Merge {number}", f"change-{number}")
        merge = self.git("rev-parse", "HEAD")
        self.git("update-ref", f"refs/pull/{number}/merge", merge)
        self.git("checkout", "-q", "main")
        return merge

    def merge(self, number: int) -> tuple[str, str]:
        """Merge a pull request; return `main` before and after."""
        before = self.git("rev-parse", "main")
        self.git("merge", "-q", "--no-ff", "-m", f"Merge {number}", f"change-{number}")
        return before, self.git("rev-parse", "main")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    folder = tmp_path / "origin"
    folder.mkdir()
    found = Repository(folder)
    found.git("init", "-q", "-b", "main")
    found.git("config", "uploadpack.allowAnySHA1InWant", "true")
    shutil.copytree(PIPELINES / "ci", folder / "ci", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PIPELINES / "github", folder / ".github" / "workflows")
    shutil.copytree(PIPELINES / "gitlab", folder, dirs_exist_ok=True)
    shutil.copytree(ROOT / "examples" / "three-tier", folder / "stacks" / "shop",
                    ignore=shutil.ignore_patterns(".declarative"))  # fmt: skip
    stack = folder / "stacks" / "shop" / "stack.yaml"
    text = stack.read_text()
    assert "    simulator: true" in text
    stack.write_text(text.replace("    simulator: true", "    region: eu-de"))
    shutil.copytree(ROOT / "examples" / "quickstart", folder / "stacks" / "orders",
                    ignore=shutil.ignore_patterns(".declarative"))  # fmt: skip
    other = folder / "stacks" / "orders" / "stack.yaml"
    other.write_text(re.sub(r"simulator: true", "region: eu-de", other.read_text()))
    found.commit()
    return found


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


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[tuple[World, str]]:
    """A cloud and its address; a parameter gives it faults."""
    faults = getattr(request, "param", ())
    origin = Origin(accounts=PEOPLE, group_quota=-1)
    with World.open(origin=origin, speed=float("inf"), faults=faults) as opened, running(opened) as address:
        yield opened, address


@pytest.fixture
def states(postgres) -> dict[str, str]:
    """Addresses of the state for a role that may only read, and for one that may write, as the docs make them."""
    database = postgres.emptied()
    block = re.search(r"^```sql\n(.*?)^```$", RIGHTS, re.MULTILINE | re.DOTALL)
    assert block is not None
    for statement in re.sub(r"--.*", "", block[1]).split(";"):
        if "CREATE ROLE" in statement:
            name = statement.split()[2]
            if not postgres.run(f"select 1 from pg_roles where rolname = '{name}'"):
                postgres.run(statement)
        elif statement.strip():
            postgres.run(statement, database=database)
    return {role: postgres.address(database, user=role) for role in ("plan", "apply")}


@pytest.fixture
def forge() -> Iterator[Forges]:
    with forges() as served:
        yield served


@pytest.fixture
def settings(world: tuple[World, str], states: dict[str, str]) -> dict[str, dict[str, str]]:
    """The variables and secrets of the environments, by environment."""
    cloud = {"OS_AUTH_URL": f"{world[1]}/v3", "OS_PROJECT_NAME": "eu-de_shop"}
    keys = {"OS_ACCESS_KEY": "AKADA", "OS_SECRET_KEY": "SKADA", "PGPASSWORD": "of-no-use"}
    return {
        f"{environment}{suffix}": {**cloud, **keys, "DECLARATIVE_STATE": states[role]}
        for environment in ("staging", "prod", "default")
        for suffix, role in (("-plan", "plan"), ("", "apply"))
    }


@pytest.fixture
def github(repository: Repository, program: Path, forge: Forges, settings, tmp_path: Path) -> Actions:
    names = ("OS_ACCESS_KEY", "OS_SECRET_KEY", "PGPASSWORD")
    return Actions(
        repository.folder,
        tmp_path / "jobs",
        program,
        forge,
        variables={one: {k: v for k, v in every.items() if k not in names} for one, every in settings.items()},
        secrets={one: {name: every[name] for name in names} for one, every in settings.items()},
    )


@pytest.fixture(autouse=True)
def nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("DECLARATIVE_", "SDRS_", "OS_", "HW_", "GITHUB_", "CI_", "GITLAB_")):
            monkeypatch.delenv(name)
