"""Rules: their language, and what each changes."""

import math
import re
from dataclasses import fields

import pytest

from declarative.simulator import RULE_HELP, NotFoundAs, Rules, read_rules
from declarative.simulator.protocol.wire import Envelope
from declarative.simulator.settings import AgencyKey, DevicePrefix, TaskId

ABSENT = "c3f1b5d3-98db-45a6-a20b-2cf0dd311efa"


@pytest.mark.parametrize(
    ("texts", "rules"),
    [
        ([], Rules()),
        (["job_seconds=2.5"], Rules(job_seconds=2.5)),
        (
            ["not_found=404", "hand_made_pairs_stay=false"],
            Rules(not_found=NotFoundAs.NOT_FOUND, hand_made_pairs_stay=False),
        ),
        (["envelope=E4"], Rules(envelope=Envelope.E4)),
        (["accepted=202", "unknown_job=500", "bad_token=400"], Rules(accepted=202, unknown_job=500, bad_token=400)),
        (["instance_limit=-1", " tag_limit=20 "], Rules(tag_limit=20)),
        (["device_prefix=sd", "task_id=job"], Rules(device_prefix=DevicePrefix.XEN, task_id=TaskId.JOB)),
        (["page_limit=999"], Rules(page_limit=999)),
        (["clock_ahead=-3600.5", "agency_key=xrole_name"], Rules(clock_ahead=-3600.5, agency_key=AgencyKey.XROLE_NAME)),
        (["clock_ahead=60", "catalogue_has_sdrs=false"], Rules(clock_ahead=60, catalogue_has_sdrs=False)),
        (["tag_limit=20", "tag_limit=3"], Rules(tag_limit=3)),
    ],
)
def test_rules_are_read(texts, rules):
    assert read_rules(texts) == rules


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "NAME=VALUE"),
        ("frozen", "NAME=VALUE"),
        ("froze=true", "Did you mean 'frozen'"),
        ("frozen=yes", "true or false"),
        ("job_seconds=fast", "seconds from 0"),
        ("job_seconds=nan", "seconds from 0"),
        ("job_seconds=-1", "seconds from 0"),
        ("tag_limit=-2", "-1 for none"),
        ("tag_limit=1.5", "-1 for none"),
        ("page_limit=0", "from 1 to 1000"),
        ("page_limit=1001", "from 1 to 1000"),
        ("accepted=201", "200, 202"),
        ("not_found=410", "400, 404"),
        ("envelope=E7", "E1, E2"),
        ("device_prefix=xvd", "vd, sd"),
        ("task_id=both", "any, job, resource"),
        ("clock_ahead=soon", "from -1e+09 to 1e+09"),
        ("clock_ahead=--1", "from -1e+09 to 1e+09"),
        ("agency_key=agency", "any, agency_name, xrole_name"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(text, why):
    with pytest.raises(ValueError, match="The rule") as caught:
        read_rules([text])
    assert why in str(caught.value)


def test_the_help_names_every_rule_with_its_usual_value():
    lines = {line.split()[0] for line in RULE_HELP.splitlines() if re.match("  [a-z]", line)}
    names = {line.split("=")[0] for line in lines}
    assert names == {one.name for one in fields(Rules)}
    assert read_rules(line for line in lines if "=" in line) == Rules()


def opened(open_cloud, **rules):
    return open_cloud(rules=Rules(**rules))


def test_a_job_is_forgotten_some_time_after_its_end(open_cloud):
    cloud = opened(open_cloud, kept_seconds=60)
    accepted = cloud.create()
    cloud.world.faults.add(["POST *:stuck-job"])
    stuck = cloud.create(name="stuck")
    cloud.clock.pass_by(15 + 60)
    assert cloud.job(accepted)["status"] == "SUCCESS"
    cloud.clock.pass_by(1)
    gone = cloud.send("GET", f"jobs/{accepted.body['job_id']}")
    assert (gone.status, gone.code) == (404, "SDRS.0408")
    cloud.clock.pass_by(86_400)
    assert cloud.job(stuck)["status"] == "RUNNING"


@pytest.mark.parametrize("status", [400, 404, 500])
def test_an_unknown_job_is_answered_with_any_status(open_cloud, status):
    refused = opened(open_cloud, unknown_job=status).send("GET", f"jobs/{ABSENT}")
    assert (refused.status, refused.code) == (status, "SDRS.0408")


def test_a_bad_token_may_be_a_bad_request(open_cloud):
    cloud = opened(open_cloud, bad_token=400)
    refused = cloud.send("GET", "server-groups", headers={"x-auth-token": "made-up"})
    assert (refused.status, refused.code) == (400, "SDRS.0002")
    assert cloud.send("GET", "server-groups", headers={}).status == 401
    cloud.world.faults.add(["GET *:expire-token:first=1"])
    assert [cloud.send("GET", "server-groups").code for _ in range(2)] == ["SDRS.0002"] * 2


def test_calls_may_be_accepted_with_202(open_cloud):
    cloud = opened(open_cloud, accepted=202)
    assert cloud.create().status == 202
    assert cloud.send("GET", "server-groups").status == 200


@pytest.mark.parametrize(
    ("envelope", "body"),
    [
        ("E2", {"badrequest": {"message": "The protection group does not exist.", "code": "SDRS.1013"}}),
        ("E4", {"error_code": "SDRS.1013", "error_msg": "The protection group does not exist."}),
        ("E5", {"code": "SDRS.1013", "message": "The protection group does not exist."}),
        ("E6", {"badRequest": {"message": "The protection group does not exist.", "code": 400}}),
    ],
)
def test_errors_of_the_service_come_in_the_envelope(open_cloud, envelope, body):
    cloud = opened(open_cloud, envelope=Envelope(envelope))
    assert cloud.send("GET", f"server-groups/{ABSENT}").body == body
    assert cloud.send("GET", "server-groups", headers={}).body["error_code"] == "APIGW.0301"
    assert cloud.send("POST", "/v3/auth/tokens", {}).body["error"]["code"] == 400


def test_ids_may_have_no_dashes(open_cloud):
    cloud = opened(open_cloud, dashless_ids=True)
    group_id = cloud.group()
    pair_id = cloud.pair(group_id)
    assert len(cloud.world.domain_ids[0]) == len(group_id) == len(pair_id) == 32
    assert cloud.show(group_id)["id"] == group_id
    assert cloud.finished(cloud.send("DELETE", f"replications/{pair_id}"))["status"] == "SUCCESS"


def test_lists_may_take_no_more_than_some_rows(open_cloud):
    cloud = opened(open_cloud, page_limit=2)
    for name in "abc":
        cloud.group(name=name)
    assert cloud.names() == cloud.names(limit=2) == ["a", "b"]
    assert cloud.send("GET", "server-groups", limit=3).code == "SDRS.0221"


def test_a_frozen_account_keeps_what_the_service_made(open_cloud):
    cloud = opened(open_cloud, frozen=True)
    group_id = cloud.group()
    instance_id, pair_id = cloud.instance(group_id), cloud.pair(group_id)
    assert cloud.show_instance(instance_id)["metadata"] == {"__system__frozen": "true"}
    server, volume = {"delete_target_server": True}, {"replication": {"delete_target_volume": True}}
    assert cloud.send("DELETE", f"protected-instances/{instance_id}", server).code == "SDRS.1355"
    assert cloud.send("DELETE", f"replications/{pair_id}", volume).code == "SDRS.1828"
    cloud.finished(cloud.send("DELETE", f"protected-instances/{instance_id}"))
    cloud.finished(cloud.send("DELETE", f"replications/{pair_id}"))
    assert cloud.world.instances() == cloud.world.replications() == []


@pytest.mark.parametrize("swaps", [False, True])
def test_the_servers_of_an_instance_may_swap(open_cloud, swaps):
    cloud = opened(open_cloud, servers_swap=swaps)
    group_id, instance_id = cloud.protected()
    before = cloud.show_instance(instance_id)
    cloud.finished(cloud.act(group_id, "failover-server-group"))
    after = cloud.show_instance(instance_id)
    pair = ("source_server", "target_server")
    assert [after[key] for key in pair] == [before[key] for key in (pair[::-1] if swaps else pair)]
    assert cloud.send("GET", "protected-instances").body["protected_instances"] == [after]


@pytest.mark.parametrize(
    ("noun", "ask"),
    [
        ("server-groups", lambda cloud, _: cloud.create(name="failed")),
        ("protected-instances", lambda cloud, group_id: cloud.ask_instance(group_id)),
        ("replications", lambda cloud, group_id: cloud.ask_pair(group_id)),
        ("disaster-recovery-drills", lambda cloud, group_id: cloud.ask_drill(group_id)),
    ],
)
@pytest.mark.parametrize(("stays", "tells"), [(True, False), (False, True)])
def test_what_could_not_be_created_may_vanish_and_its_job_may_name_it(open_cloud, noun, ask, stays, tells):
    cloud = opened(open_cloud, failed_creates_stay=stays, failed_jobs_tell=tells)
    group_id = cloud.group()
    cloud.world.faults.add([f"POST {noun}:fail-job=SDRS.0013"])
    job = cloud.finished(ask(cloud, group_id))
    found = [one for one in cloud.send("GET", noun).body[noun.replace("-", "_")] if one["id"] != group_id]
    assert [one["status"] for one in found] == (["error"] if stays else [])
    told = [key for key in job["entities"] if key.endswith("_id")]
    assert (job["status"], len(told)) == ("FAIL", 1 if tells else 0)
    (entry,) = cloud.failures("" if noun == "server-groups" else group_id)
    assert entry[2] == "createFail"
    numbers = ("protected_instance_num", "replication_num", "disaster_recovery_drill_num")
    assert any(cloud.show(group_id)[key] for key in numbers) is (stays and noun != "server-groups")


@pytest.mark.parametrize("hand_made", [True, False])
@pytest.mark.parametrize("automatic", [True, False])
@pytest.mark.parametrize("options", [None, {"delete_target_server": True}], ids=["bare", "with-server"])
def test_pairs_may_outlive_their_instance(open_cloud, hand_made, automatic, options):
    cloud = opened(open_cloud, hand_made_pairs_stay=hand_made, automatic_pairs_stay=automatic)
    group_id = cloud.group()
    instance_id, pair_id = cloud.instance(group_id), cloud.pair(group_id)
    (brought,) = {pair["id"] for pair in cloud.world.replications()} - {pair_id}
    cloud.finished(cloud.ask_attach(instance_id, pair_id))
    cloud.finished(cloud.send("DELETE", f"protected-instances/{instance_id}", options))
    left = cloud.world.replications()
    assert {pair["id"] for pair in left} == {*([pair_id] if hand_made else []), *([brought] if automatic else [])}
    assert all((pair["status"], pair["attachment"]) == ("available", []) for pair in left)
    assert cloud.show(group_id)["replication_num"] == len(left)
    for pair in left:
        assert all(cloud.disk(disk_id) for disk_id in pair["volume_ids"].split(","))
        assert cloud.finished(cloud.send("DELETE", f"replications/{pair['id']}"))["status"] == "SUCCESS"
    assert cloud.finished(cloud.send("DELETE", f"server-groups/{group_id}"))["status"] == "SUCCESS"


def test_an_empty_group_may_go_only_in_some_statuses(open_cloud):
    cloud = opened(open_cloud, groups_go_in_any_status=False)
    statuses = ("protected", "failed-over", "error-starting", "available", "error", "error-deleting")
    ids = {status: cloud.world.operator.add_group(status=status) for status in statuses}
    refused = [status for status in statuses if cloud.send("DELETE", f"server-groups/{ids[status]}").status == 400]
    assert refused == ["protected", "failed-over", "error-starting"]


def test_devices_may_be_called_as_xen_does(open_cloud):
    cloud = opened(open_cloud, device_prefix=DevicePrefix.XEN)
    group_id = cloud.group()
    instance_id, first, second = cloud.instance(group_id), cloud.pair(group_id), cloud.pair(group_id)
    cloud.finished(cloud.ask_attach(instance_id, first, "/dev/vdb"))
    assert cloud.show_pair(first)["attachment"][0]["device"] == "/dev/sdb"
    cloud.finished(cloud.ask_attach(instance_id, second, "/dev/vda"))
    assert cloud.ask_detach(instance_id, second).code == "SDRS.1316"


@pytest.mark.parametrize(
    ("wanted", "good"), [("any", (True, True)), ("job", (True, False)), ("resource", (False, True))]
)
def test_a_failed_task_goes_by_one_id_or_either(open_cloud, wanted, good):
    cloud = opened(open_cloud, task_id=TaskId(wanted))
    cloud.world.faults.add(["POST server-groups:fail-job=SDRS.1014"])
    done = []
    for key in ("job_id", "resource_id"):
        cloud.finished(cloud.create())
        (task,) = cloud.send("GET", "task-center/failure-jobs").body["failure_jobs"]
        done.append(cloud.send("DELETE", f"task-center/failure-jobs/{task[key]}").status == 204)
        cloud.send("DELETE", "task-center/failure-jobs/batch")
    assert tuple(done) == good


def test_a_pair_that_another_instance_has_too_always_stays(open_cloud):
    cloud = opened(open_cloud, hand_made_pairs_stay=False)
    group_id = cloud.group()
    first, second, pair_id = cloud.instance(group_id), cloud.instance(group_id), cloud.pair(group_id)
    for instance_id in (first, second):
        cloud.finished(cloud.ask_attach(instance_id, pair_id))
    cloud.world.operator.delete_instance(first)
    assert [one["protected_instance"] for one in cloud.show_pair(pair_id)["attachment"]] == [second]
    cloud.world.operator.delete_instance(second)
    assert cloud.send("GET", f"replications/{pair_id}").code == "SDRS.1608"


def test_a_world_may_live_at_any_speed_with_any_rule(open_cloud):
    cloud = open_cloud(speed=math.inf, rules=read_rules(["job_seconds=100", "kept_seconds=0"]))
    assert cloud.job(cloud.create())["status"] == "SUCCESS"
