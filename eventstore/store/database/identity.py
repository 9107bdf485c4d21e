"""What tells one database from another: whichever URL, user or path leads to it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from uuid import uuid4

from eventstore.store.database.transaction import Transaction

POSTGRESQL_IDENTITY = (
    "SELECT pg_postmaster_start_time()::text, current_database(), 'streams'::regclass::oid"
)
# A clone of a server keeps its identifier; what goes on from it has a timeline of its own.
CONTROL = (
    "SELECT s.system_identifier::text, c.timeline_id"
    " FROM pg_control_system() s, pg_control_checkpoint() c"
)
MAY_CONTROL = (
    "SELECT has_function_privilege('pg_control_system()', 'execute')"
    " AND has_function_privilege('pg_control_checkpoint()', 'execute')"
)
POSTGRESQL_DATABASE = (
    "SELECT oid::bigint, 'streams'::regclass::oid::bigint FROM pg_database"
    " WHERE datname = current_database()"
)
STORE_ID = "SELECT id FROM store_ids ORDER BY id LIMIT 1"
INSERT_STORE_ID = "INSERT INTO store_ids (id) VALUES (?) ON CONFLICT (id) DO NOTHING"
SQLITE_FILE = "SELECT file FROM pragma_database_list WHERE name = 'main'"


def database_identity(tx: Transaction) -> tuple[object, ...]:
    """What two transactions have in common when they are in one database."""
    if tx.postgresql:
        return tx.rows(POSTGRESQL_IDENTITY)[0]
    file = tx.rows(SQLITE_FILE)[0][0]
    if not file:
        return (id(tx.connection),)  # in memory, a database is a connection
    status = Path(file).stat()
    return status.st_dev, status.st_ino


def own_folder_name(tx: Transaction) -> str:
    """Return the name of the folder that a store keeps bytes outside of the database in.

    It is made of the store's id, which is in the database, and of where that database is: the path
    and inode of its file, or its server and number there. A copy of the database has the same id,
    and yet another folder. Nothing that a database says makes it the owner of another's folder.

    Args:
        tx: a transaction that may write: the id is made where there is none.
    """
    told = (_store_id(tx), *_place_of_database(tx))
    return hashlib.sha256("\0".join(map(str, told)).encode()).hexdigest()[:32]


def _store_id(tx: Transaction) -> str:
    if tx.postgresql:
        tx.run("LOCK TABLE store_ids IN SHARE ROW EXCLUSIVE MODE")
    row = tx.row(STORE_ID)
    if row is not None:
        return str(row[0])
    made = uuid4().hex
    tx.run(INSERT_STORE_ID, (made,))
    return made


def _place_of_database(tx: Transaction) -> tuple[object, ...]:
    """What a copy of a database does not have in common with it."""
    if tx.postgresql:
        server = tx.rows(CONTROL)[0] if tx.rows(MAY_CONTROL)[0][0] else ()
        return (*server, *tx.rows(POSTGRESQL_DATABASE)[0])
    file = tx.rows(SQLITE_FILE)[0][0]
    return (os.path.realpath(file), Path(file).stat().st_ino) if file else ()
