"""The edge: what a person reads when something is wrong, exit codes, and how little a light command loads."""

import os
import re
import shlex
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import pytest

from declarative import __version__
from declarative.cli.groups import LazyGroup
from declarative.cli.main import main
from declarative.cli.root import COMMANDS, root
from declarative.errors import ConsentMissing, Diagnostic, InputError, LockHeld, Position, Rejected

ROOT = Path(__file__).parents[3]


def commands():
    context = click.Context(root, info_name="declarative")
    for name in COMMANDS:
        command = root.get_command(context, name)
        yield [name], command
        if isinstance(command, LazyGroup):
            inner = click.Context(command, info_name=name, parent=context)
            yield from (([name, sub], command.get_command(inner, sub)) for sub in command.list_commands(inner))


@pytest.mark.parametrize("words", [words for words, _ in commands()], ids="-".join)
def test_every_command_has_help_with_an_example_to_paste(capsys, words):
    assert main([*words, "--help"]) == 0
    out, err = capsys.readouterr()
    example = out.partition("Example")[2]
    assert re.search(r"^ {4}.*\bdeclarative\b.* " + " ".join(words), example, re.MULTILINE) or words == ["simulator"]
    assert err == ""


@pytest.mark.parametrize(
    ("words", "options"), [(words, list(command.params)) for words, command in commands()], ids=str
)
def test_every_option_says_what_it_is_for(words, options):
    assert [one.name for one in options if isinstance(one, click.Option) and not one.help] == []


def test_help_of_a_whole_lists_its_commands(capsys):
    main(["--help"])
    listed = re.findall(r"^  ([a-z]+) ", capsys.readouterr().out.partition("Commands:")[2], re.MULTILINE)
    assert listed == list(COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["plam"], "There is no command 'plam'. Did you mean 'plan'?", id="unknown-command"),
        pytest.param(["state", "lst"], "Did you mean 'list'?", id="unknown-subcommand"),
        pytest.param(["plan", "--fromat", "json"], "Did you mean", id="unknown-option"),
        pytest.param(["apply", "--parallelism", "0"], "0 is not in the range 1<=x<=1024", id="too-few"),
        pytest.param(["apply", "--parallelism", "1e9"], "'1e9' is not a valid integer", id="no-number"),
        pytest.param(["apply", "--timeout", "nan"], "'nan' is not a duration", id="no-time"),
        pytest.param(["apply", "--lock-timeout", "-1"], "'-1' is not a duration", id="negative"),
        pytest.param(["plan", "--format", "xml"], "'xml' is not one of 'text'", id="unknown-format"),
        pytest.param(["plan", "extra"], "unexpected extra argument (extra)", id="too-many-words"),
        pytest.param(["-C", "nowhere", "plan"], "there is no folder 'nowhere'", id="no-folder"),
        pytest.param(["--env", "../x", "plan"], "lower-case letters, digits and dashes", id="bad-environment"),
        pytest.param(["import", "x"], "Missing argument 'ID'", id="missing-argument"),
        pytest.param(["\x1b[2Jx"], "\\x1b[2Jx", id="control-characters"),
        pytest.param(["simulator", "serve", "--speed", "nan"], "'nan' is not a number above 0", id="no-speed"),
    ],
)
def test_a_wrong_call_is_told_and_exits_64(capsys, arguments, message):
    assert main(arguments) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.splitlines()[-1].startswith("error: ")
    assert "\x1b" not in err


@pytest.mark.parametrize("arguments", [[], ["state"], ["lock"], ["simulator"]], ids=str)
def test_a_group_without_a_command_shows_its_help(capsys, arguments):
    assert main(arguments) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert "Commands:" in err


@pytest.mark.parametrize("arguments", [["--version"], ["version"], ["-v", "--version"]], ids=str)
def test_the_version(capsys, arguments):
    assert main(arguments) == 0
    assert capsys.readouterr() == (f"declarative {__version__}\n", "")


@pytest.fixture
def raising(monkeypatch):
    """Replace the command `version` by one that raises."""

    def replace(error):
        @click.command("version")
        def command():
            raise error

        monkeypatch.setattr("declarative.cli.starting.version", command)

    return replace


FINDINGS = InputError(
    [
        Diagnostic("two", position=Position("b.yaml", 2, 1), id="failed"),
        Diagnostic("one", "Do so", Position("a.yaml", 1, 1), id="failed"),
    ]
)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        pytest.param(
            FINDINGS, 1, "a.yaml:1:1: error: one. Do so.\nb.yaml:2:1: error: two.\n", id="all-findings-by-place"
        ),
        pytest.param(LockHeld("held", "Wait"), 4, "error: held. Wait.\n", id="lock"),
        pytest.param(ConsentMissing("danger"), 5, "error: danger.\n", id="consent"),
        pytest.param(
            Rejected("no", message="\x1b[2J", status=400, code="SDRS.1013", request="GET x"),
            1,
            "error: no. The service says: \\x1b[2J (GET x, HTTP 400, SDRS.1013).\n",
            id="provider",
        ),
        pytest.param(KeyboardInterrupt(), 130, "Interrupted.\n", id="interrupt"),
        pytest.param(SystemExit(143), 143, "", id="signal"),
    ],
)
def test_an_error_becomes_text_and_an_exit_code(capsys, raising, error, code, text):
    raising(error)
    assert main(["version"]) == code
    assert capsys.readouterr() == ("", text)


