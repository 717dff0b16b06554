"""A state that can't be believed: what a person reads about it at night, and where that leads when it is followed."""

import os
import re
import shlex

import pytest

from declarative.simulator import World
from tests.scaffold.small_stacks import stack_of


@pytest.fixture
def world(folder):
    """The embedded cloud, for what others do there."""
    return lambda: World.open(folder / ".declarative" / "simulator.sqlite")


@pytest.fixture
def write(folder):
    """Write a stack with these groups."""

    def manifests(*names):
        (folder / "stack.yaml").write_text(stack_of(names))

    return manifests


@pytest.fixture
def journal(cli, write, folder, monkeypatch):
    """A state whose last run was killed as it ended, so that all it did is in the journal; the journal's path."""
    write("a")
    assert cli("apply", "--auto-approve").code == 0
    write("a", "b")
    with monkeypatch.context() as patch:
        patch.setattr("declarative.state.local.LocalStore.write", killed)
        assert cli("apply", "--auto-approve").code != 0
    return folder / ".declarative" / "default" / "journal.jsonl"


def killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def printed(ran):
    """The command that an error names."""
    found = re.search(r"`(declarative [^`]*restore [^`]*)`", ran.err)
    assert found, ran.err
    return shlex.split(found[1])[1:]


def test_the_way_out_of_a_damaged_journal_leads_on(cli, golden, journal, world):
    journal.write_bytes(journal.read_bytes().replace(b'"type":"begun"', b'"type":"began"'))
    refused = cli("plan")
    assert refused.code == 1
    words = printed(refused)
    listed, restored = cli(*words[:-1]), cli(*words)
    golden("restore", refused, listed, restored, cli("state", "list"), cli("state", "history"))
    (command,) = re.findall(r"^  declarative (import .*)$", restored.out, re.MULTILINE)
    assert cli(*shlex.split(command)).code == 0
    ended = cli("apply", "--auto-approve")
    assert (ended.code, "Nothing to do" in ended.out) == (0, True)
    with world() as cloud:
        assert sorted(str(group["name"]) for group in cloud.groups()) == ["a", "b"]


def test_garbage_behind_the_last_batch_costs_nothing(cli, journal):
    journal.write_bytes(journal.read_bytes() + b"garbage\n")
    assert cli(*printed(cli("show"))).code == 0
    ended = cli("apply", "--auto-approve")
    assert (ended.code, "Nothing to do" in ended.out) == (0, True)


def test_the_way_out_can_be_pasted_wherever_the_command_was_run(cli, write, folder, monkeypatch):
    write("a")
    (folder / "environments").mkdir()
    (folder / "environments" / "prod.yaml").write_text("")
    options = ("-C", str(folder), "--env", "prod")
    assert cli(*options, "apply", "--auto-approve", "--state", "local:my state").code == 0
    (folder / "my state" / "prod" / "state.json").write_text("x")
    monkeypatch.chdir("/")
    words = printed(cli(*options, "show", "--state", "local:my state"))
    assert words[:-1] == [*options, "state", "restore", "--state", "local:my state"]
    assert cli(*words).code == 0
    assert cli(*options, "show", "--state", "local:my state").code == 0


def test_nothing_is_restored_while_somebody_writes(cli, journal, monkeypatch):
    monkeypatch.setattr("declarative.state.lockfile._try_lock", lambda descriptor, *, shared=False: False)
    ran = cli("state", "restore", "1")
    assert (ran.code, "is locked by" in ran.err) == (4, True)


def test_a_serial_that_is_nowhere_is_not_restored(cli, journal):
    before = journal.read_bytes()
    ran = cli("state", "restore", "99")
    assert (ran.code, "`declarative state restore` lists" in ran.err) == (1, True)
    assert journal.read_bytes() == before


def test_where_nothing_is_whole_there_is_nothing_to_restore(cli, write):
    write("a")
    ran = cli("state", "restore")
    assert (ran.code, ran.out) == (0, "")
    assert "no state here is whole" in ran.err


# ---------------------------------------------------------------- what this machine has seen


@pytest.mark.parametrize("name", ["marks-here", "./marks-here", "~/marks-here"])
def test_a_relative_folder_for_marks_does_not_count(cli, write, folder, tmp_path, monkeypatch, name):
    write("a")
    monkeypatch.setenv("XDG_STATE_HOME", name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    ran = cli("apply", "--auto-approve")
    assert (ran.code, ran.err.count("warning")) == (0, 0)
    assert sorted(path.name for path in folder.iterdir()) == [".declarative", "stack.yaml"]
    assert len(list((tmp_path / "home" / ".local" / "state" / "declarative").iterdir())) == 1


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        pytest.param({"XDG_STATE_HOME": os.devnull}, "Not a directory", id="file"),
        pytest.param({"HOME": None}, "neither XDG_STATE_HOME nor HOME names a folder by its whole path", id="no-home"),
        pytest.param({"HOME": "here"}, "neither XDG_STATE_HOME nor HOME names a folder", id="relative-home"),
    ],
)
def test_a_guard_that_is_off_is_told_once(cli, write, monkeypatch, environ, why):
    write("a")
    monkeypatch.delenv("XDG_STATE_HOME")
    for name, content in environ.items():
        monkeypatch.setenv(name, content) if content else monkeypatch.delenv(name)
    for command in (("apply", "--auto-approve"), ("apply", "--auto-approve"), ("plan",), ("show",)):
        ran = cli(*command)
        assert ran.code == 0
        assert ran.err.count("warning: the guard against a state that was rolled back, or lost, is off: ") == 1
        assert why in ran.err
        assert "Set XDG_STATE_HOME" in ran.err


def test_a_mark_that_can_not_be_read_is_told_and_mended(cli, write, tmp_path):
    write("a")
    assert cli("apply", "--auto-approve").err.count("warning") == 0
    (mark,) = (tmp_path / "marks" / "declarative").iterdir()
    mark.write_text("x")
    assert "holds no mark" in cli("show").err
    assert cli("show").err == ""


def test_a_state_has_one_mark_however_its_folder_is_spelt(cli, write, folder, tmp_path):
    write("a")
    assert cli("apply", "--auto-approve").code == 0
    (tmp_path / "link").symlink_to(folder)
    place = folder / ".declarative" / "default"
    (place / "state.json").write_bytes((place / "state.json.1").read_bytes())
    for spelt in (str(folder), f"{folder}/../{folder.name}", str(tmp_path / "link"), "."):
        ran = cli("-C", spelt, "show")
        assert (ran.code, "this machine has seen" in ran.err) == (1, True)
    assert len(list((tmp_path / "marks" / "declarative").iterdir())) == 1
