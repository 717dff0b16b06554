"""Transaction poolers, told apart from real sessions: behind one, a session lock belongs to whoever comes next.

A real session has one backend, of its own, from its first to its last look. A pooler gives each transaction whichever
server connection is free. So a second session holds a transaction open between two looks of the first, which takes from
the pool what the first has used last (or, in a pool that goes round, is offered next): then somebody changes place,
both are seen at the same backend, or, with nothing left in the pool, the first waits until the second lets go. Equal
backends on an idle pool would prove nothing by themselves. Nothing is set and nothing is locked meanwhile, so that
nothing of ours is left behind in somebody's pool.
"""

from __future__ import annotations

from declarative.errors import StateError
from declarative.state.postgres.session import Gone, Refused, Session

BLOCKED_AFTER = 2.0  # seconds
_ROUNDS = 3
_LOOK = "select pg_catalog.pg_backend_pid()"


def refuse_pooler(first: Session, second: Session, *, shown: str) -> None:
    """Raise StateError when the two sessions don't each have a backend of their own.

    A server that is merely slow answers while the second still holds its transaction, sooner or later: being blocked
    counts only if the answer comes just after that has ended, each time.
    """
    try:
        mine, theirs, blocked = _look(first, second)
    except (Gone, Refused) as error:
        if "pooling mode" in error.summary:  # a pool of single statements
            raise _refusal(shown) from error
        if isinstance(error, Refused):
            raise
        raise StateError(
            f"can't find out whether a pooler stands before the state {shown}: {error.summary}",
            "A second connection is needed for that. Check that the server, or a pool of sessions, has one to give.",
        ) from error
    if len(mine) > 1 or len(theirs) > 1 or mine & theirs or blocked == _ROUNDS:
        raise _refusal(shown)


def _look(first: Session, second: Session) -> tuple[set[int], set[int], int]:
    mine, theirs = {_pid(first), _pid(first)}, set()
    blocked = 0
    for number in range(_ROUNDS):
        second.query("begin", deadline=10.0)
        theirs.add(_pid(second))
        if mine & theirs:
            break
        held = [second]

        def let_go(held: list[Session] = held) -> None:
            held.pop().query("rollback")

        mine.add(first.query(_LOOK, deadline=60.0, late=(BLOCKED_AFTER, let_go))[0][0])
        if held:
            second.query("rollback")
            if number:
                break
        else:
            blocked += 1
        mine.add(_pid(first))
    return mine, theirs, blocked


def _pid(session: Session) -> int:
    found: int = session.query(_LOOK, deadline=10.0)[0][0]
    return found


def _refusal(shown: str) -> StateError:
    return StateError(
        f"a transaction pooler stands before the state {shown}, and a lock means nothing behind one",
        "Name the server itself in the address, or a pool of sessions (`pool_mode = session` in PgBouncer).",
    )
