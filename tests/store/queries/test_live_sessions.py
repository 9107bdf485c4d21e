"""Integration: open sessions are found by an index of theirs, however many are closed."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from support.live_speech import say, started

from eventstore import EventStore, Frame
from eventstore.store.database.transaction import read
from eventstore.store.filters.filters import SessionFilter, SessionPaging, checked_filter
from eventstore.store.queries.activity import doing
from eventstore.store.queries.session_pages import sessions_sql

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
    assert doing(types) == who


def test_who_speaks_in_a_session_of_gpt_live(store: EventStore) -> None:
    call = say(started(), "user", 0, "Where", "is", "it?")
    store.append("live", call.frames)
    (session,) = store.sessions(live=True)
    assert session["eventstore"]["doing"] == "user_speaking"
    store.append("live", say(call, "assistant", 900, "Here.").frames[len(call.frames) - 1 :])
    (session,) = store.sessions(live=True)
    assert session["eventstore"]["doing"] == "answering"
    for _ in range(64):
        call.server("session.output_audio.delta", delta="")
    store.append("live", call.frames[-64:])
    (session,) = store.sessions(live=True)
    assert session["eventstore"]["doing"] == "waiting"
    assert session["eventstore"]["last_words"] == {"role": "assistant", "text": "Here."}
