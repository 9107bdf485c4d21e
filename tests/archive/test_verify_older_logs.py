"""Integration: logs of older versions, which did not know the audio of GPT-Live, are whole."""

from __future__ import annotations

import pytest
from support.events import Call, audio
from support.live_speech import say, started
from support.rows import read_model_rows

from eventstore import EventStore, Frame
from eventstore.archive.seal import seal_session
from eventstore.archive.verifying.verify import verify_session
from eventstore.store.database.transaction import read, write
from eventstore.store.sessions.project_session import project_session

APPEND = "session.input_audio.append"
UNCUT = (
    "UPDATE events SET frame = ?, audio_offset = NULL, audio = NULL, audio_bytes = NULL"
    " WHERE session_id = 'live' AND seq = ?"
)
AUDIO_LENGTHS = "SELECT audio_bytes FROM events WHERE session_id = 'live' AND type = ? ORDER BY seq"


def recorded() -> Call:
    """A session with short and with long pieces of the user's audio, that the server reflects."""
    call = started()
    for ms in (2, 100, 2, 20):
        call.client(APPEND, audio=audio(ms))
    call.server(APPEND, audio=audio(2))
    return say(call, "user", 0, "Hello", "there")


def written_by_an_older_version(store: EventStore, frames: list[Frame]) -> None:
    """Write a log as a version did that knew no type of GPT-Live."""
    store.append("live", frames, close=True)
    with write(store.engine) as tx:
        tx.run("UPDATE events SET load_key = '' WHERE session_id = 'live' AND type = ?", (APPEND,))
        for seq, frame in enumerate(frames, 1):
            if APPEND in frame.text and len(frame.text) < 400:
                tx.run(UNCUT, (frame.text, seq))


def lengths(store: EventStore) -> list[int | None]:
    with read(store.engine) as tx:
        return [row[0] for row in tx.rows(AUDIO_LENGTHS, (APPEND,))]


@pytest.mark.parametrize("sealed", [False, True])
def test_a_log_of_before_the_store_knew_live_audio_is_whole(
    store: EventStore, sealed: bool
) -> None:
    frames = recorded().frames
    written_by_an_older_version(store, frames)
    assert lengths(store) == [None, 4800, None, 960, None]
    project_session(store.engine, "live")
    rows = read_model_rows(store.engine, "live")
    assert rows["items"]
    if sealed:
        seal_session(store.engine, "live")
    assert verify_session(store.engine, "live").problems == []
    assert [event.text for event in store.events("live")] == [frame.text for frame in frames]
    project_session(store.engine, "live")
    assert read_model_rows(store.engine, "live") == rows
    if not sealed:
        assert store.erase("live", audio_only=True).done
        assert audio(2) not in "".join(str(event.text) for event in store.events("live"))
        assert verify_session(store.engine, "live").problems == []


@pytest.mark.parametrize(
    "change",
    [
        "load_key = 'a[]'",
        "audio_bytes = 5",
        "audio = 'x', audio_offset = 3, audio_bytes = 1",
        "type = 'session.input_audio.appended'",
    ],
)
def test_other_changes_of_such_a_row_are_told(store: EventStore, change: str) -> None:
    frames = recorded().frames
    written_by_an_older_version(store, frames)
    if store.engine.dialect.name != "sqlite":
        change = change.replace("'x'", "'x'::bytea")
    with write(store.engine) as tx:
        tx.run(f"UPDATE events SET {change} WHERE session_id = 'live' AND seq = 2")
    assert [problem.first_seq for problem in verify_session(store.engine, "live").problems] == [2]
