"""Integration: each tool reads each stream of events, recorded, odd or hostile, and none fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import SAMPLE_STREAMS
from support.examples import examples, some
from support.live_strategies import live_streams
from support.strategies import streams

from eventstore import EventStore
from eventstore.errors import DamagedError, EventStoreError, UnforeseenError
from eventstore.mcp.answers import Answer
from eventstore.mcp.asking import Asker, Service
from eventstore.mcp.bounds import MAX_ANSWER_BYTES
from eventstore.mcp.running import access_without_key
from eventstore.mcp.server import tool_result
from eventstore.mcp.tools.registry import BY_NAME, Tool
from eventstore.realtime.frames import Frame
from eventstore.web.server.requests import Stores


def _calls(session_id: str, other: str) -> Iterator[tuple[str, dict[str, Any]]]:
    own = {"session_id": session_id}
    for at in (None, 1, 3, "+0.01", "+5"):
        for part in ("overview", "items", "responses"):
            yield "read_session", {**own, "at": at, "part": part, "limit": 100}
    yield "read_transcript", {**own, "limit": 500}
    yield "list_events", {**own, "limit": 100, "frame_characters": 50_000}
    yield "list_events", {**own, "type": "response.*", "frame_characters": 0}
    yield "hear", own
    yield "hear", {**own, "start": 0.01, "end": 3, "side": "assistant"}
    yield "compare_calls", {"session_a": session_id, "session_b": other}
    yield "find_sessions", {"limit": 100}
    yield "find_sessions", {"text": "hello", "sort": "latency"}
    yield "find_responses", {"session": session_id, "limit": 100, "sort": "tokens"}
    for by in ("day,model", "session", "metadata:topic"):
        yield "sum_usage", {"by": by}
        yield "sum_latency", {"by": by}
    yield "sum_scores", {"by": "metadata:topic"}
    yield "list_metadata", {}


def _answer(tool: Tool, asker: Asker, arguments: dict[str, Any]) -> Answer | EventStoreError:
    try:
        return tool.run(asker, tool.arguments.model_validate(arguments))
    except EventStoreError as error:
        return error


def _check(store: EventStore, session_id: str) -> None:
    for raw in (False, True):
        access = access_without_key("test", {}, raw, allow_writing=False)
        asker = Asker(Service(Stores(store, store, None), access, False, 100.0), access)
        for name, arguments in _calls(session_id, "sess_other"):
            tool = BY_NAME[name]
            answer = _answer(tool, asker, arguments)
            if isinstance(answer, EventStoreError):
                foreseen = not isinstance(answer, UnforeseenError | DamagedError)
                assert foreseen and (name == "hear" or "at" in arguments), (name, arguments, answer)
                continue
            result = tool_result(answer)
            assert not result.is_error, (name, arguments)
            sent = json.loads(result.model_dump_json(by_alias=True))
            assert len(sent["content"][0]["text"].encode()) <= MAX_ANSWER_BYTES


@pytest.fixture(autouse=True)
def _other(store: EventStore) -> None:
    store.append("sess_other", SAMPLE_STREAMS[1])


def test_tools_read_recorded_streams(store: EventStore) -> None:
    for number, frames in enumerate(some(SAMPLE_STREAMS, 2)):
        store.append(f"sess_{number}", frames)
        _check(store, f"sess_{number}")


@examples(8)
@given(st.data())
def test_tools_read_odd_streams(store: EventStore, data: st.DataObject) -> None:
    frames: list[Frame] = data.draw(streams() | live_streams())
    session_id = f"sess_{store.status()['sessions']}"
    store.append(session_id, [*frames, Frame("server", '{"type":"x"}')])
    _check(store, session_id)
