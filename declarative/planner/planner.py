"""Three views in, one plan out. Pure: the same views give the same plan, step for step."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from declarative.errors import Diagnostic, InputError
from declarative.kinds import KINDS
from declarative.model import (
    Action,
    Address,
    Attributes,
    Basis,
    Change,
    Danger,
    DesiredView,
    Drift,
    Json,
    Kind,
    Observed,
    OpenOperation,
    Plan,
    Resource,
    Step,
    Withheld,
)
from declarative.planner.assessment import Assessment, EarlierFindings, assess
from declarative.planner.builder import PlanBuilder, PlannedSteps
from declarative.planner.comparison import Comparison, compare, dependency_findings
from declarative.planner.consents import DESTROY_CONSENTS, merged
from declarative.planner.dangers import Stakes, find_dangers
from declarative.planner.differences import baseline, drifted, field_changes
from declarative.planner.duplicates import UnmanagedObjects, duplicate, with_twins
from declarative.planner.generator import generate
from declarative.planner.graph import by_address
from declarative.planner.hints import find_hints
from declarative.planner.links import with_links
from declarative.planner.membership import Membership
from declarative.planner.outputs import coming_outputs, nothing_stays, output_findings
from declarative.planner.preflight import prerequisites
from declarative.planner.protection import Protected, with_protection
from declarative.planner.selection import Chosen, PlanRequest, Ties, chosen_addresses, replaced_addresses
from declarative.planner.withholding import held_drift


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

    Raises InputError with all findings, UsageError for a selector without a match, ValueError when a refresh has left
    out a recorded object.
    """
    changing = not (request.destroy or request.refresh_only)
    replaced = replaced_addresses(request, desired.resources, recorded)
    compared = compare(desired.resources, recorded, observed, refreshed=request.refreshed)
    builder = generate(compared, request, replaced=replaced, open_=open)
    comparison, membership = builder.comparison, Membership(builder)
    chosen = chosen_addresses(request, comparison.desired, recorded, ties=lambda: _ties(builder, membership, request))
    protected, assessment = _assessed(builder, membership, chosen, desired, changing=changing)
    remaining, steps, seen = assessment.remaining, assessment.situation.steps, assessment.situation.seen
    if request.refreshed:
        steps = with_twins(steps, UnmanagedObjects(observed.objects, recorded.values(), open))
    outputs = () if request.destroy and nothing_stays(comparison, remaining.planned) else desired.outputs
    coming = coming_outputs(comparison, remaining.planned, outputs, recorded=recorded_outputs)
    return Plan(
        basis=_basis(basis, request, desired),
        steps=steps,
        dangers=_dangers(
            membership,
            comparison,
            steps,
            remaining.withheld,
            seen=seen,
            request=request,
            max_deletes=desired.stack.max_deletes,
        ),
        hints=find_hints(builder, membership, steps) if changing else (),
        consents=merged(request.consents, DESTROY_CONSENTS if request.destroy else ()),
        withheld=remaining.withheld,
        drift=_drift(comparison, chosen.addresses) if request.refreshed else (),
        open=open,
        outputs=outputs,
        output_changes=() if request.refresh_only else coming,
        warnings=(*warnings, *_notes(builder, chosen.addresses), *protected.notes, *remaining.notes, *assessment.notes),
        prerequisites=prerequisites(steps),
        max_deletes=desired.stack.max_deletes,
        timeouts=desired.stack.timeouts,
    )


def _assessed(
    builder: PlanBuilder, membership: Membership, chosen: Chosen, desired: DesiredView, *, changing: bool
) -> tuple[Protected, Assessment]:
    """Add the switches of protection to the planned steps, link them, and take out what has to wait.

    Raises InputError with all that makes the plan impossible.
    """
    protected = with_protection(builder, membership, chosen, goals=changing)
    steps = (step for steps in protected.planned.values() for step in steps)
    linked = _regrouped(with_links(steps, builder, membership))
    found = EarlierFindings(_of_documents(builder, chosen) if changing else (), protected.findings)
    assessment = assess(builder, linked, membership, found)
    if wrong := [*(_of_structure(builder, desired) if changing else ()), *assessment.errors]:
        raise InputError(wrong)
    return protected, assessment


def _basis(basis: Basis, request: PlanRequest, desired: DesiredView) -> Basis:
    guarded = (address for address, one in desired.resources.items() if one.lifecycle.prevent_destroy)
    return replace(
        basis,
        destroy=request.destroy,
        refresh_only=request.refresh_only,
        refreshed=request.refreshed,
        documents=len(desired.resources),
        guarded=tuple(sorted(guarded, key=by_address)),
        targets=request.targets,
        excludes=request.excludes,
        replaces=request.replaces,
    )


