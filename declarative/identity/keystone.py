"""The requests for a token, and what IAM answers: Keystone v3, with the methods that the vendors have added.

Source: docs/sdrs-api.md, "Ways to sign in", "An agency", "The answer", "The catalogue", "Temporary access keys" and
"Refusals of IAM and the gateway".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from declarative.errors import EndpointError, visible
from declarative.model import Json
from declarative.provider.answers import Reply, Unreadable, is_id, missing_permission, read_object, spoken
from declarative.provider.secret import Secret

TOKENS = "POST /v3/auth/tokens"
PROJECTS = "GET /v3/projects"
CATALOGUE = "GET /v3/auth/catalog"
TEMPORARY_KEYS = "POST /v3.0/OS-CREDENTIAL/securitytokens"
_KEY_SECONDS = range(900, 86_401)  # how long a temporary key may last
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_LONGEST_CODE = 64  # characters
_LONGEST_ID = 128


@dataclass(frozen=True, slots=True)
class Account:
    """An account, which IAM calls a domain. In a request one of the two is enough; the id counts if both are there."""

    id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class CloudProject:
    """A project. In a request the id is enough; a name is looked up in the account, or in the user's own."""

    id: str = ""
    name: str = ""
    account: Account | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A user. In a request the id is enough, or the name with its account."""

    id: str = ""
    name: str = ""
    account: Account | None = None


@dataclass(frozen=True, slots=True)
class Password:
    """A user with a password, and a passcode of a virtual MFA device if the user's logins are protected by one."""

    user: User
    password: Secret
    passcode: Secret | None = None


@dataclass(frozen=True, slots=True)
class ApplicationCredential:
    """An application credential, by id, or by name with its user. It has a project of its own."""

    secret: Secret
    id: str = ""
    name: str = ""
    user: User | None = None


@dataclass(frozen=True, slots=True)
class Agency:
    """An agency and the account that delegates by it. Who asks shows who they are in the request's headers.

    `name_key`: the member for the name. The references say `agency_name`; OTC's sample and other clients, `xrole_name`.
    """

    name: str
    account: Account
    name_key: Literal["agency_name", "xrole_name"] = "agency_name"


Way: TypeAlias = Password | ApplicationCredential | Agency
TokenScope: TypeAlias = CloudProject | Account


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One URL of the catalogue, as the service gives it. `region` is `*` for a global service, "" if none is given."""

    service_type: str
    service_name: str
    interface: str
    region: str
    url: str


@dataclass(frozen=True, slots=True)
class Token:
    """A token and what it is good for. Times are UTC; without an `expires_at` nothing is known about its end.

    `project` or `account` is its scope. Names come from the service and are untrusted. `catalogue` holds the endpoints
    that can be read, and none if the answer has no catalogue.
    """

    secret: Secret
    issued_at: datetime | None
    expires_at: datetime | None
    user: User
    project: CloudProject | None
    account: Account | None
    catalogue: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class TemporaryKey:
    """A temporary access key; requests that are signed with it also send the security token."""

    access_key: str
    secret_key: Secret
    security_token: Secret
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is not a success, in the words of IAM or its gateway; all texts are untrusted and cut.

    `code` is "" if there is none beside the HTTP status. `permission` is what the message says is not allowed.
    """

    status: int
    code: str
    message: str
    permission: str
    request_id: str


def token_request(way: Way, scope: TokenScope | None) -> bytes:
    """Return the JSON body of POST /v3/auth/tokens.

    Raises ValueError when a user, project, account or credential is not named well enough to be found, and when an
    application credential is given a scope.
    """
    auth: dict[str, Json] = {"identity": _identity(way)}
    if scope is not None:
        if isinstance(way, ApplicationCredential):
            raise ValueError("an application credential has a project of its own and takes no scope")
        auth["scope"] = {"project" if isinstance(scope, CloudProject) else "domain": _reference(scope)}
    return _encode(auth)


def secrets_of(way: Way) -> tuple[bytes, ...]:
    """The secrets in the body of a token_request, as it sends them."""
    found: tuple[Secret | None, ...] = ()
    if isinstance(way, Password):
        found = (way.password, way.passcode)
    elif isinstance(way, ApplicationCredential):
        found = (way.secret,)
    return tuple(one.reveal().encode("utf-8") for one in found if one is not None)


def temporary_key_request(agency: Agency | None, *, seconds: int) -> bytes:
    """Return the JSON body of POST /v3.0/OS-CREDENTIAL/securitytokens, for the sender or for an agency.

    `seconds`: how long the key is to last, 900 to 86,400. Raises ValueError.
    """
    if seconds not in _KEY_SECONDS:
        raise ValueError("a temporary access key lasts from 900 s to 86,400 s")
    if agency is None:
        return _encode({"identity": {"methods": ["token"], "token": {"duration_seconds": seconds}}})
    assumed = {**_assumed(agency), "duration_seconds": seconds}
    return _encode({"identity": {"methods": ["assume_role"], "assume_role": assumed}})


