"""What is known of each finding beside its text: what it means, where it comes from, and how to put it right.

The table of findings is `findings.csv` in the package; docs/findings.md is written from it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FindingEntry:
    """One sort of finding. `example`: a finding of it as it is shown; empty when there is none to show."""

    id: str
    meaning: str
    cause: str
    remedy: str
    example: str


@functools.cache
def finding_entries() -> Mapping[str, FindingEntry]:
    """Every sort of finding, by id."""
    import csv
    from importlib import resources

    text = resources.files("declarative").joinpath("findings.csv").read_text("utf-8")
    return {row["id"]: FindingEntry(**row) for row in csv.DictReader(text.splitlines())}
