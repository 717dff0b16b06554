"""A stack with objects of every kind on a site, and what must hold for it whatever befalls a run.

Manifests are mappings from addresses, such as `ProtectedInstance/web`, to specs; `lifecycle` and `depends_on` among
the fields of a spec stand for the document's own.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from declarative.planner.selection import PlanRequest
from declarative.simulator.tables.history import Effect, Event, Noun
from declarative.simulator.tables.states import Status
from tests.scaffold.cloud import VPC, Site

Json = Any
Manifests = Mapping[str, Mapping[str, Json]]

GROUP, INSTANCE, PAIR = "ProtectionGroup", "ProtectedInstance", "ReplicationPair"
ATTACHMENT, DRILL = "ReplicationAttachment", "DRDrill"
_ENVELOPE = ("lifecycle", "depends_on")
# What a request of ours makes: by its last path segment, the kind.
_MADE_BY = {
    "server-groups": (Noun.GROUP, GROUP),
    "protected-instances": (Noun.INSTANCE, INSTANCE),
    "replications": (Noun.PAIR, PAIR),
    "disaster-recovery-drills": (Noun.DRILL, DRILL),
}
# Where data is copied, or the copying stops and starts by nobody's wish but the service's own.
_COVERED = frozenset({Status.PROTECTED})


def group(**fields: Json) -> dict[str, Json]:
    """A group's spec."""
    return {
        "source_availability_zone": "eu-de-01",
        "target_availability_zone": "eu-de-02",
        "domain": "ActiveactiveDomain",
        "source_vpc_id": VPC,
        **fields,
    }


def server(number: int) -> str:
    """The id of a server that exists."""
    return f"{number:08d}-0000-4000-8000-000000000000"


def system_disk(number: int) -> str:
    """The id of that server's disk."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, server(number)))


def free_disk(number: int) -> str:
    """The id of a disk that no server has."""
    return f"{number:08d}-0000-4000-9000-000000000000"


def instance(number: int, name: str, **fields: Json) -> dict[str, Json]:
    """The spec of an instance in the group `shop`."""
    spec = {"protection_group": "shop", "name": name, "server_id": server(number)}
    return {**spec, "delete_target_server": True, "delete_target_eip": True, **fields}


def pair(number: int, name: str, **fields: Json) -> dict[str, Json]:
    """The spec of a pair of a free disk in the group `shop`."""
    spec = {"protection_group": "shop", "name": name, "volume_id": free_disk(number)}
    return {**spec, "delete_target_volume": True, **fields}


def adopted(number: int, name: str, **fields: Json) -> dict[str, Json]:
    """The spec of a pair that an instance of the group `shop` brings."""
    spec = {"protection_group": "shop", "name": name, "volume_id": system_disk(number)}
    return {**spec, "lifecycle": {"adopt": True}, **fields}


def attachment(to: str, what: str, device: str = "/dev/vdb") -> dict[str, Json]:
    """The spec of an attachment."""
    return {"protected_instance": to, "replication_pair": what, "device": device}


def drill(name: str) -> dict[str, Json]:
    """The spec of a drill of the group `shop`."""
    return {"protection_group": "shop", "name": name}


class WholeSite(Site):
    """A site whose stack holds every kind."""

    def write_all(self, manifests: Manifests, **stack: Json) -> None:
        """Write the manifests."""
        head = {"apiVersion": "sdrs/v1", "kind": "Stack", "metadata": {"name": "proof"}}
        spec = {"provider": {"simulator": True}, **stack}
        documents = [{**head, "spec": spec}, *(_document(place, dict(wanted)) for place, wanted in manifests.items())]
        text = "\n---\n".join(json.dumps(document) for document in documents)
        (self.stack_folder / "stack.yaml").write_text(text + "\n")

    def objects(self) -> dict[str, dict[str, Mapping[str, Json]]]:
        """All that is in the cloud: by kind, and by id."""
        world = self.world
        found = {GROUP: world.groups(), INSTANCE: world.instances(), PAIR: world.replications(), DRILL: world.drills()}
        shown = {kind: {str(one["id"]): one for one in objects} for kind, objects in found.items()}
        return {**shown, ATTACHMENT: _attachments(shown[INSTANCE])}

    def ids(self) -> dict[str, str]:
        """Recorded ids by address."""
        return {str(one): resource.id for one, resource in self.state().resources.items()}

    def object(self, place: str) -> Mapping[str, Json]:
        """What the cloud shows of a recorded address."""
        return self.objects()[place.partition("/")[0]][self.ids()[place]]

    def creations(self) -> Counter[str]:
        """How many objects of each kind requests of ours have made, living or not."""
        made: Counter[str] = Counter()
        for event in self.world.history():
            last = event.path.rstrip("/").rpartition("/")[2]
            if event.effect is Effect.CREATED and event.method == "POST" and last in _MADE_BY:
                noun, kind = _MADE_BY[last]
                made[kind] += event.noun is noun
            elif event.effect is Effect.SUBMITTED and last == "attachreplication":
                made[ATTACHMENT] += 1
        return made

    def hand_made_pairs(self) -> set[str]:
        """Ids of the pairs that no instance has brought, living or not."""
        return {
            event.subject
            for event in self.world.history()
            if event.effect is Effect.CREATED and event.noun is Noun.PAIR and event.path.endswith("/replications")
        }

    def deletions(self) -> list[str]:
        """What DELETE requests that were accepted were about, in order."""
        events = [event for event in self.world.history() if event.method == "DELETE"]
        return [_deleted(event) for event in events if event.effect is Effect.SUBMITTED]

    def gaps(self, group_id: str, *, since: int) -> list[str]:
        """Where, after so many events, a protected group's status became another: `protected -> stopping`."""
        return [
            event.detail
            for event in self.world.history()[since:]
            if event.noun is Noun.GROUP and event.subject == group_id and event.effect is Effect.STATUS
            if event.detail.partition(" -> ")[2] not in _COVERED
        ]


