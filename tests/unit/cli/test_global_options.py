"""Options of the whole command line, before and after the command; words of other tools get the right spelling."""

from pathlib import Path

import pytest

from declarative.cli.main import main
from declarative.cli.spelling import COMMANDS as FOREIGN


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command line in a new stack with the environments default and prod; returns code, output and errors."""
    monkeypatch.chdir(tmp_path)
    for name in ("DECLARATIVE_ENV", "DECLARATIVE_LOG_FILE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    assert main(["init"]) == 0
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/prod.yaml").write_text("")
    capsys.readouterr()

    def call(*words):
        code = main(words)
        return code, *capsys.readouterr()

    return call


def environment_in(out):
    return out.partition("environment ")[2].partition(" ")[0].partition(",")[0]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--env", "prod", "plan"), id="before"),
        pytest.param(("plan", "--env", "prod"), id="after"),
        pytest.param(("plan", "--env=prod"), id="with-a-sign"),
        pytest.param(("--env", "prod", "plan", "--env", "prod"), id="twice-the-same"),
    ],
)
def test_environment_is_chosen_before_and_after_the_command(run, words):
    code, out, _ = run(*words)
    assert (code, environment_in(out)) == (0, "prod")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--env", "prod", "plan", "--env", "default"), id="at-two-places"),
        pytest.param(("plan", "--env", "prod", "--env", "default"), id="at-one-place"),
        pytest.param(("-C", "environments", "plan", "-C", "."), id="folders"),
        pytest.param(("state", "-C", "environments", "list", "-C", "."), id="in-a-group"),
    ],
)
def test_different_values_of_one_option_are_refused(run, words):
    code, out, err = run(*words)
    assert (code, out) == (64, "")
    assert "given twice, with different values" in err


def test_folder_may_stand_behind_a_command_of_a_group(run, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run("state", "list", "-C", "..")[0] == 0
    assert run("state", "-C", "..", "list")[0] == 0
    assert run("state", "list")[0] == 64


def test_more_is_said_wherever_v_stands(run, tmp_path):
    (tmp_path / "bad.yaml").write_text("kind: Nix\n")
    for words in (("-v", "validate"), ("validate", "-v")):
        assert "[missing-api-version]" in run(*words)[1], words
    assert "[missing-api-version]" not in run("validate")[1]


def test_log_file_behind_the_command_lies_in_the_folder_that_is_named_after_it(run, tmp_path):
    assert run("version", "--log-file", "x.log", "-C", "environments")[0] == 0
    assert (tmp_path / "environments/x.log").exists()


def test_variable_stands_in_for_the_environment_and_an_option_overrides_it(run, monkeypatch):
    monkeypatch.setenv("DECLARATIVE_ENV", "prod")
    assert environment_in(run("plan")[1]) == "prod"
    assert environment_in(run("plan", "--env", "default")[1]) == "default"
    monkeypatch.setenv("DECLARATIVE_ENV", "PROD")
    code, out, err = run("plan")
    assert (code, out) == (64, "")
    assert "DECLARATIVE_ENV" in err


def test_log_file_of_the_variable_is_written(run, tmp_path, monkeypatch):
    monkeypatch.setenv("DECLARATIVE_LOG_FILE", "x.log")
    assert run("version")[0] == 0
    assert (tmp_path / "x.log").exists()


@pytest.mark.parametrize("name", ["FOLDER", "C", "NO_COLOR", "V", "VERBOSE"])
def test_other_global_options_never_come_from_the_environment(run, monkeypatch, name):
    monkeypatch.setenv(f"DECLARATIVE_{name}", "/nowhere")
    assert run("plan")[0] == 0


@pytest.mark.parametrize("words", [("plan", "-h"), ("plan", "--help"), ("help", "plan"), ("-C", ".", "help", "plan")])
def test_help_can_be_asked_for_in_every_way(run, words):
    code, out, _ = run(*words)
    assert code == 0
    assert out.startswith("Usage: declarative plan [OPTIONS]")


def test_help_of_a_nested_command_and_of_all(run):
    assert run("help", "state", "mv")[1].startswith("Usage: declarative state mv")
    assert run("help")[1] == run("-h")[1]
    assert run("help", "plan", "mv")[0] == 64
    code, _, err = run("help", "plam")
    assert code == 64
    assert err.endswith("error: There is no command 'plam'. Did you mean 'plan'?\n")


@pytest.mark.parametrize(
    ("words", "right"),
    [
        ("plan -out=plan.json", "-o plan.json"),
        ("plan -out plan.json", "-o FILE"),
        ("plan --out=plan.json", "-o plan.json"),
        ("apply -auto-approve", "--auto-approve"),
        ("plan -var vpc=x", "--var"),
        ("plan -var=vpc=x", "--var=vpc=x"),
        ("plan -var-file=x.yaml", "--var-file=x.yaml"),
        ("plan -json", "--format json"),
        ("plan --json", "--format json"),
        ("plan -target=ProtectionGroup/shop", "--target=ProtectionGroup/shop"),
        ("plan -replace=ProtectionGroup/shop", "--replace=ProtectionGroup/shop"),
        ("plan -refresh=false", "--no-refresh"),
        ("plan --refresh=false", "--no-refresh"),
        ("plan -refresh-only", "--refresh-only"),
        ("plan -detailed-exitcode", "--detailed-exitcode"),
        ("plan -destroy", "--destroy"),
        ("apply -lock-timeout=5m", "--lock-timeout=5m"),
        ("apply -lock=false", "--lock-timeout"),
        ("apply -parallelism=4", "--parallelism=4"),
        ("plan -parallelism=4", "`plan` does not take --parallelism"),
        ("-chdir=environments plan", "-C environments"),
        ("plan -chdir=environments", "-C environments"),
        ("-help", "-h"),
        ("-version", "--version"),
        ("plan -no-color", "--no-color"),
        ("apply -input=false", "nothing is asked"),
        ("output -json", "--format json"),
        ("plan -outt=x", "two dashes"),
        ("state rm -force ProtectionGroup/shop", "Nothing is forced"),
    ],
)
def test_options_of_other_tools_get_the_right_spelling_and_nothing_is_done(run, tmp_path, words, right):
    before = sorted(tmp_path.rglob("*"))
    code, out, err = run(*words.split())
    assert (code, out) == (64, "")
    assert right in err.splitlines()[-1]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("word", sorted(FOREIGN))
def test_commands_of_other_tools_are_pointed_at_what_does_it_here(run, word):
    code, out, err = run(word, "ProtectionGroup/shop")
    assert (code, out) == (64, "")
    assert err.splitlines()[-1] == f"error: There is no command '{word}'. {FOREIGN[word]}"


@pytest.mark.parametrize(
    ("words", "file"),
    [("plan -oplan.json", "plan.json"), ("plan -o plan.json", "plan.json"), ("plan -o -out=x", "-out=x")],
)
def test_a_file_may_be_clumped_or_follow(run, words, file):
    assert run(*words.split())[0] == 0
    assert Path(file).is_file()


@pytest.mark.parametrize(
    "words", [("-Cenvironments", "version"), ("-vv", "version"), ("version", "-vvv"), ("plan", "-vo", "p.json")]
)
def test_short_options_may_be_clumped(run, words):
    assert run(*words)[0] == 0


def test_what_a_foreign_word_holds_is_shown_harmless(run):
    _, _, err = run("plan", "-out=a\x1b[31m\nb")
    assert "\x1b" not in err
    assert "-o FILE" in err


def test_command_to_paste_names_the_environment_where_a_variable_chooses_one(run, tmp_path, monkeypatch):
    monkeypatch.setenv("DECLARATIVE_ENV", "prod")
    run("plan", "--env", "default", "--render", "markdown=plan.md")
    assert "declarative --env default apply" in (tmp_path / "plan.md").read_text()
