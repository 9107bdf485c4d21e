"""The protocol of a stream is decided before its types are read, by what only a server can know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.events import Call, log_events
from support.live_speech import say, spoken, started
from support.recordings import each_live_recording, each_recording, frames

from eventstore.projection.fold import fold
from eventstore.realtime.frames import CLIENT, SERVER, STORE
from eventstore.realtime.protocols import LIVE, REALTIME, is_live_url, told_protocol

LIVE_SESSION = {"session": {"id": "live_1", "model": "gpt-live-1"}}
TIMED = {"delta": "Hi", "start_ms": 0, "end_ms": 200}


@pytest.mark.parametrize(
    ("direction", "type_", "body", "told"),
    [
        (SERVER, "session.started", LIVE_SESSION, LIVE),
        (SERVER, "session.updated", LIVE_SESSION, LIVE),
        (SERVER, "session.closed", LIVE_SESSION, LIVE),
        (SERVER, "session.delegation.created", {}, LIVE),
        (SERVER, "response.event", {}, LIVE),
        (SERVER, "transport.ringing", {}, LIVE),
        (SERVER, "session.input_transcript.delta", TIMED, LIVE),
        (SERVER, "session.output_audio.delta", TIMED, LIVE),
        (SERVER, "session.created", {"session": {"id": "sess_1"}}, REALTIME),
        (SERVER, "session.updated", {"session": {"object": "realtime.session"}}, REALTIME),
        (SERVER, "session.updated", {"session": {"type": "translation"}}, REALTIME),
        (SERVER, "conversation.item.added", {}, REALTIME),
        (SERVER, "conversation.item.created", {}, REALTIME),
        (SERVER, "response.done", {}, REALTIME),
        # Both have these, and nothing in them tells which.
        (SERVER, "session.input_transcript.delta", {"delta": "Hi", "elapsed_ms": 1}, None),
        (SERVER, "session.output_audio.delta", {"delta": ""}, None),
        (SERVER, "session.usage.updated", {"usage": {"seconds": 1}}, None),
        (SERVER, "error", {"error": {}}, None),
        # A load of a state does not read these.
        (SERVER, "session.input_audio.append", {}, None),
        (SERVER, "response.output_text.delta", {}, None),
        # A client proves nothing.
        (CLIENT, "session.start", LIVE_SESSION, None),
        (CLIENT, "session.thinking.append", {}, None),
        (CLIENT, "session.started", LIVE_SESSION, None),
        (CLIENT, "conversation.item.create", {}, None),
        (STORE, "eventstore.session.opened", {"url": "wss://a/v1/live/sessions"}, LIVE),
        (STORE, "eventstore.session.opened", {"url": "wss://a/v1/realtime?model=x"}, None),
        (STORE, "eventstore.session.opened", {}, None),
        (SERVER, "session.started", None, LIVE),
        (SERVER, "something.new", {}, None),
    ],
)
def test_an_event_proves_a_protocol_or_none(
    direction: str, type_: str, body: dict[str, Any] | None, told: str | None
) -> None:
    assert told_protocol(direction, type_, body) == told


@pytest.mark.parametrize(
    ("url", "is_live"),
    [
        ("wss://api.openai.com/v1/live/sessions", True),
        ("wss://api.openai.com/v1/live/sessions/live_1/attach?x=1", True),
        ("/v1/live/sessions/live_1/fork", True),
        ("wss://a/metadata/customer=4/v1/live/sessions", True),
        ("wss://a/v1/live/sessionsx", False),
        ("wss://a/v1/realtime?path=/live/sessions", False),
        ("wss://[", False),
        ("", False),
    ],
)
def test_a_url_of_live_sessions_is_known(url: str, is_live: bool) -> None:
    assert is_live_url(url) == is_live


@each_recording
def test_recorded_sessions_of_realtime_are_known_as_such(recording: Path) -> None:
    assert fold("s", log_events(frames(recording))).protocol in (REALTIME, None)


@each_live_recording
def test_recorded_live_sessions_are_known_from_any_event_on(recording: Path) -> None:
    whole = frames(recording)
    places = [json.loads(frame.text)["type"] for frame in whole]
    # Usage at the end is the same in both protocols.
    for start in range(len(whole) - 1 - places[::-1].index("session.output_transcript.delta")):
        assert fold("s", log_events(whole[start:])).protocol == LIVE, start


def test_what_came_before_the_proof_is_not_lost() -> None:
    call = Call().server("session.output_audio.delta", delta="")
    call.server("session.input_transcript.delta", delta="Hello")  # without its times
    call.client("response.create")
    say(call, "assistant", 900, "Hi", "there")
    assert spoken(call) == [("user", "Hello"), ("assistant", "Hi there")]
    assert call.state.live is not None and call.state.live.output is not None
    assert not call.state.translation and call.state.translation_audio is None
    assert not call.state.requests


def test_the_first_proof_counts() -> None:
    call = Call().server("session.created", session={"id": "sess_1"})
    call.server("session.started", **LIVE_SESSION)
    assert call.state.protocol == REALTIME
    assert "session.started" in call.state.unknown_types


def test_a_client_cannot_make_a_session_unreadable() -> None:
    call = Call().client("session.start", session={"model": "gpt-live-1"})
    call.server("session.created", session={"id": "sess_1", "model": "gpt-realtime"})
    call.typed("item_1", "Hello")
    assert call.state.protocol == REALTIME
    assert call.order() == ["item_1"]


def test_types_of_the_other_protocol_are_unknown() -> None:
    call = started().server("conversation.item.added", item={"id": "item_1"})
    call.server("input_text.delta", delta="x")
    assert call.state.unknown_types == {"conversation.item.added": 1, "input_text.delta": 1}
    assert not call.state.items


@given(st.integers(0, 6), st.booleans())
def test_a_sideband_is_known_by_its_address(before: int, is_attached: bool) -> None:
    call = Call()
    path = "/live_1/attach" if is_attached else ""
    call.store("opened", url=f"wss://api.openai.com/v1/live/sessions{path}")
    for _ in range(before):
        call.server("session.input_audio.append", audio="AAAA")
    call.server("session.usage.updated", usage={"seconds": 3})
    assert call.state.protocol == LIVE
    assert call.state.translates is False
