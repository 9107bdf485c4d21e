"""Calls at both ends of the calendar, around 1970, and across all of it."""

from __future__ import annotations

from eventstore import EventStore, Frame
from eventstore.times import DAY_US, MAX_AT, MIN_AT
from support.calls import voice_call
from support.filled import filled

#: When a call begins; None for one whose clock jumps from one end of the calendar to the other.
STARTS: dict[str, int | None] = {
    "sess_year_1": MIN_AT,
    "sess_before_1970": -DAY_US // 2,
    "sess_1970": 500_000,
    "sess_day_2": DAY_US,
    "sess_usual": 1_780_000_000_000_000,
    "sess_year_9999": MAX_AT - 60_000_000,
    "sess_last_moment": MAX_AT,
    "sess_all_years": None,
}
#: The days on which something was billed, as reports name them.
DAYS = [
    *("0001-01-01", "1969-12-31", "1970-01-01", "1970-01-02", "2026-05-28", "9999-12-31"),
]


def put_edge_calls(store: EventStore) -> list[str]:
    """One call for each start, closed; returns their ids."""
    filled(store, "edge calls", _fill)
    return list(STARTS)


def _fill(store: EventStore) -> None:
    frames = voice_call().frames
    zero = frames[0].at or 0
    for session_id, start in STARTS.items():
        store.append(session_id, [_moved(f, start, zero) for f in frames], close=True)
        store.set_metadata(session_id, {"customer": session_id})


def _moved(frame: Frame, start: int | None, zero: int) -> Frame:
    passed = (frame.at or 0) - zero
    if start is None:
        return frame._replace(at=MIN_AT if passed < 10_000 else MAX_AT)
    return frame._replace(at=min(start + passed, MAX_AT))
