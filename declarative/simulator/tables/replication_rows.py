"""What a pair is and how it is kept, its copying included (docs/sdrs-api.md, "Replication pairs" and "Copying")."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

from declarative.simulator.protocol.wire import stamp_six
from declarative.simulator.tables import attachment_rows
from declarative.simulator.tables.attachment_rows import Attachment
from declarative.simulator.tables.compute import Disk
from declarative.simulator.tables.history import Effect, Noun, Subject
from declarative.simulator.tables.session import Session
from declarative.simulator.tables.states import MemberStatus, Status

TABLES = """
CREATE TABLE replications (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, group_id TEXT NOT NULL, name TEXT NOT NULL, description TEXT,
    status TEXT NOT NULL, prior TEXT NOT NULL, volume_id TEXT NOT NULL, target_volume TEXT NOT NULL,
    automatic INTEGER NOT NULL, size INTEGER NOT NULL, type TEXT NOT NULL, multiattach INTEGER NOT NULL,
    bootable INTEGER NOT NULL, sync TEXT NOT NULL, copy_begin INTEGER NOT NULL, copy_due INTEGER NOT NULL,
    fault_level TEXT NOT NULL, failure_detail TEXT, created INTEGER NOT NULL, updated INTEGER NOT NULL);
CREATE INDEX replications_of ON replications (group_id);
CREATE INDEX replications_by_volume ON replications (volume_id);
CREATE INDEX replications_copying ON replications (copy_due) WHERE copy_due > 0;
"""

SELECT = (
    "SELECT id, group_id, name, description, status, prior, volume_id, target_volume, automatic, size, type,"
    " multiattach, bootable, sync, copy_begin, copy_due, fault_level, failure_detail, created, updated,"
    " (SELECT station FROM groups WHERE groups.id = replications.group_id) FROM replications"
)
FAULTLESS = "0"


class Sync(enum.StrEnum):
    """How far a pair's copying is."""

    NEVER = "inactive"
    BEGUN = "active"  # `copying` until `copy_due`
    STOPPED = "active-stopped"


@dataclass(frozen=True, slots=True)
class Pair:
    """A row of the table. Times in milliseconds since 1970; `copy_begin` and `copy_due` are 0 unless it has begun.

    `prior` is the status to go back to, `automatic` whether the pair came with an instance; `size` is in GB.
    """

    id: str
    group_id: str
    name: str
    description: str | None
    status: str
    prior: str
    volume_id: str
    target_volume: str
    automatic: bool
    size: int
    type: str
    multiattach: bool
    bootable: bool
    sync: str
    copy_begin: int
    copy_due: int
    fault_level: str
    failure_detail: str | None
    created: int
    updated: int
    station: str

    @property
    def subject(self) -> Subject:
        return Subject(Noun.PAIR, self.id, self.name, self.group_id)

    @property
    def volumes(self) -> tuple[str, ...]:
        """The ids of its disks; the second one is there once it has been made."""
        return tuple(volume for volume in (self.volume_id, self.target_volume) if volume)

    def percent(self, now: int) -> int:
        """How much has been copied: 0 without copying, 100 only when all is."""
        if self.sync != Sync.BEGUN:
            return 0
        return copied(self.copy_begin, self.copy_due, now)

    def document(self, attachments: Sequence[Attachment], now: int) -> dict[str, object]:
        """The pair as the service shows it, with 16 fields."""
        copying = self.sync == Sync.BEGUN and now < self.copy_due
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "replication_model": "hypermetro",
            "status": self.status,
            "progress": self.percent(now),
            "replication_status": "copying" if copying else self.sync,
            "attachment": [
                {"device": one.device, "protected_instance": one.instance_id} for one in attachments if one.shown
            ],
            "server_group_id": self.group_id,
            "volume_ids": ",".join(self.volumes),
            "priority_station": self.station,
            "fault_level": self.fault_level,
            "failure_detail": self.failure_detail,
            "record_metadata": {
                "multiattach": bool(self.multiattach),
                "bootable": bool(self.bootable),
                "volume_size": self.size,
                "volume_type": self.type,
            },
            "created_at": stamp_six(self.created),
            "updated_at": stamp_six(self.updated),
        }


def copied(begin: int, due: int, now: int) -> int:
    """The percentage of a copy that runs from `begin` to `due`; a clock that was set back sees its start."""
    if now >= due:
        return 100
    return max(0, now - begin) * 100 // (due - begin) if due > begin else 0


