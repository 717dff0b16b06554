"""Plan files and the example on disk."""

import os
import stat

import pytest

from declarative.cli.files import QUICKSTART, FileRefused, quickstart_root, read_plan, write_private, write_quickstart
from declarative.errors import UsageError


@pytest.fixture(autouse=True)
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_plan_file_is_for_its_owner_alone(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["plan.json"]


def test_a_link_is_not_followed(tmp_path):
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / "plan.json").symlink_to(target)
    with pytest.raises(FileRefused, match="not a regular file"):
        write_private(tmp_path / "plan.json", "new")
    assert target.read_text() == "mine"


@pytest.mark.parametrize("name", ["folder", "fifo"])
def test_only_a_regular_file_is_replaced(tmp_path, name):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(FileRefused, match="not a regular file"):
        write_private(tmp_path / name, "new")


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileRefused, match="can't be written: No such file"):
        write_private(tmp_path / "none" / "plan.json", "new")


def test_a_plan_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="there is no plan"):
        read_plan(tmp_path / "plan.json")


def test_a_plan_is_a_regular_file_of_text(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "bytes").write_bytes(b"{\xff")
    for name, fault in (("fifo", "not a regular file"), (".", "not a regular file"), ("bytes", "not UTF-8 at byte 1")):
        with pytest.raises(FileRefused, match=fault):
            read_plan(tmp_path / name)


def test_a_plan_comes_back_as_it_was_written(tmp_path):
    write_private(tmp_path / "plan.json", '{"a":"ü"}\n')
    assert read_plan(tmp_path / "plan.json") == '{"a":"ü"}\n'


def test_init_writes_the_example(tmp_path):
    written = write_quickstart(tmp_path / "a" / "b")
    assert [path.name for path in written] == list(QUICKSTART)
    for path in written:
        assert path.read_bytes() == (quickstart_root() / path.name).read_bytes()


def test_init_lists_all_that_is_in_the_way_and_writes_nothing(tmp_path):
    (tmp_path / "stack.yaml").write_text("mine")
    (tmp_path / ".gitignore").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileRefused, match=r"stack\.yaml, .*\.gitignore"):
        write_quickstart(tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == [".gitignore", "stack.yaml"]
