"""IAM over HTTP, with a transport that behaves as IAM does, or doesn't."""

import asyncio
import json

import httpx
import pytest

from declarative.errors import EndpointError, NotSent, OutcomeUnknown, Unauthorized
from declarative.identity.iam import CHECK, Iam
from declarative.identity.keystone import Account, CloudProject, Password, User
from declarative.provider import GivenToken, Secret
from declarative.provider.tls import Tls
from tests.scaffold.scripted_cloud import Scripted, answer, clock, now, run

WAY = Password(User(name="anna", account=Account(name="OTC")), Secret("canary-password"))
EU_DE = CloudProject(name="eu-de")
WHO = GivenToken(Secret("canary-token"))
TOKEN = {
    "issued_at": "2026-01-02T03:00:00Z",
    "expires_at": "2026-01-03T03:00:00Z",
    "user": {"id": "u1", "name": "anna", "domain": {"id": "d1", "name": "OTC"}},
    "project": {"id": "p1", "name": "eu-de", "domain": {"id": "d1", "name": "OTC"}},
    "catalog": [{"type": "sdrs", "endpoints": [{"interface": "public", "region": "eu-de", "url": "https://x/v1/p1"}]}],
}
SIGNED_IN = answer({"token": TOKEN}, status=201, headers={"X-Subject-Token": "t0ken"})


class Read(Scripted):
    """As Scripted, with the bodies of the requests read."""

    async def handle_async_request(self, request):
        await request.aread()
        return await super().handle_async_request(request)


def asked(*given, endpoint="http://127.0.0.1:1/iam", deadline=100.0, ask=None):
    """What came of a sign-in, the requests, and how long it took."""
    cloud = Read(*given)

    async def main():
        iam = Iam(endpoint, clock=clock(), tls=Tls(), transport=cloud)
        try:
            return await (ask or (lambda one: one.token(WAY, EU_DE, deadline=deadline, hint="Check the password.")))(
                iam
            )
        finally:
            await iam.aclose()

    return run(main()), cloud


def test_a_token_is_asked_for_as_the_reference_says():
    token, cloud = asked(SIGNED_IN)
    (request,) = cloud.requests
    assert (request.method, request.url.raw_path) == ("POST", b"/iam/v3/auth/tokens")
    assert json.loads(request.content)["auth"]["scope"] == {"project": {"name": "eu-de"}}
    assert request.headers["content-type"] == "application/json"
    assert "x-auth-token" not in request.headers
    assert (token.secret, token.project.id) == (Secret("t0ken"), "p1")


@pytest.mark.parametrize(
    "first",
    [
        httpx.ConnectError("refused"),
        httpx.ReadError("cut"),
        answer(status=503),
        answer(status=429, headers={"Retry-After": "7"}),
        answer({"error_code": "IAM.0012", "error_msg": "slow"}, status=400),
    ],
    ids=str,
)
def test_what_passes_is_waited_for(first):
    token, cloud = asked(first, first, SIGNED_IN)
    assert (token.project.id, len(cloud.requests)) == ("p1", 3)


@pytest.mark.parametrize(
    ("given", "error"),
    [(answer(status=503), OutcomeUnknown), (httpx.ConnectError("refused"), NotSent), (answer(status=429), NotSent)],
    ids=str,
)
def test_what_does_not_pass_ends_with_the_deadline_or_after_a_minute(given, error):
    for deadline, least in ((20.0, 5.0), (10_000.0, 40.0)):

        async def main(deadline=deadline, least=least):
            iam = Iam("http://127.0.0.1:1", clock=clock(), tls=Tls(), transport=Scripted(*[given] * 400))
            with pytest.raises(error):
                await iam.token(WAY, EU_DE, deadline=deadline)
            assert least <= now() <= min(deadline, 60.0)

        run(main())


@pytest.mark.parametrize(
    ("given", "summary", "fix"),
    [
        (
            answer({"error": {"code": 401, "message": "The username or password is wrong.", "title": "x"}}, status=401),
            "sign-in refused by 127.0.0.1:1: HTTP 401",
            "Check the password.",
        ),
        (answer(status=401), "sign-in refused by 127.0.0.1:1: HTTP 401", "Check the password."),
        (
            answer({"error_code": "IAM.0003", "error_msg": "Policy doesn't allow iam:x to be performed."}, status=403),
            "sign-in refused",
            f"Ask your account's administrator for the permission iam:x. {CHECK}",
        ),
    ],
    ids=["keystone", "bare", "permission"],
)
def test_a_refusal_ends_at_once_with_what_to_do(given, summary, fix):
    cloud = Scripted(given)

    async def main():
        iam = Iam("http://127.0.0.1:1", clock=clock(), tls=Tls(), transport=cloud)
        await iam.token(WAY, EU_DE, deadline=100.0, hint="Check the password.")

    with pytest.raises(Unauthorized) as caught:
        run(main())
    assert caught.value.summary.startswith(summary)
    assert caught.value.fix == fix
    assert "canary" not in str(vars(caught.value))
    assert len(cloud.requests) == 1


