"""Sign a request with an access key: the algorithm SDK-HMAC-SHA256.

Source: API Request Signing Guide, "Constructing a Standard Request" and the three pages after it; docs/sdrs-api.md,
"Signed requests".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from declarative.errors import UsageError
from declarative.provider.secret import Secret

_ALGORITHM = "SDK-HMAC-SHA256"
_NOT_TO_BE_GIVEN = frozenset(
    {
        b"authorization",
        b"x-auth-token",  # a request shows one identity
        b"x-project-id",
        b"x-sdk-content-sha256",  # would stand for the body's hash
        b"x-sdk-date",
        b"x-security-token",
    }
)


def signed(
    method: str,
    url: str,
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes | None,
    *,
    access_key: str,
    secret_key: Secret,
    security_token: Secret | None,
    project_id: str,
    at: datetime,
) -> list[tuple[bytes, bytes]]:
    """Return the headers to add to a request, so that the service knows whose it is.

    `url` is the URL exactly as it is sent, `headers` are those that the signature covers: give the ones that arrive as
    they leave, such as Host, Content-Type and X-Domain-Id. `project_id` is empty for calls outside of a project, `at`
    is the current time, with its zone. Host is among the results if it is missing.

    Raises UsageError when a key, the token or the project id can't stand in a header, and ValueError for a naive `at`
    or for headers that are given twice or made here.
    """
    if at.utcoffset() is None:
        raise ValueError("the time of a signature needs a time zone")
    parts = urlsplit(url)
    date = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    key = _header_value(access_key, "access key")
    added = [(b"X-Sdk-Date", date.encode("ascii"))]
    if project_id:
        added.append((b"X-Project-Id", _header_value(project_id, "project id")))
    if security_token is not None:
        added.append((b"X-Security-Token", _header_value(security_token.reveal(), "security token")))
    given = [name.lower() for name, _ in headers]
    if len(set(given)) < len(given) or not _NOT_TO_BE_GIVEN.isdisjoint(given):
        raise ValueError("a header is given twice, or is made by the signature")
    if b"host" not in given:
        added.append((b"Host", parts.netloc.encode("ascii")))

    covered = sorted((name.lower(), value.strip()) for name, value in (*headers, *added) if b"_" not in name)
    names = b";".join(name for name, _ in covered)
    canonical = b"\n".join(
        (
            method.upper().encode("ascii"),
            _canonical_path(parts.path).encode("ascii"),
            _canonical_query(parts.query).encode("ascii"),
            b"".join(b"%s:%s\n" % header for header in covered),
            names,
            hashlib.sha256(body or b"").hexdigest().encode("ascii"),
        )
    )
    to_sign = f"{_ALGORITHM}\n{date}\n{hashlib.sha256(canonical).hexdigest()}"
    signature = hmac.digest(secret_key.reveal().encode("utf-8"), to_sign.encode("ascii"), "sha256").hex()
    credentials = b"%s Access=%s, SignedHeaders=%s, Signature=%s"
    values = (_ALGORITHM.encode("ascii"), key, names, signature.encode("ascii"))
    return [*added, (b"Authorization", credentials % values)]


def _header_value(text: str, what: str) -> bytes:
    """The text as bytes. What is wrong is not repeated: it may be a secret."""
    if not text or not all("!" <= char <= "~" for char in text):
        raise UsageError(
            f"the {what} is empty, or contains a space, a line break or another character that a header can't have",
            f"Set the {what} again.",
        )
    return text.encode("ascii")


def _canonical_path(path: str) -> str:
    """Decode a path, encode each segment again, and end with a slash. `%2F` becomes a separator, as in the SDK."""
    segments = [quote(segment, safe="") for segment in unquote(path).split("/")]
    canonical = "/".join(segments)
    return canonical if canonical.endswith("/") else f"{canonical}/"


def _canonical_query(query: str) -> str:
    """Decode the pairs (a plus is a space), sort them by name and value, and encode them again."""
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
