"""`auth check` and `auth show-sources`, on an IAM and an SDRS that behave or refuse."""

import asyncio
import json
import random
from dataclasses import replace

import httpx
import pytest

from declarative.clock import Clock
from declarative.errors import DeclarativeError, ExitCode, UsageError
from declarative.views.auth import AuthView, SourcesView
from declarative.views.text import plain
from declarative.workflow import auth
from declarative.workflow.project import Project
from tests.scaffold.iam_world import IAM, KEYS, PASSWORD, World
from tests.scaffold.scripted_cloud import run

LISTS = ["server-groups", "protected-instances", "replications", "disaster-recovery-drills"]
CANARIES = ("canary-password", "canary-secret-key", "canary-token", "canary-passcode", "AKCANARY")


def refused(status, code, message):
    body = {"error": {"code": code, "message": message}}
    return httpx.Response(status, json=body, headers={"X-Request-Id": "req-42"})


@pytest.fixture
def project(tmp_path):
    """A project without a Stack, of nobody yet."""
    return Project(folder=tmp_path, working_folder=tmp_path, environ={}, clock=Clock(random=random.Random(1)))


def checked(project, environ, world=None, **chosen):
    world = world or World()
    report = run(auth.check(replace(project, environ=environ, transport=world, **chosen)))
    return report, world


def told(report):
    text = plain(AuthView(report).text())
    document = AuthView(report).json()
    for canary in CANARIES:
        assert canary not in text + document
    return text, json.loads(document)


def test_a_password_shows_who_where_and_until_when(project):
    report, world = checked(project, PASSWORD)
    text, document = told(report)
    assert report.works
    assert text == (
        "Way in:      password, from the OS_* variables\n"
        "User:        anna (u1)\n"
        "Account:     OTC (d1)\n"
        "Project:     eu-de (p1)\n"
        "Region:      eu-de\n"
        "Endpoint:    https://sdrs.eu-de.example.com, from the catalogue\n"
        "Valid until: 2026-01-03 03:00:00 UTC; a run renews it by itself\n"
        "\n"
        "Values:\n"
        "  auth_url             http://127.0.0.1:1/v3  OS_AUTH_URL\n"
        "  password             (not shown)            OS_PASSWORD\n"
        "  project_domain_name  OTC                    OS_USER_DOMAIN_NAME\n"
        "  project_name         eu-de                  OS_PROJECT_NAME\n"
        "  region_name          eu-de                  OS_REGION_NAME\n"
        "  user_domain_name     OTC                    OS_USER_DOMAIN_NAME\n"
        "  username             anna                   OS_USERNAME\n"
        "\n"
        "Lists:\n"
        "  + protection groups: answers\n"
        "  + protected instances: answers\n"
        "  + replication pairs: answers\n"
        "  + DR drills: answers\n"
        "  + active-active domains: answers\n"
        "  + quotas: answers\n"
        "\n"
        "All lists answer.\n"
    )
    assert (document["works"], document["valid_until"], document["renewed"]) == (True, "2026-01-03T03:00:00Z", True)
    assert document["user"] == {"id": "u1", "name": "anna"}
    assert {"name": "password", "value": None, "source": "OS_PASSWORD"} in document["values"]
    paths = [path for method, path, *_ in world.asked if method == "GET"]
    assert paths == [f"/v1/p1/{one}" for one in (*LISTS, "active-domains", "sdrs/quotas")]


@pytest.mark.parametrize(
    ("environ", "way", "valid"),
    [
        (KEYS, "access keys", "each request is signed"),
        ({**KEYS, "OS_SECURITY_TOKEN": "canary-token"}, "temporary access keys", "not known"),
        (
            {"OS_AUTH_URL": IAM, "OS_AUTH_TOKEN": "canary-token", "OS_REGION_NAME": "eu-de"},
            "token",
            "2026-01-03 03:00:00 UTC, and then it can't be renewed",
        ),
        (
            {**PASSWORD, "OS_PASSCODE": "canary-passcode", "OS_USER_ID": "u1"},
            "password with passcode",
            "2026-01-03 03:00:00 UTC, and then it can't be renewed",
        ),
        (
            {
                "OS_AUTH_URL": IAM,
                "OS_APPLICATION_CREDENTIAL_ID": "c1",
                "OS_APPLICATION_CREDENTIAL_SECRET": "canary-secret-key",
                "OS_REGION_NAME": "eu-de",
            },
            "application credential",
            "2026-01-03 03:00:00 UTC; a run renews it by itself",
        ),
        (
            {**PASSWORD, "OS_AGENCY_NAME": "dr", "OS_AGENCY_DOMAIN_NAME": "other"},
            "password, then an agency",
            "2026-01-03 03:00:00 UTC; a run renews it by itself",
        ),
    ],
)
def test_every_way_in_says_what_it_is_and_when_it_ends(project, environ, way, valid):
    text, document = told(checked(project, environ)[0])
    assert f"Way in:      {way}, from the OS_* variables\n" in text
    assert f"Valid until: {valid}" in text
    assert document["works"]


