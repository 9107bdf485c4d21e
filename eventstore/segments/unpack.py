"""Read a segment's events: all, or some, with their sound or without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate, compress, repeat
from typing import Any

import orjson

from eventstore.segments import audio_codec
from eventstore.segments.chunks import split
from eventstore.segments.container import Container, SegmentError, read_container
from eventstore.segments.numbers import unpack_numbers
from eventstore.segments.pack import CONSTANT, RANDOM
from eventstore.segments.rows import Kind, Row
from eventstore.segments.text_columns import SEPARATOR, joined

#: Whether rows of a direction and a type are wanted.
Wanted = Callable[[str, str], bool]


def unpack_segment(data: bytes, wanted: Wanted | None = None, sound: bool = True) -> Iterator[Row]:
    """`unpack_container`, of what `pack_segment` gave."""
    return unpack_container(read_container(data), wanted, sound)


def unpack_container(
    container: Container, wanted: Wanted | None = None, sound: bool = True
) -> Iterator[Row]:
    """A segment's events, in order.

    Args:
        wanted: asked once for each direction and type that there is; None for all.
        sound: with the audio that was cut out of frames; else only its size is told.

    Raises:
        SegmentError: what is to be read is damaged.
    """
    try:
        yield from _rows(container, wanted, sound)
    except (ValueError, LookupError, TypeError, RuntimeError) as error:
        raise SegmentError(f"its blocks contradict each other: {error}") from error


def _rows(container: Container, wanted: Wanted | None, sound: bool) -> Iterator[Row]:
    kinds = [
        Kind(direction, type_, offset, block, tuple(pieces))
        for direction, type_, offset, block, pieces in orjson.loads(_read(container, "kinds"))
    ]
    taken = [wanted is None or wanted(kind.direction, kind.type) for kind in kinds]
    numbers, times, sizes = _numbers(container, kinds)
    texts = _texts(container, kinds, numbers, taken)
    chunks = [
        _chunks(container, kinds, number, taken, of_block, sound)
        for number, of_block in enumerate(sizes)
    ]
    lengths = [iter(of_block) for of_block in sizes]
    nothing = repeat(None)
    # All kinds take from the same seqs and times, in the order of the rows.
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
    # Without a step of Python for each row: that took as long as reading the texts.
    rows: Iterator[tuple[Any, ...]] = map(next, map(of_kinds.__getitem__, numbers))
    if not all(taken):
        rows = compress(rows, map(taken.__getitem__, numbers))
    return map(tuple.__new__, repeat(Row), rows)


def _numbers(
    container: Container, kinds: list[Kind]
) -> tuple[list[int], list[int | None], list[list[int]]]:
    """For each row its kind and its time; for each block of sound the sizes of its chunks."""
    data, place = memoryview(_read(container, "rows")), 0

    def column(count: int) -> list[int]:
        nonlocal place
        found, size = unpack_numbers(data[place:], count)
        place += size
        return found

    numbers = column(container.events)
    if min(numbers, default=0) < 0:
        raise ValueError("there are no such kinds of rows")
    unknown = column(container.events)
    known = accumulate(column(container.events - sum(unknown)))
    times = [None if none else next(known) for none in unknown]
    counts = [0] * _count_sounds(container)
    for number, count in Counter(numbers).items():
        block = kinds[number].sound
        if block is not None:
            counts[block] += count
    return numbers, times, [column(count) for count in counts]


def _texts(
    container: Container, kinds: list[Kind], numbers: list[int], taken: list[bool]
) -> list[Iterator[str]]:
    """For each kind, the frames of its rows; none for those that are not taken."""
    marks = iter(_read(container, "columns"))
    texts = _Column(container, "values")
    ids = _Column(container, "ids")
    counts = Counter(numbers)
    found: list[Iterator[str]] = []
    for number, (kind, is_taken) in enumerate(zip(kinds, taken, strict=True)):
        count = counts[number]
        columns: list[str | list[str]] = []
        for _ in range(len(kind.skeleton) - 1):
            mark = next(marks)
            if mark == CONSTANT:
                columns += texts.take(1)
            else:
                columns.append((ids if mark == RANDOM else texts).take(count))
        found.append(joined(kind.skeleton, columns, count) if is_taken else repeat(""))
    return found


class _Column:
    """A block of texts, from which one column after the other is taken."""

    def __init__(self, container: Container, name: str) -> None:
        self._texts = _read(container, name).decode().split(SEPARATOR)
        self._place = 0

    def take(self, count: int) -> list[str]:
        found = self._texts[self._place : self._place + count]
        if len(found) != count:
            raise ValueError("a column of texts is cut off")
        self._place += count
        return found


def _chunks(
    container: Container,
    kinds: list[Kind],
    number: int,
    taken: list[bool],
    sizes: list[int],
    sound: bool,
) -> Iterator[bytes | None]:
    """The chunks of a block of sound; unread where nobody asks for them."""
    users = [
        kind
        for kind, is_taken in zip(kinds, taken, strict=True)
        if is_taken and kind.sound == number
    ]
    # Whole frames that no text could hold are no sound.
    if not any(sound or (kind.audio_offset or 0) < 0 for kind in users):
        return repeat(None)
    place = len(container.blocks) - _count_sounds(container) + number
    block = container.blocks[place]
    if block.codec == audio_codec.ERASED:
        return repeat(b"")
    if place in container.damaged:
        sound_of = users[0].direction, users[0].type
        raise SegmentError(f"its sound of {' '.join(sound_of)} is damaged", sound_of)
    return split(audio_codec.unpack(block.data, block.codec), sizes, block.apart)


def _count_sounds(container: Container) -> int:
    return sum(block.name == "sound" for block in container.blocks)


def _read(container: Container, name: str) -> bytes:
    for place, block in enumerate(container.blocks):
        if block.name == name:
            if place in container.damaged:
                raise SegmentError(f"its {name} are damaged")
            return audio_codec.unpack(block.data, block.codec)
    raise SegmentError(f"its {name} are missing")
