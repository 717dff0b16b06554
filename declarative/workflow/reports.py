"""`status`, `graph --objects` and `export`: what there is. They plan nothing, and record nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from declarative import manifest
from declarative.errors import DeclarativeError, UsageError, visible
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
    from declarative.reporting.exporter import Exported
    from declarative.reporting.health import Report


async def status(project: Project, address: str | None = None) -> Report:
    """How the recorded groups and their members are just now, or those of one address.

    Takes no lock and writes nothing. Raises UsageError when the address is not recorded.
    """
    from declarative.reporting.health import Report, report

    stack = stack_of(project)
    state = read_state(project, stack, store_of(project, stack))
    only = recorded_address(state.resources, address) if address is not None else None
    if not state.resources:
        return Report()
    async with cloud_of(project, stack) as provider:
        check_cloud(state, provider.binding)
        observer = observer_for(project, provider, stack)
        observed = await read_kinds(observer, state.resources.values(), KINDS)
    for finding in observer.notices.findings:
        project.warn(finding)
    return report(state.resources, observed, only=only)


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