def test_an_agency_is_named_with_the_account_that_delegates(project):
    text, document = told(checked(project, {**PASSWORD, "OS_AGENCY_NAME": "dr", "OS_AGENCY_DOMAIN_NAME": "other"})[0])
    assert "Agency:      dr of other (d2)\n" in text
    assert document["agency"] == "dr"


@pytest.mark.parametrize("collection", LISTS)
def test_a_list_of_objects_that_is_refused_fails_the_check(project, collection):
    world = World(lists={collection: refused(403, "SDRS.0010", "Policy doesn't allow sdrs:x:list to be performed.")})
    report, world = checked(project, PASSWORD, world)
    text, document = told(report)
    assert not report.works
    assert "1 list of objects can't be read: plan and apply would fail." in text
    assert "Policy doesn't allow sdrs:x:list to be performed." in text
    (wrong,) = [one for one in document["lists"] if not one["answers"]]
    assert (wrong["list"], wrong["asked"], wrong["error"]["status"], wrong["error"]["code"]) == (
        collection,
        True,
        403,
        "SDRS.0010",
    )
    assert wrong["error"]["request_id"] == "req-42"
    assert wrong["error"]["request"].startswith("GET ")


@pytest.mark.parametrize("collection", ["active-domains", "sdrs/quotas"])
def test_quotas_and_domains_are_not_needed(project, collection):
    world = World(lists={collection: refused(403, "SDRS.0010", "Policy doesn't allow it.")})
    report, _ = checked(project, PASSWORD, world)
    text, _ = told(report)
    assert report.works
    assert "All lists of objects answer. A run goes without" in text


def test_whoever_is_not_let_in_asks_for_one_list_only(project):
    environ = {**KEYS, "SDRS_ENDPOINT": "https://sdrs.example.com", "SDRS_PROJECT_ID": "p1"}
    world = World(lists={LISTS[0]: refused(401, "APIGW.0301", "Incorrect IAM authentication information: verify")})
    report, world = checked(project, environ, world)
    assert [one.asked for one in report.lists] == [True, False, False, False, False, False]
    assert [path for _, path, *_ in world.asked] == ["/v1/p1/server-groups"]
    text, document = told(report)
    assert "- quotas: not asked" in text
    assert not document["works"]


def test_a_list_that_is_no_list_of_sdrs_is_named(project):
    world = World(lists={LISTS[0]: httpx.Response(200, json={"servers": []})})
    text, document = told(checked(project, PASSWORD, world)[0])
    assert "! protection groups: " in text
    assert not document["works"]


def test_a_refused_sign_in_still_shows_what_was_used(project):
    report, _ = checked(project, {**PASSWORD, "OS_PASSWORD": "wrong-password"})
    text, document = told(report)
    assert (report.works, report.error.exit_code) == (False, ExitCode.ERROR)
    assert "  password             (not shown)            OS_PASSWORD\n" in text
    assert "Lists:" not in text
    (finding,) = document["findings"]
    assert "The username or password is wrong." in finding["fix"]
    assert document["lists"] == []


def test_what_is_not_used_is_told(project):
    warnings = []
    report, _ = checked(project, {**PASSWORD, "HW_ACCESS_KEY": "AKCANARY"}, warn=warnings.append)
    _, document = told(report)
    assert [one["severity"] for one in document["findings"]] == ["warning"]
    assert "HW_ACCESS_KEY" in document["findings"][0]["summary"]
    assert [str(one) for one in warnings] == [str(one) for one in report.credentials.notes]


def test_nothing_found_is_said_as_plan_says_it(project):
    with pytest.raises(UsageError, match="no set of credentials is complete"):
        checked(project, {})


