"""docs/failover.md, followed by copy and paste: its files are written, its commands run, its outputs compared."""

import re
from pathlib import Path

import pytest

from declarative.simulator import Origin, World, load_estate, running
from tests.scaffold.pages import blocks, pattern, printed, steps, surroundings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "failover.md").read_text()
STARTS_THE_CLOUD = ("declarative simulator serve", ". ./cloud.env")
TOKEN = "a-token"  # of the simulator


@pytest.fixture
def cloud(tmp_path):
    """A simulator behind a socket, with the servers of the page."""
    for block in blocks(PAGE, "yaml"):
        path = tmp_path / block.partition("\n")[0].removeprefix("# ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(block)
    origin = Origin(estate=load_estate(tmp_path / "servers.yaml"))
    with World.open(speed=float("inf"), origin=origin) as world:
        world.accept_token(TOKEN)
        with running(world) as address:
            yield {"SDRS_ENDPOINT": address, "SDRS_PROJECT_ID": world.project_id, "OS_AUTH_TOKEN": TOKEN}


def test_the_page_does_what_it_says(cloud, tmp_path):
    shown = [(command, output) for command, output in steps(PAGE) if not command.startswith(STARTS_THE_CLOUD)]
    assert len(shown) > 15
    texts = printed(tmp_path, surroundings(tmp_path, cloud), [command for command, _ in shown])
    for (command, output), text in zip(shown, texts, strict=True):
        assert re.fullmatch(pattern(output), text), f"{command}\n--- the page\n{output}--- is\n{text}"
