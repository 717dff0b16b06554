"""What SDRS itself would refuse, found before anything is sent: members that are left, quotas that are full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from declarative.errors import Diagnostic
from declarative.model import Action, Address, Attributes, Desired, Kind, Lookups, Step
from declarative.planning.losses import called, listed, members, number


def held_members(
    steps: Sequence[Step],
    *,
    kinds: Mapping[str, Kind],
    seen: Mapping[Address, Attributes],
    desired: Mapping[Address, Desired],
) -> Iterable[Diagnostic]:
    """Yield an error for each object to delete that holds members (SDRS.1001, 1003, 1010).

    `seen` holds what the cloud shows now of the objects that the steps delete; without it there is no finding.
    """
    created = {step.address for step in steps if step.action is Action.CREATE}
    for step in steps:
        if step.action is not Action.DELETE or step.address not in seen:
            continue
        kind, shown = kinds[step.address.kind], seen[step.address]
        if left := members(kind, shown):
            wanted = desired.get(step.address)
            what = "replaced" if step.address in created else "deleted"
            yield Diagnostic(
                f"the {called(kind, step.resource, shown)} can't be {what}: it still holds {listed(left)}"
                " that this stack does not manage",
                "Delete them first, in the console or where they are managed.",
                wanted.position("metadata", "name") if wanted is not None else None,
                str(step.address),
            )


def full_quotas(steps: Sequence[Step], *, kinds: Mapping[str, Kind], lookups: Lookups) -> Iterable[Diagnostic]:
    """Yield an error for each kind of which more would be created than its quota leaves room for (SDRS.0305)."""
    net: Counter[str] = Counter()
    for step in steps:
        net[step.address.kind] += (step.action is Action.CREATE) - (step.action is Action.DELETE)
    for name, more in sorted(net.items()):
        quota = (lookups.quotas or {}).get(kinds[name].quota, {})
        limit, used = number(quota.get("quota")), number(quota.get("used"))
        if more <= 0 or limit is None or used is None or limit < 0 or more <= limit - used:
            continue
        yield Diagnostic(
            f"the quota leaves room for {max(limit - used, 0)} more {kinds[name].noun}s, and {more} more are planned"
            f" ({used} of {limit} are used)",
            "Ask for a higher quota, or describe fewer.",
        )
