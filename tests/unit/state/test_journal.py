"""The journal's lines: whole batches or nothing, and no damage unseen."""

from __future__ import annotations

import re
from zlib import crc32

import pytest
import recorded as r
from hypothesis import given
from hypothesis import strategies as st

from declarative.errors import StateError
from declarative.model import Accepted, Address, Begun, Closed, Put
from declarative.state.journal import Batch, Broken, Journal, decode, encode_batch, encode_header
from declarative.state.shapes import Malformed
from declarative.state.snapshot import NewerFormat

BATCHES = (
    Batch(6, (Begun(r.operation()), r.put(1))),
    Batch(7, (Accepted("op-1", "job-1"),)),
    Batch(8, (Closed("op-1"), r.put(2), r.put(3))),
)
PARTS = [encode_header("a-lineage", after=5), *(encode_batch(batch.records, serial=batch.serial) for batch in BATCHES)]
WHOLE = b"".join(PARTS)


def read(data: bytes) -> Journal:
    return decode(data, source="journal.jsonl")


def line(text: str) -> bytes:
    data = text.encode("latin-1")
    return b"%08x %d %s\n" % (crc32(data), len(data), data)


def test_batches_read_back_as_they_were_written():
    assert read(WHOLE) == Journal("a-lineage", 5, BATCHES, len(WHOLE))


@given(st.lists(st.lists(r.records, min_size=1, max_size=3), max_size=4))
def test_any_records_read_back_as_they_were_written(batches):
    data = encode_header("l", after=0)
    for serial, records in enumerate(batches, 1):
        data += encode_batch(records, serial=serial)
    assert [list(batch.records) for batch in read(data).batches] == batches
    assert data.count(b"\n") == 1 + sum(map(len, batches))


def test_a_journal_cut_anywhere_gives_its_first_whole_batches():
    ends = [sum(map(len, PARTS[: count + 1])) for count in range(len(PARTS))]
    for length in range(len(WHOLE) + 1):
        whole = sum(end <= length for end in ends)
        found = read(WHOLE[:length])
        assert found.batches == BATCHES[: max(whole - 1, 0)]
        assert found.intact == (ends[whole - 1] if whole else 0)


def test_any_flipped_bit_is_damage_or_costs_the_last_batch_at_most():
    last = len(WHOLE) - len(PARTS[-1])
    for bit in range(8 * len(WHOLE)):
        flipped = bytearray(WHOLE)
        flipped[bit // 8] ^= 1 << bit % 8
        if bit // 8 < last:
            with pytest.raises(StateError):
                read(bytes(flipped))
        else:
            assert read(bytes(flipped)).batches == BATCHES[:-1]


def test_remains_of_the_last_batch_may_lie_in_any_order():
    lines = PARTS[3].splitlines(keepends=True)
    assert read(b"".join([*PARTS[:3], b"\0" * len(lines[0]), b"\n", *lines[1:]])).batches == BATCHES[:2]


@pytest.mark.parametrize(
    ("data", "offset", "serial"),
    [
        pytest.param(b"".join([PARTS[0], PARTS[2], PARTS[3]]), len(PARTS[0]), 5, id="first-batch-missing"),
        pytest.param(b"".join([*PARTS[:2], PARTS[3]]), len(PARTS[0] + PARTS[1]), 6, id="middle-batch-missing"),
        pytest.param(b"".join([*PARTS[:2], b"\n", *PARTS[2:]]), len(PARTS[0] + PARTS[1]), 6, id="line-between"),
        pytest.param(b"".join(PARTS[1:]), 0, 0, id="header-missing"),
    ],
)
def test_damage_before_the_last_batch_is_refused_and_tells_how_far_all_is_well(data, offset, serial):
    damaged = data if offset else b"x" + WHOLE
    with pytest.raises(Broken) as caught:
        read(damaged)
    assert (caught.value.offset, caught.value.serial) == (offset, serial)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(line("{}"), "no header", id="no-header"),
        pytest.param(line('{"format":"declarative.journal/1"}'), "lacks 'after'", id="half-a-header"),
        pytest.param(line("[]"), "aren't JSON objects", id="array"),
        pytest.param(line("{"), "aren't JSON objects", id="no-json"),
        pytest.param(line("\xff"), "aren't JSON objects", id="no-utf-8"),
        pytest.param(PARTS[0] + line('{"serial":6}'), "line 2: 'type' must be a text", id="no-type"),
        pytest.param(PARTS[0] + line('{"serial":6,"type":"x"}'), "the type x is unknown", id="unknown-type"),
        pytest.param(PARTS[0] + line('{"serial":6,"type":"closed"}'), "lacks 'operation'", id="half-a-record"),
        pytest.param(
            PARTS[0] + line('{"serial":6,"type":"closed","operation":"o","x":1}'), "unknown field 'x'", id="more"
        ),
    ],
)
def test_whole_lines_that_are_not_ours_are_refused(data, message):
    with pytest.raises(StateError, match=re.escape(message)) as caught:
        read(data)
    assert caught.value.fix


def test_a_later_format_is_refused_with_both_versions():
    with pytest.raises(NewerFormat, match=r"journal/2.*journal/1"):
        read(line('{"after":0,"format":"declarative.journal/2","lineage":"x"}'))


def test_a_record_that_could_not_be_read_again_is_not_written():
    with pytest.raises(Malformed, match=r"a\\x0ab"):
        encode_batch([Put(r.resource(Address("ProtectionGroup", "a\nb")))], serial=1)
