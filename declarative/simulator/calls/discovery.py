"""What a client asks before it begins: versions, active-active domains, quotas (docs/sdrs-api.md, "Discovery")."""

from __future__ import annotations

import sqlite3

from declarative.simulator.protocol.wire import Answer, Draw, refusal
from declarative.simulator.settings import UNLIMITED, Domain, Origin
from declarative.simulator.tables.session import Call, Session

TABLES = """
CREATE TABLE domains (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, description TEXT NOT NULL,
    sold_out INTEGER NOT NULL, local TEXT NOT NULL, remote TEXT NOT NULL);
CREATE TABLE quotas (type TEXT PRIMARY KEY, quota INTEGER NOT NULL) WITHOUT ROWID;
"""

_USED = {
    "server_groups": "SELECT count(*) FROM groups",
    "replications": "SELECT count(*) FROM replications",
}


def fill(database: sqlite3.Connection, origin: Origin, draw: Draw) -> None:
    """Put the domains and quotas of a fresh world into its tables."""
    database.executemany(
        "INSERT INTO domains (id, name, description, sold_out, local, remote) VALUES (?,?,?,?,?,?)",
        [
            (domain.id or draw.uuid(), domain.name, domain.description, domain.sold_out, *domain.zones)
            for domain in origin.domains
        ],
    )
    database.executemany(
        "INSERT INTO quotas VALUES (?, ?)",
        [("server_groups", origin.group_quota), ("replications", origin.replication_quota)],
    )


def domains(database: sqlite3.Connection) -> tuple[Domain, ...]:
    """The domains of a world."""
    rows = database.execute("SELECT id, name, description, sold_out, local, remote FROM domains ORDER BY seq")
    return tuple(
        Domain(name, (local, remote), description, bool(sold_out), domain_id)
        for domain_id, name, description, sold_out, local, remote in rows
    )


def quota(session: Session, kind: str) -> int:
    """The quota of `server_groups` or `replications`; -1 is unlimited."""
    (number,) = session.database.execute("SELECT quota FROM quotas WHERE type = ?", (kind,)).fetchone()
    return int(number)


def set_quota(session: Session, kind: str, number: int) -> None:
    """Change a quota; KeyError for a kind that has none."""
    changed = session.database.execute("UPDATE quotas SET quota = ? WHERE type = ?", (number, kind))
    if not changed.rowcount:
        raise KeyError(kind)


def check_quota(session: Session, kind: str, more: int, *, code: str) -> None:
    """Refuse with `code` what would be more than the quota."""
    allowed = quota(session, kind)
    if allowed != UNLIMITED and _used(session, kind) + more > allowed:
        raise refusal(code, f"The quota of {kind} is used up.")


def _used(session: Session, kind: str) -> int:
    (used,) = session.database.execute(_USED[kind]).fetchone()
    return int(used)


def list_domains(call: Call) -> Answer:
    """`GET active-domains`."""
    return Answer.of({"domains": [_domain(domain) for domain in call.session.facts.domains]})


def _domain(domain: Domain) -> dict[str, object]:
    local, remote = domain.zones
    return {
        "id": domain.id,
        "name": domain.name,
        "description": domain.description,
        "sold_out": domain.sold_out,
        "local_replication_cluster": {"availability_zone": local},
        "remote_replication_cluster": {"availability_zone": remote},
    }


def show_quotas(call: Call) -> Answer:
    """`GET sdrs/quotas`."""
    session = call.session
    resources = []
    for kind in _USED:
        used = _used(session, kind)
        resources.append({"type": kind, "used": used, "quota": quota(session, kind), "min": 0, "max": UNLIMITED})
    return Answer.of({"quotas": {"resources": resources}})


def list_versions(call: Call) -> Answer:
    """`GET /`."""
    return Answer.of({"versions": [_version(call)]})


def show_version(call: Call) -> Answer:
    """`GET /v1`."""
    return Answer.of({"version": _version(call)})


def _version(call: Call) -> dict[str, object]:
    return {
        "id": "v1",
        "links": [{"href": f"{call.request.base_url}/v1", "rel": "self"}],
        "version": "",
        "min_version": "",
        "status": "CURRENT",
        "updated": "2018-05-30T15:00:00Z",
    }
