"""Integration: GPT-Live sessions as sound files, from their logs and from downloaded recordings."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.live_sound import fragment, full_duplex, heard, pcm_click, reflected, spoken, started
from support.recordings import MISSING, live_streams
from support.sound import b64, channels, clicks_in, client, in_order, server, with_clicks

from eventstore import EventStore, Frame, InvalidInputError, NotFoundError
from eventstore.sound.call_audio import SoundLimit, write_without_long_silence


def put(store: EventStore, *frames: Frame) -> EventStore:
    store.append("live", frames, close=True)
    return store


def near(*moments: float) -> list[object]:
    return [pytest.approx(moment, abs=0.003) for moment in moments]


def test_both_sides_are_on_the_timeline(store: EventStore, tmp_path: Path) -> None:
    done = put(store, *full_duplex(first=7.5)).audio("live", tmp_path / "call.wav")
    assert (done.seconds, done.rate, done.channels, done.start) == (6.0, 8000, 2, 0.0)
    assert done.timed and done.drift_bound_ms is None and done.notes == []
    (user, assistant), rate = channels(tmp_path / "call.wav")
    assert clicks_in(user, rate) == near(1.05)
    assert clicks_in(assistant, rate) == near(3.05)


@pytest.mark.parametrize("sealed", [False, True])
def test_items_and_responses_are_cut_out_by_their_places(
    store: EventStore, tmp_path: Path, sealed: bool
) -> None:
    put(store, *full_duplex())
    if sealed:
        store.seal("live").raise_for_errors()
    asked, answered = store.state("live")["conversations"][0]["items"]
    done = store.audio("live", tmp_path / "one.wav", item=asked["id"])
    assert (done.start, done.seconds, done.channels) == (1.0, pytest.approx(0.4), 1)
    (samples,), rate = channels(tmp_path / "one.wav")
    assert clicks_in(samples, rate) == near(0.05)
    for chosen in ({"item": answered["id"]}, {"response": answered["eventstore"]["response_id"]}):
        done = store.audio("live", tmp_path / "one.wav", **chosen)
        assert (done.start, done.seconds, done.channels) == (3.0, 1.0, 1)
        (samples,), rate = channels(tmp_path / "one.wav")
        assert clicks_in(samples, rate) == near(0.05)
    with pytest.raises(NotFoundError, match="nothing was heard of item item_no"):
        store.audio("live", tmp_path / "one.wav", item="item_no")


def test_a_sideband_has_the_whole_call(store: EventStore, tmp_path: Path) -> None:
    """What an app sees of a call over WebRTC or SIP that it attaches to after 30 seconds."""
    frames = [started(0.0)]
    for number in range(30):
        place, at = 30_000 + number * 100, 0.1 + number / 10
        frames.append(reflected(at, pcm_click(100, *([50] if number == 10 else []))))
        click = [20] if number == 20 else []
        frames.append(spoken(at, pcm_click(100, *click), (place, place + 100)))
    done = put(store, *frames).audio("live", tmp_path / "call.wav")
    assert (done.rate, done.start) == (24_000, pytest.approx(30.0, abs=0.01))
    (user, assistant), rate = channels(tmp_path / "call.wav")
    assert clicks_in(user, rate) == near(1.05)
    assert clicks_in(assistant, rate) == near(2.02)
    part = store.audio("live", io.BytesIO(), "wav", start=31.0, end=32.0)
    assert (part.start, part.seconds) == (31.0, 1.0)


def test_a_prepared_sound_is_on_the_assistants_side(store: EventStore, tmp_path: Path) -> None:
    frames = [started(), *(heard(1 + (n + 1) / 10, with_clicks(100)) for n in range(60))]
    play = "session.output_audio.fixture.play"
    frames.append(client(3.9, play, audio=b64(pcm_click(1000, 500))))
    frames.append(server(4.0, "session.output_audio.fixture.playing", event_id="e"))
    put(store, *in_order(frames)).audio("live", tmp_path / "call.wav")
    (user, assistant), rate = channels(tmp_path / "call.wav")
    assert clicks_in(user, rate) == [] and clicks_in(assistant, rate) == near(3.5)


def test_what_the_user_said_while_muted_is_there_and_noted(
    store: EventStore, tmp_path: Path
) -> None:
    frames = [*full_duplex(), server(1.55, "session.input_audio.muted", event_id="m")]
    done = put(store, *in_order(frames)).audio("live", tmp_path / "call.wav")
    assert done.notes == [
        "5.5 s of the user were muted: they are in the sound, but the model heard silence"
    ]
    (user, _), rate = channels(tmp_path / "call.wav")
    assert clicks_in(user, rate) == near(1.05)


def test_a_page_counts_from_the_first_event(store: EventStore) -> None:
    frames = [*full_duplex(first=2.0, length=7.0)]
    frames += [heard(102.0 + n / 10, with_clicks(100)) for n in range(10)]
    frames.append(fragment(104.0, "input", 100_000, 101_000, "Still there?"))
    put(store, *frames)
    assert store.audio("live", io.BytesIO()).start == 0.0
    limit = SoundLimit(3600.0, 2**30)
    written, (gap,) = write_without_long_silence(store.reader, "live", io.BytesIO(), limit)
    assert written.start == pytest.approx(2.0)
    # Silence is left out from two seconds after the model's last sound on.
    assert gap.at == pytest.approx(2.0 + 7.0 + 2.0, abs=1.0)
    assert gap.at + gap.seconds == pytest.approx(101.9, abs=1.1)


def test_a_recorded_session(store: EventStore, tmp_path: Path) -> None:
    """Its audio was cut: two chunks are left, which are not at the beginning."""
    found = [path for path in live_streams() if path.stem == "openai-live-client-delegation"]
    if not found:
        pytest.skip(MISSING)
    (session,) = store.import_file(found[0])
    done = store.audio(session.session_id, tmp_path / "call.wav")
    assert done.seconds == pytest.approx(0.23, abs=0.01)
    (response,) = store.state(session.session_id)["responses"]
    with pytest.raises(NotFoundError, match="the log has no sound of response resp_said_"):
        store.audio(session.session_id, tmp_path / "call.wav", response=response["id"])


# Recordings that the server stored


def stored_recording(path: Path, seconds: float = 6.0, rate: int = 24_000) -> Path:
    """The user clicks at 1.2 s, the model at 3.4 s."""
    samples = np.zeros((round(seconds * rate), 2), np.int16)
    for channel, at in ((0, 1.2), (1, 3.4)):
        samples[round(at * rate) : round((at + 0.002) * rate), channel] = 30_000
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return path


@pytest.mark.parametrize("name", ["stored.wav", "stored.flac"])
def test_the_sound_of_a_stored_recording(store: EventStore, tmp_path: Path, name: str) -> None:
    path = stored_recording(tmp_path / name)
    put(store, started(), fragment(4.0, "output", 3000, 4000, "Hi."))  # no sound in the log
    with pytest.raises(NotFoundError, match="no sound in the log"):
        store.audio("live", tmp_path / "call.wav")
    done = store.audio("live", tmp_path / "call.wav", recording=path)
    assert (done.seconds, done.rate, done.channels, done.notes) == (6.0, 24_000, 2, [])
    (user, assistant), rate = channels(tmp_path / "call.wav")
    assert clicks_in(user, rate) == near(1.2) and clicks_in(assistant, rate) == near(3.4)
    (response,) = store.state("live")["responses"]
    with path.open("rb") as stream:
        store.audio("live", tmp_path / "one.wav", response=response["id"], recording=stream)
    (samples,), rate = channels(tmp_path / "one.wav")
    assert (len(samples) / rate, clicks_in(samples, rate)) == (1.0, near(0.4))


def test_the_samples_of_a_recording_are_not_changed(store: EventStore, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-(2**15), 2**15, (50_001, 2)).astype(np.int16)
    soundfile.write(tmp_path / "stored.wav", noise, 24_000, subtype="PCM_16")
    put(store, started()).audio("live", tmp_path / "o.wav", recording=tmp_path / "stored.wav")
    written, _ = soundfile.read(tmp_path / "o.wav", dtype="int16")
    assert np.array_equal(written[: len(noise)], noise)


def test_a_recording_that_ends_before_the_speech_is_noted(
    store: EventStore, tmp_path: Path
) -> None:
    path = stored_recording(tmp_path / "stored.wav")
    put(store, started(), fragment(20.0, "output", 19_000, 20_000, "Hi."))
    done = store.audio("live", io.BytesIO(), "wav", recording=path)
    assert done.notes == [
        "the recording ends at 6.0 s, but the log tells of speech until 20.0 s:"
        " it may be of another session"
    ]


def test_a_wrong_recording_is_refused(store: EventStore, tmp_path: Path) -> None:
    put(store, *full_duplex())
    target = tmp_path / "call.wav"
    target.write_bytes(b"kept")

    def refused(recording: object, match: str, session: str = "live") -> None:
        with pytest.raises(InvalidInputError, match=match):
            store.audio(session, target, recording=recording)  # type: ignore[arg-type]

    (tmp_path / "text").write_bytes(b"RIFF but no sound" * 100)
    refused(tmp_path / "text", "cannot be read")
    (tmp_path / "any.raw").write_bytes(b"\0" * 100)
    refused(tmp_path / "any.raw", "cannot be read")
    refused(io.BytesIO(b""), "cannot be read")
    soundfile.write(tmp_path / "mono.wav", np.zeros(100, np.int16), 24_000)
    refused(tmp_path / "mono.wav", "has 1 channel; it must have 2, the user on the left")
    soundfile.write(tmp_path / "three.wav", np.zeros((9, 3), np.int16), 24_000)
    refused(tmp_path / "three.wav", "has 3 channels; it must have 2")
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 2), np.int16), 24_000)
    refused(tmp_path / "empty.wav", "no sound")
    soundfile.write(tmp_path / "slow.wav", np.zeros((9, 2), np.int16), 100)
    refused(tmp_path / "slow.wav", "100 samples a second")
    soundfile.write(tmp_path / "a.aiff", np.zeros((9, 2), np.int16), 24_000)
    refused(tmp_path / "a.aiff", "AIFF")
    with pytest.raises(OSError, match="no-file"):
        store.audio("live", target, recording=tmp_path / "no-file")
    call = server(0.0, "session.created", session={"id": "sess_1", "type": "realtime"})
    store.append("realtime", [call, client(1.0, "input_audio_buffer.append", audio="AAAA")])
    refused(stored_recording(tmp_path / "stored.wav"), "this is none", "realtime")
    assert target.read_bytes() == b"kept"


@pytest.mark.parametrize("cut", [60, 1000, 100_000])
def test_a_recording_that_was_cut_off_is_silent_after_that(
    store: EventStore, tmp_path: Path, cut: int
) -> None:
    path = stored_recording(tmp_path / "stored.wav")
    path.write_bytes(path.read_bytes()[:cut])
    put(store, *full_duplex())
    done = store.audio("live", tmp_path / "call.wav", recording=path)
    assert done.seconds < 6.0
