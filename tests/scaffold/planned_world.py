"""Desired members in few words, and a small cloud that takes a plan's steps and refuses what SDRS would refuse."""

from dataclasses import replace

from declarative.kinds import KINDS
from declarative.model import (
    Action,
    Address,
    Desired,
    DesiredView,
    Lifecycle,
    Observed,
    OnChange,
    Reference,
    Resource,
    Stack,
)
from declarative.planner.planner import make_plan
from declarative.planner.selection import PlanRequest
from tests.scaffold.planning import BASIS, LOOKUPS, position, spec

GROUP, INSTANCE, PAIR = "ProtectionGroup", "ProtectedInstance", "ReplicationPair"
ATTACHMENT, DRILL = "ReplicationAttachment", "DRDrill"
# What a group in disaster recovery, or in a state that nobody knows, may be called: nothing is done there.
HELD_STATUSES = (
    "failing-over",
    "failed-over",
    "error-failing-over",
    "reversing",
    "error-reversing",
    "reprotecting",
    "error-reprotecting",
    "some-word-of-tomorrow",
)


def of(text):
    """An address from its text."""
    return Address.parse(text)


def ref(kind, name):
    """A reference to the id of an object of the stack."""
    return Reference(Address(kind, name))


def wanted(address, fields, *, depends_on=(), labels=None, **lifecycle):
    """One desired object; what it refers to is among its dependencies, as resolving has it."""
    referred = [value.address for value in fields.values() if isinstance(value, Reference)]
    needs = tuple(sorted({*referred, *map(of, depends_on)}))
    remaining = {name: value for name, value in fields.items() if value is not None}
    return Desired(of(address), remaining, Lifecycle(**lifecycle), needs, labels or {}, position)


def group(name, /, *, lifecycle=None, depends_on=(), **fields):
    """A desired group."""
    return wanted(f"{GROUP}/{name}", spec(**{"name": name, **fields}), depends_on=depends_on, **(lifecycle or {}))


def instance(name, in_group, server, /, *, lifecycle=None, depends_on=(), labels=None, **fields):
    """A desired instance; `in_group` is a group's name in the stack, or its id after a colon."""
    both = {**_member(in_group), "server_id": server, "name": name, **fields}
    return wanted(f"{INSTANCE}/{name}", both, depends_on=depends_on, labels=labels, **(lifecycle or {}))


def pair(name, in_group, volume, /, *, adopt=False, lifecycle=None, depends_on=(), **fields):
    """A desired pair."""
    both = {**_member(in_group), "volume_id": volume, "name": name, **fields}
    return wanted(f"{PAIR}/{name}", both, depends_on=depends_on, adopt=adopt, **(lifecycle or {}))


def attachment(name, on_instance, of_pair, device="/dev/vdz"):
    """A desired attachment of two objects of the stack."""
    fields = {"protected_instance": ref(INSTANCE, on_instance), "replication_pair": ref(PAIR, of_pair)}
    return wanted(f"{ATTACHMENT}/{name}", {**fields, "device": device})


def drill(name, in_group, /, *, lifecycle=None, **fields):
    """A desired drill."""
    return wanted(f"{DRILL}/{name}", {**_member(in_group), "name": name, **fields}, **(lifecycle or {}))


def _member(in_group):
    if in_group.startswith(":"):
        return {"server_group_id": in_group[1:]}
    return {"protection_group": ref(GROUP, in_group)}


def stack(*resources, max_deletes=100):
    """A desired view of these resources."""
    return DesiredView(
        Stack("shop-dr", max_deletes=max_deletes), "default", {resource.address: resource for resource in resources}
    )


class Refused(AssertionError):
    """SDRS would not have done this, or not so."""


