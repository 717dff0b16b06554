"""The pairs that came with an instance: written down when it has been made, and deleted with it if they are left.

Which pairs came is known best just after the create, before anything else is attached. What is missing is written
down at the beginning of the next run, from what is attached then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from declarative.applier.calls import Check, LookAt, Sending, send_looked
from declarative.applier.groups import busy, check_group, group_of, held
from declarative.applier.lost_creates import job_failed
from declarative.applier.session import MAX_SENDS, Busy, Session, StepContinues, Unneeded
from declarative.errors import NotFound, NotSent, OutcomeUnknown, Rejected, Unauthorized, visible
from declarative.kinds import KINDS
from declarative.kinds.relations import BROUGHT, MAKES
from declarative.model import Action, Attributes, Health, Put, Resource
from declarative.observation import Notices
from declarative.planner.brought_pairs import brought_by, makers_of, newly_known, pair_in_words
from declarative.provider import JobTimeout, JobUnknown, JobUnreadable, job_id_of

_NAMED = 5  # pairs that a warning names


def with_brought(session: Session, resource: Resource) -> Resource:
    """An object that was just made, as it was seen first, with what it has brought; nothing when that isn't shown."""
    if not session.kind(resource.address).relations.makes:
        return resource
    found = brought_by(resource.id, resource.attributes, pairs={}, owner=session.ledger.recorded)
    return replace(resource, brought=found or None)


def unknown_until_now(session: Session) -> tuple[Put, ...]:
    """What is to be written down of instances of which it isn't recorded what they brought; a warning says so."""
    objects = {name: session.candidates.as_refreshed(kind) for name, kind in KINDS.items()}
    found = tuple(newly_known(session.ledger.state.resources, objects))
    say_what_is_taken_for_brought(session.observer.notices, found, objects[BROUGHT.name])
    return tuple(map(Put, found))


def say_what_is_taken_for_brought(notices: Notices, found: Iterable[Resource], pairs: Mapping[str, Attributes]) -> None:
    """Warn of the pairs that are recorded as brought for no better reason than that they are attached now."""
    for resource in found:
        ids = resource.brought or ()
        if not ids:
            continue
        named = ", ".join(pair_in_words(one, pairs.get(one, {})) for one in ids[:_NAMED])
        more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
        notices.warn(
            "pair-taken-for-brought",
            f"{resource.address}: what is attached now is taken to have come with it: {named}{more}",
            "That goes with it when it is deleted.",
            address=resource.address,
        )


# ---------------------------------------------------------------- at the end


async def left_pairs(session: Session, resource: Resource, *, deadline: float) -> tuple[str, ...]:
    """The ids of the pairs that came with an instance that is gone, and that the service has left behind."""
    recorded = session.ledger.state.resources.get(resource.address)
    if recorded is None or recorded.id != resource.id:
        return ()
    found = []
    for pair_id in recorded.brought or ():
        if not await session.observer.is_still_shown(BROUGHT, pair_id, soon=True, deadline=deadline):
            continue  # one that is left all the same holds its group, which is refused then
        seen = await session.observer.object(BROUGHT, pair_id, max_age=session.observer.trust / 2, deadline=deadline)
        if _is_left(session, resource, pair_id, seen):
            found.append(pair_id)
    return tuple(found)


def _is_left(session: Session, instance: Resource, pair_id: str, seen: Attributes | None) -> bool:
    """False for a pair that is gone, in other use, or recorded by itself."""
    own = session.ledger.recorded(BROUGHT.name, pair_id)
    if seen is None or (own is not None and not own.lifecycle.adopt):
        return False
    return makers_of(seen) <= {instance.id}


async def delete_left_pairs(session: Session, resource: Resource, *, deadline: float) -> None:
    """Delete what an instance that is gone has left behind.

    Its record stays until that is done, and is the intent: a run that is killed meanwhile is gone on with.
    """
    for pair_id in await left_pairs(session, resource, deadline=deadline):
        await _delete_left(session, resource, pair_id, deadline=deadline)


async def _delete_left(session: Session, instance: Resource, pair_id: str, *, deadline: float) -> None:
    sends, what = (
        session.sends(deadline),
        f"{BROUGHT.noun} {visible(pair_id, limit=160)}, which came with the instance,",
    )
    check = _may_go(session, instance, pair_id)
    sending = Sending(check=check, deadline=deadline, wait_codes=BROUGHT.codes.wait, fresh=True)
    call = BROUGHT.calls.delete(pair_id, _options(session, instance))
    in_doubt = 0  # sends of which nobody knows what came
    while True:
        try:
            job_id = job_id_of(await send_looked(session, call, sending))
            job = await session.provider.wait(
                BROUGHT, Action.DELETE, job_id, deadline=deadline, grace=session.observer.grace
            )
            if not job.succeeded:
                raise job_failed("delete", job, f"{what} is left behind: run again.")
        except (Unneeded, NotFound):
            return
        except JobTimeout as error:
            raise StepContinues(f"job {error.job_id} is still running", job_id=error.job_id) from error
        except (Busy, NotSent):
            pass
        except (OutcomeUnknown, JobUnknown, JobUnreadable):
            in_doubt += 1  # the next look tells
        except Rejected as error:
            if isinstance(error, Unauthorized) or error.code not in BROUGHT.codes.wait | BROUGHT.codes.look_again:
                raise
        session.observer.changed(BROUGHT, pair_id)
        if in_doubt >= MAX_SENDS or not await sends.again():
            raise StepContinues(f"{what} is still there")


def _may_go(session: Session, instance: Resource, pair_id: str) -> Check:
    """The check of the delete of a pair: its group isn't held, and it is left and at rest. Raises Unneeded when not."""

    async def check(look_at: LookAt) -> Attributes | None:
        await check_group(session, instance, look_at)
        seen = await look_at(BROUGHT, pair_id)
        if seen is None or not _is_left(session, instance, pair_id, seen):
            raise Unneeded(seen)
        health = BROUGHT.statuses.health(seen, {})
        if health is Health.HELD:
            raise held(BROUGHT, seen)
        if health is Health.BUSY or seen.get("status") == "deleting":
            raise busy(BROUGHT, pair_id, seen)
        return seen

    return check


def _options(session: Session, instance: Resource) -> Attributes:
    """Its DR disk goes with the DR server, as with the instance: that its inputs tell."""
    return {
        BROUGHT.relations.group: group_of(session, instance) or None,
        **MAKES.options(instance.inputs),
    }
