import csv
import json
import re
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest

from declarative.kinds import KINDS
from declarative.model import Call
from declarative.provider import explain_code
from declarative.provider.answers import Failure, Reply, judge


def _rows():
    text = resources.files("declarative.provider").joinpath("error_codes.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_every_code_is_in_the_table_once():
    codes = [row["code"] for row in _rows()]
    assert len(codes) == len(set(codes)) == 296


def test_every_row_is_whole():
    for row in _rows():
        assert row["http_status"] in {"400", "401", "403", "404", "405", "429", "500", "503"}
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


_GATEWAY = "0101 0103 0201 0301 0302 0303 0305 0306 0307 0308 0310 0401 0402 0501 0502 0613 0801 0802"
_IAM = "0001 0002 0003 0004 0012 0061 0062 0063 0064 0066 0067 0080 0081 0082 0083 1061 1104 1105 1106 1107 1108 1109"


@pytest.mark.parametrize(
    "code",
    [
        *(f"{prefix}.{number}" for prefix in ("APIGW", "APIG") for number in _GATEWAY.split()),
        *(f"IAM.{number}" for number in _IAM.split()),
    ],
)
def test_refusal_of_the_gateway_or_iam_says_what_to_do_next(code):
    entry = explain_code(code)
    assert entry is not None
    status = int(next(row["http_status"] for row in _rows() if row["code"] == entry.code))
    reply = Reply(status, json.dumps({"error_code": code, "error_msg": "their words"}).encode())
    failure = judge(reply, Call("GET", ("server-groups",)), gone=frozenset(), now=datetime.now(UTC))
    assert isinstance(failure, Failure)
    assert failure.error.fix == entry.remedy != ""
    assert f"{code} {entry.meaning}" in failure.error.summary


def test_every_code_of_iam_and_the_gateway_is_documented():
    page = (Path(__file__).parents[3] / "docs/sdrs-api.md").read_text()
    table = page[page.index("### Refusals of IAM and the gateway") :]
    found = set()
    for cell in re.findall(r"^\| ((?:IAM|APIGW)\.[^|]*) \|", table, re.MULTILINE):
        prefix = cell.partition(".")[0]
        for first, last in re.findall(r"(\d{4})(?: to (\d{4}))?", cell):
            found |= {f"{prefix}.{number:04}" for number in range(int(first), int(last or first) + 1)}
    assert found == {row["code"] for row in _rows() if not row["code"].startswith("SDRS.")}
