"""Signing in to a world with accounts."""

import pytest

from declarative.simulator import AgencyKey, Origin, Rules, UserStatus
from tests.scaffold.accounts import PEOPLE
from tests.scaffold.signing_in import ADA, IN_BANK, PROJECT, SHOP, by_agency, partner, sign_in, with_password

UNAUTHORIZED = "The request you have made requires authentication."


@pytest.fixture
def cloud(open_cloud):
    return open_cloud(origin=Origin(PROJECT, accounts=PEOPLE))


def opens(cloud, given):
    """Whether a token that was given opens SDRS."""
    assert given.status == 201, given
    return cloud.send("GET", "active-domains", headers={"x-auth-token": given.headers["X-Subject-Token"]}).status == 200


def refused(reply):
    """Status and words of IAM's own refusal."""
    error = reply.body["error"]
    assert error["code"] == reply.status
    return reply.status, error["message"]


@pytest.mark.parametrize(
    "user",
    [ADA, {"id": "ada-id"}, {"name": "ada", "domain": {"id": "bank-id"}}],
    ids=["domain name", "id", "domain id"],
)
@pytest.mark.parametrize(
    "scope",
    [SHOP, {"project": {"id": PROJECT}}, {"project": {"name": "eu-de_shop", "domain": {"id": "bank-id"}}}],
    ids=["project name", "project id", "domain of the project"],
)
def test_a_password_opens_the_project(cloud, user, scope):
    given = sign_in(cloud, with_password(user), scope)
    assert opens(cloud, given)
    token = given.body["token"]
    bank = {"id": "bank-id", "name": "BANK"}
    assert token["user"] == {"id": "ada-id", "name": "ada", "domain": bank}
    assert token["project"] == {"id": PROJECT, "name": "eu-de_shop", "domain": bank}
    assert token["methods"] == ["password"]
    urls = {service["type"]: service["endpoints"][0]["url"] for service in token["catalog"]}
    assert urls["sdrs"] == f"http://sdrs.test/v1/{PROJECT}"


@pytest.mark.parametrize(
    ("user", "password"),
    [
        (ADA, "wrong"),
        ({"name": "nobody", **IN_BANK}, "correct horse"),
        ({"id": "nobody"}, "correct horse"),
        ({"name": "ada", "domain": {"name": "PARTNER"}}, "correct horse"),
        ({"name": "ada", "domain": {"name": "NO-BANK"}}, "correct horse"),
        ({"name": "eve", **IN_BANK}, "wrong"),
    ],
    ids=["password", "user", "id", "domain", "no domain", "disabled too"],
)
def test_what_is_wrong_is_not_told(cloud, user, password):
    assert refused(sign_in(cloud, with_password(user, password))) == (401, "The username or password is wrong.")


@pytest.mark.parametrize(
    ("name", "status", "code", "words"),
    [
        ("eve", 403, "IAM.0082", "The user is disabled."),
        ("lou", 401, "IAM.0061", "The account is locked."),
        ("con", 403, "IAM.0081", "The user has console access only, no programmatic access."),
    ],
)
def test_a_user_who_may_not_sign_in_is_told(open_cloud, name, status, code, words):
    way = with_password({"name": name, **IN_BANK}, "pass")
    cloud = open_cloud(origin=Origin(PROJECT, accounts=PEOPLE))
    assert refused(sign_in(cloud, way)) == (status, words)
    cloud = open_cloud(origin=Origin(PROJECT, accounts=PEOPLE), rules=Rules(iam_codes=True))
    told = sign_in(cloud, way)
    assert (told.status, told.body) == (status, {"error_code": code, "error_msg": words})


