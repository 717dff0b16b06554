"""TLS contexts: each is shaken hands with, in memory, by a server that has a certificate or asks for one."""

import ssl
from pathlib import Path

import pytest

from declarative.errors import UsageError
from declarative.provider.tls import NamedFile, Tls

DATA = Path(__file__).parents[2] / "data" / "tls"
CERTIFICATE = DATA / "localhost.pem"  # with its key; of localhost and sdrs.example.com, signed by itself
REMOTE, HERE = "https://sdrs.example.com", "https://localhost:8443"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def server(*, asks=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(CERTIFICATE)
    return context


def shake_hands(tls, endpoint, context):
    """A handshake between the two; raises what either raises."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    host = endpoint.removeprefix("https://").partition(":")[0]
    client = tls.context(endpoint).wrap_bio(down, up, server_hostname=host)
    service = context.wrap_bio(up, down, server_side=True)
    done = set()
    for _ in range(10):
        for side in (client, service):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                continue
    assert len(done) == 2


def named(path, source="OS_CACERT"):
    return NamedFile(Path(path), source)


def test_an_authority_nobody_named_is_not_believed():
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(Tls(), REMOTE, server())


def test_the_named_authority_is_believed():
    shake_hands(Tls(authorities=named(CERTIFICATE)), REMOTE, server())


def test_the_named_authority_wins_over_the_variable_of_openssl(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    shake_hands(Tls(authorities=named(CERTIFICATE)), REMOTE, server())


def test_the_named_authority_is_the_only_one():
    usual = Tls().context(REMOTE).cert_store_stats()["x509_ca"]
    assert usual > 10
    assert len(Tls(authorities=named(CERTIFICATE)).context(REMOTE).get_ca_certs()) <= 1


def test_a_name_that_the_certificate_does_not_have_is_refused():
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(Tls(authorities=named(CERTIFICATE)), "https://other.example.com", server())


def test_a_service_that_asks_for_a_certificate_gets_it():
    asking = server(asks=True)
    with pytest.raises(ssl.SSLError, match="peer did not return a certificate"):
        shake_hands(Tls(authorities=named(CERTIFICATE)), REMOTE, asking)
    shake_hands(
        Tls(authorities=named(CERTIFICATE), certificate=named(CERTIFICATE, "OS_CERT")), REMOTE, server(asks=True)
    )


def test_without_verification_only_this_machine_is_believed():
    tls = Tls(verify=False)
    shake_hands(tls, HERE, server())
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(tls, REMOTE, server())


def test_the_files_are_read_once(tmp_path):
    copy = tmp_path / "ca.pem"
    copy.write_bytes(CERTIFICATE.read_bytes())
    tls = Tls(authorities=named(copy))
    first = tls.context(REMOTE)
    copy.unlink()
    assert tls.context("https://iam.example.com") is first


def test_a_folder_of_authorities_is_taken(tmp_path):
    assert Tls(authorities=named(tmp_path)).context(REMOTE).verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"authorities": ("missing.pem", "OS_CACERT")}, ["OS_CACERT", "missing.pem", "No such file"]),
        ({"authorities": ("words.txt", "OS_CACERT")}, ["OS_CACERT", "words.txt", "it contains none"]),
        ({"authorities": ("empty.pem", "auth.cacert")}, ["auth.cacert", "empty.pem", "it contains none"]),
        ({"certificate": ("missing.pem", "OS_CERT")}, ["OS_CERT", "missing.pem", "No such file"]),
        ({"certificate": ("words.txt", "OS_CERT")}, ["OS_CERT", "words.txt"]),
        (
            {"certificate": (CERTIFICATE, "OS_CERT"), "key": ("words.txt", "OS_KEY")},
            ["OS_CERT and OS_KEY", "words.txt", "match"],
        ),
        (
            {"certificate": (CERTIFICATE, "OS_CERT"), "key": (DATA / "protected-key.pem", "OS_KEY")},
            ["OS_KEY", "password"],
        ),
    ],
)
def test_a_file_that_can_not_be_used_is_named_with_what_names_it(tmp_path, files, words):
    (tmp_path / "words.txt").write_text("no certificate\n")
    (tmp_path / "empty.pem").write_text("")
    tls = Tls(**{what: named(tmp_path / path, source) for what, (path, source) in files.items()})
    with pytest.raises(UsageError) as caught:
        tls.context(REMOTE)
    told = f"{caught.value.summary} {caught.value.fix}"
    assert [word for word in words if word not in told] == []


def test_an_endpoint_in_clear_text_reads_no_file():
    assert Tls(authorities=named("/nowhere.pem")).context("http://127.0.0.1:8080")
