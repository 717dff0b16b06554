"""The rows of the table: how each is measured, and its target."""

from __future__ import annotations

import math
import shutil
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks import stores, terraform
from benchmarks.cloud import CloudSettings
from benchmarks.command import Ran, clean_environment, run
from benchmarks.figures import Figure, Scale
from benchmarks.site import Site, installed
from benchmarks.stack import rename_pairs, set_protection, write_members

_QUICKSTART = Path(__file__).parents[1] / "examples" / "quickstart"
_PAGE = 1000  # groups that one list call gives
# Together every fifth request. Of several, the first that strikes counts: each takes 4 % of all.
_FAULTS = (
    "* *:lost-before:p=0.04",
    "* *:lost-after:p=0.041667",
    "* *:status=503:p=0.043478",
    "* *:cut:p=0.045455",
    "* *:status=429:retry-after=1:p=0.047619",
)


class Bench:
    """Where everything is measured, below `folder`; what several rows need is made once. A context manager."""

    def __init__(self, folder: Path, scale: Scale) -> None:
        self.scale = scale
        self.folder = folder
        self._stack = ExitStack()
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def place(self) -> Path:
        """A folder that isn't there yet."""
        self._count += 1
        return self.folder / f"{self._count:02d}"

    def site(self, groups: int, settings: CloudSettings | None = None) -> Site:
        """A stack and a cloud, to be used in a `with` statement."""
        return Site(self.place(), groups, settings)

    def light(self, *arguments: str | Path) -> list[Ran]:
        """Several runs of a command that takes no cloud."""
        folder = self.place()
        folder.mkdir()
        environ, output = clean_environment() | {"XDG_STATE_HOME": str(folder)}, folder / "output"
        ours = [installed(), *arguments]
        return [run(ours, cwd=folder, environ=environ, output=output) for _ in range(self.scale.short_repeats)]

    def warm_up(self) -> None:
        """Apply and plan once, so that no measured run is the first one to compile or read the code."""
        with self.site(1) as site:
            site.apply()
            site.plan()

    @cached_property
    def some_applied(self) -> list[Ran]:
        """Several applies of the smaller stack, each on a cloud of its own."""
        runs = []
        for _ in range(self.scale.repeats):
            with self.site(self.scale.some) as site:
                runs.append(site.apply())
        return runs

    @cached_property
    def many_applied(self) -> tuple[Site, Ran]:
        """The larger stack, applied once; its cloud stays."""
        site = self._stack.enter_context(self.site(self.scale.many))
        return site, site.apply()

    @cached_property
    def many_planned(self) -> tuple[list[Ran], float]:
        """Several plans of the larger stack, unchanged, and the requests that one took."""
        site, _ = self.many_applied
        before = site.cloud.numbers().requests
        runs = [site.plan() for _ in range(self.scale.repeats)]
        return runs, (site.cloud.numbers().requests - before) / len(runs)


def _time(what: str, runs: Sequence[Ran], *, limit: float | None = None) -> Figure:
    """The median of the times that runs took."""
    return Figure(
        what=what,
        value=_seconds(runs),
        unit="s",
        limit=limit,
        runs=tuple(ran.seconds for ran in runs),
        cpu_seconds=statistics.median(ran.cpu_seconds for ran in runs),
    )


def _memory(what: str, runs: Sequence[Ran], *, limit: float | None = None) -> Figure:
    """The most memory that any of the runs held."""
    peaks = tuple(ran.peak_mb for ran in runs)
    return Figure(what=f"{what}: memory", value=max(peaks), unit="MB", limit=limit, runs=peaks)


def _seconds(runs: Sequence[Ran]) -> float:
    return statistics.median(ran.seconds for ran in runs)


def _version(bench: Bench) -> Iterator[Figure]:
    yield _time("--version", bench.light("--version"), limit=0.12)


def _validate(bench: Bench) -> Iterator[Figure]:
    folder = bench.place()
    shutil.copytree(_QUICKSTART, folder)
    yield _time("validate, quickstart", bench.light("-C", folder, "validate"), limit=0.3)


def _apply_some(bench: Bench) -> Iterator[Figure]:
    yield _time(f"apply of {bench.scale.some:,} new groups", bench.some_applied, limit=3.0)


