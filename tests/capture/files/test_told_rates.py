"""Sample rates that whoever imports a session tells, where its server does not say them."""

from __future__ import annotations

import io
import json
from typing import Any

import pybase64
import pytest

from eventstore import EventStore, InvalidInputError
from eventstore.sound.timeline.timeline import build_timeline

#: Half a second of speech at 16 kHz, and a whole second of an answer at 8 kHz.
SPOKEN, ANSWERED = b"\1\0" * 8000, b"\2\0" * 8000


def audio(sound: bytes) -> str:
    return pybase64.b64encode(sound).decode()


def recording(session: dict[str, Any], at: float | None = 1_780_000_000.0) -> io.BytesIO:
    """A turn of the user's and the answer, cut half a second into it."""
    transcript = "one two three four"
    part = {"type": "output_audio", "transcript": transcript}
    item = {"id": "item_2", "type": "message", "role": "assistant", "content": [part]}
    cut = {"item_id": "item_2", "content_index": 0, "audio_end_ms": 500}
    done = {"id": "resp_1", "status": "completed", "output": [item]}
    of_part = {"response_id": "resp_1", "item_id": "item_2", "content_index": 0}
    events: list[tuple[str, dict[str, Any]]] = [
        ("session.created", {"session": {"id": "sess_1", **session}}),
        ("input_audio_buffer.append", {"audio": audio(SPOKEN)}),
        ("input_audio_buffer.committed", {"item_id": "item_1"}),
        ("conversation.item.added", {"item": {"id": "item_1", "type": "message", "role": "user"}}),
        ("response.created", {"response": {"id": "resp_1"}}),
        ("conversation.item.added", {"item": {**item, "content": []}}),
        ("response.output_audio.delta", {**of_part, "delta": audio(ANSWERED)}),
        ("response.output_audio_transcript.done", {**of_part, "transcript": transcript}),
        ("conversation.item.truncated", cut),
        ("response.done", {"response": done}),
    ]
    lines = []
    for number, (type_, fields) in enumerate(events):
        event = {"type": type_, "event_id": f"event_{number}", **fields}
        client = type_ == "input_audio_buffer.append"
        line: dict[str, Any] = {"direction": "client" if client else "server", "event": event}
        lines.append(line if at is None else {**line, "at": at + number})
    return io.BytesIO("\n".join(map(json.dumps, lines)).encode())


#: What servers say of it: nothing, and what is not so.
CONFIGURATIONS = [
    {},
    {"input_audio_format": "pcm16", "output_audio_format": "pcm16"},
    {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}},
]


@pytest.mark.parametrize("session", CONFIGURATIONS)
@pytest.mark.parametrize("at", [1_780_000_000.0, None])
def test_told_rates_count_in_each_reader(
    store: EventStore, session: dict[str, Any], at: float | None
) -> None:
    store.import_file(recording(session, at), input_rate=16_000, output_rate=8000)
    spoken, answer = store.state("sess_1")["conversations"][0]["items"]
    assert spoken["eventstore"]["audio"][0]["duration_ms"] == 500
    assert answer["eventstore"]["audio"][0]["duration_ms"] == 1000
    assert answer["eventstore"]["heard"] == "one two"
    notes = store.session("sess_1")["eventstore"]
    assert notes["sample_rates"] == {"input": 16_000, "output": 8000}
    assert [one.changed for one in store.rebuild(["sess_1"]).done] == [0]

    timeline = build_timeline(store.events("sess_1"))
    assert {stretch.format["rate"] for stretch in timeline.streamed} == {16_000}
    assert {stretch.format["rate"] for stretch in timeline.output} == {8000}


def test_no_user_audio_at_another_rate_is_sent_again(store: EventStore) -> None:
    """A new session would take it for what its server says."""
    store.import_file(recording(CONFIGURATIONS[1]))
    assert any("audio" in json.dumps(one) for one in store.reseed("sess_1", audio=True).events)
    store.import_file(recording(CONFIGURATIONS[1]), "sess_2", input_rate=16_000)
    sent = [one for one in store.reseed("sess_2", audio=True).events if "item" in one]
    assert "input_audio" not in json.dumps(sent)


def test_importing_it_again_adds_nothing(store: EventStore) -> None:
    (first,) = store.import_file(recording({}), output_rate=8000)
    assert first.added == 11
    assert store.import_file(recording({}), output_rate=8000)[0].added == 0
    assert store.import_file(recording({}))[0].added == 0
    with pytest.raises(InvalidInputError, match=r"without these sample rates; .* --session-id"):
        store.import_file(recording({}), output_rate=16_000)

    exported = b"".join(store.export("sess_1"))
    assert store.import_file(io.BytesIO(exported))[0].added == 0
    assert next(store.events("sess_1")).at == 1_780_000_000_000_000


def test_rates_that_no_sound_has_are_refused(store: EventStore) -> None:
    for rate in (0, -8000, 7999, 48_001, 10**30):
        with pytest.raises(InvalidInputError, match="use 8000 to 48000 samples a second"):
            store.import_file(recording({}), input_rate=rate)
    assert list(store.stream_ids()) == []


@pytest.mark.parametrize("told", [None, "8000", [8000], {}, -1, 1e308, True])
def test_notes_of_other_stores_are_checked(store: EventStore, told: Any) -> None:
    note = {"type": "eventstore.session.sample_rates", "input": told, "output": told}
    line = json.dumps({"direction": "store", "frame": json.dumps(note)}).encode() + b"\n"
    store.import_file(io.BytesIO(line + recording({}).read()))
    assert "sample_rates" not in store.session("sess_1")["eventstore"]
