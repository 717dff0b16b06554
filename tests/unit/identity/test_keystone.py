import json
from datetime import UTC, datetime

import pytest

from declarative.errors import EndpointError
from declarative.identity.keystone import (
    Account,
    Agency,
    ApplicationCredential,
    CloudProject,
    Endpoint,
    Password,
    Refusal,
    User,
    read_refusal,
    read_temporary_key,
    read_token,
    subject_token,
    temporary_key_request,
    token_request,
)
from declarative.provider import Secret
from declarative.provider.answers import Reply

OTC = Account(name="OTC-EU-DE-1")
ANNA = User(name="anna", account=OTC)
EU_DE = CloudProject(name="eu-de")
URL = "https://sdrs.eu-de.otc.t-systems.com/v1/p1"
SDRS = {
    "type": "sdrs",
    "id": "c1",
    "name": "sdrs",
    "endpoints": [{"interface": "public", "region": "eu-de", "url": URL}],
}
TOKEN = {
    "methods": ["password"],
    "issued_at": "2026-01-02T03:04:05.123456Z",
    "expires_at": "2026-01-03T03:04:05.123456Z",
    "user": {"id": "u1", "name": "anna", "domain": {"id": "d1", "name": "OTC-EU-DE-1"}},
    "project": {"id": "p1", "name": "eu-de", "domain": {"id": "d1", "name": "OTC-EU-DE-1"}},
    "roles": [],
    "catalog": [SDRS],
}


def body(way, scope=EU_DE):
    return json.loads(token_request(way, scope))["auth"]


def reply(document, status=201, **more):
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Reply(status, content, **more)


def token(scope=EU_DE, status=201, **changes):
    document = {key: value for key, value in (TOKEN | changes).items() if value is not ...}
    return read_token(reply({"token": document}, status), Secret("t0ken"), scope=scope)


# ---------------------------------------------------------------- requests


def test_body_of_a_password():
    assert body(Password(ANNA, Secret('pä"ss'))) == {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"name": "anna", "domain": {"name": "OTC-EU-DE-1"}, "password": 'pä"ss'}},
        },
        "scope": {"project": {"name": "eu-de"}},
    }


@pytest.mark.parametrize(
    ("user", "holder"),
    [
        (User(id="u1"), {"id": "u1", "passcode": "123456"}),
        (ANNA, {"name": "anna", "passcode": "123456"}),
    ],
    ids=["by-id", "by-name"],
)
def test_body_of_a_password_with_a_passcode(user, holder):
    identity = body(Password(user, Secret("pass"), Secret("123456")))["identity"]
    assert identity["methods"] == ["password", "totp"]
    assert identity["totp"] == {"user": holder}
    assert identity["password"] == body(Password(user, Secret("pass")))["identity"]["password"]


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        (ApplicationCredential(Secret("s"), id="c1"), {"id": "c1", "secret": "s"}),
        (ApplicationCredential(Secret("s"), id="c1", name="ci", user=ANNA), {"id": "c1", "secret": "s"}),
        (
            ApplicationCredential(Secret("s"), name="ci", user=ANNA),
            {"name": "ci", "secret": "s", "user": {"name": "anna", "domain": {"name": "OTC-EU-DE-1"}}},
        ),
    ],
    ids=["by-id", "id-first", "by-name"],
)
def test_body_of_an_application_credential(way, expected):
    assert body(way, None) == {
        "identity": {"methods": ["application_credential"], "application_credential": expected},
    }


def test_body_of_an_agency_by_either_name():
    agency = Agency("dr", Account(id="d2"))
    assert body(agency)["identity"] == {
        "methods": ["assume_role"],
        "assume_role": {"domain_id": "d2", "agency_name": "dr"},
    }
    agency = Agency("dr", Account(name="other"), name_key="xrole_name")
    assert body(agency)["identity"]["assume_role"] == {"domain_name": "other", "xrole_name": "dr"}


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (CloudProject(id="p1", name="eu-de", account=OTC), {"project": {"id": "p1"}}),
        (CloudProject(name="eu-de"), {"project": {"name": "eu-de"}}),
        (CloudProject(name="eu-de", account=OTC), {"project": {"name": "eu-de", "domain": {"name": "OTC-EU-DE-1"}}}),
        (Account(id="d1", name="OTC-EU-DE-1"), {"domain": {"id": "d1"}}),
        (Account(name="OTC-EU-DE-1"), {"domain": {"name": "OTC-EU-DE-1"}}),
    ],
    ids=["project-id", "project-name", "project-of-account", "account-id", "account-name"],
)
def test_scope_is_a_project_or_an_account(scope, expected):
    assert body(Password(ANNA, Secret("pass")), scope)["scope"] == expected