def _apply_many(bench: Bench) -> Iterator[Figure]:
    _, ran = bench.many_applied
    what = f"apply of {bench.scale.many:,} new groups"
    yield _time(what, [ran], limit=35.0)
    yield _memory(what, [ran])
    times = ran.seconds / _seconds(bench.some_applied)
    yield Figure(what=f"{what}: time, in times that of {bench.scale.some:,}", value=times, limit=13.0)


def _plan_many(bench: Bench) -> Iterator[Figure]:
    runs, requests = bench.many_planned
    what = f"plan of {bench.scale.many:,} unchanged groups"
    yield _time(what, runs, limit=3.0)
    yield _memory(what, runs, limit=300.0)
    pages = math.ceil(bench.scale.many / _PAGE)
    yield Figure(what=f"{what}: requests", value=requests, limit=pages + 2)


def _plan_most(bench: Bench) -> Iterator[Figure]:
    with Site(bench.place(), bench.scale.most, applied=True) as site:
        ran = site.plan()
    what = f"plan of {bench.scale.most:,} unchanged groups"
    yield _time(what, [ran])
    yield _memory(what, [ran], limit=500.0)
    times = ran.seconds / _seconds(bench.many_planned[0])
    yield Figure(what=f"{what}: time, in times that of {bench.scale.many:,}", value=times, limit=12.0)


def _jobs(bench: Bench) -> Iterator[Figure]:
    scale = bench.scale
    with bench.site(scale.waiting, CloudSettings(job_seconds=scale.job_seconds)) as site:
        ran, numbers = site.apply(), site.cloud.numbers()
    what = f"apply of {scale.waiting} groups whose jobs take {scale.job_seconds:g} s, {scale.at_once} at a time"
    limit = 1.15 * math.ceil(scale.waiting / scale.at_once) * scale.job_seconds
    yield _time(what, [ran], limit=limit)
    yield Figure(what=f"{what}: requests for each", value=numbers.requests / scale.waiting, limit=4.0)


def _faults(bench: Bench) -> Iterator[Figure]:
    with bench.site(bench.scale.faulty) as site:
        site.apply()
        usual = site.cloud.numbers().requests
    with bench.site(bench.scale.faulty, CloudSettings(faults=_FAULTS)) as site:
        ran, numbers = site.apply(), site.cloud.numbers()
    what = f"one apply of {bench.scale.faulty} groups, 20 % of all requests failing"
    yield Figure(what=f"{what}: requests, in times usual", value=numbers.requests / usual, limit=2.5)
    yield Figure(what=f"{what}: failed", value=100 * numbers.faults / numbers.requests, unit="%")
    yield _time(what, [ran])


def _plain_client(bench: Bench) -> Iterator[Figure]:
    """CPU seconds alone: how long all wait for the cloud says nothing of them. One after the other, again and again."""
    groups, ours = bench.scale.some, []
    plain: dict[str, list[float]] = {"each": [], "one": []}
    for _ in range(bench.scale.ratio_repeats):
        with bench.site(groups) as site:
            ran, requests = site.requests_of(site.apply)
        ours.append(ran.cpu_seconds)
        for contexts, taken in plain.items():
            with bench.site(groups) as site:
                taken.append(site.plain_client(requests, contexts=contexts).cpu_seconds)
    what = f"apply of {groups:,} new groups: CPU"
    yield Figure(what=what, value=statistics.median(ours), unit="s", runs=tuple(ours))
    yield _ratio(f"{what}, in times that of plain httpx clients", ours, plain["each"], limit=0.9)
    yield _ratio(f"{what}, in times that of httpx clients with one TLS context", ours, plain["one"])


def _ratio(what: str, ours: Sequence[float], others: Sequence[float], *, limit: float | None = None) -> Figure:
    """The median over pairs of runs, each of which met the same machine."""
    ratios = tuple(one / other for one, other in zip(ours, others, strict=True))
    return Figure(what=what, value=statistics.median(ratios), limit=limit, runs=ratios)


def _destroy(bench: Bench) -> Iterator[Figure]:
    with bench.site(bench.scale.some) as site:
        site.apply()
        ran, requests = site.requests_of(site.destroy)
    what = f"destroy of {bench.scale.some:,} groups"
    yield _time(what, [ran])
    yield Figure(what=f"{what}: requests for each", value=requests / bench.scale.some, limit=2.1)


