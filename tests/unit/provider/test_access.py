import copy
import pickle

import pytest

from declarative.errors import UsageError
from declarative.model import Binding
from declarative.provider import Access, GivenToken, Secret
from declarative.provider.endpoint import endpoint_of

TOKEN = "canary-token"


def access(endpoint="https://sdrs.example.com", token=TOKEN):
    return Access(endpoint_of(endpoint, project_id="p1"), "p1", "eu-de", GivenToken(Secret(token)))


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ("https://sdrs.example.com", "https://sdrs.example.com"),
        ("https://sdrs.example.com/", "https://sdrs.example.com"),
        ("https://sdrs.example.com/v1", "https://sdrs.example.com"),
        ("https://sdrs.example.com/v1/", "https://sdrs.example.com"),
        ("https://sdrs.example.com/v1/p1", "https://sdrs.example.com"),
        ("https://sdrs.example.com/v1/p1/", "https://sdrs.example.com"),
        ("HTTPS://SDRS.Example.Com:443", "https://sdrs.example.com"),
        ("https://sdrs.example.com:8443/v1", "https://sdrs.example.com:8443"),
        ("https://gate.example.com/sdrs/v1/p1", "https://gate.example.com/sdrs"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost:8080/v1", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_endpoint_is_brought_into_one_form(given, endpoint):
    assert endpoint_of(given, project_id="p1") == endpoint


@pytest.mark.parametrize(
    "given",
    [
        "sdrs.example.com",
        "ftp://sdrs.example.com",
        "http://sdrs.example.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "https://user:hunter2@sdrs.example.com",
        "https://sdrs.example.com?token=hunter2",
        "https://sdrs.example.com#hunter2",
        "https://sdrs.example.com/?",
        "https://sdrs.example.com:hunter2",
        "https://sdrs.example.com:0",
        "https://sdrs.example.com/../hunter2",
        "https://sdrs.example.com//hunter2",
        "https://sdrs.example.com/a%2fhunter2",
        "https://sdrs.example.com\nhunter2",
        "https://sdrs.exa mple.com",
        "https://[hunter2",
        "https://",
        "https://sdrs.exämple.com",
    ],
)
def test_an_endpoint_that_is_none_is_refused_without_being_repeated(given):
    with pytest.raises(UsageError) as caught:
        endpoint_of(given, project_id="p1")
    assert "hunter2" not in caught.value.summary + caught.value.fix


def test_an_endpoint_of_another_project_is_refused():
    with pytest.raises(UsageError, match=r"names the project p2, but the project id is p1"):
        endpoint_of("https://sdrs.example.com/v1/p2", project_id="p1")


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("https://sdrs.example.com", "sdrs.example.com"),
        ("https://sdrs.example.com:443", "sdrs.example.com"),
        ("https://sdrs.example.com:8443", "sdrs.example.com:8443"),
        ("http://127.0.0.1:8080", "127.0.0.1"),
        ("http://[::1]:8080", "[::1]"),
    ],
)
def test_the_binding_has_the_port_except_on_loopback(given, host):
    assert access(given).binding == Binding("p1", "eu-de", host)


def test_an_auth_url_is_called_one():
    with pytest.raises(
        UsageError, match=r"the auth URL on iam\.example\.com uses http, which would send the credentials"
    ):
        endpoint_of("http://iam.example.com/v3", what="auth URL")
    assert endpoint_of("https://iam.example.com/v3/", what="auth URL") == "https://iam.example.com/v3"


def test_a_secret_shows_itself_to_reveal_alone():
    one = access()
    shown = f"{one} {one!r} {one.authorization} {one.authorization!r} {copy.copy(one)}"
    assert TOKEN not in shown
    assert one.authorization.headers("GET", "", (), b"") == ((b"X-Auth-Token", TOKEN.encode()),)
    assert one == access()
    assert one != access(token="other")
    assert len({one.authorization, access().authorization}) == 1
    with pytest.raises(TypeError):
        pickle.dumps(one)
