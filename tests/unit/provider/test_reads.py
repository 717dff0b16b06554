import asyncio

import httpx
import pytest

from declarative.errors import EndpointError, ProviderError, Rejected
from declarative.provider import FailedTask
from tests.scaffold.scripted_cloud import ACCESS, GROUP, Scripted, answer, error, provider, query, run


def call(cloud, method, *arguments, notices=None, **options):
    async def main():
        async with provider(cloud) as one:
            if notices is not None:
                one.on_notice = lambda _, summary, fix: notices.append((summary, fix))
            return await getattr(one, method)(*arguments, deadline=30.0, **options), one.requests

    return run(main())


def get(*answers):
    return call(Scripted(*answers), "get", GROUP, "g1")[0]


class ListCloud(httpx.AsyncBaseTransport):
    """A list of groups, of which a page shows `cap` at most; `moves`: what happens to it between two pages.

    `count`: what it says about their number, "total" and "page" being what they say. The offsets of `empty_at` get
    an empty page, once each; the first `failures` requests get a 503.
    """

    def __init__(self, ids, *, cap=1000, count="total", moves=lambda ids: None, latency=0.0):
        self.ids = list(ids)
        self.cap = cap
        self.count = count
        self.moves = moves
        self.latency = latency
        self.empty_at = []
        self.failures = 0

    async def handle_async_request(self, request):
        asked = query(request)
        start, limit = int(asked["offset"]), min(int(asked["limit"]), self.cap)
        page = [{"id": one, "name": "n"} for one in self.ids[start : start + limit]]
        if start in self.empty_at:
            self.empty_at.remove(start)
            page = []
        count = {"total": len(self.ids), "page": len(page)}.get(self.count, self.count)
        self.moves(self.ids)
        await asyncio.sleep(self.latency)
        if self.failures:
            self.failures -= 1
            return error("SDRS.0013", status=503)
        return answer({"count": count, "server_groups": page})


def names(number):
    return [f"g{n}" for n in range(number)]


def test_an_object_is_read():
    assert get(answer({"server_group": {"id": "g1", "name": "a"}})) == {"id": "g1", "name": "a"}


@pytest.mark.parametrize(
    "absent",
    [
        error("SDRS.1013"),
        error("SDRS.1013", status=404),
        error("SDRS.1013", status=500),
        answer({"itemNotFound": {"message": "no"}}, status=404),
        answer({"error_code": "SDRS.1013", "error_msg": "no"}, status=400),
    ],
)
def test_an_object_is_gone_when_the_service_says_so(absent):
    assert get(absent) is None


@pytest.mark.parametrize(
    "other",
    [
        answer(status=404),
        answer(body=b"<html>not found</html>", status=404),
        answer({"error_code": "APIGW.0101", "error_msg": "no such API"}, status=404),
        answer({"server_group": {"id": "g2"}}),
        answer({"server_group": {}}),
        answer({"server_group": [1]}),
        answer({"server_group": None}),
        answer({"replication": {"id": "g1"}}),
        answer({}),
    ],
)
def test_what_is_not_the_object_is_neither_there_nor_gone(other):
    with pytest.raises(EndpointError):
        get(other)


@pytest.mark.parametrize("bad", ["", "..", ".", "a/b", "a\nb", "x" * 65, "é"])
def test_what_is_no_id_is_not_sent(bad):
    cloud = Scripted(answer({}))
    for method, arguments in (("get", (GROUP, bad)), ("job", (bad * 2 or bad,))):
        with pytest.raises(Rejected, match="not a"):
            call(cloud, method, *arguments)
    assert cloud.requests == []


