"""docs/failover.md, followed by copy and paste: its files are written, its commands run, its outputs compared."""

from pathlib import Path

from tests.scaffold.pages import blocks, follow, printed, steps, surroundings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "failover.md").read_text()


def test_the_page_does_what_it_says(tmp_path):
    for block in blocks(PAGE, "yaml"):
        path = tmp_path / block.partition("\n")[0].removeprefix("# ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(block)
    environ = surroundings(tmp_path, {})
    assert len(steps(PAGE)) > 15
    try:
        follow(PAGE, tmp_path, environ)
    finally:
        printed(tmp_path, environ, ["declarative simulator stop"])
