"""`auth check` by every way in, against a served simulator that knows the accounts of its page."""

import json
import re
import urllib.request
from pathlib import Path

import pytest

from declarative.simulator import Origin, Rules, World, load_accounts, running
from tests.scaffold.forms import hold

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"
PROJECT = "0605767b5780d5762fc5c0118072a564"
SHOP = {"OS_PROJECT_NAME": "eu-de_shop"}
ADA = {"OS_USERNAME": "ada", "OS_PASSWORD": "correct horse", "OS_USER_DOMAIN_NAME": "OTC-BANK"} | SHOP
PAT = {"OS_USERNAME": "pat", "OS_PASSWORD": "shared task", "OS_USER_DOMAIN_NAME": "OTC-PARTNER"}
KEYS = {
    "OS_ACCESS_KEY": "QTWAOYTTINDUT2QVKYUC",
    "OS_SECRET_KEY": "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc",
} | SHOP
CREDENTIAL = {
    "OS_APPLICATION_CREDENTIAL_ID": "5b1c0de24e2a4c6b8f7d3a9e1c0b2d4f",
    "OS_APPLICATION_CREDENTIAL_SECRET": "night shift",
}
AGENCY = {"OS_AGENCY_NAME": "dr", "OS_AGENCY_DOMAIN_NAME": "OTC-BANK", "OS_DELEGATED_PROJECT": "eu-de_shop"}


@pytest.fixture(scope="module")
def accounts(tmp_path_factory):
    """The accounts of the page on the simulator."""
    _, block = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    path = tmp_path_factory.mktemp("page") / "accounts.yaml"
    path.write_text(block)
    return load_accounts(path)


@pytest.fixture
def check(cli, accounts, monkeypatch):
    """Run `auth check` with such variables; the world is as the rules and faults say."""

    def run(variables, *, faults=(), **rules):
        origin = Origin(PROJECT, accounts=accounts)
        with World.open(origin=origin, faults=faults, rules=Rules(**rules)) as world, running(world) as address:
            given = variables(accounts, world, address) if callable(variables) else variables
            for name, value in {"OS_AUTH_URL": f"{address}/v3", "OS_REGION_NAME": "eu-de", **given}.items():
                monkeypatch.setenv(name, value)
            ran = cli("auth", "check")
            again = cli("auth", "check", "--format", "json").out
            hold("auth-check" if "works" in json.loads(again) else "findings", again)
            hold("auth-show-sources", cli("auth", "show-sources", "--format", "json").out)
            return ran

    return run


def token(accounts, world, address):
    return {"OS_AUTH_TOKEN": world.preset_token}


def passcode(accounts, world, address):
    (bob,) = (user for user in accounts.users if user.name == "bob")
    return {"OS_USER_ID": bob.id, "OS_PASSWORD": bob.password, "OS_PASSCODE": bob.passcodes[0]} | SHOP


def temporary(accounts, world, address):
    asked = {"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": 900}}}}
    request = urllib.request.Request(
        f"{address}/v3.0/OS-CREDENTIAL/securitytokens",
        json.dumps(asked).encode(),
        {"X-Auth-Token": world.preset_token, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        key = json.load(answer)["credential"]
    keys = {"OS_ACCESS_KEY": key["access"], "OS_SECRET_KEY": key["secret"], "OS_SECURITY_TOKEN": key["securitytoken"]}
    return keys | SHOP


@pytest.mark.parametrize(
    ("variables", "way"),
    [
        (token, "token"),
        (ADA, "password"),
        (passcode, "password with passcode"),
        (CREDENTIAL, "application credential"),
        (KEYS, "access keys"),
        (temporary, "temporary access keys"),
        (PAT | AGENCY, "password, then an agency"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_way_leads_in(check, variables, way):
    ran = check(variables)
    assert ran.code == 0, ran
    assert f"Way in:      {way}, from the OS_* variables" in ran.out
    assert "from the catalogue" in ran.out
    assert "All lists answer." in ran.out


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        (ADA | {"OS_PASSWORD": "wrong"}, "IAM.0062"),
        (ADA | {"OS_USERNAME": "eve", "OS_PASSWORD": "on leave"}, "The user is disabled."),
        (ADA | {"OS_PROJECT_NAME": "eu-de_other"}, "Could not find the project."),
        (CREDENTIAL | {"OS_APPLICATION_CREDENTIAL_SECRET": "wrong"}, "IAM.0001"),
        (KEYS | {"OS_SECRET_KEY": "wrong"}, "verify aksk signature fail (GET"),
        (KEYS | {"OS_ACCESS_KEY": "RETIREDKEY0000000000", "OS_SECRET_KEY": "an-old-secret"}, "ak is not active"),
        (PAT | AGENCY | {"OS_AGENCY_NAME": "other"}, "Could not find the agency: other."),
    ],
    ids=["password", "disabled", "project", "secret", "signature", "inactive-key", "agency"],
)
def test_a_refusal_is_told_in_the_words_of_the_service(check, variables, told):
    ran = check(variables, iam_codes=True)
    assert ran.code == 1
    assert told in ran.err + ran.out


@pytest.mark.parametrize(("ahead", "told"), [(3600.0, "60 min behind"), (-3600.0, "60 min ahead of")])
def test_a_clock_that_is_off_is_told(check, ahead, told):
    def straight(accounts, world, address):
        return KEYS | {"OS_PROJECT_NAME": "", "SDRS_PROJECT_ID": PROJECT, "SDRS_ENDPOINT": address}

    for variables in (KEYS, straight):  # IAM is the first to be asked, or SDRS
        ran = check(variables, clock_ahead=ahead)
        assert ran.code == 1
        assert f"This machine's clock is {told} the service's" in ran.out + ran.err


def test_a_wrong_secret_is_not_taken_for_a_token(check):
    ran = check(KEYS | {"OS_SECRET_KEY": "wrong"})
    assert "Check the access key, the secret key and the project." in ran.err
    assert "OS_AUTH_TOKEN" not in ran.err


def test_a_catalogue_without_sdrs_is_told(check):
    ran = check(ADA, catalogue_has_sdrs=False)
    assert (ran.code, "has no SDRS" in ran.err) == (64, True)


def test_lists_that_are_refused_name_the_permission(check):
    ran = check(KEYS, faults=["GET server-groups:forbid=sdrs:serverGroups:list", "GET replications:deny=APIG.0302"])
    assert ran.code == 1
    assert "for the permission sdrs:serverGroups:list" in ran.out
    assert "APIG.0302 " in ran.out


@pytest.mark.parametrize("rules", [{}, {"bad_token": 400}], ids=["401", "SDRS.0002"])
def test_a_token_that_expires_meanwhile_is_renewed(check, rules):
    ran = check(ADA, faults=["GET server-groups:expire-token:first=1"], **rules)
    assert (ran.code, "All lists answer." in ran.out) == (0, True)
