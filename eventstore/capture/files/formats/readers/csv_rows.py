"""Read CSV with a column of frames, such as a query's result or a spreadsheet's export."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO, NamedTuple

from eventstore.capture.files.formats.members import (
    DIRECTION_KEYS,
    MESSAGE_KEYS,
    TIME_KEYS,
    direction_word,
    is_offset_name,
    read_time,
)
from eventstore.capture.files.formats.reading import Reading
from eventstore.errors import InvalidInputError
from eventstore.realtime.catalogue import direction_of
from eventstore.realtime.frames import STORE, Frame, parse
from eventstore.realtime.json_cursor import MAX_LINE, TOO_LONG
from eventstore.realtime.recording_lines import BadLine, StoredPlace, first_byte

NAME = "csv"
WHAT = "a table (CSV)"

_SEPARATORS = ",;\t|"
_CELL_BYTES = 64  # bytes of memory that a cell takes besides its text
_FRAME_NAMES = (*MESSAGE_KEYS, "text", "value", "event_json", "event_data", "frame_text")
_DIRECTION_NAMES = (*DIRECTION_KEYS, "role")
_TIME_NAMES = (*TIME_KEYS, "event_time", "_time", "inserted_at")


class _Columns(NamedTuple):
    """The columns of a table that are read."""

    frame: int
    direction: int | None
    time: int | None
    time_name: str = ""


def looks_like(head: str) -> bool:
    """Return True if a text begins with a row of headings and a row that has a frame."""
    return _columns_of(head) is not None


def _columns_of(head: str) -> tuple[str, _Columns] | None:
    """Return the separator of a file's cells, and its columns, by its beginning."""
    first = head.lstrip().split("\n", 1)[0]
    for separator in sorted(_SEPARATORS, key=first.count, reverse=True):
        rows = []
        try:
            for row in _rows(io.StringIO(head, newline=""), separator, strict=False):
                rows += [row] if any(row) else []
                if len(rows) > 1:
                    break
        except csv.Error:
            continue
        if rows and (columns := _named(rows[0], rows[1:])) is not None:
            return separator, columns
    return None


def _named(headings: list[str], rows: list[list[str]]) -> _Columns | None:
    """Return the columns by their headings; the column of frames must also have JSON in the first
    rows.
    """
    places = {name.strip().lower(): place for place, name in enumerate(headings)}
    for name in _FRAME_NAMES:
        frame = places.get(name)
        if frame is not None and all(_has_json(row, frame) for row in rows):
            rest = {name: place for name, place in places.items() if place != frame}
            names = (*_TIME_NAMES, *(name for name in rest if is_offset_name(name[:40])))
            time = next((name for name in names if name in rest), "")
            return _Columns(frame, _first(rest, _DIRECTION_NAMES), rest.get(time), time)
    return None


def _first(places: Mapping[str, int], names: tuple[str, ...]) -> int | None:
    return next((places[name] for name in names if name in places), None)


def _has_json(row: list[str], place: int) -> bool:
    return _cell(row, place).lstrip().startswith("{")


def _cell(row: list[str], place: int | None) -> str:
    return row[place] if place is not None and place < len(row) else ""


def read(stream: BinaryIO) -> Iterator[tuple[int, Reading | BadLine]]:
    """Yield number and content of each row; the headings are row 1.

    Raises:
        InvalidInputError: If there is no column of frames.
    """
    first_byte(stream)
    start = stream.tell()
    found = _columns_of(stream.read(1 << 20).decode("utf-8", "replace"))
    if found is None:
        raise InvalidInputError(
            "it is no table with a column of frames: its first row names the columns, one of"
            f" which is {', '.join(_FRAME_NAMES[:4])} or the like"
        )
    stream.seek(start)
    separator, columns = found
    lines = _BoundedLines(stream, separator)
    rows = _rows(lines, separator, strict=True)
    number, is_behind_headings = 0, False
    while True:
        number += 1
        lines.spent = 0
        try:
            row = next(rows, None)
        except (csv.Error, UnicodeDecodeError, InvalidInputError) as error:
            yield number, BadLine(number, f"no row of a table ({error})")
            if not isinstance(error, csv.Error):
                return
            continue
        if row is None:
            return
        if is_behind_headings and any(row):
            yield number, _reading(row, columns)
        is_behind_headings = is_behind_headings or any(row)


def _rows(lines: Iterable[str], separator: str, strict: bool) -> Iterator[list[str]]:
    # The csv module's limit, which is the process's, is 128 kB: a second of audio is more.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
    return csv.reader(lines, delimiter=separator, strict=strict)


class _BoundedLines:
    """The lines of a table; the lines of one row, which may be many, are bounded.

    Attributes:
        spent: About how many bytes of memory the row takes so far.
    """

    def __init__(self, stream: BinaryIO, separator: str) -> None:
        self.spent = 0
        self._stream, self._separator = stream, separator
        self._decode = codecs.getincrementaldecoder("utf-8")("strict").decode

    def __iter__(self) -> Iterator[str]:
        while piece := self._stream.readline(MAX_LINE):
            line = self._decode(piece)
            self.spent += len(line) + _CELL_BYTES * line.count(self._separator)
            if self.spent > 2 * MAX_LINE:
                raise InvalidInputError(TOO_LONG)
            yield line
        self._decode(b"", final=True)  # raises if the last character is cut off


def _reading(row: list[str], columns: _Columns) -> Reading:
    text = _cell(row, columns.frame)
    if not text:
        return Reading(None)
    word = _cell(row, columns.direction)
    direction = STORE if word == STORE else direction_word(word)
    time = read_time(_cell(row, columns.time), columns.time_name)
    frame = Frame(direction or direction_of(parse(text)), text, time.at)
    return Reading(frame, time.unread, StoredPlace(is_sender_told=direction is not None))