def test_the_time_of_the_command_ends_the_lists(project):
    class Slow(World):
        async def handle_async_request(self, request):
            if request.url.path.startswith("/v1/"):
                await asyncio.sleep(2.0)
            return await super().handle_async_request(request)

    report, _ = checked(project, PASSWORD, Slow(), timeout=5.0)
    assert [one.answers for one in report.lists] == [True, True, False, False, False, False]


def test_names_of_the_service_can_forge_nothing(project):
    class Hostile(World):
        def _token(self, project, account=None):
            token = super()._token(project)
            token["user"]["name"] = "anna\n::error::\x1b[31m##[group]x"
            return token

    text, _ = told(checked(project, PASSWORD, Hostile())[0])
    assert "\x1b" not in text
    assert "##[" not in text
    assert [line for line in text.splitlines() if line.startswith("::")] == []


def surveyed(project, environ, **chosen):
    found = auth.sources(replace(project, environ=environ, **chosen))
    text, document = plain(SourcesView(found).text()), SourcesView(found).json()
    for canary in CANARIES:
        assert canary not in text + document
    return found, text, json.loads(document)


def test_all_places_are_shown_and_which_is_used(project):
    environ = {**PASSWORD, "SDRS_REGION": "eu-nl", "HW_ACCESS_KEY": "AKCANARY", "HW_PROJECT_NAME": ""}
    found, text, document = surveyed(project, environ, project_id="p9")
    assert found.problem is None
    assert "options:\n  project_id  p9  --project-id\n" in text
    assert "SDRS_* variables:\n  region_name  eu-nl  SDRS_REGION\n" in text
    assert "HW_* variables:\n  access_key  (not shown)  HW_ACCESS_KEY\n" in text
    assert "ignored because empty: HW_PROJECT_NAME" in text
    assert text.endswith("Used: password, from the OS_* variables.\n")
    assert [one["place"] for one in document["places"]] == [
        "options",
        "SDRS_* variables",
        "Stack",
        "clouds.yaml",
        "OS_* variables",
        "HW_* variables",
    ]


def test_a_url_that_may_hold_a_password_is_not_shown(project):
    found, text, _ = surveyed(project, {"OS_AUTH_URL": "https://anna:canary-password@iam.example.com/v3"})
    assert "auth_url  (not shown)  OS_AUTH_URL" in text
    assert found.chosen is None
    assert isinstance(found.problem, DeclarativeError)


def test_the_files_of_clouds_are_named_used_or_not(project, tmp_path):
    home, work = tmp_path / "home", tmp_path / "work"
    folder = home / ".config/openstack"
    folder.mkdir(parents=True)
    work.mkdir()
    cloud = {"auth": {"auth_url": IAM, "username": "anna", "password": "canary-password", "project_name": "eu-de"}}
    cloud["auth"]["user_domain_name"] = "OTC"
    (folder / "clouds.yaml").write_text(json.dumps({"clouds": {"otc": cloud, "other": {}}}))
    (work / "secure.yaml").write_text("clouds: {}\n")
    where = {"folder": work, "working_folder": work}
    _, text, _ = surveyed(project, {"HOME": str(home), "OS_CLOUD": "otc"}, **where)
    assert "OS_CLOUD names the cloud 'otc'" in text
    assert "read when a cloud is named: ~/.config/openstack/clouds.yaml" in text
    assert "secure.yaml is ignored because it is in the working folder" in text
    assert "its clouds: otc, other" in text
    assert "password" in text.partition("clouds.yaml:")[2].partition("OS_* variables:")[0]
    found, text, _ = surveyed(project, {"HOME": str(home), "OS_CLOUD": "otcc"}, **where)
    assert "Did you mean 'otc'?" in found.problem.fix
    _, text, _ = surveyed(project, {"HOME": str(home)}, **where)
    assert "no cloud is named" in text


def test_a_stack_on_the_simulator_wants_no_credentials(project, tmp_path):
    (tmp_path / "stack.yaml").write_text(
        "apiVersion: sdrs/v1\nkind: Stack\nmetadata: {name: shop}\nspec: {provider: {simulator: true}}\n"
    )
    found, text, _ = surveyed(project, {})
    assert (found.chosen, found.problem) == (None, None)
    assert "`simulator: true` is set, so no credentials are used" in text
