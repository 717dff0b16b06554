"""The record of changing requests, and what the history tells of members: what tests prove things with."""

import pytest

from declarative.simulator.tables.history import Effect, Noun


def test_a_changing_request_is_recorded_with_its_group(cloud):
    group_id = cloud.group()
    cloud.send("GET", f"server-groups/{group_id}")
    accepted = cloud.ask_instance(group_id)
    first, second = cloud.world.changes()
    assert (first.method, first.group_id, first.group_status, first.status) == ("POST", "", "", 200)
    assert (second.method, second.group_id, second.group_status, second.status) == ("POST", group_id, "available", 200)
    assert second.request_id == accepted.headers["X-Request-Id"]
    assert b"pi-orders" in second.body


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "server-groups/{group}", {}),
        ("DELETE", "server-groups/{group}", None),
        ("POST", "server-groups/{group}/action", {"stop-server-group": {}}),
        ("POST", "protected-instances", {"protected_instance": {"server_group_id": "{group}"}}),
        ("POST", "protected-instances/batch", {"protected_instances": {"server_group_id": "{group}"}}),
        ("POST", "protected-instances/delete", {"protected_instances": [{"id": "{instance}"}]}),
        ("PUT", "protected-instances/{instance}", {}),
        ("DELETE", "protected-instances/{instance}", None),
        ("POST", "protected-instances/{instance}/attachreplication", {}),
        ("DELETE", "protected-instances/{instance}/detachreplication/{pair}", None),
        ("POST", "protected-instances/{instance}/nic", {}),
        ("POST", "protected-instances/{instance}/resize", {}),
        ("POST", "protected-instances/{instance}/tags", {}),
        ("DELETE", "protected-instances/{instance}/tags/x", None),
        ("POST", "replications", {"replication": {"server_group_id": "{group}"}}),
        ("PUT", "replications/{pair}", {}),
        ("DELETE", "replications/{pair}", None),
        ("POST", "replications/{pair}/action", {}),
        ("POST", "disaster-recovery-drills", {"disaster_recovery_drill": {"server_group_id": "{group}"}}),
        ("DELETE", "disaster-recovery-drills/{drill}", None),
        ("DELETE", "task-center/{group}/failure-jobs/batch", None),
    ],
)
def test_whatever_reaches_a_held_group_is_seen(cloud, method, path, body):
    group_id = cloud.group()
    ids = {
        "group": group_id,
        "instance": cloud.world.operator.add_instance(group_id),
        "pair": cloud.world.operator.add_replication(group_id),
        "drill": cloud.world.operator.add_drill(group_id),
    }
    cloud.world.operator.fail_over(group_id)
    cloud.send(method, path.format(**ids), _filled(body, ids))
    assert [change.method for change in cloud.world.changes() if change.group_status == "failed-over"] == [method]
    assert cloud.world.changes()[-1].group_id == group_id


def _filled(body, ids):
    if isinstance(body, dict):
        return {key: _filled(value, ids) for key, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, ids) for value in body]
    return body.format(**ids) if isinstance(body, str) else body


@pytest.mark.parametrize(
    "body", [b"", b"[", b"[]", b"[" * 100_000, {"replication": 7}, {"replication": {"server_group_id": 7}}]
)
def test_a_request_that_names_no_group_concerns_none(cloud, body):
    cloud.send("POST", "replications", body)
    (change,) = cloud.world.changes()
    assert (change.group_id, change.group_status, change.status) == ("", "", 400)


def test_a_request_that_was_not_looked_at_is_recorded_as_such(open_cloud):
    cloud = open_cloud(faults=["POST server-groups:lost-before:first=1", "POST server-groups:lost-after:first=1"])
    cloud.create()
    cloud.create()
    assert [change.status for change in cloud.world.changes()] == [0, 200]


def test_reads_and_searches_change_nothing(cloud):
    cloud.send("GET", "protected-instances")
    cloud.send("POST", "protected-instances/resource_instances/action", {"action": "count"})
    cloud.send("POST", "/v3/auth/tokens", {})
    cloud.send("POST", "nowhere", {})
    assert cloud.world.changes() == []


def told(cloud, subject):
    return [(event.effect, event.detail) for event in cloud.world.history() if event.subject == subject]


def test_the_history_tells_a_member_s_life(cloud):
    group_id = cloud.group()
    instance_id = cloud.instance(group_id)
    cloud.finished(cloud.act(group_id, "start-server-group"))
    cloud.finished(cloud.send("DELETE", f"protected-instances/{instance_id}"))
    assert told(cloud, instance_id) == [
        (Effect.CREATED, f"protected instance in {group_id}"),
        (Effect.STATUS, "creating -> available"),
        (Effect.STATUS, "available -> starting"),
        (Effect.STATUS, "starting -> protected"),
        (Effect.STATUS, "protected -> deleting"),
        (Effect.DELETED, f"protected instance in {group_id}"),
    ]


def test_every_event_of_a_group_and_its_members_names_the_group(cloud):
    group_id, instance_id = cloud.protected()
    pair_id, drill_id = cloud.pair(group_id), cloud.drill(group_id)
    cloud.finished(cloud.ask_attach(instance_id, pair_id))
    cloud.finished(cloud.ask_detach(instance_id, pair_id))
    mine = {group_id: Noun.GROUP, instance_id: Noun.INSTANCE, pair_id: Noun.PAIR, drill_id: Noun.DRILL}
    events = [event for event in cloud.world.history() if event.subject in mine]
    assert {event.group_id for event in events} == {group_id}
    assert {(event.subject, event.noun) for event in events} == set(mine.items())
    of_pair = [effect for effect, _ in told(cloud, pair_id)]
    assert [effect for effect in of_pair if effect is not Effect.STATUS] == [
        Effect.CREATED,
        Effect.ATTACHED,
        Effect.DETACHED,
    ]


def test_protection_can_be_proved_to_have_lasted(cloud):
    group_id, instance_id = cloud.protected()
    since = len(cloud.world.history())
    cloud.instance(group_id)
    cloud.finished(cloud.send("DELETE", f"protected-instances/{instance_id}"))
    later = cloud.world.history()[since:]
    assert [event for event in later if event.subject == group_id and event.effect is Effect.STATUS] == []
    assert [event.noun for event in later if event.effect is Effect.CREATED] == [
        Noun.INSTANCE,
        Noun.PAIR,
        Noun.SERVER,
        Noun.DISK,
    ]
