import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from declarative.model import Action, Address, Desired, Reason, Reference, Resource, Step
from declarative.views.graphs import GraphView, ObjectsView, dot, mermaid

SHOP = Address("ProtectionGroup", "shop")
WEB = Address("ProtectedInstance", "web", "web-1")


def step(action, address, *requires, name=None, source=None):
    resource = Resource(address, "", {} if name is None else {"name": name})
    step_id = f"{action.value}:{address}"
    return Step(step_id, address, action, Reason.NEW, resource, requires=requires, source=source)


STEPS = (
    step(Action.CREATE, SHOP, name="shop-prod"),
    step(Action.CREATE, WEB, f"create:{SHOP}", name="web-1"),
    step(Action.ENABLE, SHOP, f"create:{SHOP}", f"create:{WEB}"),
    step(Action.MOVE, Address("DRDrill", "q2"), source=Address("DRDrill", "q1")),
    step(Action.DELETE, Address("ReplicationPair", "old"), "delete:of-another-plan"),
)


def test_a_flowchart_shows_each_step_and_what_waits_for_it():
    assert mermaid(STEPS) == (
        "flowchart LR\n"
        "    classDef make stroke:#2e7d32,stroke-width:2px\n"
        "    classDef remove stroke:#c62828,stroke-width:2px\n"
        "    classDef change stroke:#f9a825,stroke-width:2px\n"
        '    n0["create ProtectionGroup/shop<br/>shop-prod"]:::make\n'
        '    n1["create ProtectedInstance/web#91;web-1#93;<br/>web-1"]:::make\n'
        '    n2["enable ProtectionGroup/shop"]:::make\n'
        '    n3["move DRDrill/q1 to DRDrill/q2"]:::change\n'
        '    n4["delete ReplicationPair/old"]:::remove\n'
        "    n0 --> n1\n"
        "    n0 --> n2\n"
        "    n1 --> n2\n"
    )


def test_json_names_each_step_and_what_waits_for_it():
    graph = json.loads(GraphView(STEPS).json())
    assert [node["name"] for node in graph["nodes"]] == ["shop-prod", "web-1", None, None, None]
    assert graph["nodes"][3] == {
        "id": "move:DRDrill/q2",
        "action": "move",
        "address": "DRDrill/q2",
        "source": "DRDrill/q1",
        "name": None,
    }
    assert [(edge["from"], edge["to"]) for edge in graph["edges"]] == [
        (f"create:{SHOP}", f"create:{WEB}"),
        (f"create:{SHOP}", f"enable:{SHOP}"),
        (f"create:{WEB}", f"enable:{SHOP}"),
    ]


def test_a_digraph_shows_each_step_and_what_waits_for_it():
    assert dot(STEPS) == (
        "digraph plan {\n"
        "    rankdir=LR;\n"
        '    node [shape=box, style=rounded, fontname="sans-serif"];\n'
        '    n0 [label="create ProtectionGroup/shop\\nshop-prod", color="#2e7d32"];\n'
        '    n1 [label="create ProtectedInstance/web[web-1]\\nweb-1", color="#2e7d32"];\n'
        '    n2 [label="enable ProtectionGroup/shop", color="#2e7d32"];\n'
        '    n3 [label="move DRDrill/q1 to DRDrill/q2", color="#f9a825"];\n'
        '    n4 [label="delete ReplicationPair/old", color="#c62828"];\n'
        "    n0 -> n1;\n"
        "    n0 -> n2;\n"
        "    n1 -> n2;\n"
        "}\n"
    )


def test_nothing_to_do_is_a_graph_without_steps():
    assert mermaid(()).startswith("flowchart LR\n")
    assert "n0" not in mermaid(()) + dot(())


@pytest.mark.parametrize(
    "name", ['"]; n9 --> n0', '"<script>', "a\nend", "#quot;", "\\", '\\"', "\x1b[31m", "end", "&#34;"]
)
def test_a_name_is_never_more_than_text(name):
    assert_inert(name)


@given(st.text(max_size=150))
def test_no_name_at_all_is_more_than_text(name):
    assert_inert(name)


_MERMAID_NODE = re.compile(r'    n0\["create ProtectionGroup/shop(<br/>(?:[A-Za-z0-9 ./_-]|#[0-9]+;)+)?"\]:::make')
_DOT_NODE = re.compile(r'    n0 \[label="create ProtectionGroup/shop(\\n(?:[^"\\\n]|\\["\\])+)?", color="#2e7d32"\];')


def assert_inert(name):
    named = (step(Action.CREATE, SHOP, name=name),)
    flow, graph = mermaid(named).splitlines(), dot(named).splitlines()
    assert len(flow) == 5
    assert _MERMAID_NODE.fullmatch(flow[4])
    assert len(graph) == 5
    assert _DOT_NODE.fullmatch(graph[3])
    assert all(line.isprintable() for line in (*flow, *graph))


OBJECTS = ObjectsView(
    {
        SHOP: Desired(SHOP, {"name": "shop-prod"}),
        WEB: Desired(WEB, {"name": "web-1", "protection_group": Reference(SHOP)}, depends_on=(SHOP,)),
    },
    {
        SHOP: Resource(SHOP, "g1", {"name": "shop"}),
        Address("DRDrill", "q1"): Resource(
            Address("DRDrill", "q1"), "d1", attributes={"name": "q"}, depends_on=(SHOP, Address("DRDrill", "gone"))
        ),
    },
)


def test_objects_are_drawn_with_what_they_depend_on():
    assert OBJECTS.mermaid() == (
        "flowchart LR\n"
        "    classDef make stroke:#2e7d32,stroke-width:2px\n"
        "    classDef remove stroke:#c62828,stroke-width:2px\n"
        "    classDef stay stroke:#546e7a,stroke-width:2px\n"
        '    n0["DRDrill/q1<br/>q<br/>gone from the manifests"]:::remove\n'
        '    n1["ProtectedInstance/web#91;web-1#93;<br/>web-1<br/>not recorded yet"]:::make\n'
        '    n2["ProtectionGroup/shop<br/>shop-prod"]:::stay\n'
        "    n2 --> n0\n"
        "    n2 --> n1\n"
    )
    assert OBJECTS.dot() == (
        "digraph stack {\n"
        "    rankdir=LR;\n"
        '    node [shape=box, style=rounded, fontname="sans-serif"];\n'
        '    n0 [label="DRDrill/q1\\nq\\ngone from the manifests", color="#c62828"];\n'
        '    n1 [label="ProtectedInstance/web[web-1]\\nweb-1\\nnot recorded yet", color="#2e7d32"];\n'
        '    n2 [label="ProtectionGroup/shop\\nshop-prod", color="#546e7a"];\n'
        "    n2 -> n0;\n"
        "    n2 -> n1;\n"
        "}\n"
    )


@given(st.text(max_size=150))
def test_no_name_of_an_object_is_more_than_text(name):
    drawn = ObjectsView({}, {SHOP: Resource(SHOP, "g1", {"name": name})})
    (flow,), (graph,) = drawn.mermaid().splitlines()[4:], drawn.dot().splitlines()[3:-1]
    assert re.fullmatch(
        r'    n0\["ProtectionGroup/shop(<br/>(?:[A-Za-z0-9 ./_-]|#[0-9]+;)+)?<br/>gone[ \w]+"\]:::remove', flow
    )
    assert re.fullmatch(
        r'    n0 \[label="ProtectionGroup/shop(\\n(?:[^"\\\n]|\\["\\])+)?\\ngone[ \w]+", color="#c62828"\];', graph
    )
    assert flow.isprintable()
    assert graph.isprintable()
