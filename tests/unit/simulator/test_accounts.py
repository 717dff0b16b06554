"""The file of accounts: how it is read, and what is wrong with one."""

import pytest

from declarative.simulator import User, UserStatus, load_accounts
from declarative.simulator.accounts import decode
from tests.scaffold.accounts import PEOPLE

WHOLE = """
project: eu-de_shop
accounts: [{name: BANK}, {name: PARTNER, id: there}]
projects: [{name: eu-de, account: PARTNER}]
users:
  - {name: ada, password: correct horse}
  - {name: ada, password: other, account: there, id: ada-there, status: disabled, passcodes: ["123456"]}
access_keys: [{access: AK, secret: SK, user: ada-there, status: inactive}]
application_credentials: [{name: ci, secret: s, user: ada-there}]
agencies: [{name: dr, trusted: PARTNER}]
"""
TWO_OF_A_NAME = """
accounts: [{name: A}, {name: B}]
users: [{name: u, password: p}, {name: u, password: p, account: B}]
access_keys: [{access: a, secret: s, user: u}]
"""


@pytest.fixture
def load(tmp_path):
    def loader(text):
        (tmp_path / "accounts.yaml").write_text(text)
        return load_accounts(tmp_path / "accounts.yaml")

    return loader


def test_a_file_is_read(load):
    found = load(WHOLE)
    bank, partner = found.accounts
    assert (bank.name, partner.id, found.project) == ("BANK", "there", "eu-de_shop")
    ada = User("ada-there", "ada", "there", "other", UserStatus.DISABLED, ("123456",))
    assert found.users[1] == ada
    assert found.users[0].account == bank.id
    assert [(key.access, key.user, key.status) for key in found.access_keys] == [("AK", "ada-there", "inactive")]
    assert [(one.account, one.trusted) for one in found.agencies] == [(bank.id, "there")]
    assert [one.account for one in found.projects] == ["there"]
    assert found.application_credentials[0].user == "ada-there"


def test_ids_that_are_left_out_are_the_same_each_time(load):
    assert load(WHOLE) == load(WHOLE)
    assert len({one.id for one in load(WHOLE).users}) == 2


def test_what_is_written_down_is_read_again(load):
    for known in (PEOPLE, load(WHOLE)):
        assert decode(known.encode()) == known


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the file must be a map"),
        ("users: []", "at least one account"),
        ("accounts: [{name: A}]\nuser: []", "unknown field 'user'"),
        ("accounts: [{name: A}, {name: A, id: b}]", "accounts has 'A' twice"),
        ("accounts: [{name: A, id: a}, {name: B, id: a}]", "accounts has 'B' twice"),
        ("accounts: [{name: A}]\nusers: [{name: u}]", "users[1].password must be text"),
        (
            "accounts: [{name: A}]\nusers: [{name: u, password: p, account: B}]",
            "users[1].account is 'B': there is none",
        ),
        (
            "accounts: [{name: A}]\nusers: [{name: u, password: p, status: off}]",
            "users[1].status must be one of active",
        ),
        ("accounts: [{name: A}]\nusers: [{name: u, password: p, passcodes: [123456]}]", "put each in quotes"),
        ("accounts: [{name: A}]\naccess_keys: [{access: a, secret: s, user: u}]", "access_keys[1].user is 'u'"),
        ("accounts: [{name: A}]\nagencies: [{name: dr}]", "agencies[1].trusted must be text"),
        (
            TWO_OF_A_NAME,
            "there are 2 of that name, give the id",
        ),
        ("accounts: [", "isn't YAML at line 1"),
    ],
)
def test_what_is_wrong_is_told(load, text, why):
    with pytest.raises(ValueError) as caught:
        load(text)
    assert why in str(caught.value)
    assert "accounts.yaml" in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"none\.yaml' can't be read"):
        load_accounts(tmp_path / "none.yaml")
