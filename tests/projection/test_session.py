"""Sessions: configuration, the recorder's notes, counts, translation sessions."""

from __future__ import annotations

import pytest
from support.events import START, Call, audio, without

from eventstore.times import to_iso


def test_a_session_is_what_the_server_said_last() -> None:
    call = Call().server("session.created", session={"id": "sess_1", "model": "m", "voice": "a"})
    call.server("session.updated", session={"id": "sess_1", "voice": "b"})
    session = call.session()
    assert (session["model"], session["voice"]) == ("m", "b")
    # Our id names the stream; the server's own is kept beside it.
    assert session["id"] == "sess_test"
    assert session["eventstore"]["server_id"] == "sess_1"


def test_what_a_client_asks_for_is_no_fact() -> None:
    call = Call().server("session.created", session={"voice": "a"})
    call.client("session.update", session={"voice": "b"})
    assert call.session()["voice"] == "a"


def test_the_recorders_notes_are_kept() -> None:
    call = Call().store("opened", metadata={"user": "u-1"}, url="wss://example.test")
    call.store("closed", reason="client")
    notes = call.session()["eventstore"]
    assert notes["metadata"] == {"user": "u-1"}
    assert notes["opened"] == {"url": "wss://example.test"}
    assert (notes["closed"], notes["close_reason"]) == (True, "client")
    assert notes["closed_at"] == to_iso(START + 2000)


def test_metadata_is_added_changed_and_removed() -> None:
    call = Call().store("opened", metadata={"a": "1", "b": "2"})
    call.store("metadata", metadata={"b": "3", "c": "4", "a": None})
    assert call.session()["eventstore"]["metadata"] == {"b": "3", "c": "4"}


@pytest.mark.parametrize(
    "metadata", [None, [], "a", {"a": 1}, {"": "x"}, {"k" * 65: "v"}, {"k": "v" * 513}]
)
def test_metadata_outside_the_limits_is_left_out(metadata: object) -> None:
    call = Call().store("metadata", metadata=metadata)
    assert call.session()["eventstore"]["metadata"] == {}


def test_counts_and_times() -> None:
    call = Call().typed("item_1", "Hello").answers("resp_1", "item_2", "Hi").truncated("item_2", 0)
    call.server("error", error={"code": "odd", "message": "No."})
    notes = call.session()["eventstore"]
    names = ("conversations", "items", "responses", "interruptions", "errors", "events")
    assert {name: notes[name] for name in names} == {
        "conversations": 1,
        "items": 2,
        "responses": 1,
        "interruptions": 1,
        "errors": 1,
        "events": len(call.frames),
    }
    assert notes["opened_at"] == to_iso(START + 1000)
    assert notes["last_at"] == to_iso(START + call.ms * 1000)
    assert notes["duration_ms"] == call.ms - 1


def test_a_translation_session_has_texts_and_audio_and_no_items() -> None:
    call = Call().server("session.created", session={"id": "sess_1", "type": "translation"})
    for delta in (" Guten", " Tag"):
        call.server("session.input_transcript.delta", delta=delta)
    for delta in (" Good", " day"):
        call.server("session.output_transcript.delta", delta=delta)
        call.server("session.output_audio.delta", delta=audio(100))
    call.client("session.input_audio_buffer.append", audio=audio(100))
    call.client("session.close").server("session.closed")
    notes = call.session()["eventstore"]
    assert without(notes["translation"], "audio") == {"input": "Guten Tag", "output": "Good day"}
    span = {"first_seq": 5, "last_seq": 7, "chunks": 2, "bytes": 9600, "duration_ms": 200.0}
    assert notes["translation"]["audio"] == span
    assert (notes["items"], notes["responses"], notes["closed"]) == (0, 0, True)


def test_dialled_keys_are_kept_in_order() -> None:
    call = Call()
    for key in ("1", "#"):
        call.server("input_audio_buffer.dtmf_event_received", event=key, received_at=1)
    assert call.session()["eventstore"]["dtmf"] == ["1", "#"]


def test_a_transcription_session_is_a_session() -> None:
    session = {"id": "sess_1", "input_audio_transcription": {"model": "whisper-1"}}
    call = Call().server("transcription_session.created", session=session)
    call.spoken("item_1", 0, 500).transcribed("item_1", "Hello")
    (billed,) = call.state.billed.values()
    assert billed.model == "whisper-1"
