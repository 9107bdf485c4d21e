"""Acceptance: the openai-agents runner, unmodified, is served recorded sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from agents.realtime import RealtimeSession
from replay.shown import sample_frames, shown
from support.agents_runner import NOT_ITS_DIALECT, play
from support.recordings import frames, some_recordings
from support.replaying import one, served

from eventstore import EventStore, Frame
from eventstore.realtime.frames import SERVER


def items_of(session: RealtimeSession) -> list[tuple[str, str]]:
    """The runner's own history: items in order, and what they say."""
    told = []
    for item in session._history:
        if item.type == "function_call":
            continue
        parts = getattr(item, "content", None) or []
        words = (getattr(p, "text", None) or getattr(p, "transcript", None) for p in parts)
        told.append((item.item_id, " ".join(filter(None, words))))
    return told


def check(store: EventStore, recorded: Sequence[Frame]) -> None:
    with served(one(recorded)) as server:
        session = asyncio.run(play(server.url, recorded))
        assert server.outcome().sent == sum(frame.direction == SERVER for frame in recorded)
    # The runner keeps a call and its output apart, and answers out of band among the others.
    expected = shown(store, recorded, without={"function_call", "function_call_output"})
    outside = {
        item["id"]
        for response in store.responses(session="sess_shown", limit=100).data
        if not response["eventstore"]["in_conversation"]
        for item in response["output"]
    }
    found = [(id_, said) for id_, said in items_of(session) if id_ not in outside]
    assert [id_ for id_, _ in found] == [id_ for id_, _ in expected]
    # It knows a user's transcript only where that came behind its item.
    texts = dict(expected)
    assert all(said == texts[id_] for id_, said in found if said)
    assert any(said for _, said in found)


@some_recordings
def test_the_runner_is_served_every_recording(store: EventStore, recording: Path) -> None:
    if recording.stem in NOT_ITS_DIALECT:
        pytest.skip("the runner does not speak its dialect")
    check(store, frames(recording))


def test_the_runner_is_served_the_sample_call(store: EventStore) -> None:
    check(store, sample_frames())
