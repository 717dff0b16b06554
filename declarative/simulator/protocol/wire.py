"""Requests, answers, error envelopes, identifiers and times (docs/sdrs-api.md, "Conventions")."""

from __future__ import annotations

import enum
import json
import random
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

BODY_LIMIT = 1 << 20  # bytes; the gateway in front of the service turns more away


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `path` is as sent, still quoted, without the query; header names are in lower case.

    `base_url` is scheme, host and port as the client wrote them, for addresses in answers.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    base_url: str


class Delivery(enum.Enum):
    """What becomes of an answer on its way."""

    WHOLE = enum.auto()
    REFUSED = enum.auto()  # the connection was never made
    DROPPED = enum.auto()  # the connection ends without an answer
    CUT = enum.auto()  # the connection ends in the middle of the body
    DRIPPED = enum.auto()  # the body comes in small pieces, over `Answer.seconds`


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. `headers` come without `Content-Length`, `Date` and the request id, which are added last."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    delivery: Delivery = Delivery.WHOLE
    seconds: float = 0.0
    late: float = 0.0  # seconds that it is on its way

    @classmethod
    def of(cls, document: object, *, status: int = 200) -> Answer:
        """An answer with `document` as JSON."""
        return cls(status, compact(document).encode())

    @classmethod
    def text(cls, document: str) -> Answer:
        """A good answer whose JSON text is made already."""
        return cls(200, document.encode())

    @classmethod
    def job(cls, job_id: str, *, status: int) -> Answer:
        """The acceptance of an asynchronous call: usually 200, else 202 (docs/sdrs-api.md, "HTTP status codes")."""
        return cls(status, f'{{"job_id":"{job_id}"}}'.encode())

    @classmethod
    def nothing(cls) -> Answer:
        """204 without a body."""
        return cls(204, b"", ())


class Envelope(enum.StrEnum):
    """The shapes of errors (docs/sdrs-api.md, "Error envelopes")."""

    E1 = "E1"  # {"error": {"message", "code"}}
    E2 = "E2"  # {"badrequest": {"message", "code"}}
    E3 = "E3"  # {"itemNotFound": {"message", "code"}}
    E4 = "E4"  # {"error_code", "error_msg"}
    E5 = "E5"  # {"code", "message"}
    E6 = "E6"  # {"badRequest": {"message", "code"}} with the HTTP status as the code


_OUTER = {Envelope.E1: "error", Envelope.E2: "badrequest", Envelope.E3: "itemNotFound"}


def enveloped(envelope: Envelope, code: str, message: str, *, status: int = 400) -> dict[str, object]:
    """An error in one of the shapes; E6 tells no code of the service's own."""
    match envelope:
        case Envelope.E4:
            return {"error_code": code, "error_msg": message}
        case Envelope.E5:
            return {"code": code, "message": message}
        case Envelope.E6:
            return {"badRequest": {"message": message, "code": status}}
        case _:
            return {_OUTER[envelope]: {"message": message, "code": code}}


class Refusal(Exception):
    """The request is answered with an error and has had no effect; raise it before anything is written."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def refusal(code: str, message: str, *, status: int = 400) -> Refusal:
    """The regular envelope, E1."""
    return Refusal(Answer.of(enveloped(Envelope.E1, code, message), status=status))


def item_not_found(code: str, message: str) -> Refusal:
    """Envelope E3, the documented variant for 404."""
    return Refusal(Answer.of(enveloped(Envelope.E3, code, message), status=404))


def compact(document: object) -> str:
    """JSON without blanks."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


class Draw:
    """Draws ids. A seeded one draws the same ids again; the counter keeps job ids of one millisecond apart."""

    def __init__(self, seed: str | None, *, has_dashes: bool = True) -> None:
        self._random = random.Random(seed)
        self._has_dashes = has_dashes
        self._node = f"{self._random.getrandbits(32):08x}"
        self._counter = self._random.getrandbits(16)

    def uuid(self) -> str:
        """A resource id: UUID text, as a rule with dashes."""
        drawn = uuid.UUID(int=self._random.getrandbits(128), version=4)
        return str(drawn) if self._has_dashes else drawn.hex

    def happens(self, chance: float) -> bool:
        """Whether something of this chance, from 0 to 1, happens."""
        return self._random.random() < chance

    def hex(self, digits: int) -> str:
        """That many random hex digits."""
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    def job_id(self, now: int) -> str:
        """A job id of 32 digits; characters 17 to 28 are the time in ms (docs/sdrs-api.md, "Ids and times")."""
        self._counter = (self._counter + 1) & 0xFFFF
        return f"ff808082{self._node}{now:012x}{self._counter:04x}"


def stamp_zulu(now: int) -> str:
    """Milliseconds since 1970 as `yyyy-MM-ddTHH:mm:ss.SSSZ`, the form of jobs and failed tasks."""
    return f"{_seconds(now):%Y-%m-%dT%H:%M:%S}.{now % 1000:03d}Z"


def stamp_blank(now: int) -> str:
    """Milliseconds since 1970 as `yyyy-MM-dd HH:mm:ss.S` to `.SSS`; the service drops trailing zeros."""
    fraction = f"{now % 1000:03d}".rstrip("0") or "0"
    return f"{_seconds(now):%Y-%m-%d %H:%M:%S}.{fraction}"


def stamp_six(now: int) -> str:
    """Milliseconds since 1970 as `yyyy-MM-ddTHH:mm:ss.SSSSSS`, the documented form of pairs."""
    return f"{_seconds(now):%Y-%m-%dT%H:%M:%S}.{now % 1000:03d}000"


def stamp_minute(now: int) -> str:
    """Milliseconds since 1970 as `yyyy-MM-dd HH:mm`, the form of points in statistics."""
    return f"{_seconds(now):%Y-%m-%d %H:%M}"


def stamp_whole(now: int) -> str:
    """Milliseconds since 1970 as `yyyy-MM-dd HH:mm:ss`, without a fraction."""
    return f"{_seconds(now):%Y-%m-%d %H:%M:%S}"


STAMPS: dict[str, Callable[[int], str | int]] = {
    "blank": stamp_blank,
    "whole": stamp_whole,
    "six": stamp_six,
    "zulu": stamp_zulu,
    "seconds": lambda now: now // 1000,
    "milliseconds": lambda now: now,
}
"""The patterns of times (docs/sdrs-api.md, "Ids and times"), by the words of the fault `stamps`."""

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z?", re.ASCII)


def parse_stamp(text: str) -> int | None:
    """A time in one of the textual patterns, in milliseconds since 1970; None for any other text."""
    match = _STAMP.fullmatch(text)
    if match is None:
        return None
    day, clock, fraction = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}+00:00")
    except ValueError:
        return None
    return int(moment.timestamp()) * 1000 + int((fraction or "").ljust(3, "0")[:3])


def _seconds(now: int) -> datetime:
    return datetime.fromtimestamp(now // 1000, UTC)


PIECES = 16


def pieces(body: bytes) -> list[bytes]:
    """A body in at most 16 pieces of about one size."""
    size = max(1, -(-len(body) // PIECES))
    return [body[start : start + size] for start in range(0, len(body), size)]
