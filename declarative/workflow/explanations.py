"""What `explain` knows: findings by their ids, kinds and their fields, and error codes of the service.

The table of findings is `findings.csv` in the package, from which docs/findings.md is written. Fields are explained
from the JSON Schemas and the tables of the kinds, codes from the table that errors are explained with.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from declarative.errors import UsageError, did_you_mean, visible

if TYPE_CHECKING:
    from declarative.manifest.fields import FieldEntry
    from declarative.provider import CodeEntry

_CODE = re.compile(r"[A-Z]+\.[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class FindingEntry:
    """One sort of finding. `example`: a finding of it as it is shown; empty when there is none to show."""

    id: str
    meaning: str
    cause: str
    remedy: str
    example: str


Explained: TypeAlias = "FindingEntry | FieldEntry | CodeEntry"


@functools.cache
def finding_entries() -> Mapping[str, FindingEntry]:
    """Every sort of finding, by id."""
    import csv
    from importlib import resources

    text = resources.files("declarative").joinpath("findings.csv").read_text("utf-8")
    return {row["id"]: FindingEntry(**row) for row in csv.DictReader(text.splitlines())}


def explain(subject: str) -> Explained:
    """Return what is known of the id of a finding, of a kind or field, or of a code. Raises UsageError."""
    if subject in finding_entries():
        return finding_entries()[subject]
    from declarative.manifest.fields import field_entry
    from declarative.manifest.schemas import kinds

    head = subject.partition(".")[0]
    if head in kinds():
        return field_entry(subject)
    codes: list[str] = []
    if _CODE.fullmatch(subject):
        from declarative.provider.codes import explain_code, known_codes

        if entry := explain_code(subject):
            return entry
        codes = list(known_codes())
    near = did_you_mean(subject, [*finding_entries(), *kinds()]) or did_you_mean(subject, codes)
    what = "Name the id of a finding (docs/findings.md), a kind or one of its fields (KIND.FIELD), or an error code."
    raise UsageError(f"nothing is known of '{visible(subject, limit=80)}'", f"{near} {what}".strip())
