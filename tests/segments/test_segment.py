"""Segments: what is unpacked is what was packed, and whatever is changed is found."""

from __future__ import annotations

import base64
import json
import os
import random
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import SAMPLE_STREAMS
from support.strategies import any_text, streams

from eventstore.demo import call_lines
from eventstore.realtime.events import EventRow
from eventstore.realtime.frames import DIRECTIONS, Frame, decode_columns, restore, restore_bytes
from eventstore.segments import audio_codec
from eventstore.segments.audio_chunks import begin_samples, join_chunks, split_chunks
from eventstore.segments.container import (
    SegmentBlock,
    SegmentError,
    read_container,
    write_container,
)
from eventstore.segments.digest import BEGINNING, Digest, extend_digest, session_digest
from eventstore.segments.numbers import (
    pack_numbers,
    successive_differences,
    unpack_numbers,
)
from eventstore.segments.pack import pack_segment
from eventstore.segments.text_columns import cut_text, join_columns
from eventstore.segments.unpack import unpack_segment
from eventstore.times import parse_time

TIMES = st.one_of(st.none(), st.integers(-(2**55), 2**55))
FRAMES = st.builds(
    Frame, st.sampled_from(DIRECTIONS), st.one_of(any_text(), st.binary(max_size=300)), TIMES
)
INTEGERS = st.lists(st.integers(-(2**61), 2**61))
ROOM = 1 << 20
FLIPS = int(os.environ.get("FLIPS", "2000"))


def rows_of(frames: Sequence[Frame], first: int = 1) -> list[EventRow]:
    """Frames as the log has them."""
    rows = []
    for seq, (direction, text, at) in enumerate(frames, first):
        type_, frame, offset, audio, _ = decode_columns(text)
        size = None if audio is None else len(audio)
        rows.append(EventRow(seq, at, direction, type_, frame, offset, size, audio))
    return rows


def demo_rows() -> list[EventRow]:
    lines = [json.loads(line) for line in call_lines()]
    return rows_of([Frame(x["direction"], x["frame"], parse_time(x["at"])) for x in lines])


def is_exact(rows: list[EventRow]) -> None:
    data = pack_segment(rows)
    assert list(unpack_segment(data)) == rows
    silent = [row if (row.audio_offset or 0) < 0 else row._replace(audio=None) for row in rows]
    assert list(unpack_segment(data, sound=False)) == silent
    for direction in DIRECTIONS:
        found = list(unpack_segment(data, lambda of_row, _, wanted=direction: of_row == wanted))
        assert found == [row for row in rows if row.direction == direction]


@given(st.lists(FRAMES, min_size=1, max_size=20), st.integers(1, 2**60))
def test_arbitrary_frames_come_back(frames: list[Frame], first: int) -> None:
    is_exact(rows_of(frames, first))


@given(streams(25))
def test_arbitrary_streams_come_back(frames: list[Frame]) -> None:
    if frames:
        is_exact(rows_of(frames))


def test_calls_come_back() -> None:
    for stream in SAMPLE_STREAMS:
        is_exact(rows_of(stream))
    is_exact(demo_rows())


def test_a_call_takes_a_third_of_its_frames() -> None:
    rows = demo_rows()
    frames = sum(len(restore_bytes(*row[4:6], row.audio)) for row in rows)
    assert len(pack_segment(rows)) < frames / 3


def live_rows(reflected: bool) -> list[EventRow]:
    """The sound of the sample call in the frames of a GPT-Live session, or of its sideband."""
    frames, place = [], 0
    for row in demo_rows():
        sound = base64.b64encode(row.audio or b"").decode()
        if row.type == "input_audio_buffer.append":
            body = {"type": "session.input_audio.append", "audio": sound}
            frames.append(Frame("server" if reflected else "client", json.dumps(body), row.at))
        elif row.type == "response.output_audio.delta":
            body = {"type": "session.output_audio.delta", "delta": sound}
            places = {"start_ms": place, "end_ms": place + 100} if reflected else {}
            place += 100
            frames.append(Frame("server", json.dumps({**body, **places}), row.at))
    return rows_of(frames)


