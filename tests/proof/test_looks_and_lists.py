"""Looks that are too old, lists that are shorter than they say, evidence that can't be had: believed no further than
they go. Each story ends with one object for each that was wanted, or with nothing sent and a sentence that says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from declarative.errors import ExitCode, InputError
from declarative.model import Result
from declarative.simulator import Rules
from tests.scaffold.accidents import hooked
from tests.scaffold.cloud import Group, Site, assert_settled, done, why
from tests.scaffold.whole import WholeSite, group, instance

Json = Any
ONE: Mapping[str, Group] = {"web": {"description": "shop"}}
CREATE = "POST server-groups"
STACK = {"ProtectionGroup/shop": group(name="shop", protection="enabled"), "ProtectedInstance/web": instance(1, "web")}
TOO_SLOW = "the service answers too slowly"


def _said(site: Site) -> list[str]:
    return site.watch.texts("warning")


def _whole(folder: Path, manifests: Mapping[str, Any]) -> WholeSite:
    site = WholeSite(folder)
    site.write_all(manifests)
    return site


# ---------------------------------------------------------------- a look is as old as its question


def _started(site: WholeSite) -> list[str]:
    """The status in which each group was when protection was started in it."""
    return [change.body.decode() for change in site.world.changes() if b"start-server-group" in change.body]


@pytest.mark.parametrize("seconds", [6.0, 9.0, 52.0, 60.0, 300.0])
def test_a_failover_during_a_slow_look_is_not_met_by_an_enable(tmp_path: Path, seconds: float) -> None:
    site = _whole(tmp_path, {**STACK, "ProtectionGroup/shop": group(name="shop")})
    done(site.apply())
    group_id = site.ids()["ProtectionGroup/shop"]
    site.write_all(STACK)

    armed: list[bool] = []
    site.watch.on_review = lambda plan: armed.append(True)

    def meanwhile() -> None:
        site.world.operator.enable(group_id)
        site.world.operator.fail_over(group_id)
        armed.clear()

    with site.suffering(wire=_armed(lambda: armed, f"GET server-groups/{group_id}", seconds, meanwhile)):
        applied = site.apply()
    assert not _started(site)
    assert applied.exit_code in (ExitCode.ERROR, ExitCode.CONSENT)
    assert site.objects()["ProtectionGroup"][group_id]["status"] == "failed-over"


def _armed(
    is_armed: Callable[[], object], meant: str, seconds: float, meanwhile: Callable[[], object]
) -> Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport]:
    class Slow(httpx.AsyncBaseTransport):
        def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
            self._inner = inner

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = await self._inner.handle_async_request(request)
            if f"{request.method} {request.url.path.split('/', 3)[3]}".startswith(meant) and is_armed():
                meanwhile()
                await asyncio.sleep(seconds)
            return response

    return Slow


def test_an_instance_is_not_deleted_from_a_group_that_failed_over_during_a_slow_look(tmp_path: Path) -> None:
    site = _whole(tmp_path, STACK)
    done(site.apply())
    group_id = site.ids()["ProtectionGroup/shop"]
    site.write_all({"ProtectionGroup/shop": group(name="shop")})
    armed: list[bool] = []
    site.watch.on_review = lambda plan: armed.append(True)

    def meanwhile() -> None:
        site.world.operator.fail_over(group_id)
        armed.clear()

    with site.suffering(wire=_armed(lambda: armed, f"GET server-groups/{group_id}", 52.0, meanwhile)):
        applied = site.apply(allow=["delete"])
    assert applied.exit_code is ExitCode.ERROR
    assert not site.deletions()


@pytest.mark.parametrize("fault", ["slow=6", "slow-after=6", "slow-after=60", "drip=20"])
def test_a_service_too_slow_to_be_sure_of_ends_the_step_and_nothing_is_sent(tmp_path: Path, fault: str) -> None:
    site = _whole(tmp_path, STACK)
    done(site.apply())
    site.write_all({"ProtectionGroup/shop": group(name="renamed", protection="enabled"), **_web()})
    site.watch.on_review = lambda plan: site.break_with(f"GET server-groups/*:{fault}", f"GET server-groups:{fault}")
    applied = site.apply()
    assert applied.exit_code is ExitCode.ERROR
    assert TOO_SLOW in why(applied)
    assert "--timeouts look=" in why(applied)
    assert not site.requests("PUT")
    assert not site.state().operations
    site.break_with()
    site.watch.on_review = lambda plan: None
    done(site.apply())


def test_who_knows_why_may_trust_older_looks(tmp_path: Path) -> None:
    site = _whole(tmp_path, STACK)
    done(site.apply())
    site.write_all({"ProtectionGroup/shop": group(name="renamed", protection="enabled"), **_web()})
    site.watch.on_review = lambda plan: site.break_with("GET server-groups/*:slow-after=6")
    done(site.apply(timeouts={"look": 20.0}))


def _web() -> dict[str, Any]:
    return {"ProtectedInstance/web": instance(1, "web")}


# ---------------------------------------------------------------- evidence that can't be had

ANSWERS = (
    *(f"{body}={status}" for body in ("empty", "html", "json") for status in (404, 403, 405, 400, 501, 200)),
    *(f"status={status}" for status in (400, 403, 404, 405, 500, 501, 503)),
    *("redirect=302", "redirect=307", "lost-before", "lost-after", "cut", "garbage", "slow-after=60"),
)
OPTIONAL = ("GET task-center/failure-jobs", "GET sdrs/quotas", "GET active-domains")


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("read", OPTIONAL)
def test_evidence_that_can_not_be_had_is_evidence_less(tmp_path: Path, read: str, answer: str) -> None:
    took = []
    for number, faults in enumerate(((), (f"{read}:{answer}",))):
        site = Site(tmp_path / str(number))
        site.write({"web": {"domain": None, "domain_id": site.world.domain_ids[0]}})
        site.world.faults.add([f"{CREATE}:lost-before:first=1", *faults])
        begun = site.now
        done(site.apply())
        took.append(site.now - begun)
        assert len(site.made()) == 1
        assert len(_said(site)) == (1 if faults else 0), _said(site)
        site.break_with(*faults)
        assert_settled(site, {"web": "web"})
    assert took[1] - took[0] <= 5.5


@pytest.mark.parametrize("answer", ["html=404", "status=403", "redirect=302", "slow-after=60"])
def test_a_plan_says_once_what_it_could_not_read(tmp_path: Path, answer: str) -> None:
    site = Site(tmp_path)
    site.write({"web": {"domain": None, "domain_id": site.world.domain_ids[0]}})
    site.break_with(f"GET sdrs/quotas:{answer}")
    assert [finding.summary.partition(" (")[0] for finding in site.plan().warnings] == [
        "not read, and nothing is concluded from that: the quotas"
    ]


@pytest.mark.parametrize("answer", ["html=404", "status=503", "slow-after=60"])
def test_all_evidence_together_takes_five_seconds_and_one_warning(tmp_path: Path, answer: str) -> None:
    took = []
    for number, faults in enumerate(((), tuple(f"{read}:{answer}" for read in OPTIONAL))):
        site = Site(tmp_path / str(number))
        site.write({"web": {"domain": None, "domain_id": site.world.domain_ids[0]}})
        site.world.faults.add([f"{CREATE}:lost-before:first=1", *faults])
        begun = site.now
        done(site.apply())
        took.append(site.now - begun)
        assert len(_said(site)) == (1 if faults else 0), _said(site)
        assert len(site.made()) == 1
    assert took[1] - took[0] <= 5.5


@pytest.mark.parametrize("answer", ["html=404", "status=403", "redirect=302", "empty=200"])
def test_a_new_group_by_the_name_of_its_domain_needs_the_domains(tmp_path: Path, answer: str) -> None:
    site = Site(tmp_path)
    site.write(ONE)
    site.break_with(f"GET active-domains:{answer}")
    for command in (site.plan, site.apply):
        with pytest.raises(InputError, match="Use domain_id instead"):
            command()
    assert not site.requests("POST")


def test_a_known_group_needs_its_domain_by_name_no_more(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.write(ONE)
    done(site.apply())
    site.break_with("GET active-domains:html=404")
    done(site.apply())
    site.write({"web": {"description": "shop", "domain": "Another"}})
    with pytest.raises(InputError, match="Use domain_id instead"):
        site.plan()


# ---------------------------------------------------------------- lists


@pytest.mark.parametrize("lists", [("page-cap=5",), ("page-cap=5", "count=page"), ("page-cap=5", "count=absent")])
@pytest.mark.parametrize("fault", ["lost-after", "lost-before"])
def test_capped_pages_hide_nothing(tmp_path: Path, lists: tuple[str, ...], fault: str) -> None:
    names = {f"g{number}": f"g{number}" for number in range(12)}
    site = Site(tmp_path, latency=0.05)
    site.write({name: {} for name in names})
    site.faults = tuple(f"GET server-groups:{one}" for one in lists)
    site.break_with(*site.faults, f"{CREATE}:{fault}")
    site.watch.on_event = lambda event: None
    site.apply(timeouts={"ProtectionGroup.create": 20.0})
    site.break_with(*(f"GET server-groups:{one}" for one in lists))
    done(site.apply())
    assert len(site.live()) == 12
    assert_settled(site, names)


@pytest.mark.parametrize("fault", ["lost-after", "lost-before"])
def test_a_list_without_a_clear_end_proves_no_absence(tmp_path: Path, fault: str) -> None:
    site = Site(tmp_path)
    site.write(ONE)
    site.break_with("GET server-groups:count=+1", f"{CREATE}:{fault}:first=1")
    for _ in range(2):
        assert site.apply().exit_code is ExitCode.INCOMPLETE
        assert len(site.made()) == (1 if fault == "lost-after" else 0)
        assert site.state().operations
    site.break_with()
    if fault == "lost-after":  # it may have been there before
        site.import_object("web", site.made()[0])
    done(site.apply())
    assert_settled(site, {"web": "web"})
    assert len(site.made()) == 1


@pytest.mark.parametrize("fault", ["lost-after", "lost-before"])
@pytest.mark.parametrize("drop", ["drop-newest=1", "list-lag=20"])
def test_a_list_that_is_late_is_waited_for(tmp_path: Path, drop: str, fault: str) -> None:
    site = Site(tmp_path)
    site.write(ONE)
    first = ":first=5" if drop.startswith("drop") else ""
    site.break_with(f"GET server-groups:{drop}{first}", f"{CREATE}:{fault}:first=1")
    done(site.apply())
    site.break_with()
    assert_settled(site, {"web": "web"})
    assert len(site.made()) == 1


# ---------------------------------------------------------------- what the service makes of a field


@pytest.mark.parametrize("made", ["trim=description", "upper=name", "lower=name", "emptied=description"])
@pytest.mark.parametrize("fault", ["", "lost-after", "lost-before"])
def test_what_the_service_makes_of_a_field_is_no_reason_to_make_another(tmp_path: Path, made: str, fault: str) -> None:
    site = Site(tmp_path)
    site.write({"web": {"name": "Web-1", "description": "the Shop"}})
    shaped = (f"POST server-groups:{made}", f"PUT server-groups/*:{made}")
    site.break_with(*shaped, *((f"{CREATE}:{fault}:first=1",) if fault else ()))
    first = site.apply()
    assert len(site.live()) == 1
    if first.exit_code is not ExitCode.OK:  # it can't be told from somebody else's
        assert "declarative import 'ProtectionGroup/web'" in why(first)
        site.import_object("web", next(iter(site.live())))
    second = site.apply(allow=["replace"]) if first.exit_code is ExitCode.OK else None
    assert second is None or not second.plan.has_changes()
    assert len(site.made()) == 1


def test_a_difference_that_the_service_made_is_said_and_drifts_when_it_changes(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.write({"web": {"name": "Web"}})
    site.break_with("POST server-groups:lower=name")
    done(site.apply())
    assert ["name was sent as 'Web', and the service shows 'web'" in text for text in _said(site)] == [True]
    assert not site.plan().has_changes()
    site.world.operator.rename_group(site.made()[0], "drifted")
    (step,) = site.plan().steps
    assert [change.new for change in step.changes] == ["Web"]
    site.world.operator.rename_group(site.made()[0], "web")
    site.write({"web": {"name": "Web-2"}})
    assert [step.action.value for step in site.plan().steps] == ["update"]


@pytest.mark.parametrize("field", ["name", "source_vpc_id", "source_availability_zone", "domain_id", "description"])
@pytest.mark.parametrize("how", ["hide", "null"])
def test_a_field_that_is_not_shown_replaces_nothing_and_doubles_nothing(tmp_path: Path, field: str, how: str) -> None:
    site = Site(tmp_path)
    site.write({"web": {"description": "shop"}})
    hidden = (f"GET server-groups:{how}={field}", f"GET server-groups/*:{how}={field}")
    site.break_with(*hidden, f"{CREATE}:lost-after:first=1")
    applied = site.apply()
    assert len(site.made()) == 1
    if applied.exit_code is ExitCode.ERROR:
        assert "could be its protection group" in why(applied)
        site.break_with()
        done(site.apply())
    site.break_with(*hidden)
    assert len(site.made()) == 1
    if how == "hide":
        assert not site.plan().has_changes()


def test_a_list_that_hides_a_field_is_helped_by_a_get(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.write(ONE)
    site.break_with("GET server-groups:hide=source_vpc_id", f"{CREATE}:lost-after:first=1")
    done(site.apply())
    assert len(site.made()) == 1


# ---------------------------------------------------------------- ids from jobs


@pytest.mark.parametrize("which", ["none", "ghost", "wrong", "foreign", "several"])
def test_an_id_from_a_job_is_a_claim(tmp_path: Path, which: str) -> None:
    site = Site(tmp_path)
    site.foreign("theirs", description="theirs")
    theirs = set(site.live())
    site.write({"web": {}, "db": {}})
    site.break_with(f"{CREATE}:job-entity={which}")
    done(site.apply())
    assert len(site.made()) == 3  # the first is theirs
    assert theirs.isdisjoint(site.recorded().values())
    site.break_with()
    assert_settled(site, {"web": "web", "db": "db"}, foreign=theirs)


# ---------------------------------------------------------------- jobs that can't be read


@pytest.mark.parametrize("answer", ["html=200", "html=404", "empty=404", "status=403", "redirect=302", "status=501"])
def test_a_job_that_can_not_be_read_is_decided_by_looking(tmp_path: Path, answer: str) -> None:
    site = Site(tmp_path)
    site.write(ONE)
    site.break_with(f"GET jobs/*:{answer}")
    done(site.apply())
    assert len(site.made()) == 1
    site.write({"web": {"description": "shop", "name": "other"}})
    done(site.apply())
    site.write({})
    done(site.apply(allow=["delete", "empty-manifests"]))
    assert not site.live()


def test_a_job_that_can_not_be_read_and_has_made_nothing_yet_is_never_sent_again(tmp_path: Path) -> None:
    site = Site(tmp_path, speed=1.0, rules=Rules(job_seconds=400.0))
    site.write(ONE)
    site.break_with(
        "GET jobs/*:html=200", "GET server-groups:drop-newest=9", "GET server-groups/*:status=400:code=SDRS.1013"
    )
    for _ in range(2):
        applied = site.apply()
        assert applied.exit_code is ExitCode.INCOMPLETE
        assert len(site.made()) == 1
    assert "can't be read" in "\n".join([why(applied), *(one.message for one in applied.plan.open), *_said(site)])
    site.break_with()
    site.now += 500.0
    done(site.apply())
    assert_settled(site, {"web": "web"})


# ---------------------------------------------------------------- rows without an id


def test_a_foreign_row_without_a_usable_id_stops_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.write(ONE)
    with site.suffering(wire=hooked("GET server-groups", answer=_with_stray("theirs"))):
        done(site.apply())
        done(site.apply())
        assert ["named 'theirs' that can't be used because its id is '../x'" in text for text in _said(site)] == [True]
        assert_settled(site, {"web": "web"})


def test_a_row_without_an_id_stops_the_search_for_one_of_its_name(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.write({**ONE, "db": {}})
    site.break_with(f"{CREATE}:lost-before:first=1")
    with site.suffering(wire=hooked("GET server-groups", answer=_with_stray("WEB"))):
        site.apply(parallelism=1)
    assert len(site.named("web")) + len(site.state().operations) == 1


def _with_stray(name: str) -> Callable[[int, Json], tuple[int, Json]]:
    def answer(status: int, body: Json) -> tuple[int, Json]:
        rows = body.get("server_groups", [])
        return status, {**body, "server_groups": [{"id": "../x", "name": name}, *rows] if rows else rows}

    return answer


# ---------------------------------------------------------------- a token that dies


def test_steps_under_way_go_on_when_the_token_dies(tmp_path: Path) -> None:
    site = Site(tmp_path, speed=1.0)
    site.write({f"g{number}": {} for number in range(30)})
    site.break_with("GET jobs/*:expire-token")
    applied = site.apply()
    assert applied.exit_code is ExitCode.INCOMPLETE
    assert not applied.outcome.count(Result.FAILED)
    assert applied.outcome.count(Result.CONTINUES) == len(site.state().operations) > 0
