"""The Containerfile: linted, and its steps run here, as far as a machine without containers can.

Each stage gets a folder in place of `/`; absolute paths of the steps lead into it. The base image is the Python that
runs the tests, and `useradd` and `chown` only note how they were called.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scaffold.tools import tool

ROOT = Path(__file__).parents[2]
FILE = ROOT / "Containerfile"
IGNORED = (ROOT / ".dockerignore").read_text()
PLACES = r"(?<![\w./-])/(src|wheels|opt|work|home)\b"


def instructions():
    """Each instruction with what follows it, lines joined and comments left out."""
    text = "\n".join(line for line in FILE.read_text().splitlines() if not line.startswith("#"))
    return [tuple(line.split(maxsplit=1)) for line in re.sub(r"\\\n\s*", "", text).splitlines() if line]


def test_containerfile_passes_hadolint():
    ran = tool("hadolint", FILE)
    assert ran.returncode == 0, ran.stdout


def test_image_is_slim_runs_as_nobody_special_and_holds_no_secret():
    found = instructions()
    assert dict(found)["USER"] == "10001:10001"
    assert dict(found)["ENTRYPOINT"] == '["declarative"]'
    assert [rest for name, rest in found if name == "ARG"] == ["BASE=docker.io/library/python:3.13-slim-bookworm"]
    copied = [rest for name, rest in found if name == "COPY" and not rest.startswith("--from")]
    allowed = {line[1:] for line in IGNORED.splitlines() if line.startswith("!")}
    assert {word for rest in copied for word in rest.split()[:-1]} == allowed
    assert not re.search(r"(?i)(password|secret|token|key)\s*=", "\n".join(rest for _, rest in found))


@pytest.fixture
def built(tmp_path):
    """The last stage, its variables, and what was asked of the system's users."""
    stages, variables = {}, {}
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("useradd", "chown"):
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/asked\n')
        (programs / name).chmod(0o755)
    (programs / "python3").symlink_to(sys.executable)
    stage = folder = tmp_path
    for name, rest in instructions():
        here = re.sub(PLACES, lambda match: f"{stage}{match[0]}", rest)  # noqa: B023 - used at once
        if name == "FROM":
            stage = folder = tmp_path / (rest.split()[2] if " AS " in rest else "image")
            stages[stage.name] = stage
            stage.mkdir()
        elif name == "WORKDIR":
            folder = Path(here)
            folder.mkdir(parents=True, exist_ok=True)
        elif name == "COPY" and rest.startswith("--from="):
            shutil.copytree(stages[rest.split()[0].removeprefix("--from=")] / "wheels", stage / "wheels")
        elif name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                place = folder / (source if target == "./" else target)
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__", ".declarative"))
                else:
                    shutil.copy(ROOT / source, place)
        elif name == "RUN":
            environ = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path)}
            kept = {
                one: os.environ[one] for one in os.environ if one.startswith(("PIP_", "HTTP", "http", "no_", "SSL_"))
            }
            subprocess.run(["sh", "-ec", here], cwd=folder, env=environ | kept, check=True, timeout=600)
        elif name == "ENV":
            variables |= dict(one.split("=", 1) for one in shlex.split(here.replace("$PATH", "/usr/bin:/bin")))
    return stage, variables, (tmp_path / "asked").read_text().splitlines()


@pytest.mark.skipif(os.environ.get("PROOFS") != "nightly", reason="takes a minute, and packages: PROOFS=nightly")
@pytest.mark.timeout(900)
def test_steps_of_the_image_make_a_command_that_works(built):
    image, variables, asked = built
    assert asked[0].startswith("useradd --uid 10001 --user-group --create-home")
    assert asked[1].startswith("chown declarative:declarative")
    assert not (image / "wheels").exists()
    python = image / "opt" / "declarative" / "bin" / "python3"
    where = "import declarative, psycopg, obstore; print(declarative.__file__)"
    ran = subprocess.run([python, "-c", where], cwd=image, env=variables, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith(str(image))
    for words in (["init", "."], ["validate"], ["plan"], ["version"]):
        ran = subprocess.run(
            ["declarative", *words], cwd=image / "work", env=variables, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
