"""Every request is told of, once it is over: what was sent, for which step, and what came."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest

from declarative.errors import NotSent, ProviderError
from declarative.kinds import KINDS
from declarative.model import Call
from declarative.observation import Observer
from declarative.provider import Access, acting_on
from tests.scaffold.scripted_cloud import CREATE, READ, TOKEN, Scripted, answer, clock, error, now, provider, run

JOB = answer({"job_id": "j1"})


def told(work, cloud, **options):
    """What is told of the requests of `work(provider)`."""
    heard = []

    async def main():
        async with provider(cloud, on_exchange=heard.append, **options) as one:
            await work(one)

    run(main())
    return heard


def reading(*calls):
    async def work(one):
        for call in calls or (READ,):
            await one.send(call, deadline=now() + 100.0)

    return work


def test_exchange_tells_what_was_sent_and_what_came():
    named = answer({}, headers={"X-Request-Id": "8f2"})
    [exchange] = told(reading(), Scripted(named, latency=0.25))
    assert (exchange.method, exchange.host) == ("GET", "127.0.0.1:1")
    assert exchange.path == "/v1/p1/server-groups/g1"
    assert (exchange.status, exchange.request_id, exchange.error) == (200, "8f2", "")
    assert exchange.seconds == pytest.approx(0.25)
    assert (exchange.tries, exchange.step) == (1, "")
    assert abs((datetime.now(UTC) - exchange.began).total_seconds()) < 60.0


def test_neither_query_nor_headers_nor_bodies_are_told():
    call = Call("GET", ("task-center", "failure-jobs"), query={"resource_name": "canary-name"})
    create = Call("POST", ("server-groups",), {"name": "canary-body"}, idempotent=False)
    heard = told(reading(call, create), Scripted(answer({"a": "canary-answer"})))
    assert [exchange.path for exchange in heard] == ["/v1/p1/task-center/failure-jobs", "/v1/p1/server-groups"]
    assert "canary" not in repr(heard)


def test_every_try_is_told_by_its_number():
    cloud = Scripted(httpx.ConnectError("refused"), httpx.ReadError(""), error("SDRS.0013", status=500), answer({}))
    heard = told(reading(), cloud)
    assert [(one.tries, one.status, one.error) for one in heard] == [
        (1, 0, "no connection"),
        (2, 0, "connection broken: ReadError"),
        (3, 500, "SDRS.0013"),
        (4, 200, ""),
    ]


def test_a_try_with_a_new_token_counts_on():
    class Tokens:
        generation = 0

        async def ready(self, *, deadline):
            return self.generation

        def headers(self, method, url, headers, body):
            return ((b"X-Auth-Token", b"t"),)

        async def renew(self, refused, *, deadline):
            self.generation += 1
            return True

    access = Access("http://127.0.0.1:1", "p1", "eu-de", Tokens())
    heard = told(reading(), Scripted(error("APIGW.0301", status=401), answer({})), access=access)
    assert [(one.tries, one.status, one.error) for one in heard] == [(1, 401, "APIGW.0301"), (2, 200, "")]


def test_a_request_that_nobody_waits_for_any_more_is_told():
    async def work(one):
        with pytest.raises(ProviderError):
            await one.send(READ, deadline=5.0)

    [exchange] = told(work, Scripted(answer({}), latency=1000.0), call_timeout=5.0)
    assert (exchange.status, exchange.error) == (0, "cancelled before an answer arrived")
    assert exchange.seconds == pytest.approx(5.0)


def test_a_request_that_was_never_made_is_not_told():
    async def work(one):
        with pytest.raises(NotSent):
            await one.send(READ, deadline=now() - 1.0)

    assert told(work, Scripted(answer({}))) == []


def test_steps_at_the_same_time_are_told_apart():
    async def step(one, name):
        with acting_on(name):
            async with one.slot() as slot:
                await slot.send(CREATE, deadline=100.0)
            await asyncio.gather(*(one.send(READ, deadline=100.0) for _ in range(3)))

    async def work(one):
        await asyncio.gather(*(step(one, name) for name in "abc"))
        await one.send(READ, deadline=100.0)

    heard = told(work, Scripted(JOB, latency=0.1), parallelism=4)
    assert sorted(exchange.step for exchange in heard) == ["", *"aaaabbbbcccc"]


def test_a_list_that_steps_share_is_told_as_none_of_theirs():
    async def look(observer, name):
        with acting_on(name):
            await observer.list_since(KINDS["ProtectionGroup"], now(), 100.0)

    async def work(one):
        observer = Observer(one, clock())
        await asyncio.gather(*(look(observer, name) for name in "ab"))

    heard = told(work, Scripted(answer({"count": 0, "server_groups": []})))
    assert [exchange.step for exchange in heard] == [""]


def test_a_code_that_repeats_the_token_is_told_without_it():
    async def work(one):
        with pytest.raises(ProviderError):
            await one.send(READ, deadline=100.0)

    [exchange] = told(work, Scripted(error(TOKEN)))
    assert exchange.error == "***"
