"""Three views in, one plan out. Pure: the same views give the same plan, step for step."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from declarative.errors import Diagnostic, InputError, Severity, visible
from declarative.kinds import KINDS
from declarative.model import (
    Action,
    Address,
    Attributes,
    Basis,
    Danger,
    DesiredView,
    Drift,
    Health,
    Json,
    Observed,
    OpenOperation,
    Output,
    Plan,
    Reason,
    Resource,
    Step,
    Withheld,
)
from declarative.planning.dangers import DESTROY_CONSENTS, Stakes, find_dangers, merged
from declarative.planning.differences import baseline, drifted, field_changes
from declarative.planning.forecast import coming_outputs, nothing_stays, output_findings
from declarative.planning.graph import by_address, closure, in_order, linked, reversed_edges
from declarative.planning.preflight import full_quotas, held_members
from declarative.planning.scene import Scene, complete, dependency_findings, look, moves
from declarative.planning.selection import PlanRequest, check_request, chosen_addresses, replaced_addresses
from declarative.planning.wishes import Wanted, adjust, create, delete, forget, refresh

Wishes = dict[Address, tuple[Step, ...]]


def make_plan(
    desired: DesiredView,
    recorded: Mapping[Address, Resource],
    observed: Observed,
    *,
    request: PlanRequest,
    basis: Basis,
    recorded_outputs: Mapping[str, Json],
    open: tuple[OpenOperation, ...] = (),  # noqa: A002 - the plan's own word for them
    warnings: Iterable[Diagnostic] = (),
) -> Plan:
    """Return what turns the recorded and observed objects into the desired ones.

    Addresses with an `open` operation get no step. The destroying request brings its own consents.

    Raises InputError with all findings, UsageError for a selector without a match and for a request that contradicts
    itself, ValueError when a refresh has left out a recorded object.
    """
    check_request(request)
    scene = look(desired.resources, recorded, observed, refreshed=request.refreshed)
    draft = _draft(scene, request, desired.outputs)
    kept, withheld, notes = _held_back(scene, draft.wishes, {operation.address for operation in open})
    steps = [step for group in kept.values() for step in group]
    outputs = () if request.destroy and nothing_stays(scene, kept) else desired.outputs
    if findings := [*draft.findings, *_findings(scene, steps, request)]:
        raise InputError(findings)
    ordered = in_order(steps)
    return Plan(
        basis=_asked_for(basis, request),
        steps=ordered,
        dangers=_dangers(scene, ordered, withheld, request=request, max_deletes=desired.stack.max_deletes),
        consents=merged(request.consents, DESTROY_CONSENTS if request.destroy else ()),
        withheld=withheld,
        drift=tuple(_drift(scene, draft.chosen)) if request.refreshed else (),
        open=open,
        outputs=outputs,
        output_changes=() if request.refresh_only else coming_outputs(scene, kept, outputs, recorded=recorded_outputs),
        warnings=(*warnings, *notes),
        max_deletes=desired.stack.max_deletes,
        timeouts=desired.stack.timeouts,
    )


def _asked_for(basis: Basis, request: PlanRequest) -> Basis:
    return replace(basis, destroy=request.destroy, refresh_only=request.refresh_only, refreshed=request.refreshed)


# ---------------------------------------------------------------- wishes


@dataclass(frozen=True, slots=True)
class _Draft:
    """What each chosen address wants, before anything is held back. `moves`: old addresses by new ones."""

    wishes: Wishes
    chosen: Sequence[Address]
    moves: Mapping[Address, Address]
    findings: Sequence[Diagnostic]


def _draft(scene: Scene, request: PlanRequest, outputs: Iterable[Output]) -> _Draft:
    ready: dict[Address, Wanted] = {}
    problems: dict[Address, list[Diagnostic]] = {}
    findings: list[Diagnostic] = []
    if not (request.destroy or request.refresh_only):
        ready, problems = complete(scene)
        findings.extend(dependency_findings(scene.desired))
    replaced = replaced_addresses(request, scene.desired, scene.recorded)
    ready.update({one: replace(ready[one], requested=True) for one in replaced & ready.keys()})
    moved = moves(scene, ready, fixed=replaced)
    if not (request.destroy or request.refresh_only):
        findings.extend(output_findings(scene, outputs, moves=moved))
    chosen = chosen_addresses(request, scene.desired, scene.recorded, moves=moved)
    left = set(moved.values())
    wishes: Wishes = {}
    for address in sorted(chosen, key=by_address):
        if address in problems:
            findings.extend(problems[address])
        elif address not in left and (steps := _wish(scene, address, ready.get(address), request, moved.get(address))):
            wishes[address] = steps
    wishes = _regrouped(linked(step for steps in wishes.values() for step in steps))
    return _Draft(wishes, sorted(chosen, key=by_address), moved, findings)


def _wish(
    scene: Scene, address: Address, wanted: Wanted | None, request: PlanRequest, source: Address | None
) -> tuple[Step, ...]:
    """What the address wants. `wanted` is None when nothing is desired there, `source` where its object moves from."""
    recorded = scene.recorded.get(source or address)
    if recorded is None:
        return create(wanted, Reason.NEW) if wanted else ()
    kind, sight = scene.kind(address), scene.sights[recorded.address]
    if sight is None:
        return create(wanted, Reason.GONE_FROM_CLOUD, old_id=recorded.id) if wanted else (forget(recorded),)
    if request.refresh_only:
        return refresh(kind, recorded, sight)
    if wanted is None:
        return (delete(kind, recorded, sight, Reason.DESTROY if request.destroy else Reason.GONE_FROM_MANIFESTS),)
    return adjust(kind, wanted, recorded, sight)


def _regrouped(steps: Iterable[Step]) -> Wishes:
    wishes: dict[Address, list[Step]] = {}
    for step in steps:
        wishes.setdefault(step.address, []).append(step)
    return {address: tuple(group) for address, group in wishes.items()}


# ---------------------------------------------------------------- what must not be done now


def _held_back(
    scene: Scene, wishes: Wishes, open_: Collection[Address]
) -> tuple[Wishes, tuple[Withheld, ...], list[Diagnostic]]:
    """Take out what is held or still open, and all that waits for it. Returns the rest, what is withheld, warnings."""
    targets = {step.source: address for address, steps in wishes.items() for step in steps if step.source}
    held = _held(scene, targets)
    notes = [_left_alone(address, why) for address, why in held.items() if address not in wishes]
    undecided = {targets.get(address, address) for address in open_} & wishes.keys()
    if not undecided and held.keys().isdisjoint(wishes):
        return wishes, (), notes
    needs = _needs(wishes)
    users = reversed_edges(needs)
    withheld = closure(held.keys() & wishes.keys(), users)
    waiting = closure(undecided, users) - withheld
    notes += [_waits_for_open(one, needs[one] & waiting) for one in sorted(waiting - undecided, key=by_address)]
    kept = {address: steps for address, steps in wishes.items() if address not in withheld and address not in waiting}
    reasons = [
        Withheld(one, wishes[one][0].action, held.get(one) or _waits_for_held(needs[one] & withheld))
        for one in sorted(withheld, key=by_address)
    ]
    return kept, tuple(reasons), notes


def _held(scene: Scene, targets: Mapping[Address, Address]) -> dict[Address, str]:
    """Why held objects are, by address; `targets` tells where a moving object's steps have theirs."""
    held: dict[Address, str] = {}
    for address, sight in sorted(scene.sights.items(), key=lambda pair: by_address(pair[0])):
        if sight is not None and sight.health is Health.HELD:
            because = scene.kind(address).held_because(sight.attributes)
            held[targets.get(address, address)] = f"disaster recovery is in progress: {visible(because, limit=200)}"
    return held


