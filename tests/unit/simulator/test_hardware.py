"""NICs and flavors of instances."""

import pytest

ABSENT = "c3f1b5d3-98db-45a6-a20b-2cf0dd311efa"
SUBNET = "0a5b2a08-9092-43da-9762-727aa5fa1e19"


@pytest.fixture
def site(cloud):
    """An instance with a stopped production server."""
    group_id = cloud.group()
    instance = cloud.show_instance(cloud.instance(group_id))
    cloud.world.operator.set_server_status(instance["source_server"], "shutoff")
    return cloud, group_id, instance


def add(cloud, instance_id, **fields):
    return cloud.send("POST", f"protected-instances/{instance_id}/nic", {"subnet_id": SUBNET} | fields)


def delete(cloud, instance_id, nic_id):
    return cloud.send("POST", f"protected-instances/{instance_id}/nic/delete", {"nic_id": nic_id})


def test_a_nic_comes_and_goes(site):
    cloud, _, instance = site
    accepted = add(cloud, instance["id"], ip_address="10.0.0.7", security_groups=[{"id": ABSENT}])
    assert cloud.show_instance(instance["id"])["status"] == "nic-creating"
    job = cloud.finished(accepted)
    assert (job["status"], job["job_type"]) == ("SUCCESS", "addNicNew")
    accepted = delete(cloud, instance["id"], job["entities"]["nic_id"])
    assert cloud.show_instance(instance["id"])["status"] == "nic-deleting"
    assert cloud.finished(accepted)["job_type"] == "deleteNicNew"
    assert cloud.show_instance(instance["id"])["status"] == "available"
    assert delete(cloud, instance["id"], job["entities"]["nic_id"]).code == "SDRS.1310"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"subnet_id": None}, "SDRS.1335"),
        ({"subnet_id": "x"}, "SDRS.1335"),
        ({"ip_address": "ten"}, "SDRS.0219"),
        ({"security_groups": [{}]}, "SDRS.0201"),
        ({"security_groups": "x"}, "SDRS.0201"),
    ],
)
def test_a_bad_nic_is_refused(site, fields, code):
    cloud, _, instance = site
    assert add(cloud, instance["id"], **fields).code == code


def test_an_instance_has_twelve_nics(site):
    cloud, _, instance = site
    for number in range(11):
        cloud.finished(add(cloud, instance["id"], ip_address=f"10.0.0.{number}"))
    assert add(cloud, instance["id"]).code == "SDRS.1340"
    assert add(cloud, cloud.instance(instance["server_group_id"]), ip_address="10.0.0.3").code == "SDRS.1334"


def test_the_primary_nic_stays(site):
    cloud, _, instance = site
    assert delete(cloud, instance["id"], cloud.world.operator.primary_nic(instance["id"])).code == "SDRS.1311"
    assert delete(cloud, instance["id"], "x").code == "SDRS.0223"


@pytest.mark.parametrize("status", ["failed-over", "error-starting", "starting"])
def test_all_must_be_steady_for_a_nic(site, status):
    cloud, group_id, instance = site
    nic_id = cloud.finished(add(cloud, instance["id"]))["entities"]["nic_id"]
    cloud.world.operator.set_instance_status(instance["id"], status)
    assert add(cloud, instance["id"]).code == delete(cloud, instance["id"], nic_id).code == "SDRS.1327"
    cloud.world.operator.set_status(group_id, status)
    assert add(cloud, instance["id"]).code == delete(cloud, instance["id"], nic_id).code == "SDRS.1024"


def test_a_failed_nic_changes_nothing(open_cloud):
    cloud = open_cloud(faults=["POST protected-instances/*/nic*:fail-job=SDRS.1312:first=2"])
    group_id = cloud.group()
    instance_id = cloud.instance(group_id)
    assert cloud.finished(add(cloud, instance_id))["entities"] == {}
    assert cloud.show_instance(instance_id)["status"] == "available"
    cloud.world.faults.clear()
    nic_id = cloud.finished(add(cloud, instance_id))["entities"]["nic_id"]
    cloud.world.faults.add(["POST protected-instances/*/nic/delete:fail-job=SDRS.1313:first=1"])
    assert cloud.finished(delete(cloud, instance_id, nic_id))["status"] == "FAIL"
    assert cloud.failures(group_id) == []
    assert cloud.finished(delete(cloud, instance_id, nic_id))["status"] == "SUCCESS"


