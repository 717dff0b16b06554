"""Any accidents at all, to two runs at one state: what was said to be saved is there, what was refused is not."""

import contextlib
import json
import os
import random
from itertools import pairwise

import pytest

from declarative.errors import StateConflict, StateError
from tests.scaffold.state_servers import (
    cut,
    failing,
    gitlab_server,
    late,
    lost_after,
    lost_before,
    page,
    terraform_server,
    truncated,
)
from tests.scaffold.web_engine import engine, holder, put

STORIES = 500 if os.environ.get("PROOFS") == "nightly" else 25
FAULTS = [
    lost_before, lost_after, lost_after, late, late, truncated, cut, page, failing(429), failing(500),
    failing(503), failing(502, done=True), failing(504, done=True),
]  # fmt: skip
METHODS = ["GET", "POST", "POST", "POST", "LOCK", "UNLOCK", "DELETE"]


class Story:
    """Two runs, of which one may break the other's lock, and a network on which anything happens."""

    def __init__(self, server, seed):
        self.server = server
        self.chance = random.Random(seed)
        self.runs = [engine(server), engine(server)]
        self.saved: set[str] = set()
        self.refused: set[str] = set()
        self.number = 0

    def tell(self, steps):
        for _ in range(steps):
            for _ in range(self.chance.choice([0, 0, 0, 1, 1, 2, 4])):
                self.server.strike(self.chance.choice(METHODS), self.chance.choice(FAULTS))
            step = self.chance.choice([self.lock, self.append, self.append, self.append, self.leave, self.seize])
            with contextlib.suppress(StateError):
                step(self.chance.choice(self.runs))
            if self.chance.random() < 0.3:
                self.server.arrive()

    def lock(self, run):
        if run._holder is None:
            run.try_lock(holder())

    def append(self, run):
        state = run.read().state
        self.number += 1
        name = f"r{self.number}"
        after = 0 if state is None else state.serial
        try:
            run.append([put(name)], lineage="a-lineage", after=after)
        except StateConflict:
            self.refused.add(name)
            raise
        self.saved.add(name)

    def leave(self, run):
        run.unlock()

    def seize(self, run):
        if run._holder is None and (seen := run.lock_seen()) is not None:
            run.break_lock(seen.holder.id, force=True, sleep=lambda seconds: None)

    def end(self):
        self.server._strikes.clear()
        self.server.arrive()
        one = engine(self.server)
        state = one.read().state
        one.close()
        found = set() if state is None else {address.name for address in state.resources}
        for run in self.runs:
            run.close()
        return found


@pytest.mark.parametrize("kind", [terraform_server, gitlab_server], ids=["terraform", "gitlab"])
def test_what_is_said_of_a_write_is_true_after_any_accidents(kind):
    for seed in range(STORIES):
        with kind() as server:
            story = Story(server, seed)
            story.tell(40)
            found = story.end()
            assert story.saved <= found, seed
            assert not story.refused & found, seed
            serials = [json.loads(text)["serial"] for text in server.texts]
            steps = {later - earlier for earlier, later in pairwise(serials)}
            assert steps <= {0, 1}, (seed, serials)
            for earlier, later in pairwise(server.texts):
                assert json.loads(earlier)["serial"] < json.loads(later)["serial"] or earlier == later, seed
