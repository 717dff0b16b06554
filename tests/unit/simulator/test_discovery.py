"""Versions, domains, quotas, unknown paths, and what a package import costs."""

import subprocess
import sys

import pytest

from declarative import simulator
from declarative.simulator import Domain, Origin


def test_versions_need_no_token(cloud):
    versions = cloud.send("GET", "/", headers={}).body["versions"]
    assert cloud.send("GET", "/v1", headers={}).body == {"version": versions[0]}
    assert cloud.send("GET", "/v1/", headers={}).status == 200
    assert set(versions[0]) == {"id", "links", "version", "min_version", "status", "updated"}
    assert versions[0]["links"] == [{"href": "http://sdrs.test/v1", "rel": "self"}]


def test_domains_are_listed(open_cloud):
    second = Domain("second", ("az-a", "az-b"), "spare", sold_out=True, id="f523d6f3-f25c-45e8-b06e-32f164fd24e5")
    cloud = open_cloud(origin=Origin(domains=(Domain(), second)))
    first, other = cloud.send("GET", "active-domains").body["domains"]
    assert (first["name"], first["id"]) == ("ActiveactiveDomain", cloud.world.domain_ids[0])
    assert other == {
        "id": "f523d6f3-f25c-45e8-b06e-32f164fd24e5",
        "name": "second",
        "description": "spare",
        "sold_out": True,
        "local_replication_cluster": {"availability_zone": "az-a"},
        "remote_replication_cluster": {"availability_zone": "az-b"},
    }


def test_quotas_tell_what_is_used(cloud):
    cloud.pair_group()
    cloud.create()
    cloud.world.operator.set_quota("replications", -1)
    assert cloud.send("GET", "sdrs/quotas").body == {
        "quotas": {
            "resources": [
                {"type": "server_groups", "used": 2, "quota": 50, "min": 0, "max": -1},
                {"type": "replications", "used": 1, "quota": -1, "min": 0, "max": -1},
            ]
        }
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2"),
        ("GET", "/v1/"+ "0" * 32),
        ("GET", "protected-servers"),
        ("PATCH", "server-groups"),
        ("GET", "server-groups/a/b/c"),
        ("POST", "task-center/failure-jobs"),
        ("GET", "//"),
        ("GET", "/favicon.ico"),
    ],
)  # fmt: skip
def test_an_unknown_call_is_answered_by_the_gateway(cloud, method, path):
    answer = cloud.send(method, path)
    if path == "//":
        assert answer.status == 200  # the root, written carelessly
    else:
        assert (answer.status, answer.body["error_code"]) == (404, "APIGW.0101")


def test_every_answer_has_an_id_and_a_date(cloud):
    first, second = cloud.send("GET", "/"), cloud.send("GET", "nowhere")
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]
    assert second.headers["Date"] == "Tue, 11 Mar 2025 09:13:47 GMT"


def test_what_is_not_there_can_not_be_changed(cloud):
    for action in (
        lambda: cloud.world.operator.set_quota("drills", 1),
        lambda: cloud.world.operator.set_status("x", "error"),
        lambda: cloud.world.operator.rename_group("x", "y"),
        lambda: cloud.world.operator.delete_group("x"),
        lambda: cloud.world.operator.add_replication("x"),
        lambda: cloud.world.operator.add_instance("x"),
    ):
        with pytest.raises(KeyError):
            action()


def test_the_package_s_names_are_there():
    assert all(hasattr(simulator, name) for name in simulator.__all__)
    assert not hasattr(simulator, "Nothing")


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, declarative.simulator; print(*sorted({'sqlite3', 'httpx', 'uvicorn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
