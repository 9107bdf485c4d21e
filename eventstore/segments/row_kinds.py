"""The kinds of rows in a segment: values that many events share, and that are stored once.

Called by unpack.py. pack.py writes the same fields as a list.
"""

from __future__ import annotations

from typing import NamedTuple

from eventstore.segments.text_columns import Skeleton


class RowKind(NamedTuple):
    """The values that all rows of one kind share.

    Attributes:
        direction, type, audio_offset: As in `EventRow`.
        sound: The number of the block with the audio of these rows, or None if they have none.
        skeleton: The skeleton of their frames (see text_columns.py).
    """

    direction: str
    type: str
    audio_offset: int | None
    sound: int | None
    skeleton: Skeleton
