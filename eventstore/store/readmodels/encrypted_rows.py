"""Rows of read models of encrypted sessions: how they are encrypted, and read again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from eventstore.encryption import encrypt_read_models
from eventstore.encryption.cipher import Cipher, CipherError
from eventstore.encryption.encrypt_read_models import TABLES_WITHOUT_ROWS, TEXT_COLUMNS
from eventstore.errors import EventStoreError
from eventstore.store.database.transaction import Row, Transaction

if TYPE_CHECKING:
    from eventstore.store.readmodels.upsert import Rows


@cache
def _columns(table: str) -> list[str]:
    """Return the names of a table's columns, in their order.

    The declarations are imported here: whoever reads rows of a plain session needs none of them.
    """
    from eventstore.store.database.tables import declared as tables

    return [column.name for column in tables.metadata.tables[table].columns]


@cache
def _places(table: str) -> Sequence[int]:
    """Return where in a table's row its texts are."""
    return [_columns(table).index(column) for column in TEXT_COLUMNS[table]]


def decrypted_texts(
    tx: Transaction, table: str, session_id: str, key: str, *texts: str
) -> tuple[str, ...]:
    """The texts of a read model's row, decrypted where they are encrypted.

    Args:
        key: of the row, within the session; empty for the session's own.
        texts: what its columns of texts hold, in order: see encryption/encrypt_read_models.py.

    Raises:
        EventStoreError: they were changed.
        MissingKeyError: the session's key is not at hand. ErasedError: it was dropped.
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
    """Count rows of a session's read models that are not encrypted and should be, by table.

    Args:
        begun: the event from which on the session is encrypted. A row that was made before it may
            not have been written again since.
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
    """Rows of read models as they are stored, by table."""
    return {
        table: [_encrypted_row(cipher, table, row) for row in some]
        if table in TEXT_COLUMNS
        else some
        for table, some in rows.items()
        if table not in TABLES_WITHOUT_ROWS
    }


def decrypted_rows(cipher: Cipher, rows: Rows) -> Rows:
    """Rows of read models as they were encrypted, by table; what was changed stays as it is.

    A row that is not encrypted is given with other texts than any row has, so that whoever compares
    it with the row that should be there puts that one in its place.
    """
    return {
        table: [_decrypted_row(cipher, table, row) for row in some]
        if table in TEXT_COLUMNS
        else some
        for table, some in rows.items()
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
    return "" if table == "sessions" else str(row[1])


def _with_texts(table: str, row: Row, texts: tuple[str, ...]) -> Row:
    changed = list(row)
    for place, text in zip(_places(table), texts, strict=True):
        changed[place] = text
    return tuple(changed)
