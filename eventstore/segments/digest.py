"""A session's digest: a chain of SHA-256 over its frames, exactly as they crossed the wire.

Each segment's covers the one before it and its own frames, with their seqs, times and directions;
so the last one covers the session, whether it is sealed or not. Where segments end depends on the
frames alone: an unsealed session has the digest that it will have when it is sealed.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

from eventstore.realtime.events import EventRow
from eventstore.realtime.frames import DIRECTIONS, RAW_BINARY, restore_bytes

#: What the first segment's digest covers in place of the one before.
BEGINNING = bytes(32)

#: A segment ends with the frame that brings it to so many bytes, or events.
SEGMENT_BYTES, SEGMENT_EVENTS = 8 * 1024 * 1024, 20_000

# Seq, time (and whether it is known), direction, whether it is binary, and bytes.
_HEAD = struct.Struct("<qq?B?q")


class Digest:
    """Takes a segment's events, in order.

    Args:
        previous: the digest of the segment before.

    Attributes:
        events, frame_bytes: what was taken so far.
    """

    def __init__(self, previous: bytes) -> None:
        self._hash = hashlib.sha256(previous)
        self.events = self.frame_bytes = 0

    def add(self, row: EventRow) -> None:
        """Take an event.

        Raises:
            ValueError: its columns contradict each other.
        """
        seq, at, direction, _, frame, offset, _, audio = row
        data = restore_bytes(frame, offset, audio)
        place, binary = DIRECTIONS.index(direction), offset == RAW_BINARY
        head = _HEAD.pack(seq, at or 0, at is not None, place, binary, len(data))
        self._hash.update(head + data)
        self.events += 1
        self.frame_bytes += len(data)

    def is_full(self) -> bool:
        """Whether the segment ends here."""
        return is_full(self.events, self.frame_bytes)

    def value(self) -> bytes:
        """The digest."""
        return self._hash.digest()


def extend_digest(digest: Digest, row: EventRow) -> Digest:
    """A digest with one event more: the next segment's where its own is full.

    Raises:
        ValueError: the event's columns contradict each other.
    """
    if digest.is_full():
        digest = Digest(digest.value())
    digest.add(row)
    return digest


def session_digest(previous: bytes, rows: Iterable[EventRow]) -> bytes:
    """Return the digest of a session, or of its beginning.

    Args:
        previous: the digest of the segments before these events; BEGINNING for none.
        rows: the events behind those segments.

    Raises:
        ValueError: an event's columns contradict each other.
    """
    digest = Digest(previous)
    for row in rows:
        digest = extend_digest(digest, row)
    return digest.value() if digest.events else previous


def is_full(events: int, frame_bytes: int) -> bool:
    """Whether a segment of so many events and bytes takes no more."""
    return events >= SEGMENT_EVENTS or frame_bytes >= SEGMENT_BYTES
