"""Acceptance: recorded streams go in and come out as they were, on either database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.import_files import everything, exported, imported, imported_one, jsonl, texts
from support.recordings import each_live_recording, each_recording

from eventstore import EventStore
from eventstore.demo import call_lines

MID_CALL = {"openai-ga-sideband-text"}


def envelopes(recording: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in recording.read_text().splitlines()]


@each_recording
def test_a_recording_is_imported_whole(store: EventStore, recording: Path) -> None:
    entries = envelopes(recording)
    (only,) = store.import_file(recording)
    assert {only.session_id} == named_in(entries)
    assert only.events == only.added == len(entries)
    assert only.responses == len(responses_in(entries))
    assert [json.loads(text) for text in texts(store, only.session_id)] == [
        entry["event"] for entry in entries
    ]
    # And each event with the very text that stands in its line.
    lines = recording.read_text().splitlines()
    assert all(
        text in line for text, line in zip(texts(store, only.session_id), lines, strict=True)
    )


def named_in(entries: list[dict[str, Any]]) -> set[str]:
    """What servers call the session."""
    events = [entry["event"] for entry in entries]
    opened = [e for e in events if e["type"] in ("session.created", "session.updated")]
    return {event["session"]["id"] for event in opened if "id" in event["session"]}


def responses_in(entries: list[dict[str, Any]]) -> set[str]:
    created = (e["event"] for e in entries if e["event"]["type"] == "response.created")
    return {event["response"]["id"] for event in created}


@each_recording
def test_a_recording_exported_and_imported_is_equal(
    store: EventStore, elsewhere: EventStore, recording: Path
) -> None:
    (only,) = store.import_file(recording, metadata={"customer": "42"})
    lines = exported(store, only.session_id)
    assert imported_one(elsewhere, lines) == only.session_id
    assert everything(elsewhere, [only.session_id]) == everything(store, [only.session_id])
    assert exported(elsewhere, only.session_id) == lines
    assert elsewhere.responses().data == store.responses().data


@each_live_recording
def test_a_recording_of_another_protocol_is_kept_as_it_is(
    store: EventStore, elsewhere: EventStore, recording: Path
) -> None:
    (only,) = store.import_file(recording)
    lines = recording.read_text().splitlines()
    assert only.events == len(lines)
    kept = texts(store, only.session_id)
    assert all(text in line for text, line in zip(kept, lines, strict=True))
    assert imported_one(elsewhere, exported(store, only.session_id)) == only.session_id
    assert everything(elsewhere, [only.session_id]) == everything(store, [only.session_id])


@each_recording
def test_a_recording_imported_again_adds_nothing(store: EventStore, recording: Path) -> None:
    (first,) = store.import_file(recording)
    (again,) = store.import_file(recording)
    assert again == first._replace(added=0)


@each_recording
def test_a_recording_in_another_form_is_the_same_session(
    store: EventStore, recording: Path
) -> None:
    (only,) = store.import_file(recording)
    kept = texts(store, only.session_id)
    directions = [entry["direction"] for entry in envelopes(recording)]
    pairs = zip(directions, kept, strict=True)
    framed = jsonl(*({"direction": direction, "frame": text} for direction, text in pairs))
    array = f"[{','.join(str(text) for text in kept)}]".encode()
    for content in (jsonl(*kept), framed, array):
        (again,) = imported(store, content)
        assert (again.session_id, again.added) == (only.session_id, 0)


def test_all_recordings_in_one_file_are_as_many_sessions(
    store: EventStore, elsewhere: EventStore, recordings: list[Path]
) -> None:
    closing = {"direction": "store", "event": {"type": "eventstore.session.closed"}}
    lines = [line for path in recordings for line in (*path.read_text().splitlines(), closing)]
    found = imported(store, jsonl(*lines))
    # A connection in mid-call says no beginning: it stays with the next one that does.
    mid_call = [path for path in recordings if path.stem in MID_CALL]
    assert len(found) == len(recordings) - len(mid_call)
    assert sum(entry.events for entry in found) == len(lines)
    assert [entry.added for entry in imported(store, jsonl(*lines))] == [0] * len(found)


def test_the_sample_call_is_stored_with_its_times(store: EventStore, elsewhere: EventStore) -> None:
    lines = [json.loads(line) for line in call_lines()]
    session_id = imported_one(store, jsonl(*lines))
    assert texts(store, session_id) == [line["frame"] for line in lines]
    assert [json.loads(line)["at"] for line in store.export(session_id)] == [
        line["at"] for line in lines
    ]
    imported(elsewhere, exported(store, session_id))
    assert everything(elsewhere, [session_id]) == everything(store, [session_id])
