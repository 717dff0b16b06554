"""Who asks: IAM tokens as in Keystone v3, and signed requests (docs/sdrs-api.md, "IAM" and "Paths and headers").

Any name with any password is let in. A signature must be well formed; its value isn't checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from declarative.simulator.protocol.fields import read_object
from declarative.simulator.protocol.wire import Answer, Refusal, gateway_refusal, refusal, stamp_zulu
from declarative.simulator.tables.history import Effect, Noun, Subject
from declarative.simulator.tables.session import Call, Session

TABLES = """
CREATE TABLE tokens (token TEXT PRIMARY KEY, expires INTEGER NOT NULL) WITHOUT ROWID;
"""

REGION = "eu-de"
USER = "simulator"
DOMAIN = {"id": "default", "name": "simulator"}
_SIGNATURE = re.compile(
    r"SDK-HMAC-SHA256 Access=[^,\s]+, ?SignedHeaders=(?P<signed>[a-z0-9;_-]+), ?Signature=[0-9a-f]{64}", re.ASCII
)
_SIGNED_AT = re.compile(r"[0-9]{8}T[0-9]{6}Z", re.ASCII)
_METHODS = frozenset({"password", "application_credential", "token"})


def check(call: Call) -> None:
    """Let the request pass, or answer 401. A token that has expired stays so, one given at the start too."""
    session, headers = call.session, call.request.headers
    token = headers.get("x-auth-token", "")
    if call.verdict.is_expiry:
        if _is_valid(session, token):
            _set_expiry(session, token, session.now)
        raise _bad_token(session, "The token has expired.")
    if token:
        if not _is_valid(session, token):
            raise _bad_token(session, "The token is invalid or has expired.")
    elif not _is_signed(headers):
        raise _unauthorized("Authentication information is missing.")
    elif headers.get("x-project-id", session.facts.project_id) != session.facts.project_id:
        raise _unauthorized("The project is unknown to the owner of the access key.")


def expiry(session: Session, token: str) -> int | None:
    """When a valid token will expire, in milliseconds since 1970; None for any other.

    One that was given at the start never does by itself: it is always as if it had just been signed in for.
    """
    row = session.database.execute("SELECT expires FROM tokens WHERE token = ?", (token,)).fetchone()
    if row is not None:
        return int(row[0]) if session.now < row[0] else None
    return _life_from_now(session) if token in session.facts.tokens else None


def _is_valid(session: Session, token: str) -> bool:
    return expiry(session, token) is not None


def _life_from_now(session: Session) -> int:
    return session.now + round(session.facts.rules.token_seconds * 1000)


def _set_expiry(session: Session, token: str, expires: int) -> None:
    session.database.execute("INSERT OR REPLACE INTO tokens VALUES (?, ?)", (token, expires))


def _is_signed(headers: Mapping[str, str]) -> bool:
    match = _SIGNATURE.fullmatch(headers.get("authorization", ""))
    if match is None or "x-sdk-date" not in match["signed"].split(";"):
        return False
    return _SIGNED_AT.fullmatch(headers.get("x-sdk-date", "")) is not None


def _bad_token(session: Session, message: str) -> Refusal:
    if session.facts.rules.bad_token == 400:
        return refusal("SDRS.0002", message)
    return _unauthorized(message)


def _unauthorized(message: str) -> Refusal:
    return gateway_refusal("APIGW.0301", f"Incorrect IAM authentication information: {message}", status=401)


def expire_tokens(session: Session) -> None:
    """Let all tokens that were signed in for expire now."""
    session.database.execute("UPDATE tokens SET expires = ?", (session.now,))


def renew_token(session: Session, token: str) -> None:
    """Let a token that was given at the start work again; one that was signed in for is forgotten."""
    session.database.execute("DELETE FROM tokens WHERE token = ?", (token,))


def sign_in(call: Call) -> Answer:
    """`POST /v3/auth/tokens`: a token for the project, in `X-Subject-Token`, with a catalogue that names SDRS."""
    session = call.session
    auth = _object(read_object(call.request.body), "auth")
    identity = _object(auth, "identity")
    methods = identity.get("methods")
    if not isinstance(methods, list) or not methods or not _METHODS.issuperset(map(str, methods)):
        raise keystone_refusal(400, "Bad Request", "methods must be out of password, application_credential and token")
    for method in methods:
        _check_secret(session, str(method), _object(identity, str(method)))
    _check_scope(session, auth.get("scope"))
    token = session.draw.hex(64)
    expires = _life_from_now(session)
    _set_expiry(session, token, expires)
    session.record(Effect.SIGNED_IN, Subject(Noun.WORLD, session.facts.project_id), str(methods[0]))
    document = token_document(call, list(map(str, methods)), issued=session.now, expires=expires)
    answer = Answer.of({"token": document}, status=201)
    return Answer(201, answer.body, (*answer.headers, ("X-Subject-Token", token)))


def _check_secret(session: Session, method: str, given: Mapping[str, object]) -> None:
    match method:
        case "password":
            user = _object(given, "user")
            named, secret = user.get("name") or user.get("id"), user.get("password")
        case "application_credential":
            named, secret = given.get("name") or given.get("id"), given.get("secret")
        case _:
            named = secret = given.get("id")
            if not isinstance(named, str) or not _is_valid(session, named):
                raise _denied()
    if not isinstance(named, str) or not isinstance(secret, str) or not secret:
        raise _denied()


def _check_scope(session: Session, scope: object) -> None:
    """A project given by id must be this world's; one given by name may have any."""
    project = scope.get("project") if isinstance(scope, dict) else None
    wanted = project.get("id") if isinstance(project, dict) else None
    if wanted is not None and wanted != session.facts.project_id:
        raise _denied()


def _object(document: Mapping[str, object], key: str) -> Mapping[str, object]:
    inner = document.get(key)
    if not isinstance(inner, dict):
        raise keystone_refusal(400, "Bad Request", f"the request must hold an object {key}")
    return inner


def _denied() -> Refusal:
    return keystone_refusal(401, "Unauthorized", "The request you have made requires authentication.")


def keystone_refusal(status: int, title: str, message: str) -> Refusal:
    """The envelope of IAM itself, whose code is a number."""
    return Refusal(Answer.of({"error": {"code": status, "message": message, "title": title}}, status=status))


def token_document(call: Call, methods: list[str], *, issued: int, expires: int) -> dict[str, object]:
    """A token as IAM describes it. Times in milliseconds since 1970."""
    project = {"id": call.session.facts.project_id, "name": REGION, "domain": DOMAIN}
    return {
        "methods": methods,
        "issued_at": stamp_zulu(issued),
        "expires_at": stamp_zulu(expires),
        "user": {"id": USER, "name": USER, "domain": DOMAIN},
        "project": project,
        "roles": [{"id": "0", "name": "sdrs_adm"}],
        "catalog": catalog(call),
    }


def catalog(call: Call) -> list[dict[str, object]]:
    """The services there are, at the address that the client itself has used."""
    base = call.request.base_url
    services = (("sdrs", "sdrs", f"{base}/v1/{call.session.facts.project_id}"), ("identity", "iam", f"{base}/v3"))
    place = {"interface": "public", "region": REGION, "region_id": REGION}
    return [
        {"id": kind, "type": kind, "name": name, "endpoints": [{"id": kind, **place, "url": url}]}
        for kind, name, url in services
    ]
