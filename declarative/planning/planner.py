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
from declarative.planning.belonging import Belonging
from declarative.planning.consents import DESTROY_CONSENTS, merged
from declarative.planning.dangers import Stakes, find_dangers
from declarative.planning.differences import baseline, drifted, field_changes
from declarative.planning.drafting import draft
from declarative.planning.forecast import coming_outputs, nothing_stays, output_findings
from declarative.planning.graph import by_address
from declarative.planning.hints import find_hints
from declarative.planning.holding import held_drift
from declarative.planning.links import with_links
from declarative.planning.preflight import prerequisites
from declarative.planning.protection import with_protection
from declarative.planning.scene import Scene, dependency_findings, look
from declarative.planning.selection import Chosen, PlanRequest, Ties, chosen_addresses, replaced_addresses
from declarative.planning.sketch import Sketch, Wishes
from declarative.planning.twins import Strangers, duplicate, with_twins
from declarative.planning.verdict import Found, judged


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
    sketch = draft(
        look(desired.resources, recorded, observed, refreshed=request.refreshed),
        request,
        replaced=replaced,
        open_=open,
    )
    scene, belonging = sketch.scene, Belonging(sketch)
    chosen = chosen_addresses(request, scene.desired, recorded, ties=lambda: _ties(sketch, belonging, request))
    protected = with_protection(sketch, belonging, chosen, goals=changing)
    linked = _regrouped(with_links((step for steps in protected.wishes.values() for step in steps), sketch, belonging))
    verdict = judged(
        sketch, linked, belonging, Found(_of_documents(sketch, chosen) if changing else (), protected.findings)
    )
    if wrong := [*(_of_structure(sketch, desired) if changing else ()), *verdict.errors]:
        raise InputError(wrong)
    kept, steps, seen = verdict.kept, verdict.situation.steps, verdict.situation.seen
    if request.refreshed:
        steps = with_twins(steps, Strangers(observed.objects, recorded.values(), open))
    outputs = () if request.destroy and nothing_stays(scene, kept.wishes) else desired.outputs
    return Plan(
        basis=_basis(basis, request, desired),
        steps=steps,
        dangers=_dangers(
            belonging, scene, steps, kept.withheld, seen=seen, request=request, max_deletes=desired.stack.max_deletes
        ),
        hints=find_hints(sketch, belonging, steps) if changing else (),
        consents=merged(request.consents, DESTROY_CONSENTS if request.destroy else ()),
        withheld=kept.withheld,
        drift=_drift(scene, chosen.addresses) if request.refreshed else (),
        open=open,
        outputs=outputs,
        output_changes=(
            () if request.refresh_only else coming_outputs(scene, kept.wishes, outputs, recorded=recorded_outputs)
        ),
        warnings=(*warnings, *_notes(sketch, chosen.addresses), *protected.notes, *kept.notes, *verdict.notes),
        prerequisites=prerequisites(steps),
        max_deletes=desired.stack.max_deletes,
        timeouts=desired.stack.timeouts,
    )


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
    steps = with_twins(plan.steps, Strangers(objects, recorded.values(), plan.open))
    found = [duplicate(step) for step in steps if step.twins]
    return replace(plan, steps=steps, dangers=(*plan.dangers, *found)) if found else plan


def kinds_with_twins(plan: Plan) -> tuple[Kind, ...]:
    """Return the kinds of which the plan creates objects, and of which two of one name may be in one place."""
    created = {step.address.kind for step in plan.steps if step.action is Action.CREATE}
    return tuple(kind for kind in KINDS.values() if kind.name in created and not kind.natural_key)


# ---------------------------------------------------------------- wishes


def _ties(sketch: Sketch, belonging: Belonging, request: PlanRequest) -> Ties:
    """What selectors need to know of what hangs on what."""
    scene = sketch.scene
    hanging = {address: belonging.hangs_on(recorded) for address, recorded in scene.recorded.items()}
    needs: dict[Address, Collection[Address]] = {
        address: {*desired.depends_on, *sketch.waits.get(address, ())} for address, desired in scene.desired.items()
    }
    ending = scene.recorded.keys() if request.destroy else scene.recorded.keys() - scene.desired.keys()
    needs.update({address: hanging[address] for address in ending})
    goes = (Action.DELETE, Action.FORGET)
    held_by = {
        address: hanging[address]
        for address, steps in sketch.wishes.items()
        if address in hanging and any(step.action in goes for step in steps)
    }
    return Ties(needs, held_by, ending, sketch.moves)


def _regrouped(steps: Iterable[Step]) -> Wishes:
    wishes: dict[Address, list[Step]] = {}
    for step in steps:
        wishes.setdefault(step.address, []).append(step)
    return {address: tuple(group) for address, group in wishes.items()}


def _of_structure(sketch: Sketch, desired: DesiredView) -> Iterable[Diagnostic]:
    """The findings about dependencies and outputs, which concern all documents."""
    yield from dependency_findings(desired.resources)
    yield from output_findings(sketch.scene, desired.outputs, moves=sketch.moves)


def _of_documents(sketch: Sketch, chosen: Chosen) -> list[Diagnostic]:
    """The findings of the documents that the plan is about."""
    problems, found = sketch.scene.problems, sketch.findings
    addresses = sorted((problems.keys() | found.keys()) & chosen.addresses, key=by_address)
    return [one for address in addresses for one in (*problems.get(address, ()), *found.get(address, ()))]


def _notes(sketch: Sketch, chosen: Collection[Address]) -> Iterable[Diagnostic]:
    for address in sorted(sketch.notes.keys() & set(chosen), key=by_address):
        yield from sketch.notes[address]


# ---------------------------------------------------------------- what the reader must know


def _dangers(
    belonging: Belonging,
    scene: Scene,
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
        guarded={address for address, one in scene.desired.items() if one.lifecycle.prevent_destroy},
        documents=len(scene.desired),
        recorded=scene.recorded,
        seen=seen,
        belonging=belonging,
        gone=sum(1 for address, sight in scene.sights.items() if sight is None and address not in cleared),
        max_deletes=max_deletes,
        destroy=request.destroy,
        refresh_only=request.refresh_only,
    )
    return find_dangers(steps, withheld, stakes)


def _drift(scene: Scene, chosen: Collection[Address]) -> tuple[Drift, ...]:
    found = []
    for (address, recorded), sight in zip(scene.recorded.items(), scene.sights.values(), strict=True):
        if sight is None:
            found.append(Drift(address, gone=True))
        elif changes := _drifted(scene.kind(address), recorded, sight.seen):
            found.append(Drift(address, changes))
    return tuple(sorted((one for one in found if one.address in chosen), key=lambda one: by_address(one.address)))


def _drifted(kind: Kind, recorded: Resource, seen: Attributes) -> tuple[Change, ...]:
    shown, told = drifted(kind, recorded, seen), held_drift(kind, recorded, seen)
    if not shown:
        return told
    changes = (*told, *field_changes(shown, old=baseline(kind, recorded), new=shown))
    return tuple(sorted(changes, key=lambda change: change.field))
