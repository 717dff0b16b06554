"""Members that are changed while other steps, or other people, are at work on the same group, pair or instance."""

import json

import pytest

from declarative.errors import ExitCode
from tests.scaffold.accidents import hooked
from tests.scaffold.cloud import VPC, Site, done, why

DISK = "5f6aa0f1-1d7c-4a43-9d0b-6a6e5a8a0001"
SERVERS = {
    "one": "6a1c2f0e-52a3-4f6e-8c53-1f0a9b1c0001",
    "two": "6a1c2f0e-52a3-4f6e-8c53-1f0a9b1c0002",
}


def document(kind, address_name, /, **spec):
    return {"apiVersion": "sdrs/v1", "kind": kind, "metadata": {"name": address_name}, "spec": spec}


def group(**spec):
    zones = {"source_availability_zone": "eu-de-01", "target_availability_zone": "eu-de-02"}
    return document("ProtectionGroup", "g", name="g", domain="ActiveactiveDomain", source_vpc_id=VPC, **zones, **spec)


def instance(name, **spec):
    return document("ProtectedInstance", name, protection_group="g", name=name, server_id=SERVERS[name], **spec)


def attachment(name, device="/dev/vdf"):
    return document("ReplicationAttachment", name, protected_instance=name, replication_pair="shared", device=device)


PAIR = document("ReplicationPair", "shared", protection_group="g", name="shared", volume_id=DISK)
DRILL = document("DRDrill", "d", protection_group="g", name="d")


def write(site, *documents, **stack):
    spec = {"provider": {"simulator": True}, **stack}
    head = {"apiVersion": "sdrs/v1", "kind": "Stack", "metadata": {"name": "members"}, "spec": spec}
    text = "\n---\n".join(json.dumps(one) for one in (head, *documents))
    (site.stack_folder / "stack.yaml").write_text(text + "\n")


@pytest.fixture
def site(tmp_path):
    built = Site(tmp_path, speed=4.0)
    yield built
    built.close()


def test_attachments_of_one_pair_wait_for_each_other_on_the_way_in_and_out(site):
    write(site, group(), instance("one"), instance("two"), PAIR, attachment("one"), attachment("two"))
    done(site.apply())
    assert not site.plan().has_changes()
    done(site.destroy())


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        pytest.param("SDRS.0214", "DELETE */detachreplication/*", id="of a pair that is to be detached"),
        pytest.param("SDRS.1314", "DELETE */detachreplication/*", id="of an instance that is to lose a pair"),
        pytest.param("SDRS.1601", "POST */attachreplication", id="of a pair that is to be attached"),
    ],
)
def test_a_lasting_wrong_status_is_no_reason_to_wait_for_long(site, code, meant):
    write(site, group(), instance("one"), PAIR, attachment("one"))
    done(site.apply())
    write(site, group(), instance("one"), PAIR, attachment("one", device="/dev/vdg"))
    site.break_with(f"{meant}:status=400:code={code}")
    before = site.now
    applied = site.apply(allow=["delete", "replace"])
    assert applied.exit_code is ExitCode.ERROR
    assert code in why(applied)
    assert site.now - before < 60.0


def test_a_drill_takes_no_look_from_before_the_enable_for_the_present(site):
    progress = []

    def note():
        (shown,) = site.world.groups()
        progress.append((shown["status"], shown["progress"]))

    write(site, group(protection="enabled"), instance("one"), PAIR, attachment("one"), DRILL)
    site.speed = 40.0
    with site.suffering(wire=hooked("POST disaster-recovery-drills", before=note)):
        done(site.apply())
    assert progress == [("protected", 100)]


def test_a_replaced_attachment_is_found_again_when_the_answer_to_its_create_is_lost(site):
    write(site, group(), instance("one"), PAIR, attachment("one"))
    done(site.apply())
    write(site, group(), instance("one"), PAIR, attachment("one", device="/dev/vdg"))
    site.break_with("POST protected-instances/*/attachreplication:lost-after:first=1")
    done(site.apply(allow=["replace", "delete"]))
    assert not site.plan().has_changes()


def test_a_group_that_fails_over_while_a_drill_waits_for_its_first_copy_gets_no_drill(site):
    looks = []

    def fail_over():
        looks.extend(one["id"] for one in site.world.groups() if one["status"] == "protected")
        if len(looks) == 4:
            site.world.operator.set_status(looks[0], "failed-over")

    write(site, group(protection="enabled"), instance("one"), DRILL)
    with site.suffering(wire=hooked(r"GET server-groups.*", before=fail_over)):
        applied = site.apply()
    assert "disaster recovery is in progress" in why(applied)
    assert not site.requests("POST", "disaster-recovery-drills")


