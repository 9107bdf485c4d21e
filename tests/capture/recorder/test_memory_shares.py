"""How the sessions of a recorder process share its memory."""

from __future__ import annotations

import pytest

from eventstore.capture.recorder.process.memory_shares import has_room, holds_much

MEMORY = 16_000


@pytest.mark.parametrize(
    ("size", "own", "held", "room"),
    [
        (1000, 0, 15_000, True),  # the last sixteenth is for sessions that hold little
        (1001, 0, 15_000, False),
        (500, 500, 15_500, True),
        (500, 501, 15_000, False),
        (1000, 1000, 14_000, True),
        (1001, 1000, 14_000, False),
    ],
)
def test_the_last_room_is_for_sessions_that_hold_little(
    size: int, own: int, held: int, room: bool
) -> None:
    assert has_room(size, own, held, MEMORY) == room


@pytest.mark.parametrize(
    ("own", "held", "sessions", "much"),
    [
        (8_000, 8_000, 1, False),  # half of the memory is free
        (8_001, 8_001, 1, True),
        (90, 9_000, 100, True),  # the average
        (89, 9_000, 100, False),
        (63, 12_001, 100, True),  # three quarters are in use: a 256th is much
        (62, 12_001, 100, False),
        (2, 14_001, 100, True),  # seven eighths: an 8192nd is
        (1, 14_001, 100, False),
    ],
)
def test_who_fills_the_memory_slows_down(own: int, held: int, sessions: int, much: bool) -> None:
    assert holds_much(own, held, sessions, MEMORY) == much
