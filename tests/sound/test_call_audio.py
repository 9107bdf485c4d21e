"""Files of sound: what is heard in them, and when."""

from __future__ import annotations

import io
import json
import random
import shutil
import tempfile
import tracemalloc
from itertools import pairwise
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from support.examples import examples, some
from support.recordings import each_recording, frames
from support.sound import (
    START,
    answer,
    append,
    b64,
    channels,
    clicks_in,
    client,
    delta,
    in_order,
    loud_spans,
    microphone,
    opened,
    server,
    stored,
    with_clicks,
)
from support.strategies import streams

from eventstore import EventStore, Frame
from eventstore.demo import call_lines
from eventstore.errors import (
    ErasedError,
    ErasedMeanwhileError,
    InvalidInputError,
    NotFoundError,
)
from eventstore.realtime.catalogue import AUDIO_DELTAS, INPUT_AUDIO
from eventstore.sound.call_audio import DRIFT_BOUND_MS
from eventstore.times import parse_time

HALF_HOUR = 1800.0


@pytest.mark.parametrize(("drift", "seed"), some([(100e-6, 1), (-100e-6, 2)], 2))
def test_a_click_is_found_where_it_was_after_half_an_hour(
    store: EventStore, tmp_path: Path, drift: float, seed: int
) -> None:
    rng = random.Random(seed)
    # Muted for a while, pushed to talk, and from then on streamed.
    spans = [(1.0, 600.0), (620.0, 627.5), (640.0, 641.2), (655.0, HALF_HOUR)]
    said = [1.5, 599.5, 620.3, 627.0, 640.1, 655.5, *np.arange(30.25, 590, 60)]
    said += [*np.arange(700.4, 1790, 60), 1799.5]
    stalls = [(100.0, 101.5), (300.0, 304.0), (598.0, 598.7), (1200.0, 1212.0), (1790.0, 1790.4)]
    sent = [opened(), *microphone(rng, spans, said, drift, stalls)]
    answered = []
    for number, at in enumerate(np.arange(10.0, 1795, 45.0)):
        ms = rng.randrange(1500, 20_000)
        click = rng.uniform(100, ms - 100)
        sent += answer(at, ms, click, number)
        answered.append(at + click / 1000)
    store.append("call", in_order(sent))
    done = store.audio("call", tmp_path / "call.wav")
    assert done.timed and done.drift_bound_ms == DRIFT_BOUND_MS == 20
    (user, assistant), rate = channels(tmp_path / "call.wav")
    for samples, wanted in ((user, sorted(said)), (assistant, answered)):
        found = clicks_in(samples, rate)
        assert len(found) == len(wanted)
        worst = np.max(np.abs(np.array(found) - np.array(wanted)))
        assert worst < DRIFT_BOUND_MS / 1000


# What is in a file


def call_of(store: EventStore, *frames: Frame) -> EventStore:
    store.append("call", frames)
    return store


def short_call(store: EventStore) -> EventStore:
    """The user clicks at 1.5 s, the assistant at 3.25 s; the answer is cut at 4 s."""
    heard = [append(1 + n / 10, with_clicks(100, *([50] if n == 5 else []))) for n in range(50)]
    heard = [frame._replace(at=(frame.at or 0) + 100_000) for frame in heard]
    cut = {"item_id": "item_1", "content_index": 0, "audio_end_ms": 1000}
    speech = {"item_id": "user_1", "audio_start_ms": 400}
    ended = {"item_id": "user_1", "audio_end_ms": 800}
    return call_of(
        store,
        *in_order(
            [
                opened(),
                *heard,
                server(1.9, "input_audio_buffer.speech_started", **speech),
                server(1.95, "input_audio_buffer.speech_stopped", **ended),
                server(2.9, "response.created", response={"id": "resp_1"}),
                delta(3.0, with_clicks(3000, 250, 2000)),
                client(4.0, "conversation.item.truncate", **cut),
            ]
        ),
    )


