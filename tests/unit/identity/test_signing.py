"""Fixed signatures, and what they cover; `tests/contract/test_vendor_signatures.py` compares with the vendor's SDK."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from declarative.errors import UsageError
from declarative.identity.signing import signed
from declarative.provider import Secret

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
URL = "https://sdrs.eu-de.example.com/v1/p1/server-groups"
HEADERS = ((b"Host", b"sdrs.eu-de.example.com"), (b"Content-Type", b"application/json"))


def added(method="POST", url=URL, headers=HEADERS, body=b'{"a": 1}', **more):
    who = {
        "access_key": "AK0123456789",
        "secret_key": Secret("s€cret"),
        "security_token": Secret("token/+="),
        "project_id": "p1",
        "at": AT,
    }
    return dict(signed(method, url, headers, body, **who | more))


def authorization(*args, **more):
    return added(*args, **more)[b"Authorization"].decode()


def test_signature_of_the_example_in_the_vendors_guide():
    signature = (
        b"SignedHeaders=content-type;host;x-sdk-date, "
        b"Signature=7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe"
    )
    found = signed(
        "GET",
        "https://service.region.example.com/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs"
        "?limit=2&marker=13551d6b-755d-4757-b956-536f674975c0",
        [(b"Content-Type", b"application/json")],
        None,
        access_key="QTWAOYTTINDUT2QVKYUC",
        secret_key=Secret("MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc"),
        security_token=None,
        project_id="",
        at=datetime(2019, 11, 15, 3, 36, 55, tzinfo=UTC),
    )
    assert found == [
        (b"X-Sdk-Date", b"20191115T033655Z"),
        (b"Host", b"service.region.example.com"),
        (b"Authorization", b"SDK-HMAC-SHA256 Access=QTWAOYTTINDUT2QVKYUC, " + signature),
    ]


def test_signature_of_a_request_with_everything_odd():
    """Made once with the vendor's SDK."""
    url = "https://sdrs.eu-de.example.com/v1/p1/a%2Fb/%C3%A4~%25?b=&a=2&a=10&%C3%BC=1+2%2B3&:=%26"
    assert added(url=url, headers=(*HEADERS, (b"x_Skipped", b"1"), (b"X-Domain-Id", b" d1\t"))) == {
        b"X-Sdk-Date": b"20260102T030405Z",
        b"X-Project-Id": b"p1",
        b"X-Security-Token": b"token/+=",
        b"Authorization": b"SDK-HMAC-SHA256 Access=AK0123456789, "
        b"SignedHeaders=content-type;host;x-domain-id;x-project-id;x-sdk-date;x-security-token, "
        b"Signature=b0c00dd057374b13a64e069c3b5395d054916bab0e782522fe769e4069b07418",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"url": URL + "/g1"},
        {"url": URL + "?limit=1"},
        {"url": URL + "?a"},
        {"body": b'{"a": 2}'},
        {"body": None},
        {"headers": (*HEADERS[:1], (b"Content-Type", b"text/plain"))},
        {"headers": ((b"Host", b"elsewhere.example.com"), *HEADERS[1:])},
        {"headers": HEADERS[:1]},
        {"secret_key": Secret("other")},
        {"security_token": None},
        {"project_id": "p2"},
        {"at": AT + timedelta(seconds=1)},
    ],
    ids=str,
)
def test_signature_covers(change):
    assert authorization(**change).rpartition("=")[2] != authorization().rpartition("=")[2]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"url": URL}, {"url": URL + "/"}),
        ({"url": URL + "?a=1&b=2"}, {"url": URL + "?b=2&a=1"}),
        ({"url": URL + "?a=1+2"}, {"url": URL + "?a=1%202"}),
        ({"url": URL + "?a="}, {"url": URL + "?a"}),
        ({"method": "post"}, {"method": "POST"}),
        ({"body": b""}, {"body": None}),
        ({"headers": HEADERS}, {"headers": HEADERS[::-1]}),
        ({"headers": HEADERS}, {"headers": HEADERS[1:]}),
        ({"headers": HEADERS}, {"headers": ((b"HOST", b" sdrs.eu-de.example.com "), *HEADERS[1:])}),
        ({"at": AT}, {"at": AT.astimezone(timezone(timedelta(hours=5, minutes=30)))}),
    ],
    ids=[
        "slash-at-the-end",
        "order",
        "space",
        "no-value",
        "case",
        "no-body",
        "header-order",
        "host-made",
        "trim",
        "zone",
    ],
)
def test_requests_that_mean_the_same_have_one_signature(one, other):
    assert authorization(**one) == authorization(**other)


def test_project_is_left_out_outside_of_a_project():
    assert b"X-Project-Id" not in added(project_id="")
    assert "x-project-id" not in authorization(project_id="")


@pytest.mark.parametrize("bad", ["s3kr3t x", "s3kr3t\r\nX-Evil: 1", "s3kr3tä", "s3kr3t\x00", "s3kr3t\n"], ids=ascii)
@pytest.mark.parametrize("part", ["access_key", "project_id", "security_token"])
def test_value_that_cannot_stand_in_a_header_is_refused_and_not_shown(part, bad):
    with pytest.raises(UsageError, match=f"the {part.replace('_', ' ')} is empty, or contains a space") as caught:
        added(**{part: Secret(bad) if part == "security_token" else bad})
    assert "s3kr3t" not in f"{caught.value.summary} {caught.value.fix}"


@pytest.mark.parametrize("empty", [{"access_key": ""}, {"security_token": Secret("")}], ids=["key", "token"])
def test_empty_key_or_token_is_refused(empty):
    with pytest.raises(UsageError, match="is empty"):
        added(**empty)


@pytest.mark.parametrize(
    "name", [b"authorization", b"X-AUTH-TOKEN", b"x-sdk-date", b"X-Project-Id", b"X-Security-Token", b"host"]
)
def test_header_that_the_signature_makes_or_that_is_there_already_is_a_defect(name):
    with pytest.raises(ValueError, match="given twice, or is made by the signature"):
        added(headers=(*HEADERS, (name, b"1")))


def test_time_without_a_zone_is_a_defect():
    with pytest.raises(ValueError, match="needs a time zone"):
        added(at=AT.replace(tzinfo=None))
