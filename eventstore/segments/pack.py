"""Pack consecutive events into a segment, which takes a third of their size.

Called by archive/segment_packing.py, for sealing and for erasing audio. unpack.py gives the events
back exactly. A segment has these blocks (docs/adr/0011):

- `kinds`: the values that rows of one kind share (see row_kinds.py);
- `rows`: the kind and the time of each row, and the sizes of its audio;
- `columns`, `values`, `ids`: the texts of the frames in columns (see text_columns.py);
- `sound`: the audio of each direction and type of events; empty if it was erased.

Because of the blocks, reading some types unpacks only their audio, and a fold unpacks none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from eventstore.realtime.events import EventRow, is_erased
from eventstore.segments import audio_codec
from eventstore.segments.audio_chunks import begin_samples, join_chunks
from eventstore.segments.container import SegmentBlock, write_container
from eventstore.segments.numbers import pack_numbers, successive_differences
from eventstore.segments.text_columns import SEPARATOR, Skeleton, cut_text, is_constant, is_random

#: How a column is stored: in the block `values`, in the block `ids`, or as one value for all rows.
VARYING, RANDOM, CONSTANT = 0, 1, 2


class _Known(NamedTuple):
    """The last row of a type with audio, and how it was stored: the next one is mostly alike."""

    row: tuple[str, int | None, str]
    number: int
    sound: int
    values: Sequence[str]


class _Packing:
    """Sorts rows into kinds, columns of texts, and audio.

    Attributes:
        kinds: The number of each kind. Its fields are those of `RowKind`.
        of_rows: The number of each row's kind.
        values: For each kind, the values of each of its rows.
        sounds: The number of each block of audio: by direction, type, whether it has whole
            frames, and whether it was erased.
        chunks, sizes: For each block of audio, its chunks and their sizes.
    """

    def __init__(self) -> None:
        self.kinds: dict[tuple[str, str, int | None, int | None, Skeleton], int] = {}
        self.of_rows: list[int] = []
        self.values: list[list[Sequence[str]]] = []
        self.sounds: dict[tuple[str, str, bool, bool], int] = {}
        self.chunks: list[list[bytes]] = []
        self.sizes: list[list[int]] = []
        self._known: dict[str, _Known] = {}

    def add(self, row: EventRow) -> None:
        _, _, direction, type_, frame, offset, size, audio = row
        known = self._known.get(type_)
        like = frame, offset, direction
        if audio and known is not None and known.row == like:
            _, number, sound, values = known
        else:
            skeleton, values = cut_text(frame)
            sound = None
            if audio is not None:
                sound = self._sound(direction, type_, (offset or 0) < 0, is_erased(row))
            number = self._kind(direction, type_, offset, sound, skeleton)
            if audio and sound is not None:
                self._known[type_] = _Known(like, number, sound, values)
        if audio is not None and sound is not None:
            self.chunks[sound].append(audio)
            self.sizes[sound].append(size or 0)
        self.values[number].append(values)
        self.of_rows.append(number)

    def _kind(self, *kind: Any) -> int:
        number = self.kinds.setdefault(kind, len(self.kinds))
        if number == len(self.values):
            self.values.append([])
        return number

    def _sound(self, *key: Any) -> int:
        number = self.sounds.setdefault(key, len(self.sounds))
        if number == len(self.chunks):
            self.chunks.append([])
            self.sizes.append([])
        return number


def pack_segment(rows: Sequence[EventRow]) -> bytes:
    """Return the bytes of a segment.

    Args:
        rows: At least one event. Their seqs are consecutive, and they have their audio.
    """
    packing = _Packing()
    for row in rows:
        packing.add(row)
    blocks = [
        _block("kinds", orjson.dumps(list(packing.kinds))),
        _block("rows", _numbers(rows, packing)),
        *_columns(packing.values),
    ]
    sounds = zip(packing.sounds, packing.chunks, strict=True)
    blocks += [
        SegmentBlock("sound", audio_codec.ERASED_AUDIO, b"") if erased else _sound(chunks, is_text)
        for (_, _, is_text, erased), chunks in sounds
    ]
    return write_container(rows[0].seq, len(rows), blocks)


def _numbers(rows: Sequence[EventRow], packing: _Packing) -> bytes:
    times = [row.at for row in rows if row.at is not None]
    return b"".join(
        (
            pack_numbers(packing.of_rows),
            pack_numbers([row.at is None for row in rows]),
            pack_numbers(successive_differences(times)),
            *map(pack_numbers, packing.sizes),
        )
    )


def _columns(kinds: list[list[Sequence[str]]]) -> list[SegmentBlock]:
    texts: list[str] = []
    ids: list[str] = []
    marks = bytearray()
    for rows in kinds:
        for column in zip(*rows, strict=True):
            if is_constant(column):
                marks.append(CONSTANT)
                texts.append(column[0])
            elif is_random(column):
                marks.append(RANDOM)
                ids += column
            else:
                marks.append(VARYING)
                texts += column
    return [
        _block("columns", bytes(marks)),
        _block("values", SEPARATOR.join(texts).encode()),
        _block("ids", SEPARATOR.join(ids).encode()),
    ]


def _block(name: str, data: bytes) -> SegmentBlock:
    return SegmentBlock(name, audio_codec.PLAIN, audio_codec.compress(data, audio_codec.PLAIN))


def _sound(chunks: list[bytes], is_text: bool) -> SegmentBlock:
    """Return a block of audio. Whole frames that are stored as bytes are compressed like text."""
    data = join_chunks(chunks, False)
    if is_text:
        return _block("sound", data)
    codec = audio_codec.choose_codec(data)
    apart = codec == audio_codec.PCM16 and begin_samples(chunks)
    if apart:
        data = join_chunks(chunks, True)
    return SegmentBlock("sound", codec, audio_codec.compress(data, codec), apart)
