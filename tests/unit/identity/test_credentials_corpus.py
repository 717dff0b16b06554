"""Every case of `tests/data/credentials` gives what is written beside it; UPDATE_GOLDEN=1 writes it, to be read.

A case has variables (`environ`), options and what the Stack says (`asked`), and files below a folder ROOT in which
`home`, `work` and `stack` are. Every secret in it has `hunter2` in it, and no answer may.
"""

import os
from pathlib import Path

import pytest
import yaml

from declarative.errors import DeclarativeError
from declarative.identity import cloud_files
from declarative.identity.sources import Asked, find_credentials

CASES = sorted((Path(__file__).parents[2] / "data" / "credentials").glob("*.yaml"))
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"


def told(root, case):
    environ = {name: value.replace("ROOT", str(root)) for name, value in case.get("environ", {}).items()}
    try:
        account = find_credentials(
            {"HOME": str(root / "home"), **environ},
            working_folder=root / "work",
            stack_folder=root / "stack",
            asked=Asked(**case.get("asked", {})),
        )
    except DeclarativeError as error:
        return [f"exit code {int(error.exit_code)}", *map(str, error.diagnostics())]
    agency = " of an agency" if account.agency else ""
    return [
        f"{account.way.value}{agency}, from {account.source}",
        *(f"  {name}: {value.source}" for name, value in account.values.items()),
        *map(str, account.notes),
    ]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case_gives_what_is_written_beside_it(path, tmp_path, monkeypatch):
    monkeypatch.setattr(cloud_files, "_SITE", tmp_path / "etc/openstack")
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name in ("home", "work", "stack"):
        (tmp_path / name).mkdir()
    for name, content in case.get("files", {}).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    text = "".join(f"{line}\n" for line in told(tmp_path, case)).replace(str(tmp_path), "ROOT")
    assert "hunter2" not in text
    golden = path.with_suffix(".txt")
    if UPDATE:
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8"), f"UPDATE_GOLDEN=1 writes {golden} anew"
