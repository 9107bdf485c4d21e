"""Where sound lies on a call's clock."""

from __future__ import annotations

import random
from array import array
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.sound import (
    START,
    append,
    b64,
    client,
    delta,
    in_order,
    opened,
    server,
    stored,
    with_clicks,
)
from support.strategies import streams

from eventstore import Frame
from eventstore.sound.timeline.call_clock import LONGEST_CALL, LONGEST_PAUSE, CallClock
from eventstore.sound.timeline.layout import Stretch, Timeline, TimelineTurn
from eventstore.sound.timeline.sample_clock import SLEW, place_chunks
from eventstore.sound.timeline.timeline import build_timeline

SECOND = with_clicks(1000)


def built(*frames: Frame) -> Timeline:
    return build_timeline(stored(frames))


def spans(stretches: list[Stretch]) -> list[tuple[float, float]]:
    return [(round(float(s.starts[0]), 3), round(float(s.ends[-1]), 3)) for s in stretches]


def turn(timeline: Timeline, item: str) -> TimelineTurn:
    (found,) = [turn for turn in timeline.turns if turn.item_id == item]
    return found._replace(start=round(found.start, 3), end=round(found.end, 3))


def appends(start: float, seconds: float, late: float = 0.0) -> list[Frame]:
    """A microphone's chunks of 100 ms, in time."""
    return [
        append(start + (number + 1) / 10 + late, with_clicks(100))
        for number in range(round(seconds * 10))
    ]


# The user's side


def test_sound_ends_when_its_chunk_comes() -> None:
    timeline = built(opened(), *appends(2.0, 3.0))
    assert spans(timeline.streamed) == [(2.0, 5.0)]
    assert timeline.streamed[0].steady and timeline.timed


def test_a_pause_is_silence_and_a_stall_is_not() -> None:
    paused = built(opened(), *appends(1.0, 2.0), *appends(9.0, 2.0))
    assert spans(paused.streamed) == [(1.0, 3.0), (9.0, 11.0)]
    burst = [append(6.0, with_clicks(100)) for _ in range(20)]  # spoken from 4 to 6
    stalled = built(opened(), *appends(1.0, 3.0), *burst, *appends(6.0, 2.0))
    assert spans(stalled.streamed) == [(1.0, 8.0)]


def test_a_file_that_is_sent_at_once_ends_when_it_comes() -> None:
    timeline = built(opened(), append(10.0, SECOND), append(10.01, SECOND))
    assert spans(timeline.streamed) == [(8.01, 10.01)]


def test_a_format_may_change_in_mid_call() -> None:
    pcm = {"input_audio_format": "pcm16", "audio": None}
    frames = [*appends(1.0, 1.0), server(2.01, "session.updated", session=pcm)]
    frames += [append(2.1 + n / 10, bytes(4800)) for n in range(10)]
    timeline = built(opened(), *frames)
    assert [stretch.format["type"] for stretch in timeline.streamed] == ["audio/pcmu", "audio/pcm"]
    assert spans(timeline.streamed) == [(1.0, 2.0), (2.0, 3.0)]


def test_broken_sound_is_skipped_and_the_rest_stays_in_its_place() -> None:
    frames = appends(1.0, 4.0)
    for number in (5, 6, 7, 20):
        text = str(frames[number].text)[:40] + '!"}'
        frames[number] = frames[number]._replace(text=text)
    timeline = built(opened(), *frames)
    last = timeline.streamed[-1]
    assert float(last.ends[-1]) == pytest.approx(5.0, abs=0.11)


def test_a_turn_is_on_the_servers_clock() -> None:
    speech = {"item_id": "item_1", "audio_start_ms": 500}
    ended = {"item_id": "item_1", "audio_end_ms": 2500}
    frames = [
        *appends(1.0, 2.0),
        *appends(9.0, 2.0),
        server(9.3, "input_audio_buffer.speech_started", **speech),
        server(10.0, "input_audio_buffer.speech_stopped", **ended),
    ]
    # 0.5 s is before the pause, 2.5 s behind it.
    assert turn(built(opened(), *in_order(frames)), "item_1")[3:5] == (1.5, 9.5)