def resize(cloud, instance_id, **fields):
    return cloud.send("POST", f"protected-instances/{instance_id}/resize", {"resize": fields})


@pytest.mark.parametrize(
    ("fields", "production", "recovery"),
    [
        ({"dr_flavorRef": "new"}, False, True),
        ({"production_flavorRef": "new"}, True, False),
        ({"production_flavorRef": "new", "dr_flavorRef": "new"}, True, True),
        ({"flavorRef": "new", "dr_flavorRef": "other"}, True, True),
    ],
)
def test_a_resize_changes_the_servers_that_it_names(site, fields, production, recovery):
    cloud, _, instance = site
    accepted = resize(cloud, instance["id"], **fields)
    assert cloud.show_instance(instance["id"])["status"] == "resizing"
    job = cloud.finished(accepted)
    assert (job["status"], job["job_type"]) == ("SUCCESS", "resizeProtectedInstanceNew")
    assert job["entities"] == {"protected_instance_id": instance["id"]}
    flavors = [cloud.server(instance[key])["flavor"] == "new" for key in ("source_server", "target_server")]
    assert (flavors, cloud.show_instance(instance["id"])["status"]) == ([production, recovery], "available")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "SDRS.0201"),
        ({"dr_flavorRef": 7}, "SDRS.0201"),
        ({"dr_flavorRef": "m9.large"}, "SDRS.1353"),
        ({"production_flavorRef": "m9.large"}, "SDRS.1356"),
    ],
)
def test_a_bad_resize_is_refused(site, fields, code):
    cloud, _, instance = site
    assert resize(cloud, instance["id"], **fields).code == code


def test_a_resize_must_change_something(site):
    cloud, _, instance = site
    flavor = cloud.server(instance["target_server"])["flavor"]
    assert resize(cloud, instance["id"], dr_flavorRef=flavor).code == "SDRS.1341"


def test_the_servers_concerned_must_be_stopped(site):
    cloud, _, instance = site
    cloud.world.operator.set_server_status(instance["target_server"], "active")
    assert resize(cloud, instance["id"], dr_flavorRef="new").code == "SDRS.1342"
    assert resize(cloud, instance["id"], production_flavorRef="new").status == 200
    other = cloud.instance(instance["server_group_id"])
    assert resize(cloud, other, production_flavorRef="new").code == "SDRS.1319"
    assert resize(cloud, other, dr_flavorRef="new").status == 200


@pytest.mark.parametrize("status", ["available", "protected", "error-resizing", "failed-over", "nic-creating"])
def test_the_status_decides_whether_an_instance_can_be_resized(site, status):
    cloud, _, instance = site
    cloud.world.operator.set_instance_status(instance["id"], status)
    asked = resize(cloud, instance["id"], dr_flavorRef="new")
    assert (asked.status == 200) == (status in ("available", "protected", "error-resizing"))
    assert asked.status == 200 or asked.code == "SDRS.1328"


def test_a_busy_group_is_not_resized(site):
    cloud, group_id, instance = site
    cloud.world.operator.set_status(group_id, "failed-over")
    assert resize(cloud, instance["id"], dr_flavorRef="new").code == "SDRS.1024"


def test_a_failed_resize_can_be_repeated(open_cloud):
    cloud = open_cloud(faults=["POST protected-instances/*/resize:fail-job=SDRS.1329:first=1"])
    group_id = cloud.group()
    instance_id = cloud.instance(group_id)
    assert cloud.finished(resize(cloud, instance_id, dr_flavorRef="new"))["error_code"] == "SDRS.1329"
    assert cloud.show_instance(instance_id)["status"] == "error-resizing"
    assert cloud.failures(group_id) == [("protected_instances", instance_id, "resizeFail")]
    cloud.finished(resize(cloud, instance_id, dr_flavorRef="new"))
    assert cloud.show_instance(instance_id)["status"] == "available"


@pytest.mark.parametrize("asked", ["nic", "resize"])
def test_an_instance_removed_meanwhile_stays_removed(site, asked):
    cloud, _, instance = site
    accepted = add(cloud, instance["id"]) if asked == "nic" else resize(cloud, instance["id"], dr_flavorRef="new")
    cloud.world.operator.delete_instance(instance["id"])
    assert cloud.finished(accepted)["status"] == "SUCCESS"
    assert cloud.world.instances() == []
