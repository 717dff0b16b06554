"""How long a machine tells its stories: always the same ones, so that a failure is there for everybody."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def stories(examples: int, *, steps: int) -> settings:
    """So many stories of at most so many steps each."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
