"""`state rebuild`: what the manifests declare and the cloud shows, recorded anew when the state is lost."""

from __future__ import annotations

from dataclasses import dataclass

from declarative.kinds import KINDS
from declarative.model import Lookups, Observed, Resource
from declarative.observation.refresh import domains_of, read_kinds
from declarative.planner.rediscovery import Rediscovered, rediscover
from declarative.workflow.backends import cloud_of, read_state, store_of
from declarative.workflow.imports import import_objects
from declarative.workflow.manifests import resolved
from declarative.workflow.ownership import check_cloud
from declarative.workflow.project import Project
from declarative.workflow.sessions import observer_for
from declarative.workflow.watch import Watch


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was looked for, and the objects that are recorded now."""

    looked_for: Rediscovered
    recorded: tuple[Resource, ...]


async def state_rebuild(project: Project, *, watch: Watch) -> Rebuilt:
    """Record each declared object that exactly one object of the cloud fits; the others are told, none is guessed.

    Nothing in the cloud is changed. What is recorded already stays as it is.
    """
    desired, _ = resolved(project)
    stack = desired.stack
    state = read_state(project, stack, store_of(project, stack))
    async with cloud_of(project, stack) as provider:
        check_cloud(state, provider.binding)
        observer = observer_for(project, provider, stack, emit=watch.event)
        seen = await read_kinds(observer, state.resources.values(), KINDS)
        lookups = Lookups(await domains_of(observer, needed=True))
        observer.evidence.say_what_is_missing()
    observed = Observed(seen.objects, seen.gone, lookups=lookups, partial=seen.partial)
    looked_for = rediscover(desired.resources, state.resources, observed)
    wanted = [(str(address), object_id) for address, object_id in looked_for.found.items()]
    recorded = await import_objects(project, wanted, watch=watch) if wanted else ()
    return Rebuilt(looked_for, recorded)
