"""Acceptance: a GPT-Live session is joined by its id, and both sides' audio is recorded."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from support.import_files import imported_one, jsonl
from support.live_calls import Json, heard, own_connection, said, sideband, started, used, words
from support.live_clients import events
from support.live_server import live_server
from support.live_usage import seconds_by_session
from support.taps import kept

from eventstore import EventStore, EventStoreError
from eventstore.capture.calls.sideband import LIVE_UNSEEN, JoinedCall, record_call
from eventstore.capture.recorder.process.recorder_process import RecorderProcess
from eventstore.capture.recorder.recorder import Recorder
from eventstore.realtime.frames import SERVER

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

KEY = "sk-very-secret"
TOKEN = "tok-Ab3dEf6hIj9kLm2n"
#: Without the end, which names the session.
OPEN = [event for event in sideband() if event["type"] != "session.closed"]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def join(recorder: Any, url: str, session_id: str = "live_x1", **options: Any) -> JoinedCall:
    recording = record_call(recorder, session_id, upstream=url, **options)
    return asyncio.run(asyncio.wait_for(recording, 60))


def test_a_session_is_recorded_with_both_sides_audio(store: EventStore) -> None:
    with live_server() as server, Recorder(store) as recorder:
        joined = join(recorder, server.url, metadata={"customer": "42"})
    [session] = kept(store)
    assert (session.id, joined.session.session_id) == ("live_x1", "live_x1")
    assert events(session.came) == sideband()
    assert session.sent == []
    assert server.paths == ["/v1/live/sessions/live_x1/attach"]
    assert server.heads[0]["authorization"] == f"Bearer {KEY}"
    assert session.opened == {
        "type": "eventstore.session.opened",
        "recording": session.opened["recording"],
        "by": "sideband",
        "call_id": "live_x1",
        "url": f"{server.url}/live/sessions/live_x1/attach",
        "unseen": list(LIVE_UNSEEN),
        "metadata": {"customer": "42", "call_id": "live_x1"},
    }
    reflected = [e for e in store.events("live_x1") if e.type == "session.input_audio.append"]
    assert [event.direction for event in reflected] == [SERVER, SERVER]


@pytest.mark.parametrize("process", [False, True], ids=["thread", "process"])
def test_its_id_and_protocol_are_known_without_an_event_that_tells_them(
    store: EventStore, process: bool
) -> None:
    url = store.engine.url.render_as_string(hide_password=False)
    recorder = RecorderProcess(url) if process else Recorder(store)
    with live_server(came=OPEN[:2]) as server:
        try:
            join(recorder, server.url)
        finally:
            recorder.close()
    [session] = kept(store)
    assert session.id == "live_x1"
    assert store.state("live_x1")["session"]["eventstore"]["protocol"] == "live"


def test_a_replay_of_what_was_before_is_recorded_as_it_came(store: EventStore) -> None:
    before = [started(), words("input", "Earlier", 0, 300)]
    with live_server(came=[*before, *sideband()]) as server, Recorder(store) as recorder:
        join(recorder, server.url)
    [session] = kept(store)
    assert session.id == "live_x1"
    assert events(session.came) == [*before, *sideband()]


def test_a_session_that_is_not_accepted_yet_is_waited_for(store: EventStore) -> None:
    async def run() -> JoinedCall:
        with live_server(known=set()) as server:
            async with Recorder(store) as recorder:
                joining = asyncio.create_task(
                    record_call(recorder, "live_x1", upstream=server.url, wait=30)
                )
                while not server.paths:
                    await asyncio.sleep(0.01)
                assert server.known is not None
                server.known.add("live_x1")
                return await joining

    asyncio.run(asyncio.wait_for(run(), 60))
    [session] = kept(store)
    assert events(session.came) == sideband()


def test_a_refusal_is_told_in_the_servers_words(store: EventStore) -> None:
    with (
        live_server(known=set()) as server,
        Recorder(store) as recorder,
        pytest.raises(EventStoreError, match=r"cannot join live_x1: 404 Not Found: No live_x1\."),
    ):
        join(recorder, server.url)
    assert kept(store) == []


def test_any_id_is_a_live_sessions_where_the_upstream_says_so(store: EventStore) -> None:
    with live_server(came=OPEN) as server, Recorder(store) as recorder:
        join(recorder, f"{server.url}/live/sessions", "sess/odd")
    [session] = kept(store)
    assert server.paths == ["/v1/live/sessions/sess%2Fodd/attach"]
    assert session.opened["unseen"] == list(LIVE_UNSEEN)


def test_a_session_that_is_stored_already_is_billed_once(store: EventStore) -> None:
    imported_one(store, jsonl(*({"at": None, "event": event} for event in own_connection())))
    with live_server(came=[*OPEN, used(7)]) as server, Recorder(store) as recorder:
        other = join(recorder, server.url).session.session_id
    assert other is not None and other != "live_x1"
    # The stored one was told less of the session's seconds.
    assert store.state("live_x1")["session"]["eventstore"]["same_call"] == other
    assert seconds_by_session(store) == {other: 7}


def test_two_sidebands_of_a_session_are_billed_once(store: EventStore) -> None:
    async def both(url: str) -> None:
        async with Recorder(store) as recorder:
            await asyncio.gather(
                *(record_call(recorder, "live_x1", upstream=url) for _ in range(2))
            )

    with live_server() as server:
        server.together = 2
        asyncio.run(asyncio.wait_for(both(server.url), 60))
    ids = [entry["id"] for entry in store.sessions().data]
    assert len(ids) == 2 and "live_x1" in ids
    assert len(seconds_by_session(store)) == 1


def delegating(secret: str) -> Json:
    """A session whose backend has a tool with secrets."""
    tool = {
        "type": "mcp",
        "server_label": "crm",
        "server_url": f"https://crm.example/mcp?api_key={secret}",
        "authorization": f"Bearer {secret}",
        "headers": {"X-Tenant": secret},
    }
    delegation = {"type": "responses", "responses": {"model": "gpt-5", "tools": [tool]}}
    session = {**started()["session"], "delegation": delegation}
    return {"type": "session.updated", "event_id": "e_u", "session": session}


def test_secrets_of_a_delegations_tools_are_taken_out(store: EventStore) -> None:
    arguments = [
        {
            "type": "response.event",
            "event_id": f"e_{number}",
            "delegation_id": "del_1",
            "event": {"type": "response.function_call_arguments.delta", "delta": delta},
        }
        for number, delta in enumerate(('{"password": "', TOKEN[:9], TOKEN[9:], '"}'))
    ]
    came = [heard(), delegating(TOKEN), *arguments, said(start_ms=0, end_ms=500)]
    with live_server(came=came) as server, Recorder(store, redact=True) as recorder:
        join(recorder, server.url)
    [session] = kept(store)
    text = json.dumps(session.came)
    assert TOKEN not in text and TOKEN[:9] not in text and TOKEN[9:] not in text
    assert events(session.came)[1]["session"]["delegation"]["responses"]["tools"] == [
        {
            "type": "mcp",
            "server_label": "crm",
            "server_url": "https://crm.example/mcp?api_key=[removed]",
            "authorization": "[removed]",
            "headers": {"X-Tenant": "[removed]"},
        }
    ]
    assert events(session.came)[0] == heard()
    assert events(session.came)[-1] == said(start_ms=0, end_ms=500)
    assert store.state("live_x1")["session"]["eventstore"]["redacted"] >= 5