@pytest.mark.parametrize(
    "given",
    [
        answer(status=302, headers={"Location": "https://elsewhere.example.com/"}),
        answer(body=b"<html>no such page</html>", status=404),
        answer({"token": TOKEN}, status=201),
        answer({"token": TOKEN | {"project": TOKEN["project"] | {"name": "other"}}}, headers={"X-Subject-Token": "t"}),
        answer(body=b"<html>hello</html>", headers={"X-Subject-Token": "t"}),
    ],
    ids=["redirect", "html-404", "no-token", "another-project", "html"],
)
def test_what_is_not_iam_is_not_believed(given):
    with pytest.raises(EndpointError):
        asked(given)


def test_projects_are_looked_up_by_name():
    listed = {
        "projects": [
            {"id": "p1", "name": "eu-de", "domain_id": "d1", "enabled": True},
            {"id": "p2", "name": "eu-de_x", "domain_id": "d1", "enabled": False},
            {"id": "../x", "name": "odd"},
            "odd",
        ]
    }
    found, cloud = asked(answer(listed), ask=lambda iam: iam.projects(WHO, name="eu-de & co", deadline=100.0))
    assert [one.id for one in found] == ["p1"]
    assert cloud.requests[0].url.raw_path == b"/iam/v3/projects?name=eu-de+%26+co"
    assert cloud.requests[0].headers["x-auth-token"] == "canary-token"
    _, cloud = asked(answer(listed), ask=lambda iam: iam.projects(WHO, deadline=100.0))
    assert cloud.requests[0].url.raw_path == b"/iam/v3/auth/projects"


def test_the_catalogue_is_read_by_itself():
    found, cloud = asked(answer({"catalog": TOKEN["catalog"]}), ask=lambda iam: iam.catalogue(WHO, deadline=100.0))
    assert [one.url for one in found] == ["https://x/v1/p1"]
    assert cloud.requests[0].url.raw_path == b"/iam/v3/auth/catalog"


def test_one_asks_after_the_other():
    class Slow(Scripted):
        busy = 0

        async def handle_async_request(self, request):
            assert self.busy == 0
            self.busy = 1
            await asyncio.sleep(1.0)
            self.busy = 0
            return await super().handle_async_request(request)

    async def main():
        iam = Iam("http://127.0.0.1:1", clock=clock(), tls=Tls(), transport=Slow(*[SIGNED_IN] * 3))
        await asyncio.gather(*(iam.token(WAY, EU_DE, deadline=100.0) for _ in range(3)))

    run(main())


# ---------------------------------------------------------------- what is told of it


def echoing(status):
    """IAM that repeats what it was sent."""

    def respond(request):
        said = f"{request.content.decode()} {request.headers}"
        return answer({"error": {"code": status, "message": said, "title": "x"}}, status=status)

    return respond


@pytest.mark.parametrize("passcode", [None, Secret("918273")], ids=["password", "passcode"])
def test_secrets_that_iam_repeats_are_not_told(passcode):
    way = Password(User(name="anna", account=Account(name="OTC")), Secret("canary-password"), passcode)
    with pytest.raises(Unauthorized) as caught:
        asked(echoing(401), ask=lambda one: one.token(way, EU_DE, deadline=100.0))
    assert "anna" in caught.value.message
    assert "canary" not in caught.value.message
    assert "918273" not in caught.value.message


def test_token_that_iam_repeats_is_not_told():
    with pytest.raises(Unauthorized) as caught:
        asked(echoing(401), ask=lambda one: one.describe(Secret("canary-token"), scope=None, deadline=100.0))
    assert "x-subject-token" in caught.value.message
    assert "canary" not in caught.value.message


def test_each_try_is_told_without_its_body():
    told = []

    async def main():
        cloud = Scripted(answer(status=503), SIGNED_IN)
        iam = Iam("http://127.0.0.1:1", clock=clock(), tls=Tls(), transport=cloud, on_exchange=told.append)
        await iam.token(WAY, EU_DE, deadline=100.0)

    run(main())
    assert [(one.method, one.path, one.status, one.tries) for one in told] == [
        ("POST", "/v3/auth/tokens", 503, 1),
        ("POST", "/v3/auth/tokens", 201, 2),
    ]
    assert "canary" not in repr(told)
