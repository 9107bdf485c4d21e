"""When recorded frames are due."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from eventstore.errors import InvalidInputError
from eventstore.replay.serving.pace import Pace, speed_of

SECOND = 1_000_000


def test_frames_keep_their_distances() -> None:
    pace = Pace(1.0, 100.0)
    assert pace.due(5 * SECOND, 100.0) == 100.0
    assert pace.due(7 * SECOND, 100.5) == 102.0
    assert pace.due(6 * SECOND, 103.0) == 103.0


def test_speed() -> None:
    pace = Pace(4.0, 0.0)
    pace.due(0, 0.0)
    assert pace.due(8 * SECOND, 0.0) == 2.0


def test_at_once_and_without_times_frames_are_due_at_once() -> None:
    assert Pace(None, 0.0).due(9 * SECOND, 3.0) == 3.0
    assert Pace(1.0, 0.0).due(None, 3.0) == 3.0


def test_an_answer_comes_as_long_after_its_cause_as_it_did() -> None:
    pace = Pace(1.0, 0.0)
    pace.due(0, 0.0)
    # Recorded 10 s into the call and answered 0.5 s later; the live client is 2 s early.
    pace.answered(10 * SECOND, 8.0, 8.0)
    assert pace.due(10 * SECOND + SECOND // 2, 8.0) == 8.5
    assert pace.due(11 * SECOND, 8.5) == 9.0


def test_a_client_far_ahead_does_not_hurry_what_follows() -> None:
    pace = Pace(1.0, 0.0)
    pace.due(0, 0.0)
    pace.answered(10 * SECOND, 1.0, 9.0)
    assert pace.due(11 * SECOND, 9.0) == 9.0
    assert pace.due(12 * SECOND, 9.0) == 10.0


def test_a_cause_without_a_time() -> None:
    pace = Pace(1.0, 0.0)
    pace.due(0, 0.0)
    pace.answered(None, 5.0, 6.0)
    assert pace.due(3 * SECOND, 6.0) == 6.0
    assert pace.due(4 * SECOND, 6.0) == 7.0


@given(
    st.lists(st.none() | st.integers(-(10**12), 10**12), max_size=20),
    st.none() | st.floats(0.01, 100),
)
@examples(100)
def test_nothing_is_due_before_now(times: list[int | None], speed: float | None) -> None:
    pace, now = Pace(speed, 0.0), 0.0
    for at in times:
        due = pace.due(at, now)
        assert due >= now
        now = due


@pytest.mark.parametrize(
    ("pace", "speed"),
    [("instant", None), ("recorded", 1.0), ("4", 4.0), (0.5, 0.5), (1000, 1000.0)],
)
def test_paces_have_names_and_numbers(pace: str | float, speed: float | None) -> None:
    assert speed_of(pace) == speed


@pytest.mark.parametrize("pace", ["", "fast", "0", -1, "nan", "inf", 1001, "1e400"])
def test_other_paces_are_refused(pace: str | float) -> None:
    with pytest.raises(InvalidInputError, match="use instant, recorded, or a number up to 1000"):
        speed_of(pace)
