"""docs/simulator.md, followed by copy and paste."""

import shutil
from pathlib import Path

from tests.scaffold.pages import blocks, follow, printed, surroundings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "simulator.md").read_text()


def test_the_page_does_what_it_says(tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    _, accounts = blocks(PAGE, "yaml")
    (tmp_path / "accounts.yaml").write_text(accounts)
    environ = surroundings(tmp_path, {"DECLARATIVE_SIMULATOR_SPEED": "inf"})
    try:
        follow(PAGE, tmp_path, environ)
    finally:
        printed(tmp_path, environ, ["declarative simulator stop"])