def test_frames_that_the_log_lacks_do_not_move_a_turn() -> None:
    speech = {"item_id": "item_1", "audio_start_ms": 6500}
    frames = [*appends(1.0, 2.0), *appends(6.0, 2.0)]  # 3 s are missing between them
    frames += [server(7.62, "input_audio_buffer.speech_started", **speech)]
    timeline = built(opened(), *in_order(frames))
    assert turn(timeline, "item_1").start == pytest.approx(7.6, abs=0.11)


def test_a_manual_turn_is_what_came_since_the_last_one() -> None:
    frames = [*appends(1.0, 2.0), server(3.1, "input_audio_buffer.committed", item_id="a")]
    frames += [*appends(5.0, 2.0), server(7.1, "input_audio_buffer.committed", item_id="b")]
    timeline = built(opened(), *frames)
    assert turn(timeline, "a")[3:5] == (1.0, 3.0)
    assert turn(timeline, "b")[3:5] == (5.0, 7.0)


def test_whole_items_are_at_their_arrival() -> None:
    def create(at: float, sound: bytes, **more: Any) -> Frame:
        part = {"type": "input_audio", "audio": b64(sound)}
        item = {"type": "message", "role": "user", "content": [part]}
        return client(at, "conversation.item.create", item=item, **more)

    item = {"id": "item_1", "type": "message", "role": "user"}
    timeline = built(
        opened(),
        create(1.0, SECOND),
        create(1.5, SECOND, event_id="bad"),
        create(1.6, SECOND),
        server(1.7, "error", error={"event_id": "bad"}),
        server(1.8, "conversation.item.added", item=item),
    )
    assert spans(timeline.created) == [(1.0, 2.0), (2.0, 3.0)]
    assert turn(timeline, "item_1")[3:5] == (1.0, 2.0)


# The assistant's side


def spoken(at: float, seconds: int, item: str = "item_1", response: str = "resp_1") -> list[Frame]:
    """An answer that comes at once."""
    begun = server(at - 0.1, "response.created", response={"id": response})
    return [begun, *(delta(at + n / 100, SECOND, item, response) for n in range(seconds))]


def cancelled(at: float, response: str = "resp_1", reason: str = "turn_detected") -> Frame:
    body = {"id": response, "status": "cancelled", "status_details": {"reason": reason}}
    return server(at, "response.done", response=body)


def test_answers_play_one_behind_the_other() -> None:
    timeline = built(opened(), *spoken(1.0, 3), *spoken(1.5, 2, "item_2", "resp_2"))
    assert spans(timeline.output) == [(1.0, 4.0), (4.0, 6.0)]


def test_sound_that_comes_late_is_played_late() -> None:
    late = delta(4.0, SECOND)
    timeline = built(opened(), *spoken(1.0, 2), late)
    assert spans(timeline.output) == [(1.0, 3.0), (4.0, 5.0)]
    assert turn(timeline, "item_1")[3:] == (1.0, 5.0, False)


def test_what_the_user_spoke_over_is_cut_when_they_spoke() -> None:
    started = server(3.0, "input_audio_buffer.speech_started", item_id="user_1")
    frames = [*spoken(1.0, 5), started, cancelled(3.2), delta(3.3, SECOND)]
    timeline = built(opened(), *frames, *spoken(3.5, 1, "item_2", "resp_2"))
    assert spans(timeline.output) == [(1.0, 3.0), (3.5, 4.5)]
    assert turn(timeline, "item_1")[3:] == (1.0, 3.0, True)


def test_what_the_client_cancelled_is_cut_when_it_did() -> None:
    frames = [*spoken(1.0, 5), client(2.5, "response.cancel"), cancelled(2.7, reason="client")]
    assert spans(built(opened(), *frames).output) == [(1.0, 2.5)]


