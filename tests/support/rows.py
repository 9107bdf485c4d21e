"""Rows of a session, to compare: those that appends wrote with those of a rebuild."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from eventstore.projection.state import SessionState
from eventstore.projection.views import resources
from eventstore.projection.views.session_resource import session_resource
from eventstore.store.database.tables import declared as tables
from eventstore.store.database.transaction import Transaction, read
from eventstore.store.readmodels.words.index_words import fts_words

Row = tuple[Any, ...]

SAID = (
    "SELECT r.item_id, f.text FROM said_rows r LEFT JOIN said f ON f.rowid = r.docid"
    " WHERE r.session_id = ?"
)
SAID_WORDS = (
    "SELECT item_id, said_words::text FROM items WHERE session_id = ? AND said_words IS NOT NULL"
)
COUNT_SAID = "SELECT COUNT(*) FROM said"
COUNT_SAID_ROWS = "SELECT COUNT(*) FROM said_rows"
HEAD = "SELECT head_seq, projected_seq FROM streams WHERE session_id = ?"
SEQS = "SELECT seq FROM events WHERE session_id = ? ORDER BY seq"


def read_model_rows(engine: Engine, session_id: str) -> dict[str, list[Row]]:
    """All rows of a session's read models, by table, and what the search index holds of it."""
    with read(engine) as tx:
        rows = {table.name: _rows(tx, table.name, session_id) for table in tables.READ_MODELS}
        words = SAID_WORDS if tx.postgresql else SAID
        rows["said"] = sorted(tx.rows(words, (session_id,)), key=repr)
    return rows


def _rows(tx: Transaction, table: str, session_id: str) -> list[Row]:
    columns = ", ".join(column.name for column in tables.metadata.tables[table].columns)
    found = tx.rows(f"SELECT {columns} FROM {table} WHERE session_id = ?", (session_id,))
    return sorted(found, key=repr)


def searchable(rows: dict[str, list[Row]]) -> list[Row]:
    """What the search index should hold, by the items' rows."""
    found = [(row[1], fts_words(row)) for row in rows["items"]]
    return sorted([entry for entry in found if entry[1]], key=repr)


def counts_of_said(engine: Engine) -> tuple[int, int]:
    """How many texts SQLite's index holds, and how many of them are known to be an item's."""
    with read(engine) as tx:
        return tx.rows(COUNT_SAID)[0][0], tx.rows(COUNT_SAID_ROWS)[0][0]


def head_of(engine: Engine, session_id: str) -> tuple[int, int]:
    """A stream's head, and how far it is projected."""
    with read(engine) as tx:
        row = tx.row(HEAD, (session_id,))
    assert row is not None
    return row[0], row[1]


def seqs_of(engine: Engine, session_id: str) -> list[int]:
    """The seqs of a session's events."""
    with read(engine) as tx:
        return [row[0] for row in tx.rows(SEQS, (session_id,))]


def views(state: SessionState) -> dict[str, Any]:
    """Every resource of a state."""
    return {
        "session": session_resource(state),
        "conversations": [
            (c.id, list(c.order), dict(c.order.numbers)) for c in state.conversations
        ],
        "items": {id_: resources.item_resource(state, item) for id_, item in state.items.items()},
        "responses": {
            id_: resources.response_resource(state, r) for id_, r in state.responses.items()
        },
    }
