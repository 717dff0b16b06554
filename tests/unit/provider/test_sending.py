import asyncio
import errno
import json
from dataclasses import replace

import httpx
import pytest

from declarative.errors import (
    EndpointError,
    NotFound,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Unauthorized,
)
from declarative.kinds import KINDS
from declarative.model import Call
from declarative.provider import Provider, job_id_of
from tests.scaffold.scripted_cloud import (
    ACCESS,
    CREATE,
    GROUP,
    READ,
    TOKEN,
    Scripted,
    answer,
    clock,
    error,
    now,
    provider,
    query,
    run,
)

JOB = answer({"job_id": "j1"})
UNSENT = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout(""),
    httpx.PoolTimeout(""),
    httpx.ProxyError("502"),
]
LOST = [
    httpx.ReadTimeout(""),
    httpx.ReadError(""),
    httpx.WriteTimeout(""),
    httpx.WriteError(""),
    httpx.RemoteProtocolError(f"peer said {TOKEN}"),
]


def named(values):
    return [pytest.param(value, id=type(value).__name__) for value in values]


def send(cloud, call, *, deadline=30.0, **options):
    async def main():
        async with provider(cloud, **options) as one, one.slot() as slot:
            return await slot.send(call, deadline=deadline), now()

    return run(main())


def refused(cls, cloud, call, *, deadline=30.0):
    with pytest.raises(ProviderError) as caught:
        send(cloud, call, deadline=deadline)
    assert type(caught.value) is cls
    return caught.value


def test_the_request_is_as_the_reference_says():
    cloud = Scripted(JOB)
    call = Call("POST", ("server-groups", "a/b é", "action"), {"x": "é"}, idempotent=False, query={"q": "a&b c"})
    assert send(cloud, call)[0] == {"job_id": "j1"}
    (request,) = cloud.requests
    assert request.url.raw_path == b"/v1/p1/server-groups/a%2Fb%20%C3%A9/action?q=a%26b%20c"
    assert request.read() == '{"x":"é"}'.encode()
    headers = dict(request.headers)
    assert headers.pop("user-agent").startswith("declarative/")
    assert headers == {
        "host": "127.0.0.1:1",
        "accept": "application/json",
        "accept-encoding": "identity",
        "x-language": "en-us",
        "x-auth-token": TOKEN,
        "content-type": "application/json",
        "content-length": "10",
    }


def test_a_read_has_no_body():
    cloud = Scripted(answer({}))
    send(cloud, READ)
    assert cloud.requests[0].read() == b""
    assert not {"content-type", "content-length"} & set(cloud.requests[0].headers)


def test_a_write_without_a_body_says_that_it_has_none():
    cloud = Scripted(JOB)
    send(cloud, Call("POST", ("server-groups", "g1", "action"), idempotent=False))
    assert cloud.requests[0].headers["content-length"] == "0"
    assert "content-type" not in cloud.requests[0].headers


@pytest.mark.parametrize("segment", ["", ".", ".."])
def test_a_segment_that_would_make_another_path_is_not_sent(segment):
    cloud = Scripted(JOB)
    refused(Rejected, cloud, Call("DELETE", ("server-groups", segment), idempotent=False))
    assert cloud.requests == []


@pytest.mark.parametrize("failure", named(UNSENT))
def test_a_create_that_never_left_is_sent_again(failure):
    cloud = Scripted(failure, failure, JOB)
    assert send(cloud, CREATE)[0] == {"job_id": "j1"}
    assert len(cloud.requests) == 3


@pytest.mark.parametrize("failure", named(LOST))
def test_a_create_that_may_have_arrived_is_not_sent_again(failure):
    cloud = Scripted(failure, JOB)
    unanswered = refused(OutcomeUnknown, cloud, CREATE)
    assert len(cloud.requests) == 1
    assert TOKEN not in unanswered.summary + unanswered.fix


@pytest.mark.parametrize("failure", named([*UNSENT, *LOST]))
def test_a_read_is_repeated_whatever_went_wrong(failure):
    cloud = Scripted(failure, failure, answer({"a": 1}))
    assert send(cloud, READ)[0] == {"a": 1}


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_read_is_repeated_after_a_passing_fault(status):
    assert send(Scripted(answer(status=status), answer({"a": 1})), READ)[0] == {"a": 1}


@pytest.mark.parametrize("status", [408, 409, 500, 503, 301, 307])
def test_a_create_is_not_repeated_after_an_open_answer(status):
    cloud = Scripted(answer(status=status, headers={"location": "http://evil.example"}), JOB)
    refused(OutcomeUnknown, cloud, CREATE)
    assert len(cloud.requests) == 1


