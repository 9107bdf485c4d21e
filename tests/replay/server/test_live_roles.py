"""Acceptance: sidebands and forks of GPT-Live, by the `openai` package, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx
import openai
import pytest
from openai.types.live.live_create_params import Transport as LiveOffer
from support.calls import voice_call
from support.events import Call, audio
from support.live_delegations import SESSION, delegating_call
from support.replaying import Served, sent_by, served
from support.served_live import Connect, everything, live_talk, primary
from websockets.exceptions import InvalidStatus

from eventstore import EventStore, Frame
from eventstore.realtime.frames import CLIENT, SERVER
from eventstore.replay.server.server import recordings_of
from eventstore.replay.serving.connection import Manner

STRICT = Manner(speed=None, rule="strict")
CALL = delegating_call().frames
both_clients = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def attach(session_id: str) -> Connect:
    return lambda live: live.sideband.connect(session_id=session_id)


def fork(session_id: str) -> Connect:
    return lambda live: live.forks.connect(session_id=session_id)


def opened(url: str, frames: Sequence[Frame]) -> list[Frame]:
    """The frames, after the recorder's note of the address."""
    return [*Call().store("opened", url=f"wss://h/v1/live/sessions{url}").frames, *frames]


def sideband_call() -> Call:
    """A sideband: audio is reflected to it, and it answers a delegation."""
    call = Call()
    call.server("session.output_transcript.delta", event_id="e_1", delta="Hi", start_ms=0, end_ms=9)
    call.server("session.input_audio.append", audio=audio(100))
    call.server("session.output_audio.delta", delta=audio(100))
    wire = {"id": "deleg_1", "type": "delegation", "target": "client"}
    call.server("session.delegation.created", event_id="e_2", offset_ms=9, delegation=wire)
    told = {"content": "Yes.", "delegation_id": "deleg_1"}
    call.client("session.commentary.append", event_id="mine_1", **told)
    ends = {"start_ms": 9, "end_ms": 20, "client_event_id": "mine_1"}
    call.server("session.commentary.appended", event_id="e_3", **ends)
    return call.store("closed", by="server", code=1000, reason="")


# Sidebands


@both_clients
@pytest.mark.parametrize("id_", ["shop-1", "live_shop"], ids=["of_the_store", "of_the_server"])
def test_a_sideband_looks_on_at_the_recorded_session(
    store: EventStore, id_: str, is_async: bool
) -> None:
    """The recorded client's audio is reflected, and nothing of that client is waited for."""
    store.append("shop-1", opened("", CALL), close=True)
    with served(recordings_of(store), STRICT) as server:
        came = everything(server.url, attach(id_), is_async)
        outcome = server.outcome()
    reflected = [
        frame.text
        for frame in CALL
        if frame.direction == SERVER or "session.input_audio.append" in str(frame.text)
    ]
    assert came == reflected != sent_by(CALL, SERVER)
    assert (outcome.drift, outcome.whole) == ([], True)


def test_a_command_of_a_looker_on_is_no_drift_and_audio_has_no_id_of_the_client(
    store: EventStore,
) -> None:
    call = Call().client("session.start", session={"model": "gpt-live-1"})
    call.server("session.started", event_id="event_1", session=SESSION)
    call.ms += 3000  # until the client has sent its command, however slow it is
    call.client("session.input_audio.append", event_id="mine_1", audio=audio(20))
    store.append("live_shop", call.frames, close=True)
    with served(recordings_of(store), Manner(speed=2, rule="strict")) as server:
        client = openai.OpenAI(api_key="none", websocket_base_url=server.url)
        with client.live.sideband.connect(session_id="live_shop") as connection:
            connection.session.thinking.append(content="Hm.", delegation_id=None)
            connection.recv()
            assert json.loads(connection.recv_bytes()) == {
                "type": "session.input_audio.append",
                "audio": audio(20),
            }
        assert server.outcome().drift == []


@both_clients
def test_a_recording_of_the_sideband_itself_comes_first_and_waits_for_its_client(
    store: EventStore, is_async: bool
) -> None:
    recorded = sideband_call().frames
    store.append("aside", opened("/live_shop/attach", recorded), close=True)
    store.append("shop-1", opened("", CALL), close=True)
    with served(recordings_of(store), STRICT) as server:
        came = live_talk(server.url, recorded, is_async, attach("live_shop"))
        assert server.outcome().drift == []
        assert came == sent_by(recorded, SERVER)
        # Its id in the store names it as well; a client of one's own gets the session itself.
        assert live_talk(server.url, recorded, is_async, attach("aside")) == came
        assert live_talk(server.url, CALL, is_async, primary) == sent_by(CALL, SERVER)
        with pytest.raises(InvalidStatus) as caught:
            everything(server.url, is_async=is_async)
    assert "all sessions like that were served (1)" in told_by(caught)


def test_a_sideband_that_this_store_recorded_by_itself_is_found(store: EventStore) -> None:
    recorded = sideband_call().frames
    note = Call().store("opened", by="sideband", call_id="live_shop").frames
    store.append("aside", [*note, *recorded], close=True)
    with served(recordings_of(store), STRICT) as server:
        came = live_talk(server.url, recorded, connect=attach("live_shop"))
    assert came == sent_by(recorded, SERVER)


