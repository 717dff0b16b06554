"""A secret shows itself to nobody, and can be taken out of a text that shows it."""

import json
import pickle
from urllib.parse import quote

import pytest

from declarative.provider.secret import Secret, redacted

VALUE = "s3cr\"t\\/ä'x"


def test_secret_shows_a_mask():
    secret = Secret(VALUE)
    assert VALUE not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


@pytest.mark.parametrize(
    "write",
    [
        str,
        repr,
        json.dumps,
        lambda text: json.dumps(text, ensure_ascii=False),
        lambda text: repr(text.encode()),
        lambda text: repr(json.dumps({"password": text}).encode()),
        lambda text: json.dumps(json.dumps(text)),
        lambda text: quote(text, safe=""),
    ],
    ids=["plain", "repr", "json", "json-in-utf-8", "bytes", "repr-of-a-body", "json-in-json", "url"],
)
@pytest.mark.parametrize("is_known", [True, False], ids=["known", "given"])
def test_secret_is_redacted_however_it_is_written(write, is_known):
    value = f"{VALUE}-{is_known}"
    if is_known:
        Secret(value)
    shown = redacted(f"before {write(value)} after", others=() if is_known else [value])
    assert "***" in shown
    assert "s3cr" not in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


def test_word_that_everybody_knows_is_not_redacted():
    Secret("tests-public-word", is_public=True)
    assert redacted("a tests-public-word") == "a tests-public-word"


def test_three_letters_are_not_redacted():
    Secret("abc")
    assert redacted("abcdef", others=["def"]) == "abcdef"
