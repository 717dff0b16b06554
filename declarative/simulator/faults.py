"""Faults on request: what may go wrong between a client and the service, as a small language.

    METHOD PATH:FAULT[:OPTION]...

`METHOD` is GET, POST, PUT, DELETE or `*`. `PATH` is what follows `/v1/{project_id}/`, or the whole path when it
begins with `/`; `*` in it stands for any text, `?` for one character. Faults and options: see `FAULT_HELP`.
"""

from __future__ import annotations

import enum
import fnmatch
import functools
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from declarative.simulator.wire import Answer, Delivery, compact

FAULT_HELP = """\
A fault is METHOD PATH:FAULT[:OPTION]..., for example
  'POST server-groups:lost-after:p=0.2'     every fifth answer to a create is lost, by chance
  'GET jobs/*:status=503:first=3'           the first three looks at jobs are answered 503
  '* *:status=429:retry-after=1:every=10'   every tenth request is turned away
METHOD is GET, POST, PUT, DELETE or *. PATH follows /v1/{project_id}/, or is a whole path such as /v3/auth/tokens;
* in it stands for any text. Of several faults that would meet one request on the wire, the first wins.

Faults on the wire:
  refused           no connection is made (behind a socket: the same as lost-before)
  lost-before       the connection ends without an answer, nothing was done
  lost-after        the connection ends without an answer, the request was carried out
  status=NNN        answered with this status (400 to 599), nothing was done; options code=, retry-after=
  status-after=NNN  answered with this status, the request was carried out; the same options
  html empty garbage  answered 200 with such a body, the request was carried out
  cut               the body ends in the middle, the request was carried out
  drip=SECONDS      the body comes piece by piece over this time
Faults behind it:
  fail-job=CODE     the job that the request starts will fail with this error code, e.g. SDRS.1014
  stuck-job         the job that the request starts never ends
  list-lag=SECONDS  lists don't show what was created less than this time ago (GET)
  expire-token      the token of the request expires: this request and all later ones with it are answered 401
Options:
  p=0.2  with this chance    every=N  each Nth match    first=K  at most K times
"""

_METHODS = ("GET", "POST", "PUT", "DELETE", "*")


class Kind(enum.StrEnum):
    """What goes wrong; `FAULT_HELP` says what each means."""

    REFUSED = "refused"
    LOST_BEFORE = "lost-before"
    LOST_AFTER = "lost-after"
    STATUS = "status"
    STATUS_AFTER = "status-after"
    HTML = "html"
    EMPTY = "empty"
    GARBAGE = "garbage"
    CUT = "cut"
    DRIP = "drip"
    FAIL_JOB = "fail-job"
    STUCK_JOB = "stuck-job"
    LIST_LAG = "list-lag"
    EXPIRE = "expire-token"


_BEFORE = frozenset({Kind.REFUSED, Kind.LOST_BEFORE, Kind.STATUS})
_BEHIND = frozenset({Kind.FAIL_JOB, Kind.STUCK_JOB, Kind.LIST_LAG, Kind.EXPIRE})
_JOBS = frozenset({Kind.FAIL_JOB, Kind.STUCK_JOB})


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: which requests it meets, what it does to them, and how often.

    `status` goes with the two status faults, `seconds` with `drip` and `list-lag`, `code` is an error code;
    0 or an empty text where it doesn't apply. `every` and `first` of 0 mean no such condition.
    """

    method: str
    path: str
    kind: Kind
    status: int = 0
    seconds: float = 0.0
    code: str = ""
    retry_after: int | None = None
    probability: float = 1.0
    every: int = 0
    first: int = 0

    def meets(self, method: str, path: str, relative: str) -> bool:
        """Whether a request is meant. `relative` is the part behind the project id, or empty."""
        if self.method not in ("*", method):
            return False
        pattern = _compiled(self.path)
        if self.path.startswith("/"):
            return pattern.fullmatch(path) is not None
        return pattern.fullmatch(relative or path) is not None

    def __str__(self) -> str:
        return f"{self.method} {self.path}:{self.kind}"


@functools.lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")))


def parse_fault(text: str) -> Fault:
    """The fault that `text` describes; ValueError with what is wrong and what is possible."""
    target, *parts = text.strip().split(":")
    method, _, path = target.partition(" ")
    if method.upper() not in _METHODS or not path.strip() or not parts:
        raise _bad(text, "it must begin with METHOD PATH:FAULT, e.g. 'POST server-groups:lost-after'")
    fault = _parse_kind(text, Fault(method.upper(), path.strip(), Kind.DRIP), parts[0])
    for option in parts[1:]:
        fault = _parse_option(text, fault, option)
    _check(text, fault)
    return fault


def _parse_kind(text: str, fault: Fault, part: str) -> Fault:
    word, _, value = part.partition("=")
    try:
        kind = Kind(word)
    except ValueError:
        raise _bad(text, f"there is no fault {word!r}; there are {', '.join(Kind)}") from None
    fault = replace(fault, kind=kind)
    match kind:
        case Kind.STATUS | Kind.STATUS_AFTER:
            return replace(fault, status=_number(text, part, value, least=400, most=599))
        case Kind.DRIP | Kind.LIST_LAG:
            return replace(fault, seconds=_real(text, part, value, most=86_400.0))
        case Kind.FAIL_JOB:
            if not value:
                raise _bad(text, "fail-job needs an error code, e.g. fail-job=SDRS.1014")
            return replace(fault, code=value)
        case _:
            if value:
                raise _bad(text, f"{word} takes no value")
            return fault


def _parse_option(text: str, fault: Fault, part: str) -> Fault:
    key, _, value = part.partition("=")
    match key:
        case "p":
            return replace(fault, probability=_real(text, part, value, most=1.0))
        case "every":
            return replace(fault, every=_number(text, part, value, least=1, most=10**9))
        case "first":
            return replace(fault, first=_number(text, part, value, least=1, most=10**9))
        case "retry-after":
            return replace(fault, retry_after=_number(text, part, value, least=0, most=10**9))
        case "code" if value:
            return replace(fault, code=value)
        case _:
            raise _bad(text, f"there is no option {part!r}; there are p=, every=, first=, retry-after=, code=")


def _check(text: str, fault: Fault) -> None:
    if fault.kind in _JOBS and fault.method == "GET":
        raise _bad(text, f"{fault.kind} concerns requests that start jobs: POST, DELETE or *")
    if fault.kind is Kind.LIST_LAG and fault.method not in ("GET", "*"):
        raise _bad(text, "list-lag concerns lists: write GET or *")
    if fault.kind not in (Kind.STATUS, Kind.STATUS_AFTER):
        if fault.retry_after is not None:
            raise _bad(text, "retry-after goes with status= and status-after=")
        if fault.code and fault.kind is not Kind.FAIL_JOB:
            raise _bad(text, "code goes with status= and status-after=")


def _number(text: str, part: str, value: str, *, least: int, most: int) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 20 and least <= int(value) <= most):
        raise _bad(text, f"{part!r} needs a whole number from {least} to {most}")
    return int(value)


def _real(text: str, part: str, value: str, *, most: float) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= most:
        raise _bad(text, f"{part!r} needs a number from 0 to {most:g}")
    return number


def _bad(text: str, why: str) -> ValueError:
    return ValueError(f"The fault {text!r} can't be read: {why}.")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What meets one request: at most one fault on the wire and one for its job, and the others."""

    wire: Fault | None = None
    job: Fault | None = None
    lag: float = 0.0
    expire: bool = False

    @property
    def before(self) -> Fault | None:
        """The wire fault, if it strikes before anything is done."""
        return self.wire if self.wire and self.wire.kind in _BEFORE else None

    def holds(self, fault: Fault) -> bool:
        """Whether there is one of the fault's sort already, where one is enough."""
        return bool(self.job if fault.kind in _JOBS else self.wire and fault.kind not in _BEHIND)


