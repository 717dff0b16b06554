"""Which protection group a changing request concerns, found without carrying it out: for the record of them."""

from __future__ import annotations

from declarative.simulator.protocol.fields import parse
from declarative.simulator.tables.session import Session

_GROUP = "SELECT id, status FROM groups WHERE id = ?"
_GROUPS = {
    "server-groups": _GROUP,
    "task-center": _GROUP,
    "protected-instances": "SELECT id, status FROM groups WHERE id = (SELECT group_id FROM instances WHERE id = ?)",
    "replications": "SELECT id, status FROM groups WHERE id = (SELECT group_id FROM replications WHERE id = ?)",
    "disaster-recovery-drills": "SELECT id, status FROM groups WHERE id = (SELECT group_id FROM drills WHERE id = ?)",
}


def group_of(session: Session, path: str, parameters: tuple[str, ...], body: bytes) -> tuple[str, str]:
    """The id of the group that a request below this route concerns, with its status; both empty for none."""
    noun = path.partition("/")[0]
    subject = parameters[0] if parameters else ""
    if not parameters and path != "server-groups":
        noun, subject = _named(noun, body)
    if not subject or noun not in _GROUPS:
        return "", ""
    found = session.database.execute(_GROUPS[noun], (subject,)).fetchone()
    return found or ("", "")


def _named(noun: str, body: bytes) -> tuple[str, str]:
    """What the body of a creation or of a batch speaks of: a group, or the first of some members."""
    document = parse(body)
    for inner in document.values() if isinstance(document, dict) else ():
        if isinstance(inner, dict) and isinstance(inner.get("server_group_id"), str):
            return "server-groups", inner["server_group_id"]
        if isinstance(inner, list) and inner and isinstance(inner[0], dict) and isinstance(inner[0].get("id"), str):
            return noun, inner[0]["id"]
    return noun, ""
