"""The two forms of an event of the log: `StoredEvent` for callers, `EventRow` for tables.

Called by everything that reads or writes the log.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from eventstore.realtime.frames import parse


class StoredEvent(NamedTuple):
    """One event of a session's log.

    Attributes:
        seq: Its sequence number, its place in the session, from 1.
        at: When it arrived, in microseconds since 1970 UTC; None if that is not known.
        direction: `client`, `server`, or `store` for what the recorder itself noted.
        type: Its type on the wire; `eventstore.unreadable` if it has none.
        text: The frame exactly as it was received; bytes for a binary message.
    """

    seq: int
    at: int | None
    direction: str
    type: str
    text: str | bytes

    @property
    def body(self) -> dict[str, Any]:
        """The frame's JSON object, parsed anew each time; empty if the frame is no JSON object."""
        found = parse(self.text) if isinstance(self.text, str) else None
        return found if found is not None else {}


class EventRow(NamedTuple):
    """The columns of one event in the log's table and in segments.

    realtime/frames.py describes how the frame and the audio are joined.

    Attributes:
        seq, at, direction, type: As in `StoredEvent`.
        frame: The frame's text, without the audio that was cut out of it.
        audio_offset: The place in the frame where the audio was, or None if none was cut out.
        audio_bytes: The size of the audio, even if it was erased.
        audio: The audio; empty if it was erased, None if it was not read.
    """

    seq: int
    at: int | None
    direction: str
    type: str
    frame: str
    audio_offset: int | None
    audio_bytes: int | None
    audio: bytes | None


def is_erased(row: EventRow) -> bool:
    """Return True if an event's audio was erased: it has a size, but no bytes."""
    return bool(row.audio_bytes) and row.audio == b""
