"""What was sent to authorize a request is taken out of its answer, however the answer writes it."""

import json

import pytest

from declarative.provider.answers import Reply
from declarative.provider.masking import masked
from declarative.provider.wire import Message

TOKEN = "MIIFcanary+token/0123456789=="
SIGNED = (
    "SDK-HMAC-SHA256 Access=AKCANARY0123456789AB, SignedHeaders=host;x-project-id;x-sdk-date,"
    " Signature=5a1bcanary0123456789abcdef"
)


def message(*headers, secrets=()):
    sent = [(b"Host", b"sdrs.example.com"), *((name.encode(), value.encode()) for name, value in headers)]
    return Message("GET", "/v1/p1/server-groups", sent, b"", 1.0, secrets=secrets)


def body_of(text, *, sent=None, status=400):
    reply = masked(Reply(status, text.encode()), sent or message(("X-Auth-Token", TOKEN)))
    return reply.body.decode()


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    "written",
    [
        TOKEN,
        TOKEN.replace("/", r"\/"),
        TOKEN.replace("=", r"\u003d").replace("+", r"\u002B"),
        f"twice {TOKEN} and {TOKEN}",
    ],
)
def test_token_is_masked_as_json_may_write_it(written, status):
    shown = body_of(f'{{"error":{{"message":"{written}","code":"X"}}}}', status=status)
    assert "***" in json.loads(shown)["error"]["message"]
    assert "canary" not in shown


@pytest.mark.parametrize(("name", "value"), [("X-Security-Token", TOKEN), ("x-auth-token", TOKEN)])
def test_headers_that_hold_secrets_are_known_in_any_case(name, value):
    assert body_of(f"refused: {value}", sent=message((name, value))) == "refused: ***"


def test_key_and_signature_are_masked_and_the_names_of_signed_headers_are_not():
    words = f"verify aksk signature fail: {SIGNED}"
    shown = body_of(words, sent=message(("Authorization", SIGNED)))
    assert "canary" not in shown.lower()
    assert "SignedHeaders=host;x-project-id;x-sdk-date" in shown


def test_project_of_a_signed_request_is_not_masked():
    sent = message(("Authorization", SIGNED), ("X-Project-Id", "0605767b5780d5762fc5c0118072a564"))
    assert "0605767b" in body_of("project 0605767b5780d5762fc5c0118072a564", sent=sent)


def test_secret_of_a_body_is_masked_in_a_refusal():
    sent = message(secrets=(b"hunter2", b"012345"))
    assert body_of("user anna with hunter2 and 012345", sent=sent) == "user anna with *** and ***"


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("kept", [16, 20, len(TOKEN) - 1])
def test_token_that_is_cut_where_it_is_repeated_is_masked_to_its_end(kept, status):
    assert body_of(f'{{"message":"{TOKEN[:kept]}..."}}', status=status) == '{"message":"***..."}'


def test_secret_that_is_not_ascii_is_masked_as_json_may_write_it():
    sent = message(secrets=("geheim-ä-😀-é".encode(),))
    assert body_of('"geheim-ä-😀-é"', sent=sent) == '"***"'
    assert body_of(json.dumps("geheim-ä-😀-é"), sent=sent) == '"***"'
    assert body_of(json.dumps("geheim-ä-😀-é").replace("00E4", "00e4"), sent=sent) == '"***"'


def test_short_secret_is_left_in_a_good_answer():
    # A group may be called what somebody's password is; a plan must see its name as it is.
    sent = message(secrets=(b"hunter2",))
    assert body_of('{"name":"hunter2"}', sent=sent, status=200) == '{"name":"hunter2"}'


def test_secret_of_three_letters_is_part_of_any_text():
    assert body_of("shop", sent=message(secrets=(b"sho",))) == "shop"


def test_secret_without_letters_is_masked():
    assert body_of("a --==++// b", sent=message(secrets=(b"--==++//",))) == "a *** b"


def test_request_id_is_masked_and_a_new_token_is_not():
    reply = Reply(201, b"{}", {"x-request-id": f"id-{TOKEN}", "x-subject-token": TOKEN})
    found = masked(reply, message(("X-Auth-Token", TOKEN)))
    assert found.request_id == "id-***"
    assert found.headers["x-subject-token"] == TOKEN


def test_message_shows_no_secret():
    assert "canary" not in repr(message(("X-Auth-Token", TOKEN), secrets=(b"canary",)))