@pytest.mark.parametrize(
    "project",
    [
        {"id": "0" * 32},
        {"id": "theirs-id"},
        {"name": "eu-de"},
        {"name": "eu-de", "domain": {"name": "PARTNER"}},
        {"name": "eu-de_shop", "domain": {"name": "NO-BANK"}},
    ],
)
def test_a_project_that_is_not_in_the_domain_is_refused(open_cloud, project):
    cloud = open_cloud(origin=Origin(PROJECT, accounts=PEOPLE))
    assert refused(sign_in(cloud, with_password(), {"project": project})) == (401, "Could not find the project.")
    cloud = open_cloud(origin=Origin(PROJECT, accounts=PEOPLE), rules=Rules(iam_codes=True))
    told = sign_in(cloud, with_password(), {"project": project})
    assert (told.status, told.body["error_code"]) == (400, "IAM.1109")


def test_a_token_of_another_project_is_forbidden(cloud):
    given = sign_in(cloud, with_password(), {"project": {"name": "eu-de_tests"}})
    assert given.body["token"]["project"]["id"] == "tests-id"
    told = cloud.send("GET", "active-domains", headers={"x-auth-token": given.headers["X-Subject-Token"]})
    assert (told.status, told.body["error_code"]) == (403, "APIGW.0302")


@pytest.mark.parametrize("scope", [None, {"domain": {"id": "bank-id"}}, {"domain": {"name": "BANK"}}])
def test_a_token_for_the_account_opens_iam_alone(cloud, scope):
    given = sign_in(cloud, with_password(), scope)
    assert given.body["token"]["domain"] == {"id": "bank-id", "name": "BANK"}
    assert "project" not in given.body["token"]
    assert [service["type"] for service in given.body["token"]["catalog"]] == ["identity"]
    assert not opens(cloud, given)
    headers = {"x-auth-token": given.headers["X-Subject-Token"]}
    listed = cloud.send("GET", "/v3/auth/projects", headers=headers).body["projects"]
    assert [project["name"] for project in listed] == ["eu-de_shop", "eu-de_tests"]


def test_another_account_is_refused(cloud):
    assert sign_in(cloud, with_password(), {"domain": {"name": "PARTNER"}}).status == 401


@pytest.mark.parametrize(
    "credential",
    [
        {"id": "ci-id", "secret": "s3cret"},
        {"name": "ci", "user": ADA, "secret": "s3cret"},
        {"name": "ci", "user": {"id": "ada-id"}, "secret": "s3cret"},
    ],
)
def test_an_application_credential_opens_its_project(cloud, credential):
    way = {"methods": ["application_credential"], "application_credential": credential}
    given = sign_in(cloud, way)
    assert opens(cloud, given)
    assert given.body["token"]["user"]["name"] == "ada"
    assert refused(sign_in(cloud, way, SHOP)) == (401, "Application credentials cannot request a scope.")


@pytest.mark.parametrize(
    "credential",
    [
        {"id": "ci-id", "secret": "wrong"},
        {"id": "other", "secret": "s3cret"},
        {"name": "ci", "user": {"id": "bob-id"}, "secret": "s3cret"},
        {"name": "ci", "user": {"id": "nobody"}, "secret": "s3cret"},
    ],
)
def test_a_wrong_application_credential_is_refused(cloud, credential):
    way = {"methods": ["application_credential"], "application_credential": credential}
    assert refused(sign_in(cloud, way)) == (401, UNAUTHORIZED)


def test_a_token_gives_a_token_for_another_scope(cloud):
    first = sign_in(cloud, with_password()).headers["X-Subject-Token"]
    second = sign_in(cloud, {"methods": ["token"], "token": {"id": first}}, SHOP)
    assert opens(cloud, second)
    assert second.body["token"]["user"]["name"] == "ada"
    assert sign_in(cloud, {"methods": ["token"], "token": {"id": "made-up"}}, SHOP).status == 401


def test_a_disabled_user_loses_what_was_given(cloud):
    given = sign_in(cloud, with_password(), SHOP)
    assert opens(cloud, given)
    cloud.world.operator.set_user_status("ada-id", UserStatus.DISABLED)
    assert not opens(cloud, given)
    assert sign_in(cloud, with_password()).status == 403
    cloud.world.operator.set_user_status("ada-id", UserStatus.ACTIVE)
    assert opens(cloud, given)


