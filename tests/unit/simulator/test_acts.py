"""Acts of a person on a world: what each does, and what makes no sense."""

import http.client
import json

import pytest

from declarative.simulator import Act, ActRefused, running


@pytest.fixture
def shop(cloud):
    """A protected group with one instance; its id and the instance's."""
    return cloud.protected(name="shop")


def act(cloud, verb, target="", *flags, **values):
    return cloud.world.perform(Act(verb, target, values, frozenset(flags)))


def refusal(cloud, verb, target="", *flags, **values):
    with pytest.raises(ActRefused) as caught:
        act(cloud, verb, target, *flags, **values)
    return str(caught.value)


def test_a_thing_is_found_by_id_or_name(cloud, shop):
    group_id, _ = shop
    by_name, by_id = act(cloud, "change", "shop", name="store"), act(cloud, "change", group_id, name="shop")
    assert (by_name.noun, by_name.id, by_name.name, by_name.happened) == (
        "protection group",
        group_id,
        "shop",
        "name is 'store' now",
    )
    assert by_id.name == "store"
    assert cloud.show(group_id)["name"] == "shop"


def test_an_unknown_thing_is_refused_with_the_nearest_name(cloud, shop):
    assert "'shp'. Did you mean 'shop'?" in refusal(cloud, "delete", "shp")


def test_a_name_of_several_things_is_refused_with_their_ids(cloud, shop):
    twin = cloud.group(name="shop")
    told = refusal(cloud, "delete", "shop")
    assert "2 things are called 'shop'" in told
    assert shop[0] in told
    assert twin in told


@pytest.mark.parametrize(
    ("values", "field", "shown"),
    [
        ({"name": "x"}, "name", "x"),
        ({"status": "hibernating"}, "status", "hibernating"),
        ({"protection": "disabled"}, "status", "available"),
    ],
)
def test_fields_of_a_group_change(cloud, shop, values, field, shown):
    act(cloud, "change", shop[0], **values)
    assert cloud.show(shop[0])[field] == shown


def test_protection_can_be_enabled(cloud):
    group_id = cloud.pair_group()
    act(cloud, "change", group_id, protection="enabled")
    assert cloud.show(group_id)["status"] == "protected"
    assert "enabled or disabled, not 'on'" in refusal(cloud, "change", group_id, protection="on")


def test_fields_of_an_instance_change(cloud, shop):
    act(cloud, "change", shop[1], **{"name": "x", "tags.stage": "prod", "tags.team": "a"})
    act(cloud, "change", shop[1], **{"tags.team": "", "status": "error-resizing"})
    shown = cloud.show_instance(shop[1])
    assert (shown["name"], shown["tags"], shown["status"]) == (
        "x",
        [{"key": "stage", "value": "prod"}],
        "error-resizing",
    )


def test_fields_of_a_pair_a_disk_and_a_server_change(cloud, shop):
    (pair,) = cloud.world.replications()
    act(cloud, "change", pair["id"], name="x", volume_size="90")
    shown = cloud.show_pair(pair["id"])
    assert (shown["name"], shown["record_metadata"]["volume_size"]) == ("x", 90)
    disk = pair["volume_ids"].partition(",")[0]
    act(cloud, "change", disk, size="200", status="error")
    assert (cloud.disk(disk)["size"], cloud.disk(disk)["status"]) == (200, "error")
    server = cloud.show_instance(shop[1])["source_server"]
    act(cloud, "change", server, status="error")
    assert cloud.server(server)["status"] == "error"


