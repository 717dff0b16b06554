"""How many requests are in flight when the gateway wants fewer, over real sockets on loopback, in virtual time."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from declarative.errors import NotSent
from tests.scaffold.scripted_cloud import CREATE, READ, VirtualLoop, now, provider, run
from tests.scaffold.sockets import JOB, answers, create, plain, serving

E4 = '{"error_code":"%s","error_msg":"too many","request_id":"8f2"}'
E1 = '{"error":{"code":"%s","message":"too many"}}'


def turns_away(*, status=b"429 Too Many Requests", more=b"", body=b""):
    async def behaviour(writer):
        writer.write(plain(body, status=status, more=more))

    return behaviour


class Gateway:
    """Lets `seconds` pass for each request, and turns away those that come while `most` are in flight."""

    def __init__(self, most, *, seconds=0.05):
        self.most, self.seconds = most, seconds
        self.in_flight = self.turned_away = 0
        self.seen: list[tuple[float, int]] = []  # when a request came, and how many were in flight with it

    async def __call__(self, writer):
        self.in_flight += 1
        self.seen.append((now(), self.in_flight))
        try:
            is_let_in = self.in_flight <= self.most
            await asyncio.sleep(self.seconds)
        finally:
            self.in_flight -= 1
        self.turned_away += not is_let_in
        writer.write(plain(JOB) if is_let_in else plain(b"", status=b"429 Too Many Requests"))

    __code__ = answers.__code__  # the server asks how many arguments it takes


def most_in_flight(gateway, *, since, until=float("inf")):
    return max(number for at, number in gateway.seen if since <= at < until)


async def reads(one, count):
    await asyncio.gather(*(one.send(READ, deadline=1000.0) for _ in range(count)))


def on_gateway(gateway, work, *, parallelism):
    async def main():
        async with serving(gateway) as server, provider(None, access=server.access, parallelism=parallelism) as one:
            return await work(one)

    return run(main(), loop=VirtualLoop)


def test_fewer_are_in_flight_after_a_429_and_nothing_is_lost():
    gateway = Gateway(most=4)

    async def work(one):
        await reads(one, 100)
        return one.requests

    requests = on_gateway(gateway, work, parallelism=16)
    assert requests == 100 + gateway.turned_away
    assert most_in_flight(gateway, since=0.0) == 16
    first = next(at for at, number in gateway.seen if number == 16)
    assert most_in_flight(gateway, since=first + 0.2, until=first + 1.0) <= 8


def test_the_number_in_flight_recovers_by_one_a_second():
    gateway = Gateway(most=4)

    async def work(one):
        await reads(one, 16)
        gateway.most, began = 100, now()
        while now() - began < 12.0:
            await reads(one, 32)
        return began

    began = on_gateway(gateway, work, parallelism=8)
    early = most_in_flight(gateway, since=began, until=began + 0.5)
    assert early <= 4
    assert early < most_in_flight(gateway, since=began + 2.0, until=began + 3.0) < 8
    assert most_in_flight(gateway, since=began + 9.0) == 8


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param("7", 7.0, id="seconds"),
        pytest.param("3600", 60.0, id="seconds-over-the-cap"),
        pytest.param(lambda: datetime.now(UTC) + timedelta(seconds=20), 20.0, id="date"),
        pytest.param(lambda: datetime.now(UTC) + timedelta(days=365), 60.0, id="date-over-the-cap"),
        pytest.param(lambda: datetime.now(UTC) - timedelta(days=1), 0.0, id="date-that-is-past"),
        pytest.param("soon", 0.0, id="neither"),
    ],
)
def test_retry_after_holds_back_everybody(header, seconds):
    text = header if isinstance(header, str) else format_datetime(header(), usegmt=True)
    refuses = turns_away(more=b"Retry-After: %s\r\n" % text.encode())
    sent = []

    async def notes(writer):
        sent.append(now())
        await answers(writer)

    async def main():
        async with serving(refuses, notes) as server, provider(None, access=server.access) as one:
            first = asyncio.create_task(create(one, deadline=500.0))
            await asyncio.sleep(0.2)
            began = now()
            await asyncio.gather(first, create(one, deadline=500.0), one.send(READ, deadline=500.0))
            return began

    began = run(main(), loop=VirtualLoop)
    assert len(sent) == 3
    # A date has whole seconds, the machine takes a moment, and a pause may be jittered by a quarter of a second.
    assert all(seconds - 2.0 <= at - began <= seconds + 2.0 for at in sent)


@pytest.mark.parametrize("call", [READ, CREATE], ids=["read", "create"])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(b"429 Too Many Requests", b"", id="bare-429"),
        pytest.param(b"429 Too Many Requests", (E4 % "APIGW.0308").encode(), id="APIGW.0308"),
        pytest.param(b"429 Too Many Requests", (E4 % "APIG.0308").encode(), id="APIG.0308"),
        pytest.param(b"400 Bad Request", (E4 % "APIGW.0308").encode(), id="APIGW.0308-as-400"),
        pytest.param(b"403 Forbidden", (E4 % "APIG.0308").encode(), id="APIG.0308-as-403"),
        pytest.param(b"503 Unavailable", (E4 % "APIG.0308").encode(), id="APIG.0308-as-503"),
        pytest.param(b"400 Bad Request", (E1 % "IAM.0012").encode(), id="IAM.0012-as-400"),
    ],
)
def test_what_the_gateway_turned_away_is_sent_again(call, status, body):
    async def main():
        refuses = turns_away(status=status, body=body, more=b"Retry-After: 5\r\n")
        async with serving(refuses, answers) as server, provider(None, access=server.access) as one:
            assert await one.send(call, deadline=100.0) == json.loads(JOB)
            assert len(server.received) == 2
            return now()

    assert 5.0 <= run(main(), loop=VirtualLoop) < 6.0


def test_a_gateway_that_turns_everything_away_is_given_up_at_the_deadline():
    async def main():
        async with serving(turns_away()) as server, provider(None, access=server.access) as one:
            with pytest.raises(NotSent) as caught:
                await create(one, deadline=30.0)
            assert caught.value.status == 429
            assert "--parallelism" in caught.value.fix
            assert len(server.received) < 40
            assert now() <= 31.0

    run(main(), loop=VirtualLoop)
