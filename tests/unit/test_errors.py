"""The words of findings: what is suggested, and what untrusted text becomes."""

import pytest

from declarative.errors import did_you_mean

GROUP = ("description", "domain", "name", "priority_station", "protection", "server_type", "source_vpc_id")
INSTANCE = ("flavorRef", "name", "primary_ip_address", "primary_subnet_id", "server_group_id", "server_id", "tags")


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("lst", ("list", "show"), "list"),
        ("plam", ("plan", "apply"), "plan"),
        ("mpa", ("map", "list"), "map"),
        ("desciption", GROUP, "description"),
        ("vpc_id", GROUP, "source_vpc_id"),
        ("subnet_id", INSTANCE, "primary_subnet_id"),
        ("group_id", INSTANCE, "server_group_id"),
        ("flavor", INSTANCE, "flavorRef"),
        ("vpc", ("vpc_id", "net"), "vpc_id"),
        ("ProtectedInstance/shop", ("ProtectionGroup/shop", "ProtectionGroup/web"), "ProtectionGroup/shop"),
        ("Name", GROUP, "name"),
        ("protection_type", ("dr_type", "protection"), "protection"),
    ],
)
def test_what_is_near_is_suggested(word, known, meant):
    assert did_you_mean(word, known) == f"Did you mean '{meant}'?"


@pytest.mark.parametrize("word", ["enable", "region", "type", "nom", "x", "", "na", "timeouts", "state"])
def test_short_words_get_no_absurd_suggestion(word):
    assert did_you_mean(word, tuple(one for one in GROUP if one != "server_type")) == ""


def test_only_so_many_names_are_compared():
    known = [f"other{number}" for number in range(5000)]
    assert did_you_mean("lst", [*known, "list"]) == ""
    assert did_you_mean("lst", ["list", *known]) == "Did you mean 'list'?"
