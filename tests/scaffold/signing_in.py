"""Ways into a world with accounts: what signs in, and what signs requests."""

from datetime import UTC, datetime

from declarative.identity.signing import signed
from declarative.provider import Secret
from declarative.simulator.protocol.wire import Request

PROJECT = "0605767b5780d5762fc5c0118072a564"
IN_BANK = {"domain": {"name": "BANK"}}
ADA = {"name": "ada", **IN_BANK}
SHOP = {"project": {"name": "eu-de_shop"}}


def sign_in(cloud, identity, scope=None, headers=None, path="/v3/auth/tokens", **query):
    auth = {"identity": identity} | ({"scope": scope} if scope else {})
    return cloud.send("POST", path, {"auth": auth}, headers=headers or {}, **query)


def with_password(user=ADA, password="correct horse", **totp):
    both = {"methods": ["password"], "password": {"user": {**user, "password": password}}}
    return both | {"methods": ["password", "totp"], "totp": {"user": totp}} if totp else both


def partner(cloud):
    """The headers of a user of the partner, signed in to their own account."""
    way = with_password({"id": "ada-there"}, "other")
    return {"x-auth-token": sign_in(cloud, way, {"domain": {"id": "partner-id"}}).headers["X-Subject-Token"]}


def by_agency(**role):
    return {"methods": ["assume_role"], "assume_role": {"agency_name": "dr", "domain_name": "BANK"} | role}


def sign(cloud, method, path, body=None, *, key=("AKADA", "SKADA"), ago=0.0, project=PROJECT, extra=(), token=None):
    """The headers of a request that is signed by what the client has for it."""
    added = signed(
        method,
        f"http://sdrs.test{path}",
        [(name.encode(), value.encode()) for name, value in extra],
        body,
        access_key=key[0],
        secret_key=Secret(key[1]),
        security_token=None if token is None else Secret(token),
        project_id=project,
        at=datetime.fromtimestamp(cloud.clock.now - ago, UTC),
    )
    return dict(extra) | {name.decode().lower(): value.decode() for name, value in added}


def read(cloud, headers=None, path="active-domains", **how):
    whole = path if path.startswith("/") else f"/v1/{PROJECT}/{path}"
    plain, _, query = whole.partition("?")
    sent = sign(cloud, "GET", whole, **how) if headers is None else headers
    return cloud.world.handle(Request("GET", plain, query, sent, b"", "http://sdrs.test"))
