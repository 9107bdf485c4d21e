"""Several recordings of one GPT-Live session: its seconds count once, whichever ends first."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.live_calls import Json, own_connection, sideband
from support.live_usage import seconds_by_session

from eventstore import EventStore, Recorder
from eventstore.capture.recorder.session_recorder import SessionRecorder
from eventstore.times import now

BASE = "wss://api.openai.com/v1/live/sessions"
USED = "session.usage.updated"
#: The client's events on the session's own connection.
ASKED = ("session.start", "session.input_audio.append", "session.close")


def begun(recorder: Recorder, url: str, **options: Any) -> SessionRecorder:
    return recorder.session(notes={"by": "relay", "url": url}, **options)


def record(session: SessionRecorder, events: list[Json], asked: tuple[str, ...] = ()) -> None:
    """Record events, and wait until they are written."""
    for event in events:
        session.record("client" if event["type"] in asked else "server", json.dumps(event), now())
    session.committed().result(20)


def recorded(session: SessionRecorder, events: list[Json], asked: tuple[str, ...] = ()) -> None:
    """Record events to the session's end."""
    record(session, events, asked)
    session.close("server", 1000)
    session.committed().result(20)


@pytest.mark.parametrize("is_encrypted", [False, True])
@pytest.mark.parametrize("chosen", [None, "call-7"])
@pytest.mark.parametrize("own_ends", ["first", "last", "quiet until the other has ended"])
def test_the_seconds_count_once(
    database_url: str,
    sqlite_template: Path,
    tmp_path: Path,
    own_ends: str,
    chosen: str | None,
    is_encrypted: bool,
) -> None:
    keys = None
    if is_encrypted:
        shutil.copyfile(sqlite_template, tmp_path / "keys.db")
        keys = f"sqlite:///{tmp_path}/keys.db"
    with Recorder(database_url, spool=tmp_path / "spool", keys=keys) as recorder:
        own = begun(recorder, BASE, session_id=chosen)
        events, joined = own_connection(), f"{BASE}/live_x1/attach"
        if own_ends == "first":
            beside = begun(recorder, joined)
            recorded(own, events, ASKED)
            recorded(beside, sideband())
        else:
            quiet = 2 if own_ends.startswith("quiet") else 0
            record(own, events[:quiet], ASKED)
            recorded(begun(recorder, joined), sideband())
            recorded(own, events[quiet:], ASKED)
    with EventStore(database_url, keys=keys) as store:
        assert len(store.sessions().data) == 2
        assert list(seconds_by_session(store).values()) == [2]


def told_seconds(session: SessionRecorder, seconds: int, *more: Json) -> None:
    """A sideband hears how long the session is until now, and is cut off."""
    heard = [event for event in sideband() if event["type"] not in ("session.closed", USED)]
    recorded(session, [*heard, *more, {"type": USED, "usage": {"seconds": seconds}}])


@pytest.mark.parametrize("host", ["wss://api.openai.com", "ws://127.0.0.1:9"])
def test_a_sideband_that_joins_again_is_told_the_seconds_of_both(
    database_url: str, tmp_path: Path, host: str
) -> None:
    with Recorder(database_url, spool=tmp_path / "spool") as recorder:
        told_seconds(begun(recorder, f"{BASE}/live_x1/attach"), 110)
        again = begun(recorder, f"{host}/v1/live/sessions/live_x1/attach")
        told_seconds(again, 320)
    with EventStore(database_url) as store:
        counted = seconds_by_session(store)
        is_another = host not in BASE  # of the same id, at another server
        assert sorted(counted.values()) == ([110, 320] if is_another else [320])
        notes = store.session("live_x1")["eventstore"]
        assert notes.get("same_call") == (None if is_another else again.session_id)


def test_the_recording_that_was_told_the_most_seconds_counts(
    database_url: str, tmp_path: Path
) -> None:
    with Recorder(database_url, spool=tmp_path / "spool") as recorder:
        first, second, third = (begun(recorder, f"{BASE}/live_x1/attach") for _ in range(3))
        told_seconds(first, 60)
        told_seconds(second, 60, *delegated("resp_1"))
        told_seconds(third, 90, *delegated("resp_1"))
    with EventStore(database_url) as store:
        assert seconds_by_session(store) == {third.session_id: 90}
        found = store.usage(by="session")["data"]
        assert sum(one["input_tokens"] for one in found) == 7
        for session_id in store.stream_ids():
            assert [one.changed for one in store.rebuild([session_id]).done] == [0]


def delegated(response_id: str) -> list[Json]:
    """A backend's response, as each sideband hears of it."""
    usage = {"total_tokens": 9, "input_tokens": 7, "output_tokens": 2}
    response = {"id": response_id, "status": "completed", "model": "gpt-5", "output": []}
    nested = {"type": "response.completed", "response": {**response, "usage": usage}}
    return [{"type": "response.event", "delegation_id": "deleg_1", "event": nested}]


def test_a_decision_counts_once(database_url: str, tmp_path: Path) -> None:
    usage = {"total_tokens": 9, "input_tokens": 7, "output_tokens": 2}
    about = {"delegation_id": "deleg_1", "source_event_id": "e_input_0"}
    completed = {"type": "decision.completed", "decision": {"answers": [], "usage": usage}}
    decided = {"type": "decision.event", **about, "event": completed}
    with Recorder(database_url, spool=tmp_path / "spool") as recorder:
        first, second = (begun(recorder, f"{BASE}/live_x1/attach") for _ in range(2))
        told_seconds(first, 60, decided, decided | {"source_event_id": "e_input_9"})
        told_seconds(second, 60, {"type": "session.resumed"}, decided)
    with EventStore(database_url) as store:
        found = store.usage(by="session")["data"]
        assert sum(one["input_tokens"] for one in found) == 14
