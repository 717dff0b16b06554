"""Signing in with each way, against an IAM and an SDRS that behave, and what is said when it fails."""

import asyncio

import httpx
import pytest

from declarative.errors import DeclarativeError, Unauthorized, UsageError
from declarative.identity.opening import open_access
from declarative.identity.sources import Asked, find_credentials
from tests.scaffold.iam_world import IAM, KEYS, PASSWORD, World
from tests.scaffold.scripted_cloud import clock, run


def opened(environ, world=None, tmp_path="/nonexistent", **asked):
    """What is signed in, and the world."""
    from pathlib import Path

    world = world or World()

    async def main():
        given = find_credentials(
            environ, working_folder=Path(tmp_path), stack_folder=Path(tmp_path), asked=Asked(**asked)
        )
        one = await open_access(given, clock=clock(), transport=world)
        await one.close()
        return one

    return run(main()), world


def test_a_password():
    one, world = opened(PASSWORD)
    ((_, _, body, headers),) = world.asked
    assert body["auth"]["identity"]["password"]["user"]["domain"] == {"name": "OTC"}
    assert body["auth"]["scope"] == {"project": {"name": "eu-de", "domain": {"name": "OTC"}}}
    assert "x-auth-token" not in headers
    assert (one.access.endpoint, one.access.project_id) == ("https://sdrs.eu-de.example.com", "p1")
    assert (one.endpoint_from, one.ends, one.token.user.name) == ("the catalogue", None, "anna")


def test_a_passcode_signs_in_once_and_its_end_is_known():
    given = {**PASSWORD, "OS_PASSCODE": "123456", "OS_USER_ID": "u1"}
    one, world = opened(given)
    assert world.asked[0][2]["auth"]["identity"]["methods"] == ["password", "totp"]
    assert one.ends is not None
    from declarative.provider import Refused

    assert run(one.access.authorization.renew(Refused(1, "", None, one.ends), deadline=1.0)) is False


def test_an_application_credential_takes_no_scope():
    given = {
        "OS_AUTH_URL": IAM,
        "OS_APPLICATION_CREDENTIAL_ID": "c1",
        "OS_APPLICATION_CREDENTIAL_SECRET": "canary-secret",
        "OS_REGION_NAME": "eu-de",
    }
    one, world = opened(given)
    assert "scope" not in world.asked[0][2]["auth"]
    assert (one.access.project_id, one.ends) == ("p1", None)


def test_keys_find_the_project_by_its_name_and_the_endpoint_in_the_catalogue():
    one, world = opened(KEYS)
    assert [path for _, path, _, _ in world.asked] == ["/v3/projects", "/v3/auth/catalog"]
    assert all("SDK-HMAC-SHA256 Access=AK" in headers["authorization"] for *_, headers in world.asked)
    assert "x-project-id" not in world.asked[0][3]
    assert world.asked[1][3]["x-project-id"] == "p1"
    assert (one.access.endpoint, one.access.project_id) == ("https://sdrs.eu-de.example.com", "p1")


def test_keys_without_an_auth_url_go_to_the_published_hosts():
    given = {"HW_ACCESS_KEY": "AK", "HW_SECRET_KEY": "canary", "HW_REGION_NAME": "eu-de", "HW_PROJECT_NAME": "eu-de"}
    one, world = opened(given)
    assert [headers["host"] for *_, headers in world.asked] == ["iam.eu-de.otc.t-systems.com"]
    assert one.access.endpoint == "https://sdrs.eu-de.otc.t-systems.com"
    assert one.endpoint_from == "the published host names"


def test_temporary_keys_send_their_token():
    one, world = opened({**KEYS, "OS_SECURITY_TOKEN": "canary-security-token"}, project_id="p1")
    assert world.asked[0][3]["x-security-token"] == "canary-security-token"
    assert "canary" not in repr(one)


def test_a_token_with_endpoint_and_project_asks_nobody():
    given = {"OS_TOKEN": "canary-token", "SDRS_ENDPOINT": "https://sdrs.example.com/v1/p1", "SDRS_PROJECT_ID": "p1"}
    one, world = opened(given)
    assert (world.asked, one.ends) == ([], None)
    assert one.access.endpoint == "https://sdrs.example.com"


