"""What a reader returns for one entry of a file, and what is noticed in all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from eventstore.brief import brief
from eventstore.capture.files.formats.members import Offset
from eventstore.realtime.catalogue import is_known
from eventstore.realtime.frames import Frame, parse
from eventstore.realtime.recording_lines import StoredPlace

_MOST_NAMED = 10


class Reading(NamedTuple):
    """What one entry of a file holds.

    Attributes:
        frame: The message; None if the entry holds none.
        unread_time: The entry's time if it is not understood, else None. It is an `Offset` if it
            counts from the start of the recording.
        place: Where the frame was stored, as exported lines say, and whether the entry says who
            sent it.
        repeats: How many more messages the entry stands for, which are not in the file.
        connection: The key of its connection, in formats that mix several.
        also: The entry's second message, if it holds two.
        started_at: When the recording or this connection started, as the file says.
        is_offset: Whether the frame's time was an offset: see offsets.py.
    """

    frame: Frame | None
    unread_time: Any = None
    place: StoredPlace = StoredPlace()
    repeats: int = 0
    connection: str = ""
    also: Reading | None = None
    started_at: int | None = None
    is_offset: bool = False


class ValueFormat(NamedTuple):
    """A format in which each message is a JSON object.

    Attributes:
        name: Its name for `--format`.
        what: Its name for people.
        looks_like: Returns True if an object is of this format.
        read: Returns what an object holds. Its second argument is the object's text, or None if the
            file is not JSON. It raises InvalidInputError if the object is damaged.
        mixes: True if the messages of several connections are mixed, in any order.
    """

    name: str
    what: str
    looks_like: Callable[[dict[str, Any]], bool]
    read: Callable[[dict[str, Any], str | None], Reading]
    mixes: bool = False


@dataclass
class Notes:
    """What was noticed while a file was read.

    Attributes:
        frames: How many frames it has.
        known: Whether one of them is an event of a known type.
        unread_times: How many times were not understood.
        offsets: How many times count from the start of the recording.
        offsets_warning: How these were placed, in words.
        dates_assumed: Whether their date is not from the file.
        without_frame: How many entries hold no frame.
        repeats: How many messages the file only counts.
        broken: How many frames are not JSON objects.
        left_out: The connections that were left out.
        hints: How to get more than the file has.
    """

    frames: int = 0
    known: bool = False
    unread_times: int = 0
    offsets: int = 0
    offsets_warning: str = ""
    dates_assumed: bool = False
    without_frame: int = 0
    repeats: int = 0
    broken: int = 0
    left_out: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    _example: str = ""

    def add_own(self, frame: Frame) -> None:
        """Count a frame of our own format, which keeps text that is not JSON unchanged."""
        self.frames += 1
        self.known = self.known or is_known_event(frame)

    def add(self, reading: Reading) -> None:
        """Count an entry of another format."""
        self.repeats += reading.repeats
        if reading.frame is None:
            self.without_frame += 1
            return
        self.add_own(reading.frame)
        self.broken += is_broken(reading.frame)
        self.offsets += reading.is_offset
        unread = reading.unread_time
        if unread is not None:
            self.unread_times += 1
            example = unread.value if isinstance(unread, Offset) else unread
            self._example = self._example or brief(example)

    def warnings(self) -> list[str]:
        """Return what a user who imports the file should know, one line each."""
        lines = []
        if self.frames and not self.known:
            lines.append(
                "no event has a known type: the file may be in a format that is not understood;"
                " look at what was imported, or name its format with --format"
            )
        if self.offsets:
            lines.append(f"{self.offsets:,} of {self.frames:,} times {self.offsets_warning}")
        if self.unread_times:
            lines.append(
                f"{self.unread_times:,} of {self.frames:,} times are not understood, such as"
                f" {self._example}: a time needs its date, or to count from 1970; these frames"
                " have none"
            )
        if self.broken:
            lines.append(
                f"messages that are no JSON objects, as where a file is cut off: {self.broken:,};"
                " they are kept as they are"
            )
        if self.without_frame:
            lines.append(f"entries that hold no message were left out: {self.without_frame:,}")
        if self.repeats:
            lines.append(f"messages that the file counts and does not hold: {self.repeats:,}")
        lines += self.hints
        lines += [f"left out: {connection}" for connection in self.left_out[:_MOST_NAMED]]
        if len(self.left_out) > _MOST_NAMED:
            lines.append(f"left out: {len(self.left_out) - _MOST_NAMED:,} more connections")
        return lines


def is_known_event(frame: Frame) -> bool:
    """Return True if a frame is an event of a known type."""
    type_ = _type(frame)
    return type_ is not None and is_known(type_)


def is_broken(frame: Frame) -> bool:
    """Return True if a frame is text but not a JSON object."""
    return isinstance(frame.text, str) and parse(frame.text) is None


def is_realtime_event(frame: Frame) -> bool:
    """Return True if a frame shows that its connection is Realtime's; `ping` does not."""
    type_ = _type(frame)
    return type_ is not None and "." in type_ and is_known(type_)


def _type(frame: Frame) -> str | None:
    event = parse(frame.text) if isinstance(frame.text, str) else None
    type_ = event.get("type") if event is not None else None
    return type_ if isinstance(type_, str) else None
