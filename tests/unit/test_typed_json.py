"""A value of another type than it must have is refused, and the message says which member it is of."""

import math
from enum import StrEnum

import pytest

from declarative import typed_json
from declarative.errors import StateError
from declarative.typed_json import LARGEST, Malformed

VALUES = [None, True, 0, 1.5, "", "a", [], ["a"], {}, {"a": 1}]


class Word(StrEnum):
    A = "a"


def texts(value, name):
    return list(typed_json.texts(value, name))


@pytest.mark.parametrize(
    ("read", "takes", "wording"),
    [
        pytest.param(typed_json.text, ["", "a"], "'x' must be a text", id="text"),
        pytest.param(typed_json.boolean, [True], "'x' must be true or false", id="boolean"),
        pytest.param(typed_json.whole, [0], f"'x' must be a whole number from 0 to {LARGEST}", id="whole"),
        pytest.param(typed_json.number, [0, 1.5], "'x' must be a number from 0 on", id="number"),
        pytest.param(typed_json.mapping, [{}, {"a": 1}], "'x' must be an object", id="mapping"),
        pytest.param(texts, [[], ["a"]], "'x' must be an array", id="texts"),
        pytest.param(lambda value, name: typed_json.word(value, name, Word), ["a"], "'x' is unknown: ", id="word"),
    ],
)
def test_a_reader_takes_values_of_its_type_alone(read, takes, wording):
    for value in VALUES:
        if any(type(value) is type(one) and value == one for one in takes):
            assert read(value, "x") == value
        else:
            with pytest.raises(Malformed) as refused:
                read(value, "x")
            assert refused.value.summary.startswith(wording)


@pytest.mark.parametrize("value", [-1, LARGEST + 1])
def test_a_whole_number_has_bounds(value):
    with pytest.raises(Malformed):
        typed_json.whole(value, "x")
    assert typed_json.whole(LARGEST + 1, "x", most=math.inf) == LARGEST + 1


def test_a_text_may_have_to_say_something():
    with pytest.raises(Malformed, match="'x' must be a text that isn't empty"):
        typed_json.text("", "x", empty=False)


def test_a_number_is_not_below_zero():
    with pytest.raises(Malformed):
        typed_json.number(-0.5, "x")


def test_a_fault_in_an_array_names_the_member():
    with pytest.raises(Malformed, match=r"x\[1\]: 'x' must be a text"):
        typed_json.texts(["a", 1], "x")


@pytest.mark.parametrize(
    ("shape", "wording"),
    [
        pytest.param([], "must be an object", id="no-object"),
        pytest.param({"b": 1}, "lacks 'a'", id="missing"),
        pytest.param({"a": 1, "c\n": 1}, r"has the unknown field 'c\\x0a'", id="unknown"),
    ],
)
def test_an_object_has_the_fields_that_it_must_have_and_may_have(shape, wording):
    with pytest.raises(Malformed, match=wording):
        typed_json.fields(shape, required=frozenset("a"), optional=frozenset("b"))
    assert typed_json.fields({"a": 1}, required=frozenset("a"), optional=frozenset("b")) == {"a": 1}


def test_a_malformed_value_is_an_error_of_the_state_and_a_value_error():
    assert issubclass(Malformed, StateError)
    assert issubclass(Malformed, ValueError)
