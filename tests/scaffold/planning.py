"""Small views to plan with, and a pure stand-in for an apply that goes well."""

from dataclasses import replace

from declarative.errors import Position
from declarative.model import (
    Action,
    Address,
    Basis,
    Binding,
    Desired,
    DesiredView,
    Lifecycle,
    Lookups,
    Observed,
    Resource,
    Stack,
)
from declarative.planner.outputs import evaluate_outputs
from declarative.planner.planner import make_plan
from declarative.planner.selection import PlanRequest

DOMAIN = {
    "id": "domain-1",
    "name": "Duo",
    "local_replication_cluster": {"availability_zone": "az-1"},
    "remote_replication_cluster": {"availability_zone": "az-2"},
}
LOOKUPS = Lookups((DOMAIN,), {"server_groups": {"quota": 100, "used": 3}})
BASIS = Basis(
    stack="shop-dr",
    environment="default",
    desired="d" * 64,
    inputs={"vpc_id": "vpc-1"},
    binding=Binding("0f1e", "eu-de", "sdrs.example"),
    lineage="lineage-1",
    serial=3,
    tool="0.1.0",
    created="2026-01-02T03:04:05Z",
    expires="2026-01-03T03:04:05Z",
)


def at(name):
    """The address of a group."""
    return Address("ProtectionGroup", name)


def spec(**fields):
    """A group's spec as manifests write it; a field of None is left out."""
    wanted = {
        "name": "shop",
        "source_availability_zone": "az-1",
        "target_availability_zone": "az-2",
        "domain": "Duo",
        "source_vpc_id": "vpc-1",
        **fields,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def inputs(**fields):
    """What is sent for `spec`."""
    sent = {name: value for name, value in spec(**fields).items() if name != "domain"}
    return {**sent, "domain_id": "domain-1"}


def seen(object_id="id-1", /, **fields):
    """A group as the cloud shows it."""
    return {
        "id": object_id,
        "description": None,
        "dr_type": "migration",
        "status": "available",
        "priority_station": "source",
        "progress": 0,
        "protected_instance_num": 0,
        "replication_num": 0,
        "disaster_recovery_drill_num": 0,
        "updated_at": "2026-01-01 00:00:00.0",
        **inputs(),
        **fields,
    }


def position(path):
    """A place that tells the path, so that tests see which one was asked for."""
    return Position("/".join(map(str, path)), 1, 1)


def desired(name, /, *, depends_on=(), labels=None, prevent_destroy=False, ignore=(), **fields):
    """One desired group."""
    return Desired(
        at(name),
        spec(**fields),
        Lifecycle(prevent_destroy, tuple(ignore)),
        tuple(map(at, depends_on)),
        labels or {},
        position,
    )


def recorded(name, object_id="id-1", /, *, depends_on=(), prevent_destroy=False, ignore=(), given=None, **fields):
    """One recorded group; `given` stands for its inputs, {} as after an import."""
    return Resource(
        at(name),
        object_id,
        inputs(**fields) if given is None else given,
        seen(object_id, **fields),
        Lifecycle(prevent_destroy, tuple(ignore)),
        tuple(map(at, depends_on)),
    )


def view(*resources, outputs=(), max_deletes=10):
    """A desired view of these resources."""
    return DesiredView(
        Stack("shop-dr", max_deletes=max_deletes, timeouts={"create_grace": 30.0}),
        "default",
        {resource.address: resource for resource in resources},
        tuple(outputs),
    )


def cloud(*objects, gone=(), lookups=LOOKUPS):
    """The cloud with these groups; the ids in `gone` are confirmed to be gone."""
    return Observed(
        {"ProtectionGroup": {one["id"]: one for one in objects}},
        frozenset(("ProtectionGroup", one) for one in gone),
        lookups,
    )


def plan(wanted=(), known=(), present=None, *, outputs=(), recorded_outputs=None, max_deletes=10, open_=(), **request):
    """Plan for these desired and recorded resources; without `present` the cloud shows what is recorded."""
    if present is None:
        present = cloud(*(resource.attributes for resource in known))
    return make_plan(
        view(*wanted, outputs=outputs, max_deletes=max_deletes),
        {resource.address: resource for resource in known},
        present,
        request=PlanRequest(**request),
        basis=BASIS,
        recorded_outputs=recorded_outputs or {},
        open=tuple(open_),
    )


def brief(made):
    """A plan's steps as short words, e.g. `create a`."""
    return [f"{step.action.value} {step.address.name}" for step in made.steps]


def carried_out(made, known, present):
    """What is recorded and what the cloud shows once every step of the plan has gone well, with the outputs."""
    state = dict(known)
    objects = dict(present.objects.get("ProtectionGroup", {}))
    done = set()
    for number, step in enumerate(made.steps):
        assert done.issuperset(step.requires), f"{step.id} comes before what it requires"
        done.add(step.id)
        resource = step.resource
        if step.action is Action.CREATE:
            resource = replace(resource, id=f"made-{len(present.objects)}-{number}-{resource.id}")
            objects[resource.id] = {**seen(resource.id), "description": None, **resource.inputs}
        elif step.action is Action.UPDATE:
            assert all(objects[resource.id].get(name) == value for name, value in step.before.items())
            objects[resource.id] = {**objects[resource.id], "name": resource.inputs["name"]}
        elif step.action is Action.DELETE:
            del objects[resource.id]
        if step.source:
            del state[step.source]
        if step.action in (Action.DELETE, Action.FORGET):
            del state[step.address]
        else:
            state[step.address] = replace(resource, attributes=objects[resource.id])
    after = Observed({"ProtectionGroup": objects}, present.gone, present.lookups)
    return state, after, evaluate_outputs(made.outputs, state)
