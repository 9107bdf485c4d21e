"""Sealed sessions read as before, in every way; a kill leaves the old or the new."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.calls import SAMPLE_STREAMS, SHORT_STREAMS
from support.events import log_events
from support.everything import everything
from support.examples import examples, some
from support.rows import read_model_rows, views
from support.strategies import mutated, streams

from eventstore import EventStore
from eventstore.archive.seal import seal_session, unseal_session
from eventstore.demo import call_lines
from eventstore.errors import ConflictError, DamagedError, InvalidInputError, NotFoundError
from eventstore.projection.fold import fold
from eventstore.projection.handlers.session import close_session
from eventstore.realtime.frames import CLIENT, Frame
from eventstore.segments import digest
from eventstore.store.database.transaction import read, write
from eventstore.store.log.read_events import read_events
from eventstore.store.readmodels.states.load_state import load_state
from eventstore.store.readmodels.states.state_cache import StateCache
from eventstore.store.sessions.append import append
from eventstore.store.sessions.project_session import project_session

SEALS = int(os.environ.get("KILLS", "4"))
TESTS = Path(__file__).parents[1]
_names = (f"sess_{number}" for number in count())


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of seven events, so that sessions have several."""
    monkeypatch.setattr(digest, "SEGMENT_EVENTS", 7)


def frames_of(engine: Engine, session_id: str, head: int) -> list[Frame]:
    events = list(read_events(engine, session_id, 1, head))
    assert [event.seq for event in events] == list(range(1, head + 1))
    return [Frame(event.direction, event.text, event.at) for event in events]


def check(engine: Engine, frames: list[Frame], sealed: int, behind: int) -> None:
    """Seal after `sealed` frames, append the rest in pieces of `behind`, and seal again."""
    session_id = next(_names)
    states = StateCache()
    append(engine, states, session_id, frames[:sealed], close=True)
    rows = read_model_rows(engine, session_id)
    assert seal_session(engine, session_id).events == len(frames[:sealed])
    assert frames_of(engine, session_id, sealed) == frames[:sealed]
    project_session(engine, session_id)
    assert read_model_rows(engine, session_id) == rows
    for start in range(sealed, len(frames), behind):
        append(engine, StateCache(), session_id, frames[start : start + behind])
    rows = read_model_rows(engine, session_id)
    assert frames_of(engine, session_id, len(frames)) == frames
    project_session(engine, session_id)
    assert read_model_rows(engine, session_id) == rows
    seal_session(engine, session_id)
    assert frames_of(engine, session_id, len(frames)) == frames
    for seq in range(0, len(frames) + 1, 5):
        state = fold(session_id, log_events(frames[:seq]))
        with read(engine) as tx:
            assert views(load_state(tx, session_id, seq, False)) == views(state)
    assert unseal_session(engine, session_id) == len(frames)
    assert frames_of(engine, session_id, len(frames)) == frames
    whole = fold(session_id, log_events(frames))
    close_session(whole)
    with read(engine) as tx:
        assert views(load_state(tx, session_id, len(frames), True)) == views(whole)
    project_session(engine, session_id)
    assert read_model_rows(engine, session_id) == rows


@pytest.mark.parametrize(
    "frames", [streams(25), mutated(SHORT_STREAMS)], ids=["arbitrary", "what servers send"]
)
def test_sealing_changes_nothing_that_is_read(
    engine: Engine, frames: st.SearchStrategy[list[Frame]]
) -> None:
    @examples(40 if engine.dialect.name == "sqlite" else 15)
    @given(frames, st.data())
    def holds(written: list[Frame], data: st.DataObject) -> None:
        sealed = data.draw(st.integers(1, len(written))) if written else 0
        if written:
            check(engine, written, sealed, data.draw(st.integers(1, 9)))

    holds()


def test_sound_before_its_response_is_as_long_as_that_says(engine: Engine) -> None:
    ids = {"response_id": "resp_1", "item_id": "item_1", "content_index": 0}
    item = {"id": "item_1", "type": "message", "role": "user", "status": "completed", "content": []}
    response = {"id": "resp_1", "output": [], "output_audio_format": "g711_ulaw"}
    events: list[dict[str, Any]] = [
        {"type": "conversation.item.deleted"},
        {"type": "response.audio.delta", **ids, "delta": ""},
        {"type": "response.audio.delta", **ids, "delta": "AAAA"},
        {"type": "conversation.item.added", "item": item},
        {"type": "response.created", "response": response},
    ]
    check(engine, [Frame("server", json.dumps(event)) for event in events], 1, 1)


def test_whole_calls_are_sealed(engine: Engine) -> None:
    for stream in some(SAMPLE_STREAMS, 3):
        check(engine, list(stream), len(stream), 1)


