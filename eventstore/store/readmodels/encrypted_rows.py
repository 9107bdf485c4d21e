"""Encrypt the rows of read models of encrypted sessions, and decrypt them.

write_read_models.py and append.py encrypt rows; queries/ decrypts their texts; archive/verifying/
counts rows that should be encrypted.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from eventstore.encryption import encrypt_read_models
from eventstore.encryption.cipher import Cipher, CipherError
from eventstore.encryption.encrypt_read_models import TABLES_WITHOUT_ROWS, TEXT_COLUMNS
from eventstore.errors import EventStoreError
from eventstore.realtime.values import dumps
from eventstore.store.database.transaction import Row, Transaction

if TYPE_CHECKING:
    from eventstore.store.readmodels.upsert import Rows


@cache
def _columns(table: str) -> list[str]:
    """Return the names of a table's columns, in order.

    The declarations of tables are imported here, because reading a session that is not encrypted
    does not need them.
    """
    from eventstore.store.database.tables import declared as tables

    return [column.name for column in tables.metadata.tables[table].columns]


@cache
def _places(table: str) -> Sequence[int]:
    """Return the positions of the texts in a row of a table."""
    return [_columns(table).index(column) for column in TEXT_COLUMNS[table]]


def decrypted_texts(
    tx: Transaction, table: str, session_id: str, key: str, *texts: str
) -> tuple[str, ...]:
    """Return the texts of a read model's row, decrypted if they are encrypted.

    Args:
        table: The table of the row.
        session_id: The session.
        key: The row's key within the session, such as an item's id; empty for a row of `sessions`.
            For a row of `scores` see `score_row_key`.
        texts: The row's columns of texts, in the order of encryption/encrypt_read_models.py.

    Raises:
        EventStoreError: The row was changed and cannot be decrypted.
        MissingKeyError: The session's key is not at hand.
        ErasedError: The session's key was dropped.
    """
    if not encrypt_read_models.has_encrypted_texts(texts):
        return texts
    try:
        return encrypt_read_models.decrypt_texts(tx.decipher(session_id), table, key, texts)
    except CipherError as error:
        raise EventStoreError(
            f"session {session_id}: a row of {table} was changed, and cannot be decrypted;"
            f" run: eventstore rebuild {session_id}"
        ) from error


def count_plain_rows(tx: Transaction, session_id: str, begun: int) -> dict[str, int]:
    """Count the rows of a session's read models that should be encrypted but are not, by table.

    Args:
        begun: The first event that was written encrypted. Rows of earlier events may not have been
            written again since.
    """
    found = {}
    for table, columns in TEXT_COLUMNS.items():
        of_table = (begun,) if "seq" in _columns(table) else ()
        sql = (
            f"SELECT COUNT(*) FROM {table} WHERE session_id = ?"
            f" AND SUBSTR({columns[-1]}, 1, 1) <> ?{' AND seq >= ?' if of_table else ''}"
        )
        if of_table or begun == 1:
            ((count,),) = tx.rows(sql, (session_id, encrypt_read_models.ENCRYPTED_SIGN, *of_table))
            found[table] = int(count)
    return {table: count for table, count in found.items() if count}


def encrypted_rows(cipher: Cipher, rows: Rows) -> Rows:
    """Return rows of read models as an encrypted store keeps them, by table."""
    return {
        table: [_encrypted_row(cipher, table, row) for row in table_rows]
        if table in TEXT_COLUMNS
        else table_rows
        for table, table_rows in rows.items()
        if table not in TABLES_WITHOUT_ROWS
    }


def decrypted_rows(cipher: Cipher, rows: Rows) -> Rows:
    """Return stored rows of read models as they were before encryption, by table.

    A row that was changed stays encrypted. A row that was not encrypted gets texts that no row can
    have. Both then differ from the row that should be there, so that a rebuild replaces them.
    """
    return {
        table: [_decrypted_row(cipher, table, row) for row in table_rows]
        if table in TEXT_COLUMNS
        else table_rows
        for table, table_rows in rows.items()
    }


def _encrypted_row(cipher: Cipher, table: str, row: Row) -> Row:
    texts = tuple(row[place] for place in _places(table))
    encrypted = encrypt_read_models.encrypt_texts(cipher, table, _key(table, row), texts)
    return _with_texts(table, row, encrypted)


def _decrypted_row(cipher: Cipher, table: str, row: Row) -> Row:
    texts = tuple(row[place] for place in _places(table))
    if not encrypt_read_models.has_encrypted_texts(texts):
        return _with_texts(table, row, (encrypt_read_models.ENCRYPTED_SIGN,) * len(texts))
    with suppress(CipherError):
        found = encrypt_read_models.decrypt_texts(cipher, table, _key(table, row), texts)
        return _with_texts(table, row, found)
    return row


def _key(table: str, row: Row) -> str:
    """Return a row's key within its session; empty for a row of `sessions`."""
    if table == "scores":
        return score_row_key(row[1:5])
    return "" if table == "sessions" else str(row[1])


def score_row_key(key: Row) -> str:
    """Return the key of a row of `scores`, made of its columns from `target` to `scorer`."""
    return dumps(list(key))


def _with_texts(table: str, row: Row, texts: tuple[str, ...]) -> Row:
    changed = list(row)
    for place, text in zip(_places(table), texts, strict=True):
        changed[place] = text
    return tuple(changed)
