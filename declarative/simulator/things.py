"""Things of a world, found by id or by name, as a person at the command line names them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from declarative.simulator.tables import attachment_rows
from declarative.simulator.tables.history import Noun
from declarative.simulator.tables.session import Session

ATTACHMENT = "attachment"
WORDS = {
    Noun.GROUP: "protection group",
    Noun.INSTANCE: "protected instance",
    Noun.PAIR: "replication pair",
    Noun.DRILL: "DR drill",
    Noun.SERVER: "server",
    Noun.DISK: "disk",
}
_TABLES = {
    Noun.GROUP: "groups",
    Noun.INSTANCE: "instances",
    Noun.PAIR: "replications",
    Noun.DRILL: "drills",
    Noun.SERVER: "servers",
    Noun.DISK: "disks",
}
_SHOWN = 5  # of many things with one name


class ActRefused(Exception):
    """The act makes no sense, or the service would refuse it; nothing has happened.

    `code`: of the service, "" when the refusal is the simulator's own.
    """

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Thing:
    """One object. `noun`: its sort, for a reader. The id of an attachment is that of its parts, `INSTANCE/PAIR`."""

    noun: str
    id: str
    name: str = ""


def find(session: Session, wanted: str) -> Thing:
    """Return the thing with this id, else the one with this name. Raises ActRefused for none and for several."""
    if "/" in wanted:
        return _attachment(session, wanted)
    for column in ("id", "name"):
        found = [
            Thing(WORDS[noun], *row)
            for noun, table in _TABLES.items()
            for row in session.database.execute(
                f"SELECT id, name FROM {table} WHERE {column} = ? ORDER BY seq",  # noqa: S608 - words of ours
                (wanted,),
            )
        ]
        if len(found) > 1:
            several = ", ".join(f"{one.noun} {one.id}" for one in found[:_SHOWN])
            raise ActRefused(f"{len(found)} things are called '{wanted}': {several}. Name one by its id.")
        if found:
            return found[0]
    raise ActRefused(f"the simulator holds nothing with the id or name '{wanted}'.{_near(session, wanted)}")


def _attachment(session: Session, wanted: str) -> Thing:
    instance_id, _, pair_id = wanted.partition("/")
    for one in attachment_rows.of_pairs(session, [pair_id])[pair_id]:
        if one.instance_id == instance_id:
            return Thing(ATTACHMENT, wanted)
    raise ActRefused(f"the simulator holds no attachment '{wanted}'.")


def _near(session: Session, wanted: str) -> str:
    names = [
        name
        for table in _TABLES.values()
        for (name,) in session.database.execute(f"SELECT name FROM {table}")  # noqa: S608
    ]
    near = difflib.get_close_matches(wanted, names, n=1)
    return f" Did you mean '{near[0]}'?" if near else ""
