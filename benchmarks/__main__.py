"""Measure the figures and print them beside their targets: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine, table, terraform
from benchmarks.command import CommandFailed
from benchmarks.figures import Figure, Measured, Scale
from benchmarks.rows import NAMES, ROWS, Bench, Row

_RESULTS = Path(__file__).parent / "results"
_CRASHES = "Crashes at every step (0 orphans, 0 duplicates): proven by tests, `pytest tests/proof`."


def main(arguments: Sequence[str] | None = None, *, scale: Scale | None = None) -> int:
    """Measure, print, write. Returns 0 when all was measured and no target missed, else 1."""
    options = _parser().parse_args(arguments)
    chosen = [row for row in ROWS if (row.name in options.only if options.only else row.quick or not options.quick)]
    about = machine.facts()
    print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in about.items()))
    print(f"\n{table.HEADING}", flush=True)
    with tempfile.TemporaryDirectory(prefix="declarative-bench-") as folder:
        measured = _all_measured(chosen, Path(folder), scale or Scale())
    print(f"\n{_CRASHES}")
    if terraform.found() is None:
        print("Terraform is not on the PATH: nothing to compare with.")
    if busy := [row.name for row in measured if not row.surroundings.is_quiet]:
        print(f"Others used the CPUs as these rows began: {', '.join(busy)}.")
        print("Their times are too long, and what is told in times of another row means nothing.")
    path = options.json or _RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(table.document(about, measured), indent=2) + "\n")
    print(f"Written to {path}.")
    return 0 if table.reached(measured) else 1


def _all_measured(chosen: Sequence[Row], folder: Path, scale: Scale) -> list[Measured]:
    with Bench(folder, scale) as bench:
        bench.warm_up()
        return [_measured(row, bench) for row in chosen]


def _measured(row: Row, bench: Bench) -> Measured:
    """One row; each figure is printed as soon as it is there."""
    surroundings, failure = machine.look_around(bench.folder), ""
    figures: list[Figure] = []
    try:
        for figure in row.measure(bench):
            figures.append(figure)
            print(table.line(figure), flush=True)
    except CommandFailed as error:
        failure = str(error)
        print(f"{row.name}: failed. {failure}", file=sys.stderr, flush=True)
    return Measured(row.name, surroundings, tuple(figures), failure)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only what takes less than a minute")
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help=f"one of: {', '.join(NAMES)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the result")
    return parser


if __name__ == "__main__":
    sys.exit(main())