def test_what_the_service_said_is_told_with_where_it_said_it(capsys, raising):
    where = {"status": 400, "code": "SDRS.1013", "request": "GET server-groups", "request_id": "8f2\x07"}
    raising(Rejected("no", message="\x1b[2J bad", **where))
    assert main(["version"]) == 1
    said = "error: no. The service says: \\x1b[2J bad (GET server-groups, HTTP 400, SDRS.1013, request 8f2\\x07).\n"
    assert capsys.readouterr().err == said


def test_a_defect_is_one_line_and_a_private_file_without_secrets(capsys, raising, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("OS_AUTH_TOKEN", "canary-0123456789")
    raising(ZeroDivisionError("by canary-0123456789\n"))
    assert main(["version"]) == 1
    out, err = capsys.readouterr()
    [details] = tmp_path.iterdir()
    assert out == ""
    assert err.count("\n") == 1
    assert str(details) in err
    assert "Traceback" not in err
    assert stat.S_IMODE(details.stat().st_mode) == 0o600
    text = details.read_text()
    assert "Traceback" in text
    assert "canary" not in text + err


def test_a_defect_is_told_also_where_no_file_can_be_written(capsys, raising, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    raising(ZeroDivisionError("x"))
    assert main(["version"]) == 1
    assert "defect of declarative: ZeroDivisionError: x" in capsys.readouterr().err


def run_apart(*arguments, **more):
    code = "import sys; from declarative.cli.main import run; sys.argv[0] = 'declarative'; run()"
    environment = {**os.environ, "PYTHONUNBUFFERED": "", "PYTHONPATH": str(ROOT), **more.pop("env", {})}
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, env=environment, text=True, **more)


def loaded(*arguments):
    code = (
        "import sys\nfrom declarative.cli.main import run\nsys.argv[0] = 'declarative'\n"
        "try: run()\nexcept SystemExit: pass\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return set(done.stderr.splitlines())


HEAVY = {"httpx", "jsonschema", "deepdiff", "rich", "starlette", "uvicorn", "sqlite3", "yaml", "asyncio"}


def test_the_version_loads_nothing_that_it_does_not_need():
    assert not loaded("--version") & {*HEAVY, "click", "dataclasses", "declarative.errors"}


@pytest.mark.parametrize("arguments", [["--help"], ["version"]], ids=str)
def test_light_commands_stay_light(arguments):
    assert not loaded(*arguments) & (HEAVY if arguments == ["--help"] else HEAVY - {"asyncio"})


@pytest.mark.parametrize(
    "arguments",
    [["version"], ["--version"], ["-v", "--version"], ["--help"], ["plan", "--help"], ["state", "--help"]],
    ids=" ".join,
)
def test_a_full_disk_is_no_success(arguments):
    with Path("/dev/full").open("w") as full:
        done = run_apart(*arguments, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == "error: standard output can't be written to: [Errno 28] No space left on device\n"


def test_a_full_disk_for_errors_changes_no_exit_code():
    with Path("/dev/full").open("w") as full:
        assert run_apart(stdout=subprocess.PIPE, stderr=full).returncode == 64
        assert run_apart("plam", stdout=subprocess.PIPE, stderr=full).returncode == 64


@pytest.mark.parametrize("arguments", [["schema", "--help"], ["--version"], ["schema"]], ids=" ".join)
def test_a_reader_that_leaves_is_no_error(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        done = run_apart(*arguments, stdout=gone, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_of_few_characters_is_no_reason_to_end():
    done = run_apart(
        "plam", "--help", stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"PYTHONIOENCODING": "ascii"}
    )
    assert done.returncode == 64


POOR = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
STACK = "apiVersion: sdrs/v1\nkind: Stack\nmetadata: {name: s}\nspec: {provider: {simulator: true}}\n"


def shell(command, **environ):
    """Run a line as somebody pastes it, where `declarative` is the command of this checkout."""
    code = "import sys; from declarative.cli.main import run; sys.argv[0] = 'declarative'; run()"
    function = f'declarative() {{ {sys.executable} -c "{code}" "$@"; }}\n'
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DECLARATIVE_SIMULATOR_SPEED": "inf", **environ}
    return subprocess.run(
        ["sh", "-c", function + command], env=environment, capture_output=True, encoding="utf-8", check=False
    )


@pytest.mark.parametrize("name", ["Prod äöü", "it's", "-x", "a\nb", "caf\udce9"])
def test_commands_to_paste_work_or_are_left_out(tmp_path, name, monkeypatch):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "stack.yaml").write_text(STACK)
    (folder / "bad.YAML").write_text("")
    monkeypatch.chdir(tmp_path)
    marks = {"XDG_STATE_HOME": str(tmp_path / "marks"), **POOR}
    planning = ["-C", f"./{name}", "plan", "-o", "p.json"]
    ran = shell(f"declarative {shlex.join(planning)}", **marks)
    command = ran.stderr.splitlines()[-1].strip()
    if "FILE" in command:
        assert not name.isprintable()
        return
    applied = shell(f"{command} --auto-approve", **marks)
    assert applied.returncode == 0, applied.stderr


def test_the_c_locale_shows_names_as_they_are(tmp_path):
    folder = tmp_path / "Prod äöü"
    folder.mkdir()
    (folder / "stack.yaml").write_text(STACK + "unknown: ö\n")
    ran = shell(f"declarative -C '{folder}' validate", **POOR)
    assert ran.stdout.startswith(f"{folder}/stack.yaml:5:1: error: ")
