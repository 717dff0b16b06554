"""What a machine remembers of a state, and what it refuses because of that."""

from __future__ import annotations

from pathlib import Path

import pytest
import recorded as r

from declarative.errors import StateError
from declarative.state import Store, fresh, open_store
from declarative.state.marks import Mark, Marks, refuse_rollback


def open_at(tmp_path: Path, *, accept: int | None = None, folder: str = "stack", environment: str = "prod") -> Store:
    return open_store(
        "local:state",
        folder=tmp_path / folder,
        environment=environment,
        marks=tmp_path / "marks",
        uuid=lambda: "fresh",
        accept_rollback=accept,
    )


@pytest.fixture
def state_file(tmp_path: Path) -> Path:
    """A state at serial 3 that this machine has seen."""
    store = open_at(tmp_path)
    store.write(fresh("a-lineage"), after=0)
    for serial in range(3):
        store.append([r.put(serial)], after=serial)
    store.write(store.read(), after=3)
    return tmp_path / "stack" / "state" / "prod" / "state.json"


def lose(state_file: Path) -> None:
    for path in state_file.parent.iterdir():
        path.unlink()


def go_back(state_file: Path) -> None:
    state_file.write_bytes(state_file.with_name("state.json.1").read_bytes())


def exchange(state_file: Path) -> None:
    folder = state_file.parents[2].parent
    other = open_at(folder, folder="other")
    other.write(fresh("another-lineage"), after=0)
    state_file.write_bytes((folder / "other" / "state" / "prod" / "state.json").read_bytes())


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        pytest.param(lose, "no state is found, but this machine has seen serial 3", id="gone"),
        pytest.param(go_back, "stands at serial 0, but this machine has seen serial 3", id="older"),
        pytest.param(exchange, "of lineage another-lineage, but this machine has seen lineage a-lineage", id="other"),
    ],
)
def test_a_state_that_is_not_the_one_seen_is_refused_until_accepted(tmp_path: Path, state_file: Path, harm, message):
    harm(state_file)
    with pytest.raises(StateError, match=message) as caught:
        open_at(tmp_path).read()
    assert "--accept-rollback 0" in caught.value.fix
    accepted = open_at(tmp_path, accept=0)
    assert accepted.read().serial == 0
    assert accepted.append([r.put(1)], after=accepted.read().serial) == 1
    assert open_at(tmp_path).read().serial == 1


def test_no_serial_but_the_one_found_is_accepted(tmp_path: Path, state_file: Path):
    go_back(state_file)
    with pytest.raises(StateError, match="stands at serial 0, not at 2"):
        open_at(tmp_path, accept=2).read()
    with pytest.raises(StateError, match="has seen serial 3"):
        open_at(tmp_path).read()


def test_accepting_what_is_there_anyway_changes_nothing(tmp_path: Path, state_file: Path):
    assert open_at(tmp_path, accept=3).read().serial == 3


@pytest.mark.parametrize("other", [{"folder": "other"}, {"environment": "test"}], ids=["address", "environment"])
def test_each_state_has_a_mark_of_its_own(tmp_path: Path, state_file: Path, other):
    assert open_at(tmp_path, **other).read().serial == 0


@pytest.mark.parametrize(
    "garbage",
    [b"", b"x", b"[]", b"null", b'{"lineage":1,"serial":1}', b'{"lineage":"a","serial":1.5}', b"[" * 5000, b"\xff"],
)
def test_a_mark_that_can_not_be_read_is_none(tmp_path: Path, state_file: Path, garbage: bytes):
    for path in (tmp_path / "marks").iterdir():
        path.write_bytes(garbage)
    go_back(state_file)
    assert open_at(tmp_path).read().serial == 0


def test_marks_that_can_not_be_kept_stop_nothing(tmp_path: Path):
    (tmp_path / "marks").write_text("a file where the folder should be")
    store = open_at(tmp_path)
    assert store.append([r.put(1)], after=store.read().serial) == 1
    assert open_at(tmp_path).read().serial == 1


def test_a_mark_never_goes_back_by_itself(tmp_path: Path):
    marks = Marks(tmp_path, address="local:x", environment="prod")
    marks.note(Mark("a-lineage", 100))
    marks.note(Mark("a-lineage", 99))
    assert marks.seen() == Mark("a-lineage", 100)
    marks.reset(Mark("a-lineage", 9))
    assert marks.seen() == Mark("a-lineage", 9)
    marks.note(Mark("b", 1))
    assert marks.seen() == Mark("b", 1)
    marks.forget()
    assert marks.seen() is None


def test_without_a_folder_nothing_is_remembered():
    marks = Marks(None, address="local:x", environment="prod")
    marks.note(Mark("a", 1))
    marks.forget()
    assert marks.seen() is None


def test_a_hostile_lineage_is_made_visible():
    with pytest.raises(StateError) as caught:
        refuse_rollback(Mark("a", 1), Mark("\x1b[31m", 1), address="local:x", accept=None)
    assert caught.value.summary.isprintable()
