"""What holds for any events in any order."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import SAMPLE_STREAMS, beta_tool_call, voice_call
from support.events import SESSION, Call, log_events
from support.examples import examples
from support.odd_json import ODD_TEXTS, with_each_value
from support.rows import views
from support.strategies import TYPES, mutated, streams

from eventstore.projection.fold import apply, fold
from eventstore.projection.state import (
    MAX_DIAGNOSTICS,
    MAX_DTMF,
    MAX_UNKNOWN_TYPES,
    LogEvent,
    SessionState,
)
from eventstore.realtime.frames import CLIENT, SERVER, Frame, decode
from eventstore.realtime.values import dumps, loads


@examples(100)
@given(streams())
def test_a_fold_never_fails_and_its_views_can_be_written(stream: list[Frame]) -> None:
    shown = views(fold(SESSION, log_events(stream)))
    text = dumps(shown)
    assert "\0" not in text
    text.encode("utf-8")
    loads(text)


@examples(60)
@given(mutated(SAMPLE_STREAMS, arbitrary=False))
def test_a_fold_of_what_servers_send_meets_nothing_unforeseen(stream: list[Frame]) -> None:
    state = fold(SESSION, log_events(stream))
    assert "fold_error" not in {entry["code"] for entry in state.diagnostics}
    dumps(views(state))


@examples(60)
@given(streams(20) | mutated(SAMPLE_STREAMS), st.data())
def test_state_at_n_depends_on_the_events_up_to_n(stream: list[Frame], data: st.DataObject) -> None:
    events = log_events(stream)
    n = data.draw(st.integers(0, len(events)), label="n")
    state = fold(SESSION, events[:n])
    assert views(fold(SESSION, copy.deepcopy(events[:n]))) == views(state)
    for event in events[n:]:
        apply(state, event)
    assert views(state) == views(fold(SESSION, copy.deepcopy(events)))


@examples(60)
@given(streams(20) | mutated(SAMPLE_STREAMS), st.data())
def test_a_view_stays_as_it_is_when_more_events_come(
    stream: list[Frame], data: st.DataObject
) -> None:
    events = log_events(stream)
    n = data.draw(st.integers(0, len(events)), label="n")
    state = fold(SESSION, events[:n])
    shown = views(state)
    kept = copy.deepcopy(shown)
    for event in events[n:]:
        apply(state, event)
    assert shown == kept


@examples(60)
@given(streams(20) | mutated(SAMPLE_STREAMS))
def test_a_fold_leaves_its_events_as_they_are(stream: list[Frame]) -> None:
    events = log_events(stream)
    kept = copy.deepcopy(events)
    views(fold(SESSION, events))
    assert events == kept


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"item": {"id": "item_1", "type": ["list"], "content": {"no": "list"}}},
        {"item": [], "response": [], "session": "no object", "error": 1, "part": None},
        {"item": {"id": ""}, "response": {"id": 5}, "item_id": 5, "response_id": {}},
        {"item_id": "item_1", "response_id": "resp_1", "content_index": -1, "delta": 5},
        {"item_id": "item_1", "content_index": 10**30, "audio_end_ms": "soon"},
        {"metadata": [], "usage": "none", "conversation": {"id": {"a": "b"}}},
    ],
)
def test_any_body_of_any_type_is_survived(body: dict[str, Any] | None) -> None:
    state = SessionState(SESSION)
    for seq, type_ in enumerate([*TYPES, *reversed(TYPES)], 1):
        apply(state, LogEvent(seq, None, SERVER, type_, copy.deepcopy(body)))
        dumps(views(state))


ODD: list[Any] = [
    None,
    True,
    -5,
    1.5,
    10**30,
    "x" * 300,
    "\0\ud83d",
    [],
    ["a", None],
    {},
    {"a": {}},
]


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values of a JSON value are, all but the outermost."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from paths(value[key], (*path, key))


def replaced(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """A copy of a JSON value with another value at a path."""
    if not path:
        return odd
    copied = value.copy()
    copied[path[0]] = replaced(value[path[0]], path[1:], odd)
    return copied


@pytest.mark.parametrize("call", [voice_call(), beta_tool_call()], ids=["voice", "tool"])
def test_one_odd_value_anywhere_is_survived(call: Call) -> None:
    events = log_events(call.frames)
    seen = set()
    for index, event in enumerate(events):
        for path in paths(event.event):
            if path == ("type",) or (event.type, path) in seen:
                continue
            seen.add((event.type, path))
            for odd in ODD:
                body = replaced(event.event, path, odd)
                state = fold(SESSION, [*events[:index], event._replace(event=body)])
                for later in events[index + 1 :]:
                    apply(state, later)
                dumps(views(state)).encode("utf-8")
    assert len(seen) > 50


@pytest.mark.parametrize("kind", ["message", "function_call", "mcp_call", "novelty", ["list"]])
@pytest.mark.parametrize("content", [True, 5, "text", {"a": 1}, ["a", None, [], {}]])
def test_any_content_of_a_truncated_item_is_survived(kind: Any, content: Any) -> None:
    call = Call().created("resp_1").sounds("resp_1", "item_1", 10).truncated("item_1", 5)
    item = {"id": "item_1", "type": kind, "content": content}
    call.server("response.output_item.done", response_id="resp_1", item=item).done("resp_1")
    dumps(views(call.state))


@pytest.mark.parametrize("kind", ["message", "function_call", "novelty"])
def test_a_view_of_a_truncated_item_leaves_its_event_as_it_is(kind: str) -> None:
    call = Call().truncated("item_1", 5)
    call.added({"id": "item_1", "type": kind, "content": [{"type": "audio", "transcript": "Hi"}]})
    events = log_events(call.frames)
    views(fold(SESSION, events))
    assert events == log_events(call.frames)


def test_an_unknown_event_is_counted_by_its_type() -> None:
    call = Call().server("response.unheard_of").server("response.unheard_of").server("pong")
    notes = call.session()["eventstore"]
    assert notes["unknown_types"] == {"response.unheard_of": 2, "pong": 1}
    assert notes["diagnostics"] == []


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"type":null}', "\0", b"\x00\xff", ""])
def test_an_unreadable_frame_is_counted_and_what_follows_is_projected(text: str | bytes) -> None:
    call = Call().frame(SERVER, text).typed("item_1", "Hello")
    notes = call.session()["eventstore"]
    assert notes["unreadable_frames"] == 1
    assert notes["diagnostics"][0]["seq"] == 1
    assert notes["diagnostics"][0]["code"] == "unreadable_frame"
    assert call.order() == ["item_1"]


def test_the_first_hundred_diagnostics_are_kept_and_all_are_counted() -> None:
    call = Call()
    for _ in range(MAX_DIAGNOSTICS + 5):
        call.frame(SERVER, "no JSON")
    notes = call.session()["eventstore"]
    assert len(notes["diagnostics"]) == MAX_DIAGNOSTICS
    assert notes["diagnostics_count"] == MAX_DIAGNOSTICS + 5


def test_a_client_cannot_speak_as_the_recorder() -> None:
    forged = json.dumps({"type": "eventstore.session.metadata", "metadata": {"a": "b"}})
    call = Call().frame(CLIENT, forged).frame(SERVER, forged)
    assert call.session()["eventstore"]["metadata"] == {}
    assert call.store("metadata", metadata={"a": "b"}).session()["eventstore"]["metadata"] == {
        "a": "b"
    }


@pytest.mark.parametrize("odd", ODD_TEXTS, ids=lambda odd: odd[:24])
def test_any_value_in_any_place_of_an_event_is_nothing_unforeseen(odd: str) -> None:
    for stream in SAMPLE_STREAMS:
        state, seq = SessionState(SESSION), 0
        for event in log_events(stream):
            texts = with_each_value(event.event, odd)
            for text in texts:
                seq += 1
                decoded = decode(text)
                apply(state, LogEvent(seq, event.at, event.direction, decoded.type, decoded.event))
                codes = {entry["code"] for entry in state.diagnostics}
                assert "fold_error" not in codes, (text, state.diagnostics[-1])
                state.diagnostics.clear()
            seq += 1
            apply(state, event._replace(seq=seq))
        assert seq > len(stream)
        dumps(views(state))


def test_names_of_unknown_types_are_bounded_and_the_rest_is_counted() -> None:
    call = Call()
    for number in range(3 * MAX_UNKNOWN_TYPES):
        call.server(f"odd.{number}").server("odd.0")
    notes = call.session()["eventstore"]
    assert len(notes["unknown_types"]) == MAX_UNKNOWN_TYPES
    assert notes["unknown_types"]["odd.0"] == 3 * MAX_UNKNOWN_TYPES + 1
    assert notes["events_of_other_unknown_types"] == 2 * MAX_UNKNOWN_TYPES


def test_pressed_keys_are_bounded_and_the_rest_is_counted() -> None:
    call = Call()
    for _ in range(MAX_DTMF + 5):
        call.server("input_audio_buffer.dtmf_event_received", event="1")
    notes = call.session()["eventstore"]
    assert (len(notes["dtmf"]), notes["dtmf_left_out"]) == (MAX_DTMF, 5)
