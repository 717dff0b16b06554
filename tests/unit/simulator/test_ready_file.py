"""The ready file of a served simulator: whole or not there, and stale the moment its process is gone."""

import os
import subprocess
import sys

import pytest

from declarative.simulator import WorldError
from declarative.simulator.transport.ready_file import (
    export_lines,
    find_running,
    published,
    remove_stale,
    started_at,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cloud.env"


def stale(path, pid):
    """What a simulator with this number has left behind."""
    path.write_text(f"# simulator of declarative, process {pid}, started 7\nexport A=b\n")


def test_a_ready_file_is_there_as_long_as_its_simulator(path):
    with published(path, "export A=b\n"):
        found = find_running(path)
        assert (found.pid, found.started, found.lines) == (os.getpid(), started_at(os.getpid()), "export A=b\n")
        assert (path.stat().st_mode & 0o777, [one.name for one in path.parent.iterdir()]) == (0o600, ["cloud.env"])
    assert list(path.parent.iterdir()) == []
    assert find_running(path) is None


def test_a_second_simulator_does_not_get_a_ready_file_that_is_in_use(path):
    with published(path, "first\n"):
        with pytest.raises(WorldError, match=f"already runs .* process {os.getpid()}"), published(path, "second\n"):
            pytest.fail("two have it")
        assert find_running(path).lines == "first\n"
        assert len(list(path.parent.iterdir())) == 1


def test_a_stale_file_is_replaced_whoever_has_its_number_now(path):
    stale(path, os.getpid())
    assert find_running(path) is None
    with published(path, "new\n"):
        assert find_running(path).lines == "new\n"


def test_a_process_that_is_killed_leaves_a_stale_file(path):
    code = (
        "import sys, time, pathlib\nfrom declarative.simulator.transport.ready_file import published\n"
        "with published(pathlib.Path(sys.argv[1]), 'A'):\n    print('ready', flush=True)\n    time.sleep(100)"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        assert find_running(path).pid == process.pid
        with pytest.raises(WorldError, match="already runs"):
            remove_stale(path)
        process.kill()
        process.wait()
    assert path.exists()
    assert find_running(path) is None
    assert remove_stale(path)
    assert not remove_stale(path)


@pytest.mark.parametrize("content", ["", "export A=b\n", "# simulator of declarative, process x\n", "\0" * 100])
def test_a_file_of_another_sort_is_never_touched(path, content):
    path.write_text(content)
    for act in (find_running, remove_stale, lambda path: published(path, "").__enter__()):
        with pytest.raises(WorldError, match="not a ready file"):
            act(path)
    assert path.read_text() == content


def test_links_and_folders_are_never_followed_or_removed(path, tmp_path):
    stale(tmp_path / "else.env", 1)
    path.symlink_to(tmp_path / "else.env")
    with pytest.raises(WorldError):
        remove_stale(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(WorldError):
        remove_stale(path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(WorldError):
        remove_stale(path)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(WorldError, match="can't write"), published(tmp_path / "no" / "cloud.env", ""):
        pytest.fail("nothing can be written there")


def test_a_file_that_somebody_else_has_put_there_meanwhile_stays(path):
    with published(path, "A"):
        path.unlink()
        path.write_text("mine")
    assert path.read_text() == "mine"


def test_values_are_quoted_for_the_shell():
    assert export_lines({"A": "http://127.0.0.1:1", "B": "a'b; c"}) == (
        "export A=http://127.0.0.1:1\nexport B='a'\"'\"'b; c'\n"
    )


def test_the_start_of_a_process_that_is_not_there_is_unknown():
    assert started_at(2**22 + 1) == ""
