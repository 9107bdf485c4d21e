"""Remove every byte of deleted rows from the files of a database, and from places outside of it.

Called by the commands `erase` and `retain` and by verbs/upkeep.py. archive/copy_sessions.py calls
`delete_left_bytes` when sessions are moved.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from eventstore.errors import DatabaseUnavailableError, InvalidInputError
from eventstore.realtime.values import dumps, loads
from eventstore.store.consumers.projections.projection_tables import projected_tables
from eventstore.store.consumers.projections.write_projected import existing_tables
from eventstore.store.database.connections.driver_errors import unavailable
from eventstore.store.database.connections.drivers import driver_errors
from eventstore.store.database.engine_options import allowed_locations_of
from eventstore.store.database.identity import own_folder_name
from eventstore.store.database.keys import keys_of
from eventstore.store.database.retries import write_retried
from eventstore.store.database.tables import day_tables
from eventstore.store.database.tables import declared as tables
from eventstore.store.database.transaction import Transaction, read, write
from eventstore.store.log.segments import segment_bytes
from eventstore.store.log.segments.left_bytes import DELETE_LEFT_LOCATION, noted_locations
from eventstore.store.maintenance.cluster_nodes import is_distributed
from eventstore.store.maintenance.scrub_nodes import scrub_on_nodes
from eventstore.store.maintenance.vacuum import exclusive_connection
from eventstore.store.sessions.delete_rows import TABLES
from eventstore.times import now

# FTS5 keeps the words of deleted texts until it merges its segments.
MERGE_SAID = "INSERT INTO said (said) VALUES ('optimize')"
ERASED = "SELECT session_id FROM erasures WHERE what = 'session' AND vacuumed_at IS NULL"
NOT_VACUUMED = "SELECT 1 FROM erasures WHERE vacuumed_at IS NULL LIMIT 1"
LEFT_OUTSIDE = "SELECT 1 FROM erasures WHERE locations IS NOT NULL LIMIT 1"
OUTSIDE = "SELECT session_id, at, locations FROM erasures WHERE locations IS NOT NULL"
NAMED = "SELECT location FROM segments WHERE location LIKE ?"
SET_OUTSIDE = "UPDATE erasures SET locations = ? WHERE session_id = ? AND at = ?"
SET_VACUUMED = "UPDATE erasures SET vacuumed_at = ? WHERE vacuumed_at IS NULL AND at <= ?"


def is_vacuum_due(engine: Engine) -> bool:
    """Return True if something was erased since the database's files were last rewritten."""
    with read(engine) as tx:
        return tx.row(NOT_VACUUMED) is not None


def is_left_outside(engine: Engine) -> bool:
    """Return True if bytes outside of the database are still to be deleted."""
    with read(engine) as tx:
        return tx.row(LEFT_OUTSIDE) is not None


def scrub(engine: Engine, vacuum: bool = True) -> None:
    """Remove what erased sessions left behind: keys, bytes outside, and bytes in deleted rows.

    The keys of erased sessions are dropped first, and their segments' bytes outside of the database
    are deleted. Then the database's files, and those of the keys' database, are overwritten where
    rows were deleted.

    SQLite: the search index is merged, and the write-ahead log is emptied. With `vacuum` the file
    is also rewritten, so that nothing is left of rows that were deleted or replaced earlier.
    PostgreSQL: only with `vacuum`, which locks each table while it rewrites it; with Citus, on each
    node of the cluster.

    Args:
        vacuum: True rewrites the files.

    Raises:
        DatabaseUnavailableError: Another process holds a lock, something keeps deleted rows (such
            as an open transaction or a replication slot, which is named), the disk is full, a node
            of a cluster could not be scrubbed, or bytes outside could not be deleted or may belong
            to another store. Call it again later.
        MissingKeyError: Sessions were erased, and the database of the store's keys is not named.
    """
    began = now()
    keys = keys_of(engine)
    with read(engine) as tx:
        erased = [row[0] for row in tx.rows(ERASED)]
        if erased:
            keys.check(tx)  # Other keys can have equal session ids; these keys would then stay.
    keys.drop(erased)
    left = _delete_outside(engine)
    try:
        with read(engine) as tx:
            own = existing_tables(tx, projected_tables(tx))
        sums = [table.name for table in day_tables.DAY_SUM_TABLES]
        _scrub(engine, vacuum, (*TABLES, *own, *sums))
        if keys.engine is not None and erased:
            _scrub(keys.engine, vacuum, (tables.session_keys.name,))
    except driver_errors() as error:
        raise unavailable(error) from error
    if vacuum:
        _write_row(engine, SET_VACUUMED, now(), began)
    if left:
        more = f" (and {len(left) - 1:,} more)" if len(left) > 1 else ""
        raise DatabaseUnavailableError(f"{left[0]}{more}")


