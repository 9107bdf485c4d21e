"""Cassettes as files: readable JSON lines, a line a frame, each connection beginning at seq 1."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from glob import escape
from itertools import count
from pathlib import Path
from typing import NamedTuple

from eventstore.errors import InvalidInputError
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import STORE, Frame
from eventstore.realtime.masking.mask import mask_frame
from eventstore.realtime.recording_lines import BadLine, envelope_line, read_frames, read_numbered
from eventstore.realtime.values import dumps
from eventstore.times import now, to_iso

_numbers = count(1)


class CassetteLine(NamedTuple):
    """A frame and the number of its line in the file."""

    number: int
    frame: Frame


def read_cassette(path: Path) -> list[list[CassetteLine]]:
    """The connections of a cassette. Exported sessions and other recordings are read as well.

    Raises:
        InvalidInputError: the file, or a line of it, cannot be read.
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
    """A frame as a line: as an `event` where its text is readable so and comes back exactly."""
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
    """A connection on its way into a cassette: written frame by frame, so that a crash loses none.

    Attributes:
        path: the file, beside the cassette, until the recording is done.

    Args:
        cassette: the file that it is to be a part of.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, cassette: Path) -> None:
        cassette.parent.mkdir(parents=True, exist_ok=True)
        self.path = cassette.with_name(f"{cassette.name}.{os.getpid()}-{next(_numbers)}.partial")
        self._seq = 0
        # Read by its handle: another process that records the same may remove the name.
        self._file = self.path.open("w+b")

    def add(self, direction: str, text: str | bytes) -> None:
        """Write a frame that crosses the wire now, without its secrets."""
        self._seq += 1
        self._file.write(cassette_line(self._seq, Frame(direction, mask_frame(text).text, now())))
        self._file.flush()

    def end(self, by: str, code: int, reason: str) -> None:
        """Note how the connection was closed.

        Args:
            by: who closed it, client or server.
            code, reason: of the close frame.
        """
        note = {"type": "eventstore.session.closed", "by": by, "code": code, "reason": reason}
        self.add(STORE, dumps(note))

    def read(self) -> bytes:
        """All that was written."""
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        """Close the file; it stays where it is."""
        self._file.close()


def write_cassette(path: Path, kept: bool, parts: Iterable[UnfinishedConnection]) -> None:
    """Write a cassette in one step, and remove what was left of recordings of it.

    Args:
        kept: begin with what the file holds now.

    Raises:
        OSError: it cannot be written; the file is as it was.
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
