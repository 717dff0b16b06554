import json
from datetime import UTC, datetime

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
from declarative.model import Call
from declarative.provider.answers import (
    Again,
    Failure,
    Fault,
    Reply,
    Unreadable,
    judge,
    read_fault,
    read_object,
    read_retry_after,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
POST = Call("POST", ("server-groups",), {}, idempotent=False)
GET = Call("GET", ("server-groups", "g1"))
GONE = frozenset({"SDRS.1013"})


def judged(status, body=b"", call=GET, gone=GONE, **more):
    document = body if isinstance(body, bytes) else json.dumps(body).encode()
    return judge(Reply(status, document, **more), call, gone=gone, now=NOW)


def e1(code):
    return {"error": {"code": code, "message": "m"}}


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        pytest.param(e1("SDRS.1013"), Fault("SDRS.1013", "m", True), id="E1"),
        pytest.param({"badrequest": {"code": "SDRS.0202", "message": "m"}}, Fault("SDRS.0202", "m", True), id="E2"),
        pytest.param({"itemNotFound": {"code": "SDRS.1320", "message": "m"}}, Fault("SDRS.1320", "m", True), id="E3"),
        pytest.param({"itemNotFound": {"message": "m"}}, Fault("", "m", True), id="E3-without-code"),
        pytest.param({"error_code": "APIGW.0301", "error_msg": "m"}, Fault("APIGW.0301", "m", False), id="E4"),
        pytest.param({"error_code": "SDRS.1608", "error_msg": "m"}, Fault("SDRS.1608", "m", True), id="E4-of-SDRS"),
        pytest.param({"code": "SDRS.0013", "message": "m"}, Fault("SDRS.0013", "m", True), id="E5"),
        pytest.param({"badRequest": {"code": 400, "message": "m"}}, Fault("400", "m", False), id="E6"),
        pytest.param(b"", Fault(), id="E7-empty"),
        pytest.param(b"<html>no</html>", Fault(), id="E7-html"),
        pytest.param([1], Fault(), id="array"),
        pytest.param({"a": {}, "b": {}}, Fault(), id="two-envelopes"),
        pytest.param({"error": "text"}, Fault(), id="envelope-without-object"),
        pytest.param({"error": {"code": True, "message": 7}}, Fault(), id="wrong-types"),
        pytest.param({"error": {"code": ["SDRS.1013"]}}, Fault(), id="code-in-a-list"),
        pytest.param(b"[" * 100_000, Fault(), id="nested-too-deep"),
        pytest.param(b"\xff\xfe", Fault(), id="not-utf-8"),
    ],
)
def test_every_envelope_is_read(body, fault):
    assert read_fault(body if isinstance(body, bytes) else json.dumps(body).encode()) == fault


def test_a_long_message_is_cut():
    assert len(read_fault(json.dumps({"error": {"code": "x" * 9999, "message": "y" * 9999}}).encode()).message) == 500


@pytest.mark.parametrize(
    ("status", "body", "error", "again"),
    [
        (400, e1("SDRS.0305"), Rejected, Again.NEVER),
        (400, {"badRequest": {"code": 400, "message": "m"}}, Rejected, Again.NEVER),
        (400, b"", OutcomeUnknown, Again.NEVER),
        (401, b"", Unauthorized, Again.NEVER),
        (400, e1("SDRS.0002"), Unauthorized, Again.NEVER),
        (500, e1("SDRS.0002"), OutcomeUnknown, Again.NEVER),
        (403, b"", Rejected, Again.NEVER),
        (404, b"<html>", Rejected, Again.NEVER),
        (404, {"itemNotFound": {"message": "m"}}, NotFound, Again.NEVER),
        (405, b"", Rejected, Again.NEVER),
        (406, b"", Rejected, Again.NEVER),
        (413, b"", Rejected, Again.NEVER),
        (422, b"", Rejected, Again.NEVER),
        (429, b"", NotSent, Again.THROTTLED),
        (503, {"error_code": "APIGW.0308", "error_msg": "m"}, NotSent, Again.THROTTLED),
        (407, b"", OutcomeUnknown, Again.NEVER),
        (408, b"", OutcomeUnknown, Again.NEVER),
        (409, e1("SDRS.1002"), OutcomeUnknown, Again.NEVER),
        (500, e1("SDRS.1014"), OutcomeUnknown, Again.NEVER),
        (504, b"", OutcomeUnknown, Again.NEVER),
        (307, b"", OutcomeUnknown, Again.NEVER),
        (200, b"", OutcomeUnknown, Again.UNREADABLE),
        (200, b"<html>", OutcomeUnknown, Again.UNREADABLE),
        (200, b"null", OutcomeUnknown, Again.UNREADABLE),
    ],
)
def test_a_create_is_refused_only_by_what_proves_it(status, body, error, again):
    failure = judged(status, body, POST, gone=frozenset())
    assert isinstance(failure, Failure)
    assert (type(failure.error), failure.again) == (error, again)


