"""`status`, `graph --objects` and `export`: what there is. They plan nothing, and record nothing."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from declarative import manifest
from declarative.backoff import Backoff
from declarative.errors import DeclarativeError, ProviderError, UsageError, visible
from declarative.kinds import KINDS
from declarative.model import Address, Desired, Lookups, Resource, Stack
from declarative.observation.refresh import domains_of, read_kinds
from declarative.workflow.addresses import recorded_address
from declarative.workflow.backends import cloud_of, read_state, store_of
from declarative.workflow.manifests import resolved, stack_here, stack_of
from declarative.workflow.ownership import check_cloud
from declarative.workflow.project import Project
from declarative.workflow.sessions import observer_for

if TYPE_CHECKING:
    from declarative.observation import Observer
    from declarative.reporting.exporter import Exported
    from declarative.reporting.health import Report
    from declarative.state import State

_LOOKS = Backoff(first=2.0, longest=30.0, growth=1.5)  # between two looks of those who wait or watch
_LAST = 2.0  # seconds before the time is over, for a last look


async def status(project: Project, address: str | None = None) -> Report:
    """How the recorded groups and their members are just now, or those of one address.

    Takes no lock and writes nothing. Raises UsageError when the address is not recorded.
    """
    from declarative.reporting.health import Report

    stack = stack_of(project)
    state, only = _recorded(project, stack, address)
    if not state.resources:
        return Report()
    async with cloud_of(project, stack) as provider:
        observer = observer_for(project, provider, stack)
        found = await _looked(state, only, observer)
    for finding in observer.notices.findings:
        project.warn(finding)
    return found


async def watched(project: Project, address: str | None = None) -> AsyncGenerator[Report, None]:
    """Yield what `status` returns again and again, after pauses that grow while nothing changes. Close it when done.

    It ends when the time of the project is over, and not before; the last look is just before that. A warning is told
    once. Takes no lock and writes nothing. Raises UsageError when the address is not recorded.
    """
    stack, clock = stack_of(project), project.clock
    ends = clock.monotonic() + project.timeout if project.timeout is not None else math.inf
    told: set[str] = set()
    before, pause = None, 0.0
    _recorded(project, stack, address)  # a wrong address is told before anyone signs in
    async with cloud_of(project, stack) as provider:
        while (left := ends - clock.monotonic()) > 0:
            limited = project if left == math.inf else replace(project, timeout=left)
            observer = observer_for(limited, provider, stack)
            try:
                found = await _looked(*_recorded(project, stack, address), observer)
            except ProviderError:
                if clock.monotonic() < ends:
                    raise
                return
            for finding in observer.notices.findings:
                if finding.summary not in told:
                    told.add(finding.summary)
                    project.warn(finding)
            yield found
            pause = _LOOKS.after(pause if found == before else 0.0)
            before = found
            left = max(ends - clock.monotonic(), 0.0)
            await clock.sleep(min(pause, left - _LAST if left > _LAST else left))


def _recorded(project: Project, stack: Stack, address: str | None) -> tuple[State, Address | None]:
    state = read_state(project, stack, store_of(project, stack))
    return state, recorded_address(state.resources, address) if address is not None else None


async def _looked(state: State, only: Address | None, observer: Observer) -> Report:
    from declarative.reporting.health import Report, report

    if not state.resources:
        return Report()
    check_cloud(state, observer.provider.binding)
    return report(state.resources, await read_kinds(observer, state.resources.values(), KINDS), only=only)


def objects(project: Project) -> tuple[Mapping[Address, Desired], Mapping[Address, Resource]]:
    """The objects that the manifests declare, and those that are recorded. The cloud is not asked."""
    desired, _ = resolved(project)
    state = read_state(project, desired.stack, store_of(project, desired.stack))
    return desired.resources, state.resources


async def export(project: Project, *, target: Path) -> Exported:
    """Manifests of all that is in the cloud, as texts, for a new stack in the folder `target`, and called after it.

    The project's own stack says which cloud, if there is one; nothing is locked, recorded or written. Raises UsageError
    when the new stack would lie in that one.
    """
    from declarative.reporting.exporter import export as described

    stack, name = _stack_to_export_from(project, target)
    async with cloud_of(project, stack) as provider:
        observer = observer_for(project, provider, stack)
        seen = await read_kinds(observer, (), KINDS)
        lookups = Lookups(await domains_of(observer))
        observer.evidence.say_what_is_missing()
        region = "" if stack.simulator else provider.binding.region
    found = described(replace(seen, lookups=lookups), stack=name, region=region, simulator=stack.simulator)
    return replace(found, notes=(*found.notes, *(finding.summary for finding in observer.notices.findings)))


def _stack_to_export_from(project: Project, target: Path) -> tuple[Stack, str]:
    """The settings of the folder's stack, empty ones where there is none, and the name of the new one's folder."""
    place = target.resolve()
    for folder in (place, *place.parents):
        if _is_of_a_stack(folder):
            beside = folder.parent / (place.name if place != folder else "exported")
            raise UsageError(
                f"{visible(target)} lies in the folder of a stack, {visible(folder)}, which can't hold a second one",
                f"Name a folder beside it, for example {visible(os.path.relpath(beside, project.folder))}.",
            )
    if _is_of_a_stack(place, below=True):
        raise UsageError(
            f"{visible(target)} holds other stacks, which would become a part of the new one",
            "Name a folder of its own, for example exported.",
        )
    return stack_here(project), place.name


def _is_of_a_stack(folder: Path, *, below: bool = False) -> bool:
    try:
        return manifest.holds_stack(folder, below=below)
    except DeclarativeError:
        return False  # not there yet, or nothing that we may read
