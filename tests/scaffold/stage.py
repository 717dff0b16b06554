"""A flow from a start to a goal, run again and again from that start, each time with its accident a moment later."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import httpx

from tests.scaffold.accidents import Loses
from tests.scaffold.cloud import Site
from tests.scaffold.killing import run_fused

MOST_MOMENTS = 1000

S = TypeVar("S", bound=Site)


class Flow(Protocol[S]):
    """What somebody wants done, from the time before to the proof that it was."""

    def prepare(self, site: S) -> None:
        """Bring a fresh site to where the flow starts."""

    def act(self, site: S) -> None:
        """One ordinary run, as a person would start it again after a kill."""

    def assert_whole(self, site: S, start: Start) -> None:
        """Nothing was lost and nothing doubled: not now, and not at any time since the start."""


@dataclass(frozen=True)
class Start:
    """What there was when the flow started: how many lines of history, and the recorded ids by address."""

    events: int
    recorded: dict[str, str]


@dataclass(frozen=True)
class Jobs:
    """How long jobs take, and how long after a kill the next run starts (seconds)."""

    speed: float
    pause: float = 0.0


AT_ONCE, STILL_RUNNING, ENDED_MEANWHILE = Jobs(float("inf")), Jobs(1.0), Jobs(1.0, 3600.0)


class Stage(Generic[S]):
    """One site that can be set back to a flow's start."""

    def __init__(self, site: S, flow: Flow[S], *, pause: float = 0.0) -> None:
        """`site` is a fresh one, in a file; `pause`: seconds between a kill and the next run."""
        self.flow = flow
        self.site = site
        self._pause = pause
        self._saved = site.folder.with_name("saved")
        flow.prepare(site)
        recorded = {str(one): resource.id for one, resource in site.state().resources.items()}
        self.start = Start(len(site.world.history()), recorded)
        self._now = site.now
        site.close()
        shutil.copytree(site.folder, self._saved)

    def set_back(self) -> S:
        """The site, as it was when the flow started."""
        self.site.close()
        shutil.rmtree(self.site.folder)
        shutil.copytree(self._saved, self.site.folder)
        self.site.now = self._now
        return self.site

    def assert_whole(self, what: str) -> None:
        """Judge the site as it is now; `what` befell it is told with the failure."""
        try:
            self.flow.assert_whole(self.site, self.start)
        except BaseException as error:
            error.add_note(what)
            raise

    def clear_up(self) -> None:
        """What a person must do after a kill before the next run: nothing."""

    def finish(self, what: str) -> None:
        """One ordinary run after an accident, and the proof."""
        self.clear_up()
        try:
            self.flow.act(self.site)
        except BaseException as error:
            error.add_note(what)
            raise
        self.assert_whole(what)

    def kill_at_every_moment(self, *, every: int = 1) -> int:
        """Kill, run once more, and judge, for each moment or every so many. Returns how many kills there were."""
        for kills, last in enumerate(range(1, MOST_MOMENTS, every)):
            site = self.set_back()
            if run_fused(site, self.flow.act, last=last):
                return kills
            site.now += self._pause
            self.finish(f"killed at moment {last}")
        raise AssertionError("the flow never ended")

    def kill_twice(self, times: int, *, seed: str, within: int) -> None:
        """Kill the flow and the run that recovers it, at moments drawn from the first so many."""
        chance = random.Random(seed)
        for _ in range(times):
            site = self.set_back()
            first, second = chance.randrange(1, within), chance.randrange(1, within)
            run_fused(site, self.flow.act, last=first)
            self.clear_up()
            run_fused(site, self.flow.act, last=second)
            self.finish(f"killed at moments {first} and {second}")

    def lose_each_request(self, *, after: bool) -> int:
        """Run the flow with its n-th request lost (`after`: its answer), for each n. Returns how many there are."""
        for number in range(1, MOST_MOMENTS):
            site = self.set_back()
            sent = self._sent_with_one_lost(site, number, after=after)
            self.assert_whole(f"request {number} lost")
            if sent < number:
                return sent
        raise AssertionError("the flow never ended")

    def _sent_with_one_lost(self, site: S, number: int, *, after: bool) -> int:
        """How many requests the flow has sent, over all its commands, the n-th of them lost."""
        wires: list[Loses] = []

        def wire(inner: httpx.AsyncBaseTransport) -> Loses:
            wires.append(Loses(inner, number=number - sum(one.seen for one in wires), after=after))
            return wires[-1]

        with site.suffering(wire=wire):
            self.flow.act(site)
        return sum(one.seen for one in wires)