NO_FAULT = Verdict()

_JSON = (("Content-Type", "application/json"),)
_HTML = (("Content-Type", "text/html"),)
_PAGE = b"<html><head><title>%d</title></head><body></body></html>"


@dataclass(slots=True)
class _Rule:
    fault: Fault
    met: int = 0
    struck: int = 0


@dataclass(slots=True)
class Faults:
    """The faults of one process, with their counts. Chance comes from `chance`, so that a seed repeats it."""

    chance: random.Random
    rules: list[_Rule] = field(default_factory=list)

    def add(self, faults: Iterable[Fault | str]) -> None:
        """Add faults, given as such or as text."""
        self.rules += [_Rule(parse_fault(fault) if isinstance(fault, str) else fault) for fault in faults]

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self.rules.clear()

    def judge(self, method: str, path: str, relative: str) -> Verdict:
        """What meets this request; a fault that another was faster than doesn't count it."""
        verdict = NO_FAULT
        for rule in self.rules:
            fault = rule.fault
            if not verdict.holds(fault) and fault.meets(method, path, relative) and self._strikes(rule):
                verdict = _joined(verdict, fault)
        return verdict

    def _strikes(self, rule: _Rule) -> bool:
        fault = rule.fault
        rule.met += 1
        if fault.every and rule.met % fault.every:
            return False
        if fault.first and rule.struck >= fault.first:
            return False
        if fault.probability < 1.0 and self.chance.random() >= fault.probability:
            return False
        rule.struck += 1
        return True


def _joined(verdict: Verdict, fault: Fault) -> Verdict:
    if fault.kind not in _BEHIND:
        return replace(verdict, wire=fault)
    if fault.kind in _JOBS:
        return replace(verdict, job=fault)
    if fault.kind is Kind.LIST_LAG:
        return replace(verdict, lag=max(verdict.lag, fault.seconds))
    return replace(verdict, expire=True)


def struck(fault: Fault, answer: Answer) -> Answer:
    """What the client gets in place of `answer`."""
    match fault.kind:
        case Kind.REFUSED:
            return replace(answer, delivery=Delivery.REFUSED)
        case Kind.LOST_BEFORE | Kind.LOST_AFTER:
            return replace(answer, delivery=Delivery.DROPPED)
        case Kind.STATUS | Kind.STATUS_AFTER:
            return _failure(fault)
        case Kind.HTML:
            return Answer(200, _PAGE % 200, _HTML)
        case Kind.EMPTY:
            return Answer(200, b"", ())
        case Kind.GARBAGE:
            return replace(answer, status=200, body=b'{"job_id": \x00\xff\xfe[[')
        case Kind.CUT:
            return replace(answer, delivery=Delivery.CUT)
        case _:
            return replace(answer, delivery=Delivery.DRIPPED, seconds=fault.seconds)


def _failure(fault: Fault) -> Answer:
    """Gateway JSON for 429, a page of the proxy for 502 to 504, else the service's own envelope."""
    retry = () if fault.retry_after is None else (("Retry-After", str(fault.retry_after)),)
    if fault.status == 429 and not fault.code:
        text = compact({"error_code": "APIGW.0308", "error_msg": "The throttling threshold has been reached"})
        return Answer(429, text.encode(), _JSON + retry)
    if fault.status in (502, 503, 504) and not fault.code:
        return Answer(fault.status, _PAGE % fault.status, _HTML + retry)
    code = fault.code or ("SDRS.0013" if fault.status >= 500 else "SDRS.0201")
    text = compact({"error": {"message": "An injected fault.", "code": code}})
    return Answer(fault.status, text.encode(), _JSON + retry)
