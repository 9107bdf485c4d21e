"""On a store that Citus has spread, each statement of an append names one session by a constant.

Citus then sends it to the one node that has the session, and commits it there in one phase. The
rule is held here on any PostgreSQL, which is told that it is spread; only a cluster shows the plans
of Citus.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine
from support.calls import SAMPLE_STREAMS, voice_call
from support.postgres import CitusCluster
from support.rows import read_model_rows

from eventstore.store.database import engine as engines
from eventstore.store.database.connections import pool
from eventstore.store.database.connections.pool import close_all
from eventstore.store.database.transaction import Transaction, write
from eventstore.store.log import insert_events
from eventstore.store.readmodels.states.state_cache import StateCache
from eventstore.store.sessions.append import append, append_together
from eventstore.store.sessions.append_arguments import Append
from eventstore.store.sessions.project_session import project_session

Statement = tuple[str, Sequence[Any]]
SAMPLES = [*SAMPLE_STREAMS, voice_call().frames]


@pytest.fixture
def spread(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine that takes its database for one of Citus."""
    monkeypatch.setattr(pool, "is_distributed", lambda connection: True)
    made = engines.create(postgres_url)
    with write(made):
        pass  # it looks at the database with its first transaction
    yield made
    close_all(made)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[Statement]:
    """The statements that transactions send, with their parameters."""
    sent: list[Statement] = []
    for name in ("run", "run_many", "rows", "row", "rows_with_bytes"):
        call = getattr(Transaction, name)

        def noting(
            tx: Transaction, sql: str, parameters: Sequence[Any] = (), call: Any = call
        ) -> Any:
            sent.append((sql, parameters))
            return call(tx, sql, parameters)

        monkeypatch.setattr(Transaction, name, noting)
    return sent


def check_routed(sql: str, parameters: Sequence[Any], session_id: str) -> None:
    """Check that Citus can send a statement to the node of a session."""
    if re.search(r"\b(store_ids|key_stores)\b", sql):
        return  # each node has these tables as a whole
    assert not re.match(r"\s*(WITH|COPY)\b", sql), sql
    if sql.startswith("INSERT"):
        columns, _, rest = sql.partition(")")
        assert "(session_id," in columns or columns.endswith("(session_id"), sql
        assert rest.lstrip().startswith("VALUES"), sql
        width = columns.count(",") + 1
        assert set(parameters[::width]) == {session_id}, sql
    else:
        assert re.search(r"\bsession_id = \?", sql), sql
        rows = parameters if isinstance(parameters[0], tuple) else [parameters]
        assert all(session_id in row for row in rows), sql


@pytest.mark.parametrize("frames", SAMPLES, ids=range(len(SAMPLES)))
def test_appends_name_one_session(
    spread: Engine, statements: list[Statement], frames: list[Any]
) -> None:
    states = StateCache()
    for count in (1, 1, 3, 12, len(frames)):
        some, frames = frames[:count], frames[count:]
        for step in [[frame] for frame in some] if count < 4 else [some]:
            append(spread, states, "sess_1", step)
    append(spread, states, "sess_1", [], close=True)
    for sql, parameters in statements:
        check_routed(sql, parameters, "sess_1")
    rows = read_model_rows(spread, "sess_1")
    project_session(spread, "sess_1")
    assert rows == read_model_rows(spread, "sess_1")


def test_appends_to_several_sessions_name_one_each(
    spread: Engine, statements: list[Statement]
) -> None:
    states = StateCache()
    frames = voice_call().frames
    for part in (frames[:9], frames[9:]):
        append_together(spread, states, [Append("sess_1", part), Append("sess_2", part)])
    append_together(spread, None, [Append("sess_3", frames)])
    for sql, parameters in statements:
        named = next((id_ for id_ in ("sess_1", "sess_2", "sess_3") if id_ in parameters), None)
        check_routed(sql, parameters, named or "")


def test_a_store_is_looked_at_again(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store may be spread while a process has it open."""
    made = engines.create(postgres_url)
    with write(made) as tx:
        before = tx.distributed
    monkeypatch.setattr(pool, "is_distributed", lambda connection: not before)
    monkeypatch.setattr(pool.time, "monotonic", lambda: 1e9)
    with write(made) as tx:
        assert tx.distributed is not before
    close_all(made)


@pytest.mark.parametrize("frames", SAMPLES, ids=range(len(SAMPLES)))
def test_citus_plans_one_task_on_one_node(
    cluster: CitusCluster, postgres_url: str, statements: list[Statement], frames: list[Any]
) -> None:
    """And it commits there in one phase: of two it would keep a record. COPY has two."""
    engine = engines.create(postgres_url)
    states = StateCache()
    with write(engine):
        pass
    statements.clear()
    for count in (1, 1, 3, 12, insert_events._MOST_INSERTED):
        some, frames = frames[:count], frames[count:]
        append(engine, states, "sess_1", some)
    append(engine, states, "sess_1", [], close=True)
    sent = dict(statements)
    assert len(sent) > 5
    with psycopg.connect(postgres_url) as connection:
        for sql, parameters in sent.items():
            many = next(iter(parameters), None)
            given = many if isinstance(many, tuple) else parameters
            explain = "EXPLAIN (COSTS OFF) " + sql.replace("%", "%%").replace("?", "%s")
            plan = [line for (line,) in connection.execute(explain.encode(), given).fetchall()]
            counts = [line.strip() for line in plan if "Task Count" in line]
            assert counts in (["Task Count: 1"], []), plan
            assert counts or re.search(r"\b(store_ids|key_stores)\b", sql), plan
        assert connection.execute("SELECT COUNT(*) FROM pg_dist_transaction").fetchall() == [(0,)]
    close_all(engine)
