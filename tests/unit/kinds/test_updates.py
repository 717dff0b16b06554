"""Every changeable field of a kind is sent by a call of its update, and no call sends more than is asked."""

import pytest

from declarative.kinds import KINDS
from declarative.model import OnChange

WANTED = {"name": "new", "tags": [{"key": "tier", "value": "gold"}], "flavorRef": "s3.large.2", "volume_size": 60}
OBSERVED = {"name": "old", "tags": [], "flavorRef": "s3.small.1", "volume_size": 40}
CHANGEABLE = [
    pytest.param(kind, name, id=f"{kind.name}-{name}")
    for kind in KINDS.values()
    for name, field in kind.fields.items()
    if field.on_change is OnChange.UPDATE
]


@pytest.mark.parametrize(("kind", "name"), CHANGEABLE)
def test_a_changeable_field_is_sent_by_an_update_and_by_itself(kind, name):
    assert name in WANTED, f"give {name} a value here"
    calls = kind.calls.update("id", WANTED, OBSERVED, frozenset({name}))
    assert frozenset().union(*(call.fields for call in calls)) == {name}


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_an_update_of_nothing_sends_nothing(kind):
    assert kind.calls.update("id", WANTED, OBSERVED, frozenset()) == ()
