"""A Live session: its configuration, context, money, mutes, transport and end."""

from __future__ import annotations

from typing import Any

import pytest
from support.events import Call
from support.live_speech import live_of, say, speech, started

from eventstore.projection.handlers.session_billing import billed_session


def live(call: Call) -> dict[str, Any]:
    notes: dict[str, Any] = call.session()["eventstore"].get("live", {})
    return notes


def test_a_session_tells_its_id_model_voice_and_status() -> None:
    audio = {"output": {"voice": "marin"}, "format": {"type": "audio/pcm", "rate": 16000}}
    call = started(audio=audio, instructions="Be short.")
    session = call.session()
    assert session["eventstore"]["server_id"] == "live_1"
    assert session["eventstore"]["protocol"] == "live"
    assert session["model"] == "gpt-live-1"
    assert session["audio"] == audio
    assert session["instructions"] == "Be short."
    assert session["object"] == "live.session"


def test_how_a_session_ended() -> None:
    call = started().server("error", error={"code": "session_storage_failed", "type": "server"})
    call.server("session.closed", reason="remote_hangup", usage={"seconds": 9})
    notes = call.session()["eventstore"]
    assert (notes["closed"], notes["close_reason"]) == (True, "remote_hangup")
    assert (notes["errors"], call.codes()) == (1, ["session_storage_failed"])


def test_what_was_told_before_the_start_is_history_and_no_turn() -> None:
    told = [
        {"role": "developer", "content": [{"type": "input_text", "text": "Ann called before."}]},
        {"role": "user", "id": "m1", "content": [{"type": "input_text", "text": "Hello"}]},
        {"role": "assistant", "content": "no list"},
        "no message",
    ]
    call = started(input=told)
    assert call.order() == ["item_history_0", "m1"]
    assert call.item("m1")["eventstore"]["kind"] == "history"
    assert call.item("m1")["content"][0]["text"] == "Hello"


def test_context_is_there_at_once_and_gets_its_place_when_the_server_answers() -> None:
    call = started().client("session.instructions.append", content="Be kind.", delegation_id=None)
    (id_,) = call.order()
    assert call.item(id_)["status"] == "in_progress"
    call.server("session.instructions.appended", start_ms=600, end_ms=800)
    item = call.item(id_)
    assert (item["role"], item["status"]) == ("developer", "completed")
    assert item["content"] == [{"type": "input_text", "text": "Be kind."}]
    notes = item["eventstore"]
    assert (notes["context"], notes["start_ms"], notes["end_ms"]) == ("instructions", 600, 800)


def test_answers_find_what_they_answer() -> None:
    call = started()
    for name in ("a", "b"):
        call.client("session.thinking.append", content=name, event_id=f"client_{name}")
    call.server("session.thinking.appended", start_ms=1, end_ms=2, client_event_id="client_b")
    call.server("error", error={"code": "too_long", "client_event_id": "client_a"})
    a, b = (call.item(id_) for id_ in call.order())
    assert (a["status"], b["status"]) == ("incomplete", "completed")
    assert b["eventstore"]["start_ms"] == 1
    call.server("session.thinking.appended", start_ms=3, end_ms=4)
    assert len(call.order()) == 3  # of another connection; nothing of this one waits


def test_mutes_pauses_keys_transport_and_prepared_sounds_are_told() -> None:
    call = started()
    call.server("transport.ringing", session_id="live_1").server("transport.answered")
    call.server("session.input_audio.muted").server("session.input_audio.unmuted")
    call.server("session.paused").server("transport.dtmf.received", event="5")
    call.server("transport.dtmf.sent", event="#")
    call.server("session.output_audio.fixture.playing")
    call.server("session.output_audio.fixture.played")
    told = live(call)
    assert [one["what"] for one in told["moments"]] == [
        *("ringing", "answered", "muted", "unmuted", "paused"),
        *("fixture_playing", "fixture_played"),
    ]
    assert (told["transport"], told["paused"], told["dtmf_sent"]) == ("answered", True, ["#"])
    assert "muted" not in told
    assert call.session()["eventstore"]["dtmf"] == ["5"]


def test_a_call_that_could_not_be_set_up_is_an_error() -> None:
    error = {"code": "busy", "message": "busy here", "type": "call_error"}
    call = started().server("transport.failed", error=error)
    assert live(call)["transport"] == "failed"
    assert call.codes() == ["busy"]


def test_a_notice_is_told() -> None:
    call = started().server("info", code="data_channel_permissions", message="As told")
    assert call.codes() == ["data_channel_permissions"]
    assert call.session()["eventstore"]["errors"] == 0


def test_usage_is_the_last_word_and_never_a_sum() -> None:
    call = started()
    for seconds in (7, 19, 19):
        window = {"usage_ratio": 0.25}
        call.server("session.usage.updated", usage={"seconds": seconds}, context_window=window)
    (billed,) = billed_session(call.state)
    assert (billed.model, billed.usage) == ("gpt-live-1", {"seconds": 19})
    assert live(call)["context_usage"] == 0.25
    call.server("session.closed", reason="expired", usage={"seconds": 21})
    assert [one.usage for one in billed_session(call.state)] == [{"seconds": 21}]


def test_paused_time_is_apart() -> None:
    usage = {"seconds": 60, "active_seconds": 45, "paused_seconds": 15}
    call = started().server("session.usage.updated", usage=usage)
    active, paused = billed_session(call.state)
    assert (active.kind, active.model, (active.usage or {})["seconds"]) == (
        "session",
        "gpt-live-1",
        45,
    )
    assert (paused.kind, paused.model, paused.usage) == (
        "paused",
        "gpt-live-1 (paused)",
        {"seconds": 15},
    )


def test_a_session_whose_usage_nobody_told_costs_an_unknown_amount() -> None:
    (billed,) = billed_session(started().server("session.closed", reason="expired").state)
    assert billed.usage is None


@pytest.mark.parametrize(
    ("user_ends", "assistant_starts", "waited"),
    [(800, 1500, 700.0), (800, 800, 0.0), (800, 700, 0.0), (1600, 1000, None)],
)
def test_the_user_waits_from_the_last_word_to_the_first_sound(
    user_ends: int, assistant_starts: int, waited: float | None
) -> None:
    call = say(started(), "user", user_ends - 800, "a", "b", "c", "d")
    say(call, "assistant", assistant_starts, "Well,", "then")
    (response,) = call.state.responses
    assert call.notes(response)["speech_to_first_audio_ms"] == waited


def test_a_backchannel_is_not_what_the_assistant_answers() -> None:
    call = say(started(), "assistant", 0, *["word"] * 10)
    say(call, "user", 600, "mhm")
    say(call, "assistant", 2000, "on")
    say(call, "assistant", 9000, "Are", "you", "there?")
    last = list(call.state.responses)[-1]
    assert call.notes(last)["speech_to_first_audio_ms"] is None


def test_each_word_of_the_user_is_answered_once() -> None:
    call = say(started(), "user", 0, "Hello")
    say(call, "assistant", 500, "Hello!")
    say(call, "assistant", 6000, "Still", "there?")
    first, second = (call.notes(id_) for id_ in call.state.responses)
    assert (first["speech_to_first_audio_ms"], second["speech_to_first_audio_ms"]) == (300, None)
    assert first["duration_ms"] == 200


def test_events_that_the_server_repeats_count_once() -> None:
    call = say(started(), "user", 0, "Hello", "there")
    call.frames += call.frames[1:]
    assert [live_of(item).fragments for item in speech(call)] == [2]
