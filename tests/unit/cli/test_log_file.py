"""The log of requests: whose file it is, what it is added to, and what becomes of a disk that is full."""

import errno
import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from declarative.cli.log_file import LogFile
from declarative.cli.main import main
from declarative.errors import UsageError
from declarative.provider import Exchange

EXCHANGE = Exchange(datetime(2026, 1, 2, tzinfo=UTC), "GET", "h", "/p", 200, 0.1, "", 1, "", "")


def log(path, *, lines=1, warn=None):
    warnings = []
    opened = LogFile(path, warn=warn or warnings.append)
    for _ in range(lines):
        opened.add(EXCHANGE)
    opened.close()
    return warnings


@pytest.fixture
def path(tmp_path):
    return tmp_path / "requests.log"


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_new_log_is_its_owners_only(path, umask):
    before = os.umask(umask)
    try:
        log(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_log_is_added_to(path):
    log(path, lines=2)
    path.chmod(0o640)  # whoever collects logs may have asked for that
    log(path)
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_line_that_was_cut_stays_by_itself(path):
    log(path)
    with path.open("a") as file:
        file.write('{"time":"2026-')
    log(path)
    first, cut, last = path.read_text().splitlines()
    assert json.loads(first) == json.loads(last)
    assert cut == '{"time":"2026-'


def test_empty_file_is_written_to(path):
    path.touch()
    log(path)
    assert len(path.read_text().splitlines()) == 1


def link(path):
    target = path.with_name("target")
    target.touch()
    path.symlink_to(target)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(link, "links are not followed", id="a-link"),
        pytest.param(lambda path: path.symlink_to("nowhere"), "links are not followed", id="a-link-to-nothing"),
        pytest.param(os.mkfifo, "it is not a regular file", id="a-pipe"),
        pytest.param(lambda path: path.mkdir(), "Is a directory", id="a-folder"),
        pytest.param(lambda path: path.write_text('{"format_version":1}'), "is not such a log", id="a-plan"),
        pytest.param(lambda path: path.write_text("x"), "is not such a log", id="a-short-file"),
    ],
)
def test_what_is_not_such_a_log_is_left_alone(path, make, reason):
    make(path)
    content = path.read_bytes() if path.is_file() else None
    with pytest.raises(UsageError, match=reason):
        log(path)
    assert (path.read_bytes() if path.is_file() else None) == content


def test_log_of_another_user_is_left_alone(path, monkeypatch):
    log(path)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(UsageError, match="belongs to another user"):
        log(path)


def test_manifest_is_not_a_log(tmp_path):
    with pytest.raises(UsageError, match="read as a manifest"):
        log(tmp_path / "log.YAML")


def test_full_disk_is_one_warning(path, monkeypatch):
    real = os.write

    def full(descriptor, data):
        if b'"path":"/p"' in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    [warning] = log(path, lines=3)
    assert warning == f"warning: {path} can't be written, and is not continued: No space left on device."


def test_line_is_written_whole_also_in_pieces(path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    log(path)
    monkeypatch.undo()
    assert json.loads(path.read_text())["path"] == "/p"


def test_log_that_cannot_be_written_ends_the_command_at_the_start(capsys, tmp_path):
    assert main(["--log-file", str(tmp_path / "nowhere" / "x.log"), "version"]) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: no log can be written to ")
    assert err.endswith(": No such file or directory. Name another file with --log-file.\n")


def test_log_lies_in_the_folder_of_the_command(tmp_path, capsys):
    assert main(["-C", str(tmp_path), "--log-file", "x.log", "version"]) == 0
    assert Path(tmp_path / "x.log").read_text() == ""
    assert capsys.readouterr().err == ""
