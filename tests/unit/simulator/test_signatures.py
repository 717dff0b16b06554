"""Signed requests: what is verified, and how a wrong one is refused."""

import hashlib
import hmac
from dataclasses import replace
from email.utils import parsedate_to_datetime

import pytest

from declarative.simulator import Origin, Rules, UserStatus
from declarative.simulator.protocol.signature import canonical_request, fits, read_signature
from declarative.simulator.protocol.wire import Request
from tests.scaffold.accounts import PEOPLE
from tests.scaffold.signing_in import PROJECT, read, sign

UNSIGNED = {"authorization": f"SDK-HMAC-SHA256 Access=AKADA, SignedHeaders=x-sdk-date, Signature={'0a' * 32}"}


@pytest.fixture
def cloud(open_cloud):
    return open_cloud(origin=Origin(PROJECT, accounts=PEOPLE))


def words(answer):
    assert answer.status == 401, answer
    assert b'"error_code":"APIGW.0301"' in answer.body
    assert f'"request_id":"{dict(answer.headers)["X-Request-Id"]}"'.encode() in answer.body
    return answer.body.decode()


def test_the_example_of_the_vendors_guide_has_its_published_signature():
    value = "7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe"
    request = Request(
        method="GET",
        path="/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs",
        query="limit=2&marker=13551d6b-755d-4757-b956-536f674975c0",
        headers={
            "host": "service.region.example.com",
            "content-type": "application/json",
            "x-sdk-date": "20191115T033655Z",
            "authorization": "SDK-HMAC-SHA256 Access=QTWAOYTTINDUT2QVKYUC, "
            f"SignedHeaders=content-type;host;x-sdk-date, Signature={value}",
        },
        body=b"",
        base_url="",
    )
    signature = read_signature(request)
    assert fits(canonical_request(request, signature), signature, "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc")


@pytest.mark.parametrize(
    "path", ["active-domains", "/v3/auth/catalog", "server-groups?name=a%20b&limit=1&x=ä%2F+&limit"]
)
def test_a_right_signature_is_let_in(cloud, path):
    assert read(cloud, path=path.replace("ä", "%C3%A4")).status == 200


def test_a_signed_body_is_verified(cloud):
    path, body = f"/v1/{PROJECT}/server-groups", b'{"server_group":{}}'
    headers = sign(cloud, "POST", path, body)
    for sent, status in ((body, 400), (body + b" ", 401)):
        assert cloud.world.handle(Request("POST", path, "", headers, sent, "")).status == status


def test_an_unsigned_payload_may_have_any_body(cloud):
    path, date = f"/v1/{PROJECT}/server-groups", "20250311T091347Z"
    names, word = "x-sdk-content-sha256;x-sdk-date", "UNSIGNED-PAYLOAD"
    canonical = f"POST\n{path}/\n\nx-sdk-content-sha256:{word}\nx-sdk-date:{date}\n\n{names}\n{word}"
    text = f"SDK-HMAC-SHA256\n{date}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    value = hmac.new(b"SKADA", text.encode(), "sha256").hexdigest()
    headers = {
        "x-sdk-content-sha256": word,
        "x-sdk-date": date,
        "authorization": f"SDK-HMAC-SHA256 Access=AKADA, SignedHeaders={names}, Signature={value}",
    }
    for body in (b"", b"{}"):
        assert cloud.world.handle(Request("POST", path, "", headers, body, "")).status == 400
    hashed = headers | {"x-sdk-content-sha256": "0" * 64}
    assert cloud.world.handle(Request("POST", path, "", hashed, b"", "")).status == 401


def test_a_wrong_secret_gets_the_canonical_request_back(cloud):
    told = words(read(cloud, key=("AKADA", "other")))
    repeated = f"canonicalRequest:GET|/v1/{PROJECT}/active-domains/||host:sdrs.test|x-project-id:{PROJECT}|"
    assert f"verify aksk signature fail, {repeated}" in told


@pytest.mark.parametrize("name", ["host", "x-project-id", "x-sdk-date", "x-mine"])
def test_a_signed_header_that_was_changed_is_refused(cloud, name):
    headers = sign(cloud, "GET", f"/v1/{PROJECT}/active-domains", extra=[("x-mine", "1")])
    assert read(cloud, headers).status == 200
    changed = "20250311T091348Z" if name == "x-sdk-date" else f"{headers[name]}1"
    assert "verify aksk signature fail" in words(read(cloud, headers | {name: changed}))