def test_a_redirect_is_never_followed():
    cloud = Scripted(answer(status=302, headers={"location": "http://evil.example/"}))
    refused(EndpointError, cloud, READ)
    assert [request.url.host for request in cloud.requests] == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("given", "cls"),
    [
        (answer(status=500), OutcomeUnknown),
        (httpx.ConnectError("refused"), NotSent),
        (answer(status=429), NotSent),
        (httpx.ReadError(""), OutcomeUnknown),
    ],
)
def test_at_the_deadline_a_read_fails_with_what_it_met_last(given, cls):
    cloud = Scripted(given)
    refused(cls, cloud, READ, deadline=20.0)
    assert 3 <= len(cloud.requests) <= 40
    assert cloud.times[-1] < 20.0


def test_pauses_grow_and_are_jittered():
    cloud = Scripted(answer(status=500))
    refused(OutcomeUnknown, cloud, READ, deadline=3600.0)
    pauses = [later - earlier for earlier, later in zip(cloud.times, cloud.times[1:], strict=False)]
    assert all(pause <= min(8.0, 0.25 * 2**n) for n, pause in enumerate(pauses))
    assert 2.0 < sum(pauses[6:]) / len(pauses[6:]) < 6.0


def test_an_endpoint_that_has_never_answered_is_soon_given_up():
    cloud = Scripted(httpx.ConnectError("refused"))
    error = refused(NotSent, cloud, READ, deadline=300.0)
    assert "no connection to 127.0.0.1:1" in error.summary
    assert 10.0 < cloud.times[-1] < 20.0


def test_an_endpoint_that_has_answered_is_tried_until_the_deadline():
    async def main():
        cloud = Scripted(answer({}), httpx.ConnectError("refused"))
        async with provider(cloud) as one, one.slot() as slot:
            await slot.send(READ, deadline=300.0)
            with pytest.raises(NotSent):
                await slot.send(READ, deadline=300.0)
        return cloud.times[-1]

    assert run(main()) > 250.0


def test_an_answer_that_makes_no_sense_is_asked_for_three_times():
    cloud = Scripted(answer(body=b"<html>", headers={"content-type": "text/html"}))
    refused(EndpointError, cloud, READ)
    assert len(cloud.requests) == 3


@pytest.mark.parametrize(
    "other",
    [answer(status=429), answer(status=503), httpx.ConnectError(""), httpx.ReadError("")],
    ids=["throttled", "unavailable", "not-sent", "unanswered"],
)
def test_what_else_goes_wrong_does_not_use_up_the_patience_with_senseless_answers(other):
    senseless = answer(body=b"<html>")
    cloud = Scripted(other, other, other, senseless, other, senseless, answer({"id": "g1"}))
    assert send(cloud, READ)[0] == {"id": "g1"}


@pytest.mark.parametrize("document", [{}, {"server_group": None}, {"server_groups": []}], ids=json.dumps)
def test_an_answer_without_what_was_asked_for_makes_no_sense_either(document):
    group = {"server_group": {"id": "g1", "status": "available"}}

    async def main(cloud):
        async with provider(cloud) as one:
            return await one.get(KINDS["ProtectionGroup"], "g1", deadline=30.0)

    assert run(main(Scripted(answer(document), answer(document), answer(group))))["status"] == "available"
    cloud = Scripted(answer(document))
    with pytest.raises(EndpointError, match="'server_group' is missing or has the wrong type"):
        run(main(cloud))
    assert len(cloud.requests) == 3


def test_a_deadline_in_the_past_sends_nothing():
    cloud = Scripted(JOB)
    refused(NotSent, cloud, CREATE, deadline=0.0)
    assert cloud.requests == []


def test_a_call_that_must_leave_soon_waits_for_no_long_pause_but_for_its_answer():
    throttled = answer(status=429, headers={"retry-after": "20"})

    async def main(cloud):
        async with provider(cloud, call_timeout=60.0) as one, one.slot() as slot:
            return await slot.send(CREATE, deadline=90.0, leaves_by=now() + 5.0)

    with pytest.raises(NotSent):
        run(main(Scripted(throttled, JOB)))
    assert run(main(Scripted(JOB, latency=30.0))) == {"job_id": "j1"}


def test_an_answer_that_does_not_come_in_time_is_unknown():
    cloud = Scripted(JOB, latency=100.0)

    async def main():
        async with provider(cloud, call_timeout=7.0) as one, one.slot() as slot:
            with pytest.raises(OutcomeUnknown, match="no complete answer within 7 s"):
                await slot.send(CREATE, deadline=50.0)
            assert now() == 7.0

    run(main())


