"""Identify a database, whichever URL, user, path or node leads to it.

`is_same_database` tells whether two open databases are the same one. `own_folder_name` names the
folder in which a store keeps segments outside of its database. Called by keys.py, left_bytes.py,
scrub.py, and archive/ to copy sessions and to move segments.

A store has an id of its own, which is in the database. Copies of the database have the same id. So
the place of the database counts as well: the path and inode of its file, or its server and its
number there. The nodes of a Citus cluster are servers of their own, and the place of a store that
is spread over them is that of the coordinator.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from eventstore.errors import DatabaseUnavailableError
from eventstore.realtime.values import loads
from eventstore.store.database.connections.distribution import IS_COORDINATOR
from eventstore.store.database.transaction import Transaction

# A clone of a server has the same identifier. When it is promoted, it gets a timeline of its own.
# A user may be forbidden to read either.
CONTROL = (
    "SELECT json_build_array(s.system_identifier::text, c.timeline_id)"
    " FROM pg_control_system() s, pg_control_checkpoint() c"
)
MAY_CONTROL = (
    "SELECT has_function_privilege('pg_control_system()', 'execute')"
    " AND has_function_privilege('pg_control_checkpoint()', 'execute')"
)
POSTGRESQL_DATABASE = (
    "SELECT json_build_array(oid::bigint, {streams}::regclass::oid::bigint,"
    " pg_postmaster_start_time()::text) FROM pg_database WHERE datname = current_database()"
)
ON_COORDINATOR = "SELECT success, result FROM run_command_on_coordinator(?)"
# The schema is named, because the coordinator may have another search path.
STREAMS = (
    "SELECT quote_literal(format('%I.%I', n.nspname, c.relname)) FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass('streams')"
)
STORE_ID = "SELECT id FROM store_ids ORDER BY id LIMIT 1"
INSERT_STORE_ID = "INSERT INTO store_ids (id) VALUES (?) ON CONFLICT (id) DO NOTHING"
# The other of two transactions of this process may hold the lock that is waited for.
LOCK_WAIT = "SET LOCAL lock_timeout = '10s'"
ISOLATION = "SHOW transaction_isolation"
SQLITE_FILE = "SELECT file FROM pragma_database_list WHERE name = 'main'"


class DatabaseIdentity(NamedTuple):
    """What a database is told by.

    Attributes:
        place: What differs between a database and its copies, as far as the user may see it.
        started: When PostgreSQL was started; it counts only if the server cannot be told.
        store_id: The id that the store has in its database; None if it has none yet.
        on_server: True for PostgreSQL, where an equal place can be that of a clone.
    """

    place: tuple[object, ...]
    started: str | None
    store_id: str | None
    on_server: bool


def is_same_database(
    first: Callable[[], DatabaseIdentity],
    second: Callable[[], DatabaseIdentity],
    write_second: Callable[[Callable[[Transaction], object]], object] | None,
) -> bool:
    """Return True if two databases are one.

    Clones of a server that were made with the databases in them have equal places. Only the ids
    tell these, so the second database gets one if it has none. It is one database if the first has
    this id, too.

    Args:
        first, second: Read the identity of each; see `read_identity`.
        write_second: Calls a function within a transaction of the second that may write. If it is
            None, databases in equal places without ids are taken for one.
    """
    one, other = first(), second()
    if not _are_places_equal(one, other):
        return False
    if one.on_server and other.store_id is None and write_second is not None:
        write_second(_make_store_id_soon)
        one, other = first(), second()
    return one.store_id == other.store_id


def read_identity(tx: Transaction) -> DatabaseIdentity:
    """Return what tells a database from others."""
    if tx.postgresql:
        place, started = _place_on_postgresql(tx)
        row = tx.row(STORE_ID)
        return DatabaseIdentity(place, started, None if row is None else str(row[0]), True)
    file = tx.rows(SQLITE_FILE)[0][0]
    if not file:  # A database in memory is one connection.
        return DatabaseIdentity((id(tx.connection),), None, None, False)
    status = Path(file).stat()
    return DatabaseIdentity((status.st_dev, status.st_ino), None, None, False)


def sees_commits(tx: Transaction) -> bool:
    """Return True if a transaction sees what others commit after it began."""
    return tx.postgresql and tx.rows(ISOLATION)[0][0] == "read committed"


def own_folder_name(tx: Transaction) -> str:
    """Return the name of the folder in which a store keeps bytes outside of its database.

    The name is a hash of the store's id and of the place of the database. A copy of a database has
    the same id and another place, and so another folder. A database cannot claim another store's
    folder by what it contains.

    Args:
        tx: A transaction that may write, because the id is made if there is none.

    Returns:
        32 hexadecimal digits.
    """
    values = (make_store_id(tx), *_place_of_database(tx))
    return hashlib.sha256("\0".join(map(str, values)).encode()).hexdigest()[:32]


def make_store_id(tx: Transaction) -> str:
    """Return the id of a store, and make it if there is none.

    Args:
        tx: A transaction that may write.
    """
    if tx.postgresql:
        tx.run("LOCK TABLE store_ids IN SHARE ROW EXCLUSIVE MODE")
    row = tx.row(STORE_ID)
    if row is not None:
        return str(row[0])
    made = uuid4().hex
    tx.run(INSERT_STORE_ID, (made,))
    return made


def _make_store_id_soon(tx: Transaction) -> None:
    """Make the id of a store on PostgreSQL, and wait only briefly for whoever is in the way."""
    tx.run(LOCK_WAIT)
    make_store_id(tx)


def _are_places_equal(one: DatabaseIdentity, other: DatabaseIdentity) -> bool:
    """Return True if two places are equal, as far as both can be seen."""
    if one.on_server != other.on_server:
        return False
    if len(one.place) != len(other.place):
        # One of the users may not see which server it is.
        return one.place[-2:] == other.place[-2:] and one.started == other.started
    is_server_known = len(one.place) > 2 or not one.on_server
    return one.place == other.place and (is_server_known or one.started == other.started)


def _place_of_database(tx: Transaction) -> tuple[object, ...]:
    """Return what differs between a database and its copies."""
    if tx.postgresql:
        return _place_on_postgresql(tx)[0]
    file = tx.rows(SQLITE_FILE)[0][0]
    return (os.path.realpath(file), Path(file).stat().st_ino) if file else ()


def _place_on_postgresql(tx: Transaction) -> tuple[tuple[object, ...], str]:
    """Return the server, if the user may see it, the number of the database there, and its start.

    The server is its identifier and its timeline.
    """
    named = (tx.row(STREAMS) or ("'streams'",))[0]
    is_elsewhere = tx.distributed and not tx.rows(IS_COORDINATOR)[0][0]

    def ask(sql: str) -> Any:
        return _on_coordinator(tx, sql) if is_elsewhere else tx.rows(sql)[0][0]

    may_control = ask(MAY_CONTROL) in (True, "t")
    server = _values(ask(CONTROL)) if may_control else []
    *numbers, started = _values(ask(POSTGRESQL_DATABASE.format(streams=named)))
    return (*server, *numbers), str(started)


def _on_coordinator(tx: Transaction, sql: str) -> Any:
    """Return the text of a value that a query has on the coordinator of the cluster."""
    success, result = tx.rows(ON_COORDINATOR, (sql,))[0]
    if not success:
        raise DatabaseUnavailableError(f"the coordinator of the cluster: {result}")
    return result


def _values(array: Any) -> list[Any]:
    """Return the values of an array that PostgreSQL made, from its text if it is one."""
    return list(loads(array) if isinstance(array, str) else array)
