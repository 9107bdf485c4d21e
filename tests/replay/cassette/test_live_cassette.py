"""Integration: connections of GPT-Live are recorded from a real server once, then replayed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.calls import voice_call
from support.cassettes import each_in_turn, openai_talk
from support.events import Call, audio
from support.live_delegations import SESSION, delegating_call, with_client_ids
from support.recordings import each_live_recording
from support.recordings import frames as recorded_frames
from support.replaying import one, sent_by, served
from support.served_live import Connect, everything, live_talk, primary, sample_live_frames

from eventstore import DriftError, EventStore, Frame
from eventstore.realtime.frames import CLIENT, SERVER
from eventstore.replay.cassette.cassette import cassette
from eventstore.replay.cassette.cassette_file import read_cassette
from eventstore.replay.serving import connection as connections

both_clients = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
CALLS = {
    "delegating": delegating_call().frames,
    "without_event_ids": delegating_call(event_ids=False).frames,
    "sample": sample_live_frames(),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "live.jsonl"


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("EVENTSTORE_CASSETTE_UPSTREAM", raising=False)


def record(
    path: Path, frames: Sequence[Frame], is_async: bool = False, connect: Connect = primary
) -> list[str]:
    with served(one(frames)) as server, cassette(path, upstream=server.url) as used:
        return live_talk(used.url, frames, is_async, connect)


@both_clients
@pytest.mark.parametrize("call", CALLS)
def test_a_session_is_recorded_and_replayed(path: Path, call: str, is_async: bool) -> None:
    frames = CALLS[call]
    came = record(path, frames, is_async)
    assert came == sent_by(frames, SERVER)
    with cassette(path, mode="none", match="exact") as used:
        assert live_talk(used.url, frames, is_async) == came
    assert used.drift == []


@both_clients
@each_live_recording
def test_a_session_whose_answers_are_known_alone_is_recorded(
    recording: Path, path: Path, is_async: bool
) -> None:
    """The cassette has both sides, so that the client's start is compared from then on."""
    frames = recorded_frames(recording)
    start = {"session": {"model": "gpt-live-1"}}
    with served(one(frames)) as server, cassette(path, upstream=server.url) as used:
        came = everything(used.url, is_async=is_async, start=start)
    assert came == sent_by(frames, SERVER)
    with cassette(path, mode="none") as used:
        assert everything(used.url, is_async=is_async, start=start) == came
    assert used.drift == []
    with (
        pytest.raises(DriftError, match=r"session\.model"),
        cassette(path, mode="none") as used,
    ):
        everything(used.url, is_async=is_async, start={"session": {"model": "gpt-live-2"}})


def test_a_cassette_is_imported_as_the_session_that_was_recorded(
    path: Path, store: EventStore
) -> None:
    record(path, CALLS["delegating"])
    [imported] = store.import_file(path)
    store.append("first_hand", CALLS["delegating"], close=True)
    one_, other = (
        [
            (item["type"], item.get("role"), item.get("content"))
            for conversation in store.state(id_)["conversations"]
            for item in conversation["items"]
        ]
        for id_ in (imported.session_id, "first_hand")
    )
    assert one_ == other and one_


@both_clients
def test_sidebands_and_forks_are_connections_like_others(path: Path, is_async: bool) -> None:
    sideband = Call().server("session.input_audio.append", audio=audio(20))
    told = {"content": "Yes.", "delegation_id": None}
    sideband.client("session.commentary.append", event_id="mine_1", **told)
    ends = {"start_ms": 0, "end_ms": 9, "client_event_id": "mine_1"}
    sideband.server("session.commentary.appended", event_id="e_1", **ends)
    forked = Call().client("session.start", session={})
    forked.server("session.started", event_id="e_2", session={**SESSION, "id": "live_2"})
    asked: list[tuple[list[Frame], Connect]] = [
        (CALLS["delegating"], primary),
        (sideband.frames, lambda live: live.sideband.connect(session_id="live_shop")),
        (forked.frames, lambda live: live.forks.connect(session_id="live_shop")),
        (voice_call().frames, lambda live: live._client.realtime.connect(model="gpt-realtime")),
    ]
    calls = each_in_turn(*(frames for frames, _ in asked))
    with served(calls) as server, cassette(path, upstream=server.url) as used:
        for frames, connect in asked:
            assert live_talk(used.url, frames, is_async, connect) == sent_by(frames, SERVER)
    assert len(read_cassette(path)) == 4
    with cassette(path, mode="none") as used:
        for frames, connect in asked:
            assert live_talk(used.url, frames, is_async, connect) == sent_by(frames, SERVER)
    assert used.drift == []


def test_answers_name_the_events_of_this_run(path: Path) -> None:
    record(path, CALLS["delegating"])
    with cassette(path, mode="none") as used:
        came = live_talk(used.url, with_client_ids(CALLS["delegating"], "this_run_"))
    events = map(json.loads, came)
    named = [event["client_event_id"] for event in events if "client_event_id" in event]
    assert len(named) == 7 and all(id_.startswith("this_run_") for id_ in named)


def test_what_a_test_sends_otherwise_is_drift(path: Path) -> None:
    frames = CALLS["delegating"]
    record(path, frames)
    other = [
        frame._replace(text=str(frame.text).replace("It is 9.", "It is 10."))
        for frame in frames
        if frame.direction == CLIENT or frame.direction == SERVER
    ]
    until = next(n for n, frame in enumerate(other) if "It is 10." in str(frame.text)) + 2
    with pytest.raises(DriftError) as caught, cassette(path, mode="none") as used:
        live_talk(used.url, other[:until])
    told = str(caught.value)
    assert "session.thinking.append" in told and "content" in told
    assert '"It is 9."' in told and '"It is 10."' in told
    with (
        pytest.raises(DriftError, match=r"session\.close never came"),
        cassette(path, mode="none") as used,
    ):
        live_talk(used.url, frames[: _place_of(frames, "session.close")])
    with cassette(path, mode="none", match="type") as used:
        live_talk(used.url, other)
    assert [drift.type for drift in used.drift] == ["session.thinking.append"]


def _place_of(frames: Sequence[Frame], type_: str) -> int:
    return next(n for n, frame in enumerate(frames) if f'"{type_}"' in str(frame.text))


def test_a_cassette_plays_any_recording_of_live(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the sound of the user was heard before the words came."""
    monkeypatch.setattr(connections, "_PATIENCE", 0.3)
    record(path, CALLS["sample"])
    with cassette(path, mode="none", match="none", pace=50) as used:
        assert everything(used.url) == sent_by(CALLS["sample"], SERVER)
    with cassette(path, mode="none", match="none") as used:
        assert openai_talk(used.url, [f for f in CALLS["sample"] if f.direction == SERVER])
