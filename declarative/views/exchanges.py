"""Requests to the cloud, one a line: as text for a reader, as JSON for a log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from declarative.errors import shown

if TYPE_CHECKING:
    from declarative.provider import Exchange

_PATH_LIMIT = 400  # characters; the rest of a text from outside is cut, and its digest told


def exchange_text(exchange: Exchange) -> str:
    """What was sent and what came, e.g. `GET sdrs.example.com/v1/p1/jobs/j1: 200 in 34 ms, for ReplicationPair/x`."""
    came = shown(" ".join(filter(None, (str(exchange.status or ""), exchange.error))), limit=200)
    facts = [f"{came} {'in' if exchange.status else 'after'} {exchange.seconds * 1000:.0f} ms"]
    if exchange.tries > 1:
        facts.append(f"try {exchange.tries}")
    if exchange.request_id:
        facts.append(f"request {shown(exchange.request_id, limit=80)}")
    if exchange.step:
        facts.append(f"for {shown(exchange.step, limit=200)}")
    return f"{exchange.method} {shown(exchange.host + exchange.path, limit=_PATH_LIMIT)}: {', '.join(facts)}"


def exchange_json(exchange: Exchange) -> str:
    """The same as one line of JSON, without a newline. Members are always there, and null where there is nothing."""
    time = exchange.began.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    document = {
        "time": time,
        "method": exchange.method,
        "host": shown(exchange.host, limit=200),
        "path": shown(exchange.path, limit=_PATH_LIMIT),
        "status": exchange.status or None,
        "duration_ms": round(exchange.seconds * 1000, 1),
        "request_id": shown(exchange.request_id, limit=80) or None,
        "try": exchange.tries,
        "step": shown(exchange.step, limit=200) or None,
        "error": shown(exchange.error, limit=200) or None,
    }
    return json.dumps(document, separators=(",", ":"))