@pytest.mark.parametrize(
    ("status", "body", "error", "again"),
    [
        (400, e1("SDRS.1013"), NotFound, Again.NEVER),
        (404, e1("SDRS.1013"), NotFound, Again.NEVER),
        (500, e1("SDRS.1013"), NotFound, Again.NEVER),
        (404, {"itemNotFound": {"message": "m"}}, NotFound, Again.NEVER),
        (404, e1("SDRS.2206"), NotFound, Again.NEVER),
        (404, b"", EndpointError, Again.NEVER),
        (404, b"<html>", EndpointError, Again.NEVER),
        (404, {"error_code": "APIGW.0101", "error_msg": "m"}, EndpointError, Again.NEVER),
        (400, e1("SDRS.1320"), Rejected, Again.NEVER),
        (400, b"<html>", EndpointError, Again.NEVER),
        (403, b"", Rejected, Again.NEVER),
        (401, e1("SDRS.1013"), Unauthorized, Again.NEVER),
        (408, b"", OutcomeUnknown, Again.TRANSIENT),
        (409, b"", OutcomeUnknown, Again.TRANSIENT),
        (409, e1("SDRS.1002"), Rejected, Again.NEVER),
        (429, b"", NotSent, Again.THROTTLED),
        (500, b"", OutcomeUnknown, Again.TRANSIENT),
        (503, b"<html>", OutcomeUnknown, Again.TRANSIENT),
        (302, b"", EndpointError, Again.NEVER),
        (304, b"", EndpointError, Again.NEVER),
        (200, b"<html>", EndpointError, Again.UNREADABLE),
        (200, b'{"a": NaN}', EndpointError, Again.UNREADABLE),
        (200, b'{"a": ', EndpointError, Again.UNREADABLE),
        (200, b"[]", EndpointError, Again.UNREADABLE),
    ],
)
def test_a_read_takes_only_the_services_own_word(status, body, error, again):
    failure = judged(status, body)
    assert isinstance(failure, Failure)
    assert (type(failure.error), failure.again) == (error, again)


@pytest.mark.parametrize("status", [429, 503])
def test_an_answer_without_a_code_says_what_to_do(status):
    assert judged(status, b"").error.fix


def test_an_answer_without_content_is_an_empty_object():
    assert judged(204) == {}


def test_the_code_is_explained_in_the_summary():
    failure = judged(400, {"error": {"code": "SDRS.0305", "message": "their words"}}, POST)
    error = failure.error
    assert error.summary == "create refused: SDRS.0305 protection group quota used up"
    assert "higher quota" in error.fix
    assert (error.status, error.code, error.message, error.request) == (
        400,
        "SDRS.0305",
        "their words",
        "POST server-groups",
    )


def test_a_hostile_code_is_shown_escaped():
    failure = judged(400, e1("\x1b[31mOK\u202e"), POST)
    assert failure.error.summary == "create refused: \\x1b[31mOK\\u{202e} (HTTP 400)"


def test_no_body_gets_into_an_error():
    for status in (200, 302, 400, 404, 500):
        error: ProviderError = judged(status, b"<html>canary</html>").error
        assert "canary" not in f"{error.summary}{error.fix}{error.message}{error.code}"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b'{"a": 1}', {"content-encoding": "gzip"}),
        Reply(200, b'{"a": 1}', cut=True),
        Reply(200, b" "),
        Reply(200, b'"text"'),
        Reply(200, b"9" * 5000),
    ],
)
def test_what_is_no_plain_json_object_is_unreadable(reply):
    with pytest.raises(Unreadable):
        read_object(reply)


def test_half_of_a_surrogate_pair_is_replaced():
    assert read_object(Reply(200, rb'{"name": "a\ud800b", "face": "\ud83d\ude00"}')) == {"name": "a?b", "face": "😀"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 0.0),
        ("3", 3.0),
        ("1000000000", 60.0),
        ("9" * 5000, 60.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("1.5", 0.0),
        ("٣", 0.0),
        ("Fri, 02 Jan 2026 03:04:15 GMT", 10.0),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 0.0),
        ("Fri, 02 Jan 2032 03:00:00 GMT", 60.0),
        ("Fri, 02 Jan 2026 03:04:15", 10.0),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_capped(text, seconds):
    assert read_retry_after(text, now=NOW) == seconds


def test_a_missing_permission_is_named():
    message = "Policy doesn't allow sdrs:serverGroups:create to be performed."
    error = judged(403, {"error_code": "APIGW.0802", "error_msg": message}, POST).error
    assert error.fix == "Ask your account's administrator for the permission sdrs:serverGroups:create."
    assert "your account's administrator" in judged(403, b"", POST).error.fix


def test_what_the_gateway_repeats_of_a_signed_request_is_not_kept():
    repeated = "verify aksk signature fail, canonicalRequest:GET|/v1/p1/||x-security-token:s3kr3t||"
    error = judged(401, {"error_code": "APIGW.0301", "error_msg": repeated}).error
    assert error.message == "verify aksk signature fail"
    assert "s3kr3t" not in str(vars(error))


def test_the_request_id_is_kept_with_the_refusal():
    error = judged(400, e1("SDRS.0305"), POST, headers={"x-request-id": "8f2c"}).error
    assert error.words() == "The service says: m (POST server-groups, HTTP 400, SDRS.0305, request 8f2c)"
