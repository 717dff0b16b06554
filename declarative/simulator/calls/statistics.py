"""RPO statistics, as Huawei Cloud offers them (docs/sdrs-api.md, "RPO statistics").

One point for each full hour of the last day, or of the time that is asked for: how many pairs were still copying
then. A pair that has gone meanwhile isn't counted. Before 1970 there are none.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from declarative.simulator.protocol.fields import Query
from declarative.simulator.protocol.wire import Answer, refusal, stamp_blank, stamp_minute
from declarative.simulator.tables.session import Call, Session

_TYPE = "replication"
_HOUR = 3_600_000
_DAY = 24 * _HOUR
_POINTS = 10_000


def list_points(call: Call) -> Answer:
    """`GET resource/rpo-statistics`."""
    session, query = call.session, call.query()
    if query.text("resource_type") not in ("", _TYPE):
        raise refusal("SDRS.0201", "The parameter resource_type is invalid.")
    until = min(_moment(query, "end_time", session.now), session.now)
    since = _moment(query, "start_time", until - _DAY)
    first, last = -(-since // _HOUR), until // _HOUR
    hours = range(max(first, last - _POINTS, 0), last + 1)
    limit, offset = query.limit(), query.offset()
    chosen = hours[min(offset, len(hours)) : min(offset + limit, len(hours))]
    points = [_point(session, hour * _HOUR) for hour in chosen]
    return Answer.of({"count": len(hours), "resource_rpo_statistics": points})


def _moment(query: Query, key: str, default: int) -> int:
    """A time `yyyy-MM-dd HH:mm:ss.SSS`, in milliseconds since 1970."""
    text = query.text(key)
    if not text:
        return default
    try:
        moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
    except ValueError as error:
        raise refusal("SDRS.0201", f"The parameter {key} is invalid.") from error
    return round(moment.timestamp() * 1000)


def _point(session: Session, at: int) -> dict[str, object]:
    (number,) = session.database.execute(
        "SELECT count(*) FROM replications WHERE copy_due > 0 AND copy_begin <= ? AND copy_due > ?", (at, at)
    ).fetchone()
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{session.facts.project_id}/{at}")),
        "point_time": stamp_minute(at),
        "resource_num": number,
        "resource_type": _TYPE,
        "created_at": stamp_blank(at),
        "updated_at": stamp_blank(at),
    }
