"""Fragments of both speakers become items: by pauses, silence and who speaks in between."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai._models import construct_type
from openai.lib.live import AsyncTranscriptGrouper
from openai.types.live import ServerEvent
from support.events import Call
from support.live_speech import live_of, say, speech, spoken, started
from support.recordings import each_live_recording, frames

from eventstore.projection.live.turns import MOST_FRAGMENTS


def test_words_with_small_pauses_are_one_item() -> None:
    call = say(started(), "user", 0, "Where", "is", "my")
    say(call, "user", 1000, "order?")
    assert spoken(call) == [("user", "Where is my order?")]


def test_a_long_silence_begins_a_new_item() -> None:
    call = say(started(), "user", 0, "Wait", "a", "moment")
    say(call, "user", 2600, "Here", "I", "am")
    assert spoken(call) == [("user", "Wait a moment"), ("user", "Here I am")]


def test_a_speaker_goes_on_after_a_shorter_silence_in_which_nobody_spoke() -> None:
    call = say(started(), "assistant", 0, "Checking", "now.")
    say(call, "assistant", 2200, "It", "is", "there.")
    assert spoken(call) == [("assistant", "Checking now. It is there.")]


def test_an_answer_ends_the_question() -> None:
    call = say(started(), "assistant", 0, "Is", "that", "right?")
    say(call, "user", 900, "Yes.")
    say(call, "assistant", 1500, "Thank", "you.")
    assert [role for role, _ in spoken(call)] == ["assistant", "user", "assistant"]


def test_a_backchannel_is_an_item_of_its_own_and_ends_nothing() -> None:
    call = say(started(), "user", 0, "I", "ordered", "a")
    say(call, "assistant", 700, "mhm")
    say(call, "user", 1300, "red", "lamp", "last", "week")
    assert spoken(call) == [("user", "I ordered a red lamp last week"), ("assistant", "mhm")]
    assert [live_of(item).backchannel for item in speech(call)] == [False, True]


def test_a_short_word_that_becomes_a_turn_is_no_backchannel() -> None:
    call = say(started(), "assistant", 0, *["word"] * 10)
    say(call, "user", 400, "Yes")
    say(call, "assistant", 2000, "and", "on")
    assert live_of(speech(call)[1]).backchannel
    say(call, "user", 600, *["but"] * 6)
    assert not live_of(speech(call)[1]).backchannel


def test_a_short_word_stays_a_backchannel_when_the_other_one_speaks_again() -> None:
    call = say(started(), "assistant", 0, *["word"] * 4)
    say(call, "user", 300, "Mhm")
    say(call, "assistant", 4000, "So")
    assert [live_of(item).backchannel for item in speech(call)] == [False, True, False]


def test_overlaps_stay_overlaps() -> None:
    call = started()
    for ms in range(0, 2000, 400):
        say(call, "user", ms, "one")
        say(call, "assistant", ms + 100, "two")
    assert [role for role, _ in spoken(call)] == ["user", "assistant"]
    user, assistant = map(live_of, speech(call))
    assert (user.start_ms, user.end_ms) == (0, 1800)
    assert (assistant.start_ms, assistant.end_ms) == (100, 1900)


def test_an_assistant_that_the_user_speaks_over_until_it_ends_was_interrupted() -> None:
    call = say(started(), "assistant", 0, *["word"] * 8)
    say(call, "user", 1000, "No", "stop", "please", "I", "meant", "the", "other")
    (response,) = call.state.responses
    assert call.state.interrupted == {response}
    say(call, "assistant", 1600, *["word"] * 8)  # it went on: both spoke at once
    assert call.state.interrupted == set()


def test_an_interruption_stays_one_when_the_user_speaks_again() -> None:
    call = say(started(), "assistant", 0, *["word"] * 8)
    say(call, "user", 1000, "No", "stop", "please", "now")
    interrupted = set(call.state.interrupted)
    say(call, "user", 4500, "Hello?")
    assert call.state.interrupted == interrupted and len(interrupted) == 1


def test_a_usual_change_of_speakers_is_no_interruption() -> None:
    call = say(started(), "assistant", 0, "How", "can", "I", "help?")
    say(call, "user", 600, "Where", "is", "my", "order?")
    assert call.state.interrupted == set()


def test_words_keep_the_servers_exact_times() -> None:
    call = say(started(), "user", 600, "Please", "check")
    (item,) = speech(call)
    timed = call.item(item.id)["eventstore"]["timed_words"]
    assert timed == [
        {"text": "Please", "start_ms": 600, "end_ms": 800},
        {"text": " check", "start_ms": 800, "end_ms": 1000},
    ]


def test_a_timeline_that_begins_again_begins_a_new_item() -> None:
    call = say(started(), "user", 5000, "Later")
    say(call, "user", 100, "Sooner")
    assert spoken(call) == [("user", "Later"), ("user", "Sooner")]


def test_a_monologue_without_end_is_cut_into_items() -> None:
    call = say(started(), "user", 0, *["on"] * (MOST_FRAGMENTS + 2))
    assert [live_of(item).fragments for item in speech(call)] == [MOST_FRAGMENTS, 2]


def test_fragments_without_times_are_grouped_by_who_speaks() -> None:
    call = started()
    for type_, word in (("input", "Hello"), ("input", " there"), ("output", "Hi"), ("input", "So")):
        call.server(f"session.{type_}_transcript.delta", delta=word, start_ms="soon")
    assert spoken(call) == [("user", "Hello there"), ("assistant", "Hi"), ("user", "So")]


@pytest.mark.parametrize(
    ("words", "joined"),
    [
        (("now.", "Staging"), "now. Staging"),
        (("東京", "です"), "東京です"),
        (("now ", "it"), "now it"),
        (("one", ", two"), "one, two"),
    ],
)
def test_a_pause_stands_for_the_space_between_two_words(
    words: tuple[str, str], joined: str
) -> None:
    call = say(started(), "user", 0, words[0])
    call.server("session.input_transcript.delta", delta=words[1], start_ms=600, end_ms=800)
    assert spoken(call) == [("user", joined)]


# Nothing is lost: the package's own grouper, fed the same events, has the same text.


def grouped(call: Call) -> dict[str, str]:
    """The text of each speaker by the package's grouper, without its spaces."""
    segments: dict[str, Any] = {}

    async def feed() -> None:
        # Without this it leaves short words out.
        async with AsyncTranscriptGrouper(backchannel_max_duration_ms=0) as grouper:
            grouper.on("segment.updated", lambda one: segments.update({one.id: one}))
            for frame in call.frames:
                await grouper.push(construct_type(type_=ServerEvent, value=json.loads(frame.text)))

    asyncio.run(feed())
    return by_speaker([(one.speaker, one.text) for one in segments.values()])


def by_speaker(said: list[tuple[str, str]]) -> dict[str, str]:
    texts = {"user": "", "assistant": ""}
    for speaker, text in said:
        texts[speaker] += "".join(text.split())
    return texts


fragments = st.lists(
    st.tuples(
        st.sampled_from(("user", "assistant")),
        st.integers(0, 20),
        st.sampled_from(("yes", " mhm.", " and so", "No", " 東京", "?")),
    ),
    max_size=40,
)


@given(fragments)
def test_each_speakers_text_is_that_of_the_packages_grouper(
    said: list[tuple[Any, int, str]],
) -> None:
    call, ms = started(), 0
    for speaker, steps, text in said:
        ms += steps * 100
        say(call, speaker, ms, text)
    assert by_speaker(spoken(call)) == grouped(call)


@each_live_recording
def test_a_recorded_session_is_grouped_as_the_package_does(recording: Path) -> None:
    call = Call()
    call.frames = frames(recording)
    assert by_speaker(spoken(call)) == grouped(call)
    assert [role for role, _ in spoken(call)] == ["user", "assistant"]
