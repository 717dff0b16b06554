"""Runs that end early, disks that fail, states that somebody else has written: what is done stays known."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from declarative.applier import Session, steps
from declarative.errors import DeclarativeError, ExitCode, Interrupted, LockHeld, StateConflict, StateError
from declarative.model import Event, Operation, Result, Run, RunStarted, Stack
from declarative.planner.selection import PlanRequest
from declarative.provider import Job
from declarative.simulator import Rules
from declarative.state import Holder
from declarative.workflow import backends, runs, states
from declarative.workflow.execution import Applied
from declarative.workflow.project import in_thread
from tests.scaffold.accidents import DyingDisk, FullDisk, hooked, stores_on
from tests.scaffold.cloud import DESTROY, EPOCH, Group, Site, assert_settled, done, why
from tests.scaffold.killing import run_fused

THREE: Mapping[str, Group] = {"web": {"description": "shop"}, "db": {}, "batch": {}}
NAMES = {name: name for name in THREE}
MANY: Mapping[str, Group] = {f"g{number}": {} for number in range(40)}


def _site(folder: Path, groups: Mapping[str, Group] = THREE) -> Site:
    site = Site(folder, speed=1.0, latency=0.1)
    site.write(groups)
    return site


# ---------------------------------------------------------------- interrupts


@pytest.mark.parametrize("after", [0.0, 0.05, 0.12, 0.15, 0.18, 0.2, 0.25, 0.3, 1.0, 5.0, 14.0, 15.5, 16.5, 20.0])
def test_an_interrupted_create_is_gone_on_with(tmp_path: Path, after: float) -> None:
    site = _site(tmp_path, MANY)
    with site.suffering(interrupt_after=after):
        assert _exit_code(lambda: site.apply(parallelism=4, max_jobs=8)) is ExitCode.INCOMPLETE
    assert site.now < after + 6.0
    done(site.apply())
    assert len(site.made()) == len(MANY)
    assert_settled(site, {name: name for name in MANY})


@pytest.mark.parametrize("after", [0.15, 0.3, 2.0, 5.1])
def test_an_interrupted_destroy_is_gone_on_with(tmp_path: Path, after: float) -> None:
    site = _site(tmp_path, MANY)
    done(site.apply())
    with site.suffering(interrupt_after=after):
        applied = site.destroy(parallelism=4, max_jobs=8)
    assert applied.exit_code is ExitCode.INCOMPLETE
    done(site.destroy())
    assert len(set(site.deleted_by_us())) == len(site.deleted_by_us()) == len(MANY)
    assert_settled(site, {}, request=DESTROY)


def test_an_interrupt_waits_for_answers_but_not_for_jobs(tmp_path: Path) -> None:
    site = _site(tmp_path)
    site.latency = 2.0
    with site.suffering(interrupt_after=4.0, wire=hooked("POST .+", before=lambda: posts.append(site.now))):
        posts: list[float] = []
        applied = site.apply()
    assert posts
    assert applied.exit_code is ExitCode.INCOMPLETE
    assert {operation.job_id != "" for operation in site.state().operations.values()} <= {True}
    assert len(site.state().operations) + len(site.recorded()) == len(posts)


def test_an_interrupt_while_earlier_runs_are_settled_ends_the_run(tmp_path: Path) -> None:
    site = Site(tmp_path, in_file=True, speed=1.0, rules=Rules(job_seconds=3000.0))
    site.write(THREE)
    assert not run_fused(site, Site.apply, at=["after GET jobs"])
    began = site.now
    with site.suffering(interrupt_after=3.0):
        assert _exit_code(site.apply) is ExitCode.INCOMPLETE
    assert site.now - began < 10.0


def test_an_interrupt_while_the_cloud_is_read_ends_the_run(tmp_path: Path) -> None:
    site = _site(tmp_path)
    site.break_with("GET *:status=503")
    with site.suffering(interrupt_after=3.0):
        assert _exit_code(site.apply) is ExitCode.INCOMPLETE
    assert site.now < 10.0


def test_an_interrupt_while_what_was_made_is_read_back_is_no_failure(tmp_path: Path) -> None:
    site = _site(tmp_path)
    done_at: list[float] = []

    def blind(event: Event) -> None:
        if event.type == "step-done":
            done_at.append(site.time() - EPOCH)
            site.break_with("GET server-groups:status=503", "GET server-groups/*:status=503")

    site.watch.on_event = blind
    with site.suffering(interrupt_after=30.0):
        done(site.apply())
    assert done_at[-1] < 30.0
    assert site.now < 36.0


def test_an_interrupt_ends_the_wait_for_the_lock(tmp_path: Path) -> None:
    site = _site(tmp_path)
    interrupt = asyncio.Event()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        interrupt.set()

    with _locked(site):
        project = site.project(lock_timeout=3600.0)
        project = replace(project, clock=replace(project.clock, pause=pause))
        with pytest.raises(Interrupted):
            site.run(lambda: runs.apply(project, PlanRequest(), watch=site.watch, interrupt=interrupt))
    assert len(pauses) == 1
    done(site.apply())


def test_the_time_of_a_run_bounds_the_wait_for_the_lock_too(tmp_path: Path) -> None:
    site = _site(tmp_path)
    pauses: list[float] = []
    project = site.project(lock_timeout=3600.0, timeout=5.0)
    project = replace(project, clock=replace(project.clock, pause=pauses.append))
    with _locked(site), pytest.raises(LockHeld):
        site.run(lambda: runs.apply(project, PlanRequest(), watch=site.watch, interrupt=asyncio.Event()))
    assert sum(pauses) == pytest.approx(5.0, abs=0.1)


def test_a_wait_for_the_lock_that_is_cancelled_leaves_it_free(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    site = _site(tmp_path)

    async def cancelled_while_waiting() -> None:
        loop, waits = asyncio.get_running_loop(), asyncio.Event()
        project = site.project(lock_timeout=1e9)
        clock = replace(project.clock, pause=lambda seconds: loop.call_soon_threadsafe(waits.set))
        project = replace(project, clock=clock, blocking=in_thread)
        task = asyncio.create_task(states.state_rm(project, ["ProtectionGroup/web"], watch=site.watch))
        await waits.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with _locked(site):
        asyncio.run(cancelled_while_waiting())
    gc.collect()
    assert not caplog.records, "an error that nobody has looked at"
    done(site.apply())


@contextmanager
def _locked(site: Site) -> Iterator[None]:
    """Within it, somebody else holds the lock."""
    store = backends.store_of(site.project(), Stack("proof"))
    store.lock(Holder("other", "other", "elsewhere", 1, "apply", "now"), timeout=0.0, sleep=lambda seconds: None)
    try:
        yield
    finally:
        store.unlock()


def _exit_code(command: Callable[[], Applied]) -> ExitCode:
    """What the command line would end with."""
    try:
        return command().exit_code
    except DeclarativeError as error:
        return error.exit_code


def test_an_interrupt_when_all_was_done_is_no_failure(tmp_path: Path) -> None:
    site = _site(tmp_path)
    done(site.apply())
    with site.suffering(interrupt_after=0.0):
        done(site.apply())


# ---------------------------------------------------------------- time over


@pytest.mark.parametrize("seconds", [0.2, 1.0, 7.0, 16.0])
def test_a_run_whose_time_is_over_is_gone_on_with(tmp_path: Path, seconds: float) -> None:
    site = _site(tmp_path, MANY)
    applied = site.apply(timeout=seconds, parallelism=4, max_jobs=8)
    assert applied.exit_code is ExitCode.INCOMPLETE
    assert "its time is over" in why(applied)
    assert "interrupted" not in why(applied)
    assert site.now < seconds + 6.0
    done(site.apply())
    assert len(site.made()) == len(MANY)
    assert_settled(site, {name: name for name in MANY})


def test_the_time_of_a_run_bounds_the_settling_of_earlier_ones_too(tmp_path: Path) -> None:
    site = Site(tmp_path, in_file=True, speed=1.0, rules=Rules(job_seconds=3000.0))
    site.write(THREE)
    assert not run_fused(site, Site.apply, at=["after GET jobs"])
    began = site.now
    assert site.apply(timeout=20.0).exit_code is ExitCode.INCOMPLETE
    assert site.now - began < 30.0


def test_the_time_of_a_run_bounds_the_reading_of_the_cloud_too(tmp_path: Path) -> None:
    site = _site(tmp_path)
    site.break_with("GET *:status=503")
    assert _exit_code(lambda: site.apply(timeout=20.0)) is not ExitCode.OK
    assert site.now < 30.0


def test_a_stacks_own_deadline_is_kept(tmp_path: Path) -> None:
    site = _site(tmp_path)
    site.write(THREE, timeouts={"ProtectionGroup": {"create": 5}})
    assert site.apply().exit_code is ExitCode.INCOMPLETE
    assert site.now < 8.0
    site.write(THREE)
    done(site.apply())
    assert len(site.made()) == 3


# ---------------------------------------------------------------- disks


def _apply_on(site: Site, disk: FullDisk | DyingDisk) -> Applied | StateError:
    with stores_on(disk):
        try:
            return site.apply()
        except StateError as error:
            return error


def _assert_nothing_lost(site: Site, outcome: Applied | StateError) -> None:
    """A bad ending says so, and the next run, on a good disk, ends well."""
    if isinstance(outcome, Applied):
        assert outcome.exit_code in (ExitCode.OK, ExitCode.ERROR, ExitCode.INCOMPLETE)
        if outcome.exit_code is ExitCode.ERROR and all(step.result is Result.DONE for step in outcome.outcome.steps):
            assert outcome.outcome.conflict or "can't write the state" in "\n".join(site.watch.texts())
    done(site.apply())
    assert len(site.made()) == 3
    assert_settled(site, NAMES)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("length", [1, 2, 10**6], ids=["once", "twice", "for-good"])
def test_no_space_at_any_write(tmp_path: Path, length: int, error: int) -> None:
    for first in range(1, 100):
        site = _site(tmp_path / str(first))
        disk = FullDisk(first, first + length - 1, error=error)
        outcome = _apply_on(site, disk)
        try:
            _assert_nothing_lost(site, outcome)
        except BaseException as failure:
            failure.add_note(f"write {first} failed")
            raise
        if disk.writes < first:
            return
    raise AssertionError("the run never ended")


@pytest.mark.parametrize("length", [1, 10**6], ids=["once", "for-good"])
def test_a_disk_that_fails_at_any_sync(tmp_path: Path, length: int) -> None:
    for first in range(1, 100):
        site = _site(tmp_path / str(first))
        disk = DyingDisk(first, first + length - 1)
        outcome = _apply_on(site, disk)
        try:
            _assert_nothing_lost(site, outcome)
        except BaseException as failure:
            failure.add_note(f"sync {first} failed")
            raise
        if disk.syncs < first:
            return
    raise AssertionError("the run never ended")


def test_a_full_disk_sends_nothing_new_and_keeps_what_was_accepted(tmp_path: Path) -> None:
    site = _site(tmp_path, MANY)
    disk = FullDisk(10**9)

    def fill(event: Event) -> None:
        if event.type == "step-accepted":
            disk._first = 0

    site.watch.on_event = fill
    with stores_on(disk):
        applied = site.apply(parallelism=2, max_jobs=2)
    assert applied.exit_code is not ExitCode.OK
    assert len(site.made()) <= 4
    done(site.apply())
    assert len(site.made()) == len(MANY)
    assert_settled(site, {name: name for name in MANY})


# ---------------------------------------------------------------- defects


@pytest.mark.parametrize("length", [1, 10**6], ids=["once", "for-good"])
def test_a_defect_at_any_durable_write_leaves_nobody_waiting(tmp_path: Path, length: int) -> None:
    for first in range(1, 100):
        site, writes = _site(tmp_path / str(first)), 0

        async def disk(work: Callable[[], object], first: int = first) -> object:
            nonlocal writes
            writes += 1
            if first < writes <= first + length:  # the first is the lock
                raise MemoryError
            return work()

        with site.suffering(disk=disk):
            ended = _ended(site)
        assert ended in ("MemoryError", "StateError", "done")
        done(site.apply())
        assert len(site.made()) == 3
        assert_settled(site, NAMES)
        if writes <= first:
            assert ended == "done"
            return
    raise AssertionError("the run never ended")


def _ended(site: Site) -> str:
    """How an apply ended."""
    try:
        done(site.apply())
    except (MemoryError, StateError) as error:
        return type(error).__name__
    return "done"


def test_a_defect_in_one_step_keeps_what_the_others_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = _site(tmp_path)
    sound = steps.created_by

    async def faulty(run: Session, operation: Operation, job: Job, *, deadline: float) -> str:
        if operation.resource.address.name == "db":
            raise RecursionError
        return await sound(run, operation, job, deadline=deadline)

    with monkeypatch.context() as patched:
        patched.setattr(steps, "created_by", faulty)
        with pytest.raises(RecursionError):
            site.apply()
    assert {"web", "batch"} <= site.recorded().keys()
    done(site.apply())
    assert len(site.made()) == 3
    assert_settled(site, NAMES)


# ---------------------------------------------------------------- other writers


def _usurp(site: Site) -> None:
    """Take the lock away from the run in hand, and write something."""
    (site.state_folder / "state.json.lock").unlink()
    project = site.project()
    store = backends.store_of(project, Stack("proof"))
    store.lock(Holder("other", "other", "elsewhere", 1, "apply", "now"), timeout=0.0, sleep=lambda seconds: None)
    try:
        state = store.read()
        store.append([RunStarted(Run("other", "other", "now", "apply"))], after=state.serial)
    finally:
        store.unlock()


@pytest.mark.parametrize("moment", ["run-started", "step-started", "step-accepted", "step-done"])
def test_a_state_that_somebody_else_wrote_is_not_written_over(tmp_path: Path, moment: str) -> None:
    site = _site(tmp_path)
    usurped: list[str] = []

    def usurp(event: Event) -> None:
        if event.type == moment and not usurped:
            usurped.append(moment)
            _usurp(site)

    site.watch.on_event = usurp
    applied = site.apply()
    assert usurped
    site.watch.on_event = lambda event: None
    assert applied.exit_code is ExitCode.CONFLICT
    assert applied.outcome.conflict or not site.made()
    # The next run either goes on by itself, or says which file holds what, and what to do; then it does.
    for _ in range(3):
        try:
            done(site.apply())
            break
        except StateError as error:
            _obey(site, error)
    assert len(site.made()) == 3
    assert_settled(site, NAMES)


def _obey(site: Site, error: StateError) -> None:
    """Do what the message says: move the file away, import the objects that it names."""
    (kept,) = site.state_folder.glob("recovery-*.jsonl")
    assert str(kept) in error.summary
    kept.rename(site.folder / kept.name)
    assert "declarative import" in error.fix
    for object_id, group in site.live().items():
        if object_id in error.summary and object_id not in site.recorded().values():
            site.import_object(str(group["name"]), object_id)


def test_a_lock_that_is_held_refuses_a_second_run(tmp_path: Path) -> None:
    site = _site(tmp_path)
    refused: list[str] = []

    def second(event: Event) -> None:
        if event.type == "step-accepted" and not refused:
            store = backends.store_of(site.project(), Stack("proof"))
            holder = Holder("other", "other", "elsewhere", 1, "apply", "now")
            with pytest.raises(LockHeld):
                store.lock(holder, timeout=0.0, sleep=lambda seconds: None)
            refused.append("yes")

    site.watch.on_event = second
    done(site.apply())
    assert refused


def test_what_a_killed_run_left_of_its_lock_can_be_broken(tmp_path: Path) -> None:
    site = Site(tmp_path, in_file=True, speed=1.0)
    site.write(THREE)
    assert not run_fused(site, Site.apply, at=["after POST"])
    lock_id = json.loads((site.state_folder / "state.json.lock").read_bytes())["id"]
    assert states.lock_show(site.project()) is None
    assert states.lock_break(site.project(), lock_id).id == lock_id
    with pytest.raises(StateError, match="has no lock"):
        states.lock_break(site.project(), lock_id)
    done(site.apply())


def test_a_rescue_is_replayed_by_the_next_run(tmp_path: Path) -> None:
    """The journal can't be written at the end of a run, a recovery file can: the next run takes it over."""
    site = _site(tmp_path)
    disk = FullDisk(10**9)
    site.watch.on_event = lambda event: setattr(disk, "_first", 0) if event.type == "step-done" else None

    with stores_on(disk):
        applied = site.apply()
    site.watch.on_event = lambda event: None
    assert applied.exit_code is ExitCode.ERROR
    assert applied.outcome.conflict or list(site.state_folder.glob("recovery-*.jsonl"))
    done(site.apply())
    assert not list(site.state_folder.glob("recovery-*.jsonl"))
    assert len(site.made()) == 3
    assert_settled(site, NAMES)


