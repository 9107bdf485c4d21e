"""Check the types of an event's columns, since SQLite stores values of any type in any column.

Called by what reads rows of the log from a database that may be damaged, and by verify.
"""

from __future__ import annotations

from eventstore.realtime.events import EventRow
from eventstore.realtime.frames import DIRECTIONS
from eventstore.segments.limits import MAX_INT

_WRONG = "its {} is none that an event can have"


def wrong_column(row: EventRow) -> str | None:
    """Return a message about the first column with an impossible value, or None if all are fine."""
    seq, at, direction, type_, frame, offset, _, audio = row
    if type(seq) is not int:
        return _WRONG.format("seq")
    if at is not None and not (type(at) is int and abs(at) <= MAX_INT):
        return _WRONG.format("time")
    if direction not in DIRECTIONS:
        return _WRONG.format("direction")
    if type(type_) is not str or type(frame) is not str:
        return _WRONG.format("text")
    if offset is not None and type(offset) is not int:
        return _WRONG.format("audio_offset")
    if audio is not None and type(audio) is not bytes:
        return _WRONG.format("audio")
    return None
