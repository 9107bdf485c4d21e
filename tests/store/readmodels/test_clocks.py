"""Sessions whose wall clock jumped in the middle of the call, in every figure of time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import SAMPLE_STREAMS, voice_call
from support.events import SESSION, Call, log_events
from support.examples import examples
from support.recordings import folder

from eventstore import EventStore
from eventstore.exports.otel.session_spans import read_spans, session_spans
from eventstore.projection.fold import fold
from eventstore.realtime.frames import Frame
from eventstore.replay.player.pacing import paced
from eventstore.replay.serving.recording import read_recording

CASE = "clock_goes_back"
SECOND = 1_000_000


@pytest.fixture
def case() -> Path:
    path = folder().parent / "cases" / f"{CASE}.jsonl"
    if not path.is_file():
        pytest.skip("no cases beside the recordings")
    return path


@pytest.mark.parametrize("sealed", [False, True])
def test_a_clock_that_goes_back_in_a_call(
    database_url: str, case: Path, capsys: pytest.CaptureFixture[str], sealed: bool
) -> None:
    with EventStore(database_url) as store:
        store.import_file(case)
        id_ = f"sess_{CASE}"
        if sealed:
            store.append(id_, [], close=True)
            store.seal([id_])
        listed = store.sessions().data[0]["eventstore"]["duration_ms"]
        shown = store.state(id_)
        assert listed == shown["session"]["eventstore"]["duration_ms"]
        assert listed == pytest.approx(3530, abs=1)
        early = store.state(id_, "+2")
        assert [len(early["responses"]), early["session"]["eventstore"]["events"]] == [1, 21]
        assert store.state(id_, "+0")["session"]["eventstore"]["events"] == 1
        assert len(store.state(id_, "+3.6")["responses"]) == 2
        cues = list(store.replay(id_))
        times = [cue.offset_ms for cue in cues if cue.offset_ms is not None]
        assert times == sorted(times)
        assert 3000 < times[-1] < 4000
        for response in shown["responses"]:
            assert 0 <= response["eventstore"]["duration_ms"] < 1000
        assert not any(done.changed for done in store.rebuild().done)
        audio = store.audio(id_, BytesIO())
        assert 2.0 < audio.seconds < 6.0
        waits: list[float] = []
        list(paced(cues, 1.0, clock=lambda: sum(waits), sleep=waits.append))
        assert 3.0 < sum(waits) < 4.0


def jumping(frames: list[Frame], jumps: dict[int, int]) -> list[Frame]:
    moved, shift = [], 0
    for number, frame in enumerate(frames):
        shift += jumps.get(number, 0)
        moved.append(frame._replace(at=None if frame.at is None else frame.at + shift))
    return moved


JUMPS = st.dictionaries(
    st.integers(0, 80), st.integers(-(10**14), 10**14) | st.integers(-(10**7), 10**7), max_size=6
)


@examples(40)
@given(st.sampled_from(SAMPLE_STREAMS), JUMPS, st.integers(1, 60))
def test_no_figure_of_time_is_negative(
    stream: list[Frame], jumps: dict[int, int], split: int
) -> None:
    """Whatever the clock did; the read models are those of a rebuild."""
    frames = jumping(stream, jumps)
    with EventStore("sqlite://") as store:
        store.append(SESSION, frames[:split])
        store.append(SESSION, frames[split:])
        assert not any(done.changed for done in store.rebuild().done)
        shown = store.state(SESSION)
        listed = store.sessions(summary=True).data[0]
        assert listed["eventstore"]["duration_ms"] == shown["session"]["eventstore"]["duration_ms"]
        for resource in (listed, shown["session"], *shown["responses"]):
            assert all(value >= 0 for value in lengths(resource["eventstore"]))
        times = [cue.offset_ms for cue in store.replay(SESSION) if cue.offset_ms is not None]
        assert times == sorted(times)
        assert all(moment >= 0 for moment in times)
        seqs = (
            [
                store.state(SESSION, f"+{seconds}")["session"]["eventstore"]["events"]
                for seconds in (0, 1, 5, 100, 10**8)
            ]
            if frames[0].at is not None
            else []
        )
        assert seqs == sorted(seqs)
        for group in store.latency()["data"]:
            assert all(value >= 0 for key, value in group.items() if key.endswith("_ms") and value)


def lengths(notes: dict[str, Any]) -> Iterator[float]:
    for key, value in notes.items():
        if key.endswith("_ms") and key != "clock_shift_ms" and value is not None:
            yield value


def test_a_recording_is_served_at_a_steady_pace() -> None:
    frames = voice_call().frames
    moved = jumping(frames, {10: -3600 * SECOND, 30: 500_000 * SECOND, 31: -200 * SECOND})
    recording = read_recording("call", lambda: moved)

    async def sent() -> list[int | None]:
        return [event.at async for event in recording.sent()]

    times = asyncio.run(sent())
    known = [at for at in times if at is not None]
    assert known == sorted(known)
    assert recording.closing.at is not None
    assert recording.closing.at >= known[-1]
    assert known[-1] - known[0] < 3700 * SECOND


def test_a_gap_of_the_clock_is_shown(database_url: str) -> None:
    with EventStore(database_url) as store:
        store.append(SESSION, jumping(voice_call().frames, {20: -77 * SECOND}))
        notes = store.session(SESSION)["eventstore"]
        assert 70_000 < notes["clock_shift_ms"] < 78_000
        assert json.dumps(notes)


@pytest.mark.parametrize("step", [-3600 * SECOND, -2 * SECOND, 5000 * SECOND])
def test_spans_are_as_long_as_if_the_clock_had_not_jumped(step: int) -> None:
    """But for what passed in the moment of the jump, 201 ms at most."""
    frames = voice_call().frames
    wanted = session_spans(fold(SESSION, log_events(frames)))
    for number in range(2, len(frames)):  # the recorder notes the opening by itself
        spans = session_spans(fold(SESSION, log_events(jumping(frames, {number: step}))))
        assert {span.span_id for span in spans} == {span.span_id for span in wanted}
        lengths_of = {span.span_id: span.end - span.start for span in wanted}
        root = spans[0]
        for span in spans:
            assert root.start <= span.start <= span.end <= root.end
            if step < 0:
                assert abs(span.end - span.start - lengths_of[span.span_id]) <= 0.25 * SECOND
            assert span.end - span.start < 4000 * SECOND


def test_a_latency_over_a_clock_that_was_set_back_is_not_known(database_url: str) -> None:
    """Also where more time passed than it was set back by: nobody can tell how much."""
    call = Call().server("input_audio_buffer.speech_stopped", item_id="item_1", audio_end_ms=10)
    call.created("resp_1").server("conversation.created", after=100, conversation={"id": "conv_1"})
    call.begins_speech("resp_1", "item_2").sounds("resp_1", "item_2", 100).done("resp_1")
    frames = jumping(call.frames, {3: -2 * SECOND})
    later = [frame._replace(at=(frame.at or 0) + 5 * SECOND) for frame in frames[5:]]
    with EventStore(database_url) as store:
        store.append(SESSION, [*frames[:5], *later])
        (response,) = store.state(SESSION)["responses"]
        notes = response["eventstore"]
        for name in ("time_to_first_audio_ms", "speech_to_first_audio_ms", "duration_ms"):
            assert notes[name] is None, name
        assert store.latency()["total"]["answers"] == 0
        assert notes["first_audio_at"] and notes["speech_ended_at"]
        assert not any(done.changed for done in store.rebuild().done)
        spans = read_spans(store, SESSION)
        (span,) = (span for span in spans if span.name.startswith("chat"))
        assert not {name for name in span.attributes if "first" in name}