def test_a_throttled_create_waits_as_long_as_it_is_told():
    cloud = Scripted(answer(status=429, headers={"retry-after": "12"}), JOB)
    assert send(cloud, CREATE)[0] == {"job_id": "j1"}
    assert cloud.times[1] >= 12.0


def test_a_throttled_create_is_not_sent_when_the_wait_is_past_the_deadline():
    cloud = Scripted(answer(status=429, headers={"retry-after": "3600"}), JOB)
    refused(NotSent, cloud, CREATE, deadline=59.0)
    assert len(cloud.requests) == 1


def test_one_429_holds_back_the_whole_run():
    def turn(request):
        if request is cloud.requests[0]:
            return answer(status=429, headers={"retry-after": "10"})
        return answer({"id": "g1"})

    cloud = Scripted(turn, latency=0.5)

    async def main():
        async with provider(cloud, parallelism=8) as one:
            await asyncio.gather(*(one.send(READ, deadline=500.0) for _ in range(60)))

    run(main())
    burst, later = cloud.times[:8], cloud.times[8:]
    assert set(burst) == {0.0}
    assert min(later) >= 10.5
    first_wave = [time for time in later if time < min(later) + 0.4]
    assert len(first_wave) <= 8


def test_a_storm_of_429_lowers_the_number_in_flight_and_nothing_is_lost():
    def turn(request):
        return answer(status=429) if now() < 20.0 else answer({"a": 1})

    cloud = Scripted(turn, latency=0.1)

    async def main():
        async with provider(cloud, parallelism=16) as one:
            tasks = [asyncio.create_task(one.send(READ, deadline=500.0)) for _ in range(16)]
            await asyncio.sleep(10.0)
            cloud.most_in_flight = 0
            await asyncio.sleep(5.0)
            assert cloud.most_in_flight <= 4
            assert await asyncio.gather(*tasks) == [{"a": 1}] * 16
            await asyncio.sleep(20.0)
            cloud.most_in_flight = 0
            await asyncio.gather(*(one.send(READ, deadline=500.0) for _ in range(40)))
            assert cloud.most_in_flight == 16

    run(main())


class Tokens:
    """Signs in as often as it is asked to, slowly; the number of the token is its generation."""

    def __init__(self, lasting=None):
        self.generation = 1
        self.lasting = lasting  # tokens that can be had

    async def ready(self, *, deadline):
        return self.generation

    def headers(self, method, url, headers, body):
        return ((b"X-Auth-Token", b"token-%d" % self.generation),)

    async def renew(self, refused, *, deadline):
        if refused.generation == self.generation:
            if self.generation == self.lasting:
                return False
            self.generation += 1
            await asyncio.sleep(1.0)
        return True

    def remedy(self, refused):
        return f"Ask for another user than that of generation {refused.generation}."


class Guarded:
    """A cloud that knows the tokens of some generations; it does nothing for anybody else."""

    def __init__(self, *good, refusal):
        self.good = {f"token-{number}" for number in good}
        self.refusal = refusal
        self.seen = []
        self.done = 0

    async def handle_async_request(self, request):
        self.seen.append(request.headers["X-Auth-Token"])
        await asyncio.sleep(0.1)
        if self.seen[-1] not in self.good:
            return self.refusal
        self.done += 1
        return answer({"job_id": "j1"})


def guarded(cloud, tokens):
    return Provider(replace(ACCESS, authorization=tokens), clock=clock(), transport=cloud)


REFUSALS = [answer(status=401), error("SDRS.0002")]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refused_token_is_renewed_once_for_all_who_wait(refusal):
    cloud, tokens = Guarded(2, refusal=refusal), Tokens()

    async def create(one):
        async with one.slot() as slot:
            return await slot.send(CREATE, deadline=60.0)

    async def main():
        async with guarded(cloud, tokens) as one:
            assert await asyncio.gather(*(create(one) for _ in range(16))) == [{"job_id": "j1"}] * 16

    run(main())
    assert (tokens.generation, cloud.done) == (2, 16)
    assert cloud.seen.count("token-1") == 16


@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_a_new_token_is_refused_too_ends_everything_with_what_to_do(refusal):
    cloud, tokens = Guarded(refusal=refusal), Tokens()

    async def main():
        async with guarded(cloud, tokens) as one:
            with pytest.raises(Unauthorized) as caught:
                await one.get(GROUP, "g1", deadline=60.0)
            assert caught.value.fix == "Ask for another user than that of generation 2."
            with pytest.raises(Unauthorized, match="not sent"):
                await one.get(GROUP, "g1", deadline=60.0)

    run(main())
    assert cloud.seen == ["token-1", "token-2"]


