"""The engine over a real socket, on servers that are as strict as the real ones, and on some that are not."""

import json
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from declarative.errors import LockHeld, StateConflict, StateError
from declarative.state.snapshot import encode, fresh
from declarative.state.web.documents import NOTHING
from declarative.state.web.wire import Unsent
from tests.scaffold.state_servers import (
    SEVEN,
    Reply,
    cut,
    dripping,
    empty,
    failing,
    gitlab_server,
    late,
    lost_after,
    lost_before,
    page,
    redirect,
    slow,
    terraform_server,
    truncated,
)
from tests.scaffold.web_engine import SOON, engine, holder, names, put, state_of

SERVERS = {"terraform": terraform_server, "gitlab": gitlab_server}


@pytest.fixture(params=SERVERS)
def server(request):
    with SERVERS[request.param]() as one:
        yield one


@pytest.fixture
def terraform():
    with terraform_server() as one:
        yield one


@pytest.fixture
def gitlab():
    with gitlab_server() as one:
        yield one


@pytest.fixture
def opened():
    with ExitStack() as stack:

        def open_it(server, **options):
            one = engine(server, **options)
            stack.callback(one.close)
            return one

        yield open_it


def locked(one, number=1):
    assert one.try_lock(holder(number)) is None
    return one


# ---------------------------------------------------------------- reading and writing


def test_absent_state_is_none(server, opened):
    kept = opened(server).read()
    assert (kept.state, kept.highest, kept.moved_to) == (None, None, "")


def test_no_content_is_no_state(terraform, opened):
    terraform.habits.add("says-204")
    assert opened(terraform).read().state is None


def test_reading_sends_nothing_but_a_get(server, opened):
    opened(server).read()
    assert [request.method for request in server.requests] == ["GET"]


def test_batches_become_serials_that_others_read(server, opened):
    one = locked(opened(server))
    one.append([put("a")], lineage="a-lineage", after=0)
    one.append([put("b"), put("c")], lineage="a-lineage", after=1)
    found = opened(server).read().state
    assert found == state_of("a", "b", "c", serial=2)
    assert server.text == encode(found)
    assert json.loads(server.text)["serial"] == 2


def test_whole_state_is_written_in_place_of_another(server, opened):
    one = locked(opened(server))
    one.append([put("a")], lineage="a-lineage", after=0)
    state = state_of("b", serial=2)
    state.unknown = {"later": [1]}
    one.write(state, after=1)
    assert opened(server).read().state == state


def test_tidying_up_writes_nothing(server, opened):
    one = locked(opened(server))
    one.append([put("a")], lineage="a-lineage", after=0)
    one.write(state_of("a"), after=1)
    assert len(server.texts) == 1


def test_content_does_not_change_without_a_later_serial(server, opened):
    one = locked(opened(server))
    one.append([put("a")], lineage="a-lineage", after=0)
    sent = len(server.texts)
    one.write(state_of("b"), after=1)
    assert (len(server.texts), names(one)) == (sent, {"a"})


def test_returned_state_is_the_callers_own(server, opened):
    one = locked(opened(server))
    one.append([put("a")], lineage="a-lineage", after=0)
    one.read().state.resources.clear()
    one.append([put("b")], lineage="a-lineage", after=1)
    assert names(one) == {"a", "b"}


@pytest.mark.parametrize("after", [0, 2])
def test_append_at_another_serial_is_a_conflict(server, opened, after):
    one = locked(opened(server))
    one.append([put("a")], lineage="a-lineage", after=0)
    with pytest.raises(StateConflict):
        one.append([put("b")], lineage="a-lineage", after=after)
    assert len(server.texts) == 1


def test_append_to_another_lineage_is_a_conflict(server, opened):
    one = locked(opened(server))
    one.append([put("a")], lineage="a-lineage", after=0)
    with pytest.raises(StateConflict):
        one.append([put("b")], lineage="another", after=1)


def test_nothing_is_written_without_the_lock(server, opened):
    one = opened(server)
    for write in (
        lambda: one.append([put("a")], lineage="a-lineage", after=0),
        lambda: one.write(state_of("a"), after=0),
        lambda: one.replace(state_of("a")),
        lambda: one.move_to("s3://bucket/state"),
    ):
        with pytest.raises(StateConflict):
            write()
    assert server.texts == []


