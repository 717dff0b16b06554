"""Faults: the language, when they strike, what they leave."""

import pytest

from declarative.simulator import FAULT_HELP, Fault, parse_fault, read_fault
from declarative.simulator.protocol.faults import Kind
from declarative.simulator.protocol.wire import Delivery, Envelope
from declarative.simulator.tables.history import Effect


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("POST server-groups:lost-after", Fault("POST", "server-groups", Kind.LOST_AFTER)),
        ("post server-groups:lost-before:p=0.2", Fault("POST", "server-groups", Kind.LOST_BEFORE, probability=0.2)),
        (
            "* *:status=429:retry-after=3:every=10",
            Fault("*", "*", Kind.STATUS, status=429, retry_after=3, every=10),
        ),
        (
            "PUT /v3/*:status-after=500:code=SDRS.0013:first=2",
            Fault("PUT", "/v3/*", Kind.STATUS_AFTER, status=500, code="SDRS.0013", first=2),
        ),
        ("DELETE x:fail-job=SDRS.1016", Fault("DELETE", "x", Kind.FAIL_JOB, code="SDRS.1016")),
        ("GET server-groups:list-lag=1.5", Fault("GET", "server-groups", Kind.LIST_LAG, seconds=1.5)),
        ("GET *:drip=3", Fault("GET", "*", Kind.DRIP, seconds=3.0)),
        (" * jobs/*:expire-token ", Fault("*", "jobs/*", Kind.EXPIRE)),
        ("GET x:redirect", Fault("GET", "x", Kind.REDIRECT, status=302)),
        ("GET x:redirect=307", Fault("GET", "x", Kind.REDIRECT, status=307)),
        ("GET x:html", Fault("GET", "x", Kind.HTML, status=200)),
        ("GET x:empty=404", Fault("GET", "x", Kind.EMPTY, status=404)),
        ("GET x:json=404", Fault("GET", "x", Kind.JSON, status=404)),
        (
            "GET x:status=404:code=SDRS.1013:envelope=E3",
            Fault("GET", "x", Kind.STATUS, status=404, code="SDRS.1013", envelope=Envelope.E3),
        ),
        ("* x:slow=2.5", Fault("*", "x", Kind.SLOW, seconds=2.5)),
        ("* x:slow-after=3", Fault("*", "x", Kind.SLOW_AFTER, seconds=3.0)),
        ("GET x:page-cap=2", Fault("GET", "x", Kind.PAGE_CAP, number=2)),
        ("GET x:drop-newest=1", Fault("GET", "x", Kind.DROP_NEWEST, number=1)),
        ("GET x:drop-rows=0.5", Fault("GET", "x", Kind.DROP_ROWS, share=0.5)),
        ("GET x:count=page", Fault("GET", "x", Kind.COUNT, word="page")),
        ("GET x:count=-3", Fault("GET", "x", Kind.COUNT, number=-3)),
        ("POST x:job-entity=wrong", Fault("POST", "x", Kind.JOB_ENTITY, word="wrong")),
        ("GET x:hide=description:p=0.5", Fault("GET", "x", Kind.HIDE, field="description", probability=0.5)),
        ("GET x:set=status=over=done", Fault("GET", "x", Kind.SET, field="status", word="over=done")),
        ("GET x:stamps=six", Fault("GET", "x", Kind.STAMPS, word="six")),
        ("POST x:emptied=description", Fault("POST", "x", Kind.EMPTIED, field="description")),
    ],
)
def test_a_fault_is_read(text, fault):
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "METHOD PATH"),
        ("server-groups:cut", "METHOD PATH"),
        ("FETCH x:cut", "METHOD PATH"),
        ("GET x", "METHOD PATH"),
        ("GET  :cut", "METHOD PATH"),
        ("GET x:explode", "there are refused"),
        ("GET x:cut=1", "takes no value"),
        ("GET x:status", "from 400 to 599"),
        ("GET x:status=200", "from 400 to 599"),
        ("GET x:drip=slow", "a number from 0"),
        ("GET x:drip=nan", "a number from 0"),
        ("POST x:fail-job", "error code"),
        ("GET x:fail-job=A", "start jobs"),
        ("POST x:list-lag=1", "concerns lists"),
        ("GET x:cut:p=2", "from 0 to 1"),
        ("GET x:cut:every=0", "from 1"),
        ("GET x:cut:first=-1", "from 1"),
        ("GET x:cut:often", "no option"),
        ("GET x:cut:code=", "no option"),
        ("GET x:cut:retry-after=1", "goes with status"),
        ("GET x:cut:code=A", "goes with status"),
        ("GET x:cut:envelope=E3", "goes with status"),
        ("GET x:status=400:envelope=E9", "E1, E2"),
        ("GET x:redirect=304", "307, 308"),
        ("GET x:empty=199", "from 200 to 599"),
        ("GET x:html=204", "without a body"),
        ("GET x:page-cap=0", "from 1"),
        ("GET x:page-cap", "from 1"),
        ("POST x:page-cap=1", "concerns lists"),
        ("GET x:repeat-last=1", "takes no value"),
        ("GET x:drop-rows=2", "from 0 to 1"),
        ("GET x:count=3", "page, absent"),
        ("GET x:count", "page, absent"),
        ("GET x:job-entity=none", "start jobs"),
        ("POST x:job-entity=mine", "none, ghost"),
        ("GET x:hide", "name of a field"),
        ("DELETE x:hide=status", "none to DELETE"),
        ("GET x:set=status", "a field and a text"),
        ("GET x:rename=status", "a field and its new name"),
        ("GET x:stamps=local", "blank, whole"),
        ("GET x:trim=name", "POST, PUT"),
        ("DELETE x:upper=name", "POST, PUT"),
        ("GET x:slow=-1", "from 0"),
        ("GET x:deny", "IAM.0001, "),
        ("GET x:deny=SDRS.0002", "a code of IAM or the gateway"),
        ("GET x:deny=IAM.0062:code=IAM.0001", "goes with status"),
        ("GET x:forbid", "forbid=sdrs:serverGroups:create"),
        ("GET x:forbid=a:", "no option"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(text, why):
    with pytest.raises(ValueError, match=why):
        parse_fault(text)


@pytest.mark.parametrize(
    "target",
    [
        "POST server-groups",
        "* *",
        "GET server-*",
        "GET jobs/????????",
        "POST server-groups/c3f1b5d3/action",
        "DELETE protected-instances/*/detachreplication/*",
        "GET /v1/*/replications",
        "POST /v3/*",
        "GET /",
    ],
)
def test_a_fault_may_name_any_call(target):
    assert read_fault(f"{target}:cut") == parse_fault(f"{target}:cut")


@pytest.mark.parametrize(
    ("target", "near"),
    [
        ("POST server-group", "'server-groups'"),
        ("PUT server-groups", "'server-groups/*'"),
        ("GET server-groups/*/action", "server-groups"),
        ("POST /v1/*/server-group", "no call"),
        ("GET nonsense", "no call"),
    ],
)
def test_a_fault_that_meets_no_call_is_refused(target, near):
    with pytest.raises(ValueError, match="meets no request") as caught:
        read_fault(f"{target}:cut")
    assert near in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("GET jobs/*:page-cap=3", "no list fits GET jobs"),
        ("* server-groups/*:count=page", "no list fits * server-groups/*"),
        ("POST server-groups/*/action:job-entity=none", "no create fits POST"),
        ("POST protected-instances/batch:job-entity=none", "no create fits POST"),
        ("POST /v3/auth/tokens:expire-token", "no call with a token fits POST"),
    ],
)
def test_a_fault_that_can_do_nothing_to_a_call_is_refused(fault, why):
    with pytest.raises(ValueError, match="meets no request") as caught:
        read_fault(fault)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "fault", ["GET *:page-cap=3", "GET task-center/failure-jobs:repeat-last", "POST replications:job-entity=none"]
)
def test_a_fault_that_can_do_something_is_taken(fault):
    assert read_fault(fault) == parse_fault(fault)