def test_a_token_that_is_refused_again_much_later_is_renewed_again():
    cloud, tokens = Guarded(1, refusal=answer(status=401)), Tokens()

    async def main():
        async with guarded(cloud, tokens) as one:
            for generation in (1, 2, 3):
                cloud.good = {f"token-{generation}"}
                async with one.slot() as slot:
                    assert await slot.send(CREATE, deadline=600.0) == {"job_id": "j1"}

    run(main())
    assert cloud.seen == ["token-1", "token-1", "token-2", "token-2", "token-3"]


@pytest.mark.parametrize("given", [answer(status=401), error("SDRS.0002")])
def test_rejected_credentials_stop_everything(given):
    cloud = Scripted(given, JOB)

    async def main():
        async with provider(cloud) as one:
            with pytest.raises(Unauthorized, match="create refused"):
                async with one.slot() as slot:
                    await slot.send(CREATE, deadline=30.0)
            with pytest.raises(Unauthorized, match="not sent"):
                await one.get(GROUP, "g1", deadline=30.0)
            with pytest.raises(Unauthorized, match="not sent"):
                await one.listing(GROUP, deadline=30.0)
        assert one.requests == 1

    run(main())


def test_a_refusal_is_not_repeated():
    cloud = Scripted(error("SDRS.0305"), JOB)
    assert refused(Rejected, cloud, CREATE).code == "SDRS.0305"
    assert len(cloud.requests) == 1


def test_a_delete_of_what_is_gone_says_so():
    call = Call("DELETE", ("server-groups", "g1"), idempotent=False)
    refused(NotFound, Scripted(error("SDRS.1013")), call)


def test_a_create_is_not_told_that_something_is_gone():
    refused(Rejected, Scripted(error("SDRS.1013")), CREATE)


def test_a_body_over_the_cap_is_not_read():
    pieces = []

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self):
            while True:
                pieces.append(1)
                yield b"x" * 1000

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            return httpx.Response(200, stream=Endless())

    with pytest.raises(OutcomeUnknown, match="too long"):
        send(Transport(), CREATE, max_body=5000)
    assert len(pieces) == 6


def test_a_compressed_body_is_not_unpacked():
    packed = answer(body=b"\x1f\x8bnot really", headers={"content-type": "application/json"})

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            stream = httpx.ByteStream(packed.content)
            return httpx.Response(200, stream=stream, headers={"content-encoding": "gzip"})

    with pytest.raises(EndpointError, match="compressed"):
        send(Transport(), READ)


def test_no_more_requests_are_in_flight_than_slots():
    cloud = Scripted(answer({"a": 1}), latency=1.0)

    async def main():
        async with provider(cloud, parallelism=3) as one:
            await asyncio.gather(*(one.send(READ, deadline=100.0) for _ in range(10)))
            assert now() == 4.0

    run(main())
    assert cloud.most_in_flight == 3


def test_slots_go_to_those_who_asked_first():
    cloud = Scripted(answer({}), latency=1.0)

    async def main():
        async with provider(cloud, parallelism=1) as one:
            calls = [Call("GET", ("server-groups", f"g{n}")) for n in range(5)]
            await asyncio.gather(*(one.send(call, deadline=100.0) for call in calls))

    run(main())
    assert [request.url.path[-2:] for request in cloud.requests] == ["g0", "g1", "g2", "g3", "g4"]


def test_a_call_that_gets_no_slot_in_time_is_not_sent():
    cloud = Scripted(answer({}))

    async def main():
        async with provider(cloud, parallelism=1) as one:
            async with one.slot():
                with pytest.raises(NotSent, match="the time limit passed"):
                    await one.send(READ, deadline=5.0)
            assert now() == 5.0
            assert await one.send(READ, deadline=6.0) == {}

    run(main())


def test_a_cancelled_waiter_leaves_its_slot_to_others():
    cloud = Scripted(answer({}), latency=1.0)

    async def main():
        async with provider(cloud, parallelism=1) as one:
            tasks = [asyncio.create_task(one.send(READ, deadline=100.0)) for _ in range(4)]
            await asyncio.sleep(0.5)
            tasks[0].cancel()
            tasks[2].cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(result) for result in done] == [
                asyncio.CancelledError,
                dict,
                asyncio.CancelledError,
                dict,
            ]
            # The slot that is handed over in the very moment of a cancellation goes on to the next one.
            first = asyncio.create_task(one.send(READ, deadline=100.0))
            second = asyncio.create_task(one.send(READ, deadline=100.0))
            third = asyncio.create_task(one.send(READ, deadline=100.0))
            first.add_done_callback(lambda _: second.cancel())
            assert await first == {}
            assert await third == {}

    run(main())


