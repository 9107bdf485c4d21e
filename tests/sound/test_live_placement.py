"""Unit: where the audio of a GPT-Live session lies on the session's timeline."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.events import log_events
from support.live_sound import (
    fragment,
    full_duplex,
    heard,
    pcm_click,
    reflected,
    spoken,
    started,
)
from support.sound import b64, client, in_order, server, stored, with_clicks
from support.strategies import streams

from eventstore import Frame
from eventstore.projection.fold import fold
from eventstore.sound.audio_formats import decode_base64
from eventstore.sound.timeline.call_clock import LONGEST_CALL
from eventstore.sound.timeline.layout import Stretch, Timeline
from eventstore.sound.timeline.live_placement import (
    PAUSE,
    ArrivedChunk,
    place_by_samples,
    place_by_times,
)
from eventstore.sound.timeline.live_sound import seconds
from eventstore.sound.timeline.timeline import build_timeline

TIMES = st.one_of(st.just(math.inf), st.floats(-1e5, 1e5))
CHUNKS = st.lists(
    st.builds(
        ArrivedChunk,
        st.floats(1e-4, 30.0),
        TIMES,
        st.floats(0, LONGEST_CALL),
        st.one_of(st.just(math.nan), st.floats(0, LONGEST_CALL)),
    ),
    max_size=40,
)


def built(*frames: Frame) -> Timeline:
    return build_timeline(stored(frames))


def spans(stretches: list[Stretch]) -> list[tuple[float, float]]:
    return [(round(float(s.starts[0]), 3), round(float(s.ends[-1]), 3)) for s in stretches]


# The rule alone


@given(CHUNKS)
def test_a_side_never_overlaps_itself_and_loses_nothing(chunks: list[ArrivedChunk]) -> None:
    placed = place_by_times(chunks)
    assert len(placed.starts) == len(placed.ends) == len(chunks)
    lengths = [chunk.length for chunk in chunks]
    assert placed.ends - placed.starts == pytest.approx(np.array(lengths), rel=1e-6)
    assert all(placed.starts[1:] >= placed.ends[:-1])  # in order, and never back
    assert all(placed.starts >= 0)
    gaps = {0} | {i for i in range(1, len(chunks)) if placed.starts[i] > placed.ends[i - 1]}
    assert gaps == set(placed.breaks) | {0}


@given(CHUNKS)
def test_a_chunk_is_not_before_its_time(chunks: list[ArrivedChunk]) -> None:
    placed = place_by_times(chunks)
    for chunk, start in zip(chunks, placed.starts, strict=True):
        known = chunk.arrival if chunk.arrival < math.inf else chunk.told
        moment = known if math.isnan(chunk.stated) else chunk.stated
        assert start >= min(moment, LONGEST_CALL) - PAUSE


@given(st.lists(st.floats(1e-3, 10.0), max_size=40))
def test_continuous_audio_has_no_gap(lengths: list[float]) -> None:
    placed = place_by_samples(np.cumsum(lengths))
    assert len(placed.starts) == len(lengths)
    assert placed.starts[:1].tolist() == [0.0] * bool(lengths)
    assert placed.starts[1:].tolist() == placed.ends[:-1].tolist()


# What the log decides


def test_a_model_that_sends_all_the_time_is_placed_by_its_samples() -> None:
    timeline = built(*full_duplex(first=1.0))
    assert spans(timeline.streamed) == spans(timeline.output) == [(0.0, 6.0)]
    assert all(one.steady for one in timeline.output)
    assert timeline.zero == pytest.approx(1.0)


def test_a_model_that_sends_only_speech_is_placed_by_arrival() -> None:
    frames = [started()]
    frames += [heard(1 + (n + 1) / 10, with_clicks(100)) for n in range(120)]
    # The timeline begins at 1 s of the log's clock; fragments come as they begin.
    for begin, words in ((3000, "Hi."), (9000, "Bye.")):
        at = 1 + begin / 1000
        frames += [spoken(at + n / 10, with_clicks(100)) for n in range(10)]
        frames.append(fragment(at, "output", begin, begin + 1000, words))
    timeline = built(*in_order(frames))
    assert spans(timeline.output) == [(3.0, 4.0), (9.0, 10.0)]
    assert spans(timeline.streamed) == [(0.0, 12.0)]


def test_jitter_makes_no_hole_in_a_word() -> None:
    late = [0.0, 0.08, 0.02, 0.11, 0.05]
    frames = [started(), fragment(0.0, "input", 0, 3000, "Tell me.")]
    frames += [fragment(3.0, "output", 3000, 3200, "Well")]
    frames += [spoken(3 + n / 10 + by, with_clicks(100)) for n, by in enumerate(late)]
    assert spans(built(*in_order(frames)).output) == [(3.0, 3.5)]


def test_audio_that_was_cut_from_a_recording_is_not_taken_for_continuous() -> None:
    frames = [started(), spoken(0.9, with_clicks(40)), spoken(1.4, with_clicks(40))]
    frames += [fragment(1.4 + n, "input", 600 + n * 1000, 800 + n * 1000, "a") for n in range(4)]
    timeline = built(*in_order(frames))
    # The least delay of a fragment's start is 0.8 s.
    assert spans(timeline.output) == [(0.1, 0.14), (0.6, 0.64)]


def test_without_fragments_arrivals_tell_if_it_is_continuous() -> None:
    frames = [started(0.0), *(heard(1 + n / 10, with_clicks(100)) for n in range(1, 80))]
    always = [spoken(1.2 + n / 10, with_clicks(100)) for n in range(1, 80)]
    assert spans(built(*in_order(frames + always)).output) == [(0.0, 7.9)]
    later = [frame for frame in always if (frame.at or 0) > (always[40].at or 0)]
    assert spans(built(*in_order(frames + later)).output) == [(4.4, 8.2)]


def test_recordings_without_arrivals_go_by_what_was_told() -> None:
    frames = [started(None), *(heard(None, with_clicks(100)) for _ in range(20))]
    frames += [fragment(None, "input", 0, 2000, "Hello, who is there?")]
    frames += [spoken(None, with_clicks(500)), spoken(None, with_clicks(500))]
    timeline = built(*frames)
    assert spans(timeline.streamed) == [(0.0, 2.0)]
    assert spans(timeline.output) == [(2.0, 3.0)]
    assert not timeline.timed


def test_a_user_whose_client_pauses_is_placed_by_arrival() -> None:
    def talk(since: float) -> list[Frame]:
        return [heard(since + (n + 1) / 10, with_clicks(100)) for n in range(10)]

    frames = [started(), *talk(1.0), *talk(6.0)]
    frames += [fragment(7.3, "input", 5400, 6000, "Again.")]
    assert spans(built(*in_order(frames)).streamed) == [(0.0, 1.0), (5.0, 6.0)]
    # A timeline that only goes on while the user's audio comes is not ahead of it.
    frames[-1] = fragment(7.3, "input", 1400, 2000, "Again.")
    assert spans(built(*in_order(frames)).streamed) == [(0.0, 2.0)]


# Sidebands


def sideband(attached: float, timed: bool = True) -> list[Frame]:
    """Both sides of a call for 4 s. The format is the caller's, but a sideband has PCM."""
    frames = [started(0.0 if timed else None)]
    for number in range(40):
        place = round(attached * 1000) + number * 100
        at = 0.2 + number / 10 if timed else None
        frames.append(reflected(at, pcm_click(100, *([50] if number == 10 else []))))
        if number not in (20, 21, 22):  # dropped
            frames.append(spoken(at, pcm_click(100), (place, place + 100)))
    return frames


