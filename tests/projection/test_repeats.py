"""What a proxy delivers twice counts once; what only looks alike does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import SAMPLE_STREAMS
from support.events import SESSION, Call, audio, log_events
from support.rows import views

from eventstore.projection.fold import fold
from eventstore.projection.repeats import MAX_RECENT
from eventstore.projection.state import SessionState
from eventstore.realtime.frames import Frame

IDS = {"response_id": "resp_1", "item_id": "item_1", "content_index": 0}
_DELTAS = (
    ("response.output_audio.delta", audio(100)),
    ("response.output_audio_transcript.delta", "ha "),
)


def with_ids(frames: list[Frame]) -> list[Frame]:
    """The same stream, each of the server's events with an id of its own."""
    named = []
    for number, frame in enumerate(frames):
        if frame.direction == "server":
            event = {**json.loads(frame.text), "event_id": f"event_{number}"}
            frame = frame._replace(text=json.dumps(event))
        named.append(frame)
    return named


def counted(state: SessionState) -> dict[str, Any]:
    """What a state adds up, without the places of events in the log.

    Ids that a Live session's items get from these places are replaced by their numbers.
    """
    items, responses = (
        {id_: id_ if state.live is None else str(number) for number, id_ in enumerate(known)}
        for known in (state.items, state.responses)
    )
    return {
        "parts": {
            (items[item.id], index): (
                part.text or part.text_so_far(),
                part.transcript or part.transcript_so_far(),
                None if part.audio is None else (part.audio.bytes, part.audio.chunks),
                part.timed,
            )
            for item in state.items.values()
            for index, part in item.parts.items()
        },
        "order": [[items[id_] for id_ in one.order] for one in state.conversations],
        "asked": {responses[r.id]: r.request and r.request.kind for r in state.responses.values()},
        "usage": {responses[r.id]: r.usage for r in state.responses.values()},
        "errors": (state.errors, state.diagnostics_count, state.dtmf),
        "translation": state.translation,
    }


@given(st.sampled_from(SAMPLE_STREAMS), st.data())
def test_what_comes_twice_counts_once(stream: list[Frame], data: st.DataObject) -> None:
    named = with_ids(list(stream))
    twice = list(named)
    for _ in range(data.draw(st.integers(1, 10))):
        chosen = data.draw(st.integers(0, len(twice) - 1))
        if twice[chosen].direction == "server":
            twice.insert(chosen + 1, twice[chosen])
    assert counted(fold(SESSION, log_events(twice))) == counted(fold(SESSION, log_events(named)))


def begun() -> Call:
    call = Call().server("session.created", event_id="event_0", session={"id": SESSION})
    call.created("resp_1").begins_speech("resp_1", "item_1")
    return call


@pytest.mark.parametrize(("type_", "delta"), _DELTAS)
def test_an_id_that_all_events_have_names_none(type_: str, delta: str) -> None:
    call = begun()
    for _ in range(2):
        call.server(type_, event_id="event_0", delta=delta, **IDS)
    part = call.state.items["item_1"].parts[0]
    assert "ha ha " in (part.transcript_so_far() or "ha ha ")
    assert part.audio is None or part.audio.chunks == 2


@pytest.mark.parametrize(("type_", "delta"), _DELTAS)
@pytest.mark.parametrize("event_id", [None, "", 7])
def test_a_delta_without_an_id_is_another_one(type_: str, delta: str, event_id: Any) -> None:
    call = begun()
    told = {} if event_id is None else {"event_id": event_id}
    for _ in range(2):
        call.server(type_, delta=delta, **told, **IDS)
    part = call.state.items["item_1"].parts[0]
    assert "ha ha " in (part.transcript_so_far() or "ha ha ")
    assert part.audio is None or part.audio.chunks == 2


def test_an_id_that_came_with_two_texts_names_none() -> None:
    call = begun()
    for delta in ("one ", "two ", "one "):
        type_ = "response.output_audio_transcript.delta"
        call.server(type_, event_id="event_9", delta=delta, **IDS)
    assert call.state.items["item_1"].parts[0].transcript_so_far() == "one two one "


def test_what_the_client_sends_twice_was_asked_twice() -> None:
    call = Call()
    for _ in range(2):
        call.client("response.create", event_id="event_1", response={})
    call.created("resp_1").created("resp_2")
    responses = call.state.responses.values()
    assert [response.request is not None for response in responses] == [True, True]


def test_other_events_are_known_for_some_time() -> None:
    call = Call()
    error = {"event_id": "event_1", "error": {"code": "bad", "message": "No."}}
    call.server("error", **error).server("error", **error)
    assert call.state.errors == 1
    for number in range(MAX_RECENT):
        call.server("rate_limits.updated", event_id=f"event_r{number}", rate_limits=[])
    assert call.server("error", **error).state.errors == 2


def test_a_state_without_repetitions_is_as_it_was() -> None:
    for stream in SAMPLE_STREAMS:
        events = log_events(with_ids(list(stream)))
        without = [event._replace(text="") for event in events]
        assert views(fold(SESSION, events)) == views(fold(SESSION, without))
