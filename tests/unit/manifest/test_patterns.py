import re
import warnings

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from declarative.manifest.patterns import MAX_TEXT, BadPattern, compile_pattern

PARTS = st.sampled_from(["a", "b", "-", ".", "\\d", "\\W", "[ab]", "[^a]", "[a-c-]", "[\\d.]", "\\.", "^", "$"])


def grown(inner):
    pairs = st.tuples(inner, inner)
    counts = st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{0,2}", "*?"])
    return st.one_of(
        pairs.map("".join),
        pairs.map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, counts).map(lambda pair: f"({pair[0]}){pair[1]}"),
    )


@settings(max_examples=500, deadline=None)
@given(st.recursive(PARTS, grown, max_leaves=6), st.text("ab-1.", max_size=8))
def test_it_matches_what_python_matches(pattern, text):
    try:
        found = compile_pattern(pattern)
    except BadPattern:
        assume(False)  # quantifiers nested too deep
    assert found.matches(text) is bool(re.search(pattern, text))


CORPUS = [
    *(r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"^\S+$", "^a$", "$", "^", "^$", ".", "^.$", "$a", "a^", "(^a|b$)+"),
    *("[^a]", r"[\s]", r"[^\w]", "[a-]", "[-a]", "[[:alpha:]]", "[a[b]", "[a&&b]", "[$]", "[a^]", r"[+-\/]", "]", "}"),
    *(
        "a|",
        "|",
        "()",
        "(a|b|)*",
        "a{2}",
        "(ab){2,}",
        "a{0}",
        "a}b",
        "(?:a|b)*c",
        "a??b",
        "^(a|ab)(c|bcd)$",
        r"\$",
        r"\.",
    ),
    *(r"^([a-z]{1,63}\.){1,20}$", "(a{100}){100}", r"^(\d{1,3}\.){3}\d{1,3}$", r"^(\w{1,64}/){0,16}\w{1,64}$"),
]
TEXTS = [
    *(
        "",
        "a",
        "b",
        "ab",
        "aab",
        "ac",
        "abcd",
        "A",
        "5",
        "_",
        "z",
        "-",
        "/",
        ".",
        "]",
        "[",
        "a:]",
        "&&",
        "$",
        "^",
        "{",
        "}",
    ),
    *("a\n", "\na", "\n", "aab\n", "\r", "\t", "\x0b", "\x1c", "\x85", "\xa0", "\u2028", "\ufeff"),
    *("٣", "é", "K", "\u212a", "\u017f", "😀"),
    *("eu.shop.", "a" * 64 + ".", "x." * 20, "x." * 21, "10.0.0.255", "a/b/c", "a" * 256),
]


@pytest.mark.parametrize("pattern", CORPUS)
def test_every_pattern_of_the_corpus_means_what_it_means_to_python(pattern):
    """Read for ASCII, and with a `$` that stands at the very end alone."""
    with warnings.catch_warnings(action="ignore"):  # of `[[`, which Python may read otherwise some day
        python = re.compile(re.sub(r"(?<![\\[])\$", r"\\Z", pattern), re.ASCII)
    ours = compile_pattern(pattern)
    assert [text for text in TEXTS if ours.matches(text) is not bool(python.search(text))] == []


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("", "", True),
        ("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "5fb92d6c-b0cb-46c9-824b-b90ec5500ae6", True),
        ("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "5fb92d6c-b0cb-46c9-824b-b90ec5500ae6\n", False),
        ("^eu-(de|nl)$", "eu-nl", True),
        ("^[+-\\/]$", ".", True),
        ("^a\\n[\\t\\-]\\{$", "a\n\t{", True),
        ("^eu-(de|nl)$", "eu-ch", False),
        ("\\d", "٣", False),
        ("^[^]$", "]", None),
        ("^(a+)+$", "a" * 255 + "!", False),
        ("(a|a)" * 16 + "$", "a" * 255 + "!", False),
        ("a?" * 127 + "b", "a" * MAX_TEXT, False),
        ("(a?){1000}(a?){1000}b", "a" * MAX_TEXT, False),
    ],
)
def test_known_answers(pattern, text, matches):
    if matches is None:
        with pytest.raises(BadPattern):
            compile_pattern(pattern)
    else:
        assert compile_pattern(pattern).matches(text) is matches


@pytest.mark.parametrize(
    "pattern",
    [
        *("(", ")", "[", "[]", "a**", "*a", "a{2", "a{3,2}", "a{1001}", "a{x}", "\\", "\\q", "[\\q]", "[b-a]", "(?=a)"),
        *(
            "(?P<n>a)",
            "(a)\\1",
            "(((a*)*)*)",
            "(a)" * 17,
            "a" * 257,
            "a|b)",
            "a{,3}",
            "[a",
            "\\b",
            "(?i)a",
            "[a-",
            "a{",
        ),
    ],
)
def test_what_is_not_known_is_refused(pattern):
    with pytest.raises(BadPattern):
        compile_pattern(pattern)


@settings(max_examples=300, deadline=None)
@given(st.text("ab()[]{}*+?|^$\\-,0123.:d", max_size=20))
def test_any_text_is_read_as_a_pattern_or_refused(pattern):
    try:
        found = compile_pattern(pattern)
    except BadPattern:
        return
    assert found.matches("aab-1") in (True, False)
