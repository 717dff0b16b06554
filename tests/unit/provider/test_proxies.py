"""Calls through a real proxy, in real time: they arrive, and neither side sees the other's secrets."""

import asyncio

import pytest

from declarative.backoff import Backoff
from declarative.errors import NotSent
from declarative.provider import Access, GivenToken, Secret
from tests.scaffold.loopback_proxy import running_proxy
from tests.scaffold.scripted_cloud import TOKEN, now, provider
from tests.scaffold.sockets import CERTIFICATE, answers, create, serving_tls

HOST = "sdrs.example.com"  # the certificate is for it
PASSWORD = "canary-proxy-password"


@pytest.fixture(scope="module", params=["http", "https"])
def proxy(request, tmp_path_factory):
    """A proxy that wants a password, and how it is addressed."""
    files = ("--cert-file", str(CERTIFICATE), "--key-file", str(CERTIFICATE)) if request.param == "https" else ()
    folder = tmp_path_factory.mktemp("proxy")
    with running_proxy(folder, "--basic-auth", f"me:{PASSWORD}", *files) as running:
        yield running, request.param


@pytest.fixture
def environment(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    return monkeypatch.setenv


@pytest.fixture
def once(monkeypatch):
    """What fails is not tried again: the pause before would take longer than there is time."""
    monkeypatch.setattr("declarative.provider.sending._BACKOFF", Backoff(first=1e6, longest=1e6))


def through(proxy, work, *, password=PASSWORD, environment):
    """Run `work(provider)` against a server behind the proxy. Returns what the server has received."""
    running, scheme = proxy

    async def main():
        async with serving_tls(answers) as (server, _):
            environment("HTTPS_PROXY", f"{scheme}://me:{password}@localhost:{running.port}")
            access = Access(f"https://{HOST}:{server.port}", "p1", "eu-de", GivenToken(Secret(TOKEN)))
            async with provider(None, access=access) as one:
                await work(one)
            return server

    return asyncio.run(main())


def test_calls_go_through_the_proxy_and_no_secret_is_seen_on_the_way(proxy, environment):
    async def work(one):
        for _ in range(3):
            assert await create(one, deadline=now() + 30.0) == {"job_id": "j1"}

    before = proxy[0].requests()
    server = through(proxy, work, environment=environment)
    seen = proxy[0].requests().removeprefix(before)
    assert seen.count(b"CONNECT ") == 1
    assert seen.startswith(b"CONNECT %s:%d\n" % (HOST.encode(), server.port))
    assert TOKEN.encode() not in seen
    received = b"".join(server.received).lower()
    assert (len(server.received), server.connections) == (3, 1)
    assert b"proxy-authorization" not in received
    assert TOKEN.encode() in received


def test_proxy_that_refuses_the_password_gets_no_call_and_its_password_is_not_shown(proxy, environment, once):
    async def work(one):
        with pytest.raises(NotSent) as caught:
            await create(one, deadline=now() + 30.0)
        assert "407" in caught.value.summary
        assert "canary" not in f"{caught.value.summary}{caught.value.fix}{caught.value.__cause__!r}"

    before = proxy[0].requests()
    server = through(proxy, work, password="canary-wrong", environment=environment)
    assert server.received == []
    assert proxy[0].requests() == before


def test_endpoint_that_the_proxy_cannot_reach_gets_no_call(proxy, environment, once):
    async def work(one):
        pass

    gone = through(proxy, work, environment=environment).port

    async def main():
        access = Access(f"https://{HOST}:{gone}", "p1", "eu-de", GivenToken(Secret(TOKEN)))
        async with provider(None, access=access) as one:
            with pytest.raises(NotSent, match=HOST):
                await create(one, deadline=now() + 30.0)

    asyncio.run(main())
