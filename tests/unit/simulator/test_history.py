"""The history and the counts of requests: what tests prove things with."""

from declarative.simulator.tables.history import Effect


def test_the_history_tells_a_group_s_life(cloud):
    group_id = cloud.group()
    cloud.send("PUT", f"server-groups/{group_id}", {"server_group": {"name": "new"}})
    cloud.finished(cloud.send("DELETE", f"server-groups/{group_id}"))
    of_group = [event for event in cloud.world.history() if event.subject == group_id]
    assert [(event.effect, event.method, event.name, event.detail) for event in of_group] == [
        (Effect.CREATED, "POST", "pg-orders", "protection group"),
        (Effect.STATUS, "", "pg-orders", "creating -> available"),
        (Effect.RENAMED, "PUT", "new", "pg-orders -> new"),
        (Effect.STATUS, "DELETE", "new", "available -> deleting"),
        (Effect.DELETED, "", "new", "protection group"),
    ]
    assert of_group[0].at == 1741684427912
    assert of_group[1].at == 1741684442912


def test_an_event_names_its_request(cloud):
    accepted = cloud.create()
    created, submitted = cloud.world.history()
    assert created.request_id == submitted.request_id == accepted.headers["X-Request-Id"]
    assert created.path == f"/v1/{cloud.world.project_id}/server-groups"
    assert (submitted.effect, submitted.subject) == (Effect.SUBMITTED, accepted.body["job_id"])


def test_what_is_done_behind_the_client_s_back_is_told_too(cloud):
    group_id = cloud.group()
    cloud.world.operator.rename_group(group_id, "odd")
    cloud.world.operator.set_status(group_id, "unheard-of")
    assert cloud.show(group_id)["status"] == "unheard-of"
    cloud.world.operator.delete_group(group_id)
    told = [(event.effect, event.method) for event in cloud.world.history()[-3:]]
    assert told == [(Effect.RENAMED, ""), (Effect.STATUS, ""), (Effect.DELETED, "")]


def test_a_refused_request_does_nothing(cloud):
    cloud.create(name="a b")
    assert cloud.world.history() == []


def test_requests_are_counted_by_method_and_route(cloud):
    group_id = cloud.group()
    cloud.show(group_id)
    cloud.create(name="a b")
    cloud.send("GET", "nowhere")
    cloud.send("GET", "/")
    assert cloud.world.requests() == {
        ("POST", "server-groups"): 2,
        ("GET", "jobs/{job_id}"): 1,
        ("GET", "server-groups/{server_group_id}"): 1,
        ("GET", "(unknown)"): 1,
        ("GET", "/"): 1,
    }
