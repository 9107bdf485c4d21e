"""Unpack a segment's events: all of them or some types, with their audio or without.

Called by store/log/segments, which reads sealed sessions, and by archive/segment_packing.py. The
bytes may be damaged or crafted, so that every number and type is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, compress, repeat
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from eventstore.realtime.events import EventRow
from eventstore.realtime.frames import DIRECTIONS, MAX_TYPE, RAW_BINARY
from eventstore.segments import audio_codec
from eventstore.segments.audio_chunks import split_chunks
from eventstore.segments.container import SegmentContainer, SegmentError, read_container
from eventstore.segments.limits import MAX_INT, MAX_SIZE, check_room, room_for
from eventstore.segments.numbers import unpack_numbers
from eventstore.segments.pack import CONSTANT, RANDOM
from eventstore.segments.row_kinds import RowKind
from eventstore.segments.text_columns import SEPARATOR, join_columns

#: A function that returns True if rows of a direction and a type are wanted.
WantedRows = Callable[[str, str], bool]


def unpack_segment(
    data: bytes,
    wanted: WantedRows | None = None,
    sound: bool = True,
    frame_bytes: int | None = None,
) -> Iterator[EventRow]:
    """Yield the events of a segment's bytes, with the arguments of `unpack_container`."""
    return unpack_container(read_container(data), wanted, sound, frame_bytes)


def unpack_container(
    container: SegmentContainer,
    wanted: WantedRows | None = None,
    sound: bool = True,
    frame_bytes: int | None = None,
    framed: WantedRows | None = None,
) -> Iterator[EventRow]:
    """Yield the events of a segment, in order.

    Args:
        container: The segment's blocks.
        wanted: Called once for each direction and type in the segment; None for all events.
        sound: True to unpack the audio that was cut out of frames. Otherwise `audio` is None, and
            only its size is told.
        frame_bytes: The size of the frames on the wire, as the log says, or None if unknown.
        framed: Called as `wanted` is: rows for which it returns False have an empty frame.

    Raises:
        SegmentError: A block that must be read is damaged, or is not that of a segment.
    """
    room = room_for(sum(len(b.data) for b in container.blocks), container.events, frame_bytes)
    try:
        yield from _rows(container, wanted, framed, sound, room)
    except SegmentError:
        raise
    except Exception as error:  # decoders raise errors of many classes for crafted bytes
        raise SegmentError(f"its blocks contradict each other: {error}") from error


def _rows(
    container: SegmentContainer,
    wanted: WantedRows | None,
    framed: WantedRows | None,
    sound: bool,
    room: int,
) -> Iterator[EventRow]:
    sounds = [place for place, block in enumerate(container.blocks) if block.name == "sound"]
    kinds = [_kind(len(sounds), *kind) for kind in orjson.loads(_read(container, "kinds", room))]
    if not len(sounds) <= len(kinds) <= container.events:
        raise ValueError("there are more kinds than events")
    taken = [wanted is None or wanted(kind.direction, kind.type) for kind in kinds]
    numbers, counts, times, sizes = _numbers(container, kinds, len(sounds), room)
    said = [
        is_taken and (framed is None or framed(kind.direction, kind.type))
        for kind, is_taken in zip(kinds, taken, strict=True)
    ]
    texts = _texts(container, kinds, counts, said, room)
    users: list[list[RowKind]] = [[] for _ in sounds]
    for kind, is_taken in zip(kinds, taken, strict=True):
        if is_taken and kind.sound is not None:
            users[kind.sound].append(kind)
    left = room
    chunks = []
    for place, of_block, uses in zip(sounds, sizes, users, strict=True):
        chunks.append(_chunks(container, place, uses, of_block, sound, left))
        left -= sum(of_block) if container.blocks[place].codec != audio_codec.ERASED_AUDIO else 0
    lengths = [iter(of_block) for of_block in sizes]
    nothing = repeat(None)
    # The iterators of all kinds share those of seqs and times. They are advanced in row order.
    seqs, ats = iter(range(container.first, container.first + container.events)), iter(times)
    of_kinds = [
        zip(
            seqs,
            ats,
            repeat(kind.direction),
            repeat(kind.type),
            text,
            repeat(kind.audio_offset),
            nothing if kind.sound is None else lengths[kind.sound],
            nothing if kind.sound is None else chunks[kind.sound],
            strict=False,
        )
        for kind, text in zip(kinds, texts, strict=True)
    ]
    # `map` avoids a loop in Python, which took as long as reading the texts.
    rows: Iterator[tuple[Any, ...]] = map(next, map(of_kinds.__getitem__, numbers))
    if not all(taken):
        rows = compress(rows, map(taken.__getitem__, numbers))
    return map(tuple.__new__, repeat(EventRow), rows)