def _encode(auth: Mapping[str, Json]) -> bytes:
    return json.dumps({"auth": auth}).encode("ascii")


def _identity(way: Way) -> dict[str, Json]:
    if isinstance(way, Agency):
        return {"methods": ["assume_role"], "assume_role": _assumed(way)}
    if isinstance(way, ApplicationCredential):
        return {"methods": ["application_credential"], "application_credential": _credential(way)}
    password = {"user": _user(way.user) | {"password": way.password.reveal()}}
    if way.passcode is None:
        return {"methods": ["password"], "password": password}
    # Without a domain, unlike Keystone's own: the password says which user of this name it is.
    holder = _id_or_name(way.user) | {"passcode": way.passcode.reveal()}
    return {"methods": ["password", "totp"], "password": password, "totp": {"user": holder}}


def _credential(way: ApplicationCredential) -> dict[str, Json]:
    secret = {"secret": way.secret.reveal()}
    if way.id:
        return {"id": way.id, **secret}
    if not way.name or way.user is None:
        raise ValueError("an application credential needs an id, or a name and its user")
    return {"name": way.name, "user": _user(way.user), **secret}


def _assumed(agency: Agency) -> dict[str, Json]:
    if not agency.name:
        raise ValueError("an agency needs a name")
    ((key, value),) = _id_or_name(agency.account).items()
    return {f"domain_{key}": value, agency.name_key: agency.name}


def _user(user: User) -> dict[str, Json]:
    if not user.id and user.account is None:
        raise ValueError("a user needs an id, or a name and an account")
    return _reference(user)


def _reference(named: User | TokenScope) -> dict[str, Json]:
    found = _id_or_name(named)
    if "name" in found and not isinstance(named, Account) and named.account is not None:
        found["domain"] = _id_or_name(named.account)
    return found


def _id_or_name(named: User | TokenScope) -> dict[str, Json]:
    if named.id:
        return {"id": named.id}
    if named.name:
        return {"name": named.name}
    what = {User: "a user", CloudProject: "a project", Account: "an account"}[type(named)]
    raise ValueError(f"{what} needs an id or a name")


def subject_token(reply: Reply) -> Secret:
    """Return the token of an answer's headers. Raises EndpointError."""
    text = reply.headers.get("x-subject-token", "")
    if not text or not all("!" <= char <= "~" for char in text):
        raise _unusable(TOKENS, "the header X-Subject-Token is missing, or is not a token", 201)
    return Secret(text)


def read_token(reply: Reply, secret: Secret, *, scope: TokenScope | None, request: str = TOKENS) -> Token:
    """Read a success (200 or 201) that describes the token `secret`.

    `scope` is what was asked for; a token for anything else is not used. `request` is shown in errors. Raises
    EndpointError when something that is needed is missing or odd.
    """
    try:
        token = _object(_success(reply), "token", "")
        project = _project(token)
        account = _account(token, "token.")
        _check_scope(scope, project, account)
        issued, expires = _time(token, "issued_at", "token."), _time(token, "expires_at", "token.")
        if issued is not None and expires is not None and expires <= issued:
            raise Unreadable("token.expires_at is not after token.issued_at")
        return Token(
            secret,
            issued,
            expires,
            _described_user(_object(token, "user", "token.")),
            project,
            account,
            tuple(_endpoints(token.get("catalog"))),
        )
    except Unreadable as reason:
        raise _unusable(request, str(reason), reply.status) from reason


def read_projects(reply: Reply) -> list[CloudProject]:
    """Read a list of projects, without those that are disabled. Raises EndpointError."""
    try:
        listed = _success(reply).get("projects")
        if not isinstance(listed, list):
            raise Unreadable("projects is missing or not a list")
        return [
            CloudProject(one["id"], one["name"], Account(str(one.get("domain_id") or "")))
            for one in listed
            if isinstance(one, dict) and is_id(one.get("id")) and isinstance(one.get("name"), str)
            if one.get("enabled") is not False
        ]
    except Unreadable as reason:
        raise _unusable(PROJECTS, str(reason), reply.status) from reason


def read_catalogue(reply: Reply) -> tuple[Endpoint, ...]:
    """Read a catalogue by itself. Raises EndpointError."""
    try:
        return tuple(_endpoints(_success(reply).get("catalog")))
    except Unreadable as reason:
        raise _unusable(CATALOGUE, str(reason), reply.status) from reason


def read_temporary_key(reply: Reply) -> TemporaryKey:
    """Read a success that holds a temporary access key. Raises EndpointError when a part is missing or odd."""
    try:
        key = _object(_success(reply), "credential", "")
        expires = _time(key, "expires_at", "credential.")
        if expires is None:
            raise Unreadable("credential.expires_at is missing")
        access, secret, token = (_text(key, name, "credential.") for name in ("access", "secret", "securitytoken"))
        return TemporaryKey(access, Secret(secret), Secret(token), expires)
    except Unreadable as reason:
        raise _unusable(TEMPORARY_KEYS, str(reason), reply.status) from reason


