"""Sort the messages of a file in which several connections are mixed, or out of order.

The messages are copied to a temporary file. From there they are read connection by connection, each
in the order of its times if the format has no order of its own. `recording_file.py` calls it.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from eventstore.capture.files.formats.reading import Notes, Reading, is_broken, is_realtime_event
from eventstore.errors import InvalidInputError
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import Frame
from eventstore.realtime.recording_lines import BadLine, StoredPlace, envelope_line, parse_object
from eventstore.realtime.recording_lines import frame_of as frame_of_line

#: Messages that one such file may hold: for each, some thirty bytes of memory say where it is.
MOST_MESSAGES = 5_000_000
MOST_CONNECTIONS = 100_000
_MOST_BAD = 10_000


class FileMessage(NamedTuple):
    """One message of a file, or the name of a connection in it.

    Attributes:
        connection: The key of the connection that it belongs to.
        number: Its place in the file, such as a line number.
        reading: What it holds; None if it only names the connection.
        label: The connection's name for people, such as its URL.
    """

    connection: str
    number: int
    reading: Reading | BadLine | None
    label: str = ""


def _numbers() -> array[int]:
    return array("q")


@dataclass
class _Connection:
    """A connection, and where the copies of its messages are.

    Attributes:
        times, numbers, offsets: For each message its time, its place in the file, and the offset of
            its copy. The offset is negative, and less by one, if the file does not say the sender.
        bad: Its messages that cannot be read.
        broken: How many of its frames are not JSON objects.
        known: Whether it is a Realtime connection.
    """

    label: str = ""
    times: array[int] = field(default_factory=_numbers)
    numbers: array[int] = field(default_factory=_numbers)
    offsets: array[int] = field(default_factory=_numbers)
    bad: list[BadLine] = field(default_factory=list)
    broken: int = 0
    known: bool = False

    def sort(self) -> None:
        """Sort by time; messages of one time are reversed if the file has the newest first."""
        count = len(self.times)
        newest_first = count > 0 and self.times[0] > self.times[-1]
        places = range(count - 1, -1, -1) if newest_first else range(count)
        order = sorted(places, key=self.times.__getitem__)
        self.numbers = array("q", (self.numbers[place] for place in order))
        self.offsets = array("q", (self.offsets[place] for place in order))


Numbered = tuple[int, Frame | BadLine, StoredPlace]


class MixedConnections:
    """The connections of a file, separated.

    Args:
        messages: All messages of the file.
        notes: Takes what is noticed.
        ordered: False to sort the messages of each connection by their times.

    Raises:
        InvalidInputError: If there are too many messages, or no space for the copy.
    """

    def __init__(self, messages: Iterable[FileMessage], notes: Notes, ordered: bool) -> None:
        self._spool: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115
        self._connections: dict[str, _Connection] = {}
        try:
            self._copy(messages, notes)
        except BaseException as error:
            self._spool.close()
            if isinstance(error, OSError):
                raise InvalidInputError(f"no room to sort it: {error.strerror or error}") from error
            raise
        if not ordered:
            for connection in self._connections.values():
                connection.sort()
        if self.known:
            self._leave_out(notes)

    def _leave_out(self, notes: Notes) -> None:
        """Remove the connections of other protocols, if one is a Realtime connection."""
        for key, one in list(self._connections.items()):
            if not (one.known or one.bad):
                del self._connections[key]
                count = len(one.numbers)
                notes.frames -= count
                notes.broken -= one.broken
                if count:
                    what = f"{count:,} messages that are no Realtime events"
                    notes.left_out.append(f"{one.label or 'a connection'} ({what})")

    def _copy(self, messages: Iterable[FileMessage], notes: Notes) -> None:
        offset = bad = 0
        for count, message in enumerate(messages, 1):
            if count > MOST_MESSAGES or len(self._connections) > MOST_CONNECTIONS:
                raise InvalidInputError(
                    f"more than {MOST_MESSAGES:,} messages, or {MOST_CONNECTIONS:,} connections;"
                    " split the file"
                )
            connection = self._connections.get(message.connection)
            if connection is None:
                connection = self._connections[message.connection] = _Connection()
            connection.label = connection.label or message.label
            reading = message.reading
            if isinstance(reading, BadLine):
                connection.bad.append(reading)
                bad += 1
                if bad > _MOST_BAD:
                    raise InvalidInputError(f"more than {_MOST_BAD:,} messages cannot be read")
            if not isinstance(reading, Reading):
                continue
            notes.add(reading)
            if reading.frame is None:
                continue
            connection.broken += is_broken(reading.frame)
            connection.known = connection.known or is_realtime_event(reading.frame)
            before = connection.times[-1] if connection.times else 0
            at = reading.frame.at
            connection.times.append(before if at is None else at)
            connection.numbers.append(message.number)
            connection.offsets.append(offset if reading.place.is_sender_told else -1 - offset)
            offset += self._spool.write(_line(reading.frame))

    @property
    def known(self) -> bool:
        """Return True if one of them is a Realtime connection."""
        return any(one.known for one in self._connections.values())

    @property
    def damaged(self) -> bool:
        """Return True if a message of one of them cannot be read."""
        return any(one.bad for one in self._connections.values())

    def read(self) -> Iterator[Numbered]:
        """Yield the frames of each connection in turn; one that has a key is numbered from 1."""
        for key, connection in self._connections.items():
            for bad in connection.bad:
                yield bad.number, bad, StoredPlace()
            places = zip(connection.numbers, connection.offsets, strict=True)
            for seq, (number, offset) in enumerate(places, 1):
                is_told = offset >= 0
                self._spool.seek(offset if is_told else -1 - offset)
                line = self._spool.readline().strip()
                frame, _ = frame_of_line(parse_object(line), line)
                yield number, frame, StoredPlace(seq if key else None, is_sender_told=is_told)

    def close(self) -> None:
        """Delete the copy."""
        self._spool.close()


def _line(frame: Frame) -> bytes:
    return envelope_line(StoredEvent(1, frame.at, frame.direction, "", frame.text))
