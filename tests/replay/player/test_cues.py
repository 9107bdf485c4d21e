"""A session as a play's script: who said what, when, and what was cut off."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from support.calls import beta_tool_call, cut_off_call, voice_call
from support.events import Call, audio_part, log_events, message, text_part
from support.examples import examples
from support.recordings import each_recording, frames
from support.strategies import streams

from eventstore import EventStore, Frame
from eventstore.demo import call_lines
from eventstore.projection.fold import fold
from eventstore.realtime.catalogue import RENAMED, SET_LATER
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import decode
from eventstore.realtime.protocols import LIVE
from eventstore.realtime.session_clock import SessionClock
from eventstore.replay.player.cue import Cue
from eventstore.replay.player.cues import CUE_TYPES, cues
from eventstore.store.log.follow import Quiet

LATE = {"saying", "backchannel", "said", "interrupted"}


def script(played: Iterable[Frame], followed: bool = False) -> list[Cue]:
    """The cues of a session that is replayed as a whole, or followed event by event."""
    events = (
        StoredEvent(seq, frame.at, frame.direction, decode(frame.text).type, frame.text)
        for seq, frame in enumerate(played, 1)
    )
    return list(cues(chain([Quiet(0)], events) if followed else events))


def lines(call: Call) -> list[tuple[str, str | None, str]]:
    """Kind, speaker and words of a call's cues, pieces of speech joined."""
    return joined(script(call.frames))


def joined(found: Iterable[Cue]) -> list[tuple[str, str | None, str]]:
    told: list[tuple[str, str | None, str]] = []
    for cue in found:
        if cue.kind == "saying" and told and told[-1][:2] == ("saying", cue.speaker):
            told[-1] = ("saying", cue.speaker, told[-1][2] + cue.text)
        else:
            told.append((cue.kind, cue.speaker, cue.text))
    return told


# Unit: scripts


def test_a_voice_call_is_told() -> None:
    assert lines(voice_call()) == [
        ("opened", None, "sess_1 gpt-realtime"),
        ("speaking", "user", ""),
        ("saying", "assistant", "It is sunny in Oslo today "),
        ("said", "assistant", "It is sunny in Oslo today"),
        ("said", "user", "Hi, how is the weather?"),
        ("speaking", "user", ""),
        ("saying", "assistant", "And tomorrow it will rain"),
        ("speaking", "user", ""),
        ("interrupted", "user", "the user spoke while it was answering"),
        ("truncated", None, "heard only the first 0.5 s"),
        ("closed", None, "done"),
    ]


def test_a_tool_call_is_told() -> None:
    assert lines(beta_tool_call()) == [
        ("opened", None, "sess_2 gpt-4o-realtime-preview"),
        ("said", "user", "Weather in Oslo?"),
        ("tool_call", "assistant", 'weather({"city":"Oslo"})'),
        ("tool_result", "tool", "sunny"),
        ("saying", "assistant", "Sunny in Oslo."),
        ("said", "assistant", "Sunny in Oslo."),
    ]


def test_a_call_that_was_cut_off_ends_in_mid_speech() -> None:
    assert lines(cut_off_call())[-1] == ("saying", "assistant", "Hello to ")


def test_offsets_count_from_the_first_event() -> None:
    call = voice_call()
    offsets = [cue.offset_ms for cue in script(call.frames)]
    first = call.frames[0].at or 0
    assert offsets == [
        ((call.frames[cue.seq - 1].at or 0) - first) / 1000 for cue in script(call.frames)
    ]


def test_without_times_there_are_no_offsets() -> None:
    untimed = [frame._replace(at=None) for frame in voice_call().frames]
    found = script(untimed)
    assert {cue.offset_ms for cue in found} == {None}
    assert joined(found) == lines(voice_call())