def test_the_help_names_every_fault_and_its_examples_can_be_read():
    assert all(kind in FAULT_HELP for kind in Kind)
    examples = [line.split("'")[1] for line in FAULT_HELP.splitlines() if line.startswith("  '")]
    assert len([parse_fault(example) for example in examples]) == 3


@pytest.mark.parametrize(
    ("pattern", "met"),
    [
        ("server-groups", True),
        ("server-*", True),
        ("*", True),
        ("/v1/*/server-groups", True),
        ("server-groups/*", False),
        ("[a-z]*", False),
        ("jobs/*", False),
        ("/v3/*", False),
    ],
)
def test_a_path_is_matched_whole(open_cloud, pattern, met):
    cloud = open_cloud(faults=[f"* {pattern}:status=503"])
    assert (cloud.send("GET", "server-groups").status == 503) is met


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ("", "xxxxxx"),
        (":every=3", "..x..x"),
        (":first=2", "xx...."),
        (":every=2:first=2", ".x.x.."),
        (":p=0", "......"),
    ],
)
def test_a_fault_strikes_as_often_as_asked(open_cloud, options, pattern):
    cloud = open_cloud(faults=[f"GET sdrs/quotas:status=500{options}"])
    cloud.send("GET", "active-domains")
    assert "".join("x" if cloud.send("GET", "sdrs/quotas").status == 500 else "." for _ in pattern) == pattern


