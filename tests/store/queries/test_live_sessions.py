"""Integration: open sessions are found by an index of theirs, however many are closed."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from support.events import START, Call, message, text_part
from support.gpt_live import LiveCall
from support.live_speech import say, started

from eventstore import EventStore, Frame
from eventstore.store.database.transaction import read
from eventstore.store.filters.filters import SessionFilter, SessionPaging, checked_filter
from eventstore.store.queries.activity import LastEvent, doing
from eventstore.store.queries.session_pages import sessions_sql
from eventstore.times import now

CLOSED = 20_000

STARTED, STOPPED = "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"
CREATED, DONE = "response.created", "response.done"


@pytest.fixture
def full(store: EventStore) -> EventStore:
    """A store with many closed sessions, and one that is open."""
    numbers = (
        f"SELECT i FROM generate_series(1, {CLOSED}) AS g(i)"
        if store.engine.dialect.name == "postgresql"
        else f"WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < {CLOSED})"
        " SELECT i FROM g"
    )
    with store.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO streams (session_id, head_seq, opened_at, last_at, closed_at,"
                " projected_seq, projector_version)"
                f" SELECT 's' || i, 1, i, i, i, 1, 1 FROM ({numbers}) n"
            )
        )
        connection.execute(
            text(
                "INSERT INTO sessions SELECT 's' || i, i, 'm', 1, 0, 0, 0, '{}', '{}', 0"
                f" FROM ({numbers}) n"
            )
        )
        connection.execute(text("ANALYZE"))
    created = '{"type":"session.created","session":{"id":"open","model":"m"}}'
    store.append("open", [Frame("server", created, CLOSED // 2)])
    return store


@pytest.mark.parametrize(
    ("filters", "paging"),
    [
        ({}, {}),
        ({}, {"order": "asc"}),
        ({"model": "m"}, {}),
        ({"since": 0, "until": 10**9}, {}),
        ({"metadata": "customer!=7"}, {}),
        ({}, {"after": "s19000"}),
    ],
)
def test_the_plan_reads_no_closed_session(
    full: EventStore, filters: dict[str, object], paging: dict[str, object]
) -> None:
    page = full.sessions(live=True, **filters, **paging)  # type: ignore[arg-type]
    assert [entry["id"] for entry in page.data] == ["open"]
    wanted, asked = checked_filter(SessionFilter, filters), checked_filter(SessionPaging, paging)
    with read(full.engine) as tx:
        if tx.distributed:
            pytest.skip("Citus reads a page by two statements, and a node has few sessions here")
        sql, parameters = sessions_sql(tx, wanted, asked, live=True)
        explain = "EXPLAIN " if tx.postgresql else "EXPLAIN QUERY PLAN "
        plan = "\n".join(str(row[-1]) for row in tx.rows(explain + sql, parameters))
    assert "sessions_open" in plan and "SCAN t" not in plan
    assert "Seq Scan on sessions" not in plan and "Seq Scan on streams" not in plan
    assert "sessions_model" not in plan and "sessions_at" not in plan


@pytest.mark.parametrize(
    ("types", "who"),
    [
        ([], "waiting"),
        ([STARTED], "user_speaking"),
        ([STARTED, STOPPED], "waiting"),
        ([STARTED, "input_audio_buffer.committed", CREATED], "answering"),
        ([CREATED, "response.output_item.added"], "answering"),
        ([CREATED, DONE], "waiting"),
        ([CREATED, STARTED, DONE], "user_speaking"),
        ([CREATED, STARTED, "input_audio_buffer.cleared"], "answering"),
    ],
)
def test_who_has_the_floor(types: list[str], who: str) -> None:
    assert doing([LastEvent(type_) for type_ in types], now()) == who


HEARD, SPOKEN = "session.input_transcript.delta", "session.output_transcript.delta"
SOUND = "session.output_audio.delta"


@pytest.mark.parametrize(
    ("events", "seconds_later", "who"),
    [
        ([(HEARD, 0.0)], 0.1, "user_speaking"),
        ([(HEARD, 0.0), (SPOKEN, 0.5)], 0.6, "answering"),
        ([(SPOKEN, 0.0), (SOUND, 1.9)], 2.0, "answering"),
        ([(SPOKEN, 0.0), (SOUND, 2.1)], 2.1, "waiting"),
        ([(SPOKEN, 0.0)], 60.0, "waiting"),  # by WebRTC, nothing comes while nobody speaks
        ([(SPOKEN, 0.0), (HEARD, 61.0)], 61.5, "user_speaking"),
        ([(SPOKEN, 0.0)], -3.0, "answering"),  # the clock of the recorder is ahead
    ],
)
def test_who_has_the_floor_in_a_session_without_turns(
    events: list[tuple[str, float]], seconds_later: float, who: str
) -> None:
    found = [LastEvent(type_, round(START + at * 1e6)) for type_, at in events]
    assert doing(found, round(START + seconds_later * 1e6)) == who


def in_the_list(store: EventStore) -> dict[str, Any]:
    (session,) = store.sessions(live=True)
    notes: dict[str, Any] = session["eventstore"]
    return notes


def move(call: Call, age_seconds: float = 0.0) -> list[Frame]:
    """A call's frames, moved in time: its last one came so long ago."""
    moved = now() - round(age_seconds * 1e6) - max(frame.at or 0 for frame in call.frames)
    return [frame._replace(at=(frame.at or 0) + moved) for frame in call.frames]


