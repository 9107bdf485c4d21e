"""Unit: when a recorder's entries go to the spool, and when the writer leaves that to itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from eventstore.capture.recorder.pending_frames import PendingFrames
from eventstore.capture.recorder.recorder_state import SLOW_DATABASE, RecorderState
from eventstore.capture.recorder.spool.spool import Spool

MEMORY = 1000


@pytest.fixture
def state(tmp_path: Path) -> RecorderState:
    pending = PendingFrames(MEMORY)
    return RecorderState(pending, Spool(tmp_path / "spool"), interval=0.05, patience=60)


def start_spooling(state: RecorderState, trouble: str) -> None:
    with state.pending.lock:
        state.start_spooling(trouble)


def test_entries_go_to_the_spool_if_an_append_takes_long_or_memory_fills(
    state: RecorderState,
) -> None:
    assert not state.must_spool()
    state.append_started = time.monotonic()
    assert not state.must_spool()
    state.append_started -= 61
    assert state.must_spool()
    state.append_started, state.pending.held = None, MEMORY // 2 + 1
    assert state.must_spool()


def test_new_entries_stay_in_memory_while_the_spool_is_read(state: RecorderState) -> None:
    start_spooling(state, SLOW_DATABASE)
    state.spooled_at = time.monotonic()
    assert not state.must_spool() and not state.is_flooded()
    state.pending.held = MEMORY // 4 + 1
    assert state.must_spool() and state.is_flooded()
    state.pending.held, state.spooled_at = 0, time.monotonic() - 61
    assert state.must_spool() and not state.is_flooded()


def test_all_entries_go_to_the_spool_while_the_database_is_away(state: RecorderState) -> None:
    start_spooling(state, "the database cannot be reached")
    state.spooled_at = time.monotonic()
    assert state.must_spool()


def test_the_writer_does_not_wait_for_more_if_there_is_enough(state: RecorderState) -> None:
    assert not state.pending.is_hurried()
    state.pending.held = MEMORY // 8 + 1
    assert state.pending.is_hurried()


def test_the_spool_is_read_if_it_cannot_be_written(state: RecorderState) -> None:
    state.pending.held, state.pending.spool_fails = MEMORY, True
    assert not state.is_flooded()