def _left_alone(address: Address, why: str) -> Diagnostic:
    return Diagnostic(f"{address} is left alone: {why}", address=str(address), severity=Severity.WARNING)


def _waits_for_held(causes: Collection[Address]) -> str:
    return f"it waits for {min(causes, key=by_address)}, whose step is withheld"


def _waits_for_open(address: Address, causes: Collection[Address]) -> Diagnostic:
    cause = min(causes, key=by_address)
    summary = f"{address} gets no step: it waits for {cause}, where an earlier operation is still open"
    return Diagnostic(summary, "Plan again once that is settled.", address=str(address), severity=Severity.WARNING)


def _needs(wishes: Wishes) -> dict[Address, set[Address]]:
    """Which addresses each address waits for."""
    owner = {step.id: address for address, steps in wishes.items() for step in steps}
    return {
        address: {owner[one] for step in steps for one in step.requires} - {address}
        for address, steps in wishes.items()
    }


# ---------------------------------------------------------------- what the reader must know


def _findings(scene: Scene, steps: Sequence[Step], request: PlanRequest) -> Iterable[Diagnostic]:
    if request.refreshed:
        yield from held_members(steps, kinds=KINDS, seen=_deleted(scene, steps), desired=scene.desired)
    yield from full_quotas(steps, kinds=KINDS, lookups=scene.observed.lookups)


def _deleted(scene: Scene, steps: Iterable[Step]) -> dict[Address, Attributes]:
    """What is seen of the objects that the steps delete."""
    sights = {step.address: scene.sights[step.address] for step in steps if step.action is Action.DELETE}
    return {address: sight.attributes for address, sight in sights.items() if sight is not None}


def _dangers(
    scene: Scene, steps: Sequence[Step], withheld: Collection[Withheld], *, request: PlanRequest, max_deletes: int
) -> tuple[Danger, ...]:
    stakes = Stakes(
        kinds=KINDS,
        desired=scene.desired,
        recorded=scene.recorded,
        seen=_deleted(scene, steps),
        gone=sum(1 for sight in scene.sights.values() if sight is None),
        max_deletes=max_deletes,
        destroy=request.destroy,
        refresh_only=request.refresh_only,
    )
    return find_dangers(steps, withheld, stakes)


def _drift(scene: Scene, chosen: Iterable[Address]) -> Iterable[Drift]:
    for address in chosen:
        recorded = scene.recorded.get(address)
        if recorded is None:
            continue
        kind, sight = scene.kind(address), scene.sights[address]
        if sight is None:
            yield Drift(address, gone=True)
        elif names := drifted(kind, recorded, sight.seen):
            yield Drift(address, field_changes(names, old=baseline(kind, recorded), new=sight.seen))
