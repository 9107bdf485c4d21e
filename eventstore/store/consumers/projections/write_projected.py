"""Read, write and delete the rows of a projection of one's own, encrypted where the store is.

All rows of a session are replaced in the caller's transaction: rows that are right are left alone.
Called inline (inline.py), by workers (catch_up.py), and to erase a session.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import pybase64
from sqlalchemy import Boolean, Float, LargeBinary, String, Table

from eventstore.encryption.cipher import Cipher, CipherError
from eventstore.encryption.encrypt_read_models import ENCRYPTED_SIGN
from eventstore.store.consumers.projections.projected_rows import KeyedRows
from eventstore.store.database.transaction import Row, Transaction

EXISTING = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ({names})",
    "postgresql": "SELECT relname FROM pg_class WHERE pg_table_is_visible(oid)"
    " AND relkind IN ('r', 'p') AND relname IN ({names})",
}
#: What stands in place of a value that cannot be decrypted. It differs from every value, so that
#: its row is written again.
_CHANGED = object()


class _Statements(NamedTuple):
    """The statements of a table. The names were checked when the projection was added."""

    read: str
    put: str
    delete: str


@lru_cache(maxsize=256)
def _statements(name: str, columns: tuple[str, ...], keys: tuple[str, ...]) -> _Statements:
    quoted = [f'"{column}"' for column in columns]
    sets = [f"{one} = excluded.{one}" for one in quoted if one.strip('"') not in keys]
    listed, marks = ", ".join(quoted), ", ".join("?" * len(columns))
    conflict = ", ".join(f'"{key}"' for key in keys)
    done = f"UPDATE SET {', '.join(sets)}" if sets else "NOTHING"
    where = " AND ".join(f'"{key}" = ?' for key in keys)
    return _Statements(
        f'SELECT {listed} FROM "{name}" WHERE session_id = ? ORDER BY {conflict}',
        f'INSERT INTO "{name}" ({listed}) VALUES ({marks}) ON CONFLICT ({conflict}) DO {done}',
        f'DELETE FROM "{name}" WHERE {where}',
    )


def _statements_of(table: Table) -> _Statements:
    keys = tuple(column.name for column in table.primary_key.columns)
    return _statements(table.name, tuple(table.columns.keys()), keys)


def read_sql(table: Table) -> str:
    """Return the statement that reads a session's rows, with all columns, by primary key."""
    return _statements_of(table).read


def read_rows(tx: Transaction, session_id: str, tables: Sequence[Table]) -> KeyedRows:
    """Return the rows of a session as they are stored, decrypted, by table and primary key.

    A row that was changed, or that was written before the store was encrypted, has values that no
    row can have, so that it differs from the row that should be there.
    """
    cipher = tx.cipher(session_id)
    found: KeyedRows = {}
    for table in tables:
        rows = tx.rows(_statements_of(table).read, (session_id,))
        found[table.name] = {_key(table, row): _plain(cipher, table, row) for row in rows}
    return found


def write_rows(
    tx: Transaction,
    session_id: str,
    tables: Sequence[Table],
    stored: KeyedRows,
    made: KeyedRows,
) -> int:
    """Make the rows of a session those that a projection made.

    Args:
        tables: The tables of the projection.
        stored: The rows that are there.
        made: The rows that shall be there.

    Returns:
        How many rows were wrong, missing or too many.
    """
    cipher = tx.cipher(session_id)
    changed = 0
    for table in tables:
        statements = _statements_of(table)
        old, new = stored[table.name], made[table.name]
        gone = [key for key in old if key not in new]
        put = [row for key, row in new.items() if old.get(key) != row]
        if gone:
            tx.run_many(statements.delete, gone)
        if put:
            rows = put if cipher is None else [_encrypted(cipher, table, row) for row in put]
            tx.run_many(statements.put, rows)
        changed += len(gone) + len(put)
    return changed


def existing_tables(tx: Transaction, names: Sequence[str]) -> list[str]:
    """Return those tables of projections that the database has; others were dropped by hand."""
    if not names:
        return []
    sql = EXISTING[tx.dialect].format(names=", ".join("?" * len(names)))
    return [row[0] for row in tx.rows(sql, names)]


def delete_rows_of(tx: Transaction, session_id: str, names: Sequence[str]) -> None:
    """Delete the rows that a session has in tables of projections.

    Args:
        names: The tables. One that is not there any more is left out.
    """
    for name in existing_tables(tx, names):
        tx.run(f'DELETE FROM "{name}" WHERE session_id = ?', (session_id,))


def readable_row(tx: Transaction, table: Table, row: Row) -> Row:
    """Return a stored row as a projection made it.

    Raises:
        CipherError: The row was changed; or it was written before its session had a key.
        MissingKeyError: The row is encrypted, and the session's key is not at hand.
    """
    cipher = None
    if tx.keys.name(tx) is not None:
        cipher = tx.keys.known_cipher(tx, row[0])
        if cipher is None and _is_encrypted(table, row):
            cipher = tx.decipher(row[0])
    plain = _plain(cipher, table, row)
    if any(value is _CHANGED for value in plain):
        raise CipherError("it cannot be decrypted: it was changed, or moved")
    return plain


def _key(table: Table, row: Row) -> Row:
    places = {column.name: place for place, column in enumerate(table.columns)}
    return tuple(row[places[column.name]] for column in table.primary_key.columns)


_SIGN = ENCRYPTED_SIGN.encode()


def _is_encrypted(table: Table, row: Row) -> bool:
    """Return True if a value of a row is encrypted. A session from before the keys has none."""
    return any(
        (isinstance(value, str) and value.startswith(ENCRYPTED_SIGN))
        or (isinstance(value, bytes) and value.startswith(_SIGN))
        for column, value in zip(table.columns, row, strict=True)
        if not column.primary_key
    )


def _encrypted(cipher: Cipher, table: Table, row: Row) -> Row:
    """Return a row with its texts and bytes encrypted, except those of its primary key."""
    key = repr(_key(table, row)[1:])
    return tuple(
        value
        if column.primary_key or not isinstance(value, str | bytes)
        else _sealed(cipher, value, f"{table.name} {column.name} {key}")
        for column, value in zip(table.columns, row, strict=True)
    )


def _sealed(cipher: Cipher, value: str | bytes, place: str) -> str | bytes:
    if isinstance(value, bytes):
        return _SIGN + cipher.encrypt(value, place)
    return ENCRYPTED_SIGN + pybase64.b64encode_as_string(cipher.encrypt(value.encode(), place))


def _plain(cipher: Cipher | None, table: Table, row: Row) -> Row:
    """Return a stored row with the types of its columns, decrypted if it is encrypted."""
    key = repr(_key(table, row)[1:])
    return tuple(
        value
        if value is None
        else _opened(cipher, column, value, f"{table.name} {column.name} {key}")
        for column, value in zip(table.columns, row, strict=True)
    )


def _opened(cipher: Cipher | None, column: Any, value: Any, place: str) -> Any:
    kind = column.type
    if isinstance(kind, Boolean):
        return bool(value)
    if isinstance(kind, Float):
        return float(value)
    if isinstance(kind, LargeBinary):
        value = bytes(value)
    if cipher is None or column.primary_key or not isinstance(kind, String | LargeBinary):
        return value
    try:
        if isinstance(value, bytes):
            return cipher.decrypt(value.removeprefix(_SIGN), place)
        data = pybase64.b64decode(value.removeprefix(ENCRYPTED_SIGN), validate=True)
        return cipher.decrypt(data, place).decode()
    except (CipherError, ValueError):
        return _CHANGED