def test_chance_is_repeated_by_the_seed(open_cloud):
    def statuses(seed):
        cloud = open_cloud(seed=seed, faults=["* *:status=500:p=0.5"])
        return [cloud.send("GET", "/").status for _ in range(64)]

    assert statuses(1) == statuses(1)
    assert statuses(1) != statuses(2)
    assert 10 < statuses(1).count(500) < 54


@pytest.mark.parametrize(
    ("fault", "delivery", "effect"),
    [
        ("refused", Delivery.REFUSED, False),
        ("lost-before", Delivery.DROPPED, False),
        ("lost-after", Delivery.DROPPED, True),
        ("cut", Delivery.CUT, True),
        ("drip=2", Delivery.DRIPPED, True),
    ],
)
def test_a_fault_of_the_connection_does_or_undoes(open_cloud, fault, delivery, effect):
    cloud = open_cloud(faults=[f"POST server-groups:{fault}:first=1"])
    assert cloud.create().answer.delivery is delivery
    assert bool(cloud.world.groups()) is effect
    assert cloud.world.requests() == {("POST", "server-groups"): 1}
    assert cloud.world.history()[0].effect is Effect.FAULT
    assert cloud.create().answer.delivery is Delivery.WHOLE


@pytest.mark.parametrize(
    ("fault", "status", "shape"),
    [
        ("status=429", 429, b'"APIGW.0308"'),
        ("status=500", 500, b'{"error":{"message":'),
        ("status=502", 502, b"<html>"),
        ("status=503:code=SDRS.0008", 503, b'"SDRS.0008"'),
        ("status=400:code=SDRS.0002", 400, b'"SDRS.0002"'),
        ("deny=IAM.0082", 403, b'{"error_code":"IAM.0082","error_msg":"The user is disabled."}'),
        (
            "deny=APIGW.0501",
            405,
            b'{"error_code":"APIGW.0501","error_msg":"The app quota has been used up.","request_id":"',
        ),
        ("deny=APIG.0302", 403, b'{"error_code":"APIG.0302",'),
        ("forbid=sdrs_adm", 403, b'"Policy doesn\'t allow sdrs_adm to be performed."'),
        ("forbid=sdrs:serverGroups:create:first=1", 403, b" sdrs:serverGroups:create to be performed"),
    ],
)
def test_a_status_comes_in_place_of_the_call(open_cloud, fault, status, shape):
    cloud = open_cloud(faults=[f"POST server-groups:{fault}"])
    reply = cloud.create()
    assert reply.status == status
    assert shape in reply.answer.body
    assert cloud.world.groups() == []


