"""From an HTTP answer to attributes, or to the one error that says what it means for the call that was sent.

Source: docs/sdrs-api.md, "HTTP status codes", "Error envelopes" and "Not found".
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from declarative import strict_json
from declarative.errors import (
    EndpointError,
    NotFound,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Unauthorized,
    visible,
)
from declarative.model import Attributes, Call, Json, Kind
from declarative.provider.codes import explain_code

RETRY_AFTER_CAP = 60.0  # seconds
REQUEST_IDS = ("x-request-id", "x-iam-trace-id", "x-openstack-request-id")
KEPT_HEADERS = frozenset({"retry-after", "content-encoding", "date", "x-subject-token", *REQUEST_IDS})
_MESSAGE_LIMIT = 500  # characters of the service's own words that are kept
_UNAUTHORIZED_CODES = frozenset({"SDRS.0002"})
THROTTLED_CODES = frozenset({"APIGW.0308", "APIG.0308", "IAM.0012"})
_REFUSALS = frozenset({403, 404, 405, 406, 413, 422})
_FORBIDDEN = 403
_NOT_IMPLEMENTED = 501  # the only 5xx that will be the same the next time
_PERMISSION = re.compile(r"Policy doesn't allow (.{1,200}?) to be performed")
_LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class Again(enum.Enum):
    """Whether a call that failed may be sent again."""

    NEVER = enum.auto()
    UNSENT = enum.auto()  # it never left: any call may
    NO_FILES = enum.auto()  # likewise, for want of a file descriptor: any call may, on fewer connections
    REFUSED = enum.auto()  # it was refused for who we are, and nothing was done: any call may, signed in anew
    THROTTLED = enum.auto()  # the gateway turned it away: any call may, later
    TRANSIENT = enum.auto()  # the outcome is open: an idempotent call may
    UNREADABLE = enum.auto()  # an answer that makes no sense: an idempotent call may, a few times


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, read whole. `headers`: those of `KEPT_HEADERS` that it has, by their names in lower case.

    `cut` means that it was longer than the cap.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # a token may be among them
    cut: bool = False

    @property
    def request_id(self) -> str:
        """What the service calls this exchange; "" when it doesn't say."""
        return next((self.headers[name] for name in REQUEST_IDS if self.headers.get(name)), "")

    def date(self) -> datetime | None:
        """The service's clock, when it answered; None when it doesn't tell."""
        return _http_date(self.headers.get("date", ""))


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that did not end well: the error to raise, and whether to try again instead, after `pause` seconds.

    `date`: the service's clock, in the refusal of who we are.
    """

    error: ProviderError
    again: Again
    pause: float = 0.0
    date: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What an error body says. `shaped`: SDRS itself said it, and not something in front of it."""

    code: str = ""
    message: str = ""
    shaped: bool = False


class Unreadable(Exception):
    """The body is not a JSON object; the text says why, without quoting it."""


