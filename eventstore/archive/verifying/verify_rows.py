"""Check the columns of one event: all of them can be made again from its frame.

Called by verify_events.py.
"""

from __future__ import annotations

from eventstore.projection.load_keys import FOLDED_IN_ORDER, SUMMED_DELTAS, load_key
from eventstore.projection.repeats import Repeats
from eventstore.realtime.events import EventRow, is_erased
from eventstore.realtime.frames import decode_columns, restore
from eventstore.realtime.live_catalogue import LIVE_INPUT_AUDIO
from eventstore.segments.wrong_column import wrong_column
from eventstore.store.log.derived_columns import Derived

#: Types that older versions of the store did not know. Their logs have them with the load key of an
#: unknown type, and with short audio within the frame.
_KNOWN_LATER = frozenset({LIVE_INPUT_AUDIO})


def row_problem(
    row: EventRow, stored: Derived | None, audio_was_erased: bool, repeats: Repeats
) -> str | None:
    """Return what is wrong with an event's columns, or None.

    Every column that a reader uses is made again from the frame and compared: the type, the place
    and the length of the audio that was cut out, and the key by which loading a state finds the
    event. So none of these columns needs to be in the digest.

    Args:
        row: The event, decrypted.
        stored: The derived columns of its row; None for an event in a segment.
        audio_was_erased: The session has a note that its audio was erased.
        repeats: Has seen the events before this one.
    """
    wrong = wrong_column(row)
    if wrong is not None:
        return wrong
    try:
        text = restore(row.frame, row.audio_offset, row.audio)
    except ValueError as error:
        return f"its columns contradict each other: {error}"
    type_, frame, offset, audio, event = decode_columns(text)
    if type_ != row.type:
        return f"its type is {type_}, and the log says {row.type}"
    is_later = type_ in _KNOWN_LATER
    if is_later and (row.audio_offset, row.audio) == (None, None) and isinstance(text, str):
        frame, offset, audio = text, None, None
    size = len(audio) if audio is not None and offset is not None and offset >= 0 else None
    again = event is not None and repeats.is_repeated(
        row.seq, row.direction, type_, event, frame, size or 0
    )
    if stored is not None:
        key = load_key(type_, event, row.direction)
        is_marked = again and type_ in SUMMED_DELTAS and stored.load_key is None
        is_older = is_later and stored.load_key == FOLDED_IN_ORDER
        if key != stored.load_key and not is_marked and not is_older:
            return f"its load_key is {key!r} by its frame, and the log says {stored.load_key!r}"
    if is_erased(row):
        # The frame has no audio any more, so the length cannot be compared.
        return None if audio_was_erased else "it has no audio, and no erasure was noted"
    if (frame, offset, audio) != (row.frame, row.audio_offset, row.audio):
        return "its columns are not those that its frame is stored in"
    if row.audio_bytes != (None if audio is None else len(audio)) or (
        stored is not None and stored.audio_bytes != size
    ):
        return f"its audio has {size or 0:,} bytes, and the log says another number"
    return None
