"""Integration: what a player draws lies on the call's clock, whatever is in the log."""

from __future__ import annotations

import base64
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from exports.calls_to_export import put_everything, put_sample
from hypothesis import given
from support.events import Call
from support.examples import examples
from support.gpt_live import responses_call
from support.live_sound import fragment, full_duplex
from support.sound import server
from support.strategies import streams
from support.told_call import told_call

from eventstore import EventStore, Frame, NotFoundError
from eventstore.sound.call_audio import sound_reader
from eventstore.sound.peaks import peaks
from eventstore.sound.rendering import whole_chunks
from eventstore.sound.selection import select
from eventstore.sound.timeline.layout import Stretch
from eventstore.sound.timeline.timeline import build_timeline

SIDES = ("user", "assistant")


def test_the_sample_call(store: EventStore) -> None:
    session_id = put_sample(store)
    drawn = store.waveform(session_id)
    length = drawn["end"] - drawn["start"]
    for side in SIDES:
        assert len(drawn[side]) == pytest.approx(length * drawn["per_second"], abs=2)
        assert set(drawn[side]) <= set(range(101))
        assert max(drawn[side]) > 10
    # Who speaks is loud in that turn, and the words are those that were heard.
    said = {turn.item_id: turn for turn in store.transcript(session_id)}
    for turn in drawn["turns"]:
        first, last = (int(turn[k] * drawn["per_second"]) for k in ("start", "end"))
        assert max(drawn[turn["side"]][first:last]) > 5
        assert [word for _, word in turn["words"]] == said[turn["item_id"]].text.split()
        assert all(turn["start"] - 0.001 <= at <= turn["end"] for at, _ in turn["words"])
    assert [turn["cut"] for turn in drawn["turns"]].count(True) == 2
    (call,) = drawn["marks"]
    assert (call["kind"], call["text"][:10]) == ("tool_call", "find_order")
    assert drawn["start"] < call["at"] < call["until"] < drawn["end"]


def test_words_are_where_the_server_told(store: EventStore) -> None:
    store.append("sess_1", told_call().frames, close=True)
    turns = {turn["item_id"]: turn for turn in store.waveform("sess_1")["turns"]}
    sources = {item: turn["words_from"] for item, turn in turns.items()}
    assert sources == {"item_1": "server", "item_2": "server", "item_3": "estimate"}
    # The names of speakers, which the transcript has between the words, take no time.
    heard = turns["item_1"]
    after = [round(at - heard["start"], 2) for at, _ in heard["words"]]
    assert [word for _, word in heard["words"]] == ["Hello?", "Hi,", "it", "is", "me."]
    assert after[:2] == [0.1, 1.0] and after == sorted(after)


def test_a_live_session(store: EventStore) -> None:
    """Its words are on its timeline, and the drawing counts from the session's first event."""
    frames = [*full_duplex(first=2.0), fragment(7.9, "input", 5000, 5600, "Why?")]
    error = {"type": "server_error", "code": "x", "message": "late"}
    frames.append(server(8.0, "error", event_id="event_error", error=error))
    store.append("live", frames, close=True)
    drawn = store.waveform("live")
    assert (drawn["start"], drawn["timed"]) == (2.0, True)
    assert drawn["end"] == pytest.approx(8.0)
    for side, at in (("user", 3.05), ("assistant", 5.05)):
        loud = [place / drawn["per_second"] + 2.0 for place in np.flatnonzero(drawn[side])]
        assert loud and all(abs(moment - at) < 0.03 for moment in loud)
    asked, answered, again = drawn["turns"]
    assert (asked["start"], asked["end"], asked["words_from"]) == (3.0, 3.4, "server")
    assert [word for _, word in asked["words"]] == ["Hello", "there."]
    assert asked["words"][0][0] == 3.0 and 3.0 < asked["words"][1][0] < 3.4
    assert (answered["side"], answered["words"][0]) == ("assistant", [5.0, "Hi,"])
    assert (again["start"], again["words"]) == (7.0, [[7.0, "Why?"]])
    assert [(mark["kind"], mark["at"]) for mark in drawn["marks"]] == [("error", 8.0)]


def test_delegations_and_calls_of_backends_last_until_their_results(store: EventStore) -> None:
    store.append("live_1", responses_call().frames)
    at = [None, *(event.at for event in store.events("live_1"))]
    work, called, *_ = store.waveform("live_1")["marks"]
    assert (work["kind"], called["kind"]) == ("delegation", "tool_call")
    assert work["at"] < called["at"] < called["until"] < work["until"]
    (output,) = store.events("live_1", type="response.item.create")
    assert output.at is not None and at[1] is not None
    assert called["until"] == pytest.approx((output.at - at[1]) / 1_000_000)


