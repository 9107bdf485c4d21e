"""Acceptance: the `openai` package is served recorded sessions of GPT-Live, sync and async."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openai
import pytest
from openai._models import construct_type_unchecked
from openai.lib.live import TranscriptGrouper
from openai.types.live.error_event import ErrorEvent
from openai.types.live.server_event import ServerEvent
from support.events import audio
from support.live_delegations import CONFIG, delegating_call, with_client_ids
from support.recordings import each_live_recording, frames
from support.replaying import INSTANT, one, sent_by, served
from support.served_live import everything, live_talk, sample_live_frames

from eventstore import EventStore, Frame
from eventstore.realtime.frames import CLIENT, SERVER
from eventstore.replay.server.server import recordings_of
from eventstore.replay.serving import connection as connections
from eventstore.replay.serving.connection import Manner
from eventstore.replay.serving.faults import parse_fault
from eventstore.replay.serving.matching import MatchRule

STRICT = Manner(speed=None, rule="strict")
both_clients = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
CALLS = {
    "delegating": delegating_call().frames,
    "without_event_ids": delegating_call(event_ids=False).frames,
    "sample": sample_live_frames(),
}


@both_clients
@pytest.mark.parametrize("speed", [None, 20.0], ids=["instant", "paced"])
@pytest.mark.parametrize("call", CALLS)
def test_a_client_is_served_what_was_recorded(
    store: EventStore, call: str, speed: float | None, is_async: bool
) -> None:
    recorded = CALLS[call]
    store.append("stored", recorded, close=True)
    began = time.monotonic()
    with served(recordings_of(store), Manner(speed, rule="strict")) as server:
        assert live_talk(server.url, recorded, is_async) == sent_by(recorded, SERVER)
        outcome = server.outcome()
    assert (outcome.drift, outcome.whole) == ([], True)
    length = (recorded[-1].at or 0) - (recorded[0].at or 0)
    # This client sends its frames without a pause, which makes the call shorter.
    assert speed is None or time.monotonic() - began >= length / 1e6 / speed / 2


@both_clients
@pytest.mark.parametrize("speed", [None, 20.0], ids=["instant", "paced"])
@each_live_recording
def test_a_recording_of_the_servers_side_alone_waits_for_the_start(
    store: EventStore, recording: Path, speed: float | None, is_async: bool
) -> None:
    """Whatever else the client sends is no drift, since nothing is known of the recorded one."""
    [session] = store.import_file(recording)
    start = {"session": {"model": "gpt-live-1"}, "event_id": "mine_1"}
    with served(recordings_of(store), Manner(speed, rule="strict")) as server:
        came = list(map(json.loads, everything(server.url, is_async=is_async, start=start)))
        outcome = server.outcome()
    stored = store.events(session.session_id)
    recorded = [json.loads(event.text) for event in stored if event.direction == SERVER]
    assert came[0].pop("client_event_id") == "mine_1"
    assert came == recorded
    assert (outcome.drift, outcome.whole) == ([], True)


def test_nothing_comes_before_the_start(store: EventStore) -> None:
    whole = CALLS["delegating"]
    for recorded in (whole, [frame for frame in whole if frame.direction == SERVER]):
        with served(one(recorded)) as server:
            client = openai.OpenAI(api_key="none", websocket_base_url=server.url)
            with client.live.connect() as connection:
                with pytest.raises(TimeoutError):
                    connection._connection.recv(timeout=0.5)
                connection.session.start(session={"model": "gpt-live-1"})
                assert connection.recv().type == "session.started"


def test_a_client_that_does_not_start_is_served_after_a_while_if_no_start_was_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "_PATIENCE", 0.3)
    recorded = [frame for frame in CALLS["delegating"] if frame.direction == SERVER]
    with served(one(recorded), STRICT) as server:
        assert everything(server.url) == sent_by(recorded, SERVER)
        assert server.outcome().drift == []


@both_clients
def test_the_address_may_be_the_base_url(is_async: bool) -> None:
    """Without an address for websockets, the package makes one of its address for HTTP."""
    with served(one(CALLS["sample"])) as server:
        kind: Any = openai.AsyncOpenAI if is_async else openai.OpenAI
        client = kind(api_key="none", base_url=server.url.replace("ws", "http", 1))
        if is_async:
            assert asyncio.run(first_async(client)) == "session.started"
            return
        with client.live.connect() as connection:
            connection.session.start(session={"model": "gpt-live-1"})
            assert connection.recv().type == "session.started"


async def first_async(client: openai.AsyncOpenAI) -> str:
    async with client.live.connect() as connection:
        await connection.session.start(session={"model": "gpt-live-1"})
        return (await connection.recv()).type


def test_injected_errors_have_the_shape_of_gpt_live() -> None:
    faults = (parse_fault("error@session.started=Oh"),)
    with served(one(CALLS["sample"]), Manner(speed=None, faults=faults)) as server:
        client = openai.OpenAI(api_key="none", websocket_base_url=server.url)
        with client.live.connect() as connection:
            connection.session.start(session={"model": "gpt-live-1"})
            error = ErrorEvent.model_validate_json(connection.recv_bytes())
            assert connection.recv().type == "session.started"
    assert (error.error.message, "event_id" in error.error.to_dict()) == ("Oh", False)


# Ids


def named(came: Sequence[str]) -> dict[str, Any]:
    """The client's event that each answer names, by the answer's type."""
    events = [json.loads(frame) for frame in came]
    return {e["type"]: e["client_event_id"] for e in events if "client_event_id" in e}


@pytest.mark.parametrize("rule", ["strict", "type", "none"])
def test_answers_name_the_live_clients_events(rule: MatchRule) -> None:
    recorded = CALLS["delegating"]
    before = named([str(text) for text in sent_by(recorded, SERVER)])
    assert len(before) == 7
    with served(one(recorded), Manner(speed=None, rule=rule)) as server:
        came = live_talk(server.url, with_client_ids(recorded, "other_"))
        assert server.outcome().drift == []
    if rule != "none":  # which waits for nobody, so that the answers are sent first
        expected = {type_: id_.replace("mine_", "other_") for type_, id_ in before.items()}
        assert named(came) == expected


def test_an_id_is_named_if_only_the_live_client_gave_one_and_not_if_it_gave_none() -> None:
    given, not_given = CALLS["delegating"], CALLS["without_event_ids"]
    with served(one(not_given), STRICT) as server:
        came = live_talk(server.url, given)
        assert server.outcome().drift == []
    told = named(came)
    assert told == {**named(map(str, sent_by(given, SERVER))), **told}
    assert told["session.commentary.appended"] == "mine_commentary"
    with served(one(given), STRICT) as server:
        came = live_talk(server.url, not_given)
        assert server.outcome().drift == []
    assert set(named(came).values()) == {None}


def test_fresh_ids_are_the_same_wherever_they_stand() -> None:
    with served(one(CALLS["delegating"]), Manner(speed=None, fresh=True)) as server:
        client = openai.OpenAI(api_key="none", websocket_base_url=server.url)
        with client.live.connect() as connection:
            connection.session.start(session={"model": "gpt-live-1"})
            session = connection.recv().session  # type: ignore[union-attr]
    assert session.id != "live_shop" and session.id.startswith("live_")
    assert session.expires_at > time.time()


# Audio


def test_what_is_heard_waits_for_as_much_audio() -> None:
    recorded = CALLS["delegating"]
    with served(one(recorded)) as server:
        client = openai.OpenAI(api_key="none", websocket_base_url=server.url)
        with client.live.connect() as connection:
            connection.session.start(session=CONFIG)  # type: ignore[arg-type]
            assert connection.recv().type == "session.started"
            connection.session.instructions.append(content="Hurry.", delegation_id=None)
            with pytest.raises(TimeoutError):
                connection._connection.recv(timeout=0.5)
            for _ in range(2):  # one chunk more would be enough, whatever its size is
                connection.session.input_audio.append(audio=audio(180))
            with pytest.raises(TimeoutError):
                connection._connection.recv(timeout=0.3)
            connection.session.input_audio.append(audio=audio(40))
            assert connection.recv().type == "session.input_transcript.delta"


# Drift


def test_drift_is_told_by_content_without_audio() -> None:
    recorded = CALLS["delegating"]
    live = changed(changed(recorded, "It is open.", "It is shut."), "AAAA", "")
    with served(one(recorded)) as server:
        live_talk(server.url, live)
        [drift] = server.outcome().drift
    assert (drift.kind, drift.type) == ("differs", "session.commentary.append")
    assert drift.differences[0].path == "content"
    other = [frame.direction == CLIENT and "commentary" in str(frame.text) for frame in live]
    with served(one(recorded), STRICT) as server:
        came = live_talk(server.url, live[: other.index(True) + 2])
        refused = server.outcome().refused
    error = ErrorEvent.model_validate_json(came[-1])
    assert (error.error.code, error.error.client_event_id) == ("replay_drift", "mine_commentary")
    assert refused is not None and refused.type == "session.commentary.append"


def changed(recorded: Sequence[Frame], old: str, new: str) -> list[Frame]:
    """The frames with a text of the client's changed."""
    return [
        frame._replace(text=str(frame.text).replace(old, new))
        if frame.direction == CLIENT
        else frame
        for frame in recorded
    ]


