"""The words of findings: what is suggested, and what untrusted text becomes."""

import pytest

from declarative.errors import Position, did_you_mean, pasteable, visible

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


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"Prod \xc3\xa4\xc3\xb6", "Prod äö"),
        (b"caf\xe9", "caf\\u{dce9}"),
        (b"\xc3\xa4\xe9\x1b", "ä\\u{dce9}\\x1b"),
        (b"\xe2\x80\xae", "\\u{202e}"),
        (b"a\nb", "a\\x0ab"),
    ],
)
def test_a_name_of_bytes_is_shown_as_utf_8(name, shown):
    assert visible(name.decode("ascii", "surrogateescape")) == shown
    assert str(Position(name.decode("ascii", "surrogateescape"))) == f"{shown}:1:1"


def test_other_surrogates_stay_escaped():
    assert visible("\ud800\udcc3\udca4") == "\\u{d800}\\u{dcc3}\\u{dca4}"


@pytest.mark.parametrize(
    ("name", "pasted"),
    [
        (b"shop", "shop"),
        (b"my shop", "'my shop'"),
        (b"it's", "'it'\"'\"'s'"),
        (b"Prod \xc3\xa4", "'Prod ä'"),
        (b"-x", "./-x"),
        (b"a\nb", ""),
        (b"a\x1b[2J", ""),
        (b"caf\xe9", ""),
        (b"\xe2\x80\xaeb", ""),
    ],
)
def test_a_path_is_quoted_or_left_out(name, pasted):
    assert pasteable(name.decode("ascii", "surrogateescape")) == pasted