def test_a_status_may_come_after_the_call(open_cloud):
    cloud = open_cloud(faults=["POST server-groups:status-after=500:retry-after=7"])
    reply = cloud.create()
    assert (reply.status, reply.headers["Retry-After"]) == (500, "7")
    assert len(cloud.world.groups()) == 1


@pytest.mark.parametrize(
    ("fault", "status", "kind", "body"),
    [
        ("empty=404", 404, None, b""),
        ("html=404", 404, "text/html", b"<html><head><title>404"),
        ("json=404", 404, "application/json", b'{"timestamp":0,"status":404,"path":"/v1/'),
        ("html=403", 403, "text/html", b"<html>"),
        ("status=403", 403, "application/json", b'{"error":{"message":'),
        ("status=405", 405, "application/json", b'{"error":'),
        ("status=501", 501, "application/json", b'{"error":'),
        ("redirect", 302, None, b""),
        ("redirect=307", 307, None, b""),
        ("json", 200, "application/json", b'{"timestamp":0,"status":200'),
    ],
)
@pytest.mark.parametrize("path", ["server-groups", "active-domains", "jobs/ff8080829a3c41d20195847b4c881a3f"])
def test_evidence_may_be_refused_in_many_ways(cloud, path, fault, status, kind, body):
    cloud.world.faults.add([f"GET {path}:{fault}"])
    reply = cloud.send("GET", path)
    assert (reply.status, reply.headers.get("Content-Type")) == (status, kind)
    assert reply.answer.body.startswith(body)
    assert ("error" in str(reply.body)) is (fault.startswith("status"))


@pytest.mark.parametrize("fault", ["redirect=307", "html=404", "empty=502", "json=404"])
def test_what_is_refused_is_not_done(open_cloud, fault):
    cloud = open_cloud(faults=[f"POST server-groups:{fault}:first=1"])
    assert cloud.create().status == int(fault[-3:])
    assert cloud.world.groups() == []
    assert [change.status for change in cloud.world.changes()] == [0]


def test_a_good_status_with_foreign_json_hides_what_was_done(open_cloud):
    cloud = open_cloud(faults=["POST server-groups:json"])
    assert cloud.create().status == 200
    assert len(cloud.world.groups()) == 1


def test_a_redirect_leads_to_another_origin(open_cloud):
    cloud = open_cloud(faults=["GET server-groups:redirect=307"])
    location = cloud.send("GET", "server-groups").headers["Location"]
    assert location == f"https://elsewhere.invalid/v1/{cloud.world.project_id}/server-groups"


@pytest.mark.parametrize(
    ("envelope", "body"),
    [
        ("E1", {"error": {"message": "An injected fault.", "code": "SDRS.1013"}}),
        ("E2", {"badrequest": {"message": "An injected fault.", "code": "SDRS.1013"}}),
        ("E3", {"itemNotFound": {"message": "An injected fault.", "code": "SDRS.1013"}}),
        ("E4", {"error_code": "SDRS.1013", "error_msg": "An injected fault."}),
        ("E5", {"code": "SDRS.1013", "message": "An injected fault."}),
        ("E6", {"badRequest": {"message": "An injected fault.", "code": 404}}),
    ],
)
def test_an_error_may_come_in_any_envelope(open_cloud, envelope, body):
    cloud = open_cloud(faults=[f"GET server-groups/*:status=404:code=SDRS.1013:envelope={envelope}"])
    reply = cloud.send("GET", "server-groups/c3f1b5d3-98db-45a6-a20b-2cf0dd311efa")
    assert (reply.status, reply.body) == (404, body)


@pytest.mark.parametrize(("fault", "start"), [("html", b"<html>"), ("empty", b""), ("garbage", b'{"job_id": \x00')])
def test_a_good_status_may_come_with_a_bad_body(open_cloud, fault, start):
    cloud = open_cloud(faults=[f"POST server-groups:{fault}"])
    reply = cloud.create()
    assert (reply.status, reply.body) == (200, None)
    assert reply.answer.body[: len(start) or None] == start
    assert len(cloud.world.groups()) == 1


