"""The GPT-Live sample call: every event is known, and every word is where it was said."""

from __future__ import annotations

import io

import pytest
from projection.live.test_turns import by_speaker, grouped
from support.events import Call
from support.live_speech import live_of, speech, spoken

from eventstore.demo import live_call_lines
from eventstore.realtime.frames import Frame
from eventstore.realtime.recording_lines import read_frames


@pytest.fixture(scope="module")
def call() -> Call:
    """The sample call."""
    content = "".join(f"{line}\n" for line in live_call_lines()).encode()
    made = Call()
    for _, frame in read_frames(io.BytesIO(content)):
        assert isinstance(frame, Frame)
        made.frames.append(frame)
    return made


def test_every_event_is_known(call: Call) -> None:
    state = call.state
    assert (state.protocol, state.unknown_types, state.fold_errors) == ("live", {}, 0)
    assert state.diagnostics == []


def test_who_said_what(call: Call) -> None:
    assert spoken(call)[0] == ("user", "Hi there, can you tell me where my order 4417 is?")
    assert spoken(call)[-1] == ("assistant", "You are welcome, Alex. Happy riding!")
    assert by_speaker(spoken(call)) == grouped(call)


def test_the_callers_short_word_is_a_backchannel(call: Call) -> None:
    short = [item for item in speech(call) if live_of(item).backchannel]
    assert [call.item(item.id)["content"][0]["transcript"] for item in short] == ["Okay."]


def test_the_assistant_was_interrupted_once(call: Call) -> None:
    (response,) = call.state.interrupted
    assert "between nine and" in call.notes(response)["heard"]


def test_the_work_was_given_to_a_backend(call: Call) -> None:
    assert call.state.live is not None
    (delegation,) = call.state.live.delegations.values()
    first, second = (call.response(id_) for id_ in delegation.responses)
    assert first["output"][0]["name"] == "find_order"
    assert second["output"][0]["content"][0]["text"].startswith("Order 4417 left")
    assert first["metadata"] == {"topic": "delivery"}
    assert call.notes(delegation.id)["delegation"]["took_ms"] > 500


def test_the_assistant_speaks_and_its_backend_writes(call: Call) -> None:
    told = {id_: call.notes(id_) for id_ in call.state.responses}
    found = {(notes["kind"], *notes["config"]["modalities"]) for notes in told.values()}
    assert found == {("spoken", "audio"), ("delegated", "text")}


def test_how_long_the_caller_waited(call: Call) -> None:
    waits = [call.notes(id_)["speech_to_first_audio_ms"] for id_ in call.state.responses]
    assert [wait is not None and 0 < wait < 1000 for wait in waits].count(True) == 3
