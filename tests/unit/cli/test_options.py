"""Options: their types, and the variables that stand in for them."""

import click
import pytest

from declarative.cli.options import Assignment, Duration, Timeout, option
from declarative.cli.root import root


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90.0), ("30s", 30.0), ("10m", 600.0), ("1h", 3600.0), ("1.5m", 90.0), ("0.25", 0.25), ("0", 0.0)],
)
def test_a_duration_is_read_in_seconds(text, seconds):
    assert Duration(zero=True).convert(text, None, None) == seconds


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-1", "-0", "1e3", "", " 5", "5 s", "5d", "٣", "1_000", "0x10", "999999999999", "5m\n"]
)
def test_what_is_not_a_duration_is_refused(text):
    with pytest.raises(click.BadParameter, match="not a duration"):
        Duration(zero=True).convert(text, None, None)


def test_no_time_at_all_is_refused_where_it_would_stop_everything():
    with pytest.raises(click.BadParameter, match="more than 0"):
        Duration().convert("0s", None, None)


@pytest.mark.parametrize(
    ("text", "timeout"),
    [
        ("create_grace=0", ("create_grace", 0.0)),
        ("ProtectionGroup.create=10m", ("ProtectionGroup.create", 600.0)),
    ],
)
def test_a_timeout_names_what_it_is_for(text, timeout):
    assert Timeout().convert(text, None, None) == timeout


@pytest.mark.parametrize(
    "text", ["create_grace", "ProtectionGroup.creat=5", "=5", "ProtectionGroup.create=0", "ProtectionGroup.create=nan"]
)
def test_a_timeout_for_nothing_we_know_is_refused(text):
    with pytest.raises(click.BadParameter):
        Timeout().convert(text, None, None)


@pytest.mark.parametrize("text", ["name", "=x", ""])
def test_an_assignment_needs_a_name_and_a_value(text):
    with pytest.raises(click.BadParameter, match="NAME=VALUE"):
        Assignment().convert(text, None, None)


def test_an_assignment_keeps_what_follows_the_first_sign():
    assert Assignment().convert("a=b=c", None, None) == "a=b=c"


@click.command()
@option("many", "--many-things", multiple=True)
@option("one", "--one", default="none")
@option("flag", "--flag", is_flag=True)
@option("state", "--state", envvar="DECLARATIVE_STATE")
@option("closed", "--closed", sealed=True, multiple=True)
def probe(**given):
    return given


def given(*arguments):
    return probe.main(list(arguments), "probe", standalone_mode=False, auto_envvar_prefix="DECLARATIVE_PROBE")


NOTHING = {"many": (), "one": "none", "flag": False, "state": None, "closed": ()}


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        pytest.param("MANY_THINGS", "a, b,,c", {"many": ("a", "b", "c")}, id="several-values-by-commas"),
        pytest.param("ONE", "x", {"one": "x"}, id="one-value"),
        pytest.param("ONE", "", {}, id="empty-is-unset"),
        pytest.param("FLAG", "true", {"flag": True}, id="a-flag"),
        pytest.param("FLAG", "0", {"flag": False}, id="a-flag-that-is-off"),
        pytest.param("STATE", "local:x", {"state": "local:x"}, id="own-name-of-the-state"),
        pytest.param("CLOSED", "x", {}, id="a-sealed-option-is-not-read"),
    ],
)
def test_variables_stand_in_for_options(monkeypatch, variable, text, expected):
    monkeypatch.setenv(f"DECLARATIVE_PROBE_{variable}", text)
    assert given() == {**NOTHING, **expected}


def test_the_state_has_a_variable_for_all_commands(monkeypatch):
    monkeypatch.setenv("DECLARATIVE_STATE", "local:y")
    assert given()["state"] == "local:y"


def test_the_command_line_beats_a_variable(monkeypatch):
    monkeypatch.setenv("DECLARATIVE_PROBE_MANY_THINGS", "a,b")
    assert given("--many-things", "c,d")["many"] == ("c,d",)


NEVER_READ = {
    *("--allow", "--auto-approve", "--plan-sha256", "--content-sha256", "--target", "--exclude", "--replace"),
    *("--var", "--render", "--accept-rollback", "--force"),
}


def commands(command=root, path=()):
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from commands(command.get_command(click.Context(command), name), (*path, name))
    else:
        yield " ".join(path), command


@pytest.mark.parametrize(("words", "command"), [pytest.param(*one, id=one[0]) for one in commands()])
def test_what_must_be_said_on_the_command_line_is_never_read_from_the_environment(words, command, monkeypatch):
    context = click.Context(command, auto_envvar_prefix="X")
    for one in command.params:
        for name in NEVER_READ.intersection(one.opts):
            monkeypatch.setenv(f"X_{name[2:].replace('-', '_').upper()}", "1")
            assert one.resolve_envvar_value(context) is None, name
