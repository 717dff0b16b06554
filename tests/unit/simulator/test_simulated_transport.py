"""The embedded transport: an httpx client straight onto a world."""

import asyncio
import json

import httpx
import pytest

from declarative.simulator import EmbeddedTransport


@pytest.fixture
def ask(cloud):
    """Send one request with httpx and give the answer, with the seconds that were slept."""
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    def asked(method, path, **options):
        async def run():
            headers = {"X-Auth-Token": cloud.world.preset_token}
            transport = EmbeddedTransport(cloud.world, sleep=sleep)
            base = f"http://sdrs.test:8080/v1/{cloud.world.project_id}/"
            async with httpx.AsyncClient(transport=transport, base_url=base, headers=headers) as client:
                return await client.request(method, path, **options)

        return asyncio.run(run())

    asked.slept = slept
    return asked


def test_a_request_goes_there_and_back(cloud, ask):
    created = ask("POST", "server-groups", json={"server_group": cloud.fields()})
    assert (created.status_code, created.headers["content-type"]) == (200, "application/json")
    assert ask("GET", f"jobs/{created.json()['job_id']}").json()["status"] == "INIT"
    listed = ask("GET", "server-groups", params={"name": "pg", "limit": 5})
    assert listed.json()["count"] == 1
    assert int(listed.headers["content-length"]) == len(listed.content)


def test_addresses_in_answers_are_those_of_the_client(ask):
    answer = ask("GET", "http://sdrs.test:8080/v1")
    assert answer.json()["version"]["links"][0]["href"] == "http://sdrs.test:8080/v1"


def test_an_id_is_quoted_once(ask):
    assert ask("GET", "server-groups/a%2Fb").json()["error"]["code"] == "SDRS.0207"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("refused", httpx.ConnectError),
        ("lost-before", httpx.RemoteProtocolError),
        ("lost-after", httpx.RemoteProtocolError),
        ("cut", httpx.RemoteProtocolError),
    ],
)
def test_a_lost_answer_raises_what_httpx_raises(cloud, ask, fault, error):
    cloud.world.faults.add([f"POST *:{fault}"])
    with pytest.raises(error):
        ask("POST", "server-groups", json={"server_group": cloud.fields()})
    assert len(cloud.world.groups()) == (1 if fault in ("lost-after", "cut") else 0)


def test_a_dripping_body_comes_slowly_but_whole(cloud, ask):
    cloud.world.faults.add(["GET *:drip=8"])
    answer = ask("GET", "active-domains")
    assert json.loads(answer.content)["domains"][0]["id"] == cloud.world.domain_ids[0]
    assert 8 * 0.9 < sum(ask.slept) <= 8


def test_no_content_has_no_length(ask):
    answer = ask("DELETE", "task-center/failure-jobs/batch")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers


def test_a_long_body_is_refused(ask):
    answer = ask("POST", "server-groups", content=b'{"server_group": "' + b"x" * (1 << 20) + b'"}')
    assert (answer.status_code, answer.json()["error_code"]) == (413, "APIGW.0106")
