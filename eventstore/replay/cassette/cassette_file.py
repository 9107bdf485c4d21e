"""Read and write cassettes: JSON lines with one frame a line; each connection begins at seq 1.

Called by cassette.py and cassette_server.py.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from glob import escape
from itertools import count
from pathlib import Path
from typing import NamedTuple

from eventstore.errors import InvalidInputError
from eventstore.realtime.catalogue import CLOSED
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import STORE, Frame
from eventstore.realtime.masking.mask import mask_frame
from eventstore.realtime.recording_lines import BadLine, envelope_line, read_frames, read_numbered
from eventstore.realtime.values import dumps
from eventstore.times import now, to_iso

_numbers = count(1)


class CassetteLine(NamedTuple):
    """A frame of a cassette.

    Attributes:
        number: The number of its line in the file, from 1.
        frame: The frame.
    """

    number: int
    frame: Frame


def read_cassette(path: Path) -> list[list[CassetteLine]]:
    """Return the connections of a cassette, each as its lines.

    Exported sessions and other recordings in JSON lines are read as well.

    Raises:
        InvalidInputError: The file, or a line of it, cannot be read.
    """
    connections: list[list[CassetteLine]] = []
    try:
        with path.open("rb") as stream:
            for number, frame, place in read_numbered(stream):
                if isinstance(frame, BadLine):
                    raise InvalidInputError(f"{path}, line {number}: {frame.reason}")
                if place.seq == 1 or not connections:
                    connections.append([])
                connections[-1].append(CassetteLine(number, frame))
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror or error}") from error
    return connections


def cassette_line(seq: int, frame: Frame) -> bytes:
    """Return the line of a frame.

    The frame is written as a JSON object under `event`, which is easy to read, if its text comes
    back exactly from there: `{"seq":1,"at":"…","direction":"client","event":{…}}`. Otherwise it is
    written as an escaped text.
    """
    text = frame.text
    if isinstance(text, str) and text.startswith("{") and "\n" not in text and "\r" not in text:
        head = dumps({"seq": seq, "at": to_iso(frame.at), "direction": frame.direction})
        try:
            line = f'{head[:-1]},"event":{text}}}\n'.encode()
        except UnicodeEncodeError:
            line = b""
        if [found for _, found in read_frames(io.BytesIO(line))] == [frame]:
            return line
    return envelope_line(StoredEvent(seq, frame.at, frame.direction, "", text))


class UnfinishedConnection:
    """A connection that is being recorded, in a file of its own beside the cassette.

    Each frame is written at once, so that a crash loses none.

    Attributes:
        path: The connection's own file, named `….partial`.

    Args:
        cassette: The cassette's file, to which the connection is added at the end.

    Raises:
        OSError: The file cannot be written.
    """

    def __init__(self, cassette: Path) -> None:
        cassette.parent.mkdir(parents=True, exist_ok=True)
        self.path = cassette.with_name(f"{cassette.name}.{os.getpid()}-{next(_numbers)}.partial")
        self._seq = 0
        # Opened also for reading: another process that records the same cassette may remove the
        # file's name, and then only this handle can read it.
        self._file = self.path.open("w+b")

    def add(self, direction: str, text: str | bytes) -> None:
        """Write a frame that crosses the wire now, with its secrets masked."""
        self._seq += 1
        self._file.write(cassette_line(self._seq, Frame(direction, mask_frame(text).text, now())))
        self._file.flush()

    def end(self, by: str, code: int, reason: str) -> None:
        """Write a note of how the connection was closed.

        Args:
            by: Who closed it: `client` or `server`.
            code, reason: The close frame's code and reason.
        """
        note = {"type": CLOSED, "by": by, "code": code, "reason": reason}
        self.add(STORE, dumps(note))

    def read(self) -> bytes:
        """Return all bytes that were written."""
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        """Close the file. It is not deleted."""
        self._file.close()


def write_cassette(path: Path, kept: bool, parts: Iterable[UnfinishedConnection]) -> None:
    """Write a cassette in one step, and delete the `.partial` files of its recordings.

    Args:
        path: The cassette's file.
        kept: Keep what the file holds now, and add the connections after it.
        parts: The connections that were recorded, in order.

    Raises:
        OSError: The file cannot be written. It is as it was.
    """
    made = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with made.open("wb") as file:
            before = path.read_bytes() if kept else b""
            file.write(before if not before or before.endswith(b"\n") else before + b"\n")
            for part in parts:
                file.write(part.read())
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)
    except OSError:
        made.unlink(missing_ok=True)
        raise
    for partial in path.parent.glob(f"{escape(path.name)}.*.partial"):
        partial.unlink(missing_ok=True)
