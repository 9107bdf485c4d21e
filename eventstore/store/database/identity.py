"""Identify a database, whichever URL, user or path leads to it.

`database_identity` tells whether two open databases are the same one. `own_folder_name` names the
folder in which a store keeps segments outside of its database. Called by keys.py, left_bytes.py,
scrub.py, and archive/ to copy sessions and to move segments.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from uuid import uuid4

from eventstore.store.database.transaction import Transaction

POSTGRESQL_IDENTITY = (
    "SELECT pg_postmaster_start_time()::text, current_database(), 'streams'::regclass::oid"
)
# A clone of a server has the same identifier. When it is promoted, it gets a timeline of its own.
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
    """Return a value that is equal for two transactions only if they are in the same database."""
    if tx.postgresql:
        return tx.rows(POSTGRESQL_IDENTITY)[0]
    file = tx.rows(SQLITE_FILE)[0][0]
    if not file:
        return (id(tx.connection),)  # A database in memory is one connection.
    status = Path(file).stat()
    return status.st_dev, status.st_ino


def own_folder_name(tx: Transaction) -> str:
    """Return the name of the folder in which a store keeps bytes outside of its database.

    The name is a hash of the store's id, which is in the database, and of the place of the
    database: the path and inode of its file, or its server and its number there. A copy of a
    database has the same id and another place, and so another folder. A database cannot claim
    another store's folder by what it contains.

    Args:
        tx: A transaction that may write, because the id is made if there is none.

    Returns:
        32 hexadecimal digits.
    """
    values = (_store_id(tx), *_place_of_database(tx))
    return hashlib.sha256("\0".join(map(str, values)).encode()).hexdigest()[:32]


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
    """Return what differs between a database and its copies."""
    if tx.postgresql:
        server = tx.rows(CONTROL)[0] if tx.rows(MAY_CONTROL)[0][0] else ()
        return (*server, *tx.rows(POSTGRESQL_DATABASE)[0])
    file = tx.rows(SQLITE_FILE)[0][0]
    return (os.path.realpath(file), Path(file).stat().st_ino) if file else ()
