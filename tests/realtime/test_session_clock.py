"""Time within a session goes by the order of its events: it never goes back, and pauses stay."""

from __future__ import annotations

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from eventstore.realtime.session_clock import (
    DISORDER_US,
    LONGEST_PAUSE_US,
    SessionClock,
    offsets,
)

START = 1_780_000_000_000_000
SECOND = 1_000_000


@given(st.lists(st.none() | st.integers(-(2**60), 2**60), max_size=60))
def test_time_never_goes_back_and_no_pause_is_longer_than_a_session(
    arrivals: list[int | None],
) -> None:
    found = list(offsets(arrivals))
    known = [moment for moment in found if moment is not None]
    assert len(found) == len(arrivals)
    assert known == sorted(known)
    assert all(moment >= 0 for moment in known)
    assert all(b - a <= LONGEST_PAUSE_US + DISORDER_US for a, b in pairwise(known))
    first = next((n for n, at in enumerate(arrivals) if at is not None), len(arrivals))
    assert all(moment is None for moment in found[:first])
    assert all(moment is not None for moment in found[first:])


@given(
    st.lists(st.integers(0, 60 * SECOND), min_size=1, max_size=40),
    st.lists(st.tuples(st.integers(0, 39), st.integers(2, 10**6)), max_size=5),
)
def test_pauses_stay_pauses_wherever_the_clock_is_set_back(
    pauses: list[int], set_back: list[tuple[int, int]]
) -> None:
    """The time in which the clock was set back is lost; each other pause is as it was."""
    steps = dict(set_back)
    arrivals, at = [START], START
    for number, pause in enumerate(pauses):
        at += pause - steps.get(number, 0) * (60 * SECOND)
        arrivals.append(at)
    lost = [pause if number not in steps else 0 for number, pause in enumerate(pauses)]
    assert list(offsets(arrivals)) == list(accumulate(lost, initial=0))


def test_events_out_of_order_by_a_little_do_not_stretch_the_call() -> None:
    arrivals = [START + n * 1000 + (5000 if n % 2 else 0) for n in range(1000)]
    found = list(offsets(arrivals))
    assert found[-1] == 1_004_000
    assert found == sorted(found)  # type: ignore[type-var]


def test_steady_arrivals() -> None:
    clock = SessionClock()
    arrivals = [None, START, START + SECOND, START - 100 * SECOND, START - 99 * SECOND, None]
    assert [clock.steady(at) for at in arrivals] == [
        *(None, START, START + SECOND, START + SECOND, START + 2 * SECOND, None)
    ]
    assert clock.shift == 101 * SECOND