def read_refusal(reply: Reply) -> Refusal:
    """Read an answer that is not a success; whatever it holds, something can be said."""
    try:
        document = read_object(reply)
    except Unreadable:
        document = {}
    inner = next(iter(document.values())) if len(document) == 1 else document.get("error")
    said = inner if isinstance(inner, dict) else document
    code = _first(said, "error_code", "errorCode", "code")
    message = _first(said, "error_msg", "errorMsg", "message", "title")
    message = spoken(message)
    return Refusal(
        reply.status,
        "" if code == str(reply.status) else code[:_LONGEST_CODE],
        message,
        missing_permission(message),
        (reply.request_id or _first(document, "request_id"))[:_LONGEST_ID],
    )


def _first(document: Mapping[str, Json], *keys: str) -> str:
    """The first member that is a text or a whole number, as a text."""
    values = (document.get(key) for key in keys)
    return next((str(one) for one in values if isinstance(one, str | int) and not isinstance(one, bool) and one), "")


def _unusable(request: str, reason: str, status: int) -> EndpointError:
    return EndpointError(
        f"the answer to {request} is not a valid IAM answer: {reason}",
        "Check the address of IAM, and that no proxy changes its answers.",
        status=status,
        request=request,
    )


def _success(reply: Reply) -> Mapping[str, Json]:
    if reply.status not in (200, 201):
        raise Unreadable(f"HTTP {reply.status}")
    return read_object(reply)


def _object(document: Mapping[str, Json], key: str, where: str) -> Mapping[str, Json]:
    value = document.get(key)
    if not isinstance(value, dict):
        raise Unreadable(f"{where}{key} is missing or not an object")
    return value


def _text(document: Mapping[str, Json], key: str, where: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"{where}{key} is missing or not a text")
    return value


def _time(document: Mapping[str, Json], key: str, where: str) -> datetime | None:
    value = document.get(key)
    if value is None:
        return None
    try:
        if isinstance(value, str) and _TIME.fullmatch(value):
            return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Unreadable(f"{where}{key} is not a time") from error
    raise Unreadable(f"{where}{key} is not a time with a zone")


def _account(document: Mapping[str, Json], where: str) -> Account | None:
    if document.get("domain") is None:
        return None
    domain, where = _object(document, "domain", where), f"{where}domain."
    return Account(_text(domain, "id", where), _text(domain, "name", where))


def _described_user(user: Mapping[str, Json]) -> User:
    where = "token.user."
    return User(_text(user, "id", where), _text(user, "name", where), _account(user, where))


def _project(token: Mapping[str, Json]) -> CloudProject | None:
    if token.get("project") is None:
        return None
    where = "token.project."
    project = _object(token, "project", "token.")
    found = CloudProject(_text(project, "id", where), _text(project, "name", where), _account(project, where))
    if not is_id(found.id):
        raise Unreadable("token.project.id can't be a project's id")
    return found


def _check_scope(wanted: TokenScope | None, project: CloudProject | None, account: Account | None) -> None:
    """A token for another project would act on what belongs to somebody else."""
    if wanted is None:
        return
    kind, found = ("project", project) if isinstance(wanted, CloudProject) else ("account", account)
    if found is None:
        raise Unreadable(f"the token has no {kind}, but one was requested")
    if not _is(wanted, found):
        asked = visible(wanted.id or wanted.name, limit=80)
        raise Unreadable(f"the token is for the {kind} '{visible(found.name, limit=80)}', not for '{asked}'")


def _is(wanted: TokenScope, found: TokenScope) -> bool:
    """True if `found` has the id that was asked for, or else the name, whose case Keystone may ignore."""
    if wanted.id:
        return wanted.id == found.id
    if wanted.name.casefold() != found.name.casefold():
        return False
    if isinstance(wanted, Account) or isinstance(found, Account) or wanted.account is None or found.account is None:
        return True
    return _is(wanted.account, found.account)


def _endpoints(catalogue: Json) -> Iterator[Endpoint]:
    """The endpoints that can be read: one that is left out can only be missed, and IAM lists every service there is."""
    if catalogue is None:
        return
    if not isinstance(catalogue, list):
        raise Unreadable("token.catalog is not a list")
    for service in catalogue:
        endpoints = service.get("endpoints") if isinstance(service, dict) else None
        for one in endpoints if isinstance(endpoints, list) else ():
            if isinstance(one, dict) and all(
                isinstance(value, str) and value
                for value in (service.get("type"), one.get("interface"), one.get("url"))
            ):
                region = _first(one, "region_id", "region")
                yield Endpoint(service["type"], _first(service, "name"), one["interface"], region, one["url"])
