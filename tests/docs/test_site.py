"""The site of docs/: built strictly and without a network, it loads nothing from elsewhere and has every page."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOADING = {  # elements that load something, and by which attribute; a link is followed by the reader alone
    **dict.fromkeys(("audio", "embed", "iframe", "img", "input", "script", "source", "track", "video"), "src"),
    "link": "href",
    "object": "data",
    "use": "href",
    "image": "href",
}
# Not loaded: what Material does for a diagram or for an old browser, and for a repository that mkdocs.yml doesn't name.
NOT_CALLED = {"unpkg.com/mermaid", "unpkg.com/resize-observer-polyfill", "api.github.com", "${"}
MAX_PAGE = 2_000_000  # bytes


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stderr
    return folder


def build(root, folder):
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": ""}
    command = [sys.executable, "-m", "mkdocs", "build", "--config-file", str(root / "mkdocs.yml")]
    return subprocess.run([*command, "--site-dir", str(folder)], env=environ, capture_output=True, text=True)


class Loaded(HTMLParser):
    """Addresses that a page loads by itself, and the texts of its scripts and styles."""

    def __init__(self):
        super().__init__()
        self.addresses, self.classes = [], set()

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.classes |= set((values.get("class") or "").split())
        if tag in LOADING and values.get(LOADING[tag]) and values.get("rel") not in ("canonical", "next", "prev"):
            self.addresses.append(values[LOADING[tag]])
        if "srcset" in values:
            self.addresses.append(values["srcset"])


def looked_at(page):
    parser = Loaded()
    parser.feed(page.read_text())
    return parser


def pages(site):
    return sorted(site.rglob("*.html"))


def test_pages_load_nothing_from_elsewhere(site):
    assert len(pages(site)) > 50
    far = {page.name: found for page in pages(site) if (found := far_addresses(looked_at(page).addresses))}
    assert far == {}


def far_addresses(addresses):
    return [one for one in addresses if re.match(r"(?:[a-z]+:)?//", one)]


def test_what_pages_load_is_there(site):
    for page in (one for one in pages(site) if one.name != "404.html"):  # that one is served at any address
        for address in looked_at(page).addresses:
            if not address.startswith("data:"):
                assert (page.parent / re.split(r"[?#]", address)[0]).exists(), f"{page.name} loads {address}"


def test_styles_and_pictures_load_nothing_from_elsewhere(site):
    styles = [*site.rglob("*.css"), *site.rglob("*.svg")]
    assert len(styles) > 3
    loading = r"url\(\s*[\"']?(?:https?:)?//|@import|<script|(?:xlink:)?href=[\"'](?:https?:)?//"
    assert [one.name for one in styles if re.search(loading, one.read_text())] == []


def test_scripts_name_no_other_address_than_those_that_are_never_called(site):
    scripts = [one for one in (site / "assets").rglob("*.js") if "lunr" not in one.parts]
    texts = {one.name: re.findall(r"[\"'`](?:https?:)?//([^\"'`]+)", one.read_text()) for one in scripts}
    called = {name: [one for one in found if not one.startswith(tuple(NOT_CALLED))] for name, found in texts.items()}
    assert {name: found for name, found in called.items() if found} == {}
    assert not any(looked_at(page).classes & {"mermaid", "md-source"} for page in pages(site))


def test_every_fence_became_a_block(site):
    """A fence with words that Markdown doesn't know would swallow what follows it."""
    texts = {page.name: re.findall(r"<p>[^<]*```.*", page.read_text()) for page in pages(site)}
    assert {name: found for name, found in texts.items() if found} == {}


def test_the_search_has_its_index_beside_it(site):
    """Behind `file:` nothing can be fetched, so the index is a script, and worker.js stands in for a worker."""
    assert (site / "search" / "search_index.js").read_text().startswith("var __index = {")
    assert (site / "assets" / "worker.js").exists()
    assert "assets/worker.js" in looked_at(site / "index.html").addresses


def test_every_page_of_the_docs_is_on_the_site(site):
    sources = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    built = [site / path.with_suffix(".html") for path in sources if path.name != "README.md"]
    assert [str(path) for path in built if not path.exists()] == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("[no page](nowhere.md)", "nowhere.md"),
        ("[no heading](tutorial.md#nowhere)", "#nowhere"),
        ("[a folder](stores)", "stores"),
    ],
    ids=["page", "heading", "unrecognized"],
)
def test_a_link_that_leads_nowhere_fails_the_build(line, complaint, tmp_path):
    for name in ("docs", "examples", "schemas"):
        copied(ROOT / name, tmp_path / name)
    for name in ("mkdocs.yml", "CHANGELOG.md", "CONTRIBUTING.md", "Containerfile"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    with (tmp_path / "docs" / "index.md").open("a") as page:
        page.write(f"\n{line}\n")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    assert complaint in done.stderr


def copied(source, target):
    for path in source.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(source)).write_bytes(path.read_bytes())
