"""Integration: what a player draws lies on the call's clock, whatever is in the log."""

from __future__ import annotations

import pytest
from archive.exports.calls_to_export import put_everything, put_sample
from hypothesis import given
from support.examples import examples
from support.strategies import streams

from eventstore import EventStore, Frame, NotFoundError

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


def test_every_recording(store: EventStore) -> None:
    for session_id in put_everything(store):
        drawn = store.waveform(session_id)
        assert drawn["start"] <= drawn["end"]
        assert len(drawn["user"]) == len(drawn["assistant"])


def test_a_sealed_call_is_drawn_alike(store: EventStore) -> None:
    session_id = put_sample(store)
    before = store.waveform(session_id)
    list(store.archive([session_id]))
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