def test_every_verb_reads_a_sealed_session(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    path.write_text("".join(f"{line}\n" for line in [*call_lines()][:400]))
    with EventStore(database_url) as store:
        (imported,) = store.import_file(path)
        session_id = imported.session_id
        before = everything(store, session_id)
        (done,) = store.seal([session_id]).done
        assert done.events == store.last_seq(session_id)  # type: ignore[union-attr]
        assert everything(store, session_id) == before
        (again,) = store.seal([session_id]).done
        assert again == done._replace(events=0, frame_bytes=0, packed_bytes=0)  # type: ignore
        (repeated,) = store.import_file(path)
        assert repeated.added == 0
        assert store.unseal(session_id).done[0].events == store.last_seq(session_id)
        assert everything(store, session_id) == before


def test_an_append_tried_again_is_known_in_segments(engine: Engine) -> None:
    frames = [Frame(CLIENT, f'{{"type":"x","n":{n}}}', n) for n in range(20)]
    append(engine, StateCache(), "s", frames, close=True)
    seal_session(engine, "s")
    assert append(engine, StateCache(), "s", frames[5:12], expected_seq=5).repeated
    with pytest.raises(ConflictError):
        append(engine, StateCache(), "s", frames[5:11], expected_seq=6)


def test_what_cannot_be_sealed(engine: Engine) -> None:
    with pytest.raises(NotFoundError):
        seal_session(engine, "nowhere")
    append(engine, StateCache(), "open", [Frame(CLIENT, "x")])
    with pytest.raises(InvalidInputError, match="open"):
        seal_session(engine, "open")
    append(engine, StateCache(), "holed", [Frame(CLIENT, "x")] * 9, close=True)
    with write(engine) as tx:
        tx.run("DELETE FROM events WHERE session_id = ? AND seq = 4", ("holed",))
    with pytest.raises(InvalidInputError, match="lacks event 4"):
        seal_session(engine, "holed")
    with write(engine) as tx:
        tx.run("DELETE FROM events WHERE session_id = ? AND seq > 3", ("holed",))
    with pytest.raises(InvalidInputError, match="lacks event 4"):
        seal_session(engine, "holed")
    assert len(list(read_events(engine, "holed", 1, 3))) == 3


def test_a_damaged_segment_is_named_and_others_read(engine: Engine) -> None:
    frames = [Frame(CLIENT, f"{n}", n) for n in range(30)]
    append(engine, StateCache(), "s", frames, close=True)
    seal_session(engine, "s")
    with write(engine) as tx:
        sql = "SELECT data FROM segments WHERE session_id = ? AND first_seq = 8"
        row = tx.row(sql, ("s",))
        assert row is not None
        damaged = bytearray(row[0])
        damaged[len(damaged) // 2] ^= 4
        sql = "UPDATE segments SET data = ? WHERE session_id = ? AND first_seq = 8"
        tx.run(sql, (bytes(damaged), "s"))
    with pytest.raises(DamagedError, match="events 8 to 14"):
        list(read_events(engine, "s", 1, 30))
    assert [event.text for event in read_events(engine, "s", 15, 30)] == [
        str(n) for n in range(14, 30)
    ]
    with pytest.raises(DamagedError):
        unseal_session(engine, "s")
    assert len(list(read_events(engine, "s", 1, 7))) == 7


_SEALING = """
import sys
from eventstore import EventStore
from eventstore.archive.seal import seal_session, unseal_session
from eventstore.segments import digest
digest.SEGMENT_EVENTS = 50
store = EventStore(sys.argv[1])
print("ready", flush=True)
while True:
    for session_id in sys.argv[2:]:
        seal_session(store.engine, session_id)
        unseal_session(store.engine, session_id)
"""


def test_a_kill_leaves_the_events_or_the_segments(database_url: str) -> None:
    chance = random.Random(SEALS)
    frames = list(SAMPLE_STREAMS[0]) * 3
    with EventStore(database_url) as store:
        for name in ("a", "b"):
            store.append(name, frames, close=True)
        for _ in range(SEALS):
            process = subprocess.Popen(
                [sys.executable, "-c", _SEALING, database_url, "a", "b"],
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
            )
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
            process.stdout.close()
            process.wait()
            for name in ("a", "b"):
                assert frames_of(store.engine, name, len(frames)) == frames
                assert store.verify(name).done[0].problems == []
        assert sum(done.changed for done in store.rebuild().done) == 0


def test_two_that_seal_one_session_leave_it_sealed_once(database_url: str) -> None:
    frames = list(SAMPLE_STREAMS[0])
    with EventStore(database_url) as store:
        names = [f"s{n}" for n in range(12)]
        for name in names:
            store.append(name, frames, close=True)
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "eventstore.cli.main", "seal", *names, "--json"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={
                    **os.environ,
                    "PYTHONPATH": str(TESTS.parent),
                    "EVENTSTORE_URL": database_url,
                },
            )
            for _ in range(3)
        ]
        for process in processes:
            assert process.wait() in (0, 1)  # one that was late says so
        for name in names:
            assert frames_of(store.engine, name, len(frames)) == frames
            found = store.verify(name).done[0]
            assert (found.problems, found.sealed) == ([], len(frames))
