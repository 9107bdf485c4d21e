"""Words whose times, speakers and languages the server tells."""

from __future__ import annotations

from typing import Any

import pytest
from support.events import Call, audio_part, message

from eventstore.exports.transcript import transcript_turns
from eventstore.store.queries.query_sessions import state_resources

SEGMENT = "conversation.item.input_audio_transcription.segment"
COMPLETED = "conversation.item.input_audio_transcription.completed"


def segments(call: Call, *told: tuple[str, float, float, str]) -> Call:
    for number, (text, start, end, speaker) in enumerate(told):
        segment(call, text, start, end, id=f"seg_{number}", speaker=speaker)
    return call


def segment(call: Call, text: str, start: float | None, end: float | None, **fields: Any) -> Call:
    fields |= {"text": text, "start": start, "end": end}
    return call.server(SEGMENT, item_id="item_1", content_index=0, **fields)


def transcribed(call: Call, transcript: str, **fields: Any) -> Call:
    return call.server(
        COMPLETED, item_id="item_1", content_index=0, transcript=transcript, **fields
    )


def timed(call: Call) -> list[tuple[str, float, float]]:
    """The words of the call's item that have times."""
    told = call.notes("item_1").get("timed_words", [])
    return [(one["text"], one["start_ms"], one["end_ms"]) for one in told]


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
    (turn,) = transcript_turns(state_resources(call.state), ())
    assert turn.text == "[A] Hello? [B] Hi."
    assert "in en" in turn.notes


def test_turns_of_one_speaker_each_are_told_apart() -> None:
    call = Call()
    for item, speaker in (("item_1", "A"), ("item_2", "B")):
        call.server(SEGMENT, item_id=item, text="well", start=0.0, end=1.0, speaker=speaker)
        call.server(COMPLETED, item_id=item, transcript="Well.")
    told = transcript_turns(state_resources(call.state), ())
    assert [turn.text for turn in told] == ["[A] Well.", "[B] Well."]
    assert [turn.words for turn in told] == ["Well.", "Well."]
    # One speaker alone needs no name.
    alone = segments(Call(), ("Hello?", 0.1, 0.5, "A"))
    (turn,) = transcript_turns(state_resources(alone.state), ())
    assert (turn.text, turn.words) == ("Hello?", None)


def test_odd_times_are_left_out() -> None:
    call = segments(Call(), ("a", 2.0, 1.0, "A"), ("b", -1.0, 1.0, "A"), ("c", 0.0, 1.0, "A"))
    assert [one["text"] for one in call.notes("item_1")["timed_words"]] == ["c"]


def test_a_segment_that_is_told_again_counts_once() -> None:
    call = segment(Call(), "Hi", 0.0, 1.0, id="seg_1", speaker="A")
    segment(call, "Hi there.", 0.1, 1.4, id="seg_1", speaker="B")
    assert timed(call) == [("Hi there.", 100.0, 1400.0)]
    assert call.item("item_1")["content"][0]["transcript"] == "Hi there."
    # Some servers give all segments one id, and some give none.
    segment(call, "Bye.", 2.0, 3.0, id="seg_1", speaker="B")
    segment(segment(call, "So.", 4.0, 5.0), "So.", 4.0, 5.0)
    assert [text for text, *_ in timed(call)] == ["Hi there.", "Bye.", "So."]


def test_words_are_in_the_order_of_their_times() -> None:
    call = segments(Call(), ("you?", 2.0, 3.0, "A"), ("How are", 0.0, 1.9, "A"))
    assert [text for text, *_ in timed(call)] == ["How are", "you?"]
    assert call.item("item_1")["content"][0]["transcript"] == "How are you?"


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (0.2, None, [("a", 200.0, 200.0)]),
        (None, 1.0, []),
        (None, None, []),
        ("0.2", "1", []),
        (0.0, 1e306, []),  # no number of milliseconds
        (1_700_000_000, 1_700_000_001, []),  # a date is on no audio
    ],
)
def test_times_that_are_missing_or_impossible(start: Any, end: Any, found: list[Any]) -> None:
    assert timed(segment(Call(), "a", start, end, id="seg_1", speaker=None)) == found


def test_a_server_may_count_from_the_beginning_of_the_session() -> None:
    on_session = segments(Call().spoken("item_1", 5000, 8000), ("a", 5.2, 6.0, "A"))
    assert timed(on_session) == [("a", 200.0, 1000.0)]
    on_turn = segments(Call().spoken("item_1", 5000, 8000), ("a", 0.2, 1.0, "A"))
    assert timed(on_turn) == [("a", 200.0, 1000.0)]
    # Longer than the turn, and not in it by the session's clock either: as it was told.
    neither = segments(Call().spoken("item_1", 5000, 8000), ("a", 1.0, 6.0, "A"))
    assert timed(neither) == [("a", 1000.0, 6000.0)]


def word(text: str, offset: int, lasts: int = 300, **fields: Any) -> dict[str, Any]:
    return {
        "text": text,
        "offset_milliseconds": offset,
        "duration_milliseconds": lasts,
        **fields,
    }


def test_phrases_tell_when_words_were_said_and_in_which_language() -> None:
    phrases = [
        word(
            "Hello there.", 100, 900, locale="en-US", words=[word("hello", 100), word("there", 500)]
        ),
        word("Guten Tag.", 2000, 800, locale="de-DE", words=None),
    ]
    call = transcribed(Call(), "Hello there. Guten Tag.", phrases=phrases)
    assert timed(call) == [("hello", 100, 400), ("there", 500, 800), ("Guten Tag.", 2000, 2800)]
    assert call.notes("item_1")["languages"] == ["en-US", "de-DE"]
    # A transcript that comes again replaces the words of the first.
    transcribed(call, "Hello.", phrases=[word("Hello.", 100, 400)])
    assert timed(call) == [("Hello.", 100, 500)]


def test_segments_that_tell_speakers_are_kept_when_phrases_come() -> None:
    call = transcribed(
        segments(Call(), ("Hello?", 0.1, 0.5, "A")), "Hello?", phrases=[word("hello", 90)]
    )
    assert timed(call) == [("Hello?", 100.0, 500.0)]


@pytest.mark.parametrize("phrases", [7, [None, "x", {"words": 3}], [word("a", -5), {"text": "b"}]])
def test_odd_phrases_are_left_out(phrases: Any) -> None:
    assert timed(transcribed(Call(), "Hello.", phrases=phrases)) == []


def test_a_single_language_counts() -> None:
    call = transcribed(Call(), "你好", language="zh", emotion="neutral")
    assert call.notes("item_1")["languages"] == ["zh"]
    # No language could be told: that is no reason to forget one.
    transcribed(call, "你好", languages=[])
    assert call.notes("item_1")["languages"] == ["zh"]


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


def test_the_sign_behind_the_last_word_was_heard_with_it() -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.says("resp_1", "item_1", "Yes, we do. Good-bye!")
    for number, said in enumerate(("Yes", "we", "do", "Good-bye")):
        ids = {"response_id": "resp_1", "item_id": "item_1", "content_index": 0}
        times = {"audio_offset_ms": number * 400, "audio_duration_ms": 300}
        call.server("response.audio_timestamp.delta", text=said, **ids, **times)
    assert call.truncated("item_1", 900).notes("item_1")["heard"] == "Yes, we do."
    assert call.truncated("item_1", 9000).notes("item_1")["heard"] == "Yes, we do. Good-bye!"


def test_a_part_without_such_words_has_none() -> None:
    call = Call().added(message("item_1", "user", audio_part("Hello")))
    assert "timed_words" not in call.notes("item_1")
