"""Jobs that name wrong ids: whose id the finished job of a create tells in place of its own object's."""

from __future__ import annotations

from collections.abc import Mapping

from declarative.simulator.tables.session import Session

_PLACE = "'$.source_availability_zone', '$.target_availability_zone', '$.domain_id', '$.source_vpc_id'"
_MEMBER = "b.group_id = a.group_id"
_KINDS = {
    "server_group_id": ("groups", f"json_extract(b.body, {_PLACE}) = json_extract(a.body, {_PLACE})"),
    "protected_instance_id": ("instances", _MEMBER),
    "replication_pair_id": ("replications", _MEMBER),
    "disaster_recovery_drill_id": ("drills", _MEMBER),
}


def named_instead(session: Session, which: str, result: Mapping[str, str]) -> tuple[str, list[str]]:
    """The key of a create's own id in `result`, and the ids that stand there instead, as `job-entity` has it."""
    key = next(key for key in result if key in _KINDS)
    match which:
        case "none":
            return key, []
        case "ghost":
            return key, [session.draw.uuid()]
        case "several":
            return key, [_other(session, key, result[key], is_same=True), result[key]]
        case _:
            return key, [_other(session, key, result[key], is_same=which == "wrong")]


def _other(session: Session, key: str, own: str, *, is_same: bool) -> str:
    """The newest other object of the kind in the same place, or in another one; where there is none, a ghost."""
    table, condition = _KINDS[key]
    found = session.database.execute(
        f"SELECT b.id FROM {table} AS a JOIN {table} AS b ON b.id <> a.id AND ({condition}) = ?"  # noqa: S608 - names from the code, values bound
        " WHERE a.id = ? ORDER BY b.seq DESC LIMIT 1",
        (is_same, own),
    ).fetchone()
    return str(found[0]) if found else session.draw.uuid()
