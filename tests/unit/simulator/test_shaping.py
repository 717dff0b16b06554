"""Fields that are shown otherwise than they are, and fields that are kept otherwise than sent."""

import pytest


def shown(cloud, fault, noun="server-groups"):
    """The first object of a list and the same by its id, without and with a fault on both."""
    (first, *_) = cloud.send("GET", noun).body[noun.replace("-", "_")]
    cloud.world.faults.add([f"GET {noun}*:{fault}"])
    (changed, *_) = cloud.send("GET", noun).body[noun.replace("-", "_")]
    (alone,) = cloud.send("GET", f"{noun}/{first['id']}").body.values()
    assert changed == alone
    return first, changed


@pytest.mark.parametrize(
    ("fault", "field", "value"),
    [
        ("hide=description", "description", ...),
        ("blank=description", "description", ""),
        ("null=description", "description", None),
        ("hide=server_type", "server_type", ...),
        ("set=status=hibernating", "status", "hibernating"),
        ("set=protected_status=started", "protected_status", "started"),
        ("text=replication_num", "replication_num", "1"),
        ("blank=nonsense", "status", "available"),
    ],
)
def test_a_field_is_shown_otherwise(cloud, fault, field, value):
    cloud.pair_group()
    before, after = shown(cloud, fault)
    assert after.get(field, ...) == value
    assert {key: after[key] for key in after if key != field} == {key: before[key] for key in before if key != field}
    (kept,) = cloud.world.groups()
    assert kept == before


@pytest.mark.parametrize(
    ("fault", "path", "value"),
    [
        ("number=fault_level", ("fault_level",), 0),
        ("number=volume_ids", ("volume_ids",), ...),
        ("text=volume_size", ("record_metadata", "volume_size"), "40"),
        ("text=bootable", ("record_metadata", "bootable"), "true"),
        ("hide=bootable", ("record_metadata", "bootable"), ...),
        ("null=record_metadata", ("record_metadata",), None),
        ("hide=protected_instance", ("attachment", 0, "protected_instance"), ...),
    ],
)
def test_a_field_deeper_down_is_shown_otherwise(cloud, fault, path, value):
    cloud.instance(cloud.group())
    before, after = shown(cloud, fault, "replications")
    *way, last = path
    for step in way:
        before, after = before[step], after[step]
    if fault == "number=volume_ids":
        assert after == before
    else:
        assert after.get(last, ...) == value


@pytest.mark.parametrize(
    ("pattern", "time"),
    [
        ("blank", "2025-03-11 09:13:47.912"),
        ("whole", "2025-03-11 09:13:47"),
        ("six", "2025-03-11T09:13:47.912000"),
        ("zulu", "2025-03-11T09:13:47.912Z"),
        ("seconds", 1741684427),
        ("milliseconds", 1741684427912),
    ],
)
def test_times_come_in_any_pattern(cloud, pattern, time):
    accepted = cloud.create()
    assert shown(cloud, f"stamps={pattern}")[1]["created_at"] == time
    cloud.world.faults.add([f"GET jobs/*:stamps={pattern}"])
    told = cloud.job(accepted)
    assert (told["begin_time"], told["end_time"]) == (time, None)


def test_times_of_pairs_come_in_any_pattern(cloud):
    cloud.world.operator.add_replication(cloud.group())
    before, after = shown(cloud, "stamps=blank", "replications")
    assert (before["created_at"], after["created_at"]) == ("2025-03-11T09:14:02.912000", "2025-03-11 09:14:02.912")


def test_a_field_of_a_job_is_shown_otherwise(cloud):
    accepted = cloud.create()
    cloud.world.advance()
    cloud.world.faults.add(["GET jobs/*:null=entities:first=1", "GET jobs/*:hide=server_group_id"])
    assert cloud.job(accepted)["entities"] is None
    assert cloud.job(accepted)["entities"] == {}


def test_a_field_may_have_another_name(cloud):
    pair = cloud.ask_pair(cloud.group())
    cloud.world.advance()
    cloud.world.faults.add(["GET jobs/*:rename=replication_pair_id=replication_id"])
    entities = cloud.job(pair)["entities"]
    assert entities["replication_id"] == cloud.world.replications()[0]["id"]
    assert "replication_pair_id" not in entities


def test_the_answer_to_a_rename_is_shown_otherwise_too(cloud):
    group_id = cloud.group()
    cloud.world.faults.add(["PUT *:hide=name"])
    renamed = cloud.send("PUT", f"server-groups/{group_id}", {"server_group": {"name": "new"}})
    assert "name" not in renamed.body["server_group"]
    assert cloud.show(group_id)["name"] == "new"


def test_errors_and_what_is_no_object_are_shown_as_they_are(cloud):
    cloud.world.faults.add(["* *:hide=code", "* *:hide=error"])
    assert cloud.send("GET", "server-groups/c3f1b5d3-98db-45a6-a20b-2cf0dd311efa").code == "SDRS.1013"
    assert cloud.send("DELETE", "task-center/failure-jobs/batch").status == 204


def test_a_shown_answer_may_still_be_lost(cloud):
    cloud.group()
    cloud.world.faults.add(["GET *:hide=name", "GET *:empty=404"])
    assert cloud.send("GET", "server-groups").status == 404


@pytest.mark.parametrize(
    ("fault", "field", "sent", "kept"),
    [
        ("upper=name", "name", "Shop-a", "SHOP-A"),
        ("lower=name", "name", "Shop-a", "shop-a"),
        ("trim=description", "description", "  order system ", "order system"),
        ("emptied=description", "description", "order system", ""),
        ("trim=source_vpc_id", "source_vpc_id", " 68679295-0223-4b5d-aecb-656d77977de2", None),
    ],
)
def test_what_the_service_makes_of_a_field_stays(open_cloud, fault, field, sent, kept):
    cloud = open_cloud(faults=[f"POST server-groups:{fault}"])
    accepted = cloud.create(**{field: sent})
    cloud.world.faults.clear()
    group_id = cloud.finished(accepted)["entities"]["server_group_id"]
    kept = sent.strip() if kept is None else kept
    assert cloud.show(group_id)[field] == kept
    assert cloud.send("GET", "server-groups").body["server_groups"][0][field] == kept
    assert sent.encode() in cloud.world.changes()[0].body


def test_a_rename_may_be_kept_otherwise(cloud):
    group_id = cloud.group()
    cloud.world.faults.add(["PUT server-groups/*:upper=name"])
    renamed = cloud.send("PUT", f"server-groups/{group_id}", {"server_group": {"name": "new"}})
    assert renamed.body["server_group"]["name"] == cloud.show(group_id)["name"] == "NEW"


def test_tags_may_be_kept_otherwise(open_cloud):
    cloud = open_cloud(faults=["POST protected-instances:lower=value"])
    instance_id = cloud.instance(cloud.group(), tags=[{"key": "Stage", "value": "Prod"}])
    assert cloud.show_instance(instance_id)["tags"] == [{"key": "Stage", "value": "prod"}]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7"])
def test_a_body_that_holds_no_fields_is_taken_as_it_is(open_cloud, body):
    cloud = open_cloud(faults=["POST *:upper=name"])
    assert cloud.send("POST", "server-groups", body).code == "SDRS.0201"
