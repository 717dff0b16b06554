"""Faults on request: what may go wrong between a client and the service, as a small language.

    METHOD PATH:FAULT[:OPTION]...

`METHOD` is GET, POST, PUT, DELETE or `*`. `PATH` is what follows `/v1/{project_id}/`, or the whole path when it
begins with `/`; `*` in it stands for any text, `?` for one character. Faults and options: see `FAULT_HELP`.
"""

from __future__ import annotations

import enum
import fnmatch
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from declarative.simulator.protocol.refusals import REFUSALS
from declarative.simulator.protocol.wire import STAMPS, Envelope

FAULT_HELP = """\
A fault is METHOD PATH:FAULT[:OPTION]..., for example
  'POST server-groups:lost-after:p=0.2'     every fifth answer to a create is lost, by chance
  'GET jobs/*:status=503:first=3'           the first three looks at jobs are answered 503
  '* *:status=429:retry-after=1:every=10'   every tenth request is turned away
METHOD is GET, POST, PUT, DELETE or *. PATH follows /v1/{project_id}/, or is a whole path such as /v3/auth/tokens;
* in it stands for any text.

Faults on the wire; of several that would meet one request, the first wins:
  refused           no connection is made (behind a socket: the same as lost-before)
  lost-before       the connection ends without an answer, nothing was done
  lost-after        the connection ends without an answer, the request was carried out
  status=NNN        answered with this status (400 to 599), nothing was done; options code=, envelope=, retry-after=
  status-after=NNN  answered with this status, the request was carried out; the same options
  redirect=NNN      redirected to another origin (301, 302, 303, 307, 308; 302 without =NNN), nothing was done
  html empty json garbage
                    answered 200 with such a body (json: of some other service), the request was carried out
  html=NNN empty=NNN json=NNN
                    answered with this status and such a body; from 300 on, nothing was done
  cut               the body ends in the middle, the request was carried out
  drip=SECONDS      the body comes piece by piece over this time
Slowness, beside any other fault:
  slow=SECONDS      the request takes this long to arrive and is then carried out, even if the client has given up
  slow-after=SECONDS
                    the request is carried out at once, the answer takes this long to arrive
Lists (GET):
  list-lag=SECONDS  what was created less than this time ago isn't shown
  drop-newest=N     the N newest rows aren't shown
  drop-rows=P       each row is left out with this chance, anew in each answer; the count includes it
  page-cap=N        a page holds at most N rows, whatever limit says
  repeat-last       past the end the last page comes again
  count=WHAT        the count is that of the page (page), missing (absent), or off by a number (+N, -N)
The job that the request starts:
  fail-job=CODE     it will fail with this error code, e.g. SDRS.1014
  stuck-job         it never ends
  job-entity=WHICH  after a create it names no id (none), one that never existed (ghost), or that of another object: in
                    the same place (wrong), in another group or place (foreign), or beside its own (several)
Fields of an answer, at any depth (not DELETE):
  hide=FIELD blank=FIELD null=FIELD
                    the field is missing, "", or null
  text=FIELD number=FIELD
                    a number is shown as text, text as a number
  set=FIELD=TEXT    the field shows this text, e.g. set=status=hibernating
  rename=FIELD=NAME the field has this name, e.g. rename=replication_pair_id=replication_id
  stamps=PATTERN    times are blank (2025-03-11 09:14:02.3), whole, six, zulu, seconds or milliseconds
Fields of a request, at any depth (POST, PUT); what the service makes of them stays:
  trim=FIELD upper=FIELD lower=FIELD emptied=FIELD
                    blanks at both ends are cut, the case changes, the text is taken as ""
Who asks:
  deny=CODE         IAM or the gateway refuses with this code and its status, e.g. IAM.0062, APIGW.0302 or APIG.0302;
                    nothing was done
  forbid=ACTION     403 that names the missing permission, e.g. forbid=sdrs:serverGroups:create; nothing was done
  expire-token      the token of the request expires: this request and all later ones with it are answered 401
Options:
  p=0.2  with this chance    every=N  each Nth match    first=K  at most K times
  code=CODE  envelope=E1 (error), E2 (badrequest), E3 (itemNotFound), E4 (error_code), E5 (top level) or E6 (badRequest
  with a number as its code)  retry-after=SECONDS
"""

_METHODS = ("GET", "POST", "PUT", "DELETE", "*")


class Kind(enum.StrEnum):
    """What goes wrong; `FAULT_HELP` says what each means."""

    REFUSED = "refused"
    LOST_BEFORE = "lost-before"
    LOST_AFTER = "lost-after"
    STATUS = "status"
    STATUS_AFTER = "status-after"
    REDIRECT = "redirect"
    HTML = "html"
    EMPTY = "empty"
    JSON = "json"
    GARBAGE = "garbage"
    CUT = "cut"
    DRIP = "drip"
    SLOW = "slow"
    SLOW_AFTER = "slow-after"
    LIST_LAG = "list-lag"
    DROP_NEWEST = "drop-newest"
    DROP_ROWS = "drop-rows"
    PAGE_CAP = "page-cap"
    REPEAT_LAST = "repeat-last"
    COUNT = "count"
    FAIL_JOB = "fail-job"
    STUCK_JOB = "stuck-job"
    JOB_ENTITY = "job-entity"
    HIDE = "hide"
    BLANK = "blank"
    NULL = "null"
    TEXT = "text"
    NUMBER = "number"
    SET = "set"
    RENAME = "rename"
    STAMPS = "stamps"
    TRIM = "trim"
    UPPER = "upper"
    LOWER = "lower"
    EMPTIED = "emptied"
    DENY = "deny"
    FORBID = "forbid"
    EXPIRE = "expire-token"