def test_a_provider_waits_without_a_slot():
    def turn(request):
        return answer(status=500) if request.url.path.endswith("bad") and now() < 60.0 else answer({})

    async def main():
        async with provider(Scripted(turn, latency=0.1), parallelism=1) as one:
            bad = asyncio.create_task(one.send(Call("GET", ("server-groups", "bad")), deadline=500.0))
            for _ in range(10):
                await one.send(READ, deadline=500.0)
            assert now() < 10.0
            await bad

    run(main())


def test_requests_are_counted_by_route():
    cloud = Scripted(answer(status=500), answer({}))

    async def main():
        async with provider(cloud) as one:
            await one.send(Call("GET", ("server-groups", "c3f1b5d3-98db-45a6-a20b-2cf0dd311efa")), deadline=30.0)
            await one.send(Call("GET", ("task-center", "failure-jobs"), query={"limit": "1"}), deadline=30.0)
        assert one.statistics == {"GET server-groups/{id}": 2, "GET task-center/failure-jobs": 1}
        assert one.requests == 3

    run(main())
    assert query(cloud.requests[2]) == {"limit": "1"}


@pytest.mark.parametrize("answered", [{}, {"job_id": ""}, {"job_id": 7}, {"job_id": "../x"}, {"job_id": "x" * 129}])
def test_an_acceptance_without_a_usable_job_id_is_unknown(answered):
    with pytest.raises(OutcomeUnknown):
        job_id_of(json.loads(json.dumps(answered)))


def test_who_waits_for_a_slot_when_a_429_comes_waits_for_its_end_too():
    def turn(request):
        if request is cloud.requests[0]:
            return answer(status=429, headers={"retry-after": "10"})
        return answer({})

    cloud = Scripted(turn, latency=0.5)

    async def main():
        async with provider(cloud, parallelism=1) as one:
            first = asyncio.create_task(one.send(READ, deadline=100.0))
            await asyncio.sleep(0.1)
            with pytest.raises(NotSent, match="the time limit passed"):
                await one.send(READ, deadline=8.0)
            assert now() < 1.0
            second = asyncio.create_task(one.send(READ, deadline=100.0))
            await asyncio.gather(first, second)

    run(main())
    assert len(cloud.requests) == 3
    assert min(cloud.times[1:]) >= 10.5


def test_a_slot_given_to_a_cancelled_waiter_goes_on_to_the_next():
    async def main():
        async with provider(Scripted(answer({})), parallelism=1) as one:
            entered = []

            async def hold(name):
                async with one.slot():
                    entered.append(name)

            async with one.slot():
                waiters = [asyncio.create_task(hold(name)) for name in "ab"]
                await asyncio.sleep(1.0)
            waiters[0].cancel()
            await asyncio.gather(*waiters, return_exceptions=True)
            assert entered == ["b"]

    run(main())


# ---------------------------------------------------------------- no file descriptors left


class OutOfFiles(httpx.AsyncBaseTransport):
    """Lets `most` requests be under way at a time; for another the system has no file descriptor."""

    def __init__(self, most):
        self.most = most
        self.under_way = self.refused = 0

    async def handle_async_request(self, request):
        if self.under_way >= self.most:
            self.refused += 1
            raise httpx.ConnectError("all attempts failed") from OSError(errno.EMFILE, "Too many open files")
        self.under_way += 1
        try:
            await asyncio.sleep(0.1)
        finally:
            self.under_way -= 1
        return answer({"server_group": {"id": "g1"}})


@pytest.mark.parametrize("most", [1, 3, 15])
def test_without_file_descriptors_fewer_connections_are_used_and_that_is_said_once(most):
    cloud, notices = OutOfFiles(most), []

    async def main():
        async with provider(cloud, parallelism=16) as one:
            one.on_notice = lambda _, summary, fix: notices.append(summary)
            for _ in range(3):
                await asyncio.gather(*(one.get(GROUP, "g1", deadline=600.0) for _ in range(40)))
                refused.append(cloud.refused)

    refused = []
    run(main())
    assert refused[0] == refused[-1] > 0
    assert len(notices) == 1
    assert "too many open files" in notices[0]
