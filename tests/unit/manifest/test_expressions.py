import pytest
from hypothesis import given
from hypothesis import strategies as st

from declarative.manifest.expressions import BadExpression, Each, Expression, Root, Scope, Substitution, pieces
from declarative.model import Address, Reference

SCOPE = Scope(
    values={
        "text": "a",
        "number": 5,
        "half": 0.5,
        "flag": True,
        "list": ["x"],
        "map": {"k.1": {"id": 7}},
        "tricky": "${var.text}",
    },
    declared=("text", "number", "half", "flag", "list", "map", "tricky", "open"),
    stack="shop-dr",
    environment="prod",
    each=Each("web-1", {"id": "abc", "size": 3}),
)


def put_in(value, scope=SCOPE):
    substitution = Substitution(scope)
    return substitution.tree(value, ("spec",)), substitution


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain $ {x} $x", "plain $ {x} $x"),
        ("${var.text}", "a"),
        ("${ var.text }", "a"),
        ("${var.number}", 5),
        ("${var.half}", 0.5),
        ("${var.flag}", True),
        ("${var.list}", ["x"]),
        ("${var.map.k.1}", {"id": 7}),
        ("${each.key}", "web-1"),
        ("${each.value}", {"id": "abc", "size": 3}),
        ("${each.value.size}", 3),
        ("${stack.name}", "shop-dr"),
        ("${environment}", "prod"),
        ("x${var.number}-${var.half}-${var.flag}", "x5-0.5-true"),
        ("${var.text}${var.text}", "aa"),
        ("$${var.text}", "${var.text}"),
        ("$$${var.text}", "$${var.text}"),
        ("$${${var.text}}", "${a}"),
        ("${var.tricky}", "${var.text}"),
        ("x${var.tricky}", "x${var.text}"),
    ],
)
def test_values_are_put_in_once(text, value):
    found, substitution = put_in(text)
    assert (type(found), found) == (type(value), value)
    assert substitution.problems == []


def test_trees_keep_their_shape():
    found, _ = put_in({"a": ["${var.text}", {"b": "${var.number}"}], "c": None, "${var.text}": 1})
    assert found == {"a": ["a", {"b": 5}], "c": None, "${var.text}": 1}


def test_an_open_value_leaves_the_text_as_it_is():
    found, substitution = put_in({"a": "x-${var.open}", "b": "${var.text}"})
    assert found == {"a": "x-${var.open}", "b": "a"}
    assert substitution.missing == {"open"}
    assert substitution.problems == []


def test_every_problem_is_told_with_its_path():
    _, substitution = put_in({"a": ["${nope}", "${var.txt}"], "b": "${"})
    assert [problem.path for problem in substitution.problems] == [("spec", "a", 0), ("spec", "a", 1), ("spec", "b")]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "${}",
            "${ }",
            "${",
            "x${var.text",
            "${var}",
            "${var.}",
            "${var.text.}",
            "${var.1x}",
            "${each}",
            "${each.key.x}",
        ),
        *(
            "${stack}",
            "${stack.name.x}",
            "${environment.x}",
            "${Var.text}",
            "${var.text + 1}",
            "${var['text']}",
            "${}}",
        ),
        *("${var.list.0}", "${var.map.nope}", "${var.nope}", "x${var.list}", "x${var.map}", "${ProtectionGroup.a.id}"),
    ],
)
def test_what_is_no_expression_is_refused(text):
    _, substitution = put_in(text)
    (problem,) = substitution.problems
    assert problem.summary


def test_references_are_read_with_and_without_key():
    (whole,) = pieces("${ProtectionGroup.shop.id}")
    (one,) = pieces("${ProtectionGroup.web[a.b-1].name}")
    assert whole == Expression(
        "ProtectionGroup.shop.id", Root.OBJECT, reference=Reference(Address("ProtectionGroup", "shop"), "id")
    )
    assert one.reference == Reference(Address("ProtectionGroup", "web", "a.b-1"), "name")


@given(st.text("${}var.text \n日", max_size=30))
def test_any_text_is_read_or_refused(text):
    try:
        found = pieces(text)
    except BadExpression:
        found = None
    if "${" not in text:
        assert found == (text,)
    elif found is not None:
        assert all(isinstance(piece, Expression) or piece for piece in found)
