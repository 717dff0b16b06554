"""IAM and SDRS of one account with two projects, as a transport."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

import httpx

DOMAIN = {"id": "d1", "name": "OTC"}
IAM = "http://127.0.0.1:1/v3"
PASSWORD = {
    "OS_AUTH_URL": IAM,
    "OS_USERNAME": "anna",
    "OS_PASSWORD": "canary-password",
    "OS_USER_DOMAIN_NAME": "OTC",
    "OS_PROJECT_NAME": "eu-de",
    "OS_REGION_NAME": "eu-de",
}
KEYS = {
    "OS_AUTH_URL": IAM,
    "OS_ACCESS_KEY": "AK",
    "OS_SECRET_KEY": "canary-secret-key",
    "OS_PROJECT_NAME": "eu-de",
    "OS_REGION_NAME": "eu-de",
}
_LISTS = {
    "server-groups": {"server_groups": []},
    "protected-instances": {"protected_instances": []},
    "replications": {"replications": []},
    "disaster-recovery-drills": {"disaster_recovery_drills": []},
    "active-domains": {"domains": []},
    "sdrs/quotas": {"quotas": {"resources": []}},
}


class World(httpx.AsyncBaseTransport):
    """IAM and an empty SDRS. `regions`: those that the catalogue has SDRS in.

    `lists`: answers to take the place of the lists of SDRS, by their path.
    """

    def __init__(self, regions=("eu-de",), *, sdrs="sdrs", lists=None):
        self.regions = regions
        self.sdrs = sdrs
        self.lists = lists or {}
        self.asked = []
        self.tokens = 0

    async def handle_async_request(self, request):
        await request.aread()
        body = json.loads(request.content or b"null")
        path = request.url.path
        self.asked.append((request.method, path, body, request.headers))
        project, _, collection = path.removeprefix("/v1/").partition("/")
        if path.startswith("/v1/"):
            assert project == "p1"
            return self.lists.get(collection) or httpx.Response(200, json=_LISTS[collection])
        if (request.method, path) == ("POST", "/v3/auth/tokens"):
            return self._sign_in(body["auth"], request)
        if path == "/v3/auth/tokens":
            assert request.headers["x-subject-token"] == request.headers["x-auth-token"]
            return httpx.Response(200, json={"token": self._token("eu-de")})
        if path == "/v3/projects":
            (name,) = parse_qs(request.url.query.decode())["name"]
            return httpx.Response(200, json={"projects": [one for one in self._projects() if one["name"] == name]})
        if path == "/v3/auth/projects":
            return httpx.Response(200, json={"projects": self._projects()})
        assert path == "/v3/auth/catalog", path
        return httpx.Response(200, json={"catalog": self._catalogue()})

    def _sign_in(self, auth, request):
        self.tokens += 1
        if "password" in auth["identity"] and auth["identity"]["password"]["user"]["password"] != "canary-password":
            error = {"error": {"code": 401, "message": "The username or password is wrong.", "title": "Unauthorized"}}
            return httpx.Response(401, json=error, headers={"X-Request-Id": "8f2c"})
        scope = auth.get("scope", {}).get("project", {})
        name = {"p1": "eu-de", "p2": "eu-de_dr"}.get(scope.get("id"), scope.get("name", "eu-de"))
        headers = {"X-Subject-Token": f"canary-token-{self.tokens}"}
        domain = "domain" in auth.get("scope", {})
        assumed = {"id": "d2", "name": "other"} if "assume_role" in auth["identity"] else None
        return httpx.Response(
            201, json={"token": self._token("" if domain else name, account=assumed or DOMAIN)}, headers=headers
        )

    def _token(self, project, account=DOMAIN):
        scope = {"project": {"id": "p2" if project == "eu-de_dr" else "p1", "name": project, "domain": account}}
        return {
            "issued_at": "2026-01-02T03:00:00Z",
            "expires_at": "2026-01-03T03:00:00Z",
            "user": {"id": "u1", "name": "anna", "domain": DOMAIN},
            "catalog": self._catalogue("p2" if project == "eu-de_dr" else "p1"),
            **(scope if project else {"domain": DOMAIN}),
        }

    def _catalogue(self, project="p1"):
        endpoints = [
            {"interface": "public", "region": one, "url": f"https://sdrs.{one}.example.com/v1/{project}"}
            for one in self.regions
        ]
        return [{"type": self.sdrs, "endpoints": endpoints}, {"type": "identity", "endpoints": []}]

    def _projects(self):
        names = {"p1": "eu-de", "p2": "eu-de_dr"}
        return [{"id": one, "name": name, "domain_id": "d1", "enabled": True} for one, name in names.items()]
