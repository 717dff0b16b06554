"""A world: one project in a cloud that offers SDRS, with its clock, its faults and its history.

`World.open` gives one, `World.handle` answers a request, the rest is for tests: to look, and to do things behind the
client's back. A world may be used by several threads, and a file by several processes.
"""

from __future__ import annotations

import contextlib
import math
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

from declarative.simulator import routes
from declarative.simulator.acts import Act, Done, perform
from declarative.simulator.calls import discovery, group_lookup, identity, jobs
from declarative.simulator.estate import check_estate
from declarative.simulator.operator import Operator
from declarative.simulator.protocol import shaping
from declarative.simulator.protocol.faults import KEPT, SHOWN, Fault, Kind
from declarative.simulator.protocol.fields import parse
from declarative.simulator.protocol.refusals import refused
from declarative.simulator.protocol.strikes import NO_FAULT, Faults, Verdict, struck
from declarative.simulator.protocol.wire import (
    BODY_LIMIT,
    Answer,
    Draw,
    Envelope,
    Refusal,
    Request,
    enveloped,
    refusal,
)
from declarative.simulator.routes import Match, Place
from declarative.simulator.settings import Origin, Rules
from declarative.simulator.tables import (
    compute,
    drill_rows,
    group_rows,
    history,
    identity_rows,
    instance_rows,
    replication_rows,
)
from declarative.simulator.tables.history import NOBODY, Change, Effect, Event, Noun, Source, Subject
from declarative.simulator.tables.session import Call, Facts, Session
from declarative.simulator.tables.storage import damaged, open_database, transaction

_TABLES = """
CREATE TABLE world (
    project_id TEXT NOT NULL, token TEXT NOT NULL, openings INTEGER NOT NULL, any_id INTEGER NOT NULL);
"""
Document = dict[str, object]
_RULES = Rules()
_ORIGIN = Origin()
_GATEWAY = (b'{"error_code":"APIGW.', b'{"error_code":"APIG.')  # what begins the answers of both sorts of gateway


