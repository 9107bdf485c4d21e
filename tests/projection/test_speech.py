"""The user's speech, and where audio lies in the log."""

from __future__ import annotations

import pytest
from support.events import Call, audio, message

PCMU = {"audio": {"output": {"format": {"type": "audio/pcmu"}}}}


def appended(call: Call, *lengths: int) -> Call:
    for length in lengths:
        call.client("input_audio_buffer.append", audio=audio(length))
    return call


def test_speech_that_vad_found_has_its_stretch_of_the_clock() -> None:
    call = appended(Call(), 100, 100).spoken("item_1", 40, 190)
    (span,) = call.notes("item_1")["audio"]
    assert span == {
        "content_index": 0,
        "side": "input",
        "first_seq": 1,
        "last_seq": 5,
        "start_ms": 40,
        "end_ms": 190,
        "duration_ms": 150.0,
    }


def test_speech_that_a_client_commits_is_what_it_appended() -> None:
    call = appended(Call(), 100, 150).client("input_audio_buffer.commit")
    call.server("input_audio_buffer.committed", item_id="item_1")
    (span,) = call.notes("item_1")["audio"]
    assert (span["first_seq"], span["last_seq"], span["duration_ms"]) == (1, 4, 250.0)
    assert (span["start_ms"], span["end_ms"]) == (None, None)


def test_speech_begins_after_the_last_commit() -> None:
    call = appended(Call(), 100).server("input_audio_buffer.committed", item_id="item_1")
    appended(call, 50).server("input_audio_buffer.committed", item_id="item_2")
    (span,) = call.notes("item_2")["audio"]
    assert (span["first_seq"], span["last_seq"], span["duration_ms"]) == (3, 4, 50.0)


def test_a_cleared_buffer_is_in_no_speech() -> None:
    call = appended(Call(), 100).server("input_audio_buffer.cleared")
    appended(call, 50).server("input_audio_buffer.committed", item_id="item_1")
    (span,) = call.notes("item_1")["audio"]
    assert (span["first_seq"], span["duration_ms"]) == (3, 50.0)


def test_a_clients_commit_asks_for_no_response() -> None:
    call = appended(Call(), 100).server("input_audio_buffer.committed", item_id="item_1")
    assert call.created("resp_1").notes("resp_1")["trigger"] is None


@pytest.mark.parametrize(
    ("session", "duration"),
    [
        ({"audio": {"input": {"format": {"type": "audio/pcmu"}}}}, 600.0),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}}, 150.0),
        ({"input_audio_format": "g711_alaw"}, 600.0),
        ({"input_audio_format": "pcm16", "input_audio_sampling_rate": 16000}, 150.0),
        ({}, 100.0),
    ],
)
def test_speech_is_measured_in_the_sessions_input_format(
    session: dict[str, object], duration: float
) -> None:
    call = appended(Call().server("session.created", session=session), 100)
    call.server("input_audio_buffer.committed", item_id="item_1")
    assert call.notes("item_1")["audio"][0]["duration_ms"] == duration


def test_a_timeout_makes_an_item_and_asks_for_a_response() -> None:
    fields = {"item_id": "item_1", "audio_start_ms": 1000, "audio_end_ms": 6000}
    call = Call().server("input_audio_buffer.timeout_triggered", **fields).created("resp_1")
    assert call.notes("resp_1")["trigger"] == "vad"
    (span,) = call.notes("item_1")["audio"]
    assert (span["start_ms"], span["end_ms"], span["duration_ms"]) == (1000, 6000, 5000.0)


def test_speech_that_never_became_an_item_is_the_users() -> None:
    call = Call().server("input_audio_buffer.speech_started", item_id="item_1", audio_start_ms=10)
    item = call.item("item_1")
    assert item["role"] == "user"
    assert item["content"] == [{"type": "input_audio"}]
    assert item["eventstore"]["audio"][0]["duration_ms"] is None
    assert call.session()["eventstore"]["items"] == 0


def test_output_audio_has_its_events_bytes_and_length() -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.sounds("resp_1", "item_1", 100).says("resp_1", "item_1", "Hi")
    call.sounds("resp_1", "item_1", 50)
    span = {
        "content_index": 0,
        "side": "output",
        "first_seq": 5,
        "last_seq": 7,
        "chunks": 2,
        "bytes": 7200,
        "duration_ms": 150.0,
    }
    assert call.notes("item_1")["audio"] == [span]
    assert call.notes("resp_1")["audio"] == [{"item_id": "item_1", **span}]


@pytest.mark.parametrize("name", ["response.audio.delta", "response.output_audio.delta"])
def test_output_audio_is_found_in_either_dialect(name: str) -> None:
    ids = {"response_id": "resp_1", "item_id": "item_1", "content_index": 0}
    call = Call().created("resp_1").server(name, delta=audio(10), **ids)
    assert call.notes("item_1")["audio"][0]["duration_ms"] == 10.0


def test_output_audio_is_measured_in_the_responses_format_before_the_sessions() -> None:
    call = Call().server("session.created", session=PCMU).created("resp_1")
    call.begins_speech("resp_1", "item_1").sounds("resp_1", "item_1", 10)
    assert call.notes("item_1")["audio"][0]["duration_ms"] == 60.0
    call.created("resp_2", output_audio_format="pcm16")
    call.begins_speech("resp_2", "item_2").sounds("resp_2", "item_2", 10)
    assert call.notes("item_2")["audio"][0]["duration_ms"] == 10.0


def test_audio_that_stayed_in_its_frame_counts_no_bytes() -> None:
    ids = {"response_id": "resp_1", "item_id": "item_1", "content_index": 0}
    call = Call().created("resp_1").server("response.audio.delta", delta="AAB=", **ids)
    (span,) = call.notes("item_1")["audio"]
    assert (span["chunks"], span["bytes"]) == (1, 0)


def test_an_item_without_audio_has_no_span() -> None:
    assert "audio" not in Call().added(message("item_1", "user")).notes("item_1")
