"""A request as one line, for a reader and for a log."""

import json
from datetime import UTC, datetime

from declarative.provider import Exchange
from declarative.views.exchanges import exchange_json, exchange_text

EXCHANGE = Exchange(
    began=datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
    method="POST",
    host="sdrs.example.com",
    path="/v1/p1/server-groups",
    status=400,
    seconds=0.0341,
    request_id="8f2",
    tries=2,
    step="ProtectionGroup/shop",
    error="SDRS.0305",
)
UNANSWERED = Exchange(EXCHANGE.began, "GET", "sdrs.example.com", "/v1/p1/jobs/j1", 0, 10.0, "", 1, "", "no connection")
HOSTILE = Exchange(EXCHANGE.began, "GET", "h\x1b", "/\x1b[2J", 400, 0.0, "a\nb", 1, "##[x]", "\x9b2J" * 100)


def test_text_tells_all_of_a_refusal():
    assert exchange_text(EXCHANGE) == (
        "POST sdrs.example.com/v1/p1/server-groups: 400 SDRS.0305 in 34 ms, try 2, request 8f2, for"
        " ProtectionGroup/shop"
    )


def test_text_leaves_out_what_is_not_there():
    assert exchange_text(UNANSWERED) == "GET sdrs.example.com/v1/p1/jobs/j1: no connection after 10000 ms"


def test_json_has_every_member():
    assert json.loads(exchange_json(EXCHANGE)) == {
        "time": "2026-01-02T03:04:05.678Z",
        "method": "POST",
        "host": "sdrs.example.com",
        "path": "/v1/p1/server-groups",
        "status": 400,
        "duration_ms": 34.1,
        "request_id": "8f2",
        "try": 2,
        "step": "ProtectionGroup/shop",
        "error": "SDRS.0305",
    }


def test_json_has_null_for_what_is_not_there():
    found = json.loads(exchange_json(UNANSWERED))
    assert [name for name, value in found.items() if value is None] == ["status", "request_id", "step"]


def test_control_characters_are_made_visible():
    for line in (exchange_text(HOSTILE), exchange_json(HOSTILE)):
        assert line.isprintable()
        assert "##" not in line
        assert len(line) < 1000
    assert json.loads(exchange_json(HOSTILE))["path"] == "/\\x1b[2J"