class World:
    """One world, open. Make it with `World.open`, and close it, or use it in a `with` statement."""

    def __init__(
        self,
        database: sqlite3.Connection,
        facts: Facts,
        *,
        preset_token: str,
        clock: Callable[[], float],
        seed: str | None,
    ) -> None:
        self._database = database
        self._facts = facts
        self._machine_clock = clock
        self._ahead = 0
        self._draw = Draw(seed, has_dashes=not facts.rules.dashless_ids)
        self._lock = threading.RLock()
        self._open: Session | None = None
        self.faults = Faults(random.Random(None if seed is None else f"{seed}/faults"))
        self.preset_token = preset_token
        self.operator = Operator(self._session)

    @classmethod
    def open(
        cls,
        path: Path | None = None,
        *,
        speed: float = 1.0,
        faults: Iterable[Fault | str] = (),
        rules: Rules = _RULES,
        origin: Origin = _ORIGIN,
        clock: Callable[[], float] = time.time,
        seed: int | None = None,
        lasting: bool = True,
    ) -> World:
        """Open the world in the file `path`, making it from `origin` if there is none; without a path, one in memory.

        Not `lasting`, it is a copy of what the file holds: what happens in it is forgotten, and nothing is written.

        `speed` divides the durations of jobs; with `math.inf` they end at once. `clock` gives seconds since 1970.
        Worlds opened with one `seed`, one after the other, draw the same ids and the same chances each time.
        WorldError if the file can't be used, ValueError for a fault that can't be read, a bad speed or estate.
        """
        if math.isnan(speed) or speed <= 0:
            raise ValueError(f"The simulator's speed must be above 0, not {speed}.")
        if origin.estate is not None:
            check_estate(origin.estate)
        fresh = Draw(None if seed is None else f"{seed}/fresh", has_dashes=not rules.dashless_ids)
        database = open_database(path, lambda empty: _fill(empty, origin, fresh), lasting=lasting)
        try:
            facts, token, openings = _read(database, rules, speed)
            drawn = None if seed is None else f"{seed}/{openings}"
            world = cls(database, facts, preset_token=token, clock=clock, seed=drawn)
            world.faults.add(faults)
        except sqlite3.Error as error:
            database.close()
            raise damaged(path, error) from error
        except BaseException:
            database.close()
            raise
        return world

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._database.close()

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def project_id(self) -> str:
        """32 hex digits, drawn when the world was made."""
        return self._facts.project_id

    @property
    def domain_ids(self) -> tuple[str, ...]:
        """The ids of the active-active domains."""
        return tuple(domain.id for domain in self._facts.domains)

    def accept_token(self, token: str) -> None:
        """Let this token work besides `preset_token`, until the fault `expire-token` meets it."""
        self._facts = replace(self._facts, tokens=self._facts.tokens | {token})

    def judge(self, request: Request) -> Verdict:
        """What will meet this request, which has just been sent; the faults' counts go on."""
        if not self.faults.rules:
            return NO_FAULT
        place = Place.of(request.path)
        with self._lock:
            return self.faults.judge(request.method, place.path, place.relative)

    def handle(self, request: Request, verdict: Verdict | None = None) -> Answer:
        """Carry out one request and say what becomes of its answer.

        Nothing is waited for here: who carries requests asks `judge` first, gives the verdict `slow` its seconds,
        hands it over here, and gives the answer `late` ones.
        """
        place = Place.of(request.path)
        verdict = self.judge(request) if verdict is None else verdict
        with self._lock:
            source = Source(request.method, place.path, self._draw.hex(32))
            with self._session(source) as session:
                answer = _recorded(session, request, place, verdict)
                now = session.now
        request_id = ("X-IAM-Trace-Id" if place.is_iam else "X-Request-Id", source.request_id)
        headers = (*answer.headers, request_id, ("Date", formatdate(now // 1000, usegmt=True)))
        late = verdict.seconds(Kind.SLOW_AFTER)
        return replace(answer, body=_of_gateway(answer, source.request_id), headers=headers, late=late)

    def perform(self, act: Act) -> Done:
        """Carry out an act of a person, past the client. Raises ActRefused, and then nothing has happened."""
        with self._session() as session:
            return perform(session, self.operator, act)

    @contextlib.contextmanager
    def _session(self, source: Source = NOBODY) -> Iterator[Session]:
        """One transaction, in which all jobs that are due have ended; inside another it is part of that."""
        with self._lock:
            if self._open is not None:
                yield replace(self._open, source=source)
                return
            with transaction(self._database):
                now = int(self._clock() * 1000) + self._ahead
                session = Session(self._database, now, self._facts, self._draw, source)
                jobs.end_due(session, routes.ENDINGS)
                self._open = session
                try:
                    yield session
                finally:
                    self._open = None

    def _clock(self) -> float:
        """The cloud's clock, as far as it isn't moved on by `advance`."""
        return self._machine_clock() + self._facts.rules.clock_ahead

    def now(self) -> float:
        """The world's time, in seconds since 1970."""
        return self._clock() + self._ahead / 1000

    def advance(self, seconds: float | None = None) -> None:
        """Move this World's clock on; without `seconds`, to the end of all copying and all jobs that aren't stuck.

        RuntimeError inside `at_once`, where no time passes.
        """
        with self._lock:
            if self._open is not None:
                raise RuntimeError("No time passes inside at_once.")
        with self._session() as session:
            target = _rest(session) if seconds is None else session.now + round(seconds * 1000)
            self._ahead += target - session.now
        with self._session() as session:
            is_over = seconds is not None or _rest(session) <= session.now
        if not is_over:
            self.advance()

    def history(self) -> list[Event]:
        """All that happened, oldest first."""
        with self._session() as session:
            return history.events(session.database)

    def requests(self) -> dict[tuple[str, str], int]:
        """The number of requests by method and route, e.g. `("GET", "jobs/{job_id}")`, lost and refused ones too."""
        with self._session() as session:
            return history.request_counts(session.database)

    def changes(self) -> list[Change]:
        """All requests that would change something, oldest first, each with the group that it concerned."""
        with self._session() as session:
            return history.changes(session.database)

    # Looking

    def groups(self) -> list[Document]:
        """All protection groups as the service would show them, in the order of creation."""
        with self._session() as session:
            return group_rows.documents(session)

    def instances(self) -> list[Document]:
        """All protected instances, likewise."""
        with self._session() as session:
            return instance_rows.documents(session, instance_rows.every(session))

    def replications(self) -> list[Document]:
        """All replication pairs, likewise."""
        with self._session() as session:
            return replication_rows.documents(session, replication_rows.every(session))

    def drills(self) -> list[Document]:
        """All drills, likewise."""
        with self._session() as session:
            return [drill.document() for drill in drill_rows.every(session)]

    def servers(self) -> list[Document]:
        """All servers that are known, with their disks: `role` tells ordinary, assumed, recovery and drill ones."""
        with self._session() as session:
            return compute.server_documents(session)

    def disks(self) -> list[Document]:
        """All disks that are known, whether a server has them or not."""
        with self._session() as session:
            return compute.disk_documents(session)


def _rest(session: Session) -> int:
    """When all that is under way now will be over: jobs that aren't stuck, and copying."""
    return max(jobs.last_due(session), replication_rows.last_copied(session))


def _fill(database: sqlite3.Connection, origin: Origin, draw: Draw) -> None:
    for table in (_TABLES, *routes.TABLES):
        for statement in table.split(";"):
            database.execute(statement)
    project_id = origin.project_id or draw.hex(32)
    any_id = origin.estate is None
    database.execute("INSERT INTO world VALUES (?, ?, 0, ?)", (project_id, draw.hex(64), any_id))
    discovery.fill(database, origin, draw)
    session = Session(database, 0, Facts(project_id, (), frozenset(), _RULES, 1.0, any_id), draw)
    if origin.estate is not None:
        compute.fill(session, origin.estate)
    if origin.accounts is not None:
        identity_rows.set_accounts(session, origin.accounts)


def _read(database: sqlite3.Connection, rules: Rules, speed: float) -> tuple[Facts, str, int]:
    with transaction(database):
        database.execute("UPDATE world SET openings = openings + 1")
        row = database.execute("SELECT project_id, token, openings, any_id FROM world").fetchone()
        domains = discovery.domains(database)
        (accounts,) = database.execute("SELECT count(*) FROM accounts").fetchone()
    project_id, token, openings, any_id = row
    facts = Facts(project_id, domains, frozenset({token}), rules, speed, bool(any_id), has_accounts=bool(accounts))
    return facts, token, openings


def _recorded(session: Session, request: Request, place: Place, verdict: Verdict) -> Answer:
    """The answer to a request, which is counted, and written down if it would change something."""
    match = routes.find(request.method, place)
    history.count_request(session.database, request.method, match.route.path if match else routes.UNKNOWN_ROUTE)
    if match is None or not match.route.changes:
        return _answered(session, request, place, match, verdict)[0]
    group = group_lookup.group_of(session, match.route.path, match.parameters, request.body)
    answer, reached = _answered(session, request, place, match, verdict)
    history.append_change(
        session.database, session.source, at=session.now, group=group, body=request.body, status=reached
    )
    return answer


def _answered(
    session: Session, request: Request, place: Place, match: Match | None, verdict: Verdict
) -> tuple[Answer, int]:
    """What the client gets, and the status of what was done; that is 0 if a fault struck before."""
    if verdict.wire:
        session.record(Effect.FAULT, Subject(Noun.WORLD, "", str(verdict.wire)))
    if verdict.before:
        return struck(verdict.before, Answer(200), place.path), 0
    if changed := verdict.of(KEPT):
        request = replace(request, body=shaping.kept(changed, request.body))
    try:
        answer = _carried_out(session, request, place, match, verdict)
    except Refusal as error:
        answer = _in_envelope(error.answer, session.facts.rules.envelope)
    if changed := verdict.of(SHOWN):
        answer = shaping.shown(changed, answer)
    return struck(verdict.wire, answer, place.path) if verdict.wire else answer, answer.status


def _of_gateway(answer: Answer, request_id: str) -> bytes:
    """The body; what the gateway says itself tells the id of the request once more."""
    if answer.status < 400 or not answer.body.startswith(_GATEWAY) or not answer.body.endswith(b"}"):
        return answer.body
    return answer.body[:-1] + f',"request_id":"{request_id}"}}'.encode()


def _in_envelope(answer: Answer, envelope: Envelope) -> Answer:
    """An error of the service itself in the envelope that the rules ask for; those of others as they are."""
    told = None if envelope is Envelope.E1 else parse(answer.body)
    error = told.get("error") if isinstance(told, dict) else None
    if not isinstance(error, dict) or not str(error.get("code")).startswith("SDRS."):
        return answer
    document = enveloped(envelope, str(error["code"]), str(error["message"]), status=answer.status)
    return Answer.of(document, status=answer.status)


def _carried_out(session: Session, request: Request, place: Place, match: Match | None, verdict: Verdict) -> Answer:
    if len(request.body) > BODY_LIMIT:
        raise refused("APIGW.0106")
    if match is None:
        raise refused("APIGW.0101")
    call = Call(session, request, match.parameters, verdict)
    if not match.route.is_open:
        identity.check(call, in_project=not match.route.is_whole)
    if not match.route.is_whole and place.project != session.facts.project_id:
        raise refusal("SDRS.0001", "The project id is invalid.")
    return match.route.answer(call)
