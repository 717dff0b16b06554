"""The addresses that a plan covers: the selected ones and what depends on them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from declarative.errors import UsageError
from declarative.model import Address, Consent, Desired, Resource
from declarative.planner.graph import closure, reversed_edges
from declarative.planner.selectors import Selector, matching


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What somebody asks a plan for. `targets`, `excludes` and `replaces` are selectors.

    `destroy` plans to delete everything, `refresh_only` to record what the cloud shows and to change nothing in it;
    `refreshed` is False when the cloud was not read.

    Raises UsageError for a request that contradicts itself and for what is not a selector, so that nothing is read or
    locked for it.
    """

    destroy: bool = False
    refresh_only: bool = False
    refreshed: bool = True
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    consents: tuple[Consent, ...] = ()

    def __post_init__(self) -> None:
        if self.destroy and self.refresh_only:
            raise UsageError("--destroy and --refresh-only can't be used together", "Use only one of them.")
        if self.refresh_only and not self.refreshed:
            raise UsageError("--refresh-only and --no-refresh can't be used together", "Use only one of them.")
        if self.replaces and (self.destroy or self.refresh_only):
            raise UsageError("--replace can't be used with --destroy or --refresh-only", "Use only one of them.")
        for text in (*self.targets, *self.excludes, *self.replaces):
            Selector.parse(text)


def replaced_addresses(
    request: PlanRequest, desired: Mapping[Address, Desired], recorded: Mapping[Address, Resource]
) -> frozenset[Address]:
    """Return what `--replace` means. Raises UsageError for a selector without a match."""
    return (
        matching(request.replaces, _known(desired, recorded), option="--replace") if request.replaces else frozenset()
    )


@dataclass(frozen=True, slots=True)
class Chosen:
    """The addresses that a plan is about. `named`: those that a selector means by themselves; None without one."""

    addresses: frozenset[Address]
    named: frozenset[Address] | None = None


@dataclass(frozen=True, slots=True)
class Ties:
    """What addresses have to do with each other, as far as selectors need to know.

    `needs`: what the desired or else the recorded object of an address depends on. `held_by`: the same of recorded
    objects that are deleted, for good or to be replaced; `ending` are those that go for good. `moves`: old addresses
    by new ones.
    """

    needs: Mapping[Address, Collection[Address]]
    held_by: Mapping[Address, Collection[Address]]
    ending: Collection[Address]
    moves: Mapping[Address, Address]


def chosen_addresses(
    request: PlanRequest,
    desired: Mapping[Address, Desired],
    recorded: Mapping[Address, Resource],
    *,
    ties: Callable[[], Ties],
) -> Chosen:
    """Return the addresses that the plan is about. Raises UsageError for a selector without a match.

    A target brings what it depends on; one that is to be deleted or replaced, what depends on it. An exclusion takes
    with it what depends on it; one that would have been deleted, also what it depends on. Both ends of a move go
    together. A step that switches a group's protection belongs to the group: it comes along when the group itself is
    named, or is created or deleted, and does not wait for members that are left out.
    """
    if not (request.targets or request.excludes):
        return Chosen(frozenset(desired).union(recorded))
    known, tied = _known(desired, recorded), ties()
    users = reversed_edges(tied.needs)
    holders = reversed_edges(tied.held_by)
    other_end = {one: [other] for pair in tied.moves.items() for one, other in (pair, pair[::-1])}
    chosen, named = set(known), None
    if request.targets:
        hits = matching(request.targets, known, option="--target")
        brings = {
            one: [
                *(holders.get(one, ()) if one in tied.held_by else ()),
                *(() if one in tied.ending else tied.needs.get(one, ())),
                *other_end.get(one, ()),
            ]
            for one in known
        }
        chosen = closure(hits, brings)
        named = frozenset(closure(hits, other_end))
    if request.excludes:
        hits = matching(request.excludes, known, option="--exclude")
        takes = {
            one: [
                *users.get(one, ()),
                *(tied.needs.get(one, ()) if one in tied.ending else ()),
                *(need for need in tied.held_by.get(one, ()) if need in tied.held_by),
                *other_end.get(one, ()),
            ]
            for one in known
        }
        left_out = closure(hits, takes)
        chosen -= left_out
    return Chosen(frozenset(chosen & known.keys()), named)


def _known(
    desired: Mapping[Address, Desired], recorded: Mapping[Address, Resource]
) -> Mapping[Address, Mapping[str, str]]:
    return {**dict.fromkeys(recorded, _NO_LABELS), **{address: one.labels for address, one in desired.items()}}


_NO_LABELS: Mapping[str, str] = {}
