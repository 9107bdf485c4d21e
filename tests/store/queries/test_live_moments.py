"""Integration: the state of a GPT-Live session at a moment of its own timeline."""

from __future__ import annotations

from typing import Any

import pytest
from support.calls import voice_call
from support.gpt_live import LiveCall, client_call

from eventstore import EventStore, InvalidInputError


def said_at(store: EventStore, at: str, session_id: str = "live_1") -> list[str]:
    """The words of the session's items at a moment."""
    found = []
    for conversation in store.state(session_id, at)["conversations"]:
        for item in conversation["items"]:
            parts: list[Any] = item.get("content") or []
            found += [part.get("transcript") or part.get("text") or "" for part in parts]
    return found


def late_call(timed: bool = True) -> LiveCall:
    """A call whose timeline begins three seconds after its first event."""
    call = LiveCall(timed).store("opened")
    call.ms += 3000
    call.starts().said(("user", 400, "One two three"), ("assistant", 1400, "Four five"))
    return call.uses(2, 0.1, 9000)


def test_a_moment_counts_from_the_timelines_beginning(store: EventStore) -> None:
    store.append("live_1", late_call().frames)
    assert said_at(store, "+0") == []
    assert said_at(store, "+0.8") == ["One two"]
    assert said_at(store, "+1.4") == ["One two three"]
    assert said_at(store, "0:01.6") == ["One two three", "Four"]
    assert said_at(store, "+5") == ["One two three", "Four five"]
    assert store.state("live_1", "+5")["session"]["eventstore"]["live"].get("usage") is None
    assert store.state("live_1", "+9.1")["session"]["eventstore"]["live"]["usage"]


def test_a_fragment_that_comes_late_belongs_to_its_place(store: EventStore) -> None:
    call = LiveCall().starts()
    place = {"start_ms": 0, "end_ms": 200}
    call.uses(1, 0.1, 300).uses(1, 0.2, 900)
    call.live("session.input_transcript.delta", 1000, delta="Hello", **place)
    store.append("live_1", call.frames)
    assert said_at(store, "+0.2") == ["Hello"]


def test_a_recording_without_times_has_a_timeline(store: EventStore) -> None:
    store.append("live_1", late_call(timed=False).frames)
    assert said_at(store, "+0.8") == ["One two"]


def test_a_sealed_session_has_the_same_moments(store: EventStore) -> None:
    frames = client_call().frames
    for name in ("live_1", "live_2"):
        store.append(name, frames, close=True)
    store.seal("live_2").raise_for_errors()
    for at in ("+0", "+1.2", "+4.8", "+5.3", "+60"):
        assert said_at(store, at) == said_at(store, at, "live_2")


def test_a_seq_is_a_seq(store: EventStore) -> None:
    store.append("live_1", client_call().frames)
    assert said_at(store, "7")[-1] == "Where is my"


def test_other_sessions_count_from_their_first_event(store: EventStore) -> None:
    store.append("sess_1", voice_call().frames)
    for at, same in (("+0.25", "0:00.25"), ("+0.3", "+0:00.3")):
        first, second = store.state("sess_1", at), store.state("sess_1", same)
        assert first == second
    assert store.state("sess_1", "+0.25") != store.state("sess_1", "+0.3")


@pytest.mark.parametrize("at", ["1:60", ":5", "1:2:3", "-1:00", "1:", "+1:٣", "0:1.5.5"])
def test_what_is_no_moment_is_refused(store: EventStore, at: str) -> None:
    store.append("live_1", client_call().frames)
    with pytest.raises(InvalidInputError, match="use a seq"):
        store.state("live_1", at)


def test_a_hostile_place_moves_nothing_else(store: EventStore) -> None:
    call = LiveCall().starts()
    call.live("session.input_transcript.delta", delta="x", start_ms="5", end_ms={})
    call.live("session.delegation.created", offset_ms=10**12, delegation={"id": "a", "target": 3})
    call.said(("user", 400, "One two"))
    store.append("live_1", call.frames)
    assert said_at(store, "+0.6") == ["xOne"]
    assert said_at(store, "+0.8") == ["xOne two"]
