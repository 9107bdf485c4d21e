"""Unit: deltas that are added without a look-up change a state as their handlers do."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from support.calls import SAMPLE_STREAMS, SHORT_STREAMS
from support.events import SESSION, Call, log_events
from support.examples import examples
from support.strategies import delivered_twice, mutated, streams

from eventstore.projection.fold import apply, fold
from eventstore.projection.growing import grow
from eventstore.projection.state import LogEvent, SessionState
from eventstore.realtime.frames import Frame


def by_handlers(events: Iterable[LogEvent]) -> SessionState:
    """The state of a session whose deltas were all looked up."""
    state = SessionState(SESSION)
    for event in events:
        state.growing = None
        apply(state, event)
    return state


def check(frames: list[Frame]) -> None:
    events = log_events(frames)
    state, wanted = fold(SESSION, events), by_handlers(events)
    assert state == wanted and state.repeats == wanted.repeats


@examples(200)
@given(streams())
def test_any_stream(stream: list[Frame]) -> None:
    check(stream)


@examples(200)
@given(mutated(SHORT_STREAMS))
def test_what_servers_send_taken_apart(stream: list[Frame]) -> None:
    check(stream)


@examples(100)
@given(delivered_twice([*SAMPLE_STREAMS, *SHORT_STREAMS]))
def test_what_comes_twice(stream: list[Frame]) -> None:
    check(stream)


def deltas(*changed: dict[str, Any], index: int = 0) -> list[Frame]:
    """Two deltas of a text, one for each that differs in something, and one behind them."""
    call = Call().server("response.created", event_id="event_r", response={"id": "resp"})
    item = {"id": "item", "type": "message", "role": "assistant", "content": []}
    call.server("response.output_item.added", response_id="resp", item=item)
    for place in (0, 1):
        part = {"content_index": place, "part": {"type": "text", "text": ""}}
        call.server("response.content_part.added", response_id="resp", item_id="item", **part)
    same = {
        "type": "response.output_text.delta",
        "response_id": "resp",
        "item_id": "item",
        "content_index": index,
    }
    for number, other in enumerate(({}, {}, *changed, {})):
        told = {**same, "event_id": f"event_{number}", "delta": f"{number} ", **other}
        sent = {name: value for name, value in told.items() if value != "left out"}
        call.server(sent.pop("type"), **sent)
    return call.frames


@pytest.mark.parametrize(
    "other",
    [
        {"event_id": "event_1"},
        {"event_id": "event_1", "delta": "1 "},
        {"event_id": None},
        {"event_id": ""},
        {"event_id": "left out"},
        {"content_index": 1},
        {"content_index": 0.0},
        {"content_index": False},
        {"content_index": True},
        {"content_index": 1.0},
        {"content_index": "left out"},
        {"item_id": "another"},
        {"item_id": None},
        {"response_id": "another"},
        {"response_id": "left out"},
        {"delta": None},
        {"delta": ["a"]},
        {"delta": ""},
        {"type": "response.text.delta"},
        {"type": "response.output_text.done", "text": "all of it"},
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize("index", [0, 1])
def test_a_delta_that_differs(other: dict[str, Any], index: int) -> None:
    check(deltas(other, index=index))


def test_the_id_of_the_responses_event_proves_no_repetition() -> None:
    same = {"event_id": "event_r", "delta": "again "}
    frames = deltas(same, {}, same, same)
    check(frames)
    (item,) = fold(SESSION, log_events(frames)).items.values()
    assert "".join(item.parts[0].text_deltas).count("again ") == 3


def test_an_id_that_is_written_with_escapes_is_none() -> None:
    frames = deltas({}, {}, {})
    escaped = [
        frame._replace(text=str(frame.text).replace("event_id", "event\\u005fid"))
        for frame in frames
    ]
    check([*frames, *escaped, *escaped])


def test_most_deltas_are_added_without_a_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    added = []

    def counted(*arguments: Any) -> bool:
        added.append(grow(*arguments))
        return added[-1]

    monkeypatch.setattr("eventstore.projection.fold.grow", counted)
    fold(SESSION, log_events(deltas({}, {}, {})))
    assert added == [True] * 5
