import pytest

from declarative.errors import InputError
from declarative.identity.environment import HUAWEI, OPENSTACK, SDRS, read_environment
from declarative.identity.values import SECRETS

CANARY = "hunter2"
TABLES = {"openstack": OPENSTACK, "huawei": HUAWEI, "sdrs": SDRS}
GOOD = {"auth_type": "password", "insecure": "false"}
ALL = [(source, name, one) for source, table in TABLES.items() for name, ones in table.items() for one in ones]
ALIASES = [variables for table in TABLES.values() for variables in table.values() if len(variables) > 1]


@pytest.mark.parametrize(("source", "name", "variable"), ALL, ids=lambda value: str(value))
def test_each_variable_gives_its_value_and_names_itself(source, name, variable):
    values = getattr(read_environment({variable: GOOD.get(name, "x1")}), source)
    assert {key: (value.text, value.source) for key, value in values.items()} == {
        name: (GOOD.get(name, "x1"), variable)
    }


@pytest.mark.parametrize("variable", [one for _, name, one in ALL if name in SECRETS])
def test_secrets_are_secret(variable):
    assert CANARY not in repr(read_environment({variable: CANARY}))


@pytest.mark.parametrize("char", ["\n", "\r", "\x00", "\x1b[31m", "\u2028"])
@pytest.mark.parametrize("variable", [one for _, _, one in ALL] + ["OS_CLOUD"])
def test_a_value_with_a_control_character_names_the_variable_and_never_the_value(variable, char):
    with pytest.raises(InputError) as caught:
        read_environment({variable: CANARY + char})
    (finding,) = caught.value.findings
    assert finding.summary == f"{variable} contains a line break or another control character"
    assert CANARY not in f"{caught.value}{finding}"


def test_all_variables_that_can_not_be_used_are_told_at_once():
    with pytest.raises(InputError) as caught:
        read_environment({"OS_PASSWORD": "a\n", "HW_SECRET_KEY": "a b", "SDRS_PROJECT_ID": "a/b", "OS_INSECURE": "x"})
    assert [finding.summary for finding in caught.value.findings] == [
        "HW_SECRET_KEY contains a space or a character outside ASCII",
        "OS_INSECURE is neither true nor false",
        "OS_PASSWORD contains a line break or another control character",
        "SDRS_PROJECT_ID is not 1 to 64 letters, digits, dashes and underscores",
    ]


@pytest.mark.parametrize("variables", ALIASES, ids=lambda variables: variables[0])
def test_two_names_of_one_value_must_agree(variables):
    first, second = variables
    values = read_environment({first: "same", second: "same"})
    assert [value.source for value in (*values.openstack.values(), *values.huawei.values())] == [first]
    with pytest.raises(InputError, match=f"{first} and {second} name one value and differ") as caught:
        read_environment({first: CANARY, second: "other"})
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("nothing", ["", " ", "\n"])
def test_an_empty_variable_counts_as_not_set_and_is_told(nothing):
    environment = read_environment({"OS_PASSWORD": nothing, "OS_CLOUD": nothing, "OS_USERNAME": "me", "OS_OTHER": ""})
    assert list(environment.openstack) == ["username"]
    assert environment.cloud is None
    assert environment.empty == ("OS_CLOUD", "OS_PASSWORD")


def test_an_empty_name_of_a_value_does_not_hide_the_other_one():
    assert read_environment({"OS_TOKEN": "", "OS_AUTH_TOKEN": "t"}).openstack["token"].source == "OS_AUTH_TOKEN"


def test_the_cloud_is_apart():
    environment = read_environment({"OS_CLOUD": "otc"})
    assert environment.cloud is not None
    assert (environment.cloud.text, environment.cloud.source) == ("otc", "OS_CLOUD")
    assert environment.openstack == {}


def test_no_secret_is_an_option_of_sdrs():
    assert not SECRETS & set(SDRS)


def test_what_the_vendors_provider_reads_besides_is_told():
    environment = read_environment({"HW_CLOUD": "example.com", "HW_USER_PASSWORD": CANARY, "HW_PROFILE": ""})
    assert environment.unread == ("HW_CLOUD", "HW_USER_PASSWORD")
    assert environment.huawei == {}
    assert CANARY not in repr(environment)
