"""Who may ask: tokens, signatures, projects."""

import pytest

from declarative.simulator import Rules

PASSWORD = {"user": {"name": "ada", "password": "secret", "domain": {"name": "OTC-1"}}}
SIGNATURE = "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature=" + "0a" * 32
SIGNED = {"authorization": SIGNATURE, "x-sdk-date": "20250311T091347Z"}


def sign_in(cloud, identity=None, scope=None):
    identity = identity or {"methods": ["password"], "password": PASSWORD}
    auth = {"identity": identity} | ({"scope": scope} if scope else {})
    return cloud.send("POST", "/v3/auth/tokens", {"auth": auth}, headers={})


def ask(cloud, headers):
    return cloud.send("GET", "active-domains", headers=headers)


def test_a_token_opens_the_project(cloud):
    given = sign_in(cloud, scope={"project": {"name": "eu-de"}})
    assert given.status == 201
    assert ask(cloud, {"x-auth-token": given.headers["X-Subject-Token"]}).status == 200
    token = given.body["token"]
    assert token["project"]["id"] == cloud.world.project_id
    urls = {service["type"]: service["endpoints"][0]["url"] for service in token["catalog"]}
    assert urls == {"sdrs": f"http://sdrs.test/v1/{cloud.world.project_id}", "identity": "http://sdrs.test/v3"}
    assert (token["issued_at"], token["expires_at"]) == ("2025-03-11T09:13:47.912000Z", "2025-03-12T09:13:47.912000Z")


def test_a_token_expires(open_cloud):
    cloud = open_cloud(rules=Rules(token_seconds=60))
    headers = {"x-auth-token": sign_in(cloud).headers["X-Subject-Token"]}
    cloud.clock.pass_by(59.9)
    assert ask(cloud, headers).status == 200
    cloud.clock.pass_by(0.1)
    refused = ask(cloud, headers)
    assert (refused.status, refused.body["error_code"]) == (401, "APIGW.0301")


def test_tokens_can_be_made_to_expire(cloud):
    headers = {"x-auth-token": sign_in(cloud).headers["X-Subject-Token"]}
    cloud.world.operator.expire_tokens()
    assert ask(cloud, headers).status == 401
    assert ask(cloud, {"x-auth-token": cloud.world.preset_token}).status == 200


@pytest.mark.parametrize(
    "identity",
    [
        {"methods": ["application_credential"], "application_credential": {"id": "x", "secret": "y"}},
        {"methods": ["password"], "password": {"user": {"id": "x", "password": "y"}}},
    ],
)
def test_other_ways_to_sign_in(cloud, identity):
    assert sign_in(cloud, identity).status == 201


def test_a_token_gives_another_token(cloud):
    good = {"methods": ["token"], "token": {"id": cloud.world.preset_token}}
    bad = {"methods": ["token"], "token": {"id": "made-up"}}
    assert sign_in(cloud, good).status == 201
    assert sign_in(cloud, bad).status == 401


@pytest.mark.parametrize(
    ("identity", "status"),
    [
        ({}, 400),
        ({"methods": []}, 400),
        ({"methods": ["magic"], "magic": {}}, 400),
        ({"methods": ["password"]}, 400),
        ({"methods": ["password"], "password": {"user": {"name": "ada", "password": ""}}}, 401),
        ({"methods": ["password"], "password": {"user": {"password": "x"}}}, 401),
    ],
)
def test_a_bad_sign_in_is_refused(cloud, identity, status):
    refused = cloud.send("POST", "/v3/auth/tokens", {"auth": {"identity": identity}}, headers={})
    assert (refused.status, refused.body["error"]["code"]) == (status, status)


def test_another_project_is_refused(cloud):
    assert sign_in(cloud, scope={"project": {"id": "0" * 32}}).status == 401
    assert sign_in(cloud, scope={"project": {"id": cloud.world.project_id}}).status == 201
    refused = cloud.send("GET", f"/v1/{'0' * 32}/active-domains")
    assert (refused.status, refused.code) == (400, "SDRS.0001")


def test_a_well_formed_signature_is_let_in(cloud):
    assert ask(cloud, SIGNED).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-auth-token": ""},
        {"x-auth-token": "made-up"},
        {"authorization": SIGNATURE},
        SIGNED | {"x-sdk-date": "yesterday"},
        SIGNED | {"authorization": SIGNATURE[:-1]},
        SIGNED | {"authorization": SIGNATURE.replace(";x-sdk-date", "")},
        SIGNED | {"authorization": "Bearer x"},
    ],
)
def test_anyone_else_is_refused(cloud, headers):
    assert ask(cloud, headers).status == 401
    assert cloud.send("POST", "server-groups", {"server_group": cloud.fields()}, headers=headers).status == 401
    assert cloud.world.groups() == []


def test_a_token_of_one_s_own_choice_works(cloud):
    cloud.world.accept_token("mine")
    assert ask(cloud, {"x-auth-token": "mine"}).status == 200
