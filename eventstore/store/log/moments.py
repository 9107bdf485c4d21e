"""Find the last event before a moment of a session. Called by queries/query_sessions.py."""

from __future__ import annotations

from collections.abc import Iterator

from eventstore.realtime.catalogue import SET_LATER
from eventstore.realtime.frames import STORE
from eventstore.realtime.session_clock import SessionClock
from eventstore.store.database.transaction import Transaction
from eventstore.store.log.segments.read_segments import sealed_events

ARRIVALS = (
    "SELECT seq, at, direction, type FROM events WHERE session_id = ? AND seq > ? AND seq <= ?"
    " ORDER BY seq LIMIT ?"
)
_PIECE = 5000

_Arrival = tuple[int, int | None, str, str]


def seq_at_moment(tx: Transaction, session_id: str, head: int, seconds: float) -> int | None:
    """Return the seq of the last event that had arrived after so many seconds of a session.

    Args:
        head: The seq of the session's last event.
        seconds: Since the first event whose arrival time is known.

    Returns:
        The seq, or 0 if no event had arrived; None if no arrival time is known.
    """
    clock, end, found = SessionClock(), round(seconds * 1_000_000), 0
    for seq, at, direction, type_ in _arrivals(tx, session_id, head):
        if direction == STORE and type_ in SET_LATER:
            continue  # These may be set long after the call, and do not belong to its time.
        if clock.moment(at) > end:
            return found
        found = seq
    return found if clock.timed else None


def _arrivals(tx: Transaction, session_id: str, head: int) -> Iterator[_Arrival]:
    """Yield the seq, arrival time, direction and type of each event, in order."""
    seq = 0
    for sealed in sealed_events(tx, session_id, 1, head, sound=False):
        seq = sealed.seq
        yield seq, sealed.at, sealed.direction, sealed.type
    while seq < head:
        piece = tx.rows(ARRIVALS, (session_id, seq, head, _PIECE))
        if not piece:
            return
        yield from piece
        seq = piece[-1][0]
