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

from declarative.simulator import discovery, group_rows, history, identity, jobs, members, routes
from declarative.simulator.faults import Fault, Faults, Verdict, struck
from declarative.simulator.history import NOBODY, Effect, Event, Source
from declarative.simulator.routes import Match, Place
from declarative.simulator.session import Call, Facts, Session
from declarative.simulator.settings import Origin, Rules, WorldError
from declarative.simulator.storage import open_database, transaction
from declarative.simulator.wire import Answer, Draw, Refusal, Request, gateway_refusal, refusal

_TABLES = """
CREATE TABLE world (project_id TEXT NOT NULL, token TEXT NOT NULL, openings INTEGER NOT NULL);
"""
_RULES = Rules()
_ORIGIN = Origin()


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
        self._clock = clock
        self._ahead = 0
        self._draw = Draw(seed)
        self._lock = threading.RLock()
        self.faults = Faults(random.Random(None if seed is None else f"{seed}/faults"))
        self.preset_token = preset_token

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
    ) -> World:
        """Open the world in the file `path`, making it from `origin` if there is none; without a path, one in memory.

        `speed` divides the durations of jobs; with `math.inf` they end at once. `clock` gives seconds since 1970.
        Worlds opened with one `seed`, one after the other, draw the same ids and the same chances each time.
        WorldError if the file can't be used, ValueError for a fault that can't be read or a bad speed.
        """
        if math.isnan(speed) or speed <= 0:
            raise ValueError(f"The simulator's speed must be above 0, not {speed}.")
        fresh = Draw(None if seed is None else f"{seed}/fresh")
        database = open_database(path, lambda empty: _fill(empty, origin, fresh))
        try:
            facts, token, openings = _read(database, rules, speed)
            drawn = None if seed is None else f"{seed}/{openings}"
            world = cls(database, facts, preset_token=token, clock=clock, seed=drawn)
            world.faults.add(faults)
        except sqlite3.Error as error:
            database.close()
            raise WorldError(f"The world in {str(path)!r} can't be read: {error}.") from error
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
        """Let this token work, always, besides `preset_token`."""
        self._facts = replace(self._facts, tokens=self._facts.tokens | {token})

    def handle(self, request: Request) -> Answer:
        """Carry out one request and say what becomes of its answer."""
        place = Place.of(request.path)
        with self._lock:
            verdict = self.faults.judge(request.method, place.path, place.relative)
            source = Source(request.method, place.path, self._draw.hex(32))
            with self._session(source) as session:
                answer = _answered(session, request, place, verdict)
                now = session.now
        headers = (*answer.headers, ("X-Request-Id", source.request_id), ("Date", formatdate(now // 1000, usegmt=True)))
        return replace(answer, headers=headers)

    @contextlib.contextmanager
    def _session(self, source: Source = NOBODY) -> Iterator[Session]:
        """One transaction, in which all jobs that are due have ended."""
        with self._lock, transaction(self._database):
            now = int(self._clock() * 1000) + self._ahead
            session = Session(self._database, now, self._facts, self._draw, source)
            jobs.end_due(session, routes.ENDINGS)
            yield session

    def now(self) -> float:
        """The world's time, in seconds since 1970."""
        return self._clock() + self._ahead / 1000

    def advance(self, seconds: float | None = None) -> None:
        """Move this World's clock on; without `seconds`, to the end of all running jobs that aren't stuck."""
        with self._session() as session:
            target = jobs.last_due(session) if seconds is None else session.now + round(seconds * 1000)
            self._ahead += target - session.now
        with self._session():
            pass

    def history(self) -> list[Event]:
        """All that happened, oldest first."""
        with self._session() as session:
            return history.events(session.database)

    def requests(self) -> dict[tuple[str, str], int]:
        """The number of requests by method and route, e.g. `("GET", "jobs/{job_id}")`, lost and refused ones too."""
        with self._session() as session:
            return history.request_counts(session.database)

    def groups(self) -> list[dict[str, object]]:
        """All protection groups as the service would show them, in the order of creation."""
        with self._session() as session:
            return group_rows.documents(session)

    def set_status(self, group_id: str, status: str) -> None:
        """Give a group any status, known or not. KeyError if there is no such group."""
        with self._session() as session:
            group_rows.change(session, _group(session, group_id), status=status)

    def rename_group(self, group_id: str, name: str) -> None:
        """Rename a group. KeyError if there is no such group."""
        with self._session() as session:
            group_rows.set_name(session, _group(session, group_id), name)

    def delete_group(self, group_id: str) -> None:
        """Remove a group with its members, at once. KeyError if there is no such group."""
        with self._session() as session:
            group_rows.remove(session, _group(session, group_id))

    def add_replication(self, group_id: str, name: str = "pair") -> str:
        """Put a replication pair into a group and return its id. KeyError if there is no such group."""
        with self._session() as session:
            group = _group(session, group_id)
            pair_id = members.add_replication(session, group_id, name=name, status=group.status)
            group_rows.recount(session, group)
        return pair_id

    def add_instance(self, group_id: str, name: str = "instance") -> str:
        """Put a protected instance into a group and return its id. KeyError if there is no such group."""
        with self._session() as session:
            group = _group(session, group_id)
            instance_id = members.add_instance(session, group_id, name=name, status=group.status)
            group_rows.recount(session, group)
        return instance_id

    def set_quota(self, kind: str, number: int) -> None:
        """Set the quota of `server_groups` or `replications`, -1 for none. KeyError for another kind."""
        with self._session() as session:
            discovery.set_quota(session, kind, number)

    def expire_tokens(self) -> None:
        """Let all tokens that IAM has given out expire now."""
        with self._session() as session:
            identity.expire_tokens(session)


def _fill(database: sqlite3.Connection, origin: Origin, draw: Draw) -> None:
    for table in (_TABLES, *routes.TABLES):
        for statement in table.split(";"):
            database.execute(statement)
    project_id = origin.project_id or draw.hex(32)
    database.execute("INSERT INTO world VALUES (?, ?, 0)", (project_id, draw.hex(64)))
    discovery.fill(database, origin, draw)


def _read(database: sqlite3.Connection, rules: Rules, speed: float) -> tuple[Facts, str, int]:
    with transaction(database):
        database.execute("UPDATE world SET openings = openings + 1")
        project_id, token, openings = database.execute("SELECT project_id, token, openings FROM world").fetchone()
        domains = discovery.domains(database)
    return Facts(project_id, domains, frozenset({token}), rules, speed), token, openings


def _group(session: Session, group_id: str) -> group_rows.Group:
    group = group_rows.find(session, group_id)
    if group is None:
        raise KeyError(group_id)
    return group


def _answered(session: Session, request: Request, place: Place, verdict: Verdict) -> Answer:
    match = routes.find(request.method, place)
    history.count_request(session.database, request.method, match.route.path if match else routes.UNKNOWN_ROUTE)
    if verdict.wire:
        session.record(Effect.FAULT, "", name=str(verdict.wire))
    if verdict.before:
        return struck(verdict.before, Answer(200))
    try:
        answer = _carried_out(session, request, place, match, verdict)
    except Refusal as refused:
        answer = refused.answer
    return struck(verdict.wire, answer) if verdict.wire else answer


def _carried_out(session: Session, request: Request, place: Place, match: Match | None, verdict: Verdict) -> Answer:
    if match is None:
        raise gateway_refusal("APIGW.0101", "The API does not exist or has not been published.", status=404)
    call = Call(session, request, match.parameters, verdict)
    if not match.route.is_open:
        identity.check(call)
        if place.project != session.facts.project_id:
            raise refusal("SDRS.0001", "The project id is invalid.")
    return match.route.answer(call)