@pytest.mark.parametrize("attached", [0.0, 0.5, 600.0])
def test_a_sideband_has_both_sides_in_pcm(attached: float) -> None:
    timeline = built(*sideband(attached))
    assert {one.format["rate"] for one in (*timeline.streamed, *timeline.output)} == {24_000}
    ((start, end),) = spans(timeline.streamed)
    assert start == pytest.approx(attached, abs=0.02)
    assert end == pytest.approx(attached + 4, abs=0.02)
    assert spans(timeline.output) == [
        (attached, attached + 2.0),
        (attached + 2.3, attached + 4.0),
    ]
    # A file of the whole call begins with the log, not with the call.
    assert timeline.begin == pytest.approx(max(0.0, attached - 0.1), abs=0.01)


def test_a_sideband_without_arrivals() -> None:
    timeline = built(*sideband(600.0, timed=False))
    assert spans(timeline.output) == [(600.0, 602.0), (602.3, 604.0)]
    last = timeline.streamed[-1]
    assert float(last.ends[-1]) == pytest.approx(604.0, abs=0.3)


# Prepared sounds, mutes and turns


def fixture_call(*output: Frame) -> list[Frame]:
    """Two sounds are asked for; the first one is refused, and the second one plays at 4 s."""
    play = "session.output_audio.fixture.play"
    return in_order(
        [
            started(),
            *(heard(1 + (n + 1) / 10, with_clicks(100)) for n in range(60)),
            client(2.0, play, event_id="no", audio=b64(pcm_click(500))),
            server(2.1, "error", error={"client_event_id": "no", "code": "busy"}),
            client(4.9, play, event_id="yes", audio=b64(pcm_click(2000, 500))),
            server(5.0, "session.output_audio.fixture.playing", event_id="event_p"),
            *output,
        ]
    )