def test_fields_of_a_drill_change_and_it_is_deleted(cloud, shop):
    drill = cloud.drill(shop[0])
    act(cloud, "change", drill, name="q2", status="error")
    (shown,) = cloud.world.drills()
    assert (shown["name"], shown["status"]) == ("q2", "error")
    assert act(cloud, "delete", "q2").happened == "deleted"
    assert cloud.world.drills() == []


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "nothing to change. These can be changed: name, protection, status."),
        ({"nme": "x"}, "has no field 'nme'"),
        ({"tags.a": "b"}, "has no field 'tags.a'"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(cloud, shop, values, told):
    assert told in refusal(cloud, "change", shop[0], **values)


def test_a_refused_act_changes_nothing_at_all(cloud, shop):
    refusal(cloud, "change", shop[0], name="x", colour="green")
    assert cloud.show(shop[0])["name"] == "shop"


@pytest.mark.parametrize("size", ["", "-1", "0", "x", "9" * 20, "٣"])
def test_a_size_is_a_number(cloud, shop, size):
    (pair,) = cloud.world.replications()
    assert "is not a size in GB" in refusal(cloud, "change", pair["id"], volume_size=size)


def test_a_group_is_deleted_with_all_in_it(cloud, shop):
    assert act(cloud, "delete", "shop").happened == "deleted, with all in it"
    assert (cloud.world.groups(), cloud.world.instances(), cloud.world.replications()) == ([], [], [])


def test_members_attachments_servers_and_disks_are_deleted(cloud, shop):
    group_id, instance_id = shop
    (pair,) = cloud.world.replications()
    more = cloud.pair(group_id)
    cloud.world.operator.attach(instance_id, more)
    assert act(cloud, "delete", f"{instance_id}/{more}").happened == "detached"
    assert "holds no attachment" in refusal(cloud, "delete", f"{instance_id}/{more}")
    act(cloud, "delete", more)
    act(cloud, "delete", pair["volume_ids"].partition(",")[0])
    assert cloud.show_pair(pair["id"])["status"] == "invalid"
    act(cloud, "delete", cloud.show_instance(instance_id)["source_server"])
    assert cloud.show_instance(instance_id)["status"] == "invalid"
    act(cloud, "delete", instance_id)
    assert cloud.world.instances() == []


@pytest.mark.parametrize("target", ["group", "instance", "pair", "disk", "server"])
@pytest.mark.parametrize(("flags", "level"), [((), "2"), (("link",), "5")])
def test_pairs_are_broken_and_repaired_whatever_names_them(cloud, shop, target, flags, level):
    (pair,) = cloud.world.replications()
    targets = {
        "group": shop[0],
        "instance": shop[1],
        "pair": pair["id"],
        "disk": pair["volume_ids"].partition(",")[0],
        "server": cloud.show_instance(shop[1])["source_server"],
    }
    assert act(cloud, "break", targets[target], *flags).happened.endswith("is broken, of 1 replication pair")
    broken = cloud.show_pair(pair["id"])
    assert (broken["fault_level"], broken["status"], cloud.show_instance(shop[1])["status"]) == (
        level,
        "fault",
        "fault",
    )
    assert act(cloud, "repair", targets[target]).happened == "no fault any more on 1 replication pair"
    repaired = cloud.show_pair(pair["id"])
    assert (repaired["fault_level"], repaired["status"]) == ("0", "protected")


def test_what_has_no_pair_can_not_break(cloud, shop):
    assert "this protection group has no replication pair" in refusal(cloud, "break", cloud.group())
    assert "and this is a DR drill" in refusal(cloud, "break", cloud.drill(shop[0]))


def states_of(cloud, instance_id):
    shown = cloud.show_instance(instance_id)
    return [cloud.server(shown[side])["status"] for side in ("source_server", "target_server")]


def test_servers_are_switched_on_the_side_that_is_meant(cloud, shop):
    group_id, instance_id = shop
    act(cloud, "power", instance_id, "copy", power="on")
    assert states_of(cloud, instance_id) == ["active", "active"]
    assert act(cloud, "power", group_id, power="off").happened == "1 server of production switched off"
    assert states_of(cloud, instance_id) == ["shutoff", "active"]
    act(cloud, "fail-over", group_id)
    act(cloud, "power", group_id, "copy", power="on")
    act(cloud, "power", instance_id, power="off")
    assert states_of(cloud, instance_id) == ["active", "shutoff"]
    act(cloud, "power", cloud.show_instance(instance_id)["source_server"], power="off")
    assert states_of(cloud, instance_id) == ["shutoff", "shutoff"]


def test_power_that_makes_no_sense_is_refused(cloud, shop):
    (pair,) = cloud.world.replications()
    assert "on or off" in refusal(cloud, "power", shop[0], power="half")
    assert "this is a replication pair" in refusal(cloud, "power", pair["id"], power="on")
    assert "no server on that side" in refusal(cloud, "power", cloud.group(), power="on")


def test_a_failover_and_a_reprotection_ask_for_what_the_service_asks_for(cloud, shop):
    group_id, _ = shop
    done = act(cloud, "fail-over", group_id)
    assert done.happened == "failed over, production is in eu-de-02 (target), nothing is copied"
    assert cloud.show(group_id)["status"] == "failed-over"
    assert "SDRS.1002" in refusal(cloud, "fail-over", group_id)
    assert "SDRS.1342" in refusal(cloud, "reprotect", group_id)
    act(cloud, "power", group_id, "copy", power="off")
    assert act(cloud, "reprotect", group_id).happened.startswith("protected again, production is in eu-de-02")
    shown = cloud.show(group_id)
    assert (shown["status"], shown["priority_station"]) == ("protected", "target")


def test_a_planned_failover_asks_for_servers_that_are_off_unless_forced(cloud, shop):
    group_id, _ = shop
    with pytest.raises(ActRefused) as caught:
        act(cloud, "reverse", group_id)
    assert caught.value.code == "SDRS.1319"
    assert cloud.show(group_id)["priority_station"] == "source"
    act(cloud, "reverse", group_id, "force")
    assert cloud.show(group_id)["priority_station"] == "target"


def test_a_reprotection_never_enables(cloud):
    group_id = cloud.pair_group()
    assert "change it to protection=enabled" in refusal(cloud, "reprotect", group_id)
    assert cloud.show(group_id)["status"] == "available"


def test_only_a_group_fails_over(cloud, shop):
    assert "takes a protection group, and this is a protected instance" in refusal(cloud, "fail-over", shop[1])


def test_quotas_are_set(cloud):
    assert act(cloud, "set", quota="0", pair_quota="-1").happened == "quota is 0 now, pair_quota is unlimited now"
    assert cloud.create().code == "SDRS.0305"
    assert "is not a quota" in refusal(cloud, "set", quota="-2")
    assert "these can be set" in refusal(cloud, "set", size="1")


def test_an_unknown_verb_is_refused(cloud):
    assert "'explode' is not an act" in refusal(cloud, "explode", "x")


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"null", b'{"verb": 7}', b'{"verb":"set","values":[1]}', b'{"verb":"set","flags":7}', b"[" * 100_000],
)
def test_text_that_is_no_act_is_refused(text):
    with pytest.raises(ActRefused):
        Act.read(text)