# Forks


@both_clients
def test_a_fork_starts_with_an_empty_session_and_is_served_the_stored_one(
    store: EventStore, is_async: bool
) -> None:
    store.append("shop-1", opened("", CALL), close=True)
    with served(recordings_of(store), STRICT) as server:
        for session in ({}, {"instructions": "Be long."}):
            came = live_talk(server.url, starting(session), is_async, fork("live_shop"))
            assert came == sent_by(CALL, SERVER)
            assert server.outcome().drift == []


def test_a_recording_of_a_fork_is_served_to_the_next_fork(store: EventStore) -> None:
    forked = [
        frame._replace(text=str(frame.text).replace("live_shop", "live_forked"))
        for frame in starting({})
    ]
    store.append("forked", opened("/live_shop/fork", forked), close=True)
    store.append("shop-1", opened("", CALL), close=True)
    with served(recordings_of(store), STRICT) as server:
        assert live_talk(server.url, forked, connect=fork("live_shop")) == sent_by(forked, SERVER)
        assert server.outcome().drift == []
        refused = starting({"instructions": "Be long."})[:2]  # an error comes
        live_talk(server.url, refused, connect=fork("live_shop"))
        drift = server.outcome().drift[0]
    assert (drift.type, drift.differences[0].path) == ("session.start", "session.instructions")


def starting(session: dict[str, Any]) -> list[Frame]:
    """The call, whose client starts in another way."""
    start = json.dumps({"type": "session.start", "event_id": "mine_start", "session": session})
    return [CALL[0]._replace(text=start), *CALL[1:]]


# Refusals


def told_by(caught: pytest.ExceptionInfo[InvalidStatus]) -> str:
    told: str = json.loads(caught.value.response.body or b"")["error"]["message"]
    return told


@both_clients
@pytest.mark.parametrize(
    ("connect", "status", "reason"),
    [
        (attach("live_none"), 404, "no session live_none"),
        (fork("live_none"), 404, "no session live_none"),
        (attach("realtime"), 400, "realtime is no session of GPT-Live: connect to /v1/realtime"),
        (fork("aside"), 400, "aside is a recording of a sideband, without the start"),
        (primary, 404, "no session is like that"),
    ],
)
def test_what_cannot_be_served_is_refused(
    store: EventStore, connect: Connect, status: int, reason: str, is_async: bool
) -> None:
    store.append("realtime", voice_call().frames, close=True)
    store.append("aside", opened("/live_shop/attach", sideband_call().frames), close=True)
    with served(recordings_of(store)) as server, pytest.raises(InvalidStatus) as caught:
        everything(server.url, connect, is_async)
    assert caught.value.response.status_code == status
    assert reason in told_by(caught)


def test_endpoints_that_are_no_websockets_are_refused(store: EventStore) -> None:
    with served(recordings_of(store)) as server:
        client = openai.OpenAI(api_key="none", base_url=http_url(server))
        offer = LiveOffer(type="webrtc", sdp="v=0")
        with pytest.raises(openai.APIStatusError) as posted:
            client.live.create(session={"model": "gpt-live-1"}, transport=offer)
        with pytest.raises(openai.NotFoundError) as got:
            client.live.sessions.download_recording("live_shop")
        assert posted.value.status_code == 405
        for caught in (posted, got):
            assert "answers websockets alone" in str(caught.value)
        assert httpx.head(f"{http_url(server)}/live/sessions").status_code == 405
        assert httpx.get(f"{http_url(server)}/realtime").status_code == 426


def http_url(server: Served) -> str:
    return server.url.replace("ws", "http", 1)


def test_what_one_client_may_not_see_is_not_found_by_the_servers_id(store: EventStore) -> None:
    store.append("shop-1", opened("", CALL), close=True)
    store.set_metadata("shop-1", {"customer": "42"})
    mine, other = store.scoped("customer", "42"), store.scoped("customer", "43")
    for seen, is_there in ((mine, True), (other, False)):
        with served(recordings_of(store, seen_by=lambda _, seen=seen: seen)) as server:
            if is_there:
                assert everything(server.url, attach("live_shop"))
                continue
            with pytest.raises(InvalidStatus) as caught:
                everything(server.url, attach("live_shop"))
            assert caught.value.response.status_code == 404


def test_the_order_of_both_sides_is_the_recorded_one(store: EventStore) -> None:
    """A sideband sees reflected audio between the same frames of the server."""
    store.append("shop-1", CALL, close=True)
    with served(recordings_of(store), Manner(speed=20)) as server:
        came = [json.loads(frame)["type"] for frame in everything(server.url, attach("shop-1"))]
    both = [json.loads(frame.text)["type"] for frame in CALL if frame.direction in (CLIENT, SERVER)]
    passed = {"session.input_audio.append"}
    assert came == [
        type_
        for type_, frame in zip(both, CALL, strict=False)
        if frame.direction == SERVER or type_ in passed
    ]