def test_moved_state_says_where_it_is(server, opened):
    one = locked(opened(server))
    one.append([put("a")], lineage="a-lineage", after=0)
    one.move_to("postgresql://db/states?state=shop")
    kept = opened(server).read()
    assert (kept.state, kept.highest, kept.moved_to) == (None, ("a-lineage", 2), "postgresql://db/states?state=shop")
    with pytest.raises(StateConflict, match="has moved to postgresql"):
        one.append([put("b")], lineage="a-lineage", after=2)


def test_word_of_a_move_is_sealed(terraform, opened):
    one = locked(opened(terraform))
    one.move_to("postgresql://db/states?state=shop")
    terraform.text = terraform.text.replace(b"shop", b"shoq")
    with pytest.raises(StateError, match="checksum"):
        one.read()


def test_every_flipped_bit_is_refused(terraform, opened):
    one = opened(terraform)
    whole = encode(state_of("a"))
    for place in range(0, len(whole) * 8, 7):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        terraform.text = bytes(flipped)
        with pytest.raises(StateError):
            one.read()


@pytest.mark.parametrize("fault", [empty, page, cut, truncated], ids=["empty", "page", "cut", "truncated"])
def test_what_is_no_whole_state_is_not_taken_for_an_empty_one(server, opened, fault):
    locked(opened(server)).append([put("a")], lineage="a-lineage", after=0)
    server.strike("GET", fault, times=3)
    with pytest.raises(StateError):
        opened(server).read()