@pytest.mark.parametrize("reflected", [False, True])
def test_a_live_session_is_packed_as_well_as_others(reflected: bool) -> None:
    rows = live_rows(reflected)
    is_exact(rows)
    # All sound was cut out of the frames, and is compressed as samples.
    assert all((row.audio_offset or 0) > 0 and row.audio for row in rows)
    assert len({row.frame for row in rows if row.direction == "client"}) == (not reflected)
    packed = pack_segment(rows)
    codecs = {block.codec for block in read_container(packed).blocks if block.name == "sound"}
    assert codecs == {audio_codec.PCM16}
    realtime = enumerate((row for row in demo_rows() if row.audio), 1)
    others = [row._replace(seq=seq) for seq, row in realtime]
    assert len(packed) < 1.02 * len(pack_segment(others))


@given(any_text(), st.integers(1, 3))
def test_a_text_is_its_skeleton_and_its_values(text: str, count: int) -> None:
    skeleton, values = cut_text(text)
    columns = [[value] * count for value in values]
    assert list(join_columns(skeleton, columns, count)) == [text] * count
    assert list(join_columns(skeleton, values, count)) == [text] * count


def test_values_of_json_are_cut_out() -> None:
    skeleton, values = cut_text('{"type":"x","n": -1.5e3, "s":"a\\"b","o":{"p":"100%"},"l":["q"]}')
    assert values == ['"x"', " -1.5e3", ' "a\\"b"'.strip(), '"100%"']
    assert skeleton[0] == '{"type":'


@given(INTEGERS)
def test_numbers_come_back(numbers: list[int]) -> None:
    data = pack_numbers(numbers)
    found, size = unpack_numbers(data + b"more", len(numbers))
    assert (found.tolist(), size) == (numbers, len(data))
    assert list(accumulate(successive_differences(numbers))) == numbers


@given(st.binary(max_size=3000), st.sampled_from(["zstd", "pcm16", "ulaw", "alaw"]))
def test_every_codec_gives_any_bytes_back(data: bytes, codec: str) -> None:
    if data or codec in ("zstd", "pcm16"):
        assert audio_codec.decompress(audio_codec.compress(data, codec), codec, len(data)) == data


@given(st.lists(st.binary(max_size=9)), st.booleans())
def test_chunks_come_apart_again(chunks: list[bytes], apart: bool) -> None:
    data = join_chunks(chunks, apart)
    assert list(split_chunks(data, [len(chunk) for chunk in chunks], apart)) == chunks


def ramp(samples: int) -> bytes:
    return b"".join((1000 + n % 500).to_bytes(2, "little") for n in range(samples))


def test_a_sample_that_goes_on_in_the_next_chunk_is_seen() -> None:
    sound = ramp(3000)
    assert not begin_samples([sound[:1001], sound[1001:2003], sound[2003:]])
    assert begin_samples([sound[:1000] + b"x", sound[1000:2000] + b"y", sound[2000:]])


@pytest.mark.parametrize("codec", ["ulaw", "alaw"])
def test_telephone_sound_is_known_by_how_it_packs(codec: str) -> None:
    chance = random.Random(1)
    order = {"ulaw": audio_codec.ULAW, "alaw": audio_codec.ALAW}[codec]
    level, levels = 0, []
    for _ in range(20_000):
        level = max(-100, min(100, level + chance.randint(-6, 6)))
        levels.append(level % 256)
    codes = audio_codec._CODES[order]
    sound = bytes(int(codes[level]) for level in levels)
    assert audio_codec.choose_codec(sound) == codec
    assert len(audio_codec.compress(sound, codec)) < len(audio_codec.compress(sound, "zstd"))


# Damage


def segment() -> tuple[list[EventRow], bytes]:
    rows = demo_rows()[:300]
    return rows, pack_segment(rows)


def test_each_flipped_bit_is_found() -> None:
    _, data = segment()
    chance = random.Random(FLIPS)
    for _ in range(FLIPS):
        bit = chance.randrange(8 * len(data))
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SegmentError):
            list(unpack_segment(bytes(changed)))


@given(st.binary(max_size=200))
def test_what_is_no_segment_is_an_error(data: bytes) -> None:
    with pytest.raises(SegmentError):
        list(unpack_segment(data))