def test_who_speaks_in_a_session_of_gpt_live(store: EventStore) -> None:
    call = say(started(), "user", 0, "Where", "is", "it?")
    store.append("live", move(call))
    assert in_the_list(store)["doing"] == "user_speaking"
    call = say(call, "assistant", 900, "Here.")
    store.append("live", move(call)[-1:])
    assert in_the_list(store)["doing"] == "answering"
    call.server("session.paused")
    store.append("live", move(call)[-1:])
    assert in_the_list(store)["doing"] == "waiting"
    assert in_the_list(store)["last_words"] == {"role": "assistant", "text": "Here."}


def test_who_spoke_long_ago_speaks_no_more(store: EventStore) -> None:
    store.append("live", move(say(started(), "user", 0, "Hello?"), age_seconds=60))
    assert in_the_list(store)["doing"] == "waiting"


def test_last_words_are_words_that_somebody_said(store: EventStore) -> None:
    call = LiveCall().starts(
        input=[{"role": "user", "content": [{"type": "input_text", "text": "Called before."}]}]
    )
    store.append("live", call.frames)
    assert in_the_list(store)["last_words"] is None
    call.said(("user", 600, "Where is my order?"), ("assistant", 1500, "I am looking"))
    call.told("thinking", "Do not tell that it is lost.", 2400)
    call.delegates("item_work", "responses", 2600, "resp_1")
    call.backend_response("item_work", "response.created", "resp_1", 2700, status="in_progress")
    call.backend_writes("item_work", "msg_1", "Order 42 is lost.")
    content = [{"type": "input_text", "text": "Look again."}]
    item = {"type": "message", "role": "user", "content": content}
    call.app("response.item.create", 2800, item=item)
    store.append("live", call.frames[2:])
    assert in_the_list(store)["last_words"] == {"role": "assistant", "text": "I am looking"}


def test_a_backchannel_is_no_turn_and_not_the_last_words(store: EventStore) -> None:
    call = say(started(), "assistant", 0, *["word"] * 5)
    say(call, "user", 400, "Mhm.")
    say(call, "assistant", 1000, "more")
    store.append("live", call.frames)
    assert in_the_list(store)["last_words"]["role"] == "assistant"


def test_what_is_outside_the_conversation_is_not_the_last_words(store: EventStore) -> None:
    call = Call().typed("item_1", "Hello")
    system = message("item_2", "system", text_part("Be brief.", "input_text"))
    call.server("conversation.item.created", item=system, previous_item_id="item_1")
    aside = message("item_3", "assistant", text_part("topic: greeting"))
    response = {"id": "resp_1", "object": "realtime.response", "conversation_id": None}
    call.server("response.created", response={**response, "status": "in_progress", "output": []})
    done = {**response, "status": "completed", "output": [aside]}
    call.server("response.done", response=done)
    store.append("sess", call.frames)
    assert in_the_list(store)["last_words"] == {"role": "user", "text": "Hello"}
