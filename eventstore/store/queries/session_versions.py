"""Tell of each session that matches a filter whether its rows have changed since somebody looked.

There is no global sequence, so whoever keeps a copy of the rows compares each session's version
with the one that the copy was made of. Called by exports/parquet/update_parquet.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.store.database.keys import keys_of
from eventstore.store.database.transaction import Row, Transaction, read
from eventstore.store.filters.filters import SessionFilter, SessionPaging
from eventstore.store.queries.query_sessions import costs_for
from eventstore.store.queries.session_pages import read_session_page
from eventstore.store.usage.session_costs import answer_with_costs

#: How many sessions are looked at in one transaction.
PAGE = 1000

_COLUMNS = (
    "s.at, s.responses, t.head_seq, t.closed_at, t.projected_seq, t.projector_version,"
    " (SELECT COUNT(*) FROM erasures e WHERE e.session_id = s.session_id), s.session_id"
)
VERSIONS = (
    f"SELECT {_COLUMNS} FROM sessions s JOIN streams t ON t.session_id = s.session_id"
    " WHERE s.session_id IN ({})"
)


class SessionVersion(NamedTuple):
    """A session, and what its rows were made of.

    Attributes:
        session_id: The session.
        at: The time by which it is sorted, in microseconds since 1970 UTC.
        responses: How many responses it has.
        token: A text that changes with the session's events, its read models' projector and what
            was erased of it.
    """

    session_id: str
    at: int
    responses: int
    token: str


def session_versions(engine: Engine, filters: SessionFilter) -> Iterator[SessionVersion]:
    """Yield the versions of all sessions that match a filter, the oldest first.

    Sessions that were erased, or whose keys were dropped, are left out. A session whose time
    changes meanwhile may come twice.

    Raises:
        InvalidInputError: The text to search has no word.
    """
    last_at, seen = filters.since, set[str]()
    while True:
        # A page begins at a time and not behind a session, because that may be erased meanwhile.
        page = replace(filters, since=last_at)
        limit = PAGE + len(seen)
        rows = _page(engine, page, limit)
        found = [_version(row) for row in rows if row[-1] not in seen]
        gone = keys_of(engine).dropped_among(one.session_id for one in found)
        yield from (one for one in found if one.session_id not in gone)
        if len(rows) <= limit:
            return
        if rows[-1][0] != last_at:
            last_at, seen = rows[-1][0], set()
        seen.update(row[-1] for row in rows if row[0] == last_at)


def read_versions(tx: Transaction, session_ids: Sequence[str]) -> list[SessionVersion]:
    """Return the versions of sessions; those without read models are left out."""
    marks = ", ".join("?" * len(session_ids))
    return [_version(row) for row in tx.rows(VERSIONS.format(marks), session_ids)]


def _page(engine: Engine, filters: SessionFilter, limit: int) -> list[Row]:
    paging = SessionPaging(limit=limit, order="asc")

    def ask() -> list[Row]:
        with read(engine) as tx:
            costs = costs_for(tx, engine, filters, paging)
            return read_session_page(tx, filters, paging, columns=_COLUMNS, costs=costs)

    return answer_with_costs(engine, ask)


def _version(row: Row) -> SessionVersion:
    at, responses, *made_of, session_id = row
    token = " ".join(map(str, (session_id, at, *made_of)))
    return SessionVersion(session_id, at, responses, token)