def delete_left_bytes(engine: Engine, session_id: str) -> None:
    """Delete the bytes outside of the database of a session that was moved to another store.

    The place of bytes that cannot be deleted, or may belong to another store, stays noted.
    """
    left, own = write_retried(engine, lambda tx: _noted_locations(tx, session_id))
    for location in filter(segment_bytes.is_location, left):
        if not _is_left(engine, location, own, []):
            _write_row(engine, DELETE_LEFT_LOCATION, session_id, location)


def _write_row(engine: Engine, sql: str, *parameters: object) -> None:
    write_retried(engine, lambda tx: tx.run(sql, parameters))


def _noted_locations(tx: Transaction, session_id: str) -> tuple[list[str], str]:
    """Return the noted places of a session, and the name of the store's own folder there."""
    left = noted_locations(tx, session_id)
    return left, own_folder_name(tx) if left else ""


def _delete_outside(engine: Engine) -> list[str]:
    """Delete the bytes of erased segments that are outside of the database.

    Returns:
        For each place that had to be left, why. It stays listed, and the next call tries it again.
    """
    with read(engine) as tx:
        erased = tx.rows(OUTSIDE)
    if not erased:
        return []
    own = write_retried(engine, own_folder_name)
    problems: list[str] = []
    for session_id, at, listed in erased:
        left = [place for place in _listed(listed) if _is_left(engine, place, own, problems)]
        _write_row(engine, SET_OUTSIDE, dumps(left) if left else None, session_id, at)
    return problems


def _listed(text: object) -> list[str]:
    """Return the places that a tombstone lists, without values that no store has written."""
    try:
        found = loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return []
    return list(filter(segment_bytes.is_location, found)) if isinstance(found, list) else []


def _is_left(engine: Engine, location: str, own: str, problems: list[str]) -> bool:
    """Delete the bytes at a location; if they must be left, note why and return True."""
    with read(engine) as tx:
        if _is_named(tx, location):
            return False  # Another session has a segment with equal bytes.
    try:
        segment_bytes.delete(location, allowed_locations_of(engine), own)
    except (segment_bytes.BytesError, DatabaseUnavailableError, InvalidInputError) as error:
        problems.append(str(error))
        return True
    return False


def _is_named(tx: Transaction, location: str) -> bool:
    """Return True if a segment names these bytes, in whatever form it writes their place."""
    named = tx.rows(NAMED, (f"%/{location.rpartition('/')[2]}",))
    return any(
        isinstance(one, str) and segment_bytes.is_same_location(one, location) for (one,) in named
    )


def _scrub(engine: Engine, vacuum: bool, of_tables: Sequence[str]) -> None:
    if engine.dialect.name == "sqlite":
        _scrub_sqlite(engine, vacuum)
    elif vacuum and is_distributed(engine):
        scrub_on_nodes(engine, of_tables)
    elif vacuum:
        # Imported here, because psycopg is slow to import.
        from eventstore.store.maintenance.vacuum_postgresql import scrub_tables

        scrub_tables(engine, of_tables)


def _scrub_sqlite(engine: Engine, vacuum: bool) -> None:
    with write(engine) as tx:
        tx.run("PRAGMA secure_delete=ON")
        tx.run(MERGE_SAID)
    with exclusive_connection(engine) as found:
        if vacuum:
            found.execute("VACUUM")
        is_empty = found.empty_log()
    if not is_empty:
        raise DatabaseUnavailableError(
            "the write-ahead log still holds what was erased, since another process reads;"
            " run the same command again"
        )
