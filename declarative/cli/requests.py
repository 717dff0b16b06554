"""What the options of `plan`, `apply` and `destroy` ask the planner for."""

from __future__ import annotations

from collections.abc import Sequence

from declarative.model import Consent
from declarative.planner.consents import parse_consent
from declarative.planner.selection import PlanRequest


def request_from(
    *,
    target: Sequence[str] = (),
    exclude: Sequence[str] = (),
    replace: Sequence[str] = (),
    refresh: bool = True,
    refresh_only: bool = False,
    destroy: bool = False,
    allow: Sequence[str] = (),
) -> PlanRequest:
    """The request that these options make. Raises UsageError for one that contradicts itself."""
    return PlanRequest(
        targets=tuple(target),
        excludes=tuple(exclude),
        replaces=tuple(replace),
        destroy=destroy,
        refresh_only=refresh_only,
        refreshed=refresh,
        consents=consents_from(allow),
    )


def consents_from(allow: Sequence[str]) -> tuple[Consent, ...]:
    """The consents of `--allow CLASS[:ADDRESS]`. Raises UsageError for one that can't be given."""
    return tuple(parse_consent(text) for text in allow)
