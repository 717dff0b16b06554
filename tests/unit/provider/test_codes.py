import csv
from importlib import resources

import pytest

from declarative.kinds import KINDS
from declarative.provider import explain_code


def _rows():
    text = resources.files("declarative.provider").joinpath("error_codes.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_every_code_is_in_the_table_once():
    codes = [row["code"] for row in _rows()]
    assert len(codes) == len(set(codes)) == 258


def test_every_row_is_whole():
    for row in _rows():
        assert row["http_status"] in {"400", "401", "404", "429", "500"}
        assert row["meaning"] == row["meaning"].strip() != ""
        assert row["remedy"] == "" or row["remedy"].endswith(".")


@pytest.mark.parametrize(
    "code",
    [
        *("APIGW.0301", "APIGW.0308", "SDRS.0001", "SDRS.0002", "SDRS.0004", "SDRS.0202", "SDRS.0305", "SDRS.0306"),
        *("SDRS.0405", "SDRS.0408", "SDRS.1001", "SDRS.1002", "SDRS.1003", "SDRS.1010", "SDRS.1013", "SDRS.1014"),
    ],
)
def test_codes_of_groups_jobs_quotas_and_credentials_say_what_to_do(code):
    entry = explain_code(code)
    assert entry is not None
    assert entry.remedy


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_codes_that_the_program_acts_on_say_what_to_do(kind):
    groups = (
        kind.codes.gone,
        kind.codes.look_again,
        kind.codes.wait,
        kind.codes.status,
        kind.codes.exists,
    )
    for code in frozenset().union(*groups):
        entry = explain_code(code)
        assert entry is not None
        assert entry.remedy, code


# The codes of docs/sdrs-api.md for calls about members, their tags and their drills, and for their failed jobs.
_MEMBERS = {
    "servers": "1303 1304 1305 1321 1322 1326 1333 1336 1339 1353 1356 1357 1358 1359",
    "instances": "1323 1324 1325 1334 1335 1350 1351",
    "deleting-instances": "1301 1307 1320 1330 1331 1338 1351 1354 1355",
    "attachments": "1024 1314 1316 1328 1601 1603 1604 1605 1608 1611 1807 1808 1821 1822",
    "resizing": "1316 1319 1328 1329 1341 1342 1353 1356 1376 1377",
    "pairs": "0211 0225 0306 1606 1609 1801 1802 1806 1809 1810 1811 1812 1825 1826 1831",
    "deleting-pairs": "0214 1605 1607 1608 1611 1813 1827 1828",
    "growing-pairs": "0214 1814 1816 1817 1818 1819 1820 1832",
    "drills": "1900 1902 1907 1908 1909 1910 1913 1921 1922 1923 1925 1926 1928 1929 1930",
    "tags": "2203 2204 2205 2207 2208 2209 2221 2222",
}


@pytest.mark.parametrize("codes", _MEMBERS.values(), ids=list(_MEMBERS))
def test_codes_of_members_say_what_to_do(codes):
    entries = [explain_code(f"SDRS.{number}") for number in codes.split()]
    assert [entry.code for entry in entries if not entry.remedy] == []


def test_an_unknown_code_is_not_explained():
    assert explain_code("SDRS.9999") is None
