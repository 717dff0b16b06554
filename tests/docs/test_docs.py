"""The papers and the program say the same: commands, options, fields, links and examples."""

import io
import json
import os
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import click
import pytest

from declarative.cli.delivery import FORMATS
from declarative.cli.editor_files import settings_text
from declarative.cli.main import main
from declarative.cli.root import root
from declarative.cli.setting import Setting
from declarative.identity.environment import HUAWEI, OPENSTACK, SDRS
from declarative.identity.sources import find_credentials
from declarative.identity.values import Way
from declarative.kinds import KINDS
from declarative.manifest import VariableSources, validate
from declarative.model import Danger, OnChange
from declarative.planner.consents import POLICIES
from declarative.simulator import Rules, load_accounts, load_estate, read_fault, read_rules
from declarative.workflow import schemas
from declarative.workflow.explanations import finding_entries

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))
REFERENCE = ROOT / "docs" / "commands.md"
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"
GOALS = ("protection", "priority_station")  # the steps that reach them are not those of a field
PREFACE = """\
# Commands

What `--help` says of each command; `-h` and `declarative help COMMAND` say the same. `-C DIR`, `--env NAME`,
`--no-color`, `-v` and `--log-file FILE` stand before the command's name or behind it. If one is given twice, it must
say the same both times. Long options have two dashes: `-out` and the like are refused, and the message names the right
spelling.

Exit codes: 0 done or nothing to do · 1 error · 2 changes present (`--detailed-exitcode` only) · 3 incomplete, run
again · 4 someone else holds or changed the state · 5 a danger without consent, or steps withheld · 64 usage, or a
question where nobody can answer · 130 and 143 left at once after a second interrupt.

`DECLARATIVE_<COMMAND>_<OPTION>` stands in for an option, several values parted by commas; but never for `--allow`,
`--auto-approve`, `--plan-sha256`, `--target`, `--exclude`, `--replace`, `--render` and `--var`, nor for `-C`, `-v` and
`--no-color`. `DECLARATIVE_ENV` stands in for `--env`, `DECLARATIVE_LOG_FILE` for `--log-file`. `SDRS_*`,
`OS_*` and `HW_*` say which cloud ([Accounts](accounts.md)), `DECLARATIVE_STATE` where the state is kept;
`DECLARATIVE_VAR_<name>` gives a variable.
"""


def commands(command=root, path=()):
    """Every command with its words, groups before what is in them."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))


ALL = [pytest.param(path, command, id=" ".join(path) or "declarative") for path, command in commands()]


def help_of(path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert main([*path, "--help"]) == 0
    return printed.getvalue()


def test_the_reference_of_commands_is_what_their_help_says(monkeypatch):
    sections = [
        f"## {' '.join(('declarative', *path))}\n\n```text\n{help_of(path, monkeypatch).rstrip()}\n```\n"
        for path, _ in commands()
    ]
    text = "\n".join([PREFACE, *sections])
    if UPDATE:
        REFERENCE.write_text(text)
    assert text == REFERENCE.read_text(), "UPDATE_GOLDEN=1 writes docs/commands.md anew"


@pytest.mark.parametrize(("path", "command"), ALL)
def test_every_command_and_option_says_what_it_is_for(path, command):
    assert "Example" in command.help
    options = [one for one in command.params if isinstance(one, click.Option)]
    assert [one.opts for one in options if not one.help] == []


def calls(command):
    """The calls of declarative in a command's example, each a list of words."""
    return [
        shlex.split(call) for call in re.findall(r"\bdeclarative ([^|&;>)`\n]+)", command.help.partition("Example")[2])
    ]


@pytest.mark.parametrize(("path", "command"), ALL)
def test_the_example_of_a_command_can_be_called(path, command, tmp_path, monkeypatch):
    (tmp_path / "shop-dr").mkdir()
    monkeypatch.chdir(tmp_path)
    found = calls(command)
    assert found
    for words in found:
        parses(words)


def parses(words):
    """Read a command line without running anything; click raises what is wrong with it."""
    context = root.make_context("declarative", list(words), obj=None, resilient_parsing=False)
    command, rest = root, [*context._protected_args, *context.args]
    while isinstance(command, click.Group) and rest:
        _, command, rest = command.resolve_command(context, rest)
        context = command.make_context(command.name, list(rest), parent=context, obj=Setting())
        rest = [*context._protected_args, *context.args] if isinstance(command, click.Group) else []


