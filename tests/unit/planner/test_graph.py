"""Order, loops and closures over small graphs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from declarative.errors import InputError
from declarative.planner.graph import closure, loops, ranks
from tests.scaffold.planning import at, brief, desired, plan, recorded

NODES = st.integers(0, 12)
GRAPHS = st.dictionaries(NODES, st.lists(NODES, max_size=4).map(tuple), max_size=13)


def key(node):
    return node


@given(GRAPHS)
def test_ranks_place_everyone_once(edges):
    order = ranks(edges, key=key)
    nodes = set(edges).union(*edges.values())
    assert sorted(order.values()) == list(range(len(nodes)))


@given(GRAPHS)
def test_ranks_hold_wherever_there_is_no_loop(edges):
    order = ranks(edges, key=key)
    in_a_loop = {node for node in edges if any(node in closure([target], edges) for target in edges[node])}
    if not in_a_loop:
        assert all(order[target] < order[node] for node, targets in edges.items() for target in targets)


@given(GRAPHS)
def test_loops_are_found_exactly_when_there_are_some(edges):
    some = any(node in closure([target], edges) for node, targets in edges.items() for target in targets)
    found = loops(edges, key=key)
    assert bool(found) == some
    for loop in found:
        assert all(then in edges[one] for one, then in zip(loop, (*loop[1:], loop[0]), strict=True))


def test_loop_is_named_with_its_places():
    wanted = [desired("a", depends_on=["c"]), desired("b", depends_on=["a"]), desired("c", depends_on=["a", "b"])]
    with pytest.raises(InputError) as refusal:
        plan(wanted)
    (finding,) = refusal.value.findings
    assert "ProtectionGroup/a → ProtectionGroup/c → ProtectionGroup/a" in finding.summary
    assert str(finding.position) == "depends_on:1:1"
    assert "depends_on:1:1" in finding.fix


def test_object_that_waits_for_itself_is_a_loop():
    with pytest.raises(InputError, match="ProtectionGroup/a → ProtectionGroup/a"):
        plan([desired("a", depends_on=["a"])])


def test_unknown_dependency_is_an_error():
    with pytest.raises(InputError, match=r"depends_on:1:1: .*ProtectionGroup/zz, but no manifest describes it"):
        plan([desired("a", depends_on=["b", "zz"]), desired("b")])


def test_creates_follow_dependencies_where_the_alphabet_would_not():
    made = plan([desired("a", depends_on=["b"]), desired("b", depends_on=["c"]), desired("c"), desired("d")])
    assert brief(made) == ["create c", "create b", "create a", "create d"]
    assert [step.requires for step in made.steps] == [
        (),
        ("create:ProtectionGroup/c",),
        ("create:ProtectionGroup/b",),
        (),
    ]


def test_replacing_a_chain_tears_down_first_and_builds_up_after():
    known = [recorded("a", "id-a"), recorded("b", "id-b", depends_on=["a"])]
    wanted = [desired("a", source_vpc_id="v2"), desired("b", source_vpc_id="v2", depends_on=["a"])]
    made = plan(wanted, known)
    assert brief(made) == ["delete b", "delete a", "create a", "create b"]
    assert made.steps[1].requires == ("delete:ProtectionGroup/b",)
    assert made.steps[3].requires == ("create:ProtectionGroup/a", "delete:ProtectionGroup/b")


def test_recorded_loop_is_cut_so_that_it_can_be_destroyed():
    known = [recorded("a", "id-a", depends_on=["b"]), recorded("b", "id-b", depends_on=["a"])]
    assert sorted(brief(plan((), known, destroy=True))) == ["delete a", "delete b"]


def test_unchanged_dependency_is_waited_for_by_nobody():
    made = plan([desired("a"), desired("b", depends_on=["a"])], [recorded("a")])
    assert brief(made) == ["create b"]
    assert made.steps[0].requires == ()


def test_closure_includes_where_it_starts():
    assert closure([at("a")], {at("a"): (at("b"),), at("b"): (at("a"),)}) == {at("a"), at("b")}
