"""Choose sessions to work on, page by page, from the log, even if they are not projected yet.

Called by archive/erase.py, archive/retain.py and verbs/queries.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.store.database.transaction import Row, Transaction, read
from eventstore.store.filters.filters import BasicFilter
from eventstore.store.filters.sql_conditions import (
    Where,
    add_metadata_condition,
    add_scope,
    add_time,
)

_COLUMNS = (
    "t.session_id, t.head_seq,"
    " (SELECT COUNT(*) FROM responses r WHERE r.session_id = t.session_id), t.erased_at"
)
STREAM = f"SELECT {_COLUMNS} FROM streams t WHERE t.session_id = ?"
NOT_SEALED = "COALESCE(t.sealed_seq, 0) < t.head_seq"
WITH_AUDIO = (
    "NOT EXISTS (SELECT 1 FROM erasures e WHERE e.session_id = t.session_id AND e.what = 'audio'"
    " AND e.events = t.head_seq)"
)
_PAGE = 500


class SessionChoice(NamedTuple):
    """A choice of sessions that are not erased.

    Attributes:
        filters: Conditions on their metadata, model and time.
        closed: True chooses only closed sessions.
        closed_before: Only sessions that were closed before this time, in microseconds since 1970
            UTC.
        undone: An SQL condition on `streams t` that holds if something is left to do, such as
            `NOT_SEALED`.
    """

    filters: BasicFilter = BasicFilter()
    closed: bool = False
    closed_before: int | None = None
    undone: str | None = None


class ChosenSession(NamedTuple):
    """A session that was chosen.

    Attributes:
        session_id: Its id.
        events, responses: How many it has; for an erased session, how many events it had.
        erased_at: When it was erased, in microseconds since 1970 UTC; None if it was not.
    """

    session_id: str
    events: int
    responses: int
    erased_at: int | None


def choose_sessions(
    engine: Engine, choice: SessionChoice, besides: Sequence[SessionChoice] = ()
) -> Iterator[ChosenSession]:
    """Yield the sessions of a choice in the order of their ids. Only one page is in memory.

    Args:
        choice: The choice.
        besides: Other choices; the sessions that they choose are left out.
    """
    last = ""
    while True:
        with read(engine) as tx:
            rows = _page(tx, choice, besides, last)
        yield from map(ChosenSession._make, rows)
        if len(rows) < _PAGE:
            return
        last = rows[-1][0]


def find_any_session(engine: Engine, session_id: str) -> ChosenSession | None:
    """Return one session, also if it was erased, or None if it does not exist."""
    with read(engine) as tx:
        row = tx.row(STREAM, (session_id,))
    return ChosenSession(*row) if row is not None else None


def _page(
    tx: Transaction, choice: SessionChoice, besides: Sequence[SessionChoice], last: str
) -> list[Row]:
    where = Where([], [])
    where.add("t.session_id > ? AND t.erased_at IS NULL", last)
    _add_choice(where, tx, choice)
    for other in besides:
        inner = Where([], [])
        _add_choice(inner, tx, other)
        where.add(f"NOT ({' AND '.join(inner.conditions)})", *inner.parameters)
    sql = f"SELECT {_COLUMNS} FROM streams t{where.sql()} ORDER BY t.session_id LIMIT {_PAGE}"
    return tx.rows(sql, where.parameters)


def _add_choice(where: Where, tx: Transaction, choice: SessionChoice) -> None:
    if choice.closed:
        where.add("t.closed_at IS NOT NULL")
    if choice.closed_before is not None:
        where.add("COALESCE(t.closed_at < ?, FALSE)", choice.closed_before)
    _add_read_model(where, choice.filters)
    add_scope(where, choice.filters.scope, "t")
    for condition in choice.filters.metadata:
        add_metadata_condition(where, tx, condition, "session_metadata", "t", (), timed=False)
    if choice.undone is not None:
        where.add(choice.undone)


def _add_read_model(where: Where, filters: BasicFilter) -> None:
    """Add conditions on the rows of `sessions`.

    A session without a row passes no such condition.
    """
    inner = Where(["s.session_id = t.session_id"], [])
    if filters.model is not None:
        inner.add("s.model = ?", filters.model)
    add_time(inner, "s.at", filters.since, filters.until)
    # A session with metadata has a row. A session without a pair may have none, so it is looked up.
    if inner.parameters or any(condition.operator == "!=" for condition in filters.metadata):
        where.add(f"EXISTS (SELECT 1 FROM sessions s{inner.sql()})", *inner.parameters)