Kinds = frozenset[Kind]

STATUSES: Kinds = frozenset({Kind.STATUS, Kind.STATUS_AFTER})
WIRE: Kinds = STATUSES | {
    Kind.REFUSED,
    Kind.LOST_BEFORE,
    Kind.LOST_AFTER,
    Kind.REDIRECT,
    Kind.HTML,
    Kind.EMPTY,
    Kind.JSON,
    Kind.GARBAGE,
    Kind.CUT,
    Kind.DRIP,
    Kind.DENY,
    Kind.FORBID,
}
LISTS: Kinds = frozenset({Kind.LIST_LAG, Kind.DROP_NEWEST, Kind.DROP_ROWS, Kind.PAGE_CAP, Kind.REPEAT_LAST, Kind.COUNT})
JOB_ENDS: Kinds = frozenset({Kind.FAIL_JOB, Kind.STUCK_JOB})
SHOWN: Kinds = frozenset({Kind.HIDE, Kind.BLANK, Kind.NULL, Kind.TEXT, Kind.NUMBER, Kind.SET, Kind.RENAME, Kind.STAMPS})
KEPT: Kinds = frozenset({Kind.TRIM, Kind.UPPER, Kind.LOWER, Kind.EMPTIED})

_BEFORE: Kinds = frozenset({Kind.REFUSED, Kind.LOST_BEFORE, Kind.STATUS, Kind.REDIRECT, Kind.DENY, Kind.FORBID})

ENTITIES = ("none", "ghost", "wrong", "foreign", "several")
_REDIRECTS = (301, 302, 303, 307, 308)
_OFFSET = re.compile(r"[+-][0-9]{1,9}", re.ASCII)
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: which requests it meets, what it does to them, and how often.

    What else there is depends on the kind, and is 0 or empty where it doesn't apply: `status` of the answer, `seconds`,
    an error `code` in an `envelope`, a `number` of rows, the `share` of rows, a `field`, and a `word`: which id a job
    names, what a count says, the pattern of times, the text of `set`, the name of `rename`, the code of `deny` or a
    permission. `every` and `first` of 0 mean no such condition.
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
    envelope: Envelope = Envelope.E1
    number: int = 0
    share: float = 0.0
    field: str = ""
    word: str = ""

    @property
    def is_before(self) -> bool:
        """Whether it strikes before anything is done."""
        if self.kind in (Kind.HTML, Kind.EMPTY, Kind.JSON):
            return self.status >= 300
        return self.kind in _BEFORE

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
    return _READERS.get(kind, _without_value)(text, replace(fault, kind=kind), value)


def _without_value(text: str, fault: Fault, value: str) -> Fault:
    if value:
        raise _bad(text, f"{fault.kind} takes no value")
    return fault


def _with_status(text: str, fault: Fault, value: str) -> Fault:
    return replace(fault, status=_number(text, f"{fault.kind}={value}", value, least=400, most=599))


def _with_redirect(text: str, fault: Fault, value: str) -> Fault:
    if value and value not in map(str, _REDIRECTS):
        raise _bad(text, f"redirect takes {', '.join(map(str, _REDIRECTS))}")
    return replace(fault, status=int(value or 302))


def _with_body(text: str, fault: Fault, value: str) -> Fault:
    """204 and 304 have no body, so that they couldn't have such a one."""
    status = _number(text, f"{fault.kind}={value}", value or "200", least=200, most=599)
    if status in (204, 304):
        raise _bad(text, f"a status of {status} comes without a body")
    return replace(fault, status=status)


def _with_seconds(text: str, fault: Fault, value: str) -> Fault:
    return replace(fault, seconds=_real(text, f"{fault.kind}={value}", value, most=_DAY))


def _with_rows(text: str, fault: Fault, value: str) -> Fault:
    return replace(fault, number=_number(text, f"{fault.kind}={value}", value, least=1, most=10**9))


def _with_share(text: str, fault: Fault, value: str) -> Fault:
    return replace(fault, share=_real(text, f"{fault.kind}={value}", value, most=1.0))


def _with_count(text: str, fault: Fault, value: str) -> Fault:
    if _OFFSET.fullmatch(value):
        return replace(fault, number=int(value))
    if value not in ("page", "absent"):
        raise _bad(text, "count needs page, absent, +N or -N")
    return replace(fault, word=value)


def _with_code(text: str, fault: Fault, value: str) -> Fault:
    if not value:
        raise _bad(text, "fail-job needs an error code, e.g. fail-job=SDRS.1014")
    return replace(fault, code=value)


