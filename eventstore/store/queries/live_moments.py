"""Find the last event before a moment on the timeline of a GPT-Live session.

Called by query_sessions.py for `--at +SECONDS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eventstore.projection.live.timeline import PLACED_TYPES, LiveClock
from eventstore.realtime.catalogue import SET_LATER, UNTIMED
from eventstore.realtime.frames import STORE
from eventstore.realtime.protocols import LIVE, told_protocol
from eventstore.store.database.transaction import Transaction
from eventstore.store.log.segments.read_segments import sealed_events
from eventstore.store.readmodels.states.state_rows import (
    PIECE_ROWS,
    STATE_EVENT_COLUMNS,
    parsed_event,
    state_row_pieces,
)

EVENTS_WITHOUT_SOUND = (
    f"SELECT {STATE_EVENT_COLUMNS} FROM events WHERE session_id = ? AND seq > ? AND seq <= ?"
    f" ORDER BY seq LIMIT {PIECE_ROWS}"
)
#: The server tells what was said some time after it was said. Events that arrive so much later than
#: the moment end the search.
_LATE_MS = 2000

_Read = tuple[int, int | None, str, str, dict[str, Any] | None]


def seq_on_timeline(tx: Transaction, session_id: str, head: int, seconds: float) -> int | None:
    """Return the seq of the last event before a moment on a Live session's timeline.

    What begins at the moment or later is not before it.

    Args:
        head: The seq of the session's last event.
        seconds: Since the timeline's beginning.

    Returns:
        The seq, or 0 if no event is before the moment; None if the session is none of GPT-Live.
    """
    clock, end_ms, found = LiveClock(), seconds * 1000, 0
    protocol = None
    for seq, at, direction, type_, body in _events(tx, session_id, head):
        if protocol is None:
            protocol = told_protocol(direction, type_, body)
            if protocol not in (None, LIVE):
                return None
        if direction == STORE and type_ in SET_LATER:
            continue
        moment = clock.moment(at, type_, body)
        if clock.placed and moment >= end_ms:
            break
        if moment > end_ms + _LATE_MS:
            break
        if moment <= end_ms or not clock.started:
            found = seq
    return found if protocol == LIVE else None


def _events(tx: Transaction, session_id: str, head: int) -> Iterator[_Read]:
    """Yield the seq, arrival, direction, type and parsed event of each event, in order."""
    seq = 0
    for row in sealed_events(tx, session_id, 1, head, sound=False):
        seq = row.seq
        body = _parsed(row.direction, row.type, row.frame, row.audio_offset, row.audio)
        yield seq, row.at, row.direction, row.type, body
    for piece in state_row_pieces(tx, EVENTS_WITHOUT_SOUND, (session_id,), seq, head):
        for seq, at, direction, type_, frame, offset, raw, _ in piece:
            yield seq, at, direction, type_, _parsed(direction, type_, frame, offset, raw)


def _parsed(
    direction: str, type_: str, frame: str, offset: int | None, raw: bytes | None
) -> dict[str, Any] | None:
    """Return the parsed event if its protocol or its place is read from it; otherwise None."""
    if type_ in UNTIMED and type_ not in PLACED_TYPES:
        return None
    if direction == STORE or type_.startswith("session."):
        return parsed_event(type_, frame, offset, raw)
    return None
