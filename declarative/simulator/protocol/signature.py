"""Requests that are signed with an access key, by SDK-HMAC-SHA256 (docs/sdrs-api.md, "Signed requests")."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote, unquote_plus

from declarative.simulator.protocol.wire import Request

_WORD = "SDK-HMAC-SHA256"
_FORM = re.compile(
    rf"{_WORD} Access=(?P<access>[^,\s]+), ?SignedHeaders=(?P<names>[^,\s]+), ?Signature=(?P<value>[0-9a-f]{{64}})",
    re.ASCII,
)
_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z", re.ASCII)
_ANY_BODY = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True, slots=True)
class Signature:
    """What a request says of its signature. `at` is in seconds since 1970, `names` are the signed headers'."""

    access: str
    names: tuple[str, ...]
    value: str
    date: str
    at: float


def read_signature(request: Request) -> Signature | None:
    """Return the signature of a request; None without a well-formed one that covers `X-Sdk-Date`."""
    match = _FORM.fullmatch(request.headers.get("authorization", ""))
    date = request.headers.get("x-sdk-date", "")
    if match is None or not _DATE.fullmatch(date):
        return None
    names = tuple(match["names"].split(";"))
    if "x-sdk-date" not in names or any(name != name.lower() or not name for name in names):
        return None
    try:
        at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Signature(match["access"], names, match["value"], date, at.timestamp())


def canonical_request(request: Request, signature: Signature) -> str:
    """Return the canonical request of what was received, with the headers that the signature names."""
    names = sorted(signature.names)
    headers = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in names)
    return "\n".join(
        (
            request.method.upper(),
            _path(request.path),
            _query(request.query),
            headers,
            ";".join(names),
            _payload(request),
        )
    )


def fits(canonical: str, signature: Signature, secret: str) -> bool:
    """True if the signature is the one that this secret key makes of the canonical request."""
    digest = hashlib.sha256(canonical.encode("latin-1", "replace")).hexdigest()
    text = f"{_WORD}\n{signature.date}\n{digest}"
    expected = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature.value)


def _path(path: str) -> str:
    quoted = "/".join(_quoted(segment) for segment in unquote(path).split("/"))
    return quoted if quoted.endswith("/") else quoted + "/"


def _query(query: str) -> str:
    pairs = []
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((unquote_plus(name), unquote_plus(value)))
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(pairs))


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")


def _payload(request: Request) -> str:
    if request.headers.get("x-sdk-content-sha256") == _ANY_BODY:
        return _ANY_BODY
    return hashlib.sha256(request.body).hexdigest()
