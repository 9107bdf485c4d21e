"""Files of the spool: everything comes back, and damage is found."""

from __future__ import annotations

import io
import json
import struct
import zlib

from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.strategies import any_text, json_values

from eventstore.capture.recorder.spool.spool_format import (
    MAGIC,
    Entry,
    TargetSession,
    encode_entries,
    encode_target,
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
    TargetSession, KEYS, st.one_of(st.none(), st.text(max_size=30)), st.booleans()
)


def encoded(*records: TargetSession | Entry) -> bytes:
    return b"".join(
        encode_target(record)
        if isinstance(record, TargetSession)
        else b"".join(encode_entries([record]))
        for record in records
    )


@given(st.lists(st.one_of(ENTRIES, DESTINATIONS)))
def test_records_come_back(records: list[TargetSession | Entry]) -> None:
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


@examples(500)
@given(
    st.lists(st.one_of(ENTRIES, DESTINATIONS), min_size=1, max_size=5),
    st.lists(
        st.tuples(
            st.sampled_from(["flip", "cut", "insert", "copy"]), st.integers(0, 2**20), st.binary()
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_a_file_that_was_changed_gives_records_and_no_error(
    records: list[TargetSession | Entry], changes: list[tuple[str, int, bytes]]
) -> None:
    data = bytearray(MAGIC + encoded(*records))
    for kind, place, more in changes:
        at = place % (len(data) or 1)
        if kind == "flip" and data:
            data[at] ^= 1 << place % 8
        elif kind == "cut":
            del data[at : at + len(more)]
        elif kind == "insert":
            data[at:at] = more
        else:
            data[at:at] = data[: len(more)]
    found = list(read_records(io.BytesIO(bytes(data))))
    assert all(read.record is not None for read in found[:-1])
    assert all(read.end <= len(data) for read in found)


@given(
    st.one_of(
        st.binary(max_size=80), json_values().map(lambda value: b"d" + json.dumps(value).encode())
    )
)
def test_a_crafted_record_with_a_right_checksum_is_a_record_or_damage(body: bytes) -> None:
    for begun in (b"", b"f", b"d"):
        data = MAGIC + sealed(begun + body)
        (found,) = read_records(io.BytesIO(data))
        assert found.record is None or found.end == len(data)


def sealed(body: bytes) -> bytes:
    return struct.pack("<III", len(body), len(body) ^ 0xFFFFFFFF, zlib.crc32(body)) + body


class Counting(io.BytesIO):
    """Notes how much is asked for at once."""

    most = 0

    def read(self, size: int | None = -1) -> bytes:
        self.most = max(self.most, size or 0)
        return super().read(size)


def test_a_length_without_end_takes_no_memory() -> None:
    for length in (2**32 - 1, 2**28):
        stream = Counting(MAGIC + struct.pack("<III", length, length ^ 0xFFFFFFFF, 1) + b"x" * 99)
        (found,) = read_records(stream)
        assert found.record is None
        assert stream.most <= 1024 * 1024