@pytest.mark.parametrize(
    ("number", "requests"), [(0, 1), (1, 2), (999, 2), (1000, 2), (1001, 3), (2500, 4), (10_000, 11)]
)
def test_a_list_is_read_to_its_empty_page(number, requests):
    found, made = call(ListCloud(names(number)), "listing", GROUP)
    assert list(found.objects) == names(number)
    assert found.is_complete
    assert made == requests <= -(-number // 1000) + 2


@pytest.mark.parametrize("count", ["total", "page", 0, -5, 1, "many", True, 2.5])
@pytest.mark.parametrize("cap", [1, 5, 12, 999, 1000])
def test_a_page_that_is_capped_is_not_the_end(cap, count):
    found, made = call(ListCloud(names(12), cap=cap, count=count), "listing", GROUP)
    assert list(found.objects) == names(12)
    assert found.is_complete
    assert made == -(-12 // cap) + 1


@pytest.mark.parametrize("cap", [700, 1000])
def test_pages_fetched_ahead_of_a_short_one_are_thrown_away(cap):
    found, _ = call(ListCloud(names(5200), cap=cap), "listing", GROUP)
    assert list(found.objects) == names(5200)


@pytest.mark.parametrize("count", [0, -5, 1, "many", True, 2.5])
def test_a_count_that_lies_changes_nothing_but_the_pace(count):
    found, made = call(ListCloud(names(3500), count=count), "listing", GROUP)
    assert list(found.objects) == names(3500)
    assert found.is_complete
    assert made <= 33


def test_a_list_that_ends_before_its_count_is_read_again_and_proves_no_absence():
    notices = []
    found, made = call(ListCloud(names(12), count=13), "listing", GROUP, notices=notices)
    assert list(found.objects) == names(12)
    assert not found.is_complete
    assert made == 3 * 2
    assert [summary for summary, _ in notices] == [
        (
            "the list of server-groups has no clear end: it shows 12 objects, but claims more or repeats itself; an"
            " object missing from it is not treated as deleted"
        )
    ]


def test_a_list_that_repeats_a_row_without_a_usable_id_has_an_end():
    class Repeating(httpx.AsyncBaseTransport):
        made = 0

        async def handle_async_request(self, request):
            self.made += 1
            return answer({"count": 1, "server_groups": [{"id": "../x"}]})

    cloud = Repeating()
    with pytest.raises(EndpointError, match="it repeats the same page"):
        call(cloud, "listing", GROUP)
    assert cloud.made <= 12


def test_a_list_that_ended_early_once_is_whole_the_next_time():
    cloud = ListCloud(names(12), cap=5)
    cloud.empty_at.append(5)
    found, _ = call(cloud, "listing", GROUP)
    assert list(found.objects) == names(12)
    assert found.is_complete


def test_an_object_that_moves_between_pages_is_there_once():
    cloud = ListCloud(names(1500), moves=lambda ids: len(ids) < 1502 and ids.insert(0, f"new{len(ids)}"))
    found, _ = call(cloud, "listing", GROUP)
    assert set(names(1500)) <= set(found.objects)


def test_an_object_that_a_deletion_has_moved_past_the_pages_is_found_by_another_reading():
    deleted = []

    def delete_one(ids):
        if not deleted:
            deleted.append(ids.pop(0))

    found, _ = call(ListCloud(names(12), cap=5, moves=delete_one), "listing", GROUP)
    assert set(found.objects) == set(names(12)) - set(deleted)
    assert found.is_complete


def test_a_list_that_ignores_the_offset_is_an_error():
    same = answer({"server_groups": [{"id": one} for one in names(1000)], "count": 1001})
    with pytest.raises(EndpointError, match="same page"):
        call(Scripted(same), "listing", GROUP)


@pytest.mark.parametrize("number", [3, 1000])
def test_a_short_list_that_ignores_the_offset_is_read_and_proves_no_absence(number):
    same = answer({"server_groups": [{"id": one} for one in names(number)], "count": number})
    found, _ = call(Scripted(same), "listing", GROUP)
    assert list(found.objects) == names(number)
    assert not found.is_complete


def test_a_list_is_as_old_as_the_try_of_its_first_page_that_was_answered():
    cloud = ListCloud(names(3), latency=2.0)
    cloud.failures = 1
    found, _ = call(cloud, "listing", GROUP)
    assert 2.0 <= found.asked <= 3.0
    assert found.seconds == pytest.approx(4.0)


@pytest.mark.parametrize("odd", [{"name": "no id"}, {"id": "../x", "name": "x"}, {"id": 7}])
def test_a_row_without_a_usable_id_names_itself_and_stops_nothing(odd):
    notices = []
    rows = answer({"server_groups": [odd, {"id": "g1"}]})
    cloud = Scripted(rows, answer({"server_groups": []}))
    found, _ = call(cloud, "listing", GROUP, notices=notices)
    assert list(found.objects) == ["g1"]
    assert found.strays == (odd,)
    assert len(notices) == 1
    assert (f"named '{odd['name']}'" if "name" in odd else "without a name") in notices[0][0]


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"server_groups": None},
        {"server_groups": {}},
        {"server_groups": [None]},
        {"server_groups": ["g1"]},
        {"replications": []},
    ],
)
def test_a_list_of_another_shape_is_an_error(shape):
    with pytest.raises(EndpointError, match="not a valid SDRS answer"):
        call(Scripted(answer(shape)), "listing", GROUP)


