"""Choose sessions to do something with: by age and metadata, in the order of their ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine

from eventstore.store.filters import SessionFilter
from eventstore.store.query_responses import Where, add_metadata_condition
from eventstore.store.transaction import read

_PAGE = 500


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