def _deleted(event: Event) -> str:
    head, _, last = event.path.rpartition("/")
    if not head.endswith("/detachreplication"):
        return last
    return f"{head.rsplit('/', 2)[1]}/{last}"


def _attachments(instances: Mapping[str, Mapping[str, Json]]) -> dict[str, Mapping[str, Json]]:
    return {
        f"{object_id}/{one['replication']}": one
        for object_id, shown in instances.items()
        for one in shown["attachment"]
    }


def _document(place: str, spec: dict[str, Json]) -> dict[str, Json]:
    kind, _, name = place.partition("/")
    envelope = {key: spec.pop(key) for key in _ENVELOPE if key in spec}
    return {"apiVersion": "sdrs/v1", "kind": kind, "metadata": {"name": name}, "spec": spec, **envelope}


# ---------------------------------------------------------------- what must always hold


def orphans(site: WholeSite, *, foreign: Collection[str] = ()) -> list[str]:
    """What is in the cloud, was not there by other hands, and is neither recorded nor came with an instance."""
    objects, recorded, ours = site.objects(), set(site.ids().values()), site.hand_made_pairs()
    known = {*recorded, *foreign}
    lost = [one for kind in (GROUP, INSTANCE, DRILL) for one in objects[kind] if one not in known]
    lost += [one for one in objects[PAIR] if one in ours and one not in known]
    lost += [one for one in objects[ATTACHMENT] if one.partition("/")[2] in ours and one not in known]
    return sorted(lost)


def ghosts(site: WholeSite) -> list[str]:
    """What is recorded, and not in the cloud."""
    objects = site.objects()
    return sorted(place for place, one in site.ids().items() if one not in objects[place.partition("/")[0]])


def assert_agreed(site: WholeSite, manifests: Manifests, *, request: PlanRequest | None = None) -> None:
    """State, cloud and manifests agree: nothing orphaned, nothing open, and another plan has nothing to do."""
    state = site.state()
    assert not state.operations, f"still open: {state.operations}"
    assert not orphans(site)
    assert not ghosts(site)
    assert sorted(site.ids()) == sorted(manifests)
    for place, wanted in manifests.items():
        shown = site.object(place)
        assert shown.get("name") == wanted.get("name"), place
        if "protection" in wanted:
            assert shown["status"] == {"enabled": "protected", "disabled": "available"}[wanted["protection"]]
    plan = site.plan(request)
    assert not plan.has_changes(), plan.steps
    assert not plan.open
    assert not plan.withheld
