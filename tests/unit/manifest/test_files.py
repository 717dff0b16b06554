import errno
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from declarative.errors import Diagnostic, UsageError
from declarative.manifest import inspect, load, validate
from declarative.manifest.files import Ignored, environment_files, ignore_line, manifest_files, read_named

STACK = "apiVersion: sdrs/v1\nkind: Stack\nmetadata: {name: s}\n"


def write(folder, *paths, text="a: 1\n"):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def found(folder):
    return [file.path for file in manifest_files(folder)]


def test_files_come_in_the_order_of_their_names(tmp_path):
    write(tmp_path, "b.yaml", "a/z.yml", "a/b/c.yaml", "c.yaml", "a.txt", "d.YAML", "yaml")
    assert found(tmp_path) == ["a/b/c.yaml", "a/z.yml", "b.yaml", "c.yaml"]


def test_links_are_not_followed(tmp_path):
    write(tmp_path / "outside", "x.yaml")
    write(tmp_path / "inside", "a.yaml")
    (tmp_path / "inside/link.yaml").symlink_to(tmp_path / "outside/x.yaml")
    (tmp_path / "inside/folder").symlink_to(tmp_path / "outside")
    (tmp_path / "inside/loop").symlink_to(tmp_path / "inside")
    assert found(tmp_path / "inside") == ["a.yaml"]


def test_the_folder_itself_may_be_a_link(tmp_path):
    write(tmp_path / "real", "a.yaml")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert found(tmp_path / "link") == ["a.yaml"]


def test_what_is_no_regular_file_is_told_without_opening_it(tmp_path):
    write(tmp_path, "stack.yaml", text=STACK)
    os.mkfifo(tmp_path / "pipe.yaml")
    (told,) = validate(tmp_path)
    assert str(told).startswith(f"{tmp_path}/pipe.yaml:1:1: error: this is not a regular file.")


def test_what_can_not_be_opened_is_told(tmp_path, monkeypatch):
    write(tmp_path, "stack.yaml", text=STACK)
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("a.yaml")
        (told,) = validate(Path())
    assert str(told).startswith("a.yaml:1:1: error: this can't be read: ")


@pytest.mark.parametrize(
    ("call", "name", "place"),
    [
        ("open", "locked", "locked:1:1"),
        ("open", "a.yaml", "locked/a.yaml:1:1"),
        ("fstat", "", "locked/a.yaml:1:1"),
        ("scandir", "", "locked:1:1"),
    ],
)
def test_what_can_not_be_read_is_told(tmp_path, monkeypatch, call, name, place):
    write(tmp_path, "locked/a.yaml")
    monkeypatch.chdir(tmp_path)
    real, calls = getattr(os, call), []

    def refusing(target, *rest, **options):
        calls.append(target)
        if target == name or (not name and (call != "scandir" or len(calls) > 1)):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(target, *rest, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, call, refusing)
        (file,) = list(manifest_files(Path()))
    assert str(file.content).startswith(f"{place}: error: this can't be read: Permission denied.")


def test_an_environment_that_can_not_be_read_is_told(tmp_path, monkeypatch):
    write(tmp_path, "stack.yaml", text=STACK)
    write(tmp_path, "environments/prod.yaml", "environments/README", "environments/notes.txt")
    monkeypatch.chdir(tmp_path)
    real = os.open

    def refusing(target, *rest, **options):
        if target == "prod.yaml":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(target, *rest, **options)

    monkeypatch.setattr(os, "open", refusing)
    (told,) = validate(Path())
    assert str(told).startswith("environments/prod.yaml:1:1: error: this can't be read: Permission denied.")


def test_a_folder_called_like_a_file_is_searched(tmp_path):
    write(tmp_path, "groups.yaml/a.yaml")
    assert found(tmp_path) == ["groups.yaml/a.yaml"]


def test_folders_may_not_be_too_deep(tmp_path):
    write(tmp_path, "/".join("d" * 32) + "/a.yaml", "/".join("e" * 33) + "/a.yaml")
    first, second = manifest_files(tmp_path)
    assert isinstance(first.content, bytes)
    assert isinstance(second.content, Diagnostic)
    assert "deeper than 32" in second.content.summary


