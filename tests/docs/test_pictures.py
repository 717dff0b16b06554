"""The pictures of the documentation: made by the script from real runs, and of what this version prints."""

import html
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "docs" / "pictures"
sys.path.insert(0, str(PLACE))

import make  # noqa: E402
from terminal import Terminal, svg  # noqa: E402

# What differs from run to run: ids, times, how far a run is, and how many spaces that leaves.
_MASKS = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]+|\b(?:[0-9a-f]{32}){1,2}\b", "<id>"),
    (r"\d+\.\d s|\b\d+s\b|about \S+ left", "<time>"),
    (r"[━╌]+ \d+/\d+", "<bar>"),
    (r" (creating|enabling|RUNNING|INIT|renaming)\b", " <doing>"),
)


def words(text):
    """The kinds of lines of a picture, in no order: what steps do at the same time differs from run to run."""
    lines = [html.unescape(re.sub(r"<[^>]*>", "", line)) for line in re.findall(r"<text .*?</text>", text)]
    for pattern, mask in _MASKS:
        lines = [re.sub(pattern, mask, line) for line in lines]
    return {re.sub(r"\S+/\S+", "<address>", line).strip(" ,") for line in lines} - {""}


@pytest.mark.parametrize("name", make.PICTURES)
def test_picture_shows_what_this_version_prints(tmp_path, name):
    make.main(tmp_path, [name])
    made, kept = (tmp_path / f"{name}.svg").read_text(), (PLACE / f"{name}.svg").read_text()
    if name == "board":  # caught in the middle: lines of the same forms, not the same ones
        assert "<bar>" in " ".join(words(kept))
        assert "<bar>" in " ".join(words(made))
        assert len(words(made) & words(kept)) >= 4
        return
    assert words(made) == words(kept), "python docs/pictures/make.py makes them anew"


@pytest.mark.parametrize("name", make.PICTURES)
def test_picture_needs_nothing_from_elsewhere_and_is_shown(name):
    text = (PLACE / f"{name}.svg").read_text()
    root = ElementTree.fromstring(text)
    assert {one.tag.rpartition("}")[2] for one in root.iter()} <= {
        "svg",
        "title",
        "rect",
        "path",
        "circle",
        "g",
        "text",
    }
    assert not re.search(r"href|url\(|@font-face|<style|<script", text)
    assert text.count("http") == text.count("http://www.w3.org/2000/svg") == 1
    assert f"pictures/{name}.svg" in (ROOT / "docs" / "terminal.md").read_text()


def test_terminal_draws_over_what_was_there():
    terminal = Terminal(20)
    terminal.feed("\x1b[?25lone\r\ntwo\x1b[1A\r\x1b[2Knew\x1b[1mbold\x1b[0m\r\n")
    assert terminal.text() == ["newbold", "two"]
    assert [cell.style for cell in terminal.rows[0]] == [frozenset()] * 3 + [frozenset({"1"})] * 4


def test_terminal_breaks_lines_at_its_width():
    terminal = Terminal(4)
    terminal.feed("abcdef")
    assert terminal.text() == ["abcd", "ef"]


@pytest.mark.parametrize("text", ["\x1b[5S", "\x1b]0;title\x07"])
def test_terminal_refuses_what_it_can_not_draw(text):
    with pytest.raises(ValueError, match="unknown control sequence"):
        Terminal(20).feed(text)


def test_picture_depends_on_no_space_that_a_browser_may_drop():
    terminal = Terminal(20)
    terminal.feed("    id      (later)\r\n")
    drawn = re.findall(r'<text x="([\d.]+)"[^>]*>([^<]*)<', svg(terminal, ""))
    assert drawn[1:] == [("49.6", "id"), ("116.8", "(later)")]


def test_picture_escapes_what_was_printed():
    terminal = Terminal(20)
    terminal.feed("<script>&\r\n")
    assert "&lt;script&gt;&amp;" in svg(terminal, "<title>")
    ElementTree.fromstring(svg(terminal, "<title>"))
