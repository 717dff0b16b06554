"""The folders of `tests/data`: good ones, and one for each fault."""

import shutil
from pathlib import Path

DATA = Path(__file__).parents[1] / "data"
BAD = sorted(
    path for path in (DATA / "bad").iterdir() if path.suffix != ".txt" and not path.name.endswith(".command.yaml")
)
GOOD = sorted(path for path in (DATA / "good").iterdir() if path.is_dir())
STACK = "apiVersion: sdrs/v1\nkind: Stack\nmetadata: {name: shop-dr}\n"


def lay_out(case: Path, folder: Path) -> None:
    """Copy a case into a folder, with a Stack beside it if it has none."""
    if case.is_dir():
        shutil.copytree(case, folder, dirs_exist_ok=True)
        return
    shutil.copy(case, folder / "manifest.yaml")
    if b"kind: Stack" not in case.read_bytes():
        (folder / "stack.yaml").write_text(STACK)
