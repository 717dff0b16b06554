"""Which addresses a plan is about: what the selectors mean, and what hangs on that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from declarative.errors import UsageError
from declarative.model import Address, Consent, Desired, Resource
from declarative.planning.graph import closure, reversed_edges
from declarative.planning.selectors import matching


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What somebody asks a plan for. `targets`, `excludes` and `replaces` are selectors.

    `destroy` plans to delete everything, `refresh_only` to record what the cloud shows and to change nothing in it;
    `refreshed` is False when the cloud was not read.
    """

    destroy: bool = False
    refresh_only: bool = False
    refreshed: bool = True
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    consents: tuple[Consent, ...] = ()


def check_request(request: PlanRequest) -> None:
    """Raise UsageError when the request contradicts itself."""
    if request.destroy and request.refresh_only:
        raise UsageError("--destroy and --refresh-only exclude each other", "Give one of the two.")
    if request.refresh_only and not request.refreshed:
        raise UsageError("--refresh-only and --no-refresh exclude each other", "Give one of the two.")
    if request.replaces and (request.destroy or request.refresh_only):
        raise UsageError("--replace goes neither with --destroy nor with --refresh-only", "Leave one out.")


def replaced_addresses(
    request: PlanRequest, desired: Mapping[Address, Desired], recorded: Mapping[Address, Resource]
) -> frozenset[Address]:
    """Return what `--replace` means. Raises UsageError for a selector without a match."""
    return (
        matching(request.replaces, _known(desired, recorded), option="--replace") if request.replaces else frozenset()
    )


def chosen_addresses(
    request: PlanRequest,
    desired: Mapping[Address, Desired],
    recorded: Mapping[Address, Resource],
    *,
    moves: Mapping[Address, Address],
) -> frozenset[Address]:
    """Return the addresses that the plan is about. Raises UsageError for a selector without a match.

    A target brings what it depends on; one that is to be deleted, what depends on it. An exclusion takes with it what
    depends on it; one that would have been deleted, also what it depends on. Both ends of a move (new address: old
    one) go together.
    """
    if not (request.targets or request.excludes):
        return frozenset(desired.keys() | recorded.keys())
    known = _known(desired, recorded)
    ending = recorded.keys() if request.destroy else recorded.keys() - desired.keys()
    needs = {
        address: recorded[address].depends_on if address in ending else desired[address].depends_on for address in known
    }
    users = reversed_edges(needs)
    chosen = set(known)
    if request.targets:
        brings = {one: [u for u in users.get(one, ()) if u in ending] if one in ending else needs[one] for one in needs}
        hits = matching(request.targets, known, option="--target")
        chosen = _with_moves(closure(hits, brings), moves)
    if request.excludes:
        takes = {one: [*users.get(one, ()), *(needs[one] if one in ending else ())] for one in needs}
        hits = matching(request.excludes, known, option="--exclude")
        chosen -= _with_moves(closure(hits, takes), moves)
    return frozenset(chosen & known.keys())


def _known(
    desired: Mapping[Address, Desired], recorded: Mapping[Address, Resource]
) -> Mapping[Address, Mapping[str, str]]:
    return {**dict.fromkeys(recorded, _NO_LABELS), **{address: one.labels for address, one in desired.items()}}


_NO_LABELS: Mapping[str, str] = {}


def _with_moves(addresses: set[Address], moves: Mapping[Address, Address]) -> set[Address]:
    ends = {end for pair in moves.items() for end in pair if addresses.intersection(pair)}
    return addresses | ends