@pytest.mark.parametrize("format_", ["wav", "flac", "ogg"])
def test_each_format_can_be_read_again(store: EventStore, tmp_path: Path, format_: str) -> None:
    path = tmp_path / f"call.{format_}"
    done = short_call(store).audio("call", path, format_)  # type: ignore[arg-type]
    assert (done.seconds, done.rate, done.channels, done.start) == (6.0, 8000, 2, 0.0)
    (user, assistant), rate = channels(path)
    assert len(user) / rate == 6.0
    assert clicks_in(user, rate) == [pytest.approx(1.55, abs=0.002)]
    assert clicks_in(assistant, rate) == [pytest.approx(3.25, abs=0.002)]
    stream = io.BytesIO()
    assert store.audio("call", stream, format_) == done  # type: ignore[arg-type]
    assert abs(len(stream.getvalue()) - path.stat().st_size) < 100


@pytest.mark.parametrize(
    ("selected", "seconds", "start", "clicks"),
    [
        ({"side": "user"}, 6.0, 0.0, [1.55]),
        ({"side": "assistant"}, 6.0, 0.0, [3.25]),
        ({"item": "item_1"}, 1.0, 3.0, [0.25]),
        ({"response": "resp_1"}, 1.0, 3.0, [0.25]),
        ({"item": "user_1"}, 0.4, 1.4, [0.15]),
        ({"side": "user", "start": 1.5, "end": 1.75}, 0.25, 1.5, [0.05]),
        ({"item": "item_1", "start": 3.2}, 0.8, 3.2, [0.05]),
        ({"side": "assistant", "end": 99.0, "rate": 48_000}, 6.0, 0.0, [3.25]),
    ],
)
def test_a_part_of_a_call(
    store: EventStore,
    tmp_path: Path,
    selected: dict[str, Any],
    seconds: float,
    start: float,
    clicks: list[float],
) -> None:
    done = short_call(store).audio("call", tmp_path / "part.wav", **selected)
    assert (done.seconds, done.start) == (pytest.approx(seconds, abs=1e-3), pytest.approx(start))
    (samples,), rate = channels(tmp_path / "part.wav")
    assert rate == selected.get("rate", 8000)
    assert clicks_in(samples, rate) == [pytest.approx(click, abs=0.002) for click in clicks]