def test_a_truncation_says_how_much_was_heard() -> None:
    cut = {"item_id": "item_1", "content_index": 0, "audio_end_ms": 1500}
    frames = [
        *spoken(1.0, 4),
        *spoken(1.1, 2, "item_2"),
        client(2.6, "conversation.item.truncate", **cut),
    ]
    timeline = built(opened(), *frames, server(2.7, "conversation.item.truncated", **cut))
    # The next item of the same response was thrown away with the rest.
    assert spans(timeline.output)[0] == (1.0, 2.5)
    assert turn(timeline, "item_1").cut
    assert sum(end - start for start, end in spans(timeline.output)[1:]) <= 0.11


def test_the_servers_own_output_buffer_says_when_it_played() -> None:
    frames = [
        *spoken(1.0, 5),
        server(1.4, "output_audio_buffer.started", response_id="resp_1"),
        server(3.0, "output_audio_buffer.cleared", response_id="resp_1"),
    ]
    assert spans(built(opened(), *frames).output) == [(1.4, 3.0)]


def test_a_cleared_buffer_is_silent_whatever_the_truncation_says() -> None:
    cut = {"item_id": "item_1", "content_index": 0, "audio_end_ms": 4000}
    frames = [
        *spoken(1.0, 5),
        server(3.0, "output_audio_buffer.cleared", response_id="resp_1"),
        server(3.1, "conversation.item.truncated", **cut),
    ]
    assert spans(built(opened(), *frames).output) == [(1.0, 3.0)]


def test_what_was_played_elsewhere_is_a_turn_without_sound() -> None:
    timeline = built(
        opened(),
        server(1.0, "output_audio_buffer.started", response_id="resp_1"),
        server(3.0, "output_audio_buffer.stopped", response_id="resp_1"),
    )
    assert timeline.output == []
    assert timeline.turns == [TimelineTurn("assistant", None, "resp_1", 1.0, 3.0)]


def test_a_translation_is_played_as_it_comes() -> None:
    deltas = [server(at, "session.output_audio.delta", delta=b64(SECOND)) for at in (1.0, 1.9, 5.0)]
    assert spans(built(opened(), *deltas).output) == [(1.0, 3.0), (5.0, 6.0)]


def test_a_part_of_which_nothing_was_heard_has_no_sound() -> None:
    cut = {"item_id": "item_1", "content_index": 0, "audio_end_ms": 0}
    timeline = built(opened(), *spoken(1.0, 2), server(1.2, "conversation.item.truncated", **cut))
    assert timeline.output == [] and turn(timeline, "item_1").cut


def test_an_answer_in_a_format_of_its_own() -> None:
    audio = {"output": {"format": {"type": "audio/pcm", "rate": 16_000}}}
    begun = server(0.9, "response.created", response={"id": "resp_1", "audio": audio})
    timeline = built(opened(), begun, delta(1.0, bytes(32_000)))
    assert spans(timeline.output) == [(1.0, 2.0)]


def test_a_format_that_is_unknown_is_left_out_and_told() -> None:
    opus = {"id": "sess_1", "input_audio_format": "opus", "output_audio_format": "opus"}
    frames = [server(0.0, "session.created", session=opus), append(1.0, b"abc"), delta(2.0, b"abc")]
    timeline = built(*frames)
    assert (timeline.streamed, timeline.output) == ([], [])
    assert timeline.unknown == ("input", "output")


# Without times


def untimed(frames: list[Frame]) -> list[Frame]:
    return [frame._replace(at=None) for frame in frames]


def test_without_times_the_samples_make_the_clock() -> None:
    frames = [opened(), *appends(0, 2.0), *spoken(1.0, 3), *appends(0, 1.0)]
    timeline = built(*untimed(frames))
    assert not timeline.timed
    assert spans(timeline.streamed) == [(0.0, 3.0)]
    assert spans(timeline.output) == [(2.0, 5.0)]


