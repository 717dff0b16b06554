"""Bodies for IAM equal those of clients that nobody here has written, and its answers mean the same to them.

`huaweicloudsdkiam` is the vendor's; `keystoneauth1` is OpenStack's. At the end, the simulator is asked.
"""

import http.client
import itertools
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from huaweicloudsdkcore.utils.http_utils import sanitize_for_serialization
from huaweicloudsdkiam.v3 import model as iam
from keystoneauth1 import access
from keystoneauth1.identity import v3

from declarative.identity.keystone import (
    Account,
    Agency,
    ApplicationCredential,
    CloudProject,
    Password,
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

PROJECT = "0605767b5780d5762fc5c0118072a564"
USERS = {
    "user-id": (User(id="u1"), {"user_id": "u1"}),
    "account-id": (User(name="anna", account=Account(id="d1")), {"username": "anna", "user_domain_id": "d1"}),
    "account-name": (User(name="änna", account=Account(name="A B")), {"username": "änna", "user_domain_name": "A B"}),
}
SCOPES = {
    "project-id": (CloudProject(id="p1"), {"project_id": "p1"}),
    "project-name": (CloudProject(name="eu-de"), {"project_name": "eu-de"}),
    "project-name-of-account-id": (
        CloudProject(name="eu-de", account=Account(id="d1")),
        {"project_name": "eu-de", "project_domain_id": "d1"},
    ),
    "project-name-of-account-name": (
        CloudProject(name="eu-de", account=Account(name="A B")),
        {"project_name": "eu-de", "project_domain_name": "A B"},
    ),
    "account-id": (Account(id="d1"), {"domain_id": "d1"}),
    "account-name": (Account(name="A B"), {"domain_name": "A B"}),
    "no-scope": (None, {}),
}
VENDOR_SCOPES = {
    "project-id": (CloudProject(id="p1"), {"project": {"id": "p1"}}),
    "project-name": (CloudProject(name="eu-de"), {"project": {"name": "eu-de"}}),
    "account-id": (Account(id="d1"), {"domain": {"id": "d1"}}),
    "account-name": (Account(name="A B"), {"domain": {"name": "A B"}}),
}
ENDPOINT = {"id": "e1", "interface": "public", "region": "eu-de", "region_id": "eu-de"}
ANSWER = {
    "token": {
        "methods": ["password"],
        "issued_at": "2026-01-02T03:04:05.123456Z",
        "expires_at": "2026-01-03T03:04:05.123456Z",
        "user": {"id": "u1", "name": "anna", "domain": {"id": "d1", "name": "A B"}, "password_expires_at": ""},
        "project": {"id": PROJECT, "name": "eu-de", "domain": {"id": "d1", "name": "A B"}},
        "roles": [{"id": "r1", "name": "sdrs_adm"}],
        "catalog": [
            {
                "id": "c1",
                "type": "sdrs",
                "name": "sdrs",
                "endpoints": [{**ENDPOINT, "url": f"https://sdrs.eu-de.otc.t-systems.com/v1/{PROJECT}"}],
            },
            {
                "id": "c2",
                "type": "identity",
                "name": "keystone",
                "endpoints": [
                    {**ENDPOINT, "region": "*", "region_id": "*", "url": "https://iam.eu-de.otc.t-systems.com/v3"}
                ],
            },
        ],
    }
}


def pairs(*tables):
    """One parameter for each choice of a row of each table."""
    chosen = itertools.product(*(table.items() for table in tables))
    return [pytest.param(*(row for _, row in rows), id="-".join(name for name, _ in rows)) for rows in chosen]


def ours(way, scope):
    return json.loads(token_request(way, scope))


class Session:
    """Stands for a session of keystoneauth1: keeps the body and gives an answer."""

    def post(self, url, *, json, **_):
        self.url, self.body = url, json
        return SimpleNamespace(headers={"X-Subject-Token": "t0ken"}, json=lambda: ANSWER)


def of_keystoneauth(methods, **scope):
    session = Session()
    v3.Auth("https://iam.eu-de.example.com/v3", methods, **scope).get_auth_ref(session)
    assert session.url == "https://iam.eu-de.example.com/v3/auth/tokens"
    return session.body


def of_vendor(model):
    return sanitize_for_serialization(model)


# ---------------------------------------------------------------- keystoneauth1


@pytest.mark.parametrize(("user", "scope"), pairs(USERS, SCOPES))
def test_password_equals_keystoneauths(user, scope):
    expected = of_keystoneauth([v3.PasswordMethod(password='pä"ss', **user[1])], **scope[1])
    assert ours(Password(user[0], Secret('pä"ss')), scope[0]) == expected


@pytest.mark.parametrize("user", pairs(USERS))
def test_passcode_equals_keystoneauths_but_for_the_account(user):
    """The vendors' bodies name no account beside the passcode."""
    methods = [v3.PasswordMethod(password="pass", **user[1]), v3.TOTPMethod(passcode="012345", **user[1])]
    expected = of_keystoneauth(methods, project_id="p1")
    expected["auth"]["identity"]["totp"]["user"].pop("domain", None)
    assert ours(Password(user[0], Secret("pass"), Secret("012345")), CloudProject(id="p1")) == expected


@pytest.mark.parametrize("user", pairs(USERS))
def test_application_credential_by_name_equals_keystoneauths(user):
    method = v3.ApplicationCredentialMethod(
        application_credential_secret="s€cret", application_credential_name="ci", **user[1]
    )
    assert ours(ApplicationCredential(Secret("s€cret"), name="ci", user=user[0]), None) == of_keystoneauth([method])


def test_application_credential_by_id_equals_keystoneauths():
    method = v3.ApplicationCredentialMethod(application_credential_secret="s€cret", application_credential_id="c1")
    assert ours(ApplicationCredential(Secret("s€cret"), id="c1"), None) == of_keystoneauth([method])


def test_token_means_the_same_to_keystoneauth():
    theirs = access.create(body=ANSWER, auth_token="t0ken")
    found = read_token(Reply(201, json.dumps(ANSWER).encode()), Secret("t0ken"), scope=None)
    assert (found.secret.reveal(), found.expires_at) == (theirs.auth_token, theirs.expires)
    assert found.issued_at == theirs.issued
    assert (found.user.id, found.user.name) == (theirs.user_id, theirs.username)
    assert (found.user.account.id, found.user.account.name) == (theirs.user_domain_id, theirs.user_domain_name)
    assert (found.project.id, found.project.name) == (theirs.project_id, theirs.project_name)
    assert found.project.account.name == theirs.project_domain_name
    for kind, region in (("sdrs", "eu-de"), ("identity", "*")):
        urls = [one.url for one in found.catalogue if (one.service_type, one.region) == (kind, region)]
        assert tuple(urls) == theirs.service_catalog.get_urls(service_type=kind, region_name=region, interface="public")


# ---------------------------------------------------------------- the vendor's SDK


def vendor_password(user):
    domain = iam.PwdPasswordUserDomain(name=user.account.name)
    return iam.PwdPassword(user=iam.PwdPasswordUser(domain=domain, name=user.name, password="pass"))


def vendor_scope(scope):
    (kind, named), *_ = scope.items()
    of = {"project": iam.AuthScopeProject, "domain": iam.AuthScopeDomain}
    return iam.AuthScope(**{kind: of[kind](**named)})


@pytest.mark.parametrize("scope", pairs(VENDOR_SCOPES))
def test_password_equals_the_vendors(scope):
    user = User(name="änna", account=Account(name="A B"))
    identity = iam.PwdIdentity(methods=["password"], password=vendor_password(user))
    model = iam.KeystoneCreateUserTokenByPasswordRequestBody(
        auth=iam.PwdAuth(identity=identity, scope=vendor_scope(scope[1]))
    )
    assert ours(Password(user, Secret("pass")), scope[0]) == of_vendor(model)


def test_passcode_equals_the_vendors():
    """The vendor's password names the user, its passcode the id: ours is given both, and is the same but for that."""
    named, by_id = User(name="änna", account=Account(name="A B")), User(id="u1")
    totp = iam.MfaTotp(user=iam.MfaTotpUser(id="u1", passcode="012345"))
    identity = iam.MfaIdentity(methods=["password", "totp"], password=vendor_password(named), totp=totp)
    expected = of_vendor(iam.MfaAuth(identity=identity, scope=vendor_scope({"project": {"id": "p1"}})))
    found = ours(Password(by_id, Secret("pass"), Secret("012345")), CloudProject(id="p1"))["auth"]
    assert found["identity"].pop("password") == {"user": {"id": "u1", "password": "pass"}}
    del expected["identity"]["password"]
    assert found == expected


@pytest.mark.parametrize("account", [Account(id="d2"), Account(name="other one")], ids=["id", "name"])
@pytest.mark.parametrize("scope", pairs(VENDOR_SCOPES))
def test_agency_equals_the_vendors(account, scope):
    delegating = {"domain_id": account.id} if account.id else {"domain_name": account.name}
    assumed = iam.AgencyTokenAssumerole(agency_name="dr", **delegating)
    (kind, named), *_ = scope[1].items()
    of = {"project": iam.AgencyTokenScopeProject, "domain": iam.AgencyTokenScopeDomain}
    model = iam.KeystoneCreateAgencyTokenRequestBody(
        auth=iam.AgencyTokenAuth(
            identity=iam.AgencyTokenIdentity(methods=["assume_role"], assume_role=assumed),
            scope=iam.AgencyTokenScope(**{kind: of[kind](**named)}),
        )
    )
    assert ours(Agency("dr", account), scope[0]) == of_vendor(model)


@pytest.mark.parametrize("account", [Account(id="d2"), Account(name="other one")], ids=["id", "name"])
def test_temporary_key_for_an_agency_equals_the_vendors(account):
    delegating = {"domain_id": account.id} if account.id else {"domain_name": account.name}
    assumed = iam.IdentityAssumerole(agency_name="dr", duration_seconds=3600, **delegating)
    identity = iam.AgencyAuthIdentity(methods=["assume_role"], assume_role=assumed)
    model = iam.CreateTemporaryAccessKeyByAgencyRequestBody(auth=iam.AgencyAuth(identity=identity))
    assert json.loads(temporary_key_request(Agency("dr", account), seconds=3600)) == of_vendor(model)


@pytest.mark.parametrize("seconds", [900, 86_400])
def test_temporary_key_for_oneself_equals_the_vendors(seconds):
    identity = iam.TokenAuthIdentity(methods=["token"], token=iam.IdentityToken(duration_seconds=seconds))
    model = iam.CreateTemporaryAccessKeyByTokenRequestBody(auth=iam.TokenAuth(identity=identity))
    assert json.loads(temporary_key_request(None, seconds=seconds)) == of_vendor(model)


def test_temporary_key_means_the_same_to_the_vendor():
    credential = iam.Credential(expires_at="2026-01-02T04:04:05.000000Z", access="AK", secret="SK", securitytoken="ST")
    key = read_temporary_key(Reply(201, json.dumps({"credential": of_vendor(credential)}).encode()))
    assert (key.access_key, key.secret_key, key.security_token) == ("AK", Secret("SK"), Secret("ST"))
    assert key.expires_at == datetime(2026, 1, 2, 4, 4, 5, tzinfo=UTC)


# ---------------------------------------------------------------- the simulator


def asked(address, body):
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    try:
        connection.request("POST", "/v3/auth/tokens", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, answer.read(), headers)
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("way", "scope"),
    [
        (Password(User(name="anna", account=Account(name="A B")), Secret("pass")), CloudProject(id=PROJECT)),
        (Password(User(id="u1"), Secret("pass")), CloudProject(name="eu-de")),
        (ApplicationCredential(Secret("s"), id="c1"), None),
    ],
    ids=["password", "password-by-ids", "application-credential"],
)
def test_simulator_gives_a_token(address, way, scope):
    reply = asked(address, token_request(way, scope))
    found = read_token(reply, subject_token(reply), scope=scope)
    assert found.project.id == PROJECT
    assert [one.url for one in found.catalogue if one.service_type == "sdrs"] == [f"{address}/v1/{PROJECT}"]


def test_simulator_refuses_another_project(address):
    user = User(name="anna", account=Account(name="A B"))
    reply = asked(address, token_request(Password(user, Secret("pass")), CloudProject(id="other")))
    found = read_refusal(reply)
    assert (found.status, found.code) == (401, "")
    assert found.message == "The request you have made requires authentication."
