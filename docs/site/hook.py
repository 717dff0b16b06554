"""What the site has and docs/ lacks: papers, schemas and examples beside it, and links that fit their new places."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
PAPERS = ("CHANGELOG.md", "CONTRIBUTING.md")
FILES = ("Containerfile", *(f"schemas/{path.name}" for path in sorted((ROOT / "schemas").glob("*.json"))))
EXAMPLES = "examples.md"
_LANGUAGES = {".yaml": "yaml", ".yml": "yaml", ".sh": "sh", ".py": "python"}
_NO_RUN = re.compile(r"^(```\w+) no-run=\S+$", re.MULTILINE)
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_WORKER, _STYLE = "assets/worker.js", "assets/site.css"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take our own stand-in for a worker; the plugin `offline` would load one from elsewhere."""
    config.extra["polyfills"] = [_WORKER]
    config.extra_css.append(_STYLE)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and files that lie beside docs/."""
    for name in PAPERS:
        files.append(File.generated(config, name, content=(ROOT / name).read_text()))
    for name in FILES:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    for asset in (_WORKER, _STYLE):
        files.append(File.generated(config, asset, abs_src_path=str(Path(__file__).with_name(Path(asset).name))))
    files.append(File.generated(config, EXAMPLES, content="\n".join(_examples())))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead the links out of docs/ to where their targets are on the site. Why a fence is not run is for the tests."""
    source = page.file.src_uri
    home = posixpath.dirname(source if source in PAPERS or source == EXAMPLES else f"docs/{source}")

    def moved(link: re.Match[str]) -> str:
        if re.match(r"[a-z]+:|#", link[2]):
            return link[0]
        target, hash_sign, anchor = link[2].partition("#")
        place = _on_the_site(posixpath.normpath(posixpath.join(home, target)))
        return f"{link[1]}{posixpath.relpath(place, posixpath.dirname(source) or '.')}{hash_sign}{anchor}{link[3]}"

    markdown = _NO_RUN.sub(r"\1", markdown)
    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else _LINK.sub(moved, part) for part in parts)


def _on_the_site(path: str) -> str:
    if path == "examples":
        return EXAMPLES
    if path == "README.md":
        return "index.md"
    if path.startswith("examples/"):
        return f"{EXAMPLES}#{path.split('/')[1]}"
    return path.removeprefix("docs/")


def _examples() -> Iterator[str]:
    """The page of examples: every file of each, the settings first."""
    yield "# Examples\n\nWhole stacks to copy. Stacks run on the embedded simulator, and the tests run them.\n"
    for folder in sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir()):
        yield f"## {folder.name}\n"
        files = (path for path in folder.rglob("*") if path.suffix in _LANGUAGES and path.is_file())
        for path in sorted(files, key=lambda path: (path.name != "stack.yaml", path)):
            language = _LANGUAGES[path.suffix]
            yield f"`{path.relative_to(folder)}`:\n\n```{language}\n{path.read_text().rstrip()}\n```\n"