def _kind(
    sounds: int,
    direction: str,
    type_: str,
    offset: int | None,
    sound: int | None,
    pieces: list[str],
) -> RowKind:
    """Return a kind of rows from its entry in the block `kinds`, after checking it.

    Args:
        sounds: The number of blocks of audio.
        direction, type_, offset, sound, pieces: The members of the entry, of any JSON type.

    Raises:
        ValueError: A member has no possible value.
    """
    if direction not in DIRECTIONS or type(type_) is not str or len(type_) > MAX_TYPE:
        raise ValueError("a kind of rows has no direction, or no type")
    if sound is not None and not (type(sound) is int and 0 <= sound < sounds):
        raise ValueError("a kind of rows has sound that is not there")
    if offset is not None and (
        type(offset) is not int or not RAW_BINARY <= offset <= MAX_SIZE or sound is None
    ):
        raise ValueError("a kind of rows has its sound nowhere")
    if not pieces or not all(type(piece) is str for piece in pieces) or "\0" in type_:
        raise ValueError("a kind of rows has no text")
    return RowKind(direction, type_, offset, sound, tuple(pieces))


class _Numbers(NamedTuple):
    """The numbers of a segment's rows.

    Attributes:
        kinds: The kind of each row.
        counts: How many rows there are of each kind.
        times: The time of each row.
        sizes: The sizes of the chunks of each block of audio.
    """

    kinds: list[int]
    counts: list[int]
    times: Sequence[int | None]
    sizes: list[list[int]]


def _numbers(container: SegmentContainer, kinds: list[RowKind], sounds: int, room: int) -> _Numbers:
    """Return the block of numbers, unpacked and checked."""
    data, place = memoryview(_read(container, "rows", room)), 0

    def column(count: int) -> NDArray[np.int64]:
        nonlocal place
        found, size = unpack_numbers(data[place:], count)
        place += size
        return found

    of_rows = column(container.events)
    if of_rows.min() < 0 or of_rows.max() >= len(kinds):
        raise ValueError("there are no such kinds of rows")
    counts = np.bincount(of_rows, minlength=len(kinds)).tolist()
    times = _times(column, container.events)
    of_blocks = [0] * sounds
    for kind, count in zip(kinds, counts, strict=True):
        if kind.sound is not None:
            of_blocks[kind.sound] += count
    sizes = [column(count) for count in of_blocks]
    if not all(((size >= 0) & (size <= MAX_SIZE)).all() for size in sizes):
        raise ValueError("there are no such sizes")
    return _Numbers(of_rows.tolist(), counts, times, [size.tolist() for size in sizes])


def _times(column: Callable[[int], NDArray[np.int64]], events: int) -> Sequence[int | None]:
    """Return the time of each row, or None if it is unknown.

    Args:
        column: Returns the next so many numbers of the block.
        events: The number of rows.
    """
    unknown = column(events)
    if not ((unknown == 0) | (unknown == 1)).all():
        raise ValueError("a time is neither known nor unknown")
    # Sums of Python's integers do not overflow.
    known = list(accumulate(column(events - int(unknown.sum())).tolist()))
    if known and max(map(abs, known)) > MAX_INT:
        raise ValueError("there are no such times")
    if len(known) == events:
        return known
    ordered = iter(known)
    return [None if none else next(ordered) for none in unknown.tolist()]


