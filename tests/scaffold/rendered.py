"""Plans to render: of any size, with every action and danger, and with any text in every place that others can fill."""

from dataclasses import replace

from declarative.errors import Diagnostic, Position, Severity
from declarative.model import (
    Action,
    Address,
    Change,
    Consent,
    Danger,
    DangerClass,
    Drift,
    OpenOperation,
    Plan,
    Prerequisite,
    Reason,
    Reference,
    Resource,
    Step,
    Withheld,
)
from tests.scaffold.planning import BASIS

GROUP, INSTANCE, PAIR = "ProtectionGroup", "ProtectedInstance", "ReplicationPair"
_STACK = replace(BASIS, stack="shop-dr", environment="prod")


def step(action, address, reason=Reason.NEW, *, changes=(), requires=(), inputs=None, object_id="", leaves=()):
    """A step; its id is made of its action and address."""
    attributes = {"name": f"{address.name}-prod"} if object_id else {}
    resource = Resource(address, object_id, inputs or {}, attributes)
    return Step(f"{action}:{address}", address, action, reason, resource, changes, requires, leaves=leaves)


def _in_group(number, members):
    group = Address(GROUP, f"app-{number}")
    shape = number % 5
    if shape == 1:
        rename = Change("name", f"app-{number}", f"app-{number}-prod")
        return [step(Action.UPDATE, group, Reason.EDITED, changes=(rename,), object_id=f"id-{number}")]
    if shape == 2:
        old = Address(INSTANCE, f"old-{number}", "web-1")
        ref = {"protection_group": Reference(group)}
        stop = step(Action.DISABLE, group, Reason.DESTROY, object_id=f"id-{number}")
        gone = step(Action.DELETE, old, Reason.GONE_FROM_MANIFESTS, inputs=ref, object_id=f"i-{number}",
                    requires=(stop.id,), leaves=("its DR server",))  # fmt: skip
        return [stop, gone]
    fields = (
        Change("id", None, None, new_known=False),
        Change("name", None, f"app-{number}"),
        Change("description", None, f"application {number}, gold tier"),
        Change("source_availability_zone", None, "eu-de-01"),
        Change("target_availability_zone", None, "eu-de-02"),
    )
    made = [step(Action.CREATE, group, changes=fields)]
    for member in range(members):
        kind = INSTANCE if member % 2 else PAIR
        address = Address(kind, f"member-{number}", str(member))
        change = (Change("name", None, f"member-{member}"),)
        ref = {"protection_group": Reference(group)}
        made.append(step(Action.CREATE, address, changes=change, requires=(made[0].id,), inputs=ref))
    enable = step(Action.ENABLE, group, requires=tuple(one.id for one in made), object_id=f"id-{number}")
    return [*made, enable]


def plan_of(count, *, members=4):
    """A plan of about `count` steps with dangers, consents, a withheld step, drift and prerequisites."""
    steps, number = [], 0
    while len(steps) < count:
        steps += _in_group(number, members)
        number += 1
    deleted = [one for one in steps if one.action is Action.DELETE]
    dangers = [
        Danger(DangerClass.DELETE, "the DR server and its disk are lost", one.address, None) for one in deleted
    ] + [
        Danger(DangerClass.UNPROTECT, "the group is not protected any more", one.address)
        for one in steps
        if one.action is Action.DISABLE
    ]
    held = Address(GROUP, "held")
    return Plan(
        _STACK,
        tuple(steps),
        tuple(dangers),
        consents=(Consent(DangerClass.UNPROTECT),),
        withheld=(Withheld(held, Action.UPDATE, "the group is failed-over"),),
        drift=(Drift(Address(GROUP, "app-1"), (Change("name", "app-1", "by-hand"),)),),
        prerequisites=(Prerequisite(Address(INSTANCE, "web"), "the server must be shut off"),),
    )


def hostile_plan(text):
    """A plan in which `text` stands wherever a manifest, a file's name or the service can put it."""
    group, old = Address(GROUP, "shop"), Address(GROUP, "old")
    changes = (Change("name", text, text), Change(text, None, text), Change("labels", {text: text}, [text]))
    steps = (
        step(Action.CREATE, group, changes=changes),
        step(Action.DELETE, old, Reason.GONE_FROM_MANIFESTS, object_id=text, leaves=(text,)),
        step(Action.UPDATE, Address(INSTANCE, "web", "a-1"), Reason.DRIFTED, changes=changes, object_id=text,
             requires=(f"create:{group}",), inputs={"server_group_id": text, "protection_group": Reference(group)}),
    )  # fmt: skip
    binding = replace(BASIS.binding, project_id=text, region=text, host=text)
    return Plan(
        replace(_STACK, stack=text, environment=text, binding=binding, targets=(text,), created=text),
        steps,
        (Danger(DangerClass.DELETE, text, old), Danger(DangerClass.REPLACE, text, group)),
        consents=(Consent(DangerClass.REPLACE, by=text), Consent(DangerClass.REPLACE)),
        withheld=(Withheld(group, Action.UPDATE, text),),
        drift=(Drift(old, (Change(text, text, text),)),),
        open=(OpenOperation(group, Action.CREATE, text),),
        output_changes=(Change(text, None, text),),
        warnings=(hostile_finding(text, Severity.WARNING),),
        prerequisites=(Prerequisite(group, text),),
    )


def hostile_finding(text, severity=Severity.ERROR):
    """A finding that says `text` everywhere."""
    return Diagnostic(text, text, Position(text, 3, 7), text, severity, id="unknown-field")