# ---------------------------------------------------------------- runs that change nothing


def test_a_run_without_changes_writes_nothing_and_sends_nothing(tmp_path: Path) -> None:
    site = _site(tmp_path)
    done(site.apply())
    before, changing, serial = site.state_bytes(), site.changing(), site.state().serial
    done(site.apply())
    site.plan()
    assert site.state_bytes() == before
    assert site.changing() == changing
    assert site.state().serial == serial


def test_a_conflict_before_anything_is_sent_sends_nothing(tmp_path: Path) -> None:
    site = _site(tmp_path)
    site.watch.on_review = lambda plan: _usurp(site)
    with pytest.raises(StateConflict):
        site.apply()
    assert not site.made()


# ---------------------------------------------------------------- exit codes

BEFORE: Mapping[str, Group] = {"held": {}, "web": {}}
TROUBLE: Mapping[str, Group] = {"held": {"name": "held-2"}, "stuck": {}, "refused": {}}


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        pytest.param(["held"], ExitCode.CONSENT, id="withheld"),
        pytest.param(["held", "stuck"], ExitCode.INCOMPLETE, id="incomplete-beats-withheld"),
        pytest.param(["held", "stuck", "refused"], ExitCode.ERROR, id="failed-beats-incomplete"),
        pytest.param(["held", "stuck", "refused", "usurped"], ExitCode.CONFLICT, id="conflict-beats-failed"),
    ],
)
def test_the_exit_code_tells_the_worst(tmp_path: Path, trouble: list[str], code: ExitCode) -> None:
    site = _site(tmp_path, BEFORE)
    done(site.apply())
    site.world.operator.set_status(site.recorded()["held"], "failed-over")
    if "stuck" in trouble:
        site.write({**BEFORE, "stuck": {}})
        site.break_with("POST server-groups:stuck-job")
        assert site.apply(timeouts={"ProtectionGroup.create": 5.0}).exit_code is ExitCode.INCOMPLETE
        site.break_with()
    site.write({**BEFORE, **{name: TROUBLE[name] for name in trouble if name in TROUBLE}})
    if "refused" in trouble:
        site.break_with("POST server-groups:status=403")
    if "usurped" in trouble:
        site.watch.on_event = lambda event: _usurp(site) if event.type == "step-failed" else None
    assert _exit_code(lambda: site.apply(timeouts={"ProtectionGroup.create": 5.0})) is code