def test_a_segment_that_is_cut_off_is_an_error() -> None:
    _, data = segment()
    for size in [0, 1, 25, 100, len(data) // 2, len(data) - 1]:
        with pytest.raises(SegmentError):
            list(unpack_segment(data[:size]))
    with pytest.raises(SegmentError):
        list(unpack_segment(data + b"x"))


def replaced(data: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """A segment with another block of a name, and checksums that are right."""
    first, events, blocks, _ = read_container(data)
    for number, (of_block, codec, packed, apart) in enumerate(blocks):
        if of_block == name:
            changed = audio_codec.compress(
                change(audio_codec.decompress(packed, codec, ROOM)), codec
            )
            blocks[number] = SegmentBlock(name, codec, changed, apart)
    return write_container(first, events, blocks)


def test_blocks_that_contradict_each_other_are_an_error() -> None:
    rows, data = segment()
    assert list(unpack_segment(replaced(data, "values", lambda values: values))) == rows
    block = audio_codec.decompress(read_container(data).blocks[1].data, "zstd", ROOM)
    numbers, size = unpack_numbers(block, len(rows))
    kinds = numbers.tolist()
    last = kinds.index(max(kinds))
    # As an index, -1 is the last kind's as well.
    no_kinds = [pack_numbers([*kinds[:last], no, *kinds[last + 1 :]]) for no in (-1, 2**62)]
    for name, change in (
        ("values", lambda values: values.rpartition(b"\0")[0]),
        ("ids", lambda ids: ids.rpartition(b"\0")[0]),
        ("rows", lambda numbers: no_kinds[0] + numbers[size:]),
        ("rows", lambda numbers: no_kinds[1] + numbers[size:]),
        ("rows", lambda numbers: numbers[:-1]),
        ("sound", lambda sound: sound[:-1]),
    ):
        with pytest.raises(SegmentError, match="contradict"):
            list(unpack_segment(replaced(data, name, change)))


def test_damaged_sound_leaves_the_texts_whole() -> None:
    rows, data = segment()
    changed = bytearray(data)
    changed[-1] ^= 1
    with pytest.raises(SegmentError, match="sound"):
        list(unpack_segment(bytes(changed)))
    kept = list(unpack_segment(bytes(changed), sound=False))
    assert [row.frame for row in kept] == [row.frame for row in rows]


# Digests


@given(st.lists(FRAMES, min_size=1, max_size=8), st.data())
def test_a_digest_covers_every_frame_time_and_place(
    frames: list[Frame], data: st.DataObject
) -> None:
    rows = rows_of(frames)
    digest = session_digest(BEGINNING, rows)
    number = data.draw(st.integers(0, len(frames) - 1))
    other = data.draw(FRAMES.filter(lambda frame: frame != frames[number]))
    changed = rows_of([*frames[:number], other, *frames[number + 1 :]])
    assert session_digest(BEGINNING, changed) != digest
    assert session_digest(BEGINNING, rows[:-1]) != digest
    assert session_digest(BEGINNING, rows_of(frames, 2)) != digest
    assert session_digest(bytes(31) + b"\1", rows) != digest
    for one, two in pairwise(range(len(frames))):
        swapped = [*frames]
        swapped[one], swapped[two] = swapped[two], swapped[one]
        assert (session_digest(BEGINNING, rows_of(swapped)) == digest) == (
            frames[one] == frames[two]
        )


def test_a_digest_goes_on_in_the_next_segment_where_one_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("eventstore.segments.digest.SEGMENT_EVENTS", 3)
    rows = rows_of([Frame("client", f'{{"type":"ping{number}"}}', None) for number in range(7)])
    digest, found = Digest(BEGINNING), []
    for row in rows:
        digest = extend_digest(digest, row)
        found.append((digest.events, digest.value()))
    first = session_digest(BEGINNING, rows[:3])
    second = session_digest(first, rows[3:6])
    assert [events for events, _ in found] == [1, 2, 3, 1, 2, 3, 1]
    assert (found[2][1], found[5][1]) == (first, second)
    assert found[6][1] == session_digest(second, rows[6:])


@given(FRAMES)
def test_bytes_on_the_wire_are_those_of_the_text(frame: Frame) -> None:
    (row,) = rows_of([frame])
    text = restore(row.frame, row.audio_offset, row.audio)
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    assert restore_bytes(row.frame, row.audio_offset, row.audio) == data
    digest = Digest(BEGINNING)
    digest.add(row)
    assert (digest.events, digest.frame_bytes) == (1, len(data))