@pytest.mark.parametrize(
    ("way", "scope", "why"),
    [
        (Password(User(name="anna"), Secret("p")), EU_DE, "a user needs an id, or a name and an account"),
        (Password(User(account=OTC), Secret("p")), EU_DE, "a user needs an id or a name"),
        (Password(User(name="anna", account=Account()), Secret("p")), EU_DE, "an account needs an id or a name"),
        (Password(ANNA, Secret("p")), CloudProject(), "a project needs an id or a name"),
        (ApplicationCredential(Secret("s")), None, "an application credential needs an id"),
        (ApplicationCredential(Secret("s"), name="ci"), None, "or a name and its user"),
        (ApplicationCredential(Secret("s"), id="c1"), EU_DE, "takes no scope"),
        (Agency("", OTC), EU_DE, "an agency needs a name"),
        (Agency("dr", Account()), EU_DE, "an account needs an id or a name"),
    ],
    ids=str,
)
def test_request_for_somebody_who_cannot_be_found_is_a_defect(way, scope, why):
    with pytest.raises(ValueError, match=why):
        token_request(way, scope)


def test_secrets_do_not_show_in_the_ways_and_what_is_read():
    ways = [
        Password(ANNA, Secret("s3kr3t"), Secret("s3kr3t")),
        ApplicationCredential(Secret("s3kr3t"), id="c1"),
        read_token(reply({"token": TOKEN}), Secret("s3kr3t"), scope=EU_DE),
        read_temporary_key(reply({"credential": KEY | {"secret": "s3kr3t", "securitytoken": "s3kr3t"}})),
    ]
    assert "s3kr3t" not in repr(ways)


@pytest.mark.parametrize("seconds", [899, 86_401, 0, -1])
def test_temporary_key_that_nobody_gives_is_a_defect(seconds):
    with pytest.raises(ValueError, match="from 900 s to 86,400 s"):
        temporary_key_request(None, seconds=seconds)


# ---------------------------------------------------------------- a token


def test_token_is_read():
    found = token()
    assert found.secret.reveal() == "t0ken"
    assert found.issued_at == datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
    assert found.expires_at == datetime(2026, 1, 3, 3, 4, 5, 123456, tzinfo=UTC)
    account = Account("d1", "OTC-EU-DE-1")
    assert (found.user, found.project) == (User("u1", "anna", account), CloudProject("p1", "eu-de", account))
    assert found.account is None
    assert found.catalogue == (Endpoint("sdrs", "sdrs", "public", "eu-de", URL),)


@pytest.mark.parametrize("status", [200, 201])
def test_token_without_what_may_be_missing_is_read(status):
    found = token(status=status, issued_at=..., expires_at=..., catalog=..., user={"id": "u1", "name": "anna"})
    assert (found.issued_at, found.expires_at, found.catalogue, found.user.account) == (None, None, (), None)


