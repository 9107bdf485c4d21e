"""Place times that count from the start of a recording: `"at": 0.5`, `"offset_ms": 500`.

Times of day without their date count from a midnight: `"8:26:41 PM"`.

Pauses, latencies and the pace of a replay depend on the distances of times, so these are kept. The
start is the one that the file names. If it names none, it follows from the session's `expires_at`;
else the last message is put at the time when the file was written. Only the first is known, and a
warning says which it was. `recording_file.py` calls it; docs/adr/0032 has the reasons.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

from eventstore.capture.files.formats.members import Offset, read_time
from eventstore.capture.files.formats.reading import Reading
from eventstore.capture.recording.session_ids import NAMING_TYPES
from eventstore.realtime.frames import CLIENT, Frame, parse
from eventstore.realtime.recording_lines import BadLine
from eventstore.realtime.values import mapping
from eventstore.times import RELATIVE_SECONDS, now, to_iso

Readings = Iterator[tuple[int, Reading | BadLine]]

_MILLISECOND, _SECOND = 1_000, 1_000_000
_HOUR = 3600 * _SECOND
# If two times of day are further apart, in seconds, a midnight is between them.
_HALF_A_DAY, _DAY = 12 * 3600, 24 * 3600
_SAMPLE_ENTRIES = 100
# A Realtime call ends within an hour. If it is longer in seconds, the numbers are milliseconds.
_LONGEST_CALL_S = 7200
# Frames of a call follow each other faster than this; if they do not in seconds, the numbers are
# milliseconds.
_LONGEST_MEAN_GAP_S, _SHORT_CALL_S = 10, 60
_MOST_MEMBERS, _LONGEST_NAME = 50, 40
_LONGEST_TIME, _MOST_TIME = 64, 10**20
# Names of a recording's start, the most certain first.
_START_NAMES = tuple(
    re.compile(rf"({names})(_?(at|on|time|date|timestamp))?(_?(ms|utc|iso))?", re.IGNORECASE)
    for names in ("(recording_?)?(start(ed)?|began|begun)", "recorded", "opened", "created")
)
_PLAIN_STARTS = ("timestamp", "time", "date", "datetime")


class Offsets(NamedTuple):
    """Where the times of a file that count from its start are placed.

    Attributes:
        zero: When the recording started, in microseconds since 1970 UTC.
        unit: Microseconds of one, if an offset's name does not say it.
        first: Is subtracted from each offset, because a clock may not have started with the
            recording.
        day: The first time of day, to which others are at most half a day; None if there is none.
        is_assumed: Whether the file does not say when the recording started.
        warning: The warning for the user.
    """

    zero: int
    unit: int
    first: int
    day: Offset | None
    is_assumed: bool
    warning: str

    def placed(self, readings: Readings) -> Readings:
        """Yield readings with the times that their offsets stand for."""
        for number, reading in readings:
            yield number, self._placed(reading) if isinstance(reading, Reading) else reading

    def _placed(self, reading: Reading) -> Reading:
        offset = reading.unread_time
        if not isinstance(offset, Offset) or reading.frame is None:
            return reading
        zero = self.zero if reading.started_at is None else reading.started_at
        at = zero + _microseconds(_moved_by_days(offset, self.day), self.unit) - self.first
        return reading._replace(
            frame=reading.frame._replace(at=at), unread_time=None, is_offset=True
        )


def _moved_by_days(offset: Offset, day: Offset | None) -> Offset:
    """Return a time of day, moved by a day if the recording went on past a midnight."""
    if day is None or not offset.is_of_day:
        return offset
    apart = offset.number - day.number
    later = _DAY * ((apart < -_HALF_A_DAY) - (apart > _HALF_A_DAY))
    return offset._replace(number=offset.number + later)


def _microseconds(offset: Offset, unit: int) -> int:
    return round(offset.number * (offset.unit or unit))


class _OffsetStatistics:
    """What all offsets of a file say together, and what else the file says of its start."""

    def __init__(self) -> None:
        self.count = 0
        self.least: Offset | None = None
        self.most: Offset | None = None
        self.is_whole = True
        self.day: Offset | None = None
        self.started_at: int | None = None
        self.expires_at: int | None = None

    def add(self, reading: Reading) -> None:
        """Count a reading."""
        offset, frame = reading.unread_time, reading.frame
        if self.started_at is None:
            self.started_at = reading.started_at
        if frame is None:
            return
        if self.expires_at is None:
            self.expires_at = _expiry(frame)
        if not isinstance(offset, Offset):
            return
        if self.day is None and offset.is_of_day:
            self.day = offset
        offset = _moved_by_days(offset, self.day)
        self.count += 1
        self.is_whole = self.is_whole and not isinstance(offset.number, Decimal)
        if self.least is None or offset.number < self.least.number:
            self.least = offset
        if self.most is None or offset.number > self.most.number:
            self.most = offset

    def unit(self) -> int:
        """Return how many microseconds one is: a second's or a millisecond's.

        Whole numbers are milliseconds, as clocks of browsers and of Node.js have them. Fractions
        are seconds, unless no call could be so long or so slow.
        """
        if self.least is None or self.most is None:
            return _SECOND
        span = self.most.number - self.least.number
        is_slow = span > max(_SHORT_CALL_S, _LONGEST_MEAN_GAP_S * self.count)
        too_long = span > _LONGEST_CALL_S
        return _MILLISECOND if self.is_whole or is_slow or too_long else _SECOND


def _expiry(frame: Frame) -> int | None:
    """Return when a session expires, as the server says in `session.created`."""
    text = frame.text
    if isinstance(text, bytes) or frame.direction == CLIENT or "expires_at" not in text:
        return None
    event = parse(text) or {}
    if event.get("type") not in NAMING_TYPES:
        return None
    return read_time(mapping(event.get("session")).get("expires_at")).at


def offsets_of(
    read: Callable[[], Readings],
    beside: Callable[[], Iterable[tuple[str, Any]]],
    written_at: int,
) -> Offsets | None:
    """Return where the offsets of a file are placed; None if its first entries have none.

    Args:
        read: Yields what the entries of the file hold, from its start.
        beside: Yields what the file holds besides its list of entries.
        written_at: When the file was written, or is imported.
    """
    if not any(
        isinstance(reading, Reading) and isinstance(reading.unread_time, Offset)
        for _, reading in islice(read(), _SAMPLE_ENTRIES)
    ):
        return None
    measured = _OffsetStatistics()
    for _, reading in read():
        if isinstance(reading, Reading):
            measured.add(reading)
    started_at = _start_beside(beside())
    return _place_offsets(
        measured, measured.started_at if started_at is None else started_at, written_at
    )


def _start_beside(members: Iterable[tuple[str, Any]]) -> int | None:
    """Return the start that a file names beside its messages; one member is in memory at a time.

    Any of them may be as long as a line. Only the start of an object is kept, and short values.
    """
    plain: dict[str, Any] = {}
    within = None
    for name, value in islice(members, _MOST_MEMBERS):
        if isinstance(value, dict):
            within = _start_among(value) if within is None else within
        elif len(name) <= _LONGEST_NAME and _is_short(value):
            plain[name] = value
    found = _start_among(plain)
    return within if found is None else found


def _is_short(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST_TIME
    return isinstance(value, int | float) and 0 <= value < _MOST_TIME


def _place_offsets(
    measured: _OffsetStatistics, started_at: int | None, written_at: int
) -> Offsets | None:
    least, most, unit = measured.least, measured.most, measured.unit()
    if least is None or most is None:
        return None
    first = _microseconds(least, unit)
    if first <= _HOUR and measured.day is None:
        first = 0
    if started_at is not None:
        zero, why = started_at, "which is when the file says that it started"
    elif measured.expires_at is not None:
        zero = measured.expires_at - _HOUR
        why = "an assumed date: an hour before the session's expires_at"
    else:
        zero = written_at - _microseconds(most, unit) + first
        why = "an assumed date: so the last message came when the file was written or imported"
    names = {_MILLISECOND: "milliseconds", _SECOND: "seconds"}
    count = f"count from the start of the recording, in {names[least.unit or unit]}"
    what = count if measured.day is None else "are times of day without their date"
    warning = f"{what}; their spacing is kept, from {to_iso(zero)} on, {why}"
    return Offsets(zero, unit, first, measured.day, started_at is None, warning)


def start_in(value: Mapping[str, Any]) -> int | None:
    """Return the time at which a recording says that it started; None if it says nothing.

    Args:
        value: What is beside its messages. The start may be in an object of it, such as `metadata`.
    """
    found = _start_among(value)
    inner = (mapping(one) for one in islice(value.values(), _MOST_MEMBERS))
    return next(filter(None, map(_start_among, inner)), None) if found is None else found


def _start_among(value: Mapping[str, Any]) -> int | None:
    names = [name for name in islice(value, _MOST_MEMBERS) if len(name) <= _LONGEST_NAME]
    ordered = [name for start in _START_NAMES for name in names if start.fullmatch(name)]
    ordered += [name for name in _PLAIN_STARTS if name in value]
    times = (read_time(value[name]).at for name in ordered)
    return next((at for at in times if at is not None), None)


def written_at(stream: BinaryIO) -> int:
    """Return when a file was written; the present for a stream, or for an impossible time."""
    moment = now()
    try:
        at = os.fstat(stream.fileno()).st_mtime_ns // 1000
    except (OSError, AttributeError, io.UnsupportedOperation):
        return moment
    return at if RELATIVE_SECONDS * _SECOND <= at <= moment else moment
