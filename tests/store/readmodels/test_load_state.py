"""A state loaded from the log, which skips most of it, equals one that folded every event."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.calls import SAMPLE_STREAMS, SHORT_STREAMS, beta_tool_call, cut_off_call, voice_call
from support.events import SESSION, Call, audio_part, log_events, message
from support.examples import examples
from support.rows import views
from support.strategies import delivered_twice, mutated, streams

from eventstore.archive.seal import seal_session
from eventstore.projection.fold import apply, fold
from eventstore.projection.handlers.session import close_session
from eventstore.projection.state import LogEvent, SessionState
from eventstore.realtime.catalogue import TEXT_DELTAS
from eventstore.realtime.frames import Frame
from eventstore.store.database.transaction import read
from eventstore.store.readmodels.states import state_rows as module
from eventstore.store.readmodels.states.load_state import load_state
from eventstore.store.sessions.append import append

_numbers = itertools.count(1)


def loaded_at(engine: Engine, session_id: str, seq: int, closed: bool = False) -> SessionState:
    with read(engine) as tx:
        return load_state(tx, session_id, seq, closed)


def goes_on(state: SessionState, events: list[LogEvent]) -> SessionState:
    """The state with the rest of the events folded."""
    for event in events[state.seq :]:
        apply(state, event)
    return state


def at_every_seq(engine: Engine, call: Call) -> None:
    append(engine, None, SESSION, call.frames)
    events = log_events(call.frames)
    for seq in range(1, len(events) + 1):
        loaded = loaded_at(engine, SESSION, seq)
        assert views(loaded) == views(fold(SESSION, events[:seq])), seq
        assert views(goes_on(loaded, events)) == views(fold(SESSION, events)), seq


def both_ways(engine: Engine, streams_: st.SearchStrategy[list[Frame]], count: int) -> None:
    """Compare at any seq of so many streams; fewer on PostgreSQL, where each takes longer."""

    @examples(count if engine.dialect.name == "sqlite" else count // 4)
    @given(streams_, st.data())
    def holds(stream: list[Frame], data: st.DataObject) -> None:
        session_id, events = f"sess_{next(_numbers)}", log_events(stream)
        append(engine, None, session_id, stream)
        seq = data.draw(st.integers(1, len(events)), label="seq")
        loaded = loaded_at(engine, session_id, seq)
        assert views(loaded) == views(fold(session_id, events[:seq]))
        # Nor was anything lost that only later events depend on.
        assert views(goes_on(loaded, events)) == views(fold(session_id, events))

    holds()


def test_arbitrary_streams(engine: Engine) -> None:
    both_ways(engine, streams(25), 60)


def test_what_servers_send(engine: Engine) -> None:
    both_ways(engine, mutated(SAMPLE_STREAMS), 40)


def test_short_streams_taken_apart(engine: Engine) -> None:
    both_ways(engine, mutated(SHORT_STREAMS), 100)


def test_events_that_come_twice(engine: Engine) -> None:
    both_ways(engine, delivered_twice([*SAMPLE_STREAMS, *SHORT_STREAMS]), 100)


@pytest.mark.parametrize(
    "call",
    [voice_call(), beta_tool_call(), cut_off_call()],
    ids=["voice", "tool", "cut-off"],
)
def test_every_seq_of_a_call(engine: Engine, call: Call) -> None:
    at_every_seq(engine, call)


@pytest.mark.parametrize("offset", range(4))
def test_first_texts_where_one_piece_of_the_log_ends(engine: Engine, offset: int) -> None:
    call = Call()
    for number in range(offset):
        call.created(f"resp_0{number}")
    for number in range(260):
        response, item = f"resp_{number}", f"item_{number}"
        call.created(response).begins_speech(response, item)
        call.says(response, item, f"word{number} ")
    append(engine, None, SESSION, call.frames)
    events = log_events(call.frames)
    assert views(loaded_at(engine, SESSION, len(events))) == views(fold(SESSION, events))


def test_a_stream_of_many_pieces(engine: Engine) -> None:
    call = voice_call().created("resp_3").begins_speech("resp_3", "item_9")
    call.says("resp_3", "item_9", *(f"word{number} " for number in range(3000)))
    append(engine, None, SESSION, call.frames)
    loaded = loaded_at(engine, SESSION, len(call.frames))
    assert views(loaded) == views(fold(SESSION, log_events(call.frames)))


def test_every_seq_where_transcripts_come_before_their_items(engine: Engine) -> None:
    delta = "conversation.item.input_audio_transcription.delta"
    heard = message("item_1", "user", audio_part(None, "input_audio"))
    call = (
        Call()
        .server(delta, item_id="item_1", delta="Hel")
        .server(delta, item_id="item_2", delta="No")
    )
    call.added(message("item_1", "user", {})).server(delta, item_id="item_1", delta="lo")
    call.added(heard).server(delta, item_id="item_1", delta="!").transcribed("item_2", "None")
    call.server(delta, item_id="item_3", delta="Y").spoken("item_3", 0, 500)
    call.server(delta, item_id="item_3", delta="es").added({**heard, "id": "item_2"}).server(
        delta, item_id="item_2", delta="no"
    )
    at_every_seq(engine, call)


def test_a_closed_stream(engine: Engine) -> None:
    call = cut_off_call()
    append(engine, None, SESSION, call.frames, close=True)
    expected = fold(SESSION, log_events(call.frames))
    close_session(expected)
    assert views(loaded_at(engine, SESSION, len(call.frames), closed=True)) == views(expected)


def test_nothing_loaded_counts_as_changed(engine: Engine) -> None:
    call = voice_call()
    append(engine, None, SESSION, call.frames)
    assert not loaded_at(engine, SESSION, len(call.frames)).dirty


@pytest.fixture
def folded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The types of all events that loads of states fold."""
    types: list[str] = []
    advance = module.apply_fields

    def noting(state: SessionState, seq: int, at: int | None, *event: object) -> None:
        types.append(str(event[1]))
        advance(state, seq, at, *event)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "apply_fields", noting)
    return types


