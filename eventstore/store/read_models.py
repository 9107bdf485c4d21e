"""Read models: rows made from a session's state, written in the caller's transaction.

`write_changes` writes what changed since the last write, `write_all` replaces a session's rows
at once. Both make rows by the same functions, so a rebuild equals what appends wrote.
"""

from __future__ import annotations

from functools import partial

from eventstore.projection.state import Item, Response, SessionState
from eventstore.store import tables
from eventstore.store.put_rows import put, put_known
from eventstore.store.rows import (
    conversation_rows,
    item_rows,
    metadata_of,
    response_metadata_rows,
    response_row,
    response_usage_rows,
    said_of,
    session_metadata_rows,
    session_row,
    transcription_row,
)
from eventstore.store.transaction import Transaction

DELETE = {
    table.name: f"DELETE FROM {table.name} WHERE session_id = ?" for table in tables.READ_MODELS
}
DELETE_RESPONSE_METADATA = "DELETE FROM response_metadata WHERE session_id = ? AND response_id = ?"
DELETE_SAID = (
    "DELETE FROM said WHERE rowid IN"
    " (SELECT docid FROM said_rows WHERE session_id = ? AND item_id = ?)"
)
DELETE_SAID_ROW = "DELETE FROM said_rows WHERE session_id = ? AND item_id = ?"
DELETE_ALL_SAID = (
    "DELETE FROM said WHERE rowid IN (SELECT docid FROM said_rows WHERE session_id = ?)"
)
DELETE_SAID_ROWS = "DELETE FROM said_rows WHERE session_id = ?"
INSERT_SAID = "INSERT INTO said (text) VALUES (?)"
INSERT_SAID_ROW = "INSERT INTO said_rows (session_id, item_id, docid) VALUES (?, ?, ?)"


def write_changes(tx: Transaction, state: SessionState, opened_at: int) -> None:
    """Write the rows that changed since the state's last write, and mark them written."""
    dirty, known = state.dirty, partial(put_known, tx, state.written)
    if dirty.metadata or dirty.session:
        known(tables.sessions, [session_row(state, opened_at)])
    if dirty.metadata:
        tx.run(DELETE["session_metadata"], (state.session_id,))
        put(tx, tables.session_metadata, session_metadata_rows(state, opened_at))
    if dirty.conversations:
        put(tx, tables.conversations, conversation_rows(state))
    for index in dirty.reordered:
        dirty.items.update(state.conversations[index].order)
    if dirty.items:
        changed = [state.items[item_id] for item_id in dirty.items]
        known(tables.items, item_rows(state, changed))
        _index_said(tx, state, changed)
    if dirty.responses or dirty.metadata:
        touched = [state.responses[id_] for id_ in dirty.responses]
        known(tables.responses, [response_row(state, r, opened_at) for r in touched])
        tagged = list(state.responses.values()) if dirty.metadata else touched
        _write_response_metadata(tx, state, tagged, opened_at)
        known(tables.usage, response_usage_rows(state, touched, opened_at))
    if dirty.billed:
        billed = [state.billed[key] for key in dirty.billed]
        known(tables.usage, [transcription_row(state, b, opened_at) for b in billed])
    dirty.clear()


def write_all(tx: Transaction, state: SessionState, opened_at: int) -> None:
    """Replace all of a session's rows by those of the state."""
    delete_all(tx, state.session_id)
    items, responses = list(state.items.values()), list(state.responses.values())
    put(tx, tables.sessions, [session_row(state, opened_at)])
    put(tx, tables.session_metadata, session_metadata_rows(state, opened_at))
    put(tx, tables.conversations, conversation_rows(state))
    put(tx, tables.items, item_rows(state, items))
    put(tx, tables.responses, [response_row(state, r, opened_at) for r in responses])
    pairs = [row for r in responses for row in response_metadata_rows(state, r, opened_at)]
    put(tx, tables.response_metadata, pairs)
    put(tx, tables.usage, response_usage_rows(state, responses, opened_at))
    billed = state.billed.values()
    put(tx, tables.usage, [transcription_row(state, b, opened_at) for b in billed])
    for item in items:
        item.indexed = ""
    _index_said(tx, state, items)
    for response in responses:
        response.indexed = metadata_of(state, response)
    state.written.clear()
    state.dirty.clear()


def delete_all(tx: Transaction, session_id: str) -> None:
    """Delete all of a session's read-model rows."""
    for statement in DELETE.values():
        tx.run(statement, (session_id,))
    if not tx.postgresql:
        tx.run(DELETE_ALL_SAID, (session_id,))
        tx.run(DELETE_SAID_ROWS, (session_id,))


def _write_response_metadata(
    tx: Transaction, state: SessionState, responses: list[Response], opened_at: int
) -> None:
    for response in responses:
        if response.indexed == metadata_of(state, response):
            continue
        if response.indexed != frozenset():
            tx.run(DELETE_RESPONSE_METADATA, (state.session_id, response.id))
        put(tx, tables.response_metadata, response_metadata_rows(state, response, opened_at))
        response.indexed = metadata_of(state, response)


def _index_said(tx: Transaction, state: SessionState, items: list[Item]) -> None:
    """Keep the search index in step; PostgreSQL's is an index on `items`."""
    if tx.postgresql:
        return
    for item in items:
        said = said_of(state, item)
        if said == item.indexed:
            continue
        if item.indexed != "":
            tx.run(DELETE_SAID, (state.session_id, item.id))
            tx.run(DELETE_SAID_ROW, (state.session_id, item.id))
        item.indexed = said
        if said:
            docid = tx.connection.execute(INSERT_SAID, (said,)).lastrowid
            tx.run(INSERT_SAID_ROW, (state.session_id, item.id, docid))
