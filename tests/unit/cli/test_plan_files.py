"""Plan files and the example on disk."""

import os
import stat

import pytest

from declarative.cli.plan_files import (
    FileRefused,
    read_plan,
    refuse_output,
    write_new,
    write_plan,
)
from declarative.errors import UsageError


@pytest.fixture(autouse=True)
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


PLAN = '{"format":"declarative.plan/1"}'


def test_a_plan_file_is_for_its_owner_alone(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(PLAN)
    path.chmod(0o644)
    assert write_plan(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.parametrize(
    "content", [b"precious", b"{}", b'{"format":"declarative.state/1"}', b"\xff", b"null", b"[" * 9999]
)
def test_what_is_no_plan_is_not_written_over(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(FileRefused, match="holds no plan"):
        write_plan(path, "new")
    assert path.read_bytes() == content


@pytest.mark.parametrize("earlier", ["", PLAN])
def test_a_link_is_followed_to_what_may_be_replaced(tmp_path, earlier):
    target = tmp_path / "target"
    target.write_text(earlier)
    (tmp_path / "plan.json").symlink_to(target)
    assert write_plan(tmp_path / "plan.json", "new")
    assert (target.read_text(), (tmp_path / "plan.json").is_symlink()) == ("new", True)


def test_a_link_does_not_lead_around_the_rule(tmp_path):
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / "plan.json").symlink_to(target)
    with pytest.raises(FileRefused, match="holds no plan"):
        write_plan(tmp_path / "plan.json", "new")
    assert target.read_text() == "mine"


def test_a_link_that_leads_nowhere_or_in_circles_is_no_crash(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "new.json")
    (tmp_path / "b").symlink_to(tmp_path / "b")
    assert write_plan(tmp_path / "a", "new")
    assert (tmp_path / "new.json").read_text() == "new"
    with pytest.raises(FileRefused, match="can't be written"):
        write_plan(tmp_path / "b", "new")


def test_a_pipe_is_written_to_and_stays(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    assert not write_plan(tmp_path / "fifo", "new")
    assert os.read(reader, 100) == b"new"
    os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)


def test_a_folder_is_no_place_for_a_plan(tmp_path):
    with pytest.raises(FileRefused, match="is a folder"):
        write_plan(tmp_path, "new")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("plan.yaml", "read as a manifest"),
        ("below/plan.YML", "read as a manifest"),
        ("state/default/plan.json", "folder of the state"),
        ("link.json", "read as a manifest"),
    ],
)
def test_what_is_not_absent_or_ours_by_its_place_is_refused(tmp_path, name, words):
    (tmp_path / "below").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "below" / "new.yaml")
    with pytest.raises(FileRefused, match=words):
        refuse_output(tmp_path / name, stack=tmp_path, states=[tmp_path / "state"])
    refuse_output(tmp_path / "plan.json", stack=tmp_path, states=[tmp_path / "state"])
    refuse_output(tmp_path / "plan.yaml", stack=tmp_path / "below", states=[tmp_path / "state"])


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileRefused, match="can't be written: No such file"):
        write_plan(tmp_path / "none" / "plan.json", "new")


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
    write_plan(tmp_path / "plan.json", '{"a":"ü"}\n')
    assert read_plan(tmp_path / "plan.json") == '{"a":"ü"}\n'


def test_all_that_is_in_the_way_is_listed_and_nothing_is_written(tmp_path):
    (tmp_path / "stack.yaml").write_text("mine")
    (tmp_path / ".gitignore").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileRefused, match=r"stack\.yaml, .*\.gitignore"):
        write_new(tmp_path, dict.fromkeys(("stack.yaml", "groups.yaml", ".gitignore"), b""))
    assert sorted(one.name for one in tmp_path.iterdir()) == [".gitignore", "stack.yaml"]
