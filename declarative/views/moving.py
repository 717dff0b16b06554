"""What the commands on a whole state show: differences, bindings, recovery files, what was rebuilt."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from declarative import codec
from declarative.errors import shown, visible
from declarative.model import Begun, Binding, Dropped, Json, Put
from declarative.views.findings import changes_json
from declarative.views.states import operation_json, operation_lines, resource_json
from declarative.views.steps import change_lines
from declarative.views.text import Line, Span, Tone, line, many
from declarative.views.view import Told, document

if TYPE_CHECKING:
    from declarative.state.recovery_file import Recovery
    from declarative.workflow.environments import Environment
    from declarative.workflow.moving import StateDifference
    from declarative.workflow.rebuild import Rebuilt

_ID = 160  # characters of an id that are shown


@dataclass(frozen=True, slots=True)
class DifferenceView:
    """What one state has other than the recorded one."""

    found: StateDifference

    def text(self) -> Iterator[Line]:
        found = self.found
        yield line(f"Recorded: serial {found.old.serial}. The file: serial {found.new.serial}.", Tone.STRONG)
        if found.old.lineage != found.new.lineage:
            yield line("They are of different lineages: one did not come of the other.", Tone.CHANGE)
        for resource in found.added:
            yield line(f"  + {resource.address}  id {shown(resource.id, limit=_ID)}", Tone.ADD)
        for resource in found.removed:
            yield line(f"  - {resource.address}  id {shown(resource.id, limit=_ID)}", Tone.REMOVE)
        for address, changes in found.changed.items():
            yield line(f"  ~ {address}", Tone.CHANGE)
            yield from change_lines(changes)
        if found.opened:
            yield line("Open in the file alone, or differently:")
            yield from operation_lines(found.opened)
        if found.closed:
            yield line("Open in the recorded state alone:")
            yield from operation_lines(found.closed)
        if found.is_empty:
            yield line("Both tell of the same objects.", Tone.STRONG)

    def json(self) -> str:
        found = self.found
        return document(
            {
                "format": "declarative.state-diff/1",
                "differs": not found.is_empty,
                "recorded": {"lineage": found.old.lineage, "serial": found.old.serial},
                "file": {"lineage": found.new.lineage, "serial": found.new.serial},
                "added": [resource_json(one) for one in found.added],
                "removed": [resource_json(one) for one in found.removed],
                "changed": [
                    {"address": str(address), "changes": changes_json(changes)}
                    for address, changes in found.changed.items()
                ],
                "opened": [operation_json(one) for one in found.opened],
                "closed": [operation_json(one) for one in found.closed],
            }
        )


def written_view(form: str, paths: Iterable[Path], **more: Json) -> Told:
    """The files that were written."""
    paths = tuple(paths)
    return Told(form, [line(f"wrote {visible(path)}") for path in paths], {"files": [*map(str, paths)], **more})


def rebound_view(old: Binding | None, new: Binding) -> Told:
    """What a state was bound to, and is."""
    text = "The state is bound so already." if old == new else "The state is bound anew."
    both: dict[str, Json] = {
        "old": codec.write_binding(old) if old is not None else None,
        "new": codec.write_binding(new),
    }
    return Told("state-rebind", [line(text)], {"changed": old != new, **both})


def binding_lines(old: Binding | None, new: Binding) -> Iterator[Line]:
    """What a state is bound to, and would be."""
    for name in ("project_id", "region", "host", "stack", "environment", "folder"):
        before, after = (getattr(old, name) if old is not None else ""), getattr(new, name)
        title = f"{name.replace('_id', '') + ':':<13}"
        if before == after:
            yield line(f"  {title}{shown(after, limit=_ID) or '(not known)'}", Tone.FAINT)
        else:
            was = shown(before, limit=_ID) or "(not known)"
            yield (Span(f"  {title}"), Span(was, Tone.REMOVE), Span(" → "), Span(shown(after, limit=_ID), Tone.ADD))


def recovery_lines(kept: Recovery) -> Iterator[Line]:
    """What a run could not record."""
    yield line(f"{shown(kept.path)} follows serial {kept.after}, and says:", Tone.STRONG)
    for record in kept.records:
        if isinstance(record, Put):
            yield line(f"  recorded: {record.resource.address}  id {shown(record.resource.id, limit=_ID)}")
        elif isinstance(record, Dropped):
            yield line(f"  gone: {record.address}")
        elif isinstance(record, Begun):
            yield from operation_lines([record.operation])


@dataclass(frozen=True, slots=True)
class RebuiltView:
    """What was found, what is doubtful with the candidates, and what is not there."""

    found: Rebuilt

    def text(self) -> Iterator[Line]:
        return _rebuilt_lines(self.found)

    def json(self) -> str:
        looked_for = self.found.looked_for
        return document(
            {
                "format": "declarative.state-rebuild/1",
                "recorded": [{"address": str(one.address), "id": one.id} for one in self.found.recorded],
                "doubtful": [
                    {
                        "address": str(address),
                        "candidates": [{"id": one, "reason": reason} for one, reason in candidates.items()],
                    }
                    for address, candidates in looked_for.doubtful.items()
                ],
                "waiting": [*map(str, looked_for.waiting)],
                "absent": [*map(str, looked_for.absent)],
            }
        )


def _rebuilt_lines(found: Rebuilt) -> Iterator[Line]:
    for resource in found.recorded:
        yield line(f"  + {resource.address}  id {shown(resource.id, limit=_ID)}", Tone.ADD)
    looked_for = found.looked_for
    for address, candidates in looked_for.doubtful.items():
        yield line(f"  ? {address}: not recorded, because no match is sure", Tone.CHANGE)
        for object_id, reason in candidates.items():
            command = f"declarative import {shlex.quote(str(address))} {shlex.quote(shown(object_id, limit=_ID))}"
            yield line(f"      {command}   {shown(reason)}")
    for address in looked_for.waiting:
        yield line(f"  … {address}: waits for what it needs", Tone.FAINT)
    for address in looked_for.absent:
        yield line(f"  - {address}: the cloud has nothing like it; apply would create it", Tone.FAINT)
    yield line(
        f"Recorded {many(len(found.recorded), 'object')}; {len(looked_for.doubtful)} doubtful,"
        f" {len(looked_for.waiting)} waiting, {len(looked_for.absent)} absent.",
        Tone.STRONG,
    )


def environments_view(environments: tuple[Environment, ...]) -> Told:
    """The environments, and what each has."""
    rows = [{"name": one.name, "file": one.file, "state": one.state} for one in environments]
    return Told("env-list", _environment_lines(environments), {"environments": rows})


def _environment_lines(environments: tuple[Environment, ...]) -> Iterator[Line]:
    """One line for each environment."""
    wide = max((len(one.name) for one in environments), default=0)
    for one in environments:
        state = "state not known" if one.state is None else "has a state" if one.state else "no state"
        yield (Span(f"{shown(one.name):<{wide}}  ", Tone.STRONG), Span(f"{state}{_file(one)}", _tone(one)))


def _file(one: Environment) -> str:
    if not one.lost_its_file:
        return ""
    return f"; environments/{shown(one.name)}.yaml is gone: bring it back to look at or destroy what is recorded"


def _tone(one: Environment) -> Tone:
    return Tone.CHANGE if one.state and one.lost_its_file else Tone.PLAIN
