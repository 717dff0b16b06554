"""The journal's lines: whole batches or nothing, and no damage unseen."""

from __future__ import annotations

import re
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from declarative.errors import StateError
from declarative.model import Accepted, Address, Begun, Closed, Put
from declarative.state.journal import Batch, Broken, Journal, decode, encode_batch, encode_header
from declarative.state.snapshot import NewerFormat
from declarative.typed_json import Malformed
from tests.scaffold import recorded as r

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


LAST = len(WHOLE) - len(PARTS[-1])


def outcome(data: bytes) -> str:
    """What becomes of a journal: "same", "dropped", which is its last batch, or "refused"; there is nothing else."""
    broken = None
    try:
        found = read(data)
    except Broken as error:
        broken = error
    if broken is not None:
        assert broken.whole.batches == BATCHES[: len(broken.whole.batches)]
        assert broken.offset in (0, *ENDS)
        return "refused"
    assert found.batches in (BATCHES, BATCHES[:-1])
    return "same" if found.batches == BATCHES else "dropped"


ENDS = [sum(map(len, PARTS[: count + 1])) for count in range(len(PARTS))]


def expected(place: int, byte: int) -> str:
    """Only a NUL in the last batch is what a crash may have left."""
    return "dropped" if byte == 0 and place >= LAST else "refused"


def test_any_flipped_bit_is_damage_unless_it_makes_a_nul_in_the_last_batch():
    for bit in range(8 * len(WHOLE)):
        flipped = bytearray(WHOLE)
        flipped[bit // 8] ^= 1 << bit % 8
        assert outcome(bytes(flipped)) == expected(bit // 8, flipped[bit // 8]), bit


@pytest.mark.parametrize("byte", [*b'\0\n x0fg{}"', 0x7F, 0xFF], ids=hex)
def test_any_byte_in_place_of_another_is_damage_unless_it_is_a_nul_in_the_last_batch(byte):
    for place, written in enumerate(WHOLE):
        changed = bytearray(WHOLE)
        changed[place] = byte
        assert outcome(bytes(changed)) == ("same" if byte == written else expected(place, byte)), place


def test_any_hole_of_zeros_in_the_last_batch_drops_it():
    for begin in range(LAST, len(WHOLE)):
        for size in (1, 2, 13, 64, 512):
            hole = WHOLE[:begin] + bytes(min(size, len(WHOLE) - begin)) + WHOLE[begin + size :]
            assert outcome(hole) == "dropped", (begin, size)
            assert outcome(hole[: begin + size]) == "dropped", (begin, size)


def test_any_hole_of_zeros_that_begins_before_the_last_batch_is_damage_unless_nothing_follows_it():
    for begin in range(LAST):
        for size in (1, 13, 64, 512):
            hole = WHOLE[:begin] + bytes(min(size, len(WHOLE) - begin)) + WHOLE[begin + size :]
            try:
                found = read(hole)
            except Broken:
                continue
            assert begin + size > LAST or found.torn == 8, (begin, size)
            assert found.batches == BATCHES[: len(found.batches)]


def test_any_byte_lost_or_added_is_damage_but_for_the_last():
    for place in range(len(WHOLE)):
        lost = WHOLE[:place] + WHOLE[place + 1 :]
        assert outcome(lost) == ("dropped" if place == len(WHOLE) - 1 else "refused"), place
        for more in (b"x", b"\n", b"7"):
            changed = WHOLE[:place] + more + WHOLE[place:]
            assert outcome(changed) == "refused", (place, more)


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"\n", id="empty-line"),
        pytest.param(b"x", id="one-letter"),
        pytest.param(b"garbage\n", id="line"),
        pytest.param(b"<html>\0\0\0\0\0\0\0\0\0\0\0\0", id="html-and-zeros"),
        pytest.param(b"\0\n", id="a-line-too-short"),
        pytest.param(b"0123abcd 12 [1]", id="no-object"),
        pytest.param(b"0123abcd 02 {", id="a-length-of-another-form"),
        pytest.param(b"0123ABCD 12 {", id="a-checksum-of-another-form"),
        pytest.param(b"0123abcd 12 {\x1b[31m", id="an-escape"),
        pytest.param(line('{"serial":8,"type":"closed","operation":"o"}')[:-1], id="an-earlier-serial"),
        pytest.param(line('{"serial":10,"type":"closed","operation":"o"}')[:-1], id="a-later-serial"),
        pytest.param(line('{"serial":9.0}')[:-1], id="a-serial-that-is-none"),
        pytest.param(line('{"last":true,"serial":9}')[:-1] + b"\0" + line("{}"), id="behind-the-last-of-a-batch"),
        pytest.param(line('{"serial":9}') + PARTS[3], id="another-batch-behind-a-torn-one"),
        pytest.param(line('{"serial":9}')[:-1] + b"!\n", id="a-newline-that-is-another-byte"),
        pytest.param(line('{"serial":9}')[:-1] + b"\0\n", id="a-newline-too-many"),
    ],
)
def test_garbage_behind_the_last_batch_is_damage(garbage):
    with pytest.raises(Broken) as caught:
        read(WHOLE + garbage)
    assert (caught.value.offset, caught.value.serial) == (len(WHOLE), 8)
    assert caught.value.whole.batches == BATCHES


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(b"\0" * 4096, id="zeros"),
        pytest.param(line('{"serial":9}')[:-1], id="all-but-the-newline"),
        pytest.param(line('{"serial":9}')[:-1] + b"\0" + line('{"last":true,"serial":9}'), id="no-newline-between"),
        pytest.param(b"\0" * 8 + line('{"last":true,"serial":9}')[8:], id="no-checksum"),
        pytest.param(line('{"last":true,"serial":9}')[:10] + b"\0" * 6, id="nothing-but-the-head"),
    ],
)
def test_what_is_missing_or_nul_behind_the_last_batch_is_dropped(tail):
    assert read(WHOLE + tail) == Journal("a-lineage", 5, BATCHES, len(WHOLE))


FIRST = PARTS[0] + PARTS[1]


def test_the_first_batch_is_torn_with_its_header():
    for begin in range(len(PARTS[0])):
        found = read(FIRST[:begin] + bytes(len(PARTS[0]) - begin) + PARTS[1])
        assert (found.batches, found.intact, found.torn) == ((), 0, 6)
    assert read(bytes(len(FIRST))) == Journal()
    assert read(PARTS[0][:-1] + b"\0" + PARTS[1]).torn == 6


def test_no_other_batch_is_torn_with_the_header():
    with pytest.raises(Broken):
        read(bytes(len(PARTS[0])) + WHOLE[len(PARTS[0]) :])


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
        pytest.param(line("[]"), "damaged in line 1", id="array"),
        pytest.param(line("{"), "damaged in line 1", id="no-json"),
        pytest.param(line("\xff"), "damaged in line 1", id="no-utf-8"),
        pytest.param(PARTS[0] + line('{"serial":6},{"serial":6}'), "damaged in line 2", id="two-in-one-line"),
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
