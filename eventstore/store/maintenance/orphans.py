"""Find rows of sessions that have no stream. Called by `verify` (archive/verifying/verify.py).

The store itself leaves no such rows: an append, an erasure and a copy write the stream in the
transaction of the rows. So another program has inserted the rows, or deleted the stream. Lists and
sums would show these rows.
"""

from __future__ import annotations

from sqlalchemy import Engine

from eventstore.store.database.transaction import Transaction, read
from eventstore.store.sessions.delete_rows import TABLES

_NO_STREAM = "NOT EXISTS (SELECT 1 FROM streams s WHERE s.session_id = t.session_id)"
SESSIONS = (
    " UNION ".join(f"SELECT t.session_id FROM {table} t WHERE {_NO_STREAM}" for table in TABLES)
    + " ORDER BY 1"
)
OF_SESSION = " UNION ".join(
    f"SELECT '{table}' FROM {table} WHERE session_id = ?" for table in TABLES
)


def sessions_without_stream(engine: Engine) -> list[str]:
    """Return the ids of sessions that have rows but no stream, in order."""
    with read(engine) as tx:
        return [row[0] for row in tx.rows(SESSIONS)]


def tables_with_rows(tx: Transaction, session_id: str) -> list[str]:
    """Return the tables that have rows of a session, besides its stream and its tombstones."""
    return sorted(row[0] for row in tx.rows(OF_SESSION, (session_id,) * len(TABLES)))