def test_without_times_a_manual_turn_waits_for_the_answer() -> None:
    commit = client(None, "input_audio_buffer.commit")
    frames = [opened(), *appends(0, 2.0), commit, *spoken(1.0, 3), *appends(0, 1.0), commit]
    timeline = built(*untimed([*frames, *spoken(1.0, 1, "item_2", "resp_2")]))
    assert spans(timeline.streamed) == [(0.0, 2.0), (5.0, 6.0)]
    assert spans(timeline.output) == [(2.0, 5.0), (6.0, 7.0)]


# Clocks


@given(st.lists(st.none() | st.integers(-(2**60), 2**60), max_size=50))
def test_the_calls_clock_is_bounded(arrivals: list[int | None]) -> None:
    clock = CallClock()
    assert all(0 <= clock.moment(at) <= LONGEST_CALL for at in arrivals)


def test_an_absurd_arrival_costs_an_hour_at_most() -> None:
    clock = CallClock()
    arrivals = [START, START + 10**6, START + 10**15, START + 2 * 10**6, START + 3 * 10**6]
    late = LONGEST_PAUSE + 1
    assert [round(clock.moment(at), 3) for at in arrivals] == [0, 1, late, late, late + 1]
    assert clock.shortened > 0


def test_events_out_of_order_do_not_stretch_the_call() -> None:
    clock = CallClock()
    for number in range(1000):
        clock.moment(START + number * 1000 + (5000 if number % 2 else 0))
    assert clock.now == pytest.approx(1.004)


@examples(200)
@given(st.integers(0, 10**6), st.integers(1, 200), st.sampled_from([0.0, 0.02, 0.5, 5.0]))
def test_chunks_neither_overlap_nor_are_stretched(seed: int, count: int, jitter: float) -> None:
    rng = random.Random(seed)
    ends, arrivals, end, at = array("d"), array("d"), 0.0, 0.0
    for _ in range(count):
        duration = rng.choice((0.02, 0.1, 1.0))
        end += duration
        at = max(at, end + rng.uniform(0, jitter)) + (rng.random() < 0.05) * rng.uniform(0, 20)
        ends.append(end)
        arrivals.append(at if rng.random() < 0.95 else float("inf"))
    placed = place_chunks(arrivals, ends)
    lengths = np.diff(np.array(ends), prepend=0.0)
    assert np.all(np.abs((placed.ends - placed.starts) / lengths - 1) <= SLEW + 1e-9)
    gaps = placed.starts[1:] - placed.ends[:-1]
    assert np.all(gaps > -1e-9)
    assert all(gap < 1e-9 or number + 1 in placed.breaks for number, gap in enumerate(gaps))
    assert placed.ends[-1] <= at + end


# Anything at all


def length_bound(frames: list[Frame]) -> float:
    """No call's sound is longer than a day, and all that was sent of it."""
    return LONGEST_CALL + sum(len(frame.text) for frame in frames)


@examples(300)
@given(streams(60), st.randoms())
def test_any_stream_has_a_timeline(stream: list[Frame], rng: random.Random) -> None:
    strange = (None, 0, -(2**55), 2**55, START)
    frames = [
        frame._replace(at=rng.choice(strange)) if rng.random() < 0.1 else frame for frame in stream
    ]
    timeline = build_timeline(stored(frames))
    assert -length_bound(frames) <= timeline.start <= timeline.end <= length_bound(frames)
    for track in (timeline.streamed, timeline.created, timeline.output):
        bounds = [bound for s in track for bound in (s.starts[0], s.ends[-1])]
        assert all(there - here > -1e-6 for here, there in pairwise(bounds))
        assert all(sum(s.sizes) > 0 and len(s.seqs) == len(s.starts) for s in track)
    assert all(np.isfinite(turn.start) and turn.start <= turn.end for turn in timeline.turns)
