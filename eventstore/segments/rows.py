"""What segments are made of: events as the log's table has them."""

from __future__ import annotations

from typing import NamedTuple

from eventstore.segments.text_columns import Skeleton


class Row(NamedTuple):
    """An event: see `realtime.frames` for how frame and audio join.

    Attributes:
        audio_bytes: of the audio; where that was erased, what it had.
        audio: empty where it was erased; None as well where it was not asked for.
    """

    seq: int
    at: int | None
    direction: str
    type: str
    frame: str
    audio_offset: int | None
    audio_bytes: int | None
    audio: bytes | None


def is_erased(row: Row) -> bool:
    """Whether an event's audio was erased: its size is known, and it is empty."""
    return bool(row.audio_bytes) and row.audio == b""


class Kind(NamedTuple):
    """What the rows of one skeleton have in common.

    Attributes:
        direction, type, audio_offset: as in `Row`.
        sound: the number of the block that their audio is in, None where they have none.
        skeleton: of their frames.
    """

    direction: str
    type: str
    audio_offset: int | None
    sound: int | None
    skeleton: Skeleton
