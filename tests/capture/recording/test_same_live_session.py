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
