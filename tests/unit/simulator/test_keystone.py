"""What clients read of IAM before their first call."""

import json
import urllib.request

import pytest

from declarative.simulator import running

SIGNATURE = "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature=" + "0a" * 32
SIGNED = {"authorization": SIGNATURE, "x-sdk-date": "20250311T091347Z"}
READS = ("auth/catalog", "auth/projects", "auth/domains", "projects", "users")


def sign_in(cloud):
    identity = {"methods": ["password"], "password": {"user": {"name": "ada", "password": "x"}}}
    return cloud.send("POST", "/v3/auth/tokens", {"auth": {"identity": identity}}, headers={})


def test_a_token_tells_whose_it_is(cloud):
    given = sign_in(cloud)
    token = given.headers["X-Subject-Token"]
    cloud.clock.pass_by(60)
    read = cloud.send("GET", "/v3/auth/tokens", headers={"x-auth-token": token, "x-subject-token": token})
    assert (read.status, read.headers["X-Subject-Token"]) == (200, token)
    assert read.body == given.body
    assert list(read.body["token"]) == ["methods", "issued_at", "expires_at", "user", "project", "roles", "catalog"]


def test_the_preset_token_tells_whose_it_is(cloud):
    token = cloud.world.preset_token
    read = cloud.send("GET", "/v3/auth/tokens", headers={"x-auth-token": token, "x-subject-token": token})
    assert read.body["token"]["project"]["id"] == cloud.world.project_id
    assert (read.body["token"]["issued_at"], read.body["token"]["expires_at"]) == (
        "2025-03-11T09:13:47.912000Z",
        "2025-03-12T09:13:47.912000Z",
    )


@pytest.mark.parametrize("subject", ["made-up", "", "expired"])
def test_a_token_that_is_not_valid_is_not_found(cloud, subject):
    if subject == "expired":
        subject = sign_in(cloud).headers["X-Subject-Token"]
        cloud.world.operator.expire_tokens()
    headers = {"x-auth-token": cloud.world.preset_token, "x-subject-token": subject}
    refused = cloud.send("GET", "/v3/auth/tokens", headers=headers)
    assert (refused.status, refused.body["error"]["code"]) == (404, 404)


@pytest.mark.parametrize("path", READS)
def test_a_read_needs_a_token_or_a_signature(cloud, path):
    assert cloud.send("GET", f"/v3/{path}", headers=SIGNED).status == 200
    assert cloud.send("GET", f"/v3/{path}", headers={"x-auth-token": cloud.world.preset_token}).status == 200
    for headers in ({}, {"x-auth-token": "made-up"}, {"x-subject-token": cloud.world.preset_token}):
        refused = cloud.send("GET", f"/v3/{path}", headers=headers)
        assert (refused.status, refused.body["error_code"]) == (401, "APIGW.0301")


@pytest.mark.parametrize("path", ["active-domains", "/v3/auth/catalog"])
def test_a_signature_is_good_for_one_project(cloud, path):
    mine = {"x-project-id": cloud.world.project_id}
    assert cloud.send("GET", path, headers=SIGNED | mine).status == 200
    assert cloud.send("GET", path, headers=SIGNED | {"x-project-id": "0" * 32}).status == 401


@pytest.mark.parametrize("path", ["/v3/projects", "/v3/auth/projects"])
def test_the_project_is_found_by_any_name(cloud, path):
    named = cloud.send("GET", path, name="eu-de_shop").body
    (project,) = named["projects"]
    assert (project["id"], project["name"]) == (cloud.world.project_id, "eu-de_shop")
    assert named["links"] == {"self": f"http://sdrs.test{path}", "previous": None, "next": None}
    assert cloud.send("GET", path).body["projects"][0]["name"] == "eu-de"


def test_the_project_is_found_by_its_id(cloud):
    shown = cloud.send("GET", f"/v3/projects/{cloud.world.project_id}").body["project"]
    assert (shown["id"], shown["enabled"]) == (cloud.world.project_id, True)
    assert cloud.send("GET", f"/v3/projects/{'0' * 32}").status == 404


def test_the_account_and_the_user_are_found(cloud):
    (domain,) = cloud.send("GET", "/v3/auth/domains").body["domains"]
    (user,) = cloud.send("GET", "/v3/users", name="ada").body["users"]
    assert (user["name"], user["domain_id"]) == ("ada", domain["id"])


def test_the_catalogue_is_that_of_the_token(cloud):
    read = cloud.send("GET", "/v3/auth/catalog").body["catalog"]
    assert read == sign_in(cloud).body["token"]["catalog"]
    assert {service["type"] for service in read} == {"sdrs", "identity"}


def test_anyone_may_ask_what_iam_speaks(cloud):
    for path in ("/v3", "/v3/"):
        version = cloud.send("GET", path, headers={}).body["version"]
        assert (version["id"], version["links"][0]["href"]) == ("v3.6", "http://sdrs.test/v3/")


def test_a_read_changes_nothing(cloud):
    for path in READS:
        cloud.send("GET", f"/v3/{path}")
    assert cloud.world.changes() == []
    assert cloud.world.requests()["GET", "/v3/auth/catalog"] == 1


def test_an_expired_token_reads_nothing_either(open_cloud):
    cloud = open_cloud(faults=["GET /v3/auth/catalog:expire-token:first=1"])
    assert [cloud.send("GET", f"/v3/{path}").status for path in READS] == [401] * len(READS)


def test_the_lines_that_are_served_are_enough_to_start_with(cloud):
    """What a provider does first when it is given a token: it asks whose it is."""
    with running(cloud.world) as address:
        token = cloud.world.preset_token
        request = urllib.request.Request(
            f"{address}/v3/auth/tokens", headers={"X-Auth-Token": token, "X-Subject-Token": token}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            catalog = json.load(answer)["token"]["catalog"]
        assert catalog[0]["endpoints"][0]["url"] == f"{address}/v1/{cloud.world.project_id}"