# What was said


@each_live_recording
def test_the_packages_grouper_reads_the_texts_of_the_stores_items(
    store: EventStore, recording: Path
) -> None:
    check_grouper(store, frames(recording))


@pytest.mark.parametrize("call", CALLS)
def test_the_packages_grouper_reads_the_texts_of_the_stores_items_of(
    store: EventStore, call: str
) -> None:
    check_grouper(store, CALLS[call])


def check_grouper(store: EventStore, recorded: list[Frame]) -> None:
    """Which fragments become one item differs in places; who said what does not."""
    store.append("grouped", recorded, close=True)
    grouper = TranscriptGrouper(backchannel_max_duration_ms=0)
    segments: dict[str, Any] = {}
    grouper.on("segment.updated", lambda one: segments.update({one.id: one}))
    session_of_store = "/session/grouped/v1"
    with served(recordings_of(store), INSTANT) as server:
        url = server.url.replace("/v1", session_of_store)
        start = {"session": {"model": "gpt-live-1"}}
        has_start = any(frame.direction == CLIENT for frame in recorded)
        came = live_talk(url, recorded) if has_start else everything(url, start=start)
        for frame in came:
            grouper.push(construct_type_unchecked(value=json.loads(frame), type_=ServerEvent))
    grouper.close()
    [conversation] = store.state("grouped")["conversations"]
    spoken = [
        (item["role"], part["transcript"])
        for item in conversation["items"]
        for part in item.get("content", [])
        if part["type"] in ("input_audio", "output_audio")
    ]
    assert len(spoken) >= 2
    assert by_speaker([(one.speaker, one.text) for one in segments.values()]) == by_speaker(spoken)


def by_speaker(said: list[tuple[str, str]]) -> dict[str, str]:
    texts = {"user": "", "assistant": ""}
    for speaker, text in said:
        texts[speaker] += "".join(text.split())
    return texts