def test_token_of_an_account_is_read():
    found = token(Account(name="otc-eu-de-1"), project=..., domain={"id": "d1", "name": "OTC-EU-DE-1"})
    assert (found.account, found.project) == (Account("d1", "OTC-EU-DE-1"), None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.5+02:00", datetime(2026, 1, 2, 1, 4, 5, 500000, tzinfo=UTC)),
        ("2026-01-02T03:04:05.123456789Z", datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)),
    ],
)
def test_times_are_utc(text, expected):
    assert token(issued_at=..., expires_at=text).expires_at == expected


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"expires_at": "2026-01-03T03:04:05"}, "token.expires_at is not a time with a zone"),
        ({"expires_at": 1767409445}, "token.expires_at is not a time with a zone"),
        ({"expires_at": ""}, "token.expires_at is not a time with a zone"),
        ({"expires_at": "2026-02-30T03:04:05Z"}, "token.expires_at is not a time"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "token.expires_at is not a time"),
        ({"issued_at": "yesterday"}, "token.issued_at is not a time with a zone"),
        ({"expires_at": "2026-01-02T03:04:05Z"}, "token.expires_at is not after token.issued_at"),
        ({"user": ...}, "token.user is missing or not an object"),
        ({"user": {"name": "anna"}}, "token.user.id is missing or not a text"),
        ({"user": {"id": "u1", "name": 7}}, "token.user.name is missing or not a text"),
        ({"user": {"id": "u1", "name": "anna", "domain": "d1"}}, "token.user.domain is missing or not an object"),
        ({"user": {"id": "u1", "name": "anna", "domain": {"id": "d1"}}}, "token.user.domain.name is missing"),
        ({"project": "p1"}, "token.project is missing or not an object"),
        ({"project": {"id": "", "name": "eu-de"}}, "token.project.id is missing or not a text"),
        ({"project": {"id": "../p2", "name": "eu-de"}}, "token.project.id can't be a project's id"),
        ({"catalog": {"sdrs": URL}}, "token.catalog is not a list"),
    ],
    ids=str,
)
def test_odd_token_is_not_used(changes, why):
    with pytest.raises(EndpointError, match=f"the answer to POST /v3/auth/tokens is not a valid IAM answer: {why}"):
        token(**changes)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (reply({"token": TOKEN}, 202), "HTTP 202"),
        (reply({"token": TOKEN}, 302), "HTTP 302"),
        (reply({"token": TOKEN}, cut=True), "too long"),
        (reply({"token": TOKEN}, headers={"content-encoding": "gzip"}), "compressed"),
        (reply(b"<html>"), "not JSON"),
        (reply(b""), "empty"),
        (reply([TOKEN]), "not a JSON object"),
        (reply({}), "token is missing or not an object"),
        (reply({"token": "abc"}), "token is missing or not an object"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_answer_that_is_not_a_token_is_not_used(answer, why):
    with pytest.raises(EndpointError, match=why) as caught:
        read_token(answer, Secret("t0ken"), scope=EU_DE, request="GET /v3/auth/tokens")
    assert caught.value.request == "GET /v3/auth/tokens"
    assert caught.value.status == answer.status


@pytest.mark.parametrize(
    ("scope", "changes", "why"),
    [
        (CloudProject(id="p2"), {}, "the token is for the project 'eu-de', not for 'p2'"),
        (CloudProject(name="eu-nl"), {}, "the token is for the project 'eu-de', not for 'eu-nl'"),
        (CloudProject(name="eu-de", account=Account(id="d2")), {}, "the token is for the project 'eu-de'"),
        (CloudProject(name="eu-de", account=Account(name="other")), {}, "the token is for the project 'eu-de'"),
        (CloudProject(id="p1"), {"project": None}, "has no project"),
        (CloudProject(id="p2"), {"project": {"id": "p1", "name": "a\x1b[0m"}}, r"'a\\x1b\[0m', not for 'p2'"),
        (Account(id="d2"), {"domain": {"id": "d1", "name": "one"}}, "the token is for the account 'one', not for 'd2'"),
        (Account(id="d1"), {}, "has no account"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_token_for_something_else_is_not_used(scope, changes, why):
    with pytest.raises(EndpointError, match=why):
        token(scope, **changes)


@pytest.mark.parametrize(
    "scope",
    [
        None,
        CloudProject(id="p1", name="whatever it was called"),
        CloudProject(name="EU-DE"),
        CloudProject(name="eu-de", account=Account(name="otc-eu-de-1")),
        CloudProject(name="eu-de", account=Account(id="d1")),
    ],
    ids=str,
)
def test_token_for_what_was_asked_for_is_used(scope):
    assert token(scope).project.id == "p1"


def test_names_decide_if_the_answer_has_no_account():
    assert token(CloudProject(name="eu-de", account=OTC), project={"id": "p1", "name": "eu-de"}).project.id == "p1"


@pytest.mark.parametrize(
    "odd",
    [
        "sdrs",
        None,
        {},
        {"type": "sdrs"},
        {"type": None, "endpoints": SDRS["endpoints"]},
        {"type": "sdrs", "endpoints": {}},
        {"type": "sdrs", "endpoints": ["https://x"]},
        {"type": "sdrs", "endpoints": [{"interface": "public", "region": "eu-de"}]},
        {"type": "sdrs", "endpoints": [{"url": "https://x", "interface": ["public"]}]},
        {"type": "sdrs", "endpoints": [{"url": "", "interface": "public"}]},
    ],
    ids=str,
)
def test_odd_part_of_the_catalogue_is_left_out(odd):
    assert token(catalog=[odd, SDRS]).catalogue == token().catalogue


@pytest.mark.parametrize(
    ("place", "region"),
    [
        ({"region_id": "eu-de", "region": "old"}, "eu-de"),
        ({"region_id": None, "region": "*"}, "*"),
        ({}, ""),
    ],
    ids=["id", "name", "none"],
)
def test_region_of_an_endpoint(place, region):
    service = {"type": "sdrs", "endpoints": [{"interface": "public", "url": URL, **place}]}
    assert token(catalog=[service]).catalogue == (Endpoint("sdrs", "", "public", region, URL),)


@pytest.mark.parametrize("text", [None, "", "a b", "a, b", "a\r\nX: 1", "ä", "a\x7f"], ids=repr)
def test_header_without_a_token_is_refused_and_not_shown(text):
    with pytest.raises(EndpointError, match="X-Subject-Token is missing, or is not a token") as caught:
        subject_token(Reply(201, headers={} if text is None else {"x-subject-token": text}))
    assert caught.value.status == 201


def test_token_stands_in_the_header():
    assert subject_token(Reply(201, headers={"x-subject-token": "gAAA-_.~=/+"})) == Secret("gAAA-_.~=/+")


# ---------------------------------------------------------------- a temporary key

KEY = {"access": "AK", "secret": "SK", "securitytoken": "ST", "expires_at": "2026-01-02T04:04:05.000000Z"}


def test_temporary_key_is_read():
    key = read_temporary_key(reply({"credential": KEY}))
    assert (key.access_key, key.secret_key, key.security_token) == ("AK", Secret("SK"), Secret("ST"))
    assert key.expires_at == datetime(2026, 1, 2, 4, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("missing", sorted(KEY))
def test_temporary_key_with_a_part_missing_is_not_used(missing):
    broken = {name: value for name, value in KEY.items() if name != missing}
    with pytest.raises(
        EndpointError, match=f"securitytokens is not a valid IAM answer: credential.{missing} is missing"
    ):
        read_temporary_key(reply({"credential": broken}))


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("document", "code", "message", "permission"),
    [
        ({"error": {"code": 401, "message": "Unauthorized.", "title": "Unauthorized"}}, "", "Unauthorized.", ""),
        ({"error": {"code": 401, "title": "Unauthorized"}}, "", "Unauthorized", ""),
        (
            {"error": {"code": "111401001", "message": "Invalid token.", "ext_message": None}},
            "111401001",
            "Invalid token.",
            "",
        ),
        ({"error_code": "IAM.0062", "error_msg": "Incorrect password."}, "IAM.0062", "Incorrect password.", ""),
        ({"errorCode": "IAM.0062", "errorMsg": "Incorrect password."}, "IAM.0062", "Incorrect password.", ""),
        ({"code": "IAM.0062", "message": "Incorrect password."}, "IAM.0062", "Incorrect password.", ""),
        ({"code": 1103, "message": "Incorrect password."}, "1103", "Incorrect password.", ""),
        (
            {"error_code": "IAM.0003", "error_msg": "Policy doesn't allow sdrs:group:list to be performed."},
            "IAM.0003",
            "Policy doesn't allow sdrs:group:list to be performed.",
            "sdrs:group:list",
        ),
        ({"error": {"code": "IAM.0002", "message": "no"}, "request_id": "r0"}, "IAM.0002", "no", ""),
        ({"error_code": None, "error_msg": ["x"]}, "", "", ""),
        ({"code": True, "message": False}, "", "", ""),
        ({"error": True}, "", "", ""),
        ({}, "", "", ""),
        ([], "", "", ""),
        (b"<html>403</html>", "", "", ""),
        (b"", "", "", ""),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refusal_is_told_in_the_services_own_words(document, code, message, permission):
    found = read_refusal(reply(document, 401, headers={"x-request-id": "r1"}))
    assert found == Refusal(401, code, message, permission, "r1")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-request-id": "r1", "x-iam-trace-id": "t1"}, "r1"),
        ({"x-iam-trace-id": "t1"}, "t1"),
        ({"x-openstack-request-id": "req-1"}, "req-1"),
        ({}, "r0"),
    ],
    ids=str,
)
def test_request_id_comes_from_a_header_or_else_from_the_gateways_body(headers, expected):
    gateway = {"error_code": "APIGW.0301", "error_msg": "Incorrect IAM authentication information", "request_id": "r0"}
    found = read_refusal(reply(gateway, 401, headers=headers))
    assert (found.request_id, found.code) == (expected, "APIGW.0301")


def test_request_that_the_gateway_repeats_is_left_out():
    words = "Incorrect IAM authentication information: verify aksk signature fail"
    repeated = "canonicalRequest:GET|/v1/p1/||x-security-token:s3kr3t||x-security-token|e3b0"
    found = read_refusal(reply({"error_code": "APIGW.0301", "error_msg": f"{words},{repeated}"}, 401))
    assert found.message == words


def test_long_words_are_cut():
    found = read_refusal(
        reply({"error_code": "C" * 999, "error_msg": "m" * 9999}, 500, headers={"x-request-id": "r" * 999})
    )
    assert (len(found.code), len(found.message), len(found.request_id)) == (64, 500, 128)


def test_refusal_that_is_too_long_has_a_status_still():
    assert read_refusal(reply({"error_code": "IAM.0001"}, 500, cut=True)) == Refusal(500, "", "", "", "")