def test_a_new_group_may_come_late_into_lists(open_cloud):
    cloud = open_cloud(faults=["GET server-groups:list-lag=20"])
    group_id = cloud.group()
    assert cloud.send("GET", "server-groups").body == {"count": 0, "server_groups": []}
    assert cloud.show(group_id)["status"] == "available"
    cloud.world.advance(5)
    assert cloud.names() == ["pg-orders"]


def signed_in(cloud):
    identity = {"methods": ["password"], "password": {"user": {"name": "ada", "password": "x"}}}
    given = cloud.send("POST", "/v3/auth/tokens", {"auth": {"identity": identity}}, headers={})
    return given.headers["X-Subject-Token"]


@pytest.mark.parametrize("token", ["signed in", "preset", "accepted"])
def test_an_expired_token_stays_expired_and_a_new_one_works(open_cloud, token):
    cloud = open_cloud(faults=["GET active-domains:expire-token:first=1"])
    cloud.world.accept_token("chosen")
    other = {"x-auth-token": signed_in(cloud)}
    tokens = {"signed in": signed_in(cloud), "preset": cloud.world.preset_token, "accepted": "chosen"}
    mine = {"x-auth-token": tokens[token]}
    assert cloud.send("GET", "sdrs/quotas", headers=mine).status == 200
    asked = ["active-domains", "active-domains", "sdrs/quotas", "jobs/abc"]
    assert [cloud.send("GET", path, headers=mine).status for path in asked] == [401] * 4
    assert cloud.send("GET", "active-domains", headers=other).status == 200
    assert cloud.send("GET", "active-domains", headers={"x-auth-token": signed_in(cloud)}).status == 200


def test_an_expired_token_is_expired_for_other_processes_too(open_cloud, tmp_path):
    path = tmp_path / "simulator.sqlite"
    first = open_cloud(path, faults=["GET active-domains:expire-token:first=1"])
    second = open_cloud(path, clock=first.clock)
    for cloud in (first, second):
        cloud.world.accept_token("chosen")
    chosen = {"x-auth-token": "chosen"}
    for headers in ({"x-auth-token": first.world.preset_token}, chosen):
        first.world.faults.clear()
        first.world.faults.add(["GET active-domains:expire-token:first=1"])
        assert second.send("GET", "active-domains", headers=headers).status == 200
        assert first.send("GET", "active-domains", headers=headers).status == 401
        assert second.send("GET", "active-domains", headers=headers).status == 401
    second.world.operator.renew_token("chosen")
    assert [cloud.send("GET", "active-domains", headers=chosen).status for cloud in (first, second)] == [200, 200]


def test_a_signed_request_outlives_an_expired_token(open_cloud):
    cloud = open_cloud(faults=["GET active-domains:expire-token:first=1"])
    signature = "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature=" + "0a" * 32
    signed = {"authorization": signature, "x-sdk-date": "20250311T091347Z"}
    assert [cloud.send("GET", "active-domains", headers=signed).status for _ in range(2)] == [401, 200]


def test_faults_add_up(open_cloud):
    cloud = open_cloud(
        faults=[
            "POST *:lost-after:first=1",
            "POST *:status=500:first=1",
            "POST *:fail-job=A",
            "POST *:stuck-job",
        ]
    )
    assert cloud.create().answer.delivery is Delivery.DROPPED
    cloud.world.advance()
    assert cloud.world.groups()[0]["status"] == "error"
    assert [cloud.create().status for _ in range(2)] == [500, 200]


def test_faults_can_be_set_and_cleared_while_it_runs(cloud):
    cloud.world.faults.add(["GET *:status=500"])
    assert cloud.send("GET", "/").status == 500
    cloud.world.faults.clear()
    assert cloud.send("GET", "/").status == 200


def test_a_bad_fault_is_refused_when_the_world_is_opened(open_cloud):
    with pytest.raises(ValueError, match="boom"):
        open_cloud(faults=["GET x:boom"])
