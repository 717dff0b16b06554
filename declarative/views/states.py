"""What is recorded, and the runs that recorded it, as lines for a reader and as JSON for a program."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from declarative import codec
from declarative.errors import shown, visible
from declarative.model import Json, Operation, Resource, Run
from declarative.state import Holder, Point, Restored, Seen, State
from declarative.views.outcomes import outputs_lines
from declarative.views.text import Line, Span, Tone, field_name, line, many, value
from declarative.views.view import Told, document


@dataclass(frozen=True, slots=True)
class StateView:
    """A whole state: its objects, what is still open, its outputs."""

    state: State

    def text(self) -> list[Line]:
        state, bound = self.state, self.state.binding
        where = f" of project {shown(bound.project_id)} at {shown(bound.host)}" if bound else ""
        head = f"Recorded: {many(len(state.resources), 'object')}{where}, serial {state.serial}."
        lines = [line(head, Tone.STRONG)]
        for address in sorted(state.resources):
            lines += [line(), *resource_lines(state.resources[address])]
        if state.operations:
            lines += [line(), line("Still open, apply goes on with these:", Tone.STRONG)]
            lines += operation_lines(state.operations.values())
        if state.outputs:
            lines += [line(), line("Outputs:", Tone.STRONG), *outputs_lines(state.outputs)]
        return lines

    def json(self) -> str:
        state, bound = self.state, self.state.binding
        return document(
            {
                "lineage": state.lineage,
                "serial": state.serial,
                **(codec.write_binding(bound) if bound else dict.fromkeys(codec.BINDING)),
                "resources": [resource_json(state.resources[address]) for address in sorted(state.resources)],
                "operations": [operation_json(one) for one in state.operations.values()],
                "outputs": dict(state.outputs),
            }
        )


@dataclass(frozen=True, slots=True)
class ResourceView:
    """One recorded object."""

    resource: Resource

    def text(self) -> list[Line]:
        return resource_lines(self.resource)

    def json(self) -> str:
        return document(resource_json(self.resource))


@dataclass(frozen=True, slots=True)
class ListingView:
    """The recorded objects: one line each, or all that is known of each."""

    resources: Sequence[Resource]

    def text(self) -> list[Line]:
        return listing_lines(self.resources)

    def json(self) -> str:
        return document([resource_json(one) for one in self.resources])


@dataclass(frozen=True, slots=True)
class HistoryView:
    """The runs that have written a state."""

    runs: Sequence[Run]

    def text(self) -> list[Line]:
        return history_lines(self.runs)

    def json(self) -> str:
        return document([run_json(one) for one in self.runs])


@dataclass(frozen=True, slots=True)
class HolderView:
    """Who holds the lock of a state, if anybody does."""

    seen: Seen | None

    def text(self) -> list[Line]:
        if self.seen is None:
            return [line("The state is not locked.")]
        age = f"; {shown(self.seen.age)}" if self.seen.age else ""
        return [line(f"{holder_text(self.seen.holder)}{age}")]

    def json(self) -> str:
        if self.seen is None:
            return document(None)
        return document({**asdict(self.seen.holder), "alive": self.seen.alive, "age": self.seen.age or None})


def holder_text(holder: Holder) -> str:
    """Who holds a lock, since when and for what, in one sentence."""
    return (
        f"Locked by {shown(holder.who)} on {shown(holder.host)} (process {holder.pid}) since {shown(holder.since)},"
        f" for {shown(holder.operation)}; id {shown(holder.id)}"
    )


def points_view(points: Iterable[Point]) -> Told:
    """The serials that a state can be restored to: one line for each run of them."""
    points = tuple(points)
    lines = [line(_point_text(one)) for one in points]
    return Told("state-restore", lines, {"points": [asdict(one) for one in points], "restored": None})


def restored_view(serial: int, restored: Restored) -> Told:
    """What a restore has left: where the files that it replaced are, and what may still exist of what came after."""
    kept = visible(restored.kept)
    lines = [line(f"Restored: the state is as of serial {serial}. What it replaces is in {kept}.")]
    if restored.resources:
        lines.append(line("Recorded after that, and no longer known; to take over what still exists:"))
        lines += import_lines(restored.resources)
    if restored.begun:
        names = ", ".join(map(str, restored.begun))
        lines.append(line(f"Begun after that, and perhaps made: {names}. Look for them before you apply."))
    done: Json = {
        "serial": serial,
        "kept": restored.kept,
        "no_longer_recorded": [{"address": str(one.address), "id": one.id} for one in restored.resources],
        "perhaps_made": [*map(str, restored.begun)],
    }
    return Told("state-restore", lines, {"points": None, "restored": done})


def imported_view(resources: Iterable[Resource]) -> Told:
    """The objects that were imported."""
    resources = tuple(resources)
    lines = [line(f"Imported: {one.address} is recorded with id {visible(one.id)}.") for one in resources]
    return Told("import", lines, {"imported": [{"address": str(one.address), "id": one.id} for one in resources]})


def _point_text(point: Point) -> str:
    more = f", and every serial from {point.since} on" if point.since < point.serial else ""
    return f"{point.serial:>8}  {shown(point.source)}, {many(point.objects, 'object')}{more}"


def resource_lines(resource: Resource) -> list[Line]:
    """One recorded object with all that is known of it; what is null is left out."""
    lines: list[Line] = [(Span(f"  {resource.address}", Tone.STRONG), Span(f"  id {value(resource.id)}", Tone.FAINT))]
    both = {**resource.inputs, **resource.attributes}
    known = {name: content for name, content in both.items() if content is not None and name != "id"}
    width = min(max((len(name) for name in known), default=0), 40)
    lines += [line(f"      {field_name(name):<{width}}  {value(known[name])}") for name in sorted(known)]
    if resource.lifecycle.prevent_destroy:
        lines.append(line("      prevent_destroy: it must not be deleted", Tone.CHANGE))
    if resource.lifecycle.adopt:
        lines.append(line("      adopt: it came with its instance and goes with it", Tone.FAINT))
    return lines


def resource_json(resource: Resource) -> Json:
    """`{address, kind, id, inputs, attributes, lifecycle, depends_on}`."""
    shape = codec.resource_in_full(resource)
    return {"address": shape["address"], "kind": resource.address.kind, **shape}


def listing_lines(resources: Iterable[Resource]) -> list[Line]:
    """One line an object: address, id, name in the cloud."""
    rows = [(str(one.address), one.id, one.attributes.get("name", one.inputs.get("name"))) for one in resources]
    width = max((len(address) for address, _, _ in rows), default=0)
    return [
        (Span(f"{address:<{width}}", Tone.STRONG), Span(f"  {shown(object_id)}"), Span(f"  {value(name)}", Tone.FAINT))
        for address, object_id, name in rows
    ]


def import_lines(resources: Iterable[Resource]) -> list[Line]:
    """The commands that record these objects once more, one line each."""
    return [
        line(f"  declarative import {shlex.quote(str(one.address))} {shlex.quote(shown(one.id))}") for one in resources
    ]


def operation_lines(operations: Iterable[Operation]) -> list[Line]:
    """Operations that are not known to have ended."""
    return [
        line(f"  … {one.action.value} {one.resource.address}" + (f" (job {shown(one.job_id)})" if one.job_id else ""))
        for one in operations
    ]


def operation_json(operation: Operation) -> Json:
    """`{id, address, action, job_id, sends}`; without a job, `job_id` is null."""
    return {
        "id": operation.id,
        "address": str(operation.resource.address),
        "action": operation.action.value,
        "job_id": operation.job_id or None,
        "sends": operation.sends,
    }


def history_lines(runs: Iterable[Run]) -> list[Line]:
    """One line a run: when, who, what came of it, which plan."""
    return [
        (
            Span(f"at {shown(run.started)}  ", Tone.FAINT),
            Span(f"{shown(run.command)} by {shown(run.who)}: {_counts(run)}"),
            Span(f"  plan {shown(run.plan[:12])}" if run.plan else "", Tone.FAINT),
            Span(f"  content {shown(run.content[:12])}" if run.content else "", Tone.FAINT),
            Span(f"  consents {shown(', '.join(run.consents))}" if run.consents else "", Tone.CHANGE),
        )
        for run in runs
    ]


def _counts(run: Run) -> str:
    if not run.ended:
        return "not ended"
    counts = [f"{number} {shown(word)}" for word, number in run.counts.items() if number]
    return ", ".join(counts) or "done"


def run_json(run: Run) -> Json:
    """`{id, who, started, ended, command, plan, content, consents, counts}`.

    A run that has not ended has a null `ended`; without a plan, or a content digest that it was given, these are null.
    """
    full = codec.run_in_full(run)
    return {**full, "ended": run.ended or None, "plan": run.plan or None, "content": run.content or None}