def new(session: Session, group_id: str, disk: Disk, *, name: str, description: str | None = None) -> Pair:
    """A pair of this production disk, not yet kept anywhere."""
    return Pair(
        id=session.draw.uuid(),
        group_id=group_id,
        name=name,
        description=description,
        status=Status.CREATING,
        prior=Status.CREATING,
        volume_id=disk.id,
        target_volume="",
        automatic=False,
        size=disk.size,
        type=disk.type,
        multiattach=disk.multiattach,
        bootable=disk.bootable,
        sync=Sync.NEVER,
        copy_begin=0,
        copy_due=0,
        fault_level=FAULTLESS,
        failure_detail=None,
        created=session.now,
        updated=session.now,
        station="",
    )


def insert(session: Session, pair: Pair) -> None:
    """Add a pair."""
    session.database.execute(
        "INSERT INTO replications (id, group_id, name, description, status, prior, volume_id, target_volume, automatic,"
        " size, type, multiattach, bootable, sync, copy_begin, copy_due, fault_level, failure_detail, created, updated)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            pair.id,
            pair.group_id,
            pair.name,
            pair.description,
            pair.status,
            pair.prior,
            pair.volume_id,
            pair.target_volume,
            pair.automatic,
            pair.size,
            pair.type,
            pair.multiattach,
            pair.bootable,
            pair.sync,
            pair.copy_begin,
            pair.copy_due,
            pair.fault_level,
            pair.failure_detail,
            pair.created,
            pair.updated,
        ),
    )
    session.record(Effect.CREATED, pair.subject, f"replication pair in {pair.group_id}")


def find(session: Session, pair_id: str) -> Pair | None:
    """The pair, or None."""
    row = session.database.execute(SELECT + " WHERE id = ?", (pair_id,)).fetchone()
    return None if row is None else Pair(*row)


def of_group(session: Session, group_id: str) -> list[Pair]:
    """The pairs of a group, in the order of creation."""
    rows = session.database.execute(SELECT + " WHERE group_id = ? ORDER BY seq", (group_id,))
    return [Pair(*row) for row in rows.fetchall()]


def every(session: Session) -> list[Pair]:
    """All pairs, in the order of creation."""
    rows = session.database.execute(SELECT + " ORDER BY seq")
    return [Pair(*row) for row in rows.fetchall()]


def of_volume(session: Session, volume_id: str) -> Pair | None:
    """The pair whose production disk this is, or None."""
    row = session.database.execute(SELECT + " WHERE volume_id = ? ORDER BY seq", (volume_id,)).fetchone()
    return None if row is None else Pair(*row)


def attached_to(session: Session, instance_id: str) -> list[Pair]:
    """The pairs of an instance, those that are being attached included."""
    chosen = " WHERE id IN (SELECT replication_id FROM attachments WHERE instance_id = ?) ORDER BY seq"
    return [Pair(*row) for row in session.database.execute(SELECT + chosen, (instance_id,)).fetchall()]


def documents(session: Session, pairs: Sequence[Pair]) -> list[dict[str, object]]:
    """The pairs as the service shows them."""
    attachments = attachment_rows.of_pairs(session, [pair.id for pair in pairs])
    return [pair.document(attachments[pair.id], session.now) for pair in pairs]


def unattached(session: Session) -> int:
    """Pairs in the project that no instance has."""
    (number,) = session.database.execute(
        "SELECT count(*) FROM replications WHERE id NOT IN (SELECT replication_id FROM attachments)"
    ).fetchone()
    return int(number)


def set_name(session: Session, pair: Pair, name: str) -> Pair:
    """Give a pair another name."""
    session.record(Effect.RENAMED, replace(pair, name=name).subject, f"{pair.name} -> {name}")
    session.database.execute("UPDATE replications SET name = ?, updated = ? WHERE id = ?", (name, session.now, pair.id))
    return replace(pair, name=name, updated=session.now)


def change(session: Session, pair: Pair, *, status: str, prior: str = "", failure: str | None = None) -> None:
    """Give a pair another status; `prior` is what to go back to, `failure` the code of a failed creation."""
    session.record(Effect.STATUS, pair.subject, f"{pair.status} -> {status}")
    session.database.execute(
        "UPDATE replications SET status = ?, prior = ?, failure_detail = ?, updated = ? WHERE id = ?",
        (status, prior or status, failure, session.now, pair.id),
    )


def set_target(session: Session, pair: Pair, volume_id: str) -> None:
    """Give a pair its second disk."""
    session.database.execute("UPDATE replications SET target_volume = ? WHERE id = ?", (volume_id, pair.id))


def set_size(session: Session, pair: Pair, size: int) -> None:
    """Write down that both disks have grown to this size, in GB."""
    session.record(Effect.CHANGED, pair.subject, f"{pair.size} -> {size} GB")
    session.database.execute("UPDATE replications SET size = ?, updated = ? WHERE id = ?", (size, session.now, pair.id))


