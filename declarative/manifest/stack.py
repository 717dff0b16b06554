"""The Stack document: its settings, once expressions have become values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from declarative.errors import did_you_mean, visible
from declarative.kinds import KINDS
from declarative.model import Json, Problem, Stack

_GRACE = "create_grace"


def settings(name: str, spec: Mapping[str, Json]) -> Stack:
    """Return the settings of a resolved and valid `spec`."""
    given = Stack(name)
    provider = spec.get("provider", {})
    return Stack(
        name=name,
        region=provider.get("region", given.region),
        cloud=provider.get("cloud", given.cloud),
        simulator=provider.get("simulator", given.simulator),
        state=spec.get("state", given.state),
        max_deletes=int(spec.get("guards", {}).get("max_deletes", given.max_deletes)),
        timeouts=dict(_timeouts(spec.get("timeouts", {}))),
    )


def problems(spec: Mapping[str, Json]) -> Iterator[Problem]:
    """Yield what is wrong with a `spec` beyond its schema."""
    state = spec.get("state", "")
    if ".." in state.removeprefix("local:").split("/"):
        summary = "spec.state must be below the stack's folder"
        yield Problem(
            ("spec", "state"),
            summary,
            "Write local:DIR without '..', or use another store with --state.",
            id="state-outside-stack",
        )
    for kind, actions in spec.get("timeouts", {}).items():
        if kind != _GRACE:
            yield from _timeout_problems(kind, actions)


def _timeout_problems(kind: str, actions: Mapping[str, Json]) -> Iterator[Problem]:
    path = ("spec", "timeouts", kind)
    if kind not in KINDS:
        known = (_GRACE, *KINDS)
        fix = f"{did_you_mean(kind, known)} Known: {', '.join(known)}".strip()
        yield Problem(path, f"spec.timeouts has no field '{visible(kind, limit=80)}'", fix, id="unknown-field")
        return
    known_actions = KINDS[kind].calls.timeouts
    for action in actions:
        if action not in known_actions:
            fix = f"{did_you_mean(action, known_actions)} Known: {', '.join(known_actions)}".strip()
            yield Problem(
                (*path, action), f"{kind} has no action '{visible(action, limit=80)}'", fix, id="unknown-field"
            )


def _timeouts(spec: Mapping[str, Json]) -> Iterator[tuple[str, float]]:
    for name, value in spec.items():
        if isinstance(value, dict):
            for action, seconds in value.items():
                yield f"{name}.{action}", float(seconds)
        else:
            yield name, float(value)
