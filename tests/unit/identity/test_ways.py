import itertools

import pytest

from declarative.identity.values import AUTH_TYPES, Found, Way
from declarative.identity.ways import ORDER, Source, complete_way, missing, names_of

# The smallest sets of values that are enough, written down once more.
ENOUGH = {
    Way.TOKEN: ["token auth_url", "token region_name", "token endpoint project_id"],
    Way.KEYS: [
        "access_key secret_key region_name",
        "access_key secret_key auth_url project_name",
        "access_key secret_key auth_url project_id",
        "access_key secret_key endpoint project_id",
    ],
    Way.TEMPORARY_KEYS: ["access_key secret_key security_token region_name"],
    Way.APPLICATION_CREDENTIAL: [
        "application_credential_secret application_credential_id auth_url",
        "application_credential_secret application_credential_name user_id auth_url",
        "application_credential_secret application_credential_name username user_domain_name auth_url",
        "application_credential_secret application_credential_name username user_domain_id auth_url",
    ],
    Way.PASSCODE: ["password passcode user_id project_id auth_url", "password passcode user_id project_name auth_url"],
    Way.PASSWORD: [
        "password user_id project_id auth_url",
        "password username user_domain_name project_name auth_url",
        "password username user_domain_id project_id auth_url",
    ],
}
AGENCY = "agency_name agency_domain_name delegated_project"
CASES = [(way, names.split()) for way, sets in ENOUGH.items() for names in sets]
NAMES = {name: f"X_{name.upper()}" for way in Way for name in names_of(way, agency=True)}


def source(names, **values):
    given = {name: Found("x", f"X_{name.upper()}") for name in names}
    return Source("the test", {**given, **{name: Found(text, "X") for name, text in values.items()}}, NAMES)


@pytest.mark.parametrize(("way", "names"), CASES)
def test_a_way_is_complete_with_just_enough_and_with_nothing_less(way, names):
    assert complete_way(source(names)) is way
    for number in range(len(names)):
        assert complete_way(source(names[:number] + names[number + 1 :])) is not way


@pytest.mark.parametrize(("way", "names"), CASES)
def test_what_is_missing_is_named_by_the_source(way, names):
    for name in names:
        rest = [one for one in names if one != name]
        told = dict(missing(source(rest)))
        if way in told:
            assert NAMES[name] in told[way] or "(or " in told[way]


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(ORDER, 2)))
def test_the_stronger_way_is_taken(first, second):
    if {first, second} in ({Way.TEMPORARY_KEYS, Way.KEYS}, {Way.PASSCODE, Way.PASSWORD}):
        return
    names = {*ENOUGH[first][0].split(), *ENOUGH[second][0].split()}
    assert complete_way(source(names)) is first


def test_keys_are_not_taken_without_their_security_token():
    assert complete_way(source(["access_key", "secret_key", "security_token", "region_name"])) is Way.TEMPORARY_KEYS


def test_a_password_is_not_taken_without_its_passcode():
    names = ["password", "passcode", "username", "user_domain_name", "project_id", "auth_url"]
    assert complete_way(source(names)) is None
    assert dict(missing(source(names)))[Way.PASSCODE] == "X_USER_ID"


@pytest.mark.parametrize("auth_type", sorted(AUTH_TYPES.keys() - {"agency"}))
def test_an_auth_type_allows_its_ways_alone(auth_type):
    everything = {name for sets in ENOUGH.values() for names in sets for name in names.split()} - {
        "passcode",
        "security_token",
    }
    for more in ((), ("passcode",), ("security_token",)):
        way = complete_way(source({*everything, *more}, auth_type=auth_type))
        assert way is None or way in AUTH_TYPES[auth_type]


@pytest.mark.parametrize(("way", "names"), CASES)
def test_an_agency_needs_its_name_and_domain_and_a_project(way, names):
    assert complete_way(source([*names, *AGENCY.split()])) is way
    assert complete_way(source([*names, "agency_name"])) is not way
    assert complete_way(source([*names, "agency_domain_name", "delegated_project"])) is not way
    assert complete_way(source(names, auth_type="agency")) is None


def test_an_agency_takes_the_place_of_the_project():
    names = ["password", "username", "user_domain_name", "auth_url", *AGENCY.split()]
    assert complete_way(source(names)) is Way.PASSWORD


def test_the_values_of_other_ways_do_not_go_along():
    assert "password" not in names_of(Way.TOKEN, agency=False)
    assert "username" not in names_of(Way.KEYS, agency=False)
    assert "project_name" not in names_of(Way.APPLICATION_CREDENTIAL, agency=False)
    assert "agency_name" not in names_of(Way.PASSWORD, agency=False)
