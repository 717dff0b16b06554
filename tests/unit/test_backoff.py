"""Pauses grow by their factor from the first to the longest, and stay there."""

import pytest

from declarative.backoff import Backoff


def pauses(backoff, count):
    """The pauses that follow each other, from the first on."""
    found = [backoff.after(0.0)]
    while len(found) < count:
        found.append(backoff.after(found[-1]))
    return found


@pytest.mark.parametrize(
    ("backoff", "expected"),
    [
        pytest.param(Backoff(0.5, 5.0), [0.5, 1.0, 2.0, 4.0, 5.0, 5.0], id="doubling"),
        pytest.param(Backoff(1.0, 3.0, growth=1.5), [1.0, 1.5, 2.25, 3.0, 3.0], id="by-half"),
        pytest.param(Backoff(2.0, 1.0), [1.0, 1.0], id="shorter-than-the-first"),
        pytest.param(Backoff(1.0, 9.0, growth=1.0), [1.0, 1.0, 1.0], id="even"),
    ],
)
def test_each_pause_is_longer_than_the_one_before_up_to_the_longest(backoff, expected):
    assert pauses(backoff, len(expected)) == expected
    assert [backoff.nth(number + 1) for number in range(len(expected))] == expected


def test_any_number_of_tries_has_a_pause():
    assert Backoff(0.25, 8.0).nth(10**9) == 8.0