def _texts(
    container: SegmentContainer,
    kinds: list[RowKind],
    counts: list[int],
    wanted: list[bool],
    room: int,
) -> list[Iterator[str]]:
    """Return the frames of each kind's rows. Kinds that are not wanted get empty texts."""
    marks = _read(container, "columns", room)
    texts, ids = _needed(kinds, counts, marks)
    values = (
        _Column(_read(container, "values", room), texts),
        _Column(_read(container, "ids", room), ids),
    )
    of_columns = iter(marks)
    found: list[Iterator[str]] = []
    said = 0
    for kind, count, is_wanted in zip(kinds, counts, wanted, strict=True):
        columns: list[str | list[str]] = []
        size = sum(map(len, kind.skeleton))
        for _ in range(len(kind.skeleton) - 1):
            mark = next(of_columns)
            if mark == CONSTANT:
                columns += values[0].take(1)
                size += len(columns[-1])
            else:
                columns.append(values[mark == RANDOM].take(count))
        # Constant values are stored once, but each row's frame contains them.
        said += size * count
        check_room(said, room)
        found.append(join_columns(kind.skeleton, columns, count) if is_wanted else repeat(""))
    return found


def _needed(kinds: list[RowKind], counts: list[int], marks: bytes) -> tuple[int, int]:
    """Return how many texts the blocks `values` and `ids` must have for these columns."""
    if sum(len(kind.skeleton) - 1 for kind in kinds) != len(marks):
        raise ValueError("there are other columns than the kinds have")
    place = texts = ids = 0
    for kind, count in zip(kinds, counts, strict=True):
        of_kind = marks[place : place + len(kind.skeleton) - 1]
        place += len(of_kind)
        random, constant = of_kind.count(RANDOM), of_kind.count(CONSTANT)
        ids += random * count
        texts += constant + (len(of_kind) - constant - random) * count
    return texts, ids


class _Column:
    """A block of texts, from which one column after the other is taken.

    Args:
        data: The unpacked block.
        count: The number of texts that the block must have. It is checked before the block is
            split, because a split text takes far more memory than its bytes.
    """

    def __init__(self, data: bytes, count: int) -> None:
        separators = max(count, 1) - 1
        if data.count(SEPARATOR.encode()) != separators or (data and not count):
            raise ValueError("a column of texts is cut off, or goes on")
        self._texts = data.decode().split(SEPARATOR)
        self._place = 0

    def take(self, count: int) -> list[str]:
        found = self._texts[self._place : self._place + count]
        if len(found) != count:
            raise ValueError("a column of texts is cut off")
        self._place += count
        return found


def _chunks(
    container: SegmentContainer,
    place: int,
    users: list[RowKind],
    sizes: list[int],
    sound: bool,
    room: int,
) -> Iterator[bytes | None]:
    """Return the chunks of an audio block, or Nones if they are not wanted.

    Args:
        container: The segment's blocks.
        place: The index of the block.
        users: The wanted kinds of rows that have their audio in the block.
        sizes: The sizes of the chunks.
        sound: True if audio is wanted.
        room: The largest size of the unpacked block.
    """
    # A negative offset marks whole frames that are stored as bytes. They are always wanted.
    if not any(sound or (kind.audio_offset or 0) < 0 for kind in users):
        return repeat(None)
    block = container.blocks[place]
    if block.codec == audio_codec.ERASED_AUDIO:
        return repeat(b"")
    if place in container.damaged:
        sound_of = users[0].direction, users[0].type
        raise SegmentError(f"its sound of {' '.join(sound_of)} is damaged", sound_of)
    size = sum(sizes)
    check_room(size, room)
    return split_chunks(audio_codec.decompress(block.data, block.codec, size), sizes, block.apart)


def _read(container: SegmentContainer, name: str, room: int) -> bytes:
    for place, block in enumerate(container.blocks):
        if block.name == name:
            if place in container.damaged:
                raise SegmentError(f"its {name} are damaged")
            return audio_codec.decompress(block.data, block.codec, room)
    raise SegmentError(f"its {name} are missing")
