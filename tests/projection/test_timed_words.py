"""Words whose times, speakers and languages the server tells."""

from __future__ import annotations

from support.events import Call, audio_part, message

from eventstore.archive.transcript import turns
from eventstore.store.query_sessions import state_resources

SEGMENT = "conversation.item.input_audio_transcription.segment"
COMPLETED = "conversation.item.input_audio_transcription.completed"


def segments(call: Call, *told: tuple[str, float, float, str]) -> Call:
    for text, start, end, speaker in told:
        fields = {"text": text, "start": start, "end": end, "speaker": speaker, "id": "seg"}
        call.server(SEGMENT, item_id="item_1", content_index=0, **fields)
    return call


def test_segments_tell_when_and_by_whom() -> None:
    call = segments(Call(), ("Hello?", 0.1, 0.5, "A"), ("Hi, it is me.", 0.7, 2.0, "B"))
    notes = call.notes("item_1")
    assert notes["timed_words"] == [
        {"text": "Hello?", "start_ms": 100.0, "end_ms": 500.0, "speaker": "A"},
        {"text": "Hi, it is me.", "start_ms": 700.0, "end_ms": 2000.0, "speaker": "B"},
    ]
    item = call.item("item_1")
    assert item["role"] == "user"
    # Until the transcript is whole, it is what the segments say.
    assert item["content"][0]["transcript"] == "Hello? Hi, it is me."
    call.server(COMPLETED, item_id="item_1", transcript="Hello? Hi, it's me.", languages=["en"])
    assert call.item("item_1")["content"][0]["transcript"] == "Hello? Hi, it's me."
    assert call.notes("item_1")["languages"] == ["en"]


def test_a_transcript_tells_speakers_apart() -> None:
    call = segments(Call(), ("Hello?", 0.1, 0.5, "A"), ("Hi.", 0.7, 1.0, "B"))
    call.server(COMPLETED, item_id="item_1", transcript="Hello? Hi.", languages=[{"code": "en"}])
    (turn,) = turns(state_resources(call.state), ())
    assert turn.text == "[A] Hello? [B] Hi."
    assert "in en" in turn.notes


def test_odd_times_are_left_out() -> None:
    call = segments(Call(), ("a", 2.0, 1.0, "A"), ("b", -1.0, 1.0, "A"), ("c", 0.0, 1.0, "A"))
    assert [one["text"] for one in call.notes("item_1")["timed_words"]] == ["c"]


def test_what_was_heard_goes_by_the_words_times() -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.says("resp_1", "item_1", "We open at nine.")
    for number, word in enumerate(("We", "open", "at", "nine.")):
        call.server(
            "response.audio_timestamp.delta",
            **{"response_id": "resp_1", "item_id": "item_1", "content_index": 0},
            **{"audio_offset_ms": number * 400, "audio_duration_ms": 300, "text": word},
        )
    call.truncated("item_1", 800)
    notes = call.notes("item_1")
    assert notes["heard"] == "We open"
    assert "estimated_by" not in notes["truncated"]
    assert notes["timed_words"][1] == {"text": "open", "start_ms": 400.0, "end_ms": 700.0}


def test_a_part_without_such_words_has_none() -> None:
    call = Call().added(message("item_1", "user", audio_part("Hello")))
    assert "timed_words" not in call.notes("item_1")