def test_an_act_is_read_as_it_was_written():
    act = Act("change", "x", {"name": "é\n"}, frozenset({"force"}))
    assert Act.read(act.text()) == act


# ---------------------------------------------------------------- over a socket


@pytest.fixture
def ask(cloud):
    """Send one request to the served world; gives status and JSON."""
    with running(cloud.world) as address:
        port = int(address.rpartition(":")[2])

        def send(method, path, body=None, **headers):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
                answer = connection.getresponse()
                return answer.status, json.loads(answer.read() or b"null")
            finally:
                connection.close()

        yield send


OURS = {"X_Declarative_Simulator": "1"}


def test_a_served_world_says_that_it_is_one(cloud, ask):
    assert ask("GET", "/simulator", **OURS) == (
        200,
        {"simulator": "declarative", "project_id": cloud.world.project_id},
    )
    assert cloud.world.requests() == {}


def test_a_served_world_takes_acts(cloud, shop, ask):
    status, told = ask("POST", "/simulator/acts", Act("change", "shop", {"name": "x"}).text(), **OURS)
    assert (status, told["happened"]) == (200, "name is 'x' now")
    assert cloud.show(shop[0])["name"] == "x"
    status, told = ask("POST", "/simulator/acts", Act("reverse", "x").text(), **OURS)
    assert (status, told["code"]) == (409, "SDRS.1319")


@pytest.mark.parametrize(
    "headers", [{}, OURS | {"Host": "evil.example"}, OURS | {"Host": "127.0.0.1.evil.example:80"}], ids=str
)
def test_a_web_page_can_not_act(cloud, shop, ask, headers):
    status, _ = ask("POST", "/simulator/acts", Act("delete", "shop").text(), **headers)
    assert status == 403
    assert len(cloud.world.groups()) == 1


@pytest.mark.parametrize(("method", "path"), [("PUT", "/simulator"), ("GET", "/simulator/acts")])
def test_other_requests_beside_the_api_are_not_known(ask, method, path):
    assert ask(method, path, **OURS)[0] == 404


def test_another_machine_can_not_act(cloud, shop):
    from declarative.simulator.transport.operating import operate

    headers = {"x-declarative-simulator": "1", "host": "127.0.0.1"}
    body = Act("delete", "shop").text()
    for peer in ("10.0.0.7", "", "fe80::1"):
        assert operate(cloud.world, "POST", "/simulator/acts", headers, body, peer=peer).status == 403
    assert len(cloud.world.groups()) == 1
    assert operate(cloud.world, "POST", "/simulator/acts", headers, body, peer="::1").status == 200


def test_faults_do_not_meet_acts(open_cloud):
    cloud = open_cloud(faults=["* *:refused"])
    with running(cloud.world) as address:
        connection = http.client.HTTPConnection("127.0.0.1", int(address.rpartition(":")[2]), timeout=10)
        connection.request("GET", "/simulator", headers={"X-Declarative-Simulator": "1"})
        assert connection.getresponse().status == 200
        connection.close()