def is_id(text: object) -> bool:
    """True when `text` may be the id of an object, and stand in a path."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def is_object_id(text: object, kind: Kind) -> bool:
    """True when `text` may be the id of an object of this kind.

    One that is made of the ids of other objects has each of them, parted by `/`; no part may leave its place in a path.
    """
    parts = len(kind.relations.natural_key) if kind.relations.identity else 1
    return isinstance(text, str) and text.count("/") == parts - 1 and all(map(is_id, text.split("/")))


def is_job_id(text: object) -> bool:
    """True when `text` may be the id of a job, and stand in a path."""
    return isinstance(text, str) and _JOB_ID.fullmatch(text) is not None


def judge(reply: Reply, call: Call, *, gone: frozenset[str], now: datetime) -> Attributes | Failure:
    """Return the JSON object of a good answer ({} for 204), or what went wrong.

    `gone`: codes that mean "no such object" at any status. `now` (UTC) reads a Retry-After that is a date.
    """
    if 200 <= reply.status < 300:
        return _good(reply, call)
    fault = read_fault(reply.body) if not reply.cut else Fault()
    if reply.status == 401 or (reply.status == 400 and fault.code in _UNAUTHORIZED_CODES):
        return Failure(_refusal(Unauthorized, reply, call, fault), Again.NEVER, date=reply.date())
    if fault.code in gone or (reply.status == 404 and fault.shaped):
        return Failure(_refusal(NotFound, reply, call, fault), Again.NEVER)
    if reply.status == 429 or fault.code in THROTTLED_CODES:
        pause = read_retry_after(reply.headers.get("retry-after", ""), now=now)
        return Failure(_refusal(NotSent, reply, call, fault), Again.THROTTLED, pause)
    return _bad_for_reads(reply, call, fault, now) if call.idempotent else _bad_for_writes(reply, call, fault)


def _good(reply: Reply, call: Call) -> Attributes | Failure:
    if reply.status == 204:
        return {}
    try:
        return read_object(reply)
    except Unreadable as reason:
        return Failure(_no_sense(reply, call, str(reason)), Again.UNREADABLE)


def _bad_for_reads(reply: Reply, call: Call, fault: Fault, now: datetime) -> Failure:
    """A read, or a write that is sure to do nothing twice: an answer without a code isn't the service's."""
    if (
        (reply.status >= 500 and reply.status != _NOT_IMPLEMENTED)
        or reply.status == 408
        or (reply.status == 409 and not fault.code)
    ):
        pause = read_retry_after(reply.headers.get("retry-after", ""), now=now)
        return Failure(_refusal(OutcomeUnknown, reply, call, fault), Again.TRANSIENT, pause)
    if reply.status == 404 and not fault.shaped and explain_code(fault.code) is not None:  # the gateway knows no SDRS
        return Failure(_refusal(EndpointError, reply, call, fault), Again.NEVER)
    if reply.status >= 400 and (fault.code or reply.status == 403) and not (reply.status == 404 and not fault.shaped):
        return Failure(_refusal(Rejected, reply, call, fault), Again.NEVER)
    return Failure(_no_sense(reply, call, _nonsense(reply), fault), Again.NEVER)


def _bad_for_writes(reply: Reply, call: Call, fault: Fault) -> Failure:
    """Only what proves that nothing was done is a refusal; whatever else came leaves the outcome open."""
    if reply.status in _REFUSALS or (reply.status == 400 and fault.code):
        return Failure(_refusal(Rejected, reply, call, fault), Again.NEVER)
    return Failure(_refusal(OutcomeUnknown, reply, call, fault), Again.NEVER)


def _no_sense(reply: Reply, call: Call, reason: str, fault: Fault | None = None) -> ProviderError:
    request = request_line(call)
    code = fault.code if fault else ""
    if not call.idempotent:
        return OutcomeUnknown(
            f"the answer to the {verb(call)} is not valid: {reason}", status=reply.status, request=request
        )
    return EndpointError(
        f"the endpoint does not answer as SDRS does: {reason}",
        "Check the endpoint and the project id. Redirects are not followed.",
        status=reply.status,
        code=code,
        request=request,
    )


def _nonsense(reply: Reply) -> str:
    if 300 <= reply.status < 400:
        return f"HTTP {reply.status}, a redirect"
    return f"HTTP {reply.status} without an SDRS error"


def _refusal(cls: type[ProviderError], reply: Reply, call: Call, fault: Fault) -> ProviderError:
    entry = explain_code(fault.code)
    if entry is not None:
        what = f"{fault.code} {entry.meaning}"
    elif fault.code:
        what = f"{visible(fault.code, limit=60)} (HTTP {reply.status})"
    else:
        what = f"HTTP {reply.status}"
    outcome = "had no clear answer" if cls is OutcomeUnknown else "refused"
    fix = entry.remedy if entry is not None else _REMEDIES.get(cls, "")
    if permission := missing_permission(fault.message):
        fix = f"Ask your account's administrator for the permission {visible(permission, limit=200)}."
    elif reply.status == _FORBIDDEN and not fix:
        fix = "Ask your account's administrator whether you may do this in this project."
    return cls(
        f"{verb(call)} {outcome}: {what}",
        fix,
        status=reply.status,
        code=fault.code,
        message=fault.message,
        request=request_line(call),
        request_id=reply.request_id,
    )


_REMEDIES: Mapping[type[ProviderError], str] = {
    NotSent: "Run the command again later, or send fewer requests at a time (--parallelism).",
    OutcomeUnknown: "Run the command again later. It finds out what was done.",
}


def verb(call: Call) -> str:
    """What a call does, in a word. Those below `v3` are IAM's."""
    if call.path[0] == "v3":
        return "sign-in"
    if call.method == "POST":
        return "create" if len(call.path) == 1 else "action"
    return {"GET": "read", "PUT": "update", "DELETE": "delete"}.get(call.method, call.method.lower())