@pytest.mark.parametrize("fault", [failing(503), failing(500), failing(429), lost_before, truncated])
def test_read_is_tried_again_after_what_passes(server, opened, fault):
    locked(opened(server)).append([put("a")], lineage="a-lineage", after=0)
    server.strike("GET", fault, times=2)
    assert names(opened(server)) == {"a"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(opened, status):
    with terraform_server(username="me", password="hunter2") as server:
        server.strike("*", redirect(status), times=9)
        one = opened(server)
        for call in (one.read, lambda: one.try_lock(holder())):
            with pytest.raises(StateError, match="redirects") as caught:
                call()
            assert "secret" not in str(caught.value)
            assert "hunter2" not in str(caught.value)
        assert not [request for request in server.requests if request.path == "/elsewhere"]


def test_credentials_are_sent_to_the_store_and_never_shown(opened):
    with terraform_server(username="me", password="hunter2") as server:
        locked(opened(server)).append([put("a")], lineage="a-lineage", after=0)
        assert names(opened(server)) == {"a"}
        with pytest.raises(StateError, match="HTTP 401") as caught:
            opened(server, TF_HTTP_PASSWORD="wrong-one").read()
        assert "TF_HTTP_USERNAME" in caught.value.fix
        assert "wrong-one" not in caught.value.summary + caught.value.fix


def test_credentials_of_the_cloud_are_not_sent(terraform, opened):
    opened(terraform, OS_PASSWORD="hunter2", OS_TOKEN="hunter3", OS_USERNAME="me").read()
    assert "authorization" not in terraform.requests[0].headers
    assert "hunter" not in repr(terraform.requests)


@pytest.mark.parametrize("fault", [slow(5.0), dripping], ids=["slow", "dripping"])
def test_deadline_ends_every_exchange(server, opened, fault):
    server.strike("GET", fault, times=3)
    with pytest.raises(StateError, match="in time"):
        opened(server, patience=SOON).read()


def test_foreign_parameters_are_sent_along_and_not_shown(terraform, opened):
    one = locked(opened(terraform, query="?dialect=terraform&token=hunter2&workspace=a%2Fb"))
    one.append([put("a")], lineage="a-lineage", after=0)
    assert all(request.query["workspace"] == "a/b" for request in terraform.requests)
    assert all("dialect" not in request.query for request in terraform.requests)
    assert terraform.sent("POST")[-1].query["ID"] == terraform.lock_id
    assert one.address == terraform.address


def test_gitlab_that_hides_a_project_has_not_lost_its_states(gitlab, opened):
    gitlab.habits.add("no-project")
    with pytest.raises(StateError, match="HTTP 404"):
        opened(gitlab).read()


# ---------------------------------------------------------------- the lock


def test_lock_has_the_seven_names_of_the_protocol(server, opened):
    locked(opened(server))
    lock = json.loads(server.sent("LOCK" if server.sent("LOCK") else "POST")[-1].body)
    assert lock.keys() == SEVEN
    assert all(type(value) is str for value in lock.values())


def test_held_lock_is_seen_with_its_holder(server, opened):
    mine = holder()
    assert opened(server).try_lock(mine) is None
    other = opened(server)
    for seen in (other.try_lock(holder(2)), other.lock_seen()):
        assert seen.holder.id == mine.id
        assert seen.alive is None
    assert server.lock_id == mine.id


def test_holder_is_told_whole_by_terraforms_protocol(terraform, opened):
    mine = holder()
    opened(terraform).try_lock(mine)
    assert opened(terraform).lock_seen().holder == mine


def test_gitlab_tells_of_a_holder_only_what_is_its_own(gitlab, opened):
    opened(gitlab).try_lock(holder())
    seen = opened(gitlab).try_lock(holder(2, "plan"))
    assert (seen.holder.who, seen.holder.since, seen.holder.operation) == ("root", "2026-01-02T03:04:05Z", "something")
    assert seen.age.startswith("taken ")


def test_lock_of_terraform_itself_is_seen(terraform, opened):
    terraform.lock = json.dumps({
        "ID": "9db5", "Operation": "OperationTypeApply", "Info": "", "Who": "ann@laptop", "Version": "1.11.4",
        "Created": "2026-01-02T03:04:05.123456789Z", "Path": "",
    }).encode()  # fmt: skip
    seen = opened(terraform).try_lock(holder())
    assert (seen.holder.id, seen.holder.who, seen.holder.host) == ("9db5", "ann", "laptop")
    assert seen.holder.since == "2026-01-02T03:04:05Z"


def test_looking_at_a_free_lock_leaves_it_free(server, opened):
    assert opened(server).lock_seen() is None
    assert not server.lock_id


def test_lock_is_free_after_unlock_and_after_close(server, opened):
    for end in ("unlock", "close"):
        one = locked(opened(server))
        assert server.lock_id
        getattr(one, end)()
        assert not server.lock_id


def test_unlock_leaves_the_lock_of_somebody_else(server, opened):
    one = locked(opened(server))
    if hasattr(server, "lock"):
        server.habits.add("unlocks-anybody")
    opened(server).break_lock(server.lock_id, force=True, sleep=lambda seconds: None)
    other = locked(opened(server), 2)
    held = server.lock_id
    one.unlock()
    assert server.lock_id == held
    other.append([put("a")], lineage="a-lineage", after=0)


@pytest.mark.parametrize("fault", [lost_before, lost_after, failing(503), failing(502, done=True), failing(429)])
def test_lock_whose_answer_is_lost_is_ours_by_its_id(server, opened, fault):
    server.strike("LOCK" if hasattr(server, "lock") else "POST", fault, times=2)
    one = locked(opened(server))
    one.append([put("a")], lineage="a-lineage", after=0)
    one.unlock()
    assert not server.lock_id


@pytest.mark.parametrize("fault", [lost_before, lost_after, failing(503), failing(502, done=True)])
def test_unlock_whose_answer_is_lost_is_looked_after(server, opened, fault):
    one = locked(opened(server))
    server.strike("UNLOCK" if hasattr(server, "lock") else "DELETE", fault, times=2)
    one.unlock()
    assert not server.lock_id


def test_lock_request_that_never_gets_an_answer_names_what_it_may_have_left(server, opened):
    server.strike("LOCK" if hasattr(server, "lock") else "POST", lost_after, times=3)
    with pytest.raises(StateError) as caught:
        opened(server).lock_seen()
    assert f"with the id {server.lock_id} or " in caught.value.fix


def test_reader_can_read_and_can_not_lock(gitlab, opened):
    locked(opened(gitlab)).append([put("a")], lineage="a-lineage", after=0)
    gitlab.habits.add("reads-only")
    reader = opened(gitlab)
    assert names(reader) == {"a"}
    with pytest.raises(StateError, match="HTTP 403"):
        reader.try_lock(holder(2))


def test_break_needs_the_exact_id_and_force(server, opened):
    one = locked(opened(server))
    other = opened(server)
    with pytest.raises(StateError, match="has no lock another"):
        other.break_lock("another", force=True, sleep=lambda seconds: None)
    with pytest.raises(LockHeld, match="nobody can know") as caught:
        other.break_lock(server.lock_id, force=False, sleep=lambda seconds: None)
    assert "--force" in caught.value.fix
    assert ", taken " in caught.value.summary
    one.append([put("a")], lineage="a-lineage", after=0)


def test_nothing_to_break_where_nothing_is_locked(server, opened):
    with pytest.raises(StateError, match="has no lock") as caught:
        opened(server).break_lock("another", force=True, sleep=lambda seconds: None)
    assert "nothing to break" in caught.value.fix


@pytest.mark.parametrize("taken", [False, True], ids=["free", "taken-again"])
def test_holder_of_a_broken_lock_can_not_write(server, opened, taken):
    zombie = locked(opened(server))
    zombie.append([put("a")], lineage="a-lineage", after=0)
    opened(server).break_lock(server.lock_id, force=True, sleep=lambda seconds: None)
    assert not server.lock_id
    if taken:
        other = locked(opened(server), 2)
    with pytest.raises(StateConflict):
        zombie.append([put("zombie")], lineage="a-lineage", after=1)
    if taken:
        other.append([put("b")], lineage="a-lineage", after=1)
    with pytest.raises(StateConflict):
        zombie.append([put("zombie")], lineage="a-lineage", after=1)
    assert not any(b"zombie" in text for text in server.texts)


# ---------------------------------------------------------------- writes whose answer is lost


@pytest.mark.parametrize(
    "fault",
    [lost_before, lost_after, failing(503), failing(502, done=True), failing(500), failing(429), truncated],
    ids=["lost-before", "lost-after", "503", "502-but-done", "500", "429", "truncated"],
)
def test_write_without_an_answer_is_saved_once(server, opened, fault):
    one = locked(opened(server))
    one.append([put("a")], lineage="a-lineage", after=0)
    server.strike("POST", fault)
    one.append([put("b")], lineage="a-lineage", after=1)
    one.append([put("c")], lineage="a-lineage", after=2)
    assert [json.loads(text)["serial"] for text in server.texts] == [1, 2, 3]
    assert names(opened(server)) == {"a", "b", "c"}


def test_write_that_arrives_late_is_refused(server, opened):
    one = locked(opened(server))
    one.append([put("a")], lineage="a-lineage", after=0)
    server.strike("POST", late)
    one.append([put("b")], lineage="a-lineage", after=1)
    one.append([put("c")], lineage="a-lineage", after=2)
    (reply,) = server.arrive()
    assert reply.status >= 400
    assert names(opened(server)) == {"a", "b", "c"}


def test_write_that_arrives_after_the_command_has_failed_is_refused(server, opened):
    one = locked(opened(server))
    one.append([put("a")], lineage="a-lineage", after=0)
    server.strike("POST", late, times=3)
    server.strike("GET", failing(503), skip=1 if hasattr(server, "lock") else 0, times=9)
    with pytest.raises(StateError, match="whether it was saved is not known"):
        one.append([put("b")], lineage="a-lineage", after=1)
    one.unlock()
    (reply,) = server.arrive()
    assert reply.status >= 400


@pytest.mark.parametrize("fault", [failing(400), failing(401), failing(403), failing(413), redirect(307), failing(404)])
def test_refused_write_is_an_error_and_not_sent_again(server, opened, fault):
    one = locked(opened(server))
    one.append([put("a")], lineage="a-lineage", after=0)
    sent = len(server.sent("POST"))
    server.strike("POST", fault)
    with pytest.raises(StateError) as caught:
        one.append([put("b")], lineage="a-lineage", after=1)
    assert not isinstance(caught.value, StateConflict)
    assert len(server.sent("POST")) == sent + 1
    one.append([put("b")], lineage="a-lineage", after=1)


def test_server_that_stays_away_is_an_error_with_the_state_unchanged(server, opened):
    one = locked(opened(server))
    one.append([put("a")], lineage="a-lineage", after=0)
    before = server.text
    original = server.carry_out
    server.carry_out = lambda request: (
        Reply(503) if request.method == "POST" and not request.path.endswith("/lock") else original(request)
    )
    with pytest.raises(StateError, match="HTTP 503"):
        one.append([put("b")], lineage="a-lineage", after=1)
    server.carry_out = original
    assert server.text == before
    one.append([put("b")], lineage="a-lineage", after=1)
    assert names(opened(server)) == {"a", "b"}


def test_write_that_can_not_be_sent_is_an_error(server, opened):
    one = locked(opened(server))
    one.append([put("a")], lineage="a-lineage", after=0)
    port = one._wire._port
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        one._wire.close()
        one._wire._port = nobody.getsockname()[1]
        with pytest.raises(StateError, match="no connection"):
            one.append([put("b")], lineage="a-lineage", after=1)
    one._wire._port = port
    one.append([put("b")], lineage="a-lineage", after=1)
    assert names(one) == {"a", "b"}


def test_write_is_sent_again_when_the_connection_can_be_made_again(server, opened):
    one = locked(opened(server))
    one.append([put("a")], lineage="a-lineage", after=0)
    send, left = one._wire.send, [True]

    def refused_once(method, target, body=None, *, small=False):
        if body and not small and left:
            left.clear()
            raise Unsent("no connection")
        return send(method, target, body, small=small)

    one._wire.send = refused_once
    one.append([put("b")], lineage="a-lineage", after=1)
    assert names(one) == {"a", "b"}
    assert len(server.texts) == 2


def test_somebody_who_writes_past_the_lock_is_noticed(server, opened):
    one = locked(opened(server))
    one.append([put("a")], lineage="a-lineage", after=0)
    theirs = encode(state_of("theirs", serial=2))
    if hasattr(server, "versions"):
        server.versions[2] = theirs
    else:
        server.text = theirs
    with pytest.raises(StateConflict):
        one.append([put("b")], lineage="a-lineage", after=1)
    assert names(opened(server)) == {"theirs"}


def test_state_beyond_the_servers_limit_is_refused(gitlab, opened):
    one = locked(opened(gitlab))
    gitlab.limit = 1000
    with pytest.raises(StateError, match="too large"):
        one.append([put("a", "x" * 1000)], lineage="a-lineage", after=0)


# ---------------------------------------------------------------- servers that can't be relied on

PROBED = {
    "ignores-locks": "one lock to two",
    "hides-holder": "does not tell the id",
    "ignores-ids": "not that of the lock",
    "ignores-released-ids": "was given back",
    "has-no-locks": "has no locks",
}


@pytest.mark.parametrize("kept", [False, True], ids=["empty", "with-a-state"])
@pytest.mark.parametrize("habit", PROBED)
def test_server_without_fencing_is_refused_and_left_as_it_was(terraform, opened, habit, kept):
    if kept:
        terraform.text = encode(state_of("a"))
    before = terraform.text
    terraform.habits.add(habit)
    with pytest.raises(StateError, match=PROBED[habit]):
        opened(terraform).try_lock(holder())
    assert terraform.lock is None
    assert terraform.text in (before, *([] if kept else [NOTHING]))
    found = opened(terraform).read().state
    assert found == (state_of("a") if kept else None)


def test_page_for_everything_is_no_server_of_states(server, opened):
    server.habits.add("page")
    with pytest.raises(StateError):
        opened(server).read()
    with pytest.raises(StateError):
        opened(server).try_lock(holder())


def test_probe_that_fails_otherwise_says_that_nothing_is_known(terraform, opened):
    terraform.strike("POST", failing(507))
    with pytest.raises(StateError, match="not known whether its locks"):
        opened(terraform).try_lock(holder())
    assert terraform.lock is None


def test_probes_write_nothing_to_a_good_server(server, opened):
    locked(opened(server)).close()
    assert server.text is None
    server.texts.clear()
    one = locked(opened(server))
    one.append([put("a")], lineage="a-lineage", after=0)
    one.unlock()
    locked(opened(server)).close()
    assert len(server.texts) == 1


def test_ids_of_probes_never_lock_again(terraform, opened):
    locked(opened(terraform))
    probes = {request.query["ID"] for request in terraform.sent("POST")}
    assert len(probes) == 2
    assert terraform.lock_id not in probes


def test_gitlab_that_takes_a_serial_twice_is_refused(gitlab, opened):
    one = locked(opened(gitlab))
    one.append([put("a")], lineage="a-lineage", after=0)
    one.unlock()
    gitlab.habits.add("takes-serials-twice")
    with pytest.raises(StateError, match="one serial twice"):
        opened(gitlab).try_lock(holder())
    assert gitlab.lock_id is None
    assert names(opened(gitlab)) == {"a"}


# ---------------------------------------------------------------- going back


def test_gitlab_goes_back_to_its_versions(gitlab, opened):
    one = locked(opened(gitlab))
    for number, name in enumerate("abcdefg"):
        one.append([put(name)], lineage="a-lineage", after=number)
    points = opened(gitlab).points()
    assert [(point.serial, point.objects) for point in points] == [(7, 7), (6, 6), (5, 5), (4, 4), (3, 3)]
    earlier = one.go_back(3)
    assert earlier == state_of("a", "b", "c", serial=3)
    assert one.go_back(99) is None
    assert one.replace(earlier) == "version 7 in GitLab"
    found = opened(gitlab).read().state
    assert found == state_of("a", "b", "c", serial=8)
    one.append([put("h")], lineage="a-lineage", after=8)


def test_gitlab_goes_back_also_from_a_damaged_version(gitlab, opened):
    one = locked(opened(gitlab))
    one.append([put("a")], lineage="a-lineage", after=0)
    one.append([put("b")], lineage="a-lineage", after=1)
    one.unlock()
    gitlab.versions[2] = gitlab.versions[2].replace(b"id-b", b"id-c")
    one = locked(opened(gitlab))
    with pytest.raises(StateError, match="checksum"):
        one.append([put("c")], lineage="a-lineage", after=2)
    assert [point.serial for point in one.points()] == [1]
    assert one.replace(one.go_back(1)) == "version 2 in GitLab"
    assert opened(gitlab).read().state == state_of("a", serial=3)


def test_terraforms_protocol_keeps_nothing_to_go_back_to(terraform, opened):
    one = locked(opened(terraform))
    one.append([put("a")], lineage="a-lineage", after=0)
    one.append([put("b")], lineage="a-lineage", after=1)
    assert one.points() == ()
    assert one.go_back(1) is None
    assert one.environments() is None


@pytest.mark.parametrize("damaged", [False, True], ids=["intact", "damaged"])
def test_replaced_document_is_kept_on_this_machine(terraform, opened, tmp_path, damaged):
    one = locked(opened(terraform, XDG_STATE_HOME=str(tmp_path)))
    one.append([put("a")], lineage="a-lineage", after=0)
    if damaged:
        terraform.text = terraform.text[:-9]
    before = terraform.text
    kept = one.replace(state_of("b", lineage="another", serial=1))
    assert Path(kept).read_bytes() == before
    assert opened(terraform).read().state == state_of("b", lineage="another", serial=1)


def test_nothing_is_replaced_without_a_copy(terraform, opened, tmp_path):
    (tmp_path / "declarative").write_text("a file in the way")
    one = locked(opened(terraform, XDG_STATE_HOME=str(tmp_path)))
    one.append([put("a")], lineage="a-lineage", after=0)
    with pytest.raises(StateError, match="nothing was replaced"):
        one.replace(state_of("b", serial=1))
    assert names(opened(terraform)) == {"a"}


def test_state_of_terraform_is_not_taken_for_one_of_this_program(terraform, opened):
    terraform.text = b'{"version": 4, "terraform_version": "1.11.4", "serial": 7, "lineage": "x", "resources": []}'
    with pytest.raises(StateError, match="is not a declarative state"):
        opened(terraform).read()
    one = locked(opened(terraform))
    with pytest.raises(StateError, match="is not a declarative state"):
        one.append([put("a")], lineage="x", after=7)


def test_fresh_state_is_saved_too(server, opened):
    one = locked(opened(server))
    state = fresh("a-lineage")
    state.serial = 1
    one.write(state, after=0)
    assert opened(server).read().state == state


def test_lock_request_that_arrives_late_locks_under_an_id_that_never_writes(terraform, opened):
    terraform.strike("LOCK", late)
    one = opened(terraform)
    assert one.try_lock(holder()) is None
    one.append([put("a")], lineage="a-lineage", after=0)
    one.unlock()
    terraform.arrive()
    assert terraform.lock_id not in {request.query["ID"] for request in terraform.sent("POST")}


@pytest.mark.parametrize("method", ["LOCK", "POST", "UNLOCK"])
def test_page_with_a_good_status_is_not_taken_for_success(terraform, opened, method):
    one = locked(opened(terraform))
    one.append([put("a")], lineage="a-lineage", after=0)
    terraform.strike(method, page)
    one.append([put("b")], lineage="a-lineage", after=1)
    one.unlock()
    assert terraform.lock is None
    assert names(opened(terraform)) == {"a", "b"}


def test_lock_that_is_told_without_its_id_is_not_taken_for_lost(terraform, opened):
    one = locked(opened(terraform))
    one.append([put("a")], lineage="a-lineage", after=0)
    terraform.strike("POST", lost_before)
    terraform.strike("LOCK", cut)
    one.append([put("b")], lineage="a-lineage", after=1)
    terraform.strike("POST", lost_before)
    terraform.strike("LOCK", cut, times=3)
    with pytest.raises(StateError, match="does not tell who holds") as caught:
        one.append([put("c")], lineage="a-lineage", after=2)
    assert not isinstance(caught.value, StateConflict)
    one.append([put("c")], lineage="a-lineage", after=2)