def test_the_catalogue_can_be_left_out(cloud):
    assert "catalog" not in sign_in(cloud, with_password(), SHOP, nocatalog=1).body["token"]


def test_the_catalogue_may_lack_sdrs(open_cloud):
    cloud = open_cloud(origin=Origin(PROJECT, accounts=PEOPLE), rules=Rules(catalogue_has_sdrs=False))
    given = sign_in(cloud, with_password(), SHOP)
    assert [service["type"] for service in given.body["token"]["catalog"]] == ["identity"]
    assert opens(cloud, given)


def test_signing_in_may_be_denied(open_cloud):
    cloud = open_cloud(origin=Origin(PROJECT, accounts=PEOPLE), faults=["POST /v3/auth/tokens:deny=IAM.0012:first=1"])
    told = sign_in(cloud, with_password(), SHOP)
    assert (told.status, told.body["error_code"]) == (429, "IAM.0012")
    assert "X-IAM-Trace-Id" in told.headers
    assert opens(cloud, sign_in(cloud, with_password(), SHOP))


def test_the_preset_token_works_beside_the_accounts(cloud):
    assert cloud.send("GET", "active-domains").status == 200
    listed = cloud.send("GET", "/v3/projects", name="eu-de_tests").body["projects"]
    assert [project["id"] for project in listed] == ["tests-id"]
    assert cloud.send("GET", "/v3/projects", name="eu-de").body["projects"] == []
    assert [user["name"] for user in cloud.send("GET", "/v3/users", name="bob").body["users"]] == ["bob"]
    assert [one["name"] for one in cloud.send("GET", "/v3/auth/domains").body["domains"]] == ["BANK"]


def test_a_page_needs_its_size(cloud):
    assert cloud.send("GET", "/v3/projects", page=1).status == 400
    assert cloud.send("GET", "/v3/projects", page=1, per_page=10).status == 200


def test_accounts_stay_with_the_file(open_cloud, tmp_path):
    path = tmp_path / "world.sqlite"
    first = open_cloud(path, origin=Origin(PROJECT, accounts=PEOPLE))
    first.world.operator.set_user_status("eve-id", UserStatus.ACTIVE)
    second = open_cloud(path)
    assert sign_in(second, with_password({"id": "eve-id"}, "pass")).status == 201
    assert sign_in(second, with_password(password="wrong")).status == 401


# ---------------------------------------------------------------- passcodes

BOB = {"name": "bob", **IN_BANK}


@pytest.mark.parametrize("user", [{"id": "bob-id"}, {"name": "bob"}])
def test_a_passcode_works_once(cloud, user):
    way = with_password(BOB, "battery staple", **user, passcode="123456")
    assert opens(cloud, sign_in(cloud, way, SHOP))
    assert refused(sign_in(cloud, way, SHOP)) == (401, "The verification code was used before.")
    assert opens(cloud, sign_in(cloud, with_password(BOB, "battery staple", **user, passcode="654321"), SHOP))


def test_a_passcode_works_only_with_the_password(cloud):
    right = {"id": "bob-id", "passcode": "123456"}
    alone = {"methods": ["totp"], "totp": {"user": right}}
    assert refused(sign_in(cloud, alone)) == (401, "A passcode needs the password beside it.")
    assert sign_in(cloud, with_password(BOB, "wrong", **right)).status == 401
    assert sign_in(cloud, with_password(BOB, "battery staple", **right)).status == 201


@pytest.mark.parametrize("totp", [{"id": "bob-id", "passcode": "000000"}, {"id": "ada-id", "passcode": "123456"}])
def test_a_wrong_passcode_is_refused(open_cloud, totp):
    cloud = open_cloud(origin=Origin(PROJECT, accounts=PEOPLE), rules=Rules(iam_codes=True))
    told = sign_in(cloud, with_password(BOB, "battery staple", **totp))
    assert (told.status, told.body["error_code"]) == (400, "IAM.1061")