def test_a_list_passes_its_filters_on():
    cloud = Scripted(answer({"server_groups": []}))
    call(cloud, "listing", GROUP, query={"status": "error"})
    assert query(cloud.requests[0]) == {"status": "error", "limit": "1000", "offset": "0"}


def test_one_page_that_fails_ends_the_list():
    def turn(request):
        if query(request)["offset"] == "3000":
            return error("SDRS.0004")
        return answer(
            {"count": 9000, "server_groups": [{"id": f"{query(request)['offset']}-{n}"} for n in range(1000)]}
        )

    with pytest.raises(Rejected):
        call(Scripted(turn), "listing", GROUP)


def test_domains_are_read():
    domain = {"id": "d1", "name": "aa"}
    assert call(Scripted(answer({"domains": [domain]})), "domains")[0] == (domain,)


def test_quotas_are_read_by_type():
    quota = {"type": "server_groups", "used": 2, "quota": 10}
    cloud = Scripted(answer({"quotas": {"resources": [quota]}}))
    assert call(cloud, "quotas")[0] == {"server_groups": quota}
    assert cloud.requests[0].url.path == "/v1/p1/sdrs/quotas"


@pytest.mark.parametrize(
    ("method", "shape"),
    [
        ("domains", {}),
        ("domains", {"domains": [{"name": "no id"}]}),
        ("domains", {"domains": [7]}),
        ("quotas", {"quotas": []}),
        ("quotas", {"quotas": {"resources": [{"used": 1}]}}),
        ("quotas", {"quotas": {}}),
    ],
)
def test_other_lookups_of_another_shape_are_errors(method, shape):
    with pytest.raises(EndpointError):
        call(Scripted(answer(shape)), method)


def test_failed_tasks_are_those_of_exactly_this_name():
    task = {
        "job_id": "j1",
        "resource_id": "g1",
        "resource_name": "a",
        "failure_status": "createFail",
        "begin_time": "2026-01-01T00:00:00.000Z",
        "error_code": "SDRS.1014",
        "fail_reason": "x-fail:no",
    }
    odd = task | {"job_id": "j2", "resource_id": "../x", "error_code": None, "failure_status": "createfail"}
    others = [task | {"resource_name": "ab"}, task | {"failure_status": "deleteFail"}]
    whole = answer({"count": 4, "failure_jobs": [task, odd, *others]})
    cloud = Scripted(whole, answer({"count": 4, "failure_jobs": []}))
    found, _ = call(cloud, "failed_tasks", GROUP, name="a", failure_status="createFail")
    shared = {"fail_reason": "x-fail:no"}
    assert found == (
        FailedTask(job_id="j1", resource_id="g1", error_code="SDRS.1014", **shared),
        FailedTask(job_id="j2", resource_id="", error_code="", **shared),
    )
    assert query(cloud.requests[0]) == {
        "failure_status": "createFail",
        "resource_name": "a",
        "resource_type": "server_groups",
        "limit": "1000",
        "offset": "0",
    }


def test_an_error_of_a_read_keeps_what_the_service_said():
    with pytest.raises(ProviderError) as caught:
        get(error("SDRS.0004", message="your role"))
    assert (caught.value.code, caught.value.message, caught.value.request) == (
        "SDRS.0004",
        "your role",
        "GET server-groups/g1",
    )


def test_the_binding_is_that_of_the_access():
    assert provider(Scripted(answer({}))).binding == ACCESS.binding