def test_a_token_alone_is_described_by_iam():
    one, world = opened({"OS_TOKEN": "canary-token", "OS_AUTH_URL": IAM, "OS_REGION_NAME": "eu-de"})
    assert [(method, path) for method, path, _, _ in world.asked] == [("GET", "/v3/auth/tokens")]
    assert one.access.project_id == "p1"
    assert one.ends is not None


@pytest.mark.parametrize("base", [PASSWORD, KEYS], ids=["password", "keys"])
def test_an_agency_is_assumed_after_signing_in(base):
    given = {**base, "OS_AGENCY_NAME": "dr", "OS_AGENCY_DOMAIN_NAME": "other", "OS_DELEGATED_PROJECT": "eu-de_dr"}
    one, world = opened(given)
    *before, (_, _, body, headers) = [one for one in world.asked if one[0] == "POST"]
    assert body["auth"]["identity"]["assume_role"] == {"domain_name": "other", "agency_name": "dr"}
    assert body["auth"]["scope"] == {"project": {"name": "eu-de_dr", "domain": {"name": "other"}}}
    if base is PASSWORD:
        assert before[0][2]["auth"]["scope"] == {"domain": {"name": "OTC"}}
        assert headers["x-auth-token"] == "canary-token-1"
    else:
        assert "Access=AK" in headers["authorization"]
    assert one.access.project_id == "p2"


def test_a_wrong_password_is_told_in_the_services_words():
    with pytest.raises(Unauthorized) as caught:
        opened({**PASSWORD, "OS_PASSWORD": "canary-wrong"})
    assert caught.value.message == "The username or password is wrong."
    assert caught.value.fix.startswith("Check the user name, the password")
    assert "declarative auth check" in caught.value.fix
    assert "canary" not in str(vars(caught.value))


@pytest.mark.parametrize(
    ("environ", "world", "summary", "fix"),
    [
        (
            {**PASSWORD, "OS_REGION_NAME": "eu-nl"},
            World(("eu-de", "eu-ch2")),
            "the catalogue has no SDRS in the region 'eu-nl'",
            "The catalogue has SDRS in: eu-ch2, eu-de.",
        ),
        (
            {name: value for name, value in PASSWORD.items() if name != "OS_REGION_NAME"},
            World(("eu-de", "eu-nl")),
            "SDRS is in several regions: eu-de, eu-nl",
            "Choose one with --region",
        ),
        (PASSWORD, World(sdrs="ecs"), "the catalogue of 127.0.0.1 has no SDRS", "Give the endpoint of SDRS"),
        (
            {**KEYS, "OS_PROJECT_NAME": "eu-dr"},
            World(),
            "no project is named 'eu-dr' for this access key",
            "There are: eu-de, eu-de_dr.",
        ),
        ({**PASSWORD, "OS_INTERFACE": "admin"}, World(), "no SDRS for the interface 'admin'", "It has: public."),
        (
            {"HW_ACCESS_KEY": "AK", "HW_SECRET_KEY": "k", "HW_REGION_NAME": "mars", "HW_PROJECT_NAME": "x"},
            World(),
            "no sign-in address is known for the region 'mars'",
            "Set OS_AUTH_URL",
        ),
        (
            {**PASSWORD, "SDRS_ENDPOINT": "https://sdrs.example.com/v1/p9"},
            World(),
            "the endpoint names the project p9, but the project id is p1",
            "Use the same project in both",
        ),
    ],
    ids=["region", "no-region", "no-sdrs", "no-project", "interface", "no-host", "endpoint"],
)
def test_what_is_wrong_is_named(environ, world, summary, fix):
    with pytest.raises(UsageError) as caught:
        opened(environ, world)
    assert summary in caught.value.summary
    assert fix in caught.value.fix


def test_an_endpoint_of_a_catalogue_that_would_send_credentials_in_clear_text_is_refused():
    class Bad(World):
        def _catalogue(self, project="p1"):
            where = {"interface": "public", "region": "eu-de", "url": "http://sdrs.example.com/v1/p1"}
            return [{"type": "sdrs", "endpoints": [where]}]

    with pytest.raises(DeclarativeError, match="clear text"):
        opened(PASSWORD, Bad())


def test_what_was_begun_is_closed_when_it_fails():
    class Gone(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        opened(PASSWORD, Gone())
