"""When faults strike, and what the client then gets in place of the answer."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from declarative.simulator.protocol.faults import JOB_ENDS, WIRE, Fault, Kind, Kinds, parse_fault
from declarative.simulator.protocol.refusals import forbidden, refused
from declarative.simulator.protocol.wire import Answer, Delivery, Envelope, compact, enveloped


@dataclass(frozen=True, slots=True)
class Verdict:
    """What meets one request: at most one fault on the wire and one for the end of its job, and all the others."""

    wire: Fault | None = None
    job: Fault | None = None
    others: tuple[Fault, ...] = ()

    @property
    def before(self) -> Fault | None:
        """The wire fault, if it strikes before anything is done."""
        return self.wire if self.wire and self.wire.is_before else None

    @property
    def is_expiry(self) -> bool:
        """Whether the token expires."""
        return self.first(Kind.EXPIRE) is not None

    def first(self, kind: Kind) -> Fault | None:
        """The first of the others that is of this kind."""
        for fault in self.others:
            if fault.kind is kind:
                return fault
        return None

    def of(self, kinds: Kinds) -> list[Fault]:
        """Those of the others that are of one of these kinds."""
        return [fault for fault in self.others if fault.kind in kinds] if self.others else []

    def seconds(self, kind: Kind) -> float:
        """The longest time that faults of this kind ask for, 0 without any."""
        return max((fault.seconds for fault in self.others if fault.kind is kind), default=0.0) if self.others else 0.0

    def holds(self, fault: Fault) -> bool:
        """Whether there is one of the fault's sort already, where one is enough."""
        return (fault.kind in WIRE and self.wire is not None) or (fault.kind in JOB_ENDS and self.job is not None)

    def joined(self, fault: Fault) -> Verdict:
        """This with one more fault."""
        if fault.kind in WIRE:
            return replace(self, wire=fault)
        if fault.kind in JOB_ENDS:
            return replace(self, job=fault)
        return replace(self, others=(*self.others, fault))


NO_FAULT = Verdict()


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
                verdict = verdict.joined(fault)
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


_JSON = (("Content-Type", "application/json"),)
_HTML = (("Content-Type", "text/html"),)
_PAGE = b"<html><head><title>%d</title></head><body></body></html>"
_ELSEWHERE = "https://elsewhere.invalid"  # a name that never leads anywhere


def struck(fault: Fault, answer: Answer, path: str) -> Answer:
    """What the client gets in place of `answer`, having asked for `path`."""
    match fault.kind:
        case Kind.REFUSED:
            return replace(answer, delivery=Delivery.REFUSED)
        case Kind.LOST_BEFORE | Kind.LOST_AFTER:
            return replace(answer, delivery=Delivery.DROPPED)
        case Kind.STATUS | Kind.STATUS_AFTER:
            return _failure(fault)
        case Kind.REDIRECT:
            return Answer(fault.status, b"", (("Location", f"{_ELSEWHERE}{path}"),))
        case Kind.HTML:
            return Answer(fault.status, _PAGE % fault.status, _HTML)
        case Kind.EMPTY:
            return Answer(fault.status, b"", ())
        case Kind.JSON:
            return Answer.of({"timestamp": 0, "status": fault.status, "path": path}, status=fault.status)
        case Kind.GARBAGE:
            return replace(answer, status=200, body=b'{"job_id": \x00\xff\xfe[[')
        case Kind.DENY:
            return refused(fault.word).answer
        case Kind.FORBID:
            return forbidden(fault.word).answer
        case Kind.CUT:
            return replace(answer, delivery=Delivery.CUT)
        case _:
            return replace(answer, delivery=Delivery.DRIPPED, seconds=fault.seconds)


def _failure(fault: Fault) -> Answer:
    """Gateway JSON for 429, a page of the proxy for 502 to 504, else the service's own envelope."""
    retry = () if fault.retry_after is None else (("Retry-After", str(fault.retry_after)),)
    is_plain = not fault.code and fault.envelope is Envelope.E1
    if fault.status == 429 and is_plain:
        throttled = refused("APIGW.0308").answer
        return replace(throttled, headers=throttled.headers + retry)
    if fault.status in (502, 503, 504) and is_plain:
        return Answer(fault.status, _PAGE % fault.status, _HTML + retry)
    code = fault.code or ("SDRS.0013" if fault.status >= 500 else "SDRS.0201")
    text = compact(enveloped(fault.envelope, code, "An injected fault.", status=fault.status))
    return Answer(fault.status, text.encode(), _JSON + retry)
