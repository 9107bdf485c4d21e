"""A recorder's times never jump, whatever the wall clock does; its jumps are noted, and bounded."""

from __future__ import annotations

import json
from pathlib import Path

from support.recorder_calls import created, noted

from eventstore import EventStore, Recorder
from eventstore.capture.recorder.arrival_clock import ArrivalClock
from eventstore.capture.recorder.process.recorder_process import RecorderProcess

START = 1_780_000_000_000_000
SECOND = 1_000_000


class Clocks:
    """A wall clock and a steady one, to be moved by hand."""

    def __init__(self) -> None:
        self.wall, self.steady = START, 5

    def pass_time(self, microseconds: int, jump: int = 0) -> None:
        self.steady += microseconds * 1000
        self.wall += microseconds + jump

    def made(self) -> ArrivalClock:
        return ArrivalClock(lambda: self.wall, lambda: self.steady)


def test_the_wall_clock_is_looked_at_once() -> None:
    clocks = Clocks()
    clock = clocks.made()
    told = []
    for jump in (0, -3600 * SECOND, 0, 86_400 * SECOND, -900_000, 900_000):
        clocks.pass_time(2 * SECOND, jump)
        at = clock.now()
        told.append((at - START, clock.jumped(at)))
    assert told == [
        (2 * SECOND, None),
        (4 * SECOND, -3600 * SECOND),
        (6 * SECOND, None),
        (8 * SECOND, 86_400 * SECOND),
        (10 * SECOND, None),  # clocks are steered by less than a second
        (12 * SECOND, None),
    ]


def test_an_arrival_reports_a_jump_with_its_time() -> None:
    clocks = Clocks()
    clock = clocks.made()
    jumps: list[tuple[int, int]] = []
    for jump in (0, -3600 * SECOND, 0):
        clocks.pass_time(2 * SECOND, jump)
        assert clock.arrival(lambda *told: jumps.append(told)) == clock.now()
    assert jumps == [(-3600 * SECOND, START + 4 * SECOND)]


def test_few_jumps_are_told_and_the_wall_clock_is_looked_at_seldom() -> None:
    clocks = Clocks()
    clock = clocks.made()
    told = 0
    for number in range(100):
        clocks.pass_time(10, 5 * SECOND)
        assert clock.jumped(clock.now()) is None  # within the same second
        clocks.pass_time(SECOND, (-1) ** number * 100 * SECOND)
        told += clock.jumped(clock.now()) is not None
    assert told == 10


def test_a_jump_is_noted_in_the_log(database_url: str, tmp_path: Path) -> None:
    clocks = Clocks()
    with EventStore(database_url) as store, Recorder(store, tmp_path / "spool") as recorder:
        session = recorder.session(session_id="a")
        session.clock = clocks.made()
        session.record("server", created("a"))
        clocks.pass_time(2 * SECOND, -100 * SECOND)
        session.record("client", "one")
        clocks.pass_time(2 * SECOND)
        session.record("client", "two")
        session.committed().result(30)
        events = [event for event in store.events("a") if event.direction != "store"]
        assert [(event.at or 0) - START for event in events] == [0, 2 * SECOND, 4 * SECOND]
        assert [note["jump_ms"] for note in noted(store, "a", "clock")] == [-100_000]
        shown = store.session("a")["eventstore"]
        assert "eventstore.session.clock" not in shown["unknown_types"]


def test_a_recorder_in_another_process_notes_it(database_url: str, tmp_path: Path) -> None:
    recorder = RecorderProcess(database_url, tmp_path / "spool")
    try:
        session = recorder.session(session_id="a")
        at = session.clock.now()
        session.record("server", created("a"), at)
        session.clock_jumped(7 * SECOND, at)
        session.committed().result(30)
    finally:
        recorder.close()
    with EventStore(database_url) as store:
        assert [note["jump_ms"] for note in noted(store, "a", "clock")] == [7000]
        assert json.loads(str(list(store.events("a"))[-1].text))["by"] == "recorder"