@pytest.mark.parametrize("sealed", [False, True])
def test_deltas_of_finished_parts_are_not_read(
    engine: Engine, folded: list[str], sealed: bool
) -> None:
    call = beta_tool_call()
    append(engine, None, SESSION, call.frames, close=True)
    if sealed:
        seal_session(engine, SESSION)
    loaded_at(engine, SESSION, len(call.frames))
    deltas = [type_ for type_ in folded if type_ in TEXT_DELTAS]
    written = [event.type for event in log_events(call.frames) if event.type in TEXT_DELTAS]
    assert len(written) == 7
    # No more than to learn when the first text came.
    assert len(deltas) <= 4


def test_a_sealed_call_goes_on_as_if_each_delta_had_been_folded(engine: Engine) -> None:
    call = cut_off_call().created("resp_9").begins_speech("resp_9", "item_9")
    call.says("resp_9", "item_9", "one ", "two ")
    append(engine, None, SESSION, call.frames, close=True)
    seal_session(engine, SESSION)
    sealed = len(call.frames)
    call.says("resp_9", "item_9", "two ", "three ").created("resp_10")
    events = log_events(call.frames)
    for seq in range(1, sealed + 1):
        loaded = goes_on(loaded_at(engine, SESSION, seq), events)
        assert views(loaded) == views(fold(SESSION, events)), seq


def audio_delta(item_id: str | None, response_id: str | None, index: int = 0) -> Frame:
    """A delta of 12 bytes."""
    event = {
        "type": "response.output_audio.delta",
        "response_id": response_id,
        "item_id": item_id,
        "content_index": index,
        "delta": "AAAAAAAAAAAAAAAA",
    }
    return Frame("server", json.dumps(event), 1_000_000)


def server(type_: str, **fields: object) -> Frame:
    return Frame("server", json.dumps({"type": type_, **fields}), 2_000_000)


ANNOUNCED = server(
    "response.output_item.added", response_id="resp_1", item={"id": "item_1", "type": "message"}
)
USERS = server("conversation.item.added", item={"id": "item_1", "type": "message", "role": "user"})
CREATED = server("response.created", response={"id": "resp_2"})


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param([audio_delta("item_1", "resp_1")] * 3, id="never announced"),
        pytest.param(
            [audio_delta("item_1", None), ANNOUNCED, audio_delta("item_1", None)],
            id="tied between two that name no response",
        ),
        pytest.param(
            [audio_delta("item_1", None), ANNOUNCED, audio_delta("item_1", "resp_1")],
            id="two ways to name a part",
        ),
        pytest.param(
            [USERS, audio_delta("item_1", "resp_1"), CREATED, audio_delta("item_1", "resp_1")],
            id="of the user's item",
        ),
        pytest.param(
            [ANNOUNCED, *(audio_delta("item_1", "resp_1", n % 3) for n in range(9))], id="parts"
        ),
        pytest.param(
            [ANNOUNCED, audio_delta("item_1", "resp_1"), audio_delta("item_1", "resp_2")],
            id="of two responses",
        ),
        pytest.param([ANNOUNCED, audio_delta(None, "resp_1")], id="of no item"),
    ],
)
def test_audio_deltas_summed_up(engine: Engine, stream: list[Frame]) -> None:
    append(engine, None, SESSION, stream)
    events = log_events(stream)
    for seq in range(1, len(events) + 1):
        loaded = loaded_at(engine, SESSION, seq)
        assert views(loaded) == views(fold(SESSION, events[:seq])), seq
        assert views(goes_on(loaded, events)) == views(fold(SESSION, events)), seq


def test_audio_deltas_are_not_read_one_by_one(engine: Engine, folded: list[str]) -> None:
    append(engine, None, SESSION, [ANNOUNCED, *[audio_delta("item_1", "resp_1")] * 50])
    audio = loaded_at(engine, SESSION, 51).items["item_1"].parts[0].audio
    assert audio is not None
    assert (audio.first_seq, audio.last_seq, audio.chunks, audio.bytes) == (2, 51, 50, 600)
    assert len(folded) == 2