@pytest.mark.parametrize(
    ("selected", "error"),
    [
        ({"item": "nowhere"}, NotFoundError),
        ({"response": "nowhere"}, NotFoundError),
        ({"item": "item_1", "side": "user"}, InvalidInputError),
        ({"side": "left"}, InvalidInputError),
        ({"start": 7.0}, InvalidInputError),
        ({"start": 2.0, "end": 1.0}, InvalidInputError),
        ({"end": float("nan")}, InvalidInputError),
        ({"rate": 7}, InvalidInputError),
    ],
)
def test_what_is_not_there_is_an_error_and_no_file(
    store: EventStore, tmp_path: Path, selected: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        short_call(store).audio("call", tmp_path / "part.wav", **selected)
    assert list(tmp_path.glob("part*")) == []


def test_a_session_without_sound_is_an_error(store: EventStore, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no sound"):
        call_of(store, opened()).audio("call", tmp_path / "call.wav")
    with pytest.raises(NotFoundError, match="no session"):
        store.audio("nowhere", tmp_path / "call.wav")


def test_a_file_that_was_there_is_replaced_or_left(store: EventStore, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_text("before")
    with pytest.raises(InvalidInputError):
        short_call(store).audio("call", path, start=100)
    assert path.read_text() == "before"
    store.audio("call", path)
    assert soundfile.info(str(path)).duration == 6.0
    assert list(tmp_path.glob("*.partial")) == []


@pytest.mark.parametrize("audio_only", [False, True])
@pytest.mark.parametrize(
    ("verb", "last_step"), [("audio", "call_audio.write_samples"), ("plot", "plot._draw")]
)
def test_what_was_erased_meanwhile_is_in_no_file(
    store: EventStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    audio_only: bool,
    verb: str,
    last_step: str,
) -> None:
    """All was read when it is erased, so that no reader can tell."""
    short_call(store).append("call", [], close=True)
    path = tmp_path / "call"
    path.write_text("before")
    step = resolve_name(f"eventstore.sound.{last_step}")

    def then_erased(*given: Any, **named: Any) -> None:
        step(*given, **named)
        store.erase("call", audio_only=audio_only, vacuum=False).raise_for_errors()

    monkeypatch.setattr(f"eventstore.sound.{last_step}", then_erased)
    with pytest.raises((ErasedError, ErasedMeanwhileError)):
        getattr(store, verb)("call", path)
    assert path.read_text() == "before"
    assert list(tmp_path.glob("*.partial")) == []


def test_more_than_a_wav_file_holds_is_refused(store: EventStore, tmp_path: Path) -> None:
    pcm = {"type": "audio/pcm", "rate": 48_000}
    frames = [append(hour * 3500.0 + 1, bytes(96_000)) for hour in range(8)]
    with pytest.raises(InvalidInputError, match="4 GB"):
        call_of(store, opened(side=pcm), *frames).audio("call", tmp_path / "call.wav")
    assert store.audio("call", tmp_path / "call.wav", start=3500, end=3502).seconds == 2.0


def test_chunks_that_split_samples_join(store: EventStore, tmp_path: Path) -> None:
    pcm = {"type": "audio/pcm", "rate": 24_000}
    ramp = np.arange(-12_000, 12_000, dtype="<i2").tobytes()
    cuts = [0, 7, 8, 1001, 4000, 9999, 20_001, 48_000]
    pieces = [ramp[here:there] for here, there in pairwise(cuts)]
    frames = [append(1 + cuts[n + 1] / 48_000, piece) for n, piece in enumerate(pieces)]
    frames += [delta(3 + n / 10_000, piece) for n, piece in enumerate(pieces)]
    call_of(store, opened(side=pcm), *frames).audio("call", tmp_path / "call.wav")
    samples, rate = soundfile.read(tmp_path / "call.wav", dtype="int16")
    wanted = np.arange(-12_000, 12_000)
    assert rate == 24_000
    assert samples[24_000:48_000, 0].tolist() == wanted.tolist()
    assert samples[72_000:96_000, 1].tolist() == wanted.tolist()
    # A pause within a sample costs that sample, and no more.
    store.append("late", [opened(side=pcm), delta(1, ramp[:4001]), delta(2, ramp[4001:])])
    store.audio("late", tmp_path / "call.wav", side="assistant")
    samples, _ = soundfile.read(tmp_path / "call.wav", dtype="int16")
    assert samples[48_000 : 48_000 + 21_999].tolist() == wanted[2001:].tolist()
    # The same from the middle on, where a chunk begins within a sample.
    store.audio("call", tmp_path / "call.wav", side="user", start=1.5)
    samples, _ = soundfile.read(tmp_path / "call.wav", dtype="int16")
    assert samples[:12_000].tolist() == wanted[12_000:].tolist()


@pytest.mark.parametrize("source", [1000, 8000, 11_025, 48_000, 384_000])
@pytest.mark.parametrize("drift", [0.0, 0.0015])
def test_any_rate_is_resampled(
    store: EventStore, tmp_path: Path, source: int, drift: float
) -> None:
    pcm = {"type": "audio/pcm", "rate": source}
    tone = np.sin(2 * np.pi * 200 * np.arange(source * 12) / source) * 12_000
    frames = [
        append(1 + (n + 1) * (1 + drift) / 4, piece.astype("<i2").tobytes())
        for n, piece in enumerate(np.array_split(tone, 48))
    ]
    call_of(store, opened(side=pcm), *frames)
    done = store.audio("call", tmp_path / "call.wav", rate=16_000, side="user")
    assert done.seconds == pytest.approx(13 + 12 * drift, abs=0.02)
    (samples,), _ = channels(tmp_path / "call.wav")
    middle = samples[3 * 16_000 : 11 * 16_000]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(12_000 / 32_768 / 2**0.5, rel=0.02)
    # Nothing was cut and nothing inserted: neighbours never differ by more than the tone's own.
    assert np.max(np.abs(np.diff(middle))) < 2 * np.pi * 200 / 16_000 * 0.38


# Memory


def test_a_long_call_is_never_held_whole(store: EventStore, tmp_path: Path) -> None:
    frames = [opened(side={"type": "audio/pcm", "rate": 24_000})]
    second, quiet = b64(bytes(48_000)), bytes(48_000)
    text = '{"type":"input_audio_buffer.append","audio":"' + second + '"}'
    for number in range(1200):
        frames.append(Frame("client", text, START + (number + 1) * 1_000_000))
        if number % 2:
            frames.append(delta(number + 1.0, quiet, f"item_{number}"))
    store.append("call", frames)
    del frames
    tracemalloc.start()
    try:
        done = store.audio("call", tmp_path / "call.flac", "flac")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert done.seconds == pytest.approx(1201, abs=1.1)
    # All of its samples are 115 MB.
    assert peak < 24_000_000


# Whole sessions


@each_recording
def test_a_recording_is_heard_or_has_no_sound(
    store: EventStore, tmp_path: Path, recording: Path
) -> None:
    audible = any(event.type in INPUT_AUDIO | AUDIO_DELTAS for event in stored(frames(recording)))
    for name, start in (("timed", START), ("untimed", None)):
        store.append(name, frames(recording, start))
        if not audible:
            with pytest.raises(NotFoundError):
                store.audio(name, tmp_path / "call.wav")
            continue
        done = store.audio(name, tmp_path / "call.wav")
        assert done.timed == (name == "timed")
        assert bool(done.notes) == (name == "untimed")
        info = soundfile.info(str(tmp_path / "call.wav"))
        assert (info.channels, info.samplerate) == (2, 24_000)
        assert info.frames / 24_000 == pytest.approx(done.seconds)


def test_the_sample_calls_words_are_where_they_were_said(store: EventStore, tmp_path: Path) -> None:
    lines = map(json.loads, call_lines())
    store.append("demo", [Frame(e["direction"], e["frame"], parse_time(e["at"])) for e in lines])
    store.audio("demo", tmp_path / "call.wav")
    (user, assistant), rate = channels(tmp_path / "call.wav")
    # From the script: the caller speaks at 0.97, half a second behind the first answer, 4.9 s into
    # the second, and 0.75 s into the third, which is cut.
    heard = loud_spans(user, rate, gap=0.9)
    answers = loud_spans(assistant, rate, gap=0.9)
    assert [start for start, _ in heard] == pytest.approx([1.0, 11.6, 19.75, 23.6], abs=0.07)
    assert [start for start, _ in answers] == pytest.approx([5.55, 14.75, 22.85, 25.9], abs=0.07)
    # Interrupted twice: silent when the caller's client stopped, 60 ms after which it says so.
    assert [round(end, 2) for _, end in answers[1:2]] == [19.79]
    assert answers[2][1] <= 23.66 and answers[0][1] == pytest.approx(10.99, abs=0.05)


@examples(40)
@given(streams(40))
def test_any_stream_is_heard_or_has_no_sound(sqlite_template: Path, stream: list[Frame]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(sqlite_template, Path(folder, "any.db"))
        with EventStore(f"sqlite:///{folder}/any.db", projection="deferred") as store:
            store.append("any", stream)
            try:
                done = store.audio("any", Path(folder, "any.flac"), "flac")
            except NotFoundError:
                return
            assert soundfile.info(f"{folder}/any.flac").frames == round(done.seconds * done.rate)
