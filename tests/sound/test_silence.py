"""Hours of silence between sounds cost next to nothing, and are silence."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.sound import append, opened, with_clicks

from eventstore import EventStore, InvalidInputError
from eventstore.sound.call_audio import SoundLimit, write_without_long_silence

HOURS = 12
LIMIT = SoundLimit(3600.0, 1024**3)


@pytest.fixture
def store(sqlite_template: Path) -> EventStore:
    return EventStore("sqlite://")


def hourly(store: EventStore, hours: int = HOURS, apart: float = 3600.0) -> EventStore:
    """A second of sound with a click in its middle, every hour."""
    sounds = [append(hour * apart + 1, with_clicks(1000, 500)) for hour in range(hours)]
    store.append("call", [opened(), *sounds], close=True)
    return store


def test_hours_of_silence_take_no_disk_and_no_memory(store: EventStore, tmp_path: Path) -> None:
    path, told = tmp_path / "call.wav", []
    hourly(store)
    tracemalloc.start()
    try:
        done = store.audio("call", path, progress=lambda *seconds: told.append(seconds))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    found = path.stat()
    assert found.st_size == 44 + round(done.seconds * 8000) * 4 > 10**9
    assert found.st_blocks * 512 < 4_000_000 and peak < 16_000_000
    assert told[-1] == (done.seconds, done.seconds) and told == sorted(told)
    with soundfile.SoundFile(path) as file:
        for hour in range(HOURS):
            file.seek(round(hour * 3600 * 8000))
            user, assistant = file.read(8000 * 2).T
            loud = np.flatnonzero(np.abs(user) > 0.4)
            assert loud[0] / 8000 == pytest.approx(0.5, abs=0.002) and loud[-1] < 4100
            assert not assistant.any()


def test_silence_is_the_same_in_each_format(store: EventStore, tmp_path: Path) -> None:
    hourly(store, 3, apart=150.0)
    for end in (None, 200.0):  # at its end there is sound, or silence
        store.audio("call", tmp_path / "call.wav", end=end)
        store.audio("call", tmp_path / "call.flac", "flac", end=end)
        wav, rate = soundfile.read(tmp_path / "call.wav", dtype="int16")
        flac, _ = soundfile.read(tmp_path / "call.flac", dtype="int16")
        assert np.array_equal(wav, flac) and len(wav) == (end or 301) * rate
        stream = io.BytesIO()
        store.audio("call", stream, end=end)
        assert stream.getvalue() == (tmp_path / "call.wav").read_bytes()


def test_what_was_in_a_stream_before_is_not_heard(store: EventStore, tmp_path: Path) -> None:
    hourly(store, 2, apart=60.0).audio("call", tmp_path / "call.wav")
    stream = io.BytesIO(b"\x55" * 2_000_000)
    store.audio("call", stream)
    wanted = (tmp_path / "call.wav").read_bytes()
    assert stream.getvalue()[: len(wanted)] == wanted


@pytest.mark.parametrize("format_", ["wav", "flac", "ogg"])
def test_it_can_be_ended_within_silence(store: EventStore, tmp_path: Path, format_: str) -> None:
    class EndedError(Exception):
        pass

    def progress(done: float, total: float) -> None:
        if done > 10:
            raise EndedError

    with pytest.raises(EndedError):
        hourly(store).audio("call", tmp_path / "call", format_, progress=progress)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_more_than_may_be_asked_for_is_refused(store: EventStore, tmp_path: Path) -> None:
    hourly(store)
    for limit in (SoundLimit(7200.0, 1 << 40), SoundLimit(1e9, 7200 * 8000 * 4)):
        advice = "39,601 seconds .* than the 7,200 .* start=0 and end=7200"
        with pytest.raises(InvalidInputError, match=advice):
            store.audio("call", tmp_path / "call.wav", limit=limit)
        done = store.audio("call", tmp_path / "call.wav", start=0, end=7200, limit=limit)
        assert done.seconds == 7200


def test_a_page_leaves_out_long_silence(store: EventStore) -> None:
    hourly(store)
    stream = io.BytesIO()
    written, gaps = write_without_long_silence(store, "call", stream, LIMIT)
    assert [round(gap.at) % 3600 for gap in gaps] == [4] * (HOURS - 1)
    assert len(stream.getvalue()) < 200_000 and written.seconds > 3600 * (HOURS - 1)
    stream.seek(0)
    heard, rate = soundfile.read(stream, dtype="float32")
    assert len(heard) / rate == pytest.approx(written.seconds - sum(g.seconds for g in gaps), abs=1)
    # Each click is where a player looks for it: at its moment, less what is left out before.
    for hour in range(HOURS):
        moment = hour * 3600 - sum(gap.seconds for gap in gaps if gap.at < hour * 3600)
        near = heard[round(moment * rate) : round((moment + 1) * rate), 0]
        assert np.argmax(np.abs(near)) / rate == pytest.approx(0.5, abs=0.05)


def test_short_pauses_are_heard(store: EventStore) -> None:
    hourly(store, 3, apart=50.0)
    assert write_without_long_silence(store, "call", io.BytesIO(), LIMIT)[1] == []


def test_a_page_takes_so_much_sound(store: EventStore) -> None:
    hourly(store)
    with pytest.raises(InvalidInputError):
        write_without_long_silence(store, "call", io.BytesIO(), SoundLimit(20.0, 1024**3))
