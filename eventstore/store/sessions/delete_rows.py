"""Delete the rows of a session: its events, segments, read models and index.

Called to erase a session (erase_session.py) and to move it away (copy_session.py). The list of
tables is also used by maintenance/.
"""

from __future__ import annotations

from eventstore.store.consumers.projections.projection_tables import projected_tables
from eventstore.store.consumers.projections.write_projected import delete_rows_of
from eventstore.store.database.tables import declared as tables
from eventstore.store.database.transaction import Transaction
from eventstore.store.readmodels.day_invalidation import drop_days

_TABLES = (
    tables.events,
    tables.segments,
    tables.projection_failures,
    tables.checkpoints,
    tables.dead_letters,
    *tables.READ_MODELS,
    tables.session_costs,
)
#: The tables with rows of sessions, except `streams` and `erasures` (the tombstones).
TABLES = tuple(table.name for table in _TABLES)
DELETE_SESSION_ROWS = tuple(f"DELETE FROM {table} WHERE session_id = ?" for table in TABLES)
# If the row number also belongs to another session (a damaged database), that session keeps it.
DELETE_SAID_OF_SESSION = (
    "DELETE FROM said WHERE rowid IN (SELECT docid FROM said_rows s WHERE session_id = ?"
    " AND NOT EXISTS (SELECT 1 FROM said_rows o WHERE o.docid = s.docid"
    " AND o.session_id <> s.session_id))"
)
DELETE_SAID_ROWS = "DELETE FROM said_rows WHERE session_id = ?"


def delete_rows(tx: Transaction, session_id: str) -> None:
    """Delete all rows of a session except its stream and its tombstones.

    The caller has locked the session.
    """
    if not tx.postgresql:
        tx.run(DELETE_SAID_OF_SESSION, (session_id,))
        tx.run(DELETE_SAID_ROWS, (session_id,))
    drop_days(tx, session_id)
    delete_rows_of(tx, session_id, projected_tables(tx))
    for sql in DELETE_SESSION_ROWS:
        tx.run(sql, (session_id,))