def targets(page):
    """The links of a page to files of the project."""
    links = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL))
    return [link for link in links if not re.match(r"[a-z]+:", link)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    assert [link for link in targets(page) if not (page.parent / link.partition("#")[0]).exists()] == []


def test_every_page_can_be_reached_from_the_readme():
    known, reached, ahead = {page.resolve() for page in PAGES}, set(), [PAGES[0].resolve()]
    while ahead:
        page = ahead.pop()
        if page in known and page not in reached:
            reached.add(page)
            ahead += [(page.parent / link.partition("#")[0]).resolve() for link in targets(page)]
    assert known == reached


def section(kind):
    """What docs/manifests.md says of a kind."""
    return re.split(
        r"^##+ ", (ROOT / "docs" / "manifests.md").read_text().partition(f"### {kind}\n")[2], flags=re.MULTILINE
    )[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_kind_is_in_the_reference(kind):
    file = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=DR)(?=D)", "_", kind).lower()
    fields = json.loads((ROOT / "schemas" / f"{file}.json").read_text())["properties"]["spec"]["properties"]
    told = set(
        re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in section(kind).splitlines() if "|" in line))
    )
    assert told == set(fields), "the table of the kind in docs/manifests.md"


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_says_how_a_field_changes(kind):
    words = {OnChange.UPDATE: "in place", OnChange.REPLACE: "anew", OnChange.RECORD: "recorded"}
    fields = {name: words[rule.on_change] for name, rule in KINDS[kind].fields.items() if name not in GOALS}
    rows = [line.split("|") for line in section(kind).splitlines() if line.startswith("| `")]
    told = {name: row[4].strip().partition(",")[0] for row in rows for name in re.findall(r"`(\w+)`", row[1])}
    assert {name: word for name, word in told.items() if name in fields} == {
        name: word for name, word in fields.items() if name in told
    }, "the last column of the kind's table in docs/manifests.md"


def test_the_deadlines_in_the_reference_are_those_of_the_kinds():
    table = (
        (ROOT / "docs" / "manifests.md").read_text().partition("| | create | update | delete | enable | disable |\n")[2]
    )
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.split("\n\n")[0].splitlines()[1:]]
    actions = ("create", "update", "delete", "enable", "disable")
    told = {
        row[0].strip("`"): {action: float(cell) for action, cell in zip(actions, row[1:], strict=True) if cell}
        for row in rows
    }
    assert told == {kind.name: dict(kind.calls.timeouts) for kind in KINDS.values()}


def test_the_stack_of_the_readme_is_valid(tmp_path):
    (block,) = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "stack.yaml").write_text(block)
    assert validate(tmp_path, environment=None, sources=VariableSources()) == ()


def test_the_files_of_the_simulator_page_can_be_served(tmp_path):
    page = (ROOT / "docs" / "simulator.md").read_text()
    servers, people = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "servers.yaml").write_text(servers)
    (tmp_path / "accounts.yaml").write_text(people)
    estate, accounts = load_estate(tmp_path / "servers.yaml"), load_accounts(tmp_path / "accounts.yaml")
    assert (len(estate.servers), len(estate.disks)) == (1, 1)
    assert (len(accounts.users), len(accounts.access_keys), len(accounts.agencies)) == (4, 2, 1)


def test_the_faults_and_rules_of_the_simulator_page_are_understood():
    page = (ROOT / "docs" / "simulator.md").read_text()
    faults = re.findall(r"`((?:GET|POST|PUT|DELETE|\*) [^`]+)`", page)
    assert len(faults) > 20
    assert all(read_fault(fault) for fault in faults)
    rules = re.findall(r"--rule ([a-z_]+=[-\w]+)", page)
    assert read_rules(rules) != Rules()


def test_the_test_of_the_simulator_page_runs(capsys):
    page = (ROOT / "docs" / "simulator.md").read_text()
    block, _ = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    exec(block, {})
    assert capsys.readouterr().out == "['failed-over', 'protected']\n"


def test_the_table_of_consents_is_the_policy():
    table = (ROOT / "docs" / "plans.md").read_text().partition("|---|---|---|---|---|\n")[2].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    told = {row[0].strip("`"): row[2:] for row in rows}
    assert told == {cls.value: _ways(cls, policy) for cls, policy in POLICIES.items()}


def _ways(cls, policy):
    by_option = "no" if policy.way_out else "class" if policy.whole_plan else "class or address"
    return [by_option, "yes" if policy.by_destroy else "no", _by_yes(cls, policy)]


def _by_yes(cls, policy):
    costly = policy.by_yes(Danger(cls, "", loses_protection=True))
    cheap = policy.by_yes(Danger(cls, ""))
    return "yes" if costly else "where no protection is lost" if cheap else "no"


def test_every_variable_of_an_account_is_on_its_page():
    page = (ROOT / "docs" / "accounts.md").read_text()
    told = set(re.findall(r"`((?:OS|HW|SDRS)_[A-Z_]+)`", page.partition("| Value | Variables |")[2].split("\n\n")[0]))
    assert told == {one for table in (OPENSTACK, HUAWEI, SDRS) for names in table.values() for one in names}


