"""Temporary access keys: how they are given, and how long and for whom they work."""

import pytest

from declarative.simulator import Origin, UserStatus
from tests.scaffold.accounts import PEOPLE
from tests.scaffold.signing_in import PROJECT, SHOP, by_agency, partner, read, sign, sign_in, with_password

PATH = "/v3.0/OS-CREDENTIAL/securitytokens"


@pytest.fixture
def cloud(open_cloud):
    return open_cloud(origin=Origin(PROJECT, accounts=PEOPLE))


@pytest.fixture
def ada(cloud):
    return {"x-auth-token": sign_in(cloud, with_password(), SHOP).headers["X-Subject-Token"]}


def ask(cloud, headers, **token):
    return sign_in(cloud, {"methods": ["token"], "token": token}, headers=headers, path=PATH)


def signs(reply):
    """What a temporary key signs with."""
    assert reply.status == 201, reply
    key = reply.body["credential"]
    return {"key": (key["access"], key["secret"]), "token": key["securitytoken"]}


def test_a_token_gives_a_key(cloud, ada):
    given = ask(cloud, ada, duration_seconds=3600)
    assert list(given.body) == ["credential"]
    assert given.body["credential"]["expires_at"] == "2025-03-11T10:13:47.912000Z"
    assert read(cloud, **signs(given)).status == 200


def test_the_token_can_be_in_the_body_and_the_header_wins(cloud, ada):
    assert ask(cloud, None, id=ada["x-auth-token"]).status == 201
    assert ask(cloud, None, id="made-up").status == 401
    assert ask(cloud, ada, id="made-up").status == 201
    assert ask(cloud, {"x-auth-token": "made-up"}, id=ada["x-auth-token"]).status == 401
    assert ask(cloud, None).status == 401


def test_a_key_expires(cloud, ada):
    how = signs(ask(cloud, ada))
    cloud.clock.pass_by(899.9)
    assert read(cloud, **how).status == 200
    cloud.clock.pass_by(0.1)
    told = read(cloud, **how)
    assert (told.status, b"token expires" in told.body) == (401, True)


@pytest.mark.parametrize(
    ("seconds", "status"), [(900, 201), (86_400, 201), (899, 400), (86_401, 400), ("900", 400), (True, 400)]
)
def test_a_key_lives_900_to_86400_seconds(cloud, ada, seconds, status):
    assert ask(cloud, ada, duration_seconds=seconds).status == status


@pytest.mark.parametrize("token", [None, "made-up"])
def test_a_key_needs_its_security_token(cloud, ada, token):
    told = read(cloud, **signs(ask(cloud, ada)) | {"token": token})
    assert (told.status, b"decrypt token fail" in told.body) == (401, True)


def test_the_security_token_is_signed(cloud, ada):
    how = signs(ask(cloud, ada))
    headers = sign(cloud, "GET", f"/v1/{PROJECT}/active-domains", **how)
    names = headers["authorization"].replace(";x-security-token", "")
    assert read(cloud, headers).status == 200
    assert read(cloud, headers | {"authorization": names}).status == 401


def test_a_key_with_another_secret_is_refused(cloud, ada):
    how = signs(ask(cloud, ada))
    told = read(cloud, key=(how["key"][0], "other"), token=how["token"])
    assert (told.status, b"verify aksk signature fail" in told.body) == (401, True)


def test_a_key_gives_no_other_key(cloud, ada):
    how = signs(ask(cloud, ada))
    told = ask(cloud, sign(cloud, "POST", PATH, b"", project="", **how))
    assert (told.status, told.body["error_code"]) == (403, "IAM.0002")


def test_a_key_of_a_disabled_user_ends(cloud, ada):
    how = signs(ask(cloud, ada))
    cloud.world.operator.set_user_status("ada-id", UserStatus.DISABLED)
    assert read(cloud, **how).status == 401


def test_an_agency_gives_a_key_for_the_delegated_project(cloud):
    given = sign_in(cloud, by_agency(duration_seconds=1800), headers=partner(cloud), path=PATH)
    assert read(cloud, **signs(given)).status == 200
    assert read(cloud, project="theirs-id", **signs(given)).status == 401
    assert sign_in(cloud, by_agency(agency_name="other"), headers=partner(cloud), path=PATH).status == 404


@pytest.mark.parametrize(
    "identity",
    [
        {},
        {"methods": []},
        {"methods": ["password"]},
        {"methods": ["token", "assume_role"]},
        {"methods": ["token"], "token": 7},
        {"methods": ["assume_role"]},
    ],
)
def test_a_bad_request_for_a_key_is_refused(cloud, ada, identity):
    assert sign_in(cloud, identity, headers=ada, path=PATH).status == 400


def test_without_accounts_keys_are_given_to_anyone_and_checked(open_cloud):
    cloud = open_cloud(origin=Origin(PROJECT))
    preset = {"x-auth-token": cloud.world.preset_token}
    for given in (ask(cloud, preset), sign_in(cloud, by_agency(), headers=preset, path=PATH)):
        how = signs(given)
        assert read(cloud, **how).status == 200
        assert read(cloud, **how | {"token": None}).status == 401
    assert read(cloud, key=("ANY", "any")).status == 200