def aware_of_twins(
    plan: Plan,
    objects: Mapping[str, Mapping[str, Attributes]],
    recorded: Mapping[Address, Resource],
) -> Plan:
    """Return a plan that was made without a refresh with the danger of each create that would make a second object.

    `objects`: what the cloud shows of the kinds in `kinds_with_twins`, by kind and id.
    """
    steps = with_twins(plan.steps, UnmanagedObjects(objects, recorded.values(), plan.open))
    found = [duplicate(step) for step in steps if step.twins]
    return replace(plan, steps=steps, dangers=(*plan.dangers, *found)) if found else plan


def kinds_with_twins(plan: Plan) -> tuple[Kind, ...]:
    """Return the kinds of which the plan creates objects, and of which two of one name may be in one place."""
    created = {step.address.kind for step in plan.steps if step.action is Action.CREATE}
    return tuple(kind for kind in KINDS.values() if kind.name in created and not kind.relations.natural_key)


# ---------------------------------------------------------------- steps by address


def _ties(builder: PlanBuilder, membership: Membership, request: PlanRequest) -> Ties:
    """What selectors need to know of what hangs on what."""
    comparison = builder.comparison
    hanging = {address: membership.hangs_on(recorded) for address, recorded in comparison.recorded.items()}
    needs: dict[Address, Collection[Address]] = {
        address: {*desired.depends_on, *builder.waits.get(address, ())}
        for address, desired in comparison.desired.items()
    }
    ending = comparison.recorded.keys() if request.destroy else comparison.recorded.keys() - comparison.desired.keys()
    needs.update({address: hanging[address] for address in ending})
    goes = (Action.DELETE, Action.FORGET)
    held_by = {
        address: hanging[address]
        for address, steps in builder.planned.items()
        if address in hanging and any(step.action in goes for step in steps)
    }
    return Ties(needs, held_by, ending, builder.moves)


def _regrouped(steps: Iterable[Step]) -> PlannedSteps:
    planned: dict[Address, list[Step]] = {}
    for step in steps:
        planned.setdefault(step.address, []).append(step)
    return {address: tuple(group) for address, group in planned.items()}


def _of_structure(builder: PlanBuilder, desired: DesiredView) -> Iterable[Diagnostic]:
    """The findings about dependencies and outputs, which concern all documents."""
    yield from dependency_findings(desired.resources)
    yield from output_findings(builder.comparison, desired.outputs, moves=builder.moves)


def _of_documents(builder: PlanBuilder, chosen: Chosen) -> list[Diagnostic]:
    """The findings of the documents that the plan is about."""
    problems, found = builder.comparison.problems, builder.findings
    addresses = sorted((problems.keys() | found.keys()) & chosen.addresses, key=by_address)
    return [one for address in addresses for one in (*problems.get(address, ()), *found.get(address, ()))]


def _notes(builder: PlanBuilder, chosen: Collection[Address]) -> Iterable[Diagnostic]:
    for address in sorted(builder.notes.keys() & set(chosen), key=by_address):
        yield from builder.notes[address]


# ---------------------------------------------------------------- what the reader must know


def _dangers(
    membership: Membership,
    comparison: Comparison,
    steps: Sequence[Step],
    withheld: Collection[Withheld],
    *,
    seen: Mapping[Address, Attributes],
    request: PlanRequest,
    max_deletes: int,
) -> tuple[Danger, ...]:
    cleared = {step.address for step in steps if step.action is Action.DELETE}
    stakes = Stakes(
        kinds=KINDS,
        guarded={address for address, one in comparison.desired.items() if one.lifecycle.prevent_destroy},
        documents=len(comparison.desired),
        recorded=comparison.recorded,
        seen=seen,
        membership=membership,
        gone=sum(1 for address, live in comparison.live_objects.items() if live is None and address not in cleared),
        max_deletes=max_deletes,
        destroy=request.destroy,
        refresh_only=request.refresh_only,
    )
    return find_dangers(steps, withheld, stakes)


def _drift(comparison: Comparison, chosen: Collection[Address]) -> tuple[Drift, ...]:
    found = []
    for (address, recorded), live in zip(comparison.recorded.items(), comparison.live_objects.values(), strict=True):
        if live is None:
            found.append(Drift(address, gone=True))
        elif changes := _drifted(comparison.kind(address), recorded, live.seen):
            found.append(Drift(address, changes))
    return tuple(sorted((one for one in found if one.address in chosen), key=lambda one: by_address(one.address)))


def _drifted(kind: Kind, recorded: Resource, seen: Attributes) -> tuple[Change, ...]:
    shown, told = drifted(kind, recorded, seen), held_drift(kind, recorded, seen)
    if not shown:
        return told
    changes = (*told, *field_changes(shown, old=baseline(kind, recorded), new=shown))
    return tuple(sorted(changes, key=lambda change: change.field))
