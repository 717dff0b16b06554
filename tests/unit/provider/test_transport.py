"""Over real sockets on loopback, in virtual time."""

import asyncio
import ssl
from types import SimpleNamespace

import httpcore
import httpx
import pytest

from declarative.errors import EndpointError, NotSent, OutcomeUnknown, ProviderError, UsageError
from declarative.model import Call
from declarative.provider import Access, GivenToken, Secret
from declarative.provider.sockets import Inbox
from declarative.provider.tls import NamedFile, Tls
from declarative.provider.transport import connector
from tests.scaffold.scripted_cloud import ACCESS, READ, TOKEN, Scripted, VirtualLoop, now, provider, run
from tests.scaffold.sockets import (
    CERTIFICATE,
    answers,
    answers_and_hangs_up,
    create,
    cuts,
    drips,
    ends_early,
    hangs_up,
    is_silent,
    plain,
    resets,
    serving,
    serving_tls,
    talk,
    talks_nonsense,
)


def test_calls_in_a_row_share_a_connection():
    async def work(one, server):
        for _ in range(5):
            assert await create(one) == {"job_id": "j1"}
        assert server.connections == 1
        assert server.received[0].startswith(b"POST /v1/p1/server-groups HTTP/1.1\r\n")
        assert server.received[0].endswith(b'\r\n\r\n{"server_group":{"name":"a"}}')

    talk(work, answers)


def test_each_slot_has_one_connection():
    async def work(one, server):
        await asyncio.gather(*(one.send(READ, deadline=30.0) for _ in range(30)))
        assert server.connections == 3

    talk(work, answers, parallelism=3)


def test_a_connection_that_the_server_has_closed_is_not_used_for_a_create():
    async def work(one, server):
        assert await create(one) == {"job_id": "j1"}
        await asyncio.sleep(0.1)
        assert await create(one) == {"job_id": "j1"}
        assert server.connections == 2

    talk(work, answers_and_hangs_up, answers)


def test_a_connection_on_which_more_came_than_was_asked_for_is_not_used_again():
    async def answers_twice(writer):
        writer.write(plain())
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(plain(b'{"job_id": "of somebody else"}'))

    async def work(one, server):
        assert await create(one) == {"job_id": "j1"}
        await asyncio.sleep(0.5)
        assert await create(one) == {"job_id": "j1"}
        assert server.connections == 2

    talk(work, answers_twice, answers)


