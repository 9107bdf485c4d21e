"""Files of the spool: everything comes back, and damage is found."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from support.strategies import any_text

from eventstore.capture.spool_file import (
    MAGIC,
    Destination,
    Entry,
    encode_destination,
    encode_entries,
    read_records,
)
from eventstore.realtime.frames import DIRECTIONS, Frame

KEYS = st.text("0123456789abcdef", min_size=24, max_size=24)
FRAMES = st.builds(
    Frame,
    st.sampled_from(DIRECTIONS),
    st.one_of(any_text(), st.binary(max_size=300)),
    st.one_of(st.none(), st.integers(0, 2**55)),
)
ENTRIES = st.builds(Entry, KEYS, st.integers(1, 2**40), FRAMES, st.booleans())
DESTINATIONS = st.builds(
    Destination, KEYS, st.one_of(st.none(), st.text(max_size=30)), st.booleans()
)


def encoded(*records: Destination | Entry) -> bytes:
    return b"".join(
        encode_destination(record)
        if isinstance(record, Destination)
        else b"".join(encode_entries([record]))
        for record in records
    )


@given(st.lists(st.one_of(ENTRIES, DESTINATIONS)))
def test_records_come_back(records: list[Destination | Entry]) -> None:
    data = MAGIC + encoded(*records)
    found = list(read_records(io.BytesIO(data)))
    assert [read.record for read in found] == records
    assert not found or found[-1].end == len(data)


@given(st.lists(ENTRIES, min_size=1, max_size=5), st.data())
def test_a_file_that_is_cut_gives_what_is_whole(records: list[Entry], data: st.DataObject) -> None:
    whole = MAGIC + encoded(*records)
    cut = data.draw(st.integers(0, len(whole) - 1))
    found = [read.record for read in read_records(io.BytesIO(whole[:cut]))]
    kept = [record for record in found if record is not None]
    assert kept == records[: len(kept)]
    ends = [len(MAGIC) + len(encoded(*records[:count])) for count in range(len(records) + 1)]
    assert (None in found) == (cut not in ends)
    assert all(read.cut_off for read in read_records(io.BytesIO(whole[:cut])) if not read.record)


@given(st.lists(ENTRIES, min_size=1, max_size=5), st.data())
def test_a_changed_byte_is_found(records: list[Entry], data: st.DataObject) -> None:
    whole = bytearray(MAGIC + encoded(*records))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    reads = list(read_records(io.BytesIO(bytes(whole))))
    assert not any(read.cut_off for read in reads)
    found = [read.record for read in reads]
    assert found[-1] is None
    assert found[:-1] == records[: len(found) - 1]