def test_every_recording(store: EventStore) -> None:
    for session_id in put_everything(store):
        drawn = store.waveform(session_id)
        assert drawn["start"] <= drawn["end"]
        assert len(drawn["user"]) == len(drawn["assistant"])


def test_a_sealed_call_is_drawn_alike(store: EventStore) -> None:
    session_id = put_sample(store)
    before = store.waveform(session_id)
    store.seal([session_id])
    assert store.waveform(session_id) == before


def test_there_is_none_of_no_session(store: EventStore) -> None:
    with pytest.raises(NotFoundError):
        store.waveform("sess_none")


@given(frames=streams())
@examples(40)
def test_any_stream_is_drawn(store: EventStore, frames: list[Frame]) -> None:
    session_id = f"sess_{abs(hash(tuple(frames)))}"
    if not frames:
        return
    store.append(session_id, frames)
    drawn = store.waveform(session_id)
    assert len(drawn["user"]) == len(drawn["assistant"])
    assert store.transcript(session_id) is not None


@pytest.mark.parametrize("selected", [{}, {"side": "user"}, {"start": 5.5, "end": 7.25}])
def test_it_is_as_loud_as_what_is_heard(
    store: EventStore, tmp_path: Path, selected: dict[str, Any]
) -> None:
    """The columns of the picture against the samples of the file."""
    session_id = put_sample(store)
    written = store.audio(session_id, tmp_path / "call.wav", **selected)
    heard, rate = soundfile.read(tmp_path / "call.wav", dtype="float32", always_2d=True)
    chosen = select(build_timeline(store.events(session_id)), **selected)
    columns = round(written.seconds * 50)
    found = peaks(chosen, columns, sound_reader(store, session_id))
    assert found.shape == (written.channels, columns, 2)
    edges = np.linspace(0, written.seconds * rate, columns + 1).astype(int)
    for channel, samples in enumerate(heard.T):
        loud = np.array([np.abs(samples[a:b]).max() for a, b in pairwise(edges)])
        drawn = np.abs(found[channel]).max(axis=1)
        # A column may begin a sample sooner or later.
        assert np.mean(np.abs(loud - drawn) < 0.01) > 0.98
        assert drawn.max() == pytest.approx(loud.max(), abs=0.01)
    assert found.max() > 0.05


def test_an_empty_chunk_takes_no_half_of_a_sample() -> None:
    sounds = [b"", b"\x7f\x01\x00", b"\x02\x00\x03\x00"]
    times = 1 + np.cumsum([0, *map(len, sounds)]) / 48_000
    stretch = Stretch(
        {"type": "audio/pcm", "rate": 24_000}, range(3), [0] * 3, list(map(len, sounds)),
        times[:-1], times[1:], True, offset=1,
    )  # fmt: skip
    found = whole_chunks(stretch, 0, 9, lambda seqs, parts: (sounds[seq] for seq in seqs))
    assert [sound for _, sound in found] == [b"", b"\x01\x00", b"\x02\x00\x03\x00"]


def test_what_is_loud_is_drawn_where_it_is(store: EventStore) -> None:
    """A millisecond of noise in a chunk of silence, in odd chunks, at each of three rates."""
    for rate, type_ in ((24_000, "audio/pcm"), (8000, "audio/pcmu"), (8000, "audio/pcma")):
        format_ = {"type": type_, "rate": rate} if type_ == "audio/pcm" else {"type": type_}
        silence, loud = {"audio/pcm": (b"\0\0", b"\0\x7f")}.get(
            type_, (b"\xff", b"\x80") if type_ == "audio/pcmu" else (b"\xd5", b"\xaa")
        )
        sound = silence * (rate * 2) + loud * (rate // 1000) + silence * rate
        call = Call(timed=False)
        call.server("session.created", session={"audio": {"input": {"format": format_}}})
        for begin in range(0, len(sound), 1111):
            audio = base64.b64encode(sound[begin : begin + 1111]).decode()
            call.client("input_audio_buffer.append", audio=audio)
        session_id = f"sess_{type_}"
        store.append(session_id, call.frames)
        drawn = store.waveform(session_id)
        places = [i for i, value in enumerate(drawn["user"]) if value > 10]
        assert places and all(abs(i - 2 * drawn["per_second"]) < 1.5 for i in places)


def test_it_can_be_ended_at_any_time(store: EventStore) -> None:
    class EndedError(Exception):
        pass

    session_id, called = put_sample(store), 0

    def check() -> None:
        nonlocal called
        called += 1
        if called == last:
            raise EndedError

    last = 0
    store.waveform(session_id, check)
    assert called > 20
    for last in (1, called // 2, called):
        called = 0
        with pytest.raises(EndedError):
            store.waveform(session_id, check)
        assert called == last