class World:
    """A cloud and the state beside it. `disks`: of the servers; `sizes`: of the disks in GB, 10 when not given."""

    def __init__(self, disks=None, sizes=None):
        self.disks = disks or {}
        self.sizes = dict(sizes or {})
        self.raw = {GROUP: {}, INSTANCE: {}, PAIR: {}, DRILL: {}}
        self.state = {}
        self.taken = 0
        self.disabled = []

    # ------------------------------------------------------------ views

    def observed(self):
        """What a refresh reads, through the kinds' own views."""
        objects = {}
        for kind in KINDS.values():
            of_kind = self.raw[INSTANCE if kind.name == ATTACHMENT else kind.name]
            objects[kind.name] = {key: one for raw in of_kind.values() for key, one in kind.wire.view(raw).items()}
        recorded = {(one.address.kind, one.id) for one in self.state.values()}
        gone = frozenset((kind, one) for kind, one in recorded if one not in objects[kind])
        return Observed(objects, gone, LOOKUPS)

    def plan(self, view, *, open_=(), **request):
        """Plan for this view."""
        return make_plan(
            view,
            dict(self.state),
            self.observed(),
            request=PlanRequest(**request),
            basis=BASIS,
            recorded_outputs={},
            open=tuple(open_),
        )

    # ------------------------------------------------------------ apply

    def apply(self, plan, *, choose=min, fails=lambda step: False):
        """Carry out all steps, each when what it requires is done; `choose` picks among the ready ones.

        Returns the ids of the failed steps and of those that wait for them.
        """
        left, done, failed = {step.id: step for step in plan.steps}, set(), set()
        while ready := sorted(one for one, step in left.items() if done.issuperset(step.requires)):
            step = left.pop(choose(ready))
            if fails(step):
                failed.add(step.id)
                self._fail(step)
                continue
            self.carry_out(step)
            done.add(step.id)
        return failed | left.keys()

    def carry_out(self, step):
        """Do one step, and record it."""
        resource = self._filled(step)
        action = getattr(self, f"_{step.action.value}")
        object_id = action(resource.address.kind, resource, step)
        known = self.state.get(step.source or step.address)
        if step.source:
            del self.state[step.source]
        if step.action in (Action.DELETE, Action.FORGET):
            del self.state[step.address]
            return
        shown = self.observed().objects[resource.address.kind][object_id]
        brought = known.brought if known is not None and known.id == object_id else None
        if step.action is Action.CREATE and resource.address.kind == INSTANCE:
            brought = tuple(one["replication"] for one in shown["attachment"])
        self.state[step.address] = replace(resource, id=object_id, attributes=dict(shown), brought=brought)

    def _filled(self, step):
        """As the applier fills a step in: what a reference stands for is recorded by now."""
        resource = step.resource
        known = {
            name: self.state[value.address].id if isinstance(value, Reference) else value
            for name, value in resource.inputs.items()
        }
        resource = replace(resource, inputs=known)
        if not resource.id and step.action is not Action.CREATE and step.address in self.state:
            resource = replace(resource, id=self.state[step.address].id)
        return resource

    def _fail(self, step):
        """A failed switch leaves its mark on the group and all its members."""
        marks = {Action.ENABLE: "error-starting", Action.DISABLE: "error-stopping"}
        if step.action in marks:
            self.set_status(self._filled(step).id, marks[step.action])

    # ------------------------------------------------------------ steps

    def _create(self, kind, resource, step):
        self.taken += 1
        object_id = f"{kind}-{self.taken}".lower()
        fields = {name: value for name, value in resource.inputs.items() if KINDS[kind].fields[name].at_creation}
        {
            GROUP: self._create_group,
            INSTANCE: self._create_instance,
            PAIR: self._create_pair,
            ATTACHMENT: self._attach,
            DRILL: self._create_drill,
        }[kind](object_id, fields)
        self.count()
        return f"{fields['protected_instance_id']}/{fields['replication_id']}" if kind == ATTACHMENT else object_id

    def _create_group(self, object_id, fields):
        self.raw[GROUP][object_id] = {
            "id": object_id,
            "description": None,
            "dr_type": "migration",
            "status": "available",
            "priority_station": "source",
            "progress": 0,
            **fields,
        }

    def _create_instance(self, object_id, fields):
        self._takes_members(fields["server_group_id"])
        if any(one["source_server"] == fields["server_id"] for one in self.raw[INSTANCE].values()):
            raise Refused("SDRS.1305: the server is protected already")
        self.raw[INSTANCE][object_id] = {
            "id": object_id,
            "name": fields["name"],
            "description": fields.get("description"),
            "server_group_id": fields["server_group_id"],
            "source_server": fields["server_id"],
            "status": self.raw[GROUP][fields["server_group_id"]]["status"],
            "attachment": [],
            "tags": fields.get("tags", []),
        }
        for number, disk in enumerate(self.disks.get(fields["server_id"], ("system",))):
            auto = f"{object_id}-auto-{number}"
            volume = disk if fields["server_id"] in self.disks else f"{fields['server_id']}-{disk}"
            self.pair(auto, fields["server_group_id"], volume, name=f"auto-{number}", came_with=object_id)
            self._join(object_id, auto, f"/dev/vd{'abcdef'[number]}")

    def _create_pair(self, object_id, fields):
        self._takes_members(fields["server_group_id"])
        self.pair(object_id, fields["server_group_id"], fields["volume_id"], name=fields["name"])
        self.raw[PAIR][object_id]["description"] = fields.get("description")

    def pair(self, object_id, group_id, volume, *, name, came_with=""):
        """A pair comes to be."""
        if any(one["volume_ids"].split(",")[0] == volume for one in self.raw[PAIR].values()):
            raise Refused("SDRS.1811: the disk is in a pair already")
        self.raw[PAIR][object_id] = {
            "id": object_id,
            "name": name,
            "description": None,
            "server_group_id": group_id,
            "status": self.raw[GROUP][group_id]["status"],
            "volume_ids": f"{volume},{volume}-dr",
            "attachment": [],
            "record_metadata": {"volume_size": self.sizes.get(volume, 10)},
            "came_with": came_with,
        }

    def _attach(self, _, fields):
        one, other = self.raw[INSTANCE][fields["protected_instance_id"]], self.raw[PAIR][fields["replication_id"]]
        self._takes_members(one["server_group_id"])
        if one["server_group_id"] != other["server_group_id"] or other["attachment"]:
            raise Refused("SDRS.1601: of another group, or attached already")
        if any(taken["device"] == fields["device"] for taken in one["attachment"]):
            raise Refused("the device is taken")
        self._join(one["id"], other["id"], fields["device"])

    def _join(self, instance_id, pair_id, device):
        self.raw[INSTANCE][instance_id]["attachment"].append({"replication": pair_id, "device": device})
        self.raw[PAIR][pair_id]["attachment"].append({"protected_instance": instance_id, "device": device})

    def _create_drill(self, object_id, fields):
        if fields["server_group_id"] not in self.raw[GROUP]:
            raise Refused("SDRS.1013: no such group")
        self.raw[DRILL][object_id] = {"id": object_id, "status": "available", "drill_vpc_id": "made", **fields}

    def _update(self, kind, resource, step):
        self._as_planned(kind, resource, step)
        raw = self.raw[kind][resource.id]
        for name in {change.field.partition(".")[0] for change in step.changes} & KINDS[kind].fields.keys():
            if name == "volume_size":
                volume = raw["volume_ids"].split(",")[0]
                if resource.inputs[name] < raw["record_metadata"][name]:
                    raise Refused("SDRS.1816: a disk can't shrink")
                self.sizes[volume] = raw["record_metadata"][name] = resource.inputs[name]
            elif name in ("name", "tags", "flavorRef"):
                raw[name] = resource.inputs[name]
            elif KINDS[kind].fields[name].on_change is not OnChange.RECORD:
                raise Refused(f"no call changes {name}")
        return resource.id

    def _as_planned(self, kind, resource, step):
        shown = self.observed().objects[kind][resource.id]
        for name in KINDS[kind].fields:
            if name in step.before and step.before[name] != shown.get(name):
                raise Refused(f"{step.id}: {name} has changed since it was planned")

    def _delete(self, kind, resource, step):
        self._as_planned(kind, resource, step)
        if kind == ATTACHMENT:
            self._detach(resource.id)
        else:
            raw = self.raw[kind].pop(resource.id)
            {GROUP: self._delete_group, INSTANCE: self._delete_instance, PAIR: self._delete_pair}.get(
                kind, lambda raw: None
            )(raw)
        self.count()
        return ""

    def _delete_group(self, raw):
        left = [one["id"] for kind in (INSTANCE, PAIR, DRILL) for one in self.raw[kind].values()]
        mine = [one for one in left if self._group_of(one) == raw["id"]]
        if mine or raw["status"] in KINDS[GROUP].statuses.protected:
            raise Refused(f"SDRS.1010: the group is {raw['status']} and holds {mine}")

    def _group_of(self, object_id):
        return next(of_kind[object_id] for of_kind in self.raw.values() if object_id in of_kind)["server_group_id"]

    def _delete_instance(self, raw):
        for one in raw["attachment"]:
            other = self.raw[PAIR][one["replication"]]
            if other["came_with"] == raw["id"]:
                del self.raw[PAIR][other["id"]]
            else:
                other["attachment"] = [two for two in other["attachment"] if two["protected_instance"] != raw["id"]]

    def _delete_pair(self, raw):
        if raw["attachment"]:
            raise Refused("SDRS.1605: the pair is attached")

    def _detach(self, object_id):
        instance_id, _, pair_id = object_id.partition("/")
        one, other = self.raw[INSTANCE][instance_id], self.raw[PAIR][pair_id]
        one["attachment"] = [two for two in one["attachment"] if two["replication"] != pair_id]
        other["attachment"] = [two for two in other["attachment"] if two["protected_instance"] != instance_id]

    def _enable(self, kind, resource, step):
        self._switch(resource.id, KINDS[GROUP].calls.enable)
        return resource.id

    def _disable(self, kind, resource, step):
        self.disabled.append(step.address)
        self._switch(resource.id, KINDS[GROUP].calls.disable)
        return resource.id

    def _switch(self, group_id, switch):
        raw = self.raw[GROUP][group_id]
        if raw["status"] not in switch.sent_from or not raw["replication_num"]:
            raise Refused(f"SDRS.1002: the group is {raw['status']} with {raw['replication_num']} pairs")
        self.set_status(group_id, switch.reached)

    def _adopt(self, kind, resource, step):
        if resource.id:
            return resource.id
        shown = self.observed().objects[kind].items()
        key = {name: resource.inputs[name] for name in KINDS[kind].relations.natural_key}
        found = [one for one, other in shown if all(other.get(name) == value for name, value in key.items())]
        if len(found) != 1:
            raise Refused(f"{step.id}: {found} has the natural key {key}")
        return found[0]

    def _record(self, kind, resource, step):
        return resource.id

    _move = _record

    def _forget(self, kind, resource, step):
        return ""

    # ------------------------------------------------------------ the cloud by itself

    def _takes_members(self, group_id):
        if self.raw[GROUP][group_id]["status"] not in ("available", "protected"):
            raise Refused("SDRS.1024: the group takes no members now")

    def set_status(self, group_id, status):
        """A group's status, and that of all its members."""
        self.raw[GROUP][group_id]["status"] = status
        for kind in (INSTANCE, PAIR):
            for raw in self.raw[kind].values():
                if raw["server_group_id"] == group_id:
                    raw["status"] = status

    def count(self):
        """Bring the groups' counters up to date."""
        for object_id, raw in self.raw[GROUP].items():
            for kind, counter in (
                (INSTANCE, "protected_instance_num"),
                (PAIR, "replication_num"),
                (DRILL, "disaster_recovery_drill_num"),
            ):
                raw[counter] = sum(one["server_group_id"] == object_id for one in self.raw[kind].values())

    # ------------------------------------------------------------ shortcuts

    def has(self, *resources):
        """Apply these resources, which nobody had before."""
        self.apply(self.plan(stack(*resources)))
        return self

    def id_of(self, address):
        """The id that is recorded at an address."""
        return self.state[of(address)].id


def told(plan):
    """The ids of a plan's steps."""
    return [step.id for step in plan.steps]


def imported(address, object_id, shown):
    """What an import records."""
    return Resource(of(address), object_id, {}, shown)
