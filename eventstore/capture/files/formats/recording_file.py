"""Open a recording, recognize its format by its content, and read it as often as needed.

`import_file.py` opens each file by `open_recording`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import BytesIO
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

from eventstore.brief import brief
from eventstore.capture.files.formats import yaml_values
from eventstore.capture.files.formats.elements import (
    Layout,
    beside_list,
    from_start,
    is_har,
    layout_of,
)
from eventstore.capture.files.formats.mixed_connections import (
    FileMessage,
    MixedConnections,
    Numbered,
)
from eventstore.capture.files.formats.offsets import offsets_of, start_in, written_at
from eventstore.capture.files.formats.readers import csv_rows, har, mitmproxy, own, wscat
from eventstore.capture.files.formats.readers.nested import FileEntry, messages_of
from eventstore.capture.files.formats.reading import Notes, Reading, ValueFormat
from eventstore.capture.files.formats.registry import RECORDING_FORMATS, format_of, value_format
from eventstore.capture.files.formats.unreadable import (
    refuse_objects,
    refuse_other_kinds,
    refuse_text,
)
from eventstore.capture.files.unpacking import unpacked
from eventstore.errors import InvalidInputError
from eventstore.realtime.json_cursor import BrokenJsonError, JsonCursor
from eventstore.realtime.recording_lines import (
    BOM,
    BadLine,
    StoredPlace,
    array_elements,
    json_lines,
    parse_object,
    read_numbered,
)

_HEAD_BYTES = 1 << 20
_SAMPLE_ENTRIES = 100
# A log's time in brackets, which no array of JSON begins with: `[06:20:05.342]`,
# `[2026-05-28T20:26:40Z]`, `[0.500] <`.
_TIME_IN_BRACKETS = re.compile(rb"\[(\d{1,4}[-:/]\d|[\d.]{1,20}\][ \t]{1,8}\S)")

_Entries = Iterator[FileEntry]


class RecordingFile(NamedTuple):
    """A recording that is open.

    Attributes:
        format: The name of its format.
        unit: What its numbers count, such as `line`.
        notes: Takes what is noticed while it is read.
        read: Yields its frames, or what is wrong with an entry; each call begins at the start.
        close: Releases temporary files.
    """

    format: str
    unit: str
    notes: Notes
    read: Callable[[], Iterator[Numbered]]
    close: Callable[[], None] = lambda: None


@contextmanager
def open_recording(stream: BinaryIO, name: str | None = None) -> Iterator[RecordingFile]:
    """Open a recording, and close it at the end of the block.

    Args:
        stream: A file that can seek to its start; gzip, zstd and zlib are unpacked.
        name: Its format, one of `RECORDING_FORMATS`; None to recognize it by its content.

    Raises:
        InvalidInputError: If there is no such format, or it is not a recording.
    """
    if name is not None and name not in RECORDING_FORMATS:
        raise InvalidInputError(
            f"no format {brief(name)}: use one of {', '.join(RECORDING_FORMATS)}"
        )
    recording = _open(unpacked(stream), name, written_at(stream))
    try:
        yield recording
    finally:
        recording.close()


def _open(stream: BinaryIO, name: str | None, at: int) -> RecordingFile:
    stream.seek(0)
    head = stream.read(_HEAD_BYTES)
    stream.seek(0)
    refuse_other_kinds(head)
    sign = _first_sign(head.removeprefix(BOM).lstrip())
    text = head.removeprefix(BOM).decode("utf-8", "replace")
    if name is None and sign == b"{" and is_har(stream):
        name = har.NAME
    if name is None and sign not in (b"{", b"[", b""):
        name = _text_format(text)
    if name == har.NAME:
        return _of_connections(name, "message", _from_start(har.messages, stream), har.NOTHING)
    if name == mitmproxy.NAME:
        messages = _from_start(mitmproxy.messages, stream)
        recording = _of_connections(name, "line", messages, mitmproxy.NOTHING)
        recording.notes.hints.append(mitmproxy.HINT)
        return recording
    if name in (csv_rows.NAME, wscat.NAME):
        read = csv_rows.read if name == csv_rows.NAME else wscat.read
        unit = "row" if name == csv_rows.NAME else "line"
        return _of_readings(name, unit, partial(_from_start, read, stream), lambda: (), at)
    return _of_values(stream, name, sign, text, at)


def _first_sign(head: bytes) -> bytes:
    """Return the first byte that is not a space: `{` or `[` for JSON."""
    return b"text" if _TIME_IN_BRACKETS.match(head) else head[:1]


def _text_format(text: str) -> str | None:
    """Return the format of a text that is not JSON, or None if it is none of these."""
    if mitmproxy.looks_like(text):
        return mitmproxy.NAME
    if wscat.looks_like(text):
        return wscat.NAME
    if csv_rows.looks_like(text):
        return csv_rows.NAME
    return mitmproxy.NAME if mitmproxy.is_mitmdump_log(text) else None


def _from_start(read: Callable[[BinaryIO], Iterator[Any]], stream: BinaryIO) -> Iterator[Any]:
    stream.seek(0)
    yield from read(stream)


def _of_values(
    stream: BinaryIO, name: str | None, sign: bytes, text: str, at: int
) -> RecordingFile:
    """Open a file of objects: JSON in one of its layouts, or YAML.

    Args:
        sign: The file's first byte that is not a space.
        text: The file's beginning.
        at: When it was written.
    """
    notes = Notes()
    is_yaml = sign not in (b"{", b"[", b"") and yaml_values.looks_like(text)
    if sign not in (b"{", b"[", b"") and not is_yaml:
        refuse_text(text)
    layout = layout_of(stream) if sign in (b"{", b"[") else json_lines
    entries = partial(_entries, stream, None if is_yaml else layout)
    refuse_objects(_sample(entries()))
    format_ = value_format(name) if name is not None else format_of(_sample(entries()))
    if format_ is own.FORMAT and not is_yaml and layout in (json_lines, array_elements):
        return RecordingFile(format_.name, "line", notes, lambda: _read_own(stream, notes))
    unit = "line" if layout is json_lines and not is_yaml else "entry"
    if format_.mixes:
        return _of_connections(
            format_.name, unit, _messages(entries(), format_), None, ordered=False
        )
    beside = partial(_from_start, yaml_values.beside_lists if is_yaml else beside_list, stream)
    return _of_readings(format_.name, unit, lambda: _readings(entries(), format_), beside, at)


def _of_readings(
    name: str,
    unit: str,
    read: Callable[[], Iterator[tuple[int, Reading | BadLine]]],
    beside: Callable[[], Iterable[tuple[str, Any]]],
    at: int,
) -> RecordingFile:
    """Open a file whose messages are in order, and place the offsets among their times.

    Args:
        name: Its format.
        unit: What its numbers count.
        read: Yields its entries.
        beside: Yields what it holds besides the entries.
        at: When it was written.
    """
    notes = Notes()
    offsets = offsets_of(read, beside, at)
    if offsets is None:
        return RecordingFile(name, unit, notes, lambda: _noted(read(), notes))
    notes.offsets_warning, notes.dates_assumed = offsets.warning, offsets.is_assumed
    return RecordingFile(name, unit, notes, lambda: _noted(offsets.placed(read()), notes))


def _entries(stream: BinaryIO, layout: Layout | None) -> _Entries:
    """Yield the entries of a file of objects from its start; it is YAML if it has no layout."""
    return messages_of(_yaml_entries(stream) if layout is None else _json_entries(layout, stream))


def _json_entries(layout: Layout, stream: BinaryIO) -> _Entries:
    from_start(stream)
    for number, line in layout(stream):
        if isinstance(line, BadLine):
            yield FileEntry(number, line, None)
        elif text := line.strip():
            try:
                yield FileEntry(number, *_parse_line(text))
            except InvalidInputError as error:
                yield FileEntry(number, BadLine(number, str(error)), None)


def _parse_line(text: bytes) -> tuple[Any, str | None]:
    if text.startswith(b"["):
        with suppress(BrokenJsonError):
            return JsonCursor(BytesIO(text)).value()[0], None
    return parse_object(text), text.decode("utf-8", "surrogateescape")


def _yaml_entries(stream: BinaryIO) -> _Entries:
    for number, value in _from_start(yaml_values.values, stream):
        yield FileEntry(number, value, None)


def _sample(entries: _Entries) -> Iterator[dict[str, Any]]:
    """Yield the first objects of a file, as many as fit into its first megabyte."""
    seen = 0
    for entry in islice(entries, _SAMPLE_ENTRIES):
        if isinstance(entry.value, dict):
            yield entry.value
        seen += len(entry.text or "")
        if seen > _HEAD_BYTES:
            return


def _readings(entries: _Entries, format_: ValueFormat) -> Iterator[tuple[int, Reading | BadLine]]:
    """Read objects in a file's format; objects of our own format among them are read as such."""
    seq = 0
    for number, value, text, begins, started_at in entries:
        if isinstance(value, BadLine):
            yield number, value
            continue
        is_own = not format_.looks_like(value) and own.looks_like(value)
        try:
            reading = (own.FORMAT if is_own else format_).read(value, text)
        except InvalidInputError as error:
            yield number, BadLine(number, str(error))
            continue
        if reading.frame is None and started_at is None:
            started_at = start_in(value)  # it may be a header
        reading = reading._replace(started_at=started_at)
        if begins is not None:
            seq = (0 if begins else seq) + (reading.frame is not None)
            is_told = reading.place.is_sender_told
            reading = reading._replace(place=StoredPlace(seq, is_sender_told=is_told))
        yield number, reading
        if reading.also is not None:
            yield number, reading.also


