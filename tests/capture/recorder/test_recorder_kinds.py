"""Values of any type that a program hands over keep nobody else's frames from the database."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from eventstore import EventStore, InvalidInputError, Recorder
from eventstore.common import unforeseen
from eventstore.realtime.frames import CLIENT


class Text(str):
    """Not quite a `str`, as numpy's texts are."""


class Bytes(bytes):
    """Not quite `bytes`."""


class Side(StrEnum):
    CLIENT = "client"


TEXTS = [Text("a"), Bytes(b"a"), Side.CLIENT, bytearray(b"a"), memoryview(b"a")]
NO_TEXTS = [None, 1, 1.5, True, {}, {"type": "a"}, [], ["a"], (), {"a"}, range(3), object(), str]
NO_TIMES = [0.5, True, "1", 10**30, [], {}, float("nan"), b"1"]


@pytest.fixture(autouse=True)
def _counts() -> None:
    """Faults of other tests in this process do not count here."""
    unforeseen.FAULT_COUNTS.clear()


def test_what_is_no_frame_is_refused_and_stops_nobody(database_url: str, tmp_path: Path) -> None:
    with EventStore(database_url) as store, Recorder(store, spool=tmp_path / "spool") as recorder:
        sessions = [recorder.session(session_id=name) for name in ("odd", "usual")]
        for value in NO_TEXTS:
            with pytest.raises(InvalidInputError):
                sessions[0].record(CLIENT, value)  # type: ignore[arg-type]
            for session in sessions:
                session.record(CLIENT, "{}")
        for session in sessions:
            session.committed().result(20)
        assert recorder.counters().faults == 0
        for name in ("odd", "usual"):
            recorded = [event for event in store.events(name) if event.direction == CLIENT]
            assert [event.text for event in recorded] == ["{}"] * len(NO_TEXTS)


@pytest.mark.parametrize("redact", [False, True])
def test_what_is_like_text_or_bytes_is_kept_exactly(
    database_url: str, tmp_path: Path, redact: bool
) -> None:
    with EventStore(database_url) as store:
        with Recorder(store, spool=tmp_path / "spool", redact=redact) as recorder:
            session = recorder.session(session_id="odd")
            given: list[Any] = TEXTS
            for value in given:
                session.record(Side.CLIENT, value)
            session.committed().result(20)
            assert recorder.counters().faults == 0
        found = [event.text for event in store.events("odd") if event.direction == CLIENT]
        assert found == ["a", b"a", "client", b"a", b"a"]


def test_what_is_no_time_is_refused_and_stops_nobody(database_url: str, tmp_path: Path) -> None:
    with EventStore(database_url) as store, Recorder(store, spool=tmp_path / "spool") as recorder:
        session = recorder.session(session_id="usual")
        for value in NO_TIMES:
            odd: Any = value
            with pytest.raises(InvalidInputError):
                recorder.session(at=odd)
            with pytest.raises(InvalidInputError):
                session.record(CLIENT, "{}", odd)
            with pytest.raises(InvalidInputError):
                session.close(at=odd)
        session.record(CLIENT, "{}")
        session.committed().result(20)
        assert list(store.stream_ids()) == ["usual"]