def test_a_name_that_is_no_text_is_shown_escaped(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9\x1b.yaml")).write_text("a: 1")
    (tmp_path / "stack.yaml").write_text(STACK)
    (told,) = validate(tmp_path)
    assert "caf\\u{dce9}\\x1b.yaml:1:1: error: apiVersion is missing" in str(told)


@pytest.mark.parametrize("name", ["absent", "file.txt", "nul\0"])
def test_a_missing_folder_is_a_usage_error(tmp_path, name):
    (tmp_path / "file.txt").write_text("")
    with pytest.raises(UsageError, match="can't be read"):
        load(tmp_path / name)


def test_environments_are_regular_files_of_one_folder(tmp_path):
    write(tmp_path, "environments/b.yaml", "environments/a.yaml", "environments/deep/c.yaml", "environments/.d.yaml")
    (tmp_path / "environments/link.yaml").symlink_to(tmp_path / "environments/a.yaml")
    assert [file.path for file in environment_files(tmp_path)] == ["environments/a.yaml", "environments/b.yaml"]


def test_the_folder_of_environments_may_be_absent(tmp_path):
    assert list(environment_files(tmp_path)) == []


def test_a_named_file_may_be_a_link(tmp_path):
    write(tmp_path, "real.yaml")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "real.yaml")
    assert read_named(tmp_path / "link.yaml") == b"a: 1\n"


def test_a_named_file_that_is_absent_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        read_named(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("patterns", "path", "ignored"),
    [
        ("*.yaml", "a.yaml", True),
        ("*.yaml", "a/b/c.yaml", True),
        ("x.yaml", "a/x.yaml", True),
        ("x.yaml", "ax.yaml", False),
        ("/x.yaml", "x.yaml", True),
        ("/x.yaml", "a/x.yaml", False),
        ("a/*.yaml", "a/x.yaml", True),
        ("a/*.yaml", "a/b/x.yaml", False),
        ("a/*.yaml", "b/a/x.yaml", False),
        ("a/**/x.yaml", "a/x.yaml", True),
        ("a/**/x.yaml", "a/b/c/x.yaml", True),
        ("**/b/x.yaml", "a/b/x.yaml", True),
        ("?.yaml", "ab.yaml", False),
        ("[ab].yaml", "b.yaml", True),
        ("*.yaml\n!keep.yaml", "keep.yaml", False),
        ("*.yaml\n!keep.yaml", "other.yaml", True),
        ("# x.yaml", "x.yaml", False),
        ("\n  \n", "x.yaml", False),
        ("folder/", "folder", False),
        ("a*" * 30 + "b", "a" * 200, False),
        # as `git check-ignore` has it
        ("\\#x.yaml", "#x.yaml", True),
        ("\\!x.yaml", "!x.yaml", True),
        ("x.yaml\\ ", "x.yaml ", True),
        ("x.yaml\\ ", "x.yaml", False),
        ("x.yaml  ", "x.yaml", True),
        ("x\\\\ ", "x\\", True),
        ("x\\*.yaml", "x*.yaml", True),
        ("x\\*.yaml", "xy.yaml", False),
        ("\\[x].yaml", "[x].yaml", True),
        ("[^a].yaml", "b.yaml", True),
        ("[^a].yaml", "a.yaml", False),
        ("[x.yaml", "[x.yaml", False),
    ],
)
def test_patterns_leave_files_out(patterns, path, ignored):
    assert Ignored.parse(patterns).matches(path, folder=False) is ignored


def test_a_pattern_with_a_slash_at_its_end_leaves_folders_out():
    assert Ignored.parse("charts/").matches("a/charts", folder=True)


def test_an_ignored_folder_is_not_entered(tmp_path):
    write(tmp_path, "charts/a.yaml", "b.yaml")
    (tmp_path / ".declarativeignore").write_text("charts/\n")
    assert found(tmp_path) == ["b.yaml"]


def test_an_ignore_file_that_is_a_link_is_refused(tmp_path):
    write(tmp_path, "a.yaml")
    (tmp_path / ".declarativeignore").symlink_to("/etc/hostname")
    with pytest.raises(UsageError, match="declarativeignore"):
        found(tmp_path)


NAMES = st.text(st.sampled_from("ab[]*?!\\# -.é\n"), min_size=1, max_size=6).filter(
    lambda name: name not in (".", "..")
)


@given(st.lists(NAMES, min_size=1, max_size=3).map("/".join), NAMES)
def test_the_line_that_leaves_a_file_out_leaves_out_no_other(path, other):
    line = ignore_line(path)
    if "\n" in path:
        assert line == ""
        return
    rules = Ignored.parse(f"{line}\n")
    assert rules.matches(path, folder=False)
    assert rules.matches(other, folder=False) == (other == path)


def test_a_valid_folder_is_counted(tmp_path):
    write(tmp_path, "stack.yaml", text=STACK)
    write(tmp_path, "environments/prod.yaml", text="")
    write(tmp_path, "notes.yaml", text="# nothing\n")
    inspection = inspect(tmp_path)
    assert (inspection.files, inspection.documents, inspection.environments) == (1, 1, ("prod",))
    assert inspection.findings == validate(tmp_path)
