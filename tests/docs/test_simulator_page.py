"""docs/simulator.md, followed by copy and paste."""

import shutil
from pathlib import Path

from tests.scaffold.pages import follow, surroundings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "simulator.md").read_text()


def test_what_people_do_by_hand_is_as_the_page_shows(tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    part = PAGE.partition("\n**By hand.**")[2].partition("\n**Servers and disks.**")[0]
    follow(part, tmp_path, surroundings(tmp_path, {"DECLARATIVE_SIMULATOR_SPEED": "inf"}))
