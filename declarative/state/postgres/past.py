"""What a state can be restored to: its backups, each a whole text, and the batches of the history that lead on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from declarative.errors import StateError
from declarative.state import journal, snapshot
from declarative.state.postgres.reading import LARGEST, one_look
from declarative.state.postgres.rows import history_checksum
from declarative.state.postgres.schema import Schema
from declarative.state.postgres.session import Row, Session
from declarative.state.snapshot import State, fold
from declarative.state.store import Point
from declarative.typed_json import Malformed

_ID = "select id from @.marks where name = %(name)s"
_BACKUPS = """
select b.id, b.serial, b.digest, b.text from @.backups b
where b.state = %(id)s and octet_length(b.text) <= %(largest)s order by b.id desc limit 10
"""
_CHAIN = """
select h.serial, h.epoch, h.lineage, h.previous, h.digest, h.who, h.records, h.checksum from @.history h
where h.state = %(id)s and h.records is not null order by h.serial
"""


@dataclass(frozen=True, slots=True)
class _Link:
    """A row of the history that is as it was written."""

    lineage: str
    previous: str
    digest: str
    records: str


class Past:
    """The backups and the history of one state, as they are now."""

    def __init__(self, session: Session, schema: Schema, name: str) -> None:
        self._backups: Sequence[Row] = ()
        self._links: dict[int, _Link] = {}
        with one_look(session):
            if schema.version(session) is None or not (ids := session.query(schema.sql(_ID), {"name": name})):
                return
            at = {"id": ids[0][0], "largest": LARGEST}
            self._backups = session.query(schema.sql(_BACKUPS), at)
            for *row, said in session.query(schema.sql(_CHAIN), at):
                if said == history_checksum(*row):
                    serial, _, lineage, previous, digest, _, records = row
                    self._links[serial] = _Link(lineage, previous, digest, records)

    def histories(self) -> Iterator[tuple[str, Iterator[State]]]:
        """Yield each beginning that is whole, newest first, with the states that the history leads it through.

        A state is the same object as the one before, gone on.
        """
        for number, serial, digest, text in self._backups:
            try:
                state = snapshot.decode(text.encode("utf-8", "surrogatepass"), source=f"backup {number}")
            except StateError:
                continue
            if state.serial == serial:
                yield f"backup {number}", self._walk(state, digest)
        first = self._links.get(1)
        if first is not None and first.previous == "":
            yield "the history", self._walk(snapshot.fresh(first.lineage), "")

    def _walk(self, state: State, digest: str) -> Iterator[State]:
        yield state
        while (link := self._links.get(state.serial + 1)) is not None:
            if link.previous != digest or link.lineage != state.lineage:
                return
            header = journal.encode_header(link.lineage, after=state.serial)
            with contextlib.suppress(StateError, UnicodeError):
                read = journal.decode(header + link.records.encode("ascii"), source="the history")
                if len(read.batches) == 1:
                    for record in read.batches[0].records:
                        fold(state, record)
                    state.serial += 1
                    digest = link.digest
                    try:
                        snapshot.require_sound(state)
                    except Malformed:
                        return
                    yield state
                    continue
            return

    def points(self, current: State | None) -> list[Point]:
        """Return what can be restored, newest first; `current`: what is there, if it can be read."""
        found: list[Point] = []
        since = current.serial if current is not None else 0
        for name, states in self.histories():
            serials = [(state.serial, len(state.resources)) for state in states]
            (own, objects), (last, objects_at_last) = serials[0], serials[-1]
            if current is not None and last == current.serial:
                since = min(since, own)
            elif last > own:
                found.append(Point(last, f"{name} with the history", objects_at_last, since=own))
            if own or name != "the history":
                found.append(Point(own, name, objects, since=own))
        if current is not None:
            found.insert(0, Point(current.serial, "the tables", len(current.resources), since=since))
        return sorted(found, key=lambda point: -point.serial)

    def go_back(self, serial: int) -> State | None:
        """Return the state as of `serial`, from the newest backup that leads there; None: none does."""
        for _, states in self.histories():
            for state in states:
                if state.serial == serial:
                    return state
        return None
