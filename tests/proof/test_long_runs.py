"""Three simulated hours with tokens of ten minutes: which ways in last, and what becomes of those that end."""

import re
from pathlib import Path

import httpx
import pytest

from declarative.errors import ExitCode
from declarative.simulator import EmbeddedTransport, Origin, Rules, World, load_accounts
from declarative.workflow.auth import check
from tests.scaffold.cloud import Site

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"
PROJECT = "0605767b5780d5762fc5c0118072a564"
GROUPS = {f"g{number}": {"name": f"group-{number}"} for number in range(18)}
TEN_MINUTES = Rules(token_seconds=600.0, job_seconds=600.0)
ONE_AT_A_TIME = {"max_jobs": 1, "timeouts": {"ProtectionGroup.create": 3600.0}}
HERE = {"OS_AUTH_URL": "http://127.0.0.1/v3", "OS_REGION_NAME": "eu-de"}
SHOP = {"OS_PROJECT_NAME": "eu-de_shop"}
PASSWORD = {"OS_USERNAME": "ada", "OS_PASSWORD": "correct horse", "OS_USER_DOMAIN_NAME": "OTC-BANK"} | SHOP
KEYS = {"OS_ACCESS_KEY": "QTWAOYTTINDUT2QVKYUC", "OS_SECRET_KEY": "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc"} | SHOP
CREDENTIAL = {
    "OS_APPLICATION_CREDENTIAL_ID": "5b1c0de24e2a4c6b8f7d3a9e1c0b2d4f",
    "OS_APPLICATION_CREDENTIAL_SECRET": "night shift",
}
BOB = {"OS_USER_ID": "2514670aa04d0dec0617a2cb2863e458", "OS_PASSWORD": "battery staple"} | SHOP
AGENCY = {
    "OS_USERNAME": "pat",
    "OS_PASSWORD": "shared task",
    "OS_USER_DOMAIN_NAME": "OTC-PARTNER",
    "OS_AGENCY_NAME": "dr",
    "OS_AGENCY_DOMAIN_NAME": "OTC-BANK",
    "OS_DELEGATED_PROJECT": "eu-de_shop",
}


class AccountSite(Site):
    """A site whose cloud knows accounts; `environ` says who runs the commands."""

    environ: dict[str, str]
    warnings: list

    def prepare(self, folder):
        _, block = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
        path = folder / "accounts.yaml"
        path.write_text(block)
        self.warnings, self.environ = [], {}
        self._world = World.open(
            None,
            speed=1.0,
            rules=TEN_MINUTES,
            origin=Origin(PROJECT, accounts=load_accounts(path)),
            clock=self.time,
            seed=self.seed,
        )
        self.write(GROUPS, provider={"region": "eu-de"})

    def project(self, **options):
        from dataclasses import replace

        made = super().project(**options)
        environ = {**made.environ, **HERE, **self.environ}
        return replace(
            made, environ=environ, transport=EmbeddedTransport(self.world), warn=self.warnings.append, embedded=None
        )

    def ask(self, method, path, body, headers):
        """One request of somebody else."""

        async def send():
            async with httpx.AsyncClient(transport=EmbeddedTransport(self.world)) as client:
                return await client.request(method, f"http://127.0.0.1{path}", json=body, headers=headers)

        return self.run(send)

    def token(self):
        """A token of ada, as somebody copies it from the console."""
        domain = {"name": "OTC-BANK"}
        user = {"name": "ada", "password": "correct horse", "domain": domain}
        scope = {"project": {"name": "eu-de_shop", "domain": domain}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        return self.ask("POST", "/v3/auth/tokens", body, {}).headers["x-subject-token"]

    def temporary_keys(self):
        asked = {"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": 900}}}}
        answer = self.ask("POST", "/v3.0/OS-CREDENTIAL/securitytokens", asked, {"X-Auth-Token": self.token()})
        key = answer.json()["credential"]
        return SHOP | {
            "OS_ACCESS_KEY": key["access"],
            "OS_SECRET_KEY": key["secret"],
            "OS_SECURITY_TOKEN": key["securitytoken"],
        }

    def sign_ins(self):
        return self.requests("POST", "/v3/auth/tokens")


@pytest.fixture
def site(tmp_path):
    made = AccountSite(tmp_path)
    made.prepare(tmp_path)
    yield made
    made.close()


def assert_whole(site):
    names = [one["name"] for one in site.live().values()]
    assert sorted(names) == sorted(spec["name"] for spec in GROUPS.values())
    assert len(site.made()) == len(GROUPS)
    assert len(site.state().resources) == len(GROUPS)


@pytest.mark.parametrize(
    ("environ", "sign_ins"),
    [
        pytest.param(PASSWORD, range(18, 60), id="password"),
        pytest.param(KEYS, range(1), id="keys"),
        pytest.param(CREDENTIAL, range(18, 60), id="credential"),
        pytest.param(AGENCY, range(36, 120), id="agency"),
    ],
)
def test_a_run_of_three_hours_never_ends_for_want_of_a_token(site, environ, sign_ins):
    site.environ = environ
    began = site.now
    applied = site.apply(**ONE_AT_A_TIME)
    assert applied.exit_code is ExitCode.OK
    assert site.now - began > 3 * 3600
    assert site.sign_ins() in sign_ins
    assert site.warnings == []
    assert_whole(site)


@pytest.mark.parametrize("way", ["token", "passcode", "temporary"])
def test_what_can_not_be_renewed_ends_the_run_and_the_next_one_goes_on(site, way):
    codes = iter(["123456", "654321"])

    def given():
        if way == "token":
            return {"OS_AUTH_TOKEN": site.token()}
        if way == "passcode":
            return {**BOB, "OS_PASSCODE": next(codes)}
        return site.temporary_keys()

    site.environ = given()
    applied = site.apply(**ONE_AT_A_TIME)
    assert applied.exit_code is ExitCode.INCOMPLETE
    known = [str(one) for one in site.warnings if "can't be renewed" in str(one)]
    assert len(known) == (0 if way == "temporary" else 1)
    recorded = len(site.state().resources)
    assert 0 < len(site.made()) - recorded <= 1
    site.environ = given()
    again = site.apply(**ONE_AT_A_TIME)
    assert again.exit_code is ExitCode.INCOMPLETE
    assert len(site.made()) == len(set(site.made())) > len(GROUPS) / 18
    assert len(site.state().resources) > recorded
    site.environ = PASSWORD
    assert site.apply(**ONE_AT_A_TIME).exit_code is ExitCode.OK
    assert_whole(site)


def test_the_check_of_an_account_tells_the_end_of_a_token(site):
    site.environ = {"OS_AUTH_TOKEN": site.token()}
    report = site.run(lambda: check(site.project()))
    assert report.works
    assert report.signed_in.ends is not None
    assert report.signed_in.ends.timestamp() == pytest.approx(site.time() + 600, abs=5)
