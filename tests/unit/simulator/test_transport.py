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


MINE = {"X-Auth-Token": "mine"}


def in_loop(cloud, run, **options):
    """Run `run(client)` against the world, with the sleeps that the transport asks for."""

    async def whole():
        cloud.world.accept_token("mine")
        transport = EmbeddedTransport(cloud.world, **options)
        base = f"http://sdrs.test/v1/{cloud.world.project_id}/"
        async with httpx.AsyncClient(transport=transport, base_url=base, headers=MINE) as client:
            return await run(client)

    return asyncio.run(whole())


@pytest.mark.parametrize(("fault", "seen"), [("slow=4", ["new"]), ("slow-after=4", [])])
def test_a_slow_answer_is_old_when_it_leaves_or_when_it_arrives(cloud, fault, seen):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)
        cloud.create(name="new")

    async def run(client):
        return (await client.get("server-groups")).json()["server_groups"]

    cloud.world.faults.add([f"GET server-groups:{fault}"])
    assert [group["name"] for group in in_loop(cloud, run, sleep=sleep)] == seen
    assert slept == [4.0]


def test_a_slow_request_counts_once_and_others_overtake_it(cloud):
    done = asyncio.Event()

    async def sleep(_):
        await done.wait()

    async def run(client):
        slow = asyncio.create_task(client.get("server-groups"))
        await asyncio.sleep(0.01)
        assert (await client.get("server-groups")).status_code == 200
        assert not slow.done()
        done.set()
        return (await slow).status_code

    cloud.world.faults.add(["GET server-groups:slow=9:first=1", "GET server-groups:slow-after=0"])
    assert in_loop(cloud, run, sleep=sleep) == 200
    assert cloud.world.requests() == {("GET", "server-groups"): 2}


def test_a_slow_request_arrives_though_the_client_has_given_up(cloud):
    gone = asyncio.Event()

    async def sleep(_):
        await gone.wait()

    async def run(client):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await client.post("server-groups", json={"server_group": cloud.fields()})
        before = len(cloud.world.groups())
        gone.set()
        await asyncio.sleep(0.01)
        return before, len(cloud.world.groups())

    cloud.world.faults.add(["POST server-groups:slow=9"])
    assert in_loop(cloud, run, sleep=sleep) == (0, 1)


def test_a_slow_request_arrives_at_the_latest_when_the_client_ends(cloud):
    async def run(client):
        sending = asyncio.create_task(client.post("server-groups", json={"server_group": cloud.fields()}))
        await asyncio.sleep(0.01)
        sending.cancel()

    cloud.world.faults.add(["POST server-groups:slow=9"])
    in_loop(cloud, run)
    assert len(cloud.world.groups()) == 1


def test_a_slow_answer_may_be_lost_or_drip_as_well(cloud):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    async def run(client):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("active-domains")

    cloud.world.faults.add(["GET *:slow=1", "GET *:slow-after=2", "GET *:lost-after"])
    in_loop(cloud, run, sleep=sleep)
    assert slept == [1.0, 2.0]


@pytest.mark.parametrize(("fault", "status"), [("redirect=307", 307), ("empty=404", 404), ("html=404", 404)])
def test_evidence_is_refused_over_the_transport(cloud, ask, fault, status):
    cloud.world.faults.add([f"GET server-groups:{fault}"])
    answer = ask("GET", "server-groups")
    assert answer.status_code == status
    assert ("location" in answer.headers) is fault.startswith("redirect")
