"""What holds of every stack: its plan arrives, in any order, over failures, and then there is nothing left to do."""

from hypothesis import given, settings
from hypothesis import strategies as st

from declarative.model import Action, DangerClass
from declarative.planfile import decode_plan, encode_plan
from declarative.planner.consents import unconsented
from tests.scaffold.planned_world import (
    GROUP,
    INSTANCE,
    World,
    attachment,
    drill,
    group,
    instance,
    of,
    pair,
    stack,
)

DISKS = {"s1": ["s1-a"], "s2": ["s2-a", "s2-b"], "s3": ["s3-a"]}
GROUPS = ["a", "b"]


def some(values):
    return st.sampled_from(values)


@st.composite
def stacks(draw):
    """One or two groups with members. A group that shall be enabled has an instance or a pair."""
    groups = draw(st.lists(some(GROUPS), unique=True, min_size=1))
    members = [*draw(_instances(groups)), *draw(_pairs(groups))]
    members += draw(_attachments(members))
    members += [drill(name, draw(some(groups)), name=draw(some("xy"))) for name in draw(st.sets(some(["d1", "d2"])))]
    filled = {one.spec["protection_group"].address.name for one in members if "protection_group" in one.spec}
    filled -= {one for one in groups if not _has_pair(one, members)}
    goals = ["enabled", "enabled", "disabled", None]
    made = [
        group(
            name,
            name=draw(some(["n", "m"])) + name,
            protection=draw(some(goals if name in filled else ["disabled", None])),
            description=draw(some(["", "x", None])),
            source_vpc_id=draw(some(["vpc-1", "vpc-1", "vpc-2"])),
        )
        for name in groups
    ]
    return stack(*made, *members)


def _has_pair(name, members):
    in_group = [one for one in members if "protection_group" in one.spec]
    return any(one.address.kind != "DRDrill" and one.spec["protection_group"].address.name == name for one in in_group)


@st.composite
def _instances(draw, groups):
    names = draw(st.lists(some(["i1", "i2"]), unique=True))
    servers = draw(st.permutations(list(DISKS)))
    made = []
    for name, server in zip(names, servers, strict=False):
        home = draw(some(groups))
        made.append(
            instance(
                name,
                home,
                server,
                name=draw(some(["web", "app"])),
                description=draw(some([None, "x"])),
                flavorRef=draw(some([None, "f1", "f2"])),
                tags=draw(some([None, [], [{"key": "k", "value": "1"}], [{"key": "k", "value": "2"}]])),
                delete_target_server=draw(some([None, True])),
            )
        )
        if draw(st.booleans()):
            needs = [f"{INSTANCE}/{name}"] if draw(st.booleans()) else []
            size = draw(some([None, 20]))
            made.append(
                pair(f"sys-{name}", home, f"{server}-a", adopt=True, name="sys", volume_size=size, depends_on=needs)
            )
    return made


@st.composite
def _pairs(draw, groups):
    names = draw(st.lists(some(["p1", "p2"]), unique=True))
    volumes = draw(st.permutations(["v1", "v2", "v3"]))
    return [
        pair(
            name,
            draw(some(groups)),
            volume,
            name=draw(some(["data", "logs"])),
            volume_size=draw(some([None, 20])),
            description=draw(some([None, "x"])),
        )
        for name, volume in zip(names, volumes, strict=False)
    ]


@st.composite
def _attachments(draw, members):
    hosts = [one for one in members if one.address.kind == INSTANCE]
    free = [one for one in members if "volume_id" in one.spec and not one.lifecycle.adopt]
    made = []
    for number, one in enumerate(free):
        homes = [host for host in hosts if host.spec["protection_group"] == one.spec["protection_group"]]
        if homes and draw(st.booleans()):
            host = draw(some(homes))
            made.append(attachment(f"t{number}", host.address.name, one.address.name, device=f"/dev/vd{'yz'[number]}"))
    return made


def going_or_disabled(view):
    """The groups whose protection a plan for this view may stop."""
    return {address for address, one in view.resources.items() if one.spec.get("protection") == "disabled"}


@settings(derandomize=True, max_examples=250, deadline=None)
@given(stacks(), stacks(), st.data())
def test_every_change_arrives_and_leaves_nothing_to_do(first, second, data):
    world = World(DISKS)
    for view in (first, second):
        made = world.plan(view)
        world.disabled.clear()
        world.apply(made, choose=lambda ready: data.draw(some(ready)))
        again = world.plan(view)
        assert again.steps == ()
        assert again.withheld == ()
        gone = {step.address for step in made.steps if step.action is Action.DELETE}
        assert set(world.disabled) <= gone | going_or_disabled(view)
        for address, one in view.resources.items():
            if address.kind == GROUP and one.spec.get("protection") == "enabled":
                assert world.state[address].attributes["status"] == "protected" or address in world.state


@settings(derandomize=True, max_examples=250, deadline=None)
@given(stacks(), stacks(), st.data())
def test_what_failed_is_made_up_for_by_the_next_plan(first, second, data):
    world = World(DISKS)
    world.apply(world.plan(first))
    world.apply(world.plan(second), fails=lambda step: data.draw(st.integers(0, 3)) == 0)
    world.apply(world.plan(second), choose=max)
    assert world.plan(second).steps == ()


@settings(derandomize=True, max_examples=150, deadline=None)
@given(stacks(), st.booleans(), st.data())
def test_destroying_takes_everything_back(view, halfway, data):
    world = World(DISKS)
    world.apply(world.plan(view), fails=lambda step: halfway and data.draw(st.integers(0, 4)) == 0)
    made = world.plan(view, destroy=True)
    assert unconsented(made) == ()
    world.apply(made, choose=lambda ready: data.draw(some(ready)))
    assert world.state == {}
    assert all(not objects for objects in world.raw.values())
    assert world.plan(view, destroy=True).steps == ()


@settings(derandomize=True, max_examples=150, deadline=None)
@given(stacks(), stacks())
def test_every_plan_survives_its_text_and_consents_to_nothing_by_itself(first, second):
    world = World(DISKS)
    world.apply(world.plan(first))
    made = world.plan(second)
    read, _ = decode_plan(encode_plan(made), source="p")
    assert read == made
    classes = {(danger.cls, danger.address) for danger in made.dangers}
    created = {step.address for step in made.steps if step.action is Action.CREATE}
    for step in made.steps:
        if step.action is Action.DELETE and step.address not in created:
            assert (DangerClass.DELETE, step.address) in classes
        if step.action is Action.DISABLE and step.address not in created:
            assert (DangerClass.UNPROTECT, step.address) in classes


@settings(derandomize=True, max_examples=150, deadline=None)
@given(stacks(), stacks(), st.randoms(use_true_random=False))
def test_the_order_of_the_views_changes_nothing(first, second, chance):
    world = World(DISKS)
    world.apply(world.plan(first))
    text = encode_plan(world.plan(second))
    resources, state = list(second.resources.values()), list(world.state.items())
    chance.shuffle(resources)
    chance.shuffle(state)
    world.state = dict(state)
    assert encode_plan(world.plan(stack(*resources))) == text


def test_the_address_of_a_member_is_read_as_it_is_written():
    assert of(f"{GROUP}/a").name == "a"
