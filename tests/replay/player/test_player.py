"""Unit: cues are played when they are due, whatever the printing takes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from eventstore.replay.player.cue import Cue
from eventstore.replay.player.pacing import paced


class Clock:
    """A clock that only sleeping and printing move."""

    def __init__(self, printing: float = 0.0) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self.printing = printing

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds

    def play(self, offsets: list[float | None], speed: float | None) -> list[float]:
        """When each cue came, in seconds since the start."""
        came = []
        for cue in paced(map(cue_at, offsets), speed, self, self.sleep):
            assert isinstance(cue, Cue)
            came.append(self.now - 100)
            self.now += self.printing
        return came


def cue_at(offset_ms: float | None) -> Cue:
    return Cue(1, None, offset_ms, "said", "user", "Hello")


@pytest.mark.parametrize(("speed", "factor"), [(1, 1.0), (2, 0.5), (0.5, 2.0), (100, 0.01)])
def test_cues_come_when_they_are_due(speed: float, factor: float) -> None:
    came = Clock().play([0, 500, 500, 2250], speed)
    assert came == pytest.approx([0, 0.5 * factor, 0.5 * factor, 2.25 * factor])


def test_at_once_never_sleeps() -> None:
    clock = Clock()
    assert clock.play([0, 500, 100_000], None) == [0, 0, 0]
    assert clock.slept == []


def test_slow_printing_does_not_add_up() -> None:
    assert Clock(printing=0.3).play([0, 1000, 2000, 3000], 1) == pytest.approx([0, 1, 2, 3])


def test_what_is_late_comes_at_once() -> None:
    assert Clock(printing=2).play([0, 1000, 2000, 10_000], 1) == pytest.approx([0, 2, 4, 10])


def test_cues_without_times_come_at_once() -> None:
    assert Clock().play([None, 1000, None, None, 1500], 1) == pytest.approx([0, 1, 1, 1, 1.5])


def test_times_that_go_back_are_not_waited_for() -> None:
    assert Clock().play([1000, 500, -3000, 2000], 1) == pytest.approx([1, 1, 1, 2])


def test_cues_are_taken_one_by_one() -> None:
    taken = []

    def cues() -> list[Cue]:
        for number in range(3):
            taken.append(number)
            yield cue_at(number * 1000)

    clock = Clock()
    playing = paced(cues(), 1, clock, clock.sleep)
    next(playing)
    assert taken == [0]


@given(
    offsets=st.lists(st.none() | st.floats(-1000, 10_000), max_size=20),
    speed=st.none() | st.floats(0.01, 10_000),
    printing=st.floats(0, 1),
)
@examples(100)
def test_no_cue_is_lost_or_early(
    offsets: list[float | None], speed: float | None, printing: float
) -> None:
    came = Clock(printing).play(offsets, speed)
    assert len(came) == len(offsets)
    assert all(first <= second for first, second in pairwise(came))
    for offset, moment in zip(offsets, came, strict=True):
        if offset is not None and speed is not None:
            assert moment >= offset / 1000 / speed - 1e-6
