"""What a hostile endpoint, a name with a line break, or a file of this machine can make of a request: nothing."""

import asyncio

import pytest

from declarative.errors import EndpointError, NotSent, OutcomeUnknown, ProviderError
from declarative.model import Call
from declarative.provider import Access, GivenToken, Secret
from tests.scaffold.scripted_cloud import CREATE, READ, TOKEN, VirtualLoop, now, provider, run
from tests.scaffold.sockets import CERTIFICATE, JOB, answers, create, plain, serving, serving_tls, talk

NETRC = "machine 127.0.0.1 login me password canary-netrc\nmachine localhost login me password canary-netrc\n"


@pytest.fixture
def netrc(tmp_path, monkeypatch):
    """A file with a password for every server of these tests, where curl, requests and httpx look for it."""
    path = tmp_path / ".netrc"
    path.write_text(f"{NETRC}default login me password canary-netrc\n")
    path.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(path))


# ---------------------------------------------------------------- where the token goes


@pytest.mark.parametrize(
    "location",
    [
        pytest.param("http://127.0.0.1:{other}/v1/p1/server-groups", id="other-port"),
        pytest.param("//127.0.0.1:{other}/", id="without-a-scheme"),
        pytest.param("https://localhost:{other}/", id="other-host-and-scheme"),
        pytest.param("/elsewhere", id="same-origin"),
    ],
)
@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"303 See Other", b"307 Temporary", b"308 Permanent"])
@pytest.mark.parametrize("call", [READ, CREATE], ids=["read", "create"])
def test_redirect_is_not_followed(netrc, location, status, call):
    async def main():
        async with serving(answers) as other:
            where = location.format(other=other.port).encode()

            async def redirects(writer):
                writer.write(plain(b"", status=status, more=b"Location: %s\r\n" % where))

            async with serving(redirects) as server, provider(None, access=server.access) as one:
                with pytest.raises(ProviderError) as caught:
                    await one.send(call, deadline=now() + 20.0)
            assert type(caught.value) is (EndpointError if call is READ else OutcomeUnknown)
            assert len(server.received) == 1
            assert other.connections == 0

    run(main(), loop=VirtualLoop)


@pytest.mark.parametrize("status", [b"200 OK", b"401 Unauthorized"])
def test_password_of_a_netrc_file_is_not_sent(netrc, status):
    async def challenges(writer):
        writer.write(plain(status=status, more=b'WWW-Authenticate: Basic realm="SDRS"\r\n'))

    async def work(one, server):
        try:
            await create(one)
        except ProviderError:
            assert status != b"200 OK"
        assert len(server.received) == 1
        assert b"authorization" not in server.received[0].lower()

    talk(work, challenges)


def test_certificate_of_another_host_is_not_trusted(monkeypatch):
    async def main():
        async with serving_tls(answers) as (server, _):
            access = Access(f"https://127.0.0.1:{server.port}", "p1", "eu-de", GivenToken(Secret(TOKEN)))
            async with provider(None, access=access) as one:
                with pytest.raises(NotSent, match="certificate"):
                    await create(one)
            assert server.received == []

    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    run(main(), loop=VirtualLoop)


# ---------------------------------------------------------------- what a text can do to a request

EVIL = "g1 HTTP/1.1\r\nX-Evil: 1\r\n\r\nDELETE /v1/p1/server-groups/g2"


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(Call("GET", ("server-groups", EVIL)), id="id"),
        pytest.param(Call("GET", ("server-groups",), query={"name": EVIL, EVIL: "1"}), id="query"),
        pytest.param(Call("POST", ("server-groups",), {"name": EVIL}, idempotent=False), id="body"),
    ],
)
def test_line_breaks_in_a_text_make_no_header_and_no_second_request(call):
    async def work(one, server):
        await one.send(call, deadline=now() + 20.0)
        await asyncio.sleep(0.1)
        (request,) = server.received
        head, _, body = request.partition(b"\r\n\r\n")
        assert b"\r\nx-evil" not in head.lower()
        assert head.count(b" HTTP/1.1") == 1
        assert b"\n" not in body

    talk(work, answers)


@pytest.mark.parametrize("end", ["\r\nX-Evil: 1", "\n", "\0"])
def test_token_with_a_line_break_is_not_sent(end):
    async def main():
        async with serving(answers) as server:
            access = Access(f"http://127.0.0.1:{server.port}", "p1", "eu-de", GivenToken(Secret(f"{TOKEN}{end}")))
            async with provider(None, access=access) as one:
                with pytest.raises(ProviderError) as caught:
                    await create(one, deadline=now() + 5.0)
            assert TOKEN not in f"{caught.value.summary}{caught.value.fix}"
            assert server.received == []

    run(main(), loop=VirtualLoop)


# ---------------------------------------------------------------- answers without an end


async def sends_headers_without_end(writer):
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: %s\r\n" % (b"x" * 10_000))
        await writer.drain()


async def sends_one_header_without_end(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nX-More: ")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def sends_chunks_without_end(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n%s\r\n" % (b" " * 65536))
        await writer.drain()


async def sends_a_body_until_it_hangs_up(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(b" " * 65536)
        await writer.drain()


async def says_to_wait_for_ever(writer):
    while True:
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.5)


@pytest.mark.parametrize(
    "behaviour",
    [
        sends_headers_without_end,
        sends_one_header_without_end,
        sends_chunks_without_end,
        sends_a_body_until_it_hangs_up,
        says_to_wait_for_ever,
    ],
)
def test_answer_without_an_end_costs_its_connection_alone(behaviour):
    async def work(one, server):
        with pytest.raises(OutcomeUnknown):
            await create(one, deadline=1000.0)
        assert now() < 5.5
        assert await create(one, deadline=1000.0) == {"job_id": "j1"}
        assert server.connections == 2

    talk(work, behaviour, answers, max_body=2**20, call_timeout=5.0, parallelism=1)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"Content-Length: 16\r\nContent-Length: 17\r\n", id="two-lengths"),
        pytest.param(b"Content-Length: -1\r\n", id="length-below-zero"),
        pytest.param(b"Content-Length: 9999999999999999999999\r\n", id="length-without-bounds"),
        pytest.param(b"Transfer-Encoding: gzip, chunked\r\n", id="unknown-coding"),
        pytest.param(b"X-Request-Id: a\r\n b\r\nX: \x00\r\n", id="header-that-is-none"),
    ],
)
def test_answer_whose_length_is_in_doubt_is_not_believed(head):
    async def lies(writer):
        writer.write(b"HTTP/1.1 200 OK\r\n%s\r\n%s" % (head, JOB))
        writer.close()

    async def work(one, server):
        with pytest.raises(OutcomeUnknown):
            await create(one)
        assert len(server.received) == 1

    talk(work, lies)
