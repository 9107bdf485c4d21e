"""Events as the log has them: a frame with its place in the session, and the columns of its row."""

from __future__ import annotations

from typing import NamedTuple


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


class EventRow(NamedTuple):
    """An event as the log's table and segments have it.

    `realtime.frames` says how frame and audio join.

    Attributes:
        seq, at, direction, type: as in `StoredEvent`.
        frame: the frame's text, without the audio that was cut out of it.
        audio_offset: where in the frame the audio stood; None where none was cut out.
        audio_bytes: how many bytes of audio there are, or were before they were erased.
        audio: the bytes; empty where they were erased, None where they were not asked for.
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
    """Return True if an event's audio was erased: its size is known, and its bytes are gone."""
    return bool(row.audio_bytes) and row.audio == b""
