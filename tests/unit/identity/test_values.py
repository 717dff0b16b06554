import pytest

from declarative.errors import UsageError
from declarative.identity.values import AUTH_TYPES, SECRETS, Found, Way, flaw, found, skips_verification, truth

CANARY = "hunter2"


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_value_never_shows_itself(name):
    value = found(name, CANARY, "OS_X")
    assert CANARY not in f"{value} {value!r} {value.value}"
    assert value.text == CANARY


def test_other_values_are_plain():
    assert found("username", "me", "OS_USERNAME") == Found("me", "OS_USERNAME")


@pytest.mark.parametrize("char", ["\n", "\r", "\t", "\x00", "\x1b", "\x7f", "\x85", "\u2028", "\udc80"])
@pytest.mark.parametrize("name", ["password", "username", "auth_url", "cacert", "token"])
def test_a_control_character_is_a_flaw_that_does_not_show_the_value(name, char):
    wrong = flaw(name, f"{CANARY}{char}")
    assert wrong is not None
    assert wrong.summary == "contains a line break or another control character"
    assert CANARY not in f"{wrong}"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("token", "a b", "contains a space or a character outside ASCII"),
        ("access_key", "ä", "contains a space or a character outside ASCII"),
        ("security_token", " a", "contains a space or a character outside ASCII"),
        ("project_id", "../x", "is not 1 to 64 letters, digits, dashes and underscores"),
        ("region_name", "evil.com/", "is not 1 to 64 letters, digits, dashes and underscores"),
        ("auth_type", "v3pasword", "'v3pasword' is not supported"),
        ("insecure", "maybe", "is neither true nor false"),
        ("password", "x" * 70_000, "is longer than 64 KiB"),
    ],
)
def test_a_value_that_can_not_be_used_is_a_flaw(name, text, told):
    wrong = flaw(name, text)
    assert wrong is not None
    assert told == wrong.summary


@pytest.mark.parametrize(
    ("name", "text"),
    [("password", " ä 日 "), ("token", "x" * 20_000), ("project_id", "0af_-9"), ("username", "a b")],
)
def test_what_may_be_in_a_value_is_not_a_flaw(name, text):
    assert flaw(name, text) is None


def test_an_unknown_auth_type_tells_the_nearest_and_all():
    wrong = flaw("auth_type", "v3pasword")
    assert wrong is not None
    assert wrong.fix == f"Did you mean 'v3password'? Known: {', '.join(AUTH_TYPES)}."


@pytest.mark.parametrize(("word", "said"), [("True", True), ("1", True), ("yes", True), ("off", False), ("x", None)])
def test_words_for_true_and_false(word, said):
    assert truth(word) is said


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_verification_may_be_off_for_this_machine(host):
    assert skips_verification({"insecure": Found("true", "OS_INSECURE")}, host)


@pytest.mark.parametrize("host", ["iam.example.com", "127.0.0.1.example.com", "10.0.0.1", ""])
def test_verification_may_not_be_off_for_another_host(host):
    with pytest.raises(UsageError, match="OS_INSECURE turns off certificate verification"):
        skips_verification({"insecure": Found("1", "OS_INSECURE")}, host)


def test_verification_is_on_unless_it_is_turned_off():
    assert not skips_verification({}, "iam.example.com")
    assert not skips_verification({"insecure": Found("false", "OS_INSECURE")}, "iam.example.com")


def test_ways_that_last_can_sign_in_again():
    assert [way for way in Way if way.lasts] == [Way.KEYS, Way.APPLICATION_CREDENTIAL, Way.PASSWORD]
