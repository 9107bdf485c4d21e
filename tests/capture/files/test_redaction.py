"""Recording and importing without secrets: they are taken out before anything is written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.calls import voice_call
from support.planted import planted_call

from eventstore import EventStore
from eventstore.capture.recorder.recorder import Recorder
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import STORE, Frame
from eventstore.realtime.recording_lines import envelope_line

SECRET = "q7ZplantedSecret123"


def written(path: Path, frames: list[Frame]) -> Path:
    lines = (
        envelope_line(StoredEvent(seq, frame.at, frame.direction, "", frame.text))
        for seq, frame in enumerate(frames, 1)
    )
    path.write_bytes(b"".join(lines))
    return path


def texts(store: EventStore, session_id: str) -> list[str]:
    return [str(event.text) for event in store.events(session_id)]


@pytest.fixture
def store(database_url: str) -> Iterator[EventStore]:
    with EventStore(database_url) as opened:
        yield opened


def test_an_import_takes_secrets_out_and_counts_them(store: EventStore, tmp_path: Path) -> None:
    file = written(tmp_path / "call.jsonl", planted_call(SECRET).frames)
    (done,) = store.import_file(file, redact=True)
    kept = texts(store, done.session_id)
    assert SECRET not in "".join(kept)
    assert kept[-1] == f'{{"type":"eventstore.session.redacted","secrets":{done.redacted}}}'
    assert done.redacted > 60
    assert store.session(done.session_id)["eventstore"]["redacted"] == done.redacted
    (again,) = store.import_file(file, redact=True)
    assert again.added == 0


def test_what_has_no_secret_is_as_it_was(store: EventStore, tmp_path: Path) -> None:
    frames = voice_call().frames
    (done,) = store.import_file(written(tmp_path / "call.jsonl", frames), redact=True)
    assert done.redacted == 0
    assert [event.text for event in store.events(done.session_id)] == [f.text for f in frames]


def test_an_import_is_exact_unless_it_is_told_otherwise(store: EventStore, tmp_path: Path) -> None:
    frames = planted_call(SECRET).frames
    (done,) = store.import_file(written(tmp_path / "call.jsonl", frames))
    assert [event.text for event in store.events(done.session_id)] == [f.text for f in frames]


def test_a_recorder_writes_no_secret_not_to_the_spool_either(tmp_path: Path) -> None:
    database, spool = tmp_path / "calls.db", tmp_path / "spool"
    away = "postgresql://nobody@127.0.0.1:1/nowhere"
    with Recorder(away, spool, redact=True, patience=0.05) as recorder:
        session = recorder.session()
        for frame in planted_call(SECRET).frames:
            if frame.direction != STORE:
                session.record(frame.direction, frame.text, frame.at)
        end = time.monotonic() + 30
        while not recorder.counters().spooled and time.monotonic() < end:
            time.sleep(0.02)
        recorder.close(0)
    kept = b"".join(path.read_bytes() for path in spool.rglob("*") if path.is_file())
    assert b"[removed]" in kept and SECRET.encode() not in kept
    with Recorder(f"sqlite:///{database}", tmp_path / "other", redact=True) as recorder:
        session = recorder.session()
        for frame in planted_call(SECRET).frames:
            if frame.direction != STORE:
                session.record(frame.direction, frame.text, frame.at)
        recorder.close(20)
    assert SECRET.encode() not in database.read_bytes()
    with EventStore(f"sqlite:///{database}") as opened:
        noted = opened.session(session.session_id or "")["eventstore"]
        assert noted["redacted"] > 40
