"""Figures as lines of text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from benchmarks.figures import Figure, Measured, Verdict

_LINE = "{:<84}  {:>9}  {:>9}  {}"

HEADING = _LINE.format("what", "target", "result", "").rstrip() + "\n" + "-" * 114


def line(figure: Figure) -> str:
    """One line of the table."""
    target = "" if figure.limit is None else f"≤ {_number(figure.limit, figure.unit)}"
    return _LINE.format(figure.what, target, _number(figure.value, figure.unit), figure.verdict.value).rstrip()


def _number(value: float, unit: str) -> str:
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}".rstrip()


def document(about: Mapping[str, object], measured: Sequence[Measured]) -> dict[str, object]:
    """The whole result; the shape of the file that a run writes."""
    return {"machine": dict(about), "rows": {row.name: _plain(row) for row in measured}}


def _plain(row: Measured) -> dict[str, object]:
    figures = [{**asdict(figure), "verdict": figure.verdict.value} for figure in row.figures]
    return {"surroundings": asdict(row.surroundings), "failure": row.failure, "figures": figures}


def reached(measured: Sequence[Measured]) -> bool:
    """Whether all was measured and no target missed."""
    return not any(row.failure or any(one.verdict is Verdict.MISSED for one in row.figures) for row in measured)
