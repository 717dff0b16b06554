"""A world in a file: shared by several, kept between runs, safe against other files."""

import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from declarative.simulator import Origin, World, WorldError, delete_world


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "simulator.sqlite"


def test_a_world_is_kept(open_cloud, path):
    first = open_cloud(path)
    group_id = first.group()
    first.world.close()
    again = open_cloud(path)
    assert again.world.project_id == first.world.project_id
    assert again.world.preset_token == first.world.preset_token
    assert again.world.domain_ids == first.world.domain_ids
    assert again.show(group_id)["name"] == "pg-orders"
    assert ("POST", "server-groups") in again.world.requests()


def test_the_file_is_private(open_cloud, path):
    open_cloud(path).group()
    modes = {stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()}
    assert modes == {0o600}
    assert [entry.name for entry in path.parent.iterdir() if entry.name.endswith(".new")] == []


def test_what_a_fresh_world_gets_does_not_change_an_old_one(open_cloud, path):
    first = open_cloud(path, origin=Origin(group_quota=7))
    again = open_cloud(path, origin=Origin(project_id="0" * 32, group_quota=9))
    assert again.world.project_id == first.world.project_id
    assert again.send("GET", "sdrs/quotas").body["quotas"]["resources"][0]["quota"] == 7


def test_two_worlds_on_one_file_are_one(open_cloud, path):
    first = open_cloud(path)
    second = open_cloud(path, clock=first.clock)
    accepted = first.create()
    assert second.names() == ["pg-orders"]
    first.clock.pass_by(15)
    assert second.job(accepted)["status"] == "SUCCESS"
    (group,) = first.world.groups()
    assert second.send("DELETE", f"server-groups/{group['id']}").status == 200
    assert first.send("DELETE", f"server-groups/{group['id']}").code == "SDRS.1002"


def test_many_hands_lose_and_double_nothing(open_cloud, path):
    clouds = [open_cloud(path, seed=None, origin=Origin(group_quota=-1)) for _ in range(2)]

    def work(number):
        return clouds[number % 2].create(name=f"pg-{number}").status

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(work, range(80))) == {200}
    groups = clouds[0].world.groups()
    assert {group["name"] for group in groups} == {f"pg-{number}" for number in range(80)}
    assert len({group["id"] for group in groups}) == len(groups) == 80
    assert clouds[1].world.requests() == {("POST", "server-groups"): 80}
    assert len({event.request_id for event in clouds[1].world.history()}) == 80


OPEN_AND_CREATE = """
import sys, pathlib
from declarative.simulator import World
with World.open(pathlib.Path(sys.argv[1])) as world:
    print(world.project_id)
"""


def test_processes_that_start_together_find_one_world(path):
    command = [sys.executable, "-c", OPEN_AND_CREATE, str(path)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    told = {process.communicate()[0] for process in started}
    assert [process.returncode for process in started] == [0] * 4
    assert len(told) == 1


CREATE_FOREVER = """
import json, pathlib, sys
from declarative.simulator import Origin, World
from declarative.simulator.protocol.wire import Request
world = World.open(pathlib.Path(sys.argv[1]), origin=Origin(group_quota=-1))
fields = {
    "name": "pg", "source_vpc_id": "68679295-0223-4b5d-aecb-656d77977de2", "domain_id": world.domain_ids[0],
    "source_availability_zone": "eu-de-01", "target_availability_zone": "eu-de-02",
}
body = json.dumps({"server_group": fields})
headers = {"x-auth-token": world.preset_token}
request = Request("POST", f"/v1/{world.project_id}/server-groups", "", headers, body.encode(), "")
while True:
    print(world.handle(request).status, flush=True)
"""


def test_a_killed_process_loses_nothing_that_was_answered(open_cloud, path):
    command = [sys.executable, "-c", CREATE_FOREVER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        answered = [process.stdout.readline().strip() for _ in range(100)]
        process.kill()
    assert set(answered) == {"200"}
    assert len(open_cloud(path).world.groups()) >= 100
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def test_a_seed_repeats_the_ids(open_cloud, tmp_path):
    def ids(name):
        cloud = open_cloud(tmp_path / name, seed=3)
        return cloud.world.project_id, cloud.world.preset_token, cloud.group(), cloud.create().body

    assert ids("one") == ids("two")
    assert ids("one") != ids("two" + "x")


def test_a_reset_begins_anew(open_cloud, path):
    first = open_cloud(path, seed=None)
    first.world.close()
    assert delete_world(path)
    assert not delete_world(path)
    assert list(path.parent.iterdir()) == []
    assert open_cloud(path, seed=None).world.project_id != first.world.project_id


def refused(path):
    with pytest.raises(WorldError) as caught:
        World.open(path)
    return str(caught.value)


def test_another_file_is_refused(tmp_path):
    text, foreign, folder, link = (tmp_path / name for name in ("text", "foreign", "folder", "link"))
    text.write_text("no database, but long enough to be looked at as one" * 10)
    with sqlite3.connect(foreign) as database:
        database.execute("CREATE TABLE x (y)")
    database.close()
    folder.mkdir()
    link.symlink_to(foreign)
    assert "isn't a world" in refused(text)
    assert "isn't a world" in refused(foreign)
    assert "can't open" in refused(folder)
    assert "symbolic link" in refused(link)
    for path in (text, foreign, folder, link):
        with pytest.raises(WorldError):
            delete_world(path)
        assert path.exists()


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty").touch()
    assert "isn't a world" in refused(tmp_path / "empty")


def test_another_format_is_refused(open_cloud, path):
    open_cloud(path).world.close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    message = refused(path)
    assert "format 99" in message
    assert "simulator reset" in message
    assert delete_world(path)


def test_a_world_without_its_tables_is_refused(open_cloud, path):
    open_cloud(path).world.close()
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE world")
    database.close()
    assert "simulator reset" in refused(path)


def test_a_damaged_world_is_refused_and_can_be_reset(open_cloud, path):
    open_cloud(path).world.close()
    with path.open("r+b") as file:
        file.truncate(5000)
    assert "simulator reset" in refused(path)
    assert delete_world(path)
    assert open_cloud(path).world.groups() == []


def test_a_world_that_only_can_not_be_opened_is_not_to_be_deleted(open_cloud, path):
    open_cloud(path).world.close()
    path.with_name(f"{path.name}-wal").mkdir()
    message = refused(path)
    assert "can't open" in message
    assert "reset" not in message


def test_what_can_not_be_removed_is_told(tmp_path):
    with pytest.raises(WorldError, match="can't remove"):
        delete_world(tmp_path)


def test_a_path_that_can_not_be_a_file_is_told(tmp_path):
    (tmp_path / "file").touch()
    assert "can't open" in refused(tmp_path / "file" / "world")
