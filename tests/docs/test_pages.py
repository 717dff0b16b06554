"""Every page, followed by copy and paste; what can't be followed says why, and the reasons are counted."""

import re
import shlex
import shutil
from collections import Counter
from contextlib import suppress
from pathlib import Path

import click
import pytest

from tests.docs.test_docs import parses
from tests.scaffold.pages import fences, follow, run, surroundings

ROOT = Path(__file__).parents[2]
SITE = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAPERS = [*SITE, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
PAGES = [
    page for page in SITE if any(fence.language == "console" and not fence.no_run for fence in fences(page.read_text()))
]
STORE = "postgresql://apply@db.example.com/ops?"  # of the pages; a real one takes its place
A_CLOUD = ('eval "$(declarative simulator start --speed inf)"',)
A_STACK = ("declarative init shop", "cd shop")
PROTECTED = (
    *A_CLOUD,
    "cp -r examples/three-tier made && sed -i 's/simulator: true.*/region: eu-de/' made/stack.yaml",
    "declarative -C made apply --auto-approve",
    "declarative -C made state show ProtectionGroup/application --format json > made.json",
    """group=$(grep -m1 '"id"' made.json | cut -d'"' -f4)""",
)
TWO_RUNS = (
    *A_STACK,
    "declarative apply --auto-approve",
    "sed '/^---/,$d; s/name: shop.*/name: mail/' groups.yaml > mail.yaml",
    "declarative apply --auto-approve",
)
A_REPOSITORY = (  # of two stacks, with declarative's own beside it, and a stand-in for GitHub's command
    "git config --global user.name Ada && git config --global user.email ada@bank.example",
    "mkdir declarative && ln -s ../examples declarative/examples",
    "printf '#!/bin/sh\\n' > bin/gh && chmod +x bin/gh",
    "mkdir -p recovery/stacks && cd recovery",
    "cp -r ../examples/three-tier stacks/shop && cp -r ../examples/quickstart stacks/orders",
    "git init -q -b main && git add . && git commit -q -m start",
)
BEFORE = {  # commands that ready the shell for a page
    "docs/accounts.md": A_CLOUD,
    "docs/editors.md": A_STACK,
    "docs/first-project.md": PROTECTED,
    "docs/json.md": A_STACK,
    "docs/pipeline.md": A_REPOSITORY,
    "docs/plans.md": A_STACK,
    "docs/renders.md": A_STACK,
    "docs/state.md": TWO_RUNS,
    "docs/stores/postgresql.md": A_STACK,
    "docs/terraform.md": PROTECTED,
}
SCREEN = 40  # lines
WITH_OTHER_COMMANDS = {"style.md"}  # pages that show how not to write
# Why a fence is not run, and how many are not.
NOT_RUN = {
    "changes-the-shell": 1,
    "installs-software": 3,
    "needs-a-cloud": 1,
    "needs-a-server": 1,
    "needs-terraform": 2,
}


def name(page):
    return str(page.relative_to(ROOT))


@pytest.mark.timeout(600)  # a page has up to forty commands, each a process
@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_page_does_what_it_says(page, tmp_path, request):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    text = page.read_text()
    if STORE in text:
        postgres = request.getfixturevalue("postgres")
        text = text.replace(STORE, postgres.address(postgres.emptied()).partition("?")[0] + "?")
    environ = surroundings(tmp_path, {"DECLARATIVE_SIMULATOR_SPEED": "inf"})
    try:
        follow(text, tmp_path, environ, before=BEFORE.get(name(page), ()))
    finally:
        run(tmp_path, environ, ["declarative simulator stop"])


def test_the_readme_fits_on_three_screens():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 3 * SCREEN


def test_what_is_not_run_says_why():
    reasons = Counter(fence.no_run for page in SITE for fence in fences(page.read_text()) if fence.no_run)
    assert reasons == NOT_RUN


@pytest.mark.parametrize("page", SITE, ids=name)
def test_commands_stand_in_fences_that_are_run(page):
    """A prompt in another fence would be a command that no test runs."""
    others = [fence.text for fence in fences(page.read_text()) if fence.language != "console"]
    assert [text for text in others if re.search(r"^\s*\$ ", text, re.MULTILINE)] == []


def inline(text):
    """The commands within sentences, tables and comments: what stands between backticks."""
    return re.findall(r"`(declarative [^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("page", [page for page in PAPERS if page.name not in WITH_OTHER_COMMANDS], ids=name)
def test_commands_within_sentences_can_be_called(page, tmp_path, monkeypatch):
    """They are read, not run: what they act on isn't there, and some are named without their arguments."""
    monkeypatch.chdir(tmp_path)
    for command in inline(page.read_text()):
        command = re.sub(r"\b(\w+)(?:\|\w+)+", r"\1", command)  # one of several words
        for folder in re.findall(r" -C (\S+)", command):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        with suppress(click.MissingParameter, click.BadOptionUsage, click.exceptions.Exit):
            parses(shlex.split(command.removesuffix("…"))[1:])


EXAMPLES = sorted((ROOT / "examples").glob("*/stack.yaml"))


def commented(text):
    """The commands that the comments of an example show, in order: indented ones, then those within sentences."""
    shown = re.findall(r"^ *#   (declarative .*?)(?:  .*)?$", text, re.MULTILINE)
    return [*shown[:-1], *re.findall(r"`(declarative [^`]+)`", text), *shown[-1:]]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_commands_in_the_comments_of_an_example_succeed(example, tmp_path):
    """The last one destroys what the others have made. Nobody is there to be asked, so a yes is added."""
    found = [one for one in commented(example.read_text()) if one != "declarative auth check"]
    assert found[-1] == "declarative destroy"
    shutil.copytree(example.parent, tmp_path / "stack")
    environ = surroundings(tmp_path, {"DECLARATIVE_SIMULATOR_SPEED": "inf"})
    asked = [f"{one} --auto-approve" if re.search(r" (apply|destroy)\b", one) else one for one in found]
    printed, errors = run(tmp_path / "stack", environ, asked)
    assert [one.code for one in printed] == [0] * len(asked), errors
