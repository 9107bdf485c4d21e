"""A call in which servers tell when words were said, by whom and in which language."""

from __future__ import annotations

from support.events import Call, audio

SEGMENT = "conversation.item.input_audio_transcription.segment"
COMPLETED = "conversation.item.input_audio_transcription.completed"


def told_call() -> Call:
    """Two speakers in one turn; an answer whose words have times, one without, and a typed text."""
    call = Call()
    for _ in range(4):
        call.client("input_audio_buffer.append", after=1000, audio=audio(1000))
    call.spoken("item_1", 1000, 4000)
    for number, (said, start, speaker) in enumerate(
        (("Hello?", 0.1, "A"), ("Hi, it is me.", 1, "B"))
    ):
        times = {"start": start, "end": start + 0.5}
        heard = {"item_id": "item_1", "id": f"seg_{number}", "text": said, "speaker": speaker}
        call.server(SEGMENT, **heard, **times)
    call.server(
        COMPLETED, item_id="item_1", transcript="Hello? Hi, it is me.", languages=[{"code": "en"}]
    )
    call.created("resp_1").begins_speech("resp_1", "item_2").sounds("resp_1", "item_2", 2000)
    ids = {"response_id": "resp_1", "item_id": "item_2", "content_index": 0}
    for number, word in enumerate(("Good", "day")):
        times = {"audio_offset_ms": number * 900, "audio_duration_ms": 400}
        call.server("response.audio_timestamp.delta", text=word, **ids, **times)
    call.says("resp_1", "item_2", "Good day.").done("resp_1")
    call.answers("resp_2", "item_3", "Nobody told when.")
    return call.typed("item_4", "Typed.")