@pytest.mark.parametrize(
    ("status", "details", "told"),
    [
        ("completed", None, []),
        (
            "cancelled",
            {"reason": "turn_detected"},
            [("interrupted", "user", "the user spoke while it was answering")],
        ),
        (
            "cancelled",
            {"reason": "client_cancelled"},
            [("response_ended", None, "cancelled client_cancelled")],
        ),
        (
            "incomplete",
            {"reason": "max_output_tokens"},
            [("response_ended", None, "incomplete max_output_tokens")],
        ),
        ("failed", {"error": {"message": "no way"}}, [("response_ended", None, "failed no way")]),
        ("failed", "unimplemented", [("response_ended", None, "failed")]),
        ("cancelled", None, [("response_ended", None, "cancelled")]),
    ],
)
def test_how_a_response_ends_is_told(
    status: str, details: Any, told: list[tuple[str, str | None, str]]
) -> None:
    call = Call().created("resp_1").done("resp_1", status=status, status_details=details)
    assert lines(call) == told


def test_a_response_out_of_the_conversation_is_an_aside() -> None:
    call = Call().created("resp_1", None).says("resp_1", "item_1", "Topic: ", "weather")
    ids = {"response_id": "resp_1", "item_id": "item_1"}
    call.server("response.output_text.done", text="Topic: weather", **ids)
    assert lines(call) == [
        ("saying", "aside", "Topic: weather"),
        ("said", "aside", "Topic: weather"),
    ]


def test_errors_deletions_and_frames_that_are_no_events_are_told() -> None:
    call = Call().server("error", error={"message": "no such item", "code": "x"})
    call.server("error", error={"code": "x"}).server("error", error="?")
    call.server("conversation.item.deleted", item_id="item_1")
    call.frame("server", "{broken").frame("server", b"\0\1")
    call.store("metadata", metadata={"customer": "42", "topic": "a"})
    call.server("session.closed")
    assert lines(call) == [
        ("error", None, "no such item"),
        ("error", None, "x"),
        ("error", None, "error"),
        ("deleted", None, "item_1"),
        ("unreadable", None, "a frame of 7 characters that is no event"),
        ("unreadable", None, "a frame of 2 characters that is no event"),
        ("metadata", None, "customer=42, topic=a"),
        ("closed", None, ""),
    ]


def test_metadata_set_later_has_no_place_in_the_calls_time() -> None:
    call = Call().created("resp_1")
    call.ms += 10**9
    (cue,) = script(call.store("metadata", metadata={"a": "b"}).frames)
    assert cue.offset_ms is None and cue.at is not None


def test_an_item_is_told_once_though_servers_say_it_twice() -> None:
    item = message("item_1", "user", text_part("Hello", "input_text"))
    call = Call().added(item).added(item)
    call.server("conversation.item.created", item=item)
    assert lines(call) == [("said", "user", "Hello")]


def test_a_session_is_opened_once() -> None:
    call = Call().server("session.created", session={"id": "s", "model": "m"})
    call.server("session.updated", session={"id": "s"})
    assert lines(call) == [("opened", None, "s m")]
    # A second connection to a call has no other beginning.
    sideband = Call().server("session.updated", session={"id": "s", "model": "m"})
    assert lines(sideband) == [("opened", None, "s m")]


def test_a_translation_is_told() -> None:
    call = Call().server("session.input_transcript.delta", delta="Good ")
    call.server("session.input_transcript.delta", delta="morning")
    call.server("session.output_transcript.delta", delta="Buenos días")
    assert lines(call) == [
        ("saying", "user", "Good morning"),
        ("saying", "assistant", "Buenos días"),
    ]


def test_beta_names_tell_the_same() -> None:
    beta = {ga: old for old, ga in RENAMED.items()}
    call = voice_call()
    for place, frame in enumerate(call.frames):
        event = json.loads(frame.text)
        event["type"] = beta.get(event["type"], event["type"])
        call.frames[place] = frame._replace(text=json.dumps(event))
    assert lines(call) == lines(voice_call())


@given(played=streams())
@examples(60)
def test_any_stream_has_a_script(played: list[Frame]) -> None:
    found = script(played, followed=True)
    # In a GPT-Live session, some cues come late, with the event that they tell of.
    seqs = [cue.seq for cue in found if cue.kind not in LATE]
    assert seqs == sorted(seqs)
    assert all(isinstance(cue.text, str) for cue in found)


