"""How thorough the proofs are: always the same ones, so that a failure is there for everybody.

With `PROOFS=nightly` in the environment, as `make nightly` sets it, they take their time: every moment, ten times the
stories.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

NIGHTLY = os.environ.get("PROOFS") == "nightly"
at_night = pytest.mark.skipif(not NIGHTLY, reason="a run of a whole pipeline: PROOFS=nightly")


def stories(examples: int, *, steps: int) -> settings:
    """So many stories of at most so many steps each."""
    return settings(
        max_examples=examples * (10 if NIGHTLY else 1),
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
