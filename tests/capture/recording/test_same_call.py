"""A call that two connections record at once: each billed thing of it counts once."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from capture.files.formats.written import har, har_entry
from support.import_files import Json, created, imported, jsonl
from support.rows import read_model_rows

from eventstore import EventStore, Frame, Recorder
from eventstore.capture.recorder.session_recorder import SessionRecorder
from eventstore.store.database.transaction import write
from eventstore.times import now

USAGE = {"total_tokens": 30, "input_tokens": 20, "output_tokens": 10}


def opened(recorder: Recorder, server_id: str = "sess_1") -> SessionRecorder:
    """A recording of a session that the server gives this id."""
    session = recorder.session()
    tell(session, "session.created", session={"id": server_id, "model": "gpt-realtime"})
    session.committed().result(10)
    return session


def tell(to: SessionRecorder, type_: str, **fields: Any) -> None:
    to.record("server", json.dumps({"type": type_, **fields}), now())


def answer(response_id: str, *sessions: SessionRecorder) -> None:
    """A response that connections hear of."""
    response = {"id": response_id, "status": "completed", "output": [], "usage": USAGE}
    for session in sessions:
        tell(session, "response.created", response={"id": response_id})
        tell(session, "response.done", response=response)


def end(*sessions: SessionRecorder) -> None:
    for session in sessions:
        session.close("server", 1000)
        session.committed().result(10)


def responses_of(store: EventStore) -> dict[str, int]:
    return {one["key"]: one["responses"] for one in store.usage(by="session")["data"]}


def check(store: EventStore, expected: list[int]) -> None:
    """What each session counts; and a rebuild says the same."""
    assert sorted(responses_of(store).values()) == expected
    for session_id in store.stream_ids():
        before = read_model_rows(store.engine, session_id)
        assert [one.changed for one in store.rebuild([session_id]).done] == [0]
        assert read_model_rows(store.engine, session_id) == before


@pytest.mark.parametrize("first_ends_first", [True, False])
def test_what_both_heard_counts_once(
    database_url: str, tmp_path: Path, first_ends_first: bool
) -> None:
    with Recorder(database_url, spool=tmp_path / "spool") as recorder:
        relayed, joined = opened(recorder), opened(recorder)
        relayed.record("client", '{"type":"response.create"}')
        answer("resp_1", relayed, joined)
        answer("resp_2", relayed, joined)
        answer("resp_3", joined)  # the first one's connection was lost before
        end(*((relayed, joined) if first_ends_first else (joined, relayed)))
        other = opened(recorder, "sess_2")
        answer("resp_1", other)  # not unique, as some servers' ids are not
        end(other)
    with EventStore(database_url) as store:
        check(store, [1, 1, 2])
        notes = store.session(str(joined.session_id))["eventstore"]
        assert notes["same_call"] == relayed.session_id
        assert "same_call" not in store.session("sess_1")["eventstore"]
        assert "same_call" not in store.session("sess_2")["eventstore"]


def sideband(recorder: Recorder, notes: dict[str, Any]) -> SessionRecorder:
    """A sideband's recording, which is never told the session's id."""
    session = recorder.session(notes={"by": "sideband", **notes})
    tell(session, "rate_limits.updated")
    session.committed().result(10)
    return session


def test_sidebands_that_joined_one_call_count_once(database_url: str, tmp_path: Path) -> None:
    url = "wss://api.openai.com/v1/realtime?call_id=rtc_1"
    with Recorder(database_url, spool=tmp_path / "spool") as recorder:
        first = sideband(recorder, {"call_id": "rtc_1"})
        second = sideband(recorder, {"call_id": "rtc_1"})  # which hears the very same
        relayed = sideband(recorder, {"url": url})
        answer("resp_1", first, second, relayed)
        answer("resp_2", first, second)
        end(second, first, relayed)
        other = sideband(recorder, {"call_id": "rtc_2"})
        unknown = sideband(recorder, {})
        answer("resp_1", other, unknown)
        end(other, unknown)
    with EventStore(database_url) as store:
        check(store, [1, 1, 2])
        for one in (second, relayed):
            notes = store.session(str(one.session_id))["eventstore"]
            assert notes["same_call"] == first.session_id


def test_a_copy_of_a_sidebands_recording_counts(store: EventStore, tmp_path: Path) -> None:
    with Recorder(store, spool=tmp_path / "spool") as recorder:
        first = sideband(recorder, {"call_id": "rtc_1"})
        answer("resp_1", first)
        end(first)
    content = b"".join(store.export(str(first.session_id)))
    lines = [{k: v for k, v in json.loads(x).items() if k != "seq"} for x in content.splitlines()]
    copied = "\n".join(json.dumps({**line, "at": None}) for line in lines).encode()
    (found,) = store.import_file(io.BytesIO(copied), session_id="copy")
    assert found.same_call is None
    check(store, [1, 1])


def test_one_that_is_erased_takes_its_usage_with_it(database_url: str, tmp_path: Path) -> None:
    with Recorder(database_url, spool=tmp_path / "spool") as recorder:
        relayed, joined = opened(recorder), opened(recorder)
        relayed.record("client", '{"type":"response.create"}')
        answer("resp_1", relayed, joined)
        end(relayed, joined)
    with EventStore(database_url) as store:
        store.erase("sess_1", vacuum=False).raise_for_errors()
        assert responses_of(store) == {}
        (left,) = store.stream_ids()
        assert store.session(left)["eventstore"]["same_call"] == "sess_1"


def test_what_was_exported_is_the_same_elsewhere(
    store: EventStore, tmp_path: Path, sqlite_template: Path
) -> None:
    for name, asked in (("one", "{}"), ("other", '{"type":"response.create"}')):
        created = {"type": "session.created", "session": {"id": "sess_1"}}
        done = {"type": "response.done", "response": {"id": "resp_1", "usage": USAGE}}
        texts = (json.dumps(created), asked, json.dumps(done))
        store.append(name, [Frame("server", text) for text in texts], close=True)
    shutil.copyfile(sqlite_template, tmp_path / "elsewhere.db")
    with EventStore(f"sqlite:///{tmp_path}/elsewhere.db") as elsewhere:
        for name in ("one", "other"):
            content = b"".join(store.export(name))
            (found,) = elsewhere.import_file(io.BytesIO(content))
            assert found.same_call is None
            assert b"".join(elsewhere.export(name)) == content


def joined(store: EventStore) -> list[Json]:
    """Store a call as a relay recorded it, and return what a connection that joined it heard."""
    done = {"type": "response.done", "response": {"id": "resp_1", "usage": USAGE}}
    events = [created("sess_1"), done]
    imported(store, jsonl(events[0], {"type": "response.create"}, done))
    return events


def numbered(events: list[Json], **fields: Any) -> list[Json]:
    """Lines as other tools number them, with other members in place of their events."""
    lines = [{"seq": n, "at": None, "direction": "server"} for n in range(1, 1 + len(events))]
    return [
        {**line, "frame": json.dumps(event)} | fields
        for line, event in zip(lines, events, strict=True)
    ]


@pytest.mark.parametrize(
    "fields",
    [{"level": "info"}, {"at": 1_780_000_000}, {"at": "2026-05-28T20:26:40Z"}, {"event": {}}],
    ids=str,
)
def test_lines_that_another_tool_numbered_are_a_recording_of_the_call(
    store: EventStore, fields: Json
) -> None:
    (found,) = imported(store, jsonl(*numbered(joined(store), **fields)))
    assert found.same_call == "sess_1" and found.events == 3
    check(store, [1])


def test_an_export_with_a_gap_is_a_recording_of_the_call(store: EventStore) -> None:
    first, last = numbered(joined(store))
    (found,) = imported(store, jsonl(first, {**last, "seq": 3}))
    assert found.same_call == "sess_1"


def test_a_har_is_a_recording_of_the_call(store: EventStore) -> None:
    frames = [Frame("server", json.dumps(event), now()) for event in joined(store)]
    (found,) = imported(store, har(har_entry(frames)))
    assert found.same_call == "sess_1"


def test_an_assumed_date_does_not_say_that_it_was_another_call(store: EventStore) -> None:
    call = [created("sess_1"), {"type": "response.done", "response": {"id": "resp_1"}}]
    at = {"at": "2026-05-28T20:26:40Z", "direction": "server"}
    imported(store, jsonl(*({**at, "event": event} for event in call)))
    heard = ({"direction": "received", "at": n, "data": e} for n, e in enumerate(call))
    (found,) = imported(store, jsonl({"direction": "sent", "at": 0, "data": {}}, *heard))
    assert found.same_call == "sess_1"


def test_another_sessions_damage_keeps_no_recording_out(store: EventStore) -> None:
    def lines(asked: str) -> io.BytesIO:
        created = {"type": "session.created", "session": {"id": "sess_1"}}
        done = {"type": "response.done", "response": {"id": "resp_1", "usage": USAGE}}
        return io.BytesIO("\n".join((json.dumps(created), asked, json.dumps(done))).encode())

    store.import_file(lines('{"type":"response.create"}'), session_id="one")
    with write(store.engine) as tx:
        tx.run("UPDATE sessions SET notes = 'broken' WHERE session_id = 'one'")
    (found,) = store.import_file(lines('{"type":"response.cancel"}'), session_id="other")
    assert (found.session_id, found.same_call) == ("other", None)