def _noted(readings: Iterable[tuple[int, Reading | BadLine]], notes: Notes) -> Iterator[Numbered]:
    for number, reading in readings:
        if isinstance(reading, BadLine):
            yield number, reading, StoredPlace()
            continue
        notes.add(reading)
        if reading.frame is not None:
            yield number, reading.frame, reading.place


def _read_own(stream: BinaryIO, notes: Notes) -> Iterator[Numbered]:
    stream.seek(0)
    for number, frame, place in read_numbered(stream):
        if not isinstance(frame, BadLine):
            notes.add_own(frame)
        yield number, frame, place


def _messages(entries: _Entries, format_: ValueFormat) -> Iterator[FileMessage]:
    for number, reading in _readings(entries, format_):
        connection = reading.connection if isinstance(reading, Reading) else ""
        label = f"trace {connection}" if connection else ""
        yield FileMessage(connection, number, reading, label)


def _of_connections(
    name: str, unit: str, messages: Iterator[FileMessage], nothing: str | None, ordered: bool = True
) -> RecordingFile:
    """Open a file in which several connections are mixed.

    Args:
        nothing: The error if no connection is a Realtime connection; None to accept that.

    Raises:
        InvalidInputError: See `nothing`.
    """
    notes = Notes()
    connections = MixedConnections(messages, notes, ordered)
    if nothing is not None and not connections.known and not connections.damaged:
        connections.close()
        raise InvalidInputError(nothing)
    return RecordingFile(name, unit, notes, connections.read, connections.close)
