"""The user's audio as the log has it: the right bytes for each turn, or none."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from support.events import SESSION, START, Call, Json, audio_part, log_events, message
from support.examples import examples
from support.strategies import streams

from eventstore import EventStore, Frame
from eventstore.demo import call_lines
from eventstore.projection.fold import fold
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import decode
from eventstore.replay.reseed.user_audio import USER_AUDIO_TYPES, user_audio

#: Bytes in a millisecond of PCM16 at 24 kHz.
MS = 48
PCM: Json = {"input_audio_format": "pcm16"}
ULAW: Json = {"input_audio_format": "g711_ulaw"}

# Every byte of it differs from its neighbours, so that a stretch tells where it is from.
TAPE = b"".join(number.to_bytes(4, "big") for number in range(12_000))


def stored(frames: Iterable[Frame]) -> list[StoredEvent]:
    events = (
        StoredEvent(seq, frame.at, frame.direction, decode(frame.text).type, frame.text)
        for seq, frame in enumerate(frames, 1)
    )
    return [event for event in events if event.type in USER_AUDIO_TYPES]


def found(call: Call) -> dict[tuple[str, int], bytes]:
    return user_audio(call.state, stored(call.frames))


def opened(**session: object) -> Call:
    return Call().server("session.created", session={"id": "sess_1", **session})


def b64(sound: bytes) -> str:
    return base64.b64encode(sound).decode()


def append(call: Call, start: int, end: int, step: int = 960) -> Call:
    """The client appends these bytes of the tape, `step` at a time."""
    for place in range(start, end, step):
        sound = TAPE[place : min(place + step, end)]
        call.client("input_audio_buffer.append", audio=b64(sound))
    return call


def manual(call: Call, item: str) -> Call:
    """A turn that the client ends, without turn detection."""
    call.client("input_audio_buffer.commit")
    call.server("input_audio_buffer.committed", item_id=item, previous_item_id=None)
    return call.added(message(item, "user", audio_part(None, "input_audio")))


# With turn detection


@pytest.mark.parametrize("step", [960, 7, 1001])
def test_a_turn_is_a_stretch_of_the_input_clock(step: int) -> None:
    call = append(opened(), 0, 300 * MS, step).spoken("item_1", 40, 180)
    append(call, 300 * MS, 500 * MS, step).spoken("item_2", 220, 480)
    assert found(call) == {
        ("item_1", 0): TAPE[40 * MS : 180 * MS],
        ("item_2", 0): TAPE[220 * MS : 480 * MS],
    }


def test_padding_that_reaches_into_the_last_turn_stays_there() -> None:
    call = append(opened(), 0, 300 * MS).spoken("item_1", 0, 200).spoken("item_2", 150, 300)
    assert found(call)[("item_2", 0)] == TAPE[200 * MS : 300 * MS]


def test_audio_that_was_cleared_keeps_its_place_on_the_clock() -> None:
    call = append(opened(), 0, 100 * MS).server("input_audio_buffer.cleared")
    append(call, 100 * MS, 300 * MS).spoken("item_1", 150, 250)
    assert found(call) == {("item_1", 0): TAPE[150 * MS : 250 * MS]}


def test_a_turn_that_the_log_does_not_hold_whole_is_not_found() -> None:
    assert found(append(opened(), 0, 100 * MS).spoken("item_1", 40, 101)) == {}
    assert found(append(opened(), 0, 100 * MS).spoken("item_1", 60, 60)) == {}


def test_a_connection_that_joins_late_does_not_know_the_clock() -> None:
    assert found(append(Call(), 0, 300 * MS).spoken("item_1", 40, 180)) == {}
    # Where its own turns begin and end, it knows.
    assert found(manual(append(Call(), 0, 960), "item_1")) == {("item_1", 0): TAPE[:960]}


def test_another_connection_has_another_clock() -> None:
    call = append(opened(), 0, 300 * MS).spoken("item_1", 40, 180)
    call.server("session.created", session={"id": "sess_2"})
    append(call, 300 * MS, 400 * MS).spoken("item_2", 10, 90)
    assert found(call)[("item_2", 0)] == TAPE[310 * MS : 390 * MS]


def test_a_stretch_begins_with_a_whole_sample() -> None:
    # 7 bytes of PCM and one of telephone audio put the clock between two samples.
    call = append(opened(**PCM), 0, 7).server("session.updated", session=ULAW)
    append(call, 7, 8).server("session.updated", session=PCM)
    sound = found(append(call, 8, 8 + 100 * MS).spoken("item_1", 10, 50))[("item_1", 0)]
    start = TAPE.index(sound) - 8
    assert start % 2 == 0 and len(sound) % 2 == 0
    assert abs(start - (10 * MS - 13)) <= 1


def test_telephone_audio_has_eight_bytes_a_millisecond() -> None:
    call = append(opened(**ULAW), 0, 8 * 200).spoken("item_1", 50, 150)
    assert found(call) == {("item_1", 0): TAPE[400:1200]}


# Without it


def test_a_turn_is_all_that_was_appended_since_the_last_one() -> None:
    call = manual(append(manual(append(opened(), 0, 960), "item_1"), 960, 2880), "item_2")
    assert found(call) == {("item_1", 0): TAPE[:960], ("item_2", 0): TAPE[960:2880]}


def test_audio_that_was_cleared_is_no_part_of_a_turn() -> None:
    call = append(opened(), 0, 960).server("input_audio_buffer.cleared")
    assert found(manual(append(call, 960, 1920), "item_1")) == {("item_1", 0): TAPE[960:1920]}


def test_a_turn_that_the_client_ends_runs_to_its_end() -> None:
    call = append(opened(), 0, 100 * MS)
    call.server("input_audio_buffer.speech_started", item_id="item_1", audio_start_ms=20)
    assert found(manual(call, "item_1")) == {("item_1", 0): TAPE[20 * MS : 100 * MS]}


# Formats


def test_audio_in_another_format_than_the_last_one_is_left_out() -> None:
    call = manual(append(opened(**PCM), 0, 960), "item_1")
    call.server("session.updated", session=ULAW)
    append(call, 960, 960 + 8 * 100).spoken("item_2", 40, 100)
    # The clock runs on: 20 ms of PCM came first.
    assert found(call) == {("item_2", 0): TAPE[960 + 8 * 20 : 960 + 8 * 80]}


def test_a_turn_during_which_the_format_changes_is_not_found() -> None:
    call = append(opened(**PCM), 0, 100 * MS).server("session.updated", session=ULAW)
    append(call, 0, 8 * 100).spoken("item_1", 50, 180)
    assert found(call) == {}


@pytest.mark.parametrize(
    "session",
    [
        {"input_audio_format": "opus"},
        {"input_audio_format": "pcm16", "input_audio_sampling_rate": 16000},
        {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 8000}}}},
    ],
)
def test_audio_that_no_new_session_can_be_told_of_is_left_out(session: Json) -> None:
    assert found(manual(append(opened(**session), 0, 960), "item_1")) == {}


# Items that carry their own


def created(call: Call, sound: bytes | None, **fields: object) -> Call:
    part = {"type": "input_audio", **({"audio": b64(sound)} if sound else {})}
    item = {"type": "message", "role": "user", "content": [part], **fields}
    return call.client("conversation.item.create", item=item, event_id=f"e{len(call.frames)}")


def echoed(call: Call, id_: str, type_: str = "input_audio") -> Call:
    return call.added(message(id_, "user", {"type": type_, "audio": None}))


@pytest.mark.parametrize("size", [10, 4000])
def test_audio_that_a_client_created_is_found(size: int) -> None:
    call = created(created(opened(), TAPE[:size]), TAPE[size : 2 * size], id="mine")
    echoed(echoed(call, "item_1"), "mine")
    assert found(call) == {
        ("mine", 0): TAPE[size : 2 * size],
        ("item_1", 0): TAPE[:size],
    }


def test_a_create_that_was_refused_is_nobodys_audio() -> None:
    call = created(opened(), TAPE[:100])
    call.server("error", error={"event_id": f"e{len(call.frames) - 1}", "message": "no"})
    assert found(echoed(created(call, TAPE[100:300]), "item_1")) == {("item_1", 0): TAPE[100:300]}


def test_audio_that_a_server_gave_back_is_found() -> None:
    call = echoed(opened(), "item_1")
    part = {"type": "input_audio", "audio": b64(TAPE[:4000]), "transcript": "Hi"}
    call.server("conversation.item.retrieved", item=message("item_1", "user", part))
    assert found(call) == {("item_1", 0): TAPE[:4000]}


def test_what_is_no_base64_is_no_audio() -> None:
    call = opened().client("input_audio_buffer.append", audio="A")
    call.client("input_audio_buffer.append", audio=None)
    assert found(manual(append(call, 0, 96), "item_1")) == {("item_1", 0): TAPE[:96]}


# Whole streams


@examples(100)
@given(streams())
def test_any_stream_has_audio_or_none(stream: list[Frame]) -> None:
    state = fold(SESSION, log_events(stream))
    for (item_id, index), sound in user_audio(state, stored(stream)).items():
        assert item_id and index >= 0 and sound


def test_the_sample_calls_turns_are_found_whole(store: EventStore) -> None:
    frames = [
        Frame(line["direction"], line["frame"], START) for line in map(json.loads, call_lines())
    ]
    store.append("sess", frames)
    tape = b"".join(
        base64.b64decode(event["audio"])
        for event in (json.loads(frame.text) for frame in frames)
        if event["type"] == "input_audio_buffer.append"
    )
    made = store.reseed("sess", audio=True)
    turns = [
        base64.b64decode(part["audio"])
        for event in made.events[1:]
        for part in event["item"].get("content", [])
        if part["type"] == "input_audio"
    ]
    spans = [
        span
        for conversation in store.state("sess")["conversations"]
        for item in conversation["items"]
        for span in item["eventstore"].get("audio", [])
        if span["side"] == "input"
    ]
    assert len(spans) == 4
    assert turns == [tape[span["start_ms"] * MS : span["end_ms"] * MS] for span in spans]
    assert [len(turn) / MS for turn in turns] == [span["duration_ms"] for span in spans]
