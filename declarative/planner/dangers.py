"""Dangers: the harm that a plan could do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from declarative.model import (
    Action,
    Address,
    Attributes,
    Danger,
    DangerClass,
    Kind,
    Reason,
    Resource,
    Step,
    Withheld,
)
from declarative.planner.duplicates import duplicate
from declarative.planner.losses import brought, called, listed, losses
from declarative.planner.membership import Membership


@dataclass(frozen=True, slots=True)
class Stakes:
    """What dangers are judged by, beside the steps.

    `documents`: how many the manifests have; `guarded`: whose of them must not be destroyed.
    `seen`: what the cloud shows of the objects that steps delete, forget or unprotect; `membership`: which groups these
    are in; `gone`: how many recorded objects the cloud shows no more.
    """

    kinds: Mapping[str, Kind]
    guarded: Collection[Address]
    documents: int
    recorded: Mapping[Address, Resource]
    seen: Mapping[Address, Attributes]
    membership: Membership
    gone: int
    max_deletes: int
    destroy: bool
    refresh_only: bool


def find_dangers(steps: Sequence[Step], withheld: Collection[Withheld], stakes: Stakes) -> tuple[Danger, ...]:
    """Return the dangers of the steps: those of the plan as a whole first, then by address in the order of steps."""
    return (
        *_of_the_whole(steps, stakes),
        *_of_steps(steps, stakes),
        *dict.fromkeys(Danger(DangerClass.DR_IN_PROGRESS, one.message, one.address) for one in withheld),
    )


def _of_steps(steps: Sequence[Step], stakes: Stakes) -> Iterable[Danger]:
    created = {step.address for step in steps if step.action is Action.CREATE}
    adopted = {step.address for step in steps if step.action is Action.ADOPT}
    for step in steps:
        replaced = step.address in created
        if step.action is Action.CREATE and step.twins:
            yield duplicate(step)
        elif step.action is Action.DELETE:
            yield from _of_delete(step, replaced, stakes=stakes)
        elif step.action is Action.FORGET and step.reason is not Reason.GONE_FROM_CLOUD:
            what = "replaced with its instance" if step.address in adopted else "forgotten or deleted with its instance"
            yield from _of_prevention(step, what, stakes=stakes)
        elif step.action is Action.DISABLE and not replaced:
            # Who consents to a replacement has read that it costs the protection.
            kind, seen = stakes.kinds[step.address.kind], stakes.seen.get(step.address, step.resource.attributes)
            name = called(kind, step.resource, seen)
            words = f"stops the protection of the {name}: nothing is copied from then on"
            yield Danger(DangerClass.UNPROTECT, words, step.address)


def _of_the_whole(steps: Sequence[Step], stakes: Stakes) -> Iterable[Danger]:
    deletes = sum(1 for step in steps if step.action is Action.DELETE)
    limit, recorded = stakes.max_deletes, len(stakes.recorded)
    if deletes > limit:
        yield Danger(
            DangerClass.MASS_DELETE,
            f"{deletes} objects would be deleted or replaced; the stack's guards.max_deletes is {limit}",
        )
    sends = any(step.action is not Action.FORGET for step in steps)
    if stakes.gone and (sends or not stakes.destroy) and (stakes.gone > limit or 2 * stakes.gone > recorded):
        yield Danger(
            DangerClass.MASS_VANISHED,
            f"{stakes.gone} of {recorded} recorded objects are gone from the cloud: is this the right project?",
        )
    if not stakes.documents and recorded and not (stakes.destroy or stakes.refresh_only):
        yield Danger(
            DangerClass.EMPTY_MANIFESTS,
            f"the manifests describe no objects, but {recorded} are recorded: all of them would be deleted",
        )


def _of_delete(step: Step, replaced: bool, *, stakes: Stakes) -> Iterable[Danger]:
    kind, recorded = stakes.kinds[step.address.kind], step.resource
    seen = stakes.seen.get(step.address, recorded.attributes)
    name, group = called(kind, recorded, seen), stakes.membership.home(step.address)
    lost = losses(kind, seen, sheltered=stakes.membership.is_sheltered(step.address))
    words = lost.words + brought(kind, stakes.recorded.get(step.address), seen)
    also = f", and with it {listed(words)}" if words else ""
    left = kind.words.leaves(recorded.inputs)
    if not replaced:
        yield Danger(DangerClass.DELETE, f"deletes the {name}{also}", step.address, group, lost.protection)
    elif lost.words or left:
        stays = f"; left behind and still billed: {'; '.join(left)}" if left else ""
        comma = "," if also else ""
        message = f"deletes the {name}{also}{comma} before its replacement is created{stays}"
        yield Danger(DangerClass.REPLACE, message, step.address, group, lost.protection)
    yield from _of_prevention(step, "replaced" if replaced else "deleted", stakes=stakes)


def _of_prevention(step: Step, what: str, *, stakes: Stakes) -> Iterable[Danger]:
    """The danger of a step on an object whose document, or the record of it, forbids that it goes."""
    recorded, guarded = step.resource, step.address in stakes.guarded
    if recorded.lifecycle.prevent_destroy or guarded:
        name = called(stakes.kinds[step.address.kind], recorded, stakes.seen.get(step.address, recorded.attributes))
        yield Danger(
            DangerClass.PREVENT_DESTROY,
            f"the {name} must not be {what}: its lifecycle.prevent_destroy is {_says(guarded)}",
            step.address,
        )


def _says(guarded: bool) -> str:
    return "true" if guarded else "recorded as true, and stays true until an apply records false"
