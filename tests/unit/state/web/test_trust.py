"""Certificates, proxies, and what is loaded when."""

import contextlib
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

import httpx
import pytest

from declarative.errors import StateError, UsageError
from declarative.state.web.wire import proxy_for
from tests.scaffold.state_servers import TerraformServer, serving
from tests.scaffold.web_engine import engine, holder, names, put

PEM = Path(__file__).parents[3] / "data" / "tls" / "localhost.pem"  # a certificate with its key, signed by itself


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def served():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    with serving(TerraformServer(), context=context) as server:
        yield server


def test_certificate_that_nobody_vouches_for_is_refused(served):
    one = engine(served)
    with pytest.raises(StateError, match="not trusted") as caught:
        one.read()
    assert "SSL_CERT_FILE" in caught.value.fix
    assert served.requests == []
    one.close()


@pytest.mark.parametrize("way", ["variable", "file"])
def test_state_is_kept_over_tls(served, monkeypatch, way):
    environ = {}
    if way == "file":
        monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
    else:
        environ["TF_HTTP_CLIENT_CA_CERTIFICATE_PEM"] = PEM.read_text()
    one = engine(served, **environ)
    assert one.try_lock(holder()) is None
    one.append([put("a")], lineage="a-lineage", after=0)
    assert names(one) == {"a"}
    one.close()


def test_server_that_asks_is_shown_the_certificate():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(PEM)
    text = PEM.read_text()
    with serving(TerraformServer(), context=context) as server:
        both = {"TF_HTTP_CLIENT_CERTIFICATE_PEM": text, "TF_HTTP_CLIENT_PRIVATE_KEY_PEM": text}
        one = engine(server, TF_HTTP_CLIENT_CA_CERTIFICATE_PEM=text, **both)
        assert one.read().state is None
        one.close()
        stranger = engine(server, TF_HTTP_CLIENT_CA_CERTIFICATE_PEM=text)
        with pytest.raises(StateError):
            stranger.read()
        stranger.close()


@pytest.mark.parametrize("name", ["TF_HTTP_CLIENT_CA_CERTIFICATE_PEM", "TF_HTTP_CLIENT_CERTIFICATE_PEM"])
def test_text_that_holds_no_certificate_is_refused(served, name):
    with pytest.raises(UsageError, match=name):
        engine(served, **{name: "nonsense"})


@pytest.mark.parametrize(
    ("environ", "host"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "proxy"),
        ({"https_proxy": "proxy:3128"}, "proxy"),
        ({"ALL_PROXY": "http://me:pass@proxy:3128"}, "proxy"),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "a.example, example.com"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "ample.com"}, "proxy"),
        ({"HTTP_PROXY": "http://proxy:3128"}, None),
    ],
)
def test_proxy_is_taken_from_the_variables(environ, host):
    found = proxy_for("https://states.example.com", environ)
    assert (found.url.host if found else None) == host


def test_this_machine_is_never_asked_through_a_proxy():
    assert proxy_for("http://127.0.0.1:8080", {"ALL_PROXY": "http://proxy:3128"}) is None


def test_wrong_proxy_is_refused_and_not_repeated():
    with pytest.raises(UsageError) as caught:
        proxy_for("https://states.example.com", {"HTTPS_PROXY": "socks5://me:hunter2@proxy"})
    assert "hunter2" not in str(caught.value)


def test_nothing_of_http_is_loaded_with_the_state():
    code = "import declarative.state, sys; print([n for n in sys.modules if n in ('httpcore', 'httpx', 'ssl')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_key_with_a_password_is_refused(served):
    key = (PEM.parent / "protected-key.pem").read_text()
    _, begin, rest = PEM.read_text().partition("-----BEGIN CERTIFICATE-----\n")
    alone = begin + rest[: rest.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----"
    with pytest.raises(UsageError, match="password"):
        engine(served, TF_HTTP_CLIENT_CERTIFICATE_PEM=alone, TF_HTTP_CLIENT_PRIVATE_KEY_PEM=key)


class Tunnel(BaseRequestHandler):
    """A proxy that connects to whatever it is asked for, once it has seen the credentials that are meant for it."""

    def handle(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.request.recv(4096)
        self.server.heads.append(head)
        host, _, port = head.split()[1].decode().rpartition(":")
        with socket.create_connection((host, int(port))) as inner:
            self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self.pump, args=(inner, self.request))
            back.start()
            self.pump(self.request, inner)
            back.join()

    @staticmethod
    def pump(source, target) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def test_state_is_kept_through_a_proxy(served):
    proxy = ThreadingTCPServer(("127.0.0.1", 0), Tunnel)
    proxy.daemon_threads, proxy.heads = True, []
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        one = engine(served, TF_HTTP_CLIENT_CA_CERTIFICATE_PEM=PEM.read_text())
        one._wire.proxy = httpx.Proxy(f"http://me:secret@127.0.0.1:{proxy.server_address[1]}")
        assert one.try_lock(holder()) is None
        one.append([put("a")], lineage="a-lineage", after=0)
        assert names(one) == {"a"}
        one.close()
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
    assert proxy.heads
    assert all(head.startswith(b"CONNECT localhost:") for head in proxy.heads)
    assert all(b"Proxy-Authorization: Basic " in head for head in proxy.heads)
    assert all("proxy-authorization" not in request.headers for request in served.requests)
