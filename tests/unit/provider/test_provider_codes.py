import csv
from importlib import resources

import pytest

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


def test_an_unknown_code_is_not_explained():
    assert explain_code("SDRS.9999") is None
