"""Integration: the spans that are sent while a session goes on are those that an export has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import count, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import beta_tool_call, voice_call
from support.events import Call
from support.examples import examples
from support.gpt_live import client_call, decisions_call, responses_call
from support.live_strategies import live_streams
from support.recordings import each_recording, frames
from support.strategies import streams

from eventstore import EventStore, Frame, read_spans
from eventstore.exports.otel import sent_spans
from eventstore.exports.otel.parts import Parts
from eventstore.exports.otel.sent_spans import SpanReader
from eventstore.exports.otel.session_spans import child_spans
from eventstore.exports.otel.spans import Span
from eventstore.projection.state import SessionState
from eventstore.store.consumers.checkpoints import begin_checkpoint
from eventstore.store.database.transaction import write

NUMBERS = count(1)
LINK = "https://calls.example"
Sent = dict[bytes, Span]


def reader(store: EventStore, name: str = "traces", content: bool = True) -> SpanReader:
    return SpanReader(store.engine, name, content, LINK)


def note(sent: Sent, spans: Iterable[Span]) -> tuple[int, int]:
    """Note spans as a backend does that keeps the last one of an id.

    How many came again, and how many of those as they were.
    """
    again = same = 0
    for span in spans:
        again += span.span_id in sent
        same += sent.get(span.span_id) == span
        sent[span.span_id] = span
    return again, same


def exported(store: EventStore, session_id: str, content: bool = True) -> Sent:
    spans = read_spans(store, session_id, content, LINK)
    return {span.span_id: span for span in spans}


def ended(store: EventStore, session_id: str) -> Sent:
    """The spans that have ended, without a memory of what was sent."""
    return {span.span_id: span for span in reader(store).new_spans(session_id)}


def restarted(store: EventStore, session_id: str) -> SpanReader:
    """A reader of another process, which knows the checkpoint alone."""
    name = f"traces-{next(NUMBERS)}"
    with write(store.engine) as tx:
        begin_checkpoint(tx, session_id, name, store.last_seq(session_id), 0)
    return reader(store, name)


def follow(
    store: EventStore, stream: list[Frame], cuts: Iterable[int], killed: bool = False
) -> tuple[str, Sent, int]:
    """Send the spans of a session in pieces, and then its end; the spans, and how many again."""
    session_id, sent, again = f"sess_{next(NUMBERS)}", Sent(), 0
    one = reader(store)
    places = sorted({0, *(cut % (len(stream) + 1) for cut in cuts), len(stream)})
    for first, last in pairwise(places):
        store.append(session_id, stream[first:last])
        more, same = note(sent, one.new_spans(session_id))
        assert killed or not same
        again += more
        # A Live session whose timeline begins anew may go on with what had ended.
        for span_id, span in ended(store, session_id).items():
            assert sent[span_id] == span
        assert one.new_spans(session_id) == []
        if killed:
            one = restarted(store, session_id)
    store.append(session_id, [], close=True)
    more, same = note(sent, one.new_spans(session_id))
    assert killed or not same
    return session_id, sent, again + more


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("make", [streams, live_streams], ids=["realtime", "live"])
def test_what_was_sent_is_what_an_export_has(
    store: EventStore, make: type[st.SearchStrategy[list[Frame]]], killed: bool
) -> None:
    @given(stream=make(), cuts=st.lists(st.integers(0, 40), max_size=8))
    @examples(25)
    def check(stream: list[Frame], cuts: list[int]) -> None:
        session_id, sent, _ = follow(store, stream, cuts, killed)
        assert sent == exported(store, session_id)

    check()


CALLS = {
    "voice": voice_call().frames,
    "tools": beta_tool_call().frames,
    "client": client_call().frames,
    "responses": responses_call().frames,
    "decisions": decisions_call().frames,
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("killed", [False, True])
def test_calls_event_by_event(store: EventStore, name: str, killed: bool) -> None:
    stream = list(CALLS[name])
    session_id, sent, again = follow(store, stream, range(len(stream)), killed)
    assert sent == exported(store, session_id)
    assert len(sent) > 1
    print(name, len(sent), again)


@each_recording
def test_recordings(store: EventStore, recording: Path) -> None:
    stream = list(frames(recording))
    session_id, sent, again = follow(store, stream, range(0, len(stream), 9))
    assert sent == exported(store, session_id)
    print(len(sent), again, Counter(s.name for s in sent.values()))


def test_what_comes_ahead_of_a_response_changes_its_input(store: EventStore) -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_2").done("resp_1")
    call.typed("item_1", "Hello", previous="root").server(
        "conversation.item.deleted", item_id="item_1"
    )
    session_id, sent, again = follow(store, call.frames, range(len(call.frames)))
    assert sent == exported(store, session_id) and again == 2


def test_a_score_does_not_make_each_step_look_at_all_spans(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Call()
    for number in range(20):
        call.created(f"resp_{number}").done(f"resp_{number}")
    store.append("scored", call.frames)
    store.score("scored", "helpful", 0.5, response="resp_3")
    one, looked = reader(store), list[int]()
    one.new_spans("scored")

    def counted(state: SessionState, parts: Parts, content: bool) -> list[Span]:
        looked.append(len(parts.responses))
        return child_spans(state, parts, content)

    monkeypatch.setattr(sent_spans, "child_spans", counted)
    store.append("scored", Call().created("resp_20").done("resp_20").frames)
    assert len(one.new_spans("scored")) == 1 and looked == [2]
    store.score("scored", "helpful", None, response="resp_3")
    assert [span.evaluations for span in one.new_spans("scored")] == [[]]
