"""What became of a create is found out by looking: one object is adopted, none after a while, and doubt is said."""

import pytest

from declarative.applier.lost_creates import CreateFailed, created_by, lost
from declarative.applier.session import StepContinues, StepFailed
from declarative.model import Action, Closed, Put
from declarative.provider import FailedTask
from tests.scaffold.applier import (
    GROUP,
    Cloud,
    failing,
    group,
    naming,
    now,
    on_virtual_time,
    operation,
    session_on,
)

GRACE = 30.0
CREATE = operation(Action.CREATE, group("", description="orders"))


def as_asked(object_id="g1"):
    """A group that shows every field as the create sent it."""
    return group(object_id, description="orders")


def on(cloud):
    """A session in which the create is open."""
    return session_on(cloud, operations=[CREATE])


async def look_for(session, **options):
    return await lost(session, CREATE, deadline=now() + 600.0, **options)


async def ask_job(session, cloud, ending, **entities):
    """What the create is found to have made when its job ends so."""
    job = cloud.run_job("job-1", ending=ending, entities=entities)
    return await created_by(session, CREATE, job, deadline=now() + 600.0)


# ---------------------------------------------------------------- by lists


@on_virtual_time
@pytest.mark.parametrize("seconds", [0.0, 25.0], ids=["at-once", "near-the-end-of-the-grace-period"])
async def test_one_object_that_fits_is_what_the_create_made(seconds):
    cloud = Cloud()
    cloud.add(as_asked(), after=seconds)
    made = await look_for(on(cloud))
    assert made.id == "g1"
    assert made.shown["name"] == "shop"


@on_virtual_time
async def test_create_made_nothing_only_when_nothing_shows_through_the_grace_period():
    cloud = Cloud()
    assert await look_for(on(cloud)) is None
    assert now() >= GRACE
    assert cloud.log.count("list ProtectionGroup") > 3


def there_before(session):
    session.candidates.exclude(GROUP.name, ["g1"])


def claimed(session):
    session.candidates.claim(GROUP, "g1")


def renamed(session):
    session.provider.change("g1", name="other")


def elsewhere(session):
    session.provider.change("g1", source_vpc_id="v9")


@on_virtual_time
@pytest.mark.parametrize("why", [there_before, claimed, renamed, elsewhere], ids=lambda why: why.__name__)
async def test_object_that_the_create_can_not_have_made_is_left_alone(why):
    session = on(Cloud(as_asked()))
    why(session)
    assert await look_for(session) is None


@on_virtual_time
async def test_two_objects_that_fit_stop_the_address():
    session = on(Cloud(as_asked(), as_asked("g2")))
    with pytest.raises(StepFailed) as failure:
        await look_for(session)
    for candidate in ("g1", "g2"):
        assert f"`declarative import 'ProtectionGroup/shop' {candidate}`" in failure.value.fix
        assert session.candidates.is_free(GROUP, candidate)


@on_virtual_time
@pytest.mark.parametrize(
    "shown",
    [
        pytest.param({"description": "other"}, id="differs-in-one-field"),
        pytest.param({"source_vpc_id": None}, id="does-not-show-one-field"),
    ],
)
async def test_object_that_fits_in_part_is_left_to_a_person(shown):
    session = on(Cloud())
    session.provider.add(as_asked(), **shown)
    with pytest.raises(StepFailed) as failure:
        await look_for(session)
    assert "`declarative import 'ProtectionGroup/shop' g1`" in failure.value.fix
    assert session.candidates.is_free(GROUP, "g1")


@on_virtual_time
async def test_list_without_a_clear_end_proves_no_absence():
    cloud = Cloud()
    cloud.lists_end = False
    with pytest.raises(StepContinues):
        await look_for(on(cloud))


# ---------------------------------------------------------------- by the job


@on_virtual_time
async def test_id_from_a_job_counts_when_the_object_is_seen():
    cloud = Cloud()
    cloud.add(as_asked(), after=10.0)
    cloud.unlisted.add("g1")
    made = await ask_job(on(cloud), cloud, naming(server_group_id="g1"))
    assert made.id == "g1"
    assert now() >= 10.0


@on_virtual_time
async def test_id_from_a_job_whose_object_is_never_seen_ends_the_step():
    cloud = Cloud()
    session = on(cloud)
    with pytest.raises(StepFailed, match="g1"):
        await ask_job(session, cloud, naming(server_group_id="g1"))
    assert now() >= GRACE
    assert CREATE.id in session.ledger.state.operations


@on_virtual_time
@pytest.mark.parametrize("why", [there_before, renamed, elsewhere], ids=lambda why: why.__name__)
async def test_id_from_a_job_that_can_not_be_the_right_one_is_not_believed(why):
    cloud = Cloud(as_asked(), as_asked("g2"))
    session = on(cloud)
    why(session)
    made = await ask_job(session, cloud, naming(server_group_id="g1"))
    assert made.id == "g2"
    assert "g1" in session.observer.notices.findings[0].summary


@on_virtual_time
@pytest.mark.parametrize("left", [True, False], ids=["recorded-when-something-is", "closed-when-nothing-is"])
async def test_failed_create_ends_with_what_it_left_behind(left):
    cloud = Cloud()
    if left:
        cloud.add(as_asked(), status="error")
    session = on(cloud)
    with pytest.raises(CreateFailed) as failure:
        await ask_job(session, cloud, failing(**({"server_group_id": "g1"} if left else {})))
    assert failure.value.code == "EVS.2024"
    assert [one.resource.id for one in failure.value.records if isinstance(one, Put)] == (["g1"] if left else [])
    assert failure.value.records[-1] == Closed(CREATE.id)


@on_virtual_time
async def test_failed_create_says_why_also_when_what_it_left_can_not_be_told():
    cloud = Cloud()
    cloud.lists_end = False
    session = on(cloud)
    with pytest.raises(StepFailed) as failure:
        await ask_job(session, cloud, failing())
    assert not isinstance(failure.value, CreateFailed)
    assert failure.value.code == "EVS.2024"
    assert "What it left behind is not known" in failure.value.fix
    assert list(session.ledger.state.operations) == [CREATE.id]


# ---------------------------------------------------------------- by the failed tasks


def failed_task(resource_id):
    return FailedTask(job_id="", resource_id=resource_id, error_code="", fail_reason="")


@on_virtual_time
@pytest.mark.parametrize(
    ("object_id", "shown", "found"),
    [
        pytest.param("g1", {"status": "error"}, True, id="an-object-that-fits"),
        pytest.param("g1", {"name": "other"}, False, id="an-object-that-does-not-fit"),
        pytest.param("g2", {}, False, id="an-object-that-is-not-there"),
    ],
)
async def test_failed_task_names_an_object_that_counts_when_it_is_seen(object_id, shown, found):
    cloud = Cloud()
    cloud.add(as_asked(), **shown)
    cloud.unlisted.add("g1")
    cloud.failed.append(("shop", failed_task(object_id)))
    made = await look_for(on(cloud))
    assert (made.id if made else None) == ("g1" if found else None)