def test_a_prepared_sound_is_heard_when_it_plays() -> None:
    assert spans(built(*fixture_call()).fixtures) == [(4.0, 6.0)]


def test_a_prepared_sound_that_the_model_stream_has_is_heard_once() -> None:
    stream = [spoken(1.2 + n / 10, with_clicks(100)) for n in range(70)]
    timeline = built(*fixture_call(*stream))
    assert timeline.fixtures == [] and spans(timeline.output) == [(0.0, 7.0)]


def test_muted_sound_is_counted() -> None:
    frames = [started(), *(heard(1 + (n + 1) / 10, with_clicks(100)) for n in range(60))]
    frames += [server(2.05, "session.input_audio.muted", event_id="m1")]
    frames += [server(3.05, "session.input_audio.unmuted", event_id="m2")]
    frames += [server(5.05, "session.input_audio.muted", event_id="m3")]
    timeline = built(*in_order(frames))
    assert timeline.muted == pytest.approx(1.0 + 2.0)
    assert spans(timeline.streamed) == [(0.0, 6.0)]


_PLACES = st.one_of(st.integers(-5, 20_000), st.sampled_from([None, "x", 10**12, -1, 1.5, True]))
_AT = st.one_of(st.none(), st.floats(0, 100), st.just(1e7))


def _chunk(at: float | None, ms: int, places: tuple[Any, Any] | None) -> Frame:
    told = {} if places is None else {"start_ms": places[0], "end_ms": places[1]}
    return server(at, "session.output_audio.delta", delta=b64(with_clicks(ms)), **told)


_OUTPUT = st.builds(
    _chunk, _AT, st.integers(1, 2000), st.one_of(st.none(), st.tuples(_PLACES, _PLACES))
)
_OTHERS = st.one_of(
    st.builds(heard, _AT, st.binary(max_size=300)),
    st.builds(reflected, _AT, st.binary(max_size=300)),
    st.builds(fragment, _AT, st.sampled_from(["input", "output"]), _PLACES, _PLACES, st.just("a")),
    streams(2).flatmap(lambda found: st.sampled_from(found or [started()])),
    st.builds(server, _AT, st.sampled_from([f"session.input_audio.{w}muted" for w in ("", "un")])),
)


@given(frames=st.lists(_OUTPUT | _OTHERS, max_size=30))
def test_any_live_session_has_a_timeline(frames: list[Frame]) -> None:
    """Sound never overlaps itself, and what came one way is all there, in order."""
    timeline = built(started(), *frames)
    assert timeline.live and timeline.muted >= 0
    for side in (timeline.streamed, timeline.output, timeline.fixtures):
        for before, after in pairwise(side):
            assert before.ends[-1] <= after.starts[0] + 1e-6
        assert all(math.isfinite(one.starts[0]) and math.isfinite(one.ends[-1]) for one in side)
    found = [size for one in timeline.output for size in one.sizes]
    chunks = [f for f in frames if f.direction == "server" and "output_audio.delta" in str(f.text)]
    ways: dict[bool, list[int]] = {True: [], False: []}
    for chunk in chunks:
        body = json.loads(chunk.text)
        size = len(decode_base64(body.get("delta")))
        if body["type"] == "session.output_audio.delta" and size:
            ways[seconds(body.get("start_ms")) is not None].append(size)
    # Which way is taken depends on its length in seconds, and so on the session's format.
    assert found in ways.values() and bool(found) == any(ways.values())


def test_turns_are_the_items_of_the_state() -> None:
    frames = [*full_duplex(), fragment(9.0, "input", 4800, 5000, "Nothing.")]
    timeline = built(*frames)
    state = fold("live", log_events(frames))
    said = {i.id: i.live for i in state.items.values() if i.live and i.live.kind == "speech"}
    assert len(said) == 3
    found = {turn.item_id: (turn.start * 1000, turn.end * 1000) for turn in timeline.turns}
    assert found == {id_: (live.start_ms, live.end_ms) for id_, live in said.items()}
    assert [turn.side for turn in timeline.turns] == ["user", "assistant", "user"]