def request_line(call: Call) -> str:
    """Method and path of a call, safe to show."""
    return visible(f"{call.method} {'/'.join(call.path)}", limit=200)


def read_object(reply: Reply) -> Attributes:
    """Return the JSON object of a body. Raises Unreadable: too long, packed, not JSON, or another type."""
    if reply.cut:
        raise Unreadable("the body is too long")
    if reply.headers.get("content-encoding", "").lower() not in ("", "identity"):
        raise Unreadable("the body is compressed, but compression was not requested")
    document = _decode(reply.body)
    if not isinstance(document, dict):
        raise Unreadable("the body is not a JSON object")
    return document


def _decode(body: bytes) -> Json:
    if not body.strip():
        raise Unreadable("the body is empty")
    try:
        text = body.decode("utf-8")
        document = strict_json.loads(text, unique_keys=False)
    except ValueError as error:
        raise Unreadable("the body is not JSON") from error
    if _LONE_SURROGATE.search(text) is None:
        return document
    # Half of a surrogate pair can't be written anywhere later on: put a question mark in its place, here and now.
    return json.loads(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))


def read_fault(body: bytes) -> Fault:
    """Read an error in any of the documented envelopes; an empty body, HTML or anything else is no fault of SDRS."""
    try:
        document = _decode(body)
    except Unreadable:
        return Fault()
    if not isinstance(document, dict):
        return Fault()
    if "error_code" in document or "error_msg" in document:
        return _fault(document.get("error_code"), document.get("error_msg"))
    if "code" in document or "message" in document:
        return _fault(document.get("code"), document.get("message"))
    if len(document) != 1:
        return Fault()
    (envelope, inner), *_ = document.items()
    if not isinstance(inner, dict):
        return Fault()
    return _fault(inner.get("code"), inner.get("message"), shaped=envelope == "itemNotFound")


def spoken(message: str) -> str:
    """The words of a refusal, cut. The gateway repeats a request that it refuses, and the security token with it."""
    return message.partition("canonicalRequest")[0].rstrip(" ,")[:_MESSAGE_LIMIT]


def missing_permission(message: str) -> str:
    """The permission that a refusal says is missing, e.g. `sdrs:servergroup:create`; "" when it names none."""
    found = _PERMISSION.search(message)
    return found[1] if found else ""


def _fault(code: Json, message: Json, *, shaped: bool = False) -> Fault:
    known = str(code) if isinstance(code, str | int) and not isinstance(code, bool) else ""
    words = spoken(message) if isinstance(message, str) else ""
    return Fault(known[:64], words, shaped or known.startswith("SDRS."))


def read_retry_after(text: str, *, now: datetime) -> float:
    """Seconds that a Retry-After header asks for, from 0 to 60; 0 when it says nothing (RFC 9110, 10.2.3)."""
    if not text:
        return 0.0
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), RETRY_AFTER_CAP)
    date = _http_date(text)
    if date is None:
        return 0.0
    return min(max((date - now).total_seconds(), 0.0), RETRY_AFTER_CAP)


def _http_date(text: str) -> datetime | None:
    if not text:
        return None
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def member(document: Mapping[str, Json], key: str, cls: type, call: Call) -> Json:
    """Return `document[key]`, which must be a `cls`. Raises EndpointError."""
    value = document.get(key)
    if not isinstance(value, cls):
        raise shape_error(call, f"{key!r} is missing or has the wrong type")
    return value


def shape_error(call: Call, reason: str) -> EndpointError:
    """The error for an answer that is JSON, but not of the documented shape."""
    return EndpointError(
        f"the answer to {request_line(call)} is not a valid SDRS answer: {reason}",
        "Check the endpoint, and that no proxy changes its answers.",
        status=200,
        request=request_line(call),
    )