# Integration: what the store reads for it


def test_a_replay_reads_no_other_types_than_make_cues(store: EventStore) -> None:
    for number, call in enumerate((voice_call(), beta_tool_call(), cut_off_call())):
        store.append(f"sess_{number}", call.frames)
        assert list(store.replay(f"sess_{number}")) == _from_first_cue(call.frames)


def test_a_replay_of_any_stream_reads_all_that_makes_cues(store: EventStore) -> None:
    numbers = iter(range(10**6))

    @given(played=streams())
    @examples(30)
    def check(played: list[Frame]) -> None:
        session_id = f"sess_{next(numbers)}"
        store.append(session_id, played)
        told, expected = list(store.replay(session_id)), _from_first_cue(played)
        # A replay tells the protocol from the events that it reads.
        read = [frame for frame in played if decode(frame.text).type in CUE_TYPES]
        if fold(session_id, log_events(read)).protocol == LIVE:
            # Its cues have their times on the session's own timeline: see test_live_cues.py.
            told, expected = _without_times(told), _without_times(script(played))
        assert ascii(told) == ascii(expected)

    check()


def _without_times(found: list[Cue]) -> list[Cue]:
    return [cue._replace(offset_ms=None) for cue in found]


def _from_first_cue(played: list[Frame]) -> list[Cue]:
    """The script as it counts from the first event that may make a cue."""
    found = script(played)
    clock, offsets = SessionClock(), {}
    for seq, frame in enumerate(played, 1):
        type_ = decode(frame.text).type
        if type_ in CUE_TYPES and type_ not in SET_LATER:
            offsets[seq] = clock.moment(frame.at) / 1000
    return [
        cue._replace(offset_ms=None if cue.at is None else offsets.get(cue.seq)) for cue in found
    ]


# Acceptance: recorded calls


@each_recording
def test_a_recording_says_all_that_its_items_say(store: EventStore, recording: Path) -> None:
    (only,) = store.import_file(recording)
    told = list(store.replay(only.session_id))
    words = {cue.text.strip() for cue in told if cue.kind == "said"}
    spoken = "".join(cue.text for cue in told if cue.kind == "saying")
    shown = store.state(only.session_id)
    for conversation in shown["conversations"]:
        for item in conversation["items"]:
            said = item["eventstore"].get("generated", "").strip()
            assert not said or said in words or said in spoken
    called = [cue for cue in told if cue.kind == "tool_call"]
    assert len(called) == sum(
        item.get("type") == "function_call"
        for response in shown["responses"]
        for item in response["output"]
    )


@each_recording
def test_a_recordings_cues_are_in_order(recording: Path) -> None:
    found = script(frames(recording))
    assert found[0].kind == "opened"
    # In a GPT-Live session, some cues come late, with the event that they tell of.
    seqs = [cue.seq for cue in found if cue.kind not in LATE]
    assert seqs == sorted(seqs)
    assert all(cue.offset_ms is not None and cue.offset_ms >= 0 for cue in found)


def test_the_sample_call_tells_what_happened() -> None:
    entries = [json.loads(line) for line in call_lines()]
    told = lines_of(Frame(entry["direction"], entry["frame"], None) for entry in entries)
    kinds = {kind for kind, *_ in told}
    assert {"opened", "speaking", "said", "tool_call", "tool_result"} <= kinds
    assert {"interrupted", "truncated"} <= kinds
    assert {speaker for kind, speaker, _ in told if kind == "saying"} == {"assistant", "aside"}


def lines_of(played: Iterable[Frame]) -> list[tuple[str, str | None, str]]:
    return joined(script(played))


def test_speech_without_deltas_is_said(store: EventStore) -> None:
    ids = {"response_id": "resp_1", "item_id": "item_1", "content_index": 0}
    call = Call().created("resp_1")
    call.server("response.output_audio_transcript.done", transcript="Hello", **ids)
    call.added(message("item_1", "assistant", audio_part("Hello")))
    store.append("sess", call.frames)
    assert joined(store.replay("sess")) == [("said", "assistant", "Hello")]