def test_a_header_that_is_not_signed_may_change_on_its_way(cloud):
    headers = sign(cloud, "GET", f"/v1/{PROJECT}/active-domains")
    assert read(cloud, headers | {"user-agent": "proxy"}).status == 200


def test_the_path_and_the_query_are_signed(cloud):
    headers = sign(cloud, "GET", f"/v1/{PROJECT}/server-groups?limit=1")
    assert read(cloud, headers, "server-groups?limit=1").status == 200
    assert read(cloud, headers, "server-groups?limit=2").status == 401
    assert read(cloud, headers, "active-domains?limit=1").status == 401


@pytest.mark.parametrize(("ago", "status"), [(899, 200), (-899, 200), (902, 401), (-902, 401)])
def test_a_date_may_be_15_minutes_off(cloud, ago, status):
    answer = read(cloud, ago=ago)
    assert answer.status == status
    if status == 401:
        assert "X-Sdk-Date is 90" in words(answer)


@pytest.mark.parametrize(("ahead", "told"), [(3600.0, 3601), (-3600.0, 3599)])
def test_the_clock_of_the_cloud_may_be_off(open_cloud, ahead, told):
    cloud = open_cloud(origin=Origin(PROJECT, accounts=PEOPLE), rules=Rules(clock_ahead=ahead))
    refused = read(cloud)
    assert f"X-Sdk-Date is {told} s off" in words(refused)
    assert parsedate_to_datetime(dict(refused.headers)["Date"]).timestamp() == int(cloud.clock.now + ahead)
    assert read(cloud, ago=-ahead).status == 200


def test_an_unknown_key_is_refused(cloud):
    assert "Get secretKey failed,ak:AKOTHER,err:ak not exist" in words(read(cloud, key=("AKOTHER", "SKADA")))


def test_the_key_of_a_disabled_user_is_refused(cloud):
    assert "Get secretKey failed,ak:AKEVE,err:user is disabled" in words(read(cloud, key=("AKEVE", "SKEVE")))
    cloud.world.operator.set_user_status("ada-id", UserStatus.DISABLED)
    assert "err:user is disabled" in words(read(cloud))


def test_five_refusals_in_a_row_lock_a_key_for_five_minutes(cloud):
    for _ in range(4):
        read(cloud, key=("AKADA", "other"))
    assert read(cloud).status == 200  # which begins the count again
    for _ in range(5):
        read(cloud, key=("AKADA", "other"))
    assert "AK access failed to reach the limit" in words(read(cloud))
    cloud.clock.pass_by(299)
    assert read(cloud).status == 401
    cloud.clock.pass_by(1)
    assert read(cloud).status == 200


def test_a_key_is_good_for_the_projects_of_its_account(cloud):
    assert read(cloud, project="").status == 200
    assert "project is unknown" in words(read(cloud, project="0" * 32))
    other = read(cloud, project="tests-id")
    assert (other.status, b"APIGW.0302" in other.body) == (403, True)
    theirs = read(cloud, key=("AKTHERE", "SKTHERE"), project="")
    assert (theirs.status, b"APIGW.0302" in theirs.body) == (403, True)


def test_a_key_is_good_for_its_account(cloud):
    assert read(cloud, path="/v3/auth/projects", project="", extra=[("x-domain-id", "bank-id")]).status == 200
    refused = read(cloud, path="/v3/auth/projects", project="", extra=[("x-domain-id", "partner-id")])
    assert (refused.status, b"The account is not the one" in refused.body) == (401, True)


@pytest.mark.parametrize(
    "headers",
    [
        UNSIGNED,
        UNSIGNED | {"x-sdk-date": "20250399T091347Z"},
        {
            "authorization": UNSIGNED["authorization"].replace("x-sdk-date", "X-Sdk-Date"),
            "x-sdk-date": "20250311T091347Z",
        },
    ],
    ids=["without a date", "no such day", "a name in capitals"],
)
def test_a_signature_that_is_not_well_formed_is_none(cloud, headers):
    assert "Authentication information is missing." in words(read(cloud, headers))


def test_without_accounts_any_well_formed_signature_is_let_in(open_cloud):
    assert read(open_cloud(origin=Origin(PROJECT)), key=("ANY", "secret")).status == 200


def test_with_accounts_that_have_no_access_key_no_signature_is_let_in(open_cloud):
    cloud = open_cloud(origin=Origin(PROJECT, accounts=replace(PEOPLE, access_keys=())))
    assert "err:ak not exist" in words(read(cloud))