def set_shared(session: Session, pair: Pair) -> None:
    """Let the pair be one of a shared disk."""
    session.database.execute("UPDATE replications SET multiattach = 1 WHERE id = ?", (pair.id,))


def set_fault(session: Session, pair: Pair, *, level: str, status: str) -> None:
    """Let the synchronisation of a pair be abnormal (level 2 or 5), or fine again (0)."""
    change(session, pair, status=status)
    session.database.execute("UPDATE replications SET fault_level = ? WHERE id = ?", (level, pair.id))


def remove(session: Session, pair: Pair) -> None:
    """Remove a pair with its attachments; its disks stay."""
    attachment_rows.remove_of_pair(session, pair.id)
    session.database.execute("DELETE FROM replications WHERE id = ?", (pair.id,))
    session.record(Effect.DELETED, pair.subject, f"replication pair in {pair.group_id}")


_BEGIN = (
    "UPDATE replications SET sync = ?, copy_begin = ?, copy_due = ? + size * ? + ?"
    " WHERE group_id = ? AND status <> 'error'"
)
_BEGIN_ONE = "UPDATE replications SET sync = ?, copy_begin = ?, copy_due = ? + size * ? + ? WHERE id = ?"
_HOLD = (
    "UPDATE replications SET sync = ?, copy_begin = ?, copy_due = ? WHERE sync <> ? AND group_id = ?"
    " AND status <> 'error'"
)
_STOP = "UPDATE replications SET sync = ?, copy_begin = 0, copy_due = 0 WHERE group_id = ? AND status <> 'error'"


def begin_copying(session: Session, group_id: str) -> None:
    """Let all pairs of a group copy, from now on; failed creations take no part in this and what follows."""
    session.database.execute(_BEGIN, (*_span(session), group_id))


def begin_copying_one(session: Session, pair_id: str) -> None:
    """Let one pair copy, from now on."""
    session.database.execute(_BEGIN_ONE, (*_span(session), pair_id))


def _span(session: Session) -> tuple[str, int, int, int, int]:
    """What copying sets: since when, and until when, which is so long for each GB and so long for all of them."""
    fixed = session.facts.rules.copy_seconds
    each, flat = (session.scaled(1.0), 0) if fixed is None else (0, session.scaled(fixed))
    return Sync.BEGUN, session.now, session.now, each, flat


def hold_copies(session: Session, group_id: str) -> None:
    """Let all pairs of a group be as good as copied, as they are after a planned failover."""
    session.database.execute(_HOLD, (Sync.BEGUN, session.now, session.now, Sync.BEGUN, group_id))


def stop_copying(session: Session, group_id: str) -> None:
    """Let all pairs of a group copy no more."""
    session.database.execute(_STOP, (Sync.STOPPED, group_id))


def heal(session: Session, group_id: str) -> None:
    """Let all faults of a group's pairs be over."""
    session.database.execute(
        "UPDATE replications SET fault_level = ? WHERE group_id = ? AND fault_level <> ?",
        (FAULTLESS, group_id, FAULTLESS),
    )


def is_copying(session: Session, group_id: str) -> bool:
    """Whether a pair of the group has still to be copied."""
    found = session.database.execute(
        "SELECT 1 FROM replications WHERE group_id = ? AND copy_due > ? LIMIT 1", (group_id, session.now)
    )
    return found.fetchone() is not None


def copying_groups(session: Session) -> frozenset[str]:
    """The ids of all groups with pairs that have still to be copied."""
    rows = session.database.execute(
        "SELECT DISTINCT group_id FROM replications WHERE copy_due > 0 AND copy_due > ?", (session.now,)
    )
    return frozenset(group_id for (group_id,) in rows)


def group_percent(session: Session, group_id: str) -> int:
    """How much of a protected group's data has been copied; pairs that don't copy count as done."""
    rows = session.database.execute(
        "SELECT copy_begin, copy_due FROM replications WHERE group_id = ?", (group_id,)
    ).fetchall()
    parts = [copied(begin, due, session.now) for begin, due in rows]
    return sum(parts) // len(parts) if parts else 100


def last_copied(session: Session) -> int:
    """When the last copy will be done; 0 if none has begun."""
    (due,) = session.database.execute("SELECT max(copy_due) FROM replications WHERE copy_due > 0").fetchone()
    return int(due or 0)


def obstacle(session: Session, group_id: str) -> tuple[bool, frozenset[str]]:
    """Whether a pair of the group has lost a disk, and the fault levels of all."""
    rows = session.database.execute(
        "SELECT DISTINCT status = ?, fault_level FROM replications WHERE group_id = ?", (MemberStatus.INVALID, group_id)
    ).fetchall()
    return any(invalid for invalid, _ in rows), frozenset(level for _, level in rows)
