import copy
import pickle

import pytest

from declarative.errors import UsageError, visible
from declarative.model import Binding
from declarative.provider import access_from

TOKEN = "canary-token"
ENVIRON = {
    "SDRS_ENDPOINT": "https://sdrs.example.com",
    "SDRS_PROJECT_ID": "p1",
    "OS_AUTH_TOKEN": TOKEN,
    "OS_REGION_NAME": "eu-de",
}


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
    assert access_from(environ=ENVIRON, endpoint=given).endpoint == endpoint


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
        access_from(environ=ENVIRON, endpoint=given)
    assert "hunter2" not in caught.value.summary + caught.value.fix


def test_an_endpoint_of_another_project_is_refused():
    with pytest.raises(UsageError, match=r"names the project p2, but the project id is p1"):
        access_from(environ=ENVIRON, endpoint="https://sdrs.example.com/v1/p2")


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
    assert access_from(environ=ENVIRON, endpoint=given).binding == Binding("p1", "eu-de", host)


def test_all_that_is_missing_is_named_at_once():
    with pytest.raises(UsageError) as caught:
        access_from(environ={"OS_AUTH_TOKEN": ""})
    for name in ENVIRON.keys() - {"OS_REGION_NAME"}:
        assert name in caught.value.summary


def test_an_option_wins_over_the_environment():
    access = access_from(environ=ENVIRON, endpoint="https://other.example.com", project_id="p2", region="eu-nl")
    assert access.binding == Binding("p2", "eu-nl", "other.example.com")


@pytest.mark.parametrize("ending", ["\n", "\r\nX-Evil: 1", " ", "\x00", "\x7f", "é", "\u2028"])
def test_a_token_that_no_header_may_hold_is_refused_without_being_repeated(ending):
    with pytest.raises(UsageError) as caught:
        access_from(environ={**ENVIRON, "OS_AUTH_TOKEN": TOKEN + ending})
    assert TOKEN not in caught.value.summary + caught.value.fix


@pytest.mark.parametrize("name", ["SDRS_PROJECT_ID"])
@pytest.mark.parametrize("value", ["a/b", "..", "a b", "\x1b[31m", "a" * 65])
def test_project_and_region_are_plain_words(name, value):
    with pytest.raises(UsageError) as caught:
        access_from(environ={**ENVIRON, name: value})
    assert "\x1b" not in caught.value.summary
    assert visible(value) in caught.value.summary


def test_a_secret_shows_itself_to_reveal_alone():
    access = access_from(environ=ENVIRON)
    shown = f"{access} {access!r} {access.authorization} {access.authorization!r} {copy.copy(access)}"
    assert TOKEN not in shown
    assert access.authorization.headers("GET", "", (), b"") == ((b"X-Auth-Token", TOKEN.encode()),)
    assert access == access_from(environ=ENVIRON)
    assert access != access_from(environ={**ENVIRON, "OS_AUTH_TOKEN": "other"})
    assert len({access.authorization, access_from(environ=ENVIRON).authorization}) == 1
    with pytest.raises(TypeError):
        pickle.dumps(access)


def test_a_region_is_only_a_name_beside_an_explicit_endpoint():
    access = access_from(environ={**ENVIRON, "OS_REGION_NAME": ""})
    assert access.binding.region == ""
