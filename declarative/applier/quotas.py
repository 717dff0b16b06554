"""A quota that a create finds used up: no more of its kind in this run, said once, with how full it is."""

from __future__ import annotations

from declarative.applier.session import Session, StepFailed
from declarative.errors import ProviderError
from declarative.kinds.relations import QUOTA_OF
from declarative.model import Kind

_READING = 5.0  # seconds: the numbers are good to know, and the step has failed anyway


async def note_used_up(session: Session, kind: Kind, failed: StepFailed) -> None:
    """Note that no more objects of `kind` are created, if a quota was why this create has failed."""
    counted = QUOTA_OF.get(failed.code)
    if counted is None or kind.name in session.used_up:
        return
    session.used_up[kind.name] = f"the quota of {counted.noun}s is used up"
    numbers = await _numbers(session, counted)
    reason = session.used_up[kind.name] = f"the quota of {counted.noun}s is used up ({numbers})"
    session.warn(
        "quota-used-up",
        f"{reason}: no more {kind.noun}s are created in this run",
        failed.fix,
        once=f"quota of {kind.name}",
    )


async def _numbers(session: Session, counted: Kind) -> str:
    """How full a quota is, in words; the quotas are read once."""
    async with session.quota_lock:
        if session.quotas is None:
            try:
                session.quotas = await session.provider.quotas(deadline=session.until(_READING))
            except ProviderError:
                session.quotas = {}
    row = session.quotas.get(counted.wire.quota, {})
    used, limit = row.get("used"), row.get("quota")
    if type(used) is not int or type(limit) is not int or min(used, limit) < 0:
        return "how full it is could not be read"
    return f"{used} of {limit}"