@pytest.mark.parametrize("way", [*Way, "agency"])
def test_the_example_of_each_way_in_is_complete(way, tmp_path):
    part = (ROOT / "docs" / "accounts.md").read_text().partition(f"\n### {way[0].upper()}{way[1:]}\n")[2]
    environ = dict(re.findall(r"^\$ export (\w+)=(\S+)$", part.split("\n#")[0], re.MULTILINE))
    environ = {name: text.replace("…", "x") for name, text in environ.items()}
    found = find_credentials(environ, working_folder=tmp_path, stack_folder=tmp_path)
    assert (found.way, found.agency) == (way, False) if way in list(Way) else found.agency
    assert found.notes == ()


def test_the_clouds_yaml_of_the_page_is_complete_with_a_password(tmp_path):
    (block,) = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs" / "accounts.md").read_text(), re.MULTILINE | re.DOTALL)
    folder = tmp_path / "home/.config/openstack"
    folder.mkdir(parents=True)
    (folder / "clouds.yaml").write_text(block)
    (folder / "secure.yaml").write_text("clouds: {otc: {auth: {password: x}}}\n")
    environ = {"HOME": str(tmp_path / "home"), "OS_CLOUD": "otc"}
    found = find_credentials(environ, working_folder=tmp_path, stack_folder=tmp_path)
    assert (found.way, found.text("auth_url")) == (Way.PASSWORD, "https://iam.eu-de.otc.t-systems.com/v3")


_CITED = re.compile(r'docs/(\S+\.md), ((?:"[^"]+"(?:, | and )?)+)')


def _citations():
    """What comments and docstrings say of a page, with their line ends and comment signs taken out."""
    for file in sorted([*(ROOT / "declarative").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]):
        text = re.sub(r"\n\s*(#\s*)?", " ", file.read_text())
        for page, headings in _CITED.findall(text):
            for heading in re.findall(r'"([^"]+)"', headings):
                yield pytest.param(page, heading, id=f"{file.name}-{heading}")


@pytest.mark.parametrize(("page", "heading"), list(_citations()))
def test_every_heading_that_the_code_cites_is_there(page, heading):
    headings = re.findall(r"^#+ (.*)$", (ROOT / "docs" / page).read_text(), re.MULTILINE)
    assert heading in headings


FINDINGS = ROOT / "docs" / "findings.md"
FINDINGS_PREFACE = """\
# Findings

Every finding has an id: in the lines of `-v`, as `[unknown-field]` at their end, and in JSON as `id`. An id never
changes its meaning; `declarative explain ID` prints what stands here. This page is written from
`declarative/findings.csv`.
"""


def test_the_page_of_findings_is_what_the_list_says():
    sections = []
    for one in finding_entries().values():
        example = f"\n\n```text\n{one.example}\n```" if one.example else ""
        meaning = f"{one.meaning[0].upper()}{one.meaning[1:]}."
        sections.append(f"## {one.id}\n\n{meaning}\n\n- Cause: {one.cause}\n- Remedy: {one.remedy}{example}\n")
    text = "\n".join([FINDINGS_PREFACE, *sections])
    if UPDATE:
        FINDINGS.write_text(text)
    assert text == FINDINGS.read_text(), "UPDATE_GOLDEN=1 writes docs/findings.md anew"


def test_the_commands_of_the_page_of_renders_can_be_called(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "renders.md").read_text()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stacks" / "shop").mkdir(parents=True)
    found = re.findall(r"(?:^\$ |^ +)declarative (.*(?:\n +--render .*)*)", page, re.MULTILINE)
    assert len(found) == 3
    for call in found:
        parses(shlex.split(call))


def test_the_formats_of_the_page_of_renders_are_those_of_the_option():
    table = (ROOT / "docs" / "renders.md").read_text().partition("| format |")[2].split("\n\n")[0]
    assert tuple(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == FORMATS


def test_the_page_of_json_lists_every_command_with_its_schema():
    table = (ROOT / "docs" / "json.md").read_text().partition("|---|---|\n")[2].split("\n\n")[0]
    assert dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", table, re.MULTILINE)) == schemas.FORMS


def test_the_page_of_editors_has_the_settings_that_init_writes():
    page = (ROOT / "docs" / "editors.md").read_text()
    mapping = json.loads(settings_text())["yaml.schemas"]
    vs_code, zed = (json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    assert vs_code["yaml.schemas"] == mapping
    assert zed["lsp"]["yaml-language-server"]["settings"]["yaml"]["schemas"] == mapping
    (neovim,) = re.findall(r"^```lua\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    told = re.findall(r"\['([^']+)'\] = \{ (.*) \}", neovim)
    assert {name: re.findall(r"'([^']+)'", patterns) for name, patterns in told} == mapping