def test_a_step_sees_its_group_as_it_is_when_the_step_begins(site):
    """Not as a list shows it that others have asked for a second before."""
    write(site, group(), instance("one"), instance("two"), PAIR, attachment("one"), attachment("two"))
    site.speed = 400.0

    def fail_over(status, body):
        made = [*site.world.instances(), *site.world.replications()]
        if len(made) >= 3 and all(one["status"] == "available" for one in made):
            for group_id in site.live():
                site.world.operator.set_status(group_id, "failed-over")
        return status, body

    with site.suffering(wire=hooked(r"GET jobs/.+", answer=fail_over)):
        applied = site.apply()
    assert "disaster recovery is in progress" in why(applied)
    assert [change.path for change in site.world.changes() if change.group_status == "failed-over"] == []


REFUSALS = {
    "the group was busy": (400, {"error": {"code": "SDRS.1323", "message": "busy"}}),
    "the gateway was": (429, {"error_code": "APIGW.0308", "error_msg": "later"}),
    "the answer was lost": (500, {"error": {"code": "SDRS.0013", "message": "internal"}}),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=[f"sent again, because {why}" for why in REFUSALS])
def test_nothing_is_sent_again_to_a_group_that_has_failed_over_meanwhile(site, refusal):
    write(site, group())
    done(site.apply())
    (group_id,) = site.live()
    write(site, group(), instance("one"), timeouts={"create_grace": 5})
    tries = []

    def fail_over():
        tries.append(site.now)
        site.world.operator.set_status(group_id, "failed-over")

    with site.suffering(wire=_turned_away("POST protected-instances", refusal, fail_over)):
        applied = site.apply()
    assert len(tries) == 1
    assert "disaster recovery is in progress" in why(applied)
    assert not site.world.instances()


def _turned_away(meant, refusal, meanwhile):
    """A wire on which such requests never arrive: each is refused, after something has happened."""
    import httpx

    class Turned(httpx.AsyncBaseTransport):
        def __init__(self, inner):
            self.inner = inner

        async def handle_async_request(self, request):
            line = f"{request.method} {request.url.path.split('/', 3)[3]}"
            if line != meant:
                return await self.inner.handle_async_request(request)
            meanwhile()
            status, body = refusal
            return httpx.Response(status, json=body, headers={"retry-after": "20"} if status == 429 else {})

    return Turned


LATE = {"error": {"code": "SDRS.1013", "message": "no such group"}}


def test_a_group_that_this_run_made_is_not_gone_for_not_being_shown_yet(site):
    write(site, group(), instance("one"), timeouts={"create_grace": 30})
    with site.suffering(wire=hooked(r"GET server-groups/[^/]+", answer=lambda status, body: (400, LATE), first=3)):
        done(site.apply())
    assert len(site.live()) == 1


def test_a_call_about_an_object_that_this_run_made_is_sent_again_while_the_service_does_not_know_it_yet(site):
    write(site, group(), instance("one"))
    refusal = (400, LATE)
    turned = []

    def wire(inner):
        calls = _turned_away("POST protected-instances", refusal, lambda: turned.append(1))(inner)

        class First(type(calls)):
            async def handle_async_request(self, request):
                if len(turned) >= 2:
                    return await self.inner.handle_async_request(request)
                return await super().handle_async_request(request)

        return First(inner)

    with site.suffering(wire=wire):
        done(site.apply())
    assert len(turned) == 2


def test_what_a_failed_create_left_is_recorded_though_it_is_shown_late(site):
    write(site, group(), timeouts={"create_grace": 30})
    site.break_with("POST server-groups:fail-job=SDRS.1014:first=1", "GET server-groups:list-lag=60")
    with site.suffering(wire=hooked(r"GET server-groups/[^/]+", answer=lambda status, body: (400, LATE), first=3)):
        applied = site.apply()
    assert applied.exit_code is ExitCode.ERROR
    assert list(site.recorded().values()) == list(site.live())


def test_a_job_that_the_service_has_forgotten_is_asked_for_through_the_grace_period_of_the_stack(site):
    write(site, group(), timeouts={"create_grace": 4})
    forgotten = (500, {"error": {"code": "SDRS.0408", "message": "job is null"}})
    with site.suffering(wire=hooked(r"GET jobs/.+", answer=lambda status, body: forgotten)):
        before = site.now
        done(site.apply())
    assert site.now - before < 15.0


def test_a_failed_attachment_leaves_nothing_that_a_grace_period_could_show(site):
    write(site, group(), instance("one"), PAIR)
    done(site.apply())
    write(site, group(), instance("one"), PAIR, attachment("one"))
    site.break_with("POST protected-instances/*/attachreplication:fail-job=SDRS.1821:first=1")
    before = site.now
    assert site.apply().exit_code is ExitCode.ERROR
    assert site.now - before < 30.0
    assert not site.state().operations
