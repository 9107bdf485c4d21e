"""Choose sessions to do something with, page by page: by what they are, not by their read model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Engine

from eventstore.store.filters import Condition, SessionFilter
from eventstore.store.query_responses import Where, add_metadata_condition
from eventstore.store.transaction import Row, Transaction, read

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


class Choice(NamedTuple):
    """Which sessions, of those that are not erased.

    Attributes:
        metadata: conditions on their metadata; all must hold.
        closed_before: closed before that time; None for all, also those that are open.
        undone: a condition on streams `t` that holds for those with something left to do.
    """

    metadata: tuple[Condition, ...] = ()
    closed_before: int | None = None
    undone: str | None = None


class Chosen(NamedTuple):
    """A session.

    Attributes:
        session_id: its id.
        events, responses: how many it has; of one that was erased, how many events it had.
        erased_at: when it was erased; None where it was not.
    """

    session_id: str
    events: int
    responses: int
    erased_at: int | None


def choose_sessions(
    engine: Engine, choice: Choice, besides: Sequence[Choice] = ()
) -> Iterator[Chosen]:
    """The sessions of a choice, in the order of their ids; none is held but those of one page.

    Args:
        besides: leave out what these choose.
    """
    last = ""
    while True:
        with read(engine) as tx:
            rows = _page(tx, choice, besides, last)
        yield from map(Chosen._make, rows)
        if len(rows) < _PAGE:
            return
        last = rows[-1][0]


def find_session(engine: Engine, session_id: str) -> Chosen | None:
    """One session, also where it was erased; None where there is none."""
    with read(engine) as tx:
        row = tx.row(STREAM, (session_id,))
    return Chosen(*row) if row is not None else None


def _page(tx: Transaction, choice: Choice, besides: Sequence[Choice], last: str) -> list[Row]:
    where = Where([], [])
    where.add("t.session_id > ? AND t.erased_at IS NULL", last)
    _add_choice(where, tx, choice)
    for other in besides:
        inner = Where([], [])
        _add_choice(inner, tx, other)
        where.add(f"NOT ({' AND '.join(inner.conditions)})", *inner.parameters)
    sql = f"SELECT {_COLUMNS} FROM streams t{where.sql()} ORDER BY t.session_id LIMIT {_PAGE}"
    return tx.rows(sql, where.parameters)


def _add_choice(where: Where, tx: Transaction, choice: Choice) -> None:
    if choice.closed_before is not None:
        where.add("COALESCE(t.closed_at < ?, FALSE)", choice.closed_before)
    for condition in choice.metadata:
        add_metadata_condition(where, tx, condition, "session_metadata", "t", (), timed=False)
    if choice.undone is not None:
        where.add(choice.undone)


def closed_sessions(
    engine: Engine, wanted: SessionFilter, before: int | None = None
) -> Iterator[str]:
    """The ids of closed sessions.

    Args:
        wanted: their metadata, model and time.
        before: closed before this time, in microseconds since 1970 UTC.
    """
    last = ""
    while True:
        with read(engine) as tx:
            where = Where([], [])
            where.add("t.closed_at IS NOT NULL AND t.erased_at IS NULL AND t.session_id > ?", last)
            for sql, value in _conditions(wanted, before):
                where.add(sql, value)
            for condition in wanted.metadata:
                add_metadata_condition(where, tx, condition, "session_metadata", "s", ())
            sql = (
                "SELECT t.session_id FROM streams t"
                " JOIN sessions s ON s.session_id = t.session_id"
                f"{where.sql()} ORDER BY t.session_id LIMIT ?"
            )
            rows = tx.rows(sql, [*where.parameters, _PAGE])
        yield from (row[0] for row in rows)
        if len(rows) < _PAGE:
            return
        last = rows[-1][0]


def _conditions(wanted: SessionFilter, before: int | None) -> Iterator[tuple[str, Any]]:
    for sql, value in (
        ("t.closed_at < ?", before),
        ("s.model = ?", wanted.model),
        ("s.at >= ?", wanted.since),
        ("s.at < ?", wanted.until),
    ):
        if value is not None:
            yield sql, value