def test_a_request_leaves_in_one_piece():
    pieces = []

    async def accepted(reader, writer):
        pieces.append(await reader.read(65536))
        writer.write(plain())
        writer.close()

    async def main():
        listener = await asyncio.start_server(accepted, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        access = Access(f"http://127.0.0.1:{port}", "p1", "eu-de", GivenToken(Secret(TOKEN)))
        async with provider(None, access=access) as one:
            assert await create(one) == {"job_id": "j1"}
        listener.close()

    run(main(), loop=VirtualLoop)
    (request,) = pieces
    assert request.endswith(b'\r\n\r\n{"server_group":{"name":"a"}}')


def test_what_nobody_reads_stays_in_the_socket():
    paused = []

    class Transport:
        def pause_reading(self):
            paused.append(True)

        def resume_reading(self):
            paused.append(False)

    inbox = Inbox()
    inbox.connection_made(Transport())
    for _ in range(5):
        inbox.data_received(b"x" * 65536)
    assert paused == [True]
    assert inbox.take(65536) == b"x" * 65536
    assert paused == [True, False]


def test_a_connection_that_has_been_idle_for_long_is_not_used_again(monkeypatch):
    async def work(one, server):
        await create(one)
        await asyncio.sleep(3.0)
        await create(one)
        assert server.connections == 1
        await asyncio.sleep(4.5)
        await create(one)
        assert server.connections == 2

    # The connection measures idleness with the machine's clock; here it gets the loop's.
    monkeypatch.setattr(httpcore._async.http11, "time", SimpleNamespace(monotonic=now))
    talk(work, answers)


@pytest.mark.parametrize("behaviour", [hangs_up, resets, cuts, ends_early, talks_nonsense])
def test_a_create_whose_answer_is_broken_is_unknown_and_sent_once(behaviour):
    async def work(one, server):
        with pytest.raises(OutcomeUnknown) as caught:
            await create(one)
        assert TOKEN not in caught.value.summary
        assert len(server.received) == 1
        assert await create(one) == {"job_id": "j1"}

    talk(work, behaviour, answers)


@pytest.mark.parametrize("behaviour", [hangs_up, resets, cuts, ends_early, talks_nonsense])
def test_a_read_whose_answer_is_broken_is_repeated(behaviour):
    async def work(one, server):
        assert await one.send(READ, deadline=30.0) == {"job_id": "j1"}
        assert len(server.received) == 3

    talk(work, behaviour, behaviour, answers)


@pytest.mark.parametrize("behaviour", [is_silent, drips])
def test_a_call_has_a_time_for_the_whole_exchange(behaviour):
    async def work(one, server):
        began = now()
        with pytest.raises(OutcomeUnknown, match="no complete answer within 5 s"):
            await create(one, deadline=1000.0)
        assert 5.0 <= now() - began < 5.5
        assert await create(one, deadline=1000.0) == {"job_id": "j1"}
        assert server.connections == 2

    talk(work, behaviour, answers, call_timeout=5.0, parallelism=1)


def test_a_cancelled_call_leaves_its_slot_usable():
    async def work(one, server):
        for _ in range(3):
            task = asyncio.create_task(create(one))
            await asyncio.sleep(0.5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        server.behaviours = [answers]
        assert await create(one) == {"job_id": "j1"}
        assert server.connections == 4

    talk(work, is_silent, parallelism=1)


def test_calls_cancelled_while_they_wait_do_not_block_the_slot():
    async def work(one, server):
        tasks = [asyncio.create_task(one.send(READ, deadline=500.0)) for _ in range(4)]
        await asyncio.sleep(0.5)
        for task in tasks[:3]:
            task.cancel()
        server.behaviours = [answers]
        assert await tasks[3] == {"job_id": "j1"}

    talk(work, is_silent, parallelism=1)


def test_where_nobody_listens_nothing_is_sent():
    async def main():
        async with serving(answers) as server:
            access = server.access
        async with provider(None, access=access) as one:
            with pytest.raises(NotSent, match=r"create not sent: no connection to 127\.0\.0\.1:\d+"):
                await create(one, deadline=now() + 20.0)
            assert one.requests > 3

    run(main(), loop=VirtualLoop)


@pytest.mark.parametrize("host", ["sdrs..example.invalid", f"{'a' * 64}.example.invalid"])
def test_to_a_host_that_cannot_exist_nothing_is_sent(host):
    async def main():
        access = Access(f"https://{host}", "p1", "eu-de", GivenToken(Secret(TOKEN)))
        async with provider(None, access=access) as one:
            with pytest.raises(NotSent, match="no connection to"):
                await create(one, deadline=now() + 0.1)

    run(main(), loop=VirtualLoop)


def test_a_packed_body_is_not_unpacked():
    async def packs(writer):
        writer.write(plain(b"\x1f\x8b" + b"\x00" * 1000, more=b"Content-Encoding: gzip\r\n"))

    async def work(one, server):
        with pytest.raises(EndpointError, match="compressed"):
            await one.send(READ, deadline=30.0)
        assert b"\r\naccept-encoding: identity\r\n" in server.received[0].lower()

    talk(work, packs)


def test_a_body_over_the_cap_costs_the_connection_and_no_memory():
    async def floods(writer):
        writer.write(plain(b"", length=10**12))
        for _ in range(1000):
            writer.write(b"x" * 65536)
            await writer.drain()

    async def work(one, server):
        with pytest.raises(OutcomeUnknown, match="too long"):
            await create(one)
        assert await create(one) == {"job_id": "j1"}
        assert server.connections == 2

    talk(work, floods, answers, max_body=2**20, parallelism=1)


def test_a_certificate_that_is_not_trusted_is_not_tried_again():
    failure = httpx.ConnectError("certificate verify failed: self-signed certificate")
    failure.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
    cloud = Scripted(failure)

    async def main():
        async with provider(cloud) as one:
            with pytest.raises(NotSent) as caught:
                await create(one)
            assert "SSL_CERT_FILE" in caught.value.fix

    run(main())
    assert len(cloud.requests) == 1


REMOTE = "https://sdrs.example.com"


def remote():
    """An access of its own each time: what TLS goes by is read once for each."""
    return Access(REMOTE, "p1", "eu-de", GivenToken(Secret(TOKEN)))


@pytest.fixture
def environment(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch.setenv


def test_a_proxy_of_the_environment_is_used_and_sees_no_token(environment):
    async def refuses(writer):
        writer.write(plain(b"", status=b"503 No"))

    async def main():
        async with serving(refuses) as proxy:
            environment("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            async with provider(None, access=remote()) as one:
                with pytest.raises(NotSent):
                    await create(one, deadline=now() + 5.0)
            assert proxy.received[0].startswith(b"CONNECT sdrs.example.com:443 HTTP/1.1\r\n")
            assert TOKEN.encode() not in b"".join(proxy.received)

    run(main(), loop=VirtualLoop)


def test_calls_over_tls_share_a_connection(environment):
    async def main():
        async with serving_tls(answers) as (server, access), provider(None, access=access) as one:
            for _ in range(3):
                assert await create(one) == {"job_id": "j1"}
            assert server.connections == 1

    environment("SSL_CERT_FILE", str(CERTIFICATE))
    run(main(), loop=VirtualLoop)


@pytest.mark.parametrize("behaviour", [hangs_up, resets, cuts, ends_early, talks_nonsense])
def test_a_create_whose_answer_is_broken_under_tls_is_unknown_and_sent_once(environment, behaviour):
    async def main():
        async with serving_tls(behaviour, answers) as (server, access), provider(None, access=access) as one:
            with pytest.raises(OutcomeUnknown):
                await create(one)
            assert len(server.received) == 1
            assert await create(one) == {"job_id": "j1"}

    environment("SSL_CERT_FILE", str(CERTIFICATE))
    run(main(), loop=VirtualLoop)


def test_a_server_with_a_certificate_of_nobody_we_trust_gets_no_request(environment):
    async def main():
        async with serving_tls(answers) as (server, access), provider(None, access=access) as one:
            with pytest.raises(NotSent) as caught:
                await create(one)
            assert "SSL_CERT_FILE" in caught.value.fix
            assert (one.requests, server.received) == (1, [])

    run(main(), loop=VirtualLoop)


AUTHORITIES, SHOWN = NamedFile(CERTIFICATE, "OS_CACERT"), NamedFile(CERTIFICATE, "OS_CERT")


@pytest.mark.parametrize(
    ("asks", "tls"),
    [
        pytest.param(False, {"authorities": AUTHORITIES}, id="authorities"),
        pytest.param(True, {"authorities": AUTHORITIES, "certificate": SHOWN}, id="client-certificate"),
    ],
)
def test_named_files_count_on_the_wire(environment, asks, tls):
    async def main():
        async with serving_tls(answers, asks=asks, tls=Tls(**tls)) as (server, access):
            async with provider(None, access=access) as one:
                assert await create(one) == {"job_id": "j1"}
            assert len(server.received) == 1

    run(main(), loop=VirtualLoop)


def test_a_server_that_wants_a_certificate_gets_no_call_without_one(environment):
    async def main():
        async with serving_tls(answers, asks=True, tls=Tls(authorities=AUTHORITIES)) as (server, access):
            async with provider(None, access=access) as one:
                with pytest.raises(ProviderError):
                    await create(one, deadline=now() + 5.0)
            assert server.received == []

    run(main(), loop=VirtualLoop)


def test_a_server_that_does_not_answer_the_tls_handshake_gets_no_request():
    async def main():
        async with serving(answers) as server:
            access = Access(f"https://localhost:{server.port}", "p1", "eu-de", GivenToken(Secret(TOKEN)))
            async with provider(None, access=access, call_timeout=5.0) as one:
                with pytest.raises(NotSent, match="ConnectTimeout"):
                    await create(one, deadline=now() + 5.0)
            assert server.received == []

    run(main(), loop=VirtualLoop)


@pytest.mark.parametrize("is_tls", [False, True], ids=["http-proxy", "https-proxy"])
def test_calls_reach_the_endpoint_through_a_proxy(environment, is_tls):
    async def main():
        async with serving_tls(answers) as (server, _):

            async def connects(writer, reader):
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                from_there, there = await asyncio.open_connection("127.0.0.1", server.port)
                try:
                    await asyncio.gather(relay(reader, there), relay(from_there, writer))
                finally:
                    there.close()

            proxying = serving_tls(connects) if is_tls else serving(connects)
            async with proxying as given:
                proxy = given[0] if is_tls else given
                environment("HTTPS_PROXY", f"{'https' if is_tls else 'http'}://localhost:{proxy.port}")
                async with provider(None, access=remote()) as one:
                    for _ in range(2):
                        assert await create(one) == {"job_id": "j1"}
            assert len(proxy.received) == 1
            assert len(server.received) == 2

    async def relay(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    environment("SSL_CERT_FILE", str(CERTIFICATE))
    run(main(), loop=VirtualLoop)


def test_loopback_is_never_proxied(environment):
    async def work(one, server):
        assert await create(one) == {"job_id": "j1"}

    environment("HTTP_PROXY", "http://127.0.0.1:1")
    environment("ALL_PROXY", "http://127.0.0.1:1")
    talk(work, answers)


@pytest.mark.parametrize(
    ("variables", "fine"),
    [
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, True),
        ({"HTTPS_PROXY": "proxy.example:3128"}, True),
        ({"ALL_PROXY": "http://proxy.example:3128"}, True),
        ({"HTTPS_PROXY": "socks5://me:hunter2@proxy.example"}, False),
        ({"HTTPS_PROXY": "gopher://me:hunter2@proxy.example"}, False),
        ({"HTTPS_PROXY": "http://me:hunter2@proxy.example:port"}, False),
        ({"HTTPS_PROXY": "socks5://proxy.example", "NO_PROXY": "example.com"}, True),
        ({"HTTPS_PROXY": "socks5://proxy.example", "NO_PROXY": "*"}, True),
        ({"HTTPS_PROXY": "socks5://proxy.example", "NO_PROXY": "example.org"}, False),
        ({"SSL_CERT_FILE": "/nowhere/hunter2.pem"}, False),
    ],
)
def test_variables_that_cannot_be_used_are_refused_at_once(environment, variables, fine):
    for name, value in variables.items():
        environment(name, value)
    if fine:
        assert not connector(REMOTE, Tls())().is_spent
        return
    with pytest.raises(UsageError) as caught:
        connector(REMOTE, Tls())
    assert "hunter2" not in caught.value.summary + caught.value.fix


def test_a_call_to_the_root_of_a_prefixed_endpoint():
    cloud = Scripted(httpx.Response(200, content=b"{}"))
    access = Access("https://gate.example.com:8443/sdrs", "p1", "eu-de", GivenToken(Secret(TOKEN)))

    async def main():
        async with provider(cloud, access=access) as one:
            await one.send(Call("GET", ("active-domains",)), deadline=30.0)

    run(main())
    (request,) = cloud.requests
    assert str(request.url) == "https://gate.example.com:8443/sdrs/v1/p1/active-domains"
    assert request.headers["host"] == "gate.example.com:8443"
    assert ACCESS.endpoint not in str(request.url)
