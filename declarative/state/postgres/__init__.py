"""A state in PostgreSQL: a row for each object, a chain of serials, a session's lock, and an epoch that fences.

`rows` knows what a state is as rows, and which of them a batch changes; `schema` the tables; `reading` and `saving` the
one look and the one statement that a state is read and written by; `lock` who writes; `engine` puts them together.
"""

from __future__ import annotations

from declarative.state.engine import Engine, Spot


def open_postgres(spot: Spot) -> Engine:
    """Open `postgresql://…`. Raises UsageError for an address that can't be used; touches nothing else."""
    from declarative.state.postgres.engine import PostgresEngine

    return PostgresEngine(spot)
