"""What the events of a segment have in common: their kinds."""

from __future__ import annotations

from typing import NamedTuple

from eventstore.segments.text_columns import Skeleton


class RowKind(NamedTuple):
    """What the rows of one skeleton have in common.

    Attributes:
        direction, type, audio_offset: as in `EventRow`.
        sound: the number of the block that their audio is in, None where they have none.
        skeleton: of their frames.
    """

    direction: str
    type: str
    audio_offset: int | None
    sound: int | None
    skeleton: Skeleton
