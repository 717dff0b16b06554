"""What a machine remembers of a state, and what it refuses because of that."""

from __future__ import annotations

from pathlib import Path

import pytest

from declarative.errors import Diagnostic, Severity, StateError
from declarative.state import Holder, Store, fresh, open_store
from declarative.state.high_water import HighWaterMark, HighWaterMarks, refuse_rollback
from tests.scaffold import recorded as r


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


@pytest.mark.parametrize("spelt", ["stack/../stack", "link", "link/../stack/"])
def test_a_state_has_one_mark_however_its_folder_is_spelt(tmp_path: Path, state_file: Path, spelt: str):
    (tmp_path / "link").symlink_to(tmp_path / "stack")
    go_back(state_file)
    with pytest.raises(StateError, match="has seen serial 3"):
        open_at(tmp_path, folder=spelt).read()


@pytest.mark.parametrize("other", [{"folder": "other"}, {"environment": "test"}], ids=["address", "environment"])
def test_each_state_has_a_mark_of_its_own(tmp_path: Path, state_file: Path, other):
    assert open_at(tmp_path, **other).read().serial == 0


@pytest.mark.parametrize(
    "garbage",
    [b"", b"x", b"[]", b"null", b'{"lineage":1,"serial":1}', b'{"lineage":"a","serial":1.5}', b"[" * 5000, b"\xff"],
)
def test_a_mark_that_can_not_be_read_is_none_and_told(tmp_path: Path, state_file: Path, garbage: bytes):
    for path in (tmp_path / "marks").iterdir():
        path.write_bytes(garbage)
    go_back(state_file)
    warnings: list[Diagnostic] = []
    assert marked(tmp_path, warnings).read().serial == 0
    assert [warning.summary.endswith("holds no mark") for warning in warnings] == [True]
    assert marked(tmp_path, warnings).read().serial == 0
    assert len(warnings) == 1


def make_file(folder: Path) -> None:
    folder.write_text("a file where the folder should be")


def make_folder_for_file(folder: Path) -> None:
    name = next(path.name for path in open_marks(folder).iterdir())
    for path in folder.iterdir():
        path.unlink()
    (folder / name).mkdir()


def open_marks(folder: Path) -> Path:
    """The marks of the state of these tests, made where they belong."""
    marked(folder.parent, []).append([r.put(0)], after=0)
    for path in (folder.parent / "stack" / "state" / "prod").iterdir():
        path.unlink()
    return folder


def marked(tmp_path: Path, warnings: list[Diagnostic]) -> Store:
    """A store whose warnings are kept."""
    return open_store(
        "local:state",
        folder=tmp_path / "stack",
        environment="prod",
        marks=tmp_path / "marks",
        uuid=lambda: "fresh",
        warn=warnings.append,
    )


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        pytest.param(make_file, "Not a directory", id="no-folder"),
        pytest.param(make_folder_for_file, "is no regular file", id="no-file"),
    ],
)
def test_marks_that_can_not_be_kept_stop_nothing_and_are_told_once(tmp_path: Path, harm, why):
    harm(tmp_path / "marks")
    warnings: list[Diagnostic] = []
    store = marked(tmp_path, warnings)
    assert store.append([r.put(1)], after=store.read().serial) == 1
    assert store.append([r.put(2)], after=1) == 2
    assert open_at(tmp_path).read().serial == 2
    (warning,) = warnings
    assert warning.severity is Severity.WARNING
    assert "guard against a state that was rolled back, or lost, is off" in warning.summary
    assert why in warning.summary


def test_a_mark_that_will_not_be_kept_is_told_as_the_lock_is_taken(tmp_path: Path, monkeypatch):
    warnings: list[Diagnostic] = []
    store = marked(tmp_path, warnings)
    monkeypatch.setattr("os.access", lambda path, how: False)
    store.lock(Holder("lock-1", "me", "here", 1, "apply", "now"), timeout=0, sleep=lambda seconds: None)
    (warning,) = warnings
    assert f"{tmp_path / 'marks'}" in warning.summary
    assert warning.summary.endswith("can't be written")
    store.unlock()


def test_marks_that_are_kept_are_not_told(tmp_path: Path, state_file: Path):
    warnings: list[Diagnostic] = []
    store = marked(tmp_path, warnings)
    store.lock(Holder("lock-1", "me", "here", 1, "apply", "now"), timeout=0, sleep=lambda seconds: None)
    assert store.append([r.put(9)], after=store.read().serial) == 4
    store.unlock()
    assert warnings == []


def test_a_mark_never_goes_back_by_itself(tmp_path: Path):
    marks = HighWaterMarks(tmp_path, address="local:x", environment="prod")
    marks.note(HighWaterMark("a-lineage", 100))
    marks.note(HighWaterMark("a-lineage", 99))
    assert marks.seen() == HighWaterMark("a-lineage", 100)
    marks.reset(HighWaterMark("a-lineage", 9))
    assert marks.seen() == HighWaterMark("a-lineage", 9)
    marks.note(HighWaterMark("b", 1))
    assert marks.seen() == HighWaterMark("b", 1)
    marks.forget()
    assert marks.seen() is None


def test_without_a_folder_nothing_is_remembered():
    marks = HighWaterMarks(None, address="local:x", environment="prod")
    marks.note(HighWaterMark("a", 1))
    marks.forget()
    assert marks.seen() is None


def test_a_hostile_lineage_is_made_visible():
    with pytest.raises(StateError) as caught:
        refuse_rollback(HighWaterMark("a", 1), HighWaterMark("\x1b[31m", 1), address="local:x", accept=None)
    assert caught.value.summary.isprintable()
