"""Update the search index with the rows of items, in the caller's transaction.

PostgreSQL has an item's words in a column of its row, which is written with the row; a rebuild also
corrects the column of rows that are otherwise right. SQLite has the words in the FTS5 table `said`,
whose rows have only numbers; the table `said_rows` maps a number to an item. Called by
write_read_models.py.
"""

from __future__ import annotations

from operator import itemgetter

from eventstore.projection.state import SessionState
from eventstore.realtime.values import dumps
from eventstore.store.database.tables import declared as tables
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.readmodels.words.index_words import fts_words, tsvector_of

# If the row number also belongs to another item (a damaged database), that item keeps it.
DELETE_SAID = (
    "DELETE FROM said WHERE rowid IN"
    " (SELECT docid FROM said_rows s WHERE session_id = ? AND item_id = ?"
    " AND NOT EXISTS (SELECT 1 FROM said_rows o WHERE o.docid = s.docid"
    " AND (o.session_id <> s.session_id OR o.item_id <> s.item_id)))"
)
DELETE_SAID_ROW = "DELETE FROM said_rows WHERE session_id = ? AND item_id = ?"
SAID = (
    "SELECT r.item_id, f.text FROM said_rows r LEFT JOIN said f ON f.rowid = r.docid"
    " WHERE r.session_id = ?"
)
INSERT_SAID = "INSERT INTO said (text) VALUES (?)"
INSERT_SAID_ROW = "INSERT INTO said_rows (session_id, item_id, docid) VALUES (?, ?, ?)"
SET_WORDS = (
    "UPDATE items SET said_words = v.said_words"
    " FROM json_to_recordset(?::json) AS v (item_id text, said_words tsvector)"
    " WHERE items.session_id = ? AND items.item_id = v.item_id"
    " AND items.said_words IS DISTINCT FROM v.said_words"
)
WRONG_WORDS = (
    "SELECT 1 FROM items JOIN json_to_recordset(?::json) AS v (item_id text, said_words tsvector)"
    " ON items.item_id = v.item_id WHERE items.session_id = ?"
    " AND items.said_words IS DISTINCT FROM v.said_words LIMIT 1"
)
ANY_WORDS = "SELECT 1 FROM items WHERE session_id = ? AND said_words IS NOT NULL LIMIT 1"
FORGET_WORDS = "UPDATE items SET said_words = NULL WHERE session_id = ? AND said_words IS NOT NULL"

_ID = itemgetter(list(tables.items.columns.keys()).index("item_id"))


def is_indexed(tx: Transaction, session_id: str, rows: list[Row]) -> bool:
    """Return True if the index has exactly a session's rows of items, so that nothing is to do.

    Args:
        rows: The rows that are to be indexed: all that are not encrypted.
    """
    if not tx.postgresql:
        wanted = {item_id: words for item_id, words in _words_of(rows).items() if words}
        return wanted == dict(tx.rows(SAID, (session_id,)))
    if rows:
        return tx.row(WRONG_WORDS, (_words_as_json(rows), session_id)) is None
    return tx.row(ANY_WORDS, (session_id,)) is None


def index_all(
    tx: Transaction, state: SessionState, rows: list[Row], just_written: list[Row]
) -> None:
    """Make the index equal to all of a session's rows of items, whatever it contains now.

    Args:
        state: The session's state; each item notes what is indexed of it.
        rows: The rows to index: all that are not encrypted.
        just_written: Those of the rows that this transaction wrote, on PostgreSQL with their words.
    """
    if not tx.postgresql:
        _index_all_sqlite(tx, state, rows)
    elif not rows:
        tx.run(FORGET_WORDS, (state.session_id,))
    else:
        right = {_ID(row) for row in just_written}
        left = [row for row in rows if _ID(row) not in right]
        if left:
            tx.run(SET_WORDS, (_words_as_json(left), state.session_id))


def _words_as_json(rows: list[Row]) -> str:
    """PostgreSQL: return the words of items as the parameter of a statement."""
    return dumps([{"item_id": _ID(row), "said_words": tsvector_of(row)} for row in rows])


def _words_of(rows: list[Row]) -> dict[str, str]:
    """SQLite: return the words of items, by their ids."""
    return {_ID(row): fts_words(row) for row in rows}


def _index_all_sqlite(tx: Transaction, state: SessionState, rows: list[Row]) -> None:
    wanted = _words_of(rows)
    for item in state.items.values():
        item.indexed = ""
    # Wrong entries are deleted first, because their numbers may be given to other texts.
    for item_id, text in tx.rows(SAID, (state.session_id,)):
        if text and text == wanted.get(item_id):
            state.items[item_id].indexed = text
        else:
            tx.run(DELETE_SAID, (state.session_id, item_id))
            tx.run(DELETE_SAID_ROW, (state.session_id, item_id))
    for item_id, words in wanted.items():
        _index(tx, state, item_id, words)


def index_changes(tx: Transaction, state: SessionState, rows: list[Row]) -> None:
    """SQLite: index the rows of items that were just written."""
    for row in rows:
        _index(tx, state, _ID(row), fts_words(row))


def _index(tx: Transaction, state: SessionState, item_id: str, words: str) -> None:
    item = state.items[item_id]
    if words == item.indexed:
        return
    if item.indexed != "":
        tx.run(DELETE_SAID, (state.session_id, item.id))
        tx.run(DELETE_SAID_ROW, (state.session_id, item.id))
    item.indexed = words
    if words:
        docid = tx.insert(INSERT_SAID, (words,))
        tx.run(INSERT_SAID_ROW, (state.session_id, item.id, docid))