def _changes(bench: Bench) -> Iterator[Figure]:
    """Calls that rest on looks: each takes itself and a look at its job, and a share of lists. A move takes no call."""
    groups = bench.scale.some
    with bench.site(groups) as site:
        write_members(site.stack, groups)
        set_protection(site.stack, "enabled")
        site.apply()
        set_protection(site.stack, "disabled")
        _, disabling = site.requests_of(lambda: site.change("unprotect"))
        (site.stack / "attachments.yaml").unlink()
        _, detaching = site.requests_of(lambda: site.change("delete", "mass-delete"))
        rename_pairs(site.stack)
        _, moving = site.requests_of(site.change)
        _, destroying = site.requests_of(site.destroy)
    counts = (("disable", disabling, 1), ("detach", detaching, 1), ("move", moving, 1), ("destroy", destroying, 3))
    for what, requests, calls in counts:
        shown = f"{what} of {groups:,} groups with their members: requests for each step"
        yield Figure(what=shown, value=requests / (calls * groups), limit=2.1)


def _stores(bench: Bench) -> Iterator[Figure]:
    """Of runs, the CPU seconds of the command alone: the store's own process is another matter."""
    scale, folder = bench.scale, bench.place()
    folder.mkdir()
    with stores.places() as places:
        for name, (address, environ) in places.items():
            taken = [stores.seconds_of_an_append(address, environ, folder, objects) for objects in scale.recorded]
            what = f"{name}: one change of {scale.recorded[-1]:,} recorded objects"
            yield Figure(what=what, value=1000 * taken[-1], unit="ms", runs=tuple(1000 * one for one in taken))
            yield Figure(what=f"{what}, in times that of {scale.recorded[0]:,}", value=taken[-1] / taken[0], limit=2.0)
        if "PostgreSQL" in places:
            yield from _shared_runs(bench, *places["PostgreSQL"])


def _shared_runs(bench: Bench, address: str, environ: Mapping[str, str]) -> Iterator[Figure]:
    address = address.partition("?")[0]
    pairs: dict[str, tuple[list[float], list[float]]] = {"apply": ([], []), "plan": ([], [])}
    for number in range(bench.scale.ratio_repeats):
        with bench.site(bench.scale.some) as site:
            pairs["apply"][1].append(site.apply().cpu_seconds)
        with bench.site(bench.scale.some) as site:
            site.state = f"{address}?state=apply-{number}", environ
            pairs["apply"][0].append(site.apply().cpu_seconds)
    site, _ = bench.many_applied
    site.copy_state(f"{address}?state=plan", environ)
    for _ in range(bench.scale.ratio_repeats):
        site.state = "", {}
        pairs["plan"][1].append(site.plan().cpu_seconds)
        site.state = f"{address}?state=plan", environ
        pairs["plan"][0].append(site.plan().cpu_seconds)
    site.state = "", {}
    some, many = bench.scale.some, bench.scale.many
    yield _ratio(f"PostgreSQL: apply of {some:,} new groups, in times the CPU of local", *pairs["apply"], limit=1.5)
    yield _ratio(f"PostgreSQL: plan of {many:,} unchanged groups, in times the CPU of local", *pairs["plan"], limit=1.3)


def _terraform(bench: Bench) -> Iterator[Figure]:
    if terraform.found() is None:
        return
    some, many = bench.scale.some, bench.scale.many
    plan = terraform.plan_unchanged(bench.place(), many)
    what = f"Terraform's core: plan of {many:,} unchanged objects"
    yield _time(what, [plan])
    yield _memory(what, [plan])
    yield Figure(what=f"{what}: time, in times ours", value=plan.seconds / _seconds(bench.many_planned[0]))
    apply = terraform.apply_new(bench.place(), some)
    what = f"Terraform's core: apply of {some:,} new objects"
    yield _time(what, [apply])
    yield Figure(what=f"{what}: time, in times ours", value=apply.seconds / _seconds(bench.some_applied))


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. `quick`: it takes less than a minute, and is part of `--quick`."""

    name: str
    measure: Callable[[Bench], Iterator[Figure]]
    quick: bool = False


ROWS = (
    Row("version", _version, quick=True),
    Row("validate", _validate, quick=True),
    Row("apply-1000", _apply_some, quick=True),
    Row("apply-10000", _apply_many),
    Row("plan-10000", _plan_many),
    Row("plan-100000", _plan_most),
    Row("plain-client", _plain_client),
    Row("jobs", _jobs, quick=True),
    Row("destroy-1000", _destroy, quick=True),
    Row("changes", _changes, quick=True),
    Row("faults", _faults),
    Row("stores", _stores),
    Row("terraform", _terraform),
)
NAMES = tuple(row.name for row in ROWS)