def _with_refusal(text: str, fault: Fault, value: str) -> Fault:
    if value.replace("APIG.", "APIGW.") not in REFUSALS:
        raise _bad(text, f"deny needs a code of IAM or the gateway: {', '.join(REFUSALS)}; or APIG. in place of APIGW.")
    return replace(fault, word=value)


def _with_permission(text: str, fault: Fault, value: str) -> Fault:
    if not value:
        raise _bad(text, "forbid needs a permission, e.g. forbid=sdrs:serverGroups:create")
    return replace(fault, word=value)


def _with_word(words: tuple[str, ...]) -> Callable[[str, Fault, str], Fault]:
    def reader(text: str, fault: Fault, value: str) -> Fault:
        if value not in words:
            raise _bad(text, f"{fault.kind} needs one of {', '.join(words)}")
        return replace(fault, word=value)

    return reader


def _with_field(text: str, fault: Fault, value: str) -> Fault:
    if not value:
        raise _bad(text, f"{fault.kind} needs the name of a field, e.g. {fault.kind}=description")
    return replace(fault, field=value)


def _with_field_and_text(text: str, fault: Fault, value: str) -> Fault:
    field, mark, word = value.partition("=")
    if not field or not mark:
        raise _bad(text, "set needs a field and a text, e.g. set=status=hibernating")
    return replace(fault, field=field, word=word)


def _with_field_and_name(text: str, fault: Fault, value: str) -> Fault:
    field, _, word = value.partition("=")
    if not field or not word:
        raise _bad(text, "rename needs a field and its new name, e.g. rename=replication_pair_id=replication_id")
    return replace(fault, field=field, word=word)


_READERS: dict[Kind, Callable[[str, Fault, str], Fault]] = {
    Kind.STATUS: _with_status,
    Kind.STATUS_AFTER: _with_status,
    Kind.REDIRECT: _with_redirect,
    Kind.HTML: _with_body,
    Kind.EMPTY: _with_body,
    Kind.JSON: _with_body,
    Kind.DRIP: _with_seconds,
    Kind.SLOW: _with_seconds,
    Kind.SLOW_AFTER: _with_seconds,
    Kind.LIST_LAG: _with_seconds,
    Kind.DROP_NEWEST: _with_rows,
    Kind.DROP_ROWS: _with_share,
    Kind.PAGE_CAP: _with_rows,
    Kind.COUNT: _with_count,
    Kind.FAIL_JOB: _with_code,
    Kind.JOB_ENTITY: _with_word(ENTITIES),
    Kind.STAMPS: _with_word(tuple(STAMPS)),
    Kind.SET: _with_field_and_text,
    Kind.RENAME: _with_field_and_name,
    Kind.DENY: _with_refusal,
    Kind.FORBID: _with_permission,
} | dict.fromkeys((SHOWN | KEPT) - {Kind.SET, Kind.RENAME, Kind.STAMPS}, _with_field)


def _parse_option(text: str, fault: Fault, part: str) -> Fault:
    key, mark, value = part.partition("=")
    if fault.kind is Kind.FORBID and part and not mark:  # a permission has colons of its own
        return replace(fault, word=f"{fault.word}:{part}")
    match key:
        case "p":
            return replace(fault, probability=_real(text, part, value, most=1.0))
        case "every":
            return replace(fault, every=_number(text, part, value, least=1, most=10**9))
        case "first":
            return replace(fault, first=_number(text, part, value, least=1, most=10**9))
        case "retry-after":
            return replace(fault, retry_after=_number(text, part, value, least=0, most=10**9))
        case "envelope":
            if value not in tuple(Envelope):
                raise _bad(text, f"envelope needs one of {', '.join(Envelope)}")
            return replace(fault, envelope=Envelope(value))
        case "code" if value:
            return replace(fault, code=value)
        case _:
            raise _bad(
                text, f"there is no option {part!r}; there are p=, every=, first=, retry-after=, code=, envelope="
            )


def _check(text: str, fault: Fault) -> None:
    if fault.kind in JOB_ENDS | {Kind.JOB_ENTITY} and fault.method == "GET":
        raise _bad(text, f"{fault.kind} concerns requests that start jobs: POST, DELETE or *")
    if fault.kind in LISTS and fault.method not in ("GET", "*"):
        raise _bad(text, f"{fault.kind} concerns lists: write GET or *")
    if fault.kind in SHOWN and fault.method == "DELETE":
        raise _bad(text, f"{fault.kind} concerns answers that show objects, and none to DELETE does")
    if fault.kind in KEPT and fault.method in ("GET", "DELETE"):
        raise _bad(text, f"{fault.kind} concerns what is sent to be kept: write POST, PUT or *")
    if fault.kind not in STATUSES:
        if fault.retry_after is not None:
            raise _bad(text, "retry-after goes with status= and status-after=")
        if fault.code and fault.kind is not Kind.FAIL_JOB:
            raise _bad(text, "code goes with status= and status-after=")
        if fault.envelope is not Envelope.E1:
            raise _bad(text, "envelope goes with status= and status-after=")


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
