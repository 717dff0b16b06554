"""JSON is read as the standard has it, and a refusal says why without showing a value."""

import pytest

from declarative import strict_json


def test_json_is_read():
    assert strict_json.loads(' {"a": [1, 2.5, "x", null, true, {"a": 1}]}\n') == {
        "a": [1, 2.5, "x", None, True, {"a": 1}]
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ('{"a": 1} x', "Extra data"),
        ('{"a": Infinity}', "Infinity is not JSON"),
        ("[NaN]", "NaN is not JSON"),
        ("-1e999", "a number is too large"),
        ("9" * 5000, "limit"),
        ("[" * 100_000, "it is nested too deep"),
        ('{"b": {"a": 1, "c": 2, "a": 3}}', "duplicate key 'a'"),
        ('{"\\u001b": 1, "\\u001b": 2}', r"duplicate key '\\x1b'"),
    ],
)
def test_what_is_not_json_is_refused_with_the_reason(text, reason):
    with pytest.raises(ValueError, match=reason):
        strict_json.loads(text)


def test_of_two_members_with_one_key_the_last_may_count():
    assert strict_json.loads('{"a": 1, "a": 2}', unique_keys=False) == {"a": 2}


@pytest.mark.parametrize("unique_keys", [True, False])
def test_equal_values_of_a_document_are_one_text(unique_keys):
    one, other = strict_json.loads('[{"zone": "eu de 01"}, {"az": "eu de 01"}]', unique_keys=unique_keys)
    assert one["zone"] is other["az"]
