"""Prose in the width of a terminal."""

import pytest

from declarative.views.text import Span, Tone, line, plain
from declarative.views.wrapping import Prose, prose, width_of, wrapped

LONG = "    ! ProtectionGroup/shop: the old group is deleted before its replacement is created, unprotected meanwhile"


@pytest.mark.parametrize("width", [40, 60, 80])
def test_prose_is_broken_between_words_under_its_first_word(width):
    rows = plain(wrapped([prose(LONG)], width)).splitlines()
    assert len(rows) > 1
    assert all(len(row) <= width for row in rows)
    assert all(row.startswith("      ") and row[6] != " " for row in rows[1:])
    assert " ".join(row.strip() for row in rows) == LONG.strip()


@pytest.mark.parametrize(
    ("text", "indent"),
    [
        ("error: " + "word " * 30, 2),
        ("  ! " + "word " * 30, 4),
        ("        Next: " + "word " * 30, 10),
        ("    x " + "w " * 60, 6),
    ],
)
def test_continuation_hangs_below_the_words(text, indent):
    rows = plain(wrapped([prose(text)], 60)).splitlines()
    assert {len(row) - len(row.lstrip()) for row in rows[1:]} == {indent}


def test_what_fits_and_what_is_not_prose_stays_as_it_is():
    short, value = prose("short"), line(f"        name  {'x ' * 100}")
    assert list(wrapped([short, value], 80)) == [short, value]


def test_long_words_ids_and_commands_are_not_broken():
    identity, command = (
        "5fb92d6c-b0cb-46c9-824b-b90ec5500ae6" * 2,
        "`declarative state rm 'ProtectionGroup/shop[a b c d e f]'`.",
    )
    rows = plain(wrapped([prose(f"look at {identity} and run {command} then")], 40)).splitlines()
    assert any(identity in row for row in rows)
    assert any(command in row for row in rows)


def test_tones_stay_with_their_words():
    spans = Prose(
        (Span("    ! delete", Tone.REMOVE), Span(" ProtectionGroup/shop", Tone.STRONG), Span(": " + "word " * 20))
    )
    first, *rest = wrapped([spans], 50)
    assert [span.tone for span in first if span.text.strip()][:3] == [Tone.REMOVE, Tone.REMOVE, Tone.STRONG]
    assert {span.tone for row in rest for span in row if span.text.strip()} == {Tone.PLAIN}
    assert "ProtectionGroup/shop:" in plain([first])


def test_wide_characters_count_as_two_columns():
    assert (width_of("日本"), width_of("e\u0301"), width_of("ab")) == (4, 1, 2)
    rows = plain(wrapped([prose("日本 " * 30)], 40)).splitlines()
    assert all(width_of(row) <= 40 for row in rows)


def test_a_terminal_too_narrow_for_words_is_left_alone():
    assert list(wrapped([prose(LONG)], 20)) == [prose(LONG)]
