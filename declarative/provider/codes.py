"""What error codes of SDRS, its gateway and IAM mean, and what to do. The table is `error_codes.csv`, beside this file.

Source: SDRS API reference, "Error Codes"; docs/sdrs-api.md, "Error codes" and "Refusals of IAM and the gateway".
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CodeEntry:
    """One code: its documented HTTP status, its meaning in a few words, and what to do ("" when there is no advice)."""

    code: str
    meaning: str
    remedy: str


def explain_code(code: str) -> CodeEntry | None:
    """Return what is known about `code`, such as `SDRS.0305`, or None.

    A dedicated gateway says `APIG.` where the shared one says `APIGW.`, and means the same.
    """
    if code.startswith("APIG."):
        code = f"APIGW.{code.removeprefix('APIG.')}"
    return _table().get(code)


def known_codes() -> Collection[str]:
    """Every code of the table."""
    return _table().keys()


@functools.cache
def _table() -> Mapping[str, CodeEntry]:
    import csv
    from importlib import resources

    text = resources.files("declarative.provider").joinpath("error_codes.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return {row["code"]: CodeEntry(row["code"], row["meaning"], row["remedy"]) for row in rows}