def test_a_user_with_a_device_needs_a_passcode(cloud):
    words = "The user must verify with a virtual MFA device."
    assert refused(sign_in(cloud, with_password(BOB, "battery staple"))) == (401, words)


# ---------------------------------------------------------------- agencies


@pytest.mark.parametrize("scope", [SHOP, {"project": {"id": PROJECT}}])
@pytest.mark.parametrize(
    "role",
    [{"agency_name": "dr", "domain_name": "BANK"}, {"xrole_name": "dr", "domain_id": "bank-id"}],
    ids=["agency_name", "xrole_name"],
)
def test_an_agency_opens_the_delegated_project(cloud, role, scope):
    given = sign_in(cloud, {"methods": ["assume_role"], "assume_role": role}, scope, partner(cloud))
    assert opens(cloud, given)
    token = given.body["token"]
    bank, there = {"id": "bank-id", "name": "BANK"}, {"id": "partner-id", "name": "PARTNER"}
    assert token["user"] == {"id": "dr-id", "name": "dr", "domain": bank}
    assert token["assumed_by"] == {"user": {"id": "ada-there", "name": "ada", "domain": there}}


@pytest.mark.parametrize(
    ("key", "taken", "other"),
    [(AgencyKey.AGENCY_NAME, "agency_name", "xrole_name"), (AgencyKey.XROLE_NAME, "xrole_name", "agency_name")],
)
def test_a_cloud_may_take_one_name_of_the_name_only(open_cloud, key, taken, other):
    cloud = open_cloud(origin=Origin(PROJECT, accounts=PEOPLE), rules=Rules(agency_key=key))
    for name, status in ((taken, 201), (other, 400)):
        way = {"methods": ["assume_role"], "assume_role": {name: "dr", "domain_name": "BANK"}}
        assert sign_in(cloud, way, SHOP, partner(cloud)).status == status


def test_an_agency_is_only_for_those_it_trusts(cloud):
    ours = {"x-auth-token": sign_in(cloud, with_password()).headers["X-Subject-Token"]}
    words = "You are not authorized to perform the requested action."
    assert refused(sign_in(cloud, by_agency(), SHOP, ours)) == (403, words)
    taken = {"x-auth-token": sign_in(cloud, by_agency(), SHOP, partner(cloud)).headers["X-Subject-Token"]}
    assert refused(sign_in(cloud, by_agency(), SHOP, taken)) == (403, words)


@pytest.mark.parametrize("role", [{"agency_name": "other"}, {"domain_name": "NO-BANK"}, {"domain_name": "PARTNER"}])
def test_an_unknown_agency_is_not_found(cloud, role):
    assert sign_in(cloud, by_agency(**role), SHOP, partner(cloud)).status == 404


def test_an_agency_needs_somebody_who_asks(cloud):
    told = sign_in(cloud, by_agency(), SHOP)
    assert (told.status, told.body["error_code"]) == (401, "APIGW.0301")
    assert sign_in(cloud, by_agency(), SHOP, {"x-auth-token": "made-up"}).status == 401


def test_an_agency_of_a_disabled_user_ends(cloud):
    given = sign_in(cloud, by_agency(), SHOP, partner(cloud))
    cloud.world.operator.set_user_status("ada-there", UserStatus.DISABLED)
    assert not opens(cloud, given)


def test_without_accounts_any_agency_and_any_passcode_will_do(open_cloud):
    cloud = open_cloud()
    given = sign_in(cloud, with_password(ADA, "x", id="u", passcode="1"))
    assert opens(cloud, given)
    headers = {"x-auth-token": given.headers["X-Subject-Token"]}
    taken = sign_in(cloud, by_agency(agency_name="any"), None, headers)
    assert opens(cloud, taken)
    assert taken.body["token"]["assumed_by"]["user"]["name"] == "simulator"
    assert sign_in(cloud, by_agency()).status == 401
    assert (
        sign_in(cloud, {"methods": ["assume_role"], "assume_role": {"agency_name": "any"}}, None, headers).status == 400
    )
