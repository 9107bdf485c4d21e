"""Integration: an item of a GPT-Live session is cut out to the end of its last word."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.live_sound import fragment, heard, spoken, started
from support.sound import channels, loud_spans

from eventstore import EventStore
from eventstore.demo import live_call_lines

PCM = {"type": "audio/pcm", "rate": 24_000}
RATE = 24_000


def voice(seconds: float, *spans: tuple[float, float], noise: float = 0.0) -> NDArray[np.int16]:
    """A tone in these spans of seconds, with noise all the time."""
    sound = np.random.default_rng(1).normal(0.0, max(noise, 1e-9), round(seconds * RATE))
    for start, end in spans:
        first, last = round(start * RATE), round(end * RATE)
        sound[first:last] += 0.4 * np.sin(np.arange(last - first) / 9)
    return (sound * 32_767).astype(np.int16)


def put(
    store: EventStore, user: NDArray[np.int16], assistant: NDArray[np.int16], **said: str
) -> None:
    """Store a session with these sounds, in which the user says one word from 1.0 to 1.2 s.

    Args:
        said: What else is said, such as `output_1600="Yes"`, in fragments of 0.2 seconds.
    """
    frames = [started(0.0, PCM)]
    step = RATE // 10
    for number in range(len(user) // step):
        piece = slice(number * step, (number + 1) * step)
        frames.append(heard((number + 1) / 10, user[piece].tobytes()))
        frames.append(spoken((number + 1) / 10, assistant[piece].tobytes()))
    at = frames[-1].at
    frames.append(fragment(None, "input", 1000, 1200, "Okay.")._replace(at=at))
    for name, words in said.items():
        side, start = name.split("_")
        place = int(start), int(start) + 200
        frames.append(fragment(None, side, *place, words)._replace(at=at))
    store.append("live", frames, close=True)


def ends(store: EventStore, **selected: float) -> float:
    """Where the file of the user's first item ends."""
    (item, *_) = store.state("live")["conversations"][0]["items"]
    assert (item["eventstore"]["start_ms"], item["role"]) == (1000, "user")
    done = store.audio("live", io.BytesIO(), "wav", item=item["id"], **selected)
    return done.start + done.seconds


@pytest.mark.parametrize("noise", [0.0, 0.001, 0.005])
@pytest.mark.parametrize(
    ("spans", "end"),
    [
        ([(1.02, 1.6)], 1.7),
        ([(1.19, 1.6)], 1.7),
        # The closure of a consonant is no pause. A pause may be as short as 0.2 seconds.
        ([(1.02, 1.3), (1.4, 1.6)], 1.7),
        ([(1.02, 1.3), (1.52, 1.8)], 1.4),
        # What comes after a pause is not the last word any more.
        ([(1.02, 1.2), (1.5, 1.8)], 1.2),
        ([(1.02, 1.1)], 1.2),
    ],
)
def test_an_item_goes_on_to_the_next_pause(
    store: EventStore, spans: list[tuple[float, float]], end: float, noise: float
) -> None:
    put(store, voice(6.0, *spans, noise=noise), voice(6.0, (0.0, 6.0)))
    assert ends(store) == pytest.approx(end, abs=0.021)


def test_an_item_goes_on_for_a_second_and_a_half_at_most(store: EventStore) -> None:
    put(store, voice(6.0, (1.0, 6.0)), voice(6.0))
    assert ends(store) == pytest.approx(2.7)
    assert ends(store, end=2.0) == pytest.approx(2.0)
    assert ends(store, start=2.5) == pytest.approx(2.7)


def test_an_item_ends_where_its_speakers_next_one_begins(store: EventStore) -> None:
    said = {"output_1300": "And now", "output_1500": " for something.", "input_1800": "Yes."}
    put(store, voice(6.0, (1.0, 6.0)), voice(6.0, (1.3, 2.0)), **said)
    roles = [item["role"] for item in store.state("live")["conversations"][0]["items"]]
    assert roles == ["user", "assistant", "user"]
    assert ends(store) == pytest.approx(1.8)


def test_the_sound_may_end_before_the_pause(store: EventStore) -> None:
    put(store, voice(1.5, (1.0, 1.5)), voice(1.5))
    assert ends(store) == pytest.approx(1.6, abs=0.021)


@pytest.mark.parametrize("sealed", [False, True])
def test_the_last_words_of_the_sample_call_are_whole(
    store: EventStore, tmp_path: Path, sealed: bool
) -> None:
    (tmp_path / "call.jsonl").write_text("\n".join(live_call_lines()))
    (session,) = store.import_file(tmp_path / "call.jsonl")
    if sealed:
        store.seal(session.session_id).raise_for_errors()
    store.audio(session.session_id, tmp_path / "call.wav")
    whole, rate = channels(tmp_path / "call.wav")
    spans = dict(
        zip(("user", "assistant"), (loud_spans(one, rate, 0.2) for one in whole), strict=True)
    )
    state = store.state(session.session_id)
    (items,) = (conversation["items"] for conversation in state["conversations"])
    cut = []
    for item in items:
        told = item["eventstore"]
        if told.get("kind") != "speech":
            continue
        done = store.audio(session.session_id, io.BytesIO(), "wav", item=item["id"])
        end = done.start + done.seconds
        # Until when what sounds at the told end goes on.
        sounds_until = [
            until for since, until in spans[item["role"]] if since < told["end_ms"] / 1000 < until
        ]
        assert [end] == pytest.approx(sounds_until, abs=0.13), item["id"]
        assert end >= sounds_until[0] - 0.02, item["id"]
        cut.append(item["id"])
        if told["response_id"]:
            one = {"response": told["response_id"]}
            again = store.audio(session.session_id, io.BytesIO(), "wav", **one)
            assert (again.start, again.seconds) == (done.start, done.seconds)
    assert cut[2] == "item_said_343" and len(cut) == 7
    (okay, rest) = ("item_said_343", "resp_said_749")
    assert store.audio(session.session_id, io.BytesIO(), "wav", item=okay).seconds > 0.45
    done = store.audio(session.session_id, io.BytesIO(), "wav", response=rest)
    assert done.start + done.seconds > 20.05
