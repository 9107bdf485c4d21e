"""Compute a session's digest: a chain of SHA-256 over its frames as they crossed the wire.

Called by what seals, verifies and erases sessions. The digest of a segment covers the digest of the
segment before it, and its own frames with their seqs, times and directions. So the last digest
covers the whole session. Where a segment ends depends on the frames alone, so that an unsealed
session already has the digest that it will have when it is sealed.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

from eventstore.realtime.events import EventRow
from eventstore.realtime.frames import DIRECTIONS, RAW_BINARY, restore_bytes

#: Stands for the digest before the first segment.
BEGINNING = bytes(32)

#: A segment ends with the event that reaches one of these numbers.
SEGMENT_BYTES, SEGMENT_EVENTS = 8 * 1024 * 1024, 20_000

# Seq, time, whether the time is known, direction, whether the frame is binary, and its bytes.
_HEAD = struct.Struct("<qq?B?q")


class Digest:
    """Computes the digest of one segment from its events.

    Args:
        previous: The digest of the segment before.

    Attributes:
        events, frame_bytes: The number of events that were added, and the size of their frames.
    """

    def __init__(self, previous: bytes) -> None:
        self._hash = hashlib.sha256(previous)
        self.events = self.frame_bytes = 0

    def add(self, row: EventRow) -> None:
        """Add the next event of the segment.

        Raises:
            ValueError: The event's columns contradict each other.
        """
        seq, at, direction, _, frame, offset, _, audio = row
        data = restore_bytes(frame, offset, audio)
        place, binary = DIRECTIONS.index(direction), offset == RAW_BINARY
        head = _HEAD.pack(seq, at or 0, at is not None, place, binary, len(data))
        self._hash.update(head + data)
        self.events += 1
        self.frame_bytes += len(data)

    def is_full(self) -> bool:
        """Return True if the segment ends with the last event that was added."""
        return is_full(self.events, self.frame_bytes)

    def value(self) -> bytes:
        """Return the digest of the events that were added."""
        return self._hash.digest()


def extend_digest(digest: Digest, row: EventRow) -> Digest:
    """Add an event to a session's last segment, or to a new one if that segment is full.

    Returns:
        The `Digest` of the segment that has the event.

    Raises:
        ValueError: The event's columns contradict each other.
    """
    if digest.is_full():
        digest = Digest(digest.value())
    digest.add(row)
    return digest


def session_digest(previous: bytes, rows: Iterable[EventRow]) -> bytes:
    """Return the digest of a session, or of its beginning.

    Args:
        previous: The digest of the segments before these events, or `BEGINNING` for none.
        rows: The events after those segments.

    Raises:
        ValueError: An event's columns contradict each other.
    """
    digest = Digest(previous)
    for row in rows:
        digest = extend_digest(digest, row)
    return digest.value() if digest.events else previous


def is_full(events: int, frame_bytes: int) -> bool:
    """Return True if a segment with so many events and bytes of frames ends."""
    return events >= SEGMENT_EVENTS or frame_bytes >= SEGMENT_BYTES
